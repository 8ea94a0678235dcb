/** Signing in: with a password, by OpenID Connect, with a token. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import { SYSTEM, type Actor, type Person } from '../entities.ts';
import { newId } from '../ids.ts';
import { stampOf, uniquely } from '../rows.ts';
import type { NewSession, SignIn } from '../services.ts';
import type { ControlWorld, Tx } from '../world.ts';
import { networkOf, openAttempts, trying, type AttemptKey } from './attempts.ts';
import { openOidc, type OidcPerson } from './oidc.ts';
import { openPasswords, type Passwords } from './passwords.ts';
import { actorOf } from './people.ts';
import { checkEmail, EMAIL_TAKEN, findByEmail, peopleRows, personName, personOf } from './rows.ts';
import { hashOf } from './secrets.ts';
import { openSessions, type Visitor } from './sessions.ts';
import { openSetup } from './setup.ts';
import { actorOfToken } from './tokens.ts';

type SignInWorld = Pick<
  ControlWorld,
  'db' | 'clock' | 'random' | 'log' | 'bus' | 'settings' | 'vault' | 'openTransport'
>;

/** From one address, against any person: an office behind one address must still get in. */
const ATTEMPTS_PER_ADDRESS_TIMES = 10;
/** Against one person, from anywhere: many addresses are cheap. */
const ATTEMPTS_PER_PERSON_TIMES = 3;

export function openSignIn(world: SignInWorld, passwords: Passwords = openPasswords()): SignIn {
  const { db, clock, settings } = world;
  const audit = makeAudit(clock);
  const sessions = openSessions(world);
  const oidc = openOidc(world);
  const attempts = openAttempts(world, settings.signInWindowMinutes * 60_000);
  const max = settings.signInAttemptsMax;

  /**
   * `null`: disabled or given another password since `person` was looked at. Checking a password takes its time, and
   * whoever shut the person out meanwhile has ended the sessions that there were, not this one.
   */
  async function enter(
    tx: Tx,
    { person, passwordHash }: { readonly person: Person; readonly passwordHash: string | null },
    visitor: Visitor,
    action: string,
  ): Promise<NewSession | null> {
    const entered = await tx
      .updateTable('people')
      .set({ last_sign_in_at: new Date(clock.now()) })
      .where('id', '=', person.id)
      .where('state', '=', 'active')
      .$if(passwordHash !== null, (query) => query.where('password_hash', '=', passwordHash))
      .executeTakeFirst();
    if (entered.numUpdatedRows === 0n) return null;
    await audit(tx, actorOf(person, visitor.address), lineOf(action, person));
    return sessions.begin(tx, { ...person, lastSignInAt: new Date(clock.now()).toISOString() }, visitor);
  }

  /**
   * Written whether there is such a person or not, so that the time it takes does not tell. What was typed instead of a
   * known address is not kept: it may be a password.
   */
  async function refused(person: Person | null, address: string | null): Promise<void> {
    const nobody: Actor = { ...SYSTEM, name: 'Nobody', address };
    const whom =
      person === null ? { entityId: null, entityName: null } : { entityId: person.id, entityName: person.email };
    const line = { action: 'person.sign-in-refused', entityKind: 'person', ...whom };
    await db.transaction().execute((tx) => audit(tx, nobody, line));
  }

  /**
   * Guesses from elsewhere must not keep out whoever is signed in: with a session of that person only this session's own
   * failures count, and from a network with such a session those against the person from everywhere do not.
   */
  async function attemptKeys(
    email: string,
    personId: string | null,
    { address, sessionSecret }: { readonly address: string | null; readonly sessionSecret: string | null },
  ): Promise<readonly AttemptKey[]> {
    const from = networkOf(address ?? '');
    // As the table compares addresses: a letter that only we tell apart would be a counter of its own for each spelling.
    const { rows } = await sql<{ lower: string }>`SELECT lower(${email.trim()}) AS lower`.execute(db);
    const whom = (rows[0]?.lower ?? '').slice(0, 254);
    const trust = personId === null ? 'none' : await sessions.trust(personId, sessionSecret, from);
    const wholeNetwork = { key: `network ${from}`, max: max * ATTEMPTS_PER_ADDRESS_TIMES, clears: false };
    if (trust === 'session') return [{ key: `session ${hashOf(sessionSecret ?? '')}`, max, clears: true }];
    const here = { key: `person ${whom} at ${from}`, max, clears: true };
    if (trust === 'network') return [here, wholeNetwork];
    return [here, wholeNetwork, { key: `person ${whom}`, max: max * ATTEMPTS_PER_PERSON_TIMES, clears: true }];
  }

  /** For what is not a person's password. */
  function networkKey(what: 'oidc' | 'oidc-answer' | 'token', address: string | null): readonly AttemptKey[] {
    return [{ key: `${what} ${networkOf(address ?? '')}`, max: max * ATTEMPTS_PER_ADDRESS_TIMES, clears: false }];
  }

  return {
    ...openSetup(world, passwords, attempts),
    oidcTitle: oidc?.title ?? null,

    async withPassword({ email, password, sessionSecret = null, ...visitor }) {
      const row = await peopleRows(db)
        .select('password_hash')
        .where(sql<boolean>`lower(email) = lower(${email.trim()})`)
        .executeTakeFirst();
      const keys = await attemptKeys(email, row?.id ?? null, { address: visitor.address, sessionSecret });
      const passwordHash = row?.password_hash ?? null;
      const fits = await trying(attempts, keys, () => passwords.verify(passwordHash, password));
      const person = row === undefined ? null : personOf(row);
      const session =
        person === null || !fits || person.state !== 'active'
          ? null
          : await db.transaction().execute((tx) => enter(tx, { person, passwordHash }, visitor, 'person.sign-in'));
      if (session === null) {
        await refused(person, visitor.address);
        throw new DroverError('NOT_SIGNED_IN', 'E-mail address or password is wrong.', {
          remedy: 'Try again, or ask an admin for a new password.',
        });
      }
      await attempts.succeed(keys);
      return session;
    },

    async beginOidc(redirectUri, address = null) {
      if (oidc === null) throw noOidc();
      // Each counts until it comes to a good end.
      await attempts.begin(networkKey('oidc', address));
      return oidc.begin(redirectUri);
    },

    async finishOidc({ url, state, redirectUri, ...visitor }) {
      if (oidc === null) throw noOidc();
      const keys = networkKey('oidc-answer', visitor.address);
      await attempts.begin(keys);
      const known = await oidc.finish({ url, state, redirectUri });
      refuseForeign(known, settings.oidcAllowedDomains);
      const session = await uniquely(EMAIL_TAKEN, () =>
        db.transaction().execute(async (tx) => {
          const person = await welcome(world, tx, known);
          return enter(tx, { person, passwordHash: null }, visitor, 'person.sign-in');
        }),
      );
      if (session === null) throw disabled();
      await attempts.succeed([...keys, ...networkKey('oidc', visitor.address)]);
      return session;
    },

    session: (secret, options) => sessions.find(secret, options?.isActivity ?? true),
    end: (secret) => sessions.end(secret),
    async token(secret, address) {
      const actor = await actorOfToken(world, secret, address);
      // A valid one is never refused: one script with an old token must not stop all others behind the same address.
      if (actor === null) await attempts.begin(networkKey('token', address));
      return actor;
    },
  };
}

