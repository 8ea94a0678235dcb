/** ListObjects, ListObjectsV2 and ListObjectVersions. */

import type { SimResponse } from '../http.ts';
import { branch, document, leaf } from '../xml.ts';
import { sha256 } from './auth.ts';
import type { BucketCall } from './call.ts';
import { S3_XMLNS, isoTime, listEncode, numberParameter, permit, requestCharged, xmlResponse } from './call.ts';
import { S3Error } from './error.ts';
import type { StoredVersion } from './state.ts';
import { isArchived, settleRestore } from './state.ts';

interface Walk {
  readonly prefix: string;
  readonly delimiter: string;
  readonly max: number;
  /** Keys after this one; a whole folder when it is one that was listed before. */
  readonly after: string;
  readonly afterIsFolder: boolean;
}

interface Row {
  readonly key: string;
  readonly version: StoredVersion;
  readonly latest: boolean;
}

interface Walked {
  readonly rows: readonly Row[];
  readonly folders: readonly string[];
  readonly truncated: boolean;
  /** The last thing on the page, in order. */
  readonly last: { readonly name: string; readonly folder: boolean; readonly versionId: string } | null;
}

function walk(
  call: BucketCall,
  how: Walk,
  rowsOf: (key: string, versions: readonly StoredVersion[]) => readonly Row[],
): Walked {
  const { objects } = call.bucket;
  const rows: Row[] = [];
  const folders: string[] = [];
  let last: Walked['last'] = null;
  let index =
    how.after === ''
      ? 0
      : how.afterIsFolder
        ? objects.indexPast(how.after, objects.indexFrom(how.after))
        : objects.indexAfter(how.after);
  index = Math.max(index, objects.indexFrom(how.prefix));
  for (let key = objects.keyAt(index); key !== undefined && key.startsWith(how.prefix); key = objects.keyAt(index)) {
    const found = rowsOf(key, objects.get(key)!);
    index++;
    if (found.length === 0) continue;
    const end = how.delimiter === '' ? -1 : key.indexOf(how.delimiter, how.prefix.length);
    const folder = end < 0 ? null : key.slice(0, end + how.delimiter.length);
    const wanted = folder === null ? found : [null];
    for (const row of wanted) {
      if (rows.length + folders.length >= how.max) return { rows, folders, truncated: how.max > 0, last };
      if (row === null) folders.push(folder!);
      else rows.push(row);
      last = { name: folder ?? key, folder: folder !== null, versionId: row?.version.versionId ?? '' };
    }
    if (folder !== null) index = objects.indexPast(folder, index);
  }
  return { rows, folders, truncated: false, last };
}

function currentRows(key: string, versions: readonly StoredVersion[]): readonly Row[] {
  const newest = versions[0];
  return newest === undefined || newest.deleteMarker ? [] : [{ key, version: newest, latest: true }];
}

interface Frame {
  readonly prefix: string;
  readonly delimiter: string;
  readonly max: number;
  readonly enc: (text: string) => string;
}

function frameOf(call: BucketCall, maxName: string): Frame {
  const encoding = call.query.get('encoding-type');
  if (encoding !== null && encoding !== 'url') {
    throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      fields: { ArgumentName: 'encoding-type', ArgumentValue: encoding },
    });
  }
  return {
    prefix: call.query.get('prefix') ?? '',
    delimiter: call.query.get('delimiter') ?? '',
    max: numberParameter(call, maxName, 1000, call.world.options.pageKeysMax ?? 1000),
    enc: encoding === 'url' ? listEncode : (text) => text,
  };
}

function frameXml(call: BucketCall, frame: Frame, truncated: boolean): string {
  return [
    leaf('Name', call.bucket.name),
    leaf('Prefix', frame.enc(frame.prefix)),
    frame.delimiter === '' ? '' : leaf('Delimiter', frame.enc(frame.delimiter)),
    leaf('MaxKeys', frame.max),
    call.query.has('encoding-type') ? leaf('EncodingType', 'url') : '',
    leaf('IsTruncated', truncated),
  ].join('');
}

function foldersXml(frame: Frame, folders: readonly string[]): string {
  return folders.map((folder) => branch('CommonPrefixes', leaf('Prefix', frame.enc(folder)))).join('');
}

export function listObjectsV2(call: BucketCall): SimResponse {
  const frame = frameOf(call, 'max-keys');
  permit(call, 's3:ListBucket', frame.prefix);
  const token = call.query.get('continuation-token');
  const startAfter = call.query.get('start-after') ?? '';
  if (token === '')
    throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect', {
      fields: { ArgumentName: 'continuation-token' },
    });
  const start = token === null ? { after: startAfter, afterIsFolder: false } : readToken(call, frame, token);
  const found = walk(call, { ...frame, ...start }, currentRows);
  const owner = call.query.get('fetch-owner') === 'true';
  const xml = document(
    `ListBucketResult ${S3_XMLNS}`,
    frameXml(call, frame, found.truncated),
    leaf('KeyCount', found.rows.length + found.folders.length),
    token === null ? '' : leaf('ContinuationToken', token),
    found.truncated && found.last !== null ? leaf('NextContinuationToken', makeToken(call, frame, found.last)) : '',
    startAfter === '' ? '' : leaf('StartAfter', frame.enc(startAfter)),
    found.rows.map((row) => branch('Contents', rowXml(call, frame, row, owner))),
    foldersXml(frame, found.folders),
  );
  return xmlResponse(xml, requestCharged(call));
}

