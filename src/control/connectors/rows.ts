/** Connectors as rows, and as they are given out. */
import { sql } from 'kysely';
import type { CheckLine, Place } from '../../contract/provider.ts';
import type { Config } from '../../contract/fields.ts';
import type { Failure } from '../../model/errors.ts';
import type {
  CloudAccount,
  Connector,
  ConnectorLimits,
  Health,
  InventoryAccount,
  InventoryItem,
  Tags,
} from '../entities.ts';
import { jobsOf } from '../job-counts.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, type Listing } from '../paging.ts';
import { found, isoOf, isoOrNull, isUuid, keptOf } from '../rows.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';

/** As it stands in the column `cloud`; when it is looked at next stands in a column of its own. */
export type CloudRow = Omit<CloudAccount, 'nextSyncAt'>;

export function rowsOf(db: Db | Tx) {
  return db
    .selectFrom('connectors')
    .selectAll('connectors')
    .select([
      sql<number>`(SELECT count(*)::int FROM endpoints WHERE endpoints.connector_id = connectors.id)`.as('endpoints'),
      jobsOf('connectors.id').as('jobs'),
    ]);
}

export type ConnectorRow = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

export async function rowOf(db: Db | Tx, id: string): Promise<ConnectorRow> {
  const row = isUuid(id) ? await rowsOf(db).where('connectors.id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'connector', id);
}

export function connectorOf(row: ConnectorRow, providers: ControlWorld['providers']): Connector {
  const cloud = row.cloud as CloudRow | null;
  return {
    ...keptOf(row),
    name: row.name,
    provider: row.provider,
    providerTitle: providers.get(row.provider)?.manifest.title ?? row.provider,
    config: row.config as Config,
    secrets: row.secret_fingerprints as Readonly<Record<string, string>>,
    signedInAs: row.signed_in_as,
    health: row.health as Health,
    healthReason: row.health_reason as Failure | null,
    checkedAt: isoOrNull(row.checked_at),
    check: row.check_lines as readonly CheckLine[],
    checkedPlace: row.check_place === null ? null : (JSON.parse(row.check_place) as Place),
    tags: row.tags as Tags,
    limits: row.limits as ConnectorLimits,
    cloud: cloud === null ? null : { ...cloud, nextSyncAt: isoOrNull(row.next_sync_at) },
    usedBy: { endpoints: row.endpoints, jobs: row.jobs },
    lastUsedAt: isoOrNull(row.last_used_at),
  };
}

export const LISTING: Omit<Listing<ConnectorRow>, 'query'> = {
  sorts: {
    name: { sql: 'lower(connectors.name)', type: 'text' },
    createdAt: { sql: 'connectors.created_at', type: 'timestamptz' },
    lastUsedAt: { sql: 'connectors.last_used_at', type: 'timestamptz' },
    provider: { sql: 'connectors.provider', type: 'text' },
    health: { sql: 'connectors.health', type: 'text' },
  },
  defaultSort: 'name',
  id: { sql: 'connectors.id', type: 'uuid' },
  ...filtersOf(FILTERS.connectors, {
    provider: (values) => sql<boolean>`connectors.provider IN (${sql.join(values)})`,
    health: (values) => sql<boolean>`connectors.health IN (${sql.join(values)})`,
    /** `name` or `name=value`. */
    tag: (values) => sql<boolean>`(${sql.join(values.map(tagCondition), sql` OR `)})`,
  }),
  searched: 'connectors.name',
  idOf: (row) => row.id,
};

function tagCondition(text: string): ReturnType<typeof sql<boolean>> {
  const equals = text.indexOf('=');
  return equals < 0
    ? sql<boolean>`jsonb_exists(connectors.tags, ${text})`
    : sql<boolean>`connectors.tags ->> ${text.slice(0, equals)} = ${text.slice(equals + 1)}`;
}

export function inventoryRowsOf(db: Db, connectorId: string) {
  return db.selectFrom('inventory').selectAll().where('connector_id', '=', connectorId);
}

type InventoryRow = Awaited<ReturnType<ReturnType<typeof inventoryRowsOf>['execute']>>[number];

export function inventoryItemOf(row: InventoryRow): InventoryItem {
  return {
    connectorId: row.connector_id,
    accountId: row.account_id === '' ? null : row.account_id,
    container: row.container,
    region: row.region,
    firstSeenAt: isoOf(row.first_seen_at),
    lastSeenAt: isoOf(row.last_seen_at),
    goneAt: isoOrNull(row.gone_at),
  };
}

export const INVENTORY_LISTING: Omit<Listing<InventoryRow>, 'query'> = {
  sorts: {
    container: { sql: 'inventory.container', type: 'text' },
    region: { sql: 'inventory.region', type: 'text' },
    firstSeenAt: { sql: 'inventory.first_seen_at', type: 'timestamptz' },
    lastSeenAt: { sql: 'inventory.last_seen_at', type: 'timestamptz' },
  },
  defaultSort: 'container',
  id: { sql: "(inventory.container || ' ' || inventory.account_id)", type: 'text' },
  ...filtersOf(FILTERS.inventory, {
    account: (values) => sql<boolean>`inventory.account_id IN (${sql.join(values)})`,
    region: (values) => sql<boolean>`inventory.region IN (${sql.join(values)})`,
    state: (values) =>
      values.length === 1
        ? values[0] === 'gone'
          ? sql<boolean>`inventory.gone_at IS NOT NULL`
          : sql<boolean>`inventory.gone_at IS NULL`
        : sql<boolean>`true`,
  }),
  searched: 'inventory.container',
  idOf: (row) => `${row.container} ${row.account_id}`,
};

export function accountRowsOf(db: Db, connectorId: string) {
  return db.selectFrom('inventory_accounts').selectAll().where('connector_id', '=', connectorId);
}

type AccountRow = Awaited<ReturnType<ReturnType<typeof accountRowsOf>['execute']>>[number];

export function inventoryAccountOf(row: AccountRow): InventoryAccount {
  return {
    connectorId: row.connector_id,
    accountId: row.account_id,
    name: row.name,
    firstSeenAt: isoOf(row.first_seen_at),
    lastSeenAt: isoOf(row.last_seen_at),
    goneAt: isoOrNull(row.gone_at),
    lastSyncAt: isoOrNull(row.looked_at),
    lastSyncError: row.error as Failure | null,
  };
}

export const ACCOUNT_LISTING: Omit<Listing<AccountRow>, 'query'> = {
  sorts: {
    name: { sql: 'lower(inventory_accounts.name)', type: 'text' },
    accountId: { sql: 'inventory_accounts.account_id', type: 'text' },
  },
  defaultSort: 'name',
  id: { sql: 'inventory_accounts.account_id', type: 'text' },
  ...filtersOf(FILTERS.accounts, {
    state: (values) => sql<boolean>`(CASE WHEN gone_at IS NOT NULL THEN 'gone' WHEN error IS NOT NULL THEN 'failed'
      ELSE 'seen' END) IN (${sql.join(values)})`,
  }),
  searched: "(inventory_accounts.name || ' ' || inventory_accounts.account_id)",
  idOf: (row) => row.account_id,
};
