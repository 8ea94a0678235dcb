/** All key segments of a run, worked on by a few lanes; an idle lane takes over half of what a busy one has left. */
import { DroverError } from '../model/errors.ts';
import type { RunContext } from './context.ts';
import { SegmentWork } from './segment.ts';

/** How long an idle lane waits before it looks again for something to take over. */
const IDLE_MS = 50;

export async function workKeys(context: RunContext, lanesMax: number): Promise<void> {
  const active = new Set<SegmentWork>();
  const shared = { failed: false, splits: 0 };
  const lanes = Array.from({ length: Math.max(1, lanesMax) }, () =>
    lane(context, active, shared).catch((error: unknown) => {
      shared.failed = true;
      context.stop(error);
      throw error;
    }),
  );
  const results = await Promise.allSettled(lanes);
  const rejected = results.find((result) => result.status === 'rejected');
  if (rejected !== undefined) throw rejected.reason;
}

async function lane(
  context: RunContext,
  active: Set<SegmentWork>,
  shared: { failed: boolean; splits: number },
): Promise<void> {
  const { store, worker, clock } = context.world;
  const { runId } = context.run;
  while (!shared.failed) {
    if (await keysAreDone(context)) return;
    const lease = await store.claim(runId, worker);
    if (lease !== null) {
      if (lease.segment.kind !== 'keys')
        throw new DroverError('INTERNAL', 'A later phase began before all keys were seen.');
      const work = new SegmentWork(context, lease);
      active.add(work);
      try {
        await work.run();
      } catch (error) {
        context.stop(error);
        await work.save().catch(() => undefined);
        throw error;
      } finally {
        active.delete(work);
      }
      continue;
    }
    if (active.size === 0) return;
    if (!(await takeOver(context, active, shared))) await clock.sleep(IDLE_MS, context.signal);
  }
}

async function keysAreDone(context: RunContext): Promise<boolean> {
  const segments = await context.world.store.segments(context.run.runId);
  return segments.every((segment) => (segment.kind === 'keys' ? segment.state === 'done' : true));
}

/** Only where listing is what everybody waits for: more listings do not help while the lanes are full. */
async function takeOver(
  context: RunContext,
  active: ReadonlySet<SegmentWork>,
  shared: { splits: number },
): Promise<boolean> {
  if (context.smallGate.isFull) return false;
  for (const work of active) {
    shared.splits += 1;
    if (await work.trySplit(`x${context.world.clock.now().toString(36)}-${shared.splits}`)) return true;
  }
  return false;
}
