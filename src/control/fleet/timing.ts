/** How often workers look, and how long they wait for each other. Tests shorten it. */
import { LEASE_VALID_MS } from '../runs/store.ts';

export interface FleetTiming {
  /** A lease holds so long without being renewed. */
  readonly leaseValidMs: number;
  readonly renewEveryMs: number;
  /** Could not renew for so long: everything in the hands of this worker is let go, before anybody else may take it. */
  readonly giveUpMs: number;
  /** Looking for runs: while there is something to do, and while there is nothing. */
  readonly lookActiveMs: number;
  readonly lookIdleMs: number;
  readonly progressEveryMs: number;
  /** Shares of limits are computed anew so often. */
  readonly sharesEveryMs: number;
  /** Between two ticks of the dispatcher at most and at least. */
  readonly tickEveryMs: number;
  readonly tickIdleMs: number;
  /** A worker that has not been seen for so long is gone. */
  readonly goneAfterMs: number;
  /** Longest sweep of a cancelled run's target. */
  readonly sweepMsMax: number;
  /** A request to begin an upload that was cut off, or waited for the journal first, comes to the store by then. */
  readonly beginLateMs: number;
  /** Before a run that broke off is tried again, doubled each time. */
  readonly againFirstMs: number;
  readonly againMsMax: number;
  /** Before a connector that could not be reached is tried again by itself. */
  readonly reachAgainMs: number;
  /** What holds a run back stands in its log when it has done so for this long. */
  readonly limitSaidAfterMs: number;
}

export const FLEET_TIMING: FleetTiming = {
  leaseValidMs: LEASE_VALID_MS,
  renewEveryMs: 3_000,
  giveUpMs: 7_000,
  lookActiveMs: 1_000,
  lookIdleMs: 5_000,
  progressEveryMs: 1_000,
  sharesEveryMs: 3_000,
  tickEveryMs: 2_000,
  tickIdleMs: 5_000,
  goneAfterMs: 30_000,
  sweepMsMax: 60_000,
  beginLateMs: 30_000,
  againFirstMs: 1_000,
  againMsMax: 30_000,
  reachAgainMs: 5 * 60_000,
  limitSaidAfterMs: 60_000,
};
