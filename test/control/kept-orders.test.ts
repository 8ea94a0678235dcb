/** What lists are sorted by is kept in the rows, in step with what it is made of. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/control/ids.ts';
import { openJobs } from '../../src/control/jobs/service.ts';
import { openRuns } from '../../src/control/runs/service.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { makeConnector, makeJob, makeRunRow, type MadeJob } from './made.ts';

let world: TestWorld;
let job: MadeJob;
let other: MadeJob;
beforeAll(async () => {
  world = await openTestWorld();
  const connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
  other = await makeJob(world, { connectorId, container: 'u' }, { connectorId, container: 'v' });
});
afterAll(() => world.close());

async function never(): Promise<never> {
  throw new Error('Nobody is asked.');
}

const jobs = () =>
  openJobs(world, { preflight: never, grant: never, cleanup: { removeFilesOf: async () => undefined } });
const runs = () => openRuns(world, { preflight: never, append: never });

async function addSchedule(jobId: string, next: string | null, enabled = true): Promise<string> {
  const id = newId(world);
  await sql`INSERT INTO schedules (id, created_at, created_by, updated_at, job_id, rule, time_zone, run_kind, enabled, next_at)
    VALUES (${id}, now(), 'x', now(), ${jobId}, '{}', 'UTC', 'transfer', ${enabled}, ${next})`.execute(world.db);
  return id;
}

const nextOf = async ({ jobId }: MadeJob): Promise<string | null> =>
  (await jobs().get(world.as('viewer'), jobId)).nextRunAt;

test('the next run of a job is the first of its enabled schedules, whatever changes one of them', async () => {
  const [early, late, later] = ['2027-01-01T00:00:00.000Z', '2027-02-01T00:00:00.000Z', '2027-03-01T00:00:00.000Z'];
  expect(await nextOf(job)).toBeNull();
  await addSchedule(job.jobId, early, false);
  expect(await nextOf(job)).toBeNull();
  const one = await addSchedule(job.jobId, late);
  const two = await addSchedule(job.jobId, later);
  expect(await nextOf(job)).toBe(late);
  await sql`UPDATE schedules SET next_at = ${early} WHERE id = ${two}`.execute(world.db);
  expect(await nextOf(job)).toBe(early);
  await sql`UPDATE schedules SET enabled = false WHERE id = ${two}`.execute(world.db);
  expect(await nextOf(job)).toBe(late);
  await addSchedule(other.jobId, early);
  const byNext = async (sort: string) =>
    (await jobs().list(world.as('viewer'), { sort })).items.map(({ nextRunAt }) => nextRunAt);
  expect(await byNext('nextRunAt')).toEqual([early, late]);
  expect(await byNext('-nextRunAt')).toEqual([late, early]);
  await sql`DELETE FROM schedules WHERE id = ${one}`.execute(world.db);
  expect(await nextOf(job)).toBeNull();
  expect(await byNext('-nextRunAt')).toEqual([early, null]);
});

test('of two schedules that change at once, both count', async () => {
  const [one, two] = [await addSchedule(job.jobId, null), await addSchedule(job.jobId, null)];
  for (let round = 0; round < 40; round++) {
    const at = [1, 2].map((day) => `2027-05-0${1 + ((day + round) % 2)}T00:00:${String(round).padStart(2, '0')}.000Z`);
    await Promise.all(
      [one, two].map((id, which) =>
        sql`UPDATE schedules SET next_at = ${at[which]} WHERE id = ${id}`.execute(world.db),
      ),
    );
    expect(await nextOf(job)).toBe(at.toSorted()[0]);
  }
});

test('deleting a job and moving its schedules on never wait for each other in a circle', async () => {
  const { target, source } = job;
  for (let round = 0; round < 20; round++) {
    const own = await makeJob(world, source, target);
    const ids = await Promise.all([1, 2, 3].map((day) => addSchedule(own.jobId, `2027-06-0${day}T00:00:00Z`)));
    const moving = ids.map((id) =>
      sql`UPDATE schedules SET next_at = next_at + interval '1 hour' WHERE id = ${id}`.execute(world.db),
    );
    await Promise.all([jobs().remove(world.as('admin'), own.jobId, null), ...moving]);
  }
});

test('runs are sorted by what they moved, and by how much of it failed', async () => {
  const amounts = [
    [500, 2],
    [9_000_000_000_000, 0],
    [0, 30],
    [0, 0],
  ] as const;
  for (const [at, [copied, failed]] of amounts.entries()) {
    const id = `orders-${at}`;
    await makeRunRow(world, job, id, { state: 'succeeded', queuedAtMs: 1_000_000_000_000 + at * 60_000 });
    const counters = JSON.stringify({ bytes: { copied }, items: { failed } });
    await sql`UPDATE runs SET counters = ${counters}::jsonb WHERE id = ${id}`.execute(world.db);
  }
  const by = async (sort: string, filter = {}) =>
    (await runs().list(world.as('viewer'), { sort, filter })).items.map(({ counters: { bytes, items } }) => [
      bytes.copied,
      items.failed,
    ]);
  // Of those that are the same, the one that was queued first.
  expect(await by('bytes')).toEqual([amounts[2], amounts[3], amounts[0], amounts[1]]);
  expect(await by('-bytes', { state: ['succeeded'] })).toEqual([amounts[1], amounts[0], amounts[3], amounts[2]]);
  expect(await by('failed')).toEqual([amounts[1], amounts[3], amounts[0], amounts[2]]);
  expect(await by('-failed', { state: ['succeeded', 'failed'], kind: ['transfer'] })).toEqual([
    amounts[2],
    amounts[0],
    amounts[3],
    amounts[1],
  ]);
});
