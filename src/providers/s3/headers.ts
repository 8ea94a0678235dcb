/** Headers of S3 to our properties, digests and entries, and back. Pure. */
import { base64ToHex, hexToBase64 } from '../../lib/encode.ts';
import type { Availability, ContentHeaders, Entry, Properties } from '../../model/entry.ts';
import { entryOf } from '../../model/entry.ts';
import { DIGEST_KINDS } from '../../model/digest.ts';
import type { CompositeDigest, DigestKind, Digests } from '../../model/digest.ts';

export type Headers = Readonly<Record<string, string>>;

export const METADATA_BYTES_MAX = 2048;
export const TAGS_MAX = 10;

/** Without quotes and without the mark of a weak one. */
export function plainEtag(header: string | undefined | null): string | null {
  if (header === undefined || header === null || header === '') return null;
  return header.replace(/^W\//, '').replace(/^"|"$/g, '');
}

/** An ETag says MD5 only when it has its shape and nothing is known to make it something else. */
export function digestsOfEtag(etag: string | null, isEncryptedApart: boolean): Digests {
  return etag !== null && !isEncryptedApart && /^[0-9a-f]{32}$/i.test(etag) ? { md5: etag.toLowerCase() } : {};
}

/** The same for uploads in parts: `isEncryptedApart` makes their ETag a digest of nothing that anybody else knows. */
export function compositeOfEtag(etag: string | null, isEncryptedApart: boolean): CompositeDigest | null {
  const match = isEncryptedApart ? null : /^([0-9a-f]{32})-([1-9]\d{0,5})$/i.exec(etag ?? '');
  return match ? { kind: 'md5', value: (match[1] as string).toLowerCase(), partCount: Number(match[2]) } : null;
}

/** True when the ETag of this object is not made from its bytes: KMS and customer keys. */
export function isEncryptedApart(headers: Headers): boolean {
  const how = headers['x-amz-server-side-encryption'] ?? '';
  return how.startsWith('aws:') || headers['x-amz-server-side-encryption-customer-algorithm'] !== undefined;
}

/**
 * Digests of the whole content from `x-amz-checksum-*`; those over part digests are left out. A range that happens to
 * be one part is answered with the checksum of that part, also where the type says that the object has one of its own.
 */
export function digestsOfHeaders(headers: Headers, isWholeObject: boolean): Digests {
  if (!isWholeObject || headers['x-amz-checksum-type'] === 'COMPOSITE') return {};
  const digests: { [K in DigestKind]?: string } = {};
  for (const kind of DIGEST_KINDS) {
    const hex = hexOfChecksum(headers[`x-amz-checksum-${kind}`]);
    if (hex !== null) digests[kind] = hex;
  }
  return digests;
}

/** `null` for nothing, for digests over parts (`…-3`) and for what is not base64. */
export function hexOfChecksum(base64: string | null | undefined): string | null {
  if (base64 === undefined || base64 === null || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return null;
  return base64ToHex(base64);
}

export function checksumHeader(kind: DigestKind, hex: string): [string, string] {
  return [`x-amz-checksum-${kind}`, hexToBase64(hex)];
}

/** Listings tell milliseconds, answers only seconds: the coarser grid makes both agree. */
export function wholeSeconds(atMs: number): number | null {
  return Number.isFinite(atMs) ? Math.floor(atMs / 1000) * 1000 : null;
}

/** Those of Amazon S3. Compatible stores may have others. */
export const STORAGE_CLASSES: readonly string[] = [
  'STANDARD',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
  'REDUCED_REDUNDANCY',
];
const ARCHIVE_CLASSES = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** From the class and what is told about a restore. An expired restore is archived again. */
export function availabilityOf(
  storageClass: string | null,
  restore: { ongoing: boolean; expiresAtMs: number | null } | null,
  archiveStatus: string | null,
  nowMs: number,
): Availability {
  const isArchived = ARCHIVE_CLASSES.has(storageClass ?? '') || archiveStatus !== null;
  if (!isArchived) return 'online';
  if (restore === null) return 'archived';
  if (restore.ongoing) return 'restoring';
  return restore.expiresAtMs === null || restore.expiresAtMs > nowMs ? 'online' : 'archived';
}

/** `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`. */
export function restoreOfHeader(header: string | undefined): { ongoing: boolean; expiresAtMs: number | null } | null {
  if (header === undefined || header === '') return null;
  const expiry = /expiry-date="([^"]+)"/.exec(header)?.[1];
  const atMs = expiry === undefined ? Number.NaN : Date.parse(expiry);
  return { ongoing: /ongoing-request="true"/.test(header), expiresAtMs: Number.isNaN(atMs) ? null : atMs };
}

