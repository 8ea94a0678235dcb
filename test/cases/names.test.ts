/** Names that mean something else at the target. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PIECE_ITEMS_MAX } from '../../src/engine/limits.ts';
import { foldKey } from '../../src/engine/naming.ts';
import type { RunResult } from '../../src/engine/world.ts';
import { ALL_NAMES } from '../../src/model/names.ts';
import { openBench, POLICY, sumsAgree, type Bench } from '../engine/bench.ts';
import { hastyClock, openClouds, WITHOUT_DIGESTS } from './world.ts';

const FILE_NAMES = {
  ...ALL_NAMES,
  emptySegments: false,
  dotSegments: false,
  trailingSlashContent: false,
  objectAndPrefix: false,
  segmentBytesMax: 255,
};

/** Keys that a library for addresses or paths would change. */
const OPAQUE = [
  'a//b',
  '/a',
  'a/',
  '//',
  'a/./b',
  'a/../b',
  '..',
  'a b+c',
  'a%2Fb',
  'a?b#c',
  'tab\there',
  'ü/é',
  'e\u0301',
];

describe('keys that are no paths (case 6)', () => {
  test('go from bucket to bucket letter by letter', async () => {
    await using clouds = await openClouds({ from: 's3', to: 's3' });
    for (const key of OPAQUE) clouds.s3.put('inside', key, `content of ${key}`);
    const result = await clouds.run();
    expect(result.run.counters.items).toMatchObject({ scanned: OPAQUE.length, copied: OPAQUE.length, failed: 0 });
    expect(clouds.s3.keys('outside')).toEqual(clouds.s3.keys('inside'));
    for (const key of OPAQUE) expect(clouds.s3.bytes('outside', key)?.toString()).toBe(`content of ${key}`);
    const again = await clouds.run({ mode: 'mirror' });
    expect(again.run.counters.items).toMatchObject({ same: OPAQUE.length, copied: 0, deleted: 0 });
  });

  test('get other names at Azure where they must, each its own, and the report says which', async () => {
    await using clouds = await openClouds({ from: 's3', to: 'azure' });
    const keys = [...OPAQUE, 'ends.', 'ends./more', 'back\\slash', 'c\u0001'];
    for (const key of keys) clouds.s3.put('inside', key, `content of ${key}`);
    const result = await clouds.run();
    expect(result.run.counters.items).toMatchObject({ scanned: keys.length, copied: keys.length, failed: 0 });
    const log = await clouds.log(result);
    for (const { key, targetKey } of log) {
      expect(clouds.azure.bytes('outside', targetKey ?? key)?.toString()).toBe(`content of ${key}`);
    }
    expect(new Set(log.map(({ key, targetKey }) => targetKey ?? key)).size).toBe(keys.length);
    const again = await clouds.run({ mode: 'mirror' });
    expect(again.run.counters.items).toMatchObject({ same: keys.length, copied: 0, deleted: 0 });
  });
});

describe('an object that is also a folder (case 15)', () => {
  test('is told apart however many names sort between the two', async () => {
    await using bench = await openBench({ pageSize: 7 }, { names: FILE_NAMES }, hastyClock());
    const keys = ['a', 'a!', 'a-x', ...Array.from({ length: 40 }, (_, i) => `a.${i}`), 'a/b', 'a/b/c', 'a0', 'z/'];
    for (const key of keys) bench.source.put('in', key, key === 'z/' ? '' : key);
    const first = await bench.run({ mode: 'mirror' });
    expect(first.error).toBeNull();
    expect(first.run.counters.items).toMatchObject({ scanned: keys.length, failed: 0, unsupported: 0 });
    const contents = Object.values(bench.content(bench.target)).filter((text) => text !== '');
    expect(contents.toSorted()).toEqual(keys.filter((key) => key !== 'z/').toSorted());
    sumsAgree(first, await bench.log(first));
    const again = await bench.run({ mode: 'mirror' });
    expect(again.run.counters.items).toMatchObject({ same: keys.length, copied: 0, deleted: 0 });
  });

  test('a marker of a folder becomes a folder where there are real ones', async () => {
    await using clouds = await openClouds({ from: 's3', to: 'azure', azure: { hns: true } });
    clouds.s3.put('inside', 'folder/', '');
    clouds.s3.put('inside', 'folder/file', 'x');
    clouds.s3.put('inside', 'other', 'y');
    clouds.s3.put('inside', 'other/inside', 'z');
    const result = await clouds.run();
    expect(result.run.counters.items.failed).toBe(0);
    const log = await clouds.log(result);
    expect(log.filter(({ result: outcome }) => outcome === 'copied').map(({ key }) => key)).toEqual(
      expect.arrayContaining(['folder/file', 'other', 'other/inside']),
    );
    const nameOf = (key: string): string => log.find((row) => row.key === key)?.targetKey ?? key;
    expect(clouds.azure.bytes('outside', nameOf('other'))?.toString()).toBe('y');
    expect(clouds.azure.bytes('outside', nameOf('other/inside'))?.toString()).toBe('z');
  });
});

