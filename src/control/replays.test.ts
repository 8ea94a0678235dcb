/** Idempotency keys on a real database. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-world.ts';
import { openReplays, type Replays } from './replays.ts';
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

test('of many at once one begins, and the others see its answer', async () => {
  const begun = await Promise.all(Array.from({ length: 8 }, () => replays.begin('ana', 'k1', 'h')));
  expect(begun.map(({ kind }) => kind).toSorted()).toEqual([...Array<string>(7).fill('busy'), 'new']);
  await replays.finish('ana', 'k1', ANSWER);
  expect(await replays.begin('ana', 'k1', 'h')).toEqual({ kind: 'done', answer: ANSWER });
});

test('a key belongs to its scope and its request', async () => {
  await replays.begin('ana', 'k2', 'h');
  await replays.finish('ana', 'k2', ANSWER);
  expect(await replays.begin('ana', 'k2', 'another')).toEqual({ kind: 'other' });
  expect(await replays.begin('ben', 'k2', 'another')).toEqual({ kind: 'new' });
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
  await replays.begin('ana', 'k3', 'h');
  await replays.abandon('ana', 'k3');
  expect(await replays.begin('ana', 'k3', 'h')).toEqual({ kind: 'new' });
  await replays.finish('ana', 'k3', ANSWER);
  await replays.abandon('ana', 'k3');
  expect((await replays.begin('ana', 'k3', 'h')).kind).toBe('done');
});

test('a request whose process died may be tried again after a while', async () => {
  await replays.begin('ana', 'k4', 'h');
  await clock.advance(119_000);
  expect((await replays.begin('ana', 'k4', 'h')).kind).toBe('busy');
  await clock.advance(2_000);
  expect((await replays.begin('ana', 'k4', 'h')).kind).toBe('new');
});

test('a key is forgotten after a day', async () => {
  await replays.begin('ana', 'k5', 'h');
  await replays.finish('ana', 'k5', ANSWER);
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
