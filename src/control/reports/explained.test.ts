/** The report explains everything: what has another name, what lost something, how much there is on both sides. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FleetTest, JobOptions, MemoryJob } from '../../../test/control/fleet-world.ts';
import { PERSON } from '../../../test/control/made.ts';
import { openReportsTest, type ReportsTest } from '../../../test/control/reports-world.ts';
import { checkManifest } from '../../lib/manifest-file.ts';
import { ALL_NAMES } from '../../model/names.ts';
import { DEFAULT_POLICY } from '../../model/policy.ts';
import type { Run } from '../entities.ts';
import type { ValidationReport } from './report.ts';
import type { ReportsWithWork } from './service.ts';

let fleet: FleetTest;
let reports: ReportsWithWork;
let run: ReportsTest['run'];
const NEVER = new AbortController().signal;

beforeAll(async () => {
  ({ fleet, reports, run } = await openReportsTest());
});
afterAll(() => fleet[Symbol.asyncDispose]());

async function fileOf(runId: string, kind: 'report-json' | 'report-html'): Promise<string> {
  const { id } = await reports.request(PERSON, runId, kind, { spotCheck: 0 });
  while ((await reports.tick(NEVER)) > 0);
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await reports.download(PERSON, id)).content) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function reportOf(runId: string): Promise<ValidationReport> {
  return JSON.parse(JSON.parse(await fileOf(runId, 'report-json')).report);
}

/** The target takes no empty segments in names, and no tags. */
const NARROW: JobOptions = {
  objects: 3,
  targetBehaviour: { names: { ...ALL_NAMES, emptySegments: false }, tagsMax: 1 },
};

describe('what the target cannot hold as it is', () => {
  let job: MemoryJob;
  let first: Run;

  beforeAll(async () => {
    job = await fleet.job(NARROW);
    for (const key of ['a//b', 'a//c']) job.from.put('box', key, 'x');
    job.from.put('box', 'tagged', 'y', { tags: { color: 'red', shape: 'round' } });
    first = await run(job);
  });

  test('is named with both names and with what it lost, and the run has succeeded as the report says', async () => {
    expect(first).toMatchObject({ state: 'succeeded', counters: { mapped: 2 } });
    const report = await reportOf(first.id);
    expect(report.isClean).toBe(true);
    expect(report.renamed).toMatchObject({ total: 2, isComplete: true });
    const [one] = report.renamed.rows;
    expect(one?.key).toBe('a//b');
    expect(job.to.text('box', one?.targetKey ?? '')).toBe('x');
    expect(report.losses).toMatchObject({ total: 1, isComplete: true, rows: [{ key: 'tagged' }] });
    expect(report.losses.rows[0]?.details).toContain('"shape" was left behind');
  });

  test('is on the page, in lists and in the headline', async () => {
    const page = await fileOf(first.id, 'report-html');
    const { renamed } = await reportOf(first.id);
    expect(page).toContain(`<bdi>${renamed.rows[0]?.targetKey}</bdi>`);
    expect(page).toContain('2 objects have another name there');
    expect(page).toContain('1 object lost something on the way');
    expect(page).toContain('&quot;shape&quot; was left behind');
    expect(page).not.toContain('Everything made it.');
  });

  test('is named by a later run that copies nothing, and by a validation', async () => {
    for (const kind of ['transfer', 'validate'] as const) {
      const { id } = await run(job, { kind });
      expect(await reportOf(id)).toMatchObject({ renamed: { total: 2 }, losses: { total: 0 } });
    }
  });
});

test('of a run that was canceled does not say that everything made it', async () => {
  const job = await fleet.job({ objects: 20, heldFrom: 10 });
  const { id } = await fleet.start(job);
  await fleet.runs.cancel(PERSON, id);
  job.release();
  await fleet.until(id, 'cancelled');
  expect(await fileOf(id, 'report-html')).not.toContain('Everything made it.');
});

