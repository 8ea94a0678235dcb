/**
 * What follows the listing of all keys: items under mapped names, archived items that were asked back, and last of
 * all a mirror's deletions. Each works from what the key segments put off, in an order that a resume can repeat.
 */
import type { Entry } from '../model/entry.ts';
import { DroverError, toDroverError } from '../model/errors.ts';
import { compareKeys } from '../model/key.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { failedSettled, joinSettled, recordOf, settle } from './account.ts';
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
import { copyTimed, failedOrStop, planItem, type ItemSituation, type Planned } from './item.ts';
import { cancelled, Gate } from './lanes.ts';
import { readChunks } from './lines.ts';
import { COMMIT_EVERY_MS, RESTORE_POLL_MS, WINDOW_ITEMS_MAX } from './limits.ts';
import { isBesideName, originalOf } from './naming.ts';
import type { Lease, SegmentKind, SegmentRecord } from './ports.ts';
import { inKeyOrder, SnapshotReader } from './snapshot.ts';
import { ExternalSort } from './sort.ts';
import { Window } from './window.ts';

/** One unit of a phase: its place in the phase's order, and how it is done. */
interface Step {
  readonly key: string;
  readonly work: () => Promise<Settled>;
}

export async function runPhase(context: RunContext, lease: Lease, segments: readonly SegmentRecord[]): Promise<void> {
  const steps = STEPS[lease.segment.kind as keyof typeof STEPS];
  await performSteps(context, lease, steps(context, lease, segments));
}

const STEPS = { mapped: mappedSteps, restores: restoreSteps, deletes: deleteSteps } as const satisfies Partial<
  Record<SegmentKind, (context: RunContext, lease: Lease, segments: readonly SegmentRecord[]) => AsyncGenerator<Step>>
>;

