/** Endpoints: one place of a connector, to copy from or to. Fixed after creation, so that jobs can rely on it. */
import type { Account, Place, PlaceIdentity, TargetFacts } from '../../contract/provider.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { changesOf, makeAudit } from '../audit.ts';
import { movesObjects } from '../connectors/cloud.ts';
import { counted } from '../connectors/removal.ts';
import type { CloudRow } from '../connectors/rows.ts';
import type { Actor, Endpoint } from '../entities.ts';
import { newId } from '../ids.ts';
import { listPage } from '../paging.ts';
import { demand } from '../people/roles.ts';
import { DESCRIPTION_MAX, found, isUuid, lockVersion, nameOf, shortText, stampOf, uniquely } from '../rows.ts';
import { typedPath } from '../paths.ts';
import type { Endpoints } from '../services.ts';
import type { ControlWorld, OpenConnector, Tx } from '../world.ts';
import { fullPathOf, identityText } from './identity.ts';
import { warningsOf } from './warnings.ts';
import { endpointOf, LISTING, rowOf, rowsOf } from './rows.ts';

const TAKEN = {
  endpoints_name: ['name', 'Another endpoint has this name.'],
  endpoints_kind_connector_id_place_key: ['place', 'There is an endpoint of this kind for this place already.'],
} as const;
const NAME_TRIES_MAX = 20;

type Input = Parameters<Endpoints['create']>[1];

export function openEndpoints(world: ControlWorld, openConnector: OpenConnector): Endpoints {
  const { db } = world;
  const get = async (id: string): Promise<Endpoint> => endpointOf(await rowOf(db, id));
  return {
    async list(actor, query) {
      demand(actor, 'read');
      const values = { ...LISTING.values, provider: [...world.providers.keys()] };
      const page = await listPage(db, rowsOf(db), { ...LISTING, values, query });
      return { ...page, items: page.items.map(endpointOf) };
    },
    async get(actor, id) {
      demand(actor, 'read');
      return get(id);
    },
    async create(actor, input, signal) {
      demand(actor, 'define');
      const { id, warnings: typed } = await createEndpoint(world, openConnector, actor, input, signal);
      const made = await get(id);
      const warnings = [...typed, ...(await warningsOf(db, made))];
      return warnings.length === 0 ? made : { ...made, warnings };
    },
    async update(actor, id, version, change) {
      demand(actor, 'define');
      await updateEndpoint(world, actor, id, version, change);
      return get(id);
    },
    async remove(actor, id, version) {
      demand(actor, 'define');
      await removeEndpoint(world, actor, id, version);
    },
  };
}

async function createEndpoint(
  world: ControlWorld,
  openConnector: OpenConnector,
  actor: Actor,
  input: Input,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly warnings: readonly string[] }> {
  const description = shortText(input.description ?? '', 'description', DESCRIPTION_MAX);
  if (input.kind !== 'source' && input.kind !== 'target') {
    throw new DroverError('INVALID_INPUT', 'Choose source or target.', { field: 'kind' });
  }
  await refuseInventoryOnly(world.db, input.connectorId);
  const seen = await lookAt(world, openConnector, input, signal);
  const id = newId(world);
  const given = input.name?.trim() ?? '';
  const wanted = given === '' ? suggestedName(seen.place) : nameOf(given, 'name');
  const insert = (name: string): Promise<void> =>
    uniquely(TAKEN, () =>
      world.db
        .transaction()
        .execute((tx) => insertEndpoint(world, tx, actor, { ...input, ...seen, id, name, description })),
    );
  for (let number = 1; ; number++) {
    try {
      await insert(number === 1 ? wanted : `${wanted} ${number}`);
      return { id, warnings: seen.warnings };
    } catch (thrown) {
      if (thrown instanceof DroverError && thrown.field === 'place') throw await placeTaken(world, input, seen, thrown);
      const isOwnName = given === '' && thrown instanceof DroverError && thrown.field === 'name';
      if (!isOwnName || number === NAME_TRIES_MAX) throw thrown;
    }
  }
}

