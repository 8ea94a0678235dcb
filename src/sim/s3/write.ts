/** PutObject, CopyObject, tags. */

import { createHash } from 'node:crypto';
import type { Content } from '../content.ts';
import { contentOf } from '../content.ts';
import type { SimResponse } from '../http.ts';
import { branch, childText, childrenOf, document, leaf } from '../xml.ts';
import { attributesFrom, checkTags, contentHeaders, encryptionHeaders, metadataFrom } from './attributes.ts';
import type { BucketCall, ObjectCall } from './call.ts';
import {
  S3_XMLNS,
  bodyXml,
  emptyResponse,
  etagMatches,
  isoTime,
  permit,
  requestCharged,
  versionHeader,
  xmlResponse,
} from './call.ts';
import { checkContentMd5, checksumElement, checksumHeaders, checksumKind, settleChecksum } from './checksums.ts';
import { resolveCopySource } from './copy-source.ts';
import { S3Error } from './error.ts';
import { findVersion } from './read.ts';
import type { ObjectAttributes, StoredChecksum, StoredVersion } from './state.ts';
import { addVersion, currentVersion } from './state.ts';

const KEY_BYTES_MAX = 1024;

export function checkKey(key: string): void {
  const sizeBytes = Buffer.byteLength(key, 'utf8');
  if (sizeBytes > KEY_BYTES_MAX) {
    throw new S3Error('KeyTooLongError', 'Your key is too long', {
      fields: { Size: String(sizeBytes), MaxSizeAllowed: String(KEY_BYTES_MAX) },
    });
  }
}

/** `If-None-Match: *` and `If-Match` on what creates an object. */
export function checkWriteConditions(call: ObjectCall): void {
  const current = currentVersion(call.bucket, call.key);
  const failed = (condition: string): S3Error =>
    new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
      fields: { Condition: condition },
    });
  const none = call.headers['if-none-match'];
  const match = call.headers['if-match'];
  if (none !== undefined && match !== undefined) {
    throw new S3Error('NotImplemented', 'A header you provided implies functionality that is not implemented', {
      fields: { Header: 'If-Match' },
    });
  }
  if (none !== undefined) {
    if (none !== '*') {
      throw new S3Error('NotImplemented', 'A header you provided implies functionality that is not implemented', {
        fields: { Header: 'If-None-Match' },
      });
    }
    if (current !== null) throw failed('If-None-Match');
  }
  if (match !== undefined) {
    if (current === null)
      throw new S3Error('NoSuchKey', 'The specified key does not exist.', { fields: { Key: call.key } });
    if (!etagMatches(call, match, current.etag)) throw failed('If-Match');
  }
}

/** MD5 of the bytes, unless the encryption makes it something else. */
export function etagOf(call: BucketCall, content: Content, attributes: ObjectAttributes): string {
  const md5 = content.digest('MD5');
  if (attributes.encryption.kind === 'AES256' || call.world.dialect === 'rgw') return md5.toString('hex');
  return createHash('md5').update(md5).update(call.world.id(16)).digest('hex');
}

export function permitAttributes(call: ObjectCall, attributes: ObjectAttributes): void {
  if (attributes.tags.size > 0) permit(call, 's3:PutObjectTagging', call.key);
  if (attributes.encryption.kind.startsWith('aws:kms')) permit(call, 'kms:GenerateDataKey', call.key);
}

export function putObject(call: ObjectCall): SimResponse {
  permit(call, 's3:PutObject', call.key);
  checkKey(call.key);
  const attributes = attributesFrom(call);
  permitAttributes(call, attributes);
  if (call.body.length > call.world.putBytesMax) {
    throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
      fields: { ProposedSize: String(call.body.length), MaxSizeAllowed: String(call.world.putBytesMax) },
    });
  }
  const content = contentOf(Uint8Array.from(call.body));
  checkContentMd5(call, content);
  const found = settleChecksum(call, content);
  demandDigest(call);
  checkWriteConditions(call);
  const checksum: StoredChecksum | null = found === null ? null : { ...found, type: 'FULL_OBJECT' };
  const version = addVersion(call.world, call.bucket, call.key, (versionId) =>
    freshVersion(call, versionId, content, attributes, checksum),
  );
  return emptyResponse(200, {
    etag: `"${version.etag}"`,
    ...checksumHeaders(checksum),
    ...(call.world.dialect === 'rgw' ? {} : encryptionHeaders(attributes.encryption)),
    ...versionHeader(call.bucket, version.versionId),
    ...requestCharged(call),
  });
}

/** What is to be kept for years is not taken unseen. */
export function demandDigest({ bucket, headers }: ObjectCall): void {
  const names = Object.keys(headers);
  if (!bucket.retainsAll || names.some((name) => name === 'content-md5' || name.startsWith('x-amz-checksum-'))) return;
  const what =
    'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters';
  throw new S3Error('InvalidRequest', what);
}

