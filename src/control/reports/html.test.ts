/** The page of a report: what a reader is told about a run that copies, and about one that compares. */
import { expect, test } from 'vitest';
import { ZERO_COUNTERS } from '../../model/outcome.ts';
import { toHtml } from './html.ts';
import type { ValidationReport } from './report.ts';

const NO_MANIFEST = { notCompared: 'The run keeps no manifest.', isFault: false };

function page(kind: string, state: string, more: Partial<ValidationReport> = {}): string {
  const counters = ZERO_COUNTERS;
  const report = {
    madeAt: '2026-01-01T00:00:00.000Z',
    programVersion: '0.0.0',
    run: { kind, state, number: 1, jobName: 'Photos', projectName: 'Move', sourcePath: 's3://a/', targetPath: 'b' },
    settings: { mode: 'check' },
    concessions: [],
    counters: { ...counters, differences: { ...counters.differences, missing: 2, different: 1, extra: 1_000 } },
    bothSides: { notCompared: 'Nobody looked.', isFault: false },
    comparedNow: NO_MANIFEST,
    readBack: { notReadBack: 'Nobody asked.', isFault: false },
    issues: { total: 0, byCode: [], rows: [], isComplete: true },
    proof: null,
    renamed: { total: 0, rows: [], isComplete: true },
    losses: { total: 0, rows: [], isComplete: true },
    findings: [],
    isClean: true,
    ...more,
  } as unknown as ValidationReport;
  const whole = { ...report, run: { ...report.run, startedAt: null, endedAt: null, createdBy: 'ana', id: 'r' } };
  return toHtml(whole as ValidationReport, { sha256: '', signature: '', publicKey: '' });
}

test('a validation says what it compared, and does not claim that everything survives', () => {
  const text = page('validate', 'succeeded');
  expect(text).toContain('This run compared them: 2 missing, 1 different, 1,000 only at the target.');
  expect(text).toContain('A validation copies nothing.');
  expect(text).not.toContain('Everything survives');
});

test('what is counted and not listed is said', () => {
  const differences = [{ key: 'a', result: 'missing', code: 'absent' }] as const;
  const sides = { source: { objects: 9, bytes: 1_000 }, target: { objects: 2, bytes: 10 } };
  const sums = { ...sides, scanned: 9, same: 2, sameWeak: 0, excluded: 0, different: 0, extra: 0, notComparable: 0 };
  const bothSides = {
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: '2026-01-01T00:00:01.000Z',
    ...sums,
    missing: 7,
    differences,
  };
  const text = page('transfer', 'completed-with-issues', { bothSides });
  expect(text).toContain('The first 1 of 7.');
  expect(text).toContain('It is not at the target.');
  expect(text).toContain('<li>Source: 9 objects, 1,000 bytes</li><li>Target: 2 objects, 10 bytes</li>');
});

test('what is renamed or lost beyond what is listed is said as well', () => {
  const renamed = { total: 20_000, rows: [{ key: 'a//b', targetKey: 'a/%2Fb' }], isComplete: false };
  const losses = {
    total: 2,
    rows: [{ key: 'c', versionId: 'v1', details: 'The tag <x> was left.' }],
    isComplete: false,
  };
  const text = page('transfer', 'succeeded', { renamed, losses });
  expect(text).toContain('20,000 objects have another name there.');
  expect(text).toContain('The first 1 of 20,000.');
  expect(text).toContain('2 objects lost something on the way.');
  expect(text).toContain('<bdi>c (version v1)</bdi></th><td><bdi>The tag &lt;x&gt; was left.</bdi>');
});

test('every table has a caption and says what its heads are for; headings go down by one', () => {
  const byCode = [
    { code: 'TIMED_OUT', result: 'failed', items: 1, meaning: 'Why.', remedy: 'Wait.', storageMoverCode: null },
  ];
  const rows = [{ key: 'a', result: 'failed', code: 'TIMED_OUT', sizeBytes: 1 }] as const;
  const text = page('transfer', 'completed-with-issues', { issues: { total: 1, byCode, rows, isComplete: true } });
  expect(text.match(/<table/g)).toHaveLength(3);
  expect(text.match(/<table[^>]*><caption>[^<]+<\/caption><thead>/g)).toHaveLength(3);
  expect(text.match(/<th(?! scope="(?:col|row)")[ >]/g)).toBeNull();
  expect(text.match(/<h[1-6]/g)?.every((tag, at) => tag === (at === 0 ? '<h1' : '<h2'))).toBe(true);
});

test.each([
  ['a validation that failed', 'validate', 'failed', NO_MANIFEST],
  ['one that could not look', 'validate', 'succeeded', { notCompared: 'Nobody answers.', isFault: true }],
  ['a retry', 'retry', 'succeeded', NO_MANIFEST],
])('%s compared nothing', (_, kind, state, comparedNow) => {
  expect(page(kind, state, { comparedNow })).toContain(`Not compared. ${comparedNow.notCompared}`);
});

test.each([
  [[], '<p>Everything survives that Drover copies.</p>'],
  [[{ aspect: 'times', detail: 'Times <are> lost.' }], '<li>Times &lt;are&gt; lost.</li>'],
])('a transfer lists what it could not carry over: %j', (concessions, expected) => {
  expect(page('transfer', 'succeeded', { concessions } as Partial<ValidationReport>)).toContain(expected);
});
