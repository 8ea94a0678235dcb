/**
 * What the server can do, as one small interface per subject. Every method that changes something takes the actor
 * first, checks the actor's role (`may` in people/roles.ts), writes the audit line in the same transaction, and tells
 * the bus. `version`: what the caller saw last; EDIT_CONFLICT when it changed since; `null` = whatever it is now.
 * All fail with DroverError: ENTITY_NOT_FOUND, INVALID_INPUT or ALREADY_EXISTS with `field`, FORBIDDEN,
 * DATABASE_UNAVAILABLE, and what is named at the method.
 */
import type { Config } from '../contract/fields.ts';
import type {
  BrowsePage,
  CheckLine,
  DiscoveredItem,
  Place,
  PolicyRequest,
  PolicyText,
  Use,
} from '../contract/provider.ts';
import type { BandwidthTimetable, Concession } from '../engine/definition.ts';
import type { Json } from '../model/json.ts';
import type { RunState } from '../model/outcome.ts';
import type { Policy } from '../model/policy.ts';
import type {
  Actor,
  Artifact,
  AuditLine,
  CloudAccount,
  Connector,
  ConnectorLimits,
  Delivery,
  Dismissal,
  Endpoint,
  InventoryAccount,
  InventoryItem,
  Job,
  JobSettings,
  JobTuning,
  ListQuery,
  ManyOutcome,
  NotificationEvent,
  Page,
  Person,
  Preflight,
  Project,
  Role,
  Run,
  RunItem,
  RunMap,
  RunKind,
  NewRunLogLine,
  RunLogLine,
  RunSegment,
  RunSnapshot,
  RunTrigger,
  RunWorker,
  Sample,
  Schedule,
  ScheduleEvent,
  ScheduleRule,
  Selection,
  Subscription,
  Tags,
  Timetable,
  Token,
  WorkerNode,
} from './entities.ts';
import type { Right } from './people/roles.ts';
import type { Tx } from './world.ts';

type Version = number | null;

export interface People {
  list(actor: Actor, query: ListQuery): Promise<Page<Person>>;
  get(actor: Actor, id: string): Promise<Person>;
  /** With a password, or `null` for somebody who signs in by OIDC. */
  create(actor: Actor, input: { email: string; name: string; role: Role; password: string | null }): Promise<Person>;
  /**
   * The last active admin cannot be disabled or lowered (WRONG_STATE). A new password and disabling end the sessions of
   * that person, and their tokens too unless `endTokens` is false.
   */
  update(
    actor: Actor,
    id: string,
    version: Version,
    change: { name?: string; role?: Role; state?: Person['state']; password?: string; endTokens?: boolean },
  ): Promise<Person>;
  /** Own password; needs the old one. Ends the person's other sessions, and with `endTokens` their tokens. */
  changePassword(
    actor: Actor,
    change: { current: string; next: string; endTokens?: boolean },
    keepSession: string | null,
  ): Promise<void>;
  remove(actor: Actor, id: string, version: Version): Promise<void>;
}

export interface SignIn {
  /** True until the first admin was made. */
  needsSetup(): Promise<boolean>;
  /** A one-time link token for the first admin; replaces an earlier one; WRONG_STATE once there is an admin. */
  makeSetupToken(): Promise<string>;
  setUp(input: {
    token: string | null;
    email: string;
    name: string;
    password: string;
    address?: string | null;
  }): Promise<Person>;
  /**
   * NOT_SIGNED_IN for a wrong e-mail or password, in the same time for both; RATE_LIMITED. `sessionSecret`: of the browser
   * that asks, so that guesses from elsewhere do not keep out whoever is signed in there already.
   */
  withPassword(input: {
    email: string;
    password: string;
    address: string | null;
    userAgent: string | null;
    sessionSecret?: string | null;
  }): Promise<NewSession>;
  /** By OIDC: where to send the browser, and what to keep in a cookie meanwhile. */
  beginOidc(redirectUri: string, address?: string | null): Promise<{ url: string; state: string }>;
  finishOidc(input: {
    url: string;
    state: string;
    redirectUri: string;
    address: string | null;
    userAgent: string | null;
  }): Promise<NewSession>;
  readonly oidcTitle: string | null;
  /** `null`: no such session, or it ended. `isActivity: false` looks without prolonging it. */
  session(
    secret: string,
    options?: { readonly isActivity: boolean },
  ): Promise<{ actor: Actor; person: Person; csrfToken: string } | null>;
  end(secret: string): Promise<void>;
  token(secret: string, address: string | null): Promise<Actor | null>;
}

