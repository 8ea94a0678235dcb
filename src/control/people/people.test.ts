/** People, sessions, tokens and set-up on a real database. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FakeClock } from '../../lib/fake-world.ts';
import type { Actor, Person } from '../entities.ts';
import type { People, SignIn, Tokens } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { actorOf, openPeople } from './people.ts';
import { openSignIn } from './sign-in.ts';
import { openTokens } from './tokens.ts';

const ANA = 'ana@acme.example';
const PASSWORD = 'correct horse battery';
const HOUR_MS = 3_600_000;
const VISITOR = { address: '10.0.0.1', userAgent: 'a browser' };

let clock: FakeClock;
let world: TestWorld;
let people: People;
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
  await world.db.deleteFrom('facts_of_installation').execute();
  people = openPeople(world);
  signIn = openSignIn(world);
  tokens = openTokens(world);
});

async function makeAna(): Promise<{ person: Person; actor: Actor }> {
  const person = await signIn.setUp({ token: null, email: ANA, name: '', password: PASSWORD });
  return { person, actor: actorOf(person, null) };
}

const enter = (password = PASSWORD, address = VISITOR.address, email = ANA) =>
  signIn.withPassword({ email, password, ...VISITOR, address });

describe('set-up', () => {
  test('makes the first administrator, once', async () => {
    expect(await signIn.needsSetup()).toBe(true);
    const token = await signIn.makeSetupToken();
    const person = await signIn.setUp({ token, email: ` ${ANA} `, name: '', password: PASSWORD });
    expect(person).toMatchObject({ email: ANA, name: 'ana', role: 'admin', state: 'active', signIn: 'password' });
    expect(await signIn.needsSetup()).toBe(false);
    await expect(signIn.setUp({ token, email: 'b@b.example', name: '', password: PASSWORD })).rejects.toMatchObject({
      code: 'WRONG_STATE',
    });
    await expect(signIn.makeSetupToken()).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  test('two at once make one', async () => {
    const token = await signIn.makeSetupToken();
    const both = await Promise.allSettled(
      ['a@a.example', 'b@b.example'].map((email) => signIn.setUp({ token, email, name: '', password: PASSWORD })),
    );
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect((await people.list(world.as('admin'), {})).items).toHaveLength(1);
  });

  test('refuses a wrong link, an old one, and one that was replaced', async () => {
    const first = await signIn.makeSetupToken();
    const second = await signIn.makeSetupToken();
    const input = { email: ANA, name: '', password: PASSWORD };
    await expect(signIn.setUp({ ...input, token: first })).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
    await expect(signIn.setUp({ ...input, token: '' })).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
    await clock.advance(HOUR_MS);
    await expect(signIn.setUp({ ...input, token: second })).rejects.toMatchObject({
      message: expect.stringContaining('has expired'),
      remedy: expect.stringContaining('drover setup --link'),
    });
  });

  test.each([
    ['ana@', 'email', 'a part after @ is missing'],
    ['ana', 'email', 'there is no @'],
    ['@acme', 'email', 'a part before @ is missing'],
    ['a b@acme', 'email', 'it holds a space'],
  ])('%s is no e-mail address', async (email, field, words) => {
    const call = signIn.setUp({ token: null, email, name: '', password: PASSWORD });
    await expect(call).rejects.toMatchObject({ code: 'INVALID_INPUT', field, message: expect.stringContaining(words) });
  });

  test.each([
    ['elevenchars', 'The password has 11 characters; it needs at least 12. Add one more.'],
    ['short', 'The password has 5 characters; it needs at least 12. Add 7 more.'],
    [ANA, 'The password is the e-mail address, which others know. Choose another one.'],
    ['aaaaaaaaaaaaaaa', 'The password repeats one or two characters, which is quickly guessed. Choose another one.'],
  ])('%s is no password', async (password, message) => {
    const call = signIn.setUp({ token: null, email: ANA, name: '', password });
    await expect(call).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'password', message });
  });
});

describe('signing in', () => {
  test('gives a session that says who it is', async () => {
    const { person } = await makeAna();
    const { secret, csrfToken } = await enter();
    const session = await signIn.session(secret);
    expect(session).toMatchObject({ csrfToken, person: { id: person.id }, actor: { kind: 'person', role: 'admin' } });
    expect(session?.person.lastSignInAt).not.toBeNull();
  });

  test('letter case of the address does not matter, that of the password does', async () => {
    await makeAna();
    await enter(PASSWORD, '10.0.0.2', 'ANA@Acme.Example');
    await expect(enter(PASSWORD.toUpperCase())).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
  });

  test('says the same of a wrong password, an unknown address and a disabled person', async () => {
    const { actor } = await makeAna();
    const ben = await people.create(actor, { email: 'ben@b.example', name: '', role: 'viewer', password: PASSWORD });
    await people.update(actor, ben.id, null, { state: 'disabled' });
    const refusals = await Promise.allSettled([
      enter('a wrong password'),
      enter(PASSWORD, '10.0.0.3', 'nobody@b.example'),
      enter(PASSWORD, '10.0.0.4', 'ben@b.example'),
    ]);
    const words = refusals.map((each) => (each.status === 'rejected' ? String(each.reason.message) : 'let in'));
    expect(new Set(words)).toEqual(new Set(['E-mail address or password is wrong.']));
  });

  test('a token is shown to its owner and to admins, to others it is not there', async () => {
    const { actor } = await makeAna();
    const person = (email: string) => people.create(actor, { email, name: email, role: 'viewer', password: PASSWORD });
    const [ben, cem] = [await person('ben@b.example'), await person('cem@b.example')];
    const { token } = await tokens.create(actorOf(ben, null), { name: 'ci', role: 'viewer', expiresAt: null });
    expect(await tokens.get(actorOf(ben, null), token.id)).toEqual(token);
    expect(await tokens.get(actor, token.id)).toEqual(token);
    for (const [asker, id] of [
      [actorOf(cem, null), token.id],
      [actor, 'nothing'],
    ] as const) {
      await expect(tokens.get(asker, id)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
    }
  });

  test('secrets are nowhere in the database', async () => {
    const { actor } = await makeAna();
    const { secret } = await enter();
    const made = await tokens.create(actor, { name: 'ci', role: 'viewer', expiresAt: null });
    const link = await world.db.selectFrom('sessions').selectAll().execute();
    const everything = JSON.stringify([
      link,
      await world.db.selectFrom('people').selectAll().execute(),
      await world.db.selectFrom('tokens').selectAll().execute(),
      await world.db.selectFrom('audit').selectAll().execute(),
    ]);
    for (const planted of [secret, made.secret, PASSWORD]) expect(everything).not.toContain(planted);
    expect(everything).toContain('$argon2id$');
  });

  test('too many failures from one address have to wait, and others do not', async () => {
    await makeAna();
    const wrong = (): Promise<unknown> => enter('a wrong password').catch((error: { code: string }) => error.code);
    const outcomes: unknown[] = [];
    for (let i = 0; i < world.settings.signInAttemptsMax + 1; i++) outcomes.push(await wrong());
    expect(outcomes.at(-2)).toBe('NOT_SIGNED_IN');
    expect(outcomes.at(-1)).toBe('RATE_LIMITED');
    await expect(enter()).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) });
    await enter(PASSWORD, '10.0.0.9');
    await clock.advance(world.settings.signInWindowMinutes * 60_000 + 1);
    await enter();
  });

  test('a success forgets the failures before it', async () => {
    await makeAna();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < world.settings.signInAttemptsMax - 1; i++) await enter('a wrong password').catch(() => null);
      await enter();
    }
  });

  test('is in the audit log, refusals too', async () => {
    await makeAna();
    await enter('a wrong password').catch(() => null);
    await enter();
    const lines = await world.db
      .selectFrom('audit')
      .select(['action', 'actor_name', 'address'])
      .orderBy('number')
      .execute();
    expect(lines.map(({ action }) => action)).toEqual(['person.set-up', 'person.sign-in-refused', 'person.sign-in']);
    expect(lines[2]).toMatchObject({ actor_name: 'ana', address: VISITOR.address });
  });
});

describe('a session', () => {
  test('lasts as long as it is used, up to a month', async () => {
    await makeAna();
    const { secret } = await enter();
    const lifetimeMs = world.settings.sessionLifetimeHours * HOUR_MS;
    const startMs = clock.now();
    let lastMs = startMs;
    for (let step = 0; step < 100; step++) {
      await clock.advance(lifetimeMs * 0.9);
      if ((await signIn.session(secret)) === null) break;
      lastMs = clock.now();
    }
    expect(lastMs - startMs).toBeGreaterThan(28 * 24 * HOUR_MS);
    expect(lastMs - startMs).toBeLessThanOrEqual(30 * 24 * HOUR_MS);
  });

  test('ends when nobody uses it; looking is no use', async () => {
    await makeAna();
    const { secret } = await enter();
    for (let hour = 0; hour < world.settings.sessionLifetimeHours; hour++) {
      expect(await signIn.session(secret, { isActivity: false })).not.toBeNull();
      await clock.advance(HOUR_MS);
    }
    expect(await signIn.session(secret)).toBeNull();
  });

  test('ends by signing out, alone', async () => {
    await makeAna();
    const [first, second] = [await enter(), await enter()];
    await signIn.end(first.secret);
    expect(await signIn.session(first.secret)).toBeNull();
    expect(await signIn.session(second.secret)).not.toBeNull();
  });

  test.each(['disabled', 'removed', 'given another password'])('ends when its person is %s', async (what) => {
    const { actor } = await makeAna();
    const ben = await people.create(actor, { email: 'ben@b.example', name: 'Ben', role: 'viewer', password: PASSWORD });
    const { secret } = await enter(PASSWORD, '10.0.0.5', 'ben@b.example');
    const made = await tokens.create(actorOf(ben, null), { name: 'ci', role: 'viewer', expiresAt: null });
    if (what === 'disabled') await people.update(actor, ben.id, null, { state: 'disabled' });
    else if (what === 'removed') await people.remove(actor, ben.id, null);
    else await people.update(actor, ben.id, null, { password: 'another good password' });
    expect(await signIn.session(secret)).toBeNull();
    expect(await signIn.token(made.secret, null)).toBeNull();
  });

  test.each([
    ['a new password', { password: 'another good password' }],
    ['disabling', { state: 'disabled' }],
  ] as const)(
    '%s leaves tokens where it is told to, and names in the audit log those it ended',
    async (_what, change) => {
      const { actor } = await makeAna();
      const ben = await people.create(actor, {
        email: 'ben@b.example',
        name: 'Ben',
        role: 'viewer',
        password: PASSWORD,
      });
      const ofBen = actorOf(ben, null);
      const made = await tokens.create(ofBen, { name: 'ci', role: 'viewer', expiresAt: null });
      const ofAna = await tokens.create(actor, { name: 'hers', role: 'viewer', expiresAt: null });
      await people.update(actor, ben.id, null, { ...change, endTokens: false });
      await people.update(actor, ben.id, null, { state: 'active' });
      expect(await signIn.token(made.secret, null)).toMatchObject({ personId: ben.id });
      await people.update(actor, ben.id, null, change);
      await people.update(actor, ben.id, null, { state: 'active' });
      expect(await signIn.token(made.secret, null)).toBeNull();
      expect(await signIn.token(ofAna.secret, null)).not.toBeNull();
      const lines = await world.db
        .selectFrom('audit')
        .select('changes')
        .where('entity_id', '=', ben.id)
        .orderBy('number')
        .execute();
      expect(lines.map(({ changes }) => (changes as Record<string, unknown>)['tokens']).filter(Boolean)).toEqual([
        ['ci', null],
      ]);
    },
  );

  test('one change of name ends nothing; tokens can also be ended by themselves', async () => {
    const { actor } = await makeAna();
    const ben = await people.create(actor, { email: 'ben@b.example', name: 'Ben', role: 'viewer', password: PASSWORD });
    const made = await tokens.create(actorOf(ben, null), { name: 'ci', role: 'viewer', expiresAt: null });
    await people.update(actor, ben.id, null, { name: 'Benjamin', role: 'operator' });
    expect(await signIn.token(made.secret, null)).not.toBeNull();
    await people.update(actor, ben.id, null, { endTokens: true });
    expect(await signIn.token(made.secret, null)).toBeNull();
  });

  test('a change of the own password ends tokens only when asked to', async () => {
    const { actor } = await makeAna();
    const made = await tokens.create(actor, { name: 'ci', role: 'viewer', expiresAt: null });
    const next = 'another good password';
    await people.changePassword(actor, { current: PASSWORD, next }, null);
    expect(await signIn.token(made.secret, null)).not.toBeNull();
    await people.changePassword(actor, { current: next, next: PASSWORD, endTokens: true }, null);
    expect(await signIn.token(made.secret, null)).toBeNull();
  });

  test('has the role its person has now', async () => {
    const { actor } = await makeAna();
    const ben = await people.create(actor, { email: 'ben@b.example', name: 'Ben', role: 'admin', password: PASSWORD });
    const { secret } = await enter(PASSWORD, '10.0.0.6', 'ben@b.example');
    await people.update(actor, ben.id, null, { role: 'viewer' });
    expect((await signIn.session(secret))?.actor.role).toBe('viewer');
  });

  test('stays when the own password is changed in it; others end', async () => {
    const { actor } = await makeAna();
    const [here, elsewhere] = [await enter(), await enter()];
    const change = { current: PASSWORD, next: 'another good password' };
    await expect(people.changePassword(actor, { ...change, current: 'wrong' }, here.secret)).rejects.toMatchObject({
      field: 'current',
    });
    await people.changePassword(actor, change, here.secret);
    const guess = (): Promise<unknown> =>
      people
        .changePassword(actor, { ...change, current: 'a guess' }, null)
        .catch((error: { code: string }) => error.code);
    const guesses: unknown[] = [];
    for (let i = 0; i <= world.settings.signInAttemptsMax; i++) guesses.push(await guess());
    expect(guesses.at(-1)).toBe('RATE_LIMITED');
    expect(await signIn.session(here.secret)).not.toBeNull();
    expect(await signIn.session(elsewhere.secret)).toBeNull();
    await enter('another good password');
  });
});

describe('people', () => {
  test('an address is taken once, in whatever case', async () => {
    const { actor } = await makeAna();
    const call = people.create(actor, { email: 'ANA@acme.example', name: '', role: 'viewer', password: null });
    await expect(call).rejects.toMatchObject({ code: 'ALREADY_EXISTS', field: 'email' });
  });

  test('somebody must remain who may do everything', async () => {
    const { person, actor } = await makeAna();
    for (const change of [{ role: 'operator' }, { state: 'disabled' }] as const) {
      await expect(people.update(actor, person.id, null, change)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    }
    await expect(people.remove(actor, person.id, null)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    const ben = await people.create(actor, { email: 'ben@b.example', name: '', role: 'admin', password: PASSWORD });
    const both = await Promise.allSettled([
      people.update(actor, person.id, null, { role: 'viewer' }),
      people.update(actor, ben.id, null, { role: 'viewer' }),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  test('a change of what somebody else changed is refused', async () => {
    const { person, actor } = await makeAna();
    const changed = await people.update(actor, person.id, 1, { name: 'Ana B' });
    expect(changed).toMatchObject({ version: 2, name: 'Ana B' });
    await expect(people.update(actor, person.id, 1, { name: 'C' })).rejects.toMatchObject({ code: 'EDIT_CONFLICT' });
  });

  test('are found by address and state', async () => {
    const { actor } = await makeAna();
    await people.create(actor, { email: 'ben@b.example', name: 'Ben', role: 'viewer', password: null });
    const emails = async (query: object): Promise<string[]> =>
      (await people.list(actor, query)).items.map(({ email }) => email);
    expect(await emails({})).toEqual([ANA, 'ben@b.example']);
    expect(await emails({ filter: { role: ['viewer'] } })).toEqual(['ben@b.example']);
    expect(await emails({ filter: { email: ['BEN@b.example'] } })).toEqual(['ben@b.example']);
    expect(await emails({ search: 'acme' })).toEqual([ANA]);
  });

  test.each(['viewer', 'operator'] as const)('are none of the business of a %s', async (role) => {
    const actor = world.as(role);
    await expect(people.list(actor, {})).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(people.get(actor, 'x')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(people.remove(actor, 'x', null)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('tokens', () => {
  test('speak for their person, with no more than both allow', async () => {
    const { actor, person } = await makeAna();
    const { token, secret } = await tokens.create(actor, { name: 'ci', role: 'operator', expiresAt: null });
    expect(secret).toMatch(/^drv_[\w-]{43}$/);
    expect(secret.startsWith(token.prefix)).toBe(true);
    expect(await signIn.token(secret, '10.0.0.1')).toMatchObject({
      kind: 'token',
      personId: person.id,
      tokenId: token.id,
      role: 'operator',
      name: 'ana (ci)',
    });
    expect(await signIn.token(`${secret}x`, null)).toBeNull();
    expect(await signIn.token('drv_', null)).toBeNull();
  });

  test('have no more than whoever makes them', async () => {
    const { person } = await makeAna();
    const viewer = { ...actorOf(person, null), role: 'viewer' } as const;
    await expect(tokens.create(viewer, { name: 'x', role: 'operator', expiresAt: null })).rejects.toMatchObject({
      code: 'FORBIDDEN',
      field: 'role',
    });
  });

  test('end at their time', async () => {
    const { actor } = await makeAna();
    const expiresAt = new Date(clock.now() + HOUR_MS).toISOString();
    const { secret } = await tokens.create(actor, { name: 'ci', role: 'viewer', expiresAt });
    expect(await signIn.token(secret, null)).not.toBeNull();
    await clock.advance(HOUR_MS);
    expect(await signIn.token(secret, null)).toBeNull();
    const late = tokens.create(actor, { name: 'late', role: 'viewer', expiresAt });
    await expect(late).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'expiresAt' });
  });

  test('are seen and ended by their person and by admins alone', async () => {
    const { actor } = await makeAna();
    const ben = await people.create(actor, { email: 'ben@b.example', name: 'Ben', role: 'operator', password: null });
    const benActor = actorOf(ben, null);
    const { token } = await tokens.create(actor, { name: 'ci', role: 'viewer', expiresAt: null });
    const own = await tokens.create(benActor, { name: 'ci', role: 'viewer', expiresAt: null });
    expect((await tokens.list(benActor, {})).items.map(({ id }) => id)).toEqual([own.token.id]);
    expect((await tokens.list(actor, {})).items).toHaveLength(2);
    await expect(tokens.remove(benActor, token.id)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
    await tokens.remove(actor, own.token.id);
    expect(await signIn.token(own.secret, null)).toBeNull();
    await expect(tokens.create(actor, { name: 'CI', role: 'viewer', expiresAt: null })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      field: 'name',
    });
  });
});
