import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../entities.ts';
import { openNotifications } from '../notifications/service.ts';
import { openProjects } from '../projects/service.ts';
import type { MadeWith } from './observing.ts';
import type { Jobs, Projects, Timetables } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { insertConnector, insertEndpoint, insertPair } from '../testing/fixtures.ts';
import { openTimetables } from '../timetables/service.ts';
import { newId } from '../ids.ts';
import { openJobs } from './service.ts';

let world: TestWorld;
let projects: Projects;
let jobs: Jobs;
let timetables: Timetables;
const removed: string[][] = [];

beforeAll(async () => {
  world = await openTestWorld();
  const cleanup = { removeFilesOf: async (runIds: readonly string[]) => void removed.push([...runIds]) };
  projects = openProjects(world, cleanup);
  timetables = openTimetables(world);
  const unused = async (): Promise<never> => Promise.reject(new Error('not part of this test'));
  jobs = openJobs(world, { cleanup, preflight: unused, grant: unused });
});
afterAll(async () => world.close());

let names = 0;
async function makeJob(): Promise<Job> {
  names += 1;
  const admin = world.as('admin');
  const project = await projects.create(admin, { name: `Project of job ${names}` });
  return jobs.create(admin, project.id, { name: 'Nightly', ...(await insertPair(world)) });
}

/** A run as it stands in the table, without workers. */
async function insertRun(job: Job, state: string, id: string): Promise<void> {
  await world.db
    .insertInto('runs')
    .values({
      id,
      job_id: job.id,
      project_id: job.projectId,
      number: 1,
      kind: 'transfer',
      trigger: 'person',
      created_by: 'Ana',
      transfer_id: 't',
      pair_id: 'p',
      definition: '{}',
      snapshot: '{}',
      source_connector_id: job.projectId,
      target_connector_id: job.projectId,
      source_path: '',
      target_path: '',
      target_fingerprint: '',
      target_container: '',
      target_prefix: '',
      state,
      queued_at: new Date(),
      updated_at: new Date(),
      counters: JSON.stringify({ items: {} }),
      requests: '{}',
    })
    .execute();
}

