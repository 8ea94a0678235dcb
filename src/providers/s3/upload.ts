/** The state of an unfinished upload: what we keep of it, and what the store says of its parts. */
import { createHash } from 'node:crypto';
import type { PartReceipt, Upload } from '../../contract/provider.ts';
import { childText, children } from '../../lib/xml.ts';
import type { XmlElement } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import type { DigestKind, Digests } from '../../model/digest.ts';
import type { Json } from '../../model/json.ts';
import type { Query } from './client.ts';
import { encryptionOfRead } from './encryption.ts';
import { digestsOfEtag, hexOfChecksum, plainEtag } from './headers.ts';
import type { TargetState } from './write.ts';

/** What is kept of an upload. `checksum`: the algorithm every part must bring. */
export interface UploadToken {
  readonly uploadId: string;
  readonly checksum: DigestKind | null;
}

/** What `complete` needs of a part. */
export interface PartToken {
  readonly etag: string;
  /** base64, where the upload has an algorithm. */
  readonly checksum: string | null;
}

export function uploadToken(upload: Upload): UploadToken {
  const token = upload.token as { uploadId?: Json; checksum?: Json };
  if (typeof token?.uploadId !== 'string') {
    throw new DroverError('UPLOAD_LOST', `What is recorded of the upload of "${upload.key}" cannot be read.`);
  }
  return {
    uploadId: token.uploadId,
    checksum: (token.checksum ?? null) as DigestKind | null,
  };
}

export function partToken(receipt: PartReceipt): PartToken {
  const token = receipt.token as { etag?: Json; checksum?: Json };
  if (typeof token?.etag !== 'string') {
    throw new DroverError('UPLOAD_LOST', `What is recorded of part ${receipt.index + 1} cannot be read.`);
  }
  return { etag: token.etag, checksum: (token.checksum ?? null) as string | null };
}

/** A store that looks for the object first says that the object is missing where the upload is. */
export async function ofUpload<T>(key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof DroverError) || thrown.code !== 'NOT_FOUND') throw thrown;
    throw new DroverError('UPLOAD_LOST', `The unfinished upload of "${key}" is gone.`, {
      cause: thrown,
      key,
      details: thrown.details,
    });
  }
}

/** The ETag that the store must give an object of these parts; `null` when a part's ETag is no MD5. */
export function expectedEtag(receipts: readonly PartReceipt[]): string | null {
  const outer = createHash('md5');
  for (const receipt of receipts) {
    const { etag } = partToken(receipt);
    if (!/^[0-9a-f]{32}$/i.test(etag)) return null;
    outer.update(Buffer.from(etag, 'hex'));
  }
  return `${outer.digest('hex')}-${receipts.length}`;
}

export async function listParts(state: TargetState, upload: Upload, signal: AbortSignal): Promise<PartReceipt[]> {
  const { objects } = state;
  const { uploadId, checksum } = uploadToken(upload);
  const receipts: PartReceipt[] = [];
  let marker: string | null = null;
  for (;;) {
    const query: Query[number][] = [
      ['max-parts', '1000'],
      ['uploadId', uploadId],
    ];
    if (marker !== null) query.push(['part-number-marker', marker]);
    const { root } = await ofUpload(upload.key, () =>
      objects.client.document({
        method: 'GET',
        ...objects.on(upload.key),
        query,
        headers: encryptionOfRead(objects.client.settings),
        operation: 'LIST',
        signal,
      }),
    );
    for (const part of children(root, 'Part')) receipts.push(listedPart(part, checksum, objects.trust.isMd5));
    if (childText(root, 'IsTruncated') !== 'true') return receipts;
    const next = childText(root, 'NextPartNumberMarker');
    if (!next || next === marker)
      throw new DroverError('UNAVAILABLE', `The list of parts of "${upload.key}" broke off.`);
    marker = next;
  }
}

function listedPart(part: XmlElement, checksum: DigestKind | null, isMd5: boolean): PartReceipt {
  const number = Number(childText(part, 'PartNumber'));
  const sizeBytes = Number(childText(part, 'Size') ?? Number.NaN);
  const etag = plainEtag(childText(part, 'ETag'));
  if (!Number.isSafeInteger(number) || !Number.isSafeInteger(sizeBytes) || etag === null) {
    throw new DroverError('UNAVAILABLE', 'The store listed a part that cannot be read.');
  }
  const base64 = checksum === null ? null : childText(part, `Checksum${checksum.toUpperCase()}`);
  const hex = hexOfChecksum(base64);
  const proved: Digests = {
    ...digestsOfEtag(etag, !isMd5),
    ...(checksum === null || hex === null ? {} : { [checksum]: hex }),
  };
  return { index: number - 1, sizeBytes, token: { etag, checksum: base64 }, proved };
}
