/** A token that was narrowed may do what it was narrowed to, and nothing else, at every route. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_BASE, ROUTES } from '../../src/api/routes/all.ts';
import { openApi, type Api } from '../../src/api/server.ts';
import { RIGHTS, type Right } from '../../src/control/people/roles.ts';
import { openReplays } from '../../src/control/replays.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { openServices } from '../../src/main/services.ts';

const NO_ID = '01890000-0000-7000-8000-00000000ffff';
const stopper = new AbortController();
const tokens = new Map<Right, string>();
let world: TestWorld;
let api: Api;
let url: string;

const send = (method: string, path: string, token: string, body?: object): Promise<Response> =>
  fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

beforeAll(async () => {
  world = await openTestWorld();
  const services = openServices(world, stopper.signal);
  const person = { email: 'ana@acme.example', name: 'Ana', role: 'admin' as const, password: 'correct horse battery' };
  const { id } = await services.people.create(world.as('admin'), person);
  const ana = { ...world.as('admin'), personId: id };
  for (const right of RIGHTS) {
    const made = await services.tokens.create(ana, { name: right, role: 'admin', scopes: [right], expiresAt: null });
    expect(made.token.scopes).toEqual([right]);
    tokens.set(right, made.secret);
  }
  api = await openApi({
    ...world,
    services,
    replays: openReplays(world),
    ready: async () => ({ ready: true, parts: [] }),
    metrics: async () => 'drover_up 1\n',
    staticFolder: null,
    checkAnswers: true,
  });
  ({ url } = await api.listen('127.0.0.1', 0));
});
afterAll(async () => {
  stopper.abort();
  await api.close();
  await world.close();
});

describe.each(ROUTES.filter(({ right }) => right !== 'open'))('$method $path', ({ method, path, right, answer }) => {
  const address = API_BASE + path.replaceAll(/\{\w+\}/g, NO_ID);

  test('is refused to a token with every other scope', async () => {
    for (const [scope, token] of tokens) {
      if (scope === right) continue;
      const refused = await send(method, address, token);
      expect([scope, refused.status]).toEqual([scope, 403]);
      const { detail } = (await refused.json()) as { detail: string };
      expect(detail).toBe(`This needs a token with the scope "${right as Right}"; this one is narrowed to ${scope}.`);
    }
  });

  // A stream does not end by itself.
  if (answer.kind === 'events') return;
  test('is open to one with its scope', async () => {
    const answered = await send(method, address, tokens.get(right as Right) ?? '');
    await answered.body?.cancel();
    expect(answered.status).not.toBe(401);
    // What makes connectors, endpoints and jobs at once needs the scopes of all of them.
    if (path !== '/samples') expect(answered.status).not.toBe(403);
  });
});

test('the numbers are for whoever has their scope', async () => {
  expect(await (await send('GET', '/metrics', tokens.get('metrics') ?? '')).text()).toBe('drover_up 1\n');
  expect((await send('GET', '/metrics', tokens.get('read') ?? '')).status).toBe(403);
  expect((await send('GET', `${API_BASE}/openapi.json`, tokens.get('metrics') ?? '')).status).toBe(403);
});

test('a narrowed token makes none that may more', async () => {
  const own = tokens.get('own-account') ?? '';
  const body = { name: 'more', role: 'admin', expiresAt: null };
  const wider = await send('POST', `${API_BASE}/tokens`, own, { ...body, scopes: ['own-account', 'run'] });
  expect(await wider.json()).toMatchObject({ code: 'FORBIDDEN', field: 'scopes' });
  const unlimited = await send('POST', `${API_BASE}/tokens`, own, { ...body, scopes: null });
  expect(await unlimited.json()).toMatchObject({ token: { scopes: ['own-account'] } });
});
