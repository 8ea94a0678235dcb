/** What a run is given beside its definition: its ends, the world it touches, and how it is watched and stopped. */
import type { Source, Target } from '../contract/provider.ts';
import type { Clock, Log, Random } from '../lib/world.ts';
import type { Failure } from '../model/errors.ts';
import type { Progress, Tuning } from './definition.ts';
import type { ArtifactStore, RequestCounts, RunRecord, RunStore } from './ports.ts';

export interface Ends {
  readonly source: Source;
  readonly target: Target;
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
}

export interface RunOptions {
  /** Of the run to continue, or for the new one. The target was opened with the same one, to find its own uploads. */
  readonly runId: string;
  readonly tuning: Tuning;
  /** Stops as soon as possible; the run can be continued. */
  readonly signal: AbortSignal;
  /** Called at most four times a second and at each change of phase. */
  readonly onProgress: ((progress: Progress) => void) | null;
  /** A run to continue; `null` starts a new one. */
  readonly continueRun: RunRecord | null;
}

/** How a call of `runTransfer` ended. `interrupted`: the signal fired; the run can be continued. */
export interface RunResult {
  readonly run: RunRecord;
  readonly interrupted: boolean;
  readonly error: Failure | null;
}
