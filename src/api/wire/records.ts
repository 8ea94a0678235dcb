/** What is kept about runs and about people's acts: logs, files, messages, workers, definitions. */
import { z } from 'zod';
import type {
  Artifact,
  AuditLine,
  Delivery,
  NotificationEvent,
  RunItem,
  RunLogLine,
  Sample,
  Subscription,
  Timetable,
  RunWorker,
  WorkerNode,
} from '../../control/entities.ts';
import type {
  CodeCounts,
  DefinitionDocument,
  DefinitionPlan,
  Logs,
  Notifications,
  Reports,
  SubscriptionInput,
  Timetables,
} from '../../control/services.ts';
import { SPOT_CHECK_MAX } from '../../control/services.ts';
import { RESULTS } from '../../model/outcome.ts';
import { anyJson, failure, id, kept, name, time, timeOrNull } from './common.ts';
import { bandwidthTimetable } from './runs.ts';
import { named } from './wire.ts';

export const runItem = named<RunItem>()(
  'RunItem',
  'A row of the copy log that can be searched.',
  z.object({
    number: z.number(),
    key: z.string(),
    versionId: z.string().optional(),
    targetKey: z.string().optional().describe('The name at the target, when it differs.'),
    result: z.enum(RESULTS),
    kind: z.enum(['object', 'folder', 'opaque']),
    sizeBytes: z.number(),
    targetSizeBytes: z.number().optional().describe('Bytes at the target, when compared and another number.'),
    code: z.string().describe('Why.'),
    details: z.string().optional(),
    side: z.enum(['source', 'target']).optional().describe('Which side refused, where it failed and that is known.'),
    storageMoverCode: z.string().nullable().describe('As Azure Storage Mover calls it: AZSM2062.'),
    verification: z.enum(['V3', 'V2', 'V1', 'V0', 'VM']).optional(),
    leg: z.literal('target').optional(),
    attempts: z.number().optional().describe('How often it was tried, also in vain.'),
    startedAtMs: z.number().optional(),
    durationMs: z.number().optional(),
  }),
);

type ItemsPage = Awaited<ReturnType<Logs['items']>>;
export const runItemsPage = named<ItemsPage>()(
  'RunItemPage',
  'The first 100,000 failed and unsupported items of a run.',
  z.object({
    items: z.array(runItem),
    nextCursor: z.string().nullable(),
    total: z.number().nullable(),
    complete: z.boolean().describe('false: there are more, in the copy log to download.'),
  }),
);

export const codeCounts = named<CodeCounts>()(
  'CodeCounts',
  'Failures by code, most first.',
  z.object({
    asOf: time.describe('When they were counted.'),
    codes: z.array(
      z.object({
        code: z.string(),
        result: z.string(),
        items: z.number(),
        remedy: z.string().describe('What to do about it.'),
      }),
    ),
  }),
);

export const runLogLine = named<RunLogLine>()(
  'RunLogLine',
  'What happened in a run.',
  z.object({
    number: z.number(),
    at: time,
    level: z.enum(['info', 'warn', 'error']),
    code: z.string().nullable(),
    message: z.string(),
    storageMoverCodes: z
      .array(z.string())
      .readonly()
      .describe('Of `code`, as Azure Storage Mover calls it; two where the side at fault decides.'),
  }),
);

export const auditLine = named<AuditLine>()(
  'AuditLine',
  'Who did what to what.',
  z.object({
    number: z.number(),
    at: time,
    actorKind: z.enum(['person', 'token', 'system']),
    actorName: z.string(),
    personId: z.string().nullable(),
    address: z.string().nullable(),
    action: z.string(),
    entityKind: z.string(),
    entityId: z.string().nullable(),
    entityName: z.string().nullable(),
    changes: anyJson.describe('Changed fields with the value before and after, never a secret.'),
  }),
);

const artifactKind = z.enum(['copy-log-csv', 'copy-log-ndjson', 'report-html', 'report-json', 'manifest']);

