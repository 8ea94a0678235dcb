/**
 * What lists ask the database for, among very many jobs, runs and failed items: an index leads to a page, and few rows are
 * read beside those that are shown. Milliseconds are measured by `npm run bench:server`.
 */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ListQuery, Page } from '../../src/control/entities.ts';
import { openConnectors } from '../../src/control/connectors/service.ts';
import { openEndpoints } from '../../src/control/endpoints/service.ts';
import { openJobs } from '../../src/control/jobs/service.ts';
import { openLogs } from '../../src/control/logs/service.ts';
import { openProjects } from '../../src/control/projects/service.ts';
import { openRuns } from '../../src/control/runs/service.ts';
import { openSchedules } from '../../src/control/schedules/service.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { openTimetables } from '../../src/control/timetables/service.ts';
import { makeConnector, makeJob, makeRunRow } from './made.ts';
import { watchQueries, type Watched } from './plans.ts';

/** As many as are promised take a busy machine minutes to make; the plans are the same for fewer. */
const ROWS = process.env['DROVER_TEST_ALL'] === '1' ? 100_000 : 20_000;
/** No statement may take long on a busy machine. */
const BATCH = 10_000;
const PAGE = 50;
/** For one page: all that a filter leaves, or all behind it, may be read where it is little; most of it never. */
const READ_MAX = ROWS === 100_000 ? 8_000 : 5_000;

type List = (query: ListQuery) => Promise<Page<unknown>>;

let world: TestWorld;
let watched: Watched;
const lists: Record<string, List> = {};
/** Values of filters, by their names in the table below. */
const values: Record<string, string> = {};

async function never(): Promise<never> {
  throw new Error('A list asks nobody else.');
}

beforeAll(async () => {
  world = await openTestWorld();
  await fill();
  watched = watchQueries(world);
  const own = { ...world, db: watched.db };
  const viewer = world.as('viewer');
  const jobs = openJobs(own, { preflight: never, grant: never, cleanup: { removeFilesOf: never } });
  const runs = openRuns(own, { preflight: never, append: never });
  const logs = openLogs(own);
  lists['jobs'] = (query) => jobs.list(viewer, query);
  lists['runs'] = (query) => runs.list(viewer, query);
  lists['items'] = (query) => logs.items(viewer, 'plans', query);
  lists['connectors'] = (query) => openConnectors(own).list(viewer, query);
  lists['endpoints'] = (query) => openEndpoints(own, never).list(viewer, query);
  lists['timetables'] = (query) => openTimetables(own).list(viewer, query);
  lists['schedules'] = (query) =>
    openSchedules(own, { preflight: never, start: never, onRefused: never }).list(viewer, query);
  lists['audit'] = (query) => logs.audit(world.as('admin'), query);
  lists['projects'] = (query) => openProjects(own, { removeFilesOf: never }).list(viewer, query);
});

afterAll(() => world.close());

