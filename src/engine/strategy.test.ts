import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Honour, PartLimits, TargetFacts, TargetTraits } from '../contract/provider.ts';
import type { DigestKind, Digests } from '../model/digest.ts';
import { entryOf } from '../model/entry.ts';
import { ALL_NAMES } from '../model/names.ts';
import { chooseStrategy } from './strategy.ts';
import type { Strategy, StrategyInput } from './strategy.ts';
import { verify } from './verification.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const TIB = 1024 ** 4;

const UNSEEN: TargetFacts = {
  observedAtMs: null,
  createOnly: 'unknown',
  matchOnWrite: 'unknown',
  matchOnComplete: 'unknown',
  matchOnDelete: 'unknown',
  etagQuotes: 'quoted',
  contentMd5: 'unknown',
  checksums: {},
  returned: [],
  partNumberReads: 'unknown',
  tagsOnBegin: 'unknown',
};
/** As the reference documents Amazon S3, and as Ceph RGW 16 and Azure were observed. */
const AWS: TargetFacts = {
  ...UNSEEN,
  contentMd5: 'honoured',
  checksums: { crc64nvme: 'honoured', crc32c: 'honoured', crc32: 'honoured', sha256: 'honoured', sha1: 'honoured' },
  returned: ['crc64nvme', 'crc32c', 'crc32', 'sha256', 'sha1'],
};
const RGW: TargetFacts = {
  ...UNSEEN,
  contentMd5: 'honoured',
  checksums: { crc64nvme: 'ignored', crc32c: 'ignored', crc32: 'ignored', sha256: 'ignored', sha1: 'ignored' },
  returned: [],
};
const AZURE: TargetFacts = {
  ...UNSEEN,
  contentMd5: 'honoured',
  checksums: { crc64nvme: 'honoured' },
  returned: ['crc64nvme', 'md5'],
};
const BLIND: TargetFacts = { ...UNSEEN, contentMd5: 'ignored', checksums: { md5: 'ignored', crc64nvme: 'ignored' } };

const traits = (given: Partial<TargetTraits>): TargetTraits => ({
  order: 'bytes',
  seek: 'key',
  listedDigests: [],
  timePrecisionMs: 1000,
  keepsSourceTime: false,
  carries: { headers: true, metadata: true, tags: true, emptyFolders: true, storageClasses: [] },
  facets: ['parts'],
  names: ALL_NAMES,
  writeBytesMax: 5 * GIB,
  provableDigests: ['sha256', 'crc64nvme', 'crc32c', 'crc32', 'sha1', 'md5'],
  compositeDigests: ['md5'],
  metadataBytesMax: 2048,
  tagsMax: 10,
  ...given,
});
const S3_TRAITS = traits({});
const AZURE_TRAITS = traits({ provableDigests: ['crc64nvme', 'md5'], compositeDigests: [], writeBytesMax: 5000 * MIB });
const S3_LIMITS: PartLimits = {
  partBytesMin: 5 * MIB,
  partBytesMax: 5 * GIB,
  partsMax: 10_000,
  objectBytesMax: 5 * TIB,
  equalParts: false,
};
const AZURE_LIMITS: PartLimits = {
  partBytesMin: 1,
  partBytesMax: 4000 * MIB,
  partsMax: 50_000,
  objectBytesMax: 190 * TIB,
  equalParts: false,
};

interface Given extends Partial<Omit<StrategyInput, 'entry'>> {
  readonly digests?: Digests;
  readonly etag?: number;
}

/** `etag`: the source has a multipart ETag of that many parts. */
function choose({ digests, etag, ...given }: Given): Strategy {
  const sizeBytes = given.sizeBytes ?? 100 * MIB;
  const composite = etag === undefined ? null : { kind: 'md5' as const, value: 'e', partCount: etag };
  return chooseStrategy({
    entry: entryOf({ key: 'a', sizeBytes, digests: digests ?? {}, composite }),
    sizeBytes,
    target: S3_TRAITS,
    facts: AWS,
    limits: S3_LIMITS,
    sourcePartBytes: null,
    memoryBytes: 64 * MIB,
    smallBytesMax: MIB,
    ...given,
  });
}

