/** Single objects: what HEAD tells, and their tags. Shared by the source and the target. */
import type { Description } from '../../contract/provider.ts';
import { childText, child, children, parseXml } from '../../lib/xml.ts';
import { DroverError } from '../../model/errors.ts';
import type { Entry, Properties } from '../../model/entry.ts';
import type { Query, S3Client } from './client.ts';
import { encryptionOfRead } from './encryption.ts';
import { entryOfHeaders, isEncryptedApart, propertiesOfHeaders } from './headers.ts';
import type { Headers } from './headers.ts';
import type { EtagTrust, ListPlace } from './listing.ts';

const TAGS_BYTES_MAX = 256 * 1024;

export interface Head {
  readonly status: number;
  readonly headers: Headers;
}

/** One place of one account. */
export class Objects {
  readonly client: S3Client;
  readonly place: ListPlace;
  readonly trust: EtagTrust;
  /** Whether we may read tags. Amazon tells their number only to those who may, so "none told" alone means nothing. */
  #tagRights: 'unknown' | 'granted' = 'unknown';
  /** The refusal that showed that we may not. */
  #tagsRefused: DroverError | null = null;

  /**
   * Whether entries name their version. To ask for one takes rights of its own (s3:GetObjectVersion), which nobody
   * needs who reads current objects: their ETag pins them as well.
   */
  readonly pinsVersions: boolean;

  constructor(client: S3Client, place: ListPlace, pinsVersions = false) {
    this.client = client;
    this.place = place;
    this.pinsVersions = pinsVersions;
    const { encryption } = client.settings;
    this.trust = { isMd5: encryption !== 'SSE-KMS' && encryption !== 'SSE-C' };
  }

  fullKey(key: string): string {
    return this.place.prefix + key;
  }

  /** Where requests for this object go; errors name it as the caller did. */
  on(key: string): { bucket: string; key: string; name: string } {
    return { bucket: this.place.bucket, key: this.fullKey(key), name: key };
  }

  /** Names the object that an entry describes, in exactly its version. */
  versionQuery(entry: Entry): Query {
    return entry.identity.versionId === null ? [] : [['versionId', entry.identity.versionId]];
  }

  async head(key: string, query: Query, signal: AbortSignal): Promise<Head | null> {
    const answer = await this.client.run({
      method: 'HEAD',
      ...this.on(key),
      query,
      headers: { 'x-amz-checksum-mode': 'ENABLED', ...encryptionOfRead(this.client.settings) },
      operation: 'HEAD',
      signal,
      accept: [404],
    });
    return answer.status === 404 ? null : answer;
  }

  async stat(key: string, signal: AbortSignal): Promise<Entry | null> {
    if (this.fullKey(key) === '') return null;
    const head = await this.head(key, [], signal);
    return head === null ? null : this.entryOf(key, head.headers);
  }

  /** From the answer to HEAD, or to GET of the whole object. */
  entryOf(key: string, headers: Headers): Entry {
    this.watch(headers);
    const sizeBytes = Number(headers['content-length'] ?? Number.NaN);
    if (!Number.isSafeInteger(sizeBytes)) {
      throw new DroverError('UNAVAILABLE', `The store did not tell the size of "${key}".`, { key });
    }
    return entryOfHeaders(key, headers, {
      sizeBytes,
      isWholeObject: true,
      pinsVersions: this.pinsVersions,
      nowMs: this.client.time.now(),
    });
  }

  /** Once an object's ETag was seen to be no MD5, listings of this place prove nothing by it any more. */
  watch(headers: Headers): void {
    if (isEncryptedApart(headers)) this.trust.isMd5 = false;
  }

  async describe(entry: Entry, signal: AbortSignal): Promise<Description> {
    const head = await this.head(entry.key, this.versionQuery(entry), signal);
    if (head === null) throw notFound(entry.key);
    const found = this.entryOf(entry.key, head.headers);
    requireSame(entry, found);
    return { entry: withIdentity(found, entry), properties: this.propertiesOf(head.headers) };
  }

  /** `tagCount` is `null` as long as tags may be there that we are not told of. */
  propertiesOf(headers: Headers): Properties {
    const properties = propertiesOfHeaders(headers);
    if (headers['x-amz-tagging-count'] !== undefined) this.#tagRights = 'granted';
    return this.client.isAmazon && this.#tagRights === 'unknown' ? { ...properties, tagCount: null } : properties;
  }

  async readTags(entry: Entry, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    // One refusal stands for all: whoever gets the right sees numbers of tags from then on.
    if (this.#tagRights === 'unknown' && this.#tagsRefused !== null) throw this.#refusedAgain(entry, this.#tagsRefused);
    try {
      const tags = await this.#askTags(entry, signal);
      this.#tagRights = 'granted';
      return tags;
    } catch (thrown) {
      const isRefusal = thrown instanceof DroverError && thrown.code === 'PERMISSION_DENIED';
      if (isRefusal && this.client.isAmazon) this.#tagsRefused = thrown;
      throw thrown;
    }
  }

  #refusedAgain({ key }: Entry, before: DroverError): DroverError {
    const message = `"${key}" in bucket "${this.place.bucket}": tags may not be read here, as another object showed.`;
    return new DroverError('PERMISSION_DENIED', message, { key, cause: before });
  }

  async #askTags(entry: Entry, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const response = await this.client.send({
      method: 'GET',
      ...this.on(entry.key),
      query: [['tagging', ''], ...this.versionQuery(entry)],
      operation: 'TAGS',
      signal,
    });
    const bytes = await response.bytes(TAGS_BYTES_MAX);
    // An object without tags is answered with nothing at all by some stores.
    if (bytes.length === 0) return {};
    const root = parseXml(new TextDecoder().decode(bytes));
    const set = child(root, 'TagSet');
    const tags: Record<string, string> = {};
    for (const tag of set === null ? [] : children(set, 'Tag')) {
      tags[childText(tag, 'Key') ?? ''] = childText(tag, 'Value') ?? '';
    }
    return tags;
  }
}

/** A reading or describing answer must be the state that was named. */
export function requireSame(entry: Entry, found: Entry): void {
  const isSame =
    (entry.identity.etag === null || entry.identity.etag === found.identity.etag) &&
    entry.sizeBytes === found.sizeBytes;
  if (!isSame) throw changed(entry.key);
}

/** A listing of current objects names no version; the entry keeps saying what it said. */
export function withIdentity(found: Entry, asked: Entry): Entry {
  return asked.identity.versionId === null ? found : { ...found, identity: { ...found.identity, ...versionOf(asked) } };
}

function versionOf(entry: Entry): { versionId: string | null } {
  return { versionId: entry.identity.versionId };
}

export function changed(key: string): DroverError {
  return new DroverError('CHANGED', `"${key}" was changed after it was listed.`, { key });
}

export function notFound(key: string): DroverError {
  return new DroverError('NOT_FOUND', `"${key}" is not there any more.`, { key });
}
