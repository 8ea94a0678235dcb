/** A server whose services only remember what they were asked, for tests of what the API itself does. */
import type { Actor, Person, Role } from '../../control/entities.ts';
import { actorOf } from '../../control/people/people.ts';
import type { Begun, Replays, StoredAnswer } from '../../control/replays.ts';
import type { Services } from '../../control/services.ts';
import type { Bus, Topic } from '../../control/world.ts';
import { seededRandom } from '../../lib/fake-world.ts';
import { systemClock } from '../../lib/system.ts';
import type { Clock } from '../../lib/world.ts';
import { memory } from '../../providers/memory/provider.ts';
import { openApi, type Api, type ApiWorld } from '../server.ts';
import { API_DEFAULTS, type ApiSettings } from '../world.ts';
import { SAMPLE_UUID } from './sample.ts';

export interface FakeCall {
  /** `connectors.list`. */
  readonly method: string;
  readonly args: readonly unknown[];
}

export const PERSON: Person = {
  id: SAMPLE_UUID,
  version: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
  createdBy: 'ana',
  updatedAt: '2026-01-01T00:00:00.000Z',
  email: 'ana@acme.example',
  name: 'Ana',
  role: 'admin',
  state: 'active',
  signIn: 'password',
  lastSignInAt: null,
};

export const CSRF = 'the-csrf-token';

/** What became of all sessions. */
export interface FakeSessions {
  ended: boolean;
  /** Of all persons by now; `null`: as they came. */
  role: Role | null;
}

/** `answer` gives what a method returns; what it throws is thrown. */
export function fakeServices(answer: (call: FakeCall) => unknown, calls: FakeCall[], sessions: FakeSessions): Services {
  const service = (name: string): unknown =>
    new Proxy(
      {},
      {
        get:
          (_target, method) =>
          (...args: unknown[]) => {
            const call = { method: `${name}.${String(method)}`, args };
            calls.push(call);
            return answer(call);
          },
      },
    );
  return new Proxy({} as Services, {
    get: (_target, name) => {
      if (name === 'signIn') return signIn(answer, calls, sessions);
      if (name !== 'overview') return service(String(name));
      return async (actor: Actor) => {
        const call = { method: 'overview', args: [actor] };
        calls.push(call);
        return answer(call);
      };
    },
  });
}

/** Secrets `drv_viewer` and `session-viewer` are those of a viewer, and so on. */
function signIn(answer: (call: FakeCall) => unknown, calls: FakeCall[], sessions: FakeSessions): unknown {
  const known = (secret: string, word: string): Role | null =>
    (['viewer', 'operator', 'admin'] as const).find((role) => secret === `${word}${role}`) ?? null;
  const fixed: Record<string, unknown> = {
    oidcTitle: null,
    async token(secret: string, address: string | null) {
      const role = known(secret, 'drv_');
      return role === null ? null : { ...actorOf({ ...PERSON, role }, address), kind: 'token', tokenId: SAMPLE_UUID };
    },
    async session(secret: string) {
      const had = known(secret, 'session-');
      if (had === null || sessions.ended) return null;
      const role = sessions.role ?? had;
      return { actor: actorOf({ ...PERSON, role }, null), person: { ...PERSON, role }, csrfToken: CSRF };
    },
  };
  return new Proxy(fixed, {
    get: (target, method) =>
      Object.hasOwn(target, method)
        ? target[String(method)]
        : async (...args: unknown[]) => {
            const call = { method: `signIn.${String(method)}`, args };
            calls.push(call);
            return answer(call);
          },
  });
}

export interface FakeBus extends Bus {
  say(topic: Topic, id: string): void;
  /** Messages may have been lost. */
  lose(): void;
}

export function fakeBus(): FakeBus {
  const handlers = new Map<(topic: Topic, id: string) => void, (() => void) | undefined>();
  const say = (topic: Topic, id: string): void => {
    for (const handler of handlers.keys()) handler(topic, id);
  };
  return {
    say,
    tell: async (topic, id) => say(topic, id),
    lose() {
      for (const onGap of handlers.values()) onGap?.();
    },
    listen(handler, onGap) {
      handlers.set(handler, onGap);
      return () => void handlers.delete(handler);
    },
  };
}

export function fakeReplays(): Replays {
  const kept = new Map<string, { hash: string; answer: StoredAnswer | null }>();
  const requestOf = (scope: string, key: string) => ({ scope, key, attempt: 1 });
  return {
    async begin(scope, key, hash): Promise<Begun> {
      const row = kept.get(`${scope} ${key}`);
      if (row === undefined) {
        kept.set(`${scope} ${key}`, { hash, answer: null });
        return { kind: 'new', request: requestOf(scope, key) };
      }
      if (row.hash !== hash) return { kind: 'other' };
      return row.answer === null ? { kind: 'busy' } : { kind: 'done', answer: row.answer };
    },
    async finish({ scope, key }, answer) {
      const row = kept.get(`${scope} ${key}`);
      if (row !== undefined) row.answer = answer;
    },
    abandon: async ({ scope, key }) => void kept.delete(`${scope} ${key}`),
  };
}

export interface FakeServer extends AsyncDisposable {
  readonly url: string;
  readonly calls: FakeCall[];
  readonly logged: string[];
  readonly bus: FakeBus;
  readonly sessions: FakeSessions;
  readonly api: Api;
  /** What service methods answer from now on. */
  answer: (call: FakeCall) => unknown;
  /** Path under the server, or the whole address. `as`: with the token of that role. */
  fetch(path: string, options?: RequestInit & { as?: Role }): Promise<Response>;
}

export async function openFakeServer(
  overrides: Partial<Omit<ApiWorld, 'settings'>> & { settings?: Partial<ApiSettings>; clock?: Clock } = {},
): Promise<FakeServer> {
  const calls: FakeCall[] = [];
  const logged: string[] = [];
  const bus = fakeBus();
  const sessions: FakeSessions = { ended: false, role: null };
  const state = { answer: (_call: FakeCall): unknown => null };
  const { settings, ...rest } = overrides;
  const api = await openApi({
    services: fakeServices((call) => state.answer(call), calls, sessions),
    clock: systemClock,
    random: seededRandom(1),
    log: (level, message, details) => void logged.push(`${level} ${message} ${JSON.stringify(details ?? {})}`),
    settings: { ...API_DEFAULTS, ...settings },
    programVersion: '0.0.0-test',
    providers: new Map([[memory.manifest.id, memory]]),
    replays: fakeReplays(),
    bus,
    ready: async () => ({ ready: true, parts: [{ name: 'database', ok: true, detail: 'db.internal' }] }),
    metrics: async () => 'drover_up 1\n',
    staticFolder: null,
    checkAnswers: true,
    ...rest,
  });
  const { url } = await api.listen('127.0.0.1', 0);
  return {
    url,
    calls,
    logged,
    bus,
    sessions,
    api,
    get answer() {
      return state.answer;
    },
    set answer(next) {
      state.answer = next;
    },
    fetch(path, { as, ...options } = {}) {
      const headers = new Headers(options.headers);
      if (as !== undefined) headers.set('authorization', `Bearer drv_${as}`);
      return fetch(path.startsWith('http') ? path : url + path, { redirect: 'manual', ...options, headers });
    },
    [Symbol.asyncDispose]: () => api.close(),
  };
}
