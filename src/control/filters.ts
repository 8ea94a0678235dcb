/** What lists can be filtered by, once for the services, the checks and the OpenAPI document. */
import type { SegmentKind } from '../engine/ports.ts';
import { ERRORS } from '../model/errors.ts';
import { RESULTS, type RunState } from '../model/outcome.ts';
import { REASONS } from '../model/reasons.ts';
import type {
  Artifact,
  Delivery,
  Dismissal,
  Endpoint,
  Health,
  JobType,
  Person,
  Role,
  RunKind,
  RunLogLine,
  RunSegment,
  RunTrigger,
  Subscription,
} from './entities.ts';

/** Name → the values that it may have; `null`: any. */
export type FilterNames = Readonly<Record<string, readonly string[] | null>>;

/** All members of a closed set: one that is missing, or is none of it, does not compile. */
function each<T extends string>(all: Readonly<Record<T, true>>): readonly T[] {
  return Object.keys(all) as T[];
}

const RUN_STATES = each<RunState>({
  queued: true,
  running: true,
  pausing: true,
  paused: true,
  cancelling: true,
  cancelled: true,
  failed: true,
  succeeded: true,
  'completed-with-issues': true,
});
const ROLES = each<Role>({ viewer: true, operator: true, admin: true });

export const FILTERS = {
  connectors: {
    provider: null,
    health: each<Health>({ untested: true, healthy: true, 'needs-attention': true }),
    tag: null,
  },
  inventory: { account: null, region: null, state: ['seen', 'gone'] },
  accounts: { state: ['seen', 'failed', 'gone'] },
  endpoints: { kind: each<Endpoint['kind']>({ source: true, target: true }), connectorId: null, provider: null },
  projects: {},
  jobs: {
    projectId: null,
    type: each<JobType>({
      'cloud-to-cloud': true,
      'folder-to-cloud': true,
      'cloud-to-folder': true,
      'folder-to-folder': true,
    }),
    state: RUN_STATES,
    endpointId: null,
  },
  runs: {
    id: null,
    state: RUN_STATES,
    kind: each<RunKind>({ transfer: true, 'dry-run': true, validate: true, retry: true }),
    trigger: each<RunTrigger>({ person: true, token: true, schedule: true }),
    projectId: null,
    jobId: null,
    connectorId: null,
    from: null,
    to: null,
  },
  segments: {
    state: each<RunSegment['state']>({ open: true, held: true, done: true }),
    kind: each<SegmentKind>({ keys: true, mapped: true, restores: true, deletes: true, settle: true }),
  },
  items: { result: RESULTS, code: [...Object.keys(ERRORS), ...Object.keys(REASONS)] },
  lines: { level: each<RunLogLine['level']>({ info: true, warn: true, error: true }) },
  artifacts: {
    runId: null,
    jobId: null,
    kind: each<Artifact['kind']>({
      'copy-log-csv': true,
      'copy-log-ndjson': true,
      'report-html': true,
      'report-json': true,
      manifest: true,
    }),
    state: each<Artifact['state']>({ pending: true, ready: true, failed: true, expired: true }),
  },
  schedules: { jobId: null, projectId: null, enabled: ['true', 'false'] },
  scheduleEvents: {},
  timetables: {},
  subscriptions: { kind: each<Subscription['kind']>({ webhook: true, email: true }) },
  deliveries: { state: each<Delivery['state']>({ pending: true, delivered: true, failed: true }) },
  people: {
    role: ROLES,
    state: each<Person['state']>({ active: true, disabled: true }),
    signIn: each<Person['signIn']>({ password: true, oidc: true }),
    email: null,
  },
  tokens: { personId: null, role: ROLES },
  dismissals: {
    kind: each<Dismissal['kind']>({
      connector: true,
      run: true,
      schedule: true,
      subscription: true,
      worker: true,
      artifact: true,
    }),
  },
  audit: { action: null, entityKind: null, entityId: null, personId: null },
} as const satisfies Record<string, FilterNames>;
