import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Source } from '../contract/provider.ts';
import { entryOf } from '../model/entry.ts';
import { compareKeys } from '../model/key.ts';
import { unreadBefore } from './unread.ts';

const { signal } = new AbortController();

/** As far as it is asked here. */
function sourceOf(links: readonly string[]): Source {
  const traits = { unread: ['links'] };
  const stat = async (key: string) =>
    links.includes(key) ? entryOf({ key, kind: 'opaque', nativeType: 'symlink' }) : null;
  return { traits, stat } as unknown as Source;
}

test('wherever the order is entered, all and only those below a link are known as such', async () => {
  const key = fc.stringMatching(/^[ab!./-]{1,8}$/).filter((one) => !one.endsWith('/'));
  let below = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key, { maxLength: 6 }),
      fc.uniqueArray(key, { maxLength: 12 }),
      fc.option(key),
      async (links, others, from) => {
        const more = links.flatMap((link) => [`${link}/`, `${link}/a`, `${link}-`]);
        const all = [...new Set([...links, ...others, ...more])].toSorted(compareKeys);
        const names = await unreadBefore(sourceOf(links), from, signal);
        for (const one of all.filter((it) => from === null || compareKeys(it, from) >= 0)) {
          const isBelow = links.some((link) => one.startsWith(`${link}/`));
          if (links.includes(one)) names.see(entryOf({ key: one, kind: 'opaque', nativeType: 'symlink' }));
          else {
            expect(names.above(one) !== null, JSON.stringify({ one, from, links })).toBe(isBelow);
            if (isBelow) below += 1;
          }
        }
      },
    ),
    { numRuns: 500 },
  );
  expect(below).toBeGreaterThan(500);
});
