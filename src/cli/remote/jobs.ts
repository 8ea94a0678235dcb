/** `job create|list|show|update|duplicate|remove|preflight|outcomes|grant|what-can-go`. */
import type { Command } from 'commander';
import { ServerProblem } from '../../api/client/client.ts';
import { DroverError } from '../../model/errors.ts';
import { EXIT, exitOfFailure } from '../exit.ts';
import { formatRange } from '../format.ts';
import type { CommandEnd } from '../session.ts';
import { EMPTY_SUMMARY } from '../summary.ts';
import { visible } from '../terminal.ts';
import { OBJECTS, STATE_WORDS } from '../texts.ts';
import { parseChoice } from '../units.ts';
import { checkText } from '../commands/connector.ts';
import { addJobOptions, settingsOf, subPathOf, tuningOf, type JobGiven } from './job-options.ts';
import { addListOptions, showList, type ListGiven } from './lists.ts';
import { asSeen, findEndpoint, findJob, findProject, findTimetable } from './names.ts';
import { answer, ask, record, type Remote, type RemoteStart, type Wire } from './remote.ts';
import { FORGET_UPLOADS, forgetting, goesWithJob, type RemovalGiven } from './removal.ts';
import { facts } from './table.ts';
import { JOB_TYPES, jobPath, KIND_WORDS, timeOf } from './words.ts';

interface NewJob extends JobGiven {
  readonly project: string;
  readonly source: string;
  readonly target: string;
  readonly sourcePath?: string;
  readonly targetPath?: string;
  readonly description?: string;
}

type CopiedJob = Partial<NewJob> & JobGiven & { readonly name: string };

export function addJobs(job: Command, start: RemoteStart): void {
  addJobOptions(
    job
      .command('create')
      .argument('<name>', 'of the job')
      .requiredOption('--project <project>', 'in which project')
      .requiredOption('--source <endpoint>', 'source endpoint')
      .requiredOption('--target <endpoint>', 'target endpoint')
      .option('--source-path <path>', 'only this folder of the source endpoint')
      .option('--target-path <path>', 'below this folder of the target endpoint')
      .option('--description <text>', 'for people')
      .description('make a job; its endpoints and paths stay'),
  ).action((name: string, given: NewJob) => start((remote) => createJob(remote, name, given)));
  addListOptions(
    job
      .command('list')
      .option('--project <project>', 'only those of this project')
      .option('--in <states>', 'only those whose last run is in these states, with commas between: failed,paused')
      .description('all jobs'),
  ).action((given: JobFilters) => start((remote) => listJobs(remote, given)));
  one(job, 'show', 'one job').action((word: string) =>
    start(async (remote) => showJob(remote, await findJob(remote, word))),
  );
  addJobOptions(
    one(job, 'update', 'change a job; settings hold for its next run')
      .option('--name <name>', 'a new one')
      .option('--description <text>', 'a new one'),
  ).action((word: string, given: JobGiven & { name?: string; description?: string }) =>
    start((remote) => updateJob(remote, word, given)),
  );
  addJobOptions(
    one(job, 'duplicate', 'make a copy of a job, with other ends where given, without its schedules and history')
      .requiredOption('--name <name>', 'of the copy')
      .option('--project <project>', 'into another project')
      .option('--source <endpoint>', 'another source endpoint')
      .option('--target <endpoint>', 'another target endpoint')
      .option('--source-path <path>', 'only this folder of the source endpoint')
      .option('--target-path <path>', 'below this folder of the target endpoint')
      .option('--description <text>', 'another one'),
  ).action((word: string, given: CopiedJob) => start((remote) => duplicateJob(remote, word, given)));
  one(job, 'remove', 'delete a job with its history, results and schedules; nothing stored is touched')
    .option('-y, --yes', 'do not ask')
    .option(...FORGET_UPLOADS)
    .action((word: string, given: RemovalGiven) =>
      start(async (remote) => {
        const { session, http } = remote;
        const found = await findJob(remote, word);
        const { id } = found;
        const removal = await answer(http.GET('/api/v1/jobs/{id}/removal', { params: { path: { id } } }));
        const what = `the job "${jobPath(found)}", ${goesWithJob(removal, session.format)}`;
        const question = `Delete ${what}`;
        await ask(session, { isSaid: given.yes === true, question, otherwise: 'Nothing was deleted' });
        const query = { expectedRuns: removal.runs, ...forgetting(given) };
        await http.DELETE('/api/v1/jobs/{id}', { params: { ...asSeen(found), query } });
        await session.terminal.print(`Deleted ${what}. Endpoints and stored objects are as they were.`);
      }),
    );
  addAdvice(job, start);
}

