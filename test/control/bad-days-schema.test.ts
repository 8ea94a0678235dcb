/** Tables of an older version with everything in them: brought up to date under whoever is still there, and usable. */
import { sql } from 'kysely';
import { afterEach, expect, test } from 'vitest';
import { openDatabase, type Database } from '../../src/control/database/connect.ts';
import { migrate, MIGRATIONS, readSchemaVersion, type Migration } from '../../src/control/database/migrate.ts';
import { expectComplete, openFleetTest, type FleetTest } from './fleet-world.ts';
import { PERSON } from './made.ts';

let fleet: FleetTest;
let database: Database;
afterEach(async () => {
  await database.close();
  await fleet[Symbol.asyncDispose]();
});

const NEXT = MIGRATIONS.length + 1;

/** As a release would add it: a column that old rows must get a value for, an index, and a table beside. */
const next: Migration = {
  version: NEXT,
  name: 'priorities',
  statements: `
    ALTER TABLE jobs ADD priority integer NOT NULL DEFAULT 0;
    UPDATE jobs SET priority = runs_made;
    CREATE INDEX jobs_priority ON jobs (priority, id);
    CREATE TABLE run_notes (run_id text PRIMARY KEY REFERENCES runs ON DELETE CASCADE, note text NOT NULL);
    INSERT INTO run_notes SELECT id, state FROM runs`,
};

const broken: Migration = {
  version: NEXT,
  name: 'broken',
  statements: `DELETE FROM segments; ALTER TABLE runs DROP COLUMN counters CASCADE; SELECT 1 / 0`,
};

async function contents(): Promise<unknown> {
  const { rows } = await sql<{ name: string; rows: string }>`
    SELECT tablename AS name, (xpath('/row/n/text()', query_to_xml(
      format('SELECT coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '''') || count(*) AS n FROM %I t', tablename),
      false, true, '')))[1]::text AS rows
    FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1`.execute(fleet.world.db);
  return rows;
}

test('a step to the next version keeps every run, and one that fails changes nothing at all', async () => {
  fleet = await openFleetTest();
  const worker = await fleet.worker('one');
  const job = await fleet.job({ objects: 60 });
  const { id } = await fleet.until((await fleet.start(job)).id, 'succeeded');
  await worker.drain();
  const before = await fleet.runs.get(PERSON, id);
  database = await openDatabase({ url: fleet.world.databaseUrl, log: () => undefined });
  const asItWas = await contents();
  await expect(migrate(database, { migrations: [...MIGRATIONS, broken] })).rejects.toThrow('division by zero');
  expect(await contents()).toEqual(asItWas);
  expect(await readSchemaVersion(database)).toBe(MIGRATIONS.length);

  expect(await migrate(database, { migrations: [...MIGRATIONS, next] })).toEqual({ from: NEXT - 1, to: NEXT });
  const { rows } = await database.pool.query(
    `SELECT jobs.priority, run_notes.note FROM jobs JOIN runs ON runs.job_id = jobs.id JOIN run_notes ON run_id = runs.id`,
  );
  expect(rows).toEqual([{ priority: 1, note: 'succeeded' }]);
  const { asOf: _before, ...kept } = before;
  const { asOf: _after, ...found } = await fleet.runs.get(PERSON, id);
  expect(found).toEqual(kept);
  await expectComplete(fleet, job, before);
  await expect(migrate(database)).rejects.toMatchObject({ code: 'DATABASE_MISMATCH' });
});

test('a step that comes while a run goes on lets it go on', async () => {
  fleet = await openFleetTest();
  await fleet.worker('one');
  const job = await fleet.job({ objects: 300, slowMs: 30 });
  const { id } = await fleet.start(job);
  await fleet.untilTrue('something was copied', async () => job.to.keys('box').length > 20);
  database = await openDatabase({ url: fleet.world.databaseUrl, log: () => undefined });
  await migrate(database, { migrations: [...MIGRATIONS, next] });
  expect((await fleet.runs.get(PERSON, id)).endedAt).toBeNull();
  await expectComplete(fleet, job, await fleet.until(id, 'succeeded'));
});
