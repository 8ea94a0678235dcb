/**
 * One run of a transfer: segments by lanes, then the phases that need all keys to be seen, then the settlement.
 * Everything it knows is in the run store and the artifacts, so that it can be stopped at any instant and continued.
 */
import { ByteBudget } from '../lib/byte-budget.ts';
import { Shaper } from '../lib/shaper.ts';
import { DroverError, toDroverError, toFailure } from '../model/errors.ts';
import { asciiHead, compareKeys, keyAfter } from '../model/key.ts';
import { addCounters, ZERO_COUNTERS, type Counters, type RunState } from '../model/outcome.ts';
import type { TargetFacts } from '../contract/provider.ts';
import { LiveState, type RunContext } from './context.ts';
import type { TransferDefinition } from './definition.ts';
import type { Ends, RunOptions, RunResult, RunWorld } from './world.ts';
import { compileFilter } from './filter.ts';
import { Gate } from './lanes.ts';
import { workKeys } from './keys-phase.ts';
import { LARGE_LANES, PARTS_IN_FLIGHT, PROGRESS_EVERY_MS, SMALL_LANES } from './limits.ts';
import { refuseUnsafeMirror } from './mirror-guard.ts';
import { runPhase } from './phases.ts';
import type { NewSegment, RunRecord, SegmentKind } from './ports.ts';
import { ProgressMeter } from './progress.ts';
import { indexSnapshot, loadSnapshotIndex, quantiles, storeSnapshotIndex, type SnapshotIndex } from './snapshot.ts';
import { rateAt } from './timetable.ts';
import { UploadBook } from './uploads.ts';
import { retryingSource, retryingTarget } from './wrap.ts';

/**
 * Runs the transfer to its end, or until the signal fires, or until an error concerns more than single items. Never
 * throws for those: the result says which. Throws only when the state itself cannot be read or written.
 */
export async function runTransfer(
  definition: TransferDefinition,
  ends: Ends,
  world: RunWorld,
  options: RunOptions,
): Promise<RunResult> {
  const started = options.continueRun ?? (await createRun(definition, ends, world, options));
  const previous = await previousSnapshot(started, world);
  const stopper = new AbortController();
  const failure: { error: unknown } = { error: null };
  const stop = (error: unknown): void => {
    failure.error ??= error;
    stopper.abort();
  };
  const context = makeContext({ started, ends, world, options, previous, stop, stopper });
  const meter = new ProgressMeter(world.clock);
  const keeper = new RunKeeper(context, started);
  await world.store.updateRun(started.runId, { state: 'running', error: null, updatedAtMs: world.clock.now() });
  const reporting = report(context, meter, options, keeper);
  try {
    await perform(context, meter, keeper, options);
    return await keeper.end(await endState(context), null);
  } catch (error) {
    if (options.signal.aborted) return { ...(await keeper.end('paused', null)), interrupted: true };
    const cause = toDroverError(failure.error ?? error);
    stop(cause);
    const canContinue = isContinuable(cause);
    // Nobody will continue its uploads: they may not stay open, as far as that can be helped now.
    if (!canContinue)
      await context.uploads.sweep(context.target.facets.parts ?? null, options.signal).catch(() => undefined);
    return await keeper.end(canContinue ? 'paused' : 'failed', cause);
  } finally {
    meter.phase = 'ended';
    stopper.abort();
    await reporting;
    options.onProgress?.(meter.picture(context));
  }
}

/** The fault is the connector's, or passes, or somebody else has the run: the same run goes on once it is mended. */
function isContinuable({ code, policy }: DroverError): boolean {
  if (policy.scope === 'account' || policy.retry !== 'never') return true;
  return code === 'DISK_FULL' || code === 'LEASE_LOST' || code === 'GUARD_BUSY' || code === 'CANCELLED';
}

