/** All key segments of a run, worked on by a few lanes; an idle lane takes over half of what a busy one has left. */
import { DroverError } from '../model/errors.ts';
import type { RunContext } from './context.ts';
import { SegmentWork } from './segment.ts';

/** How long an idle lane waits before it looks again for something to take over. */
const IDLE_MS = 50;

/** Another worker may give a segment back without anybody here hearing of it. */
const ASK_AGAIN_MS = 2_000;

export async function workKeys(context: RunContext, lanesMax: number): Promise<void> {
  const active = new Set<SegmentWork>();
  const shared: Shared = { failed: false, splits: 0, offers: 0 };
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
  // What follows works from all keys: a segment that somebody else still holds must not pass as done.
  if (!(await keysAreDone(context))) {
    throw new DroverError('GUARD_BUSY', 'Another worker holds a part of this run.');
  }
}

/** What the lanes of one process tell each other. `offers` rises whenever a segment became free. */
interface Shared {
  failed: boolean;
  splits: number;
  offers: number;
}

async function lane(context: RunContext, active: Set<SegmentWork>, shared: Shared): Promise<void> {
  const { clock } = context.world;
  let seenOffers = -1;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  while (!shared.failed) {
    const isOffered = shared.offers !== seenOffers || clock.monotonic() - askedAtMs >= ASK_AGAIN_MS;
    if (isOffered) {
      seenOffers = shared.offers;
      askedAtMs = clock.monotonic();
      if (await keysAreDone(context)) return;
      if (await workOne(context, active, shared)) {
        seenOffers = -1;
        continue;
      }
    }
    if (active.size === 0) return;
    if (!(await takeOver(context, active, shared))) await clock.sleep(IDLE_MS, context.signal);
  }
}

/** Works on one free segment; false when there is none. */
async function workOne(context: RunContext, active: Set<SegmentWork>, shared: Shared): Promise<boolean> {
  const { store, worker } = context.world;
  const lease = await store.claim(context.run.runId, worker);
  if (lease === null) return false;
  if (lease.segment.kind !== 'keys')
    throw new DroverError('INTERNAL', 'A later phase began before all keys were seen.');
  const work = new SegmentWork(context, lease);
  active.add(work);
  try {
    if ((await work.run()) === 'disordered') shared.offers += 1;
  } catch (error) {
    context.stop(error);
    await work.save().catch(() => undefined);
    throw error;
  } finally {
    active.delete(work);
  }
  return true;
}

async function keysAreDone(context: RunContext): Promise<boolean> {
  const segments = await context.world.store.segments(context.run.runId);
  return segments.every((segment) => (segment.kind === 'keys' ? segment.state === 'done' : true));
}

/** Only where listing is what everybody waits for: more listings do not help while the lanes are full. */
async function takeOver(context: RunContext, active: ReadonlySet<SegmentWork>, shared: Shared): Promise<boolean> {
  if (context.smallGate.isFull) return false;
  for (const work of active) {
    shared.splits += 1;
    if (await work.trySplit(`x${context.world.clock.now().toString(36)}-${shared.splits}`)) {
      shared.offers += 1;
      return true;
    }
  }
  return false;
}
