/** GetObject, HeadObject, GetObjectAttributes. */

import type { SimResponse } from '../http.ts';
import { EMPTY_BODY, parseHttpDate, parseRange } from '../http.ts';
import { bodyOf } from '../content.ts';
import { document, leaf, branch } from '../xml.ts';
import { customerKeyMd5, objectHeaders } from './attributes.ts';
import type { ObjectCall } from './call.ts';
import {
  S3_XMLNS,
  etagMatches,
  missingKey,
  numberParameter,
  permit,
  requestCharged,
  versionHeader,
  xmlResponse,
} from './call.ts';
import { checksumElement, checksumHeaders } from './checksums.ts';
import { S3Error, accessDenied } from './error.ts';
import { demand, mayDo } from './permission.ts';
import type { StoredVersion } from './state.ts';
import { settleRestore } from './state.ts';

export function readObject(call: ObjectCall): SimResponse {
  const version = findVersion(call, 's3:GetObject');
  const isHead = call.request.method === 'HEAD';
  checkConditions(call, version);
  checkKeys(call, version);
  if (!isHead) requireOnline(call, version);
  const headers: Record<string, string> = {
    ...objectHeaders(call, version),
    ...versionHeader(call.bucket, version.versionId),
    ...requestCharged(call),
    ...overrides(call),
  };
  // AWS tells how many tags there are only to those who may read them.
  if (call.world.dialect === 'aws' && !mayDo(call.identity, call.bucket, 's3:GetObjectTagging', call.key)) {
    delete headers['x-amz-tagging-count'];
  }
  const part = partRange(call, version);
  const range = part ?? parseRange(call.headers['range'], version.content.sizeBytes);
  if (range === 'unsatisfiable') {
    throw new S3Error('InvalidRange', 'The requested range is not satisfiable', {
      fields: { RangeRequested: call.headers['range']!, ActualObjectSize: String(version.content.sizeBytes) },
      headers: { 'content-range': `bytes */${version.content.sizeBytes}` },
    });
  }
  if (call.headers['x-amz-checksum-mode']?.toUpperCase() === 'ENABLED') {
    if (version.attributes.encryption.kind.startsWith('aws:kms')) demand(call.identity, call.bucket, 'kms:Decrypt');
    Object.assign(headers, part?.checksum ?? checksumHeaders(version.checksum));
  }
  if (part !== null) headers['x-amz-mp-parts-count'] = String(version.parts?.length ?? 1);
  const { offset, lengthBytes } = range ?? { offset: 0, lengthBytes: version.content.sizeBytes };
  headers['content-length'] = String(lengthBytes);
  if (range !== null && lengthBytes > 0) {
    headers['content-range'] = `bytes ${offset}-${offset + lengthBytes - 1}/${version.content.sizeBytes}`;
  }
  return {
    status: range === null || lengthBytes === 0 ? 200 : 206,
    headers,
    body: isHead ? EMPTY_BODY : bodyOf(version.content, offset, lengthBytes),
  };
}

/** The version that `versionId` names, or the current one; what AWS answers where there is none. */
export function findVersion(call: ObjectCall, action: string): StoredVersion {
  const wanted = call.query.get('versionId');
  if (wanted === null) {
    permit(call, action, call.key);
    const newest = call.bucket.objects.get(call.key)?.[0];
    if (newest === undefined) throw missingKey(call);
    if (newest.deleteMarker) {
      throw missingKey(call, { 'x-amz-delete-marker': 'true', ...versionHeader(call.bucket, newest.versionId) });
    }
    return newest;
  }
  permit(call, action.replace(/^s3:(Get|Put|Delete)Object/, 's3:$1ObjectVersion'), call.key);
  const version = call.bucket.objects.get(call.key)?.find((v) => v.versionId === wanted);
  if (version === undefined) {
    throw new S3Error('NoSuchVersion', 'The specified version does not exist.', {
      fields: { Key: call.key, VersionId: wanted },
    });
  }
  if (version.deleteMarker) {
    throw new S3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.', {
      headers: { 'x-amz-delete-marker': 'true', allow: 'DELETE', ...versionHeader(call.bucket, version.versionId) },
    });
  }
  return version;
}

function checkConditions(call: ObjectCall, version: StoredVersion): void {
  const { headers } = call;
  const modifiedAtMs = Math.floor(version.modifiedAtMs / 1000) * 1000;
  const failed = (condition: string): S3Error =>
    new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
      fields: { Condition: condition },
    });
  const ifMatch = headers['if-match'];
  const unmodified = parseHttpDate(headers['if-unmodified-since'] ?? '');
  if (ifMatch !== undefined) {
    if (!etagMatches(call, ifMatch, version.etag)) throw failed('If-Match');
  } else if (unmodified !== null && modifiedAtMs > unmodified) throw failed('If-Unmodified-Since');
  const ifNoneMatch = headers['if-none-match'];
  const modified = parseHttpDate(headers['if-modified-since'] ?? '');
  const same =
    ifNoneMatch !== undefined
      ? etagMatches(call, ifNoneMatch, version.etag)
      : modified !== null && modifiedAtMs <= modified;
  if (same) throw new S3Error('NotModified', 'Not Modified', { headers: { etag: `"${version.etag}"` } });
}

