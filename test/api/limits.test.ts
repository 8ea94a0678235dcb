/** Two servers on one database: who guesses at one has guessed at both. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { API_BASE } from '../../src/api/routes/all.ts';
import { openApi, type Api } from '../../src/api/server.ts';
import { openReplays } from '../../src/control/replays.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { openServices } from '../../src/main/services.ts';

const ANA = 'ana@acme.example';
const PASSWORD = 'correct horse battery';
const MAX = 3;

interface Server {
  readonly world: TestWorld;
  readonly api: Api;
  readonly url: string;
}

const stopper = new AbortController();
const servers: Server[] = [];
let session = '';

beforeAll(async () => {
  const settings = { trustedProxies: ['127.0.0.1'], signInAttemptsMax: MAX };
  for (const databaseUrl of [undefined, 'first'] as const) {
    const world = await openTestWorld({
      settings,
      ...(databaseUrl === undefined ? {} : { databaseUrl: servers[0]?.world.databaseUrl ?? '' }),
    });
    const services = openServices(world, stopper.signal);
    const api = await openApi({
      ...world,
      services,
      replays: openReplays(world),
      ready: async () => ({ ready: true, parts: [] }),
      metrics: async () => '',
      staticFolder: null,
    });
    servers.push({ world, api, url: (await api.listen('127.0.0.1', 0)).url });
    if (databaseUrl === undefined) {
      await services.signIn.setUp({ token: null, email: ANA, name: '', password: PASSWORD });
      session = (
        await services.signIn.withPassword({ email: ANA, password: PASSWORD, address: '172.16.0.1', userAgent: null })
      ).secret;
    }
  }
});
afterAll(async () => {
  stopper.abort();
  for (const { api, world } of servers.toReversed()) {
    await api.close();
    await world.close();
  }
});
beforeEach(async () => void (await servers[0]?.world.db.deleteFrom('sign_in_attempts').execute()));

/** To one server after the other. */
let turn = 0;
function ask(path: string, from: string, init: RequestInit = {}): Promise<Response> {
  const { url } = servers[turn++ % 2] as Server;
  return fetch(url + API_BASE + path, {
    redirect: 'manual',
    ...init,
    headers: { 'x-forwarded-for': from, 'content-type': 'application/json', ...init.headers },
  });
}

const signIn = (from: string, password: string, headers = {}) =>
  ask('/sign-in', from, {
    method: 'POST',
    body: JSON.stringify({ email: ANA, password }),
    headers: { 'x-forwarded-proto': 'https', ...headers },
  });

test('passwords: from one network, and from many', async () => {
  for (let i = 0; i < MAX; i++) expect((await signIn('10.0.0.1', 'a wrong password')).status).toBe(401);
  const refused = await signIn('10.0.0.1', PASSWORD);
  expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, true]);
  for (let i = 1; i <= 2 * MAX; i++) expect((await signIn(`10.0.${i}.1`, 'a wrong password')).status).toBe(401);
  expect((await signIn('10.1.0.1', PASSWORD)).status).toBe(429);
  // Whoever is signed in is not kept out by guesses from elsewhere, neither with the session nor with the password.
  const cookie = `drover_session=${session}`;
  expect((await ask('/me', '10.1.0.1', { headers: { cookie } })).status).toBe(200);
  expect((await signIn('172.16.0.1', PASSWORD)).status).toBe(200);
  expect((await signIn('10.1.0.1', PASSWORD, { cookie })).status).toBe(200);
});

test('tokens', async () => {
  const guess = (from: string) => ask('/me', from, { headers: { authorization: 'Bearer drv_guess' } });
  for (let i = 0; i < 10 * MAX; i++) expect((await guess('10.0.0.1')).status).toBe(401);
  for (const _ of servers) expect((await guess('10.0.0.1')).status).toBe(429);
  expect((await guess('10.0.0.2')).status).toBe(401);
});
