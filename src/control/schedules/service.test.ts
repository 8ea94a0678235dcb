import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { sql } from 'kysely';
import { makeRunRow } from '../../../test/control/made.ts';
import { systemClock } from '../../lib/system.ts';
import { DroverError } from '../../model/errors.ts';
import type { Preflight, Run, Schedule } from '../entities.ts';
import { newId } from '../ids.ts';
import { openJobs } from '../jobs/service.ts';
import { openProjects } from '../projects/service.ts';
import type { Jobs, Schedules, StartRun } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import type { ControlWorld } from '../world.ts';
import { insertPair } from '../testing/fixtures.ts';
import { openSchedules } from './service.ts';

let world: TestWorld;
let schedules: Schedules;
/** Beside it on the same database. */
let another: (own?: ControlWorld) => Schedules;
let jobId: string;
let jobs: Jobs;
let nowMs = Date.parse('2026-11-22T12:00:00Z');
let started: StartRun[] = [];
let startError: DroverError | null = null;
let startErrors: (DroverError | (() => void))[] = [];
let refusedBy: string[] = [];
/** Jobs whose endpoints do not answer, until then. */
const hanging = new Map<string, Promise<void>>();
let asked: string[] = [];
let preflight: Pick<Preflight, 'ok' | 'source'> = { ok: true, source: [] };

const never = new AbortController().signal;
const daily = { rule: { kind: 'daily', time: '02:00' }, timeZone: 'Europe/Berlin' } as const;

beforeAll(async () => {
  world = await openTestWorld({ clock: { ...systemClock, now: () => nowMs } });
  const cleanup = { removeFilesOf: async () => undefined };
  const checked = async () => ({ target: [], grants: [], concessions: [], warnings: [], estimate: null, ...preflight });
  jobs = openJobs(world, { cleanup, preflight: checked, grant: checked });
  const project = await openProjects(world, cleanup).create(world.as('admin'), { name: 'Scheduled' });
  jobId = (await jobs.create(world.as('admin'), project.id, { name: 'Nightly', ...(await insertPair(world)) })).id;
  another = (own = world) =>
    openSchedules(own, {
      preflight: checked,
      start: async (_actor, job, input) => {
        if (hanging.has(job)) {
          asked.push(job);
          await hanging.get(job);
        }
        if (startError !== null) throw startError;
        for (let next = startErrors.shift(); next !== undefined; next = startErrors.shift()) {
          if (next instanceof DroverError) throw next;
          next();
        }
        started.push(input);
        return { id: `run-${started.length}` } as Run;
      },
      onRefused: async (_schedule, reason) => void refusedBy.push(reason),
      now: async () => nowMs,
    });
  schedules = another();
});
afterAll(async () => world.close());

beforeEach(async () => {
  await world.db.deleteFrom('schedules').execute();
  nowMs = Date.parse('2026-11-22T12:00:00Z');
  [started, refusedBy, startError, preflight] = [[], [], null, { ok: true, source: [] }];
});

async function enabled(input: Parameters<Schedules['create']>[2] = daily): Promise<Schedule> {
  const { id } = await schedules.create(world.as('operator'), jobId, input);
  return schedules.enable(world.as('operator'), id, never);
}

