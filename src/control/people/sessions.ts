/** Sessions of browsers. The cookie holds the secret; the table holds its hash. */
import { sql } from 'kysely';
import type { Person } from '../entities.ts';
import type { NewSession } from '../services.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';
import { networkOf } from './attempts.ts';
import { actorOf } from './people.ts';
import { personOf, peopleRows } from './rows.ts';
import { hashOf, newSecret } from './secrets.ts';

type SessionWorld = Pick<ControlWorld, 'db' | 'clock' | 'random' | 'bus' | 'settings'>;

/** However much it is used, a session ends after this. */
const SESSION_MS_MAX = 30 * 24 * 3_600_000;
/** Writing the last use with every request would cost more than it tells. */
const SEEN_EVERY_MS = 60_000;
const USER_AGENT_CHARACTERS_MAX = 300;
const SESSIONS_LOOKED_AT = 200;

export interface Visitor {
  readonly address: string | null;
  readonly userAgent: string | null;
}

export interface LiveSession {
  readonly actor: ReturnType<typeof actorOf>;
  readonly person: Person;
  readonly csrfToken: string;
}

export interface Sessions {
  begin(tx: Tx, person: Person, visitor: Visitor): Promise<NewSession>;
  /** `isActivity: false`: looks without prolonging it. */
  find(secret: string, isActivity: boolean): Promise<LiveSession | null>;
  end(secret: string): Promise<void>;
  /** Whether that secret is of a session of this person, or one of theirs was begun in that network. */
  trust(personId: string, secret: string | null, network: string): Promise<'session' | 'network' | 'none'>;
}

export function openSessions(world: SessionWorld): Sessions {
  const { db, clock, settings, bus } = world;
  const lifetimeMs = settings.sessionLifetimeHours * 3_600_000;
  const at = (ms: number): Date => new Date(ms);

  return {
    async begin(tx, person, { address, userAgent }) {
      const now = clock.now();
      const secret = newSecret(world.random);
      const csrfToken = newSecret(world.random);
      await tx.deleteFrom('sessions').where('expires_at', '<=', at(now)).execute();
      await tx
        .insertInto('sessions')
        .values({
          id_hash: hashOf(secret),
          person_id: person.id,
          csrf_token: csrfToken,
          created_at: at(now),
          seen_at: at(now),
          expires_at: at(now + Math.min(lifetimeMs, SESSION_MS_MAX)),
          address,
          user_agent: userAgent?.slice(0, USER_AGENT_CHARACTERS_MAX) ?? null,
        })
        .execute();
      // The browser keeps the cookie for as long as the session can last at all; when it ends is decided here.
      return { secret, csrfToken, expiresAt: at(now + SESSION_MS_MAX).toISOString(), person };
    },

    async find(secret, isActivity) {
      const id = hashOf(secret);
      const session = await db
        .selectFrom('sessions')
        .select(['person_id', 'csrf_token', 'created_at', 'seen_at', 'expires_at', 'address'])
        .where('id_hash', '=', id)
        .executeTakeFirst();
      const now = clock.now();
      if (session === undefined) return null;
      if (session.expires_at.getTime() <= now) {
        // So that it stays ended when our clock is set back; not where only our clock runs ahead.
        const isOver = sql<boolean>`expires_at <= clock_timestamp()`;
        await db.deleteFrom('sessions').where('id_hash', '=', id).where(isOver).execute();
        return null;
      }
      const person = await activePerson(db, session.person_id);
      if (person === null) return null;
      if (isActivity && now - session.seen_at.getTime() >= SEEN_EVERY_MS) {
        const endMs = Math.min(now + lifetimeMs, session.created_at.getTime() + SESSION_MS_MAX);
        await db
          .updateTable('sessions')
          .set({ seen_at: at(now), expires_at: at(endMs) })
          .where('id_hash', '=', id)
          .execute();
      }
      return { actor: actorOf(person, session.address), person, csrfToken: session.csrf_token };
    },

    async end(secret) {
      const ended = await db
        .deleteFrom('sessions')
        .where('id_hash', '=', hashOf(secret))
        .returning('person_id')
        .executeTakeFirst();
      if (ended !== undefined) await bus.tell('person', ended.person_id);
    },

    async trust(personId, secret, network) {
      const rows = await db
        .selectFrom('sessions')
        .select(['id_hash', 'address'])
        .where('person_id', '=', personId)
        .where('expires_at', '>', at(clock.now()))
        .orderBy('seen_at', 'desc')
        .limit(SESSIONS_LOOKED_AT)
        .execute();
      const own = secret === null ? null : hashOf(secret);
      if (rows.some(({ id_hash: id }) => id === own)) return 'session';
      return rows.some(({ address }) => address !== null && networkOf(address) === network) ? 'network' : 'none';
    },
  };
}

async function activePerson(db: Db, id: string): Promise<Person | null> {
  const row = await peopleRows(db).where('id', '=', id).where('state', '=', 'active').executeTakeFirst();
  return row === undefined ? null : personOf(row);
}
