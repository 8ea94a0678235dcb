/** What happens in the moments between two steps: of workers, of dispatchers, of people, and of clocks. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { WaitReason } from '../../src/control/entities.ts';
import { refreshRun } from '../../src/control/fleet/aggregate.ts';
import { Dispatcher } from '../../src/control/fleet/dispatcher.ts';
import { fleetWorld, type FleetWorld } from '../../src/control/fleet/parts.ts';
import { placeRuns } from '../../src/control/fleet/placing.ts';
import { giveOutPlaces } from '../../src/control/fleet/queue.ts';
import { openRetention } from '../../src/control/retention/retention.ts';
import { sumAgain } from '../../src/control/runs/store-runs.ts';
import { PostgresRunStore } from '../../src/control/runs/store.ts';
import { changeState } from '../../src/control/runs/transitions.ts';
import { DroverError } from '../../src/model/errors.ts';
import { ZERO_COUNTERS } from '../../src/model/outcome.ts';
import { expectComplete, makeStore, openFleetTest, PATIENT, setHealth, SHORT, type FleetTest } from './fleet-world.ts';
import { makeConnector, makeJob, makeRunRow, PERSON, rowOpener, placedRun } from './made.ts';

let fleet: FleetTest;
beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(() => fleet[Symbol.asyncDispose]());

const WHOLE = { segmentId: 's0', kind: 'keys', from: null, to: null } as const;
const COMMIT = {
  checkpoint: { settledKey: 'm', sourceCursor: null, targetCursor: null, nextChunk: 1 },
  addChunks: [],
  addIssues: [],
  done: false,
};

/** What moves runs on, without a loop of its own. */
function dispatching(runsAtOnceMax = 10, timing = SHORT): { world: FleetWorld; tick: () => Promise<boolean> } {
  const parts = {
    openConnector: rowOpener(fleet.world),
    reportHealth: async () => undefined,
    append: async () => undefined,
    timing,
    runsAtOnceMax,
  };
  const world = fleetWorld(fleet.world, parts);
  const dispatcher = new Dispatcher(world);
  return { world, tick: () => dispatcher.tick() };
}

async function stateOf(runId: string): Promise<{ state: string; waits: WaitReason | null }> {
  const { rows } = await sql<{ state: string; waits: WaitReason | null }>`
    SELECT state, waits FROM runs WHERE id = ${runId}`.execute(fleet.world.db);
  return rows[0]!;
}

describe('a run that pauses', () => {
  test('for its connector keeps the reason while workers still tell how far they are, and goes on when it is mended', async () => {
    const { world, tick } = dispatching();
    const job = await fleet.job({ objects: 0 });
    await makeRunRow(fleet.world, job, 'run-1', { state: 'pausing' });
    const waits = { kind: 'attention', text: 'No.', runId: null, connectorId: job.target.connectorId };
    await setHealth(fleet.world, job.target.connectorId, new Error('revoked'));
    const worker = randomUUID();
    await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
      VALUES (${worker}, 'w', 'h', 1, '1', 1, 'active', now(), clock_timestamp())`.execute(fleet.world.db);
    const progress = { phase: 'copying', current: [], uncommitted: ZERO_COUNTERS, limitedBy: 'none', elapsedMs: 1 };
    await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at, progress)
      VALUES ('run-1', ${worker}, now(), clock_timestamp(), ${JSON.stringify(progress)}::jsonb)`.execute(
      fleet.world.db,
    );
    await sql`UPDATE runs SET waits = ${JSON.stringify(waits)}::jsonb WHERE id = 'run-1'`.execute(fleet.world.db);
    expect(await refreshRun(world, 'run-1', 0)).toBe(true);
    await tick();
    expect(await stateOf('run-1')).toEqual({ state: 'paused', waits });
    await setHealth(fleet.world, job.target.connectorId, null);
    await tick();
    await tick();
    expect((await stateOf('run-1')).state).toBe('running');
  });

  test('for what lies beside both connectors is tried again, as it says', async () => {
    const { world, tick } = dispatching();
    const job = await fleet.job({ objects: 0 });
    await makeRunRow(fleet.world, job, 'run-1', { state: 'paused' });
    const text = 'The artifacts cannot be reached. It is tried again by itself every few minutes.';
    const waits = { kind: 'attention', text, runId: null, connectorId: null };
    await sql`UPDATE runs SET waits = ${JSON.stringify(waits)}::jsonb`.execute(fleet.world.db);
    await tick();
    expect((await stateOf('run-1')).state).toBe('paused');
    const long = world.timing.reachAgainMs + 1_000;
    await sql`UPDATE runs SET updated_at = clock_timestamp() - ${long} * interval '1 millisecond'`.execute(
      fleet.world.db,
    );
    await tick();
    await tick();
    expect((await stateOf('run-1')).state).toBe('running');
  });
});

