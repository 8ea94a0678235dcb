/** Many workers, one run: it is shared evenly, survives the loss of any of them, and ends once. */
import { describe, expect, test } from 'vitest';
import { abandonRun } from '../../src/engine/abandon.ts';
import { seededRandom } from '../../src/lib/fake-world.ts';
import { DroverError } from '../../src/model/errors.ts';
import { TUNING } from './bench.ts';
import { LEASE_MS, mustBeExact, openFleet, RUN_ID, type Fleet, type Worker } from './fleet.ts';

const MIB = 1024 * 1024;

function seed(fleet: Fleet, count: number): void {
  for (let i = 0; i < count; i++) fleet.source.put('in', `img-${String(i).padStart(6, '0')}.jpg`, `content ${i}`);
}

function written(worker: Worker): number {
  return worker.tether.called['write'] ?? 0;
}

/** One of three dies when it makes its n-th call; the others bring the run to its end. */
async function killedAt(fleet: Fleet, diesAt: number): Promise<void> {
  const [victim, ...others] = ['w1', 'w2', 'w3'].map((name) => fleet.join(name)) as [Worker, ...Worker[]];
  victim.tether.diesAt = diesAt;
  const results = await fleet.ended(...others);
  await mustBeExact(fleet, results);
}

describe('three workers', () => {
  test('share 20,000 keys evenly, and one of them settles the run', async () => {
    await using fleet = await openFleet({ source: { pageSize: 1000 }, target: { pageSize: 1000 } });
    seed(fleet, 20_000);
    await fleet.queue();
    const workers = ['w1', 'w2', 'w3'].map((name) => fleet.join(name));
    const results = await fleet.ended(...workers);
    const run = await mustBeExact(fleet, results);
    expect(run.counters.items).toMatchObject({ copied: 20_000, same: 0 });
    expect(run.requests.target['write']).toBe(20_000);
    for (const worker of workers) expect(written(worker), worker.name).toBeGreaterThan(4_000);
    expect(fleet.artifacts.puts.filter((name) => name.endsWith('snapshot.json'))).toHaveLength(1);
    expect(fleet.leases.takeovers).toBe(0);
    for (const { interrupted, error, canContinue } of results) {
      expect({ interrupted, error, canContinue }).toEqual({ interrupted: false, error: null, canContinue: false });
    }
  });
});

describe('the loss of a worker', () => {
  for (const diesAt of [1, 2, 3, 5, 8, 13, 40, 100, 250, 500, 750, 1_000]) {
    test(`at its call ${diesAt} costs time, and nothing else`, async () => {
      await using fleet = await openFleet({ seed: diesAt });
      seed(fleet, 1_000);
      await fleet.queue();
      await killedAt(fleet, diesAt);
    });
  }

  test('is noticed when its lease runs out, not before and not much later', async () => {
    await using fleet = await openFleet();
    seed(fleet, 1_000);
    await fleet.queue();
    const first = fleet.join('w1');
    await fleet.until(() => written(first) > 200);
    first.tether.kill();
    const diedAtMs = fleet.clock.monotonic();
    const second = fleet.join('w2');
    await fleet.until(() => written(second) > 0);
    const tookMs = fleet.clock.monotonic() - diedAtMs;
    expect(tookMs).toBeGreaterThan(LEASE_MS - 3_000);
    expect(tookMs).toBeLessThan(LEASE_MS + 4_000);
    await mustBeExact(fleet, await fleet.ended(second));
    expect(fleet.leases.takeovers).toBe(1);
  });

  test('leaves its upload in parts to whoever takes over, and nobody touches that of another', async () => {
    const behaviour = { listedDigests: [] };
    await using fleet = await openFleet({ source: behaviour, target: behaviour, latencyMs: 300 });
    for (const key of ['a-large', 'm-large']) fleet.source.put('in', key, Buffer.alloc(40 * MIB, key));
    const { runId } = await fleet.queue();
    await fleet.store.startSegments(runId, [
      { segmentId: 'a', kind: 'keys', from: null, to: 'm' },
      { segmentId: 'm', kind: 'keys', from: 'm', to: null },
    ]);
    const slow = { tuning: { ...TUNING, transfersMax: 1, segmentsMax: 1 } };
    const [victim, living] = [fleet.join('w1', slow), fleet.join('w2', slow)];
    const parts = (worker: Worker): number => worker.tether.called['saveIntent'] ?? 0;
    await fleet.until(() => parts(victim) >= 4 && parts(living) >= 4);
    expect(fleet.target.uploads.size).toBe(2);
    victim.tether.kill();
    living.tether.isRenewing = true;
    living.tether.freeze();
    const heir = fleet.join('w3', slow);
    await fleet.until(() => fleet.target.keys('out').includes('a-large'));
    expect(fleet.target.requests.ABORT ?? 0).toBe(0);
    expect([...fleet.target.uploads.values()].map(({ key }) => key)).toEqual(['m-large']);
    expect(heir.tether.called['begin'] ?? 0).toBe(0);
    living.tether.thaw();
    await mustBeExact(fleet, await fleet.ended(living, heir));
    expect(fleet.target.requests.BEGIN).toBe(2);
    expect(living.logged).toEqual([]);
  });
});

