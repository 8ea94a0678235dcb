/**
 * One ear on the bus for all live streams of this process. A change is looked up once, however many follow it, and at
 * most four times a second per entity; what comes in between shows in the next look.
 */
import { SYSTEM, type Actor } from '../../control/entities.ts';
import type { Services } from '../../control/services.ts';
import type { Bus, Topic } from '../../control/world.ts';
import type { Clock, Log, Random } from '../../lib/world.ts';
import { toDroverError } from '../../model/errors.ts';
import type { LiveEvent, LiveKind } from './event.ts';
import { topicsOf } from './topics.ts';

/** A viewer, and nobody in particular. */
const ANYBODY: Actor = { ...SYSTEM, kind: 'person', name: 'Whoever follows', role: 'viewer' };

const LOOK_EVERY_MS = 250;
/** Changes remembered for those who come back. */
const REMEMBERED_MAX = 1_000;
/** More changes at once are not looked up one by one: followers read their lists again. */
const LOOKS_MAX = 200;

export interface NumberedEvent {
  readonly id: string;
  readonly event: LiveEvent;
}

export interface Follower {
  readonly topics: ReadonlySet<string>;
  receive(event: NumberedEvent): void;
}

export interface Hub {
  /** Events from now on; with the id of the last one received, what came since then first. */
  follow(follower: Follower, lastEventId: string | null): void;
  leave(follower: Follower): void;
  /** Told of people and tokens that changed: their streams check whether they may go on. */
  onPerson(handler: () => void): () => void;
  /** The number of the newest change. */
  readonly newest: string;
  close(): void;
}

interface HubWorld {
  readonly services: Services;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface Change {
  readonly number: number;
  readonly kind: LiveKind;
  readonly id: string;
  readonly topics: readonly string[];
}

export function openHub(world: HubWorld): Hub {
  return new ChangeHub(world);
}

class ChangeHub implements Hub {
  readonly #world: HubWorld;
  /** Numbers of another process, or of this one before a restart, are not ours. */
  readonly #epoch: string;
  readonly #followers = new Set<Follower>();
  readonly #personHandlers = new Set<() => void>();
  readonly #remembered: Change[] = [];
  /** Changed and not looked up yet, by kind and id. */
  readonly #dirty = new Map<string, Change>();
  readonly #stopper = new AbortController();
  readonly #deafen: () => void;
  #number = 0;
  #isLooking = false;

  constructor(world: HubWorld) {
    this.#world = world;
    this.#epoch = Buffer.from(world.random.bytes(6)).toString('base64url');
    this.#deafen = world.bus.listen(
      (topic, id) => this.#hear(topic, id),
      () => this.#missed(),
    );
  }

  get newest(): string {
    return `${this.#epoch}.${this.#number}`;
  }

