/** Reads both stores to the last byte by other means than Drover's, and compares. */
import type { Store } from './stores.ts';

export interface LogRow {
  readonly key: string;
  readonly targetKey?: string;
  readonly result: string;
  readonly code: string;
  readonly details?: string;
}

export interface Compared {
  readonly equal: number;
  readonly bytes: number;
  readonly different: readonly string[];
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

export interface Side {
  readonly store: Store;
  readonly container: string;
}

/** `rows` say under which name each object was written; those without content at the target are left out by them. */
export async function compareStores(source: Side, target: Side, rows: readonly LogRow[]): Promise<Compared> {
  const names = new Map<string, string>();
  const left = new Set<string>();
  for (const { key, targetKey, result } of rows) {
    if (result === 'copied' || result === 'same') names.set(key, targetKey ?? key);
    if (result === 'unsupported') left.add(key);
  }
  const different: string[] = [];
  const missing: string[] = [];
  const extra = new Set(await target.store.list(target.container));
  let equal = 0;
  let bytes = 0;
  for (const key of await source.store.list(source.container)) {
    if (left.has(key)) continue;
    const name = names.get(key);
    if (name === undefined || !extra.delete(name)) {
      missing.push(key);
      continue;
    }
    const here = await source.store.find(source.container, key);
    const there = await target.store.find(target.container, name);
    if (here.sha256 !== there.sha256 || here.sizeBytes !== there.sizeBytes) different.push(key);
    else {
      equal += 1;
      bytes += there.sizeBytes;
    }
  }
  return { equal, bytes, different, missing, extra: [...extra] };
}
