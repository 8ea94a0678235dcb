/** Names, restores and deletions of a run that many workers share: cut into pieces, and exact whoever dies meanwhile. */
import { describe, expect, test } from 'vitest';
import { PIECE_ITEMS_MAX, PIECE_RESTORES_MAX } from '../../src/engine/limits.ts';
import { verifyRun } from '../../src/engine/verify.ts';
import { FakeClock } from '../../src/lib/fake-world.ts';
import { ALL_NAMES } from '../../src/model/names.ts';
import type { Policy } from '../../src/model/policy.ts';
import { systemRandom } from '../../src/lib/system.ts';
import { openBench, sumsAgree } from './bench.ts';
import { openFleet, RUN_ID, type Fleet, type FleetOptions, type Worker } from './fleet.ts';

const FILES = { ...ALL_NAMES, emptySegments: false, dotSegments: false, trailingSlashContent: false };
const PAGES = { pageSize: 1_000 };
const NAMES = ['w1', 'w2', 'w3'];

interface Case {
  readonly options: FleetOptions;
  readonly policy: Partial<Policy>;
  /** The call that tells that a worker is in this phase. */
  readonly call: string;
  readonly seed: (fleet: Fleet) => void;
  /** Key of the source → name at the target. */
  readonly expected: (fleet: Fleet) => Map<string, string>;
  readonly segments: number;
}

const MAPPED_COUNT = 2 * PIECE_ITEMS_MAX + 300;
const RESTORED_COUNT = 2 * PIECE_RESTORES_MAX + 100;
const EXTRA_COUNT = 2 * PIECE_ITEMS_MAX + 300;
const FOLDERS_DEEP = 3;

function number(i: number): string {
  return String(i).padStart(5, '0');
}

function same(fleet: Fleet): Map<string, string> {
  return new Map(fleet.source.keys('in').map((key) => [key, key]));
}

const CASES: Record<'mapped' | 'folded' | 'restores' | 'deletes', Case> = {
  mapped: {
    options: { source: PAGES, target: { ...PAGES, names: FILES }, latencyMs: 100 },
    policy: {},
    call: 'write',
    seed({ source }) {
      for (let i = 0; i < MAPPED_COUNT; i++) source.put('in', `a/../${number(i)}`, `content ${i}`);
      // The one that bears the name keeps it; the other has none left.
      source.put('in', 'a/%2E%2E/00007', 'bears the name');
    },
    expected({ source }) {
      const keys = source.keys('in').filter((key) => key !== 'a/../00007');
      return new Map(keys.map((key) => [key, key.replace('..', '%2E%2E')]));
    },
    segments: 4,
  },
  folded: {
    options: { source: PAGES, target: { ...PAGES, names: { ...ALL_NAMES, caseSensitive: false } }, latencyMs: 100 },
    policy: {},
    call: 'write',
    seed({ source }) {
      for (let i = 0; i < MAPPED_COUNT; i++)
        source.put('in', `${i % 2 === 0 ? 'X' : 'x'}-${number(i)}`, `content ${i}`);
      for (let i = 0; i < 50; i++) source.put('in', `y-${number(40 * i)}`, 'lower');
      for (let i = 0; i < 50; i++) source.put('in', `Y-${number(40 * i)}`, 'upper');
    },
    expected: ({ source }) =>
      new Map(
        source
          .keys('in')
          .filter((key) => !key.startsWith('y'))
          .map((key) => [key, key]),
      ),
    segments: 4,
  },
  restores: {
    options: { source: { ...PAGES, restoreMs: 150_000 }, target: PAGES },
    policy: { archived: { tier: 'Bulk', days: 3 } },
    call: 'status',
    seed({ source }) {
      const cold = { storageClass: 'GLACIER', availability: 'archived' } as const;
      for (let i = 0; i < RESTORED_COUNT; i++) source.put('in', `ice-${number(i)}`, `content ${i}`, cold);
      source.put('in', 'warm', 'water');
    },
    expected: same,
    segments: 4,
  },
  deletes: {
    options: { source: PAGES, target: PAGES, latencyMs: 100 },
    policy: { mode: 'mirror', deleteMax: null, deleteShareMax: null },
    call: 'remove',
    seed({ source, target }) {
      source.put('in', 'kept/one', '1');
      source.put('in', 'kept/', '');
      target.put('out', 'kept/', '');
      let folders = 0;
      for (let i = 0; i < EXTRA_COUNT; i++) {
        const path = `old/${number(i % 400)}/${i % FOLDERS_DEEP}/`;
        if (i < 400 * FOLDERS_DEEP) {
          target.put('out', path, '');
          folders += 1;
        }
        target.put('out', `${path}${number(i)}`, 'old');
      }
      for (let i = 0; i < 400; i++) target.put('out', `old/${number(i)}/`, '');
      target.put('out', 'old/', '');
      if (folders !== 400 * FOLDERS_DEEP) throw new Error('too few folders');
    },
    expected: same,
    // What is first in order, then objects, then folders, then those that hold folders of several pieces.
    segments: 1 + 3 + 4 + 1,
  },
};

