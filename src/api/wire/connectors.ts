/** Connectors, what they show, and endpoints. */
import { z } from 'zod';
import type { BrowsePage, PolicyRequest, PolicyText, TargetFacts } from '../../contract/provider.ts';
import type { Entry } from '../../model/entry.ts';
import { DIGEST_KINDS } from '../../model/digest.ts';
import type {
  CloudAccount,
  Connector,
  ConnectorLimits,
  Endpoint,
  Health,
  InventoryAccount,
  InventoryItem,
} from '../../control/entities.ts';
import type {
  ConnectorInput,
  Connectors,
  ConnectorSuggestion,
  DiscoveredPage,
  Endpoints,
} from '../../control/services.ts';
import { checkLine, failure, id, kept, name, place, tags, time, timeOrNull, use } from './common.ts';
import { named } from './wire.ts';

const configValue = z.union([z.string(), z.boolean(), z.number()]);
const digestKind = z.enum(DIGEST_KINDS);

const limits = named<ConnectorLimits>()(
  'ConnectorLimits',
  'Shared by all workers together; null: chosen by Drover.',
  z.strictObject({
    requestsPerSecond: z.number().positive().nullable(),
    transfersMax: z.number().int().positive().nullable().describe('Objects in flight.'),
  }),
);

const cloudChoices = {
  accountType: z.enum(['single', 'organization']),
  accountId: z.string().max(64),
  solutions: z.array(z.enum(['inventory', 'storage-data-management'])),
  services: z.array(z.literal('s3')),
  permission: z.enum(['read', 'read-restore', 'read-write']),
  regions: z.array(z.string().max(64)).nullable().describe('null: all regions.'),
  syncEveryMinutes: z.number().int().positive().nullable().describe('null: looked at once.'),
};

const cloudAccount = named<CloudAccount>()(
  'CloudAccount',
  'A cloud account (or organization) with an inventory.',
  z.object({ ...cloudChoices, lastSyncAt: timeOrNull, nextSyncAt: timeOrNull, lastSyncError: failure.nullable() }),
);

type CloudChoices = NonNullable<ConnectorInput['cloud']>;
const cloudInput = named<CloudChoices>()(
  'CloudAccountInput',
  'What may be chosen about a cloud account.',
  z.strictObject(cloudChoices),
);

export const health = named<Health>()('Health', 'How it is.', z.enum(['untested', 'healthy', 'needs-attention']));

export const connector = named<Connector>()(
  'Connector',
  'An account that was authorized, with its secrets kept apart.',
  z.object({
    ...kept,
    name: z.string(),
    provider: z.string().describe('`s3`, `azure-blob`, `local`, …'),
    providerTitle: z.string(),
    config: z.record(z.string(), configValue).describe('Its fields without the secrets.'),
    secrets: z.record(z.string(), z.string()).describe('Secret field and fingerprint of its value.'),
    signedInAs: z.string().nullable(),
    health,
    healthReason: failure.nullable(),
    checkedAt: timeOrNull,
    check: z.array(checkLine).describe('The last check.'),
    checkedPlace: place.nullable().describe('Where it looked; null: at the account as a whole.'),
    tags,
    limits,
    cloud: cloudAccount.nullable(),
    usedBy: z.object({ endpoints: z.number(), jobs: z.number() }),
    lastUsedAt: timeOrNull,
  }),
);

const givenConfig = z
  .record(z.string().max(64), z.unknown())
  .describe('Values of the fields that the provider describes, secrets among them.');

export const connectorInput = named<ConnectorInput>()(
  'ConnectorInput',
  'A connector to authorize.',
  z.strictObject({
    provider: z.string().max(64),
    name: name.optional().describe('The name of the provider, made unique, unless given.'),
    config: givenConfig,
    tags: tags.optional(),
    limits: limits.optional(),
    cloud: cloudInput.nullable().optional(),
  }),
);

type ChangeConnector = Parameters<Connectors['update']>[3];
export const changeConnector = named<ChangeConnector>()(
  'ChangeConnector',
  'What changes; everything else stays.',
  z.strictObject({
    name: name.optional(),
    tags: tags.optional(),
    limits: limits.optional(),
    cloud: cloudInput.nullable().optional(),
  }),
);

