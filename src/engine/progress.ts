/** A picture of the run, a few times a second. No percentage and no time left before the totals are known. */
import type { Clock } from '../lib/world.ts';
import type { RunContext } from './context.ts';
import type { Progress, RunPhase } from './definition.ts';

/** Speeds are means over this long. */
const SPEED_WINDOW_MS = 5_000;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
  readonly items: number;
}

export class ProgressMeter {
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  #samples: Sample[] = [];
  phase: RunPhase = 'starting';
  listingComplete = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAtMs = clock.monotonic();
  }

  picture(context: RunContext): Progress {
    const { live } = context;
    const nowMs = this.#clock.monotonic();
    const sample: Sample = { atMs: nowMs, bytes: live.movedBytes, items: live.counters.items.scanned };
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
      pendingItems: live.pendingItems,
      pendingBytes: live.pendingBytes,
      listingComplete: this.#isListed(context),
      elapsedMs,
      bytesPerSecond,
      itemsPerSecond,
      bytesPerSecondMean: (live.movedBytes / Math.max(1, elapsedMs)) * 1_000,
      remainingMs: this.#remaining(context, bytesPerSecond, itemsPerSecond),
      limitedBy: this.#limit(context),
      current: [...live.current]
        .map(([key, item]) => ({ key, ...item }))
        .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
        .slice(0, 8),
    };
  }

  #isListed({ live }: RunContext): boolean {
    return this.listingComplete || live.unlistedSegments === 0;
  }

  /** What is left by bytes and by items, whichever is slower, with room for both being wrong. */
  #remaining(context: RunContext, bytesPerSecond: number, itemsPerSecond: number): Progress['remainingMs'] {
    const { live } = context;
    if (!this.#isListed(context) || (bytesPerSecond <= 0 && itemsPerSecond <= 0)) return null;
    const done = [...live.current.values()].reduce((sum, item) => sum + item.doneBytes, 0);
    const byBytes = bytesPerSecond > 0 ? Math.max(0, live.pendingBytes - done) / bytesPerSecond : 0;
    const byItems = itemsPerSecond > 0 ? live.pendingItems / itemsPerSecond : 0;
    const middleMs = Math.max(byBytes, byItems) * 1_000;
    return { low: middleMs * 0.7, high: middleMs * 1.5 };
  }

  #limit(context: RunContext): Progress['limitedBy'] {
    if (context.bandwidth !== null) return 'bandwidth';
    if (!this.#isListed(context) && context.live.pendingItems === 0) return 'listing';
    return 'none';
  }
}
