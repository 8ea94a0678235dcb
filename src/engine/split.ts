/** Where to cut a segment so that whoever has nothing to do gets about half of what is left of it. */
import type { Source } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import { asciiHead, compareKeys, isWithin, keyAfter } from '../model/key.ts';
import { SHARED_REST_BYTES_MIN, SHARED_REST_ITEMS_MIN, SPLIT_PROBES_MAX } from './limits.ts';
import type { SegmentRecord } from './ports.ts';
import { rowsBetween, type Knowledge, type SnapshotIndex } from './snapshot.ts';

const LAST_ASCII = 0x7e;

/** The segment can be cut at this key: something may be left of it on both sides. */
export function hasLeft({ from, to, checkpoint }: SegmentRecord, at: string): boolean {
  const settledKey = checkpoint?.settledKey ?? null;
  const isAfter = (bound: string | null): boolean => bound === null || compareKeys(bound, at) < 0;
  return isAfter(from) && isAfter(settledKey) && (to === null || compareKeys(at, to) < 0);
}

/** What an item costs beside its bytes, as bytes. */
const ITEM_BYTES = SHARED_REST_BYTES_MIN / SHARED_REST_ITEMS_MIN;

/** The key at which half of these begins, by bytes and by number; `null` where so little is not worth a cut. */
export function middleOf(entries: readonly Entry[]): string | null {
  const bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (entries.length < SHARED_REST_ITEMS_MIN && bytes < SHARED_REST_BYTES_MIN) return null;
  let before = 0;
  for (const { key, sizeBytes } of entries) {
    if (before * 2 >= bytes + entries.length * ITEM_BYTES) return key;
    before += sizeBytes + ITEM_BYTES;
  }
  return entries.length < 2 ? null : (entries.at(-1)?.key ?? null);
}

export interface CutSearch {
  readonly source: Source;
  /** The cut must lie behind this key … */
  readonly after: string;
  /** … and before this one. */
  readonly to: string | null;
  /** What the last run found: it knows where the keys are dense. */
  readonly previous: Pick<Knowledge, 'snapshot'>;
  readonly signal: AbortSignal;
}

export interface Cut {
  /**
   * A key with listing left on both sides. Plain ASCII: there every store's idea of order is the same. `null` when none
   * was found.
   */
  readonly key: string | null;
  /** Everything behind `after`, where that is so little that it came while the cut was looked for. */
  readonly all: readonly Entry[] | null;
}

interface Probe {
  readonly entries: readonly Entry[];
  /** There is no more in the range. */
  readonly isWhole: boolean;
}

/** The first of the keys that differ from another one early. */
interface Branch {
  readonly key: string;
  /** The character in which it differs. */
  readonly depth: number;
  /** What begins with it. */
  readonly page: Probe;
}

/**
 * Asks the source only for single pages, not more than `SPLIT_PROBES_MAX`. From the last run's keys where it knows them.
 * Else a cut by the characters of the names is weighed: a page on either side of it says which side is short, and the
 * cut moves to the other one, until both are long or everything is known.
 */
export async function findCut(search: CutSearch): Promise<Cut> {
  const { after, to, previous } = search;
  const pages = new Pages(search.source, search.signal);
  const known = usable(knownMiddle(previous.snapshot, after, to), after, to);
  if (known !== null && (await pages.from(known, to)).entries.length > 0) return { key: known, all: null };
  /** Everything in `(after, low]`, and everything in `[high, to)`. */
  const head: Entry[] = [];
  let tail: readonly Entry[] = [];
  let [low, high] = [after, to];
  let near = await pages.from(keyAfter(low), high);
  let best: string | null = null;
  for (;;) {
    if (near.isWhole) return { key: best, all: [...head, ...near.entries, ...tail] };
    const branch = await nextBranch(pages, low, high);
    if (branch === null) return { key: best, all: null };
    const middle = branch.page.isWhole ? null : await middleKey(pages, low, high, branch);
    const cut = middle ?? branch.key;
    const right = middle === null ? branch.page : await pages.from(cut, high);
    best = usable(cut, after, to) ?? best;
    if (pages.isSpent) return { key: best, all: null };
    const isShort = compareKeys(near.entries.at(-1)?.key ?? low, cut) >= 0;
    if (!isShort && !right.isWhole) return { key: best, all: null };
    if (isShort) {
      head.push(...near.entries.filter(({ key }) => compareKeys(key, cut) < 0));
      if (right.isWhole) return { key: best, all: [...head, ...right.entries, ...tail] };
      head.push(...right.entries);
      low = head.at(-1)?.key ?? low;
      near = await pages.from(keyAfter(low), high);
    } else {
      tail = [...right.entries, ...tail];
      high = cut;
    }
  }
}

