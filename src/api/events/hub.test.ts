/** Event ids: everything up to one was sent, so that whoever comes back with it misses nothing, wherever he was cut off. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Services } from '../../control/services.ts';
import type { Topic } from '../../control/world.ts';
import { FakeClock } from '../../lib/fake-world.ts';
import { openHub, type Follower, type Hub, type NumberedEvent } from './hub.ts';

/** Entities and the version in which each one is; looking one up takes as long as the test wants. */
class World {
  readonly clock = new FakeClock();
  readonly versions = new Map<string, number>();
  readonly hub: Hub;
  readonly looks: string[] = [];
  #hear: (topic: Topic, id: string) => void = () => undefined;
  #lookMs = 0;

  constructor() {
    const get = async (_actor: unknown, id: string) => {
      this.looks.push(id);
      if (this.#lookMs > 0) await this.clock.sleep(this.#lookMs, new AbortController().signal);
      return { id, sequence: this.versions.get(id) ?? 0 };
    };
    const services = { runs: { get }, jobs: { get }, projects: { get } } as unknown as Services;
    this.hub = openHub({
      services,
      clock: this.clock,
      random: { bytes: (count: number) => new Uint8Array(count) } as never,
      log: () => undefined,
      bus: {
        tell: async () => undefined,
        listen: (handler: (topic: Topic, id: string) => void) => {
          this.#hear = handler;
          return () => undefined;
        },
      } as never,
    });
  }

  change(topic: Topic, id: string): void {
    this.versions.set(id, (this.versions.get(id) ?? 0) + 1);
    this.#hear(topic, id);
  }

  /** From now on. */
  looksTake(lookMs: number): void {
    this.#lookMs = lookMs;
  }

  async settle(): Promise<void> {
    for (let at = 0; at < 20; at++) await this.clock.advance(250);
  }
}

class Reader implements Follower {
  readonly topics = new Set(['runs', 'jobs', 'projects']);
  readonly events: NumberedEvent[] = [];
  receive(event: NumberedEvent): void {
    this.events.push(event);
  }
  /** What is known of each entity after so many events. */
  known(count = this.events.length): Map<string, number> {
    return new Map(
      this.events
        .slice(0, count)
        .flatMap(({ event }) => (event.type === 'changed' ? [[event.id, event.sequence] as const] : [])),
    );
  }
}

const numberOf = ({ id }: { readonly id: string }): number => Number(id.split('.')[1]);

let world: World;
beforeEach(() => {
  world = new World();
});

/** Comes back with the id of each event, and knows in the end what everybody knows. */
async function expectNothingMissed(reader: Reader): Promise<void> {
  const ids = reader.events.map(numberOf);
  expect(ids, 'ids never go back').toEqual(ids.toSorted((a, b) => a - b));
  for (let count = 1; count <= reader.events.length; count++) {
    const again = new Reader();
    world.hub.follow(again, reader.events[count - 1]?.id ?? null);
    await world.settle();
    world.hub.leave(again);
    expect(new Map([...reader.known(count), ...again.known()]), `cut off after event ${count}`).toEqual(world.versions);
  }
}

describe('ids of events', () => {
  test('of entities that change again while others wait', async () => {
    const reader = new Reader();
    world.hub.follow(reader, null);
    world.looksTake(100);
    for (const [topic, id] of [
      ['run', 'r1'],
      ['job', 'j1'],
      ['project', 'p1'],
      ['run', 'r2'],
      ['job', 'j1'],
      ['run', 'r1'],
      ['run', 'r1'],
      ['project', 'p1'],
      ['run', 'r2'],
    ] as const) {
      world.change(topic, id);
      await world.clock.advance(30);
    }
    await world.settle();
    world.looksTake(0);
    await expectNothingMissed(reader);
  });

  test('are the same for others while somebody hears what he has missed, and only he hears that', async () => {
    const [first, other, back] = [new Reader(), new Reader(), new Reader()];
    world.hub.follow(first, null);
    world.change('run', 'r1');
    await world.settle();
    world.hub.leave(first);
    world.change('job', 'j1');
    world.change('run', 'r2');
    world.hub.follow(other, null);
    world.looksTake(100);
    world.change('project', 'p1');
    await world.clock.advance(50);
    // In the middle of a round that does not hold what this one has missed.
    world.hub.follow(back, first.events.at(-1)?.id ?? null);
    await world.settle();
    expect(other.events.map(({ event }) => 'id' in event && event.id)).toEqual(['p1']);
    expect(back.events.map(({ event }) => 'id' in event && event.id)).toEqual(['j1', 'r2', 'p1']);
    world.looksTake(0);
    const ids = back.events.map(numberOf);
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
  });

  test('whatever changes when, and however long a look takes: coming back with any of them misses nothing', async () => {
    const entity = fc.constantFrom(
      ['run', 'r1'] as const,
      ['run', 'r2'] as const,
      ['job', 'j1'] as const,
      ['job', 'j2'] as const,
      ['project', 'p1'] as const,
    );
    const step = fc.record({ entity, waitMs: fc.constantFrom(0, 0, 10, 60, 300), lookMs: fc.constantFrom(0, 20, 90) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
        world = new World();
        const reader = new Reader();
        world.hub.follow(reader, null);
        const cut: { reader: Reader; id: string | null }[] = [];
        for (const {
          entity: [topic, id],
          waitMs,
          lookMs,
        } of steps) {
          world.looksTake(lookMs);
          world.change(topic, id);
          await world.clock.advance(waitMs);
          // Others come back in the middle of it.
          const last = reader.events.at(-1);
          if (last === undefined) continue;
          const other = new Reader();
          other.events.push(...reader.events);
          world.hub.follow(other, last.id);
          cut.push({ reader: other, id: last.id });
        }
        await world.settle();
        for (const one of [reader, ...cut.map((each) => each.reader)]) {
          expect(one.known()).toEqual(world.versions);
          const ids = one.events.map(numberOf);
          expect(ids).toEqual(ids.toSorted((a, b) => a - b));
        }
        world.looksTake(0);
        await expectNothingMissed(reader);
      }),
      { numRuns: 60 },
    );
  });
});
