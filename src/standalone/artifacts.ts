/** Named immutable chunks as files below one folder: written beside, synced, and renamed into place. */
import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ArtifactStore } from '../engine/ports.ts';
import type { Random } from '../lib/world.ts';
import { DroverError } from '../model/errors.ts';
import { fileError } from './sqlite.ts';

/** Begins with a dot, which no segment of a name may: an interrupted write never looks like a chunk. */
const TEMPORARY_HEAD = '.writing-';
const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const NAME_CHARACTERS_MAX = 1024;

export class FolderArtifactStore implements ArtifactStore {
  readonly #folder: string;
  readonly #random: Random;

  constructor(folder: string, random: Random) {
    this.#folder = folder;
    this.#random = random;
  }

  async put(name: string, content: Uint8Array): Promise<void> {
    const path = this.#pathOf(name);
    const folder = dirname(path);
    const temporary = join(folder, `${TEMPORARY_HEAD}${Buffer.from(this.#random.bytes(8)).toString('hex')}`);
    try {
      await this.#makeFolder(folder);
      await writeDurably(temporary, content);
      await rename(temporary, path);
      await syncFolder(folder);
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw fileError(error, path);
    }
  }

  async get(name: string): Promise<Uint8Array | null> {
    const path = this.#pathOf(name);
    try {
      return await readFile(path);
    } catch (error) {
      if (isAbsent(error)) return null;
      throw fileError(error, path);
    }
  }

  async list(prefix: string): Promise<readonly string[]> {
    const names: string[] = [];
    try {
      await this.#collect(this.#folderOf(prefix), prefix, names);
    } catch (error) {
      throw fileError(error, this.#folder);
    }
    return names.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  async removeAll(prefix: string): Promise<void> {
    const folder = this.#folderOf(prefix);
    try {
      if (prefix.endsWith('/') || prefix === '') await this.#empty(folder);
      for (const name of await this.list(prefix)) await unlink(join(this.#folder, name)).catch(ignoreAbsent);
      await this.#removeEmpty(folder);
    } catch (error) {
      throw fileError(error, this.#folder);
    }
  }

  #pathOf(name: string): string {
    const valid = name.length <= NAME_CHARACTERS_MAX && name.split('/').every((segment) => SEGMENT.test(segment));
    if (!valid) throw new DroverError('INTERNAL', `"${name}" is not a name for an artifact.`);
    return join(this.#folder, name);
  }

  /** The deepest folder that every name with this prefix is in, relative to the store. */
  #folderOf(prefix: string): string {
    const end = prefix.lastIndexOf('/');
    if (end < 0) return '';
    const folder = prefix.slice(0, end);
    this.#pathOf(folder);
    return folder;
  }

  async #collect(folder: string, prefix: string, names: string[]): Promise<void> {
    const entries = await readdir(join(this.#folder, folder), { withFileTypes: true }).catch((error: unknown) => {
      if (isAbsent(error)) return [];
      throw error;
    });
    for (const entry of entries) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (`${name}/`.startsWith(prefix) || prefix.startsWith(`${name}/`)) await this.#collect(name, prefix, names);
      } else if (name.startsWith(prefix) && SEGMENT.test(entry.name)) names.push(name);
    }
  }

  async #makeFolder(folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    // Every new folder is an entry of its parent, which must reach the disk too.
    for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
  }

  async #empty(folder: string): Promise<void> {
    const path = join(this.#folder, folder);
    const children = await readdir(path).catch((error: unknown) => {
      if (isAbsent(error)) return [];
      throw error;
    });
    for (const child of children) await rm(join(path, child), { recursive: true, force: true });
  }

  async #removeEmpty(folder: string): Promise<void> {
    for (let name = folder; name !== '' && name !== '.'; name = dirname(name)) {
      try {
        await rmdir(join(this.#folder, name));
      } catch (error) {
        // Not empty, or gone already: what stands above it is in use too.
        if (!isAbsent(error)) return;
      }
    }
  }
}

async function writeDurably(path: string, content: Uint8Array): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  await using file = await open(path, flags, 0o600);
  await file.writeFile(content);
  await file.sync();
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync();
}

function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function ignoreAbsent(error: unknown): void {
  if (!isAbsent(error)) throw error;
}
