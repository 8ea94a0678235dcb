/** Listing and looking: what source and target have in common. */
import type { Description, Lister, Page, Place, ScanRange } from '../../contract/provider.ts';
import type { Clock } from '../../lib/world.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Availability, Entry, Properties } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { compareKeys, isWithin } from '../../model/key.ts';
import { UNNAMED, type MemoryContainer } from './container.ts';
import type { MemoryObject, MemoryStore } from './store.ts';

export class MemoryLister implements Lister {
  readonly store: MemoryStore;
  readonly place: Place;
  readonly clock: Clock;
  readonly #allVersions: boolean;

  constructor(store: MemoryStore, place: Place, clock: Clock, allVersions: boolean) {
    this.store = store;
    this.place = place;
    this.clock = clock;
    this.#allVersions = allVersions;
  }

  async *scan(range: ScanRange, signal: AbortSignal): AsyncGenerator<Page> {
    let after = range.resume === null ? null : cursorKey(range.resume);
    for (;;) {
      throwIfCancelled(signal);
      const made = await this.store.request('LIST', this.place.prefix, () => this.#page(range, after));
      throwIfCancelled(signal);
      const page = this.store.hooks.listing ? this.store.hooks.listing(made) : made;
      if (page === null) return;
      yield page;
      if (page.complete) return;
      after = made.cursor === null ? after : cursorKey(made.cursor);
    }
  }

  async stat(key: string, signal: AbortSignal): Promise<Entry | null> {
    throwIfCancelled(signal);
    const object = await this.store.request('HEAD', this.fullKey(key), () =>
      this.container().current(this.fullKey(key)),
    );
    throwIfCancelled(signal);
    return object === null ? null : this.entryOf(object);
  }

  async describe(entry: Entry, signal: AbortSignal): Promise<Description> {
    throwIfCancelled(signal);
    const object = await this.store.request('HEAD', this.fullKey(entry.key), () => this.pinned(entry));
    throwIfCancelled(signal);
    return { entry: { ...this.entryOf(object), digests: object.digests }, properties: propertiesOf(object) };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  fullKey(key: string): string {
    return this.place.prefix + key;
  }

  container(): MemoryContainer {
    return this.store.open(this.place.container);
  }

  /** The object in exactly the state that the entry names. NOT_FOUND, CHANGED. */
  pinned(entry: Entry): MemoryObject {
    const key = this.fullKey(entry.key);
    const { versionId } = entry.identity;
    const object = versionId === null ? this.container().current(key) : this.container().version(key, versionId);
    if (object === null)
      throw new DroverError('NOT_FOUND', `"${entry.key}" is not there any more.`, { key: entry.key });
    if (!isSameState(object, entry)) {
      throw new DroverError('CHANGED', `"${entry.key}" was written to after it was listed.`, { key: entry.key });
    }
    return object;
  }

  entryOf(object: MemoryObject): Entry {
    const { behaviour } = this.store;
    const isFolder = object.kind === 'object' && object.key.endsWith('/') && object.content.length === 0;
    const listed = behaviour.listedDigests.filter((kind) => object.digests[kind] !== undefined);
    return {
      kind: isFolder ? 'folder' : object.kind,
      key: object.key.slice(this.place.prefix.length),
      sizeBytes: object.kind === 'opaque' ? 0 : object.content.length,
      modifiedAtMs: onGrid(object.modifiedAtMs, behaviour.timePrecisionMs),
      identity: { etag: object.etag, versionId: object.versionId ?? (behaviour.isVersioned ? UNNAMED : null) },
      digests: Object.fromEntries(listed.map((kind) => [kind, object.digests[kind]])),
      composite: object.composite,
      storageClass: behaviour.carries.storageClasses.length === 0 ? null : object.storageClass,
      availability: this.availabilityOf(object),
      recorded: behaviour.recordsSource ? object.recorded : null,
      isImplied: false,
      nativeType: object.nativeType,
    };
  }

  availabilityOf(object: MemoryObject): Availability {
    if (object.availability !== 'restoring' || object.restoredAtMs === null) return object.availability;
    return this.clock.now() >= object.restoredAtMs ? 'online' : 'restoring';
  }

  #page(range: ScanRange, after: string | null): Page {
    const container = this.container();
    const { order, pageSize } = this.store.behaviour;
    const keys: string[] = [];
    let examined: string | null = null;
    let count = 0;
    for (const key of container.keysFrom(this.#start(container, range, after))) {
      const relative = key.startsWith(this.place.prefix) ? key.slice(this.place.prefix.length) : null;
      if (order === 'bytes') {
        if (relative === null && compareKeys(key, this.place.prefix) > 0) break;
        if (relative !== null && range.to !== null && compareKeys(relative, range.to) >= 0) break;
      }
      if (relative === null) continue;
      if (count === pageSize) return this.#pageOf(container, keys, examined, false);
      count += 1;
      examined = key;
      // The marker of the place itself has no name inside it.
      if (relative !== '' && isWithin(relative, range.from, range.to)) keys.push(key);
    }
    return this.#pageOf(container, keys, examined ?? after, true);
  }

  #start(container: MemoryContainer, range: ScanRange, after: string | null): number {
    if (after !== null) return container.positionAfter(after);
    const { order, seek } = this.store.behaviour;
    if (order === 'none') return 0;
    return container.positionOf(this.place.prefix + (seek === 'key' ? (range.from ?? '') : ''));
  }

  #pageOf(container: MemoryContainer, keys: readonly string[], after: string | null, complete: boolean): Page {
    const entries = keys.flatMap((key) => {
      if (this.#allVersions) return container.history(key).map((object) => this.entryOf(object));
      const object = container.current(key);
      return object === null ? [] : [this.entryOf(object)];
    });
    return { entries, cursor: after === null ? null : { after }, complete };
  }
}

export function propertiesOf(object: MemoryObject): Properties {
  return {
    headers: object.headers,
    metadata: object.metadata,
    tags: null,
    tagCount: Object.keys(object.tags).length,
    missingMetadata: 0,
  };
}

export function isSameState(object: MemoryObject, entry: Pick<Entry, 'identity'>): boolean {
  const { etag, versionId } = entry.identity;
  const isNamed = (name: string): boolean => (object.versionId ?? UNNAMED) === name;
  return (etag === null || object.etag === etag) && (versionId === null || isNamed(versionId));
}

export function onGrid(timeMs: number, precisionMs: number | null): number | null {
  return precisionMs === null ? null : Math.floor(timeMs / precisionMs) * precisionMs;
}

function cursorKey(cursor: unknown): string {
  const after = typeof cursor === 'object' && cursor !== null && 'after' in cursor ? cursor.after : null;
  if (typeof after === 'string') return after;
  throw new DroverError('INVALID_INPUT', 'The cursor is not one that a listing of this store gave.');
}