const azure = { target: AZURE_TRAITS, facts: AZURE, limits: AZURE_LIMITS };
const rgw = { facts: RGW };
const MD5 = { md5: 'm' };

describe('chooseStrategy', () => {
  const cases: readonly [string, Given, object][] = [
    // Small.
    ['small, MD5 forwarded', { sizeBytes: 1000, digests: MD5 }, { kind: 'whole', send: MD5, compute: [] }],
    [
      'small, MD5 forwarded to Azure',
      { ...azure, sizeBytes: 1000, digests: MD5 },
      { kind: 'whole', send: MD5, compute: [] },
    ],
    ['small, source without digests', { sizeBytes: 1000 }, { kind: 'whole', send: {}, compute: ['crc32c'] }],
    ['small, source without digests, Azure', { ...azure, sizeBytes: 1000 }, { kind: 'whole', compute: ['crc64nvme'] }],
    ['small, source without digests, RGW', { ...rgw, sizeBytes: 1000 }, { kind: 'whole', compute: ['md5'] }],
    [
      'small, source digest the target does not know: both legs',
      { ...azure, sizeBytes: 1000, digests: { sha256: 's' } },
      { kind: 'whole', send: {}, compute: ['sha256', 'crc64nvme'] },
    ],
    [
      'small, only a digest that RGW ignores',
      { ...rgw, sizeBytes: 1000, digests: { crc32c: 'c' } },
      { kind: 'whole', send: {}, compute: ['crc32c', 'md5'] },
    ],
    [
      'small, the target proves nothing',
      { facts: BLIND, target: AZURE_TRAITS, sizeBytes: 1000 },
      { kind: 'whole', send: {}, compute: [] },
    ],
    [
      'small, never observed: forwarded and computed, in case it is proved',
      { ...azure, facts: UNSEEN, sizeBytes: 1000, digests: MD5 },
      { kind: 'whole', send: MD5, compute: ['md5'] },
    ],
    ['empty', { sizeBytes: 0, digests: MD5 }, { kind: 'whole' }],
    ['as large as small may be', { sizeBytes: MIB }, { kind: 'whole' }],
    // Streams.
    ['MD5 forwarded in one stream', { digests: MD5 }, { kind: 'stream', send: MD5, compute: [] }],
    ['MD5 forwarded up to 1 GiB', { sizeBytes: GIB, digests: MD5 }, { kind: 'stream', send: MD5, compute: [] }],
    ['MD5 forwarded to RGW', { ...rgw, digests: MD5 }, { kind: 'stream', send: MD5, compute: [] }],
    [
      'a few bytes too many for small, target returns CRC64',
      { sizeBytes: 2 * MIB },
      { kind: 'stream', compute: ['crc64nvme'] },
    ],
    [
      'a few bytes too many for small, target returns CRC64, Azure',
      { ...azure, sizeBytes: 2 * MIB },
      { kind: 'stream', compute: ['crc64nvme'] },
    ],
    [
      'a few bytes too many for small, ETag is the MD5',
      { ...rgw, sizeBytes: 2 * MIB },
      { kind: 'stream', compute: ['md5'] },
    ],
    ['no parts facet', { limits: null, sizeBytes: 4 * GIB }, { kind: 'stream', compute: ['crc64nvme'] }],
    // Parts.
    [
      'beyond 1 GiB in parts',
      { sizeBytes: GIB + 1, digests: MD5 },
      { kind: 'parts', sameParts: false, computeWhole: ['md5'], computePart: ['crc64nvme'] },
    ],
    [
      'part boundaries of the source',
      { etag: 13, sourcePartBytes: 8 * MIB },
      { kind: 'parts', partBytes: 8 * MIB, partCount: 13, sameParts: true, computeWhole: [], computePart: [] },
    ],
    [
      'part boundaries of the source, RGW',
      { ...rgw, etag: 13, sourcePartBytes: 8 * MIB },
      { kind: 'parts', sameParts: true, computePart: [] },
    ],
    [
      'one part, smaller than the minimum, as at the source',
      { sizeBytes: 2 * MIB, etag: 1, sourcePartBytes: 2 * MIB, facts: BLIND },
      { kind: 'parts', partCount: 1, sameParts: true },
    ],
    [
      'part boundaries that are only guessed: parts are digested too',
      { ...rgw, etag: 13, sourcePartBytes: 8 * MIB, isPartSizeGuessed: true },
      { kind: 'parts', partBytes: 8 * MIB, sameParts: false, composeSource: true, computePart: ['md5'] },
    ],
    [
      'wrong part size for that many parts',
      { etag: 13, sourcePartBytes: 16 * MIB },
      { kind: 'parts', partBytes: 16 * MIB, sameParts: false, computePart: ['crc64nvme'] },
    ],
    [
      'unknown part size',
      { etag: 13 },
      { kind: 'parts', sameParts: false, composeSource: false, computePart: ['crc64nvme'] },
    ],
    [
      'source parts the target may not have',
      { sizeBytes: 20 * MIB, etag: 10, sourcePartBytes: 2 * MIB },
      { kind: 'parts', sameParts: false, composeSource: false },
    ],
    [
      'source parts at a target that digests otherwise: composed by us',
      { ...azure, etag: 13, sourcePartBytes: 8 * MIB },
      { kind: 'parts', partBytes: 8 * MIB, sameParts: false, composeSource: true, computePart: ['md5', 'crc64nvme'] },
    ],
    [
      'CRC64 of the source proved by combining',
      { ...azure, sizeBytes: 2 * GIB, digests: { crc64nvme: 'c' } },
      { kind: 'parts', computeWhole: [], computePart: ['crc64nvme'] },
    ],
    [
      'CRC32C of the source proved by combining',
      { sizeBytes: 2 * GIB, digests: { crc32c: 'c' } },
      { kind: 'parts', computeWhole: [], computePart: ['crc32c'] },
    ],
    [
      'nothing known at the source',
      { sizeBytes: 2 * GIB },
      { kind: 'parts', computeWhole: [], computePart: ['crc64nvme'] },
    ],
    [
      'MD5 is the only evidence',
      { ...rgw, sizeBytes: 2 * GIB },
      { kind: 'parts', computeWhole: [], computePart: ['md5'] },
    ],
    ['never observed, ETags of MD5', { facts: UNSEEN, sizeBytes: 2 * GIB }, { kind: 'parts', computePart: ['md5'] }],
    ['never observed', { ...azure, facts: UNSEEN, sizeBytes: 2 * GIB }, { kind: 'parts', computePart: ['crc64nvme'] }],
    [
      'target proves nothing',
      { target: AZURE_TRAITS, facts: BLIND, sizeBytes: 2 * GIB, digests: MD5 },
      { kind: 'parts', computeWhole: ['md5'], computePart: [] },
    ],
    // Impossible.
    ['larger than any object there', { sizeBytes: 5 * TIB + 1 }, { kind: 'impossible', code: 'TOO_LARGE' }],
    [
      'no parts and too large for one write',
      { limits: null, sizeBytes: 6 * GIB },
      { kind: 'impossible', code: 'TOO_LARGE' },
    ],
  ];
  it.each(cases)('%s', (_name, given, expected) => {
    expect(choose(given)).toMatchObject(expected);
  });

  it('keeps to the limits of the target when it takes over the source parts', () => {
    const strategy = choose({
      sizeBytes: 100 * MIB,
      etag: 2,
      sourcePartBytes: 60 * MIB,
      limits: { ...S3_LIMITS, partBytesMax: 50 * MIB },
    });
    expect(strategy).toMatchObject({ kind: 'parts', sameParts: false });
    expect(strategy.kind === 'parts' && strategy.partBytes).toBeLessThanOrEqual(50 * MIB);
  });
});

