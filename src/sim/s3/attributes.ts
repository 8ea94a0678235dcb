/** What request headers say about an object, and what answers say back. */

import { createHash } from 'node:crypto';
import { decodeForm, httpDate } from '../http.ts';
import type { BucketCall, Call } from './call.ts';
import { S3Error } from './error.ts';
import type { Encryption, ObjectAttributes, StoredVersion } from './state.ts';
import { SSE_S3, settleRestore } from './state.ts';

const CONTENT_HEADERS = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'cache-control',
  'expires',
];

const STORAGE_CLASSES = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'GLACIER_IR',
]);

const METADATA_BYTES_MAX = 2048;

export function attributesFrom(call: BucketCall): ObjectAttributes {
  const storageClass = call.headers['x-amz-storage-class'] ?? 'STANDARD';
  if (!STORAGE_CLASSES.has(storageClass)) {
    throw new S3Error('InvalidStorageClass', 'The storage class you specified is not valid');
  }
  const tagging = call.headers['x-amz-tagging'];
  return {
    headers: contentHeaders(call),
    metadata: metadataFrom(call),
    missingMeta: 0,
    tags: tagging === undefined ? new Map() : checkTags(parseTagging(tagging)),
    storageClass,
    encryption: encryptionFrom(call),
    websiteRedirect: call.headers['x-amz-website-redirect-location'] ?? null,
  };
}

export function contentHeaders(call: Call): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of CONTENT_HEADERS) {
    const value = call.headers[name];
    if (value === undefined) continue;
    // The framing of the transfer is not part of the object.
    const kept = name === 'content-encoding' ? value.replace(/^aws-chunked(?:,\s*|$)/, '') : value;
    if (kept !== '') headers[name] = kept;
  }
  headers['content-type'] ??= 'binary/octet-stream';
  return headers;
}

export function metadataFrom(call: Call): Record<string, string> {
  const metadata: Record<string, string> = {};
  const plain = new Set<string>();
  let sizeBytes = 0;
  for (const [header, value] of Object.entries(call.headers)) {
    if (!header.startsWith('x-amz-meta-')) continue;
    const name = header.slice('x-amz-meta-'.length);
    // Bytes beyond ASCII are read one character each, as the documentation's example shows: whoever sends raw UTF-8
    // gets it back garbled.
    metadata[name] = value;
    sizeBytes += Buffer.byteLength(name) + value.length;
    plain.add(name.replaceAll('-', '_'));
  }
  if (call.world.dialect === 'rgw' && plain.size < Object.keys(metadata).length) {
    throw new S3Error('SignatureDoesNotMatch', 'The request signature we calculated does not match.');
  }
  if (sizeBytes > METADATA_BYTES_MAX) {
    throw new S3Error('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size', {
      fields: { Size: String(sizeBytes), MaxSizeAllowed: String(METADATA_BYTES_MAX) },
    });
  }
  return metadata;
}

