/** A memory store as the target of a transfer. */
import type {
  CopyReference,
  Expectation,
  Place,
  Probing,
  Target,
  TargetFacets,
  TargetFacts,
  TargetTraits,
  WriteBody,
  WriteOptions,
  Written,
} from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Clock } from '../../lib/world.ts';
import type { DigestKind, Digests } from '../../model/digest.ts';
import type { Entry, Properties } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { carried } from './carrying.ts';
import { digestOf } from '../../lib/hash.ts';
import { checkDigests, collected, isStoreDigest } from './content.ts';
import { isSameState, MemoryLister } from './lister.ts';
import { nameProblem } from './names.ts';
import { MemoryParts } from './parts.ts';
import type { MemoryObject, MemoryStore, Seed } from './store.ts';

export class MemoryTarget extends MemoryLister implements Target {
  readonly traits: TargetTraits;
  readonly facts: TargetFacts;
  readonly facets: TargetFacets;
  readonly runId: string;
  readonly fingerprint: string;

  constructor(
    store: MemoryStore,
    place: Place,
    clock: Clock,
    traits: TargetTraits,
    fingerprint: string,
    options: { readonly facts: TargetFacts | null; readonly runId: string },
  ) {
    super(store, place, clock, false);
    this.traits = traits;
    this.facts = options.facts ?? factsOf(store);
    this.runId = options.runId;
    this.fingerprint = fingerprint;
    const parts = new MemoryParts(this);
    const every: Required<TargetFacets> = {
      parts,
      removal: { remove: (entry, signal) => this.#remove(entry, signal) },
      properties: { replace: (entry, properties, signal) => this.#replaceProperties(entry, properties, signal) },
      tags: { read: (entry, signal) => this.#readTags(entry, signal) },
      serverSideCopy: {
        accepts: (reference) => (reference.account === this.fingerprint ? 'yes' : 'no'),
        copyBytesMax: store.behaviour.copyBytesMax,
        copy: (reference, key, sizeBytes, how) => this.#copy(reference, key, sizeBytes, how),
        copyPart: (upload, index, reference, range, signal) => parts.copyPart(upload, index, reference, range, signal),
      },
    };
    this.facets = Object.fromEntries(traits.facets.map((name) => [name, every[name]]));
  }

  async write(key: string, body: WriteBody, options: WriteOptions): Promise<Written> {
    throwIfCancelled(options.signal);
    this.checkWritable(key, body.sizeBytes, options, this.store.behaviour.writeBytesMax);
    return await this.store.request('PUT', this.fullKey(key), async () => {
      const bytes = this.arrived(key, await collected(body, key, options.signal));
      checkDigests(bytes, options.digests, (kind) => this.enforces(kind), key);
      return this.commit(key, bytes, options, null);
    });
  }

  async observe(signal: AbortSignal, probing?: Probing): Promise<TargetFacts> {
    throwIfCancelled(signal);
    return await this.store.request('OBSERVE', '', async () => {
      if (probing !== undefined) await this.#beSeen(probing);
      return { ...factsOf(this.store), observedAtMs: this.clock.now() };
    });
  }

  async #beSeen({ below, seen }: Probing): Promise<void> {
    const key = `${below}.drover-probe-${this.runId}`;
    const { container } = this.place;
    this.store.put(container, this.fullKey(key), '');
    try {
      await seen(key);
    } finally {
      this.store.open(container).drop(this.fullKey(key));
    }
  }

  /** UNREPRESENTABLE, TOO_LARGE, INVALID_INPUT: what is known before anything is sent. */
  checkWritable(key: string, sizeBytes: number, options: WriteOptions, sizeBytesMax: number): void {
    const { behaviour } = this.store;
    const problem = this.#nameProblem(key, sizeBytes, options.kind);
    if (problem !== null) {
      throw new DroverError('UNREPRESENTABLE', `The store cannot hold "${key}": the name ${problem}.`, { key });
    }
    if (sizeBytes > sizeBytesMax) {
      const words = `"${key}" has ${sizeBytes} bytes; the store holds at most ${sizeBytesMax}.`;
      throw new DroverError('TOO_LARGE', words, { key });
    }
    if (options.storageClass !== null && !behaviour.carries.storageClasses.includes(options.storageClass)) {
      const words = `The store has no storage class "${options.storageClass}".`;
      throw new DroverError('INVALID_INPUT', words, { field: 'storageClass' });
    }
  }

  /** The bytes as they came through the (possibly faulty) way to the store. */
  arrived(key: string, bytes: Uint8Array): Uint8Array {
    return this.store.hooks.arriving?.(this.fullKey(key), bytes) ?? bytes;
  }

  /** Whether the store refuses a wrong value of this digest. */
  enforces(kind: DigestKind): boolean {
    const { facts } = this.store.behaviour;
    return facts.checksums[kind] === 'honoured' || (kind === 'md5' && facts.contentMd5 === 'honoured');
  }

  /** Digests that are proved by the answer, or by a refusal that is known to come. */
  provedOf(bytes: Uint8Array, sent: Digests, isWhole: boolean): Digests {
    const proved: { [K in DigestKind]?: string } = {};
    for (const kind of this.store.behaviour.facts.returned) {
      if (isStoreDigest(kind) && (isWhole || kind !== 'md5')) proved[kind] = digestOf(kind, bytes);
    }
    for (const [kind, value] of Object.entries(sent) as [DigestKind, string][]) {
      const isKnown =
        this.facts.checksums[kind] === 'honoured' || (kind === 'md5' && this.facts.contentMd5 === 'honoured');
      if (isKnown && isStoreDigest(kind)) proved[kind] = value;
    }
    return proved;
  }

  /** Makes the content visible in one step. `parts`: what an upload in parts adds to it. */
  commit(key: string, bytes: Uint8Array, options: WriteOptions, parts: Seed | null): Written {
    throwIfCancelled(options.signal);
    const { store } = this;
    const fullKey = this.fullKey(key);
    const etag = parts?.etag ?? digestOf('md5', bytes);
    const writer = parts?.writer ?? this.runId;
    this.expectHolds(key, options.expect, { etag, writer }, parts === null ? 'write' : 'complete');
    const { headers, metadata, tags, losses } = carried(options.properties, store.behaviour);
    const proved = this.provedOf(bytes, options.digests, parts === null);
    const known = Object.fromEntries(
      Object.entries(options.digests).filter(([kind]) => this.enforces(kind as DigestKind)),
    );
    const seed: Seed = {
      etag,
      writer,
      digests: store.storedDigests(bytes, parts === null ? { ...known, md5: etag } : known),
      modifiedAtMs: this.#timeOf(options),
      headers,
      metadata,
      tags,
      storageClass: options.storageClass ?? store.behaviour.carries.storageClasses[0] ?? 'STANDARD',
      recorded: store.behaviour.recordsSource ? options.recorded : null,
      ...parts,
    };
    store.put(this.place.container, fullKey, bytes, seed);
    const object = this.container().current(fullKey) as MemoryObject;
    return { entry: this.entryOf(object), proved, composite: object.composite, losses };
  }

  /** CHANGED unless the expectation holds, or what is there is this very write, whose answer was lost. */
  expectHolds(
    key: string,
    expect: Expectation,
    own: { readonly etag: string; readonly writer: string },
    when: 'write' | 'complete',
  ): void {
    const { facts } = this.store.behaviour;
    if (expect.kind === 'any') return;
    const current = this.container().current(this.fullKey(key));
    if (current !== null && current.etag === own.etag && current.writer === own.writer) return;
    if (expect.kind === 'absent') {
      if (current !== null && facts.createOnly === 'honoured') {
        throw new DroverError('CHANGED', `Something stands at "${key}" already.`, { key });
      }
      return;
    }
    const honoured = when === 'write' ? facts.matchOnWrite : facts.matchOnComplete;
    if (honoured === 'honoured' && (current === null || !isSameState(current, { identity: expect.identity }))) {
      throw new DroverError('CHANGED', `"${key}" is not in the state that was to be replaced.`, { key });
    }
  }

  /** The object that a reference names, for copies inside the store. UNSUPPORTED, NOT_FOUND, CHANGED, ARCHIVED. */
  referenced(reference: CopyReference, key: string): MemoryObject {
    if (reference.account !== this.fingerprint) {
      throw new DroverError('UNSUPPORTED', 'The store copies only what it holds itself.', { key });
    }
    const container = this.store.open(reference.container);
    const { versionId } = reference.identity;
    const object =
      versionId === null ? container.current(reference.fullKey) : container.version(reference.fullKey, versionId);
    if (object === null) throw new DroverError('NOT_FOUND', `"${reference.fullKey}" is not there any more.`, { key });
    if (!isSameState(object, reference)) {
      throw new DroverError('CHANGED', `"${reference.fullKey}" was written to after it was listed.`, { key });
    }
    if (this.availabilityOf(object) === 'online') return object;
    throw new DroverError('ARCHIVED', `"${reference.fullKey}" is archived.`, { key });
  }

  async #copy(reference: CopyReference, key: string, sizeBytes: number, options: WriteOptions): Promise<Written> {
    throwIfCancelled(options.signal);
    this.checkWritable(key, sizeBytes, options, this.store.behaviour.copyBytesMax);
    return await this.store.request('COPY', this.fullKey(key), () => {
      const object = this.referenced(reference, key);
      if (object.content.length !== sizeBytes) {
        const words = `"${reference.fullKey}" has ${object.content.length} bytes, not ${sizeBytes}.`;
        throw new DroverError('CHANGED', words, { key });
      }
      checkDigests(object.content, options.digests, (kind) => this.enforces(kind), key);
      return this.commit(key, object.content, options, null);
    });
  }

  async #remove(entry: Entry, signal: AbortSignal): Promise<'removed' | 'absent' | 'kept'> {
    throwIfCancelled(signal);
    const fullKey = this.fullKey(entry.key);
    return await this.store.request('DELETE', fullKey, () => {
      throwIfCancelled(signal);
      const container = this.container();
      const current = container.current(fullKey);
      if (current === null) return 'absent';
      if (this.store.behaviour.facts.matchOnDelete === 'honoured' && !isSameState(current, entry)) {
        throw new DroverError('CHANGED', `"${entry.key}" was written to after it was listed.`, { key: entry.key });
      }
      const isFolder = this.entryOf(current).kind === 'folder';
      if (isFolder && this.store.keys(this.place.container).some((k) => k !== fullKey && k.startsWith(fullKey))) {
        return 'kept';
      }
      const hasNamed = container.history(fullKey).some(({ versionId }) => versionId !== null);
      if (!this.store.behaviour.isVersioned && !hasNamed) container.drop(fullKey);
      else {
        const marker: Seed = { kind: 'opaque', nativeType: 'delete-marker', modifiedAtMs: this.clock.now() };
        this.store.put(this.place.container, fullKey, '', marker);
      }
      return 'removed';
    });
  }