/** Two projects, endpoints and connectors: one has nearly everything, the other a few rows in between. */
async function fill(): Promise<void> {
  const { db } = world;
  const [often, seldom] = [await makeEnds('often'), await makeEnds('seldom')];
  await sql`INSERT INTO timetables (id, created_at, created_by, updated_at, name, timetable)
    VALUES (gen_random_uuid(), now(), 'test', now(), 'Nights', '{"timeZone": "UTC", "rules": []}')`.execute(db);
  await makeRunRow(world, often, 'plans', { state: 'failed' });
  for (const table of ['runs', 'schedules']) await sql`ALTER TABLE ${sql.id(table)} DISABLE TRIGGER USER`.execute(db);
  // Made anew afterwards: much quicker than row by row.
  const { rows: indexes } = await sql<{ name: string; definition: string }>`
    SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE schemaname = current_schema()
      AND tablename IN ('jobs', 'runs', 'run_items') AND indexdef LIKE 'CREATE INDEX %'`.execute(db);
  for (const { name } of indexes) await sql`DROP INDEX ${sql.id(name)}`.execute(db);
  for (let first = 1; first <= ROWS; first += BATCH) {
    // Beside the row, not `(…).*` in its place: that would be made once for each column.
    await sql`INSERT INTO jobs SELECT made.* FROM jobs AS job CROSS JOIN generate_series(${first}::integer, ${first + BATCH - 1}::integer) AS n,
      jsonb_populate_record(job, jsonb_build_object('id', gen_random_uuid(),
        'name', 'Job ' || md5(n::text), 'timetable_id', (SELECT id FROM timetables), 'type', (ARRAY['cloud-to-cloud', 'folder-to-cloud', 'cloud-to-folder'])[1 + n % 3],
        'last_state', CASE WHEN n % 1000 = 7 THEN 'running' WHEN n % 20 = 0 THEN 'failed' ELSE 'succeeded' END,
        'last_run_at', CASE WHEN n % 7 > 0 THEN now() - (n * 7919 % 100003) * interval '1 minute' END,
        'next_run_at', CASE WHEN n % 13 > 0 THEN now() + (n * 7907 % 100003) * interval '1 minute' END,
        'created_at', now() - (n::bigint * 104729 % 100003) * interval '1 minute')) AS made
      WHERE job.id = CASE WHEN n % 1000 = 3 THEN ${seldom.jobId}::uuid ELSE ${often.jobId}::uuid END`.execute(db);
    await sql`INSERT INTO runs SELECT made.* FROM runs AS run CROSS JOIN generate_series(${first}::integer, ${first + BATCH - 1}::integer) AS n,
      jsonb_populate_record(run, jsonb_build_object('id', 'many' || lpad(n::text, 10, '0'),
        'job_id', CASE WHEN n % 1000 = 3 THEN ${seldom.jobId}::uuid ELSE ${often.jobId}::uuid END,
        'project_id', CASE WHEN n % 1000 = 3 THEN ${seldom.projectId}::uuid ELSE ${often.projectId}::uuid END,
        'source_connector_id', CASE WHEN n % 1000 = 3 THEN ${seldom.source.connectorId}::uuid
          ELSE ${often.source.connectorId}::uuid END,
        'number', 10 + n, 'kind', CASE WHEN n % 1000 = 9 THEN 'validate' WHEN n % 20 = 0 THEN 'retry' ELSE 'transfer' END,
        'trigger', CASE WHEN n % 20 = 0 THEN 'person' ELSE 'token' END,
        'state', CASE WHEN n % 1000 = 7 THEN 'cancelled' WHEN n % 20 = 0 THEN 'failed' ELSE 'succeeded' END,
        'active_ms', n::bigint * 7919 % 100003,
        'bytes_order', bytes_order_of(jsonb_build_object('bytes', jsonb_build_object('copied',
          CASE WHEN n % 1000 NOT IN (7, 9) AND n % 3 > 0 THEN n::bigint * 7919 % 100003 * 1000000 ELSE 0 END)),
          now() - n * interval '1 minute'),
        'failed_order', failed_order_of(jsonb_build_object('items', jsonb_build_object('failed',
          CASE WHEN n % 20 = 0 AND n % 3 > 0 THEN n % 5 ELSE 0 END)), now() - n * interval '1 minute'),
        'queued_at', now() - n * interval '1 minute',
        'started_at', CASE WHEN n % 7 > 0 THEN now() - n * interval '1 minute' END,
        'ended_at', CASE WHEN n > 20 THEN now() - n * interval '1 minute' END)) AS made
      WHERE run.id = 'plans'`.execute(db);
    await sql`INSERT INTO run_items (run_id, segment_id, result, code, size_bytes, key_text, record)
      SELECT 'plans', 's', CASE WHEN n % 10 = 0 THEN 'unsupported' ELSE 'failed' END,
        CASE WHEN n % 1000 = 7 THEN 'TOO_LARGE' ELSE (ARRAY['CHANGED', 'PERMISSION_DENIED', 'CORRUPTED'])[1 + n % 3] END,
        n * 7919 % 1000003, 'photos/' || (n % 97) || '/' || md5(n::text) || '.jpg',
        json_build_object('key', n::text, 'result', 'failed', 'kind', 'object', 'sizeBytes', n, 'code', 'CHANGED')
      FROM generate_series(${first}::integer, ${first + BATCH - 1}::integer) AS n`.execute(db);
  }
  await sql`INSERT INTO schedules (id, created_at, created_by, updated_at, job_id, rule, time_zone, run_kind, enabled, next_at)
    SELECT gen_random_uuid(), created_at, 'test', now(), id, '{"kind": "daily", "minutesOfDay": [120]}', 'UTC', 'transfer',
      last_run_at IS NOT NULL, last_run_at FROM jobs`.execute(db);
  await sql`INSERT INTO audit (at, actor_kind, actor_name, action, entity_kind, entity_id, changes)
    SELECT now(), 'person', 'Ana', CASE WHEN n % 1000 = 7 THEN 'connector.update' ELSE 'job.create' END,
      CASE WHEN n % 1000 = 7 THEN 'connector' ELSE 'job' END, n::text, '{}' FROM generate_series(1, ${ROWS}::integer) AS n`.execute(
    db,
  );
  for (const { definition } of indexes) await sql.raw(definition).execute(db);
  await sql`ANALYZE`.execute(db);
  Object.assign(values, {
    '<project>': often.projectId,
    '<few: project>': seldom.projectId,
    '<job>': often.jobId,
    '<few: job>': seldom.jobId,
    '<connector>': often.source.connectorId,
    '<few: connector>': seldom.source.connectorId,
    '<endpoint>': await endpointOf(often.jobId),
    '<few: endpoint>': await endpointOf(seldom.jobId),
    '<moment>': new Date(world.clock.now() - (ROWS / 2) * 60_000).toISOString(),
  });
}

