/** Stopped at any request, continued, and exact in the end: nothing lost, nothing left open, nothing copied twice. */
import { describe, expect, test } from 'vitest';
import type { Progress } from '../../src/engine/definition.ts';
import type { RunResult } from '../../src/engine/world.ts';
import { DroverError } from '../../src/model/errors.ts';
import { abandonRun } from '../../src/engine/abandon.ts';
import { verifyRun } from '../../src/engine/verify.ts';
import { HONEST_FACTS } from '../../src/providers/memory/behaviour.ts';
import { compositeMd5 } from '../../src/providers/memory/content.ts';
import { openBench, sumsAgree, type Bench } from './bench.ts';

const MIB = 1024 * 1024;

function seed(bench: Bench): void {
  for (let i = 0; i < 30; i++) bench.source.put('in', `dir-${i % 3}/k${i}`, `content ${i}`);
  bench.source.put('in', 'large', Buffer.alloc(20 * MIB, 'x'));
  bench.target.put('out', 'extra-1', 'goes');
}

/** Stops the run when the n-th request of the target arrives. */
async function stoppedAt(bench: Bench, n: number, continueRun: RunResult['run'] | null): Promise<RunResult> {
  const stopper = new AbortController();
  let seen = 0;
  bench.target.hooks.before = () => {
    seen += 1;
    if (seen === n) stopper.abort();
  };
  const result = await bench.run({ mode: 'mirror' }, { signal: stopper.signal, continueRun });
  bench.target.hooks.before = null;
  return result;
}

