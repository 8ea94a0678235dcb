/** What somebody has looked at leaves the overview until something new happens. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { makeConnector, makeJob, makeRunRow, type MadeJob } from '../../../test/control/made.ts';
import { newId } from '../ids.ts';
import type { Attention, Dismissals } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { attentionOf, markedBy } from './attention.ts';
import { openDismissals } from './dismissals.ts';

let world: TestWorld;
let desk: Dismissals;
let connectorId: string;
let job: MadeJob;
let runs = 0;
beforeAll(async () => {
  world = await openTestWorld();
  desk = openDismissals(world);
});
afterAll(() => world.close());
beforeEach(async () => {
  await sql`TRUNCATE connectors, projects, workers, subscriptions, dismissals CASCADE`.execute(world.db);
  connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
});

const listed = async (): Promise<readonly Attention[]> => (await attentionOf(world.db)).attention;
const change = (statement: string): Promise<unknown> => sql.raw(statement).execute(world.db);

async function only(): Promise<Attention> {
  const all = await listed();
  expect(all).toHaveLength(1);
  return all[0] as Attention;
}

async function addRun(state: string): Promise<string> {
  runs += 1;
  const id = `dismissed${String(runs).padStart(3, '0')}`;
  await makeRunRow(world, job, id, { state: 'running' });
  await sql`UPDATE runs SET state = ${state}, updated_at = clock_timestamp(),
    waits = ${state === 'paused' ? JSON.stringify({ kind: 'attention', text: 'The reason of it.', connectorId }) : null}::jsonb,
    ended_at = CASE WHEN ${state} = 'failed' THEN clock_timestamp() END WHERE id = ${id}`.execute(world.db);
  return id;
}

async function addSchedule(): Promise<string> {
  const id = newId(world);
  await sql`INSERT INTO schedules (id, created_at, created_by, updated_at, job_id, rule, time_zone, run_kind, enabled)
    VALUES (${id}, now(), 'x', now() - interval '1 hour', ${job.jobId}, '{}', 'UTC', 'transfer', true)`.execute(
    world.db,
  );
  return id;
}

const skip = (id: string): Promise<unknown> =>
  sql`INSERT INTO schedule_events (schedule_id, at, outcome, detail)
    VALUES (${id}, clock_timestamp(), 'skipped', 'The reason of it.')`.execute(world.db);

const NEEDS = `UPDATE connectors SET health = 'needs-attention', health_reason = '{"message":"Let in no more."}'`;
const SYNC_ERROR = `UPDATE connectors SET cloud = '{"lastSyncAt":"2026-01-01T00:00:00Z","lastSyncError":{"message":"No."}}'`;

interface Case {
  readonly arrange: () => Promise<unknown>;
  /** Nothing new. */
  readonly same: () => Promise<unknown>;
  readonly news: () => Promise<unknown>;
}

const CASES: Readonly<Record<string, Case>> = {
  'a run that failed: the next one that fails': {
    arrange: () => addRun('failed'),
    same: () => change('UPDATE runs SET version = version + 1'),
    news: () => addRun('failed'),
  },
  'a run that waits: when it waits once more': {
    arrange: () => addRun('paused'),
    same: () => change('UPDATE runs SET sequence = sequence + 1'),
    news: () => change('UPDATE runs SET updated_at = clock_timestamp()'),
  },
  'a connector that lets nobody in: a run that has to wait for it': {
    arrange: () => change(NEEDS),
    same: () => change("UPDATE connectors SET checked_at = clock_timestamp() + interval '1 minute'"),
    news: () => addRun('paused'),
  },
  'a connector that lets nobody in: another reason': {
    arrange: () => change(NEEDS),
    same: () => change(NEEDS),
    news: () => change(NEEDS.replace('Let in', 'Known')),
  },
  'a connector that lets nobody in: that it did meanwhile': {
    arrange: () => change(NEEDS),
    same: () => change(NEEDS),
    news: async () => {
      await change("UPDATE connectors SET health = 'healthy', health_reason = NULL");
      await change(NEEDS);
    },
  },
  'an inventory: that it could be taken meanwhile': {
    arrange: () => change(SYNC_ERROR),
    same: () => change(SYNC_ERROR.replace('2026', '2027')),
    news: async () => {
      await change(`UPDATE connectors SET cloud = '{"lastSyncAt":"2027-01-01T00:00:00Z","lastSyncError":null}'`);
      await change(SYNC_ERROR);
    },
  },
  'a schedule: the next moment that is skipped': {
    arrange: async () => skip(await addSchedule()),
    same: () => change('UPDATE schedules SET version = version + 1'),
    news: async () => {
      const { id } = (await sql<{ id: string }>`SELECT id FROM schedules`.execute(world.db)).rows[0] as { id: string };
      await skip(id);
    },
  },
  'a file: that it failed once more': {
    arrange: async () => {
      const id = newId(world);
      const runId = await addRun('succeeded');
      await sql`INSERT INTO artifacts (id, run_id, kind, file_name, object_name, state, created_at, created_by)
        VALUES (${id}, ${runId}, 'manifest', 'the file', 'o', 'failed', now(), 'x')`.execute(world.db);
    },
    same: () => change('UPDATE artifacts SET attempts = attempts + 1'),
    news: async () => {
      await change("UPDATE artifacts SET state = 'pending'");
      await change("UPDATE artifacts SET state = 'failed'");
    },
  },
  'files of a run: never by themselves': {
    arrange: async () => {
      const id = await addRun('succeeded');
      await sql`UPDATE runs SET cleaning_attempts = 5, cleaning_after = now() WHERE id = ${id}`.execute(world.db);
    },
    same: () => change("UPDATE runs SET cleaning_attempts = 9, cleaning_after = now() + interval '1 day'"),
    news: () => change('DELETE FROM dismissals'),
  },
  'that nobody is there: another run that waits': {
    arrange: () => addRun('queued'),
    same: () => change("UPDATE runs SET updated_at = clock_timestamp() + interval '1 second'"),
    news: () => addRun('queued'),
  },
};

