/** Jobs: what is moved from where to where, and how. Both ends are fixed once a job is made. */
import { sql } from 'kysely';
import { subPathOf, writtenPath } from '../../contract/places.ts';
import type { Concession } from '../../engine/definition.ts';
import { outcomesOf as outcomesBetween } from '../../engine/outcomes.ts';
import { refuseStorageClass } from '../../engine/storage-class.ts';
import { DroverError } from '../../model/errors.ts';
import { changesOf, makeAudit } from '../audit.ts';
import type { Actor, Job, JobSettings, JobTuning, JobType, RunKind } from '../entities.ts';
import { refuseOverlap } from '../endpoints/identity.ts';
import { newId } from '../ids.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, listPage, type Listing } from '../paging.ts';
import { demand } from '../people/roles.ts';
import type { RunCleanup } from '../projects/service.ts';
import { refuseOpenUploads } from '../runs/open-uploads.ts';
import { DESCRIPTION_MAX, isUuid, lockVersion, nameOf, shortText, stampOf, uniquely } from '../rows.ts';
import type { DuplicateJob, JobInput, Jobs } from '../services.ts';
import { typedPath } from '../paths.ts';
import type { Audit, ControlWorld, Tx } from '../world.ts';
import type { MadeWith, Observed } from './observing.ts';
import { lockSchedules, refuseRemoval, removalOf } from './removal.ts';
import { restoreWarnings, writeWarnings } from './permissions.ts';
import { endFacts, jobFacts, jobOf, jobRow, jobRows, type EndFacts, type JobRow } from './rows.ts';
import { DEFAULT_SETTINGS, policyOf, settingsOf } from './settings.ts';
import { sharedTargetWarnings } from './shared-target.ts';

const NAME_TAKEN = { jobs_name: ['name', 'Another job of this project has this name.'] } as const;
const TRANSFERS_MAX = 1_000;

const WHY_FIXED =
  'Fixed after creation: with a mirror, another source or target would delete what the first one copied. Duplicate the job, or make another one.';

/** Parts of jobs that live elsewhere. */
export interface JobParts {
  readonly cleanup: RunCleanup;
  readonly preflight: Jobs['preflight'];
  readonly grant: Jobs['grant'];
}

export function openJobs(world: ControlWorld, parts: JobParts): Jobs {
  const { db } = world;
  const work = new JobWork(world);
  return {
    async list(actor, query) {
      demand(actor, 'read');
      const page = await listPage(db, jobRows(db), { ...LISTING, counted: db.selectFrom('jobs'), query });
      return { ...page, items: page.items.map(jobOf) };
    },
    async get(actor, id) {
      demand(actor, 'read');
      return jobOf(await jobRow(db, id));
    },
    create: (actor, projectId, input) => work.create(actor, projectId, input),
    update: (actor, id, version, change) => work.update(actor, id, version, change),
    async duplicate(actor, id, input) {
      demand(actor, 'define');
      return work.create(actor, ...copyOf(jobOf(await jobRow(db, id)), input));
    },
    async removal(actor, id) {
      demand(actor, 'read');
      return removalOf(db, jobOf(await jobRow(db, id)).id);
    },
    async remove(actor, id, version, how = {}) {
      await parts.cleanup.removeFilesOf(await work.remove(actor, id, version, how));
    },
    async outcomes(actor, input) {
      demand(actor, 'read');
      const source = await endFacts(db, input.sourceEndpointId, '', null);
      const target = await endFacts(db, input.targetEndpointId, '', null);
      return outcomesOf(world, source, target, settingsOf(DEFAULT_SETTINGS, input.settings ?? {}));
    },
    preflight: parts.preflight,
    grant: parts.grant,
  };
}

function copyOf(job: Job, input: DuplicateJob): [projectId: string, input: JobInput] {
  const { source, target } = job;
  const sourceEndpointId = input.sourceEndpointId ?? source.endpointId;
  const targetEndpointId = input.targetEndpointId ?? target.endpointId;
  const copy = {
    name: input.name,
    description: input.description ?? job.description,
    sourceEndpointId,
    sourceSubPath: input.sourceSubPath ?? (sourceEndpointId === source.endpointId ? writtenPath(source.subPath) : ''),
    targetEndpointId,
    targetSubPath: input.targetSubPath ?? (targetEndpointId === target.endpointId ? writtenPath(target.subPath) : ''),
    settings: settingsOf(job.settings, input.settings ?? {}),
    tuning: { ...job.tuning, ...input.tuning },
  };
  return [input.projectId ?? job.projectId, copy];
}

