/**
 * The tables of the first version. Text that may hold any key (keys, checkpoints, definitions) is JSON text or bytes:
 * PostgreSQL's text cannot hold a NUL, nor its jsonb a lone surrogate.
 */
import { jobCounts } from './0001-job-counts.ts';

export const initial = `
CREATE TABLE facts_of_installation (name text PRIMARY KEY, value jsonb NOT NULL);

CREATE TABLE people (
  id uuid PRIMARY KEY, version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, created_by text NOT NULL, updated_at timestamptz NOT NULL,
  email text NOT NULL, name text NOT NULL, role text NOT NULL, state text NOT NULL, sign_in text NOT NULL,
  password_hash text, oidc_subject text UNIQUE, last_sign_in_at timestamptz
);
CREATE UNIQUE INDEX people_email ON people (lower(email));

CREATE TABLE sessions (
  id_hash text PRIMARY KEY, person_id uuid NOT NULL REFERENCES people ON DELETE CASCADE, csrf_token text NOT NULL,
  created_at timestamptz NOT NULL, seen_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
  address text, user_agent text
);
CREATE INDEX sessions_person ON sessions (person_id);

CREATE TABLE tokens (
  id uuid PRIMARY KEY, version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, created_by text NOT NULL, updated_at timestamptz NOT NULL,
  person_id uuid NOT NULL REFERENCES people ON DELETE CASCADE,
  name text NOT NULL, role text NOT NULL, prefix text NOT NULL, token_hash text NOT NULL UNIQUE,
  expires_at timestamptz, last_used_at timestamptz
);
CREATE UNIQUE INDEX tokens_name ON tokens (person_id, lower(name));

-- Failed attempts to sign in. The key is a keyed hash: it may stand for what somebody typed.
CREATE TABLE sign_in_attempts (
  key text PRIMARY KEY, failures integer NOT NULL, blocked_until timestamptz, forgotten_at timestamptz NOT NULL
);
CREATE INDEX sign_in_attempts_age ON sign_in_attempts (forgotten_at);

CREATE TABLE secrets (
  id uuid PRIMARY KEY, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  master_key_id text NOT NULL, wrapped_key bytea NOT NULL, sealed bytea NOT NULL
);
CREATE INDEX secrets_master ON secrets (master_key_id);

CREATE TABLE connectors (
  id uuid PRIMARY KEY, version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, created_by text NOT NULL, updated_at timestamptz NOT NULL,
  name text NOT NULL, provider text NOT NULL, config jsonb NOT NULL, secret_id uuid REFERENCES secrets,
  secret_fingerprints jsonb NOT NULL DEFAULT '{}', fingerprint text NOT NULL, signed_in_as text,
  health text NOT NULL DEFAULT 'untested', health_reason jsonb, checked_at timestamptz,
  check_lines jsonb NOT NULL DEFAULT '[]', check_place text, tags jsonb NOT NULL DEFAULT '{}', limits jsonb NOT NULL, cloud jsonb,
  next_sync_at timestamptz, sync_attempts integer NOT NULL DEFAULT 0, last_used_at timestamptz
);
CREATE UNIQUE INDEX connectors_name ON connectors (lower(name));
CREATE INDEX connectors_sync ON connectors (next_sync_at) WHERE next_sync_at IS NOT NULL;

CREATE TABLE inventory (
  connector_id uuid NOT NULL REFERENCES connectors ON DELETE CASCADE, container text NOT NULL,
  account_id text NOT NULL DEFAULT '', region text,
  first_seen_at timestamptz NOT NULL, last_seen_at timestamptz NOT NULL, gone_at timestamptz,
  PRIMARY KEY (connector_id, container, account_id)
);
-- Of an organization: looked_at is when the buckets were last seen, error why not since.
CREATE TABLE inventory_accounts (
  connector_id uuid NOT NULL REFERENCES connectors ON DELETE CASCADE, account_id text NOT NULL, name text NOT NULL,
  first_seen_at timestamptz NOT NULL, last_seen_at timestamptz NOT NULL, gone_at timestamptz,
  looked_at timestamptz, error jsonb,
  PRIMARY KEY (connector_id, account_id)
);

CREATE TABLE endpoints (
  id uuid PRIMARY KEY, version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, created_by text NOT NULL, updated_at timestamptz NOT NULL,
  name text NOT NULL, kind text NOT NULL, connector_id uuid NOT NULL REFERENCES connectors,
  place text NOT NULL, full_path text NOT NULL, description text NOT NULL DEFAULT '', facts jsonb,
  UNIQUE (kind, connector_id, place)
);
CREATE UNIQUE INDEX endpoints_name ON endpoints (lower(name));
CREATE INDEX endpoints_connector ON endpoints (connector_id);

CREATE TABLE projects (
  id uuid PRIMARY KEY, version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, created_by text NOT NULL, updated_at timestamptz NOT NULL,
  name text NOT NULL, description text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX projects_name ON projects (lower(name));

CREATE TABLE timetables (
  id uuid PRIMARY KEY, version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, created_by text NOT NULL, updated_at timestamptz NOT NULL,
  name text NOT NULL, timetable jsonb NOT NULL
);
CREATE UNIQUE INDEX timetables_name ON timetables (lower(name));

CREATE TABLE jobs (
  id uuid PRIMARY KEY, version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, created_by text NOT NULL, updated_at timestamptz NOT NULL,
  project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
  name text NOT NULL, description text NOT NULL DEFAULT '', type text NOT NULL,
  source_endpoint_id uuid NOT NULL REFERENCES endpoints, source_sub_path text NOT NULL, source_full_path text NOT NULL,
  target_endpoint_id uuid NOT NULL REFERENCES endpoints, target_sub_path text NOT NULL, target_full_path text NOT NULL,
  settings text NOT NULL, made_with jsonb, counted jsonb, transfers_max integer, timetable_id uuid REFERENCES timetables,
  runs_made integer NOT NULL DEFAULT 0, last_run_id text, last_state text, last_run_at timestamptz,
  failed_run_id text
);
CREATE UNIQUE INDEX jobs_name ON jobs (project_id, lower(name));
CREATE INDEX jobs_created ON jobs (created_at, id);
CREATE INDEX jobs_by_name ON jobs (lower(name), id);
CREATE INDEX jobs_last_run ON jobs (last_run_at NULLS FIRST, id);
CREATE INDEX jobs_state ON jobs (last_state, created_at);
CREATE INDEX jobs_failed ON jobs (failed_run_id) WHERE failed_run_id IS NOT NULL;
CREATE INDEX jobs_source ON jobs (source_endpoint_id);
CREATE INDEX jobs_target ON jobs (target_endpoint_id);
${jobCounts}
-- definition and snapshot: JSON text, as the run was started. target_area: fingerprint, container and prefix of the
-- target, for "one active run per target subtree".
-- At most one row: the sample data, as far as it is made and still there.
CREATE TABLE samples (
  only_one boolean NOT NULL DEFAULT true CHECK (only_one) CONSTRAINT samples_pkey PRIMARY KEY,
  made_at timestamptz NOT NULL, files integer NOT NULL,
  connector_id uuid REFERENCES connectors ON DELETE SET NULL,
  source_endpoint_id uuid REFERENCES endpoints ON DELETE SET NULL,
  target_endpoint_id uuid REFERENCES endpoints ON DELETE SET NULL,
  project_id uuid REFERENCES projects ON DELETE SET NULL, job_id uuid REFERENCES jobs ON DELETE SET NULL
);

CREATE TABLE runs (
  id text PRIMARY KEY, version integer NOT NULL DEFAULT 1,
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE, project_id uuid NOT NULL, number integer NOT NULL,
  kind text NOT NULL, trigger text NOT NULL, created_by text NOT NULL,
  transfer_id text NOT NULL, pair_id text NOT NULL, definition text NOT NULL, snapshot text NOT NULL,
  source_connector_id uuid NOT NULL, target_connector_id uuid NOT NULL,
  source_path text NOT NULL, target_path text NOT NULL,
  target_fingerprint text NOT NULL, target_container text NOT NULL, target_prefix text NOT NULL,
  state text NOT NULL, waits jsonb, retry_of text,
  scheduled_at timestamptz, queued_at timestamptz NOT NULL, started_at timestamptz, ended_at timestamptz,
  updated_at timestamptz NOT NULL,
  error jsonb, counters jsonb NOT NULL, requests jsonb NOT NULL, active_ms bigint NOT NULL DEFAULT 0,
  manifest_root text, has_snapshot boolean NOT NULL DEFAULT false, logs_expired boolean NOT NULL DEFAULT false,
  live jsonb, sequence bigint NOT NULL DEFAULT 0, expected text, percent_shown integer,
  cleaning_attempts integer NOT NULL DEFAULT 0, cleaning_after timestamptz,
  UNIQUE (job_id, number)
);
CREATE INDEX runs_queued ON runs (queued_at, id);
-- Whatever dies in between, a moment of a schedule starts one run.
CREATE UNIQUE INDEX runs_scheduled ON runs (job_id, scheduled_at) WHERE trigger = 'schedule';
-- What has come of age and was not cleaned yet, among all the runs that were.
CREATE INDEX runs_unexpired ON runs (ended_at) WHERE NOT logs_expired;
CREATE INDEX runs_uncleaned ON runs (id) WHERE cleaning_attempts > 0;
CREATE INDEX runs_active ON runs (state) WHERE state IN ('queued', 'running', 'pausing', 'paused', 'cancelling');
CREATE INDEX runs_state ON runs (state, queued_at);
CREATE INDEX runs_started ON runs (started_at NULLS FIRST, id);
CREATE INDEX runs_project ON runs (project_id, queued_at);
CREATE INDEX runs_project_active ON runs (project_id)
  WHERE state IN ('queued', 'running', 'pausing', 'paused', 'cancelling');
CREATE INDEX runs_ended ON runs (ended_at NULLS FIRST, id);
CREATE INDEX runs_pair ON runs (pair_id, queued_at) WHERE has_snapshot;
CREATE INDEX runs_transfer ON runs (transfer_id, queued_at);
CREATE INDEX runs_kind ON runs (kind, queued_at);
CREATE INDEX runs_source_connector ON runs (source_connector_id, queued_at);
CREATE INDEX runs_target_connector ON runs (target_connector_id, queued_at);

-- The job's list shows and filters by its last run: kept in step here, so that no code path can forget it.
CREATE FUNCTION job_follows_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    UPDATE jobs SET last_run_id = NEW.id, last_state = NEW.state, last_run_at = NEW.queued_at WHERE id = NEW.job_id;
  ELSIF TG_OP = 'DELETE' THEN
    UPDATE jobs SET (last_run_id, last_state, last_run_at) = (
      SELECT id, state, queued_at FROM runs WHERE job_id = OLD.job_id ORDER BY number DESC LIMIT 1)
    WHERE id = OLD.job_id AND last_run_id = OLD.id;
  ELSE
    UPDATE jobs SET last_state = NEW.state WHERE id = NEW.job_id AND last_run_id = NEW.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER job_follows_run AFTER INSERT OR UPDATE OF state OR DELETE ON runs
  FOR EACH ROW EXECUTE FUNCTION job_follows_run();

-- The last run of a job that failed, or in which objects failed, with no good one since. What only looks says nothing
-- about what moves objects.
CREATE FUNCTION job_knows_failure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  is_bad boolean := false;
BEGIN
  IF TG_OP <> 'DELETE' THEN
    is_bad := NEW.state = 'failed' OR (NEW.state = 'completed-with-issues' AND NEW.kind IN ('transfer', 'retry')
      AND coalesce((NEW.counters #>> '{items,failed}')::bigint, 0)
        + coalesce((NEW.counters ->> 'deletesFailed')::bigint, 0) > 0);
  END IF;
  IF TG_OP = 'DELETE' THEN
    UPDATE jobs SET failed_run_id = NULL WHERE id = OLD.job_id AND failed_run_id = OLD.id;
  ELSIF NEW.state IN ('failed', 'succeeded', 'completed-with-issues') THEN
    UPDATE jobs SET failed_run_id = CASE WHEN is_bad THEN NEW.id END
    WHERE id = NEW.job_id AND (failed_run_id IS NOT NULL OR is_bad)
      AND (NEW.kind IN ('transfer', 'retry') OR NOT EXISTS (
        SELECT FROM runs WHERE runs.id = jobs.failed_run_id AND runs.kind IN ('transfer', 'retry')));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER job_knows_failure AFTER INSERT OR UPDATE OF state OR DELETE ON runs
  FOR EACH ROW EXECUTE FUNCTION job_knows_failure();

-- Runs that were deleted, until their files are gone, too: whoever dies in between leaves the rest to the next look.
CREATE TABLE removed_runs (
  id text PRIMARY KEY, attempts integer NOT NULL DEFAULT 0,
  again_at timestamptz NOT NULL DEFAULT clock_timestamp() + interval '1 hour'
);
CREATE INDEX removed_runs_due ON removed_runs (again_at);
CREATE FUNCTION runs_leave_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO removed_runs (id) SELECT id FROM gone ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER runs_leave_files AFTER DELETE ON runs REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION runs_leave_files();

-- No row per object. from_key and to_key: bytes of the key; null is open. counters: what is committed; counted: all that
-- was settled when the last commit began, by whoever held it under counted_epoch.
CREATE TABLE segments (
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE, segment_id text NOT NULL, kind text NOT NULL,
  from_key bytea, to_key bytea, settled_key bytea, state text NOT NULL, epoch integer NOT NULL DEFAULT 0,
  worker_id uuid, lease_until timestamptz, checkpoint text, counters jsonb NOT NULL,
  counted jsonb, counted_epoch integer,
  takeovers integer NOT NULL DEFAULT 0, lock_wait_ms integer NOT NULL DEFAULT 0,
  PRIMARY KEY (run_id, segment_id)
) WITH (fillfactor = 70);
-- Neither holds lease_until, so that renewing a lease touches no index.
CREATE INDEX segments_open ON segments (run_id) WHERE state = 'open';
-- Looked for every second, among all that runs which were cancelled or failed have left open.
CREATE INDEX segments_sweep ON segments (run_id) WHERE state = 'open' AND kind = 'sweep';
CREATE INDEX segments_worker ON segments (worker_id) WHERE state = 'open';

-- shares: with the first chunk of a commit, where what it added lies: [from, items, failed, unsupported] as JSON text.
CREATE TABLE chunks (
  run_id text NOT NULL, segment_id text NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY, name text NOT NULL,
  shares text,
  PRIMARY KEY (run_id, segment_id, number),
  FOREIGN KEY (run_id, segment_id) REFERENCES segments ON DELETE CASCADE
);
CREATE INDEX chunks_shares ON chunks (run_id, number) WHERE shares IS NOT NULL;

CREATE TABLE intents (
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE, intent_id text NOT NULL, intent text NOT NULL,
  PRIMARY KEY (run_id, intent_id)
);

-- The first 100,000 failed and unsupported items of a run. key_text: in lower case, for searching and
-- sorting; record: the whole item record as JSON text.
CREATE TABLE run_items (
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE, number bigint GENERATED ALWAYS AS IDENTITY,
  segment_id text NOT NULL, result text NOT NULL, code text NOT NULL, size_bytes bigint NOT NULL,
  key_text text NOT NULL, record text NOT NULL,
  PRIMARY KEY (run_id, number)
);
CREATE INDEX run_items_result ON run_items (run_id, result, number);
CREATE INDEX run_items_code ON run_items (run_id, code, number);
CREATE INDEX run_items_segment ON run_items (run_id, segment_id);
CREATE INDEX run_items_size ON run_items (run_id, size_bytes, number);
CREATE INDEX run_items_key ON run_items (run_id, left(key_text, 200), number);

CREATE TABLE run_log (
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE, number bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL, level text NOT NULL, code text, message text NOT NULL,
  PRIMARY KEY (run_id, number)
);

-- What each time a worker took part in a run has cost.
CREATE TABLE run_sessions (
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE, session text NOT NULL, requests jsonb NOT NULL,
  active_ms double precision NOT NULL, started_at timestamptz NOT NULL, seen_at timestamptz NOT NULL,
  PRIMARY KEY (run_id, session)
) WITH (fillfactor = 50);

-- Who is at work on a run: one row per worker process and run. shares_at: as of when its shares of limits are.
CREATE TABLE run_workers (
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE, worker_id uuid NOT NULL, joined_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL, left_at timestamptz, waiting boolean NOT NULL DEFAULT false, progress jsonb,
  shares_at timestamptz,
  claims integer NOT NULL DEFAULT 0, takeovers integer NOT NULL DEFAULT 0, waits integer NOT NULL DEFAULT 0,
  waiting_since timestamptz, idle_ms bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (run_id, worker_id)
) WITH (fillfactor = 50);
CREATE INDEX run_workers_worker ON run_workers (worker_id);

CREATE TABLE workers (
  id uuid PRIMARY KEY, name text NOT NULL, host text NOT NULL, pid integer NOT NULL, program_version text NOT NULL,
  protocol integer NOT NULL, state text NOT NULL, started_at timestamptz NOT NULL, seen_at timestamptz NOT NULL, left_at timestamptz,
  takeovers integer NOT NULL DEFAULT 0, slots integer NOT NULL DEFAULT 10
) WITH (fillfactor = 50);

-- Servers that live, and those that were not seen to end.
CREATE TABLE servers (
  id uuid PRIMARY KEY, host text NOT NULL, pid integer NOT NULL, program_version text NOT NULL,
  protocol integer NOT NULL, started_at timestamptz NOT NULL, seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What each process has counted of each connector since it began, as JSON of numbers; and what is under way there now.
-- What was not written for a while stands in the one row of nobody (a nil UUID), so that sums never go down.
CREATE TABLE traffic (
  connector_id uuid NOT NULL, writer_id uuid NOT NULL, counts jsonb NOT NULL, busy jsonb NOT NULL DEFAULT '{}',
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (connector_id, writer_id)
) WITH (fillfactor = 50);

CREATE TABLE schedules (
  id uuid PRIMARY KEY, version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, created_by text NOT NULL, updated_at timestamptz NOT NULL,
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE, rule jsonb NOT NULL, time_zone text NOT NULL,
  starts_at timestamptz, ends_at timestamptz, enabled boolean NOT NULL DEFAULT false, run_kind text NOT NULL,
  next_at timestamptz, last_at timestamptz, due_at timestamptz, taken_until timestamptz,
  start_attempts integer NOT NULL DEFAULT 0, last_outcome text, reckoned_at timestamptz
);
CREATE INDEX schedules_reckoned ON schedules (reckoned_at);
CREATE INDEX schedules_troubled ON schedules (id) WHERE last_outcome <> 'started';
CREATE INDEX schedules_taken ON schedules (taken_until) WHERE due_at IS NOT NULL;
CREATE INDEX schedules_due ON schedules (next_at) WHERE enabled AND next_at IS NOT NULL;
CREATE INDEX schedules_job ON schedules (job_id);
CREATE INDEX schedules_next ON schedules (next_at NULLS FIRST, id);
CREATE INDEX schedules_enabled ON schedules (enabled, next_at NULLS FIRST, id);
CREATE INDEX schedules_created ON schedules (created_at, id);

CREATE TABLE schedule_events (
  schedule_id uuid NOT NULL REFERENCES schedules ON DELETE CASCADE, number bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL, outcome text NOT NULL, run_id text, detail text,
  PRIMARY KEY (schedule_id, number)
);

-- The few that need somebody are found among many that do not.
CREATE FUNCTION schedule_follows_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE schedules SET last_outcome = NEW.outcome WHERE id = NEW.schedule_id;
  RETURN NULL;
END $$;
CREATE TRIGGER schedule_follows_event AFTER INSERT ON schedule_events
  FOR EACH ROW EXECUTE FUNCTION schedule_follows_event();

CREATE TABLE artifacts (
  id uuid PRIMARY KEY, run_id text NOT NULL REFERENCES runs ON DELETE CASCADE, kind text NOT NULL,
  file_name text NOT NULL, object_name text NOT NULL, state text NOT NULL, size_bytes bigint, sha256 text, error jsonb,
  parameters jsonb NOT NULL DEFAULT '{}', taken_until timestamptz, attempts integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL, created_by text NOT NULL, expires_at timestamptz
);
CREATE INDEX artifacts_run ON artifacts (run_id, created_at);
CREATE INDEX artifacts_created ON artifacts (created_at, id);
CREATE INDEX artifacts_size ON artifacts (size_bytes NULLS FIRST, id);
CREATE INDEX artifacts_pending ON artifacts (created_at) WHERE state = 'pending';
CREATE INDEX artifacts_failed ON artifacts (created_at) WHERE state = 'failed';
CREATE INDEX artifacts_expiry ON artifacts (expires_at) WHERE state = 'ready';

CREATE TABLE audit (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL,
  actor_kind text NOT NULL, actor_name text NOT NULL, person_id uuid, token_id uuid, address text,
  action text NOT NULL, entity_kind text NOT NULL, entity_id text, entity_name text, changes jsonb NOT NULL
);
CREATE INDEX audit_entity ON audit (entity_kind, entity_id, number);
CREATE INDEX audit_person ON audit (person_id, number);
CREATE INDEX audit_action ON audit (action, number);

CREATE TABLE subscriptions (
  id uuid PRIMARY KEY, version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, created_by text NOT NULL, updated_at timestamptz NOT NULL,
  name text NOT NULL, kind text NOT NULL, destination text NOT NULL, events jsonb NOT NULL, digest text NOT NULL,
  enabled boolean NOT NULL, project_id uuid REFERENCES projects ON DELETE CASCADE, secret_id uuid REFERENCES secrets,
  digested_at timestamptz
);
CREATE UNIQUE INDEX subscriptions_name ON subscriptions (lower(name));

-- What is to be told: written in the transaction of what happened; from here it goes to the subscribers.
CREATE TABLE outbox (
  id uuid PRIMARY KEY, number bigint GENERATED ALWAYS AS IDENTITY UNIQUE, at timestamptz NOT NULL, event text NOT NULL,
  project_id uuid, payload jsonb NOT NULL
);

CREATE TABLE deliveries (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subscription_id uuid NOT NULL REFERENCES subscriptions ON DELETE CASCADE, event_id uuid NOT NULL,
  at timestamptz NOT NULL,
  event text NOT NULL, payload jsonb NOT NULL, state text NOT NULL, attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz, error text,
  UNIQUE (subscription_id, event_id)
);
CREATE INDEX deliveries_failed ON deliveries (subscription_id, number) WHERE state = 'failed';
CREATE INDEX deliveries_subscription ON deliveries (subscription_id, number);
CREATE INDEX deliveries_due ON deliveries (next_attempt_at) WHERE state = 'pending';

-- made_kind and made_id: what the request has made, written in the transaction that made it. attempt: which try with
-- this key may still do so.
CREATE TABLE idempotency (
  scope text NOT NULL, key text NOT NULL, request_hash text NOT NULL, attempt integer NOT NULL DEFAULT 1,
  made_kind text, made_id text, status integer, headers jsonb, body text, created_at timestamptz NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

-- Searching for a part of a name among a hundred thousand. Where the extension is not installed, searching reads all
-- rows instead, and nothing else changes.
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX jobs_words ON jobs USING gin ((name || ' ' || source_full_path || ' ' || target_full_path) gin_trgm_ops);
  CREATE INDEX jobs_name_words ON jobs USING gin (name gin_trgm_ops);
EXCEPTION WHEN undefined_file OR insufficient_privilege OR feature_not_supported OR undefined_object THEN
  RAISE NOTICE 'pg_trgm is not there: searches take longer';
END $$;
`;
