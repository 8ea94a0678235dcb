/** Brings the tables to the version that this program knows. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { DroverError } from '../../model/errors.ts';
import type { Database } from './connect.ts';
import { LOCKS } from './locks.ts';
import { initial } from './migrations/0001-initial.ts';
import { placeIdentity } from './migrations/0002-place-identity.ts';
import { reportVerdict } from './migrations/0003-report-verdict.ts';
import { orders } from './migrations/0004-orders.ts';
import { tokenScopes } from './migrations/0005-token-scopes.ts';
import { runsToLookAt } from './migrations/0006-runs-to-look-at.ts';
import { dismissals } from './migrations/0007-dismissals.ts';
import { evidence } from './migrations/0008-evidence.ts';
import { moreOrders } from './migrations/0009-more-orders.ts';
import { distinctOrders } from './migrations/0010-distinct-orders.ts';
import { workersThere } from './migrations/0011-workers-there.ts';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: string;
}

/** Never changed once released; a change of the tables is one more. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'initial', statements: initial },
  { version: 2, name: 'place-identity', statements: placeIdentity },
  { version: 3, name: 'report-verdict', statements: reportVerdict },
  { version: 4, name: 'orders', statements: orders },
  { version: 5, name: 'token-scopes', statements: tokenScopes },
  { version: 6, name: 'runs-to-look-at', statements: runsToLookAt },
  { version: 7, name: 'dismissals', statements: dismissals },
  { version: 8, name: 'evidence', statements: evidence },
  { version: 9, name: 'more-orders', statements: moreOrders },
  { version: 10, name: 'distinct-orders', statements: distinctOrders },
  { version: 11, name: 'workers-there', statements: workersThere },
];

/** Of the tables that this program works with. */
export const SCHEMA_VERSION = MIGRATIONS.length;

export interface MigrateOptions {
  /** A version in between: for a backup of that version. */
  readonly to?: number;
  readonly migrations?: readonly Migration[];
}

/**
 * Of what a step does: its SQL without comments and layout. Template texts have the same value in the sources and in the
 * bundle, so that both say the same.
 */
export function hashOfStatements(statements: string): string {
  const plain = statements.replaceAll(/--[^\n]*/g, ' ').replaceAll(/\s+/g, ' ');
  return createHash('sha256').update(plain.trim()).digest('hex');
}

/**
 * All steps in one transaction, under a lock: of several servers that start together one does it and the others find
 * it done. DATABASE_MISMATCH, with nothing changed, when the tables are newer than this program, or were made by steps
 * that differ from those of the same number here.
 */
export async function migrate(database: Database, options: MigrateOptions = {}): Promise<{ from: number; to: number }> {
  const client = await database.pool.connect();
  let isBroken = true;
  try {
    await client.query('BEGIN');
    const result = await migrateIn(client, options);
    await client.query('COMMIT');
    isBroken = false;
    return result;
  } finally {
    // Its transaction is rolled back with it.
    client.release(isBroken);
  }
}

/** The same within a transaction of the caller, who holds `client`. */
export async function migrateIn(client: pg.ClientBase, options: MigrateOptions): Promise<{ from: number; to: number }> {
  const migrations = options.migrations ?? MIGRATIONS;
  const to = options.to ?? migrations.length;
  await client.query('SELECT pg_advisory_xact_lock($1, $2)', [...LOCKS.migration]);
  const from = await readVersion(client);
  if (from === null) await refuseForeignTables(client);
  if (from !== null && from > to) throw tooNew(from, to);
  await client.query(
    `CREATE TABLE IF NOT EXISTS schema_version (
       version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),
       statements_hash text
     )`,
  );
  await compareSteps(client, migrations);
  await noteHashes(client, migrations);
  for (const { version, name, statements } of migrations.slice(from ?? 0, to)) {
    // Indexes on tables with many rows take longer than a query should.
    await client.query({ text: statements, query_timeout: MIGRATION_MS_MAX } as pg.QueryConfig);
    await client.query('INSERT INTO schema_version (version, name, statements_hash) VALUES ($1, $2, $3)', [
      version,
      name,
      hashOfStatements(statements),
    ]);
  }
  return { from: from ?? 0, to };
}

