/** What keeps a report from being clean, by the sums alone. */
import { expect, test } from 'vitest';
import { ZERO_COUNTERS, type Counters } from '../../model/outcome.ts';
import type { Run } from '../entities.ts';
import { findingsOf } from './findings.ts';

const { items: NO_ITEMS, differences: NONE } = ZERO_COUNTERS;

test.each<[string, Run['kind'], Partial<Counters>, string[]]>([
  ['a clean validation', 'validate', {}, []],
  [
    'a validation of a mirror with something only at the target',
    'validate',
    { differences: { ...NONE, extra: 2 } },
    ['2 objects were only at the target.'],
  ],
  ['a mirror that has deleted what was only at the target', 'transfer', { differences: { ...NONE, extra: 2 } }, []],
  [
    'a validation in which some could be compared by size alone',
    'validate',
    { sameWeak: 2 },
    ['2 objects were compared by size alone and so not proved, which this job does not accept.'],
  ],
  [
    'what is missing, counted once though it is skipped too',
    'validate',
    { items: { ...NO_ITEMS, scanned: 3, skipped: 3 }, differences: { missing: 1, different: 1, extra: 0 } },
    ['1 object was skipped.', '1 object was missing at the target.', '1 object was different at the target.'],
  ],
])('%s', (_what, kind, counters, expected) => {
  const comparedNow = { notCompared: '', isFault: false };
  const clean = { checked: 0, checkedBytes: 0, missing: 0, different: 0, differences: [] };
  const looked = {
    run: { kind, state: 'succeeded' },
    counters: { ...ZERO_COUNTERS, ...counters },
    bothSides: comparedNow,
    comparedNow: kind === 'validate' ? comparedNow : clean,
    readBack: { notReadBack: '', isFault: false },
    acceptV0: false,
  } as const;
  expect(findingsOf(looked)).toEqual(expected);
});
