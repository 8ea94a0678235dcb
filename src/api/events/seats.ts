/** How many live streams one person, and all together, may hold open. */
import { DroverError } from '../../model/errors.ts';

/** Browsers share one stream among their tabs; programs need few. */
export const STREAMS_PER_CALLER_MAX = 50;
export const STREAMS_MAX = 1_000;

export interface Seats {
  /** RATE_LIMITED when there is none. Call what it returns when the stream ends. */
  take(caller: string): () => void;
}

export function openSeats(): Seats {
  const taken = new Map<string, number>();
  let all = 0;

  return {
    take(caller) {
      const own = taken.get(caller) ?? 0;
      if (own >= STREAMS_PER_CALLER_MAX || all >= STREAMS_MAX) {
        const many = own >= STREAMS_PER_CALLER_MAX ? `${own} live streams of yours` : `${all} live streams`;
        throw new DroverError('RATE_LIMITED', `There are ${many} open already.`, {
          retryAfterMs: 30_000,
          remedy: 'Close some; one stream can follow many topics.',
        });
      }
      taken.set(caller, own + 1);
      all += 1;
      return () => {
        const left = (taken.get(caller) ?? 1) - 1;
        if (left === 0) taken.delete(caller);
        else taken.set(caller, left);
        all -= 1;
      };
    },
  };
}
