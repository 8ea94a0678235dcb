/** Copies that the store makes by itself: whole objects, parts of uploads, and an object onto itself. */
import type {
  CopyReference,
  PartReceipt,
  ReadRange,
  ServerSideCopy,
  TargetFacets,
  Upload,
  WriteOptions,
  Written,
} from '../../contract/provider.ts';
import { childText } from '../../lib/xml.ts';
import { encodePath, encodeValue } from '../../lib/sigv4.ts';
import { DroverError } from '../../model/errors.ts';
import type { Digests } from '../../model/digest.ts';
import type { Entry } from '../../model/entry.ts';
import { compositeOfEtag, digestsOfEtag, hexOfChecksum, isEncryptedApart, plainEtag } from './headers.ts';
import { encodeKey } from './address.ts';
import { digestsOfDocument, removeWritten } from './complete.ts';
import { conditionHeaders } from './conditions.ts';
import { encryptionOfCopySource, encryptionOfRead } from './encryption.ts';
import { changed } from './objects.ts';
import { partQuery } from './parts.ts';
import { replaceTags } from './tags.ts';
import { uploadToken } from './upload.ts';
import { checkKey, creationHeaders, writtenEntry } from './write.ts';
import type { TargetState } from './write.ts';

const GIB = 1024 * 1024 * 1024;
export const COPY_BYTES_MAX = 5 * GIB;
const PATIENCE_MS = 15 * 60_000;

export function copyFacet(state: TargetState, account: string): ServerSideCopy {
  return {
    copyBytesMax: COPY_BYTES_MAX,
    accepts(reference) {
      if (reference.account === account) return 'yes';
      return storeOf(reference.account) === storeOf(account) ? 'probe' : 'no';
    },
    copy: (reference, key, sizeBytes, options) => copy(state, reference, key, sizeBytes, options),
    copyPart: (upload, index, reference, range, signal) => copyPart(state, upload, index, reference, range, signal),
  };
}

/** The part of a fingerprint that names the store; its last part names the account. */
function storeOf(fingerprint: string): string {
  const [provider, store] = fingerprint.split('|');
  return provider === 's3' ? `${provider}|${store}` : '';
}

export function copySource(container: string, fullKey: string, versionId: string | null): string {
  const version = versionId === null ? '' : `?versionId=${encodeValue(versionId)}`;
  const bucket = container.startsWith('arn:') ? `${container}/object` : container;
  return `/${encodePath(bucket)}/${encodeKey(fullKey)}${version}`;
}

function sourceHeaders(state: TargetState, reference: CopyReference): Record<string, string> {
  const { etag, versionId } = reference.identity;
  return {
    'x-amz-copy-source': copySource(reference.container, reference.fullKey, versionId),
    ...(etag === null ? {} : { 'x-amz-copy-source-if-match': `"${etag}"` }),
    ...encryptionOfCopySource(state.objects.client.settings),
  };
}

async function copy(
  state: TargetState,
  reference: CopyReference,
  key: string,
  sizeBytes: number,
  options: WriteOptions,
): Promise<Written> {
  const { objects, facts } = state;
  checkKey(objects, key);
  const { headers, losses } = creationHeaders(state, options);
  // Conditions on the target of a copy are younger than those on writes: it is looked at in any case.
  const judged = { absent: 'unknown', match: 'unknown' } as const;
  const conditions = await conditionHeaders(objects, key, options.expect, judged, facts, options.signal);
  const { root, headers: answer } = await refusalIsFallback(() =>
    objects.client.document({
      method: 'PUT',
      ...objects.on(key),
      headers: {
        ...headers,
        ...conditions,
        ...sourceHeaders(state, reference),
        'x-amz-metadata-directive': 'REPLACE',
        'x-amz-tagging-directive': options.properties.tags === null ? 'COPY' : 'REPLACE',
      },
      operation: 'COPY',
      signal: options.signal,
      idleMsMax: PATIENCE_MS,
    }),
  );
  const etag = plainEtag(childText(root, 'ETag'));
  if (etag === null) throw new DroverError('UNAVAILABLE', `"${key}": the store copied without saying what.`, { key });
  await checkCopied(state, reference, key, sizeBytes, etag, options);
  const { tags } = options.properties;
  // Other stores were seen to drop the tags that a copy brings.
  if (!objects.client.isAmazon && tags !== null && Object.keys(tags).length > 0) {
    await replaceTags(objects, key, tags, losses, options.signal);
  }
  const told = { ...answer, etag };
  objects.watch(answer);
  const proved = { ...digestsOfEtag(etag, isEncryptedApart(answer)), ...digestsOfDocument(root) };
  const entry = writtenEntry(key, sizeBytes, told, proved);
  return { entry, proved, composite: entry.composite, losses };
}

/**
 * Amazon pins the source by its ETag. Other stores were seen to ignore that condition, so the result must have the
 * source's ETag and size; if not, what was copied is another state and is removed again.
 */
