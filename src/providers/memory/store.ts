/** What a memory provider keeps its objects in. Tests fill it, look into it and make it misbehave. */
import type { Page, PartReceipt } from '../../contract/provider.ts';
import type { CompositeDigest, DigestKind, Digests } from '../../model/digest.ts';
import type { Availability, ContentHeaders, RecordedSource } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { DEFAULT_BEHAVIOUR, type MemoryBehaviour } from './behaviour.ts';
import { digestOf } from '../../lib/hash.ts';
import { isStoreDigest } from './content.ts';
import { MemoryContainer } from './container.ts';

/** Classes of requests, as they are counted and given to hooks. */
export type MemoryOperation =
  | 'LIST'
  | 'HEAD'
  | 'GET'
  /** Each chunk of a content that is read. */
  | 'CHUNK'
  | 'PUT'
  | 'DELETE'
  | 'TAGS'
  | 'PROPERTIES'
  | 'RESTORE'
  | 'COPY'
  | 'BEGIN'
  | 'PART'
  | 'PARTS'
  | 'UPLOADS'
  | 'COMPLETE'
  | 'ABORT'
  | 'CONTAINERS'
  | 'OBSERVE';

/** Ways to disturb a store. `key` is the full key; for listings the place's prefix, otherwise `''`. */
export interface MemoryHooks {
  /** Before the store does anything: may throw, wait, or change the store. */
  before?: ((operation: MemoryOperation, key: string) => void | Promise<void>) | null;
  /** After the store did it and before the caller learns of it: throwing here is a lost answer. */
  after?: ((operation: MemoryOperation, key: string) => void | Promise<void>) | null;
  /** What is sent when content is read; a shorter, longer or other array is a fault on the way. */
  reading?: ((key: string, content: Uint8Array) => Uint8Array) | null;
  /** What arrives when content is written. */
  arriving?: ((key: string, content: Uint8Array) => Uint8Array) | null;
  /** What a page of a listing looks like when it arrives; `null`: the listing breaks off without an end. */
  listing?: ((page: Page) => Page | null) | null;
}

export interface MemoryObject {
  readonly key: string;
  readonly kind: 'object' | 'opaque';
  readonly content: Uint8Array;
  readonly etag: string;
  readonly versionId: string | null;
  readonly modifiedAtMs: number;
  readonly digests: Digests;
  readonly composite: CompositeDigest | null;
  readonly partSizes: readonly number[] | null;
  readonly headers: ContentHeaders;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly availability: Availability;
  /** When a restore that was asked for is done. */
  readonly restoredAtMs: number | null;
  readonly recorded: RecordedSource | null;
  readonly nativeType: string | null;
  /** The run, and the upload, that wrote it: how a repeated request recognises its own work. */
  readonly writer: string | null;
}

export interface MemoryUpload {
  readonly id: string;
  readonly container: string;
  readonly key: string;
  readonly runId: string;
  readonly startedAtMs: number;
  readonly sizeBytes: number;
  readonly parts: Map<number, { readonly content: Uint8Array; readonly receipt: PartReceipt }>;
}

export type Seed = Partial<Omit<MemoryObject, 'key' | 'content'>>;

/** Time of seeded objects that say nothing else: 2026-01-01. */
export const SEED_TIME_MS = 1_767_225_600_000;

export class MemoryStore {
  readonly name: string;
  readonly behaviour: MemoryBehaviour;
  readonly containers = new Map<string, MemoryContainer>();
  readonly uploads = new Map<string, MemoryUpload>();
  /** How often each operation was asked for, hooks and failures included. */
  readonly requests: { [K in MemoryOperation]?: number } = {};
  readonly hooks: MemoryHooks = {};
  /** Contents that somebody began to read and neither finished nor left. */
  openReadings = 0;
  #serial = 0;

  constructor(behaviour: Partial<MemoryBehaviour> = {}, name = 'memory') {
    this.name = name;
    this.behaviour = { ...DEFAULT_BEHAVIOUR, ...behaviour };
  }

  /** A number that never comes twice in this store. */
  nextSerial(): number {
    this.#serial += 1;
    return this.#serial;
  }

  /** The container, made when it is not there. */
  ensure(container: string): MemoryContainer {
    const before = this.containers.get(container);
    if (before !== undefined) return before;
    const made = new MemoryContainer(this.behaviour);
    this.containers.set(container, made);
    return made;
  }

  /** The container, or PLACE_NOT_FOUND. */
  open(container: string): MemoryContainer {
    const found = this.containers.get(container);
    if (found !== undefined) return found;
    throw new DroverError('PLACE_NOT_FOUND', `There is no container "${container}" in the store "${this.name}".`, {
      field: 'container',
    });
  }

  /** Puts an object there directly: no hooks, no rules, nothing counted. */
  put(container: string, key: string, content: string | Uint8Array, seed: Seed = {}): MemoryObject {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content.slice();
    const md5 = digestOf('md5', bytes);
    const object: MemoryObject = {
      key,
      kind: 'object',
      content: bytes,
      etag: md5,
      versionId: this.behaviour.isVersioned ? `v${this.nextSerial()}` : null,
      modifiedAtMs: SEED_TIME_MS,
      digests: this.storedDigests(bytes, seed.composite ? {} : { md5 }),
      composite: null,
      partSizes: null,
      headers: {},
      metadata: {},
      tags: {},
      storageClass: 'STANDARD',
      availability: 'online',
      restoredAtMs: null,
      recorded: null,
      nativeType: null,
      writer: null,
      ...seed,
    };
    this.ensure(container).add(object);
    return object;
  }

  /** The object as it is, or `null`. */
  get(container: string, key: string): MemoryObject | null {
    return this.containers.get(container)?.current(key) ?? null;
  }

  /** Content as text, or `null`. */
  text(container: string, key: string): string | null {
    const object = this.get(container, key);
    return object === null ? null : new TextDecoder().decode(object.content);
  }

  /** Takes the object away directly, with all its versions. */
  remove(container: string, key: string): void {
    this.containers.get(container)?.drop(key);
  }

  /** All keys of a container that hold an object, in byte order whatever the store's listings do. */
  keys(container: string): string[] {
    return this.containers.get(container)?.sortedKeys() ?? [];
  }

  /** The digests that a store with this behaviour keeps beside an object. */
  storedDigests(bytes: Uint8Array, known: Digests): Digests {
    const kinds = [...this.behaviour.listedDigests, ...this.behaviour.facts.returned];
    const kept: { [K in DigestKind]?: string } = { ...known };
    for (const kind of kinds) {
      // The MD5 of an object in parts is what such stores do not know.
      if (kind !== 'md5' && kept[kind] === undefined && isStoreDigest(kind)) kept[kind] = digestOf(kind, bytes);
    }
    return kept;
  }

  /** Counts one request and runs the hooks around it. */
  async request<T>(operation: MemoryOperation, key: string, work: () => T | Promise<T>): Promise<T> {
    this.requests[operation] = (this.requests[operation] ?? 0) + 1;
    // One real turn of the queue, so that callers meet the same interleavings as with a distant store.
    await Promise.resolve();
    await this.hooks.before?.(operation, key);
    const result = await work();
    await this.hooks.after?.(operation, key);
    return result;
  }
}

const registry = new Map<string, MemoryStore>();

/** The store of that name in this process, made on first use. */
export function memoryStore(name: string): MemoryStore {
  const before = registry.get(name);
  if (before !== undefined) return before;
  const made = new MemoryStore({}, name);
  registry.set(name, made);
  return made;
}
