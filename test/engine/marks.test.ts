/** The mark that a copy leaves at the target counts for as much as its copy was proved, also where no record of it is left. */
import { describe, expect, test } from 'vitest';
import { MIB } from '../../src/engine/limits.ts';
import { FakeClock } from '../../src/lib/fake-world.ts';
import { HONEST_FACTS } from '../../src/providers/memory/behaviour.ts';
import { openBench, sumsAgree, type Bench } from './bench.ts';

/** Listings tell no digest: only the mark speaks for a copy. */
const SILENT = { listedDigests: [] } as const;
/** Nor does a write: what is sent along is not looked at. */
const DEAF = { ...HONEST_FACTS, contentMd5: 'ignored', checksums: {}, returned: [] } as const;
const LONG_AGO = { modifiedAtMs: 1_000 };
const CHECK = [{ mode: 'check' }, { command: 'check' }] as const;

/** Nothing is known any more of the runs before, as of one that was cancelled, or whose worker was killed. */
async function forget({ state }: Bench): Promise<void> {
  await state.artifacts.removeAll('runs/');
}

/** The target's store holds the source as well, so that it can copy from it by itself. */
function joined(bench: Bench): Bench {
  Object.assign(bench.target, { name: bench.source.name });
  bench.target.containers.set('in', bench.source.ensure('in'));
  return bench;
}

function markOf(bench: Bench, key: string): boolean | undefined {
  return bench.target.containers.get('out')?.current(key)?.recorded?.isProved;
}

describe('the mark of a copy that only its size speaks for', () => {
  test.each(['small', 'in parts', 'by the target itself', 'by the target itself, in parts'])(
    'proves no more than the size: %s',
    async (way) => {
      const copyBytesMax = way.endsWith('itself, in parts') ? 4 : 5 * MIB;
      await using bench = await openBench(SILENT, { ...SILENT, facts: DEAF, hasComposites: false, copyBytesMax });
      const content = way === 'in parts' ? Buffer.alloc(17 * MIB, 'x') : 'content';
      bench.source.put('in', 'a', content, LONG_AGO);
      const serverSide = way.startsWith('by') ? 'always' : 'never';
      if (serverSide === 'always') joined(bench);
      const copied = await bench.run({ serverSide });
      expect(copied.error).toBeNull();
      expect(copied.run.counters).toMatchObject({ items: { copied: 1 }, verification: { V0: 1 } });
      await forget(bench);
      for (const [policy, state] of [
        [{ mode: 'check' }, 'completed-with-issues'],
        [{ serverSide }, 'completed-with-issues'],
        [{ serverSide, acceptV0: true }, 'succeeded'],
      ] as const) {
        const again = await bench.run(policy);
        expect(again.run).toMatchObject({ state, counters: { sameWeak: 1, items: { same: 1, copied: 0 } } });
        const log = await bench.log(again);
        expect(log).toMatchObject([{ key: 'a', result: 'same', code: 'same-size', verification: 'V0' }]);
        sumsAgree(again, log);
        await forget(bench);
      }
    },
  );

  test('counts for more once it was read back', async () => {
    await using bench = await openBench(SILENT, { ...SILENT, facts: DEAF, hasComposites: false });
    bench.source.put('in', 'a', 'content', LONG_AGO);
    expect((await bench.run()).run.counters.verification.V0).toBe(1);
    await forget(bench);
    const read = await bench.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    expect(read.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 1 } } });
    bench.target.put('out', 'a', 'kontent', { recorded: bench.target.containers.get('out')!.current('a')!.recorded });
    const wrong = await bench.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    expect(wrong.run.counters).toMatchObject({ items: { same: 0 }, differences: { different: 1 } });
  });
});

