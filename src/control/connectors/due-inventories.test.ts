/** Inventories that are due: one that fails or ends its server is tried again a few times, then given up, and said so. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { makeConnector } from '../../../test/control/made.ts';
import { FakeClock } from '../../lib/fake-world.ts';
import { DroverError, type ErrorCode } from '../../model/errors.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { INVENTORY_ATTEMPTS_MAX, syncDueInventories } from './due-inventories.ts';

const MINUTE_MS = 60_000;
const NEVER = new AbortController().signal;

let world: TestWorld;
let clock: FakeClock;
let id: string;
beforeAll(async () => {
  clock = new FakeClock();
  world = await openTestWorld({ clock });
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.db.deleteFrom('connectors').execute();
  id = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
});

async function due(syncEveryMinutes: number | null): Promise<void> {
  await sql`UPDATE connectors SET cloud = ${JSON.stringify({ syncEveryMinutes, lastSyncError: null })}::jsonb,
    next_sync_at = ${new Date(clock.now())}, sync_attempts = 0 WHERE id = ${id}`.execute(world.db);
}

/** Minutes until it is looked at next. */
async function waits(): Promise<{ minutes: number | null; attempts: number; error: string | null }> {
  const row = await world.db
    .selectFrom('connectors')
    .select(['next_sync_at', 'sync_attempts', 'cloud'])
    .executeTakeFirstOrThrow();
  const { lastSyncError } = row.cloud as { lastSyncError: { message: string } | null };
  const minutes = row.next_sync_at === null ? null : (row.next_sync_at.getTime() - clock.now()) / MINUTE_MS;
  return { minutes, attempts: row.sync_attempts, error: lastSyncError?.message ?? null };
}

const failing = (code: ErrorCode) => async (): Promise<void> => {
  throw new DroverError(code, 'It failed.');
};

test.each([
  [null, null],
  [60, 60],
])('a fault that may pass is tried again sooner and sooner given up (every %j minutes)', async (every, regular) => {
  await due(every);
  for (const next of [1, 2, 4, 8]) {
    expect(await syncDueInventories(world, failing('UNREACHABLE'), NEVER)).toBe(1);
    expect((await waits()).minutes).toBe(next);
    await clock.advance(next * MINUTE_MS);
  }
  expect(await syncDueInventories(world, failing('UNREACHABLE'), NEVER)).toBe(1);
  expect(await waits()).toMatchObject({ minutes: regular, attempts: 0 });
});

test('a fault that does not pass waits for its regular time, and so does success', async () => {
  for (const refresh of [failing('UNAUTHENTICATED'), async () => undefined]) {
    await due(30);
    expect(await syncDueInventories(world, refresh, NEVER)).toBe(1);
    expect(await waits()).toMatchObject({ minutes: 30, attempts: 0 });
  }
});

test('one whose server ends is taken by another after the hold, also where it is looked at only once', async () => {
  await due(null);
  void syncDueInventories(world, () => new Promise(() => undefined), NEVER);
  await expect.poll(async () => (await waits()).attempts).toBe(1);
  expect((await waits()).minutes).toBe(10);
  const seen: string[] = [];
  const refresh = async (connectorId: string): Promise<void> => void seen.push(connectorId);
  await clock.advance(9 * MINUTE_MS);
  expect(await syncDueInventories(world, refresh, NEVER)).toBe(0);
  await clock.advance(MINUTE_MS);
  expect(await syncDueInventories(world, refresh, NEVER)).toBe(1);
  expect(seen).toEqual([id]);
  expect(await waits()).toMatchObject({ minutes: null, attempts: 0 });
});

test.each([null, 60])('one that ends every server is given up with a reason (every %j minutes)', async (every) => {
  await due(every);
  for (let attempt = 1; attempt <= INVENTORY_ATTEMPTS_MAX; attempt++) {
    void syncDueInventories(world, () => new Promise(() => undefined), NEVER);
    await expect.poll(async () => (await waits()).attempts).toBe(attempt);
    await clock.advance(((await waits()).minutes ?? 0) * MINUTE_MS);
  }
  expect(await syncDueInventories(world, failing('INTERNAL'), NEVER)).toBe(1);
  expect(await waits()).toEqual({
    minutes: every,
    attempts: 0,
    error: 'Each of 5 servers that took this inventory ended while it did so.',
  });
});

test('told to stop, it leaves the rest to others at once, and that is no try', async () => {
  await due(null);
  const stopper = new AbortController();
  const refresh = async (): Promise<void> => {
    stopper.abort();
    throw new DroverError('CANCELLED', 'stopped');
  };
  expect(await syncDueInventories(world, refresh, stopper.signal)).toBe(1);
  expect(await waits()).toMatchObject({ minutes: 0, attempts: 0 });
});

test('a time that somebody has given it meanwhile stays', async () => {
  await due(60);
  const refresh = async (): Promise<void> => {
    await sql`UPDATE connectors SET next_sync_at = ${new Date(clock.now() + 5 * MINUTE_MS)}`.execute(world.db);
  };
  await syncDueInventories(world, refresh, NEVER);
  expect((await waits()).minutes).toBe(5);
});