describe('a worker that was held up and comes back as a ghost', () => {
  test('while another works on its segment: what it did counts once, and the target is right', async () => {
    await using fleet = await openFleet();
    seed(fleet, 2_000);
    await fleet.queue();
    const ghost = fleet.join('w1');
    await fleet.until(() => written(ghost) > 300);
    ghost.tether.freeze();
    const heir = fleet.join('w2');
    await fleet.until(() => written(heir) > 100);
    ghost.tether.thaw();
    await mustBeExact(fleet, await fleet.ended(ghost, heir));
    expect(fleet.leases.refused).toContain('w1 s0');
    expect(ghost.logged).toContainEqual({ level: 'warn', code: 'LEASE_LOST' });
    // It had nothing any more and took part again.
    expect(written(ghost)).toBeGreaterThan(600);
  });

  test('after the run has ended: it is told how', async () => {
    await using fleet = await openFleet();
    seed(fleet, 500);
    await fleet.queue();
    const ghost = fleet.join('w1');
    await fleet.until(() => written(ghost) > 100);
    ghost.tether.freeze();
    const heir = fleet.join('w2');
    await mustBeExact(fleet, await fleet.ended(heir));
    const before = written(ghost);
    ghost.tether.thaw();
    await mustBeExact(fleet, await fleet.ended(ghost));
    // What was in its lanes, no more.
    expect(written(ghost) - before).toBeLessThanOrEqual(16);
  });

  test.each(['begin', 'saveIntent'])('before its upload in parts (%s): nothing of that is left open', async (call) => {
    await using fleet = await openFleet({ source: { listedDigests: [] }, target: { listedDigests: [] } });
    fleet.source.put('in', 'large', Buffer.alloc(17 * MIB, 'x'));
    await fleet.queue();
    const ghost = fleet.join('w1');
    ghost.tether.onCall = (name) => (name === call ? ghost.tether.freeze() : undefined);
    await fleet.until(() => ghost.tether.isFrozen);
    ghost.tether.onCall = null;
    await fleet.ended(fleet.join('w2'));
    ghost.tether.thaw();
    await mustBeExact(fleet, await fleet.ended(ghost));
  });

  test('in the very end of the run: it ends once', async () => {
    await using fleet = await openFleet();
    seed(fleet, 50);
    await fleet.queue();
    const ghost = fleet.join('w1');
    ghost.tether.onCall = (name) => (name === 'endRun' ? ghost.tether.freeze() : undefined);
    await fleet.until(() => ghost.tether.isFrozen);
    const heir = fleet.join('w2');
    await fleet.ended(heir);
    expect(heir.tether.called['endRun']).toBe(1);
    ghost.tether.thaw();
    await mustBeExact(fleet, await fleet.ended(ghost, heir));
  });
});

