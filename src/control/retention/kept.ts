/** What other runs still need of a run, as conditions on a row of `runs`. */
import { sql, type RawBuilder } from 'kysely';
import { EVIDENCE_RUNS_MAX } from '../../engine/evidence.ts';

/** The next run of the pair compares with it. */
export const HAS_NEWEST_SNAPSHOT = sql<boolean>`(has_snapshot AND queued_at = (
  SELECT max(newer.queued_at) FROM runs newer WHERE newer.pair_id = runs.pair_id AND newer.has_snapshot))`;

/** When the run was queued whose snapshot is the newest of that pair. */
export function newestSnapshotOf(pairId: RawBuilder<string>): RawBuilder<Date> {
  return sql<Date>`coalesce((SELECT max(whole.queued_at) FROM runs AS whole
    WHERE whole.pair_id = ${pairId} AND whole.has_snapshot), '-infinity')`;
}

/** The engine's `isEvidence`, of runs that are no snapshot: as the index `runs_evidence` has it. */
export function isEvidenceOf(runs: string): RawBuilder<boolean> {
  const of = (column: string): RawBuilder<unknown> => sql.ref(`${runs}.${column}`);
  return sql<boolean>`(NOT ${of('has_snapshot')} AND NOT ${of('logs_expired')} AND (${of('kind')} IN ('transfer', 'retry')
    OR ${of('kind')} = 'validate' AND ${of('definition')} LIKE '%"verify":"read-back"%'))`;
}

/** One that was cancelled or failed before it had settled anything knows nothing, and takes nobody's place. */
export function hasRows(runs: string): RawBuilder<boolean> {
  return sql<boolean>`EXISTS (SELECT FROM chunks WHERE chunks.run_id = ${sql.ref(`${runs}.id`)})`;
}

/**
 * It repeated what had failed, or read both sides, since that snapshot: nobody else knows that. Only as many as a run
 * looks at. What a failed or cancelled run knew ages with its log.
 */
export const IS_NEEDED_EVIDENCE = sql<boolean>`(kind <> 'transfer' AND ${isEvidenceOf('runs')}
  AND queued_at > ${newestSnapshotOf(sql`runs.pair_id`)}
  AND ${sql.lit(EVIDENCE_RUNS_MAX)} > (SELECT count(*) FROM runs newer WHERE newer.pair_id = runs.pair_id
    AND newer.queued_at > runs.queued_at AND newer.ended_at IS NOT NULL AND ${isEvidenceOf('newer')}
    AND ${hasRows('newer')}))`;

/** A retry that goes on reads from the log of the run that it repeats. */
export const IS_READ = sql<boolean>`EXISTS (SELECT 1 FROM runs retry WHERE retry.retry_of = runs.id
  AND retry.state IN ('queued', 'running', 'pausing', 'paused', 'cancelling'))`;
