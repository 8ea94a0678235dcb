/**
 * What the engine needs from outside to keep state. `standalone` implements it on SQLite and a folder, `control` on
 * PostgreSQL and an artifact store. No row per object in any database: items live in artifact chunks.
 */
import type { Failure } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { Counters, RunState } from '../model/outcome.ts';
import type { TransferDefinition } from './definition.ts';

export interface RunRecord {
  readonly runId: string;
  readonly transferId: string;
  readonly pairId: string;
  /** Frozen when the run was made; a continued run uses this one. */
  readonly definition: TransferDefinition;
  readonly state: RunState;
  readonly startedAtMs: number;
  readonly updatedAtMs: number;
  readonly endedAtMs: number | null;
  readonly error: Failure | null;
  /** Sum over its segments at the last commit. */
  readonly counters: Counters;
  /** Whole run, all continuations; `{ source: { LIST: 4 }, target: { PUT: 12 } }`. */
  readonly requests: RequestCounts;
  /** Time spent running, all continuations. */
  readonly durationMs: number;
  /** Hash over all manifest leaves; set when the run settled. */
  readonly manifestRoot: string | null;
}

export interface RequestCounts {
  readonly source: Readonly<Record<string, number>>;
  readonly target: Readonly<Record<string, number>>;
}

/**
 * `keys`: a range of keys to list, compare and copy. `mapped`: items whose name the target cannot hold as it is.
 * `restores`: archived items that were asked back. `deletes`: what a mirror removes, after everything else.
 */
export type SegmentKind = 'keys' | 'mapped' | 'restores' | 'deletes';

export interface SegmentRecord {
  readonly runId: string;
  readonly segmentId: string;
  readonly kind: SegmentKind;
  /** `[from, to)` in key order; `null` is open. */
  readonly from: string | null;
  readonly to: string | null;
  readonly state: 'open' | 'done';
  /** Rises by one at every claim; a commit under an older one is refused. */
  readonly epoch: number;
  readonly checkpoint: Checkpoint | null;
  /** Names of the artifact chunks committed so far, in order. Readers ignore all others. */
  readonly chunks: readonly string[];
  readonly counters: Counters;
}

/** Where a segment goes on: everything at or before `settledKey` is settled and in its chunks. */
export interface Checkpoint {
  readonly settledKey: string | null;
  /** Provider cursors for sides that cannot seek by key, of the last page wholly settled. */
  readonly sourceCursor: Json;
  readonly targetCursor: Json;
  /** Rising number of the next chunk. */
  readonly nextChunk: number;
}

/** The right to work on a segment. */
export interface Lease {
  readonly segment: SegmentRecord;
  readonly worker: string;
  readonly epoch: number;
}

export interface NewSegment {
  readonly segmentId: string;
  readonly kind: SegmentKind;
  readonly from: string | null;
  readonly to: string | null;
}

export interface Commit {
  readonly checkpoint: Checkpoint;
  /** Chunks that are durable in the artifact store already. */
  readonly addChunks: readonly string[];
  /** Added to the segment's counters. */
  readonly addCounters: Counters;
  readonly done: boolean;
}

/**
 * An upload in parts that may exist at the target. Written before the upload is begun (`upload: null`), so that
 * nothing billable is ever orphaned.
 */
export interface Intent {
  readonly runId: string;
  readonly intentId: string;
  readonly targetKey: string;
  readonly startedAtMs: number;
  /** The provider's upload, the part size, and the source state it was begun for; `null` until it answered. */
  readonly upload: Json | null;
}

/** Every method is atomic and durable when it resolves. Fails with DroverError (DISK_FULL, INTERNAL, LEASE_LOST). */
export interface RunStore {
  createRun(run: RunRecord, segments: readonly NewSegment[]): Promise<void>;
  getRun(runId: string): Promise<RunRecord | null>;
  /** Newest first. */
  listRuns(limit: number): Promise<readonly RunRecord[]>;
  /** The newest run of that transfer that has not ended (`queued`, `running`, `pausing`, `paused`). */
  findUnfinished(transferId: string): Promise<RunRecord | null>;
  /** The newest run of that pair of places that has a snapshot (settled, not a dry run or check). */
  findLatestSnapshot(transferId: string, pairId: string): Promise<RunRecord | null>;
  updateRun(runId: string, change: Partial<Omit<RunRecord, 'runId' | 'counters'>>): Promise<void>;
  segments(runId: string): Promise<readonly SegmentRecord[]>;
  addSegments(runId: string, segments: readonly NewSegment[]): Promise<void>;
  /** An open segment that nobody holds, its epoch raised; `null` when there is none. */
  claim(runId: string, worker: string): Promise<Lease | null>;
  /** Shrinks the held segment to `[from, at)` and inserts `[at, to)` as a new open one. LEASE_LOST for an old epoch. */
  split(lease: Lease, at: string, newSegmentId: string): Promise<Lease>;
  /** Refused with LEASE_LOST for an old epoch. */
  commit(lease: Lease, commit: Commit): Promise<void>;
  /**
   * Forgets what the held segment settled (checkpoint, chunks, counters): its listing turned out not to be in order,
   * so "everything up to here is done" was not true. LEASE_LOST for an old epoch.
   */
  reset(lease: Lease): Promise<Lease>;
  /** Gives the segment back unfinished. */
  release(lease: Lease): Promise<void>;
  saveIntent(intent: Intent): Promise<void>;
  dropIntent(runId: string, intentId: string): Promise<void>;
  intents(runId: string): Promise<readonly Intent[]>;
}

/** Named immutable chunks. Names are `/`-separated and safe for file systems. */
export interface ArtifactStore {
  /** Durable when it resolves; replacing an existing name is allowed (a repeated attempt writes the same name). */
  put(name: string, content: Uint8Array): Promise<void>;
  /** `null` when there is none. */
  get(name: string): Promise<Uint8Array | null>;
  /** Names that start with the prefix, in order. */
  list(prefix: string): Promise<readonly string[]>;
  removeAll(prefix: string): Promise<void>;
}
