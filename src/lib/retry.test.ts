// What is tried again, how often and how late follows from the error's code; time is the test's own.
import { describe, expect, test } from 'vitest';
import { DroverError, type ErrorCode } from '../model/errors.ts';
import { FakeClock, seededRandom } from './fake-world.ts';
import { retrying, type RetryOptions } from './retry.ts';

/** Fails with each of the codes in turn, then succeeds with the number of the attempt that did. */
function failing(codes: readonly (ErrorCode | DroverError | Error)[]) {
  const clock = new FakeClock();
  const stop = new AbortController();
  const startsMs: number[] = [];
  const run = (options: Partial<RetryOptions> = {}) =>
    retrying(
      (attempt) => {
        const what = codes[startsMs.push(clock.monotonic()) - 1];
        if (what === undefined) return Promise.resolve(attempt);
        return Promise.reject(typeof what === 'string' ? new DroverError(what, 'no') : what);
      },
      { clock, random: seededRandom(7), signal: stop.signal, attemptsMax: 3, ...options },
    );
  return { clock, stop, startsMs, run };
}

const ROWS: { name: string; codes: ErrorCode[]; want: number | ErrorCode; tries: number }[] = [
  { name: 'success at once', codes: [], want: 1, tries: 1 },
  { name: 'never', codes: ['PERMISSION_DENIED'], want: 'PERMISSION_DENIED', tries: 1 },
  { name: 'soon, then fine', codes: ['UNAVAILABLE', 'TIMED_OUT'], want: 3, tries: 3 },
  { name: 'soon, too often', codes: ['UNAVAILABLE', 'EARLY_END', 'CORRUPTED'], want: 'CORRUPTED', tries: 3 },
  { name: 'soon, then never', codes: ['UNAVAILABLE', 'NOT_FOUND'], want: 'NOT_FOUND', tries: 2 },
  { name: 'throttled costs no attempt', codes: Array(9).fill('THROTTLED') as ErrorCode[], want: 1, tries: 10 },
  {
    name: 'throttled between',
    codes: ['UNAVAILABLE', 'THROTTLED', 'THROTTLED', 'UNAVAILABLE', 'THROTTLED', 'UNAVAILABLE'],
    want: 'UNAVAILABLE',
    tries: 6,
  },
];
for (const { name, codes, want, tries } of ROWS) {
  test(name, async () => {
    const { clock, startsMs, run } = failing(codes);
    const outcome = await clock.run(run()).catch((error: unknown) => (error as DroverError).code);
    expect(outcome).toBe(want);
    expect(startsMs).toHaveLength(tries);
  });
}

test('an unknown fault is INTERNAL and not repeated', async () => {
  const { clock, startsMs, run } = failing([new TypeError('x is undefined')]);
  await expect(clock.run(run())).rejects.toMatchObject({ code: 'INTERNAL' });
  expect(startsMs).toHaveLength(1);
});

describe('waits', () => {
  test('grow exponentially within their bounds, anywhere between nothing and the whole', async () => {
    const { clock, startsMs, run } = failing(Array(12).fill('UNAVAILABLE') as ErrorCode[]);
    const fractions = [0.999, 0, 0.5];
    const random = { ...seededRandom(1), fraction: () => fractions[startsMs.length - 1] ?? 0.999 };
    await clock.run(run({ attemptsMax: 20, random }));
    const waits = startsMs.slice(1).map((at, i) => at - (startsMs[i] as number));
    expect(waits[0]).toBeCloseTo(200, 0);
    expect(waits[1]).toBe(0);
    expect(waits[2]).toBeCloseTo(400);
    expect(waits[3]).toBeGreaterThan(1500);
    expect(Math.max(...waits)).toBeLessThanOrEqual(20_000);
    expect(waits.at(-1)).toBeGreaterThan(19_000);
  });

  for (const code of ['THROTTLED', 'UNAVAILABLE'] as const) {
    test(`a time that came with ${code} is kept`, async () => {
      const { clock, startsMs, run } = failing([new DroverError(code, 'no', { retryAfterMs: 8000 })]);
      await clock.run(run());
      expect(startsMs[1]).toBeGreaterThanOrEqual(8000);
      expect(startsMs[1]).toBeLessThanOrEqual(10_000);
    });
  }

  test('throttling has an end', async () => {
    const { clock, startsMs, run } = failing(Array(500).fill('THROTTLED') as ErrorCode[]);
    await expect(clock.run(run({ throttledMsMax: 60_000 }))).rejects.toMatchObject({ code: 'THROTTLED' });
    expect(clock.monotonic()).toBeLessThanOrEqual(60_000);
    expect(startsMs.length).toBeGreaterThan(6);
  });

  test('a wait that would outlast the end is not begun', async () => {
    const { clock, run } = failing([new DroverError('THROTTLED', 'no', { retryAfterMs: 3_600_000 })]);
    await expect(clock.run(run())).rejects.toMatchObject({ code: 'THROTTLED' });
    expect(clock.monotonic()).toBe(0);
  });
});

describe('stopping', () => {
  test('before the first try, and while waiting', async () => {
    const before = failing([]);
    before.stop.abort();
    await expect(before.run()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(before.startsMs).toHaveLength(0);

    const { clock, stop, startsMs, run } = failing(['THROTTLED']);
    const running = run({ random: { ...seededRandom(1), fraction: () => 0.9 } });
    await clock.advance(50);
    stop.abort();
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(startsMs).toHaveLength(1);
    expect(clock.sleeping).toBe(0);
  });

  test('whatever fails after the signal was stopped by it', async () => {
    const { stop, run } = failing([]);
    const work = retrying(
      () => {
        stop.abort();
        return Promise.reject(new DroverError('UNAVAILABLE', 'the connection is gone'));
      },
      { clock: new FakeClock(), random: seededRandom(1), signal: stop.signal, attemptsMax: 3 },
    );
    await expect(work).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(run()).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

test('the log tells what is tried again', async () => {
  const lines: string[] = [];
  const { clock, run } = failing(['UNAVAILABLE']);
  await clock.run(run({ log: (level, message) => lines.push(`${level} ${message}`) }));
  expect(lines).toEqual([expect.stringMatching(/^debug Trying again in \d+ ms: no$/)]);
});