describe('a database whose clock was set back', () => {
  /** A lease of somebody who is gone, as it looks after the clock was set back by an hour. */
  async function leftBehind(runId: string, state: string): Promise<PostgresRunStore> {
    const job = await fleet.job({ objects: 0 });
    await makeRunRow(fleet.world, job, runId, { state: 'running' });
    const store = new PostgresRunStore(fleet.world.db, { leaseValidMs: 60_000 });
    await store.startSegments(runId, [WHOLE]);
    const lease = await store.claim(runId, randomUUID());
    await store.commit(lease!, { ...COMMIT, addCounters: ZERO_COUNTERS });
    await sql`UPDATE segments SET lease_until = lease_until + interval '1 hour'`.execute(fleet.world.db);
    await sql`UPDATE runs SET state = ${state}`.execute(fleet.world.db);
    return store;
  }

  test('does not keep segments from whoever lives', async () => {
    const store = await leftBehind('run-1', 'running');
    expect(await store.claim('run-1', randomUUID())).toMatchObject({ epoch: 2 });
    expect(await store.claim('run-1', randomUUID())).toBeNull();
  });

  test('does not keep a run from being paused', async () => {
    await leftBehind('run-1', 'pausing');
    await dispatching().tick();
    expect((await stateOf('run-1')).state).toBe('paused');
  });

  test('does not keep a run from being cancelled', async () => {
    await leftBehind('run-1', 'cancelling');
    await fleet.worker('one');
    await fleet.until('run-1', 'cancelled');
  });

  test('makes no time at work that is less than none', async () => {
    const store = await leftBehind('run-1', 'running');
    await store.recordUsage('run-1', 'w/1', { requests: { source: {}, target: {} }, activeMs: 5_000 });
    await sql`UPDATE run_sessions SET started_at = started_at + interval '1 hour'`.execute(fleet.world.db);
    expect((await store.getRun('run-1'))?.durationMs).toBe(0);
  });

  test('does not keep a run whose disk was full from its next try, nor one that nobody sweeps from its end', async () => {
    const { world, tick } = dispatching(10, { ...SHORT, goneAfterMs: 500 });
    const job = await fleet.job({ objects: 0 });
    await makeRunRow(fleet.world, job, 'disk-1', { state: 'queued', targetPrefix: 'a/' });
    await makeRunRow(fleet.world, job, 'sweep-1', { state: 'cancelling', targetPrefix: 'b/' });
    const waits = JSON.stringify({ kind: 'disk', text: 'Full.', runId: null, connectorId: null });
    await sql`UPDATE runs SET updated_at = clock_timestamp() + interval '1 hour'`.execute(fleet.world.db);
    await sql`UPDATE runs SET waits = ${waits}::jsonb WHERE id = 'disk-1'`.execute(fleet.world.db);
    expect(await giveOutPlaces(world)).toEqual(['disk-1']);
    await fleet.untilTrue('it is cancelled', async () => {
      await tick();
      return (await stateOf('sweep-1')).state === 'cancelled';
    });
  });

  test('does not stop the sums', async () => {
    const { world } = dispatching();
    await leftBehind('run-1', 'running');
    await sql`UPDATE runs SET updated_at = clock_timestamp() + interval '1 hour', live = '{}'`.execute(fleet.world.db);
    expect(await refreshRun(world, 'run-1', 1_000)).toBe(true);
  });
});

