/** `job start|watch|runs|logs` and `run list|show|watch|pause|resume|cancel|log|items|report|map|workers|segments`. */
import type { Command } from 'commander';
import { formatRange, type Format } from '../format.ts';
import type { CommandEnd } from '../session.ts';
import { visible } from '../terminal.ts';
import { outcomeRows } from '../amounts.ts';
import { phaseWord } from '../progress-line.ts';
import { OBJECTS, proofLine } from '../texts.ts';
import { parseChoice, parseCount } from '../units.ts';
import { SPOT_CHECK_MAX } from '../../engine/spot-check.ts';
import { LOG_FILE, logFormatOf, makeFile, PACKED, saveArtifact, saveLog } from './downloads.ts';
import { one, tellWhatIsMissing } from './jobs.ts';
import type { Start } from '../program.ts';
import { addSealCommands } from './seals.ts';
import { addManyJobs, addManyRuns } from './many.ts';
import { addListOptions, queryOf, showList, type ListGiven } from './lists.ts';
import { findJob, findProject, findRun, newestRun } from './names.ts';
import { answer, ask, fine, record, type Remote, type RemoteStart, type Wire } from './remote.ts';
import { FORGET_UPLOADS, forgetting, type RemovalGiven } from './removal.ts';
import { listItems, listRunLog, listRunWorkers, listSegments, showMap } from './run-parts.ts';
import { facts } from './table.ts';
import { endOfRun, endText, hasEnded, summaryOf, watch } from './watch.ts';
import { amountOf, durationOf, jobPath, KIND_WORDS, stateOf, timeOf } from './words.ts';

type Run = Wire['Run'];

export const ARTIFACT_KINDS = ['report-html', 'report-json', 'manifest', 'copy-log-csv', 'copy-log-ndjson'] as const;
const RUN_WORD = 'id of a run; or a job, for its newest one';

interface StartGiven {
  readonly kind: string;
  readonly retry?: string;
  readonly watch?: boolean;
  readonly skipPreflight?: boolean;
  readonly allowEmptySource?: boolean;
  readonly verify?: string;
}

export function addJobRuns(job: Command, start: RemoteStart): void {
  addManyJobs(job, start);
  one(job, 'start', 'start a run, after checking the permissions on both sides')
    .option('--kind <kind>', 'transfer, dry-run (says what it would do) or validate (compares both sides)', 'transfer')
    .option('--retry <run>', 'only what failed in that run')
    .option('--watch', 'stay until it has ended; Ctrl-C stops watching, and the run goes on')
    .option(
      '--skip-preflight',
      'start although the permission checks find something; that source and target are not one place is looked at all the same',
    )
    .option('--allow-empty-source', 'a mirror may delete everything in the target because the source is empty')
    .option('--verify <how>', "digest, or read-back, instead of the job's setting: read what no digest proves")
    .action((word: string, given: StartGiven) => start((remote) => startRun(remote, word, given)));
  one(job, 'watch', 'follow its newest run').action((word: string) =>
    start(async (remote) => look(remote, await newestRun(remote, await findJob(remote, word)))),
  );
  addListOptions(one(job, 'runs', 'its runs, the newest first')).action((word: string, given: ListGiven) =>
    start(async (remote) => listRuns(remote, given, { jobId: [(await findJob(remote, word)).id] })),
  );
  addListOptions(one(job, 'logs', 'the run log of its newest run')).action((word: string, given: ListGiven) =>
    start(async (remote) => listRunLog(remote, await newestRun(remote, await findJob(remote, word)), given)),
  );
}

async function startRun(remote: Remote, word: string, given: StartGiven): Promise<CommandEnd> {
  const { session, http } = remote;
  const kind: Wire['RunKind'] =
    given.retry === undefined ? parseChoice(given.kind, '--kind', ['transfer', 'dry-run', 'validate']) : 'retry';
  const job = await findJob(remote, word);
  const retried = given.retry === undefined ? null : await findRun(remote, given.retry);
  const body = {
    kind,
    ...(retried === null ? {} : { retryOf: retried.id }),
    ...(given.skipPreflight === true ? { skipPreflight: true } : {}),
    ...(given.allowEmptySource === true ? { allowEmptySource: true } : {}),
    ...(given.verify === undefined ? {} : { verify: parseChoice(given.verify, '--verify', ['digest', 'read-back']) }),
  };
  const params = { path: { id: job.id } };
  const run = await answer(http.POST('/api/v1/jobs/{id}/runs', { params, body, signal: session.signal })).catch(
    tellWhatIsMissing(remote, jobPath(job)),
  );
  for (const warning of run.warnings ?? []) await session.terminal.say(`!   ${visible(warning)}`);
  session.phase = 'during';
  session.interim = summaryOf(run);
  if (given.watch === true) {
    await session.terminal.say(
      `${visible(run.sourcePath)} → ${visible(run.targetPath)}\n  ${KIND_WORDS[run.kind]} ${run.id} of "${visible(jobPath(job))}".`,
    );
    return watch(remote, run);
  }
  await record(session, 'run', run);
  await session.terminal.print(
    `${KIND_WORDS[run.kind]} ${run.id} of "${visible(jobPath(job))}": ${stateOf(run)}.\nWatch it     drover run watch ${run.id}`,
  );
  return { ...fine(session), summary: summaryOf(run) };
}

