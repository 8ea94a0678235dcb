/** Listings: what the documents say. */
import { child, childText, children } from '../../lib/xml.ts';
import type { ItemVisitor, XmlElement } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import { entryOf } from '../../model/entry.ts';
import type { Entry } from '../../model/entry.ts';
import { keyFromBytes } from '../../model/key.ts';
import { availabilityOf, compositeOfEtag, digestsOfEtag, plainEtag, wholeSeconds } from './headers.ts';

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

export function broken(): DroverError {
  return new DroverError('UNAVAILABLE', 'The store sent a listing that is not complete in itself; it is asked again.');
}
