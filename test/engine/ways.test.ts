/** The ways beside the plain one: parallel listing, versions, archived objects, server-side copies, properties. */
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../src/lib/fake-world.ts';
import { systemClock } from '../../src/lib/system.ts';
import { DroverError } from '../../src/model/errors.ts';
import { HONEST_FACTS } from '../../src/providers/memory/provider.ts';
import { ALL_NAMES } from '../../src/model/names.ts';
import { DEFAULT_POLICY, type Policy } from '../../src/model/policy.ts';
import { openBench, sumsAgree, TUNING, type Bench } from './bench.ts';

describe('parallel listing', () => {
  test('a long flat prefix is cut while it is listed, and nothing is lost or done twice', async () => {
    await using bench = await openBench({ pageSize: 20 }, { pageSize: 20 });
    for (let i = 0; i < 3_000; i++) bench.source.put('in', `img-${String(i).padStart(6, '0')}.jpg`, '');
    // Listing must take longer than copying, as it does over a network, or nobody waits for it.
    const latency = (): Promise<void> => systemClock.sleep(5);
    bench.source.hooks.before = (operation) => (operation === 'LIST' ? latency() : undefined);
    const result = await bench.run({}, { tuning: { ...TUNING, transfersMax: 64 } });
    expect(result.error?.message ?? null).toBeNull();
    const segments = await bench.state.store.segments(result.run.runId);
    expect(result.run.counters.items).toMatchObject({ scanned: 3_000, copied: 3_000 });
    expect(bench.target.keys('out')).toEqual(bench.source.keys('in'));
    sumsAgree(result, await bench.log(result));
    const again = await bench.run();
    expect(again.run.counters.items).toMatchObject({ scanned: 3_000, same: 3_000 });
    expect(segments.filter((segment) => segment.kind === 'keys').length).toBeGreaterThan(3);
  });
});

describe('versions', () => {
  test('travel oldest first, and once', async () => {
    await using bench = await openBench({ isVersioned: true }, { isVersioned: true });
    bench.source.put('in', 'a', 'one');
    bench.source.put('in', 'a', 'two');
    bench.source.put('in', 'a', 'three');
    bench.source.put('in', 'b', 'only');
    const result = await bench.run({ versions: 'all' });
    expect(result.error).toBeNull();
    expect(result.run.counters.items).toMatchObject({ scanned: 4, copied: 4 });
    expect(bench.content(bench.target)).toEqual({ a: 'three', b: 'only' });
    const again = await bench.run({ versions: 'all' });
    expect(again.run.counters.items).toMatchObject({ scanned: 4, same: 4, copied: 0 });
  });
});

describe('versions replace what was listed, and each other, and nothing that has come between', () => {
  test.each([
    [0, { copied: 0, failed: 3 }],
    [1, { copied: 1, failed: 2 }],
    [2, { copied: 2, failed: 1 }],
  ])('somebody writes there after %i of them', async (written, counts) => {
    const clock = new FakeClock();
    await using bench = await openBench({ isVersioned: true }, { isVersioned: true }, clock);
    for (const content of ['one', 'two', 'three']) bench.source.put('in', 'a', content);
    bench.target.put('out', 'a', 'listed', { modifiedAtMs: 1_000 });
    let puts = 0;
    bench.target.hooks.before = (operation) => {
      if (operation === 'PUT' && puts++ === written) bench.target.put('out', 'a', 'of somebody else');
    };
    const result = await clock.run(bench.run({ versions: 'all' }));
    expect(result.run.counters.items).toMatchObject(counts);
    expect(bench.content(bench.target)).toEqual({ a: 'of somebody else' });
    sumsAgree(result, await bench.log(result));
  });

  test('an archived one that was asked back does not end up above a newer one', async () => {
    const clock = new FakeClock();
    await using bench = await openBench({ isVersioned: true, restoreMs: 60_000 }, { isVersioned: true }, clock);
    bench.source.put('in', 'a', 'one');
    bench.source.put('in', 'a', 'two', { storageClass: 'GLACIER', availability: 'archived' });
    bench.source.put('in', 'a', 'three');
    const policy = { versions: 'all', archived: { tier: 'Bulk', days: 1 } } as const;
    const { run, error } = await clock.run(bench.run(policy));
    expect(error).toBeNull();
    expect(run.counters.items).toMatchObject({ scanned: 3, copied: 3, failed: 0 });
    const history = bench.target.containers.get('out')!.history('a');
    expect(history.map(({ content }) => Buffer.from(content).toString())).toEqual(['one', 'two', 'three']);
    const again = await clock.run(bench.run(policy));
    expect(again.run.counters.items).toMatchObject({ scanned: 3, same: 3, copied: 0 });
  });

  test('also where the first of all is new, or what is there was moved by a run before', async () => {
    await using bench = await openBench({ isVersioned: true }, { isVersioned: true });
    for (const content of ['one', 'two']) bench.source.put('in', 'a', content);
    expect((await bench.run({ versions: 'all' })).run.counters.items).toMatchObject({ copied: 2, failed: 0 });
    for (const content of ['three', 'four']) bench.source.put('in', 'a', content);
    expect((await bench.run({ versions: 'all' })).run.counters.items).toMatchObject({ same: 2, copied: 2, failed: 0 });
    expect(bench.content(bench.target)).toEqual({ a: 'four' });
  });
});

