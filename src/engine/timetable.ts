/** Limits of bandwidth that change over the week. */
import { DroverError } from '../model/errors.ts';
import type { BandwidthTimetable } from './definition.ts';
import { parseSize } from './quantities.ts';

type Rule = BandwidthTimetable['rules'][number];

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTES_PER_DAY = 24 * 60;
const MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY;
const MINUTE_MS = 60_000;
/** Clocks are never set back by more than this. */
const SET_BACK_MS_MAX = 3 * 60 * MINUTE_MS;
const ENTRY = /^(?:([a-z]+)-)?(\d{1,2}):(\d{2}),(.+)$/i;

/**
 * `8M` (bytes per second), `off`, or a timetable of `[Day-]HH:MM,rate` pieces such as `08:00,512k 19:00,10M 23:00,off`
 * or `Mon-00:00,512k Sat-00:00,off`. A rate holds until the next piece begins; 0 pauses. USAGE names the piece or the
 * time zone that cannot be used.
 */
export function parseBandwidth(text: string, timeZone: string): BandwidthTimetable {
  checkTimeZone(timeZone);
  const pieces = text.trim().split(/\s+/);
  const only = pieces[0] as string;
  if (pieces.length === 1 && !only.includes(',')) {
    return { timeZone, rules: [{ day: null, minuteOfDay: 0, bytesPerSecond: parseRate(only, only) }] };
  }
  const rules = pieces.map(parseRule);
  const seen = new Map<string, string>();
  rules.forEach((rule, index) => {
    const when = `${rule.day} ${rule.minuteOfDay}`;
    const piece = pieces[index] as string;
    const earlier = seen.get(when);
    if (earlier !== undefined) throw bad(piece, `it begins at the same time as "${earlier}"`);
    seen.set(when, piece);
  });
  return { timeZone, rules };
}

/**
 * Bytes per second allowed at this moment; `null` is unlimited. Times are those of the wall clock: a time that is
 * skipped when clocks are set forward has begun right after, one that comes twice begins the first time.
 */
export function rateAt(table: BandwidthTimetable, nowMs: number): number | null {
  const [first] = table.rules;
  if (first === undefined) return null;
  if (table.rules.length === 1 && first.day === null) return first.bytesPerSecond;
  const minute = minuteOfWeek(table.timeZone, nowMs);
  let best: Rule = first;
  let bestAge = Number.POSITIVE_INFINITY;
  for (const rule of table.rules) {
    for (const day of rule.day === null ? [0, 1, 2, 3, 4, 5, 6] : [rule.day]) {
      const age = modulo(minute - (day * MINUTES_PER_DAY + rule.minuteOfDay), MINUTES_PER_WEEK);
      // For the same minute, the rule that names the day is meant.
      if (age < bestAge || (age === bestAge && rule.day !== null)) {
        best = rule;
        bestAge = age;
      }
    }
  }
  return best.bytesPerSecond;
}

function parseRule(piece: string): Rule {
  const match = ENTRY.exec(piece);
  if (match === null) throw bad(piece, 'it must look like 08:00,512k or Mon-08:00,512k');
  const [, dayName, hours, minutes, rate] = match as unknown as [string, string | undefined, string, string, string];
  const day = dayName === undefined ? null : dayOf(dayName, piece);
  if (Number(hours) > 23 || Number(minutes) > 59) throw bad(piece, `there is no time ${hours}:${minutes}`);
  return { day, minuteOfDay: Number(hours) * 60 + Number(minutes), bytesPerSecond: parseRate(rate, piece) };
}

function dayOf(name: string, piece: string): number {
  const lower = name.toLowerCase();
  const day = DAYS.findIndex((known) => lower === known || FULL_DAYS[DAYS.indexOf(known)] === lower);
  if (day === -1) throw bad(piece, `"${name}" is not a day; days are Mon, Tue, Wed, Thu, Fri, Sat and Sun`);
  return day;
}

const FULL_DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

function parseRate(text: string, piece: string): number | null {
  if (text.toLowerCase() === 'off') return null;
  if (text.includes(':')) throw bad(piece, 'one limit holds for download and upload together');
  try {
    return parseSize(text);
  } catch {
    throw bad(piece, `"${text}" is not a rate; rates look like 512k, 10M, 1Gi or off`);
  }
}

function bad(piece: string, why: string): DroverError {
  return new DroverError('USAGE', `The bandwidth limit "${piece}" cannot be used: ${why}.`);
}

function checkTimeZone(timeZone: string): void {
  try {
    formatFor(timeZone);
  } catch {
    throw new DroverError('USAGE', `"${timeZone}" is not a time zone; time zones look like Europe/Berlin or UTC.`);
  }
}

/** Minutes since Sunday 00:00 by the wall clock; while a set-back hour repeats, the last minute before it was. */
function minuteOfWeek(timeZone: string, nowMs: number): number {
  const offset = offsetMs(timeZone, nowMs);
  const earlierOffset = offsetMs(timeZone, nowMs - SET_BACK_MS_MAX);
  const wallMs = nowMs + offset;
  if (offset >= earlierOffset) return minuteOf(wallMs);
  let before = nowMs - SET_BACK_MS_MAX;
  let after = nowMs;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetMs(timeZone, middle) === offset) after = middle;
    else before = middle;
  }
  return minuteOf(Math.max(wallMs, before + earlierOffset));
}

/** 1970-01-01 was a Thursday. */
function minuteOf(wallMs: number): number {
  return modulo(Math.floor(wallMs / MINUTE_MS) + 4 * MINUTES_PER_DAY, MINUTES_PER_WEEK);
}

/** How far the wall clock of the zone is ahead of UTC. */
function offsetMs(timeZone: string, nowMs: number): number {
  const wholeMs = Math.floor(nowMs / 1000) * 1000;
  const parts: Record<string, number> = {};
  for (const { type, value } of formatFor(timeZone).formatToParts(wholeMs)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - wholeMs;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Making one is a thousand times dearer than using it. */
function formatFor(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formats.set(timeZone, format);
  return format;
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}
