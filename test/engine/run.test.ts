/** Whole runs over two memory stores: what ends up at the target, what is counted, what is logged. */
import { describe, expect, test } from 'vitest';
import type { RunState } from '../../src/model/outcome.ts';
import type { Policy } from '../../src/model/policy.ts';
import { openBench, sumsAgree } from './bench.ts';

const FILE_NAMES = {
  emptySegments: false,
  dotSegments: false,
  trailingSlashContent: false,
  objectAndPrefix: false,
  segmentBytesMax: 255,
};

describe('a merge', () => {
  test('copies everything, and a second run does nothing', async () => {
    await using bench = await openBench();
    for (let i = 0; i < 250; i++) bench.source.put('in', `folder-${i % 7}/object-${i}`, `content ${i}`);
    bench.source.put('in', 'empty', '');
    bench.target.put('out', 'zz-only-here', 'stays');
    const first = await bench.run();
    expect(first.error).toBeNull();
    expect(first.run.state).toBe('succeeded');
    expect(first.run.counters.items).toMatchObject({ scanned: 251, copied: 251, same: 0, failed: 0 });
    sumsAgree(first, await bench.log(first));
    expect(bench.content(bench.target)).toEqual({ ...bench.content(bench.source), 'zz-only-here': 'stays' });

    const before = { ...bench.target.requests };
    const second = await bench.run();
    expect(second.run.counters.items).toMatchObject({ scanned: 251, copied: 0, same: 251 });
    expect(bench.target.requests.PUT).toBe(before.PUT);
    expect(bench.target.requests.HEAD ?? 0).toBe(before.HEAD ?? 0);
    sumsAgree(second, await bench.log(second));
  });

  test('overwrites what changed, and only that', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'a', 'one');
    bench.source.put('in', 'b', 'two');
    await bench.run();
    bench.source.put('in', 'b', 'zwei');
    const result = await bench.run();
    expect(result.run.counters.items).toMatchObject({ copied: 1, same: 1 });
    expect(bench.content(bench.target)).toEqual({ a: 'one', b: 'zwei' });
  });

  test('copies one object by its name alone', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'p', 'alone');
    bench.source.put('in', 'p2', 'not this');
    const result = await bench.run({}, { only: 'p' });
    expect(result.run.counters.items.scanned).toBe(1);
    expect(bench.content(bench.target)).toEqual({ p: 'alone' });
  });

  test('large objects travel in parts and are proved', async () => {
    await using bench = await openBench({}, { listedDigests: [] });
    const large = Buffer.alloc(40 * 1024 * 1024, 'drover');
    bench.source.put('in', 'large', large);
    const result = await bench.run();
    expect(result.error).toBeNull();
    expect(result.run.counters.items.copied).toBe(1);
    expect(result.run.counters.verification.V0).toBe(0);
    expect(Buffer.compare(Buffer.from(bench.target.get('out', 'large')?.content ?? []), large)).toBe(0);
    expect(bench.target.uploads.size).toBe(0);
    expect(await bench.state.store.intents(result.run.runId)).toEqual([]);
  });
});

describe('a mirror', () => {
  test('deletes what only the target has, last of all', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'kept', '1');
    bench.target.put('out', 'gone', '2');
    const result = await bench.run({ mode: 'mirror' });
    expect(result.run.counters.items).toMatchObject({ scanned: 1, copied: 1, deleted: 1 });
    expect(bench.content(bench.target)).toEqual({ kept: '1' });
    sumsAgree(result, await bench.log(result));
  });

  test('refuses an empty source', async () => {
    await using bench = await openBench();
    bench.target.put('out', 'precious', '2');
    const result = await bench.run({ mode: 'mirror' });
    expect(result.error?.code).toBe('GUARD_EMPTY_SOURCE');
    expect(bench.content(bench.target)).toEqual({ precious: '2' });
  });

  test('keeps to the cap', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'a', '1');
    for (let i = 0; i < 5; i++) bench.target.put('out', `x${i}`, '2');
    const refused = await bench.run({ mode: 'mirror', deleteMax: 4 });
    expect(refused.error?.code).toBe('GUARD_DELETE_CAP');
    expect(Object.keys(bench.content(bench.target))).toHaveLength(6);
  });

  test('never deletes on the word of a listing that broke off', async () => {
    await using bench = await openBench({ pageSize: 2 });
    for (let i = 0; i < 6; i++) bench.source.put('in', `k${i}`, String(i));
    for (let i = 0; i < 6; i++) bench.target.put('out', `k${i}`, String(i));
    bench.source.hooks.listing = (page) => (page.complete ? null : page);
    const result = await bench.run({ mode: 'mirror' });
    expect(result.error?.code).toBe('LISTING_INCOMPLETE');
    expect(Object.keys(bench.content(bench.target))).toHaveLength(6);
  });

  test('a dry run changes nothing and counts what it would do', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'new', '1');
    bench.target.put('out', 'old', '2');
    const result = await bench.run({ mode: 'mirror', dryRun: true });
    expect(result.run.counters.differences).toMatchObject({ missing: 1, extra: 1, different: 0 });
    expect(result.run.counters.items).toMatchObject({ copied: 0, deleted: 0, scanned: 1 });
    expect(bench.content(bench.target)).toEqual({ old: '2' });
  });
});

