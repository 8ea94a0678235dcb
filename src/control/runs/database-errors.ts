/** Failures of statements, as workers and dispatchers judge them. */
import { DroverError, toDroverError } from '../../model/errors.ts';
import { databaseError } from '../database/connect.ts';

/** Another transaction was faster: the same again will do, as if the database had been away for a moment. */
const AGAIN = /^(40001|40P01)$/;

/** Any failure of a statement as DATABASE_UNAVAILABLE, DISK_FULL, or what it was. */
export function fromDatabase(thrown: unknown): DroverError {
  const { code } = thrown as { code?: unknown };
  if (!(thrown instanceof DroverError) && typeof code === 'string' && AGAIN.test(code)) {
    return toDroverError(databaseError(thrown, 'Another transaction was faster'));
  }
  return toDroverError(databaseError(thrown));
}

export async function inDatabase<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw fromDatabase(thrown);
  }
}
