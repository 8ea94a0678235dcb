/** Gives an unfinished run up for good: what it may have left at its target is taken away first. */
import type { Target } from '../contract/provider.ts';
import { toDroverError } from '../model/errors.ts';
import { joinAllAside } from './join-aside.ts';
import type { RunRecord } from './ports.ts';
import { UploadBook, type Unbegun, type UploadJournal } from './uploads.ts';
import type { RunWorld } from './world.ts';

/**
 * Takes away what the run left open or half-made at its target. `target` was opened with the run's own id. Only when no
 * worker is at it any more. Safe to repeat; the state of the run is not touched.
 */
export async function clearLeftovers(
  run: RunRecord,
  target: Target,
  world: Pick<RunWorld, 'clock' | 'random'> & { readonly store: UploadJournal },
  signal: AbortSignal,
  unbegun: Unbegun = 'over',
): Promise<void> {
  await clearUploads(run, target, world, signal, unbegun);
  await target.sweep?.({ keepUploads: false }, signal);
}

async function clearUploads(
  { runId }: RunRecord,
  { facets }: Target,
  { store, clock, random }: Pick<RunWorld, 'clock' | 'random'> & { readonly store: UploadJournal },
  signal: AbortSignal,
  unbegun: Unbegun,
): Promise<void> {
  await new UploadBook(store, runId, clock, random, unbegun).sweep(facets.parts ?? null, signal);
}

/** The same, and the run is `cancelled` afterwards. What it has moved is in its log and its sums then. */
export async function abandonRun(
  run: RunRecord,
  target: Target,
  world: Pick<RunWorld, 'store' | 'artifacts' | 'clock' | 'random'>,
  signal: AbortSignal,
): Promise<void> {
  await clearLeftovers(run, target, world, signal, 'awaited');
  await joinAllAside(run.runId, 'nobody', world).catch((thrown: unknown) => {
    // What is damaged stays so, and must not keep the run from its end.
    if (toDroverError(thrown).code !== 'INTERNAL') throw thrown;
  });
  await world.store.updateRun(run.runId, { state: 'cancelled', endedAtMs: world.clock.now() });
  // What was begun in the meantime, by a worker that did not know yet; later it can begin nothing.
  await clearUploads(run, target, world, signal, 'awaited');
}