describe('a check', () => {
  test('finds missing, different and extra', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'same', '1');
    bench.source.put('in', 'missing', '2');
    bench.source.put('in', 'different', '3');
    bench.target.put('out', 'same', '1');
    bench.target.put('out', 'different', 'x');
    bench.target.put('out', 'extra', '4');
    const result = await bench.run({ mode: 'check' });
    expect(result.run.counters.differences).toMatchObject({ missing: 1, extra: 1, different: 1 });
    expect(result.run.state).toBe('completed-with-issues');
    expect(bench.target.requests.PUT ?? 0).toBe(0);
    const records = await bench.log(result);
    expect(records.map((record) => [record.key, record.result])).toEqual([
      ['different', 'different'],
      ['extra', 'extra'],
      ['missing', 'missing'],
      ['same', 'same'],
    ]);
  });

  test.each<[string, Partial<Policy>, Record<string, string>, Record<string, string>, RunState]>([
    ['nothing', {}, { a: '1' }, { a: '1' }, 'succeeded'],
    ['only a missing object', {}, { a: '1' }, {}, 'completed-with-issues'],
    ['only a different object', {}, { a: '1' }, { a: '22' }, 'completed-with-issues'],
    ['only an extra object', {}, {}, { a: '1' }, 'completed-with-issues'],
    ['only an extra object, one way', { oneWay: true }, {}, { a: '1' }, 'succeeded'],
    ['what a dry run plans', { mode: 'merge', dryRun: true }, { a: '1', b: '2' }, { b: '33' }, 'succeeded'],
    ['what a dry run of a mirror plans', { mode: 'mirror', dryRun: true }, { a: '1' }, { b: '3' }, 'succeeded'],
    ['what a mirror deletes', { mode: 'mirror' }, { a: '1' }, { b: '3' }, 'succeeded'],
  ])('that finds %s ends accordingly', async (_what, policy, from, to, state) => {
    await using bench = await openBench();
    for (const [key, text] of Object.entries(from)) bench.source.put('in', key, text);
    for (const [key, text] of Object.entries(to)) bench.target.put('out', key, text);
    const unlimited = { deleteMax: null, deleteShareMax: null };
    expect((await bench.run({ mode: 'check', ...unlimited, ...policy })).run.state).toBe(state);
  });
});

describe('names the target cannot hold', () => {
  test('are mapped, stay the same from run to run, and are mirrored', async () => {
    const { ALL_NAMES } = await import('../../src/model/names.ts');
    await using bench = await openBench({}, { names: { ...ALL_NAMES, ...FILE_NAMES } });
    for (const key of ['a//b', '../x', 'ok/file', 'both', 'both/child', 'both-2', '%2F'])
      bench.source.put('in', key, key);
    const first = await bench.run({ mode: 'mirror' });
    expect(first.error).toBeNull();
    expect(first.run.counters.items).toMatchObject({ scanned: 7, copied: 7, failed: 0 });
    // Every one of them is there and proved.
    expect(first.run.state).toBe('succeeded');
    expect(first.run.counters.mapped).toBe(3);
    sumsAgree(first, await bench.log(first));
    const names = Object.keys(bench.content(bench.target));
    expect(names).toHaveLength(7);
    expect(Object.values(bench.content(bench.target)).toSorted()).toEqual(
      Object.keys(bench.content(bench.source)).toSorted(),
    );
    const second = await bench.run({ mode: 'mirror' });
    expect(second.run.counters.items).toMatchObject({ scanned: 7, copied: 0, same: 7, deleted: 0 });
    bench.source.remove('in', 'a//b');
    const third = await bench.run({ mode: 'mirror' });
    expect(third.run.counters.items).toMatchObject({ scanned: 6, same: 6, deleted: 1 });
  });
});

describe('listings out of byte order', () => {
  for (const side of ['source', 'target'] as const) {
    test(`of the ${side} are sorted`, async () => {
      await using bench = await openBench(
        side === 'source' ? { order: 'none' } : { pageSize: 7 },
        side === 'target' ? { order: 'none' } : { pageSize: 7 },
      );
      for (let i = 0; i < 60; i++) bench.source.put('in', `k${i}`, String(i));
      bench.target.put('out', 'k7', '7');
      bench.target.put('out', 'zz', 'extra');
      const result = await bench.run({ mode: 'mirror' });
      expect(result.error).toBeNull();
      expect(result.run.counters.items).toMatchObject({ scanned: 60, copied: 59, same: 1, deleted: 1 });
      expect(bench.content(bench.target)).toEqual(bench.content(bench.source));
    });
  }

  test('that promised order are noticed, and the segment starts over', async () => {
    await using bench = await openBench({ pageSize: 10 });
    for (let i = 0; i < 50; i++) bench.source.put('in', `k${String(i).padStart(2, '0')}`, String(i));
    let pages = 0;
    bench.source.hooks.listing = (page) => {
      pages += 1;
      return pages === 3 ? { ...page, entries: page.entries.toReversed() } : page;
    };
    const result = await bench.run();
    expect(result.error).toBeNull();
    expect(result.run.counters.items.scanned).toBe(50);
    expect(Object.keys(bench.content(bench.target))).toHaveLength(50);
    sumsAgree(result, await bench.log(result));
  });
});