export interface NewSession {
  /** Goes into the cookie; only its hash is kept. */
  readonly secret: string;
  readonly csrfToken: string;
  readonly expiresAt: string;
  readonly person: Person;
}

export interface Tokens {
  /** Own ones; an admin sees all. */
  list(actor: Actor, query: ListQuery): Promise<Page<Token>>;
  /** ENTITY_NOT_FOUND also for somebody else's, unless an admin asks. */
  get(actor: Actor, id: string): Promise<Token>;
  /** The secret is given out this once. */
  create(
    actor: Actor,
    input: { name: string; role: Role; scopes?: readonly Right[] | null | undefined; expiresAt: string | null },
  ): Promise<{ token: Token; secret: string }>;
  remove(actor: Actor, id: string): Promise<void>;
}

export interface ReauthorizeHow {
  /** Its endpoints, and the jobs between them, may be led to another place by it. */
  readonly acceptMove?: boolean | undefined;
}

export interface ConnectorInput {
  readonly provider: string;
  /** Left out: the provider's title, made unique (`Amazon S3 2`). */
  readonly name?: string | undefined;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tags?: Tags | undefined;
  readonly limits?: ConnectorLimits | undefined;
  readonly cloud?: Omit<CloudAccount, 'lastSyncAt' | 'nextSyncAt' | 'lastSyncError'> | null | undefined;
}

export interface ConnectorSuggestion {
  readonly name: string;
  readonly config: Config;
}

export interface DiscoveredPage {
  readonly items: readonly DiscoveredItem[];
}

export interface Connectors {
  list(actor: Actor, query: ListQuery): Promise<Page<Connector>>;
  get(actor: Actor, id: string): Promise<Connector>;
  /** Checks the fields, then signs in; a wrong credential is an INVALID_INPUT at its field and saves nothing. */
  authorize(actor: Actor, input: ConnectorInput): Promise<Connector>;
  /**
   * Same form; a secret left out stays. Health becomes healthy, and runs that waited for it go on. GUARD_CONFIRM names
   * the endpoints and jobs that would be led to another place.
   */
  reauthorize(
    actor: Actor,
    id: string,
    version: Version,
    config: ConnectorInput['config'],
    how?: ReauthorizeHow,
  ): Promise<Connector>;
  update(
    actor: Actor,
    id: string,
    version: Version,
    change: { name?: string; tags?: Tags; limits?: ConnectorLimits; cloud?: ConnectorInput['cloud'] },
  ): Promise<Connector>;
  /** Permission by permission, line by line; the result is kept with the connector. */
  test(actor: Actor, id: string, place: Place | null, use: Use, signal: AbortSignal): AsyncIterable<CheckLine>;
  /** The same for values not saved yet (`id`: whose unchanged secrets to use). */
  testDraft(
    actor: Actor,
    id: string | null,
    input: ConnectorInput,
    place: Place | null,
    use: Use,
    signal: AbortSignal,
  ): AsyncIterable<CheckLine>;
  /** IN_USE names the endpoints and jobs. */
  remove(actor: Actor, id: string, version: Version): Promise<void>;
  usedBy(
    actor: Actor,
    id: string,
  ): Promise<{ endpoints: readonly Endpoint[]; jobs: readonly Pick<Job, 'id' | 'name' | 'projectName'>[] }>;
  browse(actor: Actor, id: string, place: Place | null, signal: AbortSignal): AsyncIterable<BrowsePage>;
  makeContainer(actor: Actor, id: string, name: string, signal: AbortSignal): Promise<'made' | 'existed'>;
  /** Policies, trust policy, templates for exactly this connector (or these values not saved yet). */
  policies(actor: Actor, id: string, request: Partial<PolicyRequest>): Promise<readonly PolicyText[]>;
  draftPolicies(actor: Actor, input: ConnectorInput, request: Partial<PolicyRequest>): Promise<readonly PolicyText[]>;
  /** What a new connector's form begins with: the name it would get, and values that Drover makes (an external ID). */
  suggest(actor: Actor, provider: string): Promise<ConnectorSuggestion>;
  /**
   * What the sign-in of a form sees before an account is chosen: subscriptions (`parent` null), then the storage accounts
   * of one. `id`: whose unchanged secrets to use. UNSUPPORTED where a sign-in is one account.
   */
  discover(
    actor: Actor,
    id: string | null,
    input: ConnectorInput,
    parent: string | null,
    signal: AbortSignal,
  ): AsyncIterable<DiscoveredPage>;
  inventory(actor: Actor, id: string, query: ListQuery): Promise<Page<InventoryItem>>;
  /** Members of an organization, with what went wrong in each. */
  inventoryAccounts(actor: Actor, id: string, query: ListQuery): Promise<Page<InventoryAccount>>;
  /**
   * A connector for one member of an organization, from the same sign-in. WRONG_STATE where the connector is no
   * organization's, ENTITY_NOT_FOUND for an account that is not in use there, INVALID_INPUT where its role lets nobody in.
   */
  addAccount(actor: Actor, id: string, accountId: string, signal: AbortSignal): Promise<Connector>;
  /** Looks now. */
  refreshInventory(actor: Actor, id: string, signal: AbortSignal): Promise<Connector>;
  /** By whoever runs into an authorization error, or sees that all is well again. Not audited as a person's act. */
  reportHealth(
    id: string,
    error: { code: string; message: string; remedy?: string } | null,
    /** Of the connector as it was opened: what failed with credentials that were replaced since says nothing. */
    seenVersion?: number,
  ): Promise<void>;
}

