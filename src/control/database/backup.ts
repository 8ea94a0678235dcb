/** Writing the whole database to a file and reading it back, by plain queries that every PostgreSQL knows. */
import type pg from 'pg';
import { DroverError } from '../../model/errors.ts';
import { BACKUP_FORMAT, BackupReader, BackupWriter, damaged } from './backup-format.ts';
import type { BackupHeader, BackupLine, Sequences, Write } from './backup-format.ts';
import type { Database } from './connect.ts';
import { LOCKS } from './locks.ts';
import { migrateIn, MIGRATIONS, SCHEMA_VERSION, tooNew } from './migrate.ts';
import type { Migration } from './migrate.ts';

export interface BackupSummary {
  readonly schemaVersion: number;
  readonly rows: number;
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  /** The master keys (by their names) that its secrets need; none of them is in the backup. */
  readonly masterKeyIds: readonly string[];
}

export interface RestoreSummary extends BackupSummary {
  /** Of browsers that were signed in when the backup was made. */
  readonly sessionsEnded: number;
}

export interface BackupOptions {
  readonly programVersion: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const ROWS_PER_FETCH = 500;
const BYTES_PER_INSERT = 1024 * 1024;
/** These queries take as long as there are rows. */
const QUERY_MS_MAX = 3_600_000;
const VERSION_TABLE = 'schema_version';

/**
 * All tables as they are at one moment, while the server goes on working. Not in it: the master key, what the queue
 * holds for the next seconds, and artifacts.
 */
export async function backup(database: Database, write: Write, options: BackupOptions): Promise<BackupSummary> {
  return await inTransaction(database, 'ISOLATION LEVEL REPEATABLE READ', async (client) => {
    // Nobody changes the tables meanwhile.
    await run(client, 'SELECT pg_advisory_xact_lock_shared($1, $2)', [...LOCKS.migration]);
    const schemaVersion = await versionIn(client);
    if (schemaVersion === null) {
      throw new DroverError(
        'DATABASE_UNUSABLE',
        'The database holds no tables of Drover; there is nothing to back up.',
      );
    }
    const masterKeyIds = await masterKeysOf(client);
    const writer = new BackupWriter(write);
    try {
      await writer.header({
        drover: 'backup',
        format: BACKUP_FORMAT,
        schemaVersion,
        programVersion: options.programVersion,
        madeAt: new Date(options.now).toISOString(),
        masterKeyIds,
      });
      const tables: { name: string; rows: number }[] = [];
      for (const name of await tablesInOrder(client)) {
        tables.push({ name, rows: await writeTable(client, writer, name) });
      }
      await writer.close();
      return { schemaVersion, rows: tables.reduce((sum, { rows }) => sum + rows, 0), tables, masterKeyIds };
    } catch (error) {
      writer.abandon();
      throw error;
    }
  });
}

export interface RestoreOptions {
  /** Steps of the tables; another list in tests. */
  readonly migrations?: readonly Migration[];
}

/**
 * Into an empty database only, and all or nothing: a backup that is damaged (INVALID_INPUT) or newer than this program
 * (DATABASE_MISMATCH), and a database with tables (ALREADY_EXISTS), are refused with nothing changed. A backup of an
 * older version is brought up to this one. Sessions are not brought back: whoever signed out since, or was thrown out,
 * would be signed in again.
 */
export async function restore(
  database: Database,
  content: AsyncIterable<Uint8Array>,
  options: RestoreOptions = {},
): Promise<RestoreSummary> {
  const migrations = options.migrations ?? MIGRATIONS;
  const reader = new BackupReader(content);
  const header = await reader.header();
  if (header.schemaVersion > migrations.length) throw tooNew(header.schemaVersion, migrations.length);
  const summary = await inTransaction(database, '', async (client) => {
    await run(client, 'SELECT pg_advisory_xact_lock($1, $2)', [...LOCKS.migration]);
    await refuseTables(client);
    await migrateIn(client, { to: header.schemaVersion, migrations });
    const tables = await readTables(client, reader);
    await migrateIn(client, { migrations });
    return { ...summaryOf(header, tables), sessionsEnded: await endSessions(client) };
  });
  // The next queries should know what is there.
  await database.pool.query({ text: 'ANALYZE', query_timeout: QUERY_MS_MAX } as pg.QueryConfig);
  return summary;
}

async function endSessions(client: pg.ClientBase): Promise<number> {
  const [table] = await run<{ found: string | null }>(client, `SELECT to_regclass('sessions')::text AS found`);
  if (table?.found === null) return 0;
  return (await client.query('DELETE FROM sessions')).rowCount ?? 0;
}

export interface DatabaseStatus {
  /** Of PostgreSQL. */
  readonly majorVersion: number;
  /** `null`: no tables yet. */
  readonly schemaVersion: number | null;
  readonly programSchemaVersion: number;
  readonly sizeBytes: number;
  readonly connections: number;
  /** Largest first. */
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly sizeBytes: number }[];
}

