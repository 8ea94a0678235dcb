/** Blocks on the wire: staging one, listing those that wait, and committing a list of them. */
import type { Digests } from '../../model/digest.ts';
import { DroverError } from '../../model/errors.ts';
import type { WriteBody } from '../../contract/provider.ts';
import type { HttpResponse } from '../../lib/transport.ts';
import { child, children, childText, parseXml } from '../../lib/xml.ts';
import { blockId, idLength, isUsableLength, MARKER_INDEX, READABLE_LENGTH, type UploadName } from './block-ids.ts';
import { textBody } from './client.ts';
import { checkedBody } from './content.ts';
import type { BlobPlace } from './place.ts';
import { crc64FromWire, crc64ToWire } from './properties.ts';

const BLOCK_LIST_BYTES_MAX = 64 * 1024 * 1024;
const MARKER = Buffer.from('.');
/** The service is silent while it fetches a block from far away, or puts fifty thousand blocks together. */
const PATIENCE_MS = 15 * 60_000;

export interface StagedBlock {
  readonly id: string;
  readonly sizeBytes: number;
}

export interface StageReceipt {
  readonly id: string;
  readonly proved: Digests;
}

/** Stages blocks of one place and remembers which lengths of names other programs force on us. */
export class BlockStage {
  readonly place: BlobPlace;
  readonly #lengths = new Map<string, number>();

  constructor(place: BlobPlace) {
    this.place = place;
  }

  /** Stages one block; the receipt proves its CRC-64, and with it an MD5 that was told. CORRUPTED when the service has other bytes than were sent. */
  async put(
    blob: string,
    key: string,
    upload: UploadName,
    index: number,
    body: WriteBody,
    digests: Digests,
    signal: AbortSignal,
  ): Promise<StageReceipt> {
    const checked = checkedBody(body, digests, key);
    const crc64 = checked.crc64Before;
    return this.#withLength(blob, key, body.content instanceof Uint8Array, signal, async (length) => {
      const id = blockId(upload, index, crc64, length);
      const response = await this.place.client.sendAndDiscard({
        method: 'PUT',
        operation: 'PART',
        container: this.place.container,
        blob,
        key,
        query: { comp: 'block', blockid: id },
        headers: crc64 === null ? {} : { 'x-ms-content-crc64': crc64ToWire(crc64) },
        body: { sizeBytes: body.sizeBytes, content: checked.content },
        signal,
        accepts: [201],
      });
      const proved = provedCrc64(response, checked.crc64After(), key);
      const md5 = checked.md5After();
      // The service has the bytes that had this MD5 on their way.
      return { id, proved: proved.crc64nvme === undefined || md5 === null ? proved : { ...proved, md5 } };
    });
  }

  /** Marks an upload as begun; `sizeBytes` is the size of the whole. */
  async putMarker(
    blob: string,
    key: string,
    upload: UploadName,
    sizeBytes: number,
    signal: AbortSignal,
  ): Promise<void> {
    const size = sizeBytes.toString(16).padStart(16, '0');
    await this.#withLength(blob, key, true, signal, (length) =>
      this.place.client.sendAndDiscard({
        method: 'PUT',
        operation: 'PART',
        container: this.place.container,
        blob,
        key,
        query: { comp: 'block', blockid: blockId(upload, MARKER_INDEX, size, length) },
        body: { sizeBytes: 1, content: MARKER },
        signal,
        accepts: [201],
      }),
    );
  }

  /** Stages one block that the service fetches by itself from a URL. */
  async putFromUrl(
    blob: string,
    key: string,
    upload: UploadName,
    index: number,
    sourceHeaders: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<StageReceipt> {
    return this.#withLength(blob, key, true, signal, async (length) => {
      const id = blockId(upload, index, null, length);
      const response = await this.place.client.sendAndDiscard({
        method: 'PUT',
        operation: 'COPY',
        container: this.place.container,
        blob,
        key,
        query: { comp: 'block', blockid: id },
        headers: sourceHeaders,
        signal,
        accepts: [201],
        idleMsMax: PATIENCE_MS,
      });
      const crc64 = crc64FromWire(response.headers['x-ms-content-crc64']);
      return { id, proved: crc64 === null ? {} : { crc64nvme: crc64 } };
    });
  }

  /** Blocks that were staged for a blob and never committed, by anybody. */
  async uncommitted(blob: string, key: string, signal: AbortSignal): Promise<readonly StagedBlock[]> {
    const { client, container } = this.place;
    try {
      const text = await client.sendForText(
        {
          method: 'GET',
          operation: 'LIST_PARTS',
          container,
          blob,
          key,
          query: { comp: 'blocklist', blocklisttype: 'uncommitted' },
          signal,
          accepts: [200],
        },
        BLOCK_LIST_BYTES_MAX,
      );
      return parseUncommitted(text);
    } catch (thrown) {
      if (thrown instanceof DroverError && thrown.code === 'NOT_FOUND') return [];
      throw thrown;
    }
  }

  /** Makes the blob of exactly these blocks, in this order. */
  commit(
    blob: string,
    key: string,
    ids: readonly string[],
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const rows = ids.map((id) => `<Latest>${id}</Latest>`).join('');
    return this.place.client.sendAndDiscard({
      method: 'PUT',
      operation: 'COMMIT',
      container: this.place.container,
      blob,
      key,
      query: { comp: 'blocklist' },
      headers: { ...headers, 'content-type': 'application/xml' },
      body: textBody(`<?xml version="1.0" encoding="utf-8"?><BlockList>${rows}</BlockList>`),
      signal,
      accepts: [201],
      idleMsMax: PATIENCE_MS,
    });
  }

  /** Takes the length of names that other programs' unfinished blocks force on this blob. */
  async #withLength<T>(
    blob: string,
    key: string,
    canRepeat: boolean,
    signal: AbortSignal,
    work: (length: number) => Promise<T>,
  ): Promise<T> {
    const length = this.#lengths.get(blob) ?? READABLE_LENGTH;
    try {
      return await work(length);
    } catch (thrown) {
      if (!(thrown instanceof DroverError) || thrown.details?.['code'] !== 'InvalidBlobOrBlock') throw thrown;
      const foreign = (await this.uncommitted(blob, key, signal))[0];
      const forced = foreign === undefined ? READABLE_LENGTH : idLength(foreign.id);
      if (forced === length || !isUsableLength(forced)) throw thrown;
      if (this.#lengths.size > 10_000) this.#lengths.clear();
      this.#lengths.set(blob, forced);
      this.place.client.log('info', 'Another program left unfinished blocks; names of their length are used.', { key });
      if (canRepeat) return work(forced);
      throw new DroverError(
        'UNAVAILABLE',
        `Blob "${key}": another program left unfinished blocks there, so the block must be sent once more.`,
        { key, cause: thrown },
      );
    }
  }
}

export function parseUncommitted(text: string): readonly StagedBlock[] {
  const list = child(parseXml(text), 'UncommittedBlocks');
  if (list === null) return [];
  return children(list, 'Block').map((block) => ({
    id: childText(block, 'Name') ?? '',
    sizeBytes: Number(childText(block, 'Size') ?? NaN),
  }));
}

function provedCrc64(response: HttpResponse, expected: string | null, key: string): Digests {
  const returned = crc64FromWire(response.headers['x-ms-content-crc64']);
  if (returned === null) return {};
  if (expected !== null && returned !== expected) {
    throw new DroverError('CORRUPTED', `Blob "${key}": the service received other bytes than were sent.`, { key });
  }
  return { crc64nvme: returned };
}
