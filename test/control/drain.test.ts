/** A worker that was told to leave leaves, whatever it had in hand, and whatever it did not hear. */
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SYSTEM } from '../../src/control/entities.ts';
import { Dispatcher } from '../../src/control/fleet/dispatcher.ts';
import { signOn } from '../../src/control/fleet/membership.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { openFleet } from '../../src/control/fleet/service.ts';
import type { OpenConnector } from '../../src/control/world.ts';
import { openFleetTest, SHORT, type FleetTest } from './fleet-world.ts';
import { PERSON, rowOpener } from './made.ts';

let fleet: FleetTest;
beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(() => fleet[Symbol.asyncDispose]());

test('also when it was away for so long that everybody had counted it as gone', async () => {
  const { db } = fleet.world;
  const parts = { openConnector: rowOpener(fleet.world), reportHealth: async () => undefined, timing: SHORT };
  const world = fleetWorld(fleet.world, { ...parts, append: async () => undefined });
  const identity = { name: 'away', host: 'here', pid: 1 };
  const id = await signOn(world, identity);
  const other = await signOn(world, { ...identity, name: 'lost' });
  await openFleet(fleet.world).drain(SYSTEM, id);
  await sql`UPDATE workers SET seen_at = clock_timestamp() - interval '1 minute'`.execute(db);
  const dispatcher = new Dispatcher(
    fleetWorld(fleet.world, { ...parts, timing: { ...SHORT, goneAfterMs: 1 }, append: async () => undefined }),
  );
  const states = async () => {
    const { rows } = await sql<{ name: string; state: string }>`SELECT name, state FROM workers ORDER BY name`.execute(
      db,
    );
    return rows.map(({ name, state }) => `${name} ${state}`);
  };
  await fleet.untilTrue('both are gone', async () => {
    await dispatcher.tick();
    return (await states()).every((words) => words.endsWith(' gone'));
  });
  await signOn(world, identity, id);
  await signOn(world, { ...identity, name: 'lost' }, other);
  // Its next renewal tells it to leave.
  expect(await states()).toEqual(['away draining', 'lost active']);
});

test('and leaves what it clears up to others at once', async () => {
  const job = await fleet.job({ objects: 30, slowMs: 40 });
  const open = rowOpener(fleet.world);
  let isHanging = false;
  const reached = Promise.withResolvers<void>();
  const openConnector: OpenConnector = async (id, openTransport, ...rest) => {
    if (!isHanging || id !== job.target.connectorId) return open(id, openTransport, ...rest);
    reached.resolve();
    return new Promise(() => undefined);
  };
  // So long nobody in this file waits for anything.
  const timing = { ...SHORT, leaseValidMs: 600_000, renewEveryMs: 20_000, giveUpMs: 500_000 };
  const one = await fleet.worker('one', { openConnector, timing });
  const { id } = await fleet.start(job);
  await fleet.untilTrue('something was copied', async () => job.to.keys('box').length > 5);
  isHanging = true;
  await fleet.runs.cancel(PERSON, id);
  await reached.promise;
  await one.drain();
  isHanging = false;
  await fleet.worker('two');
  await fleet.until(id, 'cancelled');
});

test('one that clears up keeps the right to it, also while its own part in the run does not let go', async () => {
  const job = await fleet.job({ objects: 30, slowMs: 20 });
  const hanging = Promise.withResolvers<void>();
  const before = job.from.hooks.before;
  job.from.hooks.before = async (operation, key) => {
    if (operation === 'GET' && key === 'k/000007') await hanging.promise;
    await before?.(operation, key);
  };
  const open = rowOpener(fleet.world);
  let isCancelled = false;
  const openConnector: OpenConnector = async (id, openTransport, ...rest) => {
    if (isCancelled && id === job.target.connectorId) await hanging.promise;
    return open(id, openTransport, ...rest);
  };
  const timing = { ...SHORT, leaseValidMs: 8_000, renewEveryMs: 300, giveUpMs: 7_000, sweepMsMax: 150_000 };
  await fleet.worker('one', { openConnector, timing });
  const { id } = await fleet.start(job);
  await fleet.untilTrue('something was copied', async () => job.to.keys('box').length > 5);
  isCancelled = true;
  await fleet.runs.cancel(PERSON, id);
  const sweep = async () => {
    const { rows } = await sql<{ epoch: number; leftMs: number; nowMs: number }>`SELECT epoch,
        (extract(epoch FROM lease_until - clock_timestamp()) * 1000)::float8 AS "leftMs",
        (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs"
      FROM segments WHERE run_id = ${id} AND kind = 'sweep'`.execute(fleet.world.db);
    return rows[0];
  };
  try {
    await fleet.untilTrue('it clears up', async () => (await sweep()) !== undefined);
    const first = (await sweep())!;
    let last = first;
    await fleet.untilTrue('longer than a lease holds', async () => {
      last = (await sweep()) ?? { ...first, leftMs: -1 };
      return last.leftMs < 0 || last.nowMs - first.nowMs > timing.leaseValidMs + 1_000;
    });
    expect(last.leftMs).toBeGreaterThan(0);
    expect(last.epoch).toBe(first.epoch);
  } finally {
    hanging.resolve();
  }
  await fleet.until(id, 'cancelled');
});
