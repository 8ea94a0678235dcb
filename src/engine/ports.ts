/**
 * What the engine needs from outside to keep state. `standalone` implements it on SQLite and a folder, `control` on
 * PostgreSQL and an artifact store. No row per object in any database: items live in artifact chunks.
 */
import type { Failure } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { Counters, ItemRecord, RunState } from '../model/outcome.ts';
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
  /** Sum over all sessions of all workers; `{ source: { LIST: 4 }, target: { PUT: 12 } }`. */
  readonly requests: RequestCounts;
  /** Time spent running: sessions one after the other add up, of those at the same time the longest counts. */
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
 * `restores`: archived items that were asked back. `deletes`: what a mirror removes, after everything else. Of these
 * the first segment brings everything in order, and others follow for the pieces of it where it is much.
 * `settle`: what is left behind is swept, the snapshot is indexed, the run gets its end; never split, never committed,
 * closed by `endRun`. Each kind begins when all segments of the kinds before it are done.
 */
export type SegmentKind = 'keys' | 'mapped' | 'restores' | 'deletes' | 'settle';

export interface SegmentRecord {
  readonly runId: string;
  readonly segmentId: string;
  readonly kind: SegmentKind;
  /** `[from, to)` in key order; `null` is open. Of later kinds: places in the phase's own order. */
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
  /**
   * Chunks with what settled behind `settledKey` while an earlier item still moved: a bounded number of items, not in
   * the sums yet. Whoever goes on takes them as settled.
   */
  readonly ahead?: readonly string[];
}

/** The right to work on a segment. */
export interface Lease {
  readonly segment: SegmentRecord;
  readonly worker: string;
  readonly epoch: number;
  /** A holder of it, or of the segment it was cut from, has not given it back: more may have been moved than recorded. */
  readonly wasLost?: boolean;
}

export interface NewSegment {
  readonly segmentId: string;
  readonly kind: SegmentKind;
  readonly from: string | null;
  readonly to: string | null;
}

/** Items of a commit that lie beside each other, from this key up to the next share's. */
export interface KeyShare {
  /** The first of their keys. */
  readonly from: string;
  readonly items: number;
  readonly failed: number;
  readonly unsupported: number;
}

export interface Commit {
  readonly checkpoint: Checkpoint;
  /** Chunks that are durable in the artifact store already. */
  readonly addChunks: readonly string[];
  /** Added to the segment's counters. */
  readonly addCounters: Counters;
  /**
   * All of the segment that was settled when this commit began, also what is kept aside or not durable yet. Left out:
   * as much as is committed.
   */
  readonly counted?: Counters;
  /** Where what is added lies, in key order, for whoever draws the run. */
  readonly shares?: readonly KeyShare[];
  /** The failed and unsupported items among what this commit's log chunk holds, so that they can be searched. */
  readonly addIssues: readonly ItemRecord[];
  readonly done: boolean;
}

/** How a run ended. */
export interface RunEnd {
  readonly state: RunState;
  readonly endedAtMs: number;
  readonly error: Failure | null;
  readonly manifestRoot: string | null;
}

