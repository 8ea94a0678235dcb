/** What a further try may replace: what it was told to, what an earlier try of its own left, and nothing else. */
import type { Expectation } from '../contract/provider.ts';
import type { Entry, Identity } from '../model/entry.ts';
import { DroverError, type ErrorCode } from '../model/errors.ts';
import type { CopyContext, CopyOrder } from './copy-context.ts';
import type { RunContext } from './context.ts';
import type { Settled } from './chunks.ts';
import { isCopyOf, isNewer, overwriteExpectation } from './decide.ts';

/** What a write must expect where this is at the target. */
export function expectedNow(context: RunContext, target: Pick<Entry, 'identity'> | null): Expectation {
  return target === null ? { kind: 'absent' } : overwriteExpectation(target, context);
}

/** The same once this has settled; `null`: nothing was written. */
export function expectedAfter(context: RunContext, { records, rows }: Settled): Expectation | null {
  const written = records[0]?.result === 'copied' ? rows[0]?.target : undefined;
  if (written === undefined) return null;
  const { etag, versionId } = written;
  return expectedNow(context, { identity: { etag, versionId } });
}

/** What is known of the tries so far. */
export interface Tries {
  /** How the last one ended. */
  failedWith: ErrorCode | null;
  /** What one of them wrote and could not prove; taking it away may have failed. */
  refuted: Identity | null;
}

/** After these a write may have been carried out although nobody was told. */
const UNCERTAIN: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'UNREACHABLE', 'TIMED_OUT', 'UPLOAD_LOST']);

/**
 * What the next try must expect at the target, which looks like this now. ALREADY_EXISTS when that is the work of
 * somebody else: no one has compared it, so it is not replaced.
 */
export function expectationNow(
  context: CopyContext,
  order: CopyOrder,
  source: Entry,
  target: Entry | null,
  tries: Tries,
): Expectation {
  if (target === null) return { kind: 'absent' };
  const { expect } = order;
  if (expect.kind === 'match' && isSameIdentity(expect.identity, target.identity)) return expect;
  if (isOurs([order.entry, source], target, tries)) return { kind: 'match', identity: target.identity };
  const precisions = [context.source.traits.timePrecisionMs, context.target.traits.timePrecisionMs];
  const toleranceMs = Math.max(...precisions.map((precision) => precision ?? 0));
  const isToBeLeft = context.policy.targetNewer === 'skip' && isNewer(target, source, toleranceMs);
  const words = `The target was given ${isToBeLeft ? 'a newer' : 'another'} ${JSON.stringify(target.key)} while it was copied.`;
  throw new DroverError('ALREADY_EXISTS', words, {
    key: source.key,
    remedy: 'Run again: what is there now is then compared like everything else.',
    details: { reason: isToBeLeft ? 'target-newer' : 'target-changed' },
  });
}

/** An earlier try of ours put it there, as far as that can be told; what may be somebody else's is not ours. */
function isOurs(sources: readonly Entry[], target: Entry, tries: Tries): boolean {
  if (tries.refuted !== null && isSameIdentity(tries.refuted, target.identity)) return true;
  return sources.some((source) => {
    if (source.kind === 'folder')
      return target.kind === 'folder' || (target.sizeBytes === 0 && target.key.endsWith('/'));
    if (target.kind !== 'object') return false;
    if (isCopyOf(source, target)) return true;
    // Some stores tell nothing of the content: then the size must do, but only where we may have written.
    const isUncertain = tries.failedWith !== null && UNCERTAIN.has(tries.failedWith);
    return isUncertain && source.sizeBytes === target.sizeBytes;
  });
}

function isSameIdentity(a: Identity, b: Identity): boolean {
  if (a.etag !== null && b.etag !== null) return a.etag === b.etag;
  return a.versionId !== null && a.versionId === b.versionId;
}
