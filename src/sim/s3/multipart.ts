/** Multipart uploads. */

import { createHash } from 'node:crypto';
import type { Checksum } from '../checksum.ts';
import { checksumOf } from '../checksum.ts';
import type { Content } from '../content.ts';
import { contentOf, joined, slice } from '../content.ts';
import type { SimResponse } from '../http.ts';
import type { XmlNode } from '../xml.ts';
import { childText, childrenOf, document, leaf } from '../xml.ts';
import { attributesFrom, customerKeyMd5, encryptionHeaders } from './attributes.ts';
import type { ObjectCall } from './call.ts';
import {
  S3_XMLNS,
  bodyXml,
  emptyResponse,
  isoTime,
  permit,
  requestCharged,
  versionHeader,
  xmlResponse,
} from './call.ts';
import { checkContentMd5, checksumElement, checksumKind, sentChecksum } from './checksums.ts';
import { resolveCopySource } from './copy-source.ts';
import { S3Error } from './error.ts';
import type { StoredChecksum, StoredPart, StoredVersion, Upload } from './state.ts';
import { addVersion } from './state.ts';
import { checkKey, checkWriteConditions, demandDigest, etagOf, permitAttributes } from './write.ts';

export function createUpload(call: ObjectCall): SimResponse {
  permit(call, 's3:PutObject', call.key);
  checkKey(call.key);
  const attributes = attributesFrom(call);
  permitAttributes(call, attributes);
  const asked = call.headers['x-amz-checksum-algorithm'];
  const kind = asked === undefined || call.world.dialect === 'rgw' ? null : checksumKind(asked);
  const type = checksumType(kind, call.headers['x-amz-checksum-type']);
  const upload: Upload = {
    uploadId: call.world.id(64),
    key: call.key,
    initiatedAtMs: call.world.nowMs(),
    initiator: call.identity!,
    // RGW 16 forgets the tags that are given here.
    attributes: call.world.dialect === 'rgw' ? { ...attributes, tags: new Map() } : attributes,
    checksumKind: kind,
    checksumType: type,
    parts: new Map(),
  };
  call.bucket.uploads.set(upload.uploadId, upload);
  const xml = document(
    `InitiateMultipartUploadResult ${S3_XMLNS}`,
    leaf('Bucket', call.bucket.name),
    leaf('Key', call.key),
    leaf('UploadId', upload.uploadId),
  );
  return xmlResponse(xml, {
    ...(kind === null ? {} : { 'x-amz-checksum-algorithm': kind, 'x-amz-checksum-type': type }),
    ...encryptionHeaders(attributes.encryption),
    ...requestCharged(call),
  });
}

