/** How all that a transfer left at its target is proved: what it copied, and what it found there already. */
import type { RunRecord, RunStore } from '../../engine/ports.ts';
import { EVIDENCE_RUNS_MAX } from '../../engine/evidence.ts';
import { loadSnapshotIndex, snapshotRows, type SnapshotIndex } from '../../engine/snapshot.ts';
import { ZERO_COUNTERS, type VerificationClass } from '../../model/outcome.ts';
import type { ControlWorld } from '../world.ts';

/** One run's manifest, summed up. */
export interface ManifestSums {
  readonly runId: string;
  readonly endedAt: string | null;
  readonly manifestRoot: string;
  /** Rows of the manifest. */
  readonly objects: number;
  readonly bytes: number;
  /** Adds up to `objects`. */
  readonly classes: Readonly<Record<VerificationClass, number>>;
}

/** Of the run that the report is of, or of the newest whole transfer between the same two places. */
export interface Proof extends ManifestSums {
  /** Runs since that transfer which repeated what had failed: what they moved is in their manifests. Newest first. */
  readonly repeated: readonly ManifestSums[];
}

interface ProofSource {
  readonly world: Pick<ControlWorld, 'artifacts'>;
  readonly store: RunStore;
}

/** `null` where no transfer between these two places has ended; INTERNAL when a piece of the manifest is gone. */
export async function proofOf(source: ProofSource, record: RunRecord, signal: AbortSignal): Promise<Proof | null> {
  const { store } = source;
  if (record.manifestRoot !== null) {
    const own = await sumsOf(source, record, signal);
    return own === null ? null : { ...own, repeated: [] };
  }
  const owner = await store.findLatestSnapshot(record.transferId, record.pairId);
  const whole = owner === null ? null : await sumsOf(source, owner, signal);
  if (whole === null) return null;
  const repeated: ManifestSums[] = [];
  for (const run of await store.findEvidence(record.pairId, EVIDENCE_RUNS_MAX)) {
    const sums = run.manifestRoot === null ? null : await sumsOf(source, run, signal);
    if (sums !== null) repeated.push(sums);
  }
  return { ...whole, repeated };
}

async function sumsOf({ world }: ProofSource, run: RunRecord, signal: AbortSignal): Promise<ManifestSums | null> {
  const index: SnapshotIndex | null = await loadSnapshotIndex(world.artifacts, run);
  if (index === null) return null;
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
  const endedAt = run.endedAtMs === null ? null : new Date(run.endedAtMs).toISOString();
  return { runId: run.runId, endedAt, manifestRoot: index.root, objects, bytes, classes };
}
