/**
 * How much of a run is done and how long it still takes. As soon as everything is listed both are known; until then they
 * rest on what the run was expected to find, and are worth as much as that has proved right so far.
 */
import { gradeForecast } from '../../engine/progress.ts';
import { compareKeys } from '../../model/key.ts';
import type { RunExpectation, RunLive } from '../entities.ts';

/** As it is kept with the run: besides, where the last run's keys lay, cut into shares of about equal numbers. */
export interface KeptExpectation extends RunExpectation {
  /** Keys, in order; n of them cut what was there into n + 1 shares. */
  readonly cuts: readonly string[];
}

/** Keys behind `from` up to `reached` were settled. */
export interface Passed {
  readonly from: string | null;
  readonly reached: string | null;
  /** Nothing of its range is left. */
  readonly isWhole: boolean;
  readonly items: number;
}

export interface Known {
  /** Of the source, whatever became of it; `copiedBytes` of them were moved. */
  readonly settled: { readonly items: number; readonly sizeBytes: number; readonly copiedBytes: number };
  readonly pendingItems: number;
  /** Still to be moved, of what is listed. */
  readonly pendingBytes: number;
  /** Of these, what of large objects under way has gone over already. */
  readonly movingBytes: number;
  readonly listingComplete: boolean;
  readonly elapsedMs: number;
  readonly bytesPerSecond: number;
  readonly itemsPerSecond: number;
  readonly bytesPerSecondMean: number;
  readonly itemsPerSecondMean: number | null;
  readonly expected: KeptExpectation | null;
  readonly passed: readonly Passed[];
  /** What was shown before: it never goes back. */
  readonly percentBefore: number | null;
}

export type Forecast = Pick<RunLive, 'totals' | 'percent' | 'remaining'>;

/** A total that was listed to more than this beyond what was expected says that nothing is known. */
const EXCEEDED = 1.02;
/** How far what was found may lie from what was expected to be still the same, beside one share at each open end. */
const TOLERANCE = 0.2;
/** So many shares must have been passed before they prove anything. */
const PASSED_MIN = 2;

export function forecastOf(known: Known): Forecast {
  const { settled, pendingItems, pendingBytes, listingComplete } = known;
  const leftBytes = Math.max(0, pendingBytes - known.movingBytes);
  const seen = { items: settled.items + pendingItems, sizeBytes: settled.sizeBytes + pendingBytes };
  if (listingComplete) {
    const totals = { ...seen, isExact: true };
    return { totals, percent: percentOf(known, totals), remaining: remainingOf(known, pendingItems, leftBytes) };
  }
  const guess = guessOf(known, seen.items);
  if (guess === null) return { totals: null, percent: known.percentBefore, remaining: null };
  const items = Math.max(seen.items, guess.items);
  const sizeBytes = guess.sizeBytes === null ? null : Math.max(seen.sizeBytes, guess.sizeBytes);
  const totals = { items, sizeBytes, isExact: false };
  const percent = percentOf(known, totals);
  // Of what has not been seen as much is moved as of what has.
  const moved = settled.sizeBytes > 0 ? settled.copiedBytes / settled.sizeBytes : 1;
  const unseenBytes = ((sizeBytes ?? seen.sizeBytes) - seen.sizeBytes) * moved;
  const remaining = remainingOf(known, items - settled.items, leftBytes + unseenBytes);
  if (remaining === null || guess.isExceeded) return { totals, percent, remaining: null };
  const isGood = guess.isConfirmed && remaining.confidence !== 'low';
  const middleMs = Math.sqrt(remaining.lowMs * remaining.highMs);
  const [low, high] = isGood ? [0.6, 1.8] : [0.4, 3];
  return {
    totals,
    percent,
    remaining: {
      lowMs: Math.round(middleMs * low),
      highMs: Math.round(middleMs * high),
      confidence: isGood ? 'medium' : 'low',
    },
  };
}

interface Guess {
  readonly items: number;
  readonly sizeBytes: number | null;
  /** What was found so far is what the last run's keys let expect there. */
  readonly isConfirmed: boolean;
  /** There is more than was expected, and nothing says how much. */
  readonly isExceeded: boolean;
}

function guessOf({ expected, passed, settled }: Known, seenItems: number): Guess | null {
  if (expected === null || expected.items <= 0) return null;
  const { items, sizeBytes, cuts } = expected;
  const share = passedOf(cuts, passed);
  if (share === null) return { items, sizeBytes, isConfirmed: false, isExceeded: seenItems > items * EXCEEDED };
  const expectedItems = items * share.passed;
  const tolerance = expectedItems * TOLERANCE + (items / (cuts.length + 1)) * share.openEnds;
  if (Math.abs(share.items - expectedItems) <= tolerance) {
    return { items, sizeBytes, isConfirmed: true, isExceeded: seenItems > items * EXCEEDED };
  }
  const left = 1 - share.passed;
  return {
    items: Math.round(settled.items + items * left),
    sizeBytes: sizeBytes === null ? null : Math.round(settled.sizeBytes + sizeBytes * left),
    isConfirmed: false,
    isExceeded: false,
  };
}

/** Which share of what the last run saw lies in the keys that were passed, and what was found there. */
function passedOf(
  cuts: readonly string[],
  ranges: readonly Passed[],
): { readonly passed: number; readonly items: number; readonly openEnds: number } | null {
  let [count, items, openEnds] = [0, 0, 1];
  for (const { from, reached, isWhole, items: found } of ranges) {
    items += found;
    if (!isWhole) openEnds += 1;
    if (!isWhole && reached === null) continue;
    count += cuts.filter(
      (cut) => (from === null || compareKeys(cut, from) > 0) && (reached === null || compareKeys(cut, reached) <= 0),
    ).length;
  }
  return count < PASSED_MIN ? null : { passed: count / (cuts.length + 1), items, openEnds };
}

/** Bytes where there are any, else items; below 100 until the run has ended, and never less than before. */
function percentOf(
  { settled, pendingBytes, movingBytes, percentBefore }: Known,
  totals: { readonly items: number; readonly sizeBytes: number | null },
): number {
  const byBytes = totals.sizeBytes !== null && totals.sizeBytes > 0;
  const doneBytes = settled.sizeBytes + Math.min(movingBytes, pendingBytes);
  const [done, all] = byBytes ? [doneBytes, totals.sizeBytes] : [settled.items, totals.items];
  const now = all > 0 ? Math.min(99, Math.floor((done / all) * 100)) : 0;
  return Math.max(now, percentBefore ?? 0);
}

/** By bytes and by items, whichever is slower, with room for both being wrong. */
function remainingOf(known: Known, items: number, sizeBytes: number): RunLive['remaining'] {
  const { bytesPerSecond, itemsPerSecond, elapsedMs } = known;
  if (bytesPerSecond <= 0 && itemsPerSecond <= 0) return null;
  const byBytes = bytesPerSecond > 0 ? sizeBytes / bytesPerSecond : 0;
  const byItems = itemsPerSecond > 0 ? items / itemsPerSecond : 0;
  const middleMs = Math.max(byBytes, byItems) * 1_000;
  const [now, mean] =
    byBytes >= byItems || known.itemsPerSecondMean === null
      ? [bytesPerSecond, known.bytesPerSecondMean]
      : [itemsPerSecond, known.itemsPerSecondMean];
  const { low, high, confidence } = gradeForecast(elapsedMs, now, mean);
  return { lowMs: Math.round(middleMs * low), highMs: Math.round(middleMs * high), confidence };
}
