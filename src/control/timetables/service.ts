/** Bandwidth timetables: saved by name, used by jobs; a change holds for runs that are going on, too. */
import type { BandwidthTimetable } from '../../engine/definition.ts';
import { DroverError } from '../../model/errors.ts';
import { changesOf, makeAudit } from '../audit.ts';
import type { Timetable } from '../entities.ts';
import { newId } from '../ids.ts';
import { jobsOf } from '../job-counts.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, listPage, type Listing } from '../paging.ts';
import { demand } from '../people/roles.ts';
import { found, isUuid, keptOf, lockVersion, nameOf, stampOf, uniquely } from '../rows.ts';
import type { Timetables } from '../services.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';
import { isTimeZone } from '../zones.ts';

const NAME_TAKEN = {
  timetables_name: ['name', 'Another timetable has this name.'],
} as const;

const MINUTES_OF_DAY = 24 * 60;
const RULES_MAX = 7 * 48;

export function openTimetables(world: ControlWorld): Timetables {
  const { db, bus, clock } = world;
  const audit = makeAudit(clock);
  return {
    async list(actor, query) {
      demand(actor, 'read');
      const page = await listPage(db, rowsOf(db), { ...LISTING, query });
      return { ...page, items: page.items.map(timetableOf) };
    },
    async get(actor, id) {
      demand(actor, 'read');
      return timetableOf(await rowOf(db, id));
    },
    async create(actor, input) {
      demand(actor, 'define');
      const id = newId(world);
      const name = nameOf(input.name, 'name');
      checkTimetable(input.timetable);
      await uniquely(NAME_TAKEN, () =>
        db.transaction().execute(async (tx) => {
          const timetable = JSON.stringify(input.timetable);
          await tx
            .insertInto('timetables')
            .values({ id, ...stampOf(actor, clock.now()), name, timetable })
            .execute();
          await audit(tx, actor, {
            action: 'timetable.create',
            entityKind: 'timetable',
            entityId: id,
            entityName: name,
          });
          await bus.tell('timetable', id, tx);
        }),
      );
      return timetableOf(await rowOf(db, id));
    },
    async update(actor, id, version, change) {
      demand(actor, 'define');
      if (change.timetable !== undefined) checkTimetable(change.timetable);
      const name = change.name === undefined ? undefined : nameOf(change.name, 'name');
      await uniquely(NAME_TAKEN, () =>
        db.transaction().execute(async (tx) => {
          await lockVersion(tx, 'timetables', id, version, 'timetable');
          const before = timetableOf(await rowOf(tx, id));
          const after = { name: name ?? before.name, timetable: change.timetable ?? before.timetable };
          await tx
            .updateTable('timetables')
            .set({
              name: after.name,
              timetable: JSON.stringify(after.timetable),
              version: before.version + 1,
              updated_at: new Date(clock.now()),
            })
            .where('id', '=', id)
            .execute();
          const changes = changesOf({ name: before.name, timetable: before.timetable }, after);
          const line = { action: 'timetable.update', entityKind: 'timetable', entityId: id, entityName: after.name };
          await audit(tx, actor, { ...line, changes });
          await bus.tell('timetable', id, tx);
        }),
      );
      return timetableOf(await rowOf(db, id));
    },
    async remove(actor, id, version) {
      demand(actor, 'define');
      await db.transaction().execute(async (tx) => {
        await lockVersion(tx, 'timetables', id, version, 'timetable');
        const before = timetableOf(await rowOf(tx, id));
        await refuseUsed(tx, before);
        await tx.deleteFrom('timetables').where('id', '=', id).execute();
        const line = { action: 'timetable.remove', entityKind: 'timetable', entityId: id, entityName: before.name };
        await audit(tx, actor, line);
        await bus.tell('timetable', id, tx);
      });
    },
  };
}

async function refuseUsed(tx: Tx, { id, name }: Timetable): Promise<void> {
  const jobs = await tx.selectFrom('jobs').select('name').where('timetable_id', '=', id).limit(6).execute();
  if (jobs.length === 0) return;
  const names = jobs.slice(0, 5).map((job) => `"${job.name}"`);
  const more = jobs.length > 5 ? ' and others' : '';
  throw new DroverError('IN_USE', `The timetable "${name}" is used by the jobs ${names.join(', ')}${more}.`);
}

const LISTING: Omit<Listing<TimetableRow>, 'query'> = {
  sorts: {
    name: { sql: 'lower(timetables.name)', type: 'text' },
    createdAt: { sql: 'timetables.created_at', type: 'timestamptz' },
  },
  defaultSort: 'name',
  id: { sql: 'timetables.id', type: 'uuid' },
  ...filtersOf(FILTERS.timetables, {}),
  searched: 'timetables.name',
  idOf: (row) => row.id,
};

function rowsOf(db: Db | Tx) {
  return db.selectFrom('timetables').selectAll('timetables').select(jobsOf('timetables.id').as('jobs'));
}

type TimetableRow = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

async function rowOf(db: Db | Tx, id: string): Promise<TimetableRow> {
  const row = isUuid(id) ? await rowsOf(db).where('timetables.id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'timetable', id);
}

function timetableOf(row: TimetableRow): Timetable {
  return {
    ...keptOf(row),
    name: row.name,
    timetable: row.timetable as BandwidthTimetable,
    usedBy: { jobs: row.jobs },
  };
}

/** INVALID_INPUT with the member at fault. */
export function checkTimetable({ timeZone, rules }: BandwidthTimetable): void {
  const invalid = (field: string, message: string): DroverError =>
    new DroverError('INVALID_INPUT', message, { field: `timetable.${field}` });
  if (!isTimeZone(timeZone)) {
    throw invalid('timeZone', `There is no time zone "${timeZone}". An example: Europe/Berlin.`);
  }
  if (rules.length === 0 || rules.length > RULES_MAX) throw invalid('rules', `Give 1 to ${RULES_MAX} rules.`);
  const seen = new Set<string>();
  for (const [at, { day, minuteOfDay, bytesPerSecond }] of rules.entries()) {
    const where = `rules[${at}]`;
    if (day !== null && !isWhole(day, 6)) throw invalid(`${where}.day`, 'Give a day from 0 (Sunday) to 6, or none.');
    if (!isWhole(minuteOfDay, MINUTES_OF_DAY - 1)) {
      throw invalid(`${where}.minuteOfDay`, `Give minutes since midnight, from 0 to ${MINUTES_OF_DAY - 1}.`);
    }
    if (bytesPerSecond !== null && !(Number.isFinite(bytesPerSecond) && bytesPerSecond >= 0)) {
      throw invalid(`${where}.bytesPerSecond`, 'Give bytes per second, 0 to stand still, or none for no limit.');
    }
    const moment = `${day}/${minuteOfDay}`;
    if (seen.has(moment)) throw invalid(where, 'Another rule begins at the same moment.');
    seen.add(moment);
  }
}

function isWhole(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}
