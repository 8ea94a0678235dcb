/** What a run shows while it goes on, in the order of its sequence: it never takes anything back. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Run } from '../../src/control/entities.ts';
import { refreshRun } from '../../src/control/fleet/aggregate.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import type { SegmentProgress } from '../../src/engine/definition.ts';
import type { Lease } from '../../src/engine/ports.ts';
import { ZERO_COUNTERS, type Counters } from '../../src/model/outcome.ts';
import { expectComplete, openFleetTest, SHORT, type FleetTest, type MemoryJob } from './fleet-world.ts';
import { makeRunRow, PERSON, rowOpener } from './made.ts';

let fleet: FleetTest;
beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(() => fleet[Symbol.asyncDispose]());

/** Every state of the run that was told of, as whoever follows it reads it. */
function follow(runId: string): { seen: Run[]; stop(): Promise<void> } {
  const seen: Run[] = [];
  let reading: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    const run = await fleet.runs.get(PERSON, runId);
    if (seen.at(-1)?.sequence !== run.sequence) seen.push(run);
  };
  const unlisten = fleet.world.bus.listen((topic, id) => {
    if (topic === 'run' && id === runId) reading = reading.then(look);
  });
  return {
    seen,
    async stop() {
      unlisten();
      await reading;
    },
  };
}

const NAMES = ['scanned', 'copied', 'same', 'failed', 'unsupported'] as const;

/** Of those that show more than is committed there must be some, or nothing was tested. */
function expectOnlyForward(seen: readonly Run[], end: Run): void {
  const live = seen.flatMap((run) => (run.live === null ? [] : [run]));
  for (const [at, run] of live.entries()) {
    const before = live[at - 1];
    const now = run.live!.counters;
    for (const name of NAMES) {
      const step = `${name} at sequence ${run.sequence}, after ${before?.sequence}`;
      expect(now.items[name], step).toBeGreaterThanOrEqual(before?.live?.counters.items[name] ?? 0);
      expect(now.items[name], step).toBeGreaterThanOrEqual(run.counters.items[name]);
      expect(now.items[name], step).toBeLessThanOrEqual(end.counters.items[name]);
    }
    expect(now.bytes.copied).toBeGreaterThanOrEqual(before?.live?.counters.bytes.copied ?? 0);
    expect(now.bytes.copied).toBeLessThanOrEqual(end.counters.bytes.copied);
    const { totals } = run.live!;
    if (totals?.isExact === true) expect(totals.items).toBe(end.counters.items.scanned);
    else expect(totals?.items ?? 0).toBeLessThanOrEqual(end.counters.items.scanned);
  }
  for (const [at, run] of seen.entries()) {
    expect(run.counters.items.scanned).toBeGreaterThanOrEqual(seen[at - 1]?.counters.items.scanned ?? 0);
  }
  expect(live.some(isAhead), 'more was shown than is committed').toBe(true);
  const between = seen.filter(
    ({ counters }) => counters.items.scanned > 0 && counters.items.scanned < end.counters.items.scanned,
  );
  expect(between.length, 'commits came in between').toBeGreaterThan(0);
}

/**
 * Some objects take far longer than those behind them. Of the others, `open` says after how many objects the rest only
 * trickles until something has happened, so that it happens in the middle however slow or fast this machine is.
 */
function uneven(job: MemoryJob, slowMs: number, open: () => number): void {
  let begun = 0;
  job.from.hooks.before = async (operation, key) => {
    if (operation !== 'GET' && operation !== 'LIST') return;
    if (operation === 'GET') begun += 1;
    const isLong = key.endsWith('0') && operation === 'GET';
    await new Promise((resolve) => setTimeout(resolve, isLong ? slowMs * 40 : slowMs));
    const untilMs = performance.now() + 500;
    while (begun > open() && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 20));
  };
}

const isAhead = (run: Run): boolean => (run.live?.counters.items.scanned ?? 0) > run.counters.items.scanned;
const hasCommitted = (run: Run): boolean => run.counters.items.scanned > 0;

test.each([1, 2])(
  'with %i workers and commits in between, what was shown is never more and never taken back',
  async (n) => {
    const job = await fleet.job({ objects: 1_500 });
    const run = await fleet.start(job);
    const following = follow(run.id);
    const hasShown = (): boolean => following.seen.some(isAhead) && following.seen.some(hasCommitted);
    uneven(job, 30, () => (hasShown() ? Number.POSITIVE_INFINITY : 750));
    for (let at = 0; at < n; at++) await fleet.worker(`w${at}`, { segmentsMax: 2 });
    const end = await fleet.until(run.id, 'succeeded');
    await following.stop();
    expectOnlyForward(following.seen, end);
    await expectComplete(fleet, job, end);
  },
);

