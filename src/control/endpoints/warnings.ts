/** What looks wrong about a new endpoint, and is allowed all the same. */
import { sql } from 'kysely';
import { identitiesOverlap } from '../../contract/places.ts';
import type { CloudRow } from '../connectors/rows.ts';
import type { Endpoint } from '../entities.ts';
import { writeWarnings, type Permitted } from '../jobs/permissions.ts';
import type { ControlWorld } from '../world.ts';
import { identityText, keptIdentity, storeText } from './identity.ts';

interface Other {
  readonly name: string;
  readonly kind: Endpoint['kind'];
  readonly fullPath: string;
  readonly isSame: boolean;
}

export async function warningsOf(db: ControlWorld['db'], endpoint: Endpoint): Promise<readonly string[]> {
  const others = await overlapping(db, endpoint);
  const twin = others.find(({ kind, isSame }) => isSame && kind === endpoint.kind);
  const across = others.filter(({ kind }) => kind !== endpoint.kind);
  const other = across.find(({ isSame }) => isSame) ?? across[0];
  return [
    ...(endpoint.kind === 'target' ? writeWarnings(await permittedBy(db, endpoint)) : []),
    ...(other === undefined ? [] : [readAndWritten(endpoint, other)]),
    ...(twin === undefined ? [] : [`${endpoint.fullPath} is the place of the ${twin.kind} "${twin.name}" already.`]),
  ];
}

async function permittedBy(db: ControlWorld['db'], { connectorId, connectorName }: Endpoint): Promise<Permitted> {
  const row = await db.selectFrom('connectors').select('cloud').where('id', '=', connectorId).executeTakeFirst();
  return { connectorName, permission: (row?.cloud as CloudRow | null | undefined)?.permission ?? null };
}

/** Allowed, for a chain of copies has such a place in its middle; but a mirror to it deletes what others read there. */
function readAndWritten({ kind, fullPath }: Endpoint, other: Other): string {
  const is = other.isSame ? 'is also' : `overlaps ${other.fullPath}, which is`;
  return kind === 'target'
    ? `${fullPath} ${is} the source "${other.name}". A mirror to this target deletes there what its own source does not have.`
    : `${fullPath} ${is} the target "${other.name}". A mirror to that target deletes here what its own source does not have.`;
}

/** Through any connector: the same objects, or one place inside the other. */
async function overlapping(db: ControlWorld['db'], { id }: Endpoint): Promise<readonly Other[]> {
  const own = await db
    .selectFrom('endpoints')
    .innerJoin('connectors', 'connectors.id', 'endpoints.connector_id')
    .select(['endpoints.identity', 'endpoints.place', 'connectors.fingerprint'])
    .where('endpoints.id', '=', id)
    .executeTakeFirst();
  if (own === undefined || own.identity === null) return [];
  const identity = keptIdentity(own.identity, JSON.parse(own.place), own.fingerprint);
  const rows = await db
    .selectFrom('endpoints')
    .select(['name', 'kind', 'full_path', 'identity', 'place'])
    .where('id', '<>', id)
    .where(sql<boolean>`starts_with(identity, ${storeText(identity)})`)
    .orderBy('name')
    .execute();
  return rows.flatMap((row) => {
    const theirs = keptIdentity(row.identity, JSON.parse(row.place), '');
    if (!identitiesOverlap(identity, null, theirs)) return [];
    const isSame = identityText(theirs) === identityText(identity);
    return [{ name: row.name, kind: row.kind as Endpoint['kind'], fullPath: row.full_path, isSame }];
  });
}
