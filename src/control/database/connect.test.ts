import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { openTestDatabase } from '../../../test/postgres.ts';
import type { TestDatabase } from '../../../test/postgres.ts';
import { databaseError, describeDatabase, openDatabase } from './connect.ts';
import type { Database } from './connect.ts';
import { hashOfStatements, migrate, MIGRATIONS, readSchemaVersion, requireSchema, SCHEMA_VERSION } from './migrate.ts';

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
    await expect(sql`SELECT pg_sleep(600)`.execute(impatient.kysely)).rejects.toMatchObject({
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

    test('a step that was taken and is another one by now is refused, and nothing is changed', async () => {
      const own = await openTestDatabase();
      const other = await openDatabase({ url: own.url, log });
      await migrate(other);
      const edited = MIGRATIONS.map((each) =>
        each.version === 4 ? { ...each, statements: 'CREATE INDEX runs_by_other ON runs (ended_at)' } : each,
      );
      const next = { version: SCHEMA_VERSION + 1, name: 'next', statements: 'CREATE TABLE next (a int)' };
      const refused = {
        code: 'DATABASE_MISMATCH',
        message: expect.stringContaining('step 4 (orders)'),
        remedy: expect.stringContaining('drover db backup'),
      };
      await expect(migrate(other, { migrations: [...edited, next] })).rejects.toMatchObject(refused);
      expect(await readSchemaVersion(other)).toBe(SCHEMA_VERSION);
      // A worker, whose own steps are those of this program.
      await requireSchema(other);
      await other.pool.query(`UPDATE schema_version SET statements_hash = 'of another' WHERE version = 4`);
      await expect(requireSchema(other)).rejects.toMatchObject(refused);
      await other.close();
      await own.drop();
    });

    test('layout and comments of a step are not the step', async () => {
      const plain = "CREATE TABLE one (a int, b text DEFAULT 'x');\nSELECT 1;";
      const laidOut =
        "\n-- What it is for.\nCREATE TABLE one\n  (a int,  -- first\n b text DEFAULT 'x');\r\n SELECT 1;\n";
      expect(hashOfStatements(laidOut)).toBe(hashOfStatements(plain));
      expect(hashOfStatements(plain.replace('int', 'bigint'))).not.toBe(hashOfStatements(plain));
      expect(hashOfStatements(plain.replace("'x'", "'y'"))).not.toBe(hashOfStatements(plain));
    });

    test('tables from before hashes were kept get them, and are watched from then on', async () => {
      const own = await openTestDatabase();
      const other = await openDatabase({ url: own.url, log });
      await migrate(other);
      await other.pool.query('ALTER TABLE schema_version DROP COLUMN statements_hash');
      await requireSchema(other);
      expect(await migrate(other)).toEqual({ from: SCHEMA_VERSION, to: SCHEMA_VERSION });
      const { rows } = await other.pool.query('SELECT statements_hash FROM schema_version ORDER BY version');
      expect(rows).toEqual(MIGRATIONS.map(({ statements }) => ({ statements_hash: hashOfStatements(statements) })));
      const edited = MIGRATIONS.map((each) => ({ ...each, statements: `${each.statements}; SELECT 1` }));
      await expect(migrate(other, { migrations: edited })).rejects.toMatchObject({ code: 'DATABASE_MISMATCH' });
      await other.close();
      await own.drop();
    });

    test('steps that were released stay as they are, in the sources and in the bundle', async () => {
      const hashes = MIGRATIONS.map(({ name, statements }) => `${name} ${hashOfStatements(statements)}`);
      // A line is added here for a new step; none is ever changed.
      expect(hashes).toEqual([
        'initial 217a5b8ab1e12ce838d20d2ea7d5b3392a126e821f20f9866df8e3984c36c438',
        'place-identity 900c156097663b35c90b020d01f3af39bbc67145eccd7a7e365e61d5833f9bb3',
        'report-verdict c860d6b1761d783693d605fdd1e629a6e42f7c1a2a1002305941d7cfd81d0710',
        'orders 91b4fbef4e9872bde7eb42947024a4167c27f72a831444f71904171c59133d20',
        'token-scopes 479370b2854d2f240d9b2e6802e158a845a97cf361e4044967f60e265eaf62e9',
        'runs-to-look-at e0426476fe7566746d3a4527cfca8e5eccb3a8e596861de9778935ae40cac833',
        'dismissals 03010ce2d8458cad2466cc83084698c0dd53592cf3d06696be48625f7ab00b4f',
        'evidence e3ddfdfd09e26da6c4296d6dcdd5e0fcbe0b1d4b387f264060dcc46eaf095f6e',
        'more-orders ee50506e9ff75319672bcc4455d50e773e8c65dc1c0e3ab981dac51417b5f92b',
        'distinct-orders 9eceab23ae4339cc7b41460fc77111538ba5b4fa8164299abaa37ffc7a75a136',
        'workers-there 2fc989d9badd75ee6b8d5facaec198587246da270659994309cbc6a0db64966c',
      ]);
      const { outputFiles } = await build({
        entryPoints: [fileURLToPath(new URL('migrate.ts', import.meta.url))],
        bundle: true,
        minify: true,
        platform: 'node',
        format: 'esm',
        packages: 'external',
        write: false,
      });
      const bundled = (await import(
        `data:text/javascript;base64,${Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')}`
      )) as { readonly MIGRATIONS: typeof MIGRATIONS };
      expect(bundled.MIGRATIONS.map(({ name, statements }) => `${name} ${hashOfStatements(statements)}`)).toEqual(
        hashes,
      );
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
