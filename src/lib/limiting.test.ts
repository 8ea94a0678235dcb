// Requests are held back by a rate, by a ceiling that adapts, and by pauses a service asks for. The service here is a
// transport that records when it was asked and answers after a given time; time is the test's own.
import { describe, expect, test } from 'vitest';
import { DroverError } from '../model/errors.ts';
import { countRequests } from './counting.ts';
import { FakeClock } from './fake-world.ts';
import { limitRequests, type RequestLimits } from './limiting.ts';
import { retryAfterMs } from './concurrency.ts';
import type { HttpRequest, HttpResponse, OpenTransport } from './transport.ts';

interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly afterMs?: number;
  readonly error?: DroverError;
}

function service(clock: FakeClock, answer: (request: HttpRequest, inFlight: number) => Answer) {
  const state = { startsMs: [] as number[], inFlight: 0, peak: 0 };
  const open: OpenTransport = () => ({
    async send(sent): Promise<HttpResponse> {
      state.startsMs.push(clock.monotonic());
      state.peak = Math.max(state.peak, ++state.inFlight);
      const { status = 200, headers = {}, afterMs = 10, error } = answer(sent, state.inFlight);
      try {
        await clock.sleep(afterMs, sent.signal);
      } finally {
        state.inFlight--;
      }
      if (error !== undefined) throw error;
      const body = (async function* () {})();
      return {
        status,
        headers,
        body,
        bytes: () => Promise.resolve(new Uint8Array(0)),
        discard: () => Promise.resolve(),
      };
    },
    close: () => Promise.resolve(),
  });
  return { open, state };
}

function request(given: Partial<HttpRequest> = {}): HttpRequest {
  const signal = new AbortController().signal;
  return { method: 'GET', origin: 'http://s', path: '/', headers: {}, body: null, operation: 'GET', signal, ...given };
}

const SETTINGS = { caCertificate: null, connectionsMax: 1 };
const UPLOAD = { method: 'PUT', operation: 'PUT', body: { sizeBytes: 0, content: new Uint8Array(0) } };

function limited(answer: Parameters<typeof service>[1], limits: Partial<RequestLimits> = {}) {
  const clock = new FakeClock();
  const { open, state } = service(clock, answer);
  const opened = limitRequests(open, { clock, concurrencyStart: 8, concurrencyMax: 64, ...limits });
  const transport = opened(SETTINGS);
  return { clock, state, opened, send: (given?: Partial<HttpRequest>) => transport.send(request(given)) };
}

