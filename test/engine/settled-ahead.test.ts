/** What settled behind an object that moves for long: a kill costs the rows of the last seconds, a stop none at all. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AHEAD_CHUNKS_MAX,
  COMMIT_EVERY_MS,
  MIB,
  SHARED_REST_ITEMS_MIN,
  WINDOW_ITEMS_MAX,
} from '../../src/engine/limits.ts';
import type { SegmentRecord } from '../../src/engine/ports.ts';
import type { MemoryBehaviour } from '../../src/providers/memory/behaviour.ts';
import { TUNING } from './bench.ts';
import { mustBeExact, openFleet, RUN_ID, type Fleet, type Worker } from './fleet.ts';

/** A beat, the commit after it, and the turn of the clock in which it is noticed. */
const KEPT_AFTER_MS = 2 * COMMIT_EVERY_MS + 1_000;

const PAGES = { pageSize: 1_000, listedDigests: [] };

interface Slow {
  readonly fleet: Fleet;
  /** When each key was written. */
  readonly writtenAtMs: Map<string, number>;
  release(): void;
}

/** Parts of large objects do not arrive before they are let go. */
async function slow(seed = 1, pageSize = 1_000, target: Partial<MemoryBehaviour> = PAGES): Promise<Slow> {
  const fleet = await openFleet({ seed, source: { ...PAGES, pageSize }, target });
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const writtenAtMs = new Map<string, number>();
  fleet.target.hooks.before = async (operation) => {
    if (operation !== 'LIST') await fleet.clock.sleep(20);
    if (operation === 'PART') await released;
  };
  fleet.target.hooks.after = (operation, key) => {
    if (operation === 'PUT') writtenAtMs.set(key, fleet.clock.monotonic());
  };
  return { fleet, writtenAtMs, release };
}

function seed({ source }: Fleet, count: number, large: readonly string[] = ['a-large']): void {
  for (const key of large) source.put('in', key, Buffer.alloc(17 * MIB, key));
  for (let i = 0; i < count; i++) source.put('in', `k-${String(i).padStart(5, '0')}`, `content ${i}`);
}

async function segments(fleet: Fleet): Promise<readonly SegmentRecord[]> {
  return fleet.store.segments(RUN_ID);
}

function isAway(name: string): boolean {
  return name.includes('.ahead.');
}

