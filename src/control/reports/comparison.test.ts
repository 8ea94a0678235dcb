/** What is found when both sides are compared is said everywhere: in the run, its log, what people are told, the report. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFleetTest, type FleetTest, type JobOptions, type MemoryJob } from '../../../test/control/fleet-world.ts';
import { PERSON, rowOpener } from '../../../test/control/made.ts';
import type { Run } from '../entities.ts';
import { wordsOf } from '../notifications/words.ts';
import type { StartRun } from '../services.ts';
import type { ValidationReport } from './report.ts';
import { openReports, type ReportsWithWork } from './service.ts';

let fleet: FleetTest;
let reports: ReportsWithWork;
const NEVER = new AbortController().signal;

beforeAll(async () => {
  fleet = await openFleetTest();
  await fleet.worker('one', { runsAtOnceMax: 2 });
  const { world, store, runs } = fleet;
  reports = openReports(world, { store, openConnector: rowOpener(world), runOf: runs.get, snapshotOf: runs.snapshot });
});
afterAll(() => fleet[Symbol.asyncDispose]());

async function run(job: MemoryJob, input: Partial<StartRun> = {}): Promise<Run> {
  const { id } = await fleet.start(job, input);
  return fleet.until(id, 'succeeded', 'completed-with-issues', 'failed', 'cancelled');
}

async function copied(options: JobOptions = {}): Promise<{ job: MemoryJob; run: Run }> {
  const job = await fleet.job({ objects: 10, ...options });
  return { job, run: await run(job) };
}

async function reportOf(runId: string): Promise<ValidationReport> {
  const { id } = await reports.request(PERSON, runId, 'report-json', { spotCheck: 0 });
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
      ['mirror', ['1 object was only at the target.']],
      ['merge', []],
    ] as const) {
      const { job } = await copied({ settings: { mode } });
      job.to.put('box', 'zz/extra', 'x');
      const { id } = await run(job, { kind: 'validate' });
      expect(await reportOf(id)).toMatchObject({ findings, isClean: findings.length === 0 });
    }
  });

  test('is not what a dry run does that has something planned', async () => {
    const job = await fleet.job({ objects: 3 });
    const plan = await run(job, { kind: 'dry-run' });
    expect(plan).toMatchObject({ state: 'succeeded', counters: { differences: { missing: 3 } } });
    const told = await toldOf(plan.id);
    expect(wordsOf([{ at: 'now', ...told } as never], null).text).toContain('3 of 3 objects would be transferred');
  });
});
