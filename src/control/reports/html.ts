/** The report as one page that needs nothing else: no script, no network, fit for printing, light and dark. */
import type { Signature } from '../../lib/report-seal.ts';
import { RUN_STATE_WORDS } from '../../model/outcome.ts';
import type { BothSides } from './both-sides.ts';
import type { ManifestSums } from './proof.ts';
import { CLASS_WORDS, type ValidationReport } from './report.ts';

/** Rows shown of each list; the JSON report and the copy log hold more. */
const ROWS_SHOWN_MAX = 1_000;

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --text: #1b1b1f; --soft: #55565c; --line: #d5d6db;
  --page: #fff; --good: #0b6a0b; --bad: #8a4b00; --tint: #f5f5f7; }
@media (prefers-color-scheme: dark) { :root { --text: #ececf0; --soft: #b3b4bb; --line: #44464e; --page: #17181b;
  --good: #6ccb6c; --bad: #f0b45a; --tint: #222429; } }
body { margin: 0; background: var(--page); color: var(--text); }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; break-after: avoid; }
p { margin: .5rem 0; }
.result { padding: .75rem 1rem; border-left: .4rem solid; margin: 1.25rem 0; background: var(--tint); }
.clean { border-color: var(--good); } .clean strong { color: var(--good); }
.issues { border-color: var(--bad); } .issues strong { color: var(--bad); }
.result ul { margin: .5rem 0 0; padding-left: 1.25rem; }
table { border-collapse: collapse; width: 100%; } table.counts { max-width: 30rem; }
caption { text-align: left; color: var(--soft); font-size: .9rem; padding: .5rem 0 .25rem; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; vertical-align: top; border-top: 1px solid var(--line); }
thead th { border-top: 0; white-space: nowrap; } tbody th { font-weight: 400; }
.n { text-align: right; font-variant-numeric: tabular-nums; padding-right: 0; }
code, .key { font-family: ui-monospace, monospace; font-size: .9rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .5rem 0 1rem; } .wide td { overflow-wrap: break-word; } .wide th.key { min-width: 12rem; }
.wide:focus-visible { outline: 2px solid var(--soft); outline-offset: 2px; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .25rem 1.25rem; margin: .5rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 34rem) { .wide table { min-width: 38rem; } dl { display: block; } dd { margin-bottom: .5rem; } main { margin-top: 1rem; } }
@media print { :root { color-scheme: light; font-size: 10pt; --text: #000; --soft: #444; --line: #bbb; --page: #fff;
  --good: #0b6a0b; --bad: #8a4b00; --tint: #fff; } main { max-width: none; margin: 0; padding: 0; }
  .wide { overflow: visible; } thead { display: table-header-group; } tr { break-inside: avoid; } .result { border: 1px solid; border-left-width: .4rem; } }
`;

export function toHtml(report: ValidationReport, signature: Signature): string {
  const { run, counters } = report;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Validation report: ${escape(run.jobName)}</title><style>${STYLE}</style></head><body>
<main>
<h1>Validation report</h1>
<p><bdi class="key">${escape(run.sourcePath)}</bdi> → <bdi class="key">${escape(run.targetPath)}</bdi><br>
${escape(run.projectName)} / ${escape(run.jobName)}, run ${run.number}, made ${moment(report.madeAt)}, Drover ${escape(report.programVersion)}</p>
${resultOf(report)}
<h2>Sums</h2>
${sumsOf(counters)}
<h2>Proof</h2>
${proofOf(report)}
<h2>Both sides as they are now</h2>
${bothSidesOf(report)}
<h2>The target as the run left it</h2>
${comparedOf(report)}
<h2>Read back</h2>
${readBackOf(report)}
<h2>What did not make it, and why</h2>
${issuesOf(report)}
<h2>Another name at the target</h2>
${renamedOnesOf(report)}
<h2>What lost something on the way</h2>
${lostOf(report)}
<h2>What does not survive this way</h2>
${lossesOf(report)}
<h2>The run</h2>
<dl><dt>State</dt><dd>${escape(RUN_STATE_WORDS[run.state])}</dd>
<dt>Started, ended</dt><dd>${moment(run.startedAt)} to ${moment(run.endedAt)}</dd>
<dt>Started by</dt><dd>${escape(run.createdBy)}</dd>
<dt>Copy mode</dt><dd>${escape(report.settings.mode)}</dd>
<dt>Run id</dt><dd><code>${escape(run.id)}</code></dd>
<dt>Manifest root</dt><dd><code>${escape(report.manifestRoot ?? 'none')}</code></dd></dl>
<h2>Signature</h2>
<p>This page carries a seal of its own. <code>drover artifact verify FILE --key KEY</code> says whether it is as it was made; take the key from the server, <code>drover artifact key</code>, and not from this page.</p>
<dl><dt>SHA-256 of the JSON report</dt><dd><code>${signature.sha256}</code></dd>
<dt>Ed25519 signature</dt><dd><code>${signature.signature}</code></dd>
<dt>Public key of this server</dt><dd><code>${signature.publicKey}</code></dd></dl>
</main>
</body></html>
`;
}

function resultOf({ isClean, counters, findings, renamed, losses }: ValidationReport): string {
  const { scanned } = counters.items;
  const found = `${objectsOf(scanned)} ${scanned === 1 ? 'was' : 'were'} found at the source`;
  const but = [
    ...(renamed.total === 0 ? [] : [`${objectsOf(renamed.total, 'has', 'have')} another name there.`]),
    ...(losses.total === 0 ? [] : [`${objectsOf(losses.total)} lost something on the way.`]),
  ].map((sentence) => ` ${sentence}`);
  if (counters.sameWeak + counters.verification.V0 > 0) {
    const count = counters.sameWeak + counters.verification.V0;
    but.push(` ${objectsOf(count, 'was', 'were')} compared by size alone, which proves nothing of the content.`);
  }
  if (isClean) {
    return `<div class="result clean"><strong>Clean.</strong> ${found}; every one of them that was to be copied is at the target.${but.join('')}</div>`;
  }
  return `<div class="result issues"><strong>Not clean.</strong> ${found}.${listOf(findings.map(escape), '')}${but.join('')}</div>`;
}

function objectsOf(count: number, one = '', many = ''): string {
  return `${number(count)} ${count === 1 ? 'object' : 'objects'} ${count === 1 ? one : many}`.trimEnd();
}

function sumsOf({ items, bytes }: ValidationReport['counters']): string {
  const outcomes = [
    ['Scanned', 'scanned'],
    ['Transferred', 'copied'],
    ['No transfer needed', 'same'],
    ['Excluded', 'excluded'],
    ['Skipped', 'skipped'],
    ['Unsupported', 'unsupported'],
    ['Failed', 'failed'],
    ['Deleted at the target', 'deleted'],
  ] as const;
  const rows = outcomes.map(([word, name]) => [word, items[name], bytes[name]] as const);
  return countsOf('What became of the objects', rows);
}

function countsOf(caption: string, rows: readonly (readonly [word: string, count: number, bytes?: number])[]): string {
  const hasBytes = rows.some(([, , bytes]) => bytes !== undefined);
  const cell = (value: number): string => `<td class="n">${number(value)}</td>`;
  const lines = rows
    .map(([word, count, bytes]) => {
      const both = cell(count) + (bytes === undefined ? '' : cell(bytes));
      return `<tr><th scope="row">${word}</th>${both}</tr>`;
    })
    .join('');
  const more = hasBytes ? '<th scope="col" class="n">Bytes</th>' : '';
  return `<table class="counts"><caption>${caption}</caption><thead><tr><th scope="col">Objects</th><th scope="col" class="n">Count</th>${more}</tr></thead><tbody>${lines}</tbody></table>`;
}

function proofOf({ run, counters, proof }: ValidationReport): string {
  const copied = classesOf(counters.verification);
  const byRun = copied === '' ? '' : `<p>What this run transferred:</p>${copied}`;
  if (proof === null) {
    return (
      byRun + '<p>No transfer between these two places has ended, so there is no manifest of what is at the target.</p>'
    );
  }
  const { runId, endedAt, objects, bytes, classes, repeated } = proof;
  const whose =
    runId === run.id ? 'As this run left it' : `As the run <code>${escape(runId)}</code> left it at ${moment(endedAt)}`;
  return `${byRun}<p>${whose}, the target has ${objectsOf(objects)}, ${number(bytes)} bytes; how each of them is proved:</p>${classesOf(classes)}${repeatedOf(repeated)}`;
}

function repeatedOf(repeated: readonly ManifestSums[]): string {
  return repeated
    .map(
      ({ runId, endedAt, objects, bytes, classes, manifestRoot }) =>
        `<p>The run <code>${escape(runId)}</code> repeated at ${moment(endedAt)} what had failed, and left ${objectsOf(objects)}, ${number(bytes)} bytes, in a manifest of its own with the root <code>${escape(manifestRoot)}</code>:</p>${classesOf(classes)}`,
    )
    .join('');
}

function classesOf(counts: ValidationReport['counters']['verification']): string {
  const classes = Object.entries(counts).filter(([, count]) => count > 0);
  const words = CLASS_WORDS as Readonly<Record<string, string>>;
  const lines = classes.map(([name, count]) => `<li>${number(count)} ${escape(words[name] ?? name)} (${name})</li>`);
  return lines.length === 0 ? '' : `<ul>${lines.join('')}</ul>`;
}

function bothSidesOf({ run, counters, bothSides }: ValidationReport): string {
  const then = run.kind === 'validate' && hasEndedWell(run.state) ? `<p>${foundByRun(counters.differences)}</p>` : '';
  if ('notCompared' in bothSides) return `${then}<p>Not compared. ${escape(bothSides.notCompared)}</p>`;
  const { startedAt, endedAt, same, sameWeak, excluded, missing, different, extra, notComparable } = bothSides;
  const rows: [string, number][] = [
    ['The same on both sides', same],
    ['At the source and not at the target', missing],
    ['Different', different],
    ['Only at the target', extra],
    ['Could not be compared', notComparable],
    ['Left out by the job', excluded],
  ];
  const weak =
    sameWeak === 0 ? '' : `<p>${number(sameWeak)} of the same ones by size alone: no digest that both sides know.</p>`;
  return (
    then +
    `<p>Both were listed from ${moment(startedAt)} to ${moment(endedAt)}, without what the job leaves out:</p>` +
    listOf([`Source: ${sizeOf(bothSides.source)}`, `Target: ${sizeOf(bothSides.target)}`], '') +
    countsOf('What both listings have', rows) +
    weak +
    restOf(bothSides.differences.length, missing + different + extra + notComparable) +
    table(
      'Differences between both sides',
      ['Key', 'Result', 'Details'],
      bothSides.differences.map(({ key, result, code, details }) => [
        key,
        result,
        details ?? (result === 'missing' ? 'It is not at the target.' : code),
      ]),
    )
  );
}

function sizeOf({ objects, bytes }: BothSides['source']): string {
  return `${objectsOf(objects)}, ${number(bytes)} bytes`;
}

/** What is not listed is said. */
function restOf(shown: number, total: number): string {
  return shown < total ? `<p>The first ${number(shown)} of ${number(total)}.</p>` : '';
}

function foundByRun({ missing, different, extra }: ValidationReport['counters']['differences']): string {
  return `This run compared them: ${number(missing)} missing, ${number(different)} different, ${number(extra)} only at the target.`;
}

function comparedOf({ comparedNow }: ValidationReport): string {
  if ('notCompared' in comparedNow) return `<p>Not compared. ${escape(comparedNow.notCompared)}</p>`;
  const { checked, checkedBytes, missing, different, differences } = comparedNow;
  const words = `<p>${number(checked)} objects, ${number(checkedBytes)} bytes: ${number(missing)} missing, ${number(different)} different.</p>`;
  return (
    words +
    restOf(differences.length, missing + different) +
    table(
      'Not as the run left them',
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
  const { wanted, chosen, whyFewer, inPieces, comparedBytes, equal, missing, different, changed, unreadable, rows } =
    readBack;
  const fewer = whyFewer === null ? '' : ` ${number(wanted)} were wanted; ${escape(whyFewer)}.`;
  const pieces =
    inPieces === 0
      ? ''
      : ` Of ${objectsOf(inPieces)} that ${inPieces === 1 ? 'is' : 'are'} very large, pieces at random places were compared, not the whole.`;
  const words = `<p>${objectsOf(chosen)} chosen at random, byte by byte, ${number(comparedBytes)} bytes of each side: ${number(equal)} equal, ${number(missing)} missing at the target, ${number(different)} different, ${number(changed)} written to since, ${number(unreadable)} not readable.${fewer}${pieces}</p>`;
  const notEqual = rows.filter(({ result }) => result !== 'equal');
  return (
    words +
    table(
      'Read back and not equal',
      ['Key', 'Result', 'Details'],
      notEqual.map((row) => [row.key, row.result, row.details ?? '']),
    )
  );
}

function renamedOnesOf({ renamed }: ValidationReport): string {
  if (renamed.total === 0) return '<p>Everything has its own name there.</p>';
  return (
    restOf(renamed.rows.length, renamed.total) +
    table(
      'Objects whose name the target cannot hold',
      ['Key', 'Name at the target'],
      renamed.rows.map(({ key, versionId, targetKey }) => [withVersion(key, versionId), targetKey]),
    )
  );
}

function lostOf({ run, losses }: ValidationReport): string {
  if (run.kind === 'validate') return '<p>A validation copies nothing; the report of the transfer names it.</p>';
  if (losses.total === 0) return '<p>Nothing that this run copied.</p>';
  return (
    restOf(losses.rows.length, losses.total) +
    table(
      'Objects that were copied without something that belongs to them',
      ['Key', 'What is missing'],
      losses.rows.map(({ key, versionId, details }) => [withVersion(key, versionId), details]),
    )
  );
}

function withVersion(key: string, versionId: string | undefined): string {
  return versionId === undefined ? key : `${key} (version ${versionId})`;
}

function issuesOf({ run, issues, renamed, losses }: ValidationReport): string {
  if (issues.total === 0) {
    if (!hasEndedWell(run.state)) return '<p>Nothing that the run came to.</p>';
    const but = [
      ...(renamed.total === 0 ? [] : ['some under another name']),
      ...(losses.total === 0 ? [] : ['some not with everything that belongs to it']),
    ];
    return but.length === 0
      ? '<p>Everything made it.</p>'
      : `<p>Everything made it, ${but.join(', and ')}: see below.</p>`;
  }
  const codes = table(
    'By reason',
    ['Code', 'Result', 'Objects', 'What to do'],
    issues.byCode.map(({ code, result, items, meaning, remedy }) => [
      code,
      result,
      number(items),
      `${meaning} ${remedy}`.trimStart(),
    ]),
  );
  const shown = issues.rows.slice(0, ROWS_SHOWN_MAX);
  const rest =
    issues.total > shown.length
      ? `<p>The first ${number(shown.length)} of ${number(issues.total)}; all of them are in the copy log.</p>`
      : '';
  const rows = shown.map(({ key, result, code, details }) => [key, result, code, details ?? '']);
  return codes + rest + table('One by one', ['Key', 'Result', 'Code', 'Why'], rows);
}

function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  // A key may be broken anywhere; a code is a word.
  const isKey = head[0]?.startsWith('Key') === true;
  const cells = (row: readonly string[]): string =>
    row
      .map((cell, at) => {
        const text = `<bdi>${escape(cell)}</bdi>`;
        return at === 0 ? `<th scope="row"${isKey ? ' class="key"' : ''}>${text}</th>` : `<td>${text}</td>`;
      })
      .join('');
  const columns = head.map((cell) => `<th scope="col">${cell}</th>`).join('');
  // What is wider than the screen can be scrolled with the keyboard too.
  return `<div class="wide" role="region" tabindex="0" aria-label="${caption}"><table><caption>${caption}</caption><thead><tr>${columns}</tr></thead><tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join('')}</tbody></table></div>`;
}

function listOf(lines: readonly string[], empty: string): string {
  return lines.length === 0 ? `<p>${empty}</p>` : `<ul>${lines.map((line) => `<li>${line}</li>`).join('')}</ul>`;
}

/** To the second, in one zone: a report is read elsewhere and later. */
function moment(iso: string | null): string {
  if (iso === null) return '–';
  return `<time datetime="${escape(iso)}">${escape(iso.replace('T', ' ').replace(/(?:\.\d+)?Z$/, ' UTC'))}</time>`;
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
