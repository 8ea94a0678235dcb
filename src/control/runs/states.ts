/** States of a run, and what follows from each. */
import type { RunState } from '../../model/outcome.ts';

/** Has not ended: the job cannot start another one. */
export const ACTIVE_STATES = ['queued', 'running', 'pausing', 'paused', 'cancelling'] as const satisfies RunState[];

/** Takes one of the places for running runs, and its part of the target. */
export const BUSY_STATES = ['running', 'pausing', 'cancelling'] as const satisfies RunState[];

export const ENDED_STATES = ['cancelled', 'failed', 'succeeded', 'completed-with-issues'] as const satisfies RunState[];

export function hasEnded(state: string): boolean {
  return (ENDED_STATES as readonly string[]).includes(state);
}
