/** Uploads in parts. They live in the store, so that they survive the loss of whoever began them. */
import type {
  CopyReference,
  PartLimits,
  PartReceipt,
  Parts,
  ReadRange,
  Upload,
  WriteBody,
  WriteOptions,
  Written,
} from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Digests } from '../../model/digest.ts';
import { DroverError } from '../../model/errors.ts';
import { digestOf } from '../../lib/hash.ts';
import { checkDigests, collected, compositeMd5, concatenated } from './content.ts';
import type { MemoryObject, MemoryUpload } from './store.ts';
import type { MemoryTarget } from './target.ts';

/** How far the clocks of the store and of whoever asks may be apart. */
const SKEW_MS = 15 * 60 * 1000;

export class MemoryParts implements Parts {
  readonly limits: PartLimits;
  readonly #target: MemoryTarget;

  constructor(target: MemoryTarget) {
    this.#target = target;
    this.limits = target.store.behaviour.partLimits;
  }

  async begin(key: string, sizeBytes: number, _partBytes: number, options: WriteOptions): Promise<Upload> {
    throwIfCancelled(options.signal);
    const { store, place, clock } = this.#target;
    this.#target.checkWritable(key, sizeBytes, options, this.limits.objectBytesMax);
    const fullKey = place.prefix + key;
    return await store.request('BEGIN', fullKey, () => {
      throwIfCancelled(options.signal);
      store.open(place.container);
      const upload: MemoryUpload = {
        id: `upload-${store.nextSerial()}`,
        container: place.container,
        key: fullKey,
        runId: this.#target.runId,
        startedAtMs: clock.now(),
        sizeBytes,
        parts: new Map(),
      };
      store.uploads.set(upload.id, upload);
      return this.#publicForm(upload);
    });
  }

