/**
 * How a limit is cut among those who are at work, as pure decisions. Who joins is counted by the others before it takes
 * its share: each writes down as of when it has looked, and until everybody who was there before has looked since, the
 * new one makes do with next to nothing. So shares add up to the limit at most, whoever comes and goes.
 */

/** One worker's part in one run. */
export interface Participant {
  readonly runId: string;
  readonly workerId: string;
  readonly connectorIds: readonly string[];
  /** By the database's clock, as the other one. */
  readonly joinedAtMs: number;
  /** When it last looked who is there; its shares are those of that look. `null`: not yet. */
  readonly lookedAtMs: number | null;
}

/** Of the share that it will have: enough to see that something is going on. */
export const SMALLEST_SHARE = 0.01;

/** Since when a run is seen by whoever looks, at a look at that time. None is later than now: the clock may be set back. */
export function firstLook(sinceMs: number | null, nowMs: number): number {
  return sinceMs === null ? nowMs : Math.min(sinceMs, nowMs);
}

/** Whether everybody else who was there at that time has looked since. */
export function isAcknowledged(sinceMs: number, workerId: string, all: readonly Participant[]): boolean {
  return all.every(
    (one) =>
      one.workerId === workerId || one.joinedAtMs > sinceMs || (one.lookedAtMs !== null && one.lookedAtMs >= sinceMs),
  );
}

/** Of a limit that can be divided at will: requests and bytes per second. */
export function shareOf(limit: number, workers: number, acknowledged: boolean): number {
  return (limit / Math.max(1, workers)) * (acknowledged ? 1 : SMALLEST_SHARE);
}

export function workersAmong(all: readonly Participant[]): number {
  return new Set(all.map(({ workerId }) => workerId)).size;
}

/**
 * Of a limit in whole numbers, for one part in one run: those who came first have one more where it does not come out
 * even. 0 for those for whom none is left: they have to leave.
 */
export function wholeShareOf(
  limit: number,
  own: { readonly runId: string; readonly workerId: string },
  all: readonly Participant[],
): number {
  const place = all
    .toSorted((a, b) => a.joinedAtMs - b.joinedAtMs || compare(a.runId, b.runId) || compare(a.workerId, b.workerId))
    .findIndex(({ runId, workerId }) => runId === own.runId && workerId === own.workerId);
  const count = Math.max(1, all.length);
  return Math.floor(limit / count) + (Math.max(0, place) < limit % count ? 1 : 0);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
