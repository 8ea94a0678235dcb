import { afterEach, describe, expect, test } from 'vitest';
import { defineProvider, type Provider } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { createMemoryProvider, MemoryStore } from '../../providers/memory/provider.ts';
import { connectorOpener } from '../connectors/open.ts';
import { openConnectors } from '../connectors/service.ts';
import { openEndpoints } from '../endpoints/service.ts';
import type { Preflight } from '../entities.ts';
import { openJobs } from '../jobs/service.ts';
import { openProjects } from '../projects/service.ts';
import { openSchedules } from '../schedules/service.ts';
import type { DefinitionPlan } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openTimetables } from '../timetables/service.ts';
import { openDefinitions } from './service.ts';
import { signInChecks } from './sign-ins.ts';
import type { DefinitionServices } from './state.ts';

const store = new MemoryStore();
for (const name of ['photos', 'archive']) store.ensure(name);
const base = createMemoryProvider(store);
/** Like the memory provider, with a secret to sign in with. */
const vaulted: Provider = defineProvider({
  ...base,
  manifest: { ...base.manifest, id: 'vaulted', title: 'Vaulted store' },
  account: {
    ...base.account,
    password: { type: 'secret', label: 'Password', help: 'To sign in.', required: true },
  } as Provider['account'],
});

const SECRET = 'planted-secret-5512';
const READY: Preflight = {
  ok: true,
  source: [],
  target: [],
  grants: [],
  concessions: [],
  warnings: [],
  estimate: null,
};

const DOCUMENT = {
  drover: 1,
  connectors: [
    {
      name: 'Old store',
      provider: 'memory',
      tags: { team: 'photos' },
      limits: { requestsPerSecond: 50, transfersMax: 2 },
    },
    { name: 'New store', provider: 'vaulted', config: { password: SECRET } },
  ],
  timetables: [
    { name: 'Nights', timeZone: 'Europe/Berlin', rules: [{ day: null, minuteOfDay: 480, bytesPerSecond: 1e6 }] },
  ],
  endpoints: [
    { name: 'From', kind: 'source', connector: 'Old store', container: 'photos', prefix: 'raw/', description: 'All' },
    { name: 'To', kind: 'target', connector: 'New store', container: 'archive' },
  ],
  projects: [
    {
      name: 'Photos',
      description: 'Of all years',
      jobs: [
        {
          name: 'Nightly',
          source: { endpoint: 'From', subPath: '2026/' },
          target: { endpoint: 'To' },
          settings: { mode: 'mirror', filter: { exclude: ['*.tmp'] } },
          transfersMax: 8,
          timetable: 'Nights',
          schedules: [
            { rule: { kind: 'daily', time: '02:00' }, timeZone: 'UTC', enabled: true },
            { rule: { kind: 'weekly', days: [0], time: '12:00' }, timeZone: 'UTC', runKind: 'validate' },
          ],
        },
      ],
    },
  ],
};

const worlds: TestWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

async function openServer(wrap: (services: DefinitionServices) => DefinitionServices = (all) => all) {
  const world = await openTestWorld({ providers: [base, vaulted] });
  worlds.push(world);
  const cleanup = { removeFilesOf: async () => undefined };
  const preflight = async () => READY;
  const start = async (): Promise<never> => Promise.reject(new Error('nothing runs here'));
  const services: DefinitionServices = {
    connectors: openConnectors(world),
    endpoints: openEndpoints(world, connectorOpener(world)),
    projects: openProjects(world, cleanup),
    jobs: openJobs(world, { cleanup, preflight, grant: preflight }),
    schedules: openSchedules(world, { preflight, start, onRefused: async () => undefined }),
    timetables: openTimetables(world),
  };
  const admin = world.as('admin');
  const { signal } = new AbortController();
  const definitions = openDefinitions(wrap(services), world.providers, signal, signInChecks(world));
  return {
    world,
    services,
    definitions,
    admin,
    plan: (document: unknown) => definitions.plan(admin, document),
    export: (projects: string[] | null = null) => definitions.export(admin, projects),
    async apply(document: unknown): Promise<DefinitionPlan> {
      const { hash, problems } = await definitions.plan(admin, document);
      expect(problems).toEqual([]);
      return definitions.apply(admin, document, hash);
    },
  };
}

const actions = ({ steps }: DefinitionPlan) => steps.map(({ action, kind }) => `${action} ${kind}`);

