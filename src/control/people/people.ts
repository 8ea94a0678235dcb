/** People: who can sign in, and as what. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { changesOf, makeAudit } from '../audit.ts';
import type { Actor, Person } from '../entities.ts';
import { newId } from '../ids.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, listPage, type Listing } from '../paging.ts';
import { found, isUuid, lockVersion, stampOf, uniquely } from '../rows.ts';
import type { People } from '../services.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';
import { openAttempts, trying } from './attempts.ts';
import { checkPassword, openPasswords, type Passwords } from './passwords.ts';
import { demand } from './roles.ts';
import { checkEmail, EMAIL_TAKEN, keepAnAdmin, peopleRows, personName, personOf, type PersonRow } from './rows.ts';
import { hashOf } from './secrets.ts';

type PeopleWorld = Pick<ControlWorld, 'db' | 'clock' | 'random' | 'bus' | 'settings' | 'vault'>;
type Change = Parameters<People['update']>[3];

export function openPeople(world: PeopleWorld, passwords: Passwords = openPasswords()): People {
  const { db, clock, bus, settings } = world;
  const audit = makeAudit(clock);
  const attempts = openAttempts(world, settings.signInWindowMinutes * 60_000);

  return {
    async list(actor, query) {
      demand(actor, 'people');
      const page = await listPage(db, peopleRows(db), { ...LISTING, query });
      return { ...page, items: page.items.map(personOf) };
    },

    async get(actor, id) {
      demand(actor, 'people');
      return personOf(await rowOf(db, id));
    },

    async create(actor, input) {
      demand(actor, 'people');
      const email = checkEmail(input.email);
      if (input.password !== null) checkPassword(input.password, email);
      const person = {
        id: newId(world),
        ...stampOf(actor, clock.now()),
        email,
        name: personName(input.name, email),
        role: input.role,
        state: 'active',
        sign_in: input.password === null ? 'oidc' : 'password',
        password_hash: input.password === null ? null : await passwords.hash(input.password),
      };
      await uniquely(EMAIL_TAKEN, () =>
        db.transaction().execute(async (tx) => {
          await tx.insertInto('people').values(person).execute();
          await audit(tx, actor, {
            ...lineOf(person.id, email, 'create'),
            changes: { role: [null, person.role], signIn: [null, person.sign_in] },
          });
          await bus.tell('person', person.id, tx);
        }),
      );
      return personOf(await rowOf(db, person.id));
    },

    async update(actor, id, version, change) {
      demand(actor, 'people');
      const newHash = await hashChanged(id, change);
      await db.transaction().execute(async (tx) => {
        await lockVersion(tx, 'people', id, version, 'person');
        const before = personOf(await rowOf(tx, id));
        const after = {
          name: change.name === undefined ? before.name : personName(change.name, before.email),
          role: change.role ?? before.role,
          state: change.state ?? before.state,
        };
        if (after.role !== 'admin' || after.state !== 'active') await keepAnAdmin(tx, id);
        await tx
          .updateTable('people')
          .set({
            ...after,
            ...(newHash === null ? {} : { password_hash: newHash }),
            version: before.version + 1,
            updated_at: new Date(clock.now()),
          })
          .where('id', '=', id)
          .execute();
        const isShutOut = newHash !== null || (after.state === 'disabled' && before.state !== 'disabled');
        if (newHash !== null || after.state === 'disabled') await endSessions(tx, id, null);
        // Whoever had the password may have made tokens with it.
        const ended = (change.endTokens ?? isShutOut) ? await endTokens(tx, actor, id) : [];
        const { name, role, state } = before;
        const changes = {
          ...changesOf({ name, role, state }, after),
          ...(newHash === null ? {} : { password: [null, 'changed'] as const }),
          ...endedTokens(ended),
        };
        await audit(tx, actor, { ...lineOf(id, before.email, 'update'), changes });
        await bus.tell('person', id, tx);
      });
      return personOf(await rowOf(db, id));
    },

    async changePassword(actor, { current, next, endTokens: alsoTokens = false }, keepSession) {
      demand(actor, 'own-account');
      const { personId } = actor;
      if (personId === null || actor.kind !== 'person') {
        throw new DroverError('FORBIDDEN', 'A token cannot change the password of its person.', {
          remedy: 'Sign in as the person.',
        });
      }
      const row = await db
        .selectFrom('people')
        .select(['email', 'password_hash', 'sign_in'])
        .where('id', '=', personId)
        .executeTakeFirst();
      if (row?.sign_in !== 'password') throw signsInElsewhere();
      // A session that was taken over must not serve to guess the password.
      const tries = [{ key: `own password ${personId}`, max: settings.signInAttemptsMax, clears: true }];
      if (!(await trying(attempts, tries, () => passwords.verify(row.password_hash, current)))) {
        throw new DroverError('INVALID_INPUT', 'This is not the current password.', { field: 'current' });
      }
      await attempts.succeed(tries);
      checkPassword(next, row.email, 'next');
      const password_hash = await passwords.hash(next);
      await db.transaction().execute(async (tx) => {
        const changed = await tx
          .updateTable('people')
          .set({ password_hash, updated_at: new Date(clock.now()), version: sql`version + 1` })
          .where('id', '=', personId)
          // Somebody else may have changed it while this was hashed.
          .where('password_hash', '=', row.password_hash)
          .executeTakeFirst();
        if (changed.numUpdatedRows === 0n) {
          throw new DroverError('EDIT_CONFLICT', 'The password was changed meanwhile.');
        }
        await endSessions(tx, personId, keepSession);
        const ended = alsoTokens ? await endTokens(tx, actor, personId) : [];
        await audit(tx, actor, {
          ...lineOf(personId, row.email, 'change-password'),
          changes: { password: [null, 'changed'], ...endedTokens(ended) },
        });
        await bus.tell('person', personId, tx);
      });
    },

    async remove(actor, id, version) {
      demand(actor, 'people');
      await db.transaction().execute(async (tx) => {
        await lockVersion(tx, 'people', id, version, 'person');
        const { email } = await rowOf(tx, id);
        await keepAnAdmin(tx, id);
        await tx.deleteFrom('people').where('id', '=', id).execute();
        await audit(tx, actor, lineOf(id, email, 'remove'));
        await bus.tell('person', id, tx);
      });
    },
  };

  async function hashChanged(id: string, change: Change): Promise<string | null> {
    if (change.password === undefined) return null;
    const { email, sign_in } = await rowOf(db, id);
    if (sign_in !== 'password') throw signsInElsewhere();
    checkPassword(change.password, email);
    return passwords.hash(change.password);
  }
}

function signsInElsewhere(): DroverError {
  return new DroverError('WRONG_STATE', 'This person signs in at the identity provider and has no password here.', {
    field: 'password',
    remedy: 'Change it at the identity provider.',
  });
}

/** `keep`: secret of the one session that stays. */
async function endSessions(tx: Tx, personId: string, keep: string | null): Promise<void> {
  let sessions = tx.deleteFrom('sessions').where('person_id', '=', personId);
  if (keep !== null) sessions = sessions.where('id_hash', '!=', hashOf(keep));
  await sessions.execute();
}

