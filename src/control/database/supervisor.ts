/**
 * Keeps the embedded PostgreSQL running while the server runs. It survives us: whoever starts next connects to it.
 * One connection is held all the time. It carries the lock that keeps a second server off the folder, and its end is
 * how we learn that the database died, so that nobody has to look again and again.
 */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Clock, Log, Random } from '../../lib/world.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { LOCKS } from './locks.ts';
import { findNativeFolder, prepareBinaries } from './postgres-binaries.ts';
import type { Account, Binaries } from './postgres-binaries.ts';
import {
  closeLayout,
  DATABASE,
  disownLockFiles,
  ensureCluster,
  openLayout,
  readPostmasterId,
  urlOf,
} from './postgres-folder.ts';
import type { Layout } from './postgres-folder.ts';
import {
  adoptPostgres,
  endOrphans,
  exitError,
  FAST_STOP,
  IMMEDIATE_STOP,
  POLL_MS,
  saysMemoryInUse,
  saysTaken,
  socketAnswers,
  spawnPostgres,
  trimLog,
  waitForEnd,
  whoIs,
} from './postgres-process.ts';
import type { Exit, Postmaster } from './postgres-process.ts';

export interface EmbeddedPostgresOptions {
  /** The data folder; PostgreSQL gets `postgres` in it. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** For a command beside the server: uses the database also while a server owns it, and leaves it as it found it. */
  readonly isGuest?: boolean;
  /** Where the package keeps its programs. */
  readonly native?: string;
  /** The account to run as; by default `nobody` for root, and otherwise our own. */
  readonly account?: Account;
  /** Where programs may be copied to that the account cannot run in place. */
  readonly copyFolders?: readonly string[];
  /** For a socket whose path would be too long below the data folder. */
  readonly shortFolder?: string;
}

export interface EmbeddedPostgres {
  /** `postgres://…`; it stays the same as long as the folder does. */
  readonly url: string;
  /** Of the server process at this moment. */
  readonly pid: number;
  /** Ends the server (not as a guest who found it running) and what watches it. Idempotent. */
  stop(): Promise<void>;
  /**
   * Called when the server has died or let go of us without being asked, and for each attempt to start it that fails.
   * It is tried again unless the error is final: GUARD_BUSY when another Drover owns the folder by now, and whatever
   * befell a guest. Returns how to unsubscribe.
   */
  onExit(listener: (exit: { readonly error: DroverError; readonly isFinal: boolean }) => void): () => void;
  /** Called when it takes connections again. */
  onReturn(listener: () => void): () => void;
}

/** PostgreSQL refuses to run as root; this is `nobody`, which owns nothing else. */
const NOBODY: Account = { uid: 65534, gid: 65534 };
/** Beside the usual data folder, which is closed to everybody but its owner. */
const PROGRAMS_FOLDER = '/var/lib/drover-programs';
const CLAIM_MS_MAX = 3_000;
const CONNECT_MS_MAX = 10_000;
const START_MS_MAX = 300_000;
const ORPHAN_MS_MAX = 15_000;
const STOP_MS_MAX = 20_000;
const BACK_OFF_MS = { first: 100, max: 15_000 } as const;
const LOG_TRIM_MS = 3_600_000;

/**
 * Resolves when the database takes connections. DATABASE_UNUSABLE, DATABASE_MISMATCH or DISK_FULL when it cannot;
 * GUARD_BUSY when another server uses this folder.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const account = options.account === undefined ? chooseAccount(options.folder) : options.account;
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const binaries = await prepareBinaries({
    native: options.native ?? findNativeFolder(),
    account,
    copyFolders: options.copyFolders ?? [join(options.folder, 'programs'), PROGRAMS_FOLDER],
    random: options.random,
    log: options.log,
  });
  const layout = openLayout(join(options.folder, 'postgres'), account, options.shortFolder ?? '/tmp');
  try {
    await ensureCluster(layout, binaries, options.random, options.log);
    const supervisor = new Supervisor(options, layout, binaries);
    await supervisor.start();
    return supervisor;
  } catch (error) {
    closeLayout(layout);
    throw error;
  }
}

/** Whoever owns the database already; else `nobody` for root, and ourselves for everybody else. */
function chooseAccount(folder: string): Account {
  if (process.getuid?.() !== 0) return null;
  try {
    const { uid, gid } = statSync(join(folder, 'postgres', 'cluster'));
    return uid === 0 ? NOBODY : { uid, gid };
  } catch {
    return NOBODY;
  }
}

type ExitListener = Parameters<EmbeddedPostgres['onExit']>[0];

