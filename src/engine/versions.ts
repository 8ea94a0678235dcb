/**
 * All versions of one key, oldest first, each written over the one before, so that the newest ends up as the current one.
 *
 * A key whose newest version is a deletion does not exist for whoever looks at the source, so it must not at the target
 * either: where that keeps versions, those of the source are written and then deleted there as well; elsewhere nothing of
 * it is written. What the target has had of such a key before is what a mirror deletes, and a merge leaves. Deletions
 * between versions change nothing about what is there now and are left out.
 */
import type { Entry, Identity } from '../model/entry.ts';
import { joinSettled, putOff, recordOf, settle, snapshotRow } from './account.ts';
import { NOTHING_SETTLED, type Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import { isCopyOf } from './decide.ts';
import { removeOne } from './deletes.ts';
import { planItem, untilRestored, type ItemSituation, type Planned } from './item.ts';
import { expectedAfter, expectedNow } from './target-now.ts';

/** Of one key: those that the last snapshot has are there; from the first that is not, all are written. */
export function planVersions(context: RunContext, situations: readonly ItemSituation[]): Planned {
  const versions = situations.filter(({ source }) => source === null || !isDeletion(source));
  const newest = situations.at(-1) as ItemSituation;
  if (newest.source === null || !isDeletion(newest.source)) return planAll(context, versions);
  const { target, targetKey } = newest;
  const extra = target === null ? [] : [planItem(context, { source: null, target, previous: null, targetKey })];
  if (versions.length === 0) return joined(extra);
  const { mode } = context.policy;
  const { keepsVersions } = context.target.facts;
  if (mode === 'check' || keepsVersions !== true)
    return joined([...versions.map((one) => planHidden(context, one, keepsVersions)), ...extra]);
  if (target === null || isLeftover(context, versions, target)) return planAll(context, versions, 'hidden');
  // Over what is none of them nothing is written that the source has deleted.
  const isOneOfThem = versions.some(
    ({ source, previous }) => previous !== null || (source !== null && isCopyOf(source, target)),
  );
  if (!isOneOfThem) return joined([...versions.map((one) => planHidden(context, one, false)), ...extra]);
  return planAll(context, versions, mode === 'mirror' ? 'extra' : 'shown');
}

export function isDeletion({ kind, nativeType }: Pick<Entry, 'kind' | 'nativeType'>): boolean {
  return kind === 'opaque' && nativeType === 'delete-marker';
}

/** What is there was to be deleted once its versions were written, and that failed, or somebody died before. */
function isLeftover(context: RunContext, versions: readonly ItemSituation[], target: Entry): boolean {
  // What the filters leave out stays.
  const wanted = versions.filter(({ source }) => context.filter(source as Entry) === null);
  const isAsLeft = ({ previous }: ItemSituation): boolean =>
    previous?.toHide === true && previous.target.etag !== null && previous.target.etag === target.identity.etag;
  if (wanted.some(isAsLeft)) return true;
  // Whoever died could say nothing of it: then it is ours when it is a copy of one of them, so that nothing else is lost.
  const isUnknown = versions.every((one) => one.previous === null && one.mayBeUnrecorded === true);
  return isUnknown && wanted.some(({ source }) => isCopyOf(source as Entry, target));
}

/** What becomes of the key once its versions are there. `extra`: what the target shows of it is a mirror's to delete. */
type End = 'shown' | 'hidden' | 'extra';

function planAll(context: RunContext, situations: readonly ItemSituation[], end: End = 'shown'): Planned {
  const planned: { readonly one: Planned; readonly situation: ItemSituation }[] = [];
  let isWriting = false;
  for (const [at, situation] of situations.entries()) {
    // Of what is deleted, the newest is seen at the target no more than the others.
    const isSeen = at === situations.length - 1 && (end === 'shown' || situation.target !== null);
    // What is at the target now says nothing about a version that is to be written over an older one.
    const written = isWriting ? { ...situation, target: null } : situation;
    const one =
      isWriting || isSeen ? planItem(context, written) : planOlderVersion(context, situation, end !== 'shown');
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
    return end === 'shown' ? joinSettled(all) : await ended(context, situations.at(-1) as ItemSituation, all, end);
  };
  return { work, sizeBytes };
}

async function ended(
  context: RunContext,
  { source, target, targetKey }: ItemSituation,
  all: readonly Settled[],
  end: 'hidden' | 'extra',
): Promise<Settled> {
  const entry = { ...(source as Entry), key: targetKey };
  const there = lastWritten(all) ?? target?.identity ?? null;
  const waiting = all.findLastIndex(({ later }) => later.length > 0);
  if (end === 'hidden') {
    // What waits for its restore is written later, and deleted after that.
    if (waiting >= 0) return joinSettled(all.map((one, at) => (at === waiting ? thenHidden(one) : asHidden(one))));
    return there === null ? joinSettled(all.map(asHidden)) : hideWritten(context, { ...entry, identity: there }, all);
  }
  const rows = all.map(withHiddenRows);
  if (waiting >= 0 || there === null) return joinSettled(rows);
  const now = { ...(target as Entry), identity: there };
  const extra = planItem(context, { source: null, target: now, previous: null, targetKey });
  return joinSettled([...rows, 'settled' in extra ? extra.settled : NOTHING_SETTLED]);
}

/** What is at the target by now, where something was written. */
export function lastWritten(all: readonly Settled[]): Identity | null {
  const written = all.findLast(({ records, rows }) => records[0]?.result === 'copied' && rows.length > 0);
  const mark = written?.rows[0]?.target;
  return mark === undefined ? null : { etag: mark.etag, versionId: mark.versionId };
}

/** Deletes what was just written, if it is still that: a store that keeps versions goes on keeping it. */
export async function hideWritten(context: RunContext, written: Entry, all: readonly Settled[]): Promise<Settled> {
  if (context.policy.dryRun) return joinSettled(all);
  const removed = await removeOne(context, written);
  // It was not there for anybody before, so nothing that the target had is gone: this is no deletion that counts.
  if (removed.counters.deletesFailed === 0) return joinSettled(all.map(asHidden));
  // Its versions are there; the next run has nothing else to do.
  const toHide = (one: Settled): Settled => ({
    ...one,
    rows: one.rows.map((row) => ({ ...row, toHide: true as const })),
  });
  return joinSettled([...all.map(toHide), removed]);
}

function thenHidden(settled: Settled): Settled {
  const later = settled.later.map((row, at) =>
    at === settled.later.length - 1 ? { ...row, thenHidden: true as const } : row,
  );
  return { ...settled, later };
}

function asHidden(settled: Settled): Settled {
  const isThere = (result: string): boolean => result === 'copied' || result === 'same';
  const records = settled.records.map((one) =>
    isThere(one.result) ? { ...one, code: 'hidden-version' as const } : one,
  );
  return { ...withHiddenRows(settled), records };
}

function withHiddenRows(settled: Settled): Settled {
  return { ...settled, rows: settled.rows.map((row) => ({ ...row, hidden: true as const })) };
}

/** A version of a deleted key where nothing is written: only compared, or the target keeps no versions. */
function planHidden(context: RunContext, situation: ItemSituation, keepsVersions: boolean | undefined): Planned {
  const { source, previous } = situation;
  if (context.filter(source as Entry) !== null) return planItem(context, { ...situation, target: null });
  if (previous !== null && keepsVersions !== false) {
    const known = planOlderVersion(context, situation, true);
    return 'settled' in known ? { settled: asHidden(known.settled) } : known;
  }
  if (keepsVersions === true) return planItem(context, { ...situation, target: null });
  return { settled: settle(recordOf(source as Entry, 'excluded', 'deleted-at-source')) };
}

/** `isHidden`: a deletion at the source that the target has too says nothing about the versions under it. */
function planOlderVersion(context: RunContext, situation: ItemSituation, isHidden: boolean): Planned {
  const { source, target, previous, targetKey } = situation;
  if (source === null || previous === null || context.filter(source) !== null)
    return planItem(context, { ...situation, target: null });
  // A version never changes, so a row of the last snapshot is proof enough while the key still exists at the target.
  if (target === null && !isHidden && previous.hidden !== true)
    return planItem(context, { ...situation, target: null });
  const { verification } = previous;
  const row = snapshotRow(source, { ...source, key: targetKey }, verification);
  const code = verification === 'V0' ? 'same-size' : 'same-snapshot';
  const record = recordOf(source, 'same', code, { verification });
  return { settled: settle(record, { ...row, target: previous.target }) };
}

function joined(all: readonly Planned[]): Planned {
  const work = async (): Promise<Settled> => {
    const settled: Settled[] = [];
    for (const one of all) settled.push('settled' in one ? one.settled : await one.work());
    return joinSettled(settled);
  };
  if (all.some((one) => 'work' in one)) return { work, sizeBytes: 0 };
  return { settled: joinSettled(all.flatMap((one) => ('settled' in one ? [one.settled] : []))) };
}
