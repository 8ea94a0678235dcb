/** Where to cut a segment so that an idle lane can take the rest of it. */
import type { Source } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import { asciiHead, compareKeys } from '../model/key.ts';
import { SPLIT_PROBES_MAX } from './limits.ts';
import type { SegmentRecord } from './ports.ts';

const LAST_ASCII = 0x7e;

/** The segment can be cut at this key: something may be left of it on both sides. */
export function hasLeft({ from, to, checkpoint }: SegmentRecord, at: string): boolean {
  const settledKey = checkpoint?.settledKey ?? null;
  const isAfter = (bound: string | null): boolean => bound === null || compareKeys(bound, at) < 0;
  return isAfter(from) && isAfter(settledKey) && (to === null || compareKeys(at, to) < 0);
}

/**
 * A key strictly between `after` and the end of `[…, to)` with listing left on both sides, or `null` when none was
 * found within a few probes. The cut is plain ASCII: there every store's idea of order is the same.
 */
export async function findCut(
  source: Source,
  after: string,
  to: string | null,
  signal: AbortSignal,
): Promise<string | null> {
  let probes = 0;
  /** The first key of the source at or after `from`, inside the segment. */
  const firstFrom = async (from: string): Promise<string | null> => {
    probes += 1;
    const entry = await firstEntry(source, from, to, signal);
    return entry?.key ?? null;
  };
  // From the largest step to the smallest: another first character, then another second one, and so on.
  for (let depth = 0; depth < after.length && probes < SPLIT_PROBES_MAX; depth++) {
    const head = after.slice(0, depth);
    const current = after.charCodeAt(depth);
    if (current >= LAST_ASCII || asciiHead(head).length < head.length) continue;
    const next = await firstFrom(head + String.fromCharCode(current + 1));
    if (next === null || !next.startsWith(head)) continue;
    const cut = await middle(head, next.charCodeAt(depth), firstFrom, () => probes < SPLIT_PROBES_MAX);
    const usable = asciiHead(cut ?? next);
    if (compareKeys(usable, after) > 0 && (to === null || compareKeys(usable, to) < 0)) return usable;
  }
  return null;
}

/** The first key about half-way between `head + low` and the last character that still has keys. */
async function middle(
  head: string,
  low: number,
  firstFrom: (from: string) => Promise<string | null>,
  mayProbe: () => boolean,
): Promise<string | null> {
  let highest = low;
  let above = LAST_ASCII + 1;
  while (above - highest > 1 && mayProbe()) {
    const tried = Math.floor((highest + above) / 2);
    const found = await firstFrom(head + String.fromCharCode(tried));
    if (found === null || !found.startsWith(head)) above = tried;
    else highest = Math.max(tried, found.charCodeAt(head.length));
  }
  const half = Math.ceil((low + highest) / 2);
  return half <= low || !mayProbe() ? null : firstFrom(head + String.fromCharCode(half));
}

async function firstEntry(source: Source, from: string, to: string | null, signal: AbortSignal): Promise<Entry | null> {
  for await (const page of source.scan({ from, to, resume: null }, signal)) {
    const first = page.entries[0];
    if (first !== undefined) return first;
    if (page.complete) return null;
  }
  return null;
}
