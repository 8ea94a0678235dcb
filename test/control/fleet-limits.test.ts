/** What a run of the server says of its speed, and what can be done about it: each reason once, on a simulated store. */
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { RunLive } from '../../src/control/entities.ts';
import { limitText } from '../../src/control/fleet/limit-text.ts';
import { Side } from '../../src/control/fleet/ends.ts';
import { DEFAULT_LIMITS, type LimitSnapshot } from '../../src/lib/limiting.ts';
import { openCloud } from './cloud-world.ts';
import { countRenewals, openFleetTest, PATIENT } from './fleet-world.ts';
import { PERSON } from './made.ts';
import { startStopwatch } from '../stopwatch.ts';

type Cloud = Awaited<ReturnType<typeof openCloud>>;

/** Requests of these kinds take so long. */
function slow(cloud: Cloud, delayMs: number, ...operations: string[]): void {
  cloud.faults(({ request }) =>
    operations.includes(request.operation)
      ? { kind: 'meanwhile', run: () => new Promise((resolve) => setTimeout(resolve, delayMs)) }
      : null,
  );
}

/** So much that it lasts until what holds it back was seen, also where looking takes long. */
function plenty(cloud: Cloud): void {
  for (let at = 200; at < 2_500; at++) cloud.service.put('photos', `k/${String(at).padStart(4, '0')}`, 'small');
}

const setLimits = (cloud: Cloud, id: string, limits: object): Promise<unknown> =>
  sql`UPDATE connectors SET limits = ${JSON.stringify({ requestsPerSecond: null, transfersMax: null, ...limits })}::jsonb
    WHERE id = ${id}::uuid`.execute(cloud.world.db);

/** Of a real worker; those of these tests beat five times as often. */
const HEARTBEAT_MS = 3_000;

const GET = ['GET'];

