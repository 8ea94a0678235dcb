/**
 * Schedules: they start runs of their job. One that is due while a run of the job is still going on is skipped, and
 * that is recorded; one that was due while no server ran starts once, as soon as one runs again.
 */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { changesOf, makeAudit } from '../audit.ts';
import { SYSTEM, type Actor, type Schedule, type ScheduleEvent, type ScheduleRule } from '../entities.ts';
import { newId } from '../ids.ts';
import { listPage, type Listing } from '../paging.ts';
import { demand } from '../people/roles.ts';
import { found, isoOf, isoOrNull, isUuid, keptOf, lockVersion, stampOf } from '../rows.ts';
import { fromDatabase } from '../runs/database-errors.ts';
import type { Jobs, Runs, ScheduleInput, Schedules } from '../services.ts';
import type { Audit, ControlWorld, Db, Tx } from '../world.ts';
import { checkTiming, nextAfter, upcoming } from './rule.ts';

/** Taken at once by one server; the next look is seconds away. */
const DUE_AT_ONCE = 50;
const PREVIEW_MAX = 50;
/** Before a start that the database did not take is tried again. */
const AGAIN_MS = 1_000;

export interface ScheduleParts {
  readonly preflight: Jobs['preflight'];
  readonly start: Runs['start'];
  /** Tells people that a schedule could not start its run, in the transaction that writes this down. */
  readonly onRefused: (schedule: Schedule, reason: string, tx: Tx) => Promise<void>;
}

export function openSchedules(world: ControlWorld, parts: ScheduleParts): Schedules {
  const { db, clock } = world;
  const work = new ScheduleWork(world, parts);
  return {
    async list(actor, query) {
      demand(actor, 'read');
      const page = await listPage(db, rowsOf(db), { ...LISTING, query });
      return { ...page, items: page.items.map(scheduleOf) };
    },
    async get(actor, id) {
      demand(actor, 'read');
      return scheduleOf(await rowOf(db, id));
    },
    create: (actor, jobId, input) => work.create(actor, jobId, input),
    update: (actor, id, version, change) => work.update(actor, id, version, change),
    enable: (actor, id, signal) => work.enable(actor, id, signal),
    disable: (actor, id) => work.switch(actor, id, false),
    remove: (actor, id, version) => work.remove(actor, id, version),
    preview(input, count) {
      checkTiming(input);
      return upcoming(input, clock.now(), Math.min(Math.max(1, count), PREVIEW_MAX)).map((atMs) =>
        new Date(atMs).toISOString(),
      );
    },
    async events(actor, id, query) {
      demand(actor, 'read');
      await rowOf(db, id);
      const base = db.selectFrom('schedule_events').selectAll().where('schedule_id', '=', id);
      const page = await listPage(db, base, { ...EVENTS, query });
      return { ...page, items: page.items.map((row) => ({ number: Number(row.number), ...eventOf(row) })) };
    },
    tick: (signal) => work.tick(signal),
  };
}

class ScheduleWork {
  readonly #world: ControlWorld;
  readonly #parts: ScheduleParts;
  readonly #audit: Audit;

  constructor(world: ControlWorld, parts: ScheduleParts) {
    this.#world = world;
    this.#parts = parts;
    this.#audit = makeAudit(world.clock);
  }