export interface Endpoints {
  list(actor: Actor, query: ListQuery): Promise<Page<Endpoint>>;
  get(actor: Actor, id: string): Promise<Endpoint>;
  create(
    actor: Actor,
    input: {
      name?: string | undefined;
      kind: Endpoint['kind'];
      connectorId: string;
      place: Place;
      description?: string | undefined;
    },
    signal: AbortSignal,
  ): Promise<Endpoint>;
  /** Nothing else may change: FIXED_FIELD. */
  update(actor: Actor, id: string, version: Version, change: { description: string }): Promise<Endpoint>;
  /** IN_USE names the jobs. */
  remove(actor: Actor, id: string, version: Version): Promise<void>;
}

/** Something to move before anybody has an account at hand. */
export interface Samples {
  get(actor: Actor): Promise<{ sample: Sample | null }>;
  /** A folder of the server with some hundred files, a connector, two endpoints, a project and a job. ALREADY_EXISTS. */
  create(actor: Actor, signal: AbortSignal): Promise<{ sample: Sample | null }>;
  /** All of it. IN_USE names what somebody made with it; WRONG_STATE while it runs; ENTITY_NOT_FOUND. */
  remove(actor: Actor): Promise<void>;
}

/** Of runs, by themselves or with what they belong to. */
export interface Removal {
  /** Also where uploads in parts of them may be open still: nobody ends those any more. */
  readonly forgetUploads?: boolean | undefined;
}

export interface ProjectRemoval {
  readonly jobs: number;
  readonly runs: number;
  /** Of those: they keep it from being deleted. */
  readonly active: number;
  readonly schedules: number;
  readonly enabledSchedules: number;
  /** Those about this project alone. */
  readonly subscriptions: number;
}

export interface JobRemoval {
  readonly runs: number;
  /** Of those: they keep it from being deleted. */
  readonly active: number;
  readonly schedules: number;
  readonly enabledSchedules: number;
  /** Files that were asked for: validation reports, copy logs, manifests. */
  readonly reports: number;
}

export interface Projects {
  list(actor: Actor, query: ListQuery): Promise<Page<Project>>;
  get(actor: Actor, id: string): Promise<Project>;
  create(actor: Actor, input: { name: string; description?: string | undefined }): Promise<Project>;
  /** The name is fixed. */
  update(actor: Actor, id: string, version: Version, change: { description: string }): Promise<Project>;
  /** What `remove` would take along. */
  removal(actor: Actor, id: string): Promise<ProjectRemoval>;
  /**
   * `expectedJobs`: as the person was told; COUNT_CHANGED otherwise. WRONG_STATE while runs are active; IN_USE while one
   * may have left uploads open at its target.
   */
  remove(actor: Actor, id: string, version: Version, expectedJobs: number, how?: Removal): Promise<void>;
}

