import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { openTestDatabase } from '../../../test/postgres.ts';
import type { TestDatabase } from '../../../test/postgres.ts';
import { databaseError, describeDatabase, openDatabase } from './connect.ts';
import type { Database } from './connect.ts';
import { migrate, MIGRATIONS, readSchemaVersion, requireSchema, SCHEMA_VERSION } from './migrate.ts';

const log = (): void => undefined;

describe.skipIf(inject('servers').postgres === null)('the database', () => {
  let server: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    server = await openTestDatabase();
    database = await openDatabase({ url: server.url, log });
  });
  afterAll(async () => {
    await database.close();
    await server.drop();
  });

  test('gives bigint as numbers and moments as dates', async () => {
    const { rows } = await sql<{ big: number; at: Date }>`
      SELECT 9007199254740991::bigint AS big, timestamptz '2026-01-01T00:00:00Z' AS at`.execute(database.kysely);
    expect(rows).toEqual([{ big: 9007199254740991, at: new Date('2026-01-01T00:00:00Z') }]);
  });

  test('leaves the faults of statements as they are', async () => {
    await expect(sql`SELECT 1 / 0`.execute(database.kysely)).rejects.toMatchObject({ code: '22012' });
    await expect(database.pool.query('SELECT nonsense')).rejects.toMatchObject({ code: '42703' });
  });

  test('a connection that is cut is DATABASE_UNAVAILABLE, and the next one works', async () => {
    const cut = sql`SELECT pg_terminate_backend(pg_backend_pid())`.execute(database.kysely);
    await expect(cut).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    await expect(sql`SELECT 1`.execute(database.kysely)).resolves.toMatchObject({ rows: [{ '?column?': 1 }] });
  });

  test('a transaction is done again when another one was faster, and is all or nothing', async () => {
    await database.pool.query('CREATE TABLE IF NOT EXISTS counted (id int PRIMARY KEY, n int)');
    await database.pool.query('INSERT INTO counted VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET n = 0');
    const add = (): Promise<unknown> =>
      database.transaction(async (tx) => {
        await sql`SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`.execute(tx);
        const { rows } = await sql<{ n: number }>`SELECT n FROM counted WHERE id = 1`.execute(tx);
        await sql`UPDATE counted SET n = ${(rows[0]?.n ?? 0) + 1} WHERE id = 1`.execute(tx);
      });
    await Promise.all([add(), add(), add()]);
    const failing = database.transaction(async (tx) => {
      await sql`UPDATE counted SET n = 99`.execute(tx);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect((await database.pool.query('SELECT n FROM counted')).rows).toEqual([{ n: 3 }]);
    await database.pool.query('DROP TABLE counted');
  });

  test('a server that takes the question and never answers is DATABASE_UNAVAILABLE', async () => {
    const impatient = await openDatabase({ url: server.url, log, queryMsMax: 500 });
    await expect(sql`SELECT pg_sleep(5)`.execute(impatient.kysely)).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    });
    await impatient.close();
  });

  test('closing lets go of every connection, also of one that was used beside Kysely only', async () => {
    const own = await openTestDatabase();
    const other = await openDatabase({ url: own.url, log });
    await migrate(other);
    await other.close();
    expect(other.pool.totalCount).toBe(0);
    await other.close();
    await own.drop();
  });

  test('a wrong password and a database that is not there are DATABASE_UNUSABLE', async () => {
    const wrong = server.url.replace(/:[^:@/]+@/, ':wrong@');
    const absent = server.url.replace(/test_\w+/, 'absent');
    for (const url of server.url.includes('@') ? [wrong, absent] : [absent]) {
      const error = await openDatabase({ url, log }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'DATABASE_UNUSABLE', field: 'DATABASE_URL' });
      expect((error as Error).message).not.toContain('wrong@');
    }
  });

  describe('migrations', () => {
    test('make the tables once, however many start together', async () => {
      const empty = await openTestDatabase();
      const databases = await Promise.all([1, 2, 3].map(() => openDatabase({ url: empty.url, log })));
      await expect(requireSchema(databases[0] as Database)).rejects.toMatchObject({ code: 'DATABASE_MISMATCH' });
      const results = await Promise.all(databases.map((each) => migrate(each)));
      expect(results.map(({ from }) => from).toSorted()).toEqual([0, SCHEMA_VERSION, SCHEMA_VERSION]);
      await requireSchema(databases[0] as Database);
      await Promise.all(databases.map((each) => each.close()));
      await empty.drop();
    });

    test('a step that fails leaves the version before it, with its rows', async () => {
      const own = await openTestDatabase();
      const other = await openDatabase({ url: own.url, log });
      const first = { version: 1, name: 'one', statements: 'CREATE TABLE one (a int); INSERT INTO one VALUES (7)' };
      const second = { version: 2, name: 'two', statements: 'ALTER TABLE one ADD b int DEFAULT 8' };
      const broken = { version: 3, name: 'three', statements: 'CREATE TABLE three (a int); SELECT 1 / 0' };
      await migrate(other, { migrations: [first] });
      await expect(migrate(other, { migrations: [first, second, broken] })).rejects.toThrow('division');
      expect(await readSchemaVersion(other)).toBe(1);
      expect(await migrate(other, { migrations: [first, second] })).toEqual({ from: 1, to: 2 });
      expect((await other.pool.query('SELECT * FROM one')).rows).toEqual([{ a: 7, b: 8 }]);
      await other.close();
      await own.drop();
    });

    test('newer tables are refused and left alone', async () => {
      const own = await openTestDatabase();
      const other = await openDatabase({ url: own.url, log });
      await migrate(other);
      await other.pool.query(`INSERT INTO schema_version (version, name) VALUES (${SCHEMA_VERSION + 1}, 'future')`);
      await expect(migrate(other)).rejects.toMatchObject({ code: 'DATABASE_MISMATCH' });
      await expect(requireSchema(other)).rejects.toMatchObject({ code: 'DATABASE_MISMATCH' });
      await other.close();
      await own.drop();
    });

    test("somebody else's tables are refused and left alone", async () => {
      const own = await openTestDatabase();
      const other = await openDatabase({ url: own.url, log });
      await other.pool.query('CREATE TABLE guests (name text)');
      await expect(migrate(other)).rejects.toMatchObject({ code: 'DATABASE_UNUSABLE' });
      await other.close();
      await own.drop();
    });

    test('are numbered without gaps', () => {
      expect(MIGRATIONS.map(({ version }) => version)).toEqual(MIGRATIONS.map((_, index) => index + 1));
    });
  });
});

