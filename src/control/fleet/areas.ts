/** Parts of targets by what every key of them begins with: which of them overlap is found without looking at all of them. */
export interface HasArea {
  readonly area: string;
}

export class Areas<T extends HasArea> {
  readonly #sorted: T[] = [];

  /** Unless all of it lies in one that is known already. */
  add(one: T): void {
    for (const _ of this.#around(one.area)) return;
    this.#sorted.splice(this.#after(one.area), 0, one);
  }

  /** Those that it lies in, then those that lie in it. */
  *overlapping(area: string): Generator<T> {
    yield* this.#around(area);
    for (let at = this.#after(area); this.#sorted[at]?.area.startsWith(area) === true; at++)
      yield this.#sorted[at] as T;
  }

  *#around(area: string): Generator<T> {
    let at = this.#after(area) - 1;
    while (at >= 0) {
      const one = this.#sorted[at] as T;
      if (area.startsWith(one.area)) {
        yield one;
        at -= 1;
      } else {
        // Whatever it lies in is no longer than what it has in common with its neighbor.
        at = Math.min(at, this.#after(area.slice(0, commonLength(area, one.area)))) - 1;
      }
    }
  }

  /** How many are not behind it in order. */
  #after(area: string): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] as T).area <= area) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function commonLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length;
}
