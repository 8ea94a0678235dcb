/** What settled behind an item that will never settle, because nobody goes on with its segment, joins the chunks of it. */
import { Ahead } from './ahead.ts';
import { ChunkWriter } from './chunks.ts';
import type { ArtifactStore, Commit, Lease, RunStore, SegmentRecord } from './ports.ts';

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

/** The same for all that is left of a run, by whoever has it to himself and will not go on with it. Safe to repeat. */
export async function joinAllAside(
  runId: string,
  worker: string,
  { store, artifacts }: { readonly store: RunStore; readonly artifacts: ArtifactStore },
): Promise<void> {
  const leases: Lease[] = [];
  try {
    for (let lease = await store.claim(runId, worker); lease !== null; lease = await store.claim(runId, worker)) {
      leases.push(lease);
      const { segment, epoch } = lease;
      const commit = await joinAside(segment, epoch, artifacts);
      if (commit === null) continue;
      await store.commit(lease, commit);
      // No commit names them any more; what cannot be removed goes with the run's other records.
      for (const name of segment.checkpoint?.ahead ?? []) await artifacts.removeAll(name).catch(() => undefined);
    }
  } finally {
    for (const lease of leases) await store.release(lease).catch(() => undefined);
  }
}
