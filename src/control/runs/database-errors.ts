/** What PostgreSQL and its driver say, in Drover's words. */
import { DroverError, toDroverError } from '../../model/errors.ts';

/** Connection lost or refused, server starting, stopping or out of connections. */
const UNAVAILABLE =
  /^(08...|57P0[1-5]|53300|25006|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOENT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)$/;
const UNAVAILABLE_WORDS =
  /connection terminated|connection ended|timeout exceeded when trying to connect|not queryable/i;
const DISK_FULL = /^(53100|58030)$/;
/** Another transaction won; the same again will do. */
const AGAIN = /^(40001|40P01)$/;

/** Any failure of a statement as DATABASE_UNAVAILABLE, DISK_FULL, or what it was. */
export function fromDatabase(thrown: unknown): DroverError {
  if (thrown instanceof DroverError) return thrown;
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  const words = typeof message === 'string' ? message : String(thrown);
  if (typeof code === 'string') {
    if (DISK_FULL.test(code)) {
      return new DroverError('DISK_FULL', `The database cannot write: ${words}`, { cause: thrown });
    }
    if (UNAVAILABLE.test(code) || AGAIN.test(code)) return unavailable(words, thrown);
  }
  if (UNAVAILABLE_WORDS.test(words)) return unavailable(words, thrown);
  return toDroverError(thrown);
}

export async function inDatabase<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw fromDatabase(thrown);
  }
}

/** True for what passes by itself once the database answers again. */
export function isPassing(thrown: unknown): boolean {
  const { code } = fromDatabase(thrown);
  return code === 'DATABASE_UNAVAILABLE' || code === 'DISK_FULL';
}

function unavailable(words: string, cause: unknown): DroverError {
  return new DroverError('DATABASE_UNAVAILABLE', `The database does not answer: ${words}`, { cause });
}