  follow(follower: Follower, lastEventId: string | null): void {
    this.#followers.add(follower);
    if (lastEventId === null || lastEventId === this.newest) return;
    const since = this.#numberOf(lastEventId);
    if (since === null) return follower.receive(this.#reset());
    const missed = this.#remembered.filter((change) => change.number > since && wants(follower, change));
    for (const change of missed) this.#dirty.set(keyOf(change), change);
    void this.#look();
  }

  leave(follower: Follower): void {
    this.#followers.delete(follower);
  }

  onPerson(handler: () => void): () => void {
    this.#personHandlers.add(handler);
    return () => void this.#personHandlers.delete(handler);
  }

  close(): void {
    this.#deafen();
    this.#stopper.abort();
  }

  /** `null`: so long ago, or so far away, that what came since is not known. */
  #numberOf(id: string): number | null {
    const [epoch, text] = id.split('.');
    const number = Number(text);
    if (epoch !== this.#epoch || !Number.isInteger(number) || number > this.#number) return null;
    const oldest = this.#remembered[0]?.number ?? this.#number + 1;
    return number >= oldest - 1 ? number : null;
  }

  #reset(): NumberedEvent {
    return { id: this.newest, event: { type: 'reset', asOf: this.#now() } };
  }

  #now(): string {
    return new Date(this.#world.clock.now()).toISOString();
  }

  /** The bus was away: nobody knows what changed, also of who is signed in. */
  #missed(): void {
    this.#number += 1;
    this.#remembered.length = 0;
    for (const handler of this.#personHandlers) handler();
    for (const follower of this.#followers) follower.receive(this.#reset());
  }

  #hear(topic: Topic, id: string): void {
    if (topic === 'person') for (const handler of this.#personHandlers) handler();
    const topics = topicsOf(topic, id);
    if (topics.length === 0) return;
    const change: Change = { number: ++this.#number, kind: topic as LiveKind, id, topics };
    this.#remembered.push(change);
    if (this.#remembered.length > REMEMBERED_MAX) this.#remembered.shift();
    if (!this.#isFollowed(change)) return;
    this.#dirty.set(keyOf(change), change);
    void this.#look();
  }

  #isFollowed(change: Change): boolean {
    for (const follower of this.#followers) if (wants(follower, change)) return true;
    return false;
  }

  /** One loop at a time; the first look comes at once, the next a quarter of a second later. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#dirty.size > 0) {
        const changes = [...this.#dirty.values()];
        this.#dirty.clear();
        if (changes.length > LOOKS_MAX) this.#sendReset(changes);
        else for (const change of changes) await this.#lookUp(change);
        await this.#world.clock.sleep(LOOK_EVERY_MS, this.#stopper.signal);
      }
    } catch {
      // Closed while it slept.
    } finally {
      this.#isLooking = false;
    }
  }

  #sendReset(changes: readonly Change[]): void {
    for (const follower of this.#followers) {
      if (changes.some((change) => wants(follower, change))) follower.receive(this.#reset());
    }
  }

  async #lookUp(change: Change): Promise<void> {
    const event = await this.#eventOf(change);
    if (event === null) return;
    const numbered = { id: `${this.#epoch}.${change.number}`, event };
    for (const follower of this.#followers) if (wants(follower, change)) follower.receive(numbered);
  }

  async #eventOf({ kind, id, number }: Change): Promise<LiveEvent | null> {
    const asOf = this.#now();
    if (kind === 'run-log') return { type: 'log', kind, id, asOf };
    try {
      const entity = await this.#entityOf(kind, id);
      if (entity === null) return { type: 'removed', kind, id, asOf };
      const { sequence = number, asOf: trueAt = asOf } = entity as { sequence?: number; asOf?: string };
      return { type: 'changed', kind, id, sequence, asOf: trueAt, entity };
    } catch (thrown) {
      const error = toDroverError(thrown);
      if (error.code === 'ENTITY_NOT_FOUND') return { type: 'removed', kind, id, asOf };
      // Followers read again what this one look could not show.
      this.#world.log('warn', 'A change could not be looked up for the live stream.', { kind, code: error.code });
      return { type: 'reset', asOf };
    }
  }

  /** One look serves all who follow, so it shows what the least of them may see. */
  async #entityOf(kind: Exclude<LiveKind, 'run-log'>, id: string): Promise<unknown> {
    const { services } = this.#world;
    switch (kind) {
      case 'run':
        return services.runs.get(ANYBODY, id);
      case 'connector':
        return services.connectors.get(ANYBODY, id);
      case 'endpoint':
        return services.endpoints.get(ANYBODY, id);
      case 'project':
        return services.projects.get(ANYBODY, id);
      case 'job':
        return services.jobs.get(ANYBODY, id);
      case 'schedule':
        return services.schedules.get(ANYBODY, id);
      case 'timetable':
        return services.timetables.get(ANYBODY, id);
      case 'artifact':
        return services.reports.get(ANYBODY, id);
      case 'subscription':
        return services.notifications.get(ANYBODY, id);
      // Only who may see people can follow them.
      case 'person':
        return services.people.get(SYSTEM, id);
      case 'worker':
        return (await services.fleet.list(ANYBODY)).find((worker) => worker.id === id) ?? null;
    }
  }
}

function wants(follower: Follower, { topics }: Change): boolean {
  return topics.some((topic) => follower.topics.has(topic));
}

function keyOf({ kind, id }: Change): string {
  return `${kind} ${id}`;
}
