/** The clock that all servers share: what one decides by it holds for all, however wrong its own is. */
import { sql } from 'kysely';
import type { Db, Tx } from '../world.ts';

/** In milliseconds since 1970. */
export type SharedClock = (db: Db | Tx) => Promise<number>;

export const databaseNow: SharedClock = async (db) => {
  const { rows } = await sql<{ ms: number }>`SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms`.execute(
    db,
  );
  return Math.floor((rows[0] as { readonly ms: number }).ms);
};
