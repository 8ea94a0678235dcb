/**
 * The nouns of the server, as its services give them out: plain JSON, times as ISO 8601 in UTC, never a secret.
 * `version` rises with every change and is what an ETag is made of.
 */
import type { CheckLine, Place, TargetFacts, Use } from '../contract/provider.ts';
import type { Config } from '../contract/fields.ts';
import type { BandwidthTimetable, Concession, Progress, RunPhase } from '../engine/definition.ts';
import type { RequestCounts } from '../engine/ports.ts';
import type { Failure } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { Counters, ItemRecord, RunState } from '../model/outcome.ts';
import type { Policy } from '../model/policy.ts';
import type { Right } from './people/roles.ts';

export type Role = 'viewer' | 'operator' | 'admin';

/** Who does something. `system`: the server itself (a schedule, retention); it may do everything. */
export interface Actor {
  readonly kind: 'person' | 'token' | 'system';
  /** Of the person; for a token, of the person it belongs to. */
  readonly personId: string | null;
  readonly tokenId: string | null;
  readonly name: string;
  readonly role: Role;
  /** Of a token that was narrowed: all that it may, as far as its role may it, too. */
  readonly scopes?: readonly Right[] | undefined;
  readonly address: string | null;
  /** Where this acts for a request with an idempotency key: what is made is written down there with its audit line. */
  readonly request?: KeyedRequest;
}

/** One try of a request with an idempotency key. A later one takes the right to make anything away from it. */
export interface KeyedRequest {
  readonly scope: string;
  readonly key: string;
  readonly attempt: number;
}

export const SYSTEM: Actor = {
  kind: 'system',
  personId: null,
  tokenId: null,
  name: 'Drover',
  role: 'admin',
  address: null,
};

interface Kept {
  readonly id: string;
  readonly version: number;
  readonly createdAt: string;
  /** Name of whoever made it. */
  readonly createdBy: string;
  readonly updatedAt: string;
}

export type Tags = Readonly<Record<string, string>>;

export interface Person extends Kept {
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly state: 'active' | 'disabled';
  readonly signIn: 'password' | 'oidc';
  readonly lastSignInAt: string | null;
}

