/**
 * Starts what is due. Several at once, each with its own limit of time, and not too many with one connector: where one
 * does not answer, only those that need it wait.
 */
import { sql } from 'kysely';
import { databaseNow, type SharedClock } from '../database/now.ts';
import { SYSTEM, type Schedule, type ScheduleEvent } from '../entities.ts';
import { inTime } from '../in-time.ts';
import { isoOf } from '../rows.ts';
import { fromDatabase } from '../runs/database-errors.ts';
import type { Runs } from '../services.ts';
import type { ControlWorld, Tx } from '../world.ts';
import { hasPassed, missedWords, nextOf, startedRun } from './reckoning.ts';
import { rowOf, scheduleOf } from './rows.ts';

/** By one server; the next look is seconds away. */
const AT_ONCE_MAX = 32;
const PER_CONNECTOR_MAX = 8;
/** While something is being started, so often is looked for what has become due. */
const LOOK_AGAIN_MS = 1_000;
/** Permission checks have a limit of their own that is shorter and says more. */
const START_LIMIT = { limitMs: 3 * 60_000, what: 'The run could not be started' };
/** A server that was not done so long after it took a moment is taken for dead, and another takes it over. */
const HOLD_MS = START_LIMIT.limitMs + 60_000;
const ATTEMPTS_MAX = 5;
/** Before a start that the database did not take is tried again. */
const AGAIN_MS = 1_000;

export interface StartParts {
  readonly start: Runs['start'];
  /** Tells people that a schedule could not start its run, in the transaction that writes this down. */
  readonly onRefused: (schedule: Schedule, reason: string, tx: Tx) => Promise<void>;
  /** Left out: the database's. */
  readonly now?: SharedClock;
}

interface Due {
  readonly schedule: Schedule;
  readonly dueAt: string;
  /** With this one; those before it ended their servers. */
  readonly attempt: number;
  readonly connectorIds: readonly string[];
  /** About times that passed without a start since. */
  readonly missed: string | null;
}

export class ScheduleStarts {
  readonly #world: ControlWorld;
  readonly #parts: StartParts;
  readonly #now: SharedClock;
  readonly #under = new Map<Promise<void>, readonly string[]>();

  constructor(world: ControlWorld, parts: StartParts) {
    this.#world = world;
    this.#parts = parts;
    this.#now = parts.now ?? databaseNow;
  }

  /**
   * Each due schedule moves on to its next moment in a transaction of its own before its run is started, and keeps the
   * moment until it has an outcome: what a server that died had begun is taken over by another. No moment starts two
   * runs: an index sees to that. A server that is told to stop puts the moment back. Until everything that was begun has
   * its outcome; what becomes due meanwhile is begun, too.
   */
  async tick(signal: AbortSignal): Promise<number> {
    let handled = 0;
    const faults: unknown[] = [];
    const under = this.#under;
    if (!signal.aborted) await this.#reckonAnew();
    try {
      do {
        for (let due = await this.#next(signal); due !== null; due = await this.#next(signal)) {
          handled += 1;
          const start: Promise<void> = this.#start(due, signal)
            .catch((thrown: unknown) => void faults.push(thrown))
            .finally(() => under.delete(start));
          under.set(start, due.connectorIds);
        }
        await this.#pause(signal);
      } while (under.size > 0 && !signal.aborted);
    } finally {
      await Promise.all(under.keys());
    }
    if (faults.length > 0) throw faults[0];
    return handled;
  }

