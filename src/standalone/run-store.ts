/**
 * Runs and segments in one SQLite file. Who holds a segment is known in memory only: a process that dies leaves
 * nothing behind that would have to expire, and the epoch in the file fences off whoever worked before.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type {
  Commit,
  Intent,
  Lease,
  NewSegment,
  RunChange,
  RunEnd,
  RunRecord,
  RunStore,
  SegmentRecord,
  Usage,
} from '../engine/ports.ts';
import { hasLeft } from '../engine/split.ts';
import type { Clock } from '../lib/world.ts';
import { DroverError } from '../model/errors.ts';
import { addCounters, ZERO_COUNTERS, type Counters, type RunState } from '../model/outcome.ts';
import {
  EVIDENCE_RUNS,
  evidenceAmong,
  fromText,
  RUN_COLUMNS,
  runFromRow,
  runValues,
  segmentFromRow,
  segmentsFromRows,
  toText,
  usageOf,
  type Row,
} from './run-rows.ts';
import { query, transact } from './sqlite.ts';

const UNFINISHED: readonly RunState[] = ['queued', 'running', 'pausing', 'paused'];
/** What a run had cost before its sessions were written down one by one. */
const EARLIER_SESSION = '';

export class SqliteRunStore implements RunStore {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #clock: Clock;
  /** Epoch of every segment that somebody in this process holds. */
  readonly #held = new Map<string, number>();
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync, path: string, clock: Clock) {
    this.#database = database;
    this.#path = path;
    this.#clock = clock;
  }

  async createRun(run: RunRecord): Promise<void> {
    this.#transact(() => {
      if (this.#get('SELECT 1 FROM runs WHERE run_id = ?', run.runId) !== undefined) {
        throw new DroverError('INTERNAL', `Run ${run.runId} is in the state file already.`);
      }
      this.#run(
        `INSERT INTO runs (run_id, transfer_id, pair_id, state, started_at_ms, has_snapshot, record, counters)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        ...runValues(run),
        toText(ZERO_COUNTERS),
      );
    });
  }

  async getRun(runId: string): Promise<RunRecord | null> {
    return this.#query(() => this.#readRun(runId));
  }

  async listRuns(limit: number): Promise<readonly RunRecord[]> {
    return this.#query(() =>
      this.#all(`SELECT ${RUN_COLUMNS} FROM runs ORDER BY started_at_ms DESC, number DESC LIMIT ?`, limit).map(
        runFromRow,
      ),
    );
  }

  async findUnfinished(transferId: string): Promise<RunRecord | null> {
    return this.#query(() => {
      const row = this.#get(
        `SELECT ${RUN_COLUMNS} FROM runs WHERE transfer_id = ? AND state IN (${UNFINISHED.map(() => '?').join(', ')})
         ORDER BY number DESC LIMIT 1`,
        transferId,
        ...UNFINISHED,
      );
      return row === undefined ? null : runFromRow(row);
    });
  }

  async findLatestSnapshot(_transferId: string, pairId: string): Promise<RunRecord | null> {
    return this.#query(() => {
      // By number, not by time: a clock that was ahead for a while must not make an old snapshot the newest for ever.
      const row = this.#get(
        `SELECT ${RUN_COLUMNS} FROM runs WHERE pair_id = ? AND has_snapshot = 1 ORDER BY number DESC LIMIT 1`,
        pairId,
      );
      return row === undefined ? null : runFromRow(row);
    });
  }

  async findEvidence(pairId: string, limit: number): Promise<readonly RunRecord[]> {
    return this.#query(() => evidenceAmong(this.#all(EVIDENCE_RUNS, pairId, pairId), limit));
  }

  async updateRun(runId: string, change: RunChange): Promise<void> {
    this.#transact(() => {
      const known = this.#knownRun(runId);
      const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
      this.#writeRun({ ...known, ...given, runId });
    });
  }

  async recordUsage(runId: string, session: string, usage: Usage): Promise<void> {
    this.#transact(() => {
      const run = this.#knownRun(runId);
      if (this.#get('SELECT 1 FROM usages WHERE run_id = ?', runId) === undefined) {
        this.#writeUsage(runId, EARLIER_SESSION, { requests: run.requests, activeMs: run.durationMs });
      }
      this.#writeUsage(runId, session, usage);
      const rows = this.#all('SELECT requests, active_ms FROM usages WHERE run_id = ?', runId);
      this.#writeRun({ ...run, updatedAtMs: this.#clock.now(), ...usageOf(rows) });
    });
  }

  async segments(runId: string): Promise<readonly SegmentRecord[]> {
    return this.#query(() =>
      segmentsFromRows(
        this.#all('SELECT * FROM segments WHERE run_id = ?', runId),
        this.#all('SELECT segment_id, name FROM chunks WHERE run_id = ? ORDER BY number', runId),
      ),
    );
  }

  async startSegments(runId: string, segments: readonly NewSegment[]): Promise<void> {
    this.#transact(() => {
      this.#knownRun(runId);
      if (this.#get('SELECT 1 FROM segments WHERE run_id = ?', runId) !== undefined) return;
      for (const segment of segments) this.#insertSegment(runId, segment);
    });
  }

  async addSegments(runId: string, segments: readonly NewSegment[]): Promise<void> {
    this.#transact(() => {
      this.#knownRun(runId);
      for (const segment of segments) {
        const { segmentId } = segment;
        const known = this.#get('SELECT 1 FROM segments WHERE run_id = ? AND segment_id = ?', runId, segmentId);
        if (known === undefined) this.#insertSegment(runId, segment);
      }
    });
  }

  async claim(runId: string, worker: string): Promise<Lease | null> {
    const lease = this.#transact(() => {
      if ((this.#readRun(runId)?.endedAtMs ?? null) !== null) return null;
      const open = this.#all("SELECT * FROM segments WHERE run_id = ? AND state = 'open'", runId);
      const free = segmentsFromRows(open, []).find((segment) => !this.#held.has(heldName(segment)));
      if (free === undefined) return null;
      const epoch = free.epoch + 1;
      this.#run('UPDATE segments SET epoch = ? WHERE run_id = ? AND segment_id = ?', epoch, free.runId, free.segmentId);
      const chunks = this.#chunkNames(free);
      return { segment: { ...free, epoch, chunks }, worker, epoch };
    });
    if (lease !== null) this.#held.set(heldName(lease.segment), lease.epoch);
    return lease;
  }

  async split(lease: Lease, at: string, newSegmentId: string): Promise<Lease> {
    return this.#transact(() => {
      const segment = this.#heldSegment(lease);
      if (!hasLeft(segment, at)) {
        throw new DroverError(
          'INTERNAL',
          `Segment ${segment.segmentId} cannot be split at a key it does not have left.`,
        );
      }
      this.#insertSegment(segment.runId, { segmentId: newSegmentId, kind: segment.kind, from: at, to: segment.to });
      this.#run(
        'UPDATE segments SET to_key = ? WHERE run_id = ? AND segment_id = ?',
        toText(at),
        segment.runId,
        segment.segmentId,
      );
      return { ...lease, segment: { ...segment, to: at } };
    });
  }

  async commit(lease: Lease, commit: Commit): Promise<void> {
    this.#transact(() => {
      const segment = this.#heldSegment(lease);
      const run = this.#knownRun(segment.runId);
      this.#run(
        'UPDATE segments SET state = ?, checkpoint = ?, counters = ? WHERE run_id = ? AND segment_id = ?',
        commit.done ? 'done' : 'open',
        toText(commit.checkpoint),
        toText(addCounters(segment.counters, commit.addCounters)),
        segment.runId,
        segment.segmentId,
      );
      let number = segment.chunks.length;
      for (const name of commit.addChunks) {
        this.#run(
          'INSERT INTO chunks (run_id, segment_id, number, name) VALUES (?, ?, ?, ?)',
          segment.runId,
          segment.segmentId,
          number++,
          name,
        );
      }
      this.#writeRun({ ...run, updatedAtMs: this.#clock.now() }, addCounters(run.counters, commit.addCounters));
    });
    if (commit.done) this.#forget(lease);
  }

  async reset(lease: Lease): Promise<Lease> {
    return this.#transact(() => {
      const segment = this.#heldSegment(lease);
      const run = this.#knownRun(segment.runId);
      const { runId, segmentId } = segment;
      this.#run(
        "UPDATE segments SET checkpoint = 'null', counters = ? WHERE run_id = ? AND segment_id = ?",
        toText(ZERO_COUNTERS),
        runId,
        segmentId,
      );
      this.#run('DELETE FROM chunks WHERE run_id = ? AND segment_id = ?', runId, segmentId);
      const left = this.#all('SELECT counters FROM segments WHERE run_id = ?', runId)
        .map((row) => fromText(row['counters']) as Counters)
        .reduce(addCounters, ZERO_COUNTERS);
      this.#writeRun({ ...run, updatedAtMs: this.#clock.now() }, left);
      return { ...lease, segment: { ...segment, checkpoint: null, chunks: [], counters: ZERO_COUNTERS } };
    });
  }

  async release(lease: Lease): Promise<void> {
    this.#forget(lease);
  }

  async endRun(lease: Lease, end: RunEnd): Promise<void> {
    this.#transact(() => {
      const { runId, segmentId } = this.#heldSegment(lease);
      const run = this.#knownRun(runId);
      if (run.endedAtMs !== null) throw new DroverError('LEASE_LOST', `Run ${runId} has ended already.`);
      this.#run("UPDATE segments SET state = 'done' WHERE run_id = ? AND segment_id = ?", runId, segmentId);
      this.#writeRun({ ...run, ...end, updatedAtMs: this.#clock.now() });
    });
    this.#forget(lease);
  }

  async waiting(_runId: string): Promise<number> {
    return 0;
  }

  async setWaiting(_runId: string, _worker: string, _isWaiting: boolean): Promise<void> {
    // There is nobody else who could share the work.
  }

  async saveIntent(intent: Intent): Promise<void> {
    this.#transact(() => {
      if ((this.#readRun(intent.runId)?.endedAtMs ?? null) !== null) {
        throw new DroverError('LEASE_LOST', `Run ${intent.runId} has ended: no upload of it may be begun.`);
      }
      this.#run(
        `INSERT INTO intents (run_id, intent_id, intent) VALUES (?, ?, ?)
         ON CONFLICT (run_id, intent_id) DO UPDATE SET intent = excluded.intent`,
        intent.runId,
        intent.intentId,
        toText(intent),
      );
    });
  }

  async dropIntent(runId: string, intentId: string): Promise<void> {
    this.#transact(() => {
      this.#run('DELETE FROM intents WHERE run_id = ? AND intent_id = ?', runId, intentId);
    });
  }

  async intents(runId: string): Promise<readonly Intent[]> {
    return this.#query(() =>
      this.#all('SELECT intent FROM intents WHERE run_id = ? ORDER BY rowid', runId).map(
        (row) => fromText(row['intent']) as Intent,
      ),
    );
  }

  /** The segment as it stands in the file, if this lease is still the newest right to it. */
  #heldSegment(lease: Lease): SegmentRecord {
    const { runId, segmentId } = lease.segment;
    const row = this.#get('SELECT * FROM segments WHERE run_id = ? AND segment_id = ?', runId, segmentId);
    const isHeld = this.#held.get(heldName(lease.segment)) === lease.epoch;
    if (row === undefined || !isHeld || row['epoch'] !== lease.epoch || row['state'] !== 'open') {
      throw new DroverError(
        'LEASE_LOST',
        `Segment ${segmentId} of run ${runId} is not held under epoch ${lease.epoch} any more.`,
      );
    }
    return segmentFromRow(row, this.#chunkNames(lease.segment));
  }

  #forget(lease: Lease): void {
    const name = heldName(lease.segment);
    if (this.#held.get(name) === lease.epoch) this.#held.delete(name);
  }

  #chunkNames(segment: { readonly runId: string; readonly segmentId: string }): string[] {
    return this.#all(
      'SELECT name FROM chunks WHERE run_id = ? AND segment_id = ? ORDER BY number',
      segment.runId,
      segment.segmentId,
    ).map((row) => String(row['name']));
  }

  #insertSegment(runId: string, { segmentId, kind, from, to }: NewSegment): void {
    this.#run(
      `INSERT INTO segments (run_id, segment_id, kind, from_key, to_key, state, epoch, checkpoint, counters)
       VALUES (?, ?, ?, ?, ?, 'open', 0, 'null', ?)`,
      runId,
      segmentId,
      kind,
      toText(from),
      toText(to),
      toText(ZERO_COUNTERS),
    );
  }

  #writeUsage(runId: string, session: string, { requests, activeMs }: Usage): void {
    this.#run(
      `INSERT INTO usages (run_id, session, requests, active_ms) VALUES (?, ?, ?, ?)
       ON CONFLICT (run_id, session) DO UPDATE SET requests = excluded.requests, active_ms = excluded.active_ms`,
      runId,
      session,
      toText(requests),
      activeMs,
    );
  }

  #knownRun(runId: string): RunRecord {
    const run = this.#readRun(runId);
    if (run === null) throw noRun(runId);
    return run;
  }

  #readRun(runId: string): RunRecord | null {
    const row = this.#get(`SELECT ${RUN_COLUMNS} FROM runs WHERE run_id = ?`, runId);
    return row === undefined ? null : runFromRow(row);
  }

  #writeRun(run: RunRecord, counters: Counters = run.counters): void {
    this.#run(
      `UPDATE runs SET run_id = ?, transfer_id = ?, pair_id = ?, state = ?, started_at_ms = ?, has_snapshot = ?,
       record = ?, counters = ? WHERE run_id = ?`,
      ...runValues(run),
      toText(counters),
      run.runId,
    );
  }

  #transact<T>(work: () => T): T {
    return transact(this.#database, this.#path, work);
  }

  #query<T>(work: () => T): T {
    return query(this.#path, work);
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: (string | number)[]): void {
    this.#prepared(sql).run(...values);
  }

  #get(sql: string, ...values: (string | number)[]): Row | undefined {
    return this.#prepared(sql).get(...values);
  }

  #all(sql: string, ...values: (string | number)[]): Row[] {
    return this.#prepared(sql).all(...values);
  }
}

function heldName(segment: { readonly runId: string; readonly segmentId: string }): string {
  return `${segment.runId}/${segment.segmentId}`;
}

function noRun(runId: string): DroverError {
  return new DroverError('INTERNAL', `Run ${runId} is not in the state file.`);
}