/** Names of those that were ended. Not the one that asks: its holder would not even learn that it worked. */
async function endTokens(tx: Tx, { tokenId }: Actor, personId: string): Promise<readonly string[]> {
  let tokens = tx.deleteFrom('tokens').where('person_id', '=', personId);
  if (tokenId !== null) tokens = tokens.where('id', '!=', tokenId);
  const ended = await tokens.returning('name').execute();
  return ended.map(({ name }) => name).toSorted();
}

function endedTokens(names: readonly string[]): Readonly<Record<string, readonly [string, null]>> {
  return names.length === 0 ? {} : { tokens: [names.join(', '), null] };
}

async function rowOf(db: Db | Tx, id: string): Promise<PersonRow> {
  const row = isUuid(id) ? await peopleRows(db).where('id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'person', id);
}

function lineOf(id: string, email: string, action: string): AuditParts {
  return { action: `person.${action}`, entityKind: 'person', entityId: id, entityName: email };
}

interface AuditParts {
  readonly action: string;
  readonly entityKind: string;
  readonly entityId: string;
  readonly entityName: string;
}

const any = (column: string) => (values: readonly string[]) =>
  sql<boolean>`${sql.raw(column)} = ANY(${values as string[]})`;

const LISTING: Omit<Listing<PersonRow>, 'query'> = {
  sorts: {
    email: { sql: 'lower(people.email)', type: 'text' },
    name: { sql: 'lower(people.name)', type: 'text' },
    createdAt: { sql: 'people.created_at', type: 'timestamptz' },
    lastSignInAt: { sql: 'people.last_sign_in_at', type: 'timestamptz' },
  },
  defaultSort: 'email',
  id: { sql: 'people.id', type: 'uuid' },
  ...filtersOf(FILTERS.people, {
    role: any('people.role'),
    state: any('people.state'),
    signIn: any('people.sign_in'),
    email: (values) => sql<boolean>`lower(people.email) = ANY(${values.map((value) => value.toLowerCase())})`,
  }),
  searched: `(people.email || ' ' || people.name)`,
  idOf: (row) => row.id,
};

/** As who somebody acts once signed in. */
export function actorOf(person: Pick<Person, 'id' | 'name' | 'role'>, address: string | null): Actor {
  return { kind: 'person', personId: person.id, tokenId: null, name: person.name, role: person.role, address };
}
