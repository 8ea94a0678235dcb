/** Every route: who may call it, that it reaches its service, and that what comes back is as described. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { leastRole } from '../control/people/roles.ts';
import type { Role } from '../control/entities.ts';
import type { Services } from '../control/services.ts';
import { API_BASE, ROUTES } from './routes/all.ts';
import type { Route } from './routes/route.ts';
import { openFakeServer, PERSON, type FakeServer } from './testing/fakes.ts';
import { sampleOf } from './testing/sample.ts';

const ROLES: readonly Role[] = ['viewer', 'operator', 'admin'];

/** Every method of every service, and whether a route leads to it. The compiler knows when one is missing. */
const METHODS = {
  signIn: {
    needsSetup: 'route',
    makeSetupToken: 'inside',
    setUp: 'route',
    withPassword: 'route',
    beginOidc: 'route',
    finishOidc: 'route',
    oidcTitle: 'inside',
    session: 'inside',
    end: 'inside',
    token: 'inside',
  },
  people: { list: 'route', get: 'route', create: 'route', update: 'route', changePassword: 'route', remove: 'route' },
  tokens: { list: 'route', get: 'route', create: 'route', remove: 'route' },
  connectors: {
    list: 'route',
    get: 'route',
    authorize: 'route',
    reauthorize: 'route',
    update: 'route',
    test: 'route',
    testDraft: 'route',
    remove: 'route',
    usedBy: 'route',
    browse: 'route',
    makeContainer: 'route',
    policies: 'route',
    draftPolicies: 'route',
    suggest: 'route',
    discover: 'route',
    inventory: 'route',
    inventoryAccounts: 'route',
    addAccount: 'route',
    refreshInventory: 'route',
    reportHealth: 'inside',
  },
  endpoints: { list: 'route', get: 'route', create: 'route', update: 'route', remove: 'route' },
  samples: { get: 'route', create: 'route', remove: 'route' },
  projects: { list: 'route', get: 'route', create: 'route', update: 'route', removal: 'route', remove: 'route' },
  jobs: {
    list: 'route',
    get: 'route',
    create: 'route',
    update: 'route',
    duplicate: 'route',
    removal: 'route',
    remove: 'route',
    outcomes: 'route',
    preflight: 'route',
    grant: 'route',
  },
  runs: {
    list: 'route',
    get: 'route',
    snapshot: 'route',
    segments: 'route',
    workers: 'route',
    map: 'route',
    start: 'route',
    pause: 'route',
    resume: 'route',
    cancel: 'route',
    remove: 'route',
    bulk: 'route',
    active: 'inside',
  },
  many: { startJobs: 'route', switchSchedules: 'route' },
  schedules: {
    list: 'route',
    get: 'route',
    create: 'route',
    update: 'route',
    enable: 'route',
    disable: 'route',
    remove: 'route',
    preview: 'route',
    events: 'route',
    tick: 'inside',
  },
  timetables: { list: 'route', get: 'route', create: 'route', update: 'route', remove: 'route' },
  logs: {
    items: 'route',
    codes: 'route',
    lines: 'route',
    linesFile: 'route',
    audit: 'route',
    auditFile: 'route',
    append: 'inside',
  },
  reports: {
    list: 'route',
    all: 'route',
    get: 'route',
    publicKey: 'route',
    request: 'route',
    remove: 'route',
    retry: 'route',
    download: 'route',
    whatCanGo: 'route',
  },
  notifications: {
    list: 'route',
    get: 'route',
    create: 'route',
    update: 'route',
    remove: 'route',
    test: 'route',
    deliveries: 'route',
    retry: 'route',
    tell: 'inside',
  },
  fleet: { list: 'route', drain: 'route' },
  dismissals: { list: 'route', get: 'route', create: 'route', remove: 'route' },
  definitions: { export: 'route', plan: 'route', apply: 'route' },
} as const satisfies {
  [S in Exclude<keyof Services, 'overview'>]: Record<keyof Services[S], 'route' | 'inside'>;
};

const SESSION = {
  secret: 'session-admin',
  csrfToken: 'c',
  expiresAt: '2099-01-01T00:00:00.000Z',
  person: PERSON,
};

async function* some<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

