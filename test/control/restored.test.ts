/** A backup that was made in mid-run becomes another installation, on the same stores and artifacts: the run goes on. */
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { backup, restore } from '../../src/control/database/backup.ts';
import { openDatabase, type Database } from '../../src/control/database/connect.ts';
import { DEFAULT_BEHAVIOUR } from '../../src/providers/memory/provider.ts';
import { openTestDatabase } from '../postgres.ts';
import { expectComplete, openFleetTest, type FleetTest, type MemoryJob } from './fleet-world.ts';
import { PERSON } from './made.ts';

const MIB = 1024 * 1024;
const IN_PARTS = { writeBytesMax: 2 * MIB, partLimits: { ...DEFAULT_BEHAVIOUR.partLimits, partBytesMax: MIB } };
const OBJECTS = 300;

async function withDatabase<T>(url: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await openDatabase({ url, log: () => undefined });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

async function* read(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

/** A large object stands still in the middle of its upload; all others lie behind it and are settled before it. */
async function heldJob(fleet: FleetTest): Promise<{ job: MemoryJob; release: () => void } & Disposable> {
  const job = await fleet.job({ objects: OBJECTS, targetBehaviour: IN_PARTS });
  job.from.put('box', 'a-large', new Uint8Array(8 * MIB).fill(1));
  const held = Promise.withResolvers<void>();
  let parts = 0;
  job.to.hooks.before = async (operation) => {
    if (operation === 'PART' && ++parts > 2) await held.promise;
  };
  return { job, release: held.resolve, [Symbol.dispose]: held.resolve };
}

async function namesAhead(fleet: FleetTest): Promise<number> {
  const { rows } = await sql<{ names: number }>`
    SELECT coalesce(sum(jsonb_array_length(checkpoint::jsonb -> 'ahead')), 0)::integer AS names
    FROM segments`.execute(fleet.world.db);
  return rows[0]?.names ?? 0;
}

test.each([
  ['died right after it', 'died'],
  ['had gone on to the end of the run', 'ended'],
] as const)('restored when the first installation %s, it ends the run, and all is right', async (_words, what) => {
  await using first = await openFleetTest();
  const worker = await first.worker('one');
  using held = await heldJob(first);
  const { job, release } = held;
  const { id } = await first.start(job);
  await first.untilTrue('much has settled behind the upload', async () => {
    return job.to.keys('box').length === OBJECTS && job.to.uploads.size === 1 && (await namesAhead(first)) > 0;
  });
  const parts: Uint8Array[] = [];
  const options = { programVersion: first.world.programVersion, now: Date.now() };
  await withDatabase(first.world.databaseUrl, (database) => {
    return backup(database, async (part) => void parts.push(part), options);
  });
  if (what === 'ended') {
    release();
    await first.until(id, 'succeeded');
  }
  await Promise.all([worker.drain(), release()]);

  const made = await openTestDatabase();
  try {
    await withDatabase(made.url, async (database) => {
      await restore(database, read(parts));
      // A backup is older than leases last.
      await database.pool.query(`UPDATE segments SET lease_until = lease_until - interval '1 hour'`);
    });
    await using second = await openFleetTest({ databaseUrl: made.url, artifacts: first.world.artifacts });
    expect((await second.runs.get(PERSON, id)).state).toBe('running');
    await second.worker('two');
    const run = await second.until(id, 'succeeded', 'failed', 'paused', 'completed-with-issues');
    expect(run).toMatchObject({ state: 'succeeded', error: null, waits: null });
    await expectComplete(second, job, run);
    const { scanned, copied, same, failed } = run.counters.items;
    expect([scanned, copied + same, failed]).toEqual([OBJECTS + 1, OBJECTS + 1, 0]);
    expect(await second.store.intents(id)).toEqual([]);
    const { rows } = await sql`SELECT FROM segments WHERE state = 'open' OR lease_until IS NOT NULL`.execute(
      second.world.db,
    );
    expect(rows).toHaveLength(0);
  } finally {
    await made.drop();
  }
});
