/** Constructs what server, worker and the commands beside them share: database, vault, bus, artifacts, providers. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from '../contract/provider.ts';
import { isElsewhere, parseArtifactAddress } from '../control/artifacts/address.ts';
import { openArtifactPlace } from '../control/artifacts/provider-store.ts';
import type { ServerCall } from '../cli/server-commands.ts';
import { openBus, type OpenBus } from '../control/bus.ts';
import { openDatabase, type Database } from '../control/database/connect.ts';
import { migrate, requireSchema } from '../control/database/migrate.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../control/database/supervisor.ts';
import { loadMasterKey } from '../control/settings/master-key.ts';
import type { Settings } from '../control/settings/settings.ts';
import { newId } from '../control/ids.ts';
import { Traffic } from '../control/metrics/traffic.ts';
import { readFact } from '../control/vault/keyring.ts';
import { openVault } from '../control/vault/vault.ts';
import type { ControlWorld } from '../control/world.ts';
import type { ArtifactStore } from '../engine/ports.ts';
import { withFields } from '../lib/log.ts';
import { systemClock, systemRandom } from '../lib/system.ts';
import { openUndiciTransport } from '../lib/undici-transport.ts';
import type { Log } from '../lib/world.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { azureBlob } from '../providers/azure-blob/provider.ts';
import { local } from '../providers/local/provider.ts';
import { s3 } from '../providers/s3/provider.ts';
import { FolderArtifactStore } from '../standalone/artifacts.ts';
import { keyWrappingOf } from './key-wrapping.ts';
import { makeLog } from './log.ts';

export const PROVIDERS = new Map([s3, azureBlob, local].map((provider) => [provider.manifest.id, provider]));

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly programVersion: string;
  /** Of `--config`, where it was given. */
  readonly configPath?: string | null;
}

/** `fields` stand in every line. */
export function logOf(
  settings: Pick<Settings, 'logLevel' | 'logFormat'>,
  fields: Readonly<Record<string, unknown>> = {},
): Log {
  const log = makeLog({
    level: settings.logLevel,
    format: settings.logFormat,
    write: (line) => void process.stderr.write(line),
    now: () => systemClock.now(),
  });
  return Object.keys(fields).length === 0 ? log : withFields(log, fields);
}

const CONNECT_AGAIN_MS = 2_000;
/** However often it is tried: a start that hangs tells nobody what is wrong. */
export const MASTER_KEY_MS_MAX = 60_000;

export interface OpenedDatabase extends AsyncDisposable {
  readonly database: Database;
  /** `null` when the database is somebody else's. */
  readonly embedded: EmbeddedPostgres | null;
  readonly url: string;
}

/** The database of `DATABASE_URL`, or the embedded one. `isGuest`: beside a server that may be running. */
export async function openServerDatabase(settings: Settings, log: Log, isGuest: boolean): Promise<OpenedDatabase> {
  const embedded =
    settings.databaseUrl !== null
      ? null
      : await startEmbeddedPostgres({
          folder: settings.dataDir,
          clock: systemClock,
          random: systemRandom,
          log,
          isGuest,
        });
  const url = settings.databaseUrl ?? (embedded as EmbeddedPostgres).url;
  try {
    const database = await openDatabase({ url, log, poolMax: settings.databasePoolMax });
    return {
      database,
      embedded,
      url,
      async [Symbol.asyncDispose]() {
        await database.close();
        await embedded?.stop();
      },
    };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

/** An own database may come up later than we do, and is waited for; the embedded one is ours to start. */
export async function connectPatiently(
  settings: Settings,
  log: Log,
  call: Pick<ServerCall, 'say' | 'signal'>,
): Promise<OpenedDatabase> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await openServerDatabase(settings, log, false);
    } catch (thrown) {
      const error = toDroverError(thrown);
      if (settings.databaseUrl === null || error.code !== 'DATABASE_UNAVAILABLE' || call.signal.aborted) throw error;
      if (attempt === 0) await call.say(`  ${error.message} Drover keeps trying; Ctrl-C stops it.`);
      await systemClock.sleep(CONNECT_AGAIN_MS, call.signal);
    }
  }
}

export interface OpenedWorld extends AsyncDisposable {
  readonly world: ControlWorld;
  readonly bus: OpenBus;
}

/** `mayMake`: the server brings the tables up to date and makes a master key; a worker expects both. */
export async function openWorld(
  settings: Settings,
  { database }: Pick<OpenedDatabase, 'database'>,
  log: Log,
  { variables, programVersion, configPath = null }: Environment,
  mayMake: boolean,
): Promise<OpenedWorld> {
  if (mayMake) await migrate(database);
  else await requireSchema(database);
  const db = database.kysely;
  const wrapping = keyWrappingOf(settings, variables, log);
  const signal = AbortSignal.timeout(MASTER_KEY_MS_MAX);
  // A database that came from elsewhere is locked with a key from there: a new one would only look like it.
  const mayMakeKey = mayMake && (await readFact(db)) === null;
  const masterKey = await loadMasterKey({ settings, random: systemRandom, log, mayMake: mayMakeKey, wrapping, signal });
  const vault = await openVault({ db, masterKey, clock: systemClock, random: systemRandom });
  const bus = openBus({ db, connection: database.connection, clock: systemClock, log });
  const openTransport = openUndiciTransport(variables);
  const context = { openTransport, clock: systemClock, random: systemRandom, log, environment: variables };
  const artifacts = openArtifacts(settings, context);
  const world: ControlWorld = {
    db,
    clock: systemClock,
    random: systemRandom,
    log,
    settings,
    providers: PROVIDERS,
    vault,
    artifacts: artifacts.store,
    bus,
    openTransport,
    // The server, not a worker.
    ...(mayMake && { serverTraffic: new Traffic(newId({ clock: systemClock, random: systemRandom })) }),
    environment: variables,
    programVersion,
    programFolder: programFolder(),
    ...(configPath !== null && { settingsFile: configPath }),
  };
  return {
    world,
    bus,
    async [Symbol.asyncDispose]() {
      await bus[Symbol.asyncDispose]();
      await artifacts[Symbol.asyncDispose]();
    },
  };
}

/** The folder of the package: above the bundle, or above `src` in a checkout. */
export function programFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder === dirname(folder) ? dirname(fileURLToPath(import.meta.url)) : folder;
}

export interface ArtifactHome extends AsyncDisposable {
  readonly store: ArtifactStore;
}

/** A folder, or a place that a provider reaches. INVALID_INPUT at `artifacts`. */
export function openArtifacts(
  settings: Pick<Settings, 'artifacts' | 'dataDir'>,
  context: Omit<Context, 'saveAccount'>,
): ArtifactHome {
  const named = settings.artifacts ?? join(settings.dataDir, 'artifacts');
  if (!isElsewhere(named)) {
    mkdirSync(named, { recursive: true, mode: 0o700 });
    return { store: new FolderArtifactStore(named, systemRandom), [Symbol.asyncDispose]: async () => undefined };
  }
  const address = parseArtifactAddress(named);
  const provider = address === null ? undefined : PROVIDERS.get(address.provider);
  if (address === null || provider === undefined) {
    throw new DroverError('INVALID_INPUT', `"${named}" cannot hold artifacts.`, {
      field: 'artifacts',
      remedy: 'Name a folder, s3://BUCKET/PREFIX or azure-blob://ACCOUNT/CONTAINER/PREFIX.',
    });
  }
  const store = openArtifactPlace(address, provider, { ...context, saveAccount: async () => undefined });
  return { store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}
