/** The command line's own state without a server: one folder that belongs to one person. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ArtifactStore, RunStore } from '../engine/ports.ts';
import type { Clock, Log, Random } from '../lib/world.ts';
import { DroverError } from '../model/errors.ts';
import { FolderArtifactStore } from './artifacts.ts';
import { SqliteFactsStore, type FactsStore } from './facts.ts';
import { SqliteRunHistory, type RunHistory } from './run-history.ts';
import { SqliteRunStore } from './run-store.ts';
import { fileError, openState } from './sqlite.ts';
import { livingRuns, lockTarget, type Lock, type LockRequest } from './target-lock.ts';
import { SqliteConnectorVault, type ConnectorVault } from './vault.ts';

export interface StandaloneOptions {
  /** Made with mode 0700 when it is not there. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** 32 bytes that open the vault; omitted or `null`: a key file in the folder. */
  readonly masterKey?: Uint8Array | null;
}

export interface Standalone extends AsyncDisposable {
  readonly store: RunStore;
  readonly artifacts: ArtifactStore;
  readonly history: RunHistory;
  readonly connectors: ConnectorVault;
  readonly facts: FactsStore;
  /** One active run per target subtree; dies with the process. GUARD_BUSY names the other run. */
  lockTarget(request: LockRequest): Promise<Lock>;
  /** The ids of runs that a living process is working on; `null` when that cannot be told just now. */
  livingRuns(): Promise<ReadonlySet<string> | null>;
  /** Idempotent. Locks that were not released stay held. */
  close(): Promise<void>;
}

/**
 * Opens the folder. Several processes may have it open at once. INVALID_INPUT where no folder can be, and for a state
 * file that is damaged or of a newer Drover, PERMISSION_DENIED, DISK_FULL; nothing was changed then.
 */
export async function openStandalone(options: StandaloneOptions): Promise<Standalone> {
  const { folder, clock, random, log } = options;
  const artifactFolder = join(folder, 'artifacts');
  const vaultFolder = join(folder, 'vault');
  try {
    for (const path of [folder, artifactFolder, vaultFolder]) makeFolder(path);
  } catch (error) {
    throw fileError(error, folder);
  }
  const path = join(folder, 'state.sqlite');
  const database = openState(path);
  log('debug', 'state opened', { path });
  const close = async (): Promise<void> => {
    if (database.isOpen) database.close();
  };
  try {
    const keyPath = join(vaultFolder, 'key');
    const store = new SqliteRunStore(database, path, clock);
    const artifacts = new FolderArtifactStore(artifactFolder, random);
    return {
      store,
      artifacts,
      history: new SqliteRunHistory(database, path, store, artifacts),
      connectors: new SqliteConnectorVault(database, path, { clock, random }, keyPath, options.masterKey ?? null),
      facts: new SqliteFactsStore(database, path),
      lockTarget: async (request) => lockTarget(join(folder, 'locks'), request, random),
      livingRuns: async () => livingRuns(join(folder, 'locks')),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Not `recursive`: below a folder that takes none, such as `/proc`, Node would try the same one for ever. */
function makeFolder(path: string): void {
  const first = tryFolder(path);
  if (first === null) return;
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeFolder(parent);
  // Another process may have made the parent meanwhile, so only the second answer counts.
  const second = tryFolder(path);
  if (second === null) return;
  throw new DroverError('INVALID_INPUT', `No folder can be made in ${parent} for Drover's own state.`, {
    cause: second,
    field: 'state',
    remedy: 'Choose another folder with --state.',
  });
}

/** `null`: it is there. Gives back that its parent is missing, throws everything else. */
function tryFolder(path: string): Error | null {
  try {
    mkdirSync(path, { mode: 0o700 });
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return error as Error;
    if (code !== 'EEXIST') throw error;
    if (statSync(path).isDirectory()) return null;
    throw Object.assign(new Error(`${path} is not a folder.`, { cause: error }), { code: 'ENOTDIR' });
  }
}
