/**
 * For targets that cannot hold an object `a` beside `a/b` (file systems, hierarchical accounts): an object's entry is
 * held back until it is known whether its name is also a folder's. Between `a` and `a/` only keys that start with `a`
 * can stand, so the wait is usually one entry; past a bound one probe of the listing settles it.
 */
import type { Entry } from '../model/entry.ts';
import { compareKeys } from '../model/key.ts';
import { HOLD_BACK_MAX } from './limits.ts';
import type { EntryStream } from './scan.ts';

export class HoldBack implements EntryStream {
  readonly #inner: EntryStream;
  /** Is there any key that starts with this prefix? One listing request. */
  readonly #probe: (prefix: string) => Promise<boolean>;
  /** Entries in order; the first is released when nothing about it is open. */
  #queue: Entry[] = [];
  /** Keys in the queue whose question is open, each a prefix of the next. */
  #open: string[] = [];
  readonly #conflicts = new Set<string>();
  #innerEnded = false;
  #to: string | null = null;

  constructor(inner: EntryStream, probe: (prefix: string) => Promise<boolean>) {
    this.#inner = inner;
    this.#probe = probe;
  }

  get pages(): number {
    return this.#inner.pages;
  }

  get reachedKey(): string | null {
    return this.#inner.reachedKey;
  }

  limit(to: string): void {
    this.#to = to;
    this.#inner.limit(to);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** True when an object that was shown is also a folder's name. Asked once for each entry taken. */
  isAlsoPrefix(key: string): boolean {
    return this.#conflicts.has(key);
  }

  forget(key: string): void {
    this.#conflicts.delete(key);
  }

  peek(): Entry | null | undefined {
    const head = this.#queue[0];
    if (head !== undefined) {
      if (this.#to !== null && compareKeys(head.key, this.#to) >= 0) return null;
      return this.#open.length > 0 && this.#open[0] === head.key ? undefined : head;
    }
    return this.#innerEnded ? null : undefined;
  }

  take(): void {
    this.#queue.shift();
  }

  async fill(): Promise<void> {
    while (this.peek() === undefined) {
      let entry = this.#inner.peek();
      if (entry === undefined) {
        await this.#inner.fill();
        entry = this.#inner.peek();
      }
      if (!entry) {
        this.#innerEnded = true;
        // What follows the end of this range was not seen; the question is open for names that reach past it.
        for (const key of this.#open) await this.#settleByProbe(key);
        this.#open = [];
        continue;
      }
      this.#inner.take();
      this.#see(entry);
      if (this.#queue.length > HOLD_BACK_MAX && this.#open[0] !== undefined) {
        await this.#settleByProbe(this.#open.shift() as string);
      }
    }
  }

  #see(entry: Entry): void {
    while (this.#open.length > 0) {
      const candidate = this.#open.at(-1) as string;
      if (entry.key.startsWith(candidate)) {
        if (entry.key[candidate.length] !== '/') break;
        this.#conflicts.add(candidate);
      }
      this.#open.pop();
    }
    this.#queue.push(entry);
    if (entry.kind === 'object' && !entry.key.endsWith('/')) this.#open.push(entry.key);
  }

  async #settleByProbe(key: string): Promise<void> {
    if (await this.#probe(`${key}/`)) this.#conflicts.add(key);
  }
}
