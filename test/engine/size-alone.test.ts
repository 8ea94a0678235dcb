/** Size alone proves nothing: what rests on it is said, stays so through later runs, and is read where that is asked for. */
import { describe, expect, test } from 'vitest';
import { HONEST_FACTS } from '../../src/providers/memory/behaviour.ts';
import { openBench, sumsAgree, type Bench } from './bench.ts';

/** Neither side tells a digest, and each object at the target is newer than at the source. */
const SILENT = { listedDigests: [] } as const;
const EARLIER = { modifiedAtMs: 1_000 };
const LATER = { modifiedAtMs: 2_000_000 };

async function openSilent(targetBehaviour: object = SILENT): Promise<Bench> {
  const bench = await openBench(SILENT, targetBehaviour);
  bench.source.put('in', 'same', 'AAAA', EARLIER);
  bench.source.put('in', 'other', 'BBBB', EARLIER);
  bench.target.put('out', 'same', 'AAAA', LATER);
  bench.target.put('out', 'other', 'XXXX', LATER);
  return bench;
}

const CHECK = [{ mode: 'check' }, { command: 'check' }] as const;

describe('objects of which only the sizes can be compared', () => {
  test('are not what a comparison calls identical, unless that was accepted', async () => {
    await using bench = await openSilent();
    const checked = await bench.run(...CHECK);
    expect(checked.run).toMatchObject({
      state: 'completed-with-issues',
      counters: { sameWeak: 2, items: { same: 2 }, differences: { different: 0 } },
    });
    sumsAgree(checked, await bench.log(checked));
    expect(await bench.log(checked)).toMatchObject([
      { key: 'other', result: 'same', code: 'same-size', verification: 'V0' },
      { key: 'same', result: 'same', code: 'same-size', verification: 'V0' },
    ]);
    const accepted = await bench.run({ mode: 'check', acceptV0: true }, { command: 'check' });
    expect(accepted.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 2 } });
  });

  test('need no transfer, are weak, and stay weak in every later run and comparison', async () => {
    await using bench = await openSilent();
    for (const policy of [{}, {}, { mode: 'check' }, { mode: 'mirror' }, { mode: 'check' }] as const) {
      const { run, error } = await bench.run(policy);
      expect(error).toBeNull();
      expect(run).toMatchObject({ state: 'completed-with-issues', counters: { sameWeak: 2, items: { same: 2 } } });
    }
    expect((await bench.run({ acceptV0: true })).run.state).toBe('succeeded');
    // A plan is no issue.
    expect((await bench.run({ dryRun: true })).run.state).toBe('succeeded');
  });

  test('are weak also where a copy could not be proved', async () => {
    const facts = { ...HONEST_FACTS, contentMd5: 'ignored', checksums: {}, returned: [] } as const;
    await using bench = await openBench(SILENT, { ...SILENT, facts, hasComposites: false });
    bench.source.put('in', 'a', 'AAAA', EARLIER);
    const copied = await bench.run();
    expect(copied.run).toMatchObject({ counters: { verification: { V0: 1 } }, state: 'completed-with-issues' });
    const checked = await bench.run(...CHECK);
    expect(checked.run).toMatchObject({ counters: { sameWeak: 1 }, state: 'completed-with-issues' });
  });

  test('are weak where the times agree, too', async () => {
    await using bench = await openBench(SILENT, { ...SILENT, keepsSourceTime: true });
    bench.source.put('in', 'a', 'AAAA', EARLIER);
    bench.target.put('out', 'a', 'XXXX', EARLIER);
    for (const policy of [{}, { mode: 'check' }] as const) {
      const { run } = await bench.run(policy);
      expect(run).toMatchObject({ state: 'completed-with-issues', counters: { sameWeak: 1 } });
    }
  });

  test('are weak when only their metadata was brought up to date', async () => {
    await using bench = await openBench(SILENT, SILENT);
    bench.source.put('in', 'a', 'AAAA', { ...EARLIER, metadata: { owner: 'ann' } });
    bench.target.put('out', 'a', 'XXXX', LATER);
    const refreshed = await bench.run({ metadata: 'refresh' });
    expect(bench.target.get('out', 'a')?.metadata).toEqual({ owner: 'ann' });
    expect(refreshed.run).toMatchObject({ state: 'completed-with-issues', counters: { sameWeak: 1 } });
    expect((await bench.run(...CHECK)).run.counters.sameWeak).toBe(1);
  });

  test('are weak as older versions, too', async () => {
    await using bench = await openBench({ ...SILENT, isVersioned: true }, { ...SILENT, isVersioned: true });
    bench.source.put('in', 'a', 'AAAA', EARLIER);
    bench.target.put('out', 'a', 'XXXX', LATER);
    expect((await bench.run({ versions: 'all' })).run.counters).toMatchObject({ sameWeak: 1, items: { same: 1 } });
    bench.source.put('in', 'a', 'a newer one', { modifiedAtMs: 3_000_000 });
    const second = await bench.run({ versions: 'all' });
    expect(second.run.counters).toMatchObject({ sameWeak: 1, items: { same: 1, copied: 1 } });
    expect(second.run.state).toBe('completed-with-issues');
  });

  test('are not those of no bytes: there is only one such content', async () => {
    await using bench = await openBench(SILENT, SILENT);
    bench.source.put('in', 'empty', '', EARLIER);
    bench.target.put('out', 'empty', '', LATER);
    const { run } = await bench.run(...CHECK);
    expect(run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 1 } } });
  });

  test('are proved again once a digest tells, and then stay proved', async () => {
    await using bench = await openBench(SILENT, SILENT);
    bench.source.put('in', 'a', 'AAAA', EARLIER);
    bench.target.put('out', 'a', 'AAAA', LATER);
    expect((await bench.run()).run.counters.sameWeak).toBe(1);
    for (const store of [bench.source, bench.target]) Object.assign(store.behaviour, { listedDigests: ['md5'] });
    expect((await bench.run()).run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0 } });
    for (const store of [bench.source, bench.target]) Object.assign(store.behaviour, SILENT);
    expect((await bench.run(...CHECK)).run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0 } });
  });
});

