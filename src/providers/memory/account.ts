/** A signed-in memory store. */
import type {
  Account,
  BrowsePage,
  CheckLine,
  Context,
  Manifest,
  Place,
  PlaceIdentity,
  Source,
  SourceOptions,
  SourceTraits,
  Target,
  TargetOptions,
  TargetTraits,
  Use,
} from '../../contract/provider.ts';
import { throwIfCancelled } from '../../lib/system.ts';
import type { Clock } from '../../lib/world.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import { MemoryLister } from './lister.ts';
import { MemorySource } from './source.ts';
import { MemoryTarget } from './target.ts';
import { namesWithin } from './names.ts';
import type { MemoryOperation, MemoryStore } from './store.ts';

export class MemoryAccount implements Account {
  readonly fingerprint: string;
  readonly #store: MemoryStore;
  readonly #manifest: Manifest;
  readonly #clock: Clock;
  readonly #isSignedIn: boolean;

  constructor(store: MemoryStore, manifest: Manifest, context: Context, passphrase: string | null) {
    this.fingerprint = `memory:${store.name}`;
    this.#store = store;
    this.#manifest = manifest;
    this.#clock = context.clock;
    this.#isSignedIn = store.behaviour.passphrase === null || store.behaviour.passphrase === passphrase;
  }

  async identify({ container, prefix }: Place): Promise<PlaceIdentity> {
    return { store: `memory:${this.#store.name}`, container, prefix };
  }

  async *check(place: Place | null, use: Use, signal: AbortSignal): AsyncGenerator<CheckLine> {
    throwIfCancelled(signal);
    const steps: (readonly [CheckLine['what'], MemoryOperation])[] = [];
    yield this.#line(
      'identity',
      await this.#attempt(() => this.#signedIn()),
      `Signed in to the store "${this.#store.name}"`,
    );
    if (place === null) return;
    steps.push(['list', 'LIST']);
    if (use !== 'write') steps.push(['read', 'GET'], ['tags', 'TAGS']);
    if (use !== 'read') steps.push(['write', 'PUT'], ['delete', 'DELETE']);
    for (const [what, operation] of steps) {
      throwIfCancelled(signal);
      const refusal = await this.#attempt(async () => {
        this.#signedIn();
        await this.#store.request(operation, place.prefix, () => this.#store.open(place.container));
      });
      yield this.#line(what, refusal, `May ${what} in "${place.container}"`);
    }
  }

  async *browse(path: Place | null, signal: AbortSignal): AsyncGenerator<BrowsePage> {
    throwIfCancelled(signal);
    this.#signedIn();
    if (path === null) {
      const names = await this.#store.request('CONTAINERS', '', () => [...this.#store.containers.keys()].toSorted());
      yield { items: names.map((name) => ({ name, kind: 'container', entry: null })) };
      return;
    }
    const lister = new MemoryLister(this.#store, path, this.#clock, false);
    const folders = new Set<string>();
    for await (const page of lister.scan({ from: null, to: null, resume: null }, signal)) {
      const items: BrowsePage['items'][number][] = [];
      for (const entry of page.entries) {
        const slash = entry.key.indexOf('/');
        const name = slash < 0 ? entry.key : entry.key.slice(0, slash + 1);
        if (slash < 0) items.push({ name, kind: 'object', entry });
        else if (!folders.has(name)) {
          folders.add(name);
          items.push({ name, kind: 'folder', entry: entry.key === name ? entry : null });
        }
      }
      yield { items };
    }
  }

  async source(place: Place, options: SourceOptions, signal: AbortSignal): Promise<Source> {
    throwIfCancelled(signal);
    this.#signedIn();
    const traits = this.#manifest.source as SourceTraits;
    await this.#store.request('CONTAINERS', '', () => this.#store.open(place.container));
    if (options.versions === 'all' && !traits.facets.includes('versions')) {
      throw new DroverError('UNSUPPORTED', `The store "${this.#store.name}" keeps no versions.`);
    }
    throwIfCancelled(signal);
    return new MemorySource(this.#store, place, this.#clock, traits, this.fingerprint, options.versions === 'all');
  }

  async target(place: Place, options: TargetOptions, signal: AbortSignal): Promise<Target> {
    throwIfCancelled(signal);
    this.#signedIn();
    await this.#store.request('CONTAINERS', '', () => this.#store.open(place.container));
    throwIfCancelled(signal);
    const whole = this.#manifest.target as TargetTraits;
    // What is left of the limits for keys within the place.
    const traits = { ...whole, names: namesWithin(whole.names, place.prefix) };
    return new MemoryTarget(this.#store, place, this.#clock, traits, this.fingerprint, options);
  }

  async makeContainer(name: string, signal: AbortSignal): Promise<'made' | 'existed'> {
    throwIfCancelled(signal);
    this.#signedIn();
    if (name === '') throw new DroverError('INVALID_INPUT', 'A container needs a name.', { field: 'container' });
    return await this.#store.request('CONTAINERS', name, () => {
      throwIfCancelled(signal);
      if (this.#store.containers.has(name)) return 'existed';
      this.#store.ensure(name);
      return 'made';
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #signedIn(): void {
    if (this.#isSignedIn) return;
    const words = `The store "${this.#store.name}" refused the passphrase.`;
    throw new DroverError('UNAUTHENTICATED', words, { field: 'passphrase' });
  }

  async #attempt(work: () => void | Promise<void>): Promise<DroverError | null> {
    try {
      await work();
      return null;
    } catch (thrown) {
      const error = toDroverError(thrown);
      if (error.code === 'CANCELLED') throw error;
      return error;
    }
  }

  #line(what: CheckLine['what'], refusal: DroverError | null, words: string): CheckLine {
    if (refusal === null) {
      const identity = { role: 'acts', name: `whoever uses "${this.#store.name}"`, accountId: null } as const;
      const line: CheckLine = { what, result: 'ok', message: `${words}.`, field: null, remedy: null };
      return what === 'identity' ? { ...line, identity } : line;
    }
    const { message, field, remedy } = refusal;
    return { what, result: 'refused', message, field, remedy };
  }
}
