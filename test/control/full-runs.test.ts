/** Workers ask every few seconds which runs a limit keeps them out of: without a limit nobody counts who was at work. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fullAmong } from '../../src/control/fleet/transfers.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { makeConnector, makeJob, makeRunRow } from './made.ts';
import { watchQueries } from './plans.ts';

const PAST = 5_000;

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld();
});
afterAll(() => world.close());

test.each([
  [null, []],
  [2, ['going']],
  [3, []],
] as const)('with %s transfers at a time', async (transfersMax, full) => {
  const { db } = world;
  await sql`DELETE FROM runs`.execute(db);
  const limits = { requestsPerSecond: null, transfersMax };
  const connector = (fingerprint: string) =>
    makeConnector(world, { provider: 'memory', config: {}, fingerprint, limits });
  const [from, to] = [await connector(`from ${transfersMax}`), await connector(`to ${transfersMax}`)];
  const job = await makeJob(world, { connectorId: from, container: 'a' }, { connectorId: to, container: 'b' });
  await makeRunRow(world, job, 'past', { state: 'succeeded' });
  await makeRunRow(world, job, 'going');
  await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at, left_at)
    SELECT 'past', gen_random_uuid(), now() - interval '1 day', now() - interval '1 day', now() - interval '1 day'
    FROM generate_series(1, ${PAST}::integer)`.execute(db);
  await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at)
    SELECT 'going', gen_random_uuid(), now(), now() + interval '30 seconds' FROM generate_series(1, 2)`.execute(db);
  await sql`ANALYZE run_workers`.execute(db);
  expect([...(await fullAmong(db, ['going'])).keys()]).toEqual(full);
  const watched = watchQueries(world);
  const heavy = await watched.heavySteps(() => fullAmong(watched.db, ['going']), PAST - 1);
  if (transfersMax === null) expect(heavy).toEqual([]);
});
