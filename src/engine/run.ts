/**
 * One worker's part in one run of a transfer: it opens the run's state, works on segments until none is left, and says
 * how that went. Everything it knows is in the run store and the artifacts, so that it can be stopped at any instant,
 * continued, and shared with any number of other workers.
 */
import { DroverError, toDroverError, toFailure } from '../model/errors.ts';
import { ZERO_COUNTERS } from '../model/outcome.ts';
import type { RunContext } from './context.ts';
import { Crew } from './crew.ts';
import type { TransferDefinition } from './definition.ts';
import { knowledgeOf } from './evidence.ts';
import { sideOf } from './failure-facts.ts';
import { firstSegments } from './first-segments.ts';
import { joinAllAside } from './join-aside.ts';
import { PROGRESS_EVERY_MS, SHARED_PIECES_PER_LANE } from './limits.ts';
import { sumOf } from './phase-order.ts';
import type { RunRecord, SegmentKind, SegmentRecord } from './ports.ts';
import { ProgressMeter } from './progress.ts';
import { makeContext } from './run-context.ts';
import { settleRun } from './settle.ts';
import type { Ends, RunOptions, RunResult, RunWorld } from './world.ts';

/**
 * Works on the transfer until it has ended, by this worker's hand or another's, or until the signal fires, or until an
 * error concerns more than single items. Never throws for those: the result says which. Throws only when the state
 * itself cannot be read at the start.
 *
 * Alone, it writes the run's state. Where the run is shared, it ends the run when all is done and writes no other state:
 * what a stop or an error of one worker means for the run is decided by whoever started the workers.
 */
export async function runTransfer(
  definition: TransferDefinition,
  ends: Ends,
  world: RunWorld,
  options: RunOptions,
): Promise<RunResult> {
  const started = options.continueRun ?? (await createRun(definition, world, options));
  const previous = await knowledgeOf(started, world);
  const piecesMax = options.tuning.segmentsMax * (options.isShared === true ? SHARED_PIECES_PER_LANE : 1);
  const first = firstSegments(started.definition, ends, previous.snapshot, piecesMax);
  await world.store.startSegments(started.runId, first);
  const stopper = new AbortController();
  const failure: { error: unknown } = { error: null };
  const stop = (error: unknown): void => {
    failure.error ??= error;
    stopper.abort();
  };
  const context = makeContext({ started, ends, world, options, previous, stop, stopper });
  const meter = new ProgressMeter(world.clock);
  const session = new Session(context, options);
  await session.begin();
  const reporting = report(context, meter, options, session);
  try {
    await perform(context, meter, session, options);
    return await session.over();
  } catch (error) {
    const isInterrupted = options.signal.aborted;
    const cause = toDroverError(failure.error ?? error);
    stop(cause);
    return await session.stopped(isInterrupted ? null : cause);
  } finally {
    meter.phase = 'ended';
    stopper.abort();
    await reporting;
    options.onProgress?.(meter.picture(context));
  }
}

async function perform(
  context: RunContext,
  meter: ProgressMeter,
  session: Session,
  options: RunOptions,
): Promise<void> {
  const { policy, run, target, world } = context;
  const isShared = options.isShared === true;
  const writes = !policy.dryRun && policy.mode !== 'check';
  const isContinued = options.continueRun !== null;
  if (writes) await target.ready?.(context.signal);
  context.live.unlistedSegments = 0;
  if (!isShared) {
    // Not where others may be at work: what they have half-made is not left over.
    if (writes && isContinued) await target.sweep?.({ keepUploads: true }, context.signal);
    const all = await world.store.segments(run.runId);
    context.live.unlistedSegments = all.filter(({ kind, state }) => kind === 'keys' && state === 'open').length;
  }
  const crew = new Crew(context, {
    lanesMax: options.tuning.segmentsMax,
    isShared,
    onKind: (kind) => {
      meter.phase = PHASES[kind];
      meter.listingComplete = kind !== 'keys';
    },
    settle: async (own, lease, segments) => {
      await demandPlaces(own, segments, writes);
      await settleRun(own, lease, segments, {
        mayHoldLeftovers: isShared || isContinued,
        recordUsage: () => session.recordUsage(),
      });
    },
  });
  await crew.work();
}

/**
 * A run does not end as if all were fine at a target that is gone with everything in it, nor with objects left out that
 * went with their place. What the source became after all of it was read does not matter.
 */
async function demandPlaces(
  { places, signal }: RunContext,
  segments: readonly SegmentRecord[],
  writes: boolean,
): Promise<void> {
  const { items } = sumOf(segments);
  const isLeftOut = items.failed + items.skipped > 0;
  if (isLeftOut) await places.demand('source', signal);
  if (isLeftOut || writes) await places.demand('target', signal);
}

const PHASES: Readonly<Record<SegmentKind, ProgressMeter['phase']>> = {
  keys: 'copying',
  mapped: 'names',
  restores: 'names',
  deletes: 'deleting',
  settle: 'settling',
};

/** This call of `runTransfer`, as the run's record sees it. */
class Session {
  readonly #context: RunContext;
  readonly #isShared: boolean;
  readonly #signal: AbortSignal;
  readonly #fromMs: number;
  readonly #name: string;

