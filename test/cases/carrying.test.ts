/** Sizes that do not fit, tags that cannot be had, and a target that refuses single objects. */
import { describe, expect, test } from 'vitest';
import { DroverError } from '../../src/model/errors.ts';
import type { RunResult } from '../../src/engine/world.ts';
import { openBench, sumsAgree, type Bench } from '../engine/bench.ts';
import { hastyClock, MIB, openClouds } from './world.ts';

describe('objects larger than the target holds (case 16)', () => {
  test('are named before their first byte is read, and the others go on', async () => {
    const limits = { partBytesMin: 1, partBytesMax: MIB, partsMax: 3, objectBytesMax: 3 * MIB, equalParts: false };
    await using bench = await openBench({}, { writeBytesMax: 2 * MIB, partLimits: limits }, hastyClock());
    bench.source.put('in', 'fits', 'x'.repeat(3 * MIB));
    bench.source.put('in', 'too-large', 'x'.repeat(3 * MIB + 1));
    const read: string[] = [];
    bench.source.hooks.before = (operation, key) => void (operation === 'CHUNK' && read.push(key));
    const result = await bench.run();
    expect(result.run.counters.items).toMatchObject({ scanned: 2, copied: 1 });
    expect(bench.target.keys('out')).toEqual(['fits']);
    expect(read).toContain('fits');
    expect(read).not.toContain('too-large');
    expect((await bench.log(result)).find(({ key }) => key === 'too-large')).toMatchObject({ code: 'TOO_LARGE' });
    expect(bench.target.uploads.size).toBe(0);
    sumsAgree(result, await bench.log(result));
  });
});

describe('tags (case 21)', () => {
  test('cost a request only where there are some', async () => {
    await using bench = await openBench({}, {}, hastyClock());
    for (let i = 0; i < 10; i++) bench.source.put('in', `plain-${i}`, String(i));
    bench.source.put('in', 'tagged', 'x', { tags: { team: 'red' } });
    const result = await bench.run();
    expect(result.run.counters.items.copied).toBe(11);
    expect(bench.source.requests.TAGS ?? 0).toBeLessThanOrEqual(1);
    expect(bench.target.get('out', 'tagged')?.tags).toEqual({ team: 'red' });
  });

  test('that may not be read concern their object alone', async () => {
    let refused = 0;
    await using clouds = await openClouds({
      from: 's3',
      to: 'azure',
      source: {
        plan: ({ request }) => {
          if (request.operation !== 'TAGS') return null;
          refused += 1;
          return { kind: 'status', status: 403, code: 'AccessDenied' };
        },
      },
    });
    clouds.s3.put('inside', 'plain', 'x');
    clouds.s3.put('inside', 'tagged', 'y', { tags: new Map([['team', 'red']]) });
    const result = await clouds.run();
    expect(refused).toBeGreaterThan(0);
    expect(result.error).toBeNull();
    expect(clouds.azure.bytes('outside', 'plain')?.toString()).toBe('x');
    const row = (await clouds.log(result)).find(({ key }) => key === 'tagged');
    expect(row).toMatchObject({ result: 'copied', details: expect.stringContaining('tags were left out') });
    expect(clouds.azure.bytes('outside', 'tagged')?.toString()).toBe('y');
  });
});

describe('a target that locks single objects (runner-up)', () => {
  test('fails those and no others for overwriting, and then nothing is deleted', async () => {
    await using bench = await openBench({}, {}, hastyClock());
    for (const key of ['free', 'locked']) {
      bench.source.put('in', key, 'new content');
      bench.target.put('out', key, 'old');
    }
    bench.target.put('out', 'extra', 'stays');
    lock(bench);
    const result = await bench.run({ mode: 'mirror' });
    expect(result.run.state).toBe('completed-with-issues');
    expect(bench.content(bench.target)).toEqual({ free: 'new content', locked: 'old', extra: 'stays' });
    expect(await failuresOf(bench, result)).toEqual([['locked', 'PERMISSION_DENIED']]);
  });

  test('fails those and no others for deleting', async () => {
    await using bench = await openBench({}, {}, hastyClock());
    bench.source.put('in', 'free', 'new content');
    bench.target.put('out', 'locked-extra', 'stays');
    bench.target.put('out', 'extra', 'goes');
    lock(bench);
    const result = await bench.run({ mode: 'mirror' });
    expect(result.run.state).toBe('completed-with-issues');
    expect(bench.content(bench.target)).toEqual({ free: 'new content', 'locked-extra': 'stays' });
    expect(await failuresOf(bench, result)).toEqual([['locked-extra', 'PERMISSION_DENIED']]);
    // It is none of the source's objects: those are scanned and counted as what became of them.
    expect(result.run.counters).toMatchObject({
      items: { scanned: 1, copied: 1, failed: 0, deleted: 1 },
      bytes: { scanned: 11, copied: 11 },
      deletesFailed: 1,
    });
    sumsAgree(result, await bench.log(result));
    const again = await bench.run({ mode: 'mirror' });
    expect(again.run.counters).toMatchObject({ items: { scanned: 1, same: 1, failed: 0 }, deletesFailed: 1 });
  });
});

function lock(bench: Bench): void {
  bench.target.hooks.before = (operation, key) => {
    if (/^(PUT|DELETE)$/.test(operation) && key.startsWith('locked')) {
      throw new DroverError('PERMISSION_DENIED', 'A retention rule protects it.', { key });
    }
  };
}

async function failuresOf(bench: Bench, result: RunResult): Promise<(readonly [string, string])[]> {
  const failed = (await bench.log(result)).filter((row) => row.result === 'failed');
  return failed.map(({ key, code }) => [key, code] as const);
}
