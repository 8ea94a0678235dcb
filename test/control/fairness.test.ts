/** That one connector never keeps another one waiting: places, slots of workers, and runs that stand still. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Run } from '../../src/control/entities.ts';
import { Dispatcher } from '../../src/control/fleet/dispatcher.ts';
import { setRunsMax } from '../../src/control/fleet/installation.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { placeRuns, type PlacedRun } from '../../src/control/fleet/placing.ts';
import { giveOutPlaces } from '../../src/control/fleet/queue.ts';
import { DroverError } from '../../src/model/errors.ts';
import { expectComplete, makeStore, openFleetTest, SHORT, type FleetTest, type MemoryJob } from './fleet-world.ts';
import { makeConnector, makeJob, makeRunRow, PERSON, placedRun, rowOpener } from './made.ts';

const PLACES = { runsMax: 10, room: null, aloneMs: 1_000 };

describe('places', () => {
  const of = (connector: string, id: string, change: Partial<PlacedRun> = {}): PlacedRun =>
    placedRun({ id, source_connector_id: connector, target_connector_id: `${connector}-target`, ...change });
  const many = (connector: string, runs: number, change: Partial<PlacedRun> = {}): PlacedRun[] =>
    Array.from({ length: runs }, (_, at) => of(connector, `${connector}${at}`, change));
  const busy = (connector: string, runs: number): PlacedRun[] =>
    many(connector, runs, { state: 'running', workers: 1 });

  test('go to connectors in turn, to the first in order within each', () => {
    const { start, waits } = placeRuns([], [...many('a', 9), ...many('b', 3), of('c', 'c0')], {
      ...PLACES,
      runsMax: 6,
    });
    expect(start).toEqual(['a0', 'b0', 'c0', 'a1', 'b1', 'a2']);
    expect([...waits.keys()]).toHaveLength(7);
    expect(waits.get('b2')?.kind).toBe('limit');
  });

  test('are given back by a connector that has several for one that has none', () => {
    const { start, back, waits } = placeRuns(busy('a', 10), [...many('b', 2), of('c', 'c0')], PLACES);
    expect(start).toEqual(['b0', 'c0']);
    expect(back).toEqual(['a9', 'a8']);
    expect(waits.get('a9')).toMatchObject({ kind: 'limit', runId: 'b0' });
    // The second one of b waits for an end: its connector gets on.
    expect(waits.get('b1')?.kind).toBe('limit');
  });

  test('are not given back where that would only move the waiting', () => {
    expect(placeRuns([...busy('a', 1), ...busy('b', 1)], many('c', 1), { ...PLACES, runsMax: 2 })).toMatchObject({
      start: [],
      back: [],
    });
    const disk = { kind: 'disk', text: '', runId: null, connectorId: null } as const;
    expect(placeRuns(busy('a', 10), [of('b', 'b0', { waits: disk })], PLACES).back).toEqual([]);
  });

  const held = (connector: string, runs: number): PlacedRun[] =>
    busy(connector, runs).map((run) => ({ ...run, is_held_back: true, held_back_by: connector }));

  test('that slow connectors hold are given once more, to runs of others', () => {
    const slow = ['a', 'b', 'c'].flatMap((name) => held(name, 1));
    const places = { ...PLACES, runsMax: 3 };
    const { start, back, waits } = placeRuns(slow, [...many('a', 2), ...many('d', 4)], places);
    // Another run of the slow one would make it only slower, and others than the slow ones have a place too few.
    expect({ start, back }).toEqual({ start: ['d0', 'd1', 'd2'], back: [] });
    expect([...waits.keys()].toSorted()).toEqual(['a0', 'a1', 'd3']);
    expect(placeRuns(slow, [of('e', 'e0', { target_connector_id: 'b' })], places).start).toEqual([]);
    // The workers have no room for more.
    expect(placeRuns(slow, many('d', 4), { ...places, room: 4 }).start).toEqual(['d0']);
    expect(placeRuns(slow.slice(1), many('d', 4), places).start).toHaveLength(3);
  });

  test('that are given once more stay where they are when nothing is held back any more', () => {
    const going = [...busy('a', 3), ...busy('b', 3)];
    const places = { ...PLACES, runsMax: 3 };
    expect(placeRuns(going, many('a', 1), places)).toMatchObject({ start: [], back: [] });
    // One that is left out altogether gets one of them.
    expect(placeRuns(going, many('c', 1), places)).toMatchObject({ start: ['c0'], back: ['b2'] });
  });

  test('are not given without end, however many are held back', () => {
    const slow = Array.from({ length: 12 }, (_, at) => held(`slow${at}`, 1)).flat();
    const places = { ...PLACES, runsMax: 3 };
    expect(placeRuns(slow, many('d', 4), places).start).toEqual([]);
    expect(placeRuns(slow.slice(1), many('d', 4), places).start).toEqual(['d0']);
  });

  test('are as many as the workers that are there have room for', () => {
    const { start, waits } = placeRuns([], many('a', 6), { ...PLACES, room: 4 });
    expect(start).toHaveLength(4);
    expect(waits.get('a5')).toMatchObject({ kind: 'workers-busy', text: expect.stringContaining('room for 4 runs') });
  });

  test('of runs that nobody works on go back to the queue when there is room for fewer', () => {
    const alone = many('a', 3, { state: 'running', waited_ms: 5_000 }).map((run) => ({
      ...run,
      id: `${run.id}-alone`,
    }));
    const { back, waits } = placeRuns([...busy('b', 2), ...alone], [], { ...PLACES, room: 3 });
    expect(back).toEqual(['a2-alone', 'a1-alone']);
    expect(waits.get('a2-alone')?.kind).toBe('workers-busy');
    expect(placeRuns([...busy('b', 2), ...alone], [], { ...PLACES, room: null }).back).toEqual([]);
  });

  test('on one part of a target go by order, whatever is fair, and never before the one that had it has let go', () => {
    const target = { target_prefix: 'x/' };
    const turn = placeRuns(busy('a', 1), [of('a', '1', target), of('b', '2', target)], { ...PLACES, runsMax: 2 });
    expect(turn.start).toEqual(['1']);
    expect(turn.waits.get('2')).toMatchObject({ kind: 'target-busy', runId: '1' });
    const leaving = of('a', '3', { ...target, workers: 1 });
    const early = placeRuns([], [of('b', '2', target), leaving], PLACES);
    expect(early.start).toEqual([]);
    expect(early.waits.get('2')).toMatchObject({ kind: 'target-busy', runId: '3' });
    expect(placeRuns([], [of('b', '2', target), { ...leaving, workers: 0 }], PLACES).start).toEqual(['2']);
  });

  test('never go to two runs on one part of a target, to more than there are, or away from a connector without need', () => {
    const run = fc.record({
      source: fc.constantFrom('a', 'b', 'c', 'd'),
      target: fc.constantFrom('a', 'x', 'y'),
      prefix: fc.constantFrom('', 'p/', 'p/q/', 'r/', 's/', 't/', 'u/'),
    });
    const runs = fc.array(run, { maxLength: 25 });
    fc.assert(
      fc.property(
        runs,
        fc.integer({ min: 1, max: 6 }),
        fc.option(fc.integer({ min: 1, max: 6 })),
        fc.subarray(['a', 'b', 'c', 'd']),
        (all, runsMax, room, slow) => {
          const rows = all.map(({ source, target, prefix }, at) =>
            placedRun({
              id: `${at}`,
              source_connector_id: source,
              target_connector_id: target,
              target_fingerprint: target,
              target_prefix: prefix,
            }),
          );
          const places = { ...PLACES, runsMax, room };
          const first = placeRuns([], rows, places);
          expect(first.start.length).toBeLessThanOrEqual(Math.min(runsMax, room ?? runsMax));
          const going = rows.filter(({ id }) => first.start.includes(id)).map(beginning);
          for (const one of going)
            for (const other of going) if (one !== other) expect(together(one, other)).toBe(false);
          // Everybody else says why, and the same question once more changes nothing.
          const rest = rows.filter(({ id }) => !first.start.includes(id));
          expect(rest.every(({ id }) => first.waits.has(id))).toBe(true);
          expect(placeRuns(going, rest, places)).toMatchObject({ start: [], back: [] });
          // Some turn out to be held back: more begin, of others, and soon nothing changes any more.
          let busyNow = going.map((one) =>
            slow.includes(one.source_connector_id)
              ? { ...one, is_held_back: true, held_back_by: one.source_connector_id }
              : one,
          );
          for (let round = 0, isOver = false; !isOver; round++) {
            expect(round).toBeLessThan(5);
            const left = rows.filter(({ id }) => !busyNow.some((one) => one.id === id));
            const more = placeRuns(busyNow, left, places);
            const begun = left.filter(({ id }) => more.start.includes(id)).map(beginning);
            busyNow = [...busyNow.filter(({ id }) => !more.back.includes(id)), ...begun];
            expect(busyNow.length).toBeLessThanOrEqual(Math.min(4 * runsMax, room ?? Number.POSITIVE_INFINITY));
            expect(busyNow.filter((one) => !one.is_held_back).length).toBeLessThanOrEqual(runsMax);
            expect(left.every(({ id }) => more.waits.has(id) || more.start.includes(id))).toBe(true);
            isOver = more.start.length + more.back.length === 0;
          }
        },
      ),
    );
  });
});

function beginning(run: PlacedRun): PlacedRun {
  return { ...run, state: 'running', workers: 1 };
}

function together(one: PlacedRun, other: PlacedRun): boolean {
  const [a, b] = [one.target_prefix, other.target_prefix];
  return one.target_fingerprint === other.target_fingerprint && (a.startsWith(b) || b.startsWith(a));
}

describe('on one worker', () => {
  let fleet: FleetTest;
  beforeEach(async () => {
    fleet = await openFleetTest();
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  /** Jobs between two connectors of their own, each with its part of the target. */
  async function jobsOf(name: string, jobs: number, objects: number): Promise<MemoryJob[]> {
    const [from, to] = ['from', 'to'].map((end) => makeStore(`${name}-${end}-${randomUUID()}`)) as [
      MemoryJob['from'],
      MemoryJob['to'],
    ];
    const ids: string[] = [];
    for (const store of [from, to]) {
      store.ensure('box');
      ids.push(
        await makeConnector(fleet.world, {
          provider: 'memory',
          config: { store: store.name },
          fingerprint: `memory:${store.name}`,
        }),
      );
    }
    const made: MemoryJob[] = [];
    for (let at = 0; at < jobs; at++) {
      for (let n = 0; n < objects; n++) from.put('box', `${at}/k${n}`, `content ${n}`);
      const prefix = `${at}/`;
      const job = await makeJob(
        fleet.world,
        { connectorId: ids[0] as string, container: 'box', prefix },
        { connectorId: ids[1] as string, container: 'box', prefix },
      );
      made.push({ ...job, from, to });
    }
    return made;
  }

  async function startAll(jobs: readonly MemoryJob[]): Promise<Run[]> {
    const runs: Run[] = [];
    for (const job of jobs) runs.push(await fleet.start(job));
    return runs;
  }

  const now = (run: Run): Promise<Run> => fleet.runs.get(PERSON, run.id);

  test('ten throttled runs let one of another connector go on and end', async () => {
    await fleet.worker('one', { runsMax: 4 });
    const slow = await jobsOf('slow', 10, 60);
    slow[0]!.from.hooks.before = async (operation) => {
      if (operation === 'GET') throw new DroverError('THROTTLED', 'Slow down.');
    };
    const throttled = await startAll(slow);
    await fleet.untilTrue('four are at it', async () => {
      const states = await Promise.all(throttled.map(now));
      return states.filter(({ live }) => live !== null).length >= 4;
    });
    const [other] = await jobsOf('other', 1, 20);
    const run = await fleet.until((await fleet.start(other!)).id, 'succeeded');
    expect(run.counters.items.copied).toBe(20);
    const states = await Promise.all(throttled.map(now));
    expect(states.filter(({ endedAt }) => endedAt !== null)).toEqual([]);
    // Of one moment: places change hands.
    await fleet.untilTrue('the others have kept their places', async () => {
      const { items } = await fleet.runs.list(PERSON, { filter: { state: ['running'] } });
      return items.length >= 3;
    });
    slow[0]!.from.hooks.before = null;
    for (const { id } of throttled) await fleet.until(id, 'succeeded');
  });

  test('as many slow connectors as there are places keep no run of another one waiting', async () => {
    await fleet.worker('one', { runsMax: 2, runsAtOnceMax: 2 });
    const slow = [...(await jobsOf('slow', 1, 60)), ...(await jobsOf('slower', 1, 60))];
    for (const { from } of slow) {
      from.hooks.before = async (operation) => {
        if (operation === 'GET') throw new DroverError('THROTTLED', 'Slow down.');
      };
    }
    const throttled = await startAll(slow);
    await fleet.untilTrue('both are held back', async () =>
      (await Promise.all(throttled.map(now))).every(({ live }) => live?.limitedBy.kind === 'source'),
    );
    const [other] = await jobsOf('other', 1, 20);
    await expectComplete(fleet, other!, await fleet.until((await fleet.start(other!)).id, 'succeeded'));
    await fleet.untilTrue('both go on', async () => {
      const states = await Promise.all(throttled.map(now));
      return states.every(({ state, waits }) => state === 'running' && waits === null);
    });
    for (const { from } of slow) from.hooks.before = null;
    for (const { id } of throttled) await fleet.until(id, 'succeeded');
  });

  test('runs of equal standing get on side by side, whichever came first', async () => {
    await fleet.worker('one');
    const RUNS = 3;
    const AHEAD_MAX = 30;
    const [first, ...others] = await jobsOf('same', RUNS, 200);
    // None gets further than that ahead of the others: if one kept anything from them, none would ever end.
    const read = Array.from({ length: RUNS }, () => 0);
    let next = Promise.withResolvers<void>();
    first!.from.hooks.before = async (operation, key) => {
      if (operation !== 'GET') return;
      const own = Number(key.split('/')[0]);
      while ((read[own] as number) >= Math.min(...read) + AHEAD_MAX) await next.promise;
      (read[own] as number) += 1;
      next.resolve();
      next = Promise.withResolvers<void>();
    };
    const runs = [await fleet.start(first!)];
    await fleet.untilTrue('the first waits for the others', async () => read[0] === AHEAD_MAX);
    runs.push(...(await startAll(others)));
    for (const { id } of runs) await fleet.until(id, 'succeeded');
    expect(read).toEqual([200, 200, 200]);
  });

  test('each run that is not worked on says why, and its place', async () => {
    await fleet.worker('one', { runsMax: 2 });
    const [job, ...rest] = await jobsOf('slow', 6, 40);
    const open = Promise.withResolvers<void>();
    job!.from.hooks.before = async (operation) => {
      if (operation === 'GET') await open.promise;
    };
    const runs = await startAll([job!, ...rest]);
    await fleet.untilTrue('two go on and the others wait for the worker', async () => {
      const states = await Promise.all(runs.map(now));
      const going = states.filter(({ live }) => live !== null);
      const waiting = states.filter(({ waits, queuePlace }) => waits?.kind === 'workers-busy' && queuePlace !== null);
      return going.length === 2 && waiting.length === 4;
    });
    open.resolve();
    for (const { id } of runs) await fleet.until(id, 'succeeded');
  });

  test('a run that throttling holds back takes no slot from others', async () => {
    await fleet.worker('one', { runsMax: 1 });
    const slow = await fleet.job({ objects: 60 });
    slow.from.hooks.before = async (operation) => {
      if (operation === 'GET') throw new DroverError('THROTTLED', 'Slow down.');
    };
    const first = await fleet.start(slow);
    await fleet.untilTrue('it is throttled', async () => (await now(first)).live?.limitedBy.kind === 'source');
    const quick = await fleet.job({ objects: 20 });
    await expectComplete(fleet, quick, await fleet.until((await fleet.start(quick)).id, 'succeeded'));
    expect((await now(first)).state).toBe('running');
    slow.from.hooks.before = null;
    await fleet.until(first.id, 'succeeded');
  });

  test('a run whose disk is full gives its place to others, and says so once while it is tried again and again', async () => {
    const { artifacts } = fleet.world;
    let full = 'no run';
    const small: typeof artifacts = {
      get: (name) => artifacts.get(name),
      list: (prefix) => artifacts.list(prefix),
      removeAll: (prefix) => artifacts.removeAll(prefix),
      put: async (name, content) => {
        if (name.includes(full)) throw new DroverError('DISK_FULL', 'No room for the records of runs.');
        await artifacts.put(name, content);
      },
    };
    await fleet.worker('one', { runsMax: 1, runsAtOnceMax: 1 }, { artifacts: small });
    const first = await fleet.job({ objects: 200, slowMs: 40 });
    const run = await fleet.start(first);
    full = run.id;
    await fleet.untilTrue('it gives its place back', async () => {
      const { state, waits } = await now(run);
      return state === 'queued' && waits?.kind === 'disk';
    });
    const other = await fleet.job({ objects: 20 });
    await expectComplete(fleet, other, await fleet.until((await fleet.start(other)).id, 'succeeded'));
    // While it is tried again it says so for a moment not.
    await expect.poll(async () => (await now(run)).waits?.kind).toBe('disk');
    const said = () => fleet.lines.filter(({ runId, code }) => runId === run.id && code === 'DISK_FULL').length;
    // From here on the run's log says so, too, as it really does.
    await sql`INSERT INTO run_log (run_id, at, level, code, message) VALUES (${run.id}, now(), 'warn', 'DISK_FULL', 'x')`.execute(
      fleet.world.db,
    );
    const [lines, tries] = [said(), (await now(run)).sequence];
    await fleet.untilTrue('it was tried again', async () => (await now(run)).sequence >= tries + 4);
    expect(said()).toBe(lines);
    full = 'no run';
    await expectComplete(fleet, first, await fleet.until(run.id, 'succeeded'));
  });

  test('a run that its timetable stops gives its place to others and takes one again', async () => {
    await fleet.worker('one', { runsMax: 1, runsAtOnceMax: 1 });
    const halted = await fleet.job({ objects: 40 });
    const rule = (bytesPerSecond: number | null): string =>
      JSON.stringify({ timeZone: 'UTC', rules: [{ day: null, minuteOfDay: 0, bytesPerSecond }] });
    await sql`WITH made AS (INSERT INTO timetables (id, created_at, created_by, updated_at, name, timetable)
        VALUES (gen_random_uuid(), now(), 'test', now(), 'shut', ${rule(0)}::jsonb) RETURNING id)
      UPDATE jobs SET timetable_id = made.id FROM made WHERE jobs.id = ${halted.jobId}`.execute(fleet.world.db);
    const first = await fleet.start(halted);
    await fleet.untilTrue('it gives its place back', async () => {
      const { state, waits } = await now(first);
      return state === 'queued' && waits?.kind === 'bandwidth';
    });
    const other = await fleet.job({ objects: 20 });
    await expectComplete(fleet, other, await fleet.until((await fleet.start(other)).id, 'succeeded'));
    expect(await now(first)).toMatchObject({ state: 'queued', waits: { kind: 'bandwidth' }, queuePlace: null });
    await sql`UPDATE timetables SET timetable = ${rule(null)}::jsonb`.execute(fleet.world.db);
    await expectComplete(fleet, halted, await fleet.until(first.id, 'succeeded'));
  });
});

