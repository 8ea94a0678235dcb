/** What is shown of a run while commits, words of workers and looks at both come in any order. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addCounters, ZERO_COUNTERS, type Counters } from '../../model/outcome.ts';
import { countedOf, type OpenSegment, type Standing } from './counting.ts';

const OUTCOMES = ['copied', 'same', 'failed'] as const;

function one(outcome: (typeof OUTCOMES)[number]): Counters {
  const bytes = { ...ZERO_COUNTERS.bytes, scanned: 10, copied: outcome === 'copied' ? 10 : 0 };
  return { ...ZERO_COUNTERS, items: { ...ZERO_COUNTERS.items, scanned: 1, [outcome]: 1 }, bytes };
}

function sumOf(items: Iterable<Counters>): Counters {
  let sum = ZERO_COUNTERS;
  for (const item of items) sum = addCounters(sum, item);
  return sum;
}

function open(change: Partial<OpenSegment> = {}): OpenSegment {
  const base = { kind: 'keys', epoch: 1, committed: ZERO_COUNTERS, counted: null, countedEpoch: null, told: null };
  return { ...base, isFresh: false, ...change };
}

const scanned = (items: number): Counters => ({
  ...ZERO_COUNTERS,
  items: { ...ZERO_COUNTERS.items, scanned: items },
});

function said(items: number, change: Partial<NonNullable<OpenSegment['told']>> = {}): OpenSegment['told'] {
  const word = { segmentId: 's', epoch: 1, counters: scanned(items), pendingItems: 0, pendingBytes: 0 };
  return { ...word, isListed: false, ...change };
}

function shown(...segments: OpenSegment[]) {
  const committed = sumOf(segments.map((segment) => segment.committed));
  return countedOf({ committed, keys: segments.length, openKeys: segments.length, open: segments });
}

describe('what is settled', () => {
  test.each<[string, OpenSegment, number]>([
    ['nothing said', open({ committed: scanned(3) }), 3],
    ['said ahead of the commit', open({ committed: scanned(3), told: said(5) }), 5],
    [
      'said before the last commit',
      open({ committed: scanned(9), counted: scanned(10), countedEpoch: 1, told: said(5) }),
      10,
    ],
    ['of another epoch', open({ epoch: 2, committed: scanned(3), told: said(5) }), 3],
    [
      'kept aside by who gave it back',
      open({ epoch: 1, committed: scanned(3), counted: scanned(7), countedEpoch: 1 }),
      7,
    ],
    [
      'of the last holder, until the next one speaks',
      open({ epoch: 2, committed: scanned(3), counted: scanned(7), countedEpoch: 1 }),
      7,
    ],
    [
      'of the next holder, who lost what was not durable',
      open({ epoch: 2, committed: scanned(3), counted: scanned(7), countedEpoch: 1, told: said(4, { epoch: 2 }) }),
      4,
    ],
    ['said before anything was committed', open({ epoch: 2, committed: scanned(6), told: said(4, { epoch: 2 }) }), 6],
  ])('%s', (_what, segment, items) => {
    expect(shown(segment).counters.items.scanned).toBe(items);
  });

  test('what settled since somebody said how much is pending is not pending any more', () => {
    const word = said(5, { pendingItems: 10 });
    const later = open({ committed: scanned(8), counted: scanned(9), countedEpoch: 1, told: word });
    expect(shown(open({ told: word }))).toMatchObject({ pendingItems: 10 });
    expect(shown(later)).toMatchObject({ counters: { items: { scanned: 9 } }, pendingItems: 6 });
  });
});

describe('everything is listed', () => {
  const listed = open({ told: said(5, { isListed: true }), isFresh: true });
  test.each<[string, OpenSegment[], boolean]>([
    ['who has it says so', [listed], true],
    ['one of two has not come to its end', [listed, open({ told: said(1), isFresh: true })], false],
    ['one of two was never taken', [listed, open({ epoch: 0 })], false],
    ['who said so is silent', [open({ told: said(5, { isListed: true }) })], false],
    ['who said so had it before', [open({ epoch: 2, told: said(5, { isListed: true }), isFresh: true })], false],
    ['another phase has begun', [listed, open({ kind: 'mapped' })], true],
  ])('%s: %s', (_what, segments, isComplete) => {
    const keys = segments.filter(({ kind }) => kind === 'keys').length;
    const standing: Standing = { committed: ZERO_COUNTERS, keys, openKeys: keys, open: segments };
    expect(countedOf(standing).listingComplete).toBe(isComplete);
  });

  test('nothing is, before there is anything to list; everything is when all of it is done', () => {
    const none = { committed: ZERO_COUNTERS, open: [] };
    expect(countedOf({ ...none, keys: 0, openKeys: 0 }).listingComplete).toBe(false);
    expect(countedOf({ ...none, keys: 3, openKeys: 0 }).listingComplete).toBe(true);
  });
});

/** One segment as its holder has it, and as the database has it. */
class Model {
  readonly #items: readonly Counters[];
  #settled = new Set<number>();
  #durable = new Set<number>();
  #committed = 0;
  #epoch = 0;
  #counted: Counters | null = null;
  #countedEpoch: number | null = null;
  #told: OpenSegment['told'] = null;
  #picture: OpenSegment['told'] = null;
  isDone = false;

