/** Holds bytes back to a rate that may change at any time, as a bandwidth timetable does. */
import { Turnstile } from './turnstile.ts';
import type { Clock } from './world.ts';

/** A changed rate is noticed at the latest after this. */
const LOOK_MS_MAX = 1_000;
/** What was not used before is kept for this long at most: enough for timers that wake late, no more. */
const BURST_MS = 100;

export class Shaper {
  private readonly clock: Clock;
  private readonly rateAt: (nowMs: number) => number | null;
  private readonly gate = new Turnstile();
  /** Bytes that may go now; below zero while the last ones are still being paid for. */
  private allowanceBytes = 0;
  private seenMs: number;
  private seenRate: number | null;
  private pumping: AbortController | null = null;

  /** `rateAt`: bytes per second at that time, `null` without a limit, 0 for a pause. */
  constructor(clock: Clock, rateAt: (nowMs: number) => number | null) {
    this.clock = clock;
    this.rateAt = rateAt;
    this.seenMs = clock.monotonic();
    this.seenRate = rateAt(clock.now());
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.gate.waiting;
  }

  /** Resolves when so many bytes may go, in order of asking, so that takers of equal chunks get equal shares. CANCELLED. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const passing = this.gate.pass(() => this.enter(bytes), signal);
    if (this.gate.waiting > 0 && this.pumping === null) void this.pump();
    try {
      await passing;
    } finally {
      if (this.gate.waiting === 0) this.pumping?.abort();
    }
  }

  private enter(bytes: number): boolean {
    this.accrue();
    if (this.seenRate === null) return true;
    if (this.seenRate === 0 || this.allowanceBytes < 0) return false;
    this.allowanceBytes -= bytes;
    return true;
  }

  private accrue(): void {
    const nowMs = this.clock.monotonic();
    if (this.seenRate !== null) {
      const earned = (this.seenRate * (nowMs - this.seenMs)) / 1000;
      this.allowanceBytes = Math.min(this.allowanceBytes + earned, (this.seenRate * BURST_MS) / 1000);
    }
    this.seenMs = nowMs;
    const rate = this.rateAt(this.clock.now());
    // Debts of a faster time are not paid off at the speed of a slower one.
    if (rate !== this.seenRate) this.allowanceBytes = Math.min(0, Math.max(this.allowanceBytes, -(rate ?? 0)));
    this.seenRate = rate;
  }

  /** Runs while somebody waits. */
  private async pump(): Promise<void> {
    const stop = new AbortController();
    this.pumping = stop;
    try {
      while (this.gate.waiting > 0) {
        await this.clock.sleep(this.lookAgainMs(), stop.signal);
        this.gate.wake();
      }
    } catch {
      // Everybody left.
    } finally {
      this.pumping = null;
      if (this.gate.waiting > 0) void this.pump();
    }
  }

  private lookAgainMs(): number {
    if (this.seenRate === null) return 0;
    if (this.seenRate === 0) return LOOK_MS_MAX;
    const paidMs = (-this.allowanceBytes * 1000) / this.seenRate;
    return Math.min(LOOK_MS_MAX, Math.max(1, Math.ceil(paidMs)));
  }
}