describe('of a validation', () => {
  test('has the proof and the manifest root of what was copied, and how much there is on both sides', async () => {
    const job = await fleet.job({ objects: 4, settings: { mode: 'mirror' } });
    job.from.put('box', 'left', 'x'.repeat(100));
    const copied = await run(job);
    await run(job);
    const again = await run(job);
    const bytes = [...job.from.keys('box')].reduce((sum, key) => sum + (job.from.text('box', key)?.length ?? 0), 0);
    const check = await run(job, { kind: 'validate' });
    const report = await reportOf(check.id);
    const { verification: classes } = copied.counters;
    expect(classes).toMatchObject({ V1: 5 });
    expect(report.proof).toMatchObject({
      runId: again.id,
      manifestRoot: again.manifestRoot,
      objects: 5,
      classes,
    });
    expect(report.manifestRoot).toBe(again.manifestRoot);
    expect(report.bothSides).toMatchObject({ source: { objects: 5, bytes }, target: { objects: 5, bytes } });
    const page = await fileOf(check.id, 'report-html');
    expect(page).toContain(`<code>${again.manifestRoot}</code>`);
    expect(page).toContain('5 by MD5 or the bytes that were received, proved at the target (V1)');
    expect(page).toContain(`Source: 5 objects, ${bytes} bytes`);
    expect(page).toContain(`Target: 5 objects, ${bytes} bytes`);
    expect(page).not.toContain('Nothing was transferred in this run.');
  });

  test('counts what each side really has: what is missing, longer, left out, or only at the target', async () => {
    const job = await fleet.job({ objects: 0, settings: { mode: 'mirror' } });
    for (const [key, size] of Object.entries({ a: 10, b: 20, c: 30 })) job.from.put('box', key, 'x'.repeat(size));
    await run(job);
    job.to.remove('box', 'a');
    job.to.put('box', 'b', 'y'.repeat(25));
    job.to.put('box', 'z', 'z'.repeat(7));
    const check = await run(job, { kind: 'validate' });
    const report = await reportOf(check.id);
    const remedies = report.issues.byCode.map(({ code, remedy }) => `${code}: ${remedy}`);
    expect(remedies).toContain('different: Run the transfer; it makes the target as the source is.');
    expect(report.bothSides).toMatchObject({
      source: { objects: 3, bytes: 60 },
      target: { objects: 3, bytes: 25 + 30 + 7 },
    });
  });

  test('leaves out on both sides what the filter leaves out', async () => {
    const filter = { ...DEFAULT_POLICY.filter, exclude: ['skip/**'] };
    const job = await fleet.job({ objects: 0, settings: { filter } });
    job.from.put('box', 'a', 'x');
    job.from.put('box', 'skip/b', 'yy');
    await run(job);
    const { bothSides } = await reportOf((await run(job, { kind: 'validate' })).id);
    expect(bothSides).toMatchObject({
      source: { objects: 1, bytes: 1 },
      target: { objects: 1, bytes: 1 },
      excluded: 1,
    });
  });

  test('of a pair that nothing was ever copied between has no proof, and says so', async () => {
    const job = await fleet.job({ objects: 1 });
    const check = await run(job, { kind: 'validate' });
    expect(await reportOf(check.id)).toMatchObject({ proof: null, manifestRoot: null });
    expect(await fileOf(check.id, 'report-html')).toContain('No transfer between these two places has ended');
  });
});

test('the proof of a transfer that copied little covers all that is there', async () => {
  const job = await fleet.job({ objects: 3 });
  await run(job);
  job.from.put('box', 'new', 'x');
  const second = await run(job);
  const report = await reportOf(second.id);
  expect(second.counters.items).toMatchObject({ copied: 1, same: 3 });
  expect(report.proof).toMatchObject({ runId: second.id, objects: 4, classes: { V1: 4 } });
});

describe('files that are made as they go out', () => {
  async function contentOf(id: string): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await reports.download(PERSON, id)).content) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  test.each(['manifest', 'copy-log-csv', 'copy-log-ndjson'] as const)(
    'a %s is what it was when it was downloaded first',
    async (kind) => {
      const { id: runId } = await run(await fleet.job({ objects: 3 }));
      const { id } = await reports.request(PERSON, runId, kind, {});
      const content = await contentOf(id);
      expect(await reports.get(PERSON, id)).toMatchObject({
        sizeBytes: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
      });
      expect(await contentOf(id)).toEqual(content);
      // Its length is not promised before: it is made anew.
      expect((await reports.download(PERSON, id)).artifact.sizeBytes).toBeNull();
    },
  );

  test('one that was not read to its end is not known', async () => {
    const { id: runId } = await run(await fleet.job({ objects: 3 }));
    const { id } = await reports.request(PERSON, runId, 'copy-log-csv', {});
    for await (const _ of (await reports.download(PERSON, id)).content) break;
    expect(await reports.get(PERSON, id)).toMatchObject({ sizeBytes: null, sha256: null });
  });

  test('of a run that goes on it may still change, so nothing is kept', async () => {
    const job = await fleet.job({ objects: 20, heldFrom: 10 });
    const { id: runId } = await fleet.start(job);
    const { id } = await reports.request(PERSON, runId, 'copy-log-csv', {});
    await contentOf(id);
    expect(await reports.get(PERSON, id)).toMatchObject({ sizeBytes: null, sha256: null });
    await fleet.runs.cancel(PERSON, runId);
    job.release();
    await fleet.until(runId, 'cancelled');
  });

  test('a manifest holds every leaf, and its root is that of the run', async () => {
    const job = await fleet.job({ ...NARROW, objects: 70 });
    job.from.put('box', 'a//b', 'x');
    const { id: runId, manifestRoot } = await run(job);
    const content = await contentOf((await reports.request(PERSON, runId, 'manifest', {})).id);
    const lines = gunzipSync(content).toString().trimEnd().split('\n');
    const check = await checkManifest(Readable.from(lines), manifestRoot);
    expect(check).toEqual({ isWhole: true, root: manifestRoot, rows: 71, problems: [] });
  });

  test('a run without a manifest is refused one', async () => {
    const job = await fleet.job({ objects: 2 });
    await run(job);
    const { id } = await run(job, { kind: 'validate' });
    await expect(reports.request(PERSON, id, 'manifest', {})).rejects.toMatchObject({ code: 'WRONG_STATE' });
    expect(await reports.list(PERSON, id)).toEqual([]);
  });
});
