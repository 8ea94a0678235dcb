/** Both sides of a segment as streams in byte order, from where its holder before left off. */
import type { Lister, Source } from '../contract/provider.ts';
import { DroverError } from '../model/errors.ts';
import { keyAfter } from '../model/key.ts';
import type { Json } from '../model/json.ts';
import { chunkPrefix } from './chunks.ts';
import type { RunContext } from './context.ts';
import { HoldBack } from './hold-back.ts';
import type { Lease } from './ports.ts';
import { ArrayStream, listFrom, ListingStream, type EntryStream } from './scan.ts';
import { isSortedMark, sortedScan } from './sorted-scan.ts';

export interface SegmentStreams {
  readonly source: EntryStream;
  /** The listing behind it; `null` where it is sorted. */
  readonly sourceListing: ListingStream | null;
  readonly target: EntryStream;
  readonly targetListing: ListingStream | null;
  /** Where the target cannot hold an object beside a folder of its name. */
  readonly heldBack: HoldBack | null;
}

export function openStreams(context: RunContext, lease: Lease): SegmentStreams {
  const { source, target, sorting, rules, signal } = context;
  const keepVersions = context.run.definition.policy.versions === 'all';
  const { checkpoint } = lease.segment;
  // What an earlier process found out about a listing's order holds for this one: it settled by the sorted order.
  if (isSortedMark(checkpoint?.sourceCursor)) sorting.source = true;
  if (isSortedMark(checkpoint?.targetCursor)) sorting.target = true;
  const plain = streamOf(context, lease, source, 'source', keepVersions, checkpoint?.sourceCursor ?? null);
  const isHeldBack = !rules.objectAndPrefix && rules.caseSensitive && !keepVersions;
  const heldBack = isHeldBack ? new HoldBack(plain, (prefix) => hasAny(source, prefix, signal)) : null;
  const other = streamOf(context, lease, target, 'target', false, checkpoint?.targetCursor ?? null);
  return {
    source: heldBack ?? plain,
    sourceListing: plain instanceof ListingStream ? plain : null,
    target: other,
    targetListing: other instanceof ListingStream ? other : null,
    heldBack,
  };
}

function streamOf(
  context: RunContext,
  { segment, epoch }: Lease,
  lister: Lister & { readonly traits: { readonly order: string; readonly seek: string } },
  side: 'source' | 'target',
  keepRepeated: boolean,
  cursor: Json,
): EntryStream {
  const settledKey = segment.checkpoint?.settledKey ?? null;
  const { artifacts } = context.world;
  if (context.sorting[side] || lister.traits.order === 'none') {
    const from = settledKey === null ? segment.from : keyAfter(settledKey);
    const prefix = `${chunkPrefix(segment.runId)}sorting/${segment.segmentId}-${epoch}-${side}/`;
    return new ArrayStream(
      sortedScan(lister, { from, to: segment.to }, { artifacts, prefix }, keepRepeated, context.signal),
      segment.to,
    );
  }
  const resume = lister.traits.seek === 'key' ? null : cursor;
  const from = listFrom(segment.from, settledKey);
  return new ListingStream(lister, { from, to: segment.to, resume }, context.signal, {
    repeatedKeys: keepRepeated ? 'keep' : 'drop',
    onDisorder: () => (context.sorting[side] = true),
    after: settledKey,
  });
}

async function hasAny(source: Source, prefix: string, signal: AbortSignal): Promise<boolean> {
  const end = `${prefix.slice(0, -1)}0`;
  for await (const page of source.scan({ from: prefix, to: end, resume: null }, signal)) {
    if (page.entries.length > 0) return true;
    if (page.complete) return false;
  }
  throw new DroverError('LISTING_INCOMPLETE', 'A listing stopped without saying that it was complete.');
}
