/**
 * How one object travels: what is forwarded, what is computed on the passing bytes, and how it is cut. A table over
 * what the source knows, the size, and what the target was seen to honour.
 */
import type { Honour, PartLimits, Target, TargetFacts, TargetTraits } from '../contract/provider.ts';
import { DIGEST_KINDS, DIGEST_STRENGTH } from '../model/digest.ts';
import type { DigestKind, Digests } from '../model/digest.ts';
import type { Entry } from '../model/entry.ts';
import type { ErrorCode } from '../model/errors.ts';
import { fits, planParts } from './part-plan.ts';

export interface StrategyInput {
  /** With all digests known so far. */
  readonly entry: Entry;
  readonly sizeBytes: number;
  readonly target: TargetTraits;
  readonly facts: TargetFacts;
  /** Of the target's parts facet; `null` when it has none. */
  readonly limits: PartLimits | null;
  /** Size of the source's parts, told or guessed; `null` when unknown, or when a guess proved wrong. */
  readonly sourcePartBytes: number | null;
  /** `sourcePartBytes` is only likely: then the proof must not rest on it alone, or a wrong guess would look like damage. */
  readonly isPartSizeGuessed?: boolean;
  /** Bytes of memory that this object may take. */
  readonly memoryBytes: number;
  /** Up to here an object is held in memory as a whole. */
  readonly smallBytesMax: number;
}

export type Strategy =
  | { readonly kind: 'impossible'; readonly code: ErrorCode; readonly details: string }
  /** In memory, one write. What is computed is known before the write, so it goes along with `send`. */
  | { readonly kind: 'whole'; readonly send: Digests; readonly compute: readonly DigestKind[] }
  /** One streamed write. What is computed is known only at its end and is compared with what the target returns. */
  | { readonly kind: 'stream'; readonly send: Digests; readonly compute: readonly DigestKind[] }
  | {
      readonly kind: 'parts';
      readonly partBytes: number;
      readonly partCount: number;
      /** Parts are the source's own and the target digests parts alike: its composite must equal the source's. */
      readonly sameParts: boolean;
      /** Parts are the source's own: the digest over the digests of our parts must equal the source's composite. */
      readonly composeSource: boolean;
      /** Over the whole content, in order. */
      readonly computeWhole: readonly DigestKind[];
      /** Over each part: sent along where the part is in memory, else compared with what the target returns for it. */
      readonly computePart: readonly DigestKind[];
    };

/** Larger objects are not sent in one request even when nothing needs computing: a break would cost too much. */
export const FORWARD_BYTES_MAX = 1024 ** 3;
/** Up to here one streamed write beats an upload in parts, which needs at least three requests. */
export const STREAM_BYTES_MAX = 16 * 1024 ** 2;

/** What Drover computes itself, cheapest first (measured); MD5 last, because it costs more than all the rest. */
const COST_ORDER: readonly DigestKind[] = ['crc32c', 'crc32', 'crc64nvme', 'sha256', 'sha1', 'sha512', 'md5'];
/** Digests of parts that combine into the digest of the whole. */
const COMBINABLE: readonly DigestKind[] = ['crc64nvme', 'crc32c', 'crc32'];

/** One way for every object; `impossible` when the target cannot hold it. */
export function chooseStrategy(input: StrategyInput): Strategy {
  const { sizeBytes, target, limits } = input;
  const largestBytes = Math.max(target.writeBytesMax, limits?.objectBytesMax ?? 0);
  if (sizeBytes > largestBytes) {
    const details = `It has ${sizeBytes} bytes; the target holds at most ${largestBytes} bytes in one object.`;
    return { kind: 'impossible', code: 'TOO_LARGE', details };
  }
  const fitsOneWrite = sizeBytes <= target.writeBytesMax;
  if (fitsOneWrite && sizeBytes <= input.smallBytesMax) return whole(input);
  if (limits === null) return stream(input);
  if (fitsOneWrite && isBestStreamed(input)) return stream(input);
  return inParts(input, limits);
}

