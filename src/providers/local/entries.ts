/** What one thing in a folder is, as an entry. */
import type { BigIntStats } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { entryOf, type Entry, type Identity } from '../../model/entry.ts';
import { keyFromBytes } from '../../model/key.ts';
import { isAbsent, isLink } from './errors.ts';
import { keyProblem, parseOwnName, shown } from './names.ts';
import { DroverError } from '../../model/errors.ts';
import type { Folder, Root } from './root.ts';

/** The kind of thing that a key with or without a slash at its end can name. */
export function kindOfKey(key: string): 'folder' | 'object' {
  return key.endsWith('/') ? 'folder' : 'object';
}

/** A file, or something that is neither file nor folder. */
export function fileEntry(key: string, stats: BigIntStats): Entry {
  const nativeType = nativeTypeOf(stats);
  return entryOf({
    key,
    kind: nativeType === null ? 'object' : 'opaque',
    nativeType,
    sizeBytes: nativeType === null ? Number(stats.size) : 0,
    modifiedAtMs: msOf(stats.mtimeNs),
    identity: identityOf(stats),
  });
}

/** A folder's time changes with its children, so it is none of the folder's own and not shown. */
export function folderEntry(key: string, stats: BigIntStats, isImplied: boolean): Entry {
  return entryOf({ key, kind: 'folder', isImplied, identity: { etag: `folder-${stats.ino}`, versionId: null } });
}

export function identityOf(stats: BigIntStats): Identity {
  if (stats.isDirectory()) return { etag: `folder-${stats.ino}`, versionId: null };
  return { etag: `${stats.ino}-${stats.size}-${stats.mtimeNs}`, versionId: null };
}

export function sameIdentity(a: Identity, b: Identity): boolean {
  return a.etag === b.etag;
}

/** The entry at exactly this key; `null` when nothing of that kind is there, or the key is no path. */
export async function statEntry(root: Root, key: string): Promise<Entry | null> {
  if (keyProblem(key) !== null) return null;
  await using parent = await parentOrNull(root, key);
  if (parent === null) return null;
  const stats = await lstatOrNull(parent.folder, parent.name);
  if (stats === null || stats.isDirectory() !== (kindOfKey(key) === 'folder')) return null;
  if (!stats.isDirectory()) return fileEntry(key, stats);
  return folderEntry(key, stats, await hasChildren(root, key));
}

/** `null` too when a file or a link stands where a folder of the path would have to be. */
export async function parentOrNull(root: Root, key: string) {
  try {
    return await root.parent(key);
  } catch (error) {
    if (isAbsent(error) || isLink(error)) return null;
    throw error;
  }
}

export async function lstatOrNull(folder: Folder, name: string): Promise<BigIntStats | null> {
  try {
    return await lstat(folder.child(name), { bigint: true });
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** NOT_FOUND or CHANGED unless the entry is still in the state that it names; then what is there now. */
export async function pinnedEntry(root: Root, entry: Entry): Promise<Entry> {
  const current = await statEntry(root, entry.key);
  if (current === null)
    throw new DroverError('NOT_FOUND', `${shown(entry.key)} is not there any more.`, { key: entry.key });
  if (current.kind !== entry.kind || !sameIdentity(current.identity, entry.identity)) throw changed(entry.key);
  return current;
}

export function changed(key: string): DroverError {
  return new DroverError('CHANGED', `${shown(key)} was written to after it was listed.`, { key });
}

async function hasChildren(root: Root, key: string): Promise<boolean> {
  await using folder = await root.folder(key);
  if (folder === null) return false;
  for await (const child of await opendir(folder.path, { encoding: 'buffer' as BufferEncoding })) {
    if (parseOwnName(nameOf(child)) === null) return true;
  }
  return false;
}

/** The name of a child that was read as bytes. */
export function nameOf(child: { readonly name: unknown }): string {
  return keyFromBytes(child.name as Uint8Array);
}

function nativeTypeOf(stats: BigIntStats): string | null {
  if (stats.isFile()) return null;
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  return 'device';
}

const NS_PER_MS = 1_000_000n;

/** Rounded, because a time that is set in milliseconds may come back some nanoseconds short. */
function msOf(timeNs: bigint): number {
  const wholeMs = timeNs / NS_PER_MS;
  return Number(wholeMs) + (Math.round(Number(timeNs - wholeMs * NS_PER_MS) / Number(NS_PER_MS)) || 0);
}