/** DATABASE_MISMATCH when a step that was taken is not the one that this program knows by its number. */
async function compareSteps(client: pg.ClientBase, migrations: readonly Migration[]): Promise<void> {
  // As JSON: tables of earlier versions have no such column yet.
  const { rows } = await client.query<{ version: number; name: string; hash: string | null }>(
    `SELECT version, name, to_jsonb(taken) ->> 'statements_hash' AS hash FROM schema_version AS taken ORDER BY version`,
  );
  for (const { version, name, hash } of rows) {
    const known = migrations[version - 1];
    if (known === undefined || hash === null || hash === hashOfStatements(known.statements)) continue;
    throw new DroverError(
      'DATABASE_MISMATCH',
      `The tables were made by a step ${version} (${name}) that differs from step ${version} of this program; ` +
        'nothing was changed.',
      {
        remedy:
          'Go on with the Drover that made them; or write "drover db backup" with it, and restore that with this one ' +
          'into an empty database.',
      },
    );
  }
}

/** Of steps that were taken before hashes were kept. */
async function noteHashes(client: pg.ClientBase, migrations: readonly Migration[]): Promise<void> {
  const { rows } = await client.query<{ version: number }>(
    `SELECT version FROM schema_version AS taken WHERE to_jsonb(taken) ->> 'statements_hash' IS NULL`,
  );
  if (rows.length === 0) return;
  await client.query('ALTER TABLE schema_version ADD COLUMN IF NOT EXISTS statements_hash text');
  for (const { version } of rows) {
    const known = migrations[version - 1];
    if (known === undefined) continue;
    const hash = hashOfStatements(known.statements);
    await client.query('UPDATE schema_version SET statements_hash = $2 WHERE version = $1', [version, hash]);
  }
}

/** `null`: no tables of ours yet. */
export async function readSchemaVersion(database: Database): Promise<number | null> {
  const client = await database.pool.connect();
  try {
    return await readVersion(client);
  } finally {
    client.release();
  }
}

/** For processes that must not change the tables: DATABASE_MISMATCH unless they fit exactly. */
export async function requireSchema(database: Database): Promise<void> {
  const client = await database.pool.connect();
  let found: number | null;
  try {
    found = await readVersion(client);
    if (found === SCHEMA_VERSION) return await compareSteps(client, MIGRATIONS);
  } finally {
    client.release();
  }
  if (found !== null && found > SCHEMA_VERSION) throw tooNew(found, SCHEMA_VERSION);
  const words = found === null ? 'The database holds no tables of Drover yet' : `The tables have version ${found}`;
  throw new DroverError('DATABASE_MISMATCH', `${words}; this program needs version ${SCHEMA_VERSION}.`, {
    remedy: 'Start "drover serve" of this version on the same database first; it brings the tables up to date.',
  });
}

const MIGRATION_MS_MAX = 3_600_000;

async function readVersion(client: pg.ClientBase): Promise<number | null> {
  // As the rows say it: names are kept in a connection's memory, which may not know yet what another one just committed.
  const table = await client.query(
    `SELECT FROM pg_class WHERE relname = 'schema_version' AND relkind = 'r' AND pg_table_is_visible(oid)`,
  );
  if (table.rowCount === 0) return null;
  const { rows } = await client.query<{ version: number | null }>('SELECT max(version) AS version FROM schema_version');
  return rows[0]?.version ?? null;
}

async function refuseForeignTables(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1 LIMIT 3`,
  );
  if (rows.length === 0) return;
  throw new DroverError(
    'DATABASE_UNUSABLE',
    `The database holds tables that are not Drover's (${rows.map(({ name }) => name).join(', ')}).`,
    { field: 'DATABASE_URL', remedy: 'Give Drover an empty database of its own.' },
  );
}

export function tooNew(found: number, known: number): DroverError {
  return new DroverError(
    'DATABASE_MISMATCH',
    `The tables have version ${found}, and this program knows versions up to ${known}; nothing was changed.`,
    { remedy: 'Start the newer Drover that made them, or restore a backup of this version into an empty database.' },
  );
}