test('pausing and going on takes nothing back of what was shown', async () => {
  const job = await fleet.job({ objects: 1_200 });
  const run = await fleet.start(job);
  const following = follow(run.id);
  let openMax = 300;
  uneven(job, 30, () => (openMax === 900 && following.seen.some(hasCommitted) ? Number.POSITIVE_INFINITY : openMax));
  await fleet.worker('one', { segmentsMax: 2 });
  for (const doneMin of [100, 400]) {
    await fleet.untilTrue(`${doneMin} are done`, async () =>
      following.seen.some(({ live }) => (live?.counters.items.scanned ?? 0) > doneMin),
    );
    await fleet.runs.pause(PERSON, run.id);
    await fleet.until(run.id, 'paused');
    openMax += 300;
    await fleet.runs.resume(PERSON, run.id);
  }
  const end = await fleet.until(run.id, 'succeeded');
  await following.stop();
  expectOnlyForward(following.seen, end);
});

const scanned = (items: number): Counters => ({
  ...ZERO_COUNTERS,
  items: { ...ZERO_COUNTERS.items, scanned: items, copied: items },
});

/** A run of which this test is the only worker, and the rounds in which it is looked at. */
async function ownRun() {
  const parts = {
    openConnector: rowOpener(fleet.world),
    reportHealth: async () => undefined,
    append: async () => undefined,
    timing: SHORT,
    runsAtOnceMax: 10,
  };
  const world = fleetWorld(fleet.world, parts);
  const { db } = fleet.world;
  const job = await fleet.job({ objects: 0 });
  await makeRunRow(fleet.world, job, 'run-1', { state: 'running' });
  const worker = randomUUID();
  await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
    VALUES (${worker}, 'w', 'h', 1, '1', 1, 'active', now(), clock_timestamp())`.execute(db);
  await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at)
    VALUES ('run-1', ${worker}, now(), clock_timestamp())`.execute(db);
  const word = { phase: 'copying', current: [], limitedBy: 'none', elapsedMs: 1, isPausedByTimetable: false };
  const speeds = { bytesPerSecond: 0, itemsPerSecond: 1, bytesPerSecondMean: 0, itemsPerSecondMean: 1 };
  return {
    worker,
    look: async () => {
      expect(await refreshRun(world, 'run-1', 0)).toBe(true);
      return (await fleet.runs.get(PERSON, 'run-1')).live!;
    },
    tell: async (...segments: SegmentProgress[]) => {
      const progress = JSON.stringify({ ...word, ...speeds, segments });
      await sql`UPDATE run_workers SET progress = ${progress}::jsonb, seen_at = clock_timestamp()`.execute(db);
    },
    fallSilent: (seconds: number) =>
      sql`UPDATE run_workers SET seen_at = seen_at - ${seconds} * interval '1 second'`.execute(db),
  };
}

function saying({ segment, epoch }: Lease, items: number, change: Partial<SegmentProgress> = {}): SegmentProgress {
  const none = { pendingItems: 0, pendingBytes: 0, isListed: false };
  return { segmentId: segment.segmentId, epoch, counters: scanned(items), ...none, ...change };
}

const HALVES = [
  { segmentId: 's0', kind: 'keys', from: null, to: 'm' },
  { segmentId: 's1', kind: 'keys', from: 'm', to: null },
] as const;

const commit = (addCounters: Counters, counted: Counters, done = false) => ({
  checkpoint: { settledKey: 'a', sourceCursor: null, targetCursor: null, nextChunk: 1 },
  addChunks: [],
  addIssues: [],
  addCounters,
  counted,
  done,
});

test('what a worker said before a commit is not counted beside it, and what it had kept aside stays in', async () => {
  const { worker, look, tell } = await ownRun();
  await fleet.store.startSegments('run-1', [HALVES[0]]);
  const lease = (await fleet.store.claim('run-1', worker))!;
  await tell(saying(lease, 40, { pendingItems: 60, isListed: true }));
  expect(await look()).toMatchObject({ counters: { items: { scanned: 40 } }, totals: { items: 100, isExact: true } });
  await fleet.store.commit(lease, commit(scanned(30), scanned(50)));
  expect(await look()).toMatchObject({
    counters: { items: { scanned: 50, copied: 50 } },
    pendingItems: 50,
    totals: { items: 100, isExact: true },
    percent: 50,
  });
  expect((await fleet.runs.get(PERSON, 'run-1')).counters.items.scanned).toBe(30);
  await tell(saying(lease, 60, { pendingItems: 40, isListed: true }));
  expect(await look()).toMatchObject({ counters: { items: { scanned: 60 } } });
  await fleet.store.commit(lease, commit(scanned(70), scanned(100), true));
  expect(await look()).toMatchObject({ counters: { items: { scanned: 100 } }, pendingItems: 0 });
});

