/** Walking through a bucket: current objects, or every version of them. */
import type { Page, ScanRange } from '../../contract/provider.ts';
import { entryOf } from '../../model/entry.ts';
import type { Entry } from '../../model/entry.ts';
import type { Json } from '../../model/json.ts';
import { compareKeys, isWithin, keyFromBytes, keyToBytes } from '../../model/key.ts';
import { keyParameter } from './address.ts';
import type { Query, S3Client } from './client.ts';
import { encryptionOfRead } from './encryption.ts';
import { isEncryptedApart } from './headers.ts';
import { broken, ListedItems, parseListing, parseVersions } from './listing.ts';
import type { EtagTrust, ListedPage, ListPlace } from './listing.ts';

const PAGE_KEYS = 1000;
const KEY_BYTES_MAX = 1024;

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

/**
 * `start-after` for a range. Where the order is not known to be that of bytes, nothing may be skipped that a store
 * sorts elsewhere: one that compares UTF-16 units has all characters above U+FFFF before U+E000.
 */
function startOf(place: ListPlace, range: ScanRange, isOrderKnown: boolean): string | null {
  const cursor = cursorOf(range.resume);
  if (cursor !== null) return place.prefix + cursor.after;
  if (range.from === null || range.from === '') return null;
  const at = isOrderKnown ? -1 : range.from.search(/[\ue000-\uffff]|\u{10000}/u);
  return keyBelow(place.prefix + (at < 0 ? range.from : `${range.from.slice(0, at)}\ue000`));
}

/** Whether nothing of `[…, to)` can come after this key, in the order of bytes or in that of UTF-16 units. */
function isPast(key: string, to: string, isOrderKnown: boolean): boolean {
  if (compareKeys(key, to) < 0) return false;
  if (isOrderKnown) return true;
  const at = to.search(/[\ud800-\udfff]/);
  return key >= to && (at < 0 || !key.startsWith(to.slice(0, at)));
}

/**
 * Entries within the range; `isPast` when its end was met. After a cursor the store itself goes on where it was: what
 * comes then counts, also where it stands before the cursor in the order of bytes. Who reads the pages notices that.
 */
function clip(
  entries: readonly Entry[],
  range: ScanRange,
  isOrderKnown: boolean,
): { readonly kept: Entry[]; readonly isPast: boolean } {
  const after = cursorOf(range.resume)?.after ?? null;
  const kept: Entry[] = [];
  for (const entry of entries) {
    if (range.to !== null && isPast(entry.key, range.to, isOrderKnown)) return { kept, isPast: true };
    if (entry.key !== after && isWithin(entry.key, range.from, range.to)) kept.push(entry);
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
  const start = startOf(place, range, client.isAmazon);
  let token: string | null = null;
  let last: Json = range.resume;
  for (;;) {
    const query: Query[number][] = [...listQuery(place.prefix)];
    if (token !== null) query.push(['continuation-token', token]);
    else if (start !== null) query.push(['start-after', keyParameter(start)]);
    const listed = await listOnce(client, place, query, trust, signal);
    const page = { ...listed, entries: await believed(client, place, listed.entries, trust, signal) };
    const { kept, isPast } = clip(page.entries, range, client.isAmazon);
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

/** Every version, oldest first inside a key. A key comes with all its versions (see `VERSIONS_MAX`) in one page. */
export async function* scanVersions(
  client: S3Client,
  place: ListPlace,
  range: ScanRange,
  trust: EtagTrust,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  let keyMarker = startOf(place, range, client.isAmazon);
  let versionMarker: string | null = null;
  let last: Json = range.resume;
  const turned = new OldestFirst();
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
    const ready = turned.take(page.entries, !page.isTruncated);
    const { kept, isPast } = clip(ready, range, client.isAmazon);
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

/**
 * Stores list the newest version first and copying begins with the oldest, so a key's versions are held until the last
 * of them came. Of a key with more than this (5 MB of them) the newest are given, and before them one opaque entry that
 * stands for all older ones.
 */
export const VERSIONS_MAX = 10_000;

/** Turns each key's versions round as soon as the key is finished; the last one may go on in the next page. */
export class OldestFirst {
  readonly #versionsMax: number;
  /** Newest first. */
  #versions: Entry[] = [];
  #hasOlder = false;

  constructor(versionsMax: number = VERSIONS_MAX) {
    this.#versionsMax = versionsMax;
  }

  /** What is complete now; after the last page that is everything. */
  take(listed: readonly Entry[], isLast: boolean): Entry[] {
    const ready: Entry[] = [];
    for (const entry of listed) {
      if (this.#versions.length > 0 && (this.#versions[0] as Entry).key !== entry.key) this.#finish(ready);
      if (this.#versions.length < this.#versionsMax) this.#versions.push(entry);
      else this.#hasOlder = true;
    }
    if (isLast) this.#finish(ready);
    return ready;
  }

  #finish(ready: Entry[]): void {
    const newest = this.#versions[0];
    if (newest === undefined) return;
    if (this.#hasOlder) ready.push(entryOf({ kind: 'opaque', nativeType: 'older-versions', key: newest.key }));
    for (const version of this.#versions.toReversed()) ready.push(version);
    this.#versions = [];
    this.#hasOlder = false;
  }
}
