/** Listings that break off, repeat themselves, come in another order, or are longer than memory. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Page } from '../../src/contract/provider.ts';
import { ExternalSort } from '../../src/engine/sort.ts';
import type { Entry } from '../../src/model/entry.ts';
import { compareKeys, keyFromBytes, keyToBytes } from '../../src/model/key.ts';
import { openBench, sumsAgree } from '../engine/bench.ts';
import { hastyClock, openClouds } from './world.ts';

describe('a listing that fails (case 3)', () => {
  for (const side of ['source', 'target'] as const) {
    test(`of the ${side} deletes nothing, wherever it breaks off`, async () => {
      for (const pagesBefore of [0, 1, 2]) {
        await using bench = await openBench({ pageSize: 3 }, { pageSize: 3 }, hastyClock());
        for (let i = 0; i < 9; i++) bench.source.put('in', `k${i}`, String(i));
        for (let i = 0; i < 12; i++) bench.target.put('out', `k${i}x`, String(i));
        let pages = 0;
        bench[side].hooks.listing = (page) => (pages++ < pagesBefore ? page : null);
        const result = await bench.run({ mode: 'mirror' });
        expect(result.error?.code).toBe('LISTING_INCOMPLETE');
        expect(result.run.counters.items.deleted).toBe(0);
        expect(bench.target.requests.DELETE ?? 0).toBe(0);
      }
    });
  }

  test('an S3 page that is cut off in the middle is no end', async () => {
    let lists = 0;
    await using clouds = await openClouds({
      from: 's3',
      to: 'azure',
      answer: (request, response) => {
        if (!request.path.includes('list-type=2') || lists++ > 20) return response;
        const text = Buffer.concat([...response.body.chunks()]).toString('utf8');
        const body = Buffer.from(text.replace(/<Contents>[^]*/, ''));
        return {
          ...response,
          headers: { ...response.headers, 'content-length': String(body.length) },
          body: { sizeBytes: body.length, chunks: () => [body].values() },
        } as never;
      },
    });
    for (let i = 0; i < 5; i++) clouds.s3.put('inside', `k${i}`, String(i));
    clouds.azure.put('outside', 'precious', 'stays');
    const result = await clouds.run({ mode: 'mirror' });
    expect(result.error).not.toBeNull();
    expect(clouds.azure.bytes('outside', 'precious')?.toString()).toBe('stays');
  });
});

/** In the order of UTF-16 units the second and third come first. */
const BEYOND = ['a/\uff5e', 'a/\u{1f600}', 'a/\u{10ffff}', 'a/\ue000', 'b\u{1f600}/c', 'b\uff5e/c', 'z'];

describe('another order than that of bytes (case 4)', () => {
  test('of any two keys, that comes first whose bytes come first', () => {
    const anyKey = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.string({ unit: fc.constantFrom('a', '\uff5e', '\u{1f600}', '\ud7ff', '\ue000', '\u{10ffff}'), maxLength: 4 }),
      fc.uint8Array({ maxLength: 6 }).map(keyFromBytes),
    );
    fc.assert(
      fc.property(anyKey, anyKey, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(keyToBytes(a), keyToBytes(b)));
      }),
      { numRuns: 2_000 },
    );
  });

  test('keys beyond U+FFFF meet their equals', async () => {
    await using bench = await openBench({ pageSize: 2 }, { pageSize: 3 }, hastyClock());
    for (const key of BEYOND) bench.source.put('in', key, key);
    const first = await bench.run({ mode: 'mirror' });
    expect(first.run.counters.items).toMatchObject({ scanned: 7, copied: 7 });
    const again = await bench.run({ mode: 'mirror' });
    expect(again.run.counters.items).toMatchObject({ scanned: 7, same: 7, copied: 0, deleted: 0 });
  });

  test('a service that lists by UTF-16 units loses and repeats nothing', async () => {
    await using clouds = await openClouds({ from: 's3', to: 'azure', azure: { order: 'units' } });
    for (const key of BEYOND) clouds.s3.put('inside', key, key);
    clouds.azure.put('outside', 'm', 'only here');
    const first = await clouds.run({ mode: 'mirror' });
    expect(first.error).toBeNull();
    expect(first.run.counters.items).toMatchObject({ scanned: 7, copied: 7, deleted: 1 });
    const again = await clouds.run({ mode: 'mirror' });
    expect(again.run.counters.items).toMatchObject({ scanned: 7, same: 7, copied: 0, deleted: 0 });
  });

  test('a page that comes again, in whole or with one entry twice, changes nothing', async () => {
    await using bench = await openBench({ pageSize: 10 }, {}, hastyClock());
    for (let i = 10; i < 60; i++) bench.source.put('in', `k${i}`, String(i));
    bench.target.put('out', 'k99', 'goes');
    let pages = 0;
    let last: Page['entries'] = [];
    bench.source.hooks.listing = (page) => {
      pages += 1;
      const entries = pages === 2 ? [page.entries[0] as Entry, ...page.entries] : page.entries;
      const shown = pages === 4 ? { ...page, entries: last } : { ...page, entries };
      last = page.entries;
      return shown;
    };
    const result = await bench.run({ mode: 'mirror' });
    expect(result.error).toBeNull();
    expect(result.run.counters.items).toMatchObject({ scanned: 50, failed: 0, deleted: 1 });
    expect(bench.content(bench.target)).toEqual(bench.content(bench.source));
    sumsAgree(result, await bench.log(result));
  });
});

describe('more than memory holds (case 5)', () => {
  test('what is spilled comes back whole and in order, without asking anybody', async () => {
    await using bench = await openBench();
    const sort = new ExternalSort<{ key: string; etag: string }>(
      bench.world.artifacts,
      'sorting/test/',
      (a, b) => compareKeys(a.key, b.key),
      100,
    );
    const keys = Array.from({ length: 1234 }, (_, i) => `${(i * 7919) % 1234}-${i % 2 === 0 ? '\u{1f600}' : '\uff5e'}`);
    for (const key of keys) await sort.add({ key, etag: `etag of ${key}` });
    const back: string[] = [];
    for await (const { key, etag } of sort.sorted()) {
      expect(etag).toBe(`etag of ${key}`);
      back.push(key);
    }
    expect(back).toEqual(keys.toSorted(compareKeys));
    await sort.clear();
  });

  test('an unordered listing of many keys costs no request for any of them', async () => {
    await using bench = await openBench({ order: 'none' }, {}, hastyClock());
    for (let i = 0; i < 2_000; i++) bench.source.put('in', `k${i}`, 'x');
    await bench.run();
    const before = { ...bench.source.requests, target: bench.target.requests.HEAD };
    const again = await bench.run();
    expect(again.run.counters.items).toMatchObject({ scanned: 2_000, same: 2_000 });
    expect(bench.source.requests.HEAD ?? 0).toBe(before.HEAD ?? 0);
    expect(bench.source.requests.GET).toBe(before.GET);
    expect(bench.target.requests.HEAD).toBe(before.target);
  });
});