describe('a worker that comes in the middle', () => {
  test('gets half of a flat prefix', async () => {
    await using fleet = await openFleet();
    seed(fleet, 4_000);
    await fleet.queue();
    const first = fleet.join('w1');
    await fleet.until(() => written(first) > 500);
    const second = fleet.join('w2');
    await mustBeExact(fleet, await fleet.ended(first, second));
    expect(written(second)).toBeGreaterThan(1_000);
    expect(written(first)).toBeGreaterThan(1_000);
  });

  test('gets a share of large objects too, although all were listed at once', async () => {
    await using fleet = await openFleet({ latencyMs: 2_000 });
    for (let i = 0; i < 60; i++) fleet.source.put('in', `film-${String(i).padStart(2, '0')}`, Buffer.alloc(2 * MIB, i));
    await fleet.queue();
    const small = { tuning: { ...TUNING, transfersMax: 4, bytesInFlightMax: MIB } };
    const workers = ['w1', 'w2', 'w3'].map((name) => fleet.join(name, small));
    await mustBeExact(fleet, await fleet.ended(...workers));
    for (const worker of workers) expect(written(worker), worker.name).toBeGreaterThan(9);
  });

  test('asks the state once a second while there is nothing for it', async () => {
    await using fleet = await openFleet({ source: { listedDigests: [] }, latencyMs: 100 });
    fleet.source.put('in', 'large', Buffer.alloc(40 * MIB, 'x'));
    await fleet.queue();
    const busy = fleet.join('w1');
    await fleet.until(() => (busy.tether.called['saveIntent'] ?? 0) >= 3);
    busy.tether.isRenewing = true;
    busy.tether.freeze();
    const idle = fleet.join('w2');
    await fleet.clock.advance(5_000);
    const asked = (): number =>
      ['claim', 'getRun', 'segments'].reduce((sum, name) => sum + (idle.tether.called[name] ?? 0), 0);
    const before = asked();
    await fleet.clock.advance(60_000);
    expect(asked() - before).toBeLessThanOrEqual(61);
    expect(asked() - before).toBeGreaterThan(40);
    busy.tether.thaw();
    await mustBeExact(fleet, await fleet.ended(busy, idle));
  });
});

describe('a stop', () => {
  /** How long a run of this size takes when nobody disturbs it. */
  async function undisturbedMs(): Promise<number> {
    await using fleet = await openFleet();
    seed(fleet, 300);
    await fleet.queue();
    await fleet.ended(fleet.join('w1'), fleet.join('w2'));
    return fleet.clock.monotonic();
  }

  test('at any moment leaves a run that goes on at once, or one that has ended', async () => {
    const wholeMs = await undisturbedMs();
    const ends = new Set<string>();
    for (let step = 0; step <= 16; step++) {
      await using fleet = await openFleet({ seed: step });
      seed(fleet, 300);
      const { runId } = await fleet.queue();
      const workers = [fleet.join('w1'), fleet.join('w2')];
      await fleet.clock.advance((wholeMs * step) / 15);
      await fleet.store.updateRun(runId, { state: 'pausing' }).catch(() => undefined);
      const isOver = (await fleet.store.getRun(runId))?.endedAtMs !== null;
      if (isOver) await fleet.store.updateRun(runId, { state: 'succeeded' });
      for (const worker of workers) worker.stop();
      const results = await fleet.ended(...workers);
      const run = await fleet.store.getRun(runId);
      ends.add(String(run?.state));
      for (const result of results) {
        expect(result.error).toBeNull();
        expect(result.interrupted).toBe(result.run.endedAtMs === null);
        expect(result.canContinue).toBe(result.interrupted);
      }
      if (run?.state === 'succeeded') {
        await mustBeExact(fleet, []);
        continue;
      }
      await fleet.store.updateRun(runId, { state: 'running' });
      const againMs = fleet.clock.monotonic();
      await mustBeExact(fleet, await fleet.ended(fleet.join('w3'), fleet.join('w4')));
      expect(fleet.clock.monotonic() - againMs).toBeLessThan(LEASE_MS);
      expect(fleet.leases.takeovers).toBe(0);
    }
    expect([...ends].toSorted()).toEqual(['pausing', 'succeeded']);
  });

  test('for good takes away what was half-made', async () => {
    await using fleet = await openFleet({ source: { listedDigests: [] }, latencyMs: 100 });
    fleet.source.put('in', 'large', Buffer.alloc(40 * MIB, 'x'));
    const run = await fleet.queue();
    const worker = fleet.join('w1');
    await fleet.until(() => fleet.target.uploads.size > 0);
    worker.stop();
    await fleet.ended(worker);
    expect(fleet.target.uploads.size).toBe(1);
    const { target } = await fleet.clock.run(fleet.ends());
    const { artifacts, clock, store } = fleet;
    const world = { store, artifacts, clock, random: seededRandom(1) };
    await fleet.clock.run(abandonRun(run, target, world, new AbortController().signal));
    expect(fleet.target.uploads.size).toBe(0);
    expect(await fleet.store.getRun(run.runId)).toMatchObject({ state: 'cancelled' });
    // Whoever comes too late has nothing to do.
    const late = await fleet.ended(fleet.join('w2'));
    expect(late[0]).toMatchObject({ interrupted: false, canContinue: false, run: { state: 'cancelled' } });
    expect(fleet.target.keys('out')).toEqual([]);
  });
});

