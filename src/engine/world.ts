/** What a run is given beside its definition: its ends, the world it touches, and how it is watched and stopped. */
import type { Lister, Source, Target } from '../contract/provider.ts';
import type { Clock, Log, Random } from '../lib/world.ts';
import type { DroverError, Failure } from '../model/errors.ts';
import type { AskRights, SideName } from './denials.ts';
import type { Progress, Tuning } from './definition.ts';
import type { ArtifactStore, RequestCounts, RunRecord, RunStore } from './ports.ts';

export interface Ends {
  readonly source: Source;
  readonly target: Target;
  /** What tells whether both places are there, where `source` and `target` show a choice of what is in them. */
  readonly whole?: { readonly source: Pick<Lister, 'scan'>; readonly target: Pick<Lister, 'scan'> };
  /** The target's place opened for reading: where the policy's `verify` is `read-back`. */
  readonly readBack?: Source;
  /** Asked when objects are denied in a row; absent: every denial is the object's own. */
  readonly rights?: AskRights;
}

/** Requests that wait now. */
export interface HeldBack {
  /** For what that side's service bears, after it asked for fewer. */
  readonly source: number;
  readonly target: number;
  /** For the rate that somebody has set for that side; left out: there is none. */
  readonly sourceRate?: number;
  readonly targetRate?: number;
}

/** Everything a run touches beside its two ends. */
export interface RunWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: RunStore;
  readonly artifacts: ArtifactStore;
  /** Name of this worker in leases. */
  readonly worker: string;
  /** Live counts of requests per operation class; the wrapper around the transports keeps them. */
  readonly requests: () => RequestCounts;
  /** For saying what limits the speed. */
  readonly heldBack?: () => HeldBack;
  /** Told of every request, part, listing and item that is tried again, and why. */
  readonly onRetry?: (error: DroverError) => void;
  /** How busy this process was lately, from 0 to 1; for the same. */
  readonly eventLoopUse?: () => number;
  /** Resolves when so many bytes may go: a limit that several runs share, instead of the tuning's own. */
  readonly takeBandwidth?: (bytes: number, signal: AbortSignal) => Promise<void>;
}

export interface RunOptions {
  /** Of the run to continue, or for the new one. The target was opened with the same one, to find its own uploads. */
  readonly runId: string;
  readonly tuning: Tuning;
  /** Stops as soon as possible; the run can be continued. */
  readonly signal: AbortSignal;
  /** Called at most four times a second and at each change of phase. */
  readonly onProgress: ((progress: Progress) => void) | null;
  /** A run that exists already: to continue it, or to take part in it. `null` makes a new one. */
  readonly continueRun: RunRecord | null;
  /**
   * Other workers may be at work on the same run. Then this one waits for them, shares with them, leaves alone what may
   * be theirs, and does not say itself when the run is running, paused or failed. Default: it is the only one.
   */
  readonly isShared?: boolean;
}

/** How a call of `runTransfer` ended. */
export interface RunResult {
  /** As the store has it now. */
  readonly run: RunRecord;
  /** The signal fired before the run's end. */
  readonly interrupted: boolean;
  /** What stopped this worker, else what the run ended with. */
  readonly error: Failure | null;
  /** Whose answer stopped this worker; `null`: neither side's, or nothing did. */
  readonly side: SideName | null;
  /** The run has not ended, and will go on where it stopped once what stopped it is gone. */
  readonly canContinue: boolean;
}
