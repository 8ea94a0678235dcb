/** What the store really honours: small blobs of our own, each sent with one thing that must be refused. */
import type { Honour, Probing, TargetFacts } from '../../contract/provider.ts';
import type { HttpResponse } from '../../lib/transport.ts';
import type { DigestKind } from '../../model/digest.ts';
import { DroverError } from '../../model/errors.ts';
import { hexToBase64 } from '../../lib/encode.ts';
import { digestOf } from '../../lib/hash.ts';
import { blockId, READABLE_LENGTH } from './block-ids.ts';
import { textBody } from './client.ts';
import { removeOldProbes, TRIAL_CONTENT, trialKey } from './old-probes.ts';
import type { BlobPlace } from './place.ts';
import { crc64FromWire, crc64ToWire } from './properties.ts';
import { tagsDocument } from './tags.ts';
import { TrialVersions } from './trial-versions.ts';

const CONTENT = TRIAL_CONTENT;
const OTHER_ETAG = '"0x8D00000000000000"';

type Headers = Readonly<Record<string, string>>;

export async function observeStore(
  place: BlobPlace,
  runId: string,
  signal: AbortSignal,
  probing?: Probing,
): Promise<TargetFacts> {
  const below = probing?.below ?? '';
  const key = trialKey(below, runId);
  const probe = new Probe(place, place.prefix + key, signal);
  try {
    await removeOldProbes(place, below, signal);
    const wrongMd5 = await probe.put({ 'content-md5': hexToBase64('00'.repeat(16)) });
    const wrongCrc = await probe.put({ 'x-ms-content-crc64': crc64ToWire('00'.repeat(8)) });
    const plain = await probe.put({});
    if (plain.status !== 201) throw probe.refused(plain, 'The store refuses a small blob without any condition');
    const { keepsVersions } = probe;
    await probing?.seen(key);
    const etag = plain.headers['etag'] ?? OTHER_ETAG;
    const again = await probe.put({ 'if-none-match': '*' });
    const wrongMatch = await probe.put({ 'if-match': OTHER_ETAG });
    const wrongMatchOnDelete = () => probe.remove({ 'if-match': OTHER_ETAG });
    // Where it may be gone for good after the next step.
    const early = probe.keepsVersions ? await wrongMatchOnDelete() : null;
    const latest = [wrongMatch, again, plain].find(({ status }) => status === 201) ?? plain;
    const anew = await probe.makeAnew();
    const current = (anew === 'as it was' ? latest : anew)?.headers['etag'] ?? etag;
    // What would stay for good is not written: the service's answers to these two are documented.
    const rightMatch = anew === null ? null : await probe.put({ 'if-match': current });
    const wrongCommit = await probe.commit({ 'if-match': OTHER_ETAG });
    const tagged = anew === null ? await probe.tagNothing() : await probe.commit({ 'x-ms-tags': 'drover=probe' });
    const wrongDelete = early ?? (await wrongMatchOnDelete());
    return {
      observedAtMs: place.client.clock.now(),
      createOnly: honour(again, [409, 412], [201]),
      matchOnWrite: honour(wrongMatch, [412], [201]),
      matchOnComplete: honour(wrongCommit, [412], [201]),
      matchOnDelete: honour(wrongDelete, [412], [202]),
      etagQuotes: rightMatch?.status === 412 ? 'unquoted' : 'quoted',
      contentMd5: honour(wrongMd5, [400], [201]),
      checksums: { md5: honour(wrongMd5, [400], [201]), crc64nvme: honour(wrongCrc, [400], [201]) },
      returned: returnedKinds(plain),
      partNumberReads: 'refused',
      tagsOnBegin: [201, 404].includes(tagged.status) ? 'honoured' : 'refused',
      keepsVersions,
    };
  } finally {
    await probe.cleanUp();
  }
}

class Probe {
  readonly #place: BlobPlace;
  readonly #blob: string;
  readonly #signal: AbortSignal;
  readonly #versions: TrialVersions;
  #isThere = false;

  constructor(place: BlobPlace, blob: string, signal: AbortSignal) {
    this.#place = place;
    this.#blob = blob;
    this.#signal = signal;
    this.#versions = new TrialVersions(place.client, place.container, blob);
  }

