/** Who belongs to the fleet: signing on with the same version and the same artifact store as everybody else. */
import { sql, type RawBuilder } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { LOCKS } from '../database/locks.ts';
import { newId } from '../ids.ts';
import { inDatabase } from '../runs/database-errors.ts';
import { WAITS_NO_MORE } from '../runs/store-workers.ts';
import type { Tx } from '../world.ts';
import type { FleetWorld } from './parts.ts';
import type { FleetTiming } from './timing.ts';
import { PROTOCOL, refuseOtherVersions } from './versions.ts';

export interface WorkerIdentity {
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  /** Runs it takes part in at once. */
  readonly slots?: number;
}

/** Of a row of `workers` or `servers`: heard of lately, by the database's clock. */
export function isAlive({ goneAfterMs }: Pick<FleetTiming, 'goneAfterMs'>): RawBuilder<boolean> {
  return sql<boolean>`seen_at > clock_timestamp() - ${goneAfterMs} * interval '1 millisecond'`;
}

const MARKER_FACT = 'artifact-store';
const MARKER_NAME = 'fleet/marker';

/**
 * The id of the new worker, or that of one that was counted as gone and is back: it is looked at like a new one, for
 * others may have come meanwhile. What it was told to do before stands. VERSION_MISMATCH, ARTIFACTS_NOT_SHARED.
 */
export async function signOn(world: FleetWorld, identity: WorkerIdentity, id = newId(world)): Promise<string> {
  await inDatabase(() =>
    world.db.transaction().execute(async (tx) => {
      const [family, number] = LOCKS.fleet;
      await sql`SELECT pg_advisory_xact_lock(${family}, ${number})`.execute(tx);
      await refuseOtherVersions(tx, 'worker', world.programVersion, world.timing);
      await proveArtifacts(world, tx, id);
      await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at, slots)
        VALUES (${id}, ${identity.name}, ${identity.host}, ${identity.pid}, ${world.programVersion}, ${PROTOCOL},
          'active', clock_timestamp(), clock_timestamp(), ${identity.slots ?? sql`DEFAULT`})
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at,
          state = CASE WHEN workers.left_at IS NULL THEN 'active' ELSE 'draining' END`.execute(tx);
      await world.bus.tell('worker', id, tx);
    }),
  );
  return id;
}

export async function signOff(world: FleetWorld, workerId: string): Promise<void> {
  await inDatabase(async () => {
    await sql`UPDATE run_workers SET left_at = clock_timestamp(), ${WAITS_NO_MORE}
      WHERE worker_id = ${workerId} AND left_at IS NULL`.execute(world.db);
    await sql`UPDATE workers SET state = 'gone', left_at = clock_timestamp() WHERE id = ${workerId}`.execute(world.db);
  });
  await world.bus.tell('worker', workerId);
}

/**
 * The first worker ever leaves a marker in its artifact store and its value in the database; every later one must find
 * it there. Writing one's own and reading it back shows that the store takes something, too.
 */
export async function proveArtifacts(
  world: Pick<FleetWorld, 'artifacts' | 'timing'>,
  tx: Tx,
  workerId: string,
): Promise<void> {
  const { artifacts } = world;
  const own = `fleet/workers/${workerId}`;
  await artifacts.put(own, Buffer.from(workerId));
  const back = await artifacts.get(own);
  await artifacts.removeAll(own);
  if (back === null || Buffer.from(back).toString() !== workerId) {
    throw new DroverError('ARTIFACTS_NOT_SHARED', 'The artifact store did not give back what was just written to it.');
  }
  const { rows } = await sql<{ value: { marker: string } }>`
    SELECT value FROM facts_of_installation WHERE name = ${MARKER_FACT}`.execute(tx);
  const known = rows[0]?.value.marker;
  if (known === undefined) return leaveMarker(world, tx, workerId);
  const seen = await artifacts.get(MARKER_NAME);
  if (seen !== null && Buffer.from(seen).toString() === known) return;
  // Before the first run nothing can be missing yet, and another store may still be chosen.
  const { rows: used } = await sql`
    SELECT FROM runs UNION ALL (SELECT FROM workers
      WHERE state <> 'gone' AND seen_at > clock_timestamp() - ${world.timing.goneAfterMs} * interval '1 millisecond')
    LIMIT 1`.execute(tx);
  if (used.length === 0) return leaveMarker(world, tx, workerId);
  throw new DroverError(
    'ARTIFACTS_NOT_SHARED',
    'This process does not see the artifact store that the others use: their marker is not in it.',
  );
}

export async function leaveMarker(world: Pick<FleetWorld, 'artifacts'>, tx: Tx, marker: string): Promise<void> {
  await world.artifacts.put(MARKER_NAME, Buffer.from(marker));
  await sql`INSERT INTO facts_of_installation (name, value) VALUES (${MARKER_FACT}, ${JSON.stringify({ marker })}::jsonb)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value`.execute(tx);
}