async function makeEnds(name: string) {
  const connector = (end: string) => ({ provider: 'memory', config: {}, fingerprint: `${name}-${end}` });
  const [from, to] = [await makeConnector(world, connector('from')), await makeConnector(world, connector('to'))];
  return makeJob(world, { connectorId: from, container: 'a' }, { connectorId: to, container: 'b' });
}

async function endpointOf(jobId: string): Promise<string> {
  const row = await world.db.selectFrom('jobs').select('source_endpoint_id').where('id', '=', jobId).executeTakeFirst();
  return row?.source_endpoint_id as string;
}

const SORTS: Record<string, readonly string[]> = {
  jobs: ['name', 'createdAt', 'lastRunAt', 'nextRunAt'],
  runs: ['queuedAt', 'startedAt', 'endedAt', 'duration', 'bytes', 'failed'],
  items: ['number', 'size', 'key'],
  schedules: ['nextAt', 'createdAt'],
  audit: ['number'],
};

const FILTERS: Record<string, readonly (readonly [string, string])[]> = {
  jobs: [
    ['projectId', '<project>'],
    ['projectId', '<few: project>'],
    ['type', 'folder-to-cloud'],
    ['state', 'failed'],
    ['state', 'running'],
    ['endpointId', '<endpoint>'],
    ['endpointId', '<few: endpoint>'],
  ],
  runs: [
    ['state', 'failed'],
    ['state', 'cancelled'],
    ['kind', 'retry'],
    ['kind', 'validate'],
    ['trigger', 'person'],
    ['projectId', '<project>'],
    ['projectId', '<few: project>'],
    ['jobId', '<job>'],
    ['jobId', '<few: job>'],
    ['connectorId', '<connector>'],
    ['connectorId', '<few: connector>'],
    ['from', '<moment>'],
    ['to', '<moment>'],
  ],
  items: [
    ['result', 'unsupported'],
    ['code', 'CHANGED'],
    ['code', 'TOO_LARGE'],
  ],
  schedules: [
    ['projectId', '<project>'],
    ['projectId', '<few: project>'],
    ['enabled', 'false'],
    ['jobId', '<few: job>'],
  ],
  audit: [
    ['action', 'job.create'],
    ['action', 'connector.update'],
    ['entityKind', 'connector'],
  ],
};

/** By another moment than the one that is narrowed, a whole period may have to be read. */
const PERIODS = new Set(['from', 'to']);

const CASES = Object.keys(SORTS).flatMap((name) =>
  [[], ...(FILTERS[name] ?? [])].flatMap((filter) =>
    (SORTS[name] ?? [])
      .filter((sort) => sort === 'queuedAt' || !PERIODS.has(filter[0] ?? ''))
      .flatMap((sort) => [[name, filter, sort] as const, [name, filter, `-${sort}`] as const]),
  ),
);

describe('a page among very many', () => {
  test.each(CASES)(
    '%s with %j by %s, at the begin and further on, reads few rows',
    async (name, [key, given], sort) => {
      const list = lists[name] as List;
      const filter = key === undefined ? {} : { [key]: [values[given ?? ''] ?? given ?? ''] };
      const query: ListQuery = { limit: PAGE, sort, filter };
      const first = await list(query);
      expect(first.items.length).toBeGreaterThan(0);
      const far = await list({ ...query, at: 0.8 });
      expect(await watched.heavySteps(() => list(query), READ_MAX)).toEqual([]);
      for (const { nextCursor: cursor } of [first, far]) {
        if (cursor !== null) expect(await watched.heavySteps(() => list({ ...query, cursor }), READ_MAX)).toEqual([]);
      }
    },
  );
});

describe('what shows how many jobs it has', () => {
  test.each(['connectors', 'endpoints', 'timetables', 'projects'])('%s reads none of them', async (name) => {
    const list = lists[name] as List;
    const jobs = JSON.stringify((await list({})).items).match(/"jobs":(\d+)/g) ?? [];
    expect(jobs.map((text) => Number(text.slice(7))).some((count) => count >= ROWS * 0.9)).toBe(true);
    // Runs of a project are counted, in their index alone.
    const heavy = (await watched.heavySteps(() => list({}), READ_MAX)).filter(
      (step) => !step.startsWith('Index Only Scan runs runs_project:'),
    );
    expect(heavy).toEqual([]);
  });
});