export interface JobInput {
  readonly name: string;
  readonly description?: string | undefined;
  readonly sourceEndpointId: string;
  readonly sourceSubPath?: string | undefined;
  readonly targetEndpointId: string;
  readonly targetSubPath?: string | undefined;
  readonly settings?: Partial<JobSettings> | undefined;
  readonly tuning?: Partial<JobTuning> | undefined;
}

export interface DuplicateJob extends Partial<JobInput> {
  readonly name: string;
  readonly projectId?: string | undefined;
}

export interface Jobs {
  list(actor: Actor, query: ListQuery): Promise<Page<Job>>;
  get(actor: Actor, id: string): Promise<Job>;
  create(actor: Actor, projectId: string, input: JobInput): Promise<Job>;
  /** Endpoints and sub-paths: FIXED_FIELD with the reason. Settings hold for the next run. */
  update(
    actor: Actor,
    id: string,
    version: Version,
    change: { name?: string; description?: string; settings?: Partial<JobSettings>; tuning?: Partial<JobTuning> },
  ): Promise<Job>;
  /**
   * Another job as this one is, but for what is given. A sub-path belongs to its endpoint: with another endpoint it is
   * the whole place, unless one is given. Schedules and history stay with the first.
   */
  duplicate(actor: Actor, id: string, input: DuplicateJob): Promise<Job>;
  /** What `remove` would take along. */
  removal(actor: Actor, id: string): Promise<JobRemoval>;
  /**
   * With its runs, their logs and files, and its schedules. `expectedRuns`: as the person was told; COUNT_CHANGED
   * otherwise. WRONG_STATE while a run of it is active; IN_USE while one may have left uploads open at its target.
   */
  remove(
    actor: Actor,
    id: string,
    version: Version,
    how?: Removal & { readonly expectedRuns?: number | undefined },
  ): Promise<void>;
  /** Migration outcomes for this very pair and settings; of a draft too. */
  outcomes(
    actor: Actor,
    input: Pick<JobInput, 'sourceEndpointId' | 'targetEndpointId' | 'settings'>,
  ): Promise<readonly Concession[]>;
  /** Permission checks on both sides, estimate and warnings; `count`: also lists the source for the estimate. */
  preflight(
    actor: Actor,
    id: string,
    /** What is to be started; default: a transfer. What only compares writes nothing, and needs no right to. */
    options: {
      readonly count: boolean;
      readonly kind?: RunKind | undefined;
      /**
       * No permission checks: only whether a run would read what it writes, or delete what it reads. PLACES_OVERLAP is
       * thrown then, and a warning says where that could not be tried out.
       */
      readonly placesOnly?: boolean | undefined;
    },
    signal: AbortSignal,
  ): Promise<Preflight>;
  /** Azure: assigns the role where it may and waits until it works. FORBIDDEN with the command to run otherwise. */
  grant(actor: Actor, id: string, side: 'source' | 'target', signal: AbortSignal): Promise<Preflight>;
}

export interface StartRun {
  readonly kind: RunKind;
  /** Only for `retry`: whose failed items. */
  readonly retryOf?: string | undefined;
  readonly trigger: RunTrigger;
  readonly scheduledAt?: string | undefined;
  /** Start although the permission checks find something. Never skips the proof that source and target are not one place. */
  readonly skipPreflight?: boolean | undefined;
  /** One of the guards of this run alone. */
  readonly allowEmptySource?: boolean | undefined;
  /** Instead of the job's setting, for this run alone. */
  readonly verify?: Policy['verify'] | undefined;
}

