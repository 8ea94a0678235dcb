/** What a worker sees when it looks for something to do. */
import { sql } from 'kysely';
import { inDatabase } from '../runs/database-errors.ts';
import { isPresent } from './cancelling.ts';
import type { FleetWorld } from './parts.ts';

export interface RunNow {
  readonly id: string;
  readonly state: string;
  readonly has_ended: boolean;
  readonly workers: number;
  /** This worker was the last one to join. */
  readonly is_last: boolean | null;
  /** Its connectors. */
  readonly source: string;
  readonly target: string;
}

export interface Looking {
  readonly workerId: string;
  /** Runs in hand, whatever has become of them. */
  readonly own: readonly string[];
  /** Ended ones that need not be looked at now. */
  readonly resting: readonly string[];
}

/**
 * Those that go on, those in hand, and ended ones that have left something open: what is wanted to be looked at is looked
 * at once, and uploads that are journaled still when nobody who may have begun one is there any more.
 */
export async function readRuns(
  { db, timing }: FleetWorld,
  { workerId, own, resting }: Looking,
): Promise<readonly RunNow[]> {
  const { rows } = await inDatabase(() =>
    sql<RunNow>`
      WITH seen AS (
        SELECT id FROM runs WHERE state IN ('running', 'cancelling')
        UNION SELECT unnest(${own as string[]}::text[])
        UNION SELECT runs.id FROM (
          SELECT run_id FROM segments WHERE kind = 'sweep' AND state = 'open'
          UNION SELECT run_id FROM intents WHERE NOT EXISTS (
            SELECT FROM run_workers WHERE run_workers.run_id = intents.run_id AND ${isPresent(timing)})
        ) AS open JOIN runs ON runs.id = open.run_id
          WHERE runs.ended_at IS NOT NULL AND runs.id <> ALL(${resting as string[]}::text[])
      )
      SELECT runs.id, runs.state, runs.ended_at IS NOT NULL AS has_ended, runs.source_connector_id AS source,
        runs.target_connector_id AS target, (
        SELECT count(*)::integer FROM run_workers WHERE run_workers.run_id = runs.id AND run_workers.left_at IS NULL
          AND run_workers.seen_at > clock_timestamp() - ${timing.leaseValidMs} * interval '1 millisecond') AS workers,
        (SELECT worker_id = ${workerId}::uuid FROM run_workers WHERE run_workers.run_id = runs.id AND left_at IS NULL
          ORDER BY joined_at DESC, worker_id LIMIT 1) AS is_last
      FROM seen JOIN runs ON runs.id = seen.id ORDER BY runs.started_at, runs.id`.execute(db),
  );
  return rows;
}
