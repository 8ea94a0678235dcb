/** Secrets that were given to the server are in no answer, no table, no file and no log line afterwards. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openClient, take } from '../../src/api/client/client.ts';
import { API_BASE, ROUTES } from '../../src/api/routes/all.ts';
import { openApi, type Api } from '../../src/api/server.ts';
import { openReplays } from '../../src/control/replays.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { openServices, type AllServices } from '../../src/main/services.ts';
import { memoryStore } from '../../src/providers/memory/provider.ts';

const PASSWORD = 'planted-password-of-ana';
const FIRST_SECRET = 'planted-first-secret';
const SECOND_SECRET = 'planted-second-secret';
const WRONG_PASSWORD = 'planted-wrong-password';

let world: TestWorld;
let services: AllServices;
let api: Api;
let token: string;
let answers = '';
const secrets: string[] = [PASSWORD, FIRST_SECRET, SECOND_SECRET, WRONG_PASSWORD];
const stopper = new AbortController();

beforeAll(async () => {
  world = await openTestWorld();
  services = openServices(world, stopper.signal);
  api = await openApi({
    ...world,
    services,
    replays: openReplays(world),
    ready: async () => ({ ready: true, parts: [] }),
    metrics: async () => '',
    staticFolder: null,
  });
  const { url } = await api.listen('127.0.0.1', 0);
  await use(url);
});
afterAll(async () => {
  stopper.abort();
  await api.close();
  await world.close();
});

/** What people do in their first hour, each secret given in the way it is meant to be. */
async function use(url: string): Promise<void> {
  const link = await services.signIn.makeSetupToken();
  const post = (path: string, body: object): Promise<Response> =>
    fetch(url + API_BASE + path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', origin: url },
    });
  const entered = await post('/setup', { token: link, email: 'ana@acme.example', password: PASSWORD });
  const cookie = /drover_session=([^;]+)/.exec(entered.headers.getSetCookie().join())?.[1] as string;
  await post('/sign-in', { email: 'ana@acme.example', password: WRONG_PASSWORD });
  const { items } = await services.people.list(world.as('admin'), {});
  const ana = { ...world.as('admin'), personId: items[0]?.id ?? null };
  ({ secret: token } = await services.tokens.create(ana, { name: 'ci', role: 'admin', expiresAt: null }));
  secrets.push(link, cookie, token);
  const { http } = openClient({ url, token, fetch: (request) => fetch(request) });

  const store = memoryStore('secrets-test');
  for (const name of ['from', 'to']) store.ensure(name);
  const config = { store: 'secrets-test', passphrase: FIRST_SECRET };
  const params = { header: { 'Idempotency-Key': 'connector' } };
  const connector = await take(
    http.POST('/api/v1/connectors', { params, body: { provider: 'memory', name: 'Store', config } }),
  );
  await take(
    http.POST('/api/v1/connectors/{id}/reauthorize', {
      params: { path: { id: connector.id } },
      body: { config: { store: 'secrets-test', passphrase: SECOND_SECRET } },
    }),
  );
  const endpoint = (kind: 'source' | 'target', container: string) =>
    take(
      http.POST('/api/v1/endpoints', { body: { kind, connectorId: connector.id, place: { container, prefix: '' } } }),
    );
  const [source, target] = [await endpoint('source', 'from'), await endpoint('target', 'to')];
  const project = await take(http.POST('/api/v1/projects', { body: { name: 'Photos' } }));
  const body = { name: 'All', sourceEndpointId: source.id, targetEndpointId: target.id };
  const job = await take(http.POST('/api/v1/projects/{id}/jobs', { params: { path: { id: project.id } }, body }));
  const run = await take(
    http.POST('/api/v1/jobs/{id}/runs', { params: { path: { id: job.id } }, body: { kind: 'transfer' } }),
  );
  const made = await take(
    http.POST('/api/v1/subscriptions', {
      params: { header: { 'Idempotency-Key': 'hook' } },
      body: { name: 'Hook', kind: 'webhook', destination: 'https://hooks.example.com/x', events: ['run.failed'] },
    }),
  );
  if (made.signingSecret !== null) secrets.push(made.signingSecret);
  await readEverything(url, { '/connectors': connector.id, '/endpoints': source.id, '/runs': run.id });
  const exported = await take(http.POST('/api/v1/definitions/export', { body: {} }));
  answers += JSON.stringify(exported);
}

/** Every GET there is, of everything that was made. */
async function readEverything(url: string, ids: Readonly<Record<string, string>>): Promise<void> {
  for (const { method, path, name } of ROUTES) {
    if (method !== 'GET' || name === 'followEvents') continue;
    const known = Object.entries(ids).find(([start]) => path.startsWith(start))?.[1];
    if (path.includes('{id}') && known === undefined) continue;
    const address = url + API_BASE + path.replace('{id}', known ?? '');
    const response = await fetch(address, { headers: { authorization: `Bearer ${token}` }, redirect: 'manual' });
    answers += await response.text();
  }
}

/** `null`: nothing of it; else which secret, without showing it. */
function leakOf(text: string): string | null {
  const at = secrets.findIndex(
    (secret) => text.includes(secret) || text.includes(Buffer.from(secret).toString('base64')),
  );
  return at === -1 ? null : `secret ${at} of ${secrets.length}`;
}

test('there is something to look at', () => {
  expect(secrets.length).toBeGreaterThanOrEqual(7);
  expect(answers).toContain('"Store"');
  expect(answers).toContain('connector.reauthorize');
  expect(leakOf(`before ${SECOND_SECRET} after`)).toBe(`secret 2 of ${secrets.length}`);
});

test('no answer holds one', () => {
  expect(leakOf(answers)).toBeNull();
});

test('no table holds one', async () => {
  const { rows: tables } = await sql<{ name: string }>`
      SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`.execute(world.db);
  expect(tables.length).toBeGreaterThan(20);
  for (const { name } of tables) {
    const { rows } = await sql<{ text: string }>`
        SELECT row_to_json(t)::text AS text FROM ${sql.table(name)} t`.execute(world.db);
    const bytes = rows.map(({ text }) =>
      text.replaceAll(/\\\\x([0-9a-f]+)/g, (_, hex: string) => Buffer.from(hex, 'hex').toString('latin1')),
    );
    expect([name, leakOf(bytes.join('\n'))]).toEqual([name, null]);
  }
});

test('no file holds one', () => {
  const files = readdirSync(world.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { parentPath, name } of files) {
    expect([name, leakOf(readFileSync(join(parentPath, name), 'latin1'))]).toEqual([name, null]);
  }
});

test('no log line holds one', () => {
  expect(world.logged.length).toBeGreaterThan(5);
  expect(leakOf(world.logged.join('\n'))).toBeNull();
});
