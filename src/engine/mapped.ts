/** The phase of names that the target cannot hold as they are: both sides are joined by the name at the target. */
import type { Entry } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import { compareKeys } from '../model/key.ts';
import type { SnapshotRow } from '../model/snapshot.ts';
import { failedSettled, joinSettled } from './account.ts';
import { chunkPrefix, NOTHING_SETTLED, type LaterRow, type Settled } from './chunks.ts';
import type { RunContext } from './context.ts';
import { knownVersion } from './decide.ts';
import { groupsOf, named, nameOrder, RowsByName } from './fold.ts';
import { failedOrStop, planItem, type ItemSituation, type Planned } from './item.ts';
import { laterRows, type Phase, type Unit } from './later.ts';
import { PIECE_ITEMS_MAX, SMALL_BYTES_MAX } from './limits.ts';
import { isBesideName, originalOf } from './naming.ts';
import type { Lease, SegmentRecord } from './ports.ts';
import { ExternalSort } from './sort.ts';
import { planVersions } from './versions.ts';
import { keepingExtra, UnreadAtTarget, type UnreadName } from './unread.ts';

/** A row beside the place of its name in the order, which is not worked out again for every comparison. */
interface Placed {
  readonly at: string;
  readonly row: LaterRow;
}

/** Large items may wait for their lanes without holding up small ones. */
const AT_ONCE = 64;

export const MAPPED: Phase = {
  atOnce: AT_ONCE,
  pieceItemsMax: PIECE_ITEMS_MAX,
  units,
  worker: (context) => (line, mayBeUnrecorded) => {
    const { rows, previous, unread = null } = JSON.parse(line) as Meeting;
    return perform(context, { ...joined(context, rows, previous), unread, mayBeUnrecorded });
  },
};

/** Everything about one name at the target. */
interface Meeting {
  readonly rows: readonly LaterRow[];
  readonly previous: readonly SnapshotRow[];
  /** The name of the source below which, or under which, all of it would be. */
  readonly unread?: UnreadName;
}

/** Joins both sides by target name. Where several source keys want one name, the one that bears it wins. */
async function* units(context: RunContext, lease: Lease, segments: readonly SegmentRecord[]): AsyncGenerator<Unit> {
  const { rules, run, world } = context;
  const spill = `${chunkPrefix(run.runId)}sorting/`;
  const order = nameOrder(rules);
  const prefix = `${spill}mapped-${lease.epoch}/`;
  const sort = new ExternalSort<Placed>(world.artifacts, prefix, (a, b) => compareKeys(a.at, b.at));
  try {
    const all = laterRows(context, segments, 'mapped');
    const rows = rules.caseSensitive ? all : named(context, all, `${spill}names-${lease.epoch}/`);
    for await (const row of rows) await sort.add({ at: order(row.targetKey), row });
    for await (const row of laterRows(context, segments, 'unread')) await sort.add({ at: order(row.targetKey), row });
    const known = new RowsByName(context);
    const unread = new UnreadAtTarget();
    for await (const group of groupsOf(sort.sorted(), ({ at }) => at)) {
      const { at } = group[0] as Placed;
      for (const { row } of group) if (row.reason === 'unread') unread.see(at, row);
      const placed = group.flatMap(({ row }) => (row.reason === 'unread' ? [] : [row]));
      if (placed.length === 0) continue;
      const above = unread.above(at);
      const meeting: Meeting = {
        rows: placed,
        previous: await known.at(at),
        ...(above === null ? {} : { unread: above }),
      };
      const sizeBytes = group.reduce((sum, { row }) => sum + (row.side === 'source' ? row.entry.sizeBytes : 0), 0);
      yield { stage: 'work1', sizeBytes, line: JSON.stringify(meeting) };
    }
  } finally {
    await sort.clear();
  }
}

/** What wants to be, or is, under one name. */
interface Join {
  readonly targetKey: string;
  /** Versions of the item that gets the name; empty when no item of the source does. */
  readonly winner: readonly LaterRow[];
  readonly others: readonly LaterRow[];
  readonly isWanted: boolean;
  readonly listed: Entry | null;
  /** A target that lists two names which should be one: nobody's. */
  readonly unclaimed: readonly Entry[];
  readonly previous: readonly SnapshotRow[];
  readonly unread: UnreadName | null;
  readonly mayBeUnrecorded: boolean;
}

