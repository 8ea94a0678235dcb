/** Listings: what the documents say, and walking through them in key order. */
import type { Page, ScanRange } from '../../contract/provider.ts';
import { child, childText, children } from '../../lib/xml.ts';
import type { ItemVisitor, XmlElement } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import { entryOf } from '../../model/entry.ts';
import type { Entry } from '../../model/entry.ts';
import { compareKeys, keyFromBytes, keyToBytes } from '../../model/key.ts';
import type { Json } from '../../model/json.ts';
import { keyParameter } from './address.ts';
import type { Query, S3Client } from './client.ts';
import { encryptionOfRead } from './encryption.ts';
import {
  availabilityOf,
  compositeOfEtag,
  digestsOfEtag,
  isEncryptedApart,
  plainEtag,
  wholeSeconds,
} from './headers.ts';

const PAGE_KEYS = 1000;
const KEY_BYTES_MAX = 1024;

export interface ListedPage {
  readonly entries: readonly Entry[];
  readonly prefixes: readonly string[];
  readonly isTruncated: boolean;
  readonly token: string | null;
}

export interface ListPlace {
  readonly bucket: string;
  readonly prefix: string;
}

/** What a listing is allowed to conclude from ETags; turned off once objects with other ETags were seen. */
export interface EtagTrust {
  isMd5: boolean;
  /** Whether an object was looked at before a listing was believed. */
  isSampled?: boolean;
}

/** A key as `encoding-type=url` writes it: percent escapes of any bytes, and `+` for a space. */
export function decodeListedKey(text: string, isEncoded: boolean): string {
  if (!isEncoded) return text;
  if (!/[%+]/.test(text)) return text;
  const raw = Buffer.from(text.replaceAll('+', ' '), 'utf8');
  const bytes = Buffer.alloc(raw.length);
  let length = 0;
  for (let i = 0; i < raw.length; i++) {
    const hex = raw[i] === 0x25 ? raw.toString('latin1', i + 1, i + 3) : '';
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      bytes[length++] = Number.parseInt(hex, 16);
      i += 2;
    } else {
      bytes[length++] = raw[i] as number;
    }
  }
  return keyFromBytes(bytes.subarray(0, length));
}

/** Turns the items of a listing into entries while it is read. Their keys stay as written until `parseListing`. */
export class ListedItems implements ItemVisitor {
  readonly name = 'Contents';
  readonly entries: Entry[] = [];
  readonly #trust: EtagTrust;
  readonly #nowMs: number;

  constructor(trust: EtagTrust, nowMs: number) {
    this.#trust = trust;
    this.#nowMs = nowMs;
  }

