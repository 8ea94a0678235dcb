/** Writing a file so that readers see the old one or the new one, and never a part of either. */
import { unlink, type FileHandle } from 'node:fs/promises';
import type { WriteBody, WriteOptions, Written } from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Random } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import { checkableKinds, DEFAULT_DIGEST, pour, refuseOtherDigests } from './content.ts';
import { changed, fileEntry, lstatOrNull, sameIdentity, statEntry } from './entries.ts';
import { fromErrno } from './errors.ts';
import { refuseKey, shown } from './names.ts';
import { giveName, keepRights, makeOwnFile, refuseUnexpected } from './placing.ts';
import type { Root } from './root.ts';

export interface Writer {
  readonly root: Root;
  readonly runId: string;
  readonly random: Random;
}

export async function writeEntry(
  writer: Writer,
  key: string,
  body: WriteBody,
  options: WriteOptions,
): Promise<Written> {
  throwIfCancelled(options.signal);
  refuseKey(key, options.kind);
  refuseStorageClass(options);
  try {
    return options.kind === 'folder'
      ? await writeFolder(writer, key, body, options)
      : await writeFile(writer, key, body, options);
  } catch (error) {
    throw fromErrno(error, `Writing ${shown(key)}`, key);
  }
}

async function writeFile(writer: Writer, key: string, body: WriteBody, options: WriteOptions): Promise<Written> {
  const { signal, expect } = options;
  await using parent = await writer.root.madeParent(key);
  const { folder, name } = parent;
  const before = await refuseUnexpected(folder, name, key, expect);
  const temporary = await makeOwnFile(folder, writer.runId, writer.random, 'part');
  let isPlaced = false;
  try {
    const { handle } = temporary;
    await keepRights(handle, before);
    const kinds = new Set([DEFAULT_DIGEST, ...checkableKinds(options.digests)]);
    const proved = await pour(body, [...kinds], { handle, offset: 0, key }, signal);
    refuseOtherDigests(options.digests, proved, key);
    await setTime(handle, options.modifiedAtMs);
    await handle.datasync();
    throwIfCancelled(signal);
    await giveName(folder, temporary.name, name, key, expect);
    isPlaced = true;
    const stats = await handle.stat({ bigint: true });
    return { entry: fileEntry(key, stats), proved, composite: null, losses: [] };
  } finally {
    await temporary.handle.close();
    if (!isPlaced) await unlink(folder.child(temporary.name)).catch(() => undefined);
  }
}

async function writeFolder(writer: Writer, key: string, body: WriteBody, options: WriteOptions): Promise<Written> {
  const { expect, signal } = options;
  if (body.sizeBytes !== 0) {
    throw new DroverError('UNREPRESENTABLE', `${shown(key)} cannot be written: a folder has no content.`, { key });
  }
  await refuseContent(body, key);
  const before = await statEntry(writer.root, key);
  if (expect.kind === 'absent' && before !== null) {
    throw new DroverError('CHANGED', `The folder ${shown(key)} is there already.`, { key });
  }
  if (expect.kind === 'match' && (before === null || !sameIdentity(before.identity, expect.identity)))
    throw changed(key);
  throwIfCancelled(signal);
  await refuseFileInTheWay(writer.root, key);
  const folder = await writer.root.madeFolder(key);
  await folder[Symbol.asyncDispose]();
  const entry = await statEntry(writer.root, key);
  if (entry === null) throw changed(key);
  return { entry, proved: {}, composite: null, losses: [] };
}

async function refuseContent(body: WriteBody, key: string): Promise<void> {
  if (body.content instanceof Uint8Array) return;
  for await (const chunk of body.content) {
    if (chunk.length > 0) throw new DroverError('EXTRA_BYTES', `Content came for the folder ${shown(key)}.`, { key });
  }
}

async function refuseFileInTheWay(root: Root, key: string): Promise<void> {
  await using parent = await root.parent(key);
  if (parent === null) return;
  const stats = await lstatOrNull(parent.folder, parent.name);
  if (stats === null || stats.isDirectory()) return;
  const words = `${shown(key)} cannot be made: a file or link has that name.`;
  throw new DroverError('UNREPRESENTABLE', words, { key });
}

/** A date, because a negative number would be taken for "now". */
export async function setTime(handle: FileHandle, modifiedAtMs: number | null): Promise<void> {
  if (modifiedAtMs === null) return;
  const time = new Date(modifiedAtMs);
  await handle.utimes(time, time);
}

export function refuseStorageClass({ storageClass }: WriteOptions): void {
  if (storageClass === null) return;
  throw new DroverError('INVALID_INPUT', `A folder has no storage classes, so "${storageClass}" cannot be asked for.`, {
    field: 'storageClass',
  });
}
