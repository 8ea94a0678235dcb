/** Schedules as rows, and as they are given out. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import type { Schedule, ScheduleEvent, ScheduleRule } from '../entities.ts';
import { found, isoOf, isoOrNull, isUuid, keptOf } from '../rows.ts';
import type { ScheduleInput } from '../services.ts';
import type { Db, Tx } from '../world.ts';
import { isSameRule } from './rule.ts';

export function columnsOf({ rule, timeZone, startsAt, endsAt, runKind }: ScheduleInput) {
  return {
    rule: JSON.stringify(rule),
    time_zone: timeZone,
    starts_at: startsAt ?? null,
    ends_at: endsAt ?? null,
    run_kind: runKind ?? 'transfer',
  };
}

export function inputOf({ rule, timeZone, startsAt, endsAt, runKind }: Schedule): ScheduleInput {
  return { rule, timeZone, startsAt, endsAt, runKind };
}

export function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Partial<T>;
}

export function rowsOf(db: Db | Tx) {
  return db
    .selectFrom('schedules')
    .innerJoin('jobs', 'jobs.id', 'schedules.job_id')
    .innerJoin('projects', 'projects.id', 'jobs.project_id')
    .selectAll('schedules')
    .select(['jobs.name as job_name', 'projects.name as project_name'])
    .select(
      sql<EventRow | null>`(
        SELECT jsonb_build_object('at', at, 'outcome', outcome, 'run_id', run_id, 'detail', detail)
        FROM schedule_events WHERE schedule_id = schedules.id ORDER BY number DESC LIMIT 1
      )`.as('last_event'),
    );
}

export type ScheduleRow = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

export interface EventRow {
  readonly at: Date | string;
  readonly outcome: string;
  readonly run_id: string | null;
  readonly detail: string | null;
}

export async function rowOf(db: Db | Tx, id: string): Promise<ScheduleRow> {
  const row = isUuid(id) ? await rowsOf(db).where('schedules.id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'schedule', id);
}

export function scheduleOf(row: ScheduleRow): Schedule {
  return {
    ...keptOf(row),
    jobId: row.job_id,
    jobName: row.job_name,
    projectName: row.project_name,
    rule: row.rule as ScheduleRule,
    timeZone: row.time_zone,
    startsAt: isoOrNull(row.starts_at),
    endsAt: isoOrNull(row.ends_at),
    enabled: row.enabled,
    runKind: row.run_kind as Schedule['runKind'],
    nextAt: row.enabled ? isoOrNull(row.next_at) : null,
    lastAt: isoOrNull(row.last_at),
    lastOutcome: row.last_event === null ? null : eventOf(row.last_event),
  };
}

export function eventOf(row: EventRow): ScheduleEvent {
  return {
    at: isoOf(new Date(row.at)),
    outcome: row.outcome as ScheduleEvent['outcome'],
    runId: row.run_id,
    detail: row.detail,
  };
}

/**
 * Two schedules of one job at the same moments would skip each other each time. ALREADY_EXISTS names the other one. The
 * caller holds the job's row, so that nobody makes a twin at the same moment.
 */
export async function refuseTwin(
  tx: Tx,
  { jobId, jobName, id }: { readonly jobId: string; readonly jobName: string; readonly id: string | null },
  input: ScheduleInput,
): Promise<void> {
  const others = await rowsOf(tx).where('schedules.job_id', '=', jobId).execute();
  const twin = others.map(scheduleOf).find((other) => other.id !== id && isTwin(other, input));
  if (twin === undefined) return;
  const state = twin.enabled ? 'enabled' : 'disabled';
  throw new DroverError(
    'ALREADY_EXISTS',
    `"${jobName}" has a schedule with this rule and time zone already: ${twin.id}, which is ${state}.`,
    { field: 'rule', remedy: 'Change or enable that one, or give this one another rule.' },
  );
}

/** Due at the same moments, some of which lie between start and end of both. */
export function isTwin(a: ScheduleInput, b: ScheduleInput): boolean {
  const startMs = ({ startsAt }: ScheduleInput): number => Date.parse(startsAt ?? '') || Number.NEGATIVE_INFINITY;
  const endMs = ({ endsAt }: ScheduleInput): number => Date.parse(endsAt ?? '') || Number.POSITIVE_INFINITY;
  return isSameRule(a, b) && startMs(a) <= endMs(b) && startMs(b) <= endMs(a);
}
