/**
 * The state of one run by one worker that nobody keeps: held in memory, gone with it. It knows segments and the names of
 * their chunks, never items, so it stays small. What came before is asked of the store that is kept.
 */
import type {
  Checkpoint,
  Commit,
  Intent,
  Lease,
  NewSegment,
  RunChange,
  RunEnd,
  RunRecord,
  RunStore,
  SegmentKind,
  SegmentRecord,
  Usage,
} from '../../engine/ports.ts';
import { DroverError } from '../../model/errors.ts';
import { compareKeys } from '../../model/key.ts';
import { addCounters, ZERO_COUNTERS } from '../../model/outcome.ts';

const KINDS: readonly SegmentKind[] = ['keys', 'mapped', 'restores', 'deletes', 'settle'];

/** What is known of runs before this one. */
export type EarlierRuns = Pick<RunStore, 'findLatestSnapshot' | 'findEvidence' | 'segments'>;

export class PassingStore implements RunStore {
  readonly #kept: EarlierRuns;
  readonly #segments = new Map<string, SegmentRecord>();
  readonly #held = new Set<string>();
  #run: RunRecord;

  constructor(run: RunRecord, kept: EarlierRuns) {
    this.#run = run;
    this.#kept = kept;
  }

  async createRun(): Promise<void> {
    throw new DroverError('INTERNAL', 'This store holds the one run that it was made for.');
  }

  async getRun(runId: string): Promise<RunRecord | null> {
    if (runId !== this.#run.runId) return null;
    const sums = [...this.#segments.values()].map(({ counters }) => counters);
    return { ...this.#run, counters: sums.reduce(addCounters, ZERO_COUNTERS) };
  }

  async listRuns(): Promise<readonly RunRecord[]> {
    return [this.#run];
  }

  async findUnfinished(): Promise<null> {
    return null;
  }

  findLatestSnapshot(transferId: string, pairId: string): Promise<RunRecord | null> {
    return this.#kept.findLatestSnapshot(transferId, pairId);
  }

  findEvidence(pairId: string, limit: number): Promise<readonly RunRecord[]> {
    return this.#kept.findEvidence(pairId, limit);
  }

  async updateRun(_runId: string, change: RunChange): Promise<void> {
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    this.#run = { ...this.#run, ...given };
  }

  async recordUsage(_runId: string, _session: string, { requests, activeMs }: Usage): Promise<void> {
    this.#run = { ...this.#run, requests, durationMs: Math.round(activeMs) };
  }

  async segments(runId: string): Promise<readonly SegmentRecord[]> {
    return runId === this.#run.runId ? this.#own() : this.#kept.segments(runId);
  }

  #own(): SegmentRecord[] {
    return [...this.#segments.values()].toSorted(inOrder);
  }

  async startSegments(runId: string, segments: readonly NewSegment[]): Promise<void> {
    if (this.#segments.size === 0) await this.addSegments(runId, segments);
  }

  async addSegments(runId: string, segments: readonly NewSegment[]): Promise<void> {
    const fresh = { state: 'open', epoch: 0, checkpoint: null, chunks: [], counters: ZERO_COUNTERS } as const;
    for (const segment of segments) {
      if (this.#segments.has(segment.segmentId)) continue;
      this.#segments.set(segment.segmentId, { ...fresh, ...segment, runId });
    }
  }

  async claim(_runId: string, worker: string): Promise<Lease | null> {
    if (this.#run.endedAtMs !== null) return null;
    const free = this.#own().find((one) => one.state === 'open' && !this.#held.has(one.segmentId));
    if (free === undefined) return null;
    this.#held.add(free.segmentId);
    const segment = this.#put({ ...free, epoch: free.epoch + 1 });
    return { segment, worker, epoch: segment.epoch };
  }

  async split(lease: Lease, at: string, newSegmentId: string): Promise<Lease> {
    const segment = this.#heldBy(lease);
    await this.addSegments(segment.runId, [{ segmentId: newSegmentId, kind: segment.kind, from: at, to: segment.to }]);
    return { ...lease, segment: this.#put({ ...segment, to: at }) };
  }

  async commit(lease: Lease, commit: Commit): Promise<void> {
    const segment = this.#heldBy(lease);
    this.#put({
      ...segment,
      state: commit.done ? 'done' : 'open',
      checkpoint: commit.checkpoint satisfies Checkpoint,
      chunks: [...segment.chunks, ...commit.addChunks],
      counters: addCounters(segment.counters, commit.addCounters),
    });
    if (commit.done) this.#held.delete(segment.segmentId);
  }

  async reset(lease: Lease): Promise<Lease> {
    const segment = this.#heldBy(lease);
    return { ...lease, segment: this.#put({ ...segment, checkpoint: null, chunks: [], counters: ZERO_COUNTERS }) };
  }

  async release({ segment, epoch }: Lease): Promise<void> {
    if (this.#segments.get(segment.segmentId)?.epoch === epoch) this.#held.delete(segment.segmentId);
  }

  async endRun(lease: Lease, end: RunEnd): Promise<void> {
    const segment = this.#heldBy(lease);
    this.#put({ ...segment, state: 'done' });
    this.#held.delete(segment.segmentId);
    this.#run = { ...this.#run, ...end, updatedAtMs: end.endedAtMs };
  }

  async waiting(): Promise<number> {
    return 0;
  }

  async setWaiting(): Promise<void> {
    // There is nobody else who could share the work.
  }

  async saveIntent(): Promise<void> {
    throw new DroverError('INTERNAL', 'A run that nobody keeps may not write anything.');
  }

  async dropIntent(): Promise<void> {
    // None was saved.
  }

  async intents(): Promise<readonly Intent[]> {
    return [];
  }

  #heldBy({ segment: { segmentId }, epoch }: Lease): SegmentRecord {
    const known = this.#segments.get(segmentId);
    if (known?.epoch === epoch && known.state === 'open' && this.#held.has(segmentId)) return known;
    throw new DroverError('LEASE_LOST', `Segment ${segmentId} is not held under epoch ${epoch} any more.`);
  }

  #put(segment: SegmentRecord): SegmentRecord {
    this.#segments.set(segment.segmentId, segment);
    return segment;
  }
}

function inOrder(a: SegmentRecord, b: SegmentRecord): number {
  const byKind = KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind);
  if (byKind !== 0) return byKind;
  if (a.from === null || b.from === null) return (a.from === null ? 0 : 1) - (b.from === null ? 0 : 1);
  return compareKeys(a.from, b.from);
}
