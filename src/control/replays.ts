/**
 * Creations that carried an idempotency key, so that a request that is sent twice has one effect, also when the server
 * dies in the middle of it. What was made is written to the row of the key in the very transaction that makes it, by
 * whoever writes the audit line; so a repeat finds it, whether the answer was kept or not. A try that was given up for
 * dead may still be alive: its transaction then finds that the row is not its own any more, and makes nothing.
 *
 * A key belongs to its scope (who sent it, and what for) and is forgotten after a day.
 */
import { sql } from 'kysely';
import { DroverError } from '../model/errors.ts';
import type { KeyedRequest } from './entities.ts';
import type { ControlWorld, Tx } from './world.ts';

export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Begun =
  /** Nobody did this yet; the caller does it now, as an actor with this request, and calls `finish` or `abandon`. */
  | { readonly kind: 'new'; readonly request: KeyedRequest }
  | { readonly kind: 'done'; readonly answer: StoredAnswer }
  /** It was done, but its answer was not kept (yet): this is what was made. */
  | { readonly kind: 'made'; readonly request: KeyedRequest; readonly entityId: string }
  /** Somebody is at it right now. */
  | { readonly kind: 'busy' }
  /** The key was used for something else. */
  | { readonly kind: 'other' };

export interface Replays {
  begin(scope: string, key: string, requestHash: string): Promise<Begun>;
  finish(request: KeyedRequest, answer: StoredAnswer): Promise<void>;
  /** It failed: the same key may try again, unless something was made all the same. */
  abandon(request: KeyedRequest): Promise<void>;
}

const KEPT_MS = 24 * 3_600_000;
/** A request that has not ended after this long died with its process. */
const BUSY_MS_MAX = 120_000;
const FORGOTTEN_AT_ONCE = 20;

/** In the transaction that makes it. GUARD_BUSY where a repeat has taken over meanwhile: nothing may be made any more. */
export async function noteMade(
  tx: Tx,
  { scope, key, attempt }: KeyedRequest,
  entityKind: string,
  entityId: string | null,
): Promise<void> {
  const { rows } = await sql`
    UPDATE idempotency SET made_kind = coalesce(made_kind, ${entityKind}), made_id = coalesce(made_id, ${entityId})
    WHERE scope = ${scope} AND key = ${key} AND attempt = ${attempt} RETURNING attempt`.execute(tx);
  if (rows.length > 0) return;
  throw new DroverError('GUARD_BUSY', 'This took so long that a repeat of the same request has taken it over.', {
    remedy: 'Wait for the answer to the repeat; nothing was made by this one.',
  });
}

/**
 * Of a request only a keyed hash is kept: it may hold a password, which nobody who reads the database must be able to
 * find by trying.
 */
export function openReplays({ db, clock, vault }: Pick<ControlWorld, 'db' | 'clock' | 'vault'>): Replays {
  const at = (agoMs: number): Date => new Date(clock.now() - agoMs);

  return {
    async begin(scope, key, hash) {
      const requestHash = vault.sign('idempotency', Buffer.from(hash));
      const taken = await takeOver(scope, key, requestHash);
      if (taken !== null) {
        await forgetSome();
        return { kind: 'new', request: { scope, key, attempt: taken } };
      }
      const row = await db
        .selectFrom('idempotency')
        .selectAll()
        .where('scope', '=', scope)
        .where('key', '=', key)
        .executeTakeFirst();
      if (row === undefined) return { kind: 'busy' };
      if (row.request_hash !== requestHash) return { kind: 'other' };
      if (row.status === null && row.made_kind === null) return { kind: 'busy' };
      const request = { scope, key, attempt: row.attempt };
      if (row.status === null) return { kind: 'made', request, entityId: row.made_id ?? '' };
      const headers = (row.headers ?? {}) as StoredAnswer['headers'];
      return { kind: 'done', answer: { status: row.status, headers, body: row.body ?? '' } };
    },

    async finish({ scope, key, attempt }, { status, headers, body }) {
      await db
        .updateTable('idempotency')
        .set({ status, headers: JSON.stringify(headers), body })
        .where('scope', '=', scope)
        .where('key', '=', key)
        .where('attempt', '=', attempt)
        .execute();
    },

    async abandon({ scope, key, attempt }) {
      await db
        .deleteFrom('idempotency')
        .where('scope', '=', scope)
        .where('key', '=', key)
        .where('attempt', '=', attempt)
        .where('status', 'is', null)
        .where('made_kind', 'is', null)
        .execute();
    },
  };

  /**
   * Of a new key, of one whose day is over, and of a try that has made nothing for so long that its process must be dead.
   * One that is just making something holds the row, and is waited for. The number of the try, or null.
   */
  async function takeOver(scope: string, key: string, requestHash: string): Promise<number | null> {
    const { rows } = await sql<{ attempt: number }>`
      INSERT INTO idempotency (scope, key, request_hash, created_at) VALUES (${scope}, ${key}, ${requestHash}, ${at(0)})
      ON CONFLICT (scope, key) DO UPDATE SET request_hash = excluded.request_hash, created_at = excluded.created_at,
        attempt = idempotency.attempt + 1, made_kind = NULL, made_id = NULL, status = NULL, headers = NULL, body = NULL
      WHERE idempotency.created_at < ${at(KEPT_MS)} OR (idempotency.status IS NULL AND idempotency.made_kind IS NULL
        AND idempotency.created_at < ${at(BUSY_MS_MAX)})
      RETURNING attempt`.execute(db);
    return rows[0]?.attempt ?? null;
  }

  /** With each new key a few old ones go: there are never many, and nobody has to come and clean. */
  async function forgetSome(): Promise<void> {
    await sql`
      DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM idempotency WHERE created_at < ${at(KEPT_MS)}
        ORDER BY created_at LIMIT ${FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED))`.execute(db);
  }
}
