/** What a folder is as source and target. */
import type { Manifest, SourceTraits, TargetFacts, TargetTraits, Traits } from '../../contract/provider.ts';
import { COMPUTABLE_DIGESTS } from '../../lib/hash.ts';
import type { Fields } from '../../contract/fields.ts';
import { DEFAULT_DIGEST } from './content.ts';
import { NAME_RULES } from './names.ts';

export const ACCOUNT_FIELDS = {
  root: {
    type: 'text',
    label: 'Root folder',
    help: 'Every place must lie in this folder, and relative places begin here; for instance /srv/files. Empty: the whole machine.',
    optional: true,
    advanced: true,
    pattern: '/.*',
    example: '/srv/files',
  },
} as const satisfies Fields;

/** A file system keeps content, names, times and empty folders, and nothing else that other stores have. */
const TRAITS: Traits = {
  order: 'bytes',
  seek: 'key',
  listedDigests: [],
  timePrecisionMs: 1,
  keepsSourceTime: true,
  carries: { headers: false, metadata: false, tags: false, emptyFolders: true, storageClasses: [] },
};

export const SOURCE_TRAITS: SourceTraits = {
  ...TRAITS,
  facets: [],
  staysBehind: ['owners', 'permissions', 'extended attributes'],
  unread: ['symbolic links', 'devices', 'pipes', 'sockets'],
};

export const TARGET_TRAITS: TargetTraits = {
  ...TRAITS,
  facets: ['parts', 'removal'],
  names: NAME_RULES,
  writeBytesMax: Number.MAX_SAFE_INTEGER,
  // Everything that Drover can compute is compared with the bytes that were written.
  provableDigests: COMPUTABLE_DIGESTS,
  metadataBytesMax: 0,
  tagsMax: 0,
};

/**
 * Known without trying. `match` conditions are checked right before the renaming or removal, not by the file system
 * itself: another program that writes in that instant is not noticed.
 */
export const TARGET_FACTS: TargetFacts = {
  observedAtMs: null,
  createOnly: 'honoured',
  matchOnWrite: 'honoured',
  matchOnComplete: 'honoured',
  matchOnDelete: 'honoured',
  etagQuotes: 'unquoted',
  contentMd5: 'honoured',
  checksums: Object.fromEntries(COMPUTABLE_DIGESTS.map((kind) => [kind, 'honoured'])),
  returned: [DEFAULT_DIGEST],
  partNumberReads: 'refused',
  tagsOnBegin: 'refused',
  keepsVersions: false,
};

export const MANIFEST: Manifest = {
  id: 'local',
  title: 'Local folder',
  summary: 'A folder of this machine, or of a file system that is mounted on it.',
  containerWord: 'folder',
  source: SOURCE_TRAITS,
  target: TARGET_TRAITS,
};
