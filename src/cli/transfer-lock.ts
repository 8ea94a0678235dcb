/** Who may work on a run: one process at a time. */
import type { TransferDefinition } from '../engine/definition.ts';
import { toDroverError } from '../model/errors.ts';
import type { Standalone } from '../standalone/standalone.ts';

/**
 * A run that writes has its target for itself (GUARD_BUSY otherwise). One that only compares disturbs nobody; its lock
 * says who may continue an unfinished one, and whoever does not get it starts one of its own (`null`).
 */
export async function lockRun(
  state: Standalone,
  { transferId, target }: TransferDefinition,
  writes: boolean,
  runId: string,
): Promise<AsyncDisposable | null> {
  const { label } = target;
  const { store, container, prefix } = target.identity ?? { store: target.fingerprint, ...target.place };
  if (writes) return state.lockTarget({ store, container, prefix, runId, label });
  try {
    return await state.lockTarget({ store: `transfer|${transferId}`, container: '', prefix: '', runId, label });
  } catch (error) {
    if (toDroverError(error).code !== 'GUARD_BUSY') throw error;
    return null;
  }
}
