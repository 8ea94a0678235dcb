/**
 * Where tests keep what need not survive the machine: in memory where there is enough of it. What commits much (a
 * database, a server's data folder) waits for a disk most of its time otherwise, the longer the more others use it.
 * Nothing here loses a proof: what is killed are processes, and the memory stays. Tests of what a file system does
 * stay on the disk, and so does what a server is to take for content: it refuses folders below /dev.
 */
import { accessSync, constants, mkdtempSync, readFileSync, statfsSync } from 'node:fs';
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
    if (bavail * bsize < SPACE_BYTES_MIN || process.availableMemory() < SPACE_BYTES_MIN) return false;
    // In containers, programs often cannot be started there.
    const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
    return !mounts.some((line) => line.includes(` ${MEMORY_FOLDER} `) && line.includes('noexec'));
  } catch {
    return false;
  }
}
