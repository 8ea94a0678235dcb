/** A server that dies between making something and saying so: the repeat, of whichever server, finds what was made. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_BASE, ROUTES } from '../../src/api/routes/all.ts';
import { openApi, type Api } from '../../src/api/server.ts';
import { openReplays, type Replays } from '../../src/control/replays.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { insertPair } from '../../src/control/testing/fixtures.ts';
import { openServices, type AllServices } from '../../src/main/services.ts';

const NO_ID = '01890000-0000-7000-8000-00000000ffff';

let world: TestWorld;
let services: AllServices;
let token: string;
const stopper = new AbortController();
const opened: Api[] = [];

beforeAll(async () => {
  world = await openTestWorld();
  services = openServices(world, stopper.signal);
  const { id } = await services.people.create(world.as('admin'), {
    email: 'ana@acme.example',
    name: 'Ana',
    role: 'admin',
    password: 'correct horse battery',
  });
  const ana = { ...world.as('admin'), personId: id };
  token = (await services.tokens.create(ana, { name: 'ci', role: 'admin', expiresAt: null })).secret;
});
afterAll(async () => {
  stopper.abort();
  await Promise.all(opened.map((api) => api.close()));
  await world.close();
});

/** `isDying`: what was made is never answered, and nothing is written any more, as where the process ends. */
async function openServer(isDying: boolean): Promise<string> {
  const real = openReplays(world);
  const nothing = (): Promise<never> => Promise.reject(new Error('the process ends here'));
  const replays: Replays = isDying ? { ...real, finish: nothing, abandon: nothing } : real;
  const api = await openApi({
    ...world,
    services,
    replays,
    ready: async () => ({ ready: true, parts: [] }),
    metrics: async () => '',
    staticFolder: null,
    checkAnswers: true,
  });
  opened.push(api);
  return (await api.listen('127.0.0.1', 0)).url;
}

function post(url: string, path: string, key: string, body: object): Promise<Response> {
  return fetch(url + API_BASE + path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, 'idempotency-key': key },
  });
}

test('many repeats after it, at once and on several servers, answer with the one that was made', async () => {
  const dying = await openServer(true);
  expect((await post(dying, '/projects', 'k1', { name: 'Made once' })).status).toBe(500);
  const servers = await Promise.all([openServer(false), openServer(false)]);
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, at) => post(servers[at % 2] ?? '', '/projects', 'k1', { name: 'Made once' })),
  );
  const ids = await Promise.all(answers.map(async (answer) => ((await answer.json()) as { id: string }).id));
  const all = await world.db.selectFrom('projects').select('id').where('name', '=', 'Made once').execute();
  expect(all).toHaveLength(1);
  expect(new Set(ids)).toEqual(new Set(all.map(({ id }) => id)));
  for (const { status, headers } of answers) {
    expect([status, headers.get('idempotency-replayed'), headers.get('location')]).toEqual([
      201,
      'true',
      `${API_BASE}/projects/${ids[0]}`,
    ]);
    expect(headers.get('etag')).toBe('"1"');
  }
  const audited = await world.db
    .selectFrom('audit')
    .select('number')
    .where('entity_id', '=', ids[0] ?? '')
    .execute();
  expect(audited).toHaveLength(1);
  expect((await post(servers[0] ?? '', '/projects', 'k1', { name: 'Something else' })).status).toBe(409);
});

test('a secret that was never shown is said to be lost, with what to remove', async () => {
  const [dying, server] = [await openServer(true), await openServer(false)];
  const body = { name: 'lost', role: 'viewer', expiresAt: null };
  expect((await post(dying, '/tokens', 'k2', body)).status).toBe(500);
  const answer = await post(server, '/tokens', 'k2', body);
  const { detail, code } = (await answer.json()) as { detail: string; code: string };
  const [row] = await world.db.selectFrom('tokens').select('id').where('name', '=', 'lost').execute();
  expect([answer.status, code]).toEqual([409, 'ALREADY_EXISTS']);
  expect(detail).toContain(row?.id);
  expect(await world.db.selectFrom('tokens').select('id').where('name', '=', 'lost').execute()).toHaveLength(1);
});

