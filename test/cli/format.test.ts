import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFormat, formatDuration, formatPercent, formatRange } from '../../src/cli/format.ts';

const format = createFormat('en-US', 'UTC');

test.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [999, '999 bytes'],
  [1000, '1 kB'],
  [1234, '1.23 kB'],
  [999_499, '999 kB'],
  [999_500, '1 MB'],
  [9_604_118_002, '9.6 GB'],
  [1e15, '1 PB'],
])('%i bytes are %s', (value, text) => {
  expect(format.bytes(value)).toBe(text);
});

test('three significant digits say the number to half a percent', () => {
  const powers = ['bytes', 'byte', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];
  fc.assert(
    fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (value) => {
      const [number, unit] = format.bytes(value).split(' ') as [string, string];
      const power = Math.max(0, powers.indexOf(unit) - 1);
      const shown = Number(number.replaceAll(',', '')) * 1000 ** power;
      expect(Math.abs(shown - value)).toBeLessThanOrEqual(value * 0.005 + 1e-6);
      expect(Number(number.replaceAll(',', ''))).toBeLessThan(1000);
    }),
  );
});

test.each([
  [6_100_000_000, 9_604_118_002, '6.1 of 9.6 GB'],
  [0, 9_604_118_002, '0 of 9.6 GB'],
  [500_000, 9_604_118_002, '500 kB of 9.6 GB'],
])('%i of %i', (done, total, text) => {
  expect(format.bytesOf(done, total, 'of')).toBe(text);
});

test('counts, speeds, plurals, times', () => {
  expect(format.count(1_204_311)).toBe('1,204,311');
  expect(format.speed(104_000_000.4)).toBe('104 MB/s');
  expect(format.plural(1, { one: '# object', other: '# objects' })).toBe('1 object');
  expect(format.plural(3052, { one: '# object', other: '# objects' })).toBe('3,052 objects');
  expect(format.time(Date.UTC(2026, 10, 21, 10, 11))).toBe('21 Nov 2026, 10:11');
  expect(createFormat('de-DE', 'UTC').count(1_204_311)).toBe('1.204.311');
});

test.each([
  [0, '0.0 s'],
  [430, '0.4 s'],
  [9949, '9.9 s'],
  [9950, '10 s'],
  [48_000, '48 s'],
  [94_000, '1 min 34 s'],
  [120_000, '2 min'],
  [125 * 60_000, '2 h 05 min'],
  [76 * 3_600_000, '3 d 4 h'],
  [59.7 * 1000, '1 min'],
])('%i ms last %s', (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});

test.each([
  [33_000, 37_000, 'about 35 s'],
  [30_000, 60_000, '30 s to 1 min'],
  [60_000, 180_000, '1 to 3 min'],
  [100, 900, 'about 5 s'],
  [3_600_000, 7_200_000, '1 to 2 h'],
  [40 * 60_000, 3 * 86_400_000, '40 min to 3 d'],
  [50_000, 10_000, 'about 50 s'],
])('%i to %i ms is %s', (low, high, text) => {
  expect(formatRange({ low, high })).toBe(text);
});

describe('a percentage', () => {
  test('is rounded down and never 100 before the end', () => {
    expect(formatPercent(0, 0)).toBe('0 %');
    expect(formatPercent(6_199, 10_000)).toBe('61 %');
    expect(formatPercent(9_999, 10_000)).toBe('99 %');
    expect(formatPercent(10_000, 10_000)).toBe('99 %');
  });
});