/** What the headers of HEAD or GET tell about an object. `isWholeObject`: the answer is not a range. */
export function entryOfHeaders(
  key: string,
  headers: Headers,
  given: { sizeBytes: number; isWholeObject: boolean; pinsVersions: boolean; nowMs: number },
): Entry {
  const etag = plainEtag(headers['etag']);
  const storageClass = headers['x-amz-storage-class'] ?? 'STANDARD';
  const restore = restoreOfHeader(headers['x-amz-restore']);
  return entryOf({
    kind: key.endsWith('/') && given.sizeBytes === 0 ? 'folder' : 'object',
    key,
    sizeBytes: given.sizeBytes,
    modifiedAtMs: wholeSeconds(Date.parse(headers['last-modified'] ?? '')),
    identity: { etag, versionId: given.pinsVersions ? (headers['x-amz-version-id'] ?? null) : null },
    digests: {
      ...digestsOfEtag(etag, isEncryptedApart(headers)),
      ...digestsOfHeaders(headers, given.isWholeObject),
    },
    composite: compositeOfEtag(etag, isEncryptedApart(headers)),
    storageClass,
    availability: availabilityOf(storageClass, restore, headers['x-amz-archive-status'] ?? null, given.nowMs),
  });
}

const CONTENT_HEADERS: readonly (readonly [keyof ContentHeaders, string])[] = [
  ['contentType', 'content-type'],
  ['contentEncoding', 'content-encoding'],
  ['contentLanguage', 'content-language'],
  ['contentDisposition', 'content-disposition'],
  ['cacheControl', 'cache-control'],
  ['expires', 'expires'],
  ['websiteRedirect', 'x-amz-website-redirect-location'],
];

export function propertiesOfHeaders(headers: Headers): Properties {
  const content: { -readonly [K in keyof ContentHeaders]: string } = {};
  for (const [name, wire] of CONTENT_HEADERS) {
    const value = headers[wire];
    if (value !== undefined && value !== '') content[name] = unicodeOf(value);
  }
  const metadata: Record<string, string> = {};
  for (const [wire, value] of Object.entries(headers)) {
    if (wire.startsWith('x-amz-meta-')) metadata[wire.slice('x-amz-meta-'.length)] = decodeMetadata(value);
  }
  const tagCount = headers['x-amz-tagging-count'];
  return {
    headers: content,
    metadata,
    tags: null,
    // The header is left out when there are none, and also when the right to see it is missing.
    // Stores tell the number only where there are tags (AWS as documented, Ceph RGW as observed).
    tagCount: tagCount === undefined ? 0 : Number(tagCount),
    missingMetadata: Number(headers['x-amz-missing-meta'] ?? 0),
    ...locksOfHeaders(headers),
  };
}

/** Locks are told only to those who may see them; copying one would need rights that nobody expects of a copy. */
function locksOfHeaders(headers: Headers): Pick<Properties, 'staysBehind'> {
  const staysBehind: string[] = [];
  const mode = headers['x-amz-object-lock-mode'];
  if (mode !== undefined) {
    const until = headers['x-amz-object-lock-retain-until-date'] ?? 'an unknown time';
    staysBehind.push(`Its Object Lock (${mode} until ${until}) was not carried over.`);
  }
  if (headers['x-amz-object-lock-legal-hold'] === 'ON') staysBehind.push('Its legal hold was not carried over.');
  return staysBehind.length === 0 ? {} : { staysBehind };
}

/** Headers of a write for these properties, and one sentence for each thing that does not fit. */
export function headersOfProperties(
  properties: Properties,
  names: 'kept' | 'folded' | 'unknown',
): { headers: Record<string, string>; losses: string[] } {
  const headers: Record<string, string> = {};
  const losses: string[] = [];
  for (const [name, wire] of CONTENT_HEADERS) {
    const value = properties.headers[name];
    if (value === undefined) continue;
    if (isPlain(value)) headers[wire] = value;
    else losses.push(`The header ${wire} holds characters that S3 cannot take; it was left out.`);
  }
  if (properties.missingMetadata > 0) {
    losses.push(`The source could not send ${properties.missingMetadata} metadata entries; they are not copied.`);
  }
  addMetadata(properties.metadata, names === 'folded', headers, losses);
  if (properties.tags !== null && Object.keys(properties.tags).length > 0) {
    headers['x-amz-tagging'] = taggingHeader(properties.tags, losses);
  }
  return { headers, losses };
}

