/** The one way this folder talks to SQLite: opening, transactions, and what its faults mean to a person. */
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { DroverError } from '../model/errors.ts';
import { MIGRATIONS, SCHEMA, SCHEMA_VERSION } from './schema.ts';

/** How long a statement waits for another process that holds the file. */
const BUSY_MS_MAX = 10_000;

/** Primary result codes of SQLite. */
const RESULT = { BUSY: 5, LOCKED: 6, READONLY: 8, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const;
/** Extended code: the shared-memory file of the write-ahead log could not grow, which only a full disk causes. */
const IOERR_SHMSIZE = 4874;

/**
 * Opens the state file, making it when there is none. A file that is damaged, or was written by a newer Drover, is
 * INVALID_INPUT and is left exactly as it was.
 */
export function openState(path: string): DatabaseSync {
  makePrivateFile(path);
  refuseForeign(path);
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: BUSY_MS_MAX });
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;');
    const opened = database;
    transact(opened, path, () => {
      const version = readVersion(opened);
      if (version === SCHEMA_VERSION) return;
      if (version === null) opened.exec(SCHEMA);
      else for (let at = version; at < SCHEMA_VERSION; at++) opened.exec(MIGRATIONS[at] ?? '');
      opened.prepare('INSERT INTO schema_version (version) VALUES (?)').run(SCHEMA_VERSION);
    });
    return database;
  } catch (error) {
    database?.close();
    throw stateError(error, path);
  }
}

/** Runs `work` in one transaction: all of it is durable when this returns, or none of it happened. */
export function transact<T>(database: DatabaseSync, path: string, work: () => T): T {
  try {
    database.exec('BEGIN IMMEDIATE');
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // After some faults (disk full) SQLite has rolled back by itself already.
    if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
    throw stateError(error, path);
  }
}

/** Runs a query outside of a transaction, with faults translated. */
export function query<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw stateError(error, path);
  }
}

/** True when another connection, here or in another process, holds the file. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === RESULT.BUSY || code === RESULT.LOCKED;
}

/** Makes an empty file for nobody but its owner, so that SQLite never makes it with wider rights. */
export function makePrivateFile(path: string): void {
  try {
    // Only ever with "x": opening and closing an existing file would drop this process's SQLite locks on it.
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError(error, path);
    try {
      chmodSync(path, 0o600);
    } catch {
      // Somebody else's file: opening it will say whether it can be used.
    }
  }
}

/** A fault of the file system around the state folder. */
export function fileError(error: unknown, path: string): DroverError {
  if (error instanceof DroverError) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new DroverError('DISK_FULL', `There is no room left for Drover's own state at ${path}.`, { cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new DroverError('PERMISSION_DENIED', `Drover's own state at ${path} cannot be written (${code}).`, {
      cause: error,
      field: 'state',
      remedy: 'Choose a folder you may write to with --state.',
    });
  }
  if (WRONG_PATH_CODES.has(code)) {
    return new DroverError(
      'INVALID_INPUT',
      `Drover's own state cannot be kept at ${path}: no folder can be there (${code}).`,
      {
        cause: error,
        field: 'state',
        remedy: 'Choose another folder with --state.',
      },
    );
  }
  const words = error instanceof Error ? error.message : String(error);
  return new DroverError('INTERNAL', `Drover's own state at ${path} cannot be used: ${words}`, { cause: error });
}

/** A file where a folder should be, or a name that the file system does not take. */
const WRONG_PATH_CODES: ReadonlySet<string> = new Set(['ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'EINVAL']);

function refuseForeign(path: string): void {
  if (!existsSync(path)) return;
  let database: DatabaseSync | null = null;
  try {
    // Read-only, because a file that turns out not to be ours must stay as it is.
    database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS_MAX });
    const problem = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (problem !== 'ok') throw damaged(path, String(problem));
    const version = readVersion(database);
    if (version !== null && version > SCHEMA_VERSION) {
      throw new DroverError(
        'INVALID_INPUT',
        `The state file ${path} was written by a newer Drover (format ${version}; this one knows ${SCHEMA_VERSION}).`,
        { field: 'state', remedy: 'Update Drover, or choose another folder with --state.' },
      );
    }
    if (version === null && countTables(database) > 0) throw damaged(path, 'it is a database of another program');
  } catch (error) {
    throw stateError(error, path);
  } finally {
    database?.close();
  }
}

function readVersion(database: DatabaseSync): number | null {
  const known = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'").get();
  if (known === undefined) return null;
  const row = database.prepare('SELECT max(version) AS version FROM schema_version').get();
  return typeof row?.['version'] === 'number' ? row['version'] : null;
}

function countTables(database: DatabaseSync): number {
  return Number(database.prepare('SELECT count(*) AS tables FROM sqlite_master').get()?.['tables'] ?? 0);
}

function damaged(path: string, why: string, cause?: unknown): DroverError {
  return new DroverError('INVALID_INPUT', `The state file ${path} is damaged or not Drover's: ${why}.`, {
    cause,
    field: 'state',
    remedy: 'Restore it from a backup, or move it away and start over; targets are not touched by that.',
  });
}

function stateError(error: unknown, path: string): DroverError {
  if (error instanceof DroverError) return error;
  const code = primaryCode(error);
  const words = error instanceof Error ? error.message : String(error);
  if (code === null) return fileError(error, path);
  if (code === RESULT.FULL || (error as { errcode?: number }).errcode === IOERR_SHMSIZE) {
    return new DroverError('DISK_FULL', `There is no room left for Drover's own state at ${path}.`, { cause: error });
  }
  if (code === RESULT.CORRUPT || code === RESULT.NOTADB) return damaged(path, words, error);
  if (code === RESULT.BUSY || code === RESULT.LOCKED) {
    return new DroverError('UNAVAILABLE', `Another Drover process kept the state file ${path} busy for too long.`, {
      cause: error,
    });
  }
  if (code === RESULT.READONLY || code === RESULT.CANTOPEN) {
    return new DroverError('PERMISSION_DENIED', `The state file ${path} cannot be written (${words}).`, {
      cause: error,
      field: 'state',
      remedy: 'Choose a folder you may write to with --state.',
    });
  }
  return new DroverError('INTERNAL', `The state file ${path} cannot be used: ${words}.`, { cause: error });
}

function primaryCode(error: unknown): number | null {
  const extended = (error as { errcode?: unknown } | null)?.errcode;
  return typeof extended === 'number' ? extended & 0xff : null;
}
