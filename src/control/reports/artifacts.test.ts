/** Files made from runs: listed over all runs, removed by whoever may. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openFleetTest, type FleetTest, type MemoryJob } from '../../../test/control/fleet-world.ts';
import { PERSON, rowOpener } from '../../../test/control/made.ts';
import type { Artifact } from '../entities.ts';
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

async function ran(job: MemoryJob): Promise<string> {
  const { id } = await fleet.start(job);
  await fleet.until(id, 'succeeded');
  return id;
}

async function make(runId: string, kind: Artifact['kind']): Promise<Artifact> {
  const { id } = await reports.request(PERSON, runId, kind, { spotCheck: 0 });
  while ((await reports.tick(NEVER)) > 0);
  return reports.get(PERSON, id);
}

test('are listed over all runs, newest first, by run, job, kind and state, and by size', async () => {
  const [one, other] = [await fleet.job({ objects: 2 }), await fleet.job({ objects: 2 })];
  const [first, second] = [await ran(one), await ran(other)];
  const report = await make(first, 'report-html');
  const log = await make(first, 'copy-log-csv');
  const json = await make(second, 'report-json');
  const ids = async (query: object) => (await reports.all(PERSON, query)).items.map(({ id }) => id);
  expect(await ids({})).toEqual([json.id, log.id, report.id]);
  expect((await reports.list(PERSON, first)).map(({ id }) => id)).toEqual([log.id, report.id]);
  expect(await ids({ filter: { runId: [first] } })).toEqual([log.id, report.id]);
  expect(await ids({ filter: { jobId: [other.jobId] } })).toEqual([json.id]);
  expect(await ids({ filter: { kind: ['report-html', 'report-json'], state: ['ready'] } })).toEqual([
    json.id,
    report.id,
  ]);
  // What is made as it is read has no size, and stands last when the largest come first.
  const bySize = [json, report].toSorted((a, b) => Number(b.sizeBytes) - Number(a.sizeBytes)).map(({ id }) => id);
  expect(await ids({ sort: '-size' })).toEqual([...bySize, log.id]);
  expect(await ids({ sort: 'size' })).toEqual([log.id, ...bySize.toReversed()]);
  const page = await reports.all(PERSON, { limit: 2, withTotal: true });
  expect(page).toMatchObject({ total: 3, items: [{ id: json.id }, { id: log.id }] });
  expect(await ids({ limit: 2, cursor: page.nextCursor as string })).toEqual([report.id]);
});

test('are removed with their content, by whoever may, and not while they are made', async () => {
  const run = await ran(await fleet.job({ objects: 2 }));
  const { world } = fleet;
  const { id } = await make(run, 'report-html');
  const files = () => world.artifacts.list(`reports/${run}/${id}`);
  expect(await files()).toHaveLength(1);
  await expect(reports.remove(world.as('viewer'), id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await sql`UPDATE artifacts SET state = 'pending', taken_until = now() + interval '1 minute' WHERE id = ${id}`.execute(
    world.db,
  );
  await expect(reports.remove(PERSON, id)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  expect(await files()).toHaveLength(1);
  await sql`UPDATE artifacts SET state = 'ready', taken_until = NULL WHERE id = ${id}`.execute(world.db);
  await reports.remove(PERSON, id);
  expect(await files()).toEqual([]);
  await expect(reports.get(PERSON, id)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  await expect(reports.remove(PERSON, id)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  const audit = await world.db.selectFrom('audit').selectAll().where('action', '=', 'artifact.remove').execute();
  expect(audit).toMatchObject([{ entity_id: id, actor_name: PERSON.name, changes: { runId: [run, null] } }]);
});

test('whose content cannot be removed stay listed, say that it is gone, and can be removed again', async () => {
  const run = await ran(await fleet.job({ objects: 1 }));
  const { world, store, runs } = fleet;
  const { id } = await make(run, 'report-html');
  const removeAll = async (): Promise<void> => {
    throw new Error('the disk is gone');
  };
  const { artifacts } = world;
  const stuck = openReports(
    {
      ...world,
      artifacts: {
        put: artifacts.put.bind(artifacts),
        get: artifacts.get.bind(artifacts),
        list: artifacts.list.bind(artifacts),
        removeAll,
      },
    },
    { store, openConnector: rowOpener(world), runOf: runs.get, snapshotOf: runs.snapshot },
  );
  await expect(stuck.remove(PERSON, id)).rejects.toThrow('the disk is gone');
  expect((await reports.get(PERSON, id)).state).toBe('expired');
  await expect(reports.download(PERSON, id)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  await reports.remove(PERSON, id);
  expect(await world.artifacts.list(`reports/${run}/${id}`)).toEqual([]);
});

test('are removed while nothing is locked', async () => {
  const run = await ran(await fleet.job({ objects: 1 }));
  const { world, store, runs } = fleet;
  const { id } = await make(run, 'report-html');
  const seen: unknown[] = [];
  const looking = {
    removeAll: async (prefix: string) => {
      const { rows } = await sql`SELECT state FROM artifacts WHERE id = ${id} FOR UPDATE NOWAIT`.execute(world.db);
      seen.push(...rows);
      await world.artifacts.removeAll(prefix);
    },
  };
  const parts = { store, openConnector: rowOpener(world), runOf: runs.get, snapshotOf: runs.snapshot };
  const artifacts = Object.assign(Object.create(world.artifacts), looking);
  await openReports({ ...world, artifacts }, parts).remove(PERSON, id);
  expect(seen).toEqual([{ state: 'expired' }]);
});
