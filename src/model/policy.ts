/** The person's choices, frozen into a run: the same inputs must decide the same actions. */

export interface FilterPolicy {
  /** Globs on the whole key; empty = everything. `*` stops at `/`, `**` does not. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly sizeBytesMin: number | null;
  readonly sizeBytesMax: number | null;
  /** Only objects last written at least / at most this long before the run's start. */
  readonly ageMsMin: number | null;
  readonly ageMsMax: number | null;
  /** Only objects last written at this moment or earlier / later. Unlike ages, they mean the same at every start. */
  readonly modifiedBeforeMs: number | null;
  readonly modifiedAfterMs: number | null;
  /** Storage classes to leave out. */
  readonly excludeClasses: readonly string[];
}

export interface RestorePolicy {
  readonly tier: 'Standard' | 'Bulk' | 'Expedited';
  /** How long the restored copy stays readable. */
  readonly days: number;
}

export interface Policy {
  /** `copy` = merge, `sync` = mirror, `check` compares, `scan` only plans. */
  readonly mode: 'merge' | 'mirror' | 'check';
  readonly dryRun: boolean;
  readonly targetNewer: 'overwrite' | 'skip';
  readonly filter: FilterPolicy;
  readonly serverSide: 'auto' | 'never' | 'always';
  readonly versions: 'current' | 'all';
  /** `refresh`: also compare and rewrite metadata and tags, at one request per object. */
  readonly metadata: 'preserve' | 'refresh' | 'ignore';
  readonly tags: 'preserve' | 'ignore';
  readonly archived: 'report' | RestorePolicy;
  /**
   * Most deletions a mirror may make: a count, and a share (0–1) of the target's objects. `null`: no such limit;
   * `default`: nobody chose, so `MIRROR_DELETE_SHARE_MAX` holds, unless the source is empty and that is allowed.
   */
  readonly deleteMax: number | null;
  readonly deleteShareMax: number | 'default' | null;
  readonly allowEmptySource: boolean;
  /** `check` only: do not report what only the target has. */
  readonly oneWay: boolean;
  /** Items proved by size alone are accepted instead of making the run end with issues. */
  readonly acceptV0: boolean;
  /**
   * How a copy is proved. `digest`: by what both stores tell and what was computed on the way. `read-back`: what was
   * written is besides read again from the target, before the item counts as copied; and what only its size speaks for,
   * because no digest is known of both sides, is read on both sides, also where both are only compared.
   */
  readonly verify: 'digest' | 'read-back';
  /** Target storage class or tier for new objects; `null` = the target's default. */
  readonly storageClass: string | null;
}

/** Of the target's objects; what a mirror may delete as long as nobody says otherwise. */
export const MIRROR_DELETE_SHARE_MAX = 0.5;

/** A plain copy of everything: what holds as long as nobody chose anything. */
export const DEFAULT_POLICY: Policy = {
  mode: 'merge',
  dryRun: false,
  targetNewer: 'overwrite',
  filter: {
    include: [],
    exclude: [],
    sizeBytesMin: null,
    sizeBytesMax: null,
    ageMsMin: null,
    ageMsMax: null,
    modifiedBeforeMs: null,
    modifiedAfterMs: null,
    excludeClasses: [],
  },
  serverSide: 'auto',
  versions: 'current',
  metadata: 'preserve',
  tags: 'preserve',
  archived: 'report',
  deleteMax: null,
  deleteShareMax: null,
  allowEmptySource: false,
  oneWay: false,
  acceptV0: false,
  verify: 'digest',
  storageClass: null,
};
