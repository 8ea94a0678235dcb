/**
 * What to do with one key, given what both sides and the last snapshot say about it. Every branch of comparing is in
 * here and returns data; carrying it out needs no judgement, so a dry run is the same code without effects.
 */
import type { Expectation } from '../contract/provider.ts';
import { DIGEST_KINDS } from '../model/digest.ts';
import type { DigestKind } from '../model/digest.ts';
import type { Entry } from '../model/entry.ts';
import type { ErrorCode } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import type { SnapshotRow, StateMark } from '../model/snapshot.ts';

export interface Situation {
  readonly source: Entry | null;
  readonly target: Entry | null;
  /** The row of the last snapshot for this key. */
  readonly previous: SnapshotRow | null;
  readonly policy: Policy;
  /** Why the filter leaves the entry out; for what only the target has, the filter's word on the target's entry. */
  readonly excluded: string | null;
  /** The coarser of both sides' time grids. */
  readonly timeToleranceMs: number;
  /** A copy at the target shows the source's modification time as its own. */
  readonly targetKeepsSourceTime: boolean;
  /** The target can replace exactly the state that was listed, and refuse otherwise. */
  readonly targetMatchable: boolean;
  /** The target can fetch from this source by itself: of such copies earlier versions left marks that do not say how proved. */
  readonly mayCopyByReference: boolean;
}

/** Why two entries count as the same content, strongest first. */
export type Evidence = 'snapshot' | 'digest' | 'recorded' | 'size-and-time' | 'size';

export type Action =
  | { readonly kind: 'copy'; readonly reason: 'absent' | 'changed'; readonly expect: Expectation }
  /** `weak`: nothing but sizes, or sizes and times, could be compared; so it was in every run before. */
  | { readonly kind: 'same'; readonly evidence: Evidence; readonly weak: boolean }
  | { readonly kind: 'folder-same' }
  | { readonly kind: 'excluded'; readonly reason: string }
  | { readonly kind: 'skipped'; readonly reason: 'target-newer' }
  | { readonly kind: 'unsupported'; readonly code: ErrorCode; readonly details: string }
  /** Archived at the source, and the policy says to bring it back. */
  | { readonly kind: 'restore' }
  /** Only at the target, and to be removed. Folders are removed only when they turn out empty. */
  | { readonly kind: 'delete'; readonly onlyIfEmpty: boolean }
  /** Only at the target (or nowhere any more), and none of our business. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'different'; readonly details: string }
  | { readonly kind: 'extra' };

/** The one place where comparing is decided. Total: every situation has an action. */
export function decide(situation: Situation): Action {
  const { source, target } = situation;
  if (source === null) return target === null ? { kind: 'leave' } : decideTargetOnly(target, situation);
  // A folder that exists only through its content is made by writing that content.
  if (source.kind === 'folder' && source.isImplied) return { kind: 'leave' };
  if (situation.excluded !== null) return { kind: 'excluded', reason: situation.excluded };
  if (source.kind === 'opaque') return unsupported('UNSUPPORTED', opaqueWords(source));
  if (target === null) return decideAbsent(source, situation);
  if (source.kind !== target.kind) return decideKindConflict(source, target, situation);
  if (source.kind === 'folder') return { kind: 'folder-same' };
  return decideBoth(source, target, situation);
}

function decideTargetOnly(target: Entry, { policy, excluded }: Situation): Action {
  if (excluded !== null) return { kind: 'leave' };
  if (policy.mode === 'check') {
    const isImplied = target.kind === 'folder' && target.isImplied;
    return policy.oneWay || isImplied ? { kind: 'leave' } : { kind: 'extra' };
  }
  // Links and devices at the target were not put there by us, so a mirror does not take them away.
  if (policy.mode !== 'mirror' || target.kind === 'opaque') return { kind: 'leave' };
  return { kind: 'delete', onlyIfEmpty: target.kind === 'folder' };
}

function decideAbsent(source: Entry, { policy }: Situation): Action {
  if (policy.mode === 'check') return { kind: 'missing' };
  return unreadable(source, policy) ?? { kind: 'copy', reason: 'absent', expect: { kind: 'absent' } };
}

function decideKindConflict(source: Entry, target: Entry, { policy }: Situation): Action {
  const details = `The source has ${kindWords(source)} of this name, the target has ${kindWords(target)}.`;
  return policy.mode === 'check' ? { kind: 'different', details } : unsupported('UNREPRESENTABLE', details);
}

function decideBoth(source: Entry, target: Entry, situation: Situation): Action {
  const { policy } = situation;
  const finding = compareContent(source, target, situation);
  if (finding.isSame) {
    const { evidence } = finding;
    return { kind: 'same', evidence, weak: isBySize(evidence) && source.sizeBytes > 0 };
  }
  if (policy.mode === 'check') return { kind: 'different', details: finding.details };
  if (policy.targetNewer === 'skip' && isNewer(target, source, situation.timeToleranceMs)) {
    return { kind: 'skipped', reason: 'target-newer' };
  }
  return (
    unreadable(source, policy) ?? { kind: 'copy', reason: 'changed', expect: overwriteExpectation(target, situation) }
  );
}

