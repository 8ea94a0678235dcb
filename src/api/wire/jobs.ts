/** Projects, jobs, and what is known before a start. */
import { z } from 'zod';
import type { FilterPolicy, RestorePolicy } from '../../model/policy.ts';
import type {
  Job,
  JobEnd,
  JobSettings,
  JobTuning,
  JobType,
  Preflight,
  Project,
  RunBrief,
  RunEstimate,
  RunKind,
} from '../../control/entities.ts';
import type { DuplicateJob, JobInput, Jobs, Projects } from '../../control/services.ts';
import type { ItemCounts, RunState } from '../../model/outcome.ts';
import { checkLine, id, kept, name, time, timeOrNull } from './common.ts';
import { named } from './wire.ts';

type Concession = Preflight['concessions'][number];

const description = z.string().max(4_096);

export const project = named<Project>()(
  'Project',
  'Jobs that belong together.',
  z.object({
    ...kept,
    name: z.string(),
    description: z.string(),
    counts: z.object({ jobs: z.number(), runs: z.number(), active: z.number().describe('Runs that have not ended.') }),
  }),
);

type CreateProject = Parameters<Projects['create']>[1];
export const createProject = named<CreateProject>()(
  'CreateProject',
  'A new project; its name stays.',
  z.strictObject({ name, description: description.optional() }),
);

export const removal = named<Awaited<ReturnType<Projects['removal']>>>()(
  'ProjectRemoval',
  'What deleting a project takes along.',
  z.object({
    jobs: z.number(),
    runs: z.number(),
    active: z.number().describe('Of the runs: they keep it from being deleted.'),
    schedules: z.number(),
    enabledSchedules: z.number(),
    subscriptions: z.number().describe('Those about this project alone.'),
  }),
);

export const jobRemoval = named<Awaited<ReturnType<Jobs['removal']>>>()(
  'JobRemoval',
  'What deleting a job takes along.',
  z.object({
    runs: z.number().describe('With their logs.'),
    active: z.number().describe('Of the runs: they keep it from being deleted.'),
    schedules: z.number(),
    enabledSchedules: z.number(),
    reports: z.number().describe('Files that were asked for: validation reports, copy logs, manifests.'),
  }),
);

export const runState = named<RunState>()(
  'RunState',
  'Where a run stands.',
  z.enum([
    'queued',
    'running',
    'pausing',
    'paused',
    'cancelling',
    'cancelled',
    'failed',
    'succeeded',
    'completed-with-issues',
  ]),
);

export const runKind = named<RunKind>()(
  'RunKind',
  'retry: only what failed in another run. validate: compares both sides and changes nothing.',
  z.enum(['transfer', 'dry-run', 'validate', 'retry']),
);

export const itemCounts = named<ItemCounts>()(
  'ItemCounts',
  'Once ended: scanned = copied + same + excluded + skipped + unsupported + failed; deleted stands outside.',
  z.object({
    scanned: z.number(),
    copied: z.number(),
    same: z.number(),
    excluded: z.number(),
    skipped: z.number(),
    unsupported: z.number(),
    failed: z.number(),
    deleted: z.number(),
  }),
);

const runBrief = named<RunBrief>()(
  'RunBrief',
  'A run in one line.',
  z.object({
    id,
    number: z.number(),
    kind: runKind,
    state: runState,
    startedAt: timeOrNull,
    endedAt: timeOrNull,
    durationMs: z.number(),
    items: itemCounts,
    sequence: z.number(),
    asOf: time,
  }),
);

const globs = z.array(z.string().max(4_096)).max(1_000);
const bound = z.number().nonnegative().nullable();

export const filterPolicy = named<FilterPolicy>()(
  'FilterPolicy',
  'What is left out.',
  z.strictObject({
    include: globs.describe('Globs on the whole key; empty: everything. `*` stops at `/`, `**` does not.'),
    exclude: globs,
    sizeBytesMin: bound,
    sizeBytesMax: bound,
    ageMsMin: bound.describe("Only objects last written at least this long before the run's start."),
    ageMsMax: bound,
    modifiedBeforeMs: bound,
    modifiedAfterMs: bound,
    excludeClasses: z.array(z.string().max(64)).max(100).describe('Storage classes to leave out.'),
  }),
);

const restorePolicy = named<RestorePolicy>()(
  'RestorePolicy',
  'How archived objects are brought back.',
  z.strictObject({ tier: z.enum(['Standard', 'Bulk', 'Expedited']), days: z.number().int().min(1).max(365) }),
);

export const policyMembers = {
  targetNewer: z.enum(['overwrite', 'skip']),
  filter: filterPolicy,
  serverSide: z.enum(['auto', 'never', 'always']),
  versions: z.enum(['current', 'all']),
  metadata: z.enum(['preserve', 'refresh', 'ignore']),
  tags: z.enum(['preserve', 'ignore']),
  archived: z.union([z.literal('report'), restorePolicy]),
  deleteMax: z.number().int().nonnegative().nullable().describe('Most deletions a mirror may make.'),
  deleteShareMax: z
    .union([z.number().min(0).max(1), z.literal('default')])
    .nullable()
    .describe(
      "The same as a share of the target's objects; `null` for none. `default`: nobody chose, so 0.5 holds, and gives way where an empty source is allowed.",
    ),
  allowEmptySource: z.boolean(),
  verify: z
    .enum(['digest', 'read-back'])
    .describe(
      'read-back: what was written is read again from the target before it counts as copied; what no digest proves the same is read on both sides.',
    ),
  acceptV0: z.boolean().describe('Items proved by size alone are accepted.'),
  storageClass: z.string().max(64).nullable().describe("null: the target's default."),
};

const settingsMembers = { ...policyMembers, mode: z.enum(['merge', 'mirror']) };

