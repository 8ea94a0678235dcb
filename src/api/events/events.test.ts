/** The live stream: what comes, how often, after what was missed, and until when. */
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeClock } from '../../lib/fake-world.ts';
import type { Actor } from '../../control/entities.ts';
import { DroverError } from '../../model/errors.ts';
import { serverEvents, type ReceivedEvent } from '../client/streams.ts';
import { openFakeServer, type FakeCall, type FakeServer } from '../testing/fakes.ts';
import { SAMPLE_RUN_ID as RUN, SAMPLE_UUID } from '../testing/sample.ts';
import { STREAMS_PER_CALLER_MAX } from './seats.ts';
import { isTopic, topicsOf } from './topics.ts';

const OTHER_RUN = '01hzotherrun00';

let clock: FakeClock;
let server: FakeServer;
let sequence: number;
const open: AbortController[] = [];

beforeEach(async () => {
  clock = new FakeClock();
  server = await openFakeServer({ clock });
  sequence = 0;
  server.answer = ({ args }) =>
    Promise.resolve({ id: args[1], sequence: ++sequence, asOf: '2026-01-01T00:00:00.000Z' });
});
afterEach(async () => {
  for (const stopper of open.splice(0)) stopper.abort();
  await Promise.all([server[Symbol.asyncDispose](), clock.advance(20_000)]);
});

interface Stream {
  readonly lastId: () => string | null;
  next(): Promise<ReceivedEvent['event'] | 'end'>;
  stop(): void;
}

