/** What becomes of segments, as lines of the worker's log: each with run, segment and epoch. */
import type { Log } from '../../lib/world.ts';
import type { HeldLease, LeaseWatcher } from '../runs/watching.ts';

export function leaseLines(log: Log): LeaseWatcher {
  const idsOf = ({ runId, segmentId, epoch }: HeldLease) => ({ run: runId, segment: segmentId, epoch });
  return {
    claimed(lease, kind, isTakeover) {
      const ids = { ...idsOf(lease), kind };
      if (isTakeover) log('info', 'A segment was taken over from a worker that fell silent.', ids);
      else log('debug', 'A segment was begun.', ids);
    },
    committed: () => undefined,
    left(lease, outcome) {
      log('debug', 'A segment was left.', { ...idsOf(lease), outcome });
    },
  };
}
