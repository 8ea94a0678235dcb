/** Endpoints as rows, and as they are given out. */
import { sql } from 'kysely';
import type { Place, TargetFacts } from '../../contract/provider.ts';
import type { Endpoint } from '../entities.ts';
import { jobsOf } from '../job-counts.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, type Listing } from '../paging.ts';
import { storeName } from './identity.ts';
import { found, isUuid, keptOf } from '../rows.ts';
import type { Db, Tx } from '../world.ts';

export function rowsOf(db: Db | Tx) {
  return db
    .selectFrom('endpoints')
    .innerJoin('connectors', 'connectors.id', 'endpoints.connector_id')
    .selectAll('endpoints')
    .select(['connectors.name as connector_name', 'connectors.provider as provider'])
    .select(jobsOf('endpoints.id').as('jobs'));
}

export type EndpointRow = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

export async function rowOf(db: Db | Tx, id: string): Promise<EndpointRow> {
  const row = isUuid(id) ? await rowsOf(db).where('endpoints.id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'endpoint', id);
}

export function endpointOf(row: EndpointRow): Endpoint {
  return {
    ...keptOf(row),
    name: row.name,
    kind: row.kind as Endpoint['kind'],
    connectorId: row.connector_id,
    connectorName: row.connector_name,
    provider: row.provider,
    place: JSON.parse(row.place) as Place,
    fullPath: row.full_path,
    store: storeName(row.identity),
    description: row.description,
    facts: row.facts as TargetFacts | null,
    usedBy: { jobs: row.jobs },
  };
}

export const LISTING: Omit<Listing<EndpointRow>, 'query'> = {
  sorts: {
    name: { sql: 'lower(endpoints.name)', type: 'text' },
    createdAt: { sql: 'endpoints.created_at', type: 'timestamptz' },
    fullPath: { sql: 'endpoints.full_path', type: 'text' },
  },
  defaultSort: 'name',
  id: { sql: 'endpoints.id', type: 'uuid' },
  ...filtersOf(FILTERS.endpoints, {
    kind: (values) => sql<boolean>`endpoints.kind IN (${sql.join(values)})`,
    connectorId: (values) => sql<boolean>`endpoints.connector_id::text IN (${sql.join(values)})`,
    provider: (values) => sql<boolean>`connectors.provider IN (${sql.join(values)})`,
  }),
  searched: "(endpoints.name || ' ' || endpoints.full_path)",
  idOf: (row) => row.id,
};
