/** Everything a document speaks of, as it is saved now, by name. */
import { writtenPath } from '../../contract/places.ts';
import type {
  CloudAccount,
  Connector,
  Endpoint,
  Job,
  JobSettings,
  ListQuery,
  Page,
  Project,
  Schedule,
  Timetable,
} from '../entities.ts';
import { DEFAULT_SETTINGS } from '../jobs/settings.ts';
import type { Actor } from '../entities.ts';
import type { Services } from '../services.ts';
import {
  DOCUMENT_VERSION,
  type Document,
  type DocumentConnector,
  type DocumentJob,
  type DocumentSchedule,
} from './document.ts';

export type DefinitionServices = Pick<
  Services,
  'connectors' | 'endpoints' | 'projects' | 'jobs' | 'schedules' | 'timetables'
>;

export interface SavedState {
  readonly connectors: ReadonlyMap<string, Connector>;
  readonly timetables: ReadonlyMap<string, Timetable>;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly projects: ReadonlyMap<string, Project>;
  /** `project\njob` in lower case. */
  readonly jobs: ReadonlyMap<string, Job>;
  readonly schedules: ReadonlyMap<string, readonly Schedule[]>;
}

export function jobKey(project: string, job: string): string {
  return `${project.toLowerCase()}\n${job.toLowerCase()}`;
}

export async function loadState(services: DefinitionServices, actor: Actor): Promise<SavedState> {
  const all = async <T>(list: (query: ListQuery) => Promise<Page<T>>): Promise<T[]> => {
    const items: T[] = [];
    let cursor: string | undefined;
    do {
      const page = await list({ limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
      items.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return items;
  };
  const byName = <T extends { readonly name: string }>(items: readonly T[]): Map<string, T> =>
    new Map(items.map((item) => [item.name.toLowerCase(), item]));
  const jobs = await all((query) => services.jobs.list(actor, query));
  const schedules = new Map<string, Schedule[]>();
  for (const schedule of await all((query) => services.schedules.list(actor, { ...query, sort: 'createdAt' }))) {
    const ofJob = schedules.get(schedule.jobId);
    if (ofJob === undefined) schedules.set(schedule.jobId, [schedule]);
    else ofJob.push(schedule);
  }
  return {
    connectors: byName(await all((query) => services.connectors.list(actor, query))),
    timetables: byName(await all((query) => services.timetables.list(actor, query))),
    endpoints: byName(await all((query) => services.endpoints.list(actor, query))),
    projects: byName(await all((query) => services.projects.list(actor, query))),
    jobs: new Map(jobs.map((job) => [jobKey(job.projectName, job.name), job])),
    schedules,
  };
}

/** The document of what is saved; `projectNames`: only these, with what they use. */
export function documentOf(state: SavedState, projectNames: readonly string[] | null): Document {
  const wanted = projectNames === null ? null : new Set(projectNames.map((name) => name.toLowerCase()));
  const projects = [...state.projects.values()].filter(({ name }) => wanted?.has(name.toLowerCase()) ?? true);
  const jobsByProject = Map.groupBy(state.jobs.values(), ({ projectId }) => projectId);
  const jobs = projects.flatMap(({ id }) => jobsByProject.get(id) ?? []);
  const endpointIds = new Set(jobs.flatMap(({ source, target }) => [source.endpointId, target.endpointId]));
  const endpoints = [...state.endpoints.values()].filter(({ id }) => wanted === null || endpointIds.has(id));
  const connectorIds = new Set(endpoints.map(({ connectorId }) => connectorId));
  const timetableIds = new Set(jobs.map(({ tuning }) => tuning.timetableId));
  const timetableNames = new Map([...state.timetables.values()].map(({ id, name }) => [id, name]));
  return {
    drover: DOCUMENT_VERSION,
    connectors: [...state.connectors.values()]
      .filter(({ id }) => wanted === null || connectorIds.has(id))
      .map(({ name, provider, config, secrets, tags, limits, cloud }) => ({
        name,
        provider,
        config,
        ...(Object.keys(secrets).length === 0 ? {} : { secrets: Object.keys(secrets).toSorted() }),
        tags,
        limits,
        ...(cloud === null ? {} : { cloud: documentCloud(cloud) }),
      })),
    timetables: [...state.timetables.values()]
      .filter(({ id }) => wanted === null || timetableIds.has(id))
      .map(({ name, timetable }) => ({
        name,
        timeZone: timetable.timeZone,
        rules: timetable.rules.map((rule) => ({ ...rule })),
      })),
    endpoints: endpoints.map(({ name, kind, connectorName, place, description }) => ({
      name,
      kind,
      connector: connectorName,
      container: place.container,
      prefix: writtenPath(place.prefix),
      description,
    })),
    projects: projects.map(({ id, name, description }) => ({
      name,
      description,
      jobs: (jobsByProject.get(id) ?? []).map((job) => documentJob(job, state, timetableNames)),
    })),
  };
}

function documentJob(
  job: Job,
  state: Pick<SavedState, 'schedules'>,
  timetableNames: ReadonlyMap<string, string>,
): DocumentJob {
  const { timetableId } = job.tuning;
  return {
    name: job.name,
    description: job.description,
    source: { endpoint: job.source.endpointName, subPath: writtenPath(job.source.subPath) },
    target: { endpoint: job.target.endpointName, subPath: writtenPath(job.target.subPath) },
    settings: changedSettings(job.settings),
    transfersMax: job.tuning.transfersMax,
    timetable: timetableId === null ? null : (timetableNames.get(timetableId) ?? null),
    schedules: (state.schedules.get(job.id) ?? []).map(documentSchedule),
  };
}

/** What somebody chose of it, without what the inventory found. */
export function documentCloud(cloud: CloudAccount): NonNullable<DocumentConnector['cloud']> {
  const { accountType, accountId, solutions, services, permission, regions, syncEveryMinutes } = cloud;
  return {
    accountType,
    accountId,
    permission,
    syncEveryMinutes,
    solutions: [...solutions],
    services: [...services],
    regions: regions === null ? null : [...regions],
  };
}

export function documentSchedule(schedule: Schedule): DocumentSchedule {
  const { timeZone, startsAt, endsAt, runKind, enabled } = schedule;
  return { rule: schedule.rule as DocumentSchedule['rule'], timeZone, startsAt, endsAt, runKind, enabled };
}

/** What differs from the defaults, so that a document says only what somebody chose. */
export function changedSettings(settings: JobSettings): Record<string, unknown> {
  const changed: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(settings)) {
    const usual = DEFAULT_SETTINGS[name as keyof JobSettings];
    if (name === 'filter') {
      const filter = Object.entries(settings.filter).filter(
        ([member, one]) =>
          JSON.stringify(one) !== JSON.stringify(DEFAULT_SETTINGS.filter[member as keyof JobSettings['filter']]),
      );
      if (filter.length > 0) changed[name] = Object.fromEntries(filter);
    } else if (JSON.stringify(value) !== JSON.stringify(usual)) {
      changed[name] = value;
    }
  }
  return changed;
}
