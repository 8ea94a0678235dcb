/** The map of a run: true ranges of keys, true counts, and an answer that stays small and quick. */
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { MapCell, RunMap } from '../../src/control/entities.ts';
import { mapOf } from '../../src/control/runs/map.ts';
import { DroverError } from '../../src/model/errors.ts';
import { ZERO_COUNTERS } from '../../src/model/outcome.ts';
import { openFleetTest, type FleetTest } from './fleet-world.ts';
import { makeRunRow, PERSON } from './made.ts';

let fleet: FleetTest;
beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(() => fleet[Symbol.asyncDispose]());

const key = (at: number): string => `k/${String(at).padStart(6, '0')}`;

function holds({ from, to }: MapCell, name: string): boolean {
  return (from === null || from <= name) && (to === null || name < to);
}

/** One cell behind the other over all keys, and as wide together as the whole. */
function expectWhole({ cells }: RunMap): void {
  expect([cells[0]?.from, cells.at(-1)?.to]).toEqual([null, null]);
  for (const [at, cell] of cells.entries()) if (at > 0) expect(cell.from).toBe(cells[at - 1]?.to);
  expect(cells.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 3);
}

test('of a small run whose objects lie in one segment has ranges, and shows what did not make it at its place', async () => {
  const job = await fleet.job({ objects: 313 });
  const bad = [key(17), key(200), key(201)];
  job.from.hooks.before = async (operation, name) => {
    if (operation === 'GET' && bad.includes(name)) throw new DroverError('ARCHIVED', 'Not this one.');
  };
  await fleet.worker('one', { segmentsMax: 1 });
  const { id } = await fleet.start(job);
  await fleet.until(id, 'completed-with-issues');
  const map = await fleet.runs.map(PERSON, id, 240);
  expectWhole(map);
  expect(map.cells.length).toBeGreaterThan(30);
  expect(map.cells.length).toBeLessThanOrEqual(240);
  for (const cell of map.cells) {
    const inside = Array.from({ length: 313 }, (_, at) => key(at)).filter((name) => holds(cell, name));
    const unsupported = inside.filter((name) => bad.includes(name)).length;
    const state = unsupported > 0 ? 'issues' : 'done';
    expect(cell).toMatchObject({ items: inside.length, unsupported, failed: 0, isExact: true, state });
    expect(cell.share).toBeCloseTo(inside.length / 313, 4);
  }
  expect((await fleet.runs.map(PERSON, id, 10)).cells.length).toBeLessThanOrEqual(10);
});

