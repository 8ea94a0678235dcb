/**
 * A picture of the run, a few times a second. No percentage and no time left before the totals are known; what limits
 * the speed is measured, never guessed from the settings.
 */
import type { Clock } from '../lib/world.ts';
import type { RunContext } from './context.ts';
import type { Progress, RunPhase } from './definition.ts';
import { limitReason, type LimitReason, type Watched } from './limit-reason.ts';
import type { WaitKind } from './waits.ts';
import type { HeldBack } from './world.ts';

const NOTHING_HELD_BACK: HeldBack = { source: 0, target: 0 };

/** Speeds are means over this long. */
const SPEED_WINDOW_MS = 5_000;

/** How long a speed must have been watched, and how near it must be to the mean, before its forecast is worth much. */
const FORECASTS = [
  { confidence: 'high', elapsedMsMin: 60_000, ratioMax: 1.5, low: 0.8, high: 1.3 },
  { confidence: 'medium', elapsedMsMin: 15_000, ratioMax: 2.5, low: 0.7, high: 1.6 },
  { confidence: 'low', elapsedMsMin: 0, ratioMax: Number.POSITIVE_INFINITY, low: 0.5, high: 3 },
] as const;

/** By how long the speed was watched, and how far it is now from its mean. */
export function gradeForecast(elapsedMs: number, speedNow: number, speedMean: number): (typeof FORECASTS)[number] {
  const ratio = apart(speedNow, speedMean);
  return FORECASTS.find((one) => elapsedMs >= one.elapsedMsMin && ratio <= one.ratioMax) ?? FORECASTS[2];
}

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
  readonly items: number;
  readonly waitsMs: Readonly<Record<WaitKind, number>>;
  /** Requests held back by what the accounts may do at a time, and by limits that somebody set. */
  readonly heldBack: HeldBack;
  /** Items that move or wait for their next try. */
  readonly busy: number;
  readonly isHungry: boolean;
  /** There is more to do than lanes to do it in. */
  readonly isFull: boolean;
}

