import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ScheduleRule } from '../entities.ts';
import { checkTiming, inZone, nextAfter, upcoming } from './rule.ts';

const berlin = (rule: ScheduleRule, more: { startsAt?: string; endsAt?: string } = {}) => ({
  rule,
  timeZone: 'Europe/Berlin',
  ...more,
});
const iso = (moments: readonly number[]): string[] => moments.map((ms) => new Date(ms).toISOString());
const from = (text: string): number => Date.parse(text);

describe('when a schedule is due', () => {
  const table: [string, ScheduleRule, string, string[]][] = [
    ['once', { kind: 'once', at: '2026-11-30T02:00:00Z' }, '2026-11-22T00:00:00Z', ['2026-11-30T02:00:00.000Z']],
    ['once, gone by', { kind: 'once', at: '2026-11-01T02:00:00Z' }, '2026-11-22T00:00:00Z', []],
    [
      'every six hours',
      { kind: 'hourly', everyHours: 6, minute: 30 },
      '2026-11-22T00:00:00Z',
      ['2026-11-22T05:30:00.000Z', '2026-11-22T11:30:00.000Z', '2026-11-22T17:30:00.000Z'],
    ],
    [
      'daily over the end of summer time: the same time on the wall',
      { kind: 'daily', time: '02:00' },
      '2026-10-23T12:00:00Z',
      ['2026-10-24T00:00:00.000Z', '2026-10-25T00:00:00.000Z', '2026-10-26T01:00:00.000Z'],
    ],
    [
      'daily at a time that spring skips: when the clock has gone on',
      { kind: 'daily', time: '02:30' },
      '2027-03-27T12:00:00Z',
      ['2027-03-28T01:00:00.000Z', '2027-03-29T00:30:00.000Z', '2027-03-30T00:30:00.000Z'],
    ],
    [
      'weekly on two days',
      { kind: 'weekly', days: [5, 1], time: '20:00' },
      '2026-11-22T00:00:00Z',
      ['2026-11-23T19:00:00.000Z', '2026-11-27T19:00:00.000Z', '2026-11-30T19:00:00.000Z'],
    ],
    [
      'monthly on the 31st: the last day of shorter months',
      { kind: 'monthly', day: 31, time: '01:00' },
      '2027-01-30T00:00:00Z',
      ['2027-01-31T00:00:00.000Z', '2027-02-28T00:00:00.000Z', '2027-03-30T23:00:00.000Z'],
    ],
    [
      'monthly on the 29th, leap year',
      { kind: 'monthly', day: 29, time: '12:00' },
      '2028-01-30T00:00:00Z',
      ['2028-02-29T11:00:00.000Z', '2028-03-29T10:00:00.000Z', '2028-04-29T10:00:00.000Z'],
    ],
    [
      'cron',
      { kind: 'cron', text: '15 3 * * 1-5' },
      '2026-11-22T00:00:00Z',
      ['2026-11-23T02:15:00.000Z', '2026-11-24T02:15:00.000Z', '2026-11-25T02:15:00.000Z'],
    ],
    ['cron that never comes', { kind: 'cron', text: '0 0 30 2 *' }, '2026-11-22T00:00:00Z', []],
  ];
  test.each(table)('%s', (_name, rule, after, expected) => {
    expect(iso(upcoming(berlin(rule), from(after), 3))).toEqual(expected);
  });

  test('not before its start, a start that is due counts, not after its end', () => {
    const timing = berlin(
      { kind: 'daily', time: '02:00' },
      { startsAt: '2026-12-01T01:00:00Z', endsAt: '2026-12-02T12:00:00Z' },
    );
    expect(iso(upcoming(timing, from('2026-11-22T00:00:00Z'), 5))).toEqual([
      '2026-12-01T01:00:00.000Z',
      '2026-12-02T01:00:00.000Z',
    ]);
  });

  test('always later than asked, at the wanted time on the wall, once a day', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe'];
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: 4, max: 23 }),
        fc.integer({ min: 0, max: 59 }),
        fc.integer({ min: 0, max: 1_000 }),
        (timeZone, hour, minute, day) => {
          const time = `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
          const afterMs = Date.UTC(2026, 0, 1) + day * 86_400_000 + minute * 7_000;
          const next = nextAfter({ rule: { kind: 'daily', time }, timeZone }, afterMs) as number;
          expect(next).toBeGreaterThan(afterMs);
          expect(next - afterMs).toBeLessThanOrEqual(25 * 3_600_000);
          const wall = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' }).format(next);
          expect(wall).toBe(time);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('what is refused, with the member at fault', () => {
  const table: [string, Parameters<typeof checkTiming>[0], string][] = [
    ['zone', { rule: { kind: 'daily', time: '02:00' }, timeZone: 'Europe/Atlantis' }, 'timeZone'],
    ['time', berlin({ kind: 'daily', time: '24:00' }), 'rule.time'],
    ['step', berlin({ kind: 'hourly', everyHours: 5, minute: 0 }), 'rule.everyHours'],
    ['minute', berlin({ kind: 'hourly', everyHours: 1, minute: 60 }), 'rule.minute'],
    ['no days', berlin({ kind: 'weekly', days: [], time: '02:00' }), 'rule.days'],
    ['day', berlin({ kind: 'monthly', day: 32, time: '02:00' }), 'rule.day'],
    ['cron parts', berlin({ kind: 'cron', text: '* * * * * *' }), 'rule.text'],
    ['cron', berlin({ kind: 'cron', text: '61 * * * *' }), 'rule.text'],
    ['moment', berlin({ kind: 'once', at: 'tomorrow' }), 'rule.at'],
    ['moment without zone', berlin({ kind: 'once', at: '2026-11-30T02:00:00' }), 'rule.at'],
    [
      'end',
      berlin({ kind: 'daily', time: '02:00' }, { startsAt: '2026-12-02T00:00:00Z', endsAt: '2026-12-01T00:00:00Z' }),
      'endsAt',
    ],
  ];
  test.each(table)('%s', (_name, timing, field) => {
    expect(() => checkTiming(timing)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', field }));
  });

  test('and a good one passes', () => {
    expect(() => checkTiming(berlin({ kind: 'monthly', day: 31, time: '23:59' }))).not.toThrow();
  });
});

describe('a moment in a zone', () => {
  const zones = ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Chatham', 'Pacific/Kiritimati'];

  test('is the same moment, and shows the time of clocks there', () => {
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.integer({ min: 0, max: 4e12 }), (timeZone, atMs) => {
        const text = inZone(atMs, timeZone);
        expect(Date.parse(text)).toBe(atMs);
        const shown = new Date(atMs).toLocaleString('sv-SE', { timeZone });
        expect(text.slice(0, 19).replace('T', ' ')).toBe(shown);
      }),
    );
  });

  test.each([
    ['UTC', '1970-01-01T00:00:00.000+00:00'],
    ['America/St_Johns', '1969-12-31T20:30:00.000-03:30'],
    ['Asia/Kathmandu', '1970-01-01T05:30:00.000+05:30'],
  ])('%s', (timeZone, text) => {
    expect(inZone(0, timeZone)).toBe(text);
  });
});