describe('a worker that dies while the first object of all still moves', () => {
  test.each([
    ['overwrite', { copied: 301, same: 1, weak: 1 }],
    // What is newer at the target may be somebody else's.
    ['skip', { copied: 1, same: 301, weak: 301 }],
  ] as const)('and could not say what it moved last: that is moved again where newer may be: %s', async (...each) => {
    const [targetNewer, { copied, same, weak }] = each;
    const { fleet, writtenAtMs, release } = await slow(1, 1_000, { ...PAGES, recordsSource: false });
    await using _ = fleet;
    seed(fleet, 300);
    // Of another tool, long ago: only its size speaks for it, and that stays so.
    fleet.source.put('in', 'k-zz', 'another');
    fleet.target.put('out', 'k-zz', 'content');
    await fleet.clock.advance(24 * 3_600_000);
    await fleet.queue({ targetNewer });
    const victim = fleet.join('w1');
    await fleet.until(() => writtenAtMs.size === 300);
    victim.tether.kill();
    expect((await segments(fleet))[0]?.checkpoint?.ahead ?? []).toEqual([]);
    release();
    const heir = fleet.join('w2');
    await fleet.ended(heir);
    const run = await fleet.store.getRun(RUN_ID);
    expect(run?.counters.items).toMatchObject({ copied, same, failed: 0 });
    expect(run?.counters.sameWeak).toBe(weak);
    expect(run?.counters.verification.V0).toBe(0);
  });

  test.each(['for others', 'for itself, alone'])(
    'nor could those know who have a segment that was cut from its own since, %s',
    async (way) => {
      const isShared = way === 'for others';
      const folder = { pageSize: 50, listedDigests: [], recordsSource: false, keepsSourceTime: true };
      const { fleet, writtenAtMs, release } = await slow(1, 50, folder);
      await using _ = fleet;
      seed(fleet, 1_500);
      await fleet.queue();
      const victim = fleet.join('w1', { tuning: { ...TUNING, transfersMax: 200, segmentsMax: 1 }, isShared });
      await fleet.until(() => writtenAtMs.size === 1_500);
      victim.tether.kill();
      const before = await segments(fleet);
      expect(before.map(({ epoch, checkpoint }) => [epoch, checkpoint?.ahead ?? []])).toEqual([[1, []]]);
      const list = (): Promise<void> => fleet.clock.sleep(1_000);
      fleet.source.hooks.before = (operation) => (operation === 'LIST' ? list() : undefined);
      // Alone, nobody knows of the loss but by the state in which the run is found.
      if (!isShared) await fleet.leases.revokeAll();
      const heirs = (isShared ? ['w2', 'w3', 'w4'] : ['w2']).map((name) => fleet.join(name, { isShared }));
      await fleet.clock.advance(60_000);
      release();
      const run = await mustBeExact(fleet, await fleet.ended(...heirs));
      expect(run).toMatchObject({ state: 'succeeded', counters: { items: { copied: 1_501, same: 0 }, sameWeak: 0 } });
      expect(run.counters.verification.V0).toBe(0);
      const cut = (await segments(fleet)).filter(({ kind, from }) => kind === 'keys' && from !== null);
      // Otherwise it was not about anything.
      expect(cut.reduce((sum, { counters }) => sum + counters.items.scanned, 0)).toBeGreaterThan(200);
    },
  );

  test('is not the same as one that gave its work back: then nothing is moved again that was there before', async () => {
    const { fleet, writtenAtMs, release } = await slow(1, 1_000, { ...PAGES, recordsSource: false });
    await using _ = fleet;
    seed(fleet, 300);
    for (let i = 0; i < 20; i++) {
      fleet.source.put('in', `z-${i}`, `content ${i}`);
      fleet.target.put('out', `z-${i}`, `content ${i}`);
    }
    await fleet.queue();
    const first = fleet.join('w1');
    await fleet.until(() => writtenAtMs.size === 300);
    first.stop();
    release();
    await fleet.ended(first);
    await fleet.ended(fleet.join('w2'));
    const run = await fleet.store.getRun(RUN_ID);
    expect(run?.counters.items).toMatchObject({ copied: 301, same: 20, failed: 0 });
    expect(run?.counters.sameWeak).toBe(20);
  });

  test('takes nothing along of what settled before, and nothing is written twice', async () => {
    const { fleet, writtenAtMs, release } = await slow();
    await using _ = fleet;
    seed(fleet, 2_000);
    await fleet.queue();
    const victim = fleet.join('w1');
    await fleet.until(() => writtenAtMs.size === 2_000);
    await fleet.clock.advance(KEPT_AFTER_MS);
    victim.tether.kill();
    const [before] = await segments(fleet);
    expect(before?.checkpoint?.settledKey).toBeNull();
    release();
    const heir = fleet.join('w2');
    const run = await mustBeExact(fleet, await fleet.ended(heir));
    expect(run.counters.items).toMatchObject({ copied: 2_001, same: 0 });
    expect(heir.tether.called['write'] ?? 0).toBe(0);
    expect((await fleet.items()).map(({ key }) => key)).toEqual(fleet.source.keys('in'));
    expect((await fleet.artifacts.list('')).filter(isAway)).toEqual([]);
  });

  test('so does one that takes over from it, and the next, while others share what is left', async () => {
    const { fleet, writtenAtMs, release } = await slow();
    await using _ = fleet;
    const count = WINDOW_ITEMS_MAX + 3_000;
    seed(fleet, count);
    await fleet.queue();
    for (let round = 0; round < 3; round++) {
      const victim = fleet.join(`v${round}`);
      // Until the lease of the one before has run out, and everything it may plan has settled for long.
      await fleet.clock.advance(35_000);
      expect(writtenAtMs.size).toBeGreaterThanOrEqual(WINDOW_ITEMS_MAX - 1);
      victim.tether.kill();
    }
    const workers = ['w1', 'w2', 'w3'].map((name) => fleet.join(name));
    // So little behind the full window may be left that nobody is given it.
    await fleet.until(() => writtenAtMs.size > count - SHARED_REST_ITEMS_MIN);
    release();
    const run = await mustBeExact(fleet, await fleet.ended(...workers));
    expect(run.counters.items).toMatchObject({ copied: count + 1, same: 0 });
    expect(run.counters.targetScanned).toBe(0);
    expect((await segments(fleet)).filter(({ kind }) => kind === 'keys').length).toBeGreaterThan(1);
  });

  test('what is cut off for others begins behind it, also while the listing has not come so far', async () => {
    const { fleet, writtenAtMs, release } = await slow(1, 100);
    await using _ = fleet;
    seed(fleet, WINDOW_ITEMS_MAX + 1_000);
    await fleet.queue();
    const victim = fleet.join('w1');
    await fleet.until(() => writtenAtMs.size >= WINDOW_ITEMS_MAX - 1);
    await fleet.clock.advance(KEPT_AFTER_MS);
    victim.tether.kill();
    fleet.source.hooks.before = (operation) => (operation === 'LIST' ? fleet.clock.sleep(1_000) : undefined);
    const workers = ['w2', 'w3'].map((name) => fleet.join(name));
    await fleet.clock.advance(60_000);
    release();
    const run = await mustBeExact(fleet, await fleet.ended(...workers));
    expect(run.counters.items).toMatchObject({ copied: WINDOW_ITEMS_MAX + 1_001, same: 0 });
  });

  test('what was settled counts as that, also when it has gone from both sides since', async () => {
    const { fleet, writtenAtMs, release } = await slow();
    await using _ = fleet;
    seed(fleet, 50);
    await fleet.queue();
    const victim = fleet.join('w1');
    await fleet.until(() => writtenAtMs.size === 50);
    await fleet.clock.advance(KEPT_AFTER_MS);
    victim.tether.kill();
    for (const key of ['k-00000', 'k-00020', 'k-00049']) {
      fleet.source.remove('in', key);
      fleet.target.remove('out', key);
    }
    release();
    const [result] = await fleet.ended(fleet.join('w2'));
    expect(result?.run.counters.items).toMatchObject({ scanned: 51, copied: 51, same: 0 });
    expect((await fleet.items()).length).toBe(51);
  });
});