/** ASCII goes out as it is, whatever it looks like; everything else as an RFC 2047 word. */
function encodeWords(value: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return value;
  return `=?UTF-8?B?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}

export function parseTagging(text: string): [string, string][] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const name = decodeForm(equals < 0 ? pair : pair.slice(0, equals));
      const value = decodeForm(equals < 0 ? '' : pair.slice(equals + 1));
      if (name === null || value === null) {
        throw new S3Error(
          'InvalidArgument',
          "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
        );
      }
      return [name, value];
    });
}

export function checkTags(pairs: readonly (readonly [string, string])[]): Map<string, string> {
  const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
  if (pairs.length > 10) throw new S3Error('InvalidTag', 'Object tags cannot be greater than 10', { status: 400 });
  const tags = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (tags.has(name)) throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key');
    if (name === '' || [...name].length > 128 || !allowed.test(name) || name.startsWith('aws:')) {
      throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid', { fields: { TagKey: name } });
    }
    if ([...value].length > 256 || !allowed.test(value)) {
      throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid', { fields: { TagKey: name } });
    }
    tags.set(name, value);
  }
  return tags;
}

function encryptionFrom(call: BucketCall): Encryption {
  const customer = customerKeyMd5(call.headers, 'x-amz-server-side-encryption-customer');
  const asked = call.headers['x-amz-server-side-encryption'];
  const keyId = call.headers['x-amz-server-side-encryption-aws-kms-key-id'] ?? null;
  if (customer !== null) {
    if (asked !== undefined) {
      throw new S3Error(
        'InvalidArgument',
        'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      );
    }
    return { kind: 'customer', keyId: null, customerKeyMd5: customer };
  }
  if (asked === undefined) return call.bucket.defaultEncryption;
  if (asked === 'AES256' && keyId === null) return SSE_S3;
  if (asked === 'aws:kms' || asked === 'aws:kms:dsse') {
    return {
      kind: asked,
      keyId: keyId ?? `arn:aws:kms:${call.bucket.region}:${call.bucket.ownerId}:alias/aws/s3`,
      customerKeyMd5: null,
    };
  }
  throw new S3Error('InvalidArgument', 'The encryption method specified is not supported');
}

/** MD5 (base64) of the customer's key in these headers; `null` when there are none. */
export function customerKeyMd5(headers: Readonly<Record<string, string>>, prefix: string): string | null {
  const algorithm = headers[`${prefix}-algorithm`];
  const key = headers[`${prefix}-key`];
  const md5 = headers[`${prefix}-key-md5`];
  if (algorithm === undefined && key === undefined && md5 === undefined) return null;
  const bytes = Buffer.from(key ?? '', 'base64');
  if (algorithm !== 'AES256' || bytes.length !== 32) {
    throw new S3Error('InvalidArgument', 'The secret key was invalid for the specified algorithm.');
  }
  const digest = createHash('md5').update(bytes).digest('base64');
  if (md5 !== digest) {
    throw new S3Error(
      'InvalidArgument',
      'The calculated MD5 hash of the key did not match the hash that was provided.',
    );
  }
  return digest;
}

export function encryptionHeaders(encryption: Encryption): Record<string, string> {
  if (encryption.kind === 'customer') {
    return {
      'x-amz-server-side-encryption-customer-algorithm': 'AES256',
      'x-amz-server-side-encryption-customer-key-md5': encryption.customerKeyMd5!,
    };
  }
  return {
    'x-amz-server-side-encryption': encryption.kind,
    ...(encryption.keyId === null ? {} : { 'x-amz-server-side-encryption-aws-kms-key-id': encryption.keyId }),
  };
}

/** Headers of GET and HEAD that describe the object. */
export function objectHeaders(call: BucketCall, version: StoredVersion): Record<string, string> {
  const { attributes } = version;
  const state = settleRestore(version, call.world.nowMs());
  const headers: Record<string, string> = {
    ...attributes.headers,
    etag: `"${version.etag}"`,
    'last-modified': httpDate(version.modifiedAtMs),
    'accept-ranges': 'bytes',
    ...(call.world.dialect === 'rgw' && attributes.encryption.kind === 'AES256'
      ? {}
      : encryptionHeaders(attributes.encryption)),
  };
  for (const [name, value] of Object.entries(attributes.metadata)) headers[`x-amz-meta-${name}`] = encodeWords(value);
  if (attributes.missingMeta > 0) headers['x-amz-missing-meta'] = String(attributes.missingMeta);
  if (attributes.tags.size > 0) headers['x-amz-tagging-count'] = String(attributes.tags.size);
  if (attributes.storageClass !== 'STANDARD') headers['x-amz-storage-class'] = attributes.storageClass;
  if (attributes.websiteRedirect !== null) headers['x-amz-website-redirect-location'] = attributes.websiteRedirect;
  const { lock } = attributes;
  if (lock?.mode !== undefined) headers['x-amz-object-lock-mode'] = lock.mode;
  if (lock?.untilMs !== undefined) {
    headers['x-amz-object-lock-retain-until-date'] = new Date(lock.untilMs).toISOString();
  }
  if (lock?.legalHold !== undefined) headers['x-amz-object-lock-legal-hold'] = lock.legalHold ? 'ON' : 'OFF';
  if (call.request.method === 'HEAD' && version.archiveStatus !== null)
    headers['x-amz-archive-status'] = version.archiveStatus;
  if (state === 'restoring') headers['x-amz-restore'] = 'ongoing-request="true"';
  else if (version.restore !== null && version.restore.expiresAtMs !== null) {
    headers['x-amz-restore'] = `ongoing-request="false", expiry-date="${httpDate(version.restore.expiresAtMs)}"`;
  }
  return headers;
}
