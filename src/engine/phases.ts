/**
 * What follows the listing of all keys: items under mapped names, archived items that were asked back, and last of
 * all a mirror's deletions. Each works from what the key segments put off, in an order that a resume can repeat.
 */
import type { Entry } from '../model/entry.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { compareKeys } from '../model/key.ts';
import { recordOf, settle } from './account.ts';
import {
  chunkPrefix,
  chunksOfKind,
  ChunkWriter,
  NOTHING_SETTLED,
  type ExtraRow,
  type LaterRow,
  type Settled,
} from './chunks.ts';
import type { RunContext } from './context.ts';
import { nameOrder } from './fold.ts';
import { copyTimed, failedOrStop } from './item.ts';
import { cancelled, Gate } from './lanes.ts';
import { laterRows, type Step } from './later.ts';
import { readChunks } from './lines.ts';
import { COMMIT_EVERY_MS, RESTORE_POLL_MS, WINDOW_ITEMS_MAX } from './limits.ts';
import { mappedSteps } from './mapped.ts';
import type { Lease, SegmentKind, SegmentRecord } from './ports.ts';
import { inKeyOrder } from './snapshot.ts';
import { ExternalSort } from './sort.ts';
import { Window } from './window.ts';

export async function runPhase(context: RunContext, lease: Lease, segments: readonly SegmentRecord[]): Promise<void> {
  const steps = STEPS[lease.segment.kind as keyof typeof STEPS];
  await performSteps(context, lease, steps(context, lease, segments));
}

const STEPS = { mapped: mappedSteps, restores: restoreSteps, deletes: deleteSteps } as const satisfies Partial<
  Record<SegmentKind, (context: RunContext, lease: Lease, segments: readonly SegmentRecord[]) => AsyncGenerator<Step>>
>;

/** Waiting for a restore occupies nothing; large items may wait for their lanes without holding up small ones. */
const AT_ONCE = { mapped: 64, restores: WINDOW_ITEMS_MAX, deletes: 16 } as const;

/** Runs steps in their order, several at once, and commits them in their order. */
async function performSteps(context: RunContext, lease: Lease, steps: AsyncGenerator<Step>): Promise<void> {
  const { world, live, signal } = context;
  const checkpoint = lease.segment.checkpoint;
  const settledKey = checkpoint?.settledKey ?? null;
  const window = new Window(settledKey);
  const writer = new ChunkWriter(world.artifacts, checkpoint?.nextChunk ?? 0);
  const gate = new Gate(AT_ONCE[lease.segment.kind as keyof typeof STEPS]);
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let committedAtMs = world.clock.monotonic();
  const commit = async (done: boolean): Promise<void> => {
    for (let next = window.shift(); next !== null; next = window.shift()) writer.add(next.settled);
    if (!done && !writer.isFull && world.clock.monotonic() - committedAtMs < COMMIT_EVERY_MS) return;
    committedAtMs = world.clock.monotonic();
    const key = window.settledKey;
    const { names, counters, issues } = await writer.flush(lease);
    const next = { settledKey: key, sourceCursor: null, targetCursor: null, nextChunk: writer.nextChunk };
    const sums = { addChunks: names, addCounters: counters, addIssues: issues };
    await world.store.commit(lease, { checkpoint: next, ...sums, done });
  };
  try {
    for await (const step of steps) {
      if (settledKey !== null && compareKeys(step.key, settledKey) <= 0) continue;
      if (failures.length > 0) break;
      const leave = await gate.enter(signal);
      const slot = window.open(step.key);
      const task: Promise<void> = step
        .work()
        .then(
          (settled) => {
            slot.settled = settled;
            live.add(settled.counters);
          },
          (error: unknown) => void failures.push(error),
        )
        .finally(() => {
          leave();
          running.delete(task);
        });
      running.add(task);
      await commit(false);
      // One item that takes long must not let what settled behind it pile up.
      while (window.size >= WINDOW_ITEMS_MAX && failures.length === 0) {
        await Promise.race(running);
        await commit(false);
      }
    }
  } catch (error) {
    // Nothing may go on behind the back of whoever takes over.
    context.stop(error);
    await Promise.all(running);
    throw error;
  }
  if (failures.length > 0) context.stop(failures[0]);
  await Promise.all(running);
  if (failures.length > 0) {
    await commit(false);
    throw failures[0];
  }
  await commit(true);
}

