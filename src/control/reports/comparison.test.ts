/** What is found when both sides are compared is said everywhere: in the run, its log, what people are told, the report. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FleetTest, JobOptions, MemoryJob } from '../../../test/control/fleet-world.ts';
import { PERSON } from '../../../test/control/made.ts';
import { openReportsTest, type ReportsTest } from '../../../test/control/reports-world.ts';
import { DroverError } from '../../model/errors.ts';
import { DEFAULT_POLICY } from '../../model/policy.ts';
import type { Run } from '../entities.ts';
import { wordsOf } from '../notifications/words.ts';
import { sourceToLeave } from './leaving.ts';
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

async function copied(options: JobOptions = {}): Promise<{ job: MemoryJob; run: Run }> {
  const job = await fleet.job({ objects: 10, ...options });
  return { job, run: await run(job) };
}

async function reportOf(runId: string, spotCheck = 0): Promise<ValidationReport> {
  const { id } = await reports.request(PERSON, runId, 'report-json', { spotCheck });
  while ((await reports.tick(NEVER)) > 0);
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await reports.download(PERSON, id)).content) chunks.push(chunk);
  return JSON.parse(JSON.parse(Buffer.concat(chunks).toString()).report);
}

async function toldOf(runId: string) {
  const rows = await fleet.world.db.selectFrom('outbox').select(['event', 'payload']).execute();
  return rows
    .map((row) => ({ ...row, payload: row.payload as { runId?: string } }))
    .find((row) => row.payload.runId === runId);
}

describe('a validation that finds differences', () => {
  test('ends with issues, and its log and its message say which', async () => {
    const { job } = await copied({ settings: { mode: 'mirror' } });
    expect((await run(job, { kind: 'validate' })).state).toBe('succeeded');
    job.to.put('box', 'zz/extra', 'x');
    job.to.put('box', 'k/000001', 'another content');
    job.to.remove('box', 'k/000002');
    const found = await run(job, { kind: 'validate' });
    expect(found).toMatchObject({
      state: 'completed-with-issues',
      counters: { differences: { missing: 1, different: 1, extra: 1 } },
    });
    const { rows: lines } = {
      rows: await fleet.world.db.selectFrom('run_log').selectAll().where('run_id', '=', found.id).execute(),
    };
    expect(lines.map(({ level, message }) => `${level} ${message}`)).toContain(
      'warn The two sides differ: 1 missing at the target, 1 different, 1 only at the target.',
    );
    const told = await toldOf(found.id);
    expect(told).toMatchObject({
      event: 'run.completed',
      payload: {
        kind: 'validate',
        state: 'completed-with-issues',
        differences: { missing: 1, different: 1, extra: 1 },
      },
    });
    const mail = wordsOf([{ at: 'now', ...told } as never], null).text;
    expect(mail).toContain('10 objects compared: 1 missing at the target, 1 different, 1 only at the target, 0 failed');
    expect(mail).not.toContain('0 of 10 objects transferred');
  });

  test('of a mirror is not clean for what is only at the target; of a merge that is none of its business', async () => {
    for (const [mode, findings] of [
      ['mirror', ['1 object was only at the target.', '1 object was only at the target now.']],
      ['merge', []],
    ] as const) {
      const { job } = await copied({ settings: { mode } });
      job.to.put('box', 'zz/extra', 'x');
      const { id } = await run(job, { kind: 'validate' });
      expect(await reportOf(id)).toMatchObject({ findings, isClean: findings.length === 0 });
    }
  });

  test('or could compare sizes alone, says so in its log and its message', async () => {
    const job = await fleet.job({ objects: 0, targetBehaviour: { listedDigests: [] } });
    Object.assign(job.from.behaviour, { listedDigests: [] });
    job.from.put('box', 'k', 'AAAA', { modifiedAtMs: 1_000 });
    job.to.put('box', 'k', 'XXXX', { modifiedAtMs: 2_000 });
    const { id, state } = await run(job, { kind: 'validate' });
    expect(state).toBe('completed-with-issues');
    const lines = await fleet.world.db.selectFrom('run_log').selectAll().where('run_id', '=', id).execute();
    expect(lines.map(({ message }) => message).join()).toContain('1 compared by size alone and so not proved');
    const told = await toldOf(id);
    expect(told).toMatchObject({ payload: { sizeOnly: 1 } });
    expect(wordsOf([{ at: 'now', ...told } as never], null).text).toContain('1 compared by size alone: not proved.');
  });

  test('is not what a dry run does that has something planned', async () => {
    const job = await fleet.job({ objects: 3 });
    const plan = await run(job, { kind: 'dry-run' });
    expect(plan).toMatchObject({ state: 'succeeded', counters: { differences: { missing: 3 } } });
    const told = await toldOf(plan.id);
    expect(wordsOf([{ at: 'now', ...told } as never], null).text).toContain('3 of 3 objects would be transferred');
  });
});

describe('what is known of a source that can be left', () => {
  test('holds when it was validated, the region an inventory has seen, and that versions were', async () => {
    const job = await fleet.job({ objects: 0, settings: { versions: 'all' }, targetBehaviour: { isVersioned: true } });
    Object.assign(job.from.behaviour, { isVersioned: true });
    for (const text of ['one', 'two']) job.from.put('box', 'k', text);
    const { id } = await run(job);
    expect(await reportOf(id)).toMatchObject({ isClean: true, bothSides: { scanned: 2, same: 2 } });
    const { db } = fleet.world;
    const region = 'eu-north-1';
    const times = { first_seen_at: new Date(), last_seen_at: new Date(), gone_at: null };
    await db
      .insertInto('inventory')
      .values({ connector_id: job.source.connectorId, container: 'box', region, ...times })
      .execute();
    const validation = await run(job, { kind: 'validate' });
    await reportOf(validation.id, 3);
    expect(await sourceToLeave(fleet.world, job.jobId)).toMatchObject({
      region,
      versions: 'all',
      validatedAt: validation.startedAt,
      place: { container: 'box' },
    });
    const plain = (await copied()).job;
    await reportOf((await run(plain, { kind: 'validate' })).id, 3);
    expect(await sourceToLeave(fleet.world, plain.jobId)).toMatchObject({
      region: null,
      versions: 'current',
    });
  });
});

describe('a report on a transfer', () => {
  test('compares both sides as they are now: what came to the source since is a finding', async () => {
    const { job, run: done } = await copied({ objects: 50 });
    expect(await reportOf(done.id)).toMatchObject({
      isClean: true,
      bothSides: { scanned: 50, same: 50, missing: 0, different: 0, extra: 0, differences: [] },
    });
    job.from.put('box', 'k/new', 'came later');
    job.from.put('box', 'k/000007', 'changed since');
    job.to.put('box', 'zz/extra', 'nobody asked for it');
    const report = await reportOf(done.id);
    expect(report.findings).toEqual([
      '1 object was at the source now and not at the target.',
      '1 object was different on both sides now.',
    ]);
    expect(report).toMatchObject({ isClean: false, comparedNow: { missing: 0, different: 0 } });
    expect(report.bothSides).toMatchObject({
      differences: [
        { key: 'k/000007', result: 'different' },
        { key: 'k/new', result: 'missing' },
      ],
    });
    expect((await fleet.world.artifacts.list('reports/')).filter((name) => name.includes('compare'))).toEqual([]);
    expect(await fleet.world.artifacts.list('runs/compare')).toEqual([]);
  });

  test('of a mirror finds what came to the target', async () => {
    const { job, run: done } = await copied({ settings: { mode: 'mirror' } });
    job.to.put('box', 'zz/extra', 'x');
    expect((await reportOf(done.id)).findings).toEqual(['1 object was only at the target now.']);
  });

  test('leaves out what the filter of the run leaves out', async () => {
    const filter = { ...DEFAULT_POLICY.filter, exclude: ['*.tmp'] };
    const { job, run: done } = await copied({ settings: { filter } });
    job.from.put('box', 'later.tmp', 'x');
    expect(await reportOf(done.id)).toMatchObject({ isClean: true, bothSides: { excluded: 1, same: 10 } });
  });

  test('is not clean when the source cannot be looked at any more', async () => {
    const { job, run: done } = await copied();
    job.from.hooks.before = async () => {
      throw new DroverError('PERMISSION_DENIED', 'The key is gone.');
    };
    const report = await reportOf(done.id);
    expect(report).toMatchObject({ isClean: false, bothSides: { isFault: true } });
    expect(report.findings.join()).toContain('Source and target were not compared as they are now. The key is gone.');
  });

  test('on a retry does not claim it', async () => {
    const job = await fleet.job({ objects: 5 });
    job.from.hooks.reading = (key, content) => (key === 'k/000003' ? content.subarray(1) : content);
    const first = await run(job);
    job.from.hooks.reading = (_key, content) => content;
    const again = await run(job, { kind: 'retry', retryOf: first.id });
    expect(await reportOf(again.id)).toMatchObject({ isClean: false, bothSides: { isFault: false } });
  });
});
