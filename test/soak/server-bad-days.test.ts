/** Bad days of a real server that nobody dies of: a database that stands still, a full disk, a target that goes away. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { startS3, stopServers, type S3Server } from '../../demo/servers.ts';
import { S3Store } from '../../demo/stores.ts';
import { seededRandom } from '../../src/sim/world.ts';
import { canMount, isLinux } from '../abilities.ts';
import { pause, type RunView } from './server-api.ts';
import { Installation } from './server-installation.ts';
import { runProblems } from './server-oracle.ts';
import { copyProgram } from './server-program.ts';
import { makeRoutes, type Route, type RouteName } from './server-routes.ts';
import { subscribe } from './server-series.ts';

const MIB = 1024 * 1024;
const ARTIFACTS_BYTES = 4 * MIB;
const TARGET_BYTES = 64 * MIB;
/** Longer than leases hold, and than anybody waits for an answer before trying again. */
const STANDSTILL_MS = 12_000;

const canRun = isLinux && (inject('servers').postgres?.hasEmbedded ?? false);
const folder = mkdtempSync(join(tmpdir(), 'drover-bad-days-'));
const artifacts = join(folder, 'artifacts');
/** Of the route from a bucket to a folder, on a disk of its own that holds all of it. */
const targetDisk = join(folder, 'places', 'target-bucket-to-folder');
let s3: S3Server;
let server: Installation;
let routes: readonly Route[];

beforeAll(async () => {
  if (!canRun) return;
  mountDisk(artifacts, ARTIFACTS_BYTES);
  mountDisk(targetDisk, TARGET_BYTES);
  s3 = await startS3(null);
  const { access } = s3;
  server = await Installation.start({
    program: copyProgram(join(folder, 'program'), 'working'),
    folder: join(folder, 'server'),
    workers: 1,
    random: seededRandom(1),
    settings: { DROVER_ARTIFACTS: artifacts },
  });
  await subscribe(server.api);
  routes = await makeRoutes({
    names: ['bucket-to-folder', 'folders', 'folder-to-bucket'],
    api: server.api,
    folder: join(folder, 'places'),
    prefix: 'bad-days',
    size: { smallCount: 40, largeCount: 2, largeBytes: 18 * MIB },
    // Slow enough that a busy machine still finds each run under way.
    bytesPerSecond: 2 * MIB,
    s3: { store: new S3Store(access), access },
    azure: null,
  });
});

afterAll(async () => {
  if (!canRun) return;
  await server.remove();
  await stopServers();
  if (canMount) execFileSync('umount', [artifacts, targetDisk]);
  rmSync(folder, { recursive: true, force: true });
});

/** An ordinary folder where nothing may be mounted. */
function mountDisk(path: string, sizeBytes: number): void {
  mkdirSync(path, { recursive: true });
  if (canMount) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path]);
}

/** Returns the file that takes all the room there is. */
function fillDisk(path: string): string {
  const filler = join(path, 'filler');
  const { bavail, bsize } = statfsSync(path);
  try {
    writeFileSync(filler, Buffer.alloc(bavail * bsize));
  } catch (error) {
    // A run that writes there may have been faster: full all the same.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  return filler;
}

function routeOf(name: RouteName): Route {
  return routes.find((route) => route.name === name) as Route;
}

/** Until something has arrived and much is still to come. */
async function underWay({ jobs, target }: Route): Promise<string> {
  const { id } = await server.api.once<RunView>('POST', `/jobs/${jobs.merge}/runs`, { kind: 'transfer' });
  while ((await target.list()).length === 0) await pause(100);
  return id;
}

async function until(runId: string, holds: (run: RunView) => boolean): Promise<RunView> {
  for (;;) {
    const run = await server.api.get<RunView>(`/runs/${runId}`);
    if (holds(run)) return run;
    expect(run.endedAt, `the run is ${run.state} ${JSON.stringify(run.error)}`).toBeNull();
    await pause(200);
  }
}

async function leases(runId: string): Promise<number> {
  const rows = await server.query(`SELECT FROM segments WHERE run_id = $1 AND lease_until IS NOT NULL`, [runId]);
  return rows.length;
}

const hasEnded = ({ endedAt }: RunView): boolean => endedAt !== null;

describe.runIf(canRun)('a real server', () => {
  test('whose database stands still for longer than leases hold goes on when it answers again', async () => {
    const route = routeOf('bucket-to-folder');
    const id = await underWay(route);
    server.signalDatabase('SIGSTOP');
    await pause(STANDSTILL_MS);
    server.signalDatabase('SIGCONT');
    const run = await until(id, hasEnded);
    expect(await runProblems(server, route, run)).toEqual([]);
    await server.ready();
    expect(server.endings.filter(({ service, code }) => service === 'server' || code === 2)).toEqual([]);
  });

  test.runIf(canMount)('whose disk for artifacts is full says so, and goes on when there is room', async () => {
    const route = routeOf('folders');
    const id = await underWay(route);
    const filler = fillDisk(artifacts);
    const waiting = await until(id, ({ waits }) => waits?.kind === 'disk');
    expect(waiting).toMatchObject({ state: 'running', waits: { kind: 'disk' } });
    rmSync(filler);
    const run = await until(id, hasEnded);
    expect(await runProblems(server, route, run)).toEqual([]);
  });

  test.runIf(canMount)(
    'whose target folder is full says so, shows nothing half-written, and goes on when there is room',
    async () => {
      const route = routeOf('bucket-to-folder');
      const { target, source } = route;
      await target.clear();
      const id = await underWay(route);
      const filler = fillDisk(targetDisk);
      const waiting = await until(id, ({ waits }) => waits?.kind === 'disk');
      expect(waiting.counters.items).toMatchObject({ failed: 0 });
      const { items } = await server.api.get<{ items: { code: string | null }[] }>(`/runs/${id}/log`);
      expect(items.map(({ code }) => code)).toContain('DISK_FULL');
      const there = (await target.list()).filter((name) => source.tree.keys.includes(name));
      expect(there.length).toBeLessThan(source.tree.keys.length);
      for (const name of there) expect((await target.find(name)).sha256, name).toBe(source.tree.sha256(name));
      rmSync(filler);
      const run = await until(id, hasEnded);
      expect(await runProblems(server, route, run)).toEqual([]);
    },
  );

  test('whose target bucket is deleted in mid-run fails the run with the reason', async () => {
    const id = await underWay(routeOf('folder-to-bucket'));
    const bucket = 'bad-days-folder-to-bucket';
    await s3.removeBucket(bucket);
    const run = await until(id, hasEnded);
    expect(run).toMatchObject({ state: 'failed', waits: null, error: { code: 'PLACE_NOT_FOUND' } });
    expect(run.error?.message).toContain(bucket);
    // Whoever was at it lets go, and one of them takes away what it can of what is left.
    while ((await leases(id)) > 0) await pause(200);
  });

  test('takes no worker that sees another artifact store', async () => {
    const refused = server.command(['worker'], '', {
      DATABASE_URL: server.databaseUrl,
      DROVER_ARTIFACTS: join(folder, 'elsewhere'),
    });
    await expect(refused).rejects.toThrow(/ended with 2:[^]*does not see the artifact store that the others use/);
  });
});