  async put(headers: Headers): Promise<HttpResponse> {
    this.#isThere = true;
    return this.#send('PUT', 'PUT', {}, { ...headers, 'x-ms-blob-type': 'BlockBlob' }, CONTENT);
  }

  /** Stages one block and commits it. */
  async commit(headers: Headers): Promise<HttpResponse> {
    const id = blockId({ runId: 'probe000', startedAtMs: 0 }, 0, null, READABLE_LENGTH);
    const staged = await this.#send('PUT', 'PART', { comp: 'block', blockid: id }, {}, CONTENT);
    if (staged.status !== 201) throw this.refused(staged, 'The store refuses a block');
    const list = textBody(
      `<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>${id}</Latest></BlockList>`,
    ).content;
    return this.#send('PUT', 'COMMIT', { comp: 'blocklist' }, headers, list as Uint8Array);
  }

  get keepsVersions(): boolean {
    return this.#versions.any;
  }

  /**
   * Where the account keeps versions, those made so far are removed and the blob is written once more; the answer to that.
   * `null`: they may not be removed, so the blob is gone and none is written any more.
   */
  async makeAnew(): Promise<HttpResponse | 'as it was' | null> {
    if (!this.#versions.any) return 'as it was';
    await this.remove({});
    const isClear = await this.#versions.remove(this.#signal);
    this.#isThere = isClear;
    return isClear ? this.put({}) : null;
  }

  /** Whether tags may be set is looked at before whether there is a blob. */
  tagNothing(): Promise<HttpResponse> {
    const { content } = textBody(tagsDocument({ drover: 'probe' }));
    return this.#send('PUT', 'TAGS', { comp: 'tags' }, {}, content as Uint8Array);
  }

  remove(headers: Headers): Promise<HttpResponse> {
    return this.#send('DELETE', 'DELETE', {}, headers, null);
  }

  refused(response: HttpResponse, what: string): DroverError {
    const code = response.headers['x-ms-error-code'] ?? `status ${response.status}`;
    return new DroverError('UNSUPPORTED', `${what} (${code}).`, { details: { status: response.status, code } });
  }

  /** Also when the observation was stopped: nothing of ours may stay. */
  async cleanUp(): Promise<void> {
    if (!this.#isThere) return;
    const signal = this.#signal.aborted ? new AbortController().signal : this.#signal;
    await this.#place.client.sendAndDiscard({
      method: 'DELETE',
      operation: 'DELETE',
      container: this.#place.container,
      blob: this.#blob,
      signal,
      accepts: [202, 404],
    });
    await this.#versions.remove(signal);
  }

  async #send(
    method: 'PUT' | 'DELETE',
    operation: string,
    query: Record<string, string>,
    headers: Headers,
    content: Uint8Array | null,
  ): Promise<HttpResponse> {
    const answer = await this.#place.client.sendAndDiscard({
      method,
      operation,
      container: this.#place.container,
      blob: this.#blob,
      query,
      headers,
      ...(content === null ? {} : { body: { sizeBytes: content.length, content } }),
      signal: this.#signal,
      accepts:
        operation === 'TAGS' || (operation === 'COMMIT' && headers['x-ms-tags'] !== undefined)
          ? [201, 400, 403, 404, 409, 412]
          : [201, 202, 400, 404, 409, 412],
    });
    this.#versions.notice(answer);
    return answer;
  }
}

function honour(response: HttpResponse, refusing: readonly number[], accepting: readonly number[]): Honour {
  if (refusing.includes(response.status)) return 'honoured';
  return accepting.includes(response.status) ? 'ignored' : 'refused';
}

/** Digests in the answer that are those of the content, so the store computed them. */
function returnedKinds(response: HttpResponse): readonly DigestKind[] {
  const kinds: DigestKind[] = [];
  if (response.headers['content-md5'] === hexToBase64(digestOf('md5', CONTENT))) kinds.push('md5');
  if (crc64FromWire(response.headers['x-ms-content-crc64']) === digestOf('crc64nvme', CONTENT)) kinds.push('crc64nvme');
  return kinds;
}
