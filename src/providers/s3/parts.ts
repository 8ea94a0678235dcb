/** Uploads in parts: begun once, continued by whoever finds them, completed exactly once. */
import type {
  FoundUpload,
  PartReceipt,
  Parts,
  Upload,
  WriteBody,
  WriteOptions,
  Written,
} from '../../contract/provider.ts';
import { hexToBase64 } from '../../lib/encode.ts';
import { COMPUTABLE_DIGESTS, digestOf } from '../../lib/hash.ts';
import { childText, children } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import type { DigestKind, Digests } from '../../model/digest.ts';
import type { Json } from '../../model/json.ts';
import { keyParameter } from './address.ts';
import type { Query } from './client.ts';
import { encryptionOfRead } from './encryption.ts';
import { checksumHeader, digestsOfEtag, hexOfChecksum, isEncryptedApart, plainEtag } from './headers.ts';
import type { Headers } from './headers.ts';
import { complete } from './complete.ts';
import { decodeListedKey } from './listing.ts';
import type { OwnIdentity } from './owner.ts';
import {
  checkKey,
  corrupted,
  creationHeaders,
  inMemory,
  isNameMixUp,
  mustGather,
  sendAgain,
  wantsDigest,
} from './write.ts';
import { listParts, ofUpload, uploadToken } from './upload.ts';
import type { TargetState } from './write.ts';

const MIB = 1024 * 1024;
export const OBJECT_BYTES_MAX = 10_000 * 5 * 1024 * MIB;
const CLOCK_SLACK_MS = 15 * 60_000;
const OBSERVED_SLACK_MS = 30_000;

export function partsFacet(state: TargetState, own: OwnIdentity): Parts {
  return {
    limits: {
      partBytesMin: 5 * MIB,
      partBytesMax: 5 * 1024 * MIB,
      partsMax: 10_000,
      objectBytesMax: OBJECT_BYTES_MAX,
      equalParts: false,
      tellsInitiator: state.objects.client.isAmazon,
    },
    begin: (key, sizeBytes, _partBytes, options) => begin(state, key, sizeBytes, options),
    ...(own.names && { initiator: own.names }),
    find: (key, sinceMs, signal, by) => find(state, own, key, { sinceMs, by: namesIn(by) }, signal),
    put: (upload, index, body, digests, signal) => put(state, upload, index, body, digests, signal),
    list: (upload, signal) => listParts(state, upload, signal),
    complete: (upload, receipts, options): Promise<Written> => complete(state, upload, receipts, options),
    abort: (upload, signal) => abort(state, upload, signal),
  };
}

async function begin(state: TargetState, key: string, sizeBytes: number, options: WriteOptions): Promise<Upload> {
  const { objects } = state;
  checkKey(objects, key);
  const { headers } = creationHeaders(state, options);
  const checksum = algorithmFor(state, options.digests);
  if (checksum !== null) {
    headers['x-amz-checksum-algorithm'] = checksum.toUpperCase();
    headers['x-amz-checksum-type'] = 'FULL_OBJECT';
  }
  const startedAtMs = objects.client.time.now();
  try {
    const { root, headers: answer } = await objects.client.document({
      method: 'POST',
      ...objects.on(key),
      query: [['uploads', '']],
      headers,
      operation: 'BEGIN',
      signal: options.signal,
    });
    objects.watch(answer);
    const uploadId = childText(root, 'UploadId');
    if (!uploadId) throw new DroverError('UNAVAILABLE', `The store began an upload of "${key}" without naming it.`);
    state.begun.set(uploadId, sizeBytes);
    return { key, startedAtMs, token: { uploadId, checksum } };
  } catch (thrown) {
    if (!(thrown instanceof DroverError) || !isNameMixUp(thrown, state, options)) throw thrown;
    objects.client.metadataNames = 'folded';
    return begin(state, key, sizeBytes, options);
  }
}

/**
 * Amazon computes a CRC64NVME of every upload by itself. Only where the source's whole digest is another CRC is that
 * one asked for, because then each part must bring its own.
 */
