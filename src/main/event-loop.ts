/** How busy this process is. */
import { performance } from 'node:perf_hooks';

/** Shorter stretches say nothing: several runs ask in the same moment. */
const STRETCH_MS = 1_000;

/** From 0 to 1, over a second or what has passed since the last question when that is longer. */
export function eventLoopLoad(): () => number {
  let last = performance.eventLoopUtilization();
  let lastAtMs = performance.now();
  let load = 0;
  return () => {
    const nowMs = performance.now();
    if (nowMs - lastAtMs < STRETCH_MS) return load;
    const now = performance.eventLoopUtilization();
    load = performance.eventLoopUtilization(now, last).utilization;
    [last, lastAtMs] = [now, nowMs];
    return load;
  };
}
