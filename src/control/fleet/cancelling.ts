/**
 * After a run was cancelled or has failed, one worker takes away what it has left half-made at its target. The right to
 * do so is a lease like any other, so that another worker goes on where one dies.
 */
import { sql } from 'kysely';
import { clearLeftovers } from '../../engine/abandon.ts';
import { toDroverError } from '../../model/errors.ts';
import { ZERO_COUNTERS } from '../../model/outcome.ts';
import type { Tx } from '../world.ts';
import { inDatabase } from '../runs/database-errors.ts';
import type { HeldLease, PostgresRunStore } from '../runs/store.ts';
import { IS_HELD } from '../runs/store-rows.ts';
import { changeState, fenceOff } from '../runs/transitions.ts';
import { openTarget, readRunToOpen, Side } from './ends.ts';
import { noteInLog, type FleetWorld } from './parts.ts';
import type { Shares } from './shares.ts';

const SWEEP_ID = 'sweep';
const NAMED_MAX = 5;

/**
 * Of a run that is being cancelled, or has failed and left something half-made. Does nothing while somebody is still at work on
 * it, or another worker sweeps it. True when it was done here.
 */
export async function clearAfter(
  world: FleetWorld,
  store: PostgresRunStore,
  shares: Shares,
  workerId: string,
  runId: string,
  signal: AbortSignal,
): Promise<boolean> {
  const epoch = await claimSweep(world, workerId, runId);
  if (epoch === null) return false;
  const lease = { runId, segmentId: SWEEP_ID, epoch };
  store.hold(lease);
  try {
    const left = await sweep(world, store, shares, runId, signal);
    return signal.aborted ? false : await endCancelled(world, lease, workerId, left);
  } finally {
    store.drop(lease);
  }
}

/** Of a run that fails in this transaction: one worker looks once at what it has left, whatever that is. */
export async function wantSweep(tx: Tx, runId: string): Promise<void> {
  await sql`INSERT INTO segments (run_id, segment_id, kind, state, counters)
    VALUES (${runId}, ${SWEEP_ID}, 'sweep', 'open', ${JSON.stringify(ZERO_COUNTERS)}::jsonb)
    ON CONFLICT (run_id, segment_id) DO NOTHING`.execute(tx);
}

async function endCancelled(
  world: FleetWorld,
  { runId, epoch }: HeldLease,
  workerId: string,
  left: string | null,
): Promise<boolean> {
  const { db, bus } = world;
  const has = await inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const { rows } = await sql`DELETE FROM segments WHERE run_id = ${runId} AND segment_id = ${SWEEP_ID}
        AND worker_id = ${workerId}::uuid AND epoch = ${epoch} RETURNING segment_id`.execute(tx);
      if (rows.length === 0) return false;
      await changeState(tx, bus, runId, { from: ['cancelling'], to: 'cancelled' });
      return true;
    }),
  );
  if (has && left !== null) await noteInLog(world, runId, 'warn', left);
  return has;
}

/** Nobody may hold anything any more; whoever did is fenced off for good before the sweep begins. */
async function claimSweep({ db, timing }: FleetWorld, workerId: string, runId: string): Promise<number | null> {
  return inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const { rows: run } = await sql`
        SELECT FROM runs WHERE id = ${runId} AND state IN ('cancelling', 'failed') FOR NO KEY UPDATE SKIP LOCKED`.execute(
        tx,
      );
      if (run.length === 0) return null;
      const { rows: held } = await sql`
        SELECT FROM segments WHERE run_id = ${runId} AND ${IS_HELD} LIMIT 1`.execute(tx);
      if (held.length > 0) return null;
      await fenceOff(tx, runId);
      const { rows } = await sql<{ epoch: number }>`
        INSERT INTO segments (run_id, segment_id, kind, state, epoch, worker_id, lease_until, counters)
        VALUES (${runId}, ${SWEEP_ID}, 'sweep', 'open', 1, ${workerId}::uuid,
          clock_timestamp() + ${timing.leaseValidMs} * interval '1 millisecond', ${JSON.stringify(ZERO_COUNTERS)}::jsonb)
        ON CONFLICT (run_id, segment_id) DO UPDATE SET epoch = segments.epoch + 1, worker_id = excluded.worker_id,
          lease_until = excluded.lease_until RETURNING epoch`.execute(tx);
      return rows[0]?.epoch ?? null;
    }),
  );
}

/** What may remain, as a sentence; `null` when nothing does. */
async function sweep(
  world: FleetWorld,
  store: PostgresRunStore,
  shares: Shares,
  runId: string,
  signal: AbortSignal,
): Promise<string | null> {
  const run = await readRunToOpen(world, runId);
  const record = await store.getRun(runId);
  const hasBegun = (await store.segments(runId)).length > 0;
  if (run === null || record === null || !hasBegun) return null;
  const { policy } = run.definition;
  if (policy.dryRun || policy.mode === 'check') return null;
  const timeout = new AbortController();
  const either = AbortSignal.any([signal, timeout.signal]);
  void world.clock.sleep(world.timing.sweepMsMax, either).then(
    () => timeout.abort(),
    () => undefined,
  );
  try {
    await using cleanup = new AsyncDisposableStack();
    const target = await openTarget(world, run, new Side('target', run.targetConnectorId), shares, cleanup, either);
    await clearLeftovers(record, target, { store, clock: world.clock, random: world.random }, either);
    return null;
  } catch (thrown) {
    const error = toDroverError(thrown);
    const intents = await store.intents(runId);
    const named = intents.slice(0, NAMED_MAX).map(({ targetKey }) => JSON.stringify(targetKey));
    const more = intents.length > NAMED_MAX ? ` and ${intents.length - NAMED_MAX} more` : '';
    const what =
      intents.length === 0
        ? 'temporary objects of this run may remain there'
        : `unfinished uploads may remain there: ${named.join(', ')}${more}`;
    return `The target could not be cleaned up (${error.message}); ${what}.`;
  } finally {
    timeout.abort();
  }
}
