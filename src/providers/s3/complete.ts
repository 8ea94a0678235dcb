/** Makes the object of an upload visible, and finds out what happened when the answer was lost. */
import type { PartReceipt, Upload, WriteOptions, Written } from '../../contract/provider.ts';
import { childText } from '../../lib/xml.ts';
import type { XmlElement } from '../../lib/xml.ts';
import { escapeXml } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import { DIGEST_KINDS } from '../../model/digest.ts';
import type { DigestKind, Digests } from '../../model/digest.ts';
import { conditionHeaders } from './conditions.ts';
import { encryptionOfRead } from './encryption.ts';
import {
  checksumHeader,
  digestsOfHeaders,
  headersOfProperties,
  hexOfChecksum,
  isEncryptedApart,
  plainEtag,
} from './headers.ts';
import type { Headers } from './headers.ts';
import { changed } from './objects.ts';
import { replaceTags } from './tags.ts';
import { expectedEtag, listParts, ofUpload, partToken, uploadToken } from './upload.ts';
import { corrupted, learnedLosses, writtenEntry } from './write.ts';
import type { TargetState } from './write.ts';

/** Putting ten thousand parts together may take minutes without a byte in between. */
const PATIENCE_MS = 15 * 60_000;

export async function complete(
  state: TargetState,
  upload: Upload,
  receipts: readonly PartReceipt[],
  options: WriteOptions,
): Promise<Written> {
  const ordered = receipts.toSorted((a, b) => a.index - b.index);
  checkSizes(state, upload, ordered);
  let headers: Headers;
  let root: XmlElement | null = null;
  try {
    const answer = await send(state, upload, ordered, options);
    headers = answer.headers;
    root = answer.root;
  } catch (thrown) {
    headers = await ownResult(state, upload, ordered, options, thrown);
  }
  state.begun.delete(uploadToken(upload).uploadId);
  return finished(state, upload, ordered, options, headers, root);
}

/** The store itself would make an object of whatever parts it is told. */
function checkSizes(state: TargetState, upload: Upload, ordered: readonly PartReceipt[]): void {
  const sizeBytes = state.begun.get(uploadToken(upload).uploadId);
  const sumBytes = sizeOf(ordered);
  if (sizeBytes === undefined || sizeBytes === sumBytes) return;
  const message = `"${upload.key}": its parts have ${sumBytes} bytes together, but it was begun for ${sizeBytes}.`;
  throw new DroverError(sumBytes < sizeBytes ? 'EARLY_END' : 'EXTRA_BYTES', message, { key: upload.key });
}

function sizeOf(receipts: readonly PartReceipt[]): number {
  return receipts.reduce((sum, receipt) => sum + receipt.sizeBytes, 0);
}

async function send(state: TargetState, upload: Upload, ordered: readonly PartReceipt[], options: WriteOptions) {
  const { objects, facts } = state;
  const { uploadId, checksum } = uploadToken(upload);
  const judged = { absent: facts.matchOnComplete, match: facts.matchOnComplete };
  const headers: Record<string, string> = {
    ...(await conditionHeaders(objects, upload.key, options.expect, judged, facts, options.signal)),
  };
  headers['content-type'] = 'application/xml';
  // A checksum of the whole, which Amazon always makes, needs the key that the parts came with.
  Object.assign(headers, encryptionOfRead(objects.client.settings));
  if (checksum !== null) headers['x-amz-checksum-type'] = 'FULL_OBJECT';
  if (facts.sizeOnComplete === 'honoured') headers['x-amz-mp-object-size'] = String(sizeOf(ordered));
  const body = Buffer.from(completionDocument(ordered, checksum), 'utf8');
  const post = (digest: Headers) =>
    ofUpload(upload.key, () =>
      objects.client.document({
        method: 'POST',
        ...objects.on(upload.key),
        query: [['uploadId', uploadId]],
        headers: { ...headers, ...digest },
        body: { sizeBytes: body.length, content: body },
        operation: 'COMPLETE',
        signal: options.signal,
        idleMsMax: PATIENCE_MS,
      }),
    );
  const digest = wholeDigest(state, checksum, options.digests);
  if (digest === null) return post({});
  try {
    return await post(digest);
  } catch (thrown) {
    if (!(thrown instanceof DroverError) || !/^(InvalidRequest|NotImplemented)$/.test(codeOf(thrown))) throw thrown;
    const answer = await post({});
    // Only now it is known that the digest was what the store did not take.
    state.refusesWholeDigest = true;
    return answer;
  }
}

function codeOf(error: DroverError): string {
  return String(error.details?.['code'] ?? '');
}

/**
 * What the source says of the whole, so that a contradiction is found before anything is visible. An upload without an
 * algorithm gets a CRC64NVME at Amazon; everywhere else it is what the parts came with.
 */
function wholeDigest(state: TargetState, checksum: DigestKind | null, digests: Digests): Headers | null {
  const kind = checksum ?? 'crc64nvme';
  const hex = digests[kind];
  if (hex === undefined || state.facts.checksums[kind] !== 'honoured' || state.refusesWholeDigest === true) return null;
  return Object.fromEntries([checksumHeader(kind, hex)]);
}

export function completionDocument(ordered: readonly PartReceipt[], checksum: DigestKind | null): string {
  const parts = ordered.map((receipt) => {
    const token = partToken(receipt);
    const name = checksum === null ? null : `Checksum${checksum.toUpperCase()}`;
    const sum = name === null || token.checksum === null ? '' : `<${name}>${escapeXml(token.checksum)}</${name}>`;
    return `<Part>${sum}<ETag>&quot;${escapeXml(token.etag)}&quot;</ETag><PartNumber>${receipt.index + 1}</PartNumber></Part>`;
  });
  const space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  return `<CompleteMultipartUpload ${space}>${parts.join('')}</CompleteMultipartUpload>`;
}

