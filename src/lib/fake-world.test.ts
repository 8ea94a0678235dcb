// Tests and the simulator stand on this clock and this chance: both must be the same every time.
import { expect, test } from 'vitest';
import { FakeClock, seededRandom } from './fake-world.ts';

test('time passes only when it is told to, and wakes sleepers in order of their time', async () => {
  const clock = new FakeClock(1_000);
  const woken: string[] = [];
  const sleeper = async (name: string, delaysMs: readonly number[]): Promise<void> => {
    for (const delayMs of delaysMs) {
      await clock.sleep(delayMs);
      woken.push(`${name}@${clock.monotonic()}`);
    }
  };
  void sleeper('late', [30]);
  void sleeper('twice', [10, 10]);
  void sleeper('tie', [20]);
  await clock.advance(9);
  expect([clock.now(), clock.monotonic(), woken]).toEqual([1_009, 9, []]);
  await clock.advance(11);
  expect(woken).toEqual(['twice@10', 'tie@20', 'twice@20']);
  expect(clock.sleeping).toBe(1);
  await clock.advance(100);
  expect([woken.at(-1), clock.monotonic()]).toEqual(['late@30', 120]);
});

test('a signal wakes at once', async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const sleeping = clock.sleep(1_000, stop.signal);
  stop.abort();
  await expect(sleeping).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(clock.sleep(1, stop.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
  expect([clock.sleeping, clock.monotonic()]).toEqual([0, 0]);
});

test('work is run to its end, in no time', async () => {
  const clock = new FakeClock();
  const work = async (): Promise<string> => {
    for (let hour = 0; hour < 24; hour++) await clock.sleep(3_600_000);
    return 'a day later';
  };
  expect(await clock.run(work())).toBe('a day later');
  expect(clock.monotonic()).toBe(86_400_000);
  await expect(clock.run(Promise.reject(new Error('no')))).rejects.toThrow('no');
});

test('chance is the same for the same seed, another for another, and evenly spread', () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 2_000 }, () => random.fraction());
  };
  expect(draw(5)).toEqual(draw(5));
  expect(draw(5)).not.toEqual(draw(6));
  const values = draw(5);
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(1);
  expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.5, 1);
  expect(new Set(seededRandom(1).bytes(2_000)).size).toBe(256);
});
