/** Cuts: valid whatever the keys are, about in the middle where that can be known, and found with few requests. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Page, ScanRange, Source } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import { asciiHead, compareKeys } from '../model/key.ts';
import { SHARED_REST_BYTES_MIN, SHARED_REST_ITEMS_MIN, SPLIT_PROBES_MAX } from './limits.ts';
import type { SnapshotIndex } from './snapshot.ts';
import { findCut, middleOf, type Cut } from './split.ts';

function entryOf(key: string, sizeBytes = 1): Entry {
  return { key, sizeBytes, kind: 'object' } as Entry;
}

interface Listed {
  readonly source: Source;
  pages: number;
}

function listed(keys: readonly string[], pageSize: number): Listed {
  const sorted = keys.toSorted(compareKeys);
  const told: Listed = {
    pages: 0,
    source: {
      async *scan({ from, to }: ScanRange): AsyncGenerator<Page> {
        const own = sorted.filter(
          (key) => (from === null || compareKeys(key, from) >= 0) && (to === null || compareKeys(key, to) < 0),
        );
        for (let at = 0; at === 0 || at < own.length; at += pageSize) {
          told.pages += 1;
          const entries = own.slice(at, at + pageSize).map((key) => entryOf(key));
          yield { entries, cursor: null, complete: at + pageSize >= own.length };
        }
      },
    } as unknown as Source,
  };
  return told;
}

interface Found {
  readonly cut: Cut;
  readonly pages: number;
  /** Keys behind `after`, and those of them that the other worker would get. */
  readonly left: readonly string[];
  readonly given: readonly string[];
}

async function search(
  keys: readonly string[],
  at: number,
  to: string | null = null,
  previous: SnapshotIndex | null = null,
  pageSize = 100,
): Promise<Found> {
  const sorted = keys.toSorted(compareKeys);
  const after = sorted[at] as string;
  const source = listed(keys, pageSize);
  const cut = await findCut({
    source: source.source,
    after,
    to,
    previous: { snapshot: previous },
    signal: new AbortController().signal,
  });
  const left = sorted.slice(at + 1).filter((key) => to === null || compareKeys(key, to) < 0);
  const at2 = cut.all === null ? cut.key : (cut.all[cut.all.length >> 1]?.key ?? null);
  const given = at2 === null ? [] : left.filter((key) => compareKeys(key, at2) >= 0);
  return { cut, pages: source.pages, left, given };
}

function numbered(count: number, head = '', width = 6): string[] {
  return Array.from({ length: count }, (_, i) => head + String(i).padStart(width, '0'));
}

function hexed(count: number): string[] {
  const numbers = Array.from({ length: count }, (_, i) => Math.imul(i + 1, -1_640_531_535) >>> 0);
  return numbers.map((one) => one.toString(16).padStart(8, '0'));
}

const LONG = 'archive/photographs/2024/january/originals/camera-1/';

