/** What other runs still need of a run, as conditions on a row of `runs`. */
import { sql } from 'kysely';

/** The next run of the pair compares with it. */
export const HAS_NEWEST_SNAPSHOT = sql<boolean>`(has_snapshot AND queued_at = (
  SELECT max(newer.queued_at) FROM runs newer WHERE newer.pair_id = runs.pair_id AND newer.has_snapshot))`;

/** A retry that goes on reads from the log of the run that it repeats. */
export const IS_READ = sql<boolean>`EXISTS (SELECT 1 FROM runs retry WHERE retry.retry_of = runs.id
  AND retry.state IN ('queued', 'running', 'pausing', 'paused', 'cancelling'))`;
