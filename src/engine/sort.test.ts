import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SORT_PIECE_BYTES, SORT_RUNS_OPEN_MAX } from './limits.ts';
import { unpackLines } from './lines.ts';
import type { ArtifactStore } from './ports.ts';
import { ExternalSort } from './sort.ts';

/** Artifacts in memory that know which runs are being read: begun, and not yet at their last piece. */
class WatchedArtifacts implements ArtifactStore {
  readonly chunks = new Map<string, Uint8Array>();
  readonly #unread = new Map<string, Set<string>>();
  openMax = 0;
  pieceBytesMax = 0;
  putCount = 0;

  async put(name: string, content: Uint8Array): Promise<void> {
    this.putCount += 1;
    this.chunks.set(name, content);
    const bytes = unpackLines(content).reduce((sum, line) => sum + line.length + 1, 0);
    this.pieceBytesMax = Math.max(this.pieceBytesMax, bytes);
  }

  async get(name: string): Promise<Uint8Array | null> {
    const run = name.slice(0, name.lastIndexOf('/') + 1);
    const unread = this.#unread.get(run) ?? new Set([...this.chunks.keys()].filter((one) => one.startsWith(run)));
    this.#unread.set(run, unread);
    this.openMax = Math.max(this.openMax, this.#unread.size);
    unread.delete(name);
    if (unread.size === 0) this.#unread.delete(run);
    return this.chunks.get(name) ?? null;
  }

  async list(prefix: string): Promise<readonly string[]> {
    return [...this.chunks.keys()].filter((name) => name.startsWith(prefix)).toSorted();
  }

  async removeAll(prefix: string): Promise<void> {
    for (const name of await this.list(prefix)) this.chunks.delete(name);
  }
}

interface Item {
  readonly rank: number;
  readonly number: number;
  readonly filling?: string;
}

const byRank = (a: Item, b: Item): number => a.rank - b.rank;

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('sorting more than memory holds', () => {
  it('reads a bounded number of runs at once, in small pieces, however many there are', async () => {
    const artifacts = new WatchedArtifacts();
    // Items so large that every run has several pieces: a run stays open while it is merged.
    const sort = new ExternalSort<Item>(artifacts, 'sorting/', byRank, 4);
    const filling = 'x'.repeat(SORT_PIECE_BYTES / 3);
    const count = 4 * (SORT_RUNS_OPEN_MAX * SORT_RUNS_OPEN_MAX + 3 * SORT_RUNS_OPEN_MAX + 5) + 3;
    for (let number = 0; number < count; number++)
      await sort.add({ rank: (number * 7919) % 97, number, ...(number < 8 || number % 8 < 4 ? { filling } : {}) });
    const sorted = await all(sort.sorted());
    expect(sorted.map(({ number }) => number)).toEqual(
      Array.from({ length: count }, (_, number) => ({ rank: (number * 7919) % 97, number }))
        .toSorted(byRank)
        .map(({ number }) => number),
    );
    expect(artifacts.openMax).toBeGreaterThan(SORT_RUNS_OPEN_MAX / 2);
    expect(artifacts.openMax).toBeLessThanOrEqual(SORT_RUNS_OPEN_MAX);
    expect(artifacts.pieceBytesMax).toBeLessThanOrEqual(2 * SORT_PIECE_BYTES);
    await sort.clear();
    expect(artifacts.chunks.size).toBe(0);
  });

  it('keeps equal items in the order they were added, and can be read twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(9), { maxLength: 300 }), fc.integer({ min: 1, max: 5 }), async (ranks, most) => {
        const sort = new ExternalSort<Item>(new WatchedArtifacts(), 'sorting/', byRank, most);
        const items = ranks.map((rank, number) => ({ rank, number }));
        for (const item of items) await sort.add(item);
        expect(await all(sort.sorted())).toEqual(items.toSorted(byRank));
        expect(await all(sort.sorted())).toEqual(items.toSorted(byRank));
      }),
      { numRuns: 40 },
    );
  });

  it('leaves no merged run behind', async () => {
    const artifacts = new WatchedArtifacts();
    const sort = new ExternalSort<Item>(artifacts, 'sorting/', byRank, 1);
    for (let number = 0; number < SORT_RUNS_OPEN_MAX ** 2; number++) await sort.add({ rank: -number, number });
    expect(artifacts.chunks.size).toBe(1);
    // Every item is written once when it is spilled and once per level.
    expect(artifacts.putCount).toBe(SORT_RUNS_OPEN_MAX ** 2 + SORT_RUNS_OPEN_MAX + 1);
  });
});
