/**
 * Lists in orders of what is summed elsewhere: it is kept in the row, in step by triggers, where an index can hold it.
 * With state and kind before it, too: what they narrow a list to may all stand at the far end, behind everything else.
 */
export const moreOrders = `
ALTER TABLE runs ADD COLUMN bytes_copied bigint NOT NULL DEFAULT 0, ADD COLUMN items_failed bigint NOT NULL DEFAULT 0;

CREATE FUNCTION run_sums_itself() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.bytes_copied := coalesce((NEW.counters #>> '{bytes,copied}')::bigint, 0);
  NEW.items_failed := coalesce((NEW.counters #>> '{items,failed}')::bigint, 0);
  RETURN NEW;
END $$;
UPDATE runs SET bytes_copied = coalesce((counters #>> '{bytes,copied}')::bigint, 0),
  items_failed = coalesce((counters #>> '{items,failed}')::bigint, 0);
CREATE TRIGGER run_sums_itself BEFORE INSERT OR UPDATE OF counters ON runs
  FOR EACH ROW EXECUTE FUNCTION run_sums_itself();
CREATE INDEX runs_by_bytes ON runs (bytes_copied, id);
CREATE INDEX runs_by_failed ON runs (items_failed, id);
CREATE INDEX runs_state_bytes ON runs (state, bytes_copied, id);
CREATE INDEX runs_state_failed ON runs (state, items_failed, id);
CREATE INDEX runs_kind_bytes ON runs (kind, bytes_copied, id);
CREATE INDEX runs_kind_failed ON runs (kind, items_failed, id);

-- The first moment of all its schedules that are enabled. The job's row is locked before that is looked for: whoever
-- changes another schedule of it waits, and sees this one.
ALTER TABLE jobs ADD COLUMN next_run_at timestamptz;
CREATE FUNCTION job_follows_schedules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed uuid := CASE WHEN TG_OP = 'DELETE' THEN OLD.job_id ELSE NEW.job_id END;
BEGIN
  PERFORM FROM jobs WHERE id = changed FOR NO KEY UPDATE;
  UPDATE jobs SET next_run_at = (SELECT min(next_at) FROM schedules WHERE job_id = changed AND enabled)
  WHERE id = changed AND next_run_at IS DISTINCT FROM
    (SELECT min(next_at) FROM schedules WHERE job_id = changed AND enabled);
  RETURN NULL;
END $$;
UPDATE jobs SET next_run_at = next.at
FROM (SELECT job_id, min(next_at) AS at FROM schedules WHERE enabled GROUP BY job_id) AS next WHERE jobs.id = next.job_id;
CREATE TRIGGER job_follows_schedules AFTER INSERT OR DELETE OR UPDATE OF next_at, enabled ON schedules
  FOR EACH ROW EXECUTE FUNCTION job_follows_schedules();
CREATE INDEX jobs_next_run ON jobs (next_run_at NULLS FIRST, id);
`;
