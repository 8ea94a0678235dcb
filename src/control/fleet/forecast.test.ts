/** What a run promises while it goes on. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { forecastOf, type Known, type Passed } from './forecast.ts';

const MINUTE = 60_000;

function known(change: Partial<Known> = {}): Known {
  return {
    settled: { items: 1_000, sizeBytes: 100_000, copiedBytes: 100_000 },
    pendingItems: 100,
    pendingBytes: 10_000,
    movingBytes: 0,
    listingComplete: false,
    elapsedMs: 2 * MINUTE,
    bytesPerSecond: 1_000,
    itemsPerSecond: 10,
    bytesPerSecondMean: 1_000,
    itemsPerSecondMean: 10,
    expected: null,
    passed: [],
    percentBefore: null,
    ...change,
  };
}

const EXPECTED = { items: 10_000, sizeBytes: 1_000_000, basis: 'last-run', runId: 'r', cuts: [] } as const;
/** Ten shares: a, b, … j. */
const CUTS = [...'bcdefghij'];

test('what of large objects has gone over counts, before the first of them is there', () => {
  const settled = { items: 0, sizeBytes: 0, copiedBytes: 0 };
  const large = { settled, pendingItems: 1, pendingBytes: 500_000_000, listingComplete: true, itemsPerSecond: 0 };
  const steady = { bytesPerSecond: 1_000_000, bytesPerSecondMean: 1_000_000, itemsPerSecondMean: 0 };
  const half = forecastOf(known({ ...large, ...steady, movingBytes: 250_000_000 }));
  expect(half.percent).toBe(50);
  expect(half.remaining?.lowMs).toBeLessThanOrEqual(250_000);
  expect(half.remaining?.highMs).toBeLessThan(500_000);
  // Parts that were moved twice are not more than the object.
  expect(forecastOf(known({ ...large, movingBytes: 900_000_000 })).percent).toBe(99);
});

describe('while listing goes on', () => {
  test('nothing is promised where nothing is known', () => {
    expect(forecastOf(known())).toEqual({ totals: null, percent: null, remaining: null });
  });

  test('what was expected is the total, and the time left a guess', () => {
    const { totals, percent, remaining } = forecastOf(known({ expected: EXPECTED }));
    expect(totals).toEqual({ items: 10_000, sizeBytes: 1_000_000, isExact: false });
    expect(percent).toBe(10);
    expect(remaining?.confidence).toBe('low');
    // 9,000 items at 10 a second.
    expect(remaining?.lowMs).toBeLessThan(900_000);
    expect(remaining?.highMs).toBeGreaterThan(900_000);
  });

  test('what is found not to need a transfer is not waited for', () => {
    const settled = { items: 1_000, sizeBytes: 100_000, copiedBytes: 0 };
    const one = forecastOf(
      known({ expected: EXPECTED, settled, pendingBytes: 0, bytesPerSecond: 1, itemsPerSecond: 100 }),
    );
    // 9,000 items at 100 a second; 890,000 bytes at 1 a second would be ten days.
    expect(one.remaining?.highMs).toBeLessThan(10 * MINUTE);
  });

  const passed = (change: Partial<Passed> = {}): Passed[] => [
    { from: null, reached: 'd', isWhole: true, items: 3_000, ...change },
  ];

  test.each<[string, Partial<Known>, 'low' | 'medium', number]>([
    ['agrees with the last run', { passed: passed() }, 'medium', 10_000],
    ['is much more', { passed: passed({ items: 6_000 }), settled: at(6_000) }, 'low', 13_000],
    ['is much less', { passed: passed({ items: 300 }), settled: at(300) }, 'low', 7_300],
    ['agrees, but the speed is new', { passed: passed(), elapsedMs: 5_000 }, 'low', 10_000],
    ['is too little to say anything', { passed: passed({ reached: 'b', items: 1_000 }) }, 'low', 10_000],
    [
      'lies in several ranges, some of them open',
      {
        passed: [
          ...passed({ reached: 'c', items: 2_000 }),
          ...passed({ from: 'e', reached: 'g', isWhole: false, items: 2_100 }),
        ],
      },
      'medium',
      10_000,
    ],
  ])('what was listed so far %s', (_what, change, confidence, items) => {
    const forecast = forecastOf(known({ expected: { ...EXPECTED, cuts: CUTS }, ...change }));
    expect([forecast.totals?.items, forecast.remaining?.confidence]).toEqual([items, confidence]);
  });

  test('a source that has grown beyond what was expected has no time left, rather than a wrong one', () => {
    const settled = at(20_000);
    const forecast = forecastOf(known({ expected: EXPECTED, settled, percentBefore: 97 }));
    expect(forecast).toEqual({
      totals: { items: 20_100, sizeBytes: 2_010_000, isExact: false },
      percent: 99,
      remaining: null,
    });
  });
});

function at(items: number) {
  return { items, sizeBytes: items * 100, copiedBytes: items * 100 };
}

test.each([
  [5_000, 10, 'low'],
  [20_000, 10, 'medium'],
  [70_000, 10, 'high'],
  [70_000, 100, 'low'],
] as const)(
  'once all is listed, after %i ms with a mean of %i items a second: %s',
  (elapsedMs, itemsPerSecondMean, grade) => {
    const forecast = forecastOf(known({ listingComplete: true, elapsedMs, itemsPerSecondMean, pendingBytes: 0 }));
    expect(forecast.remaining?.confidence).toBe(grade);
    expect(forecast.totals).toEqual({ items: 1_100, sizeBytes: 100_000, isExact: true });
  },
);

test('the share done stays within 0 and 99 and never goes back, however wrong the expectation was', () => {
  const steps = fc.array(fc.record({ items: fc.nat(5_000), pending: fc.nat(2_000), cut: fc.nat(9) }), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(steps, fc.nat(20_000), fc.boolean(), (all, expectedItems, hasCuts) => {
      let before: number | null = null;
      let items = 0;
      for (const [index, step] of all.entries()) {
        items += step.items;
        const forecast = forecastOf(
          known({
            settled: at(items),
            pendingItems: step.pending,
            pendingBytes: step.pending * 100,
            expected: { ...EXPECTED, items: expectedItems, sizeBytes: expectedItems * 100, cuts: hasCuts ? CUTS : [] },
            passed: [{ from: null, reached: CUTS[step.cut] ?? null, isWhole: false, items }],
            listingComplete: index === all.length - 1,
            percentBefore: before,
          }),
        );
        if (forecast.percent !== null) {
          expect(forecast.percent).toBeGreaterThanOrEqual(before ?? 0);
          expect(forecast.percent).toBeLessThanOrEqual(99);
        } else expect(before).toBeNull();
        const total = forecast.totals?.items ?? Infinity;
        expect(total).toBeGreaterThanOrEqual(items + step.pending);
        before = forecast.percent;
      }
    }),
  );
});