const all = (kinds: readonly DigestKind[]): Digests => Object.fromEntries(kinds.map((kind) => [kind, kind]));
const combinable = (kind: DigestKind): boolean => kind === 'crc64nvme' || kind === 'crc32c' || kind === 'crc32';

/** What an honest target and engine know at the end when they do what the strategy says. */
function carryOut(
  strategy: Strategy,
  input: { digests: Digests; provable: readonly DigestKind[]; facts: TargetFacts },
): ReturnType<typeof verify> | null {
  if (strategy.kind === 'impossible') return null;
  // The target makes ETags of MD5, so what it says there needs no sending.
  const isProved = (kind: DigestKind, sent: readonly DigestKind[]): boolean =>
    input.facts.returned.includes(kind) ||
    (kind === 'md5'
      ? input.facts.contentMd5 === 'honoured'
      : sent.includes(kind) && input.facts.checksums[kind] === 'honoured');
  const forwarded = strategy.kind === 'parts' ? [] : (Object.keys(strategy.send) as DigestKind[]);
  const computed =
    strategy.kind === 'parts'
      ? [...strategy.computeWhole, ...strategy.computePart.filter(combinable)]
      : strategy.compute;
  const sent =
    strategy.kind === 'whole'
      ? [...forwarded, ...computed]
      : strategy.kind === 'stream'
        ? forwarded
        : strategy.computePart;
  const candidates = strategy.kind === 'parts' ? strategy.computePart.filter(combinable) : input.provable;
  const ownParts = { kind: 'md5' as const, value: 'own', partCount: 2 };
  const provesParts = strategy.kind === 'parts' && strategy.computePart.includes('md5') && isProved('md5', sent);
  return verify({
    sizeBytes: 5,
    countedBytes: 5,
    committedSizeBytes: 5,
    sourceDigests: input.digests,
    sourceComposite: null,
    computed: all(computed),
    computedComposite: provesParts ? ownParts : null,
    proved: all(candidates.filter((kind) => isProved(kind, sent))),
    provedComposite: provesParts ? ownParts : null,
  });
}