  async find(key: string, sinceMs: number, signal: AbortSignal): Promise<readonly Upload[]> {
    throwIfCancelled(signal);
    const { store, place } = this.#target;
    const fullKey = place.prefix + key;
    return await store.request('UPLOADS', fullKey, () =>
      [...store.uploads.values()]
        .filter((upload) => upload.container === place.container && upload.key === fullKey)
        .filter((upload) => upload.runId === this.#target.runId && upload.startedAtMs >= sinceMs - SKEW_MS)
        .map((upload) => this.#publicForm(upload)),
    );
  }

  async put(
    upload: Upload,
    index: number,
    body: WriteBody,
    digests: Digests,
    signal: AbortSignal,
  ): Promise<PartReceipt> {
    throwIfCancelled(signal);
    this.#checkPart(index, body.sizeBytes, upload.key);
    return await this.#request('PART', upload, async () => {
      const bytes = this.#target.arrived(upload.key, await collected(body, upload.key, signal));
      throwIfCancelled(signal);
      checkDigests(bytes, digests, (kind) => this.#target.enforces(kind), upload.key);
      return this.#keep(this.#open(upload), index, bytes, digests);
    });
  }

  async copyPart(
    upload: Upload,
    index: number,
    reference: CopyReference,
    range: ReadRange,
    signal: AbortSignal,
  ): Promise<PartReceipt> {
    throwIfCancelled(signal);
    this.#checkPart(index, range.lengthBytes, upload.key);
    return await this.#request('PART', upload, () => {
      const object = this.#target.referenced(reference, upload.key);
      const end = range.offset + range.lengthBytes;
      if (end > object.content.length) {
        throw new DroverError('CHANGED', `"${reference.fullKey}" is shorter than it was.`, { key: upload.key });
      }
      return this.#keep(this.#open(upload), index, object.content.slice(range.offset, end), {});
    });
  }

  async list(upload: Upload, signal: AbortSignal): Promise<readonly PartReceipt[]> {
    throwIfCancelled(signal);
    return await this.#request('PARTS', upload, () =>
      [...this.#open(upload).parts.values()].map((part) => part.receipt).toSorted((a, b) => a.index - b.index),
    );
  }

  async complete(upload: Upload, receipts: readonly PartReceipt[], options: WriteOptions): Promise<Written> {
    throwIfCancelled(options.signal);
    return await this.#request('COMPLETE', upload, () => {
      const { store } = this.#target;
      const id = uploadId(upload);
      const open = store.uploads.get(id);
      if (open === undefined) return this.#completedBefore(upload, options);
      const ordered = receipts.toSorted((a, b) => a.index - b.index);
      const pieces = ordered.map((receipt, at) => this.#pieceOf(open, receipt, at, upload.key));
      this.#checkPieces(pieces, upload.key);
      const bytes = concatenated(pieces);
      if (bytes.length !== open.sizeBytes) {
        const code = bytes.length < open.sizeBytes ? 'EARLY_END' : 'EXTRA_BYTES';
        const words = `The parts of "${upload.key}" have ${bytes.length} bytes instead of ${open.sizeBytes}.`;
        throw new DroverError(code, words, { key: upload.key });
      }
      checkDigests(bytes, options.digests, (kind) => this.#target.enforces(kind), upload.key);
      const value = compositeMd5(pieces);
      const written = this.#target.commit(upload.key, bytes, options, {
        etag: `${value}-${pieces.length}`,
        composite: store.behaviour.hasComposites ? { kind: 'md5', value, partCount: pieces.length } : null,
        partSizes: pieces.map((piece) => piece.length),
        writer: id,
      });
      store.uploads.delete(id);
      return written;
    });
  }

  async abort(upload: Upload, signal: AbortSignal): Promise<void> {
    throwIfCancelled(signal);
    await this.#request('ABORT', upload, () => {
      this.#target.store.uploads.delete(uploadId(upload));
    });
  }

  /** The answer to a repeated `complete`: the first one made the object that is there. */
  #completedBefore(upload: Upload, options: WriteOptions): Written {
    const { store, place } = this.#target;
    const object: MemoryObject | null = store.get(place.container, place.prefix + upload.key);
    if (object === null || object.writer !== uploadId(upload)) throw lost(upload);
    return {
      entry: this.#target.entryOf(object),
      proved: this.#target.provedOf(object.content, options.digests, false),
      composite: object.composite,
      losses: [],
    };
  }

  #keep(upload: MemoryUpload, index: number, bytes: Uint8Array, digests: Digests): PartReceipt {
    const receipt: PartReceipt = {
      index,
      sizeBytes: bytes.length,
      token: { etag: digestOf('md5', bytes) },
      proved: this.#target.provedOf(bytes, digests, true),
    };
    upload.parts.set(index, { content: bytes, receipt });
    return receipt;
  }

  #pieceOf(upload: MemoryUpload, receipt: PartReceipt, at: number, key: string): Uint8Array {
    const part = upload.parts.get(receipt.index);
    if (part === undefined || receipt.index !== at) {
      throw new DroverError('EARLY_END', `Part ${at} of "${key}" is not among those named to be put together.`, {
        key,
      });
    }
    if (JSON.stringify(part.receipt.token) !== JSON.stringify(receipt.token)) {
      throw new DroverError('CHANGED', `Part ${at} of "${key}" was sent again with other bytes.`, { key });
    }
    return part.content;
  }

  #checkPieces(pieces: readonly Uint8Array[], key: string): void {
    const { partBytesMin, equalParts } = this.limits;
    const first = pieces[0]?.length ?? 0;
    for (const piece of pieces.slice(0, -1)) {
      if (piece.length >= partBytesMin && (!equalParts || piece.length === first)) continue;
      throw new DroverError('INVALID_INPUT', `A part of "${key}" has a size that the store does not take.`, { key });
    }
  }

  #checkPart(index: number, sizeBytes: number, key: string): void {
    if (index < 0 || index >= this.limits.partsMax) {
      throw new DroverError('TOO_LARGE', `"${key}" would have more than ${this.limits.partsMax} parts.`, { key });
    }
    if (sizeBytes > this.limits.partBytesMax) {
      throw new DroverError('TOO_LARGE', `A part of "${key}" has ${sizeBytes} bytes, which is too many.`, { key });
    }
  }

  #open(upload: Upload): MemoryUpload {
    const open = this.#target.store.uploads.get(uploadId(upload));
    if (open === undefined) throw lost(upload);
    return open;
  }

  #publicForm(upload: MemoryUpload): Upload {
    const key = upload.key.slice(this.#target.place.prefix.length);
    return { key, startedAtMs: upload.startedAtMs, token: { id: upload.id } };
  }

  #request<T>(
    operation: 'PART' | 'PARTS' | 'COMPLETE' | 'ABORT',
    upload: Upload,
    work: () => T | Promise<T>,
  ): Promise<T> {
    const { store, place } = this.#target;
    return store.request(operation, place.prefix + upload.key, work);
  }
}

function lost(upload: Upload): DroverError {
  return new DroverError('UPLOAD_LOST', `The unfinished upload of "${upload.key}" is gone.`, { key: upload.key });
}

function uploadId(upload: Upload): string {
  const { token } = upload;
  const id = typeof token === 'object' && token !== null && 'id' in token ? token.id : null;
  if (typeof id === 'string') return id;
  throw new DroverError('INVALID_INPUT', 'The upload is not one that this store began.', { key: upload.key });
}
