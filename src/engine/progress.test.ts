/** What a run says of its speed: only what was measured. */
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-world.ts';
import { ZERO_COUNTERS } from '../model/outcome.ts';
import { LiveState, type RunContext } from './context.ts';
import type { Progress } from './definition.ts';
import { ProgressMeter } from './progress.ts';
import { Waits, type WaitKind } from './waits.ts';
import type { RunWorld } from './world.ts';

interface Bench {
  readonly clock: FakeClock;
  readonly live: LiveState;
  readonly waits: Waits;
  readonly meter: ProgressMeter;
  readonly world: { -readonly [K in 'eventLoopUse' | 'heldBack']?: RunWorld[K] };
  transfersMax: number | null;
  isFull: boolean;
  /** Takes pictures four times a second for so long; the last one. */
  watch(forMs: number, meanwhile?: () => void): Promise<Progress>;
  /** So many wait for so long from now on. */
  wait(kind: WaitKind, count: number, forMs: number): void;
}

function openBench(): Bench {
  const clock = new FakeClock();
  const live = new LiveState();
  const waits = new Waits(clock);
  const meter = new ProgressMeter(clock);
  const world: Bench['world'] = {};
  const bench: Bench = {
    clock,
    live,
    waits,
    meter,
    world,
    isFull: true,
    transfersMax: null,
    async watch(forMs, meanwhile) {
      const context = {
        run: { runId: 'r' },
        live,
        waits,
        world,
        smallGate: { isFull: bench.isFull },
        largeGate: { isFull: false },
        partGate: { isFull: false },
        transfersMax: () => bench.transfersMax,
      } as unknown as RunContext;
      let picture = meter.picture(context);
      for (let ms = 0; ms < forMs; ms += 250) {
        await clock.advance(250);
        meanwhile?.();
        picture = meter.picture(context);
      }
      return picture;
    },
    wait(kind, count, forMs) {
      for (let i = 0; i < count; i++) void waits.clockFor(kind).sleep(forMs);
    },
  };
  return bench;
}

/** Items in the lanes. */
function load(bench: Bench, count: number): void {
  for (let i = 0; i < count; i++) bench.live.begin(`k${i}`, 100);
  bench.live.pendingItems = count * 2;
}

