/** One live stream: server-sent events to one reader, however slow, for as long as the session lasts. */
import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { Clock } from '../../lib/world.ts';
import type { Follower, Hub, NumberedEvent } from './hub.ts';
import { MapDeltas } from './map-deltas.ts';

const HEARTBEAT_MS = 15_000;
/** Entities that wait for a slow reader; with more of them it reads everything again. */
const WAITING_MAX = 500;

export interface StreamInput {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly topics: readonly string[];
  readonly lastEventId: string | null;
  readonly signal: AbortSignal;
  stillThere(): Promise<boolean>;
}

/** Writes until the reader leaves, the session ends, or the signal fires. Headers are written here. */
export async function streamEvents(response: ServerResponse, input: StreamInput): Promise<void> {
  const { hub, clock, topics, lastEventId, signal } = input;
  const queue = new Outbox(new Set(topics));
  const stopper = new AbortController();
  const stop = (): void => stopper.abort();
  const ended = AbortSignal.any([signal, stopper.signal]);
  response.once('close', stop);
  const check = async (): Promise<void> => {
    if (!(await input.stillThere().catch(() => true))) stop();
  };
  const forget = hub.onPerson(() => void check());
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  });
  // Whoever loses the connection before the first event still comes back to the right place.
  response.write(lastEventId === null ? `retry: 2000\nid: ${hub.newest}\n\n` : 'retry: 2000\n\n');
  hub.follow(queue, lastEventId);
  try {
    const heartbeats = beat(response, clock, ended, check);
    const maps = new MapDeltas();
    for await (const { id, event: whole } of queue.events(ended)) {
      const event = maps.next(whole);
      if (event === null) continue;
      const isRoom = response.write(`id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      if (!isRoom) await once(response, 'drain', { signal: ended }).catch(() => undefined);
    }
    await heartbeats;
  } finally {
    hub.leave(queue);
    forget();
    response.end();
  }
}

/** Tells both sides that the connection still stands, and asks whether the session does. */
async function beat(
  response: ServerResponse,
  clock: Clock,
  ended: AbortSignal,
  check: () => Promise<void>,
): Promise<void> {
  while (!ended.aborted) {
    await clock.sleep(HEARTBEAT_MS, ended).catch(() => undefined);
    if (ended.aborted) return;
    await check();
    if (!response.writableNeedDrain) response.write(': still here\n\n');
  }
}

/** Of each entity only the newest state waits: a slow reader misses steps, never the end. */
class Outbox implements Follower {
  readonly topics: ReadonlySet<string>;
  #waiting = new Map<string, NumberedEvent>();
  #wake: (() => void) | null = null;

  constructor(topics: ReadonlySet<string>) {
    this.topics = topics;
  }

  receive(numbered: NumberedEvent): void {
    const { event, id } = numbered;
    if (event.type === 'reset') this.#waiting.clear();
    const key = event.type === 'reset' ? 'reset' : `${event.kind} ${event.id}`;
    this.#waiting.delete(key);
    this.#waiting.set(key, numbered);
    if (this.#waiting.size > WAITING_MAX) {
      this.#waiting = new Map([['reset', { id, event: { type: 'reset', asOf: event.asOf } }]]);
    }
    this.#wake?.();
  }

  async *events(ended: AbortSignal): AsyncGenerator<NumberedEvent> {
    const wake = (): void => this.#wake?.();
    ended.addEventListener('abort', wake);
    try {
      while (!ended.aborted) {
        const [next] = this.#waiting;
        if (next !== undefined) {
          this.#waiting.delete(next[0]);
          yield next[1];
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      ended.removeEventListener('abort', wake);
    }
  }
}
