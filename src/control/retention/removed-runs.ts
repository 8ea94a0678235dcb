/**
 * The files of runs whose rows are gone, with their job or project or alone. The database notes each such run in the
 * transaction that deletes it; the note goes when its files have gone, so that whoever dies in between leaves the rest to
 * the next look.
 */
import { sql } from 'kysely';
import { chunkPrefix } from '../../engine/chunks.ts';
import type { ControlWorld } from '../world.ts';

const AGAIN_HOURS_MAX = 24;

type FilesWorld = Pick<ControlWorld, 'db' | 'artifacts'>;

/** Of runs that were deleted just now, by whoever deleted them; nobody else looks for an hour. */
export async function removeFilesOf(world: FilesWorld, runIds: readonly string[]): Promise<void> {
  for (const id of runIds) await removeFiles(world, id);
}

/** Those of whom nobody is at it any more, at most `most`. */
export async function findRemovedRuns({ db }: FilesWorld, most: number): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM removed_runs WHERE again_at <= clock_timestamp() ORDER BY again_at LIMIT ${most}`.execute(db);
  return rows.map(({ id }) => id);
}

/** False where another server is at it. Counted before it begins; what cannot be removed is tried later and later. */
export async function removeLeftFiles(world: FilesWorld, id: string): Promise<boolean> {
  const { rows } = await sql`UPDATE removed_runs SET attempts = attempts + 1, again_at = clock_timestamp()
      + least(${sql.lit(AGAIN_HOURS_MAX)}, 2 ^ least(attempts, 10)) * interval '1 hour'
    WHERE id = ${id} AND again_at <= clock_timestamp() RETURNING id`.execute(world.db);
  if (rows.length === 0) return false;
  await removeFiles(world, id);
  return true;
}

async function removeFiles({ db, artifacts }: FilesWorld, id: string): Promise<void> {
  for (const prefix of [chunkPrefix(id), `reports/${id}/`]) await artifacts.removeAll(prefix);
  await db.deleteFrom('removed_runs').where('id', '=', id).execute();
}