function madeWith(world: ControlWorld, source: EndFacts, target: EndFacts, settings: JobSettings): string {
  const concessions = outcomesOf(world, source, target, settings);
  const made: MadeWith = { observedAtMs: target.facts?.observedAtMs ?? null, isOpened: false, concessions };
  return JSON.stringify(made);
}

/** What a run of this kind will do otherwise than one may expect, from what both providers are and were seen to honour. */
export function outcomesOf(
  { providers }: Pick<ControlWorld, 'providers'>,
  source: EndFacts,
  target: EndFacts,
  settings: JobSettings,
  observed: Observed | null = null,
  kind: RunKind = 'transfer',
): readonly Concession[] {
  const from = providers.get(source.provider)?.manifest;
  const to = providers.get(target.provider)?.manifest;
  if (from === undefined || from.source === null) {
    throw unusable('sourceEndpointId', `${from?.title ?? source.provider} cannot be a source.`);
  }
  if (to === undefined || to.target === null) {
    throw unusable('targetEndpointId', `${to?.title ?? target.provider} cannot be a target.`);
  }
  refuseStorageClass(settings.storageClass, to.target, to.title, 'settings.storageClass');
  return outcomesBetween({
    source: observed?.source ?? from.source,
    target: observed?.target ?? to.target,
    facts: observed?.facts ?? target.facts,
    policy: policyOf(settings, kind),
    sourceTitle: from.title,
    targetTitle: to.title,
    sourceNames: from.target?.names ?? null,
  });
}

class JobWork {
  readonly #world: ControlWorld;
  readonly #audit: Audit;

  constructor(world: ControlWorld) {
    this.#world = world;
    this.#audit = makeAudit(world.clock);
  }

