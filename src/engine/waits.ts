/** Why a run does not go faster: how much of its time is spent waiting, and for what. */
import type { Clock } from '../lib/world.ts';

/** `source`, `target`: that side was busy or asked for fewer requests. `bandwidth`: the timetable's rule. */
export type WaitKind = 'source' | 'target' | 'bandwidth';

export const WAIT_KINDS: readonly WaitKind[] = ['source', 'target', 'bandwidth'];

export class Waits {
  readonly #clock: Clock;
  readonly #waiting: Record<WaitKind, number> = { source: 0, target: 0, bandwidth: 0 };
  readonly #sumMs: Record<WaitKind, number> = { source: 0, target: 0, bandwidth: 0 };
  #seenMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#seenMs = clock.monotonic();
  }

  /** Milliseconds waited so far, all who waited together: two that wait for a second are two seconds. */
  get totalsMs(): Readonly<Record<WaitKind, number>> {
    this.#count();
    return { ...this.#sumMs };
  }

  async during<T>(kind: WaitKind, work: Promise<T>): Promise<T> {
    this.#change(kind, 1);
    try {
      return await work;
    } finally {
      this.#change(kind, -1);
    }
  }

  /** A clock on which whoever sleeps waits for that side; for those who sleep only before they try again. */
  clockFor(kind: WaitKind): Clock {
    const clock = this.#clock;
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      sleep: (delayMs, signal) => this.during(kind, clock.sleep(delayMs, signal)),
    };
  }

  #change(kind: WaitKind, by: 1 | -1): void {
    this.#count();
    this.#waiting[kind] += by;
  }

  #count(): void {
    const nowMs = this.#clock.monotonic();
    for (const kind of WAIT_KINDS) this.#sumMs[kind] += this.#waiting[kind] * (nowMs - this.#seenMs);
    this.#seenMs = nowMs;
  }
}
