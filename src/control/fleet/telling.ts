/** What each run looks like from one worker: told once a second, for all its runs in one statement. */
import { sql } from 'kysely';
import { inDatabase } from '../runs/database-errors.ts';
import { jsonbText } from '../runs/store-rows.ts';
import { refreshRun } from './aggregate.ts';
import type { Participation } from './participation.ts';
import type { FleetWorld } from './parts.ts';

/** Then the runs' own rows are brought up to date. `lookedAt`: as of when this worker's shares of limits are. */
export async function tellProgress(
  world: FleetWorld,
  workerId: string,
  parts: readonly Participation[],
  lookedAt: string | null,
): Promise<void> {
  const { db, timing } = world;
  const ids = parts.map(({ runId }) => runId);
  const texts = parts.map((part) => jsonbText(part.progress()));
  await inDatabase(() =>
    sql`UPDATE run_workers SET seen_at = clock_timestamp(), shares_at = ${lookedAt}::timestamptz,
        progress = coalesce(one.progress::jsonb, run_workers.progress)
      FROM unnest(${ids}::text[], ${texts}::text[]) AS one (run_id, progress)
      WHERE run_workers.run_id = one.run_id AND run_workers.worker_id = ${workerId}::uuid
        AND run_workers.left_at IS NULL`.execute(db),
  );
  for (const runId of ids) await refreshRun(world, runId, timing.progressEveryMs * 0.9);
}