export function freshVersion(
  call: BucketCall,
  versionId: string,
  content: Content,
  attributes: ObjectAttributes,
  checksum: StoredChecksum | null,
): StoredVersion {
  return {
    versionId,
    deleteMarker: false,
    content,
    etag: etagOf(call, content, attributes),
    modifiedAtMs: call.world.nowMs(),
    attributes,
    checksum,
    parts: null,
    archiveStatus: null,
    restore: null,
  };
}

export function copyObject(call: ObjectCall): SimResponse {
  permit(call, 's3:PutObject', call.key);
  checkKey(call.key);
  const source = resolveCopySource(call);
  const version = source.version;
  if (version.content.sizeBytes > call.world.putBytesMax) {
    throw new S3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${call.world.putBytesMax}`,
    );
  }
  const replace = directive(call, 'x-amz-metadata-directive');
  const replaceTags = directive(call, 'x-amz-tagging-directive');
  const asked = attributesFrom(call);
  const unchanged =
    !replace &&
    call.headers['x-amz-storage-class'] === undefined &&
    call.headers['x-amz-server-side-encryption'] === undefined &&
    call.headers['x-amz-website-redirect-location'] === undefined &&
    call.headers['x-amz-server-side-encryption-customer-algorithm'] === undefined;
  if (
    unchanged &&
    source.bucket === call.bucket &&
    source.key === call.key &&
    version === currentVersion(call.bucket, call.key)
  ) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const attributes: ObjectAttributes = {
    ...asked,
    headers: replace ? contentHeaders(call) : version.attributes.headers,
    metadata: replace ? metadataFrom(call) : version.attributes.metadata,
    missingMeta: replace ? 0 : version.attributes.missingMeta,
    tags: replaceTags ? asked.tags : version.attributes.tags,
  };
  if (!replaceTags && version.attributes.tags.size > 0) source.permit('s3:GetObjectTagging');
  permitAttributes(call, attributes);
  checkWriteConditions(call);
  const checksum = copyChecksum(call, version);
  const made = addVersion(call.world, call.bucket, call.key, (versionId) =>
    freshVersion(call, versionId, version.content, attributes, checksum),
  );
  const xml = document(
    `CopyObjectResult ${S3_XMLNS}`,
    leaf('LastModified', isoTime(made.modifiedAtMs)),
    leaf('ETag', `"${made.etag}"`),
    checksum === null
      ? ''
      : [leaf(checksumElement(checksum.kind), checksum.value), leaf('ChecksumType', checksum.type)],
  );
  return xmlResponse(xml, {
    ...encryptionHeaders(attributes.encryption),
    ...versionHeader(call.bucket, made.versionId),
    ...(source.bucket.versioning === 'off' ? {} : { 'x-amz-copy-source-version-id': version.versionId }),
    ...requestCharged(call),
  });
}

/** A copy is one piece whatever its source was, so its checksum is made anew over the whole. */
function copyChecksum(call: ObjectCall, version: StoredVersion): StoredChecksum | null {
  if (call.world.dialect === 'rgw') return null;
  const asked = call.headers['x-amz-checksum-algorithm'];
  const kind = checksumKind(asked ?? version.checksum?.kind ?? 'CRC64NVME');
  return { kind, type: 'FULL_OBJECT', value: version.content.digest(kind).toString('base64') };
}

function directive(call: ObjectCall, header: string): boolean {
  const value = call.headers[header] ?? 'COPY';
  if (value !== 'COPY' && value !== 'REPLACE') throw new S3Error('InvalidArgument', `Unknown ${header}.`);
  return value === 'REPLACE';
}

export function getTagging(call: ObjectCall): SimResponse {
  const version = findVersion(call, 's3:GetObjectTagging');
  const tags = [...version.attributes.tags].sort(([a], [b]) => (a < b ? -1 : 1));
  const xml = document(
    `Tagging ${S3_XMLNS}`,
    branch(
      'TagSet',
      tags.map(([name, value]) => branch('Tag', leaf('Key', name), leaf('Value', value))),
    ),
  );
  return xmlResponse(xml, versionHeader(call.bucket, version.versionId));
}

export function putTagging(call: ObjectCall): SimResponse {
  const version = findVersion(call, 's3:PutObjectTagging');
  const set = bodyXml(call, 'Tagging').children.find((child) => child.name === 'TagSet');
  if (set === undefined) throw new S3Error('MalformedXML', 'The XML you provided was not well-formed');
  const tags = checkTags(
    childrenOf(set, 'Tag').map((tag) => [childText(tag, 'Key') ?? '', childText(tag, 'Value') ?? '']),
  );
  version.attributes = { ...version.attributes, tags };
  return emptyResponse(200, versionHeader(call.bucket, version.versionId));
}

export function deleteTagging(call: ObjectCall): SimResponse {
  const version = findVersion(call, 's3:DeleteObjectTagging');
  version.attributes = { ...version.attributes, tags: new Map() };
  return emptyResponse(204, versionHeader(call.bucket, version.versionId));
}