describe('the mark of a copy that a digest speaks for', () => {
  test('is proof where no record is left, also of a large object and of one without bytes', async () => {
    await using bench = await openBench(SILENT, SILENT);
    bench.source.put('in', 'empty', '', LONG_AGO);
    bench.source.put('in', 'large', Buffer.alloc(17 * MIB, 'x'), LONG_AGO);
    bench.source.put('in', 'small', 'content', LONG_AGO);
    const copied = await bench.run();
    expect(copied.run).toMatchObject({ state: 'succeeded', counters: { verification: { V0: 0 } } });
    expect(['empty', 'large', 'small'].map((key) => markOf(bench, key))).toEqual([true, true, true]);
    await forget(bench);
    const again = await bench.run();
    expect(again.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 3, copied: 0 } } });
    expect(await bench.log(again)).toMatchObject([
      { key: 'empty', code: 'same-recorded', verification: 'V3' },
      { key: 'large', code: 'same-recorded', verification: 'V1' },
      { key: 'small', code: 'same-recorded', verification: 'V1' },
    ]);
  });

  test('in parts that the target fetched is one where their digests are the source’s', async () => {
    const facts = { ...HONEST_FACTS, returned: ['crc64nvme'] } as const;
    await using bench = await openBench({ ...SILENT, facts }, { ...SILENT, facts, copyBytesMax: 4 });
    joined(bench);
    bench.source.put('in', 'a', 'content', LONG_AGO);
    const copied = await bench.run({ serverSide: 'always' });
    expect(copied.run.counters.verification.V2).toBe(1);
    expect(markOf(bench, 'a')).toBe(true);
  });

  test('in parts that do not have the digest of the source: nothing of it ever becomes visible', async () => {
    const clock = new FakeClock();
    const facts = { ...HONEST_FACTS, checksums: { crc64nvme: 'honoured' } } as const;
    await using bench = await openBench({ listedDigests: ['crc32c'] }, { ...SILENT, facts }, clock);
    bench.source.put('in', 'a', Buffer.alloc(17 * MIB, 'x'), { digests: { crc32c: '00000000' } });
    let completed = 0;
    bench.target.hooks.after = (operation) => void (completed += operation === 'COMPLETE' ? 1 : 0);
    const [record] = await bench.log(await clock.run(bench.run()));
    expect(record).toMatchObject({ result: 'failed', code: 'CORRUPTED' });
    expect([completed, bench.target.uploads.size]).toEqual([0, 0]);
  });
});

describe('a mark that does not say, as earlier versions left them', () => {
  const mark = { etag: 'of-the-source', versionId: null, sizeBytes: 7, modifiedAtMs: 1_000 };
  const without = ['references'] as const;

  test.each([
    ['always passed through Drover', { without }, { sameWeak: 0, code: 'same-recorded' }],
    ['may have been made by the target itself', {}, { sameWeak: 1, code: 'same-size' }],
  ] as const)('is proof where copies %s', async (_, behaviour, { sameWeak, code }) => {
    await using bench = await openBench({ ...SILENT, ...behaviour }, SILENT);
    bench.source.put('in', 'a', 'content', { ...LONG_AGO, etag: mark.etag });
    bench.target.put('out', 'a', 'content', { recorded: mark });
    const { run } = await bench.run();
    expect(run.counters).toMatchObject({ sameWeak, items: { same: 1 } });
    expect((await bench.log({ run, error: null, side: null, interrupted: false, canContinue: false }))[0]?.code).toBe(
      code,
    );
  });
});

describe('a digest that a copy only passed on', () => {
  const mark = { etag: 'of-the-source', versionId: null, sizeBytes: 7, modifiedAtMs: 1_000, isProved: false };
  const listed = { listedDigests: ['md5'] } as const;
  const claimed = { digests: { md5: '9a0364b9e99bb480dd25e1f0284c8555' } };

  function put(bench: Bench, content: string): void {
    bench.source.put('in', 'a', 'content', { ...LONG_AGO, etag: mark.etag, ...claimed });
    bench.target.put('out', 'a', content, { recorded: mark, ...claimed });
  }

  test('proves nothing, whichever side has it', async () => {
    await using bench = await openBench(listed, listed);
    put(bench, 'kontent');
    expect((await bench.run(...CHECK)).run).toMatchObject({
      state: 'completed-with-issues',
      counters: { sameWeak: 1, items: { same: 1 } },
    });
    bench.source.put('in', 'a', 'kontent', { ...LONG_AGO, ...claimed, recorded: { ...mark, etag: 'elsewhere' } });
    bench.target.put('out', 'a', 'content', claimed);
    // The target's own is one: the source is read for it.
    expect((await bench.run(...CHECK)).run.counters.differences.different).toBe(1);
  });

  test.each([
    ['content', { items: { same: 1 }, sameWeak: 0, differences: { different: 0 } }],
    ['kontent', { items: { same: 0 }, sameWeak: 0, differences: { different: 1 } }],
  ] as const)('does not keep the bytes from being read (%s)', async (content, counters) => {
    await using bench = await openBench(listed, listed);
    put(bench, content);
    const { run, error } = await bench.run({ mode: 'check', verify: 'read-back' }, { command: 'check' });
    expect(error).toBeNull();
    expect(run.counters).toMatchObject(counters);
  });

  test('still tells that two contents differ', async () => {
    await using bench = await openBench(listed, listed);
    put(bench, 'content');
    bench.source.put('in', 'a', 'another', { ...LONG_AGO, etag: mark.etag });
    expect((await bench.run(...CHECK)).run.counters.differences.different).toBe(1);
  });
});
