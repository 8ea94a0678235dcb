/** What people are told is saved together with what happened: a worker that dies right after it loses nothing. */
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { emptyOutbox } from '../../src/control/notifications/outbox.ts';
import { openNotifications } from '../../src/control/notifications/service.ts';
import { PostgresRunStore } from '../../src/control/runs/store.ts';
import { DroverError } from '../../src/model/errors.ts';
import { openFleetTest, type FleetTest } from './fleet-world.ts';
import { makeConnector, makeJob, makeRunRow } from './made.ts';

let fleet: FleetTest;
let release: () => void;
beforeEach(async () => {
  fleet = await openFleetTest();
});
afterEach(async () => {
  release?.();
  await fleet[Symbol.asyncDispose]();
});

/** Nothing that comes after the transaction of a run's state is ever done: as if the process ended there. */
async function dyingWorker(): Promise<void> {
  const dead = new Promise<void>((resolve) => (release = resolve));
  const { bus } = fleet.world;
  const change = {
    bus: {
      tell: async (topic: Parameters<typeof bus.tell>[0], id: string, tx?: Parameters<typeof bus.tell>[2]) =>
        tx === undefined && topic === 'run' ? dead : bus.tell(topic, id, tx),
      listen: bus.listen.bind(bus),
    },
  };
  await fleet.worker('dying', {}, change);
}

test.each([
  ['run.completed', null, ['succeeded']],
  ['run.failed', 'PLACE_NOT_FOUND', ['failed']],
  ['run.attention', 'UNAUTHENTICATED', ['pausing', 'paused']],
] as const)('a worker that dies right after it has committed loses no %s', async (event, code, states) => {
  await dyingWorker();
  const job = await fleet.job({ objects: 5 });
  if (code !== null) {
    job.to.hooks.before = () => {
      throw new DroverError(code, `The store says ${code}.`);
    };
  }
  const { id } = await fleet.start(job);
  await fleet.until(id, ...states);
  const all = (await fleet.told()).filter(({ runId }) => runId === id);
  expect(all).toEqual([{ event, runId: id }]);
  const said = {
    'run.completed': 'The run is complete.',
    'run.failed': 'The run failed: ',
    'run.attention': 'The run pauses: ',
  };
  const { rows: lines } = await sql<{ message: string }>`SELECT message FROM run_log WHERE run_id = ${id}`.execute(
    fleet.world.db,
  );
  expect(lines.filter(({ message }) => message.startsWith(said[event]))).toHaveLength(1);
  const { rows } = await sql<{ payload: object }>`SELECT payload FROM outbox`.execute(fleet.world.db);
  expect(rows[0]?.payload).toMatchObject({
    number: 1,
    job: `job ${job.jobId}`,
    project: `project ${job.projectId}`,
    items: { failed: 0, copied: code === null ? 5 : 0 },
    ...(code === null ? { error: null } : { error: { code }, reason: expect.stringContaining(`says ${code}`) }),
  });
});

test('a run in which objects failed is told once to whoever hears of ends, or of what needs somebody', async () => {
  const { world } = fleet;
  const expected: Record<string, string[]> = {
    'run.failed,run.attention': ['run.attention'],
    'run.completed,run.failed,run.attention': ['run.completed'],
    'run.completed': ['run.completed'],
    'run.failed': [],
  };
  for (const events of Object.keys(expected)) {
    const destination = 'https://hooks.example.com/1';
    const input = { name: events, kind: 'webhook', destination, events: events.split(',') as never[] } as const;
    await openNotifications(world).create(world.as('operator'), input);
  }
  const job = await fleet.job({ objects: 12 });
  job.to.hooks.before = async (operation, key) => {
    if (operation === 'PUT' && key.endsWith('7')) throw new DroverError('CORRUPTED', 'Not this one.');
  };
  await fleet.worker('one');
  const { id } = await fleet.start(job);
  await fleet.until(id, 'completed-with-issues');
  await emptyOutbox(world);
  const { rows } = await sql<{ name: string; event: string; items: object }>`
    SELECT name, event, payload -> 'items' AS items FROM deliveries
    JOIN subscriptions ON subscriptions.id = subscription_id`.execute(world.db);
  for (const [name, heard] of Object.entries(expected)) {
    expect(rows.filter((row) => row.name === name).map(({ event }) => event)).toEqual(heard);
  }
  for (const { items } of rows) expect(items).toMatchObject({ failed: 1, copied: 11 });
});

