/**
 * Where the items of a segment lie: a few ranges of keys for each commit, with what became of the items in them. So
 * whoever draws the run knows true ranges and counts without reading a log. The first commits of a segment are cut
 * finely and later ones less, so that their number stays small however long a segment is.
 */
import type { Counters } from '../model/outcome.ts';
import { KEY_SHARES_MAX } from './limits.ts';
import type { KeyShare } from './ports.ts';

interface Open {
  from: string;
  items: number;
  failed: number;
  unsupported: number;
}

export class KeyShares {
  #shares: Open[] = [];
  /** So many items at most lie in one of them, except in the last one. */
  #width = 1;
  #items = 0;
  /** In what was taken before. */
  #before: number;

  constructor(itemsBefore: number) {
    this.#before = itemsBefore;
  }

  /** In the order of their keys. */
  add(key: string, { items }: Counters): void {
    if (items.scanned === 0) return;
    const last = this.#shares.at(-1);
    const counts = { items: items.scanned, failed: items.failed, unsupported: items.unsupported };
    this.#items += counts.items;
    if (last !== undefined && last.items < this.#width) addTo(last, counts);
    else this.#shares.push({ from: key, ...counts });
    if (this.#shares.length < 2 * KEY_SHARES_MAX) return;
    this.#shares = joined(this.#shares, 2);
    this.#width *= 2;
  }

  /** What came since the last time. */
  take(): readonly KeyShare[] {
    const part = this.#items / Math.max(1, this.#before + this.#items);
    const most = Math.max(1, Math.ceil(KEY_SHARES_MAX * part));
    const taken = joined(this.#shares, Math.ceil(this.#shares.length / most));
    this.#before += this.#items;
    this.#shares = [];
    this.#width = 1;
    this.#items = 0;
    return taken;
  }
}

/** So many neighbors become one. */
function joined(shares: readonly Open[], width: number): Open[] {
  const made: Open[] = [];
  for (const [at, share] of shares.entries()) {
    const last = made.at(-1);
    if (last === undefined || at % width === 0) made.push({ ...share });
    else addTo(last, share);
  }
  return made;
}

function addTo(share: Open, { items, failed, unsupported }: Omit<Open, 'from'>): void {
  share.items += items;
  share.failed += failed;
  share.unsupported += unsupported;
}
