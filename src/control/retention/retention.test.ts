import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeConnector, makeJob, makeRunRow, type MadeJob } from '../../../test/control/made.ts';
import { FakeClock } from '../../lib/fake-world.ts';
import { newId } from '../ids.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import type { ControlWorld } from '../world.ts';
import { removeFilesOf } from './removed-runs.ts';
import { openRetention } from './retention.ts';
import { PostgresRunStore } from '../runs/store.ts';
import { ZERO_COUNTERS } from '../../model/outcome.ts';

const DAY_MS = 86_400_000;
const NEVER = new AbortController().signal;
let world: TestWorld;
let clock: FakeClock;
let job: MadeJob;

beforeAll(async () => {
  clock = new FakeClock(Date.UTC(2026, 5, 1));
  world = await openTestWorld({ clock, settings: { artifactRetentionDays: 30 } });
  const connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
});
afterAll(async () => world.close());

/** By the clock of these tests, as if it were the database's. */
function retaining(own: ControlWorld = world) {
  return openRetention(own, async () => clock.now());
}

let made = 0;
/** With its files, its chunks, an issue and a log line. */
async function makeRun(
  daysAgo: number,
  pairId: string,
  change: { snapshot?: boolean; state?: string; kind?: string } = {},
) {
  const { snapshot = true, state = 'succeeded', kind = 'transfer' } = change;
  const id = `retention${(made += 1)}`;
  const atMs = clock.now() - daysAgo * DAY_MS;
  await makeRunRow(world, job, id, {
    state,
    kind,
    pairId,
    queuedAtMs: atMs,
    ...(snapshot ? { manifestRoot: 'r' } : {}),
  });
  await sql`UPDATE runs SET ended_at = ${state === 'running' ? null : new Date(atMs)} WHERE id = ${id}`.execute(
    world.db,
  );
  await sql`INSERT INTO segments (run_id, segment_id, kind, state, counters) VALUES (${id}, 's', 'keys', 'done', '{}')`.execute(
    world.db,
  );
  const name = `runs/${id}/s/1/00000000.log.ndjson.gz`;
  await sql`INSERT INTO chunks (run_id, segment_id, name) VALUES (${id}, 's', ${name})`.execute(world.db);
  await sql`INSERT INTO run_items (run_id, segment_id, result, code, size_bytes, key_text, record)
    VALUES (${id}, 's', 'failed', 'CHANGED', 1, 'k', '{}')`.execute(world.db);
  await sql`INSERT INTO run_log (run_id, at, level, message) VALUES (${id}, now(), 'info', 'x')`.execute(world.db);
  await world.artifacts.put(name, Buffer.from('x'));
  await world.artifacts.put(`runs/${id}/snapshot.json`, Buffer.from('x'));
  return id;
}

async function inTables(id: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const table of ['segments', 'run_workers', 'run_sessions']) {
    const { rows } = await sql`SELECT FROM ${sql.table(table)} WHERE run_id = ${id}`.execute(world.db);
    if (rows.length > 0) found.push(table);
  }
  return found;
}

async function leftOf(id: string) {
  const { rows } = await sql<{ chunks: number; items: number; lines: number; expired: boolean; snapshot: boolean }>`
    SELECT (SELECT count(*)::int FROM chunks WHERE run_id = runs.id) AS chunks,
      (SELECT count(*)::int FROM run_items WHERE run_id = runs.id) AS items,
      (SELECT count(*)::int FROM run_log WHERE run_id = runs.id) AS lines,
      logs_expired AS expired, has_snapshot AS snapshot FROM runs WHERE id = ${id}`.execute(world.db);
  return { ...rows[0], files: (await world.artifacts.list(`runs/${id}/`)).length };
}

const WHOLE = { chunks: 1, items: 1, lines: 1, files: 2, expired: false };
const GONE = { chunks: 0, items: 0, lines: 0, files: 0, expired: true, snapshot: false };

async function all(signal = NEVER): Promise<void> {
  const retention = retaining();
  for (let looks = 0; (await retention.tick(signal)) > 0; looks++) expect(looks).toBeLessThan(20);
}

