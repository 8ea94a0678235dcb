/** Who signs: static keys, a role, a web identity or the standard chain; renewed before they expire. */
import { readFile, stat } from 'node:fs/promises';
import type { Log } from '../../lib/world.ts';
import type { SigningKeys } from '../../lib/sigv4.ts';
import type { OpenTransport } from '../../lib/transport.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { S3Settings } from './fields.ts';
import { SdkHttp } from './sdk-http.ts';

export interface Credentials {
  readonly keys: SigningKeys;
  /** `null`: they do not expire. */
  readonly expiresAtMs: number | null;
}

export interface CredentialSource {
  /** Whether asking again may bring other ones. */
  readonly isRenewable: boolean;
  current(signal: AbortSignal): Promise<Credentials>;
  /** Replaces `refused`, unless somebody did so meanwhile. */
  renew(refused: Credentials, signal: AbortSignal): Promise<Credentials>;
}

export function staticCredentials(keys: SigningKeys): CredentialSource {
  const credentials: Credentials = { keys, expiresAtMs: null };
  return { isRenewable: false, current: async () => credentials, renew: async () => credentials };
}

const EARLY_MS = 5 * 60_000;
const HARD_MS = 60_000;
const RETRY_MS = 30_000;

/**
 * Keeps what `load` gave. From 80 % of their life, and five minutes before the end at the latest, new ones are
 * fetched by one request in the background while the old ones still serve.
 */
export class RenewingCredentials implements CredentialSource {
  readonly isRenewable = true;
  readonly #load: () => Promise<Credentials>;
  readonly #now: () => number;
  readonly #log: Log;
  #held: Credentials | null = null;
  #renewAtMs = 0;
  #flight: Promise<Credentials> | null = null;

  constructor(load: () => Promise<Credentials>, now: () => number, log: Log) {
    this.#load = load;
    this.#now = now;
    this.#log = log;
  }

  async current(signal: AbortSignal): Promise<Credentials> {
    const held = this.#held;
    const now = this.#now();
    if (held === null || (held.expiresAtMs !== null && now >= held.expiresAtMs - HARD_MS)) {
      return waitFor(this.#fetch(), signal);
    }
    if (now >= this.#renewAtMs) {
      this.#fetch().catch((thrown: unknown) => {
        this.#renewAtMs = this.#now() + RETRY_MS;
        this.#log('warn', 'The credentials could not be renewed yet; the old ones still serve.', {
          reason: toDroverError(thrown).message,
        });
      });
    }
    return held;
  }

  async renew(refused: Credentials, signal: AbortSignal): Promise<Credentials> {
    if (this.#held !== null && this.#held !== refused) return this.#held;
    return waitFor(this.#fetch(), signal);
  }

  #fetch(): Promise<Credentials> {
    this.#flight ??= this.#load()
      .then((loaded) => {
        const now = this.#now();
        this.#held = loaded;
        this.#renewAtMs = loaded.expiresAtMs === null ? Infinity : renewalTime(now, loaded.expiresAtMs);
        return loaded;
      })
      .finally(() => {
        this.#flight = null;
      });
    return this.#flight;
  }
}

/** The earlier of 80 % of the life and five minutes before its end; never in the past of what was just issued. */
export function renewalTime(nowMs: number, expiresAtMs: number): number {
  const lifeMs = Math.max(0, expiresAtMs - nowMs);
  return Math.max(nowMs + lifeMs / 2, Math.min(nowMs + lifeMs * 0.8, expiresAtMs - EARLY_MS));
}

/** The shared work goes on when one of those who wait for it gives up. */
async function waitFor<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => undefined);
    throw new DroverError('CANCELLED', 'The work was stopped.');
  }
  let stop: (() => void) | undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new DroverError('CANCELLED', 'The work was stopped.'));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop);
  }
}

