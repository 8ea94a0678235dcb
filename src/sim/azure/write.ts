/** Put Blob, Put Block, Put Block List: everything that makes a blob. */

import type { Content } from '../content.ts';
import { contentOf, joined } from '../content.ts';
import type { SimResponse } from '../http.ts';
import { EMPTY_BODY, textBody } from '../http.ts';
import { branch, document, leaf, parse } from '../xml.ts';
import type { BlobAttributes } from './attributes.ts';
import { attributesFrom } from './attributes.ts';
import { checkConditions, checkLease } from './conditions.ts';
import { claimPath } from './directories.ts';
import { AzureError } from './error.ts';
import type { Blob, BlobCall, Block } from './state.ts';
import { permit, settled } from './state.ts';

const MIB = 1024 * 1024;
const BLOCKS_MAX = 50_000;
const UNCOMMITTED_MAX = 100_000;

/** Create needs `c` or `w`; replacing needs `w`. */
export function permitWrite(call: BlobCall): void {
  permit(call, call.container.blobs.get(call.name) === undefined ? 'cw' : 'w', 'o', call.container.name, call.name);
  if (call.headers['x-ms-tags'] !== undefined) permit(call, 't', 'o', call.container.name, call.name);
}

/** Digests that guard a body: at most one, and the right one. CRC64 is little-endian here. */
export function checkBody(content: Content, md5: string | undefined, crc64: string | undefined): void {
  if (md5 !== undefined && crc64 !== undefined) {
    throw new AzureError(
      'BothCrc64AndMd5HeaderPresent',
      'Both x-ms-content-crc64 header and Content-MD5 header are present.',
    );
  }
  if (md5 !== undefined) {
    if (Buffer.from(md5, 'base64').length !== 16)
      throw new AzureError('InvalidMd5', 'The MD5 value specified in the request is invalid.');
    if (content.digest('MD5').toString('base64') !== md5) {
      throw new AzureError(
        'Md5Mismatch',
        'The MD5 value specified in the request did not match with the MD5 value calculated by the server.',
      );
    }
  }
  if (crc64 !== undefined) {
    if (Buffer.from(crc64, 'base64').length !== 8)
      throw new AzureError('InvalidHeaderValue', 'The CRC64 value specified in the request is invalid.');
    if (crc64Of(content) !== crc64) {
      throw new AzureError(
        'Crc64Mismatch',
        'The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.',
      );
    }
  }
}

export function crc64Of(content: Content): string {
  return Buffer.from(content.digest('CRC64NVME')).reverse().toString('base64');
}

export function digestHeaders(content: Content, askedMd5: boolean): Record<string, string> {
  return askedMd5
    ? { 'content-md5': content.digest('MD5').toString('base64') }
    : { 'x-ms-content-crc64': crc64Of(content) };
}

export function putBlob(call: BlobCall): SimResponse {
  permitWrite(call);
  const type = call.headers['x-ms-blob-type'];
  if (type === undefined)
    throw new AzureError(
      'MissingRequiredHeader',
      "An HTTP header that's mandatory for this request is not specified: x-ms-blob-type.",
    );
  if (type !== 'BlockBlob') throw new AzureError('InvalidHeaderValue', 'Only block blobs are simulated.');
  if (call.request.body.length > (call.world.options.putBytesMax ?? 5000 * MIB)) throw tooLarge();
  const content = contentOf(Uint8Array.from(call.request.body));
  checkBody(content, call.headers['content-md5'], call.headers['x-ms-content-crc64']);
  const attributes = attributesFrom(call, true);
  const md5 = content.digest('MD5').toString('base64');
  if (attributes.contentMd5 !== null && attributes.contentMd5 !== md5) {
    throw new AzureError(
      'Md5Mismatch',
      'The MD5 value specified in the request did not match with the MD5 value calculated by the server.',
    );
  }
  const blob = store(call, content, [], { ...attributes, contentMd5: md5 });
  return created(blob, { 'content-md5': md5, 'x-ms-content-crc64': crc64Of(content) });
}

export function tooLarge(): AzureError {
  return new AzureError(
    'RequestBodyTooLarge',
    'The request body is too large and exceeds the maximum permissible limit.',
  );
}

export function created(blob: Blob, headers: Record<string, string>): SimResponse {
  return {
    status: 201,
    headers: {
      etag: blob.etag,
      'last-modified': new Date(blob.modifiedAtMs).toUTCString(),
      'x-ms-request-server-encrypted': 'true',
      ...(blob.versionId === null ? {} : { 'x-ms-version-id': blob.versionId }),
      ...headers,
    },
    body: EMPTY_BODY,
  };
}

/** Makes the content visible: conditions, lease, names, versions; uncommitted blocks are dropped. */
export function store(
  call: BlobCall,
  content: Content,
  blocks: readonly Block[],
  attributes: BlobAttributes,
  copySource: string | null = null,
): Blob {
  const { container, name, world } = call;
  const old = container.blobs.get(name);
  checkConditions(call, old, 'write');
  checkLease(call, old);
  claimPath(call);
  const nowMs = world.nowMs();
  const blob: Blob = {
    content,
    blocks,
    properties: attributes.properties,
    metadata: attributes.metadata,
    tags: attributes.tags,
    contentMd5: attributes.contentMd5,
    etag: world.etag(),
    modifiedAtMs: nowMs,
    createdAtMs: old?.createdAtMs ?? nowMs,
    versionId: world.options.versioning === true ? world.versionId() : null,
    tier: attributes.tier ?? world.options.defaultTier ?? 'Hot',
    tierInferred: attributes.tier === null,
    rehydration: null,
    lease: old?.lease ?? null,
    copyStatus: copySource === null ? null : { id: world.uuid(), source: copySource },
  };
  if (old !== undefined && world.options.versioning === true) {
    container.history.set(name, [old, ...(container.history.get(name) ?? [])]);
  }
  container.blobs.set(name, blob);
  container.uncommitted.delete(name);
  return blob;
}