function algorithmFor(state: TargetState, digests: Digests): DigestKind | null {
  if (digests.crc64nvme !== undefined) return null;
  const wanted: readonly DigestKind[] = ['crc32c', 'crc32'];
  const fits = (kind: DigestKind) => digests[kind] !== undefined && state.facts.checksums[kind] === 'honoured';
  return wanted.find((kind) => fits(kind) && COMPUTABLE_DIGESTS.includes(kind)) ?? null;
}

async function put(
  state: TargetState,
  upload: Upload,
  index: number,
  body: WriteBody,
  digests: Digests,
  signal: AbortSignal,
): Promise<PartReceipt> {
  const { objects } = state;
  const { uploadId, checksum } = uploadToken(upload);
  const isMissing = checksum !== null && digests[checksum] === undefined;
  const content = isMissing || mustGather(state, body, digests) ? await inMemory(body, upload.key) : body.content;
  const known: Digests = completed(digests, content, checksum, state.wantsMd5 === true);
  const headers: Record<string, string> = { ...encryptionOfRead(objects.client.settings) };
  if (known.md5 !== undefined && state.facts.contentMd5 !== 'refused') headers['content-md5'] = hexToBase64(known.md5);
  if (checksum !== null) {
    const [name, value] = checksumHeader(checksum, known[checksum] as string);
    headers[name] = value;
  }
  const answer = await ofUpload(upload.key, () =>
    objects.client.run({
      method: 'PUT',
      ...objects.on(upload.key),
      query: partQuery(uploadId, index),
      headers,
      body: { sizeBytes: body.sizeBytes, content },
      operation: 'PART',
      signal,
    }),
  ).catch((thrown: unknown) => {
    if (!wantsDigest(thrown, state, known)) throw thrown;
    return null;
  });
  if (answer === null) {
    if (content instanceof Uint8Array) return put(state, upload, index, { ...body, content }, digests, signal);
    throw sendAgain(upload.key);
  }
  return receiptOf(state, upload.key, index, body.sizeBytes, answer.headers, known, checksum);
}

export function partQuery(uploadId: string, index: number): Query {
  return [
    ['partNumber', String(index + 1)],
    ['uploadId', uploadId],
  ];
}

function completed(
  given: Digests,
  content: WriteBody['content'],
  checksum: DigestKind | null,
  wantsMd5: boolean,
): Digests {
  if (!(content instanceof Uint8Array)) return given;
  const known: { [K in DigestKind]?: string } = { ...given };
  if (checksum !== null) known[checksum] ??= digestOf(checksum, content);
  // Without any digest of the source the ETag of each part has to prove what was received.
  if (wantsMd5 || Object.keys(known).length === 0) known.md5 ??= digestOf('md5', content);
  return known;
}

function receiptOf(
  state: TargetState,
  key: string,
  index: number,
  sizeBytes: number,
  headers: Headers,
  sent: Digests,
  checksum: DigestKind | null,
): PartReceipt {
  const etag = plainEtag(headers['etag']);
  if (etag === null)
    throw new DroverError('UNAVAILABLE', `"${key}": the store took part ${index + 1} without a receipt.`);
  const proved: { [K in DigestKind]?: string } = {};
  const ofEtag = digestsOfEtag(etag, isEncryptedApart(headers)).md5;
  if (sent.md5 !== undefined && state.facts.contentMd5 === 'honoured') proved.md5 = sent.md5;
  else if (sent.md5 === undefined || ofEtag === sent.md5)
    Object.assign(proved, ofEtag === undefined ? {} : { md5: ofEtag });
  if (checksum !== null) {
    const returned = hexOfChecksum(headers[`x-amz-checksum-${checksum}`]);
    if (returned !== null && returned !== sent[checksum]) throw corrupted(key, checksum);
    proved[checksum] = sent[checksum] as string;
  }
  const base64 = checksum === null ? null : hexToBase64(sent[checksum] as string);
  return { index, sizeBytes, token: { etag, checksum: base64 }, proved };
}

