/** Sizes, durations, shares and bandwidth as people type them. Pure; every error names the option. */
import type { BandwidthTimetable } from '../engine/definition.ts';
import { DroverError } from '../model/errors.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
  ki: 2 ** 10,
  kib: 2 ** 10,
  mi: 2 ** 20,
  mib: 2 ** 20,
  gi: 2 ** 30,
  gib: 2 ** 30,
  ti: 2 ** 40,
  tib: 2 ** 40,
};

const DURATION_UNITS: Readonly<Record<string, number>> = {
  s: 1e3,
  min: 60e3,
  m: 60e3,
  h: 3600e3,
  d: 86_400e3,
  w: 7 * 86_400e3,
  y: 365 * 86_400e3,
};

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** `100`, `10k`, `1.5GB` (decimal), `8MiB` (binary): whole bytes. */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match === null ? undefined : SIZE_UNITS[(match[2] as string).toLowerCase()];
  if (match === null || unit === undefined) {
    throw wrong(option, text, 'a size such as 500k, 1.5GB or 8MiB');
  }
  return Math.round(Number(match[1]) * unit);
}

/** `90s`, `30min`, `12h`, `7d`, `2w`, `1y`: milliseconds. */
export function parseAge(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim());
  const unit = match === null ? undefined : DURATION_UNITS[(match[2] as string).toLowerCase()];
  if (match === null || unit === undefined) {
    throw wrong(option, text, 'an age such as 90s, 30min, 12h, 7d, 2w or 1y');
  }
  return Math.round(Number(match[1]) * unit);
}

/** A whole number from `min` to `max`. */
export function parseCount(text: string, option: string, min: number, max: number): number {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw wrong(option, text, `a whole number from ${min} to ${max}`);
  return value;
}

/** `500`, or `10%` of the target's objects. */
export function parseDeleteCap(text: string, option: string): { countMax: number | null; shareMax: number | null } {
  const share = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim());
  if (share !== null && Number(share[1]) <= 100) return { countMax: null, shareMax: Number(share[1]) / 100 };
  if (/^\d+$/.test(text.trim())) return { countMax: Number(text), shareMax: null };
  throw wrong(option, text, 'a number of objects such as 500, or a share such as 10%');
}

/**
 * `10MB`, `off`, or a timetable: `08:00,512k 18:00,off` every day, `Mon-08:00,5MB Fri-18:00,off` by the week.
 * Amounts are bytes in a second.
 */
export function parseBandwidth(text: string, option: string, timeZone: string): BandwidthTimetable {
  const pieces = text.trim().split(/\s+/);
  if (pieces.length === 1 && !text.includes(',')) {
    return { timeZone, rules: [{ day: null, minuteOfDay: 0, bytesPerSecond: parseRate(text, text, option) }] };
  }
  const rules = pieces.map((piece) => {
    const match = /^(?:([a-z]{3})-)?(\d{1,2}):(\d{2}),(\S+)$/i.exec(piece);
    const day = match?.[1] === undefined ? null : DAYS.indexOf(match[1].toLowerCase());
    const minuteOfDay = match === null ? -1 : Number(match[2]) * 60 + Number(match[3]);
    if (match === null || day === -1 || minuteOfDay < 0 || minuteOfDay >= 1440 || Number(match[3]) > 59) {
      throw wrong(option, text, 'a rate such as 10MB, or a timetable such as "08:00,512k 18:00,off"');
    }
    return { day, minuteOfDay, bytesPerSecond: parseRate(match[4] as string, text, option) };
  });
  return { timeZone, rules };
}

function parseRate(rate: string, whole: string, option: string): number | null {
  if (rate.toLowerCase() === 'off') return null;
  try {
    return parseSize(rate.replace(/\/s$/i, ''), option);
  } catch {
    throw wrong(option, whole, 'a rate such as 10MB or off, or a timetable such as "08:00,512k 18:00,off"');
  }
}

/** The choice as it stands in the table, whatever the case it was typed in. */
export function parseChoice<const T extends string>(text: string, option: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw wrong(option, text, `one of ${choices.join(', ')}`);
  return found;
}

function wrong(option: string, text: string, expected: string): DroverError {
  return new DroverError('USAGE', `${option} needs ${expected}; "${text}" is not.`, {
    field: option,
    remedy: `Correct ${option}.`,
  });
}