describe('an error that concerns more than one item', () => {
  test('ends the part of the worker that has it, says so, and leaves the rest to the others at once', async () => {
    await using fleet = await openFleet();
    seed(fleet, 1_000);
    await fleet.queue();
    const [broken, sound] = [fleet.join('w1'), fleet.join('w2')];
    await fleet.until(() => written(broken) > 100 && written(sound) > 0);
    broken.tether.onCall = (name) => {
      if (name === 'read') throw new DroverError('UNAUTHENTICATED', 'The key was taken away.');
    };
    const [result] = await fleet.ended(broken);
    expect(result).toMatchObject({ error: { code: 'UNAUTHENTICATED' }, interrupted: false, canContinue: true });
    expect(result?.run.state).toBe('running');
    const atMs = fleet.clock.monotonic();
    await mustBeExact(fleet, await fleet.ended(sound));
    expect(fleet.leases.takeovers).toBe(0);
    expect(fleet.clock.monotonic() - atMs).toBeLessThan(LEASE_MS);
  });

  test('found when all is listed: a mirror that may not delete ends once, as failed', async () => {
    await using fleet = await openFleet();
    for (let i = 0; i < 20; i++) fleet.target.put('out', `precious-${i}`, 'x');
    await fleet.queue({ mode: 'mirror' });
    const results = await fleet.ended(fleet.join('w1'), fleet.join('w2'));
    for (const result of results) {
      expect(result.error?.code).toBe('GUARD_EMPTY_SOURCE');
      expect(result.run).toMatchObject({ state: 'failed', manifestRoot: null });
      expect(result.canContinue).toBe(false);
    }
    expect(fleet.leases.ends).toBe(1);
    expect(fleet.target.keys('out')).toHaveLength(20);
  });
});

test('a worker with work leaves what is free to those that have none', async () => {
  await using fleet = await openFleet({ latencyMs: 500 });
  seed(fleet, 2_000);
  await fleet.queue();
  await fleet.store.startSegments(RUN_ID, [
    { segmentId: 'a', kind: 'keys', from: null, to: 'img-001000' },
    { segmentId: 'b', kind: 'keys', from: 'img-001000', to: null },
  ]);
  await fleet.store.setWaiting(RUN_ID, 'somebody', true);
  const worker = fleet.join('w1');
  const taken = async () => (await fleet.store.segments(RUN_ID)).filter(({ epoch }) => epoch > 0).length;
  await fleet.until(() => written(worker) > 200);
  expect(await taken()).toBe(1);
  await fleet.store.setWaiting(RUN_ID, 'somebody', false);
  await fleet.until(() => written(worker) > 500);
  expect(await taken()).toBeGreaterThan(1);
  await mustBeExact(fleet, await fleet.ended(worker));
});

describe('what limits the speed', () => {
  const bandwidthOf = (bytesPerSecond: number) => ({
    tuning: {
      ...TUNING,
      bandwidth: { timeZone: 'UTC', rules: [{ day: null, minuteOfDay: 0, bytesPerSecond }] },
    },
  });

  test.each([
    ['the target, while it asks for fewer requests', 'target', {}, true],
    ['the bandwidth, where its rule holds anybody back', 'bandwidth', bandwidthOf(2_000), false],
    [
      'the transfers that were allowed, where the rule is wider than the way',
      'limit',
      bandwidthOf(1_000_000_000),
      false,
    ],
  ] as const)('is %s', async (_what, limit, change, throttles) => {
    await using fleet = await openFleet();
    seed(fleet, 2_000);
    const before = fleet.target.hooks.before;
    let requests = 0;
    fleet.target.hooks.before = async (operation, key) => {
      await before?.(operation, key);
      if (!throttles || operation !== 'PUT' || requests++ % 2 > 0) return;
      throw new DroverError('THROTTLED', 'Slow down.', { retryAfterMs: 500 });
    };
    await fleet.queue();
    const worker = fleet.join('w1', change);
    await fleet.ended(worker);
    const limits = worker.pictures.filter(({ phase }) => phase === 'copying').map(({ limitedBy }) => limitedBy);
    const share = limits.filter((one) => one === limit).length / limits.length;
    expect(share).toBeGreaterThan(0.7);
    if (limit === 'limit') expect(limits).not.toContain('bandwidth');
  });
});