/** Keeps a block aside until a commit names it. */
export function stage(call: BlobCall, content: Content): void {
  const { container, name } = call;
  const existing = container.blobs.get(name);
  checkLease(call, existing);
  if (existing !== undefined && settled(call.world, existing).tier === 'Archive') throw archived(existing);
  const id = call.query.get('blockid') ?? '';
  const raw = Buffer.from(id, 'base64');
  if (id === '' || raw.toString('base64') !== id) {
    throw new AzureError(
      'InvalidQueryParameterValue',
      'Value for one of the query parameters specified in the request URI is invalid: blockid.',
    );
  }
  if (raw.length > 64) throw new AzureError('OutOfRangeInput', 'One of the request inputs is out of range: blockid.');
  if (content.sizeBytes > (call.world.options.blockBytesMax ?? 4000 * MIB)) throw tooLarge();
  if (content.sizeBytes === 0)
    throw new AzureError(
      'InvalidHeaderValue',
      'The value for one of the HTTP headers is not in the correct format: Content-Length.',
    );
  const blocks = container.uncommitted.get(name) ?? new Map<string, Block>();
  const [first] = blocks.keys();
  if (first !== undefined && first.length !== id.length) {
    throw new AzureError('InvalidBlobOrBlock', 'The specified blob or block content is invalid.');
  }
  if (blocks.size >= UNCOMMITTED_MAX && !blocks.has(id)) {
    throw new AzureError(
      'BlockCountExceedsLimit',
      'The uncommitted block count cannot exceed the maximum limit of 100,000 blocks.',
    );
  }
  blocks.set(id, { id, content });
  container.uncommitted.set(name, blocks);
}

export function archived(blob: Blob): AzureError {
  return blob.rehydration === null
    ? new AzureError('BlobArchived', 'This operation is not permitted on an archived blob.')
    : new AzureError('BlobBeingRehydrated', 'This operation is not permitted because the blob is being rehydrated.');
}

export function putBlock(call: BlobCall): SimResponse {
  permitWrite(call);
  const content = contentOf(Uint8Array.from(call.request.body));
  const md5 = call.headers['content-md5'];
  checkBody(content, md5, call.headers['x-ms-content-crc64']);
  stage(call, content);
  return {
    status: 201,
    headers: { 'x-ms-request-server-encrypted': 'true', ...digestHeaders(content, md5 !== undefined) },
    body: EMPTY_BODY,
  };
}

export function putBlockList(call: BlobCall): SimResponse {
  permitWrite(call);
  const body = contentOf(call.request.body);
  checkBody(body, call.headers['content-md5'], call.headers['x-ms-content-crc64']);
  const root = parse(Buffer.from(call.request.body).toString('utf8'));
  if (root === null || root.name !== 'BlockList')
    throw new AzureError('InvalidXmlDocument', 'XML specified is not syntactically valid.');
  if (root.children.length > BLOCKS_MAX)
    throw new AzureError('BlockListTooLong', 'The block list may not contain more than 50,000 blocks.');
  const attributes = attributesFrom(call, false);
  const old = call.container.blobs.get(call.name);
  if (old !== undefined && settled(call.world, old).tier === 'Archive') throw archived(old);
  const staged = call.container.uncommitted.get(call.name);
  const blocks = root.children.map((node): Block => {
    const id = node.text.trim();
    const fresh = node.name === 'Committed' ? undefined : staged?.get(id);
    const kept = node.name === 'Uncommitted' ? undefined : old?.blocks.find((block) => block.id === id);
    const found = fresh ?? kept;
    if (found === undefined) throw new AzureError('InvalidBlockList', 'The specified block list is invalid.');
    return found;
  });
  const blob = store(call, joined(blocks.map((block) => block.content)), blocks, attributes);
  // The digest in this answer is that of the list, not of the blob.
  return created(blob, digestHeaders(body, call.headers['content-md5'] !== undefined));
}

export function getBlockList(call: BlobCall): SimResponse {
  permit(call, 'r', 'o', call.container.name, call.name);
  const type = call.query.get('blocklisttype') ?? 'committed';
  if (!['committed', 'uncommitted', 'all'].includes(type)) {
    throw new AzureError(
      'InvalidQueryParameterValue',
      'Value for one of the query parameters specified in the request URI is invalid: blocklisttype.',
    );
  }
  const blob = call.container.blobs.get(call.name);
  const staged = call.container.uncommitted.get(call.name);
  if (blob === undefined && staged === undefined)
    throw new AzureError('BlobNotFound', 'The specified blob does not exist.');
  const list = (blocks: Iterable<Block>): string =>
    [...blocks].map((block) => branch('Block', leaf('Name', block.id), leaf('Size', block.content.sizeBytes))).join('');
  const xml = document(
    'BlockList',
    type === 'uncommitted' ? '' : branch('CommittedBlocks', list(blob?.blocks ?? [])),
    type === 'committed' ? '' : branch('UncommittedBlocks', list(staged?.values() ?? [])),
  );
  const identity: Record<string, string> =
    blob === undefined ? {} : { etag: blob.etag, 'last-modified': new Date(blob.modifiedAtMs).toUTCString() };
  return {
    status: 200,
    headers: {
      'content-type': 'application/xml',
      'x-ms-blob-content-length': String(blob?.content.sizeBytes ?? 0),
      ...identity,
    },
    body: textBody(xml),
  };
}
