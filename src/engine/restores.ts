/** The phase of archived items that were asked back: it waits for each, then copies it. Waiting costs one look a minute. */
import type { Expectation } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import { compareKeys } from '../model/key.ts';
import { joinSettled } from './account.ts';
import { chunkPrefix, type LaterRow, type Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import type { CopyOrder } from './copy-context.ts';
import { groupsOf, nameOrder } from './fold.ts';
import { copyTimed, failedOrStop, orderAfterLoss } from './item.ts';
import { laterRows, type Phase, type Unit } from './later.ts';
import { PIECE_RESTORES_MAX, RESTORE_POLL_MS } from './limits.ts';
import type { Lease, SegmentRecord } from './ports.ts';
import { ExternalSort } from './sort.ts';
import { expectedAfter } from './target-now.ts';
import { hideWritten, lastWritten } from './versions.ts';

/** Waiting for a restore occupies nothing; all of a piece wait at once. */
export const RESTORES: Phase = {
  atOnce: PIECE_RESTORES_MAX,
  pieceItemsMax: PIECE_RESTORES_MAX,
  units,
  worker: (context) => async (line, mayBeUnrecorded) => {
    const settled: Settled[] = [];
    let expect: Expectation | null = null;
    for (const row of JSON.parse(line) as LaterRow[]) {
      // Its versions replace one another.
      const one = await copyRestored(context, expect === null ? row : { ...row, expect }, mayBeUnrecorded);
      if (context.policy.versions === 'all') expect = expectedAfter(context, one) ?? expect;
      settled.push(one);
    }
    return hiddenAtLast(context, JSON.parse(line) as LaterRow[], settled);
  },
};

/** A unit is what goes to one name, the versions of an item in their order. */
async function* units(context: RunContext, lease: Lease, segments: readonly SegmentRecord[]): AsyncGenerator<Unit> {
  const spill = `${chunkPrefix(context.run.runId)}sorting/restores-${lease.epoch}/`;
  const order = nameOrder(context.rules);
  // By the names at the target, as the next run and a later check want to read them.
  const byName = (a: LaterRow, b: LaterRow): number => compareKeys(order(a.targetKey), order(b.targetKey));
  const sort = new ExternalSort<LaterRow>(context.world.artifacts, spill, byName);
  try {
    for await (const row of laterRows(context, segments, 'restore')) await sort.add(row);
    for await (const group of groupsOf(sort.sorted(), ({ targetKey }) => order(targetKey)))
      yield { stage: 'work1', sizeBytes: 0, line: JSON.stringify(group) };
  } finally {
    await sort.clear();
  }
}

/** What the source has deleted is deleted here, too, once all of it is there, or nothing more of it comes. */
async function hiddenAtLast(
  context: RunContext,
  rows: readonly LaterRow[],
  settled: readonly Settled[],
): Promise<Settled> {
  const last = rows.findLast(({ thenHidden }) => thenHidden === true);
  const before = rows[0]?.expect;
  const there = lastWritten(settled) ?? (before?.kind === 'match' ? before.identity : null);
  if (last === undefined || there === null) return joinSettled(settled);
  return hideWritten(context, { ...last.entry, key: last.targetKey, identity: there }, settled);
}

async function copyRestored(context: RunContext, row: LaterRow, mayBeUnrecorded: boolean): Promise<Settled> {
  const { entry, targetKey } = row;
  const { clock } = context.world;
  const startedAtMs = clock.now();
  let order: CopyOrder = { entry, targetKey, expect: row.expect ?? { kind: 'any' } };
  try {
    await untilOnline(context, entry);
    if (mayBeUnrecorded) order = await orderAfterLoss(context, order);
  } catch (error) {
    return failedOrStop(context, entry, error, { startedAtMs, durationMs: clock.now() - startedAtMs });
  }
  const leave = await context.smallGate.enter(context.signal);
  return copyTimed(context, order, 'restored').finally(leave);
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
