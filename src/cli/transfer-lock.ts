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
  const { fingerprint, label, place } = target;
  if (writes) return state.lockTarget({ fingerprint, ...place, runId, label });
  try {
    return await state.lockTarget({ fingerprint: `transfer|${transferId}`, container: '', prefix: '', runId, label });
  } catch (error) {
    if (toDroverError(error).code !== 'GUARD_BUSY') throw error;
    return null;
  }
}
