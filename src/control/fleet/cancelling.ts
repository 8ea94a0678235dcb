/**
 * After a run was cancelled or has failed, one worker takes away what it has left half-made at its target. The right to
 * do so is a lease like any other, so that another worker goes on where one dies.
 */
import { sql, type RawBuilder } from 'kysely';
import { clearLeftovers } from '../../engine/abandon.ts';
import { hasBegun, type UploadJournal } from '../../engine/uploads.ts';
import type { Intent } from '../../engine/ports.ts';
import { toDroverError, type DroverError } from '../../model/errors.ts';
import { ZERO_COUNTERS } from '../../model/outcome.ts';
import { databaseNow } from '../database/now.ts';
import { inTime } from '../in-time.ts';
import type { Tx } from '../world.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { isForGood, joinAllAside, type Joined } from '../runs/store-aside.ts';
import type { HeldLease, PostgresRunStore } from '../runs/store.ts';
import { IS_HELD, SWEEP_ID } from '../runs/store-rows.ts';
import { changeState, fenceOff } from '../runs/transitions.ts';
import { openTarget, readRunToOpen, Side } from './ends.ts';
import { noteInLog, type FleetWorld } from './parts.ts';
import { sumsText } from './run-log.ts';
import type { Shares } from './shares.ts';
import type { FleetTiming } from './timing.ts';

const NAMED_MAX = 5;
/** A sweep that was told to stop and does not is given up after so long. */
const STOPPING_MS = 5_000;
/** What is damaged for good is looked at so often, then never again. */
const FAULTS_MAX = 5;

/**
 * Of a row of `run_workers`: has joined the run, has not left it, and is not gone. One that lives and has not said for
 * long that it takes part could not say that it left.
 */
export function isPresent({ goneAfterMs }: Pick<FleetTiming, 'goneAfterMs'>): RawBuilder<boolean> {
  return sql<boolean>`(run_workers.left_at IS NULL AND EXISTS (
    SELECT FROM workers WHERE workers.id = run_workers.worker_id AND workers.state <> 'gone'
      AND run_workers.seen_at > workers.seen_at - ${goneAfterMs} * interval '1 millisecond'))`;
}

export interface Clearing {
  /** Somebody who had begun to work on the run may still be there: it is to be looked at once more when that is over. */
  readonly isEarly: boolean;
}

export interface Cleared extends Clearing {
  /** It is to be tried again: rows of the run are missing in its log and its sums, or the target did not answer. */
  readonly again: 'rows' | 'target' | null;
  /** What is journaled and was not found may come to the store for so long; 0 where there is nothing of that kind. */
  readonly lateMs: number;
}

/**
 * Of a run that is being cancelled, or has ended and left something half-made. `null`: not done here, since somebody is
 * still at work on it, or another worker sweeps it.
 */
export async function clearAfter(
  world: FleetWorld,
  store: PostgresRunStore,
  shares: Shares,
  workerId: string,
  runId: string,
  signal: AbortSignal,
): Promise<Cleared | null> {
  const claim = await claimSweep(world, workerId, runId);
  if (claim === null) return null;
  const { epoch, isEarly, isFirst, hasEnded, before } = claim;
  const lease = { runId, segmentId: SWEEP_ID, epoch };
  const stopping = AbortSignal.any([signal, store.hold(lease)]);
  try {
    const mayMiss = isFirst || typeof before?.faults === 'number';
    const { isMore, failure, isGone } = mayMiss ? await keepAll(world, store, runId, stopping) : NOTHING_KEPT;
    const faults = (before?.faults ?? 0) + (failure !== null && isForGood(failure) ? 1 : 0);
    const isMissing = failure !== null && faults < FAULTS_MAX;
    const journal = new CarefulJournal(world, store, isEarly);
    // Once the target was looked at, only the journal can name something there.
    const isNeeded = before === null || before.isLeft || (await store.intents(runId)).length > 0;
    const left = isNeeded ? await sweep(world, store, journal, shares, runId, stopping) : null;
    if (signal.aborted) return null;
    const isLeft = left?.isAgain === true;
    const rest = isMissing || isLeft ? { faults: isMissing ? faults : null, isLeft } : null;
    if (!(await endCancelled(world, lease, workerId, rest))) return null;
    // Once when there is something to be tried again, and once when that is over.
    if (left !== null && (isFirst || (before?.isLeft === true) !== isLeft))
      await noteInLog(world, runId, 'warn', left.words, 'LEFTOVERS');
    if (left === null && before?.isLeft === true) await noteInLog(world, runId, 'info', GONE, 'LEFTOVERS_GONE');
    if (failure !== null && (isFirst || !isMissing)) await sayMissing(world, runId, failure, isMissing);
    if (!isGone && failure === null && (before !== null || (isMore && hasEnded))) await sayJoined(world, store, runId);
    return { isEarly, lateMs: journal.lateMs, again: isMissing ? 'rows' : isLeft ? 'target' : null };
  } finally {
    store.drop(lease);
    // Another worker goes on at once.
    if (signal.aborted) await giveBackSweep(world, lease, workerId).catch(() => undefined);
  }
}

