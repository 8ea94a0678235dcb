/** How items and runs end, and the sums that must agree everywhere. */
import type { ErrorCode } from './errors.ts';

export type Outcome = 'copied' | 'same' | 'excluded' | 'skipped' | 'unsupported' | 'failed';

/** V3 strongest … V0 size only; VM: the provider rewrote the content. See docs/concepts.md. */
export type VerificationClass = 'V3' | 'V2' | 'V1' | 'V0' | 'VM';

export type RunState =
  | 'queued'
  | 'running'
  | 'pausing'
  | 'paused'
  | 'cancelling'
  | 'cancelled'
  | 'failed'
  | 'succeeded'
  | 'completed-with-issues';

/** `scanned = copied + same + excluded + skipped + unsupported + failed` once ended; `deleted` stands outside. */
export interface ItemCounts {
  readonly scanned: number;
  readonly copied: number;
  readonly same: number;
  readonly excluded: number;
  readonly skipped: number;
  readonly unsupported: number;
  readonly failed: number;
  readonly deleted: number;
}

export interface Counters {
  readonly items: ItemCounts;
  /** Bytes: of everything scanned at the source, and of what was copied. */
  readonly bytes: { readonly scanned: number; readonly copied: number };
  /** Adds up to `items.copied`. */
  readonly verification: Readonly<Record<VerificationClass, number>>;
  /** `same` judged by size alone: weak, so counted apart. */
  readonly sameWeak: number;
  /** For comparing: what differs between the two sides. */
  readonly differences: { readonly missing: number; readonly extra: number; readonly different: number };
  /** Objects and folders seen at the target. */
  readonly targetScanned: number;
  /** Copied under another name than the source's, because the target cannot hold it. */
  readonly mapped: number;
}

export const ZERO_COUNTERS: Counters = {
  items: { scanned: 0, copied: 0, same: 0, excluded: 0, skipped: 0, unsupported: 0, failed: 0, deleted: 0 },
  bytes: { scanned: 0, copied: 0 },
  verification: { V3: 0, V2: 0, V1: 0, V0: 0, VM: 0 },
  sameWeak: 0,
  differences: { missing: 0, extra: 0, different: 0 },
  targetScanned: 0,
  mapped: 0,
};

/** Adds two sets of counters, member by member. */
export function addCounters(a: Counters, b: Counters): Counters {
  return addTree(a, b) as unknown as Counters;
}

type NumberTree = number | { readonly [name: string]: NumberTree };

function addTree(a: unknown, b: unknown): NumberTree {
  if (typeof a === 'number') return a + (typeof b === 'number' ? b : 0);
  const sum: Record<string, NumberTree> = {};
  for (const [name, value] of Object.entries(a as object)) {
    sum[name] = addTree(value, (b as Record<string, unknown> | undefined)?.[name] ?? 0);
  }
  return sum;
}

/** One row of the item log: what happened to one item. Everything shown about it is rendered from these values. */
export interface ItemRecord {
  /** The source's key, or the target's for `deleted` and `extra` rows. */
  readonly key: string;
  readonly versionId?: string;
  /** The name at the target, when it differs. */
  readonly targetKey?: string;
  readonly result: Outcome | 'deleted' | 'missing' | 'extra' | 'different';
  readonly kind: 'object' | 'folder' | 'opaque';
  readonly sizeBytes: number;
  /** Why: an error code, or one of the reasons of `decide`. */
  readonly code: ErrorCode | string;
  readonly details?: string;
  readonly verification?: VerificationClass;
  /** `target`: the source gave no digest; the target proved the bytes we received. */
  readonly leg?: 'target';
  readonly attempts?: number;
  readonly startedAtMs?: number;
  readonly durationMs?: number;
}
