/** Options become a policy; scripts for shells know them all. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addTransferOptions,
  joinOptionalValues,
  readTransferOptions,
  type TransferCommand,
} from '../../src/cli/transfer-options.ts';
import { openTestWorld, type TestWorld } from './world.ts';

function read(which: TransferCommand, ...words: string[]) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addTransferOptions(command, which);
  command.argument('[places...]').parse([...joinOptionalValues(words)], { from: 'user' });
  return { ...readTransferOptions(which, command.opts(), 'UTC'), places: command.args };
}

test('without options', () => {
  const { policy, tuning, fresh } = read('copy');
  expect(policy).toMatchObject({
    mode: 'merge',
    dryRun: false,
    targetNewer: 'overwrite',
    serverSide: 'auto',
    versions: 'current',
    metadata: 'preserve',
    deleteMax: null,
    allowEmptySource: false,
  });
  expect(tuning).toMatchObject({ transfersMax: null, bandwidth: null });
  expect(fresh).toBe(false);
});

test.each<[TransferCommand, string[], object]>([
  [
    'copy',
    ['--include', 'a/**', '--include', '*.jpg', '--exclude', 'tmp/**'],
    { filter: { include: ['a/**', '*.jpg'], exclude: ['tmp/**'] } },
  ],
  [
    'copy',
    ['--min-size', '10k', '--max-size', '1.5G'],
    { filter: { sizeBytesMin: 10_000, sizeBytesMax: 1_500_000_000 } },
  ],
  ['copy', ['--min-age', '1h', '--max-age', '7d'], { filter: { ageMsMin: 3_600_000, ageMsMax: 604_800_000 } }],
  [
    'copy',
    ['--max-age', '2026-11-20', '--min-age', '2026-11-21T08:00Z'],
    {
      filter: { ageMsMin: null, modifiedAfterMs: Date.UTC(2026, 10, 20), modifiedBeforeMs: Date.UTC(2026, 10, 21, 8) },
    },
  ],
  ['sync', ['--max-delete', '500'], { mode: 'mirror', deleteMax: 500, deleteShareMax: null }],
  ['sync', ['--max-delete', '10%'], { deleteMax: null, deleteShareMax: 0.1 }],
  ['sync', ['--max-delete', '50%'], { deleteMax: null, deleteShareMax: 0.5 }],
  ['sync', ['--max-delete', 'Default'], { deleteMax: null, deleteShareMax: 'default' }],
  ['sync', [], { deleteMax: null, deleteShareMax: 'default' }],
  ['copy', [], { deleteMax: null, deleteShareMax: null }],
  ['sync', ['--allow-empty-source'], { allowEmptySource: true }],
  ['copy', ['--server-side', 'NEVER'], { serverSide: 'never' }],
  ['copy', ['--target-newer', 'skip'], { targetNewer: 'skip' }],
  ['copy', ['--metadata', 'refresh'], { metadata: 'refresh' }],
  ['copy', ['--restore', 'Bulk:14'], { archived: { tier: 'Bulk', days: 14 } }],
  ['copy', ['--versions'], { versions: 'all' }],
  ['copy', ['--versions', 'current'], { versions: 'current' }],
  ['copy', ['--dry-run'], { dryRun: true }],
  ['check', ['--one-way'], { mode: 'check', oneWay: true }],
])('%s %j', (which, words, policy) => {
  expect(read(which, ...words).policy).toMatchObject(policy);
});

test('options stand before or after the places, and --versions takes no place for its value', () => {
  expect(read('copy', '--versions', 'a:b', 'c:d').places).toEqual(['a:b', 'c:d']);
  expect(read('copy', 'a:b', '--transfers', '8', 'c:d', '--fresh')).toMatchObject({
    places: ['a:b', 'c:d'],
    tuning: { transfersMax: 8 },
    fresh: true,
  });
  expect(joinOptionalValues(['copy', '--', '--versions'])).toEqual(['copy', '--', '--versions']);
});

test('a timetable of bandwidth', () => {
  expect(read('copy', '--bwlimit', '08:00,5MB Mon-18:00,off').tuning.bandwidth).toEqual({
    timeZone: 'UTC',
    rules: [
      { day: null, minuteOfDay: 480, bytesPerSecond: 5_000_000 },
      { day: 1, minuteOfDay: 1080, bytesPerSecond: null },
    ],
  });
});

test.each([
  [['--min-size', 'huge'], '--min-size'],
  [['--max-age', 'long'], '--max-age'],
  [['--bwlimit', '25:00,1M 26:00,off'], '--bwlimit'],
  [['--transfers', '-1'], '--transfers'],
  [['--restore', 'Slow:3'], '--restore'],
  [['--restore', 'Bulk:0'], '--restore'],
  [['--tags', 'some'], '--tags'],
  [['--min-size', '2k', '--max-size', '1k'], '--max-size'],
  [['--min-age', '2d', '--max-age', '1d'], '--max-age'],
  [['--min-age', '2026-01-01', '--max-age', '2026-01-02'], '--max-age'],
])('%j names the option', (words, option) => {
  expect(() => read('copy', ...words)).toThrowError(
    expect.objectContaining({ code: 'USAGE', field: option, message: expect.stringContaining(option) }),
  );
});

describe('completion', () => {
  let world: TestWorld;
  beforeEach(() => {
    world = openTestWorld();
  });
  afterEach(() => world.remove());

  test('in bash offers what may follow', async () => {
    const { stdout } = await world.call('completion', 'bash');
    const script = join(world.folder, 'completion.bash');
    writeFileSync(script, stdout);
    const offer = (...words: string[]): string[] => {
      const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _drover; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const output = execFileSync('bash', ['-c', program, 'bash', script, ...words], { encoding: 'utf8' });
      return output.split('\n').filter((line) => line !== '');
    };
    expect(offer('drover', 'co')).toEqual(['copy', 'connector', 'config', 'completion']);
    expect(offer('drover', 'copy', '--server-')).toEqual(['--server-side']);
    expect(offer('drover', '--json', 'runs', 'lo')).toEqual(['log']);
    expect(offer('drover', 'runs', 'log', '--res')).toEqual(['--result']);
    expect(offer('drover', 'check', '--max-d')).toEqual([]);
  });

  test.each(['zsh', 'fish'])('in %s names every command', async (shell) => {
    const { stdout } = await world.call('completion', shell);
    for (const word of ['copy', 'sync', 'check', 'verify', 'mkbucket', 'connector', 'one-way']) {
      expect(stdout).toContain(word);
    }
  });

  test('of an unknown shell is refused', async () => {
    expect(await world.call('completion', 'csh')).toMatchObject({ exit: 2, stdout: '' });
  });
});