test.each<[string, RunLive['limitedBy']['kind'], RegExp, 'source' | 'target' | null, (cloud: Cloud) => unknown]>([
  [
    'requests per second of a connector',
    'limit',
    /source connector ".*" may make 4 requests per second.*limits\.requestsPerSecond/,
    'source',
    (cloud) => setLimits(cloud, cloud.ids.source, { requestsPerSecond: 4 }),
  ],
  [
    'transfers of a connector',
    'limit',
    /target connector ".*" may have 2 transfers at a time.*limits\.transfersMax/,
    'target',
    (cloud) => (slow(cloud, 200, ...GET), setLimits(cloud, cloud.ids.target, { transfersMax: 2 })),
  ],
  [
    'transfers of the job',
    'limit',
    /This job may have 3 transfers at a time.*tuning\.transfersMax/,
    null,
    (cloud) => (slow(cloud, 200, ...GET), sql`UPDATE jobs SET transfers_max = 3`.execute(cloud.world.db)),
  ],
  [
    'a service that asks for fewer',
    'target',
    /The target ".*" asks for fewer requests/,
    'target',
    // Not the first ones: those find out what the store honours.
    (cloud) =>
      cloud.after(
        'PUT',
        40,
        () => undefined,
        ({ request }) =>
          request.operation === 'PUT' ? { kind: 'status', status: 503, code: 'SlowDown', retryAfterSeconds: 1 } : null,
      ),
  ],
  [
    'answers that small objects wait for',
    'latency',
    /requests wait for the stores' answers/,
    null,
    (cloud) => (plenty(cloud), slow(cloud, 1_500, ...GET)),
  ],
  [
    'what the network carries',
    'link',
    /The network carries .*B\/s/,
    null,
    (cloud) => {
      for (let at = 0; at < 200; at++)
        cloud.service.put('photos', `k/${String(at).padStart(4, '0')}`, 'x'.repeat(400_000));
      slow(cloud, 3_000, ...GET);
    },
  ],
])('%s', async (_what, kind, text, side, arrange) => {
  const cloud = await openCloud();
  await arrange(cloud);
  const { id } = await cloud.start();
  const seen: RunLive['limitedBy'][] = [];
  const end = Date.now() + 90_000;
  while (!seen.some((one) => one.kind === kind && text.test(one.text))) {
    const { live, endedAt } = await cloud.runs.get(PERSON, id);
    if (live !== null) seen.push(live.limitedBy);
    if (endedAt !== null || Date.now() > end)
      throw new Error(JSON.stringify([...new Set(seen.map((one) => one.text))]));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const found = seen.find((one) => one.kind === kind && text.test(one.text));
  expect(found?.connectorId).toBe(side === null ? null : cloud.ids[side]);
  cloud.faults(() => null);
  await cloud.runs.cancel(PERSON, id);
  await cloud.until(id, 'cancelled');
});

test('a processor that is busy all the time', async () => {
  const cloud = await openCloud({}, { load: () => 0.97 });
  plenty(cloud);
  slow(cloud, 300, ...GET);
  const { id } = await cloud.start();
  const end = Date.now() + 90_000;
  for (;;) {
    const { live } = await cloud.runs.get(PERSON, id);
    if (live?.limitedBy.kind === 'cpu') break;
    if (Date.now() > end) throw new Error('It was never said.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  cloud.faults(() => null);
  await cloud.until(id, 'succeeded');
});

test('requests that wait count for a service only as long as it is why they wait', () => {
  const side = new Side('target', 'c');
  let snapshot: LimitSnapshot = {
    inFlight: 30,
    waiting: 12,
    ceiling: DEFAULT_LIMITS.concurrencyStart,
    throttledUntilMs: null,
    throttles: 0,
    waitingForRate: 0,
  };
  side.limits = () => snapshot;
  expect(side.heldBack(0)).toBe(0);
  snapshot = { ...snapshot, throttles: 1 };
  side.throttledAtMs = 0;
  expect(side.heldBack(30_000)).toBe(12);
  expect(side.heldBack(61_000)).toBe(0);
  // It still bears fewer than everybody begins with.
  snapshot = { ...snapshot, ceiling: 5 };
  expect(side.heldBack(600_000)).toBe(12);
  side.limits = null;
  expect(side.heldBack(0)).toBe(0);
});

test('every reason but none says what to do', () => {
  const kinds: RunLive['limitedBy']['kind'][] = [
    'source',
    'target',
    'bandwidth',
    'limit',
    'cpu',
    'listing',
    'link',
    'latency',
  ];
  const facts = { limit: null, source: 'S', target: 'T', bytesPerSecond: 112_345_678, itemsPerSecond: 40.4 };
  for (const kind of kinds) {
    expect(limitText({ ...facts, kind })).toMatch(/to go faster|goes faster|Raise|Nothing needs to be done/);
  }
  expect(limitText({ ...facts, kind: 'link' })).toContain('112 MB/s');
  expect(limitText({ ...facts, kind: 'none' })).toContain('Nothing in particular');
});

describe('limits that change while a run goes on', () => {
  test('of requests: it goes on as fast as it may now, within a heartbeat', async () => {
    const cloud = await openCloud();
    await setLimits(cloud, cloud.ids.source, { requestsPerSecond: 4 });
    const watch = startStopwatch();
    let atMs: number[] = [];
    cloud.watch(({ operation }) => void (operation === 'GET' && atMs.push(watch.elapsedMs())));
    const { id } = await cloud.start();
    await expect.poll(() => atMs.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(12);
    await setLimits(cloud, cloud.ids.source, {});
    const changedAtMs = watch.elapsedMs();
    atMs = [];
    await cloud.until(id, 'succeeded');
    // At 4 a second the rest would have taken far longer.
    const late = atMs.filter((at) => at > changedAtMs + HEARTBEAT_MS);
    expect(atMs.length).toBeGreaterThan(100);
    expect((atMs.at(-1) ?? 0) - changedAtMs).toBeLessThan(20_000);
    expect(late.length === 0 || (late.at(-1) ?? 0) - (late[0] ?? 0) < 15_000).toBe(true);
  });

  test.each(['connector', 'job'])('of transfers of the %s: fewer are under way within a heartbeat', async (whose) => {
    await using fleet = await openFleetTest();
    const job = await fleet.job({ objects: 2_000 });
    let [now, seen, most] = [0, 0, 0];
    let isTold = false;
    job.from.hooks.before = async (operation) => {
      if (operation !== 'GET') return;
      now += 1;
      if (isTold) [seen, most] = [seen + 1, Math.max(most, now)];
      await new Promise((resolve) => setTimeout(resolve, 300));
      now -= 1;
    };
    const renewals = countRenewals(fleet);
    await fleet.worker('one', {}, { db: renewals.db });
    const { id } = await fleet.start(job);
    await fleet.untilTrue('many are under way', async () => now > 10);
    if (whose === 'job') await sql`UPDATE jobs SET transfers_max = 2 WHERE id = ${job.jobId}`.execute(fleet.world.db);
    else {
      await sql`UPDATE connectors SET limits = '{"requestsPerSecond": null, "transfersMax": 2}'::jsonb
        WHERE id = ${job.target.connectorId}`.execute(fleet.world.db);
    }
    const { rows } = await sql<{ at: Date }>`SELECT clock_timestamp() AS at`.execute(fleet.world.db);
    const before = renewals.count();
    await fleet.untilTrue('it has looked at its limits since, and said so', async () => {
      const told = await sql`SELECT FROM run_workers WHERE run_id = ${id} AND shares_at > ${rows[0]!.at}`.execute(
        fleet.world.db,
      );
      return told.rows.length > 0;
    });
    expect(renewals.count() - before).toBeLessThanOrEqual(HEARTBEAT_MS / PATIENT.renewEveryMs!);
    isTold = true;
    await fleet.untilTrue('more was seen', async () => seen >= 12);
    expect(most).toBeLessThanOrEqual(2);
    await fleet.runs.cancel(PERSON, id);
    await fleet.until(id, 'cancelled');
  });
});
