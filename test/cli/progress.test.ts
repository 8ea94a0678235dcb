import { describe, expect, test } from 'vitest';
import { createFormat } from '../../src/cli/format.ts';
import { openProgressView } from '../../src/cli/progress.ts';
import { Session } from '../../src/cli/session.ts';
import { percentOf, progressLine } from '../../src/cli/progress-line.ts';
import { runReport } from '../../src/cli/texts.ts';
import { Terminal, visible } from '../../src/cli/terminal.ts';
import type { CliWorld } from '../../src/cli/world.ts';
import type { Progress } from '../../src/engine/definition.ts';
import type { RunRecord } from '../../src/engine/ports.ts';
import { ZERO_COUNTERS } from '../../src/model/outcome.ts';

const format = createFormat('en-US', 'UTC');

function progressOf(change: Partial<Progress> = {}): Progress {
  return {
    runId: 'r1',
    phase: 'copying',
    counters: {
      ...ZERO_COUNTERS,
      items: { ...ZERO_COUNTERS.items, scanned: 4809, copied: 3052 },
      bytes: { ...ZERO_COUNTERS.bytes, scanned: 9_604_118_002, copied: 6_100_000_000 },
    },
    pendingItems: 1757,
    pendingBytes: 3_504_118_002,
    listingComplete: true,
    elapsedMs: 60_000,
    bytesPerSecond: 104_000_000,
    itemsPerSecond: 50,
    bytesPerSecondMean: 100_000_000,
    remainingMs: { low: 33_000, high: 37_000, confidence: 'medium' },
    limitedBy: 'target',
    current: [],
    ...change,
  };
}

test('the line of a run that knows its end', () => {
  const progress = progressOf();
  expect(progressLine(progress, format, percentOf(progress))).toBe(
    'copying  63 %  6.1 of 9.6 GB  3,052 of 4,809 objects  104 MB/s  about 35 s left  limited by the target',
  );
});

test('while counting there is no percentage and no time', () => {
  const progress = progressOf({ listingComplete: false });
  expect(percentOf(progress)).toBe(null);
  expect(progressLine(progress, format, percentOf(progress))).toBe(
    'copying  6.1 of at least 9.6 GB  3,052 of at least 4,809 objects  104 MB/s  limited by the target',
  );
});

test('while counting, what was expected gives a share and a time, and how much they are worth', () => {
  const expected = { items: 12_000, sizeBytes: 20e9, percent: 30 };
  const range = { low: 120_000, high: 600_000 };
  const guess = progressOf({ listingComplete: false, expected, remainingMs: { ...range, confidence: 'low' } });
  expect(progressLine(guess, format, percentOf(guess))).toBe(
    'copying  30 %  6.1 of at least 9.6 GB  3,052 of about 12,000 objects  104 MB/s  2 to 10 min left (a guess)  limited by the target',
  );
  const better = progressOf({ listingComplete: false, expected, remainingMs: { ...range, confidence: 'medium' } });
  expect(progressLine(better, format, null)).toContain('2 to 10 min left  limited');
});

test('what has arrived of an object that is still moving counts', () => {
  const current = [{ key: 'video', sizeBytes: 3_504_118_002, doneBytes: 1_752_059_001 }];
  const progress = progressOf({ current });
  expect(progressLine(progress, format, percentOf(progress))).toBe(
    'copying  81 %  7.85 of 9.6 GB  3,052 of 4,809 objects  104 MB/s  about 35 s left  limited by the target',
  );
});

test('all bytes there is not yet the end', () => {
  expect(percentOf(progressOf({ pendingBytes: 0, pendingItems: 0 }))).toBe(99);
});

interface Fake {
  readonly session: Session;
  readonly written: { stdout: string; stderr: string };
  nowMs: number;
}

function fakeSession(isTerminal: boolean, options: { json?: boolean; quiet?: boolean } = {}, environment = {}): Fake {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    isTerminal,
    columns: () => 60,
    write: async (content: string | Uint8Array) => {
      written[name] += String(content);
    },
  });
  const fake = { written, nowMs: 0 };
  const clock = { now: () => fake.nowMs, monotonic: () => fake.nowMs, sleep: async () => undefined };
  const world = {
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    clock,
    environment,
    locale: 'en-US',
    timeZone: 'UTC',
  };
  const session = new Session(world as unknown as CliWorld, {
    json: options.json === true,
    quiet: options.quiet === true,
    verbose: false,
    stateFolder: null,
  });
  return Object.assign(fake, { session });
}