/** Single pages of a listing, so many of them at most, and the characters their keys are made of. */
class Pages {
  readonly #source: Source;
  readonly #signal: AbortSignal;
  readonly #characters = new Set<number>();
  #asked = 0;

  constructor(source: Source, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  /** No more may be asked for; then a page is an empty one of which nothing is known. */
  get isSpent(): boolean {
    return this.#asked >= SPLIT_PROBES_MAX;
  }

  async from(from: string, to: string | null): Promise<Probe> {
    if (this.isSpent) return { entries: [], isWhole: false };
    this.#asked += 1;
    for await (const page of this.#source.scan({ from, to, resume: null }, this.#signal)) {
      const entries = page.entries.filter(({ key }) => isWithin(key, from, to));
      if (entries.length === 0 && !page.complete) continue;
      for (let at = 0; at < entries.length; at += SAMPLED_EVERY) {
        const { key } = entries[at] as Entry;
        for (let i = 0; i < key.length; i++) this.#characters.add(key.charCodeAt(i));
      }
      return { entries, isWhole: page.complete };
    }
    return { entries: [], isWhole: false };
  }

  async firstFrom(from: string, to: string | null): Promise<string | null> {
    return (await this.from(from, to)).entries[0]?.key ?? null;
  }

  /** ASCII characters above `low` that keys were seen to have; all of them where none was. */
  charactersAbove(low: number): readonly number[] {
    const seen = [...this.#characters].filter((one) => one > low && one <= LAST_ASCII).toSorted((a, b) => a - b);
    return seen.length > 0 ? seen : Array.from({ length: LAST_ASCII - low }, (_, i) => low + 1 + i);
  }
}

/** Keys of one page that are looked at for their characters. */
const SAMPLED_EVERY = 8;

/** As plain ASCII, if it still lies between the bounds then. */
function usable(key: string | null, after: string, to: string | null): string | null {
  const cut = asciiHead(key ?? '');
  return compareKeys(cut, after) > 0 && (to === null || compareKeys(cut, to) < 0) ? cut : null;
}

/** Where half of the rows begins that the last run had in this range; `null` where it had few. */
function knownMiddle(previous: SnapshotIndex | null, after: string, to: string | null): string | null {
  const stretches = rowsBetween(previous, after, to);
  const rows = stretches.reduce((sum, { rowCount }) => sum + rowCount, 0);
  if (stretches.length < 2) return null;
  let before = 0;
  for (const { first, rowCount } of stretches) {
    if (before * 2 >= rows) return first;
    before += rowCount;
  }
  return stretches.at(-1)?.first ?? null;
}

/**
 * Of the keys in `(after, to)` the first that differs from `after` as early as any of them does. What goes on with
 * anything but ASCII is passed over: it comes last of its like, and no cut can be made there.
 */
async function nextBranch(pages: Pages, after: string, to: string | null): Promise<Branch | null> {
  const head = asciiHead(after);
  const end = head.indexOf(String.fromCharCode(LAST_ASCII + 1));
  let [least, most] = [0, (end < 0 ? head.length : end) - 1];
  let branch: Branch | null = null;
  while (least <= most && !pages.isSpent) {
    const tried = (least + most) >> 1;
    const bound = head.slice(0, tried) + String.fromCharCode(head.charCodeAt(tried) + 1);
    const page = await pages.from(bound, to);
    const key = page.entries[0]?.key;
    const depth = key === undefined ? -1 : sharedLength(key, after);
    if (key === undefined || key.charCodeAt(depth) > LAST_ASCII) least = tried + 1;
    else {
      branch = { key, depth, page };
      most = depth - 1;
    }
  }
  return branch;
}

function sharedLength(a: string, b: string): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at += 1;
  return at;
}

/** The first key about half-way between a branch and the last of those beside it. */
async function middleKey(
  pages: Pages,
  after: string,
  to: string | null,
  { key, depth }: Branch,
): Promise<string | null> {
  const head = after.slice(0, depth);
  const low = key.charCodeAt(depth);
  const characters = pages.charactersAbove(low);
  let [least, most] = [0, characters.length - 1];
  let highest = -1;
  while (least <= most && !pages.isSpent) {
    const tried = (least + most) >> 1;
    const found = await pages.firstFrom(head + String.fromCharCode(characters[tried] as number), to);
    if (found === null || !found.startsWith(head)) most = tried - 1;
    else {
      highest = tried;
      least = tried + 1;
    }
  }
  const half = characters[highest >> 1];
  return highest < 0 || half === undefined ? null : pages.firstFrom(head + String.fromCharCode(half), to);
}