function disabled(): DroverError {
  return new DroverError('FORBIDDEN', 'This person is disabled.', { remedy: 'Ask an admin.' });
}

function noOidc(): DroverError {
  return new DroverError('ENTITY_NOT_FOUND', 'No identity provider is configured.', {
    remedy: 'Sign in with a password, or have oidcIssuer and oidcClientId set.',
  });
}

function lineOf(action: string, person: Pick<Person, 'id' | 'email'>) {
  return { action, entityKind: 'person', entityId: person.id, entityName: person.email };
}

/** With domains configured, the address must be proved: else anybody could claim one. */
function refuseForeign({ email, emailVerified }: OidcPerson, domains: readonly string[]): void {
  if (domains.length === 0) return;
  const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
  const isAllowed = domains.some((allowed) => allowed.toLowerCase() === domain);
  if (isAllowed && emailVerified) return;
  if (isAllowed) throw unverified(email);
  throw new DroverError('FORBIDDEN', `People of ${domain} may not sign in here.`, {
    remedy: 'Ask the administrator of Drover.',
  });
}

function unverified(email: string): DroverError {
  const words = `The identity provider does not say that ${email} was verified, so it may not sign in here.`;
  return new DroverError('FORBIDDEN', words, { remedy: 'Ask the administrator of Drover.' });
}

/** The person of that subject; one who was invited by address; or a new one with the default role. */
async function welcome(world: SignInWorld, tx: Tx, known: OidcPerson): Promise<Person> {
  const bySubject = await peopleRows(tx).where('oidc_subject', '=', known.subject).executeTakeFirst();
  if (bySubject !== undefined) {
    if (bySubject.state === 'active') return personOf(bySubject);
    throw disabled();
  }
  const invited = await findByEmail(tx, known.email);
  if (invited !== undefined) return accept(tx, invited.id, known);
  if (known.isEmailDoubtful) throw unverified(known.email);
  const email = checkEmail(known.email);
  const id = newId(world);
  const name = personName(known.name, email);
  const role = world.settings.oidcDefaultRole;
  await tx
    .insertInto('people')
    .values({
      id,
      ...stampOf({ ...SYSTEM, name }, world.clock.now()),
      email,
      name,
      role,
      state: 'active',
      sign_in: 'oidc',
      oidc_subject: known.subject,
    })
    .execute();
  const line = { ...lineOf('person.create', { id, email }), changes: { role: [null, role] as const } };
  await makeAudit(world.clock)(tx, SYSTEM, line);
  await world.bus.tell('person', id, tx);
  return personOf(await peopleRows(tx).where('id', '=', id).executeTakeFirstOrThrow());
}

/** Whoever was added without a password, and never signed in, takes the place if the address is proved. */
async function accept(tx: Tx, id: string, { subject, email, emailVerified }: OidcPerson): Promise<Person> {
  const person = await peopleRows(tx).select('oidc_subject').where('id', '=', id).forUpdate().executeTakeFirstOrThrow();
  const isFree = person.sign_in === 'oidc' && person.oidc_subject === null && person.state === 'active';
  if (!isFree || !emailVerified) {
    throw new DroverError('FORBIDDEN', `${email} belongs to somebody who signs in another way.`, {
      remedy: 'Sign in with the password, or ask an admin.',
    });
  }
  await tx.updateTable('people').set({ oidc_subject: subject }).where('id', '=', id).execute();
  return personOf(person);
}