async function mustBeExact(fleet: Fleet, { expected }: Case): Promise<void> {
  const run = await fleet.store.getRun(RUN_ID);
  if (run === null) throw new Error('the run is gone');
  expect(run.error).toBeNull();
  const target = new Set(fleet.target.keys('out'));
  for (const [key, name] of expected(fleet)) {
    expect(target.has(name), name).toBe(true);
    expect(fleet.target.text('out', name)).toBe(fleet.source.text('in', key));
  }
  const records = await fleet.items();
  sumsAgree({ run }, records);
  const moved = records.filter(({ result }) => result !== 'deleted');
  expect(moved.map(({ key }) => key).toSorted()).toEqual(fleet.source.keys('in').toSorted());
  expect(fleet.leases.ends).toBe(1);
  expect(fleet.target.uploads.size).toBe(0);
  const { target: end } = await fleet.clock.run(fleet.ends());
  const world = {
    clock: fleet.clock,
    random: systemRandom,
    log: () => undefined,
    store: fleet.store,
    artifacts: fleet.artifacts,
    worker: 'verifier',
    requests: () => ({ source: {}, target: {} }),
  };
  const options = { signal: new AbortController().signal, onProgress: null, onDifference: null };
  const verified = await fleet.clock.run(verifyRun(run, end, world, options));
  expect(verified).toMatchObject({ missing: 0, different: 0 });
  expect(verified.checked).toBe(run.counters.items.copied + run.counters.items.same);
  expect(fleet.artifacts.puts.length).toBeGreaterThan(0);
  expect((await fleet.artifacts.list(`runs/${RUN_ID}/sorting/`)).length).toBe(0);
}

async function played(one: Case, befall: (workers: readonly Worker[]) => readonly Worker[]): Promise<Fleet> {
  const fleet = await openFleet(one.options);
  one.seed(fleet);
  await fleet.queue(one.policy);
  const workers = NAMES.map((name) => fleet.join(name));
  await fleet.ended(...befall(workers));
  return fleet;
}

