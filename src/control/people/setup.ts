/** The first administrator: made once, by whoever holds the link that the server printed. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import { SYSTEM, type Person } from '../entities.ts';
import { newId } from '../ids.ts';
import { stampOf, uniquely } from '../rows.ts';
import type { SignIn } from '../services.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';
import { networkOf, type Attempts } from './attempts.ts';
import { checkPassword, type Passwords } from './passwords.ts';
import { checkEmail, EMAIL_TAKEN, peopleRows, personName, personOf } from './rows.ts';
import { hashOf, newSecret, sameText } from './secrets.ts';

type SetupWorld = Pick<ControlWorld, 'db' | 'clock' | 'random' | 'bus'>;

const LINK_MS_MAX = 60 * 60_000;
const LINK = 'setup-link';
const TOKEN_BYTES = 16;
const NEW_LINK = 'In the terminal where Drover runs, type: drover setup --link';

interface Link {
  readonly hash: string;
  readonly expiresAtMs: number;
}

type Setup = Pick<SignIn, 'needsSetup' | 'makeSetupToken' | 'setUp'>;

/** From one address; the link cannot be guessed, but asking costs. */
const ATTEMPTS_MAX = 30;

export function openSetup(world: SetupWorld, passwords: Passwords, attempts: Attempts): Setup {
  const { db, clock, bus } = world;
  const audit = makeAudit(clock);

  return {
    needsSetup: () => isNeeded(db),

    async makeSetupToken() {
      if (!(await isNeeded(db))) throw finished();
      const token = newSecret(world.random, TOKEN_BYTES);
      const link: Link = { hash: hashOf(token), expiresAtMs: clock.now() + LINK_MS_MAX };
      await db
        .insertInto('facts_of_installation')
        .values({ name: LINK, value: JSON.stringify(link) })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: JSON.stringify(link) }))
        .execute();
      return token;
    },

    async setUp({ token, email: given, name, password, address = null }) {
      if (!(await isNeeded(db))) throw finished();
      if (token !== null) {
        const keys = [{ key: `setup ${networkOf(address ?? '')}`, max: ATTEMPTS_MAX, clears: false }];
        await attempts.begin(keys);
        await checkLink(db, token, clock.now());
        await attempts.succeed(keys);
      }
      const email = checkEmail(given);
      checkPassword(password, email);
      const password_hash = await passwords.hash(password);
      const id = newId(world);
      return uniquely(EMAIL_TAKEN, () =>
        db.transaction().execute(async (tx): Promise<Person> => {
          // Two who open the link at once: the second waits here and then finds an admin.
          await sql`LOCK TABLE people IN SHARE ROW EXCLUSIVE MODE`.execute(tx);
          if (!(await isNeeded(tx))) throw finished();
          const shown = personName(name, email);
          await tx
            .insertInto('people')
            .values({
              id,
              ...stampOf({ ...SYSTEM, name: shown }, clock.now()),
              email,
              name: shown,
              role: 'admin',
              state: 'active',
              sign_in: 'password',
              password_hash,
            })
            .execute();
          await tx.deleteFrom('facts_of_installation').where('name', '=', LINK).execute();
          await audit(tx, SYSTEM, {
            action: 'person.set-up',
            entityKind: 'person',
            entityId: id,
            entityName: email,
            changes: { role: [null, 'admin'] },
          });
          await bus.tell('person', id, tx);
          return personOf(await peopleRows(tx).where('id', '=', id).executeTakeFirstOrThrow());
        }),
      );
    },
  };
}

async function isNeeded(db: Db | Tx): Promise<boolean> {
  const admin = await db.selectFrom('people').select('id').where('role', '=', 'admin').limit(1).executeTakeFirst();
  return admin === undefined;
}

function finished(): DroverError {
  return new DroverError('WRONG_STATE', 'Set-up is finished: there is an administrator.', { remedy: 'Sign in.' });
}

async function checkLink(db: Db, token: string, nowMs: number): Promise<void> {
  const row = await db.selectFrom('facts_of_installation').select('value').where('name', '=', LINK).executeTakeFirst();
  const link = row?.value as Link | undefined;
  if (link === undefined || !sameText(link.hash, hashOf(token))) {
    throw new DroverError('NOT_SIGNED_IN', 'This set-up link is not valid; a newer one may have replaced it.', {
      remedy: NEW_LINK,
    });
  }
  if (link.expiresAtMs > nowMs) return;
  const until = new Date(link.expiresAtMs).toISOString().slice(11, 16);
  throw new DroverError('NOT_SIGNED_IN', `This set-up link has expired. It was valid until ${until} UTC.`, {
    remedy: NEW_LINK,
  });
}
