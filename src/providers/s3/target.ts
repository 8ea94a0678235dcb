/** Writing to a bucket. */
import type { Page, ScanRange, Target, TargetFacts, TargetTraits } from '../../contract/provider.ts';
import { keyLengthBytes } from '../../model/key.ts';
import { ALL_NAMES } from '../../model/names.ts';
import { DroverError } from '../../model/errors.ts';
import type { Entry } from '../../model/entry.ts';
import { keyParameter } from './address.ts';
import { AMAZON_FACTS, UNKNOWN_FACTS, quoteEtag } from './conditions.ts';
import { copyFacet, propertiesFacet } from './copy.ts';
import { METADATA_BYTES_MAX, TAGS_MAX } from './headers.ts';
import { listOnce, scanCurrent } from './scan.ts';
import { changed } from './objects.ts';
import type { Objects } from './objects.ts';
import { observe } from './observe.ts';
import { removeForGood } from './old-probes.ts';
import type { OwnIdentity } from './owner.ts';
import { partsFacet } from './parts.ts';
import { sourceTraits } from './source.ts';
import { WRITE_BYTES_MAX, write } from './write.ts';
import type { TargetState } from './write.ts';

const KEY_BYTES_MAX = 1024;

export const targetTraits: TargetTraits = {
  order: sourceTraits.order,
  seek: sourceTraits.seek,
  listedDigests: sourceTraits.listedDigests,
  timePrecisionMs: sourceTraits.timePrecisionMs,
  keepsSourceTime: false,
  carries: sourceTraits.carries,
  facets: ['parts', 'removal', 'properties', 'tags', 'serverSideCopy'],
  names: { ...ALL_NAMES, keyBytesMax: KEY_BYTES_MAX, invalidUtf8: false, forbidden: [{ from: 0, to: 0 }] },
  writeBytesMax: WRITE_BYTES_MAX,
  provableDigests: ['sha256', 'crc64nvme', 'crc32c', 'crc32', 'sha1', 'md5'],
  // The ETag of an upload in parts: equal parts give an equal one, so a copy in the source's parts needs no hashing.
  compositeDigests: ['md5'],
  metadataBytesMax: METADATA_BYTES_MAX,
  tagsMax: TAGS_MAX,
};

export interface TargetGiven {
  readonly objects: Objects;
  readonly facts: TargetFacts | null;
  readonly runId: string;
  /** The fingerprint of the account. */
  readonly account: string;
  readonly own: OwnIdentity;
}

export function openTarget(given: TargetGiven): Target {
  const { objects } = given;
  const state: TargetState = {
    objects,
    facts: given.facts ?? (objects.client.isAmazon ? AMAZON_FACTS : UNKNOWN_FACTS),
    unsure: new Map(),
    begun: new Map(),
  };
  if (state.facts.etagIsMd5 === false) objects.trust.isMd5 = false;
  return {
    get traits() {
      return traitsOf(state);
    },
    get facts() {
      return state.facts;
    },
    facets: {
      parts: partsFacet(state, given.own),
      removal: { remove: (entry, signal) => remove(state, entry, signal) },
      properties: propertiesFacet(state),
      tags: { read: (entry, signal) => objects.readTags(entry, signal) },
      serverSideCopy: copyFacet(state, given.account),
    },
    scan(range: ScanRange, signal: AbortSignal): AsyncIterable<Page> {
      return scanCurrent(objects.client, objects.place, range, objects.trust, signal);
    },
    stat: (key, signal) => objects.stat(key, signal),
    describe: (entry, signal) => objects.describe(entry, signal),
    write: (key, body, options) => write(state, key, body, options),
    async observe(signal, probing) {
      state.facts = await observe(objects, given.runId, signal, probing);
      return state.facts;
    },
    async [Symbol.asyncDispose]() {
      // The account owns the connections.
    },
  };
}

/**
 * The prefix of the place takes its share of the longest name. Where the store encrypts with keys of its own making,
 * ETags are digests of nothing: no listing and no upload proves anything by them.
 */
function traitsOf({ objects, facts }: TargetState): TargetTraits {
  const keyBytesMax = KEY_BYTES_MAX - keyLengthBytes(objects.place.prefix);
  const traits = { ...targetTraits, names: { ...targetTraits.names, keyBytesMax } };
  const isMd5 = objects.trust.isMd5 && facts.etagIsMd5 !== false;
  return isMd5 ? traits : { ...traits, listedDigests: [], compositeDigests: [] };
}

async function remove(state: TargetState, entry: Entry, signal: AbortSignal): Promise<'removed' | 'absent' | 'kept'> {
  const { objects, facts } = state;
  const { etag } = entry.identity;
  if (entry.kind === 'folder' && (await holdsMore(objects, entry.key, signal))) return 'kept';
  if (await removeForGood(objects, entry, signal)) return 'removed';
  const headers: Record<string, string> = {};
  if (etag !== null && facts.matchOnDelete === 'honoured') {
    headers['if-match'] = quoteEtag(etag, facts);
  } else {
    const found = await objects.stat(entry.key, signal);
    if (found === null) return 'absent';
    if (etag !== null && found.identity.etag !== etag) throw changed(entry.key);
  }
  try {
    await objects.client.run({
      method: 'DELETE',
      ...objects.on(entry.key),
      headers,
      operation: 'DELETE',
      signal,
    });
    return 'removed';
  } catch (thrown) {
    if (!(thrown instanceof DroverError)) throw thrown;
    if (thrown.code === 'NOT_FOUND') return 'absent';
    // A condition fails on an object that is gone as it does on one that changed; only the second is a refusal.
    if (thrown.code === 'CHANGED' && (await objects.stat(entry.key, signal)) === null) return 'absent';
    throw thrown;
  }
}

/** Whether anything but the marker itself begins with a folder's name. */
async function holdsMore(objects: Objects, key: string, signal: AbortSignal): Promise<boolean> {
  const query = [
    ['encoding-type', 'url'],
    ['list-type', '2'],
    ['max-keys', '2'],
    ['prefix', keyParameter(objects.fullKey(key))],
  ] as const;
  const page = await listOnce(objects.client, objects.place, query, objects.trust, signal);
  return page.entries.some((found) => found.key !== key);
}
