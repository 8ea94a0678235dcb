/**
 * Answers to creations that carried an idempotency key, so that a request that is sent twice has one effect. A key
 * belongs to its scope (who sent it, and what for) and is forgotten after a day.
 */
import { sql } from 'kysely';
import type { ControlWorld } from './world.ts';

export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Begun =
  /** Nobody did this yet; the caller does it now and calls `finish` or `abandon`. */
  | { readonly kind: 'new' }
  | { readonly kind: 'done'; readonly answer: StoredAnswer }
  /** Somebody is at it right now. */
  | { readonly kind: 'busy' }
  /** The key was used for something else. */
  | { readonly kind: 'other' };

export interface Replays {
  begin(scope: string, key: string, requestHash: string): Promise<Begun>;
  finish(scope: string, key: string, answer: StoredAnswer): Promise<void>;
  /** It failed: the same key may try again. */
  abandon(scope: string, key: string): Promise<void>;
}

const KEPT_MS = 24 * 3_600_000;
/** A request that has not ended after this long died with its process. */
const BUSY_MS_MAX = 120_000;
const FORGOTTEN_AT_ONCE = 20;

/**
 * Of a request only a keyed hash is kept: it may hold a password, which nobody who reads the database must be able to
 * find by trying.
 */
export function openReplays({ db, clock, vault }: Pick<ControlWorld, 'db' | 'clock' | 'vault'>): Replays {
  const at = (agoMs: number): Date => new Date(clock.now() - agoMs);

  return {
    async begin(scope, key, hash) {
      const requestHash = vault.sign('idempotency', Buffer.from(hash));
      const taken = await db
        .insertInto('idempotency')
        .values({ scope, key, request_hash: requestHash, created_at: at(0) })
        .onConflict((conflict) =>
          conflict
            .columns(['scope', 'key'])
            .doUpdateSet({ request_hash: requestHash, status: null, headers: null, body: null, created_at: at(0) })
            .where(({ or, and, eb }) =>
              or([
                eb('idempotency.created_at', '<', at(KEPT_MS)),
                and([eb('idempotency.status', 'is', null), eb('idempotency.created_at', '<', at(BUSY_MS_MAX))]),
              ]),
            ),
        )
        .returning(sql<number>`1`.as('one'))
        .executeTakeFirst();
      if (taken !== undefined) {
        await forgetSome();
        return { kind: 'new' };
      }
      const row = await db
        .selectFrom('idempotency')
        .selectAll()
        .where('scope', '=', scope)
        .where('key', '=', key)
        .executeTakeFirst();
      if (row === undefined) return { kind: 'busy' };
      if (row.request_hash !== requestHash) return { kind: 'other' };
      if (row.status === null) return { kind: 'busy' };
      const headers = (row.headers ?? {}) as StoredAnswer['headers'];
      return { kind: 'done', answer: { status: row.status, headers, body: row.body ?? '' } };
    },

    async finish(scope, key, { status, headers, body }) {
      await db
        .updateTable('idempotency')
        .set({ status, headers: JSON.stringify(headers), body })
        .where('scope', '=', scope)
        .where('key', '=', key)
        .execute();
    },

    async abandon(scope, key) {
      await db
        .deleteFrom('idempotency')
        .where('scope', '=', scope)
        .where('key', '=', key)
        .where('status', 'is', null)
        .execute();
    },
  };

  /** With each new key a few old ones go: there are never many, and nobody has to come and clean. */
  async function forgetSome(): Promise<void> {
    await sql`
      DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM idempotency WHERE created_at < ${at(KEPT_MS)}
        ORDER BY created_at LIMIT ${FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED))`.execute(db);
  }
}