test('with segments left by a worker that fell silent nothing is complete, and no share of it is promised', async () => {
  const { worker, look, tell, fallSilent } = await ownRun();
  await fleet.store.startSegments('run-1', HALVES);
  const dead = randomUUID();
  const left = (await fleet.store.claim('run-1', dead))!;
  await fleet.store.commit(left, commit(scanned(300), scanned(300)));
  const own = (await fleet.store.claim('run-1', worker))!;
  await tell(saying(own, 290, { pendingItems: 10, isListed: true }));
  expect(await look()).toMatchObject({
    listingComplete: false,
    totals: null,
    percent: null,
    counters: { items: { scanned: 590 } },
  });
  await fleet.store.commit(own, commit(scanned(300), scanned(300), true));
  await tell();
  // This one has nothing in hand: what the other one left still waits, with its lease.
  expect(await look()).toMatchObject({ listingComplete: false, totals: null, percent: null });
  await sql`UPDATE segments SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'open'`.execute(
    fleet.world.db,
  );
  expect(await look()).toMatchObject({ listingComplete: false, percent: null });
  const taken = (await fleet.store.claim('run-1', worker))!;
  await tell(saying(taken, 300));
  expect(await look()).toMatchObject({ listingComplete: false, percent: null });
  await tell(saying(taken, 400, { pendingItems: 2_300, isListed: true }));
  expect(await look()).toMatchObject({ listingComplete: true, totals: { items: 3_000, isExact: true }, percent: 23 });
  // Also one that was known to be listed is not, when whoever said so speaks no more.
  await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
    VALUES (${dead}, 'other', 'h', 2, '1', 1, 'active', now(), clock_timestamp())`.execute(fleet.world.db);
  await fallSilent(8);
  await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at, progress)
    SELECT run_id, ${dead}, now(), clock_timestamp(), jsonb_set(progress, '{segments}', '[]') FROM run_workers`.execute(
    fleet.world.db,
  );
  expect(await look()).toMatchObject({ listingComplete: false, counters: { items: { scanned: 700 } } });
});

test('whoever looked before somebody else, and writes after him, writes nothing', async () => {
  const { worker, look, tell } = await ownRun();
  await fleet.store.startSegments('run-1', [HALVES[0]]);
  const lease = (await fleet.store.claim('run-1', worker))!;
  await tell(saying(lease, 40));
  const { db } = fleet.world;
  let late: Promise<unknown> = Promise.resolve();
  const slow = {
    ...fleet.world,
    timing: SHORT,
    runsAtOnceMax: 10,
    append: async () => undefined,
    // Right before it writes, everything goes on without it.
    db: db.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        if ('live' in (result.rows[0] ?? {})) late = (late as Promise<void>).then(() => goOn());
        await late;
        return result;
      },
    }),
  };
  const goOn = async (): Promise<void> => {
    await fleet.store.commit(lease, commit(scanned(90), scanned(90)));
    expect((await look()).counters.items.scanned).toBe(90);
  };
  expect(await refreshRun(fleetWorldOf(slow), 'run-1', 0)).toBe(false);
  expect((await fleet.runs.get(PERSON, 'run-1')).live?.counters.items.scanned).toBe(90);
});

function fleetWorldOf(world: object): Parameters<typeof refreshRun>[0] {
  return world as Parameters<typeof refreshRun>[0];
}

test('who fell silent is lost, also after the end of the run; who lives and could not say that it left has left', async () => {
  const { worker, fallSilent } = await ownRun();
  const { db } = fleet.world;
  const now = async () => (await fleet.runs.workers(PERSON, 'run-1'))[0]!;
  expect(await now()).toMatchObject({ id: worker, state: 'at-work', isAtWork: true, leftAt: null });
  await fallSilent(120);
  const { lastSeenAt } = await now();
  expect(Date.now() - Date.parse(lastSeenAt)).toBeGreaterThan(110_000);
  expect(await now()).toMatchObject({ state: 'left', isAtWork: false, leftAt: lastSeenAt });
  await sql`UPDATE workers SET state = 'gone'`.execute(db);
  await sql`UPDATE runs SET state = 'succeeded', ended_at = now()`.execute(db);
  expect(await now()).toMatchObject({ state: 'lost', isAtWork: false, leftAt: null, lastSeenAt });
  await sql`DELETE FROM workers`.execute(db);
  expect(await now()).toMatchObject({ state: 'lost', lastSeenAt });
});