export const reauthorizeInput = named<{
  readonly config: ConnectorInput['config'];
  readonly acceptMove?: boolean | undefined;
}>()(
  'Reauthorize',
  'The same fields; a secret left out stays as it is.',
  z.strictObject({
    config: givenConfig,
    acceptMove: z
      .boolean()
      .optional()
      .describe('Endpoints and jobs may be led to another store by it; refused with GUARD_CONFIRM otherwise.'),
  }),
);

export const checkInput = named<{
  readonly place?: typeof place._output | null;
  readonly use?: 'read' | 'write' | 'both';
}>()('CheckConnector', 'What to check.', z.strictObject({ place: place.nullable().optional(), use: use.optional() }));

export interface CheckDraft {
  readonly connectorId?: string | null | undefined;
  readonly connector: ConnectorInput;
  readonly place?: typeof place._output | null | undefined;
  readonly use?: 'read' | 'write' | 'both' | undefined;
}
export const checkDraft = named<CheckDraft>()(
  'CheckDraft',
  'Values that were not saved yet.',
  z.strictObject({
    connectorId: id.nullable().optional().describe('Whose secrets to use where none is given.'),
    connector: connectorInput,
    place: place.nullable().optional(),
    use: use.optional(),
  }),
);

type UsedBy = Awaited<ReturnType<Connectors['usedBy']>>;
const text = z.string().max(2_048);
const policyChoices = {
  kind: z.enum(['iam', 'iam-full', 'trust', 'cloudformation', 'stackset', 'names']),
  use,
  containers: z.array(text),
  withTags: z.boolean(),
  withRestore: z.boolean(),
  withVersions: z.boolean(),
  sourceAddresses: z.array(text).describe('CIDR ranges that requests must come from.'),
  vpcEndpoints: z.array(text),
  trustedPrincipal: text.nullable().describe('The identity Drover signs with, an ARN.'),
  externalId: text.nullable(),
  tags: z.record(z.string(), z.string()),
};

export const policyRequest = named<Partial<PolicyRequest>>()(
  'PolicyRequest',
  'What a policy should allow.',
  z.strictObject(policyChoices).partial(),
);

export const draftPolicies = named<{ readonly connector: ConnectorInput; readonly request: Partial<PolicyRequest> }>()(
  'DraftPolicies',
  'The same for values that were not saved yet.',
  z.strictObject({ connector: connectorInput, request: policyRequest }),
);

export const policyTexts = named<readonly PolicyText[]>()(
  'PolicyTexts',
  'Ready to paste.',
  z.array(z.object({ title: z.string(), language: z.enum(['json', 'yaml', 'text']), text: z.string() })),
);

export const inventoryItem = named<InventoryItem>()(
  'InventoryItem',
  'A bucket or container that was seen.',
  z.object({
    connectorId: id,
    accountId: z.string().nullable().describe('The cloud account it is in; null where the connector stands for none.'),
    container: z.string(),
    region: z.string().nullable(),
    firstSeenAt: time,
    lastSeenAt: time,
    goneAt: timeOrNull.describe('Not listed any more since then.'),
  }),
);

export const inventoryAccount = named<InventoryAccount>()(
  'InventoryAccount',
  'A member of an organization, as its inventory saw it last.',
  z.object({
    connectorId: id,
    accountId: z.string(),
    name: z.string(),
    firstSeenAt: time,
    lastSeenAt: time,
    goneAt: timeOrNull.describe('Not in use, or not in the organization, since then.'),
    lastSyncAt: timeOrNull.describe('When its buckets were last listed.'),
    lastSyncError: failure.nullable().describe('Why they were not since; what was seen before stays as it was.'),
  }),
);

const digests = z.partialRecord(digestKind, z.string());
const identity = z.object({ etag: z.string().nullable(), versionId: z.string().nullable() });
const entry = named<Entry>()(
  'Entry',
  'What stands at a key.',
  z.object({
    kind: z.enum(['object', 'folder', 'opaque']),
    key: z.string(),
    sizeBytes: z.number(),
    modifiedAtMs: z.number().nullable(),
    identity,
    digests,
    composite: z.object({ kind: digestKind, value: z.string(), partCount: z.number() }).nullable(),
    storageClass: z.string().nullable(),
    availability: z.enum(['online', 'archived', 'restoring']),
    recorded: z
      .object({
        etag: z.string().nullable(),
        versionId: z.string().nullable(),
        sizeBytes: z.number(),
        modifiedAtMs: z.number().nullable(),
      })
      .nullable(),
    isImplied: z.boolean(),
    nativeType: z.string().nullable(),
  }),
);

