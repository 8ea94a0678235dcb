// The cap on memory must hold in every order of events, and nobody may starve or leave bytes behind.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteBudget } from './byte-budget.ts';

/** Lets every promise that can go on do so. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('first come, first served, even when a later one would fit', async () => {
  const budget = new ByteBudget(100);
  const order: string[] = [];
  const releaseFirst = await budget.acquire(60);
  const large = budget.acquire(50).then((release) => (order.push('large'), release));
  const small = budget.acquire(10).then((release) => (order.push('small'), release));
  await settled();
  expect(order).toEqual([]);
  expect(budget.waiting).toBe(2);
  releaseFirst();
  await Promise.all([large, small]);
  expect(order).toEqual(['large', 'small']);
  expect(budget.usedBytes).toBe(60);
});

test('more than the whole budget waits until nothing else is in use, and then stands alone', async () => {
  const budget = new ByteBudget(100);
  const release = await budget.acquire(1);
  let isGranted = false;
  const huge = budget.acquire(500).then((give) => ((isGranted = true), give));
  const next = budget.acquire(1);
  await settled();
  expect(isGranted).toBe(false);
  release();
  const releaseHuge = await huge;
  expect([budget.usedBytes, budget.waiting]).toEqual([500, 1]);
  releaseHuge();
  await next;
  expect(budget.usedBytes).toBe(1);
});

test('giving back twice counts once', async () => {
  const budget = new ByteBudget(100);
  const release = await budget.acquire(40);
  await budget.acquire(40);
  release();
  release();
  expect(budget.usedBytes).toBe(40);
});

test('whoever leaves the queue lets the next ones pass', async () => {
  const budget = new ByteBudget(100);
  await budget.acquire(60);
  const stop = new AbortController();
  const large = budget.acquire(90, stop.signal);
  const small = budget.acquire(40);
  stop.abort();
  await expect(large).rejects.toMatchObject({ code: 'CANCELLED' });
  await small;
  expect(budget.usedBytes).toBe(100);
  await expect(budget.acquire(1, AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('in any order of asking, giving back and leaving the cap holds and everyone is served', async () => {
  const step = fc.record({
    bytes: fc.integer({ min: 1, max: 130 }),
    leaves: fc.boolean(),
    releases: fc.nat({ max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const budget = new ByteBudget(100);
      const held: (() => void)[] = [];
      const all: Promise<unknown>[] = [];
      for (const { bytes, leaves, releases } of steps) {
        const stop = new AbortController();
        all.push(
          budget.acquire(bytes, stop.signal).then(
            (release) => held.push(release),
            () => undefined,
          ),
        );
        if (leaves) stop.abort();
        await settled();
        // Over the cap only where a single one is larger than all of it.
        if (budget.usedBytes > 100) expect(held).toHaveLength(1);
        for (const release of held.splice(0, releases)) release();
      }
      while (budget.waiting > 0 || held.length > 0) {
        for (const release of held.splice(0)) release();
        await settled();
      }
      await Promise.all(all);
      for (const release of held) release();
      expect(budget.usedBytes).toBe(0);
    }),
    { numRuns: 50 },
  );
});