describe('a server that cannot be reached', () => {
  test('is DATABASE_UNAVAILABLE at its port and at its socket', async () => {
    for (const url of ['postgres://a:secret@127.0.0.1:1/x', 'postgres://a:secret@/x?host=/nowhere']) {
      const error = await openDatabase({ url, log }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
      expect(JSON.stringify(error) + (error as Error).message).not.toContain('secret');
    }
  });

  test('is DATABASE_UNAVAILABLE when it hangs up', async () => {
    const hanging = createServer((socket: Socket) => socket.destroy());
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));
    const { port } = hanging.address() as { port: number };
    await expect(openDatabase({ url: `postgres://a:b@127.0.0.1:${port}/x`, log })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    });
    hanging.close();
  });

  test('is described without its password', () => {
    expect(describeDatabase('postgres://me:secret@db.example:6432/drover')).toBe('drover at db.example:6432');
    expect(describeDatabase('postgres://me:secret@/drover?host=/run/pg')).toBe('drover at /run/pg');
  });

  test.each([
    ['53100', 'DISK_FULL'],
    ['57P03', 'DATABASE_UNAVAILABLE'],
    ['08006', 'DATABASE_UNAVAILABLE'],
    ['53300', 'DATABASE_UNAVAILABLE'],
    ['23505', '23505'],
    ['40001', '40001'],
  ])('%s is %s', (code, expected) => {
    const error = Object.assign(new pg.DatabaseError('words', 5, 'error'), { code });
    expect(databaseError(error)).toMatchObject({ code: expected });
  });
});
