/**
 * One active run per target subtree. A run holds an exclusive SQLite transaction on a file of its own: the operating
 * system ends it together with the process, however that dies. A JSON file beside it says who holds it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Random } from '../lib/world.ts';
import { DroverError } from '../model/errors.ts';
import { fileError, isBusy, makePrivateFile } from './sqlite.ts';

export interface LockRequest {
  /** Of the target's identity: whoever signs in. */
  readonly store: string;
  readonly container: string;
  readonly prefix: string;
  readonly runId: string;
  /** As people write the target; it is shown to whoever is refused. */
  readonly label: string;
}

export interface Lock extends AsyncDisposable {
  /** Idempotent. */
  release(): Promise<void>;
}

/** Taking a lock reads and writes a handful of small files; whoever waits longer than this waits for a hung process. */
const TURN_MS_MAX = 10_000;
/** Looking is no reason to make a person wait. */
const LOOK_MS_MAX = 500;
const TURN_FILE = 'turn.sqlite';

/**
 * GUARD_BUSY, naming the other run, when a living run holds a subtree of the same store that contains this one or
 * lies in it. What dead processes left behind is removed.
 */
export function lockTarget(folder: string, request: LockRequest, random: Random): Lock {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const turn = hold(join(folder, TURN_FILE), TURN_MS_MAX);
    if (turn === null) throw new DroverError('UNAVAILABLE', `Another Drover process holds ${folder} for too long.`);
    try {
      refuseOverlaps(folder, request);
      return take(folder, request, random);
    } finally {
      turn.close();
    }
  } catch (error) {
    throw fileError(error, folder);
  }
}

/**
 * The ids of runs that a living process of this machine is working on; `null` when that cannot be told just now.
 * What dead processes left behind is removed.
 */
export function livingRuns(folder: string): ReadonlySet<string> | null {
  if (!existsSync(folder)) return new Set();
  try {
    // Without its turn, looking would make a free lock seem taken to whoever takes one.
    const turn = hold(join(folder, TURN_FILE), LOOK_MS_MAX);
    if (turn === null) return null;
    try {
      return new Set([...livingLocks(folder)].map(({ runId }) => runId));
    } finally {
      turn.close();
    }
  } catch {
    return null;
  }
}

function refuseOverlaps(folder: string, request: LockRequest): void {
  for (const other of livingLocks(folder)) {
    if (!overlaps(other, request)) continue;
    throw new DroverError(
      'GUARD_BUSY',
      `Run ${other.runId} is working on ${other.label}, which overlaps ${request.label}.`,
      { details: { runId: other.runId, label: other.label } },
    );
  }
}

/** Only in its turn. */
function* livingLocks(folder: string): Generator<LockRequest> {
  for (const name of readdirSync(folder)) {
    // Whoever makes these does so in its turn, and this is ours: what is there now was left behind.
    if (name.endsWith('.json.new')) rmSync(join(folder, name), { force: true });
    if (!name.endsWith('.sqlite') || name === TURN_FILE) continue;
    const lockPath = join(folder, name);
    const sidecarPath = `${lockPath.slice(0, -'.sqlite'.length)}.json`;
    const abandoned = hold(lockPath, 0);
    if (abandoned !== null) {
      rmSync(sidecarPath, { force: true });
      abandoned.close();
      for (const leftover of [lockPath, `${lockPath}-journal`]) rmSync(leftover, { force: true });
      continue;
    }
    const other = readSidecar(sidecarPath);
    if (other !== null) yield other;
  }
}

/** `null` when its run let go of it a moment ago. */
function readSidecar(path: string): LockRequest | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as LockRequest;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function take(folder: string, request: LockRequest, random: Random): Lock {
  const head = join(folder, Buffer.from(random.bytes(8)).toString('hex'));
  const lockPath = `${head}.sqlite`;
  const held = hold(lockPath, 0);
  if (held === null) throw new DroverError('INTERNAL', `The new lock file ${lockPath} is held already.`);
  const { store, container, prefix, runId, label } = request;
  // Renamed into place, so that nobody reads half of it.
  writeFileSync(`${head}.json.new`, JSON.stringify({ store, container, prefix, runId, label }), { mode: 0o600 });
  renameSync(`${head}.json.new`, `${head}.json`);
  let isReleased = false;
  const release = async (): Promise<void> => {
    if (isReleased) return;
    isReleased = true;
    // The readable file first: a lock file without it is nobody's.
    rmSync(`${head}.json`, { force: true });
    held.close();
    rmSync(lockPath, { force: true });
  };
  return { release, [Symbol.asyncDispose]: release };
}

/** An open connection in an exclusive transaction, or `null` when somebody else has one. */
function hold(path: string, waitMs: number): DatabaseSync | null {
  makePrivateFile(path);
  const database = new DatabaseSync(path, { timeout: waitMs });
  try {
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    if (isBusy(error)) return null;
    throw error;
  }
}

function overlaps(a: LockRequest, b: LockRequest): boolean {
  if (a.store !== b.store) return false;
  const [x, y] = [subtreeOf(a), subtreeOf(b)];
  return x.startsWith(y) || y.startsWith(x);
}

/** Containers of one store may lie in one another where they are folders, so container and prefix are one path. */
function subtreeOf({ container, prefix }: LockRequest): string {
  return `${container.endsWith('/') ? container : `${container}/`}${prefix}`;
}
