/** The part of the engine's state that concerns whole runs. */
import { sql, type RawBuilder } from 'kysely';
import type { Lease, RunChange, RunEnd, RunRecord, Usage } from '../../engine/ports.ts';
import { DroverError } from '../../model/errors.ts';
import type { Db, Tx } from '../world.ts';
import { fromDatabase } from './database-errors.ts';
import { ACTIVE_STATES } from './states.ts';
import { hasRows, isEvidenceOf, newestSnapshotOf } from '../retention/kept.ts';
import {
  heldRow,
  jsonbText,
  runFromRow,
  SUMMED_COUNTERS,
  summedActiveMs,
  summedRequests,
  type RunRow,
} from './store-rows.ts';

/** Sums as of now: the columns of the row are refreshed about once a second. */
/** What has reached its age has only its sums left. */
const summed = (sums: RawBuilder<unknown>, name: string): RawBuilder<unknown> =>
  sql`CASE WHEN logs_expired THEN ${sql.ref(`runs.${name}`)} ELSE ${sums} END AS ${sql.ref(name)}`;

const RUN_COLUMNS = sql`id, transfer_id, pair_id, definition, state, queued_at, started_at, updated_at, ended_at, error,
  manifest_root, ${summed(sql`(SELECT ${SUMMED_COUNTERS} FROM segments WHERE segments.run_id = runs.id)`, 'counters')},
  ${summed(summedRequests(sql`runs.id`), 'requests')}, ${summed(summedActiveMs(sql`runs.id`), 'active_ms')}`;

export async function readRun(db: Db | Tx, runId: string): Promise<RunRecord | null> {
  const [run] = await select(db, sql`WHERE id = ${runId}`);
  return run ?? null;
}

export function listRuns(db: Db, limit: number): Promise<readonly RunRecord[]> {
  return select(db, sql`ORDER BY coalesce(started_at, queued_at) DESC, queued_at DESC, id DESC LIMIT ${limit}`);
}

export async function findUnfinished(db: Db, transferId: string): Promise<RunRecord | null> {
  const states = ACTIVE_STATES.filter((state) => state !== 'cancelling');
  const [run] = await select(
    db,
    sql`WHERE transfer_id = ${transferId} AND state = ANY(${states}::text[]) ORDER BY queued_at DESC, id DESC LIMIT 1`,
  );
  return run ?? null;
}

/** By order of being queued. Runs that took only a part of the keys are no base: `has_snapshot` is false for them. */
export async function findLatestSnapshot(db: Db, pairId: string): Promise<RunRecord | null> {
  const [run] = await select(
    db,
    sql`WHERE pair_id = ${pairId} AND has_snapshot ORDER BY queued_at DESC, id DESC LIMIT 1`,
  );
  return run ?? null;
}

/** What is evidence without being that base. As the index on it has it, so that this is quick among many runs. */
export function findEvidence(db: Db, pairId: string, limit: number): Promise<readonly RunRecord[]> {
  return select(
    db,
    sql`WHERE pair_id = ${pairId} AND ${isEvidenceOf('runs')} AND ended_at IS NOT NULL AND ${hasRows('runs')}
      AND queued_at > ${newestSnapshotOf(sql`${pairId}::text`)} ORDER BY queued_at DESC, id DESC LIMIT ${limit}`,
  );
}

export async function updateRun(db: Db | Tx, runId: string, change: RunChange): Promise<void> {
  const sets: RawBuilder<unknown>[] = [];
  if (change.state !== undefined) sets.push(sql`state = ${change.state}`);
  if (change.error !== undefined) sets.push(sql`error = ${jsonbText(change.error)}::jsonb`);
  if (change.startedAtMs !== undefined) sets.push(sql`started_at = ${new Date(change.startedAtMs)}`);
  if (change.endedAtMs !== undefined) sets.push(sql`ended_at = ${dateOrNull(change.endedAtMs)}`);
  if (change.manifestRoot !== undefined) {
    sets.push(sql`manifest_root = ${change.manifestRoot}, has_snapshot = ${hasSnapshot(change.manifestRoot)}`);
  }
  sets.push(sql`updated_at = clock_timestamp(), version = version + 1, sequence = sequence + 1`);
  const { rows } = await sql<{ id: string }>`
    UPDATE runs SET ${sql.join(sets)} WHERE id = ${runId} RETURNING id`.execute(db);
  if (rows.length === 0) throw noRun(runId);
}