export async function status(database: Database): Promise<DatabaseStatus> {
  return await inTransaction(database, '', async (client) => {
    const [whole] = await run<{ bytes: number; connections: number }>(
      client,
      `SELECT pg_database_size(current_database()) AS bytes,
         (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database()) AS connections`,
    );
    const tables = await run<{ name: string; bytes: number }>(
      client,
      `SELECT relname AS name, pg_total_relation_size(oid) AS bytes
       FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY bytes DESC, name`,
    );
    // Counted: what PostgreSQL estimates is 0 for a table that nobody analyzed yet.
    const counted: DatabaseStatus['tables'][number][] = [];
    for (const { name, bytes } of tables) {
      const sql = `SELECT count(*) AS rows FROM "${name.replaceAll('"', '""')}"`;
      const [found] = await run<{ rows: number }>(client, sql);
      counted.push({ name, rows: Number(found?.rows ?? 0), sizeBytes: bytes });
    }
    return {
      majorVersion: database.majorVersion,
      schemaVersion: await versionIn(client),
      programSchemaVersion: SCHEMA_VERSION,
      sizeBytes: whole?.bytes ?? 0,
      connections: whole?.connections ?? 0,
      tables: counted,
    };
  });
}

/** Rows are texts, so the texts must not depend on how somebody set up the server. */
const PLAIN_TEXTS = `SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres';
  SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex';
  SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0`;

async function inTransaction<T>(
  database: Database,
  mode: string,
  work: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  const client = await database.pool.connect();
  let isDone = false;
  try {
    await client.query(`BEGIN ${mode}`);
    await client.query(PLAIN_TEXTS);
    const result = await work(client);
    await client.query('COMMIT');
    isDone = true;
    return result;
  } finally {
    // What failed is rolled back with its connection.
    client.release(!isDone);
  }
}

async function run<T extends pg.QueryResultRow>(
  client: pg.ClientBase,
  text: string,
  values: unknown[] = [],
): Promise<T[]> {
  return (await client.query<T>({ text, values, query_timeout: QUERY_MS_MAX } as pg.QueryConfig)).rows;
}

async function versionIn(client: pg.ClientBase): Promise<number | null> {
  const [table] = await run<{ found: string | null }>(client, `SELECT to_regclass('${VERSION_TABLE}')::text AS found`);
  if (table?.found === null) return null;
  const [row] = await run<{ version: number | null }>(client, `SELECT max(version) AS version FROM ${VERSION_TABLE}`);
  return row?.version ?? null;
}

async function masterKeysOf(client: pg.ClientBase): Promise<string[]> {
  const [table] = await run<{ found: string | null }>(client, `SELECT to_regclass('secrets')::text AS found`);
  if (table?.found === null) return [];
  const rows = await run<{ id: string }>(client, 'SELECT DISTINCT master_key_id AS id FROM secrets ORDER BY 1');
  return rows.map(({ id }) => id);
}

/** Every table after those that it refers to. */
async function tablesInOrder(client: pg.ClientBase): Promise<string[]> {
  const tables = await run<{ name: string }>(
    client,
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
       AND relname <> '${VERSION_TABLE}' ORDER BY relname`,
  );
  const references = await run<{ name: string; needs: string }>(
    client,
    `SELECT DISTINCT a.relname AS name, b.relname AS needs FROM pg_constraint c
     JOIN pg_class a ON a.oid = c.conrelid JOIN pg_class b ON b.oid = c.confrelid
     WHERE c.contype = 'f' AND a.oid <> b.oid AND a.relnamespace = current_schema()::regnamespace`,
  );
  const ordered: string[] = [];
  const waiting = new Set(tables.map(({ name }) => name));
  while (waiting.size > 0) {
    const isFree = (name: string): boolean => !references.some((each) => each.name === name && waiting.has(each.needs));
    const next = [...waiting].filter(isFree);
    if (next.length === 0) throw new DroverError('INTERNAL', `Tables refer to each other: ${[...waiting].join(', ')}.`);
    for (const name of next) waiting.delete(name);
    ordered.push(...next);
  }
  return ordered;
}

async function writeTable(client: pg.ClientBase, writer: BackupWriter, name: string): Promise<number> {
  await writer.table(name, await columnsOf(client, name));
  await run(client, `DECLARE rows_of_table NO SCROLL CURSOR FOR SELECT t::text AS row FROM ${quoted(name)} AS t`);
  for (;;) {
    const rows = await run<{ row: string }>(client, `FETCH ${ROWS_PER_FETCH} FROM rows_of_table`);
    await writer.rowsOf(rows.map(({ row }) => row));
    if (rows.length < ROWS_PER_FETCH) break;
  }
  await run(client, 'CLOSE rows_of_table');
  return await writer.endTable(name, await sequencesOf(client, name));
}

/** In the order in which a row's text names them. */
async function columnsOf(client: pg.ClientBase, table: string): Promise<string[]> {
  const rows = await run<{ name: string }>(
    client,
    `SELECT attname AS name FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [quoted(table)],
  );
  return rows.map(({ name }) => name);
}

