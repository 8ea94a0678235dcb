/** `copy`, `sync`, `check`: opening both ends, saying what will happen, running, reporting. */
import { isDeepStrictEqual } from 'node:util';
import { newRunId } from '../../engine/run-id.ts';
import type { Place, Probing, Source, Target, TargetFacts } from '../../contract/provider.ts';
import type { TransferDefinition } from '../../engine/definition.ts';
import type { RunResult } from '../../engine/world.ts';
import { rightsOf, type AskRights } from '../../engine/denials.ts';
import { readItems } from '../../engine/item-log.ts';
import { refuseStorageClass } from '../../engine/storage-class.ts';
import { negotiate } from '../../engine/negotiate.ts';
import type { RunRecord } from '../../engine/ports.ts';
import { abandonRun } from '../../engine/abandon.ts';
import { runTransfer } from '../../engine/run.ts';
import { defineTransfer } from '../../engine/transfer.ts';
import { DroverError, toDroverError, toFailure } from '../../model/errors.ts';
import type { Policy } from '../../model/policy.ts';
import type { Standalone } from '../../standalone/standalone.ts';
import { defineEnd, namedPlace, openEnd, openSource, patiently, type NamedEnd, type SourceEnd } from '../ends.ts';
import { exitOfRun, hasDifferences } from '../exit.ts';
import { filterHints } from '../filter-hints.ts';
import { openProgressView } from '../progress.ts';
import { countsOf, type Side } from '../requests.ts';
import { probingAt, refuseOverlap } from '../same-place.ts';
import type { CommandEnd, Session } from '../session.ts';
import { EMPTY_SUMMARY, summaryOfRun } from '../summary.ts';
import { visible } from '../terminal.ts';
import { header, runReport, STOPPING } from '../texts.ts';
import { lockRun } from '../transfer-lock.ts';
import type { TransferCommand, TransferOptions } from '../transfer-options.ts';

/** Why a run that was interrupted is not complete. */
const STOPPED = toFailure(new DroverError('CANCELLED', 'The run was stopped before its end.'));

/** Differences shown in full without --verbose; the rest is in the log. */
const DIFFERENCES_SHOWN_MAX = 20;

/** Text that is broken into narrower lines cannot be read. */
const COLUMNS_LEAST = 40;

export async function transfer(
  session: Session,
  command: TransferCommand,
  sourceWords: string,
  targetWords: string,
  options: TransferOptions,
): Promise<CommandEnd> {
  await using cleanup = new AsyncDisposableStack();
  const sourceEnd = cleanup.use(await openNamed(session, sourceWords));
  const targetEnd = cleanup.use(await openNamed(session, targetWords));
  const targetPlace = namedPlace(targetEnd.end);
  const target = await defineEnd(targetEnd.end, targetPlace, null);
  const to = { end: targetEnd.end, definition: target };
  const named = await defineEnd(sourceEnd.end, namedPlace(sourceEnd.end), null);
  const { target: traits, title } = targetEnd.end.connector.provider.manifest;
  if (traits !== null) refuseStorageClass(options.policy.storageClass, traits, title, '--storage-class');
  // Before anything is asked over the network; an object can only be told apart from a folder after that.
  await refuseOverlap({ end: sourceEnd.end, definition: named }, to, true);
  const source = await openSource(session, sourceEnd.end, { versions: options.policy.versions });
  cleanup.use(source.source);
  await refuseOverlap({ end: sourceEnd.end, definition: source.definition }, to, false);

  const state = await session.state();
  const draft = defineTransfer({
    command,
    source: source.definition,
    target,
    policy: options.policy,
    concessions: [],
  });
  const writes = options.policy.mode !== 'check' && !options.policy.dryRun;
  const expected = options.fresh ? null : await state.store.findUnfinished(draft.transferId);
  const freshId = newRunId(session.world);
  const lock = await lockRun(state, draft, writes, expected?.runId ?? freshId);
  if (lock !== null) cleanup.use(lock);
  // Read only under the lock: before it, another process may still have been ending that run.
  const unfinished = lock === null ? null : await state.store.findUnfinished(draft.transferId);
  const continued = options.fresh ? null : unfinished;
  const runId = continued?.runId ?? freshId;
  if (options.fresh) await forgetUnfinished(session, state, draft.transferId, targetEnd.end, targetPlace);
  const isFirst = (await state.store.findLatestSnapshot(draft.transferId, draft.pairId)) === null;
  const { versions } = options.policy;
  const probing = (into: Target): Probing | undefined =>
    isFirst ? probingAt(source, target, into, session.signal) : undefined;
  const opened = await openTarget(session, targetEnd.end, targetPlace, runId, { writes, versions }, probing);
  cleanup.use(opened);
  const { verify, dryRun } = (continued?.definition ?? draft).policy;
  const readsBack = verify === 'read-back' && !dryRun;
  const readBack = readsBack ? await openReadBack(session, targetEnd.end, targetPlace) : null;
  if (readBack !== null) cleanup.use(readBack);
  const concessions = negotiate({
    source: source.source.traits,
    target: opened.traits,
    facts: opened.facts,
    policy: options.policy,
    sourceTitle: sourceEnd.end.connector.provider.manifest.title,
    targetTitle: targetEnd.end.connector.provider.manifest.title,
    sourceNames: sourceEnd.end.connector.provider.manifest.target?.names ?? null,
  });
  const definition = continued?.definition ?? { ...draft, concessions };
  const rights = rightsOf(
    {
      source: { account: sourceEnd.end.account, place: definition.source.place, label: definition.source.label },
      target: { account: targetEnd.end.account, place: definition.target.place, label: definition.target.label },
    },
    definition.policy,
    'The same command then continues.',
  );
  const prepared = { definition, source, target: opened, readBack, rights, runId, continued, options };
  await say(session, state, prepared);

  const sides = { source: sourceEnd.end.side, target: targetEnd.end.side };
  const result = await run(session, state, prepared, sides);
  return report(session, state, result);
}

