/** What is computed without a server. */
import type { Command } from 'commander';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Wire } from '../../../src/api/client/client.ts';
import { silentWorld } from '../../../scripts/docs/world.ts';
import { createFormat } from '../../../src/cli/format.ts';
import { buildProgram } from '../../../src/cli/program.ts';
import { changesText } from '../../../src/cli/remote/changes.ts';
import { settingsOf, subPathOf } from '../../../src/cli/remote/job-options.ts';
import { queryOf } from '../../../src/cli/remote/lists.ts';
import { goesAlong, goesWithJob } from '../../../src/cli/remote/removal.ts';
import { sampleText } from '../../../src/cli/remote/samples.ts';
import { momentOf, ruleFrom } from '../../../src/cli/remote/schedules.ts';
import { facts, table } from '../../../src/cli/remote/table.ts';
import { exitOf } from '../../../src/cli/remote/watch.ts';
import { daysOf, stateOf } from '../../../src/cli/remote/words.ts';
import { ZERO_COUNTERS } from '../../../src/model/outcome.ts';

type Run = Wire['Run'];

test('sample data: as many as its run will look at', () => {
  const sample = { files: 211, folder: '/srv/samples', jobId: 'j1' } as NonNullable<Wire['Samples']['sample']>;
  expect(sampleText(sample, createFormat('en', 'UTC'))).toBe(
    '211 files and an empty folder in /srv/samples on the server, and a job that copies them: 212 objects.\nStart it with: drover job start j1 --watch',
  );
});

test.each([
  [{}, '2 jobs and 1 run with their logs and files'],
  [{ schedules: 1 }, '2 jobs, 1 schedule and 1 run with their logs and files'],
  [
    { schedules: 6, enabledSchedules: 4, subscriptions: 1 },
    '2 jobs, 6 schedules (4 enabled), 1 subscription and 1 run with their logs and files',
  ],
])('what goes with a project: %j', (counts, words) => {
  const removal = { jobs: 2, runs: 1, active: 0, schedules: 0, enabledSchedules: 0, subscriptions: 0, ...counts };
  expect(goesAlong(removal, createFormat('en', 'UTC'))).toBe(words);
});

test.each([
  [{}, '0 runs with their logs and files'],
  [{ runs: 1, schedules: 1, enabledSchedules: 1 }, '1 schedule (1 enabled) and 1 run with their logs and files'],
  [{ runs: 3, schedules: 2, reports: 1 }, '2 schedules, 1 report and 3 runs with their logs and files'],
])('what goes with a job: %j', (counts, words) => {
  const removal = { runs: 0, active: 0, schedules: 0, enabledSchedules: 0, reports: 0, ...counts };
  expect(goesWithJob(removal, createFormat('en', 'UTC'))).toBe(words);
});

const run = (changes: Partial<Run>): Run =>
  ({
    kind: 'transfer',
    state: 'succeeded',
    error: null,
    counters: ZERO_COUNTERS,
    waits: null,
    queuePlace: null,
    ...changes,
  }) as Run;
const failure = (code: string): Run['error'] => ({ code, message: '', field: null, remedy: '' }) as Run['error'];
const counted = (changes: object): Run['counters'] => ({ ...ZERO_COUNTERS, ...changes }) as Run['counters'];
const failed = counted({ items: { ...ZERO_COUNTERS.items, failed: 1 } });
const different = counted({ differences: { missing: 0, extra: 1, different: 0 } });
const weak = counted({ verification: { ...ZERO_COUNTERS.verification, V0: 1 } });

test('no option of a command is one that all commands have: that one would get its value', () => {
  const program = buildProgram(
    silentWorld(''),
    async () => undefined,
    () => undefined,
  );
  const names = (command: Command): string[] =>
    command.options.flatMap(({ long, short }) => [long, short].flatMap((name) => name ?? []));
  const everywhere = names(program);
  const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
  const clashes = program.commands.flatMap(all).flatMap((command) =>
    names(command)
      .filter((name) => everywhere.includes(name))
      .map((name) => `${command.parent?.name()} ${command.name()} ${name}`),
  );
  expect(everywhere).toContain('--state');
  expect(clashes).toEqual([]);
});

