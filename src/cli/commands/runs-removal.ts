/** `runs remove` and `runs prune`: forgetting what is on record of earlier runs. Objects are never touched. */
import { abandonRun } from '../../engine/abandon.ts';
import type { RunRecord } from '../../engine/ports.ts';
import { parseAge } from '../../engine/quantities.ts';
import { DroverError, toDroverError } from '../../model/errors.ts';
import type { Standalone } from '../../standalone/standalone.ts';
import { EXIT } from '../exit.ts';
import { openSide } from '../requests.ts';
import { canContinue, lifeNow, shownState } from '../run-state.ts';
import { openTargetAccount, refuseOtherAccount } from '../run-target.ts';
import type { CommandEnd, Session } from '../session.ts';
import { EMPTY_SUMMARY } from '../summary.ts';
import { visible } from '../terminal.ts';
import { lockRun } from '../transfer-lock.ts';
import { named } from '../units.ts';
import { findRun } from './verify.ts';

const RUNS = { one: '# run', other: '# runs' };
const ALL_RUNS_MAX = 1_000_000_000;

/** GUARD_BUSY while it is worked on, INVALID_INPUT for the latest snapshot of its places, GUARD_CONFIRM if unfinished. */
export async function removeRun(session: Session, words: string, isForced: boolean): Promise<CommandEnd> {
  const state = await session.state();
  const run = await findRun(session, words);
  const { runId } = run;
  const shown = shownState(run, await lifeNow(session));
  if (shown !== 'interrupted' && shown !== 'paused' && canContinue(shown)) throw busy(runId);
  const { ofPairs } = await state.history.latestSnapshots();
  if (ofPairs.has(runId)) throw isLatest(run);
  if (canContinue(shown) || (await state.store.intents(runId)).length > 0) {
    if (!isForced) throw isUnfinished(runId, canContinue(shown));
    await giveUp(session, state, run);
  }
  await state.history.remove(runId);
  await session.terminal.record({ type: 'removed', runId });
  await session.terminal.print(`Removed run ${runId} with its log. What it copied stays where it is.`);
  return fine(session);
}

export interface PruneOptions {
  readonly olderThan: string | undefined;
  readonly dryRun: boolean;
}

/** All that ended before then, but for unfinished ones and the latest snapshots. */
export async function pruneRuns(session: Session, { olderThan, dryRun }: PruneOptions): Promise<CommandEnd> {
  const beforeMs = readMoment(session, olderThan);
  const state = await session.state();
  const { terminal, format } = session;
  const life = await lifeNow(session);
  const { ofPairs, ofTransfers } = await state.history.latestSnapshots();
  const counts = { removed: 0, unfinished: 0, latest: 0 };
  for (const run of await state.store.listRuns(ALL_RUNS_MAX)) {
    const { runId } = run;
    session.signal.throwIfAborted();
    if ((run.endedAtMs ?? run.updatedAtMs) >= beforeMs) continue;
    if (canContinue(shownState(run, life)) || (await state.store.intents(runId)).length > 0) {
      counts.unfinished += 1;
      continue;
    }
    if (ofPairs.has(runId) || ofTransfers.has(runId)) {
      counts.latest += 1;
      continue;
    }
    if (!dryRun) await state.history.remove(runId);
    counts.removed += 1;
    if (!dryRun) await terminal.record({ type: 'removed', runId });
  }
  const kept = [
    ...(counts.latest > 0 ? [`${format.plural(counts.latest, RUNS)} with the latest snapshot`] : []),
    ...(counts.unfinished > 0 ? [`${format.plural(counts.unfinished, RUNS)} not finished`] : []),
  ];
  const rest = kept.length === 0 ? '' : ` Kept ${kept.join(' and ')}.`;
  await terminal.print(`${dryRun ? 'Would remove' : 'Removed'} ${format.plural(counts.removed, RUNS)}.${rest}`);
  return fine(session);
}

/** What it left at its target goes first: nobody else would ever know of it. */
async function giveUp(session: Session, state: Standalone, run: RunRecord): Promise<void> {
  const { policy, target: end } = run.definition;
  const writes = policy.mode !== 'check' && !policy.dryRun;
  await using lock = await lockRun(state, run.definition, writes, run.runId);
  if (lock === null) throw busy(run.runId);
  if (!writes) return;
  const { clock, random } = session.world;
  try {
    await using account = await openTargetAccount(session, run, openSide(session));
    refuseOtherAccount(run, account);
    const facts = await state.facts.get(account.fingerprint, end.place.container);
    await using target = await account.target(end.place, { facts, runId: run.runId }, session.signal);
    await abandonRun(run, target, { store: state.store, artifacts: state.artifacts, clock, random }, session.signal);
  } catch (error) {
    const { code } = toDroverError(error);
    const isGone = code === 'PLACE_NOT_FOUND';
    const leavesNothing = code === 'CONNECTOR_NOT_FOUND' && (await state.store.intents(run.runId)).length === 0;
    if (!isGone && !leavesNothing) throw error;
    await session.terminal.say(`${visible(end.label)} cannot be opened any more, so nothing was tidied up there.`);
  }
}

function readMoment(session: Session, olderThan: string | undefined): number {
  if (olderThan === undefined) {
    throw new DroverError('USAGE', '"drover runs prune" needs --older-than, an age or a date.', {
      field: '--older-than',
      remedy: 'For instance: drover runs prune --older-than 90d',
    });
  }
  const limit = named(olderThan, '--older-than', parseAge);
  return limit.kind === 'moment' ? limit.atMs : session.world.clock.now() - limit.ageMs;
}

function busy(runId: string): DroverError {
  return new DroverError('GUARD_BUSY', `Nothing was removed: run ${runId} is being worked on.`);
}

function isLatest({ runId, definition }: RunRecord): DroverError {
  const places = `${visible(definition.source.label)} → ${visible(definition.target.label)}`;
  return new DroverError(
    'INVALID_INPUT',
    `Nothing was removed: run ${runId} holds the latest snapshot of ${places}, which the next run compares with.`,
    { field: 'RUN', remedy: 'Once a later run of these places has ended, this one can be removed.' },
  );
}

function isUnfinished(runId: string, isContinuable: boolean): DroverError {
  const why = isContinuable ? 'is unfinished and can be continued' : 'may have left uploads at its target';
  return new DroverError('GUARD_CONFIRM', `Nothing was removed: run ${runId} ${why}.`, {
    remedy: `To give it up, and take away what it left: drover runs remove ${runId} --force`,
  });
}

function fine(session: Session): CommandEnd {
  return { exit: EXIT.FINE, summary: { ...EMPTY_SUMMARY, durationMs: session.elapsedMs } };
}
