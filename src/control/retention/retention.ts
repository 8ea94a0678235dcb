/**
 * What is kept for how long. Item logs and reports go after the retention of the settings; counters, states and the run
 * itself stay. The newest snapshot and manifest of each pair of places never expire: the next run compares with them.
 */
import { sql } from 'kysely';
import { chunkPrefix } from '../../engine/chunks.ts';
import { toDroverError } from '../../model/errors.ts';
import { databaseNow, type SharedClock } from '../database/now.ts';
import type { ControlWorld, Db } from '../world.ts';
import { HAS_NEWEST_SNAPSHOT, IS_NEEDED_EVIDENCE, IS_READ } from './kept.ts';
import { findRemovedRuns, removeLeftFiles } from './removed-runs.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** What there is of a run beside its own row, which keeps the sums. */
const RUN_TABLES = ['chunks', 'run_items', 'run_log', 'segments', 'run_workers', 'run_sessions'] as const;
/** At one look; the next comes at once while there is more. */
const RUNS_AT_ONCE = 50;
/** In one statement, so that none holds up others for long. */
const ROWS_AT_ONCE = 5_000;
/** What could not be removed, or ended the server that removed it, waits so long; of a run's logs twice as long each time. */
const AGAIN_HOURS = 1;
const AGAIN_HOURS_MAX = 24;
const SESSIONS_KEPT_DAYS = 30;
const DELIVERIES_KEPT_DAYS = 30;
const SCHEDULE_EVENTS_KEPT_DAYS = 400;
const IDEMPOTENCY_KEPT_DAYS = 1;
/** Their names stand in what runs show of who was at work. */
const WORKERS_KEPT_DAYS = 30;

interface RetentionWorld extends ControlWorld {
  readonly now: SharedClock;
}

/** By the clock of the database: a server's own, were it far ahead, would take away what is to be kept. */
export function openRetention(
  base: ControlWorld,
  now: SharedClock = databaseNow,
): { tick(signal: AbortSignal): Promise<number> } {
  const world: RetentionWorld = { ...base, now };
  return {
    async tick(signal) {
      await removeOldRows(world);
      const artifacts = await expireArtifacts(world, signal);
      const runs = await expireLogs(world, signal);
      return artifacts + runs + (await removeLeft(world, signal));
    },
  };
}

/**
 * Of what has reached its age its row says so first; then its file goes, while nothing is locked. `taken_until` tells
 * whoever looks next that a file may be left, until it is gone.
 */
async function expireArtifacts(world: RetentionWorld, signal: AbortSignal): Promise<number> {
  const { db, artifacts, bus } = world;
  const nowMs = await world.now(db);
  const now = new Date(nowMs);
  const rows = await db
    .selectFrom('artifacts')
    .select(['id', 'object_name'])
    .where(HAS_FILE_TO_GO(now))
    .orderBy('expires_at')
    .limit(RUNS_AT_ONCE)
    .execute();
  for (const { id, object_name: name } of rows) {
    if (signal.aborted) break;
    await withoutFaults(world, { artifactId: id }, signal, async () => {
      const taken = await db
        .updateTable('artifacts')
        .set({ state: 'expired', taken_until: new Date(nowMs + AGAIN_HOURS * HOUR_MS) })
        .where('id', '=', id)
        .where(HAS_FILE_TO_GO(now))
        .returning('id')
        .executeTakeFirst();
      // Another server has it, or somebody has it made anew.
      if (taken === undefined) return;
      await bus.tell('artifact', id);
      await artifacts.removeAll(name);
      await db
        .updateTable('artifacts')
        .set({ taken_until: null })
        .where('id', '=', id)
        .where('state', '=', 'expired')
        .execute();
    });
  }
  return rows.length;
}

/** It has reached its age, or began to go and did not come to its end. */
const HAS_FILE_TO_GO = (now: Date) => sql<boolean>`(
  (state = 'expired' AND taken_until < ${now})
  OR (state IN ('ready', 'failed') AND expires_at < ${now} AND coalesce(taken_until < ${now}, true)))`;

/** Files of runs that were deleted by somebody who could not take them along. */
async function removeLeft(world: ControlWorld, signal: AbortSignal): Promise<number> {
  const ids = await findRemovedRuns(world, RUNS_AT_ONCE);
  for (const id of ids) {
    if (signal.aborted) break;
    await withoutFaults(world, { run: id }, signal, async () => void (await removeLeftFiles(world, id)));
  }
  return ids.length;
}

/** What cannot be removed holds up nothing else: it is left for later, and said. */
async function withoutFaults(
  { log }: ControlWorld,
  about: Readonly<Record<string, string>>,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    const error = toDroverError(thrown);
    if (signal.aborted || error.code === 'DATABASE_UNAVAILABLE') throw thrown;
    log('warn', 'Something that has reached its age could not be removed.', { ...about, reason: error.message });
  }
}

