/** Trying again: whether, when and how often follows from the error's code alone. */
import { DroverError, toDroverError } from '../model/errors.ts';
import { cancelled, throwIfCancelled } from './system.ts';
import type { Clock, Log, Random } from './world.ts';

const DELAY_MS_FIRST = 200;
const DELAY_MS_MAX = 20_000;
/** Being asked to slow down costs no attempt, but it does not go on for ever. */
const THROTTLED_MS_MAX = 30 * 60_000;

export interface RetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Tries in all; 1 = none again. */
  readonly attemptsMax: number;
  readonly log?: Log;
  /** Told before each try after the first one. */
  readonly onRetry?: (error: DroverError) => void;
  /** The sum of the waits for a service that throttles. */
  readonly throttledMsMax?: number;
}

/**
 * Runs the work until it succeeds or its error says that it will not. `soon` errors cost an attempt; `later` errors
 * (throttling) cost only time. Waits grow exponentially with full jitter; a time the service named is kept. Rejects with
 * the last error as a DroverError, or with CANCELLED as soon as the signal fires.
 */
export async function retrying<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, signal, attemptsMax } = options;
  const throttledMsMax = options.throttledMsMax ?? THROTTLED_MS_MAX;
  let attempts = 0;
  let throttles = 0;
  let throttledMs = 0;
  for (;;) {
    throwIfCancelled(signal);
    try {
      return await work(attempts + 1);
    } catch (thrown) {
      const error = toDroverError(thrown);
      // What fails because it is being stopped is stopped, not broken.
      if (signal.aborted) throw error.code === 'CANCELLED' ? error : cancelled(signal);
      const { retry } = error.policy;
      if (retry === 'never') throw error;
      if (retry === 'soon' && ++attempts >= attemptsMax) throw error;
      if (retry === 'later') throttles++;
      const delayMs = delayBefore(retry === 'later' ? throttles : attempts, error, options.random);
      if (retry === 'later') throttledMs += delayMs;
      if (throttledMs > throttledMsMax) throw error;
      options.log?.('debug', `Trying again in ${Math.round(delayMs)} ms: ${error.message}`, {
        code: error.code,
        attempts,
      });
      options.onRetry?.(error);
      await clock.sleep(delayMs, signal);
    }
  }
}

/** `round` counts from 1. A named wait is a floor, spread a little so that not everyone comes back at once. */
function delayBefore(round: number, error: DroverError, random: Random): number {
  const windowMs = Math.min(DELAY_MS_MAX, DELAY_MS_FIRST * 2 ** (round - 1));
  const jitterMs = random.fraction() * windowMs;
  return error.retryAfterMs === null ? jitterMs : error.retryAfterMs + Math.min(jitterMs, error.retryAfterMs / 4);
}