/** What a service answers so that the route's own answer is as described. */
function answerFor(route: Route, method: string): unknown {
  const special: Record<string, unknown> = {
    'signIn.needsSetup': true,
    'signIn.setUp': PERSON,
    'signIn.withPassword': SESSION,
    'signIn.finishOidc': SESSION,
    'signIn.beginOidc': { url: 'https://login.example.com/', state: 'kept' },
    'connectors.makeContainer': 'made',
    'logs.linesFile': some(Buffer.from('abc')),
    'logs.auditFile': some(Buffer.from('abc')),
    'reports.download': {
      artifact: { fileName: 'log.csv', kind: 'copy-log-csv', sizeBytes: 3, sha256: null },
      content: some(Buffer.from('abc')),
    },
  };
  if (method in special) return special[method];
  if (route.answer.kind === 'lines') return some(sampleOf(route.answer.schema));
  return route.answer.kind === 'json' ? sampleOf(route.answer.schema) : undefined;
}

function requestOf(route: Route): { path: string; init: RequestInit } {
  const params = (route.params === null ? {} : sampleOf(route.params)) as Record<string, string>;
  const path = API_BASE + route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] as string);
  const query = route.query === null ? {} : (sampleOf(route.query, 'output') as Record<string, string>);
  if (route.name === 'followEvents') query['topics'] = 'runs';
  const search = Object.keys(query).length === 0 ? '' : `?${new URLSearchParams(query).toString()}`;
  const body = route.body === null ? {} : { body: JSON.stringify(sampleOf(route.body)) };
  const headers = {
    ...(route.body === null ? {} : { 'content-type': 'application/json' }),
    ...(route.name === 'finishOidc' ? { cookie: 'drover_oidc=kept' } : {}),
  };
  return { path: path + search, init: { method: route.method, headers, ...body } };
}

let server: FakeServer;

beforeAll(async () => {
  server = await openFakeServer();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => void (server.calls.length = 0));

async function call(route: Route, as?: Role): Promise<Response> {
  const { path, init } = requestOf(route);
  server.answer = ({ method }) => {
    const value = answerFor(route, method);
    const isPlain = method === 'schedules.preview' || route.answer.kind === 'lines';
    return isPlain ? value : Promise.resolve(value);
  };
  const stopper = new AbortController();
  const response = await server.fetch(path, { ...init, signal: stopper.signal, ...(as === undefined ? {} : { as }) });
  if (route.answer.kind === 'events' && response.ok) stopper.abort();
  return response;
}

const reached = new Set<string>();

describe.each(ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const))('%s', (_name, route) => {
  const open = route.right === 'open';

  test('refuses whoever is not signed in', async () => {
    const response = await call(route);
    if (open) {
      expect(response.status).toBeLessThan(400);
    } else {
      expect(response.status).toBe(401);
      expect(((await response.json()) as { code: string }).code).toBe('NOT_SIGNED_IN');
      expect(server.calls).toEqual([]);
    }
  });

  test.each(ROLES)('%s', async (role) => {
    const isAllowed = route.right === 'open' || ROLES.indexOf(role) >= ROLES.indexOf(leastRole(route.right));
    const response = await call(route, role);
    if (!isAllowed) {
      expect(response.status).toBe(403);
      expect(((await response.json()) as { code: string }).code).toBe('FORBIDDEN');
      expect(server.calls).toEqual([]);
      return;
    }
    const text = route.answer.kind === 'events' ? '' : await response.text();
    expect(response.status, text).toBeLessThan(400);
    if (route.answer.kind === 'lines') expect(text).not.toContain('"problem"');
    for (const { method } of server.calls) reached.add(method);
  });
});

test('every method of every service has a route, or is known to be for inside', () => {
  const wanted = Object.entries(METHODS).flatMap(([service, methods]) =>
    Object.entries(methods)
      .filter(([, use]) => use === 'route')
      .map(([method]) => `${service}.${method}`),
  );
  expect([...reached].toSorted()).toEqual([...wanted, 'overview'].toSorted());
});

test('names and addresses are unique', () => {
  const names = ROUTES.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const addresses = ROUTES.map(({ method, path }) => `${method} ${path}`);
  expect(new Set(addresses).size).toBe(addresses.length);
});
