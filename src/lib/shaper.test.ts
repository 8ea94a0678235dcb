// The bandwidth limit: what passes in a time is what the rate allows, whatever the chunks, the takers and the changes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FakeClock } from './fake-world.ts';
import { Shaper } from './shaper.ts';

/** A taker that never has enough; counts what it got. */
function taker(shaper: Shaper, chunkBytes: number, signal: AbortSignal) {
  const state = { bytes: 0 };
  const run = async (): Promise<void> => {
    for (;;) {
      await shaper.take(chunkBytes, signal);
      state.bytes += chunkBytes;
    }
  };
  return { state, over: run().catch(() => undefined) };
}

function shaped(rateAt: (elapsedMs: number) => number | null) {
  const clock = new FakeClock(0);
  return { clock, stop: new AbortController(), shaper: new Shaper(clock, rateAt) };
}

describe('rates', () => {
  test('what passes is rate times time, for any rate and chunk', async () => {
    const rates = fc.integer({ min: 1_000, max: 1_000_000 });
    await fc.assert(
      fc.asyncProperty(
        rates,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 100, max: 500 }),
        async (rate, n, share) => {
          const chunkBytes = Math.ceil(rate / share);
          const { clock, stop, shaper } = shaped(() => rate);
          const takers = Array.from({ length: n }, () => taker(shaper, chunkBytes, stop.signal));
          await clock.advance(3_000);
          const bytes = takers.reduce((sum, { state }) => sum + state.bytes, 0);
          expect(bytes).toBeGreaterThanOrEqual(rate * 3 - chunkBytes);
          expect(bytes).toBeLessThanOrEqual(rate * 3.1 + chunkBytes);
          stop.abort();
        },
      ),
      { numRuns: 15 },
    );
  });

  test('takers get equal shares', async () => {
    const { clock, stop, shaper } = shaped(() => 100_000);
    const takers = Array.from({ length: 5 }, () => taker(shaper, 1_000, stop.signal));
    await clock.advance(10_000);
    const shares = takers.map(({ state }) => state.bytes);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1_000);
    stop.abort();
  });

  test('a chunk far above the rate passes and is paid for afterwards', async () => {
    const { clock, shaper } = shaped(() => 1_000);
    await shaper.take(10_000);
    const next = shaper.take(1);
    await clock.run(next);
    expect(clock.monotonic()).toBeGreaterThanOrEqual(9_900);
    expect(clock.monotonic()).toBeLessThanOrEqual(10_001);
  });

  test('a quiet time is not saved up', async () => {
    const { clock, stop, shaper } = shaped(() => 10_000);
    await clock.advance(60_000);
    const { state } = taker(shaper, 100, stop.signal);
    await clock.advance(1_000);
    expect(state.bytes).toBeLessThanOrEqual(11_200);
    stop.abort();
  });

  test('no limit: nobody waits, and nothing sleeps', async () => {
    const { clock, shaper } = shaped(() => null);
    for (let i = 0; i < 100; i++) await shaper.take(1e9);
    expect([clock.sleeping, clock.monotonic()]).toEqual([0, 0]);
  });
});

describe('changes', () => {
  test('a pause lets nothing through until the rate changes, which is noticed within a second', async () => {
    const { clock, shaper } = shaped((nowMs) => (nowMs < 30_000 ? 0 : 1_000));
    const one = shaper.take(10);
    let isThrough = false;
    void one.then(() => (isThrough = true));
    await clock.advance(29_999);
    expect(isThrough).toBe(false);
    await clock.run(one);
    expect(clock.monotonic()).toBeLessThanOrEqual(31_000);
  });

  test('slower, faster, without a limit', async () => {
    let rate: number | null = 1_000;
    const { clock, stop, shaper } = shaped(() => rate);
    const { state } = taker(shaper, 10, stop.signal);
    const during = async (ms: number): Promise<number> => {
      const before = state.bytes;
      await clock.advance(ms);
      return state.bytes - before;
    };
    expect(Math.abs((await during(10_000)) - 10_000)).toBeLessThanOrEqual(200);
    rate = 100;
    expect(Math.abs((await during(10_000)) - 1_000)).toBeLessThanOrEqual(200);
    rate = 10_000;
    expect(Math.abs((await during(10_000)) - 100_000)).toBeLessThanOrEqual(11_000);
    stop.abort();
    rate = null;
    await clock.run(shaper.take(1e12));
  });

  test('a debt made at a high rate does not block a low one for hours', async () => {
    let rate = 1_000_000_000;
    const { clock, shaper } = shaped(() => rate);
    await shaper.take(1_000_000_000);
    rate = 1_000;
    await clock.run(shaper.take(1));
    expect(clock.monotonic()).toBeLessThanOrEqual(1_100);
  });
});

test('a taker that is stopped leaves, and the others go on', async () => {
  const { clock, shaper } = shaped(() => 1_000);
  await shaper.take(1_000);
  const stop = new AbortController();
  const first = shaper.take(1_000, stop.signal);
  const second = shaper.take(10);
  await clock.advance(10);
  stop.abort();
  await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
  await clock.run(second);
  expect(clock.monotonic()).toBeLessThanOrEqual(1_001);
  expect(shaper.waiting).toBe(0);
  const last = new AbortController();
  const lonely = shaper.take(1_000_000, last.signal).then(() => shaper.take(1, last.signal));
  await clock.advance(500);
  last.abort();
  await expect(lonely).rejects.toMatchObject({ code: 'CANCELLED' });
  await clock.advance(0);
  expect(clock.sleeping).toBe(0);
});
