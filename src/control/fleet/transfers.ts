/** Which runs a limit of transfers keeps everybody out of: each part in a run has one of them at least. */
import { sql } from 'kysely';
import { inDatabase } from '../runs/database-errors.ts';
import type { Db } from '../world.ts';

const FRESH_MS = 10_000;

/** Who is at work on what; whoever was gone before the clock was set back is not. */
export const IS_THERE = sql`run_workers.left_at IS NULL
  AND run_workers.seen_at > clock_timestamp() - ${FRESH_MS} * interval '1 millisecond'
  AND run_workers.seen_at < clock_timestamp() + interval '1 minute'`;

export interface FullRun {
  readonly id: string;
  /** All of whose transfers are given out; `null`: the job's. */
  readonly connectorId: string | null;
  /** Of the connector. */
  readonly name: string | null;
  readonly most: number;
}

/** Of these, the runs that no further worker may take part in: each of the transfers that a limit allows is given out. */
export async function fullAmong(db: Db, runIds: readonly string[]): Promise<ReadonlyMap<string, FullRun>> {
  if (runIds.length === 0) return new Map();
  const { rows } = await inDatabase(() =>
    sql<FullRun>`
      SELECT runs.id, NULL AS "connectorId", NULL AS name, jobs.transfers_max AS most
      FROM runs JOIN jobs ON jobs.id = runs.job_id
      WHERE runs.id = ANY(${runIds}::text[]) AND jobs.transfers_max IS NOT NULL
        AND jobs.transfers_max <= (SELECT count(*) FROM run_workers WHERE run_workers.run_id = runs.id AND ${IS_THERE})
      UNION ALL
      SELECT runs.id, connectors.id::text, connectors.name, (connectors.limits->>'transfersMax')::float8
      FROM runs JOIN connectors ON connectors.id IN (runs.source_connector_id, runs.target_connector_id)
      WHERE runs.id = ANY(${runIds}::text[]) AND connectors.limits->>'transfersMax' IS NOT NULL
        AND (connectors.limits->>'transfersMax')::float8 <= (
        SELECT count(*) FROM run_workers JOIN runs AS others ON others.id = run_workers.run_id
        WHERE connectors.id IN (others.source_connector_id, others.target_connector_id) AND ${IS_THERE})`.execute(db),
  );
  return new Map(rows.map((row) => [row.id, row]));
}
