import { describe, expect, it } from 'vitest';
import type { SourceTraits, TargetFacts, TargetTraits } from '../contract/provider.ts';
import { ALL_NAMES } from '../model/names.ts';
import { DEFAULT_POLICY, type Policy } from '../model/policy.ts';
import type { Concession } from './definition.ts';
import { negotiate } from './negotiate.ts';

const FACTS: TargetFacts = {
  observedAtMs: 1,
  createOnly: 'honoured',
  matchOnWrite: 'honoured',
  matchOnComplete: 'honoured',
  matchOnDelete: 'honoured',
  etagQuotes: 'quoted',
  contentMd5: 'honoured',
  checksums: {},
  returned: ['md5'],
  partNumberReads: 'honoured',
  tagsOnBegin: 'honoured',
};
const ALL = { headers: true, metadata: true, tags: true, emptyFolders: true, storageClasses: ['HOT', 'COLD'] };
const NOTHING = { headers: false, metadata: false, tags: false, emptyFolders: false, storageClasses: [] };
const SOURCE: SourceTraits = {
  order: 'bytes',
  seek: 'key',
  listedDigests: ['md5'],
  timePrecisionMs: 1000,
  keepsSourceTime: false,
  carries: ALL,
  facets: ['tags', 'versions'],
};
/** Carries everything and proves everything. */
const TARGET: TargetTraits = {
  order: 'bytes',
  seek: 'key',
  listedDigests: [],
  timePrecisionMs: 1,
  keepsSourceTime: true,
  carries: ALL,
  facets: ['parts', 'removal'],
  names: ALL_NAMES,
  writeBytesMax: 5_000_000_000,
  provableDigests: ['md5'],
  metadataBytesMax: 8192,
  tagsMax: 10,
};
/** No concession is left with these. */
const QUIET = {
  source: { ...SOURCE, carries: { ...ALL, storageClasses: [] } },
  policy: { ...DEFAULT_POLICY, metadata: 'refresh' as const },
};

interface Given {
  readonly source?: Partial<SourceTraits>;
  readonly target?: Partial<TargetTraits>;
  readonly facts?: Partial<TargetFacts> | null;
  readonly policy?: Partial<Policy>;
}

function concessions(given: Given): readonly Concession[] {
  return negotiate({
    source: { ...QUIET.source, ...given.source },
    target: { ...TARGET, ...given.target },
    facts: given.facts === null ? null : { ...FACTS, ...given.facts },
    policy: { ...QUIET.policy, ...given.policy },
    sourceTitle: 'Amazon S3',
    targetTitle: 'the Shelf',
  });
}

