/** A place is looked at once more where its objects are gone: what that costs, and what comes of a look that fails. */
import { expect, test } from 'vitest';
import type { Policy } from '../../src/model/policy.ts';
import type { Fault, Seen } from '../../src/sim/transport.ts';
import { openClouds, type Clouds } from './world.ts';

const EXPIRED: Fault = { kind: 'status', status: 400, code: 'ExpiredToken' };

/** Objects that are listed are gone when they are read; `looked`: what becomes of each look at the source after that. */
async function runWithout(vanishing: number, policy: Partial<Policy>, looked: (count: number) => Fault | null) {
  let hasBegun = false;
  let hasRead = false;
  let listings = 0;
  const gone = Array.from({ length: vanishing }, (_, i) => keyOf(899 - i));
  const plan = ({ request }: Seen): Fault | null => {
    if (!hasBegun) return null;
    if (request.operation === 'GET' && !hasRead) {
      hasRead = true;
      return { kind: 'meanwhile', run: () => gone.forEach((key) => clouds.s3.remove('inside', key)) };
    }
    if (request.operation !== 'LIST') return null;
    listings += 1;
    return listings === 1 ? null : looked(listings - 2);
  };
  await using clouds: Clouds = await openClouds({
    from: 's3',
    to: 's3',
    source: { plan },
    onBegin: () => {
      hasBegun = true;
    },
  });
  for (let i = 0; i < 900; i++) clouds.s3.put('inside', keyOf(i), `content ${i}`);
  clouds.s3.put('outside', 'extra', 'only here');
  const result = await clouds.run(policy);
  const { items } = result.run.counters;
  return { result, items, looks: listings - 1, keys: clouds.s3.keys('outside') };
}

const keyOf = (i: number): string => `key-${String(i).padStart(4, '0')}`;

test('credentials that have just expired when a place is looked at stop no run', async () => {
  const { result, items } = await runWithout(3, {}, (count) => (count < 2 ? EXPIRED : null));
  expect([result.run.state, result.error]).toEqual(['succeeded', null]);
  expect(items.skipped).toBe(3);
});

test('a mirror deletes nothing while its source cannot be seen, and waits', async () => {
  const policy = { mode: 'mirror', deleteShareMax: 1 } as const;
  const { result, keys } = await runWithout(0, policy, () => ({ kind: 'status', status: 503, code: 'InternalError' }));
  expect([result.run.state, result.error?.code]).toEqual(['paused', 'UNAVAILABLE']);
  expect(keys).toContain('extra');
});
