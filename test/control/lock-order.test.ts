/** That nobody waits for whoever waits for him, and that nobody is told before there is anything to see. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Heartbeat } from '../../src/control/fleet/heartbeat.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { openRuns } from '../../src/control/runs/service.ts';
import { PostgresRunStore } from '../../src/control/runs/store.ts';
import { changeWaits, fenceOff } from '../../src/control/runs/transitions.ts';
import { openTestWorld, type TestWorld } from '../../src/control/testing.ts';
import { makeConnector, makeJob, makeRunRow, rowOpener } from './made.ts';

const RUN = 'lockorder';
const SEGMENTS = 60;
const ROUNDS = 150;

let world: TestWorld;
beforeEach(async () => {
  world = await openTestWorld();
  const connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  const job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
  await makeRunRow(world, job, RUN);
});
afterEach(() => world.close());

test('renewing leases, giving them back and taking them all away never wait for each other in a circle', async () => {
  const { db } = world;
  const workerId = randomUUID();
  await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
    VALUES (${workerId}, 'one', 'here', 1, '0', 1, 'active', now(), now())`.execute(db);
  const store = new PostgresRunStore(db);
  // In the table in another order than by their ids.
  const segments = Array.from({ length: SEGMENTS }, (_, at) => ({
    segmentId: `s${String((at * 37) % SEGMENTS).padStart(3, '0')}`,
    kind: 'keys' as const,
    from: String(at).padStart(3, '0'),
    to: null,
  }));
  await store.startSegments(RUN, segments);
  for (let at = 0; at < SEGMENTS; at++) await store.claim(RUN, workerId);
  const held = store.held.toReversed();
  const none = (): void => undefined;
  const parts = { openConnector: rowOpener(world), reportHealth: async () => undefined, append: async () => undefined };
  const heartbeat = new Heartbeat(fleetWorld(world, parts), workerId, {
    held: () => held,
    onLost: none,
    onTaken: none,
    onGone: none,
    onDrain: none,
  });
  const undone = new Error('undone');
  const fence = (): Promise<void> =>
    db
      .transaction()
      .execute(async (tx) => {
        await fenceOff(tx, RUN);
        throw undone;
      })
      .catch((error: unknown) => {
        if (error !== undone) throw error;
      });
  const often = async (work: () => Promise<void>): Promise<void> => {
    for (let round = 0; round < ROUNDS; round++) await work();
  };
  await Promise.all([often(() => heartbeat.beat()), often(fence)]);
  await Promise.all([often(() => store.releaseAll(RUN, workerId)), often(fence), often(() => heartbeat.beat())]);
});

test('why a run waits is told when it can be read, and not at all when it did not come to it', async () => {
  const { db, bus } = world;
  const told: string[] = [];
  await bus.ready();
  bus.listen((topic, id) => void told.push(`${topic} ${id}`));
  const marked = async (mark: string): Promise<void> => {
    await bus.tell('runs', mark);
    await expect.poll(() => told).toContain(`runs ${mark}`);
  };
  const waits = { kind: 'limit', text: 'x', runId: null, connectorId: null } as const;
  await db.transaction().execute(async (tx) => {
    expect(await changeWaits(tx, bus, RUN, ['running'], waits)).toBe(true);
    await marked('before');
    expect(told).not.toContain(`run ${RUN}`);
  });
  await marked('after');
  expect(told).toContain(`run ${RUN}`);
});

test('deleting a run and starting one that repeats it never wait for each other in a circle', async () => {
  const { db } = world;
  await sql`UPDATE runs SET state = 'failed', ended_at = now()`.execute(db);
  const runs = openRuns(world, { preflight: null as never, append: async () => undefined });
  const isWaiting = async (): Promise<boolean> => {
    const { rows } = await sql`SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`.execute(db);
    return rows.length > 0;
  };
  const removing = await db.transaction().execute(async (tx) => {
    // As the start of a run does: its job, and then the run that it repeats.
    await sql`SELECT FROM jobs FOR UPDATE`.execute(tx);
    const removed = runs.remove(world.as('operator'), RUN);
    removed.catch(() => undefined);
    await expect.poll(isWaiting).toBe(true);
    const { rows } = await sql`SELECT FROM runs WHERE id = ${RUN} FOR SHARE`.execute(tx);
    expect(rows).toHaveLength(1);
    return { removed };
  });
  await removing.removed;
});
