/** `job start-all`, `schedule enable-all|disable-all`, `run pause-all|resume-all|cancel-all`: what a filter names. */
import type { Command } from 'commander';
import { EXIT } from '../exit.ts';
import type { CommandEnd } from '../session.ts';
import { visible } from '../terminal.ts';
import { parseChoice } from '../units.ts';
import { addNarrowingOptions, queryOf, type ListGiven } from './lists.ts';
import { findJob, findProject } from './names.ts';
import { answer, ask, fine, record, type Remote, type RemoteStart, type Wire } from './remote.ts';

interface ManyGiven extends Pick<ListGiven, 'search' | 'filter'> {
  readonly project?: string;
  readonly job?: string;
  readonly in?: string;
  readonly yes?: boolean;
}

/** Those that the same filters list, and how many they are. */
interface Chosen {
  readonly filter: Record<string, string[]>;
  readonly search?: string;
  readonly expectedCount: number;
}

const KINDS = ['transfer', 'dry-run', 'validate', 'retry'] as const;

export function addManyJobs(job: Command, start: RemoteStart): void {
  chosenBy(job, 'start-all', 'start a run of each job that the filters name')
    .option('--kind <kind>', 'transfer, dry-run, validate, or retry: what failed in the newest run of each', 'transfer')
    .option(
      '--skip-preflight',
      'start although the permission checks find something; that source and target are not one place is looked at all the same',
    )
    .action((given: ManyGiven & { kind: string; skipPreflight?: boolean }) =>
      start(async (remote) => {
        const kind = parseChoice(given.kind, '--kind', KINDS);
        const { client, http, session } = remote;
        const chosen = await choose(remote, given, (query) => http.GET('/api/v1/jobs', { params: { query } }));
        await confirm(remote, given, `Start a run (${kind}) of each of`, 'job', chosen);
        const skip = given.skipPreflight === true ? { skipPreflight: true } : {};
        return tell(remote, client.startJobs({ kind, ...skip, ...chosen }, session.signal), 'Started');
      }),
    );
}

export function addManySchedules(schedule: Command, start: RemoteStart): void {
  for (const action of ['enable', 'disable'] as const) {
    narrowed(schedule, `${action}-all`, `${action} every schedule that the filters name`)
      .option('--job <job>', 'only those of this job')
      .option(...YES)
      .action((given: ManyGiven) =>
        start(async (remote) => {
          const { client, http, session } = remote;
          const chosen = await choose(remote, given, (query) => http.GET('/api/v1/schedules', { params: { query } }));
          await confirm(remote, given, action === 'enable' ? 'Enable' : 'Disable', 'schedule', chosen);
          const done = action === 'enable' ? 'Enabled' : 'Disabled';
          return tell(remote, client.switchSchedules({ action, ...chosen }, session.signal), done);
        }),
      );
  }
}

const DONE = { pause: 'paused', resume: 'resumed', cancel: 'canceled' } as const;

export function addManyRuns(run: Command, start: RemoteStart): void {
  for (const action of ['pause', 'resume', 'cancel'] as const) {
    chosenBy(run, `${action}-all`, `${action} every run that the filters name and that has not ended`).action(
      (given: ManyGiven) =>
        start(async (remote) => {
          const { http, session } = remote;
          const chosen = await choose(remote, given, (query) => http.GET('/api/v1/runs', { params: { query } }));
          const question = `${action.charAt(0).toUpperCase()}${action.slice(1)} what has not ended of`;
          await confirm(remote, given, question, 'run', chosen);
          const body = { action, ...chosen };
          const done = await answer(http.POST('/api/v1/runs/actions', { body }));
          await record(session, 'changed', done);
          const runs = session.format.plural(done.changed, { one: '# run is', other: '# runs are' });
          await session.terminal.print(`${runs} ${DONE[action]}.`);
        }),
    );
  }
}

const YES = ['-y, --yes', 'do not ask'] as const;

function narrowed(parent: Command, name: string, description: string): Command {
  return addNarrowingOptions(parent.command(name).description(description)).option(
    '--project <project>',
    'only those of this project',
  );
}

/** What has a state: of itself, or of its last run. */
function chosenBy(parent: Command, name: string, description: string): Command {
  return narrowed(parent, name, description)
    .option('--in <states>', 'only those in these states, with commas between: failed,paused')
    .option(...YES);
}

async function choose(
  remote: Remote,
  given: ManyGiven,
  count: (query: {
    readonly limit: number;
    readonly total: boolean;
  }) => Promise<{ data?: { readonly total: number | null } }>,
): Promise<Chosen> {
  const query = queryOf(given, {
    projectId: given.project === undefined ? [] : [(await findProject(remote, given.project)).id],
    jobId: given.job === undefined ? [] : [(await findJob(remote, given.job)).id],
    state: given.in?.split(',').map((state) => state.trim()) ?? [],
  });
  const { total } = await answer(count({ ...query, limit: 1, total: true }));
  const filter = Object.entries(query).flatMap(([name, values]) =>
    name.startsWith('filter.') ? [[name.slice('filter.'.length), values as string[]] as const] : [],
  );
  return {
    filter: Object.fromEntries(filter),
    ...(query.search === undefined ? {} : { search: query.search }),
    expectedCount: total ?? 0,
  };
}

async function confirm(
  remote: Remote,
  { yes }: ManyGiven,
  question: string,
  word: string,
  { expectedCount }: Chosen,
): Promise<void> {
  const many = remote.session.format.plural(expectedCount, { one: `# ${word}`, other: `# ${word}s` });
  await ask(remote.session, {
    isSaid: yes === true,
    question: `${question} ${many}`,
    otherwise: 'Nothing was changed',
  });
}

async function tell(
  { session }: Remote,
  outcomes: AsyncIterable<Wire['ManyOutcome']>,
  done: string,
): Promise<CommandEnd> {
  let changed = 0;
  let refused = 0;
  for await (const outcome of outcomes) {
    await record(session, 'outcome-of-many', outcome);
    const { name, runId, error } = outcome;
    if (error === null) changed += 1;
    else refused += 1;
    const words = error === null ? `${done}${runId === null ? '' : ` ${runId}`}` : `${error.message} ${error.remedy}`;
    await session.terminal.print(`${visible(name)}: ${visible(words)}`);
  }
  await session.terminal.say(`${done}: ${changed}. Refused: ${refused}.`);
  return refused === 0 ? fine(session) : { ...fine(session), exit: EXIT.WRONG_INPUT };
}
