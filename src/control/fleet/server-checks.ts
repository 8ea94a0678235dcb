/** What a server makes sure of before it begins: no workers of another version, and the artifact store that all see. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { LOCKS } from '../database/locks.ts';
import { newId } from '../ids.ts';
import { inDatabase } from '../runs/database-errors.ts';
import type { ControlWorld, Db } from '../world.ts';
import { leaveMarker, proveArtifacts, PROTOCOL } from './membership.ts';
import { FLEET_TIMING } from './timing.ts';

export interface ForeignWorker {
  readonly name: string;
  readonly host: string;
  readonly programVersion: string;
}

/**
 * Workers that live and are of another version than this program. Asked before the tables are brought up to date: they
 * would not understand them afterwards. Empty where there are no tables yet.
 */
export async function foreignWorkers(db: Db, programVersion: string): Promise<readonly ForeignWorker[]> {
  return inDatabase(async () => {
    const { rows: tables } = await sql<{ has: boolean }>`SELECT to_regclass('workers') IS NOT NULL AS has`.execute(db);
    if (tables[0]?.has !== true) return [];
    const { rows } = await sql<{ name: string; host: string; program_version: string }>`
      SELECT name, host, program_version FROM workers
      WHERE state <> 'gone' AND seen_at > clock_timestamp() - ${FLEET_TIMING.goneAfterMs} * interval '1 millisecond'
        AND (protocol <> ${PROTOCOL} OR program_version <> ${programVersion})
      ORDER BY started_at LIMIT 10`.execute(db);
    return rows.map(({ name, host, program_version: version }) => ({ name, host, programVersion: version }));
  });
}

/** VERSION_MISMATCH that names them. */
export function versionMismatch(workers: readonly ForeignWorker[], programVersion: string): DroverError {
  const names = workers.map(({ name, host, programVersion: version }) => `"${name}" on ${host} (${version})`);
  return new DroverError(
    'VERSION_MISMATCH',
    `Workers of another version are at work: ${names.join(', ')}. This server is ${programVersion}.`,
    { remedy: 'Stop those workers, start this server, and then start workers of the same version.' },
  );
}

/**
 * From now on the store that this process sees is the one that all must see: for an installation whose store was lost, or
 * moved. Logs, reports and the evidence of earlier runs stay behind; the next runs compare anew.
 */
export async function adoptArtifacts(world: ControlWorld): Promise<void> {
  await inDatabase(() =>
    world.db.transaction().execute(async (tx) => {
      const [family, number] = LOCKS.fleet;
      await sql`SELECT pg_advisory_xact_lock(${family}, ${number})`.execute(tx);
      await leaveMarker(world, tx, newId(world));
    }),
  );
}

/** ARTIFACTS_NOT_SHARED when the server would not see what its workers write. */
export async function proveServerArtifacts(world: ControlWorld): Promise<void> {
  await inDatabase(() =>
    world.db.transaction().execute(async (tx) => {
      const [family, number] = LOCKS.fleet;
      await sql`SELECT pg_advisory_xact_lock(${family}, ${number})`.execute(tx);
      await proveArtifacts({ ...world, timing: FLEET_TIMING }, tx, newId(world));
    }),
  );
}
