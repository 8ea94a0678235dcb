/** How many jobs things have, kept in step by triggers. */
export const jobCounts = `
-- How many jobs a project, endpoint, connector (once for a job that has it on both sides) or timetable has: the sum of
-- its rows. Lists show it, and counting would read all jobs. Kept in step here, so that no code path can forget it;
-- rows that somebody else is folding just now are left alone, so that nobody waits and sums stay right.
CREATE TABLE job_counts (of_id uuid NOT NULL, jobs integer NOT NULL) WITH (fillfactor = 50);
CREATE INDEX job_counts_of ON job_counts (of_id);

CREATE FUNCTION add_to_job_counts(ids uuid[], each integer) RETURNS void LANGUAGE sql AS $$
  WITH told AS (
    SELECT id, count(*) * each AS jobs FROM unnest(ids) AS id WHERE id IS NOT NULL GROUP BY id
  ), old AS (
    SELECT ctid FROM job_counts WHERE of_id IN (SELECT id FROM told) FOR UPDATE SKIP LOCKED
  ), gone AS (
    DELETE FROM job_counts WHERE ctid IN (SELECT ctid FROM old) RETURNING of_id, jobs
  )
  INSERT INTO job_counts (of_id, jobs)
  SELECT id, sum(jobs) FROM (SELECT id, jobs FROM told UNION ALL SELECT of_id, jobs FROM gone) AS counted
  GROUP BY id HAVING sum(jobs) <> 0
$$;

CREATE FUNCTION jobs_are_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM add_to_job_counts(array_agg(of_id), CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END)
  FROM changed
  JOIN endpoints AS source ON source.id = source_endpoint_id
  JOIN endpoints AS target ON target.id = target_endpoint_id,
  unnest(ARRAY[project_id, timetable_id, source.id, target.id, source.connector_id,
    nullif(target.connector_id, source.connector_id)]) AS of_id;
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_are_counted AFTER INSERT ON jobs REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION jobs_are_counted();
CREATE TRIGGER jobs_are_counted_out AFTER DELETE ON jobs REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION jobs_are_counted();

CREATE FUNCTION job_changes_timetable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM add_to_job_counts(ARRAY[OLD.timetable_id], -1);
  PERFORM add_to_job_counts(ARRAY[NEW.timetable_id], 1);
  RETURN NULL;
END $$;
CREATE TRIGGER job_changes_timetable AFTER UPDATE OF timetable_id ON jobs FOR EACH ROW
  WHEN (OLD.timetable_id IS DISTINCT FROM NEW.timetable_id) EXECUTE FUNCTION job_changes_timetable();
`;
