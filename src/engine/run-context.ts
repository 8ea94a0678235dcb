/** Puts together what all parts of one run share in this process. */
import type { TargetFacts } from '../contract/provider.ts';
import { ByteBudget } from '../lib/byte-budget.ts';
import { Shaper } from '../lib/shaper.ts';
import { keepApart } from './apart.ts';
import { LiveState, type RunContext } from './context.ts';
import { Denials, type SideName } from './denials.ts';
import { compileFilter } from './filter.ts';
import { Gate } from './lanes.ts';
import { DELETIONS_AT_ONCE, LARGE_AHEAD_BUDGETS, LARGE_LANES, PARTS_IN_FLIGHT, SMALL_LANES } from './limits.ts';
import { Places } from './places.ts';
import type { RunRecord } from './ports.ts';
import type { Knowledge } from './snapshot.ts';
import { rateAt } from './timetable.ts';
import { UploadBook } from './uploads.ts';
import { Waits } from './waits.ts';
import type { Ends, RunOptions, RunWorld } from './world.ts';
import { retryingSource, retryingTarget, type RetryWorld } from './wrap.ts';

export interface ContextParts {
  readonly started: RunRecord;
  readonly ends: Ends;
  readonly world: RunWorld;
  readonly options: RunOptions;
  readonly previous: Knowledge;
  readonly stop: (error: unknown) => void;
  readonly stopper: AbortController;
}

export function makeContext({ started, ends, world, options, previous, stop, stopper }: ContextParts): RunContext {
  const { policy } = started.definition;
  const { clock, random, onRetry } = world;
  const { tuning } = options;
  const waits = new Waits(clock);
  const denials = new Denials(clock, ends.rights ?? null);
  const worldOf = (side: SideName): RetryWorld => ({ clock: waits.clockFor(side), random, onRetry });
  const source = retryingSource(ends.source, { ...worldOf('source'), denials });
  const patient = retryingTarget(ends.target, { ...worldOf('target'), denials });
  const target = keepApart(patient, source, started.definition, random);
  const whole = ends.whole ?? ends;
  const live = new LiveState();
  live.add(started.counters);
  const budget = new ByteBudget(() => tuning.bytesInFlightMax);
  const { bandwidth } = tuning;
  const shaper = bandwidth === null ? null : new Shaper(clock, (nowMs) => rateAt(bandwidth, nowMs));
  const takeBandwidth = world.takeBandwidth ?? (shaper === null ? null : shaper.take.bind(shaper));
  // Asked for each time: where workers come and go, one's share changes.
  const lanes = (most: number): (() => number) => {
    return () => (tuning.transfersMax === null ? most : Math.max(1, Math.min(tuning.transfersMax, most)));
  };
  return {
    run: started,
    source,
    target,
    readBack: ends.readBack ?? null,
    policy,
    world,
    previous,
    stop,
    live,
    largeAheadBytesMax:
      options.isShared === true ? LARGE_AHEAD_BUDGETS * tuning.bytesInFlightMax : Number.POSITIVE_INFINITY,
    wasKilled: options.isShared !== true && options.continueRun?.state === 'running',
    waits,
    denials,
    places: new Places({ source: whole.source, target: whole.target }, clock, worldOf),
    signal: AbortSignal.any([options.signal, stopper.signal]),
    uploads: new UploadBook(world.store, started.runId, clock, random, options.isShared === true ? 'kept' : 'awaited'),
    partGate: new Gate(lanes(PARTS_IN_FLIGHT)),
    smallGate: new Gate(() => tuning.transfersMax ?? SMALL_LANES),
    largeGate: new Gate(lanes(LARGE_LANES)),
    deletionGate: new Gate(DELETIONS_AT_ONCE),
    transfersMax: () => tuning.transfersMax,
    memory: (bytes, signal) => budget.acquire(bytes, signal),
    bandwidth:
      takeBandwidth === null ? null : (bytes, signal) => waits.during('bandwidth', takeBandwidth(bytes, signal)),
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
