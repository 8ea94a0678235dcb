/**
 * Starts what is due. Several at once, each with its own limit of time, and not too many with one connector: where one
 * does not answer, only those that need it wait.
 */
import { DroverError } from '../../model/errors.ts';
import { SYSTEM, type Run, type Schedule, type ScheduleEvent } from '../entities.ts';
import { isoOf } from '../rows.ts';
import { fromDatabase } from '../runs/database-errors.ts';
import type { Runs } from '../services.ts';
import type { ControlWorld, Tx } from '../world.ts';
import { inputOf, rowOf, scheduleOf } from './rows.ts';
import { nextAfter } from './rule.ts';

/** By one server; the next look is seconds away. */
const AT_ONCE_MAX = 32;
const PER_CONNECTOR_MAX = 8;
/** While something is being started, so often is looked for what has become due. */
const LOOK_AGAIN_MS = 1_000;
/** Permission checks have a limit of their own that is shorter and says more. */
const START_MS_MAX = 3 * 60_000;
/** Before a start that the database did not take is tried again. */
const AGAIN_MS = 1_000;

export interface StartParts {
  readonly start: Runs['start'];
  /** Tells people that a schedule could not start its run, in the transaction that writes this down. */
  readonly onRefused: (schedule: Schedule, reason: string, tx: Tx) => Promise<void>;
}

interface Due {
  readonly schedule: Schedule;
  readonly dueAt: string;
  readonly connectorIds: readonly string[];
}

export class ScheduleStarts {
  readonly #world: ControlWorld;
  readonly #parts: StartParts;
  readonly #under = new Map<Promise<void>, readonly string[]>();

  constructor(world: ControlWorld, parts: StartParts) {
    this.#world = world;
    this.#parts = parts;
  }

