/** The first page: what needs somebody, what runs, what today brought. */
import { sql } from 'kysely';
import type { Actor } from '../entities.ts';
import { runsMaxOf } from '../fleet/installation.ts';
import { demand } from '../people/roles.ts';
import type { Logs, Overview, Runs, Schedules, Services } from '../services.ts';
import type { ControlWorld, Db } from '../world.ts';
import { attentionOf } from './attention.ts';

const RUNNING_SHOWN_MAX = 6;
const SCHEDULES_SHOWN_MAX = 5;
const CODES_SHOWN_MAX = 10;
const DAY_MS = 86_400_000;

export function openOverview(
  { db, clock, settings }: ControlWorld,
  {
    runs,
    schedules,
    logs,
  }: { runs: Pick<Runs, 'list'>; schedules: Pick<Schedules, 'list'>; logs: Pick<Logs, 'codes'> },
): Services['overview'] {
  return async (actor: Actor): Promise<Overview> => {
    demand(actor, 'read');
    const asOf = new Date(clock.now()).toISOString();
    const [needed, running, queued, runsMax, today, counts, next] = await Promise.all([
      attentionOf(db),
      runs.list(actor, {
        filter: { state: ['running', 'pausing', 'cancelling'] },
        limit: RUNNING_SHOWN_MAX,
        withTotal: true,
      }),
      queuedOf(db),
      runsMaxOf(db, settings.runsMax),
      todayOf(db, clock.now()),
      logs.codes(actor, null),
      schedules.list(actor, { filter: { enabled: ['true'] }, limit: SCHEDULES_SHOWN_MAX }),
    ]);
    return {
      asOf,
      ...needed,
      running: running.items,
      runningTotal: running.total ?? running.items.length,
      queued,
      runsMax,
      today,
      codesAsOf: counts.asOf,
      codes: counts.codes.slice(0, CODES_SHOWN_MAX).map(({ code, items }) => ({ code, items })),
      nextSchedules: next.items,
    };
  };
}

async function queuedOf(db: Db): Promise<number> {
  const row = await db
    .selectFrom('runs')
    .select(sql<string>`count(*)`.as('runs'))
    .where('state', '=', 'queued')
    .executeTakeFirstOrThrow();
  return Number(row.runs);
}

/** Of runs that ended within the last 24 hours, and of those that go on. */
async function todayOf(db: Db, nowMs: number): Promise<Overview['today']> {
  const since = new Date(nowMs - DAY_MS);
  const row = await db
    .selectFrom('runs')
    .select([
      sql<string>`coalesce(sum((counters->'items'->>'copied')::bigint), 0)`.as('items'),
      sql<string>`coalesce(sum((counters->'bytes'->>'copied')::bigint), 0)`.as('bytes'),
      sql<string>`coalesce(sum((counters->'items'->>'failed')::bigint), 0)`.as('failed'),
      sql<string>`count(*)`.as('runs'),
      sql<string>`count(*) FILTER (WHERE state = 'failed')`.as('failed_runs'),
    ])
    .where((where) =>
      where.or([where('ended_at', '>=', since), where('state', 'in', ['running', 'pausing', 'cancelling'])]),
    )
    .executeTakeFirstOrThrow();
  return {
    items: Number(row.items),
    bytes: Number(row.bytes),
    failed: Number(row.failed),
    runs: Number(row.runs),
    failedRuns: Number(row.failed_runs),
  };
}
