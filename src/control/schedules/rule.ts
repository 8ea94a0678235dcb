/** When a schedule is due: pure, in the schedule's own time zone, daylight saving time included. */
import { Cron } from 'croner';
import { DroverError } from '../../model/errors.ts';
import type { ScheduleRule } from '../entities.ts';
import { isTimeZone } from '../zones.ts';

export interface ScheduleTiming {
  readonly rule: ScheduleRule;
  readonly timeZone: string;
  readonly startsAt?: string | null | undefined;
  readonly endsAt?: string | null | undefined;
}

/** Cron counts hours from midnight, so other steps would be uneven. */
export const HOUR_STEPS: readonly number[] = [1, 2, 3, 4, 6, 8, 12];
/** A pattern that never comes again (30 February) must not be searched for ever. */
const TRIES_MAX = 400;

/**
 * The first moment after `afterMs` (milliseconds since 1970); `null` when there is none any more. A local time that
 * the clock skips in spring is due when the clock has gone on; one that comes twice in autumn is due once.
 */
export function nextAfter(timing: ScheduleTiming, afterMs: number): number | null {
  const { rule, startsAt, endsAt } = timing;
  const startMs = momentOr(startsAt, Number.NEGATIVE_INFINITY);
  const endMs = momentOr(endsAt, Number.POSITIVE_INFINITY);
  // A start that is itself a due moment counts.
  const fromMs = Math.max(afterMs, startMs - 1);
  const nextMs = rule.kind === 'once' ? onceAfter(Date.parse(rule.at), fromMs) : repeatedAfter(rule, timing, fromMs);
  return nextMs === null || nextMs > endMs ? null : nextMs;
}

/** The next `count` moments, fewer when the schedule ends. */
export function upcoming(timing: ScheduleTiming, afterMs: number, count: number): number[] {
  const moments: number[] = [];
  for (let atMs = nextAfter(timing, afterMs); atMs !== null && moments.length < count; atMs = nextAfter(timing, atMs)) {
    moments.push(atMs);
  }
  return moments;
}

/** INVALID_INPUT with the member at fault; returns nothing. */
export function checkTiming({ rule, timeZone, startsAt, endsAt }: ScheduleTiming): void {
  if (!isTimeZone(timeZone)) {
    throw invalid('timeZone', `There is no time zone "${timeZone}". An example: Europe/Berlin.`);
  }
  checkMoment('startsAt', startsAt);
  checkMoment('endsAt', endsAt);
  if (momentOr(endsAt, Number.POSITIVE_INFINITY) <= momentOr(startsAt, Number.NEGATIVE_INFINITY)) {
    throw invalid('endsAt', 'The end lies before the start.');
  }
  checkRule(rule);
}

/** INVALID_INPUT, in the words of `whyNever`: a schedule that starts nothing looks as if all were well. */
export function refuseNever(timing: ScheduleTiming, nowMs: number): void {
  if (nextAfter(timing, nowMs) !== null) return;
  const { field, message } = whyNever(timing);
  throw new DroverError('INVALID_INPUT', message, { field, remedy: GIVE_ANOTHER });
}

export const GIVE_ANOTHER = 'Give it a rule with a time to come, before its end.';

/** Of a timing that has no moment left: the member at fault, and why. */
export function whyNever(timing: ScheduleTiming): { readonly field: string; readonly message: string } {
  const { rule, startsAt, endsAt } = timing;
  if (rule.kind === 'once') {
    const atMs = Date.parse(rule.at);
    const why =
      atMs < momentOr(startsAt, Number.NEGATIVE_INFINITY)
        ? `lies before the start, ${startsAt}`
        : atMs > momentOr(endsAt, Number.POSITIVE_INFINITY)
          ? `lies after the end, ${endsAt}`
          : 'is over';
    return { field: 'rule', message: `${rule.at} ${why}: the schedule would never start.` };
  }
  if (nextAfter({ rule, timeZone: timing.timeZone }, 0) === null) {
    return { field: 'rule', message: `${quoted(rule)} never comes: no date is like that.` };
  }
  return { field: 'endsAt', message: `There is no time left before its end, ${endsAt}.` };
}

function quoted(rule: ScheduleRule): string {
  return rule.kind === 'cron' ? `"${rule.text}"` : 'This rule';
}

/** Due at the same moments, however it was written. */
export function isSameRule(a: ScheduleTiming, b: ScheduleTiming): boolean {
  return momentsOf(a) === momentsOf(b);
}

function momentsOf({ rule, timeZone }: ScheduleTiming): string {
  if (rule.kind === 'once') return `once ${Date.parse(rule.at)}`;
  const { timeZone: zone } = new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions();
  const day = rule.kind === 'monthly' && rule.day > 28 ? rule.day : '';
  return [zone, patternOf(rule).trim().split(/\s+/).join(' '), day].join('|');
}

