/**
 * What is known of an upload in parts, beside its data: a line for its beginning, then one for each part that is
 * durable. A last line that was cut off counts for nothing.
 */
import { constants } from 'node:fs';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { DroverError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import { isAbsent } from './errors.ts';

export interface JournalHead {
  readonly key: string;
  readonly startedAtMs: number;
  readonly sizeBytes: number;
  readonly partBytes: number;
  /** Name of the file that the parts are in. */
  readonly part: string;
  /** When that file was made, in nanoseconds: inodes are used again, moments are not. */
  readonly born: string;
  /** Device and inode of that file: what bears the object's name later is recognised by them. */
  readonly file: string;
}

export interface JournaledPart {
  readonly index: number;
  readonly sizeBytes: number;
  readonly crc64nvme: string;
}

export interface Journal {
  readonly head: JournalHead;
  readonly parts: ReadonlyMap<number, JournaledPart>;
}

const APPEND_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW;

/** `null` when there is no journal, or one that was cut off before its first line ended. */
export async function readJournal(path: Buffer): Promise<Journal | null> {
  let text: string;
  try {
    text = await readFile(path, { encoding: 'utf8', flag: constants.O_RDONLY | constants.O_NOFOLLOW });
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
  const [first, ...rest] = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  const head = parsed(first);
  if (!isHead(head)) return null;
  const parts = new Map<number, JournaledPart>();
  for (const line of rest) {
    const record = parsed(line);
    if (isPart(record)) parts.set(record.index, record);
    else if (isVoid(record)) parts.delete(record.void);
  }
  return { head, parts };
}

export async function writeHead(handle: FileHandle, head: JournalHead): Promise<void> {
  await handle.write(`${JSON.stringify(head)}\n`);
  await handle.datasync();
}

export function appendPart(path: Buffer, part: JournaledPart): Promise<void> {
  return append(path, { ...part });
}

/** The part's bytes are about to be replaced: until it is appended again it is not there. */
export function appendVoid(path: Buffer, index: number): Promise<void> {
  return append(path, { void: index });
}

async function append(path: Buffer, line: Json): Promise<void> {
  try {
    await using handle = await open(path, APPEND_FLAGS);
    await handle.write(`${JSON.stringify(line)}\n`);
    await handle.datasync();
  } catch (error) {
    if (isAbsent(error)) throw new DroverError('UPLOAD_LOST', 'The journal of the unfinished upload is gone.');
    throw error;
  }
}

function parsed(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? '');
  } catch {
    return null;
  }
}

function isHead(value: unknown): value is JournalHead {
  const { key, startedAtMs, sizeBytes, partBytes, part, file, born } = (value ?? {}) as Partial<JournalHead>;
  return (
    typeof key === 'string' &&
    typeof part === 'string' &&
    typeof file === 'string' &&
    typeof born === 'string' &&
    [startedAtMs, sizeBytes, partBytes].every((number) => typeof number === 'number')
  );
}

function isPart(value: unknown): value is JournaledPart {
  const { index, sizeBytes, crc64nvme } = (value ?? {}) as Partial<JournaledPart>;
  return typeof index === 'number' && typeof sizeBytes === 'number' && typeof crc64nvme === 'string';
}

function isVoid(value: unknown): value is { void: number } {
  return typeof (value as { void?: unknown } | null)?.void === 'number';
}
