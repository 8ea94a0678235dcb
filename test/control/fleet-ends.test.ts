/** Every order in every state, whoever is there to carry it out; and sums that are right at every end. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDispatching } from '../../src/control/fleet/dispatching.ts';
import { PostgresRunStore } from '../../src/control/runs/store.ts';
import { changeState } from '../../src/control/runs/transitions.ts';
import { DroverError } from '../../src/model/errors.ts';
import { ALL_NAMES } from '../../src/model/names.ts';
import { addCounters, ZERO_COUNTERS, type Counters, type RunState } from '../../src/model/outcome.ts';
import { openFleetTest, SHORT, type FleetTest, type HeldJob } from './fleet-world.ts';
import { makeRunRow, PERSON, type MadeJob } from './made.ts';

let fleet: FleetTest;
beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(() => fleet[Symbol.asyncDispose]());

type Order = 'pause' | 'resume' | 'cancel';
const ENDED = ['cancelled', 'failed', 'succeeded', 'completed-with-issues'] as const;
const STATES = ['queued', 'running', 'pausing', 'paused', 'cancelling', ...ENDED] as const;
const TIMING = { ...SHORT, goneAfterMs: 4_000 };

/** Where each order leads in the end. Not named: it is refused, and the run is left as it is. */
const LEADS: Record<Order, Partial<Record<RunState, 'paused' | 'cancelled' | 'goes on'>>> = {
  pause: { queued: 'paused', running: 'paused', pausing: 'paused', paused: 'paused' },
  resume: { queued: 'goes on', running: 'goes on', pausing: 'goes on', paused: 'goes on' },
  cancel: {
    queued: 'cancelled',
    running: 'cancelled',
    pausing: 'cancelled',
    paused: 'cancelled',
    cancelling: 'cancelled',
    cancelled: 'cancelled',
  },
};

type Whose = 'nobody' | 'a dead worker' | 'a worker that hangs' | 'a living worker';

/** A worker that died before this moment, and what it holds of the run. */
async function deadWorker(runId: string): Promise<void> {
  const id = randomUUID();
  await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
    VALUES (${id}, 'dead', 'h', 1, '1', 1, 'active', now(), clock_timestamp())`.execute(fleet.world.db);
  await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at)
    VALUES (${runId}, ${id}, now(), clock_timestamp())`.execute(fleet.world.db);
  await sql`INSERT INTO segments (run_id, segment_id, kind, state, counters, epoch, worker_id, lease_until)
    VALUES (${runId}, 's0', 'keys', 'open', ${JSON.stringify(ZERO_COUNTERS)}::jsonb, 1, ${id},
      clock_timestamp() + interval '3 seconds')`.execute(fleet.world.db);
}

async function inState(state: RunState, job: MadeJob): Promise<string> {
  const { id } = await fleet.start(job);
  const hasStarted = state !== 'queued';
  const hasEnded = (ENDED as readonly string[]).includes(state);
  await sql`UPDATE runs SET state = ${state}, started_at = ${hasStarted ? new Date() : null},
    ended_at = ${hasEnded ? new Date() : null} WHERE id = ${id}`.execute(fleet.world.db);
  return id;
}

describe.each(['nobody', 'a dead worker', 'a worker that hangs', 'a living worker'] as const)(
  'with %s at it',
  (whose: Whose) => {
    test('every order in every state is carried out or refused, and nothing hangs', async () => {
      await using _server = openDispatching(fleet.world, TIMING);
      const never = Promise.withResolvers<void>();
      // Orders that are late for a living worker are raced with completion elsewhere.
      const held = whose === 'a living worker' ? { heldFrom: 30 } : {};
      const cases: { order: Order; state: RunState; id: string; job: HeldJob }[] = [];
      for (const order of ['pause', 'resume', 'cancel'] as const) {
        for (const state of STATES) {
          const job = await fleet.job({ objects: 60, ...held });
          if (whose === 'a worker that hangs') {
            job.from.hooks.before = (operation) => (operation === 'LIST' ? never.promise : undefined);
          }
          cases.push({ order, state, job, id: await inState(state, job) });
        }
      }
      if (whose === 'a dead worker') {
        for (const { id, state } of cases) if (!(ENDED as readonly string[]).includes(state)) await deadWorker(id);
      }
      if (whose === 'a worker that hangs' || whose === 'a living worker') {
        await fleet.worker('one', { runsMax: 100, timing: TIMING, runsAtOnceMax: 100 });
        const going = cases.filter(({ state }) => state === 'running');
        await fleet.untilTrue('it takes part', async () => {
          const { rows } = await sql`SELECT FROM run_workers`.execute(fleet.world.db);
          return rows.length >= going.length;
        });
      }
      for (const { order, state, id } of cases) {
        const now = (await fleet.runs.get(PERSON, id)).state;
        const wanted = LEADS[order][now];
        const said = await fleet.runs[order](PERSON, id).catch((error: DroverError) => error.code);
        if (wanted === undefined) expect(said, `${order} ${state}`).toBe('WRONG_STATE');
        else expect(said, `${order} ${state}`).toMatchObject({ id });
      }
      for (const { job } of cases) job.release();
      for (const { order, state, id } of cases) {
        const wanted =
          LEADS[order][state] ?? (state === 'cancelling' ? 'cancelled' : state === 'pausing' ? 'paused' : state);
        const states: readonly RunState[] =
          wanted !== 'goes on' ? [wanted as RunState] : whose === 'a living worker' ? ['succeeded'] : ['running'];
        await fleet.until(id, ...states).catch((error: Error) => {
          throw new Error(`${order} of a run that was ${state}: ${error.message}`);
        });
      }
      never.resolve();
    });
  },
);

