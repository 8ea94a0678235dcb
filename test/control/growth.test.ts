/** No row per object: what a run adds to the database does not grow with its objects. */
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openFleetTest } from './fleet-world.ts';

const OBJECTS = 30_000;

test('a run without failures adds next to nothing to the database, however many objects it moves', async () => {
  await using fleet = await openFleetTest();
  const sizeBytes = async (): Promise<number> => {
    const { rows } = await sql<{ bytes: number }>`SELECT pg_database_size(current_database()) AS bytes`.execute(
      fleet.world.db,
    );
    return Number(rows[0]?.bytes);
  };
  const job = await fleet.job({ objects: OBJECTS });
  // A store in memory answers without ever letting anything else run, renewals of leases among it.
  job.from.hooks.before = () => new Promise((resolve) => setImmediate(resolve));
  const beforeBytes = await sizeBytes();
  await fleet.worker('one');
  const run = await fleet.start(job);
  const ended = await fleet.until(run.id, 'succeeded');
  expect(ended.counters.items).toMatchObject({ scanned: OBJECTS, copied: OBJECTS });
  // 20 MB for a million objects, beside what the tables need for their first rows.
  expect((await sizeBytes()) - beforeBytes).toBeLessThan(OBJECTS * 20 + 500_000);
});
