/**
 * The three-way merge of source, target and the last run's snapshot, one key at a time, in byte order. Whatever is in
 * memory already is merged without waiting: a promise per key would cost more than the merge itself.
 */
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
  /** The next row without taking it, `null` at the end, `undefined` when `fill` must be awaited first. */
  peek(): SnapshotRow | null | undefined;
  take(): void;
  fill(): Promise<void>;
}

export interface MergeOptions {
  /** What only the target has after the last source key is not wanted. */
  readonly untilSourceEnds: boolean;
  /** Several source entries of one key are versions that belong together. */
  readonly hasVersions: boolean;
}

const NO_ENTRIES: readonly Entry[] = [];
const NO_ROWS: readonly SnapshotRow[] = [];

export class Merge {
  readonly #source: EntryStream;
  readonly #target: EntryStream;
  readonly #previous: SnapshotStream;
  readonly #options: MergeOptions;
  /** Whom `fill` waits for. */
  #starved: { fill(): Promise<void> } | null = null;
  /** The meeting that is being put together. */
  #key: string | null = null;
  #sources: Entry[] | null = null;
  #meetingTarget: Entry | null = null;
  #rows: SnapshotRow[] | null = null;

  constructor(source: EntryStream, target: EntryStream, previous: SnapshotStream, options: MergeOptions) {
    this.#source = source;
    this.#target = target;
    this.#previous = previous;
    this.#options = options;
  }

  /** The next meeting, `null` at the complete end of what is wanted, `undefined` when `fill` must be awaited first. */
  poll(): Meeting | null | undefined {
    if (this.#key === null) {
      const begun = this.#begin();
      if (begun !== true) return begun;
    }
    const key = this.#key as string;
    if (this.#options.hasVersions && !this.#gatherVersions(key)) return undefined;
    if (!this.#gatherRows(key)) return undefined;
    const meeting = {
      key,
      sources: this.#sources ?? NO_ENTRIES,
      target: this.#meetingTarget,
      previous: this.#rows ?? NO_ROWS,
    };
    this.#key = null;
    this.#sources = null;
    this.#meetingTarget = null;
    this.#rows = null;
    return meeting;
  }

  /** Nothing was taken from a side that is not in a meeting yet. */
  get isBetweenKeys(): boolean {
    return this.#key === null;
  }

  async fill(): Promise<void> {
    await this.#starved?.fill();
  }

  #begin(): true | null | undefined {
    const source = this.#source.peek();
    if (source === undefined) return this.#wait(this.#source);
    if (source === null && this.#options.untilSourceEnds) return null;
    const target = this.#target.peek();
    if (target === undefined) return this.#wait(this.#target);
    const order = source === null ? 1 : target === null ? -1 : compareKeys(source.key, target.key);
    if (source === null && target === null) return null;
    if (order <= 0) {
      this.#key = (source as Entry).key;
      this.#sources = [source as Entry];
      this.#source.take();
    }
    if (order >= 0) {
      this.#key = (target as Entry).key;
      this.#meetingTarget = target;
      this.#target.take();
    }
    return true;
  }

  /** False when it must wait to know whether the next page has more versions of this key. */
  #gatherVersions(key: string): boolean {
    if (this.#sources === null) return true;
    for (;;) {
      const head = this.#source.peek();
      if (head === undefined) {
        this.#wait(this.#source);
        return false;
      }
      if (head === null || head.key !== key) return true;
      this.#sources.push(head);
      this.#source.take();
    }
  }

  #gatherRows(key: string): boolean {
    for (;;) {
      const head = this.#previous.peek();
      if (head === undefined) {
        this.#wait(this.#previous);
        return false;
      }
      if (head === null) return true;
      const order = compareKeys(head.key, key);
      if (order > 0) return true;
      if (order === 0) (this.#rows ??= []).push(head);
      this.#previous.take();
    }
  }

  #wait(stream: { fill(): Promise<void> }): undefined {
    this.#starved = stream;
  }
}