describe('chooseStrategy, carried out', () => {
  const honour = fc.constantFrom<Honour>('honoured', 'ignored', 'refused');
  const kinds: readonly DigestKind[] = ['sha256', 'crc64nvme', 'crc32c', 'crc32', 'sha1', 'md5'];
  const facts = fc
    .record({
      md5: honour,
      sha256: honour,
      crc64nvme: honour,
      crc32c: honour,
      crc32: honour,
      returned: fc.subarray(['md5', 'crc64nvme'] as const),
    })
    .map(({ md5, returned, ...checksums }) => ({
      ...UNSEEN,
      contentMd5: md5,
      checksums: { ...checksums, sha1: 'ignored' as const },
      returned,
    }));
  const digests = fc
    .subarray([...kinds])
    .map((known) => Object.fromEntries(known.map((kind) => [kind, kind])) as Digests);
  const size = fc.constantFrom(1000, 2 * MIB, 100 * MIB, 2 * GIB, 10 * GIB);

  it('proves both legs wherever the source knows a digest and the target proves one', () => {
    fc.assert(
      fc.property(facts, digests, size, (given, known, sizeBytes) => {
        const strategy = choose({ facts: given, digests: known, sizeBytes });
        const verdict = carryOut(strategy, { digests: known, provable: kinds, facts: given });
        expect(verdict).not.toBeNull();
        if (verdict === null || 'mismatch' in verdict) throw new Error('an honest copy was refused');
        // Digests of single parts that neither combine nor make an ETag prove nothing of the whole.
        const provable = strategy.kind === 'parts' ? kinds.filter((kind) => combinable(kind) || kind === 'md5') : kinds;
        const canProve = provable.some(
          (kind) =>
            given.returned.includes(kind as 'md5') ||
            (kind === 'md5' ? given.contentMd5 : given.checksums[kind as 'crc32']) === 'honoured',
        );
        if (!canProve) return;
        expect(verdict.class).not.toBe('V0');
        expect(verdict.leg).toBe(Object.keys(known).length === 0 ? 'target' : null);
      }),
      { numRuns: 2000 },
    );
  });

  it('computes nothing when a digest of the source is proved by forwarding it', () => {
    fc.assert(
      fc.property(facts, digests, (given, known) => {
        const strategy = choose({ facts: given, digests: known, sizeBytes: 1000 });
        const canForward = kinds.some(
          (kind) =>
            known[kind] !== undefined &&
            (given.returned.includes(kind as 'md5') ||
              (kind === 'md5' ? given.contentMd5 : given.checksums[kind as 'crc32']) === 'honoured'),
        );
        if (strategy.kind === 'whole' && canForward) expect(strategy.compute).toEqual([]);
      }),
    );
  });
});
