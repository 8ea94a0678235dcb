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
import { jsonbText } from './store-rows.ts';
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
  if (to !== 'running') sets.push(sql`live = NULL`);
  sets.push(hasEnded(to) || to === 'paused' ? FINAL_SUMS : sql`sequence = sequence + 1`);
  // Whoever journals an upload reads with a lock that only this one waits for: it comes before the end, or not at all.
  if (hasEnded(to)) await sql`SELECT FROM runs WHERE id = ${runId} FOR UPDATE`.execute(tx);
  const { rows } = await sql<{ job_id: string }>`
    UPDATE runs SET ${sql.join(sets)} WHERE id = ${runId} AND state = ANY(${from as string[]}::text[])
    RETURNING job_id`.execute(tx);
  const changed = rows[0];
  if (changed === undefined) return false;
  await tellOfRun(bus, runId, changed.job_id, tx);
  return true;
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
  if (rows.length > 0) await bus.tell('run', runId);
  return rows.length > 0;
}