const FOLDING = { names: { ...ALL_NAMES, caseSensitive: false } };

/** Every content of the source is at the target, each under the name that the log gives. */
async function allArrived(bench: Bench, result: RunResult): Promise<void> {
  const target = new Map(Object.entries(bench.content(bench.target)).map(([key, text]) => [foldKey(key), text]));
  const log = (await bench.log(result)).filter(({ kind }) => kind === 'object');
  const names = new Map(log.map(({ key, targetKey }) => [key, targetKey ?? key]));
  for (const [key, text] of Object.entries(bench.content(bench.source)))
    if (!key.endsWith('/')) expect(target.get(foldKey(names.get(key) ?? '')), key).toBe(text);
}

describe('a target that does not tell upper from lower case (case 14)', () => {
  test('never lets one of two such objects replace the other in silence', async () => {
    await using bench = await openBench({}, FOLDING, hastyClock());
    for (const key of ['A.txt', 'a.txt', 'b.txt']) bench.source.put('in', key, `content of ${key}`);
    const first = await bench.run({ mode: 'mirror' });
    expect(first.run.counters.items).toMatchObject({ scanned: 3, copied: 3, failed: 0 });
    expect(first.run.counters.mapped).toBe(1);
    await allArrived(bench, first);
    const names = bench.target.keys('out');
    expect(names).toEqual(['A.txt', expect.stringMatching(/^a\.txt~[0-9a-f]{16}$/), 'b.txt']);
    const again = await bench.run({ mode: 'mirror' });
    expect(again.run.counters.items).toMatchObject({ scanned: 3, same: 3, copied: 0, deleted: 0 });
    expect(bench.target.keys('out')).toEqual(names);
    sumsAgree(again, await bench.log(again));
    expect(await bench.verify(again)).toMatchObject({ checked: 3, missing: 0, different: 0 });
  });

  test('gives a name to whom had it, whoever comes or goes', async () => {
    await using bench = await openBench({}, FOLDING, hastyClock());
    bench.source.put('in', 'photo', 'small');
    await bench.run({ mode: 'mirror' });
    bench.source.put('in', 'PHOTO', 'large');
    const second = await bench.run({ mode: 'mirror' });
    expect(second.run.counters.items).toMatchObject({ same: 1, copied: 1, deleted: 0 });
    expect(bench.target.text('out', 'photo')).toBe('small');
    await allArrived(bench, second);
    bench.source.remove('in', 'photo');
    const third = await bench.run({ mode: 'mirror' });
    expect(third.run.counters.items).toMatchObject({ same: 1, copied: 0, deleted: 1 });
    expect(Object.values(bench.content(bench.target))).toEqual(['large']);
  });

  test("a mirror takes away what is nobody's, and nothing that is somebody's in another case", async () => {
    await using bench = await openBench({ pageSize: 3 }, { ...FOLDING, pageSize: 2 }, hastyClock());
    for (const key of ['A/one', 'a/two', 'z']) bench.source.put('in', key, key);
    for (const key of ['a/ONE', 'gone', 'Z']) bench.target.put('out', key, 'before');
    const result = await bench.run({ mode: 'mirror', deleteShareMax: null });
    expect(result.run.counters.items).toMatchObject({ scanned: 3, copied: 3, deleted: 1, failed: 0 });
    expect(Object.values(bench.content(bench.target)).toSorted()).toEqual(['A/one', 'a/two', 'z']);
    const merged = await bench.run({ mode: 'merge' });
    expect(merged.run.counters.items).toMatchObject({ same: 3, copied: 0 });
  });

  test('what the filter leaves out keeps its name and its copy', async () => {
    await using bench = await openBench({}, FOLDING, hastyClock());
    for (const key of ['A', 'a', 'B', 'b']) bench.source.put('in', key, `content of ${key}`);
    const first = await bench.run({ mode: 'mirror' });
    const before = bench.content(bench.target);
    const filter = { ...POLICY.filter, exclude: ['A', 'b'] };
    const second = await bench.run({ mode: 'mirror', filter });
    expect(second.run.counters.items).toMatchObject({ same: 2, excluded: 2, copied: 0, deleted: 0 });
    expect(bench.content(bench.target)).toEqual(before);
    await allArrived(bench, first);
  });

  test('what is left out is kept also when the source has it no more', async () => {
    await using bench = await openBench({}, FOLDING, hastyClock());
    for (const key of ['A', 'a', 'other']) bench.source.put('in', key, `content of ${key}`);
    await bench.run({ mode: 'mirror' });
    for (const key of ['A', 'a']) bench.source.remove('in', key);
    await bench.run({ mode: 'mirror', filter: { ...POLICY.filter, exclude: ['a'] } });
    expect(Object.values(bench.content(bench.target)).toSorted()).toEqual(['content of a', 'content of other']);
  });

  test('what is known of one of them proves nothing of another that gets its name', async () => {
    const target = { ...WITHOUT_DIGESTS, ...FOLDING, recordsSource: false, keepsSourceTime: true };
    await using bench = await openBench(WITHOUT_DIGESTS, target, hastyClock());
    bench.source.put('in', 'A', 'large', { digests: {}, etag: 'first', modifiedAtMs: 1_000_000 });
    await bench.run({ mode: 'mirror' });
    bench.source.remove('in', 'A');
    bench.source.put('in', 'a', 'small', { digests: {}, etag: 'first', modifiedAtMs: 2_000_000 });
    const result = await bench.run({ mode: 'mirror' });
    expect(result.run.counters.items).toMatchObject({ copied: 1, same: 0 });
    expect(Object.values(bench.content(bench.target))).toEqual(['small']);
  });

  test('one that takes long holds back no more than the rows of its piece', async () => {
    await using bench = await openBench({}, FOLDING, hastyClock());
    const count = 3 * PIECE_ITEMS_MAX + 200;
    for (let i = 0; i < count; i++) bench.source.put('in', `k${String(i).padStart(5, '0')}`, 'x');
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const copied = async (): Promise<number> => (await bench.state.store.listRuns(1))[0]?.counters.items.copied ?? 0;
    bench.target.hooks.before = async (operation, key) => {
      if (operation !== 'PUT' || key !== 'k00000') return;
      void (async () => {
        while ((await copied()) < count - PIECE_ITEMS_MAX) await new Promise(setImmediate);
        release();
      })();
      await held;
    };
    const result = await bench.run();
    expect(result.run.counters.items.copied).toBe(count);
  });

  test('a run that was stopped between them goes on with the same names', async () => {
    await using bench = await openBench({}, FOLDING, hastyClock());
    for (const key of ['A', 'a', 'B', 'b', 'C', 'c']) bench.source.put('in', key, `content of ${key}`);
    for (const stopAfter of [1, 4]) {
      const stopper = new AbortController();
      let writes = 0;
      bench.target.hooks.after = (operation) => {
        if (operation === 'PUT' && (writes += 1) === stopAfter) stopper.abort();
      };
      const run = await bench.state.store.findUnfinished((await bench.state.store.listRuns(1))[0]?.transferId ?? '');
      await bench.run({ mode: 'mirror' }, { signal: stopper.signal, continueRun: run });
    }
    bench.target.hooks.after = null;
    const [paused] = await bench.state.store.listRuns(1);
    expect(paused?.state).toBe('paused');
    const result = await bench.run({ mode: 'mirror' }, { continueRun: paused ?? null });
    const { scanned, same, copied, failed } = result.run.counters.items;
    expect({ scanned, failed, done: same + copied }).toEqual({ scanned: 6, failed: 0, done: 6 });
    expect(bench.target.keys('out')).toHaveLength(6);
    await allArrived(bench, result);
    sumsAgree(result, await bench.log(result));
  });

  test('an object whose name is that of a folder in another case', async () => {
    const names = { ...FILE_NAMES, caseSensitive: false };
    await using bench = await openBench({}, { names }, hastyClock());
    for (const key of ['Doc', 'doc!', 'doc.x', 'dOc/one', 'doc/ONE', 'DOC/']) bench.source.put('in', key, key);
    bench.source.put('in', 'DOC/', '');
    bench.source.put('in', 'doc/', '');
    const first = await bench.run({ mode: 'mirror' });
    expect(first.run.counters.items).toMatchObject({ failed: 0, unsupported: 0 });
    await allArrived(bench, first);
    const again = await bench.run({ mode: 'mirror' });
    expect(again.run.counters.items).toMatchObject({ same: first.run.counters.items.scanned, copied: 0, deleted: 0 });
  });

  test('every version of both, each under its own name', async () => {
    await using bench = await openBench({ isVersioned: true }, { ...FOLDING, isVersioned: true }, hastyClock());
    for (const key of ['a', 'A', 'a', 'A']) bench.source.put('in', key, `${key}${bench.source.nextSerial()}`);
    const first = await bench.run({ versions: 'all' });
    expect(first.run.counters.items).toMatchObject({ scanned: 4, copied: 4, failed: 0 });
    await allArrived(bench, first);
    const again = await bench.run({ versions: 'all' });
    expect(again.run.counters.items).toMatchObject({ same: 4, copied: 0 });
  });

  test('whatever the names: all content arrives, names stay, and nothing is left to do', async () => {
    const segment = fc.array(fc.constantFrom('a', 'A', 'b', 'B', 'ü', 'Ü', '!', '.'), { minLength: 1, maxLength: 3 });
    const key = fc.array(
      segment.map((parts) => parts.join('')),
      { minLength: 1, maxLength: 3 },
    );
    const keys = fc.uniqueArray(
      key.map((segments) => segments.join('/')),
      { minLength: 1, maxLength: 14 },
    );
    const rules = fc.constantFrom({ ...ALL_NAMES, caseSensitive: false }, { ...FILE_NAMES, caseSensitive: false });
    await fc.assert(
      fc.asyncProperty(keys, keys, rules, fc.integer({ min: 1, max: 4 }), async (given, added, names, pageSize) => {
        await using bench = await openBench({ pageSize }, { names, pageSize }, hastyClock());
        const isHeld = (one: string): boolean => names.dotSegments || !/(^|\/)\.\.?(\/|$)/.test(one);
        for (const one of given.filter(isHeld)) bench.source.put('in', one, `content of ${one}`);
        const mirror = { mode: 'mirror', allowEmptySource: true } as const;
        const first = await bench.run(mirror);
        await settled(bench, first);
        // Where a name becomes a folder's, the old object is in the way for one run, with case or without.
        if (!names.objectAndPrefix) return;
        const before = bench.content(bench.target);
        for (const one of added.filter(isHeld)) bench.source.put('in', one, `content of ${one}`);
        for (const one of given.slice(0, 2)) bench.source.remove('in', one);
        const second = await bench.run(mirror);
        await settled(bench, second);
        for (const [name, text] of Object.entries(bench.content(bench.target)))
          if (Object.values(before).includes(text)) expect(before[name]).toBe(text);
      }),
      { numRuns: 12 },
    );
  });
});

/** Everything is there, and neither another run nor a check finds anything to do. */
async function settled(bench: Bench, result: RunResult): Promise<void> {
  expect(result.error).toBeNull();
  const { scanned, failed, unsupported } = result.run.counters.items;
  expect({ failed, unsupported }).toEqual({ failed: 0, unsupported: 0 });
  await allArrived(bench, result);
  const before = bench.content(bench.target);
  const again = await bench.run({ mode: 'mirror', allowEmptySource: true });
  expect(again.run.counters.items).toMatchObject({ scanned, same: scanned, copied: 0, deleted: 0 });
  expect(bench.content(bench.target)).toEqual(before);
  const checked = await bench.run({ mode: 'check' });
  expect(checked.run.counters.differences).toEqual({ missing: 0, extra: 0, different: 0, kept: 0 });
  expect(await bench.verify(again)).toMatchObject({ missing: 0, different: 0 });
}