function addMetadata(
  metadata: Readonly<Record<string, string>>,
  isFolded: boolean,
  headers: Record<string, string>,
  losses: string[],
): void {
  const folded = new Set<string>();
  const taken = new Set<string>();
  let bytes = 0;
  for (const name of Object.keys(metadata).toSorted()) {
    const value = metadata[name] as string;
    const sizeBytes = Buffer.byteLength(name) + Buffer.byteLength(value);
    const flat = name.toLowerCase().replaceAll('_', '-');
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
      losses.push(`The metadata name "${name}" cannot stand in a header; the entry was left out.`);
    } else if (taken.has(name.toLowerCase())) {
      losses.push(`S3 tells metadata names not apart by their case; the entry "${name}" was left out.`);
    } else if (isFolded && folded.has(flat)) {
      losses.push(`The store does not tell the metadata name "${name}" from another one; the entry was left out.`);
    } else if (bytes + sizeBytes > METADATA_BYTES_MAX) {
      losses.push(`The metadata entry "${name}" is beyond the 2 KB that S3 keeps; it was left out.`);
    } else {
      bytes += sizeBytes;
      taken.add(name.toLowerCase());
      headers[`x-amz-meta-${name.toLowerCase()}`] = encodeMetadata(value);
      if (isFolded && name.includes('_')) losses.push(`The store keeps the metadata name "${name}" as "${flat}".`);
    }
    folded.add(flat);
  }
}

/** Whether two names of this metadata are the same once `_` and `-` are not told apart. */
export function hasCollidingNames(metadata: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(metadata);
  return new Set(names.map((name) => name.toLowerCase().replaceAll('_', '-'))).size < names.length;
}

/** The ten tags that S3 keeps, as `x-amz-tagging` wants them. */
export function taggingHeader(tags: Readonly<Record<string, string>>, losses: string[]): string {
  const kept = keptTags(tags, losses);
  return kept.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
}

export function keptTags(tags: Readonly<Record<string, string>>, losses: string[]): (readonly [string, string])[] {
  const kept: (readonly [string, string])[] = [];
  for (const name of Object.keys(tags).toSorted()) {
    const value = tags[name] as string;
    const fits = name.length > 0 && name.length <= 128 && value.length <= 256 && !/^aws:/i.test(name);
    if (kept.length < TAGS_MAX && fits) kept.push([name, value]);
    else losses.push(`The tag "${name}" is beyond what S3 keeps (10 tags, 128 and 256 characters); it was left out.`);
  }
  return kept;
}

function isPlain(value: string): boolean {
  return /^[\u0020-\u007e]*$/.test(value);
}

/** As an RFC 2047 encoded word where a header could not carry the value unchanged. */
export function encodeMetadata(value: string): string {
  if (isPlain(value) && value.trim() === value && !value.includes('  ') && !value.includes('=?')) return value;
  return `=?UTF-8?B?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}

const ENCODED_WORD = /=\?([A-Za-z0-9-]+)(?:\*[A-Za-z-]+)?\?([BbQq])\?([^?\s]*)\?=/g;

/** Undoes RFC 2047; space between two encoded words is no part of the value. */
export function decodeMetadata(value: string): string {
  const text = unicodeOf(value);
  if (!text.includes('=?')) return text;
  const joined = text.replaceAll(/(\?=)\s+(?==\?[A-Za-z0-9-]+\?[BbQq]\?)/g, '$1');
  let result = '';
  let from = 0;
  let pending: Buffer[] = [];
  let pendingCharset = '';
  // Neighbouring words are decoded together: a character may be cut between two of them.
  const flush = () => {
    if (pending.length > 0) result += decodeBytes(Buffer.concat(pending), pendingCharset);
    pending = [];
  };
  for (const match of joined.matchAll(ENCODED_WORD)) {
    const charset = (match[1] as string).toLowerCase();
    if (match.index > from || charset !== pendingCharset) flush();
    result += joined.slice(from, match.index);
    pendingCharset = charset;
    pending.push(
      match[2] === 'B' || match[2] === 'b' ? Buffer.from(match[3] as string, 'base64') : quoted(match[3] as string),
    );
    from = match.index + match[0].length;
  }
  flush();
  return result + joined.slice(from);
}

function quoted(text: string): Buffer {
  const latin = text
    .replaceAll('_', ' ')
    .replaceAll(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(latin, 'latin1');
}

function decodeBytes(bytes: Buffer, charset: string): string {
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

/** Header text arrives as Latin-1; stores that send raw UTF-8 are understood too. */
function unicodeOf(value: string): string {
  if (isPlain(value)) return value;
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0xff) return value;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}
