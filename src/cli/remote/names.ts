/** Which entity a word on the command line means: an id, or a name that only one of its kind has. */
import { DroverError } from '../../model/errors.ts';
import { nearest } from '../suggest.ts';
import { visible } from '../terminal.ts';
import { answer, type Remote, type Wire } from './remote.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const RUN_ID = /^[a-z0-9]{8,26}$/;
const CANDIDATES_MAX = 10;

interface Identified {
  readonly id: string;
}

interface Search<T extends Identified> {
  /** `job`; for sentences. */
  readonly kind: string;
  readonly byId: (id: string) => Promise<{ data?: T }>;
  /** Those whose name may hold the words. */
  readonly search: (words: string) => Promise<readonly T[]>;
  /** All ways to name it, the one that is shown first. */
  readonly namesOf: (entity: T) => readonly string[];
}

type PageOf<T> = Promise<{ data?: { readonly items: readonly T[] } }>;

/** ENTITY_NOT_FOUND, or INVALID_INPUT that lists what the name could mean. */
async function find<T extends Identified>(word: string, { kind, byId, search, namesOf }: Search<T>): Promise<T> {
  if (UUID.test(word)) return answer(byId(word));
  const wanted = word.trim().toLowerCase();
  if (wanted === '') throw new DroverError('USAGE', `The name of the ${kind} is empty.`);
  const found = (await search(wanted)).filter((one) => namesOf(one).some((name) => name.toLowerCase() === wanted));
  if (found.length === 1) return found[0] as T;
  if (found.length === 0) {
    const known = (await search('')).flatMap(namesOf);
    const meant = nearest(wanted, known);
    throw new DroverError('ENTITY_NOT_FOUND', `There is no ${kind} "${visible(word)}".`, {
      remedy: meant === null ? `"drover ${kind} list" shows what there is.` : `Did you mean "${meant}"?`,
    });
  }
  const candidates = found.slice(0, CANDIDATES_MAX).map((one) => `${namesOf(one)[0] ?? ''} (${one.id})`);
  throw new DroverError('INVALID_INPUT', `"${visible(word)}" is the name of ${found.length} ${kind}s.`, {
    remedy: `Say which one: ${candidates.join(', ')}.`,
  });
}

/** Up to as many as a page can hold. */
async function items<T>(page: PageOf<T>): Promise<readonly T[]> {
  return (await page).data?.items ?? [];
}

const query = (words: string) => ({ params: { query: { limit: 1_000, ...(words === '' ? {} : { search: words }) } } });
const path = (id: string) => ({ params: { path: { id } } });

export const findProject = ({ http }: Remote, word: string): Promise<Wire['Project']> =>
  find(word, {
    kind: 'project',
    byId: (id) => http.GET('/api/v1/projects/{id}', path(id)),
    search: (words) => items(http.GET('/api/v1/projects', query(words))),
    namesOf: ({ name }) => [name],
  });

export const findConnectorAt = ({ http }: Remote, word: string): Promise<Wire['Connector']> =>
  find(word, {
    kind: 'connector',
    byId: (id) => http.GET('/api/v1/connectors/{id}', path(id)),
    search: (words) => items(http.GET('/api/v1/connectors', query(words))),
    namesOf: ({ name }) => [name],
  });

export const findEndpoint = ({ http }: Remote, word: string): Promise<Wire['Endpoint']> =>
  find(word, {
    kind: 'endpoint',
    byId: (id) => http.GET('/api/v1/endpoints/{id}', path(id)),
    search: (words) => items(http.GET('/api/v1/endpoints', query(words))),
    namesOf: ({ name }) => [name],
  });

/** By its name, or with that of its project before it: `project/job`. */
export const findJob = ({ http }: Remote, word: string): Promise<Wire['Job']> =>
  find(word, {
    kind: 'job',
    byId: (id) => http.GET('/api/v1/jobs/{id}', path(id)),
    // Names may hold slashes, so the search takes only what surely belongs to the job's own name.
    search: (words) => items(http.GET('/api/v1/jobs', query(words.slice(words.lastIndexOf('/') + 1).trim()))),
    namesOf: ({ name, projectName }) => [`${projectName}/${name}`, name],
  });

