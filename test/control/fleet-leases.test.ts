/** Leases that are somebody else's, workers that were away, and what they leave half-made. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DroverError } from '../../src/model/errors.ts';
import { ZERO_COUNTERS } from '../../src/model/outcome.ts';
import { DEFAULT_BEHAVIOUR } from '../../src/providers/memory/provider.ts';
import { countRenewals, expectComplete, openFleetTest, SHORT, type FleetTest, type MemoryJob } from './fleet-world.ts';
import { makeRunRow, PERSON } from './made.ts';

const MIB = 1024 * 1024;
const IN_PARTS = { writeBytesMax: 2 * MIB, partLimits: { ...DEFAULT_BEHAVIOUR.partLimits, partBytesMax: MIB } };

let fleet: FleetTest;
beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(() => fleet[Symbol.asyncDispose]());

test('a lease that another worker has taken stops its segment at the next renewal, in the middle of an object too', async () => {
  const job = await fleet.job({ objects: 0, targetBehaviour: IN_PARTS });
  const renewals = countRenewals(fleet);
  let known: { renewals: number; chunks: number } | null = null;
  const log: typeof fleet.world.log = (level, message, details) => {
    if (message.includes("another worker's now"))
      known ??= { renewals: renewals.count(), chunks: job.from.requests.CHUNK ?? 0 };
    fleet.world.log(level, message, details);
  };
  await fleet.worker('one', {}, { db: renewals.db, log });
  job.from.put('box', 'large', new Uint8Array(8 * MIB));
  let isSlow = true;
  job.from.hooks.before = async (operation) => {
    if (operation === 'CHUNK' && isSlow) await new Promise((resolve) => setTimeout(resolve, 150));
  };
  const { id } = await fleet.start(job);
  await fleet.untilTrue('it moves', async () => (job.from.requests.CHUNK ?? 0) > 8);
  const { rows } = await sql`UPDATE segments SET epoch = epoch + 1, worker_id = ${randomUUID()},
    lease_until = clock_timestamp() + interval '50 seconds' WHERE run_id = ${id} AND state = 'open' RETURNING epoch`.execute(
    fleet.world.db,
  );
  expect(rows).toHaveLength(1);
  const taken = renewals.count();
  await fleet.untilTrue('it knows', async () => known !== null);
  const then = known as unknown as { renewals: number; chunks: number };
  // One may have been under way when it was taken.
  expect(then.renewals - taken).toBeLessThanOrEqual(2);
  await fleet.untilTrue('long enough for many pieces', async () => renewals.count() >= then.renewals + 3);
  // Nothing is read any more but what it had asked for.
  expect(job.from.requests.CHUNK).toBeLessThanOrEqual(then.chunks + 1);
  expect(job.to.keys('box')).toEqual([]);
  isSlow = false;
  await sql`UPDATE segments SET worker_id = NULL, lease_until = NULL WHERE run_id = ${id}`.execute(fleet.world.db);
  await expectComplete(fleet, job, await fleet.until(id, 'succeeded'));
});

test('two workers that hold the same lease settle nothing twice and lose nothing', async () => {
  await Promise.all([fleet.worker('one'), fleet.worker('two')]);
  const job = await fleet.job({ objects: 900, slowMs: 40, heldFrom: 890 });
  const { id } = await fleet.start(job);
  // The database says that leases have run out whose holders know nothing of it: whoever asks takes them over.
  let rounds = 0;
  await fleet.untilTrue('many were taken over', async () => {
    rounds += 1;
    await sql`UPDATE segments SET lease_until = clock_timestamp() - interval '1 second'
      WHERE run_id = ${id} AND kind = 'keys' AND state = 'open'`.execute(fleet.world.db);
    const { rows } = await sql<{ taken: number }>`
      SELECT coalesce(sum(takeovers), 0)::integer AS taken FROM segments WHERE run_id = ${id}`.execute(fleet.world.db);
    return (rows[0]?.taken ?? 0) >= 3;
  });
  job.release();
  expect(rounds).toBeGreaterThan(1);
  const run = await fleet.until(id, 'succeeded');
  await expectComplete(fleet, job, run);
  expect(run.counters.items).toMatchObject({ scanned: 900, failed: 0 });
  expect(run.counters.items.copied + run.counters.items.same).toBe(900);
  // Once for each of the two, however many segments they took from each other.
  const told = fleet.lines.filter(({ runId, message }) => runId === id && message.includes('fell silent'));
  expect(told.length).toBeGreaterThanOrEqual(1);
  expect(told.length).toBeLessThanOrEqual(2);
});

describe('a worker that was counted as gone and is back', () => {
  /** With its way to the database blocked until everybody counts it as gone. */
  async function away(): Promise<{ back: () => void; worker: Awaited<ReturnType<FleetTest['worker']>> }> {
    const blocked = { isOn: false };
    const db = fleet.world.db.withPlugin({
      transformQuery: ({ node }) => {
        if (blocked.isOn) throw new DroverError('DATABASE_UNAVAILABLE', 'The way to the database is blocked.');
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    const worker = await fleet.worker('away', { timing: SHORT }, { db });
    blocked.isOn = true;
    await fleet.untilTrue('it lets go', async () => fleet.world.logged.some((line) => line.includes('lets go')));
    await sql`UPDATE workers SET state = 'gone' WHERE id = ${worker.id}`.execute(fleet.world.db);
    return { worker, back: () => (blocked.isOn = false) };
  }

  test('signs on again and works', async () => {
    const { back, worker } = await away();
    back();
    const job = await fleet.job({ objects: 5 });
    const { id } = await fleet.start(job);
    await expectComplete(fleet, job, await fleet.until(id, 'succeeded'));
    const { rows } = await sql`SELECT id, state FROM workers`.execute(fleet.world.db);
    expect(rows).toEqual([{ id: worker.id, state: 'active' }]);
    expect(worker.failure).toBeNull();
  });

  test('finds workers of another version and leaves, saying so', async () => {
    const { back, worker } = await away();
    await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
      VALUES (${randomUUID()}, 'newer', 'h', 1, '99.0.0', 1, 'active', now(), clock_timestamp() + interval '1 hour')`.execute(
      fleet.world.db,
    );
    back();
    await worker.left;
    expect(worker.failure).toMatchObject({ code: 'VERSION_MISMATCH', message: expect.stringContaining('"newer"') });
    const { rows } = await sql`SELECT state FROM workers WHERE id = ${worker.id}`.execute(fleet.world.db);
    expect(rows).toEqual([{ state: 'gone' }]);
  });
});

describe('an upload that a hung worker begins late', () => {
  /** A run somebody works on who has said that he begins an upload. */
  async function hung(state: string): Promise<{ job: MemoryJob; begin: () => void; worker: string }> {
    const job = await fleet.job({ objects: 0 });
    job.from.ensure('s');
    job.to.ensure('t');
    const [worker, segment] = [randomUUID(), JSON.stringify(ZERO_COUNTERS)];
    const { db } = fleet.world;
    await makeRunRow(fleet.world, job, 'run-1', { state });
    await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
      VALUES (${worker}, 'hung', 'h', 1, ${fleet.world.programVersion}, 1, 'active', now(),
        clock_timestamp() + interval '1 hour')`.execute(db);
    await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at)
      VALUES ('run-1', ${worker}, now(), clock_timestamp() + interval '1 hour')`.execute(db);
    await sql`INSERT INTO segments (run_id, segment_id, kind, state, counters)
      VALUES ('run-1', 's0', 'keys', 'open', ${segment}::jsonb)`.execute(db);
    const intent = { runId: 'run-1', intentId: 'i', targetKey: 'k', startedAtMs: Date.now(), upload: null };
    await fleet.store.saveIntent(intent);
    const begin = (): void => {
      const upload = { id: 'late', container: 't', key: 'k', runId: 'run-1', startedAtMs: Date.now(), sizeBytes: 1 };
      job.to.uploads.set('late', { ...upload, parts: new Map() });
    };
    return { job, begin, worker };
  }

  const intents = async (): Promise<number> => (await fleet.store.intents('run-1')).length;

  test.each(['cancelled', 'failed'] as const)(
    'of a run that was %s is ended when that worker is gone',
    async (state) => {
      const { job, begin, worker } = await hung(state === 'failed' ? 'running' : 'cancelling');
      if (state === 'failed') {
        await sql`UPDATE runs SET state = 'failed', ended_at = now()`.execute(fleet.world.db);
        await sql`INSERT INTO segments (run_id, segment_id, kind, state, counters)
        VALUES ('run-1', 'sweep', 'sweep', 'open', '{}')`.execute(fleet.world.db);
      }
      await fleet.worker('one');
      await fleet.untilTrue('it was looked at', async () => {
        const open = await sql`SELECT FROM segments WHERE kind = 'sweep'`.execute(fleet.world.db);
        return open.rows.length === 0 && (await fleet.runs.get(PERSON, 'run-1')).state === state;
      });
      expect(await intents()).toBe(1);
      begin();
      await sql`UPDATE workers SET seen_at = now() - interval '1 hour' WHERE id = ${worker}`.execute(fleet.world.db);
      await fleet.untilTrue('it is gone', async () => job.to.uploads.size === 0 && (await intents()) === 0);
    },
  );

  test.each(['cancelled', 'failed'] as const)(
    'of a run that was %s, whose request is still on its way when everybody has left, is ended when it has come',
    async (state) => {
      const { job, begin } = await hung('cancelling');
      await sql`UPDATE run_workers SET left_at = now()`.execute(fleet.world.db);
      if (state === 'failed') await endNow('failed');
      let looks = 0;
      job.to.hooks.before = (operation) => {
        // It was looked for, and not found.
        if (operation === 'UPLOADS' && (looks += 1) === 2) begin();
      };
      await fleet.worker('one');
      await fleet.until('run-1', state);
      await fleet.untilTrue('nobody looks any more', async () => (await intents()) === 0);
      expect(looks).toBeGreaterThan(1);
      expect(job.to.uploads.size).toBe(0);
    },
  );

  test('is ended though the worker that lives on could not say that it left the run', async () => {
    const { job, begin } = await hung('running');
    await endNow('succeeded');
    begin();
    await sql`UPDATE run_workers SET seen_at = seen_at - 10 * interval '1 minute'`.execute(fleet.world.db);
    await fleet.worker('one');
    await fleet.untilTrue('it is gone', async () => job.to.uploads.size === 0 && (await intents()) === 0);
  });

  test('is ended though what the run settled is forgotten', async () => {
    const { job, begin } = await hung('running');
    await endNow('succeeded');
    begin();
    await sql`DELETE FROM segments`.execute(fleet.world.db);
    await sql`UPDATE run_workers SET left_at = now()`.execute(fleet.world.db);
    await fleet.worker('one');
    await fleet.untilTrue('it is gone', async () => job.to.uploads.size === 0 && (await intents()) === 0);
  });

  const endNow = (state: string) => sql`UPDATE runs SET state = ${state}, ended_at = now()`.execute(fleet.world.db);
});

test("uploads of other runs on the same object are known by their journal, wherever that run's target begins", async () => {
  const job = await fleet.job({ objects: 0 });
  const { store, world } = fleet;
  for (const [id, targetPrefix, state] of [
    ['run-1', 'a/', 'running'],
    ['run-2', '', 'paused'],
    ['run-3', 'a/b/', 'running'],
    ['run-4', 'a/', 'running'],
  ] as const) {
    await makeRunRow(world, job, id, { targetPrefix, state });
  }
  const intent = (runId: string, targetKey: string) => ({
    runId,
    intentId: runId,
    targetKey,
    startedAtMs: 1,
    upload: null,
  });
  for (const one of [
    intent('run-1', 'b/k'),
    intent('run-2', 'a/b/k'),
    intent('run-3', 'k'),
    intent('run-4', 'other'),
  ]) {
    await store.saveIntent(one);
  }
  const others = async (runId: string, key: string): Promise<string[]> =>
    (await store.othersIntents(runId, key)).map((one) => one.runId).toSorted();
  expect(await others('run-1', 'b/k')).toEqual(['run-2', 'run-3']);
  expect(await others('run-2', 'a/b/k')).toEqual(['run-1', 'run-3']);
  expect(await others('run-2', 'b/k')).toEqual([]);
  await sql`UPDATE runs SET ended_at = now() WHERE id = 'run-3'`.execute(world.db);
  expect(await others('run-1', 'b/k')).toEqual(['run-2']);
});
