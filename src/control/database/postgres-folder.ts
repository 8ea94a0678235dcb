/**
 * What stands in the folder of the embedded PostgreSQL, and how it gets there:
 *
 *     password        of the one role, 0600
 *     cluster/        what initdb made; it gets this name only when it is complete
 *     initdb-…/       one that is being made, or was when its process died
 *     socket/         where the server listens
 *     postgres.log    what the server says
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, closeSync, existsSync, fsyncSync, linkSync, lstatSync, mkdirSync, openSync } from 'node:fs';
import { readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log, Random } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import { listProcesses, readProcess, workingFolder } from './processes.ts';
import { POSTGRES_ENVIRONMENT } from './postgres-binaries.ts';
import type { Account, Binaries } from './postgres-binaries.ts';

export interface Layout {
  readonly folder: string;
  /** The same folder by a name under which `account` may enter it. */
  readonly folderOfAccount: string;
  /** Kept open in every process of PostgreSQL; `folderOfAccount` goes through it. `null` when it is not needed. */
  readonly folderHandle: number | null;
  readonly cluster: string;
  readonly passwordFile: string;
  readonly logFile: string;
  /** Where clients connect. */
  readonly socketFolder: string;
  /** The same, as the server is told. */
  readonly socketFolderOfAccount: string;
  readonly account: Account;
}

export const ROLE = 'drover';
export const DATABASE = 'drover';
export const PORT = 5432;
export const SOCKET_NAME = `.s.PGSQL.${PORT}`;
/** A Unix socket's address holds 108 bytes with the NUL at its end; macOS takes 104. */
const SOCKET_PATH_BYTES_MAX = 103;
const COMPLETE_MARKER = 'drover-complete';

/**
 * Makes the folder and says where everything stands. As root, PostgreSQL runs as another account, which may not be
 * allowed to enter the folders above (a home of mode 700): it reaches its own folder through a handle instead.
 */
