import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeConnector, makeJob, makeRunRow, type MadeJob } from '../../../test/control/made.ts';
import { watchQueries } from '../../../test/control/plans.ts';
import { ZERO_COUNTERS, type ItemRecord } from '../../model/outcome.ts';
import { makeAudit } from '../audit.ts';
import type { ListQuery } from '../entities.ts';
import { PostgresRunStore } from '../runs/store.ts';
import type { Logs } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openLogs } from './service.ts';

let world: TestWorld;
let logs: Logs;
let job: MadeJob;

beforeAll(async () => {
  world = await openTestWorld();
  logs = openLogs(world);
  const connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
});
afterAll(async () => world.close());

let made = 0;
async function makeRun(counters: object = {}): Promise<string> {
  made += 1;
  const id = `logtest${made}a`;
  await makeRunRow(world, job, id);
  await sql`UPDATE runs SET counters = ${JSON.stringify(counters)}::jsonb WHERE id = ${id}`.execute(world.db);
  return id;
}

const viewer = () => world.as('viewer');

function record(key: string, change: Partial<ItemRecord> = {}): ItemRecord {
  return { key, result: 'failed', kind: 'object', sizeBytes: 1, code: 'NOT_FOUND', ...change };
}

/** By the store itself, as a worker commits. */
async function commitIssues(runId: string, issues: readonly ItemRecord[]): Promise<void> {
  const store = new PostgresRunStore(world.db);
  await store.addSegments(runId, [{ segmentId: `s${(made += 1)}`, kind: 'keys', from: null, to: null }]);
  const lease = await store.claim(runId, world.as('admin').personId ?? '');
  if (lease === null) throw new Error('nothing to claim');
  const deletesFailed = issues.filter(({ deletion }) => deletion === true).length;
  const failed = issues.filter(({ result }) => result === 'failed').length - deletesFailed;
  const items = { ...ZERO_COUNTERS.items, failed, unsupported: issues.length - failed - deletesFailed };
  await store.commit(lease, {
    checkpoint: { settledKey: null, sourceCursor: null, targetCursor: null, nextChunk: 1 },
    addChunks: [],
    addCounters: { ...ZERO_COUNTERS, items, deletesFailed },
    addIssues: issues,
    done: true,
  });
  await sql`UPDATE runs SET counters = ${JSON.stringify({ ...ZERO_COUNTERS, items, deletesFailed })}::jsonb WHERE id = ${runId}`.execute(
    world.db,
  );
}

describe('failed items', () => {
  test('come back as they were recorded, whatever their keys hold', async () => {
    const runId = await makeRun();
    const issues = ['plain', 'line\nbreak', 'nul\u0000', 'lone \ud800', 'right\u202eleft', ' 50%_OFF ', ''].map((key) =>
      record(key, { details: `about ${key}`, code: 'PERMISSION_DENIED' }),
    );
    await commitIssues(runId, issues);
    const page = await logs.items(viewer(), runId, { withTotal: true });
    expect(page.items.map(({ number: _number, storageMoverCode: _code, ...item }) => item)).toEqual(issues);
    expect(page.items[0]).toMatchObject({ storageMoverCode: 'AZSM2062' });
    expect(page).toMatchObject({ total: issues.length, nextCursor: null, complete: true });
    expect((await logs.items(viewer(), runId, { search: '50%_off' })).items).toHaveLength(1);
    expect((await logs.items(viewer(), runId, { search: '5_' })).items).toHaveLength(0);
  });

  test('are all there only if those that could not be deleted are there too', async () => {
    const runId = await makeRun();
    await commitIssues(runId, [record('a'), record('b', { deletion: true }), record('c', { result: 'unsupported' })]);
    expect(await logs.items(viewer(), runId, {})).toMatchObject({ items: { length: 3 }, complete: true });
    await sql`DELETE FROM run_items WHERE run_id = ${runId} AND key_text = 'c'`.execute(world.db);
    logs = openLogs(world);
    expect(await logs.items(viewer(), runId, {})).toMatchObject({ items: { length: 2 }, complete: false });
    await sql`DELETE FROM run_items WHERE run_id = ${runId}`.execute(world.db);
    await sql`UPDATE runs SET logs_expired = true WHERE id = ${runId}`.execute(world.db);
    expect((await logs.items(viewer(), runId, {})).complete).toBe(false);
  });

  test('are kept up to 100,000, those that could not be deleted among them', async () => {
    const runId = await makeRun();
    const counters = JSON.stringify({ ...ZERO_COUNTERS, deletesFailed: 99_999 });
    await sql`INSERT INTO segments (run_id, segment_id, kind, state, counters)
      VALUES (${runId}, 'before', 'deletes', 'done', ${counters}::jsonb)`.execute(world.db);
    await commitIssues(runId, [record('a'), record('b'), record('c')]);
    const { items } = await logs.items(viewer(), runId, {});
    expect(items.map(({ key }) => key)).toEqual(['a']);
  });

  test('of an unknown run are not found', async () => {
    await expect(logs.items(viewer(), 'nothing', {})).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  });
});

