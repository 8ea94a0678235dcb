/** Sorted names with a map of what they stand for. */

export type Compare = (a: string, b: string) => number;

/** Order of unsigned UTF-8 bytes, without making any bytes: only surrogates sort differently in UTF-16. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for what lies above U+FFFF, so they come last. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Order of UTF-16 code units. */
export function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export class SortedMap<V> {
  readonly #values = new Map<string, V>();
  readonly #compare: Compare;
  #keys: string[] = [];

  constructor(compare: Compare = compareBytes) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#keys.length;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: V): void {
    if (!this.#values.has(key)) {
      const last = this.#keys.at(-1);
      if (last === undefined || this.#compare(last, key) < 0) this.#keys.push(key);
      else this.#keys.splice(this.indexFrom(key), 0, key);
    }
    this.#values.set(key, value);
  }

  delete(key: string): boolean {
    if (!this.#values.delete(key)) return false;
    this.#keys.splice(this.indexFrom(key), 1);
    return true;
  }

  /** Index of the first key at or after `key`. */
  indexFrom(key: string): number {
    return this.indexWhere((k) => this.#compare(k, key) >= 0);
  }

  /** Index of the first key after `key`. */
  indexAfter(key: string): number {
    return this.indexWhere((k) => this.#compare(k, key) > 0);
  }

  /** Index of the first key at or after `from` that does not start with `prefix`, given that keys from there do. */
  indexPast(prefix: string, from: number): number {
    return this.indexWhere((k) => !k.startsWith(prefix), from);
  }

  keyAt(index: number): string | undefined {
    return this.#keys[index];
  }

  keys(): readonly string[] {
    return this.#keys;
  }

  *entries(): Iterable<[string, V]> {
    for (const key of this.#keys) yield [key, this.#values.get(key)!];
  }

  private indexWhere(yes: (key: string) => boolean, from = 0): number {
    let low = from;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (yes(this.#keys[middle]!)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