  /** Until one of those under way is done, or it is time to look again. */
  async #pause(signal: AbortSignal): Promise<void> {
    if (this.#under.size === 0) return;
    const isOver = new AbortController();
    const rest = this.#world.clock
      .sleep(LOOK_AGAIN_MS, AbortSignal.any([signal, isOver.signal]))
      .catch(() => undefined);
    await Promise.race([...this.#under.keys(), rest]);
    isOver.abort();
  }

  async #next(signal: AbortSignal): Promise<Due | null> {
    if (signal.aborted || this.#under.size >= AT_ONCE_MAX) return null;
    const uses = new Map<string, number>();
    for (const id of [...this.#under.values()].flat()) uses.set(id, (uses.get(id) ?? 0) + 1);
    return this.#takeDue([...uses].flatMap(([id, count]) => (count >= PER_CONNECTOR_MAX ? [id] : [])));
  }

  /** Of a clock that was ahead and is right again nothing stays, but that some times were started early. */
  async #reckonAnew(): Promise<void> {
    const { db, bus } = this.#world;
    for (let isLeft = true; isLeft;) {
      isLeft = await db.transaction().execute(async (tx) => {
        const nowMs = await this.#now(tx);
        const now = new Date(nowMs);
        const row = await tx
          .selectFrom('schedules')
          .select('id')
          .where('reckoned_at', '>', now)
          .where('due_at', 'is', null)
          .limit(1)
          .forUpdate()
          .skipLocked()
          .executeTakeFirst();
        if (row === undefined) return false;
        const next = await nextOf(tx, scheduleOf(await rowOf(tx, row.id)), nowMs);
        await tx
          .updateTable('schedules')
          .set({ next_at: next === null ? null : new Date(next), enabled: next !== null, reckoned_at: now })
          .where('id', '=', row.id)
          .execute();
        await bus.tell('schedule', row.id, tx);
        return true;
      });
    }
  }

  /** Not of jobs of these connectors: enough are waiting for them. */
  async #takeDue(crowded: readonly string[]): Promise<Due | null> {
    const { db } = this.#world;
    return db.transaction().execute(async (tx) => {
      const nowMs = await this.#now(tx);
      const now = new Date(nowMs);
      let query = tx
        .selectFrom('schedules')
        .innerJoin('jobs', 'jobs.id', 'schedules.job_id')
        .innerJoin('endpoints as source', 'source.id', 'jobs.source_endpoint_id')
        .innerJoin('endpoints as target', 'target.id', 'jobs.target_endpoint_id')
        .select([
          'schedules.id',
          'schedules.next_at',
          'schedules.due_at',
          'schedules.start_attempts',
          'schedules.reckoned_at',
          'source.connector_id as source_connector_id',
          'target.connector_id as target_connector_id',
        ])
        .where(({ or, and, eb }) =>
          or([
            and([
              eb('schedules.enabled', '=', true),
              eb('schedules.next_at', '<=', now),
              eb('schedules.due_at', 'is', null),
            ]),
            and([
              eb('schedules.due_at', 'is not', null),
              eb('schedules.taken_until', '<=', sql<Date>`clock_timestamp()`),
            ]),
          ]),
        );
      if (crowded.length > 0) {
        query = query
          .where('source.connector_id', 'not in', [...crowded])
          .where('target.connector_id', 'not in', [...crowded]);
      }
      const row = await query
        .orderBy((eb) => eb.fn.coalesce('schedules.due_at', 'schedules.next_at'))
        .limit(1)
        .forUpdate('schedules')
        .skipLocked()
        .executeTakeFirst();
      const dueAt = row?.due_at ?? row?.next_at;
      if (row === undefined || dueAt === null || dueAt === undefined) return null;
      const schedule = scheduleOf(await rowOf(tx, row.id));
      const attempt = row.due_at === null ? 1 : row.start_attempts + 1;
      const isLate = row.due_at !== null;
      const dueMs = new Date(dueAt).getTime();
      const isGap = !isLate && hasPassed(schedule, dueMs, nowMs);
      const reckoned = isGap ? now : row.reckoned_at;
      // What was missed is made up for once, not once for each moment.
      const next = isLate ? null : await nextOf(tx, schedule, nowMs);
      const moved = { next_at: next === null ? null : new Date(next), last_at: now, enabled: next !== null };
      await tx
        .updateTable('schedules')
        .set({
          due_at: dueAt,
          start_attempts: attempt,
          taken_until: sql<Date>`clock_timestamp() + ${HOLD_MS * attempt} * interval '1 millisecond'`,
          reckoned_at: reckoned,
          ...(isLate ? {} : moved),
        })
        .where('id', '=', row.id)
        .execute();
      const missed = reckoned === null ? null : missedWords(schedule, dueMs, new Date(reckoned).getTime());
      const connectorIds = [...new Set([row.source_connector_id, row.target_connector_id])];
      return { schedule, dueAt: isoOf(dueAt), attempt, connectorIds, missed };
    });
  }

  /** The database may be away for a moment: the moment is taken, so it is not given up before there is an outcome. */
  async #start(due: Due, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        return await this.#tryStart(due, signal);
      } catch (thrown) {
        if (fromDatabase(thrown).code !== 'DATABASE_UNAVAILABLE') throw thrown;
        await this.#world.clock.sleep(AGAIN_MS, signal);
      }
    }
  }

  async #tryStart(due: Due, signal: AbortSignal): Promise<void> {
    const { schedule, dueAt: scheduledAt, attempt } = due;
    const input = { kind: schedule.runKind, trigger: 'schedule', scheduledAt } as const;
    const before = attempt === 1 ? null : await this.#runOf(schedule.jobId, scheduledAt);
    if (before !== null) return this.#record(due, 'started', before, null);
    if (attempt > ATTEMPTS_MAX) {
      return this.#refuse(due, `Each of ${ATTEMPTS_MAX} servers that began to start it ended while it did so.`);
    }
    try {
      const run = await inTime(this.#world.clock, START_LIMIT, signal, (stopped) =>
        this.#parts.start(SYSTEM, schedule.jobId, input, stopped),
      );
      await this.#record(due, 'started', run.id, null);
    } catch (thrown) {
      const error = fromDatabase(thrown);
      if (error.code === 'DATABASE_UNAVAILABLE') throw error;
      const own = await this.#runOf(schedule.jobId, scheduledAt);
      if (own !== null) return this.#record(due, 'started', own, null);
      if (signal.aborted) return this.#putBack(due);
      if (error.code === 'GUARD_BUSY') {
        return this.#record(due, 'skipped', null, `The last run has not ended. ${error.message}`);
      }
      await this.#refuse(due, `${error.message} ${error.remedy}`);
    }
  }

  #refuse(due: Due, reason: string): Promise<void> {
    return this.#record(due, 'refused', null, reason, (tx) => this.#parts.onRefused(due.schedule, reason, tx));
  }

  /** It was started, and only the answer was lost. */
  #runOf(jobId: string, scheduledAt: string): Promise<string | null> {
    return startedRun(this.#world.db, jobId, Date.parse(scheduledAt));
  }

  /** For the next server, unless somebody has changed the schedule meanwhile. */
  async #putBack({ schedule, dueAt, attempt }: Due): Promise<void> {
    const { id, version } = schedule;
    await sql`UPDATE schedules SET due_at = NULL, taken_until = NULL, start_attempts = 0,
        next_at = CASE version WHEN ${version} THEN ${dueAt}::timestamptz ELSE next_at END,
        enabled = CASE version WHEN ${version} THEN true ELSE enabled END
      WHERE id = ${id} AND due_at = ${dueAt}::timestamptz AND start_attempts = ${attempt}`.execute(this.#world.db);
  }

  /** Once for each moment: by whoever has it last. */
  async #record(
    { schedule: { id }, dueAt, attempt, missed }: Due,
    outcome: ScheduleEvent['outcome'],
    runId: string | null,
    detail: string | null,
    alongside: (tx: Tx) => Promise<void> = async () => undefined,
  ): Promise<void> {
    const { db, bus } = this.#world;
    await db.transaction().execute(async (tx) => {
      const at = new Date(await this.#now(tx));
      const isOurs = await tx
        .updateTable('schedules')
        .set({ due_at: null, taken_until: null, start_attempts: 0 })
        .where('id', '=', id)
        .where('due_at', '=', new Date(dueAt))
        .where('start_attempts', '=', attempt)
        .returning('id')
        .executeTakeFirst();
      if (isOurs === undefined) return;
      const line = { schedule_id: id, at, run_id: null };
      if (missed !== null) {
        await tx
          .insertInto('schedule_events')
          .values({ ...line, outcome: 'skipped', detail: missed })
          .execute();
      }
      await tx
        .insertInto('schedule_events')
        .values({ ...line, outcome, run_id: runId, detail })
        .execute();
      await alongside(tx);
      await bus.tell('schedule', id, tx);
    });
  }
}
