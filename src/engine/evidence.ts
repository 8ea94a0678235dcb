/**
 * What earlier runs between the same two places have proved: the last whole transfer, and since then also what was
 * moved by a run that was cancelled or failed, by one that repeated what had failed, and what a comparison has read.
 */
import type { Policy } from '../model/policy.ts';
import { chunksOfKind } from './chunks.ts';
import type { RunRecord } from './ports.ts';
import {
  indexSnapshot,
  loadSnapshotIndex,
  readSnapshotIndex,
  storeSnapshotIndex,
  type Knowledge,
  type SnapshotIndex,
} from './snapshot.ts';
import type { RunWorld } from './world.ts';

/** Each costs a chunk in memory for every segment at work; a whole transfer takes over what they all know. */
export const EVIDENCE_RUNS_MAX = 4;

/** What a run of this policy has proved, or read, is evidence for the next one; the rest of it any listing tells again. */
export function isEvidence({ mode, dryRun, verify }: Pick<Policy, 'mode' | 'dryRun' | 'verify'>): boolean {
  return !dryRun && (mode !== 'check' || verify === 'read-back');
}

/** Evidence that cannot be had is only missing: nothing here fails a run. Repeating it gives the same. */
export async function knowledgeOf(run: RunRecord, world: RunWorld): Promise<Knowledge> {
  const { store, artifacts } = world;
  const settled = await store.findLatestSnapshot(run.transferId, run.pairId);
  const snapshot = await loadSnapshotIndex(artifacts, settled);
  // A version is known together with those before it, or not at all.
  if (run.definition.policy.versions === 'all') return { snapshot, since: [] };
  const since: SnapshotIndex[] = [];
  for (const one of await store.findEvidence(run.pairId, EVIDENCE_RUNS_MAX)) {
    if (one.runId === run.runId) continue;
    const index = await indexOf(one.runId, world).catch(() => null);
    if (index !== null) since.push(index);
  }
  return { snapshot, since };
}

/** `null` where the run has left no rows. What it wrote later than its index was made makes the index anew. */
async function indexOf(runId: string, { store, artifacts }: RunWorld): Promise<SnapshotIndex | null> {
  const segments = await store.segments(runId);
  const chunks = segments.reduce((sum, segment) => sum + chunksOfKind(segment.chunks, 'snap').length, 0);
  if (chunks === 0) return null;
  const stored = await readSnapshotIndex(artifacts, runId);
  if (stored?.segments.reduce((sum, segment) => sum + segment.chunks.length, 0) === chunks) return stored;
  const index = await indexSnapshot(artifacts, runId, segments);
  await storeSnapshotIndex(artifacts, index);
  return index;
}