class Supervisor implements EmbeddedPostgres {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly isGuest: boolean;
  private readonly layout: Layout;
  private readonly binaries: Binaries;
  private readonly stopping = new AbortController();
  private readonly exitListeners = new Set<ExitListener>();
  private readonly returnListeners = new Set<() => void>();
  private postmaster: Postmaster | null = null;
  private guard: pg.Client | null = null;
  private guardEnd: Promise<void> = Promise.resolve();
  private isStarter = false;
  private watching: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | null = null;

  constructor(options: EmbeddedPostgresOptions, layout: Layout, binaries: Binaries) {
    this.clock = options.clock;
    this.log = options.log;
    this.isGuest = options.isGuest ?? false;
    this.layout = layout;
    this.binaries = binaries;
  }

  get url(): string {
    return urlOf(this.layout);
  }

  get pid(): number {
    return this.postmaster?.id ?? 0;
  }

  onExit(listener: ExitListener): () => void {
    this.exitListeners.add(listener);
    return () => this.exitListeners.delete(listener);
  }

  onReturn(listener: () => void): () => void {
    this.returnListeners.add(listener);
    return () => this.returnListeners.delete(listener);
  }

  async start(): Promise<void> {
    try {
      await this.ensureRunning();
    } catch (error) {
      // What we started must not stay behind, unless somebody else was faster to use it.
      if (this.isStarter && toDroverError(error).code !== 'GUARD_BUSY') await this.endPostmaster();
      throw error;
    }
    this.watching = this.watch();
    void this.keepLogShort();
  }

  stop(): Promise<void> {
    this.stopped ??= this.stopOnce();
    return this.stopped;
  }

  private async stopOnce(): Promise<void> {
    this.stopping.abort();
    const guard = this.guard;
    await guard?.end().catch(() => undefined);
    await this.watching;
    if (!this.isGuest || this.isStarter) await this.endPostmaster();
    closeLayout(this.layout);
  }