/** There is only one content of no bytes; of any other a size proves nothing. */
function isBySize(evidence: Evidence): boolean {
  return evidence === 'size' || evidence === 'size-and-time';
}

/** What a write that replaces `target` must expect, so that a state nobody has seen is never replaced. */
export function overwriteExpectation(
  { identity }: Pick<Entry, 'identity'>,
  { targetMatchable }: Pick<Situation, 'targetMatchable'>,
): Expectation {
  const isPinned = identity.etag !== null || identity.versionId !== null;
  return targetMatchable && isPinned ? { kind: 'match', identity } : { kind: 'any' };
}

type Finding =
  { readonly isSame: true; readonly evidence: Evidence } | { readonly isSame: false; readonly details: string };

/**
 * Evidence in the order of its strength. A digest known to differ beats everything except the snapshot of content that
 * the provider itself rewrites (VM), whose digests differ by nature, and of content that was proved to be the same in
 * exactly these two states: what a listing calls a digest need not be one (ETags of S3 under a key of KMS look like MD5).
 */
function compareContent(source: Entry, target: Entry, situation: Situation): Finding {
  const { previous } = situation;
  const isKnownRewritten = previous?.verification === 'VM';
  const isInSnapshot =
    previous !== null && isSameState(previous.source, source) && isSameState(previous.target, target);
  if (isInSnapshot && isKnownRewritten) return { isSame: true, evidence: 'snapshot' };
  if (isInSnapshot && isProvedBefore(previous, source, target)) return { isSame: true, evidence: 'snapshot' };

  if (source.sizeBytes !== target.sizeBytes) {
    return differs(`The source has ${source.sizeBytes} bytes, the target has ${target.sizeBytes}.`);
  }
  const contradicting = differingDigest(source, target);
  if (contradicting !== null) return differs(`The ${contradicting} digests differ.`);
  const isKnownBySize = isInSnapshot && previous.verification === 'V0';
  if (isInSnapshot && !isKnownBySize) return { isSame: true, evidence: 'snapshot' };
  if (hasEqualDigest(source, target)) return { isSame: true, evidence: 'digest' };
  // However often it is looked at: what rested on the size alone still does.
  if (isKnownBySize) return { isSame: true, evidence: 'size' };
  if (isRecordedCopy(source, target) && !isRewritten(previous, source, target)) {
    // Whoever left the mark knew no more than the size where it does not say more.
    const isProved = target.recorded?.isProved ?? !situation.mayCopyByReference;
    return isProved ? { isSame: true, evidence: 'recorded' } : { isSame: true, evidence: 'size' };
  }
  return compareTimes(source, target, situation);
}

/** Size is equal here and nothing stronger is known. */
function compareTimes(source: Entry, target: Entry, situation: Situation): Finding {
  const { previous, targetKeepsSourceTime, timeToleranceMs } = situation;
  if (previous !== null && isOtherState(previous.source, source)) {
    return differs('The source was written to since the last run, and nothing proves that its content is the same.');
  }
  if (source.modifiedAtMs === null || target.modifiedAtMs === null) {
    return differs('The sizes are equal, but one side has no modification time and nothing else proves the content.');
  }
  if (targetKeepsSourceTime) {
    if (Math.abs(source.modifiedAtMs - target.modifiedAtMs) <= timeToleranceMs) {
      return { isSame: true, evidence: 'size-and-time' };
    }
    return differs('The sizes are equal, but the modification times differ.');
  }
  if (previous !== null && isOtherState(previous.target, target)) {
    return differs('The target was written to since the last run, and nothing proves that its content is the same.');
  }
  // No tolerance: a change within it would go unnoticed for ever, while copying once too often costs only time.
  if (target.modifiedAtMs >= source.modifiedAtMs) return { isSame: true, evidence: 'size' };
  return differs('The sizes are equal, but the source was written to after the target.');
}

/**
 * What is known of this version. What was put before its store kept versions has a name that it shares with whatever
 * replaces it, so a name alone is not enough; and it may have been seen when it had no name at all.
 */
export function knownVersion(rows: readonly SnapshotRow[], source: Entry): SnapshotRow | null {
  const { versionId } = source.identity;
  const named = rows.find((row) => row.source.versionId === versionId && !isOtherState(row.source, source));
  if (named !== undefined || versionId === null) return named ?? null;
  const isUnnamed = ({ source: mark }: SnapshotRow): boolean =>
    mark.versionId === null && mark.modifiedAtMs === source.modifiedAtMs && isSameState(mark, source);
  return rows.find(isUnnamed) ?? null;
}

