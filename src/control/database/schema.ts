/** The tables as types. Kept equal to the migrations by a test against a real database. */
import type { ColumnType, Generated, GeneratedAlways } from 'kysely';

/** A moment: given out as `Date`, taken as `Date` or ISO text. */
type Time = ColumnType<Date, Date | string, Date | string>;
/** `jsonb`: given out parsed, taken as JSON text, so that arrays are not mistaken for PostgreSQL's. */
type Jsonb = ColumnType<unknown, string, string>;
type TimeOrNull = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
type JsonbOrNull = ColumnType<unknown, string | null | undefined, string | null>;
/** `bigint`: as a number, because none of ours passes 2^53. */
type Big = number;

export interface FactsOfInstallationTable {
  name: string;
  value: Jsonb;
}

export interface PeopleTable {
  id: string;
  version: Generated<number>;
  created_at: Time;
  created_by: string;
  updated_at: Time;
  email: string;
  name: string;
  role: string;
  state: string;
  sign_in: string;
  password_hash: string | null;
  oidc_subject: string | null;
  last_sign_in_at: TimeOrNull;
}

export interface SessionsTable {
  id_hash: string;
  person_id: string;
  csrf_token: string;
  created_at: Time;
  seen_at: Time;
  expires_at: Time;
  address: string | null;
  user_agent: string | null;
}

export interface SignInAttemptsTable {
  key: string;
  failures: number;
  blocked_until: TimeOrNull;
  forgotten_at: Time;
}

export interface TokensTable {
  id: string;
  version: Generated<number>;
  created_at: Time;
  created_by: string;
  updated_at: Time;
  person_id: string;
  name: string;
  role: string;
  prefix: string;
  token_hash: string;
  expires_at: TimeOrNull;
  last_used_at: TimeOrNull;
  scopes: JsonbOrNull;
}

export interface SecretsTable {
  id: string;
  created_at: Time;
  updated_at: Time;
  master_key_id: string;
  wrapped_key: Buffer;
  sealed: Buffer;
}

export interface ConnectorsTable {
  id: string;
  version: Generated<number>;
  created_at: Time;
  created_by: string;
  updated_at: Time;
  name: string;
  provider: string;
  config: Jsonb;
  secret_id: string | null;
  secret_fingerprints: ColumnType<unknown, string | undefined, string>;
  fingerprint: string;
  signed_in_as: string | null;
  health: Generated<string>;
  health_reason: JsonbOrNull;
  checked_at: TimeOrNull;
  check_lines: ColumnType<unknown, string | undefined, string>;
  check_place: string | null;
  tags: ColumnType<unknown, string | undefined, string>;
  limits: Jsonb;
  cloud: JsonbOrNull;
  next_sync_at: TimeOrNull;
  sync_attempts: Generated<number>;
  last_used_at: TimeOrNull;
}

export interface InventoryTable {
  connector_id: string;
  container: string;
  /** `''`: of a connector that does not stand for a cloud account. */
  account_id: Generated<string>;
  region: string | null;
  first_seen_at: Time;
  last_seen_at: Time;
  gone_at: TimeOrNull;
}

export interface InventoryAccountsTable {
  connector_id: string;
  account_id: string;
  name: string;
  first_seen_at: Time;
  last_seen_at: Time;
  gone_at: TimeOrNull;
  looked_at: TimeOrNull;
  error: JsonbOrNull;
}

export interface SamplesTable {
  only_one: Generated<boolean>;
  made_at: Time;
  files: number;
  connector_id: string | null;
  source_endpoint_id: string | null;
  target_endpoint_id: string | null;
  project_id: string | null;
  job_id: string | null;
}

export interface EndpointsTable {
  id: string;
  version: Generated<number>;
  created_at: Time;
  created_by: string;
  updated_at: Time;
  name: string;
  kind: string;
  connector_id: string;
  place: string;
  full_path: string;
  description: Generated<string>;
  facts: JsonbOrNull;
  identity: ColumnType<string | null, string | undefined, string>;
}

export interface ProjectsTable {
  id: string;
  version: Generated<number>;
  created_at: Time;
  created_by: string;
  updated_at: Time;
  name: string;
  description: Generated<string>;
}

export interface TimetablesTable {
  id: string;
  version: Generated<number>;
  created_at: Time;
  created_by: string;
  updated_at: Time;
  name: string;
  timetable: Jsonb;
}

/** Written by triggers alone. */
export interface JobCountsTable {
  of_id: string;
  jobs: number;
}

