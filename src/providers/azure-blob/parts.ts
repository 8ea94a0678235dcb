/**
 * Uploads in parts. The service has no upload as a thing of its own: blocks wait under the blob's name until a list of
 * them is committed, or until it drops them seven days after the last one. So beginning stages a block of one byte that
 * is never committed, by which the upload can be found, and aborting can only forget: nobody sees unfinished blocks, and
 * they go by themselves.
 */
import type {
  PartLimits,
  PartReceipt,
  Parts,
  Upload,
  WriteBody,
  Written,
  WriteOptions,
} from '../../contract/provider.ts';
import type { Digests } from '../../model/digest.ts';
import { hexToBase64 } from '../../lib/encode.ts';
import { crc64Combine } from '../../lib/crc64.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { MARKER_INDEX, parseBlockId, type OwnBlock, type UploadName } from './block-ids.ts';
import type { BlockStage, StagedBlock } from './blocks.ts';
import { refuseName } from './names.ts';
import type { BlobPlace } from './place.ts';
import { entryFromHeaders, propertyHeaders, readMetadata } from './properties.ts';
import { conditionHeaders, markedAs, writtenEntry, type Writer } from './write.ts';

const MIB = 1024 * 1024;
export const PART_LIMITS: PartLimits = {
  partBytesMin: 1,
  partBytesMax: 4000 * MIB,
  partsMax: 50_000,
  objectBytesMax: 50_000 * 4000 * MIB,
  equalParts: false,
};
const CLOCK_SLACK_MS = 15 * 60_000;

export class BlobParts implements Parts {
  readonly limits = PART_LIMITS;
  readonly #place: BlobPlace;
  readonly #stage: BlockStage;
  readonly #writer: Writer;
  /** Uploads that this process ended. */
  readonly #aborted = new Set<string>();
  readonly #completed = new Set<string>();

  constructor(place: BlobPlace, stage: BlockStage, writer: Writer) {
    this.#place = place;
    this.#stage = stage;
    this.#writer = writer;
  }

  async begin(key: string, sizeBytes: number, partBytes: number, options: WriteOptions): Promise<Upload> {
    checkPlan(key, sizeBytes, partBytes);
    const upload = this.beginUnmarked(key, sizeBytes, options);
    await this.#stage.putMarker(this.#blob(key), key, tokenOf(upload), sizeBytes, options.signal);
    return upload;
  }

