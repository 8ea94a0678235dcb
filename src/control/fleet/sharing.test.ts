import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  firstLook,
  isAcknowledged,
  shareOf,
  SMALLEST_SHARE,
  wholeShareOf,
  workersAmong,
  type Participant,
} from './sharing.ts';

/** One worker as the database and it itself know it; time is the number of the step. */
interface Simulated {
  row: Participant | null;
  /** Read, and not yet acted upon. */
  read: { readonly atMs: number; readonly all: readonly Participant[] } | null;
  all: readonly Participant[] | null;
  lookedAtMs: number | null;
  seenSinceMs: number | null;
}

const KINDS = ['join', 'read', 'apply', 'publish', 'leave'] as const;
const step = fc.record({ who: fc.nat(3), kind: fc.constantFrom(...KINDS) });

function take(workers: Simulated[], { who, kind }: { who: number; kind: (typeof KINDS)[number] }, nowMs: number): void {
  const one = workers[who]!;
  if (kind === 'join') {
    if (one.row !== null) return;
    const row = { runId: 'run', workerId: String(who), connectorIds: ['c'], joinedAtMs: nowMs, lookedAtMs: null };
    workers[who] = { row, read: null, all: null, lookedAtMs: null, seenSinceMs: null };
    return;
  }
  if (one.row === null) return;
  if (kind === 'read') one.read = { atMs: nowMs, all: workers.flatMap(({ row }) => (row === null ? [] : [row])) };
  else if (kind === 'apply' && one.read !== null) {
    one.all = one.read.all;
    one.lookedAtMs = one.read.atMs;
    one.seenSinceMs ??= one.read.atMs;
  } else if (kind === 'publish') one.row = { ...one.row, lookedAtMs: one.lookedAtMs };
  else if (kind === 'leave') one.row = null;
}

interface Share {
  readonly isAcknowledged: boolean;
  readonly rate: number;
  readonly whole: number;
}

function sharesOf(workers: readonly Simulated[], limit: number): readonly Share[] {
  return workers.flatMap(({ row, all, seenSinceMs }) => {
    // Nothing is asked of either side before the first look.
    if (row === null || all === null || seenSinceMs === null) return [];
    const isKnown = isAcknowledged(seenSinceMs, row.workerId, all);
    return [
      { isAcknowledged: isKnown, rate: shareOf(1, workersAmong(all), isKnown), whole: wholeShareOf(limit, row, all) },
    ];
  });
}

const nobody = (): Simulated => ({ row: null, read: null, all: null, lookedAtMs: null, seenSinceMs: null });

describe('the shares of all workers together', () => {
  test('never exceed the limit, in whatever order they come, look, act, tell and go', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), fc.integer({ min: 1, max: 9 }), (steps, limit) => {
        const workers = [nobody(), nobody(), nobody(), nobody()];
        for (const [nowMs, one] of steps.entries()) {
          take(workers, one, nowMs);
          const shares = sharesOf(workers, limit);
          const known = shares.filter((share) => share.isAcknowledged);
          expect(known.reduce((sum, { rate }) => sum + rate, 0)).toBeLessThanOrEqual(1 + 1e-9);
          expect(known.reduce((sum, { whole }) => sum + whole, 0)).toBeLessThanOrEqual(limit);
          for (const { rate } of shares.filter((share) => !share.isAcknowledged)) {
            expect(rate).toBeLessThanOrEqual(SMALLEST_SHARE);
          }
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test('are the whole limit after everybody has looked and told once more', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), fc.integer({ min: 1, max: 9 }), (steps, limit) => {
        const workers = [nobody(), nobody(), nobody(), nobody()];
        const rounds = [1, 2].flatMap(() =>
          (['read', 'apply', 'publish'] as const).flatMap((kind) => workers.map((_, who) => ({ who, kind }))),
        );
        for (const [nowMs, one] of [...steps, { who: 0, kind: 'join' as const }, ...rounds].entries()) {
          take(workers, one, nowMs);
        }
        // What a worker's first look is compared with is what the others tell after theirs: one more reading.
        for (const [at] of workers.entries()) take(workers, { who: at, kind: 'read' }, 1e6);
        for (const [at] of workers.entries()) take(workers, { who: at, kind: 'apply' }, 1e6);
        const shares = sharesOf(workers, limit);
        expect(shares.every((share) => share.isAcknowledged)).toBe(true);
        expect(shares.reduce((sum, { rate }) => sum + rate, 0)).toBeCloseTo(1);
        expect(shares.reduce((sum, { whole }) => sum + whole, 0)).toBe(limit);
      }),
      { numRuns: 500 },
    );
  });
});

test('a first look is of a time that has been: after the clock was set back it is counted anew', () => {
  expect(firstLook(null, 5)).toBe(5);
  expect(firstLook(3, 5)).toBe(3);
  expect(firstLook(9, 5)).toBe(5);
});