describe('requests per second', () => {
  test('a burst of one second, then evenly; other classes are not held back', async () => {
    const { clock, state, send, opened } = limited(() => ({}), {
      requestsPerSecond: { LIST: 5 },
      concurrencyStart: 64,
    });
    const lists = Array.from({ length: 10 }, () => send({ operation: 'LIST' }));
    await clock.run(send({ operation: 'GET' }));
    expect(opened.snapshot().waitingForRate).toBe(5);
    await clock.run(Promise.all(lists));
    const delays = state.startsMs.toSorted((a, b) => a - b);
    expect(delays).toEqual([0, 0, 0, 0, 0, 0, 200, 400, 600, 800, 1000]);
  });

  test('"*" holds for all classes together, over all transports of the account', async () => {
    const { clock, state, opened } = limited(() => ({}), { requestsPerSecond: { '*': 10 } });
    const [one, other] = [opened(SETTINGS), opened(SETTINGS)];
    const sent = Array.from({ length: 21 }, (_, i) => (i % 2 ? one : other).send(request({ operation: `OP${i}` })));
    await clock.run(Promise.all(sent));
    // Ten may be saved up, which leaves eleven to be spread.
    expect(Math.max(...state.startsMs)).toBeCloseTo(1100);
  });

  test('a signal ends the wait', async () => {
    const { clock, send } = limited(() => ({}), { requestsPerSecond: { GET: 0.1 } });
    await clock.run(send());
    const stop = new AbortController();
    const waiting = send({ signal: stop.signal });
    await clock.advance(100);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('concurrency', () => {
  test('not more than the ceiling at one time; reads and writes each have their own', async () => {
    const { clock, state, send, opened } = limited(() => ({ afterMs: 1000 }), { concurrencyMax: 8 });
    const reads = Array.from({ length: 20 }, () => send());
    await clock.advance(1);
    expect(opened.snapshot()).toMatchObject({ inFlight: 8, waiting: 12, ceiling: 8 });
    const writes = Array.from({ length: 3 }, () => send(UPLOAD));
    await clock.advance(1);
    expect(state.inFlight).toBe(11);
    await clock.run(Promise.all([...reads, ...writes]));
    expect(opened.snapshot()).toMatchObject({ inFlight: 0, waiting: 0 });
  });

  test('grows while it is used and answers stay quick, up to the maximum', async () => {
    const { clock, send, opened, state } = limited(() => ({}));
    await clock.run(Promise.all(Array.from({ length: 400 }, () => send())));
    expect(opened.snapshot().ceiling).toBe(64);
    expect(state.peak).toBe(64);
  });

  test('does not grow while it is not used', async () => {
    const { clock, send, opened } = limited(() => ({}));
    for (let i = 0; i < 50; i++) await clock.run(send());
    expect(opened.snapshot().ceiling).toBe(8);
  });

  test('does not grow when answers become much slower with it', async () => {
    const { clock, send, opened } = limited((_request, inFlight) => ({ afterMs: inFlight > 12 ? inFlight * 100 : 10 }));
    await clock.run(Promise.all(Array.from({ length: 600 }, () => send())));
    expect(opened.snapshot().ceiling).toBeLessThan(40);
  });

  test('one storm of throttling is one decrease, however many answers it has', async () => {
    const { clock, send, opened } = limited(() => ({ status: 503 }), { concurrencyStart: 20 });
    await clock.run(Promise.all(Array.from({ length: 20 }, () => send())));
    expect(opened.snapshot()).toMatchObject({ ceiling: 13, throttles: 20 });
  });

  test('steady throttling goes down to the floor and never below', async () => {
    const { clock, send, opened } = limited(() => ({ status: 429 }), { concurrencyStart: 64 });
    for (let round = 0; round < 20; round++) {
      await clock.run(send());
      await clock.advance(2000);
    }
    expect(opened.snapshot().ceiling).toBe(2);
  });

  test('settles near what the service bears, and probes upwards again when it bears more', async () => {
    let bears = 16;
    const { clock, send, opened } = limited((_request, inFlight) => (inFlight > bears ? { status: 503 } : {}), {
      concurrencyMax: 200,
    });
    const work = async (endMs: number): Promise<void> => {
      while (clock.monotonic() < endMs) await send();
    };
    const lanes = (endMs: number) => clock.run(Promise.all(Array.from({ length: 100 }, () => work(endMs))));
    await lanes(20_000);
    const throttlesBefore = opened.snapshot().throttles;
    expect(opened.snapshot().ceiling).toBeGreaterThanOrEqual(8);
    expect(opened.snapshot().ceiling).toBeLessThanOrEqual(17);
    await lanes(40_000);
    // Of some 28,000 requests.
    expect(opened.snapshot().throttles - throttlesBefore).toBeLessThan(100);
    bears = 80;
    await lanes(80_000);
    expect(opened.snapshot().ceiling).toBeGreaterThan(30);
  });

  test('a failed or cancelled request gives its place back', async () => {
    const error = new DroverError('UNAVAILABLE', 'gone');
    const { clock, send, opened } = limited(() => ({ error }), { concurrencyMax: 2, concurrencyStart: 2 });
    const all = Promise.allSettled(Array.from({ length: 9 }, () => send()));
    expect((await clock.run(all)).every((one) => one.status === 'rejected')).toBe(true);
    const stop = new AbortController();
    const held = [send({ signal: stop.signal }), send({ signal: stop.signal }), send({ signal: stop.signal })];
    await clock.advance(1);
    stop.abort();
    for (const one of await Promise.allSettled(held)) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'CANCELLED' } });
    }
    expect(opened.snapshot()).toMatchObject({ inFlight: 0, waiting: 0 });
  });
});

describe('pauses', () => {
  test('Retry-After holds back every request of the account, and it shows', async () => {
    let isBusy = true;
    const { clock, state, send, opened } = limited(() =>
      isBusy ? { status: 503, headers: { 'retry-after': '7' } } : {},
    );
    const first = await clock.run(send());
    expect(first.status).toBe(503);
    isBusy = false;
    const rest = [send(), send(UPLOAD), opened(SETTINGS).send(request())];
    await clock.advance(1000);
    expect(state.startsMs).toHaveLength(1);
    expect(opened.snapshot()).toMatchObject({ inFlight: 0, waiting: 3, throttledUntilMs: clock.now() + 6000 });
    await clock.run(Promise.all(rest));
    expect(state.startsMs.slice(1)).toEqual([7010, 7010, 7010]);
    expect(opened.snapshot().throttledUntilMs).toBeNull();
  });

  test('a pause can be cancelled', async () => {
    const { clock, send, opened } = limited(() => ({ status: 429, headers: { 'retry-after': '100' } }));
    await clock.run(send());
    const stop = new AbortController();
    const waiting = send({ signal: stop.signal });
    await clock.advance(10);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(opened.snapshot()).toMatchObject({ inFlight: 0, waiting: 0 });
  });

  const NOW_MS = Date.UTC(2026, 0, 1);
  const ROWS: [string | undefined, number | null][] = [
    [undefined, null],
    ['3', 3000],
    [' 0.5 ', 500],
    ['Thu, 01 Jan 2026 00:00:09 GMT', 9000],
    ['Thu, 01 Jan 2020 00:00:00 GMT', 0],
    ['soon', null],
    ['', null],
  ];
  for (const [value, want] of ROWS) {
    test(`retry-after: ${value}`, () => expect(retryAfterMs(value, NOW_MS)).toBe(want));
  }
});

test('counting by class of operation', async () => {
  const clock = new FakeClock();
  const counts: Record<string, number> = {};
  const open = countRequests(service(clock, () => ({})).open, counts);
  const [one, other] = [open(SETTINGS), open(SETTINGS)];
  const sent = [
    one.send(request({ operation: 'LIST' })),
    other.send(request({ operation: 'LIST' })),
    one.send(request()),
  ];
  expect(counts).toEqual({ LIST: 2, GET: 1 });
  await clock.run(Promise.all(sent));
});
