/** Takes what is due to its receivers: one after the other to each, and to many at once. */
import { sql } from 'kysely';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import { isoOf } from '../rows.ts';
import type { ControlWorld } from '../world.ts';
import { emptyOutbox } from './outbox.ts';
import { guardPlaces } from './places.ts';
import { messageOf, rowOf, sealedOf, type DeliveryRow, type SubscriptionRow } from './rows.ts';
import { idOf, sendMail, sendWebhook, type Message } from './senders.ts';

/** Also those that ended the server that made them: then nobody could say how they went. */
const ATTEMPTS_MAX = 12;
const GIVEN_UP = `Each of ${ATTEMPTS_MAX} tries ended without an answer: the server that made it stopped.`;
const AGAIN_FIRST_MS = 10_000;
const AGAIN_MS_MAX = 4 * 3_600_000;
/** A server that sends says so; one that died meanwhile leaves the message to another after this. */
const HOLD_MS = 60_000;
/** Longer than this one try never takes, whatever the receiver does: well within the hold. */
const TRY_MS_MAX = 30_000;
/** Receivers that are told at the same time. */
const SENT_AT_ONCE = 16;
/** While some are slow, what has become due meanwhile is looked for this often. */
const LOOK_MS = 1_000;
const DIGEST_MS = 24 * 3_600_000;
const DIGEST_MESSAGES_MAX = 1_000;

export class Courier {
  readonly #world: ControlWorld;

  constructor(world: ControlWorld) {
    this.#world = world;
  }

  /** Each receiver is told one thing after the other, and none waits for another one. */
  async tick(signal: AbortSignal): Promise<number> {
    const { clock } = this.#world;
    const busy = new Map<string, Promise<void>>();
    let handled = 0;
    for (;;) {
      const spread = signal.aborted ? 0 : await emptyOutbox(this.#world);
      const passedOver = [...busy.keys()];
      const due = signal.aborted || busy.size >= SENT_AT_ONCE ? null : await this.#takeDue(passedOver);
      if (due !== null) {
        handled += 1;
        const { subscription, rows } = due;
        const delivering = this.#deliver(subscription, rows, signal).finally(() => busy.delete(subscription.id));
        // Seen below, or at the end.
        delivering.catch(() => undefined);
        busy.set(subscription.id, delivering);
      } else if (spread > 0) {
        // Also where nobody wants to hear of them: there may be more behind.
        continue;
      } else if (!signal.aborted && passedOver.some((id) => !busy.has(id))) {
        // Told meanwhile, and maybe there is more for it.
        continue;
      } else if (busy.size === 0) return handled;
      else {
        const looking = new AbortController();
        const pause = clock.sleep(LOOK_MS, AbortSignal.any([signal, looking.signal])).catch(() => undefined);
        // When told to stop, what is under way hears of it by its own signal.
        await Promise.race(signal.aborted ? busy.values() : [...busy.values(), pause]);
        looking.abort();
      }
    }
  }

  async #takeDue(
    busy: readonly string[],
  ): Promise<{ subscription: SubscriptionRow; rows: readonly DeliveryRow[] } | null> {
    return (await this.#takeOne(busy)) ?? (await this.#takeDigest(busy));
  }

  async #takeOne(busy: readonly string[]) {
    const { db, clock } = this.#world;
    const nowMs = clock.now();
    return db.transaction().execute(async (tx) => {
      const row = await tx
        .selectFrom('deliveries')
        .innerJoin('subscriptions', 'subscriptions.id', 'deliveries.subscription_id')
        .selectAll('deliveries')
        .where('deliveries.state', '=', 'pending')
        .where('deliveries.next_attempt_at', '<=', new Date(nowMs))
        .where('subscriptions.enabled', '=', true)
        .$if(busy.length > 0, (query) => query.where('deliveries.subscription_id', 'not in', [...busy]))
        .orderBy('deliveries.next_attempt_at')
        .orderBy('deliveries.number')
        .limit(1)
        .forUpdate('deliveries')
        .skipLocked()
        .executeTakeFirst();
      if (row === undefined) return null;
      const { number, attempts } = row;
      const isOver = attempts >= ATTEMPTS_MAX;
      const change = isOver
        ? { state: 'failed', error: GIVEN_UP }
        : { attempts: attempts + 1, next_attempt_at: new Date(nowMs + HOLD_MS + delayMs(attempts)) };
      await tx.updateTable('deliveries').set(change).where('number', '=', number).execute();
      return { subscription: await rowOf(tx, row.subscription_id), rows: isOver ? [] : [row] };
    });
  }

