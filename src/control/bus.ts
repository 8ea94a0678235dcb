/**
 * Tells every process on the database what changed, by NOTIFY and LISTEN: inside a transaction the message goes out
 * when it commits, and never when it does not. One connection listens; while it is lost messages are lost, so that
 * everybody who listens is told when it is back (`onGap`) and looks by itself.
 */
import type { Duplex } from 'node:stream';
import { sql } from 'kysely';
import pg from 'pg';
import type { Clock, Log } from '../lib/world.ts';
import { toDroverError } from '../model/errors.ts';
import type { Bus, Db, Topic } from './world.ts';

const CHANNEL = 'drover';
const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 5_000;
const SILENCE_MS_MAX = 30_000;
const QUERY_MS_MAX = 10_000;
const PARTING_MS_MAX = 2_000;

export interface BusWorld {
  readonly db: Db;
  /** For the one connection that listens. */
  readonly connection: pg.ClientConfig;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenBus extends Bus, AsyncDisposable {
  /** Resolves when the connection that listens stands; also after it was lost. */
  ready(): Promise<void>;
}

type Handler = (topic: Topic, id: string) => void;

/** Connects in the background: telling works at once, listening as soon as the connection stands. */
export function openBus(world: BusWorld): OpenBus {
  return new DatabaseBus(world);
}

class DatabaseBus implements OpenBus {
  readonly #world: BusWorld;
  readonly #handlers = new Map<Handler, (() => void) | undefined>();
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  #standing = Promise.withResolvers<void>();

  constructor(world: BusWorld) {
    this.#world = world;
    this.#loop = this.#listenForever();
  }

  async tell(topic: Topic, id: string, tx?: Parameters<Bus['tell']>[2]): Promise<void> {
    const executor = tx ?? this.#world.db;
    try {
      await sql`SELECT pg_notify(${CHANNEL}, ${`${topic} ${id}`})`.execute(executor);
    } catch (thrown) {
      // In a transaction the failure has ended it; outside, the change itself is saved and only the message is lost.
      if (tx !== undefined) throw thrown;
      this.#world.log('debug', 'A message to the other processes was lost.', { reason: toDroverError(thrown).message });
    }
  }

  listen(handler: Handler, onGap?: () => void): () => void {
    // The same function may be given twice; each has its own end.
    const own: Handler = (topic, id) => handler(topic, id);
    this.#handlers.set(own, onGap);
    return () => void this.#handlers.delete(own);
  }

  ready(): Promise<void> {
    return this.#standing.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#handlers.clear();
    await this.#loop;
  }

  async #listenForever(): Promise<void> {
    const { clock, log } = this.#world;
    const { signal } = this.#stop;
    let delayMs = RETRY_FIRST_MS;
    let isFirst = true;
    while (!signal.aborted) {
      try {
        await this.#listenOnce(() => {
          delayMs = RETRY_FIRST_MS;
          if (!isFirst) this.#toldGap();
          isFirst = false;
        });
      } catch (thrown) {
        if (!signal.aborted)
          log('debug', 'Listening to the database ended.', { reason: toDroverError(thrown).message });
      }
      if (signal.aborted) break;
      isFirst = false;
      await clock.sleep(delayMs, signal).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, RETRY_MAX_MS);
    }
    this.#standing.promise.catch(() => undefined);
    this.#standing.resolve();
  }

  /** Ends when the connection does. */
  async #listenOnce(onStanding: () => void): Promise<void> {
    const client = new pg.Client({
      ...this.#world.connection,
      keepAlive: true,
      query_timeout: QUERY_MS_MAX,
      application_name: 'drover bus',
    });
    const ended = Promise.withResolvers<void>();
    client.on('error', (error) => ended.reject(error));
    client.on('end', () => ended.resolve());
    client.on('notification', ({ payload }) => this.#deliver(payload ?? ''));
    ended.promise.catch(() => undefined);
    const { signal } = this.#stop;
    const stop = (): void => ended.resolve();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      this.#standing.resolve();
      onStanding();
      await this.#watch(client, ended.promise);
    } finally {
      signal.removeEventListener('abort', stop);
      if (!signal.aborted) this.#standing = Promise.withResolvers();
      await this.#part(client);
    }
  }

  /** Says good-bye, and does not wait long for an answer: the other side may be gone. */
  async #part(client: pg.Client): Promise<void> {
    const parted = new AbortController();
    const end = client
      .end()
      .catch(() => undefined)
      .finally(() => parted.abort());
    await Promise.race([end, this.#world.clock.sleep(PARTING_MS_MAX, parted.signal).catch(() => undefined)]);
    const { connection } = client as unknown as { readonly connection: { readonly stream: Duplex } };
    connection.stream.destroy();
  }

  /** A connection that died without a word looks like silence, so that a silent one is asked now and then. */
  async #watch(client: pg.Client, ended: Promise<void>): Promise<void> {
    const over = new AbortController();
    const pulse = async (): Promise<void> => {
      for (;;) {
        await this.#world.clock.sleep(SILENCE_MS_MAX, over.signal);
        await client.query('SELECT 1');
      }
    };
    const beating = pulse();
    beating.catch(() => undefined);
    try {
      await Promise.race([ended, beating]);
    } finally {
      over.abort();
    }
  }

  #deliver(payload: string): void {
    const space = payload.indexOf(' ');
    const topic = payload.slice(0, space) as Topic;
    const id = payload.slice(space + 1);
    for (const handler of this.#handlers.keys()) this.#guarded(() => handler(topic, id));
  }

  #toldGap(): void {
    for (const onGap of this.#handlers.values()) if (onGap !== undefined) this.#guarded(onGap);
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      this.#world.log('error', 'Somebody who listens for changes failed.', { reason: toDroverError(thrown).message });
    }
  }
}