  /**
   * Each due schedule moves on to its next moment in a transaction of its own before its run is started: a server that
   * dies in between loses one start, and never starts one twice. One that is told to stop puts the moment back. Until
   * everything that was begun has its outcome; what becomes due meanwhile is begun, too.
   */
  async tick(signal: AbortSignal): Promise<number> {
    let handled = 0;
    const faults: unknown[] = [];
    const under = this.#under;
    try {
      do {
        for (let due = await this.#next(signal); due !== null; due = await this.#next(signal)) {
          handled += 1;
          const start: Promise<void> = this.#start(due.schedule, due.dueAt, signal)
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

  /** Not of jobs of these connectors: enough are waiting for them. */
  async #takeDue(crowded: readonly string[]): Promise<Due | null> {
    const { db, clock } = this.#world;
    return db.transaction().execute(async (tx) => {
      let query = tx
        .selectFrom('schedules')
        .innerJoin('jobs', 'jobs.id', 'schedules.job_id')
        .innerJoin('endpoints as source', 'source.id', 'jobs.source_endpoint_id')
        .innerJoin('endpoints as target', 'target.id', 'jobs.target_endpoint_id')
        .select([
          'schedules.id',
          'schedules.next_at',
          'source.connector_id as source_connector_id',
          'target.connector_id as target_connector_id',
        ])
        .where('schedules.enabled', '=', true)
        .where('schedules.next_at', '<=', new Date(clock.now()));
      if (crowded.length > 0) {
        query = query
          .where('source.connector_id', 'not in', [...crowded])
          .where('target.connector_id', 'not in', [...crowded]);
      }
      const row = await query
        .orderBy('schedules.next_at')
        .limit(1)
        .forUpdate('schedules')
        .skipLocked()
        .executeTakeFirst();
      if (row === undefined || row.next_at === null) return null;
      const schedule = scheduleOf(await rowOf(tx, row.id));
      // What was missed while no server ran is made up for once, not once for each moment.
      const next = nextAfter(inputOf(schedule), clock.now());
      await tx
        .updateTable('schedules')
        .set({
          next_at: next === null ? null : new Date(next),
          last_at: new Date(clock.now()),
          enabled: next !== null,
        })
        .where('id', '=', row.id)
        .execute();
      const connectorIds = [...new Set([row.source_connector_id, row.target_connector_id])];
      return { schedule, dueAt: isoOf(row.next_at), connectorIds };
    });
  }

  /** Whatever a store does: the start is told to stop, and nobody waits for it any longer. */
  async #inTime(signal: AbortSignal, start: (signal: AbortSignal) => Promise<Run>): Promise<Run> {
    const late = new AbortController();
    const isOver = new AbortController();
    const giveUp = async (): Promise<never> => {
      await this.#world.clock.sleep(START_MS_MAX, AbortSignal.any([signal, isOver.signal]));
      const minutes = START_MS_MAX / 60_000;
      const error = new DroverError('UNREACHABLE', `The run could not be started within ${minutes} minutes.`);
      late.abort(error);
      throw error;
    };
    try {
      return await Promise.race([start(AbortSignal.any([signal, late.signal])), giveUp()]);
    } finally {
      isOver.abort();
    }
  }

  /** The database may be away for a moment: the moment is taken, so it is not given up before there is an outcome. */
  async #start(schedule: Schedule, scheduledAt: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        return await this.#tryStart(schedule, scheduledAt, signal);
      } catch (thrown) {
        if (fromDatabase(thrown).code !== 'DATABASE_UNAVAILABLE') throw thrown;
        await this.#world.clock.sleep(AGAIN_MS, signal);
      }
    }
  }

  async #tryStart(schedule: Schedule, scheduledAt: string, signal: AbortSignal): Promise<void> {
    const input = { kind: schedule.runKind, trigger: 'schedule', scheduledAt } as const;
    try {
      const run = await this.#inTime(signal, (stopped) => this.#parts.start(SYSTEM, schedule.jobId, input, stopped));
      await this.#record(schedule.id, 'started', run.id, null);
    } catch (thrown) {
      const error = fromDatabase(thrown);
      if (error.code === 'DATABASE_UNAVAILABLE') throw error;
      if (signal.aborted) return this.#putBack(schedule, scheduledAt);
      if (error.code === 'GUARD_BUSY') {
        const own = await this.#runOf(schedule.jobId, scheduledAt);
        if (own !== null) return this.#record(schedule.id, 'started', own, null);
        await this.#record(schedule.id, 'skipped', null, `The last run has not ended. ${error.message}`);
        return;
      }
      const reason = `${error.message} ${error.remedy}`;
      await this.#record(schedule.id, 'refused', null, reason, (tx) => this.#parts.onRefused(schedule, reason, tx));
    }
  }

  /** It was started, and only the answer was lost. */
  async #runOf(jobId: string, scheduledAt: string): Promise<string | null> {
    const row = await this.#world.db
      .selectFrom('runs')
      .select('id')
      .where('job_id', '=', jobId)
      .where('trigger', '=', 'schedule')
      .where('scheduled_at', '=', new Date(scheduledAt))
      .executeTakeFirst();
    return row?.id ?? null;
  }

  /** For the next server, unless somebody has changed the schedule meanwhile. */
  async #putBack({ id, version, enabled }: Schedule, scheduledAt: string): Promise<void> {
    await this.#world.db
      .updateTable('schedules')
      .set({ next_at: new Date(scheduledAt), enabled })
      .where('id', '=', id)
      .where('version', '=', version)
      .execute();
  }

  async #record(
    id: string,
    outcome: ScheduleEvent['outcome'],
    runId: string | null,
    detail: string | null,
    alongside: (tx: Tx) => Promise<void> = async () => undefined,
  ): Promise<void> {
    const { db, bus, clock } = this.#world;
    const at = new Date(clock.now());
    await db.transaction().execute(async (tx) => {
      await tx.insertInto('schedule_events').values({ schedule_id: id, at, outcome, run_id: runId, detail }).execute();
      await alongside(tx);
      await bus.tell('schedule', id, tx);
    });
  }
}