export interface Runs {
  list(actor: Actor, query: ListQuery): Promise<Page<Run>>;
  get(actor: Actor, id: string): Promise<Run>;
  snapshot(actor: Actor, id: string): Promise<RunSnapshot>;
  segments(actor: Actor, id: string, query: ListQuery): Promise<Page<RunSegment>>;
  workers(actor: Actor, id: string): Promise<readonly RunWorker[]>;
  map(actor: Actor, id: string, cells: number): Promise<RunMap>;
  /** GUARD_BUSY when the job has an active run; PREFLIGHT_FAILED with the whole report. The run has its `warnings`. */
  start(actor: Actor, jobId: string, input: StartRun, signal: AbortSignal): Promise<Run>;
  /**
   * Idempotent: pausing what is paused is fine; what paused by itself for attention is then a person's pause, and does not
   * go on by itself. WRONG_STATE once it has ended.
   */
  pause(actor: Actor, id: string): Promise<Run>;
  /** Its `warnings` say what still stands against it. */
  resume(actor: Actor, id: string): Promise<Run>;
  cancel(actor: Actor, id: string): Promise<Run>;
  /**
   * With its history, logs and files. WRONG_STATE before its end; IN_USE while the next run needs what it found, or while
   * it may have left uploads open at its target.
   */
  remove(actor: Actor, id: string, how?: Removal): Promise<void>;
  /** The same on many: those that match, `except` some; COUNT_CHANGED when they are not `expectedCount`. */
  bulk(actor: Actor, action: 'pause' | 'resume' | 'cancel', selection: Selection): Promise<{ changed: number }>;
  /** For tests and the bus: states that have not ended. */
  active(): Promise<readonly { id: string; state: RunState }[]>;
}

/** What a request does in several steps, each of which has one effect however often the request is sent. */
export interface Steps {
  /** What `make` gave when that step was first done; `again`: from the id of what it made, where the answer was lost. */
  once<T extends Json>(name: string, make: (actor: Actor) => Promise<T>, again: (id: string) => Promise<T>): Promise<T>;
}

/** The same on many. COUNT_CHANGED before anything is done when they are not `expectedCount`. */
export interface Many {
  /**
   * `retry`: what failed in the newest run of each. Repeated in the same `steps`, it is about the same jobs, starts only
   * those that were not started, and tells of all.
   */
  startJobs(
    actor: Actor,
    how: { readonly kind: RunKind; readonly skipPreflight?: boolean | undefined },
    selection: Selection,
    signal: AbortSignal,
    steps?: Steps,
  ): Promise<AsyncIterable<ManyOutcome>>;
  switchSchedules(
    actor: Actor,
    enabled: boolean,
    selection: Selection,
    signal: AbortSignal,
  ): Promise<AsyncIterable<ManyOutcome>>;
}

export interface Schedules {
  list(actor: Actor, query: ListQuery): Promise<Page<Schedule>>;
  get(actor: Actor, id: string): Promise<Schedule>;
  create(actor: Actor, jobId: string, input: ScheduleInput): Promise<Schedule>;
  update(actor: Actor, id: string, version: Version, change: Partial<ScheduleInput>): Promise<Schedule>;
  /** Runs the permission checks of the job first: PREFLIGHT_FAILED with the lines. */
  enable(actor: Actor, id: string, signal: AbortSignal): Promise<Schedule>;
  disable(actor: Actor, id: string): Promise<Schedule>;
  remove(actor: Actor, id: string, version: Version): Promise<void>;
  /** The next `count` moments, without saving anything. */
  preview(input: ScheduleInput, count: number): readonly string[];
  events(actor: Actor, id: string, query: ListQuery): Promise<Page<ScheduleEvent & { readonly number: number }>>;
  /** Starts what is due; called every few seconds by every server, safe to call by several at once. */
  tick(signal: AbortSignal): Promise<number>;
}

export interface ScheduleInput {
  readonly rule: ScheduleRule;
  readonly timeZone: string;
  readonly startsAt?: string | null | undefined;
  readonly endsAt?: string | null | undefined;
  readonly runKind?: Schedule['runKind'] | undefined;
}

export interface Timetables {
  list(actor: Actor, query: ListQuery): Promise<Page<Timetable>>;
  get(actor: Actor, id: string): Promise<Timetable>;
  create(actor: Actor, input: { name: string; timetable: BandwidthTimetable }): Promise<Timetable>;
  update(
    actor: Actor,
    id: string,
    version: Version,
    change: { name?: string; timetable?: BandwidthTimetable },
  ): Promise<Timetable>;
  remove(actor: Actor, id: string, version: Version): Promise<void>;
}