/** What one session of one worker has cost so far, from its own beginning. */
export interface Usage {
  readonly requests: RequestCounts;
  /** Time since the session began, by a clock that never jumps. */
  readonly activeMs: number;
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

/**
 * What may be changed of a run from outside of its segments. Everything else comes from `commit`, `recordUsage` and
 * `endRun`.
 */
export type RunChange = Partial<Omit<RunRecord, 'runId' | 'counters' | 'requests' | 'durationMs'>>;

/**
 * Any number of workers share one. A segment is worked on by whoever holds its lease; a lease that is not renewed runs
 * out (renewing is the implementation's business, never the engine's), and the next claim raises the epoch, which fences
 * the old holder off. Every method is atomic and durable when it resolves. Fails with DroverError (DISK_FULL,
 * UNAVAILABLE, INTERNAL, LEASE_LOST).
 */
export interface RunStore {
  /** Without segments: the first worker that has both ends open adds them with `startSegments`. */
  createRun(run: RunRecord): Promise<void>;
  getRun(runId: string): Promise<RunRecord | null>;
  /** Newest first. */
  listRuns(limit: number): Promise<readonly RunRecord[]>;
  /** The newest run of that transfer that has not ended (`queued`, `running`, `pausing`, `paused`). */
  findUnfinished(transferId: string): Promise<RunRecord | null>;
  /** The newest run of that pair of places that has a snapshot (settled, not a dry run or check). */
  findLatestSnapshot(transferId: string, pairId: string): Promise<RunRecord | null>;
  /**
   * Ended runs of that pair of places since that snapshot, newest first, at most `limit`, whose rows are evidence
   * (`isEvidence`) and still kept: cancelled and failed ones, those that took a part of the keys, comparisons that read.
   */
  findEvidence(pairId: string, limit: number): Promise<readonly RunRecord[]>;
  updateRun(runId: string, change: RunChange): Promise<void>;
  /**
   * Absolute values of one session, replacing what that session said before, also when it comes twice. `session` begins
   * with the worker's name and is another one for each call of `runTransfer`. Sets `updatedAtMs`.
   */
  recordUsage(runId: string, session: string, usage: Usage): Promise<void>;
  segments(runId: string): Promise<readonly SegmentRecord[]>;
  /** Only where the run has no segment yet; otherwise it changes nothing. */
  startSegments(runId: string, segments: readonly NewSegment[]): Promise<void>;
  /** Ids that exist already are left as they are. */
  addSegments(runId: string, segments: readonly NewSegment[]): Promise<void>;
  /**
   * An open segment that nobody holds (any more), its epoch raised; kinds in their order, then in key order. `null` when
   * there is none, also while open segments are held by others, and when the run has ended.
   */
  claim(runId: string, worker: string): Promise<Lease | null>;
  /** Shrinks the held segment to `[from, at)` and inserts `[at, to)` as a new open one. LEASE_LOST for an old epoch. */
  split(lease: Lease, at: string, newSegmentId: string): Promise<Lease>;
  /** Refused with LEASE_LOST for an old epoch. */
  commit(lease: Lease, commit: Commit): Promise<void>;
  /**
   * Forgets what the held segment settled (checkpoint, chunks, counters, issues): its listing turned out not to be in
   * order, so "everything up to here is done" was not true. LEASE_LOST for an old epoch.
   */
  reset(lease: Lease): Promise<Lease>;
  /** Gives the segment back unfinished: it can be claimed at once. Does nothing for an old epoch. */
  release(lease: Lease): Promise<void>;
  /**
   * The end of the run and the `done` of its settle segment, in one. LEASE_LOST for an old epoch, and when the run has
   * ended already: a run ends once.
   */
  endRun(lease: Lease, end: RunEnd): Promise<void>;
  /** Workers of this run that found nothing to do and would take half of somebody's segment. Alone: 0. */
  waiting(runId: string): Promise<number>;
  /** A worker that is gone does not wait any more, whatever it said last. */
  setWaiting(runId: string, worker: string, isWaiting: boolean): Promise<void>;
  /**
   * Aborted, with LEASE_LOST as the reason, as soon as this process learns that the lease is somebody else's: sooner than
   * by its next commit. Left out where nobody else can take it.
   */
  lost?(lease: Lease): AbortSignal;
  /** LEASE_LOST when the run has ended: nobody would end that upload any more. */
  saveIntent(intent: Intent): Promise<void>;
  dropIntent(runId: string, intentId: string): Promise<void>;
  intents(runId: string): Promise<readonly Intent[]>;
  /**
   * Of other runs that have not ended and write the same object, with that key relative to this run's target. Left out
   * where no two runs ever have one target.
   */
  othersIntents?(runId: string, targetKey: string): Promise<readonly Intent[]>;
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
