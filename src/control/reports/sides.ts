/** How much each side has of what a comparison is about: what its filter leaves out counts on neither. */
import type { ItemRecord } from '../../model/outcome.ts';

export interface SideTotals {
  /** Items, as they are counted everywhere: folders among them. */
  readonly objects: number;
  readonly bytes: number;
}

export class Sides {
  readonly #source = { objects: 0, bytes: 0 };
  readonly #target = { objects: 0, bytes: 0 };

  /** A record of a run that compares. */
  add({ result, sizeBytes, targetSizeBytes = sizeBytes }: ItemRecord): void {
    if (result === 'excluded') return;
    if (result !== 'extra') put(this.#source, sizeBytes);
    if (result === 'same' || result === 'different' || result === 'extra') put(this.#target, targetSizeBytes);
  }

  get source(): SideTotals {
    return { ...this.#source };
  }

  /** Where only one way is compared: of what the source has. */
  get target(): SideTotals {
    return { ...this.#target };
  }
}

function put(total: { objects: number; bytes: number }, sizeBytes: number): void {
  total.objects += 1;
  total.bytes += sizeBytes;
}
