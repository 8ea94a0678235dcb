/** What every request has in common: guards, errors, versions, repeats, streams of lines, files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DroverError, ERRORS, type ErrorCode } from '../model/errors.ts';
import { STATUS } from './problems.ts';
import { project } from './wire/jobs.ts';
import { token } from './wire/people.ts';
import { CSRF, openFakeServer, PERSON, type FakeServer } from './testing/fakes.ts';
import { SAMPLE_UUID, sampleOf } from './testing/sample.ts';

const PROJECT = { ...(sampleOf(project) as object), id: SAMPLE_UUID, version: 7 };
const PATH = `/api/v1/projects/${SAMPLE_UUID}`;
const JSON_HEADERS = { 'content-type': 'application/json' };

let server: FakeServer;
beforeEach(async () => {
  server = await openFakeServer();
  server.answer = () => Promise.resolve(PROJECT);
});
afterEach(() => server[Symbol.asyncDispose]());

interface Problem {
  code: string;
  status: number;
  detail: string;
  field: string | null;
  remedy: string;
  errors: { path: string; message: string }[];
}

async function problem(response: Response): Promise<Problem> {
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  return (await response.json()) as Problem;
}

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const init = { method: 'POST', body: JSON.stringify(body), headers: { ...JSON_HEADERS, ...headers } };
  return server.fetch(path, { ...init, as: 'admin' });
}

describe('errors', () => {
  test.each(Object.keys(ERRORS) as ErrorCode[])('%s has its status', async (code) => {
    server.answer = () => Promise.reject(new DroverError(code, 'It is so.', { field: 'name' }));
    const response = await server.fetch(PATH, { as: 'viewer' });
    expect(response.status).toBe(STATUS[code]);
    expect(await problem(response)).toMatchObject({ code, status: STATUS[code], field: 'name' });
  });

  test('the status of a storage service is never that of whoever calls', () => {
    const ours: string[] = ['NOT_SIGNED_IN', 'FORBIDDEN', 'RATE_LIMITED'];
    const odd = Object.entries(STATUS).filter(
      ([code, status]) => [401, 403, 429].includes(status) !== ours.includes(code),
    );
    expect(odd).toEqual([]);
  });

  test('an unexpected fault tells nothing but where to look', async () => {
    server.answer = () => Promise.reject(new Error('select secret from vault'));
    const response = await server.fetch(PATH, { as: 'viewer' });
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).not.toContain('vault');
    const requestId = response.headers.get('x-request-id') as string;
    expect(text).toContain(requestId);
    expect(server.logged.filter((line) => line.startsWith('error')).join()).toContain('select secret from vault');
    expect(server.logged.filter((line) => line.startsWith('error')).join()).toContain(requestId);
  });

  test('how long to wait is told', async () => {
    server.answer = () => Promise.reject(new DroverError('RATE_LIMITED', 'Slow down.', { retryAfterMs: 1_500 }));
    const response = await server.fetch(PATH, { as: 'viewer' });
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '2']);
  });

  test('everything that is wrong about a body is named at once', async () => {
    const response = await post('/api/v1/endpoints', {
      kind: 'both',
      description: 5,
      place: { container: 'b' },
      nickname: 'x',
    });
    const { code, errors, field } = await problem(response);
    expect(code).toBe('INVALID_INPUT');
    expect(field).toBe('kind');
    expect(errors).toEqual([
      { path: 'kind', message: 'Give one of: source, target.' },
      { path: 'connectorId', message: 'This is missing.' },
      { path: 'place.prefix', message: 'This is missing.' },
      { path: 'description', message: 'Give a string.' },
      { path: 'nickname', message: 'There is no member "nickname".' },
    ]);
    expect(server.calls).toEqual([]);
  });

  test.each([
    ['a body that is no JSON', '{', JSON_HEADERS, 'is not valid JSON'],
    ['another kind of body', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 'not marked as JSON'],
  ])('%s', async (_name, body, headers, words) => {
    const response = await server.fetch('/api/v1/projects', { method: 'POST', body, headers, as: 'admin' });
    expect(response.status).toBe(400);
    const { detail, remedy, field } = await problem(response);
    expect(detail).toContain(words);
    // No field is named, so none is to be corrected.
    expect([field, String(remedy)]).toEqual([null, expect.not.stringContaining('field')]);
  });

  test('no body is none, also where the header says JSON', async () => {
    const id = '01a201d1-a794-7242-8aac-b2e9e9af7977';
    server.answer = () => Promise.resolve(undefined);
    for (const body of [undefined, '']) {
      const init = { method: 'DELETE', body, headers: JSON_HEADERS, as: 'admin' } as const;
      expect((await server.fetch(`/api/v1/timetables/${id}`, init)).status).toBe(204);
    }
    const init = { method: 'POST', body: '', headers: JSON_HEADERS, as: 'admin' } as const;
    const missing = await server.fetch('/api/v1/projects', init);
    expect(missing.status).toBe(400);
    expect((await problem(missing)).errors).toEqual([{ path: 'name', message: 'This is missing.' }]);
  });

  test('a body that is too large', async () => {
    const response = await post('/api/v1/projects', { name: 'x'.repeat(2 * 1024 * 1024) });
    expect(response.status).toBe(413);
    expect((await problem(response)).code).toBe('TOO_LARGE');
    // A document of all that is saved may be larger.
    server.answer = () => Promise.resolve({ steps: [], problems: [], hash: '' });
    const document = await post('/api/v1/definitions/plan', { document: { drover: 1, more: 'x'.repeat(2 ** 21) } });
    expect(document.status).toBe(200);
  });

  test.each(['/api/v1/projects/no-uuid', '/api/v1/runs/NO', '/api/v1/nothing', '/nothing'])(
    '%s is not there',
    async (path) => {
      const response = await server.fetch(path, { as: 'admin' });
      expect(response.status).toBe(404);
      expect((await problem(response)).code).toBe('ENTITY_NOT_FOUND');
    },
  );

  test('what is fixed says why', async () => {
    const init = { method: 'PATCH', body: JSON.stringify({ name: 'New' }), headers: JSON_HEADERS };
    const response = await server.fetch(PATH, { ...init, as: 'admin' });
    expect(response.status).toBe(422);
    expect(await problem(response)).toMatchObject({ code: 'FIXED_FIELD', field: 'name' });
  });
});

describe('lists', () => {
  test('take filters, order, search and totals', async () => {
    server.answer = () => Promise.resolve({ items: [], nextCursor: null, total: null });
    const query =
      'limit=5&sort=-name&search=a%20b&total=true&filter.state=running&filter.state=queued&filter.kind=retry';
    const response = await server.fetch(`/api/v1/runs?${query}`, { as: 'viewer' });
    expect(response.status).toBe(200);
    expect(server.calls[0]?.args[1]).toEqual({
      limit: 5,
      sort: '-name',
      search: 'a b',
      withTotal: true,
      filter: { state: ['running', 'queued'], kind: ['retry'] },
    });
  });

  test.each(['__proto__', 'constructor'])('a filter named %s is given on like any other', async (name) => {
    await server.fetch(`/api/v1/runs?filter.${name}=x`, { as: 'viewer' });
    const [, query] = server.calls[0]?.args ?? [];
    expect(Object.entries((query as { filter?: object }).filter ?? {})).toEqual([[name, ['x']]]);
  });

  test.each([
    ['limit=0', 'limit'],
    ['limit=5&limit=6', 'limit'],
    ['offset=3', 'offset'],
    ['total=maybe', 'total'],
  ])('%s is refused at %s', async (query, field) => {
    const response = await server.fetch(`/api/v1/runs?${query}`, { as: 'viewer' });
    expect(response.status).toBe(400);
    expect((await problem(response)).field).toBe(field);
  });

  test('a parameter that is none is answered with all there are, filters too', async () => {
    const answered = await server.fetch('/api/v1/runs?state=failed', { as: 'viewer' });
    expect(answered.status).toBe(400);
    const { errors } = (await answered.json()) as { errors: { path: string; message: string }[] };
    expect(errors).toMatchObject([{ path: 'state' }]);
    for (const name of ['cursor', 'limit', 'filter.state', 'filter.jobId']) expect(errors[0]?.message).toContain(name);
  });

  test('what takes no parameter says so', async () => {
    const response = await server.fetch(`${PATH}?x=1`, { as: 'viewer' });
    expect((await problem(response)).errors).toEqual([
      { path: 'x', message: 'There is no parameter "x"; there is none.' },
    ]);
  });
});

describe('versions', () => {
  const patch = (ifMatch: string | null): Promise<Response> => {
    const headers = { ...JSON_HEADERS, ...(ifMatch === null ? {} : { 'if-match': ifMatch }) };
    return server.fetch(PATH, { method: 'PATCH', body: '{"description":"d"}', headers, as: 'operator' });
  };

  test('the ETag is the version', async () => {
    expect((await server.fetch(PATH, { as: 'viewer' })).headers.get('etag')).toBe('"7"');
  });

  test.each([
    ['"7"', 7],
    ['W/"12"', 12],
    ['*', null],
    [null, null],
  ])('If-Match: %s', async (header, version) => {
    expect((await patch(header)).status).toBe(200);
    expect(server.calls[0]?.args[2]).toBe(version);
  });

  test('anything else is refused, never taken for "any"', async () => {
    const response = await patch('seven');
    expect([response.status, (await problem(response)).field]).toEqual([400, 'If-Match']);
    expect(server.calls).toEqual([]);
  });
});

describe('creations', () => {
  const create = (key: string | null, name = 'A'): Promise<Response> =>
    post('/api/v1/projects', { name }, key === null ? {} : { 'idempotency-key': key });

  test('say where the new thing is', async () => {
    const response = await create(null);
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe(PATH);
  });

  test('with the same key have one effect', async () => {
    const first = await create('k1');
    const second = await create('k1');
    expect(await second.json()).toEqual(await first.json());
    expect([second.status, second.headers.get('location')]).toEqual([201, PATH]);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(server.calls).toHaveLength(1);
  });

  test('with the same key and another body are refused', async () => {
    await create('k1');
    const response = await create('k1', 'B');
    expect([response.status, (await problem(response)).code]).toEqual([409, 'ALREADY_EXISTS']);
  });

  test('that failed may be tried again with the same key', async () => {
    server.answer = () => Promise.reject(new DroverError('DATABASE_UNAVAILABLE', 'Gone.'));
    expect((await create('k1')).status).toBe(503);
    server.answer = () => Promise.resolve(PROJECT);
    expect((await create('k1')).status).toBe(201);
  });

  test('at the same time with the same key wait for the first', async () => {
    const gate = Promise.withResolvers<unknown>();
    server.answer = () => gate.promise;
    const both = Promise.all([create('k1'), create('k1')]);
    await expect.poll(() => server.calls.length).toBe(1);
    gate.resolve(PROJECT);
    expect((await both).map(({ status }) => status)).toEqual([201, 201]);
    expect(server.calls).toHaveLength(1);
  });

  test('with a secret show it once', async () => {
    const made = { token: { ...(sampleOf(token) as object), id: SAMPLE_UUID }, secret: 'drv_shown_once' };
    server.answer = () => Promise.resolve(made);
    const body = { name: 'ci', role: 'viewer', expiresAt: null };
    const headers = { 'idempotency-key': 'k1' };
    const first = await post('/api/v1/tokens', body, headers);
    expect(((await first.json()) as typeof made).secret).toBe('drv_shown_once');
    const second = await post('/api/v1/tokens', body, headers);
    expect(second.status).toBe(409);
    expect(await second.text()).not.toContain('drv_shown_once');
    expect(server.calls).toHaveLength(1);
  });
});

describe('browsers', () => {
  const cookie = 'drover_session=session-operator';
  const change = (headers: Record<string, string>): Promise<Response> =>
    server.fetch('/api/v1/projects', {
      method: 'POST',
      body: '{"name":"A"}',
      headers: { ...JSON_HEADERS, ...headers },
    });

  test('a session may read', async () => {
    expect((await server.fetch(PATH, { headers: { cookie } })).status).toBe(200);
  });

  test.each([
    ['with its CSRF token', { cookie, 'x-csrf-token': CSRF }, 201],
    ['without one', { cookie }, 403],
    ['with another', { cookie, 'x-csrf-token': 'wrong' }, 403],
    ['from another site', { cookie, 'x-csrf-token': CSRF, origin: 'https://evil.example' }, 403],
    ['from another site without Origin', { cookie, 'x-csrf-token': CSRF, 'sec-fetch-site': 'cross-site' }, 403],
    ['with an unknown session', { cookie: 'drover_session=nobody', 'x-csrf-token': CSRF }, 401],
  ])('a session changes something %s', async (_name, headers, status) => {
    expect((await change(headers)).status).toBe(status);
    expect(server.calls).toHaveLength(status === 201 ? 1 : 0);
  });

  test('its own page is no other site', async () => {
    expect((await change({ cookie, 'x-csrf-token': CSRF, origin: server.url })).status).toBe(201);
  });

  test('a page of another site cannot sign anybody in', async () => {
    const headers = { ...JSON_HEADERS, origin: 'https://evil.example' };
    const init = { method: 'POST', body: '{"email":"a@b","password":"x"}', headers };
    expect((await server.fetch('/api/v1/sign-in', init)).status).toBe(403);
    expect(server.calls).toEqual([]);
  });

  test('a name that was made to resolve to this machine is refused', async () => {
    expect(await statusWithHost('evil.example:7070')).toBe(403);
    expect(await statusWithHost('localhost:7070')).toBe(200);
    expect(await statusWithHost('[::1]:7070')).toBe(200);
  });

  function statusWithHost(host: string): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const asked = httpRequest(`${server.url}/healthz`, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on('error', reject).end();
    });
  }

  test('get headers that keep pages of others out', async () => {
    const { headers } = await server.fetch('/healthz');
    expect(headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(headers.get('content-security-policy')).not.toMatch(/script-src[^;]*unsafe/);
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('x-powered-by')).toBeNull();
  });
});

describe('without signing in', () => {
  test('health and readiness answer, without telling of the inside', async () => {
    expect(await (await server.fetch('/healthz')).text()).toBe('ok\n');
    const ready = await (await server.fetch('/readyz')).text();
    expect(JSON.parse(ready)).toEqual({ ready: true, parts: [{ name: 'database', ok: true }] });
  });

  test.each([
    ['not ready', async () => ({ ready: false, parts: [] })],
    ['failing to look', () => Promise.reject(new Error('no database'))],
  ])('%s is a 503', async (_name, ready) => {
    await using other = await openFakeServer({ ready });
    expect((await other.fetch('/readyz')).status).toBe(503);
    expect((await other.fetch('/healthz', { method: 'HEAD' })).status).toBe(200);
  });

  test.each(['/metrics', '/api/v1/openapi.json', '/api/v1/me', '/api/v1/events?topics=runs'])(
    '%s does not',
    async (path) => {
      expect((await server.fetch(path)).status).toBe(401);
      const headers = { authorization: 'Bearer drv_made_up' };
      expect((await server.fetch(path, { headers })).status).toBe(401);
    },
  );

  test('with a token they do', async () => {
    expect(await (await server.fetch('/metrics', { as: 'viewer' })).text()).toContain('drover_up');
    expect(await (await server.fetch('/api/v1/openapi.json', { as: 'viewer' })).json()).toMatchObject({
      openapi: '3.1.0',
    });
  });

  test('whoever is not signed in does not get a body read', async () => {
    const response = await server.fetch('/api/v1/projects', { method: 'POST', body: '{', headers: JSON_HEADERS });
    expect(response.status).toBe(401);
  });
});

describe('behind a proxy', () => {
  const signIn = { email: 'a@b.example', password: 'x' };
  const session = {
    secret: 's',
    csrfToken: 'c',
    expiresAt: '2099-01-01T00:00:00.000Z',
    person: PERSON,
  };
  const enter = async (settings: object, headers: Record<string, string>): Promise<Response> => {
    await using proxied = await openFakeServer({ settings });
    proxied.answer = () => Promise.resolve(session);
    const init = { method: 'POST', body: JSON.stringify(signIn), headers: { ...JSON_HEADERS, ...headers } };
    const response = await proxied.fetch('/api/v1/sign-in', init);
    await response.clone().text();
    return response;
  };
  const trusted = { trustedProxies: ['127.0.0.0/8'] };
  const elsewhere = { 'x-forwarded-for': '10.1.2.3' };

  test.each([
    ['HTTPS: the cookie is for HTTPS alone', trusted, { ...elsewhere, 'x-forwarded-proto': 'https' }, 200, true],
    ['plain HTTP from another machine: no browser would keep it', trusted, elsewhere, 403, false],
    ['the same, allowed by the administrator', { ...trusted, insecureCookies: true }, elsewhere, 200, false],
    ['a header nobody vouches for is not believed', {}, { 'x-forwarded-proto': 'https' }, 200, false],
  ])('%s', async (_name, settings, headers, status, isSecure) => {
    const response = await enter(settings, headers);
    expect(response.status).toBe(status);
    const cookie = response.headers.getSetCookie().join();
    expect(cookie.includes('Secure')).toBe(isSecure);
    expect(cookie.includes('HttpOnly')).toBe(status === 200);
  });

  test('the public address is no other site, and other names are', async () => {
    const settings = { publicUrl: 'https://drover.example.com' };
    expect((await enter(settings, { origin: 'https://drover.example.com' })).status).toBe(200);
    expect((await enter(settings, { origin: 'https://drover.example.com.evil.example' })).status).toBe(403);
    expect((await enter(settings, { origin: 'null' })).status).toBe(403);
  });
});

test('secrets of requests are in no log line', async () => {
  const body = { email: 'a@b.example', password: 'planted-password' };
  server.answer = () => Promise.reject(new DroverError('NOT_SIGNED_IN', 'Wrong.'));
  await server.fetch('/api/v1/sign-in', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { ...JSON_HEADERS, cookie: 'drover_session=planted-cookie' },
  });
  await server.fetch('/api/v1/me?planted=query', { headers: { authorization: 'Bearer planted-token' } });
  server.answer = () => Promise.reject(new Error('broken'));
  await server.fetch('/api/v1/sign-in', { method: 'POST', body: JSON.stringify(body), headers: JSON_HEADERS });
  expect(server.logged.length).toBeGreaterThan(2);
  expect(server.logged.join('\n')).not.toContain('planted');
});

describe('lines', () => {
  const LINE = { what: 'list', result: 'ok', message: 'Listed.', field: null, remedy: null };
  const check = (): Promise<Response> => post(`/api/v1/connectors/${SAMPLE_UUID}/check`, {});

  test('come as they are known', async () => {
    const gate = Promise.withResolvers<void>();
    server.answer = async function* () {
      yield LINE;
      await gate.promise;
      yield { ...LINE, what: 'read' };
    };
    const response = await check();
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe(`${JSON.stringify(LINE)}\n`);
    gate.resolve();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toContain('"read"');
    expect((await reader.read()).done).toBe(true);
  });

  test('a failure before the first one has its own status', async () => {
    server.answer = async function* () {
      await Promise.reject(new DroverError('ENTITY_NOT_FOUND', 'No such connector.'));
      yield LINE;
    };
    expect((await check()).status).toBe(404);
  });

  test('a failure in the middle is the last line', async () => {
    server.answer = async function* () {
      yield LINE;
      throw new DroverError('UNREACHABLE', 'The cable is out.');
    };
    const [, last = ''] = (await (await check()).text()).trim().split('\n');
    expect(JSON.parse(last)).toMatchObject({ problem: { code: 'UNREACHABLE', detail: 'The cable is out.' } });
  });

  test('whoever leaves stops the work', async () => {
    const stopped = Promise.withResolvers<void>();
    server.answer = async function* ({ args }) {
      const signal = args.at(-1) as AbortSignal;
      signal.addEventListener('abort', () => stopped.resolve());
      yield LINE;
      await new Promise(() => undefined);
    };
    const response = await check();
    await response.body?.cancel();
    await stopped.promise;
  });
});

test('whoever leaves in the middle of many lines lets go of the service', async () => {
  const released = Promise.withResolvers<void>();
  server.answer = async function* () {
    try {
      for (;;) yield { what: 'list', result: 'ok', message: 'x'.repeat(10_000), field: null, remedy: null };
    } finally {
      released.resolve();
    }
  };
  const response = await post(`/api/v1/connectors/${SAMPLE_UUID}/check`, {});
  await response.body?.cancel();
  await released.promise;
});

describe('files', () => {
  const download = (range?: string): Promise<Response> =>
    server.fetch(`/api/v1/artifacts/${SAMPLE_UUID}/content`, {
      as: 'viewer',
      headers: range === undefined ? {} : { range },
    });

  beforeEach(() => {
    server.answer = async () => ({
      artifact: { fileName: 'Übersicht "1".csv', kind: 'copy-log-csv', sizeBytes: 10, sha256: 'ab' },
      content: (async function* () {
        for (const piece of ['012', '345', '6789']) yield Buffer.from(piece);
      })(),
    });
  });

  test('are given under their name, and run nothing', async () => {
    const response = await download();
    expect(await response.text()).toBe('0123456789');
    expect(response.headers.get('content-disposition')).toBe(
      `attachment; filename="_bersicht _1_.csv"; filename*=UTF-8''%C3%9Cbersicht%20%221%22.csv`,
    );
    expect(response.headers.get('content-length')).toBe('10');
    expect(response.headers.get('content-security-policy')).toContain('sandbox');
  });

  test.each([
    ['bytes=2-6', 206, '23456', 'bytes 2-6/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-4', 206, '6789', 'bytes 6-9/10'],
    ['bytes=3-99', 206, '3456789', 'bytes 3-9/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['bytes=0-1,4-5', 200, '0123456789', null],
    ['lines=1-2', 200, '0123456789', null],
  ])('%s', async (range, status, text, contentRange) => {
    const response = await download(range);
    expect([response.status, await response.text(), response.headers.get('content-range')]).toEqual([
      status,
      text,
      contentRange,
    ]);
  });
});

test('the web app is served, and none of its addresses is taken for a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-pages-'));
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'index.html'), '<title>Drover</title>');
  writeFileSync(join(folder, 'assets', 'app-1a2b.js'), 'export {};');
  const withPages = await openFakeServer({ staticFolder: folder });
  try {
    for (const path of ['/', '/runs/abc', '/setup']) {
      const page = await withPages.fetch(path);
      expect([page.status, await page.text()]).toEqual([200, '<title>Drover</title>']);
      expect(page.headers.get('cache-control')).toBe('no-cache');
    }
    const script = await withPages.fetch('/assets/app-1a2b.js');
    expect(script.headers.get('cache-control')).toContain('immutable');
    expect(script.headers.get('content-type')).toContain('javascript');
    expect((await withPages.fetch('/assets/missing.js')).status).toBe(404);
    expect((await withPages.fetch('/api/v1/nothing')).status).toBe(404);
    expect(await (await withPages.fetch('/..%2f..%2f..%2f..%2fetc%2fpasswd')).text()).not.toContain('root:');
  } finally {
    await withPages[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  }
});
