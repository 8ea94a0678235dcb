/** Traces of a whole day at a server: API, tests, pre-flight, a run over two workers, a report. And no secret in them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openClient, take, type Client } from '../../src/api/client/client.ts';
import { API_BASE } from '../../src/api/routes/all.ts';
import { openApi, type Api } from '../../src/api/server.ts';
import { connectorOpener } from '../../src/control/connectors/open.ts';
import { placeOfRun } from '../../src/control/fleet/lease-traces.ts';
import { startWorker } from '../../src/control/fleet/worker.ts';
import { openReplays } from '../../src/control/replays.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { systemClock } from '../../src/lib/system.ts';
import { openServices, type AllServices } from '../../src/main/services.ts';
import { openTracing, type OpenedTracing } from '../../src/main/tracing.ts';
import { memoryStore } from '../../src/providers/memory/provider.ts';
import { PATIENT } from '../control/fleet-world.ts';
import { openOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from '../otlp-receiver.ts';

const PASSWORD = 'planted-password-of-ana';
const SECRET = 'planted-connector-secret';
const CALLER = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const TRACEPARENT = `00-${CALLER.traceId}-${CALLER.spanId}-01`;
const OBJECTS = 80;

let collector: OtlpReceiver;
let world: TestWorld;
let services: AllServices;
let api: Api;
let url: string;
let token: string;
let runId: string;
let jobId: string;
const secrets: string[] = [PASSWORD, SECRET];
const traces: OpenedTracing[] = [];
const stopper = new AbortController();

async function trace(role: 'server' | 'worker', instance: string): Promise<OpenedTracing> {
  const settings = { otlpEndpoint: collector.url, otlpTracesEndpoint: null, otlpHeaders: null };
  const environment = { variables: {}, programVersion: '1' };
  const opened = (await openTracing(settings, () => undefined, environment, { role, instance })) as OpenedTracing;
  traces.push(opened);
  return opened;
}

beforeAll(async () => {
  collector = await openOtlpReceiver();
  world = await openTestWorld({ tracing: await trace('server', 'one') });
  services = openServices(world, stopper.signal);
  const more = {
    replays: openReplays(world),
    ready: async () => ({ ready: true, parts: [] }),
    metrics: async () => '',
  };
  api = await openApi({ ...world, services, ...more, staticFolder: null });
  ({ url } = await api.listen('127.0.0.1', 0));
  await use();
  await api.close();
  for (const one of traces) await one[Symbol.asyncDispose]();
});
afterAll(async () => {
  stopper.abort();
  await world.close();
  await collector[Symbol.asyncDispose]();
});

async function use(): Promise<void> {
  const link = await services.signIn.makeSetupToken();
  const headers = { 'content-type': 'application/json', origin: url };
  const body = JSON.stringify({ token: link, email: 'ana@acme.example', password: PASSWORD });
  const entered = await fetch(`${url}${API_BASE}/setup`, { method: 'POST', body, headers });
  const cookie = /drover_session=([^;]+)/.exec(entered.headers.getSetCookie().join())?.[1] as string;
  const { items } = await services.people.list(world.as('admin'), {});
  const ana = { ...world.as('admin'), personId: items[0]?.id ?? null };
  ({ secret: token } = await services.tokens.create(ana, { name: 'ci', role: 'admin', expiresAt: null }));
  secrets.push(link, cookie, token);
  const send = (path: string, more: Record<string, string> = {}): Promise<Response> =>
    fetch(url + API_BASE + path, { headers: { authorization: `Bearer ${token}`, ...more } });
  await send('/connectors?search=planted-query', { traceparent: TRACEPARENT, tracestate: 'planted=state' });
  await send('/connectors/00000000-0000-7000-8000-0000000000ff', { traceparent: 'planted-nonsense' });
  await fetch(`${url}${API_BASE}/connectors?search=planted-query`, {
    headers: { cookie: 'drover_session=planted-cookie' },
  });
  await fetch(`${url}/healthz`);
  await run(openClient({ url, token, fetch: (request) => fetch(request) }));
}

/** A job from a connector to itself, done by two workers, and its report. */
async function run({ http }: Client): Promise<void> {
  const store = memoryStore('traces-test');
  for (const name of ['from', 'to']) store.ensure(name);
  for (let at = 0; at < OBJECTS; at++) store.put('from', `planted-name-${at}`, 'content');
  const params = (key: string) => ({ header: { 'Idempotency-Key': key } });
  const config = { store: 'traces-test', passphrase: SECRET };
  const { id: connectorId } = await take(
    http.POST('/api/v1/connectors', {
      params: params('c'),
      body: { provider: 'memory', name: 'planted-name', config },
    }),
  );
  const endpoint = (kind: 'source' | 'target', container: string) =>
    take(http.POST('/api/v1/endpoints', { body: { kind, connectorId, place: { container, prefix: '' } } }));
  const [source, target] = [await endpoint('source', 'from'), await endpoint('target', 'to')];
  const project = await take(http.POST('/api/v1/projects', { body: { name: 'Photos' } }));
  const body = { name: 'All', sourceEndpointId: source.id, targetEndpointId: target.id };
  const job = await take(http.POST('/api/v1/projects/{id}/jobs', { params: { path: { id: project.id } }, body }));
  jobId = job.id;
  for await (const _line of services.connectors.test(world.as('admin'), connectorId, null, 'both', stopper.signal));
  const workers = [];
  for (const name of ['w1', 'w2']) {
    const tracing = await trace('worker', name);
    const own = { ...world, tracing };
    const parts = { openConnector: connectorOpener(own), reportHealth: services.connectors.reportHealth };
    const options = { ...parts, append: services.logs.append, name, host: 'here', pid: 1, timing: PATIENT };
    workers.push(await startWorker(own, options as never));
  }
  const started = await services.runs.start(
    world.as('admin'),
    job.id,
    { kind: 'transfer', trigger: 'person' },
    stopper.signal,
  );
  runId = started.id;
  const end = systemClock.monotonic() + 120_000;
  while ((await services.runs.get(world.as('admin'), runId)).endedAt === null) {
    if (systemClock.monotonic() > end) throw new Error(world.logged.join('\n'));
    await systemClock.sleep(50);
  }
  for (const worker of workers) await worker.drain();
  await services.reports.request(world.as('admin'), runId, 'report-json', { spotCheck: 1 });
  await services.reports.tick(stopper.signal);
}