test('old logs go; the newest snapshot of each pair, young runs and running ones stay', async () => {
  const [oldest, newestOfPair] = [await makeRun(90, 'a'), await makeRun(60, 'a')];
  const failedAfter = await makeRun(50, 'a', { snapshot: false, state: 'failed' });
  const otherPair = await makeRun(80, 'b');
  const [young, running] = [await makeRun(10, 'c'), await makeRun(70, 'c', { state: 'running' })];
  await all();
  expect(await leftOf(oldest)).toEqual(GONE);
  expect(await leftOf(failedAfter)).toEqual(GONE);
  for (const id of [newestOfPair, otherPair, young, running]) expect(await leftOf(id)).toMatchObject(WHOLE);
  const { rows } = await sql`SELECT counters FROM runs WHERE id = ${oldest}`.execute(world.db);
  expect(rows).toHaveLength(1);
});

test('what the last retries know stays as long as no whole transfer has followed', async () => {
  const known = { snapshot: false, kind: 'retry' };
  const before = await makeRun(95, 'r', known);
  const snapshot = await makeRun(90, 'r');
  const retries: string[] = [];
  for (let days = 80; days > 75; days--) retries.push(await makeRun(days, 'r', known));
  // What failed before it had settled anything takes nobody's place.
  for (let days = 75; days > 70; days--) {
    await makeRunRow(world, job, `empty${days}`, {
      state: 'failed',
      pairId: 'r',
      queuedAtMs: clock.now() - days * DAY_MS,
    });
    await sql`UPDATE runs SET ended_at = queued_at WHERE id = ${`empty${days}`}`.execute(world.db);
  }
  const [read, looked] = [await makeRun(70, 's', { snapshot: false, kind: 'validate' }), await makeRun(69, 's')];
  const [comparison, listing] = [
    await makeRun(68, 's', { snapshot: false, kind: 'validate' }),
    await makeRun(67, 's', { snapshot: false, kind: 'validate' }),
  ];
  const readBack = JSON.stringify({ policy: { verify: 'read-back' } });
  await sql`UPDATE runs SET definition = ${readBack} WHERE id IN (${read}, ${comparison})`.execute(world.db);
  await all();
  for (const id of [before, retries[0] as string, read, listing]) expect(await leftOf(id)).toEqual(GONE);
  for (const id of [snapshot, looked, comparison, ...retries.slice(1)]) expect(await leftOf(id)).toMatchObject(WHOLE);
  await makeRun(1, 'r');
  await all();
  for (const id of [snapshot, ...retries]) expect(await leftOf(id)).toEqual(GONE);
});

test('the log that a retry reads from stays until the retry has ended', async () => {
  const [failed, _newer] = [await makeRun(90, 'd', { snapshot: false }), await makeRun(1, 'd')];
  const retry = await makeRun(1, 'e', { state: 'running', snapshot: false });
  await sql`UPDATE runs SET retry_of = ${failed} WHERE id = ${retry}`.execute(world.db);
  await all();
  expect(await leftOf(failed)).toMatchObject(WHOLE);
  await sql`UPDATE runs SET state = 'succeeded' WHERE id = ${retry}`.execute(world.db);
  await all();
  expect(await leftOf(failed)).toEqual(GONE);
});

/** The artifacts of this world, but for what is given here. */
function changed(change: Partial<TestWorld['artifacts']>): TestWorld {
  return { ...world, artifacts: Object.assign(Object.create(world.artifacts), change) };
}

test('whoever dies while files go leaves a run that says so, and the next look takes away the rest', async () => {
  const [old, _newer] = [await makeRun(90, 'f'), await makeRun(1, 'f')];
  const dying = changed({
    async removeAll(prefix) {
      await world.artifacts.removeAll(`${prefix}s/`);
      throw new Error('the disk is away');
    },
  });
  await retaining(dying).tick(NEVER);
  expect(world.logged.at(-1)).toContain('the disk is away');
  expect(await leftOf(old)).toEqual({ ...GONE, chunks: 1, items: 1, lines: 1, files: 1 });
  await all();
  expect(await leftOf(old)).toMatchObject({ chunks: 1, files: 1, expired: true });
  await clock.advance(3_600_001);
  await all();
  expect(await leftOf(old)).toEqual(GONE);
});

