/** One key from its meeting of both sides to its outcome: what `decide` said, carried out. */
import type { Expectation } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import type { NameRules } from '../model/names.ts';
import type { ReasonCode } from '../model/reasons.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { copiedSettled, failedSettled, putOff, recordOf, sameClass, settle, snapshotRow } from './account.ts';
import { NOTHING_SETTLED, type LaterRow, type Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import { contentToRead, withContentRead, type ContentToRead } from './compare-content.ts';
import type { CopyOrder } from './copy-context.ts';
import { copyItem } from './copy-item.ts';
import { decide, overwriteExpectation, withoutClaims, type Action } from './decide.ts';
import { SMALL_BYTES_MAX } from './limits.ts';
import { isMappedForm, originalOf } from './naming.ts';
import { onlyOfItem } from './only-of-item.ts';
import { refreshProperties } from './refresh.ts';
import { expectedNow } from './target-now.ts';
import { isNotReadBack, isOwnLeftover, mayBeOfThisRun } from './unrecorded.ts';

export interface ItemSituation {
  readonly source: Entry | null;
  readonly target: Entry | null;
  readonly previous: SnapshotRow | null;
  /** The name it has, or will have, at the target. */
  readonly targetKey: string;
  /** An earlier holder of the segment may have moved it, and died before it could say so. */
  readonly mayBeUnrecorded?: boolean;
}

/** What is left to do when there is something to do; `settled` when there is not. */
export type Planned =
  | { readonly settled: Settled }
  /** `expect`: what is at the target by now, in place of what was listed. */
  | { readonly work: (expect?: Expectation) => Promise<Settled>; readonly sizeBytes: number };

/** Pure but for the closure it returns: nothing is touched until `work` runs. */
export function planItem(context: RunContext, situation: ItemSituation): Planned {
  const paired = withProofOnly(pairFolders(situation.source, situation.target, context.rules));
  const action = decided(context, paired, situation.previous);
  const isUnread = isNotReadBack(context, { ...situation, ...paired }, action);
  const reading = contentToRead(context, paired.source, paired.target, action, isUnread);
  if (reading !== null)
    return {
      work: (expect) => planAgain(context, situation, reading, expect),
      sizeBytes: situation.source?.sizeBytes ?? 0,
    };
  const proving = isOwnLeftover(context, { ...situation, ...paired }, action)
    ? ({ kind: 'copy', reason: 'changed', expect: overwriteExpectation(paired.target as Entry, context) } as const)
    : action;
  return carrying(carryOut(context, { ...situation, ...paired }, proving), situation);
}

function decided(context: RunContext, { source, target }: Pair, previous: SnapshotRow | null): Action {
  const { timeToleranceMs, targetMatchable, policy } = context;
  return decide({
    source,
    target,
    previous,
    policy,
    excluded: excludedBy(context, source, target),
    timeToleranceMs,
    targetKeepsSourceTime: context.target.traits.keepsSourceTime,
    targetMatchable,
    mayCopyByReference:
      context.source.facets.references !== undefined && context.target.facets.serverSideCopy !== undefined,
  });
}

/**
 * The same order, where what is there now may be what this run put there before somebody died: that may be replaced, and
 * nothing else that has come since.
 */
export async function orderAfterLoss(context: RunContext, order: CopyOrder): Promise<CopyOrder> {
  if (order.expect.kind === 'any') return order;
  // Of several versions nobody knows which one was the last to be written.
  if (context.policy.versions === 'all') return { ...order, expect: { kind: 'any' } };
  const target = await context.target.stat(order.targetKey, context.signal);
  if (target === null) return order;
  const source = { ...order.entry, availability: 'online' } as const;
  const action = decided(context, withProofOnly({ source, target }), null);
  const isOurs = action.kind === 'same' && (!action.weak || mayBeOfThisRun(context, source, target));
  return isOurs ? { ...order, expect: overwriteExpectation(target, context) } : order;
}

/** Decides once more, with digests of the bytes that had to be read for it. */
async function planAgain(
  context: RunContext,
  situation: ItemSituation,
  reading: ContentToRead,
  expect?: Expectation,
): Promise<Settled> {
  const source = situation.source as Entry;
  const startedAtMs = context.world.clock.now();
  try {
    const read = await withContentRead(context, source, situation.target as Entry, reading);
    const planned = planItem(context, { ...situation, ...read, mayBeUnrecorded: false });
    return 'settled' in planned ? planned.settled : await planned.work(expect);
  } catch (error) {
    return await failedOrStop(context, source, error, {
      startedAtMs,
      durationMs: context.world.clock.now() - startedAtMs,
    });
  }
}

/** A filter speaks of the source's names: what stands under a mapped one at the target is protected by its original. */
function excludedBy({ filter, rules }: RunContext, source: Entry | null, target: Entry | null): string | null {
  if (source !== null) return filter(source);
  if (target === null) return null;
  const said = filter(target);
  if (said !== null || !isMappedForm(target.key, rules)) return said;
  return filter({ ...target, key: originalOf(target.key, rules) });
}

/** What is known of an item outlives a run that fails at it or leaves it out: without it a change could look like none. */
function carrying(planned: Planned, { source, previous }: ItemSituation): Planned {
  if (source === null || previous === null) return planned;
  const carried = (settled: Settled): Settled =>
    settled.rows.length > 0 || settled.later.length > 0
      ? settled
      : { ...settled, rows: [{ ...previous, key: source.key, carried: true }] };
  if ('settled' in planned) return { settled: carried(planned.settled) };
  return { ...planned, work: async (expect) => carried(await planned.work(expect)) };
}

function carryOut(context: RunContext, situation: ItemSituation, action: Action): Planned {
  const { source, target } = situation;
  switch (action.kind) {
    case 'leave':
      return { settled: NOTHING_SETTLED };
    case 'excluded':
      return done(settle(recordOf(source as Entry, 'excluded', 'excluded', { details: action.reason })));
    case 'skipped':
      return done(settle(recordOf(source as Entry, 'skipped', action.reason)));
    case 'unsupported':
      return done(settle(recordOf(source as Entry, 'unsupported', action.code, { details: action.details })));
    case 'missing':
      return done(settle(recordOf(source as Entry, 'missing', 'missing')));
    case 'different':
      return done(
        settle(
          recordOf(source as Entry, 'different', 'different', { details: action.details, ...targetSize(situation) }),
        ),
      );
    case 'extra':
      return done(settle(recordOf(target as Entry, 'extra', 'extra')));
    case 'delete':
      return done(extra(context, target as Entry));
    case 'folder-same':
      return done(
        settle(recordOf(source as Entry, 'same', 'same-folder'), snapshotRow(source as Entry, target as Entry, 'V3')),
      );
    case 'same':
      return same(context, situation, action);
    case 'restore':
      return restore(context, situation);
    case 'copy':
      return copy(context, situation, action);
  }
}

function done(settled: Settled): Planned {
  return { settled };
}

/** Deletions come last and from a list of their own. A folder that only exists through its content is no difference. */
function extra(context: RunContext, target: Entry): Settled {
  const isImplied = target.kind === 'folder' && target.isImplied;
  const counted = isImplied
    ? NOTHING_SETTLED
    : settle(recordOf(target, 'extra', context.policy.dryRun ? 'dry-run' : 'extra'));
  // A record is written when the deletion is carried out; until then only the sum matters.
  return context.policy.dryRun ? counted : { ...counted, records: [], extras: [{ entry: target }] };
}

function same(context: RunContext, situation: ItemSituation, action: Extract<Action, { kind: 'same' }>): Planned {
  const source = situation.source as Entry;
  const target = situation.target as Entry;
  const verification = sameClass(source, target, action, situation.previous);
  const row = snapshotRow(source, { ...target, key: situation.targetKey }, verification);
  const settled = settle(
    recordOf(source, 'same', `same-${action.evidence}`, {
      ...mappedName(situation),
      ...targetSize(situation),
      verification,
    }),
    row,
  );
  const { policy } = context;
  const canRefresh = context.target.facets.properties !== undefined;
  if (policy.metadata !== 'refresh' || policy.mode === 'check' || policy.dryRun || !canRefresh) return { settled };
  return { work: () => refreshProperties(context, { source, target, settled, row }), sizeBytes: 0 };
}

function copy(context: RunContext, situation: ItemSituation, action: Extract<Action, { kind: 'copy' }>): Planned {
  const source = situation.source as Entry;
  if (context.policy.dryRun) {
    const difference = situation.target === null ? 'missing' : 'different';
    return done(settle(recordOf(source, difference, 'dry-run', mappedName(situation))));
  }
  const order: CopyOrder = { entry: source, targetKey: situation.targetKey, expect: action.expect };
  const work = (expect = action.expect): Promise<Settled> => copyTimed(context, { ...order, expect }, action.reason);
  return { work, sizeBytes: source.sizeBytes };
}

/** `expect`: what the target may still hold when the item can be written at last. */
export function untilRestored({ source, targetKey }: ItemSituation, expect: Expectation): LaterRow {
  return { reason: 'restore', side: 'source', targetKey, entry: source as Entry, expect };
}

/** Asks for the restore now; the copy waits in a segment of its own, so that nothing else waits with it. */
function restore(context: RunContext, situation: ItemSituation): Planned {
  const source = situation.source as Entry;
  const { archived, dryRun } = context.policy;
  const facet = context.source.facets.restore;
  if (archived === 'report' || facet === undefined) {
    const details = `It is archived (${source.storageClass}).`;
    return done(settle(recordOf(source, 'unsupported', 'ARCHIVED', { details })));
  }
  if (dryRun) {
    const details = `It would be restored from ${source.storageClass}.`;
    return done(settle(recordOf(source, 'missing', 'dry-run', { details })));
  }
  const work = async (expect = expectedNow(context, situation.target)): Promise<Settled> => {
    try {
      await facet.request(source, archived, context.signal);
      return putOff(untilRestored(situation, expect));
    } catch (error) {
      return await failedOrStop(context, source, error, { startedAtMs: context.world.clock.now(), durationMs: 0 });
    }
  };
  return { work, sizeBytes: 0 };
}

/** Copies one item and tells how that went; throws only what concerns the whole run. */
export async function copyTimed(context: RunContext, order: CopyOrder, reason: ReasonCode): Promise<Settled> {
  const { clock } = context.world;
  const startedAtMs = clock.now();
  const fromMs = clock.monotonic();
  const timing = (): Timing => ({ startedAtMs, durationMs: Math.round(clock.monotonic() - fromMs) });
  const gate = order.entry.sizeBytes > SMALL_BYTES_MAX ? context.largeGate : null;
  const leave = await gate?.enter(context.signal);
  context.live.begin(order.entry.key, order.entry.sizeBytes);
  try {
    return copiedSettled(order, await copyItem(context, order, context.signal), timing(), reason);
  } catch (error) {
    return await failedOrStop(context, order.entry, error, timing());
  } finally {
    context.live.end(order.entry.key);
    leave?.();
  }
}

export interface Timing {
  readonly startedAtMs: number;
  readonly durationMs: number;
}

export async function failedOrStop(
  context: RunContext,
  entry: Entry,
  thrown: unknown,
  timing: Timing,
): Promise<Settled> {
  return failedSettled(entry, await onlyOfItem(context, thrown), timing);
}

function mappedName(situation: ItemSituation): { targetKey?: string } {
  const { source, targetKey } = situation;
  return source !== null && targetKey !== source.key ? { targetKey } : {};
}

function targetSize({ source, target }: ItemSituation): { targetSizeBytes?: number } {
  return source === null || target === null || source.sizeBytes === target.sizeBytes
    ? {}
    : { targetSizeBytes: target.sizeBytes };
}

interface Pair {
  readonly source: Entry | null;
  readonly target: Entry | null;
}

function withProofOnly(pair: Pair): Pair {
  const { source, target } = pair;
  return source === null || target === null ? pair : withoutClaims(source, target);
}

/**
 * An object store has no folders, only empty objects whose name ends with `/`. Where one side has folders, the other
 * side's marker is one too.
 */
function pairFolders(source: Entry | null, target: Entry | null, rules: NameRules): Pair {
  const asFolder =
    source !== null && isMarker(source) && (kindAtTarget(source, rules) === 'folder' || target?.kind === 'folder');
  const pairedSource = asFolder ? { ...source, kind: 'folder' as const } : source;
  const isPair = target !== null && pairedSource?.kind === 'folder' && isMarker(target);
  return { source: pairedSource, target: isPair ? { ...target, kind: 'folder' as const } : target };
}

/** What this entry will be at the target: an empty object named like a folder becomes one where there are folders. */
export function kindAtTarget(entry: Entry, rules: NameRules): Entry['kind'] {
  return isMarker(entry) && !rules.trailingSlashContent ? 'folder' : entry.kind;
}

function isMarker(entry: Entry): boolean {
  return entry.kind === 'object' && entry.sizeBytes === 0 && entry.key.endsWith('/');
}