const named = (name: string): readonly ReceivedSpan[] => collector.spans.filter((span) => span.name === name);

describe('traces', () => {
  test('show requests by their pattern, with what came of them, below whoever asked', () => {
    const lists = named('GET /api/v1/connectors');
    expect(lists.map(({ attributes }) => attributes['http.response.status_code']).toSorted()).toEqual([200, 401]);
    expect(lists.find(({ attributes }) => attributes['http.response.status_code'] === 200)).toMatchObject({
      traceId: CALLER.traceId,
      parentSpanId: CALLER.spanId,
      kind: 2,
      attributes: { 'http.request.method': 'GET', 'http.route': '/api/v1/connectors' },
      resource: { 'drover.role': 'server' },
    });
    expect(named('GET /api/v1/connectors/{id}')).toMatchObject([
      { parentSpanId: null, status: 0, attributes: { 'http.response.status_code': 404 } },
    ]);
    expect(named('POST /api/v1/setup')).toHaveLength(1);
    expect(collector.spans.filter(({ name }) => name.includes('health'))).toEqual([]);
  });

  test('show tests of connectors, pre-flights and reports', () => {
    expect(named('connector test')).toMatchObject([{ status: 0, attributes: { 'drover.use': 'both' } }]);
    expect(named('pre-flight')).toMatchObject([{ attributes: { 'drover.job.id': jobId, 'drover.outcome': 'ok' } }]);
    expect(named('report')).toMatchObject([
      { attributes: { 'drover.run.id': runId, 'drover.report.kind': 'report-json' } },
    ]);
  });

  test('show a run as one trace over all its workers: each claim of a segment below the run', () => {
    const place = placeOfRun(runId);
    const [whole, ...others] = named('run');
    expect(others).toEqual([]);
    expect(whole).toMatchObject({
      traceId: place.traceId,
      spanId: place.spanId,
      parentSpanId: null,
      attributes: {
        'drover.run.id': runId,
        'drover.job.id': jobId,
        'drover.items.copied': OBJECTS,
        'drover.outcome': 'succeeded',
      },
    });
    const claims = named('segment');
    expect(claims.length).toBeGreaterThan(1);
    for (const claim of claims) {
      expect(claim).toMatchObject({ traceId: place.traceId, parentSpanId: place.spanId });
      expect(claim.attributes).toMatchObject({ 'drover.run.id': runId, 'drover.job.id': jobId });
      expect(claim.resource['drover.role']).toBe('worker');
      expect(claim.startMs).toBeLessThanOrEqual(whole?.endMs ?? 0);
    }
    const copied = claims.reduce((sum, { attributes }) => sum + Number(attributes['drover.items.copied']), 0);
    expect(copied).toBe(OBJECTS);
    expect(claims.filter(({ attributes }) => attributes['drover.segment.kind'] === 'settle')).toMatchObject([
      { attributes: { 'drover.outcome': 'done' } },
    ]);
  });

  test('hold no secret, no query, no cookie and no name of an object or connector', () => {
    const sent = collector.bodies.join('\n');
    expect(sent).not.toContain('planted');
    for (const secret of secrets) expect(sent).not.toContain(secret);
    expect(sent).not.toContain('ana@acme.example');
  });
});
