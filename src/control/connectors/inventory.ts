/** What is in the accounts that a connector stands for: looked at, and written down. */
import { sql } from 'kysely';
import type { Config } from '../../contract/fields.ts';
import type { Account, MemberAccount } from '../../contract/provider.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { ControlWorld, Tx } from '../world.ts';
import { failureOf } from './check.ts';
import { keepOutcome } from './cloud.ts';
import type { CloudRow } from './rows.ts';

const BATCH = 1_000;
/** Each has connections of its own, and mostly waits. */
const MEMBERS_AT_ONCE = 8;

interface Seen {
  readonly name: string;
  readonly region: string | null;
}

/** What one account showed, or why it showed nothing. */
interface Looked {
  /** `''` where the connector stands for no cloud account. */
  readonly accountId: string;
  readonly name: string;
  readonly seen: readonly Seen[];
  readonly error: DroverError | null;
}

export interface Looking {
  readonly account: Account;
  readonly cloud: CloudRow | null;
  /** Signs in to another member with these fields exchanged. */
  readonly openMember: (fills: Config) => Promise<Account>;
}

/**
 * Lists the buckets of the account, or of every account of the organization, and writes down what is there, what is new
 * and what is gone. A failure is kept with the connector and thrown; that of one member is kept with the member, and
 * returned where looking again may help.
 */
export async function takeInventory(
  world: ControlWorld,
  connectorId: string,
  looking: Looking,
  signal: AbortSignal,
): Promise<DroverError | null> {
  const { db, bus, clock } = world;
  const { cloud } = looking;
  try {
    const isOrganization = cloud?.accountType === 'organization';
    const looks = isOrganization ? await lookAtAll(looking, signal) : [await lookAtOne(looking, signal)];
    const failed = looks.filter(({ error }) => error !== null);
    const now = new Date(clock.now());
    await db.transaction().execute(async (tx) => {
      // Two that look at the same time write one after the other.
      await tx.selectFrom('connectors').select('id').where('id', '=', connectorId).forUpdate().execute();
      if (cloud !== null) await adopt(tx, connectorId, cloud.accountId);
      for (const { accountId, seen } of looks) await keepSeen(tx, { connectorId, accountId }, seen, now);
      await keepGone(tx, connectorId, failed, now);
      await keepAccounts(tx, connectorId, isOrganization ? looks : [], now);
      const lastSyncError = failed.length === 0 ? null : failureOf(summary(failed, looks.length));
      await keepOutcome(tx, connectorId, { lastSyncAt: now.toISOString(), lastSyncError });
      await bus.tell('connector', connectorId, tx);
    });
    return failed.find(({ error }) => mayPass(error))?.error ?? null;
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (error.code !== 'CANCELLED' && error.code !== 'DATABASE_UNAVAILABLE') {
      await db.transaction().execute((tx) => keepOutcome(tx, connectorId, { lastSyncError: failureOf(error) }));
      await bus.tell('connector', connectorId);
    }
    throw error;
  }
}

/** One that lets nobody in does so until somebody has changed it. */
function mayPass(error: DroverError | null): boolean {
  if (error === null || error.code === 'UNAUTHENTICATED' || error.code === 'CREDENTIALS_EXPIRED') return false;
  return error.policy.retry !== 'never';
}

async function lookAtOne({ account, cloud }: Looking, signal: AbortSignal): Promise<Looked> {
  const accountId = cloud?.accountId ?? '';
  return { accountId, name: accountId, seen: await containersOf(account, cloud, signal), error: null };
}

async function lookAtAll(looking: Looking, signal: AbortSignal): Promise<readonly Looked[]> {
  const members = await membersOf(looking.account, signal);
  const looks: Looked[] = [];
  const waiting = members.values();
  const look = async (): Promise<void> => {
    for (const member of waiting) looks.push(await lookAtMember(looking, member, signal));
  };
  await Promise.all(Array.from({ length: MEMBERS_AT_ONCE }, look));
  return looks;
}

/** INVALID_INPUT where the connector cannot be the head of an organization. */
export async function membersOf(account: Account, signal: AbortSignal): Promise<readonly MemberAccount[]> {
  const { members } = requireMembers(account);
  const all: MemberAccount[] = [];
  for await (const page of members(signal)) all.push(...page);
  return all;
}

export function requireMembers(account: Account): Required<Pick<Account, 'members'>> {
  const { members } = account;
  if (members !== undefined) return { members };
  throw new DroverError(
    'INVALID_INPUT',
    'An organization is reached by a role that has the same name in all its accounts. This connector signs in without one, or is restricted to one bucket.',
    {
      field: 'cloud.accountType',
      remedy:
        'Sign in with the IAM role that the template for an organization makes, without naming a bucket, or choose the account type single.',
    },
  );
}

