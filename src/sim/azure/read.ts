/** Get Blob, Get Blob Properties, and what changes a blob without its content: properties, metadata, tags, tier, lease, delete. */

import { bodyOf, slice } from '../content.ts';
import type { SimResponse } from '../http.ts';
import { EMPTY_BODY, parseRange, textBody } from '../http.ts';
import { branch, childText, childrenOf, document, leaf, parse } from '../xml.ts';
import { TIERS, attributesFrom, blobHeaders, checkTags, metadataFrom } from './attributes.ts';
import { checkConditions, checkLease } from './conditions.ts';
import { isEmptyDirectory } from './directories.ts';
import { AzureError } from './error.ts';
import type { Blob, BlobCall } from './state.ts';
import { findBlob, permit } from './state.ts';
import { archived, crc64Of } from './write.ts';

function permitBlob(call: BlobCall, letters: string): void {
  permit(call, letters, 'o', call.container.name, call.name);
}

export function getBlob(call: BlobCall): SimResponse {
  permitBlob(call, 'r');
  const isHead = call.request.method === 'HEAD';
  const directory = call.container.directories.get(call.name.replace(/\/$/, ''));
  if (directory !== undefined) return directoryAnswer(directory, isHead);
  const blob = findBlob(call);
  checkConditions(call, blob, 'read');
  const headers = blobHeaders(call, blob);
  if (isHead) {
    return { status: 200, headers: { ...headers, 'content-length': String(blob.content.sizeBytes) }, body: EMPTY_BODY };
  }
  if (blob.tier === 'Archive') throw archived(blob);
  const range = parseRange(call.headers['x-ms-range'] ?? call.headers['range'], blob.content.sizeBytes);
  if (range === 'unsatisfiable') {
    throw new AzureError('InvalidRange', 'The range specified is invalid for the current size of the resource.', {
      headers: { 'content-range': `bytes */${blob.content.sizeBytes}` },
    });
  }
  if (range === null) return { status: 200, headers, body: bodyOf(blob.content) };
  const { offset, lengthBytes } = range;
  if (blob.contentMd5 !== null) {
    headers['x-ms-blob-content-md5'] = blob.contentMd5;
    delete headers['content-md5'];
  }
  const piece = slice(blob.content, offset, lengthBytes);
  const wantsMd5 = call.headers['x-ms-range-get-content-md5'] === 'true';
  const wantsCrc = call.headers['x-ms-range-get-content-crc64'] === 'true';
  if ((wantsMd5 || wantsCrc) && (lengthBytes > 4 * 1024 * 1024 || (wantsMd5 && wantsCrc))) {
    throw new AzureError('OutOfRangeInput', 'One of the request inputs is out of range: x-ms-range.');
  }
  if (wantsMd5) headers['content-md5'] = piece.digest('MD5').toString('base64');
  if (wantsCrc) headers['x-ms-content-crc64'] = crc64Of(piece);
  headers['content-range'] = `bytes ${offset}-${offset + lengthBytes - 1}/${blob.content.sizeBytes}`;
  return { status: 206, headers, body: bodyOf(piece) };
}

function directoryAnswer(directory: { modifiedAtMs: number; etag: string }, isHead: boolean): SimResponse {
  const headers = {
    etag: directory.etag,
    'last-modified': new Date(directory.modifiedAtMs).toUTCString(),
    'content-type': 'application/octet-stream',
    'x-ms-blob-type': 'BlockBlob',
    'x-ms-meta-hdi_isfolder': 'true',
    'x-ms-resource-type': 'directory',
    ...(isHead ? { 'content-length': '0' } : {}),
  };
  return { status: 200, headers, body: EMPTY_BODY };
}

function touch(call: BlobCall, blob: Blob): Record<string, string> {
  blob.etag = call.world.etag();
  blob.modifiedAtMs = call.world.nowMs();
  return { etag: blob.etag, 'last-modified': new Date(blob.modifiedAtMs).toUTCString() };
}

function forChange(call: BlobCall, letters: string): Blob {
  permitBlob(call, letters);
  const blob = findBlob(call);
  checkConditions(call, blob, 'write');
  checkLease(call, blob);
  return blob;
}

/** What is left out is cleared. */
export function setProperties(call: BlobCall): SimResponse {
  const blob = forChange(call, 'w');
  if (blob.tier === 'Archive') throw archived(blob);
  const { properties, contentMd5 } = attributesFrom(call, false);
  Object.assign(blob, { contentMd5 });
  blob.properties = properties;
  return { status: 200, headers: touch(call, blob), body: EMPTY_BODY };
}

export function setMetadata(call: BlobCall): SimResponse {
  const blob = forChange(call, 'w');
  if (blob.tier === 'Archive') throw archived(blob);
  blob.metadata = metadataFrom(call);
  return { status: 200, headers: touch(call, blob), body: EMPTY_BODY };
}

export function getTags(call: BlobCall): SimResponse {
  permitBlob(call, 't');
  checkTags(call, []);
  const tags = [...findBlob(call).tags];
  const xml = document(
    'Tags',
    branch(
      'TagSet',
      tags.map(([name, value]) => branch('Tag', leaf('Key', name), leaf('Value', value))),
    ),
  );
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: textBody(xml) };
}

