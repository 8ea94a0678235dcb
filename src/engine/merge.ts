/** The three-way merge of source, target and the last run's snapshot, one key at a time, in byte order. */
import type { Entry } from '../model/entry.ts';
import { compareKeys } from '../model/key.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import type { EntryStream } from './scan.ts';

/** Everything known about one key. `sources` holds more than one entry only when all versions are copied. */
export interface Meeting {
  readonly key: string;
  readonly sources: readonly Entry[];
  readonly target: Entry | null;
  readonly previous: readonly SnapshotRow[];
}

export interface SnapshotStream {
  peek(): SnapshotRow | null | undefined;
  take(): void;
  fill(): Promise<void>;
}

/** `untilSourceEnds`: what only the target has after the last source key is not wanted. */
export async function* merge(
  source: EntryStream,
  target: EntryStream,
  previous: SnapshotStream,
  untilSourceEnds: boolean,
): AsyncGenerator<Meeting> {
  for (;;) {
    let sourceHead = source.peek();
    if (sourceHead === undefined) {
      await source.fill();
      sourceHead = source.peek();
    }
    if (sourceHead === null && untilSourceEnds) return;
    let targetHead = target.peek();
    if (targetHead === undefined) {
      await target.fill();
      targetHead = target.peek();
    }
    if (!sourceHead && !targetHead) return;
    const key = leastKey(sourceHead, targetHead);
    const sources: Entry[] = [];
    if (sourceHead?.key === key) await takeAll(source, key, sources);
    const targetEntry = targetHead?.key === key ? targetHead : null;
    if (targetEntry !== null) target.take();
    yield { key, sources, target: targetEntry, previous: await rowsFor(previous, key) };
  }
}

function leastKey(a: Entry | null | undefined, b: Entry | null | undefined): string {
  if (!a) return (b as Entry).key;
  if (!b) return a.key;
  return compareKeys(a.key, b.key) <= 0 ? a.key : b.key;
}

async function takeAll(stream: EntryStream, key: string, into: Entry[]): Promise<void> {
  for (;;) {
    const head = stream.peek();
    if (head === undefined) {
      // The next page is awaited only where a further version of this key could be on it.
      await stream.fill();
      continue;
    }
    if (head === null || head.key !== key) return;
    into.push(head);
    stream.take();
  }
}

const NO_ROWS: readonly SnapshotRow[] = [];

async function rowsFor(previous: SnapshotStream, key: string): Promise<readonly SnapshotRow[]> {
  let rows: SnapshotRow[] | null = null;
  for (;;) {
    let head = previous.peek();
    if (head === undefined) {
      await previous.fill();
      head = previous.peek();
    }
    if (!head) return rows ?? NO_ROWS;
    const order = compareKeys(head.key, key);
    if (order > 0) return rows ?? NO_ROWS;
    if (order === 0) (rows ??= []).push(head);
    previous.take();
  }
}
