/**
 * Definitions as one document. Every change is made by the service that owns it, with its guards and its audit line;
 * a failure in the middle leaves what was done before it, and applying again goes on from there.
 */
import { DroverError } from '../../model/errors.ts';
import type { Actor, JobSettings } from '../entities.ts';
import { DEFAULT_SETTINGS, settingsOf } from '../jobs/settings.ts';
import { demand } from '../people/roles.ts';
import type { DefinitionDocument, DefinitionPlan, Definitions } from '../services.ts';
import { parseDocument, type Document, type DocumentJob, type DocumentSchedule } from './document.ts';
import { planDocument, shownStep, type Plan, type PlannedStep, type Providers } from './plan.ts';
import { signInProblems, type SignInChecks } from './sign-ins.ts';
import { documentOf, documentSchedule, jobKey, loadState, type DefinitionServices, type SavedState } from './state.ts';

export function openDefinitions(
  services: DefinitionServices,
  providers: Providers,
  signal: AbortSignal,
  checks: SignInChecks,
): Definitions {
  const hasMoment = (schedule: DocumentSchedule): boolean => services.schedules.preview(schedule, 1).length > 0;
  const plan = async (actor: Actor, input: unknown): Promise<{ plan: Plan; document: Document | null }> => {
    const parsed = parseDocument(input);
    if (parsed.problems !== undefined)
      return { plan: { steps: [], problems: parsed.problems, hash: '' }, document: null };
    const { document } = parsed;
    const state = await loadState(services, actor);
    const signIns = await signInProblems(document, state, providers, checks);
    return { plan: planDocument(document, state, { signIns, hasMoment }), document };
  };
  return {
    async export(actor, projectNames) {
      demand(actor, 'read');
      const state = await loadState(services, actor);
      for (const name of projectNames ?? []) {
        if (!state.projects.has(name.toLowerCase())) {
          throw new DroverError('ENTITY_NOT_FOUND', `There is no project "${name}".`, { field: 'projects' });
        }
      }
      // Those that are over could not be made anywhere else.
      const schedules = new Map(
        [...state.schedules].map(([jobId, all]) => [
          jobId,
          all.filter((one) => one.enabled || hasMoment(documentSchedule(one))),
        ]),
      );
      return documentOf({ ...state, schedules }, projectNames) as unknown as DefinitionDocument;
    },
    async plan(actor, input) {
      demand(actor, 'define');
      return shown((await plan(actor, input)).plan);
    },
    async apply(actor, input, planHash) {
      demand(actor, 'definitions-apply');
      const planned = await plan(actor, input);
      if (planned.document === null || planned.plan.problems.length > 0) return shown(planned.plan);
      if (planned.plan.hash !== planHash) {
        throw new DroverError('COUNT_CHANGED', 'What would change is not what was shown any more.', {
          remedy: 'Look at the new plan and confirm again.',
        });
      }
      const work = new Applying(services, actor, planned.document, await loadState(services, actor), signal);
      const steps = planned.plan.steps.filter(({ action }) => action !== 'keep');
      for (const [at, step] of steps.entries()) await work.apply(step, { made: at, all: steps.length });
      return shown(planned.plan);
    },
  };
}

function shown({ steps, problems, hash }: Plan): DefinitionPlan {
  return { steps: steps.map(shownStep), problems, hash };
}

/** Applies steps in order; ids of what it makes are known to the steps after. */
class Applying {
  readonly #services: DefinitionServices;
  readonly #actor: Actor;
  readonly #document: Document;
  readonly #signal: AbortSignal;
  readonly #ids = new Map<string, string>();

  constructor(services: DefinitionServices, actor: Actor, document: Document, state: SavedState, signal: AbortSignal) {
    this.#services = services;
    this.#actor = actor;
    this.#document = document;
    this.#signal = signal;
    for (const kind of ['connectors', 'timetables', 'endpoints', 'projects', 'jobs'] as const) {
      for (const [name, { id }] of state[kind]) this.#ids.set(`${kind}/${name}`, id);
    }
  }

  async apply({ work, name }: PlannedStep, so: { readonly made: number; readonly all: number }): Promise<void> {
    try {
      switch (work.kind) {
        case 'connector':
          return await this.#connector(work.at, work.id);
        case 'timetable':
          return await this.#timetable(work.at, work.id);
        case 'endpoint':
          return await this.#endpoint(work.at, work.id);
        case 'project':
          return await this.#project(work.at, work.id);
        case 'job':
          return await this.#job(work.at, work.id);
        case 'schedule':
          return await this.#schedule(work.at, work.id);
      }
    } catch (error) {
      if (!(error instanceof DroverError)) throw error;
      const stays = so.made === 0 ? 'Nothing was changed.' : `${so.made} of ${so.all} changes were made, and stay.`;
      throw new DroverError(error.code, `At the ${work.kind} "${name}": ${error.message} ${stays}`, {
        cause: error,
        field: error.field,
        remedy: `${error.remedy} Then apply the document again: it goes on from there.`,
      });
    }
  }

