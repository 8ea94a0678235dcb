/** What silence of workers means, and when it means nothing: after the database was away everybody looks gone. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Dispatcher } from '../../src/control/fleet/dispatcher.ts';
import { fleetWorld } from '../../src/control/fleet/parts.ts';
import { FakeClock } from '../../src/lib/fake-world.ts';
import { DroverError } from '../../src/model/errors.ts';
import { openFleetTest, SHORT, type FleetTest } from './fleet-world.ts';
import { makeRunRow, rowOpener } from './made.ts';

const GONE_MS = 6_000;
let fleet: FleetTest;
let clock: FakeClock;
let isAway = false;
let dispatcher: Dispatcher;

beforeEach(async () => {
  fleet = await openFleetTest();
  clock = new FakeClock(Date.now());
  isAway = false;
  const db = fleet.world.db.withPlugin({
    transformQuery: ({ node }) => {
      if (isAway) throw new DroverError('DATABASE_UNAVAILABLE', 'The database is away.');
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  const parts = {
    openConnector: rowOpener(fleet.world),
    reportHealth: async () => undefined,
    append: async () => undefined,
  };
  dispatcher = new Dispatcher(
    fleetWorld({ ...fleet.world, db, clock }, { ...parts, timing: { ...SHORT, goneAfterMs: GONE_MS } }),
  );
});
afterEach(() => fleet[Symbol.asyncDispose]());

/** A worker that was heard of so long ago, and a run that waits for one to be cancelled. */
async function silentFor(ms: number): Promise<string> {
  const id = randomUUID();
  await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
    VALUES (${id}, 'w', 'h', 1, '1', 1, 'active', now(), clock_timestamp() - ${ms} * interval '1 millisecond')`.execute(
    fleet.world.db,
  );
  const job = await fleet.job({ objects: 0 });
  await makeRunRow(fleet.world, job, 'run-1', { state: 'cancelling' });
  await sql`UPDATE runs SET updated_at = clock_timestamp() - ${ms} * interval '1 millisecond'`.execute(fleet.world.db);
  return id;
}

async function states(): Promise<readonly [string, string]> {
  const { rows } = await sql<{ run: string; worker: string }>`
    SELECT (SELECT state FROM runs) AS run, (SELECT state FROM workers) AS worker`.execute(fleet.world.db);
  return [rows[0]?.run ?? '', rows[0]?.worker ?? ''];
}

/** As long as it takes, with looks that are close enough to each other. */
async function look(ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 1_000) {
    await clock.advance(1_000);
    await dispatcher.tick();
  }
}

describe('a worker that is not heard of', () => {
  test('is gone after its time, and what was to be cancelled ends without it', async () => {
    await silentFor(40_000);
    await dispatcher.tick();
    await look(GONE_MS - 1_000);
    expect(await states()).toEqual(['cancelling', 'active']);
    await look(1_000);
    expect(await states()).toEqual(['cancelled', 'gone']);
  });

  test('is given its time again after the database was away', async () => {
    await dispatcher.tick();
    await look(GONE_MS);
    const worker = await silentFor(40_000);
    isAway = true;
    await expect(dispatcher.tick()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    isAway = false;
    await look(GONE_MS - 1_000);
    expect(await states()).toEqual(['cancelling', 'active']);
    await sql`UPDATE workers SET seen_at = clock_timestamp() + interval '1 minute' WHERE id = ${worker}`.execute(
      fleet.world.db,
    );
    await look(3_000);
    expect(await states()).toEqual(['cancelling', 'active']);
  });

  test('is given its time again after this process stood still', async () => {
    await dispatcher.tick();
    await look(GONE_MS);
    await silentFor(40_000);
    await clock.advance(40_000);
    await dispatcher.tick();
    expect(await states()).toEqual(['cancelling', 'active']);
    await look(GONE_MS);
    expect(await states()).toEqual(['cancelled', 'gone']);
  });

  test('does not make a run say that there is none, right after the database was away', async () => {
    await dispatcher.tick();
    await look(GONE_MS);
    await silentFor(40_000);
    await sql`UPDATE runs SET state = 'running', updated_at = clock_timestamp()`.execute(fleet.world.db);
    const waits = async () =>
      (await sql<{ kind: string | null }>`SELECT waits ->> 'kind' AS kind FROM runs`.execute(fleet.world.db)).rows[0]
        ?.kind;
    isAway = true;
    await expect(dispatcher.tick()).rejects.toThrow();
    isAway = false;
    await look(1_000);
    expect(await waits()).toBeNull();
    await look(GONE_MS);
    expect(await waits()).toBe('no-worker');
  });
});
