import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openOtlpReceiver, type OtlpReceiver } from '../../test/otlp-receiver.ts';
import { systemClock } from '../lib/system.ts';
import { traced, type Tracing } from '../lib/tracing.ts';
import type { Clock } from '../lib/world.ts';
import { headersOf, openTracing, type OpenedTracing } from './tracing.ts';
import { startStopwatch } from '../../test/stopwatch.ts';

let collector: OtlpReceiver;
beforeEach(async () => void (collector = await openOtlpReceiver()));
afterEach(() => collector[Symbol.asyncDispose]());

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const KEPT_BYTES_MAX = 8e6;

const SETTINGS = { otlpEndpoint: null, otlpTracesEndpoint: null, otlpHeaders: null };
const said: string[] = [];

/** Waits for the last spans as long as a test may last, however slow the machine is. */
const patient: Clock = { ...systemClock, sleep: (_delayMs, signal) => systemClock.sleep(2 ** 40, signal) };

async function open(
  settings: Partial<Record<keyof typeof SETTINGS, string>> = {},
  clock = patient,
): Promise<OpenedTracing> {
  said.length = 0;
  const log = (level: string, message: string): void => void said.push(`${level} ${message}`);
  const environment = { variables: {}, programVersion: '1.2.3' };
  const given = { ...SETTINGS, otlpEndpoint: collector.url, ...settings };
  const process = { role: 'server', instance: 'here/1' } as const;
  return (await openTracing(given, log, environment, process, clock)) as OpenedTracing;
}

const spanNames = (): string[] => collector.spans.map(({ name }) => name);

test('spans go out with what tells where they come from, each below the one that was going on', async () => {
  const tracing = await open({ otlpHeaders: 'authorization=Bearer%20planted-token, x-tenant=a' });
  await traced(tracing, 'outer', { attributes: { a: 1, b: undefined } }, async () => {
    await systemClock.sleep(1);
    await traced(tracing, 'inner', {}, async (span) => span.set({ c: 'x'.repeat(1_000) }));
  });
  const failing = traced(tracing, 'failing', {}, async () => Promise.reject(new Error('planted-text')));
  await expect(failing).rejects.toThrow('planted-text');
  await tracing[Symbol.asyncDispose]();
  expect(spanNames().toSorted()).toEqual(['failing', 'inner', 'outer']);
  const [inner, outer, failed] = ['inner', 'outer', 'failing'].map((name) =>
    collector.spans.find((span) => span.name === name),
  );
  expect(inner).toMatchObject({ traceId: outer?.traceId, parentSpanId: outer?.spanId });
  expect(String(inner?.attributes['c'])).toHaveLength(256);
  expect(outer).toMatchObject({ parentSpanId: null, attributes: { a: 1 } });
  expect(failed).toMatchObject({ status: 2, attributes: { 'error.type': 'INTERNAL' } });
  expect(outer?.resource).toMatchObject({
    'service.name': 'drover',
    'service.version': '1.2.3',
    'service.instance.id': 'here/1',
    'drover.role': 'server',
  });
  expect(collector.headers[0]).toMatchObject({ authorization: 'Bearer planted-token', 'x-tenant': 'a' });
  expect(collector.bodies.join()).not.toContain('planted');
  expect(said).toEqual([]);
});

test('all that waits goes out at the end, however much it is', async () => {
  const tracing = await open();
  for (let at = 0; at < 2_000; at++) tracing.begin('one').end();
  await tracing[Symbol.asyncDispose]();
  expect(collector.spans).toHaveLength(2_000);
});

test('a caller that traces is joined, unless it does not want this one recorded', async () => {
  const tracing = await open();
  const parent = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
  tracing.begin('wanted', { isRequest: true, parent: { ...parent, isSampled: true } }).end();
  tracing.begin('unwanted', { isRequest: true, parent: { ...parent, isSampled: false } }).end();
  await tracing[Symbol.asyncDispose]();
  expect(collector.spans).toMatchObject([
    { name: 'wanted', traceId: parent.traceId, parentSpanId: parent.spanId, kind: 2 },
  ]);
});

describe('a collector that', () => {
  async function costOf(tracing: Tracing, spans: number): Promise<number> {
    const began = process.cpuUsage();
    for (let at = 0; at < spans; at++) await traced(tracing, 'work', {}, async () => undefined);
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1_000;
  }

  test.each([
    ['is away', async () => collector[Symbol.asyncDispose]()],
    ['never answers', async () => void (collector.answer = 'never')],
    ['refuses', async () => void (collector.answer = 503)],
  ])('%s slows nothing, fails nothing, fills no memory, and holds up no end', async (_words, spoil) => {
    const tracing = await open({}, systemClock);
    await spoil();
    await costOf(tracing, 100);
    collect();
    const before = process.memoryUsage().heapUsed;
    const costMs = await costOf(tracing, 20_000);
    // Some fifty microseconds each, on a machine that may be busy.
    expect(costMs).toBeLessThan(15_000);
    collect();
    // All of them would be more than twice that.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(KEPT_BYTES_MAX);
    const stopping = startStopwatch();
    await tracing[Symbol.asyncDispose]();
    expect(stopping.elapsedMs()).toBeLessThan(3_500);
    expect(said.filter((line) => line.includes('Traces cannot be sent')).length).toBeLessThanOrEqual(1);
  });

  test('comes back gets what is made from then on', async () => {
    const tracing = await open();
    collector.answer = 400;
    for (let at = 0; at < 512; at++) tracing.begin('early').end();
    while (collector.bodies.length === 0) await systemClock.sleep(10);
    collector.answer = 200;
    tracing.begin('late').end();
    await tracing[Symbol.asyncDispose]();
    expect(spanNames()).toEqual(['late']);
    expect(said).toHaveLength(1);
  });
});

describe('the libraries', () => {
  const log = (): void => undefined;
  const environment = { variables: {}, programVersion: '1' };
  const process = { role: 'worker', instance: 'x' } as const;

  test('are not read in where nobody asked for traces, or all are switched off', async () => {
    expect(await openTracing(SETTINGS, log, environment, process)).toBeNull();
    const off = { ...environment, variables: { OTEL_SDK_DISABLED: 'true' } };
    expect(await openTracing({ ...SETTINGS, otlpEndpoint: collector.url }, log, off, process)).toBeNull();
  });

  test('are imported by one file, and that one only when it is needed', () => {
    const text = readFileSync(new URL('tracing.ts', import.meta.url), 'utf8');
    expect(text).not.toMatch(/^import .*(?:opentelemetry|telemetry\.ts)/m);
    expect(text).toContain("await import('./telemetry.ts')");
  });

  test('are told the address to the last word where it is given so', async () => {
    const tracing = await open({
      otlpEndpoint: 'http://127.0.0.1:1',
      otlpTracesEndpoint: `${collector.url}/v1/traces`,
    });
    tracing.begin('one').end();
    await tracing[Symbol.asyncDispose]();
    expect(spanNames()).toEqual(['one']);
  });
});

test('headers are read as the standard writes them', () => {
  expect(headersOf(null)).toEqual({});
  expect(headersOf(' a=b%20c , d = e=f ,=x, nothing')).toEqual({ a: 'b c', d: 'e=f' });
  expect(headersOf('a=100%')).toEqual({ a: '100%' });
});