async function abort(state: TargetState, upload: Upload, signal: AbortSignal): Promise<void> {
  const { objects } = state;
  const { uploadId } = uploadToken(upload);
  state.begun.delete(uploadId);
  try {
    await objects.client.run({
      method: 'DELETE',
      ...objects.on(upload.key),
      query: [['uploadId', uploadId]],
      operation: 'ABORT',
      signal,
    });
  } catch (thrown) {
    const isGone = thrown instanceof DroverError && (thrown.code === 'UPLOAD_LOST' || thrown.code === 'NOT_FOUND');
    if (!isGone) throw thrown;
  }
}

/**
 * Amazon names the true initiator, so the window may be wide. Other stores were seen to name whoever asks: there the
 * store's own clock keeps the window narrow, and whoever asks has to know what was there before (`tellsInitiator`).
 */
function earliestBegin(state: TargetState, sinceMs: number): number {
  const { client } = state.objects;
  return client.isAmazon ? sinceMs - CLOCK_SLACK_MS : sinceMs + client.time.lagMs - OBSERVED_SLACK_MS;
}

/**
 * Uploads carry no mark of whoever began them, so ours are known by three things together: exactly this key, begun
 * at or after the moment we had written down, and begun by the identity that signs for us (roles that we assume sign
 * under a session name of our own; those of machines under one of theirs, which is journaled). Where the store does not
 * name the initiator, or we cannot learn our own name, it may be ours.
 */
async function find(
  state: TargetState,
  own: OwnIdentity,
  key: string,
  { sinceMs, by }: { readonly sinceMs: number; readonly by: readonly string[] },
  signal: AbortSignal,
): Promise<FoundUpload[]> {
  const { objects } = state;
  const fullKey = objects.fullKey(key);
  const found: FoundUpload[] = [];
  const earliestMs = earliestBegin(state, sinceMs);
  let keyMarker: string | null = null;
  let uploadMarker: string | null = null;
  for (;;) {
    const query: Query[number][] = [
      ['encoding-type', 'url'],
      ['max-uploads', '1000'],
      ['prefix', keyParameter(fullKey)],
      ['uploads', ''],
    ];
    if (keyMarker !== null) query.push(['key-marker', keyParameter(keyMarker)]);
    if (uploadMarker !== null) query.push(['upload-id-marker', uploadMarker]);
    const { root } = await objects.client.document({
      method: 'GET',
      bucket: objects.place.bucket,
      key: null,
      query,
      operation: 'LIST',
      signal,
    });
    for (const element of children(root, 'Upload')) {
      const startedAtMs = Date.parse(childText(element, 'Initiated') ?? '');
      const uploadId = childText(element, 'UploadId');
      if (!isKeyText(childText(element, 'Key'), fullKey) || !uploadId || !(startedAtMs >= earliestMs)) continue;
      const isOwn = await own.began(element, by, signal);
      if (isOwn === false) continue;
      const algorithm = childText(element, 'ChecksumAlgorithm')?.toLowerCase() ?? '';
      const checksum = algorithm === 'crc32' || algorithm === 'crc32c' ? algorithm : null;
      found.push({ key, startedAtMs, token: { uploadId, checksum }, ...(isOwn === null && { isUnsure: true }) });
    }
    const next: string | null = childText(root, 'NextKeyMarker') || null;
    if (childText(root, 'IsTruncated') !== 'true' || next === null) return found;
    // Keys come in order and the exact one is first: what follows merely begins like it.
    if (!isKeyText(next, fullKey)) return found;
    keyMarker = fullKey;
    uploadMarker = childText(root, 'NextUploadIdMarker') || null;
  }
}

function namesIn(by: Json | undefined): readonly string[] {
  return Array.isArray(by) ? by.filter((name) => typeof name === 'string') : [];
}

/**
 * Some stores encode the keys of this listing without saying so, and the markers not at all. Among names that begin
 * with the key itself both readings cannot be mixed up.
 */
function isKeyText(text: string | null, fullKey: string): boolean {
  return text !== null && (text === fullKey || decodeListedKey(text, true) === fullKey);
}
