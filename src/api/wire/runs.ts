/** Runs: their state, their numbers, their parts. */
import { z } from 'zod';
import type { Counters } from '../../model/outcome.ts';
import type { Policy } from '../../model/policy.ts';
import type {
  ManyOutcome,
  Run,
  RunKind,
  RunLive,
  RunMap,
  RunSegment,
  RunSnapshot,
  Timetable,
  WaitReason,
  Dismissal,
} from '../../control/entities.ts';
import type { Dismissals, Overview, StartRun } from '../../control/services.ts';
import { failure, id, place, time, timeOrNull } from './common.ts';
import { concession, itemCounts, policyMembers, runKind, runState } from './jobs.ts';
import { schedule } from './schedules.ts';
import { named } from './wire.ts';

const verification = z.object({ V3: z.number(), V2: z.number(), V1: z.number(), V0: z.number(), VM: z.number() });

const differences = z.object({
  missing: z.number(),
  extra: z.number(),
  different: z.number(),
  kept: z
    .number()
    .optional()
    .describe('Of `extra`: what a mirror leaves, because it lies below a name of the source that was not read.'),
});

export const counters = named<Counters>()(
  'Counters',
  'What a run has seen and done so far.',
  z.object({
    items: itemCounts,
    bytes: itemCounts.describe('Bytes of each of those items.'),
    verification: verification.describe('Adds up to `items.copied`.'),
    sameWeak: z.number().describe('`same`, judged by size, or size and time, alone: not proved.'),
    differences,
    differenceBytes: differences.describe(
      'Bytes of those: at the target of `extra` and `kept`, at the source of the others.',
    ),
    targetScanned: z.number(),
    mapped: z.number().describe("Copied under another name than the source's."),
    deletesFailed: z.number().describe('What a mirror could not delete; not among `items.failed`.'),
  }),
);

const waitReason = named<WaitReason>()(
  'WaitReason',
  'Why a run waits or stands still.',
  z.object({
    kind: z.enum(['limit', 'workers-busy', 'target-busy', 'attention', 'bandwidth', 'person', 'disk', 'no-worker']),
    text: z.string(),
    runId: z.string().nullable(),
    connectorId: z.string().nullable(),
  }),
);

const runLive = named<RunLive>()(
  'RunLive',
  'Only while workers are at it: the sum over all of them.',
  z.object({
    phase: z.enum(['starting', 'copying', 'names', 'deleting', 'settling', 'ended']),
    counters: counters.describe('As they are at this moment, ahead of what is committed.'),
    pendingItems: z.number(),
    pendingBytes: z.number(),
    listingComplete: z.boolean(),
    bytesPerSecond: z.number(),
    itemsPerSecond: z.number(),
    bytesPerSecondMean: z.number(),
    totals: z
      .object({
        items: z.number(),
        sizeBytes: z.number().nullable(),
        isExact: z
          .boolean()
          .describe('Everything is listed; else what was expected, and not less than what was found.'),
      })
      .nullable()
      .describe('Of everything in the source. null: nothing was expected, and listing goes on.'),
    percent: z.number().nullable().describe('Share of the totals that is done: 0 to 99, never going back.'),
    remaining: z
      .object({ lowMs: z.number(), highMs: z.number(), confidence: z.enum(['low', 'medium', 'high']) })
      .nullable()
      .describe('low and medium: from what was expected, or from a speed that was not watched for long.'),
    limitedBy: z.object({
      kind: z
        .enum(['source', 'target', 'bandwidth', 'limit', 'cpu', 'listing', 'link', 'latency', 'none'])
        .describe('limit: one that was set for a connector or the job. latency: small objects wait for answers.'),
      text: z.string().describe('What it is, and what to do about it.'),
      connectorId: z.string().nullable().describe('Whose owner or whose limits could change it.'),
      since: time,
    }),
    current: z.array(z.object({ key: z.string(), sizeBytes: z.number(), doneBytes: z.number() })),
    workers: z.array(z.object({ id, name: z.string(), segments: z.number() })),
  }),
);

