/** What all services do with rows: moments, versions, and database errors in Drover's words. */
import { sql } from 'kysely';
import { DroverError } from '../model/errors.ts';
import type { Actor } from './entities.ts';
import type { Tx } from './world.ts';

export function isoOf(moment: Date): string {
  return moment.toISOString();
}

export function isoOrNull(moment: Date | null): string | null {
  return moment === null ? null : moment.toISOString();
}

/** Members that all saved entities have. */
export function keptOf(row: {
  readonly id: string;
  readonly version: number;
  readonly created_at: Date;
  readonly created_by: string;
  readonly updated_at: Date;
}): { id: string; version: number; createdAt: string; createdBy: string; updatedAt: string } {
  return {
    id: row.id,
    version: row.version,
    createdAt: isoOf(row.created_at),
    createdBy: row.created_by,
    updatedAt: isoOf(row.updated_at),
  };
}

/** Columns of a new row. */
export function stampOf(
  actor: Actor,
  nowMs: number,
): { version: number; created_at: Date; created_by: string; updated_at: Date } {
  const now = new Date(nowMs);
  return { version: 1, created_at: now, created_by: actor.name, updated_at: now };
}

/** ENTITY_NOT_FOUND when there is no row. An id that is no UUID is simply not there. */
export function found<Row>(row: Row | undefined, word: string, id: string): Row {
  if (row === undefined) throw new DroverError('ENTITY_NOT_FOUND', `There is no ${word} with the id "${id}".`);
  return row;
}

export function isUuid(id: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(id);
}

type Versioned =
  'people' | 'connectors' | 'endpoints' | 'projects' | 'jobs' | 'schedules' | 'timetables' | 'subscriptions';

/**
 * Locks the row until the transaction ends and returns its version: whoever changes it next waits, so that no change
 * is lost. ENTITY_NOT_FOUND, EDIT_CONFLICT.
 */
export async function lockVersion(
  tx: Tx,
  table: Versioned,
  id: string,
  expected: number | null,
  word: string,
): Promise<number> {
  const { rows } = isUuid(id)
    ? await sql<{ version: number }>`SELECT version FROM ${sql.table(table)} WHERE id = ${id} FOR UPDATE`.execute(tx)
    : { rows: [] };
  const row = found(rows[0], word, id);
  expectVersion(row, expected, word);
  return row.version;
}

/** EDIT_CONFLICT when the caller saw another version; `null` accepts any. */
export function expectVersion(row: { readonly version: number }, expected: number | null, word: string): void {
  if (expected !== null && expected !== row.version) {
    throw new DroverError(
      'EDIT_CONFLICT',
      `This ${word} was changed meanwhile: it is version ${row.version} now, not ${expected}.`,
    );
  }
}

/**
 * Runs the work; a value that must be unique and is not becomes ALREADY_EXISTS at its field (`fields`: name of the
 * index or constraint → field and sentence), a reference that is still used becomes IN_USE.
 */
export async function uniquely<T>(
  fields: Readonly<Record<string, readonly [field: string, message: string]>>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, constraint } = error as { code?: string; constraint?: string };
    const known = constraint === undefined ? undefined : fields[constraint];
    if (code === '23505' && known !== undefined) {
      throw new DroverError('ALREADY_EXISTS', known[1], { field: known[0], cause: error });
    }
    if (code === '23503') throw new DroverError('IN_USE', 'Something else still refers to it.', { cause: error });
    throw error;
  }
}

/**
 * INVALID_INPUT at `field` unless the trimmed text has 1 to `lengthMax` characters and stands on one line, read in one
 * direction; returns it trimmed.
 */
export function nameOf(text: string, field: string, lengthMax = 200): string {
  const name = text.trim();
  if (name === '') throw new DroverError('INVALID_INPUT', 'Give a name.', { field });
  if (/[\n\t\u2028-\u202e\u2066-\u2069]/.test(name)) {
    throw new DroverError('INVALID_INPUT', 'Leave line ends, tabs and marks that turn the direction of writing out.', {
      field,
    });
  }
  return shortText(name, field, lengthMax);
}

export function shortText(text: string, field: string, lengthMax: number): string {
  const length = Array.from(text).length;
  if (length > lengthMax) {
    throw new DroverError('INVALID_INPUT', `Give at most ${lengthMax} characters; this has ${length}.`, { field });
  }
  if (/\p{Cc}/u.test(text.replaceAll(/[\n\t]/g, ''))) {
    throw new DroverError('INVALID_INPUT', 'Leave control characters out.', { field });
  }
  return text;
}

export const DESCRIPTION_MAX = 1_024;