export class ProgressMeter {
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  #itemsBefore: number | null = null;
  #samples: Sample[] = [];
  phase: RunPhase = 'starting';
  listingComplete = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAtMs = clock.monotonic();
  }

  picture(context: RunContext): Progress {
    const { live } = context;
    const sample = this.#sample(context);
    const nowMs = sample.atMs;
    this.#samples = [...this.#samples.filter((one) => nowMs - one.atMs <= SPEED_WINDOW_MS), sample];
    const first = this.#samples[0] as Sample;
    const windowMs = Math.max(1, nowMs - first.atMs);
    const elapsedMs = nowMs - this.#startedAtMs;
    const bytesPerSecond = ((sample.bytes - first.bytes) / windowMs) * 1_000;
    const itemsPerSecond = ((sample.items - first.items) / windowMs) * 1_000;
    return {
      runId: context.run.runId,
      phase: this.phase,
      counters: live.tally.total,
      segments: [...live.held].map(({ progress }) => progress),
      pendingItems: live.pendingItems,
      pendingBytes: live.pendingBytes,
      listingComplete: this.#isListed(context),
      elapsedMs,
      bytesPerSecond,
      itemsPerSecond,
      bytesPerSecondMean: (live.movedBytes / Math.max(1, elapsedMs)) * 1_000,
      itemsPerSecondMean: this.#itemsPerSecondMean(context, elapsedMs),
      remainingMs: this.#remaining(context, { elapsedMs, bytesPerSecond, itemsPerSecond }),
      ...this.#limit(context, bytesPerSecond, itemsPerSecond),
      current: [...live.current]
        .map(([key, item]) => ({ key, ...item }))
        .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
        .slice(0, 8),
    };
  }

  #sample(context: RunContext): Sample {
    const { live, waits, world, smallGate, largeGate, partGate } = context;
    const items = live.counters.items.scanned;
    this.#itemsBefore ??= items;
    return {
      atMs: this.#clock.monotonic(),
      bytes: live.movedBytes,
      items,
      waitsMs: waits.totalsMs,
      heldBack: world.heldBack?.() ?? NOTHING_HELD_BACK,
      busy: live.current.size,
      isHungry: !this.#isListed(context) && !smallGate.isFull && live.pendingItems <= live.current.size,
      isFull: [smallGate, largeGate, partGate].some((gate) => gate.isFull),
    };
  }

  #isListed({ live }: RunContext): boolean {
    return this.listingComplete || live.unlistedSegments === 0;
  }

  /** What is left by bytes and by items, whichever is slower, with room for both being wrong. */
  #remaining(
    context: RunContext,
    speed: { readonly elapsedMs: number; readonly bytesPerSecond: number; readonly itemsPerSecond: number },
  ): Progress['remainingMs'] {
    const { live } = context;
    const { elapsedMs, bytesPerSecond, itemsPerSecond } = speed;
    if (!this.#isListed(context) || (bytesPerSecond <= 0 && itemsPerSecond <= 0)) return null;
    const done = [...live.current.values()].reduce((sum, item) => sum + item.doneBytes, 0);
    const byBytes = bytesPerSecond > 0 ? Math.max(0, live.pendingBytes - done) / bytesPerSecond : 0;
    const byItems = itemsPerSecond > 0 ? live.pendingItems / itemsPerSecond : 0;
    const middleMs = Math.max(byBytes, byItems) * 1_000;
    const forecast =
      byBytes >= byItems
        ? gradeForecast(elapsedMs, bytesPerSecond, live.movedBytes / (Math.max(1, elapsedMs) / 1_000))
        : gradeForecast(elapsedMs, itemsPerSecond, this.#itemsPerSecondMean(context, elapsedMs));
    return { low: middleMs * forecast.low, high: middleMs * forecast.high, confidence: forecast.confidence };
  }

  /** What was settled before this part of the run began says nothing about its speed. */
  #itemsPerSecondMean({ live }: RunContext, elapsedMs: number): number {
    return ((live.counters.items.scanned - (this.#itemsBefore ?? 0)) / Math.max(1, elapsedMs)) * 1_000;
  }

  #limit(context: RunContext, bytesPerSecond: number, itemsPerSecond: number): LimitReason {
    const share = (is: (sample: Sample) => boolean): number => this.#samples.filter(is).length / this.#samples.length;
    return limitReason({
      waiting: this.#waitShares(),
      eventLoopUse: context.world.eventLoopUse?.() ?? 0,
      hungry: share(({ isHungry }) => isHungry),
      full: share(({ isFull }) => isFull),
      hasTransfersMax: context.transfersMax() !== null,
      bytesPerSecond,
      itemsPerSecond,
    });
  }

  /** How many of those who had something to do were waiting, on average over the window. */
  #waitShares(): Watched['waiting'] {
    const first = this.#samples[0] as Sample;
    const last = this.#samples.at(-1) as Sample;
    const windowMs = Math.max(1, last.atMs - first.atMs);
    const mean = (member: (sample: Sample) => number): number =>
      this.#samples.reduce((sum, sample) => sum + member(sample), 0) / this.#samples.length;
    const busy = Math.max(
      1,
      mean((sample) => sample.busy),
    );
    const share = (kind: WaitKind): number => (last.waitsMs[kind] - first.waitsMs[kind]) / windowMs / busy;
    return {
      source: share('source') + mean(({ heldBack }) => heldBack.source) / busy,
      target: share('target') + mean(({ heldBack }) => heldBack.target) / busy,
      bandwidth: share('bandwidth'),
      sourceRate: mean(({ heldBack }) => heldBack.sourceRate ?? 0) / busy,
      targetRate: mean(({ heldBack }) => heldBack.targetRate ?? 0) / busy,
    };
  }
}

/** How many times one is the other, whichever is more. */
function apart(a: number, b: number): number {
  const [less, more] = a < b ? [a, b] : [b, a];
  return less <= 0 ? Number.POSITIVE_INFINITY : more / less;
}