describe('negotiate', () => {
  it('concedes nothing where everything survives', () => {
    expect(concessions({})).toEqual([]);
  });

  const cases: readonly [string, Given, Concession['aspect'], RegExp][] = [
    ['headers', { target: { carries: { ...ALL, headers: false } } }, 'headers', /content type.*lost/],
    [
      'website redirects',
      { source: { carries: { ...ALL, storageClasses: [], websiteRedirects: true } } },
      'headers',
      /no website redirects/,
    ],
    [
      'what stays behind',
      { source: { staysBehind: ['ACLs', 'locks'] } },
      'protection',
      /ACLs and locks of Amazon S3 are not carried over/,
    ],
    [
      'versions beyond a limit',
      { policy: { versions: 'all' }, source: { versionsMax: 9 } },
      'versions',
      /more than 9 versions/,
    ],
    ['metadata', { target: { carries: { ...ALL, metadata: false } } }, 'metadata', /no metadata/],
    ['little room for metadata', { target: { metadataBytesMax: 2048 } }, 'metadata', /2048 bytes/],
    ['later changes of metadata', { policy: { metadata: 'preserve' } }, 'metadata', /--metadata refresh/],
    ['tags', { target: { carries: { ...ALL, tags: false } } }, 'tags', /no tags/],
    ['few tags', { target: { tagsMax: 3 } }, 'tags', /at most 3 tags/],
    ['times kept in metadata', { target: { keepsSourceTime: false } }, 'times', /kept in the metadata/],
    ['times lost', { target: { keepsSourceTime: false }, policy: { metadata: 'ignore' } }, 'times', /lost/],
    ['coarser times', { target: { timePrecisionMs: 2000 } }, 'times', /steps of 2 s/],
    ['empty folders', { target: { carries: { ...ALL, emptyFolders: false } } }, 'folders', /empty folders/],
    [
      'classes, none there',
      { source: { carries: ALL }, target: { carries: { ...ALL, storageClasses: [] } } },
      'classes',
      /no storage classes/,
    ],
    ['classes, others there', { source: { carries: ALL } }, 'classes', /default class/],
    [
      'names',
      { target: { names: { ...ALL_NAMES, emptySegments: false, segmentBytesMax: 255 } } },
      'names',
      /"a\/\/b".*or.*255 bytes/,
    ],
    ['case', { target: { names: { ...ALL_NAMES, caseSensitive: false } } }, 'names', /differ only by case/],
    ['all versions', { policy: { versions: 'all' } }, 'versions', /only the newest remains/],
    [
      'what is deleted at the source, where versions are kept',
      { policy: { versions: 'all' }, facts: { keepsVersions: true } },
      'versions',
      /deleted in Amazon S3 but for their versions are deleted in .* too.*goes on being shown/,
    ],
    [
      'what is deleted at the source, where no versions are kept',
      { policy: { versions: 'all', mode: 'mirror' }, facts: { keepsVersions: false } },
      'versions',
      /nothing is copied, because .* keeps no versions.*excluded.* is deleted like everything/,
    ],
    [
      'all versions, source has none',
      { policy: { versions: 'all' }, source: { facets: [] } },
      'versions',
      /only what is current/,
    ],
    ['create-only ignored', { facts: { createOnly: 'ignored' } }, 'races', /somebody else creates/],
    ['match ignored', { facts: { matchOnWrite: 'ignored' } }, 'races', /somebody else changes/],
    ['match on completing ignored', { facts: { matchOnComplete: 'refused' } }, 'races', /large object/],
    [
      'match on deleting ignored',
      { facts: { matchOnDelete: 'ignored' }, policy: { mode: 'mirror' } },
      'races',
      /before it is deleted/,
    ],
    ['never observed', { facts: null }, 'races', /was not observed/],
    ['no digest provable', { target: { provableDigests: [] } }, 'digests', /V0/],
    ['every digest ignored', { facts: { contentMd5: 'ignored', returned: [] } }, 'digests', /V0/],
    ['source without digests', { source: { listedDigests: [] } }, 'digests', /leg target/],
    ['no large objects', { target: { facets: ['removal'] } }, 'sizes', /5000000000 bytes/],
  ];
  it.each(cases)('%s', (_name, given, aspect, words) => {
    const found = concessions(given);
    expect(found.map((concession) => concession.aspect)).toEqual([aspect]);
    expect(found[0]?.detail).toMatch(words);
  });

  const silent: readonly [string, Given][] = [
    ['nothing carried by the source', { source: { carries: NOTHING }, target: { carries: NOTHING } }],
    [
      'metadata not wanted',
      { target: { carries: { ...ALL, headers: false, metadata: false } }, policy: { metadata: 'ignore' } },
    ],
    ['tags not wanted', { target: { carries: { ...ALL, tags: false } }, policy: { tags: 'ignore' } }],
    ['class chosen', { source: { carries: ALL }, policy: { storageClass: 'COLD' } }],
    ['source without times', { source: { timePrecisionMs: null }, target: { keepsSourceTime: false } }],
    ['conditional delete without deletes', { facts: { matchOnDelete: 'ignored' } }],
    ['dry run', { facts: { createOnly: 'ignored' }, policy: { dryRun: true } }],
    ['sizes nobody has', { target: { facets: ['removal'], writeBytesMax: Number.MAX_SAFE_INTEGER } }],
    ['keys as long as any source has', { target: { names: { ...ALL_NAMES, keyCharactersMax: 1024 } } }],
    ['checking', { facts: null, target: { carries: NOTHING, provableDigests: [] }, policy: { mode: 'check' } }],
  ];
  it.each(silent)('is silent: %s', (_name, given) => {
    expect(concessions(given)).toEqual([]);
  });

  it('writes each as one sentence, none twice', () => {
    const all = negotiate({
      source: { ...SOURCE, listedDigests: [] },
      target: {
        ...TARGET,
        carries: NOTHING,
        keepsSourceTime: false,
        facets: ['removal'],
        provableDigests: [],
        names: { ...ALL_NAMES, dotSegments: false, caseSensitive: false },
      },
      facts: null,
      policy: { ...DEFAULT_POLICY, mode: 'mirror', versions: 'all' },
      sourceTitle: 'Amazon S3',
      targetTitle: 'Azure Blob Storage',
    });
    expect(all.map(({ aspect }) => aspect)).toEqual([
      'headers',
      'metadata',
      'tags',
      'times',
      'folders',
      'classes',
      'names',
      'names',
      'versions',
      'races',
      'digests',
      'sizes',
    ]);
    for (const { detail } of all) expect(detail).toMatch(/^[A-Z].*[a-z)]\.$/);
    expect(new Set(all.map(({ detail }) => detail)).size).toBe(all.length);
  });
});
