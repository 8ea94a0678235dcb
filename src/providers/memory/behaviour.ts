/** How a memory store behaves: everything a test may want a store to be, with the most capable one as the default. */
import type { PartLimits, SourceFacets, TargetFacets, TargetFacts, Traits } from '../../contract/provider.ts';
import type { DigestKind } from '../../model/digest.ts';
import { ALL_NAMES, type NameRules } from '../../model/names.ts';
import { COMPUTABLE_DIGESTS } from '../../lib/hash.ts';

export interface MemoryBehaviour {
  /** Entries in one page of a listing. */
  readonly pageSize: number;
  /** `none`: listings come in a scrambled order that is always the same. */
  readonly order: 'bytes' | 'none';
  readonly seek: 'key' | 'none';
  readonly listedDigests: readonly DigestKind[];
  /** Modification times are cut to this grid; `null`: the store tells none. */
  readonly timePrecisionMs: number | null;
  readonly keepsSourceTime: boolean;
  readonly carries: Traits['carries'];
  readonly names: NameRules;
  /** What the store honours: it enforces exactly this. */
  readonly facts: TargetFacts;
  readonly provableDigests: readonly DigestKind[];
  readonly writeBytesMax: number;
  readonly metadataBytesMax: number;
  readonly tagsMax: number;
  readonly partLimits: PartLimits;
  readonly copyBytesMax: number;
  /** Keeps every version and offers the `versions` facet. */
  readonly isVersioned: boolean;
  /** Listings carry the recorded source. */
  readonly recordsSource: boolean;
  /** Objects that came in parts have a digest over the digests of their parts. */
  readonly hasComposites: boolean;
  /** How long a restore takes. */
  readonly restoreMs: number;
  /** Content is read in chunks of this size. */
  readonly chunkBytes: number;
  /** What its opaque entries are that may hide others below; `null`: they hide nothing. */
  readonly unread: readonly string[] | null;
  /** Facets to leave out. */
  readonly without: readonly (keyof SourceFacets | keyof TargetFacets)[];
  /** Needed to sign in; `null`: nothing is. */
  readonly passphrase: string | null;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** A store that honours everything it is told. */
export const HONEST_FACTS: TargetFacts = {
  observedAtMs: null,
  createOnly: 'honoured',
  matchOnWrite: 'honoured',
  matchOnComplete: 'honoured',
  matchOnDelete: 'honoured',
  etagQuotes: 'quoted',
  contentMd5: 'honoured',
  checksums: Object.fromEntries(COMPUTABLE_DIGESTS.map((kind) => [kind, 'honoured'])),
  returned: ['md5'],
  partNumberReads: 'refused',
  tagsOnBegin: 'honoured',
};

export const DEFAULT_BEHAVIOUR: MemoryBehaviour = {
  pageSize: 1000,
  order: 'bytes',
  seek: 'key',
  listedDigests: ['md5'],
  timePrecisionMs: 1,
  keepsSourceTime: false,
  carries: {
    headers: true,
    metadata: true,
    tags: true,
    emptyFolders: true,
    storageClasses: ['STANDARD', 'COLD', 'ARCHIVE'],
  },
  names: ALL_NAMES,
  facts: HONEST_FACTS,
  provableDigests: COMPUTABLE_DIGESTS,
  writeBytesMax: 5 * GIB,
  metadataBytesMax: 8 * 1024,
  tagsMax: 10,
  partLimits: {
    partBytesMin: 1,
    partBytesMax: 5 * GIB,
    partsMax: 10_000,
    objectBytesMax: 5 * 1024 * GIB,
    equalParts: false,
  },
  copyBytesMax: 5 * GIB,
  isVersioned: false,
  recordsSource: true,
  hasComposites: true,
  restoreMs: 4 * 60 * 60 * 1000,
  chunkBytes: 64 * 1024,
  unread: null,
  without: [],
  passphrase: null,
};