/**
 * After a refusal: the headers of the object when an earlier try of ours made it; otherwise the refusal is thrown on.
 * The object is ours when its ETag can only come from our parts, or, where ETags are no digests, when it has our size
 * and was made after the upload began; in both cases the upload itself must be gone.
 */
async function ownResult(
  state: TargetState,
  upload: Upload,
  ordered: readonly PartReceipt[],
  options: WriteOptions,
  thrown: unknown,
): Promise<Headers> {
  if (!(thrown instanceof DroverError) || !mayBeDone(thrown)) throw thrown;
  const { objects } = state;
  const head = await objects.head(upload.key, [], options.signal);
  const isOurs = head !== null && isResultOf(head.headers, upload, ordered);
  // Some stores answer with a fault when asked to complete what is not there.
  const isFault = thrown.code === 'UNAVAILABLE';
  const wasExpected = options.expect.kind === 'match';
  if (!isOurs && !isFault && !wasExpected) throw thrown;
  if (!(await isGone(state, upload, options.signal))) {
    // The upload is there, so what the store missed is the object that was to be replaced.
    throw thrown.code === 'UPLOAD_LOST' && wasExpected && head === null ? changed(upload.key) : thrown;
  }
  if (isOurs) return head.headers;
  if (!isFault) throw thrown;
  throw new DroverError('UPLOAD_LOST', `The unfinished upload of "${upload.key}" is gone.`, {
    cause: thrown,
    key: upload.key,
  });
}

function mayBeDone(error: DroverError): boolean {
  if (error.code === 'UPLOAD_LOST' || error.code === 'CHANGED') return true;
  return error.code === 'UNAVAILABLE' && error.details?.['status'] === 500;
}

function isResultOf(headers: Headers, upload: Upload, ordered: readonly PartReceipt[]): boolean {
  const sizeBytes = sizeOf(ordered);
  if (Number(headers['content-length']) !== sizeBytes) return false;
  if (!isEncryptedApart(headers)) return plainEtag(headers['etag']) === expectedEtag(ordered);
  return Date.parse(headers['last-modified'] ?? '') >= upload.startedAtMs - 1000;
}

async function isGone(state: TargetState, upload: Upload, signal: AbortSignal): Promise<boolean> {
  try {
    await listParts(state, upload, signal);
    return false;
  } catch (thrown) {
    if (thrown instanceof DroverError && thrown.code === 'UPLOAD_LOST') return true;
    throw thrown;
  }
}

async function finished(
  state: TargetState,
  upload: Upload,
  ordered: readonly PartReceipt[],
  options: WriteOptions,
  headers: Headers,
  root: XmlElement | null,
): Promise<Written> {
  const { objects } = state;
  const sizeBytes = sizeOf(ordered);
  const expected = expectedEtag(ordered);
  let etag = root === null ? plainEtag(headers['etag']) : plainEtag(childText(root, 'ETag'));
  let known = headers;
  // Only an ETag made from our parts proves the size; some stores answer without one at all.
  if (etag === null || etag !== expected) {
    const head = await objects.head(upload.key, [], options.signal);
    if (head === null) throw new DroverError('CHANGED', `"${upload.key}" was removed right after it was written.`);
    if (Number(head.headers['content-length']) !== sizeBytes) {
      throw new DroverError('CHANGED', `"${upload.key}" was replaced right after it was written.`, { key: upload.key });
    }
    etag = plainEtag(head.headers['etag']);
    known = head.headers;
  }
  // After a lost answer there is only the object itself to ask; its checksums prove as much as that answer would have.
  const proved = root === null ? provedByObject(state, headers) : digestsOfDocument(root);
  for (const [kind, value] of Object.entries(proved) as [DigestKind, string][]) {
    const sent = options.digests[kind];
    if (sent !== undefined && sent !== value) {
      await removeWritten(state, upload.key, options.signal);
      throw corrupted(upload.key, kind);
    }
  }
  const sent = headersOfProperties(options.properties, objects.client.metadataNames).losses;
  const losses = [...(await learnedLosses(state, upload.key, options, sent))];
  const { tags } = options.properties;
  if (tags !== null && Object.keys(tags).length > 0 && state.facts.tagsOnBegin !== 'honoured') {
    await replaceTags(objects, upload.key, tags, losses, options.signal);
  }
  const told = { ...known, etag: etag ?? '' };
  const entry = writtenEntry(upload.key, sizeBytes, told, proved);
  return { entry, proved, composite: entry.composite, losses };
}

/** Checksums that a HEAD of the finished object gives; a store that takes any value may also repeat any value. */
function provedByObject({ facts }: TargetState, headers: Headers): Digests {
  const told = Object.entries(digestsOfHeaders(headers, true)) as [DigestKind, string][];
  return Object.fromEntries(told.filter(([kind]) => facts.checksums[kind] !== 'ignored'));
}

/** Digests of the whole object in the answers to complete and copy; those over parts are left out. */
export function digestsOfDocument(root: XmlElement): Digests {
  if (childText(root, 'ChecksumType') === 'COMPOSITE') return {};
  const digests: { [K in DigestKind]?: string } = {};
  for (const kind of DIGEST_KINDS) {
    const hex = hexOfChecksum(childText(root, `Checksum${kind.toUpperCase()}`));
    if (hex !== null) digests[kind] = hex;
  }
  return digests;
}

/** Content that was just written and found wrong must not stay. */
export async function removeWritten(state: TargetState, key: string, signal: AbortSignal): Promise<void> {
  const { objects } = state;
  await objects.client.run({
    method: 'DELETE',
    ...objects.on(key),
    operation: 'DELETE',
    signal,
    accept: [404],
  });
}
