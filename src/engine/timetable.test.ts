import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DroverError } from '../model/errors.ts';
import { parseBandwidth, rateAt } from './timetable.ts';

const at = (text: string): number => Date.parse(text);
const k = 1000;
const M = 1_000_000;

describe('rateAt', () => {
  const working = '08:00,512k 19:00,10M 23:00,off';
  const weekly = 'Mon-00:00,512k Fri-19:30,10M Sat-00:00,off';
  // 2026-01-05 is a Monday. Berlin is at UTC+1 in winter and +2 in summer: forward 2026-03-29 02:00, back 2026-10-25 03:00.
  const cases: readonly [string, string, string, string, number | null][] = [
    ['constant', '8M', 'UTC', '2026-01-05T12:00:00Z', 8 * M],
    ['constant, binary', '1Mi', 'UTC', '2026-01-05T12:00:00Z', 1024 ** 2],
    ['no limit', 'off', 'UTC', '2026-01-05T12:00:00Z', null],
    ['pause', '0', 'UTC', '2026-01-05T12:00:00Z', 0],
    ['before the first piece of the day', working, 'UTC', '2026-01-05T07:59:59Z', null],
    ['first minute', working, 'UTC', '2026-01-05T08:00:00Z', 512 * k],
    ['during the day', working, 'UTC', '2026-01-05T18:59:59Z', 512 * k],
    ['evening', working, 'UTC', '2026-01-05T19:00:00Z', 10 * M],
    ['night', working, 'UTC', '2026-01-05T23:30:00Z', null],
    ['order does not matter', '23:00,off 08:00,512k 19:00,10M', 'UTC', '2026-01-05T09:00:00Z', 512 * k],
    ['wall clock of the zone', working, 'Europe/Berlin', '2026-01-05T07:00:00Z', 512 * k],
    ['wall clock of the zone, a minute before', working, 'Europe/Berlin', '2026-01-05T06:59:59Z', null],
    ['wall clock in summer', working, 'Europe/Berlin', '2026-07-06T06:00:00Z', 512 * k],
    ['a zone with half hours', working, 'Asia/Kolkata', '2026-01-05T02:30:00Z', 512 * k],
    ['a zone west of Greenwich', working, 'America/New_York', '2026-01-05T13:00:00Z', 512 * k],
    ['day rules', weekly, 'UTC', '2026-01-07T00:00:00Z', 512 * k],
    ['day rules, Friday evening', weekly, 'UTC', '2026-01-09T19:30:00Z', 10 * M],
    ['day rules, Sunday', weekly, 'UTC', '2026-01-11T23:59:59Z', null],
    ['day rules, the week begins again', weekly, 'UTC', '2026-01-12T00:00:00Z', 512 * k],
    ['before the first day of the week', 'Wed-12:00,1M Thu-12:00,2M', 'UTC', '2026-01-05T00:00:00Z', 2 * M],
    ['full names of days', 'monday-00:00,1M TUESDAY-00:00,2M', 'UTC', '2026-01-06T01:00:00Z', 2 * M],
    ['a named day beats every day', '08:00,1M Mon-08:00,2M', 'UTC', '2026-01-05T09:00:00Z', 2 * M],
    ['a named day only on that day', '08:00,1M Mon-08:00,2M', 'UTC', '2026-01-06T09:00:00Z', 1 * M],
    ['one day rule holds all week', 'Wed-12:00,1M', 'UTC', '2026-01-05T09:00:00Z', 1 * M],
    ['single time holds all day', '08:00,1M', 'UTC', '2026-01-05T03:00:00Z', 1 * M],
    [
      'a time that is skipped has begun right after',
      '01:00,1M 02:30,2M',
      'Europe/Berlin',
      '2026-03-29T01:00:00Z',
      2 * M,
    ],
    ['a minute before it is skipped', '01:00,1M 02:30,2M', 'Europe/Berlin', '2026-03-29T00:59:59Z', 1 * M],
    ['a time that comes twice, the first time', '01:00,1M 02:30,2M', 'Europe/Berlin', '2026-10-25T00:30:00Z', 2 * M],
    ['it holds on while the hour repeats', '01:00,1M 02:30,2M', 'Europe/Berlin', '2026-10-25T01:10:00Z', 2 * M],
    ['and after it', '01:00,1M 02:30,2M', 'Europe/Berlin', '2026-10-25T02:10:00Z', 2 * M],
    [
      'a later time begins once the hour has repeated',
      '01:00,1M 02:30,2M 03:00,off',
      'Europe/Berlin',
      '2026-10-25T02:00:00Z',
      null,
    ],
    ['not before', '01:00,1M 02:30,2M 03:00,off', 'Europe/Berlin', '2026-10-25T01:59:59Z', 2 * M],
  ];
  it.each(cases)('%s', (_name, text, timeZone, now, expected) => {
    expect(rateAt(parseBandwidth(text, timeZone), at(now))).toBe(expected);
  });

  it('is unlimited without rules', () => {
    expect(rateAt({ timeZone: 'UTC', rules: [] }, 0)).toBeNull();
  });

  it('agrees with walking back minute by minute', () => {
    const rule = fc.record({
      day: fc.option(fc.integer({ min: 0, max: 6 })),
      minuteOfDay: fc.integer({ min: 0, max: 1439 }),
      bytesPerSecond: fc.integer({ min: 0, max: 9 }),
    });
    const rules = fc.uniqueArray(rule, { minLength: 1, maxLength: 5, selector: (one) => one.minuteOfDay });
    fc.assert(
      fc.property(rules, fc.integer({ min: 0, max: 4e9 }), (given, seconds) => {
        let expected: number | null = null;
        for (let back = 0; back <= 7 * 1440 && expected === null; back++) {
          const then = new Date((Math.floor(seconds / 60) - back) * 60_000);
          const minuteOfDay = then.getUTCHours() * 60 + then.getUTCMinutes();
          const found = given.find(
            (one) => one.minuteOfDay === minuteOfDay && (one.day === null || one.day === then.getUTCDay()),
          );
          expected = found?.bytesPerSecond ?? null;
        }
        expect(rateAt({ timeZone: 'UTC', rules: given }, seconds * 1000)).toBe(expected);
      }),
    );
  });
});

describe('parseBandwidth', () => {
  it.each([
    ['', 'UTC', '""'],
    ['fast', 'UTC', '"fast"'],
    ['10M:1M', 'UTC', '"10M:1M"'],
    ['08:00', 'UTC', '"08:00"'],
    ['08:00,512k 24:00,off', 'UTC', '"24:00,off"'],
    ['08:60,512k', 'UTC', '"08:60,512k"'],
    ['08:00,512k 19:00,much', 'UTC', '"19:00,much"'],
    ['08:00,1M:2M', 'UTC', '"08:00,1M:2M"'],
    ['Noday-08:00,1M', 'UTC', '"Noday-08:00,1M"'],
    ['08:00,1M 8:00,2M', 'UTC', '"8:00,2M"'],
    ['08:00,1M 5M', 'UTC', '"5M"'],
    ['-5M', 'UTC', '"-5M"'],
    ['8M', 'Middle/Earth', '"Middle/Earth"'],
  ])('refuses %j in %s', (text, timeZone, named) => {
    let thrown: unknown = null;
    try {
      parseBandwidth(text, timeZone);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(DroverError);
    expect((thrown as DroverError).code).toBe('USAGE');
    expect((thrown as DroverError).message).toContain(named);
  });
});
