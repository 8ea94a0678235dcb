/** Why a run waits for a place, in sentences for people. */
import type { WaitReason } from '../entities.ts';

export interface TransfersAllowed {
  readonly name: string;
  readonly most: number;
}

interface RunInFront {
  readonly id: string;
  readonly number: number;
  readonly job: string;
  readonly state: string;
}

export function atLimit(runsMax: number): WaitReason {
  const runs = runsMax === 1 ? 'one run goes' : `${runsMax} runs go`;
  const text = `At most ${runs} on at once; it begins as soon as there is a place.`;
  return { kind: 'limit', text, runId: null, connectorId: null };
}

/** A connector may have no more transfers than the runs that go on have already. */
export function atTransfers(connectorId: string, { name, most }: TransfersAllowed): WaitReason {
  const transfers = most === 1 ? 'one transfer' : `${most} transfers`;
  const text = `The connector "${name}" may have ${transfers} at a time, over all runs, and others have all of them; it goes on as soon as there is one. Raise its limit (limits.transfersMax) for more runs at once.`;
  return { kind: 'limit', text, runId: null, connectorId };
}

export function workersBusy(room: number): WaitReason {
  const runs = room === 1 ? 'one run' : `${room} runs`;
  const text = `The workers that are there have room for ${runs} at once; it begins as soon as there is a place. Another worker brings more of them, and so does a higher "runsPerWorkerMax".`;
  return { kind: 'workers-busy', text, runId: null, connectorId: null };
}

export function gaveWay(to: RunInFront): WaitReason {
  const text = `It made way for run ${to.number} of "${to.job}", whose connector had no place at all; it goes on where it is as soon as there is a place.`;
  return { kind: 'limit', text, runId: to.id, connectorId: null };
}

export function busyTarget(other: RunInFront): WaitReason {
  const does = other.state === 'queued' ? 'waits in front of it for' : 'writes to';
  const text = `Run ${other.number} of "${other.job}" ${does} the same part of the target; it begins when that one is done.`;
  return { kind: 'target-busy', text, runId: other.id, connectorId: null };
}
