/** What a server makes sure of before it begins: that it sees the artifact store that all see. */
import { sql } from 'kysely';
import { LOCKS } from '../database/locks.ts';
import { newId } from '../ids.ts';
import { inDatabase } from '../runs/database-errors.ts';
import type { ControlWorld } from '../world.ts';
import { leaveMarker, proveArtifacts } from './membership.ts';
import { FLEET_TIMING } from './timing.ts';

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
