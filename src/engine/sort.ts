/**
 * Sorting more than memory holds: runs of bounded size are sorted and spilled as chunks, then merged, a bounded number
 * at a time, in as many levels as it takes. The full item is kept, so nothing has to be asked for again.
 */
import { packLines, readChunk } from './lines.ts';
import { SORT_ENTRIES_MAX, SORT_PIECE_BYTES, SORT_RUNS_OPEN_MAX } from './limits.ts';
import type { ArtifactStore } from './ports.ts';

/** One spilled run: pieces that follow each other in order. */
interface SpilledRun {
  readonly number: number;
  readonly pieceCount: number;
  /** How many times its items were merged. While items are added, no run has a lower level than a younger one. */
  readonly level: number;
}

export class ExternalSort<T> {
  readonly #artifacts: ArtifactStore;
  readonly #prefix: string;
  readonly #compare: (a: T, b: T) => number;
  readonly #itemsMax: number;
  #items: T[] = [];
  /** In the order in which their items were added: merging neighbors keeps equal items in that order. */
  #runs: SpilledRun[] = [];
  #nextRun = 0;

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

  /** Everything added, in order; equal items in the order they were added. May be read again until `clear`. */
  async *sorted(): AsyncGenerator<T> {
    this.#items.sort(this.#compare);
    // One is kept free for what is still in memory.
    while (this.#runs.length >= SORT_RUNS_OPEN_MAX) await this.#mergeYoungest();
    yield* this.#merged([...this.#runs.map((run) => this.#readRun(run)), fromArray(this.#items)]);
  }

  async clear(): Promise<void> {
    this.#items = [];
    this.#runs = [];
    await this.#artifacts.removeAll(this.#prefix);
  }

  async #spill(): Promise<void> {
    const items = this.#items.sort(this.#compare);
    this.#items = [];
    this.#runs.push(await this.#writeRun(fromArray(items), 0));
    // As many of one level as may be open become one of the next: every item is rewritten once per level.
    while (this.#runs.at(-SORT_RUNS_OPEN_MAX)?.level === this.#runs.at(-1)?.level) await this.#mergeYoungest();
  }

  /** Replaces the youngest runs, as many as may be open at once, by one. */
  async #mergeYoungest(): Promise<void> {
    const runs = this.#runs.splice(-SORT_RUNS_OPEN_MAX);
    const level = (runs[0] as SpilledRun).level + 1;
    this.#runs.push(await this.#writeRun(this.#merged(runs.map((run) => this.#readRun(run))), level));
    for (const run of runs) await this.#artifacts.removeAll(this.#folderOf(run.number));
  }

  /** By the first of each source; of equal ones that of the earlier source. */
  async *#merged(sources: readonly AsyncIterator<T>[]): AsyncGenerator<T> {
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

  /** In pieces of few bytes, because a piece of every open run is in memory while they are merged. */
  async #writeRun(items: AsyncIterable<T>, level: number): Promise<SpilledRun> {
    const number = this.#nextRun++;
    let pieceCount = 0;
    let lines: string[] = [];
    let sizeBytes = 0;
    const write = async (): Promise<void> => {
      await this.#artifacts.put(this.#pieceName(number, pieceCount++), packLines(lines));
      lines = [];
      sizeBytes = 0;
    };
    for await (const item of items) {
      const line = JSON.stringify(item);
      lines.push(line);
      sizeBytes += line.length + 1;
      if (sizeBytes >= SORT_PIECE_BYTES) await write();
    }
    if (lines.length > 0) await write();
    return { number, pieceCount, level };
  }

  async *#readRun({ number, pieceCount }: SpilledRun): AsyncGenerator<T> {
    for (let piece = 0; piece < pieceCount; piece++) {
      for (const line of await readChunk(this.#artifacts, this.#pieceName(number, piece))) yield JSON.parse(line) as T;
    }
  }

  #pieceName(run: number, piece: number): string {
    return `${this.#folderOf(run)}${String(piece).padStart(8, '0')}`;
  }

  #folderOf(run: number): string {
    return `${this.#prefix}${run}/`;
  }
}

async function* fromArray<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function nextOf<T>(source: AsyncIterator<T>): Promise<T | undefined> {
  const result = await source.next();
  return result.done === true ? undefined : result.value;
}