/** Watches what goes on, and reports what has ended. */
async function look(remote: Remote, run: Run): Promise<CommandEnd> {
  remote.session.phase = 'during';
  return hasEnded(run) ? endOfRun(remote, run) : watch(remote, run);
}

export function addRunCommands(program: Command, start: RemoteStart, startHere: Start): void {
  const run = program.command('run').description('runs on a server');
  addManyRuns(run, start);
  const about = (name: string, description: string): Command =>
    run.command(name).argument('<run>', RUN_WORD).description(description);
  addListOptions(
    run
      .command('list')
      .option('--project <project>', 'only those of this project')
      .option('--job <job>', 'only those of this job')
      .option('--in <states>', 'only those in these states, with commas between: running,queued')
      .description('all runs, the newest first'),
  ).action((given: RunFilters) => start((remote) => listFiltered(remote, given)));
  about('show', 'one run in full').action((word: string) =>
    start(async (remote) => showRun(remote, await findRun(remote, word))),
  );
  about('watch', 'follow it to its end; Ctrl-C stops watching, and the run goes on').action((word: string) =>
    start(async (remote) => look(remote, await findRun(remote, word))),
  );
  for (const [action, words] of Object.entries(ACTIONS) as [keyof typeof ACTIONS, string][]) {
    about(action, words).action((word: string) => start((remote) => act(remote, word, action)));
  }
  about('remove', 'delete a run that has ended, with its logs and files; nothing that was copied is touched')
    .option('-y, --yes', 'do not ask')
    .option(...FORGET_UPLOADS)
    .action((word: string, given: RemovalGiven) => start((remote) => removeRun(remote, word, given)));
  addListOptions(about('log', 'what happened in it').option('--out <file>', LOG_FILE)).action(
    (word: string, { out, ...given }: ListGiven & { out?: string }) =>
      start(async (remote) => {
        const run = await findRun(remote, word);
        if (out === undefined) return listRunLog(remote, run, given);
        const query = { ...queryOf(given, {}), format: logFormatOf(out) };
        return saveLog(remote, await remote.client.downloadRunLog(run.id, query, remote.session.signal), out);
      }),
  );
  addListOptions(
    about('items', 'what did not make it, and why')
      .option('--result <results>', 'only these, with commas between: failed,unsupported')
      .option('--code <codes>', 'only these, with commas between: PERMISSION_DENIED'),
  ).action((word: string, given: ListGiven & { result?: string; code?: string }) =>
    start(async (remote) => listItems(remote, await findRun(remote, word), given)),
  );
  addListOptions(about('segments', 'its key ranges, and who works on them')).action((word: string, given: ListGiven) =>
    start(async (remote) => listSegments(remote, await findRun(remote, word), given)),
  );
  about('workers', 'who works on it or did, and what leases have cost them').action((word: string) =>
    start(async (remote) => listRunWorkers(remote, await findRun(remote, word))),
  );
  about('map', 'its key space, one sign for each equal share of the objects')
    .option('--cells <n>', 'so many shares', '240')
    .action((word: string, { cells }: { cells: string }) =>
      start(async (remote) => showMap(remote, await findRun(remote, word), parseCount(cells, '--cells', 1, 2_000))),
    );
  addFiles(about, program, start);
  const artifact = program.commands.find((command) => command.name() === 'artifact') as Command;
  addSealCommands(artifact, start, startHere);
}

const ACTIONS = {
  pause: 'let it stop cleanly; it can be resumed',
  resume: 'let it go on',
  cancel: 'end it; what was copied stays',
} as const;

interface ReportGiven {
  readonly out: string;
  readonly kind: string;
  readonly spotCheck?: string;
  readonly result?: string;
}