/** With the name of the endpoint that has the place: it is the one to use. */
async function placeTaken(world: ControlWorld, input: Input, seen: Seen, thrown: DroverError): Promise<DroverError> {
  const row = await world.db
    .selectFrom('endpoints')
    .select('name')
    .where('kind', '=', input.kind)
    .where('connector_id', '=', input.connectorId)
    .where('full_path', '=', seen.fullPath)
    .executeTakeFirst();
  if (row === undefined) return thrown;
  const message = `The ${input.kind} endpoint "${row.name}" is this place already.`;
  const remedy = `Use "${row.name}", or choose another place.`;
  return new DroverError('ALREADY_EXISTS', message, { field: 'place', remedy, cause: thrown });
}

/** An account that is there to be looked at has no rights to objects. An unknown connector is told by whoever opens it. */
async function refuseInventoryOnly(db: ControlWorld['db'], connectorId: string): Promise<void> {
  const row = isUuid(connectorId)
    ? await db.selectFrom('connectors').select(['name', 'cloud']).where('id', '=', connectorId).executeTakeFirst()
    : undefined;
  const cloud = (row?.cloud ?? null) as CloudRow | null;
  if (cloud === null || movesObjects(cloud)) return;
  throw new DroverError('INVALID_INPUT', `The connector "${row?.name}" is for Inventory alone.`, {
    field: 'connectorId',
    remedy:
      'Add the solution Storage - Data Management to the connector, update its stack with the new template, and try again.',
  });
}

/** As providers call the part of a place that is not there. */
const CONTAINER_FIELDS: ReadonlySet<string> = new Set(['bucket', 'container']);

interface Seen {
  readonly place: Place;
  readonly fullPath: string;
  readonly facts: TargetFacts | null;
  readonly identity: PlaceIdentity;
  /** About the path as it was typed. */
  readonly warnings: readonly string[];
}

/** PLACE_NOT_FOUND at `place` or `place.container`; for a target also what it honours, as far as Drover may try it. */
async function lookAt(
  world: ControlWorld,
  openConnector: OpenConnector,
  { kind, connectorId, place: given }: Input,
  signal: AbortSignal,
): Promise<Seen> {
  const { account, provider } = await openConnector(connectorId, world.openTransport);
  await using opened = account;
  const { manifest } = provider;
  const { path, warnings } = typedPath(given.prefix, 'place.prefix', manifest);
  const place = { container: wholeContainer(given, manifest.id, opened), prefix: path };
  if ((kind === 'source' ? manifest.source : manifest.target) === null) {
    const words = `${manifest.title} cannot be a ${kind}.`;
    throw new DroverError('INVALID_INPUT', words, { field: 'kind' });
  }
  if (place.container === '') {
    throw new DroverError('INVALID_INPUT', `Choose a ${manifest.containerWord}.`, { field: 'place.container' });
  }
  const fullPath = fullPathOf(opened, manifest, place);
  const facts = await factsOf(world, opened, kind, place, signal);
  return { place, fullPath, facts, warnings, identity: await opened.identify(place) };
}

async function factsOf(
  world: ControlWorld,
  account: Account,
  kind: Input['kind'],
  place: Place,
  signal: AbortSignal,
): Promise<TargetFacts | null> {
  try {
    if (kind === 'source') {
      await using _source = await account.source(place, { versions: 'current' }, signal);
      return null;
    }
    const runId = newId(world).replaceAll('-', '').slice(-20);
    await using target = await account.target(place, { facts: null, runId }, signal);
    return await observed(world, target, signal);
  } catch (thrown) {
    if (!(thrown instanceof DroverError) || thrown.code !== 'PLACE_NOT_FOUND') throw thrown;
    const { message, remedyOverride: remedy } = thrown;
    const field = CONTAINER_FIELDS.has(thrown.field ?? '') ? 'place.container' : 'place';
    throw new DroverError('PLACE_NOT_FOUND', message, { field, cause: thrown, remedy });
  }
}

/** A target where Drover may not write yet is no obstacle: whoever starts a run is told what to grant. */
async function observed(
  world: ControlWorld,
  target: Awaited<ReturnType<Account['target']>>,
  signal: AbortSignal,
): Promise<TargetFacts | null> {
  if (target.observe === undefined) return target.facts;
  try {
    return await target.observe(signal);
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (error.code === 'CANCELLED' || error.code === 'PLACE_NOT_FOUND') throw error;
    world.log('info', 'A target could not be tried out yet.', { reason: error.message });
    return null;
  }
}