describe('places', () => {
  const row = (id: string, prefix: string) => placedRun({ id, target_prefix: prefix });
  const places = { runsMax: 5, room: null, aloneMs: 1_000 };

  test('are not taken by later runs from one that waits for its whole target', () => {
    const placing = placeRuns([row('busy', 'a/')], [row('1', ''), row('2', 'b/'), row('3', 'a/b/')], places);
    expect(placing.start).toEqual([]);
    expect(placing.waits.get('1')).toMatchObject({ kind: 'target-busy', runId: 'busy' });
    expect(placing.waits.get('2')).toMatchObject({ kind: 'target-busy', runId: '1' });
    expect(placeRuns([], [row('1', ''), row('2', 'b/')], places).start).toEqual(['1']);
  });

  test('are given behind any number of runs that wait for one target', async () => {
    const { world } = dispatching();
    const job = await fleet.job({ objects: 0 });
    await makeRunRow(fleet.world, job, 'busy', { targetPrefix: 'a/' });
    await makeRunRow(fleet.world, job, 'first', { targetPrefix: 'a/', state: 'queued', queuedAtMs: 1_000 });
    await sql`INSERT INTO runs (id, job_id, project_id, number, kind, trigger, created_by, transfer_id, pair_id, definition,
        snapshot, source_connector_id, target_connector_id, source_path, target_path, target_fingerprint,
        target_container, target_prefix, state, queued_at, updated_at, counters, requests)
      SELECT 'q' || n, job_id, project_id, number + n, kind, trigger, created_by, transfer_id, pair_id, definition,
        snapshot, source_connector_id, target_connector_id, source_path, target_path, target_fingerprint,
        target_container, target_prefix, state, queued_at + n * interval '1 millisecond', updated_at, counters, requests
      FROM runs, generate_series(1000, 1600) AS n WHERE id = 'first'`.execute(fleet.world.db);
    await makeRunRow(fleet.world, job, 'last', { targetPrefix: 'b/', state: 'queued', queuedAtMs: 9_000 });
    expect(await giveOutPlaces(world)).toEqual(['last']);
    expect((await stateOf('q1600')).waits).toMatchObject({ kind: 'target-busy' });
  });

  test('are given to so many at once and to one per part of the target, however many processes give them', async () => {
    const job = await fleet.job({ objects: 0 });
    for (let n = 0; n < 12; n++) {
      const change = { targetPrefix: `${'abcdef'[n % 6]}/`, state: 'queued', queuedAtMs: 1_000 + n };
      await makeRunRow(fleet.world, job, `run-${n}`, change);
    }
    const { world } = dispatching(4);
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 6 }, () => giveOutPlaces(world)));
      const { rows } = await sql<{ target_prefix: string }>`
        SELECT target_prefix FROM runs WHERE state = 'running'`.execute(fleet.world.db);
      expect(rows).toHaveLength(4);
      expect(new Set(rows.map((one) => one.target_prefix)).size).toBe(4);
      await sql`UPDATE runs SET state = 'succeeded' WHERE id = (
        SELECT id FROM runs WHERE state = 'running' ORDER BY queued_at LIMIT 1)`.execute(fleet.world.db);
    }
  });
});

describe('limits', () => {
  test('of a connector hold from the first request of a run on', async () => {
    await fleet.worker('one', { timing: { ...PATIENT, sharesEveryMs: 60_000 } });
    const job = await fleet.job({ objects: 30, limits: { requestsPerSecond: null, transfersMax: 2 } });
    let [now, most] = [0, 0];
    job.from.hooks.before = async (operation) => {
      if (operation !== 'GET') return;
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 20));
      now -= 1;
    };
    await expectComplete(fleet, job, await fleet.until((await fleet.start(job)).id, 'succeeded'));
    expect(most).toBe(2);
  });

  test("of the job's timetable hold from the first byte on, and when they are changed in mid-run", async () => {
    await fleet.worker('one');
    const job = await fleet.job({ objects: 30 });
    const rule = (bytesPerSecond: number | null): string =>
      JSON.stringify({ timeZone: 'UTC', rules: [{ day: null, minuteOfDay: 0, bytesPerSecond }] });
    const id = randomUUID();
    await sql`INSERT INTO timetables (id, created_at, created_by, updated_at, name, timetable)
      VALUES (${id}, now(), 'test', now(), ${id}, ${rule(0)}::jsonb)`.execute(fleet.world.db);
    await sql`UPDATE jobs SET timetable_id = ${id} WHERE id = ${job.jobId}`.execute(fleet.world.db);
    const run = await fleet.start(job);
    await fleet.untilTrue('it says so', async () => (await fleet.runs.get(PERSON, run.id)).waits?.kind === 'bandwidth');
    expect(job.to.keys('box')).toEqual([]);
    await sql`UPDATE timetables SET timetable = ${rule(null)}::jsonb`.execute(fleet.world.db);
    await expectComplete(fleet, job, await fleet.until(run.id, 'succeeded'));
  });
});