function addFiles(about: (name: string, description: string) => Command, program: Command, start: RemoteStart): void {
  about('report', 'make a validation report, a manifest or a copy log, wait for it and save it')
    .requiredOption('--out <file>', `where to write it, ${PACKED}`)
    .option('--kind <kind>', ARTIFACT_KINDS.join(', '), 'report-html')
    .option('--spot-check <n>', 'read so many random objects back, byte by byte')
    .option('--result <results>', 'of a copy log only these, with commas between')
    .action((word: string, given: ReportGiven) =>
      start(async (remote) => {
        const kind = parseChoice(given.kind, '--kind', ARTIFACT_KINDS);
        const spotCheck =
          given.spotCheck === undefined ? null : parseCount(given.spotCheck, '--spot-check', 0, SPOT_CHECK_MAX);
        const { id } = await findRun(remote, word);
        const request = {
          kind,
          ...(spotCheck === null ? {} : { spotCheck }),
          ...(given.result === undefined ? {} : { results: given.result.split(',') }),
        };
        await saveArtifact(remote, await makeFile(remote, id, request), given.out);
      }),
    );
  const artifact = program.command('artifact').description('files made from runs of a server');
  const listing = artifact
    .command('list')
    .argument('[run]', `${RUN_WORD}; all runs unless given`)
    .option('--job <job>', 'of this job only')
    .description('files made from runs, newest first');
  addListOptions(listing).action((word: string | undefined, given: ArtifactFilters) =>
    start((remote) => listArtifacts(remote, word, given)),
  );
  artifact
    .command('download')
    .argument('<artifact>', 'its id')
    .option('--out <file>', `its own name unless given, ${PACKED}`)
    .description('save a file that is ready, and compare it with its checksum')
    .action((id: string, { out }: { out?: string }) =>
      start(async (remote) => {
        const found = await answer(remote.http.GET('/api/v1/artifacts/{id}', { params: { path: { id } } }));
        await saveArtifact(remote, found, out ?? null);
      }),
    );
  artifact
    .command('remove')
    .argument('<artifact>', 'its id')
    .option('--yes', 'do not ask')
    .description('delete a file; what it was made from stays')
    .action((id: string, { yes }: { yes?: boolean }) => start((remote) => removeArtifact(remote, id, yes === true)));
  artifact
    .command('retry')
    .argument('<artifact>', 'its id')
    .description('make a file again that failed')
    .action((id: string) =>
      start(async ({ http, session }) => {
        const again = await answer(http.POST('/api/v1/artifacts/{id}/retry', { params: { path: { id } } }));
        await record(session, 'artifact', again);
        await session.terminal.print(`"${visible(again.fileName)}" is being made again.`);
      }),
    );
}

async function removeRun(remote: Remote, word: string, given: RemovalGiven): Promise<void> {
  const { session, http } = remote;
  const { id, number, jobName } = await findRun(remote, word);
  const question = `Delete run ${number} of the job "${visible(jobName)}" with its logs and files`;
  await ask(session, { isSaid: given.yes === true, question, otherwise: 'Nothing was deleted' });
  await http.DELETE('/api/v1/runs/{id}', { params: { path: { id }, query: forgetting(given) } });
  await session.terminal.print(`Deleted run ${number} of "${visible(jobName)}".`);
}

interface RunFilters extends ListGiven {
  readonly project?: string;
  readonly job?: string;
  readonly in?: string;
}

async function listFiltered(remote: Remote, { project, job, in: states, ...given }: RunFilters): Promise<void> {
  await listRuns(remote, given, {
    projectId: project === undefined ? [] : [(await findProject(remote, project)).id],
    jobId: job === undefined ? [] : [(await findJob(remote, job)).id],
    state: states?.split(',') ?? [],
  });
}

async function listRuns(
  remote: Remote,
  given: ListGiven,
  fixed: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const { format } = remote.session;
  await showList<Run>(remote, given, fixed, {
    kind: 'run',
    none: 'No runs. Start one with "drover job start JOB".',
    columns: [
      { title: 'Run', text: ({ id }) => id },
      { title: 'Job', text: ({ projectName, jobName, number }) => `${projectName}/${jobName} #${number}` },
      { title: 'Kind', text: ({ kind }) => KIND_WORDS[kind] },
      { title: 'State', text: stateOf },
      { title: 'Started', text: ({ startedAt }) => timeOf(startedAt, format) },
      { title: 'Took', text: durationOf, isNumber: true },
      { title: 'Transferred', text: (run) => amountOf(run, format) },
      { title: 'Failed', text: ({ counters }) => format.count(counters.items.failed), isNumber: true },
    ],
    page: (query) => remote.http.GET('/api/v1/runs', { params: { query } }),
  });
}