test('a validation that finds something is told each time, to whoever hears of what needs somebody', async () => {
  const job = await fleet.job({ objects: 3 });
  await fleet.worker('one');
  const heard = async (): Promise<unknown[]> => (await fleet.told()).map(({ event, runId }) => [event, runId]);
  const expected: unknown[] = [];
  for (const _time of [1, 2]) {
    const { id } = await fleet.start(job, { kind: 'validate' });
    await fleet.until(id, 'completed-with-issues');
    expected.push(['run.completed', id], ['run.attention', id]);
    expect(await heard()).toEqual(expected);
  }
  const { id } = await fleet.start(job);
  await fleet.until(id, 'succeeded');
  expect(await heard()).toEqual([...expected, ['run.completed', id]]);
});

test('what cannot be told does not happen either, and nothing is told of what did not happen', async () => {
  const { world } = fleet;
  const connectorId = await makeConnector(world, { provider: 'memory', config: {}, fingerprint: 'f' });
  const job = await makeJob(world, { connectorId, container: 's' }, { connectorId, container: 't' });
  await makeRunRow(world, job, 'outbox-01');
  const store = new PostgresRunStore(world.db, {
    onEnding: async (tx) => {
      await openNotifications(world).tell('run.completed', { runId: 'outbox-01', projectId: null, payload: {} }, tx);
      throw new Error('the process ends here');
    },
  });
  await store.startSegments('outbox-01', [{ segmentId: 'settle', kind: 'settle', from: null, to: null }]);
  const { rows } = await sql<{ id: string }>`SELECT gen_random_uuid() AS id`.execute(world.db);
  const lease = await store.claim('outbox-01', rows[0]!.id);
  const end = { state: 'succeeded', error: null, manifestRoot: null, endedAtMs: 1 } as const;
  await expect(store.endRun(lease!, end)).rejects.toThrow('ends here');
  expect((await store.getRun('outbox-01'))?.state).toBe('running');
  expect(await fleet.told()).toEqual([]);
});

test('many servers that empty the outbox at once make one delivery for each event and subscriber', async () => {
  const { world } = fleet;
  const notifications = openNotifications(world);
  for (const at of [1, 2]) {
    await notifications.create(world.as('operator'), {
      name: `S ${at}`,
      kind: 'webhook',
      destination: `https://hooks.example.com/${at}`,
      events: ['run.completed'],
    });
  }
  for (let at = 0; at < 250; at++)
    await notifications.tell('run.completed', { runId: null, projectId: null, payload: {} });
  const servers = Array.from({ length: 4 }, async () => {
    let all = 0;
    for (;;) {
      const some = await emptyOutbox(world);
      if (some === 0) return all;
      all += some;
    }
  });
  expect((await Promise.all(servers)).reduce((a, b) => a + b)).toBe(250);
  const { rows } = await sql<{ deliveries: number; events: number }>`
    SELECT count(*)::integer AS deliveries, count(DISTINCT event_id)::integer AS events FROM deliveries`.execute(
    world.db,
  );
  expect(rows).toEqual([{ deliveries: 500, events: 250 }]);
});

test('what nobody wants to hear holds up nothing that is behind it', async () => {
  const { world } = fleet;
  const notifications = openNotifications(world);
  await notifications.create(world.as('operator'), {
    name: 'S',
    kind: 'webhook',
    destination: 'https://hooks.example.com/1',
    events: ['run.failed'],
  });
  for (let at = 0; at < 250; at++)
    await notifications.tell('run.completed', { runId: null, projectId: null, payload: {} });
  await notifications.tell('run.failed', { runId: null, projectId: null, payload: {} });
  expect(await notifications.tick(new AbortController().signal)).toBe(1);
  expect(await fleet.told()).toEqual([]);
});