interface Prepared {
  readonly definition: TransferDefinition;
  readonly source: SourceEnd;
  readonly target: Target;
  readonly readBack: Source | null;
  readonly rights: AskRights;
  readonly runId: string;
  readonly continued: RunRecord | null;
  readonly options: TransferOptions;
}

async function openNamed(session: Session, words: string): Promise<{ end: NamedEnd } & AsyncDisposable> {
  const end = await openEnd(session, words);
  return { end, [Symbol.asyncDispose]: async () => end.account[Symbol.asyncDispose]() };
}

/** `--fresh` means that the old run is over: what it left at the target goes, and no plain command continues it. */
async function forgetUnfinished(
  session: Session,
  state: Standalone,
  transferId: string,
  end: NamedEnd,
  place: Place,
): Promise<void> {
  const { clock, random } = session.world;
  for (;;) {
    const unfinished = await state.store.findUnfinished(transferId);
    if (unfinished === null) return;
    const facts = await state.facts.get(end.account.fingerprint, place.container);
    await using old = await end.account.target(place, { facts, runId: unfinished.runId }, session.signal);
    await abandonRun(
      unfinished,
      old,
      { store: state.store, artifacts: state.artifacts, clock, random },
      session.signal,
    );
  }
}

/** With what the store was seen to honour; asked when a run writes: once for each store and bucket, and for each source. */
async function openTarget(
  session: Session,
  end: NamedEnd,
  place: Place,
  runId: string,
  { writes, versions }: { readonly writes: boolean; readonly versions: Policy['versions'] },
  probingOf: (target: Target) => Probing | undefined,
): Promise<Target> {
  const { facts: known } = await session.state();
  const facts = await known.get(end.account.fingerprint, place.container);
  const target = await openOrMake(session, end, place, { facts, runId }, writes);
  if (writes) await target.ready?.(session.signal);
  const probing = probingOf(target);
  // What earlier versions saw does not say it.
  const isEnough = versions === 'current' || facts?.keepsVersions !== undefined;
  const isKnown = facts !== null && isEnough && probing === undefined;
  if (!writes || isKnown || target.observe === undefined) return target;
  try {
    const observed = await target.observe(session.signal, probing);
    await known.put(end.account.fingerprint, place.container, observed);
    await target[Symbol.asyncDispose]();
    return await end.account.target(place, { facts: observed, runId }, session.signal);
  } catch (error) {
    // Who may only write cannot probe: every answer is then unknown, and the run says what that costs.
    if (toDroverError(error).code !== 'PERMISSION_DENIED') throw error;
    return target;
  }
}

/** A local folder is made when something is to be written; a bucket is only made by `mkbucket`. */
async function openOrMake(
  session: Session,
  end: NamedEnd,
  place: Place,
  options: { readonly facts: TargetFacts | null; readonly runId: string },
  writes: boolean,
): Promise<Target> {
  if (end.text.kind === 'local' && writes) await end.account.makeContainer(place.container, session.signal);
  return patiently(session, () => end.account.target(place, options, session.signal));
}

