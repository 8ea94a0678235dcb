/** Names that mean something else at the target. */
import { describe, expect, test } from 'vitest';
import { ALL_NAMES } from '../../src/model/names.ts';
import { openBench, sumsAgree } from '../engine/bench.ts';
import { hastyClock, openClouds } from './world.ts';

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

describe('a target that does not tell upper from lower case (case 14)', () => {
  test.fails('never lets one of two such objects replace the other in silence', async () => {
    await using bench = await openBench({}, { names: { ...ALL_NAMES, caseSensitive: false } }, hastyClock());
    for (const key of ['A.txt', 'a.txt', 'b.txt']) bench.source.put('in', key, `content of ${key}`);
    const first = await bench.run({ mode: 'mirror' });
    expect(first.run.counters.items).toMatchObject({ scanned: 3, copied: 2, failed: 1 });
    const again = await bench.run({ mode: 'mirror' });
    expect(again.run.counters.items).toMatchObject({ same: 2, copied: 0, deleted: 0 });
  });
});
