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
import { mapTopic, runOfMap, topicsOf } from './topics.ts';

/** A viewer, and nobody in particular. */
const ANYBODY: Actor = { ...SYSTEM, kind: 'person', name: 'Whoever follows', role: 'viewer' };

const LOOK_EVERY_MS = 250;
/** Changes remembered for those who come back. */
const REMEMBERED_MAX = 1_000;
/** Of a map that is followed. */
const MAP_CELLS = 240;
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

/** How far a follower is. */
interface Place {
  /** Everything it wants up to this number was sent, or is not known to be missed. */
  sent: number;
  /** What came after this number is to be sent, with the next round; nothing else before that. */
  since: number | null;
}

/** A change that is looked up for all who want it, or only for those who were away. */
interface Due {
  readonly change: Change;
  readonly only: Set<Follower> | null;
}

export function openHub(world: HubWorld): Hub {
  return new ChangeHub(world);
}

class ChangeHub implements Hub {
  readonly #world: HubWorld;
  /** Numbers of another process, or of this one before a restart, are not ours. */
  readonly #epoch: string;
  readonly #followers = new Map<Follower, Place>();
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
    return this.#idOf(this.#number);
  }

  follow(follower: Follower, lastEventId: string | null): void {
    const place: Place = { sent: this.#number, since: null };
    this.#followers.set(follower, place);
    for (const topic of follower.topics) {
      const runId = runOfMap(topic);
      if (runId !== null) this.#soil(runId);
    }
    if (lastEventId === null || lastEventId === this.newest) return;
    const since = this.#numberOf(lastEventId);
    if (since === null) return this.#send(follower, place, this.#number, this.#reset());
    Object.assign(place, { sent: since, since });
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
    return this.#isRemembered(number) ? number : null;
  }

  /** All that came after it. */
  #isRemembered(number: number): boolean {
    return number >= (this.#remembered[0]?.number ?? this.#number + 1) - 1;
  }

  #idOf(number: number): string {
    return `${this.#epoch}.${number}`;
  }

  #reset(): LiveEvent {
    return { type: 'reset', asOf: this.#now() };
  }

  #now(): string {
    return new Date(this.#world.clock.now()).toISOString();
  }

  /** An id says that everything up to it was sent: it never goes back. */
  #send(follower: Follower, place: Place, number: number, event: LiveEvent): void {
    place.sent = Math.max(place.sent, number);
    follower.receive({ id: this.#idOf(place.sent), event });
  }

  /** The bus was away: nobody knows what changed, also of who is signed in. */
  #missed(): void {
    this.#number += 1;
    this.#remembered.length = 0;
    // It is read again by everybody.
    this.#dirty.clear();
    for (const handler of this.#personHandlers) handler();
    for (const [follower, place] of this.#followers) {
      place.since = null;
      this.#send(follower, place, this.#number, this.#reset());
    }
  }

  #hear(topic: Topic, id: string): void {
    if (topic === 'person') for (const handler of this.#personHandlers) handler();
    const topics = topicsOf(topic, id);
    if (topics.length === 0) return;
    const change: Change = { number: ++this.#number, kind: topic as LiveKind, id, topics };
    this.#remembered.push(change);
    if (this.#remembered.length > REMEMBERED_MAX) this.#remembered.shift();
    if (topic === 'run') this.#soil(id);
    if (!this.#isFollowed(change)) return;
    this.#dirty.set(keyOf(change), change);
    void this.#look();
  }

  /** Not remembered: whoever comes back is sent the whole map. */
  #soil(runId: string): void {
    const change: Change = { number: this.#number, kind: 'run-map', id: runId, topics: [mapTopic(runId)] };
    if (!this.#isFollowed(change)) return;
    this.#dirty.set(keyOf(change), change);
    void this.#look();
  }

  #isFollowed(change: Change): boolean {
    for (const follower of this.#followers.keys()) if (wants(follower, change)) return true;
    return false;
  }

  /** One loop at a time; the first look comes at once, the next a quarter of a second later. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      for (let round = this.#round(); round.length > 0; round = this.#round()) {
        if (round.length > LOOKS_MAX) this.#sendReset(round);
        else for (const due of round) await this.#lookUp(due);
        await this.#world.clock.sleep(LOOK_EVERY_MS, this.#stopper.signal);
      }
    } catch {
      // Closed while it slept.
    } finally {
      this.#isLooking = false;
    }
  }

  /**
   * What is to be looked up now, each entity once, in the order of its newest change: what is not sent yet when a change
   * is has a higher number, so that whoever is cut off there hears it when he comes back.
   */
  #round(): readonly Due[] {
    const round = new Map<string, Due>();
    for (const [key, change] of this.#dirty) round.set(key, { change, only: null });
    this.#dirty.clear();
    for (const [follower, place] of this.#followers) if (place.since !== null) this.#catchUp(follower, place, round);
    return [...round.values()].toSorted((a, b) => a.change.number - b.change.number);
  }

  #catchUp(follower: Follower, place: Place, round: Map<string, Due>): void {
    const since = place.since as number;
    place.since = null;
    if (!this.#isRemembered(since)) return this.#send(follower, place, this.#number, this.#reset());
    for (const change of this.#remembered) {
      if (change.number <= since || !wants(follower, change)) continue;
      const known = round.get(keyOf(change));
      const only = known === undefined ? new Set<Follower>() : known.only;
      only?.add(follower);
      const isNewer = change.number > (known?.change.number ?? 0);
      round.set(keyOf(change), { change: isNewer || known === undefined ? change : known.change, only });
    }
  }

  #sendReset(round: readonly Due[]): void {
    const number = round.at(-1)?.change.number ?? this.#number;
    for (const [follower, place] of this.#followers) {
      if (round.some((due) => isFor(follower, place, due))) this.#send(follower, place, number, this.#reset());
    }
  }

  async #lookUp(due: Due): Promise<void> {
    const event = await this.#eventOf(due.change);
    for (const [follower, place] of this.#followers) {
      if (isFor(follower, place, due)) this.#send(follower, place, due.change.number, event);
    }
  }

  async #eventOf({ kind, id, number }: Change): Promise<LiveEvent> {
    const asOf = this.#now();
    if (kind === 'run-log') return { type: 'log', kind, id, asOf };
    try {
      if (kind === 'run-map') return await this.#mapOf(id);
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

  async #mapOf(id: string): Promise<LiveEvent> {
    const { sequence, asOf, cells: all } = await this.#world.services.runs.map(ANYBODY, id, MAP_CELLS);
    const cells = all.map((cell, index) => ({ index, ...cell }));
    return { type: 'map', kind: 'run-map', id, sequence, asOf, base: null, count: cells.length, cells };
  }

  /** One look serves all who follow, so it shows what the least of them may see. */
  async #entityOf(kind: Exclude<LiveKind, 'run-log' | 'run-map'>, id: string): Promise<unknown> {
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

/** Whoever was away hears nothing of a round that began without what he has missed. */
function isFor(follower: Follower, { since }: Place, { change, only }: Due): boolean {
  return since === null && (only?.has(follower) ?? true) && wants(follower, change);
}

function keyOf({ kind, id }: Change): string {
  return `${kind} ${id}`;
}