  async #connector(at: number, id: string | null): Promise<void> {
    const { name, provider, config, tags, limits, cloud } = entryAt(this.#document.connectors, at);
    const { connectors } = this.#services;
    if (id !== null) await connectors.update(this.#actor, id, null, { tags, limits, cloud });
    else {
      const given = { name, provider, config, tags, limits, cloud };
      this.#made('connectors', name, await connectors.authorize(this.#actor, given));
    }
  }

  async #timetable(at: number, id: string | null): Promise<void> {
    const { name, ...timetable } = entryAt(this.#document.timetables, at);
    const { timetables } = this.#services;
    if (id !== null) await timetables.update(this.#actor, id, null, { timetable });
    else this.#made('timetables', name, await timetables.create(this.#actor, { name, timetable }));
  }

  async #endpoint(at: number, id: string | null): Promise<void> {
    const { name, kind, connector, container, prefix, description } = entryAt(this.#document.endpoints, at);
    const { endpoints } = this.#services;
    if (id !== null) {
      await endpoints.update(this.#actor, id, null, { description });
      return;
    }
    const connectorId = this.#id('connectors', connector);
    const input = { name, kind, connectorId, place: { container, prefix }, description };
    this.#made('endpoints', name, await endpoints.create(this.#actor, input, this.#signal));
  }

  async #project(at: number, id: string | null): Promise<void> {
    const { name, description } = entryAt(this.#document.projects, at);
    const { projects } = this.#services;
    if (id !== null) await projects.update(this.#actor, id, null, { description });
    else this.#made('projects', name, await projects.create(this.#actor, { name, description }));
  }

  async #job([projectAt, jobAt]: readonly [number, number], id: string | null): Promise<void> {
    const project = entryAt(this.#document.projects, projectAt);
    const job: DocumentJob = entryAt(project.jobs, jobAt);
    const { jobs } = this.#services;
    const timetableId = job.timetable === null ? null : this.#id('timetables', job.timetable);
    const common = {
      description: job.description,
      // Whole: what the document leaves out is as usual, whatever stands there now.
      settings: settingsOf(DEFAULT_SETTINGS, job.settings as Partial<JobSettings>),
      tuning: { transfersMax: job.transfersMax, timetableId },
    };
    if (id !== null) {
      await jobs.update(this.#actor, id, null, common);
      return;
    }
    const made = await jobs.create(this.#actor, this.#id('projects', project.name), {
      name: job.name,
      sourceEndpointId: this.#id('endpoints', job.source.endpoint),
      sourceSubPath: job.source.subPath,
      targetEndpointId: this.#id('endpoints', job.target.endpoint),
      targetSubPath: job.target.subPath,
      ...common,
    });
    this.#ids.set(`jobs/${jobKey(project.name, job.name)}`, made.id);
  }

  async #schedule([projectAt, jobAt, at]: readonly [number, number, number], id: string | null): Promise<void> {
    const project = entryAt(this.#document.projects, projectAt);
    const job = entryAt(project.jobs, jobAt);
    const { enabled, ...input }: DocumentSchedule = entryAt(job.schedules, at);
    const { schedules } = this.#services;
    const jobId = this.#id('jobs', jobKey(project.name, job.name));
    const saved =
      id === null
        ? await schedules.create(this.#actor, jobId, input)
        : await schedules.update(this.#actor, id, null, input);
    if (enabled && !saved.enabled) await schedules.enable(this.#actor, saved.id, this.#signal);
    if (!enabled && saved.enabled) await schedules.disable(this.#actor, saved.id);
  }

  #made(kind: string, name: string, { id }: { readonly id: string }): void {
    this.#ids.set(`${kind}/${name.toLowerCase()}`, id);
  }

  #id(kind: string, name: string): string {
    const id = this.#ids.get(`${kind}/${name.toLowerCase()}`);
    if (id === undefined) throw new DroverError('ENTITY_NOT_FOUND', `There is no "${name}" among the ${kind}.`);
    return id;
  }
}

function entryAt<T>(list: readonly T[], at: number): T {
  const entry = list[at];
  if (entry === undefined) throw new DroverError('INTERNAL', 'A plan speaks of what its document does not hold.');
  return entry;
}
