import { createReadStream } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { openTestDatabase } from '../../../test/postgres.ts';
import { backup, restore, status } from './backup.ts';
import { BackupReader, BackupWriter } from './backup-format.ts';
import { openDatabase } from './connect.ts';
import type { Database } from './connect.ts';
import { migrate, MIGRATIONS, readSchemaVersion, SCHEMA_VERSION } from './migrate.ts';

const NOW = Date.UTC(2026, 10, 22);
const options = { programVersion: '1.2.3', now: NOW };

async function backedUp(database: Database): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  await backup(database, async (chunk) => void chunks.push(chunk), options);
  return Buffer.concat(chunks);
}

async function* chunksOf(bytes: Uint8Array, sizeBytes = 1000): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += sizeBytes) yield bytes.subarray(from, from + sizeBytes);
}

/** Everything in it, row by row. */
async function contentOf(database: Database): Promise<Record<string, string[]>> {
  const { rows: tables } = await database.pool.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'schema_version'`,
  );
  const found: Record<string, string[]> = {};
  for (const { name } of tables) {
    const { rows } = await database.pool.query<{ row: string }>(`SELECT t::text AS row FROM "${name}" t ORDER BY 1`);
    if (rows.length > 0) found[name] = rows.map(({ row }) => row);
  }
  return found;
}

/** People, secrets, and two runs of a job of which the later stands first on the disk. */
const FILL = `
  INSERT INTO people (id, created_at, created_by, updated_at, email, name, role, state, sign_in)
    SELECT gen_random_uuid(), '2026-01-01', 'x', '2026-01-01 00:00:00.123456+00', 'p' || n || '@x',
      E'line\\nbreak, "quotes" \\\\ ( ) \\t äöü 😀 ' || n, 'viewer', 'active', 'password' FROM generate_series(1, 1200) n;
  INSERT INTO secrets VALUES
    ('00000000-0000-4000-8000-000000000001', now(), now(), 'key-1', '\\x00ff0a22', decode(repeat('00', 3000), 'hex'));
  INSERT INTO connectors (id, created_at, created_by, updated_at, name, provider, config, fingerprint, limits, secret_id)
    VALUES ('00000000-0000-4000-8000-000000000002', now(), 'x', now(), 'c', 's3', '{"a": [1, null, "\\u00e4"]}', 'f', '{}',
      '00000000-0000-4000-8000-000000000001');
  INSERT INTO endpoints (id, created_at, created_by, updated_at, name, kind, connector_id, place, full_path)
    VALUES ('00000000-0000-4000-8000-000000000003', now(), 'x', now(), 'e', 'k', '00000000-0000-4000-8000-000000000002', 'p', 'f');
  INSERT INTO projects (id, created_at, created_by, updated_at, name)
    VALUES ('00000000-0000-4000-8000-000000000004', now(), 'x', now(), '');
  INSERT INTO jobs (id, created_at, created_by, updated_at, project_id, name, type, source_endpoint_id, source_sub_path,
      source_full_path, target_endpoint_id, target_sub_path, target_full_path, settings)
    VALUES ('00000000-0000-4000-8000-000000000005', now(), 'x', now(), '00000000-0000-4000-8000-000000000004', 'j', 't',
      '00000000-0000-4000-8000-000000000003', '', '', '00000000-0000-4000-8000-000000000003', '', '', 'NULL');
  INSERT INTO runs (id, job_id, project_id, number, kind, trigger, created_by, transfer_id, pair_id, definition, snapshot,
      source_connector_id, target_connector_id, source_path, target_path, target_fingerprint, target_container,
      target_prefix, state, queued_at, updated_at, counters, requests)
    SELECT id, '00000000-0000-4000-8000-000000000005', '00000000-0000-4000-8000-000000000004', n, 'k', 't', 'x', 't', 'p',
      'null', '', gen_random_uuid(), gen_random_uuid(), '', '', '', '', '', 'queued', now(), now(), '{}', '{}'
    FROM (VALUES ('late', 2), ('early', 1)) AS given (id, n);
  UPDATE jobs SET last_run_id = 'late', last_state = 'running';
  INSERT INTO run_log (run_id, at, level, message) SELECT 'late', now(), 'info', n::text FROM generate_series(1, 10) n;
`;

describe.skipIf(inject('servers').postgres === null)('a backup', () => {
  const closing: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
  });

  async function fresh(): Promise<Database> {
    const server = await openTestDatabase();
    closing.push(() => server.drop());
    const database = await openDatabase({ url: server.url, log: () => undefined });
    closing.push(() => database.close());
    return database;
  }

  let original: Database;
  let empty: Database;
  let bytes: Uint8Array;
  beforeAll(async () => {
    original = await fresh();
    await migrate(original);
    await original.pool.query(FILL);
    bytes = await backedUp(original);
    empty = await fresh();
  });

  test('is restored equal, with counters that go on and triggers that work', async () => {
    const copy = await fresh();
    const summary = await restore(copy, chunksOf(bytes));
    expect(summary).toMatchObject({ schemaVersion: SCHEMA_VERSION, masterKeyIds: ['key-1'] });
    expect(summary.tables.find(({ name }) => name === 'people')?.rows).toBe(1200);
    expect(await contentOf(copy)).toEqual(await contentOf(original));
    const { rows } = await copy.pool.query<{ number: number }>(
      `INSERT INTO run_log (run_id, at, level, message) VALUES ('late', now(), 'info', 'next') RETURNING number`,
    );
    expect(rows).toEqual([{ number: 11 }]);
    await copy.pool.query(`UPDATE runs SET state = 'paused' WHERE id = 'late'`);
    const jobs = await copy.pool.query(`SELECT last_run_id, last_state FROM jobs`);
    expect(jobs.rows).toEqual([{ last_run_id: 'late', last_state: 'paused' }]);
    expect(await readSchemaVersion(copy)).toBe(SCHEMA_VERSION);
  });

  test('brings nobody back who was signed in then, and says how many', async () => {
    const busy = await fresh();
    await migrate(busy);
    await busy.pool.query(FILL);
    const kept = await contentOf(busy);
    await busy.pool.query(`INSERT INTO sessions (id_hash, person_id, csrf_token, created_at, seen_at, expires_at)
      SELECT md5(id::text), id, 'csrf', now(), now(), now() + interval '1 day' FROM people LIMIT 3`);
    const copy = await fresh();
    expect(await restore(copy, chunksOf(await backedUp(busy)))).toMatchObject({ sessionsEnded: 3 });
    expect(await contentOf(copy)).toEqual(kept);
  });

  test('says what it is, names the keys it needs, and holds none', () => {
    const lines = gunzipSync(bytes).toString('utf8').split('\n');
    expect(JSON.parse(lines[0] as string)).toEqual({
      drover: 'backup',
      format: 1,
      schemaVersion: SCHEMA_VERSION,
      programVersion: '1.2.3',
      madeAt: '2026-11-22T00:00:00.000Z',
      masterKeyIds: ['key-1'],
    });
    expect(JSON.parse(lines.at(-2) as string)).toMatchObject({ end: true });
  });

  test('is of one moment, whatever is written meanwhile', async () => {
    const busy = await fresh();
    await migrate(busy);
    // Enough in a table that is read early for the first bytes to leave before the later ones are read.
    await busy.pool.query(`INSERT INTO audit (at, actor_kind, actor_name, action, entity_kind, changes)
      SELECT now(), 'a', md5(random()::text), md5(random()::text), md5(random()::text), '{}' FROM generate_series(1, 3000)`);
    const chunks: Uint8Array[] = [];
    let written: Promise<unknown> | null = null;
    await backup(
      busy,
      async (chunk) => {
        chunks.push(chunk);
        written ??= busy.pool
          .query(`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
          VALUES (gen_random_uuid(), 'n', 'h', 1, 'v', 1, 's', now(), now())`);
        await written;
      },
      options,
    );
    expect(written).not.toBeNull();
    expect(await status(busy).then(({ connections }) => connections)).toBeGreaterThan(0);
    expect((await contentOf(busy))['workers']).toHaveLength(1);
    const copy = await fresh();
    await restore(copy, chunksOf(Buffer.concat(chunks)));
    const content = await contentOf(copy);
    expect(content['workers']).toBeUndefined();
    expect(content['audit']).toHaveLength(3000);
  });

  test.each([
    ['cut in the middle', (all: Uint8Array) => all.subarray(0, all.length / 2), 'INVALID_INPUT'],
    ['cut at its last byte', (all: Uint8Array) => all.subarray(0, -1), 'INVALID_INPUT'],
    ['empty', () => new Uint8Array(), 'INVALID_INPUT'],
    ['no backup at all', () => new TextEncoder().encode('hello'), 'INVALID_INPUT'],
    ['another compressed file', () => gzipSync('{"a": 1}\n'), 'INVALID_INPUT'],
    ['with a byte that was flipped', (all: Uint8Array) => flipped(all, Math.floor(all.length * 0.6)), 'INVALID_INPUT'],
    ['edited by hand', edited(/p7@x/, 'p8@x'), 'INVALID_INPUT'],
    ['without one of its rows', edited(/\n"[^\n]*p77@x[^\n]*/, ''), 'INVALID_INPUT'],
    ['with a row that breaks a rule', edited(/p7@x/, 'p70@x'), 'INVALID_INPUT'],
    ['with something after its end', edited(/$/, '{"table":"people","columns":[]}\n'), 'INVALID_INPUT'],
    ['of a newer format', edited(/"format":1/, '"format":2'), 'DATABASE_MISMATCH'],
    ['of newer tables', edited(/"schemaVersion":\d+/, '"schemaVersion":99'), 'DATABASE_MISMATCH'],
  ])('that is %s is refused, and nothing is changed', async (_what, spoil, code) => {
    await expect(restore(empty, chunksOf(spoil(bytes)))).rejects.toMatchObject({ code });
    const { rows } = await empty.pool.query('SELECT tablename FROM pg_tables WHERE schemaname = current_schema()');
    expect(rows).toEqual([]);
  });

  test('is not restored over tables', async () => {
    const before = await contentOf(original);
    await expect(restore(original, chunksOf(bytes))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(await contentOf(original)).toEqual(before);
  });

  test('of an older version is brought up to date', async () => {
    const first = {
      version: 1,
      name: 'one',
      statements: `CREATE TABLE parents (id int PRIMARY KEY, gone int, words text DEFAULT 'old');
        ALTER TABLE parents DROP COLUMN gone; INSERT INTO parents VALUES (0)`,
    };
    const second = {
      version: 2,
      name: 'two',
      statements: `ALTER TABLE parents RENAME words TO sentence; UPDATE parents SET sentence = sentence || '!';
        CREATE TABLE children (id int REFERENCES parents)`,
    };
    const old = await fresh();
    await migrate(old, { migrations: [first] });
    await old.pool.query(`INSERT INTO parents VALUES (1, 'kept')`);
    const copy = await fresh();
    const summary = await restore(copy, chunksOf(await backedUp(old)), { migrations: [first, second] });
    expect(summary.schemaVersion).toBe(1);
    expect(await readSchemaVersion(copy)).toBe(2);
    const { rows } = await copy.pool.query('SELECT id, sentence FROM parents ORDER BY id');
    expect(rows).toEqual([
      { id: 0, sentence: 'old!' },
      { id: 1, sentence: 'kept!' },
    ]);
  });

  test('of tables that are made otherwise is refused', async () => {
    const wider = [{ ...(MIGRATIONS[0] as (typeof MIGRATIONS)[0]), statements: 'CREATE TABLE people (id uuid)' }];
    const copy = await fresh();
    const migrations = [...wider, ...MIGRATIONS.slice(1).map((each) => ({ ...each, statements: 'SELECT 1' }))];
    await expect(restore(copy, chunksOf(bytes), { migrations })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('that cannot be written fails with the reason, and leaves the database free', async () => {
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    await expect(backup(original, () => Promise.reject(full), options)).rejects.toMatchObject({ code: 'DISK_FULL' });
    await expect(backup(original, async () => undefined, options)).resolves.toMatchObject({ masterKeyIds: ['key-1'] });
  });

  test('that cannot be read to its end fails with the reason', async () => {
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 5000);
      throw new Error('the disk went away');
    };
    await expect(restore(empty, broken())).rejects.toThrow('the disk went away');
    await expect(restore(empty, createReadStream('/nowhere/at-all'))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'file',
      message: expect.stringContaining('/nowhere/at-all'),
    });
  });

  test('needs tables of Drover', async () => {
    await expect(backup(empty, async () => undefined, options)).rejects.toMatchObject({ code: 'DATABASE_UNUSABLE' });
  });

  test('status counts what is there', async () => {
    const found = await status(original);
    expect(found).toMatchObject({ schemaVersion: SCHEMA_VERSION, programSchemaVersion: SCHEMA_VERSION });
    expect(found.tables.find(({ name }) => name === 'people')).toMatchObject({ rows: 1200 });
    expect(found.sizeBytes).toBeGreaterThan(1_000_000);
    expect(await status(empty)).toMatchObject({ schemaVersion: null, tables: [] });
  });
});

describe('the lines of a backup', () => {
  const header = {
    drover: 'backup',
    format: 1,
    schemaVersion: 1,
    programVersion: '1',
    madeAt: '2026-01-01T00:00:00.000Z',
    masterKeyIds: [],
  } as const;

  async function written(rows: readonly string[]): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    const writer = new BackupWriter(async (chunk) => void chunks.push(chunk));
    await writer.header(header);
    await writer.table('t', ['a']);
    await writer.rowsOf(rows);
    await writer.endTable('t', {});
    await writer.close();
    return Buffer.concat(chunks);
  }

  async function read(bytes: Uint8Array, sizeBytes: number): Promise<string[]> {
    const reader = new BackupReader(chunksOf(bytes, sizeBytes));
    await reader.header();
    const rows: string[] = [];
    for await (const line of reader.body()) if (line.kind === 'row') rows.push(line.row);
    return rows;
  }

  test('come back as they were, in whatever pieces they are read', async () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('\n', '"', '\u2028', '{"end":true}', ''));
    await fc.assert(
      fc.asyncProperty(fc.array(text), fc.integer({ min: 1, max: 50 }), async (rows, sizeBytes) => {
        expect(await read(await written(rows), sizeBytes)).toEqual(rows);
      }),
      { numRuns: 50 },
    );
  });

  test('never come back changed, whichever byte is flipped or wherever they are cut', async () => {
    const rows = Array.from({ length: 20 }, (_, index) => `(${index},"some words ${index * 7919}")`);
    const bytes = await written(rows);
    for (let at = 0; at < bytes.length; at += 1) {
      for (const spoiled of [flipped(bytes, at), bytes.subarray(0, at)]) {
        const result = await read(spoiled, 10_000).catch((error: { code?: string }) => error.code);
        // Some bytes of gzip's own header mean nothing.
        if (typeof result === 'string') expect(['INVALID_INPUT', 'DATABASE_MISMATCH']).toContain(result);
        else expect(result).toEqual(rows);
      }
    }
  });
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] as number) ^ 0x10;
  return copy;
}

/** As somebody would who knows the format but not the checksums. */
function edited(pattern: RegExp, words: string): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => gzipSync(gunzipSync(bytes).toString('utf8').replace(pattern, words));
}
