/**
 * Inventories whose time has come. The row of the connector is the queue: its next time, and how often it was begun
 * without coming to an end. Tries are counted before they begin, so that an inventory that ends its server is given up.
 */
import { sql } from 'kysely';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { ControlWorld } from '../world.ts';
import { failureOf } from './check.ts';
import { keepOutcome } from './cloud.ts';

export const INVENTORY_ATTEMPTS_MAX = 5;
/** Whoever takes an inventory has so long before another takes it for dead: listing the buckets of an account is short. */
const HOLD_MINUTES = 10;
/** After a fault that may pass; twice as long after each further one. */
const AGAIN_FIRST_MINUTES = 1;

interface Claim {
  readonly id: string;
  /** With this one. */
  readonly attempt: number;
  /** Until when nobody else takes it. */
  readonly heldUntil: Date;
}

/** Takes one after the other until none is due or it is told to stop; returns how many. `refresh` keeps its outcome. */
export async function syncDueInventories(
  world: ControlWorld,
  refresh: (connectorId: string, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const { log } = world;
  let taken = 0;
  while (!signal.aborted) {
    const claim = await claimDue(world);
    if (claim === null) break;
    taken += 1;
    if (claim.attempt > INVENTORY_ATTEMPTS_MAX) {
      await giveUp(world, claim);
      continue;
    }
    try {
      await refresh(claim.id, signal);
      await settle(world, claim, null);
    } catch (thrown) {
      const error = toDroverError(thrown);
      if (signal.aborted) {
        await putBack(world, claim);
        break;
      }
      log('warn', 'An inventory failed.', { connectorId: claim.id, attempt: claim.attempt, reason: error.message });
      const isOver = error.policy.retry === 'never' || claim.attempt >= INVENTORY_ATTEMPTS_MAX;
      await settle(world, claim, isOver ? null : AGAIN_FIRST_MINUTES * 2 ** (claim.attempt - 1));
    }
  }
  return taken;
}

async function claimDue({ db, clock }: ControlWorld): Promise<Claim | null> {
  const now = new Date(clock.now());
  const { rows } = await sql<{ id: string; sync_attempts: number; next_sync_at: Date }>`
    UPDATE connectors SET sync_attempts = sync_attempts + 1,
      next_sync_at = ${now}::timestamptz + ${HOLD_MINUTES} * 2 ^ sync_attempts * interval '1 minute'
    WHERE id = (
      SELECT id FROM connectors WHERE next_sync_at <= ${now} ORDER BY next_sync_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, sync_attempts, next_sync_at`.execute(db);
  const [row] = rows;
  return row === undefined ? null : { id: row.id, attempt: row.sync_attempts, heldUntil: row.next_sync_at };
}

/** Its next time: again after so many minutes, else its regular one, or none where it is looked at only once. */
async function settle({ db, clock }: ControlWorld, claim: Claim, againMinutes: number | null): Promise<void> {
  const now = new Date(clock.now());
  const regular = sql`CASE WHEN cloud ->> 'syncEveryMinutes' IS NULL THEN NULL
    ELSE ${now}::timestamptz + (cloud ->> 'syncEveryMinutes')::int * interval '1 minute' END`;
  const next = againMinutes === null ? regular : sql`${now}::timestamptz + ${againMinutes} * interval '1 minute'`;
  // Somebody may have given it another time meanwhile, or taken it after the hold.
  await sql`UPDATE connectors SET next_sync_at = ${next}, sync_attempts = ${againMinutes === null ? 0 : claim.attempt}
    WHERE id = ${claim.id} AND next_sync_at = ${claim.heldUntil}`.execute(db);
}

/** Told to stop, which is no try. */
async function putBack({ db, clock }: ControlWorld, { id, attempt, heldUntil }: Claim): Promise<void> {
  await sql`UPDATE connectors SET next_sync_at = ${new Date(clock.now())}, sync_attempts = ${attempt - 1}
    WHERE id = ${id} AND next_sync_at = ${heldUntil}`.execute(db);
}

async function giveUp(world: ControlWorld, claim: Claim): Promise<void> {
  const { db, bus, log } = world;
  const words = `Each of ${INVENTORY_ATTEMPTS_MAX} servers that took this inventory ended while it did so.`;
  const error = new DroverError('INTERNAL', words, {
    remedy: 'Look at the log of the server (its memory may not suffice), then refresh the inventory by hand.',
  });
  await db.transaction().execute(async (tx) => {
    await keepOutcome(tx, claim.id, { lastSyncError: failureOf(error) });
    await bus.tell('connector', claim.id, tx);
  });
  await settle(world, claim, null);
  log('warn', 'An inventory was given up: whoever took it ended.', { connectorId: claim.id });
}
