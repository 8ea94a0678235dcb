/** What the engine expects of its state, held against both homes of it. */
import fc from 'fast-check';
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PostgresRunStore } from '../../src/control/runs/store.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import type { Commit, Lease, NewSegment, RunStore } from '../../src/engine/ports.ts';
import { keyFromBytes } from '../../src/model/key.ts';
import { ZERO_COUNTERS, type ItemRecord } from '../../src/model/outcome.ts';
import { DEFAULT_POLICY, type Policy } from '../../src/model/policy.ts';
import { copied, makeFolder, openAt, runOf } from '../../src/standalone/testing.ts';
import { makeConnector, makeJob, makeRunRow, type MadeJob } from './made.ts';

interface RunMade {
  readonly transferId?: string;
  readonly pairId?: string;
  readonly policy?: Partial<Policy>;
  readonly manifestRoot?: string;
}

interface Home {
  readonly store: RunStore;
  createRun(runId: string, change?: RunMade): Promise<void>;
  close(): Promise<void>;
}

let world: TestWorld;
let job: MadeJob;

beforeAll(async () => {
  world = await openTestWorld();
  const connectorId = await makeConnector(world, { provider: 'memory', config: { store: 'x' }, fingerprint: 'f' });
  job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
});
afterAll(() => world.close());

async function openSqlite(): Promise<Home> {
  const { folder, removeFolder } = makeFolder();
  const standalone = await openAt(folder);
  return {
    store: standalone.store,
    createRun: (runId, { policy, ...change } = {}) => {
      const base = runOf(runId, change);
      const definition = { ...base.definition, policy: { ...DEFAULT_POLICY, ...policy } };
      return standalone.store.createRun({ ...base, definition });
    },
    close: async () => {
      await standalone.close();
      removeFolder();
    },
  };
}

let made = 0;

async function openPostgres(): Promise<Home> {
  await sql`DELETE FROM runs`.execute(world.db);
  return {
    // So that no lease runs out while the machine stands still.
    store: new PostgresRunStore(world.db, { leaseValidMs: 60_000 }),
    createRun: (runId, change = {}) => {
      const { policy } = change;
      const kind = policy?.dryRun === true ? 'dry-run' : policy?.mode === 'check' ? 'validate' : 'transfer';
      return makeRunRow(world, job, runId, { ...change, kind, queuedAtMs: 1_000 + made++ });
    },
    close: async () => undefined,
  };
}

const whole = { segmentId: 's1', kind: 'keys', from: null, to: null } as const;
const settle = { segmentId: 'settle', kind: 'settle', from: null, to: null } as const;
const checkpoint = { settledKey: 'm', sourceCursor: { page: 3 }, targetCursor: null, nextChunk: 2 };
const commitOf = (items: number, chunks: string[], done = false): Commit => ({
  checkpoint,
  addChunks: chunks,
  addCounters: copied(items, items * 10),
  addIssues: [],
  done,
});
const [w1, w2] = [randomUUID(), randomUUID()];

