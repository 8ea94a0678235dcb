/** Services that ask for patience, credentials that end, and clocks that disagree. */
import { describe, expect, test } from 'vitest';
import { DroverError } from '../../src/model/errors.ts';
import type { FaultOptions } from '../../src/sim/transport.ts';
import { openBench, sumsAgree } from '../engine/bench.ts';
import { hastyClock, openClouds } from './world.ts';

describe('throttling is no failure (case 17)', () => {
  for (const named of [true, false]) {
    test(`a store that refuses far more often than an object may be tried, ${named ? 'naming' : 'not naming'} a time`, async () => {
      const clock = hastyClock();
      await using bench = await openBench({}, {}, clock);
      for (let i = 0; i < 3; i++) bench.source.put('in', `k${i}`, String(i));
      const refused = new Map<string, number>();
      bench.target.hooks.before = (operation, key) => {
        const times = (refused.get(key) ?? 0) + 1;
        if (operation !== 'PUT' || times > 40) return;
        refused.set(key, times);
        throw new DroverError('THROTTLED', 'Slow down.', { retryAfterMs: named ? 7_000 : null });
      };
      const result = await bench.run();
      expect([...refused.values()]).toEqual([40, 40, 40]);
      expect(result.run.counters.items).toMatchObject({ copied: 3, failed: 0 });
      const log = await bench.log(result);
      expect(log.map(({ attempts }) => attempts)).toEqual([1, 1, 1]);
      if (named) expect(clock.sleptMs).toBeGreaterThanOrEqual(3 * 40 * 7_000);
      sumsAgree(result, log);
    });
  }

  for (const [status, code] of [
    [503, 'SlowDown'],
    [503, 'ServiceUnavailable'],
    [429, 'TooManyRequests'],
    [503, 'ServerBusy'],
  ] as const) {
    test(`${status} ${code} with a time is obeyed by both providers`, async () => {
      let asked = 0;
      let isRunning = false;
      // More often than any request or object may be tried.
      const refusing = (): FaultOptions => {
        const times = new Map<string, number>();
        return {
          plan: ({ request: { operation } }) => {
            const count = times.get(operation) ?? 0;
            if (!isRunning || !/^(PUT|GET|LIST)$/.test(operation) || count >= 12) return null;
            times.set(operation, count + 1);
            asked += 1;
            return { kind: 'status', status, code, retryAfterSeconds: 9 };
          },
        };
      };
      const onBegin = (): void => void (isRunning = true);
      await using clouds = await openClouds({
        from: 's3',
        to: 'azure',
        source: refusing(),
        target: refusing(),
        onBegin,
      });
      clouds.s3.put('inside', 'a', 'alpha');
      const result = await clouds.run();
      expect(asked).toBeGreaterThan(24);
      expect(result.error).toBeNull();
      expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
      expect(clouds.clock.sleptMs).toBeGreaterThanOrEqual(asked * 9_000);
    });
  }
});

describe('a clock that is wrong (case 19)', () => {
  for (const minutes of [-90, 90]) {
    test(`by ${minutes} minutes is corrected by what S3 answers`, async () => {
      await using clouds = await openClouds({ from: 's3', to: 's3', serviceAheadMs: minutes * 60_000 });
      clouds.s3.put('inside', 'a', 'alpha');
      const result = await clouds.run();
      expect(result.error).toBeNull();
      expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
      const again = await clouds.run();
      expect(again.run.counters.items).toMatchObject({ same: 1, copied: 0 });
    });
  }

  test('a target whose times are ahead proves nothing by being newer', async () => {
    await using bench = await openBench(
      { listedDigests: [] },
      { listedDigests: [], recordsSource: false },
      hastyClock(),
    );
    bench.source.put('in', 'a', 'one', { modifiedAtMs: 1_000 });
    await bench.run();
    bench.source.put('in', 'a', 'two', { modifiedAtMs: 2_000 });
    const result = await bench.run();
    expect(result.run.counters.items).toMatchObject({ copied: 1 });
    expect(bench.target.text('out', 'a')).toBe('two');
  });
});

describe('credentials that end (case 18)', () => {
  test('pause the run with parts in place, and the next one goes on with them', async () => {
    await using bench = await openBench({ listedDigests: [] }, {}, hastyClock());
    bench.source.put('in', 'large', Buffer.alloc(100 * 1024 * 1024, 'y'), { digests: {} });
    for (let i = 0; i < 20; i++) bench.source.put('in', `small-${i}`, String(i));
    let parts = 0;
    bench.target.hooks.before = (operation) => {
      if (operation === 'PART' && ++parts > 4) throw new DroverError('CREDENTIALS_EXPIRED', 'The session is over.');
    };
    const paused = await bench.run();
    expect(paused.error?.code).toBe('CREDENTIALS_EXPIRED');
    expect(paused.run.state).toBe('paused');
    expect(paused.run.counters.items.failed).toBe(0);
    bench.target.hooks.before = null;
    const result = await bench.run({}, { continueRun: paused.run });
    expect(result.run.state).toBe('succeeded');
    expect(bench.content(bench.target)).toEqual(bench.content(bench.source));
    expect(bench.target.uploads.size).toBe(0);
    sumsAgree(result, await bench.log(result));
  });
});
