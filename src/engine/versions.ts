/** All versions of one key, oldest first, each written over the one before, so that the newest ends up as the current one. */
import { joinSettled, putOff, recordOf, settle, snapshotRow } from './account.ts';
import type { Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import { planItem, untilRestored, type ItemSituation, type Planned } from './item.ts';
import { expectedAfter, expectedNow } from './target-now.ts';

/** Those that the last snapshot has are there; from the first that is not, all are written. */
export function planVersions(context: RunContext, situations: readonly ItemSituation[]): Planned {
  const planned: { readonly one: Planned; readonly situation: ItemSituation }[] = [];
  let isWriting = false;
  for (const [at, situation] of situations.entries()) {
    const isNewest = at === situations.length - 1;
    // What is at the target now says nothing about a version that is to be written over an older one.
    const written = isWriting ? { ...situation, target: null } : situation;
    const one = isWriting || isNewest ? planItem(context, written) : planOlderVersion(context, situation);
    if ('work' in one) isWriting = true;
    planned.push({ one, situation });
  }
  const sizeBytes = planned.reduce((sum, { one }) => sum + ('work' in one ? one.sizeBytes : 0), 0);
  const work = async (): Promise<Settled> => {
    const all: Settled[] = [];
    // Each replaces what was listed, or the one before it; nothing that has come between.
    let expect = expectedNow(context, situations.at(-1)?.target ?? null);
    let isWaiting = false;
    for (const { one, situation } of planned) {
      // A version that waits for its restore would end up above those that did not wait with it.
      const held: Settled | null = isWaiting ? putOff(untilRestored(situation, expect)) : null;
      const settled: Settled = 'settled' in one ? one.settled : (held ?? (await one.work(expect)));
      isWaiting ||= settled.later.length > 0;
      expect = expectedAfter(context, settled) ?? expect;
      all.push(settled);
    }
    return joinSettled(all);
  };
  return { work, sizeBytes };
}

/** A version never changes, so a row of the last snapshot is proof enough while the key still exists at the target. */
function planOlderVersion(context: RunContext, situation: ItemSituation): Planned {
  const { source, target, previous, targetKey } = situation;
  if (source === null || target === null || previous === null || context.filter(source) !== null) {
    return planItem(context, { ...situation, target: null });
  }
  const { verification } = previous;
  const row = snapshotRow(source, { ...target, key: targetKey }, verification);
  const code = verification === 'V0' ? 'same-size' : 'same-snapshot';
  const record = recordOf(source, 'same', code, { verification });
  return { settled: settle(record, { ...row, target: previous.target }) };
}