async function perform(
  context: RunContext,
  meter: ProgressMeter,
  keeper: RunKeeper,
  options: RunOptions,
): Promise<void> {
  const { policy, run, world } = context;
  await context.uploads.load();
  const isContinued = options.continueRun !== null && !policy.dryRun && policy.mode !== 'check';
  if (isContinued) await context.target.sweep?.({ keepUploads: true }, context.signal);
  meter.phase = 'copying';
  const all = await world.store.segments(run.runId);
  context.live.unlistedSegments = all.filter(({ kind, state }) => kind === 'keys' && state === 'open').length;
  await workKeys(context, options.tuning.segmentsMax);
  meter.listingComplete = true;
  meter.phase = 'names';
  await workPhase(context, 'mapped');
  await workPhase(context, 'restores');
  if (policy.mode === 'mirror' && !policy.dryRun) {
    const sums = await sumOf(context);
    refuseUnsafeMirror(sums, policy);
    // What failed to arrive may have stood at the target under another name: then that is its only copy.
    if (sums.items.failed === 0) {
      meter.phase = 'deleting';
      await workPhase(context, 'deletes');
    }
  }
  meter.phase = 'settling';
  await context.uploads.sweep(context.target.facets.parts ?? null, context.signal);
  if (isContinued) await context.target.sweep?.({ keepUploads: false }, context.signal);
  if (policy.mode !== 'check' && !policy.dryRun) {
    const index = await indexSnapshot(world.artifacts, run.runId, await world.store.segments(run.runId));
    await storeSnapshotIndex(world.artifacts, index);
    keeper.manifestRoot = index.root;
  }
}

/** A later phase is one segment, added once all segments before it are done. */
async function workPhase(context: RunContext, kind: Exclude<SegmentKind, 'keys' | 'settle'>): Promise<void> {
  const { store, worker } = context.world;
  const { runId } = context.run;
  const all = await store.segments(runId);
  const known = all.find((segment) => segment.kind === kind);
  if (known?.state === 'done') return;
  if (known === undefined) await store.addSegments(runId, [{ segmentId: kind, kind, from: null, to: null }]);
  const lease = await store.claim(runId, worker);
  if (lease === null) throw new DroverError('GUARD_BUSY', 'Another worker holds the rest of this run.');
  try {
    await runPhase(
      context,
      lease,
      all.filter((segment) => segment.kind !== kind),
    );
  } catch (error) {
    await store.release(lease).catch(() => undefined);
    throw error;
  }
}

async function sumOf(context: RunContext): Promise<Counters> {
  const segments = await context.world.store.segments(context.run.runId);
  return segments.reduce((sum, segment) => addCounters(sum, segment.counters), ZERO_COUNTERS);
}

async function endState(context: RunContext): Promise<RunState> {
  const { items, verification, mapped } = await sumOf(context);
  const isUnproved = verification.V0 > 0 && !context.policy.acceptV0;
  return items.failed > 0 || items.unsupported > 0 || mapped > 0 || isUnproved ? 'completed-with-issues' : 'succeeded';
}

/** Writes what the run record says: requests and time add up over all continuations. */
class RunKeeper {
  readonly #context: RunContext;
  readonly #before: RunRecord;
  readonly #fromMs: number;
  readonly #session: string;
  manifestRoot: string | null = null;

  constructor(context: RunContext, before: RunRecord) {
    this.#context = context;
    this.#before = before;
    this.#fromMs = context.world.clock.monotonic();
    this.#session = `${context.world.worker}/${Buffer.from(context.world.random.bytes(6)).toString('hex')}`;
  }