describe.each(Object.entries(CASES))('%s', (name, one) => {
  const kind = name === 'folded' ? 'mapped' : name;

  test('are worked on by all, in one order', async () => {
    let workers: readonly Worker[] = [];
    await using fleet = await played(one, (all) => (workers = all));
    await mustBeExact(fleet, one);
    const segments = (await fleet.store.segments(RUN_ID)).filter((segment) => segment.kind === kind);
    expect(segments.length).toBe(one.segments);
    const calls = workers.map(({ tether }) => tether.called[one.call] ?? 0);
    const all = calls.reduce((sum, count) => sum + count, 0);
    // What waits for the same time asks as often, however many workers wait.
    for (const count of calls) expect(count, calls.join(' ')).toBeGreaterThan(all / (name === 'restores' ? 20 : 8));
    const rows = (await fleet.items()).filter(({ result }) => (kind === 'deletes' ? result === 'deleted' : true));
    if (kind === 'deletes') {
      expect(fleet.target.keys('out')).toEqual(['kept/', 'kept/one']);
      const objects = rows.filter(({ key }) => !key.endsWith('/')).map(({ key }) => key);
      expect(objects).toEqual(objects.toSorted());
      expect(rows.length).toBe(objects.length + 400 * (FOLDERS_DEEP + 1) + 1);
      expect(rows.slice(objects.length).every(({ key }) => key.endsWith('/'))).toBe(true);
    }
    if (name === 'mapped') {
      expect(rows.filter(({ result }) => result === 'unsupported').map(({ key }) => key)).toEqual(['a/../00007']);
    }
  });

  test.each([1, 2, 3, 5, 9, 17, 40, 90, 200, 450])(
    'survive the loss of a worker at its call %i in them',
    async (at) => {
      await using fleet = await played(one, ([victim, ...others]) => {
        const { tether } = victim as Worker;
        let calls = 0;
        let isIn = false;
        tether.onCall = (call) => {
          isIn ||= call === one.call;
          if (isIn && ++calls === at) tether.kill();
        };
        return others;
      });
      await mustBeExact(fleet, one);
    },
  );

  test('survive that all of them are lost, one after the other', async () => {
    await using fleet = await openFleet(one.options);
    one.seed(fleet);
    await fleet.queue(one.policy);
    let takenOver = 0;
    for (const calls of [300, 900, 1_500, 2_600, 3_500]) {
      const worker = fleet.join(`v${calls}`);
      worker.tether.diesAt = calls;
      await Promise.race([
        worker.done,
        fleet.until(() => worker.tether.isDead || worker.pictures.at(-1)?.phase === 'ended'),
      ]);
      takenOver += worker.tether.isDead ? 1 : 0;
    }
    await fleet.ended(fleet.join('last'), fleet.join('other'));
    await mustBeExact(fleet, one);
    expect(takenOver).toBeGreaterThan(1);
  });
});

test('what is little is one segment of each phase, and phases without anything have none', async () => {
  const clock = new FakeClock();
  await using bench = await openBench(
    { restoreMs: 0, ...PAGES },
    { ...PAGES, names: { ...ALL_NAMES, dotSegments: false } },
    clock,
  );
  const cold = { storageClass: 'GLACIER', availability: 'archived' } as const;
  bench.source.put('in', 'plain', 'x');
  const kinds = async (policy: Partial<Policy> = {}): Promise<string[]> => {
    const result = await clock.run(bench.run(policy));
    return (await bench.state.store.segments(result.run.runId)).map(({ segmentId }) => segmentId);
  };
  expect(await kinds()).toEqual(['s0', 'settle']);
  bench.source.put('in', 'cold', 'x', cold);
  bench.source.put('in', 'a/../b', 'x');
  bench.target.put('out', 'old', 'x');
  expect(
    await kinds({ mode: 'mirror', deleteMax: 1, deleteShareMax: null, archived: { tier: 'Bulk', days: 1 } }),
  ).toEqual(['s0', 'mapped', 'restores', 'deletes', 'settle']);
});

test('more deletions than may be are refused before the first of them, also where they would be cut', async () => {
  await using fleet = await openFleet({ source: PAGES, target: PAGES });
  fleet.source.put('in', 'kept', '1');
  for (let i = 0; i < 1_500; i++) fleet.target.put('out', `old-${number(i)}`, 'x');
  await fleet.queue({ mode: 'mirror', deleteMax: 1_499, deleteShareMax: null });
  const workers = NAMES.map((name) => fleet.join(name));
  const results = await fleet.ended(...workers);
  for (const { error } of results) expect(error?.code).toBe('GUARD_DELETE_CAP');
  for (const { tether } of workers) expect(tether.called['remove'] ?? 0).toBe(0);
  expect(fleet.target.keys('out')).toHaveLength(1_501);
});
