/** The document that `export` writes and `apply` reads: names instead of ids, never a secret. */
import { z } from 'zod';
import { schemaProblems } from '../schema-words.ts';

export const DOCUMENT_VERSION = 1;

const name = z.string().trim().min(1).max(200);
const description = z.string().max(1_024).default('');
const json = z.record(z.string(), z.unknown());

/** What the provider's whole account stands for; left out, it stays as it is here. */
const cloud = z.strictObject({
  accountType: z.enum(['single', 'organization']).default('single'),
  accountId: z.string(),
  solutions: z.array(z.enum(['inventory', 'storage-data-management'])),
  services: z.array(z.literal('s3')).default(['s3']),
  permission: z.enum(['read', 'read-restore', 'read-write']),
  regions: z.array(z.string()).nullable().default(null),
  syncEveryMinutes: z.number().int().positive().nullable().default(null),
});

const connector = z.strictObject({
  name,
  provider: z.string(),
  /** Described fields without the secrets. */
  config: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  /** Names of the secrets that it has, so that another server can ask for them. */
  secrets: z.array(z.string()).optional(),
  tags: z.record(z.string(), z.string()).default({}),
  limits: z
    .strictObject({
      requestsPerSecond: z.number().positive().nullable().default(null),
      transfersMax: z.number().int().positive().nullable().default(null),
    })
    .default({ requestsPerSecond: null, transfersMax: null }),
  cloud: cloud.nullable().optional(),
});

const timetable = z.strictObject({
  name,
  timeZone: z.string(),
  rules: z.array(
    z.strictObject({
      day: z.number().int().min(0).max(6).nullable(),
      minuteOfDay: z.number().int().min(0),
      bytesPerSecond: z.number().min(0).nullable(),
    }),
  ),
});

const endpoint = z.strictObject({
  name,
  kind: z.enum(['source', 'target']),
  connector: name,
  container: z.string().min(1),
  prefix: z.string().default(''),
  description,
});

const schedule = z.strictObject({
  rule: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('once'), at: z.string() }),
    z.strictObject({ kind: z.literal('hourly'), everyHours: z.number(), minute: z.number() }),
    z.strictObject({ kind: z.literal('daily'), time: z.string() }),
    z.strictObject({ kind: z.literal('weekly'), days: z.array(z.number()), time: z.string() }),
    z.strictObject({ kind: z.literal('monthly'), day: z.number(), time: z.string() }),
    z.strictObject({ kind: z.literal('cron'), text: z.string() }),
  ]),
  timeZone: z.string(),
  startsAt: z.string().nullable().default(null),
  endsAt: z.string().nullable().default(null),
  runKind: z.enum(['transfer', 'dry-run', 'validate']).default('transfer'),
  enabled: z.boolean().default(false),
});

const end = z.strictObject({ endpoint: name, subPath: z.string().default('') });

const job = z.strictObject({
  name,
  description,
  source: end,
  target: end,
  /** Only what differs from the defaults; checked by the jobs themselves. */
  settings: json.default({}),
  transfersMax: z.number().int().positive().nullable().default(null),
  timetable: name.nullable().default(null),
  schedules: z.array(schedule).default([]),
});

const project = z.strictObject({ name, description, jobs: z.array(job).default([]) });

export const documentSchema = z.strictObject({
  drover: z.literal(DOCUMENT_VERSION),
  connectors: z.array(connector).default([]),
  timetables: z.array(timetable).default([]),
  endpoints: z.array(endpoint).default([]),
  projects: z.array(project).default([]),
});

export type Document = z.output<typeof documentSchema>;
export type DocumentConnector = Document['connectors'][number];
export type DocumentTimetable = Document['timetables'][number];
export type DocumentEndpoint = Document['endpoints'][number];
export type DocumentProject = Document['projects'][number];
export type DocumentJob = DocumentProject['jobs'][number];
export type DocumentSchedule = DocumentJob['schedules'][number];

export interface DocumentProblem {
  /** `projects[0].jobs[2].source.endpoint` */
  readonly path: string;
  readonly message: string;
}

/** Every problem of the document's form, and names that stand in it twice. */
export function parseDocument(
  input: unknown,
): { readonly document: Document; readonly problems?: undefined } | { readonly problems: readonly DocumentProblem[] } {
  const result = documentSchema.safeParse(input);
  if (!result.success) {
    return {
      problems: schemaProblems(result.error, input).map(({ path, message }) => ({ path: pathOf(path), message })),
    };
  }
  const problems = [
    ...repeated('connectors', result.data.connectors),
    ...repeated('timetables', result.data.timetables),
    ...repeated('endpoints', result.data.endpoints),
    ...repeated('projects', result.data.projects),
    ...result.data.projects.flatMap(({ jobs }, at) => repeated(`projects[${at}].jobs`, jobs)),
  ];
  return problems.length > 0 ? { problems } : { document: result.data };
}

function repeated(list: string, entries: readonly { readonly name: string }[]): DocumentProblem[] {
  const seen = new Set<string>();
  return entries.flatMap((entry, at) => {
    const folded = entry.name.toLowerCase();
    if (!seen.has(folded)) {
      seen.add(folded);
      return [];
    }
    return [{ path: `${list}[${at}].name`, message: `"${entry.name}" stands in this list twice.` }];
  });
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : `${text}${text === '' ? '' : '.'}${String(step)}`),
    '',
  );
}