const jobSettings = named<JobSettings>()(
  'JobSettings',
  'What a job decides about its runs; a change holds for the next run.',
  z.strictObject(settingsMembers),
);

const jobSettingsChange = named<Partial<JobSettings>>()(
  'JobSettingsChange',
  'What differs from the defaults, or changes.',
  z.strictObject(settingsMembers).partial(),
);

const tuningMembers = {
  transfersMax: z.number().int().positive().nullable().describe('null: chosen by Drover.'),
  timetableId: id.nullable().describe('Of a saved bandwidth timetable.'),
};

const jobTuning = named<JobTuning>()('JobTuning', 'Performance only.', z.strictObject(tuningMembers));
const jobTuningChange = named<Partial<JobTuning>>()(
  'JobTuningChange',
  'Performance only.',
  z.strictObject(tuningMembers).partial(),
);

const jobType = named<JobType>()(
  'JobType',
  'Follows from the endpoints.',
  z.enum(['cloud-to-cloud', 'folder-to-cloud', 'cloud-to-folder', 'folder-to-folder']),
);

const jobEnd = named<JobEnd>()(
  'JobEnd',
  'One side of a job; fixed after creation.',
  z.object({
    endpointId: id,
    endpointName: z.string(),
    provider: z.string(),
    subPath: z.string(),
    fullPath: z.string(),
  }),
);

export const job = named<Job>()(
  'Job',
  'What is moved where, and how.',
  z.object({
    ...kept,
    projectId: id,
    projectName: z.string(),
    name: z.string(),
    description: z.string(),
    type: jobType,
    source: jobEnd,
    target: jobEnd,
    settings: jobSettings,
    tuning: jobTuning,
    lastRun: runBrief.nullable(),
    nextRunAt: timeOrNull,
    warnings: z.array(z.string()).optional().describe('Only of one that was just made or changed.'),
  }),
);

const subPath = z.string().max(4_096).describe('Empty, or ends with a slash.');

export const jobInput = named<JobInput>()(
  'JobInput',
  'A new job.',
  z.strictObject({
    name,
    description: description.optional(),
    sourceEndpointId: id,
    sourceSubPath: subPath.optional(),
    targetEndpointId: id,
    targetSubPath: subPath.optional(),
    settings: jobSettingsChange.optional(),
    tuning: jobTuningChange.optional(),
  }),
);

type ChangeJob = Parameters<Jobs['update']>[3];
export const changeJob = named<ChangeJob>()(
  'ChangeJob',
  'What changes; everything else stays. Endpoints and sub-paths are fixed.',
  z.strictObject({
    name: name.optional(),
    description: description.optional(),
    settings: jobSettingsChange.optional(),
    tuning: jobTuningChange.optional(),
  }),
);

export const duplicateInput = named<DuplicateJob>()(
  'DuplicateJob',
  'What is other in the copy. With another endpoint and no sub-path it is the whole of that endpoint.',
  z.strictObject({
    name,
    projectId: id.optional(),
    description: description.optional(),
    sourceEndpointId: id.optional(),
    sourceSubPath: subPath.optional(),
    targetEndpointId: id.optional(),
    targetSubPath: subPath.optional(),
    settings: jobSettingsChange.optional(),
    tuning: jobTuningChange.optional(),
  }),
);

type OutcomesInput = Parameters<Jobs['outcomes']>[1];
export const outcomesInput = named<OutcomesInput>()(
  'OutcomesInput',
  'A pair of endpoints and settings, saved or not.',
  z.strictObject({ sourceEndpointId: id, targetEndpointId: id, settings: jobSettingsChange.optional() }),
);

export const concession = named<Concession>()(
  'Concession',
  'Something that will not survive between these two.',
  z.object({
    aspect: z.enum([
      'metadata',
      'headers',
      'tags',
      'times',
      'names',
      'folders',
      'links',
      'classes',
      'races',
      'digests',
      'versions',
      'protection',
      'overwrites',
      'deletions',
      'renames',
      'archived',
      'sizes',
    ]),
    detail: z.string(),
  }),
);

export const concessions = named<readonly Concession[]>()('Concessions', 'All of them.', z.array(concession));

const runEstimate = named<RunEstimate>()(
  'RunEstimate',
  'From the last run, or from counting.',
  z.object({
    basis: z.enum(['last-run', 'counted']),
    items: z.number(),
    sizeBytes: z.number(),
    archivedItems: z.number(),
    requests: z.number(),
    lowMs: z.number(),
    highMs: z.number(),
  }),
);

export const preflight = named<Preflight>()(
  'Preflight',
  'Whether a job could start now, and exactly what to grant where not.',
  z.object({
    ok: z.boolean(),
    source: z.array(checkLine),
    target: z.array(checkLine),
    grants: z.array(
      z.object({
        side: z.enum(['source', 'target']),
        title: z.string(),
        text: z.string().describe('Ready to paste or to run.'),
        offered: z.literal('assign-role').nullable().describe('Drover may be able to do it by itself.'),
      }),
    ),
    concessions: z.array(concession),
    warnings: z.array(z.string()),
    estimate: runEstimate.nullable(),
  }),
);

export const preflightInput = named<{ readonly count?: boolean | undefined; readonly kind?: RunKind | undefined }>()(
  'PreflightInput',
  'How thoroughly.',
  z.strictObject({
    count: z.boolean().optional().describe('Also lists the source for the estimate.'),
    kind: runKind.optional().describe('Of the run that is to be started. Left out: transfer.'),
  }),
);

export const grantInput = named<{ readonly side: 'source' | 'target' }>()(
  'GrantInput',
  'Where the role is missing.',
  z.strictObject({ side: z.enum(['source', 'target']) }),
);