describe('exit codes of runs', () => {
  test.each([
    [run({}), 0],
    [run({ state: 'completed-with-issues', counters: failed }), 3],
    [run({ state: 'completed-with-issues', counters: counted({ deletesFailed: 1 }) }), 3],
    [run({ state: 'completed-with-issues', counters: weak }), 3],
    [run({ kind: 'validate', counters: different }), 4],
    [run({ kind: 'validate', counters: counted({ sameWeak: 1 }) }), 3],
    [run({ kind: 'dry-run', counters: different }), 0],
    [run({ state: 'failed' }), 5],
    [run({ state: 'failed', error: failure('UNREACHABLE') }), 5],
    [run({ state: 'failed', error: failure('GUARD_EMPTY_SOURCE') }), 6],
    [run({ state: 'cancelled', error: failure('CANCELLED') }), 130],
    [run({ state: 'paused' }), 130],
    [run({ state: 'running' }), 130],
  ])('%#', (given, code) => {
    expect(exitOf(given, { acceptV0: false, dryRun: false })).toBe(code);
  });

  test('size alone is enough for who said so', () => {
    expect(exitOf(run({ counters: weak }), { acceptV0: true, dryRun: false })).toBe(0);
    expect(exitOf(run({ counters: counted({ sameWeak: 1 }) }), { acceptV0: true, dryRun: false })).toBe(0);
  });
});

test.each([
  [run({ state: 'queued', queuePlace: 3 }), 'Queued, number 3'],
  [
    run({ state: 'paused', waits: { kind: 'attention', text: '', runId: null, connectorId: null } }),
    'Paused: a connector needs attention',
  ],
  [run({ state: 'paused', waits: { kind: 'person', text: '', runId: null, connectorId: null } }), 'Paused'],
  [run({ state: 'completed-with-issues' }), 'Completed with issues'],
  [
    run({ state: 'queued', queuePlace: 1, waits: { kind: 'limit', text: '', runId: null, connectorId: null } }),
    'Queued, number 1',
  ],
  [
    run({ state: 'queued', queuePlace: 1, waits: { kind: 'limit', text: '', runId: null, connectorId: 'c' } }),
    'Queued: limit of a connector',
  ],
])('states in words: %#', (given, words) => {
  expect(stateOf(given)).toBe(words);
});

describe('options of jobs', () => {
  test('only what was given is sent', () => {
    expect(settingsOf({}, null)).toEqual({});
    expect(settingsOf({ metadata: 'ignore', maxDelete: '10%' }, null)).toEqual({
      metadata: 'ignore',
      deleteMax: null,
      deleteShareMax: 0.1,
    });
    expect(settingsOf({ maxDelete: '50%' }, null)).toEqual({ deleteMax: null, deleteShareMax: 0.5 });
    expect(settingsOf({ maxDelete: 'default' }, null)).toEqual({ deleteMax: null, deleteShareMax: 'default' });
    expect(settingsOf({ restore: 'Bulk:7', versions: 'all' }, null)).toEqual({
      archived: { tier: 'Bulk', days: 7 },
      versions: 'all',
    });
  });

  test('a filter changes where it was given', () => {
    const before = settingsOf({ exclude: ['*.tmp'], maxAge: '7d' }, null) as Wire['JobSettings'];
    const after = settingsOf({ maxAge: '2026-01-31', minSize: '1k' }, before);
    expect(after.filter).toMatchObject({
      exclude: ['*.tmp'],
      ageMsMax: null,
      modifiedAfterMs: Date.UTC(2026, 0, 31),
      sizeBytesMin: 1_000,
    });
  });

  test('paths below an endpoint end with a slash and begin with none', () => {
    expect(['', 'a', 'a/b/', '/a'].map(subPathOf)).toEqual(['', 'a/', 'a/b/', '/a/']);
  });
});

