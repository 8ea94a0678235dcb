import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFleetTest, type FleetTest, type JobOptions, type MemoryJob } from '../../../test/control/fleet-world.ts';
import { PERSON, rowOpener } from '../../../test/control/made.ts';
import { checkSeal, isSignedBy } from '../../lib/report-seal.ts';
import { packLines } from '../../engine/lines.ts';
import { DroverError, type ErrorCode } from '../../model/errors.ts';
import type { Artifact, Run } from '../entities.ts';
import type { StartRun } from '../services.ts';
import type { ControlWorld } from '../world.ts';
import type { ValidationReport } from './report.ts';
import { openReports, type ReportsWithWork } from './service.ts';

let fleet: FleetTest;
let reports: ReportsWithWork;
const NEVER = new AbortController().signal;
const ENDED = ['succeeded', 'completed-with-issues', 'failed', 'cancelled'] as const;

beforeAll(async () => {
  fleet = await openFleetTest();
  await fleet.worker('one', { runsAtOnceMax: 2 });
  reports = reportsOf(fleet.world);
});
afterAll(() => fleet[Symbol.asyncDispose]());

function reportsOf(world: ControlWorld): ReportsWithWork {
  const { store, runs } = fleet;
  return openReports(world, { store, openConnector: rowOpener(world), runOf: runs.get, snapshotOf: runs.snapshot });
}

async function run(job: MemoryJob, input: Partial<StartRun> = {}): Promise<Run> {
  return fleet.until((await fleet.start(job, input)).id, ...ENDED);
}

async function ran(
  options: JobOptions & { keys?: Record<string, string> } = {},
): Promise<{ job: MemoryJob; run: Run }> {
  const { keys = {}, ...rest } = options;
  const job = await fleet.job({ objects: 20, ...rest });
  for (const [key, content] of Object.entries(keys)) job.from.put('box', key, content);
  return { job, run: await run(job) };
}

async function bytesOf(artifact: Artifact): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await reports.download(PERSON, artifact.id)).content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function make(runId: string, kind: Artifact['kind'], options: { spotCheck?: number } = {}): Promise<Artifact> {
  const { id } = await reports.request(PERSON, runId, kind, options);
  while ((await reports.tick(NEVER)) > 0);
  return reports.get(PERSON, id);
}

async function reportOf(runId: string, options: { spotCheck?: number } = {}): Promise<ValidationReport> {
  const { report } = JSON.parse((await bytesOf(await make(runId, 'report-json', options))).toString());
  return JSON.parse(report);
}

const ODD = [
  '=1+1',
  '@sum',
  'line\nbreak',
  'quote"d, with comma',
  'lone\ud800',
  'right\u202eleft',
  "it's",
  'ä/ö',
  ' x ',
];

