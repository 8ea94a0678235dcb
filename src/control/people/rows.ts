/** People as rows. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import type { Person, Role } from '../entities.ts';
import { isoOrNull, keptOf, nameOf, shortText } from '../rows.ts';
import type { Db, Tx } from '../world.ts';

export const EMAIL_TAKEN = {
  people_email: ['email', 'Somebody with this e-mail address is there already.'],
} as const;

export function peopleRows(db: Db | Tx) {
  return db
    .selectFrom('people')
    .select([
      'id',
      'version',
      'created_at',
      'created_by',
      'updated_at',
      'email',
      'name',
      'role',
      'state',
      'sign_in',
      'last_sign_in_at',
    ]);
}

export type PersonRow = Awaited<ReturnType<ReturnType<typeof peopleRows>['executeTakeFirstOrThrow']>>;

export function personOf(row: PersonRow): Person {
  return {
    ...keptOf(row),
    email: row.email,
    name: row.name,
    role: row.role as Role,
    state: row.state as Person['state'],
    signIn: row.sign_in as Person['signIn'],
    lastSignInAt: isoOrNull(row.last_sign_in_at),
  };
}

/** Trimmed; INVALID_INPUT at `email`. */
export function checkEmail(given: string): string {
  const email = given.trim();
  const invalid = (reason: string): DroverError =>
    new DroverError('INVALID_INPUT', `This does not look like an e-mail address: ${reason}.`, { field: 'email' });
  const [local = '', domain, ...more] = email.split('@');
  if (domain === undefined) throw invalid('there is no @');
  if (local === '') throw invalid('a part before @ is missing');
  if (domain === '') throw invalid('a part after @ is missing');
  if (more.length > 0) throw invalid('there is more than one @');
  if (/\s/.test(email)) throw invalid('it holds a space');
  if (email.length > 254) throw invalid('it is too long');
  return shortText(email, 'email', 254);
}

/** As given, or the part of the address before the @. */
export function personName(given: string, email: string): string {
  const name = given.trim() === '' ? (email.split('@')[0] as string) : given.trim();
  return nameOf(name, 'name', 200);
}

export async function findByEmail(db: Db | Tx, email: string): Promise<{ id: string } | undefined> {
  return db
    .selectFrom('people')
    .select('id')
    .where(sql<boolean>`lower(email) = lower(${email})`)
    .executeTakeFirst();
}

/** WRONG_STATE when nobody would be left who may do everything. Locks the admins, so that two cannot go at once. */
export async function keepAnAdmin(tx: Tx, losingId: string): Promise<void> {
  const admins = await tx
    .selectFrom('people')
    .select('id')
    .where('role', '=', 'admin')
    .where('state', '=', 'active')
    .orderBy('id')
    .forUpdate()
    .execute();
  if (admins.some(({ id }) => id !== losingId) || !admins.some(({ id }) => id === losingId)) return;
  throw new DroverError('WRONG_STATE', 'This is the last active admin; somebody must remain who may do everything.', {
    remedy: 'Make somebody else an admin first.',
  });
}
