/** Time and chance that a test or a simulator owns: nothing passes unless it is told to, and every run is the same. */
import { cancelled } from './system.ts';
import type { Clock, Random } from './world.ts';

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

/** Stands still until it is moved. */
export class FakeClock implements Clock {
  private readonly startMs: number;
  private elapsedMs = 0;
  private readonly sleepers = new Set<Sleeper>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.startMs = startMs;
  }

  now(): number {
    return this.startMs + this.elapsedMs;
  }

  monotonic(): number {
    return this.elapsedMs;
  }

  /** How many sleep now. */
  get sleeping(): number {
    return this.sleepers.size;
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(cancelled(signal));
      const stop = (): void => {
        this.sleepers.delete(sleeper);
        reject(cancelled(signal as AbortSignal));
      };
      const wake = (): void => {
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      const sleeper: Sleeper = { dueMs: this.elapsedMs + Math.max(0, delayMs), wake };
      this.sleepers.add(sleeper);
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  /** Lets time pass, waking everyone who is due, in order; what they do next has been done when it resolves. */
  async advance(delayMs: number): Promise<void> {
    const endMs = this.elapsedMs + delayMs;
    await settled();
    for (let next = this.first(); next !== null && next.dueMs <= endMs; next = this.first()) {
      await this.wake(next);
    }
    this.elapsedMs = endMs;
    await settled();
  }

  /** Jumps from sleeper to sleeper until the work has ended, and gives its outcome. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => void (isOver = true);
    work.then(over, over);
    for (;;) {
      await settled();
      if (isOver) return work;
      const next = this.first();
      if (next === null) return work;
      await this.wake(next);
    }
  }

  private async wake(sleeper: Sleeper): Promise<void> {
    this.elapsedMs = Math.max(this.elapsedMs, sleeper.dueMs);
    this.sleepers.delete(sleeper);
    sleeper.wake();
    await settled();
  }

  /** The earliest; of several the one that came first. */
  private first(): Sleeper | null {
    let first: Sleeper | null = null;
    for (const sleeper of this.sleepers) if (first === null || sleeper.dueMs < first.dueMs) first = sleeper;
    return first;
  }
}

/** The same sequence for the same seed; evenly spread, not secret. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  return {
    fraction: () => next() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => next() >>> 24),
  };
}

/** Every promise that could go on has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
