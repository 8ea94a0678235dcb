/** Sentences of the command line that carry numbers or names. Everything is rendered from values, nothing is stored. */
import type { Concession, EndDefinition } from '../engine/definition.ts';
import type { RunRecord } from '../engine/ports.ts';
import {
  RUN_STATE_WORDS,
  unprovedItems,
  type Counters,
  type ItemCounts,
  type VerificationClass,
} from '../model/outcome.ts';
import type { Policy } from '../model/policy.ts';
import { formatDuration, type Format, type PluralForms } from './format.ts';
import type { ShownState } from './run-state.ts';
import { visible } from './terminal.ts';

export const OBJECTS: PluralForms = { one: '# object', other: '# objects' };
export const STOPPING = 'Stopping cleanly; the same command continues. Again to stop at once.';

/** The code's words never reach a screen unmapped. */
export const STATE_WORDS: Readonly<Record<ShownState, string>> = { ...RUN_STATE_WORDS, interrupted: 'Interrupted' };

const DIFFERENCES = { one: '# difference', other: '# differences' };

const PROOF_WORDS: Readonly<Record<VerificationClass, string>> = {
  V3: 'by SHA-256 or stronger',
  V2: 'by CRC',
  V1: 'by MD5',
  V0: 'by size only',
  VM: 'rewritten by the provider',
};

const MODE_WORDS: Readonly<Record<string, string>> = {
  merge: 'Copies what is missing or different; deletes nothing.',
  mirror: 'Makes the target equal to the source; deletes what only the target has.',
  check: 'Compares only; writes nothing.',
};

export interface HeaderFacts {
  readonly source: EndDefinition;
  readonly target: EndDefinition;
  readonly mode: string;
  readonly dryRun: boolean;
  readonly concessions: readonly Concession[];
  /** When the run that is continued began. */
  readonly continuesSinceMs: number | null;
  readonly runId: string;
  /** An earlier run of the same transfer has said all of them. */
  readonly wereConcessionsTold: boolean;
  /** Width of the terminal; `null` where there is none, so that each line of a file is one whole thing. */
  readonly columnsMax: number | null;
}

const CONCESSIONS = { one: '# thing', other: '# things' };

export function header(facts: HeaderFacts, format: Format): string {
  const lines = [
    `${visible(facts.source.label)} → ${visible(facts.target.label)}`,
    `  ${MODE_WORDS[facts.mode] ?? ''}`,
  ];
  if (facts.dryRun) lines.push('  Dry run: nothing is written and nothing is deleted.');
  if (facts.continuesSinceMs !== null) {
    lines.push(`  Continues the run that began on ${format.time(facts.continuesSinceMs)}.`);
  }
  return [...lines, ...concessionLines(facts, format)].join('\n');
}

function concessionLines(
  { concessions, wereConcessionsTold, runId, columnsMax }: HeaderFacts,
  format: Format,
): string[] {
  if (concessions.length === 0) return [];
  if (wereConcessionsTold) {
    const count = format.plural(concessions.length, CONCESSIONS);
    return [`  ${count} will not survive this way, as before: drover runs show ${runId}`];
  }
  const texts = concessions.map(({ aspect, detail }) => `${aspect}: ${visible(detail)}`);
  const lines = texts.flatMap((text) => (columnsMax === null ? [`    ${text}`] : wrapped(text, '    ', columnsMax)));
  return ['  What will not survive this way:', ...lines];
}

/** At words; lines after the first stand two further in. */
function wrapped(text: string, indent: string, columnsMax: number): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    const isFirst = line.trim() === '';
    if (!isFirst && line.length + 1 + word.length > columnsMax) {
      lines.push(line);
      line = `${indent}  ${word}`;
    } else line += isFirst ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** What the report of a run is made of; a run of the command line's own is one. */
export interface ReportedRun {
  readonly runId: string;
  readonly counters: Counters;
  readonly durationMs: number;
  readonly definition: { readonly policy: Pick<Policy, 'mode' | 'dryRun' | 'oneWay' | 'acceptV0'> };
}

/** What can be typed next. */
export interface NextSteps {
  log(runId: string, results: string): string;
  readonly again: string;
  /** What reads on both sides the objects that only their sizes speak for, and what takes the size for enough. */
  readonly prove: readonly [string, string];
}

const HERE: NextSteps = {
  log: (runId, results) => `drover runs log ${runId} --result ${results}`,
  again: 'the same command; what is there is not copied twice',
  prove: ['--verify read-back', '--accept-size-only'],
};

