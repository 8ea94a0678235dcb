/** Headers, metadata, tags and tiers: how they go out with a write and how they come back with a blob. */
import type { Digests } from '../../model/digest.ts';
import { entryOf, type Availability, type ContentHeaders, type Entry, type Properties } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import type { WriteOptions } from '../../contract/provider.ts';
import { base64ToHex, hexToBase64, reverseHexBytes } from '../../lib/encode.ts';
import { ACCESS_TIERS } from './fields.ts';
import { decodeMetadata, encodeMetadata, type MetadataRead } from './metadata.ts';
import { tagsHeader } from './tags.ts';

type Headers = Readonly<Record<string, string>>;

const WRITE_HEADERS: readonly (readonly [Exclude<keyof ContentHeaders, 'expires'>, string])[] = [
  ['contentType', 'x-ms-blob-content-type'],
  ['contentEncoding', 'x-ms-blob-content-encoding'],
  ['contentLanguage', 'x-ms-blob-content-language'],
  ['contentDisposition', 'x-ms-blob-content-disposition'],
  ['cacheControl', 'x-ms-blob-cache-control'],
];
const READ_HEADERS: readonly (readonly [Exclude<keyof ContentHeaders, 'expires'>, string])[] = [
  ['contentType', 'content-type'],
  ['contentEncoding', 'content-encoding'],
  ['contentLanguage', 'content-language'],
  ['contentDisposition', 'content-disposition'],
  ['cacheControl', 'cache-control'],
];
/** What the service says of a blob that was written without a type. */
export const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

export interface PropertyHeaders {
  readonly headers: Record<string, string>;
  /** The `x-ms-tags` header, apart because a refused tag must not fail the write. */
  readonly tags: string | null;
  readonly losses: string[];
}

/** Everything beside the bytes, for Put Blob and Put Block List. */
export function propertyHeaders(
  options: Pick<WriteOptions, 'properties' | 'recorded' | 'storageClass' | 'kind'>,
  settings: { readonly upload: string | null; readonly defaultTier: string | null; readonly keepsTags: boolean },
): PropertyHeaders {
  const { properties } = options;
  const headers = contentHeaders(properties.headers);
  const losses: string[] = [];
  for (const [field, name] of WRITE_HEADERS) {
    const value = properties.headers[field];
    if (value !== undefined && headers[name] !== undefined && headers[name] !== value) {
      losses.push(
        `The header ${name.slice('x-ms-blob-'.length)} was changed to "${headers[name]}": headers are ASCII.`,
      );
    }
  }
  const metadata = encodeMetadata({
    metadata: properties.metadata,
    expires: properties.headers.expires ?? null,
    recorded: options.recorded,
    upload: settings.upload,
    isFolder: options.kind === 'folder',
  });
  for (const [name, value] of Object.entries(metadata.entries)) headers[`x-ms-meta-${name}`] = value;
  losses.push(...metadata.losses);
  const tier = options.storageClass ?? settings.defaultTier;
  if (tier !== null && options.kind === 'object') headers['x-ms-access-tier'] = checkedTier(tier);
  let tags: string | null = null;
  if (properties.tags !== null && Object.keys(properties.tags).length > 0) {
    if (settings.keepsTags) {
      const made = tagsHeader(properties.tags);
      tags = made.header;
      losses.push(...made.losses);
    } else {
      losses.push('The tags were left out: this account has a hierarchical namespace, which keeps no tags.');
    }
  }
  return { headers, tags, losses };
}

/** The headers of Set Blob Properties; what is left out is cleared by the service. */
export function contentHeaders(given: ContentHeaders): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [field, name] of WRITE_HEADERS) {
    const value = given[field];
    if (value !== undefined && value !== '') headers[name] = headerText(value);
  }
  return headers;
}