describe('where nobody watches', () => {
  test('one line every 10 s and at each change of phase', async () => {
    const fake = fakeSession(false);
    const view = openProgressView(fake.session);
    for (let second = 0; second <= 25; second++) {
      fake.nowMs = second * 1000;
      view.show(progressOf());
    }
    view.show(progressOf({ phase: 'names', pendingItems: 0 }));
    view.show(progressOf({ phase: 'deleting' }));
    view.show(progressOf({ phase: 'ended' }));
    await view.end();
    expect(fake.written.stderr.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'copying',
      'copying',
      'copying',
      'deleting',
      '',
    ]);
    expect(fake.written.stdout).toBe('');
    expect(fake.written.stderr).not.toContain('\u001b');
  });

  test('with --json also as records, with --quiet only as records', async () => {
    const fake = fakeSession(true, { json: true, quiet: true });
    openProgressView(fake.session).show(progressOf());
    expect(fake.written.stderr).toBe('');
    expect(JSON.parse(fake.written.stdout)).toMatchObject({
      type: 'progress',
      phase: 'copying',
      pending: { items: 1757 },
      remainingMs: { low: 33_000 },
    });
  });

  test('the percentage never goes back', () => {
    const fake = fakeSession(false);
    const view = openProgressView(fake.session);
    view.show(progressOf());
    fake.nowMs = 20_000;
    view.show(progressOf({ pendingBytes: 90_000_000_000 }));
    expect(fake.written.stderr.match(/\d+ %/g)).toEqual(['63 %', '63 %']);
  });
});

