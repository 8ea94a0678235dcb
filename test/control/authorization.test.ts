/** Rights and credentials that go away in mid-run: on a real database, real connectors and a simulated Amazon S3. */
import { sql } from 'kysely';
import { describe, expect, test, vi } from 'vitest';
import type { Fault, Seen } from '../../src/sim/transport.ts';
import { openCloud, SECRET, take } from './cloud-world.ts';
import { makeJob, PERSON } from './made.ts';

const { signal } = new AbortController();

describe('a policy that is removed in mid-run', () => {
  test.each([
    ['source', 's3:GetObject', 'GET', 40],
    ['source', 's3:ListBucket', 'LIST', 1],
    ['target', 's3:PutObject', 'PUT', 40],
  ] as const)('at the %s, of %s, pauses it and loses nothing', async (side, action, operation, count) => {
    const cloud = await openCloud();
    if (operation === 'LIST') for (let at = 0; at < 1_000; at++) cloud.service.put('photos', `z/${at}`, 'more');
    let giveBack = (): void => undefined;
    const { id } = await cloud.start(() =>
      cloud.after(operation, count, () => {
        giveBack = take(side === 'source' ? cloud.reader : cloud.writer, action);
      }),
    );
    const paused = await cloud.until(id, 'paused', 'failed', 'succeeded', 'completed-with-issues');
    expect(paused).toMatchObject({
      state: 'paused',
      waits: { kind: 'attention', connectorId: cloud.ids[side] },
      error: { code: 'PERMISSION_DENIED', remedy: expect.stringContaining(action) },
    });
    expect(paused.counters.items.failed).toBe(0);
    const connector = await cloud.connectors.get(cloud.admin, cloud.ids[side]);
    expect(connector).toMatchObject({ health: 'needs-attention', healthReason: { code: 'PERMISSION_DENIED' } });
    giveBack();
    for await (const _ of cloud.connectors.test(cloud.admin, cloud.ids[side], null, 'both', signal));
    const run = await cloud.until(id, 'failed', 'succeeded', 'completed-with-issues');
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(cloud.service.keys('archive')).toEqual(cloud.service.keys('photos'));
    const items = await cloud.items(id);
    expect(new Set(items.map(({ key }) => key)).size).toBe(items.length);
    expect(items.every(({ result }) => result === 'copied' || result === 'same')).toBe(true);
  });
});

test('the right to write tags, taken away in mid-run, pauses a job that carries them', async () => {
  const cloud = await openCloud({ tags: 'preserve' });
  for (const key of cloud.service.keys('photos'))
    cloud.service.put('photos', key, 'x', { tags: new Map([['kept', key]]) });
  let giveBack = (): void => undefined;
  const { id } = await cloud.start(() =>
    cloud.after('PUT', 40, () => {
      giveBack = take(cloud.writer, 's3:*Tagging');
    }),
  );
  const paused = await cloud.until(id, 'paused', 'failed', 'succeeded', 'completed-with-issues');
  expect(paused).toMatchObject({ state: 'paused', error: { remedy: expect.stringContaining('s3:PutObjectTagging') } });
  giveBack();
  await cloud.runs.resume(PERSON, id);
  const run = await cloud.until(id, 'failed', 'succeeded', 'completed-with-issues');
  expect(run).toMatchObject({ state: 'succeeded', error: null, counters: { items: { scanned: 200, failed: 0 } } });
  // A whole run has used it since.
  await expect.poll(async () => (await cloud.connectors.get(cloud.admin, cloud.ids.target)).health).toBe('healthy');
});

test('a run of another job that ends well does not wake what waits for a right', async () => {
  const cloud = await openCloud();
  const { source, target } = cloud.ids;
  for (const name of ['other', 'elsewhere']) cloud.service.createBucket(name);
  cloud.service.put('other', 'one', 'content');
  cloud.reader.push({ actions: ['*'], buckets: ['other'] });
  cloud.writer.push({ actions: ['*'], buckets: ['elsewhere'] });
  const { id } = await cloud.start(() => cloud.after('GET', 40, () => void take(cloud.reader, 's3:GetObject')));
  await cloud.until(id, 'paused', 'failed', 'succeeded', 'completed-with-issues');
  const other = await makeJob(
    cloud.world,
    { connectorId: source, container: 'other' },
    { connectorId: target, container: 'elsewhere' },
    { serverSide: 'never', tags: 'ignore' },
  );
  const run = await cloud.runs.start(PERSON, other.jobId, { kind: 'transfer', trigger: 'person' }, signal);
  await expect(cloud.until(run.id, 'failed', 'succeeded', 'paused')).resolves.toMatchObject({ state: 'succeeded' });
  // Whoever has ended it tells everybody before he leaves.
  await vi.waitFor(async () => {
    const { rows } = await sql`SELECT FROM run_workers WHERE run_id = ${run.id} AND left_at IS NULL`.execute(
      cloud.world.db,
    );
    expect(rows).toHaveLength(0);
  }, 60_000);
  await expect(cloud.runs.get(PERSON, id)).resolves.toMatchObject({ state: 'paused' });
  await expect(cloud.connectors.get(cloud.admin, source)).resolves.toMatchObject({ health: 'needs-attention' });
});