/** Waits for each archived item to come back, then copies it. Waiting costs one look a minute. */
async function* restoreSteps(
  context: RunContext,
  lease: Lease,
  segments: readonly SegmentRecord[],
): AsyncGenerator<Step> {
  const spill = `${chunkPrefix(context.run.runId)}sorting/restores-${lease.epoch}/`;
  const order = nameOrder(context.rules);
  // By the names at the target, as the next run and a later check want to read them.
  const byName = (a: LaterRow, b: LaterRow): number => compareKeys(order(a.targetKey), order(b.targetKey));
  const sort = new ExternalSort<LaterRow>(context.world.artifacts, spill, byName);
  try {
    for await (const row of laterRows(context, segments, 'restore')) await sort.add(row);
    // Versions share their name; the list is fixed, so its numbers are an order.
    let number = 0;
    for await (const row of sort.sorted()) yield { key: orderKey(number++), work: () => copyRestored(context, row) };
  } finally {
    await sort.clear();
  }
}

async function copyRestored(context: RunContext, { entry, targetKey, expect }: LaterRow): Promise<Settled> {
  const { clock } = context.world;
  const startedAtMs = clock.now();
  try {
    await untilOnline(context, entry);
  } catch (error) {
    return failedOrStop(context, entry, error, { startedAtMs, durationMs: clock.now() - startedAtMs });
  }
  const leave = await context.smallGate.enter(context.signal);
  return copyTimed(context, { entry, targetKey, expect: expect ?? { kind: 'any' } }, 'restored').finally(leave);
}

async function untilOnline(context: RunContext, entry: Entry): Promise<void> {
  const facet = context.source.facets.restore;
  for (;;) {
    const status = await facet?.status(entry, context.signal);
    if (status === 'online') return;
    if (status === 'archived') {
      throw new DroverError('ARCHIVED', `The restore of ${JSON.stringify(entry.key)} ended before it was copied.`, {
        key: entry.key,
      });
    }
    await context.world.clock.sleep(RESTORE_POLL_MS, context.signal);
  }
}

/**
 * Objects first, then folders from the inside out; a folder that still holds something stays. Several go at once, but
 * a folder waits for what is inside it, or it would be found full and stay although it becomes empty a moment later.
 */
async function* deleteSteps(
  context: RunContext,
  lease: Lease,
  segments: readonly SegmentRecord[],
): AsyncGenerator<Step> {
  const { artifacts } = context.world;
  const spill = `${chunkPrefix(context.run.runId)}sorting/folders-${lease.epoch}/`;
  const folders = new ExternalSort<ExtraRow>(artifacts, spill, (a, b) => compareKeys(b.entry.key, a.entry.key));
  const running = new Set<{ readonly key: string; readonly removal: Promise<Settled> }>();
  const remove = async (entry: Entry): Promise<Settled> => {
    const inside = entry.kind === 'folder' ? [...running].filter(({ key }) => key.startsWith(entry.key)) : [];
    const removal = Promise.allSettled(inside.map((one) => one.removal)).then(async () => removeOne(context, entry));
    const own = { key: entry.key, removal };
    running.add(own);
    return removal.finally(() => running.delete(own));
  };
  try {
    let number = 0;
    for (const segment of inKeyOrder(segments)) {
      for await (const line of readChunks(artifacts, chunksOfKind(segment.chunks, 'extra'))) {
        const row = JSON.parse(line) as ExtraRow;
        if (row.entry.kind === 'folder') await folders.add(row);
        else yield { key: orderKey(number++), work: () => remove(row.entry) };
      }
    }
    for await (const row of folders.sorted()) yield { key: orderKey(number++), work: () => remove(row.entry) };
  } finally {
    await folders.clear();
  }
}

/** The list of deletions is fixed by then, so its numbers are a stable order. */
function orderKey(number: number): string {
  return String(number).padStart(12, '0');
}

async function removeOne(context: RunContext, entry: Entry): Promise<Settled> {
  const { removal } = context.target.facets;
  try {
    if (removal === undefined)
      throw new DroverError('UNSUPPORTED', 'The target offers no deletions.', { key: entry.key });
    const result = await removal.remove(entry, context.signal);
    if (result === 'kept') return NOTHING_SETTLED;
    return settle(recordOf(entry, 'deleted', result === 'absent' ? 'absent-already' : 'not-at-source'));
  } catch (error) {
    if (context.signal.aborted) throw cancelled();
    const failure = toDroverError(error);
    if (failure.policy.scope !== 'item') {
      context.stop(failure);
      throw failure;
    }
    const details = `It could not be deleted: ${failure.message}`;
    return settle(recordOf(entry, 'failed', failure.code, { details, deletion: true }));
  }
}
