/** What a plan says of each step, so that it can be judged. */
import { describe, expect, test } from 'vitest';
import { createFormat } from '../../../src/cli/format.ts';
import { planLines } from '../../../src/cli/remote/plan-words.ts';
import { DEFAULT_SETTINGS } from '../../../src/control/jobs/settings.ts';
import type { JobSettings } from '../../../src/control/entities.ts';

const format = createFormat('en-US', 'UTC');

const words = (step: Partial<Parameters<typeof planLines>[0]>): string[] =>
  planLines({ action: 'create', kind: 'job', name: 'x', changes: [], made: null, ...step }, format).map(
    ({ text, isHarmful }) => `${isHarmful ? '! ' : ''}${text}`,
  );
const updated = (field: string, before: unknown, after: unknown): string[] =>
  words({ action: 'update', changes: [{ field, before, after }] });
const settings = (before: Partial<JobSettings>, after: Partial<JobSettings>): string[] =>
  updated('settings', { ...DEFAULT_SETTINGS, ...before }, { ...DEFAULT_SETTINGS, ...after });

describe('what is new', () => {
  test.each<[string, object, string[]]>([
    ['connector', { provider: 's3', tags: {}, limits: {} }, ['provider: s3']],
    ['project', { description: 'x' }, []],
    [
      'endpoint',
      { kind: 'target', connector: 'Acme', container: 'box', prefix: 'in/', description: '' },
      ['target: Acme:box/in/'],
    ],
    [
      'timetable',
      { timetable: { timeZone: 'UTC', rules: [{ day: null, minuteOfDay: 480, bytesPerSecond: 1e6 }] } },
      ['08:00 1 MB/s (UTC)'],
    ],
    [
      'schedule',
      {
        rule: { kind: 'weekly', days: [1, 4], time: '02:00' },
        timeZone: 'Europe/Berlin',
        startsAt: null,
        endsAt: null,
        runKind: 'validate',
        enabled: true,
      },
      ['Mon, Thu at 02:00 (Europe/Berlin), validation, enabled'],
    ],
    [
      'job',
      {
        description: '',
        source: { endpoint: 'From', subPath: '2026/' },
        target: { endpoint: 'To', subPath: '' },
        settings: { mode: 'merge' },
        transfersMax: null,
        timetable: null,
      },
      ['from: endpoint "From", 2026/', 'to: endpoint "To"', 'mode: merge'],
    ],
    [
      'job',
      {
        source: { endpoint: 'From', subPath: '' },
        target: { endpoint: 'To', subPath: 'a/b/' },
        settings: { mode: 'mirror', deleteShareMax: null, filter: { exclude: ['*.tmp', '/logs/'] } },
        timetable: 'Nights',
      },
      [
        'from: endpoint "From"',
        'to: endpoint "To", a/b/',
        '! mode: mirror (deletes what only the target has)',
        '! deleteShareMax: no limit (a run may delete more)',
        'filter.exclude: *.tmp, /logs/',
        'timetable: Nights',
      ],
    ],
  ])('%s', (kind, made, expected) => expect(words({ kind, made: made as never })).toEqual(expected));
});

describe('what changes', () => {
  test.each<[Partial<JobSettings>, Partial<JobSettings>, string[]]>([
    [{ mode: 'mirror' }, { mode: 'merge' }, ['mode: mirror → merge']],
    [{ mode: 'merge' }, { mode: 'mirror' }, ['! mode: merge → mirror (deletes what only the target has)']],
    [
      { targetNewer: 'skip' },
      { targetNewer: 'overwrite' },
      ['! targetNewer: skip → overwrite (overwrites what is newer at the target)'],
    ],
    [{ targetNewer: 'overwrite' }, { targetNewer: 'skip' }, ['targetNewer: overwrite → skip']],
    [{}, { archived: { tier: 'Bulk', days: 3 } }, ['archived: report → tier Bulk, days 3']],
    [
      { filter: { ...DEFAULT_SETTINGS.filter, exclude: ['*.tmp'] } },
      { filter: { ...DEFAULT_SETTINGS.filter, sizeBytesMin: 5 } },
      ['filter.exclude: *.tmp → none', 'filter.sizeBytesMin: none → 5'],
    ],
    [
      { mode: 'mirror', filter: { ...DEFAULT_SETTINGS.filter, exclude: ['*.tmp'] } },
      { mode: 'mirror' },
      ['! filter.exclude: *.tmp → none (what is left out no more is deleted where only the target has it)'],
    ],
    [
      { mode: 'mirror' },
      { mode: 'mirror', deleteShareMax: 0.9, deleteMax: 10 },
      ['deleteMax: no limit → 10', '! deleteShareMax: default → 90 % (a run may delete more)'],
    ],
    [{ mode: 'mirror', deleteMax: 10 }, { mode: 'mirror', deleteMax: 5 }, ['deleteMax: 10 → 5']],
    [
      { mode: 'mirror' },
      { mode: 'mirror', allowEmptySource: true },
      ['! allowEmptySource: false → true (an empty source empties the target)'],
    ],
  ])('settings %j → %j', (before, after, expected) => expect(settings(before, after)).toEqual(expected));

  test.each([
    ['description', 'safe', 'safer', ['description: "safe" → "safer"']],
    ['transfersMax', null, 4, ['transfersMax: none → 4']],
    ['timetable', 'Nights', null, ['timetable: Nights → none']],
    [
      'limits',
      { requestsPerSecond: 5, transfersMax: null },
      { requestsPerSecond: 9, transfersMax: null },
      ['limits.requestsPerSecond: 5 → 9'],
    ],
    ['tags', { a: 'b' }, { a: 'b', team: 'x y' }, ['tags.team: none → "x y"']],
    ['tags', { a: 'b' }, {}, ['tags.a: b → none']],
    [
      'rule',
      { kind: 'daily', time: '02:00' },
      { kind: 'monthly', day: 31, time: '03:00' },
      ['rule: daily at 02:00 → monthly on the last day at 03:00'],
    ],
    ['enabled', false, true, ['enabled: false → true']],
    [
      'timetable',
      { timeZone: 'UTC', rules: [{ day: null, minuteOfDay: 480, bytesPerSecond: 1e6 }] },
      { timeZone: 'UTC', rules: [{ day: null, minuteOfDay: 480, bytesPerSecond: 0 }] },
      ['08:00 1 MB/s (UTC) → 08:00 paused (UTC)'],
    ],
  ])('%s', (field, before, after, expected) => expect(updated(field, before, after)).toEqual(expected));
});
