/** What somebody tries who has no password, or a token that ends soon. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FakeClock } from '../../lib/fake-world.ts';
import type { Actor } from '../entities.ts';
import type { SignIn, Tokens } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { networkOf } from './attempts.ts';
import { openPasswords } from './passwords.ts';
import { actorOf, openPeople } from './people.ts';
import { openSignIn } from './sign-in.ts';
import { openTokens } from './tokens.ts';

const ANA = 'ana@acme.example';
const PASSWORD = 'correct horse battery';
const HOUR_MS = 3_600_000;

let clock: FakeClock;
let world: TestWorld;
let signIn: SignIn;
let tokens: Tokens;

beforeAll(async () => {
  clock = new FakeClock();
  world = await openTestWorld({ clock });
});
afterAll(() => world.close());

beforeEach(async () => {
  await world.db.deleteFrom('people').execute();
  await world.db.deleteFrom('sign_in_attempts').execute();
  await world.db.deleteFrom('audit').execute();
  signIn = openSignIn(world);
  tokens = openTokens(world);
  await signIn.setUp({ token: null, email: ANA, name: '', password: PASSWORD });
});

const codeOf = (email: string, address: string): Promise<string> =>
  signIn.withPassword({ email, password: 'a wrong password', address, userAgent: null }).then(
    () => 'let in',
    (thrown: unknown) => (thrown as { code: string }).code,
  );

describe('guessing passwords', () => {
  test('from all addresses that one line has is guessing from one address', async () => {
    const codes: string[] = [];
    for (let i = 0; i <= world.settings.signInAttemptsMax; i++) codes.push(await codeOf(ANA, `2001:db8:1:2::${i + 1}`));
    expect(codes.at(-1)).toBe('RATE_LIMITED');
    expect(await codeOf(ANA, '2001:db8:1:3::1')).toBe('NOT_SIGNED_IN');
  });

  test.each([
    ['2001:db8:0:2:ffff::1', '2001:db8:0:2::/64'],
    ['2001:DB8::2:1:1:1:1', '2001:db8:0:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['10.0.0.1', '10.0.0.1'],
    ['', ''],
  ])('%s lies in %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  test('who is there shows neither in the answer nor in what the answer waits for', async () => {
    const lines = async (): Promise<number> => {
      const { rows } = await sql<{ count: number }>`SELECT count(*)::int AS count FROM audit`.execute(world.db);
      return rows[0]?.count ?? 0;
    };
    const before = await lines();
    await codeOf(ANA, '10.0.0.1');
    const known = (await lines()) - before;
    await codeOf('hunter2hunter2', '10.0.0.1');
    expect((await lines()) - before - known).toBe(known);
    // Instead of the address some type their password.
    const { rows } = await sql`SELECT * FROM audit`.execute(world.db);
    expect(JSON.stringify(rows)).not.toContain('hunter2');
  });
});

describe('a token', () => {
  const actorOfSecret = async (secret: string): Promise<Actor> => (await signIn.token(secret, null)) as Actor;
  const inHours = (hours: number): string => new Date(clock.now() + hours * HOUR_MS).toISOString();

  test('that ends makes none that lasts longer', async () => {
    const { person } = await signIn.withPassword({ email: ANA, password: PASSWORD, address: null, userAgent: null });
    const short = await tokens.create(actorOf(person, null), { name: 'short', role: 'admin', expiresAt: inHours(1) });
    const actor = await actorOfSecret(short.secret);
    for (const [name, expiresAt] of [
      ['ever', null],
      ['long', inHours(2)],
    ] as const) {
      await expect(tokens.create(actor, { name, role: 'viewer', expiresAt })).rejects.toMatchObject({
        code: 'FORBIDDEN',
        field: 'expiresAt',
      });
    }
    await tokens.create(actor, { name: 'same', role: 'viewer', expiresAt: inHours(1) });
    const lasting = await tokens.create(actorOf(person, null), { name: 'lasting', role: 'admin', expiresAt: null });
    await tokens.create(await actorOfSecret(lasting.secret), { name: 'made', role: 'admin', expiresAt: null });
  });

  test('ends none that may do more than itself', async () => {
    const { person } = await signIn.withPassword({ email: ANA, password: PASSWORD, address: null, userAgent: null });
    const mighty = await tokens.create(actorOf(person, null), { name: 'mighty', role: 'admin', expiresAt: null });
    const weak = await tokens.create(actorOf(person, null), { name: 'weak', role: 'viewer', expiresAt: null });
    const actor = await actorOfSecret(weak.secret);
    await expect(tokens.remove(actor, mighty.token.id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await signIn.token(mighty.secret, null)).not.toBeNull();
    await tokens.remove(actor, weak.token.id);
    expect(await signIn.token(weak.secret, null)).toBeNull();
  });
});

describe('a password that is just being checked', () => {
  const asked = { email: ANA, password: PASSWORD, address: '10.0.0.9', userAgent: null };

  /** Something happens between the look at the person and the session. */
  function meanwhile(happens: () => Promise<unknown>): SignIn {
    const passwords = openPasswords();
    return openSignIn(world, {
      hash: (password) => passwords.hash(password),
      async verify(kept, password) {
        const fits = await passwords.verify(kept, password);
        await happens();
        return fits;
      },
    });
  }

  test.each([
    ['is replaced', { password: 'another horse battery' }],
    ['is of somebody who is disabled', { state: 'disabled' }],
  ] as const)('opens no session when it %s', async (_, change) => {
    const people = openPeople(world);
    const boss = { email: 'boss@acme.example', name: '', role: 'admin', password: PASSWORD } as const;
    await people.create(world.as('admin'), boss);
    const ana = await world.db.selectFrom('people').select('id').where('email', '=', ANA).executeTakeFirstOrThrow();
    const late = meanwhile(() => people.update(world.as('admin'), ana.id, null, change));
    await expect(late.withPassword(asked)).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
    expect(await world.db.selectFrom('sessions').selectAll().where('person_id', '=', ana.id).execute()).toEqual([]);
  });
});