describe('what was put before versions were kept', () => {
  const VERSIONED = { isVersioned: true };
  const ALL = { versions: 'all' } as const;
  const UNTOUCHED = { missing: 0, different: 0, extra: 0 };

  /** A run, and what a comparison right after it says. */
  async function copyAndCheck(bench: Bench, policy: Partial<Policy> = ALL) {
    const { run, error } = await bench.run(policy);
    expect(error).toBeNull();
    const check = await bench.run({ ...policy, mode: 'check' }, { command: 'check' });
    expect(check.run.counters.differences).toMatchObject(UNTOUCHED);
    return run.counters.items;
  }

  test.each(['before', 'never'] as const)(
    'is a version among the others, where it was copied %s versions were',
    async (when) => {
      await using bench = await openBench({ isVersioned: false }, VERSIONED);
      for (const key of ['a', 'b', 'c']) bench.source.put('in', key, `old ${key}`);
      if (when === 'before') expect(await copyAndCheck(bench, {})).toMatchObject({ copied: 3 });
      Object.assign(bench.source.behaviour, VERSIONED);
      bench.source.put('in', 'a', 'new a');
      const copied = when === 'before' ? 1 : 4;
      expect(await copyAndCheck(bench)).toMatchObject({ scanned: 4, copied, same: 4 - copied });
      const history = bench.target.containers.get('out')!.history('a');
      expect(history.map(({ content }) => Buffer.from(content).toString())).toEqual(['old a', 'new a']);
      expect(bench.content(bench.target)).toEqual({ a: 'new a', b: 'old b', c: 'old c' });
      expect(await copyAndCheck(bench)).toMatchObject({ scanned: 4, same: 4 });
    },
  );

  test('is another version once it was replaced while none were kept, also below a newer one', async () => {
    await using bench = await openBench(VERSIONED, VERSIONED);
    bench.source.put('in', 'a', 'first');
    Object.assign(bench.source.behaviour, { isVersioned: false });
    bench.source.put('in', 'a', 'unnamed');
    Object.assign(bench.source.behaviour, VERSIONED);
    bench.source.put('in', 'a', 'third');
    expect(await copyAndCheck(bench)).toMatchObject({ scanned: 3, copied: 3 });
    Object.assign(bench.source.behaviour, { isVersioned: false });
    bench.source.put('in', 'a', 'replaced');
    Object.assign(bench.source.behaviour, VERSIONED);
    bench.source.put('in', 'a', 'fourth');
    const result = await bench.run(ALL);
    expect(result.run.counters.items).toMatchObject({ scanned: 4, copied: 2, same: 2 });
    const history = bench.target.containers.get('out')!.history('a');
    const contents = history.map(({ content }) => Buffer.from(content).toString());
    expect(contents).toEqual(['first', 'unnamed', 'third', 'replaced', 'fourth']);
  });
});

