/** Between the rows of runs and segments and what the engine calls them. */
import { sql, type RawBuilder } from 'kysely';
import type { Checkpoint, KeyShare, Lease, RequestCounts, RunRecord, SegmentRecord } from '../../engine/ports.ts';
import type { TransferDefinition } from '../../engine/definition.ts';
import type { Failure } from '../../model/errors.ts';
import { keyFromBytes, keyToBytes } from '../../model/key.ts';
import { ZERO_COUNTERS, type Counters, type RunState } from '../../model/outcome.ts';

export interface SegmentRow {
  readonly run_id: string;
  readonly segment_id: string;
  readonly kind: string;
  readonly from_key: Buffer | null;
  readonly to_key: Buffer | null;
  readonly state: string;
  readonly epoch: number;
  readonly checkpoint: string | null;
  readonly counters: unknown;
  readonly chunks: readonly string[];
}

export interface RunRow {
  readonly id: string;
  readonly transfer_id: string;
  readonly pair_id: string;
  readonly definition: string;
  readonly state: string;
  readonly queued_at: Date;
  readonly started_at: Date | null;
  readonly updated_at: Date;
  readonly ended_at: Date | null;
  readonly error: unknown;
  readonly counters: unknown;
  readonly requests: unknown;
  readonly active_ms: number | string;
  readonly manifest_root: string | null;
}

export function segmentFromRow(row: SegmentRow): SegmentRecord {
  return {
    runId: row.run_id,
    segmentId: row.segment_id,
    kind: row.kind as SegmentRecord['kind'],
    from: keyOrNull(row.from_key),
    to: keyOrNull(row.to_key),
    state: row.state as SegmentRecord['state'],
    epoch: row.epoch,
    checkpoint: row.checkpoint === null ? null : (JSON.parse(row.checkpoint) as Checkpoint),
    chunks: row.chunks,
    counters: row.counters as Counters,
  };
}

export function runFromRow(row: RunRow): RunRecord {
  return {
    runId: row.id,
    transferId: row.transfer_id,
    pairId: row.pair_id,
    definition: JSON.parse(row.definition) as TransferDefinition,
    state: row.state as RunState,
    startedAtMs: (row.started_at ?? row.queued_at).getTime(),
    updatedAtMs: row.updated_at.getTime(),
    endedAtMs: row.ended_at?.getTime() ?? null,
    error: row.error as Failure | null,
    counters: row.counters as Counters,
    requests: row.requests as RequestCounts,
    durationMs: Math.round(Number(row.active_ms)),
    manifestRoot: row.manifest_root,
  };
}

/** As JSON text, for keys that the database's own JSON cannot hold. */
export function sharesText(shares: readonly KeyShare[]): string {
  return JSON.stringify(shares.map(({ from, items, failed, unsupported }) => [from, items, failed, unsupported]));
}

export function sharesFromText(text: string): readonly KeyShare[] {
  return (JSON.parse(text) as [string, number, number, number][]).map(([from, items, failed, unsupported]) => {
    return { from, items, failed, unsupported };
  });
}

export function keyOrNull(bytes: Buffer | null): string | null {
  return bytes === null ? null : keyFromBytes(bytes);
}

export function bytesOrNull(key: string | null): Buffer | null {
  return key === null ? null : Buffer.from(keyToBytes(key));
}

/** The row of the segment as long as this lease is the newest right to it. */
export function heldRow({ segment, worker, epoch }: Lease): RawBuilder<boolean> {
  return sql<boolean>`run_id = ${segment.runId} AND segment_id = ${segment.segmentId} AND worker_id = ${worker}::uuid
    AND epoch = ${epoch} AND state = 'open'`;
}

/**
 * The segment is in somebody's hands. A lease that holds for longer than any is ever given is of a time before the
 * database's clock was set back: whoever lives has renewed it since.
 */
export const IS_HELD = sql<boolean>`(segments.state = 'open' AND segments.worker_id IS NOT NULL
  AND segments.lease_until > clock_timestamp() AND segments.lease_until < clock_timestamp() + interval '1 minute')`;