/** Properties from the answer to a GET or HEAD. */
export function readProperties(headers: Headers): Properties {
  const read = readMetadata(headers);
  const content: { -readonly [K in keyof ContentHeaders]: ContentHeaders[K] } = {};
  for (const [field, name] of READ_HEADERS) {
    const value = headers[name];
    if (value !== undefined && value !== '') content[field] = value;
  }
  if (read.expires !== null) content.expires = read.expires;
  const tagCount = headers['x-ms-tag-count'];
  return {
    headers: content,
    metadata: read.metadata,
    tags: null,
    tagCount: tagCount === undefined ? 0 : Number(tagCount),
    missingMetadata: 0,
  };
}

export function rawMetadata(headers: Headers): Record<string, string> {
  const raw: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('x-ms-meta-')) raw.push([name.slice('x-ms-meta-'.length), value]);
  }
  return Object.fromEntries(raw);
}

export function readMetadata(headers: Headers): MetadataRead {
  return decodeMetadata(rawMetadata(headers));
}

/** An entry from the answer to a GET or HEAD. `pinsVersions`: the identity also names the version. */
export function entryFromHeaders(key: string, headers: Headers, pinsVersions: boolean): Entry {
  const read = readMetadata(headers);
  const isFolder = read.isFolder || headers['x-ms-resource-type'] === 'directory';
  const range = /^bytes (?:\d+-\d+|\*)\/(\d+)$/.exec(headers['content-range'] ?? '');
  return entryOf({
    kind: isFolder ? 'folder' : 'object',
    key: isFolder && !key.endsWith('/') ? `${key}/` : key,
    sizeBytes: isFolder ? 0 : Number(range?.[1] ?? headers['content-length'] ?? 0),
    modifiedAtMs: instant(headers['last-modified']),
    identity: {
      etag: unquoted(headers['etag'] ?? null),
      versionId: pinsVersions ? (headers['x-ms-version-id'] ?? null) : null,
    },
    digests: isFolder ? {} : md5Digests(range === null ? headers['content-md5'] : headers['x-ms-blob-content-md5']),
    storageClass: isFolder ? null : (headers['x-ms-access-tier'] ?? null),
    availability: availabilityOf(headers['x-ms-access-tier'], headers['x-ms-archive-status']),
    recorded: read.recorded,
  });
}

export function availabilityOf(tier: string | undefined, archiveStatus: string | undefined): Availability {
  if (archiveStatus !== undefined && archiveStatus.startsWith('rehydrate-pending')) return 'restoring';
  return tier === 'Archive' ? 'archived' : 'online';
}

/** The MD5 the service keeps. For blobs of several blocks it is what their writer claimed: the service's statement still. */
export function md5Digests(base64: string | null | undefined): Digests {
  if (base64 === null || base64 === undefined || !/^[A-Za-z0-9+/]{22}==$/.test(base64)) return {};
  return { md5: base64ToHex(base64) };
}

/** The service writes its CRC-64 least significant byte first. */
export function crc64ToWire(hex: string): string {
  return hexToBase64(reverseHexBytes(hex));
}

export function crc64FromWire(base64: string | undefined): string | null {
  if (base64 === undefined || !/^[A-Za-z0-9+/]{11}=$/.test(base64)) return null;
  return reverseHexBytes(base64ToHex(base64));
}

export function quoted(etag: string): string {
  return `"${etag}"`;
}

export function unquoted(etag: string | null): string | null {
  if (etag === null || etag === '') return null;
  return etag.replace(/^"|"$/g, '');
}

export function instant(text: string | null | undefined): number | null {
  const timeMs = Date.parse(text ?? '');
  return Number.isNaN(timeMs) ? null : timeMs;
}

function checkedTier(tier: string): string {
  const known = ACCESS_TIERS.find((name) => name.toLowerCase() === tier.toLowerCase());
  if (known !== undefined) return known;
  throw new DroverError('INVALID_INPUT', `"${tier}" is not an access tier; the tiers are ${ACCESS_TIERS.join(', ')}.`, {
    field: 'accessTier',
  });
}

/** Header values are ASCII: other characters are percent-encoded, and what gives the header its form stays. */
function headerText(value: string): string {
  const flat = value.replace(/[\r\n\t]+/g, ' ').trim();
  return flat.toWellFormed().replace(/[^\x20-\x7e]+/g, encodeURIComponent);
}
