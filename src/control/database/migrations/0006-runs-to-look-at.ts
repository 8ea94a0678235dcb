/**
 * Which run of a job needs somebody, beside one that failed or in which objects failed: a validation that found
 * anything, and a transfer that leaves out more objects than the transfer before it. What was left out before and still
 * is, is no news. What only looks is mended by what moves, and never takes away what a stronger look has found.
 */
export const runsToLookAt = `
CREATE OR REPLACE FUNCTION job_knows_failure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  is_bad boolean := false;
BEGIN
  IF TG_OP <> 'DELETE' THEN
    is_bad := NEW.state = 'failed' OR (NEW.state = 'completed-with-issues' AND (
      NEW.kind = 'validate'
      OR (NEW.kind IN ('transfer', 'retry') AND coalesce((NEW.counters #>> '{items,failed}')::bigint, 0)
        + coalesce((NEW.counters ->> 'deletesFailed')::bigint, 0) > 0)
      OR (NEW.kind = 'transfer' AND coalesce((NEW.counters #>> '{items,unsupported}')::bigint, 0) > coalesce((
        SELECT (counters #>> '{items,unsupported}')::bigint FROM runs
        WHERE job_id = NEW.job_id AND number < NEW.number AND kind = 'transfer'
          AND state IN ('succeeded', 'completed-with-issues') ORDER BY number DESC LIMIT 1), 0))));
  END IF;
  IF TG_OP = 'DELETE' THEN
    UPDATE jobs SET failed_run_id = NULL WHERE id = OLD.job_id AND failed_run_id = OLD.id;
  ELSIF NEW.state IN ('failed', 'succeeded', 'completed-with-issues') THEN
    UPDATE jobs SET failed_run_id = CASE WHEN is_bad THEN NEW.id END
    WHERE id = NEW.job_id AND (failed_run_id IS NOT NULL OR is_bad)
      AND (NEW.kind IN ('transfer', 'retry') OR NOT EXISTS (
        SELECT FROM runs WHERE runs.id = jobs.failed_run_id AND (runs.kind IN ('transfer', 'retry')
          OR (runs.kind = 'validate' AND NEW.kind <> 'validate'))));
  END IF;
  RETURN NULL;
END $$;
`;
