/** What it means for a run that a worker's part in it broke off. A pure decision. */
import type { DroverError, Failure } from '../../model/errors.ts';
import { toFailure } from '../../model/errors.ts';

export type Verdict =
  /** Nothing: the worker looks again soon. */
  | { readonly kind: 'again'; readonly isFault: boolean }
  /** Goes on when the disk has room again; shown meanwhile. */
  | { readonly kind: 'disk'; readonly failure: Failure }
  /** Pauses until somebody mends the connector (`null`: whatever is named). */
  | { readonly kind: 'attention'; readonly failure: Failure; readonly side: 'source' | 'target' | null }
  | { readonly kind: 'fail'; readonly failure: Failure };

export interface Breakdown {
  readonly error: DroverError;
  /** Whose connector it was, where that is known. */
  readonly side: 'source' | 'target' | null;
  /** How often in a row this run has broken off here without getting any further. */
  readonly faults: number;
}

/** Faults that may pass by themselves: so often they are tried again before somebody is called. */
export const FAULTS_MAX = 3;

export function judge({ error, side, faults }: Breakdown): Verdict {
  const failure = toFailure(error);
  switch (error.code) {
    case 'LEASE_LOST':
    case 'GUARD_BUSY':
    case 'CANCELLED':
    case 'DATABASE_UNAVAILABLE':
      return { kind: 'again', isFault: false };
    case 'DISK_FULL':
      return { kind: 'disk', failure };
    // Not reached and a clock that is off are mended without anybody telling us; the other ones need somebody.
    case 'UNREACHABLE':
    case 'CLOCK_SKEW':
      return faults < FAULTS_MAX ? { kind: 'again', isFault: true } : { kind: 'attention', failure, side };
    // Of one object it is the object's failure and never comes here: this is a place, and its owner can give it back.
    case 'PERMISSION_DENIED':
      return { kind: 'attention', failure, side };
    default:
  }
  if (error.policy.scope === 'account') return { kind: 'attention', failure, side };
  if (error.policy.retry === 'never') return { kind: 'fail', failure };
  return faults < FAULTS_MAX ? { kind: 'again', isFault: true } : { kind: 'attention', failure, side };
}