  async create(actor: Actor, projectId: string, input: JobInput): Promise<Job> {
    demand(actor, 'define');
    const { db, bus, clock } = this.#world;
    const id = newId(this.#world);
    const name = nameOf(input.name, 'name');
    const settings = settingsOf(DEFAULT_SETTINGS, input.settings ?? {});
    await uniquely(NAME_TAKEN, () =>
      db.transaction().execute(async (tx) => {
        await this.#expectProject(tx, projectId);
        const ends = await this.#ends(tx, input);
        const made = madeWith(this.#world, ends.source, ends.target, settings);
        await tx
          .insertInto('jobs')
          .values({
            id,
            ...stampOf(actor, clock.now()),
            project_id: projectId,
            name,
            description: shortText(input.description ?? '', 'description', DESCRIPTION_MAX),
            type: typeOf(ends.source, ends.target),
            source_endpoint_id: ends.source.endpointId,
            source_sub_path: ends.source.subPath,
            source_full_path: ends.source.fullPath,
            target_endpoint_id: ends.target.endpointId,
            target_sub_path: ends.target.subPath,
            target_full_path: ends.target.fullPath,
            settings: JSON.stringify(settings),
            made_with: made,
            ...(await tuningOf(tx, { transfersMax: null, timetableId: null }, input.tuning ?? {})),
          })
          .execute();
        await this.#audit(tx, actor, { action: 'job.create', entityKind: 'job', entityId: id, entityName: name });
        await bus.tell('job', id, tx);
      }),
    );
    return this.#withWarnings(id, input);
  }

  async update(actor: Actor, id: string, version: number | null, change: Parameters<Jobs['update']>[3]): Promise<Job> {
    demand(actor, 'define');
    refuseFixed(change);
    const { db, bus, clock } = this.#world;
    await uniquely(NAME_TAKEN, () =>
      db.transaction().execute(async (tx) => {
        const now = await lockVersion(tx, 'jobs', id, version, 'job');
        const before = jobOf(await jobRow(tx, id));
        const settings = settingsOf(before.settings, change.settings ?? {});
        const tuning = await tuningOf(tx, before.tuning, change.tuning ?? {});
        const after = {
          name: change.name === undefined ? before.name : nameOf(change.name, 'name'),
          description: shortText(change.description ?? before.description, 'description', DESCRIPTION_MAX),
        };
        await tx
          .updateTable('jobs')
          .set({
            ...after,
            settings: JSON.stringify(settings),
            // Whoever changes settings has seen what they cost.
            ...(change.settings === undefined ? {} : { made_with: await this.#madeWith(tx, id, settings) }),
            ...(settings.versions === before.settings.versions ? {} : { counted: null }),
            ...tuning,
            version: now + 1,
            updated_at: new Date(clock.now()),
          })
          .where('id', '=', id)
          .execute();
        const changes = {
          ...changesOf({ name: before.name, description: before.description }, after),
          ...changesOf({ ...before.settings }, { ...settings }),
          ...changesOf({ ...before.tuning }, { transfersMax: tuning.transfers_max, timetableId: tuning.timetable_id }),
        };
        const line = { action: 'job.update', entityKind: 'job', entityId: id, entityName: after.name };
        await this.#audit(tx, actor, { ...line, changes });
        await bus.tell('job', id, tx);
      }),
    );
    return this.#withWarnings(id);
  }

  async #withWarnings(id: string, given: Partial<JobInput> = {}): Promise<Job> {
    const facts = await jobFacts(this.#world.db, id);
    const { job, source, target } = facts;
    const typed = (
      [
        [source, given.sourceSubPath],
        [target, given.targetSubPath],
      ] as const
    ).flatMap(([end, text = '']) => {
      const manifest = this.#world.providers.get(end.provider)?.manifest;
      return manifest === undefined ? [] : typedPath(text, 'subPath', manifest).warnings;
    });
    const shared = await sharedTargetWarnings(this.#world.db, facts);
    const warnings = [...typed, ...restoreWarnings(source, job.settings), ...writeWarnings(target), ...shared];
    return warnings.length === 0 ? job : { ...job, warnings };
  }

  async #madeWith(tx: Tx, id: string, settings: JobSettings): Promise<string> {
    const { source, target } = await jobFacts(tx, id);
    return madeWith(this.#world, source, target, settings);
  }

  /** The ids of its runs, whose files are to go too. */
  async remove(
    actor: Actor,
    id: string,
    version: number | null,
    how: NonNullable<Parameters<Jobs['remove']>[3]>,
  ): Promise<string[]> {
    demand(actor, 'define');
    const { db, bus } = this.#world;
    return db.transaction().execute(async (tx) => {
      await lockSchedules(tx, 'jobs.id', id);
      await lockVersion(tx, 'jobs', id, version, 'job');
      const { name } = jobOf(await jobRow(tx, id));
      const going = await removalOf(tx, id);
      refuseRemoval(name, going, how.expectedRuns);
      const runs = await tx.selectFrom('runs').select('id').where('job_id', '=', id).execute();
      const open = await refuseOpenUploads(tx, `Runs of the job "${name}"`, sql<boolean>`runs.job_id = ${id}`, how);
      await tx.deleteFrom('jobs').where('id', '=', id).execute();
      const gone = (count: number) => [count, 0] as const;
      const counts = { runs: gone(going.runs), schedules: gone(going.schedules), reports: gone(going.reports) };
      const line = { action: 'job.remove', entityKind: 'job', entityId: id, entityName: name };
      await this.#audit(tx, actor, { ...line, changes: { ...counts, ...open } });
      await bus.tell('job', id, tx);
      return runs.map((run) => run.id);
    });
  }

  async #expectProject(tx: Tx, projectId: string): Promise<void> {
    const project = isUuid(projectId)
      ? await tx.selectFrom('projects').select('id').where('id', '=', projectId).forShare().executeTakeFirst()
      : undefined;
    if (project === undefined) {
      throw new DroverError('ENTITY_NOT_FOUND', `There is no project with the id "${projectId}".`);
    }
  }

  async #ends(tx: Tx, input: JobInput) {
    const source = await this.#end(tx, input, 'source');
    const target = await this.#end(tx, input, 'target');
    await expectKind(tx, source, 'source', 'sourceEndpointId');
    await expectKind(tx, target, 'target', 'targetEndpointId');
    refuseOverlap(source, target, 'targetEndpointId');
    return { source, target };
  }

  /** INVALID_INPUT at a sub-path below which nothing can lie. */
  async #end(tx: Tx, input: JobInput, side: 'source' | 'target'): Promise<EndFacts> {
    const endpoint = await endFacts(tx, input[`${side}EndpointId`], '', null);
    const manifest = this.#world.providers.get(endpoint.provider)?.manifest;
    const given = input[`${side}SubPath`] ?? '';
    const path =
      manifest === undefined
        ? subPathOf(given)
        : typedPath(given, `${side}SubPath`, manifest, endpoint.place.prefix).path;
    return endFacts(tx, endpoint.endpointId, path, null);
  }
}

async function expectKind(tx: Tx, end: EndFacts, kind: 'source' | 'target', field: string): Promise<void> {
  const row = await tx
    .selectFrom('endpoints')
    .select('kind')
    .where('id', '=', end.endpointId)
    .executeTakeFirstOrThrow();
  if (row.kind !== kind) throw unusable(field, `The endpoint "${end.endpointName}" is a ${row.kind}, not a ${kind}.`);
}

async function tuningOf(
  tx: Tx,
  base: JobTuning,
  change: Partial<JobTuning>,
): Promise<{ transfers_max: number | null; timetable_id: string | null }> {
  const { transfersMax, timetableId } = { ...base, ...change };
  if (
    transfersMax !== null &&
    !(Number.isInteger(transfersMax) && transfersMax >= 1 && transfersMax <= TRANSFERS_MAX)
  ) {
    throw unusable('tuning.transfersMax', `Give a whole number from 1 to ${TRANSFERS_MAX}, or none.`);
  }
  if (timetableId !== null) {
    const known = isUuid(timetableId)
      ? await tx.selectFrom('timetables').select('id').where('id', '=', timetableId).executeTakeFirst()
      : undefined;
    if (known === undefined) throw unusable('tuning.timetableId', 'There is no timetable with this id.');
  }
  return { transfers_max: transfersMax, timetable_id: timetableId };
}

function refuseFixed(change: object): void {
  for (const field of ['sourceEndpointId', 'sourceSubPath', 'targetEndpointId', 'targetSubPath']) {
    if (Object.hasOwn(change, field)) throw new DroverError('FIXED_FIELD', WHY_FIXED, { field });
  }
}

function typeOf(source: EndFacts, target: EndFacts): JobType {
  const word = ({ provider }: EndFacts): 'folder' | 'cloud' => (provider === 'local' ? 'folder' : 'cloud');
  return `${word(source)}-to-${word(target)}`;
}

function unusable(field: string, message: string): DroverError {
  return new DroverError('INVALID_INPUT', message, { field });
}

const LISTING: Omit<Listing<JobRow>, 'query'> = {
  sorts: {
    name: { sql: 'lower(jobs.name)', type: 'text' },
    createdAt: { sql: 'jobs.created_at', type: 'timestamptz' },
    lastRunAt: { sql: 'jobs.last_run_at', type: 'timestamptz', nullable: true },
    nextRunAt: { sql: 'jobs.next_run_at', type: 'timestamptz', nullable: true },
  },
  defaultSort: 'name',
  id: { sql: 'jobs.id', type: 'uuid' },
  ...filtersOf(FILTERS.jobs, {
    projectId: (values) => sql<boolean>`jobs.project_id = ANY(${values.filter(isUuid)}::uuid[])`,
    type: (values) => sql<boolean>`jobs.type = ANY(${values})`,
    state: (values) => sql<boolean>`jobs.last_state = ANY(${values})`,
    endpointId: (values) =>
      sql<boolean>`(jobs.source_endpoint_id = ANY(${values.filter(isUuid)}::uuid[]) OR jobs.target_endpoint_id = ANY(${values.filter(isUuid)}::uuid[]))`,
  }),
  searched: "jobs.name || ' ' || jobs.source_full_path || ' ' || jobs.target_full_path",
  idOf: (row) => row.id,
};
