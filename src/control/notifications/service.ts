/**
 * Messages to whoever subscribed. What is to be sent stands in a table until it was taken; a receiver that fails is
 * tried again for a day, and never holds up anything else.
 */
import { sql } from 'kysely';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import { changesOf, makeAudit } from '../audit.ts';
import { guardAddresses } from '../connectors/addresses.ts';
import type { Actor, Delivery, NotificationEvent, Subscription } from '../entities.ts';
import { newId } from '../ids.ts';
import { listPage } from '../paging.ts';
import { demand } from '../people/roles.ts';
import { isoOf, lockVersion, stampOf, uniquely } from '../rows.ts';
import type { Notifications, SubscriptionInput } from '../services.ts';
import type { Audit, ControlWorld, Db } from '../world.ts';
import {
  checkedColumns,
  DELIVERIES,
  deliveryOf,
  LISTING,
  messageOf,
  rowOf,
  rowsOf,
  subscriptionOf,
  withRun,
  type DeliveryRow,
  type SubscriptionRow,
} from './rows.ts';
import { sendMail, sendWebhook, type Message } from './senders.ts';

const NAME_TAKEN = { subscriptions_name: ['name', 'Another subscription has this name.'] } as const;
const ATTEMPTS_MAX = 12;
const AGAIN_FIRST_MS = 10_000;
const AGAIN_MS_MAX = 4 * 3_600_000;
/** A server that sends says so; one that died meanwhile leaves the message to another after this. */
const HOLD_MS = 60_000;
const SENT_AT_ONCE = 20;
const DIGEST_MS = 24 * 3_600_000;
const DIGEST_MESSAGES_MAX = 1_000;

export interface NotificationsWithWork extends Notifications {
  /** Sends what is due; returns how many messages went out or were given up. */
  tick(signal: AbortSignal): Promise<number>;
}

export function openNotifications(world: ControlWorld): NotificationsWithWork {
  const { db } = world;
  const work = new NotificationWork(world);
  return {
    async list(actor, query) {
      demand(actor, 'read');
      const page = await listPage(db, rowsOf(db), { ...LISTING, query });
      return { ...page, items: page.items.map(subscriptionOf) };
    },
    async get(actor, id) {
      demand(actor, 'read');
      return subscriptionOf(await rowOf(db, id));
    },
    create: (actor, input) => work.create(actor, input),
    update: (actor, id, version, change) => work.update(actor, id, version, change),
    remove: (actor, id, version) => work.remove(actor, id, version),
    test: (actor, id, signal) => work.test(actor, id, signal),
    async deliveries(actor, id, query) {
      demand(actor, 'read');
      await rowOf(db, id);
      const base = db.selectFrom('deliveries').selectAll().where('subscription_id', '=', id);
      const page = await listPage(db, base, { ...DELIVERIES, query });
      return { ...page, items: page.items.map((row) => ({ number: Number(row.number), ...deliveryOf(row) })) };
    },
    tell: (event, about) => work.tell(event, about),
    tick: (signal) => work.tick(signal),
  };
}

/** What people call the run: they never see its id. */
async function runWords(db: Db, runId: string | null): Promise<Record<string, Json>> {
  if (runId === null) return {};
  const row = await db
    .selectFrom('runs')
    .innerJoin('jobs', 'jobs.id', 'runs.job_id')
    .innerJoin('projects', 'projects.id', 'runs.project_id')
    .select(['runs.number', 'jobs.name as job', 'projects.name as project'])
    .where('runs.id', '=', runId)
    .executeTakeFirst();
  return row === undefined ? {} : { number: row.number, job: row.job, project: row.project };
}

class NotificationWork {
  readonly #world: ControlWorld;
  readonly #audit: Audit;

  constructor(world: ControlWorld) {
    this.#world = world;
    this.#audit = makeAudit(world.clock);
  }

