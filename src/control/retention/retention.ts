/**
 * What is kept for how long. Item logs and reports go after the retention of the settings; counters, states and the run
 * itself stay. The newest snapshot and manifest of each pair of places never expire: the next run compares with them.
 */
import { sql } from 'kysely';
import { chunkPrefix } from '../../engine/chunks.ts';
import { toDroverError } from '../../model/errors.ts';
import type { ControlWorld } from '../world.ts';
import { HAS_NEWEST_SNAPSHOT, IS_READ } from './kept.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** What there is of a run beside its own row, which keeps the sums. */
const RUN_TABLES = ['chunks', 'run_items', 'run_log', 'segments', 'run_workers', 'run_sessions'] as const;
/** At one look; the next comes at once while there is more. */
const RUNS_AT_ONCE = 50;
/** What could not be removed, or ended the server that removed it, waits so long; of a run's logs twice as long each time. */
const AGAIN_HOURS = 1;
const AGAIN_HOURS_MAX = 24;
const SESSIONS_KEPT_DAYS = 30;
const DELIVERIES_KEPT_DAYS = 30;
const SCHEDULE_EVENTS_KEPT_DAYS = 400;
const IDEMPOTENCY_KEPT_DAYS = 1;
/** Their names stand in what runs show of who was at work. */
const WORKERS_KEPT_DAYS = 30;

export function openRetention(world: ControlWorld): { tick(signal: AbortSignal): Promise<number> } {
  return {
    async tick(signal) {
      await removeOldRows(world);
      const artifacts = await expireArtifacts(world, signal);
      const runs = await expireLogs(world, signal);
      return artifacts + runs;
    },
  };
}

/** Files first, then the row: a crash in between is made up for at the next look. */
async function expireArtifacts(world: ControlWorld, signal: AbortSignal): Promise<number> {
  const { db, clock, artifacts, bus } = world;
  const rows = await db
    .selectFrom('artifacts')
    .select(['id', 'object_name'])
    .where('state', 'in', ['ready', 'failed'])
    .where('expires_at', '<', new Date(clock.now()))
    .where((where) => where.or([where('taken_until', 'is', null), where('taken_until', '<', new Date(clock.now()))]))
    .orderBy('expires_at')
    .limit(RUNS_AT_ONCE)
    .execute();
  for (const { id, object_name: name } of rows) {
    if (signal.aborted) break;
    const again = new Date(clock.now() + AGAIN_HOURS * HOUR_MS);
    await db.updateTable('artifacts').set({ taken_until: again }).where('id', '=', id).execute();
    await withoutFaults(world, { artifactId: id }, signal, async () => {
      await artifacts.removeAll(name);
      await db.updateTable('artifacts').set({ state: 'expired', taken_until: null }).where('id', '=', id).execute();
      await bus.tell('artifact', id);
    });
  }
  return rows.length;
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

async function expireLogs(world: ControlWorld, signal: AbortSignal): Promise<number> {
  const { db, clock, settings } = world;
  const before = new Date(clock.now() - settings.artifactRetentionDays * DAY_MS);
  // The newest run with a snapshot is looked up for each pair; all older ones may go.
  const rows = await db
    .selectFrom('runs')
    .select('id')
    .where('logs_expired', '=', false)
    .where('ended_at', '<', before)
    .where(sql<boolean>`NOT ${HAS_NEWEST_SNAPSHOT} AND NOT ${IS_READ}`)
    .where((where) =>
      where.or([where('cleaning_after', 'is', null), where('cleaning_after', '<', new Date(clock.now()))]),
    )
    .orderBy('ended_at')
    .limit(RUNS_AT_ONCE)
    .execute();
  for (const { id } of rows) {
    if (signal.aborted) break;
    // Counted before it begins, for a server that ends in the middle cannot do so any more.
    await sql`UPDATE runs SET cleaning_attempts = cleaning_attempts + 1,
        cleaning_after = ${new Date(clock.now())}::timestamptz
          + least(${sql.lit(AGAIN_HOURS_MAX)}, ${sql.lit(AGAIN_HOURS)} * 2 ^ least(cleaning_attempts, 10)) * interval '1 hour'
      WHERE id = ${id}`.execute(db);
    await withoutFaults(world, { run: id }, signal, () => removeLogs(world, id));
  }
  return rows.length;
}

async function removeLogs({ db, artifacts, bus, log }: ControlWorld, id: string): Promise<void> {
  const isGone = await db.transaction().execute(async (tx) => {
    // Whoever wants to repeat this run waits here, and then sees that its log is gone; or was first, and it stays.
    await sql`SELECT FROM runs WHERE id = ${id} FOR UPDATE`.execute(tx);
    const { rows: free } = await sql`SELECT FROM runs WHERE id = ${id} AND NOT ${IS_READ}`.execute(tx);
    if (free.length === 0) return false;
    // Files first: a crash in between is made up for at the next look.
    await artifacts.removeAll(chunkPrefix(id));
    for (const table of RUN_TABLES) await tx.deleteFrom(table).where('run_id', '=', id).execute();
    await tx
      .updateTable('runs')
      .set({ logs_expired: true, has_snapshot: false, cleaning_attempts: 0, cleaning_after: null })
      .where('id', '=', id)
      .execute();
    return true;
  });
  if (!isGone) return;
  await bus.tell('run', id);
  log('info', 'The logs of a run have reached their age and are gone.', { run: id });
}

async function removeOldRows({ db, clock }: ControlWorld): Promise<void> {
  const daysAgo = (days: number): Date => new Date(clock.now() - days * DAY_MS);
  await db.deleteFrom('sessions').where('expires_at', '<', daysAgo(SESSIONS_KEPT_DAYS)).execute();
  // Whoever signs in clears away a few; after many attempts nobody may.
  await db.deleteFrom('sign_in_attempts').where('forgotten_at', '<', new Date(clock.now())).execute();
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
