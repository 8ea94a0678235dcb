/**
 * What the phases after the listing work from. The key segments put rows off; the first segment of a phase brings them
 * into the phase's order, as units. Few it works off itself. Many it writes down, and they are cut into pieces, each a
 * segment of its own that any worker may claim: what is decided about one name never depends on another unit.
 */
import { chunksOfKind, type LaterRow, type Settled, type Stage } from './chunks.ts';
import type { RunContext } from './context.ts';
import { readChunks } from './lines.ts';
import type { Lease, SegmentRecord } from './ports.ts';
import { inKeyOrder } from './snapshot.ts';

/** What is done or left as a whole, by one worker. */
export interface Unit {
  readonly stage: Stage;
  /** Content to be moved; 0 where that says nothing about the time it takes. */
  readonly sizeBytes: number;
  /** JSON. */
  readonly line: string;
  /** A new piece of its stage begins with it, and only with such a one. */
  readonly isFirst?: boolean;
}

/** `mayBeUnrecorded`: somebody who is gone may have done it already, and could not say so. */
export type UnitWork = (line: string, mayBeUnrecorded: boolean) => Promise<Settled>;

export interface Phase {
  readonly atOnce: number;
  readonly pieceItemsMax: number;
  /** Each time the same ones in the same order: of stage after stage, or of all stages where their order says enough. */
  units(context: RunContext, lease: Lease, segments: readonly SegmentRecord[]): AsyncGenerator<Unit>;
  /** How the units of one segment are done; asked once for it. */
  worker(context: RunContext): UnitWork;
}

/** One unit of a segment: its place in the segment's order, and how it is done. */
export interface Step {
  readonly key: string;
  readonly work: (mayBeUnrecorded: boolean) => Promise<Settled>;
}

/** Lines are read again in the same order by whoever goes on, so their numbers are an order. */
export function orderKey(number: number): string {
  return String(number).padStart(12, '0');
}

export async function* laterRows(
  context: RunContext,
  segments: readonly SegmentRecord[],
  reason: LaterRow['reason'],
): AsyncGenerator<LaterRow> {
  for (const segment of inKeyOrder(segments)) {
    for await (const line of readChunks(context.world.artifacts, chunksOfKind(segment.chunks, 'later'))) {
      const row = JSON.parse(line) as LaterRow;
      if (row.reason === reason) yield row;
    }
  }
}
