import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Lease, NewSegment, RunRecord, RunStore } from '../engine/ports.ts';
import { addCounters, ZERO_COUNTERS } from '../model/outcome.ts';
import type { Standalone } from './standalone.ts';
import { copied, killProcess, makeFolder, openAt, runOf, startProcess } from './testing.ts';

let folder: string;
let removeFolder: () => void;
let standalone: Standalone;
let store: RunStore;

beforeEach(async () => {
  ({ folder, removeFolder } = makeFolder());
  standalone = await openAt(folder);
  store = standalone.store;
});
afterEach(async () => {
  await standalone.close();
  removeFolder();
});

async function reopen(): Promise<void> {
  await standalone.close();
  standalone = await openAt(folder);
  store = standalone.store;
}

const whole = { segmentId: 's1', kind: 'keys', from: null, to: null } as const;
const checkpoint = { settledKey: 'm', sourceCursor: { page: 3 }, targetCursor: null, nextChunk: 2 };
const commitOf = (items: number, chunks: string[], done = false) => ({
  checkpoint,
  addChunks: chunks,
  addCounters: copied(items, items * 10),
  addIssues: [],
  done,
});
/** A run and its first segments. */
async function makeRun(run: RunRecord, segments: readonly NewSegment[]): Promise<void> {
  await store.createRun(run);
  await store.startSegments(run.runId, segments);
}

async function claimed(runId = 'run-1', worker = 'w1'): Promise<Lease> {
  const lease = await store.claim(runId, worker);
  if (lease === null) throw new Error('nothing to claim');
  return lease;
}

