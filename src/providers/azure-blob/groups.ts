/**
 * Neighbours of a listing that must be seen together before they can be given in byte order of their keys: the versions
 * of one name; names with characters beyond U+FFFF, which a server that compares UTF-16 units puts before U+E000–U+FFFF;
 * and folders that stand there under their name without the slash of their key. Everywhere else all known orders agree.
 */
import { entryOf } from '../../model/entry.ts';
import { compareKeys } from '../../model/key.ts';
import type { ListedBlob } from './listing.ts';

/** More than this is given as it came; whoever relies on the order checks it and sorts for itself. */
const HELD_MAX = 20_000;
const SLASH = 0x2f;

/** Index where the last group begins, when the next page may go on with it; otherwise the length. */
export function openGroupStart(blobs: readonly ListedBlob[], withVersions: boolean): number {
  let start = 0;
  let end = 0;
  while (end < blobs.length) {
    start = end;
    end = groupEnd(blobs, start, withVersions);
  }
  const last = blobs[start];
  const isOpen = last !== undefined && (withVersions || isStub(last) || firstSurrogate(last.name) >= 0);
  return isOpen && blobs.length - start <= HELD_MAX ? start : blobs.length;
}

/** Byte order of keys; versions of a key oldest first, which is the order of their ids, the current one last. */
export function inGroupOrder(blobs: readonly ListedBlob[], withVersions: boolean): ListedBlob[] {
  const sorted: ListedBlob[] = [];
  for (let start = 0; start < blobs.length;) {
    const end = groupEnd(blobs, start, withVersions);
    if (end === start + 1) sorted.push(blobs[start] as ListedBlob);
    else sorted.push(...blobs.slice(start, end).toSorted(compareBlobs));
    start = end;
  }
  return sorted;
}

function groupEnd(blobs: readonly ListedBlob[], start: number, withVersions: boolean): number {
  const first = blobs[start] as ListedBlob;
  const { name } = first;
  const at = firstSurrogate(name);
  const belongs =
    at >= 0
      ? (other: string) => isBeyond(other, name.slice(0, at))
      : (other: string) => (withVersions && other === name) || (isStub(first) && isBeforeInside(other, name));
  let end = start + 1;
  while (end < blobs.length && belongs((blobs[end] as ListedBlob).name)) end += 1;
  return end;
}

/** A folder that stands there under its name without a slash. */
function isStub(blob: ListedBlob): boolean {
  return blob.entry.key !== blob.name;
}

/** Names such as `dir!` and `dir-2`, which stand between a folder's name `dir` and its key `dir/`. */
function isBeforeInside(other: string, name: string): boolean {
  return other.startsWith(name) && other.charCodeAt(name.length) < SLASH;
}

function isBeyond(name: string, shared: string): boolean {
  return name.startsWith(shared) && name.charCodeAt(shared.length) >= 0xd800;
}

function firstSurrogate(name: string): number {
  for (let at = 0; at < name.length; at++) {
    const unit = name.charCodeAt(at);
    if (unit >= 0xd800 && unit <= 0xdfff) return at;
  }
  return -1;
}

function compareBlobs(a: ListedBlob, b: ListedBlob): number {
  if (a.entry.key !== b.entry.key) return compareKeys(a.entry.key, b.entry.key);
  if (a.isCurrentVersion !== b.isCurrentVersion) return a.isCurrentVersion ? 1 : -1;
  const x = a.entry.identity.versionId ?? '';
  const y = b.entry.identity.versionId ?? '';
  return x < y ? -1 : x > y ? 1 : 0;
}

/** A name that has versions and no current one is deleted, which the service shows by nothing else. */
export function withDeletions(blobs: readonly ListedBlob[]): ListedBlob[] {
  return blobs.flatMap((blob, at) => {
    const isLast = blobs[at + 1]?.entry.key !== blob.entry.key;
    if (!isLast || blob.isCurrentVersion) return [blob];
    const deletion = entryOf({ key: blob.entry.key, kind: 'opaque', nativeType: 'delete-marker' });
    return [blob, { ...blob, entry: deletion }];
  });
}

/** A hierarchical namespace lists each folder right before what is inside, and only that tells an empty one. */
export function withImplied(blobs: readonly ListedBlob[]): ListedBlob[] {
  return blobs.map((blob, at) => {
    const next = blobs[at + 1];
    const isImplied = blob.entry.kind === 'folder' && next?.name.startsWith(blob.entry.key) === true;
    return isImplied ? { ...blob, entry: { ...blob.entry, isImplied } } : blob;
  });
}

/** Index of a folder at the end of a page, whose inside may begin the next one; otherwise the length. */
export function lastFolderStart(blobs: readonly ListedBlob[]): number {
  return blobs.at(-1)?.entry.kind === 'folder' ? blobs.length - 1 : blobs.length;
}