/** What a run came to: what did not make it first, then what did, then what can be done. */
export function runReport(run: ReportedRun, format: Format, steps: NextSteps = HERE): string {
  const { policy } = run.definition;
  if (policy.mode === 'check') return checkReport(run, format, steps);
  const { items, bytes, deletesFailed, verification } = run.counters;
  const lines: string[] = [];
  const lost = items.failed + items.unsupported;
  if (lost > 0) {
    const reasons = [
      ...(items.unsupported > 0 ? [`${format.count(items.unsupported)} unsupported`] : []),
      ...(items.failed > 0 ? [`${format.count(items.failed)} failed`] : []),
    ];
    const sentence = { one: '# of TOTAL did not make it', other: '# of TOTAL did not make it' };
    const total = format.plural(items.scanned, OBJECTS);
    lines.push(`${format.plural(lost, sentence).replace('TOTAL', total)}: ${reasons.join(', ')}.`);
  }
  const took = formatDuration(run.durationMs);
  if (policy.dryRun) {
    lines.push(dryRunSentence(run, format));
  } else if (items.copied === 0 && items.deleted === 0 && deletesFailed === 0 && lost === 0) {
    const words =
      items.same > 0
        ? `${run.counters.sameWeak > 0 ? 'Nothing was transferred' : 'Nothing had changed'}: ${format.plural(items.same, OBJECTS)} needed no transfer.`
        : `Nothing was transferred: ${idleReason(items, format)}.`;
    lines.push(`${words} ${took}. Run ${run.runId}.`);
  } else {
    const proved = items.copied > 0 && verification.V0 === 0 ? ' and verified' : '';
    lines.push(
      `${format.count(items.copied)} transferred${proved}, ${format.bytes(bytes.copied)} in ${took}. Run ${run.runId}.`,
    );
  }
  lines.push(...otherOutcomes(run, format), ...nextSteps(run, steps));
  return lines.join('\n');
}

/** Where nothing was the same either. */
function idleReason(items: ItemCounts, format: Format): string {
  if (items.scanned === 0) return 'the source is empty';
  const parts = (['excluded', 'skipped', 'unsupported', 'failed'] as const).filter((name) => items[name] > 0);
  return parts.map((name) => `${format.count(items[name])} ${IDLE_WORDS[name]}`).join(', ');
}

const IDLE_WORDS = {
  excluded: 'left out by the filters',
  skipped: 'skipped',
  unsupported: 'unsupported',
  failed: 'failed',
} as const;

/** A dry run counts what it would copy as differences, because nothing was copied. */
function dryRunSentence(run: ReportedRun, format: Format): string {
  const { items } = run.counters;
  const planned = plannedCopies(run);
  const deletions = plannedDeletions(run);
  const end = `Nothing was changed. Run ${run.runId}.`;
  if (planned === 0 && deletions === 0) {
    const why =
      items.same > 0 ? `${format.plural(items.same, OBJECTS)} would need no transfer` : idleReason(items, format);
    return `Would transfer nothing: ${why}. ${end}`;
  }
  const { missing, different, extra, kept = 0 } = run.counters.differenceBytes;
  const and =
    deletions > 0
      ? ` and delete ${format.plural(deletions, OBJECTS)} (${format.bytes(extra - kept)}) in the target`
      : '';
  return `Would transfer ${format.plural(planned, OBJECTS)} (${format.bytes(missing + different)})${and}. ${end}`;
}

function plannedCopies({ definition, counters }: ReportedRun): number {
  return definition.policy.dryRun ? counters.differences.missing + counters.differences.different : 0;
}

function plannedDeletions({ definition, counters }: ReportedRun): number {
  const { dryRun, mode } = definition.policy;
  return dryRun && mode === 'mirror' ? unwanted(counters) : 0;
}

/** What only the target has, and a mirror deletes. */
function unwanted({ differences: { extra, kept = 0 } }: Pick<Counters, 'differences'>): number {
  return extra - kept;
}

/** What a run did, or in a dry run what it would do, for lists of runs. */
export function amountWords(run: RunRecord, format: Format): string {
  const { items, bytes, differences } = run.counters;
  if (run.definition.policy.mode === 'check') {
    const found = differences.missing + differences.extra + differences.different;
    const compared = `${format.count(items.scanned - items.excluded - items.unsupported)} compared`;
    return found === 0 ? compared : `${compared}, ${format.plural(found, DIFFERENCES)}`;
  }
  if (run.definition.policy.dryRun) return `would transfer ${format.plural(plannedCopies(run), OBJECTS)}`;
  if (items.copied === 0 && items.same > 0) return `${format.count(items.same)} needed no transfer`;
  return `${format.plural(items.copied, OBJECTS)}, ${format.bytes(bytes.copied)}`;
}

/** The sum, in one line: it must add up. */
export function outcomeSum(run: ReportedRun, format: Format): string {
  const { items } = run.counters;
  const n = format.count;
  const planned = plannedCopies(run);
  const moved = run.definition.policy.dryRun ? `${n(planned)} to transfer` : `${n(items.copied)} transferred`;
  return (
    `${n(items.scanned)} scanned = ${moved} + ${n(items.same)} no transfer needed + ` +
    `${n(items.excluded)} excluded + ${n(items.skipped - planned)} skipped + ${n(items.unsupported)} unsupported + ` +
    `${n(items.failed)} failed`
  );
}

export function proofLine(verification: Readonly<Record<VerificationClass, number>>, format: Format): string {
  return (Object.keys(PROOF_WORDS) as VerificationClass[])
    .filter((name) => verification[name] > 0)
    .map((name) => `${format.count(verification[name])} ${PROOF_WORDS[name]}`)
    .join(' · ');
}

