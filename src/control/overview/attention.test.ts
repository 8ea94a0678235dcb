/** What needs somebody is listed with a reason, a remedy and a link, and goes when it is mended. */
import { sql, type RawBuilder } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { makeConnector, makeJob, makeRunRow, type MadeJob } from '../../../test/control/made.ts';
import { newId } from '../ids.ts';
import type { Attention } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { ATTENTION_MAX, attentionOf } from './attention.ts';

let world: TestWorld;
let connectorId: string;
let job: MadeJob;
let runs = 0;
beforeAll(async () => void (world = await openTestWorld()));
afterAll(() => world.close());
beforeEach(async () => {
  await sql`TRUNCATE connectors, projects, workers, subscriptions CASCADE`.execute(world.db);
  connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
});

const run = (query: RawBuilder<unknown>): Promise<unknown> => query.execute(world.db);

async function addRun(state: string, kind = 'transfer', of = job): Promise<string> {
  runs += 1;
  const id = `attention${String(runs).padStart(3, '0')}`;
  await makeRunRow(world, of, id, { state: 'running', kind });
  const ended = /^(failed|succeeded|completed|cancelled)/.test(state);
  await run(
    sql`UPDATE runs SET state = ${state}, ended_at = ${ended ? new Date(world.clock.now()) : null} WHERE id = ${id}`,
  );
  return id;
}

