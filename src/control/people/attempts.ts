/**
 * Counts failed attempts in the database, so that guessing takes too long however many servers there are to ask. Whoever
 * fails too often waits, longer each time, but never longer than the window: nobody is locked out for good.
 */
import { isIPv6 } from 'node:net';
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import type { ControlWorld, Tx } from '../world.ts';

type AttemptWorld = Pick<ControlWorld, 'db' | 'clock' | 'vault'>;

const FIRST_DELAY_MS = 30_000;
/** More would be the same: the window ends it. */
const DOUBLINGS_MAX = 20;
const CLEANING_MS = 60_000;
const CLEANED_ROWS_MAX = 1_000;
/** Of those who wait, kept at hand so that their further attempts cost no statement. */
const WAITING_MAX = 10_000;

export interface Attempts {
  /** Counts one; RATE_LIMITED, with how long to wait, when there were too many. */
  begin(keys: readonly AttemptKey[]): Promise<void>;
  /** It was right: it does not count, and where it `clears`, neither does what failed before. */
  succeed(keys: readonly AttemptKey[]): Promise<void>;
}

export interface AttemptKey {
  /** Kept as a keyed hash only: it may hold what somebody typed. */
  readonly key: string;
  /** So many failures are free. */
  readonly max: number;
  /** A success forgets earlier failures. Not for what a guesser with an account of their own could so wipe out. */
  readonly clears: boolean;
}

export function openAttempts({ db, clock, vault }: AttemptWorld, windowMs: number): Attempts {
  const waiting = new Map<string, number>();
  let cleanedAtMs = -Infinity;

  const hashed = (key: string): string => vault.sign('attempt', Buffer.from(key));

  function refuse(hash: string, untilMs: number): never {
    const retryAfterMs = Math.max(1_000, Math.ceil(untilMs - clock.now()));
    if (waiting.size >= WAITING_MAX) waiting.clear();
    waiting.set(hash, untilMs);
    const minutes = Math.ceil(retryAfterMs / 60_000);
    throw new DroverError(
      'RATE_LIMITED',
      `Too many attempts failed. Try again in ${minutes === 1 ? 'one minute' : `${minutes} minutes`}.`,
      { retryAfterMs },
    );
  }

  /** A clock that was set back must not keep anybody waiting for longer than the window. */
  const isAhead = (untilMs: number): boolean => untilMs > clock.now() && untilMs <= clock.now() + windowMs;

  async function count(tx: Tx, hash: string, max: number): Promise<void> {
    const now = new Date(clock.now());
    const failures = sql`CASE WHEN tried.forgotten_at <= ${now} THEN 1 ELSE tried.failures + 1 END`;
    const delayMs = sql`least(${windowMs}::float8, ${FIRST_DELAY_MS}::float8 * power(2, least(${failures} - ${max}::int, ${DOUBLINGS_MAX}::int)))`;
    const until = sql`CASE WHEN ${failures} >= ${max}::int THEN ${now}::timestamptz + ${delayMs} * interval '1 millisecond' END`;
    const first = max <= 1 ? new Date(now.getTime() + Math.min(FIRST_DELAY_MS, windowMs)) : null;
    const { rows } = await sql`
      INSERT INTO sign_in_attempts AS tried (key, failures, blocked_until, forgotten_at)
      VALUES (${hash}, 1, ${first}, ${new Date((first ?? now).getTime() + windowMs)})
      ON CONFLICT (key) DO UPDATE SET
        failures = ${failures}, blocked_until = ${until},
        forgotten_at = coalesce(${until}, ${now}::timestamptz) + ${windowMs}::float8 * interval '1 millisecond'
      WHERE tried.blocked_until IS NULL OR tried.blocked_until <= ${now}
        OR tried.blocked_until > ${new Date(now.getTime() + windowMs)}
      RETURNING tried.key`.execute(tx);
    if (rows.length > 0) return;
    const row = await tx
      .selectFrom('sign_in_attempts')
      .select('blocked_until')
      .where('key', '=', hash)
      .executeTakeFirst();
    refuse(hash, row?.blocked_until?.getTime() ?? clock.now());
  }

  async function clean(): Promise<void> {
    if (clock.now() < cleanedAtMs + CLEANING_MS) return;
    cleanedAtMs = clock.now();
    const { numAffectedRows = 0n } = await sql`
      DELETE FROM sign_in_attempts WHERE key IN (
        SELECT key FROM sign_in_attempts WHERE forgotten_at <= ${new Date(clock.now())}
        LIMIT ${CLEANED_ROWS_MAX} FOR UPDATE SKIP LOCKED)`.execute(db);
    // There are more: whoever floods us with names must not fill the table faster than it is emptied.
    if (numAffectedRows >= BigInt(CLEANED_ROWS_MAX)) cleanedAtMs = -Infinity;
  }

  return {
    async begin(keys) {
      // Always in one order: two who count the same keys must not wait for each other.
      const all = keys.map(({ key, max }) => ({ hash: hashed(key), max })).toSorted(byHash);
      for (const { hash } of all) {
        const untilMs = waiting.get(hash);
        if (untilMs !== undefined && isAhead(untilMs)) refuse(hash, untilMs);
        waiting.delete(hash);
      }
      await clean();
      await db.transaction().execute(async (tx) => {
        for (const { hash, max } of all) await count(tx, hash, max);
      });
    },
    async succeed(keys) {
      const all = keys.map(({ key, clears }) => ({ hash: hashed(key), clears })).toSorted(byHash);
      await db.transaction().execute(async (tx) => {
        for (const { hash, clears } of all) {
          if (clears) await tx.deleteFrom('sign_in_attempts').where('key', '=', hash).execute();
          else {
            await tx
              .updateTable('sign_in_attempts')
              .set({ failures: sql`greatest(failures - 1, 0)`, blocked_until: null })
              .where('key', '=', hash)
              .execute();
          }
        }
      });
    },
  };
}

/** What could not even be tried, because too many others tried at that moment, counts for nothing. */
export async function trying<T>(attempts: Attempts, keys: readonly AttemptKey[], work: () => Promise<T>): Promise<T> {
  await attempts.begin(keys);
  try {
    return await work();
  } catch (thrown) {
    await attempts.succeed(keys.map((key) => ({ ...key, clears: false })));
    throw thrown;
  }
}

function byHash(a: { readonly hash: string }, b: { readonly hash: string }): number {
  return a.hash < b.hash ? -1 : 1;
}

const NETWORK_GROUPS = 4;

/**
 * An IPv6 address stands for its /64: whoever has one address of it has all. Others are as they are, without the port
 * that some proxies tell with them, which is another one each time.
 */
export function networkOf(address: string): string {
  const bare = address
    .replace(/^\[([^\]]*)\](?::\d+)?$/, '$1')
    .replace(/%.*$/, '')
    .replace(/^::ffff:(?=\d+\.)/i, '')
    .replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1');
  if (!isIPv6(bare)) return bare;
  const [head = '', tail] = bare.toLowerCase().split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...first, ...Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0'), ...last];
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/${16 * NETWORK_GROUPS}`;
}
