/** The state did what it was asked to, and the worker never heard of it: nothing is settled twice, nothing is lost. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/lib/fake-world.ts';
import { DroverError } from '../../src/model/errors.ts';
import { PIECE_ITEMS_MAX } from '../../src/engine/limits.ts';
import { mustBeExact, openFleet, RUN_ID, type Fleet, type Worker } from './fleet.ts';

/** Calls of the state that change something. */
const CHANGES = [
  'split',
  'commit',
  'claim',
  'release',
  'startSegments',
  'addSegments',
  'saveIntent',
  'dropIntent',
  'endRun',
];

function unheard(): DroverError {
  return new DroverError('DATABASE_UNAVAILABLE', 'The connection ended before the answer came.');
}

test('of a cut: whoever made it settles nothing beyond it', async () => {
  await using fleet = await openFleet({ source: { pageSize: 1_000 }, target: { pageSize: 1_000 } });
  for (let i = 0; i < 400; i++) {
    const key = `k-${String(i).padStart(6, '0')}`;
    fleet.source.put('in', key, `content ${i}`);
    fleet.target.put('out', key, `content ${i}`);
  }
  // Everything of the source has come, nothing of the target: half of what waits is cut off for the second worker.
  fleet.target.hooks.before = (operation) => (operation === 'LIST' ? fleet.clock.sleep(4_000) : undefined);
  await fleet.queue();
  const [first, second] = [fleet.join('w1'), fleet.join('w2')];
  let lost = 0;
  for (const { tether } of [first, second]) {
    tether.onAnswer = async (name) => {
      if (name !== 'split' || lost > 0) return;
      lost += 1;
      // Meanwhile the target's page comes, and planning waits for the cut.
      await fleet.clock.sleep(6_000);
      throw unheard();
    };
  }
  const results = await fleet.ended(first, second);
  expect(lost).toBe(1);
  await mustBeExact(
    fleet,
    results.filter(({ error }) => error === null),
  );
});

const story = fc.record({
  seed: fc.nat(),
  count: fc.integer({ min: 0, max: 500 }),
  shareThere: fc.constantFrom(0, 0.5, 1),
  pageSize: fc.integer({ min: 5, max: 50 }),
  hasLarge: fc.nat(4).map((one) => one === 0),
  share: fc.constantFrom(0.02, 0.1, 0.3),
});

/** Takes part again and again, however often it is cut off. */
async function persistent(fleet: Fleet, name: string, prepare: (worker: Worker) => void) {
  for (let round = 0; round < 200; round++) {
    // What nobody knows of is not renewed.
    const worker = fleet.join(`${name}-${round}`);
    prepare(worker);
    const result = await worker.done.catch((error: unknown) => error as DroverError);
    if (!(result instanceof Error) && result.run.endedAtMs !== null) return result;
    await fleet.clock.sleep(500);
  }
  throw new Error('It never came to an end.');
}

test('whatever it was about', async () => {
  const heardNothingOf = new Set<string>();
  await fc.assert(
    fc.asyncProperty(story, async ({ seed, count, shareThere, pageSize, hasLarge, share }) => {
      const behaviour = { pageSize, ...(hasLarge ? { listedDigests: [] } : {}) };
      await using fleet = await openFleet({ seed, source: behaviour, target: behaviour });
      const there = Math.min(count, Math.ceil(count * shareThere));
      for (let i = 0; i < count; i++) {
        const key = `${'abc'[i % 3]}/k${i % 7}/${i}`;
        fleet.source.put('in', key, `content ${i}`);
        if (i < there) fleet.target.put('out', key, `content ${i}`);
      }
      if (hasLarge) fleet.source.put('in', 'b/large', Buffer.alloc(9 * 1024 * 1024, 'x'));
      await fleet.queue();
      const random = seededRandom(seed);
      const prepare = ({ tether }: Worker): void => {
        tether.onAnswer = async (name) => {
          if (!CHANGES.includes(name) || random.bytes(1)[0]! >= share * 256) return;
          heardNothingOf.add(name);
          await fleet.clock.sleep(200);
          throw unheard();
        };
      };
      const results = await fleet.clock.run(
        Promise.all(['w1', 'w2', 'w3'].map((name) => persistent(fleet, name, prepare))),
      );
      await mustBeExact(fleet, results, hasLarge ? there : 0);
    }),
    { numRuns: 20, seed: 20_260_301 },
  );
  // Otherwise it was not about anything.
  for (const name of ['split', 'commit', 'claim', 'endRun']) expect([...heardNothingOf]).toContain(name);
});

test('of phases that are cut into pieces', async () => {
  for (const seed of [1, 2, 3, 4]) {
    const pages = { pageSize: 1_000 };
    await using fleet = await openFleet({ seed, source: pages, target: pages });
    fleet.source.put('in', 'kept', '1');
    const extras = PIECE_ITEMS_MAX + 300;
    for (let i = 0; i < extras; i++) fleet.target.put('out', `old-${String(i).padStart(5, '0')}`, 'x');
    await fleet.queue({ mode: 'mirror', deleteMax: null, deleteShareMax: null });
    const random = seededRandom(seed);
    const prepare = ({ tether }: Worker): void => {
      tether.onAnswer = async (name) => {
        if (!CHANGES.includes(name) || random.bytes(1)[0]! >= 0.2 * 256) return;
        await fleet.clock.sleep(200);
        throw unheard();
      };
    };
    const results = await fleet.clock.run(Promise.all(['w1', 'w2'].map((name) => persistent(fleet, name, prepare))));
    const run = await mustBeExact(fleet, results);
    expect(run.counters.items.deleted).toBe(extras);
    expect((await fleet.store.segments(RUN_ID)).filter(({ kind }) => kind === 'deletes')).toHaveLength(3);
  }
});
