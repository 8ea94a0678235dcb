/**
 * A server's world for tests: a real database of its own, stores in memory, a folder for artifacts. Providers, clock,
 * transport and environment can be exchanged; everything is gone after `close`.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Provider } from '../contract/provider.ts';
import { systemClock, systemRandom } from '../lib/system.ts';
import { DroverError } from '../model/errors.ts';
import { local } from '../providers/local/provider.ts';
import { memory } from '../providers/memory/provider.ts';
import { FolderArtifactStore } from '../standalone/artifacts.ts';
import { openMigratedDatabase } from '../../test/postgres.ts';
import { makeQuickFolder } from '../../test/quick-folder.ts';
import { openBus, type OpenBus } from './bus.ts';
import { testSettings } from './testing/settings.ts';
import { openDatabase } from './database/connect.ts';
import type { Actor, Role } from './entities.ts';
import { newId } from './ids.ts';
import { openVault } from './vault/vault.ts';
import type { ControlWorld } from './world.ts';

export interface TestWorld extends ControlWorld, AsyncDisposable {
  readonly bus: OpenBus;
  readonly databaseUrl: string;
  /** Where artifacts and the data of this world lie; removed at the end. */
  readonly folder: string;
  readonly masterKey: Uint8Array;
  /** Every log line so far. */
  readonly logged: readonly string[];
  /** Somebody of that role who needs no row. */
  as(role: Role): Actor;
  close(): Promise<void>;
}

export type TestOverrides = Partial<Omit<ControlWorld, 'db' | 'vault' | 'bus' | 'providers' | 'settings'>> & {
  readonly providers?: readonly Provider[];
  readonly settings?: Partial<ControlWorld['settings']>;
  readonly masterKey?: Uint8Array;
  /** Of another world, to stand beside it as a second process. */
  readonly databaseUrl?: string;
};

export async function openTestWorld(overrides: TestOverrides = {}): Promise<TestWorld> {
  const {
    providers = [memory, local],
    masterKey = new Uint8Array(32).fill(7),
    databaseUrl,
    settings,
    ...rest
  } = overrides;
  const database = databaseUrl === undefined ? await openMigratedDatabase() : null;
  const url = databaseUrl ?? (database?.url as string);
  const folder = makeQuickFolder('drover-control-');
  const logged: string[] = [];
  const base = {
    clock: systemClock,
    random: systemRandom,
    log: (level: string, message: string, details?: unknown) =>
      void logged.push(`${level} ${message} ${JSON.stringify(details ?? {})}`),
    openTransport: () => ({
      send: () => Promise.reject(new DroverError('UNREACHABLE', 'There is no network in this test.')),
      close: async () => undefined,
    }),
    environment: {},
    programVersion: '0.0.0-test',
    ...rest,
  };
  // A database that stands still for a while is not away.
  const connection = await openDatabase({ url, log: base.log, connectMsMax: 60_000 });
  const db = connection.kysely;
  const bus = openBus({ db, connection: connection.connection, clock: systemClock, log: base.log });
  const vault = await openVault({ db, masterKey, clock: base.clock, random: base.random });
  const close = async (): Promise<void> => {
    await bus[Symbol.asyncDispose]();
    await connection.close();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  };
  return {
    ...base,
    db,
    bus,
    vault,
    settings: testSettings(folder, settings),
    providers: new Map(providers.map((provider) => [provider.manifest.id, provider])),
    artifacts: overrides.artifacts ?? new FolderArtifactStore(join(folder, 'artifacts'), base.random),
    databaseUrl: url,
    folder,
    masterKey,
    logged,
    as: (role) => ({ kind: 'person', personId: newId(base), tokenId: null, name: `some ${role}`, role, address: null }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
