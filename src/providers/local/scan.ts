/**
 * Listing a folder tree in the order of key bytes: each folder's children are read and sorted as if folders were
 * called `name/`. Memory: the names of the open folders' children (some 60 bytes each), never their attributes.
 */
import { lstat, opendir } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import type { Page, ScanRange } from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import { entryOf, type Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import { compareKeys, isWithin, keyAfter } from '../../model/key.ts';
import { fileEntry, folderEntry, nameOf, statEntry } from './entries.ts';
import { fromErrno, isAbsent, isLink } from './errors.ts';
import { parseOwnName, shown } from './names.ts';
import type { Folder, Root } from './root.ts';

/** Entries of a page: attributes of this many things are in memory at once. */
const PAGE_ENTRIES = 1_000;
/** Children whose attributes are asked for at the same time. */
const STATS_AT_ONCE = 32;
/** Names read from the system in one call. */
const READ_AHEAD_NAMES = 1_024;

/** A folder that is being walked: its children, folders with a slash at the end, in order. */
interface Frame {
  readonly key: string;
  readonly children: readonly string[];
  at: number;
}

interface Bounds {
  readonly from: string | null;
  readonly to: string | null;
}

/** `isAbsentFine`: a place that is not there is an empty listing instead of PLACE_NOT_FOUND. */
export async function* scanTree(
  root: Root,
  range: ScanRange,
  isAbsentFine: boolean,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  throwIfCancelled(signal);
  const bounds: Bounds = { from: laterOf(range.from, resumedFrom(range.resume)), to: range.to };
  const first = await readFolder(root, '', bounds, signal);
  if (first === null || first === 'hidden') {
    if (!isAbsentFine || root.wasSeen) throw root.gone();
    yield { entries: [], cursor: range.resume, complete: true };
    return;
  }
  const stack: Frame[] = [{ key: '', children: first.children, at: 0 }];
  let page: Entry[] = [];
  while (stack.length > 0) {
    throwIfCancelled(signal);
    const frame = stack.at(-1) as Frame;
    const next = frame.children[frame.at];
    if (next === undefined) {
      stack.pop();
    } else if (next.endsWith('/')) {
      frame.at += 1;
      const key = frame.key + next;
      const read = await readFolder(root, key, bounds, signal);
      if (read === 'hidden') {
        if (isWithin(key, bounds.from, bounds.to)) page.push(hiddenEntry(key));
      } else if (read !== null) {
        if (isWithin(key, bounds.from, bounds.to)) page.push(folderEntry(key, read.stats, !read.isEmpty));
        stack.push({ key, children: read.children, at: 0 });
      }
    } else {
      const names = nextFiles(frame, PAGE_ENTRIES - page.length);
      frame.at += names.length;
      page.push(...(await statFiles(root, frame.key, names, signal)));
    }
    if (page.length >= PAGE_ENTRIES) {
      yield { entries: page, cursor: { after: (page.at(-1) as Entry).key }, complete: false };
      page = [];
    }
  }
  // What vanished while it was listed is simply not there; but with the place itself all of it vanishes.
  await root.demand();
  yield {
    entries: page,
    cursor: page.length === 0 ? range.resume : { after: (page.at(-1) as Entry).key },
    complete: true,
  };
}

interface FolderRead {
  readonly children: readonly string[];
  readonly isEmpty: boolean;
  readonly stats: BigIntStats;
}

/**
 * `null` when it is gone: what vanished while it was listed is simply not there. `hidden`: a link has come to stand in
 * its place or on the way to it, so that what is in it may be there still.
 */
async function readFolder(
  root: Root,
  key: string,
  bounds: Bounds,
  signal: AbortSignal,
): Promise<FolderRead | 'hidden' | null> {
  try {
    await using folder = await root.folder(key);
    if (folder === null) return null;
    const children: string[] = [];
    let isEmpty = true;
    const options = { encoding: 'buffer' as BufferEncoding, bufferSize: READ_AHEAD_NAMES };
    for await (const child of await opendir(folder.path, options)) {
      throwIfCancelled(signal);
      const name = nameOf(child);
      if (parseOwnName(name) !== null) continue;
      isEmpty = false;
      const isFolder = await isDirectory(folder, name, child);
      const childKey = isFolder ? `${key}${name}/` : key + name;
      if (isFolder ? touches(childKey, bounds) : isWithin(childKey, bounds.from, bounds.to)) {
        children.push(isFolder ? `${name}/` : name);
      }
    }
    return { children: children.toSorted(compareKeys), isEmpty, stats: await lstat(withDot(folder), { bigint: true }) };
  } catch (error) {
    // A folder that became a file since its parent was read is gone as a folder.
    if (key !== '' && (isAbsent(error) || isLink(error))) return (await isHidden(root, key, error)) ? 'hidden' : null;
    throw fromErrno(error, `Listing ${key === '' ? root.label : shown(key)}`, key === '' ? null : key);
  }
}

/** Opening a folder where a link stands now fails as if a file stood there. */
async function isHidden(root: Root, key: string, error: unknown): Promise<boolean> {
  if (isLink(error)) return true;
  const there = await statEntry(root, key.slice(0, -1));
  return there?.nativeType === 'symlink';
}

function hiddenEntry(key: string, nativeType: 'symlink' | 'folder' = 'symlink'): Entry {
  return entryOf({ key, kind: 'opaque', nativeType });
}

/** The handle's own name is a link to the folder; with a dot behind it, it is the folder. */
function withDot(folder: Folder): Buffer {
  return folder.child('.');
}

async function isDirectory(
  folder: Folder,
  name: string,
  child: {
    isDirectory(): boolean;
    isFile(): boolean;
    isSymbolicLink(): boolean;
    isFIFO(): boolean;
    isSocket(): boolean;
    isBlockDevice(): boolean;
    isCharacterDevice(): boolean;
  },
): Promise<boolean> {
  if (child.isDirectory()) return true;
  const isKnown =
    child.isFile() ||
    child.isSymbolicLink() ||
    child.isFIFO() ||
    child.isSocket() ||
    child.isBlockDevice() ||
    child.isCharacterDevice();
  if (isKnown) return false;
  // Some file systems do not tell the type with the name.
  try {
    return (await lstat(folder.child(name))).isDirectory();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** Names of the files that come next in the frame, up to the next folder. */
function nextFiles(frame: Frame, countMax: number): string[] {
  const names: string[] = [];
  for (let at = frame.at; at < frame.children.length && names.length < countMax; at++) {
    const name = frame.children[at] as string;
    if (name.endsWith('/')) break;
    names.push(name);
  }
  return names;
}

async function statFiles(root: Root, key: string, names: readonly string[], signal: AbortSignal): Promise<Entry[]> {
  try {
    await using folder = await root.folder(key);
    if (folder === null) return [];
    const entries: Entry[] = [];
    for (let at = 0; at < names.length; at += STATS_AT_ONCE) {
      throwIfCancelled(signal);
      const batch = names.slice(at, at + STATS_AT_ONCE);
      const stats = await Promise.all(batch.map((name) => lstatOrGone(folder, name)));
      for (const [i, found] of stats.entries()) {
        if (found === null) continue;
        const child = key + (batch[i] as string);
        // What became a folder since its name was read is no file, and nobody has looked into it.
        entries.push(found.isDirectory() ? hiddenEntry(child, 'folder') : fileEntry(child, found));
      }
    }
    return entries;
  } catch (error) {
    if (key !== '' && (isAbsent(error) || isLink(error)))
      return (await isHidden(root, key, error)) ? names.map((name) => hiddenEntry(key + name)) : [];
    throw fromErrno(error, `Listing ${key === '' ? root.label : shown(key)}`, key === '' ? null : key);
  }
}

async function lstatOrGone(folder: Folder, name: string): Promise<BigIntStats | null> {
  try {
    return await lstat(folder.child(name), { bigint: true });
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** Whether anything at or below the folder can be in the range. */
function touches(folderKey: string, { from, to }: Bounds): boolean {
  if (to !== null && compareKeys(folderKey, to) >= 0) return false;
  return from === null || compareKeys(folderKey, from) >= 0 || from.startsWith(folderKey);
}

function resumedFrom(resume: Json): string | null {
  if (resume === null) return null;
  if (typeof resume === 'object' && 'after' in resume && typeof resume.after === 'string')
    return keyAfter(resume.after);
  throw new DroverError('INVALID_INPUT', 'The cursor is not one that a folder gave.');
}

function laterOf(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return compareKeys(a, b) >= 0 ? a : b;
}
