/** The report as one page that needs nothing else: no script, no network, fit for printing, light and dark. */
import type { ItemCounts } from '../../model/outcome.ts';
import { CLASS_WORDS, type ValidationReport } from './report.ts';
import type { Signature } from './signing.ts';

const STATE_WORDS: Readonly<Record<string, string>> = {
  succeeded: 'Succeeded',
  'completed-with-issues': 'Completed with issues',
  failed: 'Failed',
  cancelled: 'Canceled',
};

/** Rows shown of each list; the JSON report and the copy log hold more. */
const ROWS_SHOWN_MAX = 1_000;

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.result { padding: .75rem 1rem; border-left: .4rem solid; margin: 1rem 0; }
.clean { border-color: #107c10; } .issues { border-color: #b86e00; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem .3rem 0; vertical-align: top; }
tr + tr td { border-top: 1px solid #8884; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
code, .key { font-family: ui-monospace, monospace; overflow-wrap: anywhere; } .wide { overflow-x: auto; margin-bottom: 1.5rem; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; }
`;

export function toHtml(report: ValidationReport, signature: Signature): string {
  const { run, counters } = report;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Validation report: ${escape(run.jobName)}</title><style>${STYLE}</style></head><body>
<h1>Validation report</h1>
<p><bdi class="key">${escape(run.sourcePath)}</bdi> → <bdi class="key">${escape(run.targetPath)}</bdi><br>
${escape(run.projectName)} / ${escape(run.jobName)}, run ${run.number}, ${escape(report.madeAt)}, Drover ${escape(report.programVersion)}</p>
${resultOf(report)}
<h2>Sums</h2>
${sumsOf(counters.items, counters.bytes)}
<h2>Proof</h2>
${proofOf(report)}
<h2>Compared with the target as it is now</h2>
${comparedOf(report)}
<h2>Read back</h2>
${readBackOf(report)}
<h2>What did not make it, and why</h2>
${issuesOf(report)}
<h2>What does not survive this way</h2>
${lossesOf(report)}
<h2>The run</h2>
<dl><dt>State</dt><dd>${escape(STATE_WORDS[run.state] ?? run.state)}</dd>
<dt>Started, ended</dt><dd>${escape(run.startedAt ?? '–')} to ${escape(run.endedAt ?? '–')}</dd>
<dt>Started by</dt><dd>${escape(run.createdBy)}</dd>
<dt>Copy mode</dt><dd>${escape(report.settings.mode)}</dd>
<dt>Run id</dt><dd><code>${escape(run.id)}</code></dd>
<dt>Manifest root</dt><dd><code>${escape(report.manifestRoot ?? 'none')}</code></dd></dl>
<h2>Signature</h2>
<dl><dt>SHA-256 of the JSON report</dt><dd><code>${signature.sha256}</code></dd>
<dt>Ed25519 signature</dt><dd><code>${signature.signature}</code></dd>
<dt>Public key of this server</dt><dd><code>${signature.publicKey}</code></dd></dl>
</body></html>
`;
}

function resultOf({ isClean, counters, findings }: ValidationReport): string {
  const { scanned } = counters.items;
  if (isClean) {
    return `<div class="result clean"><strong>Clean.</strong> ${number(scanned)} objects were found at the source; every one of them that was to be copied is at the target.</div>`;
  }
  return `<div class="result issues"><strong>Not clean.</strong> ${number(scanned)} objects were found at the source.${listOf(findings.map(escape), '')}</div>`;
}

function sumsOf(items: ItemCounts, bytes: { readonly scanned: number; readonly copied: number }): string {
  const rows: [string, number][] = [
    ['Scanned', items.scanned],
    ['Transferred', items.copied],
    ['No transfer needed', items.same],
    ['Excluded', items.excluded],
    ['Skipped', items.skipped],
    ['Unsupported', items.unsupported],
    ['Failed', items.failed],
    ['Deleted at the target', items.deleted],
  ];
  const lines = rows.map(([word, count]) => `<tr><td>${word}</td><td class="n">${number(count)}</td></tr>`).join('');
  return `<table><tr><th>Objects</th><th class="n">Count</th></tr>${lines}</table>
<p>${number(bytes.scanned)} bytes scanned, ${number(bytes.copied)} bytes transferred.</p>`;
}

function proofOf({ counters }: ValidationReport): string {
  const classes = Object.entries(counters.verification).filter(([, count]) => count > 0);
  if (classes.length === 0) return '<p>Nothing was transferred in this run.</p>';
  const words = CLASS_WORDS as Readonly<Record<string, string>>;
  return `<ul>${classes.map(([name, count]) => `<li>${number(count)} ${escape(words[name] ?? name)} (${name})</li>`).join('')}</ul>`;
}

function comparedOf({ run, counters, comparedNow }: ValidationReport): string {
  if ('notCompared' in comparedNow && !comparedNow.isFault && run.kind === 'validate' && hasEndedWell(run.state)) {
    const { missing, different, extra } = counters.differences;
    return `<p>This run did that: ${number(missing)} missing, ${number(different)} different, ${number(extra)} only at the target.</p>`;
  }
  if ('notCompared' in comparedNow) return `<p>Not compared. ${escape(comparedNow.notCompared)}</p>`;
  const { checked, checkedBytes, missing, different, differences } = comparedNow;
  const words = `<p>${number(checked)} objects, ${number(checkedBytes)} bytes: ${number(missing)} missing, ${number(different)} different.</p>`;
  return (
    words +
    table(
      ['Key at the target', 'Result', 'Details'],
      differences.map((one) => [one.targetKey, one.result, one.details]),
    )
  );
}

function hasEndedWell(state: ValidationReport['run']['state']): boolean {
  return state === 'succeeded' || state === 'completed-with-issues';
}

/** A comparison copies nothing, so nothing was conceded for it; that is not to say that the copies lost nothing. */
function lossesOf({ run, concessions }: ValidationReport): string {
  if (run.kind === 'validate')
    return '<p>A validation copies nothing. What the copies could not carry over is in the report of the transfer.</p>';
  return listOf(
    concessions.map(({ detail }) => escape(detail)),
    'Everything survives that Drover copies.',
  );
}

function readBackOf({ readBack }: ValidationReport): string {
  if ('notReadBack' in readBack) return `<p>Nothing was read back. ${escape(readBack.notReadBack)}</p>`;
  const { chosen, equal, different, changed, unreadable, rows } = readBack;
  const words = `<p>${number(chosen)} objects chosen at random, byte by byte: ${number(equal)} equal, ${number(different)} different, ${number(changed)} written to since, ${number(unreadable)} not readable.</p>`;
  const notEqual = rows.filter(({ result }) => result !== 'equal');
  return (
    words +
    table(
      ['Key', 'Result', 'Details'],
      notEqual.map((row) => [row.key, row.result, row.details ?? '']),
    )
  );
}

function issuesOf({ issues }: ValidationReport): string {
  if (issues.total === 0) return '<p>Everything made it.</p>';
  const codes = table(
    ['Code', 'Result', 'Objects', 'What to do'],
    issues.byCode.map(({ code, result, items, remedy }) => [code, result, number(items), remedy]),
  );
  const shown = issues.rows.slice(0, ROWS_SHOWN_MAX);
  const rest =
    issues.total > shown.length
      ? `<p>The first ${number(shown.length)} of ${number(issues.total)}; all of them are in the copy log.</p>`
      : '';
  const rows = shown.map(({ key, result, code, details }) => [key, result, code, details ?? '']);
  return codes + rest + table(['Key', 'Result', 'Code', 'Why'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  // A key may be broken anywhere; a code is a word.
  const isKey = head[0]?.startsWith('Key') === true;
  const cells = (row: readonly string[]): string =>
    row.map((cell, at) => `<td${at === 0 && isKey ? ' class="key"' : ''}><bdi>${escape(cell)}</bdi></td>`).join('');
  return `<div class="wide"><table><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr>${rows.map((row) => `<tr>${cells(row)}</tr>`).join('')}</table></div>`;
}

function listOf(lines: readonly string[], empty: string): string {
  return lines.length === 0 ? `<p>${empty}</p>` : `<ul>${lines.map((line) => `<li>${line}</li>`).join('')}</ul>`;
}

function number(count: number): string {
  return new Intl.NumberFormat('en-US').format(count);
}

/** Also what cannot be seen is shown, so that two keys never look the same. */
function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`);
}