  /** Disabled at first: enabling runs the permission checks. */
  async create(actor: Actor, jobId: string, input: ScheduleInput): Promise<Schedule> {
    demand(actor, 'define');
    checkTiming(input);
    const { db, bus, clock } = this.#world;
    const id = newId(this.#world);
    await db.transaction().execute(async (tx) => {
      const job = isUuid(jobId)
        ? await tx.selectFrom('jobs').select('name').where('id', '=', jobId).forShare().executeTakeFirst()
        : undefined;
      const { name } = found(job, 'job', jobId);
      await tx
        .insertInto('schedules')
        .values({ id, ...stampOf(actor, clock.now()), job_id: jobId, ...columnsOf(input), enabled: false })
        .execute();
      await this.#audit(tx, actor, {
        action: 'schedule.create',
        entityKind: 'schedule',
        entityId: id,
        entityName: name,
      });
      await bus.tell('schedule', id, tx);
    });
    return scheduleOf(await rowOf(db, id));
  }

  async update(actor: Actor, id: string, version: number | null, change: Partial<ScheduleInput>): Promise<Schedule> {
    demand(actor, 'define');
    const { db, bus, clock } = this.#world;
    await db.transaction().execute(async (tx) => {
      const now = await lockVersion(tx, 'schedules', id, version, 'schedule');
      const before = scheduleOf(await rowOf(tx, id));
      const input = { ...inputOf(before), ...withoutUndefined(change) };
      checkTiming(input);
      const next = before.enabled ? nextOrRefuse(input, clock.now()) : null;
      await tx
        .updateTable('schedules')
        .set({
          ...columnsOf(input),
          next_at: next === null ? null : new Date(next),
          version: now + 1,
          updated_at: new Date(clock.now()),
        })
        .where('id', '=', id)
        .execute();
      const changes = changesOf({ ...inputOf(before) }, { ...input });
      const line = { action: 'schedule.update', entityKind: 'schedule', entityId: id, entityName: before.jobName };
      await this.#audit(tx, actor, { ...line, changes });
      await bus.tell('schedule', id, tx);
    });
    return scheduleOf(await rowOf(db, id));
  }

  async enable(actor: Actor, id: string, signal: AbortSignal): Promise<Schedule> {
    demand(actor, 'define');
    const schedule = scheduleOf(await rowOf(this.#world.db, id));
    const report = await this.#parts.preflight(actor, schedule.jobId, { count: false }, signal);
    if (!report.ok) {
      const refused = [...report.source, ...report.target].filter(({ result }) => result === 'refused');
      throw new DroverError('PREFLIGHT_FAILED', refused.map(({ message }) => message).join(' '));
    }
    return this.switch(actor, id, true);
  }

  async switch(actor: Actor, id: string, enabled: boolean): Promise<Schedule> {
    demand(actor, 'define');
    const { db, bus, clock } = this.#world;
    await db.transaction().execute(async (tx) => {
      const now = await lockVersion(tx, 'schedules', id, null, 'schedule');
      const before = scheduleOf(await rowOf(tx, id));
      if (before.enabled === enabled) return;
      const next = enabled ? nextOrRefuse(inputOf(before), clock.now()) : null;
      const moment = next === null ? null : new Date(next);
      await tx
        .updateTable('schedules')
        .set({ enabled, next_at: moment, version: now + 1, updated_at: new Date(clock.now()) })
        .where('id', '=', id)
        .execute();
      const action = enabled ? 'schedule.enable' : 'schedule.disable';
      await this.#audit(tx, actor, { action, entityKind: 'schedule', entityId: id, entityName: before.jobName });
      await bus.tell('schedule', id, tx);
    });
    return scheduleOf(await rowOf(db, id));
  }

  async remove(actor: Actor, id: string, version: number | null): Promise<void> {
    demand(actor, 'define');
    const { db, bus } = this.#world;
    await db.transaction().execute(async (tx) => {
      await lockVersion(tx, 'schedules', id, version, 'schedule');
      const { jobName } = scheduleOf(await rowOf(tx, id));
      await tx.deleteFrom('schedules').where('id', '=', id).execute();
      const line = { action: 'schedule.remove', entityKind: 'schedule', entityId: id, entityName: jobName };
      await this.#audit(tx, actor, line);
      await bus.tell('schedule', id, tx);
    });
  }

  /**
   * Each due schedule moves on to its next moment in a transaction of its own before its run is started: a server that
   * dies in between loses one start, and never starts one twice. One that is told to stop puts the moment back.
   */
  async tick(signal: AbortSignal): Promise<number> {
    let handled = 0;
    while (handled < DUE_AT_ONCE && !signal.aborted) {
      const due = await this.#takeDue();
      if (due === null) break;
      handled += 1;
      await this.#start(due.schedule, due.dueAt, signal);
    }
    return handled;
  }

  async #takeDue(): Promise<{ schedule: Schedule; dueAt: string } | null> {
    const { db, clock } = this.#world;
    return db.transaction().execute(async (tx) => {
      const row = await tx
        .selectFrom('schedules')
        .select(['id', 'next_at'])
        .where('enabled', '=', true)
        .where('next_at', '<=', new Date(clock.now()))
        .orderBy('next_at')
        .limit(1)
        .forUpdate()
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
      return { schedule, dueAt: isoOf(row.next_at) };
    });
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
    const kind = schedule.runKind;
    try {
      const run = await this.#parts.start(SYSTEM, schedule.jobId, { kind, trigger: 'schedule', scheduledAt }, signal);
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

/** One that is enabled and never starts anything would look as if all were well. */
function nextOrRefuse(input: ScheduleInput, nowMs: number): number {
  const next = nextAfter(input, nowMs);
  if (next !== null) return next;
  const words = 'This schedule has no moment left: its time or its end lies in the past.';
  throw new DroverError('WRONG_STATE', words, { remedy: 'Give it a later time or end, or pause it.' });
}

function columnsOf({ rule, timeZone, startsAt, endsAt, runKind }: ScheduleInput) {
  return {
    rule: JSON.stringify(rule),
    time_zone: timeZone,
    starts_at: startsAt ?? null,
    ends_at: endsAt ?? null,
    run_kind: runKind ?? 'transfer',
  };
}

function inputOf({ rule, timeZone, startsAt, endsAt, runKind }: Schedule): ScheduleInput {
  return { rule, timeZone, startsAt, endsAt, runKind };
}

function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Partial<T>;
}

function rowsOf(db: Db | Tx) {
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

type ScheduleRow = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

interface EventRow {
  readonly at: Date | string;
  readonly outcome: string;
  readonly run_id: string | null;
  readonly detail: string | null;
}

async function rowOf(db: Db | Tx, id: string): Promise<ScheduleRow> {
  const row = isUuid(id) ? await rowsOf(db).where('schedules.id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'schedule', id);
}

function scheduleOf(row: ScheduleRow): Schedule {
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

function eventOf(row: EventRow): ScheduleEvent {
  return {
    at: isoOf(new Date(row.at)),
    outcome: row.outcome as ScheduleEvent['outcome'],
    runId: row.run_id,
    detail: row.detail,
  };
}

const LISTING: Omit<Listing<ScheduleRow>, 'query'> = {
  sorts: {
    nextAt: { sql: 'schedules.next_at', type: 'timestamptz', nullable: true },
    createdAt: { sql: 'schedules.created_at', type: 'timestamptz' },
  },
  defaultSort: 'nextAt',
  id: { sql: 'schedules.id', type: 'uuid' },
  filters: {
    jobId: (values) => sql<boolean>`schedules.job_id = ANY(${values.filter(isUuid)}::uuid[])`,
    enabled: (values) => sql<boolean>`schedules.enabled::text = ANY(${values})`,
  },
  searched: "jobs.name || ' ' || projects.name",
  idOf: (row) => row.id,
};

const EVENTS: Omit<Listing<EventRow & { readonly number: number }>, 'query'> = {
  sorts: { number: { sql: 'schedule_events.number', type: 'bigint' } },
  defaultSort: '-number',
  id: { sql: 'schedule_events.number', type: 'bigint' },
  filters: {},
  searched: null,
  idOf: (row) => String(row.number),
};
