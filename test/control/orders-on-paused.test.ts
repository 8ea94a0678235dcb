/** Orders to a run that has paused by itself because it needs somebody's attention. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { WaitReason } from '../../src/control/entities.ts';
import { Dispatcher } from '../../src/control/fleet/dispatcher.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { openFleetTest, setHealth, SHORT, type FleetTest } from './fleet-world.ts';
import { makeConnector, makeJob, makeRunRow, PERSON, rowOpener, type MadeJob } from './made.ts';

const REASON = {
  code: 'UNAUTHENTICATED',
  message: 'The store lets nobody in.',
  field: null,
  remedy: 'Reauthorize it.',
};

let fleet: FleetTest;
let job: MadeJob;
let runId: string;
let made = 0;

beforeAll(async () => {
  fleet = await openFleetTest();
});
afterAll(() => fleet[Symbol.asyncDispose]());

/** `meanwhile`: right before it changes anything, when it has read how everything is. */
async function dispatch(meanwhile: () => Promise<unknown> = async () => undefined): Promise<void> {
  let first: Promise<unknown> | null = null;
  const db = new Proxy(fleet.world.db, {
    get(inner, name) {
      const value: unknown = Reflect.get(inner, name, inner);
      if (name !== 'transaction') return typeof value === 'function' ? value.bind(inner) : value;
      return () => ({
        execute: async (work: Parameters<ReturnType<typeof inner.transaction>['execute']>[0]) => {
          await (first ??= meanwhile());
          return inner.transaction().execute(work);
        },
      });
    },
  });
  const parts = {
    openConnector: rowOpener(fleet.world),
    reportHealth: async () => undefined,
    append: async () => undefined,
    timing: SHORT,
    runsAtOnceMax: 100,
  };
  await new Dispatcher(fleetWorld({ ...fleet.world, db }, parts)).tick();
}

async function actionsOf(id: string): Promise<readonly string[]> {
  const { rows } = await sql<{ action: string }>`
    SELECT action FROM audit WHERE entity_id = ${id} ORDER BY number`.execute(fleet.world.db);
  return rows.map(({ action }) => action);
}

async function breakConnector(id: string): Promise<void> {
  await setHealth(fleet.world, id, REASON);
  await sql`UPDATE connectors SET health_reason = ${JSON.stringify(REASON)}::jsonb WHERE id = ${id}`.execute(
    fleet.world.db,
  );
}

beforeEach(async () => {
  const ends = await Promise.all(
    [1, 2].map(() => makeConnector(fleet.world, { provider: 'memory', config: {}, fingerprint: `f${made++}` })),
  );
  const [source, target] = ends.map((connectorId) => ({ connectorId, container: 'box' }));
  job = await makeJob(fleet.world, source!, target!);
  runId = `attention${made}`;
});

async function pausedForAttention(state: 'paused' | 'pausing'): Promise<void> {
  const { connectorId } = job.target;
  await breakConnector(connectorId);
  await makeRunRow(fleet.world, job, runId, { state, targetPrefix: `${runId}/` });
  const waits: WaitReason = { kind: 'attention', text: `${REASON.message} Reauthorize it.`, runId: null, connectorId };
  await sql`UPDATE runs SET waits = ${JSON.stringify(waits)}::jsonb, error = ${JSON.stringify(REASON)}::jsonb
    WHERE id = ${runId}`.execute(fleet.world.db);
}

describe.each(['paused', 'pausing'] as const)('a run that is %s for attention', (state) => {
  beforeEach(() => pausedForAttention(state));

  test('and is paused by a person stays so when its connector is well again, until somebody resumes it', async () => {
    const run = await fleet.runs.pause(PERSON, runId);
    expect(run.waits).toMatchObject({ kind: 'person', text: expect.stringContaining(`Paused by ${PERSON.name}.`) });
    // What it had paused for is not forgotten.
    expect(run.waits?.text).toContain(REASON.message);
    expect(run.error).toMatchObject({ code: 'UNAUTHENTICATED' });
    await setHealth(fleet.world, job.target.connectorId, null);
    await dispatch();
    await dispatch();
    expect(await fleet.runs.get(PERSON, runId)).toMatchObject({ state: 'paused', waits: { kind: 'person' } });
    const resumed = await fleet.runs.resume(PERSON, runId);
    expect(resumed).toMatchObject({ state: 'queued', waits: null, error: null });
    expect(resumed.warnings ?? []).toEqual([]);
  });

  test('and is paused by a person in the moment in which its connector is well again stays so, too', async () => {
    if (state === 'pausing') await dispatch();
    await setHealth(fleet.world, job.target.connectorId, null);
    await dispatch(() => fleet.runs.pause(PERSON, runId));
    expect(await fleet.runs.get(PERSON, runId)).toMatchObject({ state: 'paused', waits: { kind: 'person' } });
  });

  test('is paused once, with one line for each in audit and log', async () => {
    await Promise.all([1, 2, 3].map(() => fleet.runs.pause(PERSON, runId)));
    const { version } = await fleet.runs.pause(PERSON, runId);
    expect((await fleet.runs.pause(PERSON, runId)).version).toBe(version);
    expect(await actionsOf(runId)).toEqual(['run.pause']);
    expect(fleet.lines.filter((line) => line.runId === runId).map(({ message }) => message)).toEqual([
      `Paused by ${PERSON.name}.`,
    ]);
  });

  test('says when it is resumed that what it paused for still holds, and tries', async () => {
    const run = await fleet.runs.resume(PERSON, runId);
    expect(run).toMatchObject({ state: state === 'paused' ? 'queued' : 'running', waits: null, error: null });
    const { rows } = await sql<{ name: string }>`
      SELECT name FROM connectors WHERE id = ${job.target.connectorId}`.execute(fleet.world.db);
    expect(run.warnings).toEqual([
      `"${rows[0]?.name}" still needs attention: ${REASON.message} ${REASON.remedy} Unless that has changed, the run pauses again.`,
    ]);
    const lines = fleet.lines.filter((line) => line.runId === runId);
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ['info', `Resumed by ${PERSON.name}.`],
      ['warn', run.warnings?.[0]],
    ]);
    expect((await fleet.runs.resume(PERSON, runId)).warnings ?? []).toEqual([]);
  });

  test('is paused or resumed with others alike', async () => {
    const selection = { filter: { jobId: [job.jobId] }, except: [], expectedCount: 1 };
    expect(await fleet.runs.bulk(PERSON, 'pause', selection)).toEqual({ changed: 1 });
    expect(await fleet.runs.bulk(PERSON, 'pause', selection)).toEqual({ changed: 0 });
    expect(await fleet.runs.bulk(PERSON, 'resume', selection)).toEqual({ changed: 1 });
    expect(fleet.lines.filter((line) => line.runId === runId && line.level === 'warn')).toHaveLength(1);
  });
});

test('one that a person paused says it too, when a connector has fallen ill meanwhile', async () => {
  await makeRunRow(fleet.world, job, runId, { state: 'running', targetPrefix: `${runId}/` });
  await fleet.runs.pause(PERSON, runId);
  await dispatch();
  await breakConnector(job.source.connectorId);
  expect((await fleet.runs.resume(PERSON, runId)).warnings).toEqual([expect.stringContaining(REASON.message)]);
});
