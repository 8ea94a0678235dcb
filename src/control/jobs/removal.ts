/** What deleting a job takes along. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { isUuid } from '../rows.ts';
import { ACTIVE_STATES } from '../runs/states.ts';
import type { JobRemoval } from '../services.ts';
import type { Db, Tx } from '../world.ts';

/** Before their jobs, as whoever moves a schedule on to its next moment does: nobody waits for whoever waits for him. */
export async function lockSchedules(tx: Tx, whose: 'jobs.id' | 'jobs.project_id', id: string): Promise<void> {
  if (!isUuid(id)) return;
  await sql`SELECT FROM schedules WHERE job_id IN (SELECT jobs.id FROM jobs WHERE ${sql.ref(whose)} = ${id}::uuid)
    ORDER BY schedules.id FOR UPDATE`.execute(tx);
}

export async function removalOf(db: Db | Tx, jobId: string): Promise<JobRemoval> {
  const states = ACTIVE_STATES as unknown as string[];
  const { rows } = await sql<Record<keyof JobRemoval, number>>`
    SELECT
      (SELECT count(*) FROM runs WHERE job_id = ${jobId}::uuid) AS runs,
      (SELECT count(*) FROM runs WHERE job_id = ${jobId}::uuid AND state = ANY(${states}::text[])) AS active,
      (SELECT count(*) FROM schedules WHERE job_id = ${jobId}::uuid) AS schedules,
      (SELECT count(*) FROM schedules WHERE job_id = ${jobId}::uuid AND enabled) AS "enabledSchedules",
      (SELECT count(*) FROM artifacts JOIN runs ON runs.id = artifacts.run_id
        WHERE runs.job_id = ${jobId}::uuid) AS reports`.execute(db);
  const [row] = rows as [Record<keyof JobRemoval, number>];
  return {
    runs: Number(row.runs),
    active: Number(row.active),
    schedules: Number(row.schedules),
    enabledSchedules: Number(row.enabledSchedules),
    reports: Number(row.reports),
  };
}

export function refuseRemoval(name: string, { runs, active }: JobRemoval, expectedRuns: number | undefined): void {
  if (expectedRuns !== undefined && runs !== expectedRuns) {
    throw new DroverError(
      'COUNT_CHANGED',
      `The job "${name}" has ${runs} runs now, not ${expectedRuns}; all of them would be deleted.`,
    );
  }
  if (active > 0) {
    throw new DroverError('WRONG_STATE', `A run of the job "${name}" has not ended.`, {
      remedy: 'Cancel it first, or wait for its end.',
    });
  }
}
