/** Objects in the memory of this process: the provider that tests and demonstrations run on. */
import {
  defineProvider,
  type Manifest,
  type Provider,
  type SourceFacets,
  type TargetFacets,
  type Traits,
} from '../../contract/provider.ts';
import type { Fields } from '../../contract/fields.ts';
import { MemoryAccount } from './account.ts';
import type { MemoryBehaviour } from './behaviour.ts';
import { memoryStore, MemoryStore } from './store.ts';

export { DEFAULT_BEHAVIOUR, HONEST_FACTS, type MemoryBehaviour } from './behaviour.ts';
export {
  memoryStore,
  MemoryStore,
  SEED_TIME_MS,
  type MemoryHooks,
  type MemoryObject,
  type MemoryOperation,
  type Seed,
} from './store.ts';

const ACCOUNT = {
  store: {
    type: 'text',
    label: 'Store',
    help: 'Name of the store; it lives as long as this process, for instance demo.',
    pattern: '[a-z0-9][a-z0-9-]{0,62}',
    example: 'demo',
    default: 'demo',
  },
  passphrase: {
    type: 'secret',
    label: 'Passphrase',
    help: 'Needed only for a store that was made with one.',
    optional: true,
  },
} as const satisfies Fields;

const SOURCE_FACETS = ['tags', 'versions', 'restore', 'partSizes', 'references'] as const;
const TARGET_FACETS = ['parts', 'removal', 'properties', 'tags', 'serverSideCopy'] as const;

/** Stores are found by the name in the account's field `store`. */
export const memory: Provider = providerOf(new MemoryStore(), (name) => memoryStore(name));

/** A provider whose every account opens this one store, which behaves as it was made to. */
export function createMemoryProvider(store: MemoryStore = new MemoryStore()): Provider {
  return providerOf(store, () => store);
}

function providerOf(model: MemoryStore, storeOf: (name: string) => MemoryStore): Provider {
  const manifest = manifestOf(model.behaviour);
  return defineProvider({
    manifest,
    account: ACCOUNT,
    async open(config, context) {
      const { store, passphrase } = config;
      return new MemoryAccount(
        storeOf(String(store)),
        manifest,
        context,
        passphrase === undefined ? null : String(passphrase),
      );
    },
  });
}

function manifestOf(behaviour: MemoryBehaviour): Manifest {
  const traits: Traits = {
    order: behaviour.order,
    seek: behaviour.order === 'none' ? 'none' : behaviour.seek,
    listedDigests: behaviour.listedDigests,
    timePrecisionMs: behaviour.timePrecisionMs,
    keepsSourceTime: behaviour.keepsSourceTime,
    carries: behaviour.carries,
  };
  const isOffered = (facet: keyof SourceFacets | keyof TargetFacets): boolean =>
    !behaviour.without.includes(facet) && (facet !== 'versions' || behaviour.isVersioned);
  return {
    id: 'memory',
    title: 'Memory',
    summary: 'Objects in the memory of this process, gone when it ends.',
    containerWord: 'container',
    source: {
      ...traits,
      facets: SOURCE_FACETS.filter(isOffered),
      ...(behaviour.unread === null ? {} : { unread: behaviour.unread }),
    },
    target: {
      ...traits,
      facets: TARGET_FACETS.filter(isOffered),
      names: behaviour.names,
      writeBytesMax: behaviour.writeBytesMax,
      provableDigests: behaviour.provableDigests,
      compositeDigests: behaviour.hasComposites ? ['md5'] : [],
      metadataBytesMax: behaviour.metadataBytesMax,
      tagsMax: behaviour.tagsMax,
    },
  };
}
