/** `drover serve`: database, tables, API, due work and local workers, until it is told to stop. */
import { existsSync, statfsSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isLoopback, namesHosts } from '../api/guards.ts';
import { openApi } from '../api/server.ts';
import type { Api, ReadyReport } from '../api/world.ts';
import type { ServerCall } from '../cli/server-commands.ts';
import { startDueWork } from '../control/due.ts';
import { openDispatching } from '../control/fleet/dispatching.ts';
import { setRunsMax } from '../control/fleet/installation.ts';
import { migrate } from '../control/database/migrate.ts';
import { forgetServers, signOnServer } from '../control/fleet/server-presence.ts';
import { foreignProcesses, versionMismatch, withNobodyElse } from '../control/fleet/versions.ts';
import { adoptArtifacts, proveServerArtifacts } from '../control/fleet/server-checks.ts';
import { openCounting } from '../control/metrics/traffic.ts';
import { openMetrics } from '../control/metrics/metrics.ts';
import { openReplays } from '../control/replays.ts';
import { openRetention } from '../control/retention/retention.ts';
import type { Settings } from '../control/settings/settings.ts';
import type { ControlWorld } from '../control/world.ts';
import { systemClock } from '../lib/system.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { startLocalWorkers, type LocalWorkers } from './local-workers.ts';
import { collectWhenIdle } from './idle.ts';
import { settingsOf } from './server-settings.ts';
import { openTracing } from './tracing.ts';
import { connectPatiently, logOf, openWorld, type Environment, type OpenedDatabase } from './server-world.ts';
import { openServices, type AllServices } from './services.ts';
import { startAgain } from './start-again.ts';

/** Below this a start is refused: the database could not even write what it must to stop. */
const FREE_BYTES_MIN = 200e6;
/** A worker that fell silent counts as gone after 30 s. */
const FOREIGN_MS_MAX = 35_000;
const FOREIGN_LOOK_MS = 1_000;

interface ServeOptions {
  readonly newArtifacts: boolean;
}

/** A database that dies while the server starts is no reason to end: the start is begun anew, database and all. */
export async function serve(call: ServerCall, options: ServeOptions, environment: Environment): Promise<void> {
  await startAgain((onReady) => serveOnce(call, options, environment, onReady), {
    clock: systemClock,
    signal: call.signal,
    say: call.say,
  });
}

async function serveOnce(
  call: ServerCall,
  { newArtifacts }: ServeOptions,
  environment: Environment,
  onReady: () => void,
): Promise<void> {
  const { settings } = settingsOf(call, environment.variables);
  const log = logOf(settings);
  await using closing = new AsyncDisposableStack();
  closing.use(collectWhenIdle());
  const instance = `${hostname()}/${process.pid}`;
  const tracing = await openTracing(settings, log, environment, { role: 'server', instance });
  // Last of all: what ends while we stop is told too.
  if (tracing !== null) closing.use(tracing);
  await call.say(`Drover ${environment.programVersion}\n`);
  const opened = await step(call, 'Database', async () => {
    refuseFullDisk(settings);
    return closing.use(await connectPatiently(settings, log, call));
  });
  const { world: opening } = await step(call, 'Tables', async () => {
    await bringUpToDate(opened, environment.programVersion, call);
    return closing.use(await openWorld(settings, opened, log, { ...environment, configPath: call.configPath }, true));
  });
  const world = tracing === null ? opening : { ...opening, tracing };
  const presence = closing.use(await signOnServer(world, { host: hostname(), pid: process.pid }));
  if (newArtifacts) await adoptArtifacts(world);
  await proveServerArtifacts(world);
  await setRunsMax(world.db, settings.runsMax);
  const lost = lostDatabase(opened);
  const services = openServices(world, call.signal);
  const local = { settings, configPath: call.configPath, databaseUrl: opened.url, log, environment };
  const workers = startLocalWorkers(local);
  closing.use(workers);
  const api = await openApi({
    services,
    clock: world.clock,
    random: world.random,
    log,
    settings,
    programVersion: world.programVersion,
    providers: world.providers,
    ...(tracing !== null && { tracing }),
    replays: openReplays(world),
    bus: world.bus,
    ready: () => readiness(world, workers),
    metrics: openMetrics(world).text,
    staticFolder: webFolder(),
  });
  closing.defer(async () => api.close());
  const { url } = await listen(api, settings);
  closing.use(startDueWork(world, dueWork(world, services)));
  closing.use(openDispatching(world));
  await workers.ready;
  await announce(call, settings, services, settings.publicUrl ?? url);
  onReady();
  await untilStopped(call.signal, [workers.failed, lost, presence.failed]);
  await call.say('Stopping. Runs that are going on continue at the next start.');
}

