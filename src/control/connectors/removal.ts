/** What uses a connector, and taking one away that nothing uses. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import type { Actor, Endpoint, Job } from '../entities.ts';
import { endpointOf, rowsOf as endpointRowsOf } from '../endpoints/rows.ts';
import { lockVersion, uniquely } from '../rows.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';
import { rowOf } from './rows.ts';

const USERS_MAX = 1_000;
const NAMED_MAX = 5;

export async function usersOf(
  db: Db | Tx,
  id: string,
): Promise<{ endpoints: readonly Endpoint[]; jobs: readonly Pick<Job, 'id' | 'name' | 'projectName'>[] }> {
  const endpoints = await endpointRowsOf(db)
    .where('endpoints.connector_id', '=', id)
    .orderBy('endpoints.name')
    .limit(USERS_MAX)
    .execute();
  const own = sql`SELECT id FROM endpoints WHERE connector_id = ${id}`;
  const { rows: jobs } = await sql<{ id: string; name: string; projectName: string }>`
    SELECT jobs.id, jobs.name, projects.name AS "projectName" FROM jobs JOIN projects ON projects.id = jobs.project_id
    WHERE jobs.id IN (
      SELECT id FROM jobs WHERE source_endpoint_id IN (${own}) UNION
      SELECT id FROM jobs WHERE target_endpoint_id IN (${own}))
    ORDER BY lower(jobs.name), jobs.id LIMIT ${USERS_MAX}`.execute(db);
  return { endpoints: endpoints.map(endpointOf), jobs };
}

/** IN_USE names what has to go first. */
export async function removeConnector(
  world: ControlWorld,
  actor: Actor,
  id: string,
  version: number | null,
): Promise<void> {
  const { db, vault, bus, clock } = world;
  const remove = (): Promise<void> =>
    db.transaction().execute(async (tx) => {
      await lockVersion(tx, 'connectors', id, version, 'connector');
      const { name, provider, secret_id: secretId } = await rowOf(tx, id);
      const { endpoints, jobs } = await usersOf(tx, id);
      if (endpoints.length > 0) throw inUse(name, endpoints, jobs);
      await tx.deleteFrom('connectors').where('id', '=', id).execute();
      if (secretId !== null) await vault.remove(tx, secretId);
      const line = { action: 'connector.remove', entityKind: 'connector', entityId: id, entityName: name };
      await makeAudit(clock)(tx, actor, { ...line, changes: { provider: [provider, null] } });
      await bus.tell('connector', id, tx);
    });
  // An endpoint that is made at the same moment is caught by the database.
  await uniquely({}, remove);
}

function inUse(name: string, endpoints: readonly Endpoint[], jobs: readonly Pick<Job, 'name'>[]): DroverError {
  const users = [`by ${counted('endpoint', endpoints)}`];
  if (jobs.length > 0) users.push(`by ${counted('job', jobs)}`);
  return new DroverError('IN_USE', `The connector "${name}" is used ${users.join(' and ')}.`, {
    remedy: 'Delete those first, or keep the connector.',
  });
}

export function counted(word: string, users: readonly { readonly name: string }[]): string {
  const names = users.slice(0, NAMED_MAX).map((user) => `"${user.name}"`);
  const more = users.length - names.length;
  const list = more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
  return `the ${word}${users.length === 1 ? '' : 's'} ${list}`;
}
