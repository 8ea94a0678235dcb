/**
 * One side's listing as an ordered stream that can be looked at before it is taken. It checks the promises a listing
 * makes: order, each key once, and an end that says `complete`. What breaks the order is a LISTING_DISORDERED.
 */
import type { Lister, Page, ScanRange } from '../contract/provider.ts';
import { DroverError } from '../model/errors.ts';
import type { Entry } from '../model/entry.ts';
import { compareKeys, isWithin, keyAfter } from '../model/key.ts';
import type { Json } from '../model/json.ts';

export interface EntryStream {
  /** The next entry without taking it, `null` at the complete end, `undefined` when `fill` must be awaited first. */
  peek(): Entry | null | undefined;
  take(): void;
  /** Waits until `peek` knows. */
  fill(): Promise<void>;
  /** Pages received so far. */
  readonly pages: number;
  /** The last key received, taken or not. */
  readonly reachedKey: string | null;
  /** The end of the range may come nearer while it is read (a split): entries at or past it are not shown. */
  limit(to: string): void;
  close(): Promise<void>;
}

/** Entries of `[from, to)`; an entry with the same key as the one before is a version of it, or a repeated page's. */
export class ListingStream implements EntryStream {
  readonly #pagesIterator: AsyncIterator<Page>;
  readonly #repeatedKeys: 'drop' | 'keep';
  readonly #onDisorder: () => void;
  /** Everything up to here was dealt with before. */
  readonly #after: string | null;
  #range: ScanRange;
  #buffer: readonly Entry[] = [];
  #at = 0;
  #next: Promise<IteratorResult<Page>> | null = null;
  #isComplete = false;
  #isClosed = false;
  #lastKey: string | null = null;
  #takenKey: string | null = null;
  pages = 0;
  /** Cursor of the last page of which every entry was taken. */
  takenCursor: Json = null;
  #pageCursor: Json = null;

  /**
   * `onDisorder` is told before LISTING_DISORDERED is thrown. `after`: entries up to this key are not shown; where the
   * listing goes on from a cursor they must have come before it.
   */
  constructor(
    lister: Lister,
    range: ScanRange,
    signal: AbortSignal,
    options: {
      readonly repeatedKeys: 'drop' | 'keep';
      readonly onDisorder?: () => void;
      readonly after?: string | null;
    },
  ) {
    this.#range = range;
    this.#repeatedKeys = options.repeatedKeys;
    this.#onDisorder = options.onDisorder ?? (() => undefined);
    this.#after = options.after ?? null;
    if (range.resume !== null) this.#lastKey = this.#after;
    this.#pagesIterator = lister.scan(range, signal)[Symbol.asyncIterator]();
  }

  get reachedKey(): string | null {
    return this.#lastKey;
  }

  limit(to: string): void {
    this.#range = { ...this.#range, to };
  }

  /** Its last page has come: nothing lies beyond what is in memory. */
  get isWhole(): boolean {
    return this.#isComplete;
  }

  /** What came and was not taken. */
  get rest(): readonly Entry[] {
    return this.#buffer.slice(this.#at).filter(({ key }) => !this.#isPastEnd(key));
  }

  peek(): Entry | null | undefined {
    if (this.#at < this.#buffer.length) {
      const entry = this.#buffer[this.#at] as Entry;
      return this.#isPastEnd(entry.key) ? null : entry;
    }
    return this.#isComplete ? null : undefined;
  }

  take(): void {
    const entry = this.#buffer[this.#at] as Entry;
    this.#takenKey = entry.key;
    this.#at += 1;
    if (this.#at === this.#buffer.length) this.takenCursor = this.#pageCursor;
  }

  async fill(): Promise<void> {
    while (this.peek() === undefined) {
      const result = await (this.#next ?? this.#pagesIterator.next());
      this.#next = null;
      if (result.done === true) {
        throw new DroverError('LISTING_INCOMPLETE', 'A listing stopped without saying that it was complete.');
      }
      const page = result.value;
      this.pages += 1;
      this.#buffer = this.#accept(page.entries);
      this.#at = 0;
      this.#pageCursor = page.cursor;
      if (this.#buffer.length === 0) this.takenCursor = page.cursor;
      if (page.complete) this.#isComplete = true;
      else if (!this.#isClosed) {
        // One page ahead, so that the next request travels while this page is worked on.
        this.#next = this.#pagesIterator.next();
        this.#next.catch(() => undefined);
      }
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#next?.catch(() => undefined);
    await this.#pagesIterator.return?.();
  }

  #isPastEnd(key: string): boolean {
    return this.#range.to !== null && compareKeys(key, this.#range.to) >= 0;
  }

  #accept(entries: readonly Entry[]): Entry[] {
    const accepted: Entry[] = [];
    for (const entry of entries) {
      if (!isWithin(entry.key, this.#range.from, this.#range.to)) continue;
      if (this.#lastKey !== null) {
        const order = compareKeys(entry.key, this.#lastKey);
        if (order === 0 && this.#repeatedKeys === 'drop') continue;
        if (order < 0) this.#refuse(entry.key);
      }
      this.#lastKey = entry.key;
      if (this.#after !== null && compareKeys(entry.key, this.#after) <= 0) continue;
      accepted.push(entry);
    }
    return accepted;
  }

  #refuse(key: string): never {
    this.#onDisorder();
    throw new DroverError(
      'LISTING_DISORDERED',
      `A listing gave ${JSON.stringify(key)} after ${JSON.stringify(this.#lastKey)}, out of byte order.`,
      { key: this.#takenKey },
    );
  }
}

/** A stream over entries that are in order already. */
export class ArrayStream implements EntryStream {
  readonly #entries: AsyncIterator<Entry>;
  #current: Entry | null | undefined = undefined;
  #to: string | null;
  readonly pages = 0;
  reachedKey: string | null = null;

  constructor(entries: AsyncIterable<Entry>, to: string | null) {
    this.#entries = entries[Symbol.asyncIterator]();
    this.#to = to;
  }

  limit(to: string): void {
    this.#to = to;
  }

  peek(): Entry | null | undefined {
    if (this.#current && this.#to !== null && compareKeys(this.#current.key, this.#to) >= 0) return null;
    return this.#current;
  }

  take(): void {
    this.#current = undefined;
  }

  async fill(): Promise<void> {
    if (this.#current !== undefined) return;
    const result = await this.#entries.next();
    this.#current = result.done === true ? null : result.value;
    if (this.#current) this.reachedKey = this.#current.key;
  }

  async close(): Promise<void> {
    await this.#entries.return?.();
  }
}

/**
 * Where a listing starts to see everything after `settledKey`. Stores that order otherwise than by bytes do so only from
 * the first character above U+D7FF on: from before it the listing shows its disorder, instead of skipping what it sorts
 * elsewhere.
 */
export function listFrom(from: string | null, settledKey: string | null): string | null {
  if (settledKey === null) return from;
  const at = settledKey.search(/[\ud800-\uffff]/);
  const head = at < 0 ? keyAfter(settledKey) : settledKey.slice(0, at);
  if (head === '') return from;
  return from === null || compareKeys(from, head) < 0 ? head : from;
}