test.each(Object.entries(CASES))('comes back: %s', async (_what, { arrange, same, news }) => {
  const operator = world.as('operator');
  await arrange();
  const entry = await only();
  const made = await desk.create(operator, { mark: entry.mark, note: 'Known.' });
  expect(made).toMatchObject({ mark: entry.mark, kind: entry.kind, entityId: entry.id, name: entry.name });
  expect(made).toMatchObject({ text: entry.text, note: 'Known.', createdBy: operator.name });
  expect(await listed()).toEqual([]);
  await same();
  expect(await listed()).toEqual([]);
  // Once more changes nothing.
  expect((await desk.create(operator, { mark: entry.mark })).id).toBe(made.id);
  await news();
  expect((await only()).name).not.toBe('');
});

test('what is new is not dismissed with the mark of what was seen before', async () => {
  const id = await addRun('paused');
  const { mark } = await only();
  await sql`UPDATE runs SET updated_at = clock_timestamp() + interval '1 second' WHERE id = ${id}`.execute(world.db);
  await expect(desk.create(world.as('admin'), { mark })).rejects.toMatchObject({
    code: 'ENTITY_NOT_FOUND',
    field: 'mark',
  });
  for (const wrong of ['', 'x', `run.${id}.99999999999999.`, 'failed-run.-.1.zz']) {
    await expect(desk.create(world.as('admin'), { mark: wrong })).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  }
  expect(await only()).toMatchObject({ id });
});

test('dismissing and taking that back are audited, and only for whoever may run something', async () => {
  const id = await addRun('failed');
  const { mark, name, text } = await only();
  await expect(desk.create(world.as('viewer'), { mark })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  const made = await desk.create(world.as('operator'), { mark, note: 'On purpose.' });
  await expect(desk.remove(world.as('viewer'), made.id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect((await desk.list(world.as('viewer'), { filter: { kind: ['run'] } })).items).toEqual([made]);
  expect((await desk.list(world.as('viewer'), { filter: { kind: ['worker'] } })).items).toEqual([]);
  expect(await desk.get(world.as('viewer'), made.id)).toEqual(made);
  await desk.remove(world.as('operator'), made.id);
  expect(await only()).toMatchObject({ mark });
  await expect(desk.remove(world.as('operator'), made.id)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
  const { rows } = await sql`SELECT action, entity_kind, entity_name, changes FROM audit WHERE entity_id = ${id}
    ORDER BY number`.execute(world.db);
  expect(rows).toEqual([
    {
      action: 'attention.dismiss',
      entity_kind: 'run',
      entity_name: name,
      changes: { text: [text, null], note: [null, 'On purpose.'] },
    },
    { action: 'attention.restore', entity_kind: 'run', entity_name: name, changes: {} },
  ]);
});

test('of what was deleted nothing is kept', async () => {
  const first = await addRun('failed');
  await desk.create(world.as('admin'), { mark: (await only()).mark });
  await sql`DELETE FROM runs WHERE id = ${first}`.execute(world.db);
  await addRun('failed');
  await desk.create(world.as('admin'), { mark: (await only()).mark });
  expect((await desk.list(world.as('admin'), {})).items).toHaveLength(1);
});

test('marks', () => {
  expect(markedBy('worker.-.5.')).toEqual({ what: 'worker', entityId: '-', since: new Date(5), cause: '' });
  for (const none of ['', 'a', 'a.b.c.', 'A.b.1.', 'a.b.1', "a.b';.1."]) expect(markedBy(none)).toBeNull();
});