describe('schedules', () => {
  test.each([
    [{ daily: '2:05' }, { kind: 'daily', time: '02:05' }],
    [
      { hourly: '6', minute: '30' },
      { kind: 'hourly', everyHours: 6, minute: 30 },
    ],
    [
      { weekly: 'sun,Monday,mon', at: '23:59' },
      { kind: 'weekly', days: [0, 1], time: '23:59' },
    ],
    [
      { monthly: '31', at: '00:00' },
      { kind: 'monthly', day: 31, time: '00:00' },
    ],
    [{ cron: '0 2 * * 1-5' }, { kind: 'cron', text: '0 2 * * 1-5' }],
    [{ once: '2026-11-28T02:00:00+01:00' }, { kind: 'once', at: '2026-11-28T01:00:00.000Z' }],
  ])('%o', (given, rule) => {
    expect(ruleFrom(given)).toEqual(rule);
  });

  test.each([[{}], [{ daily: '24:00' }], [{ weekly: 'mon' }], [{ weekly: 'x', at: '2:00' }], [{ once: '2026-11-28' }]])(
    'refuses %o',
    (given) => {
      expect(() => ruleFrom(given)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    },
  );

  test('days and moments', () => {
    expect(daysOf('tue, thu')).toEqual([2, 4]);
    expect(daysOf('noday')).toBeNull();
    expect(() => momentOf('2026-13-01T00:00:00Z', '--ends')).toThrow(expect.objectContaining({ field: '--ends' }));
  });
});

test('filters are sent by name', () => {
  const query = queryOf(
    { filter: ['state=failed', 'state=paused', 'tag=a=b'], search: 'x' },
    { jobId: ['1'], kind: [] },
  );
  expect(query).toEqual({
    search: 'x',
    'filter.state': ['failed', 'paused'],
    'filter.tag': ['a=b'],
    'filter.jobId': ['1'],
  });
  expect(() => queryOf({ filter: ['nothing'] }, {})).toThrow(expect.objectContaining({ field: '--filter' }));
});

describe('tables', () => {
  test('stand in columns, numbers to the right', () => {
    const columns = [
      { title: 'Name', text: ({ name }: { name: string }) => name },
      { title: 'Jobs', text: ({ name }: { name: string }) => String(name.length), isNumber: true },
    ];
    expect(table(columns, [{ name: 'a' }, { name: 'a long name' }])).toBe(
      'Name         Jobs\na               1\na long name    11',
    );
    expect(
      facts([
        ['A', '1'],
        ['Long', 'x'],
        ['None', null],
        ['Empty', ''],
      ]),
    ).toBe('A     1\nLong  x');
  });

  test('no name can break a line', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (names) => {
        const text = table([{ title: 'N', text: (name: string) => name }], names);
        expect(text.split('\n')).toHaveLength(names.length + 1);
      }),
    );
  });
});

describe('what a line of the audit log has changed', () => {
  test.each([
    [{}, ''],
    [null, ''],
    [{ description: ['safe', 'safer'] }, 'description: safe → safer'],
    [{ role: [null, 'admin'], jobs: [3, 0] }, 'role: none → admin; jobs: 3 → 0'],
    [{ enabled: [false, true], transfersMax: [4, null] }, 'enabled: false → true; transfersMax: 4 → none'],
    [{ events: [['a', 'b'], []] }, 'events: a, b → []'],
    [
      {
        limits: [
          { a: 1, b: 2 },
          { a: 1, b: 3 },
        ],
      },
      'limits.b: 2 → 3',
    ],
    [{ limits: [null, { deep: { er: true } }] }, 'limits.deep.er: none → true'],
    [{ limits: [{}, {}] }, 'limits: {} → {}'],
    [{ odd: ['', 'none'], semicolon: ['a; b: c → d', ' '] }, 'odd: "" → "none"; semicolon: "a; b: c → d" → " "'],
    [{ rules: [[{ day: 1 }], 'x'] }, 'rules: [{"day":1}] → x'],
    [{ foreign: 'x' }, 'foreign: none → x'],
    [{ long: [null, 'y'.repeat(500)] }, `long: none → ${'y'.repeat(119)}…`],
  ])('%j', (changes, text) => {
    expect(changesText(changes)).toBe(text);
  });

  test('says something of every field that was changed, and never fails', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.tuple(fc.jsonValue(), fc.jsonValue())),
        (changes) => {
          const text = changesText(changes);
          for (const field of Object.keys(changes)) expect(text).toContain(field);
        },
      ),
    );
  });
});
