/** One server process of PostgreSQL: how it is started, recognized, and ended. */
import { spawn } from 'node:child_process';
import { closeSync, copyFileSync, fstatSync, openSync, readSync, statfsSync, statSync, truncateSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import type { Clock } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import { POSTGRES_ENVIRONMENT } from './postgres-binaries.ts';
import type { Binaries } from './postgres-binaries.ts';
import { diskFull, folderError, PORT, saysDiskFull, SOCKET_NAME } from './postgres-folder.ts';
import type { Layout } from './postgres-folder.ts';
import { listProcesses, parentOf, readProcess, workingFolder } from './processes.ts';

export interface Postmaster {
  readonly id: number;
  /** Everything it has said so far, when it ended; `null` while it runs. */
  exit(): Exit | null;
}

export interface Exit {
  readonly reason: string;
  /** The last lines of what it said since it was started by us. */
  readonly lastWords: string;
}

/**
 * Given at each start, so that an update of Drover updates them, and nothing depends on a file that somebody edited.
 * Small and quiet: the server, a worker and the database share 250 MB and 2 % of one core when nothing happens.
 */
const SETTINGS: Readonly<Record<string, string | number>> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  port: PORT,
  // Of the server and of all workers on this machine; those that are not used cost next to nothing.
  max_connections: 200,
  shared_buffers: '24MB',
  work_mem: '4MB',
  maintenance_work_mem: '32MB',
  wal_buffers: '1MB',
  huge_pages: 'off',
  jit: 'off',
  random_page_cost: '1.1',
  // What was committed is on the disk, whatever happens to the machine.
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  // Nobody copies this server from outside.
  wal_level: 'minimal',
  max_wal_senders: 0,
  max_replication_slots: 0,
  min_wal_size: '32MB',
  max_wal_size: '256MB',
  checkpoint_timeout: '10min',
  // Each of these would be a process more.
  io_method: 'sync',
  max_logical_replication_workers: 0,
  max_worker_processes: 2,
  max_parallel_workers: 0,
  max_parallel_workers_per_gather: 0,
  max_parallel_maintenance_workers: 0,
  autovacuum_max_workers: 2,
  // Waking up for nothing.
  autovacuum_naptime: '60s',
  bgwriter_delay: '2s',
  wal_writer_delay: '1s',
  restart_after_crash: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  // Statements and values may hold what must not be in a log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
  cluster_name: 'drover',
};

/** Asks for the end: open transactions are rolled back, everything committed is kept, nothing needs recovery. */
export const FAST_STOP = 'SIGINT';
/** At once, leaving recovery to the next start. */
export const IMMEDIATE_STOP = 'SIGQUIT';

const LAST_WORDS_BYTES_MAX = 4096;
const LOG_BYTES_MAX = 4 * 1024 * 1024;

/** Starts the server; whether it will take connections is another question. */
export function spawnPostgres(layout: Layout, binaries: Binaries): Postmaster {
  const options = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const log = openLog(layout);
  const logStart = fstatSync(log).size;
  try {
    const child = spawn(
      join(binaries.folder, 'bin', 'postgres'),
      [
        '-D',
        `${layout.folderOfAccount}/cluster`,
        ...options,
        '-c',
        `unix_socket_directories=${layout.socketFolderOfAccount}`,
      ],
      {
        cwd: '/',
        env: POSTGRES_ENVIRONMENT,
        // A session of its own: Ctrl-C is ours to handle, and the database must outlast our own end.
        detached: true,
        stdio: ['ignore', log, log, layout.folderHandle ?? 'ignore'],
        ...layout.account,
      },
    );
    let exit: Exit | null = null;
    const over = (reason: string): void => void (exit ??= { reason, lastWords: tailFrom(layout.logFile, logStart) });
    child.once('error', (error) => over(error.message));
    child.once('exit', (code, signal) => over(signal === null ? `exit code ${code}` : `signal ${signal}`));
    return { id: child.pid ?? 0, exit: () => exit };
  } finally {
    closeSync(log);
  }
}

function openLog(layout: Layout): number {
  try {
    return openSync(layout.logFile, 'a', 0o600);
  } catch (error) {
    throw folderError(error, layout.folder);
  }
}

