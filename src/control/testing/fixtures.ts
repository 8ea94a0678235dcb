/** Rows that a test needs before what it is about; made as the services make them, without signing in anywhere. */
import { newId } from '../ids.ts';
import { stampOf } from '../rows.ts';
import type { Endpoint } from '../entities.ts';
import { SYSTEM } from '../entities.ts';
import type { ControlWorld } from '../world.ts';

let made = 0;

export async function insertConnector(
  world: ControlWorld,
  { provider = 'memory', config = {}, fingerprint }: { provider?: string; config?: object; fingerprint?: string } = {},
): Promise<string> {
  const id = newId(world);
  made += 1;
  await world.db
    .insertInto('connectors')
    .values({
      id,
      ...stampOf(SYSTEM, world.clock.now()),
      name: `Connector ${made}`,
      provider,
      config: JSON.stringify(config),
      fingerprint: fingerprint ?? `${provider}|${made}`,
      limits: JSON.stringify({ requestsPerSecond: null, transfersMax: null }),
    })
    .execute();
  return id;
}

export async function insertEndpoint(
  world: ControlWorld,
  kind: Endpoint['kind'],
  connectorId: string,
  place: { container: string; prefix: string } = { container: `bucket-${(made += 1)}`, prefix: '' },
): Promise<string> {
  const id = newId(world);
  made += 1;
  await world.db
    .insertInto('endpoints')
    .values({
      id,
      ...stampOf(SYSTEM, world.clock.now()),
      name: `Endpoint ${made}`,
      kind,
      connector_id: connectorId,
      place: JSON.stringify(place),
      full_path: `memory://${place.container}/${place.prefix}`,
    })
    .execute();
  return id;
}

/** A source and a target in accounts of their own. */
export async function insertPair(world: ControlWorld): Promise<{ sourceEndpointId: string; targetEndpointId: string }> {
  return {
    sourceEndpointId: await insertEndpoint(world, 'source', await insertConnector(world)),
    targetEndpointId: await insertEndpoint(world, 'target', await insertConnector(world)),
  };
}
