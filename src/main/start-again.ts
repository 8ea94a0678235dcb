/** A start that outlives its database. */
import { fromDatabase } from '../control/runs/database-errors.ts';
import type { Clock } from '../lib/world.ts';

/** So often a start is begun anew when its database goes away in the middle of it. */
export const STARTS_MAX = 5;
const START_AGAIN_MS = 1_000;

interface StartAgain {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly signal: AbortSignal;
  /** Told before each new start. */
  say(words: string): Promise<void>;
}

/**
 * Runs `once`; begins it anew, database and all, when the database dies before it said that it is ready. Whatever else
 * it throws, or whatever it throws once it is ready or told to stop, is thrown; errors of the database as DroverError.
 */
export async function startAgain(
  once: (onReady: () => void) => Promise<void>,
  { clock, signal, say }: StartAgain,
): Promise<void> {
  for (let starts = 1; ; starts++) {
    let isReady = false;
    try {
      return await once(() => (isReady = true));
    } catch (thrown) {
      const error = fromDatabase(firstOf(thrown));
      const mayGoOn = error.code === 'DATABASE_UNAVAILABLE' && !signal.aborted;
      if (isReady || !mayGoOn || starts === STARTS_MAX) throw error;
      await say(`  ${error.message} The start begins anew.`);
      await clock.sleep(START_AGAIN_MS, signal);
    }
  }
}

/** What goes wrong while it is all let go, one part after the other, follows from what went wrong first. */
function firstOf(thrown: unknown): unknown {
  let first = thrown;
  while (first instanceof SuppressedError) first = first.suppressed;
  return first;
}
