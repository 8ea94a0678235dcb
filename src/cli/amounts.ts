/** Objects and bytes of every outcome of a run, for people. */
import type { Counters, ItemCounts } from '../model/outcome.ts';
import type { Format } from './format.ts';

const WORDS: Readonly<Record<keyof ItemCounts, string>> = {
  scanned: 'Scanned',
  copied: 'Transferred',
  same: 'No transfer needed',
  excluded: 'Excluded',
  skipped: 'Skipped',
  unsupported: 'Unsupported',
  failed: 'Failed',
  deleted: 'Deleted',
};

/** One row for each outcome that there is, and always for the first two: what it is called, and how much. */
export function outcomeRows({ items, bytes }: Counters, format: Format): (readonly [name: string, amount: string])[] {
  return (Object.keys(WORDS) as (keyof ItemCounts)[])
    .filter((name) => name === 'scanned' || name === 'copied' || items[name] > 0)
    .map((name) => [WORDS[name], `${format.count(items[name])}, ${format.bytes(bytes[name])}`]);
}
