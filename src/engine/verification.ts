/** How strongly one copy is proved, from what the source said, what we computed, and what the target proved. */
import { DIGEST_KINDS, DIGEST_STRENGTH } from '../model/digest.ts';
import type { CompositeDigest, Digests } from '../model/digest.ts';
import type { VerificationClass } from '../model/outcome.ts';

export interface Proofs {
  /** As planned from the listing. */
  readonly sizeBytes: number;
  /** Bytes that passed through us, or that the target reports to have fetched itself. */
  readonly countedBytes: number;
  /** What the target says it holds. */
  readonly committedSizeBytes: number;
  readonly sourceDigests: Digests;
  readonly sourceComposite: CompositeDigest | null;
  /** Over the bytes we received. */
  readonly computed: Digests;
  /** Over the digests of the parts we received, cut where the source's parts were cut. */
  readonly computedComposite?: CompositeDigest | null;
  readonly proved: Digests;
  readonly provedComposite: CompositeDigest | null;
  /** The target was written with the source's own part boundaries, so its composite must be the source's. */
  readonly sameParts?: boolean;
}

export type Verdict =
  /** `target`: the source's own word was not part of the proof; the target proved the bytes we received. */
  { readonly class: VerificationClass; readonly leg: 'target' | null } | { readonly mismatch: string };

type Strength = 'V3' | 'V2' | 'V1';

/** Any contradiction is a mismatch; otherwise the strongest class that the known values support. */
export function verify(proofs: Proofs): Verdict {
  const mismatch = wrongSize(proofs) ?? contradiction(proofs);
  if (mismatch !== null) return { mismatch };
  // There is only one content of no bytes: its size proves it as well as any digest could.
  if (proofs.sizeBytes === 0) return { class: 'V3', leg: null };

  const { sourceDigests, computed, proved, sourceComposite, provedComposite } = proofs;
  const computedComposite = proofs.computedComposite ?? null;
  const direct = stronger(agreement(sourceDigests, proved), compositeAgreement(sourceComposite, provedComposite));
  const sourceLeg = stronger(
    agreement(sourceDigests, computed),
    compositeAgreement(sourceComposite, computedComposite),
  );
  const targetLeg = stronger(agreement(computed, proved), compositeAgreement(computedComposite, provedComposite));
  const best = stronger(direct, weaker(sourceLeg, targetLeg));
  if (best !== null) return { class: best, leg: null };
  return targetLeg === null ? { class: 'V0', leg: null } : { class: 'V1', leg: 'target' };
}

function wrongSize({ sizeBytes, countedBytes, committedSizeBytes }: Proofs): string | null {
  if (sizeBytes === countedBytes && sizeBytes === committedSizeBytes) return null;
  return `Planned were ${sizeBytes} bytes, ${countedBytes} passed, and the target holds ${committedSizeBytes}.`;
}

function contradiction(proofs: Proofs): string | null {
  const { sourceDigests, computed, proved } = proofs;
  for (const kind of DIGEST_KINDS) {
    const told = sourceDigests[kind];
    const received = computed[kind];
    const kept = proved[kind];
    if (isOther(told, received) || isOther(told, kept) || isOther(received, kept)) {
      return `The ${kind} digests differ: ${digestWords(told, received, kept)}.`;
    }
  }
  return compositeContradiction(proofs);
}

function isOther(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}

function digestWords(told: string | undefined, received: string | undefined, kept: string | undefined): string {
  const known = [
    ['the source says', told],
    ['the bytes received have', received],
    ['the target says', kept],
  ].filter(([, value]) => value !== undefined);
  return known.map(([who, value]) => `${who} ${value}`).join(', ');
}

/** Composites with the same number of parts may differ honestly, unless the parts are known to be cut alike. */
function compositeContradiction(proofs: Proofs): string | null {
  const { sourceComposite, provedComposite } = proofs;
  if (proofs.sameParts !== true || sourceComposite === null) return null;
  for (const [who, other] of [
    ['the parts received have', proofs.computedComposite ?? null],
    ['the target says', provedComposite],
  ] as const) {
    if (other !== null && isContradicting(sourceComposite, other)) {
      return `The ${other.kind} digests over the parts differ: the source says ${compositeWords(sourceComposite)}, ${who} ${compositeWords(other)}.`;
    }
  }
  return null;
}

function isContradicting(a: CompositeDigest, b: CompositeDigest): boolean {
  return a.kind === b.kind && (a.partCount !== b.partCount || a.value !== b.value);
}

function compositeWords(composite: CompositeDigest): string {
  return `${composite.value}-${composite.partCount}`;
}

/** Strength of the strongest kind that both know; equality was checked before. */
function agreement(a: Digests, b: Digests): Strength | null {
  let best: Strength | null = null;
  for (const kind of DIGEST_KINDS) {
    if (a[kind] !== undefined && a[kind] === b[kind]) best = stronger(best, DIGEST_STRENGTH[kind]);
  }
  return best;
}

function compositeAgreement(a: CompositeDigest | null, b: CompositeDigest | null): Strength | null {
  if (a === null || b === null || a.kind !== b.kind || a.partCount !== b.partCount || a.value !== b.value) return null;
  return DIGEST_STRENGTH[a.kind];
}

function stronger(a: Strength | null, b: Strength | null): Strength | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}

function weaker(a: Strength | null, b: Strength | null): Strength | null {
  if (a === null || b === null) return null;
  return a < b ? a : b;
}
