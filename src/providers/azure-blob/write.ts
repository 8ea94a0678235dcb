/** Whole objects: one Put Blob where the content or a digest of it is known, one staged block and a commit where not. */
import type { TargetFacts, WriteBody, Written, WriteOptions } from '../../contract/provider.ts';
import type { HttpResponse } from '../../lib/transport.ts';
import { digestOf } from '../../lib/hash.ts';
import { hexToBase64 } from '../../lib/encode.ts';
import type { Digests } from '../../model/digest.ts';
import { entryOf, type Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import type { NameRules } from '../../model/names.ts';
import type { BlockStage } from './blocks.ts';
import { checkLength, counted } from './content.ts';
import { refuseName } from './names.ts';
import type { BlobPlace } from './place.ts';
import {
  crc64FromWire,
  crc64ToWire,
  entryFromHeaders,
  instant,
  md5Digests,
  propertyHeaders,
  quoted,
  unquoted,
} from './properties.ts';

export const WRITE_BYTES_MAX = 256 * 1024 * 1024;
/** Keys whose answer was lost; repeating one of them may find its own work. */
const LOST_MAX = 10_000;

export interface WriterSettings {
  readonly place: BlobPlace;
  readonly stage: BlockStage;
  readonly facts: () => TargetFacts;
  readonly names: NameRules;
  readonly runId: string;
  readonly defaultTier: string | null;
}

export class Writer {
  readonly settings: WriterSettings;
  readonly #lost = new Set<string>();
  #tagsWork: 'unknown' | 'yes' | 'no' = 'unknown';
  #lastStartMs = 0;

  constructor(settings: WriterSettings) {
    this.settings = settings;
  }

  /** A time no other upload of this object has. */
  nextStart(): number {
    this.#lastStartMs = Math.max(this.#lastStartMs + 1, this.settings.place.client.clock.now());
    return this.#lastStartMs;
  }

  async write(key: string, body: WriteBody, options: WriteOptions): Promise<Written> {
    refuseName(key, this.settings.names, options.kind);
    if (body.sizeBytes > WRITE_BYTES_MAX) {
      throw new DroverError('TOO_LARGE', `Blob "${key}": ${body.sizeBytes} bytes are too many for one request.`, {
        key,
      });
    }
    if (body.content instanceof Uint8Array) return this.#putBytes(key, body.content, body.sizeBytes, options);
    return this.#canStream(options) ? this.#putStream(key, body, options) : this.#stageStream(key, body, options);
  }

  /**
   * Sends a write, without its tags when they are what is refused. `send` is called again only when `canRepeat`.
   */
  async withTags(
    tags: string | null,
    losses: string[],
    canRepeat: boolean,
    send: (extra: Readonly<Record<string, string>>) => Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    const loss = 'The tags were left out: the account or the permissions do not allow tags.';
    if (tags === null) return send({});
    if (this.#tagsWork === 'no') {
      losses.push(loss);
      return send({});
    }
    try {
      const response = await send({ 'x-ms-tags': tags });
      this.#tagsWork = 'yes';
      return response;
    } catch (thrown) {
      if (!canRepeat || this.#tagsWork === 'yes' || !mayBeTags(thrown)) throw thrown;
      const response = await send({});
      this.#tagsWork = 'no';
      losses.push(loss);
      return response;
    }
  }

  /** A mismatch would be seen only after the blob is visible, unless a digest goes along and is checked. */
  #canStream(options: WriteOptions): boolean {
    const facts = this.settings.facts();
    const hasTags = options.properties.tags !== null && Object.keys(options.properties.tags).length > 0;
    if (hasTags && this.#tagsWork === 'unknown') return false;
    if (options.digests.md5 !== undefined) return facts.contentMd5 !== 'ignored';
    return options.digests.crc64nvme !== undefined && facts.checksums.crc64nvme === 'honoured';
  }

  async #putBytes(key: string, content: Uint8Array, sizeBytes: number, options: WriteOptions): Promise<Written> {
    checkLength(content, sizeBytes, key);
    const told = options.digests;
    const sent: Digests =
      told.md5 !== undefined ? { md5: told.md5 } : { crc64nvme: told.crc64nvme ?? digestOf('crc64nvme', content) };
    const expected = { ...told, ...sent };
    try {
      const written = await this.#putBlob(key, { sizeBytes, content }, sent, expected, options);
      if (written.proved.md5 === undefined || expected.md5 !== undefined || written.proved.crc64nvme !== undefined)
        return written;
      // The answer has an MD5 only, and nobody told one to compare with.
      await this.#refuseOther(key, { md5: digestOf('md5', content) }, written.proved, written.entry, options.signal);
      return written;
    } catch (thrown) {
      if (!(thrown instanceof DroverError) || thrown.code !== 'CHANGED' || !this.#lost.has(key)) throw thrown;
      const own = await this.#ownWork(key, content, options);
      if (own === null) throw thrown;
      return own;
    }
  }

  async #putStream(key: string, body: WriteBody, options: WriteOptions): Promise<Written> {
    const { md5, crc64nvme } = options.digests;
    const sent: Digests = md5 !== undefined ? { md5 } : crc64nvme !== undefined ? { crc64nvme } : {};
    const content = counted(body.content as AsyncIterable<Uint8Array>, body.sizeBytes, key);
    return this.#putBlob(key, { sizeBytes: body.sizeBytes, content }, sent, options.digests, options);
  }

  async #putBlob(
    key: string,
    body: WriteBody,
    sent: Digests,
    expected: Digests,
    options: WriteOptions,
  ): Promise<Written> {
    const { place } = this.settings;
    const made = this.#properties(options, null);
    const headers: Record<string, string> = {
      ...made.headers,
      ...conditionHeaders(options),
      'x-ms-blob-type': 'BlockBlob',
    };
    if (sent.md5 !== undefined) headers['content-md5'] = hexToBase64(sent.md5);
    else if (sent.crc64nvme !== undefined) headers['x-ms-content-crc64'] = crc64ToWire(sent.crc64nvme);
    const canRepeat = body.content instanceof Uint8Array;
    let response: HttpResponse;
    try {
      response = await this.withTags(made.tags, made.losses, canRepeat, (extra) =>
        place.client.sendAndDiscard({
          method: 'PUT',
          operation: 'PUT',
          container: place.container,
          // The slash at the end and the metadata together make a folder in either kind of namespace.
          blob: place.fullKey(key),
          key,
          headers: { ...headers, ...extra },
          body,
          signal: options.signal,
          accepts: [201],
        }),
      );
    } catch (thrown) {
      this.#rememberLost(key, thrown);
      throw thrown;
    }
    this.#lost.delete(key);
    const proved = provedBy(response, sent, this.settings.facts());
    const entry = writtenEntry(key, body.sizeBytes, response, options, proved.md5, this.settings.defaultTier);
    await this.#refuseOther(key, expected, proved, entry, options.signal);
    return { entry, proved, composite: null, losses: made.losses };
  }

  /** The content stays invisible until the service has proved that it is what was sent. */
  async #stageStream(key: string, body: WriteBody, options: WriteOptions): Promise<Written> {
    const { place, stage, runId } = this.settings;
    const blob = place.blobName({ key, kind: options.kind });
    if (body.sizeBytes === 0) {
      for await (const chunk of counted(body.content as AsyncIterable<Uint8Array>, 0, key)) void chunk;
      return this.#putBytes(key, new Uint8Array(0), 0, options);
    }
    const upload = { runId, startedAtMs: this.nextStart() };
    const receipt = await stage.put(blob, key, upload, 0, body, options.digests, options.signal);
    const marked = markedAs(receipt.proved.crc64nvme !== undefined, options);
    const made = this.#properties(marked, null);
    const { md5 } = options.digests;
    const headers = {
      ...made.headers,
      ...conditionHeaders(options),
      ...(md5 === undefined ? {} : { 'x-ms-blob-content-md5': hexToBase64(md5) }),
    };
    const response = await this.withTags(made.tags, made.losses, true, (extra) =>
      stage.commit(blob, key, [receipt.id], { ...headers, ...extra }, options.signal),
    );
    const entry = writtenEntry(key, body.sizeBytes, response, marked, md5, this.settings.defaultTier);
    return { entry, proved: receipt.proved, composite: null, losses: made.losses };
  }

  #properties(options: WriteOptions, upload: string | null): ReturnType<typeof propertyHeaders> {
    const { defaultTier, place } = this.settings;
    return propertyHeaders(options, { upload, defaultTier, keepsTags: !place.nature.isHierarchical });
  }

  /** Removes what has just been written when the service says that it is not what was meant. */
  async #refuseOther(
    key: string,
    expected: Digests,
    proved: Digests,
    entry: Entry,
    signal: AbortSignal,
  ): Promise<void> {
    const wrong = (['md5', 'crc64nvme'] as const).find(
      (kind) => expected[kind] !== undefined && proved[kind] !== undefined && expected[kind] !== proved[kind],
    );
    if (wrong === undefined) return;
    await this.settings.place.client.sendAndDiscard({
      method: 'DELETE',
      operation: 'DELETE',
      ...this.settings.place.pinned(entry),
      signal,
      accepts: [202, 404, 412],
    });
    throw new DroverError(
      'CORRUPTED',
      `Blob "${key}": the service stored other bytes than were sent; they were removed.`,
      { key },
    );
  }

  /** The blob that stands there, when it is exactly what an earlier try of the same write would have made. */
  async #ownWork(key: string, content: Uint8Array, options: WriteOptions): Promise<Written | null> {
    const { place } = this.settings;
    const response = await place.client.send({
      method: 'HEAD',
      operation: 'HEAD',
      container: place.container,
      blob: place.blobName({ key, kind: options.kind }),
      key,
      signal: options.signal,
      accepts: [200, 404],
    });
    await response.discard();
    if (response.status === 404) return null;
    const entry = entryFromHeaders(key, response.headers, place.withVersions);
    const md5 = digestOf('md5', content);
    if (entry.sizeBytes !== content.length || entry.digests.md5 !== md5) return null;
    const made = this.#properties(options, null);
    const isSame = Object.entries(made.headers).every(
      ([name, value]) => !name.startsWith('x-ms-meta-') || response.headers[name] === value,
    );
    if (!isSame) return null;
    this.#lost.delete(key);
    // The MD5 that the service computed is that of our bytes, so every other digest of them is the blob's too.
    const proved = { md5, crc64nvme: digestOf('crc64nvme', content) };
    return { entry, proved, composite: null, losses: made.losses };
  }

  #rememberLost(key: string, thrown: unknown): void {
    if (
      !(thrown instanceof DroverError) ||
      !['UNAVAILABLE', 'UNREACHABLE', 'TIMED_OUT', 'CANCELLED'].includes(thrown.code)
    )
      return;
    if (this.#lost.size >= LOST_MAX) this.#lost.clear();
    this.#lost.add(key);
  }
}