describe('100,000 failed items', () => {
  const TOTAL = 100_000;
  let runId: string;
  beforeAll(async () => {
    const items = { ...ZERO_COUNTERS.items, failed: TOTAL };
    runId = await makeRun({ ...ZERO_COUNTERS, items });
    await sql`
      INSERT INTO run_items (run_id, segment_id, result, code, size_bytes, key_text, record)
      SELECT ${runId}, 's', CASE WHEN n % 10 = 0 THEN 'unsupported' ELSE 'failed' END,
        (ARRAY['CHANGED', 'PERMISSION_DENIED', 'TOO_LARGE', 'THROTTLED', 'CORRUPTED'])[1 + n % 5],
        (n * 7919) % 1000003, 'photos/' || (n % 97) || '/' || md5(n::text) || '.jpg',
        json_build_object('key', 'photos/' || (n % 97) || '/' || md5(n::text) || '.jpg', 'result', 'failed',
          'kind', 'object', 'sizeBytes', (n * 7919) % 1000003, 'code', 'CHANGED', 'details', repeat('Why it failed. ', 8))
      FROM generate_series(1, ${TOTAL}) AS n`.execute(world.db);
    await sql`ANALYZE run_items`.execute(world.db);
  });

  /** Filters and orders: `test/control/list-plans.test.ts`. Milliseconds: `npm run bench:server`. */
  test.each<[string, ListQuery]>([
    ['a word that is in many', { search: 'photos/13' }],
    ['a word that is in one', { search: 'e4da3b7fbbce2345d7772b0674a318d5' }],
    ['a word that is in none', { search: 'nowhere-at-all' }],
    ['two letters that are in none', { search: 'zq' }],
    ['two words', { search: 'photos/13 zq', sort: '-size' }],
  ])('%s is looked for in each key once, and in those of no other run', async (_what, query) => {
    const watched = watchQueries(world);
    const own = openLogs({ ...world, db: watched.db });
    // Where nearly all are of one run, those few of others may be met as well.
    expect(await watched.heavySteps(() => own.items(viewer(), runId, query), TOTAL + 100)).toEqual([]);
    const small = await makeRun();
    await commitIssues(small, [record('photos/13/small')]);
    expect(await watched.heavySteps(() => own.items(viewer(), small, query), 100)).toEqual([]);
  });

  test('are paged through without a gap or a repeat, in every order', async () => {
    for (const sort of ['number', '-size', 'key']) {
      const seen = new Set<number>();
      let cursor: string | undefined;
      do {
        const page = await logs.items(viewer(), runId, {
          limit: 1_000,
          sort,
          filter: { result: ['unsupported'] },
          ...(cursor === undefined ? {} : { cursor }),
        });
        for (const { number } of page.items) seen.add(number);
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      expect(seen.size).toBe(TOTAL / 10);
    }
  });

  test('are summed up by code, most first', async () => {
    const { codes } = await logs.codes(viewer(), runId);
    expect(codes.reduce((sum, { items }) => sum + items, 0)).toBe(TOTAL);
    expect(codes[0]).toMatchObject({ items: 20_000, result: 'failed' });
    expect(codes.every(({ remedy }) => remedy.endsWith('.'))).toBe(true);
    const { codes: all } = await logs.codes(viewer(), null);
    expect(all.find(({ code, result }) => code === 'CHANGED' && result === 'unsupported')?.items).toBe(10_000);
  });
});

describe('the log of a run', () => {
  test('keeps lines in order, by level and word', async () => {
    const runId = await makeRun();
    const told: string[] = [];
    await world.bus.ready();
    const ignore = world.bus.listen((topic, id) => void told.push(`${topic} ${id}`));
    await logs.append(runId, { level: 'info', code: null, message: 'It begins.' });
    await logs.append(runId, { level: 'warn', code: 'THROTTLED', message: 'Slower.' });
    await logs.append(runId, { level: 'error', code: 'UNREACHABLE', message: 'It pauses.' });
    const page = await logs.lines(viewer(), runId, {});
    expect(page.items.map(({ level, code, message }) => [level, code, message])).toEqual([
      ['info', null, 'It begins.'],
      ['warn', 'THROTTLED', 'Slower.'],
      ['error', 'UNREACHABLE', 'It pauses.'],
    ]);
    expect((await logs.lines(viewer(), runId, { filter: { level: ['warn', 'error'] } })).items).toHaveLength(2);
    expect((await logs.lines(viewer(), runId, { search: 'slower' })).items).toHaveLength(1);
    await expect.poll(() => told.filter((line) => line === `run-log ${runId}`).length).toBe(3);
    ignore();
  });
});

describe('the audit log', () => {
  test('is for admins, newest first, by whom and what', async () => {
    const [ana, ben] = [world.as('admin'), world.as('operator')];
    const audit = makeAudit(world.clock);
    await world.db.transaction().execute(async (tx) => {
      await audit(tx, ana, { action: 'job.create', entityKind: 'job', entityId: 'j1', entityName: 'Nightly' });
      const changes = { description: ['', 'New'] } as const;
      await audit(tx, ben, { action: 'job.update', entityKind: 'job', entityId: 'j1', entityName: 'Nightly', changes });
      await audit(tx, ben, { action: 'run.start', entityKind: 'run', entityId: 'r1', entityName: null });
    });
    const page = await logs.audit(ana, {});
    expect(page.items.map(({ action }) => action).slice(0, 3)).toEqual(['run.start', 'job.update', 'job.create']);
    expect(page.items[1]).toMatchObject({
      actorName: ben.name,
      personId: ben.personId,
      changes: { description: ['', 'New'] },
    });
    const only = async (query: ListQuery) => (await logs.audit(ana, query)).items.map(({ action }) => action);
    expect(await only({ filter: { personId: [ben.personId ?? ''], entityKind: ['job'] } })).toEqual(['job.update']);
    expect(await only({ filter: { personId: ['not an id'] } })).toEqual([]);
    expect(await only({ search: 'nightly create' })).toEqual(['job.create']);
    await expect(logs.audit(world.as('viewer'), {})).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});
