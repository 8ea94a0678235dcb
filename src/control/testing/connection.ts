/** The database of a test, with its tables. */
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Schema } from '../database/schema.ts';
import { initial } from '../database/migrations/0001-initial.ts';
import type { Db } from '../world.ts';

const INT8 = 20;

export async function openTestConnection(
  url: string,
  _world: unknown,
  withTables: boolean,
): Promise<{ readonly db: Db; close(): Promise<void> }> {
  const pool = new pg.Pool({
    connectionString: url,
    max: 10,
    types: {
      getTypeParser: ((oid: number, format: 'text') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
    },
  });
  pool.on('error', () => undefined);
  if (withTables) await pool.query(initial);
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  return { db, close: () => db.destroy() };
}
