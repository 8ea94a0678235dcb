/** What becomes of the segments in the hands of this process, for those who count and those who trace. */
import type { SegmentKind } from '../../engine/ports.ts';
import { DroverError } from '../../model/errors.ts';
import type { Counters } from '../../model/outcome.ts';

/** What names one lease. */
export interface HeldLease {
  readonly runId: string;
  readonly segmentId: string;
  readonly epoch: number;
}

/** `done`: nothing is left of it. `released`: given back unfinished. `lost`: it is somebody else's. */
export type LeaseEnd = 'done' | 'released' | 'lost';

export interface LeaseWatcher {
  /** `isTakeover`: from a worker that fell silent. */
  claimed(lease: HeldLease, kind: SegmentKind, isTakeover: boolean): void;
  committed(lease: HeldLease, added: Counters): void;
  left(lease: HeldLease, end: LeaseEnd): void;
}

export function watchersOf(...all: readonly LeaseWatcher[]): LeaseWatcher {
  return {
    claimed: (...told) => all.forEach((one) => one.claimed(...told)),
    committed: (...told) => all.forEach((one) => one.committed(...told)),
    left: (...told) => all.forEach((one) => one.left(...told)),
  };
}

/** To whoever writes under a lease that is not his any more. */
export function lostError({ runId, segmentId, epoch }: HeldLease): DroverError {
  const words = `Segment ${segmentId} of run ${runId} is not held under epoch ${epoch} any more.`;
  return new DroverError('LEASE_LOST', words);
}