/** By its id, or the newest one of the job that is named. */
export async function findRun(remote: Remote, word: string): Promise<Wire['Run']> {
  const { http } = remote;
  if (RUN_ID.test(word)) {
    try {
      return await answer(http.GET('/api/v1/runs/{id}', path(word)));
    } catch (error) {
      if (!(error instanceof DroverError) || error.code !== 'ENTITY_NOT_FOUND') throw error;
    }
  }
  const job = await findJob(remote, word).catch((error: unknown) => {
    if (!(error instanceof DroverError) || error.code !== 'ENTITY_NOT_FOUND') throw error;
    throw new DroverError('ENTITY_NOT_FOUND', `There is no run "${visible(word)}", and no job of that name.`, {
      remedy: '"drover run list" and "drover job list" show what there is.',
    });
  });
  return newestRun(remote, job);
}

export async function newestRun({ http }: Remote, job: Wire['Job']): Promise<Wire['Run']> {
  if (job.lastRun === null) {
    throw new DroverError('ENTITY_NOT_FOUND', `The job "${job.name}" has not run yet.`, {
      remedy: `Start it: drover job start "${job.projectName}/${job.name}"`,
    });
  }
  return answer(http.GET('/api/v1/runs/{id}', path(job.lastRun.id)));
}

/** Schedules have no names: by id, or the only one of the job that is named. */
export async function findSchedule(remote: Remote, word: string): Promise<Wire['Schedule']> {
  const { http } = remote;
  if (UUID.test(word)) return answer(http.GET('/api/v1/schedules/{id}', path(word)));
  const job = await findJob(remote, word);
  const all = await items(
    http.GET('/api/v1/schedules', { params: { query: { limit: 1_000, 'filter.jobId': [job.id] } } }),
  );
  if (all.length === 1) return all[0] as Wire['Schedule'];
  const why = all.length === 0 ? 'no schedule' : `${all.length} schedules`;
  throw new DroverError(all.length === 0 ? 'ENTITY_NOT_FOUND' : 'INVALID_INPUT', `The job "${job.name}" has ${why}.`, {
    remedy:
      all.length === 0
        ? `Make one: drover schedule create "${job.projectName}/${job.name}" --daily 02:00`
        : `Name it by its id: ${all.map(({ id }) => id).join(', ')}.`,
  });
}

export const findTimetable = ({ http }: Remote, word: string): Promise<Wire['Timetable']> =>
  find(word, {
    kind: 'timetable',
    byId: (id) => http.GET('/api/v1/timetables/{id}', path(id)),
    search: (words) => items(http.GET('/api/v1/timetables', query(words))),
    namesOf: ({ name }) => [name],
  });

/** By e-mail address or name. */
export const findPerson = ({ http }: Remote, word: string): Promise<Wire['Person']> =>
  find(word, {
    kind: 'person',
    byId: (id) => http.GET('/api/v1/people/{id}', path(id)),
    search: (words) => items(http.GET('/api/v1/people', query(words))),
    namesOf: ({ email, name }) => [email, name],
  });

export const findToken = ({ http }: Remote, word: string): Promise<Wire['Token']> =>
  find(word, {
    kind: 'token',
    byId: async (id) => ({
      data: (await items(http.GET('/api/v1/tokens', query('')))).find((token) => token.id === id) ?? missing(id),
    }),
    search: (words) => items(http.GET('/api/v1/tokens', query(words))),
    namesOf: ({ name }) => [name],
  });

export const findSubscription = ({ http }: Remote, word: string): Promise<Wire['Subscription']> =>
  find(word, {
    kind: 'subscription',
    byId: (id) => http.GET('/api/v1/subscriptions/{id}', path(id)),
    // Their list is short and has no words to search.
    search: () => items(http.GET('/api/v1/subscriptions', query(''))),
    namesOf: ({ name }) => [name],
  });

export async function findWorker({ http }: Remote, word: string): Promise<Wire['Worker']> {
  const all = await answer(http.GET('/api/v1/workers'));
  return find(word, {
    kind: 'worker',
    byId: async (id) => ({ data: all.find((worker) => worker.id === id) ?? missing(id) }),
    // One that was started again has the name of the one before it.
    search: async () => all.filter(({ state }) => state !== 'gone'),
    namesOf: ({ name }) => [name],
  });
}

/** Changes what was seen, and nothing that somebody else changed meanwhile: EDIT_CONFLICT then. */
export function asSeen({ id, version }: { readonly id: string; readonly version: number }): {
  path: { id: string };
  header: { 'If-Match': string };
} {
  return { path: { id }, header: { 'If-Match': `"${version}"` } };
}

function missing(id: string): never {
  throw new DroverError('ENTITY_NOT_FOUND', `There is nothing with the id "${id}".`);
}