export interface JobsTable {
  id: string;
  version: Generated<number>;
  created_at: Time;
  created_by: string;
  updated_at: Time;
  project_id: string;
  name: string;
  description: Generated<string>;
  type: string;
  source_endpoint_id: string;
  source_sub_path: string;
  source_full_path: string;
  target_endpoint_id: string;
  target_sub_path: string;
  target_full_path: string;
  settings: string;
  made_with: JsonbOrNull;
  counted: JsonbOrNull;
  transfers_max: number | null;
  timetable_id: string | null;
  runs_made: Generated<number>;
  last_run_id: string | null;
  last_state: string | null;
  last_run_at: TimeOrNull;
  failed_run_id: ColumnType<string | null, string | null | undefined, string | null>;
  next_run_at: TimeOrNull;
}

export interface RunsTable {
  id: string;
  version: Generated<number>;
  job_id: string;
  project_id: string;
  number: number;
  kind: string;
  trigger: string;
  created_by: string;
  transfer_id: string;
  pair_id: string;
  definition: string;
  snapshot: string;
  source_connector_id: string;
  target_connector_id: string;
  source_path: string;
  target_path: string;
  target_fingerprint: string;
  target_container: string;
  target_prefix: string;
  state: string;
  waits: JsonbOrNull;
  retry_of: string | null;
  scheduled_at: TimeOrNull;
  queued_at: Time;
  started_at: TimeOrNull;
  ended_at: TimeOrNull;
  updated_at: Time;
  error: JsonbOrNull;
  counters: Jsonb;
  requests: Jsonb;
  active_ms: Generated<Big>;
  bytes_order: Generated<Big>;
  failed_order: Generated<Big>;
  manifest_root: string | null;
  has_snapshot: Generated<boolean>;
  logs_expired: Generated<boolean>;
  live: JsonbOrNull;
  sequence: Generated<Big>;
  expected: ColumnType<string | null, string | null | undefined, string | null>;
  /** `Verdict`. */
  report_verdict: JsonbOrNull;
  percent_shown: ColumnType<number | null, number | null | undefined, number | null>;
  cleaning_attempts: Generated<number>;
  cleaning_after: TimeOrNull;
}

/** Runs that were deleted and whose files may be left. */
export interface RemovedRunsTable {
  id: string;
  attempts: Generated<number>;
  again_at: Generated<Time>;
}

export interface SegmentsTable {
  run_id: string;
  segment_id: string;
  kind: string;
  from_key: Buffer | null;
  to_key: Buffer | null;
  settled_key: Buffer | null;
  state: string;
  epoch: Generated<number>;
  worker_id: string | null;
  lease_until: TimeOrNull;
  checkpoint: string | null;
  counters: Jsonb;
  counted: JsonbOrNull;
  counted_epoch: number | null;
  takeovers: Generated<number>;
  lock_wait_ms: Generated<number>;
}

export interface ChunksTable {
  run_id: string;
  segment_id: string;
  number: GeneratedAlways<Big>;
  name: string;
  shares: string | null;
}

export interface IntentsTable {
  run_id: string;
  intent_id: string;
  intent: string;
}

export interface RunItemsTable {
  run_id: string;
  number: GeneratedAlways<Big>;
  segment_id: string;
  result: string;
  code: string;
  size_bytes: Big;
  key_text: string;
  record: string;
}

export interface RunLogTable {
  run_id: string;
  number: GeneratedAlways<Big>;
  at: Time;
  level: string;
  code: string | null;
  message: string;
}

export interface RunSessionsTable {
  run_id: string;
  session: string;
  requests: Jsonb;
  active_ms: number;
  started_at: Time;
  seen_at: Time;
}

export interface RunWorkersTable {
  run_id: string;
  worker_id: string;
  joined_at: Time;
  seen_at: Time;
  left_at: TimeOrNull;
  waiting: Generated<boolean>;
  progress: JsonbOrNull;
  shares_at: TimeOrNull;
  claims: Generated<number>;
  takeovers: Generated<number>;
  waits: Generated<number>;
  waiting_since: TimeOrNull;
  idle_ms: Generated<Big>;
}

export interface WorkersTable {
  id: string;
  name: string;
  host: string;
  pid: number;
  program_version: string;
  protocol: number;
  state: string;
  started_at: Time;
  seen_at: Time;
  left_at: TimeOrNull;
  takeovers: Generated<number>;
  /** Runs it takes part in at once, as things are. */
  slots: Generated<number>;
}

export interface ServersTable {
  id: string;
  host: string;
  pid: number;
  program_version: string;
  protocol: number;
  started_at: Time;
  seen_at: Time;
}