/** The copy was proved by more than its size, and both states are known by their own tokens, not by size and time. */
function isProvedBefore(previous: SnapshotRow, source: Entry, target: Entry): boolean {
  const isPinned = (mark: StateMark, { identity }: Entry): boolean =>
    (mark.etag !== null && identity.etag !== null) || (mark.versionId !== null && identity.versionId !== null);
  return previous.verification !== 'V0' && isPinned(previous.source, source) && isPinned(previous.target, target);
}

/** The entry is in the state that the mark describes: by ETag where both have one, else by size and time. */
function isSameState(mark: StateMark, entry: Entry): boolean {
  if (mark.sizeBytes !== entry.sizeBytes || isOtherState(mark, entry)) return false;
  if (mark.etag !== null && entry.identity.etag !== null) return true;
  if (mark.versionId !== null && entry.identity.versionId !== null) return true;
  return mark.modifiedAtMs !== null && mark.modifiedAtMs === entry.modifiedAtMs;
}

/** The entry is certainly in another state. Listings may leave versions out, so absence says nothing. */
function isOtherState(mark: StateMark, entry: Entry): boolean {
  const { etag, versionId } = entry.identity;
  if (mark.etag !== null && etag !== null && mark.etag !== etag) return true;
  return mark.versionId !== null && versionId !== null && mark.versionId !== versionId;
}

function differingDigest(a: Entry, b: Entry): DigestKind | null {
  for (const kind of DIGEST_KINDS) {
    const [x, y] = [a.digests[kind], b.digests[kind]];
    if (x !== undefined && y !== undefined && x !== y) return kind;
  }
  return null;
}

function hasEqualDigest(a: Entry, b: Entry): boolean {
  if (DIGEST_KINDS.some((kind) => a.digests[kind] !== undefined && a.digests[kind] === b.digests[kind])) return true;
  const [x, y] = [a.composite, b.composite];
  // Unequal composites say nothing: the same number of parts may have been cut at other places.
  return x !== null && y !== null && x.kind === y.kind && x.partCount === y.partCount && x.value === y.value;
}

/** A run left another state of the target for this one of the source. Whoever wrote since may have kept the mark. */
function isRewritten(previous: SnapshotRow | null, source: Entry, target: Entry): boolean {
  return previous !== null && isSameState(previous.source, source) && isOtherState(previous.target, target);
}

/** The sizes of both sides are equal here, so that of the record is compared with both at once. */
function isRecordedCopy(source: Entry, target: Entry): boolean {
  const { recorded } = target;
  return recorded !== null && isSameState(recorded, source);
}

/**
 * Both without the digests that a copy which nothing but its size spoke for had only been told, and told on: that they are
 * those of the other side says nothing about its bytes. That they are others does.
 */
export function withoutClaims(source: Entry, target: Entry): { readonly source: Entry; readonly target: Entry } {
  return { source: withoutClaimed(source, target), target: withoutClaimed(target, source) };
}

function withoutClaimed(entry: Entry, other: Entry): Entry {
  if (entry.recorded?.isProved !== false) return entry;
  const digests = Object.fromEntries(
    Object.entries(entry.digests).filter(([kind, value]) => other.digests[kind as DigestKind] !== value),
  );
  return { ...entry, digests };
}

/** What the target tells of itself proves that it is a copy of this state of the source. */
export function isCopyOf(source: Entry, target: Entry): boolean {
  if (source.sizeBytes !== target.sizeBytes) return false;
  return isRecordedCopy(source, target) || (hasEqualDigest(source, target) && differingDigest(source, target) === null);
}

export function isNewer(target: Entry, source: Entry, timeToleranceMs: number): boolean {
  if (target.modifiedAtMs === null || source.modifiedAtMs === null) return false;
  return target.modifiedAtMs > source.modifiedAtMs + timeToleranceMs;
}

/** `null` when the content can be read right now. */
function unreadable(source: Entry, policy: Policy): Action | null {
  if (source.availability === 'online') return null;
  if (policy.archived !== 'report') return { kind: 'restore' };
  const where = source.storageClass === null ? 'archived' : `in the storage class ${source.storageClass}`;
  const details =
    source.availability === 'restoring'
      ? `It is ${where} and being restored; it cannot be read yet.`
      : `It is ${where} and must be restored before it can be read.`;
  return unsupported('ARCHIVED', details);
}

function opaqueWords(source: Entry): string {
  if (source.nativeType === 'older-versions') {
    return 'It has more versions than can be copied of one key; the newest are copied, the older ones stay at the source.';
  }
  return `It is a ${source.nativeType ?? 'special entry'}, which has no bytes of its own to copy.`;
}

function kindWords(entry: Entry): string {
  if (entry.kind === 'opaque') return `a ${entry.nativeType ?? 'special entry'}`;
  return entry.kind === 'folder' ? 'a folder' : 'an object';
}

function differs(details: string): Finding {
  return { isSame: false, details };
}

function unsupported(code: ErrorCode, details: string): Action {
  return { kind: 'unsupported', code, details };
}
