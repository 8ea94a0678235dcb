/** `runs`: what was done, and what happened to each item. */
import { readItems } from '../../engine/item-log.ts';
import type { RunRecord } from '../../engine/ports.ts';
import { CodeWords } from '../code-words.ts';
import { EXIT } from '../exit.ts';
import { formatDuration } from '../format.ts';
import { lifeNow, shownState, type ShownState } from '../run-state.ts';
import type { CommandEnd, Session } from '../session.ts';
import { EMPTY_SUMMARY, summaryOfRun } from '../summary.ts';
import { visible } from '../terminal.ts';
import { amountWords, outcomeSum, proofLine, STATE_WORDS } from '../texts.ts';
import { outcomeRows } from '../amounts.ts';
import { RESULTS } from '../../model/outcome.ts';
import { parseChoices } from '../units.ts';
import { findRun } from './verify.ts';

export async function listRuns(session: Session, limit: number): Promise<CommandEnd> {
  const state = await session.state();
  const runs = await state.store.listRuns(limit);
  const life = await lifeNow(session);
  const { terminal, format } = session;
  for (const run of runs) {
    const shown = shownState(run, life);
    await terminal.record(runLine(run, shown));
    const { source, target, command } = run.definition;
    const amount = amountWords(run, format);
    await terminal.print(
      `${run.runId}  ${format.time(run.startedAtMs)}  ${STATE_WORDS[shown].padEnd(21)}  ` +
        `${command.padEnd(5)}  ${visible(source.label)} → ${visible(target.label)}  ${amount}`,
    );
  }
  if (runs.length === 0) await terminal.print('No runs yet. Start one with "drover copy SOURCE TARGET".');
  return fine(session);
}

export async function showRun(session: Session, runId: string): Promise<CommandEnd> {
  const run = await findRun(session, runId);
  const { terminal, format } = session;
  const { definition, counters } = run;
  const shown = shownState(run, await lifeNow(session));
  const next = shown === 'interrupted' ? '; the same command continues' : '';
  await terminal.record(runLine(run, shown));
  const lines = [
    `Run        ${run.runId} (${definition.command})`,
    `Source     ${visible(definition.source.label)}`,
    `Target     ${visible(definition.target.label)}`,
    `State      ${STATE_WORDS[shown]}${next}`,
    `Began      ${format.time(run.startedAtMs)}, took ${formatDuration(run.durationMs)}`,
    `Items      ${outcomeSum(run, format)}`,
    ...outcomeRows(counters, format).map(([name, amount]) => `  ${name.padEnd(20)}${amount}`),
    ...(counters.items.copied > 0 ? [`Verified   ${proofLine(counters.verification, format)}`] : []),
    `Requests   source ${requestsText(run.requests.source)}; target ${requestsText(run.requests.target)}`,
    ...definition.concessions.map(({ detail }) => `Concession ${visible(detail)}`),
    ...(run.manifestRoot === null ? [] : [`Manifest   ${run.manifestRoot}`]),
    ...(run.error === null ? [] : [`Error      ${visible(run.error.message)} ${run.error.remedy}`]),
  ];
  await terminal.print(lines.join('\n'));
  return { exit: EXIT.FINE, summary: { ...summaryOfRun(run, null), state: 'succeeded', error: null } };
}

/** Every item, or those with one of these results; as they were committed. */
export async function showLog(session: Session, runId: string, results: string | undefined): Promise<CommandEnd> {
  const wanted = readResults(results);
  const run = await findRun(session, runId);
  const { terminal, format } = session;
  const state = await session.state();
  let shown = 0;
  const words = new CodeWords();
  for await (const item of readItems(run, state)) {
    if (wanted !== null && !wanted.has(item.result)) continue;
    shown += 1;
    words.saw(item.code);
    await terminal.record({ type: 'item', ...item });
    if (terminal.options.json) continue;
    const proof = item.verification === undefined ? '' : `  ${item.verification}`;
    const name = item.targetKey === undefined ? visible(item.key) : `${visible(item.key)} → ${visible(item.targetKey)}`;
    const why = item.details === undefined ? `  ${item.code}` : `  ${item.code}: ${visible(item.details)}`;
    await terminal.print(
      `${item.result.padEnd(11)}  ${format.count(item.sizeBytes).padStart(15)}  ${name}${proof}${why}`,
    );
  }
  await terminal.say(format.plural(shown, { one: '# row', other: '# rows' }));
  await words.say(session);
  return { exit: EXIT.FINE, summary: { ...summaryOfRun(run, null), state: 'succeeded', error: null } };
}

function readResults(text: string | undefined): ReadonlySet<string> | null {
  return text === undefined ? null : new Set(parseChoices(text, '--result', RESULTS));
}

function requestsText(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function runLine(run: RunRecord, state: ShownState): Readonly<Record<string, unknown>> {
  const { definition } = run;
  return {
    type: 'run',
    runId: run.runId,
    transferId: run.transferId,
    command: definition.command,
    source: definition.source.label,
    target: definition.target.label,
    state,
    startedAt: new Date(run.startedAtMs).toISOString(),
    endedAt: run.endedAtMs === null ? null : new Date(run.endedAtMs).toISOString(),
    durationMs: run.durationMs,
    counters: run.counters,
    requests: run.requests,
    concessions: definition.concessions,
    manifestRoot: run.manifestRoot,
    error: run.error,
  };
}

function fine(session: Session): CommandEnd {
  return { exit: EXIT.FINE, summary: { ...EMPTY_SUMMARY, durationMs: session.elapsedMs } };
}