describe('archived objects', () => {
  test('are reported with their class', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'cold', 'ice', { storageClass: 'GLACIER', availability: 'archived' });
    const result = await bench.run();
    expect(result.run.state).toBe('completed-with-issues');
    expect(result.run.counters.items).toMatchObject({ scanned: 1, unsupported: 1 });
    const [record] = await bench.log(result);
    expect(record).toMatchObject({ code: 'ARCHIVED' });
    expect(record?.details).toContain('GLACIER');
  });

  test('are restored, waited for and copied when asked', async () => {
    await using bench = await openBench({ restoreMs: 0 });
    bench.source.put('in', 'cold', 'ice', { storageClass: 'GLACIER', availability: 'archived' });
    bench.source.put('in', 'warm', 'water');
    const result = await bench.run({ archived: { tier: 'Bulk', days: 3 } });
    expect(result.error).toBeNull();
    expect(result.run.counters.items).toMatchObject({ scanned: 2, copied: 2, unsupported: 0 });
    expect(bench.content(bench.target)).toEqual({ cold: 'ice', warm: 'water' });
    sumsAgree(result, await bench.log(result));
  });

  test('under other names stand in the record by those, for the next run and for verifying', async () => {
    await using bench = await openBench({ restoreMs: 0 }, { names: { ...ALL_NAMES, dotSegments: false } });
    for (const key of ['m', 'z', 'a/../b', 'b/../c'])
      bench.source.put('in', key, `ice ${key}`, { storageClass: 'GLACIER', availability: 'archived' });
    bench.source.put('in', 'warm', 'water');
    const archived = { tier: 'Bulk', days: 3 } as const;
    const result = await bench.run({ archived });
    expect(result.run.counters.items).toMatchObject({ scanned: 5, copied: 5 });
    expect(await bench.verify(result)).toMatchObject({ checked: 5, missing: 0, different: 0 });
    const again = await bench.run({ archived });
    expect((await bench.log(again)).map(({ code }) => code)).toEqual(Array.from({ length: 5 }, () => 'same-snapshot'));
  });
});

describe('properties', () => {
  test('travel with the content, and can be refreshed alone', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'a', 'text', {
      headers: { contentType: 'text/plain' },
      metadata: { owner: 'ann' },
      tags: { team: 'x' },
    });
    await bench.run();
    expect(bench.target.get('out', 'a')).toMatchObject({
      headers: { contentType: 'text/plain' },
      metadata: { owner: 'ann' },
      tags: { team: 'x' },
    });
    bench.source.put('in', 'a', 'text', {
      headers: { contentType: 'text/plain' },
      metadata: { owner: 'ben' },
      tags: { team: 'x' },
    });
    const unseen = await bench.run();
    expect(unseen.run.counters.items.same).toBe(1);
    await bench.run({ metadata: 'refresh' });
    expect(bench.target.get('out', 'a')?.metadata).toEqual({ owner: 'ben' });
    const result = await bench.run({ metadata: 'refresh' });
    expect(result.run.counters.items).toMatchObject({ scanned: 1, same: 1 });
  });
});

describe('filters', () => {
  test('leave out, count, and protect from deletion', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'a.txt', '1');
    bench.source.put('in', 'b.tmp', '2');
    bench.target.put('out', 'c.tmp', 'protected');
    bench.target.put('out', 'd.txt', 'goes');
    const filter = { ...DEFAULT_POLICY.filter, exclude: ['*.tmp'] };
    const result = await bench.run({ mode: 'mirror', filter });
    expect(result.run.counters.items).toMatchObject({ scanned: 2, copied: 1, excluded: 1, deleted: 1 });
    expect(Object.keys(bench.content(bench.target))).toEqual(['a.txt', 'c.tmp']);
  });
});

describe('a target that is newer', () => {
  for (const targetNewer of ['skip', 'overwrite'] as const) {
    test(`is ${targetNewer === 'skip' ? 'left alone' : 'overwritten'}`, async () => {
      await using bench = await openBench();
      bench.source.put('in', 'a', 'from source', { modifiedAtMs: 1_000 });
      bench.target.put('out', 'a', 'newer here', { modifiedAtMs: 2_000_000 });
      const result = await bench.run({ targetNewer });
      expect(result.run.counters.items).toMatchObject(targetNewer === 'skip' ? { skipped: 1 } : { copied: 1 });
      expect(bench.target.text('out', 'a')).toBe(targetNewer === 'skip' ? 'newer here' : 'from source');
    });
  }
});

