/**
 * How far a segment plans large objects ahead of the lanes. What is planned cannot be given away any more: where other
 * workers share the run, what would only wait here stays unplanned, so that half of it can be cut off for them.
 */
import { LARGE_AHEAD_MIN } from './limits.ts';

export class LargeAhead {
  readonly #bytesMax: number;
  #count = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isFull(): boolean {
    return this.#count >= LARGE_AHEAD_MIN && this.#bytes >= this.#bytesMax;
  }

  /** Returns how to leave. */
  enter(sizeBytes: number): () => void {
    this.#count += 1;
    this.#bytes += sizeBytes;
    return () => {
      this.#count -= 1;
      this.#bytes -= sizeBytes;
    };
  }
}