function checksumType(kind: Checksum | null, asked: string | undefined): 'FULL_OBJECT' | 'COMPOSITE' {
  const linear = kind === null || kind === 'CRC64NVME' || kind === 'CRC32' || kind === 'CRC32C';
  const type = asked ?? (kind === null || kind === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  if (type === 'FULL_OBJECT' && linear) return type;
  if (type === 'COMPOSITE' && kind !== null && kind !== 'CRC64NVME') return type;
  throw new S3Error(
    'InvalidRequest',
    `The ${type} checksum type cannot be used with the ${(kind ?? 'null').toLowerCase()} checksum algorithm.`,
  );
}

export function findUpload(call: ObjectCall): Upload {
  const upload = call.bucket.uploads.get(call.query.get('uploadId') ?? '');
  if (upload === undefined || upload.key !== call.key) {
    throw new S3Error(
      'NoSuchUpload',
      'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
      { fields: { UploadId: call.query.get('uploadId') ?? '' } },
    );
  }
  return upload;
}

export function uploadPart(call: ObjectCall): SimResponse {
  permit(call, 's3:PutObject', call.key);
  const upload = findUpload(call);
  const number = partNumber(call);
  if (call.headers['x-amz-copy-source'] !== undefined) return uploadPartCopy(call, upload, number);
  const content = contentOf(Uint8Array.from(call.body));
  checkContentMd5(call, content);
  demandDigest(call);
  const part = keepPart(call, upload, number, content, true);
  return emptyResponse(200, {
    etag: `"${part.etag}"`,
    ...(part.checksum === null ? {} : { [`x-amz-checksum-${part.checksum.kind.toLowerCase()}`]: part.checksum.value }),
    ...(call.world.dialect === 'aws' ? encryptionHeaders(upload.attributes.encryption) : {}),
    ...requestCharged(call),
  });
}

function uploadPartCopy(call: ObjectCall, upload: Upload, number: number): SimResponse {
  const { version } = resolveCopySource(call);
  const range = call.headers['x-amz-copy-source-range'];
  let content = version.content;
  if (range !== undefined) {
    const match = /^bytes=(\d+)-(\d+)$/.exec(range);
    if (match === null) {
      throw new S3Error(
        'InvalidArgument',
        'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      );
    }
    const [first, last] = [Number(match[1]), Number(match[2])];
    if (first > last || last >= content.sizeBytes) {
      throw new S3Error(
        'InvalidArgument',
        `Range specified is not valid for source object of size: ${content.sizeBytes}`,
      );
    }
    content = slice(content, first, last - first + 1);
  }
  const part = keepPart(call, upload, number, content, false);
  const xml = document(
    `CopyPartResult ${S3_XMLNS}`,
    leaf('LastModified', isoTime(part.modifiedAtMs)),
    leaf('ETag', `"${part.etag}"`),
    part.checksum === null ? '' : leaf(checksumElement(part.checksum.kind), part.checksum.value),
  );
  return xmlResponse(xml, { 'x-amz-copy-source-version-id': version.versionId, ...requestCharged(call) });
}

function keepPart(call: ObjectCall, upload: Upload, number: number, content: Content, own: boolean): StoredPart {
  if (content.sizeBytes > call.world.putBytesMax) {
    throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size');
  }
  const part: StoredPart = {
    number,
    content,
    etag: etagOf(call, content, upload.attributes),
    checksum: partChecksum(call, upload, content, own),
    modifiedAtMs: call.world.nowMs(),
  };
  upload.parts.set(number, part);
  return part;
}

function partChecksum(call: ObjectCall, upload: Upload, content: Content, own: boolean): StoredPart['checksum'] {
  if (call.world.dialect === 'rgw') return null;
  const sent = own ? sentChecksum(call) : null;
  const expected = upload.checksumKind;
  const loose = expected === null && (sent === null || sent.kind === 'CRC64NVME');
  if (own && !loose && (sent?.kind ?? null) !== expected) {
    const name = (kind: string | null | undefined): string => (kind ?? 'null').toLowerCase();
    throw new S3Error(
      'InvalidRequest',
      `Checksum Type mismatch occurred, expected checksum Type: ${name(expected)}, actual checksum Type: ${name(sent?.kind)}`,
    );
  }
  const kind = expected ?? sent?.kind ?? null;
  if (kind === null) return null;
  const value = content.digest(kind).toString('base64');
  if (sent !== null && sent.value !== value) {
    throw new S3Error('BadDigest', `The ${kind} you specified did not match the calculated checksum.`);
  }
  return { kind, value };
}

function partNumber(call: ObjectCall): number {
  const text = call.query.get('partNumber') ?? '';
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 10_000) {
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive', {
      fields: { ArgumentName: 'partNumber', ArgumentValue: text },
    });
  }
  return number;
}

export function abortUpload(call: ObjectCall): SimResponse {
  permit(call, 's3:AbortMultipartUpload', call.key);
  call.bucket.uploads.delete(findUpload(call).uploadId);
  return emptyResponse(204, requestCharged(call));
}

/** The checksum of the whole, which is always made, cannot be made without the key. */
function requireCustomerKey(call: ObjectCall, upload: Upload): void {
  const { encryption } = upload.attributes;
  if (call.world.dialect !== 'aws' || encryption.kind !== 'customer') return;
  if (customerKeyMd5(call.headers, 'x-amz-server-side-encryption-customer') === encryption.customerKeyMd5) return;
  throw new S3Error(
    'InvalidRequest',
    'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to complete it.',
  );
}