  /** Starts again whatever dies, until we are told to stop. */
  private async watch(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      await this.guardEnd;
      if (this.stopping.signal.aborted) return;
      const isGone = this.postmaster?.exit();
      const words = isGone
        ? `The embedded PostgreSQL died (${isGone.reason}).`
        : 'The embedded PostgreSQL let go of us.';
      // A guest does not start again what its host may have ended.
      const isFinal = this.isGuest && !this.isStarter;
      this.tellExit(new DroverError('DATABASE_UNAVAILABLE', words), isFinal);
      if (isFinal || !(await this.restart())) return;
      this.log('info', 'the embedded PostgreSQL takes connections again', { pid: this.pid });
      for (const listener of this.returnListeners) listener();
    }
  }

  /** False when that is over for good. */
  private async restart(): Promise<boolean> {
    for (let delayMs: number = BACK_OFF_MS.first; ; delayMs = Math.min(delayMs * 2, BACK_OFF_MS.max)) {
      try {
        await this.ensureRunning();
        return true;
      } catch (thrown) {
        if (this.stopping.signal.aborted) return false;
        const error = toDroverError(thrown);
        const isFinal = error.code === 'GUARD_BUSY';
        this.tellExit(error, isFinal);
        if (isFinal) return false;
      }
      try {
        await this.clock.sleep(delayMs, this.stopping.signal);
      } catch {
        return false;
      }
    }
  }

  private tellExit(error: DroverError, isFinal: boolean): void {
    this.log(isFinal ? 'error' : 'warn', error.message, { code: error.code });
    for (const listener of this.exitListeners) listener({ error, isFinal });
  }

  /** Finds the server of this folder or starts it, and takes the guard's place. */
  private async ensureRunning(): Promise<void> {
    const endMs = this.clock.monotonic() + START_MS_MAX;
    const orphansEndMs = this.clock.monotonic() + ORPHAN_MS_MAX;
    for (;;) {
      this.throwIfStopping();
      this.postmaster = (await this.findPostmaster()) ?? this.startPostmaster();
      const guard = await this.connectGuard(this.postmaster, endMs);
      if (guard instanceof pg.Client) return this.claim(guard);
      // A server that was on its way out when we found it, or the last processes of one that was killed.
      const isOurs = this.isStarter;
      const isWaiting = saysTaken(guard) || saysMemoryInUse(guard);
      this.isStarter = false;
      if (isOurs && !(isWaiting && this.clock.monotonic() < orphansEndMs)) throw exitError(this.layout, guard);
      if (isOurs && saysMemoryInUse(guard)) endOrphans(this.layout);
      await this.clock.sleep(POLL_MS * 10, this.stopping.signal);
    }
  }

  private startPostmaster(): Postmaster {
    trimLog(this.layout);
    this.isStarter = true;
    return spawnPostgres(this.layout, this.binaries);
  }

  private async findPostmaster(): Promise<Postmaster | null> {
    const id = readPostmasterId(this.layout);
    if (id !== null && whoIs(this.layout, id) === 'ours') return adoptPostgres(this.layout, id);
    if (id !== null && (await socketAnswers(this.layout))) {
      throw new DroverError(
        'GUARD_BUSY',
        `A PostgreSQL that is not of this machine or container uses ${this.layout.folder}.`,
        { remedy: 'Stop the other server, or give each server a data folder of its own.' },
      );
    }
    disownLockFiles(this.layout, (each) => whoIs(this.layout, each) === 'ours');
    return null;
  }

  /** A connection, or how the server ended before it gave one. */
  private async connectGuard(postmaster: Postmaster, endMs: number): Promise<pg.Client | Exit> {
    for (;;) {
      this.throwIfStopping();
      const guard = new pg.Client({
        connectionString: urlOf(this.layout, 'postgres'),
        application_name: 'drover-guard',
        connectionTimeoutMillis: CONNECT_MS_MAX,
      });
      const end = new Promise<void>((resolve) => guard.once('end', () => resolve()));
      // Its end is what we act on; without a listener the error would end the process.
      guard.on('error', () => undefined);
      try {
        await guard.connect();
        this.guardEnd = end;
        return guard;
      } catch (error) {
        await guard.end().catch(() => undefined);
        if (!isPassing(error)) throw guardError(error, this.layout);
        if (this.clock.monotonic() > endMs) throw guardError(error, this.layout);
      }
      const exit = postmaster.exit();
      if (exit !== null) return exit;
      await this.clock.sleep(POLL_MS, this.stopping.signal);
    }
  }

  /** Takes the lock of the folder and makes the database if it is not there. */
  private async claim(guard: pg.Client): Promise<void> {
    const endMs = this.clock.monotonic() + CLAIM_MS_MAX;
    try {
      // A guest owns nothing, unless it had to start the server itself.
      while ((!this.isGuest || this.isStarter) && !(await tryLock(guard))) {
        if (this.clock.monotonic() > endMs) {
          throw new DroverError('GUARD_BUSY', `Another Drover server uses the data folder ${this.layout.folder}.`, {
            remedy: 'Stop the other server, or give this one a data folder of its own (DROVER_DATA_DIR).',
          });
        }
        await this.clock.sleep(POLL_MS * 5, this.stopping.signal);
      }
      await makeDatabase(guard);
      this.guard = guard;
    } catch (error) {
      await guard.end().catch(() => undefined);
      throw error;
    }
  }

  private async endPostmaster(): Promise<void> {
    const postmaster = this.postmaster;
    if (postmaster === null || postmaster.id === 0 || postmaster.exit() !== null) return;
    for (const signal of [FAST_STOP, IMMEDIATE_STOP, 'SIGKILL'] as const) {
      try {
        process.kill(postmaster.id, signal);
      } catch {
        return;
      }
      if (await waitForEnd(postmaster, this.clock, STOP_MS_MAX)) return;
      this.log('warn', `the embedded PostgreSQL did not end on ${signal}`, { pid: postmaster.id });
    }
  }

  private async keepLogShort(): Promise<void> {
    try {
      for (;;) {
        await this.clock.sleep(LOG_TRIM_MS, this.stopping.signal);
        trimLog(this.layout);
      }
    } catch {
      // Stopped.
    }
  }

  private throwIfStopping(): void {
    if (this.stopping.signal.aborted) throw new DroverError('CANCELLED', 'The database is being stopped.');
  }
}

/** Starting up, shutting down, in recovery, or not listening yet. */
const PASSING_CODES: ReadonlySet<string> = new Set([
  '57P03',
  '57P02',
  '57P01',
  '53300',
  'ECONNREFUSED',
  'ENOENT',
  'ECONNRESET',
  'EPIPE',
]);

function isPassing(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  if (code !== undefined) return PASSING_CODES.has(code);
  // The driver's own, which carry no code.
  return /^(timeout expired|Connection terminated)/.test(message ?? '');
}

function guardError(error: unknown, layout: Layout): DroverError {
  const words = error instanceof Error ? error.message : String(error);
  return new DroverError('DATABASE_UNUSABLE', `The embedded PostgreSQL in ${layout.folder} refuses us: ${words}.`, {
    cause: error,
    remedy: `Check that ${layout.passwordFile} is the file that was made together with the database.`,
  });
}

async function tryLock(guard: pg.Client): Promise<boolean> {
  const { rows } = await guard.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS taken', [
    ...LOCKS.dataFolder,
  ]);
  return rows[0]?.taken === true;
}

async function makeDatabase(guard: pg.Client): Promise<void> {
  const found = await guard.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
  if (found.rowCount !== 0) return;
  try {
    await guard.query(`CREATE DATABASE ${DATABASE}`);
  } catch (error) {
    // A guest may have made it before, or in the very same moment.
    if (!['42P04', '23505'].includes((error as { code?: string }).code ?? '')) throw error;
  }
}
