/** `drover worker`: takes part in the server's runs until it is told to stop. */
import { hostname } from 'node:os';
import type { ServerCall } from '../cli/server-commands.ts';
import { connectorOpener } from '../control/connectors/open.ts';
import { openConnectors } from '../control/connectors/service.ts';
import { startWorker } from '../control/fleet/worker.ts';
import { openLogs } from '../control/logs/service.ts';
import { DroverError } from '../model/errors.ts';
import { eventLoopLoad } from './event-loop.ts';
import { collectWhenIdle } from './idle.ts';
import { settingsOf } from './server-settings.ts';
import { openTracing } from './tracing.ts';
import { connectPatiently, logOf, openWorld, type Environment } from './server-world.ts';

export async function work(
  given: ServerCall,
  { endsWithParent }: { readonly endsWithParent: boolean },
  environment: Environment,
): Promise<void> {
  // From the first moment on: the database that is waited for may be one that only the parent starts.
  const call = endsWithParent ? { ...given, signal: AbortSignal.any([given.signal, parentGone()]) } : given;
  const { settings } = settingsOf(call, environment.variables);
  if (settings.databaseUrl === null) {
    throw new DroverError('INVALID_INPUT', "A worker needs the server's database: DATABASE_URL is not set.", {
      field: 'databaseUrl',
      remedy:
        'Set DATABASE_URL and DROVER_MASTER_KEY to those of the server. An embedded database serves its own machine only.',
    });
  }
  const name = settings.workerName ?? hostname();
  const log = logOf(settings, { worker: name });
  await using closing = new AsyncDisposableStack();
  closing.use(collectWhenIdle());
  const tracing = await openTracing(settings, log, environment, { role: 'worker', instance: `${name}/${process.pid}` });
  // Last of all: what ends while we stop is told too.
  if (tracing !== null) closing.use(tracing);
  const opened = closing.use(await connectPatiently(settings, log, call));
  const { world } = closing.use(
    await openWorld(settings, opened, log, { ...environment, configPath: call.configPath }, false),
  );
  const worker = await startWorker(tracing === null ? world : { ...world, tracing }, {
    name,
    host: hostname(),
    pid: process.pid,
    openConnector: connectorOpener(world),
    reportHealth: openConnectors(world).reportHealth,
    append: openLogs(world).append,
    runsAtOnceMax: settings.runsMax,
    runsMax: settings.runsPerWorkerMax,
    load: eventLoopLoad(),
  });
  closing.defer(async () => worker.drain());
  await call.line({ type: 'ready', worker: name, id: worker.id });
  await Promise.race([stopped(call.signal), worker.left]);
  if (worker.failure !== null) throw worker.failure;
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Fires when whoever started us is gone: nobody else would stop us then. */
function parentGone(): AbortSignal {
  const gone = new AbortController();
  const end = (): void => gone.abort(new DroverError('CANCELLED', 'The server of this worker has ended.'));
  process.stdin.on('end', end).on('error', end);
  process.stdin.resume();
  return gone.signal;
}