async function addWorker(name: string, change: { silentMs?: number; state?: string; hasLeft?: boolean } = {}) {
  const { silentMs = 0, state = 'active', hasLeft = false } = change;
  const id = newId(world);
  await run(sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at, left_at)
    VALUES (${id}, ${name}, 'h', 1, 'v', 1, ${state}, clock_timestamp() - interval '1 hour' * ${silentMs > 0 ? 1 : 0},
      clock_timestamp() - ${silentMs} * interval '1 millisecond', ${hasLeft ? sql`clock_timestamp()` : null})`);
  return id;
}

async function addSchedule(outcome: string, enabled = true): Promise<string> {
  const id = newId(world);
  await run(sql`INSERT INTO schedules (id, created_at, created_by, updated_at, job_id, rule, time_zone, run_kind, enabled)
    VALUES (${id}, now(), 'x', now() - interval '1 hour', ${job.jobId}, '{}', 'UTC', 'transfer', ${enabled})`);
  await addMoment(id, outcome);
  return id;
}

const addMoment = (id: string, outcome: string): Promise<unknown> =>
  run(sql`INSERT INTO schedule_events (schedule_id, at, outcome, detail)
    VALUES (${id}, now(), ${outcome}, ${outcome === 'started' ? null : 'The reason.'})`);

async function seen(): Promise<readonly Attention[]> {
  const { attention } = await attentionOf(world.db);
  for (const { text, remedy, name, link, at } of attention) {
    for (const words of [text, remedy]) expect(words).toMatch(/^\S.{8,}\S$/);
    expect(name).not.toBe('');
    expect(link).toMatch(/^\/[a-z]+(\/[\w-]+)?$/);
    expect(new Date(at).toISOString()).toBe(at);
  }
  return attention;
}

test('nothing, where all is well', async () => {
  await addWorker('w');
  for (const state of ['succeeded', 'completed-with-issues', 'cancelled', 'running', 'queued']) await addRun(state);
  await addSchedule('started');
  expect(await seen()).toEqual([]);
});

test.each<[string, readonly (readonly [string, string])[], number]>([
  ['one', [['failed', 'transfer']], 0],
  [
    'the last of several',
    [
      ['failed', 'transfer'],
      ['failed', 'retry'],
    ],
    1,
  ],
  [
    'one that was followed by a cancelled one',
    [
      ['failed', 'transfer'],
      ['cancelled', 'transfer'],
    ],
    0,
  ],
  [
    'one that goes on again',
    [
      ['failed', 'transfer'],
      ['running', 'transfer'],
    ],
    0,
  ],
  [
    'one that was followed by a dry run',
    [
      ['failed', 'transfer'],
      ['succeeded', 'dry-run'],
    ],
    0,
  ],
  [
    'one that was followed by a validation that failed',
    [
      ['failed', 'transfer'],
      ['failed', 'validate'],
    ],
    0,
  ],
  [
    'a validation',
    [
      ['succeeded', 'transfer'],
      ['failed', 'validate'],
    ],
    1,
  ],
])('a failed run: %s', async (_what, states, at) => {
  await addWorker('w');
  const ids: string[] = [];
  for (const [state, kind] of states) ids.push(await addRun(state, kind));
  const error = JSON.stringify({
    code: 'PLACE_NOT_FOUND',
    message: 'The bucket is gone.',
    field: null,
    remedy: 'Make it.',
  });
  await run(sql`UPDATE runs SET error = ${error}::jsonb WHERE state = 'failed'`);
  const [only, ...more] = await seen();
  expect(more).toEqual([]);
  expect(only).toMatchObject({ kind: 'run', id: ids[at], link: `/runs/${ids[at]}` });
  expect(only?.name).toMatch(/^Run \d+ of project .+\/job .+$/);
  expect(only?.text).toBe('It failed. The bucket is gone.');
  expect(only?.remedy).toBe('Make it. Then start the job again.');
});

test.each<[string, readonly (readonly [string, string])[]]>([
  [
    'a good one',
    [
      ['failed', 'transfer'],
      ['succeeded', 'transfer'],
    ],
  ],
  [
    'one with single objects that failed',
    [
      ['failed', 'transfer'],
      ['completed-with-issues', 'transfer'],
    ],
  ],
  [
    'a good retry',
    [
      ['failed', 'transfer'],
      ['failed', 'retry'],
      ['succeeded', 'retry'],
    ],
  ],
  [
    'a good transfer, after a dry run',
    [
      ['failed', 'dry-run'],
      ['succeeded', 'transfer'],
    ],
  ],
])('a failed run is mended by %s', async (_what, states) => {
  await addWorker('w');
  for (const [state, kind] of states) await addRun(state, kind);
  expect(await seen()).toEqual([]);
});

async function addLossy(counters: object, kind = 'transfer'): Promise<string> {
  const id = await addRun('running', kind);
  await run(sql`UPDATE runs SET state = 'completed-with-issues', ended_at = now(),
    counters = ${JSON.stringify(counters)}::jsonb WHERE id = ${id}`);
  return id;
}

const LOSSY = { items: { scanned: 1_055, failed: 5 }, deletesFailed: 0 };

test('a run in which objects failed, until a run of them or of all has none that failed', async () => {
  await addWorker('w');
  const first = await addLossy(LOSSY);
  expect(await seen()).toMatchObject([{ kind: 'run', id: first, text: '5 of 1,055 objects failed.' }]);
  await addRun('succeeded', 'validate');
  await addLossy({ items: { scanned: 9, failed: 9 } }, 'dry-run');
  expect((await seen()).map(({ id }) => id)).toEqual([first]);
  const again = await addLossy({ items: { scanned: 5, failed: 2 }, deletesFailed: 1 }, 'retry');
  expect(await seen()).toMatchObject([
    { id: again, text: '2 of 5 objects failed. 1 could not be deleted at the target.' },
  ]);
  await addRun('succeeded', 'retry');
  expect(await seen()).toEqual([]);
  // No retry takes those along.
  await addLossy({ items: { scanned: 5, failed: 0 }, deletesFailed: 1 });
  expect(await seen()).toMatchObject([{ remedy: expect.stringContaining('start the job again, as a whole') }]);
});

const unsupported = (count: number): object => ({ items: { scanned: 9, unsupported: count, failed: 0 } });

test('what cannot be moved is listed when there is more of it than before', async () => {
  await addWorker('w');
  const first = await addLossy(unsupported(2));
  expect(await seen()).toMatchObject([{ id: first, text: '2 of 9 objects cannot be moved.' }]);
  // Known from the run before.
  await addLossy(unsupported(2));
  expect(await seen()).toEqual([]);
  await addRun('cancelled');
  const more = await addLossy(unsupported(3));
  expect((await seen()).map(({ id }) => id)).toEqual([more]);
  await addLossy(unsupported(1));
  expect(await seen()).toEqual([]);
});

test('what a validation found is listed until a transfer or a clean validation follows', async () => {
  await addWorker('w');
  const found = { items: { scanned: 71 }, differences: { missing: 9, different: 1, extra: 2 }, sameWeak: 4 };
  const first = await addLossy(found, 'validate');
  expect(await seen()).toMatchObject([
    {
      id: first,
      text:
        '9 of 71 objects missing at the target. 1 of 71 objects different. 2 only at the target. ' +
        '4 of 71 objects compared by size alone: not proved.',
    },
  ]);
  // It has looked at less.
  await addRun('succeeded', 'dry-run');
  expect((await seen()).map(({ id }) => id)).toEqual([first]);
  const next = await addLossy({ items: { scanned: 71 }, sameWeak: 4 }, 'validate');
  expect(await seen()).toMatchObject([{ id: next, remedy: expect.stringContaining('read-back') }]);
  await addRun('succeeded', 'validate');
  expect(await seen()).toEqual([]);
  await addLossy(found, 'validate');
  await addRun('succeeded');
  expect(await seen()).toEqual([]);
});

test('a failed run that is deleted, and one of another job, which stays', async () => {
  await addWorker('w');
  const other = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
  const [mine, theirs] = [await addRun('failed'), await addRun('failed', 'transfer', other)];
  expect((await seen()).map(({ id }) => id).toSorted()).toEqual([mine, theirs].toSorted());
  await run(sql`DELETE FROM runs WHERE id = ${mine}`);
  expect((await seen()).map(({ id }) => id)).toEqual([theirs]);
});

test('a connector, with the runs that wait for it; and its inventory', async () => {
  await addWorker('w');
  const waits = JSON.stringify({ kind: 'attention', text: 'The key is gone.', connectorId });
  for (let at = 0; at < 2; at++) {
    const id = await addRun('paused');
    await run(sql`UPDATE runs SET waits = ${waits}::jsonb WHERE id = ${id}`);
  }
  const reason = JSON.stringify({ code: 'UNAUTHENTICATED', message: 'The key is gone.' });
  await run(sql`UPDATE connectors SET health = 'needs-attention', health_reason = ${reason}::jsonb`);
  expect(await seen()).toMatchObject([
    { kind: 'connector', id: connectorId, text: 'The key is gone.', runs: 2, link: `/connectors/${connectorId}` },
  ]);
  const cloud = JSON.stringify({ lastSyncError: { code: 'INTERNAL', message: 'It ended.', remedy: null } });
  await run(sql`UPDATE connectors SET health = 'healthy', cloud = ${cloud}::jsonb`);
  // What waits for something beside the connectors stands for itself.
  expect((await seen()).map(({ kind, text }) => [kind, text])).toEqual(
    expect.arrayContaining([
      ['connector', 'Its inventory could not be taken. It ended.'],
      ['run', 'The key is gone.'],
    ]),
  );
});

test('schedules whose last moment was skipped or refused, until one starts or somebody changes them', async () => {
  await addWorker('w');
  const [skipped, refused] = [await addSchedule('skipped'), await addSchedule('refused', false)];
  await addSchedule('started');
  const texts = new Map((await seen()).map(({ id, text, link }) => [id, `${link} ${text}`]));
  expect(texts).toEqual(
    new Map([
      [skipped, `/schedules/${skipped} Its last run was skipped. The reason.`],
      [refused, `/schedules/${refused} Its last run could not start. The reason.`],
    ]),
  );
  await addMoment(skipped, 'started');
  await run(sql`UPDATE schedules SET updated_at = now() + interval '1 second' WHERE id = ${refused}`);
  expect(await seen()).toEqual([]);
});

test('messages that were given up, and files that could not be made', async () => {
  await addWorker('w');
  const [subscription, artifact] = [newId(world), newId(world)];
  await run(sql`INSERT INTO subscriptions (id, created_at, created_by, updated_at, name, kind, destination, events, digest, enabled)
    VALUES (${subscription}, now(), 'x', now(), 'Ops', 'email', 'a@b.c', '[]', 'none', true)`);
  for (const [state, error] of [
    ['failed', 'first'],
    ['failed', 'No such address.'],
    ['delivered', null],
  ] as const) {
    await run(sql`INSERT INTO deliveries (subscription_id, event_id, at, event, payload, state, error)
      VALUES (${subscription}, ${newId(world)}, now(), 'run.failed', '{}', ${state}, ${error})`);
  }
  const of = await addRun('succeeded');
  await run(sql`INSERT INTO artifacts (id, run_id, kind, file_name, object_name, state, error, created_at, created_by)
    VALUES (${artifact}, ${of}, 'report-json', 'report.json', 'o', 'failed', '{"message":"It ended.","remedy":null}',
      now() - interval '1 hour', 'x')`);
  expect(await seen()).toMatchObject([
    { kind: 'subscription', id: subscription, text: '2 messages could not be delivered. No such address.' },
    { kind: 'artifact', id: artifact, name: 'report.json', text: 'It could not be made. It ended.' },
  ]);
  await run(sql`UPDATE deliveries SET state = 'delivered'`);
  await run(sql`INSERT INTO artifacts (id, run_id, kind, file_name, object_name, state, created_at, created_by)
    VALUES (${newId(world)}, ${of}, 'report-json', 'report.json', 'o', 'ready', now(), 'x')`);
  expect(await seen()).toEqual([]);
});

test('workers that fell silent, not those that left or were replaced; and no worker at all', async () => {
  const silent = await addWorker('silent', { silentMs: 60_000, state: 'gone' });
  await addWorker('left', { silentMs: 60_000, state: 'gone', hasLeft: true });
  await addWorker('long ago', { silentMs: 25 * 3_600_000, state: 'gone' });
  await addWorker('replaced', { silentMs: 60_000, state: 'gone' });
  await addWorker('replaced');
  expect(await seen()).toMatchObject([{ kind: 'worker', id: silent, name: 'silent', link: '/workers' }]);
  await run(sql`DELETE FROM workers`);
  expect(await seen()).toEqual([]);
  await addRun('queued');
  expect(await seen()).toMatchObject([{ kind: 'worker', id: null, text: 'No worker is there.' }]);
});

test('logs that could not be removed again and again', async () => {
  await addWorker('w');
  const id = await addRun('succeeded');
  await run(sql`UPDATE runs SET cleaning_attempts = 4, cleaning_after = now() WHERE id = ${id}`);
  expect(await seen()).toEqual([]);
  await run(sql`UPDATE runs SET cleaning_attempts = 5 WHERE id = ${id}`);
  expect(await seen()).toMatchObject([{ kind: 'run', id }]);
});

test('newest first, and no more than a page of it', async () => {
  await addWorker('w');
  await run(sql`INSERT INTO connectors (id, created_at, created_by, updated_at, name, provider, config, fingerprint, limits, health)
    SELECT gen_random_uuid(), now(), 'x', now() - at * interval '1 minute', 'c' || at, 'memory', '{}', 'f', '{}', 'needs-attention'
    FROM generate_series(1, ${ATTENTION_MAX + 10}::integer) AS at`);
  const failed = await addRun('failed');
  const { attention, moreAttention } = await attentionOf(world.db);
  expect([attention.length, moreAttention, attention[0]?.id]).toEqual([ATTENTION_MAX, true, failed]);
  expect(attention.map(({ at }) => at)).toEqual(
    attention
      .map(({ at }) => at)
      .toSorted()
      .toReversed(),
  );
});