  /** For uploads that begin and end within one call and never need to be found. */
  beginUnmarked(key: string, sizeBytes: number, options: WriteOptions): Upload {
    refuseName(key, this.#writer.settings.names, options.kind);
    if (options.signal.aborted) throw new DroverError('CANCELLED', 'The work was stopped.');
    const startedAtMs = this.#writer.nextStart();
    return { key, startedAtMs, token: { runId: this.#writer.settings.runId, startedAtMs, sizeBytes } };
  }

  async find(key: string, sinceMs: number, signal: AbortSignal): Promise<readonly Upload[]> {
    const { runId } = this.#writer.settings;
    const sizes = new Map<number, number | null>();
    for (const block of await this.#stage.uncommitted(this.#blob(key), key, signal)) {
      const own = parseBlockId(block.id, runId);
      if (own === null || own.startedAtMs < sinceMs - CLOCK_SLACK_MS) continue;
      const sizeBytes = own.index === MARKER_INDEX && own.crc64 !== null ? parseInt(own.crc64, 16) : null;
      sizes.set(own.startedAtMs, sizeBytes ?? sizes.get(own.startedAtMs) ?? null);
    }
    return [...sizes]
      .toSorted(([a], [b]) => a - b)
      .map(([startedAtMs, sizeBytes]) => ({ key, startedAtMs, token: { runId, startedAtMs, sizeBytes } }))
      .filter((upload) => !this.#aborted.has(nameOf(upload)));
  }

  async put(
    upload: Upload,
    index: number,
    body: WriteBody,
    digests: Digests,
    signal: AbortSignal,
  ): Promise<PartReceipt> {
    this.#refuseEnded(upload);
    checkIndex(upload, index);
    const staged = await this.#stage.put(
      this.#blob(upload.key),
      upload.key,
      tokenOf(upload),
      index,
      body,
      digests,
      signal,
    );
    return { index, sizeBytes: body.sizeBytes, token: { id: staged.id }, proved: staged.proved };
  }

  /** A block that the service fetches by itself. */
  async putFromUrl(
    upload: Upload,
    index: number,
    sizeBytes: number,
    sourceHeaders: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<PartReceipt> {
    this.#refuseEnded(upload);
    checkIndex(upload, index);
    const staged = await this.#stage.putFromUrl(
      this.#blob(upload.key),
      upload.key,
      tokenOf(upload),
      index,
      sourceHeaders,
      signal,
    );
    return { index, sizeBytes, token: { id: staged.id }, proved: staged.proved };
  }

  async list(upload: Upload, signal: AbortSignal): Promise<readonly PartReceipt[]> {
    this.#refuseEnded(upload);
    const token = tokenOf(upload);
    const blocks = await this.#stage.uncommitted(this.#blob(upload.key), upload.key, signal);
    const isThere = blocks.some((block) => parseBlockId(block.id, token.runId)?.startedAtMs === token.startedAtMs);
    if (!isThere) throw lost(upload, 'its blocks are not there any more');
    return ownReceipts(blocks, token);
  }

  async complete(upload: Upload, receipts: readonly PartReceipt[], options: WriteOptions): Promise<Written> {
    if (this.#aborted.has(nameOf(upload))) throw lost(upload, 'it was aborted');
    const parts = inOrder(upload, receipts);
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    checkWhole(upload, sizeBytes);
    const proved = wholeCrc64(parts);
    const { crc64nvme, md5 } = options.digests;
    if (crc64nvme !== undefined && proved.crc64nvme !== undefined && crc64nvme !== proved.crc64nvme) {
      throw new DroverError(
        'CORRUPTED',
        `Blob "${upload.key}": its parts together do not have the CRC-64 of the source.`,
        {
          key: upload.key,
        },
      );
    }
    const { defaultTier } = this.#writer.settings;
    const keepsTags = !this.#place.nature.isHierarchical;
    const marked = markedAs(crc64nvme !== undefined && crc64nvme === proved.crc64nvme, options);
    const made = propertyHeaders(marked, { upload: nameOf(upload), defaultTier, keepsTags });
    const finished = (entry: Entry): Written => {
      this.#completed.add(nameOf(upload));
      return { entry, proved, composite: null, losses: made.losses };
    };
    const missing = await this.#missing(upload, parts, options.signal);
    if (missing !== null) return this.#alreadyCommitted(upload, sizeBytes, lost(upload, missing), finished, options);
    const headers = {
      ...made.headers,
      ...conditionHeaders(options),
      ...(md5 === undefined ? {} : { 'x-ms-blob-content-md5': hexToBase64(md5) }),
    };
    const ids = parts.map(idOf);
    try {
      const response = await this.#writer.withTags(made.tags, made.losses, true, (extra) =>
        this.#stage.commit(this.#blob(upload.key), upload.key, ids, { ...headers, ...extra }, options.signal),
      );
      return finished(writtenEntry(upload.key, sizeBytes, response, marked, md5, defaultTier));
    } catch (thrown) {
      // The answer to an earlier try may have been lost while the service was still at it.
      if (!(thrown instanceof DroverError) || (thrown.code !== 'CHANGED' && thrown.code !== 'UPLOAD_LOST'))
        throw thrown;
      return this.#alreadyCommitted(upload, sizeBytes, thrown, finished, options);
    }
  }

  async abort(upload: Upload, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new DroverError('CANCELLED', 'The work was stopped.');
    this.#aborted.add(nameOf(upload));
    this.#place.client.log('info', 'Unfinished blocks stay invisible; the service drops them after seven days.', {
      key: upload.key,
    });
  }

  /** After a lost answer the blob may stand there already; otherwise says why it cannot be made. */
  async #alreadyCommitted(
    upload: Upload,
    sizeBytes: number,
    otherwise: DroverError,
    finished: (entry: Entry) => Written,
    { expect, signal }: WriteOptions,
  ): Promise<Written> {
    const response = await this.#place.client.sendAndDiscard({
      method: 'HEAD',
      operation: 'HEAD',
      container: this.#place.container,
      blob: this.#blob(upload.key),
      key: upload.key,
      signal,
      accepts: [200, 404],
    });
    const found =
      response.status === 404 ? null : entryFromHeaders(upload.key, response.headers, this.#place.withVersions);
    const isOurs = found !== null && readMetadata(response.headers).upload === nameOf(upload);
    if (isOurs && found.sizeBytes === sizeBytes) return finished(found);
    if (!isMet(expect, found)) {
      throw new DroverError('CHANGED', `Blob "${upload.key}": it is not in the expected state any more.`, {
        key: upload.key,
        cause: otherwise,
      });
    }
    throw otherwise;
  }

  /** What of the plan the service does not hold, in words; `null` when everything is there with its size. */
  async #missing(upload: Upload, parts: readonly PartReceipt[], signal: AbortSignal): Promise<string | null> {
    if (parts.length === 0) return null;
    const blocks = await this.#stage.uncommitted(this.#blob(upload.key), upload.key, signal);
    const sizes = new Map(blocks.map((block) => [block.id, block.sizeBytes]));
    for (const part of parts) {
      const sizeBytes = sizes.get(idOf(part));
      if (sizeBytes === undefined) return `part ${part.index} is not there any more`;
      if (sizeBytes !== part.sizeBytes) return `part ${part.index} has ${sizeBytes} instead of ${part.sizeBytes} bytes`;
    }
    return null;
  }

  #blob(key: string): string {
    return this.#place.fullKey(key);
  }

  #refuseEnded(upload: Upload): void {
    const name = nameOf(upload);
    if (this.#aborted.has(name) || this.#completed.has(name)) throw lost(upload, 'it was ended before');
  }
}

