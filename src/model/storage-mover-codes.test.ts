import { expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from './errors.ts';
import type { ItemCode } from './reasons.ts';
import { STORAGE_MOVER_CODES, storageMoverCodeOf, storageMoverWords } from './storage-mover-codes.ts';

test.each([
  ['copied', 'absent', 'AZSM0000'],
  ['same', 'same-size', 'AZSM0000'],
  ['excluded', 'pattern', null],
  ['deleted', 'extra', null],
  ['unsupported', 'TOO_LARGE', 'AZSM2026'],
  ['unsupported', 'ARCHIVED', null],
  ['failed', 'PERMISSION_DENIED', 'AZSM2062'],
  ['failed', 'toString', null],
] as const)('%s with %s is %s', (result, code, expected) => {
  expect(storageMoverCodeOf({ result, code: code as ItemCode })).toBe(expected);
});

test('an error that only ends runs has no code of an item, and the other way round', () => {
  for (const [name, { item, run }] of Object.entries(STORAGE_MOVER_CODES)) {
    const numbers = typeof run === 'number' ? [run] : Object.values(run ?? {});
    expect([name, numbers.every((number) => number >= 1000 && number < 2000)]).toEqual([name, true]);
    if (item !== null) expect([name, item >= 2000 && item < 3000]).toEqual([name, true]);
    if (ERRORS[name as ErrorCode].scope === 'run') expect([name, item]).toEqual([name, null]);
  }
});

test('words name the side', () => {
  expect(storageMoverWords('PERMISSION_DENIED')).toBe('AZSM2062, AZSM1003 (source), AZSM1021 (target)');
  expect(storageMoverWords('USAGE')).toBe('');
});
