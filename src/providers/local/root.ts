/**
 * The folder that everything happens in. Paths below it never go through a symbolic link: a folder is opened, then the
 * system is asked where the opened folder really is, and from then on it is used through its handle. What somebody
 * swaps in the path afterwards changes nothing.
 */
import { constants, existsSync } from 'node:fs';
import { mkdir, open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DroverError } from '../../model/errors.ts';
import { keyToBytes } from '../../model/key.ts';
import { errnoOf, fromErrno, isAbsent } from './errors.ts';
import { segmentsOf, shown } from './names.ts';

const HANDLES = '/proc/self/fd';
/** Without it (not Linux) folders are used by path, and a swap between check and use is not noticed. */
const hasHandlePaths = existsSync(HANDLES);

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** An open folder inside the root. */
export class Folder implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #path: Buffer;

  constructor(handle: FileHandle, realPath: Buffer) {
    this.#handle = handle;
    this.#path = hasHandlePaths ? Buffer.from(`${HANDLES}/${handle.fd}`) : realPath;
  }

  /** The folder itself. */
  get path(): Buffer {
    return this.#path;
  }

  /** A child by its last name. */
  child(name: string): Buffer {
    return Buffer.concat([this.#path, SLASH, keyToBytes(name)]);
  }

  /** Makes new, renamed and removed names of this folder durable. */
  async sync(): Promise<void> {
    try {
      await this.#handle.sync();
    } catch (error) {
      // Some file systems cannot sync a folder and say so; there is nothing better to do.
      if (errnoOf(error) !== 'EINVAL') throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

const SLASH = Buffer.from('/');

export interface Parent extends AsyncDisposable {
  readonly folder: Folder;
  /** Last name of the key. */
  readonly name: string;
}

export class Root {
  /** Real path of the place. */
  readonly #path: Buffer;
  /** The container is made on the first write when it is missing; what it lies in is not. */
  readonly #made: { readonly container: Buffer; readonly below: readonly string[] };
  /** The disk that the place was seen on; `null`: it was not there yet. */
  #device: bigint | null = null;

  constructor(path: Buffer, made: { readonly container: Buffer; readonly below: readonly string[] }) {
    this.#path = path;
    this.#made = made;
  }

  /** Of the place, for messages. */
  get label(): string {
    return this.#path.toString();
  }

  /** The folder with this key (`''` is the place itself); `null` when it is not there. */
  async folder(key: string): Promise<Folder | null> {
    const path = this.#pathOf(key);
    let handle: FileHandle;
    try {
      handle = await open(path, FOLDER_FLAGS);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      throw error;
    }
    try {
      const where = hasHandlePaths
        ? await readlink(`${HANDLES}/${handle.fd}`, { encoding: 'buffer' })
        : await realpath(path, { encoding: 'buffer' });
      if (!where.equals(path)) throw linkOnTheWay(path);
      if (key === '') await this.#see(handle);
      return new Folder(handle, path);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The folder that the key lies in, and the key's last name. `null` when that folder is not there. */
  async parent(key: string): Promise<Parent | null> {
    const { folderKey, name } = splitKey(key);
    const folder = await this.folder(folderKey);
    return folder === null ? null : parentOf(folder, name);
  }

  /** As `parent`, but what is missing of the folders is made. */
  async madeParent(key: string): Promise<Parent> {
    const { folderKey, name } = splitKey(key);
    return parentOf(await this.madeFolder(folderKey), name);
  }

  async madeFolder(key: string): Promise<Folder> {
    const there = await this.folder(key);
    if (there !== null) return there;
    let folder = await this.folder('');
    if (folder === null) {
      if (this.wasSeen) throw this.gone();
      await this.#makeRoot();
      folder = await this.#opened('');
    }
    const steps = key === '' ? [] : segmentsOf(key);
    try {
      let folderKey = '';
      for (const step of steps) {
        folderKey += `${step}/`;
        await makeDurably(folder.child(step), folder);
        await folder[Symbol.asyncDispose]();
        folder = await this.#opened(folderKey);
      }
      return folder;
    } catch (error) {
      await folder[Symbol.asyncDispose]().catch(() => undefined);
      throw error;
    }
  }

  /** The place was there before. */
  get wasSeen(): boolean {
    return this.#device !== null;
  }

  /** PLACE_NOT_FOUND when the place is not there, or not the one that it was: a disk was taken out. */
  async demand(): Promise<void> {
    try {
      await using folder = await this.folder('');
      if (folder === null) throw this.gone();
    } catch (error) {
      throw fromErrno(error, `Opening ${this.label}`, null);
    }
  }

  gone(how = 'is not there any more'): DroverError {
    return new DroverError('PLACE_NOT_FOUND', `The folder ${this.label} ${how}.`);
  }

  async #see(handle: FileHandle): Promise<void> {
    const { dev } = await handle.stat({ bigint: true });
    this.#device ??= dev;
    if (this.#device !== dev) throw this.gone('holds another disk than before');
  }

  async #opened(key: string): Promise<Folder> {
    const folder = await this.folder(key);
    if (folder !== null) return folder;
    throw new DroverError('CHANGED', `The folder ${shown(key)} was removed while it was used.`, { key });
  }

  /** Makes the container (its parent must be there) and the prefix's folders below it. */
  async #makeRoot(): Promise<void> {
    let path = this.#made.container;
    for (const step of [null, ...this.#made.below]) {
      if (step !== null) path = Buffer.concat([path, SLASH, keyToBytes(step)]);
      try {
        await mkdir(path);
      } catch (error) {
        const name = errnoOf(error);
        if (name === 'ENOENT') {
          const words = `The folder ${dirname(path.toString())} is not there, so nothing can be made in it.`;
          throw new DroverError('PLACE_NOT_FOUND', words, { cause: error });
        }
        if (name !== 'EEXIST') throw error;
      }
    }
  }

  #pathOf(key: string): Buffer {
    if (key === '') return this.#path;
    const steps = keyToBytes(key.endsWith('/') ? key.slice(0, -1) : key);
    return this.#path.equals(SLASH) ? Buffer.concat([SLASH, steps]) : Buffer.concat([this.#path, SLASH, steps]);
  }
}

/**
 * Where the place really is. Links in the path of the place itself are followed, once, here. A path that does not
 * exist keeps its missing steps as they are written.
 */
export async function resolveRoot(container: string, prefix: string): Promise<Root> {
  const below = prefix === '' ? [] : segmentsOf(prefix);
  const realContainer = await realPathOf(Buffer.from(keyToBytes(container)));
  const steps = below.map((step) => Buffer.concat([SLASH, keyToBytes(step)]));
  const path = below.length === 0 ? realContainer : await realPathOf(Buffer.concat([realContainer, ...steps]));
  return new Root(path, { container: realContainer, below });
}

/** Links are followed; what does not exist keeps its missing steps as they are written. */
export async function realPathOf(path: Buffer): Promise<Buffer> {
  try {
    return await realpath(path, { encoding: 'buffer' });
  } catch (error) {
    if (!isAbsent(error)) throw fromErrno(error, `Opening ${path.toString()}`, null);
    // Latin-1 keeps every byte as one character.
    const above = dirname(path.toString('latin1'));
    if (above === path.toString('latin1')) return path;
    const realAbove = (await realPathOf(Buffer.from(above, 'latin1'))).toString('latin1');
    return Buffer.from(join(realAbove, basename(path.toString('latin1'))), 'latin1');
  }
}

function splitKey(key: string): { folderKey: string; name: string } {
  const path = key.endsWith('/') ? key.slice(0, -1) : key;
  const end = path.lastIndexOf('/') + 1;
  return { folderKey: path.slice(0, end), name: path.slice(end) };
}

function parentOf(folder: Folder, name: string): Parent {
  return { folder, name, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

async function makeDurably(path: Buffer, parent: Folder): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    throw error;
  }
  await parent.sync();
}

/** As the system says it of a link at the end of a path, so that both are handled alike. */
function linkOnTheWay(path: Buffer): Error {
  return Object.assign(new Error(`a symbolic link stands on the way to ${path.toString()}`), { code: 'ELOOP' });
}
