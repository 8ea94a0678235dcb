/** The rows of a run that nobody goes on with, once what was kept aside has joined the chunks of its segments. */
import { sql } from 'kysely';
import { joinAside } from '../../engine/join-aside.ts';
import type { ArtifactStore, Commit, RunStore, SegmentRecord } from '../../engine/ports.ts';
import type { Db } from '../world.ts';
import { inDatabase } from './database-errors.ts';
import { issueColumns, keepIssues } from './store-issues.ts';
import { countersPlus } from './store-rows.ts';
import { sumAgain } from './store-runs.ts';

interface Parts {
  readonly db: Db;
  readonly store: Pick<RunStore, 'segments'>;
  readonly artifacts: ArtifactStore;
}

/**
 * For whoever holds the right to clear up after the run, with everybody else fenced off: nobody else writes to its
 * segments. Nothing happens twice, whoever does it again. True when the sums of the run changed by it. Fails as the
 * artifact store does, and with DATABASE_UNAVAILABLE.
 */
export async function joinAllAside({ db, store, artifacts }: Parts, runId: string): Promise<boolean> {
  let isMore = false;
  for (const segment of await store.segments(runId)) {
    if (segment.state !== 'open') continue;
    const commit = await joinAside(segment, segment.epoch, artifacts);
    if (commit === null || !(await write(db, segment, commit))) continue;
    isMore = true;
    // No commit names them any more; what cannot be removed goes with the run's other records.
    for (const name of segment.checkpoint?.ahead ?? []) await artifacts.removeAll(name).catch(() => undefined);
  }
  if (isMore) await inDatabase(() => sumAgain(db, runId));
  return isMore;
}

/** False when somebody else did it, or the segment was taken up again. */
async function write(db: Db, { runId, segmentId, epoch }: SegmentRecord, commit: Commit): Promise<boolean> {
  const { checkpoint, addChunks, addCounters, addIssues } = commit;
  const issues = issueColumns(addIssues);
  const { rows } = await inDatabase(() =>
    sql<{ held: number }>`
      WITH held AS (
        UPDATE segments SET checkpoint = ${JSON.stringify(checkpoint)}, counters = ${countersPlus(addCounters)},
          counted = NULL, counted_epoch = NULL
        WHERE run_id = ${runId} AND segment_id = ${segmentId} AND epoch = ${epoch} AND state = 'open'
          AND worker_id IS NULL AND checkpoint::jsonb ? 'ahead'
        RETURNING segment_id
      ), named AS (
        INSERT INTO chunks (run_id, segment_id, name)
        SELECT ${runId}, held.segment_id, added.name
        FROM held, unnest(${addChunks as string[]}::text[]) WITH ORDINALITY AS added (name, place) ORDER BY added.place
      )${addIssues.length === 0 ? sql`` : keepIssues(runId, issues)}
      SELECT (SELECT count(*)::integer FROM held) AS held`.execute(db),
  );
  return rows[0]?.held === 1;
}
