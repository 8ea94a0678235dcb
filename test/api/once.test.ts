/** A server that dies between making something and saying so: the repeat, of whichever server, finds what was made. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { API_BASE, ROUTES } from '../../src/api/routes/all.ts';
import { openApi, type Api } from '../../src/api/server.ts';
import { openReplays, type Replays } from '../../src/control/replays.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { openServices, type AllServices } from '../../src/main/services.ts';

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

test('every way of making something can find it again, or holds a secret', () => {
  const making = ROUTES.filter(({ creates }) => creates);
  expect(making.length).toBeGreaterThan(10);
  for (const { name, again, secretAnswer } of making) expect([name, again === null]).toEqual([name, secretAnswer]);
});