describe('read-back, of what is there already', () => {
  test('reads both sides in a comparison, and finds what differs', async () => {
    await using bench = await openSilent();
    const checked = await bench.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    expect(checked.run).toMatchObject({
      state: 'completed-with-issues',
      counters: { sameWeak: 0, items: { same: 1 }, differences: { different: 1 } },
    });
    expect(await bench.log(checked)).toMatchObject([
      { key: 'other', result: 'different' },
      { key: 'same', result: 'same', code: 'same-digest' },
    ]);
    sumsAgree(checked, await bench.log(checked));
    bench.target.put('out', 'other', 'BBBB', LATER);
    const again = await bench.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    expect(again.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 2 } } });
  });

  test('makes a transfer copy what differs, and what it has read is proved from then on', async () => {
    await using bench = await openSilent();
    const { run } = await bench.run({ verify: 'read-back' });
    expect(run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 1, copied: 1 } } });
    expect(bench.content(bench.target)).toEqual({ same: 'AAAA', other: 'BBBB' });
    const reads = [bench.source.requests.GET, bench.target.requests.GET];
    expect((await bench.run({ mode: 'check', verify: 'read-back' })).run.state).toBe('succeeded');
    expect((await bench.run(...CHECK)).run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0 } });
    expect([bench.source.requests.GET, bench.target.requests.GET]).toEqual(reads);
  });

  test('reads only the side that tells no digest', async () => {
    await using bench = await openBench({ listedDigests: ['md5'] }, SILENT);
    bench.source.put('in', 'a', 'AAAA', EARLIER);
    bench.target.put('out', 'a', 'XXXX', LATER);
    expect((await bench.run(...CHECK)).run.counters.sameWeak).toBe(1);
    const reads = bench.source.requests.GET;
    const checked = await bench.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    expect(checked.run.counters).toMatchObject({ sameWeak: 0, differences: { different: 1 } });
    expect(bench.source.requests.GET).toBe(reads);
  });

  test('leaves as weak what the target keeps archived', async () => {
    await using bench = await openSilent();
    bench.target.put('out', 'same', 'AAAA', { ...LATER, availability: 'archived', storageClass: 'GLACIER' });
    const { run } = await bench.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    expect(run.counters).toMatchObject({ sameWeak: 1, differences: { different: 1 } });
  });
});
