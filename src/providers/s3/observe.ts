/** Finds out what a store really honours, with small objects of our own that are removed again. */
import type { Honour, Probing, TargetFacts } from '../../contract/provider.ts';
import { hexToBase64 } from '../../lib/encode.ts';
import { digestOf, COMPUTABLE_DIGESTS } from '../../lib/hash.ts';
import { childText } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import { DIGEST_KINDS } from '../../model/digest.ts';
import type { DigestKind } from '../../model/digest.ts';
import type { S3Request } from './client.ts';
import { encryptionOfRead, encryptionOfWrite } from './encryption.ts';
import { checksumHeader, hexOfChecksum, plainEtag } from './headers.ts';
import type { Headers } from './headers.ts';
import type { Objects } from './objects.ts';
import { PROBE_CONTENT, removeOldProbes } from './old-probes.ts';
import { CONTENT_MD5 } from './trial.ts';

const CONTENT = PROBE_CONTENT;
const OTHER_ETAG = 'd41d8cd98f00b204e9800998ecf8427e';
const OTHER_MD5 = hexToBase64(OTHER_ETAG);

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The wire code of a refusal. */
  readonly code: string;
}

export async function observe(
  objects: Objects,
  runId: string,
  signal: AbortSignal,
  probing?: Probing,
): Promise<TargetFacts> {
  const below = probing?.below ?? '';
  const probe = new Probe(objects, `${below}.drover-probe-${runId}`, signal);
  try {
    await removeOldProbes(objects, below, signal);
    const { etag, returned: early } = await probe.first();
    await probing?.seen(probe.firstKey);
    const createOnly = await probe.createOnly();
    const wrongMatch = await probe.wrongMatchOnWrite();
    const match = await probe.matchOnWrite(wrongMatch, await probe.makeAnew(etag));
    const contentMd5 = await probe.contentMd5();
    const { checksums, returned } = await probe.checksums();
    const parts = await probe.parts(match.quotes);
    return {
      observedAtMs: objects.client.time.now(),
      createOnly,
      matchOnWrite: match.honour,
      matchOnComplete: parts.match,
      matchOnDelete: await probe.matchOnDelete(match.quotes),
      etagQuotes: match.quotes,
      contentMd5,
      checksums,
      returned: [...new Set([...early, ...returned])],
      partNumberReads: parts.partNumber,
      tagsOnBegin: parts.tags,
      sizeOnComplete: parts.size,
      keepsVersions: probe.keepsVersions,
      etagIsMd5: etag === digestOf('md5', CONTENT),
    };
  } finally {
    await probe.cleanUp();
  }
}

/** What a condition that does not hold was answered with. */
function judge(answer: Answer): Honour {
  if (answer.status >= 200 && answer.status < 300) return 'ignored';
  if (answer.status === 412 || answer.status === 409) return 'honoured';
  return answer.status === 501 || answer.status === 400 ? 'refused' : 'unknown';
}

interface PartFacts {
  readonly match: Honour;
  readonly size: Honour;
  readonly partNumber: Honour;
  readonly tags: Honour;
}

class Probe {
  readonly #objects: Objects;
  readonly #signal: AbortSignal;
  readonly #name: string;
  readonly #made = new Set<string>();
  /** Where the bucket keeps versions, each write and each removal made one. */
  #versions: { readonly key: string; readonly versionId: string; readonly isMarker: boolean }[] = [];
  /** Each further version would stay for good. */
  #isFrugal = false;
  #uploadId: string | null = null;
  /** Where keeping them is suspended, what is new is called `null`, and replaces what was called so. */
  keepsVersions = false;

  constructor(objects: Objects, name: string, signal: AbortSignal) {
    this.#objects = objects;
    this.#signal = signal;
    this.#name = name;
  }

  /** Within the place. */
  get firstKey(): string {
    return `${this.#name}-a`;
  }

