/** Who is at work on a run: what workers say of themselves, and what their leases have cost them. */
import { sql } from 'kysely';
import type { RunWorker } from '../entities.ts';
import type { Db, Tx } from '../world.ts';
import { IN_LOCK_ORDER, IS_HELD, KIND_RANK } from './store-rows.ts';

/** One that lives and says nothing of a run for so long, once a second else, has left it without being able to say so. */
const SILENT_MS = 30_000;

/** A worker that has not said anything for so long does not wait for work either. */
const WAITING_FRESH_MS = 10_000;

/** Since it began to wait, as whole milliseconds; 0 where it does not. */
const WAITS_FOR_MS = sql<number>`coalesce(greatest(0,
  round(extract(epoch FROM clock_timestamp() - run_workers.waiting_since) * 1000)), 0)::bigint`;

/** Assignments of `run_workers`: it waits no more. */
export const WAITS_NO_MORE = sql`waiting = false, waiting_since = NULL, idle_ms = run_workers.idle_ms + ${WAITS_FOR_MS}`;

/** The segments of the run that this worker works on. */
export async function giveBack(db: Db, runId: string, worker: string): Promise<void> {
  await sql`
    WITH own AS (
      SELECT run_id, segment_id FROM segments
      WHERE run_id = ${runId} AND worker_id = ${worker}::uuid AND state = 'open' AND ${KIND_RANK} IS NOT NULL
      ${IN_LOCK_ORDER}
    )
    UPDATE segments SET worker_id = NULL, lease_until = NULL
    FROM own WHERE segments.run_id = own.run_id AND segments.segment_id = own.segment_id`.execute(db);
}

export async function countWaiting(db: Db, runId: string): Promise<number> {
  const { rows } = await sql<{ workers: number }>`
    SELECT count(*)::integer AS workers FROM run_workers
    WHERE run_id = ${runId} AND waiting AND left_at IS NULL
      AND seen_at > clock_timestamp() - ${WAITING_FRESH_MS} * interval '1 millisecond'`.execute(db);
  return rows[0]?.workers ?? 0;
}

export async function sayWaiting(db: Db, runId: string, worker: string, isWaiting: boolean): Promise<void> {
  const change = isWaiting
    ? sql`waiting = true, waiting_since = coalesce(run_workers.waiting_since, clock_timestamp()),
        waits = run_workers.waits + (NOT run_workers.waiting)::integer`
    : WAITS_NO_MORE;
  await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at, waiting, waiting_since, waits)
    VALUES (${runId}, ${worker}::uuid, clock_timestamp(), clock_timestamp(), ${isWaiting},
      CASE WHEN ${isWaiting} THEN clock_timestamp() END, ${isWaiting ? 1 : 0})
    ON CONFLICT (run_id, worker_id) DO UPDATE SET seen_at = excluded.seen_at, ${change}`.execute(db);
}

/** In the order in which they joined. */
export async function listRunWorkers(db: Db | Tx, runId: string): Promise<readonly RunWorker[]> {
  const { rows } = await sql<Row>`
    SELECT run_workers.*, workers.name, workers.host, CASE
        WHEN run_workers.left_at IS NOT NULL THEN 'left'
        WHEN workers.state IS NULL OR workers.state = 'gone' THEN 'lost'
        WHEN run_workers.seen_at < clock_timestamp() - ${sql.lit(SILENT_MS)} * interval '1 millisecond' THEN 'left'
        ELSE 'at-work' END AS part,
      run_workers.idle_ms + CASE WHEN run_workers.left_at IS NULL AND workers.state <> 'gone' THEN ${WAITS_FOR_MS} ELSE 0 END
        AS idle_now_ms,
      (SELECT count(*)::integer FROM segments WHERE segments.run_id = run_workers.run_id
        AND segments.worker_id = run_workers.worker_id AND ${IS_HELD}) AS held,
      (SELECT coalesce(sum((segments.counters #>> '{items,scanned}')::bigint), 0)::float8 FROM segments
        WHERE segments.run_id = run_workers.run_id AND segments.worker_id = run_workers.worker_id
          AND segments.kind = 'keys') AS items
    FROM run_workers LEFT JOIN workers ON workers.id = run_workers.worker_id
    WHERE run_workers.run_id = ${runId} ORDER BY run_workers.joined_at, run_workers.worker_id`.execute(db);
  return rows.map((row) => ({
    id: row.worker_id,
    name: row.name,
    host: row.host,
    joinedAt: row.joined_at.toISOString(),
    leftAt: row.part === 'left' ? (row.left_at ?? row.seen_at).toISOString() : null,
    lastSeenAt: (row.left_at ?? row.seen_at).toISOString(),
    state: row.part,
    isAtWork: row.part === 'at-work',
    segments: row.held,
    items: row.items,
    claims: row.claims,
    takeovers: row.takeovers,
    waits: row.waits,
    idleMs: Number(row.idle_now_ms),
  }));
}

interface Row {
  readonly worker_id: string;
  readonly name: string | null;
  readonly host: string | null;
  readonly part: RunWorker['state'];
  readonly joined_at: Date;
  readonly seen_at: Date;
  readonly left_at: Date | null;
  readonly held: number;
  readonly items: number;
  readonly claims: number;
  readonly takeovers: number;
  readonly waits: number;
  readonly idle_now_ms: number | string;
}