describe('the number of runs at once', () => {
  let fleet: FleetTest;
  beforeEach(async () => {
    fleet = await openFleetTest();
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  const worldOf = (runsAtOnceMax: number) =>
    fleetWorld(fleet.world, {
      openConnector: rowOpener(fleet.world),
      reportHealth: async () => undefined,
      append: async () => undefined,
      timing: SHORT,
      runsAtOnceMax,
    });

  test("is the installation's, whatever the process that gives them was started with", async () => {
    const job = await fleet.job({ objects: 0 });
    for (let n = 0; n < 6; n++)
      await makeRunRow(fleet.world, job, `run-${n}`, { targetPrefix: `${n}/`, state: 'queued' });
    await setRunsMax(fleet.world.db, 2);
    expect(await giveOutPlaces(worldOf(10))).toHaveLength(2);
    expect(await giveOutPlaces(worldOf(1))).toHaveLength(0);
    await setRunsMax(fleet.world.db, 3);
    expect(await giveOutPlaces(worldOf(10))).toHaveLength(1);
  });

  test('leaves nobody behind a long queue of another connector', async () => {
    const job = await fleet.job({ objects: 0 });
    await makeRunRow(fleet.world, job, 'busy', { targetPrefix: 'a/' });
    await makeRunRow(fleet.world, job, 'busy-2', { targetPrefix: 'b/' });
    await makeRunRow(fleet.world, job, 'q0', { targetPrefix: 'c/', state: 'queued', queuedAtMs: 1_000 });
    await sql`INSERT INTO runs (id, job_id, project_id, number, kind, trigger, created_by, transfer_id, pair_id, definition,
        snapshot, source_connector_id, target_connector_id, source_path, target_path, target_fingerprint,
        target_container, target_prefix, state, queued_at, updated_at, counters, requests)
      SELECT 'q' || n, job_id, project_id, number + n, kind, trigger, created_by, transfer_id, pair_id, definition,
        snapshot, source_connector_id, target_connector_id, source_path, target_path, target_fingerprint,
        target_container, 'q' || n || '/', state, queued_at + n * interval '1 millisecond', updated_at, counters, requests
      FROM runs, generate_series(1000, 1700) AS n WHERE id = 'q0'`.execute(fleet.world.db);
    const other = await fleet.job({ objects: 0 });
    await makeRunRow(fleet.world, other, 'other', { targetPrefix: 'z/', state: 'queued', queuedAtMs: 9_000 });
    expect(await giveOutPlaces(worldOf(2))).toEqual(['other']);
    expect((await fleet.runs.get(PERSON, 'busy-2')).waits).toMatchObject({ kind: 'limit', runId: 'other' });
  });

  test('a run that all workers leave alone says so', async () => {
    const job = await fleet.job({ objects: 0 });
    await makeRunRow(fleet.world, job, 'alone');
    const dispatcher = new Dispatcher(worldOf(10));
    await dispatcher.tick();
    expect((await fleet.runs.get(PERSON, 'alone')).waits?.kind).toBe('no-worker');
    await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
      VALUES (${randomUUID()}, 'w', 'h', 1, '1', 1, 'active', now(), clock_timestamp())`.execute(fleet.world.db);
    await dispatcher.tick();
    expect((await fleet.runs.get(PERSON, 'alone')).waits?.kind).toBe('workers-busy');
  });
});