async function showRun(remote: Remote, run: Run): Promise<void> {
  const { session, http } = remote;
  const { format } = session;
  const snapshot = await answer(http.GET('/api/v1/runs/{id}/snapshot', { params: { path: { id: run.id } } }));
  await session.terminal.record({ type: 'run', entity: run, snapshot });
  const { live } = run;
  const counters = live?.counters ?? run.counters;
  const proof = proofLine(counters.verification, format);
  const left =
    live === null || live.remaining === null
      ? null
      : formatRange({ low: live.remaining.lowMs, high: live.remaining.highMs });
  await session.terminal.print(
    facts([
      ['Run', `${run.id}, number ${run.number} of "${run.projectName}/${run.jobName}"`],
      ['Kind', run.retryOf === null ? KIND_WORDS[run.kind] : `${KIND_WORDS[run.kind]} in ${run.retryOf}`],
      ['State', stateOf(run)],
      ['Storage Mover', run.storageMoverCodes.length === 0 ? null : run.storageMoverCodes.join(' or ')],
      ['Waits for', run.waits?.text ?? null],
      ['Source', run.sourcePath],
      ['Target', run.targetPath],
      ['Started', `${timeOf(run.startedAt, format)}, by ${run.createdBy}`],
      ['Ended', run.endedAt === null ? null : timeOf(run.endedAt, format)],
      ['Expected', hasEnded(run) ? null : expectedWords(run, format)],
      ['Done', typeof live?.percent === 'number' ? `${live.percent} %` : null],
      ...outcomeRows(counters, format),
      ['Verified', proof],
      ['Left', left === null ? null : `${left} (confidence: ${live?.remaining?.confidence})`],
      [
        'Now',
        live === null
          ? null
          : `${format.speed(live.bytesPerSecond)}, ${phaseWord({ ...live, counters, runId: run.id, elapsedMs: run.durationMs, remainingMs: null, limitedBy: 'none' })}`,
      ],
      ['Limited by', live === null || live.limitedBy.kind === 'none' ? null : live.limitedBy.text],
      ['Workers', live === null ? null : live.workers.map(({ name, segments }) => `${name} (${segments})`).join(', ')],
      ['Manifest', run.manifestRoot],
    ]),
  );
  if (hasEnded(run)) await session.terminal.print(endText(remote, run, snapshot.settings));
}

const BASIS_WORDS: Readonly<Record<NonNullable<Run['expected']>['basis'], string>> = {
  'last-run': 'as in run',
  counted: 'counted before it began',
  'retried-run': 'what failed in run',
};

function expectedWords({ expected }: Run, format: Format): string | null {
  if (expected === null) return null;
  const { items, sizeBytes, basis, runId } = expected;
  const bytes = sizeBytes === null ? '' : `, ${format.bytes(sizeBytes)}`;
  return `${format.plural(items, OBJECTS)}${bytes} (${BASIS_WORDS[basis]}${runId === null ? '' : ` ${runId}`})`;
}

async function act(remote: Remote, word: string, action: keyof typeof ACTIONS): Promise<CommandEnd> {
  const { session, http } = remote;
  const { id } = await findRun(remote, word);
  const params = { path: { id } };
  const call = {
    pause: () => http.POST('/api/v1/runs/{id}/pause', { params }),
    resume: () => http.POST('/api/v1/runs/{id}/resume', { params }),
    cancel: () => http.POST('/api/v1/runs/{id}/cancel', { params }),
  }[action];
  const run = await answer<Run>(call());
  await record(session, 'run', run);
  await session.terminal.print(`Run ${run.id}: ${stateOf(run)}.`);
  for (const warning of run.warnings ?? []) await session.terminal.say(`!   ${visible(warning)}`);
  return { ...fine(session), summary: summaryOf(run) };
}

interface ArtifactFilters extends ListGiven {
  readonly job?: string;
}

async function listArtifacts(
  remote: Remote,
  word: string | undefined,
  { job, ...given }: ArtifactFilters,
): Promise<void> {
  const { format } = remote.session;
  const run = word === undefined ? null : await findRun(remote, word);
  const fixed = {
    runId: run === null ? [] : [run.id],
    jobId: job === undefined ? [] : [(await findJob(remote, job)).id],
  };
  await showList<Wire['Artifact']>(remote, given, fixed, {
    kind: 'artifact',
    none: `No files yet. Make one: drover run report ${run?.id ?? 'RUN'} --out report.html`,
    columns: [
      { title: 'File', text: ({ id }) => id },
      { title: 'Name', text: ({ fileName }) => fileName },
      { title: 'State', text: ({ state }) => state },
      { title: 'Run', text: ({ runId }) => runId },
      { title: 'Made', text: ({ createdAt }) => timeOf(createdAt, format) },
      { title: 'Size', text: ({ sizeBytes }) => (sizeBytes === null ? '' : format.bytes(sizeBytes)), isNumber: true },
    ],
    page: (query) => remote.http.GET('/api/v1/artifacts', { params: { query } }),
  });
}

async function removeArtifact(remote: Remote, id: string, isSaid: boolean): Promise<void> {
  const { session, http } = remote;
  const params = { path: { id } };
  const { fileName } = await answer(http.GET('/api/v1/artifacts/{id}', { params }));
  const question = `Delete the file "${visible(fileName)}" from the server`;
  await ask(session, { isSaid, question, otherwise: 'Nothing was deleted' });
  await http.DELETE('/api/v1/artifacts/{id}', { params });
  await session.terminal.print(`Deleted "${visible(fileName)}".`);
}
