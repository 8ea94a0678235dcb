/** Headers of requests as properties, metadata, tags and tier of a blob, and back. */

import { decodeForm } from '../http.ts';
import { AzureError } from './error.ts';
import type { AzureCall, Blob, BlobCall } from './state.ts';

const PROPERTIES = ['content-type', 'content-encoding', 'content-language', 'content-disposition', 'cache-control'];
const METADATA_BYTES_MAX = 8 * 1024;
export const TIERS = ['Hot', 'Cool', 'Cold', 'Archive'];

export interface BlobAttributes {
  readonly properties: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: ReadonlyMap<string, string>;
  readonly tier: string | null;
  readonly contentMd5: string | null;
}

/** `plain`: the ordinary names (`content-type`) count too, as on Put Blob. */
export function attributesFrom(call: BlobCall, plain: boolean): BlobAttributes {
  const properties: Record<string, string> = {};
  for (const name of PROPERTIES) {
    const value = call.headers[`x-ms-blob-${name}`] ?? (plain ? call.headers[name] : undefined);
    if (value !== undefined && value !== '') properties[name] = value;
  }
  properties['content-type'] ??= 'application/octet-stream';
  const contentMd5 = call.headers['x-ms-blob-content-md5'] ?? null;
  if (contentMd5 !== null && Buffer.from(contentMd5, 'base64').length !== 16) {
    throw new AzureError(
      'InvalidMd5',
      'The MD5 value specified in the request is invalid. MD5 value must be 128 bits and base64-encoded.',
    );
  }
  return { properties, metadata: metadataFrom(call), tags: tagsFromHeader(call), tier: tierFrom(call), contentMd5 };
}

export function metadataFrom(call: AzureCall): Record<string, string> {
  const metadata: Record<string, string> = {};
  let sizeBytes = 0;
  for (const [header, value] of Object.entries(call.headers)) {
    if (!header.startsWith('x-ms-meta-')) continue;
    const name = header.slice('x-ms-meta-'.length);
    if (name === '')
      throw new AzureError('EmptyMetadataKey', 'The key for one of the metadata key-value pairs is empty.');
    // oxlint-disable-next-line no-control-regex
    if (!/^[a-z_][a-z0-9_]*$/i.test(name) || !/^[\x20-\x7e]*$/.test(value)) {
      throw new AzureError(
        'InvalidMetadata',
        'The metadata specified is invalid. It has characters that are not permitted.',
      );
    }
    metadata[name] = value;
    sizeBytes += name.length + value.length;
  }
  if (sizeBytes > METADATA_BYTES_MAX)
    throw new AzureError('MetadataTooLarge', 'The metadata specified exceeds the maximum permissible limit (8KB).');
  return metadata;
}

function tagsFromHeader(call: BlobCall): ReadonlyMap<string, string> {
  const header = call.headers['x-ms-tags'];
  if (header === undefined) return new Map();
  const pairs = header.split('&').filter((pair) => pair !== '');
  return checkTags(
    call,
    pairs.map((pair) => {
      const [name = '', value = ''] = pair.split('=').map((part) => decodeForm(part) ?? '\u0000');
      return [name, value];
    }),
  );
}

export function checkTags(call: AzureCall, pairs: readonly (readonly [string, string])[]): ReadonlyMap<string, string> {
  if (call.world.options.hns === true) {
    throw new AzureError(
      'BlobOperationNotSupported',
      'Blob tags are not supported for accounts with a hierarchical namespace.',
    );
  }
  if (pairs.length > 10)
    throw new AzureError('TagsTooLarge', 'The tags specified exceed the maximum permissible limit.');
  const allowed = /^[a-zA-Z0-9 +\-./:=_]*$/;
  for (const [name, value] of pairs) {
    if (name === '' || name.length > 128 || value.length > 256 || !allowed.test(name) || !allowed.test(value)) {
      throw new AzureError(
        'InvalidInput',
        'The tags specified are invalid. They contain characters or lengths that are not permitted.',
      );
    }
  }
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) {
    throw new AzureError('InvalidInput', 'The tags specified are invalid. A key is there twice.');
  }
  return new Map(pairs);
}

export function tierFrom(call: AzureCall): string | null {
  const tier = call.headers['x-ms-access-tier'];
  if (tier === undefined) return null;
  if (!TIERS.includes(tier))
    throw new AzureError(
      'InvalidHeaderValue',
      'The value for one of the HTTP headers is not in the correct format: x-ms-access-tier.',
    );
  return tier;
}

/** Headers of Get Blob and Get Blob Properties. */
export function blobHeaders(call: AzureCall, blob: Blob): Record<string, string> {
  const headers: Record<string, string> = {
    ...blob.properties,
    etag: blob.etag,
    'last-modified': new Date(blob.modifiedAtMs).toUTCString(),
    'accept-ranges': 'bytes',
    'x-ms-blob-type': 'BlockBlob',
    'x-ms-creation-time': new Date(blob.createdAtMs).toUTCString(),
    'x-ms-lease-status': blob.lease === null ? 'unlocked' : 'locked',
    'x-ms-lease-state': blob.lease === null ? 'available' : 'leased',
    'x-ms-server-encrypted': 'true',
    'x-ms-access-tier': blob.tier,
  };
  for (const [name, value] of Object.entries(blob.metadata)) headers[`x-ms-meta-${name}`] = value;
  if (blob.contentMd5 !== null) headers['content-md5'] = blob.contentMd5;
  if (blob.tierInferred) headers['x-ms-access-tier-inferred'] = 'true';
  if (blob.rehydration !== null)
    headers['x-ms-archive-status'] = `rehydrate-pending-to-${blob.rehydration.tier.toLowerCase()}`;
  if (blob.tags.size > 0) headers['x-ms-tag-count'] = String(blob.tags.size);
  if (blob.versionId !== null) {
    headers['x-ms-version-id'] = blob.versionId;
    if (!call.query.has('versionid')) headers['x-ms-is-current-version'] = 'true';
  }
  if (blob.copyStatus !== null) {
    headers['x-ms-copy-id'] = blob.copyStatus.id;
    headers['x-ms-copy-status'] = 'success';
    headers['x-ms-copy-source'] = blob.copyStatus.source;
    headers['x-ms-copy-progress'] = `${blob.content.sizeBytes}/${blob.content.sizeBytes}`;
  }
  return headers;
}
