/** The source that `x-amz-copy-source` names, with its conditions. */

import { Query, decodePercent, parseHttpDate } from '../http.ts';
import type { ObjectCall } from './call.ts';
import { etagMatches, permitOn } from './call.ts';
import { S3Error } from './error.ts';
import { checkKeys, findVersion } from './read.ts';
import type { Bucket, StoredVersion } from './state.ts';
import { settleRestore } from './state.ts';

export interface CopySource {
  readonly bucket: Bucket;
  readonly key: string;
  readonly version: StoredVersion;
  /** Demands one more right on the source. */
  permit(action: string): void;
}

export function resolveCopySource(call: ObjectCall): CopySource {
  const header = call.headers['x-amz-copy-source']!;
  const mark = header.indexOf('?versionId=');
  const path = decodePercent((mark < 0 ? header : header.slice(0, mark)).replace(/^\//, ''));
  const slash = path?.indexOf('/') ?? -1;
  if (path === null || slash < 1 || slash === path.length - 1) {
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  }
  const bucket = call.world.buckets.get(path.slice(0, slash));
  if (bucket === undefined) {
    throw new S3Error('NoSuchBucket', 'The specified bucket does not exist', {
      fields: { BucketName: path.slice(0, slash) },
    });
  }
  const key = path.slice(slash + 1);
  // Headers of the target's own conditions and keys do not concern the source.
  const { 'x-amz-expected-bucket-owner': _owner, 'x-amz-server-side-encryption': _encryption, ...rest } = call.headers;
  const expected = call.headers['x-amz-source-expected-bucket-owner'];
  const inner: ObjectCall = {
    ...call,
    bucket,
    key,
    headers: expected === undefined ? rest : { ...rest, 'x-amz-expected-bucket-owner': expected },
    query: new Query(mark < 0 ? [] : [['versionId', header.slice(mark + '?versionId='.length)]]),
  };
  const version = findVersion(inner, 's3:GetObject');
  checkConditions(inner, version);
  checkKeys(inner, version, 'x-amz-copy-source-server-side-encryption-customer');
  if (settleRestore(version, call.world.nowMs()) !== 'online') {
    throw new S3Error(
      'ObjectNotInActiveTierError',
      'The source object of the COPY operation is not in the active tier and is only stored in Amazon S3 Glacier.',
    );
  }
  return { bucket, key, version, permit: (action) => permitOn(inner, bucket, action, key) };
}

function checkConditions(call: ObjectCall, version: StoredVersion): void {
  const match = call.headers['x-amz-copy-source-if-match'];
  const none = call.headers['x-amz-copy-source-if-none-match'];
  const since = parseHttpDate(call.headers['x-amz-copy-source-if-modified-since'] ?? '');
  const until = parseHttpDate(call.headers['x-amz-copy-source-if-unmodified-since'] ?? '');
  const modifiedAtMs = Math.floor(version.modifiedAtMs / 1000) * 1000;
  const holds =
    (match === undefined ? until === null || modifiedAtMs <= until : etagMatches(call, match, version.etag)) &&
    (none === undefined ? since === null || modifiedAtMs > since : !etagMatches(call, none, version.etag));
  if (!holds) {
    throw new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
      fields: { Condition: 'x-amz-copy-source-If-Match' },
    });
  }
}
