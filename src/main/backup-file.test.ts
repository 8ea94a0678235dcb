import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readBackupFrom, writeBackupTo } from './backup-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-backup-file-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const nowhere = new PassThrough();

async function twoChunks(write: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  await write(Buffer.from('one, '));
  await write(Buffer.from('two'));
}

describe('a file', () => {
  test('is whole when it has its name, and only its owner reads it', async () => {
    const path = join(folder, 'b.gz');
    expect(await writeBackupTo(path, nowhere, twoChunks)).toBe(8);
    expect(readFileSync(path, 'utf8')).toBe('one, two');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await text(readBackupFrom(path, Readable.from([])))).toBe('one, two');
  });

  test('keeps what it held when a backup fails', async () => {
    const path = join(folder, 'b.gz');
    writeFileSync(path, 'before');
    await expect(
      writeBackupTo(path, nowhere, async (write) => {
        await write(Buffer.from('half'));
        throw new Error('the database went away');
      }),
    ).rejects.toThrow('the database went away');
    expect(readFileSync(path, 'utf8')).toBe('before');
    expect(readdirSync(folder)).toEqual(['b.gz']);
  });

  test('that cannot be written is named, with the reason', async () => {
    const path = join(folder, 'none', 'b.gz');
    await expect(writeBackupTo(path, nowhere, twoChunks)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'file',
      message: `The backup cannot be written to ${path} (ENOENT).`,
    });
  });

  test('does not take the place of a folder', async () => {
    await expect(writeBackupTo(folder, nowhere, twoChunks)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});

describe('a dash', () => {
  test('writes to standard output, no faster than it is read', async () => {
    const stdout = new PassThrough({ highWaterMark: 1 });
    const read = text(stdout);
    expect(await writeBackupTo('-', stdout, twoChunks)).toBe(8);
    stdout.end();
    expect(await read).toBe('one, two');
    expect(readdirSync(folder)).toEqual([]);
  });

  test('reads standard input', async () => {
    expect(await text(readBackupFrom('-', Readable.from(['given'])))).toBe('given');
  });
});