test('nothing is locked and no transaction is open while files go, and their rows say that they are gone', async () => {
  const [old, _newer] = [await makeRun(90, 'q'), await makeRun(1, 'q')];
  const artifact = newId(world);
  await sql`INSERT INTO artifacts (id, run_id, kind, file_name, object_name, state, created_at, created_by, expires_at)
    VALUES (${artifact}, ${old}, 'report-json', 'r.json', ${`reports/${old}/${artifact}`}, 'ready', now(), 'x',
      ${new Date(clock.now() - DAY_MS)})`.execute(world.db);
  const seen: unknown[] = [];
  const looking = changed({
    async removeAll(prefix) {
      const { rows: run } = await sql`SELECT logs_expired FROM runs WHERE id = ${old} FOR UPDATE NOWAIT`.execute(
        world.db,
      );
      const { rows: file } = await sql`SELECT state FROM artifacts WHERE id = ${artifact} FOR UPDATE NOWAIT`.execute(
        world.db,
      );
      const { rows: open } = await sql`SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'`.execute(world.db);
      seen.push([prefix, run[0], file[0], open.length]);
      await world.artifacts.removeAll(prefix);
    },
  });
  await retaining(looking).tick(NEVER);
  expect(seen).toEqual([
    [`reports/${old}/${artifact}`, { logs_expired: false }, { state: 'expired' }, 0],
    [`runs/${old}/`, { logs_expired: true }, { state: 'expired' }, 0],
  ]);
  expect(await leftOf(old)).toEqual(GONE);
});

test('of several servers one takes away what is left of a run', async () => {
  const [old, _newer] = [await makeRun(90, 'r'), await makeRun(1, 'r')];
  const removed: string[] = [];
  const slow = changed({
    async removeAll(prefix) {
      removed.push(prefix);
      // The other one looks while this one is at it.
      if (removed.length === 1) await retaining(slow).tick(NEVER);
      await world.artifacts.removeAll(prefix);
    },
  });
  await Promise.all([retaining(slow).tick(NEVER), retaining(slow).tick(NEVER)]);
  expect(removed).toEqual([`runs/${old}/`]);
  expect(await leftOf(old)).toEqual(GONE);
});

test('many rows go in steps', async () => {
  const [old, _newer] = [await makeRun(90, 's'), await makeRun(1, 's')];
  await sql`INSERT INTO run_items (run_id, segment_id, result, code, size_bytes, key_text, record)
    SELECT ${old}, 's', 'failed', 'CHANGED', 1, 'k' || n, '{}' FROM generate_series(1, 12000) AS n`.execute(world.db);
  const counts: number[] = [];
  const counting = world.db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      counts.push(Number(result.numAffectedRows ?? 0));
      return result;
    },
  });
  await retaining({ ...world, db: counting }).tick(NEVER);
  expect(await leftOf(old)).toEqual(GONE);
  expect(Math.max(...counts)).toBe(5_000);
});

test('a file of a report whose removal broke off is gone at the next look', async () => {
  const run = await makeRun(1, 't');
  const id = newId(world);
  await sql`INSERT INTO artifacts (id, run_id, kind, file_name, object_name, state, created_at, created_by, expires_at)
    VALUES (${id}, ${run}, 'report-json', 'r.json', ${`reports/${run}/${id}`}, 'ready', now(), 'x',
      ${new Date(clock.now() - DAY_MS)})`.execute(world.db);
  await world.artifacts.put(`reports/${run}/${id}`, Buffer.from('x'));
  await retaining(changed({ removeAll: async () => Promise.reject(new Error('away')) })).tick(NEVER);
  const stateNow = async () =>
    (await sql<{ state: string }>`SELECT state FROM artifacts WHERE id = ${id}`.execute(world.db)).rows[0]?.state;
  expect(await stateNow()).toBe('expired');
  await all();
  expect(await world.artifacts.list(`reports/${run}/`)).toHaveLength(1);
  await clock.advance(3_600_001);
  await all();
  expect(await world.artifacts.list(`reports/${run}/`)).toEqual([]);
  expect(await stateNow()).toBe('expired');
});

