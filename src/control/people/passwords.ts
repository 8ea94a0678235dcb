/** Passwords: what is asked of them, and how they are kept (Argon2id). */
import { hash, verify } from '@node-rs/argon2';
import { Turnstile } from '../../lib/turnstile.ts';
import { DroverError } from '../../model/errors.ts';

export const PASSWORD_CHARACTERS_MIN = 12;
const PASSWORD_CHARACTERS_MAX = 1_024;
/** Each takes memory and a thread: a flood of sign-ins must not take the machine. */
const HASHES_MAX = 2;
const WAITING_MAX = 50;
/** What it costs to try one password. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

export interface Passwords {
  hash(password: string): Promise<string>;
  /** `null`: there is nobody; takes the same time as for somebody. */
  verify(kept: string | null, password: string): Promise<boolean>;
}

export function openPasswords(): Passwords {
  const turnstile = new Turnstile();
  let busy = 0;
  let nobody: Promise<string> | null = null;

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (turnstile.waiting >= WAITING_MAX) {
      throw new DroverError('RATE_LIMITED', 'Too many people sign in at this moment.', { retryAfterMs: 5_000 });
    }
    await turnstile.pass(() => {
      if (busy >= HASHES_MAX) return false;
      busy += 1;
      return true;
    });
    try {
      return await work();
    } finally {
      busy -= 1;
      turnstile.wake();
    }
  }

  function hashOfNobody(): Promise<string> {
    nobody ??= inTurn(() => hash('nobody has this password', COST)).catch((thrown: unknown) => {
      // Turned away this time; the next one makes it.
      nobody = null;
      throw thrown;
    });
    return nobody;
  }

  return {
    hash: (password) => inTurn(() => hash(normal(password), COST)),
    async verify(kept, password) {
      const held = kept ?? (await hashOfNobody());
      const fits = await inTurn(() => verify(held, normal(password)));
      return fits && kept !== null;
    },
  };
}

/** The same password typed on another keyboard is the same password. */
function normal(password: string): string {
  return password.normalize('NFKC');
}

/** INVALID_INPUT at `field`. Length counts, not which kinds of characters there are. */
export function checkPassword(password: string, email: string, field = 'password'): void {
  const invalid = (message: string): DroverError => new DroverError('INVALID_INPUT', message, { field });
  const length = Array.from(password).length;
  const missing = PASSWORD_CHARACTERS_MIN - length;
  if (missing > 0) {
    const words =
      length === 0
        ? 'The password is empty'
        : `The password has ${length === 1 ? 'one character' : `${length} characters`}`;
    throw invalid(
      `${words}; it needs at least ${PASSWORD_CHARACTERS_MIN}. Add ${missing === 1 ? 'one' : missing} more.`,
    );
  }
  if (length > PASSWORD_CHARACTERS_MAX)
    throw invalid(`The password has ${length} characters; use at most ${PASSWORD_CHARACTERS_MAX}.`);
  if (normal(password).trim().toLowerCase() === email.toLowerCase()) {
    throw invalid('The password is the e-mail address, which others know. Choose another one.');
  }
  if (new Set(normal(password)).size < 3)
    throw invalid('The password repeats one or two characters, which is quickly guessed. Choose another one.');
}
