/** In which state a run is shown: the recorded one, unless the process that kept it up is gone. */
import type { RunRecord } from '../engine/ports.ts';
import type { RunState } from '../model/outcome.ts';
import type { Session } from './session.ts';

/** `interrupted`: its process died and could not say so itself. The same command continues it. */
export type ShownState = RunState | 'interrupted';

/** What is known of who works on runs. */
export interface Life {
  /** Ids of runs that a process is working on; `null` where nobody knows. */
  readonly living: ReadonlySet<string> | null;
  readonly nowMs: number;
}

/** States that only a process can keep up. */
const LIVING_STATES: readonly RunState[] = ['queued', 'running', 'pausing', 'cancelling'];
/** States in which the same command continues the run. */
const CONTINUABLE_STATES: readonly ShownState[] = ['queued', 'running', 'pausing', 'paused', 'interrupted'];
const SILENT_MS_MAX = 60_000;

export async function lifeNow(session: Session): Promise<Life> {
  const state = await session.state();
  return { living: await state.livingRuns(), nowMs: session.world.clock.now() };
}

/** Words and JSON lines both show this one. */
export function shownState(run: RunRecord, life: Life): ShownState {
  return isDead(run, life) ? 'interrupted' : run.state;
}

export function canContinue(state: ShownState): boolean {
  return CONTINUABLE_STATES.includes(state);
}

function isDead({ runId, state, definition, updatedAtMs }: RunRecord, { living, nowMs }: Life): boolean {
  if (living === null || living.has(runId) || !LIVING_STATES.includes(state)) return false;
  // What only compares may be run twice at once, and then the second holds no lock.
  const { mode, dryRun } = definition.policy;
  return (mode !== 'check' && !dryRun) || nowMs - updatedAtMs > SILENT_MS_MAX;
}
