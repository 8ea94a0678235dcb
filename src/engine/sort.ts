/**
 * Sorting more than memory holds: runs of bounded size are sorted and spilled as chunks, then merged. The full item
 * is kept, so nothing has to be asked for again.
 */
import { readChunk, packLines } from './lines.ts';
import { SORT_ENTRIES_MAX } from './limits.ts';
import type { ArtifactStore } from './ports.ts';

/** Lines of one spilled run are read back in pieces of this many, so that merging many runs stays small. */
const PIECE_LINES = 2_000;

export class ExternalSort<T> {
  readonly #artifacts: ArtifactStore;
  readonly #prefix: string;
  readonly #compare: (a: T, b: T) => number;
  readonly #itemsMax: number;
  #items: T[] = [];
  #runs: string[][] = [];

  /** `prefix`: where spilled runs go; everything under it is removed by `clear`. */
  constructor(
    artifacts: ArtifactStore,
    prefix: string,
    compare: (a: T, b: T) => number,
    itemsMax: number = SORT_ENTRIES_MAX,
  ) {
    this.#artifacts = artifacts;
    this.#prefix = prefix;
    this.#compare = compare;
    this.#itemsMax = itemsMax;
  }

  async add(item: T): Promise<void> {
    this.#items.push(item);
    if (this.#items.length >= this.#itemsMax) await this.#spill();
  }

  /** Everything added, in order; equal items in the order they were added. */
  async *sorted(): AsyncGenerator<T> {
    this.#items.sort(this.#compare);
    const sources: Iterator<T>[] | AsyncIterator<T>[] = [
      ...this.#runs.map((names) => this.#readRun(names)),
      fromArray(this.#items),
    ];
    const heads: (T | undefined)[] = [];
    for (const source of sources) heads.push(await nextOf(source));
    for (;;) {
      let least = -1;
      for (let i = 0; i < heads.length; i++) {
        const head = heads[i];
        if (head === undefined) continue;
        if (least < 0 || this.#compare(head, heads[least] as T) < 0) least = i;
      }
      if (least < 0) return;
      yield heads[least] as T;
      heads[least] = await nextOf(sources[least] as AsyncIterator<T>);
    }
  }

  async clear(): Promise<void> {
    this.#items = [];
    this.#runs = [];
    await this.#artifacts.removeAll(this.#prefix);
  }

  async #spill(): Promise<void> {
    this.#items.sort(this.#compare);
    const names: string[] = [];
    for (let at = 0; at < this.#items.length; at += PIECE_LINES) {
      const name = `${this.#prefix}${this.#runs.length}/${String(names.length).padStart(8, '0')}`;
      const lines = this.#items.slice(at, at + PIECE_LINES).map((item) => JSON.stringify(item));
      await this.#artifacts.put(name, packLines(lines));
      names.push(name);
    }
    this.#runs.push(names);
    this.#items = [];
  }

  async *#readRun(names: readonly string[]): AsyncGenerator<T> {
    for (const name of names) {
      for (const line of await readChunk(this.#artifacts, name)) yield JSON.parse(line) as T;
    }
  }
}

async function* fromArray<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function nextOf<T>(source: AsyncIterator<T> | Iterator<T>): Promise<T | undefined> {
  const result = await source.next();
  return result.done === true ? undefined : result.value;
}
