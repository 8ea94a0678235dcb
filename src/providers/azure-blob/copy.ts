/**
 * Copies that the service makes by itself: it fetches blocks from a URL and answers with the CRC-64 of what it got.
 * The bytes do not pass through here, and yet every block is proved.
 */
import type {
  CopyReference,
  PartReceipt,
  ReadRange,
  ServerSideCopy,
  Upload,
  Written,
  WriteOptions,
} from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import type { BlobParts } from './parts.ts';
import type { BlobPlace } from './place.ts';
import { quoted } from './properties.ts';
import { queryText } from './client.ts';

const URL_BYTES_MAX = 2048;
const COPY_BYTES_MAX = 256 * 1024 * 1024;

export class BlobCopy implements ServerSideCopy {
  readonly copyBytesMax = COPY_BYTES_MAX;
  readonly #place: BlobPlace;
  readonly #parts: BlobParts;
  readonly #fingerprint: string;

  constructor(place: BlobPlace, parts: BlobParts, fingerprint: string) {
    this.#place = place;
    this.#parts = parts;
    this.#fingerprint = fingerprint;
  }

  accepts(reference: CopyReference): 'yes' | 'probe' | 'no' {
    const url = this.#urlOf(reference);
    if (url === null || Buffer.byteLength(url) > URL_BYTES_MAX) return 'no';
    return reference.account === this.#fingerprint ? 'yes' : 'probe';
  }

  async copy(reference: CopyReference, key: string, sizeBytes: number, options: WriteOptions): Promise<Written> {
    const upload = this.#parts.beginUnmarked(key, sizeBytes, options);
    const receipts: PartReceipt[] = [];
    if (sizeBytes > 0) {
      receipts.push(await this.copyPart(upload, 0, reference, { offset: 0, lengthBytes: sizeBytes }, options.signal));
    }
    try {
      return await this.#parts.complete(upload, receipts, options);
    } catch (thrown) {
      // The service stored another length than the source is said to have.
      if (thrown instanceof DroverError && thrown.code === 'UPLOAD_LOST') {
        throw new DroverError('CHANGED', `"${key}": the source is not the expected one any more.`, {
          key,
          cause: thrown,
        });
      }
      throw thrown;
    }
  }

  async copyPart(
    upload: Upload,
    index: number,
    reference: CopyReference,
    range: ReadRange,
    signal: AbortSignal,
  ): Promise<PartReceipt> {
    const url = this.#urlOf(reference);
    if (url === null) throw unsupported(upload.key, 'there is no address from which the service can read the source');
    if (Buffer.byteLength(url) > URL_BYTES_MAX)
      throw unsupported(upload.key, 'the address of the source is longer than 2 KiB');
    const headers: Record<string, string> = {
      'x-ms-copy-source': url,
      'x-ms-source-range': `bytes=${range.offset}-${range.offset + range.lengthBytes - 1}`,
    };
    const { etag } = reference.identity;
    if (etag !== null && isBlobUrl(url, this.#place.client.signIn.origin))
      headers['x-ms-source-if-match'] = quoted(etag);
    const { credential } = this.#place.client.signIn;
    if (this.#isInOurName(reference) && credential.kind === 'entra') {
      headers['x-ms-copy-source-authorization'] = `Bearer ${await credential.token(signal)}`;
    }
    try {
      return await this.#parts.putFromUrl(upload, index, range.lengthBytes, headers, signal);
    } catch (thrown) {
      throw sourceProblem(thrown, upload.key);
    }
  }

  #isInOurName(reference: CopyReference): boolean {
    return reference.account === this.#fingerprint && this.#place.client.signIn.credential.kind === 'entra';
  }

  /** With an Entra ID sign-in the same account needs no signed address: the request carries our right to read. */
  #urlOf(reference: CopyReference): string | null {
    const { client } = this.#place;
    if (!this.#isInOurName(reference)) return reference.url;
    const { versionId } = reference.identity;
    const query: Record<string, string> = versionId === null ? {} : { versionid: versionId };
    return client.urlOf(reference.container, reference.fullKey) + queryText(query);
  }
}

/** Only the blob service understands a condition on its own ETags. */
function isBlobUrl(url: string, origin: string): boolean {
  return url.startsWith(`${origin}/`) || /^https:\/\/[^/]+\.blob\.(?:core\.|storage\.)/.test(url);
}

/** What the source answered decides whether to wait, to give up, or to carry the bytes ourselves. */
function sourceProblem(thrown: unknown, key: string): unknown {
  if (!(thrown instanceof DroverError)) return thrown;
  const status = thrown.details?.['status'];
  // The request differs from one with content only by its source: what is wrong with it is the source.
  if (thrown.code === 'INTERNAL' && status === 400) return unsupported(key, thrown.message);
  if (thrown.details?.['code'] !== 'CannotVerifyCopySource') return thrown;
  if (status === 412)
    return new DroverError('CHANGED', `"${key}": the source is not in the expected state any more.`, {
      key,
      cause: thrown,
    });
  if (status === 429 || status === 503) {
    return new DroverError('THROTTLED', `"${key}": the source asks to slow down.`, {
      key,
      cause: thrown,
      retryAfterMs: thrown.retryAfterMs,
    });
  }
  if (typeof status === 'number' && status >= 500) {
    return new DroverError('UNAVAILABLE', `"${key}": the source could not be read by the service.`, {
      key,
      cause: thrown,
    });
  }
  return thrown;
}

function unsupported(key: string, why: string): DroverError {
  return new DroverError('UNSUPPORTED', `"${key}" cannot be copied by the service itself: ${why.replace(/\.$/, '')}.`, {
    key,
  });
}
