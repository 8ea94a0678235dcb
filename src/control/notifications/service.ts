/**
 * Messages to whoever subscribed. What is to be told stands in the outbox from the transaction of what happened, then
 * as a delivery until it was taken; a receiver that fails is tried again for six hours, and never holds up anything else.
 */
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import { changesOf, makeAudit } from '../audit.ts';
import type { Actor, Delivery, NotificationEvent, Subscription } from '../entities.ts';
import { newId } from '../ids.ts';
import { listPage } from '../paging.ts';
import { demand, may } from '../people/roles.ts';
import { isoOf, lockVersion, stampOf, uniquely } from '../rows.ts';
import type { Notifications, SubscriptionInput } from '../services.ts';
import type { Audit, ControlWorld, Db, Tx } from '../world.ts';
import {
  checkedColumns,
  DELIVERIES,
  deliveryOf,
  LISTING,
  rowOf,
  rowsOf,
  sealedOf,
  shownAddress,
  subscriptionOf,
  withRun,
  type SubscriptionRow,
} from './rows.ts';
import { Courier } from './courier.ts';
import { putInOutbox } from './outbox.ts';
import { reachOf, refusePlace } from './places.ts';
import type { Message } from './senders.ts';

const NAME_TAKEN = { subscriptions_name: ['name', 'Another subscription has this name.'] } as const;

export interface NotificationsWithWork extends Notifications {
  /** Sends what is due; returns how many messages went out or were given up. */
  tick(signal: AbortSignal): Promise<number>;
}

