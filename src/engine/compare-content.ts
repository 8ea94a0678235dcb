/**
 * Where no digest that both sides tell can be compared, equal sizes prove nothing and times may lie: then bytes are read
 * and hashed once. Where the source lists no digests (a folder) and the target does, always; of the target, and of both
 * sides where neither tells any, when `read-back` was asked for. The next run has a snapshot, which proves it without
 * reading.
 */
import { COMPUTABLE_DIGESTS } from '../lib/hash.ts';
import { DIGEST_KINDS, type DigestKind } from '../model/digest.ts';
import type { Entry } from '../model/entry.ts';
import type { RunContext } from './context.ts';
import { retryWorldOf, takeOf } from './copy-context.ts';
import type { Action } from './decide.ts';
import type { SideName } from './denials.ts';
import { atSide } from './failure-facts.ts';
import { SMALL_BYTES_MAX } from './limits.ts';
import { CHOSEN_DIGEST, digestOf } from './read-back.ts';

export interface ContentToRead {
  readonly kind: DigestKind;
  readonly source: boolean;
  readonly target: boolean;
}

/** What to read, or `null` when the decision needs nothing, or nothing would help. `isUnread`: no digest is enough. */
export function contentToRead(
  context: RunContext,
  source: Entry | null,
  target: Entry | null,
  action: Action,
  isUnread = false,
): ContentToRead | null {
  if (source === null || target === null || source.kind !== 'object' || target.kind !== 'object') return null;
  if (source.sizeBytes !== target.sizeBytes || source.availability !== 'online') return null;
  if (isUnread) return ofBoth(context, source, target, true);
  // Only what is told by both can be compared, and then it has been.
  if (DIGEST_KINDS.some((kind) => source.digests[kind] !== undefined && target.digests[kind] !== undefined))
    return null;
  return ofSource(context, target, action) ?? (isOpen(action) ? ofBoth(context, source, target, false) : null);
}

function ofSource({ source, policy }: RunContext, target: Entry, action: Action): ContentToRead | null {
  const mayBeSettled =
    isOpen(action) ||
    (action.kind === 'copy' && action.reason === 'changed') ||
    (action.kind === 'skipped' && action.reason === 'target-newer');
  // Reading a whole store again to compare it is what `check` is asked for; a run would rather copy.
  const isCheap = source.traits.listedDigests.length === 0;
  if (!mayBeSettled || !(isCheap || policy.mode === 'check')) return null;
  const kind = COMPUTABLE_DIGESTS.find((one) => target.digests[one] !== undefined);
  return kind === undefined ? null : { kind, source: true, target: false };
}

function isOpen(action: Action): boolean {
  return (action.kind === 'same' && action.weak) || action.kind === 'different';
}

function ofBoth(context: RunContext, source: Entry, target: Entry, isUnread: boolean): ContentToRead | null {
  const { policy, readBack } = context;
  if (policy.verify !== 'read-back' || policy.dryRun) return null;
  // What a cold class keeps cannot be read: that stays weak.
  if (readBack === undefined || readBack === null || target.availability !== 'online') return null;
  const told = COMPUTABLE_DIGESTS.find((one) => (source.digests[one] ?? target.digests[one]) !== undefined);
  const kind = told ?? CHOSEN_DIGEST;
  return { kind, source: source.digests[kind] === undefined, target: isUnread || target.digests[kind] === undefined };
}

/** Both with the digest of their bytes, read now from exactly those states. CHANGED, EARLY_END and what reading gives. */
export async function withContentRead(
  context: RunContext,
  source: Entry,
  target: Entry,
  reading: ContentToRead,
): Promise<{ readonly source: Entry; readonly target: Entry }> {
  const { signal, readBack } = context;
  const how = { retry: retryWorldOf(context), take: takeOf(context, signal), signal };
  const leave = source.sizeBytes > SMALL_BYTES_MAX ? await context.largeGate.enter(signal) : null;
  const read = async (reader: RunContext['source'], entry: Entry, side: SideName): Promise<Entry> => {
    const digest = await atSide(side, () => digestOf(reader, entry, reading.kind, how));
    // What was read needs no mark to speak for it.
    return { ...entry, digests: { ...entry.digests, [reading.kind]: digest }, recorded: null };
  };
  try {
    return {
      source: reading.source ? await read(context.source, source, 'source') : source,
      target: reading.target && readBack ? await read(readBack, target, 'target') : target,
    };
  } finally {
    leave?.();
  }
}