describe('a run that was stopped', () => {
  for (const n of [1, 2, 5, 10, 20, 30, 35, 40, 45]) {
    test(`at request ${n} continues to the same end`, async () => {
      await using bench = await openBench({ listedDigests: [] });
      seed(bench);
      let result = await stoppedAt(bench, n, null);
      for (let again = 0; result.interrupted && again < 3; again++) {
        expect(result.run.state).toBe('paused');
        expect((await bench.state.store.findUnfinished(result.run.transferId))?.runId).toBe(result.run.runId);
        result = await stoppedAt(bench, n + 3 * again, result.run);
      }
      const runId = result.run.runId;
      if (result.interrupted) result = await bench.run({ mode: 'mirror' }, { continueRun: result.run });
      expect(result.error).toBeNull();
      expect(result.run.runId).toBe(runId);
      expect(bench.content(bench.target)).toEqual(bench.content(bench.source));
      expect(result.run.counters.items).toMatchObject({ scanned: 31, deleted: 1, failed: 0 });
      sumsAgree(result, await bench.log(result));
      expect(bench.target.uploads.size).toBe(0);
      expect(await bench.state.store.intents(runId)).toEqual([]);
      const { target } = await bench.ends();
      const verified = await verifyRun(result.run, target, bench.world, {
        signal: new AbortController().signal,
        onProgress: null,
        onDifference: null,
      });
      expect(verified).toMatchObject({ checked: 31, missing: 0, different: 0 });
      const again = await bench.run({ mode: 'mirror' });
      expect(again.run.counters.items).toMatchObject({ scanned: 31, same: 31, copied: 0, deleted: 0 });
    });
  }

  test('a large object goes on with the parts that arrived', async () => {
    await using bench = await openBench({ listedDigests: [] });
    bench.source.put('in', 'large', Buffer.alloc(100 * MIB, 'y'));
    const stopper = new AbortController();
    let parts = 0;
    bench.target.hooks.after = (operation) => {
      if (operation === 'PART' && ++parts === 3) stopper.abort();
    };
    const stopped = await bench.run({}, { signal: stopper.signal });
    bench.target.hooks.after = null;
    expect(stopped.interrupted).toBe(true);
    expect(bench.target.uploads.size).toBe(1);
    const intents = await bench.state.store.intents(stopped.run.runId);
    expect(intents).toHaveLength(1);
    const result = await bench.run({}, { continueRun: stopped.run });
    expect(result.error).toBeNull();
    expect(bench.target.uploads.size).toBe(0);
    expect(bench.target.requests.COMPLETE).toBe(1);
    expect(bench.target.requests.BEGIN).toBe(1);
  });

  test('parts that arrived are neither sent again nor is their proof lost', async () => {
    const facts = { ...HONEST_FACTS, returned: ['crc64nvme'] as const };
    await using bench = await openBench({ listedDigests: [] }, { facts, hasComposites: false });
    const content = Buffer.alloc(40 * MIB, 'not the same in any two parts of it');
    const pieces = Array.from({ length: 5 }, (_, i) => content.subarray(i * 8 * MIB, (i + 1) * 8 * MIB));
    // All this source can say about its object is the digest over the digests of its parts.
    bench.source.put('in', 'large', content, {
      digests: {},
      composite: { kind: 'md5', value: compositeMd5(pieces), partCount: pieces.length },
      partSizes: pieces.map(({ length }) => length),
    });
    const whole = await bench.run();
    const proved = whole.run.counters.verification;
    expect(proved).toMatchObject({ V1: 1, V0: 0 });
    bench.target.remove('out', 'large');
    const stopper = new AbortController();
    let parts = 0;
    bench.target.hooks.after = (operation) => {
      if (operation === 'PART' && ++parts === 4) stopper.abort();
    };
    const stopped = await bench.run({}, { signal: stopper.signal });
    bench.target.hooks.after = null;
    expect(stopped.interrupted).toBe(true);
    const result = await bench.run({}, { continueRun: stopped.run });
    // Sent again is at most what was on its way when the run stopped: the fourth part, whose answer nobody heard.
    expect(bench.target.requests.BEGIN).toBe(2);
    expect(bench.target.requests.PART).toBeLessThanOrEqual(5 + 5 + 2);
    expect(result.run.counters.verification).toEqual(proved);
  });

  test('what is settled is committed, and the totals are known, while a large object is still moving', async () => {
    await using bench = await openBench({ listedDigests: [] });
    for (let i = 0; i < 10; i++) bench.source.put('in', `k${i}`, `content ${i}`);
    bench.source.put('in', 'large', Buffer.alloc(20 * MIB, 'x'));
    const committed = async (): Promise<number> => {
      const [run] = await bench.state.store.listRuns(1);
      return run?.counters.items.copied ?? 0;
    };
    const pictures: Progress[] = [];
    let seen = 0;
    bench.target.hooks.before = async (operation) => {
      const endAtMs = performance.now() + 120_000;
      while (operation === 'PART' && seen < 10 && performance.now() < endAtMs) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        seen = await committed();
      }
    };
    const result = await bench.run({}, { onProgress: (picture) => pictures.push(picture) });
    expect(result.error).toBeNull();
    expect(seen).toBe(10);
    const moving = pictures.filter(({ phase, counters }) => phase === 'copying' && counters.items.copied === 10);
    expect(moving.length).toBeGreaterThan(0);
    expect(moving.every(({ listingComplete, pendingItems }) => listingComplete && pendingItems === 1)).toBe(true);
  });

  test('given up for good it leaves nothing open', async () => {
    await using bench = await openBench({ listedDigests: [] });
    bench.source.put('in', 'large', Buffer.alloc(100 * MIB, 'y'));
    const stopper = new AbortController();
    bench.target.hooks.after = (operation) => {
      if (operation === 'PART') stopper.abort();
    };
    const stopped = await bench.run({}, { signal: stopper.signal });
    bench.target.hooks.after = null;
    expect(bench.target.uploads.size).toBe(1);
    const { target } = await bench.ends(stopped.run.runId);
    await abandonRun(stopped.run, target, bench.world, new AbortController().signal);
    expect(bench.target.uploads.size).toBe(0);
    expect(await bench.state.store.intents(stopped.run.runId)).toEqual([]);
    expect(await bench.state.store.findUnfinished(stopped.run.transferId)).toBeNull();
  });

  test('foreign uploads are never touched', async () => {
    await using bench = await openBench({ listedDigests: [] });
    bench.source.put('in', 'large', Buffer.alloc(20 * MIB, 'z'));
    const { target } = await bench.ends('foreignrun01');
    const signal = new AbortController().signal;
    await target.facets.parts?.begin('large', 20 * MIB, 8 * MIB, {
      properties: { headers: {}, metadata: {}, tags: null, tagCount: 0, missingMetadata: 0 },
      digests: {},
      expect: { kind: 'any' },
      modifiedAtMs: null,
      recorded: null,
      storageClass: null,
      kind: 'object',
      signal,
    });
    const result = await bench.run();
    expect(result.run.state).toBe('succeeded');
    expect(bench.target.uploads.size).toBe(1);
  });
});

