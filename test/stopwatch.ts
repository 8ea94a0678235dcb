/**
 * Measures time as a machine with nothing else to do would show it, nearly: of each moment only what was asked for counts.
 * What a busy machine takes from a test it also takes from what the test measures.
 */
const TICK_MS = 20;
const COUNTED_MS_MAX = 25;

export interface Stopwatch {
  /** So far; it goes on until the test process ends, and keeps nothing alive. */
  elapsedMs(): number;
}

export function startStopwatch(): Stopwatch {
  let countedMs = 0;
  let seenMs = performance.now();
  const sinceSeenMs = (): number => Math.min(performance.now() - seenMs, COUNTED_MS_MAX);
  setInterval(() => {
    countedMs += sinceSeenMs();
    seenMs = performance.now();
  }, TICK_MS).unref();
  return { elapsedMs: () => countedMs + sinceSeenMs() };
}