  visit(element: XmlElement): void {
    this.entries.push(entryOfElement(element, this.#trust, this.#nowMs));
  }
}

/** ListObjectsV2. Keys become relative to `prefix`. A document without its own end is no page. */
export function parseListing(root: XmlElement, prefix: string, items: ListedItems): ListedPage {
  const isTruncated = flagOf(root, 'IsTruncated');
  const token = childText(root, 'NextContinuationToken') || null;
  if (root.name !== 'ListBucketResult' || isTruncated === null || (isTruncated && token === null)) throw broken();
  // Some stores say at the end how keys are written, so they are decoded only here, in place.
  const isEncoded = childText(root, 'EncodingType') === 'url';
  for (const entry of items.entries as { key: string; kind: Entry['kind']; sizeBytes: number }[]) {
    entry.key = relativeKey(decodeListedKey(entry.key, isEncoded), prefix);
    if (entry.sizeBytes === 0 && entry.key.endsWith('/')) entry.kind = 'folder';
  }
  const prefixes = children(root, 'CommonPrefixes').map((element) =>
    relativeKey(decodeListedKey(childText(element, 'Prefix') ?? '', isEncoded), prefix),
  );
  return { entries: items.entries, prefixes, isTruncated, token };
}

/** The key is still as the store wrote it. */
function entryOfElement(element: XmlElement, trust: EtagTrust, nowMs: number): Entry {
  const key = childText(element, 'Key');
  const sizeText = childText(element, 'Size');
  if (key === null || sizeText === null || !/^\d+$/.test(sizeText)) throw broken();
  const etag = plainEtag(childText(element, 'ETag'));
  const storageClass = childText(element, 'StorageClass') || 'STANDARD';
  return entryOf({
    key,
    sizeBytes: Number(sizeText),
    modifiedAtMs: wholeSeconds(Date.parse(childText(element, 'LastModified') ?? '')),
    identity: { etag, versionId: childText(element, 'VersionId') },
    digests: digestsOfEtag(etag, !trust.isMd5),
    composite: compositeOfEtag(etag, !trust.isMd5),
    storageClass,
    availability: availabilityOf(storageClass, restoreOfElement(element), null, nowMs),
  });
}

function restoreOfElement(element: XmlElement): { ongoing: boolean; expiresAtMs: number | null } | null {
  const status = child(element, 'RestoreStatus');
  if (status === null) return null;
  const expiresAtMs = Date.parse(childText(status, 'RestoreExpiryDate') ?? '');
  const ongoing = childText(status, 'IsRestoreInProgress') === 'true';
  if (!ongoing && Number.isNaN(expiresAtMs)) return null;
  return { ongoing, expiresAtMs: Number.isNaN(expiresAtMs) ? null : expiresAtMs };
}

export interface VersionsPage {
  /** In the answer's order: keys ascending, newest first inside a key. */
  readonly entries: readonly Entry[];
  readonly isTruncated: boolean;
  readonly keyMarker: string | null;
  readonly versionMarker: string | null;
}

/** ListObjectVersions. A delete marker is an opaque entry without content. */
export function parseVersions(root: XmlElement, prefix: string, trust: EtagTrust, nowMs: number): VersionsPage {
  const isTruncated = flagOf(root, 'IsTruncated');
  if (!/^List(Object)?VersionsResult$/.test(root.name) || isTruncated === null) throw broken();
  const isEncoded = childText(root, 'EncodingType') === 'url';
  const next = childText(root, 'NextKeyMarker');
  if (isTruncated && !next) throw broken();
  const entries: Entry[] = [];
  for (const element of root.children) {
    if (element.name === 'Version') {
      const listed = entryOfElement(element, trust, nowMs);
      const key = relativeKey(decodeListedKey(listed.key, isEncoded), prefix);
      const isFolder = listed.sizeBytes === 0 && key.endsWith('/');
      entries.push({ ...listed, key, kind: isFolder ? 'folder' : 'object' });
    } else if (element.name === 'DeleteMarker') {
      entries.push(markerOfElement(element, prefix, isEncoded));
    }
  }
  return {
    entries,
    isTruncated,
    keyMarker: next === null || next === '' ? null : decodeListedKey(next, isEncoded),
    versionMarker: childText(root, 'NextVersionIdMarker') || null,
  };
}

function markerOfElement(element: XmlElement, prefix: string, isEncoded: boolean): Entry {
  const text = childText(element, 'Key');
  if (text === null) throw broken();
  return entryOf({
    kind: 'opaque',
    nativeType: 'delete-marker',
    key: relativeKey(decodeListedKey(text, isEncoded), prefix),
    modifiedAtMs: wholeSeconds(Date.parse(childText(element, 'LastModified') ?? '')),
    identity: { etag: null, versionId: childText(element, 'VersionId') },
  });
}

function relativeKey(fullKey: string, prefix: string): string {
  if (!fullKey.startsWith(prefix)) throw broken();
  return fullKey.slice(prefix.length);
}

function flagOf(root: XmlElement, name: string): boolean | null {
  const text = childText(root, name);
  return text === 'true' ? true : text === 'false' ? false : null;
}

function broken(): DroverError {
  return new DroverError('UNAVAILABLE', 'The store sent a listing that is not complete in itself; it is asked again.');
}

/**
 * `start-after` excludes the key it names, our ranges include it. This is a key below `from` with nothing, or next to
 * nothing, in between: the last character is lowered by one and followed by characters that sort above all others.
 * What is still below `from` in the answer is dropped by the reader. `null`: begin at the beginning.
 */
export function keyBelow(from: string): string | null {
  if (from === '') return null;
  if (from.endsWith('\u0000')) return from.slice(0, -1) || null;
  const characters = Array.from(from);
  const last = (characters.pop() as string).codePointAt(0) as number;
  const head = characters.join('');
  if (last >= 0xd800 && last <= 0xdfff) {
    const bytes = Buffer.from(keyToBytes(from));
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) - 1;
    return keyFromBytes(bytes);
  }
  const lower = head + String.fromCodePoint(last === 0xe000 ? 0xd7ff : last - 1);
  const padded = `${lower}\u{10ffff}\u{10ffff}`;
  return Buffer.byteLength(padded, 'utf8') <= KEY_BYTES_MAX ? padded : lower;
}

/** Where the listing continues: after this key, relative to the place. */
interface Cursor {
  readonly after: string;
}

function cursorOf(resume: Json | null): Cursor | null {
  if (resume === null || typeof resume !== 'object' || Array.isArray(resume)) return null;
  const { after } = resume as { after?: Json };
  return typeof after === 'string' ? { after } : null;
}

function startOf(place: ListPlace, range: ScanRange): string | null {
  const cursor = cursorOf(range.resume);
  if (cursor !== null) return place.prefix + cursor.after;
  return range.from === null || range.from === '' ? null : keyBelow(place.prefix + range.from);
}

/** Entries within the range; `isPast` when the end of the range was met. */
function clip(entries: readonly Entry[], range: ScanRange): { kept: Entry[]; isPast: boolean } {
  const after = cursorOf(range.resume)?.after ?? null;
  const kept: Entry[] = [];
  for (const entry of entries) {
    if (range.to !== null && compareKeys(entry.key, range.to) >= 0) return { kept, isPast: true };
    const isBefore = range.from !== null && compareKeys(entry.key, range.from) < 0;
    if (!isBefore && (after === null || compareKeys(entry.key, after) > 0)) kept.push(entry);
  }
  return { kept, isPast: false };
}

/** Current objects, in the order the store lists them. */
export async function* scanCurrent(
  client: S3Client,
  place: ListPlace,
  range: ScanRange,
  trust: EtagTrust,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  const start = startOf(place, range);
  let token: string | null = null;
  let last: Json = range.resume;
  for (;;) {
    const query: Query[number][] = [...listQuery(place.prefix)];
    if (token !== null) query.push(['continuation-token', token]);
    else if (start !== null) query.push(['start-after', keyParameter(start)]);
    const listed = await listOnce(client, place, query, trust, signal);
    const page = { ...listed, entries: await believed(client, place, listed.entries, trust, signal) };
    const { kept, isPast } = clip(page.entries, range);
    const final = page.entries.at(-1);
    if (final !== undefined) last = { after: final.key };
    const complete = isPast || !page.isTruncated;
    yield { entries: kept, cursor: last, complete };
    if (complete) return;
    if (page.token === token) throw broken();
    token = page.token;
  }
}

/**
 * Listings do not tell how objects are encrypted, and the ETag of one that a KMS key encrypts looks like an MD5 too. At
 * Amazon, where buckets encrypt by default, the first such object is looked at: what it shows holds for the place.
 */
async function believed(
  client: S3Client,
  place: ListPlace,
  entries: readonly Entry[],
  trust: EtagTrust,
  signal: AbortSignal,
): Promise<readonly Entry[]> {
  const sample = entries.find((entry) => entry.digests.md5 !== undefined || entry.composite !== null);
  if (!client.isAmazon || trust.isSampled === true || !trust.isMd5 || sample === undefined) return entries;
  trust.isSampled = true;
  try {
    const { headers } = await client.run({
      method: 'HEAD',
      bucket: place.bucket,
      key: place.prefix + sample.key,
      name: sample.key,
      headers: encryptionOfRead(client.settings),
      operation: 'HEAD',
      signal,
      accept: [400, 403, 404],
    });
    if (!isEncryptedApart(headers)) return entries;
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    // The listing itself is fine; without the sample it is believed as before.
    return entries;
  }
  trust.isMd5 = false;
  return entries.map((entry) => ({ ...entry, digests: {}, composite: null }));
}

function listQuery(prefix: string): Query {
  const query: Query[number][] = [
    ['list-type', '2'],
    ['encoding-type', 'url'],
    ['max-keys', String(PAGE_KEYS)],
  ];
  if (prefix !== '') query.push(['prefix', keyParameter(prefix)]);
  return query;
}

export async function listOnce(
  client: S3Client,
  place: ListPlace,
  query: Query,
  trust: EtagTrust,
  signal: AbortSignal,
): Promise<ListedPage> {
  const items = new ListedItems(trust, client.time.now());
  const request = {
    method: 'GET',
    bucket: place.bucket,
    key: null,
    query,
    headers: { 'x-amz-optional-object-attributes': 'RestoreStatus' },
    operation: 'LIST',
    signal,
  } as const;
  const { root } = await client.document(request, items);
  return parseListing(root, place.prefix, items);
}

/** Every version, oldest first inside a key. A key comes with all its versions in one page. */
export async function* scanVersions(
  client: S3Client,
  place: ListPlace,
  range: ScanRange,
  trust: EtagTrust,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  let keyMarker = startOf(place, range);
  let versionMarker: string | null = null;
  let last: Json = range.resume;
  let held: Entry[] = [];
  for (;;) {
    const query: Query[number][] = [
      ['versions', ''],
      ['encoding-type', 'url'],
      ['max-keys', String(PAGE_KEYS)],
    ];
    if (place.prefix !== '') query.push(['prefix', keyParameter(place.prefix)]);
    if (keyMarker !== null) query.push(['key-marker', keyParameter(keyMarker)]);
    if (versionMarker !== null) query.push(['version-id-marker', versionMarker]);
    const { root } = await client.document({
      method: 'GET',
      bucket: place.bucket,
      key: null,
      query,
      headers: { 'x-amz-optional-object-attributes': 'RestoreStatus' },
      operation: 'LIST',
      signal,
    });
    const page = parseVersions(root, place.prefix, trust, client.time.now());
    const { ready, rest } = byKeyOldestFirst([...held, ...page.entries], !page.isTruncated);
    held = rest;
    const { kept, isPast } = clip(ready, range);
    const final = ready.at(-1);
    if (final !== undefined) last = { after: final.key };
    const complete = isPast || !page.isTruncated;
    yield { entries: kept, cursor: last, complete };
    if (complete) return;
    if (page.keyMarker === keyMarker && page.versionMarker === versionMarker) throw broken();
    keyMarker = page.keyMarker;
    versionMarker = page.versionMarker;
  }
}

/** Turns each finished key's versions round; the last key may go on in the next page. */
export function byKeyOldestFirst(entries: readonly Entry[], isLast: boolean): { ready: Entry[]; rest: Entry[] } {
  const ready: Entry[] = [];
  let group: Entry[] = [];
  for (const entry of entries) {
    if (group.length > 0 && (group[0] as Entry).key !== entry.key) {
      for (const version of group.toReversed()) ready.push(version);
      group = [];
    }
    group.push(entry);
  }
  if (!isLast) return { ready, rest: group };
  for (const version of group.toReversed()) ready.push(version);
  return { ready, rest: [] };
}
