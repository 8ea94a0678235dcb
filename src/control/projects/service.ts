/** Projects: they group jobs. Deleting one takes its jobs, runs and results along, never an endpoint. */
import { sql } from 'kysely';
import { DroverError } from '../../model/errors.ts';
import { lockSchedules } from '../jobs/removal.ts';
import { makeAudit } from '../audit.ts';
import type { Project } from '../entities.ts';
import { newId } from '../ids.ts';
import { jobsOf } from '../job-counts.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, listPage, type Listing } from '../paging.ts';
import { demand } from '../people/roles.ts';
import { DESCRIPTION_MAX, found, isUuid, keptOf, lockVersion, nameOf, shortText, stampOf, uniquely } from '../rows.ts';
import { refuseOpenUploads } from '../runs/open-uploads.ts';
import { ACTIVE_STATES } from '../runs/states.ts';
import type { ProjectRemoval, Projects } from '../services.ts';
import type { ControlWorld, Db, Tx } from '../world.ts';

const NAME_TAKEN = { projects_name: ['name', 'Another project has this name.'] } as const;

/** What has to go beside the rows when runs go: their files. */
export interface RunCleanup {
  removeFilesOf(runIds: readonly string[]): Promise<void>;
}

export function openProjects(world: ControlWorld, cleanup: RunCleanup): Projects {
  const { db, bus, clock, vault } = world;
  const audit = makeAudit(clock);
  return {
    async list(actor, query) {
      demand(actor, 'read');
      const page = await listPage(db, rowsOf(db), { ...LISTING, query });
      return { ...page, items: page.items.map(projectOf) };
    },
    async get(actor, id) {
      demand(actor, 'read');
      return projectOf(await rowOf(db, id));
    },
    async create(actor, input) {
      demand(actor, 'define');
      const id = newId(world);
      const name = nameOf(input.name, 'name');
      const description = shortText(input.description ?? '', 'description', DESCRIPTION_MAX);
      await uniquely(NAME_TAKEN, () =>
        db.transaction().execute(async (tx) => {
          await tx
            .insertInto('projects')
            .values({ id, ...stampOf(actor, clock.now()), name, description })
            .execute();
          await audit(tx, actor, { action: 'project.create', entityKind: 'project', entityId: id, entityName: name });
          await bus.tell('project', id, tx);
        }),
      );
      return projectOf(await rowOf(db, id));
    },
    async update(actor, id, version, change) {
      demand(actor, 'define');
      const description = shortText(change.description, 'description', DESCRIPTION_MAX);
      await db.transaction().execute(async (tx) => {
        const now = await lockVersion(tx, 'projects', id, version, 'project');
        const before = projectOf(await rowOf(tx, id));
        await tx
          .updateTable('projects')
          .set({ description, version: now + 1, updated_at: new Date(clock.now()) })
          .where('id', '=', id)
          .execute();
        const changes = { description: [before.description, description] as const };
        const line = { action: 'project.update', entityKind: 'project', entityId: id, entityName: before.name };
        await audit(tx, actor, { ...line, changes });
        await bus.tell('project', id, tx);
      });
      return projectOf(await rowOf(db, id));
    },
    async removal(actor, id) {
      demand(actor, 'read');
      return removalOf(db, projectOf(await rowOf(db, id)));
    },
    async remove(actor, id, version, expectedJobs, how = {}) {
      demand(actor, 'define');
      const runIds = await db.transaction().execute(async (tx) => {
        await lockSchedules(tx, 'jobs.project_id', id);
        await lockVersion(tx, 'projects', id, version, 'project');
        const project = projectOf(await rowOf(tx, id));
        const { name } = project;
        const going = await removalOf(tx, project);
        refuseRemoval(name, going, expectedJobs);
        const open = await refuseOpenUploads(
          tx,
          `Runs of the project "${name}"`,
          sql<boolean>`runs.project_id = ${id}`,
          how,
        );
        const runs = await tx.selectFrom('runs').select('id').where('project_id', '=', id).execute();
        const sealed = await tx
          .selectFrom('subscriptions')
          .select('secret_id')
          .where('project_id', '=', id)
          .where('secret_id', 'is not', null)
          .execute();
        await tx.deleteFrom('projects').where('id', '=', id).execute();
        for (const { secret_id: secretId } of sealed) if (secretId !== null) await vault.remove(tx, secretId);
        const { jobs, runs: runCount, schedules, subscriptions } = going;
        const gone = (count: number) => [count, 0] as const;
        const counts = { jobs: gone(jobs), runs: gone(runCount), schedules: gone(schedules) };
        const changes = { ...counts, subscriptions: gone(subscriptions), ...open };
        const line = { action: 'project.remove', entityKind: 'project', entityId: id, entityName: name };
        await audit(tx, actor, { ...line, changes });
        await bus.tell('project', id, tx);
        return runs.map((run) => run.id);
      });
      // After the rows: a row without its files would promise them. What is left when this breaks off goes with what is old.
      await cleanup.removeFilesOf(runIds);
    },
  };
}