function isBestStreamed(input: StrategyInput): boolean {
  const { sizeBytes } = input;
  if (sizeBytes <= FORWARD_BYTES_MAX && forwardedProof(input) !== null) return true;
  return sizeBytes <= STREAM_BYTES_MAX && returnedKinds(input).length > 0;
}

function whole(input: StrategyInput): Strategy {
  return { kind: 'whole', send: sendable(input), compute: missingProofs(input, provableKinds(input)) };
}

function stream(input: StrategyInput): Strategy {
  return { kind: 'stream', send: sendable(input), compute: missingProofs(input, returnedKinds(input)) };
}

function inParts(input: StrategyInput, limits: PartLimits): Strategy {
  const { entry, sizeBytes, sourcePartBytes, memoryBytes, target } = input;
  const { composite } = entry;
  const isAligned =
    composite !== null &&
    sourcePartBytes !== null &&
    fits(sizeBytes, sourcePartBytes, limits) &&
    Math.max(1, Math.ceil(sizeBytes / sourcePartBytes)) === composite.partCount;
  const plan = planParts(sizeBytes, limits, { partBytes: isAligned ? sourcePartBytes : null, memoryBytes });
  if ('impossible' in plan) return { kind: 'impossible', code: 'TOO_LARGE', details: plan.impossible };
  const { partBytes, partCount } = plan;
  const cut = { kind: 'parts', partBytes, partCount } as const;

  const makesSameComposite = composite !== null && (target.compositeDigests ?? []).includes(composite.kind);
  if (isAligned && makesSameComposite && input.isPartSizeGuessed !== true) {
    return { ...cut, sameParts: true, composeSource: false, computeWhole: [], computePart: [] };
  }
  const proofKind = partProofKind(input);
  const partKinds = proofKind === null ? [] : [proofKind];
  // Digests that combine need no pass over the whole in order: parts may come in any order, many at once.
  const combinedKind = COMBINABLE.find((kind) => entry.digests[kind] !== undefined);
  if (combinedKind !== undefined) {
    const computePart = [...new Set([combinedKind, ...partKinds])];
    return { ...cut, sameParts: false, composeSource: false, computeWhole: [], computePart };
  }
  const sourceKind = cheapestOf(knownKinds(entry.digests));
  if (sourceKind === null && isAligned && composite !== null && COST_ORDER.includes(composite.kind)) {
    const computePart = [...new Set([composite.kind, ...partKinds])];
    return { ...cut, sameParts: false, composeSource: true, computeWhole: [], computePart };
  }
  const computeWhole = sourceKind === null ? [] : [sourceKind];
  return { ...cut, sameParts: false, composeSource: false, computeWhole, computePart: partKinds };
}

/**
 * The kind of digest that proves a part: the source's own where it combines; else one that the target returns by
 * itself; else MD5 where ETags are made of it; else one that must be sent along; what was never tried comes last.
 */
function partProofKind(input: StrategyInput): DigestKind | null {
  const { entry, facts, target } = input;
  const kinds = provableKinds(input).filter((kind) => COST_ORDER.includes(kind));
  const combinable = COMBINABLE.filter((kind) => kinds.includes(kind));
  const known = combinable.find((kind) => entry.digests[kind] !== undefined && isSeen(input, kind));
  const returned = combinable.find((kind) => facts.returned.includes(kind));
  const isMd5Etag = hasMd5Etags(target) && (isSeen(input, 'md5') || isUsable(honourOf(facts, 'md5')));
  return known ?? returned ?? (isMd5Etag ? 'md5' : null) ?? combinable[0] ?? cheapestOf(kinds);
}