export function openNotifications(world: ControlWorld): NotificationsWithWork {
  const { db } = world;
  const courier = new Courier(world);
  const work = new NotificationWork(world, courier);
  return {
    async list(actor, query) {
      demand(actor, 'read');
      const page = await listPage(db, rowsOf(db), { ...LISTING, query });
      return { ...page, items: await Promise.all(page.items.map((row) => shownTo(world, actor, row))) };
    },
    async get(actor, id) {
      demand(actor, 'read');
      return shownTo(world, actor, await rowOf(db, id));
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
    retry: (actor, id) => work.retry(actor, id),
    tell: (event, about, tx) => work.tell(event, about, tx),
    tick: (signal) => courier.tick(signal),
  };
}

/** The address of a webhook often is its password: who may not change it sees where it goes and no more. */
async function shownTo({ vault, db }: ControlWorld, actor: Actor, row: SubscriptionRow): Promise<Subscription> {
  const subscription = subscriptionOf(row);
  if (subscription.kind !== 'webhook') return subscription;
  if (!may(actor, 'define')) return { ...subscription, destination: shownAddress('webhook', row.destination) };
  return { ...subscription, destination: (await sealedOf(vault, db, row)).destination };
}

/** What people call the run: they never see its id. */
async function runWords(db: Db | Tx, runId: string | null): Promise<Record<string, Json>> {
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
  readonly #courier: Courier;

  constructor(world: ControlWorld, courier: Courier) {
    this.#world = world;
    this.#courier = courier;
    this.#audit = makeAudit(world.clock);
  }

  async create(actor: Actor, input: SubscriptionInput): ReturnType<Notifications['create']> {
    demand(actor, 'define');
    const { db, bus, clock, random, vault } = this.#world;
    const id = newId(this.#world);
    const columns = checkedColumns(input);
    this.#expectMailer(input.kind);
    refusePlace(this.#world, actor, input.kind, columns.destination);
    const signingSecret = input.kind === 'webhook' ? Buffer.from(random.bytes(32)).toString('base64url') : null;
    await uniquely(NAME_TAKEN, () =>
      db.transaction().execute(async (tx) => {
        const { destination } = columns;
        const sealed = { signingSecret: signingSecret ?? '', destination, reach: reachOf(actor) };
        const secretId = signingSecret === null ? null : await vault.seal(tx, null, sealed);
        const now = new Date(clock.now());
        await tx
          .insertInto('subscriptions')
          .values({
            id,
            ...stampOf(actor, clock.now()),
            ...columns,
            destination: shownAddress(input.kind, destination),
            secret_id: secretId,
            digested_at: now,
          })
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
    return { subscription: await shownTo(this.#world, actor, await rowOf(db, id)), signingSecret };
  }

  async update(
    actor: Actor,
    id: string,
    version: number | null,
    change: Partial<SubscriptionInput>,
  ): Promise<Subscription> {
    demand(actor, 'define');
    const { db, bus, clock, vault } = this.#world;
    await uniquely(NAME_TAKEN, () =>
      db.transaction().execute(async (tx) => {
        const now = await lockVersion(tx, 'subscriptions', id, version, 'subscription');
        const row = await rowOf(tx, id);
        const sealed = await sealedOf(vault, tx, row);
        const before = { ...subscriptionOf(row), destination: sealed.destination };
        if (change.kind !== undefined && change.kind !== before.kind) {
          throw new DroverError('FIXED_FIELD', 'Make another subscription for another kind of message.', {
            field: 'kind',
          });
        }
        const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
        const columns = checkedColumns({ ...before, ...given });
        const { destination } = columns;
        const isMoved = destination !== before.destination;
        if (isMoved) refusePlace(this.#world, actor, before.kind, destination);
        const reach = isMoved ? reachOf(actor) : sealed.reach;
        const isWebhook = before.kind === 'webhook';
        const kept = { ...sealed, destination, reach };
        const secretId = isWebhook ? await vault.seal(tx, row.secret_id, kept) : row.secret_id;
        const shown = shownAddress(before.kind, destination);
        await tx
          .updateTable('subscriptions')
          .set({
            ...columns,
            destination: shown,
            secret_id: secretId,
            version: now + 1,
            updated_at: new Date(clock.now()),
          })
          .where('id', '=', id)
          .execute();
        // What waited for the end of the day waits for nothing any more.
        if (before.digest !== 'none' && columns.digest === 'none') {
          await tx
            .updateTable('deliveries')
            .set({ next_attempt_at: new Date(clock.now()) })
            .where('subscription_id', '=', id)
            .where('state', '=', 'pending')
            .where('next_attempt_at', 'is', null)
            .execute();
        }
        const known = changesOf({ ...before }, { ...given, destination: before.destination });
        const was = shownAddress(before.kind, before.destination);
        const changes = isMoved ? { ...known, destination: [was, shown] as const } : known;
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
    return shownTo(this.#world, actor, await rowOf(db, id));
  }

  /** What could never be sent is refused where somebody can do something about it. */
  #expectMailer(kind: SubscriptionInput['kind']): void {
    const { smtpUrl, mailFrom } = this.#world.settings;
    if (kind !== 'email' || (smtpUrl !== null && mailFrom !== null)) return;
    throw new DroverError('INVALID_INPUT', 'This server has no mail server set, so mails cannot be sent.', {
      field: 'kind',
      remedy: 'Set DROVER_SMTP_URL and DROVER_MAIL_FROM for the server, or choose a webhook.',
    });
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
      await this.#courier.send(row, [message], signal);
      return { eventId: message.id, at, event: 'test', state: 'delivered', attempts: 1, error: null };
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      return {
        eventId: message.id,
        at,
        event: 'test',
        state: 'failed',
        attempts: 1,
        error: toDroverError(thrown).message,
      };
    }
  }

  /** Queued with whatever happened: who is told is found out when the outbox is emptied. */
  async tell(event: NotificationEvent, about: Parameters<Notifications['tell']>[1], tx?: Tx): Promise<void> {
    if (tx === undefined) return this.#world.db.transaction().execute((own) => this.tell(event, about, own));
    const words = await runWords(tx, about.runId);
    const payload = { ...words, ...(withRun(about) as Readonly<Record<string, Json>>) };
    await putInOutbox(this.#world, tx, event, { projectId: about.projectId, payload });
  }

  async retry(actor: Actor, id: string): Promise<{ changed: number }> {
    demand(actor, 'define');
    const { db, bus, clock } = this.#world;
    return db.transaction().execute(async (tx) => {
      await lockVersion(tx, 'subscriptions', id, null, 'subscription');
      const { name, digest } = await rowOf(tx, id);
      const again = await tx
        .updateTable('deliveries')
        .set({ state: 'pending', attempts: 0, next_attempt_at: digest === 'none' ? new Date(clock.now()) : null })
        .where('subscription_id', '=', id)
        .where('state', '=', 'failed')
        .returning('number')
        .execute();
      if (again.length === 0) return { changed: 0 };
      const line = { action: 'subscription.retry', entityKind: 'subscription', entityId: id, entityName: name };
      await this.#audit(tx, actor, { ...line, changes: { messages: [null, again.length] } });
      await bus.tell('subscription', id, tx);
      return { changed: again.length };
    });
  }
}