describe('a cut gives about half away', () => {
  test.each([
    ['of less than a page', numbered(60), 9, 0.45],
    ['of a page and a half', numbered(150), 0, 0.45],
    ['of two pages under a long name', numbered(180, LONG), 0, 0.45],
    ['of names that all differ late', numbered(1_500, LONG), 99, 0.3],
    ['of many numbers', numbered(5_000), 99, 0.3],
    ['of hexadecimal names', hexed(3_000), 150, 0.4],
    ['of one folder with nearly all, first', [...numbered(900, 'a/'), ...numbered(20, 'b/')], 9, 0.3],
    ['of one folder with nearly all, last', [...numbered(50, 'a/'), ...numbered(900, 'b/')], 9, 0.3],
    ['where the last folder holds a few', [...numbered(1_000, 'a/b/c/'), 'a/x', 'y', 'z'], 99, 0.3],
    ['of names with other letters at the end', [...numbered(700, 'n-'), ...numbered(60, 'ü-')], 99, 0.25],
  ] as const)('%s', async (_what, keys, at, shareMin) => {
    const { left, given, pages } = await search(keys, at);
    const share = given.length / left.length;
    expect(share).toBeGreaterThan(shareMin);
    expect(share).toBeLessThan(1 - shareMin);
    expect(pages).toBeLessThanOrEqual(SPLIT_PROBES_MAX);
  });

  test('by what the last run knew, with a single request', async () => {
    const keys = [...numbered(300, 'a/'), ...numbered(2_000, 'b/'), ...numbered(100, 'z/')];
    const chunks = keys
      .filter((_, i) => i % 100 === 0)
      .map((first) => ({ name: first, first, last: first, rowCount: 100 }));
    const previous: SnapshotIndex = { runId: 'r', root: '', segments: [{ kind: 'keys', root: '', chunks }] };
    const { left, given, pages } = await search(keys, 20, null, previous);
    expect(pages).toBe(1);
    expect(given.length / left.length).toBeGreaterThan(0.4);
    expect(given.length / left.length).toBeLessThan(0.6);
  });

  test('what the last run knew and is gone is not believed', async () => {
    const chunks = numbered(8, 'z/').map((first) => ({ name: first, first, last: first, rowCount: 100 }));
    const previous: SnapshotIndex = { runId: 'r', root: '', segments: [{ kind: 'keys', root: '', chunks }] };
    const { left, given } = await search(numbered(150), 0, null, previous);
    expect(given.length / left.length).toBeGreaterThan(0.45);
  });
});

const letter = fc.constantFrom('a', 'b', 'c', '0', '1', '/', '~', '\u007f', 'ü', '\uffff', '\u{1f600}');
const key = fc.array(letter, { minLength: 1, maxLength: 6 }).map((letters) => letters.join(''));

test('whatever the keys are, a cut can be made where it is found, and what is known is all there is', async () => {
  let cuts = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key, { minLength: 30, maxLength: 400 }),
      fc.constantFrom('', 'x/', LONG),
      fc.nat(),
      fc.option(key),
      fc.integer({ min: 1, max: 12 }),
      async (tails, head, chance, end, pageSize) => {
        const keys = tails.map((tail) => head + tail).toSorted(compareKeys);
        const at = chance % keys.length;
        const after = keys[at] as string;
        const to = end === null || compareKeys(head + end, after) <= 0 ? null : head + end;
        const { cut, left, pages } = await search(keys, at, to, null, pageSize);
        expect(pages).toBeLessThanOrEqual(SPLIT_PROBES_MAX);
        if (cut.all !== null) expect(cut.all.map((one) => one.key)).toEqual(left);
        if (cut.key === null) return;
        cuts += 1;
        expect(cut.key).toBe(asciiHead(cut.key));
        expect(compareKeys(cut.key, after)).toBeGreaterThan(0);
        if (to !== null) expect(compareKeys(cut.key, to)).toBeLessThan(0);
        expect(left.some((one) => compareKeys(one, cut.key as string) >= 0)).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
  expect(cuts).toBeGreaterThan(60);
});

describe('the middle', () => {
  test('is that of the bytes and of the number, and none where there is little', () => {
    const many = (count: number, sizeBytes: number): Entry[] => numbered(count).map((name) => entryOf(name, sizeBytes));
    expect(middleOf(many(SHARED_REST_ITEMS_MIN - 1, 1))).toBeNull();
    expect(middleOf([])).toBeNull();
    expect(middleOf(many(SHARED_REST_ITEMS_MIN, 1))).toBe('000032');
    expect(middleOf(many(2, SHARED_REST_BYTES_MIN))).toBe('000001');
    const uneven = [entryOf('0', 10 * SHARED_REST_BYTES_MIN), ...numbered(20, '1').map((name) => entryOf(name))];
    expect(middleOf(uneven)).toBe('1000000');
  });
});