const GONE = 'The target has answered again: nothing half-made of this run remains there.';
const NOTHING_KEPT: Joined = { isMore: false, failure: null, isGone: true };

/** The sums that were told at the end are others now. */
async function sayJoined(world: FleetWorld, store: PostgresRunStore, runId: string): Promise<void> {
  const run = await store.getRun(runId);
  if (run === null) return;
  const words = `What this run has moved at last is in the copy log and in the sums now. ${sumsText(run.counters)}`;
  await noteInLog(world, runId, 'info', words, 'ROWS_JOINED');
}

/** What was moved is in the log and in the sums, whatever the run waited for when it ended. Why some of it is not. */
async function keepAll(
  world: FleetWorld,
  store: PostgresRunStore,
  runId: string,
  signal: AbortSignal,
): Promise<Joined> {
  const { db, artifacts, bus, clock, timing } = world;
  const limit = { limitMs: timing.sweepMsMax, what: 'The store of the records has not answered' };
  try {
    const joined = await inTime(clock, limit, signal, () => joinAllAside({ db, store, artifacts }, runId));
    if (joined.isMore) await bus.tell('run', runId);
    return joined;
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (error.code === 'DATABASE_UNAVAILABLE') throw error;
    return { isMore: false, failure: error, isGone: false };
  }
}

function sayMissing(world: FleetWorld, runId: string, { message }: DroverError, isAgain: boolean): Promise<void> {
  const then = isAgain ? 'That is tried again by itself.' : 'That will not be tried again.';
  const words = `Some of what was moved at last is at the target, and neither in the copy log nor in the sums (${message}). ${then}`;
  return noteInLog(world, runId, 'warn', words, 'ROWS_MISSING');
}

/**
 * Somebody may be between saying that an upload is begun and beginning it, and a request that was cut off may still be on
 * its way to the store: what was not found yet stays journaled, so that it is looked for again.
 */
class CarefulJournal implements UploadJournal {
  readonly #world: FleetWorld;
  readonly #store: PostgresRunStore;
  readonly #isEarly: boolean;
  readonly #kept = new Set<string>();
  lateMs = 0;

  constructor(world: FleetWorld, store: PostgresRunStore, isEarly: boolean) {
    this.#world = world;
    this.#store = store;
    this.#isEarly = isEarly;
  }

  saveIntent(intent: Intent): Promise<void> {
    return this.#store.saveIntent(intent);
  }

  othersIntents(runId: string, targetKey: string): Promise<readonly Intent[]> {
    return this.#store.othersIntents(runId, targetKey);
  }