describe('runs', () => {
  test('a run comes back as it was stored, also in a later process', async () => {
    const run = runOf('run-1', { requests: { source: { LIST: 4 }, target: {} } });
    await makeRun(run, [whole]);
    expect(await store.getRun('run-1')).toEqual(run);
    await reopen();
    expect(await store.getRun('run-1')).toEqual(run);
    expect(await store.getRun('run-2')).toBeNull();
  });

  test('a run is stored once, and segments that cannot be stored whole are not stored at all', async () => {
    await store.createRun(runOf('run-1'));
    await expect(store.createRun(runOf('run-1'))).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(store.startSegments('run-1', [whole, whole])).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await store.segments('run-1')).toEqual([]);
  });

  test('lists newest first and honours the limit', async () => {
    for (const [runId, startedAtMs] of [
      ['a', 5],
      ['b', 9],
      ['c', 9],
      ['d', 1],
    ] as const) {
      await store.createRun(runOf(runId, { startedAtMs }));
    }
    expect((await store.listRuns(3)).map((run) => run.runId)).toEqual(['c', 'b', 'a']);
  });

  test.each([
    ['queued', true],
    ['running', true],
    ['pausing', true],
    ['paused', true],
    ['cancelling', false],
    ['cancelled', false],
    ['failed', false],
    ['succeeded', false],
    ['completed-with-issues', false],
  ] as const)('a run that is %s counts as unfinished: %s', async (state, isUnfinished) => {
    await store.createRun(runOf('run-1', { state }));
    expect((await store.findUnfinished('transfer-1'))?.runId ?? null).toBe(isUnfinished ? 'run-1' : null);
    expect(await store.findUnfinished('transfer-2')).toBeNull();
  });

  test('an update changes what is named, and the indexes with it', async () => {
    await store.createRun(runOf('run-1'));
    await store.updateRun('run-1', { state: 'succeeded', endedAtMs: 7, manifestRoot: 'abc' });
    expect(await store.getRun('run-1')).toEqual(
      runOf('run-1', { state: 'succeeded', endedAtMs: 7, manifestRoot: 'abc' }),
    );
    expect(await store.findUnfinished('transfer-1')).toBeNull();
    await expect(store.updateRun('run-2', { state: 'failed' })).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  test('what sessions cost adds up, also to what was known before, and saying it again changes nothing', async () => {
    await store.createRun(runOf('run-1', { requests: { source: { LIST: 4 }, target: {} }, durationMs: 100 }));
    const usage = { requests: { source: { LIST: 1 }, target: { PUT: 2 } }, activeMs: 10 };
    await store.recordUsage('run-1', 'w/1', usage);
    await store.recordUsage('run-1', 'w/1', usage);
    await store.recordUsage('run-1', 'w/2', { ...usage, activeMs: 5.2 });
    await store.recordUsage('run-1', 'w/1', { ...usage, activeMs: 20 });
    expect(await store.getRun('run-1')).toMatchObject({
      requests: { source: { LIST: 6 }, target: { PUT: 4 } },
      durationMs: 125,
    });
    expect((await store.getRun('run-1'))?.updatedAtMs).toBeGreaterThan(1000);
    await expect(store.recordUsage('run-2', 'w/1', usage)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  test('the latest snapshot is that of the newest settled run of the pair which wrote', async () => {
    const base = runOf('x');
    const policy = base.definition.policy;
    const rows = [
      runOf('settled-old', { startedAtMs: 1, manifestRoot: 'r' }),
      runOf('settled', { startedAtMs: 2, manifestRoot: 'r', transferId: 'transfer-2' }),
      runOf('unsettled', { startedAtMs: 3 }),
      runOf('dry', {
        startedAtMs: 4,
        manifestRoot: 'r',
        definition: { ...base.definition, policy: { ...policy, dryRun: true } },
      }),
      runOf('check', {
        startedAtMs: 5,
        manifestRoot: 'r',
        definition: { ...base.definition, policy: { ...policy, mode: 'check' } },
      }),
      runOf('other', { startedAtMs: 6, manifestRoot: 'r', pairId: 'pair-2' }),
    ];
    for (const run of rows) await store.createRun(run);
    expect((await store.findLatestSnapshot('transfer-1', 'pair-1'))?.runId).toBe('settled');
    expect(await store.findLatestSnapshot('transfer-1', 'pair-3')).toBeNull();
  });
});

describe('segments', () => {
  test('commits add up in the segment and in the run', async () => {
    await makeRun(runOf('run-1'), [whole, { ...whole, segmentId: 's2', from: 'n' }]);
    const [first, second] = [await claimed(), await claimed()];
    await store.commit(first, commitOf(2, ['a']));
    await store.commit(second, commitOf(3, ['c']));
    await store.commit(first, commitOf(5, ['b', 'd'], true));
    const [s1, s2] = await store.segments('run-1');
    expect(s1).toMatchObject({ state: 'done', chunks: ['a', 'b', 'd'], counters: copied(7, 70), checkpoint });
    expect(s2).toMatchObject({ state: 'open', chunks: ['c'], counters: copied(3, 30) });
    const sum = addCounters(s1!.counters, s2!.counters);
    expect((await store.getRun('run-1'))?.counters).toEqual(sum);
  });

  test('nobody gets a segment that is held, and kinds come in their order', async () => {
    await makeRun(runOf('run-1'), [
      { segmentId: 'd', kind: 'deletes', from: null, to: null },
      { segmentId: 'm', kind: 'mapped', from: null, to: null },
      { segmentId: 'k2', kind: 'keys', from: '\u{1f600}', to: null },
      { segmentId: 'k1', kind: 'keys', from: '\uffee', to: '\u{1f600}' },
      { segmentId: 'k0', kind: 'keys', from: null, to: '\uffee' },
    ]);
    const order: string[] = [];
    for (let lease = await store.claim('run-1', 'w'); lease !== null; lease = await store.claim('run-1', 'w')) {
      order.push(lease.segment.segmentId);
    }
    expect(order).toEqual(['k0', 'k1', 'k2', 'm', 'd']);
    expect(await store.claim('run-2', 'w')).toBeNull();
  });

  test('the first segments are those of whoever comes first, and a known id is left as it is', async () => {
    await store.createRun(runOf('run-1'));
    await store.startSegments('run-1', [whole]);
    await store.startSegments('run-1', [{ ...whole, segmentId: 'other' }]);
    const lease = await claimed();
    await store.commit(lease, commitOf(1, ['a'], true));
    const settle = { segmentId: 'settle', kind: 'settle', from: null, to: null } as const;
    await store.addSegments('run-1', [whole, settle]);
    await store.addSegments('run-1', [settle]);
    expect(await store.segments('run-1')).toMatchObject([
      { segmentId: 's1', state: 'done', chunks: ['a'] },
      { segmentId: 'settle', state: 'open' },
    ]);
    await expect(store.startSegments('run-9', [whole])).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  test('a run ends once, with its settle segment, and nothing of it can be claimed afterwards', async () => {
    const settle = { segmentId: 'settle', kind: 'settle', from: null, to: null } as const;
    await makeRun(runOf('run-1'), [settle, { ...settle, segmentId: 'settle-2' }]);
    const end = { state: 'succeeded', endedAtMs: 9, error: null, manifestRoot: 'r' } as const;
    const old = await claimed();
    await store.release(old);
    await expect(store.endRun(old, end)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect((await store.getRun('run-1'))?.state).toBe('running');
    const [fresh, other] = [await claimed(), await claimed()];
    await store.endRun(fresh, end);
    expect(await store.getRun('run-1')).toMatchObject(end);
    expect((await store.segments('run-1'))[0]).toMatchObject({ segmentId: 'settle', state: 'done' });
    await expect(store.endRun(other, { ...end, state: 'failed' })).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect((await store.getRun('run-1'))?.state).toBe('succeeded');
    await store.release(other);
    expect(await store.claim('run-1', 'w')).toBeNull();
  });

  test('concurrent claims never hand out the same segment', async () => {
    const segments = Array.from({ length: 20 }, (_, i) => ({ ...whole, segmentId: `s${i}`, from: String(i) }));
    await makeRun(runOf('run-1'), segments);
    const leases = await Promise.all(Array.from({ length: 30 }, (_, i) => store.claim('run-1', `w${i}`)));
    const ids = leases.flatMap((lease) => (lease === null ? [] : [lease.segment.segmentId]));
    expect(new Set(ids).size).toBe(20);
    expect(ids).toHaveLength(20);
  });

  test('a released segment is free again under a higher epoch, and the old lease is refused everything', async () => {
    await makeRun(runOf('run-1'), [whole]);
    const old = await claimed();
    await store.commit(old, commitOf(1, ['a']));
    await store.release(old);
    await expect(store.commit(old, commitOf(1, ['x']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    const fresh = await claimed();
    expect(fresh.epoch).toBe(old.epoch + 1);
    expect(fresh.segment).toMatchObject({ checkpoint, chunks: ['a'], counters: copied(1, 10) });
    await expect(store.commit(old, commitOf(1, ['x']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(store.split(old, 'q', 's2')).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(store.reset(old)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await store.release(old);
    expect(await store.claim('run-1', 'w3')).toBeNull();
    await store.commit(fresh, commitOf(1, ['b'], true));
    expect((await store.getRun('run-1'))?.counters).toEqual(copied(2, 20));
    await expect(store.commit(fresh, commitOf(1, ['c']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
  });

  test('a second process over the same file takes over and fences the first', async () => {
    await makeRun(runOf('run-1'), [whole]);
    const old = await claimed();
    const other = await openAt(folder);
    const fresh = await other.store.claim('run-1', 'w2');
    expect(fresh?.epoch).toBe(2);
    await expect(store.commit(old, commitOf(1, ['x']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await other.store.commit(fresh!, commitOf(1, ['y'], true));
    await other.close();
    expect((await store.segments('run-1'))[0]).toMatchObject({ chunks: ['y'], state: 'done' });
  });

  test('a split shrinks the held segment and opens the rest, or does nothing', async () => {
    await makeRun(runOf('run-1'), [{ ...whole, from: 'b', to: 'y' }]);
    const lease = await claimed();
    await store.commit(lease, commitOf(1, ['a']));
    for (const at of ['a', 'b', 'm', 'y', 'z']) {
      await expect(store.split(lease, at, 's2'), at).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    await expect(store.split(lease, 'p', 's1')).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await store.segments('run-1')).toMatchObject([{ from: 'b', to: 'y' }]);
    const shrunk = await store.split(lease, 'p', 's2');
    expect(shrunk).toMatchObject({ epoch: 1, segment: { from: 'b', to: 'p', checkpoint, chunks: ['a'] } });
    expect(await store.segments('run-1')).toMatchObject([
      { segmentId: 's1', from: 'b', to: 'p', counters: copied(1, 10) },
      { segmentId: 's2', from: 'p', to: 'y', state: 'open', checkpoint: null, chunks: [], counters: ZERO_COUNTERS },
    ]);
    await store.commit(shrunk, commitOf(1, ['b'], true));
    expect((await claimed()).segment.segmentId).toBe('s2');
  });

  test('a reset forgets what the segment settled and takes it from the run', async () => {
    await makeRun(runOf('run-1'), [whole, { ...whole, segmentId: 's2', from: 'n' }]);
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

  test('naming a chunk twice is refused and changes nothing', async () => {
    await makeRun(runOf('run-1'), [whole]);
    const lease = await claimed();
    await store.commit(lease, commitOf(1, ['a']));
    await expect(store.commit(lease, commitOf(1, ['b', 'a']))).rejects.toMatchObject({ code: 'INTERNAL' });
    expect((await store.segments('run-1'))[0]).toMatchObject({ chunks: ['a'], counters: copied(1, 10) });
    expect((await store.getRun('run-1'))?.counters).toEqual(copied(1, 10));
  });

  test('what a killed process committed is there, and its leases are free at once', async () => {
    const child = await startProcess(
      folder,
      `await standalone.store.createRun(runOf('run-1'));
       await standalone.store.startSegments('run-1', [{ segmentId: 's1', kind: 'keys', from: null, to: null }]);
       const lease = await standalone.store.claim('run-1', 'w');
       await standalone.store.commit(lease, { checkpoint: null, addChunks: ['a'], addCounters: copied(4, 40), addIssues: [], done: false });`,
    );
    await killProcess(child);
    const lease = await claimed();
    expect(lease).toMatchObject({ epoch: 2, segment: { chunks: ['a'], counters: copied(4, 40) } });
  });

  test('every key comes back as it was, whatever is in it', async () => {
    const key = fc
      .array(fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 0x22, 0xdc80, 0xdcff, 0xd83d)))
      .map((units) => String.fromCharCode(...units));
    let number = 0;
    await fc.assert(
      fc.asyncProperty(key, key, async (from, to) => {
        const runId = `r${number++}`;
        await makeRun(runOf(runId), [{ ...whole, from, to }]);
        expect((await store.segments(runId))[0]).toMatchObject({ from, to });
      }),
      { numRuns: 50 },
    );
  });
});

describe('intents', () => {
  test('of a run that has ended are not taken', async () => {
    await store.createRun(runOf('run-1', { state: 'succeeded', endedAtMs: 5 }));
    const intent = { runId: 'run-1', intentId: 'i1', targetKey: 'a', startedAtMs: 5, upload: null };
    await expect(store.saveIntent(intent)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await store.intents('run-1')).toEqual([]);
  });

  test('are replaced by id and dropped, also when they are gone', async () => {
    const intent = { runId: 'run-1', intentId: 'i1', targetKey: 'a\u0000\udc80', startedAtMs: 5, upload: null };
    await store.saveIntent(intent);
    await store.saveIntent({ ...intent, intentId: 'i2' });
    await store.saveIntent({ ...intent, upload: { id: 'u' } });
    await store.saveIntent({ ...intent, runId: 'run-2' });
    await reopen();
    expect(await store.intents('run-1')).toEqual([
      { ...intent, upload: { id: 'u' } },
      { ...intent, intentId: 'i2' },
    ]);
    await store.dropIntent('run-1', 'i1');
    await store.dropIntent('run-1', 'i1');
    expect(await store.intents('run-1')).toEqual([{ ...intent, intentId: 'i2' }]);
    expect(await store.intents('run-2')).toHaveLength(1);
  });
});
