/** DeleteObject, DeleteObjects, RestoreObject. */

import { contentOf } from '../content.ts';
import type { SimResponse } from '../http.ts';
import { branch, childText, childrenOf, document, leaf } from '../xml.ts';
import type { BucketCall, ObjectCall } from './call.ts';
import { S3_XMLNS, bodyXml, emptyResponse, etagMatches, permit, requestCharged, xmlResponse } from './call.ts';
import { checkContentMd5, settleChecksum } from './checksums.ts';
import { S3Error, accessDenied } from './error.ts';
import { findVersion } from './read.ts';
import type { StoredVersion } from './state.ts';
import { SSE_S3, addVersion, currentVersion, isArchived, settleRestore } from './state.ts';

export function deleteObject(call: ObjectCall): SimResponse {
  const versionId = call.query.get('versionId');
  permit(call, versionId === null ? 's3:DeleteObject' : 's3:DeleteObjectVersion', call.key);
  const ifMatch = call.headers['if-match'];
  // RGW 16 deletes whatever the condition says.
  if (ifMatch !== undefined && call.world.dialect === 'aws') checkDeleteCondition(call, ifMatch);
  return emptyResponse(204, { ...remove(call, call.key, versionId), ...requestCharged(call) });
}

function checkDeleteCondition(call: ObjectCall, ifMatch: string): void {
  const current = currentVersion(call.bucket, call.key);
  if (current === null || !etagMatches(call, ifMatch, current.etag)) {
    throw new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
      fields: { Condition: 'If-Match' },
    });
  }
}

/** Removes a version, or puts a delete marker where the bucket keeps versions. */
function remove(call: BucketCall, key: string, versionId: string | null): Record<string, string> {
  const { bucket, world } = call;
  const versions = bucket.objects.get(key) ?? [];
  if (versionId === null && bucket.versioning !== 'off') {
    const marker = addVersion(world, bucket, key, (id) => deleteMarker(id, world.nowMs()));
    return { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker.versionId };
  }
  const wanted = versionId ?? 'null';
  const gone = versions.find((version) => version.versionId === wanted);
  // Delete markers are not held back.
  if (bucket.retainsAll && gone?.deleteMarker === false) {
    throw accessDenied('Access Denied because object protected by object lock.');
  }
  const kept = versions.filter((version) => version !== gone);
  if (kept.length === 0) bucket.objects.delete(key);
  else bucket.objects.set(key, kept);
  if (versionId === null) return {};
  return { 'x-amz-version-id': versionId, ...(gone?.deleteMarker === true ? { 'x-amz-delete-marker': 'true' } : {}) };
}

function deleteMarker(versionId: string, nowMs: number): StoredVersion {
  return {
    versionId,
    deleteMarker: true,
    content: contentOf(new Uint8Array(0)),
    etag: '',
    modifiedAtMs: nowMs,
    attributes: {
      headers: {},
      metadata: {},
      missingMeta: 0,
      tags: new Map(),
      storageClass: 'STANDARD',
      encryption: SSE_S3,
      websiteRedirect: null,
    },
    checksum: null,
    parts: null,
    archiveStatus: null,
    restore: null,
  };
}

export function deleteObjects(call: BucketCall): SimResponse {
  const body = contentOf(call.body);
  const signed =
    call.headers['content-md5'] !== undefined ||
    Object.keys({ ...call.headers, ...call.trailers }).some((n) => n.startsWith('x-amz-checksum-'));
  if (!signed && call.world.dialect === 'aws') {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*');
  }
  checkContentMd5(call, body);
  settleChecksum(call, body);
  const root = bodyXml(call, 'Delete');
  const objects = childrenOf(root, 'Object');
  if (objects.length === 0 || objects.length > 1000) {
    throw new S3Error(
      'MalformedXML',
      'The XML you provided was not well-formed or did not validate against our published schema',
    );
  }
  const quiet = childText(root, 'Quiet') === 'true';
  const results = objects.map((node) => {
    const key = childText(node, 'Key') ?? '';
    const versionId = childText(node, 'VersionId');
    const naming = leaf('Key', key) + leaf('VersionId', versionId);
    try {
      permitEach(call, key, versionId);
      const etag = childText(node, 'ETag');
      if (etag !== null && call.world.dialect === 'aws') checkDeleteCondition({ ...call, key }, etag);
      const done = remove(call, key, versionId);
      const marker =
        done['x-amz-delete-marker'] === undefined
          ? ''
          : leaf('DeleteMarker', 'true') + leaf('DeleteMarkerVersionId', done['x-amz-version-id']);
      return quiet ? '' : branch('Deleted', naming, marker);
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      return branch('Error', naming, leaf('Code', error.code), leaf('Message', error.message));
    }
  });
  return xmlResponse(document(`DeleteResult ${S3_XMLNS}`, results), requestCharged(call));
}