  async intents(runId: string): Promise<readonly Intent[]> {
    const all = await this.#store.intents(runId);
    const { db, timing } = this.#world;
    const unbegun = all.filter((intent) => !hasBegun(intent));
    if (unbegun.length === 0) return all;
    // Nothing is journaled after the end, however long the journal had been waited for, and by whatever clock.
    const nowMs = await databaseNow(db);
    const endedAtMs = (await this.#store.getRun(runId))?.endedAtMs ?? nowMs;
    this.lateMs = Math.min(timing.beginLateMs, Math.max(0, endedAtMs + timing.beginLateMs - nowMs));
    if (this.#isEarly || this.lateMs > 0) for (const { intentId } of unbegun) this.#kept.add(intentId);
    return all;
  }

  async dropIntent(runId: string, intentId: string): Promise<void> {
    if (!this.#kept.has(intentId)) await this.#store.dropIntent(runId, intentId);
  }

  /** Keys that nobody will begin anymore, and of which something is there that may be this run's or not. */
  async unsolved(runId: string): Promise<readonly string[]> {
    const left = (await this.#store.intents(runId)).filter(({ intentId }) => !this.#kept.has(intentId));
    return left.map(({ targetKey }) => targetKey);
  }
}

/** Of a run that fails in this transaction: one worker looks once at what it has left, whatever that is. */
export async function wantSweep(tx: Tx, runId: string): Promise<void> {
  await sql`INSERT INTO segments (run_id, segment_id, kind, state, counters)
    VALUES (${runId}, ${SWEEP_ID}, 'sweep', 'open', ${JSON.stringify(ZERO_COUNTERS)}::jsonb)
    ON CONFLICT (run_id, segment_id) DO NOTHING`.execute(tx);
}

async function giveBackSweep({ db }: FleetWorld, { runId, epoch }: HeldLease, workerId: string): Promise<void> {
  await sql`UPDATE segments SET worker_id = NULL, lease_until = NULL WHERE run_id = ${runId}
    AND segment_id = ${SWEEP_ID} AND worker_id = ${workerId}::uuid AND epoch = ${epoch}`.execute(db);
}

/** What has to be looked at again stays, in nobody's hands. */
async function endCancelled(
  world: FleetWorld,
  { runId, epoch }: HeldLease,
  workerId: string,
  rest: Rest | null,
): Promise<boolean> {
  const { db, bus } = world;
  const what =
    rest === null
      ? sql`DELETE FROM segments`
      : sql`UPDATE segments SET worker_id = NULL, lease_until = NULL, checkpoint = ${JSON.stringify(rest)}`;
  return inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const { rows } = await sql`${what} WHERE run_id = ${runId} AND segment_id = ${SWEEP_ID}
        AND worker_id = ${workerId}::uuid AND epoch = ${epoch} RETURNING segment_id`.execute(tx);
      if (rows.length === 0) return false;
      await changeState(tx, bus, runId, { from: ['cancelling'], to: 'cancelled' });
      return true;
    }),
  );
}

/** In the place of a checkpoint: it was tried and people were told, but not all of it could be done. */
interface Rest {
  /** Rows of the run are missing: so often they could not be read, though the store answered. `null`: none is. */
  readonly faults: number | null;
  /** The target could not be cleaned up. */
  readonly isLeft: boolean;
}

interface Claim extends Clearing {
  readonly epoch: number;
  /** Nobody was told yet what may remain. */
  readonly isFirst: boolean;
  /** Its sums were told already. */
  readonly hasEnded: boolean;
  readonly before: Rest | null;
}

/** Nobody may hold anything any more; whoever did is fenced off for good before the sweep begins. */
async function claimSweep({ db, timing }: FleetWorld, workerId: string, runId: string): Promise<Claim | null> {
  return inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const { rows: run } = await sql<{ is_first: boolean; has_ended: boolean }>`
        SELECT ended_at IS NOT NULL AS has_ended, state = 'cancelling' OR EXISTS (
          SELECT FROM segments WHERE run_id = ${runId} AND segment_id = ${SWEEP_ID}) AS is_first
        FROM runs WHERE id = ${runId} AND (state = 'cancelling' OR ended_at IS NOT NULL)
          FOR NO KEY UPDATE SKIP LOCKED`.execute(tx);
      if (run[0] === undefined) return null;
      const { rows: held } = await sql`
        SELECT FROM segments WHERE run_id = ${runId} AND ${IS_HELD} LIMIT 1`.execute(tx);
      if (held.length > 0) return null;
      await fenceOff(tx, runId);
      const { rows } = await sql<{ epoch: number; checkpoint: string | null }>`
        INSERT INTO segments (run_id, segment_id, kind, state, epoch, worker_id, lease_until, counters)
        VALUES (${runId}, ${SWEEP_ID}, 'sweep', 'open', 1, ${workerId}::uuid,
          clock_timestamp() + ${timing.leaseValidMs} * interval '1 millisecond', ${JSON.stringify(ZERO_COUNTERS)}::jsonb)
        ON CONFLICT (run_id, segment_id) DO UPDATE SET epoch = segments.epoch + 1, worker_id = excluded.worker_id,
          lease_until = excluded.lease_until RETURNING epoch, checkpoint`.execute(tx);
      const { rows: present } =
        await sql`SELECT FROM run_workers WHERE run_id = ${runId} AND ${isPresent(timing)} LIMIT 1`.execute(tx);
      const isEarly = present.length > 0;
      if (rows[0] === undefined) return null;
      const { epoch, checkpoint } = rows[0];
      const before = checkpoint === null ? null : (JSON.parse(checkpoint) as Rest);
      const { is_first: isFirst, has_ended: hasEnded } = run[0];
      return { epoch, isEarly, isFirst: isFirst && before === null, hasEnded, before };
    }),
  );
}

