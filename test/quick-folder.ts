/**
 * Where tests keep what need not survive the machine: in memory where there is enough of it. What commits much (a
 * database, a server's data folder) waits for a disk most of its time otherwise, the longer the more others use it.
 * Nothing here loses a proof: what is killed are processes, and the memory stays. Tests of what a file system does
 * stay on the disk.
 */
import { accessSync, constants, mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MEMORY_FOLDER = '/dev/shm';
const GIB = 1024 ** 3;
const SPACE_BYTES_MIN = 4 * GIB;

/** A folder that is there, in memory or not. */
export const quickRoot = hasMemory() ? MEMORY_FOLDER : tmpdir();

/** A new folder; whoever makes it removes it. */
export function makeQuickFolder(prefix: string): string {
  return mkdtempSync(join(quickRoot, prefix));
}

function hasMemory(): boolean {
  try {
    accessSync(MEMORY_FOLDER, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = statfsSync(MEMORY_FOLDER);
    return bavail * bsize >= SPACE_BYTES_MIN && process.availableMemory() >= SPACE_BYTES_MIN;
  } catch {
    return false;
  }
}
