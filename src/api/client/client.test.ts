/** The client against the real HTTP server: types, errors, streams of lines, downloads, the live stream. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/system.ts';
import { DroverError } from '../../model/errors.ts';
import { openFakeServer, type FakeServer } from '../testing/fakes.ts';
import { ROUTES } from '../routes/all.ts';
import { SAMPLE_RUN_ID, SAMPLE_UUID, sampleOf } from '../testing/sample.ts';
import { project } from '../wire/jobs.ts';
import { run } from '../wire/runs.ts';
import { CREATIONS, everyPage, openClient, ServerProblem, take, type Client } from './client.ts';
import { startStopwatch } from '../../../test/stopwatch.ts';

const PROJECT = { ...(sampleOf(project) as object), id: SAMPLE_UUID, version: 3, name: 'Photos' };
const LINE = { what: 'list', result: 'ok', message: 'Listed.', field: null, remedy: null };

let server: FakeServer;
let client: Client;

beforeEach(async () => {
  server = await openFakeServer();
  client = clientOf(server.url, 'drv_admin');
});
afterEach(() => server[Symbol.asyncDispose]());

function clientOf(url: string, token: string | null): Client {
  return openClient({ url, token, fetch: (request) => fetch(request), userAgent: 'drover-test' });
}

async function failureOf(work: Promise<unknown>): Promise<ServerProblem> {
  const outcome = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(outcome).toBeInstanceOf(DroverError);
  return outcome as ServerProblem;
}

async function drained(events: AsyncIterator<unknown>): Promise<void> {
  while ((await events.next()).done !== true);
}

describe('a call', () => {
  test('gives the entity, with the token and the version it was given', async () => {
    server.answer = async () => PROJECT;
    const call = client.http.PATCH('/api/v1/projects/{id}', {
      params: { path: { id: SAMPLE_UUID }, header: { 'If-Match': '"3"' } },
      body: { description: 'New' },
    });
    expect((await take(call)).name).toBe('Photos');
    expect(server.calls[0]?.args).toMatchObject([
      { kind: 'token', role: 'admin' },
      SAMPLE_UUID,
      3,
      { description: 'New' },
    ]);
  });

  test('sends filters one by one', async () => {
    server.answer = async () => ({ items: [], nextCursor: null, total: 0 });
    const query = { limit: 10, total: true, 'filter.state': ['running' as const, 'queued' as const] };
    await take(client.http.GET('/api/v1/runs', { params: { query } }));
    expect(server.calls[0]?.args[1]).toEqual({ limit: 10, withTotal: true, filter: { state: ['running', 'queued'] } });
  });

  test('goes through all pages of a list', async () => {
    const entry = sampleOf(run) as { id: string };
    server.answer = async ({ args }) => {
      const { cursor } = args[1] as { cursor?: string };
      const at = Number(cursor ?? 0);
      return { items: [{ ...entry, id: `run-${at}` }], nextCursor: at < 3 ? String(at + 1) : null, total: null };
    };
    const ids: string[] = [];
    const page = (cursor: string | undefined) =>
      take(client.http.GET('/api/v1/runs', { params: { query: { cursor } } }));
    for await (const { id } of everyPage(page)) ids.push(id);
    expect(ids).toEqual(['run-0', 'run-1', 'run-2', 'run-3']);
  });

  test('that is refused rejects with what the server said', async () => {
    server.answer = () =>
      Promise.reject(
        new DroverError('RATE_LIMITED', 'Slow down.', { field: 'name', retryAfterMs: 2_000, remedy: 'Rest.' }),
      );
    const error = await failureOf(client.http.GET('/api/v1/projects/{id}', { params: { path: { id: SAMPLE_UUID } } }));
    expect(error).toMatchObject({
      code: 'RATE_LIMITED',
      message: 'Slow down.',
      field: 'name',
      remedy: 'Rest.',
      status: 429,
      retryAfterMs: 2_000,
      requestId: expect.any(String),
    });
  });

  test('that creates is sent again with its key when the connection broke; one that does not is not', async () => {
    const keys: (string | null)[] = [];
    let broken = 1;
    const flaky = openClient({
      url: server.url,
      token: 'drv_admin',
      newKey: () => `key-${keys.length}`,
      fetch: async (request) => {
        keys.push(request.headers.get('Idempotency-Key'));
        if (broken-- > 0) throw Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNRESET' } });
        return fetch(request);
      },
    });
    server.answer = async () => PROJECT;
    await take(flaky.http.POST('/api/v1/projects', { body: { name: 'Photos' } }));
    expect(keys).toEqual(['key-0', 'key-0']);
    expect(server.calls).toHaveLength(1);
    broken = 1;
    const paused = flaky.http.POST('/api/v1/runs/{id}/pause', { params: { path: { id: SAMPLE_RUN_ID } } });
    expect((await failureOf(paused)).code).toBe('UNREACHABLE');
    expect(keys).toEqual(['key-0', 'key-0', null]);
    broken = 2;
    const listed = flaky.http.GET('/api/v1/projects', {});
    expect((await failureOf(listed)).code).toBe('UNREACHABLE');
  });

  test('knows which routes create', () => {
    const creating = ROUTES.filter(({ creates, stepwise }) => creates || stepwise);
    const pathOf = (path: string) => `/api/v1${path.replaceAll(/\{[^}]+\}/g, 'x')}`;
    const posts = ROUTES.filter(({ method }) => method === 'POST');
    expect(creating.length).toBeGreaterThan(5);
    expect(posts.filter(({ path }) => CREATIONS.test(pathOf(path))).map(({ name }) => name)).toEqual(
      creating.map(({ name }) => name),
    );
  });

  test('with a wrong body names every member', async () => {
    const body = { kind: 'source' } as never;
    const error = await failureOf(client.http.POST('/api/v1/endpoints', { body }));
    expect(error.code).toBe('INVALID_INPUT');
    expect(error.errors.map(({ path }) => path)).toEqual(['connectorId', 'place']);
  });

  test('with a token that is not valid', async () => {
    const error = await failureOf(clientOf(server.url, 'drv_nobody').http.GET('/api/v1/me'));
    expect(error).toMatchObject({ code: 'NOT_SIGNED_IN', status: 401 });
  });

  test('to where nothing answers', async () => {
    const error = await failureOf(clientOf('http://127.0.0.1:1', null).http.GET('/api/v1/me'));
    expect(error).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('http://127.0.0.1:1') });
  });

  test('to where something else answers', async () => {
    const other = createServer((_request, response) => response.writeHead(502).end('<h1>Bad gateway</h1>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const error = await failureOf(clientOf(`http://127.0.0.1:${port}`, null).http.GET('/api/v1/me'));
    other.close();
    expect(error).toMatchObject({ code: 'UNAVAILABLE', status: 502 });
  });

  test('can be stopped', async () => {
    server.answer = () => new Promise(() => undefined);
    const stopper = new AbortController();
    const call = client.http.GET('/api/v1/overview', { signal: stopper.signal });
    const failure = failureOf(call);
    await expect.poll(() => server.calls.length).toBe(1);
    stopper.abort();
    expect((await failure).code).toBe('CANCELLED');
  });
});

describe('lines', () => {
  test('come one by one, and a failure in the middle is thrown', async () => {
    server.answer = async function* () {
      yield LINE;
      yield { ...LINE, what: 'read', message: 'Größe' };
      throw new DroverError('UNREACHABLE', 'The cable is out.');
    };
    const lines: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { what, message } of client.checkConnector(SAMPLE_UUID, {})) lines.push(`${what} ${message}`);
    };
    expect(await failureOf(read())).toMatchObject({ code: 'UNREACHABLE', message: 'The cable is out.' });
    expect(lines).toEqual(['list Listed.', 'read Größe']);
  });

  test('of a place', async () => {
    server.answer = async function* () {
      yield { items: [{ name: 'a', kind: 'folder', entry: null }] };
    };
    const names: string[] = [];
    for await (const { items } of client.browse(SAMPLE_UUID, { container: 'b', prefix: 'p/' })) {
      names.push(...items.map(({ name }) => name));
    }
    expect(names).toEqual(['a']);
    expect(server.calls[0]?.args[2]).toEqual({ container: 'b', prefix: 'p/' });
  });
});

test('a download goes on where it stopped', async () => {
  server.answer = async () => ({
    artifact: { fileName: 'Größen.csv', kind: 'copy-log-csv', sizeBytes: 6, sha256: null },
    content: (async function* () {
      yield Buffer.from('abcdef');
    })(),
  });
  const download = await client.download(SAMPLE_UUID, 2);
  const pieces: Uint8Array[] = [];
  for await (const piece of download.content) pieces.push(piece);
  expect([download.fileName, download.sizeBytes, Buffer.concat(pieces).toString()]).toEqual(['Größen.csv', 4, 'cdef']);
});

describe('the live stream', () => {
  test('goes on after the connection was lost, with what was missed', async () => {
    let sequence = 0;
    server.answer = async ({ args }) => ({ id: args[1], sequence: ++sequence, asOf: '2026-01-01T00:00:00.000Z' });
    const stopper = new AbortController();
    const cut: AbortController[] = [];
    const fragile = openClient({
      url: server.url,
      token: 'drv_viewer',
      fetch: (request) => {
        const cutter = new AbortController();
        cut.push(cutter);
        return fetch(request, { signal: AbortSignal.any([request.signal, cutter.signal]) });
      },
    });
    const events = fragile.events(['runs'], systemClock, stopper.signal)[Symbol.asyncIterator]();
    const first = events.next();
    await expect.poll(() => cut.length).toBe(1);
    // The stream stands once its answer came; until then nobody hears.
    const timer = setInterval(() => server.bus.say('run', SAMPLE_RUN_ID), 20);
    expect((await first).value).toMatchObject({ type: 'changed', id: SAMPLE_RUN_ID });
    clearInterval(timer);
    cut[0]?.abort();
    server.bus.say('run', '01hzotherrun00');
    for (;;) {
      const { value } = await events.next();
      if ((value as { id?: string }).id === '01hzotherrun00') break;
    }
    expect(cut).toHaveLength(2);
    const last = failureOf(events.next());
    stopper.abort();
    expect((await last).code).toBe('CANCELLED');
  });

  test('is let go of at once, also when the request was collected as garbage meanwhile', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    server.answer = async ({ args }) => ({ id: args[1], sequence: 1, asOf: '2026-01-01T00:00:00.000Z' });
    const stopper = new AbortController();
    const signal = AbortSignal.any([stopper.signal]);
    const events = client.events(['runs'], systemClock, signal)[Symbol.asyncIterator]();
    const first = events.next();
    const timer = setInterval(() => server.bus.say('run', SAMPLE_RUN_ID), 20);
    await first;
    clearInterval(timer);
    const last = failureOf(drained(events));
    // What is held weakly goes only between turns, and not always at the first time.
    for (let turn = 0; turn < 5; turn++) {
      await systemClock.sleep(10, signal);
      collect();
    }
    const watch = startStopwatch();
    stopper.abort();
    expect((await last).code).toBe('CANCELLED');
    // Sooner than the next sign of life of the server, which would end it too.
    expect(watch.elapsedMs()).toBeLessThan(5_000);
  });

  test('ends when signing in is refused', async () => {
    const nobody = clientOf(server.url, 'drv_nobody').events(['runs'], systemClock, new AbortController().signal);
    const error = await failureOf(nobody[Symbol.asyncIterator]().next());
    expect(error.code).toBe('NOT_SIGNED_IN');
  });
});
