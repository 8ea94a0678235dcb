/** What settled behind an item that will never settle, because nobody goes on with its segment, joins the chunks of it. */
import { Ahead } from './ahead.ts';
import { ChunkWriter } from './chunks.ts';
import type { ArtifactStore, Commit, SegmentRecord } from './ports.ts';

/**
 * Makes it durable, and gives the commit that names it: the sums and the log have it then. `null` where nothing was kept
 * aside. `epoch`: one under which nobody writes (any more). May be done again for the same segment and epoch.
 */
export async function joinAside(
  segment: SegmentRecord,
  epoch: number,
  artifacts: ArtifactStore,
): Promise<Commit | null> {
  const { checkpoint } = segment;
  if (checkpoint?.ahead === undefined) return null;
  const aside = new Ahead(artifacts);
  await aside.open(checkpoint);
  const writer = new ChunkWriter(artifacts, checkpoint.nextChunk);
  for (const { settled, seesTarget } of aside.left) writer.add(settled, seesTarget);
  const { names, counters, issues } = await writer.flush({ segment, worker: 'nobody', epoch });
  const { settledKey, sourceCursor, targetCursor } = checkpoint;
  return {
    checkpoint: { settledKey, sourceCursor, targetCursor, nextChunk: writer.nextChunk },
    addChunks: names,
    addCounters: counters,
    addIssues: issues,
    done: false,
  };
}