  async #replaceProperties(entry: Entry, properties: Properties, signal: AbortSignal): Promise<Entry> {
    throwIfCancelled(signal);
    return await this.store.request('PROPERTIES', this.fullKey(entry.key), () => {
      throwIfCancelled(signal);
      const { headers, metadata, tags } = carried(properties, this.store.behaviour);
      const object = this.pinned(entry);
      const kept = properties.tags === null ? object.tags : tags;
      const change = { headers, metadata, tags: kept, modifiedAtMs: this.clock.now() };
      return this.entryOf(this.container().amend(object, change));
    });
  }

  async #readTags(entry: Entry, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    throwIfCancelled(signal);
    return await this.store.request('TAGS', this.fullKey(entry.key), () => this.pinned(entry).tags);
  }

  #nameProblem(key: string, sizeBytes: number, kind: 'object' | 'folder'): string | null {
    const { names, carries } = this.store.behaviour;
    const problem = nameProblem(names, this.fullKey(key));
    if (problem !== null) return problem;
    if (kind === 'folder') {
      if (!key.endsWith('/') || sizeBytes > 0) return 'is not one of a folder, which ends with "/" and has no content';
      if (!carries.emptyFolders) return 'is one of a folder';
    } else if (key.endsWith('/') && !names.trailingSlashContent) return 'ends with "/"';
    if (!names.objectAndPrefix && this.container().clashesWithPrefix(this.fullKey(key))) {
      return 'is that of an object and of a folder at the same time';
    }
    return null;
  }

  #timeOf(options: WriteOptions): number {
    const { keepsSourceTime } = this.store.behaviour;
    return keepsSourceTime && options.modifiedAtMs !== null ? options.modifiedAtMs : this.clock.now();
  }
}

function factsOf({ behaviour }: MemoryStore): TargetFacts {
  return { ...behaviour.facts, keepsVersions: behaviour.isVersioned };
}
