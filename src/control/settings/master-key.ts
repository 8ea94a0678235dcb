/** The key that wraps all secrets: given, read from a file, or made once in the data folder. */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Log, Random } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import { isMasterKey } from './settings.ts';
import type { Settings } from './settings.ts';

export const MASTER_KEY_FILE = 'master.key';

export interface MasterKeyOptions {
  readonly settings: Pick<Settings, 'masterKey' | 'masterKeyFile' | 'dataDir'>;
  readonly random: Random;
  readonly log: Log;
  /** Only for the server: a worker must have the server's key. */
  readonly mayMake: boolean;
}

/**
 * 32 bytes. MASTER_KEY_WRONG when the file cannot be read or does not hold a key, or when there is none and none may be
 * made.
 */
export function loadMasterKey(options: MasterKeyOptions): Uint8Array {
  const { settings, mayMake } = options;
  if (settings.masterKey !== null) return decode(settings.masterKey);
  const path = settings.masterKeyFile ?? join(settings.dataDir, MASTER_KEY_FILE);
  const found = read(path, options.log);
  if (found !== null) return found;
  if (mayMake && settings.masterKeyFile === null) return make(path, options);
  throw new DroverError('MASTER_KEY_WRONG', `There is no master key: ${path} does not exist.`, {
    field: settings.masterKeyFile === null ? 'masterKey' : 'masterKeyFile',
    remedy: "Give the server's master key as DROVER_MASTER_KEY, or its file as DROVER_MASTER_KEY_FILE.",
  });
}

function read(path: string, log: Log): Uint8Array | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
    if ((statSync(path).mode & 0o077) !== 0) {
      log('warn', `The master key in ${path} can be read by others; "chmod 600" closes it.`);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new DroverError('MASTER_KEY_WRONG', `The master key in ${path} cannot be read (${code}).`, {
      cause: error,
      field: 'masterKeyFile',
    });
  }
  if (!isMasterKey(text)) {
    throw new DroverError('MASTER_KEY_WRONG', `${path} does not hold a master key: 32 bytes in base64.`, {
      field: 'masterKeyFile',
      remedy: 'Put back the file that was used before; what it sealed can be opened with nothing else.',
    });
  }
  return decode(text);
}

/** Whoever links first has made it, and it is on the disk before anything is sealed with it. */
function make(path: string, { settings, random, log }: MasterKeyOptions): Uint8Array {
  const own = `${path}.${Buffer.from(random.bytes(6)).toString('hex')}.new`;
  try {
    mkdirSync(settings.dataDir, { recursive: true, mode: 0o700 });
    const handle = openSync(own, 'wx', 0o600);
    try {
      writeFileSync(handle, `${Buffer.from(random.bytes(32)).toString('base64')}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    link(own, path);
    const folder = openSync(settings.dataDir, 'r');
    fsyncSync(folder);
    closeSync(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new DroverError(
      code === 'ENOSPC' ? 'DISK_FULL' : 'MASTER_KEY_WRONG',
      `The master key ${path} cannot be made: ${message}`,
      {
        cause: error,
        remedy: 'Make the data folder writable, or give a key as DROVER_MASTER_KEY.',
      },
    );
  } finally {
    rmSync(own, { force: true });
  }
  log(
    'warn',
    `A master key was made: ${path}. Keep a copy of it in a safe place: backups of the database do not hold it, and without it every saved secret is lost.`,
  );
  return read(path, log) as Uint8Array;
}

function link(own: string, path: string): void {
  try {
    linkSync(own, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function decode(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}
