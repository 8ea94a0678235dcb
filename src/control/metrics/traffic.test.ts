import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { makeConnector } from '../../../test/control/made.ts';
import { newId } from '../ids.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { fold, openCounting, Traffic } from './traffic.ts';

let world: TestWorld;
let a: string;
let b: string;

beforeAll(async () => {
  world = await openTestWorld();
  a = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'a' });
  b = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'b' });
});
afterAll(async () => world.close());
afterEach(async () => void (await sql`DELETE FROM traffic`.execute(world.db)));

async function sums(): Promise<Record<string, number>> {
  const { rows } = await sql<{ key: string; value: number }>`
    SELECT connector_id || ' ' || key AS key, sum(value::float8) AS value
    FROM traffic, jsonb_each_text(counts) GROUP BY 1`.execute(world.db);
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
}

async function rowCount(): Promise<number> {
  const { rows } = await sql<{ rows: number }>`SELECT count(*)::integer AS rows FROM traffic`.execute(world.db);
  return rows[0]?.rows ?? 0;
}

type Step =
  | { readonly kind: 'add'; readonly who: number; readonly connector: number; readonly amount: number }
  | { readonly kind: 'write'; readonly who: number }
  | { readonly kind: 'restart'; readonly who: number }
  | { readonly kind: 'fold' };

const who = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), who, connector: fc.nat(1), amount: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ kind: fc.constant('write' as const), who }),
  fc.record({ kind: fc.constant('restart' as const), who }),
  fc.record({ kind: fc.constant('fold' as const) }),
);

test('whatever processes come, go, and are folded away while they live: nothing is lost, counted twice or goes down', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      await sql`DELETE FROM traffic`.execute(world.db);
      const writers = [0, 1, 2].map(() => new Traffic(newId(world)));
      const wanted: Record<string, number> = {};
      let last: Record<string, number> = {};
      for (const one of [...steps, ...[0, 1, 2].map((who) => ({ kind: 'write' as const, who }))]) {
        if (one.kind === 'add') {
          const id = one.connector === 0 ? a : b;
          writers[one.who]!.add(id, 'requests', 'source', 'GET', one.amount);
          const name = `${id} requests/source/GET`;
          wanted[name] = (wanted[name] ?? 0) + one.amount;
          continue;
        }
        if (one.kind === 'fold') await fold(world.db, 0);
        else {
          // Also twice: what is handed over again counts once.
          await writers[one.who]!.write(world.db);
          writers[one.who]!.notTaken();
          await writers[one.who]!.write(world.db);
          if (one.kind === 'restart') writers[one.who] = new Traffic(newId(world));
        }
        const now = await sums();
        for (const [name, value] of Object.entries(last)) expect(now[name]).toBeGreaterThanOrEqual(value);
        last = now;
      }
      // A row that was folded away is noticed by the first of two writes and made up for by the second one.
      expect(last).toEqual(wanted);
    }),
    { numRuns: 40 },
  );
});

test('an answer that was lost costs nothing', async () => {
  const traffic = new Traffic(newId(world));
  traffic.add(a, 'bytes', 'source', 'copied', 5);
  const handing = traffic.hand()!;
  await sql`WITH ${handing.queries} SELECT connector_id FROM traffic_written`.execute(world.db);
  traffic.notTaken();
  traffic.add(a, 'bytes', 'source', 'copied', 2);
  await traffic.write(world.db);
  expect(await sums()).toEqual({ [`${a} bytes/source/copied`]: 7 });
});

test('without anything new nothing is sent, and a server folds only now and then', async () => {
  const traffic = new Traffic(newId(world));
  expect(traffic.hand()).toBeNull();
  traffic.add(a, 'requests', 'server', 'LIST');
  let asked = 0;
  const db = new Proxy(world.db, {
    get(target, name) {
      if (name === 'getExecutor') asked += 1;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const tick = openCounting({ db, clock: world.clock, serverTraffic: traffic });
  await tick();
  expect(await sums()).toEqual({ [`${a} requests/server/LIST`]: 1 });
  asked = 0;
  await tick();
  await tick();
  expect(asked).toBe(0);
});

test('folding leaves one row for each connector, and none of one that was deleted', async () => {
  const gone = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'gone' });
  for (let at = 0; at < 3; at++) {
    const traffic = new Traffic(newId(world));
    for (const id of [a, b, gone]) traffic.add(id, 'seconds', 'target', 'PUT', 0.25);
    await traffic.write(world.db);
    if (at === 1) await fold(world.db, 0);
  }
  expect(await fold(world.db)).toBe(0);
  await sql`DELETE FROM connectors WHERE id = ${gone}`.execute(world.db);
  expect(await fold(world.db, 0)).toBe(4);
  expect(await rowCount()).toBe(2);
  expect(await sums()).toEqual({ [`${a} seconds/target/PUT`]: 0.75, [`${b} seconds/target/PUT`]: 0.75 });
});

test('lanes are shown while they are watched', async () => {
  const traffic = new Traffic(newId(world));
  const snapshot = { inFlight: 3, waiting: 2, waitingForRate: 1, ceiling: 32, throttledUntilMs: null, throttles: 0 };
  const watches = [traffic.watch(a, 'source', () => snapshot), traffic.watch(a, 'source', () => snapshot)];
  const busy = async (): Promise<unknown> => {
    await traffic.write(world.db);
    return (await world.db.selectFrom('traffic').select('busy').executeTakeFirst())?.busy;
  };
  expect(await busy()).toEqual({ 'busy/source': 6, 'waiting/source': 6, 'most/source': 64 });
  for (const watch of watches) watch[Symbol.dispose]();
  expect(await busy()).toEqual({});
  expect(traffic.hand()).toBeNull();
});
