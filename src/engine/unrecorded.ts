/**
 * What a worker that is gone may have moved without leaving a record of it. Who goes on with its work looks at the target
 * anew, and moves again what nothing but its size would speak for.
 */
import type { RunContext } from './context.ts';
import { UNRECORDED_ITEMS_MAX } from './limits.ts';
import type { Lease } from './ports.ts';

/** Told of every item of one segment, in their order, from the last commit on. */
export class Unrecorded {
  #left: number;

  constructor(context: Pick<RunContext, 'policy' | 'wasKilled'>, { wasLost = false }: Pick<Lease, 'wasLost'>) {
    const { mode, dryRun } = context.policy;
    const mayBe = (wasLost || context.wasKilled) && mode !== 'check' && !dryRun;
    this.#left = mayBe ? UNRECORDED_ITEMS_MAX : 0;
  }

  /** Whether the next item may be one of them. */
  takeNext(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }
}
