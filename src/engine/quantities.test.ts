import { describe, expect, it } from 'vitest';
import { DroverError } from '../model/errors.ts';
import { parseAge, parseSize } from './quantities.ts';

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof DroverError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'nothing was thrown';
}

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['500', 500],
    ['500B', 500],
    ['10k', 10_000],
    ['10K', 10_000],
    ['10kB', 10_000],
    ['10Ki', 10_240],
    ['10KiB', 10_240],
    ['1.5M', 1_500_000],
    ['1.5Mi', 1_572_864],
    ['2G', 2_000_000_000],
    ['2gib', 2_147_483_648],
    ['1T', 1e12],
    ['1Pi', 1024 ** 5],
    [' 7 ', 7],
  ])('%j', (text, expected) => {
    expect(parseSize(text)).toBe(expected);
  });

  it.each(['', 'k', '-1', '1e3', '1 000', '10X', '10iB', '1.', '.5', '10kk', '99999999P', '0x10', '1,5M'])(
    'refuses %j',
    (text) => {
      expect(codeOf(() => parseSize(text))).toMatch(/^USAGE/);
      expect(codeOf(() => parseSize(text))).toContain(`"${text}"`);
    },
  );
});

describe('parseAge', () => {
  it.each([
    ['90s', 90_000],
    ['1h', 3_600_000],
    ['1h30m', 5_400_000],
    ['0.5h', 1_800_000],
    ['250ms', 250],
    ['2d', 172_800_000],
    ['1w', 604_800_000],
    ['1y', 31_536_000_000],
  ])('%j is an age', (text, ageMs) => {
    expect(parseAge(text)).toEqual({ kind: 'age', ageMs });
  });

  it.each([
    ['2026-03-10', Date.UTC(2026, 2, 10)],
    ['2026-03-09T12:00', Date.UTC(2026, 2, 9, 12)],
    ['2026-03-09 12:00:00', Date.UTC(2026, 2, 9, 12)],
    ['2026-03-10T11:00:00Z', Date.UTC(2026, 2, 10, 11)],
    ['2026-03-10T13:00:00+02:00', Date.UTC(2026, 2, 10, 11)],
    ['2024-02-29', Date.UTC(2024, 1, 29)],
  ])('%j is a moment', (text, atMs) => {
    expect(parseAge(text)).toEqual({ kind: 'moment', atMs });
  });

  it.each([
    '',
    '1',
    'h',
    '1h30',
    '-1h',
    '1 h',
    '1x',
    'yesterday',
    '2026-13-01',
    '2026-02-31',
    '2026-02-30T00:00',
    '2026-03-10T25:00',
    '10/03/2026',
    '1M',
  ])('refuses %j', (text) => {
    expect(codeOf(() => parseAge(text))).toMatch(/^USAGE/);
    expect(codeOf(() => parseAge(text))).toContain(`"${text}"`);
  });
});