/** ISO 8601 as clocks there show it, with their offset: 2026-11-23T02:00:00.000+01:00. */
export function inZone(atMs: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
    .formatToParts(new Date(atMs))
    .reduce<Record<string, number>>((all, { type, value }) => ({ ...all, [type]: Number(value) }), {});
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  const shownMs = Date.UTC(year, month - 1, day, hour, minute, second);
  const offsetMinutes = Math.round((shownMs - Math.floor(atMs / 1_000) * 1_000) / 60_000);
  const [hours, minutes] = [Math.trunc(Math.abs(offsetMinutes) / 60), Math.abs(offsetMinutes) % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  const local = new Date(atMs + offsetMinutes * 60_000).toISOString().replace('Z', '');
  return `${local}${offsetMinutes < 0 ? '-' : '+'}${two(hours)}:${two(minutes)}`;
}

function momentOr(text: string | null | undefined, otherwise: number): number {
  return text === null || text === undefined ? otherwise : Date.parse(text);
}

function checkRule(rule: ScheduleRule): void {
  switch (rule.kind) {
    case 'once':
      return checkMoment('rule.at', rule.at);
    case 'hourly':
      if (!HOUR_STEPS.includes(rule.everyHours)) {
        throw invalid('rule.everyHours', `Give one of ${HOUR_STEPS.join(', ')} hours.`);
      }
      return checkNumber('rule.minute', rule.minute, 0, 59);
    case 'daily':
      return void clockOf(rule.time);
    case 'weekly':
      if (rule.days.length === 0) throw invalid('rule.days', 'Choose at least one day (0 = Sunday).');
      for (const day of rule.days) checkNumber('rule.days', day, 0, 6);
      return void clockOf(rule.time);
    case 'monthly':
      checkNumber('rule.day', rule.day, 1, 31);
      return void clockOf(rule.time);
    case 'cron':
      return checkCron(rule.text);
  }
}

function checkCron(text: string): void {
  if (text.trim().split(/\s+/).length !== 5) {
    throw invalid('rule.text', 'A cron text has five parts: minute, hour, day, month, day of the week.');
  }
  try {
    new Cron(text, { paused: true });
  } catch {
    throw invalid('rule.text', `"${text}" is not a cron text. An example: 0 2 * * 1-5 (02:00 from Monday to Friday).`);
  }
}

function checkMoment(field: string, text: string | null | undefined): void {
  if (text === null || text === undefined) return;
  if (!/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:?\d\d)$/.test(text) || Number.isNaN(Date.parse(text))) {
    throw invalid(field, 'Give a moment as 2026-11-30T02:00:00Z.');
  }
}

function checkNumber(field: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw invalid(field, `Give a whole number from ${min} to ${max}.`);
  }
}

function onceAfter(atMs: number, fromMs: number): number | null {
  return atMs > fromMs ? atMs : null;
}

function repeatedAfter(
  rule: Exclude<ScheduleRule, { kind: 'once' }>,
  { timeZone }: ScheduleTiming,
  fromMs: number,
): number | null {
  const cron = new Cron(patternOf(rule), { timezone: timeZone, paused: true });
  let fromDate = new Date(fromMs);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const next = cron.nextRun(fromDate);
    if (next === null) return null;
    if (next.getTime() > fromMs && (rule.kind !== 'monthly' || isDayOfMonth(next, rule.day, timeZone))) {
      return next.getTime();
    }
    fromDate = next;
  }
  return null;
}

function patternOf(rule: Exclude<ScheduleRule, { kind: 'once' }>): string {
  switch (rule.kind) {
    case 'hourly':
      return `${rule.minute} */${rule.everyHours} * * *`;
    case 'daily':
      return `${clockOf(rule.time)} * * *`;
    case 'weekly':
      return `${clockOf(rule.time)} * * ${[...new Set(rule.days)].toSorted((a, b) => a - b).join(',')}`;
    case 'monthly':
      return `${clockOf(rule.time)} ${rule.day > 28 ? '28-31' : rule.day} * *`;
    case 'cron':
      return rule.text;
  }
}

/** `02:30` → `30 2`, as cron writes it. */
function clockOf(time: string): string {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(time);
  if (match === null) throw invalid('rule.time', 'Give the time as 02:30, from 00:00 to 23:59.');
  return `${Number(match[2])} ${Number(match[1])}`;
}

/** The wanted day, or the last one of a month that is shorter. */
function isDayOfMonth(moment: Date, wanted: number, timeZone: string): boolean {
  const parts = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: 'numeric', day: 'numeric' })
    .formatToParts(moment)
    .reduce<Record<string, number>>((all, { type, value }) => ({ ...all, [type]: Number(value) }), {});
  const last = new Date(Date.UTC(parts['year'] as number, parts['month'] as number, 0)).getUTCDate();
  return parts['day'] === Math.min(wanted, last);
}

function invalid(field: string, message: string): DroverError {
  return new DroverError('INVALID_INPUT', message, { field });
}
