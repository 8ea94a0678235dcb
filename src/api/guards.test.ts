/** Under which names a server answers. */
import { request as httpRequest } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-world.ts';
import { DroverError } from '../model/errors.ts';
import { findCaller, refuseForeignHost } from './guards.ts';
import { CSRF, openFakeServer } from './testing/fakes.ts';
import { SAMPLE_UUID } from './testing/sample.ts';
import { API_DEFAULTS, type ApiSettings, type ApiWorld } from './world.ts';

function answers(host: string, given: Partial<ApiSettings> = {}, listener = '10.0.0.5', headers = {}): boolean {
  const request = { host, socket: { localAddress: listener }, headers } as unknown as FastifyRequest;
  try {
    refuseForeignHost({ settings: { ...API_DEFAULTS, ...given } }, request);
    return true;
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'FORBIDDEN', remedy: expect.stringContaining('DROVER_ALLOWED_HOSTS') });
    return false;
  }
}

const PUBLIC = { publicUrl: 'https://Drover.example.com:8443' };
const NAMED = { allowedHosts: ['drover', '*.Internal.example'] };
const PROXY = { trustedProxies: ['127.0.0.1'] };

describe('the name a request came under', () => {
  test.each<[host: string, settings: Partial<ApiSettings>, listener: string, isAnswered: boolean]>([
    ['evil.example', {}, '127.0.0.1', false],
    ['evil.example:7070', {}, '::1', false],
    ['evil.example', {}, '::ffff:127.0.0.1', false],
    ['localhost.evil.example', {}, '127.0.0.1', false],
    ['127.0.0.1.evil.example', {}, '127.0.0.1', false],
    ['localhost:7070', {}, '127.0.0.1', true],
    ['app.localhost', {}, '127.0.0.1', true],
    ['127.0.0.1:7070', {}, '127.0.0.1', true],
    ['[::1]:7070', {}, '::1', true],
    // Nobody said which names there are.
    ['anything.example', {}, '10.0.0.5', true],
    ['anything.example', PROXY, '127.0.0.1', true],
    // With a public address it is strict, wherever it listens, with a proxy or without.
    ['drover.example.com', PUBLIC, '10.0.0.5', true],
    ['DROVER.example.com.:8443', PUBLIC, '10.0.0.5', true],
    ['evil.example', PUBLIC, '10.0.0.5', false],
    ['evil.example', { ...PUBLIC, ...PROXY }, '127.0.0.1', false],
    ['drover.example.com', { ...PUBLIC, ...PROXY }, '127.0.0.1', true],
    ['x.drover.example.com', PUBLIC, '10.0.0.5', false],
    ['10.0.0.5:7070', PUBLIC, '10.0.0.5', true],
    ['', PUBLIC, '10.0.0.5', true],
    ['drover:7070', NAMED, '10.0.0.5', true],
    ['a.internal.example', NAMED, '10.0.0.5', true],
    ['internal.example', NAMED, '10.0.0.5', false],
    ['evilinternal.example', NAMED, '10.0.0.5', false],
    ['evil.example', NAMED, '10.0.0.5', false],
    ['drover', NAMED, '127.0.0.1', true],
  ])('%s with %j at %s', (host, settings, listener, isAnswered) => {
    expect(answers(host, settings, listener)).toBe(isAnswered);
  });

  test('does not matter to programs with a token, which no page knows', () => {
    expect(answers('drover', PUBLIC, '10.0.0.5', { authorization: 'Bearer drv_x' })).toBe(true);
    expect(answers('drover', PUBLIC, '10.0.0.5', { authorization: 'Basic eDp4' })).toBe(false);
  });
});

describe('a live stream that was opened with a token', () => {
  const actor = { kind: 'token', personId: 'p', tokenId: 't', name: 'n', role: 'viewer', address: null } as const;

  async function asked(later: () => Promise<unknown>): Promise<boolean> {
    let isFirst = true;
    const token = (): Promise<unknown> => {
      if (!isFirst) return later();
      isFirst = false;
      return Promise.resolve(actor);
    };
    const headers = { host: 'localhost', authorization: 'Bearer drv_x' };
    const request = { headers, ip: '127.0.0.1', host: 'localhost', protocol: 'http', url: '/', cookies: {}, id: '1' };
    const world = { services: { signIn: { token } }, settings: API_DEFAULTS } as unknown as ApiWorld;
    const caller = await findCaller(world, request as unknown as FastifyRequest, {} as FastifyReply);
    return caller.stillThere();
  }

  test('ends with it, also while the network of its holder has to wait for having guessed', async () => {
    expect(await asked(() => Promise.resolve(actor))).toBe(true);
    expect(await asked(() => Promise.resolve(null))).toBe(false);
    expect(await asked(() => Promise.reject(new DroverError('RATE_LIMITED', 'Too many.')))).toBe(false);
    // That nobody can say is no reason to end it.
    await expect(asked(() => Promise.reject(new DroverError('DATABASE_UNAVAILABLE', 'Away.')))).rejects.toThrow();
  });
});