describe('faults', () => {
  test('of single requests are healed', async () => {
    await using bench = await openBench();
    for (let i = 0; i < 20; i++) bench.source.put('in', `k${i}`, `content ${i}`);
    let number = 0;
    const now = new Map<string, number>();
    bench.target.hooks.after = (operation, key) => {
      number += 1;
      const times = (now.get(operation + key) ?? 0) + 1;
      now.set(operation + key, times);
      if (number % 5 === 0 && times === 1) throw new DroverError('UNAVAILABLE', 'The answer was lost.');
    };
    const result = await bench.run();
    expect(result.error).toBeNull();
    expect(bench.content(bench.target)).toEqual(bench.content(bench.source));
    sumsAgree(result, await bench.log(result));
  });

  test('a source that ends early never becomes a short object', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'short', 'the whole content');
    bench.source.hooks.reading = (_key, content) => content.subarray(0, 4);
    const result = await bench.run();
    expect(result.run.counters.items.failed).toBe(1);
    expect(result.run.state).toBe('completed-with-issues');
    expect(bench.content(bench.target)).toEqual({});
    expect((await bench.log(result))[0]).toMatchObject({ result: 'failed', code: 'EARLY_END' });
  });

  test('flipped bits are found', async () => {
    await using bench = await openBench();
    bench.source.put('in', 'fragile', 'the whole content');
    let times = 0;
    bench.source.hooks.reading = (_key, content) => {
      times += 1;
      if (times > 1) return content;
      const flipped = content.slice();
      flipped[3] = (flipped[3] ?? 0) ^ 1;
      return flipped;
    };
    const result = await bench.run();
    expect(result.run.counters.items.copied).toBe(1);
    expect(bench.content(bench.target)).toEqual({ fragile: 'the whole content' });
    expect((await bench.log(result))[0]?.attempts).toBe(2);
  });

  test('a lost credential stops the run instead of failing every object', async () => {
    await using bench = await openBench();
    for (let i = 0; i < 100; i++) bench.source.put('in', `k${i}`, `content ${i}`);
    let puts = 0;
    bench.target.hooks.before = (operation) => {
      if (operation === 'PUT' && ++puts > 10) throw new DroverError('UNAUTHENTICATED', 'The key is not accepted.');
    };
    const stopped = await bench.run();
    expect(stopped.error?.code).toBe('UNAUTHENTICATED');
    expect(stopped.run.state).toBe('paused');
    expect(stopped.run.counters.items.failed).toBe(0);
    bench.target.hooks.before = null;
    const result = await bench.run({}, { continueRun: stopped.run });
    expect(result.run.state).toBe('succeeded');
    expect(bench.content(bench.target)).toEqual(bench.content(bench.source));
    sumsAgree(result, await bench.log(result));
  });

  test('a source that changes while it is read never mixes two states', async () => {
    await using bench = await openBench({ listedDigests: [] });
    bench.source.put('in', 'moving', Buffer.alloc(20 * MIB, 'a'));
    let reads = 0;
    bench.source.hooks.before = (operation) => {
      if (operation === 'GET' && ++reads === 2) bench.source.put('in', 'moving', Buffer.alloc(20 * MIB, 'b'));
    };
    const result = await bench.run();
    expect(result.error).toBeNull();
    const content = bench.target.text('out', 'moving') ?? '';
    expect(new Set(content)).toEqual(new Set(['b']));
  });
});
