/** Workers as real processes that are killed or stopped in mid-run, and a database that goes away. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterEach, describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/control/database/connect.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/control/database/supervisor.ts';
import { migrate } from '../../src/control/database/migrate.ts';
import type { Run } from '../../src/control/entities.ts';
import type { FleetTiming } from '../../src/control/fleet/timing.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { makeTestFolder } from '../postgres.ts';
import { expectComplete, looksInVain, openFleetTest, PATIENT, SHORT, type FleetTest } from './fleet-world.ts';
import { makeConnector, makeJob, type MadeJob } from './made.ts';
import { startStopwatch } from '../stopwatch.ts';

let fleet: FleetTest;
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  await fleet[Symbol.asyncDispose]();
});

const SCRIPT = fileURLToPath(new URL('worker-process.ts', import.meta.url));

async function startProcess(name: string, timing: Partial<FleetTiming> = SHORT): Promise<ChildProcess> {
  const { databaseUrl, folder } = fleet.world;
  const child = spawn(process.execPath, [SCRIPT, databaseUrl, folder, name, JSON.stringify(timing)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)));
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGCONT');
  child.kill('SIGKILL');
  await ended;
}

interface Folders {
  readonly job: MadeJob;
  readonly from: string;
  readonly to: string;
}

/** Leaves time for whatever a bad day brings, until the rest is let go on in a hurry. */
const SLOW = 8_000;

async function hurry(): Promise<void> {
  await sql`UPDATE jobs SET timetable_id = NULL`.execute(fleet.world.db);
}