export function openLayout(folder: string, account: Account, shortFolder: string): Layout {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const real = realpathSync(folder);
    if (account !== null) chownSync(real, account.uid, account.gid);
    const hasHandle = account !== null && existsSync('/proc/self/fd');
    const folderHandle = hasHandle ? openSync(real, 'r') : null;
    const inside = join(real, 'socket');
    const isShort = Buffer.byteLength(join(inside, SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX;
    const socketFolder = isShort ? inside : join(shortFolder, `drover-${shortName(real)}`);
    makeSocketFolder(socketFolder, account);
    return {
      folder: real,
      // The handle is the fourth of the child's: see `spawnPostgres`.
      folderOfAccount: hasHandle ? '/proc/self/fd/3' : real,
      folderHandle,
      cluster: join(real, 'cluster'),
      passwordFile: join(real, 'password'),
      logFile: join(real, 'postgres.log'),
      socketFolder,
      // The server stands in its cluster when it reads this.
      socketFolderOfAccount: isShort ? '../socket' : socketFolder,
      account,
    };
  } catch (error) {
    throw folderError(error, folder);
  }
}

export function closeLayout(layout: Layout): void {
  if (layout.folderHandle !== null) closeSync(layout.folderHandle);
}

/** `postgres://…` of the database, or of another one on the same server. */
export function urlOf(layout: Layout, database: string = DATABASE): string {
  const host = encodeURIComponent(layout.socketFolder);
  return `postgres://${ROLE}:${readPassword(layout)}@/${database}?host=${host}`;
}

export function readPassword(layout: Layout): string {
  try {
    return readFileSync(layout.passwordFile, 'utf8').trim();
  } catch (error) {
    throw new DroverError(
      'DATABASE_UNUSABLE',
      `The password of the embedded PostgreSQL cannot be read from ${layout.passwordFile}: ${(error as Error).message}.`,
      { cause: error, remedy: 'Put the file back from a copy of the folder, with rights for its owner only.' },
    );
  }
}

/** Makes the cluster when there is none, and refuses one that these programs cannot run. */
export async function ensureCluster(layout: Layout, binaries: Binaries, random: Random, log: Log): Promise<void> {
  removeAbandoned(layout);
  if (!existsSync(layout.cluster)) {
    log('info', 'making the database for the first time', { folder: layout.folder });
    await makeCluster(layout, binaries, random);
  }
  if (!existsSync(join(layout.cluster, COMPLETE_MARKER))) {
    throw new DroverError(
      'DATABASE_UNUSABLE',
      `${layout.cluster} was not made by Drover, or not all of it is there; it was left as it is.`,
      { remedy: 'Move it away, start again, and restore the latest backup with "drover db restore".' },
    );
  }
  const found = Number.parseInt(readFileSync(join(layout.cluster, 'PG_VERSION'), 'utf8'), 10);
  if (found === binaries.majorVersion) return;
  throw new DroverError(
    'DATABASE_MISMATCH',
    `The database in ${layout.cluster} was made by PostgreSQL ${found}; this Drover brings PostgreSQL ${binaries.majorVersion}.`,
    {
      remedy:
        'Run "drover db backup" with the Drover that made it, move the folder away, ' +
        'and run "drover db restore" with this one.',
    },
  );
}

/** The process id in the first line of postmaster.pid; `null` when no server was left behind. */
export function readPostmasterId(layout: Layout): number | null {
  return readProcessId(join(layout.cluster, 'postmaster.pid'), layout);
}

/**
 * Makes lock files that name somebody else's process, or one that is dead and not yet buried, acceptable to
 * PostgreSQL: it takes its own parent's id for a left-over, and goes on to look for shared memory in use, which it
 * would not do if the files were simply removed.
 */
export function disownLockFiles(layout: Layout, isServer: (id: number) => boolean): void {
  for (const path of [join(layout.cluster, 'postmaster.pid'), join(layout.socketFolder, `${SOCKET_NAME}.lock`)]) {
    const id = readProcessId(path, layout);
    if (id === null || isServer(id)) continue;
    writeFileSync(path, readFileSync(path, 'utf8').replace(/^\d+/, String(process.pid)));
  }
}

function readProcessId(path: string, layout: Layout): number | null {
  try {
    const id = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return Number.isSafeInteger(id) && id > 0 ? id : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw folderError(error, layout.folder);
  }
}

/** True for what the operating system says when no byte fits any more. */
export function saysDiskFull(text: string): boolean {
  return /No space left on device|Disk quota exceeded|ENOSPC|EDQUOT/.test(text);
}

function shortName(folder: string): string {
  return createHash('sha256').update(folder).digest('hex').slice(0, 16);
}

/** Beside other people's folders its name may be taken: then it must not be theirs. */
function makeSocketFolder(folder: string, account: Account): void {
  const uid = account?.uid ?? process.getuid?.() ?? 0;
  try {
    mkdirSync(folder, { mode: 0o700 });
    if (account !== null) chownSync(folder, account.uid, account.gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const found = lstatSync(folder);
    const isPrivate = found.isDirectory() && (found.mode & 0o077) === 0;
    // Left behind between mkdir and chown.
    if (isPrivate && account !== null && found.uid === 0) chownSync(folder, account.uid, account.gid);
    else if (!isPrivate || found.uid !== uid) {
      throw new DroverError('DATABASE_UNUSABLE', `${folder} is needed for the database's socket, but is not ours.`, {
        remedy: 'Remove it, or choose a data folder with a shorter path.',
      });
    }
  }
}

async function makeCluster(layout: Layout, binaries: Binaries, random: Random): Promise<void> {
  const suffix = Buffer.from(random.bytes(6)).toString('hex');
  const name = `initdb-${process.pid}-${suffix}`;
  const made = join(layout.folder, name);
  const passwordName = `${name}.password`;
  try {
    makePasswordFile(layout, made, random);
    // The role's password for initdb, which runs under another account and cannot read ours.
    const forInitdb = join(layout.folder, passwordName);
    writeFileSync(forInitdb, `${readPassword(layout)}\n`, { mode: 0o600, flag: 'wx' });
    if (layout.account !== null) chownSync(forInitdb, layout.account.uid, layout.account.gid);
    await runInitdb(layout, binaries, name, passwordName);
    writeDurably(join(made, COMPLETE_MARKER), `${binaries.majorVersion}\n`);
    if (layout.account !== null) chownSync(join(made, COMPLETE_MARKER), layout.account.uid, layout.account.gid);
    syncFolder(made);
    renameSync(made, layout.cluster);
    syncFolder(layout.folder);
  } catch (error) {
    // Another process made it meanwhile.
    if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return;
    throw folderError(error, layout.folder);
  } finally {
    rmSync(join(layout.folder, passwordName), { force: true });
    rmSync(made, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** One password for all who start at the same time: whoever links first has chosen it. */
function makePasswordFile(layout: Layout, head: string, random: Random): void {
  if (existsSync(layout.passwordFile)) return;
  const own = `${head}.new-password`;
  writeDurably(own, `${Buffer.from(random.bytes(24)).toString('hex')}\n`);
  try {
    linkSync(own, layout.passwordFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

function runInitdb(layout: Layout, binaries: Binaries, name: string, passwordName: string): Promise<void> {
  const home = layout.folderOfAccount;
  const options = [
    '-D',
    `${home}/${name}`,
    '-U',
    ROLE,
    '--auth=scram-sha-256',
    `--pwfile=${home}/${passwordName}`,
    // Text sorts by code point, on every machine alike, and knows upper and lower case of all alphabets.
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
  ];
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(join(binaries.folder, 'bin', 'initdb'), options, {
      cwd: '/',
      env: POSTGRES_ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe', layout.folderHandle ?? 'ignore'],
      ...layout.account,
    });
    child.stdout?.on('data', (text) => (output += String(text)));
    child.stderr?.on('data', (text) => (output += String(text)));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) return resolve();
      const words = output.trim().split('\n').slice(-3).join(' ');
      if (saysDiskFull(output)) return reject(diskFull(layout.folder, words));
      const remedy = output.includes('user does not exist') ? UNKNOWN_USER_REMEDY : null;
      reject(
        new DroverError('DATABASE_UNUSABLE', `The database could not be made (${signal ?? `code ${code}`}): ${words}`, {
          remedy,
        }),
      );
    });
  });
}

/** Containers like to run programs under numbers that have no name. */
const UNKNOWN_USER_REMEDY =
  'Run Drover as a user that has an entry in /etc/passwd, or give the address of a PostgreSQL server as DATABASE_URL.';

/** What processes left behind that died while they made a cluster, and what may go on making it without them. */
function removeAbandoned(layout: Layout): void {
  for (const name of readdirSync(layout.folder)) {
    const match = /^(initdb-(\d+)-\w+)/.exec(name);
    if (match === null || isLiving(Number(match[2]))) continue;
    endProcesses(match[1] as string);
    rmSync(join(layout.folder, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Those that were told to work on a folder of this name, which nobody else has. */
function endProcesses(name: string): void {
  for (const id of listProcesses()) {
    if (!['initdb', 'postgres'].includes(readProcess(id, 'comm').trim())) continue;
    if (!readProcess(id, 'cmdline').includes(name) && !workingFolder(id)?.includes(name)) continue;
    try {
      process.kill(id, 'SIGKILL');
    } catch {
      // It went by itself.
    }
  }
}

/** Another process. In a container ours often has the number of the one before, and has made nothing yet. */
function isLiving(processId: number): boolean {
  if (processId === process.pid) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function writeDurably(path: string, text: string): void {
  const handle = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function syncFolder(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

export function diskFull(folder: string, words: string): DroverError {
  return new DroverError('DISK_FULL', `The disk that holds the database in ${folder} is full: ${words}`, {
    remedy: 'Free some disk space; the database then starts again by itself, or with the next start.',
  });
}

/** What the operating system says about the folder, in our words. */
export function folderError(error: unknown, folder: string): DroverError {
  if (error instanceof DroverError) return error;
  const words = error instanceof Error ? error.message : String(error);
  if (saysDiskFull(words)) return diskFull(folder, words);
  return new DroverError('DATABASE_UNUSABLE', `The database folder ${folder} cannot be used: ${words}.`, {
    cause: error,
    remedy: 'Check who owns the folder and its rights, or choose another data folder.',
  });
}
