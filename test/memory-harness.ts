/** A harness over a memory store, for the provider's own test and for the tests of the kit. */
import type { Bench, FaultKind, Faults, Harness } from '../src/conformance/kit.ts';
import { parseConfig } from '../src/contract/config.ts';
import type { Config } from '../src/contract/fields.ts';
import type { Account, Context, Provider } from '../src/contract/provider.ts';
import { cancelled } from '../src/lib/system.ts';
import { DroverError } from '../src/model/errors.ts';
import { createMemoryProvider, MemoryStore, type MemoryBehaviour } from '../src/providers/memory/provider.ts';

export interface MemoryHarnessOptions {
  readonly name?: string;
  readonly behaviour?: Partial<MemoryBehaviour>;
  /** Changes the provider: how the tests of the kit break it. */
  readonly change?: (provider: Provider, store: MemoryStore) => Provider;
  readonly manyKeys?: number;
  readonly production?: Harness['production'];
  readonly exempt?: Harness['exempt'];
  readonly errors?: Harness['errors'];
  readonly matrixFolder?: string;
}

export const PASSPHRASE = 'Open-Sesame-4711';
const FORM = { store: 'kit', passphrase: PASSPHRASE };

/** Faults by hooks: a memory store has no transport that could break. */
export class HookFaults implements Faults {
  readonly kinds: readonly FaultKind[] = [
    'reset',
    'lost-answer',
    'slow-down',
    'early-end',
    'extra-bytes',
    'broken-body',
  ];
  count = 0;
  hasFired = false;
  #nth = 0;
  #kind: FaultKind | null = null;
  #loses = false;
  #firing = Promise.withResolvers<void>();

  get fired(): Promise<void> {
    return this.#firing.promise;
  }

  constructor(store: MemoryStore) {
    store.hooks.before = (operation) => {
      if (operation !== 'CHUNK') this.#before();
    };
    store.hooks.after = () => {
      if (!this.#loses) return;
      this.#loses = false;
      throw new DroverError('UNAVAILABLE', 'The connection was lost before the answer came.');
    };
    store.hooks.reading = (_key, content) => this.#distorted(content);
    store.hooks.listing = (page) => {
      const kind = this.#taken(['early-end', 'broken-body', 'extra-bytes']);
      if (kind !== null) throw new DroverError('UNAVAILABLE', 'The page of the listing was cut off.');
      return page;
    };
  }

  arm(nth: number, kind: FaultKind): void {
    this.disarm();
    this.#firing = Promise.withResolvers<void>();
    this.hasFired = false;
    this.#nth = nth;
    this.#kind = kind;
  }

  disarm(): void {
    this.count = 0;
    this.#kind = null;
    this.#loses = false;
  }

  #before(): void {
    this.count += 1;
    if (this.count !== this.#nth) return;
    const kind = this.#taken(['reset', 'slow-down', 'lost-answer']);
    if (kind === 'lost-answer') this.#loses = true;
    if (kind === 'reset') throw new DroverError('UNAVAILABLE', 'The connection was reset before anything was sent.');
    if (kind === 'slow-down') {
      throw new DroverError('THROTTLED', 'The store asks for less, please.', { retryAfterMs: 1000 });
    }
  }

  #distorted(content: Uint8Array): Uint8Array {
    const kind = this.#taken(['early-end', 'extra-bytes', 'broken-body']);
    if (kind === null) return content;
    if (kind === 'extra-bytes') return Buffer.concat([content, Buffer.from('x')]);
    return content.subarray(0, Math.floor(content.length / 2));
  }

  #taken(kinds: readonly FaultKind[]): FaultKind | null {
    const kind = this.#kind;
    if (kind === null || this.count !== this.#nth || !kinds.includes(kind)) return null;
    this.#kind = null;
    this.hasFired = true;
    this.#firing.resolve();
    return kind;
  }
}

export function memoryHarness(options: MemoryHarnessOptions): Harness {
  const behaviour: Partial<MemoryBehaviour> = { pageSize: 1000, passphrase: PASSPHRASE, ...options.behaviour };
  const change = options.change ?? ((provider) => provider);
  return {
    name: options.name ?? 'memory',
    provider: createMemoryProvider(new MemoryStore(behaviour)),
    level: 'faked',
    manyKeys: options.manyKeys ?? 10_000,
    config: async () => FORM,
    open: () => openBench(new MemoryStore(behaviour, 'kit'), change),
    production: options.production,
    exempt: options.exempt,
    errors: options.errors,
    matrixFolder: options.matrixFolder,
  };
}

async function openBench(
  store: MemoryStore,
  change: (provider: Provider, store: MemoryStore) => Provider,
): Promise<Bench> {
  const place = { container: 'box', prefix: 'pre fix/' };
  const box = place.container;
  store.ensure(box);
  const faults = new HookFaults(store);
  const provider = change(createMemoryProvider(store), store);
  const { config } = parseConfig(provider.account, FORM) as { config: Config };
  const logged: string[] = [];
  const reopen = (): Promise<Account> => provider.open(config, contextFor(logged));
  return {
    account: await reopen(),
    config,
    place,
    reopen,
    absentContainer: 'absent',
    logged,
    faults,
    openReadings: () => store.openReadings,
    async seed(key, content, properties) {
      const { headers = {}, metadata = {}, tags } = properties ?? {};
      store.put(box, place.prefix + key, content, { headers, metadata, tags: tags ?? {} });
    },
    async peek(key) {
      return store.get(box, place.prefix + key)?.content ?? null;
    },
    async wipe(key) {
      store.remove(box, place.prefix + key);
    },
    async keys() {
      return store.keys(box).map((key) => key.slice(place.prefix.length));
    },
    async leftovers() {
      return [...store.uploads.keys()];
    },
    async foreignUpload(key) {
      const id = `foreign-${store.nextSerial()}`;
      const upload = { id, container: box, key: place.prefix + key, runId: 'somebody', sizeBytes: 1 };
      store.uploads.set(id, { ...upload, startedAtMs: Date.now(), parts: new Map() });
    },
    async [Symbol.asyncDispose]() {},
  };
}

export function contextFor(logged: string[]): Context {
  return {
    openTransport: () => ({
      send: () => Promise.reject(new DroverError('UNREACHABLE', 'There is no network here.')),
      close: async () => {},
    }),
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: async (_delayMs, signal) => {
        if (signal?.aborted === true) throw cancelled(signal);
      },
    },
    random: { fraction: () => 0.5, bytes: (length) => new Uint8Array(length) },
    log: (level, message, details) => {
      logged.push(`${level} ${message} ${JSON.stringify(details ?? {})}`);
    },
    environment: {},
    saveAccount: async () => {},
  };
}