describe('at a terminal', () => {
  test('one line moves, fits, and is gone before anything else is said', async () => {
    const fake = fakeSession(true);
    const view = openProgressView(fake.session);
    view.show(progressOf());
    await view.end();
    view.show(progressOf());
    // eslint-disable-next-line no-control-regex
    const shown = fake.written.stderr.split(/\u001b\[\d*[A-Za-z]|\u001b\[\?\d+[hl]|\u001b[78]|\r|\n/);
    const lines = shown.filter((line) => line.includes('copying'));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line.length).toBeLessThan(60);
    expect(lines[0]).toContain('63 %  6.1 of 9.6 GB');
    expect(fake.written.stderr.endsWith('copying')).toBe(false);
  });

  test.each([{ NO_COLOR: '1' }, { DROVER_PLAIN: '1' }, { TERM: 'dumb' }])('%j asks for plain lines', (environment) => {
    const fake = fakeSession(true, {}, environment);
    openProgressView(fake.session).show(progressOf());
    expect(fake.written.stderr).not.toContain('\u001b');
    expect(fake.written.stderr).toContain('63 %');
  });
});

describe('the report', () => {
  const runOf = (items: object, change: object = {}, policy: object = {}): RunRecord =>
    ({
      runId: 'r1',
      durationMs: 94_000,
      definition: { policy: { mode: 'merge', dryRun: false, acceptV0: false, ...policy } },
      counters: {
        ...ZERO_COUNTERS,
        bytes: { scanned: 9_604_118_002, copied: 9_581_440_770 },
        ...change,
        items: { ...ZERO_COUNTERS.items, ...items },
      },
    }) as unknown as RunRecord;

  test('says first what did not make it', () => {
    const verification = { ...ZERO_COUNTERS.verification, V2: 3900, V1: 908 };
    const run = runOf({ scanned: 4821, copied: 4808, unsupported: 12, failed: 1 }, { verification });
    expect(runReport(run, format).split('\n')).toEqual([
      '13 of 4,821 objects did not make it: 12 unsupported, 1 failed.',
      '4,808 transferred and verified, 9.58 GB in 1 min 34 s. Run r1.',
      '  4,821 scanned = 4,808 transferred + 0 no transfer needed + 0 excluded + 0 skipped + 12 unsupported + 1 failed',
      '  Verified: 3,900 by CRC · 908 by MD5',
      '  See them      drover runs log r1 --result failed,unsupported',
      '  Try again     the same command; what is there is not copied twice',
    ]);
  });

  test('what a mirror could not delete is said, and where it is found', () => {
    const report = runReport(runOf({ scanned: 9, same: 9 }, { deletesFailed: 2 }, { mode: 'mirror' }), format);
    expect(report).toContain('2 objects could not be deleted in the target.');
    expect(report).toContain('--result failed');
    expect(report).not.toContain('Nothing had changed');
  });

  test('what a mirror leaves, because nobody read the source there, is said, and is not among what would go', () => {
    const differences = { missing: 0, different: 0, extra: 5, kept: 3 };
    const counters = { differences, differenceBytes: { missing: 0, different: 0, extra: 500, kept: 300 } };
    const dry = runReport(runOf({ scanned: 9, same: 9 }, counters, { mode: 'mirror', dryRun: true }), format);
    expect(dry).toContain('and delete 2 objects (200 bytes) in the target');
    expect(dry).toContain('3 objects only in the target stay: below names of the source that are not read.');
    const failed = runReport(runOf({ scanned: 9, same: 8, failed: 1 }, counters, { mode: 'mirror' }), format);
    expect(failed).toContain('not everything arrived: 2 objects only in the target.');
  });

  test('says that there was nothing to do', () => {
    expect(runReport(runOf({ scanned: 9, same: 9 }), format)).toContain(
      'Nothing had changed: 9 objects needed no transfer.',
    );
  });

  test.each([
    [{}, 'the source is empty'],
    [{ scanned: 2, excluded: 2 }, '2 left out by the filters'],
    [{ scanned: 5, excluded: 2, skipped: 3 }, '2 left out by the filters, 3 skipped'],
  ])('where nothing was the same either, says why: %j', (items, why) => {
    expect(runReport(runOf(items), format)).toContain(`Nothing was transferred: ${why}. `);
    expect(runReport(runOf(items, {}, { dryRun: true }), format)).toContain(`Would transfer nothing: ${why}. Nothing`);
  });

  test('of a dry run says what would be transferred and deleted, and adds up', () => {
    const differences = { missing: 3, different: 2, extra: 4 };
    const counters = { differences, differenceBytes: { missing: 300, different: 20, extra: 4000 } };
    const items = { scanned: 12, same: 6, skipped: 6 };
    expect(runReport(runOf(items, counters, { mode: 'mirror', dryRun: true }), format).split('\n')).toEqual([
      'Would transfer 5 objects (320 bytes) and delete 4 objects (4 kB) in the target. Nothing was changed. Run r1.',
      '  12 scanned = 5 to transfer + 6 no transfer needed + 0 excluded + 1 skipped + 0 unsupported + 0 failed',
      '  See them      drover runs log r1 --result missing,different,extra',
    ]);
    const merge = runReport(runOf(items, counters, { dryRun: true }), format);
    expect(merge).toContain('Would transfer 5 objects (320 bytes). Nothing was changed. Run r1.');
    const nothing = runReport(runOf({ scanned: 9, same: 9 }, {}, { dryRun: true }), format);
    expect(nothing).toContain('Would transfer nothing: 9 objects would need no transfer. Nothing was changed. Run r1.');
    expect(nothing).not.toContain('See them');
  });

  test('does not call verified what was compared by size', () => {
    const run = runOf({ scanned: 2, copied: 2 }, { verification: { ...ZERO_COUNTERS.verification, V0: 2 } });
    expect(runReport(run, format)).toContain('2 transferred, 9.58 GB');
    expect(runReport(run, format)).toContain('--accept-size-only');
  });

  test('says of what was there already, too, that its size proves nothing, and what would', () => {
    const lines = [
      '  1 object was compared by size alone: not proved, because no digest is known of both sides.',
      '  Prove them    --verify read-back   reads them on both sides',
      '  Or            --accept-size-only   takes their size for enough',
    ];
    const weak = { sameWeak: 1 };
    const skipped = runReport(runOf({ scanned: 2, same: 2 }, weak), format);
    expect(skipped).toContain(lines.join('\n'));
    expect(skipped).toMatch(/^Nothing was transferred: 2 objects needed no transfer\./);
    const checked = runReport(runOf({ scanned: 2, same: 2 }, weak, { mode: 'check' }), format);
    expect(checked).toMatch(/^No difference found: 2 objects on both sides\./);
    expect(checked).not.toContain('Identical');
    expect(checked.split('\n').slice(1)).toEqual(lines);
    const accepted = runReport(runOf({ scanned: 2, same: 2 }, weak, { mode: 'check', acceptV0: true }), format);
    expect(accepted.split('\n').slice(1)).toEqual(lines.slice(0, 1));
    expect(accepted).not.toContain('Identical');
  });

  test('of a check', () => {
    const differences = { missing: 2, extra: 1, different: 1 };
    expect(runReport(runOf({ same: 5 }, { differences }, { mode: 'check' }), format)).toBe(
      '4 differences: 2 missing in the target, 1 different, 1 only in the target. 5 objects equal. Run r1.\n' +
        '  See them      drover runs log r1 --result missing,different,extra',
    );
    expect(runReport(runOf({ same: 5 }, {}, { mode: 'check' }), format)).toContain(
      'Identical: 5 objects on both sides.',
    );
  });
});

test.each([
  ['a\nb', 'a\\nb'],
  ['\u001b[2J', '\\u{1b}[2J'],
  ['\u202egpj.exe', '\\u{202e}gpj.exe'],
  ['bad\udc80byte', 'bad\\u{dc80}byte'],
  ['naïve 😀/x', 'naïve 😀/x'],
])('%j is shown as %s', (name, shown) => {
  expect(visible(name)).toBe(shown);
});

test('a stack that repeats the words of a service cannot move the cursor either', async () => {
  let written = '';
  const stream = { isTerminal: true, columns: () => 80, write: async (text: string) => void (written += text) };
  const world = { stdout: stream, stderr: stream, environment: { NO_COLOR: '1' } } as unknown as CliWorld;
  const terminal = new Terminal(world, { json: false, quiet: false, verbose: true });
  const failure = { code: 'INTERNAL', message: 'It broke.', remedy: '', field: null } as never;
  await terminal.fail(failure, 'Error: \u001b[2Jfrom the service\n    at here');
  expect(written).toBe('It broke.\nError: \\u{1b}[2Jfrom the service\n    at here\n');
});
