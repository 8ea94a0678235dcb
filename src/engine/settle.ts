/** The last segment of a run: what is left behind is taken away, the snapshot is indexed, and the run gets its end. */
import { toFailure } from '../model/errors.ts';
import { unprovedItems, type RunState } from '../model/outcome.ts';
import type { Policy } from '../model/policy.ts';
import type { RunContext } from './context.ts';
import { isEvidence } from './evidence.ts';
import { deletionRefusal, sumOf } from './phase-order.ts';
import type { Lease, SegmentRecord } from './ports.ts';
import { indexSnapshot, storeSnapshotIndex } from './snapshot.ts';

export interface SettleOptions {
  /** The target may hold temporary things of this run that nobody works on any more. */
  readonly mayHoldLeftovers: boolean;
  /** Writes down what this session cost, before the run's sums become final. */
  readonly recordUsage: () => Promise<void>;
}

/**
 * `segments`: all of the run's, every other one done. May be done by several workers one after the other, each taking
 * over from the one before; only the end itself, at the very last, happens once. LEASE_LOST when somebody else has it.
 */
export async function settleRun(
  context: RunContext,
  lease: Lease,
  segments: readonly SegmentRecord[],
  options: SettleOptions,
): Promise<void> {
  const { policy, run, signal, target, uploads, world } = context;
  const others = segments.filter(({ kind }) => kind !== 'settle');
  const writes = policy.mode !== 'check' && !policy.dryRun;
  await uploads.sweep(target.facets.parts ?? null, signal);
  if (writes && options.mayHoldLeftovers) await target.sweep?.({ keepUploads: false }, signal);
  const refusal = deletionRefusal(others, policy);
  let manifestRoot: string | null = null;
  if (isEvidence(policy) && refusal === null) {
    const index = await indexSnapshot(world.artifacts, run.runId, others);
    await storeSnapshotIndex(world.artifacts, index);
    // What was only read leaves rows and no manifest: nothing was moved.
    manifestRoot = writes ? index.root : null;
  }
  await options.recordUsage();
  await world.store.endRun(lease, {
    state: refusal === null ? endState(others, policy) : 'failed',
    endedAtMs: world.clock.now(),
    error: refusal === null ? null : toFailure(refusal),
    manifestRoot,
  });
  // From now on no upload can be journaled. One that a worker which had lost its lease began since the sweep goes here;
  // what is begun from now on goes by the hand of whoever began it.
  await uploads.sweep(target.facets.parts ?? null, signal).catch(() => undefined);
}

function endState(segments: readonly SegmentRecord[], policy: Policy): RunState {
  const { mode } = policy;
  const counters = sumOf(segments);
  const { items, deletesFailed, differences } = counters;
  const isUnproved = unprovedItems(counters, policy) > 0;
  const isLost = items.failed > 0 || items.unsupported > 0 || deletesFailed > 0;
  // In a dry run these are the plan; in a mirror, what it kept because something failed.
  const isDifferent = mode === 'check' && differences.missing + differences.different + differences.extra > 0;
  // What has another name at the target is there and proved: said before the run began, and told, but no issue.
  return isLost || isUnproved || isDifferent ? 'completed-with-issues' : 'succeeded';
}
