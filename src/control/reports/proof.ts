/** How all that a transfer left at its target is proved: what it copied, and what it found there already. */
import type { RunRecord, RunStore } from '../../engine/ports.ts';
import { loadSnapshotIndex, snapshotRows } from '../../engine/snapshot.ts';
import { ZERO_COUNTERS, type VerificationClass } from '../../model/outcome.ts';
import type { ControlWorld } from '../world.ts';

export interface Proof {
  /** The run whose manifest this is: the one that the report is of, or the newest between the same two places. */
  readonly runId: string;
  readonly endedAt: string | null;
  readonly manifestRoot: string;
  /** Rows of the manifest. */
  readonly objects: number;
  readonly bytes: number;
  /** Adds up to `objects`. */
  readonly classes: Readonly<Record<VerificationClass, number>>;
}

/** `null` where no transfer between these two places has ended; INTERNAL when a piece of the manifest is gone. */
export async function proofOf(
  { world, store }: { readonly world: Pick<ControlWorld, 'artifacts'>; readonly store: RunStore },
  record: RunRecord,
  signal: AbortSignal,
): Promise<Proof | null> {
  const owner =
    record.manifestRoot === null ? await store.findLatestSnapshot(record.transferId, record.pairId) : record;
  const index = await loadSnapshotIndex(world.artifacts, owner);
  if (owner === null || index === null) return null;
  const classes = { ...ZERO_COUNTERS.verification };
  let objects = 0;
  let bytes = 0;
  for (const kind of new Set(index.segments.map((segment) => segment.kind))) {
    for await (const row of snapshotRows(world.artifacts, index, kind, { from: null, to: null })) {
      signal.throwIfAborted();
      // What an earlier run knew of an item that this one failed at proves nothing about it now.
      if (row.carried === true) continue;
      classes[row.verification] += 1;
      objects += 1;
      bytes += row.target.sizeBytes;
    }
  }
  const endedAt = owner.endedAtMs === null ? null : new Date(owner.endedAtMs).toISOString();
  return { runId: owner.runId, endedAt, manifestRoot: index.root, objects, bytes, classes };
}