/** Runs steps in their order, several at once, and commits them in their order. */
async function performSteps(context: RunContext, lease: Lease, steps: AsyncGenerator<Step>): Promise<void> {
  const { world, live, signal } = context;
  const checkpoint = lease.segment.checkpoint;
  const settledKey = checkpoint?.settledKey ?? null;
  const window = new Window(settledKey);
  const writer = new ChunkWriter(world.artifacts, checkpoint?.nextChunk ?? 0);
  const gate = new Gate(lease.segment.kind === 'restores' ? WINDOW_ITEMS_MAX : 16);
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

async function* laterRows(
  context: RunContext,
  segments: readonly SegmentRecord[],
  reason: LaterRow['reason'],
): AsyncGenerator<LaterRow> {
  for (const segment of inKeyOrder(segments)) {
    for await (const line of readChunks(context.world.artifacts, chunksOfKind(segment.chunks, 'later'))) {
      const row = JSON.parse(line) as LaterRow;
      if (row.reason === reason) yield row;
    }
  }
}

/** Joins both sides by target name. Where several source keys want one name, the one that bears it wins. */
async function* mappedSteps(
  context: RunContext,
  lease: Lease,
  segments: readonly SegmentRecord[],
): AsyncGenerator<Step> {
  const { artifacts } = context.world;
  const spill = `${chunkPrefix(context.run.runId)}sorting/mapped-${lease.epoch}/`;
  const sort = new ExternalSort<LaterRow>(artifacts, spill, (a, b) => compareKeys(a.targetKey, b.targetKey));
  try {
    for await (const row of laterRows(context, segments, 'mapped')) await sort.add(row);
    const previous = new SnapshotReader(artifacts, context.previous, 'mapped', { from: null, to: null });
    let group: LaterRow[] = [];
    for await (const row of sort.sorted()) {
      if (group.length > 0 && (group[0] as LaterRow).targetKey !== row.targetKey) {
        yield mappedStep(context, group, await rowFor(previous, group));
        group = [];
      }
      group.push(row);
    }
    if (group.length > 0) yield mappedStep(context, group, await rowFor(previous, group));
  } finally {
    await sort.clear();
  }
}

async function rowFor(previous: SnapshotReader, group: readonly LaterRow[]): Promise<SnapshotRow | null> {
  const { targetKey } = group[0] as LaterRow;
  for (;;) {
    await previous.fill();
    const row = previous.peek();
    if (!row) return null;
    const order = compareKeys(row.key, targetKey);
    if (order > 0) return null;
    previous.take();
    if (order === 0) return row;
  }
}

function mappedStep(context: RunContext, group: readonly LaterRow[], previous: SnapshotRow | null): Step {
  const { targetKey } = group[0] as LaterRow;
  const listed = group.find((row) => row.side === 'target')?.entry ?? null;
  const sources = group.filter((row) => row.side === 'source').map((row) => row.entry);
  const wanted = sources.filter((entry) => context.filter(entry) === null);
  const winner = wanted.find((entry) => entry.key === targetKey) ?? wanted[0] ?? sources[0] ?? null;
  const work = async (): Promise<Settled> => {
    if (winner === null && (await isStillNeeded(context, targetKey))) return NOTHING_SETTLED;
    const isUnseen = listed === null && wanted.length > 0 && isTargetCutShort(context);
    const situation = { source: winner, target: listed, previous, targetKey };
    const first = isUnseen ? await lookedUp(context, situation) : await carriedOut(planItem(context, situation));
    const losers: Settled[] = [...leftBehind(context, group, first)];
    for (const entry of sources) {
      if (entry === winner) continue;
      const excluded = { source: entry, target: null, previous: null, targetKey };
      if (wanted.includes(entry)) losers.push(collision(entry, targetKey, winner as Entry));
      else losers.push(await carriedOut(planItem(context, excluded)));
    }
    return losers.length === 0 ? first : joinSettled([first, ...losers]);
  };
  return { key: targetKey, work };
}

/** An object that got another name leaves its old copy behind; it may go once the new one is there. */
function leftBehind(context: RunContext, group: readonly LaterRow[], first: Settled): Settled[] {
  const { failed, unsupported } = first.counters.items;
  if (failed > 0 || unsupported > 0) return [];
  return group.flatMap(({ inTheWay }) => {
    if (inTheWay === undefined) return [];
    const planned = planItem(context, { source: null, target: inTheWay, previous: null, targetKey: inTheWay.key });
    return 'settled' in planned ? [planned.settled] : [];
  });
}

/** The copy beside a folder's name is the only one until the object could be written under its own name. */
async function isStillNeeded({ policy, source, target, rules, signal }: RunContext, name: string): Promise<boolean> {
  if (policy.mode !== 'mirror' || !isBesideName(name, rules)) return false;
  const original = originalOf(name, rules);
  if ((await source.stat(original, signal))?.kind !== 'object') return false;
  return (await target.stat(original, signal))?.kind !== 'object';
}

/** The target's listing ended with the source's: a mapped name that sorts behind it was not seen. */
function isTargetCutShort({ policy }: RunContext): boolean {
  return policy.mode === 'merge' || (policy.mode === 'check' && policy.oneWay);
}

async function lookedUp(context: RunContext, situation: ItemSituation): Promise<Settled> {
  let target: Entry | null;
  try {
    target = await context.target.stat(situation.targetKey, context.signal);
  } catch (error) {
    const timing = { startedAtMs: context.world.clock.now(), durationMs: 0 };
    return failedOrStop(context, situation.source as Entry, error, timing);
  }
  return carriedOut(planItem(context, { ...situation, target }));
}

async function carriedOut(planned: Planned): Promise<Settled> {
  return 'settled' in planned ? planned.settled : planned.work();
}

function collision(entry: Entry, targetKey: string, winner: Entry): Settled {
  const message = `At the target it would have the name ${JSON.stringify(targetKey)}, which ${JSON.stringify(winner.key)} has already.`;
  return failedSettled(entry, new DroverError('UNREPRESENTABLE', message, { key: entry.key }), {
    startedAtMs: 0,
    durationMs: 0,
  });
}

/** Waits for each archived item to come back, then copies it. Waiting costs one look a minute. */
async function* restoreSteps(
  context: RunContext,
  _lease: Lease,
  segments: readonly SegmentRecord[],
): AsyncGenerator<Step> {
  // Neither versions nor mapped names come in the order of their keys; the list is fixed, so its numbers are an order.
  let number = 0;
  for await (const row of laterRows(context, segments, 'restore')) {
    yield {
      key: orderKey(number++),
      work: async () => {
        const startedAtMs = context.world.clock.now();
        try {
          await untilOnline(context, row.entry);
        } catch (error) {
          return failedOrStop(context, row.entry, error, {
            startedAtMs,
            durationMs: context.world.clock.now() - startedAtMs,
          });
        }
        const leave = await context.smallGate.enter(context.signal);
        const order = { entry: row.entry, targetKey: row.targetKey, expect: { kind: 'any' } as const };
        return copyTimed(context, order, 'restored').finally(leave);
      },
    };
  }
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

/** Objects first, then folders from the inside out; a folder that still holds something stays. */
async function* deleteSteps(
  context: RunContext,
  lease: Lease,
  segments: readonly SegmentRecord[],
): AsyncGenerator<Step> {
  const { artifacts } = context.world;
  const spill = `${chunkPrefix(context.run.runId)}sorting/folders-${lease.epoch}/`;
  const folders = new ExternalSort<ExtraRow>(artifacts, spill, (a, b) => compareKeys(b.entry.key, a.entry.key));
  try {
    let number = 0;
    for (const segment of inKeyOrder(segments)) {
      for await (const line of readChunks(artifacts, chunksOfKind(segment.chunks, 'extra'))) {
        const row = JSON.parse(line) as ExtraRow;
        if (row.entry.kind === 'folder') await folders.add(row);
        else yield { key: orderKey(number++), work: () => removeOne(context, row.entry) };
      }
    }
    for await (const row of folders.sorted())
      yield { key: orderKey(number++), work: () => removeOne(context, row.entry) };
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
    // Counted like a failed item, so that the run does not end as if everything had been done.
    return settle(recordOf(entry, 'failed', failure.code, { details: `It could not be deleted: ${failure.message}` }));
  }
}
