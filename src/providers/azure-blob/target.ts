/** Writing: whole objects, parts, removal, properties, tags and copies that the service makes by itself. */
import type {
  Description,
  Page,
  Probing,
  ScanRange,
  Target,
  TargetFacets,
  TargetFacts,
  TargetTraits,
  WriteBody,
  Written,
  WriteOptions,
} from '../../contract/provider.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { BlockStage } from './blocks.ts';
import { BlobCopy } from './copy.ts';
import { observeStore } from './observe.ts';
import { versionToRemove } from './old-probes.ts';
import { BlobParts } from './parts.ts';
import type { BlobPlace } from './place.ts';
import { replaceProperties } from './replace.ts';
import { readTags } from './tag-requests.ts';
import { Writer } from './write.ts';

export interface TargetSettings {
  readonly place: BlobPlace;
  readonly traits: TargetTraits;
  readonly facts: TargetFacts | null;
  readonly runId: string;
  readonly defaultTier: string | null;
  readonly fingerprint: string;
}

/** Before anything was tried: what is not known is not claimed. */
export const UNOBSERVED: TargetFacts = {
  observedAtMs: null,
  createOnly: 'unknown',
  matchOnWrite: 'unknown',
  matchOnComplete: 'unknown',
  matchOnDelete: 'unknown',
  etagQuotes: 'quoted',
  contentMd5: 'unknown',
  checksums: {},
  returned: [],
  partNumberReads: 'unknown',
  tagsOnBegin: 'unknown',
};

export class BlobTarget implements Target {
  readonly traits: TargetTraits;
  readonly facets: TargetFacets;
  readonly #place: BlobPlace;
  readonly #writer: Writer;
  #facts: TargetFacts;

  constructor(settings: TargetSettings) {
    const { place, traits } = settings;
    this.traits = traits;
    this.#place = place;
    this.#facts = settings.facts ?? UNOBSERVED;
    const stage = new BlockStage(place);
    const { runId, defaultTier } = settings;
    const { names } = traits;
    this.#writer = new Writer({ place, stage, names, runId, defaultTier, facts: () => this.#facts });
    const parts = new BlobParts(place, stage, this.#writer);
    const all: Required<TargetFacets> = {
      parts,
      removal: { remove: (entry, signal) => removeBlob(place, entry, signal) },
      properties: { replace: (entry, properties, signal) => replaceProperties(place, entry, properties, signal) },
      tags: { read: (entry, signal) => readTags(place, entry, signal) },
      serverSideCopy: new BlobCopy(place, parts, settings.fingerprint),
    };
    this.facets = Object.fromEntries(
      Object.entries(all).filter(([name]) => traits.facets.includes(name as keyof TargetFacets)),
    );
  }

  get facts(): TargetFacts {
    return this.#facts;
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

  write(key: string, body: WriteBody, options: WriteOptions): Promise<Written> {
    return this.#writer.write(key, body, options);
  }

  async observe(signal: AbortSignal, probing?: Probing): Promise<TargetFacts> {
    this.#facts = await observeStore(this.#place, this.#writer.settings.runId, signal, probing);
    return this.#facts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The connections belong to the account.
  }
}

async function removeBlob(place: BlobPlace, entry: Entry, signal: AbortSignal): Promise<'removed' | 'absent' | 'kept'> {
  if (entry.kind === 'folder' && (await place.hasInside(entry, signal))) return 'kept';
  const versionid = await versionToRemove(place, entry, signal);
  try {
    await place.sendPinned(entry, { method: 'DELETE', operation: 'DELETE', signal, accepts: [202] });
    if (versionid !== null) await removeVersion(place, entry, versionid, signal);
    return 'removed';
  } catch (thrown) {
    if (!(thrown instanceof DroverError)) throw thrown;
    if (thrown.code === 'NOT_FOUND') return 'absent';
    if (entry.kind === 'folder' && thrown.details?.['code'] === 'DirectoryIsNotEmpty') return 'kept';
    throw thrown;
  }
}

/** Without the right to do that it stays, as those of everything else. */
async function removeVersion(place: BlobPlace, entry: Entry, versionid: string, signal: AbortSignal): Promise<void> {
  const { client, container } = place;
  const on = { container, blob: place.blobName(entry), query: { versionid }, signal };
  await client
    .sendAndDiscard({ ...on, method: 'DELETE', operation: 'DELETE', accepts: [202, 404] })
    .catch(() => undefined);
}