function joined(
  { filter }: RunContext,
  rows: readonly LaterRow[],
  previous: readonly SnapshotRow[],
): Omit<Join, 'mayBeUnrecorded' | 'unread'> {
  const sources = rows.filter(({ side }) => side === 'source');
  const targets = rows.filter(({ side }) => side === 'target');
  const wanted = sources.filter(({ entry }) => filter(entry) === null);
  const first = wanted.find(({ entry, targetKey }) => entry.key === targetKey) ?? wanted[0] ?? sources[0];
  const targetKey = (first ?? (targets[0] as LaterRow)).targetKey;
  const listed = targets.find((row) => row.targetKey === targetKey) ?? targets[0];
  const winner = sources.filter(({ entry }) => entry.key === first?.entry.key);
  return {
    targetKey,
    winner,
    others: sources.filter((row) => !winner.includes(row)),
    isWanted: wanted.length > 0,
    listed: listed?.entry ?? null,
    unclaimed: targets.filter((row) => row !== listed).map(({ entry }) => entry),
    previous,
  };
}

async function perform(context: RunContext, join: Join): Promise<Settled> {
  const isLarge = join.winner.some(({ entry }) => entry.sizeBytes > SMALL_BYTES_MAX);
  const leave = isLarge ? null : await context.smallGate.enter(context.signal);
  try {
    const first = await firstOf(context, join);
    const rest: Settled[] = [...leftBehind(context, join.winner, first)];
    for (const row of join.others) rest.push(await carriedOut(planOther(context, row, join, first)));
    for (const target of join.unclaimed) {
      rest.push(await carriedOut(planExtra(context, target, join)));
    }
    return rest.length === 0 ? first : joinSettled([first, ...rest]);
  } finally {
    leave?.();
  }
}

async function firstOf(context: RunContext, join: Join): Promise<Settled> {
  const { targetKey, winner, listed, mayBeUnrecorded } = join;
  if (winner.length === 0 && (await isStillNeeded(context, targetKey))) return NOTHING_SETTLED;
  const isUnseen = mayBeUnrecorded || (listed === null && isTargetCutShort(context));
  return isUnseen && join.isWanted
    ? await lookedUp(context, join)
    : await carriedOut(planWinner(context, join, listed));
}

function planWinner(context: RunContext, join: Join, target: Entry | null): Planned {
  const { targetKey, winner, previous, mayBeUnrecorded } = join;
  if (winner.length === 0) return target === null ? { settled: NOTHING_SETTLED } : planExtra(context, target, join);
  const hasVersions = context.policy.versions === 'all';
  const situations = winner.map(({ entry }): ItemSituation => {
    // What was known of another item that had the name says nothing about this one.
    const rows = previous.filter((row) => row.key === entry.key);
    const known = hasVersions ? knownVersion(rows, entry) : (rows[0] ?? null);
    return { source: entry, target, previous: known, targetKey, mayBeUnrecorded };
  });
  return hasVersions ? planVersions(context, situations) : planItem(context, situations[0] as ItemSituation);
}

/** What no item of the source wants. */
function planExtra(context: RunContext, target: Entry, { unread }: Join): Planned {
  const planned = planItem(context, { source: null, target, previous: null, targetKey: target.key });
  return keepingExtra(planned, target, unread);
}

/** One that did not get the name: a folder is what the first one is too, anything else has no name left. */
function planOther(context: RunContext, { entry, targetKey }: LaterRow, join: Join, first: Settled): Planned {
  const winner = (join.winner[0] as LaterRow).entry;
  if (context.filter(entry) !== null)
    return planItem(context, { source: entry, target: null, previous: null, targetKey });
  if (context.rules.caseSensitive || !entry.key.endsWith('/')) return { settled: collision(entry, targetKey, winner) };
  const isThere = join.listed !== null || first.counters.items.copied > 0;
  const target = isThere ? { ...(join.listed ?? winner), key: targetKey } : null;
  return planItem(context, { source: entry, target, previous: null, targetKey });
}

/** An object that got another name leaves its old copy behind; it may go once the new one is there. */
function leftBehind(context: RunContext, rows: readonly LaterRow[], first: Settled): Settled[] {
  const { failed, unsupported } = first.counters.items;
  if (failed > 0 || unsupported > 0) return [];
  return rows.flatMap(({ inTheWay }) => {
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
function isTargetCutShort({ policy, rules, run }: RunContext): boolean {
  if (!rules.caseSensitive) return run.definition.source.only !== null;
  return policy.mode === 'merge' || (policy.mode === 'check' && policy.oneWay);
}

/** As it is now, where the listing has not shown it, or was made before somebody who is gone may have written it. */
async function lookedUp(context: RunContext, join: Join): Promise<Settled> {
  const { listed, targetKey } = join;
  // Under a name of another case it is there still, whatever a look at this one says.
  let target = listed?.key === targetKey ? null : listed;
  try {
    target = (await context.target.stat(targetKey, context.signal)) ?? target;
  } catch (error) {
    const timing = { startedAtMs: context.world.clock.now(), durationMs: 0 };
    return failedOrStop(context, (join.winner[0] as LaterRow).entry, error, timing);
  }
  return carriedOut(planWinner(context, join, target));
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
