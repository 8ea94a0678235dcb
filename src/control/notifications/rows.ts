/** Subscriptions and deliveries as rows, and what a subscription must be. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import type { Delivery, NotificationEvent, Subscription } from '../entities.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, type Listing } from '../paging.ts';
import { found, isoOf, isUuid, keptOf, nameOf } from '../rows.ts';
import type { SubscriptionInput } from '../services.ts';
import type { Db, Tx, Vault } from '../world.ts';
import type { Message } from './senders.ts';

const EVENTS: readonly NotificationEvent[] = [
  'run.completed',
  'run.failed',
  'run.attention',
  'schedule.refused',
  'connector.attention',
];

export function withRun({ runId, payload }: { readonly runId: string | null; readonly payload: Json }): Json {
  const isObject = typeof payload === 'object' && payload !== null && !Array.isArray(payload);
  return runId === null || !isObject ? payload : { runId, ...payload };
}

/** As it is written; names that lead there elsewhere are not known. */
export function isLoopback({ hostname }: URL): boolean {
  return /^(?:(?:.+\.)?localhost\.?|127\.[\d.]+|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]+\])$/.test(hostname);
}

export function checkedColumns(input: SubscriptionInput) {
  const { kind, destination, events, digest, enabled, projectId } = input;
  const invalid = (field: string, message: string): DroverError => new DroverError('INVALID_INPUT', message, { field });
  if (kind === 'webhook') {
    const url = URL.parse(destination);
    if (url === null || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url)))) {
      throw invalid('destination', 'Give an address that starts with https://.');
    }
    if (url.username !== '' || url.password !== '') {
      throw invalid('destination', 'Leave credentials out of the address; messages are signed.');
    }
  } else if (!/^[^\s@,;<>"]+@[^\s@,;<>"]+\.[^\s@,;<>"]+$/.test(destination)) {
    throw invalid('destination', 'Give one e-mail address, such as ops@example.com.');
  }
  if (events.length === 0) throw invalid('events', `Choose at least one of ${EVENTS.join(', ')}.`);
  for (const event of events) {
    if (!EVENTS.includes(event))
      throw invalid('events', `There is no event "${event}"; there are ${EVENTS.join(', ')}.`);
  }
  if (projectId !== null && projectId !== undefined && !isUuid(projectId)) {
    throw invalid('projectId', 'There is no project with this id.');
  }
  return {
    name: nameOf(input.name, 'name'),
    kind,
    destination,
    events: JSON.stringify([...new Set(events)]),
    digest: digest ?? 'none',
    enabled: enabled ?? true,
    project_id: projectId ?? null,
  };
}

export function rowsOf(db: Db | Tx) {
  return db
    .selectFrom('subscriptions')
    .selectAll('subscriptions')
    .select(
      sql<LastDelivery | null>`(
        SELECT jsonb_build_object('event_id', event_id, 'at', at, 'event', event, 'state', state, 'attempts', attempts, 'error', error)
        FROM deliveries WHERE subscription_id = subscriptions.id ORDER BY number DESC LIMIT 1
      )`.as('last_delivery'),
    );
}

interface LastDelivery {
  readonly event_id: string;
  readonly at: Date | string;
  readonly event: string;
  readonly state: string;
  readonly attempts: number;
  readonly error: string | null;
}

export interface DeliveryRow extends LastDelivery {
  readonly number: number;
  readonly subscription_id: string;
  readonly at: Date;
  readonly payload: unknown;
  /** `null`: of a digest. */
  readonly next_attempt_at: Date | null;
}

export type SubscriptionRow = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

export async function rowOf(db: Db | Tx, id: string): Promise<SubscriptionRow> {
  const row = isUuid(id) ? await rowsOf(db).where('subscriptions.id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'subscription', id);
}

/** Where a webhook goes, without what in its address often is a password; the whole is sealed in the vault. */
export function shownAddress(kind: Subscription['kind'], destination: string): string {
  return kind === 'webhook' ? `${new URL(destination).origin}/…` : destination;
}

/** What is sealed of a webhook. */
export interface SealedWebhook {
  readonly destination: string;
  readonly signingSecret: string;
  /** What whoever made or last changed the destination was allowed: whether it may lead to the server's own machine. */
  readonly reach: 'own-machine' | 'others';
}

export async function sealedOf(
  vault: Vault,
  db: Db | Tx,
  row: Pick<SubscriptionRow, 'secret_id' | 'destination'>,
): Promise<SealedWebhook> {
  const sealed = row.secret_id === null ? {} : await vault.open(db, row.secret_id);
  const { destination = row.destination, signingSecret = '' } = sealed;
  // Before this was kept, only who might have them told could write such an address down.
  const reach = sealed['reach'] ?? (isLoopback(new URL(destination)) ? 'own-machine' : 'others');
  return { destination, signingSecret, reach: reach === 'own-machine' ? reach : 'others' };
}

export function subscriptionOf(row: SubscriptionRow): Subscription {
  return {
    ...keptOf(row),
    name: row.name,
    kind: row.kind as Subscription['kind'],
    destination: row.destination,
    events: row.events as readonly NotificationEvent[],
    digest: row.digest as Subscription['digest'],
    enabled: row.enabled,
    projectId: row.project_id,
    lastDelivery: row.last_delivery === null ? null : deliveryOf(row.last_delivery),
  };
}

export function deliveryOf({ event_id: eventId, at, event, state, attempts, error }: LastDelivery): Delivery {
  return {
    eventId,
    at: isoOf(new Date(at)),
    event: event as Delivery['event'],
    state: state as Delivery['state'],
    attempts,
    error,
  };
}

export function messageOf(row: DeliveryRow): Message {
  return { id: row.event_id, event: row.event, at: isoOf(row.at), payload: row.payload as Json };
}

export const LISTING: Omit<Listing<SubscriptionRow>, 'query'> = {
  sorts: {
    name: { sql: 'lower(subscriptions.name)', type: 'text' },
    createdAt: { sql: 'subscriptions.created_at', type: 'timestamptz' },
  },
  defaultSort: 'name',
  id: { sql: 'subscriptions.id', type: 'uuid' },
  ...filtersOf(FILTERS.subscriptions, { kind: (values) => sql<boolean>`subscriptions.kind = ANY(${values})` }),
  searched: 'subscriptions.name',
  idOf: (row) => row.id,
};

export const DELIVERIES: Omit<Listing<DeliveryRow>, 'query'> = {
  sorts: { number: { sql: 'deliveries.number', type: 'bigint' } },
  defaultSort: '-number',
  id: { sql: 'deliveries.number', type: 'bigint' },
  ...filtersOf(FILTERS.deliveries, { state: (values) => sql<boolean>`deliveries.state = ANY(${values})` }),
  searched: null,
  idOf: (row) => String(row.number),
};