/** The identity below a role, or the one that signs itself. `environment` stands for the process's own. */
export function baseCredentials(
  settings: S3Settings,
  environment: Readonly<Record<string, string | undefined>>,
  now: () => number,
  log: Log,
  openTransport: OpenTransport,
): CredentialSource {
  const isChain = settings.authorization === 'chain';
  if (!isChain && settings.accessKeyId !== null && settings.secretAccessKey !== null) {
    return staticCredentials({
      accessKeyId: settings.accessKeyId,
      secretAccessKey: settings.secretAccessKey,
      sessionToken: settings.sessionToken,
    });
  }
  const profile = settings.profile ?? nonEmpty(environment['AWS_PROFILE']);
  const accessKeyId = nonEmpty(environment['AWS_ACCESS_KEY_ID']);
  const secretAccessKey = nonEmpty(environment['AWS_SECRET_ACCESS_KEY']);
  if (settings.profile === null && accessKeyId !== null && secretAccessKey !== null) {
    return staticCredentials({
      accessKeyId,
      secretAccessKey,
      sessionToken: nonEmpty(environment['AWS_SESSION_TOKEN']),
    });
  }
  const load = async (): Promise<Credentials> => {
    const http = new SdkHttp(openTransport, settings.caCertificate);
    try {
      return await fromChain(profile, settings, environment, now, http);
    } finally {
      await http.close();
    }
  };
  return new RenewingCredentials(load, now, log);
}

/** Profiles, single sign-on, processes, containers and instances: what the AWS tools themselves would find. */
async function fromChain(
  profile: string | null,
  settings: S3Settings,
  environment: Readonly<Record<string, string | undefined>>,
  now: () => number,
  http: SdkHttp,
): Promise<Credentials> {
  try {
    const { fromNodeProviderChain } = await import('@aws-sdk/credential-providers');
    const filepath = nonEmpty(environment['AWS_SHARED_CREDENTIALS_FILE']);
    const configFilepath = nonEmpty(environment['AWS_CONFIG_FILE']);
    const found = await fromNodeProviderChain({
      ...(profile === null ? {} : { profile }),
      ...(filepath === null ? {} : { filepath }),
      ...(configFilepath === null ? {} : { configFilepath }),
      // Files are read anew each time: their keys may have been exchanged.
      ignoreCache: true,
      clientConfig: { requestHandler: http },
      // Not above, where it would also be taken for the region of single sign-on, which the profile names.
      parentClientConfig: { requestHandler: http, ...(settings.region === null ? {} : { region: settings.region }) },
    })();
    // Long-lived keys of a file may be rotated there: they are read again every hour.
    const expiresAtMs = found.expiration?.getTime() ?? now() + 3_600_000;
    return {
      keys: {
        accessKeyId: found.accessKeyId,
        secretAccessKey: found.secretAccessKey,
        sessionToken: found.sessionToken ?? null,
      },
      expiresAtMs,
    };
  } catch (thrown) {
    const where = profile === null ? 'The standard chain' : `The profile "${profile}"`;
    if (http.failure !== null) {
      const { code, field, message, remedyOverride: remedy } = http.failure;
      throw new DroverError(code, `${where} gave no credentials: ${message}`, { cause: thrown, field, remedy });
    }
    throw new DroverError('UNAUTHENTICATED', `${where} gave no credentials: ${firstLine(thrown)}`, {
      cause: thrown,
      field: profile === null ? 'accessKeyId' : 'profile',
    });
  }
}

/** A signed token (JWT). */
const TOKEN = /^[\w-]+(?:\.[\w-]+){2}$/;
const TOKEN_BYTES_MAX = 64 * 1024;

/**
 * The token of a web identity, read anew each time because it is rotated in place. What is no token is not given out:
 * it goes to an address that whoever named the file may have named too.
 */
export async function readTokenFile(path: string): Promise<string> {
  const token = await readSmallFile(path);
  if (TOKEN.test(token)) return token;
  throw new DroverError('UNAUTHENTICATED', `The file ${path} holds no web identity token.`, {
    field: 'webIdentityTokenFile',
    remedy:
      'Name the file that holds the token: three parts with dots between them, as the identity provider signs it.',
  });
}

async function readSmallFile(path: string): Promise<string> {
  try {
    const stats = await stat(path);
    if (!stats.isFile() || stats.size > TOKEN_BYTES_MAX) return '';
    return (await readFile(path, 'utf8')).trim();
  } catch (thrown) {
    throw new DroverError('UNAUTHENTICATED', `The web identity token file cannot be read: ${firstLine(thrown)}`, {
      cause: thrown,
      field: 'webIdentityTokenFile',
    });
  }
}

export function nonEmpty(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}

function firstLine(thrown: unknown): string {
  const words = thrown instanceof Error ? thrown.message : String(thrown);
  return (words.split('\n')[0] as string).slice(0, 300);
}
