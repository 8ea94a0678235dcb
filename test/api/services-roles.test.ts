/**
 * The services ask for rights themselves: what a route leads to refuses whoever has a lower role also when nobody asked
 * at the route, and before it says whether there is such a thing at all.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { API_BASE, ROUTES } from '../../src/api/routes/all.ts';
import type { Call, Route } from '../../src/api/routes/route.ts';
import { sampleOf } from '../../src/api/testing/sample.ts';
import type { ApiWorld } from '../../src/api/world.ts';
import { openReplays } from '../../src/control/replays.ts';
import type { Role } from '../../src/control/entities.ts';
import { leastRole } from '../../src/control/people/roles.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { openServices, type AllServices } from '../../src/main/services.ts';

const LOWER = { admin: 'operator', operator: 'viewer', viewer: null } as const satisfies Record<Role, Role | null>;

let world: TestWorld;
let services: AllServices;
const stopper = new AbortController();

beforeAll(async () => {
  world = await openTestWorld();
  services = openServices(world, stopper.signal);
});
afterAll(async () => {
  stopper.abort();
  await world.close();
});

const guarded = ROUTES.flatMap((route): [name: string, route: Route, role: Role][] => {
  const role = route.right === 'open' ? null : LOWER[leastRole(route.right)];
  return role === null ? [] : [[`${route.method} ${API_BASE}${route.path}`, route, role]];
});

test.each(guarded)('%s', async (_name, route, role) => {
  const api: ApiWorld = {
    ...world,
    services,
    replays: openReplays(world),
    ready: async () => ({ ready: true, parts: [] }),
    metrics: async () => '',
    staticFolder: null,
  };
  const sample = (schema: Route['body']): unknown => (schema === null ? undefined : sampleOf(schema));
  const call = {
    actor: world.as(role),
    params: sample(route.params),
    query: sample(route.query),
    body: sample(route.body),
    version: null,
    signal: stopper.signal,
    services,
    world: api,
    visit: { sessionSecret: null },
  } as unknown as Call<unknown, unknown, unknown>;
  const answered = async (): Promise<void> => {
    const answer = await route.handle(call);
    if (route.answer.kind === 'lines') for await (const _line of answer as AsyncIterable<unknown>) return;
  };
  await expect(answered()).rejects.toMatchObject({ code: 'FORBIDDEN' });
});

/** Not only that route and service agree, but that what they agree on is what was meant. */
test("what changes something, gives something away or shows what could be changed is no viewer's", () => {
  const least = new Map(
    ROUTES.map(({ name, right }) => [name, right === 'open' ? 'nobody' : leastRole(right)] as const),
  );
  const ofViewers = ROUTES.filter(({ method, name }) => method !== 'GET' && least.get(name) === 'viewer');
  // What is asked with a body, and the own account; all else that is not GET needs more.
  expect(ofViewers.map(({ name }) => name).toSorted()).toEqual([
    'changeOwnPassword',
    'createToken',
    'exportDefinitions',
    'getOutcomes',
    'previewSchedule',
    'removeToken',
    'signOut',
  ]);
  expect(ROUTES.filter(({ name }) => least.get(name) === 'nobody').map(({ name }) => name)).toEqual([
    'getSignInOptions',
    'setUp',
    'signIn',
    'beginOidc',
    'finishOidc',
  ]);
  for (const name of ['planDefinitions', 'getPolicies']) expect([name, least.get(name)]).toEqual([name, 'operator']);
  for (const name of [
    'applyDefinitions',
    'getDraftPolicies',
    'authorizeConnector',
    'reauthorizeConnector',
    'listAudit',
    'listPeople',
  ]) {
    expect([name, least.get(name)]).toEqual([name, 'admin']);
  }
});