/** What is known before and after runs. */
function addAdvice(job: Command, start: RemoteStart): void {
  one(job, 'preflight', 'whether it could start now, what to grant, and what to expect')
    .option('--count', 'also list the source for the estimate')
    .option('--kind <kind>', 'of the run that is to be started: transfer, dry-run or validate', 'transfer')
    .action((word: string, { count, kind: given }: { count?: boolean; kind: string }) =>
      start(async (remote) => {
        const { id } = await findJob(remote, word);
        const params = { path: { id } };
        const kind = parseChoice(given, '--kind', ['transfer', 'dry-run', 'validate']);
        const body = { count: count === true, kind };
        const { signal } = remote.session;
        return showPreflight(
          remote,
          await answer(remote.http.POST('/api/v1/jobs/{id}/preflight', { params, body, signal })),
          word,
        );
      }),
    );
  one(job, 'grant', 'let Drover assign the role that is missing, where it may')
    .requiredOption('--side <side>', 'source or target')
    .action((word: string, given: { side: string }) =>
      start(async (remote) => {
        const side = parseChoice(given.side, '--side', ['source', 'target']);
        const { id } = await findJob(remote, word);
        const params = { path: { id } };
        const { signal } = remote.session;
        return showPreflight(
          remote,
          await answer(remote.http.POST('/api/v1/jobs/{id}/grants', { params, body: { side }, signal })),
          word,
        );
      }),
    );
  addJobOptions(one(job, 'outcomes', 'what will not survive between its two sides')).action(
    (word: string, given: JobGiven) =>
      start(async (remote) => {
        const { source, target, settings } = await findJob(remote, word);
        const body = {
          sourceEndpointId: source.endpointId,
          targetEndpointId: target.endpointId,
          settings: { ...settings, ...settingsOf(given, settings) },
        };
        const outcomes = await answer(remote.http.POST('/api/v1/jobs/outcomes', { body }));
        for (const outcome of outcomes) await record(remote.session, 'outcome', outcome);
        const none = 'Everything survives that Drover copies.';
        await remote.session.terminal.print(outcomes.length === 0 ? none : outcomeLines(outcomes).join('\n'));
      }),
  );
  one(job, 'what-can-go', 'after a clean validation: what of the source is not needed any more').action(
    (word: string) =>
      start(async (remote) => {
        const { session, http } = remote;
        const { id } = await findJob(remote, word);
        const things = await answer(http.GET('/api/v1/jobs/{id}/what-can-go', { params: { path: { id } } }));
        for (const thing of things) {
          await record(session, 'what-can-go', thing);
          const command = thing.command === null ? '' : `\n  ${visible(thing.command)}`;
          await session.terminal.print(`${visible(thing.title)}\n  ${visible(thing.detail)}${command}`);
        }
      }),
  );
}

/** A command about one job. */
export function one(job: Command, name: string, description: string): Command {
  return job.command(name).argument('<job>', 'name, PROJECT/NAME or id').description(description);
}

async function createJob(remote: Remote, name: string, given: NewJob): Promise<void> {
  const { session, http } = remote;
  const settings = settingsOf(given, null);
  const [project, source, target] = [
    await findProject(remote, given.project),
    await findEndpoint(remote, given.source),
    await findEndpoint(remote, given.target),
  ];
  const body = {
    name,
    ...(given.description === undefined ? {} : { description: given.description }),
    sourceEndpointId: source.id,
    sourceSubPath: subPathOf(given.sourcePath ?? ''),
    targetEndpointId: target.id,
    targetSubPath: subPathOf(given.targetPath ?? ''),
    settings,
    tuning: await tuningOf(remote, given),
  };
  const made = await answer(http.POST('/api/v1/projects/{id}/jobs', { params: { path: { id: project.id } }, body }));
  await record(session, 'job', made);
  await session.terminal.print(
    `Made the job "${jobPath(made)}": ${visible(made.source.fullPath)} → ${visible(made.target.fullPath)}\n` +
      `Look first   drover job start "${jobPath(made)}" --kind dry-run --watch\n` +
      `Start        drover job start "${jobPath(made)}" --watch`,
  );
  await sayWarnings(remote, made.warnings);
}