function otherOutcomes(run: ReportedRun, format: Format): string[] {
  const { items, verification, mapped, deletesFailed, sameWeak } = run.counters;
  const lines: string[] = [`  ${outcomeSum(run, format)}`];
  const proof = proofLine(verification, format);
  if (proof !== '' && !run.definition.policy.dryRun) lines.push(`  Verified: ${proof}`);
  if (items.deleted > 0 && !run.definition.policy.dryRun) {
    lines.push(`  ${format.plural(items.deleted, { one: '# object', other: '# objects' })} deleted in the target.`);
  }
  if (deletesFailed > 0) {
    const words = { one: '# object', other: '# objects' };
    lines.push(`  ${format.plural(deletesFailed, words)} could not be deleted in the target.`);
  }
  if (keptExtras(run) > 0) {
    lines.push(
      `  Nothing was deleted, because not everything arrived: ${format.plural(keptExtras(run), OBJECTS)} only in the target.`,
    );
  }
  const { kept = 0 } = run.counters.differences;
  if (kept > 0) {
    const only = { one: '# object only in the target stays', other: '# objects only in the target stay' };
    lines.push(`  ${format.plural(kept, only)}: below names of the source that are not read.`);
  }
  if (mapped > 0) {
    lines.push(
      `  ${format.plural(mapped, {
        one: '# object has another name at the target, which cannot hold the original one.',
        other: '# objects have other names at the target, which cannot hold the original ones.',
      })}`,
    );
  }
  if (sameWeak > 0) lines.push(`  ${sizeAlone(sameWeak, format)}`);
  return lines;
}

/** What a mirror did not delete, because something had failed before. */
function keptExtras({ definition, counters }: ReportedRun): number {
  const { mode, dryRun } = definition.policy;
  const { items } = counters;
  return mode === 'mirror' && !dryRun && items.failed > 0 && items.deleted === 0 ? unwanted(counters) : 0;
}

function nextSteps(run: ReportedRun, steps: NextSteps): string[] {
  const { items, deletesFailed } = run.counters;
  const results = [
    ...(items.failed > 0 || deletesFailed > 0 ? ['failed'] : []),
    ...(items.unsupported > 0 ? ['unsupported'] : []),
    ...((run.counters.differences.kept ?? 0) > 0 ? ['extra'] : []),
  ];
  if (run.definition.policy.dryRun && plannedCopies(run) + plannedDeletions(run) > 0) {
    const isTold = results.includes('extra');
    results.push('missing', 'different', ...(plannedDeletions(run) > 0 && !isTold ? ['extra'] : []));
  }
  const lines: string[] = [];
  if (results.length > 0) lines.push(`  See them      ${steps.log(run.runId, results.join(','))}`);
  if (items.failed > 0) lines.push(`  Try again     ${steps.again}`);
  return [...lines, ...provingSteps(run, steps)];
}

/** Of two contents of one size nobody knows whether they are the same. */
export function sizeAlone(count: number, format: Format): string {
  const words = { one: '# object was', other: '# objects were' };
  return `${format.plural(count, words)} compared by size alone: not proved, because no digest is known of both sides.`;
}

function provingSteps({ counters, definition }: ReportedRun, { prove: [read, accept] }: NextSteps): string[] {
  if (unprovedItems(counters, definition.policy) === 0) return [];
  return [
    `  Prove them    ${read}   reads them on both sides`,
    `  Or            ${accept}   takes their size for enough`,
  ];
}

function checkReport(run: ReportedRun, format: Format, steps: NextSteps): string {
  const { items, differences, sameWeak } = run.counters;
  const total = differences.missing + differences.extra + differences.different;
  const weak = sameWeak === 0 ? '' : `\n  ${sizeAlone(sameWeak, format)}`;
  const unsupported =
    items.unsupported === 0
      ? ''
      : `\n  ${format.plural(items.unsupported, OBJECTS)} not compared, because they cannot be moved.`;
  if (total === 0) {
    const word = sameWeak === 0 ? 'Identical' : 'No difference found';
    return (
      `${word}: ${format.plural(items.same, OBJECTS)} on both sides. ` +
      [`${formatDuration(run.durationMs)}. Run ${run.runId}.${weak}${unsupported}`, ...provingSteps(run, steps)].join(
        '\n',
      )
    );
  }
  const parts = [
    `${format.count(differences.missing)} missing in the target`,
    `${format.count(differences.different)} different`,
    ...(run.definition.policy.oneWay ? [] : [`${format.count(differences.extra)} only in the target`]),
  ];
  const sentence = format.plural(total, { one: '# difference', other: '# differences' });
  return (
    `${sentence}: ${parts.join(', ')}. ${format.plural(items.same, OBJECTS)} equal. Run ${run.runId}.${weak}${unsupported}\n` +
    [`  See them      ${steps.log(run.runId, 'missing,different,extra')}`, ...provingSteps(run, steps)].join('\n')
  );
}