test('one that somebody wants again in this moment stays', async () => {
  const [old, _newer] = [await makeRun(90, 'u', { snapshot: false }), await makeRun(1, 'u')];
  const retry = await makeRun(1, 'v', { state: 'queued', snapshot: false });
  const opened = Promise.withResolvers<void>();
  // As whoever starts a repetition does: it locks the run first.
  const starting = world.db.transaction().execute(async (tx) => {
    await sql`SELECT FROM runs WHERE id = ${old} FOR UPDATE`.execute(tx);
    opened.resolve();
    await expect
      .poll(async () => {
        const { rows } = await sql`SELECT FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'`.execute(world.db);
        return rows.length;
      })
      .toBe(1);
    await sql`UPDATE runs SET retry_of = ${old} WHERE id = ${retry}`.execute(tx);
  });
  await opened.promise;
  await Promise.all([starting, retaining(world).tick(NEVER)]);
  expect(await leftOf(old)).toMatchObject(WHOLE);
  await sql`UPDATE runs SET state = 'succeeded' WHERE id = ${retry}`.execute(world.db);
  await all();
  expect(await leftOf(old)).toEqual(GONE);
});

test('what cannot be removed holds up nothing else, and is tried later and later', async () => {
  const ids = [await makeRun(91, 'p'), await makeRun(90, 'p'), await makeRun(1, 'p')] as const;
  const { artifacts } = world;
  const tried: { atMs: number; counted: number }[] = [];
  const removeAll = async (prefix: string): Promise<void> => {
    if (!prefix.includes(`${ids[0]}/`)) return artifacts.removeAll(prefix);
    const row = await world.db.selectFrom('runs').select('cleaning_attempts').where('id', '=', ids[0]).execute();
    tried.push({ atMs: clock.now(), counted: row[0]?.cleaning_attempts ?? 0 });
    throw new Error('this one cannot go');
  };
  const retention = retaining({ ...world, artifacts: Object.assign(Object.create(artifacts), { removeAll }) });
  for (let hours = 0; hours < 70; hours++) {
    await retention.tick(NEVER);
    await clock.advance(3_600_001);
  }
  expect(await leftOf(ids[1])).toEqual(GONE);
  // Counted before it begins: a server that ends in the middle counts too.
  expect(tried.map(({ counted }) => counted)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  const waits = tried.slice(1).map(({ atMs }, at) => Math.floor((atMs - (tried[at]?.atMs ?? 0)) / 3_600_000));
  expect(waits).toEqual([1, 2, 4, 8, 16, 24]);
});

test('files of reports expire, and say so', async () => {
  const run = await makeRun(1, 'g');
  const insert = async (state: string, daysLeft: number) => {
    const id = newId(world);
    await sql`INSERT INTO artifacts (id, run_id, kind, file_name, object_name, state, created_at, created_by, expires_at)
      VALUES (${id}, ${run}, 'report-json', 'r.json', ${`reports/${run}/${id}`}, ${state}, now(), 'x',
        ${new Date(clock.now() + daysLeft * DAY_MS)})`.execute(world.db);
    await world.artifacts.put(`reports/${run}/${id}`, Buffer.from('x'));
    return id;
  };
  const [old, failed, young] = [await insert('ready', -1), await insert('failed', -1), await insert('ready', 1)];
  await all();
  const { rows } = await sql<{ id: string; state: string }>`
    SELECT id, state FROM artifacts WHERE run_id = ${run}`.execute(world.db);
  expect(Object.fromEntries(rows.map(({ id, state }) => [id, state]))).toEqual({
    [old]: 'expired',
    [failed]: 'expired',
    [young]: 'ready',
  });
  expect(await world.artifacts.list(`reports/${run}/`)).toEqual([`reports/${run}/${young}`]);
});

test('a stop ends it between two runs', async () => {
  const ids = [await makeRun(90, 'h'), await makeRun(89, 'h'), await makeRun(1, 'h')];
  const stopper = new AbortController();
  const removing = {
    removeAll: async (prefix: string) => {
      stopper.abort();
      await world.artifacts.removeAll(prefix);
    },
  };
  const artifacts = Object.assign(Object.create(world.artifacts), removing);
  await retaining({ ...world, artifacts }).tick(stopper.signal);
  expect(await leftOf(ids[0] ?? '')).toEqual(GONE);
  expect(await leftOf(ids[1] ?? '')).toMatchObject(WHOLE);
});

test('of runs that went with their job the files go, also where whoever deleted it could not take them along', async () => {
  const own = await makeJob(world, job.source, { ...job.target, prefix: 'own/' });
  const ids: string[] = [];
  for (const name of ['w1', 'w2', 'w3']) {
    const id = await makeRun(1, name);
    await sql`UPDATE runs SET job_id = ${own.jobId} WHERE id = ${id}`.execute(world.db);
    await world.artifacts.put(`reports/${id}/report`, Buffer.from('x'));
    ids.push(id);
  }
  const files = async () =>
    (
      await Promise.all(ids.flatMap((id) => [`runs/${id}/`, `reports/${id}/`]).map((at) => world.artifacts.list(at)))
    ).flat().length;
  await sql`DELETE FROM jobs WHERE id = ${own.jobId}`.execute(world.db);
  // The first one it could still take along.
  await removeFilesOf(world, ids.slice(0, 1));
  await all();
  expect(await files()).toBe(6);
  await sql`UPDATE removed_runs SET again_at = again_at - interval '1 hour'`.execute(world.db);
  const stuck = changed({
    async removeAll(prefix) {
      if (prefix.includes(ids[1] as string)) throw new Error('this one cannot go');
      await world.artifacts.removeAll(prefix);
    },
  });
  await Promise.all([1, 2].map(() => retaining(stuck).tick(NEVER)));
  expect(await files()).toBe(3);
  const { rows } = await sql`SELECT id, attempts FROM removed_runs WHERE again_at > clock_timestamp()`.execute(
    world.db,
  );
  expect(rows).toEqual([{ id: ids[1], attempts: 1 }]);
  await sql`UPDATE removed_runs SET again_at = clock_timestamp()`.execute(world.db);
  await all();
  expect(await files()).toBe(0);
  expect((await sql`SELECT FROM removed_runs`.execute(world.db)).rows).toEqual([]);
});

test('rows that nobody asks for any more go: deliveries, sessions, idempotency keys', async () => {
  const days = (count: number) => new Date(clock.now() - count * DAY_MS);
  const id = newId(world);
  await sql`INSERT INTO subscriptions (id, created_at, created_by, updated_at, name, kind, destination, events, digest, enabled)
    VALUES (${id}, now(), 'x', now(), 'S', 'email', 'a@b.c', '[]', 'none', false)`.execute(world.db);
  for (const [at, state] of [
    [31, 'delivered'],
    [31, 'pending'],
    [29, 'delivered'],
  ] as const) {
    await sql`INSERT INTO deliveries (subscription_id, event_id, at, event, payload, state)
      VALUES (${id}, ${newId(world)}, ${days(at)}, 'run.failed', '{}', ${state})`.execute(world.db);
  }
  for (const age of [0.5, 2]) {
    await sql`INSERT INTO idempotency (scope, key, request_hash, created_at)
      VALUES ('s', ${String(age)}, 'h', ${days(age)})`.execute(world.db);
  }
  await all();
  expect((await sql`SELECT FROM deliveries`.execute(world.db)).rows).toHaveLength(1);
  expect((await sql`SELECT key FROM idempotency`.execute(world.db)).rows).toEqual([{ key: '0.5' }]);
});

test('of a run that has come of age its row remains, with the sums that it had', async () => {
  const store = new PostgresRunStore(world.db);
  const [old, newest] = [await makeRun(90, 'i', { snapshot: false }), await makeRun(1, 'i')];
  const counters = { ...ZERO_COUNTERS, items: { ...ZERO_COUNTERS.items, scanned: 7, copied: 7 } };
  for (const id of [old, newest]) {
    await sql`UPDATE segments SET counters = ${JSON.stringify(counters)}::jsonb WHERE run_id = ${id}`.execute(world.db);
    await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at, left_at)
      VALUES (${id}, gen_random_uuid(), now(), now(), now())`.execute(world.db);
    await store.recordUsage(id, 'w/1', { requests: { source: { GET: 7 }, target: {} }, activeMs: 5 });
    await sql`UPDATE runs SET counters = ${JSON.stringify(counters)}::jsonb,
      requests = '{"source":{"GET":7},"target":{}}' WHERE id = ${id}`.execute(world.db);
  }
  const before = await store.getRun(old);
  expect(before?.counters.items.copied).toBe(7);
  await all();
  expect(await inTables(old)).toEqual([]);
  expect(await inTables(newest)).toEqual(['segments', 'run_workers', 'run_sessions']);
  const { durationMs: _before, ...sums } = before ?? { durationMs: 0 };
  expect(await store.getRun(old)).toMatchObject(sums);
});

test('workers and servers that went long ago are forgotten', async () => {
  const days = (count: number) => new Date(clock.now() - count * DAY_MS);
  for (const [name, age] of [
    ['old', 31],
    ['silent', 31],
    ['recent', 29],
  ] as const) {
    const state = name === 'silent' ? 'active' : 'gone';
    await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
      VALUES (${newId(world)}, ${name}, 'h', 1, '1', 1, ${state}, ${days(age)}, ${days(age)})`.execute(world.db);
    await sql`INSERT INTO servers (id, host, pid, program_version, protocol, started_at, seen_at)
      VALUES (${newId(world)}, ${name}, 1, '1', 1, ${days(age)}, ${days(age)})`.execute(world.db);
  }
  await all();
  expect((await sql`SELECT name FROM workers`.execute(world.db)).rows).toEqual([{ name: 'recent' }]);
  expect((await sql`SELECT host FROM servers`.execute(world.db)).rows).toEqual([{ host: 'recent' }]);
});

