/** What a document changes in what is saved: pure. Nothing is ever deleted; what the document does not name stays. */
import { createHash } from 'node:crypto';
import { subPathOf, writtenPath } from '../../contract/places.ts';
import type { Provider } from '../../contract/provider.ts';
import { canonicalJson } from '../../engine/transfer-id.ts';
import { DroverError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import { checkCloud } from '../connectors/cloud.ts';
import type { Endpoint, Job, Schedule } from '../entities.ts';
import { DEFAULT_SETTINGS, settingsOf } from '../jobs/settings.ts';
import { isTwin } from '../schedules/rows.ts';
import { checkTiming, whyNever } from '../schedules/rule.ts';
import type { DefinitionPlan } from '../services.ts';
import { checkTimetable } from '../timetables/service.ts';
import type { Document, DocumentJob, DocumentProblem, DocumentSchedule } from './document.ts';
import { changedSettings, documentCloud, documentSchedule, jobKey, type SavedState } from './state.ts';

export type Step = DefinitionPlan['steps'][number];
type Change = Step['changes'][number];

export type Work =
  | { readonly kind: 'connector'; readonly at: number; readonly id: string | null }
  | { readonly kind: 'timetable'; readonly at: number; readonly id: string | null }
  | { readonly kind: 'endpoint'; readonly at: number; readonly id: string | null }
  | { readonly kind: 'project'; readonly at: number; readonly id: string | null }
  | { readonly kind: 'job'; readonly at: readonly [project: number, job: number]; readonly id: string | null }
  | {
      readonly kind: 'schedule';
      readonly at: readonly [project: number, job: number, schedule: number];
      readonly id: string | null;
    };

export interface PlannedStep extends Step {
  readonly work: Work;
}

export interface Plan {
  readonly steps: readonly PlannedStep[];
  readonly problems: readonly DocumentProblem[];
  /** Of the steps: another state gives another one. */
  readonly hash: string;
}

export type Providers = ReadonlyMap<string, Pick<Provider, 'account' | 'manifest'>>;

/** What the plan cannot tell from document and state alone. */
export interface Findings {
  /** Of each connector of the document. */
  readonly signIns: readonly (readonly DocumentProblem[])[];
  hasMoment(schedule: DocumentSchedule): boolean;
}

export function planDocument(document: Document, state: SavedState, findings: Findings): Plan {
  const planner = new Planner(document, state, findings);
  planner.connectors();
  planner.timetables();
  planner.endpoints();
  planner.projects();
  const { steps, problems } = planner;
  const hash = createHash('sha256')
    .update(canonicalJson(steps.map(shownStep) as unknown as Json))
    .digest('hex');
  return { steps, problems, hash };
}

/** What people are shown, and agree to. */
export function shownStep({ action, kind, name, changes, made }: PlannedStep): Step {
  return { action, kind, name, changes, made };
}

class Planner {
  readonly steps: PlannedStep[] = [];
  readonly problems: DocumentProblem[] = [];
  readonly #document: Document;
  readonly #state: SavedState;
  readonly #findings: Findings;

  constructor(document: Document, state: SavedState, findings: Findings) {
    this.#document = document;
    this.#state = state;
    this.#findings = findings;
  }

  connectors(): void {
    for (const [at, given] of this.#document.connectors.entries()) {
      const saved = this.#state.connectors.get(given.name.toLowerCase());
      const path = `connectors[${at}]`;
      if (saved !== undefined && saved.provider !== given.provider) {
        this.#problem(`${path}.provider`, `The connector "${given.name}" is one of ${saved.providerTitle} here.`);
      }
      this.problems.push(...(this.#findings.signIns[at] ?? []));
      const { cloud } = given;
      if (cloud) this.#checked(path, () => checkCloud(cloud, given.provider));
      const before =
        saved === undefined
          ? null
          : { tags: saved.tags, limits: saved.limits, cloud: saved.cloud === null ? null : documentCloud(saved.cloud) };
      const after = { tags: given.tags, limits: given.limits, ...(cloud === undefined ? {} : { cloud }) };
      const made = { provider: given.provider, ...after };
      this.#step(given.name, before, after, { kind: 'connector', at, id: saved?.id ?? null }, made);
    }
  }

  timetables(): void {
    for (const [at, { name, ...timetable }] of this.#document.timetables.entries()) {
      const saved = this.#state.timetables.get(name.toLowerCase());
      this.#checked(`timetables[${at}]`, () => checkTimetable(timetable));
      const before = saved === undefined ? null : { timetable: saved.timetable };
      this.#step(name, before, { timetable }, { kind: 'timetable', at, id: saved?.id ?? null });
    }
  }

  endpoints(): void {
    const places = new Map(
      [...this.#state.endpoints.values()].map(({ kind, connectorName, place, name }) => [
        placeText(kind, connectorName, place),
        name,
      ]),
    );
    for (const [at, given] of this.#document.endpoints.entries()) {
      const saved = this.#state.endpoints.get(given.name.toLowerCase());
      const path = `endpoints[${at}]`;
      if (!this.#knows('connectors', given.connector)) {
        this.#problem(`${path}.connector`, `There is no connector "${given.connector}", here or in the document.`);
      }
      if (saved !== undefined) this.#fixedEndpoint(path, saved, given);
      const other = places.get(placeText(given.kind, given.connector, given));
      if (saved === undefined && other !== undefined) {
        const message = `The ${given.kind} endpoint "${other}" is this place already: use that one, or another place.`;
        this.#problem(path, message);
      }
      if (other === undefined) places.set(placeText(given.kind, given.connector, given), given.name);
      const before = saved === undefined ? null : { description: saved.description };
      const work = { kind: 'endpoint', at, id: saved?.id ?? null } as const;
      const { kind, connector, container, description } = given;
      const made = { kind, connector, container, prefix: writtenPath(subPathOf(given.prefix)), description };
      this.#step(given.name, before, { description }, work, made);
    }
  }

  projects(): void {
    for (const [at, given] of this.#document.projects.entries()) {
      const saved = this.#state.projects.get(given.name.toLowerCase());
      const before = saved === undefined ? null : { description: saved.description };
      const work = { kind: 'project', at, id: saved?.id ?? null } as const;
      this.#step(given.name, before, { description: given.description }, work);
      for (const [jobAt, job] of given.jobs.entries()) this.#job(given.name, job, [at, jobAt]);
    }
  }

  #job(projectName: string, given: DocumentJob, at: readonly [number, number]): void {
    const path = `projects[${at[0]}].jobs[${at[1]}]`;
    const saved = this.#state.jobs.get(jobKey(projectName, given.name));
    for (const side of ['source', 'target'] as const) {
      if (!this.#knows('endpoints', given[side].endpoint)) {
        const message = `There is no endpoint "${given[side].endpoint}", here or in the document.`;
        this.#problem(`${path}.${side}.endpoint`, message);
      }
      if (saved !== undefined) this.#fixedEnd(`${path}.${side}`, saved, given, side);
    }
    if (given.timetable !== null && !this.#knows('timetables', given.timetable)) {
      this.#problem(`${path}.timetable`, `There is no timetable "${given.timetable}", here or in the document.`);
    }
    const settings = this.#checked(path, () => settingsOf(DEFAULT_SETTINGS, given.settings)) ?? DEFAULT_SETTINGS;
    const timetableOf = (id: string | null): string | null =>
      [...this.#state.timetables.values()].find((one) => one.id === id)?.name ?? null;
    const before =
      saved === undefined
        ? null
        : {
            description: saved.description,
            settings: saved.settings,
            transfersMax: saved.tuning.transfersMax,
            timetable: timetableOf(saved.tuning.timetableId),
          };
    const { description, transfersMax, timetable } = given;
    const work = { kind: 'job', at, id: saved?.id ?? null } as const;
    const after = { description, settings, transfersMax, timetable };
    const sides = { source: given.source, target: given.target };
    const made = { ...sides, ...after, settings: { mode: settings.mode, ...changedSettings(settings) } };
    this.#step(`${projectName} / ${given.name}`, before, after, work, made);
    this.#schedules(`${projectName} / ${given.name}`, given, saved, at);
  }

  /**
   * A schedule has no name: the one that is equal is meant, else one at the same moments, else the one at the same
   * position. In this order no step makes two of a job alike on the way.
   */
  #schedules(jobName: string, given: DocumentJob, job: Job | undefined, at: readonly [number, number]): void {
    const saved = job === undefined ? [] : (this.#state.schedules.get(job.id) ?? []);
    const equal = given.schedules.map((one) => saved.find((other) => !differs(documentSchedule(other), one)));
    const taken = new Set(equal.map((one) => one?.id));
    for (const [scheduleAt, schedule] of given.schedules.entries()) {
      if (equal[scheduleAt] !== undefined || !isTiming(schedule)) continue;
      equal[scheduleAt] = saved.find((other) => !taken.has(other.id) && isTwin(other, schedule));
      taken.add(equal[scheduleAt]?.id);
    }
    const rest = saved.filter(({ id }) => !taken.has(id));
    for (const [scheduleAt, schedule] of given.schedules.entries()) {
      const path = `projects[${at[0]}].jobs[${at[1]}].schedules[${scheduleAt}]`;
      this.#checked(path, () => checkTiming(schedule));
      const twinAt = given.schedules.findIndex((one) => isTiming(one) && isTiming(schedule) && isTwin(one, schedule));
      if (twinAt !== -1 && twinAt < scheduleAt) {
        this.#problem(`${path}.rule`, `schedules[${twinAt}] of this job has the same rule and time zone already.`);
      }
      const same: Schedule | undefined = equal[scheduleAt] ?? rest.shift();
      const before = same === undefined ? null : documentSchedule(same);
      const isKept = before !== null && !differs(before, schedule);
      if (!isKept && isTiming(schedule) && !this.#findings.hasMoment(schedule)) {
        const { field, message } = whyNever(schedule);
        this.#problem(`${path}.${field}`, message);
      }
      const work = { kind: 'schedule', at: [...at, scheduleAt] as const, id: same?.id ?? null } as const;
      this.#step(jobName, before, schedule satisfies DocumentSchedule, work);
    }
  }

  #fixedEndpoint(path: string, saved: Endpoint, given: Document['endpoints'][number]): void {
    const fixed = {
      kind: saved.kind,
      connector: saved.connectorName.toLowerCase(),
      container: saved.place.container,
      prefix: saved.place.prefix,
    };
    const wanted = { ...given, connector: given.connector.toLowerCase(), prefix: subPathOf(given.prefix) };
    for (const [field, value] of Object.entries(fixed)) {
      if (wanted[field as keyof typeof fixed] === value) continue;
      const message = `Of the endpoint "${saved.name}" only the description can change; this is "${value}" here.`;
      this.#problem(`${path}.${field}`, message);
    }
  }

  #fixedEnd(path: string, saved: Job, given: DocumentJob, side: 'source' | 'target'): void {
    const isSame =
      saved[side].endpointName.toLowerCase() === given[side].endpoint.toLowerCase() &&
      saved[side].subPath === subPathOf(given[side].subPath);
    if (!isSame) this.#problem(path, `The ${side} of the job "${saved.name}" is fixed: ${saved[side].fullPath}.`);
  }

  #knows(list: 'connectors' | 'endpoints' | 'timetables', name: string): boolean {
    const folded = name.toLowerCase();
    return this.#state[list].has(folded) || this.#document[list].some((one) => one.name.toLowerCase() === folded);
  }

  #step(name: string, before: object | null, after: object, work: Work, made: object = after): void {
    const changes = before === null ? [] : changesBetween(before, after);
    const action = before === null ? 'create' : changes.length === 0 ? 'keep' : 'update';
    const shown = (before === null ? made : null) as Json;
    this.steps.push({ action, kind: work.kind, name, changes, made: shown, work });
  }

  #problem(path: string, message: string): void {
    this.problems.push({ path, message });
  }

  #checked<T>(path: string, check: () => T): T | null {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof DroverError)) throw error;
      this.#problem(error.field === null ? path : `${path}.${error.field}`, error.message);
      return null;
    }
  }
}

/** The same for two endpoints that cannot both be. */
function placeText(
  kind: string,
  connector: string,
  { container, prefix }: { readonly container: string; readonly prefix: string },
): string {
  return JSON.stringify([kind, connector.toLowerCase(), container, subPathOf(prefix)]);
}

function changesBetween(before: object, after: object): Change[] {
  return Object.entries(after)
    .map(([field, value]) => ({
      field,
      before: ((before as Record<string, Json>)[field] ?? null) as Json,
      after: value,
    }))
    .filter((change) => differs(change.before, change.after));
}

function differs(a: unknown, b: unknown): boolean {
  return canonicalJson(a as Json) !== canonicalJson(b as Json);
}

/** What is wrong with others is said where it is checked. */
function isTiming(schedule: DocumentSchedule): boolean {
  try {
    checkTiming(schedule);
    return true;
  } catch {
    return false;
  }
}