/** One that another process of ours started. */
export function adoptPostgres(layout: Layout, id: number): Postmaster {
  return {
    id,
    exit: () => (whoIs(layout, id) === 'ours' ? null : { reason: 'it is gone', lastWords: '' }),
  };
}

/** Whether a process is the server of this very folder. */
export function whoIs(layout: Layout, id: number): 'ours' | 'foreign' | 'nobody' {
  try {
    process.kill(id, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'nobody';
    return 'foreign';
  }
  const folder = workingFolder(id);
  if (folder === undefined) return 'ours';
  return folder === layout.cluster ? 'ours' : 'foreign';
}

/** Processes that a killed server left behind, and which keep the next one from starting. */
export function endOrphans(layout: Layout): number {
  let count = 0;
  for (const id of listProcesses()) {
    if (workingFolder(id) !== layout.cluster) continue;
    // Only processes that served a server, and whose server is gone.
    if (!readProcess(id, 'cmdline').startsWith('postgres: ') || workingFolder(parentOf(id)) === layout.cluster)
      continue;
    try {
      process.kill(id, IMMEDIATE_STOP);
      count += 1;
    } catch {
      // It went by itself.
    }
  }
  return count;
}

/** True when something takes connections there, in whatever container it runs. */
export function socketAnswers(layout: Layout): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(join(layout.socketFolder, SOCKET_NAME));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Resolves to true when the process is gone before the time is over. */
export async function waitForEnd(postmaster: Postmaster, clock: Clock, timeoutMs: number): Promise<boolean> {
  const endMs = clock.monotonic() + timeoutMs;
  while (postmaster.exit() === null) {
    if (clock.monotonic() > endMs) return false;
    await clock.sleep(POLL_MS);
  }
  return true;
}

export const POLL_MS = 10;

/** What the end of a server means to a person. */
export function exitError(layout: Layout, exit: Exit): DroverError {
  const words = exit.lastWords === '' ? `see ${layout.logFile}` : exit.lastWords;
  if (saysDiskFull(exit.lastWords)) return diskFull(layout.folder, words);
  // Then it could not even write down why.
  if (exit.lastWords === '' && freeBytes(layout.folder) < ROOM_BYTES_MIN) {
    return diskFull(layout.folder, 'there is no room to start.');
  }
  return new DroverError('DATABASE_UNUSABLE', `The embedded PostgreSQL ended at its start (${exit.reason}): ${words}`);
}

/** PostgreSQL writes a few small files when it starts. */
const ROOM_BYTES_MIN = 256 * 1024;

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

export function saysMemoryInUse(exit: Exit): boolean {
  return exit.lastWords.includes('is still in use');
}

/** Another process started the server in the same moment. */
export function saysTaken(exit: Exit): boolean {
  return exit.lastWords.includes('lock file "postmaster.pid"');
}

/** Keeps the log from growing without end: what is cut off is kept once. */
export function trimLog(layout: Layout, bytesMax: number = LOG_BYTES_MAX): void {
  try {
    if (statSync(layout.logFile).size <= bytesMax) return;
    copyFileSync(layout.logFile, `${layout.logFile}.1`);
    truncateSync(layout.logFile);
  } catch {
    // No log, or no room for a second one: neither is worth a word.
  }
}

function tailFrom(path: string, start: number): string {
  let handle: number | null = null;
  try {
    handle = openSync(path, 'r');
    const size = fstatSync(handle).size;
    const from = Math.max(start, size - LAST_WORDS_BYTES_MAX);
    const bytes = Buffer.alloc(Math.max(0, size - from));
    readSync(handle, bytes, 0, bytes.length, from);
    const lines = bytes.toString('utf8').trim().split('\n');
    const complaints = lines.filter((line) => /FATAL|PANIC|ERROR/.test(line) && !line.includes('is starting up'));
    return (complaints.length > 0 ? complaints : lines).slice(-3).join(' ');
  } catch {
    return `see ${basename(path)}`;
  } finally {
    if (handle !== null) closeSync(handle);
  }
}