test('failed attempts to sign in that count no more are forgotten, also when nobody signs in', async () => {
  for (const [key, hours] of [
    ['over', -1],
    ['counts', 1],
  ] as const) {
    await sql`INSERT INTO sign_in_attempts (key, failures, forgotten_at)
      VALUES (${key}, 1, ${new Date(clock.now() + hours * 3_600_000)})`.execute(world.db);
  }
  await all();
  expect((await sql`SELECT key FROM sign_in_attempts`.execute(world.db)).rows).toEqual([{ key: 'counts' }]);
});

test('a server whose clock is far ahead takes away nothing that is to be kept, and one that is behind does its part', async () => {
  const now = async () => (await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(world.db)).rows[0]!.now;
  const ended = async (id: string, days: number): Promise<void> => {
    const at = new Date((await now()).getTime() - days * DAY_MS);
    await sql`UPDATE runs SET ended_at = ${at}, queued_at = ${at} WHERE id = ${id}`.execute(world.db);
  };
  const [old, young, newest] = [await makeRun(3, 'x'), await makeRun(2, 'x'), await makeRun(1, 'x')];
  await ended(old, 31);
  await ended(young, 29);
  await ended(newest, 1);
  await world.db.updateTable('runs').set({ logs_expired: true }).where('id', 'not in', [old, young, newest]).execute();
  const at = (offMs: number) =>
    openRetention({ ...world, clock: Object.assign(Object.create(clock), { now: () => Date.now() + offMs }) });
  await at(365 * DAY_MS).tick(NEVER);
  expect(await leftOf(young)).toMatchObject(WHOLE);
  expect(await leftOf(old)).toEqual(GONE);
  await ended(young, 31);
  await at(-365 * DAY_MS).tick(NEVER);
  expect(await leftOf(young)).toEqual(GONE);
});
