/** The whole server over HTTP: real services on a real database, every answer held against its schema. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openClient, take, type Client } from '../../src/api/client/client.ts';
import { sampleOf } from '../../src/api/testing/sample.ts';
import type { Role } from '../../src/control/entities.ts';
import { actorOf } from '../../src/control/people/people.ts';
import { leastRole, type Right } from '../../src/control/people/roles.ts';
import { API_BASE, ROUTES } from '../../src/api/routes/all.ts';
import { openApi, type Api } from '../../src/api/server.ts';
import { openReplays } from '../../src/control/replays.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { openServices, type AllServices } from '../../src/main/services.ts';
import { systemClock } from '../../src/lib/system.ts';
import { memoryStore } from '../../src/providers/memory/provider.ts';

const EMAIL = 'ana@acme.example';
const PASSWORD = 'correct horse battery';
const NO_ID = '01890000-0000-7000-8000-00000000ffff';
const NO_RUN = '01hznosuchrun0';

let world: TestWorld;
let services: AllServices;
let api: Api;
let url: string;
let client: Client;
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
    checkAnswers: true,
  });
  ({ url } = await api.listen('127.0.0.1', 0));
});
afterAll(async () => {
  stopper.abort();
  await api.close();
  await world.close();
});

/** A browser: keeps its cookie and sends the CSRF token it was told. */
class Browser {
  cookie = '';
  csrf = '';