export interface Token extends Kept {
  readonly name: string;
  readonly personId: string;
  readonly personName: string;
  /** Never more than the person's own. */
  readonly role: Role;
  /** All that it may, as far as its role may it, too; `null`: everything that its role may. */
  readonly scopes: readonly Right[] | null;
  /** First characters, to recognise it. */
  readonly prefix: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

export type Health = 'untested' | 'healthy' | 'needs-attention';

export interface Connector extends Kept {
  readonly name: string;
  readonly provider: string;
  readonly providerTitle: string;
  /** Described fields without the secrets. */
  readonly config: Config;
  /** Secret field → fingerprint of its value, to recognise it. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The acting identity as the last check saw it. */
  readonly signedInAs: string | null;
  readonly health: Health;
  readonly healthReason: Failure | null;
  readonly checkedAt: string | null;
  readonly check: readonly CheckLine[];
  /** Where the last check looked; `null`: at the account as a whole. */
  readonly checkedPlace: Place | null;
  readonly tags: Tags;
  readonly limits: ConnectorLimits;
  /** Set where it stands for a whole cloud account, with an inventory. */
  readonly cloud: CloudAccount | null;
  readonly usedBy: { readonly endpoints: number; readonly jobs: number };
  readonly lastUsedAt: string | null;
}

/** Shared by all workers together; `null` = chosen by Drover. */
export interface ConnectorLimits {
  readonly requestsPerSecond: number | null;
  readonly transfersMax: number | null;
}

/** What the seeds call a multicloud connector: one AWS account (or organization) with its inventory. */
export interface CloudAccount {
  readonly accountType: 'single' | 'organization';
  readonly accountId: string;
  readonly solutions: readonly ('inventory' | 'storage-data-management')[];
  /** S3 only. */
  readonly services: readonly 's3'[];
  readonly permission: 'read' | 'read-restore' | 'read-write';
  /** `null` = all regions. */
  readonly regions: readonly string[] | null;
  /** `null` = looked at once. */
  readonly syncEveryMinutes: number | null;
  readonly lastSyncAt: string | null;
  readonly nextSyncAt: string | null;
  readonly lastSyncError: Failure | null;
}

export interface InventoryItem {
  readonly connectorId: string;
  /** Of the cloud account it is in; `null` where the connector stands for none. */
  readonly accountId: string | null;
  readonly container: string;
  readonly region: string | null;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  /** Not listed any more since then. */
  readonly goneAt: string | null;
}

/** Files to try Drover with, and everything that was made for them. `null` where somebody has removed it since. */
export interface Sample {
  readonly createdAt: string;
  /** On the machine of the server. */
  readonly folder: string;
  readonly files: number;
  readonly connectorId: string | null;
  readonly sourceEndpointId: string | null;
  readonly targetEndpointId: string | null;
  readonly projectId: string | null;
  readonly jobId: string | null;
}

/** A member of an organization, as its inventory saw it last. */
export interface InventoryAccount {
  readonly connectorId: string;
  readonly accountId: string;
  readonly name: string;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  /** Not in use, or not in the organization, since then. */
  readonly goneAt: string | null;
  /** When its buckets were last listed. */
  readonly lastSyncAt: string | null;
  /** Why they were not since; what was seen before stays as it was. */
  readonly lastSyncError: Failure | null;
}

export interface Endpoint extends Kept {
  readonly name: string;
  readonly kind: 'source' | 'target';
  readonly connectorId: string;
  readonly connectorName: string;
  readonly provider: string;
  readonly place: Place;
  /** The whole address as people check it: `s3://bucket/prefix/`. */
  readonly fullPath: string;
  /** Which store it is in, where there are several of this kind: host and port, or `aws`. `null`: a folder, or unknown. */
  readonly store: string | null;
  readonly description: string;
  /** What the store was seen to honour (targets only). */
  readonly facts: TargetFacts | null;
  readonly usedBy: { readonly jobs: number };
  /** Only of one that was just made, and only where there is something to say. */
  readonly warnings?: readonly string[];
}

export interface Project extends Kept {
  readonly name: string;
  readonly description: string;
  readonly counts: { readonly jobs: number; readonly runs: number; readonly active: number };
}

export type JobType = 'cloud-to-cloud' | 'folder-to-cloud' | 'cloud-to-folder' | 'folder-to-folder';

export interface JobEnd {
  readonly endpointId: string;
  readonly endpointName: string;
  readonly provider: string;
  /** `''` or ends with `/`; fixed after creation. */
  readonly subPath: string;
  readonly fullPath: string;
}

/** What a job decides about its runs; a change holds for the next run. */
export type JobSettings = Omit<Policy, 'dryRun' | 'oneWay' | 'mode'> & { readonly mode: 'merge' | 'mirror' };

export interface JobTuning {
  readonly transfersMax: number | null;
  /** Of a saved bandwidth timetable. */
  readonly timetableId: string | null;
}

export interface Job extends Kept {
  readonly projectId: string;
  readonly projectName: string;
  readonly name: string;
  readonly description: string;
  readonly type: JobType;
  readonly source: JobEnd;
  readonly target: JobEnd;
  readonly settings: JobSettings;
  readonly tuning: JobTuning;
  readonly lastRun: RunBrief | null;
  readonly nextRunAt: string | null;
  /** Only of one that was just made or changed, and only where there is something to say. */
  readonly warnings?: readonly string[];
}

export interface RunBrief {
  readonly id: string;
  readonly number: number;
  readonly kind: RunKind;
  readonly state: RunState;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly durationMs: number;
  readonly items: Counters['items'];
  readonly sequence: number;
  readonly asOf: string;
}

/** `retry`: only what failed in another run. `validate`: compares both sides and changes nothing. */
export type RunKind = 'transfer' | 'dry-run' | 'validate' | 'retry';
export type RunTrigger = 'person' | 'token' | 'schedule';

/** Something that somebody has looked at: it stays away from the overview until something new happens. */
export interface Dismissal {
  readonly id: string;
  /** Of the entry, as it was then. */
  readonly mark: string;
  readonly kind: 'connector' | 'run' | 'schedule' | 'subscription' | 'worker' | 'artifact';
  readonly entityId: string | null;
  /** As it was called, and what was said of it. */
  readonly name: string;
  readonly text: string;
  /** Why it may be left as it is. */
  readonly note: string;
  readonly createdAt: string;
  readonly createdBy: string;
}

/** Why a run waits or stands still. */
export interface WaitReason {
  /**
   * `attention`: a connector must be reauthorized. `workers-busy`: none of those that are there has room for it. `limit`:
   * of runs at once, or of the transfers of the connector that is named.
   */
  readonly kind: 'limit' | 'workers-busy' | 'target-busy' | 'attention' | 'bandwidth' | 'person' | 'disk' | 'no-worker';
  /** A sentence for people. */
  readonly text: string;
  readonly runId: string | null;
  readonly connectorId: string | null;
}

export interface Run {
  readonly id: string;
  readonly version: number;
  /** What looks wrong before it goes on: only in the answer to its start, or to an order to resume it. */
  readonly warnings?: readonly string[] | undefined;
  /** Counts the runs of its job. */
  readonly number: number;
  readonly jobId: string;
  readonly jobName: string;
  readonly projectId: string;
  readonly projectName: string;
  readonly kind: RunKind;
  readonly trigger: RunTrigger;
  readonly createdBy: string;
  readonly sourcePath: string;
  readonly targetPath: string;
  readonly state: RunState;
  readonly waits: WaitReason | null;
  /** 1 = next; only while queued. */
  readonly queuePlace: number | null;
  /** The run whose failed items it repeats. */
  readonly retryOf: string | null;
  readonly scheduledAt: string | null;
  readonly queuedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly error: Failure | null;
  /** Of state and `error`, as Azure Storage Mover calls it: AZSM0000 when it succeeded; two where the side at fault decides; none: there is no such code. */
  readonly storageMoverCodes: readonly string[];
  readonly counters: Counters;
  readonly requests: RequestCounts;
  readonly durationMs: number;
  readonly manifestRoot: string | null;
  readonly live: RunLive | null;
  /** What it was expected to find when it was started; `null` where nothing was known. */
  readonly expected: RunExpectation | null;
  /** Rises with every change of the counters; `asOf` says when they were true. */
  readonly sequence: number;
  readonly asOf: string;
}

/** How much there is to look at in the source, known before a run begins. */
export interface RunExpectation {
  readonly items: number;
  /** `null`: not known. */
  readonly sizeBytes: number | null;
  /** `retried-run`: what failed in the run whose failed items it repeats. */
  readonly basis: 'last-run' | 'counted' | 'retried-run';
  /** The run that told; `null` where it was counted. */
  readonly runId: string | null;
}

/** Only while workers are at it: the sum over all of them. */
export interface RunLive {
  readonly phase: RunPhase;
  /**
   * As they are at this moment, ahead of what is committed. A later sequence never shows less, except where a worker
   * died: what it had not saved is done anew.
   */
  readonly counters: Counters;
  readonly pendingItems: number;
  readonly pendingBytes: number;
  /** Whoever holds a part of the keys speaks, and has listed it to its end; no part waits for anybody. */
  readonly listingComplete: boolean;
  readonly bytesPerSecond: number;
  readonly itemsPerSecond: number;
  readonly bytesPerSecondMean: number;
  /**
   * Of everything in the source, whatever becomes of it. As expected while listing goes on, and not less than what was
   * found already; `null` where nothing was expected.
   */
  readonly totals: {
    readonly items: number;
    readonly sizeBytes: number | null;
    /** Everything is listed. */
    readonly isExact: boolean;
  } | null;
  /** Share of the totals that is done, by bytes where there are any: 0–99, never going back. `null`: not known. */
  readonly percent: number | null;
  readonly remaining: {
    readonly lowMs: number;
    readonly highMs: number;
    readonly confidence: 'low' | 'medium' | 'high';
  } | null;
  readonly limitedBy: {
    readonly kind: Progress['limitedBy'];
    /** What it is, and what to do about it. */
    readonly text: string;
    /** Whose owner or whose limits could change it; `null`: no connector's. */
    readonly connectorId: string | null;
    readonly since: string;
  };
  readonly current: Progress['current'];
  readonly workers: readonly { readonly id: string; readonly name: string; readonly segments: number }[];
}

/** What a run was started with; never changes. */
export interface RunSnapshot {
  readonly settings: Policy;
  readonly concessions: readonly Concession[];
  readonly source: {
    readonly connectorId: string;
    readonly connector: string;
    readonly place: Place;
    readonly only: string | null;
  };
  readonly target: { readonly connectorId: string; readonly connector: string; readonly place: Place };
  readonly tuning: { readonly transfersMax: number | null; readonly bandwidth: BandwidthTimetable | null };
}

export interface RunSegment {
  readonly segmentId: string;
  readonly kind: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly state: 'open' | 'held' | 'done';
  readonly epoch: number;
  readonly worker: string | null;
  readonly counters: Counters;
  /** Of the run when this was read, so that pages with older numbers can be told from newer ones. */
  readonly sequence: number;
  readonly asOf: string;
}

/** What one worker had of a run, and what its leases have cost it. */
export interface RunWorker {
  readonly id: string;
  /** `null`: it left so long ago that nothing else is known. */
  readonly name: string | null;
  readonly host: string | null;
  readonly joinedAt: string;
  readonly leftAt: string | null;
  /** Of this run. */
  readonly lastSeenAt: string;
  /** `lost`: it fell silent without a word; others go on with what it had. */
  readonly state: 'at-work' | 'left' | 'lost';
  readonly isAtWork: boolean;
  /** In its hands now. */
  readonly segments: number;
  /** Of the segments that were last in its hands. */
  readonly items: number;
  readonly claims: number;
  /** Claims of what another worker had when it fell silent. */
  readonly takeovers: number;
  /** Times it found nothing to claim while others were listing, and how long that took together. */
  readonly waits: number;
  readonly idleMs: number;
}

/** The key space of a run, for drawing. `sequence` is the run's at the moment of `asOf`: both were read at once. */
export interface RunMap {
  readonly runId: string;
  readonly sequence: number;
  readonly asOf: string;
  /** In key order. */
  readonly cells: readonly MapCell[];
}

/** One equal share of the run's objects. */
export interface MapCell {
  /**
   * From this key up to `to`, where the next cell begins; `null` is open. What is settled and what is not meet at the
   * last settled key.
   */
  readonly from: string | null;
  readonly to: string | null;
  /** Of all objects, from 0 to 1: how wide it is drawn. */
  readonly share: number;
  /** All of it is settled, so that its share is no guess. */
  readonly isExact: boolean;
  /** The worst of what lies in it. */
  readonly state: 'waiting' | 'listing' | 'done' | 'issues' | 'failed';
  /** Settled in it; always true, never shared out. */
  readonly items: number;
  readonly failed: number;
  readonly unsupported: number;
}

/** A row of the copy log that can be searched. */
export interface RunItem extends Omit<ItemRecord, 'code'> {
  /** What people who come from Azure Storage Mover know it by; `null`: there is no such code. */
  readonly storageMoverCode: string | null;
  /** An error code, or one of the table of reasons; rows of an earlier version may have another one. */
  readonly code: string;
  /** Position in the list; the cursor. */
  readonly number: number;
}

export interface RunLogLine {
  readonly number: number;
  readonly at: string;
  readonly level: 'info' | 'warn' | 'error';
  readonly code: string | null;
  readonly message: string;
  /** What people who come from Azure Storage Mover know it by; two where the side at fault decides. */
  readonly storageMoverCodes: readonly string[];
}

/** A line to be written. */
export type NewRunLogLine = Omit<RunLogLine, 'number' | 'at' | 'storageMoverCodes'>;

export type ScheduleRule =
  | { readonly kind: 'once'; readonly at: string }
  | { readonly kind: 'hourly'; readonly everyHours: number; readonly minute: number }
  | { readonly kind: 'daily'; readonly time: string }
  | { readonly kind: 'weekly'; readonly days: readonly number[]; readonly time: string }
  /** 31 = the last day of shorter months too. */
  | { readonly kind: 'monthly'; readonly day: number; readonly time: string }
  | { readonly kind: 'cron'; readonly text: string };

export interface Schedule extends Kept {
  readonly jobId: string;
  readonly jobName: string;
  readonly projectName: string;
  readonly rule: ScheduleRule;
  readonly timeZone: string;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
  /** Made disabled; enabling runs the permission checks of its job. */
  readonly enabled: boolean;
  readonly runKind: 'transfer' | 'dry-run' | 'validate';
  readonly nextAt: string | null;
  readonly lastAt: string | null;
  readonly lastOutcome: ScheduleEvent | null;
}

export interface ScheduleEvent {
  readonly at: string;
  readonly outcome: 'started' | 'skipped' | 'refused';
  readonly runId: string | null;
  /** Why it was skipped or refused. */
  readonly detail: string | null;
}

export interface Timetable extends Kept {
  readonly name: string;
  readonly timetable: BandwidthTimetable;
  readonly usedBy: { readonly jobs: number };
}

/** A file made from a run, to be downloaded. */
export interface Artifact {
  readonly id: string;
  readonly runId: string;
  readonly kind: 'copy-log-csv' | 'copy-log-ndjson' | 'report-html' | 'report-json' | 'manifest';
  readonly fileName: string;
  readonly state: 'pending' | 'ready' | 'failed' | 'expired';
  readonly sizeBytes: number | null;
  readonly sha256: string | null;
  /** Why it failed; of a pending one, why its last try did. */
  readonly error: Failure | null;
  /** How often it was begun; after five it has failed. */
  readonly attempts: number;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly expiresAt: string | null;
}

export interface AuditLine {
  readonly number: number;
  readonly at: string;
  readonly actorKind: Actor['kind'];
  readonly actorName: string;
  readonly personId: string | null;
  readonly address: string | null;
  /** `connector.create`, `run.pause`, … */
  readonly action: string;
  readonly entityKind: string;
  readonly entityId: string | null;
  readonly entityName: string | null;
  /** Changed fields: `{ field: [before, after] }`, never a secret. */
  readonly changes: Json;
}

export interface WorkerNode {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly programVersion: string;
  readonly state: 'active' | 'draining' | 'gone';
  readonly startedAt: string;
  readonly seenAt: string;
  readonly runs: number;
  readonly segments: number;
  /** Over all runs it took part in that are kept: see `RunWorker`. */
  readonly claims: number;
  readonly takeovers: number;
  readonly waits: number;
  readonly idleMs: number;
}

export type NotificationEvent =
  'run.completed' | 'run.failed' | 'run.attention' | 'schedule.refused' | 'connector.attention';

export interface Subscription extends Kept {
  readonly name: string;
  readonly kind: 'webhook' | 'email';
  /** An address that starts with https://, or an e-mail address. */
  readonly destination: string;
  readonly events: readonly NotificationEvent[];
  /** `daily`: one message a day with everything since the last one. */
  readonly digest: 'none' | 'daily';
  readonly enabled: boolean;
  /** `null` = all projects. */
  readonly projectId: string | null;
  readonly lastDelivery: Delivery | null;
}

export interface Delivery {
  /** Of the event: the same for whoever is told of it, and however often. */
  readonly eventId: string;
  readonly at: string;
  readonly event: NotificationEvent | 'test' | 'digest';
  readonly state: 'pending' | 'delivered' | 'failed';
  readonly attempts: number;
  readonly error: string | null;
}

/** Whether a job could start now, and exactly what to grant where not. */
export interface Preflight {
  readonly ok: boolean;
  readonly source: readonly CheckLine[];
  readonly target: readonly CheckLine[];
  /** Ready to paste or to run, each with a sentence. */
  readonly grants: readonly {
    readonly side: 'source' | 'target';
    readonly title: string;
    readonly text: string;
    readonly offered: 'assign-role' | null;
  }[];
  readonly concessions: readonly Concession[];
  readonly warnings: readonly string[];
  readonly estimate: RunEstimate | null;
}

/** From the last run, or from counting before the start. */
export interface RunEstimate {
  readonly basis: 'last-run' | 'counted';
  readonly items: number;
  readonly sizeBytes: number;
  readonly archivedItems: number;
  readonly requests: number;
  readonly lowMs: number;
  readonly highMs: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Give it back as `cursor`; `null` at the end. */
  readonly nextCursor: string | null;
  /** Exact up to 1,000,000; `null` where it was not asked for. */
  readonly total: number | null;
  /** Of the first entry among all, from 0; only where the page was asked for by `at`. */
  readonly position?: number | null | undefined;
}

export interface ListQuery {
  readonly cursor?: string | undefined;
  /** 0–1: a page that far down instead of a cursor, for scroll bars that jump. It always counts. */
  readonly at?: number | undefined;
  /** 1–1,000; default 100. */
  readonly limit?: number | undefined;
  /** A field name, `-` before it for descending. */
  readonly sort?: string | undefined;
  /** Words that the name (or key, or message) must hold, without case. */
  readonly search?: string | undefined;
  /** Exact values by field; several values mean any of them. */
  readonly filter?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly withTotal?: boolean | undefined;
}

/** Those of a list that a person chose: all that match, `except` some, as many as were shown. */
export interface Selection {
  readonly filter?: ListQuery['filter'] | undefined;
  readonly search?: string | undefined;
  readonly except: readonly string[];
  readonly expectedCount: number;
}

/** How it went for one of many. */
export interface ManyOutcome {
  readonly id: string;
  /** Of the job, with its project. */
  readonly name: string;
  /** That was started. */
  readonly runId: string | null;
  /** `null`: it was done. */
  readonly error: Failure | null;
}

export type { CheckLine, Use };
