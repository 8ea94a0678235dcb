/** What the last run knew about one item: manifest leaf, next run's base for comparing, and quantiles for segments. */
import type { VerificationClass } from './outcome.ts';

/** One state of one object, as far as listings tell it. */
export interface StateMark {
  readonly etag: string | null;
  readonly versionId: string | null;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number | null;
}

export interface SnapshotRow {
  readonly key: string;
  /** The name at the target, when it differs. */
  readonly targetKey?: string;
  readonly source: StateMark;
  readonly target: StateMark;
  readonly verification: VerificationClass;
  /** The source has deleted it, and so it is at the target, if at all, as a version that no listing shows. */
  readonly hidden?: true;
  /** It was to be so, and the deletion at the target failed. */
  readonly toHide?: true;
  /** From an earlier run: this one left the item as it was, or failed at it. Evidence for comparing, no part of what is proved. */
  readonly carried?: true;
}