  async create(actor: Actor, input: SubscriptionInput): ReturnType<Notifications['create']> {
    demand(actor, 'define');
    const { db, bus, clock, random, vault } = this.#world;
    const id = newId(this.#world);
    const columns = checkedColumns(input);
    const signingSecret = input.kind === 'webhook' ? Buffer.from(random.bytes(32)).toString('base64url') : null;
    await uniquely(NAME_TAKEN, () =>
      db.transaction().execute(async (tx) => {
        const secretId = signingSecret === null ? null : await vault.seal(tx, null, { signingSecret });
        const now = new Date(clock.now());
        await tx
          .insertInto('subscriptions')
          .values({ id, ...stampOf(actor, clock.now()), ...columns, secret_id: secretId, digested_at: now })
          .execute();
        const line = {
          action: 'subscription.create',
          entityKind: 'subscription',
          entityId: id,
          entityName: columns.name,
        };
        await this.#audit(tx, actor, line);
        await bus.tell('subscription', id, tx);
      }),
    );
    return { subscription: subscriptionOf(await rowOf(db, id)), signingSecret };
  }

  async update(
    actor: Actor,
    id: string,
    version: number | null,
    change: Partial<SubscriptionInput>,
  ): Promise<Subscription> {
    demand(actor, 'define');
    const { db, bus, clock } = this.#world;
    await uniquely(NAME_TAKEN, () =>
      db.transaction().execute(async (tx) => {
        const now = await lockVersion(tx, 'subscriptions', id, version, 'subscription');
        const before = subscriptionOf(await rowOf(tx, id));
        if (change.kind !== undefined && change.kind !== before.kind) {
          throw new DroverError('FIXED_FIELD', 'Make another subscription for another kind of message.', {
            field: 'kind',
          });
        }
        const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
        const columns = checkedColumns({ ...before, ...given });
        await tx
          .updateTable('subscriptions')
          .set({ ...columns, version: now + 1, updated_at: new Date(clock.now()) })
          .where('id', '=', id)
          .execute();
        const changes = changesOf({ ...before }, given);
        const line = {
          action: 'subscription.update',
          entityKind: 'subscription',
          entityId: id,
          entityName: columns.name,
        };
        await this.#audit(tx, actor, { ...line, changes });
        await bus.tell('subscription', id, tx);
      }),
    );
    return subscriptionOf(await rowOf(db, id));
  }

  async remove(actor: Actor, id: string, version: number | null): Promise<void> {
    demand(actor, 'define');
    const { db, bus, vault } = this.#world;
    await db.transaction().execute(async (tx) => {
      await lockVersion(tx, 'subscriptions', id, version, 'subscription');
      const row = await rowOf(tx, id);
      await tx.deleteFrom('subscriptions').where('id', '=', id).execute();
      if (row.secret_id !== null) await vault.remove(tx, row.secret_id);
      const line = { action: 'subscription.remove', entityKind: 'subscription', entityId: id, entityName: row.name };
      await this.#audit(tx, actor, line);
      await bus.tell('subscription', id, tx);
    });
  }

  async test(actor: Actor, id: string, signal: AbortSignal): Promise<Delivery> {
    demand(actor, 'define');
    const { db, clock } = this.#world;
    const row = await rowOf(db, id);
    const at = isoOf(new Date(clock.now()));
    const message: Message = { id: newId(this.#world), event: 'test', at, payload: { reason: 'Sent to try it out.' } };
    try {
      await this.#send(row, [message], signal);
      return { at, event: 'test', state: 'delivered', attempts: 1, error: null };
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      return { at, event: 'test', state: 'failed', attempts: 1, error: toDroverError(thrown).message };
    }
  }

  async tell(event: NotificationEvent, about: Parameters<Notifications['tell']>[1]): Promise<void> {
    const { db, bus, clock } = this.#world;
    const now = new Date(clock.now());
    const wanted = await db
      .selectFrom('subscriptions')
      .select(['id', 'digest'])
      .where('enabled', '=', true)
      .where(sql<boolean>`events ? ${event}`)
      .where((where) => where.or([where('project_id', 'is', null), where('project_id', '=', about.projectId)]))
      .execute();
    if (wanted.length === 0) return;
    const payload = JSON.stringify({ ...(await runWords(db, about.runId)), ...(withRun(about) as object) });
    await db
      .insertInto('deliveries')
      .values(
        wanted.map(({ id, digest }) => ({
          subscription_id: id,
          at: now,
          event,
          payload,
          state: 'pending',
          // Of a digest the next one is due when its day is over.
          next_attempt_at: digest === 'none' ? now : null,
        })),
      )
      .execute();
    await bus.tell('subscription', wanted[0]?.id ?? '');
  }

  async tick(signal: AbortSignal): Promise<number> {
    let handled = await this.#tickDigests(signal);
    while (handled < SENT_AT_ONCE && !signal.aborted) {
      const due = await this.#takeDue();
      if (due === null) break;
      handled += 1;
      const subscription = await rowOf(this.#world.db, due.subscription_id);
      await this.#deliver(subscription, [due], signal);
    }
    return handled;
  }

  async #takeDue(): Promise<DeliveryRow | null> {
    const { db, clock } = this.#world;
    const nowMs = clock.now();
    return db.transaction().execute(async (tx) => {
      const row = await tx
        .selectFrom('deliveries')
        .selectAll()
        .where('state', '=', 'pending')
        .where('next_attempt_at', '<=', new Date(nowMs))
        .orderBy('next_attempt_at')
        .limit(1)
        .forUpdate()
        .skipLocked()
        .executeTakeFirst();
      if (row === undefined) return null;
      const hold = new Date(nowMs + HOLD_MS);
      await tx.updateTable('deliveries').set({ next_attempt_at: hold }).where('number', '=', row.number).execute();
      return row;
    });
  }

  async #tickDigests(signal: AbortSignal): Promise<number> {
    const { db, clock } = this.#world;
    const now = new Date(clock.now());
    const due = await db
      .updateTable('subscriptions')
      .set({ digested_at: now })
      .where('digest', '=', 'daily')
      .where('enabled', '=', true)
      .where('digested_at', '<=', new Date(clock.now() - DIGEST_MS))
      .where(
        sql<boolean>`EXISTS (SELECT 1 FROM deliveries WHERE subscription_id = subscriptions.id AND state = 'pending' AND next_attempt_at IS NULL)`,
      )
      .returning('id')
      .execute();
    for (const { id } of due) {
      if (signal.aborted) break;
      const rows = await db
        .selectFrom('deliveries')
        .selectAll()
        .where('subscription_id', '=', id)
        .where('state', '=', 'pending')
        .orderBy('number')
        .limit(DIGEST_MESSAGES_MAX)
        .execute();
      await this.#deliver(await rowOf(db, id), rows, signal);
    }
    return due.length;
  }

  async #deliver(subscription: SubscriptionRow, rows: readonly DeliveryRow[], signal: AbortSignal): Promise<void> {
    const { db, clock, log } = this.#world;
    const numbers = rows.map((row) => row.number);
    const attempts = 1 + Math.max(0, ...rows.map((row) => row.attempts));
    try {
      await this.#send(subscription, rows.map(messageOf), signal);
      await db
        .updateTable('deliveries')
        .set({ state: 'delivered', attempts, error: null })
        .where('number', 'in', numbers)
        .execute();
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toDroverError(thrown).message;
      const isOver = attempts >= ATTEMPTS_MAX;
      const delayMs = Math.min(AGAIN_MS_MAX, AGAIN_FIRST_MS * 2 ** (attempts - 1));
      const again = new Date(clock.now() + delayMs);
      // A digest that failed is tried again as one message, not as many.
      const isDigest = subscription.digest !== 'none';
      if (isDigest) {
        const digested = new Date(again.getTime() - DIGEST_MS);
        await db
          .updateTable('subscriptions')
          .set({ digested_at: digested })
          .where('id', '=', subscription.id)
          .execute();
      }
      await db
        .updateTable('deliveries')
        .set({
          state: isOver ? 'failed' : 'pending',
          attempts,
          error,
          next_attempt_at: isDigest ? null : again,
        })
        .where('number', 'in', numbers)
        .execute();
      log('warn', 'A message could not be delivered.', { subscription: subscription.id, attempts, error });
    }
  }

  async #send(row: SubscriptionRow, messages: readonly Message[], signal: AbortSignal): Promise<void> {
    const { settings, vault, db, openTransport } = this.#world;
    if (row.kind === 'email') return sendMail(settings, row.destination, messages);
    const secret = row.secret_id === null ? {} : await vault.open(db, row.secret_id);
    const guard = guardAddresses(openTransport, settings, {}, {});
    const transport = guard.openTransport({ caCertificate: null, connectionsMax: 1 });
    try {
      const [only] = messages;
      const whole: Message | undefined =
        messages.length === 1
          ? only
          : {
              id: newId(this.#world),
              event: 'digest',
              at: isoOf(new Date(this.#world.clock.now())),
              payload: { messages: messages as unknown as Json },
            };
      if (whole !== undefined) {
        await sendWebhook(transport, row.destination, secret['signingSecret'] ?? '', whole, signal);
      }
    } finally {
      await transport.close();
    }
  }
}