interface Remains {
  readonly words: string;
  /** It may be taken away later. */
  readonly isAgain: boolean;
}

/** What may remain; `null` when nothing does. */
async function sweep(
  world: FleetWorld,
  store: PostgresRunStore,
  journal: CarefulJournal,
  shares: Shares,
  runId: string,
  signal: AbortSignal,
): Promise<Remains | null> {
  const run = await readRunToOpen(world, runId);
  const record = await store.getRun(runId);
  const hasBegunAny = (await store.segments(runId)).length + (await store.intents(runId)).length > 0;
  if (run === null || record === null || !hasBegunAny) return null;
  const { policy } = run.definition;
  if (policy.dryRun || policy.mode === 'check') return null;
  try {
    const limit = { limitMs: world.timing.sweepMsMax, what: 'The target has not answered', graceMs: STOPPING_MS };
    await inTime(world.clock, limit, signal, async (stopped) => {
      await using cleanup = new AsyncDisposableStack();
      const side = new Side('target', run.targetConnectorId);
      const target = await openTarget(world, run, side, shares, cleanup, stopped);
      await clearLeftovers(record, target, { store: journal, clock: world.clock, random: world.random }, stopped);
    });
  } catch (thrown) {
    const error = toDroverError(thrown);
    const intents = await store.intents(runId);
    const what =
      intents.length === 0
        ? 'temporary objects of this run may remain there'
        : `unfinished uploads may remain there: ${named(intents.map(({ targetKey }) => targetKey))}`;
    const { scope, retry } = error.policy;
    const isAgain = scope === 'account' || retry !== 'never' || error.code === 'PERMISSION_DENIED';
    const then = isAgain ? ' That is tried again by itself.' : '';
    return { words: `The target could not be cleaned up (${error.message}); ${what}.${then}`, isAgain };
  }
  return unsolved(journal, runId);
}

/** Found, and left alone: for whoever else may have begun them. */
async function unsolved(journal: CarefulJournal, runId: string): Promise<Remains | null> {
  const keys = await journal.unsolved(runId);
  if (keys.length === 0) return null;
  const words = `Unfinished uploads are open at the target, and nobody can tell whether this run or somebody else began them: ${named(keys)}. They stay. That is tried again by itself.`;
  return { words, isAgain: true };
}

function named(keys: readonly string[]): string {
  const more = keys.length > NAMED_MAX ? ` and ${keys.length - NAMED_MAX} more` : '';
  return `${keys
    .slice(0, NAMED_MAX)
    .map((key) => JSON.stringify(key))
    .join(', ')}${more}`;
}
