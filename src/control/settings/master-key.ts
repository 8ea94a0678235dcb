/**
 * The key that wraps all secrets: given, read from a file, or made once in the data folder. Where a key management service
 * wraps it, what is given or in the file is the wrapped one, and only that service can open it.
 */
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
import { isMasterKey, MASTER_KEY_BYTES } from './settings.ts';
import type { Settings } from './settings.ts';
import { wrappedKeyOf, wrappedText, type KeyWrapping, type WrappedKey } from './wrapped-key.ts';

export const MASTER_KEY_FILE = 'master.key';

export interface MasterKeyOptions {
  readonly settings: Pick<Settings, 'masterKey' | 'masterKeyFile' | 'dataDir'>;
  readonly random: Random;
  readonly log: Log;
  /** Only for the server: a worker must have the server's key. */
  readonly mayMake: boolean;
  /** `null`: the key is kept as it is. */
  readonly wrapping: KeyWrapping | null;
  readonly signal: AbortSignal;
}

/**
 * 32 bytes. MASTER_KEY_WRONG when the file cannot be read or does not hold a key, or when there is none and none may be
 * made; and whatever keeps the service that wraps it from answering.
 */
export async function loadMasterKey(options: MasterKeyOptions): Promise<Uint8Array> {
  const { settings, mayMake } = options;
  if (settings.masterKey !== null) {
    return openKey(settings.masterKey, { where: 'DROVER_MASTER_KEY', field: 'masterKey' }, options);
  }
  const path = settings.masterKeyFile ?? join(settings.dataDir, MASTER_KEY_FILE);
  const found = read(path, options.log);
  if (found !== null) return openKey(found, { where: path, field: 'masterKeyFile' }, options);
  if (mayMake && settings.masterKeyFile === null) return make(path, options);
  throw absent(path, settings.masterKeyFile === null ? 'masterKey' : 'masterKeyFile');
}

interface Place {
  readonly where: string;
  readonly field: string;
}

/** Never takes a key in the open where a wrapped one is expected: it would be believed to be safe. */
export async function openKey(
  text: string,
  { where, field }: Place,
  { wrapping, signal }: Pick<MasterKeyOptions, 'wrapping' | 'signal'>,
): Promise<Uint8Array> {
  const wrapped = formOf(text, { where, field }, wrapping);
  if (wrapped === null || wrapping === null) return decode(text);
  const key = await wrapping.unwrap(wrapped, signal);
  if (key.length === MASTER_KEY_BYTES) return new Uint8Array(key);
  throw new DroverError(
    'MASTER_KEY_WRONG',
    `What ${wrapping.name} made of ${where} is no master key: it has ${key.length} bytes.`,
    {
      field,
    },
  );
}

/**
 * As `loadMasterKey`, without asking the service that wraps the key, and without making one: MASTER_KEY_WRONG where that
 * would be refused already for what is written there.
 */
export function checkMasterKey(settings: MasterKeyOptions['settings'], wrapping: KeyWrapping | null): void {
  if (settings.masterKey !== null) {
    formOf(settings.masterKey, { where: 'DROVER_MASTER_KEY', field: 'masterKey' }, wrapping);
    return;
  }
  const path = settings.masterKeyFile ?? join(settings.dataDir, MASTER_KEY_FILE);
  const found = read(path, () => undefined);
  if (found !== null) formOf(found, { where: path, field: 'masterKeyFile' }, wrapping);
  else if (settings.masterKeyFile !== null) throw absent(path, 'masterKeyFile');
}

function absent(path: string, field: string): DroverError {
  return new DroverError('MASTER_KEY_WRONG', `There is no master key: ${path} does not exist.`, {
    field,
    remedy: "Give the server's master key as DROVER_MASTER_KEY, or its file as DROVER_MASTER_KEY_FILE.",
  });
}

/** The wrapped key, or `null` where it stands there in the open and may. */
function formOf(text: string, { where, field }: Place, wrapping: KeyWrapping | null): WrappedKey | null {
  const wrapped = wrappedKeyOf(text);
  if (wrapped === null && !isMasterKey(text)) {
    throw new DroverError('MASTER_KEY_WRONG', `${where} does not hold a master key: 32 bytes in base64.`, {
      field,
      remedy: 'Put back the file that was used before; what it sealed can be opened with nothing else.',
    });
  }
  if (wrapped === null && wrapping === null) return null;
  if (wrapped === null) {
    throw new DroverError(
      'MASTER_KEY_WRONG',
      `${where} holds the master key in the open, and DROVER_MASTER_KEY_KMS says that it is wrapped.`,
      {
        field,
        remedy: 'Wrap it with "drover vault wrap --out FILE", and name that file in DROVER_MASTER_KEY_FILE.',
      },
    );
  }
  if (wrapping === null) {
    throw new DroverError('MASTER_KEY_WRONG', `${where} holds a master key that is wrapped with ${wrapped.keyId}.`, {
      field: 'masterKeyKms',
      remedy: 'Name that key in DROVER_MASTER_KEY_KMS.',
    });
  }
  return wrapped;
}

function read(path: string, log: Log): string | null {
  try {
    const text = readFileSync(path, 'utf8').trim();
    if (wrappedKeyOf(text) === null && (statSync(path).mode & 0o077) !== 0) {
      log('warn', `The master key in ${path} can be read by others; "chmod 600" closes it.`);
    }
    return text;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new DroverError('MASTER_KEY_WRONG', `The master key in ${path} cannot be read (${code}).`, {
      cause: error,
      field: 'masterKeyFile',
    });
  }
}

/** Whoever links first has made it, and it is on the disk before anything is sealed with it. */
async function make(path: string, options: MasterKeyOptions): Promise<Uint8Array> {
  const { random, log, wrapping, signal } = options;
  const key = random.bytes(MASTER_KEY_BYTES);
  // In the open it never comes to the disk where it is to be wrapped.
  const text = wrapping === null ? Buffer.from(key).toString('base64') : wrappedText(await wrapping.wrap(key, signal));
  save(path, text, options);
  const kept =
    wrapping === null
      ? 'without it every saved secret is lost'
      : `without it, and without ${wrapping.name}, every saved secret is lost`;
  log(
    'warn',
    `A master key was made: ${path}. Keep a copy of it in a safe place: backups of the database do not hold it, and ${kept}.`,
  );
  // Somebody else may have been first.
  return openKey(read(path, log) as string, { where: path, field: 'masterKeyFile' }, options);
}

function save(path: string, text: string, { settings, random }: MasterKeyOptions): void {
  const own = `${path}.${Buffer.from(random.bytes(6)).toString('hex')}.new`;
  try {
    mkdirSync(settings.dataDir, { recursive: true, mode: 0o700 });
    const handle = openSync(own, 'wx', 0o600);
    try {
      writeFileSync(handle, `${text}\n`);
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
