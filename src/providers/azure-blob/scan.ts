/**
 * Ranges of a container. What is handed to the service as a bound is plain ASCII, where all known orders agree; the
 * exact bounds are applied here, so that a server with another order beyond ASCII never loses a key.
 */
import type { Page, ScanRange } from '../../contract/provider.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import { asciiHead, compareKeys, isWithin, prefixEnd } from '../../model/key.ts';
import type { BlobClient } from './client.ts';
import { inGroupOrder, lastFolderStart, openGroupStart, withDeletions, withImplied } from './groups.ts';
import { listPage, type ListedBlob } from './listing.ts';

export interface ScanPlace {
  readonly client: BlobClient;
  readonly container: string;
  /** Full prefix of the place. */
  readonly prefix: string;
  /** The service can begin a listing at a name. */
  readonly canSeek: boolean;
  readonly withVersions: boolean;
  /** The service lists by name and not folder by folder. */
  readonly isSorted: boolean;
}

/** `marker` asks for the page after; `after` is the last key that was given of that page. */
interface ScanCursor {
  readonly marker: string | null;
  readonly after: string | null;
}

export async function* scanBlobs(place: ScanPlace, range: ScanRange, signal: AbortSignal): AsyncGenerator<Page> {
  const { prefix, client, container, withVersions } = place;
  const listPrefix = prefix + narrowedPrefix(range);
  const startFrom = place.canSeek && range.from !== null ? asciiStart(prefix, range.from) : null;
  const stop = place.canSeek ? stopTest(range.to) : () => false;
  let cursor = parseCursor(range.resume);
  let { marker, after } = cursor;
  // What the next page may go on with is held back until all of it is there.
  let held: readonly ListedBlob[] = [];
  for (;;) {
    const query = { container, prefix: listPrefix, marker, startFrom, withVersions };
    const page = await listPage(client, query, signal).catch((thrown: unknown) => {
      throw marker === null ? thrown : cursorProblem(thrown);
    });
    const blobs = [...held, ...(after === null ? page.blobs : withoutSeen(page.blobs, after))];
    const isLast = page.nextMarker === null;
    const keep = isLast ? blobs.length : place.isSorted ? openGroupStart(blobs, withVersions) : lastFolderStart(blobs);
    if (keep === blobs.length) cursor = { marker: page.nextMarker, after: null };
    else if (keep >= held.length)
      cursor = { marker, after: keep > held.length ? (blobs[keep - 1]?.name ?? null) : after };
    held = blobs.slice(keep);
    const whole = blobs.slice(0, keep);
    const sorted = place.isSorted ? inGroupOrder(whole, withVersions) : withImplied(blobs).slice(0, keep);
    const given = withVersions ? withDeletions(sorted) : sorted;
    const entries: Entry[] = [];
    let isPast = false;
    for (const blob of given) {
      const entry = relative(blob, prefix);
      if (entry === null) continue;
      if (isWithin(entry.key, range.from, range.to)) entries.push(entry);
      else if (stop(entry.key)) isPast = true;
    }
    const complete = isLast || isPast;
    yield { entries, cursor: complete ? null : { ...cursor }, complete };
    if (complete) return;
    marker = page.nextMarker;
    after = null;
  }
}

/** Whole range below one folder: the service does the narrowing, whatever its order. */
function narrowedPrefix(range: ScanRange): string {
  return range.from !== null && range.from !== '' && range.to !== null && prefixEnd(range.from) === range.to
    ? range.from
    : '';
}

function asciiStart(prefix: string, from: string): string | null {
  const start = asciiHead(prefix + from);
  return start === '' ? null : start;
}

/** True for keys after which nothing of the range can come, in any order that agrees on ASCII. */
function stopTest(to: string | null): (key: string) => boolean {
  if (to === null) return () => false;
  const head = asciiHead(to);
  const bound = head === to ? to : prefixEnd(head);
  return bound === null ? () => false : (key) => compareKeys(key, bound) >= 0;
}

function relative(blob: ListedBlob, prefix: string): Entry | null {
  if (!blob.entry.key.startsWith(prefix)) return null;
  const key = blob.entry.key.slice(prefix.length);
  return key === '' ? null : { ...blob.entry, key };
}

function withoutSeen(blobs: readonly ListedBlob[], after: string): readonly ListedBlob[] {
  const last = blobs.findLastIndex((blob) => blob.name === after);
  if (last >= 0) return blobs.slice(last + 1);
  // It was removed meanwhile.
  return blobs.filter((blob) => compareKeys(blob.name, after) > 0);
}

/** A cursor that the service does not take any more is a listing that broke off, not a mistake in the request. */
function cursorProblem(thrown: unknown): unknown {
  if (!(thrown instanceof DroverError) || thrown.details?.['status'] !== 400) return thrown;
  return new DroverError('LISTING_INCOMPLETE', `The listing cannot go on where it was: ${thrown.message}`, {
    cause: thrown,
  });
}

function parseCursor(resume: Json | null): ScanCursor {
  if (resume === null) return { marker: null, after: null };
  const { marker, after } = resume as { marker?: unknown; after?: unknown };
  if ((marker !== null && typeof marker !== 'string') || (after !== null && typeof after !== 'string')) {
    throw new DroverError('INTERNAL', 'A listing cannot go on from a cursor that is not one of its own.');
  }
  return { marker, after };
}
