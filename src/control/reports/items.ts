/** What the item log says that a report names one by one: what did not make it, what has another name, what lost something. */
import { readItems } from '../../engine/item-log.ts';
import type { RunRecord, RunStore } from '../../engine/ports.ts';
import type { ItemRecord } from '../../model/outcome.ts';
import { explanationOf } from '../../model/reasons.ts';
import { storageMoverCodeOf } from '../../model/storage-mover-codes.ts';
import type { ControlWorld } from '../world.ts';

/** Listed in the report itself; the copy log has them all. */
const LISTED_MAX = 10_000;

export interface Listed<Row> {
  readonly total: number;
  /** The first 10,000. */
  readonly rows: readonly Row[];
  readonly isComplete: boolean;
}

export interface ReasonCount {
  readonly code: string;
  readonly result: string;
  readonly items: number;
  readonly meaning: string;
  readonly remedy: string;
  readonly storageMoverCode: string | null;
}

export interface ItemLists {
  readonly issues: Listed<Pick<ItemRecord, 'key' | 'result' | 'code' | 'details' | 'sizeBytes'>> & {
    readonly byCode: readonly ReasonCount[];
  };
  /** At the target under another name, which can hold it. */
  readonly renamed: Listed<Pick<ItemRecord, 'key' | 'versionId'> & { readonly targetKey: string }>;
  /** Copied by this run, but not with everything that belongs to it; `details` says what is missing. */
  readonly losses: Listed<Pick<ItemRecord, 'key' | 'versionId'> & { readonly details: string }>;
}

/** One pass over the log; `drawing` sees each item too. */
export async function collectItems(
  { world, store }: { readonly world: Pick<ControlWorld, 'artifacts'>; readonly store: RunStore },
  record: RunRecord,
  drawing: { offer(item: ItemRecord): void },
  signal: AbortSignal,
): Promise<ItemLists> {
  const byCode = new Map<string, { -readonly [K in keyof ReasonCount]: ReasonCount[K] }>();
  const issues = new FirstOnes<ItemLists['issues']['rows'][number]>();
  const renamed = new FirstOnes<ItemLists['renamed']['rows'][number]>();
  const losses = new FirstOnes<ItemLists['losses']['rows'][number]>();
  for await (const item of readItems(record, { store, artifacts: world.artifacts })) {
    signal.throwIfAborted();
    drawing.offer(item);
    const { key, versionId, targetKey, result, code, details, sizeBytes } = item;
    const which = { key, ...(versionId === undefined ? {} : { versionId }) };
    const isThere = result === 'copied' || result === 'same';
    if (isThere && targetKey !== undefined) renamed.add({ ...which, targetKey });
    if (result === 'copied' && details !== undefined) losses.add({ ...which, details });
    if (isThere || result === 'excluded' || result === 'deleted') continue;
    // One for each side where Storage Mover has two codes.
    const storageMoverCode = storageMoverCodeOf(item);
    const kind = `${code}/${result}/${storageMoverCode}`;
    const known = byCode.get(kind) ?? {
      code,
      result,
      items: 0,
      ...explanationOf(code),
      storageMoverCode,
    };
    known.items += 1;
    byCode.set(kind, known);
    issues.add({ key, result, code, sizeBytes, ...(details === undefined ? {} : { details }) });
  }
  return {
    issues: { ...issues.list, byCode: [...byCode.values()].toSorted((a, b) => b.items - a.items) },
    renamed: renamed.list,
    losses: losses.list,
  };
}

/** Counts all, keeps the first: memory does not grow with the run. */
class FirstOnes<Row> {
  readonly #rows: Row[] = [];
  #total = 0;

  add(row: Row): void {
    this.#total += 1;
    if (this.#rows.length < LISTED_MAX) this.#rows.push(row);
  }

  get list(): Listed<Row> {
    return { total: this.#total, rows: this.#rows, isComplete: this.#rows.length === this.#total };
  }
}