async function lookAtMember(looking: Looking, member: MemberAccount, signal: AbortSignal): Promise<Looked> {
  const { id: accountId, name, fills } = member;
  try {
    if (Object.keys(fills).length === 0) {
      return { accountId, name, seen: await containersOf(looking.account, looking.cloud, signal), error: null };
    }
    await using account = await looking.openMember(fills);
    return { accountId, name, seen: await containersOf(account, looking.cloud, signal), error: null };
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (signal.aborted || error.code === 'CANCELLED') throw error;
    return { accountId, name, seen: [], error };
  }
}

async function containersOf(account: Account, cloud: CloudRow | null, signal: AbortSignal): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  for await (const page of account.browse(null, signal)) {
    for (const { name, region } of page.items) {
      if (isWanted(region ?? null, cloud)) seen.push({ name, region: region ?? null });
    }
  }
  return seen;
}

/** A store that does not tell regions has nothing to filter by. */
function isWanted(region: string | null, cloud: CloudRow | null): boolean {
  const wanted = cloud?.regions ?? null;
  return wanted === null || region === null || wanted.includes(region);
}

function summary(failed: readonly Looked[], total: number): DroverError {
  const [first] = failed as [Looked, ...Looked[]];
  const { code, message, remedy, field } = first.error as DroverError;
  const words = `${first.name} (${first.accountId}): ${message}`;
  if (failed.length === 1) {
    return new DroverError(code, `1 of ${total} accounts could not be looked at. ${words}`, { field, remedy });
  }
  return new DroverError(code, `${failed.length} of ${total} accounts could not be looked at. The first is ${words}`, {
    remedy: 'The list of the accounts of this connector says for each of them what to do.',
  });
}

/** What was seen before the connector stood for an account was in that account all the same. */
async function adopt(tx: Tx, connectorId: string, accountId: string): Promise<void> {
  await sql`UPDATE inventory SET account_id = ${accountId} WHERE connector_id = ${connectorId} AND account_id = ''
    AND NOT EXISTS (SELECT FROM inventory AS known WHERE known.connector_id = inventory.connector_id
      AND known.container = inventory.container AND known.account_id = ${accountId})`.execute(tx);
}

async function keepSeen(
  tx: Tx,
  { connectorId, accountId }: { readonly connectorId: string; readonly accountId: string },
  seen: readonly Seen[],
  now: Date,
): Promise<void> {
  for (let at = 0; at < seen.length; at += BATCH) {
    const rows = seen.slice(at, at + BATCH).map(({ name, region }) => ({
      connector_id: connectorId,
      container: name,
      account_id: accountId,
      region,
      first_seen_at: now,
      last_seen_at: now,
      gone_at: null,
    }));
    await tx
      .insertInto('inventory')
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(['connector_id', 'container', 'account_id']).doUpdateSet((set) => ({
          region: set.fn.coalesce('excluded.region', 'inventory.region'),
          last_seen_at: now,
          gone_at: null,
        })),
      )
      .execute();
  }
}

/** Nothing is gone from an account that could not be looked at. */
async function keepGone(tx: Tx, connectorId: string, failed: readonly Looked[], now: Date): Promise<void> {
  const unseen = failed.map(({ accountId }) => accountId);
  await tx
    .updateTable('inventory')
    .set({ gone_at: now })
    .where('connector_id', '=', connectorId)
    .where('last_seen_at', '<', now)
    .where('gone_at', 'is', null)
    .where(sql<boolean>`account_id <> ALL (${unseen}::text[])`)
    .execute();
}

async function keepAccounts(tx: Tx, connectorId: string, looks: readonly Looked[], now: Date): Promise<void> {
  for (let at = 0; at < looks.length; at += BATCH) {
    const rows = looks.slice(at, at + BATCH).map(({ accountId, name, error }) => ({
      connector_id: connectorId,
      account_id: accountId,
      name,
      first_seen_at: now,
      last_seen_at: now,
      gone_at: null,
      looked_at: error === null ? now : null,
      error: error === null ? null : JSON.stringify(failureOf(error)),
    }));
    await tx
      .insertInto('inventory_accounts')
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(['connector_id', 'account_id']).doUpdateSet((set) => ({
          name: set.ref('excluded.name'),
          last_seen_at: now,
          gone_at: null,
          looked_at: set.fn.coalesce('excluded.looked_at', 'inventory_accounts.looked_at'),
          error: set.ref('excluded.error'),
        })),
      )
      .execute();
  }
  await tx
    .updateTable('inventory_accounts')
    .set({ gone_at: now })
    .where('connector_id', '=', connectorId)
    .where('last_seen_at', '<', now)
    .where('gone_at', 'is', null)
    .execute();
}