/** Since the run's row was changed; also of one from before the clock was set back, which would else wait for that time. */
export const UNCHANGED_MS = sql<number>`abs(extract(epoch FROM clock_timestamp() - runs.updated_at) * 1000)::float8`;

/** Whoever writes several segments in one statement locks them first, in one order: otherwise two such wait for each other. */
export const IN_LOCK_ORDER = sql`ORDER BY segments.run_id, segments.segment_id FOR NO KEY UPDATE OF segments`;

/** Of the right to clear up after a run. Its kind is none of the engine's. */
export const SWEEP_ID = 'sweep';

/** Kinds in the order in which they begin. */
export const KIND_RANK = sql<number>`array_position(ARRAY['keys', 'mapped', 'restores', 'deletes', 'settle'], kind)`;

/** How long this statement waited before it could write the row, as whole milliseconds. */
export const WAITED_MS = sql<number>`(extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000)::integer`;

type Leaf = readonly [path: string, value: string];

/** `jsonb_build_object` over all counters; `leaf` gives the SQL of each from its path (`{items,scanned}`). */
function countersObject(leaf: (path: string) => string): string {
  const object = (members: readonly Leaf[]): string =>
    `jsonb_build_object(${members.map(([name, value]) => `'${name}', ${value}`).join(', ')})`;
  const members = Object.entries(ZERO_COUNTERS).map(([name, value]): Leaf => {
    if (typeof value === 'number') return [name, leaf(`{${name}}`)];
    const inner = Object.keys(value as object).map((part): Leaf => [part, leaf(`{${name},${part}}`)]);
    return [name, object(inner)];
  });
  return object(members);
}

/** The sum of the column `counters` over a group of rows. */
export const SUMMED_COUNTERS = sql.raw<Counters>(
  countersObject((path) => `coalesce(sum((counters #>> '${path}')::bigint), 0)`),
);

/** The column `counters` plus these. */
export function countersPlus(added: Counters): RawBuilder<unknown> {
  const text = countersObject(
    (path) =>
      `coalesce((counters #>> '${path}')::bigint, 0) + coalesce((added.counters_added #>> '${path}')::bigint, 0)`,
  );
  return sql`(SELECT ${sql.raw(text)} FROM (SELECT ${JSON.stringify(added)}::jsonb AS counters_added) AS added)`;
}

/** Counts of all sessions of the run, side by side. */
export function summedRequests(runId: RawBuilder<string>): RawBuilder<RequestCounts> {
  const side = (name: string): RawBuilder<unknown> => sql`coalesce((
    SELECT jsonb_object_agg(one.operation, one.requests) FROM (
      SELECT counted.key AS operation, sum(counted.value::bigint) AS requests
      FROM run_sessions, jsonb_each_text(run_sessions.requests -> ${sql.lit(name)}) AS counted
      WHERE run_sessions.run_id = ${runId} GROUP BY counted.key) AS one), '{}'::jsonb)`;
  return sql<RequestCounts>`jsonb_build_object('source', ${side('source')}, 'target', ${side('target')})`;
}

/** Time in which at least one session was at work. */
export function summedActiveMs(runId: RawBuilder<string>): RawBuilder<number> {
  return sql<number>`coalesce((
    SELECT round(sum(extract(epoch FROM greatest(span.ended - greatest(span.began, span.before), interval '0'))) * 1000)::bigint FROM (
      SELECT started_at AS began, seen_at AS ended, max(seen_at) OVER
        (ORDER BY started_at, session ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
      FROM run_sessions WHERE run_sessions.run_id = ${runId}) AS span
    WHERE span.before IS NULL OR span.ended > span.before), 0)`;
}

/** PostgreSQL's text holds neither NUL nor half a character. */
export function storable(text: string): string {
  return text.replaceAll('\u0000', '\ufffd').toWellFormed();
}

/** As keys are searched: without case. */
export function searchable(key: string): string {
  return storable(key).toLowerCase();
}

/** For a `jsonb` column, whatever names stand in its texts. */
export function jsonbText(value: unknown): string | null {
  if (value === null) return null;
  return JSON.stringify(value, (_name, member: unknown) => (typeof member === 'string' ? storable(member) : member));
}
