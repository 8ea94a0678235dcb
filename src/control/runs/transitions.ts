/**
 * Changes of a run's state. Each is one compare-and-set, so that of two that meet one wins and the other sees it: a run
 * that has ended stays ended.
 */
import { sql, type RawBuilder } from 'kysely';
import type { Failure } from '../../model/errors.ts';
import type { RunState } from '../../model/outcome.ts';
import type { WaitReason } from '../entities.ts';
import type { Bus, Db, Tx } from '../world.ts';
import { hasEnded } from './states.ts';
import { IN_LOCK_ORDER, jsonbText, KIND_RANK } from './store-rows.ts';
import { FINAL_SUMS } from './store-runs.ts';

export interface StateChange {
  readonly from: readonly RunState[];
  readonly to: RunState;
  /** Left out: nothing is waited for any more. */
  readonly waits?: WaitReason | null;
  /** Left out: stays. */
  readonly error?: Failure | null;
}

/** False when the run is in none of those states (any more). Tells everybody when the transaction commits. */
export async function changeState(
  tx: Tx,
  bus: Bus,
  runId: string,
  { from, to, waits = null, error }: StateChange,
): Promise<boolean> {
  const sets: RawBuilder<unknown>[] = [
    sql`state = ${to}, waits = ${jsonbText(waits)}::jsonb, version = version + 1, updated_at = clock_timestamp()`,
  ];
  if (error !== undefined) sets.push(sql`error = ${jsonbText(error)}::jsonb`);
  if (to === 'running') sets.push(sql`started_at = coalesce(started_at, clock_timestamp())`);
  if (hasEnded(to)) sets.push(sql`ended_at = clock_timestamp()`);
  // What was shown of it does not go back when it goes on.
  if (to !== 'running')
    sets.push(sql`live = NULL, percent_shown = coalesce((live ->> 'percent')::integer, percent_shown)`);
  sets.push(hasEnded(to) || to === 'paused' ? FINAL_SUMS : sql`sequence = sequence + 1`);
  if (hasEnded(to) && !(await closeForGood(tx, runId, from))) return false;
  const { rows } = await sql<{ job_id: string }>`
    UPDATE runs SET ${sql.join(sets)} WHERE id = ${runId} AND state = ANY(${from as string[]}::text[])
    RETURNING job_id`.execute(tx);
  const changed = rows[0];
  if (changed === undefined) return false;
  await tellOfRun(bus, runId, changed.job_id, tx);
  return true;
}

/**
 * Nothing is counted any more once the sums of the end are made: commits under way are waited for, later ones find their
 * lease gone. The weaker lock first, for a commit that is waited for may need the row of the run itself; then the
 * stronger one, that only whoever journals an upload or joins waits for: it comes before the end, or not at all.
 */
async function closeForGood(tx: Tx, runId: string, from: readonly RunState[]): Promise<boolean> {
  const { rows } = await sql`SELECT FROM runs WHERE id = ${runId} AND state = ANY(${from as string[]}::text[])
    FOR NO KEY UPDATE`.execute(tx);
  if (rows.length === 0) return false;
  await fenceOff(tx, runId);
  await sql`SELECT FROM runs WHERE id = ${runId} FOR UPDATE`.execute(tx);
  // Those that were added in between.
  await fenceOff(tx, runId);
  return true;
}

/** Whoever holds something of that run does not hold it any more. */
export async function fenceOff(tx: Tx, runId: string): Promise<void> {
  await sql`
    WITH open AS (
      SELECT run_id, segment_id FROM segments WHERE run_id = ${runId} AND state = 'open' AND ${KIND_RANK} IS NOT NULL
      ${IN_LOCK_ORDER}
    )
    UPDATE segments SET epoch = epoch + 1, worker_id = NULL, lease_until = NULL
    FROM open WHERE segments.run_id = open.run_id AND segments.segment_id = open.segment_id`.execute(tx);
}

export async function tellOfRun(bus: Bus, runId: string, jobId: string, tx: Tx): Promise<void> {
  await bus.tell('run', runId, tx);
  await bus.tell('runs', runId, tx);
  await bus.tell('job', jobId, tx);
  await bus.tell('work', runId, tx);
}

/** Why it waits, without another state. Only where it says something new. */
export async function changeWaits(
  db: Db | Tx,
  bus: Bus,
  runId: string,
  states: readonly RunState[],
  waits: WaitReason | null,
): Promise<boolean> {
  const text = jsonbText(waits);
  const { rows } = await sql`
    UPDATE runs SET waits = ${text}::jsonb, version = version + 1, sequence = sequence + 1, updated_at = clock_timestamp()
    WHERE id = ${runId} AND state = ANY(${states as string[]}::text[]) AND waits IS DISTINCT FROM ${text}::jsonb
    RETURNING id`.execute(db);
  // Told from outside its transaction, everybody would look before there is anything to see.
  if (rows.length > 0) await bus.tell('run', runId, db.isTransaction ? (db as Tx) : undefined);
  return rows.length > 0;
}

/** The same of many in one statement. Returns those that changed: whoever commits tells of them. */
export async function changeManyWaits(
  tx: Tx,
  states: readonly RunState[],
  reasons: ReadonlyMap<string, WaitReason>,
): Promise<readonly string[]> {
  if (reasons.size === 0) return [];
  const texts = [...reasons.values()].map(jsonbText);
  const { rows } = await sql<{ id: string }>`
    UPDATE runs SET waits = one.waits::jsonb, version = version + 1, sequence = sequence + 1, updated_at = clock_timestamp()
    FROM unnest(${[...reasons.keys()]}::text[], ${texts}::text[]) AS one (id, waits)
    WHERE runs.id = one.id AND state = ANY(${states as string[]}::text[]) AND runs.waits IS DISTINCT FROM one.waits::jsonb
    RETURNING runs.id`.execute(tx);
  return rows.map(({ id }) => id);
}