async function duplicateJob(remote: Remote, word: string, given: CopiedJob): Promise<void> {
  const { session, http } = remote;
  const { id, settings } = await findJob(remote, word);
  const body = {
    name: given.name,
    ...(given.description === undefined ? {} : { description: given.description }),
    ...(given.project === undefined ? {} : { projectId: (await findProject(remote, given.project)).id }),
    ...(given.source === undefined ? {} : { sourceEndpointId: (await findEndpoint(remote, given.source)).id }),
    ...(given.target === undefined ? {} : { targetEndpointId: (await findEndpoint(remote, given.target)).id }),
    ...(given.sourcePath === undefined ? {} : { sourceSubPath: subPathOf(given.sourcePath) }),
    ...(given.targetPath === undefined ? {} : { targetSubPath: subPathOf(given.targetPath) }),
    settings: settingsOf(given, settings),
    tuning: await tuningOf(remote, given),
  };
  const made = await answer(http.POST('/api/v1/jobs/{id}/duplicate', { params: { path: { id } }, body }));
  await record(session, 'job', made);
  const ends = `${visible(made.source.fullPath)} → ${visible(made.target.fullPath)}`;
  await session.terminal.print(`Made the job "${jobPath(made)}": ${ends}`);
}

interface JobFilters extends ListGiven {
  readonly project?: string;
  readonly in?: string;
}

async function listJobs(remote: Remote, { project, in: states, ...given }: JobFilters): Promise<void> {
  const { format } = remote.session;
  const fixed = {
    projectId: project === undefined ? [] : [(await findProject(remote, project)).id],
    state: states?.split(',') ?? [],
  };
  await showList<Wire['Job']>(remote, given, fixed, {
    kind: 'job',
    none: 'No jobs. Make one with "drover job create".',
    columns: [
      { title: 'Job', text: jobPath },
      { title: 'Type', text: ({ type }) => JOB_TYPES[type] },
      { title: 'Mode', text: ({ settings }) => settings.mode },
      { title: 'Last run', text: ({ lastRun }) => (lastRun === null ? '–' : STATE_WORDS[lastRun.state]) },
      { title: 'At', text: ({ lastRun }) => timeOf(lastRun?.startedAt ?? null, format) },
      { title: 'Next', text: ({ nextRunAt }) => timeOf(nextRunAt, format) },
      { title: 'Target', text: ({ target }) => target.fullPath },
    ],
    page: (query) => remote.http.GET('/api/v1/jobs', { params: { query } }),
  });
}

async function showJob(remote: Remote, job: Wire['Job']): Promise<void> {
  const { session } = remote;
  const { format } = session;
  await record(session, 'job', job);
  if (session.terminal.options.json) return;
  const { lastRun, tuning, settings } = job;
  const timetable = tuning.timetableId === null ? null : (await findTimetable(remote, tuning.timetableId)).name;
  const rest = Object.entries(settings).filter(([member]) => member !== 'mode' && member !== 'filter');
  const filters = Object.entries(settings.filter).filter(([, value]) => value !== null && String(value) !== '');
  await session.terminal.print(
    facts([
      ['Job', jobPath(job)],
      ['Description', job.description],
      ['Type', JOB_TYPES[job.type]],
      ['Source', `${job.source.fullPath} (${job.source.endpointName})`],
      ['Target', `${job.target.fullPath} (${job.target.endpointName})`],
      ['Mode', settings.mode],
      ...filters.map(([member, value]) => [`  ${member}`, String(value)] as const),
      ...rest.map(([member, value]) => [`  ${member}`, value === null ? null : textOf(value)] as const),
      ['Objects in flight', tuning.transfersMax === null ? 'chosen by Drover' : format.count(tuning.transfersMax)],
      ['Timetable', timetable],
      [
        'Last run',
        lastRun === null
          ? 'none yet'
          : `${KIND_WORDS[lastRun.kind]} ${lastRun.id}: ${STATE_WORDS[lastRun.state]}, ${timeOf(lastRun.startedAt, format)}`,
      ],
      ['Next run', job.nextRunAt === null ? null : timeOf(job.nextRunAt, format)],
      ['Made', `${timeOf(job.createdAt, format)} by ${job.createdBy}`],
      ['Id', job.id],
    ]),
  );
}