export const run = named<Run>()(
  'Run',
  'One execution of a job.',
  z.object({
    id,
    version: z.number(),
    warnings: z
      .array(z.string())
      .optional()
      .describe('What looks wrong before it goes on: only in the answer to its start, or to an order to resume it.'),
    number: z.number().describe('Counts the runs of its job.'),
    jobId: id,
    jobName: z.string(),
    projectId: id,
    projectName: z.string(),
    kind: runKind,
    trigger: z.enum(['person', 'token', 'schedule']),
    createdBy: z.string(),
    sourcePath: z.string(),
    targetPath: z.string(),
    state: runState,
    waits: waitReason.nullable(),
    queuePlace: z.number().nullable().describe('1: next; only while queued.'),
    retryOf: z.string().nullable(),
    scheduledAt: timeOrNull,
    queuedAt: time,
    startedAt: timeOrNull,
    endedAt: timeOrNull,
    error: failure.nullable(),
    storageMoverCodes: z
      .array(z.string())
      .readonly()
      .describe(
        'Of state and `error`, as Azure Storage Mover calls it: AZSM0000 when it succeeded, AZSM1003; two where the side at fault decides.',
      ),
    counters,
    requests: z.object({ source: z.record(z.string(), z.number()), target: z.record(z.string(), z.number()) }),
    durationMs: z.number(),
    manifestRoot: z.string().nullable(),
    live: runLive.nullable(),
    expected: z
      .object({
        items: z.number(),
        sizeBytes: z.number().nullable(),
        basis: z.enum(['last-run', 'counted', 'retried-run']),
        runId: z.string().nullable().describe('The run that told.'),
      })
      .nullable()
      .describe('What it was expected to find in the source when it was started; null: nothing was known.'),
    sequence: z.number().describe('Rises with every change of the counters.'),
    asOf: time.describe('When the numbers were true.'),
  }),
);

const policy = named<Policy>()(
  'Policy',
  'What a run was started with.',
  z.object({
    ...policyMembers,
    mode: z.enum(['merge', 'mirror', 'check']),
    dryRun: z.boolean(),
    oneWay: z.boolean(),
  }),
);

export const bandwidthTimetable = named<Timetable['timetable']>()(
  'BandwidthTimetable',
  'Weekly; the last rule that began holds.',
  z.strictObject({
    timeZone: z.string().max(64).describe('Such as Europe/Berlin.'),
    rules: z
      .array(
        z.strictObject({
          day: z.number().int().min(0).max(6).nullable().describe('0: Sunday; null: every day.'),
          minuteOfDay: z.number().int().min(0).max(1_439),
          bytesPerSecond: z.number().nonnegative().nullable().describe('null: unlimited; 0: pause.'),
        }),
      )
      .max(1_000),
  }),
);

export const runSnapshot = named<RunSnapshot>()(
  'RunSnapshot',
  'What a run was started with; never changes.',
  z.object({
    settings: policy,
    concessions: z.array(concession),
    source: z.object({ connectorId: id, connector: z.string(), place, only: z.string().nullable() }),
    target: z.object({ connectorId: id, connector: z.string(), place }),
    tuning: z.object({ transfersMax: z.number().nullable(), bandwidth: bandwidthTimetable.nullable() }),
  }),
);

export const runSegment = named<RunSegment>()(
  'RunSegment',
  'A range of keys of a run.',
  z.object({
    segmentId: z.string(),
    kind: z.string(),
    from: z.string().nullable(),
    to: z.string().nullable(),
    state: z.enum(['open', 'held', 'done']),
    epoch: z.number(),
    worker: z.string().nullable(),
    counters,
    sequence: z.number().describe("The run's, when this was read."),
    asOf: time,
  }),
);

export const runMap = named<RunMap>()(
  'RunMap',
  "About equal shares of the run's objects, in key order; what cannot be cut further is one wider cell. The topic run-map:ID tells how it changes.",
  z.object({
    runId: z.string(),
    sequence: z.number().describe("The run's, when the cells were read."),
    asOf: time,
    cells: z.array(
      z.object({
        from: z.string().nullable().describe('Its first key; null: the first of all.'),
        to: z.string().nullable().describe('Where the next cell begins; null: behind the last of all.'),
        share: z.number().describe('Of all objects, from 0 to 1.'),
        isExact: z.boolean().describe('All of it is settled; else its share is a guess.'),
        state: z.enum(['waiting', 'listing', 'done', 'issues', 'failed']).describe('The worst in it.'),
        items: z.number().describe('Settled in it.'),
        failed: z.number(),
        unsupported: z.number(),
      }),
    ),
  }),
);

/** Who started it, and when, is known. */
export type StartRunInput = Omit<StartRun, 'trigger' | 'scheduledAt'>;
export const startRun = named<StartRunInput>()(
  'StartRun',
  'How to start.',
  z.strictObject({
    kind: runKind,
    retryOf: z.string().max(64).optional().describe('Only for retry: whose failed items.'),
    skipPreflight: z
      .boolean()
      .optional()
      .describe(
        'Start although the permission checks find something. That source and target are not one place is looked at all the same.',
      ),
    allowEmptySource: z.boolean().optional().describe('A mirror of an empty source deletes everything; allow that.'),
    verify: z
      .enum(['digest', 'read-back'])
      .optional()
      .describe("Instead of the job's setting, for this run. A validation reads both sides where no digest compares."),
  }),
);