describe('what limits the speed', () => {
  test.each<[string, Progress['limitedBy'], (bench: Bench) => void]>([
    ['nothing in particular', 'none', () => undefined],
    ['the source, where a third of the lanes wait for it', 'source', (b) => b.wait('source', 4, 60_000)],
    ['not the source, where one lane of twelve waits for it', 'none', (b) => b.wait('source', 1, 60_000)],
    [
      'the target, where more wait for it than for the source',
      'target',
      (b) => (b.wait('source', 4, 60_000), b.wait('target', 6, 60_000)),
    ],
    ['the bandwidth, where lanes are held back to a rate', 'bandwidth', (b) => b.wait('bandwidth', 12, 60_000)],
    ['nothing any more, some time after the last wait', 'none', (b) => b.wait('target', 12, 2_000)],
    ['the limits of an account', 'source', (b) => (b.world.heldBack = () => ({ source: 9, target: 0 }))],
    ['the processor', 'cpu', (b) => (b.world.eventLoopUse = () => 0.97)],
    ['not the processor, where it has time left', 'none', (b) => (b.world.eventLoopUse = () => 0.6)],
    [
      'a wait, even where the processor is busy',
      'target',
      (b) => ((b.world.eventLoopUse = () => 1), b.wait('target', 12, 60_000)),
    ],
    ['the listing, where the lanes have room', 'listing', (b) => ((b.isFull = false), (b.live.pendingItems = 2))],
    [
      'not the listing once it is complete',
      'none',
      (b) => ((b.isFull = false), (b.live.pendingItems = 2), (b.live.unlistedSegments = 0)),
    ],
  ])('%s', async (_what, limit, arrange) => {
    const bench = openBench();
    load(bench, 12);
    arrange(bench);
    expect((await bench.watch(10_000)).limitedBy).toBe(limit);
  });

  /** So many items of that size settle at each look. */
  function settle(bench: Bench, count: number, sizeBytes: number): void {
    bench.live.movedBytes += count * sizeBytes;
    bench.live.add({ ...ZERO_COUNTERS, items: { ...ZERO_COUNTERS.items, scanned: count } });
  }

  test.each<[string, Pick<Progress, 'limitedBy' | 'limit'>, number, (bench: Bench) => void]>([
    ['large objects, and nothing else is in the way', { limitedBy: 'link' }, 4_000_000, () => undefined],
    ['small objects', { limitedBy: 'latency' }, 2_000, () => undefined],
    ['room in the lanes', { limitedBy: 'none' }, 2_000, (b) => ((b.isFull = false), (b.live.unlistedSegments = 0))],
    [
      'as many transfers as somebody allowed',
      { limitedBy: 'limit', limit: { what: 'transfers', side: null } },
      2_000,
      (b) => (b.transfersMax = 4),
    ],
    [
      'requests that wait for a rate somebody has set',
      { limitedBy: 'limit', limit: { what: 'requests', side: 'target' } },
      2_000,
      (b) => (b.world.heldBack = () => ({ source: 0, target: 1, sourceRate: 0, targetRate: 8 })),
    ],
    [
      'a service that asks for fewer, before any limit',
      { limitedBy: 'source' },
      2_000,
      (b) => ((b.transfersMax = 4), (b.world.heldBack = () => ({ source: 9, target: 0, sourceRate: 3 }))),
    ],
  ])('full lanes with %s', async (_what, reason, sizeBytes, arrange) => {
    const bench = openBench();
    load(bench, 12);
    arrange(bench);
    expect(await bench.watch(10_000, () => settle(bench, 3, sizeBytes))).toMatchObject(reason);
  });

  test('throttled listings count while nothing is moved yet', async () => {
    const bench = openBench();
    bench.wait('source', 1, 60_000);
    expect((await bench.watch(6_000)).limitedBy).toBe('source');
  });
});

describe('the time left', () => {
  /** Ten items a second, with a rest of `pending`. */
  function move(bench: Bench, perTick: number): void {
    const items = { ...ZERO_COUNTERS.items, scanned: perTick, copied: perTick };
    bench.live.add({ ...ZERO_COUNTERS, items });
    bench.live.pendingItems -= perTick;
  }

  test('is not told while listing goes on, nor while nothing moves', async () => {
    const bench = openBench();
    bench.live.pendingItems = 100;
    expect((await bench.watch(5_000, () => move(bench, 1))).remainingMs).toBeNull();
    bench.live.unlistedSegments = 0;
    expect((await bench.watch(10_000)).remainingMs).toBeNull();
  });

  test.each([
    [5_000, 'low'],
    [20_000, 'medium'],
    [70_000, 'high'],
  ] as const)('after %i ms is worth: %s', async (forMs, confidence) => {
    const bench = openBench();
    bench.live.unlistedSegments = 0;
    bench.live.pendingItems = 10_000;
    const { remainingMs, pendingItems } = await bench.watch(forMs, () => move(bench, 2));
    const expectedMs = (pendingItems / 8) * 1_000;
    expect(remainingMs?.confidence).toBe(confidence);
    expect(remainingMs?.low).toBeLessThan(expectedMs);
    expect(remainingMs?.high).toBeGreaterThan(expectedMs);
  });

  test('is worth little when the speed has just changed', async () => {
    const bench = openBench();
    bench.live.unlistedSegments = 0;
    bench.live.pendingItems = 10_000;
    await bench.watch(70_000, () => move(bench, 4));
    expect((await bench.watch(8_000, () => move(bench, 1))).remainingMs?.confidence).toBe('low');
  });

  test('what a run had settled before this part of it began says nothing about its speed', async () => {
    const bench = openBench();
    bench.live.add({ ...ZERO_COUNTERS, items: { ...ZERO_COUNTERS.items, scanned: 1_000_000 } });
    bench.live.unlistedSegments = 0;
    bench.live.pendingItems = 10_000;
    expect((await bench.watch(70_000, () => move(bench, 2))).remainingMs?.confidence).toBe('high');
  });
});