  constructor(context: RunContext, options: RunOptions) {
    const { clock, random, worker } = context.world;
    this.#context = context;
    this.#isShared = options.isShared === true;
    this.#signal = options.signal;
    this.#fromMs = clock.monotonic();
    this.#name = `${worker}/${Buffer.from(random.bytes(6)).toString('hex')}`;
  }

  async begin(): Promise<void> {
    const { store, clock } = this.#context.world;
    if (this.#isShared) return;
    await store.updateRun(this.#runId, { state: 'running', error: null, updatedAtMs: clock.now() });
  }

  async recordUsage(): Promise<void> {
    const { store, clock, requests } = this.#context.world;
    const activeMs = clock.monotonic() - this.#fromMs;
    await store.recordUsage(this.#runId, this.#name, { requests: requests(), activeMs });
  }

  /** The run has ended; its record says how. */
  async over(): Promise<RunResult> {
    await this.recordUsage();
    return this.#result(await this.#record(), null);
  }

  /** This worker stopped before the run's end: it was told to (`null`), or for an error. */
  async stopped(cause: DroverError | null): Promise<RunResult> {
    const { target, uploads, world } = this.#context;
    await this.recordUsage().catch(() => undefined);
    // Where the state cannot be reached, whoever started the workers finds out how the run stands.
    const known = await this.#record().catch((error: unknown) => {
      if (this.#isShared) return this.#context.run;
      throw error;
    });
    // It may have come to its end in the very moment in which it was stopped: then that is how it ended.
    if (known.endedAtMs !== null) return this.#result(known, null);
    if (this.#isShared) return this.#result(known, cause);
    const canContinue = cause === null || isContinuable(cause);
    // Nobody will continue its uploads: they may not stay open, as far as that can be helped now.
    if (!canContinue) {
      await uploads.sweep(target.facets.parts ?? null, this.#signal).catch(() => undefined);
      await this.#keepAside();
    }
    await world.store.updateRun(this.#runId, {
      state: canContinue ? 'paused' : 'failed',
      error: cause === null ? null : toFailure(cause),
      endedAtMs: canContinue ? null : world.clock.now(),
    });
    return this.#result(await this.#record(), cause);
  }

  /** Nobody goes on with its segments: what they had kept aside is in the log and the sums now, or never. */
  async #keepAside(): Promise<void> {
    const { log, worker } = this.#context.world;
    await joinAllAside(this.#runId, worker, this.#context.world).catch((error: unknown) =>
      log('warn', 'Some of what was moved at last is neither in the log of the run nor in its sums.', {
        run: this.#runId,
        reason: toDroverError(error).message,
      }),
    );
  }

  #result(run: RunRecord, cause: DroverError | null): RunResult {
    const hasEnded = run.endedAtMs !== null;
    return {
      run,
      interrupted: !hasEnded && cause === null,
      error: cause === null ? run.error : toFailure(cause),
      side: sideOf(cause),
      canContinue: !hasEnded && (cause === null || isContinuable(cause)),
    };
  }

  async #record(): Promise<RunRecord> {
    const run = await this.#context.world.store.getRun(this.#runId);
    if (run === null) throw new DroverError('INTERNAL', `Run ${this.#runId} is gone from the state.`);
    return run;
  }

  get #runId(): string {
    return this.#context.run.runId;
  }
}

/** The fault is the connector's, or passes, or somebody else has the run: the same run goes on once it is mended. */
function isContinuable({ code, policy }: DroverError): boolean {
  if (policy.scope === 'account' || policy.retry !== 'never') return true;
  // What concerns a whole run is a right that can be given again: single items never come here.
  if (code === 'PERMISSION_DENIED') return true;
  return code === 'DISK_FULL' || code === 'LEASE_LOST' || code === 'GUARD_BUSY' || code === 'CANCELLED';
}

/** Progress to whoever listens, and the session's costs to the store, until the run's signal fires. */
async function report(context: RunContext, meter: ProgressMeter, options: RunOptions, session: Session): Promise<void> {
  for (let beat = 1; ; beat++) {
    try {
      await context.world.clock.sleep(PROGRESS_EVERY_MS, context.signal);
      options.onProgress?.(meter.picture(context));
      for (const segment of context.live.segments) segment.commitWhenDue();
      if (beat % 12 === 0) await session.recordUsage();
    } catch (error) {
      if (context.signal.aborted) return;
      context.stop(error);
      return;
    }
  }
}

async function createRun(definition: TransferDefinition, world: RunWorld, options: RunOptions): Promise<RunRecord> {
  const run = newRun(options.runId, definition, world.clock.now());
  await world.store.createRun(run);
  return run;
}

/** What is known of a run before anything was done. */
export function newRun(runId: string, definition: TransferDefinition, nowMs: number): RunRecord {
  return {
    runId,
    transferId: definition.transferId,
    pairId: definition.pairId,
    definition,
    state: 'queued',
    startedAtMs: nowMs,
    updatedAtMs: nowMs,
    endedAtMs: null,
    error: null,
    counters: ZERO_COUNTERS,
    requests: { source: {}, target: {} },
    durationMs: 0,
    manifestRoot: null,
  };
}