/** Whether the target refuses content that has other digests than these: what becomes visible has them. */
export function isProvedByArriving(digests: Digests, { facts, traits }: Pick<Target, 'facts' | 'traits'>): boolean {
  // Which of several a target looks at is its own choice.
  const sent = traits.provableDigests.filter((kind) => digests[kind] !== undefined);
  return sent.length > 0 && sent.every((kind) => honourOf(facts, kind) === 'honoured');
}

/** What must be computed over the bytes so that both legs are proved with what the target can prove. */
function missingProofs(input: StrategyInput, provable: readonly DigestKind[]): readonly DigestKind[] {
  if (forwardedProof(input) !== null) return [];
  const targetKind = cheapestOf(provable);
  const sourceKind = cheapestOf(knownKinds(input.entry.digests));
  const shared = cheapestOf(provable.filter((kind) => input.entry.digests[kind] !== undefined));
  if (shared !== null) return [shared];
  return [...new Set([sourceKind, targetKind].filter((kind) => kind !== null))];
}

/** The strongest digest of the source that the target will prove when it is simply sent along. */
function forwardedProof(input: StrategyInput): DigestKind | null {
  const { target, entry } = input;
  return (
    DIGEST_KINDS.filter((kind) => entry.digests[kind] !== undefined && target.provableDigests.includes(kind))
      .filter((kind) => isSeen(input, kind))
      .toSorted((a, b) => (DIGEST_STRENGTH[a] < DIGEST_STRENGTH[b] ? 1 : -1))[0] ?? null
  );
}

/** Source digests that the target may take; it sends those that its protocol has room for. */
function sendable(input: StrategyInput): Digests {
  const send: { -readonly [K in DigestKind]?: string } = {};
  for (const kind of input.target.provableDigests) {
    const value = input.entry.digests[kind];
    if (value !== undefined && isUsable(honourOf(input.facts, kind))) send[kind] = value;
  }
  return send;
}

/** Kinds the target proves when they are sent: seen to first, otherwise those that were not tried. */
function provableKinds(input: StrategyInput): readonly DigestKind[] {
  const { target, facts } = input;
  const seen = target.provableDigests.filter((kind) => isSeen(input, kind));
  if (seen.length > 0) return seen;
  return target.provableDigests.filter((kind) => honourOf(facts, kind) === 'unknown');
}

/** Kinds the target computes by itself and returns, so that they may be known only after the content went. */
function returnedKinds({ target, facts }: StrategyInput): readonly DigestKind[] {
  const returned = target.provableDigests.filter((kind) => facts.returned.includes(kind));
  // Stores that compute a digest nobody sent choose CRC64NVME; some repeat the others only when they were sent.
  if (returned.includes('crc64nvme')) return ['crc64nvme'];
  const isMd5Etag = hasMd5Etags(target) && honourOf(facts, 'md5') === 'honoured';
  return returned.length === 0 && isMd5Etag ? ['md5'] : returned;
}

/** S3's way: the ETag of an object that was written in one request is its MD5. */
function hasMd5Etags(target: TargetTraits): boolean {
  return (target.compositeDigests ?? []).includes('md5') && target.provableDigests.includes('md5');
}

function isSeen({ facts }: Pick<StrategyInput, 'facts'>, kind: DigestKind): boolean {
  return facts.returned.includes(kind) || honourOf(facts, kind) === 'honoured';
}

function honourOf(facts: TargetFacts, kind: DigestKind): Honour {
  return kind === 'md5' ? (facts.checksums.md5 ?? facts.contentMd5) : (facts.checksums[kind] ?? 'unknown');
}

function isUsable(honour: Honour): boolean {
  return honour === 'honoured' || honour === 'unknown';
}

function knownKinds(digests: Digests): readonly DigestKind[] {
  return DIGEST_KINDS.filter((kind) => digests[kind] !== undefined);
}

function cheapestOf(kinds: readonly DigestKind[]): DigestKind | null {
  return COST_ORDER.find((kind) => kinds.includes(kind)) ?? null;
}
