/** Clock and chance of a simulated world: they move only when told to. */

import { DroverError } from '../model/errors.ts';
import type { Clock, Random } from '../lib/world.ts';

export interface SimClock extends Clock {
  /** Time passes; sleepers whose time has come wake in order. */
  advance(ms: number): void;
}

/** `sleep` resolves when `advance` has passed its time; with `jumping` it moves the clock itself and returns at once. */
export function simClock(startMs = Date.UTC(2026, 0, 15, 12), jumping = false): SimClock {
  let nowMs = startMs;
  let sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  const advance = (ms: number): void => {
    const endMs = nowMs + ms;
    for (;;) {
      const next = sleepers.filter((s) => s.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      sleepers = sleepers.filter((s) => s !== next);
      nowMs = Math.max(nowMs, next.atMs);
      next.wake();
    }
    nowMs = endMs;
  };
  return {
    now: () => nowMs,
    monotonic: () => nowMs - startMs,
    advance,
    sleep: (delayMs, signal) => {
      if (signal?.aborted === true) return Promise.reject(cancelled());
      if (jumping) {
        advance(delayMs);
        return Promise.resolve();
      }
      return new Promise((resolve, reject) => {
        const sleeper = { atMs: nowMs + delayMs, wake: resolve };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers = sleepers.filter((s) => s !== sleeper);
          reject(cancelled());
        });
      });
    },
  };
}

export function cancelled(): DroverError {
  return new DroverError('CANCELLED', 'The work was stopped.');
}

/** The same seed gives the same chances. Never for real secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    fraction: () => next() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => next() >>> 24),
  };
}