export type LogFormat = 'csv' | 'ndjson';
export type LogFileQuery = Pick<ListQuery, 'sort' | 'search' | 'filter'>;

export interface CodeCounts {
  /** When they were counted. */
  readonly asOf: string;
  readonly codes: readonly {
    readonly code: string;
    readonly result: string;
    readonly items: number;
    /** What to do about it. */
    readonly remedy: string;
  }[];
}

export interface Logs {
  /** The first 100,000 failed and unsupported items; `complete` says whether those are all. */
  items(actor: Actor, runId: string, query: ListQuery): Promise<Page<RunItem> & { readonly complete: boolean }>;
  /** Failures by code, most first. */
  codes(actor: Actor, runId: string | null): Promise<CodeCounts>;
  lines(actor: Actor, runId: string, query: ListQuery): Promise<Page<RunLogLine>>;
  audit(actor: Actor, query: ListQuery): Promise<Page<AuditLine>>;
  /** Every line that the query chooses, page by page. */
  linesFile(actor: Actor, runId: string, format: LogFormat, query: LogFileQuery): Promise<AsyncIterable<Uint8Array>>;
  auditFile(actor: Actor, format: LogFormat, query: LogFileQuery): Promise<AsyncIterable<Uint8Array>>;
  /** By the server and its workers. */
  append(runId: string, line: NewRunLogLine): Promise<void>;
}

export { SPOT_CHECK_MAX } from '../engine/spot-check.ts';

export interface Reports {
  /** Newest first, of one run. */
  list(actor: Actor, runId: string): Promise<readonly Artifact[]>;
  /** Whoever has it can tell a report of this installation from any other, without asking again. */
  publicKey(actor: Actor): Promise<{ readonly publicKey: string }>;
  /** Of all runs. */
  all(actor: Actor, query: ListQuery): Promise<Page<Artifact>>;
  get(actor: Actor, id: string): Promise<Artifact>;
  /** The file first, then the row; WRONG_STATE while it is being made. */
  remove(actor: Actor, id: string): Promise<void>;
  /** Made in the background; `spotCheck`: how many random objects a report reads back byte by byte. */
  request(
    actor: Actor,
    runId: string,
    kind: Artifact['kind'],
    options: { spotCheck?: number | undefined; results?: readonly string[] | undefined },
  ): Promise<Artifact>;
  /** One that failed is made once more, with all its attempts; WRONG_STATE otherwise. */
  retry(actor: Actor, id: string): Promise<Artifact>;
  download(actor: Actor, id: string): Promise<{ artifact: Artifact; content: AsyncIterable<Uint8Array> }>;
  /** Only after a clean validation; WRONG_STATE says what is missing. */
  whatCanGo(actor: Actor, jobId: string): Promise<readonly { title: string; detail: string; command: string | null }[]>;
}

export interface Notifications {
  list(actor: Actor, query: ListQuery): Promise<Page<Subscription>>;
  get(actor: Actor, id: string): Promise<Subscription>;
  create(actor: Actor, input: SubscriptionInput): Promise<{ subscription: Subscription; signingSecret: string | null }>;
  update(actor: Actor, id: string, version: Version, change: Partial<SubscriptionInput>): Promise<Subscription>;
  remove(actor: Actor, id: string, version: Version): Promise<void>;
  /** Sends one message now and says how it went. */
  test(actor: Actor, id: string, signal: AbortSignal): Promise<Delivery>;
  deliveries(actor: Actor, id: string, query: ListQuery): Promise<Page<Delivery & { readonly number: number }>>;
  /** What was given up is sent again, with all its attempts; returns how many messages that are. */
  retry(actor: Actor, id: string): Promise<{ changed: number }>;
  /** Messages to whoever subscribed. With a transaction they go out when it commits, and never when it does not. */
  tell(
    event: NotificationEvent,
    about: { runId: string | null; projectId: string | null; payload: Json },
    tx?: Tx,
  ): Promise<void>;
}

export interface SubscriptionInput {
  readonly name: string;
  readonly kind: Subscription['kind'];
  readonly destination: string;
  readonly events: readonly NotificationEvent[];
  readonly digest?: Subscription['digest'] | undefined;
  readonly enabled?: boolean | undefined;
  readonly projectId?: string | null | undefined;
}