  /** A plain write: without the right to do that, nothing can be found out. */
  async first(): Promise<{ etag: string; returned: DigestKind[] }> {
    const answer = await this.#run(this.#put('a', {}));
    const etag = plainEtag(answer.headers['etag']);
    if (etag === null) throw new DroverError('UNAVAILABLE', 'The store took an object without telling its ETag.');
    return { etag, returned: returnedKinds(answer.headers) };
  }

  async createOnly(): Promise<Honour> {
    return judge(await this.#try(this.#put('a', { 'if-none-match': '*' })));
  }

  async wrongMatchOnWrite(): Promise<Honour> {
    return judge(await this.#try(this.#put('a', { 'if-match': `"${OTHER_ETAG}"` })));
  }

  /**
   * Where the bucket keeps versions, those made so far are removed and the object is written once more; its ETag is the
   * answer. Where they may not be removed, or are retained, each further one would stay as well: then as little as can be
   * is written from here on.
   */
  async makeAnew(etag: string): Promise<string> {
    if (this.#versions.length === 0) return etag;
    this.#isFrugal = !(await this.#removeVersions(this.#signal));
    if (this.#isFrugal) return etag;
    const answer = await this.#run(this.#put('a', {}));
    return plainEtag(answer.headers['etag']) ?? etag;
  }

  /** First whether a wrong one is refused, then how a right one must be written. */
  async matchOnWrite(honour: Honour, etag: string): Promise<{ honour: Honour; quotes: 'quoted' | 'unquoted' }> {
    if (honour !== 'honoured' || this.#isDocumented) return { honour, quotes: 'quoted' };
    if (isFine(await this.#try(this.#put('a', { 'if-match': `"${etag}"` })))) return { honour, quotes: 'quoted' };
    const plain = await this.#try(this.#put('a', { 'if-match': etag }));
    return isFine(plain) ? { honour, quotes: 'unquoted' } : { honour: 'refused', quotes: 'quoted' };
  }

  /** Amazon's answers stand in its documentation; what would leave something for good there is not asked. */
  get #isDocumented(): boolean {
    return this.#isFrugal && this.#objects.client.isAmazon;
  }

  async contentMd5(): Promise<Honour> {
    const answer = await this.#try(this.#put('b', { 'content-md5': OTHER_MD5 }));
    if (isFine(answer)) return 'ignored';
    return /Digest/i.test(answer.code) ? 'honoured' : 'refused';
  }

  async checksums(): Promise<{ checksums: TargetFacts['checksums']; returned: DigestKind[] }> {
    const checksums: { [K in DigestKind]?: Honour } = {};
    const returned: DigestKind[] = [];
    for (const kind of DIGEST_KINDS) {
      if (kind === 'md5' || !COMPUTABLE_DIGESTS.includes(kind)) continue;
      const right = digestOf(kind, CONTENT);
      const wrong = digestOf(kind, Buffer.from('something else', 'utf8'));
      const [name, value] = checksumHeader(kind, wrong);
      const refused = await this.#try(this.#put('b', { [name]: value }));
      if (isFine(refused)) {
        checksums[kind] = 'ignored';
        // Whoever looks at none of one kind has left an object by that; the others are not tried where it stays.
        if (this.#isFrugal) break;
        continue;
      }
      if (this.#isFrugal) {
        // It looked at the value, so it knows the kind.
        checksums[kind] = /Digest|Checksum/i.test(refused.code) ? 'honoured' : 'refused';
        if (this.#isDocumented && checksums[kind] === 'honoured') returned.push(kind);
        continue;
      }
      const [, rightValue] = checksumHeader(kind, right);
      const answer = await this.#try(this.#put('b', { [name]: rightValue }));
      checksums[kind] = isFine(answer) ? 'honoured' : 'refused';
      if (isFine(answer) && hexOfChecksum(answer.headers[name]) === right) returned.push(kind);
    }
    return { checksums, returned };
  }

  async matchOnDelete(quotes: 'quoted' | 'unquoted'): Promise<Honour> {
    const value = quotes === 'quoted' ? `"${OTHER_ETAG}"` : OTHER_ETAG;
    return judge(
      await this.#try({ ...this.#on('a'), method: 'DELETE', operation: 'DELETE', headers: { 'if-match': value } }),
    );
  }

  /** One upload of one part, onto an object that is there. */
  async parts(quotes: 'quoted' | 'unquoted'): Promise<PartFacts> {
    const { client } = this.#objects;
    const settings = client.settings;
    const nothing = { match: 'unknown', size: 'unknown', partNumber: 'unknown', tags: 'unknown' } as const;
    const begun = await client.document({
      ...this.#on('a'),
      method: 'POST',
      query: [['uploads', '']],
      headers: { 'x-amz-tagging': 'drover=probe', ...encryptionOfWrite(settings) },
      operation: 'BEGIN',
    });
    const uploadId = childText(begun.root, 'UploadId');
    if (!uploadId) return nothing;
    this.#uploadId = uploadId;
    const part = await this.#try({
      ...this.#put('a', {}),
      headers: { ...encryptionOfRead(settings), ...CONTENT_MD5 },
      query: [
        ['partNumber', '1'],
        ['uploadId', uploadId],
      ],
      operation: 'PART',
    });
    const etag = plainEtag(part.headers['etag']);
    if (!isFine(part) || etag === null) return nothing;
    const wrong = quotes === 'quoted' ? `"${OTHER_ETAG}"` : OTHER_ETAG;
    const match = judge(await this.#complete(uploadId, etag, { 'if-match': wrong }));
    // Refused as it should be: now it has to become an object.
    const size = match === 'ignored' ? 'unknown' : await this.#sizeOnComplete(uploadId, etag);
    const isMade = match === 'ignored' || size === 'ignored';
    if (this.#isFrugal && !isMade) {
      // As documented for Amazon: the upload, with its tags, was begun. It is ended, and becomes no object.
      const documented = this.#isDocumented ? 'honoured' : 'unknown';
      return { match, size, partNumber: documented, tags: documented };
    }
    const isObject = isMade || isFine(await this.#complete(uploadId, etag, {}));
    if (!isObject) return { ...nothing, match };
    this.#uploadId = null;
    return { match, size, partNumber: await this.#partNumber(), tags: await this.#tags() };
  }

  /** Where a wrong size is ignored, the upload has become an object by it. */
  async #sizeOnComplete(uploadId: string, etag: string): Promise<Honour> {
    const answer = await this.#complete(uploadId, etag, { 'x-amz-mp-object-size': String(CONTENT.length + 1) });
    if (isFine(answer)) return 'ignored';
    return answer.status === 400 ? 'honoured' : 'refused';
  }

  #complete(uploadId: string, etag: string, headers: Headers): Promise<Answer> {
    const text =
      `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;${etag}&quot;</ETag></Part>` +
      '</CompleteMultipartUpload>';
    const body = Buffer.from(text, 'utf8');
    return this.#try({
      ...this.#on('a'),
      method: 'POST',
      query: [['uploadId', uploadId]],
      headers: { 'content-type': 'application/xml', ...encryptionOfRead(this.#objects.client.settings), ...headers },
      body: { sizeBytes: body.length, content: body },
      operation: 'COMPLETE',
    });
  }

  async #partNumber(): Promise<Honour> {
    const head = await this.#try({
      ...this.#on('a'),
      method: 'HEAD',
      query: [['partNumber', '1']],
      headers: encryptionOfRead(this.#objects.client.settings),
      operation: 'HEAD',
    });
    if (!isFine(head)) return 'refused';
    return head.status === 206 ? 'honoured' : 'ignored';
  }

  async #tags(): Promise<Honour> {
    const head = await this.#try({
      ...this.#on('a'),
      method: 'HEAD',
      headers: encryptionOfRead(this.#objects.client.settings),
      operation: 'HEAD',
    });
    if (!isFine(head)) return 'unknown';
    return Number(head.headers['x-amz-tagging-count'] ?? 0) > 0 ? 'honoured' : 'ignored';
  }

  #on(name: string): Pick<S3Request, 'bucket' | 'key' | 'signal'> {
    const key = this.#objects.fullKey(`${this.#name}-${name}`);
    return { bucket: this.#objects.place.bucket, key, signal: this.#signal };
  }

  #put(name: string, headers: Headers): S3Request {
    return {
      ...this.#on(name),
      method: 'PUT',
      headers: { ...encryptionOfWrite(this.#objects.client.settings), ...CONTENT_MD5, ...headers },
      body: { sizeBytes: CONTENT.length, content: CONTENT },
      operation: 'PUT',
    };
  }

  async #run(request: S3Request): Promise<{ status: number; headers: Headers }> {
    const { key } = request;
    const makes = key !== null && (request.operation === 'PUT' || request.operation === 'COMPLETE');
    // Until it is refused: whoever loses the answer takes away what may be there.
    const isNew = makes && !this.#made.has(key);
    if (makes) this.#made.add(key);
    let answer;
    try {
      answer = await this.#objects.client.run(request);
    } catch (thrown) {
      if (isNew && isRefusal(thrown)) this.#made.delete(key);
      throw thrown;
    }
    const versionId = answer.headers['x-amz-version-id'];
    const isMarker = request.operation === 'DELETE';
    if ((makes || isMarker) && versionId !== undefined && key !== null) {
      this.#versions.push({ key, versionId, isMarker });
      if (makes && versionId !== 'null') this.keepsVersions = true;
    }
    return answer;
  }

  /** The answer, also where it is a refusal; only troubles of the network and the account are thrown. */
  async #try(request: S3Request): Promise<Answer> {
    try {
      const answer = await this.#run(request);
      return { ...answer, code: '' };
    } catch (thrown) {
      const status = thrown instanceof DroverError ? thrown.details?.['status'] : undefined;
      if (!(thrown instanceof DroverError) || typeof status !== 'number') throw thrown;
      if (['THROTTLED', 'UNAVAILABLE', 'CREDENTIALS_EXPIRED'].includes(thrown.code)) throw thrown;
      return { status, headers: {}, code: String(thrown.details?.['code'] ?? '') };
    }
  }

  /**
   * Also after a cancellation: the probes must not stay. To remove their versions takes a right of its own
   * (s3:DeleteObjectVersion); without it they stay hidden behind a delete marker.
   */
  async cleanUp(): Promise<void> {
    const { signal } = new AbortController();
    const settle = async (request: S3Request) => {
      await this.#run(request).catch(() => undefined);
    };
    if (this.#uploadId !== null) {
      const query = [['uploadId', this.#uploadId]] as const;
      await settle({ ...this.#on('a'), method: 'DELETE', query, operation: 'ABORT', signal });
    }
    for (const key of this.#made) await settle({ ...this.#on(''), key, method: 'DELETE', operation: 'DELETE', signal });
    await this.#removeVersions(signal);
  }

  /** False where one of them stays. Objects first: the marker of one that stays goes on hiding it. */
  async #removeVersions(signal: AbortSignal): Promise<boolean> {
    const { client } = this.#objects;
    const stuck = new Set<string>();
    for (const version of this.#versions.toSorted((a, b) => Number(a.isMarker) - Number(b.isMarker))) {
      const { key, versionId } = version;
      if (stuck.has(key)) continue;
      const query = [['versionId', versionId]] as const;
      try {
        await client.run({ ...this.#on(''), key, query, method: 'DELETE', operation: 'DELETE', signal });
        this.#versions = this.#versions.filter((other) => other !== version);
      } catch {
        stuck.add(key);
      }
    }
    return stuck.size === 0;
  }
}

function isRefusal(thrown: unknown): boolean {
  const status = thrown instanceof DroverError ? thrown.details?.['status'] : undefined;
  return typeof status === 'number' && status >= 400 && status < 500;
}

function isFine(answer: Answer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

function returnedKinds(headers: Headers): DigestKind[] {
  return COMPUTABLE_DIGESTS.filter(
    (kind) => kind !== 'md5' && hexOfChecksum(headers[`x-amz-checksum-${kind}`]) === digestOf(kind, CONTENT),
  );
}