export const artifact = named<Artifact>()(
  'Artifact',
  'A file made from a run.',
  z.object({
    id,
    runId: id,
    kind: artifactKind,
    fileName: z.string(),
    state: z.enum(['pending', 'ready', 'failed', 'expired']),
    sizeBytes: z
      .number()
      .nullable()
      .describe('Of copy logs and manifests known after their first whole download, once the run has ended well.'),
    sha256: z.string().nullable().describe('The same.'),
    error: failure.nullable().describe('Why it failed; of a pending one, why its last try did.'),
    attempts: z.number().describe('How often it was begun; after five it has failed.'),
    createdAt: time,
    createdBy: z.string(),
    expiresAt: timeOrNull,
  }),
);

export const reportKey = named<Awaited<ReturnType<Reports['publicKey']>>>()(
  'ReportKey',
  'What signed reports are checked with.',
  z.object({ publicKey: z.string().describe('Ed25519, SubjectPublicKeyInfo in DER, base64.') }),
);

export const artifacts = named<readonly Artifact[]>()('Artifacts', 'Newest first.', z.array(artifact));

export interface ArtifactInput {
  readonly kind: Artifact['kind'];
  readonly spotCheck?: number | undefined;
  readonly results?: readonly string[] | undefined;
}
export const artifactInput = named<ArtifactInput>()(
  'ArtifactInput',
  'A file to make in the background.',
  z.strictObject({
    kind: artifactKind,
    spotCheck: z.number().int().min(0).max(SPOT_CHECK_MAX).optional().describe('Random objects that are read back.'),
    results: z.array(z.string().max(32)).max(20).optional().describe('Only these results.'),
  }),
);

export const whatCanGo = named<Awaited<ReturnType<Reports['whatCanGo']>>>()(
  'WhatCanGo',
  'What of the source is not needed any more, with the commands; Drover never deletes a source.',
  z.array(z.object({ title: z.string(), detail: z.string(), command: z.string().nullable() })),
);

const event = named<NotificationEvent>()(
  'NotificationEvent',
  'What is told.',
  z.enum(['run.completed', 'run.failed', 'run.attention', 'schedule.refused', 'connector.attention']),
);

const deliveryMembers = {
  eventId: z.string().describe('Of the event, for whoever is told of it and however often: drop doubles by it.'),
  at: time,
  event: z.union([event, z.enum(['test', 'digest'])]),
  state: z.enum(['pending', 'delivered', 'failed']),
  attempts: z.number(),
  error: z.string().nullable(),
};
export const delivery = named<Delivery>()('Delivery', 'One message.', z.object(deliveryMembers));
export const numberedDelivery = named<Delivery & { readonly number: number }>()(
  'NumberedDelivery',
  'One message.',
  z.object({ ...deliveryMembers, number: z.number() }),
);

const subscriptionKind = z.enum(['webhook', 'email']);

export const subscription = named<Subscription>()(
  'Subscription',
  'Who is told what.',
  z.object({
    ...kept,
    name: z.string(),
    kind: subscriptionKind,
    destination: z.string(),
    events: z.array(event),
    digest: z.enum(['none', 'daily']),
    enabled: z.boolean(),
    projectId: z.string().nullable(),
    lastDelivery: delivery.nullable(),
  }),
);

const subscriptionMembers = {
  name,
  kind: subscriptionKind,
  destination: z.string().max(2_048).describe('An address that starts with https://, or an e-mail address.'),
  events: z.array(event).min(1, 'Choose at least one event.').max(10),
  digest: z.enum(['none', 'daily']).optional().describe('daily: one message a day.'),
  enabled: z.boolean().optional(),
  projectId: id.nullable().optional().describe('null: all projects.'),
};

export const subscriptionInput = named<SubscriptionInput>()(
  'SubscriptionInput',
  'A new subscription.',
  z.strictObject(subscriptionMembers),
);
export const changeSubscription = named<Partial<SubscriptionInput>>()(
  'ChangeSubscription',
  'What changes; everything else stays.',
  z.strictObject(subscriptionMembers).partial(),
);

export const madeSubscription = named<Awaited<ReturnType<Notifications['create']>>>()(
  'MadeSubscription',
  'A subscription and the key its messages are signed with.',
  z.object({ subscription, signingSecret: z.string().nullable().describe('Shown this once.') }),
);

export const timetable = named<Timetable>()(
  'Timetable',
  'A saved bandwidth timetable.',
  z.object({ ...kept, name: z.string(), timetable: bandwidthTimetable, usedBy: z.object({ jobs: z.number() }) }),
);

