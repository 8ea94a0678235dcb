/** No row per object: what a run adds to the database does not grow with its objects. */
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openFleetTest } from './fleet-world.ts';

const OBJECTS = 30_000;
/** 20 MB for a million objects. */
const BYTES_PER_OBJECT_MAX = 20;

test('a run without failures adds next to nothing to the database, however many objects it moves', async () => {
  await using fleet = await openFleetTest();
  await fleet.worker('one');
  const grownBytes = async (objects: number): Promise<number> => {
    const job = await fleet.job({ objects });
    // A store in memory answers without ever letting anything else run, renewals of leases among it.
    job.from.hooks.before = () => new Promise((resolve) => setImmediate(resolve));
    const beforeBytes = await sizeBytes();
    const run = await fleet.start(job);
    const ended = await fleet.until(run.id, 'succeeded');
    expect(ended.counters.items).toMatchObject({ scanned: objects, copied: objects });
    return (await sizeBytes()) - beforeBytes;
  };
  const sizeBytes = async (): Promise<number> => {
    const { rows } = await sql<{ bytes: number }>`SELECT pg_database_size(current_database()) AS bytes`.execute(
      fleet.world.db,
    );
    return Number(rows[0]?.bytes);
  };
  // The first pages of tables and indexes are no growth.
  await grownBytes(1);
  expect(await grownBytes(OBJECTS)).toBeLessThan(OBJECTS * BYTES_PER_OBJECT_MAX);
});