test('an error of credentials that were replaced meanwhile marks no connector and pauses no run', async () => {
  await fleet.worker('one');
  const job = await fleet.job({ objects: 200, slowMs: 30 });
  const { connectorId } = job.target;
  let isReplaced = false;
  job.to.hooks.before = async (operation) => {
    if (operation !== 'PUT' || isReplaced || job.to.keys('box').length < 20) return;
    isReplaced = true;
    // Somebody authorizes anew while this request is under way with the old key.
    await sql`UPDATE connectors SET version = version + 1 WHERE id = ${connectorId}`.execute(fleet.world.db);
    throw new DroverError('UNAUTHENTICATED', 'The old key is not valid any more.');
  };
  const run = await fleet.until((await fleet.start(job)).id, 'succeeded', 'paused');
  expect(run.state).toBe('succeeded');
  await expectComplete(fleet, job, run);
  expect((await fleet.told()).filter(({ event }) => event === 'run.attention')).toEqual([]);
  const { rows } = await sql`SELECT FROM connectors WHERE health <> 'healthy'`.execute(fleet.world.db);
  expect(rows).toEqual([]);
});

test('a worker that is full leaves a run that others work on for one that nobody does', async () => {
  await Promise.all(['a', 'b'].map((name) => fleet.worker(name, { runsMax: 1 })));
  const long = await fleet.job({ objects: 10_000, slowMs: 80 });
  const first = await fleet.start(long);
  await fleet.untilTrue('both are at it', async () => {
    const { rows } = await sql`SELECT FROM run_workers WHERE run_id = ${first.id} AND left_at IS NULL`.execute(
      fleet.world.db,
    );
    return rows.length === 2;
  });
  const short = await fleet.job({ objects: 5 });
  const second = await fleet.until((await fleet.start(short)).id, 'succeeded');
  expect((await fleet.runs.get(PERSON, first.id)).state).toBe('running');
  await expectComplete(fleet, short, second);
  await fleet.runs.cancel(PERSON, first.id);
  await fleet.until(first.id, 'cancelled');
});

test('a run that fails leaves no file of its own in a folder, also none of a worker that was killed', async () => {
  await fleet.worker('one');
  const folder = await mkdtemp(join(fleet.world.folder, 'target-'));
  const from = makeStore(`sweep-${process.pid}`);
  for (let n = 0; n < 300; n++) from.put('box', `k${n}`, 'x');
  const memory = { provider: 'memory', config: { store: from.name }, fingerprint: `memory:${from.name}` };
  const fromId = await makeConnector(fleet.world, memory);
  const toId = await makeConnector(fleet.world, { provider: 'local', config: { root: '/' }, fingerprint: 'local:/' });
  const job = await makeJob(
    fleet.world,
    { connectorId: fromId, container: 'box' },
    { connectorId: toId, container: folder },
  );
  const { id } = await fleet.start(job);
  const names = async (): Promise<string[]> => readdir(folder);
  from.hooks.before = async (operation, key) => {
    if (operation !== 'GET' || key !== 'k250') return;
    await writeFile(join(folder, `.drover-${id}-0123456789abcdef.part`), 'half');
    await writeFile(join(folder, '.drover-another0run-0123456789abcdef.part'), 'half');
    throw new DroverError('PLACE_NOT_FOUND', 'The bucket is gone.');
  };
  await fleet.until(id, 'failed');
  await fleet.untilTrue('its files are gone', async () => !(await names()).some((name) => name.includes(id)));
  expect((await names()).filter((name) => name.startsWith('.drover'))).toHaveLength(1);
  await fleet.untilTrue('nobody looks after it any more', async () => {
    const { rows } = await sql`SELECT FROM segments WHERE run_id = ${id} AND kind = 'sweep'`.execute(fleet.world.db);
    return rows.length === 0;
  });
});

