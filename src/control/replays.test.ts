/** Idempotency keys on a real database. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-world.ts';
import type { KeyedRequest } from './entities.ts';
import { openProjects } from './projects/service.ts';
import { noteMade, openReplays, type Replays } from './replays.ts';
import { openTestWorld, type TestWorld } from './testing.ts';

const ANSWER = { status: 201, headers: { etag: '"1"' }, body: '{"id":"x"}' };

let clock: FakeClock;
let world: TestWorld;
let replays: Replays;

beforeAll(async () => {
  clock = new FakeClock();
  world = await openTestWorld({ clock });
  replays = openReplays(world);
});
afterAll(() => world.close());

/** Begins what nobody has begun. */
async function newOne(scope: string, key: string, hash = 'h'): Promise<KeyedRequest> {
  const begun = await replays.begin(scope, key, hash);
  if (begun.kind !== 'new') throw new Error(`it is ${begun.kind}`);
  return begun.request;
}

/** Makes something as the services do: one transaction with its audit line. */
function make(request: KeyedRequest, name: string): Promise<unknown> {
  const projects = openProjects(world, { removeFilesOf: async () => undefined });
  return projects.create({ ...world.as('operator'), request }, { name });
}

async function made(name: string): Promise<string[]> {
  const rows = await world.db.selectFrom('projects').select('id').where('name', 'like', `${name}%`).execute();
  return rows.map(({ id }) => id);
}

test('of many at once one begins, and the others see its answer', async () => {
  const begun = await Promise.all(Array.from({ length: 8 }, () => replays.begin('ana', 'k1', 'h')));
  expect(begun.map(({ kind }) => kind).toSorted()).toEqual([...Array<string>(7).fill('busy'), 'new']);
  await replays.finish({ scope: 'ana', key: 'k1', attempt: 1 }, ANSWER);
  expect(await replays.begin('ana', 'k1', 'h')).toEqual({ kind: 'done', answer: ANSWER });
});

test('a key belongs to its scope and its request', async () => {
  await replays.finish(await newOne('ana', 'k2'), ANSWER);
  expect(await replays.begin('ana', 'k2', 'another')).toEqual({ kind: 'other' });
  expect((await replays.begin('ben', 'k2', 'another')).kind).toBe('new');
});

test('what a request was is not told to whoever reads the database', async () => {
  await replays.begin('ana', 'k-secret', 'hash of a request with a password');
  const row = await world.db
    .selectFrom('idempotency')
    .selectAll()
    .where('key', '=', 'k-secret')
    .executeTakeFirstOrThrow();
  expect(row.request_hash).toMatch(/^[0-9a-f]{64}$/);
  expect(JSON.stringify(row)).not.toContain('hash of a request');
});

test('what failed may be tried again; what is done stays done', async () => {
  await replays.abandon(await newOne('ana', 'k3'));
  const again = await newOne('ana', 'k3');
  await replays.finish(again, ANSWER);
  await replays.abandon(again);
  expect((await replays.begin('ana', 'k3', 'h')).kind).toBe('done');
});

test('a request whose process died before it made anything may be tried again after a while', async () => {
  await newOne('ana', 'k4');
  await clock.advance(119_000);
  expect((await replays.begin('ana', 'k4', 'h')).kind).toBe('busy');
  await clock.advance(2_000);
  expect((await replays.begin('ana', 'k4', 'h')).kind).toBe('new');
});

test('a request whose process died after it made something is found, at once and for a day', async () => {
  const request = await newOne('ana', 'k-died');
  await make(request, 'died');
  const [entityId] = await made('died');
  const found = { kind: 'made', request, entityId };
  expect(await replays.begin('ana', 'k-died', 'h')).toEqual(found);
  expect((await replays.begin('ana', 'k-died', 'another')).kind).toBe('other');
  // It failed after it was made: that takes nothing back.
  await replays.abandon(request);
  await clock.advance(23 * 3_600_000);
  const several = await Promise.all(Array.from({ length: 8 }, () => replays.begin('ana', 'k-died', 'h')));
  expect(several).toEqual(Array(8).fill(found));
});

test('a request that was given up for dead and lives makes nothing any more', async () => {
  const slow = await newOne('ana', 'k-slow');
  await clock.advance(121_000);
  const fast = await newOne('ana', 'k-slow');
  await make(fast, 'slow fast');
  await expect(make(slow, 'slow slow')).rejects.toMatchObject({ code: 'GUARD_BUSY' });
  // Neither does what it says at its end hide what the other one has made.
  await replays.abandon(slow);
  await replays.finish(slow, { ...ANSWER, body: 'of the slow one' });
  const [entityId] = await made('slow');
  expect(await made('slow')).toHaveLength(1);
  expect(await replays.begin('ana', 'k-slow', 'h')).toEqual({ kind: 'made', request: fast, entityId });
});

test('a repeat that meets a transaction waits for it, and never takes over what has made something', async () => {
  const request = await newOne('ana', 'k-meet');
  await clock.advance(121_000);
  const held = Promise.withResolvers<void>();
  const isIn = Promise.withResolvers<void>();
  const making = world.db.transaction().execute(async (tx) => {
    await noteMade(tx, request, 'project', 'made-in-time');
    isIn.resolve();
    await held.promise;
  });
  await isIn.promise;
  let isAnswered = false;
  const repeat = replays.begin('ana', 'k-meet', 'h').finally(() => (isAnswered = true));
  await expect
    .poll(
      async () =>
        (
          await sql`SELECT FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock'`.execute(world.db)
        ).rows.length,
    )
    .toBeGreaterThan(0);
  expect(isAnswered).toBe(false);
  held.resolve();
  await making;
  expect(await repeat).toMatchObject({ kind: 'made', entityId: 'made-in-time' });
});

test('a key is forgotten after a day', async () => {
  await replays.finish(await newOne('ana', 'k5'), ANSWER);
  await clock.advance(24 * 3_600_000 - 1);
  expect((await replays.begin('ana', 'k5', 'another')).kind).toBe('other');
  await clock.advance(2);
  expect((await replays.begin('ana', 'k5', 'another')).kind).toBe('new');
  const { left } = await world.db
    .selectFrom('idempotency')
    .select(sql<string>`count(*)`.as('left'))
    .executeTakeFirstOrThrow();
  expect(Number(left)).toBe(1);
});
