/** ListParts and ListMultipartUploads. */

import type { SimResponse } from '../http.ts';
import { branch, document, leaf } from '../xml.ts';
import type { BucketCall, ObjectCall } from './call.ts';
import { S3_XMLNS, isoTime, listEncode, numberParameter, permit, requestCharged, xmlResponse } from './call.ts';
import { checksumElement } from './checksums.ts';
import { findUpload } from './multipart.ts';
import { compareBytes } from '../order.ts';
import type { Identity, Upload } from './state.ts';

export function listParts(call: ObjectCall): SimResponse {
  permit(call, 's3:ListMultipartUploadParts', call.key);
  const upload = findUpload(call);
  const max = numberParameter(call, 'max-parts', 1000, 1000);
  const marker = numberParameter(call, 'part-number-marker', 0, 10_000);
  const rest = [...upload.parts.values()].filter((part) => part.number > marker).sort((a, b) => a.number - b.number);
  const page = rest.slice(0, max);
  const xml = document(
    `ListPartsResult ${S3_XMLNS}`,
    leaf('Bucket', call.bucket.name),
    leaf('Key', call.query.get('encoding-type') === 'url' ? listEncode(call.key) : call.key),
    leaf('UploadId', upload.uploadId),
    people(upload),
    leaf('StorageClass', upload.attributes.storageClass),
    leaf('PartNumberMarker', marker),
    leaf('NextPartNumberMarker', page.at(-1)?.number ?? marker),
    leaf('MaxParts', max),
    leaf('IsTruncated', page.length < rest.length),
    upload.checksumKind === null
      ? ''
      : [leaf('ChecksumAlgorithm', upload.checksumKind), leaf('ChecksumType', upload.checksumType)],
    page.map((part) =>
      branch(
        'Part',
        leaf('PartNumber', part.number),
        leaf('LastModified', isoTime(part.modifiedAtMs)),
        leaf('ETag', `"${part.etag}"`),
        leaf('Size', part.content.sizeBytes),
        part.checksum === null ? '' : leaf(checksumElement(part.checksum.kind), part.checksum.value),
      ),
    ),
  );
  return xmlResponse(xml, requestCharged(call));
}

export function listUploads(call: BucketCall): SimResponse {
  const prefix = call.query.get('prefix') ?? '';
  permit(call, 's3:ListBucketMultipartUploads', prefix);
  const delimiter = call.query.get('delimiter') ?? '';
  const max = numberParameter(call, 'max-uploads', 1000, 1000);
  const keyMarker = call.query.get('key-marker') ?? '';
  const idMarker = call.query.get('upload-id-marker') ?? '';
  const enc = call.query.get('encoding-type') === 'url' ? listEncode : (text: string): string => text;
  const after = (upload: Upload): boolean => {
    const order = compareBytes(upload.key, keyMarker);
    return keyMarker === '' || order > 0 || (order === 0 && idMarker !== '' && upload.uploadId > idMarker);
  };
  const found = [...call.bucket.uploads.values()]
    .filter((upload) => upload.key.startsWith(prefix) && after(upload))
    .sort((a, b) => compareBytes(a.key, b.key) || compareBytes(a.uploadId, b.uploadId));
  const page: Upload[] = [];
  const folders = new Set<string>();
  let truncated = false;
  for (const upload of found) {
    const end = delimiter === '' ? -1 : upload.key.indexOf(delimiter, prefix.length);
    const folder = end < 0 ? null : upload.key.slice(0, end + delimiter.length);
    if (folder !== null && (folders.has(folder) || folder === keyMarker)) continue;
    if (page.length + folders.size >= max) {
      truncated = true;
      break;
    }
    if (folder === null) page.push(upload);
    else folders.add(folder);
  }
  const last = page.at(-1);
  const lastFolder = [...folders].at(-1);
  const nextKey = [last?.key ?? '', lastFolder ?? ''].sort(compareBytes).at(-1)!;
  const xml = document(
    `ListMultipartUploadsResult ${S3_XMLNS}`,
    leaf('Bucket', call.bucket.name),
    leaf('KeyMarker', enc(keyMarker)),
    leaf('UploadIdMarker', idMarker),
    truncated ? [leaf('NextKeyMarker', enc(nextKey)), leaf('NextUploadIdMarker', last?.uploadId ?? '')] : '',
    leaf('Prefix', enc(prefix)),
    delimiter === '' ? '' : leaf('Delimiter', enc(delimiter)),
    call.query.has('encoding-type') ? leaf('EncodingType', 'url') : '',
    leaf('MaxUploads', max),
    leaf('IsTruncated', truncated),
    page.map((upload) =>
      branch(
        'Upload',
        leaf('Key', enc(upload.key)),
        leaf('UploadId', upload.uploadId),
        people(upload),
        leaf('StorageClass', upload.attributes.storageClass),
        leaf('Initiated', isoTime(upload.initiatedAtMs)),
        upload.checksumKind === null
          ? ''
          : [leaf('ChecksumAlgorithm', upload.checksumKind), leaf('ChecksumType', upload.checksumType)],
      ),
    ),
    [...folders].map((folder) => branch('CommonPrefixes', leaf('Prefix', enc(folder)))),
  );
  return xmlResponse(xml, requestCharged(call));
}

function people(upload: Upload): string {
  const who = (identity: Identity): string =>
    leaf('ID', identity.arn) + leaf('DisplayName', identity.arn.split('/').at(-1));
  return branch('Initiator', who(upload.initiator)) + branch('Owner', leaf('ID', upload.initiator.accountId));
}
