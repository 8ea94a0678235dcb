/** The objects of one container, kept in listing order. */
import { compareKeys } from '../../model/key.ts';
import type { MemoryBehaviour } from './behaviour.ts';
import type { MemoryObject } from './store.ts';

/** As which version whatever was put without one is known where versions are kept. */
export const UNNAMED = 'null';

export class MemoryContainer {
  readonly #behaviour: MemoryBehaviour;
  /** Versions by key, oldest first; at most one has no name, and without versioning that is all there is. */
  readonly #histories = new Map<string, MemoryObject[]>();
  /** Keys in the order in which they are listed. */
  readonly #listed: string[] = [];
  /** Folded name → name as it is kept, for stores that do not tell upper from lower case. */
  readonly #folded = new Map<string, string>();

  constructor(behaviour: MemoryBehaviour) {
    this.#behaviour = behaviour;
  }

  /** Adds a new current state. In a store without case the name that was there first stays. */
  add(object: MemoryObject): void {
    const key = this.resolve(object.key);
    const history = this.#histories.get(key);
    const kept = { ...object, key };
    if (history === undefined) {
      this.#histories.set(key, [kept]);
      this.#listed.splice(this.#position(key), 0, key);
      if (!this.#behaviour.names.caseSensitive) this.#folded.set(fold(key), key);
    } else {
      // What has no name is replaced by whatever has none either; versions stay, also when no more are kept.
      if (kept.versionId === null) this.#forgetUnnamed(history);
      history.push(kept);
    }
  }

  #forgetUnnamed(history: MemoryObject[]): void {
    const at = history.findIndex(({ versionId }) => versionId === null);
    if (at >= 0) history.splice(at, 1);
  }

  /** Replaces what is known beside the content of exactly this state. */
  amend(object: MemoryObject, change: Partial<MemoryObject>): MemoryObject {
    const amended = { ...object, ...change };
    const history = this.#histories.get(object.key) ?? [];
    const at = history.indexOf(object);
    if (at >= 0) history[at] = amended;
    return amended;
  }

  drop(key: string): void {
    const name = this.resolve(key);
    if (!this.#histories.delete(name)) return;
    this.#listed.splice(this.#position(name), 1);
    this.#folded.delete(fold(name));
  }

  /** The current state; a delete marker counts as nothing. */
  current(key: string): MemoryObject | null {
    const last = this.#histories.get(this.resolve(key))?.at(-1);
    return last === undefined || last.nativeType === 'delete-marker' ? null : last;
  }

  version(key: string, versionId: string): MemoryObject | null {
    const wanted = versionId === UNNAMED ? null : versionId;
    return this.history(key).find((object) => object.versionId === wanted) ?? null;
  }

  history(key: string): readonly MemoryObject[] {
    return this.#histories.get(this.resolve(key)) ?? [];
  }

  sortedKeys(): string[] {
    return this.#listed.filter((key) => this.current(key) !== null).toSorted(compareKeys);
  }

  /** Keys in listing order from a position on. */
  *keysFrom(start: number): Generator<string> {
    for (let at = start; at < this.#listed.length; at++) yield this.#listed[at] as string;
  }

  /** Position of the first key that is listed at or after this one. */
  positionOf(key: string): number {
    return this.#position(key);
  }

  /** Position of the first key that is listed after this one. */
  positionAfter(key: string): number {
    const at = this.#position(key);
    return this.#listed[at] === key ? at + 1 : at;
  }

  /** True when an object `a` would stand beside an object `a/b`. */
  clashesWithPrefix(key: string): boolean {
    const path = key.endsWith('/') ? key.slice(0, -1) : key;
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      if (this.current(path.slice(0, at)) !== null) return true;
    }
    const below = `${path}/`;
    if (key !== path) return this.current(path) !== null;
    if (this.#behaviour.order === 'bytes') return this.#listed[this.#position(below)]?.startsWith(below) === true;
    return this.#listed.some((other) => other.startsWith(below));
  }

  resolve(key: string): string {
    if (this.#behaviour.names.caseSensitive) return key;
    return this.#folded.get(fold(key)) ?? key;
  }

  #position(key: string): number {
    let low = 0;
    let high = this.#listed.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#listed[middle] as string, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(a: string, b: string): number {
    if (this.#behaviour.order === 'bytes') return compareKeys(a, b);
    return scramble(a) - scramble(b) || compareKeys(a, b);
  }
}

function fold(key: string): string {
  return key.toLowerCase();
}

/** FNV-1a: an order that is always the same and has nothing to do with the names' own. */
function scramble(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