export function completeUpload(call: ObjectCall): SimResponse {
  permit(call, 's3:PutObject', call.key);
  const upload = findUpload(call);
  requireCustomerKey(call, upload);
  const named = childrenOf(bodyXml(call, 'CompleteMultipartUpload'), 'Part');
  if (named.length === 0) {
    throw new S3Error(
      'MalformedXML',
      'The XML you provided was not well-formed or did not validate against our published schema',
    );
  }
  const parts = named.map((node, i) => namedPart(upload, node, named[i - 1] ?? null));
  for (const part of parts.slice(0, -1)) {
    if (part.content.sizeBytes < call.world.partBytesMin) {
      throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
        fields: {
          ProposedSize: String(part.content.sizeBytes),
          MinSizeAllowed: String(call.world.partBytesMin),
          PartNumber: String(part.number),
          ETag: part.etag,
        },
      });
    }
  }
  const content = joined(parts.map((part) => part.content));
  const declared = call.headers['x-amz-mp-object-size'];
  if (call.world.dialect === 'aws' && declared !== undefined && declared !== String(content.sizeBytes)) {
    throw new S3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${declared} does not match what was computed: ${content.sizeBytes}`,
    );
  }
  const checksum = wholeChecksum(call, upload, content, parts);
  // RGW 16 does not look at conditions here.
  if (call.world.dialect === 'aws') checkWriteConditions(call);
  const version = addVersion(call.world, call.bucket, call.key, (versionId) =>
    assembled(call.world.nowMs(), upload, versionId, content, parts, checksum),
  );
  call.bucket.uploads.delete(upload.uploadId);
  const xml = document(
    `CompleteMultipartUploadResult ${S3_XMLNS}`,
    leaf('Location', `${call.request.scheme}://${call.request.host}${call.request.path.split('?')[0]}`),
    leaf('Bucket', call.bucket.name),
    leaf('Key', call.key),
    leaf('ETag', `"${version.etag}"`),
    checksum === null
      ? ''
      : [leaf(checksumElement(checksum.kind), checksum.value), leaf('ChecksumType', checksum.type)],
  );
  return xmlResponse(xml, {
    ...encryptionHeaders(upload.attributes.encryption),
    ...versionHeader(call.bucket, version.versionId),
    ...requestCharged(call),
  });
}

function namedPart(upload: Upload, node: XmlNode, previous: XmlNode | null): StoredPart {
  const number = Number(childText(node, 'PartNumber'));
  const etag = (childText(node, 'ETag') ?? '').replaceAll('"', '');
  if (previous !== null && number <= Number(childText(previous, 'PartNumber'))) {
    throw new S3Error(
      'InvalidPartOrder',
      'The list of parts was not in ascending order. Parts must be ordered by part number.',
      {
        fields: { UploadId: upload.uploadId },
      },
    );
  }
  const part = upload.parts.get(number);
  const wrong = new S3Error(
    'InvalidPart',
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    { fields: { UploadId: upload.uploadId, PartNumber: String(number), ETag: etag } },
  );
  if (part === undefined || part.etag !== etag) throw wrong;
  if (part.checksum === null) return part;
  const stated = childText(node, checksumElement(part.checksum.kind));
  if (stated === null && upload.checksumKind !== null && upload.checksumType === 'COMPOSITE') {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using a ${part.checksum.kind.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`,
    );
  }
  if (stated !== null && stated !== part.checksum.value) throw wrong;
  return part;
}

function wholeChecksum(
  call: ObjectCall,
  upload: Upload,
  content: Content,
  parts: readonly StoredPart[],
): StoredChecksum | null {
  if (call.world.dialect === 'rgw') return null;
  const kind = upload.checksumKind ?? 'CRC64NVME';
  const type = upload.checksumType;
  const stated = call.headers['x-amz-checksum-type'];
  if (stated !== undefined && stated !== type) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using the ${type} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  const value =
    type === 'FULL_OBJECT'
      ? content.digest(kind).toString('base64')
      : `${checksumOf(
          kind,
          parts.map((part) => part.content.digest(kind)),
        ).toString('base64')}-${parts.length}`;
  const sent = call.headers[`x-amz-checksum-${kind.toLowerCase()}`];
  if (sent !== undefined && sent.replace(/-\d+$/, '') !== value.replace(/-\d+$/, '')) {
    throw new S3Error('BadDigest', `The ${kind.toLowerCase()} you specified did not match what we received.`);
  }
  return { kind, type, value };
}

function assembled(
  nowMs: number,
  upload: Upload,
  versionId: string,
  content: Content,
  parts: readonly StoredPart[],
  checksum: StoredChecksum | null,
): StoredVersion {
  const outer = createHash('md5');
  for (const part of parts) outer.update(Buffer.from(part.etag, 'hex'));
  return {
    versionId,
    deleteMarker: false,
    content,
    // Where a key of its own encrypts it, even equal parts do not give an equal one.
    etag: `${outer.digest('hex')}-${parts.length}`,
    modifiedAtMs: nowMs,
    attributes: upload.attributes,
    checksum,
    parts,
    archiveStatus: null,
    restore: null,
  };
}