  /** What came up in a day, as one message. */
  async #takeDigest(busy: readonly string[]) {
    const { db, clock } = this.#world;
    const nowMs = clock.now();
    return db.transaction().execute(async (tx) => {
      const due = await tx
        .selectFrom('subscriptions')
        .select('id')
        .where('digest', '=', 'daily')
        .where('enabled', '=', true)
        .where('digested_at', '<=', new Date(nowMs - DIGEST_MS))
        .where(
          sql<boolean>`EXISTS (SELECT 1 FROM deliveries WHERE subscription_id = subscriptions.id AND state = 'pending' AND next_attempt_at IS NULL)`,
        )
        .$if(busy.length > 0, (query) => query.where('id', 'not in', [...busy]))
        .limit(1)
        .forUpdate()
        .skipLocked()
        .executeTakeFirst();
      if (due === undefined) return null;
      // Due again after the hold, unless it went out.
      const held = new Date(nowMs - DIGEST_MS + HOLD_MS);
      await tx.updateTable('subscriptions').set({ digested_at: held }).where('id', '=', due.id).execute();
      await tx
        .updateTable('deliveries')
        .set({ state: 'failed', error: GIVEN_UP })
        .where('subscription_id', '=', due.id)
        .where('state', '=', 'pending')
        .where('next_attempt_at', 'is', null)
        .where('attempts', '>=', ATTEMPTS_MAX)
        .execute();
      const rows = await tx
        .selectFrom('deliveries')
        .selectAll()
        .where('subscription_id', '=', due.id)
        .where('state', '=', 'pending')
        .where('next_attempt_at', 'is', null)
        .orderBy('number')
        .limit(DIGEST_MESSAGES_MAX)
        .execute();
      const numbers = rows.map(({ number }) => number);
      await sql`UPDATE deliveries SET attempts = attempts + 1 WHERE number = ANY(${numbers}::bigint[])`.execute(tx);
      return { subscription: await rowOf(tx, due.id), rows };
    });
  }

  async #deliver(subscription: SubscriptionRow, rows: readonly DeliveryRow[], signal: AbortSignal): Promise<void> {
    const { db, clock, log } = this.#world;
    if (rows.length === 0) return;
    const numbers = rows.map((row) => row.number);
    // Taken from the digest, not from how the subscription is set by now.
    const isDigest = rows.every((row) => row.next_attempt_at === null);
    const attempts = 1 + Math.max(0, ...rows.map((row) => row.attempts));
    try {
      await this.send(subscription, rows.map(messageOf), signal);
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toDroverError(thrown).message;
      const again = new Date(clock.now() + delayMs(attempts - 1));
      if (isDigest) await this.#digested(subscription.id, again.getTime() - DIGEST_MS);
      await db
        .updateTable('deliveries')
        .set({
          // Counted when they were taken: in a digest some may be newer than others.
          state: sql<string>`CASE WHEN attempts >= ${sql.lit(ATTEMPTS_MAX)} THEN 'failed' ELSE 'pending' END`,
          error,
          next_attempt_at: isDigest ? null : again,
        })
        .where('number', 'in', numbers)
        .execute();
      log('warn', 'A message could not be delivered.', { subscription: subscription.id, attempts, error });
      return;
    }
    await db
      .updateTable('deliveries')
      .set({ state: 'delivered', error: null })
      .where('number', 'in', numbers)
      .execute();
    if (isDigest) await this.#digested(subscription.id, clock.now());
  }

  async #digested(id: string, atMs: number): Promise<void> {
    const { db } = this.#world;
    await db
      .updateTable('subscriptions')
      .set({ digested_at: new Date(atMs) })
      .where('id', '=', id)
      .execute();
  }

  /** Now, within a bound; what it throws says why not. */
  async send(row: SubscriptionRow, messages: readonly Message[], signal: AbortSignal): Promise<void> {
    const { clock } = this.#world;
    const over = new AbortController();
    const limit = clock.sleep(TRY_MS_MAX, over.signal).then(
      () => true,
      () => false,
    );
    const stop = new AbortController();
    void limit.then((isLate) => isLate && stop.abort());
    const bounded = AbortSignal.any([signal, stop.signal]);
    try {
      await this.#sendNow(row, messages, bounded);
    } catch (error) {
      if (!stop.signal.aborted || signal.aborted) throw error;
      throw new DroverError('TIMED_OUT', `The receiver did not take it within ${TRY_MS_MAX / 1_000} seconds.`);
    } finally {
      over.abort();
    }
  }

  async #sendNow(row: SubscriptionRow, messages: readonly Message[], signal: AbortSignal): Promise<void> {
    const { settings, vault, db, clock } = this.#world;
    if (row.kind === 'email') return sendMail(settings, row.destination, messages, signal);
    const sealed = await sealedOf(vault, db, row);
    const open = guardPlaces(this.#world, sealed.reach);
    const transport = open({ caCertificate: null, connectionsMax: 1 });
    try {
      const message = this.#joined(messages);
      await sendWebhook(transport, sealed, message, clock.now(), signal);
    } finally {
      await transport.close();
    }
  }

  #joined(messages: readonly Message[]): Message {
    const [only] = messages;
    if (messages.length === 1 && only !== undefined) return only;
    const at = isoOf(new Date(this.#world.clock.now()));
    return { id: idOf(messages), event: 'digest', at, payload: { messages: messages as unknown as Json } };
  }
}

/** After so many tries. */
function delayMs(attempts: number): number {
  return Math.min(AGAIN_MS_MAX, AGAIN_FIRST_MS * 2 ** attempts);
}