export const browsePage = named<BrowsePage>()(
  'BrowsePage',
  'Some of what is at a place; more lines follow.',
  z.object({
    items: z.array(
      z.object({
        name: z.string(),
        kind: z.enum(['container', 'folder', 'object']),
        entry: entry.nullable(),
        region: z.string().optional(),
      }),
    ),
  }),
);

export const suggestion = named<ConnectorSuggestion>()(
  'ConnectorSuggestion',
  'What the form of a new connector begins with.',
  z.object({
    name: z.string().describe('The name it gets when none is given.'),
    config: z.record(z.string(), configValue).describe('Values that Drover makes, such as an external ID.'),
  }),
);

export interface DiscoverDraft {
  readonly connectorId?: string | null | undefined;
  readonly connector: ConnectorInput;
  readonly parent?: string | null | undefined;
}
export const discoverDraft = named<DiscoverDraft>()(
  'DiscoverDraft',
  'A sign-in that was not saved yet, and where to look.',
  z.strictObject({
    connectorId: id.nullable().optional().describe('Whose secrets to use where none is given.'),
    connector: connectorInput,
    parent: z.string().max(1_024).nullable().optional().describe('A subscription; left out: all subscriptions.'),
  }),
);

export const discoveredPage = named<DiscoveredPage>()(
  'DiscoveredPage',
  'Some of what the sign-in sees; more lines follow.',
  z.object({
    items: z.array(
      z.object({
        kind: z.enum(['subscription', 'account']),
        id: z.string().describe('The parent of what is in it.'),
        name: z.string(),
        region: z.string().nullable(),
        fills: z.record(z.string(), configValue).describe('Fields of the connector that choosing it fills in.'),
      }),
    ),
  }),
);

export const makeContainer = named<{ readonly name: string }>()(
  'MakeContainer',
  'A new bucket, container or folder.',
  z.strictObject({ name: z.string().min(1).max(1_024) }),
);

export const madeContainer = named<{ readonly result: 'made' | 'existed' }>()(
  'MadeContainer',
  'existed: it was there already, and ours.',
  z.object({ result: z.enum(['made', 'existed']) }),
);

const honour = z.enum(['honoured', 'ignored', 'refused', 'unknown']);
const targetFacts = named<TargetFacts>()(
  'TargetFacts',
  'What the store was seen to honour.',
  z.object({
    observedAtMs: z.number().nullable(),
    createOnly: honour,
    matchOnWrite: honour,
    matchOnComplete: honour,
    matchOnDelete: honour,
    etagQuotes: z.enum(['quoted', 'unquoted']),
    contentMd5: honour,
    checksums: z.partialRecord(digestKind, honour),
    returned: z.array(digestKind),
    partNumberReads: honour,
    tagsOnBegin: honour,
    sizeOnComplete: honour.optional(),
    etagIsMd5: z.boolean().optional(),
  }),
);

const endpointKind = z.enum(['source', 'target']);
const description = z.string().max(1_024, 'Use at most 1,024 characters.');

export const endpoint = named<Endpoint>()(
  'Endpoint',
  'A place that jobs read from or write to.',
  z.object({
    ...kept,
    name: z.string(),
    kind: endpointKind,
    connectorId: id,
    connectorName: z.string(),
    provider: z.string(),
    place,
    fullPath: z.string().describe('The whole address, such as s3://bucket/prefix/.'),
    store: z
      .string()
      .nullable()
      .describe('Which store it is in, where there are several of this kind: host and port, or aws. Null for folders.'),
    description: z.string(),
    facts: targetFacts.nullable().describe('Targets only.'),
    usedBy: z.object({ jobs: z.number() }),
    warnings: z.array(z.string()).optional().describe('Only of one that was just made.'),
  }),
);

type CreateEndpoint = Parameters<Endpoints['create']>[1];
export const createEndpoint = named<CreateEndpoint>()(
  'CreateEndpoint',
  'A new endpoint.',
  z.strictObject({
    name: name.optional().describe('Made from the place unless given.'),
    kind: endpointKind,
    connectorId: id,
    place,
    description: description.optional(),
  }),
);

export const changeDescription = named<{ readonly description: string }>()(
  'ChangeDescription',
  'Nothing else may change.',
  z.strictObject({ description }),
);

export const usedBy = named<UsedBy>()(
  'ConnectorUse',
  'What uses a connector.',
  z.object({
    endpoints: z.array(endpoint),
    jobs: z.array(z.object({ id, name: z.string(), projectName: z.string() })),
  }),
);
