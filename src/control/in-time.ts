/** Work that waits for somebody else's store, and may wait for ever. */
import type { Clock } from '../lib/world.ts';
import { DroverError } from '../model/errors.ts';

export interface TimeLimit {
  readonly limitMs: number;
  /** What is done in that time, for the message: "has not answered". */
  readonly what: string;
  /** Between being told to stop and being left alone. */
  readonly graceMs?: number;
}

/**
 * Told to stop by its signal when its time is over, and left alone when it does not: nobody waits for it any longer.
 * UNREACHABLE then, CANCELLED where `signal` says so.
 */
export async function inTime<T>(
  clock: Clock,
  { limitMs, what, graceMs = 0 }: TimeLimit,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const isOver = new AbortController();
  const giveUp = async (): Promise<never> => {
    await clock.sleep(limitMs, AbortSignal.any([signal, isOver.signal])).catch(() => undefined);
    const error = signal.aborted
      ? new DroverError('CANCELLED', 'Stopped.')
      : new DroverError('UNREACHABLE', `${what} within ${Math.round(limitMs / 1_000)} seconds.`);
    late.abort(error);
    if (graceMs > 0) await clock.sleep(graceMs, isOver.signal).catch(() => undefined);
    throw error;
  };
  try {
    return await Promise.race([work(AbortSignal.any([signal, late.signal])), giveUp()]);
  } finally {
    isOver.abort();
  }
}
