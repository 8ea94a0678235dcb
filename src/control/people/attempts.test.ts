/** Failed attempts, counted over all servers of one database. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FakeClock } from '../../lib/fake-world.ts';
import { DroverError } from '../../model/errors.ts';
import type { SignIn } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { networkOf, openAttempts } from './attempts.ts';
import { openPeople } from './people.ts';
import { openSignIn } from './sign-in.ts';
import { openTokens } from './tokens.ts';

const ANA = 'ana@acme.example';
const BEN = 'ben@acme.example';
const PASSWORD = 'correct horse battery';
const WINDOW_MS = 15 * 60_000;
const MAX = 10;

let clock: FakeClock;
let worlds: readonly [TestWorld, TestWorld];
/** Two servers on one database. */
let servers: readonly [SignIn, SignIn];

beforeAll(async () => {
  clock = new FakeClock();
  const first = await openTestWorld({ clock });
  worlds = [first, await openTestWorld({ clock, databaseUrl: first.databaseUrl })];
});
afterAll(async () => {
  for (const world of worlds.toReversed()) await world.close();
});
beforeEach(async () => {
  const { db } = worlds[0];
  for (const table of ['people', 'sign_in_attempts'] as const) await db.deleteFrom(table).execute();
  servers = [openSignIn(worlds[0]), openSignIn(worlds[1])];
  await servers[0].setUp({ token: null, email: ANA, name: '', password: PASSWORD });
  await openPeople(worlds[0]).create(worlds[0].as('admin'), {
    email: BEN,
    name: '',
    role: 'viewer',
    password: PASSWORD,
  });
});

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'let in',
    (thrown: unknown) => (thrown as { code: string }).code,
  );
const attempt = (
  server: SignIn,
  address: string,
  given: { email?: string; password?: string; sessionSecret?: string | null } = {},
) => server.withPassword({ email: ANA, password: 'a wrong password', address, userAgent: null, ...given });

/** From another network, and to the other server, each time. */
async function guessFromEverywhere(count: number): Promise<string[]> {
  const codes: string[] = [];
  for (let i = 0; i < count; i++) {
    codes.push(await codeOf(attempt(servers[i % 2] as SignIn, `10.${i >> 8}.${i & 255}.1`)));
  }
  return codes;
}

