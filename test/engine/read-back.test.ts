/** What was written is read again from the target: for stores whose word is not enough. */
import { describe, expect, test } from 'vitest';
import type { CopyContext, Proof } from '../../src/engine/copy-context.ts';
import { withReadBack } from '../../src/engine/read-back.ts';
import { FakeClock } from '../../src/lib/fake-world.ts';
import { digestOf } from '../../src/lib/hash.ts';
import { DroverError } from '../../src/model/errors.ts';
import { openBench, POLICY, sumsAgree } from './bench.ts';

const MIB = 1024 * 1024;

/** The target keeps other bytes than it was given, so many times for each key, and says nothing. */
function corrupting(times: Readonly<Record<string, number>>) {
  const left = new Map(Object.entries(times));
  return (key: string, content: Uint8Array): Uint8Array => {
    const count = left.get(key) ?? 0;
    if (count === 0 || content.length === 0) return content;
    left.set(key, count - 1);
    const wrong = content.slice();
    wrong[0] = (wrong[0] as number) ^ 1;
    return wrong;
  };
}

test('a target that corrupts silently is found out, and the item tried again', async () => {
  await using bench = await openBench();
  for (const key of ['fine', 'once', 'always']) bench.source.put('in', key, `content of ${key}`);
  bench.source.put('in', 'large', new Uint8Array(3 * MIB).fill(7));
  bench.source.put('in', 'empty', '');
  bench.target.hooks.reading = corrupting({ once: 1, always: 99, large: 1 });
  const result = await bench.run({ verify: 'read-back' });
  const log = await bench.log(result);
  const of = (key: string) => log.find((record) => record.key === key);
  expect(of('fine')).toMatchObject({ result: 'copied', attempts: 1 });
  expect(of('once')).toMatchObject({ result: 'copied', attempts: 2 });
  expect(of('large')).toMatchObject({ result: 'copied', attempts: 2 });
  expect(of('empty')).toMatchObject({ result: 'copied', attempts: 1 });
  expect(of('always')).toMatchObject({ result: 'failed', code: 'CORRUPTED' });
  expect(result.run).toMatchObject({ state: 'completed-with-issues', counters: { items: { copied: 4, failed: 1 } } });
  // What is wrong does not stay.
  expect(Object.keys(bench.content(bench.target))).not.toContain('always');
  sumsAgree(result, log);
});

test('with digests alone nobody would have known', async () => {
  await using bench = await openBench();
  bench.source.put('in', 'always', 'content');
  bench.target.hooks.reading = corrupting({ always: 99 });
  expect((await bench.run()).run.state).toBe('succeeded');
});

test.each(['content', 'kontent'])('where nobody gives a digest, source and target (%s) are both read', async (kept) => {
  await using bench = await openBench();
  bench.source.put('in', 'a', 'content');
  bench.target.put('out', 'a', kept);
  const { source, target, readBack } = await bench.ends();
  const none = new AbortController().signal;
  const [from, to] = await Promise.all([source.stat('a', none), target.stat('a', none)]);
  if (from === null || to === null) throw new Error('Both are there.');
  const proof: Proof = {
    source: { ...from, digests: {}, composite: null },
    computed: {},
    countedBytes: 7,
    written: { entry: to, proved: {}, composite: null, losses: [] },
  };
  const context = { policy: { ...POLICY, verify: 'read-back' }, source, readBack } as unknown as CopyContext;
  const judged = await withReadBack(context, proof, { retry: bench.world, take: null, signal: none });
  expect(judged.source.digests.sha256).toBe(digestOf('sha256', new TextEncoder().encode('content')));
  expect(judged.written.proved.sha256 === judged.source.digests.sha256).toBe(kept === 'content');
});

test('what is archived at once at the target is said not to have been read back', async () => {
  await using bench = await openBench();
  bench.source.put('in', 'a', 'content');
  bench.target.hooks.before = (operation) => {
    if (operation === 'GET') throw new DroverError('ARCHIVED', 'It is archived.');
  };
  const result = await bench.run({ verify: 'read-back' });
  const [record] = await bench.log(result);
  expect(record).toMatchObject({ result: 'copied', details: expect.stringContaining('could not be read back') });
});

test('a break while it is read back costs a reading, not the copy', async () => {
  await using bench = await openBench();
  bench.source.put('in', 'a', 'content');
  let gets = 0;
  bench.target.hooks.before = (operation) => {
    if (operation === 'GET' && ++gets === 1) throw new DroverError('UNREACHABLE', 'Cut.');
  };
  const [record] = await bench.log(await bench.run({ verify: 'read-back' }));
  expect([record?.result, record?.attempts, gets]).toEqual(['copied', 1, 2]);
});

describe('what the target loses while it is looked at is not what the source has removed', () => {
  const gone = (): never => {
    throw new DroverError('NOT_FOUND', '"a" is not there any more.', { key: 'a' });
  };

  test.each(['PUT', 'GET'] as const)('while it is copied: %s', async (at) => {
    const clock = new FakeClock();
    await using bench = await openBench({}, {}, clock);
    bench.source.put('in', 'a', 'content');
    bench.source.put('in', 'once', 'content');
    let times = 0;
    bench.target.hooks.before = (operation, key) => {
      if (operation === at && (key === 'a' || ++times === 1)) gone();
    };
    const result = await clock.run(bench.run({ verify: 'read-back' }));
    expect(await bench.log(result)).toMatchObject([
      { key: 'a', result: 'failed', code: 'CHANGED', side: 'target' },
      { key: 'once', result: 'copied', attempts: 2 },
    ]);
    expect(result.run.state).toBe('completed-with-issues');
  });

  test('while it is compared', async () => {
    const silent = { listedDigests: [] };
    await using bench = await openBench(silent, { ...silent, recordsSource: false });
    bench.source.put('in', 'a', 'content');
    bench.target.put('out', 'a', 'content');
    bench.target.hooks.before = (operation) => (operation === 'GET' ? gone() : undefined);
    const result = await bench.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    expect(await bench.log(result)).toMatchObject([{ result: 'failed', code: 'CHANGED', side: 'target' }]);
    expect(result.run.state).toBe('completed-with-issues');
  });

  test('what the source has removed is left out, as before', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'a', 'content');
    bench.source.hooks.before = (operation) => (operation === 'GET' ? gone() : undefined);
    const result = await bench.run();
    expect(await bench.log(result)).toMatchObject([{ result: 'skipped', code: 'NOT_FOUND' }]);
    expect(result.run.state).toBe('succeeded');
  });
});
