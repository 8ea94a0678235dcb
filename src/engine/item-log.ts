/** The item log of a run: one record per item, read from the chunks that commits named. */
import type { ItemRecord } from '../model/outcome.ts';
import { chunksOfKind } from './chunks.ts';
import type { RunWorld } from './world.ts';
import { readChunks } from './lines.ts';
import type { RunRecord } from './ports.ts';
import { inKeyOrder } from './snapshot.ts';

/** In key order within each phase. Works while the run goes on too: then it is what was committed so far. */
export async function* readItems(
  run: RunRecord,
  world: Pick<RunWorld, 'store' | 'artifacts'>,
): AsyncGenerator<ItemRecord> {
  for (const segment of inKeyOrder(await world.store.segments(run.runId))) {
    for await (const line of readChunks(world.artifacts, chunksOfKind(segment.chunks, 'log'))) {
      yield JSON.parse(line) as ItemRecord;
    }
  }
}
