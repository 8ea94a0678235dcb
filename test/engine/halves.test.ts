/** How evenly a run is shared by workers that come while it is under way, whatever its names look like. */
import { expect, test } from 'vitest';
import { mustBeExact, openFleet, type Worker } from './fleet.ts';

function written(worker: Worker): number {
  return worker.tether.called['write'] ?? 0;
}

function named(count: number, nameOf: (i: number, text: string) => string): string[] {
  return Array.from({ length: count }, (_, i) => nameOf(i, String(i).padStart(5, '0')));
}

const LONG = 'archive/photographs/2024/january/originals';

test.each([
  ['numbers under a long name', named(3_000, (_, text) => `${LONG}/${text}`), 0.35],
  [
    'one large folder beside small ones',
    named(3_000, (i, text) => (i < 2_700 ? `a/${text}` : `${'bcd'[i % 3]}/${text}`)),
    0.3,
  ],
  ['folders of folders', named(3_000, (i, text) => `${LONG}/${i % 7}/${i % 11}/${text}`), 0.35],
  ['a listing of hardly more than what came at once', named(260, (_, text) => `film-${text}`), 0.1],
  ['letters from elsewhere', named(2_000, (i, text) => `${i % 2 === 0 ? 'a' : 'ü'}-${text}`), 0.2],
])('%s', async (_what, keys, shareMin) => {
  await using fleet = await openFleet({ latencyMs: 100 });
  for (const key of keys) fleet.source.put('in', key, 'content');
  await fleet.queue();
  const first = fleet.join('w1');
  await fleet.until(() => written(first) > 20);
  const before = written(first);
  const second = fleet.join('w2');
  await mustBeExact(fleet, await fleet.ended(first, second));
  const left = keys.length - before;
  expect(written(second) / left).toBeGreaterThan(shareMin);
  expect(written(second) / left).toBeLessThan(1 - shareMin);
  // Pages that nobody would have asked for alone: those that looked for cuts.
  const alone = 2 * Math.ceil(keys.length / 100);
  const asked = (fleet.source.requests.LIST ?? 0) + (fleet.target.requests.LIST ?? 0);
  expect(asked - alone).toBeLessThan(60);
});