const chosen = {
  filter: z.record(z.string(), z.array(z.string())).optional().describe('As in the list; left out: all.'),
  except: z.array(z.string()).max(10_000).optional().describe('Ids to leave alone.'),
  expectedCount: z.number().int().nonnegative().describe('As shown to the person; refused when it is another.'),
};

interface Chosen {
  readonly filter?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly search?: string | undefined;
  readonly except?: readonly string[] | undefined;
  readonly expectedCount: number;
}
const search = z.string().max(200).optional().describe('As in the list.');

export const bulkInput = named<Chosen & { readonly action: 'pause' | 'resume' | 'cancel' }>()(
  'RunActions',
  'The same on many runs.',
  z.strictObject({ action: z.enum(['pause', 'resume', 'cancel']), search, ...chosen }),
);

export const startJobs = named<Chosen & { readonly kind: RunKind; readonly skipPreflight?: boolean | undefined }>()(
  'StartJobs',
  'A run of each of many jobs.',
  z.strictObject({
    kind: runKind.describe('`retry`: what failed in the newest run of each.'),
    skipPreflight: z.boolean().optional(),
    search,
    ...chosen,
  }),
);

export const switchSchedules = named<Chosen & { readonly action: 'enable' | 'disable' }>()(
  'SwitchSchedules',
  'The same on many schedules.',
  z.strictObject({ action: z.enum(['enable', 'disable']), search, ...chosen }),
);

export const manyOutcome = named<ManyOutcome>()(
  'ManyOutcome',
  'How it went for one of many.',
  z.object({
    id: z.string(),
    name: z.string().describe('Of the job, with its project.'),
    runId: z.string().nullable().describe('That was started.'),
    error: failure.nullable().describe('null: it was done.'),
  }),
);

export const changedCount = named<{ readonly changed: number }>()(
  'ChangedCount',
  'How many were changed.',
  z.object({ changed: z.number() }),
);

const attentionKind = z.enum(['connector', 'run', 'schedule', 'subscription', 'worker', 'artifact']);

export const dismissal = named<Dismissal>()(
  'Dismissal',
  'Something that somebody has looked at: it stays away from the overview until something new happens.',
  z.object({
    id,
    mark: z.string().describe('Of the entry, as it was then.'),
    kind: attentionKind,
    entityId: id.nullable(),
    name: z.string(),
    text: z.string().describe('What was said of it.'),
    note: z.string().describe('Why it may be left as it is.'),
    createdAt: time,
    createdBy: z.string(),
  }),
);

type DismissInput = Parameters<Dismissals['create']>[1];
export const dismissInput = named<DismissInput>()(
  'Dismiss',
  'What somebody has looked at.',
  z.strictObject({
    mark: z.string().max(300).describe('Of the entry, as the overview gives it.'),
    note: z.string().max(1_024).optional().describe('Why it may be left as it is.'),
  }),
);

export const overview = named<Overview>()(
  'Overview',
  'What needs attention, what is going on, what comes next.',
  z.object({
    asOf: time.describe('When it was true.'),
    attention: z
      .array(
        z
          .object({
            mark: z
              .string()
              .describe('Names it as it is now, to dismiss it: another one when something new has happened.'),
            kind: attentionKind,
            id: id.nullable().describe('null: no worker is there at all.'),
            name: z.string(),
            text: z.string().describe('What happened, and why.'),
            remedy: z.string().describe('What to do.'),
            link: z.string().describe('Its path, below the address of the server as below /api/v1.'),
            at: time,
            runs: z.number().describe('So many runs wait for it.'),
          })
          .meta({ id: 'Attention', description: 'Something that somebody has to do something about.' }),
      )
      .describe('Newest first, at most 100.'),
    moreAttention: z.boolean().describe('There is more than that.'),
    running: z.array(run).describe('The first few of them.'),
    runningTotal: z.number(),
    queued: z.number(),
    runsMax: z.number().describe('Runs that may go on at once, in the whole installation.'),
    today: z.object({
      items: z.number(),
      bytes: z.number(),
      failed: z.number().describe('Objects.'),
      runs: z.number(),
      failedRuns: z.number(),
    }),
    codesAsOf: time.describe('When the codes were counted: that is done anew from time to time.'),
    codes: z.array(z.object({ code: z.string(), items: z.number() })),
    nextSchedules: z.array(schedule),
  }),
);