function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

async function updateJob(
  remote: Remote,
  word: string,
  { name, description, ...given }: JobGiven & { name?: string; description?: string },
): Promise<void> {
  const found = await findJob(remote, word);
  const body = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    settings: settingsOf(given, found.settings),
    tuning: await tuningOf(remote, given),
  };
  const params = asSeen(found);
  const changed = await answer(remote.http.PATCH('/api/v1/jobs/{id}', { params, body }));
  await showJob(remote, changed);
  await sayWarnings(remote, changed.warnings);
}

async function sayWarnings({ session }: Remote, warnings: readonly string[] = []): Promise<void> {
  for (const warning of warnings) await session.terminal.say(`! ${visible(warning)}`);
}

function outcomeLines(outcomes: Wire['Concessions']): string[] {
  return outcomes.map(({ aspect, detail }) => `${aspect}: ${visible(detail)}`);
}

/** Everything that was found, and what to grant. */
export async function printPreflight({ session }: Remote, preflight: Wire['Preflight'], job: string): Promise<void> {
  const { format, terminal } = session;
  await record(session, 'preflight', preflight);
  for (const side of ['source', 'target'] as const) {
    await terminal.print(
      [side === 'source' ? 'Source' : 'Target', ...preflight[side].map((line) => `  ${checkText(line)}`)].join('\n'),
    );
  }
  for (const { title, text, offered, side } of preflight.grants) {
    const offer =
      offered === null ? '' : `Let Drover do it: drover job grant "${visible(job)}" --side ${side}\nOr run:\n`;
    await terminal.print(`${visible(title)}\n${offer}${text.split('\n').map(visible).join('\n')}`);
  }
  if (preflight.concessions.length > 0) {
    await terminal.print(
      ['What will not survive this way:', ...outcomeLines(preflight.concessions).map((line) => `  ${line}`)].join('\n'),
    );
  }
  for (const warning of preflight.warnings) await terminal.print(`!   ${visible(warning)}`);
  const { estimate } = preflight;
  if (estimate !== null) {
    const { items, sizeBytes, archivedItems, requests, lowMs, highMs, basis } = estimate;
    const archived = archivedItems === 0 ? '' : ` (${format.count(archivedItems)} of them archived)`;
    await terminal.print(
      `About ${format.plural(items, OBJECTS)}${archived}, ${format.bytes(sizeBytes)}, ${format.count(requests)} requests, ` +
        `${formatRange({ low: lowMs, high: highMs })} (${basis === 'counted' ? 'counted now' : 'from the last run'}).`,
    );
  }
  await terminal.print(preflight.ok ? 'It could start now.' : 'It could not start now.');
}

/** For what is refused because of it: the report first, as `job preflight` gives it, then the error in short. */
export function tellWhatIsMissing(remote: Remote, job: string): (thrown: unknown) => Promise<never> {
  return async (thrown) => {
    if (!(thrown instanceof ServerProblem) || thrown.preflight === null) throw thrown;
    await printPreflight(remote, thrown.preflight, job);
    const { message, code, field, remedy } = thrown;
    const isForRights = thrown.preflight.grants.length > 0;
    throw new DroverError(code, message, {
      field,
      cause: thrown,
      remedy: isForRights ? 'Grant what is printed above, and start again.' : remedy,
    });
  };
}

async function showPreflight(remote: Remote, preflight: Wire['Preflight'], job: string): Promise<CommandEnd> {
  const { session } = remote;
  await printPreflight(remote, preflight, job);
  if (preflight.ok) return { exit: EXIT.FINE, summary: { ...EMPTY_SUMMARY, durationMs: session.elapsedMs } };
  const refused = [...preflight.source, ...preflight.target].find(({ result }) => result === 'refused');
  const error = {
    code: 'PREFLIGHT_FAILED',
    message: refused?.message ?? 'The permission checks found something.',
    field: refused?.field ?? null,
    remedy: refused?.remedy ?? 'Grant what is missing and try again.',
  } as const;
  return {
    exit: exitOfFailure(error, 'before'),
    summary: { ...EMPTY_SUMMARY, state: 'failed', durationMs: session.elapsedMs, error },
  };
}
