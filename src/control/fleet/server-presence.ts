/** A server among the others: it says that it lives, so that no process of another version joins it unseen. */
import { sql } from 'kysely';
import { LOCKS } from '../database/locks.ts';
import { newId } from '../ids.ts';
import { fromDatabase, inDatabase } from '../runs/database-errors.ts';
import type { ControlWorld, Db } from '../world.ts';
import { isAlive } from './membership.ts';
import { FLEET_TIMING, type FleetTiming } from './timing.ts';
import { PROTOCOL, refuseOtherVersions } from './versions.ts';

export interface ServerPresence extends AsyncDisposable {
  readonly id: string;
  /** Rejects when it was away for long and others of another version have come meanwhile. */
  readonly failed: Promise<never>;
}

export interface ServerIdentity {
  readonly host: string;
  readonly pid: number;
}

/** Parts of the time after which it would count as gone. */
const BEATS = 6;
const FORGOTTEN_HOURS = 24;

/** VERSION_MISMATCH, DATABASE_MISMATCH. It leaves when it is disposed of. */
export async function signOnServer(
  world: ControlWorld,
  identity: ServerIdentity,
  timing: Pick<FleetTiming, 'goneAfterMs'> = FLEET_TIMING,
): Promise<ServerPresence> {
  const id = newId(world);
  const { db, clock, log } = world;
  const stop = new AbortController();
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  await enter(world, id, identity, timing);
  const beating = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        await clock.sleep(timing.goneAfterMs / BEATS, stop.signal);
        if (!(await beat(db, id, timing))) await enter(world, id, identity, timing);
      } catch (thrown) {
        if (stop.signal.aborted) return;
        const error = fromDatabase(thrown);
        if (error.code === 'VERSION_MISMATCH' || error.code === 'DATABASE_MISMATCH') return reject(error);
        log('debug', 'This server could not say that it lives.', { code: error.code, reason: error.message });
      }
    }
  };
  const loop = beating();
  return {
    id,
    failed,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await loop;
      // Without the database it is forgotten by itself.
      await sql`DELETE FROM servers WHERE id = ${id}::uuid`.execute(db).catch(() => undefined);
    },
  };
}

/** Whoever has the embedded database to himself knows that no other server lives. */
export async function forgetServers(db: Db): Promise<void> {
  await inDatabase(async () => {
    const { rows } = await sql<{ has: boolean }>`SELECT to_regclass('servers') IS NOT NULL AS has`.execute(db);
    if (rows[0]?.has === true) await sql`DELETE FROM servers`.execute(db);
  });
}

/** False when it counts as gone already: then it has to look who has come meanwhile. */
async function beat(db: Db, id: string, timing: Pick<FleetTiming, 'goneAfterMs'>): Promise<boolean> {
  const { rows } = await inDatabase(() =>
    sql`UPDATE servers SET seen_at = clock_timestamp() WHERE id = ${id}::uuid AND ${isAlive(timing)} RETURNING id`.execute(
      db,
    ),
  );
  return rows.length > 0;
}

async function enter(
  { db, programVersion }: ControlWorld,
  id: string,
  { host, pid }: ServerIdentity,
  timing: Pick<FleetTiming, 'goneAfterMs'>,
): Promise<void> {
  await inDatabase(() =>
    db.transaction().execute(async (tx) => {
      const [family, number] = LOCKS.fleet;
      await sql`SELECT pg_advisory_xact_lock(${family}, ${number})`.execute(tx);
      await refuseOtherVersions(tx, 'server', programVersion, timing);
      await sql`DELETE FROM servers
        WHERE seen_at < clock_timestamp() - ${FORGOTTEN_HOURS} * interval '1 hour'`.execute(tx);
      await sql`INSERT INTO servers (id, host, pid, program_version, protocol, started_at, seen_at)
        VALUES (${id}, ${host}, ${pid}, ${programVersion}, ${PROTOCOL}, clock_timestamp(), clock_timestamp())
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`.execute(tx);
    }),
  );
}