/** Files from one folder to another, at a rate. */
async function folderJob(files: number, bytesPerSecond: number): Promise<Folders> {
  const { world } = fleet;
  const [from, to] = [join(world.folder, 'from'), join(world.folder, 'to')];
  mkdirSync(from);
  mkdirSync(to);
  for (let at = 0; at < files; at++) {
    const folder = join(from, `d${String(at % 20).padStart(2, '0')}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `f${String(at).padStart(5, '0')}`), `content of ${at} `.repeat(40));
  }
  const connector = { provider: 'local', config: { root: '/' }, fingerprint: 'local:/' };
  const connectorId = await makeConnector(world, connector);
  const job = await makeJob(world, { connectorId, container: from }, { connectorId, container: to });
  const timetable = { timeZone: 'UTC', rules: [{ day: null, minuteOfDay: 0, bytesPerSecond }] };
  await sql`WITH made AS (
      INSERT INTO timetables (id, created_at, created_by, updated_at, name, timetable)
      VALUES (gen_random_uuid(), now(), 'test', now(), 'slow', ${JSON.stringify(timetable)}::jsonb) RETURNING id)
    UPDATE jobs SET timetable_id = made.id FROM made WHERE jobs.id = ${job.jobId}`.execute(world.db);
  return { job, from, to };
}

function filesOf(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    entries
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** What a worker is writing has a name of its own, and may be gone the next moment. */
function arrived(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.drover-')).length;
}

async function underWay({ job, to }: Folders, files: number): Promise<string> {
  const { id } = await fleet.start(job);
  await fleet.untilTrue('something was copied', async () => arrived(to) >= files);
  return id;
}

/** Byte for byte, nothing beside it, one row per item, sums that agree, and no state left in anybody's hands. */
async function expectExact({ from, to }: Folders, run: Run): Promise<void> {
  expect([...filesOf(to)]).toEqual([...filesOf(from)]);
  const items = await fleet.items(run.id);
  expect(new Set(items.map(({ key }) => key)).size).toBe(items.length);
  expect(items).toHaveLength(run.counters.items.scanned);
  expect(run.counters.items).toMatchObject({ failed: 0, unsupported: 0 });
  // What a lost worker has left half-made is taken away after the end.
  await fleet.untilTrue("nothing is in anybody's hands", async () => {
    const { rows } = await sql`SELECT FROM segments WHERE run_id = ${run.id} AND state = 'open'`.execute(
      fleet.world.db,
    );
    return rows.length === 0;
  });
}

async function holders(runId: string): Promise<number> {
  const { rows } = await sql<{ workers: number }>`SELECT count(DISTINCT worker_id)::integer AS workers FROM segments
    WHERE run_id = ${runId} AND kind = 'keys' AND worker_id IS NOT NULL`.execute(fleet.world.db);
  return rows[0]?.workers ?? 0;
}

async function validLeasesOf(name: string): Promise<number> {
  const { rows } = await sql`SELECT FROM segments JOIN workers ON workers.id = segments.worker_id
    WHERE workers.name = ${name} AND segments.state = 'open' AND lease_until > clock_timestamp()`.execute(
    fleet.world.db,
  );
  return rows.length;
}

describe('a worker process', () => {
  test('that is killed in mid-run is replaced within 15 seconds, with the leases as they really are', async () => {
    fleet = await openFleetTest();
    const victim = await startProcess('victim', {});
    const folders = await folderJob(600, SLOW);
    const id = await underWay(folders, 30);
    await startProcess('heir', {});
    const sinceKilled = startStopwatch();
    await kill(victim);
    await fleet.untilTrue('the other one has taken over', async () => {
      const { rows } = await sql`SELECT FROM segments WHERE run_id = ${id} AND takeovers > 0`.execute(fleet.world.db);
      return rows.length > 0;
    });
    expect(sinceKilled.elapsedMs()).toBeLessThan(15_000);
    await hurry();
    const run = await fleet.until(id, 'succeeded');
    await expectExact(folders, run);
  });

  test.each([
    ['is killed', 'kill'],
    ['stands still for longer than its leases and then goes on as if nothing had been', 'freeze'],
  ] as const)('that %s among three leaves a run that is exact', async (_words, what) => {
    fleet = await openFleetTest();
    const workers = [await startProcess('a'), await startProcess('b'), await startProcess('c')];
    const folders = await folderJob(900, SLOW);
    const id = await underWay(folders, 30);
    await fleet.untilTrue('at least two are at it', async () => (await holders(id)) >= 2);
    const [first] = workers as [ChildProcess];
    if (what === 'kill') await kill(first);
    else {
      first.kill('SIGSTOP');
      await fleet.untilTrue('its leases have run out', async () => (await validLeasesOf('a')) === 0);
      first.kill('SIGCONT');
    }
    await hurry();
    const run = await fleet.until(id, 'succeeded');
    await expectExact(folders, run);
    if (what === 'freeze') return;
    await fleet.untilTrue('it counts as gone', async () => {
      const { rows } = await sql`SELECT FROM workers WHERE state = 'gone'`.execute(fleet.world.db);
      return rows.length === 1;
    });
  });

  test('and all others killed at once leave a run that waits, says so, and goes on with the next', async () => {
    fleet = await openFleetTest();
    const workers = [await startProcess('a'), await startProcess('b')];
    const folders = await folderJob(600, SLOW);
    const id = await underWay(folders, 30);
    await Promise.all(workers.map(kill));
    await startProcess('next');
    await hurry();
    const run = await fleet.until(id, 'succeeded');
    await expectExact(folders, run);
  });

  test('that is told to end gives back what it holds, so that nobody has to wait for its leases', async () => {
    fleet = await openFleetTest();
    const leaving = await startProcess('leaving', PATIENT);
    const folders = await folderJob(600, SLOW);
    const id = await underWay(folders, 30);
    await startProcess('staying', PATIENT);
    const ended = new Promise((resolve) => leaving.once('exit', resolve));
    leaving.kill('SIGTERM');
    expect(await ended).toBe(0);
    await hurry();
    const run = await fleet.until(id, 'succeeded');
    await expectExact(folders, run);
    const { rows } = await sql`SELECT FROM segments WHERE run_id = ${id} AND takeovers > 0`.execute(fleet.world.db);
    expect(rows).toHaveLength(0);
  });
});

describe('the database', () => {
  test('gone for longer than the leases hold stops the work, and the run goes on when it is back', async () => {
    const folder = makeTestFolder('gone');
    const quiet = { clock: systemClock, random: systemRandom, log: () => undefined };
    const start = (): Promise<EmbeddedPostgres> => startEmbeddedPostgres({ folder, ...quiet });
    let server = await start();
    try {
      const connection = await openDatabase({ url: server.url, log: () => undefined });
      await migrate(connection);
      await connection.close();
      fleet = await openFleetTest({ databaseUrl: server.url });
      const workers = [await fleet.worker('one', { timing: SHORT }), await fleet.worker('two', { timing: SHORT })];
      const job = await fleet.job({ objects: 800, slowMs: 80, heldFrom: 400 });
      const { id } = await fleet.start(job);
      await fleet.untilTrue('something was copied', async () => job.to.keys('box').length > 20);
      await server.stop();
      await fleet.untilTrue('work stops', async () => fleet.world.logged.some((line) => line.includes('lets go')));
      await fleet.untilTrue('no part in the run is left', async () => workers.every(({ runs }) => runs.length === 0));
      const there = job.to.keys('box').length;
      await fleet.untilTrue('they have looked in vain again and again', looksInVain(fleet, 8));
      expect(job.to.keys('box')).toHaveLength(there);
      server = await start();
      job.release();
      const run = await fleet.until(id, 'succeeded');
      await expectComplete(fleet, job, run);
      expect((await fleet.runs.active()).length).toBe(0);
    } finally {
      await fleet[Symbol.asyncDispose]();
      await server.stop();
    }
  });
});