test('an upload is journaled before its run ends or not at all', async () => {
  const { db, bus } = fleet.world;
  const job = await fleet.job({ objects: 0 });
  await makeRunRow(fleet.world, job, 'run-1');
  const intent = { runId: 'run-1', intentId: 'i', targetKey: 'k', startedAtMs: 1, upload: null };
  let saving: Promise<string> = Promise.resolve('not tried');
  await db.transaction().execute(async (tx) => {
    expect(await changeState(tx, bus, 'run-1', { from: ['running'], to: 'failed', error: null })).toBe(true);
    let said: string | null = null;
    saving = fleet.store.saveIntent(intent).then(
      () => (said = 'journaled'),
      (error: DroverError) => (said = error.code),
    );
    await fleet.untilTrue('it waits for the end', async () => {
      const { rows } = await sql`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
        AND datname = current_database() AND query LIKE '%intents%'`.execute(db);
      return rows.length > 0 || said !== null;
    });
  });
  expect(await saving).toBe('LEASE_LOST');
  expect(await fleet.store.intents('run-1')).toEqual([]);
});

test('of two workers that leave a run at once, the later one to write its sums has seen the costs of both', async () => {
  const { db } = fleet.world;
  const job = await fleet.job({ objects: 0 });
  await makeRunRow(fleet.world, job, 'run-1', { state: 'succeeded' });
  await sql`UPDATE runs SET ended_at = now()`.execute(db);
  let summing: Promise<void> = Promise.resolve();
  await db.transaction().execute(async (tx) => {
    await sql`SELECT FROM runs WHERE id = 'run-1' FOR NO KEY UPDATE`.execute(tx);
    summing = sumAgain(db, 'run-1');
    await fleet.untilTrue('it waits for the row', async () => {
      const { rows } = await sql`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
        AND datname = current_database()`.execute(db);
      return rows.length > 0;
    });
    await fleet.store.recordUsage('run-1', 'other', { requests: { source: { LIST: 2 }, target: {} }, activeMs: 5 });
  });
  await summing;
  expect(await fleet.store.getRun('run-1')).toMatchObject({ requests: { source: { LIST: 2 } } });
  const { rows } = await sql<{ requests: unknown }>`SELECT requests FROM runs`.execute(db);
  expect(rows).toEqual([{ requests: { source: { LIST: 2 }, target: {} } }]);
});

describe('a retry', () => {
  test('of a run whose log is gone says so instead of repeating nothing', async () => {
    const job = await fleet.job({ objects: 3 });
    job.from.ensure('s');
    job.to.ensure('t');
    await makeRunRow(fleet.world, job, 'failed-1', { state: 'completed-with-issues' });
    await makeRunRow(fleet.world, job, 'retry-1', { state: 'running', kind: 'retry' });
    await sql`UPDATE runs SET logs_expired = true, ended_at = now() WHERE id = 'failed-1'`.execute(fleet.world.db);
    await sql`UPDATE runs SET retry_of = 'failed-1' WHERE id = 'retry-1'`.execute(fleet.world.db);
    await fleet.worker('one');
    const run = await fleet.until('retry-1', 'failed', 'succeeded', 'paused');
    expect(run).toMatchObject({ state: 'failed', error: { code: 'ENTITY_NOT_FOUND' } });
  });

  test('that is wanted while the files that it needs are going is refused', async () => {
    const job = await fleet.job({ objects: 3 });
    await makeRunRow(fleet.world, job, 'failed-1', { state: 'completed-with-issues' });
    await sql`UPDATE runs SET ended_at = now() - interval '1000 days',
      counters = ${JSON.stringify({ ...ZERO_COUNTERS, items: { ...ZERO_COUNTERS.items, failed: 1 } })}::jsonb`.execute(
      fleet.world.db,
    );
    await fleet.world.artifacts.put('runs/failed-1/s0/1/log', Buffer.from('x'));
    // Retention is about to take the files of the run when the retry is queued.
    const { artifacts } = fleet.world;
    let retry: Promise<unknown> | null = null;
    const slow = {
      get: (name: string) => artifacts.get(name),
      put: (name: string, content: Uint8Array) => artifacts.put(name, content),
      list: (prefix: string) => artifacts.list(prefix),
      removeAll: async (prefix: string) => {
        retry ??= fleet.start(job, { kind: 'retry', retryOf: 'failed-1' }).then(
          () => 'begun',
          (error: DroverError) => error.code,
        );
        // Nothing is locked meanwhile.
        await retry;
        await artifacts.removeAll(prefix);
      },
    };
    await openRetention({ ...fleet.world, artifacts: slow }).tick(new AbortController().signal);
    expect(await retry).toBe('WRONG_STATE');
    expect(await artifacts.list('runs/failed-1/')).toEqual([]);
  });
});