function permitEach(call: BucketCall, key: string, versionId: string | null): void {
  permit(call, versionId === null ? 's3:DeleteObject' : 's3:DeleteObjectVersion', key);
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Longest documented waits, per class and tier. `null`: this tier does not exist there. */
const RESTORE_MS: Readonly<Record<string, Readonly<Record<string, number | null>>>> = {
  GLACIER: { Expedited: 5 * 60_000, Standard: 5 * HOUR_MS, Bulk: 12 * HOUR_MS },
  DEEP_ARCHIVE: { Expedited: null, Standard: 12 * HOUR_MS, Bulk: 48 * HOUR_MS },
  ARCHIVE_ACCESS: { Expedited: 5 * 60_000, Standard: 5 * HOUR_MS, Bulk: 12 * HOUR_MS },
  DEEP_ARCHIVE_ACCESS: { Expedited: null, Standard: 12 * HOUR_MS, Bulk: 48 * HOUR_MS },
};

export function restoreObject(call: ObjectCall): SimResponse {
  permit(call, 's3:RestoreObject', call.key);
  const version = findVersion(call, 's3:RestoreObject');
  const { storageClass } = version.attributes;
  const state = settleRestore(version, call.world.nowMs());
  if (!isArchived(version)) {
    throw new S3Error('InvalidObjectState', "Restore is not allowed for the object's current storage class", {
      fields: { StorageClass: storageClass },
    });
  }
  const root = bodyXml(call, 'RestoreRequest');
  const job = root.children.find((child) => child.name === 'GlacierJobParameters');
  const tier = (job === undefined ? null : childText(job, 'Tier')) ?? 'Standard';
  const tiering = storageClass === 'INTELLIGENT_TIERING';
  const days = Number(childText(root, 'Days') ?? (tiering ? '0' : '-1'));
  if (tiering ? childText(root, 'Days') !== null : !Number.isInteger(days) || days < 1) {
    throw new S3Error(
      'MalformedXML',
      'The XML you provided was not well-formed or did not validate against our published schema',
    );
  }
  if (state === 'restoring') throw new S3Error('RestoreAlreadyInProgress', 'Object restore is already in progress');
  if (state === 'online' && version.restore !== null) {
    version.restore.expiresAtMs = restoreEnd(call.world.nowMs(), days);
    return emptyResponse(200, requestCharged(call));
  }
  const waitMs = RESTORE_MS[version.archiveStatus ?? storageClass]?.[tier];
  if (waitMs === undefined || waitMs === null) {
    throw new S3Error('InvalidArgument', `The retrieval tier ${tier} is not supported for this storage class.`);
  }
  if (tier === 'Expedited' && call.world.options.expeditedUnavailable === true) {
    throw new S3Error(
      'GlacierExpeditedRetrievalNotAvailable',
      'Glacier expedited retrievals are currently not available, please try again later',
    );
  }
  const readyAtMs = call.world.nowMs() + waitMs;
  version.restore = { readyAtMs, expiresAtMs: tiering ? null : restoreEnd(readyAtMs, days) };
  return emptyResponse(202, requestCharged(call));
}

/** Copies end at the midnight (UTC) after the last day. */
function restoreEnd(fromMs: number, days: number): number {
  return Math.ceil((fromMs + days * DAY_MS) / DAY_MS) * DAY_MS;
}