test('a run that was given a place and never worked on is cancelled at once', async () => {
  const job = await fleet.job({ objects: 1 });
  await makeRunRow(fleet.world, job, 'run-1', { state: 'running' });
  expect((await fleet.runs.cancel(PERSON, 'run-1')).state).toBe('cancelled');
});

describe('sums', () => {
  const one: Counters = {
    ...ZERO_COUNTERS,
    items: { ...ZERO_COUNTERS.items, scanned: 2, copied: 1, failed: 1 },
    bytes: { ...ZERO_COUNTERS.bytes, scanned: 10, copied: 5 },
  };
  const issue = { key: 'k', result: 'failed', kind: 'object', sizeBytes: 5, code: 'CORRUPTED' } as const;

  test.each(['failed', 'cancelled'] as const)(
    'of a run that is %s while workers commit are those of its commits',
    async (to) => {
      const { db, bus } = fleet.world;
      const job = await fleet.job({ objects: 0 });
      await makeRunRow(fleet.world, job, 'run-1', { state: to === 'failed' ? 'running' : 'cancelling' });
      await sql`UPDATE runs SET state = 'running'`.execute(db);
      const segments = Array.from({ length: 4 }, (_, n) => ({
        segmentId: `s${n}`,
        kind: 'keys' as const,
        from: String(n),
        to: String(n + 1),
      }));
      const store = new PostgresRunStore(db, { leaseValidMs: 60_000 });
      await store.startSegments('run-1', segments);
      let taken = ZERO_COUNTERS;
      let isOver = false;
      const worker = async (): Promise<string> => {
        const lease = await store.claim('run-1', randomUUID());
        for (let n = 0; ; n++) {
          const checkpoint = {
            settledKey: `${lease!.segment.from}${n}`,
            sourceCursor: null,
            targetCursor: null,
            nextChunk: n,
          };
          try {
            const chunk = `${lease!.segment.segmentId}/${n}`;
            await store.commit(lease!, {
              checkpoint,
              addChunks: [chunk],
              addCounters: one,
              addIssues: [issue],
              done: false,
            });
            taken = addCounters(taken, one);
          } catch (error) {
            return (error as DroverError).code;
          }
          if (isOver && n > 2_000) return 'never told';
        }
      };
      const workers = Array.from({ length: 4 }, worker);
      await fleet.untilTrue('some was committed', async () => taken.items.scanned > 40);
      if (to === 'cancelled') await sql`UPDATE runs SET state = 'cancelling'`.execute(db);
      const change = { from: ['running', 'cancelling'] as RunState[], to, error: null };
      expect(await db.transaction().execute((tx) => changeState(tx, bus, 'run-1', change))).toBe(true);
      isOver = true;
      expect(await Promise.all(workers)).toEqual(Array(4).fill('LEASE_LOST'));
      const { counters } = await fleet.runs.get(PERSON, 'run-1');
      expect(counters).toEqual(taken);
      const { rows } = await sql<{ chunks: number; items: number }>`SELECT
      (SELECT count(*)::integer FROM chunks) AS chunks, (SELECT count(*)::integer FROM run_items) AS items`.execute(db);
      expect(rows[0]).toEqual({ chunks: taken.items.copied, items: taken.items.failed });
    },
  );

  test.each(['fail', 'cancel'] as const)(
    'of a run that two workers %s in mid-run are those of its log',
    async (how) => {
      await Promise.all([fleet.worker('one'), fleet.worker('two')]);
      const job = await fleet.job({ objects: 600, slowMs: 40, heldFrom: 300 });
      const { id } = await fleet.start(job);
      await fleet.untilTrue('something was copied', async () => job.to.keys('box').length > 50);
      if (how === 'cancel') await fleet.runs.cancel(PERSON, id);
      else {
        job.to.hooks.before = () => {
          throw new DroverError('PLACE_NOT_FOUND', 'The container is gone.');
        };
      }
      job.release();
      const told = await fleet.until(id, 'failed', 'cancelled');
      expect(told.counters.items.scanned).toBe((await fleet.items(id)).length);
      await fleet.untilTrue('both have left', async () => {
        const { rows } = await sql`SELECT FROM run_workers WHERE left_at IS NULL`.execute(fleet.world.db);
        return rows.length === 0;
      });
      const run = await fleet.runs.get(PERSON, id);
      // What was told at the end stays what it was.
      expect(run.counters).toEqual(told.counters);
      expect(run.counters.items.scanned).toBe((await fleet.items(id)).length);
      expect(run.counters).toEqual((await fleet.store.getRun(id))?.counters);
    },
  );
});

test('what has another name at the target is there: the run succeeds, and its log says how many', async () => {
  const names = { ...ALL_NAMES, emptySegments: false };
  const job = await fleet.job({ objects: 3, targetBehaviour: { names } });
  job.from.put('box', 'a//b', Buffer.from('x'));
  await fleet.worker('one');
  const { id } = await fleet.start(job);
  const run = await fleet.until(id, ...ENDED);
  expect(run).toMatchObject({ state: 'succeeded', counters: { mapped: 1, items: { copied: 4 } } });
  const { rows } = await sql<{ level: string; message: string }>`SELECT level, message FROM run_log
    WHERE run_id = ${id} AND message LIKE 'The run is complete%'`.execute(fleet.world.db);
  const words = '1 object has another name at the target, which cannot hold the original one; the copy log has both.';
  expect(rows).toEqual([{ level: 'warn', message: `The run is complete. ${words}` }]);
});