export const createTimetable = named<Parameters<Timetables['create']>[1]>()(
  'CreateTimetable',
  'A new timetable.',
  z.strictObject({ name, timetable: bandwidthTimetable }),
);
export const changeTimetable = named<Parameters<Timetables['update']>[3]>()(
  'ChangeTimetable',
  'What changes; everything else stays.',
  z.strictObject({ name: name.optional(), timetable: bandwidthTimetable.optional() }),
);

/** What leases have cost a worker. */
const leaseCosts = {
  claims: z.number().describe('Segments it has claimed.'),
  takeovers: z.number().describe('Claims of what another worker had when it fell silent.'),
  waits: z.number().describe('Times it found nothing to claim while others were listing.'),
  idleMs: z.number().describe('How long it waited for that, together.'),
};

export const runWorkers = named<readonly RunWorker[]>()(
  'RunWorkers',
  'In the order in which they joined.',
  z.array(
    z
      .object({
        id,
        name: z.string().nullable(),
        host: z.string().nullable(),
        joinedAt: time,
        leftAt: timeOrNull,
        lastSeenAt: time,
        state: z.enum(['at-work', 'left', 'lost']).describe('Lost: it fell silent without saying that it leaves.'),
        isAtWork: z.boolean(),
        segments: z.number().describe('In its hands now.'),
        items: z.number().describe('Of the segments that were last in its hands.'),
        ...leaseCosts,
      })
      .meta({ id: 'RunWorker', description: 'What one worker had of a run, and what its leases have cost it.' }),
  ),
);

export const workers = named<readonly WorkerNode[]>()(
  'Workers',
  'All of them.',
  z.array(
    z
      .object({
        id,
        name: z.string(),
        host: z.string(),
        pid: z.number(),
        programVersion: z.string(),
        state: z.enum(['active', 'draining', 'gone']),
        startedAt: time,
        seenAt: time,
        runs: z.number(),
        segments: z.number(),
        ...leaseCosts,
      })
      .meta({ id: 'Worker', description: 'A process that works on runs.' }),
  ),
);

export const definitionDocument = named<DefinitionDocument>()(
  'DefinitionDocument',
  'Connectors without secrets, endpoints, projects, jobs, schedules and timetables.',
  z.record(z.string(), anyJson),
);

export const definitionPlan = named<DefinitionPlan>()(
  'DefinitionPlan',
  'What applying a document does.',
  z.object({
    steps: z.array(
      z.object({
        action: z.enum(['create', 'update', 'keep']),
        kind: z.string(),
        name: z.string(),
        changes: z.array(z.object({ field: z.string(), before: anyJson, after: anyJson })),
        made: anyJson.describe('Of what is created: as the document says, without what a connector signs in with.'),
      }),
    ),
    problems: z.array(z.object({ path: z.string(), message: z.string() })),
    hash: z.string().describe('Give it back with `apply`.'),
  }),
);

export const exportInput = named<{ readonly projects?: readonly string[] | null | undefined }>()(
  'ExportDefinitions',
  'Names of projects; null or left out: all.',
  z.strictObject({ projects: z.array(z.string().max(200)).max(10_000).nullable().optional() }),
);

export const planInput = named<{ readonly document: unknown }>()(
  'PlanDefinitions',
  'A document as `export` gives it.',
  z.strictObject({ document: anyJson }),
);

export const applyInput = named<{ readonly document: unknown; readonly planHash: string }>()(
  'ApplyDefinitions',
  'A document, and the plan that was shown.',
  z.strictObject({ document: anyJson, planHash: z.string().max(200) }),
);

export const samples = named<{ sample: Sample | null }>()(
  'Samples',
  'The sample data, where there is some.',
  z.object({
    sample: z
      .object({
        createdAt: time,
        folder: z.string().describe('On the machine of the server.'),
        files: z.number().int(),
        connectorId: id.nullable(),
        sourceEndpointId: id.nullable(),
        targetEndpointId: id.nullable(),
        projectId: id.nullable(),
        jobId: id.nullable(),
      })
      .nullable()
      .describe('Members are null where somebody has removed them since.'),
  }),
);
