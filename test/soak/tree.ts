/** The tree of the soak: many small objects, several in parts, and names that not every store can hold. */
import { createHash } from 'node:crypto';
import type { S3Store } from '../../demo/stores.ts';
import type { Random } from '../../src/lib/world.ts';
import { generated } from '../../src/sim/content.ts';
import { ODD_KEYS } from '../../src/sim/sample.ts';

export interface TreeSize {
  readonly smallCount: number;
  readonly largeCount: number;
  readonly largeBytes: number;
}

/** What an object holds is told by these two numbers. */
interface Planted {
  readonly seed: number;
  readonly sizeBytes: number;
}

const MIB = 1024 * 1024;

/** Where a tree is planted: a bucket, or something that takes objects like one. */
export type TreeStore = Pick<S3Store, 'put' | 'putInParts' | 'remove'>;

export class Tree {
  readonly #store: TreeStore;
  readonly #bucket: string;
  readonly #objects = new Map<string, Planted>();
  readonly #sums = new Map<string, string>();
  #nextSeed = 1;

  constructor(store: TreeStore, bucket: string) {
    this.#store = store;
    this.#bucket = bucket;
  }

  get keys(): readonly string[] {
    return [...this.#objects.keys()];
  }

  sizeBytes(key: string): number {
    return this.#planted(key).sizeBytes;
  }

  sha256(key: string): string {
    const { seed, sizeBytes } = this.#planted(key);
    const name = `${seed}:${sizeBytes}`;
    let sum = this.#sums.get(name);
    if (sum === undefined) {
      sum = createHash('sha256').update(bytesOf({ seed, sizeBytes })).digest('hex');
      this.#sums.set(name, sum);
    }
    return sum;
  }

  /** Names that the server itself refuses are no part of the tree. */
  async plant(size: TreeSize): Promise<void> {
    for (let i = 0; i < size.smallCount; i++) {
      await this.#put(`small/${i % 7}/${i % 3}/object ${i}.txt`, i % 13 === 0 ? 0 : (i * 7919) % 20_000);
    }
    for (let i = 0; i < size.largeCount; i++) await this.#put(largeKey(i), size.largeBytes + i);
    for (const key of ODD_KEYS) {
      await this.#put(key, key.endsWith('/') ? 0 : 100).catch((error: unknown) => {
        if (!String(error).includes('The store answered 4')) throw error;
        this.#objects.delete(key);
      });
    }
  }

  /** Some objects change, some go, some come: what a sync has to follow. */
  async change(random: Random, size: TreeSize): Promise<void> {
    for (const key of this.keys.filter((name) => name.startsWith('small/'))) {
      const chance = random.fraction();
      if (chance < 0.15) await this.#put(key, 1 + Math.floor(random.fraction() * 20_000));
      else if (chance < 0.25) await this.#remove(key);
    }
    for (let i = this.keys.length; i < size.smallCount + size.largeCount + ODD_KEYS.length; i++) {
      await this.#put(`small/new/${this.#nextSeed}.bin`, 1 + Math.floor(random.fraction() * 20_000));
    }
    const count = Math.ceil(size.largeCount / 2);
    for (let i = 0; i < count; i++) {
      const which = Math.floor(random.fraction() * size.largeCount);
      await this.#put(largeKey(which), size.largeBytes + Math.floor(random.fraction() * MIB));
    }
  }

  async #put(key: string, sizeBytes: number): Promise<void> {
    const planted = { seed: this.#nextSeed++, sizeBytes };
    this.#objects.set(key, planted);
    const content = bytesOf(planted);
    if (sizeBytes > 16 * MIB) await this.#store.putInParts(this.#bucket, key, content);
    else await this.#store.put(this.#bucket, key, content);
  }

  async #remove(key: string): Promise<void> {
    await this.#store.remove(this.#bucket, key);
    this.#objects.delete(key);
  }

  #planted(key: string): Planted {
    const planted = this.#objects.get(key);
    if (planted === undefined) throw new Error(`There is no object ${JSON.stringify(key)} in the tree.`);
    return planted;
  }
}

export function largeKey(i: number): string {
  return `large/${i}.bin`;
}

function bytesOf({ seed, sizeBytes }: Planted): Buffer {
  return Buffer.concat([...generated(seed, sizeBytes).range(0, sizeBytes)]);
}
