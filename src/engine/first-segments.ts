/** Where a run's key space is cut before anything was listed. */
import { asciiHead, compareKeys, keyAfter } from '../model/key.ts';
import type { TransferDefinition } from './definition.ts';
import type { NewSegment } from './ports.ts';
import { quantiles, type SnapshotIndex } from './snapshot.ts';
import type { Ends } from './world.ts';

/** Cut where the last run's keys were dense; without one the range is cut while it is listed. */
export function firstSegments(
  definition: TransferDefinition,
  ends: Ends,
  previous: SnapshotIndex | null,
  segmentsMax: number,
): NewSegment[] {
  const { only } = definition.source;
  if (only !== null) return [{ segmentId: 's0', kind: 'keys', from: only, to: keyAfter(only) }];
  const canCut = [ends.source, ends.target].every((end) => end.traits.seek === 'key' && end.traits.order === 'bytes');
  const cuts = canCut && previous !== null ? quantiles(previous, segmentsMax).map(asciiHead) : [];
  const bounds = [...new Set(cuts)].filter((cut) => cut !== '').toSorted(compareKeys);
  return [null, ...bounds].map((from, at) => ({ segmentId: `s${at}`, kind: 'keys', from, to: bounds[at] ?? null }));
}