test('a run that was stopped has the rows of everything that settled', async () => {
  const { fleet, writtenAtMs, release } = await slow();
  await using _ = fleet;
  seed(fleet, 500);
  await fleet.queue();
  const worker = fleet.join('w1');
  await fleet.until(() => writtenAtMs.size > 300);
  worker.stop();
  release();
  await fleet.ended(worker);
  const written = writtenAtMs.size;
  const run = await mustBeExact(fleet, await fleet.ended(fleet.join('w2')));
  expect(run.counters.items).toMatchObject({ copied: 501, same: 0 });
  expect(written).toBeLessThan(500);
});

test('the chunks aside stay few, however slowly what is behind settles', async () => {
  const { fleet, release } = await slow();
  await using _ = fleet;
  seed(fleet, 60);
  const before = fleet.target.hooks.before;
  let turn = Promise.resolve();
  fleet.target.hooks.before = async (operation, key) => {
    await before?.(operation, key);
    if (operation !== 'PUT') return;
    turn = turn.then(() => fleet.clock.sleep(COMMIT_EVERY_MS + 500));
    await turn;
  };
  await fleet.queue();
  const victim = fleet.join('w1');
  const counts: number[] = [];
  for (let i = 0; i < 80; i++) {
    await fleet.clock.advance(COMMIT_EVERY_MS);
    counts.push(...(await segments(fleet)).map(({ checkpoint }) => checkpoint?.ahead?.length ?? 0));
  }
  expect(Math.max(...counts)).toBe(AHEAD_CHUNKS_MAX);
  expect((await fleet.artifacts.list('')).filter(isAway).length).toBeLessThanOrEqual(AHEAD_CHUNKS_MAX);
  victim.tether.kill();
  release();
  const run = await mustBeExact(fleet, await fleet.ended(fleet.join('w2')));
  expect(run.counters.items).toMatchObject({ copied: 61, same: 0 });
});

test('small objects leave nothing aside', async () => {
  await using fleet = await openFleet({ source: PAGES, target: PAGES });
  seed(fleet, 3_000, []);
  await fleet.queue();
  await mustBeExact(fleet, await fleet.ended(fleet.join('w1'), fleet.join('w2')));
  expect(fleet.artifacts.puts.filter(isAway)).toEqual([]);
});

const story = fc.record({
  seed: fc.nat(),
  count: fc.integer({ min: 1, max: 800 }),
  large: fc.uniqueArray(fc.constantFrom('a', 'k-00003x', 'k-00100x', 'k-00400x', 'z'), { minLength: 1, maxLength: 3 }),
  extras: fc.integer({ min: 0, max: 5 }),
  /** How long each of them lives before it is killed, and how many come at once. */
  lives: fc.array(fc.tuple(fc.integer({ min: 10, max: 20_000 }), fc.integer({ min: 1, max: 2 })), {
    minLength: 1,
    maxLength: 3,
  }),
});

test(
  'whenever workers die: what settled some seconds before is in the log as it was',
  { timeout: 120_000 },
  async () => {
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(story, async ({ seed: chance, count, large, extras, lives }) => {
        const { fleet, writtenAtMs, release } = await slow(chance);
        await using _ = fleet;
        seed(fleet, count, large);
        for (let i = 0; i < extras; i++) fleet.target.put('out', `k-0000${i}-old`, 'old');
        await fleet.queue({ mode: 'mirror', deleteMax: null, deleteShareMax: null });
        const safe = new Set<string>();
        for (const [at, [livesMs, together]] of lives.entries()) {
          const bornAtMs = fleet.clock.monotonic();
          const workers = Array.from({ length: together }, (_, i) => fleet.join(`v${at}-${i}`));
          await fleet.clock.advance(livesMs);
          for (const { tether } of workers) tether.kill();
          const diedAtMs = fleet.clock.monotonic();
          for (const [key, atMs] of writtenAtMs) {
            // What a dead one had under way is not this one's.
            if (atMs > bornAtMs + 100 && atMs < diedAtMs - KEPT_AFTER_MS) safe.add(key);
          }
        }
        release();
        const last: Worker[] = [fleet.join('w1'), fleet.join('w2')];
        const run = await mustBeExact(fleet, await fleet.ended(...last));
        expect(run.counters.items.deleted).toBe(extras);
        const copied = new Set((await fleet.items()).filter(({ result }) => result === 'copied').map(({ key }) => key));
        expect([...safe].filter((key) => !copied.has(key))).toEqual([]);
        kept += safe.size;
      }),
      { numRuns: 12, seed: 20_260_401 },
    );
    // Otherwise it was not about anything.
    expect(kept).toBeGreaterThan(1_000);
  },
);
