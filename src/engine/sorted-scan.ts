/** The way out for listings that do not come in byte order: the whole range is listed, sorted, and then streamed. */
import type { Lister } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import { compareKeys, isWithin } from '../model/key.ts';
import type { Json } from '../model/json.ts';
import type { ArtifactStore } from './ports.ts';
import { ExternalSort } from './sort.ts';

/**
 * Entries of `[from, to)` in byte order, each key once (unless versions are kept). The listing starts at the
 * beginning of what the provider can list: where its order is not ours, its idea of "from" is not ours either. `order`
 * gives the text by which the keys are put in order, where that is not the key itself.
 */
export async function* sortedScan(
  lister: Lister,
  bounds: { readonly from: string | null; readonly to: string | null },
  spill: { readonly artifacts: ArtifactStore; readonly prefix: string },
  keepRepeated: boolean,
  signal: AbortSignal,
  order: (key: string) => string = (key) => key,
): AsyncGenerator<Entry> {
  const sort = new ExternalSort<Entry>(spill.artifacts, spill.prefix, (a, b) =>
    compareKeys(order(a.key), order(b.key)),
  );
  try {
    let isComplete = false;
    for await (const page of lister.scan({ from: null, to: null, resume: null }, signal)) {
      for (const entry of page.entries) if (isWithin(entry.key, bounds.from, bounds.to)) await sort.add(entry);
      if (page.complete) {
        isComplete = true;
        break;
      }
    }
    if (!isComplete) {
      throw new DroverError('LISTING_INCOMPLETE', 'A listing stopped without saying that it was complete.');
    }
    let lastKey: string | null = null;
    for await (const entry of sort.sorted()) {
      if (entry.key === lastKey && !keepRepeated) continue;
      lastKey = entry.key;
      yield entry;
    }
  } finally {
    await sort.clear();
  }
}

/** Stands for a cursor where a listing was sorted, because it did not come in byte order. */
export const SORTED_MARK = { sorted: true };

export function isSortedMark(cursor: Json | undefined): boolean {
  return typeof cursor === 'object' && cursor !== null && 'sorted' in cursor && cursor.sorted === true;
}