export function conditionHeaders(options: Pick<WriteOptions, 'expect'>): Record<string, string> {
  const { expect } = options;
  if (expect.kind === 'absent') return { 'if-none-match': '*' };
  if (expect.kind === 'match' && expect.identity.etag !== null) return { 'if-match': quoted(expect.identity.etag) };
  return {};
}

/** With a mark that a digest speaks for the content, where the service was seen to have it before it shows it. */
export function markedAs(isProved: boolean, options: WriteOptions): WriteOptions {
  const { recorded } = options;
  return recorded === null || !isProved ? options : { ...options, recorded: { ...recorded, isProved } };
}

export function writtenEntry(
  key: string,
  sizeBytes: number,
  response: HttpResponse,
  options: WriteOptions,
  md5: string | undefined,
  defaultTier: string | null,
): Entry {
  const isFolder = options.kind === 'folder';
  return entryOf({
    kind: options.kind,
    key,
    sizeBytes,
    modifiedAtMs: instant(response.headers['last-modified']),
    identity: { etag: unquoted(response.headers['etag'] ?? null), versionId: null },
    digests: md5 === undefined || isFolder ? {} : { md5 },
    storageClass: isFolder ? null : (options.storageClass ?? defaultTier),
    recorded: options.recorded,
  });
}

/** What the answer to Put Blob proves: digests the service computed, and sent ones it is known to check. */
function provedBy(response: HttpResponse, sent: Digests, facts: TargetFacts): Digests {
  const proved: { md5?: string; crc64nvme?: string } = { ...md5Digests(response.headers['content-md5']) };
  const crc64 = crc64FromWire(response.headers['x-ms-content-crc64']);
  if (crc64 !== null) proved.crc64nvme = crc64;
  else if (sent.crc64nvme !== undefined && facts.checksums.crc64nvme === 'honoured') proved.crc64nvme = sent.crc64nvme;
  if (proved.md5 === undefined && sent.md5 !== undefined && facts.contentMd5 === 'honoured') proved.md5 = sent.md5;
  return proved;
}

/** Refusals that the tags alone may have caused. */
function mayBeTags(thrown: unknown): boolean {
  return thrown instanceof DroverError && ['PERMISSION_DENIED', 'UNSUPPORTED', 'UNREPRESENTABLE'].includes(thrown.code);
}