async function removalOf(db: Db | Tx, { id, counts }: Project): Promise<ProjectRemoval> {
  const { all, enabled } = await db
    .selectFrom('schedules')
    .innerJoin('jobs', 'jobs.id', 'schedules.job_id')
    .where('jobs.project_id', '=', id)
    .select([sql<string>`count(*)`.as('all'), sql<string>`count(*) FILTER (WHERE schedules.enabled)`.as('enabled')])
    .executeTakeFirstOrThrow();
  const { told } = await db
    .selectFrom('subscriptions')
    .where('project_id', '=', id)
    .select(sql<string>`count(*)`.as('told'))
    .executeTakeFirstOrThrow();
  return { ...counts, schedules: Number(all), enabledSchedules: Number(enabled), subscriptions: Number(told) };
}

function refuseRemoval(name: string, counts: Project['counts'], expectedJobs: number): void {
  if (counts.jobs !== expectedJobs) {
    throw new DroverError(
      'COUNT_CHANGED',
      `The project "${name}" has ${counts.jobs} jobs now, not ${expectedJobs}; all of them would be deleted.`,
    );
  }
  if (counts.active > 0) {
    throw new DroverError('WRONG_STATE', `${counts.active} runs of the project "${name}" have not ended.`, {
      remedy: 'Cancel them first, or wait for their end.',
    });
  }
}

const LISTING: Omit<Listing<ProjectRow>, 'query'> = {
  sorts: {
    name: { sql: 'lower(projects.name)', type: 'text' },
    createdAt: { sql: 'projects.created_at', type: 'timestamptz' },
  },
  defaultSort: 'name',
  id: { sql: 'projects.id', type: 'uuid' },
  ...filtersOf(FILTERS.projects, {}),
  searched: 'projects.name',
  idOf: (row) => row.id,
};

function rowsOf(db: Db | Tx) {
  const runs = sql`SELECT count(*) FROM runs WHERE runs.project_id = projects.id`;
  const states = sql.join(ACTIVE_STATES.map((state) => sql`${state}`));
  return db
    .selectFrom('projects')
    .selectAll('projects')
    .select([
      jobsOf('projects.id').as('jobs'),
      sql<string>`(${runs})`.as('runs'),
      sql<string>`(${runs} AND state IN (${states}))`.as('active'),
    ]);
}

type ProjectRow = Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number];

async function rowOf(db: Db | Tx, id: string): Promise<ProjectRow> {
  const row = isUuid(id) ? await rowsOf(db).where('projects.id', '=', id).executeTakeFirst() : undefined;
  return found(row, 'project', id);
}

function projectOf(row: ProjectRow): Project {
  return {
    ...keptOf(row),
    name: row.name,
    description: row.description,
    counts: { jobs: row.jobs, runs: Number(row.runs), active: Number(row.active) },
  };
}
