/**
 * The engine's state on PostgreSQL, shared by any number of workers. A lease is a row: claimed with SKIP LOCKED, so
 * that nobody waits for anybody, and fenced by worker and epoch in every statement that writes a segment. Nothing a
 * worker does while it copies touches the run's own row or another segment's.
 */
import { sql } from 'kysely';
import type {
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
import { ZERO_COUNTERS } from '../../model/outcome.ts';
import type { Db, Tx } from '../world.ts';
import { inDatabase } from './database-errors.ts';
import { issueColumns, keepIssues } from './store-issues.ts';
import {
  bytesOrNull,
  countersPlus,
  heldRow,
  IS_HELD,
  KIND_RANK,
  segmentFromRow,
  sharesText,
  storable,
  SWEEP_ID,
  WAITED_MS,
  type SegmentRow,
} from './store-rows.ts';
import { lostError, type HeldLease, type LeaseEnd, type LeaseWatcher } from './watching.ts';
import {
  endRun,
  findEvidence,
  findLatestSnapshot,
  findUnfinished,
  listRuns,
  readRun,
  recordUsage,
  updateRun,
} from './store-runs.ts';
import { countWaiting, giveBack, sayWaiting } from './store-workers.ts';

/** How long a lease holds without being renewed. */
export const LEASE_VALID_MS = 10_000;

export interface RunStoreOptions {
  readonly watcher?: LeaseWatcher;
  /** Called with each claim, and waited for. */
  readonly onKind?: (runId: string, kind: SegmentKind) => Promise<void>;
  readonly leaseValidMs?: number;
  /** Done in the transaction in which `endRun` ends a run: what must not be lost. */
  readonly onEnding?: (tx: Tx, runId: string) => Promise<void>;
  /** Called after a run ended by `endRun`. */
  readonly onEnded?: (runId: string) => Promise<void>;
}

export type { HeldLease } from './watching.ts';

interface Held {
  readonly lease: HeldLease;
  /** Aborted when the lease is somebody else's. */
  readonly stopper: AbortController;
}

export class PostgresRunStore implements RunStore {
  readonly #db: Db;
  /**
   * What is in the hands of this process. Only this is renewed: a lease that the database knows and nobody here does
   * (its giving back was lost) must run out.
   */
  readonly #held = new Map<string, Held>();
  readonly #leaseValidMs: number;
  readonly #watcher: LeaseWatcher | undefined;
  readonly #onKind: RunStoreOptions['onKind'];
  readonly #onEnding: RunStoreOptions['onEnding'];
  readonly #onEnded: (runId: string) => Promise<void>;

  constructor(db: Db, options: RunStoreOptions = {}) {
    this.#db = db;
    this.#watcher = options.watcher;
    this.#onKind = options.onKind;
    this.#leaseValidMs = options.leaseValidMs ?? LEASE_VALID_MS;
    this.#onEnding = options.onEnding;
    this.#onEnded = options.onEnded ?? (async () => undefined);
  }

  async createRun(run: RunRecord): Promise<void> {
    throw new DroverError('INTERNAL', `Run ${run.runId} cannot be made here: a run of the server belongs to a job.`);
  }

  getRun(runId: string): Promise<RunRecord | null> {
    return inDatabase(() => readRun(this.#db, runId));
  }

  listRuns(limit: number): Promise<readonly RunRecord[]> {
    return inDatabase(() => listRuns(this.#db, limit));
  }

  findUnfinished(transferId: string): Promise<RunRecord | null> {
    return inDatabase(() => findUnfinished(this.#db, transferId));
  }

  findLatestSnapshot(_transferId: string, pairId: string): Promise<RunRecord | null> {
    return inDatabase(() => findLatestSnapshot(this.#db, pairId));
  }

  findEvidence(pairId: string, limit: number): Promise<readonly RunRecord[]> {
    return inDatabase(() => findEvidence(this.#db, pairId, limit));
  }

  updateRun(runId: string, change: RunChange): Promise<void> {
    return inDatabase(() => updateRun(this.#db, runId, change));
  }

  recordUsage(runId: string, session: string, usage: Usage): Promise<void> {
    return inDatabase(() => recordUsage(this.#db, runId, session, usage));
  }

  segments(runId: string): Promise<readonly SegmentRecord[]> {
    return inDatabase(async () => {
      const { rows } = await sql<SegmentRow>`
        SELECT segments.*, coalesce(named.names, '{}') AS chunks
        FROM segments LEFT JOIN (
          SELECT segment_id, array_agg(name ORDER BY number) AS names FROM chunks WHERE run_id = ${runId}
          GROUP BY segment_id) AS named USING (segment_id)
        WHERE run_id = ${runId} AND ${KIND_RANK} IS NOT NULL
        ORDER BY ${KIND_RANK}, from_key NULLS FIRST`.execute(this.#db);
      return rows.map(segmentFromRow);
    });
  }

  startSegments(runId: string, segments: readonly NewSegment[]): Promise<void> {
    return this.#insertSegments(runId, segments, true);
  }

  addSegments(runId: string, segments: readonly NewSegment[]): Promise<void> {
    return this.#insertSegments(runId, segments, false);
  }

  claim(runId: string, worker: string): Promise<Lease | null> {
    return inDatabase(async () => {
      const { rows } = await sql<SegmentRow & { was_held: boolean; was_lost: boolean }>`
        WITH free AS (
          SELECT segment_id, worker_id IS NOT NULL AS was_held FROM segments
          WHERE run_id = ${runId} AND state = 'open' AND ${IS_HELD} IS NOT TRUE
            AND ${KIND_RANK} IS NOT NULL
            AND EXISTS (SELECT FROM runs WHERE runs.id = ${runId} AND runs.state = 'running')
          ORDER BY ${KIND_RANK}, from_key NULLS FIRST LIMIT 1 FOR UPDATE SKIP LOCKED
        ), taken AS (
          UPDATE segments SET epoch = segments.epoch + 1, worker_id = ${worker}::uuid,
            takeovers = segments.takeovers + (segments.worker_id IS NOT NULL)::integer,
            lease_until = clock_timestamp() + ${this.#leaseValidMs} * interval '1 millisecond'
          FROM free WHERE segments.run_id = ${runId} AND segments.segment_id = free.segment_id RETURNING segments.*, free.was_held
        ), counted AS (
          UPDATE run_workers SET claims = claims + 1, takeovers = run_workers.takeovers + taken.was_held::integer
          FROM taken WHERE run_workers.run_id = taken.run_id AND run_workers.worker_id = ${worker}::uuid
        )
        SELECT taken.*, EXISTS (
          SELECT FROM segments WHERE segments.run_id = taken.run_id AND segments.takeovers > 0) AS was_lost, ARRAY(
          SELECT chunks.name FROM chunks WHERE chunks.run_id = taken.run_id AND chunks.segment_id = taken.segment_id
          ORDER BY chunks.number) AS chunks
        FROM taken`.execute(this.#db);
      const row = rows[0];
      if (row === undefined) return null;
      const held = { runId, segmentId: row.segment_id, epoch: row.epoch };
      this.hold(held);
      const segment = segmentFromRow(row);
      this.#watcher?.claimed(held, segment.kind, row.was_held);
      await this.#onKind?.(runId, segment.kind);
      return { segment, worker, epoch: row.epoch, wasLost: row.was_held || row.was_lost };
    });
  }

  split(lease: Lease, at: string, newSegmentId: string): Promise<Lease> {
    const { segment } = lease;
    const cut = bytesOrNull(at);
    return inDatabase(async () => {
      const { rows } = await sql<{ held: number; cut: number }>`
        WITH held AS (
          SELECT to_key FROM segments WHERE ${heldRow(lease)} FOR UPDATE
        ), shrunk AS (
          UPDATE segments SET to_key = ${cut}, lock_wait_ms = lock_wait_ms + ${WAITED_MS}
          WHERE ${heldRow(lease)} AND (from_key IS NULL OR from_key < ${cut}) AND (to_key IS NULL OR ${cut} < to_key)
            AND (settled_key IS NULL OR settled_key < ${cut}) RETURNING kind
        ), opened AS (
          INSERT INTO segments (run_id, segment_id, kind, from_key, to_key, state, counters)
          SELECT ${segment.runId}, ${newSegmentId}, shrunk.kind, ${cut}, held.to_key, 'open',
            ${JSON.stringify(ZERO_COUNTERS)}::jsonb
          FROM held, shrunk
        )
        SELECT (SELECT count(*)::integer FROM held) AS held, (SELECT count(*)::integer FROM shrunk) AS cut`.execute(
        this.#db,
      );
      if (rows[0]?.held !== 1) throw this.#lost(lease);
      if (rows[0].cut !== 1) {
        const words = `Segment ${segment.segmentId} cannot be split at a key it does not have left.`;
        throw new DroverError('INTERNAL', words);
      }
      return { ...lease, segment: { ...segment, to: at } };
    });
  }

  commit(lease: Lease, commit: Commit): Promise<void> {
    const { checkpoint, addChunks, addCounters, counted, shares = [], addIssues, done } = commit;
    const { runId, segmentId } = lease.segment;
    const places = shares.length === 0 ? null : sharesText(shares);
    const ahead = done || counted === undefined ? null : JSON.stringify(counted);
    const issues = issueColumns(addIssues);
    return inDatabase(async () => {
      const { rows } = await sql<{ held: number }>`
        WITH held AS (
          UPDATE segments SET state = ${done ? 'done' : 'open'}, checkpoint = ${JSON.stringify(checkpoint)},
            settled_key = ${bytesOrNull(checkpoint.settledKey)}, counters = ${countersPlus(addCounters)},
            counted = ${ahead}::jsonb, counted_epoch = ${ahead === null ? null : lease.epoch}::integer,
            lease_until = ${done ? sql`NULL` : sql`lease_until`}, lock_wait_ms = lock_wait_ms + ${WAITED_MS}
          WHERE ${heldRow(lease)} AND EXISTS (SELECT FROM runs WHERE runs.id = ${runId} AND runs.ended_at IS NULL)
          RETURNING segment_id
        ), named AS (
          INSERT INTO chunks (run_id, segment_id, name, shares)
          SELECT ${runId}, held.segment_id, added.name, CASE added.place WHEN 1 THEN ${places}::text END
          FROM held, unnest(${addChunks as string[]}::text[]) WITH ORDINALITY AS added (name, place) ORDER BY added.place
        )${addIssues.length === 0 ? sql`` : keepIssues(runId, issues)}
        SELECT (SELECT count(*)::integer FROM held) AS held`.execute(this.#db);
      if (rows[0]?.held !== 1) throw this.#lost(lease);
      const own = { runId, segmentId, epoch: lease.epoch };
      this.#watcher?.committed(own, addCounters);
      if (done) this.drop(own, 'done');
    });
  }

  reset(lease: Lease): Promise<Lease> {
    const { segment } = lease;
    const { runId } = segment;
    return inDatabase(async () => {
      const { rows } = await sql<{ held: number }>`
        WITH held AS (
          UPDATE segments SET checkpoint = NULL, settled_key = NULL, counters = ${JSON.stringify(ZERO_COUNTERS)}::jsonb,
            counted = NULL, counted_epoch = NULL, lock_wait_ms = lock_wait_ms + ${WAITED_MS}
          WHERE ${heldRow(lease)} RETURNING segment_id
        ), unnamed AS (
          DELETE FROM chunks USING held WHERE chunks.run_id = ${runId} AND chunks.segment_id = held.segment_id
        ), forgotten AS (
          DELETE FROM run_items USING held WHERE run_items.run_id = ${runId} AND run_items.segment_id = held.segment_id
        )
        SELECT count(*)::integer AS held FROM held`.execute(this.#db);
      if (rows[0]?.held !== 1) throw this.#lost(lease);
      return { ...lease, segment: { ...segment, checkpoint: null, chunks: [], counters: ZERO_COUNTERS } };
    });
  }

  async release(lease: Lease): Promise<void> {
    this.drop({ ...lease.segment, epoch: lease.epoch });
    await inDatabase(() =>
      sql`UPDATE segments SET worker_id = NULL, lease_until = NULL WHERE ${heldRow(lease)}`.execute(this.#db),
    );
  }

  get held(): readonly HeldLease[] {
    return [...this.#held.values()].map(({ lease }) => lease);
  }

  /** The signal tells when it is somebody else's. */
  hold(lease: HeldLease): AbortSignal {
    const stopper = new AbortController();
    this.#held.set(nameOf(lease), { lease, stopper });
    return stopper.signal;
  }

  drop(lease: HeldLease, end: LeaseEnd = 'released'): void {
    if (this.#held.get(nameOf(lease))?.lease.epoch !== lease.epoch) return;
    this.#held.delete(nameOf(lease));
    this.#watcher?.left(lease, end);
  }

  lost({ segment, epoch }: Lease): AbortSignal {
    const held = this.#held.get(nameOf(segment));
    return held?.lease.epoch === epoch ? held.stopper.signal : AbortSignal.abort(lostError({ ...segment, epoch }));
  }

  /** As a renewal was told. What was given back meanwhile, or taken anew, is none of it. */
  lose(lease: HeldLease): void {
    const held = this.#held.get(nameOf(lease));
    if (held?.lease.epoch !== lease.epoch) return;
    this.drop(lease, 'lost');
    held.stopper.abort(lostError(lease));
  }

  /** Whatever that worker still works on, also what nobody here knows of any more; not what he clears up. */
  async releaseAll(runId: string, worker: string): Promise<void> {
    const own = this.held.filter((lease) => lease.runId === runId && lease.segmentId !== SWEEP_ID);
    for (const lease of own) this.drop(lease);
    await inDatabase(() => giveBack(this.#db, runId, worker));
  }

  async endRun(lease: Lease, end: RunEnd): Promise<void> {
    const hasEnded = await inDatabase(() => endRun(this.#db, lease, end, this.#onEnding));
    if (!hasEnded) throw this.#lost(lease);
    this.drop({ ...lease.segment, epoch: lease.epoch }, 'done');
    await this.#onEnded(lease.segment.runId);
  }

  waiting(runId: string): Promise<number> {
    return inDatabase(() => countWaiting(this.#db, runId));
  }

  setWaiting(runId: string, worker: string, isWaiting: boolean): Promise<void> {
    return inDatabase(() => sayWaiting(this.#db, runId, worker, isWaiting));
  }

  async saveIntent(intent: Intent): Promise<void> {
    // The lock waits for nothing but the end of the run, and its end for it.
    const { rows } = await inDatabase(() =>
      sql`INSERT INTO intents (run_id, intent_id, intent)
        SELECT id, ${intent.intentId}, ${JSON.stringify(intent)} FROM runs
        WHERE id = ${intent.runId} AND ended_at IS NULL FOR KEY SHARE
        ON CONFLICT (run_id, intent_id) DO UPDATE SET intent = excluded.intent RETURNING run_id`.execute(this.#db),
    );
    if (rows.length === 0) {
      throw new DroverError('LEASE_LOST', `Run ${intent.runId} has ended: no upload of it may be begun.`);
    }
  }

  async dropIntent(runId: string, intentId: string): Promise<void> {
    await inDatabase(() =>
      sql`DELETE FROM intents WHERE run_id = ${runId} AND intent_id = ${intentId}`.execute(this.#db),
    );
  }

  intents(runId: string): Promise<readonly Intent[]> {
    return inDatabase(async () => {
      const { rows } = await sql<{ intent: string }>`
        SELECT intent FROM intents WHERE run_id = ${runId} ORDER BY intent_id`.execute(this.#db);
      return rows.map(({ intent }) => JSON.parse(intent) as Intent).toSorted((a, b) => a.startedAtMs - b.startedAtMs);
    });
  }

  async othersIntents(runId: string, targetKey: string): Promise<readonly Intent[]> {
    const { rows } = await inDatabase(() =>
      sql<{ intent: string; prefix: string; own_prefix: string }>`
        SELECT intents.intent, other.target_prefix AS prefix, own.target_prefix AS own_prefix
        FROM runs AS own JOIN runs AS other ON other.id <> own.id AND other.ended_at IS NULL
          AND other.target_fingerprint = own.target_fingerprint AND other.target_container = own.target_container
        JOIN intents ON intents.run_id = other.id WHERE own.id = ${runId}`.execute(this.#db),
    );
    return rows.flatMap(({ intent, prefix, own_prefix: ownPrefix }) => {
      const other = JSON.parse(intent) as Intent;
      // Prefixes are as the database can hold them: alike at worst, and then nothing is touched.
      return storable(prefix + other.targetKey) === storable(ownPrefix + targetKey) ? [other] : [];
    });
  }

  #lost({ segment, epoch }: Lease): DroverError {
    const lease = { ...segment, epoch };
    this.drop(lease, 'lost');
    return lostError(lease);
  }

  async #insertSegments(runId: string, segments: readonly NewSegment[], onlyFirst: boolean): Promise<void> {
    const ids = segments.map(({ segmentId }) => segmentId);
    const kinds = segments.map(({ kind }) => kind);
    const froms = segments.map(({ from }) => bytesOrNull(from));
    const tos = segments.map(({ to }) => bytesOrNull(to));
    const insert = sql`
      INSERT INTO segments (run_id, segment_id, kind, from_key, to_key, state, counters)
      SELECT ${runId}, one.segment_id, one.kind, one.from_key, one.to_key, 'open', ${JSON.stringify(ZERO_COUNTERS)}::jsonb
      FROM unnest(${ids}::text[], ${kinds}::text[], ${froms}::bytea[], ${tos}::bytea[])
        AS one (segment_id, kind, from_key, to_key)`;
    await inDatabase(() =>
      this.#db.transaction().execute(async (tx) => {
        // Two workers that start the same run at once: the second one waits here and then sees the first one's.
        if (onlyFirst)
          await sql`SELECT pg_advisory_xact_lock(hashtext('first segments'), hashtext(${runId}))`.execute(tx);
        const known = await sql<{ has: boolean }>`
          SELECT EXISTS (SELECT FROM segments WHERE run_id = ${runId} AND ${KIND_RANK} IS NOT NULL) AS has
          FROM runs WHERE id = ${runId}`.execute(tx);
        if (known.rows[0] === undefined) throw new DroverError('INTERNAL', `Run ${runId} is not in the database.`);
        if (onlyFirst && known.rows[0].has) return;
        if (onlyFirst) await insert.execute(tx);
        else await sql`${insert} ON CONFLICT (run_id, segment_id) DO NOTHING`.execute(tx);
      }),
    );
  }
}

function nameOf({ runId, segmentId }: Omit<HeldLease, 'epoch'>): string {
  return `${runId}/${segmentId}`;
}