test('of a run that goes on is exact up to where it is settled, and a guess from the last run beyond', async () => {
  const job = await fleet.job({ objects: 400 });
  await fleet.worker('one', { segmentsMax: 1 });
  const first = await fleet.start(job);
  await fleet.until(first.id, 'succeeded');
  for (let at = 0; at < 400; at++) job.from.put('box', key(at), `new content of ${at}`);
  const held = Promise.withResolvers<void>();
  job.from.hooks.before = async (operation, name) => {
    if (operation === 'GET' && name >= key(200)) await held.promise;
  };
  const { id } = await fleet.start(job);
  let map: RunMap | null = null;
  await fleet.untilTrue('half of it is settled', async () => {
    map = await fleet.runs.map(PERSON, id, 120);
    const exact = map.cells.filter(({ isExact }) => isExact);
    return exact.reduce((sum, { items }) => sum + items, 0) === 200;
  });
  const { cells, sequence } = map as unknown as RunMap;
  expectWhole(map as unknown as RunMap);
  expect(sequence).toBeGreaterThan(0);
  const exact = cells.filter(({ isExact }) => isExact);
  const guessed = cells.filter(({ isExact }) => !isExact);
  expect(exact.length).toBeGreaterThan(0);
  expect(guessed.length).toBeGreaterThan(0);
  for (const cell of guessed) expect(cell).toMatchObject({ items: 0, failed: 0 });
  expect(guessed.filter(({ state }) => state === 'listing').length).toBeGreaterThan(0);
  const settled = exact.reduce((sum, { items }) => sum + items, 0);
  expect(exact.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(settled / 400, 0);
  await fleet.runs.cancel(PERSON, id);
  held.resolve();
  await fleet.until(id, 'cancelled');
});

test('of a run that has just begun is one cell that waits, of an unknown run an error', async () => {
  const job = await fleet.job({ objects: 0 });
  await makeRunRow(fleet.world, job, 'run-1', { state: 'running' });
  expect((await mapOf(fleet.world, 'run-1', 240)).cells).toEqual([]);
  await fleet.store.startSegments('run-1', [{ segmentId: 's0', kind: 'keys', from: null, to: null }]);
  const nothing = { items: 0, failed: 0, unsupported: 0 };
  expect((await mapOf(fleet.world, 'run-1', 240)).cells).toEqual([
    { from: null, to: null, share: 1, isExact: false, state: 'waiting', ...nothing },
  ]);
  const cuts = ['c', 'g', 'm', 't'];
  const expected = JSON.stringify({ items: 500, sizeBytes: null, basis: 'last-run', runId: 'r', cuts });
  await sql`UPDATE runs SET expected = ${expected}`.execute(fleet.world.db);
  const known = await mapOf(fleet.world, 'run-1', 240);
  expectWhole(known);
  expect(known.cells.map(({ from, share, isExact }) => [from, share, isExact])).toEqual(
    [null, ...cuts].map((from) => [from, 0.2, false]),
  );
  expect((await mapOf(fleet.world, 'run-1', 2)).cells).toHaveLength(2);
  await expect(mapOf(fleet.world, 'none', 240)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
});

test.each([
  ['a segment of many commits', 1, 3_500, 240],
  ['very many commits', 10, 1_000, 11],
  ['many segments', 400, 9, 240],
  ['very many segments', 2_000, 0, 240],
])('of %s is small and comes quickly', async (_what, segments, commits, cellsMin) => {
  const job = await fleet.job({ objects: 0 });
  await makeRunRow(fleet.world, job, 'run-1', { state: 'running' });
  const { db } = fleet.world;
  const items = { ...ZERO_COUNTERS.items, scanned: Math.max(1, commits) * 300, copied: Math.max(1, commits) * 300 };
  const counters = JSON.stringify({ ...ZERO_COUNTERS, items });
  await sql`INSERT INTO segments (run_id, segment_id, kind, state, counters, from_key, to_key)
    SELECT 'run-1', 's' || at, 'keys', 'done', ${counters}::jsonb,
      CASE WHEN at > 0 THEN convert_to('f' || lpad(at::text, 8, '0'), 'UTF8') END,
      CASE WHEN at < ${segments}::integer - 1 THEN convert_to('f' || lpad((at + 1)::text, 8, '0'), 'UTF8') END
    FROM generate_series(0, ${segments}::integer - 1) AS at`.execute(db);
  await sql`INSERT INTO chunks (run_id, segment_id, name, shares)
    SELECT 'run-1', 's' || at, 'c', '[["f' || lpad(at::text, 8, '0') || '/' || lpad(n::text, 8, '0') || '/and-a-longer-name",300,0,0]]'
    FROM generate_series(0, ${segments}::integer - 1) AS at, generate_series(1, ${commits}::integer) AS n
    ORDER BY at, n`.execute(db);
  await sql`ANALYZE`.execute(db);
  const map = await mapOf(fleet.world, 'run-1', 240);
  expectWhole(map);
  expect(map.cells.length).toBeLessThanOrEqual(240);
  expect(map.cells.length).toBeGreaterThanOrEqual(Math.min(cellsMin, segments * Math.max(1, commits)) - 1);
  expect(map.cells.reduce((sum, cell) => sum + cell.items, 0)).toBe(segments * items.scanned);
  expect(JSON.stringify(map).length).toBeLessThan(60_000);
  const times: number[] = [];
  for (let at = 0; at < 30; at++) {
    const before = performance.now();
    await mapOf(fleet.world, 'run-1', 240);
    times.push(performance.now() - before);
  }
  // 50 ms on a machine that does nothing else; what others take of it now and then says nothing about the map.
  const leastMs = Math.min(...times);
  expect(leastMs, `${leastMs} ms`).toBeLessThan(150);
});