describe('a project', () => {
  test('is made, listed, described, found by its words', async () => {
    const operator = world.as('operator');
    const project = await projects.create(operator, { name: '  Photos 2026 ', description: 'All of them' });
    expect(project).toMatchObject({ name: 'Photos 2026', version: 1, counts: { jobs: 0, runs: 0, active: 0 } });
    const updated = await projects.update(operator, project.id, 1, { description: 'Only some' });
    expect(updated).toMatchObject({ description: 'Only some', version: 2, name: 'Photos 2026' });
    const page = await projects.list(world.as('viewer'), { search: 'photos 2026', withTotal: true });
    expect(page).toMatchObject({ items: [{ id: project.id }], total: 1, nextCursor: null });
  });

  test.each([
    ['a name that is taken in other capitals', { name: 'PHOTOS 2026' }, 'ALREADY_EXISTS', 'name'],
    ['no name', { name: '  ' }, 'INVALID_INPUT', 'name'],
    ['a long description', { name: 'X', description: 'x'.repeat(1_025) }, 'INVALID_INPUT', 'description'],
  ])('is refused with %s', async (_why, input, code, field) => {
    await expect(projects.create(world.as('operator'), input)).rejects.toMatchObject({ code, field });
  });

  test('needs the operator to change, and anybody to see', async () => {
    const viewer = world.as('viewer');
    await expect(projects.create(viewer, { name: 'Mine' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(projects.list(viewer, {})).resolves.toBeDefined();
  });

  test('changed by somebody else meanwhile is a conflict', async () => {
    const operator = world.as('operator');
    const { id } = await projects.create(operator, { name: 'Contested' });
    await projects.update(operator, id, 1, { description: 'first' });
    await expect(projects.update(operator, id, 1, { description: 'second' })).rejects.toMatchObject({
      code: 'EDIT_CONFLICT',
    });
    const both = await Promise.allSettled([
      projects.update(operator, id, 2, { description: 'a' }),
      projects.update(operator, id, 2, { description: 'b' }),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  test('goes with its jobs and runs, never an endpoint, and only with the number that was told', async () => {
    const admin = world.as('admin');
    const job = await makeJob();
    await insertRun(job, 'succeeded', 'run-of-removed-project');
    const schedule = (minute: number, enabled: boolean) => ({
      id: newId(world),
      created_at: new Date(),
      created_by: 'somebody',
      updated_at: new Date(),
      job_id: job.id,
      rule: JSON.stringify({ kind: 'hourly', everyHours: 1, minute }),
      time_zone: 'UTC',
      enabled,
      run_kind: 'transfer',
    });
    const three = [schedule(1, true), schedule(2, true), schedule(3, false)];
    await world.db.insertInto('schedules').values(three).execute();
    const none = { schedules: 3, enabledSchedules: 2, subscriptions: 0 };
    expect(await projects.removal(admin, job.projectId)).toEqual({ jobs: 1, runs: 1, active: 0, ...none });
    await expect(projects.remove(admin, job.projectId, null, 0)).rejects.toMatchObject({ code: 'COUNT_CHANGED' });
    const { subscription } = await openNotifications(world).create(admin, {
      name: 'About the removed project',
      kind: 'webhook',
      destination: 'https://hooks.example.com/secret-path',
      events: ['run.failed'],
      projectId: job.projectId,
    });
    expect((await openNotifications(world).get(world.as('viewer'), subscription.id)).destination).toBe(
      'https://hooks.example.com/…',
    );
    expect(await projects.removal(world.as('viewer'), job.projectId)).toMatchObject({ schedules: 3, subscriptions: 1 });
    await projects.remove(admin, job.projectId, null, 1);
    expect(await world.db.selectFrom('secrets').select('id').execute()).toEqual([]);
    expect(removed.at(-1)).toEqual(['run-of-removed-project']);
    await expect(jobs.get(admin, job.id)).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
    const endpoint = world.db.selectFrom('endpoints').select('id').where('id', '=', job.source.endpointId);
    expect(await endpoint.execute()).toHaveLength(1);
    const lines = await world.db
      .selectFrom('audit')
      .selectAll()
      .where('entity_id', '=', job.projectId)
      .orderBy('number')
      .execute();
    expect(lines.map(({ action }) => action)).toEqual(['project.create', 'project.remove']);
    expect(lines.at(-1)?.changes).toEqual({ jobs: [1, 0], runs: [1, 0], schedules: [3, 0], subscriptions: [1, 0] });
  });

  test('stays while a run of it is active', async () => {
    const job = await makeJob();
    await insertRun(job, 'paused', 'run-of-kept-project');
    const removal = projects.remove(world.as('admin'), job.projectId, null, 1);
    await expect(removal).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await expect(jobs.remove(world.as('admin'), job.id, null)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  test.each(['project', 'job'] as const)('stays, as a %s, while a run may have left uploads open', async (what) => {
    const admin = world.as('admin');
    const job = await makeJob();
    const runId = `run-of-${what}`;
    await insertRun(job, 'cancelled', runId);
    const intent = JSON.stringify({ runId, targetKey: 'films/large' });
    await world.db.insertInto('intents').values({ run_id: runId, intent_id: 'i', intent }).execute();
    const remove = (how = {}): Promise<void> =>
      what === 'job' ? jobs.remove(admin, job.id, null, how) : projects.remove(admin, job.projectId, null, 1, how);
    const message = expect.stringMatching(new RegExp(`^Runs of the ${what} ".*"films/large"`));
    await expect(remove()).rejects.toMatchObject({ code: 'IN_USE', message });
    expect(await world.db.selectFrom('intents').selectAll().where('run_id', '=', runId).execute()).toHaveLength(1);
    await remove({ forgetUploads: true });
    const id = what === 'job' ? job.id : job.projectId;
    const lines = await world.db
      .selectFrom('audit')
      .selectAll()
      .where('entity_id', '=', id)
      .orderBy('number')
      .execute();
    expect(lines.at(-1)?.changes).toMatchObject({ openUploads: [1, 0] });
  });
});

describe('a job', () => {
  test('knows its kind, its whole paths and its settings', async () => {
    const admin = world.as('admin');
    const project = await projects.create(admin, { name: 'Kinds' });
    const memory = await insertConnector(world);
    const folder = await insertConnector(world, { provider: 'local' });
    const input = {
      name: 'Up',
      sourceEndpointId: await insertEndpoint(world, 'source', folder, { container: '/data', prefix: '' }),
      sourceSubPath: '/photos',
      targetEndpointId: await insertEndpoint(world, 'target', memory, { container: 'b', prefix: 'in/' }),
      settings: { mode: 'mirror' as const, filter: { exclude: ['*.tmp'] } as never },
    };
    const job = await jobs.create(admin, project.id, input);
    expect(job).toMatchObject({
      type: 'folder-to-cloud',
      source: { subPath: 'photos/', fullPath: 'memory:///data/photos/' },
      target: { subPath: '', fullPath: 'memory://b/in/' },
      settings: { mode: 'mirror', targetNewer: 'overwrite', filter: { exclude: ['*.tmp'], include: [] } },
      lastRun: null,
    });
    const copy = await jobs.duplicate(admin, job.id, { name: 'Up again' });
    expect(copy).toMatchObject({ name: 'Up again', settings: job.settings, source: { subPath: 'photos/' } });
    const page = await jobs.list(admin, { filter: { projectId: [project.id] } });
    expect(page.items.map(({ name }) => name)).toEqual(['Up', 'Up again']);
  });

  test('goes on elsewhere as a copy with other ends, settings and project', async () => {
    const admin = world.as('admin');
    const job = await makeJob();
    const project = await projects.create(admin, { name: 'Elsewhere' });
    const other = { sourceSubPath: 'films/', settings: { mode: 'merge' as const }, tuning: { transfersMax: 3 } };
    const copy = await jobs.duplicate(admin, job.id, { name: 'Films', projectId: project.id, ...other });
    expect(copy).toMatchObject({
      projectName: 'Elsewhere',
      source: { endpointId: job.source.endpointId, subPath: 'films/' },
      target: { endpointId: job.target.endpointId, subPath: job.target.subPath },
      settings: { ...job.settings, mode: 'merge' },
      tuning: { transfersMax: 3 },
    });
    const wrong = jobs.duplicate(admin, job.id, { name: 'Wrong', targetEndpointId: job.source.endpointId });
    await expect(wrong).rejects.toMatchObject({ field: 'targetEndpointId' });
    await jobs.remove(admin, copy.id, null);
  });

  test('goes with its runs, schedules and reports, as was told, and only with as many runs', async () => {
    const admin = world.as('admin');
    const job = await makeJob();
    const other = await makeJob();
    for (const [each, id] of [
      [job, 'run-of-removed-job'],
      [other, 'run-of-kept-job'],
    ] as const) {
      await insertRun(each, 'succeeded', id);
      await sql`INSERT INTO artifacts (id, run_id, kind, file_name, object_name, state, created_at, created_by)
        VALUES (${newId(world)}, ${id}, 'manifest', 'f', 'o', 'ready', now(), 'somebody')`.execute(world.db);
    }
    for (const [minute, enabled] of [
      [1, true],
      [2, false],
    ] as const) {
      const rule = JSON.stringify({ kind: 'hourly', everyHours: 1, minute });
      await sql`INSERT INTO schedules
          (id, created_at, created_by, updated_at, job_id, rule, time_zone, enabled, run_kind)
        VALUES (${newId(world)}, now(), 'x', now(), ${job.id}, ${rule}::jsonb, 'UTC', ${enabled}, 'transfer')`.execute(
        world.db,
      );
    }
    const going = { runs: 1, active: 0, schedules: 2, enabledSchedules: 1, reports: 1 };
    expect(await jobs.removal(world.as('viewer'), job.id)).toEqual(going);
    await expect(jobs.removal(admin, newId(world))).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' });
    const wrong = jobs.remove(admin, job.id, null, { expectedRuns: 0 });
    await expect(wrong).rejects.toMatchObject({ code: 'COUNT_CHANGED' });
    await jobs.remove(admin, job.id, null, { expectedRuns: 1 });
    expect(removed.at(-1)).toEqual(['run-of-removed-job']);
    const lines = await world.db
      .selectFrom('audit')
      .selectAll()
      .where('entity_id', '=', job.id)
      .orderBy('number')
      .execute();
    expect(lines.at(-1)).toMatchObject({
      action: 'job.remove',
      changes: { runs: [1, 0], schedules: [2, 0], reports: [1, 0] },
    });
    expect(await jobs.removal(admin, other.id)).toEqual({ ...going, schedules: 0, enabledSchedules: 0 });
  });

  test('keeps its ends, with the reason', async () => {
    const job = await makeJob();
    const change = { targetSubPath: 'elsewhere/' } as never;
    await expect(jobs.update(world.as('operator'), job.id, null, change)).rejects.toMatchObject({
      code: 'FIXED_FIELD',
      field: 'targetSubPath',
      message: expect.stringContaining('mirror'),
    });
  });

  test('changes its settings for the next run, one member at a time', async () => {
    const operator = world.as('operator');
    const job = await makeJob();
    const timetable = { timeZone: 'Europe/Berlin', rules: [{ day: null, minuteOfDay: 0, bytesPerSecond: 1e6 }] };
    const saved = await timetables.create(operator, { name: 'By day', timetable });
    const change = { settings: { targetNewer: 'skip' as const }, tuning: { timetableId: saved.id } };
    const updated = await jobs.update(operator, job.id, 1, change);
    expect(updated).toMatchObject({ version: 2, settings: { targetNewer: 'skip', mode: 'merge' } });
    expect(updated.tuning).toEqual({ transfersMax: null, timetableId: saved.id });
    await expect(timetables.remove(operator, saved.id, null)).rejects.toMatchObject({
      code: 'IN_USE',
      message: expect.stringContaining('"Nightly"'),
    });
    const line = world.db.selectFrom('audit').select('changes').where('entity_id', '=', job.id);
    expect((await line.orderBy('number', 'desc').executeTakeFirst())?.changes).toEqual({
      targetNewer: ['overwrite', 'skip'],
      timetableId: [null, saved.id],
    });
  });

  test.each([
    ['a setting that is none', { settings: { speed: 1 } as never }, 'settings.speed'],
    ['a mode that is none', { settings: { mode: 'check' } as never }, 'settings.mode'],
    ['a share that is a word', { settings: { deleteShareMax: 'half' as 'default' } }, 'settings.deleteShareMax'],
    ['a share above 1', { settings: { deleteShareMax: 2 } }, 'settings.deleteShareMax'],
    [
      'a pattern that is none',
      { settings: { filter: { include: ['a', '['] } as never } },
      'settings.filter.include[1]',
    ],
    ['no such timetable', { tuning: { timetableId: 'none' } }, 'tuning.timetableId'],
    ['too many transfers', { tuning: { transfersMax: 5_000 } }, 'tuning.transfersMax'],
    [
      'a mirror of all versions',
      { settings: { mode: 'mirror' as const, versions: 'all' as const } },
      'settings.versions',
    ],
  ])('is refused with %s', async (_why, change, field) => {
    const job = await makeJob();
    await expect(jobs.update(world.as('operator'), job.id, null, change)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field,
    });
  });

  test('cannot have one place as source and target', async () => {
    const admin = world.as('admin');
    const project = await projects.create(admin, { name: 'Overlap' });
    const connector = await insertConnector(world);
    const sourceEndpointId = await insertEndpoint(world, 'source', connector, { container: 'b', prefix: 'a/' });
    const targetEndpointId = await insertEndpoint(world, 'target', connector, { container: 'b', prefix: '' });
    const input = { name: 'Into itself', sourceEndpointId, targetEndpointId };
    await expect(jobs.create(admin, project.id, input)).rejects.toMatchObject({ code: 'PLACES_OVERLAP' });
    const beside = { ...input, targetSubPath: 'b/' };
    await expect(jobs.create(admin, project.id, beside)).resolves.toMatchObject({ name: 'Into itself' });
    const swapped = { name: 'Wrong way', sourceEndpointId: targetEndpointId, targetEndpointId: sourceEndpointId };
    await expect(jobs.create(admin, project.id, swapped)).rejects.toMatchObject({ field: 'sourceEndpointId' });
  });

  test('takes sub-paths as endpoints take theirs, and a copy keeps a name that begins with a slash', async () => {
    const admin = world.as('admin');
    const project = await projects.create(admin, { name: 'Odd paths' });
    const input = { name: 'Odd', ...(await insertPair(world)), sourceSubPath: '//a', targetSubPath: '/b' };
    const made = await jobs.create(admin, project.id, input);
    expect([made.source.subPath, made.target.subPath]).toEqual(['/a/', 'b/']);
    expect(made.warnings).toHaveLength(3);
    const copy = await jobs.duplicate(admin, made.id, { name: 'Copy', targetSubPath: 'c' });
    expect([copy.source.subPath, copy.target.subPath]).toEqual(['/a/', 'c/']);
  });

  test.each([
    ['read', 'report', [/set up to read only, so writing here/]],
    ['read-restore', 'report', [/set up to read and restore, so writing here/]],
    ['read-write', 'restore', []],
    [null, 'restore', []],
  ] as const)(
    'with connectors set up to %s, and archived objects to %s, warns of what will be refused',
    async (permission, how, target) => {
      const admin = world.as('admin');
      const project = await projects.create(admin, { name: `Permission ${permission} ${how}` });
      const pair = await insertPair(world);
      const cloud = permission === null ? null : JSON.stringify({ permission });
      await world.db.updateTable('connectors').set({ cloud }).execute();
      const archived = how === 'report' ? how : ({ tier: 'Bulk', days: 3 } as const);
      const made = await jobs.create(admin, project.id, { name: 'Guarded', ...pair, settings: { archived } });
      expect(made.warnings ?? []).toEqual(target.map((words) => expect.stringMatching(words)));

      const asking = await jobs.update(admin, made.id, null, { settings: { archived: { tier: 'Bulk', days: 7 } } });
      const source = permission === 'read' ? [/read only, and the job asks for archived objects back/] : [];
      expect(asking.warnings ?? []).toEqual([...source, ...target].map((words) => expect.stringMatching(words)));
      await world.db.updateTable('connectors').set({ cloud: null }).execute();
    },
  );

  test('remembers what it would cost when it was made, until its settings change', async () => {
    const madeWith = async (id: string): Promise<MadeWith> => {
      const row = await world.db.selectFrom('jobs').select('made_with').where('id', '=', id).executeTakeFirstOrThrow();
      return row.made_with as MadeWith;
    };
    const job = await makeJob();
    const before = await madeWith(job.id);
    expect(before).toMatchObject({ observedAtMs: null, isOpened: false });
    const { endpointId: targetEndpointId } = job.target;
    const outcomes = (settings: object) =>
      jobs.outcomes(world.as('viewer'), { sourceEndpointId: job.source.endpointId, targetEndpointId, settings });
    expect(before.concessions).toEqual(await outcomes({}));
    await jobs.update(world.as('operator'), job.id, null, { description: 'Other words' });
    expect(await madeWith(job.id)).toEqual(before);
    await jobs.update(world.as('operator'), job.id, null, { settings: { mode: 'mirror' } });
    expect((await madeWith(job.id)).concessions).toEqual(await outcomes({ mode: 'mirror' }));
  });

  test('tells what will not survive, for this pair and these settings', async () => {
    const pair = await insertPair(world);
    const outcomes = await jobs.outcomes(world.as('viewer'), { ...pair, settings: { versions: 'all' } });
    expect(outcomes.map(({ aspect }) => aspect)).toContain('versions');
  });

  test('a storage class that the target does not have is refused at its field, when made and when changed', async () => {
    const job = await makeJob();
    await expect(
      jobs.update(world.as('operator'), job.id, null, { settings: { storageClass: 'STANDRAD' } }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'settings.storageClass' });
    const pair = await insertPair(world);
    await expect(
      jobs.outcomes(world.as('viewer'), { ...pair, settings: { storageClass: 'STANDRAD' } }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'settings.storageClass' });
  });

  test('shows its last run and is found by its state', async () => {
    const job = await makeJob();
    await insertRun(job, 'running', 'run-that-ends');
    await world.db.updateTable('runs').set({ state: 'failed' }).where('id', '=', 'run-that-ends').execute();
    const filter = { state: ['failed'], projectId: [job.projectId] };
    const page = await jobs.list(world.as('viewer'), { filter });
    expect(page.items).toMatchObject([{ id: job.id, lastRun: { id: 'run-that-ends', state: 'failed' } }]);
    const none = await jobs.list(world.as('viewer'), { filter: { ...filter, state: ['running'] } });
    expect(none.items).toEqual([]);
  });
});

describe('a list', () => {
  test('pages in both directions without showing anything twice, whatever comes in between', async () => {
    const admin = world.as('admin');
    const project = await projects.create(admin, { name: 'Many' });
    const pair = await insertPair(world);
    for (const name of ['e', 'b', 'd', 'a', 'c']) await jobs.create(admin, project.id, { name, ...pair });
    const filter = { projectId: [project.id] };
    for (const sort of ['name', '-name', 'lastRunAt', '-lastRunAt', 'createdAt', '-createdAt']) {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await jobs.list(admin, { filter, sort, limit: 2, ...(cursor === undefined ? {} : { cursor }) });
        seen.push(...page.items.map((job) => job.name));
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      expect(seen.toSorted(), sort).toEqual(['a', 'b', 'c', 'd', 'e']);
      if (sort === '-name') expect(seen).toEqual(['e', 'd', 'c', 'b', 'a']);
    }
  });

  test.each([
    ['an order that is none', { sort: 'size' }, 'sort'],
    ['a filter that is none', { filter: { color: ['red'] } }, 'filter.color'],
    ['a cursor of another list', { cursor: 'bm9uc2Vuc2U' }, 'cursor'],
    ['a page of nothing', { limit: 0 }, 'limit'],
  ])('refuses %s', async (_why, query, field) => {
    await expect(jobs.list(world.as('viewer'), query)).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
  });
});
