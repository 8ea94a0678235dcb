/** A memory store as the source of a transfer. */
import type {
  CopyReference,
  Place,
  Reading,
  ReadRange,
  Source,
  SourceFacets,
  SourceTraits,
} from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Clock } from '../../lib/world.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { MemoryLister, propertiesOf } from './lister.ts';
import type { MemoryStore } from './store.ts';

export class MemorySource extends MemoryLister implements Source {
  readonly traits: SourceTraits;
  readonly facets: SourceFacets;
  readonly #fingerprint: string;

  constructor(store: MemoryStore, place: Place, clock: Clock, traits: SourceTraits, fingerprint: string, all: boolean) {
    super(store, place, clock, all);
    this.traits = traits;
    this.#fingerprint = fingerprint;
    const every: Required<SourceFacets> = {
      tags: { read: (entry, signal) => this.#readTags(entry, signal) },
      versions: { supported: true },
      restore: {
        request: (entry, how, signal) => this.#requestRestore(entry, how.days, signal),
        status: (entry, signal) => this.#restoreStatus(entry, signal),
      },
      partSizes: { first: (entry, signal) => this.#firstPartSize(entry, signal) },
      references: { of: (entry, _lifetimeMs, signal) => this.#reference(entry, signal) },
    };
    this.facets = Object.fromEntries(traits.facets.map((name) => [name, every[name]]));
  }

  async read(entry: Entry, range: ReadRange, signal: AbortSignal): Promise<Reading> {
    throwIfCancelled(signal);
    return await this.store.request('GET', this.fullKey(entry.key), () => {
      throwIfCancelled(signal);
      const object = this.pinned(entry);
      if (object.kind === 'opaque') {
        throw new DroverError('UNSUPPORTED', `"${entry.key}" (${object.nativeType}) has no content.`, {
          key: entry.key,
        });
      }
      if (this.availabilityOf(object) !== 'online') {
        throw new DroverError('ARCHIVED', `"${entry.key}" is archived (${object.storageClass}).`, { key: entry.key });
      }
      const end = range.offset + range.lengthBytes;
      if (range.offset < 0 || range.lengthBytes < 0 || end > object.content.length) {
        const words = `Bytes ${range.offset} to ${end} of "${entry.key}" were asked for; it has ${object.content.length}.`;
        throw new DroverError('INVALID_INPUT', words, { key: entry.key });
      }
      const asked = object.content.subarray(range.offset, end);
      const sent = this.store.hooks.reading?.(object.key, asked) ?? asked;
      return {
        entry: { ...this.entryOf(object), digests: object.digests },
        properties: propertiesOf(object),
        body: this.#chunks(entry.key, sent, range.lengthBytes, signal),
      };
    });
  }

  async *#chunks(key: string, sent: Uint8Array, lengthBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { chunkBytes } = this.store.behaviour;
    this.store.openReadings += 1;
    try {
      for (let at = 0; at < sent.length; at += chunkBytes) {
        const chunk = await this.store.request('CHUNK', this.fullKey(key), () => sent.slice(at, at + chunkBytes));
        throwIfCancelled(signal);
        if (at + chunk.length > lengthBytes) {
          throw new DroverError('EXTRA_BYTES', `More than ${lengthBytes} bytes of "${key}" came.`, { key });
        }
        yield chunk;
      }
      throwIfCancelled(signal);
      if (sent.length < lengthBytes) {
        const words = `The content of "${key}" ended after ${sent.length} of ${lengthBytes} bytes.`;
        throw new DroverError('EARLY_END', words, { key });
      }
    } finally {
      this.store.openReadings -= 1;
    }
  }

  async #readTags(entry: Entry, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    throwIfCancelled(signal);
    return await this.store.request('TAGS', this.fullKey(entry.key), () => this.pinned(entry).tags);
  }

  async #requestRestore(
    entry: Entry,
    days: number,
    signal: AbortSignal,
  ): Promise<'requested' | 'restoring' | 'online'> {
    throwIfCancelled(signal);
    return await this.store.request('RESTORE', this.fullKey(entry.key), () => {
      if (days < 1) throw new DroverError('INVALID_INPUT', 'A restore lasts at least one day.', { field: 'days' });
      const object = this.pinned(entry);
      const state = this.availabilityOf(object);
      if (state !== 'archived') return state;
      const restoredAtMs = this.clock.now() + this.store.behaviour.restoreMs;
      this.container().amend(object, { availability: 'restoring', restoredAtMs });
      return 'requested';
    });
  }

  async #restoreStatus(entry: Entry, signal: AbortSignal): Promise<'archived' | 'restoring' | 'online'> {
    throwIfCancelled(signal);
    return await this.store.request('HEAD', this.fullKey(entry.key), () => this.availabilityOf(this.pinned(entry)));
  }

  async #firstPartSize(entry: Entry, signal: AbortSignal): Promise<number | null> {
    throwIfCancelled(signal);
    return await this.store.request('HEAD', this.fullKey(entry.key), () => this.pinned(entry).partSizes?.[0] ?? null);
  }

  async #reference(entry: Entry, signal: AbortSignal): Promise<CopyReference> {
    throwIfCancelled(signal);
    return {
      account: this.#fingerprint,
      container: this.place.container,
      fullKey: this.fullKey(entry.key),
      identity: entry.identity,
      url: null,
    };
  }
}
