/** Schedules while clocks are wrong: the one of a server, and the one of the database. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeConnector, makeJob, makeRunRow, type MadeJob } from '../../../test/control/made.ts';
import { systemClock } from '../../lib/system.ts';
import { DroverError } from '../../model/errors.ts';
import type { Run, ScheduleRule } from '../entities.ts';
import type { Preflight } from '../entities.ts';
import type { ScheduleInput, Schedules } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openSchedules } from './service.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
const NEVER = new AbortController().signal;
const READY: Preflight = {
  ok: true,
  source: [],
  target: [],
  grants: [],
  concessions: [],
  warnings: [],
  estimate: null,
};
const BEGIN_MS = Date.parse('2026-11-22T12:00:00Z');

let world: TestWorld;
let job: MadeJob;
/** By the clock of this server, which may be any. */
let serverMs = 0;
/** By the clock of the database, as far as a test plays it. */
let databaseMs = BEGIN_MS;
let made = 0;
let isBusy = false;
const started: string[] = [];

beforeAll(async () => {
  world = await openTestWorld({ clock: { ...systemClock, now: () => Date.now() + serverMs } });
});
afterAll(() => world.close());

beforeEach(async () => {
  await world.db.deleteFrom('schedules').execute();
  [serverMs, databaseMs, isBusy] = [0, BEGIN_MS, false];
  started.length = 0;
  const connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
});

function open(now?: () => number): Schedules {
  return openSchedules(world, {
    preflight: async () => READY,
    start: async (_actor, _jobId, { scheduledAt }) => {
      if (isBusy) throw new DroverError('GUARD_BUSY', 'Run 7 is running.');
      const id = `clocks00${(made += 1)}`;
      await makeRunRow(world, job, id, { state: 'succeeded' });
      await sql`UPDATE runs SET trigger = 'schedule', scheduled_at = ${scheduledAt} WHERE id = ${id}`.execute(world.db);
      started.push(String(scheduledAt));
      return { id } as Run;
    },
    onRefused: async () => undefined,
    ...(now === undefined ? {} : { now: async () => now() }),
  });
}

async function enabled(schedules: Schedules, rule: ScheduleRule, more: Partial<ScheduleInput> = {}): Promise<string> {
  const { id } = await schedules.create(world.as('operator'), job.jobId, { rule, timeZone: 'UTC', ...more });
  await schedules.enable(world.as('operator'), id, NEVER);
  return id;
}

const HOURLY = { kind: 'hourly', everyHours: 1, minute: 0 } as const;
const DAILY = { kind: 'daily', time: '02:00' } as const;

describe('a server whose clock is a year off', () => {
  test.each([
    ['ahead', YEAR_MS],
    ['behind', -YEAR_MS],
  ])('%s reckons and starts by the clock of the database', async (_words, offMs) => {
    serverMs = offMs;
    const schedules = open();
    // Far from the moments at which it would start while it is looked at.
    const { rows: now } = await sql<{ minute: number }>`
      SELECT extract(minute FROM clock_timestamp())::integer AS minute`.execute(world.db);
    const rule = (minutesLater: number) => ({ ...HOURLY, minute: (now[0]!.minute + minutesLater) % 60 });
    const id = await enabled(schedules, rule(30));
    const nextMs = async () => Date.parse(String((await schedules.get(world.as('viewer'), id)).nextAt));
    const databaseNow = async () =>
      (await sql<{ ms: number }>`SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms`.execute(world.db))
        .rows[0]!.ms;
    expect((await nextMs()) - (await databaseNow())).toBeGreaterThan(0);
    expect((await nextMs()) - (await databaseNow())).toBeLessThanOrEqual(HOUR_MS);
    await schedules.update(world.as('operator'), id, null, { rule: rule(20) });
    expect((await nextMs()) - (await databaseNow())).toBeLessThanOrEqual(HOUR_MS);
    expect(await schedules.tick(NEVER)).toBe(0);
    await sql`UPDATE schedules SET next_at = clock_timestamp() - interval '1 second'`.execute(world.db);
    expect(await schedules.tick(NEVER)).toBe(1);
    expect((await nextMs()) - (await databaseNow())).toBeGreaterThan(0);
    expect((await nextMs()) - (await databaseNow())).toBeLessThanOrEqual(HOUR_MS);
    const { items } = await schedules.events(world.as('viewer'), id, {});
    expect(Math.abs(Date.parse(items[0]!.at) - (await databaseNow()))).toBeLessThan(10 * 60_000);
    expect(await schedules.tick(NEVER)).toBe(0);
  });
});