describe('guesses against one person from many networks, to several servers', () => {
  test('have to wait, the right password too; others sign in as ever', async () => {
    const codes = await guessFromEverywhere(3 * MAX + 1);
    expect(codes.slice(0, -1)).toEqual(Array(3 * MAX).fill('NOT_SIGNED_IN'));
    expect(codes.at(-1)).toBe('RATE_LIMITED');
    for (const server of servers)
      expect(await codeOf(attempt(server, '172.16.0.1', { password: PASSWORD }))).toBe('RATE_LIMITED');
    expect(await codeOf(attempt(servers[1], '172.16.0.1', { email: BEN, password: PASSWORD }))).toBe('let in');
  });

  test('somebody who is not there is limited alike', async () => {
    const email = 'nobody@acme.example';
    for (let i = 0; i < 3 * MAX; i++) await codeOf(attempt(servers[0], `10.0.${i}.1`, { email }));
    expect(await codeOf(attempt(servers[1], '172.16.0.1', { email }))).toBe('RATE_LIMITED');
  });

  test('are counted together however the address is written, as the table of people reads it', async () => {
    const email = 'irini.iliadi@acme.example';
    const person = { email, name: '', role: 'viewer', password: PASSWORD } as const;
    await openPeople(worlds[0]).create(worlds[0].as('admin'), person);
    const written = (i: number): string =>
      email.replaceAll('i', (_, at: number) => ((i >> (at % 5)) & 1 ? '\u0130' : 'I'));
    expect(await codeOf(attempt(servers[0], '172.16.1.1', { email: written(31), password: PASSWORD }))).toBe('let in');
    await worlds[0].db.deleteFrom('sessions').execute();
    const codes: string[] = [];
    for (let i = 0; i <= 3 * MAX; i++)
      codes.push(await codeOf(attempt(servers[i % 2] as SignIn, `10.0.${i}.1`, { email: written(i) })));
    expect(codes.at(-2)).toBe('NOT_SIGNED_IN');
    expect(codes.at(-1)).toBe('RATE_LIMITED');
  });

  test('a password that nobody had the time to look at is no failure', async () => {
    const busy = new DroverError('RATE_LIMITED', 'Too many people sign in at this moment.');
    const refusing = { hash: () => Promise.reject(busy), verify: () => Promise.reject(busy) };
    const flooded = openSignIn(worlds[0], refusing);
    const ana = await worlds[0].db.selectFrom('people').select('id').where('email', '=', ANA).executeTakeFirstOrThrow();
    const own = { ...worlds[0].as('admin'), personId: ana.id };
    const people = openPeople(worlds[0], refusing);
    for (let i = 0; i < 2 * MAX; i++) {
      await expect(attempt(flooded, '10.0.0.1', { password: PASSWORD })).rejects.toBe(busy);
      await expect(people.changePassword(own, { current: PASSWORD, next: PASSWORD }, null)).rejects.toBe(busy);
    }
    expect(await codeOf(attempt(servers[0], '10.0.0.1', { password: PASSWORD }))).toBe('let in');
  });

  test('the wait grows, never beyond the window, and ends', async () => {
    await guessFromEverywhere(3 * MAX);
    const waits: number[] = [];
    for (let round = 0; round < 8; round++) {
      const refusal = await attempt(servers[round % 2] as SignIn, `192.168.${round}.1`).catch(
        (thrown: unknown) => thrown,
      );
      const { retryAfterMs } = refusal as { retryAfterMs: number };
      waits.push(retryAfterMs);
      await clock.advance(retryAfterMs);
      expect(await codeOf(attempt(servers[0], `192.168.${100 + round}.1`))).toBe('NOT_SIGNED_IN');
    }
    expect(waits).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, WINDOW_MS, WINDOW_MS, WINDOW_MS]);
    await clock.advance(WINDOW_MS);
    expect(await codeOf(attempt(servers[0], '172.16.0.1', { password: PASSWORD }))).toBe('let in');
    expect(await codeOf(attempt(servers[1], '172.16.0.2'))).toBe('NOT_SIGNED_IN');
  });

  test('keep nobody out who is signed in: by the session, or from the network of one', async () => {
    const { secret } = await attempt(servers[0], '172.16.0.1', { password: PASSWORD });
    await guessFromEverywhere(3 * MAX);
    expect(await codeOf(attempt(servers[1], '172.16.0.9', { password: PASSWORD }))).toBe('RATE_LIMITED');
    expect(await codeOf(attempt(servers[1], '172.16.0.9', { password: PASSWORD, sessionSecret: 'made up' }))).toBe(
      'RATE_LIMITED',
    );
    expect(await codeOf(attempt(servers[1], '172.16.0.9', { password: PASSWORD, sessionSecret: secret }))).toBe(
      'let in',
    );
    expect(await codeOf(attempt(servers[1], '172.16.0.1', { password: PASSWORD }))).toBe('let in');
    expect(await servers[1].session(secret)).not.toBeNull();
  });

  test('a session is no licence to guess', async () => {
    const { secret } = await attempt(servers[0], '172.16.0.1', { password: PASSWORD });
    const codes: string[] = [];
    for (let i = 0; i <= MAX; i++)
      codes.push(await codeOf(attempt(servers[i % 2] as SignIn, `10.0.${i}.1`, { sessionSecret: secret })));
    expect(codes.at(-1)).toBe('RATE_LIMITED');
  });

  test('a clock that is set back keeps nobody waiting for longer than the window', async () => {
    await guessFromEverywhere(3 * MAX + 1);
    const past = openSignIn({ ...worlds[0], clock: new FakeClock(clock.now() - 10 * 24 * 3_600_000) });
    expect(await codeOf(attempt(past, '172.16.0.1', { password: PASSWORD }))).toBe('let in');
  });
});

