/** Pre-flight by the rights that this very job needs, on a simulated Amazon S3: it refuses no job that could run. */
import { sql } from 'kysely';
import { describe, expect, test, vi } from 'vitest';
import { NotReady } from '../../src/control/jobs/not-ready.ts';
import type { Preflight } from '../../src/control/entities.ts';
import { openCloud, take } from './cloud-world.ts';
import { PERSON } from './made.ts';

const { signal } = new AbortController();
type Cloud = Awaited<ReturnType<typeof openCloud>>;

const preflight = (cloud: Cloud, options: Parameters<Cloud['preflight']['preflight']>[2] = { count: false }) =>
  cloud.preflight.preflight(PERSON, cloud.job.jobId, options, signal);
const refused = (report: Preflight) =>
  [...report.source, ...report.target].filter(({ result }) => result === 'refused').map(({ what }) => what);

/** Of names that Drover tries things out with, with delete markers. */
const trials = (cloud: Cloud): number => {
  const { objects } = cloud.service.bucket('archive');
  const keys = objects.keys().filter((key) => key.includes('.drover-probe-'));
  return keys.flatMap((key) => objects.get(key) ?? []).length;
};

describe('a target that keeps versions', () => {
  test('keeps none of what is tried out where the policy is as Drover writes it', async () => {
    const cloud = await openCloud();
    cloud.service.bucket('archive').versioning = 'Enabled';
    cloud.writer.push({ actions: ['s3:DeleteObjectVersion'], buckets: ['archive'], prefix: '.drover-probe-' });
    for (let times = 0; times < 3; times += 1) {
      const report = await preflight(cloud);
      expect(report.ok).toBe(true);
      expect(report.target.filter(({ result }) => result !== 'ok')).toEqual([]);
      expect(trials(cloud)).toBe(0);
    }
    const { id } = await cloud.start();
    await cloud.until(id, 'succeeded');
    expect(trials(cloud)).toBe(0);
  });

  test('is said to keep some where they may not be removed, which refuses nothing', async () => {
    const cloud = await openCloud();
    cloud.service.bucket('archive').versioning = 'Enabled';
    const counts: number[] = [];
    for (let times = 0; times < 4; times += 1) {
      const report = await preflight(cloud);
      expect(report.ok).toBe(true);
      expect(report.target.filter(({ result }) => result === 'warning')).toEqual([
        expect.objectContaining({ remedy: expect.stringContaining('s3:DeleteObjectVersion on arn:aws:s3:::archive/') }),
      ]);
      counts.push(trials(cloud));
    }
    // The check's own stays once; each look at what the store honours adds one with its marker.
    expect(counts).toEqual([4, 6, 8, 10]);
    expect(cloud.service.keys('archive')).toEqual([]);
  });
});

describe('what a job needs', () => {
  test('a merge needs no right to delete: said as a warning, and nothing is left at the target', async () => {
    const cloud = await openCloud();
    take(cloud.writer, 's3:DeleteObject');
    const report = await preflight(cloud);
    expect(report).toMatchObject({ ok: true });
    const line = report.target.find(({ what }) => what === 'delete');
    expect(line).toMatchObject({ result: 'warning', remedy: expect.stringContaining('s3:DeleteObject') });
    expect(cloud.service.keys('archive')).toEqual([]);
    expect(cloud.service.bucket('archive').uploads.size).toBe(0);
    const { id } = await cloud.start();
    await expect(cloud.until(id, 'failed', 'paused', 'succeeded', 'completed-with-issues')).resolves.toMatchObject({
      state: 'succeeded',
    });
  });

  test('a mirror needs it', async () => {
    const cloud = await openCloud({ mode: 'mirror' });
    take(cloud.writer, 's3:DeleteObject');
    expect(refused(await preflight(cloud))).toEqual(['delete']);
  });

  test('tags are tried only where they are carried, and the policy that is printed then cures it', async () => {
    const ignoring = await openCloud({ tags: 'ignore' });
    take(ignoring.writer, 's3:*Tagging');
    await expect(preflight(ignoring)).resolves.toMatchObject({ ok: true });

    const carrying = await openCloud({ tags: 'preserve' });
    take(carrying.writer, 's3:*Tagging');
    const report = await preflight(carrying);
    expect(refused(report)).toEqual(['tags']);
    const policy = JSON.parse(report.grants[0]!.text) as { Statement: { Action: string | string[] }[] };
    for (const action of policy.Statement.flatMap(({ Action }) => Action)) {
      carrying.writer.push({ actions: [action], buckets: ['archive'] });
    }
    await expect(preflight(carrying)).resolves.toMatchObject({ ok: true });
  });

  test('a target that cannot be looked at is named', async () => {
    const cloud = await openCloud();
    take(cloud.writer, 's3:GetObject');
    const report = await preflight(cloud);
    expect(report.ok).toBe(true);
    const line = report.target.find(({ what, result }) => what === 'read' && result === 'warning');
    expect(line?.remedy).toContain('s3:GetObject on arn:aws:s3:::archive/*');
    const { id } = await cloud.start();
    await expect(cloud.until(id, 'failed', 'paused', 'succeeded', 'completed-with-issues')).resolves.toMatchObject({
      state: 'succeeded',
    });
  });

  test('one object that is locked does not refuse a source', async () => {
    const cloud = await openCloud();
    cloud.service.put('photos', 'a-locked', 'first');
    const open = cloud.reader.find(({ actions }) => actions.includes('s3:GetObject'))!;
    cloud.reader[cloud.reader.indexOf(open)] = { ...open, prefix: 'k/' };
    const report = await preflight(cloud);
    expect(report.ok).toBe(true);
    expect(report.source).toContainEqual(expect.objectContaining({ what: 'read', result: 'warning' }));
  });
});