  async send(method: string, path: string, body?: unknown): Promise<Response> {
    const response = await fetch(url + API_BASE + path, {
      method,
      headers: {
        origin: url,
        ...(this.cookie === '' ? {} : { cookie: this.cookie }),
        ...(this.csrf === '' ? {} : { 'x-csrf-token': this.csrf }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const [set] = response.headers.getSetCookie();
    if (set !== undefined) this.cookie = set.split(';', 1)[0] as string;
    return response;
  }
}

describe('the first administrator', () => {
  const browser = new Browser();

  test('comes by the link, once', async () => {
    expect(await (await browser.send('GET', '/sign-in')).json()).toEqual({
      needsSetup: true,
      oidcTitle: null,
      cookies: 'kept',
      programVersion: '0.0.0-test',
    });
    const token = await services.signIn.makeSetupToken();
    const wrong = await browser.send('POST', '/setup', { token: 'made up', email: EMAIL, password: PASSWORD });
    expect(wrong.status).toBe(401);
    const response = await browser.send('POST', '/setup', { token, email: EMAIL, password: PASSWORD });
    expect(response.status, await response.clone().text()).toBe(200);
    const cookie = response.headers.getSetCookie().join();
    expect(cookie).toContain('HttpOnly');
    expect(cookie).toContain('SameSite=Lax');
    expect(cookie).not.toContain('Secure');
    browser.csrf = ((await response.json()) as { csrfToken: string }).csrfToken;
    const again = await browser.send('POST', '/setup', { token, email: 'b@b.example', password: PASSWORD });
    expect(again.status).toBe(404);
    expect(await (await browser.send('GET', '/sign-in')).json()).toMatchObject({
      needsSetup: false,
      programVersion: null,
    });
  });

  test('is who is signed in, and makes a token for programs', async () => {
    expect(await (await browser.send('GET', '/me')).json()).toMatchObject({
      actor: { kind: 'person', role: 'admin' },
      person: { email: EMAIL },
      csrfToken: browser.csrf,
    });
    const response = await browser.send('POST', '/tokens', { name: 'ci', role: 'admin', expiresAt: null });
    expect(response.status).toBe(201);
    const { secret } = (await response.json()) as { secret: string };
    client = openClient({ url, token: secret, fetch: (request) => fetch(request) });
    expect(await take(client.http.GET('/api/v1/me'))).toMatchObject({ actor: { kind: 'token' }, csrfToken: null });
  });

  test('signs out, and is out', async () => {
    const old = new Browser();
    Object.assign(old, { cookie: browser.cookie, csrf: browser.csrf });
    expect((await browser.send('POST', '/sign-out')).status).toBe(204);
    expect((await old.send('GET', '/me')).status).toBe(401);
    const wrong = await browser.send('POST', '/sign-in', { email: EMAIL, password: 'a wrong password' });
    expect(wrong.status).toBe(401);
    expect((await browser.send('POST', '/sign-in', { email: EMAIL, password: PASSWORD })).status).toBe(200);
  });
});

describe('what operates a team', () => {
  test('from connector to schedule', async () => {
    const { http } = client;
    const store = memoryStore('api-test');
    store.ensure('from');
    store.ensure('to');
    store.put('from', 'a', 'alpha');
    const connector = await take(
      http.POST('/api/v1/connectors', { body: { provider: 'memory', name: 'Store', config: { store: 'api-test' } } }),
    );
    expect(connector).toMatchObject({ name: 'Store', usedBy: { endpoints: 0, jobs: 0 } });
    const lines: string[] = [];
    for await (const { what, result } of client.checkConnector(connector.id, { use: 'both' }))
      lines.push(`${what} ${result}`);
    expect(lines.length).toBeGreaterThan(0);
    const names: string[] = [];
    for await (const { items } of client.browse(connector.id, null)) names.push(...items.map(({ name }) => name));
    expect(names).toEqual(expect.arrayContaining(['from', 'to']));

    const endpoint = (kind: 'source' | 'target', container: string) =>
      take(
        http.POST('/api/v1/endpoints', { body: { kind, connectorId: connector.id, place: { container, prefix: '' } } }),
      );
    const [source, target] = [await endpoint('source', 'from'), await endpoint('target', 'to')];
    const project = await take(http.POST('/api/v1/projects', { body: { name: 'Photos' } }));
    const body = { name: 'All', sourceEndpointId: source.id, targetEndpointId: target.id };
    const params = { path: { id: project.id } };
    const job = await take(http.POST('/api/v1/projects/{id}/jobs', { params, body }));
    expect(job).toMatchObject({
      projectName: 'Photos',
      source: { endpointId: source.id },
      settings: { mode: 'merge' },
    });
    const outcomes = { sourceEndpointId: source.id, targetEndpointId: target.id };
    expect(await take(http.POST('/api/v1/jobs/outcomes', { body: outcomes }))).toBeInstanceOf(Array);
    const path = { id: job.id };
    const preflight = await take(http.POST('/api/v1/jobs/{id}/preflight', { params: { path }, body: {} }));
    expect(preflight.ok).toBe(true);

    const started = await take(http.POST('/api/v1/jobs/{id}/runs', { params: { path }, body: { kind: 'transfer' } }));
    expect(started).toMatchObject({ state: 'queued', trigger: 'token', jobId: job.id, number: 1 });
    const run = { path: { id: started.id } };
    expect(await take(http.GET('/api/v1/runs/{id}/snapshot', { params: run }))).toMatchObject({
      source: { connector: 'Store' },
    });
    await take(http.GET('/api/v1/runs/{id}/map', { params: run }));
    await take(http.GET('/api/v1/runs/{id}/segments', { params: run }));
    expect((await take(http.GET('/api/v1/overview'))).queued).toBe(1);
    expect((await take(http.POST('/api/v1/runs/{id}/cancel', { params: run }))).state).toBe('cancelled');

    const rule = { kind: 'daily' as const, time: '06:30' };
    const schedule = await take(
      http.POST('/api/v1/jobs/{id}/schedules', { params: { path }, body: { rule, timeZone: 'Europe/Berlin' } }),
    );
    expect(schedule).toMatchObject({ enabled: false, rule });
    const enabled = await take(http.POST('/api/v1/schedules/{id}/enable', { params: { path: { id: schedule.id } } }));
    expect(enabled.nextAt).not.toBeNull();
    const exported = await take(http.POST('/api/v1/definitions/export', { body: {} }));
    const plan = await take(http.POST('/api/v1/definitions/plan', { body: { document: exported } }));
    expect(plan.problems).toEqual([]);
    expect(plan.steps.every(({ action }) => action === 'keep')).toBe(true);
    expect((await take(http.GET('/api/v1/audit'))).items.map(({ action }) => action)).toContain('job.create');
  });

  test('an edit of what changed meanwhile is refused', async () => {
    const { items } = await take(client.http.GET('/api/v1/projects'));
    const [project] = items;
    const path = { id: project?.id ?? '' };
    const edit = (header: object) =>
      client.http.PATCH('/api/v1/projects/{id}', { params: { path, header }, body: { description: 'New' } });
    const etag = (await edit({})).response.headers.get('etag') as string;
    await edit({ 'If-Match': etag });
    await expect(edit({ 'If-Match': etag })).rejects.toMatchObject({ code: 'EDIT_CONFLICT', status: 412 });
  });

  test('a creation that is sent twice has one effect', async () => {
    const create = () =>
      take(
        client.http.POST('/api/v1/projects', {
          params: { header: { 'Idempotency-Key': 'once' } },
          body: { name: 'Once' },
        }),
      );
    const both = await Promise.all([create(), create()]);
    expect(both[0].id).toBe(both[1].id);
  });

  test('what changes comes over the live stream', async () => {
    const end = new AbortController();
    const events = client.events(['projects'], systemClock, end.signal)[Symbol.asyncIterator]();
    // Of many at once, or where some were lost, it says only that there were.
    const changed = async (): Promise<unknown> => {
      for (;;) {
        const { value } = await events.next();
        if (value?.type === 'changed') return value;
      }
    };
    const first = changed();
    let number = 0;
    const timer = setInterval(() => {
      void client.http.POST('/api/v1/projects', { body: { name: `Live ${number++}` } });
    }, 50);
    expect(await first).toMatchObject({ type: 'changed', kind: 'project', entity: { description: '' } });
    clearInterval(timer);
    end.abort();
    await events.next().catch(() => undefined);
  });
});

/** Of filters that take more than a few values, and not just any. */
const OPEN_VALUES: Readonly<Record<string, string>> = {
  from: '2026-01-01T00:00:00Z',
  to: '2026-01-01T00:00:00Z',
  provider: 'memory',
};

describe('every list', () => {
  const filtered = ROUTES.filter((route) => route.filters !== null && route.params === null);
  const lists = filtered.filter(({ answer }) => answer.kind !== 'file');

  test.each(lists.map((route) => [route.path, route] as const))(
    '%s knows the filters it is documented with',
    async (path, { filters }) => {
      for (const name of ['', ...Object.keys(filters ?? {})]) {
        const value = OPEN_VALUES[name] ?? filters?.[name]?.[0] ?? 'x';
        const query = name === '' ? '?total=true&limit=2' : `?filter.${name}=${value}`;
        const response = await get(path + query);
        expect(response.status, `${name}: ${await response.clone().text()}`).toBe(200);
      }
      expect((await get(`${path}?filter.nothing=x`)).status).toBe(400);
      expect((await get(`${path}?sort=nothing`)).status).toBe(400);
      expect((await get(`${path}?cursor=nothing`)).status).toBe(400);
    },
  );
});

test.each([
  '/connectors?sort=health',
  '/connectors?sort=-health',
  '/runs?sort=-duration',
  '/runs?sort=-bytes',
  '/runs?sort=failed',
  '/jobs?sort=nextRunAt',
])('%s is an order', async (path) => {
  expect((await get(path)).status).toBe(200);
});

describe('a filter of few values', () => {
  const closed = ROUTES.filter((route) => route.params === null).flatMap(({ path, filters }) =>
    Object.entries(filters ?? {}).flatMap(([name, values]) => (values === null ? [] : [[path, name, values] as const])),
  );

  test.each(closed)('of %s, %s, takes those and refuses others at its field', async (path, name, values) => {
    const all = await get(`${path}?${values.map((value) => `filter.${name}=${value}`).join('&')}`);
    expect(all.status, await all.clone().text()).toBe(200);
    const refused = await get(`${path}?filter.${name}=${values[0]}&filter.${name}=bogus`);
    expect(await refused.json()).toMatchObject({ status: 400, code: 'INVALID_INPUT', field: `filter.${name}` });
  });

  test('is named with its values, and with the one that was meant', async () => {
    const { detail } = (await (await get('/runs?filter.state=canceled')).json()) as { detail: string };
    expect(detail).toContain('Did you mean "cancelled"? There are: queued, running, pausing,');
  });

  test('also where the values are what this server was built with', async () => {
    for (const path of ['/connectors', '/endpoints']) {
      const refused = await get(`${path}?filter.provider=memry`);
      expect(await refused.json()).toMatchObject({
        field: 'filter.provider',
        detail: expect.stringContaining('Did you mean "memory"?') as string,
      });
    }
  });

  test('says so also where many are chosen by it', async () => {
    const body = { action: 'pause' as const, filter: { state: ['canceled'] }, expectedCount: 0 };
    const { error } = await client.http.POST('/api/v1/runs/actions', { body }).then(
      () => ({ error: null }),
      (thrown: unknown) => ({ error: thrown }),
    );
    expect(error).toMatchObject({ code: 'INVALID_INPUT', field: 'filter.state' });
  });
});

describe('every list as a file', () => {
  const files = ROUTES.filter(
    (route) => route.filters !== null && route.params === null && route.answer.kind === 'file',
  );

  test.each(files.map((route) => [route.path, route] as const))('%s takes its filters', async (path, { filters }) => {
    for (const name of Object.keys(filters ?? {})) expect((await get(`${path}?filter.${name}=x`)).status).toBe(200);
    expect((await get(`${path}?filter.nothing=x`)).status).toBe(400);
  });
});

describe('the services agree with the routes', () => {
  const tokens = new Map<Role, string>();

  beforeAll(async () => {
    for (const role of ['viewer', 'operator', 'admin'] as const) {
      const admin = world.as('admin');
      const email = `${role}@acme.example`;
      const person = await services.people.create(admin, { email, name: role, role, password: null });
      const { secret } = await services.tokens.create(actorOf(person, null), { name: 'x', role, expiresAt: null });
      tokens.set(role, secret);
    }
  });

  /** Streams last, and a session has no token. */
  const asked = ROUTES.filter(
    (route) => route.right !== 'open' && !['followEvents', 'changeOwnPassword'].includes(route.name),
  );

  test.each(asked.map((route) => [`${route.method} ${route.path}`, route] as const))(
    'on who may: %s',
    async (_name, route) => {
      const role = leastRole(route.right as Right);
      const params = (route.params === null ? {} : sampleOf(route.params)) as Record<string, string>;
      const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] as string);
      const query = new URLSearchParams(
        route.query === null ? {} : (sampleOf(route.query, 'output') as Record<string, string>),
      );
      const response = await fetch(`${url}${API_BASE}${path}?${query}`, {
        method: route.method,
        headers: {
          authorization: `Bearer ${tokens.get(role)}`,
          ...(route.body === null ? {} : { 'content-type': 'application/json' }),
        },
        ...(route.body === null ? {} : { body: JSON.stringify(sampleOf(route.body)) }),
      });
      const text = await response.text();
      expect(text).not.toContain('"FORBIDDEN"');
      expect(response.status, text).toBeLessThan(500);
    },
  );
});

describe('what no database can hold is refused, never a fault', () => {
  const NUL = '\u0000';
  const HALF = '\ud800';

  test.each([
    ['GET', `/runs?search=%00`, undefined],
    ['GET', `/jobs?filter.state=%00`, undefined],
    ['GET', `/audit?filter.entityId=%00`, undefined],
    [
      'GET',
      `/runs?cursor=${Buffer.from(JSON.stringify(['-queuedAt', 'never', 'x'])).toString('base64url')}`,
      undefined,
    ],
    ['POST', '/projects', { name: `a${NUL}b` }],
    ['POST', '/projects', { name: 'ok', description: `a${NUL}b` }],
    ['POST', '/projects', { name: `half a letter ${HALF}` }],
    ['POST', '/tokens', { name: `a${NUL}b`, role: 'viewer', expiresAt: null }],
    ['POST', '/people', { email: `a${NUL}@b.example`, name: '', role: 'viewer', password: null }],
    ['POST', '/connectors', { provider: 'memory', name: 'x', config: {}, tags: { [`a${NUL}`]: `b${HALF}` } }],
    ['POST', '/timetables', { name: 'x', timetable: { timeZone: `a${NUL}`, rules: [] } }],
    ['POST', '/endpoints', { kind: 'source', connectorId: NUL, place: { container: 'b', prefix: '' } }],
    ['POST', '/jobs/outcomes', { sourceEndpointId: 'x', targetEndpointId: 'y' }],
    ['POST', '/definitions/plan', { document: { projects: [{ name: NUL }] } }],
    ['POST', '/tokens', { name: 'late', role: 'viewer', expiresAt: '9999-12-31T23:59:59Z' }],
  ])('%s %s %j', async (method, path, body) => {
    const response = await fetch(url + API_BASE + path, {
      method,
      headers: {
        authorization: `Bearer ${await adminToken()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect(response.status, await response.text()).toBeLessThan(500);
  });
});

describe('what is not there', () => {
  const ofOne = ROUTES.filter((route) => route.path.includes('{id}') && route.method === 'GET');

  test.each(ofOne.map((route) => [route.path, route.name] as const))('%s', async (path) => {
    const id = path.startsWith('/runs') ? NO_RUN : NO_ID;
    const response = await get(path.replace('{id}', id));
    expect(response.status, await response.clone().text()).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  });
});

async function get(path: string): Promise<Response> {
  const token = await adminToken();
  return fetch(`${url}${API_BASE}${path}`, { headers: { authorization: `Bearer ${token}` } });
}

let made: Promise<string> | null = null;
function adminToken(): Promise<string> {
  made ??= take(client.http.POST('/api/v1/tokens', { body: { name: 'reader', role: 'admin', expiresAt: null } })).then(
    ({ secret }) => secret,
  );
  return made;
}