async function sequencesOf(client: pg.ClientBase, table: string): Promise<Sequences> {
  const found: Record<string, { last: string; isUsed: boolean }> = {};
  for (const { column, sequence } of await identitiesOf(client, table)) {
    const [row] = await run<{ last: string; used: boolean }>(
      client,
      `SELECT last_value::text AS last, is_called AS used FROM ${sequence}`,
    );
    if (row !== undefined) found[column] = { last: row.last, isUsed: row.used };
  }
  return found;
}

function identitiesOf(client: pg.ClientBase, table: string): Promise<{ column: string; sequence: string }[]> {
  return run<{ column: string; sequence: string }>(
    client,
    `SELECT * FROM (
       SELECT attname AS column, CASE WHEN NOT attisdropped THEN pg_get_serial_sequence($1, attname) END AS sequence
       FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0
     ) AS found WHERE sequence IS NOT NULL`,
    [quoted(table)],
  );
}

async function refuseTables(client: pg.ClientBase): Promise<void> {
  const [found] = await run<{ count: number }>(
    client,
    `SELECT count(*)::int AS count FROM pg_tables WHERE schemaname = current_schema()`,
  );
  if ((found?.count ?? 0) === 0) return;
  throw new DroverError(
    'ALREADY_EXISTS',
    'The database already holds tables; a backup is restored into an empty one.',
    {
      remedy: 'Stop the server, move its database away or make a new one, and restore into that.',
    },
  );
}

async function readTables(client: pg.ClientBase, reader: BackupReader): Promise<{ name: string; rows: number }[]> {
  const known = await tablesInOrder(client);
  // What the steps themselves put in is in the backup as well.
  if (known.length > 0) await run(client, `TRUNCATE ${known.map(quoted).join(', ')}`);
  const tables: { name: string; rows: number }[] = [];
  let current: string | null = null;
  let rows: string[] = [];
  let sizeBytes = 0;
  const flush = async (): Promise<void> => {
    if (current !== null && rows.length > 0) await insertRows(client, current, rows);
    rows = [];
    sizeBytes = 0;
  };
  for await (const line of reader.body()) {
    if (line.kind === 'row') {
      if (current === null) throw damaged('a row belongs to no table');
      rows.push(line.row);
      sizeBytes += line.row.length;
      if (sizeBytes >= BYTES_PER_INSERT) await flush();
    } else if (line.kind === 'table') {
      await beginTable(client, line, known);
      current = line.table;
    } else {
      if (current !== line.table) throw damaged(`the end of ${line.table} is in the wrong place`);
      await flush();
      await endTable(client, line);
      tables.push({ name: line.table, rows: line.rows });
      current = null;
    }
  }
  return tables;
}

async function beginTable(
  client: pg.ClientBase,
  line: Extract<BackupLine, { kind: 'table' }>,
  known: readonly string[],
): Promise<void> {
  if (!known.includes(line.table)) throw damaged(`it holds a table ${line.table} that this version does not have`);
  const columns = await columnsOf(client, line.table);
  if (JSON.stringify(columns) !== JSON.stringify(line.columns)) {
    throw damaged(`the columns of ${line.table} are not those of this version`);
  }
  // What they would do was done when the rows were first written.
  await run(client, `ALTER TABLE ${quoted(line.table)} DISABLE TRIGGER USER`);
}

async function insertRows(client: pg.ClientBase, table: string, rows: readonly string[]): Promise<void> {
  const name = quoted(table);
  try {
    await run(
      client,
      `INSERT INTO ${name} OVERRIDING SYSTEM VALUE
       SELECT (made.row).* FROM (SELECT text::${name} AS row FROM unnest($1::text[]) AS text OFFSET 0) AS made`,
      [rows],
    );
  } catch (error) {
    // Values that no column takes: damage shows here before the checksum of the table is read.
    if (/^2[23]/.test(String((error as { code?: unknown }).code))) {
      throw damaged(`the rows of ${table} do not fit it: ${(error as Error).message}`, error);
    }
    throw error;
  }
}

async function endTable(client: pg.ClientBase, line: Extract<BackupLine, { kind: 'table-end' }>): Promise<void> {
  for (const { column, sequence } of await identitiesOf(client, line.table)) {
    const value = line.sequences[column];
    if (value !== undefined)
      await run(client, 'SELECT setval($1::regclass, $2::bigint, $3)', [sequence, value.last, value.isUsed]);
  }
  await run(client, `ALTER TABLE ${quoted(line.table)} ENABLE TRIGGER USER`);
}

function summaryOf(header: BackupHeader, tables: readonly { name: string; rows: number }[]): BackupSummary {
  return {
    schemaVersion: header.schemaVersion,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    tables,
    masterKeyIds: header.masterKeyIds ?? [],
  };
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