test.each(['dry-run', 'validate'] as const)(
  'a %s needs no right to write, and writes nothing to find out',
  async (kind) => {
    const cloud = await openCloud();
    for (const action of ['s3:PutObject', 's3:DeleteObject', 's3:*Tagging']) take(cloud.writer, action);
    const asked: string[] = [];
    cloud.watch(({ method, path }) => void asked.push(`${method} ${path}`));
    await expect(preflight(cloud, { count: false, kind })).resolves.toMatchObject({ ok: true });
    expect(asked.filter((line) => /^(?:PUT|POST|DELETE) .*archive/.test(line))).toEqual([]);
    expect(refused(await preflight(cloud))).toEqual(['write']);
    const run = await cloud.runs.start(PERSON, cloud.job.jobId, { kind, trigger: 'person' }, signal);
    const ended = await cloud.until(run.id, 'failed', 'paused', 'succeeded', 'completed-with-issues');
    expect(['succeeded', 'completed-with-issues']).toContain(ended.state);
    expect(cloud.service.keys('archive')).toEqual([]);
  },
);

describe('a start that is refused', () => {
  test('says everything that was found, on both sides, with what to grant on each', async () => {
    const cloud = await openCloud();
    take(cloud.reader, 's3:GetObject');
    take(cloud.writer, 's3:PutObject');
    const error = await cloud.start().then(
      () => null,
      (thrown: unknown) => thrown as NotReady,
    );
    expect(error).toBeInstanceOf(NotReady);
    expect(error?.preflight.grants.map(({ side }) => side)).toEqual(['source', 'target']);
    expect(error?.message).toMatch(/Source: .*Target: /s);
    expect(error?.remedy).toMatch(/For the source: [^]*s3:GetObject[^]*For the target: [^]*s3:PutObject/);
    expect(error?.preflight.target.find(({ what }) => what === 'write')?.remedy).toContain('s3:PutObject');
  });
});

describe('what is known before a start', () => {
  test('counting wins over the last run; a dry run is no measure of a transfer', async () => {
    const cloud = await openCloud();
    const dry = await cloud.runs.start(PERSON, cloud.job.jobId, { kind: 'dry-run', trigger: 'person' }, signal);
    await cloud.until(dry.id, 'succeeded', 'completed-with-issues');
    expect((await preflight(cloud)).estimate).toBeNull();
    expect((await preflight(cloud, { count: false, kind: 'dry-run' })).estimate).toMatchObject({ items: 200 });
    cloud.service.put('photos', 'cold', 'frozen', { storageClass: 'GLACIER' });
    const { id, warnings } = await cloud.start();
    expect(warnings).toEqual([]);
    await cloud.until(id, 'succeeded', 'completed-with-issues');
    cloud.service.put('photos', 'later', 'one more');
    const last = await preflight(cloud);
    expect(last.estimate).toMatchObject({ basis: 'last-run', items: 201, archivedItems: 1 });
    expect(last.warnings).toEqual([expect.stringContaining('archived')]);
    const now = await preflight(cloud, { count: true });
    expect(now.estimate).toMatchObject({ basis: 'counted', items: 202, archivedItems: 1 });
    expect(last.concessions).toContainEqual(expect.objectContaining({ aspect: 'overwrites' }));
  });

  test('what the target holds may be overwritten: said until a run was through, and only where it is so', async () => {
    const cloud = await openCloud();
    const warned = async (kind: 'transfer' | 'dry-run' = 'transfer') =>
      (await preflight(cloud, { count: false, kind })).warnings.filter((text) => text.includes('newer'));
    expect(await warned()).toEqual([]);
    cloud.service.put('archive', 'something', 'was there before');
    expect(await warned()).toHaveLength(1);
    expect(await warned('dry-run')).toEqual([]);
    // What cannot be looked into may hold anything.
    const list = cloud.writer.find(({ actions }) => actions.includes('s3:ListBucket'))!;
    cloud.writer.splice(cloud.writer.indexOf(list), 1);
    expect(await warned()).toHaveLength(1);
    cloud.writer.push(list);
    const { id, warnings } = await cloud.start();
    expect(warnings).toEqual([expect.stringContaining('newer')]);
    await cloud.until(id, 'succeeded');
    expect(await warned()).toEqual([]);
  });

  test('leaving newer ones alone is no matter of warning', async () => {
    const cloud = await openCloud();
    cloud.service.put('archive', 'something', 'was there before');
    await sql`UPDATE jobs SET settings = (settings::jsonb || '{"targetNewer": "skip"}')::text`.execute(cloud.world.db);
    expect((await preflight(cloud)).warnings).toEqual([]);
  });

  test('a size that takes days or many requests is warned of', async () => {
    const cloud = await openCloud();
    const { id } = await cloud.start();
    await cloud.until(id, 'succeeded');
    // Whoever leaves the run writes its sums once more.
    await vi.waitFor(async () => {
      const { rows } = await sql`SELECT FROM run_workers WHERE run_id = ${id} AND left_at IS NULL`.execute(
        cloud.world.db,
      );
      expect(rows).toHaveLength(0);
    }, 60_000);
    await sql`UPDATE runs SET active_ms = 864000000, requests = '{"source":{"GET":70000000},"target":{}}'::jsonb,
      counters = jsonb_set(counters, '{items,scanned}', '20000000') WHERE id = ${id}`.execute(cloud.world.db);
    const { warnings } = await preflight(cloud);
    for (const words of ['10,000,000 objects', '70,000,000 requests', '5 days']) {
      expect(warnings).toContainEqual(expect.stringContaining(words));
    }
  });
});