describe('a clock of the database that jumps ahead', () => {
  const schedules = () => open(() => databaseMs);

  /** Looks every ten minutes, `hours` long. */
  async function pass(hours: number): Promise<void> {
    const endMs = databaseMs + hours * HOUR_MS;
    for (; databaseMs <= endMs; databaseMs += HOUR_MS / 6) await schedules().tick(NEVER);
  }

  test.each([1, 30, 365, 3_650])(
    'by %d days, and back, leaves out no later time and starts none twice',
    async (days) => {
      await enabled(schedules(), HOURLY);
      databaseMs = BEGIN_MS + days * DAY_MS;
      await pass(3);
      databaseMs = BEGIN_MS + HOUR_MS / 6;
      const before = started.length;
      expect(before).toBeLessThanOrEqual(5);
      await pass(5);
      const late = started.slice(before);
      // The first one was started ahead of its time.
      expect(started[0]).toBe('2026-11-22T13:00:00.000Z');
      expect(late).toEqual([14, 15, 16, 17].map((hour) => `2026-11-22T${hour}:00:00.000Z`));
      expect(new Set(started).size).toBe(started.length);
    },
  );

  test('again and again starts each time once at most for each jump', async () => {
    await enabled(schedules(), HOURLY);
    for (const days of [365, 0, 30, 3_650, 1, 0, 30, 0]) {
      databaseMs = BEGIN_MS + days * DAY_MS;
      for (let look = 0; look < 20; look++) await schedules().tick(NEVER);
    }
    expect(started.length).toBeLessThanOrEqual(8);
    expect(new Set(started).size).toBe(started.length);
    const before = started.length;
    await pass(24);
    expect(started.length - before).toBeGreaterThanOrEqual(24 - 8);
    expect(new Set(started).size).toBe(started.length);
  });

  test('past its end, and back, leaves it enabled', async () => {
    const id = await enabled(schedules(), DAILY, { endsAt: '2026-12-24T00:00:00Z' });
    databaseMs = BEGIN_MS + YEAR_MS;
    await schedules().tick(NEVER);
    expect(await schedules().get(world.as('viewer'), id)).toMatchObject({ enabled: false, nextAt: null });
    databaseMs = BEGIN_MS + HOUR_MS;
    await schedules().tick(NEVER);
    expect(await schedules().get(world.as('viewer'), id)).toMatchObject({
      enabled: true,
      nextAt: '2026-11-24T02:00:00.000Z',
    });
    expect(started).toEqual(['2026-11-23T02:00:00.000Z']);
  });

  test('does not enable again what a person has disabled, or what was due once', async () => {
    const [disabled, once] = [
      await enabled(schedules(), DAILY, { endsAt: '2026-12-24T00:00:00Z' }),
      await enabled(schedules(), { kind: 'once', at: '2026-11-25T00:00:00Z' }),
    ];
    databaseMs = BEGIN_MS + YEAR_MS;
    while ((await schedules().tick(NEVER)) > 0);
    await schedules().disable(world.as('operator'), disabled);
    databaseMs = BEGIN_MS;
    await pass(24 * 5);
    for (const id of [disabled, once]) {
      expect((await schedules().get(world.as('viewer'), id)).enabled).toBe(false);
    }
    expect(started).toHaveLength(2);
  });

  test('while somebody enables or changes it, and back, lets it go on by the right clock', async () => {
    databaseMs = BEGIN_MS + YEAR_MS;
    await enabled(schedules(), DAILY);
    const id = await enabled(schedules(), { kind: 'daily', time: '03:00' });
    await schedules().update(world.as('operator'), id, null, { rule: { kind: 'daily', time: '04:00' } });
    databaseMs = BEGIN_MS;
    await pass(24);
    expect(started).toEqual(['2026-11-23T02:00:00.000Z', '2026-11-23T04:00:00.000Z']);
  });

  test('is the same for several servers that look at once', async () => {
    await enabled(schedules(), HOURLY);
    databaseMs = BEGIN_MS + YEAR_MS;
    const together = () => Promise.all([1, 2, 3].map(() => schedules().tick(NEVER)));
    await together();
    databaseMs = BEGIN_MS + HOUR_MS / 6;
    await together();
    for (let hour = 1; hour <= 4; hour++) {
      databaseMs = BEGIN_MS + hour * HOUR_MS;
      await together();
    }
    expect(started).toEqual([13, 14, 15, 16].map((hour) => `2026-11-22T${hour}:00:00.000Z`));
  });
});

describe('times that passed without a start', () => {
  const schedules = () => open(() => databaseMs);

  test('are recorded as missed, once, beside the one run that makes up for them', async () => {
    const id = await enabled(schedules(), DAILY);
    databaseMs = BEGIN_MS + 10 * DAY_MS;
    await schedules().tick(NEVER);
    expect(started).toEqual(['2026-11-23T02:00:00.000Z']);
    const { items } = await schedules().events(world.as('viewer'), id, { sort: 'number' });
    expect(items).toMatchObject([
      { outcome: 'skipped', runId: null },
      { outcome: 'started', runId: expect.any(String) },
    ]);
    expect(items[0]?.detail).toBe(
      'Missed: 9 more times, from 2026-11-24T02:00:00.000+00:00 to 2026-12-02T02:00:00.000+00:00. No server was running then, or a clock was ahead; one run makes up for all of them.',
    );
    databaseMs += DAY_MS;
    await schedules().tick(NEVER);
    expect((await schedules().events(world.as('viewer'), id, {})).items).toHaveLength(3);
  });

  test('of which there are very many are counted as many', async () => {
    const id = await enabled(schedules(), HOURLY);
    databaseMs = BEGIN_MS + YEAR_MS;
    await schedules().tick(NEVER);
    const { items } = await schedules().events(world.as('viewer'), id, { sort: 'number' });
    expect(items[0]?.detail).toContain('Missed: more than 1,000 times, from 2026-11-22T14:00:00.000+00:00.');
  });

  test('while the last run goes on are recorded, too', async () => {
    const id = await enabled(schedules(), HOURLY);
    isBusy = true;
    databaseMs = BEGIN_MS + 3 * HOUR_MS;
    await schedules().tick(NEVER);
    const { items } = await schedules().events(world.as('viewer'), id, { sort: 'number' });
    expect(items.map(({ outcome, detail }) => [outcome, detail?.split(/[:.]/)[0]])).toEqual([
      ['skipped', 'Missed'],
      ['skipped', 'The last run has not ended'],
    ]);
  });
});