export interface TrafficTable {
  connector_id: string;
  writer_id: string;
  counts: Jsonb;
  busy: Jsonb;
  seen_at: Time;
}

export interface SchedulesTable {
  id: string;
  version: Generated<number>;
  created_at: Time;
  created_by: string;
  updated_at: Time;
  job_id: string;
  rule: Jsonb;
  time_zone: string;
  starts_at: TimeOrNull;
  ends_at: TimeOrNull;
  enabled: Generated<boolean>;
  run_kind: string;
  next_at: TimeOrNull;
  last_at: TimeOrNull;
  /** The moment that is being started, by whom until when, and how often that was begun. */
  due_at: TimeOrNull;
  taken_until: TimeOrNull;
  start_attempts: Generated<number>;
  /** Of its last event; the database keeps it in step. */
  last_outcome: Generated<string | null>;
  /** `next_at` holds for clocks that are past this: one before it was set back, and times are reckoned anew. */
  reckoned_at: TimeOrNull;
}

export interface ScheduleEventsTable {
  schedule_id: string;
  number: GeneratedAlways<Big>;
  at: Time;
  outcome: string;
  run_id: string | null;
  detail: string | null;
}

export interface ArtifactsTable {
  id: string;
  run_id: string;
  kind: string;
  file_name: string;
  object_name: string;
  state: string;
  size_bytes: Big | null;
  sha256: string | null;
  error: JsonbOrNull;
  parameters: ColumnType<unknown, string | undefined, string>;
  taken_until: TimeOrNull;
  attempts: Generated<number>;
  created_at: Time;
  created_by: string;
  expires_at: TimeOrNull;
}

export interface AuditTable {
  number: GeneratedAlways<Big>;
  at: Time;
  actor_kind: string;
  actor_name: string;
  person_id: string | null;
  token_id: string | null;
  address: string | null;
  action: string;
  entity_kind: string;
  entity_id: string | null;
  entity_name: string | null;
  changes: Jsonb;
}

export interface SubscriptionsTable {
  id: string;
  version: Generated<number>;
  created_at: Time;
  created_by: string;
  updated_at: Time;
  name: string;
  kind: string;
  destination: string;
  events: Jsonb;
  digest: string;
  enabled: boolean;
  project_id: string | null;
  secret_id: string | null;
  digested_at: TimeOrNull;
}

export interface OutboxTable {
  id: string;
  number: GeneratedAlways<Big>;
  at: Time;
  event: string;
  project_id: string | null;
  payload: Jsonb;
}

export interface DeliveriesTable {
  number: GeneratedAlways<Big>;
  subscription_id: string;
  event_id: string;
  at: Time;
  event: string;
  payload: Jsonb;
  state: string;
  attempts: Generated<number>;
  next_attempt_at: TimeOrNull;
  error: string | null;
}

export interface IdempotencyTable {
  scope: string;
  key: string;
  request_hash: string;
  attempt: Generated<number>;
  made_kind: string | null;
  made_id: string | null;
  status: number | null;
  headers: JsonbOrNull;
  body: string | null;
  created_at: Time;
}

export interface DismissalsTable {
  id: string;
  mark: string;
  what: string;
  entity_id: string;
  since: Time;
  cause: string;
  kind: string;
  name: string;
  text: string;
  note: string;
  created_at: Time;
  created_by: string;
}

export interface Schema {
  dismissals: DismissalsTable;
  facts_of_installation: FactsOfInstallationTable;
  people: PeopleTable;
  sessions: SessionsTable;
  sign_in_attempts: SignInAttemptsTable;
  tokens: TokensTable;
  secrets: SecretsTable;
  connectors: ConnectorsTable;
  inventory: InventoryTable;
  inventory_accounts: InventoryAccountsTable;
  samples: SamplesTable;
  endpoints: EndpointsTable;
  projects: ProjectsTable;
  timetables: TimetablesTable;
  jobs: JobsTable;
  job_counts: JobCountsTable;
  runs: RunsTable;
  removed_runs: RemovedRunsTable;
  segments: SegmentsTable;
  chunks: ChunksTable;
  intents: IntentsTable;
  run_items: RunItemsTable;
  run_log: RunLogTable;
  run_sessions: RunSessionsTable;
  run_workers: RunWorkersTable;
  workers: WorkersTable;
  servers: ServersTable;
  traffic: TrafficTable;
  schedules: SchedulesTable;
  schedule_events: ScheduleEventsTable;
  artifacts: ArtifactsTable;
  audit: AuditTable;
  subscriptions: SubscriptionsTable;
  outbox: OutboxTable;
  deliveries: DeliveriesTable;
  idempotency: IdempotencyTable;
}
