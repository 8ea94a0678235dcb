/** Reading from a bucket. */
import type {
  Page,
  ReadRange,
  Reading,
  ScanRange,
  Source,
  SourceFacets,
  SourceTraits,
} from '../../contract/provider.ts';
import type { HttpResponse } from '../../lib/transport.ts';
import { DroverError } from '../../model/errors.ts';
import type { Entry } from '../../model/entry.ts';
import type { Query } from './client.ts';
import { encryptionOfRead } from './encryption.ts';
import { entryOfHeaders } from './headers.ts';
import type { Headers } from './headers.ts';
import { scanCurrent, scanVersions, VERSIONS_MAX } from './scan.ts';
import { changed, notFound, requireSame, withIdentity } from './objects.ts';
import { STORAGE_CLASSES } from './headers.ts';
import type { Objects } from './objects.ts';
import { restoreFacet } from './restore.ts';

export const sourceTraits: SourceTraits = {
  order: 'bytes',
  seek: 'key',
  listedDigests: ['md5'],
  timePrecisionMs: 1000,
  keepsSourceTime: false,
  carries: {
    headers: true,
    metadata: true,
    tags: true,
    emptyFolders: true,
    storageClasses: STORAGE_CLASSES,
    ownStorageClasses: true,
    websiteRedirects: true,
  },
  facets: ['tags', 'versions', 'restore', 'partSizes', 'references'],
  staysBehind: [
    'access control lists',
    'Object Lock (retention and legal holds)',
    'the choice of encryption and its keys (KMS or customer keys)',
  ],
  versionsMax: VERSIONS_MAX,
};

/** `account`: the fingerprint that references carry. */
export function openSource(objects: Objects, versions: 'current' | 'all', account: string): Source {
  return {
    traits: sourceTraits,
    facets: facetsOf(objects, account),
    scan(range: ScanRange, signal: AbortSignal): AsyncIterable<Page> {
      const scan = versions === 'all' ? scanVersions : scanCurrent;
      return scan(objects.client, objects.place, range, objects.trust, signal);
    },
    stat: (key, signal) => objects.stat(key, signal),
    describe: (entry, signal) => objects.describe(entry, signal),
    read: (entry, range, signal) => read(objects, entry, range, signal),
    async [Symbol.asyncDispose]() {
      // The account owns the connections.
    },
  };
}

function facetsOf(objects: Objects, account: string): SourceFacets {
  return {
    tags: { read: (entry, signal) => objects.readTags(entry, signal) },
    versions: { supported: true },
    restore: restoreFacet(objects),
    partSizes: { first: (entry, signal) => firstPartSize(objects, entry, signal) },
    references: {
      async of(entry, lifetimeMs, signal) {
        const fullKey = objects.fullKey(entry.key);
        const query = objects.versionQuery(entry);
        const { url } = await objects.client.presignedGet(objects.place.bucket, fullKey, query, lifetimeMs, signal);
        const { encryption } = objects.client.settings;
        return {
          account,
          container: objects.place.bucket,
          fullKey,
          identity: entry.identity,
          // Nobody else can show the customer's key.
          url: encryption === 'SSE-C' ? null : url,
        };
      },
    },
  };
}

async function read(objects: Objects, entry: Entry, range: ReadRange, signal: AbortSignal): Promise<Reading> {
  const isWhole = range.offset === 0 && range.lengthBytes === entry.sizeBytes;
  if (range.lengthBytes === 0 && !isWhole) {
    const description = await objects.describe(entry, signal);
    return { entry: description.entry, properties: description.properties, body: nothing() };
  }
  const response = await get(objects, entry, isWhole ? null : range, signal);
  try {
    if (response.status === 404) throw notFound(entry.key);
    const { headers } = response;
    if (isWhole) checkWhole(entry, range, response);
    else checkRange(entry, range, response);
    objects.watch(headers);
    const found = entryOfHeaders(entry.key, headers, {
      sizeBytes: entry.sizeBytes,
      isWholeObject: isWhole,
      pinsVersions: objects.pinsVersions,
      nowMs: objects.client.time.now(),
    });
    requireSame(entry, found);
    const properties = objects.propertiesOf(headers);
    return { entry: withIdentity(found, entry), properties, body: exactly(response, range.lengthBytes, entry.key) };
  } catch (thrown) {
    await response.discard();
    throw thrown;
  }
}

function get(objects: Objects, entry: Entry, range: ReadRange | null, signal: AbortSignal): Promise<HttpResponse> {
  const headers: Record<string, string> = {
    'x-amz-checksum-mode': 'ENABLED',
    ...encryptionOfRead(objects.client.settings),
  };
  if (entry.identity.etag !== null) headers['if-match'] = `"${entry.identity.etag}"`;
  if (range !== null) headers['range'] = `bytes=${range.offset}-${range.offset + range.lengthBytes - 1}`;
  const query: Query = objects.versionQuery(entry);
  return objects.client.send({
    method: 'GET',
    ...objects.on(entry.key),
    query,
    headers,
    operation: 'GET',
    signal,
  });
}

function checkWhole(entry: Entry, range: ReadRange, response: HttpResponse): void {
  const { status, headers } = response;
  if (status !== 200) throw unexpected(entry.key, `status ${status} for the whole object`);
  const length = headers['content-length'];
  if (length !== undefined && Number(length) !== range.lengthBytes) {
    throw changed(entry.key);
  }
}

/** The object's size stands behind the slash; another one means another state. */
function checkRange(entry: Entry, range: ReadRange, response: HttpResponse): void {
  if (response.status !== 206) throw unexpected(entry.key, `status ${response.status} for a range`);
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers['content-range'] ?? '');
  if (match === null) throw unexpected(entry.key, 'a range that it does not name');
  if (Number(match[3]) !== entry.sizeBytes) throw changed(entry.key);
  if (Number(match[1]) !== range.offset || Number(match[2]) !== range.offset + range.lengthBytes - 1) {
    throw unexpected(entry.key, `the range ${match[0]}`);
  }
}

function unexpected(key: string, what: string): DroverError {
  return new DroverError('UNAVAILABLE', `"${key}": the store answered with ${what}, which was not asked for.`, { key });
}

/** Counts the bytes, whatever the headers promised. */
async function* exactly(response: HttpResponse, lengthBytes: number, key: string): AsyncGenerator<Uint8Array> {
  let left = lengthBytes;
  for await (const chunk of response.body) {
    left -= chunk.length;
    if (left < 0) {
      throw new DroverError('EXTRA_BYTES', `"${key}": the store sent more than ${lengthBytes} bytes.`, { key });
    }
    yield chunk;
  }
  if (left > 0) {
    throw new DroverError('EARLY_END', `"${key}": the content ended ${left} bytes before its size.`, { key });
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // No bytes were asked for.
}

/** Only an answer that really is one part tells anything: some stores send the whole object. */
async function firstPartSize(objects: Objects, entry: Entry, signal: AbortSignal): Promise<number | null> {
  if (entry.sizeBytes === 0) return null;
  const query: Query = [['partNumber', '1'], ...objects.versionQuery(entry)];
  const head = await objects.head(entry.key, query, signal);
  if (head === null) throw notFound(entry.key);
  if (head.status !== 206) return null;
  return partSizeOf(head.headers, entry);
}

function partSizeOf(headers: Headers, entry: Entry): number | null {
  const match = /^bytes 0-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '');
  const etag = headers['etag']?.replaceAll('"', '') ?? null;
  if (match === null || Number(match[2]) !== entry.sizeBytes || etag !== entry.identity.etag) return null;
  return Number(match[1]) + 1;
}
