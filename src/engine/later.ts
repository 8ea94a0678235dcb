/** What the phases after the listing work from: rows that the key segments put off, as steps in an order of their own. */
import { chunksOfKind, type LaterRow, type Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import { readChunks } from './lines.ts';
import type { SegmentRecord } from './ports.ts';
import { inKeyOrder } from './snapshot.ts';

/** One unit of a phase: its place in the phase's order, and how it is done. */
export interface Step {
  readonly key: string;
  readonly work: () => Promise<Settled>;
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