async function follow(topics: string, options: { lastEventId?: string; cookie?: string } = {}): Promise<Stream> {
  const stopper = new AbortController();
  open.push(stopper);
  const { lastEventId, cookie } = options;
  const headers: Record<string, string> = {
    ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    ...(cookie === undefined ? { authorization: 'Bearer drv_admin' } : { cookie }),
  };
  const response = await server.fetch(`/api/v1/events?topics=${topics}`, { headers, signal: stopper.signal });
  expect(response.status, await (response.ok ? '' : response.text())).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const events = serverEvents(response.body as unknown as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  let lastId: string | null = null;
  return {
    lastId: () => lastId,
    async next() {
      const step = await events.next();
      if (step.done === true) return 'end';
      lastId = step.value.id;
      return step.value.event;
    },
    stop: () => stopper.abort(),
  };
}

const lookedUp = (): number => server.calls.filter(({ method }: FakeCall) => method === 'runs.get').length;

describe('a stream', () => {
  test('tells what changes, as it is then', async () => {
    const stream = await follow('runs,connectors');
    server.bus.say('run', RUN);
    expect(await stream.next()).toEqual({
      type: 'changed',
      kind: 'run',
      id: RUN,
      sequence: 1,
      asOf: '2026-01-01T00:00:00.000Z',
      entity: { id: RUN, sequence: 1, asOf: '2026-01-01T00:00:00.000Z' },
    });
    await clock.advance(250);
    server.bus.say('connector', SAMPLE_UUID);
    expect(await stream.next()).toMatchObject({ kind: 'connector', id: SAMPLE_UUID });
  });

  test('tells only what it follows', async () => {
    const stream = await follow(`run:${RUN}`);
    server.bus.say('run', OTHER_RUN);
    server.bus.say('job', SAMPLE_UUID);
    server.bus.say('run', RUN);
    expect(await stream.next()).toMatchObject({ id: RUN });
    expect(lookedUp()).toBe(1);
  });

  test('tells what is gone', async () => {
    server.answer = () => Promise.reject(new DroverError('ENTITY_NOT_FOUND', 'Gone.'));
    const stream = await follow('projects');
    server.bus.say('project', SAMPLE_UUID);
    expect(await stream.next()).toMatchObject({ type: 'removed', kind: 'project', id: SAMPLE_UUID });
  });

  test('shows everybody no more than a viewer may see', async () => {
    const stream = await follow('subscriptions,workers,runs');
    for (const topic of ['subscription', 'worker', 'run'] as const) {
      server.bus.say(topic, topic === 'run' ? RUN : SAMPLE_UUID);
      await stream.next();
      await clock.advance(250);
    }
    const askers = server.calls
      .filter(({ method }) => ['notifications.get', 'fleet.list', 'runs.get'].includes(method))
      .map(({ method, args }) => [method, (args[0] as Actor).kind, (args[0] as Actor).role]);
    expect(askers).toEqual([
      ['notifications.get', 'person', 'viewer'],
      ['fleet.list', 'person', 'viewer'],
      ['runs.get', 'person', 'viewer'],
    ]);
  });

  test('says that a log grew, without its lines', async () => {
    const stream = await follow(`run-log:${RUN}`);
    server.bus.say('run-log', RUN);
    expect(await stream.next()).toMatchObject({ type: 'log', id: RUN });
    expect(server.calls).toEqual([]);
  });

  test('tells the map of a run: all of it first, then what differs; and all of it again to whoever comes back', async () => {
    const none = { to: null, share: 0.5, isExact: true, items: 1, failed: 0, unsupported: 0 };
    let states = ['listing', 'waiting'];
    server.answer = ({ method, args }) => {
      const cells = states.map((state, at) => ({ from: String(at), state, ...none }));
      const map = { runId: args[1], sequence: ++sequence, asOf: '2026-01-01T00:00:00.000Z', cells };
      return Promise.resolve(method === 'runs.map' ? map : { id: args[1], sequence: ++sequence });
    };
    const stream = await follow(`run-map:${RUN}`);
    expect(await stream.next()).toMatchObject({
      type: 'map',
      id: RUN,
      base: null,
      count: 2,
      cells: [{ index: 0 }, {}],
    });
    expect(server.calls.map(({ method, args }) => [method, args[2]])).toEqual([['runs.map', 240]]);
    await clock.advance(250);
    server.bus.say('run', RUN);
    await clock.advance(250);
    states = ['done', 'waiting', 'waiting'];
    server.bus.say('run', RUN);
    expect(await stream.next()).toMatchObject({
      base: 1,
      sequence: 3,
      count: 3,
      cells: [
        { index: 0, state: 'done' },
        { index: 2, state: 'waiting' },
      ],
    });
    const lastEventId = stream.lastId() as string;
    stream.stop();
    await clock.advance(250);
    const again = await follow(`run-map:${RUN}`, { lastEventId });
    expect(await again.next()).toMatchObject({ type: 'map', base: null, count: 3, cells: [{}, {}, {}] });
    expect(lookedUp()).toBe(0);
  });

  test('looks up a run at most four times a second, however often it changes and however many follow it', async () => {
    const streams = await Promise.all([follow('runs'), follow(`run:${RUN}`), follow(`runs,run:${RUN}`)]);
    server.bus.say('run', RUN);
    for (const stream of streams) expect(await stream.next()).toMatchObject({ sequence: 1 });
    for (let step = 0; step < 100; step++) {
      server.bus.say('run', RUN);
      await clock.advance(10);
    }
    expect(lookedUp()).toBeGreaterThanOrEqual(4);
    expect(lookedUp()).toBeLessThanOrEqual(6);
    await clock.advance(500);
    const last = lookedUp();
    for (const stream of streams) {
      let event = await stream.next();
      while (event !== 'end' && 'sequence' in event && event.sequence < last) event = await stream.next();
      expect(event).toMatchObject({ sequence: last });
    }
  });

  test('of many changes at once says only that there were', async () => {
    const stream = await follow('jobs');
    // The first look is under way while the others come.
    for (let i = 0; i < 500; i++) server.bus.say('job', SAMPLE_UUID.replace(/\d{3}$/, String(100 + i)));
    expect(await stream.next()).toMatchObject({ type: 'changed' });
    await clock.advance(250);
    expect(await stream.next()).toMatchObject({ type: 'reset' });
  });
});

describe('whoever comes back', () => {
  test('hears first what was missed, as it is now', async () => {
    const first = await follow('runs');
    server.bus.say('run', RUN);
    await first.next();
    const lastEventId = first.lastId() as string;
    first.stop();
    await clock.advance(250);
    for (let i = 0; i < 3; i++) server.bus.say('run', OTHER_RUN);
    const again = await follow('runs', { lastEventId });
    expect(await again.next()).toMatchObject({ id: OTHER_RUN });
    await clock.advance(250);
    server.bus.say('run', RUN);
    expect(await again.next()).toMatchObject({ id: RUN });
  });

  test.each(['another-process.3', 'nonsense', ''])('with the id %j reads everything again', async (lastEventId) => {
    const stream = await follow('runs', { lastEventId });
    expect(await stream.next()).toMatchObject({ type: 'reset' });
  });

  test('after too much was missed reads everything again', async () => {
    const first = await follow('runs');
    server.bus.say('run', RUN);
    await first.next();
    const lastEventId = first.lastId() as string;
    first.stop();
    for (let i = 0; i < 1_200; i++) server.bus.say('job', SAMPLE_UUID);
    const again = await follow('runs', { lastEventId });
    expect(await again.next()).toMatchObject({ type: 'reset' });
  });
});

describe('when messages of the bus were lost', () => {
  test('whoever follows reads everything again', async () => {
    const stream = await follow('runs');
    server.bus.lose();
    expect(await stream.next()).toMatchObject({ type: 'reset' });
    server.bus.say('run', RUN);
    expect(await stream.next()).toMatchObject({ type: 'changed', id: RUN });
  });

  test('so does whoever comes back from before', async () => {
    const first = await follow('runs');
    server.bus.say('run', RUN);
    await first.next();
    const lastEventId = first.lastId() as string;
    first.stop();
    server.bus.lose();
    const again = await follow('runs', { lastEventId });
    expect(await again.next()).toMatchObject({ type: 'reset' });
  });

  test('a session that ended meanwhile is noticed', async () => {
    const stream = await follow('runs', { cookie: 'drover_session=session-viewer' });
    server.sessions.ended = true;
    server.bus.lose();
    let event = await stream.next();
    while (event !== 'end') event = await stream.next();
  });
});

describe('a stream ends', () => {
  const cookie = 'drover_session=session-viewer';

  test('as soon as its session does', async () => {
    const stream = await follow('runs', { cookie });
    server.sessions.ended = true;
    server.bus.say('person', SAMPLE_UUID);
    expect(await stream.next()).toBe('end');
  });

  test('when its person has another role', async () => {
    const stream = await follow('runs', { cookie });
    server.sessions.role = 'operator';
    server.bus.say('person', SAMPLE_UUID);
    expect(await stream.next()).toBe('end');
  });

  test('not when somebody else signs out', async () => {
    const stream = await follow('runs', { cookie });
    server.bus.say('person', SAMPLE_UUID);
    server.bus.say('run', RUN);
    expect(await stream.next()).toMatchObject({ id: RUN });
  });

  test('when the session ran out, at the next heartbeat', async () => {
    const stream = await follow('runs', { cookie });
    server.sessions.ended = true;
    await clock.advance(15_000);
    expect(await stream.next()).toBe('end');
  });

  test('when the server closes', async () => {
    const stream = await follow('runs');
    await Promise.all([server.api.close(), clock.advance(11_000)]);
    expect(await stream.next().catch(() => 'end')).toBe('end');
  });
});

test('a reader that reads nothing keeps nobody else up', async () => {
  const big = 'x'.repeat(200_000);
  server.answer = ({ args }) => Promise.resolve({ id: args[1], sequence: ++sequence, big });
  const { port } = new URL(server.url);
  const stuck = connect(Number(port), '127.0.0.1');
  stuck.pause();
  stuck.write('GET /api/v1/events?topics=runs HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer drv_viewer\r\n\r\n');
  const stream = await follow('runs');
  for (let step = 1; step <= 100; step++) {
    server.bus.say('run', RUN);
    const event = await stream.next();
    expect(event).toMatchObject({ sequence: step });
    await clock.advance(250);
  }
  stuck.destroy();
});

test('one caller may hold so many streams and no more; an end makes room', async () => {
  const streams: Stream[] = [];
  for (let i = 0; i < STREAMS_PER_CALLER_MAX; i++) streams.push(await follow('runs'));
  const refused = await server.fetch('/api/v1/events?topics=runs', { as: 'admin' });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '30']);
  streams[0]?.stop();
  await expect.poll(async () => (await tryFollow()).status).toBe(200);

  async function tryFollow(): Promise<Response> {
    const stopper = new AbortController();
    open.push(stopper);
    return server.fetch('/api/v1/events?topics=runs', { as: 'admin', signal: stopper.signal });
  }
});

test.each([
  ['runs', true],
  [`run:${RUN}`, true],
  [`run-map:${RUN}`, true],
  ['run-map', false],
  ['run', false],
  ['runs:x', false],
  ['run:../x', false],
  ['secrets', false],
  ['toString', false],
])('topic %s: %s', (topic, isOne) => {
  expect(isTopic(topic)).toBe(isOne);
});

test('a run is heard of in the list and by itself', () => {
  expect(topicsOf('run', RUN)).toEqual(['runs', `run:${RUN}`]);
});

test.each([
  ['', 400],
  ['nonsense', 400],
  ['people', 403],
])('topics=%s: %s', async (topics, status) => {
  expect((await server.fetch(`/api/v1/events?topics=${topics}`, { as: 'viewer' })).status).toBe(status);
});
