import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DroverError } from '../../model/errors.ts';
import { newId } from '../ids.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { signOn } from './membership.ts';
import { fleetWorld } from './parts.ts';
import { forgetServers, signOnServer } from './server-presence.ts';
import { foreignProcesses, versionMismatch, withNobodyElse } from './versions.ts';

let world: TestWorld;
beforeEach(async () => {
  world = await openTestWorld({ programVersion: '1.0.0' });
});
afterEach(async () => world.close());

const SHORT = { goneAfterMs: 1_200 };
/** Says soon that it lives, and counts as living however long the machine stands still. */
const LONG = { goneAfterMs: 30_000 };
const HERE = { host: 'here', pid: 1 };

async function insertWorker(name: string, version: string, state: string, secondsAgo: number): Promise<void> {
  await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
    VALUES (${newId(world)}, ${name}, 'here', 1, ${version}, 1, ${state}, now(), now() - ${secondsAgo} * interval '1 second')`.execute(
    world.db,
  );
}

async function insertServer(version: string, secondsAgo: number): Promise<void> {
  await sql`INSERT INTO servers (id, host, pid, program_version, protocol, started_at, seen_at)
    VALUES (${newId(world)}, 'there', 1, ${version}, 1, now(), now() - ${secondsAgo} * interval '1 second')`.execute(
    world.db,
  );
}

const serverRows = async (): Promise<number> => (await world.db.selectFrom('servers').select('id').execute()).length;

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 120_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('It never came to this.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('others of another version', () => {
  test('are found while they live, workers and servers, and only those', async () => {
    await insertWorker('old', '0.9.0', 'active', 1);
    await insertWorker('old and gone', '0.9.0', 'gone', 1);
    await insertWorker('old and silent', '0.9.0', 'active', 3_600);
    await insertWorker('same', '1.0.0', 'active', 1);
    await insertServer('0.8.0', 1);
    await insertServer('0.8.0', 3_600);
    await insertServer('1.0.0', 1);
    const found = await foreignProcesses(world.db, '1.0.0');
    expect(found).toEqual([
      { kind: 'server', name: null, host: 'there', programVersion: '0.8.0' },
      { kind: 'worker', name: 'old', host: 'here', programVersion: '0.9.0' },
    ]);
    expect(versionMismatch(found, 'server', '1.0.0')).toMatchObject({
      code: 'VERSION_MISMATCH',
      message: expect.stringContaining('the server on there (0.8.0), the worker "old" on here (0.9.0)'),
    });
  });

  test('are none where there are no tables yet, or those of a version that knew no servers', async () => {
    await insertServer('0.8.0', 1);
    await sql`ALTER TABLE workers RENAME TO workers_elsewhere`.execute(world.db);
    await sql`ALTER TABLE servers RENAME TO servers_elsewhere`.execute(world.db);
    expect(await foreignProcesses(world.db, '1.0.0')).toEqual([]);
    await expect(forgetServers(world.db)).resolves.toBeUndefined();
  });

  test('keep the tables from being changed', async () => {
    let changed = 0;
    const change = async (): Promise<number> => (changed += 1);
    await insertServer('0.8.0', 1);
    await expect(withNobodyElse(world.db, '1.0.0', change)).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
    expect(changed).toBe(0);
    await forgetServers(world.db);
    expect(await withNobodyElse(world.db, '1.0.0', change)).toBe(1);
  });

  test('that were cut off have to sign on again when they come back, and are refused then', async () => {
    await using old = await openTestWorld({ databaseUrl: world.databaseUrl, programVersion: '0.8.0' });
    let isCutOff = false;
    const db = old.db.withPlugin({
      transformQuery: ({ node }) => {
        if (isCutOff) throw new DroverError('DATABASE_UNAVAILABLE', 'The way to the database is blocked.');
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    const presence = await signOnServer({ ...old, db }, HERE, LONG);
    isCutOff = true;
    await insertWorker('cut off', '0.9.0', 'active', 60);
    await insertWorker('of this version', '1.0.0', 'active', 60);
    await insertServer('0.9.0', 60);
    await sql`UPDATE servers SET seen_at = now() - interval '1 minute'`.execute(world.db);
    await withNobodyElse(world.db, '1.0.0', async () => undefined);
    const { rows } = await sql`SELECT name, state FROM workers ORDER BY name`.execute(world.db);
    expect(rows).toEqual([
      { name: 'cut off', state: 'gone' },
      { name: 'of this version', state: 'active' },
    ]);
    await using _now = await signOnServer(world, HERE, LONG);
    isCutOff = false;
    await expect(presence.failed).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
    await presence[Symbol.asyncDispose]();
    expect(await serverRows()).toBe(1);
  });

  test('wait while the tables are changed, and are refused afterwards', async () => {
    const changing = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const change = withNobodyElse(world.db, '2.0.0', async () => {
      begun.resolve();
      await changing.promise;
      await sql`INSERT INTO schema_version (version, name) VALUES (1000, 'of the future')`.execute(world.db);
    });
    await begun.promise;
    let isDone = false;
    const joining = signOnServer(world, HERE).finally(() => (isDone = true));
    joining.catch(() => undefined);
    await until(async () => {
      const { rows } = await sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`.execute(world.db);
      return rows.length > 0;
    });
    expect(isDone).toBe(false);
    changing.resolve();
    await change;
    await expect(joining).rejects.toMatchObject({ code: 'DATABASE_MISMATCH' });
    expect(await serverRows()).toBe(0);
  });
});

describe('a server', () => {
  test('is seen as long as it lives, and leaves nothing behind', async () => {
    const presence = await signOnServer(world, HERE, SHORT);
    const seenAt = async () => (await world.db.selectFrom('servers').select('seen_at').executeTakeFirst())?.seen_at;
    const first = await seenAt();
    await until(async () => Number(await seenAt()) > Number(first));
    const other = await signOnServer(world, HERE, SHORT);
    expect(await serverRows()).toBe(2);
    await other[Symbol.asyncDispose]();
    await presence[Symbol.asyncDispose]();
    expect(await serverRows()).toBe(0);
  });

  test('keeps servers and workers of another version out', async () => {
    await using _presence = await signOnServer(world, HERE);
    await using other = await openTestWorld({ databaseUrl: world.databaseUrl, programVersion: '0.9.0' });
    const message = expect.stringContaining('the server on here (1.0.0)');
    await expect(signOnServer(other, HERE)).rejects.toMatchObject({ code: 'VERSION_MISMATCH', message });
    const parts = { openConnector: fail, reportHealth: async () => undefined, append: async () => undefined };
    const joining = signOn(fleetWorld(other, parts), { name: 'old', host: 'here', pid: 1 });
    await expect(joining).rejects.toMatchObject({ code: 'VERSION_MISMATCH', message });
    expect(await world.db.selectFrom('workers').select('id').execute()).toEqual([]);
  });

  test('that was away for long is seen again, or ends when others have come meanwhile', async () => {
    await using presence = await signOnServer(world, HERE, SHORT);
    await forgetServers(world.db);
    await until(async () => (await serverRows()) === 1);
    await insertServer('2.0.0', -3_600);
    await world.db.deleteFrom('servers').where('program_version', '=', '1.0.0').execute();
    await expect(presence.failed).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
  });
});

function fail(): never {
  throw new Error('nothing is opened here');
}