export function setTags(call: BlobCall): SimResponse {
  permitBlob(call, 't');
  const blob = findBlob(call);
  checkLease(call, blob);
  const set = parse(Buffer.from(call.request.body).toString('utf8'))?.children.find((node) => node.name === 'TagSet');
  if (set === undefined) throw new AzureError('InvalidXmlDocument', 'XML specified is not syntactically valid.');
  blob.tags = checkTags(
    call,
    childrenOf(set, 'Tag').map((tag) => [childText(tag, 'Key') ?? '', childText(tag, 'Value') ?? '']),
  );
  return { status: 204, headers: {}, body: EMPTY_BODY };
}

const REHYDRATE_MS = { Standard: 15 * 3_600_000, High: 3_600_000 } as const;

/** Neither ETag nor time changes with the tier. */
export function setTier(call: BlobCall): SimResponse {
  permitBlob(call, 'w');
  const blob = findBlob(call);
  const tier = call.headers['x-ms-access-tier'] ?? '';
  if (!TIERS.includes(tier))
    throw new AzureError(
      'InvalidHeaderValue',
      'The value for one of the HTTP headers is not in the correct format: x-ms-access-tier.',
    );
  const priority = call.headers['x-ms-rehydrate-priority'] ?? 'Standard';
  if (priority !== 'Standard' && priority !== 'High')
    throw new AzureError('InvalidHeaderValue', 'The value for x-ms-rehydrate-priority is not valid.');
  if (blob.tier === 'Archive' && tier !== 'Archive') {
    if (blob.rehydration !== null && blob.rehydration.tier !== tier) throw archived(blob);
    blob.rehydration ??= { tier, readyAtMs: call.world.nowMs() + REHYDRATE_MS[priority] };
    return { status: 202, headers: {}, body: EMPTY_BODY };
  }
  blob.tier = tier;
  blob.tierInferred = false;
  return { status: 200, headers: {}, body: EMPTY_BODY };
}

export function lease(call: BlobCall): SimResponse {
  permitBlob(call, 'w');
  const blob = findBlob(call);
  const action = call.headers['x-ms-lease-action'] ?? '';
  const given = call.headers['x-ms-lease-id'];
  if (action === 'acquire') return acquire(call, blob);
  if (!['renew', 'change', 'release', 'break'].includes(action)) {
    throw new AzureError(
      'InvalidHeaderValue',
      'The value for one of the HTTP headers is not in the correct format: x-ms-lease-action.',
    );
  }
  const held = blob.lease;
  if (held === null)
    throw new AzureError('LeaseNotPresentWithLeaseOperation', 'There is currently no lease on the blob.');
  if (action === 'break') {
    blob.lease = null;
    return { status: 202, headers: { 'x-ms-lease-time': '0' }, body: EMPTY_BODY };
  }
  if (given !== held.id)
    throw new AzureError(
      'LeaseIdMismatchWithLeaseOperation',
      'The lease ID specified did not match the lease ID for the blob.',
    );
  if (action === 'release') blob.lease = null;
  else if (action === 'change') held.id = call.headers['x-ms-proposed-lease-id'] ?? held.id;
  else if (held.endsAtMs !== null) held.endsAtMs = call.world.nowMs() + 60_000;
  return { status: 200, headers: action === 'release' ? {} : { 'x-ms-lease-id': held.id }, body: EMPTY_BODY };
}

function acquire(call: BlobCall, blob: Blob): SimResponse {
  const seconds = Number(call.headers['x-ms-lease-duration'] ?? '');
  if (seconds !== -1 && !(seconds >= 15 && seconds <= 60)) {
    throw new AzureError(
      'InvalidHeaderValue',
      'The value for one of the HTTP headers is not in the correct format: x-ms-lease-duration.',
    );
  }
  const id = call.headers['x-ms-proposed-lease-id'] ?? call.world.uuid();
  if (blob.lease !== null && blob.lease.id !== id)
    throw new AzureError('LeaseAlreadyPresent', 'There is already a lease present.');
  blob.lease = { id, endsAtMs: seconds === -1 ? null : call.world.nowMs() + seconds * 1000 };
  return { status: 201, headers: { 'x-ms-lease-id': id, etag: blob.etag }, body: EMPTY_BODY };
}

export function deleteBlob(call: BlobCall): SimResponse {
  permitBlob(call, call.query.has('versionid') ? 'x' : 'd');
  const done: SimResponse = { status: 202, headers: { 'x-ms-delete-type-permanent': 'true' }, body: EMPTY_BODY };
  const path = call.name.replace(/\/$/, '');
  if (call.container.directories.get(path) !== undefined) {
    if (!isEmptyDirectory(call.container, path)) {
      throw new AzureError('DirectoryIsNotEmpty', 'This operation is not permitted on a non-empty directory.');
    }
    call.container.directories.delete(path);
    return done;
  }
  const blob = findBlob(call);
  checkConditions(call, blob, 'write');
  const { blobs, history } = call.container;
  const older = history.get(call.name) ?? [];
  if (call.query.has('versionid')) {
    history.set(
      call.name,
      older.filter((version) => version !== blob),
    );
    if (blobs.get(call.name) === blob)
      throw new AzureError('BlobOperationNotSupported', 'The current version cannot be deleted by its version id.');
    return done;
  }
  checkLease(call, blob);
  if (call.world.options.versioning === true) history.set(call.name, [blob, ...older]);
  blobs.delete(call.name);
  return done;
}
