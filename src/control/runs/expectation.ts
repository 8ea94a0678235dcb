/** How much a run will look at, as far as that is known before it begins; kept with it, for what it then promises. */
import { sql } from 'kysely';
import { loadSnapshotIndex, quantiles } from '../../engine/snapshot.ts';
import type { Counters } from '../../model/outcome.ts';
import type { RunExpectation } from '../entities.ts';
import type { KeptExpectation } from '../fleet/forecast.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';
import { findLatestSnapshot } from './store-runs.ts';

/** Keys of the last run that are kept, so that what is found can be compared with what was expected there. */
const SHARES = 32;

/** Everything in the source, also what the filters leave out; kept in `jobs.counted` with when that was. */
export interface CountedSource {
  readonly items: number;
  readonly sizeBytes: number;
  readonly atMs: number;
}

export interface Asked {
  readonly jobId: string;
  readonly pairId: string;
  /** The run whose failed items are repeated; else `null`. */
  readonly retryOf: string | null;
}

/** The newest of: the last whole run of the same pair, the last one of this job, a count that was asked for. */
export async function expectationOf(db: Db | Tx, { jobId, pairId, retryOf }: Asked): Promise<RunExpectation | null> {
  if (retryOf !== null) {
    const run = await db.selectFrom('runs').select('counters').where('id', '=', retryOf).executeTakeFirst();
    const items = (run?.counters as Counters | undefined)?.items.failed ?? 0;
    return items === 0 ? null : { items, sizeBytes: null, basis: 'retried-run', runId: retryOf };
  }
  const { rows } = await sql<{
    id: string | null;
    counters: Counters | null;
    counted: CountedSource | null;
    at_ms: number;
  }>`
    SELECT id, counters, NULL::jsonb AS counted, extract(epoch FROM queued_at)::float8 * 1000 AS at_ms FROM (
      (SELECT id, counters, queued_at FROM runs WHERE pair_id = ${pairId} AND has_snapshot
        AND state IN ('succeeded', 'completed-with-issues') ORDER BY queued_at DESC, id DESC LIMIT 1)
      UNION ALL
      (SELECT id, counters, queued_at FROM runs WHERE job_id = ${jobId} AND kind <> 'retry'
        AND state IN ('succeeded', 'completed-with-issues') ORDER BY number DESC LIMIT 1)) AS last
    UNION ALL
    SELECT NULL, NULL, counted, (counted ->> 'atMs')::float8 FROM jobs WHERE id = ${jobId} AND counted IS NOT NULL
    ORDER BY at_ms DESC LIMIT 1`.execute(db);
  const [last] = rows;
  if (last?.counted) {
    const { items, sizeBytes } = last.counted;
    return { items, sizeBytes, basis: 'counted', runId: null };
  }
  if (!last?.counters) return null;
  return {
    items: last.counters.items.scanned,
    sizeBytes: last.counters.bytes.scanned,
    basis: 'last-run',
    runId: last.id,
  };
}

/** Where the keys of the last whole run of the pair lay; none where nothing is known. */
export async function cutsOf({ db, artifacts }: ControlWorld, pairId: string): Promise<readonly string[]> {
  const index = await loadSnapshotIndex(artifacts, await findLatestSnapshot(db, pairId)).catch(() => null);
  return index === null ? [] : [...new Set(quantiles(index, SHARES))];
}

/** As text: its keys may be such as the database's JSON cannot hold. */
export function keptText(expected: RunExpectation | null, cuts: readonly string[]): string | null {
  return expected === null ? null : JSON.stringify({ ...expected, cuts: expected.basis === 'retried-run' ? [] : cuts });
}

export function keptExpectation(text: string | null): KeptExpectation | null {
  return text === null ? null : (JSON.parse(text) as KeptExpectation);
}
