/** Limits of connectors and jobs, over several workers of a real database. */
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { Shares } from '../../src/control/fleet/shares.ts';
import { fullAmong } from '../../src/control/fleet/transfers.ts';
import { newId } from '../../src/control/ids.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { systemClock } from '../../src/lib/system.ts';
import { expectComplete, openFleetTest } from './fleet-world.ts';
import { makeConnector, makeJob, makeRunRow, rowOpener, type MadeJob } from './made.ts';

let world: TestWorld;
let connectorId: string;
let job: MadeJob;
beforeEach(async () => {
  world = await openTestWorld();
  const limits = { requestsPerSecond: 20, transfersMax: 12 };
  connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f', limits });
  job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
  await makeRunRow(world, job, 'run-1');
});
afterEach(() => world.close());

interface Made {
  readonly shares: Shares;
  join(): Promise<void>;
  tell(): Promise<void>;
  transfers(): number | null;
}

/** Heard of also where the machine stands still for a while before somebody looks. */
const SEEN_AT = sql`clock_timestamp() + interval '30 seconds'`;

function worker(runId = 'run-1'): Made {
  const id = newId(world);
  const parts = { openConnector: rowOpener(world), reportHealth: async () => undefined, append: async () => undefined };
  const shares = new Shares(fleetWorld(world, parts), id);
  return {
    shares,
    async join() {
      await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at)
        VALUES (${runId}, ${id}::uuid, clock_timestamp(), ${SEEN_AT})`.execute(world.db);
      await shares.join(runId, [connectorId]);
    },
    async tell() {
      await shares.refresh();
      await sql`UPDATE run_workers SET seen_at = ${SEEN_AT}, shares_at = ${shares.lookedAt}::timestamptz
        WHERE worker_id = ${id}::uuid`.execute(world.db);
    },
    transfers: () => shares.transfersMax(runId, [connectorId]),
  };
}

const setLimits = (limits: object): Promise<unknown> =>
  sql`UPDATE connectors SET limits = ${JSON.stringify({ requestsPerSecond: null, transfersMax: null, ...limits })}::jsonb`.execute(
    world.db,
  );

test('who joins makes do with the least until the others have counted it; then each has its part', async () => {
  const [a, b, c] = [worker(), worker(), worker()];
  await a.join();
  expect(a.shares.isWaiting).toBe(false);
  expect(a.transfers()).toBe(12);
  await a.tell();
  await b.join();
  expect([a.transfers(), b.transfers(), b.shares.isWaiting]).toEqual([12, 1, true]);
  await a.tell();
  expect([a.transfers(), b.transfers()]).toEqual([6, 1]);
  await b.tell();
  expect([a.transfers(), b.transfers(), b.shares.isWaiting]).toEqual([6, 6, false]);
  await setLimits({ transfersMax: 10 });
  await c.join();
  for (const one of [a, b, c, a, b, c]) await one.tell();
  expect([a, b, c].map((one) => one.transfers())).toEqual([4, 3, 3]);
  await sql`UPDATE jobs SET transfers_max = 7`.execute(world.db);
  for (const one of [a, b, c]) await one.tell();
  expect([a, b, c].map((one) => one.transfers())).toEqual([3, 2, 2]);
});

test('two runs of one worker share what it has of a connector, and a run that is full takes nobody in', async () => {
  await setLimits({ transfersMax: 3 });
  await makeRunRow(world, job, 'run-2');
  const [a, b, c] = [worker('run-1'), worker('run-2'), worker('run-2')];
  await a.join();
  await b.join();
  expect([...(await fullAmong(world.db, ['run-1', 'run-2'])).keys()]).toEqual([]);
  await c.join();
  for (const one of [a, b, c, a, b, c]) await one.tell();
  expect([a, b, c].map((one) => one.transfers())).toEqual([1, 1, 1]);
  const full = await fullAmong(world.db, ['run-1', 'run-2']);
  expect([...full.values()].map(({ id, connectorId: by, most }) => [id, by, most]).toSorted()).toEqual([
    ['run-1', connectorId, 3],
    ['run-2', connectorId, 3],
  ]);
  await setLimits({ transfersMax: 2 });
  for (const one of [a, b, c]) await one.tell();
  expect([a.shares.isCrowdedOut('run-1'), b.shares.isCrowdedOut('run-2'), c.shares.isCrowdedOut('run-2')]).toEqual([
    false,
    false,
    true,
  ]);
});

test('requests are held back to the share', async () => {
  const [a, b] = [worker(), worker()];
  for (const one of [a, b]) await one.join();
  for (const one of [a, b, a, b]) await one.tell();
  let sent = 0;
  const open = a.shares.limited(connectorId, () => ({
    send: async () => {
      sent += 1;
      return {} as never;
    },
    close: async () => undefined,
  }));
  const transport = open({ caCertificate: null, connectionsMax: 1 });
  const { signal } = new AbortController();
  const request = { method: 'GET', origin: 'x', path: '/', headers: {}, body: null, operation: 'GET', signal };
  const startedAtMs = systemClock.monotonic();
  await Promise.all(Array.from({ length: 8 }, () => transport.send(request)));
  // Ten a second for this one of two workers: eight of them take most of a second.
  expect(systemClock.monotonic() - startedAtMs).toBeGreaterThan(500);
  expect(sent).toBe(8);
});

test('of the requests of a connector each run of a worker gets as many, whoever has more of them waiting', async () => {
  const one = worker();
  await one.join();
  await one.tell();
  await setLimits({ requestsPerSecond: 30 });
  await one.tell();
  const sent: string[] = [];
  const opened = (run: string) =>
    one.shares.limited(connectorId, () => ({
      send: async () => {
        sent.push(run);
        return {} as never;
      },
      close: async () => undefined,
    }))({ caCertificate: null, connectionsMax: 1 });
  const [first, second] = [opened('first'), opened('second')];
  const stopper = new AbortController();
  const request = { method: 'GET', origin: 'x', path: '/', headers: {}, body: null, operation: 'GET' };
  const many = Array.from({ length: 3_000 }, () => first.send({ ...request, signal: stopper.signal }));
  await expect.poll(() => one.shares.waitingFor(connectorId)).toBeGreaterThan(2_000);
  const before = sent.length;
  const few = Array.from({ length: 8 }, () => second.send({ ...request, signal: new AbortController().signal }));
  expect(one.shares.waitingFor(connectorId)).toBeGreaterThan(1_000);
  await Promise.all(few);
  const meanwhile = sent.slice(before);
  expect(meanwhile.filter((run) => run === 'first').length).toBeLessThanOrEqual(10);
  // Who leaves holds up nobody, and is no longer counted.
  stopper.abort();
  await expect(Promise.all(many)).rejects.toMatchObject({ code: 'CANCELLED' });
  await Promise.allSettled(many);
  expect(one.shares.waitingFor(connectorId)).toBe(0);
  await second.send({ ...request, signal: new AbortController().signal });
});

test('three workers never have more transfers under way than the connector allows, once they know of each other', async () => {
  await using fleet = await openFleetTest();
  const limits = { requestsPerSecond: null, transfersMax: 2 };
  const copied = await fleet.job({ objects: 2_000, limits, slowMs: 0 });
  let now = 0;
  let most = 0;
  let seen = 0;
  let isKnown = false;
  const own = copied.from.hooks;
  own.before = async (operation) => {
    if (operation !== 'GET') return;
    now += 1;
    if (isKnown) [seen, most] = [seen + 1, Math.max(most, now)];
    await new Promise((resolve) => setTimeout(resolve, 30));
    now -= 1;
  };
  for (const name of ['one', 'two', 'three']) await fleet.worker(name);
  const { id } = await fleet.start(copied);
  await fleet.untilTrue('they know of each other', async () => {
    const { rows } = await sql<{ there: number; joined: number; known: number }>`SELECT count(*)::integer AS joined,
        count(*) FILTER (WHERE left_at IS NULL)::integer AS there, count(*) FILTER (WHERE left_at IS NULL
          AND shares_at > (SELECT max(joined_at) FROM run_workers WHERE run_id = ${id}))::integer AS known
      FROM run_workers WHERE run_id = ${id}`.execute(fleet.world.db);
    const { there, joined, known } = rows[0]!;
    return joined > 1 && there > 0 && there <= 2 && known === there;
  });
  isKnown = true;
  await fleet.untilTrue('enough was seen', async () => seen >= 60);
  own.before = null;
  expect(most).toBeLessThanOrEqual(2);
  await expectComplete(fleet, copied, await fleet.until(id, 'succeeded'));
});

test('nobody is kept out by whoever was gone before the clock of the database was set back', async () => {
  await setLimits({ transfersMax: 1 });
  await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at) VALUES ('run-1', ${newId(world)}::uuid,
    clock_timestamp() + interval '1 hour', clock_timestamp() + interval '1 hour')`.execute(world.db);
  const one = worker();
  expect((await fullAmong(world.db, ['run-1'])).size).toBe(0);
  await one.join();
  expect(one.shares.isWaiting).toBe(false);
  expect(one.transfers()).toBe(1);
});