describe('proof of large objects', () => {
  const MIB = 1024 * 1024;
  const content = Buffer.alloc(20 * MIB, 'proof');

  test('at a store that returns no digests, only refuses wrong ones', async () => {
    const facts = { ...HONEST_FACTS, returned: [] };
    await using bench = await openBench({ listedDigests: [] }, { facts });
    bench.source.put('in', 'large', content);
    const result = await bench.run();
    expect(result.error).toBeNull();
    expect(result.run.counters.verification).toMatchObject({ V0: 0 });
    expect(bench.target.uploads.size).toBe(0);
  });

  test('by a digest of the whole that cannot be put together from parts', async () => {
    await using bench = await openBench({ listedDigests: ['sha256'] }, { provableDigests: ['sha256', 'crc64nvme'] });
    bench.source.put('in', 'large', content);
    const result = await bench.run();
    expect(result.error).toBeNull();
    expect(result.run.counters.items.copied).toBe(1);
    expect(result.run.counters.verification.V0).toBe(0);
  });
});

describe('a mirror of which something failed', () => {
  test('deletes nothing: what is only at the target may be the only copy', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'renamed', 'content');
    bench.target.put('out', 'old-name', 'content');
    bench.target.hooks.before = (operation) => {
      if (operation === 'PUT') throw new DroverError('PERMISSION_DENIED', 'No.');
    };
    const result = await bench.run({ mode: 'mirror' });
    expect(result.run.counters.items).toMatchObject({ failed: 1, deleted: 0 });
    expect(Object.keys(bench.content(bench.target))).toEqual(['old-name']);
  });
});

describe('a source that lists no digests', () => {
  const folder = { listedDigests: [], timePrecisionMs: 1 } as const;

  test('is read once where sizes are equal and nothing else proves the content', async () => {
    await using bench = await openBench(folder);
    bench.source.put('in', 'same', 'AAAA', { modifiedAtMs: 1_000 });
    bench.source.put('in', 'other', 'CCCC', { modifiedAtMs: 1_000 });
    bench.target.put('out', 'same', 'AAAA', { modifiedAtMs: 2_000_000 });
    bench.target.put('out', 'other', 'AAAA', { modifiedAtMs: 2_000_000 });
    const checked = await bench.run({ mode: 'check' });
    expect(checked.run.counters.differences).toMatchObject({ missing: 0, extra: 0, different: 1 });
    expect(checked.run.counters.sameWeak).toBe(0);
    sumsAgree(checked, await bench.log(checked));
    const result = await bench.run();
    expect(result.run.counters.items).toMatchObject({ copied: 1, same: 1 });
    expect(bench.target.text('out', 'other')).toBe('CCCC');
    const reads = bench.source.requests.GET;
    await bench.run();
    expect(bench.source.requests.GET).toBe(reads);
  });
});

test('what the target fetched while the source was written to is replaced, also where it cannot be taken away', async () => {
  const facts = { ...HONEST_FACTS, contentMd5: 'ignored', checksums: {}, returned: [] } as const;
  const silent = { listedDigests: [], recordsSource: false, without: ['removal'] } as const;
  const clock = new FakeClock();
  await using bench = await openBench(silent, { ...silent, facts }, clock);
  Object.assign(bench.target, { name: bench.source.name });
  bench.target.containers.set('in', bench.source.ensure('in'));
  bench.source.put('in', 'a', 'content', { modifiedAtMs: 1_000 });
  let copies = 0;
  bench.target.hooks.after = (operation) => {
    if (operation === 'COPY' && ++copies === 1) bench.source.put('in', 'a', 'another');
  };
  const result = await clock.run(bench.run({ serverSide: 'always' }));
  expect(await bench.log(result)).toMatchObject([{ key: 'a', result: 'copied', attempts: 2 }]);
  expect(bench.content(bench.target)).toEqual({ a: 'another' });
});
