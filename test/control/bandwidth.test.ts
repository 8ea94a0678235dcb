/** A bandwidth timetable is one limit: for all runs whose jobs name it, on however many workers. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../src/control/ids.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { Shares } from '../../src/control/fleet/shares.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { startStopwatch } from '../stopwatch.ts';
import { expectComplete, openFleetTest } from './fleet-world.ts';
import { makeConnector, makeJob, makeRunRow, rowOpener } from './made.ts';

const rules = (bytesPerSecond: number | null): string =>
  JSON.stringify({ timeZone: 'UTC', rules: [{ day: null, minuteOfDay: 0, bytesPerSecond }] });

async function makeTimetable(world: TestWorld, bytesPerSecond: number | null): Promise<string> {
  const id = newId(world);
  await sql`INSERT INTO timetables (id, created_at, created_by, updated_at, name, timetable)
    VALUES (${id}::uuid, now(), 'test', now(), ${id}, ${rules(bytesPerSecond)}::jsonb)`.execute(world.db);
  return id;
}

describe('the shares of a timetable', () => {
  let world: TestWorld;
  beforeEach(async () => {
    world = await openTestWorld();
  });
  afterEach(() => world.close());

  /** A run of a job of its own, between connectors of its own. */
  async function run(id: string, timetableId: string | null): Promise<string[]> {
    const ends = [];
    for (const end of ['from', 'to']) {
      const fingerprint = `${id}-${end}`;
      ends.push(await makeConnector(world, { provider: 'memory', config: {}, fingerprint }));
    }
    const [from, to] = ends as [string, string];
    const job = await makeJob(world, { connectorId: from, container: 's' }, { connectorId: to, container: 't' });
    await sql`UPDATE jobs SET timetable_id = ${timetableId}::uuid WHERE id = ${job.jobId}`.execute(world.db);
    await makeRunRow(world, job, id);
    return [from, to];
  }

  /** Heard of also where the machine stands still for a while before somebody looks. */
  const SEEN_AT = sql`clock_timestamp() + interval '30 seconds'`;

  function worker() {
    const id = newId(world);
    const parts = {
      openConnector: rowOpener(world),
      reportHealth: async () => undefined,
      append: async () => undefined,
    };
    const shares = new Shares(fleetWorld(world, parts), id);
    return {
      shares,
      async join(runId: string, connectorIds: readonly string[]) {
        await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at)
          VALUES (${runId}, ${id}::uuid, clock_timestamp(), ${SEEN_AT})`.execute(world.db);
        await shares.join(runId, connectorIds);
      },
      async tell() {
        await shares.refresh();
        await sql`UPDATE run_workers SET seen_at = ${SEEN_AT}, shares_at = ${shares.lookedAt}::timestamptz
          WHERE worker_id = ${id}::uuid`.execute(world.db);
      },
    };
  }

  const { signal } = new AbortController();
  /**
   * How long so many bytes of the run take, in pieces. What may pass is reckoned by the clock: whatever the machine does,
   * it takes at least so long, and by a stopwatch that leaves out where it stood still, at most.
   */
  async function timesOf(shares: Shares, runId: string, bytes: number, piece = 100) {
    const [watch, beganMs] = [startStopwatch(), performance.now()];
    for (let at = 0; at < bytes; at += piece) await shares.takeBandwidth(runId, piece, signal);
    return { clockMs: performance.now() - beganMs, ownMs: watch.elapsedMs() };
  }

  test('of two runs on two workers add up to its rate, and each gets half of it', async () => {
    const timetableId = await makeTimetable(world, 4_000);
    const [a, b] = [worker(), worker()];
    await a.join('run-1', await run('run-1', timetableId));
    await a.tell();
    await b.join('run-2', await run('run-2', timetableId));
    // Until the other has counted it, it makes do with next to nothing.
    expect(b.shares.isWaiting).toBe(true);
    for (const one of [a, b]) await one.tell();
    expect(b.shares.isWaiting).toBe(false);
    const took = await Promise.all([timesOf(a.shares, 'run-1', 2_000), timesOf(b.shares, 'run-2', 2_000)]);
    // Alone, half a second each.
    for (const { clockMs } of took) expect(clockMs).toBeGreaterThan(750);
  });

  test('are taken in turn by the runs of a worker, whoever has more waiting; one that waits for nothing leaves it all', async () => {
    const timetableId = await makeTimetable(world, 4_000);
    const one = worker();
    for (const id of ['run-1', 'run-2', 'run-3']) await one.join(id, await run(id, timetableId));
    await one.tell();
    const many = Array.from({ length: 40 }, () => one.shares.takeBandwidth('run-1', 100, signal));
    let others = 0;
    for (const each of many) void each.then(() => (others += 1));
    const { clockMs } = await timesOf(one.shares, 'run-2', 800);
    // As many of the other's 4,000 bytes went meanwhile, and no more.
    expect(others).toBeLessThanOrEqual(12);
    expect(clockMs).toBeGreaterThan(250);
    await Promise.all(many);
    expect((await timesOf(one.shares, 'run-3', 2_000)).ownMs).toBeLessThan(900);
  });

  test('hold nobody back who names another one, or none', async () => {
    const slow = await makeTimetable(world, 10);
    const one = worker();
    await one.join('run-1', await run('run-1', slow));
    await one.join('run-2', await run('run-2', await makeTimetable(world, null)));
    await one.join('run-3', await run('run-3', null));
    await one.tell();
    const held = one.shares
      .takeBandwidth('run-1', 1_000, signal)
      .then(() => one.shares.takeBandwidth('run-1', 1, signal));
    expect((await timesOf(one.shares, 'run-2', 1_000_000, 100_000)).ownMs).toBeLessThan(500);
    expect((await timesOf(one.shares, 'run-3', 1_000_000, 100_000)).ownMs).toBeLessThan(500);
    // What waits goes on as soon as its job names none any more.
    await sql`UPDATE jobs SET timetable_id = NULL`.execute(world.db);
    await one.tell();
    await held;
    expect(one.shares.bandwidth('run-1')).toBeNull();
  });

  test('that nobody waits for any more are let go', async () => {
    const one = worker();
    await one.join('run-1', await run('run-1', await makeTimetable(world, 0)));
    const stopper = new AbortController();
    const held = one.shares.takeBandwidth('run-1', 1, stopper.signal);
    stopper.abort();
    await expect(held).rejects.toMatchObject({ code: 'CANCELLED' });
    const again = one.shares.takeBandwidth('run-1', 1, signal);
    one.shares.leave('run-1');
    await again;
  });
});

test('two runs that name one timetable keep to it together, and end', async () => {
  await using fleet = await openFleetTest();
  const timetableId = await makeTimetable(fleet.world, 20_000);
  const jobs = [await fleet.job({ objects: 0 }), await fleet.job({ objects: 0 })];
  for (const { from } of jobs) for (let at = 0; at < 30; at++) from.put('box', `k/${at}`, 'x'.repeat(1_000));
  await sql`UPDATE jobs SET timetable_id = ${timetableId}::uuid`.execute(fleet.world.db);
  for (const name of ['one', 'two']) await fleet.worker(name);
  const beganMs = performance.now();
  const runs = [];
  for (const job of jobs) runs.push(await fleet.start(job));
  for (const [at, job] of jobs.entries()) {
    await expectComplete(fleet, job, await fleet.until(runs[at]!.id, 'succeeded'));
  }
  // 60,000 bytes; each by itself would be done after half of that.
  expect(performance.now() - beganMs).toBeGreaterThan(2_500);
});
