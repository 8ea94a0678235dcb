/** One version at a time: servers and workers that live are compared with whoever wants to join them. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { LOCKS } from '../database/locks.ts';
import { SCHEMA_VERSION, tooNew } from '../database/migrate.ts';
import { inDatabase } from '../runs/database-errors.ts';
import type { Db, Tx } from '../world.ts';
import { FLEET_TIMING, type FleetTiming } from './timing.ts';

/** Raised whenever processes of two versions would not understand each other's rows. */
export const PROTOCOL = 1;

export interface ForeignProcess {
  readonly kind: 'server' | 'worker';
  /** Of a worker. */
  readonly name: string | null;
  readonly host: string;
  readonly programVersion: string;
}

const SHOWN_MAX = 10;

/** Servers and workers that live and are of another version than this program. Empty where there are no tables yet. */
export async function foreignProcesses(
  db: Db | Tx,
  programVersion: string,
  { goneAfterMs }: Pick<FleetTiming, 'goneAfterMs'> = FLEET_TIMING,
): Promise<readonly ForeignProcess[]> {
  const found: ForeignProcess[] = [];
  for (const kind of ['server', 'worker'] as const) {
    if (!(await hasTable(db, `${kind}s`))) continue;
    const [name, lives] = kind === 'worker' ? [sql`name`, sql`state <> 'gone'`] : [sql`NULL`, sql`true`];
    const { rows } = await sql<{ name: string | null; host: string; program_version: string }>`
      SELECT ${name} AS name, host, program_version FROM ${sql.table(`${kind}s`)}
      WHERE ${lives} AND seen_at > clock_timestamp() - ${goneAfterMs} * interval '1 millisecond'
        AND (protocol <> ${PROTOCOL} OR program_version <> ${programVersion})
      ORDER BY started_at LIMIT ${SHOWN_MAX}`.execute(db);
    found.push(...rows.map(({ program_version: version, ...row }) => ({ kind, ...row, programVersion: version })));
  }
  return found;
}

/** VERSION_MISMATCH that names them. */
export function versionMismatch(
  others: readonly ForeignProcess[],
  own: 'server' | 'worker',
  programVersion: string,
): DroverError {
  const names = others.map(
    ({ kind, name, host, programVersion: version }) =>
      `the ${kind} ${name === null ? '' : `"${name}" `}on ${host} (${version})`,
  );
  return new DroverError(
    'VERSION_MISMATCH',
    `Another version is at work: ${names.join(', ')}. This ${own} is ${programVersion}, and two versions do not share runs.`,
    {
      remedy:
        own === 'server'
          ? 'Stop those, start this server, and then start workers of the same version.'
          : 'Start a worker of the version of the server.',
    },
  );
}

/** Within the lock of the fleet. VERSION_MISMATCH, or DATABASE_MISMATCH where somebody newer has changed the tables. */
export async function refuseOtherVersions(
  tx: Tx,
  own: 'server' | 'worker',
  programVersion: string,
  timing: Pick<FleetTiming, 'goneAfterMs'>,
): Promise<void> {
  const others = await foreignProcesses(tx, programVersion, timing);
  if (others.length > 0) throw versionMismatch(others, own, programVersion);
  await forgetSilent(tx, programVersion);
  const { rows } = await sql<{ version: number }>`SELECT max(version) AS version FROM schema_version`.execute(tx);
  const version = rows[0]?.version ?? 0;
  if (version > SCHEMA_VERSION) throw tooNew(version, SCHEMA_VERSION);
}

/** Those of another version that are silent may only be cut off: whoever of them comes back has to sign on again. */
async function forgetSilent(db: Db | Tx, programVersion: string): Promise<void> {
  const isForeign = sql`(protocol <> ${PROTOCOL} OR program_version <> ${programVersion})`;
  if (await hasTable(db, 'workers')) {
    await sql`UPDATE workers SET state = 'gone' WHERE state <> 'gone' AND ${isForeign}`.execute(db);
  }
  if (await hasTable(db, 'servers')) await sql`DELETE FROM servers WHERE ${isForeign}`.execute(db);
}

async function hasTable(db: Db | Tx, name: string): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`SELECT to_regclass(${name}) IS NOT NULL AS has`.execute(db);
  return rows[0]?.has === true;
}

/**
 * While `work` changes the tables nobody joins; and it is not begun while anybody of another version lives.
 * VERSION_MISMATCH.
 */
export async function withNobodyElse<T>(db: Db, programVersion: string, work: () => Promise<T>): Promise<T> {
  return inDatabase(() =>
    db.connection().execute(async (connection) => {
      const [family, number] = LOCKS.fleet;
      await sql`SELECT pg_advisory_lock(${family}, ${number})`.execute(connection);
      try {
        const others = await foreignProcesses(connection, programVersion);
        if (others.length > 0) throw versionMismatch(others, 'server', programVersion);
        await forgetSilent(connection, programVersion);
        return await work();
      } finally {
        await sql`SELECT pg_advisory_unlock(${family}, ${number})`.execute(connection);
      }
    }),
  );
}
