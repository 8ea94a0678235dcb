/** Where the items of a segment lie, for whoever draws it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ZERO_COUNTERS, type Counters } from '../model/outcome.ts';
import { KeyShares } from './key-shares.ts';
import { KEY_SHARES_MAX } from './limits.ts';

const one = (outcome: 'copied' | 'failed' | 'unsupported' | null): Counters => {
  if (outcome === null) return ZERO_COUNTERS;
  return { ...ZERO_COUNTERS, items: { ...ZERO_COUNTERS.items, scanned: 1, [outcome]: 1 } };
};
const key = (at: number): string => `k${String(at).padStart(6, '0')}`;

test('ranges begin at keys of their own and account for every item, in few pieces however many commits there are', () => {
  const outcome = fc.constantFrom('copied', 'copied', 'copied', 'failed', 'unsupported', null);
  const commit = fc.array(outcome, { maxLength: 400 });
  fc.assert(
    fc.property(fc.array(commit, { maxLength: 6 }), fc.nat(1_000), (commits, before) => {
      const shares = new KeyShares(before);
      let [at, items] = [0, before];
      for (const outcomes of commits) {
        const first = at;
        for (const each of outcomes) shares.add(key(at++), one(each));
        const taken = shares.take();
        const counted = outcomes.filter((each) => each !== null).length;
        items += counted;
        expect(taken.length).toBeLessThanOrEqual(
          Math.max(1, Math.ceil((KEY_SHARES_MAX * counted) / Math.max(1, items))),
        );
        for (const [place, { from, ...counts }] of taken.entries()) {
          const next = taken[place + 1]?.from ?? key(at);
          const inside = outcomes.filter((_, n) => key(first + n) >= from && key(first + n) < next);
          const count = (what: string): number => inside.filter((each) => each === what).length;
          expect(counts).toEqual({
            items: inside.filter((each) => each !== null).length,
            failed: count('failed'),
            unsupported: count('unsupported'),
          });
        }
        expect(taken.reduce((sum, share) => sum + share.items, 0)).toBe(counted);
      }
    }),
  );
});

test('a small segment is known nearly item by item', () => {
  const shares = new KeyShares(0);
  for (let at = 0; at < 60; at++) shares.add(key(at), one('copied'));
  expect(shares.take()).toHaveLength(60);
});
