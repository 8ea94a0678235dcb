/** Where `drover db backup` writes to and `drover db restore` reads from: a file, or `-`, the standard streams. */
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { DroverError } from '../model/errors.ts';

export const STANDARD_STREAM = '-';

type Write = (chunk: Uint8Array) => Promise<void>;

/**
 * Calls `make` with what writes to the place; the result is how many bytes it wrote. A file is written beside and
 * renamed: one of that name is always whole. What cannot be written is INVALID_INPUT or DISK_FULL.
 */
export async function writeBackupTo(
  path: string,
  stdout: Writable,
  make: (write: Write) => Promise<void>,
): Promise<number> {
  let sizeBytes = 0;
  const counted = (write: Write): Write => {
    return async (chunk) => {
      sizeBytes += chunk.length;
      await write(chunk);
    };
  };
  if (path === STANDARD_STREAM) {
    await make(
      counted(async (chunk) => {
        if (!stdout.write(chunk)) await once(stdout, 'drain');
      }),
    );
    return sizeBytes;
  }
  const temporary = `${path}.writing-${process.pid}`;
  try {
    await using file = await open(temporary, 'wx', 0o600).catch(unwritable(path));
    await make(counted(async (chunk) => file.writeFile(chunk).catch(unwritable(path))));
    await file.sync().catch(unwritable(path));
    await rename(temporary, path).catch(unwritable(path));
    return sizeBytes;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** INVALID_INPUT while it is read, when there is no such file. */
export function readBackupFrom(path: string, stdin: Readable): Readable {
  return path === STANDARD_STREAM ? stdin : createReadStream(path);
}

function unwritable(path: string): (error: unknown) => never {
  return (error) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new DroverError(
      code === 'ENOSPC' || code === 'EDQUOT' ? 'DISK_FULL' : 'INVALID_INPUT',
      `The backup cannot be written to ${path} (${code}).`,
      { cause: error, field: 'file', remedy: 'Choose a folder that exists, that you may write to, and that has room.' },
    );
  };
}