export function listObjectsV1(call: BucketCall): SimResponse {
  const frame = frameOf(call, 'max-keys');
  permit(call, 's3:ListBucket', frame.prefix);
  const marker = call.query.get('marker') ?? '';
  const folder = frame.delimiter !== '' && marker.length > frame.prefix.length && marker.endsWith(frame.delimiter);
  const found = walk(call, { ...frame, after: marker, afterIsFolder: folder }, currentRows);
  const xml = document(
    `ListBucketResult ${S3_XMLNS}`,
    frameXml(call, frame, found.truncated),
    leaf('Marker', frame.enc(marker)),
    found.truncated && frame.delimiter !== '' ? leaf('NextMarker', frame.enc(found.last?.name ?? '')) : '',
    found.rows.map((row) => branch('Contents', rowXml(call, frame, row, true))),
    foldersXml(frame, found.folders),
  );
  return xmlResponse(xml, requestCharged(call));
}

export function listVersions(call: BucketCall): SimResponse {
  const frame = frameOf(call, 'max-keys');
  permit(call, 's3:ListBucketVersions', frame.prefix);
  const keyMarker = call.query.get('key-marker') ?? '';
  const versionMarker = call.query.get('version-id-marker') ?? '';
  if (versionMarker !== '' && keyMarker === '') {
    throw new S3Error('InvalidArgument', 'A version-id marker cannot be specified without a key marker.');
  }
  const rowsOf = (key: string, versions: readonly StoredVersion[]): readonly Row[] => {
    const all = versions.map((version, i) => ({ key, version, latest: i === 0 }));
    const seen =
      key === keyMarker && versionMarker !== '' ? versions.findIndex((v) => v.versionId === versionMarker) : -1;
    return all.slice(seen + 1);
  };
  const folder = frame.delimiter !== '' && keyMarker.endsWith(frame.delimiter) && versionMarker === '';
  // With a version marker the marked key itself is looked at once more, from behind that version.
  const reopen = versionMarker !== '' && call.bucket.objects.get(keyMarker) !== undefined;
  const after = reopen ? previousKey(call, keyMarker) : keyMarker;
  const found = walk(call, { ...frame, after, afterIsFolder: folder }, rowsOf);
  const next =
    found.truncated && found.last !== null
      ? [leaf('NextKeyMarker', frame.enc(found.last.name)), leaf('NextVersionIdMarker', found.last.versionId)]
      : '';
  const xml = document(
    `ListVersionsResult ${S3_XMLNS}`,
    frameXml(call, frame, found.truncated),
    leaf('KeyMarker', frame.enc(keyMarker)),
    leaf('VersionIdMarker', versionMarker),
    next,
    found.rows.map((row) =>
      branch(row.version.deleteMarker ? 'DeleteMarker' : 'Version', rowXml(call, frame, row, true, true)),
    ),
    foldersXml(frame, found.folders),
  );
  return xmlResponse(xml, requestCharged(call));
}

function previousKey(call: BucketCall, key: string): string {
  return call.bucket.objects.keyAt(call.bucket.objects.indexFrom(key) - 1) ?? '';
}

function rowXml(call: BucketCall, frame: Frame, row: Row, owner: boolean, versions = false): string {
  const { version } = row;
  const ownerXml = owner ? branch('Owner', leaf('ID', call.bucket.ownerId)) : '';
  const versionXml = versions ? leaf('VersionId', version.versionId) + leaf('IsLatest', row.latest) : '';
  const start = leaf('Key', frame.enc(row.key)) + versionXml + leaf('LastModified', isoTime(version.modifiedAtMs));
  if (version.deleteMarker) return start + ownerXml;
  return [
    start,
    leaf('ETag', `"${version.etag}"`),
    version.checksum === null
      ? ''
      : leaf('ChecksumAlgorithm', version.checksum.kind) + leaf('ChecksumType', version.checksum.type),
    leaf('Size', version.content.sizeBytes),
    ownerXml,
    leaf('StorageClass', version.attributes.storageClass),
    restoreXml(call, version),
  ].join('');
}

function restoreXml(call: BucketCall, version: StoredVersion): string {
  const asked = (call.headers['x-amz-optional-object-attributes'] ?? '')
    .split(',')
    .some((name) => name.trim() === 'RestoreStatus');
  if (!asked || !isArchived(version)) return '';
  const state = settleRestore(version, call.world.nowMs());
  if (state === 'archived') return '';
  return branch(
    'RestoreStatus',
    leaf('IsRestoreInProgress', state === 'restoring'),
    state === 'online' && version.restore?.expiresAtMs
      ? leaf('RestoreExpiryDate', isoTime(version.restore.expiresAtMs))
      : '',
  );
}

/** Opaque, bound to the listing it was given for, and maybe short-lived. */
function makeToken(call: BucketCall, frame: Frame, last: { name: string; folder: boolean }): string {
  const text = JSON.stringify([last.name, last.folder, call.world.nowMs(), binding(call, frame)]);
  return Buffer.from(text).toString('base64');
}

function readToken(call: BucketCall, frame: Frame, token: string): { after: string; afterIsFolder: boolean } {
  const wrong = new S3Error('InvalidArgument', 'The continuation token provided is incorrect', {
    fields: { ArgumentName: 'continuation-token' },
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(token, 'base64').toString('utf8'));
  } catch {
    throw wrong;
  }
  if (!Array.isArray(parsed)) throw wrong;
  const [name, folder, madeAtMs, bound] = parsed as [string, boolean, number, string];
  const lifetimeMs = call.world.options.continuationTokenLifetimeMs ?? Number.POSITIVE_INFINITY;
  if (bound !== binding(call, frame) || call.world.nowMs() - madeAtMs > lifetimeMs) throw wrong;
  return { after: name, afterIsFolder: folder };
}

function binding(call: BucketCall, frame: Frame): string {
  return sha256(Buffer.from(JSON.stringify([call.bucket.name, frame.prefix, frame.delimiter]))).slice(0, 16);
}
