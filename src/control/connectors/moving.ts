/**
 * Signing in anew can lead elsewhere: to another store whose buckets have the same names. Endpoints and jobs would go
 * there without a word, and a mirror would delete at its target what that store does not have.
 */
import { sql } from 'kysely';
import { subtreeOf } from '../../contract/places.ts';
import type { Place, PlaceIdentity, Provider } from '../../contract/provider.ts';
import type { Config } from '../../contract/fields.ts';
import { DroverError } from '../../model/errors.ts';
import { fullPathOf, identityText, keepIdentity, keptIdentity, storeName } from '../endpoints/identity.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';
import { ACTIVE_STATES } from '../runs/states.ts';
import { KEEP_NOTHING, openAccount, type SavedConnector } from './open.ts';
import { counted, usersOf } from './removal.ts';

/** An endpoint, where it is with the fields that are saved, and where it would be with others. */
export interface Led {
  readonly endpointId: string;
  readonly from: PlaceIdentity;
  readonly to: PlaceIdentity;
  /** Its whole address there. */
  readonly fullPath: string;
  /** Another account of a store in which each may have containers of its own: nothing else tells them apart. */
  readonly accounts: Accounts | null;
}

/** Of the cloud, or of the store; `null`: it does not say. */
export interface Accounts {
  readonly from: string | null;
  readonly to: string | null;
}

/** Of all its endpoints. Another address, region or root can make other places of them; touches no network. */
export async function whereLed(
  world: ControlWorld,
  id: string,
  saved: SavedConnector,
  config: Config,
  accounts: Accounts,
): Promise<Led[]> {
  const rows = await world.db
    .selectFrom('endpoints')
    .innerJoin('connectors', 'connectors.id', 'endpoints.connector_id')
    .select(['endpoints.id', 'endpoints.place', 'endpoints.identity', 'connectors.fingerprint'])
    .where('endpoints.connector_id', '=', id)
    .execute();
  if (rows.length === 0) return [];
  const places = rows.map(({ place }) => JSON.parse(place) as Place);
  const after = await lookedUp(world, saved.provider, config, places);
  // What cannot be opened any more was somewhere: where it was when somebody looked last.
  const kept = rows.map(({ identity, fingerprint }, at) => keptIdentity(identity, places[at]!, fingerprint));
  const before = await lookedUp(world, saved.provider, saved.config, places).then(
    (all) => all.map(({ identity }) => identity),
    () => kept,
  );
  const areOthers = accounts.from !== null && accounts.to !== null && accounts.from !== accounts.to;
  return rows.map(({ id: endpointId }, at) => ({
    endpointId,
    from: before[at]!,
    to: after[at]!.identity,
    fullPath: after[at]!.fullPath,
    accounts: areOthers && after[at]!.identity.mayBePerAccount === true ? accounts : null,
  }));
}

async function lookedUp(
  world: ControlWorld,
  provider: Provider,
  config: Config,
  places: readonly Place[],
): Promise<readonly { readonly identity: PlaceIdentity; readonly fullPath: string }[]> {
  const options = { openTransport: world.openTransport, saveAccount: KEEP_NOTHING };
  const { account } = await openAccount(world, provider, config, options);
  await using opened = account;
  const looking = places.map(async (place) => ({
    identity: await opened.identify(place),
    fullPath: fullPathOf(opened, provider.manifest, place),
  }));
  return Promise.all(looking);
}

export function moved(led: readonly Led[]): readonly Led[] {
  return led.filter(({ from, to, accounts }) => identityText(from) !== identityText(to) || accounts !== null);
}

/** GUARD_CONFIRM names the endpoints that would move, and the jobs. */
export async function refuseMove(db: Db, id: string, name: string, led: readonly Led[]): Promise<void> {
  const moving = moved(led);
  const [first] = moving;
  if (first === undefined) return;
  const { endpoints, jobs } = await usersOf(db, id);
  const moves = new Set(moving.map(({ endpointId }) => endpointId));
  const theirs = endpoints.filter((endpoint) => moves.has(endpoint.id));
  const users = jobs.length === 0 ? '' : `, and with ${moving.length === 1 ? 'it' : 'them'} ${counted('job', jobs)}`;
  throw new DroverError(
    'GUARD_CONFIRM',
    `With these fields "${name}" leads elsewhere: ${movesWords(first)}. That would move ${counted('endpoint', theirs)}${users}; ` +
      'a mirror then deletes at its target what the other place does not have.',
    {
      remedy:
        'Make a new connector for the other place. If this is the same place under another address, or they are to move, say so: "acceptMove", or --accept-move.',
    },
  );
}

/**
 * WRONG_STATE while a run that uses what moves has not ended: it goes on from where it was, and that would be somewhere
 * else then.
 */
export async function refuseWhileUnended(db: Db, led: readonly Led[]): Promise<void> {
  const ids = moved(led).map(({ endpointId }) => endpointId);
  if (ids.length === 0) return;
  const rows = await db
    .selectFrom('runs')
    .innerJoin('jobs', 'jobs.id', 'runs.job_id')
    .innerJoin('projects', 'projects.id', 'jobs.project_id')
    .select(['runs.number', 'jobs.name as job', 'projects.name as project'])
    .where('runs.state', 'in', [...ACTIVE_STATES])
    .where((eb) => eb.or([eb('jobs.source_endpoint_id', 'in', ids), eb('jobs.target_endpoint_id', 'in', ids)]))
    .orderBy('runs.id')
    .execute();
  if (rows.length === 0) return;
  const names = rows.map(({ number, job, project }) => ({ name: `${project}/${job} #${number}` }));
  throw new DroverError(
    'WRONG_STATE',
    `With these fields the connector leads elsewhere, and ${counted('run', names)} would go on there from where ${rows.length === 1 ? 'it' : 'they'} stopped.`,
    { remedy: 'Cancel what has not ended, or wait for its end, and sign in anew then.' },
  );
}

/** What endpoints and jobs show is where they are by now; what the other store was seen to honour says nothing here. */
export async function keepMoves(tx: Tx, led: readonly Led[]): Promise<void> {
  for (const { endpointId, to } of led) await keepIdentity(tx, endpointId, to);
  for (const { endpointId, fullPath } of moved(led)) {
    await sql`UPDATE endpoints SET full_path = ${fullPath}, facts = NULL WHERE id = ${endpointId}`.execute(tx);
    await sql`UPDATE jobs SET source_full_path = ${fullPath} || source_sub_path
      WHERE source_endpoint_id = ${endpointId}`.execute(tx);
    await sql`UPDATE jobs SET target_full_path = ${fullPath} || target_sub_path
      WHERE target_endpoint_id = ${endpointId}`.execute(tx);
  }
}

/** For the audit line. */
export function moveChanges(led: readonly Led[]): Record<string, readonly [unknown, unknown]> {
  const [first] = moved(led);
  if (first === undefined) return {};
  const { from, to, accounts } = first;
  const key = `places (${moved(led).length})`;
  return identityText(from) === identityText(to)
    ? { [key]: [`account ${accounts?.from}`, `account ${accounts?.to}`] }
    : { [key]: [identityText(from), identityText(to)] };
}

function movesWords({ from, to, accounts }: Led): string {
  if (identityText(from) === identityText(to)) {
    return `to the account "${accounts?.to}" instead of "${accounts?.from}" of a store in which each may have places of its own by these names`;
  }
  return `to "${textOf(to)}" instead of "${textOf(from)}"`;
}

function textOf(identity: PlaceIdentity): string {
  const place = subtreeOf(identity);
  const store = storeName(identityText(identity));
  return store === null ? place : `${place}" at "${store}`;
}
