/**
 * When a schedule is due next, by a clock that all servers share, and also after that one has jumped. Which times were
 * started is known from their runs; the rest follows from the rule.
 */
import type { Schedule } from '../entities.ts';
import type { Db, Tx } from '../world.ts';
import { inputOf } from './rows.ts';
import { inZone, nextAfter } from './rule.ts';

/**
 * Set back by less than this after somebody enabled or changed a schedule, a clock is not taken for one that was ahead: as
 * well it may be behind now, and times that were never meant would be started.
 */
const SET_BACK_MS = 2 * 86_400_000;
/** Times started while the clock was ahead; after so many the first one is started once more, which its index refuses. */
const STARTED_MAX = 5_000;
const MISSED_MAX = 1_000;

/** What `reckoned_at` is for a schedule that somebody has just enabled or changed. */
export function reckonedAt(nowMs: number): Date {
  return new Date(nowMs - SET_BACK_MS);
}

/** The first time after `afterMs` that was not started already, while a clock was ahead. `null`: there is none. */
export async function nextOf(
  db: Db | Tx,
  schedule: Pick<Schedule, 'jobId'> & Parameters<typeof inputOf>[0],
  afterMs: number,
): Promise<number | null> {
  let next = nextAfter(inputOf(schedule), afterMs);
  for (let tries = 0; next !== null && tries < STARTED_MAX; tries++) {
    if ((await startedRun(db, schedule.jobId, next)) === null) return next;
    next = nextAfter(inputOf(schedule), next);
  }
  return next;
}

/** The run that was started for that time. */
export async function startedRun(db: Db | Tx, jobId: string, atMs: number): Promise<string | null> {
  const row = await db
    .selectFrom('runs')
    .select('id')
    .where('job_id', '=', jobId)
    .where('trigger', '=', 'schedule')
    .where('scheduled_at', '=', new Date(atMs))
    .executeTakeFirst();
  return row?.id ?? null;
}

/** Times went by between the one that is started and the one that comes next. */
export function hasPassed(schedule: Schedule, dueMs: number, nowMs: number): boolean {
  const following = nextAfter(inputOf(schedule), dueMs);
  return following !== null && following <= nowMs;
}

/** A sentence about the times after `dueMs` that went by without a start; `null` where there are none. */
export function missedWords(schedule: Schedule, dueMs: number, untilMs: number): string | null {
  const nextTo = (afterMs: number): number | null => {
    const next = nextAfter(inputOf(schedule), afterMs);
    return next === null || next > untilMs ? null : next;
  };
  const missed: number[] = [];
  for (let at = nextTo(dueMs); at !== null && missed.length <= MISSED_MAX; at = nextTo(at)) missed.push(at);
  const [first, last] = [missed[0], missed.at(-1)];
  if (first === undefined || last === undefined) return null;
  const at = (atMs: number): string => inZone(atMs, schedule.timeZone);
  const times =
    missed.length > MISSED_MAX
      ? `more than ${MISSED_MAX.toLocaleString('en')} times, from ${at(first)}`
      : missed.length === 1
        ? `one more time, ${at(first)}`
        : `${missed.length.toLocaleString('en')} more times, from ${at(first)} to ${at(last)}`;
  const all = missed.length === 1 ? 'both' : 'all of them';
  return `Missed: ${times}. No server was running then, or a clock was ahead; one run makes up for ${all}.`;
}
