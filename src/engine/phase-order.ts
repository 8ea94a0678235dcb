/** Which segment comes after those that are done. Every worker of a run must come to the same answer. */
import { DroverError, toDroverError } from '../model/errors.ts';
import { addCounters, ZERO_COUNTERS, type Counters } from '../model/outcome.ts';
import type { Policy } from '../model/policy.ts';
import { refuseUnsafeMirror } from './mirror-guard.ts';
import type { NewSegment, SegmentKind, SegmentRecord } from './ports.ts';

const LATER_KINDS: readonly SegmentKind[] = ['mapped', 'restores', 'deletes', 'settle'];

/** The next segment to add where all that there are are done; `null` after the last one. */
export function nextSegment(segments: readonly SegmentRecord[], policy: Policy): NewSegment | null {
  for (const kind of LATER_KINDS) {
    if (segments.some((segment) => segment.kind === kind)) continue;
    if (kind === 'deletes' && !mayDelete(segments, policy)) continue;
    return { segmentId: kind, kind, from: null, to: null };
  }
  return null;
}

/** Why a mirror may not delete what it found; `null` where it may, or has, or is none. */
export function deletionRefusal(segments: readonly SegmentRecord[], policy: Policy): DroverError | null {
  if (policy.mode !== 'mirror' || policy.dryRun) return null;
  if (segments.some(({ kind }) => kind === 'deletes')) return null;
  try {
    refuseUnsafeMirror(sumOf(segments), policy);
    return null;
  } catch (error) {
    return toDroverError(error);
  }
}

export function sumOf(segments: readonly SegmentRecord[]): Counters {
  return segments.reduce((sum, segment) => addCounters(sum, segment.counters), ZERO_COUNTERS);
}

function mayDelete(segments: readonly SegmentRecord[], policy: Policy): boolean {
  if (policy.mode !== 'mirror' || policy.dryRun || deletionRefusal(segments, policy) !== null) return false;
  // What failed to arrive may have stood at the target under another name: then that is its only copy.
  return sumOf(segments).items.failed === 0;
}