/** What began to go and did not come to its end, then what has reached its age. */
async function expireLogs(world: RetentionWorld, signal: AbortSignal): Promise<number> {
  const { db, settings } = world;
  const nowMs = await world.now(db);
  const now = new Date(nowMs);
  const before = new Date(nowMs - settings.artifactRetentionDays * DAY_MS);
  const left = await db
    .selectFrom('runs')
    .select('id')
    .where('logs_expired', '=', true)
    .where('cleaning_attempts', '>', 0)
    .where('cleaning_after', '<', now)
    .orderBy('id')
    .limit(RUNS_AT_ONCE)
    .execute();
  const old = await db
    .selectFrom('runs')
    .select('id')
    .where('logs_expired', '=', false)
    .where('ended_at', '<', before)
    .where(MAY_GO)
    .orderBy('ended_at')
    .limit(RUNS_AT_ONCE)
    .execute();
  const rows = [...left, ...old].slice(0, RUNS_AT_ONCE);
  for (const { id } of rows) {
    if (signal.aborted) break;
    await withoutFaults(world, { run: id }, signal, () => removeLogs(world, id));
  }
  return rows.length;
}

/** The newest run with a snapshot is looked up for each pair, and what knows more since; all older ones may go. */
const MAY_GO = sql<boolean>`(NOT ${HAS_NEWEST_SNAPSHOT} AND NOT ${IS_READ} AND NOT ${IS_NEEDED_EVIDENCE})`;

/** Nothing is locked while its files go: its row says before that they may be gone, and after that they are. */
async function removeLogs(world: RetentionWorld, id: string): Promise<void> {
  const { db, artifacts, log } = world;
  if (!(await beginToRemove(world, id))) return;
  await artifacts.removeAll(chunkPrefix(id));
  for (const table of RUN_TABLES) while ((await removeSome(db, table, id)) > 0);
  await db.updateTable('runs').set({ cleaning_attempts: 0, cleaning_after: null }).where('id', '=', id).execute();
  log('info', 'The logs of a run have reached their age and are gone.', { run: id });
}

/** False where another server is at it, or where somebody wants to repeat the run. */
async function beginToRemove(world: RetentionWorld, id: string): Promise<boolean> {
  const { db, bus } = world;
  const now = new Date(await world.now(db));
  return db.transaction().execute(async (tx) => {
    // Whoever wants to repeat this run waits here, and then sees that its log is gone; or was first, and it stays.
    await sql`SELECT FROM runs WHERE id = ${id} FOR UPDATE`.execute(tx);
    // Counted before it begins, for a server that ends in the middle cannot do so any more.
    const { rows } = await sql`UPDATE runs SET logs_expired = true, has_snapshot = false,
        cleaning_attempts = cleaning_attempts + 1, cleaning_after = ${now}::timestamptz
          + least(${sql.lit(AGAIN_HOURS_MAX)}, ${sql.lit(AGAIN_HOURS)} * 2 ^ least(cleaning_attempts, 10)) * interval '1 hour'
      WHERE id = ${id} AND coalesce(cleaning_after < ${now}, NOT logs_expired) AND (logs_expired OR ${MAY_GO})
      RETURNING id`.execute(tx);
    if (rows.length > 0) await bus.tell('run', id, tx);
    return rows.length > 0;
  });
}

async function removeSome(db: Db, table: (typeof RUN_TABLES)[number], runId: string): Promise<number> {
  const { numAffectedRows } = await sql`DELETE FROM ${sql.table(table)} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM ${sql.table(table)} WHERE run_id = ${runId} LIMIT ${sql.lit(ROWS_AT_ONCE)}))`.execute(db);
  return Number(numAffectedRows ?? 0);
}

async function removeOldRows({ db, now }: RetentionWorld): Promise<void> {
  const nowMs = await now(db);
  const daysAgo = (days: number): Date => new Date(nowMs - days * DAY_MS);
  await db.deleteFrom('sessions').where('expires_at', '<', daysAgo(SESSIONS_KEPT_DAYS)).execute();
  // Whoever signs in clears away a few; after many attempts nobody may.
  await db.deleteFrom('sign_in_attempts').where('forgotten_at', '<', new Date(nowMs)).execute();
  await db.deleteFrom('idempotency').where('created_at', '<', daysAgo(IDEMPOTENCY_KEPT_DAYS)).execute();
  // Also what waits for a subscriber that was disabled long ago.
  await db.deleteFrom('deliveries').where('at', '<', daysAgo(DELIVERIES_KEPT_DAYS)).execute();
  await db
    .deleteFrom('workers')
    .where('seen_at', '<', daysAgo(WORKERS_KEPT_DAYS))
    .where(sql<boolean>`NOT EXISTS (SELECT FROM segments WHERE segments.worker_id = workers.id AND state = 'open')`)
    .execute();
  await db.deleteFrom('servers').where('seen_at', '<', daysAgo(WORKERS_KEPT_DAYS)).execute();
  await db.deleteFrom('schedule_events').where('at', '<', daysAgo(SCHEDULE_EVENTS_KEPT_DAYS)).execute();
}
