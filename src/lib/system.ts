/** Time and chance of this machine. Everything else gets them as arguments. */
import { randomBytes, randomInt } from 'node:crypto';
import { DroverError } from '../model/errors.ts';
import type { Clock, Random } from './world.ts';

/** Timers hold at most 2^31 - 1 ms; longer sleeps are made of several. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(delayMs, signal) {
    for (let restMs = delayMs; ; restMs -= TIMER_MS_MAX) {
      await sleepOnce(Math.max(0, Math.min(restMs, TIMER_MS_MAX)), signal);
      if (restMs <= TIMER_MS_MAX) return;
    }
  },
};

const FRACTION_STEPS = 2 ** 48 - 1;

export const systemRandom: Random = {
  fraction: () => randomInt(FRACTION_STEPS) / FRACTION_STEPS,
  bytes: (length) => new Uint8Array(randomBytes(length)),
};

/** CANCELLED, keeping a DroverError that was given to `abort` as the reason. */
export function cancelled(signal: AbortSignal): DroverError {
  const reason: unknown = signal.reason;
  if (reason instanceof DroverError) return reason;
  return new DroverError('CANCELLED', 'The work was stopped.', { cause: reason });
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled(signal);
}

function sleepOnce(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(cancelled(signal));
    const stop = (): void => {
      clearTimeout(timer);
      reject(cancelled(signal as AbortSignal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, delayMs);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
