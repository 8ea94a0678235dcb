/** Gives an unfinished run up for good: what it may have left at its target is taken away first. */
import type { Target } from '../contract/provider.ts';
import type { RunRecord } from './ports.ts';
import { UploadBook } from './uploads.ts';
import type { RunWorld } from './world.ts';

/** `target` was opened with the run's own id. Safe to repeat; the run is `cancelled` afterwards. */
export async function abandonRun(
  run: RunRecord,
  target: Target,
  world: Pick<RunWorld, 'store' | 'clock' | 'random'>,
  signal: AbortSignal,
): Promise<void> {
  const { store, clock, random } = world;
  const uploads = new UploadBook(store, run.runId, clock, random);
  await uploads.load();
  await uploads.sweep(target.facets.parts ?? null, signal);
  await target.sweep?.({ keepUploads: false }, signal);
  await store.updateRun(run.runId, { state: 'cancelled', endedAtMs: clock.now() });
}
