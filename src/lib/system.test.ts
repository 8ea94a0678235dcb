// The machine's clock: a sleep that does not end on cancel would keep a stopped run alive.
import { expect, test } from 'vitest';
import { systemClock, systemRandom } from './system.ts';

test('sleeps at least as long as asked', async () => {
  const startMs = systemClock.monotonic();
  await systemClock.sleep(20);
  expect(systemClock.monotonic() - startMs).toBeGreaterThanOrEqual(18);
});

test('a signal ends a sleep, also one longer than a timer can hold', async () => {
  const stop = new AbortController();
  const sleeping = systemClock.sleep(2 ** 40, stop.signal);
  stop.abort();
  await expect(sleeping).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(systemClock.sleep(0, stop.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('chance', () => {
  const fractions = Array.from({ length: 100 }, () => systemRandom.fraction());
  expect(fractions.every((value) => value >= 0 && value < 1)).toBe(true);
  expect(new Set(fractions).size).toBeGreaterThan(95);
  expect(systemRandom.bytes(16)).toHaveLength(16);
  expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16));
});
