/**
 * What a worker that is gone may have moved without leaving a record of it. Who goes on with its work looks at the target
 * anew, and moves again what nothing but its size would speak for.
 */
import type { Entry } from '../model/entry.ts';
import type { RunContext } from './context.ts';
import { isNewer, type Action } from './decide.ts';
import type { ItemSituation } from './item.ts';
import { UNRECORDED_ITEMS_MAX } from './limits.ts';
import type { Lease } from './ports.ts';

/** Clocks of stores may be as far from ours. */
const CLOCKS_APART_MS = 15 * 60_000;

/** Told of every item of one segment, in their order, from the last commit on. */
export class Unrecorded {
  #left: number;

  constructor(context: Pick<RunContext, 'policy' | 'wasKilled'>, { wasLost = false, epoch, segment }: Lease) {
    const { mode, dryRun } = context.policy;
    // Ranges of keys are cut while they are worked on, so a new one may come from one that was lost; pieces are not.
    const wasHeld = segment.kind === 'keys' || epoch > 1;
    const mayBe = (wasLost || context.wasKilled) && wasHeld && mode !== 'check' && !dryRun;
    this.#left = mayBe ? UNRECORDED_ITEMS_MAX : 0;
  }

  /** Whether the next item may be one of them. */
  takeNext(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }
}

type Unsure = Pick<ItemSituation, 'source' | 'target' | 'mayBeUnrecorded'>;

/**
 * What this very run has probably moved before somebody died is moved again: its sizes alone would prove nothing, and
 * would stay in every report. Only where nothing else can be compared, and for a bounded number of items.
 */
export function isOwnLeftover(
  context: RunContext,
  { source, target, mayBeUnrecorded = false }: Unsure,
  action: Action,
): boolean {
  if (!mayBeUnrecorded || action.kind !== 'same' || !action.weak || context.policy.acceptV0) return false;
  if (source === null || target === null || source.availability !== 'online') return false;
  return mayBeOfThisRun(context, source, target);
}

/** What it has probably moved, and what every copy of it is to be proved by was not done, or nobody knows: it is read now. */
export function isNotReadBack(
  context: RunContext,
  { target, mayBeUnrecorded = false }: Unsure,
  action: Action,
): boolean {
  if (!mayBeUnrecorded || context.policy.verify !== 'read-back' || action.kind !== 'same') return false;
  if (target === null || target.sizeBytes === 0 || action.evidence === 'snapshot') return false;
  return isOfItsTime(context, target);
}

/** Of what is there with the size of the source. */
export function mayBeOfThisRun(context: RunContext, source: Entry, target: Entry): boolean {
  const { policy, timeToleranceMs } = context;
  // It may as well be somebody else's newer one, which is not to be touched.
  if (policy.targetNewer === 'skip' && isNewer(target, source, timeToleranceMs)) return false;
  return isOfItsTime(context, target);
}

function isOfItsTime({ run, target: { traits } }: RunContext, { modifiedAtMs }: Entry): boolean {
  return traits.keepsSourceTime || modifiedAtMs === null || modifiedAtMs >= run.startedAtMs - CLOCKS_APART_MS;
}
