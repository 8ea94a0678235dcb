/**
 * Gives memory back when there is nothing to do. V8 keeps what a busy hour needed until something is allocated again,
 * and a server that idles all night would hold it all night.
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_EVERY_MS = 15_000;
/** Heartbeats and looks at the database stay far below this. */
const BUSY_FROM = 0.05;

/** Collects once whenever a busy stretch is over. Never keeps the process alive. */
export function collectWhenIdle(): Disposable {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let last = performance.eventLoopUtilization();
  // What starting up needed is not needed again either.
  let wasBusy = true;
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const isBusy = performance.eventLoopUtilization(now, last).utilization >= BUSY_FROM;
    last = now;
    if (wasBusy && !isBusy) collect();
    wasBusy = isBusy;
  }, LOOK_EVERY_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