export interface Fleet {
  list(actor: Actor): Promise<readonly WorkerNode[]>;
  /** Lets it end what it has begun; its segments go to the others. */
  drain(actor: Actor, workerId: string): Promise<void>;
}

/** Something that somebody has to do something about. */
export interface Attention {
  /** Names this entry as it is now: another one when something new has happened. */
  readonly mark: string;
  readonly kind: 'connector' | 'run' | 'schedule' | 'subscription' | 'worker' | 'artifact';
  /** Of the entity; of a fleet without any worker, `null`. */
  readonly id: string | null;
  /** As people know it. */
  readonly name: string;
  /** What happened, and why. */
  readonly text: string;
  /** What to do. */
  readonly remedy: string;
  /** Its path, below the address of the server as below `/api/v1`. */
  readonly link: string;
  readonly at: string;
  /** So many runs wait for it. */
  readonly runs: number;
}

export interface Overview {
  /** When it was true. */
  readonly asOf: string;
  /** Newest first, at most 100. */
  readonly attention: readonly Attention[];
  /** There is more than that. */
  readonly moreAttention: boolean;
  /** The first few of them. */
  readonly running: readonly Run[];
  readonly runningTotal: number;
  readonly queued: number;
  /** Runs that may go on at once, in the whole installation. */
  readonly runsMax: number;
  readonly today: {
    readonly items: number;
    readonly bytes: number;
    /** Objects. */
    readonly failed: number;
    readonly runs: number;
    readonly failedRuns: number;
  };
  /** When the codes were counted: that is done anew from time to time. */
  readonly codesAsOf: string;
  readonly codes: readonly { readonly code: string; readonly items: number }[];
  readonly nextSchedules: readonly Schedule[];
}

export interface Dismissals {
  list(actor: Actor, query: ListQuery): Promise<Page<Dismissal>>;
  get(actor: Actor, id: string): Promise<Dismissal>;
  /** Idempotent. ENTITY_NOT_FOUND when the overview does not list it (any more), or something new has happened since. */
  create(actor: Actor, input: { readonly mark: string; readonly note?: string | undefined }): Promise<Dismissal>;
  /** It is listed again, if it still needs somebody. */
  remove(actor: Actor, id: string): Promise<void>;
}

/** Connectors (without secrets), endpoints, projects, jobs, schedules and timetables as one document. */
export interface Definitions {
  export(actor: Actor, projectNames: readonly string[] | null): Promise<DefinitionDocument>;
  /** What `apply` would do; nothing is changed. Each problem names its path in the document. */
  plan(actor: Actor, document: unknown): Promise<DefinitionPlan>;
  /**
   * Step by step, each by the service that owns it; a failure leaves the steps before it, and applying again goes on.
   * Idempotent: a second time nothing is left to do. COUNT_CHANGED when the plan is another by now.
   */
  apply(actor: Actor, document: unknown, planHash: string): Promise<DefinitionPlan>;
}

export type DefinitionDocument = { readonly [kind: string]: Json };

export interface DefinitionPlan {
  readonly steps: readonly {
    readonly action: 'create' | 'update' | 'keep';
    readonly kind: string;
    readonly name: string;
    readonly changes: readonly { readonly field: string; readonly before: Json; readonly after: Json }[];
    /** Of what is created: as the document says, without what a connector signs in with. */
    readonly made: Json;
  }[];
  readonly problems: readonly { readonly path: string; readonly message: string }[];
  readonly hash: string;
}

export interface Services {
  readonly signIn: SignIn;
  readonly people: People;
  readonly tokens: Tokens;
  readonly connectors: Connectors;
  readonly endpoints: Endpoints;
  readonly projects: Projects;
  readonly samples: Samples;
  readonly jobs: Jobs;
  readonly runs: Runs;
  readonly schedules: Schedules;
  readonly many: Many;
  readonly timetables: Timetables;
  readonly logs: Logs;
  readonly reports: Reports;
  readonly notifications: Notifications;
  readonly fleet: Fleet;
  readonly definitions: Definitions;
  readonly dismissals: Dismissals;
  overview(actor: Actor): Promise<Overview>;
}
