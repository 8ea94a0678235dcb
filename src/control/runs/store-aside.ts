/** The rows of a run that nobody goes on with, once what was kept aside has joined the chunks of its segments. */
import { sql } from 'kysely';
import { joinAside } from '../../engine/join-aside.ts';
import type { ArtifactStore, Commit, RunStore, SegmentRecord } from '../../engine/ports.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { Db, Tx } from '../world.ts';
import { inDatabase } from './database-errors.ts';
import { issueColumns, keepIssues } from './store-issues.ts';
import { countersPlus } from './store-rows.ts';
import { sumAgain } from './store-runs.ts';

interface Parts {
  readonly db: Db;
  readonly store: Pick<RunStore, 'segments'>;
  readonly artifacts: ArtifactStore;
}

export interface Joined {
  /** The log and the sums of the run have changed by it. */
  readonly isMore: boolean;
  /** Why some of it is missing still; `null`: nothing is. */
  readonly failure: DroverError | null;
  /** There is no log any more that it could join. */
  readonly isGone: boolean;
}

/**
 * For whoever holds the right to clear up after the run, with everybody else fenced off: nobody else writes to its
 * segments. Nothing happens twice, whoever does it again, and what stands in the way of one segment is in nobody else's.
 * Fails with DATABASE_UNAVAILABLE only.
 */
export async function joinAllAside({ db, store, artifacts }: Parts, runId: string): Promise<Joined> {
  let isMore = false;
  let failure: DroverError | null = null;
  for (const segment of await store.segments(runId)) {
    if (segment.state !== 'open') continue;
    try {
      const commit = await joinAside(segment, segment.epoch, artifacts);
      if (commit === null) continue;
      const end = await write(db, segment, commit);
      // Its records are gone, or go just now: nobody would look for these.
      if (end === 'gone') {
        for (const name of commit.addChunks) await artifacts.removeAll(name).catch(() => undefined);
        return { isMore, failure: null, isGone: true };
      }
      if (end === 'late') continue;
    } catch (thrown) {
      const error = toDroverError(thrown);
      if (error.code === 'DATABASE_UNAVAILABLE') throw error;
      if (failure === null || isForGood(failure)) failure = error;
      continue;
    }
    isMore = true;
    // No commit names them any more; what cannot be removed goes with the run's other records.
    for (const name of segment.checkpoint?.ahead ?? []) await artifacts.removeAll(name).catch(() => undefined);
  }
  return { isMore, failure, isGone: false };
}

/** By its text: as JSON of the database not every key could be read. Inside of a text there is a backslash before each quote. */
const HAS_ASIDE = sql<boolean>`checkpoint LIKE '%"ahead":[%'`;

/** WRONG_STATE as long as rows of a run that has ended are to join its log: whatever is made of it now lacks them. */
export async function refuseHalfLog(
  db: Db | Tx,
  { id, number }: { readonly id: string; readonly number: number },
): Promise<void> {
  const { rows } = await inDatabase(() =>
    sql`SELECT FROM segments WHERE run_id = ${id} AND state = 'open' AND ${HAS_ASIDE}
      AND EXISTS (SELECT FROM segments WHERE run_id = ${id} AND state = 'open' AND kind = 'sweep') LIMIT 1`.execute(db),
  );
  if (rows.length === 0) return;
  throw new DroverError('WRONG_STATE', `What run ${number} has moved at last is not in its copy log yet.`, {
    remedy: 'Try again in a moment: a worker brings it there; the run log says what is in the way.',
  });
}

/** What no waiting is likely to mend: a record that is damaged, or a fault of our own. */
export function isForGood({ code }: DroverError): boolean {
  return code === 'INTERNAL' || code === 'CORRUPTED';
}

/**
 * With the sums of the run, if it has ended, in one transaction: whoever comes later finds nothing to do and would not
 * know that they are old. `late`: somebody else did it, or the segment was taken up again; `gone`: the run or its log is.
 */
async function write(
  db: Db,
  { runId, segmentId, epoch }: SegmentRecord,
  commit: Commit,
): Promise<'written' | 'late' | 'gone'> {
  const { checkpoint, addChunks, addCounters, addIssues } = commit;
  const issues = issueColumns(addIssues);
  return inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const run = await sql`SELECT FROM runs WHERE id = ${runId} AND NOT logs_expired FOR NO KEY UPDATE`.execute(tx);
      if (run.rows.length === 0) return 'gone';
      const { rows } = await sql<{ held: number }>`
        WITH held AS (
          UPDATE segments SET checkpoint = ${JSON.stringify(checkpoint)}, counters = ${countersPlus(addCounters)},
            counted = NULL, counted_epoch = NULL
          WHERE run_id = ${runId} AND segment_id = ${segmentId} AND epoch = ${epoch} AND state = 'open'
            AND worker_id IS NULL AND ${HAS_ASIDE}
          RETURNING segment_id
        ), named AS (
          INSERT INTO chunks (run_id, segment_id, name)
          SELECT ${runId}, held.segment_id, added.name
          FROM held, unnest(${addChunks as string[]}::text[]) WITH ORDINALITY AS added (name, place) ORDER BY added.place
        )${addIssues.length === 0 ? sql`` : keepIssues(runId, issues)}
        SELECT (SELECT count(*)::integer FROM held) AS held`.execute(tx);
      if (rows[0]?.held !== 1) return 'late';
      await sumAgain(tx, runId);
      return 'written';
    }),
  );
}
