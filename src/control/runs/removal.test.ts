import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeConnector, makeJob, makeRunRow, type MadeJob } from '../../../test/control/made.ts';
import { databaseNow } from '../database/now.ts';
import { openRetention } from '../retention/retention.ts';
import type { Runs } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openRuns } from './service.ts';

let world: TestWorld;
let runs: Runs;
let job: MadeJob;

beforeAll(async () => {
  world = await openTestWorld();
  const connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
  const preflight = async (): Promise<never> => Promise.reject(new Error('nothing starts here'));
  runs = openRuns(world, { preflight, append: async () => undefined });
});
afterAll(async () => world.close());

let made = 0;
async function makeRun(change: { state?: string; pairId?: string; snapshot?: boolean } = {}): Promise<string> {
  const { state = 'succeeded', pairId = 'p', snapshot = false } = change;
  const id = `removal0${(made += 1)}`;
  await makeRunRow(world, job, id, {
    state,
    pairId,
    queuedAtMs: made * 1_000,
    ...(snapshot ? { manifestRoot: 'r' } : {}),
  });
  await sql`INSERT INTO run_log (run_id, at, level, message) VALUES (${id}, now(), 'info', 'x')`.execute(world.db);
  await world.artifacts.put(`runs/${id}/snapshot.json`, Buffer.from('x'));
  return id;
}

async function filesOf(id: string): Promise<number> {
  return (await world.artifacts.list(`runs/${id}/`)).length;
}

const lastOf = async () =>
  (
    await sql<{ id: string | null; state: string | null }>`
    SELECT last_run_id AS id, last_state AS state FROM jobs WHERE id = ${job.jobId}`.execute(world.db)
  ).rows[0];

test('an ended run goes with its rows and files, and its job shows the one before', async () => {
  const [before, last] = [await makeRun({ state: 'failed' }), await makeRun({ state: 'cancelled' })];
  expect(await lastOf()).toEqual({ id: last, state: 'cancelled' });
  await runs.remove(world.as('operator'), last);
  await expect(runs.get(world.as('viewer'), last)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  expect((await sql`SELECT FROM run_log WHERE run_id = ${last}`.execute(world.db)).rows).toEqual([]);
  expect(await filesOf(last)).toBe(0);
  expect(await filesOf(before)).toBe(1);
  expect(await lastOf()).toEqual({ id: before, state: 'failed' });
  expect((await sql`SELECT FROM removed_runs`.execute(world.db)).rows).toEqual([]);
  const { rows } = await sql`SELECT action FROM audit WHERE entity_id = ${last}`.execute(world.db);
  expect(rows).toEqual([{ action: 'run.remove' }]);
  await runs.remove(world.as('operator'), before);
  expect(await lastOf()).toEqual({ id: null, state: null });
});

test('what goes on, what a retry reads and what the next run compares with is kept, and says why', async () => {
  const going = await makeRun({ state: 'paused' });
  const [older, newest] = [await makeRun({ snapshot: true }), await makeRun({ snapshot: true })];
  const failed = await makeRun({ state: 'failed' });
  const retry = await makeRun({ state: 'queued' });
  await sql`UPDATE runs SET retry_of = ${failed} WHERE id = ${retry}`.execute(world.db);
  const removed = (id: string) => runs.remove(world.as('operator'), id);
  await expect(removed(going)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  await expect(removed(newest)).rejects.toMatchObject({ code: 'IN_USE' });
  await expect(removed(failed)).rejects.toMatchObject({ code: 'IN_USE' });
  for (const id of [going, newest, failed]) expect(await filesOf(id)).toBe(1);
  await expect(runs.remove(world.as('viewer'), older)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await removed(older);
  await sql`UPDATE runs SET state = 'failed' WHERE id = ${retry}`.execute(world.db);
  await removed(failed);
});

test('files that could not be removed leave the run, to be deleted again', async () => {
  const id = await makeRun();
  const removing = { removeAll: async () => Promise.reject(new Error('the disk is away')) };
  const artifacts = Object.assign(Object.create(world.artifacts), removing);
  const broken = openRuns({ ...world, artifacts }, { preflight: null as never, append: async () => undefined });
  await expect(broken.remove(world.as('operator'), id)).rejects.toThrow('the disk is away');
  expect((await runs.get(world.as('viewer'), id)).id).toBe(id);
  await runs.remove(world.as('operator'), id);
  expect(await filesOf(id)).toBe(0);
});

test('of a run whose removal broke off the files go all the same, after a while', async () => {
  const id = await makeRun();
  const removing = { removeAll: async () => Promise.reject(new Error('this server ends')) };
  const artifacts = Object.assign(Object.create(world.artifacts), removing);
  const broken = openRuns({ ...world, artifacts }, { preflight: null as never, append: async () => undefined });
  await expect(broken.remove(world.as('operator'), id)).rejects.toThrow('this server ends');
  const retention = (hours: number) => openRetention(world, async (db) => (await databaseNow(db)) + hours * 3_600_000);
  await retention(0.5).tick(new AbortController().signal);
  expect(await filesOf(id)).toBe(1);
  await retention(1.5).tick(new AbortController().signal);
  expect(await filesOf(id)).toBe(0);
  expect((await runs.get(world.as('viewer'), id)).id).toBe(id);
});

describe('a run that may have left uploads open at its target', () => {
  const intent = (runId: string, n: number) =>
    sql`INSERT INTO intents (run_id, intent_id, intent)
      VALUES (${runId}, ${`i${n}`}, ${JSON.stringify({ runId, targetKey: `large-${n}` })})`.execute(world.db);

  async function makeLeaver(): Promise<string> {
    const id = await makeRun({ state: 'cancelled' });
    for (const n of [1, 2, 3, 4, 5]) await intent(id, n);
    return id;
  }

  test('is kept whole, with its journal, until they were ended', async () => {
    const id = await makeLeaver();
    const said = { code: 'IN_USE', message: expect.stringContaining('"large-1", "large-2", "large-3" and 2 more') };
    await expect(runs.remove(world.as('operator'), id)).rejects.toMatchObject(said);
    expect(await filesOf(id)).toBe(1);
    expect((await sql`SELECT FROM runs WHERE id = ${id} AND NOT logs_expired`.execute(world.db)).rows).toHaveLength(1);
    expect((await sql`SELECT FROM intents WHERE run_id = ${id}`.execute(world.db)).rows).toHaveLength(5);
    await sql`DELETE FROM intents WHERE run_id = ${id}`.execute(world.db);
    await runs.remove(world.as('operator'), id);
  });

  test('goes when somebody says that they may stay there, and the audit log says how many', async () => {
    const id = await makeLeaver();
    await runs.remove(world.as('operator'), id, { forgetUploads: true });
    const { rows } = await sql`SELECT changes FROM audit WHERE entity_id = ${id}`.execute(world.db);
    expect(rows).toEqual([{ changes: { openUploads: [5, 0] } }]);
  });

  test('is not removed when it leaves one while its files go', async () => {
    const id = await makeRun({ state: 'failed' });
    const removing = {
      removeAll: async (prefix: string) => {
        if (prefix.startsWith('reports/')) await intent(id, 1);
      },
    };
    const artifacts = Object.assign(Object.create(world.artifacts), removing);
    const late = openRuns({ ...world, artifacts }, { preflight: null as never, append: async () => undefined });
    await expect(late.remove(world.as('operator'), id)).rejects.toMatchObject({ code: 'IN_USE' });
    expect((await runs.get(world.as('viewer'), id)).id).toBe(id);
  });
});
