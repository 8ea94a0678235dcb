/** How many jobs something has, without reading them; the database keeps the sums in step. */
import { sql, type RawBuilder } from 'kysely';

/** `idColumn`: of a project, endpoint, connector or timetable, such as `projects.id`. */
export function jobsOf(idColumn: string): RawBuilder<number> {
  return sql<number>`(SELECT coalesce(sum(job_counts.jobs), 0)::int FROM job_counts
    WHERE job_counts.of_id = ${sql.ref(idColumn)})`;
}