describe('other ways in', () => {
  test('tokens: guesses from one network have to wait, valid ones never', async () => {
    const { db } = worlds[0];
    const tries = Array.from({ length: 10 * MAX + 1 }, (_, i) => i);
    const codes: string[] = [];
    for (const i of tries) codes.push(await codeOf(servers[i % 2]!.token(`drv_guess${i}`, '10.0.0.1')));
    expect(codes.at(-2)).toBe('let in');
    expect(codes.at(-1)).toBe('RATE_LIMITED');
    expect(await servers[0].token('drv_guess', '10.0.0.2')).toBeNull();
    const person = await db.selectFrom('people').select('id').where('email', '=', ANA).executeTakeFirstOrThrow();
    const actor = { ...worlds[0].as('admin'), personId: person.id };
    const made = await openTokens(worlds[0]).create(actor, { name: 'ci', role: 'viewer', expiresAt: null });
    expect(await servers[0].token(made.secret, '10.0.0.1')).toMatchObject({ role: 'viewer' });
  });

  test('the set-up link', async () => {
    await worlds[0].db.deleteFrom('people').execute();
    const token = await servers[0].makeSetupToken();
    const input = { email: ANA, name: '', password: PASSWORD };
    const codes: string[] = [];
    for (let i = 0; i <= 30; i++)
      codes.push(await codeOf(servers[i % 2]!.setUp({ ...input, token: 'guess', address: '10.0.0.1' })));
    expect(codes.at(-2)).toBe('NOT_SIGNED_IN');
    expect(codes.at(-1)).toBe('RATE_LIMITED');
    expect(await codeOf(servers[0].setUp({ ...input, token, address: '10.0.0.1' }))).toBe('RATE_LIMITED');
    // A wrong form is no guess.
    for (let i = 0; i <= 30; i++)
      await codeOf(servers[0].setUp({ ...input, password: 'short', token, address: '10.0.0.2' }));
    expect(await codeOf(servers[0].setUp({ ...input, token, address: '10.0.0.2' }))).toBe('let in');
  });
});

test('what was typed is not kept, and what is over is removed', async () => {
  const { db } = worlds[0];
  await codeOf(attempt(servers[0], '10.0.0.1', { email: 'my-secret-password' }));
  const rows = await db.selectFrom('sign_in_attempts').selectAll().execute();
  expect(rows).toHaveLength(3);
  expect(JSON.stringify(rows)).not.toMatch(/my-secret-password|10\.0\.0\.1/);
  await clock.advance(2 * WINDOW_MS);
  await codeOf(attempt(servers[0], '10.0.0.2'));
  expect(await db.selectFrom('sign_in_attempts').selectAll().execute()).toHaveLength(3);
});

test('what a flood left is removed as fast as another one brings more', async () => {
  const { db } = worlds[0];
  const attempts = openAttempts(worlds[0], WINDOW_MS);
  await attempts.begin([{ key: 'before', max: 5, clears: true }]);
  const forgotten_at = new Date(clock.now() - 1);
  const old = Array.from({ length: 2_500 }, (_, i) => ({ key: `old ${i}`, failures: 1, forgotten_at }));
  await db.insertInto('sign_in_attempts').values(old).execute();
  await clock.advance(60_000);
  for (let i = 0; i < 3; i++) await attempts.begin([{ key: `new ${i}`, max: 5, clears: true }]);
  expect(await db.selectFrom('sign_in_attempts').selectAll().execute()).toHaveLength(4);
});

test('a network is the same one whatever port a proxy tells with the address', () => {
  for (const address of ['192.0.2.7', '192.0.2.7:50123', '::ffff:192.0.2.7', '[::ffff:192.0.2.7]:50123'])
    expect(networkOf(address)).toBe('192.0.2.7');
  for (const address of ['2001:db8:1:2::7', '[2001:db8:1:2::8]:50123', '[2001:db8:1:2::9]', '2001:db8:1:2::7%eth0'])
    expect(networkOf(address)).toBe('2001:db8:1:2::/64');
});

test('many at once are all counted', async () => {
  const both = worlds.map((world) => openAttempts(world, WINDOW_MS));
  const keys = ['one', 'two', 'three'].map((key) => ({ key, max: 5, clears: true }));
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, i) => codeOf(both[i % 2]!.begin(i % 3 === 0 ? keys.toReversed() : keys))),
  );
  expect(outcomes.filter((code) => code === 'let in')).toHaveLength(5);
  expect(outcomes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(15);
});