  constructor(outcomes: readonly (typeof OUTCOMES)[number][]) {
    this.#items = outcomes.map(one);
  }

  get total(): Counters {
    return sumOf(this.#items);
  }

  /** The next one, or the one after it, so that some settle behind an unsettled one. */
  settle(ahead: number): void {
    const rest = this.#items.flatMap((_, at) => (this.#settled.has(at) ? [] : [at]));
    const at = rest[Math.min(ahead, rest.length - 1)];
    if (at !== undefined && this.#epoch > 0) this.#settled.add(at);
  }

  picture(): void {
    if (this.#epoch === 0 || this.isDone) return;
    const pendingItems = this.#items.length - this.#settled.size;
    this.#picture = {
      segmentId: 's',
      epoch: this.#epoch,
      counters: this.#now,
      pendingItems,
      pendingBytes: pendingItems * 10,
      isListed: true,
    };
  }

  tell(): void {
    this.#told = this.#picture;
  }

  commit(): void {
    if (this.#epoch === 0 || this.isDone) return;
    while (this.#settled.has(this.#committed)) this.#committed += 1;
    this.#durable = new Set(this.#settled);
    this.#counted = this.#now;
    this.#countedEpoch = this.#epoch;
    this.isDone = this.#committed === this.#items.length;
  }

  /** Gracefully, all that is settled is kept; otherwise what no commit kept is lost. True when something was. */
  handOver(isGraceful: boolean): boolean {
    if (this.isDone) return false;
    if (isGraceful) this.commit();
    if (this.isDone) return false;
    const before = this.#settled.size;
    this.#settled = new Set(this.#durable);
    this.#epoch += 1;
    return this.#settled.size < before;
  }

  get row(): OpenSegment {
    return open({
      epoch: this.#epoch,
      committed: this.committed,
      counted: this.#counted,
      countedEpoch: this.#countedEpoch,
      told: this.#told?.epoch === this.#epoch ? this.#told : null,
      isFresh: true,
    });
  }

  get committed(): Counters {
    return sumOf(this.#items.slice(0, this.#committed));
  }

  get #now(): Counters {
    return sumOf(this.#items.filter((_, at) => this.#settled.has(at)));
  }
}

test('never goes back nor beyond what there is, in any order of settling, telling, committing and handing over', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), at: fc.nat(2), ahead: fc.nat(3) }) },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constantFrom('picture', 'tell', 'commit', 'give', 'die'), at: fc.nat(2) }),
    },
  );
  const outcomes = fc.array(fc.constantFrom(...OUTCOMES), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(outcomes, { minLength: 1, maxLength: 3 }), fc.array(step, { maxLength: 60 }), (all, steps) => {
      const models = all.map((items) => new Model(items));
      for (const model of models) model.handOver(true);
      const total = sumOf(models.map((model) => model.total));
      let before: Counters = ZERO_COUNTERS;
      for (const now of steps) {
        const model = models[now.at % models.length] as Model;
        let isLoss = false;
        if (now.do === 'settle') model.settle(now.ahead);
        else if (now.do === 'give' || now.do === 'die') isLoss = model.handOver(now.do === 'give');
        else model[now.do]();
        const openOnes = models.filter(({ isDone }) => !isDone);
        const { counters, pendingItems } = countedOf({
          committed: sumOf(models.map(({ committed }) => committed)),
          keys: models.length,
          openKeys: openOnes.length,
          open: openOnes.map(({ row }) => row),
        });
        for (const name of ['scanned', ...OUTCOMES] as const) {
          expect(counters.items[name]).toBeLessThanOrEqual(total.items[name]);
          if (!isLoss && now.do !== 'die') expect(counters.items[name]).toBeGreaterThanOrEqual(before.items[name]);
        }
        expect(counters.items.copied + counters.items.same + counters.items.failed).toBe(counters.items.scanned);
        expect(counters.items.scanned + pendingItems).toBeLessThanOrEqual(total.items.scanned);
        before = counters;
      }
    }),
    { numRuns: 500 },
  );
});
