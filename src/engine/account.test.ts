import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RESULTS, Tally, type Counters, type ItemRecord } from '../model/outcome.ts';
import { countersOf } from './account.ts';

const OUTCOMES = ['copied', 'same', 'excluded', 'skipped', 'unsupported', 'failed'] as const;

const records = fc.array(
  fc.record({
    key: fc.constant('k'),
    result: fc.constantFrom(...RESULTS),
    kind: fc.constant('object' as const),
    sizeBytes: fc.nat(1000),
    code: fc.constantFrom('absent', 'same-size'),
    isDeletion: fc.boolean(),
  }),
);

function sumOf(all: readonly ItemRecord[]): Counters {
  const sum = new Tally();
  for (const record of all) sum.add(countersOf(record));
  return sum.total;
}

test('objects and bytes of everything that was scanned add up, and what a mirror deletes stands outside', () => {
  fc.assert(
    fc.property(records, (given) => {
      const all = given.map(({ isDeletion, ...record }): ItemRecord =>
        isDeletion && record.result === 'failed' ? { ...record, deletion: true } : record,
      );
      const counters = sumOf(all);
      for (const sums of [counters.items, counters.bytes]) {
        expect(OUTCOMES.reduce((sum, outcome) => sum + sums[outcome], 0)).toBe(sums.scanned);
      }
      const of = (result: ItemRecord['result']) => all.filter((one) => one.result === result && !one.deletion);
      const bytesOf = (result: ItemRecord['result']) => of(result).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      for (const outcome of ['copied', 'same', 'excluded', 'unsupported', 'failed', 'deleted'] as const) {
        expect([counters.items[outcome], counters.bytes[outcome]]).toEqual([of(outcome).length, bytesOf(outcome)]);
      }
      for (const difference of ['missing', 'extra', 'different'] as const) {
        expect(counters.differences[difference]).toBe(of(difference).length);
        expect(counters.differenceBytes[difference]).toBe(bytesOf(difference));
      }
    }),
  );
});