describe('who is shut out in the middle of a request', () => {
  const session = { cookie: 'drover_session=session-admin', 'x-csrf-token': CSRF, 'content-type': 'application/json' };

  test.each([{ ended: true }, { role: 'operator' as const }])(
    'with %j changes nothing any more, however slowly the body comes',
    async (becomes) => {
      await using server = await openFakeServer();
      const body = JSON.stringify({ email: 'eve@acme.example', name: '', role: 'admin', password: null });
      const headers = { ...session, expect: '100-continue', 'content-length': body.length };
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const request = httpRequest(`${server.url}/api/v1/people`, { method: 'POST', headers });
        request.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
        // By then the headers were looked at.
        request.on('continue', () => {
          Object.assign(server.sessions, becomes);
          request.end(body);
        });
        request.flushHeaders();
      });
      expect(status).toBe(401);
      expect(server.calls).toEqual([]);
    },
  );

  test('changes nothing by a body that comes late and is empty', async () => {
    await using server = await openFakeServer();
    const headers = { ...session, expect: '100-continue', 'transfer-encoding': 'chunked' };
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const path = `${server.url}/api/v1/schedules/${SAMPLE_UUID}/disable`;
      const request = httpRequest(path, { method: 'POST', headers });
      request.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
      request.on('continue', () => {
        server.sessions.ended = true;
        request.end();
      });
      request.flushHeaders();
    });
    expect(status).toBe(401);
    expect(server.calls).toEqual([]);
  });

  test('is told no more lines, and what made them stops', async () => {
    const clock = new FakeClock();
    await using server = await openFakeServer({ clock });
    const made: string[] = [];
    server.answer = async function* () {
      try {
        for (const id of ['first', 'second', 'third', 'fourth']) {
          if (id === 'second') server.sessions.ended = true;
          if (id === 'third') await clock.advance(5_000);
          made.push(id);
          yield { id, name: id, runId: null, error: null };
        }
      } finally {
        made.push('stopped');
      }
    };
    const body = JSON.stringify({ kind: 'transfer', filter: {}, expectedCount: 4 });
    const init = { method: 'POST', headers: session, body };
    const lines = (await (await server.fetch('/api/v1/jobs/actions/start', init)).text()).trim().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ problem: { code: 'NOT_SIGNED_IN' } });
    expect(made).toEqual(['first', 'second', 'third', 'stopped']);
  });
});

test('a download ends with the right to it', async () => {
  const clock = new FakeClock();
  await using server = await openFakeServer({ clock });
  const made: string[] = [];
  async function* content(): AsyncGenerator<Uint8Array> {
    try {
      for (const part of ['first', 'second', 'third']) {
        made.push(part);
        yield Buffer.from(part);
        server.sessions.ended = true;
        await clock.advance(5_000);
      }
    } finally {
      made.push('closed');
    }
  }
  const artifact = { fileName: 'log.csv', kind: 'copy-log-csv', sizeBytes: null, sha256: null };
  server.answer = async () => ({ artifact, content: content() });
  const path = `/api/v1/artifacts/${SAMPLE_UUID}/content`;
  const response = await server.fetch(path, { headers: { cookie: 'drover_session=session-viewer' } });
  await expect(response.text()).rejects.toThrow();
  expect(made).toEqual(['first', 'second', 'closed']);
});

test('who asks often whether it is ready causes no more work', async () => {
  const clock = new FakeClock();
  let looks = 0;
  const ready = async () => ({ ready: looks++ === 0, parts: [] });
  await using server = await openFakeServer({ clock, ready });
  const ask = async (): Promise<number> => (await server.fetch('/readyz')).status;
  expect(await Promise.all(Array.from({ length: 20 }, ask))).toEqual(Array(20).fill(200));
  await clock.advance(900);
  expect([await ask(), looks]).toEqual([200, 1]);
  await clock.advance(100);
  expect([await ask(), looks]).toEqual([503, 2]);
});

describe('bodies made to cost', () => {
  const wrong = (members: number): string =>
    JSON.stringify(Object.fromEntries(Array.from({ length: members }, (_, i) => [`member${i}`, i])));
  const init = (members: number) => {
    return { method: 'POST', headers: { 'content-type': 'application/json' }, body: wrong(members) };
  };

  test('are small where nobody is signed in', async () => {
    await using server = await openFakeServer();
    for (const path of ['/api/v1/sign-in', '/api/v1/setup']) {
      expect((await server.fetch(path, init(100))).status).toBe(400);
      expect((await server.fetch(path, init(2_000))).status).toBe(413);
    }
    expect((await server.fetch('/api/v1/projects', { ...init(2_000), as: 'admin' })).status).toBe(400);
    expect(server.calls).toEqual([]);
  });

  test('are answered with so many mistakes and no more', async () => {
    await using server = await openFakeServer();
    const response = await server.fetch('/api/v1/projects', { ...init(2_000), as: 'admin' });
    const { errors, detail } = (await response.json()) as { errors: unknown[]; detail: string };
    expect(errors).toHaveLength(100);
    expect(detail).toMatch(/^20\d\d fields/);
  });
});
