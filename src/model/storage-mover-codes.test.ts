import { expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from './errors.ts';
import {
  STORAGE_MOVER_CODES,
  storageMoverCodeOf,
  storageMoverRunCodes,
  storageMoverWords,
} from './storage-mover-codes.ts';

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
  expect(storageMoverCodeOf({ result, code })).toBe(expected);
});

test('an error that only ends runs has no code of an item, and the other way round', () => {
  const numbersOf = (codes: unknown): number[] => (typeof codes === 'number' ? [codes] : Object.values(codes ?? {}));
  for (const [name, { item, run }] of Object.entries(STORAGE_MOVER_CODES)) {
    const numbers = numbersOf(run);
    expect([name, numbers.every((number) => number >= 1000 && number < 2000)]).toEqual([name, true]);
    expect([name, numbersOf(item).every((number) => number >= 2000 && number < 3000)]).toEqual([name, true]);
    if (ERRORS[name as ErrorCode].scope === 'run') expect([name, item]).toEqual([name, null]);
  }
});

test('words name the side', () => {
  expect(storageMoverWords('PERMISSION_DENIED')).toBe(
    'AZSM2062 (source), AZSM2069 (target), AZSM1003 (source), AZSM1021 (target)',
  );
  expect(storageMoverWords('USAGE')).toBe('');
});

test.each([
  ['PERMISSION_DENIED', 'source', 'AZSM2062'],
  ['PERMISSION_DENIED', 'target', 'AZSM2069'],
  ['PERMISSION_DENIED', undefined, 'AZSM2062'],
  ['EARLY_END', 'source', 'AZSM2063'],
  ['TIMED_OUT', 'source', 'AZSM2063'],
  ['TIMED_OUT', 'target', 'AZSM2080'],
  ['CORRUPTED', 'source', 'AZSM2080'],
] as const)('an item that failed with %s at the %s is %s', (code, side, expected) => {
  expect(storageMoverCodeOf({ result: 'failed', code, ...(side === undefined ? {} : { side }) })).toBe(expected);
});

test.each([
  ['succeeded', null, ['AZSM0000']],
  ['completed-with-issues', null, []],
  ['running', null, []],
  ['cancelled', null, ['AZSM1045']],
  ['failed', 'GUARD_BUSY', ['AZSM1027']],
  ['paused', 'PERMISSION_DENIED', ['AZSM1003', 'AZSM1021']],
] as const)('a run that is %s with %s has %j', (state, error, expected) => {
  expect(storageMoverRunCodes(state, error)).toEqual(expected);
});
