/** Finds objects that are also prefixes (`a` beside `a/b`) in keys that come in byte order. */

interface Candidate {
  readonly key: string;
  isReported: boolean;
}

/**
 * Between `a` and `a/…` only keys that start with `a` can stand, so the objects that may still turn out to be
 * prefixes form a chain in which each starts with the one before: never more than a key has bytes.
 */
export class PrefixWatch {
  readonly #chain: Candidate[] = [];

  /** Earlier objects of which `key` shows that they are prefixes too, each told once. */
  see(key: string, isObject: boolean): readonly string[] {
    while (this.#chain.length > 0 && !key.startsWith((this.#chain.at(-1) as Candidate).key)) this.#chain.pop();
    const found: string[] = [];
    for (const candidate of this.#chain) {
      if (!candidate.isReported && key.length > candidate.key.length && key[candidate.key.length] === '/') {
        candidate.isReported = true;
        found.push(candidate.key);
      }
    }
    if (isObject && key !== '' && this.#chain.at(-1)?.key !== key) this.#chain.push({ key, isReported: false });
    return found;
  }

  /** Objects held at this moment. */
  get size(): number {
    return this.#chain.length;
  }
}

/** Every object that would be in the way of `key`: `a` and `a/b` for `a/b/c`. For where a watch starts in the middle. */
export function objectsInTheWay(key: string): readonly string[] {
  const parents: string[] = [];
  for (let at = key.indexOf('/', 1); at > 0 && at < key.length; at = key.indexOf('/', at + 1))
    parents.push(key.slice(0, at));
  return parents;
}
