/** That connectors which are slow, or may have few transfers, keep no run of another one waiting; and what those are told. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Run } from '../../src/control/entities.ts';
import { Dispatcher } from '../../src/control/fleet/dispatcher.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { placeRuns, type PlacedRun, type Places } from '../../src/control/fleet/placing.ts';
import { makeStore, openFleetTest, SHORT, type FleetTest } from './fleet-world.ts';
import { makeConnector, makeJob, PERSON, placedRun, rowOpener } from './made.ts';

const PLACES: Places = { runsMax: 10, room: null, aloneMs: 1_000 };

const of = (source: string, target: string, id: string, change: Partial<PlacedRun> = {}): PlacedRun =>
  placedRun({ id, source_connector_id: source, target_connector_id: target, target_prefix: `${id}/`, ...change });
const going = (source: string, target: string, id: string): PlacedRun =>
  of(source, target, id, { state: 'running', workers: 1 });

describe('places', () => {
  const transfers = new Map([['t', { name: 'Archive', most: 2 }]]);

  test('are not given to more runs of a connector than it may have transfers, and those are told so', () => {
    const runs = [1, 2, 3, 4].map((n) => of('s', 't', `r${n}`));
    const { start, waits } = placeRuns([], [...runs, of('x', 'y', 'other')], { ...PLACES, transfers });
    expect(start.toSorted()).toEqual(['other', 'r1', 'r2']);
    expect(waits.get('r3')).toEqual({
      kind: 'limit',
      text: expect.stringContaining('"Archive" may have 2 transfers'),
      runId: null,
      connectorId: 't',
    });
  });

  test('go back to the queue when a connector may have fewer than before', () => {
    const idle = { state: 'running', waited_ms: 5_000 };
    const busy = [going('s', 't', 'r1'), going('s', 't', 'r2'), of('s', 't', 'r3', idle)];
    const { back, waits } = placeRuns(busy, [], { ...PLACES, transfers });
    expect(back).toEqual(['r3']);
    expect(waits.get('r3')).toMatchObject({ kind: 'limit', connectorId: 't' });
    expect(placeRuns(busy.slice(1), [], { ...PLACES, transfers }).back).toEqual([]);
  });

  test('at a connector that may have few transfers are given back by whoever has several for whoever has none', () => {
    const busy = [going('slow', 't', 'r1'), going('slow', 't', 'r2'), going('slow', 'z', 'r3')];
    const { start, back, waits } = placeRuns(busy, [of('quick', 't', 'q1'), of('quick', 't', 'q2')], {
      ...PLACES,
      transfers,
    });
    expect({ start, back }).toEqual({ start: ['q1'], back: ['r2'] });
    expect(waits.get('r2')).toMatchObject({ kind: 'limit', runId: 'q1' });
    // Each has one of both by now.
    expect(waits.get('q2')).toMatchObject({ kind: 'limit', connectorId: 't' });
  });

  test('are given back by a source that has all of them, also where it has a target of its own for each', () => {
    const busy = Array.from({ length: 10 }, (_, n) => going('slow', `t${n}`, `r${n}`));
    const { start, back } = placeRuns(busy, [of('x', 'y', 'a'), of('x', 't3', 'b')], PLACES);
    expect({ start, back }).toEqual({ start: ['a'], back: ['r9'] });
    // Into one of those targets: it has its source only, and so much the slow one can spare.
    expect(placeRuns(busy, [of('x', 't3', 'b')], PLACES)).toMatchObject({ start: ['b'], back: ['r9'] });
  });

  test('are given back also for a run between two places of one connector', () => {
    const busy = ['x', 'y', 'z'].map((target) => going('b', target, target));
    expect(placeRuns(busy, [of('a', 'a', 'alone')], { ...PLACES, runsMax: 3 })).toMatchObject({
      start: ['alone'],
      back: ['z'],
    });
  });

  test('come to rest, whatever is slow, and leave no connector without one while another has what it could have', () => {
    const run = fc.record({ source: fc.constantFrom('a', 'b', 'c'), target: fc.constantFrom('a', 'x', 'y', 'z') });
    fc.assert(
      fc.property(
        fc.array(run, { maxLength: 20 }),
        fc.array(run, { maxLength: 6 }),
        fc.integer({ min: 1, max: 5 }),
        fc.dictionary(fc.constantFrom('a', 'x', 'y'), fc.integer({ min: 1, max: 3 })),
        (first, later, runsMax, limits) => {
          const allowed = new Map(Object.entries(limits).map(([id, most]) => [id, { name: id, most }]));
          const places = { ...PLACES, runsMax, transfers: allowed };
          const rows = [...first, ...later].map(({ source, target }, at) => of(source, target, `${at}`));
          let busy: PlacedRun[] = [];
          const settle = (known: readonly PlacedRun[]): void => {
            for (let round = 0, isOver = false; !isOver; round++) {
              expect(round).toBeLessThan(12);
              const left = known.filter(({ id }) => !busy.some((one) => one.id === id));
              const { start, back, waits } = placeRuns(busy, left, places);
              expect(left.every(({ id }) => start.includes(id) || waits.has(id))).toBe(true);
              const begun = left.filter(({ id }) => start.includes(id));
              busy = [
                ...busy.filter(({ id }) => !back.includes(id)),
                ...begun.map((one) => ({ ...one, state: 'running', workers: 1 })),
              ];
              expect(busy.length).toBeLessThanOrEqual(runsMax);
              for (const [id, { most }] of allowed) expect(held(busy, id)).toBeLessThanOrEqual(most);
              isOver = start.length + back.length === 0;
            }
          };
          settle(rows.slice(0, first.length));
          settle(rows);
          // Whoever waits with both ends left out stands behind no connector that has three, limits apart.
          const waiting = rows.filter(({ id }) => !busy.some((one) => one.id === id));
          const starves = waiting.some((one) => ends(one).every((id) => held(busy, id) === 0));
          const [most] = ['a', 'b', 'c', 'x', 'y', 'z'].map((id) => held(busy, id)).toSorted((a, b) => b - a);
          if (starves) expect(most).toBeLessThanOrEqual(2);
        },
      ),
    );
  });
});

const ends = (run: PlacedRun): string[] => [run.source_connector_id, run.target_connector_id];
const held = (busy: readonly PlacedRun[], id: string): number => busy.filter((run) => ends(run).includes(id)).length;

describe('at work', () => {
  let fleet: FleetTest;
  beforeEach(async () => {
    fleet = await openFleetTest();
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  async function connector(name: string, transfersMax: number | null = null) {
    const store = makeStore(`${name}-${randomUUID()}`);
    store.ensure('box');
    const id = await makeConnector(fleet.world, {
      provider: 'memory',
      config: { store: store.name },
      fingerprint: `memory:${store.name}`,
      limits: { requestsPerSecond: null, transfersMax },
    });
    return { id, store };
  }

  type Connector = Awaited<ReturnType<typeof connector>>;

  async function start(from: Connector, to: Connector, name: string, objects: number): Promise<Run> {
    for (let at = 0; at < objects; at++) from.store.put('box', `${name}/${at}`, 'x');
    const place = { container: 'box', prefix: `${name}/` };
    const job = await makeJob(fleet.world, { connectorId: from.id, ...place }, { connectorId: to.id, ...place });
    return fleet.start(job);
  }

  /** Answers in the end, but so late that a run of it outlasts everything else. */
  function slowDown({ store }: Connector): () => void {
    const open = Promise.withResolvers<void>();
    store.hooks.before = async (operation) => {
      if (operation === 'GET') await Promise.race([open.promise, new Promise((resolve) => setTimeout(resolve, 1_500))]);
    };
    return () => {
      store.hooks.before = null;
      open.resolve();
    };
  }

  const now = ({ id }: Run): Promise<Run> => fleet.runs.get(PERSON, id);
  const atWork = async ({ id }: Run): Promise<number> =>
    (await fleet.runs.workers(PERSON, id)).filter(({ isAtWork }) => isAtWork).length;
  const copied = async ({ id }: Run): Promise<number> => (await fleet.until(id, 'succeeded')).counters.items.copied;

  test.each([1, 2])(
    'one slow connector, that is not throttled, leaves room for others on %i workers with as many places as it has runs',
    async (workers) => {
      for (let at = 0; at < workers; at++) await fleet.worker(`w${at}`, { runsMax: 2, runsAtOnceMax: 4 });
      const [from, to] = [await connector('slow'), await connector('into')];
      const letGo = slowDown(from);
      const runs: Run[] = [];
      for (let at = 0; at < 6; at++) runs.push(await start(from, to, `${at}`, 2_000));
      await fleet.untilTrue('all places are taken by it', async () => {
        const states = await Promise.all(runs.map(now));
        return states.filter(({ live }) => live !== null).length === 2 * workers;
      });
      const [quick, other] = [await connector('quick'), await connector('other')];
      expect(await copied(await start(quick, other, 'q', 40))).toBe(40);
      expect((await Promise.all(runs.map(now))).every(({ endedAt }) => endedAt === null)).toBe(true);
      for (const { id } of runs) await fleet.runs.cancel(PERSON, id);
      letGo();
    },
  );

  test('all transfers of a target in the hands of a slow source: another source gets some of them', async () => {
    for (const name of ['one', 'two', 'three']) await fleet.worker(name);
    const [from, to] = [await connector('slow'), await connector('into', 3)];
    const letGo = slowDown(from);
    const slow = await start(from, to, 's', 4_000);
    await fleet.untilTrue('all three are at it', async () => (await atWork(slow)) === 3);
    const quick = await start(await connector('quick'), to, 'q', 40);
    expect(await copied(quick)).toBe(40);
    expect((await now(slow)).state).toBe('running');
    await fleet.runs.cancel(PERSON, slow.id);
    letGo();
  });

  test('a run that a connector has no transfer for says so, with its name, and goes on when one is free', async () => {
    await fleet.worker('one');
    const [from, to] = [await connector('from', 1), await connector('to')];
    const letGo = slowDown(from);
    const runs = [await start(from, to, 'a', 60), await start(from, to, 'b', 20)];
    const told = { kind: 'limit', connectorId: from.id, text: expect.stringContaining('one transfer at a time') };
    await fleet.untilTrue('the second waits', async () => (await now(runs[1]!)).waits !== null);
    expect(await now(runs[1]!)).toMatchObject({ state: 'queued', waits: told, queuePlace: 1 });
    letGo();
    for (const run of runs) await copied(run);
  });

  test('so does one that has a place, and that nobody may take part in', async () => {
    const { db } = fleet.world;
    const [from, to] = [await connector('from', 2), await connector('to')];
    const [first, second] = [await start(from, to, 'a', 1), await start(from, to, 'b', 1)];
    const dispatcher = new Dispatcher(
      fleetWorld(fleet.world, {
        openConnector: rowOpener(fleet.world),
        reportHealth: async () => undefined,
        append: async () => undefined,
        timing: { ...SHORT, leaseValidMs: 30_000 },
      }),
    );
    await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
      VALUES (${randomUUID()}, 'w', 'h', 1, '1', 1, 'active', now(), clock_timestamp())`.execute(db);
    for (let at = 0; at < 2; at++) {
      await sql`INSERT INTO run_workers (run_id, worker_id, joined_at, seen_at)
        VALUES (${first.id}, ${randomUUID()}, clock_timestamp(), clock_timestamp())`.execute(db);
    }
    await sql`UPDATE runs SET state = 'running', updated_at = now() - interval '1 minute'`.execute(db);
    await dispatcher.tick();
    expect((await now(second)).waits).toMatchObject({ kind: 'limit', connectorId: from.id });
    expect((await now(first)).waits).toBeNull();
    await sql`UPDATE run_workers SET left_at = now()`.execute(db);
    await dispatcher.tick();
    expect((await now(second)).waits).toMatchObject({ kind: 'workers-busy', connectorId: null });
  });
});
