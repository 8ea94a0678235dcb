/** Reading: ranges pinned to one state of a blob. */
import type {
  Reading,
  ReadRange,
  ScanRange,
  Source,
  SourceFacets,
  SourceTraits,
  Description,
  Page,
} from '../../contract/provider.ts';
import type { HttpResponse } from '../../lib/transport.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import type { BlobPlace } from './place.ts';
import { entryFromHeaders, readProperties } from './properties.ts';
import { readTags } from './tag-requests.ts';
import { openRestore } from './restore.ts';
import { openReferences } from './references.ts';

export class BlobSource implements Source {
  readonly traits: SourceTraits;
  readonly facets: SourceFacets;
  readonly #place: BlobPlace;

  constructor(place: BlobPlace, traits: SourceTraits, accountFingerprint: string) {
    this.#place = place;
    this.traits = traits;
    const all: Required<Pick<SourceFacets, 'tags' | 'versions' | 'references' | 'restore'>> = {
      tags: { read: (entry, signal) => readTags(place, entry, signal) },
      versions: { supported: true },
      references: openReferences(place, accountFingerprint),
      restore: openRestore(place),
    };
    this.facets = Object.fromEntries(
      Object.entries(all).filter(([name]) => traits.facets.includes(name as keyof SourceFacets)),
    );
  }

  scan(range: ScanRange, signal: AbortSignal): AsyncIterable<Page> {
    return this.#place.scan(range, signal);
  }

  stat(key: string, signal: AbortSignal): Promise<Entry | null> {
    return this.#place.stat(key, signal);
  }

  describe(entry: Entry, signal: AbortSignal): Promise<Description> {
    return this.#place.describe(entry, signal);
  }

  read(entry: Entry, range: ReadRange, signal: AbortSignal): Promise<Reading> {
    return readRange(this.#place, entry, range, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The connections belong to the account.
  }
}

/** Exactly the asked bytes of exactly that state. */
export async function readRange(
  place: BlobPlace,
  entry: Entry,
  range: ReadRange,
  signal: AbortSignal,
): Promise<Reading> {
  if (range.lengthBytes === 0 || entry.kind !== 'object') return readNothing(place, entry, signal);
  const pinned = place.pinned(entry);
  const last = range.offset + range.lengthBytes - 1;
  let response: HttpResponse;
  try {
    response = await place.client.send({
      method: 'GET',
      operation: 'GET',
      ...pinned,
      headers: { ...pinned.headers, 'x-ms-range': `bytes=${range.offset}-${last}` },
      signal,
      accepts: [200, 206],
    });
  } catch (thrown) {
    throw await place.explained(thrown, entry, signal);
  }
  const problem = rangeProblem(response, entry, range);
  if (problem !== null) {
    await response.discard();
    throw problem;
  }
  return {
    entry: entryFromHeaders(entry.key, response.headers, place.withVersions),
    properties: readProperties(response.headers),
    body: exactly(response.body, range.lengthBytes, entry.key),
  };
}

/** Nothing is transferred, but the state is still checked. */
async function readNothing(place: BlobPlace, entry: Entry, signal: AbortSignal): Promise<Reading> {
  const response = await place.head(entry, signal);
  const found = entryFromHeaders(entry.key, response.headers, place.withVersions);
  if (found.sizeBytes !== entry.sizeBytes) throw changed(entry, 'its size is another one now');
  return { entry: found, properties: readProperties(response.headers), body: nothing() };
}

function rangeProblem(response: HttpResponse, entry: Entry, range: ReadRange): DroverError | null {
  const etag = response.headers['etag'];
  if (entry.identity.etag !== null && etag !== undefined && etag.replace(/^"|"$/g, '') !== entry.identity.etag) {
    return changed(entry, 'the service answered with another state of it');
  }
  if (response.status !== 206) {
    return new DroverError('UNAVAILABLE', `Blob "${entry.key}": a range was asked for and the whole content came.`, {
      key: entry.key,
    });
  }
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers['content-range'] ?? '');
  if (match === null || Number(match[1]) !== range.offset) {
    return new DroverError('UNAVAILABLE', `Blob "${entry.key}": another range came than was asked for.`, {
      key: entry.key,
    });
  }
  if (Number(match[3]) !== entry.sizeBytes) return changed(entry, 'its size is another one now');
  if (Number(match[2]) !== range.offset + range.lengthBytes - 1) {
    return new DroverError('UNAVAILABLE', `Blob "${entry.key}": another range came than was asked for.`, {
      key: entry.key,
    });
  }
  return null;
}

async function* exactly(body: AsyncIterable<Uint8Array>, lengthBytes: number, key: string): AsyncGenerator<Uint8Array> {
  let countBytes = 0;
  for await (const chunk of body) {
    countBytes += chunk.length;
    if (countBytes > lengthBytes) {
      throw new DroverError(
        'EXTRA_BYTES',
        `Blob "${key}": more than the ${lengthBytes} bytes that were asked for came.`,
        { key },
      );
    }
    yield chunk;
  }
  if (countBytes < lengthBytes) {
    throw new DroverError(
      'EARLY_END',
      `Blob "${key}": the content ended after ${countBytes} of ${lengthBytes} bytes.`,
      { key },
    );
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function changed(entry: Entry, why: string): DroverError {
  return new DroverError('CHANGED', `Blob "${entry.key}": ${why}.`, { key: entry.key });
}