describe.each([
  ['SQLite', openSqlite],
  ['PostgreSQL', openPostgres],
] as const)('the state on %s', (_name, open) => {
  let home: Home;
  let store: RunStore;
  beforeEach(async () => {
    home = await open();
    store = home.store;
    return () => home.close();
  });

  async function makeRun(runId: string, segments: readonly NewSegment[]): Promise<void> {
    await home.createRun(runId);
    await store.startSegments(runId, segments);
  }

  async function claimed(runId = 'run-1', worker = w1): Promise<Lease> {
    const lease = await store.claim(runId, worker);
    if (lease === null) throw new Error('nothing to claim');
    return lease;
  }

  test('a run is found by its transfer while it has not ended', async () => {
    await home.createRun('run-1', { transferId: 'a' });
    await home.createRun('run-2', { transferId: 'a' });
    await home.createRun('run-3', { transferId: 'b' });
    expect((await store.findUnfinished('a'))?.runId).toBe('run-2');
    expect((await store.getRun('run-1'))?.definition.policy).toEqual(DEFAULT_POLICY);
    expect(await store.getRun('run-9')).toBeNull();
    await store.updateRun('run-2', { state: 'failed', endedAtMs: 7 });
    expect(await store.getRun('run-2')).toMatchObject({ state: 'failed', endedAtMs: 7 });
    expect((await store.findUnfinished('a'))?.runId).toBe('run-1');
    await expect(store.updateRun('run-9', { state: 'failed' })).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(new Set((await store.listRuns(10)).map(({ runId }) => runId))).toEqual(new Set(['run-1', 'run-2', 'run-3']));
  });

  test('requests of sessions add up, and saying them again changes nothing', async () => {
    await home.createRun('run-1');
    const usage = { requests: { source: { LIST: 1 }, target: { PUT: 2 } }, activeMs: 10 };
    await store.recordUsage('run-1', `${w1}/1`, usage);
    await store.recordUsage('run-1', `${w1}/1`, usage);
    await store.recordUsage('run-1', `${w2}/2`, { ...usage, activeMs: 5 });
    const run = await store.getRun('run-1');
    expect(run?.requests).toEqual({ source: { LIST: 2 }, target: { PUT: 4 } });
    expect(run?.durationMs).toBeGreaterThan(0);
    await expect(store.recordUsage('run-2', `${w1}/1`, usage)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  test('the latest snapshot is that of the newest settled run of the pair which wrote', async () => {
    await home.createRun('old', { pairId: 'p', manifestRoot: 'r' });
    await home.createRun('settled', { pairId: 'p', manifestRoot: 'r', transferId: 'other' });
    await home.createRun('unsettled', { pairId: 'p' });
    await home.createRun('dry', { pairId: 'p', manifestRoot: 'r', policy: { dryRun: true } });
    await home.createRun('check', { pairId: 'p', manifestRoot: 'r', policy: { mode: 'check' } });
    await home.createRun('foreign', { pairId: 'q', manifestRoot: 'r' });
    expect((await store.findLatestSnapshot('t', 'p'))?.runId).toBe('settled');
    expect(await store.findLatestSnapshot('t', 'z')).toBeNull();
  });

  test('evidence are the ended runs of the pair since its snapshot that moved or read, newest first', async () => {
    const readBack = { mode: 'check', verify: 'read-back' } as const;
    await home.createRun('before', { pairId: 'e', policy: readBack });
    await home.createRun('settled', { pairId: 'e', manifestRoot: 'r' });
    await home.createRun('failed', { pairId: 'e' });
    await home.createRun('read', { pairId: 'e', policy: readBack });
    await home.createRun('dry', { pairId: 'e', policy: { dryRun: true, verify: 'read-back' } });
    await home.createRun('check', { pairId: 'e', policy: { mode: 'check' } });
    await home.createRun('going', { pairId: 'e' });
    await home.createRun('foreign', { pairId: 'f', policy: readBack });
    const ended = ['before', 'settled', 'failed', 'read', 'dry', 'check', 'foreign'];
    for (const id of [...ended, 'going']) {
      await store.startSegments(id, [whole]);
      await store.commit((await store.claim(id, randomUUID())) as Lease, commitOf(1, [`${id}-1`]));
    }
    await home.createRun('never-began', { pairId: 'e' });
    ended.push('never-began');
    for (const id of ended) await store.updateRun(id, { state: 'failed', endedAtMs: Date.now() });
    const found = async (limit: number) => (await store.findEvidence('e', limit)).map(({ runId }) => runId);
    expect(await found(9)).toEqual(['read', 'failed']);
    expect(await found(1)).toEqual(['read']);
    expect(await store.findEvidence('z', 9)).toEqual([]);
  });

  test('commits add up in the segment and in the run', async () => {
    await makeRun('run-1', [whole, { ...whole, segmentId: 's2', from: 'n' }]);
    const [first, second] = [await claimed(), await claimed()];
    await store.commit(first, commitOf(2, ['a']));
    await store.commit(second, commitOf(3, ['c']));
    await store.commit(first, commitOf(5, ['b', 'd'], true));
    const [s1, s2] = await store.segments('run-1');
    expect(s1).toMatchObject({ state: 'done', chunks: ['a', 'b', 'd'], counters: copied(7, 70), checkpoint });
    expect(s2).toMatchObject({ state: 'open', chunks: ['c'], counters: copied(3, 30) });
    expect((await store.getRun('run-1'))?.counters).toEqual(copied(10, 100));
  });

  test('nobody gets a segment that is held, and kinds come in their order, keys in theirs', async () => {
    await makeRun('run-1', [
      { segmentId: 'd', kind: 'deletes', from: null, to: null },
      { segmentId: 'm', kind: 'mapped', from: null, to: null },
      { segmentId: 'k2', kind: 'keys', from: '\u{1f600}', to: null },
      { segmentId: 'k1', kind: 'keys', from: '\uffee', to: '\u{1f600}' },
      { segmentId: 'k0', kind: 'keys', from: null, to: '\uffee' },
    ]);
    const order: string[] = [];
    for (let lease = await store.claim('run-1', w1); lease !== null; lease = await store.claim('run-1', w1)) {
      order.push(lease.segment.segmentId);
    }
    expect(order).toEqual(['k0', 'k1', 'k2', 'm', 'd']);
    expect((await store.segments('run-1')).map(({ segmentId }) => segmentId)).toEqual(order);
    expect(await store.claim('run-2', w1)).toBeNull();
  });

  test('the first segments are those of whoever comes first, and a known id is left as it is', async () => {
    await home.createRun('run-1');
    await store.startSegments('run-1', [whole]);
    await store.startSegments('run-1', [{ ...whole, segmentId: 'other' }]);
    await store.commit(await claimed(), commitOf(1, ['a'], true));
    await store.addSegments('run-1', [whole, settle]);
    await store.addSegments('run-1', [settle]);
    expect(await store.segments('run-1')).toMatchObject([
      { segmentId: 's1', state: 'done', chunks: ['a'] },
      { segmentId: 'settle', state: 'open' },
    ]);
    await expect(store.startSegments('run-9', [whole])).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  test('workers that start a run at once agree on its first segments', async () => {
    await home.createRun('run-1');
    const cuts = (name: string): NewSegment[] => [
      { ...whole, segmentId: `${name}0`, to: 'm' },
      { ...whole, segmentId: `${name}1`, from: 'm' },
    ];
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => store.startSegments('run-1', cuts(name))));
    const segments = await store.segments('run-1');
    expect(segments).toHaveLength(2);
    expect(segments[0]!.segmentId[0]).toBe(segments[1]!.segmentId[0]);
  });

  test('a run ends once, with its settle segment, and nothing of it can be claimed afterwards', async () => {
    await makeRun('run-1', [settle, { ...settle, segmentId: 'settle-2' }]);
    const end = { state: 'succeeded', endedAtMs: 9, error: null, manifestRoot: 'r' } as const;
    const old = await claimed();
    await store.release(old);
    await expect(store.endRun(old, end)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect((await store.getRun('run-1'))?.state).toBe('running');
    const [fresh, other] = [await claimed(), await claimed()];
    await store.endRun(fresh, end);
    const ended = await store.getRun('run-1');
    expect(ended).toMatchObject({ state: 'succeeded', error: null, manifestRoot: 'r' });
    const { segmentId } = fresh.segment;
    expect((await store.segments('run-1')).find((segment) => segment.segmentId === segmentId)?.state).toBe('done');
    await expect(store.endRun(other, { ...end, state: 'failed' })).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect((await store.getRun('run-1'))?.state).toBe('succeeded');
    await store.release(other);
    expect(await store.claim('run-1', w1)).toBeNull();
  });

  test('concurrent claims never hand out the same segment', async () => {
    const segments = Array.from({ length: 20 }, (_, i) => ({ ...whole, segmentId: `s${i}`, from: String(i) }));
    await makeRun('run-1', segments);
    const leases = await Promise.all(Array.from({ length: 30 }, () => store.claim('run-1', randomUUID())));
    const ids = leases.flatMap((lease) => (lease === null ? [] : [lease.segment.segmentId]));
    // Whoever met a row that another one was just taking may have left without; asking again gets the rest.
    for (let lease = await store.claim('run-1', w2); lease !== null; lease = await store.claim('run-1', w2)) {
      ids.push(lease.segment.segmentId);
    }
    expect(new Set(ids).size).toBe(20);
    expect(ids).toHaveLength(20);
  });

  test('a released segment is free again under a higher epoch, and the old lease is refused everything', async () => {
    await makeRun('run-1', [whole]);
    const old = await claimed();
    await store.commit(old, commitOf(1, ['a']));
    await store.release(old);
    await expect(store.commit(old, commitOf(1, ['x']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    const fresh = await claimed();
    expect(fresh.epoch).toBe(old.epoch + 1);
    expect(fresh.segment).toMatchObject({ checkpoint, chunks: ['a'], counters: copied(1, 10) });
    for (const refused of [
      () => store.commit(old, commitOf(1, ['x'])),
      () => store.split(old, 'q', 's2'),
      () => store.reset(old),
    ]) {
      await expect(refused()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    }
    await store.release(old);
    expect(await store.claim('run-1', w2)).toBeNull();
    await store.commit(fresh, commitOf(1, ['b'], true));
    expect((await store.getRun('run-1'))?.counters).toEqual(copied(2, 20));
    await expect(store.commit(fresh, commitOf(1, ['c']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
  });

  test('a split shrinks the held segment and opens the rest, or does nothing', async () => {
    await makeRun('run-1', [{ ...whole, from: 'b', to: 'y' }]);
    const lease = await claimed();
    await store.commit(lease, commitOf(1, ['a']));
    for (const at of ['b', 'a', 'y', 'z', 'm', 'c']) {
      await expect(store.split(lease, at, 's2')).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    const shrunk = await store.split(lease, 'p', 's2');
    expect(shrunk).toMatchObject({ epoch: 1, segment: { from: 'b', to: 'p' } });
    expect(await store.segments('run-1')).toMatchObject([
      { segmentId: 's1', from: 'b', to: 'p', counters: copied(1, 10) },
      { segmentId: 's2', from: 'p', to: 'y', state: 'open', checkpoint: null, chunks: [], counters: ZERO_COUNTERS },
    ]);
    await store.commit(shrunk, commitOf(1, ['b'], true));
    expect((await claimed()).segment.segmentId).toBe('s2');
  });

  test('a reset forgets what the segment settled and takes it from the run', async () => {
    await makeRun('run-1', [whole, { ...whole, segmentId: 's2', from: 'n' }]);
    const [first, second] = [await claimed(), await claimed()];
    await store.commit(first, commitOf(2, ['a', 'b']));
    await store.commit(second, commitOf(3, ['c']));
    const again = await store.reset(first);
    expect(again).toMatchObject({ epoch: 1, segment: { checkpoint: null, chunks: [], counters: ZERO_COUNTERS } });
    expect((await store.getRun('run-1'))?.counters).toEqual(copied(3, 30));
    await store.commit(again, commitOf(1, ['a'], true));
    expect((await store.getRun('run-1'))?.counters).toEqual(copied(4, 40));
    expect((await store.segments('run-1'))[0]?.chunks).toEqual(['a']);
  });

  test('every key comes back as it was, whatever is in it', async () => {
    const key = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => keyFromBytes(bytes));
    let number = 0;
    await fc.assert(
      fc.asyncProperty(key, key, async (from, to) => {
        const runId = `r${number++}`;
        await makeRun(runId, [{ ...whole, from, to }]);
        const lease = await claimed(runId);
        await store.commit(lease, { ...commitOf(1, []), checkpoint: { ...checkpoint, settledKey: from } });
        await store.saveIntent({ runId, intentId: 'i', targetKey: to, startedAtMs: 1, upload: null });
        expect((await store.segments(runId))[0]).toMatchObject({ from, to, checkpoint: { settledKey: from } });
        expect((await store.intents(runId))[0]?.targetKey).toBe(to);
      }),
      { numRuns: 40 },
    );
  });

  test('intents are replaced by id and dropped, also when they are gone', async () => {
    await home.createRun('run-1');
    const intent = { runId: 'run-1', intentId: 'i1', targetKey: 'a\u0000\udc80', startedAtMs: 5, upload: null };
    await store.saveIntent(intent);
    await store.saveIntent({ ...intent, intentId: 'i2' });
    await store.saveIntent({ ...intent, upload: { id: 'u' } });
    expect(await store.intents('run-1')).toEqual([
      { ...intent, upload: { id: 'u' } },
      { ...intent, intentId: 'i2' },
    ]);
    await store.dropIntent('run-1', 'i1');
    await store.dropIntent('run-1', 'i1');
    expect(await store.intents('run-1')).toEqual([{ ...intent, intentId: 'i2' }]);
  });

  test('a run that has ended takes no intent, and those it has can be dropped', async () => {
    await makeRun('run-1', [settle]);
    const intent = { runId: 'run-1', intentId: 'i1', targetKey: 'a', startedAtMs: 5, upload: null };
    await store.saveIntent(intent);
    await store.endRun(await claimed(), { state: 'succeeded', endedAtMs: 9, error: null, manifestRoot: 'r' });
    for (const late of [intent, { ...intent, intentId: 'i2' }]) {
      await expect(store.saveIntent(late)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    }
    expect(await store.intents('run-1')).toEqual([intent]);
    await store.dropIntent('run-1', 'i1');
    expect(await store.intents('run-1')).toEqual([]);
  });
});

describe('leases on PostgreSQL', () => {
  let store: PostgresRunStore;
  beforeEach(async () => {
    await sql`DELETE FROM runs`.execute(world.db);
    await makeRunRow(world, job, 'run-1');
    store = new PostgresRunStore(world.db, { leaseValidMs: 60_000 });
    await store.startSegments('run-1', [whole]);
  });

  async function runOut(): Promise<void> {
    await sql`UPDATE segments SET lease_until = clock_timestamp() - interval '1 ms'`.execute(world.db);
  }

  test('one that ran out goes to whoever asks, once, is counted, and fences the old holder off', async () => {
    const old = await store.claim('run-1', w1);
    expect(await store.claim('run-1', w2)).toBeNull();
    await runOut();
    const takers = await Promise.all([store.claim('run-1', w2), store.claim('run-1', w2), store.claim('run-1', w2)]);
    const fresh = takers.filter((lease) => lease !== null);
    expect(fresh).toHaveLength(1);
    expect(fresh[0]?.epoch).toBe(2);
    await expect(store.commit(old!, commitOf(1, ['x']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    const { rows } = await sql<{ takeovers: number }>`SELECT takeovers FROM segments`.execute(world.db);
    expect(rows).toEqual([{ takeovers: 1 }]);
  });

  test('one that ran out and nobody took still commits', async () => {
    const lease = await store.claim('run-1', w1);
    await runOut();
    await store.commit(lease!, commitOf(2, ['a']));
    expect((await store.getRun('run-1'))?.counters).toEqual(copied(2, 20));
  });

  test.each(['queued', 'pausing', 'paused', 'cancelling', 'cancelled', 'failed'])(
    'nothing of a run that is %s can be claimed',
    async (state) => {
      await store.updateRun('run-1', { state: state as 'queued' });
      expect(await store.claim('run-1', w1)).toBeNull();
    },
  );

  test('whoever works on one segment never waits for whoever writes another, nor for the row of the run', async () => {
    await store.addSegments('run-1', [{ ...whole, segmentId: 's2', from: 'n' }]);
    const [a, b] = [await store.claim('run-1', w1), await store.claim('run-1', w2)];
    const held = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holding = world.db.transaction().execute(async (tx) => {
      await sql`UPDATE segments SET lock_wait_ms = 0 WHERE segment_id = ${a!.segment.segmentId}`.execute(tx);
      await sql`UPDATE runs SET sequence = sequence + 1`.execute(tx);
      locked.resolve();
      await held.promise;
    });
    await locked.promise;
    await store.commit(b!, commitOf(1, ['a']));
    await store.split(b!, 'q', 's3');
    await store.recordUsage('run-1', `${w2}/s`, { requests: { source: {}, target: {} }, activeMs: 1 });
    expect((await store.claim('run-1', w2))?.segment.segmentId).toBe('s3');
    held.resolve();
    await holding;
  });

  test('issues are kept up to the limit, and forgotten with their segment', async () => {
    const lease = (await store.claim('run-1', w1)) as Lease;
    const issue: ItemRecord = {
      key: 'a\u0000\udc80',
      result: 'failed',
      kind: 'object',
      sizeBytes: 1,
      code: 'CORRUPTED',
    };
    const failed = (count: number) => ({
      ...ZERO_COUNTERS,
      items: { ...ZERO_COUNTERS.items, scanned: count, failed: count },
    });
    await store.commit(lease, { ...commitOf(0, []), addCounters: failed(99_999), addIssues: [issue] });
    await store.commit(lease, { ...commitOf(0, []), addCounters: failed(2), addIssues: [issue, issue] });
    await store.commit(lease, { ...commitOf(0, []), addCounters: failed(1), addIssues: [issue] });
    const { rows } = await sql<{ key_text: string; record: string }>`SELECT * FROM run_items ORDER BY number`.execute(
      world.db,
    );
    expect(rows).toHaveLength(2);
    expect(rows[0]?.key_text).toBe('a\ufffd\ufffd');
    expect(JSON.parse(rows[0]!.record)).toEqual(issue);
    await store.reset(lease);
    expect((await sql`SELECT FROM run_items`.execute(world.db)).rows).toHaveLength(0);
  });

  test('a worker waits as long as it says so and is heard of', async () => {
    expect(await store.waiting('run-1')).toBe(0);
    await store.setWaiting('run-1', w1, true);
    await store.setWaiting('run-1', w2, true);
    await store.setWaiting('run-1', w2, false);
    expect(await store.waiting('run-1')).toBe(1);
    await sql`UPDATE run_workers SET seen_at = clock_timestamp() - interval '1 minute'`.execute(world.db);
    expect(await store.waiting('run-1')).toBe(0);
  });

  test('time at work counts once where workers were at it at the same time', async () => {
    const usage = (activeMs: number) => ({ requests: { source: {}, target: {} }, activeMs });
    await store.recordUsage('run-1', `${w1}/a`, usage(60_000));
    await store.recordUsage('run-1', `${w2}/b`, usage(30_000));
    await sql`UPDATE run_sessions SET started_at = started_at - interval '1 hour', seen_at = seen_at - interval '1 hour'
      WHERE session = ${`${w2}/b`}`.execute(world.db);
    await store.recordUsage('run-1', `${w2}/c`, usage(20_000));
    expect(Math.round(((await store.getRun('run-1'))?.durationMs ?? 0) / 1_000)).toBe(90);
  });

  test('whoever leaves a run while he clears up after it keeps that in hand', async () => {
    const lease = await store.claim('run-1', w1);
    await sql`INSERT INTO segments (run_id, segment_id, kind, state, epoch, worker_id, counters)
      VALUES ('run-1', 'sweep', 'sweep', 'open', 1, ${w1}::uuid, '{}')`.execute(world.db);
    const sweep = { runId: 'run-1', segmentId: 'sweep', epoch: 1 };
    store.hold(sweep);
    await store.releaseAll('run-1', w1);
    expect(store.held).toEqual([sweep]);
    const { rows } = await sql<{ segment_id: string }>`
      SELECT segment_id FROM segments WHERE worker_id IS NOT NULL`.execute(world.db);
    expect(rows.map(({ segment_id: id }) => id)).toEqual(['sweep']);
    expect(lease).not.toBeNull();
  });

  test('a run ends by the clock of the database, by which it is reckoned what may still come to its target', async () => {
    await makeRunRow(world, job, 'run-2', {});
    await store.startSegments('run-2', [settle]);
    const lease = await store.claim('run-2', w1);
    const dayMs = 86_400_000;
    await store.endRun(lease!, {
      state: 'succeeded',
      endedAtMs: Date.now() - dayMs,
      error: null,
      manifestRoot: null,
    });
    const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(world.db);
    const { endedAtMs } = (await store.getRun('run-2'))!;
    expect(Math.abs(rows[0]!.now.getTime() - endedAtMs!)).toBeLessThan(dayMs / 2);
  });

  test('a retry is no base for comparing', async () => {
    await makeRunRow(world, job, 'run-2', { kind: 'retry', pairId: 'rp' });
    await store.startSegments('run-2', [settle]);
    const lease = await store.claim('run-2', w1);
    await store.endRun(lease!, { state: 'succeeded', endedAtMs: 9, error: null, manifestRoot: 'r' });
    expect(await store.findLatestSnapshot('t', 'rp')).toBeNull();
  });
});