/** Own parts among the waiting blocks. An index that several blocks claim is left out: it must be sent again. */
export function ownReceipts(blocks: readonly StagedBlock[], upload: UploadName): readonly PartReceipt[] {
  const byIndex = new Map<number, { block: StagedBlock; own: OwnBlock }[]>();
  for (const block of blocks) {
    const own = parseBlockId(block.id, upload.runId);
    if (own === null || own.startedAtMs !== upload.startedAtMs || own.index === MARKER_INDEX) continue;
    byIndex.set(own.index, [...(byIndex.get(own.index) ?? []), { block, own }]);
  }
  const receipts: PartReceipt[] = [];
  for (const [index, claims] of [...byIndex].toSorted(([a], [b]) => a - b)) {
    const [claim] = claims;
    if (claim === undefined || claims.length > 1) continue;
    const { crc64 } = claim.own;
    const proved = crc64 === null ? {} : { crc64nvme: crc64 };
    receipts.push({ index, sizeBytes: claim.block.sizeBytes, token: { id: claim.block.id }, proved });
  }
  return receipts;
}

/** CRC-64 of the whole, when every part's was proved. */
export function wholeCrc64(parts: readonly PartReceipt[]): Digests {
  let whole: string | null = null;
  for (const part of parts) {
    const crc64 = part.proved.crc64nvme;
    if (crc64 === undefined) return {};
    whole = whole === null ? crc64 : crc64Combine(whole, crc64, part.sizeBytes);
  }
  return whole === null ? {} : { crc64nvme: whole };
}

function inOrder(upload: Upload, receipts: readonly PartReceipt[]): readonly PartReceipt[] {
  const parts = [...receipts].toSorted((a, b) => a.index - b.index);
  const gap = parts.findIndex((part, at) => part.index !== at);
  if (gap >= 0) {
    throw new DroverError('INTERNAL', `Blob "${upload.key}": part ${gap} is missing from the list to complete.`, {
      key: upload.key,
    });
  }
  return parts;
}

function checkPlan(key: string, sizeBytes: number, partBytes: number): void {
  if (partBytes > PART_LIMITS.partBytesMax || Math.ceil(sizeBytes / partBytes) > PART_LIMITS.partsMax) {
    throw new DroverError(
      'TOO_LARGE',
      `Blob "${key}": ${sizeBytes} bytes in parts of ${partBytes} are beyond what the service takes.`,
      { key },
    );
  }
}

function isMet(expect: WriteOptions['expect'], found: Entry | null): boolean {
  if (expect.kind === 'any') return true;
  if (expect.kind === 'absent') return found === null;
  return found !== null && (expect.identity.etag === null || found.identity.etag === expect.identity.etag);
}

/** What is known about the whole since the beginning must be what the parts add up to. */
function checkWhole(upload: Upload, sizeBytes: number): void {
  const { sizeBytes: planned } = upload.token as { sizeBytes?: unknown };
  if (typeof planned !== 'number' || planned === sizeBytes) return;
  const code = sizeBytes < planned ? 'EARLY_END' : 'EXTRA_BYTES';
  throw new DroverError(code, `Blob "${upload.key}": its parts hold ${sizeBytes} instead of ${planned} bytes.`, {
    key: upload.key,
  });
}

function checkIndex(upload: Upload, index: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= PART_LIMITS.partsMax) {
    throw new DroverError('TOO_LARGE', `Blob "${upload.key}": a blob has at most ${PART_LIMITS.partsMax} parts.`, {
      key: upload.key,
    });
  }
}

function tokenOf(upload: Upload): UploadName {
  const { runId, startedAtMs } = upload.token as { runId?: unknown; startedAtMs?: unknown };
  if (typeof runId !== 'string' || typeof startedAtMs !== 'number') {
    throw new DroverError('INTERNAL', `Blob "${upload.key}": the unfinished upload was not begun by this provider.`, {
      key: upload.key,
    });
  }
  return { runId, startedAtMs };
}

function nameOf(upload: Upload): string {
  const token = tokenOf(upload);
  return `${token.runId}-${token.startedAtMs.toString(16)}`;
}

function idOf(part: PartReceipt): string {
  return String((part.token as { id?: unknown }).id);
}

function lost(upload: Upload, why: string): DroverError {
  return new DroverError('UPLOAD_LOST', `Blob "${upload.key}": the unfinished upload cannot go on: ${why}.`, {
    key: upload.key,
  });
}