describe('definitions', () => {
  test('make everything on an empty server, once; an export of it holds no secret and makes the same again', async () => {
    const server = await openServer();
    const plan = await server.plan(DOCUMENT);
    expect(plan.problems).toEqual([]);
    const made = (kind: string) => plan.steps.filter((step) => step.kind === kind).map((step) => step.made);
    expect(JSON.stringify(plan)).not.toContain(SECRET);
    expect(made('connector')[1]).toMatchObject({ provider: 'vaulted', tags: {} });
    expect(made('endpoint')[0]).toEqual({
      kind: 'source',
      connector: 'Old store',
      container: 'photos',
      prefix: 'raw/',
      description: 'All',
    });
    expect(made('job')[0]).toEqual({
      description: '',
      source: { endpoint: 'From', subPath: '2026/' },
      target: { endpoint: 'To', subPath: '' },
      settings: { mode: 'mirror', filter: { exclude: ['*.tmp'] } },
      transfersMax: 8,
      timetable: 'Nights',
    });
    expect(made('schedule')[0]).toMatchObject({ rule: { kind: 'daily', time: '02:00' }, timeZone: 'UTC' });
    expect(actions(plan)).toEqual([
      'create connector',
      'create connector',
      'create timetable',
      'create endpoint',
      'create endpoint',
      'create project',
      'create job',
      'create schedule',
      'create schedule',
    ]);
    await server.apply(DOCUMENT);
    const again = await server.apply(DOCUMENT);
    expect(again.steps.every(({ action }) => action === 'keep')).toBe(true);
    const exported = await server.export();
    expect(JSON.stringify(exported)).not.toContain(SECRET);
    expect(exported).toMatchObject({
      projects: [
        {
          jobs: [
            {
              settings: { mode: 'mirror', filter: { exclude: ['*.tmp'] } },
              schedules: [{ enabled: true }, { enabled: false }],
            },
          ],
        },
      ],
    });
    expect((await server.apply(exported)).steps.every(({ action }) => action === 'keep')).toBe(true);

    const other = await openServer();
    const refused = await other.plan(exported);
    expect(refused.problems).toEqual([
      {
        path: 'connectors[0].config.password',
        message: expect.stringContaining('needs its Password') as string,
      },
    ]);
    await other.services.connectors.authorize(other.admin, {
      name: 'New store',
      provider: 'vaulted',
      config: { password: SECRET },
    });
    await other.apply(exported);
    expect(await other.export()).toEqual(exported);
  });

  test('change what differs, and nothing else; what is left out is as usual again', async () => {
    const server = await openServer();
    await server.apply(DOCUMENT);
    const changed = structuredClone(DOCUMENT) as typeof DOCUMENT;
    const [job] = changed.projects[0]!.jobs;
    job!.settings = { mode: 'merge' } as never;
    job!.schedules[0]!.rule = { kind: 'daily', time: '03:00' };
    changed.endpoints[0]!.description = 'Only raw ones';
    const plan = await server.plan(changed);
    expect(
      plan.steps
        .filter(({ action }) => action !== 'keep')
        .map(({ kind, changes }) => [kind, changes.map(({ field }) => field)]),
    ).toEqual([
      ['endpoint', ['description']],
      ['job', ['settings']],
      ['schedule', ['rule']],
    ]);
    await server.apply(changed);
    const { items } = await server.services.jobs.list(server.admin, {});
    expect(items[0]?.settings).toMatchObject({ mode: 'merge', filter: { exclude: [] } });
    expect((await server.apply(changed)).steps.every(({ action }) => action === 'keep')).toBe(true);
    const { total } = await server.services.schedules.list(server.admin, { withTotal: true });
    expect(total).toBe(2);
  });

  test('name every problem by its path, and change nothing then', async () => {
    const server = await openServer();
    const paths = async (document: unknown) => (await server.plan(document)).problems.map(({ path }) => path);
    expect(await paths({})).toEqual(['drover']);
    expect(await paths({ drover: 1, projects: [{ name: 'P', jobs: [{ name: 'J', colour: 'red' }] }] })).toEqual([
      'projects[0].jobs[0].source',
      'projects[0].jobs[0].target',
      'projects[0].jobs[0].colour',
    ]);
    expect(await paths({ drover: 1, projects: [{ name: 'P' }, { name: 'p' }] })).toEqual(['projects[1].name']);
    const wrong = structuredClone(DOCUMENT) as typeof DOCUMENT;
    wrong.connectors[0]!.provider = 'floppy';
    wrong.endpoints[0]!.connector = 'Nobody';
    const [job] = wrong.projects[0]!.jobs;
    job!.target.endpoint = 'Nowhere';
    job!.timetable = 'Never';
    job!.settings = { mode: 'sideways' } as never;
    job!.schedules[0]!.rule = { kind: 'daily', time: '25:00' };
    expect(await paths(wrong)).toEqual([
      'connectors[0].provider',
      'endpoints[0].connector',
      'projects[0].jobs[0].target.endpoint',
      'projects[0].jobs[0].timetable',
      expect.stringMatching(/^projects\[0\]\.jobs\[0\]\..*mode$/),
      expect.stringMatching(/^projects\[0\]\.jobs\[0\]\.schedules\[0\]/),
    ]);
    const applied = await server.definitions.apply(server.admin, wrong, '');
    expect(applied.problems).not.toHaveLength(0);
    expect((await server.export())['connectors']).toEqual([]);
  });

  test('refuse two schedules of a job at the same moments, and change places of those there are', async () => {
    const server = await openServer();
    await server.apply(DOCUMENT);
    const turned = structuredClone(DOCUMENT) as typeof DOCUMENT;
    const { schedules } = turned.projects[0]!.jobs[0]!;
    schedules.reverse();
    for (const one of schedules) Object.assign(one, { runKind: 'dry-run', enabled: false });
    expect((await server.apply(turned)).problems).toEqual([]);
    const { total } = await server.services.schedules.list(server.admin, { withTotal: true });
    expect(total).toBe(schedules.length);
    schedules.push({ ...structuredClone(schedules[0]!), enabled: false } as (typeof schedules)[number]);
    const { problems } = await server.plan(turned);
    expect(problems.map(({ path }) => path)).toEqual([`projects[0].jobs[0].schedules[${schedules.length - 1}].rule`]);
  });

  test('say which schedule would never start, and are exported without those that are over', async () => {
    const server = await openServer();
    const soon = structuredClone(DOCUMENT) as typeof DOCUMENT;
    const { schedules } = soon.projects[0]!.jobs[0]!;
    schedules[1]!.rule = { kind: 'once', at: '2099-01-01T00:00:00Z' } as never;
    await server.apply(soon);
    const over = JSON.stringify({ kind: 'once', at: '2020-01-01T00:00:00Z' });
    await server.world.db.updateTable('schedules').set({ rule: over }).where('enabled', '=', false).execute();
    const exported = await server.export();
    expect(exported).toMatchObject({ projects: [{ jobs: [{ schedules: [{ rule: { kind: 'daily' } }] }] }] });
    expect((await server.apply(exported)).steps.every(({ action }) => action === 'keep')).toBe(true);
    schedules[1]!.rule = { kind: 'once', at: '2020-02-01T00:00:00Z' } as never;
    expect((await server.plan(soon)).problems).toEqual([
      {
        path: 'projects[0].jobs[0].schedules[1].rule',
        message: '2020-02-01T00:00:00Z is over: the schedule would never start.',
      },
    ]);
  });

  test('refuse what cannot change, by its path', async () => {
    const server = await openServer();
    await server.apply(DOCUMENT);
    const changed = structuredClone(DOCUMENT) as typeof DOCUMENT;
    changed.endpoints[1]!.container = 'photos';
    changed.projects[0]!.jobs[0]!.source.subPath = '2025/';
    changed.connectors[0]!.provider = 'vaulted';
    expect((await server.plan(changed)).problems.map(({ path }) => path)).toEqual([
      'connectors[0].provider',
      'endpoints[1].container',
      'projects[0].jobs[0].source',
    ]);
  });

  test('name the endpoint that has a place already, saved or in the document', async () => {
    const server = await openServer();
    await server.apply(DOCUMENT);
    const more = structuredClone(DOCUMENT) as typeof DOCUMENT;
    const first = more.endpoints[0] as Extract<(typeof more.endpoints)[number], { readonly prefix: string }>;
    more.endpoints.push({ ...first, name: 'Twin' }, { ...first, name: 'New', prefix: 'new' });
    more.endpoints.push({ ...first, name: 'Newer', prefix: 'new/' });
    const { problems } = await server.plan(more);
    expect(problems).toEqual([
      { path: 'endpoints[2]', message: expect.stringContaining(`"${first.name}"`) as string },
      { path: 'endpoints[4]', message: expect.stringContaining('"New"') as string },
    ]);
  });

  test('that fail half-way keep what was done, and go on when applied again', async () => {
    let isBroken = true;
    const server = await openServer((services) => ({
      ...services,
      jobs: {
        ...services.jobs,
        create: (...args) =>
          isBroken
            ? Promise.reject(new DroverError('DATABASE_UNAVAILABLE', 'The database is away.'))
            : services.jobs.create(...args),
      },
    }));
    const { hash } = await server.plan(DOCUMENT);
    await expect(server.definitions.apply(server.admin, DOCUMENT, hash)).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringMatching(
        /^At the job "Photos \/ Nightly": The database is away\. \d of \d changes were made, and stay\.$/,
      ) as string,
      remedy: expect.stringMatching(/Then apply the document again: it goes on from there\.$/) as string,
    });
    isBroken = false;
    await expect(server.definitions.apply(server.admin, DOCUMENT, hash)).rejects.toMatchObject({
      code: 'COUNT_CHANGED',
    });
    expect(actions(await server.apply(DOCUMENT)).filter((one) => one.startsWith('create'))).toEqual([
      'create job',
      'create schedule',
      'create schedule',
    ]);
    expect((await server.apply(DOCUMENT)).steps.every(({ action }) => action === 'keep')).toBe(true);
  });

  test('are exported project by project with what they use, and applied by those who may', async () => {
    const server = await openServer();
    await server.apply(DOCUMENT);
    await server.apply({
      drover: 1,
      connectors: [{ name: 'Unused', provider: 'memory' }],
      projects: [{ name: 'Empty' }],
    });
    const all = await server.export();
    expect(all['connectors']).toHaveLength(3);
    const some = await server.export(['photos']);
    expect(some).toMatchObject({
      connectors: { length: 2 },
      endpoints: { length: 2 },
      timetables: { length: 1 },
      projects: { length: 1 },
    });
    expect(await server.export(['Empty'])).toMatchObject({ connectors: [], endpoints: [], timetables: [] });
    await expect(server.export(['Nothing'])).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND', field: 'projects' });
    await expect(server.definitions.apply(server.world.as('viewer'), DOCUMENT, '')).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
  });
});
