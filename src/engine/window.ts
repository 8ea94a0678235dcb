/**
 * The items of a segment between planning and settling. They settle in any order and leave in key order, so that
 * "everything up to here is settled" is always one key.
 */
import type { Settled } from './chunks.ts';

export interface Slot {
  readonly key: string;
  /** There is something at the target under this key. */
  readonly seesTarget: boolean;
  settled: Settled | null;
  /** Between which two beats it settled. */
  beat: number;
  /** Settled, and durable although an earlier item still moves. */
  isAhead: boolean;
}

export class Window {
  #slots: Slot[] = [];
  #at = 0;
  /** The last key that left; everything at or before it is settled. */
  settledKey: string | null;

  constructor(settledKey: string | null) {
    this.settledKey = settledKey;
  }

  get size(): number {
    return this.#slots.length - this.#at;
  }

  open(key: string, seesTarget = false): Slot {
    const slot: Slot = { key, seesTarget, settled: null, beat: 0, isAhead: false };
    this.#slots.push(slot);
    return slot;
  }

  /** The oldest item's outcome if it is settled; it leaves the window. */
  shift(): { readonly settled: Settled; readonly seesTarget: boolean } | null {
    const slot = this.#slots[this.#at];
    if (slot === undefined || slot.settled === null) return null;
    this.#at += 1;
    this.settledKey = slot.key;
    if (this.#at >= 1_024 && this.#at * 2 >= this.#slots.length) {
      this.#slots = this.#slots.slice(this.#at);
      this.#at = 0;
    }
    return { settled: slot.settled, seesTarget: slot.seesTarget };
  }

  /** Those that settled behind one that has not, in key order. */
  *waiting(): Generator<Slot & { readonly settled: Settled }> {
    for (let at = this.#at; at < this.#slots.length; at++) {
      const slot = this.#slots[at] as Slot;
      if (slot.settled !== null) yield slot as Slot & { readonly settled: Settled };
    }
  }
}