describe('a schedule', () => {
  test('is made disabled, and starts nothing before it is enabled', async () => {
    const schedule = await schedules.create(world.as('operator'), jobId, daily);
    expect(schedule).toMatchObject({ enabled: false, nextAt: null, jobName: 'Nightly', projectName: 'Scheduled' });
    nowMs += 3 * 86_400_000;
    expect(await schedules.tick(never)).toBe(0);
  });

  test('is enabled only when the permission checks pass', async () => {
    const { id } = await schedules.create(world.as('operator'), jobId, daily);
    const message = 'Amazon S3 refused to list "photos".';
    preflight = { ok: false, source: [{ what: 'list', result: 'refused', message, field: null, remedy: null }] };
    const refused = schedules.enable(world.as('operator'), id, never);
    await expect(refused).rejects.toMatchObject({ code: 'PREFLIGHT_FAILED', message: `Source: ${message}` });
    expect((await schedules.get(world.as('viewer'), id)).enabled).toBe(false);
  });

  test('is not left enabled without a moment to come', async () => {
    const { id } = await enabled();
    const change = schedules.update(world.as('operator'), id, null, { endsAt: '2026-11-01T00:00:00Z' });
    await expect(change).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'endsAt' });
    expect(await schedules.get(world.as('viewer'), id)).toMatchObject({
      enabled: true,
      endsAt: null,
      nextAt: '2026-11-23T01:00:00.000Z',
    });
  });

  const cron = { kind: 'cron', text: '0 0 31 2 *' } as const;
  test.each<[string, Parameters<Schedules['create']>[2], string, RegExp]>([
    [
      'a moment that is over',
      { rule: { kind: 'once', at: '2020-01-01T00:00:00Z' }, timeZone: 'UTC' },
      'rule',
      /^2020-01-01T00:00:00Z is over/,
    ],
    ['a day that never comes', { rule: cron, timeZone: 'UTC' }, 'rule', /^"0 0 31 2 \*" never comes/],
    [
      'a moment after its end',
      { rule: { kind: 'once', at: '2027-01-02T00:00:00Z' }, timeZone: 'UTC', endsAt: '2027-01-01T00:00:00Z' },
      'rule',
      /after the end, 2027-01-01/,
    ],
    [
      'a moment before its start',
      { rule: { kind: 'once', at: '2027-01-02T00:00:00Z' }, timeZone: 'UTC', startsAt: '2027-02-01T00:00:00Z' },
      'rule',
      /before the start, 2027-02-01/,
    ],
    ['an end that is over', { ...daily, endsAt: '2026-11-01T00:00:00Z' }, 'endsAt', /no time left before its end/],
    [
      'an end before its first time',
      { rule: { kind: 'monthly', day: 1, time: '02:00' }, timeZone: 'UTC', endsAt: '2026-11-29T00:00:00Z' },
      'endsAt',
      /no time left before its end/,
    ],
  ])('with %s is refused, when it is made and when it is changed', async (_, input, field, message) => {
    const operator = world.as('operator');
    const refused = { code: 'INVALID_INPUT', field, message: expect.stringMatching(message) as string };
    await expect(schedules.create(operator, jobId, input)).rejects.toMatchObject(refused);
    const { id, version } = await schedules.create(operator, jobId, { ...daily, timeZone: 'Asia/Tokyo' });
    await expect(schedules.update(operator, id, version, input)).rejects.toMatchObject(refused);
    expect(await schedules.get(operator, id)).toMatchObject({ version, rule: daily.rule, timeZone: 'Asia/Tokyo' });
  });

  test('starts at its moment, and tells the next one', async () => {
    const { id, nextAt } = await enabled();
    expect(nextAt).toBe('2026-11-23T01:00:00.000Z');
    nowMs = Date.parse('2026-11-23T00:59:59Z');
    expect(await schedules.tick(never)).toBe(0);
    nowMs = Date.parse('2026-11-23T01:00:00Z');
    expect(await schedules.tick(never)).toBe(1);
    expect(started).toEqual([{ kind: 'transfer', trigger: 'schedule', scheduledAt: '2026-11-23T01:00:00.000Z' }]);
    const after = await schedules.get(world.as('viewer'), id);
    expect(after).toMatchObject({ nextAt: '2026-11-24T01:00:00.000Z', lastOutcome: { outcome: 'started' } });
  });

  test('starts when the database is back, and once, also where only the answer was lost', async () => {
    const { id } = await enabled();
    nowMs = Date.parse('2026-11-23T01:00:00Z');
    startErrors = [new DroverError('DATABASE_UNAVAILABLE', 'Away.'), new DroverError('DATABASE_UNAVAILABLE', 'Away.')];
    expect(await schedules.tick(never)).toBe(1);
    expect(started).toHaveLength(1);
    const after = await schedules.get(world.as('viewer'), id);
    expect(after).toMatchObject({ lastOutcome: { outcome: 'started' }, nextAt: '2026-11-24T01:00:00.000Z' });
  });

  test('that a stopping server had begun with is left to the next one', async () => {
    const { id } = await enabled();
    nowMs = Date.parse('2026-11-23T01:00:00Z');
    const stopper = new AbortController();
    startErrors = [() => stopper.abort(), new DroverError('CANCELLED', 'Stopped.')];
    await schedules.tick(stopper.signal);
    const after = await schedules.get(world.as('viewer'), id);
    expect(after).toMatchObject({ nextAt: '2026-11-23T01:00:00.000Z', lastOutcome: null });
    expect(refusedBy).toEqual([]);
    expect(await schedules.tick(never)).toBe(1);
    expect(started).toHaveLength(1);
  });

  /** Begins with what is due and never comes back, as where the process ends; the next server may look at once. */
  async function dieStarting(): Promise<void> {
    startErrors = [];
    hanging.set(jobId, new Promise(() => undefined));
    asked = [];
    let isDead = false;
    const db = world.db.withPlugin({
      transformQuery: ({ node }) => {
        if (isDead) throw new DroverError('DATABASE_UNAVAILABLE', 'This server is dead.');
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    void another({ ...world, db })
      .tick(never)
      .catch(() => undefined);
    await vi.waitFor(() => expect(asked).toHaveLength(1), { timeout: 60_000 });
    isDead = true;
    hanging.clear();
    expect(await another().tick(never)).toBe(0);
    await sql`UPDATE schedules SET taken_until = now()`.execute(world.db);
  }

  test('that a server which died had begun with is taken over by another, once, also where it was the only moment', async () => {
    const { id } = await enabled({ rule: { kind: 'once', at: '2026-11-23T00:00:00Z' }, timeZone: 'UTC' });
    nowMs = Date.parse('2026-11-23T01:00:00Z');
    await dieStarting();
    expect((await schedules.get(world.as('viewer'), id)).lastOutcome).toBeNull();
    const handled = await Promise.all([another(), another(), another()].map((server) => server.tick(never)));
    expect(handled.toSorted()).toEqual([0, 0, 1]);
    expect(started).toEqual([{ kind: 'transfer', trigger: 'schedule', scheduledAt: '2026-11-23T00:00:00.000Z' }]);
    expect((await schedules.get(world.as('viewer'), id)).lastOutcome).toMatchObject({ outcome: 'started' });
    expect(await schedules.tick(never)).toBe(0);
  });

  test('whose run was made by a server that died right then starts no second one', async () => {
    const { id } = await enabled();
    nowMs = Date.parse('2026-11-23T01:00:00Z');
    await dieStarting();
    const job = {
      jobId,
      projectId: newId(world),
      source: { connectorId: id, container: 's' },
      target: { connectorId: id, container: 't' },
    };
    await makeRunRow(world, job, 'scheduled1');
    await makeRunRow(world, job, 'scheduled2');
    const mark = (run: string): Promise<unknown> =>
      sql`UPDATE runs SET trigger = 'schedule', scheduled_at = '2026-11-23T01:00:00Z' WHERE id = ${run}`.execute(
        world.db,
      );
    await mark('scheduled1');
    await expect(mark('scheduled2')).rejects.toMatchObject({ code: '23505' });
    expect(await schedules.tick(never)).toBe(1);
    expect(started).toEqual([]);
    const { items } = await schedules.events(world.as('viewer'), id, {});
    expect(items).toMatchObject([{ outcome: 'started', runId: 'scheduled1' }]);
    await sql`DELETE FROM runs`.execute(world.db);
  });

  test('that ends every server which begins with it is given up, and somebody is told', async () => {
    const { id } = await enabled();
    nowMs = Date.parse('2026-11-23T01:00:00Z');
    for (let server = 0; server < 5; server++) await dieStarting();
    expect(await schedules.tick(never)).toBe(1);
    expect(started).toEqual([]);
    expect((await schedules.get(world.as('viewer'), id)).lastOutcome).toMatchObject({ outcome: 'refused' });
    expect(refusedBy).toEqual(['Each of 5 servers that began to start it ended while it did so.']);
    nowMs += 86_400_000;
    expect(await schedules.tick(never)).toBe(1);
    expect(started).toHaveLength(1);
  });

  test('starts once after a downtime, not once for each missed moment', async () => {
    await enabled();
    nowMs += 10 * 86_400_000;
    expect(await schedules.tick(never)).toBe(1);
    expect(await schedules.tick(never)).toBe(0);
    expect(started).toHaveLength(1);
  });

  test.each([
    ['forward and back', [1, 0]],
    ['back and forward', [-1, 0]],
    ['to and fro', [1, -1, 1, 0]],
  ] as const)(
    'starts each moment once, and leaves none out, when the clock jumps by a day %s',
    async (_words, jumps) => {
      const beginMs = Date.parse('2026-11-22T12:00:00Z');
      const { id } = await enabled();
      for (const days of jumps) {
        nowMs = beginMs + days * 86_400_000;
        await schedules.tick(never);
      }
      for (let hour = 0; hour <= 72; hour++) {
        nowMs = beginMs + hour * 3_600_000;
        await schedules.tick(never);
      }
      const nights = ['2026-11-23', '2026-11-24', '2026-11-25'].map((day) => `${day}T01:00:00.000Z`);
      expect(started.map(({ scheduledAt }) => scheduledAt)).toEqual(nights);
      const { items } = await schedules.events(world.as('viewer'), id, {});
      expect(items).toHaveLength(nights.length);
    },
  );

  test('is started by one of several servers only', async () => {
    for (let count = 0; count < 4; count++) await enabled({ ...daily, rule: { kind: 'daily', time: `02:0${count}` } });
    nowMs += 86_400_000;
    const handled = await Promise.all([schedules.tick(never), schedules.tick(never), schedules.tick(never)]);
    expect(handled.reduce((sum, count) => sum + count, 0)).toBe(4);
    expect(started).toHaveLength(4);
  });

  test('skips while the last run goes on, and records it', async () => {
    const { id } = await enabled();
    startError = new DroverError('GUARD_BUSY', 'Run 7 is running.');
    nowMs += 86_400_000;
    await schedules.tick(never);
    const { items } = await schedules.events(world.as('viewer'), id, {});
    expect(items).toMatchObject([{ outcome: 'skipped', runId: null, detail: expect.stringContaining('Run 7') }]);
    expect(refusedBy).toEqual([]);
  });

  test('says when its run could not be started', async () => {
    const { id } = await enabled();
    startError = new DroverError('PREFLIGHT_FAILED', 'Amazon S3 refused to list "photos".');
    nowMs += 86_400_000;
    await schedules.tick(never);
    expect((await schedules.get(world.as('viewer'), id)).lastOutcome).toMatchObject({ outcome: 'refused' });
    expect(refusedBy).toHaveLength(1);
  });

  test('ends by itself after its only moment', async () => {
    const { id } = await enabled({ rule: { kind: 'once', at: '2026-11-23T00:00:00Z' }, timeZone: 'UTC' });
    nowMs += 86_400_000;
    await schedules.tick(never);
    expect(await schedules.get(world.as('viewer'), id)).toMatchObject({ enabled: false, nextAt: null });
    await expect(schedules.enable(world.as('operator'), id, never)).rejects.toMatchObject({
      code: 'WRONG_STATE',
      field: 'rule',
      message: '2026-11-23T00:00:00Z is over: the schedule would never start.',
    });
  });

  test('changes, stops and goes, each on record', async () => {
    const operator = world.as('operator');
    const { id } = await enabled();
    const changed = await schedules.update(operator, id, null, { timeZone: 'UTC' });
    expect(changed).toMatchObject({ nextAt: '2026-11-23T02:00:00.000Z', enabled: true });
    expect(await schedules.disable(operator, id)).toMatchObject({ enabled: false, nextAt: null });
    await schedules.remove(operator, id, null);
    const lines = await world.db
      .selectFrom('audit')
      .select('action')
      .where('entity_id', '=', id)
      .orderBy('number')
      .execute();
    expect(lines.map(({ action }) => action)).toEqual(
      ['create', 'enable', 'update', 'disable', 'remove'].map((word) => `schedule.${word}`),
    );
  });

  test('is refused where the job has one at the same moments already, naming that one', async () => {
    const operator = world.as('operator');
    const first = await schedules.create(operator, jobId, daily);
    const twins: Parameters<Schedules['create']>[2][] = [
      daily,
      { ...daily, runKind: 'dry-run' },
      { ...daily, timeZone: 'europe/berlin' },
      { ...daily, rule: { kind: 'cron', text: '0  2 * * *' } },
      { ...daily, startsAt: '2027-01-01T00:00:00Z' },
    ];
    for (const twin of twins) {
      await expect(schedules.create(operator, jobId, twin)).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
        field: 'rule',
        message: expect.stringContaining(first.id),
      });
    }
    const both = await Promise.allSettled(
      [1, 2, 3].map(() => schedules.create(operator, jobId, { ...daily, timeZone: 'UTC' })),
    );
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const other = await schedules.create(operator, jobId, { ...daily, rule: { kind: 'daily', time: '03:00' } });
    await expect(schedules.update(operator, other.id, null, { rule: daily.rule })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      field: 'rule',
    });
    await schedules.update(operator, first.id, null, { runKind: 'dry-run', endsAt: '2026-12-01T00:00:00Z' });
    // One after the other.
    await schedules.create(operator, jobId, { ...daily, startsAt: '2027-01-01T00:00:00Z' });
  });

  test('starts in time while the endpoints of others do not answer', async () => {
    const admin = world.as('admin');
    const { projectId } = await world.db.selectFrom('jobs').select('project_id as projectId').executeTakeFirstOrThrow();
    const pair = await insertPair(world);
    const gate = Promise.withResolvers<void>();
    const stuck: string[] = [];
    for (let n = 0; n < 12; n++) {
      const job = await jobs.create(admin, projectId, { name: `Stuck ${n}`, ...pair, targetSubPath: `${n}/` });
      const { id } = await schedules.create(admin, job.id, daily);
      await schedules.enable(admin, id, never);
      hanging.set(job.id, gate.promise);
      stuck.push(job.id);
    }
    asked = [];
    nowMs = Date.parse('2026-11-23T01:00:00Z');
    const ticking = schedules.tick(never);
    const { id } = await enabled({ ...daily, rule: { kind: 'hourly', everyHours: 1, minute: 0 } });
    nowMs = Date.parse('2026-11-23T02:00:00Z');
    await vi.waitFor(
      async () => {
        expect((await schedules.get(admin, id)).lastOutcome).toMatchObject({ outcome: 'started' });
      },
      { timeout: 60_000 },
    );
    expect(started).toMatchObject([{ scheduledAt: '2026-11-23T02:00:00.000Z' }]);
    // The rest waits, since so many with one connector wait already.
    await vi.waitFor(() => expect(asked.length).toBeGreaterThanOrEqual(8), { timeout: 60_000 });
    expect(asked).toHaveLength(8);
    gate.resolve();
    expect(await ticking).toBe(13);
    expect(new Set(asked)).toEqual(new Set(stuck));
    hanging.clear();
  });

  test('shows its next moments as clocks in its zone do', () => {
    expect(schedules.preview({ ...daily, startsAt: '2027-03-26T12:00:00Z' }, 3)).toEqual([
      '2027-03-27T02:00:00.000+01:00',
      '2027-03-28T03:00:00.000+02:00',
      '2027-03-29T02:00:00.000+02:00',
    ]);
  });

  test('shows its next five moments before it is saved', () => {
    expect(schedules.preview(daily, 5)).toHaveLength(5);
    expect(() => schedules.preview({ ...daily, timeZone: 'Nowhere' }, 5)).toThrow(/time zone/);
  });
});
