/** Sizes, durations and rates as people type them. USAGE names the text that cannot be read. */
import { DroverError } from '../model/errors.ts';

const SIZE = /^(\d+(?:\.\d+)?)(?:([kmgtp])(i?))?b?$/i;
const SIZE_POWERS = 'kmgtp';

const AGE_PIECE = /(\d+(?:\.\d+)?)(ms|s|m|h|d|w|y)/g;
const AGE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w|y))+$/;
const AGE_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  y: 365 * 86_400_000,
};
const ISO_DATE = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

/** Bytes: `500`, `10k` (1,000), `10Ki` (1,024), `1.5GB`, `2TiB`; case does not matter. */
export function parseSize(text: string): number {
  const match = SIZE.exec(text.trim());
  if (match !== null) {
    const [, amount, letter, binary] = match;
    const power = letter === undefined ? 0 : SIZE_POWERS.indexOf(letter.toLowerCase()) + 1;
    const bytes = Math.round(Number(amount) * (binary ? 1024 : 1000) ** power);
    if (Number.isSafeInteger(bytes)) return bytes;
  }
  throw new DroverError('USAGE', `"${text}" is not a size. Sizes look like 500, 10k, 64Mi or 1.5G.`);
}

/** A distance from the run's start, or a moment that stays where it is. */
export type AgeLimit =
  { readonly kind: 'age'; readonly ageMs: number } | { readonly kind: 'moment'; readonly atMs: number };

/**
 * `90s`, `1h`, `1h30m`, `2d`, `1w`, `1y` (365 days), or a moment such as `2026-01-31` or `2026-01-31T08:00:00Z` (UTC
 * where it names no zone).
 */
export function parseAge(text: string): AgeLimit {
  const trimmed = text.trim();
  if (AGE.test(trimmed)) {
    let ageMs = 0;
    for (const [, amount, unit] of trimmed.matchAll(AGE_PIECE))
      ageMs += Number(amount) * (AGE_UNITS_MS[unit as string] ?? 0);
    if (Number.isSafeInteger(Math.round(ageMs))) return { kind: 'age', ageMs: Math.round(ageMs) };
  }
  const atMs = ISO_DATE.test(trimmed) ? instantOf(trimmed) : Number.NaN;
  if (!Number.isNaN(atMs)) return { kind: 'moment', atMs };
  throw new DroverError('USAGE', `"${text}" is not an age. Ages look like 90s, 1h30m, 2d, 1w or 2026-01-31.`);
}

/** A date without a zone is UTC, so that the same command means the same everywhere. */
function instantOf(text: string): number {
  const hasZone = /(?:Z|[+-]\d{2}:?\d{2})$/.test(text.slice(10));
  const atMs = Date.parse(text.length === 10 || hasZone ? text.replace(' ', 'T') : `${text.replace(' ', 'T')}Z`);
  // `2026-02-31` is parsed as a day of March.
  const midnight = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  const isRealDay = midnight.getUTCDate() === Number(text.slice(8, 10));
  return isRealDay ? atMs : Number.NaN;
}
