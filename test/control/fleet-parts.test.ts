/** The parts of workers that decide without a database. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { liveOf } from '../../src/control/fleet/aggregate.ts';
import { FAULTS_MAX, judge } from '../../src/control/fleet/verdict.ts';
import { watched } from '../../src/control/fleet/watched.ts';
import { cellsOf, type Stretch } from '../../src/control/runs/map.ts';
import { DroverError, type ErrorCode } from '../../src/model/errors.ts';
import { ZERO_COUNTERS } from '../../src/model/outcome.ts';

describe('what a broken part means', () => {
  test.each([
    ['LEASE_LOST', 0, 'again'],
    ['DATABASE_UNAVAILABLE', 99, 'again'],
    ['CANCELLED', 0, 'again'],
    ['DISK_FULL', 0, 'disk'],
    ['UNAUTHENTICATED', 0, 'attention'],
    ['CREDENTIALS_EXPIRED', 0, 'attention'],
    ['QUOTA_EXCEEDED', 0, 'attention'],
    ['WRONG_REGION', 0, 'attention'],
    ['UNREACHABLE', 0, 'again'],
    ['UNREACHABLE', FAULTS_MAX, 'attention'],
    ['LISTING_INCOMPLETE', 0, 'again'],
    ['LISTING_INCOMPLETE', FAULTS_MAX, 'attention'],
    ['PLACE_NOT_FOUND', 0, 'fail'],
    ['GUARD_EMPTY_SOURCE', 0, 'fail'],
    ['GUARD_DELETE_CAP', 0, 'fail'],
    ['INTERNAL', 0, 'fail'],
  ] as const satisfies readonly (readonly [ErrorCode, number, string])[])(
    '%s after %i faults: %s',
    (code, faults, kind) => {
      const verdict = judge({ error: new DroverError(code, 'Words.'), side: 'target', faults });
      expect(verdict.kind).toBe(kind);
      if (verdict.kind === 'attention') expect(verdict.side).toBe('target');
    },
  );
});

describe('a watched end', () => {
  class Inner {
    readonly traits = { order: 'bytes' };
    readonly facets = { removal: { remove: async (key: string) => this.#fail(key) } };
    #fail(key: string): never {
      throw new DroverError('UNAUTHENTICATED', `No ${key}.`);
    }
    async stat(key: string): Promise<string> {
      return key === 'bad' ? this.#fail(key) : key;
    }
    async *scan(): AsyncGenerator<number> {
      yield 1;
      this.#fail('listing');
    }
  }

  test('shows every failure of its methods, facets and listings, and changes nothing else', async () => {
    const seen: string[] = [];
    const inner = new Inner();
    const end = watched(inner, ({ message }) => void seen.push(message));
    expect(await end.stat('good')).toBe('good');
    expect(end.traits).toBe(inner.traits);
    expect(seen).toEqual([]);
    await expect(end.stat('bad')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect({ ...end.facets }.removal.remove('x')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    const pages: number[] = [];
    const listing = async () => {
      for await (const page of end.scan()) pages.push(page);
    };
    await expect(listing()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(pages).toEqual([1]);
    expect(seen).toEqual(['No bad.', 'No x.', 'No listing.']);
  });
});

describe('the map', () => {
  const state = fc.constantFrom('waiting', 'listing', 'done', 'issues', 'failed') as fc.Arbitrary<Stretch['state']>;
  const stretch = fc.record({
    state,
    items: fc.nat(5_000),
    failed: fc.nat(3),
    unsupported: fc.nat(3),
    weight: fc.oneof(fc.constant(0), fc.nat(5_000)),
    isExact: fc.boolean(),
  });
  const key = (at: number): string => `k${String(at).padStart(3, '0')}`;
  const ORDER = ['done', 'waiting', 'listing', 'issues', 'failed'];

  test('has no more cells than asked for, one behind the other, and loses no item and no bad news', () => {
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 40 }), fc.integer({ min: 1, max: 60 }), (list, cells) => {
        const stretches: Stretch[] = list.map((one, at) => {
          return { ...one, from: at === 0 ? null : key(at), to: at === list.length - 1 ? null : key(at + 1) };
        });
        const made = cellsOf(stretches, cells);
        for (const member of ['items', 'failed', 'unsupported'] as const) {
          const sum = (all: readonly { readonly [K in typeof member]: number }[]): number =>
            all.reduce((total, one) => total + one[member], 0);
          expect(sum(made)).toBe(sum(stretches));
        }
        expect(made.length).toBeLessThanOrEqual(cells);
        expect(made.length === 0).toBe(stretches.length === 0);
        if (made.length === 0) return;
        expect([made[0]?.from, made.at(-1)?.to]).toEqual([null, null]);
        for (const [at, cell] of made.entries()) if (at > 0) expect(cell.from).toBe(made[at - 1]?.to);
        expect(made.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 4);
        const rank = (one: { readonly state: string }): number => ORDER.indexOf(one.state);
        const isIn = (one: Stretch, { from, to }: (typeof made)[number]): boolean =>
          (from === null || (one.from !== null && one.from >= from)) &&
          (to === null || (one.to !== null && one.to <= to));
        for (const cell of made) {
          const inside = stretches.filter((one) => isIn(one, cell));
          expect(rank(cell)).toBe(Math.max(...inside.map(rank)));
          expect(cell.isExact).toBe(inside.every(({ isExact }) => isExact));
        }
      }),
    );
  });

  test('is as fine as was asked for where what is known is', () => {
    const stretches = Array.from({ length: 1_000 }, (_, at): Stretch => {
      const counts = { items: 7, failed: 0, unsupported: 0 };
      return { from: key(at), to: key(at + 1), state: 'done', ...counts, weight: 7, isExact: true };
    });
    const made = cellsOf(stretches, 240);
    expect(made).toHaveLength(240);
    expect(new Set(made.map(({ items }) => items))).toEqual(new Set([28, 35]));
  });
});

describe('the picture of a run', () => {
  const scanned = (items: number) => ({ ...ZERO_COUNTERS, items: { ...ZERO_COUNTERS.items, scanned: items } });
  const told = {
    phase: 'copying',
    elapsedMs: 120_000,
    bytesPerSecond: 100,
    itemsPerSecond: 5,
    bytesPerSecondMean: 90,
    itemsPerSecondMean: 5,
    limitedBy: 'none',
    current: [{ key: 'a', sizeBytes: 5, doneBytes: 1 }],
    isPausedByTimetable: false,
  } as const;
  const segment = (isListed = true) => ({
    kind: 'keys',
    epoch: 2,
    committed: scanned(50),
    counted: null,
    countedEpoch: null,
    told: {
      segmentId: 's',
      epoch: 2,
      counters: { ...scanned(50), mapped: 2 },
      pendingItems: 10,
      pendingBytes: 1_000,
      isListed,
    },
    isFresh: true,
  });
  const run = {
    live: null,
    sequence: '1',
    waits: null,
    source: 'S',
    target: 'T',
    source_id: 's',
    target_id: 't',
    now: new Date(0),
    keys: 2,
    openKeys: 2,
    open: [segment(), segment()],
    committed: scanned(100),
    expected: null,
    percent_shown: null,
    passed: [],
    workers: [],
  };
  const row = (progress: object | null) => ({ worker_id: 'w', name: 'n', progress: progress as never, segments: 1 });
  const listing = { ...run, open: [segment(), segment(false)], workers: [row(told)] };

  test('adds up what workers say, and forecasts once everything is listed or something was expected', () => {
    const workers = [row(told), row({ ...told, limitedBy: 'target' }), row(null)];
    const live = liveOf({ ...run, workers });
    expect(live).toMatchObject({
      counters: { items: { scanned: 100 }, mapped: 4 },
      pendingItems: 20,
      bytesPerSecond: 200,
      totals: { items: 120, isExact: true },
      remaining: { lowMs: 7_992, highMs: 12_987, confidence: 'high' },
      limitedBy: { kind: 'target', text: expect.stringContaining('"T"'), since: '1970-01-01T00:00:00.000Z' },
    });
    expect(live?.workers).toHaveLength(3);
    expect(liveOf(listing)?.remaining).toBeNull();
    const expected = { items: 1_000, sizeBytes: null, basis: 'last-run', runId: 'r', cuts: [] } as const;
    const guessed = liveOf({ ...listing, expected });
    expect(guessed).toMatchObject({ totals: { items: 1_000, isExact: false }, remaining: { confidence: 'low' } });
    expect(guessed?.percent).toBe(10);
    const live2 = guessed === null ? null : { ...guessed, percent: 40 };
    expect(liveOf({ ...listing, expected, live: live2 })?.percent).toBe(40);
    expect(liveOf({ ...listing, expected, percent_shown: 70 })?.percent).toBe(70);
    expect(liveOf({ ...run, workers: [row(null)] })).toBeNull();
    const later = liveOf({ ...run, workers: [row({ ...told, limitedBy: 'target' })], live, now: new Date(9_000) });
    expect(later?.limitedBy.since).toBe('1970-01-01T00:00:00.000Z');
  });
});
