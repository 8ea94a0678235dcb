/** How items and runs end, and the sums that must agree everywhere. */
import type { ItemCode } from './reasons.ts';
import type { Policy } from './policy.ts';

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

/** As people read it. */
export const RUN_STATE_WORDS: Readonly<Record<RunState, string>> = {
  queued: 'Queued',
  running: 'Running',
  pausing: 'Pausing',
  paused: 'Paused',
  cancelling: 'Canceling',
  cancelled: 'Canceled',
  failed: 'Failed',
  succeeded: 'Succeeded',
  'completed-with-issues': 'Completed with issues',
};

/**
 * `scanned = copied + same + excluded + skipped + unsupported + failed` once ended. What a mirror deletes is none of the
 * source's items: `deleted` stands outside of that sum, and so does `deletesFailed`.
 */
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
  /** Bytes of each of those items, as the listing gave their sizes: the same sum holds. */
  readonly bytes: Readonly<Record<keyof ItemCounts, number>>;
  /** Adds up to `items.copied`. */
  readonly verification: Readonly<Record<VerificationClass, number>>;
  /** `same` judged by nothing but size, or size and time, now or when it was copied: weak, so counted apart. */
  readonly sameWeak: number;
  /** For comparing: what differs between the two sides. */
  readonly differences: {
    readonly missing: number;
    readonly extra: number;
    readonly different: number;
    /**
     * Of `extra`: what a mirror leaves, because it lies below a name of the source that was not read. Absent in runs of
     * earlier versions.
     */
    readonly kept?: number;
  };
  /** Bytes of those: at the target of `extra` and `kept`, at the source of the others. */
  readonly differenceBytes: Counters['differences'];
  /** Objects and folders seen at the target. */
  readonly targetScanned: number;
  /** Copied under another name than the source's, because the target cannot hold it. */
  readonly mapped: number;
  /** What a mirror could not delete. The log has it among the failed ones. */
  readonly deletesFailed: number;
}

export const ZERO_COUNTERS: Counters = {
  items: { scanned: 0, copied: 0, same: 0, excluded: 0, skipped: 0, unsupported: 0, failed: 0, deleted: 0 },
  bytes: { scanned: 0, copied: 0, same: 0, excluded: 0, skipped: 0, unsupported: 0, failed: 0, deleted: 0 },
  verification: { V3: 0, V2: 0, V1: 0, V0: 0, VM: 0 },
  sameWeak: 0,
  differences: { missing: 0, extra: 0, different: 0, kept: 0 },
  differenceBytes: { missing: 0, extra: 0, different: 0, kept: 0 },
  targetScanned: 0,
  mapped: 0,
  deletesFailed: 0,
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends number ? number : Mutable<T[K]> };

const GROUPS = ['items', 'bytes', 'verification', 'differences', 'differenceBytes'] as const;
const SINGLES = ['sameWeak', 'targetScanned', 'mapped', 'deletesFailed'] as const;

/** A running sum, changed in place: several are kept up to date with every item, so adding must make no garbage. */
export class Tally {
  readonly #sum: Mutable<Counters> = structuredClone(ZERO_COUNTERS) as Mutable<Counters>;

  constructor(start: Counters = ZERO_COUNTERS) {
    this.add(start);
  }

  add(counters: Counters, times: 1 | -1 = 1): void {
    for (const group of GROUPS) {
      const sum = this.#sum[group] as Record<string, number>;
      const added = counters[group] as Readonly<Record<string, number>>;
      for (const name in added) {
        const count = added[name] as number;
        if (count !== 0) sum[name] = (sum[name] ?? 0) + count * times;
      }
    }
    for (const name of SINGLES) this.#sum[name] += (counters[name] ?? 0) * times;
  }

  subtract(counters: Counters): void {
    this.add(counters, -1);
  }

  /** One object at the target was seen. */
  sawTarget(): void {
    this.#sum.targetScanned += 1;
  }

  /** The sum as it is now; later additions do not show in it. */
  get total(): Counters {
    return structuredClone(this.#sum);
  }

  /** The sum itself, for looking at: it changes with the next addition. */
  get now(): Counters {
    return this.#sum;
  }
}

/** Adds two sets of counters, member by member. */
export function addCounters(a: Counters, b: Counters): Counters {
  const sum = new Tally(a);
  sum.add(b);
  return sum.total;
}

/** Items that rest on their size alone without the policy saying that this is enough. A dry run only plans. */
export function unprovedItems(
  { verification, sameWeak }: Pick<Counters, 'verification' | 'sameWeak'>,
  { acceptV0, dryRun }: Pick<Policy, 'acceptV0' | 'dryRun'>,
): number {
  return acceptV0 || dryRun ? 0 : verification.V0 + sameWeak;
}

/** How an item may stand in the log, as `--result` and the API call it. */
export const RESULTS = [
  'copied',
  'same',
  'excluded',
  'skipped',
  'unsupported',
  'failed',
  'deleted',
  'missing',
  'extra',
  'different',
] as const;

/** One row of the item log: what happened to one item. Everything shown about it is rendered from these values. */
export interface ItemRecord {
  /** The source's key, or the target's for `deleted` and `extra` rows and for failed deletions. */
  readonly key: string;
  readonly versionId?: string;
  /** The name at the target, when it differs. */
  readonly targetKey?: string;
  readonly result: (typeof RESULTS)[number];
  /** It was to be deleted from the target, and `failed` says that it was not. */
  readonly deletion?: true;
  readonly kind: 'object' | 'folder' | 'opaque';
  readonly sizeBytes: number;
  /** Bytes at the target, where both were compared and it has another number. */
  readonly targetSizeBytes?: number;
  /** Why: an error code, or one of the table of reasons. */
  readonly code: ItemCode;
  readonly details?: string;
  /** Which side refused, where it failed and that is known. */
  readonly side?: 'source' | 'target';
  /** Of what was copied, how it was proved; of what is the same, how that is known. */
  readonly verification?: VerificationClass;
  /** `target`: the source gave no digest; the target proved the bytes we received. */
  readonly leg?: 'target';
  /** How often it was tried, also in vain; absent where nothing was to be tried. */
  readonly attempts?: number;
  readonly startedAtMs?: number;
  readonly durationMs?: number;
}
