/**
 * Schedules: they start runs of their job. One that is due while a run of the job is still going on is skipped, and
 * that is recorded; one that was due while no server ran starts once, as soon as one runs again.
 */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { changesOf, makeAudit } from '../audit.ts';
import { databaseNow } from '../database/now.ts';
import type { Actor, Schedule } from '../entities.ts';
import { newId } from '../ids.ts';
import { refuseUnready } from '../jobs/not-ready.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, listPage, type Listing } from '../paging.ts';
import { demand } from '../people/roles.ts';
import { found, isUuid, lockVersion, stampOf } from '../rows.ts';
import type { Jobs, ScheduleInput, Schedules } from '../services.ts';
import type { Audit, ControlWorld, Tx } from '../world.ts';
import {
  columnsOf,
  eventOf,
  inputOf,
  refuseTwin,
  rowOf,
  rowsOf,
  scheduleOf,
  withoutUndefined,
  type EventRow,
  type ScheduleRow,
} from './rows.ts';
import { nextOf, reckonedAt } from './reckoning.ts';
import { checkTiming, GIVE_ANOTHER, inZone, nextAfter, refuseNever, upcoming, whyNever } from './rule.ts';
import { ScheduleStarts, type StartParts } from './starting.ts';

const PREVIEW_MAX = 50;

export interface ScheduleParts extends StartParts {
  readonly preflight: Jobs['preflight'];
}

export function openSchedules(world: ControlWorld, parts: ScheduleParts): Schedules {
  const { db, clock } = world;
  const work = new ScheduleWork(world, parts);
  const starts = new ScheduleStarts(world, parts);
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
        inZone(atMs, input.timeZone),
      );
    },
    async events(actor, id, query) {
      demand(actor, 'read');
      await rowOf(db, id);
      const base = db.selectFrom('schedule_events').selectAll().where('schedule_id', '=', id);
      const page = await listPage(db, base, { ...EVENTS, query });
      return { ...page, items: page.items.map((row) => ({ number: Number(row.number), ...eventOf(row) })) };
    },
    tick: (signal) => starts.tick(signal),
  };
}

class ScheduleWork {
  readonly #world: ControlWorld;
  readonly #parts: ScheduleParts;
  readonly #audit: Audit;
  readonly #now: NonNullable<StartParts['now']>;

  constructor(world: ControlWorld, parts: ScheduleParts) {
    this.#world = world;
    this.#parts = parts;
    this.#audit = makeAudit(world.clock);
    this.#now = parts.now ?? databaseNow;
  }

  /** Disabled at first: enabling runs the permission checks. */
  async create(actor: Actor, jobId: string, input: ScheduleInput): Promise<Schedule> {
    demand(actor, 'define');
    checkTiming(input);
    const { db, bus, clock } = this.#world;
    const id = newId(this.#world);
    await db.transaction().execute(async (tx) => {
      const job = isUuid(jobId)
        ? await tx.selectFrom('jobs').select('name').where('id', '=', jobId).forNoKeyUpdate().executeTakeFirst()
        : undefined;
      const { name } = found(job, 'job', jobId);
      refuseNever(input, await this.#now(tx));
      await refuseTwin(tx, { jobId, jobName: name, id: null }, input);
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
      refuseNever(input, await this.#now(tx));
      await tx.selectFrom('jobs').select('id').where('id', '=', before.jobId).forNoKeyUpdate().execute();
      await refuseTwin(tx, before, input);
      const moment = before.enabled ? await this.#momentOf(tx, { ...before, ...input }) : NO_MOMENT;
      await tx
        .updateTable('schedules')
        .set({
          ...columnsOf(input),
          ...moment,
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
    const options = { count: false, kind: schedule.runKind };
    refuseUnready(await this.#parts.preflight(actor, schedule.jobId, options, signal));
    return this.switch(actor, id, true);
  }

  async switch(actor: Actor, id: string, enabled: boolean): Promise<Schedule> {
    demand(actor, 'define');
    const { db, bus, clock } = this.#world;
    await db.transaction().execute(async (tx) => {
      const now = await lockVersion(tx, 'schedules', id, null, 'schedule');
      const before = scheduleOf(await rowOf(tx, id));
      // Also one that has ended by itself: should its end turn out to be that of a clock, it stays disabled.
      if (!enabled) await tx.updateTable('schedules').set({ reckoned_at: null }).where('id', '=', id).execute();
      if (before.enabled === enabled) return;
      const moment = enabled ? await this.#momentOf(tx, before) : NO_MOMENT;
      await tx
        .updateTable('schedules')
        .set({ enabled, ...moment, version: now + 1, updated_at: new Date(clock.now()) })
        .where('id', '=', id)
        .execute();
      const action = enabled ? 'schedule.enable' : 'schedule.disable';
      await this.#audit(tx, actor, { action, entityKind: 'schedule', entityId: id, entityName: before.jobName });
      await bus.tell('schedule', id, tx);
    });
    return scheduleOf(await rowOf(db, id));
  }

  /** One that is enabled and never starts anything would look as if all were well. */
  async #momentOf(tx: Tx, schedule: Parameters<typeof nextOf>[1]) {
    const nowMs = await this.#now(tx);
    const next = await nextOf(tx, schedule, nowMs);
    if (next !== null) return { next_at: new Date(next), reckoned_at: reckonedAt(nowMs) };
    const isOver = nextAfter(inputOf(schedule), nowMs) === null;
    const { field, message } = isOver ? whyNever(inputOf(schedule)) : ALL_STARTED;
    throw new DroverError('WRONG_STATE', message, { field, remedy: GIVE_ANOTHER });
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
}

/** A clock that was ahead has started what is left. */
const ALL_STARTED = { field: 'rule', message: 'Every time that this schedule has left was started already.' };

const NO_MOMENT = { next_at: null, reckoned_at: null };

const LISTING: Omit<Listing<ScheduleRow>, 'query'> = {
  sorts: {
    nextAt: { sql: 'schedules.next_at', type: 'timestamptz', nullable: true },
    createdAt: { sql: 'schedules.created_at', type: 'timestamptz' },
  },
  defaultSort: 'nextAt',
  id: { sql: 'schedules.id', type: 'uuid' },
  ...filtersOf(FILTERS.schedules, {
    jobId: (values) => sql<boolean>`schedules.job_id = ANY(${values.filter(isUuid)}::uuid[])`,
    projectId: (values) => sql<boolean>`jobs.project_id = ANY(${values.filter(isUuid)}::uuid[])`,
    enabled: enabledCondition,
  }),
  searched: "jobs.name || ' ' || projects.name",
  idOf: (row) => row.id,
};

/** In words that an index is found for. */
function enabledCondition(values: readonly string[]): ReturnType<typeof sql<boolean>> {
  const [on, off] = [values.includes('true'), values.includes('false')];
  if (on === off) return on ? sql<boolean>`true` : sql<boolean>`false`;
  return on ? sql<boolean>`schedules.enabled` : sql<boolean>`NOT schedules.enabled`;
}

const EVENTS: Omit<Listing<EventRow & { readonly number: number }>, 'query'> = {
  sorts: { number: { sql: 'schedule_events.number', type: 'bigint' } },
  defaultSort: '-number',
  id: { sql: 'schedule_events.number', type: 'bigint' },
  ...filtersOf(FILTERS.scheduleEvents, {}),
  searched: null,
  idOf: (row) => String(row.number),
};