async function checkCopied(
  state: TargetState,
  reference: CopyReference,
  key: string,
  sizeBytes: number,
  etag: string,
  options: WriteOptions,
): Promise<void> {
  const { objects } = state;
  if (objects.client.isAmazon && reference.identity.etag !== null) return;
  const head = await objects.head(key, [], options.signal);
  const isResult = head !== null && plainEtag(head.headers['etag']) === etag;
  const hasSize = head !== null && Number(head.headers['content-length']) === sizeBytes;
  const hasEtag =
    reference.identity.etag === null || reference.identity.etag === etag || sourceEtagMayDiffer(reference);
  if (isResult && hasSize && hasEtag) return;
  if (isResult) await removeWritten(state, key, options.signal);
  throw changed(key);
}

/** A copy of an object made of parts may be one piece and then has an ETag of its own. */
function sourceEtagMayDiffer(reference: CopyReference): boolean {
  return compositeOfEtag(reference.identity.etag, false) !== null;
}

async function copyPart(
  state: TargetState,
  upload: Upload,
  index: number,
  reference: CopyReference,
  range: ReadRange,
  signal: AbortSignal,
): Promise<PartReceipt> {
  const { objects } = state;
  const { uploadId, checksum } = uploadToken(upload);
  const { root, headers } = await refusalIsFallback(() =>
    objects.client.document({
      method: 'PUT',
      ...objects.on(upload.key),
      query: partQuery(uploadId, index),
      headers: {
        ...sourceHeaders(state, reference),
        'x-amz-copy-source-range': `bytes=${range.offset}-${range.offset + range.lengthBytes - 1}`,
        ...encryptionOfRead(objects.client.settings),
      },
      operation: 'COPY',
      signal,
      idleMsMax: PATIENCE_MS,
    }),
  );
  const etag = plainEtag(childText(root, 'ETag'));
  if (etag === null) throw new DroverError('UNAVAILABLE', `"${upload.key}": a part was copied without a receipt.`);
  if (!objects.client.isAmazon) await checkSource(state, reference, upload.key, signal);
  objects.watch(headers);
  // An upload with an algorithm wants the checksum of every part named when it is completed, copied ones too.
  const base64 = checksum === null ? null : childText(root, `Checksum${checksum.toUpperCase()}`) || null;
  const hex = hexOfChecksum(base64);
  const proved: Digests = {
    ...digestsOfEtag(etag, !objects.trust.isMd5),
    ...(checksum === null || hex === null ? {} : { [checksum]: hex }),
  };
  return { index, sizeBytes: range.lengthBytes, token: { etag, checksum: base64 }, proved };
}

/** Where the condition on the source may have been ignored, the source must still be what it was. */
async function checkSource(state: TargetState, reference: CopyReference, key: string, signal: AbortSignal) {
  const { client } = state.objects;
  const { etag, versionId } = reference.identity;
  const { headers } = await client.run({
    method: 'HEAD',
    bucket: reference.container,
    key: reference.fullKey,
    query: versionId === null ? [] : [['versionId', versionId]],
    headers: encryptionOfRead(client.settings),
    operation: 'HEAD',
    signal,
  });
  if (etag !== null && plainEtag(headers['etag']) !== etag) throw changed(key);
}

/** What the store may not or cannot fetch by itself is carried through us instead. */
async function refusalIsFallback<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof DroverError)) throw thrown;
    const code = String(thrown.details?.['code'] ?? '');
    const isRefusal =
      thrown.code === 'PERMISSION_DENIED' || thrown.code === 'WRONG_REGION' || /^InvalidRequest$/.test(code);
    if (!isRefusal) throw thrown;
    throw new DroverError('UNSUPPORTED', `The store does not copy this by itself: ${thrown.message}`, {
      cause: thrown,
      key: thrown.key,
      details: thrown.details,
    });
  }
}

/** Rewrites metadata, headers and tags by copying the object onto itself; its content is not moved. */
export function propertiesFacet(state: TargetState): NonNullable<TargetFacets['properties']> {
  return {
    async replace(entry, properties, signal): Promise<Entry> {
      const { objects } = state;
      if (entry.sizeBytes > COPY_BYTES_MAX) {
        const message = `"${entry.key}" is larger than 5 GiB; the properties of such an object cannot be replaced alone.`;
        throw new DroverError('UNSUPPORTED', message, { key: entry.key });
      }
      const reference: CopyReference = {
        account: '',
        container: objects.place.bucket,
        fullKey: objects.fullKey(entry.key),
        identity: { etag: entry.identity.etag, versionId: null },
        url: null,
      };
      const written = await copy(state, reference, entry.key, entry.sizeBytes, {
        properties,
        digests: {},
        expect: { kind: 'match', identity: entry.identity },
        modifiedAtMs: null,
        recorded: null,
        storageClass: entry.storageClass,
        kind: entry.kind === 'folder' ? 'folder' : 'object',
        signal,
      });
      return (await objects.stat(entry.key, signal)) ?? written.entry;
    },
  };
}
