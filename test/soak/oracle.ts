/** What must hold after a command that was killed again and again has come to its end. */
import type { ItemRecord } from '../../src/model/outcome.ts';
import { attempt, type Attempt } from './attempt.ts';
import { show, type SoakTarget } from './targets.ts';
import type { Tree } from './tree.ts';

export interface Ended {
  readonly tree: Tree;
  readonly target: SoakTarget;
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly last: Attempt;
}

export interface Summary {
  readonly type: string;
  readonly runId: string;
  readonly state: string;
  readonly items: Readonly<Record<string, number>>;
  readonly bytes: Readonly<Record<string, number>>;
  readonly verification: Readonly<Record<string, number>>;
  readonly requests: { readonly target: Readonly<Record<string, number>> };
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** What a run that has nothing to do may ask its target for. */
export const READING = /^(LIST|HEAD|GET|LISTINGS?|STAT|READDIR)/i;

/** Sentences about everything that is wrong; none if nothing is. */
export async function findViolations(ended: Ended): Promise<readonly string[]> {
  const { last, tree, target } = ended;
  const summary = last.lines.at(-1) as unknown as Summary;
  if (summary?.type !== 'summary') return [`the run ended without a summary: ${last.stderr}`];
  if (summary.error !== null) return [`the run ended with ${summary.error.code}: ${summary.error.message}`];
  const rows = await logOf(ended, summary.runId);
  const violations = [
    ...(last.exit === 0 ? [] : [`the exit code is ${last.exit}`]),
    ...sumProblems(summary, tree),
    ...rowProblems(summary, rows, tree),
    ...(await contentProblems(rows, tree, target)),
    ...(await target.leftovers()),
  ];
  const verified = await attempt(['verify', summary.runId], ended.environment, null);
  if (verified.exit !== 0) violations.push(`verify ended with exit code ${verified.exit}: ${verified.stderr}`);
  const again = await attempt(ended.words, ended.environment, null);
  return [...violations, ...idleProblems(again, summary.runId)];
}

async function logOf(ended: Ended, runId: string): Promise<readonly ItemRecord[]> {
  const log = await attempt(['runs', 'log', runId], ended.environment, null);
  return log.lines.filter(({ type }) => type === 'item') as unknown as ItemRecord[];
}

export function sumProblems({ items, state, verification }: Summary, tree: Tree): string[] {
  const { scanned = 0, copied = 0, same = 0, excluded = 0, skipped = 0, unsupported = 0, failed = 0 } = items;
  const sum = copied + same + excluded + skipped + unsupported + failed;
  const problems: string[] = [];
  if (sum !== scanned) problems.push(`${scanned} scanned, but the outcomes add up to ${sum}`);
  if (scanned !== tree.keys.length) problems.push(`${scanned} scanned of ${tree.keys.length} in the source`);
  if (failed > 0) problems.push(`${failed} failed`);
  const weak = verification['V0'] ?? 0;
  if (weak > 0) problems.push(`${weak} copies rest on their size alone`);
  if (!['succeeded', 'completed-with-issues'].includes(state)) problems.push(`the run is ${state}`);
  return problems;
}

export function rowProblems({ items, bytes }: Summary, rows: readonly ItemRecord[], tree: Tree): string[] {
  const problems: string[] = [];
  const counts = new Map<string, number>();
  for (const { result } of rows) counts.set(result, (counts.get(result) ?? 0) + 1);
  for (const result of ['copied', 'same', 'excluded', 'skipped', 'unsupported', 'failed', 'deleted']) {
    const logged = counts.get(result) ?? 0;
    if (logged !== items[result]) problems.push(`${logged} rows are ${result}, the counter says ${items[result]}`);
  }
  const ofSource = rows.filter(({ result }) => result !== 'deleted').map(({ key }) => key);
  const logged = new Set(ofSource);
  if (logged.size !== ofSource.length) problems.push(`${ofSource.length - logged.size} objects have two rows`);
  for (const key of tree.keys) if (!logged.has(key)) problems.push(`${show(key)} has no row`);
  const copiedBytes = rows.filter(({ result }) => result === 'copied').reduce((sum, row) => sum + row.sizeBytes, 0);
  if (copiedBytes !== bytes['copied']) problems.push(`rows hold ${copiedBytes} copied bytes, not ${bytes['copied']}`);
  return problems;
}

/** Every object is at the target byte by byte, under its own name or the one that the log says, or has a reason. */
export async function contentProblems(rows: readonly ItemRecord[], tree: Tree, target: SoakTarget): Promise<string[]> {
  const problems: string[] = [];
  const expected = new Map<string, string>();
  for (const row of rows) {
    if (row.result === 'failed') problems.push(`${show(row.key)} failed: ${row.code}, ${row.details}`);
    if (row.result === 'unsupported' && (row.code as string) === '')
      problems.push(`${show(row.key)} is unsupported for no reason`);
    if (row.result !== 'copied' && row.result !== 'same') continue;
    const name = row.targetKey ?? row.key;
    if (expected.has(name)) problems.push(`two objects were written as ${show(name)}`);
    expected.set(name, row.key);
  }
  const there = new Set(await target.list());
  for (const name of there) if (!expected.has(name)) problems.push(`${show(name)} should not be at the target`);
  for (const [name, key] of expected) {
    if (!there.has(name) && !isHidden(name, there)) {
      problems.push(`${show(name)} is not at the target`);
      continue;
    }
    const found = await target.find(name);
    if (found.sizeBytes !== tree.sizeBytes(key) || found.sha256 !== tree.sha256(key)) {
      problems.push(`${show(name)} is not what the source holds (${found.sizeBytes} of ${tree.sizeBytes(key)} bytes)`);
    }
  }
  return problems;
}

/** A marker of a folder that holds something is that folder. */
function isHidden(name: string, there: ReadonlySet<string>): boolean {
  return name.endsWith('/') && [...there].some((other) => other.startsWith(name));
}

function idleProblems(again: Attempt, runId: string): string[] {
  const summary = again.lines.at(-1) as unknown as Summary;
  if (again.exit !== 0) return [`the same command once more ended with exit code ${again.exit}: ${again.stderr}`];
  const { copied = 0, deleted = 0 } = summary.items;
  const problems: string[] = [];
  if (copied + deleted > 0) problems.push(`the same command once more copied ${copied} and deleted ${deleted}`);
  if (summary.runId === runId) problems.push('the same command once more continued a run that had ended');
  const writes = Object.keys(summary.requests.target).filter((kind) => !READING.test(kind));
  if (writes.length > 0) problems.push(`the same command once more asked the target for ${writes.join(', ')}`);
  return problems;
}