test('what failed before anything was made may be tried again at once', async () => {
  const server = await openServer(false);
  await services.projects.create(world.as('admin'), { name: 'Taken' });
  expect((await post(server, '/projects', 'k3', { name: 'Taken' })).status).toBe(409);
  const [row] = await world.db.selectFrom('projects').select(['id']).where('name', '=', 'Taken').execute();
  await world.db
    .deleteFrom('projects')
    .where('id', '=', row?.id ?? '')
    .execute();
  expect((await post(server, '/projects', 'k3', { name: 'Taken' })).status).toBe(201);
});

describe('many at once', () => {
  const FILTER = { state: ['failed'] };
  const start = { kind: 'transfer', skipPreflight: true, filter: FILTER, expectedCount: 3 };

  async function outcomesOf(answer: Response): Promise<{ name: string; runId: string | null; error: unknown }[]> {
    expect(answer.status, await answer.clone().text()).toBe(200);
    const lines = (await answer.text()).trimEnd().split('\n');
    return lines
      .map((line) => JSON.parse(line) as never)
      .toSorted((a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1));
  }

  const runsThere = async (): Promise<string[]> =>
    (await world.db.selectFrom('runs').select('id').execute()).map(({ id }) => id).toSorted();

  test('are started once, although the filter names others by then, and although the server died in between', async () => {
    const project = await services.projects.create(world.as('admin'), { name: 'Nightly' });
    for (const name of ['a', 'b', 'c']) {
      const { id } = await services.jobs.create(world.as('admin'), project.id, { name, ...(await insertPair(world)) });
      await world.db.updateTable('jobs').set({ last_state: 'failed' }).where('id', '=', id).execute();
    }
    const server = await openServer(false);
    const first = await outcomesOf(await post(server, '/jobs/actions/start', 'bulk', start));
    expect(first.map(({ name, error }) => [name, error])).toEqual(
      ['a', 'b', 'c'].map((name) => [`Nightly/${name}`, null]),
    );
    expect(await runsThere()).toEqual(first.map(({ runId }) => runId).toSorted());
    // As where the server has died before it could keep what it answered for one of them.
    const died = { status: null, body: null, headers: null };
    await world.db
      .updateTable('idempotency')
      .set(died)
      .where('made_id', '=', first[1]?.runId ?? '')
      .execute();
    const again = await openServer(false);
    expect(await outcomesOf(await post(again, '/jobs/actions/start', 'bulk', start))).toEqual(first);
    expect(await runsThere()).toHaveLength(3);
    const other = await post(again, '/jobs/actions/start', 'bulk', { ...start, kind: 'validate' });
    expect([other.status, await runsThere()]).toEqual([409, expect.objectContaining({ length: 3 })]);
    const anew = await post(again, '/jobs/actions/start', 'bulk-2', { ...start, expectedCount: 2 });
    expect(await anew.json()).toMatchObject({ code: 'COUNT_CHANGED' });
  });
});

test.each(ROUTES.filter(({ method, creates, stepwise }) => method !== 'GET' && !creates && !stepwise))(
  '$method $path refuses a key that would mean nothing',
  async ({ method, path }) => {
    const server = await openServer(false);
    const answer = await fetch(server + API_BASE + path.replaceAll(/\{\w+\}/g, NO_ID), {
      method,
      headers: { authorization: `Bearer ${token}`, 'idempotency-key': 'k9' },
    });
    expect(await answer.json()).toMatchObject({ code: 'INVALID_INPUT', field: 'Idempotency-Key' });
  },
);

test('every way of making something can find it again, or holds a secret', () => {
  const making = ROUTES.filter(({ creates }) => creates);
  expect(making.length).toBeGreaterThan(10);
  for (const { name, again, secretAnswer } of making) expect([name, again === null]).toEqual([name, secretAnswer]);
});