test('objects with a lock of their own fail singly, however many stand in a row', async () => {
  const cloud = await openCloud();
  const open = cloud.reader.find(({ actions }) => actions.includes('s3:GetObject'))!;
  cloud.reader[cloud.reader.indexOf(open)] = { ...open, prefix: 'k/' };
  for (let at = 0; at < 30; at++) cloud.service.put('photos', `locked/${at}`, 'not for everybody');
  const { id } = await cloud.start();
  const run = await cloud.until(id, 'paused', 'failed', 'succeeded', 'completed-with-issues');
  expect(run).toMatchObject({ state: 'completed-with-issues', counters: { items: { failed: 30, copied: 200 } } });
  const { rows: ends } = await sql<{ message: string }>`SELECT message FROM run_log WHERE run_id = ${id}
    AND message LIKE 'The run is complete%'`.execute(cloud.world.db);
  expect(ends).toEqual([{ message: 'The run is complete, with issues: 30 failed.' }]);
  const failed = (await cloud.items(id)).filter(({ result }) => result === 'failed');
  expect(new Set(failed.map(({ code }) => code))).toEqual(new Set(['PERMISSION_DENIED']));
  await expect(cloud.connectors.get(cloud.admin, cloud.ids.source)).resolves.toMatchObject({ health: 'healthy' });
  const again = await cloud.runs.start(
    PERSON,
    cloud.job.jobId,
    { kind: 'retry', retryOf: id, trigger: 'person' },
    signal,
  );
  const retried = await cloud.until(again.id, 'paused', 'failed', 'succeeded', 'completed-with-issues');
  expect(retried).toMatchObject({ state: 'completed-with-issues', counters: { items: { failed: 30 } } });
});

describe('credentials that are revoked in mid-run', () => {
  test.each([
    ['source', 'AKREADER'],
    ['target', 'AKWRITER'],
  ] as const)('of the %s pause it, and the connector authorized anew lets it end', async (side, key) => {
    const cloud = await openCloud();
    const revoked = ({ request }: Seen): Fault | null =>
      new RegExp(`${key}/`).test(request.headers['authorization'] ?? '')
        ? { kind: 'status', status: 403, code: 'InvalidAccessKeyId' }
        : null;
    const { id } = await cloud.start(() => cloud.after('GET', 40, () => undefined, revoked));
    const paused = await cloud.until(id, 'paused', 'failed', 'succeeded', 'completed-with-issues');
    expect(paused).toMatchObject({ state: 'paused', waits: { kind: 'attention', connectorId: cloud.ids[side] } });
    expect(paused.counters.items.failed).toBe(0);
    await expect(cloud.connectors.get(cloud.admin, cloud.ids[side])).resolves.toMatchObject({
      health: 'needs-attention',
    });
    const config = { accessKeyId: `${key}2`, secretAccessKey: SECRET };
    await cloud.connectors.reauthorize(cloud.admin, cloud.ids[side], null, config);
    const run = await cloud.until(id, 'failed', 'succeeded', 'completed-with-issues');
    expect(run).toMatchObject({ state: 'succeeded', error: null, counters: { items: { scanned: 200, failed: 0 } } });
    expect(cloud.service.keys('archive')).toEqual(cloud.service.keys('photos'));
    const { rows } = await sql<{ action: string }>`SELECT action FROM audit
      WHERE action = 'connector.reauthorize'`.execute(cloud.world.db);
    expect(rows).toHaveLength(1);
  });
});

describe('a test of a connector', () => {
  test('that was begun before it was authorized anew says nothing about it', async () => {
    const cloud = await openCloud();
    const id = cloud.ids.source;
    let isBegun = false;
    cloud.faults(({ request }) => {
      if (!/AKREADER\//.test(request.headers['authorization'] ?? '')) return null;
      if (isBegun) return { kind: 'status', status: 403, code: 'InvalidAccessKeyId' };
      isBegun = true;
      const config = { accessKeyId: 'AKREADER2', secretAccessKey: SECRET };
      const run = async (): Promise<void> => void (await cloud.connectors.reauthorize(cloud.admin, id, null, config));
      return { kind: 'meanwhile', run };
    });
    const place = { container: 'photos', prefix: '' };
    const lines = [];
    for await (const line of cloud.connectors.test(cloud.admin, id, place, 'read', signal)) lines.push(line);
    expect(lines).toContainEqual(expect.objectContaining({ result: 'refused' }));
    const connector = await cloud.connectors.get(cloud.admin, id);
    expect(connector).toMatchObject({ health: 'healthy', checkedPlace: null });
    expect(connector.signedInAs).toContain('reader-2');
  });

  test('of one place says which', async () => {
    const cloud = await openCloud();
    const id = cloud.ids.source;
    const place = { container: 'photos', prefix: 'k/' };
    for await (const _ of cloud.connectors.test(cloud.admin, id, place, 'read', signal));
    await expect(cloud.connectors.get(cloud.admin, id)).resolves.toMatchObject({ checkedPlace: place });
    for await (const _ of cloud.connectors.test(cloud.admin, id, null, 'read', signal));
    await expect(cloud.connectors.get(cloud.admin, id)).resolves.toMatchObject({ checkedPlace: null });
  });
});