  async beat(): Promise<void> {
    const { store, clock, requests } = this.#context.world;
    const activeMs = clock.monotonic() - this.#fromMs;
    await store.recordUsage(this.#before.runId, this.#session, { requests: requests(), activeMs });
  }

  async end(state: RunState, error: DroverError | null): Promise<RunResult> {
    const { store, clock } = this.#context.world;
    const hasEnded = state !== 'paused';
    await this.beat();
    await store.updateRun(this.#before.runId, {
      state,
      error: error === null ? null : toFailure(error),
      endedAtMs: hasEnded ? clock.now() : null,
      ...(this.manifestRoot === null ? {} : { manifestRoot: this.manifestRoot }),
    });
    const run = await store.getRun(this.#before.runId);
    if (run === null) throw new DroverError('INTERNAL', `Run ${this.#before.runId} is gone from the state.`);
    return { run, interrupted: false, error: run.error };
  }
}

/** Progress to whoever listens, and a heartbeat to the store, until the run's signal fires. */
async function report(
  context: RunContext,
  meter: ProgressMeter,
  options: RunOptions,
  keeper: RunKeeper,
): Promise<void> {
  for (let beat = 1; ; beat++) {
    try {
      await context.world.clock.sleep(PROGRESS_EVERY_MS, context.signal);
      options.onProgress?.(meter.picture(context));
      for (const segment of context.live.segments) segment.commitWhenDue();
      if (beat % 12 === 0) await keeper.beat();
    } catch (error) {
      if (context.signal.aborted) return;
      context.stop(error);
      return;
    }
  }
}

async function createRun(
  definition: TransferDefinition,
  ends: Ends,
  world: RunWorld,
  options: RunOptions,
): Promise<RunRecord> {
  const nowMs = world.clock.now();
  const run: RunRecord = {
    runId: options.runId,
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
  const previous = await previousSnapshot(run, world);
  await world.store.createRun(run);
  await world.store.startSegments(run.runId, initialSegments(definition, ends, previous, options.tuning.segmentsMax));
  return run;
}

async function previousSnapshot(run: RunRecord, world: RunWorld): Promise<SnapshotIndex | null> {
  const settled = await world.store.findLatestSnapshot(run.transferId, run.pairId);
  return loadSnapshotIndex(world.artifacts, settled);
}

/** Cut where the last run's keys were dense; without one the range is cut while it is listed. */
function initialSegments(
  definition: TransferDefinition,
  ends: Ends,
  previous: SnapshotIndex | null,
  segmentsMax: number,
): NewSegment[] {
  const { only } = definition.source;
  if (only !== null) return [{ segmentId: 's0', kind: 'keys', from: only, to: keyAfter(only) }];
  const canCut = [ends.source, ends.target].every((end) => end.traits.seek === 'key' && end.traits.order === 'bytes');
  const cuts = canCut && previous !== null ? quantiles(previous, segmentsMax).map(asciiHead) : [];
  const bounds = [...new Set(cuts)].filter((cut) => cut !== '').toSorted(compareKeys);
  return [null, ...bounds].map((from, at) => ({ segmentId: `s${at}`, kind: 'keys', from, to: bounds[at] ?? null }));
}

interface ContextParts {
  readonly started: RunRecord;
  readonly ends: Ends;
  readonly world: RunWorld;
  readonly options: RunOptions;
  readonly previous: SnapshotIndex | null;
  readonly stop: (error: unknown) => void;
  readonly stopper: AbortController;
}

function makeContext({ started, ends, world, options, previous, stop, stopper }: ContextParts): RunContext {
  const { policy } = started.definition;
  const { clock, random } = world;
  const { tuning } = options;
  const source = retryingSource(ends.source, { clock, random });
  const target = retryingTarget(ends.target, { clock, random });
  const live = new LiveState();
  live.add(started.counters);
  const budget = new ByteBudget(tuning.bytesInFlightMax);
  const { bandwidth } = tuning;
  const shaper = bandwidth === null ? null : new Shaper(clock, (nowMs) => rateAt(bandwidth, nowMs));
  const lanes = tuning.transfersMax;
  return {
    run: started,
    source,
    target,
    policy,
    world,
    previous,
    stop,
    live,
    signal: AbortSignal.any([options.signal, stopper.signal]),
    uploads: new UploadBook(world.store, started.runId, clock, random),
    partGate: new Gate(lanes === null ? PARTS_IN_FLIGHT : Math.max(1, Math.min(lanes, PARTS_IN_FLIGHT))),
    smallGate: new Gate(lanes ?? SMALL_LANES),
    largeGate: new Gate(lanes === null ? LARGE_LANES : Math.max(1, Math.min(lanes, LARGE_LANES))),
    memory: (bytes, signal) => budget.acquire(bytes, signal),
    bandwidth: shaper === null ? null : (bytes, signal) => shaper.take(bytes, signal),
    onBytes: (key, bytes) => live.moved(key, bytes),
    serverSide: { state: 'unknown', probing: null },
    filter: compileFilter(policy.filter, started.startedAtMs),
    rules: target.traits.names,
    timeToleranceMs: Math.max(source.traits.timePrecisionMs ?? 0, target.traits.timePrecisionMs ?? 0),
    targetMatchable: isMatchable(target.facts),
    sorting: { source: false, target: false },
  };
}

/** Where a store ignores conditions the provider looks just before it writes: then too a state can be named. */
function isMatchable(facts: TargetFacts): boolean {
  return facts.matchOnWrite !== 'refused';
}