/** The target's place, to read what was written to it. */
function openReadBack(session: Session, end: NamedEnd, place: Place): Promise<Source> {
  return patiently(session, () => end.account.source(place, { versions: 'current' }, session.signal));
}

async function say(session: Session, state: Standalone, { definition, continued, runId }: Prepared): Promise<void> {
  const { policy, source, target, concessions } = definition;
  const before = await state.history.newestOf(definition.transferId);
  const { stderr } = session.terminal;
  const words = header(
    {
      source,
      target,
      mode: policy.mode,
      dryRun: policy.dryRun,
      concessions,
      continuesSinceMs: continued?.startedAtMs ?? null,
      runId,
      wereConcessionsTold: before !== null && isDeepStrictEqual(before.definition.concessions, concessions),
      columnsMax: stderr.isTerminal ? Math.max(COLUMNS_LEAST, stderr.columns() - 1) : null,
    },
    session.format,
  );
  await session.terminal.say(words);
}

async function run(
  session: Session,
  state: Standalone,
  prepared: Prepared,
  sides: { readonly source: Side; readonly target: Side },
): Promise<RunResult> {
  const { definition, source, target, readBack, rights, runId, continued, options } = prepared;
  const { terminal, world } = session;
  const requests = (): ReturnType<typeof countsOf> => countsOf(sides.source, sides.target);
  await terminal.record({
    type: 'run',
    runId,
    continued: continued !== null,
    source: definition.source.label,
    target: definition.target.label,
    mode: definition.policy.mode,
    dryRun: definition.policy.dryRun,
    concessions: definition.concessions,
  });
  const view = openProgressView(session);
  session.phase = 'during';
  session.interim = { ...EMPTY_SUMMARY, runId, state: 'running' };
  session.onStopped(() => {
    void view.end().then(async () => terminal.say(STOPPING));
  });
  try {
    return await runTransfer(
      definition,
      { source: source.source, target, rights, ...(readBack === null ? {} : { readBack }) },
      {
        clock: world.clock,
        random: world.random,
        log: session.log,
        store: state.store,
        artifacts: state.artifacts,
        worker: 'cli',
        requests,
        heldBack: () => ({ source: sides.source.heldBack(), target: sides.target.heldBack() }),
        ...(world.eventLoopUse === undefined ? {} : { eventLoopUse: world.eventLoopUse }),
      },
      {
        runId,
        tuning: options.tuning,
        signal: session.signal,
        onProgress: (progress) => {
          session.interim = { ...session.interim, counters: progress.counters, requests: requests() };
          view.show(progress);
        },
        continueRun: continued,
      },
    );
  } finally {
    await view.end();
  }
}

async function report(session: Session, state: Standalone, result: RunResult): Promise<CommandEnd> {
  const { run: record, error, interrupted } = result;
  const exit = exitOfRun(record, error, interrupted);
  const summary =
    interrupted && error === null ? { ...summaryOfRun(record, null), error: STOPPED } : summaryOfRun(record, error);
  const failure = summary.error;
  if (failure !== null && failure.code !== 'CANCELLED') {
    await session.terminal.fail(failure, null);
    if (record.state !== 'failed') await session.terminal.say(`Run ${record.runId} can be continued.`);
  } else if (interrupted) {
    await session.terminal.say(`Stopped. Run ${record.runId} can be continued by the same command.`);
  } else {
    if (record.definition.policy.mode === 'check' && hasDifferences(record.counters)) {
      await showDifferences(session, state, record);
    }
    await session.terminal.print(runReport(record, session.format));
    for (const hint of filterHints(record)) await session.terminal.say(hint);
  }
  return { exit, summary };
}

async function showDifferences(session: Session, state: Standalone, record: RunRecord): Promise<void> {
  const { terminal } = session;
  const shownMax = terminal.options.verbose ? Number.POSITIVE_INFINITY : DIFFERENCES_SHOWN_MAX;
  let shown = 0;
  for await (const item of readItems(record, state)) {
    if (item.result !== 'missing' && item.result !== 'extra' && item.result !== 'different') continue;
    await terminal.record({ type: 'difference', ...item });
    shown += 1;
    if (shown <= shownMax) await terminal.print(`  ${item.result.padEnd(9)}  ${visible(item.key)}`);
    if (shown > shownMax && !terminal.options.json) break;
  }
}
