import { describe, expect, test } from 'vitest';
import type { HttpRequest, HttpResponse } from '../lib/transport.ts';
import { DroverError } from '../model/errors.ts';
import type { S3Service } from './s3-service.ts';
import { createS3Service } from './s3-service.ts';
import { serveOnLoopback } from './serve.ts';
import { awsSigned } from './test-signing.ts';
import type { Fault, FaultOptions } from './transport.ts';
import { simTransport } from './transport.ts';
import { seededRandom, simClock } from './world.ts';

const clock = simClock();
const ORIGIN = 'https://sim.test';

function open(): S3Service {
  const s3 = createS3Service({
    clock,
    random: seededRandom(1),
    accounts: [{ accountId: '111111111111', users: [{ name: 'a', accessKeyId: 'AK', secretAccessKey: 's' }] }],
  });
  s3.createBucket('one');
  for (const key of ['a', 'b', 'c']) s3.put('one', key, `content of ${key}`);
  return s3;
}

function request(
  method: string,
  path: string,
  body = '',
  signal = new AbortController().signal,
  host = 'sim.test',
): HttpRequest {
  const [name, query = ''] = path.split('?');
  const signed = awsSigned(
    { id: 'AK', secret: 's', nowMs: clock.now() },
    { method, host, path: name!, query: Object.fromEntries(new URLSearchParams(query)), body },
  );
  const operation = query.includes('list-type') ? 'LIST' : method;
  const sent = body === '' ? null : { sizeBytes: body.length, content: Buffer.from(body) };
  return { method, origin: ORIGIN, path: signed.path, headers: signed.headers, body: sent, operation, signal };
}

function send(s3: S3Service, want: HttpRequest, fault: Fault | null, extra: FaultOptions = {}): Promise<HttpResponse> {
  const transport = simTransport((origin) => (origin === ORIGIN ? s3 : null), { plan: () => fault, ...extra })({
    caCertificate: null,
    connectionsMax: 4,
  });
  return transport.send(want);
}

const words = async (response: HttpResponse): Promise<string> => Buffer.from(await response.bytes(10_000)).toString();
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (error instanceof DroverError ? error.code : String(error)),
  );

describe('faults', () => {
  test('none: the answer as it is', async () => {
    const response = await send(open(), request('GET', '/one/a'), null);
    expect([response.status, response.headers['content-length'], await words(response)]).toEqual([
      200,
      '12',
      'content of a',
    ]);
    expect(await codeOf(send(open(), { ...request('GET', '/one/a'), origin: 'https://nowhere.test' }, null))).toBe(
      'UNREACHABLE',
    );
  });

  test('a lost answer comes after the commit, a reset before it', async () => {
    const s3 = open();
    expect(await codeOf(send(s3, request('PUT', '/one/x', 'v'), { kind: 'reset' }))).toBe('UNAVAILABLE');
    expect(s3.bytes('one', 'x')).toBeNull();
    expect(await codeOf(send(s3, request('PUT', '/one/x', 'v'), { kind: 'lost-answer' }))).toBe('UNAVAILABLE');
    expect(s3.bytes('one', 'x')!.toString()).toBe('v');
  });

  test('bodies that end early, go on, or are wrong', async () => {
    const read = async (fault: Fault): Promise<string> => words(await send(open(), request('GET', '/one/a'), fault));
    expect(await codeOf(read({ kind: 'early-end', afterBytes: 4 }))).toBe('EARLY_END');
    expect(await read({ kind: 'extra-bytes', count: 2 })).toBe('content of axx');
    expect(await read({ kind: 'bit-flip', atByte: 0 })).toBe('bontent of a');
    const wrong = await send(open(), request('PUT', '/one/x', 'v'), { kind: 'request-bit-flip', atByte: 0 });
    expect(await words(wrong)).toContain('XAmzContentSHA256Mismatch');
  });

  test('a stall ends with the signal, or by the clock', async () => {
    const stop = new AbortController();
    const waiting = codeOf(send(open(), request('GET', '/one/a', '', stop.signal), { kind: 'stall', when: 'before' }));
    stop.abort();
    expect(await waiting).toBe('CANCELLED');
    const jumping = simClock(clock.now(), true);
    const timed = send(
      open(),
      { ...request('GET', '/one/a'), idleMsMax: 5000 },
      { kind: 'stall', when: 'before' },
      { clock: jumping },
    );
    expect([await codeOf(timed), jumping.now() - clock.now()]).toEqual(['TIMED_OUT', 5000]);
  });

  test('statuses, and errors inside a 200', async () => {
    const storm = await send(open(), request('GET', '/one/a'), {
      kind: 'status',
      status: 503,
      code: 'SlowDown',
      retryAfterSeconds: 7,
    });
    expect([storm.status, storm.headers['retry-after']]).toEqual([503, '7']);
    const inside = await send(open(), request('PUT', '/one/x', 'v'), { kind: 'error-inside', code: 'InternalError' });
    expect([inside.status, (await words(inside)).includes('<Code>InternalError</Code>')]).toEqual([200, true]);
  });

  test('pages that repeat or are out of order', async () => {
    const s3 = open();
    const faults: (Fault | null)[] = [null, { kind: 'repeated-page' }, { kind: 'reversed-page' }];
    const transport = simTransport(() => s3, { plan: ({ number }) => faults[number] ?? null })({
      caCertificate: null,
      connectionsMax: 1,
    });
    const keys = async (after: string): Promise<string> => {
      const page = await words(await transport.send(request('GET', `/one?list-type=2&start-after=${after}`)));
      return [...page.matchAll(/<Key>(.*?)</g)].map((m) => m[1]).join('');
    };
    expect([await keys('a'), await keys('b'), await keys('a')]).toEqual(['bc', 'bc', 'cb']);
  });

  test('something else happens meanwhile', async () => {
    const s3 = open();
    const response = await send(s3, request('GET', '/one/a'), { kind: 'meanwhile', run: () => s3.remove('one', 'a') });
    expect(response.status).toBe(404);
  });
});

test('a service on a socket answers the same, streams, and closes', async () => {
  const s3 = open();
  s3.putGenerated('one', 'large', 3, 5_000_000);
  const served = await serveOnLoopback(s3);
  const host = new URL(served.origin).host;
  const fetchIt = async (want: HttpRequest): Promise<Response> => {
    const { host: _host, ...headers } = want.headers;
    return fetch(served.origin + want.path, {
      method: want.method,
      headers,
      ...(want.body === null ? {} : { body: want.body.content as Uint8Array<ArrayBuffer> }),
    });
  };
  const large = await fetchIt(request('GET', '/one/large', '', undefined, host));
  expect(Buffer.from(await large.arrayBuffer()).equals(s3.bytes('one', 'large')!)).toBe(true);
  expect((await fetchIt(request('PUT', '/one/new', 'hello', undefined, host))).status).toBe(200);
  expect(s3.bytes('one', 'new')!.toString()).toBe('hello');
  await served.close();
  await expect(fetchIt(request('GET', '/one/new', '', undefined, host))).rejects.toThrow();
});