export async function recordUsage(
  db: Db,
  runId: string,
  session: string,
  { requests, activeMs }: Usage,
): Promise<void> {
  try {
    await sql`INSERT INTO run_sessions (run_id, session, requests, active_ms, started_at, seen_at)
      VALUES (${runId}, ${session}, ${JSON.stringify(requests)}::jsonb, ${activeMs},
        clock_timestamp() - ${activeMs} * interval '1 millisecond', clock_timestamp())
      ON CONFLICT (run_id, session) DO UPDATE SET requests = excluded.requests, active_ms = excluded.active_ms,
        seen_at = excluded.seen_at`.execute(db);
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === '23503') throw noRun(runId);
    throw fromDatabase(thrown);
  }
}

/**
 * By the database's clock, as all times that others reckon with. False, and nothing changed, when the lease is old or the
 * run has ended already. `alongside` is done in the same transaction, after everything else.
 */
export async function endRun(
  db: Db,
  lease: Lease,
  end: RunEnd,
  alongside: (tx: Tx, runId: string) => Promise<void> = async () => undefined,
): Promise<boolean> {
  const { runId } = lease.segment;
  return db.transaction().execute(async (tx) => {
    // The run first, as everybody does who changes its state.
    const open = await sql`SELECT FROM runs WHERE id = ${runId} AND ended_at IS NULL FOR UPDATE`.execute(tx);
    if (open.rows.length === 0) return false;
    const closed = await sql`
      UPDATE segments SET state = 'done', lease_until = NULL WHERE ${heldRow(lease)} RETURNING segment_id`.execute(tx);
    if (closed.rows.length === 0) return false;
    await sql`
      UPDATE runs SET state = ${end.state}, ended_at = clock_timestamp(), error = ${jsonbText(end.error)}::jsonb,
        manifest_root = ${end.manifestRoot}, has_snapshot = ${hasSnapshot(end.manifestRoot)}, waits = NULL, live = NULL,
        updated_at = clock_timestamp(), version = version + 1, ${FINAL_SUMS}
      WHERE id = ${runId}`.execute(tx);
    await alongside(tx, runId);
    return true;
  });
}

/** What the run has cost, from its sessions. */
export const SUMS_OF_SESSIONS = sql`requests = ${summedRequests(sql`runs.id`)}, active_ms = ${summedActiveMs(sql`runs.id`)}`;

/** The sums of the run's row, from its segments and sessions. */
export const FINAL_SUMS = sql`
  counters = (SELECT ${SUMMED_COUNTERS} FROM segments WHERE segments.run_id = runs.id),
  ${SUMS_OF_SESSIONS}, sequence = sequence + 1`;

/**
 * The sums of a run that has ended or is paused, made anew. The row is locked by a statement of its own: whoever waits
 * for it sees what was written meanwhile.
 */
export async function sumAgain(db: Db | Tx, runId: string): Promise<void> {
  if (!db.isTransaction) return db.transaction().execute((tx) => sumAgain(tx, runId));
  // Of what has reached its age the segments are gone, and the sums stay.
  const rests = sql`(ended_at IS NOT NULL OR state = 'paused') AND NOT logs_expired`;
  await sql`SELECT FROM runs WHERE id = ${runId} AND ${rests} FOR NO KEY UPDATE`.execute(db);
  await sql`UPDATE runs SET ${FINAL_SUMS} WHERE id = ${runId} AND ${rests}`.execute(db);
}

async function select(db: Db | Tx, rest: RawBuilder<unknown>): Promise<RunRecord[]> {
  const { rows } = await sql<RunRow>`SELECT ${RUN_COLUMNS} FROM runs ${rest}`.execute(db);
  return rows.map(runFromRow);
}

/** Dry runs, comparisons and runs over a part of the keys prove nothing about the whole. */
function hasSnapshot(manifestRoot: string | null): RawBuilder<boolean> {
  return sql<boolean>`${manifestRoot}::text IS NOT NULL AND kind = 'transfer'`;
}

function dateOrNull(atMs: number | null): Date | null {
  return atMs === null ? null : new Date(atMs);
}

function noRun(runId: string): DroverError {
  return new DroverError('INTERNAL', `Run ${runId} is not in the database.`);
}
