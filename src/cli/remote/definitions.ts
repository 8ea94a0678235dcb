/** `apply` and `export`: what is defined on a server, as one document. */
import type { Command } from 'commander';
import { DroverError } from '../../model/errors.ts';
import { visible } from '../terminal.ts';
import { collect } from './lists.ts';
import { findProject } from './names.ts';
import { planLines } from './plan-words.ts';
import { answer, ask, type Remote, type RemoteStart, type Wire } from './remote.ts';

type Plan = Wire['DefinitionPlan'];

interface ApplyGiven {
  readonly file: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export function addDefinitions(program: Command, start: RemoteStart): void {
  program
    .command('apply')
    .requiredOption('-f, --file <file>', 'YAML or JSON as "drover export" writes it; - for standard input')
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'show the plan, and do nothing')
    .description('make connectors, endpoints, projects, jobs and schedules of a server as a document says')
    .action((given: ApplyGiven) => start((remote) => apply(remote, given)));
  program
    .command('export')
    .option('--project <project>', 'only this project and what it needs; can be repeated', collect)
    .description('write what is defined on a server as YAML, without secrets')
    .action(({ project }: { project?: readonly string[] }) => start((remote) => exportAll(remote, project ?? null)));
}

async function exportAll(remote: Remote, words: readonly string[] | null): Promise<void> {
  const { session, http } = remote;
  const projects: string[] = [];
  for (const word of words ?? []) projects.push((await findProject(remote, word)).name);
  const body = { projects: words === null ? null : projects };
  const document = await answer(http.POST('/api/v1/definitions/export', { body }));
  await session.terminal.record({ type: 'definitions', document });
  if (session.terminal.options.json) return;
  const { stringify } = await import('yaml');
  await session.terminal.print(stringify(document, { lineWidth: 0, compat: 'yaml-1.1' }).trimEnd());
}

async function apply(remote: Remote, given: ApplyGiven): Promise<void> {
  const { session, http } = remote;
  const text = await contentOf(remote, given.file);
  const name = given.file === '-' ? 'standard input' : given.file;
  const { document, lineOf } = await parse(text, name);
  const plan = await answer(http.POST('/api/v1/definitions/plan', { body: { document } }));
  await sayProblems(remote, plan, name, lineOf);
  await showPlan(remote, plan, 'plan');
  const changes = plan.steps.filter(({ action }) => action !== 'keep').length;
  if (changes === 0) return session.terminal.print('Nothing to do: everything is as the document says.');
  if (given.dryRun === true) return session.terminal.print('Dry run: nothing was changed.');
  const count = session.format.plural(changes, { one: '# change', other: '# changes' });
  await ask(session, { isSaid: given.yes === true, question: `Make ${count}`, otherwise: 'Nothing was changed' });
  const body = { document, planHash: plan.hash };
  const { signal } = session;
  session.phase = 'during';
  const done = await answer(http.POST('/api/v1/definitions/apply', { body, signal }));
  for (const step of done.steps) await session.terminal.record({ type: 'applied', ...step });
  await session.terminal.print(`Done: ${count}.`);
}

async function contentOf({ session }: Remote, file: string): Promise<string> {
  const { world } = session;
  const text = file === '-' ? await world.readInput() : await world.readTextFile(file);
  if (text !== null) return text;
  throw new DroverError('INVALID_INPUT', `There is no file ${file}.`, {
    field: '--file',
    remedy: 'Name one that is there.',
  });
}

interface Parsed {
  readonly document: unknown;
  /** Of a path such as `projects[0].jobs[2].name`, or of the nearest thing around it. */
  readonly lineOf: (path: string) => number | null;
}

/** JSON is YAML too. INVALID_INPUT names the line. */
async function parse(text: string, name: string): Promise<Parsed> {
  const { isNode, LineCounter, parseDocument } = await import('yaml');
  const { yamlValue } = await import('../../lib/yaml-value.ts');
  const lines = new LineCounter();
  const parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const invalid = (line: number, column: number, message: string): DroverError =>
    new DroverError('INVALID_INPUT', `${name}, line ${line}, column ${column}: ${message}`, {
      field: '--file',
      remedy: 'Correct that line.',
    });
  const [error] = parsed.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw invalid(line, col, error.message);
  }
  const read = yamlValue(parsed, lines);
  if ('fault' in read) throw invalid(read.fault.line, read.fault.column, read.fault.message);
  const lineOf = (path: string): number | null => {
    for (let steps = stepsOf(path); ; steps = steps.slice(0, -1)) {
      const node: unknown = steps.length === 0 ? parsed.contents : parsed.getIn(steps, true);
      const at = isNode(node) ? node.range?.[0] : undefined;
      if (at !== undefined) return lines.linePos(at).line;
      if (steps.length === 0) return null;
    }
  };
  return { document: read.value, lineOf };
}

/** `projects[0].jobs[2].name` → projects, 0, jobs, 2, name. */
function stepsOf(path: string): (string | number)[] {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, member]) =>
    index === undefined ? (member ?? '') : Number(index),
  );
}

async function sayProblems(
  { session }: Remote,
  { problems }: Plan,
  name: string,
  lineOf: Parsed['lineOf'],
): Promise<void> {
  if (problems.length === 0) return;
  for (const { path, message } of problems) {
    const line = lineOf(path);
    await session.terminal.record({ type: 'problem', path, message, line });
    const where = [line === null ? name : `${name}:${line}`, path].filter((part) => part !== '').join('  ');
    await session.terminal.say(`${visible(where)}\n  ${visible(message)}`);
  }
  const count = session.format.plural(problems.length, { one: '# problem', other: '# problems' });
  throw new DroverError('INVALID_INPUT', `Nothing was changed: the document has ${count}.`, {
    field: problems[0]?.path ?? null,
    remedy: 'Correct what is named above and apply it again.',
  });
}

const SIGNS = { create: '+', update: '~', keep: '=' } as const;

async function showPlan({ session }: Remote, { steps }: Plan, type: string): Promise<void> {
  for (const step of steps) await session.terminal.record({ type, ...step });
  const kept = steps.filter(({ action }) => action === 'keep').length;
  for (const step of steps) {
    const { action, kind, name } = step;
    if (action === 'keep') continue;
    await session.terminal.print(`${SIGNS[action]} ${kind} "${visible(name)}"`);
    for (const { text, isHarmful } of planLines(step, session.format)) {
      await session.terminal.print(`  ${isHarmful ? '!' : ' '} ${visible(text)}`);
    }
  }
  if (kept > 0) await session.terminal.print(`= ${session.format.count(kept)} kept as they are`);
}