describe('a copy log', () => {
  test('as CSV holds every item, says nothing a spreadsheet would run, and comes back as it was', async () => {
    const { job, run } = await ran({ objects: 3, keys: Object.fromEntries(ODD.map((key) => [key, 'x'])) });
    const artifact = await make(run.id, 'copy-log-csv');
    expect(artifact).toMatchObject({ state: 'ready', fileName: `run-${run.number}-copy-log.csv`, sizeBytes: null });
    const text = (await bytesOf(artifact)).toString();
    expect(text.startsWith('\ufeffItemPath,ItemType,FileSize,TransferResult,StatusCode,')).toBe(true);
    expect(text.endsWith('\r\n')).toBe(true);
    const rows = parseCsv(text);
    const back = rows.map(({ ItemPath: path = '' }) => path.replace(/^'(?=[=@])/, '').replace('\\u{d800}', '\ud800'));
    expect(back.toSorted()).toEqual(job.from.keys('box').toSorted());
    expect(rows.map(({ ItemPath }) => ItemPath)).toContain("'=1+1");
    expect(rows[0]).toMatchObject({
      ItemType: 'F',
      TransferResult: 'Transferred',
      Attempts: '1',
      StorageMoverCode: 'AZSM0000',
    });
    expect(new Date(rows[0]?.['StartedAt'] ?? '').toISOString()).toBe(rows[0]?.['StartedAt']);
  });

  test('as NDJSON has the same members and types in every line, exactly', async () => {
    const { job, run } = await ran({ objects: 0, keys: Object.fromEntries(ODD.map((key) => [key, 'x'])) });
    const lines = gunzipSync(await bytesOf(await make(run.id, 'copy-log-ndjson')))
      .toString()
      .trimEnd()
      .split('\n');
    const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.map(({ key }) => key).toSorted()).toEqual(job.from.keys('box').toSorted());
    expect(new Set(rows.map((row) => Object.keys(row).join())).size).toBe(1);
    expect(rows[0]).toMatchObject({ sizeBytes: 1, result: 'copied', targetKey: null, attempts: 1 });
    expect(rows[0]).toMatchObject({ storageMoverCode: 'AZSM0000' });
  });

  test('says of what failed which side refused, how often it was tried, and what Storage Mover calls it', async () => {
    const job = await fleet.job({ objects: 6 });
    const refuse = (of: string, code: ErrorCode) => (operation: string, key: string) => {
      if ((operation === 'GET' || operation === 'PUT') && key === of) throw new DroverError(code, 'No.');
    };
    job.from.hooks.before = refuse('k/000001', 'PERMISSION_DENIED');
    job.to.hooks.before = refuse('k/000002', 'PERMISSION_DENIED');
    job.from.hooks.reading = (key, content) => (key === 'k/000003' ? content.subarray(1) : content);
    const { id } = await run(job);
    const rows = parseCsv((await bytesOf(await make(id, 'copy-log-csv'))).toString());
    const failed = rows.filter(({ TransferResult }) => TransferResult === 'Failed');
    const told = failed.map((row) => [row['ItemPath'], row['Side'], row['StorageMoverCode'], Number(row['Attempts'])]);
    expect(told).toEqual([
      ['k/000001', 'source', 'AZSM2062', 1],
      ['k/000002', 'target', 'AZSM2069', 1],
      ['k/000003', 'source', 'AZSM2063', 4],
    ]);
    const { rows: kept } = await sql<{ record: string }>`SELECT record FROM run_items WHERE run_id = ${id}
      ORDER BY key_text`.execute(fleet.world.db);
    expect(kept.map(({ record }) => JSON.parse(record))).toMatchObject([
      { side: 'source', attempts: 1 },
      { side: 'target', attempts: 1 },
      { side: 'source', attempts: 4 },
    ]);
    const { byCode } = (await reportOf(id)).issues;
    expect(byCode.map(({ code, storageMoverCode }) => `${code} ${storageMoverCode}`).toSorted()).toEqual([
      'EARLY_END AZSM2063',
      'PERMISSION_DENIED AZSM2062',
      'PERMISSION_DENIED AZSM2069',
    ]);
  });

  test('holds only the results that were asked for, and its head when there are none', async () => {
    const { run } = await ran({ objects: 3 });
    const { id } = await reports.request(PERSON, run.id, 'copy-log-csv', { results: ['failed'] });
    expect((await bytesOf(await reports.get(PERSON, id))).toString().trim().split('\r\n')).toHaveLength(1);
    const packed = await reports.request(PERSON, run.id, 'copy-log-ndjson', { results: ['failed'] });
    expect(gunzipSync(await bytesOf(packed)).toString()).toBe('');
  });

  test.each(['copy-log-csv', 'copy-log-ndjson'] as const)(
    'as %s with a hole fails instead of ending early',
    async (kind) => {
      const { run } = await ran({ objects: 3 });
      const artifact = await make(run.id, kind);
      await fleet.world.artifacts.removeAll(`runs/${run.id}/`);
      await expect(bytesOf(artifact)).rejects.toMatchObject({ code: 'INTERNAL' });
    },
  );

  test('of a run whose logs have expired is refused, not empty', async () => {
    const { run } = await ran({ objects: 1 });
    const artifact = await make(run.id, 'copy-log-csv');
    await sql`UPDATE runs SET logs_expired = true WHERE id = ${run.id}`.execute(fleet.world.db);
    await expect(bytesOf(artifact)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await expect(reports.request(PERSON, run.id, 'copy-log-csv', {})).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });
});

describe('a validation report', () => {
  test('of a clean run says so, and its signature holds for exactly these bytes', async () => {
    const { run } = await ran({ objects: 30 });
    const artifact = await make(run.id, 'report-json', { spotCheck: 10 });
    const content = await bytesOf(artifact);
    expect(artifact).toMatchObject({
      state: 'ready',
      sizeBytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    });
    const { report: text, ...signature } = JSON.parse(content.toString());
    const report = JSON.parse(text) as ValidationReport;
    expect(report).toMatchObject({
      isClean: true,
      findings: [],
      counters: { items: { scanned: 30, copied: 30 } },
      manifestRoot: run.manifestRoot,
      comparedNow: { checked: 30, missing: 0, different: 0 },
      readBack: { chosen: 10, equal: 10 },
      issues: { total: 0, isComplete: true },
    });
    const body = Buffer.from(text);
    expect(isSignedBy(body, signature.signature, signature.publicKey)).toBe(true);
    expect(signature.sha256).toBe(createHash('sha256').update(body).digest('hex'));
    body[100] = (body[100] ?? 0) ^ 1;
    expect(isSignedBy(body, signature.signature, signature.publicKey)).toBe(false);
    expect(await reports.publicKey(PERSON)).toEqual({ publicKey: signature.publicKey });
    expect(checkSeal(content.toString(), signature.publicKey)).toMatchObject({ isGenuine: true });
    const other = JSON.parse((await bytesOf(await make(run.id, 'report-json'))).toString());
    expect(other.publicKey).toBe(signature.publicKey);
    expect(await keysInTheClear(fleet.world)).toEqual(['publicKey,secretId']);
  });

  test('names what did not make it, what is gone since, and what differs', async () => {
    const job = await fleet.job({ objects: 20 });
    job.from.hooks.reading = (key, content) => (key === 'k/000003' ? content.subarray(1) : content);
    const { id } = await run(job);
    job.to.remove('box', 'k/000004');
    job.to.put('box', 'k/000005', 'content of X');
    const report = await reportOf(id, { spotCheck: 20 });
    expect(report.issues).toMatchObject({ total: 1, rows: [{ key: 'k/000003', result: 'failed' }] });
    expect(report.issues.byCode[0]?.remedy).not.toBe('');
    expect(report.comparedNow).toMatchObject({ missing: 1, different: 1 });
    expect(report.readBack).toMatchObject({ chosen: 19, missing: 1, different: 1, equal: 17 });
    expect(report.isClean).toBe(false);
    expect(report.findings).toEqual([
      '1 object failed.',
      '2 objects were at the source now and not at the target.',
      '1 object was different on both sides now.',
      '1 object was no longer at the target now.',
      '1 object was not as the run left them now.',
      '1 object was not at the target to be read back.',
      '1 object read back and differed.',
    ]);
  });

  test('of a validation reads back from both sides too', async () => {
    const { job } = await ran({ objects: 12 });
    const check = await run(job, { kind: 'validate' });
    expect(await reportOf(check.id, { spotCheck: 5 })).toMatchObject({
      isClean: true,
      readBack: { chosen: 5, equal: 5 },
      comparedNow: { isFault: false },
    });
    job.to.put('box', 'k/000001', 'CONTENT OF 1');
    const report = await reportOf(check.id, { spotCheck: 12 });
    expect(report).toMatchObject({ isClean: false, readBack: { different: 1, equal: 11 } });
  });

  test('is never clean when a side could not be reached', async () => {
    const { job, run } = await ran({ objects: 3 });
    job.to.hooks.before = async () => {
      throw new DroverError('UNREACHABLE', 'It is away.');
    };
    const report = await reportOf(run.id, { spotCheck: 3 });
    expect(report.comparedNow).toMatchObject({ isFault: true });
    expect(report.isClean).toBe(false);
  });

  test('of a run that goes on, and of one with a wrong number, is refused', async () => {
    const job = await fleet.job({ objects: 20, heldFrom: 10 });
    const { id } = await fleet.start(job);
    await expect(reports.request(PERSON, id, 'report-html', {})).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await fleet.runs.cancel(PERSON, id);
    job.release();
    await fleet.until(id, 'cancelled');
    for (const spotCheck of [-1, 1.5, 10_001]) {
      const wrong = reports.request(PERSON, id, 'report-html', { spotCheck });
      await expect(wrong).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'spotCheck' });
    }
    expect((await reportOf(id)).findings[0]).toBe('The run was canceled.');
  });

  test('as a page shows what cannot be seen, and runs nothing', async () => {
    const job = await fleet.job({ objects: 2 });
    for (const key of ['<script>alert(1)</script>', 'right\u202eleft', 'lone\ud800']) job.from.put('box', key, 'x');
    job.from.hooks.reading = (_key, content) => content.subarray(1);
    const { id } = await run(job);
    const page = (await bytesOf(await make(id, 'report-html'))).toString();
    expect(page).not.toContain('<script');
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page).toContain('right\\u{202e}left');
    expect(page).toContain('lone\\u{d800}');
    expect(page).not.toMatch(/(?:src|href)=/);
    expect(page).toContain('5 objects failed.');
  });

  test('of a server that died is made by another; a stopped one lets go at once', async () => {
    const { run } = await ran({ objects: 3 });
    const { id } = await reports.request(PERSON, run.id, 'report-json', {});
    const stopper = new AbortController();
    const stopping = reportsOf({
      ...fleet.world,
      artifacts: {
        ...fleet.world.artifacts,
        get: async (name) => {
          stopper.abort();
          return fleet.world.artifacts.get(name);
        },
      },
    });
    await stopping.tick(stopper.signal);
    expect(await reports.get(PERSON, id)).toMatchObject({ state: 'pending', attempts: 0 });
    await sql`UPDATE artifacts SET taken_until = now() + interval '1 minute' WHERE id = ${id}`.execute(fleet.world.db);
    expect(await reports.tick(NEVER)).toBe(0);
    await sql`UPDATE artifacts SET taken_until = now() - interval '31 second' WHERE id = ${id}`.execute(fleet.world.db);
    expect(await reports.tick(NEVER)).toBe(1);
    expect((await reports.get(PERSON, id)).state).toBe('ready');
  });

  /** A server that ends while it makes a report: nothing it would still do is done. */
  async function dieMaking(): Promise<void> {
    const dies = Promise.withResolvers<never>();
    const isAt = Promise.withResolvers<void>();
    const { world } = fleet;
    const get = (): Promise<never> => {
      isAt.resolve();
      return dies.promise;
    };
    void reportsOf({ ...world, artifacts: { ...world.artifacts, get } }).tick(NEVER);
    await isAt.promise;
  }

  test('that ends every server which makes it waits longer each time, is given up, and can be tried again', async () => {
    const { run } = await ran({ objects: 3 });
    const { id } = await reports.request(PERSON, run.id, 'report-json', {});
    const passed = (seconds: number): Promise<unknown> =>
      sql`UPDATE artifacts SET taken_until = now() - ${seconds} * interval '1 second' WHERE id = ${id}`.execute(
        fleet.world.db,
      );
    for (const [at, waitS] of [30, 60, 120, 240, 480].entries()) {
      await dieMaking();
      expect(await reports.get(PERSON, id)).toMatchObject({ state: 'pending', attempts: at + 1 });
      // Later than the wait before this one, and so early that no machine is too slow for it.
      await passed(waitS - 12);
      expect(await reports.tick(NEVER)).toBe(0);
      await passed(waitS + 1);
    }
    expect(await reports.tick(NEVER)).toBe(1);
    const given = await reports.get(PERSON, id);
    expect(given).toMatchObject({ state: 'failed', error: { code: 'INTERNAL' } });
    expect(given.error?.message).toBe('Each of 5 servers that made this report ended while it did so.');
    expect(await reports.tick(NEVER)).toBe(0);
    await expect(reports.retry(fleet.world.as('viewer'), id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await reports.retry(PERSON, id)).toMatchObject({ state: 'pending', attempts: 0, error: null });
    await expect(reports.retry(PERSON, id)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    expect(await reports.tick(NEVER)).toBe(1);
    const ready = await reports.get(PERSON, id);
    expect(ready).toMatchObject({ state: 'ready', attempts: 1 });
    expect(
      createHash('sha256')
        .update(await bytesOf(ready))
        .digest('hex'),
    ).toBe(ready.sha256);
  });

  test('of a server that was only slow changes nothing that another has made since', async () => {
    const { run } = await ran({ objects: 3 });
    const { id } = await reports.request(PERSON, run.id, 'report-json', {});
    const { world } = fleet;
    const goes = Promise.withResolvers<void>();
    const isAt = Promise.withResolvers<void>();
    const { artifacts } = world;
    const slow = reportsOf({
      ...world,
      artifacts: {
        get: (name) => artifacts.get(name),
        list: (prefix) => artifacts.list(prefix),
        removeAll: (prefix) => artifacts.removeAll(prefix),
        async put(name, content) {
          isAt.resolve();
          await goes.promise;
          return artifacts.put(name, content);
        },
      },
    });
    const ticking = slow.tick(NEVER);
    await isAt.promise;
    await sql`UPDATE artifacts SET taken_until = now() - interval '1 hour' WHERE id = ${id}`.execute(world.db);
    expect(await reports.tick(NEVER)).toBe(1);
    const ready = await reports.get(PERSON, id);
    goes.resolve();
    await ticking;
    expect(await reports.get(PERSON, id)).toEqual(ready);
    expect(
      createHash('sha256')
        .update(await bytesOf(ready))
        .digest('hex'),
    ).toBe(ready.sha256);
  });

  test('that meets a fault which may pass is tried again by itself', async () => {
    const { run } = await ran({ objects: 3 });
    const { id } = await reports.request(PERSON, run.id, 'report-json', {});
    const { world } = fleet;
    const away = {
      ...world.artifacts,
      get: () => Promise.reject(new DroverError('UNREACHABLE', 'The store is away.')),
    };
    expect(await reportsOf({ ...world, artifacts: away }).tick(NEVER)).toBe(1);
    expect(await reports.get(PERSON, id)).toMatchObject({
      state: 'pending',
      attempts: 1,
      error: { code: 'UNREACHABLE' },
    });
    expect(await reports.tick(NEVER)).toBe(0);
    await sql`UPDATE artifacts SET taken_until = now() - interval '31 second' WHERE id = ${id}`.execute(world.db);
    expect(await reports.tick(NEVER)).toBe(1);
    expect(await reports.get(PERSON, id)).toMatchObject({ state: 'ready', error: null });
  });

  test('that cannot be made says why', async () => {
    const { run } = await ran({ objects: 3 });
    const { id } = await reports.request(PERSON, run.id, 'report-json', {});
    await fleet.world.artifacts.removeAll(`runs/${run.id}/`);
    await reports.tick(NEVER);
    expect(await reports.get(PERSON, id)).toMatchObject({ state: 'failed', error: { code: 'INTERNAL' } });
    await expect(reports.download(PERSON, id)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  test('of 100,000 failures lists some, counts all, and stays small', async () => {
    const { run } = await ran({ objects: 1 });
    const { db, artifacts } = fleet.world;
    const why = 'The source refused to give it: AccessDenied. '.repeat(4);
    for (let chunk = 0; chunk < 20; chunk++) {
      const lines = Array.from({ length: 5_000 }, (_, at) =>
        JSON.stringify({
          key: `f/${chunk}/${at}`,
          result: 'failed',
          kind: 'object',
          sizeBytes: 1,
          code: 'PERMISSION_DENIED',
          details: why,
        }),
      );
      const name = `runs/${run.id}/s/9/${chunk}.log.ndjson.gz`;
      await artifacts.put(name, packLines(lines));
      await sql`INSERT INTO chunks (run_id, segment_id, name)
        SELECT run_id, segment_id, ${name} FROM segments WHERE run_id = ${run.id} AND kind = 'keys' LIMIT 1`.execute(
        db,
      );
    }
    const report = await reportOf(run.id);
    expect(report.issues).toMatchObject({ total: 100_000, isComplete: false, rows: { length: 10_000 } });
    expect(report.issues.byCode).toMatchObject([{ code: 'PERMISSION_DENIED', items: 100_000 }]);
    const page = await bytesOf(await make(run.id, 'report-html'));
    expect(page.length).toBeLessThan(1_000_000);
    expect(page.toString()).toContain('The first 1,000 of 100,000; all of them are in the copy log.');
    let heapBytesMax = 0;
    const { content } = await reports.download(PERSON, (await make(run.id, 'copy-log-csv')).id);
    const heapBytesBefore = process.memoryUsage().heapUsed;
    let sizeBytes = 0;
    for await (const chunk of content) {
      sizeBytes += chunk.length;
      heapBytesMax = Math.max(heapBytesMax, process.memoryUsage().heapUsed);
    }
    expect(sizeBytes).toBeGreaterThan(20_000_000);
    expect(heapBytesMax - heapBytesBefore).toBeLessThan(150_000_000);
  });

  test('is asked for by people who may', async () => {
    const { run } = await ran({ objects: 1 });
    const viewer = fleet.world.as('viewer');
    await expect(reports.request(viewer, run.id, 'report-json', {})).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await reports.list(viewer, run.id)).toEqual([]);
    await expect(reports.get(viewer, 'x')).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  });
});

/** RFC 4180, one object per row. */
function parseCsv(text: string): Record<string, string>[] {
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/gy;
  const rows: string[][] = [[]];
  for (const [, quoted, plain = '', end] of text.slice(1).matchAll(cell)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === '\r\n') rows.push([]);
  }
  const [head = [], ...body] = rows.filter((row) => row.length > 1);
  return body.map((row) => Object.fromEntries(head.map((name, at) => [name, row[at] ?? ''])));
}

/** The members that the stored fact about the signing key shows. */
async function keysInTheClear({ db }: ControlWorld): Promise<string[]> {
  const rows = await db
    .selectFrom('facts_of_installation')
    .select('value')
    .where('name', '=', 'report-signing-key')
    .execute();
  return rows.map(({ value }) =>
    Object.keys(value as object)
      .toSorted()
      .join(),
  );
}