/** A folder of this machine is kept with its whole path, so that another root of the connector does not silently move the endpoint. */
function wholeContainer({ container }: Place, provider: string, account: Account): string {
  const whole = provider === 'local' && container !== '' ? account.address?.({ container, prefix: '' }) : undefined;
  return whole === undefined ? container : whole.replace(/(?<=.)\/$/, '');
}

function suggestedName({ container, prefix }: Place): string {
  const name = `${container}/${prefix}`.replace(/\/+$/, '').replaceAll(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, ' ');
  return Array.from(name === '' ? container : name)
    .slice(0, 180)
    .join('');
}

async function insertEndpoint(
  world: ControlWorld,
  tx: Tx,
  actor: Actor,
  endpoint: Input & Seen & { readonly id: string; readonly name: string; readonly description: string },
): Promise<void> {
  const { id, name, kind, connectorId, place, fullPath, facts, identity, description } = endpoint;
  const connector = isUuid(connectorId)
    ? await tx.selectFrom('connectors').select('name').where('id', '=', connectorId).forKeyShare().executeTakeFirst()
    : undefined;
  found(connector, 'connector', connectorId);
  await tx
    .insertInto('endpoints')
    .values({
      id,
      ...stampOf(actor, world.clock.now()),
      name,
      kind,
      connector_id: connectorId,
      place: JSON.stringify({ container: place.container, prefix: place.prefix }),
      full_path: fullPath,
      description,
      facts: facts === null ? null : JSON.stringify(facts),
      identity: identityText(identity),
    })
    .execute();
  const line = { action: 'endpoint.create', entityKind: 'endpoint', entityId: id, entityName: name };
  await makeAudit(world.clock)(tx, actor, { ...line, changes: { kind: [null, kind], fullPath: [null, fullPath] } });
  await world.bus.tell('endpoint', id, tx);
}

async function updateEndpoint(
  world: ControlWorld,
  actor: Actor,
  id: string,
  version: number | null,
  change: { readonly description: string },
): Promise<void> {
  const fixed = Object.entries(change).find(([name, value]) => name !== 'description' && value !== undefined);
  if (fixed !== undefined) {
    throw new DroverError(
      'FIXED_FIELD',
      `Only the description of an endpoint can change: a mirror that suddenly saw another place would delete what it does not find there.`,
      { field: fixed[0], remedy: 'Make a new endpoint for the other place, and jobs that use it.' },
    );
  }
  const description = shortText(change.description, 'description', DESCRIPTION_MAX);
  await world.db.transaction().execute(async (tx) => {
    const now = await lockVersion(tx, 'endpoints', id, version, 'endpoint');
    const before = await rowOf(tx, id);
    const changes = changesOf({ description: before.description }, { description });
    if (Object.keys(changes).length === 0) return;
    await tx
      .updateTable('endpoints')
      .set({ description, version: now + 1, updated_at: new Date(world.clock.now()) })
      .where('id', '=', id)
      .execute();
    const line = { action: 'endpoint.update', entityKind: 'endpoint', entityId: id, entityName: before.name };
    await makeAudit(world.clock)(tx, actor, { ...line, changes });
    await world.bus.tell('endpoint', id, tx);
  });
}

const JOBS_MAX = 1_000;

async function removeEndpoint(world: ControlWorld, actor: Actor, id: string, version: number | null): Promise<void> {
  const remove = async (tx: Tx): Promise<void> => {
    await lockVersion(tx, 'endpoints', id, version, 'endpoint');
    const { name, full_path: fullPath } = await rowOf(tx, id);
    const jobs = await tx
      .selectFrom('jobs')
      .select('name')
      .where((where) => where.or([where('source_endpoint_id', '=', id), where('target_endpoint_id', '=', id)]))
      .orderBy('name')
      .limit(JOBS_MAX)
      .execute();
    if (jobs.length > 0) {
      throw new DroverError('IN_USE', `The endpoint "${name}" is used by ${counted('job', jobs)}.`, {
        remedy: 'Delete those first, or keep the endpoint.',
      });
    }
    await tx.deleteFrom('endpoints').where('id', '=', id).execute();
    const line = { action: 'endpoint.remove', entityKind: 'endpoint', entityId: id, entityName: name };
    await makeAudit(world.clock)(tx, actor, { ...line, changes: { fullPath: [fullPath, null] } });
    await world.bus.tell('endpoint', id, tx);
  };
  // A job that is made at the same moment is caught by the database.
  await uniquely({}, () => world.db.transaction().execute(remove));
}
