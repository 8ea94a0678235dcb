/** Reading a file in one pinned state: looked at before the first byte and again after the last one. */
import { constants, type BigIntStats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { ReadRange, Reading } from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import { NO_PROPERTIES, type Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { changed, fileEntry, identityOf, pinnedEntry, sameIdentity } from './entries.ts';
import { errnoOf, fromErrno, isAbsent } from './errors.ts';
import { shown } from './names.ts';
import type { Root } from './root.ts';

/** Bytes of a chunk: large enough that calls do not matter, small enough to have many in flight. */
const CHUNK_BYTES = 1024 * 1024;

/** Not blocking: opening a pipe that was put in the file's place must not wait for a writer. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export async function readEntry(root: Root, entry: Entry, range: ReadRange, signal: AbortSignal): Promise<Reading> {
  throwIfCancelled(signal);
  if (entry.kind === 'opaque') {
    throw new DroverError(
      'UNSUPPORTED',
      `${shown(entry.key)} is a ${entry.nativeType ?? 'special file'}, which has no content.`,
      {
        key: entry.key,
      },
    );
  }
  if (entry.kind === 'folder') {
    refuseBeyond(entry.key, range, 0);
    return { entry: await pinnedEntry(root, entry), properties: null, body: noBytes() };
  }
  const file = await openPinned(root, entry);
  try {
    const sizeBytes = Number(file.stats.size);
    refuseBeyond(entry.key, range, sizeBytes);
    const current = fileEntry(entry.key, file.stats);
    if (range.lengthBytes > CHUNK_BYTES) {
      // Opened again when the bytes are asked for, so that a reading which nobody consumes holds nothing open.
      return { entry: current, properties: NO_PROPERTIES, body: streamRange(root, entry, range, signal) };
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of chunksOf(file, entry.key, range, signal)) chunks.push(chunk);
    return { entry: current, properties: NO_PROPERTIES, body: fromChunks(chunks) };
  } catch (error) {
    throw fromErrno(error, `Reading ${shown(entry.key)}`, entry.key);
  } finally {
    await file.handle.close();
  }
}

interface PinnedFile {
  readonly handle: FileHandle;
  readonly stats: BigIntStats;
}

async function openPinned(root: Root, entry: Entry): Promise<PinnedFile> {
  const { key } = entry;
  let handle: FileHandle | null = null;
  try {
    await using parent = await root.parent(key);
    if (parent === null) throw gone(key);
    handle = await open(parent.folder.child(parent.name), READ_FLAGS);
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile() || !sameIdentity(identityOf(stats), entry.identity)) throw changed(key);
    return { handle, stats };
  } catch (error) {
    await handle?.close();
    if (isAbsent(error)) throw gone(key);
    // A link, a socket or a device without driver took the file's place.
    if (['ELOOP', 'ENXIO', 'ENODEV', 'EISDIR'].includes(errnoOf(error) ?? '')) throw changed(key);
    throw fromErrno(error, `Reading ${shown(key)}`, key);
  }
}

async function* streamRange(
  root: Root,
  entry: Entry,
  range: ReadRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  throwIfCancelled(signal);
  const file = await openPinned(root, entry);
  try {
    yield* chunksOf(file, entry.key, range, signal);
  } finally {
    await file.handle.close();
  }
}

async function* chunksOf(
  file: PinnedFile,
  key: string,
  range: ReadRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    let passedBytes = 0;
    while (passedBytes < range.lengthBytes) {
      throwIfCancelled(signal);
      const wantedBytes = Math.min(CHUNK_BYTES, range.lengthBytes - passedBytes);
      // Never from a pool: the chunk belongs to whoever receives it.
      const buffer = Buffer.allocUnsafeSlow(wantedBytes);
      const { bytesRead } = await file.handle.read(buffer, 0, wantedBytes, range.offset + passedBytes);
      if (bytesRead === 0) {
        await refuseMoved(file, key);
        throw new DroverError('EARLY_END', `${shown(key)} ended before byte ${range.offset + range.lengthBytes}.`, {
          key,
        });
      }
      passedBytes += bytesRead;
      // The last bytes are handed out only after the file was seen unchanged.
      if (passedBytes === range.lengthBytes) await refuseMoved(file, key);
      yield bytesRead === wantedBytes ? buffer : buffer.subarray(0, bytesRead);
    }
    if (range.lengthBytes === 0) await refuseMoved(file, key);
  } catch (error) {
    throw fromErrno(error, `Reading ${shown(key)}`, key);
  }
}

async function refuseMoved({ handle, stats }: PinnedFile, key: string): Promise<void> {
  const now = await handle.stat({ bigint: true });
  const isSame =
    now.dev === stats.dev &&
    now.ino === stats.ino &&
    now.size === stats.size &&
    now.mtimeNs === stats.mtimeNs &&
    now.ctimeNs === stats.ctimeNs;
  if (!isSame) throw new DroverError('CHANGED', `${shown(key)} was written to while it was read.`, { key });
}

function refuseBeyond(key: string, range: ReadRange, sizeBytes: number): void {
  if (range.offset + range.lengthBytes <= sizeBytes) return;
  const words = `${shown(key)} has ${sizeBytes} bytes; bytes up to ${range.offset + range.lengthBytes} were asked for.`;
  throw new DroverError('EARLY_END', words, { key });
}

function gone(key: string): DroverError {
  return new DroverError('NOT_FOUND', `${shown(key)} is not there any more.`, { key });
}

async function* fromChunks(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function* noBytes(): AsyncGenerator<Uint8Array> {
  // A folder has no content.
}