/** Keys of SSE-C and rights on KMS keys. */
export function checkKeys(
  call: ObjectCall,
  version: StoredVersion,
  prefix = 'x-amz-server-side-encryption-customer',
): void {
  const { encryption } = version.attributes;
  if (
    prefix === 'x-amz-server-side-encryption-customer' &&
    call.headers['x-amz-server-side-encryption'] !== undefined
  ) {
    throw new S3Error('InvalidArgument', 'x-amz-server-side-encryption header is not supported for this operation.');
  }
  const md5 = customerKeyMd5(call.headers, prefix);
  if (encryption.kind === 'customer') {
    if (md5 === null) {
      throw new S3Error(
        'InvalidRequest',
        'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
      );
    }
    if (md5 !== encryption.customerKeyMd5) throw accessDenied();
  } else if (md5 !== null) {
    throw new S3Error('InvalidRequest', 'The encryption parameters are not applicable to this object.');
  }
  const sealed = encryption.kind === 'aws:kms' || encryption.kind === 'aws:kms:dsse';
  if (sealed && call.request.method !== 'HEAD' && !mayDo(call.identity, call.bucket, 'kms:Decrypt', call.key))
    throw accessDenied();
}

export function requireOnline(call: ObjectCall, version: StoredVersion): void {
  if (settleRestore(version, call.world.nowMs()) === 'online') return;
  throw new S3Error('InvalidObjectState', "The operation is not valid for the object's storage class", {
    fields: {
      StorageClass: version.attributes.storageClass,
      ...(version.archiveStatus === null ? {} : { AccessTier: version.archiveStatus }),
    },
  });
}

/** RGW 16 does not know `partNumber` on reads and gives the whole body. */
function partRange(
  call: ObjectCall,
  version: StoredVersion,
): { offset: number; lengthBytes: number; checksum: Record<string, string> | null } | null {
  const text = call.query.get('partNumber');
  if (text === null || call.world.dialect === 'rgw') return null;
  const number = numberParameter(call, 'partNumber', 0, 100_000);
  if (number < 1 || number > 10_000) {
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  }
  if (call.headers['range'] !== undefined) {
    throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter');
  }
  const parts = version.parts;
  if (number > (parts?.length ?? 1))
    throw new S3Error('InvalidPartNumber', 'The requested partnumber is not satisfiable');
  if (parts === null) return { offset: 0, lengthBytes: version.content.sizeBytes, checksum: null };
  const before = parts.slice(0, number - 1).reduce((sum, part) => sum + part.content.sizeBytes, 0);
  const part = parts[number - 1]!;
  const checksum =
    part.checksum === null
      ? {}
      : checksumHeaders({
          kind: part.checksum.kind,
          type: version.checksum?.type ?? 'COMPOSITE',
          value: part.checksum.value,
        });
  return { offset: before, lengthBytes: part.content.sizeBytes, checksum };
}

function overrides(call: ObjectCall): Record<string, string> {
  const found = call.query.entries.filter(([name]) => name.startsWith('response-'));
  if (found.length > 0 && call.identity === null) {
    throw new S3Error('InvalidRequest', 'Request specific response headers cannot be used for anonymous GET requests.');
  }
  return Object.fromEntries(found.map(([name, value]) => [name.slice('response-'.length), value]));
}

export function objectAttributes(call: ObjectCall): SimResponse {
  // RGW 16 takes the parameter for nothing and answers with the object.
  if (call.world.dialect === 'rgw') return readObject(call);
  const version = findVersion(call, 's3:GetObject');
  permit(call, call.query.has('versionId') ? 's3:GetObjectVersionAttributes' : 's3:GetObjectAttributes', call.key);
  checkKeys(call, version);
  const wanted = new Set((call.headers['x-amz-object-attributes'] ?? '').split(',').map((name) => name.trim()));
  if (wanted.has(''))
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty',
    );
  const { checksum } = version;
  const xml = document(
    `GetObjectAttributesResponse ${S3_XMLNS}`,
    wanted.has('ETag') ? leaf('ETag', version.etag) : '',
    wanted.has('Checksum') && checksum !== null
      ? branch(
          'Checksum',
          leaf(checksumElement(checksum.kind), checksum.value.replace(/-\d+$/, '')),
          leaf('ChecksumType', checksum.type),
        )
      : '',
    wanted.has('ObjectParts') && version.parts !== null ? partsXml(call, version) : '',
    wanted.has('StorageClass') ? leaf('StorageClass', version.attributes.storageClass) : '',
    wanted.has('ObjectSize') ? leaf('ObjectSize', version.content.sizeBytes) : '',
  );
  return xmlResponse(xml, {
    'last-modified': objectHeaders(call, version)['last-modified']!,
    ...versionHeader(call.bucket, version.versionId),
    ...requestCharged(call),
  });
}

/** Sizes of parts are told only where parts were uploaded with a checksum of their own. */
function partsXml(call: ObjectCall, version: StoredVersion): string {
  const parts = version.parts!;
  const told = parts.every((part) => part.checksum !== null);
  if (!told) return branch('ObjectParts', leaf('PartsCount', parts.length));
  const max = Number(call.headers['x-amz-max-parts'] ?? 1000);
  const marker = Number(call.headers['x-amz-part-number-marker'] ?? 0);
  const page = parts.slice(marker, marker + Math.min(max, 1000));
  return branch(
    'ObjectParts',
    leaf('PartsCount', parts.length),
    leaf('PartNumberMarker', marker),
    leaf('NextPartNumberMarker', marker + page.length),
    leaf('MaxParts', max),
    leaf('IsTruncated', marker + page.length < parts.length),
    page.map((part, i) =>
      branch(
        'Part',
        leaf('PartNumber', marker + i + 1),
        leaf('Size', part.content.sizeBytes),
        leaf(checksumElement(part.checksum!.kind), part.checksum!.value),
      ),
    ),
  );
}
