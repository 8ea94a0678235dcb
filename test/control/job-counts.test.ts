/** What lists say about how many jobs something has is what there is, whoever makes and deletes jobs at the same time. */
import { sql, type Transaction } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openConnectors } from '../../src/control/connectors/service.ts';
import type { Schema } from '../../src/control/database/schema.ts';
import { openEndpoints } from '../../src/control/endpoints/service.ts';
import { newId } from '../../src/control/ids.ts';
import { openProjects } from '../../src/control/projects/service.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { openTimetables } from '../../src/control/timetables/service.ts';
import type { Db } from '../../src/control/world.ts';
import { makeConnector, makeJob, type MadeJob } from './made.ts';

let world: TestWorld;
let both: MadeJob;
let one: MadeJob;
let connectors: readonly string[];
let timetableId: string;

beforeAll(async () => {
  world = await openTestWorld();
  const connector = (fingerprint: string) => makeConnector(world, { provider: 'memory', config: {}, fingerprint });
  connectors = [await connector('from'), await connector('to'), await connector('unused')];
  const [from, to] = connectors as [string, string];
  both = await makeJob(world, { connectorId: from, container: 'a' }, { connectorId: to, container: 'b' });
  one = await makeJob(world, { connectorId: from, container: 'a' }, { connectorId: from, container: 'c' });
  timetableId = newId(world);
  await sql`INSERT INTO timetables (id, created_at, created_by, updated_at, name, timetable)
    VALUES (${timetableId}, now(), 'test', now(), 'Nights', '{"timeZone": "UTC", "rules": []}')`.execute(world.db);
});

afterAll(() => world.close());

/** So many more like that one. */
async function copy(db: Db | Transaction<Schema>, { jobId }: MadeJob, count: number, timetable = false): Promise<void> {
  await sql`INSERT INTO jobs SELECT (jsonb_populate_record(job, jsonb_build_object('id', gen_random_uuid(),
      'name', gen_random_uuid(), 'timetable_id', ${timetable ? timetableId : null}::uuid))).*
    FROM jobs AS job, generate_series(1, ${count}::integer) WHERE job.id = ${jobId}::uuid`.execute(db);
}

async function remove({ projectId }: MadeJob, count: number): Promise<void> {
  await sql`DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs WHERE project_id = ${projectId} LIMIT ${count}::integer)`.execute(world.db);
}

/** Of everything that there is, as its list says. */
async function shown(): Promise<Record<string, number>> {
  const viewer = world.as('viewer');
  const never = undefined as never;
  const [counted, projects] = [{ limit: 1_000 }, openProjects(world, never)];
  return Object.fromEntries([
    ...(await openConnectors(world).list(viewer, counted)).items.map(({ id, usedBy }) => [id, usedBy.jobs]),
    ...(await openEndpoints(world, never).list(viewer, counted)).items.map(({ id, usedBy }) => [id, usedBy.jobs]),
    ...(await projects.list(viewer, counted)).items.map(({ id, counts }) => [id, counts.jobs]),
    ...(await openTimetables(world).list(viewer, counted)).items.map(({ id, usedBy }) => [id, usedBy.jobs]),
  ]);
}

async function counted(): Promise<Record<string, number>> {
  const { rows } = await sql<{ id: string; jobs: number }>`
    SELECT id, (SELECT count(*)::int FROM jobs WHERE project_id = each.id OR timetable_id = each.id
      OR each.id IN (source_endpoint_id, target_endpoint_id)) AS jobs
    FROM (SELECT id FROM projects UNION SELECT id FROM timetables UNION SELECT id FROM endpoints) AS each
    UNION SELECT connectors.id, (SELECT count(*)::int FROM jobs JOIN endpoints AS source ON source.id = source_endpoint_id
        JOIN endpoints AS target ON target.id = target_endpoint_id
        WHERE connectors.id IN (source.connector_id, target.connector_id)) FROM connectors`.execute(world.db);
  return Object.fromEntries(rows.map(({ id, jobs }) => [id, jobs]));
}

async function keptRows(): Promise<number> {
  const row = await world.db
    .selectFrom('job_counts')
    .select(sql<number>`count(*)::int`.as('rows'))
    .executeTakeFirst();
  return row?.rows ?? -1;
}

test('jobs that are made, deleted and given another timetable', async () => {
  expect((await shown())[connectors[0] as string]).toBe(2);
  await copy(world.db, both, 7, true);
  await copy(world.db, one, 3);
  expect(await shown()).toEqual(await counted());
  await sql`UPDATE jobs SET timetable_id = NULL WHERE id IN (SELECT id FROM jobs WHERE timetable_id IS NOT NULL LIMIT 2)`.execute(
    world.db,
  );
  await sql`UPDATE jobs SET timetable_id = ${timetableId} WHERE project_id = ${one.projectId}`.execute(world.db);
  expect((await shown())[timetableId]).toBe(9);
  await remove(both, 4);
  expect(await shown()).toEqual(await counted());
});

test('whoever makes jobs at the same time waits for nobody, sums stay right, and rows are folded again', async () => {
  const first = await world.db.startTransaction().execute();
  await copy(first, both, 2);
  const second = await world.db.startTransaction().execute();
  // The first one has not ended and holds the rows of the same project, endpoints and connectors.
  await sql`SET LOCAL lock_timeout = 1000`.execute(second);
  await copy(second, both, 5);
  await remove(one, 1);
  expect(await shown()).toEqual(await counted());
  await first.commit().execute();
  expect(await shown()).toEqual(await counted());
  await second.rollback().execute();
  expect(await shown()).toEqual(await counted());
  await copy(world.db, both, 1);
  await copy(world.db, one, 1, true);
  expect(await shown()).toEqual(await counted());
  const known = Object.values(await counted()).filter((jobs) => jobs > 0);
  expect(await keptRows()).toBe(known.length);
});

test('a project that goes takes its jobs out of every count', async () => {
  const projects = openProjects(world, { removeFilesOf: async () => undefined });
  const { id, counts } = await projects.get(world.as('admin'), both.projectId);
  await projects.remove(world.as('admin'), id, null, counts.jobs);
  expect(await shown()).toEqual(await counted());
  expect((await shown())[connectors[1] as string]).toBe(0);
});