async function step<T>(call: ServerCall, name: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const result = await work();
  await call.say(`  ${name.padEnd(12)}done  ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return result;
}

/**
 * Workers of a server that was just killed end by themselves within seconds; others have to be stopped. VERSION_MISMATCH,
 * before anything is changed, while anybody of another version lives.
 */
async function bringUpToDate({ database, embedded }: OpenedDatabase, version: string, call: ServerCall): Promise<void> {
  if (embedded !== null) await forgetServers(database.kysely);
  for (let waitedMs = 0; ; waitedMs += FOREIGN_LOOK_MS) {
    const foreign = await foreignProcesses(database.kysely, version);
    if (foreign.length === 0) break;
    const error = versionMismatch(foreign, 'server', version);
    if (waitedMs >= FOREIGN_MS_MAX || call.signal.aborted) throw error;
    if (waitedMs === 0) await call.say(`  ${error.message} Waiting for them to end.`);
    await systemClock.sleep(FOREIGN_LOOK_MS, call.signal);
  }
  await withNobodyElse(database.kysely, version, () => migrate(database));
}

/** SERVER_BUSY or INVALID_INPUT where the address cannot be listened on. */
async function listen(api: Api, { listen: { host, port } }: Settings): Promise<{ url: string }> {
  try {
    return await api.listen(host, port);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new DroverError('SERVER_BUSY', `Port ${port} of ${host} is in use by another program.`, {
        cause,
        field: 'listen',
        remedy: `Stop it, or start Drover elsewhere: DROVER_LISTEN=${host}:${port + 1}`,
      });
    }
    if (code === 'EADDRNOTAVAIL' || code === 'EACCES') {
      throw new DroverError('INVALID_INPUT', `Drover cannot listen on ${host}:${port} (${code}).`, {
        cause,
        field: 'listen',
        remedy: 'Choose an address of this machine, and a port from 1024 on, with DROVER_LISTEN.',
      });
    }
    throw cause;
  }
}

function refuseFullDisk({ dataDir }: Settings): void {
  let folder = dataDir;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= FREE_BYTES_MIN) return;
  throw new DroverError(
    'DISK_FULL',
    `Only ${Math.round(freeBytes / 1e6)} MB are free in ${folder}; ${FREE_BYTES_MIN / 1e6} MB are needed to start safely.`,
    { remedy: 'Free some disk space, or choose another folder with DROVER_DATA_DIR.' },
  );
}

function dueWork(world: ControlWorld, services: AllServices): Parameters<typeof startDueWork>[1] {
  const retention = openRetention(world);
  return [
    { name: 'schedules', everyMs: 5_000, wakeOn: ['schedule'], tick: (signal) => services.schedules.tick(signal) },
    // Several, so that a report that reads a lot back does not hold up all others.
    ...['reports', 'more reports', 'other reports'].map((name) => ({
      name,
      everyMs: 30_000,
      wakeOn: ['artifact' as const],
      tick: (signal: AbortSignal) => services.reports.tick(signal),
    })),
    {
      name: 'messages',
      everyMs: 15_000,
      wakeOn: ['subscription'],
      tick: (signal) => services.notifications.tick(signal),
    },
    { name: 'inventories', everyMs: 60_000, wakeOn: [], tick: (signal) => services.connectors.syncDue(signal) },
    { name: 'counts', everyMs: 10_000, wakeOn: [], tick: openCounting(world) },
    { name: 'retention', everyMs: 3_600_000, wakeOn: [], tick: (signal) => retention.tick(signal) },
  ];
}

async function readiness(world: ControlWorld, workers: LocalWorkers): Promise<ReadyReport> {
  const parts: ReadyReport['parts'][number][] = [];
  const check = async (name: string, work: () => Promise<string>): Promise<void> => {
    try {
      parts.push({ name, ok: true, detail: await work() });
    } catch (thrown) {
      parts.push({ name, ok: false, detail: toDroverError(thrown).message });
    }
  };
  await check('database', async () => {
    await world.db.selectFrom('facts_of_installation').select('name').limit(1).execute();
    return 'answers';
  });
  await check('artifacts', async () => {
    await world.artifacts.get('ready-check');
    return 'can be read';
  });
  await check('workers', async () => workers.describe());
  return { ready: parts.every(({ ok }) => ok), parts };
}

/** The web app, where it was built; beside the bundle in a release, in its own folder in a checkout. */
function webFolder(): string | null {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, 'web'), join(here, '..', 'dist', 'web'), join(here, '..', '..', 'dist', 'web')];
  return candidates.find((folder) => existsSync(join(folder, 'index.html'))) ?? null;
}

/** Without the web app nothing is behind the link. */
function setupWords(setupUrl: string): readonly string[] {
  if (webFolder() !== null)
    return ['Create the administrator with this link; it works once, for 60 minutes:', '', `  ${setupUrl}`];
  return ['Create the administrator on this machine:', '', '  drover setup --email ana@acme.example > token'];
}

async function announce(call: ServerCall, settings: Settings, services: AllServices, url: string): Promise<void> {
  const needsSetup = await services.signIn.needsSetup();
  const setupUrl = needsSetup ? `${url}/setup#t=${await services.signIn.makeSetupToken()}` : null;
  const reach = ['127.0.0.1', 'localhost', '::1'].includes(settings.listen.host)
    ? 'from this machine only; DROVER_LISTEN changes that'
    : `at ${settings.listen.host}`;
  const lines = [
    '',
    `Drover is ready at ${url}`,
    ...(setupUrl === null ? [] : ['', ...setupWords(setupUrl)]),
    '',
    `  Data        ${settings.dataDir}`,
    `  Master key  ${masterKeyWords(settings)}`,
    `  Reachable   ${reach}`,
    ...hostWords(settings),
    '  Stop        Ctrl-C',
    '',
  ];
  await call.say(lines.join('\n'));
  await call.line({ type: 'ready', url, setupUrl });
}

/** Beyond this machine nobody knows the server's names but whoever runs it. */
function hostWords(settings: Settings): readonly string[] {
  const isLocal = isLoopback(settings.listen.host) || settings.listen.host === 'localhost';
  if (namesHosts(settings) || (isLocal && settings.trustedProxies.length === 0)) return [];
  return [
    '  Warning     any host name is answered; set DROVER_PUBLIC_URL (or DROVER_ALLOWED_HOSTS) to keep out other sites',
  ];
}

function masterKeyWords(settings: Settings): string {
  const kms = settings.masterKeyKms === null ? '' : `, wrapped with ${settings.masterKeyKms}`;
  if (settings.masterKey !== null) return `from the environment${kms}`;
  const path = (settings.masterKeyFile ?? join(settings.dataDir, 'master.key')) + kms;
  return `${path}: keep a copy elsewhere, without it saved secrets cannot be read`;
}

/** Rejects when the embedded database is another server's by now: two must never write to one folder. */
function lostDatabase({ embedded }: OpenedDatabase): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  embedded?.onExit(({ error, isFinal }) => {
    if (isFinal) reject(error);
  });
  return promise;
}

async function untilStopped(signal: AbortSignal, failures: readonly Promise<never>[]): Promise<void> {
  if (signal.aborted) return;
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([stopped, ...failures]);
}
