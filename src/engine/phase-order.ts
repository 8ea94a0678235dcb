/** Which segments come after those that are done. Every worker of a run must come to the same answer. */
import { DroverError, toDroverError } from '../model/errors.ts';
import { addCounters, ZERO_COUNTERS, type Counters } from '../model/outcome.ts';
import type { Policy } from '../model/policy.ts';
import { chunksOfKind } from './chunks.ts';
import { refuseUnsafeMirror } from './mirror-guard.ts';
import { nextPieces } from './pieces.ts';
import type { NewSegment, SegmentKind, SegmentRecord } from './ports.ts';

const LATER_KINDS: readonly SegmentKind[] = ['mapped', 'restores', 'deletes', 'settle'];

/**
 * The segments to add where all that there are are done; none after the last. Of a phase first the one that brings in
 * order what there is to do, then, if that is much, the pieces into which it was cut.
 */
export function nextSegments(segments: readonly SegmentRecord[], policy: Policy): readonly NewSegment[] {
  for (const kind of LATER_KINDS) {
    const own = segments.filter((segment) => segment.kind === kind);
    if (own.length === 0) {
      if (!isNeeded(kind, segments, policy)) continue;
      return [{ segmentId: kind, kind, from: null, to: null }];
    }
    const pieces = nextPieces(kind, own);
    if (pieces.length > 0) return pieces;
  }
  return [];
}

function isNeeded(kind: SegmentKind, segments: readonly SegmentRecord[], policy: Policy): boolean {
  if (kind === 'deletes') return mayDelete(segments, policy);
  return kind === 'settle' || segments.some(({ chunks }) => chunksOfKind(chunks, 'later').length > 0);
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
