/** `schedule …` and `timetable …`. */
import type { Command } from 'commander';
import { parseBandwidth } from '../../engine/timetable.ts';
import { DroverError } from '../../model/errors.ts';
import { named, parseChoice, parseCount } from '../units.ts';
import { addListOptions, showList, type ListGiven } from './lists.ts';
import { addManySchedules } from './many.ts';
import { tellWhatIsMissing } from './jobs.ts';
import { asSeen, findJob, findSchedule, findTimetable } from './names.ts';
import { answer, ask, record, type Remote, type RemoteStart, type Wire } from './remote.ts';
import { facts } from './table.ts';
import { bandwidthOf, daysOf, jobPath, KIND_WORDS, ruleOf, timeOf } from './words.ts';

interface RuleGiven {
  readonly once?: string;
  readonly hourly?: string;
  readonly minute?: string;
  readonly daily?: string;
  readonly weekly?: string;
  readonly monthly?: string;
  readonly at?: string;
  readonly cron?: string;
  readonly timeZone?: string;
  readonly starts?: string;
  readonly ends?: string;
  readonly kind?: string;
}

function addRuleOptions(command: Command): Command {
  return command
    .option('--once <time>', 'one time, such as 2026-11-28T02:00:00+01:00')
    .option('--hourly <n>', 'every so many hours')
    .option('--minute <m>', 'with --hourly: at this minute; 0 unless given')
    .option('--daily <time>', 'every day at this time, such as 02:00')
    .option('--weekly <days>', 'on these days, with commas between: mon,thu')
    .option('--monthly <day>', 'on this day of the month; 31 is the last one')
    .option('--at <time>', 'with --weekly and --monthly: at this time')
    .option('--cron <text>', 'as cron writes it: "0 2 * * 1-5"')
    .option('--time-zone <zone>', 'such as Europe/Berlin; that of this machine unless given')
    .option('--starts <time>', 'not before; "none" with update')
    .option('--ends <time>', 'not after; "none" with update')
    .option('--kind <kind>', 'transfer, dry-run or validate; transfer unless given');
}

export function addSchedules(program: Command, start: RemoteStart): void {
  const schedule = program.command('schedule').description('when jobs of a server run by themselves');
  addManySchedules(schedule, start);
  addRuleOptions(
    schedule
      .command('create')
      .argument('<job>', 'name, PROJECT/NAME or id')
      .option('--enable', 'let it start runs at once; the permissions are checked first')
      .description('make a schedule; it starts nothing until it is enabled'),
  ).action((word: string, given: RuleGiven & { enable?: boolean }) =>
    start((remote) => createSchedule(remote, word, given)),
  );
  addListOptions(
    schedule
      .command('list')
      .option('--job <job>', 'only those of this job')
      .description('all schedules, the next one first'),
  ).action((given: ListGiven & { job?: string }) => start((remote) => listSchedules(remote, given)));
  const about = (name: string, description: string): Command =>
    schedule.command(name).argument('<schedule>', 'its id; or a job that has only one').description(description);
  about('show', 'one schedule, and when it starts next').action((word: string) =>
    start(async (remote) => showSchedule(remote, await findSchedule(remote, word))),
  );
  addRuleOptions(about('update', 'change when it starts; what is left out stays')).action(
    (word: string, given: RuleGiven) => start((remote) => updateSchedule(remote, word, given)),
  );
  about('enable', 'let it start runs; the permissions are checked first').action((word: string) =>
    start(async (remote) => {
      await showSchedule(remote, await enable(remote, await findSchedule(remote, word)));
    }),
  );
  about('disable', 'let it start no more runs').action((word: string) =>
    start(async (remote) => {
      const params = { path: { id: (await findSchedule(remote, word)).id } };
      await showSchedule(remote, await answer(remote.http.POST('/api/v1/schedules/{id}/disable', { params })));
    }),
  );
  about('remove', 'forget a schedule')
    .option('-y, --yes', 'do not ask')
    .action((word: string, { yes }: { yes?: boolean }) =>
      start(async (remote) => {
        const { session, http } = remote;
        const { id, rule, projectName, jobName } = await findSchedule(remote, word);
        const what = `the schedule "${ruleOf(rule, session.format)}" of "${projectName}/${jobName}"`;
        await ask(session, { isSaid: yes === true, question: `Remove ${what}`, otherwise: 'Nothing was removed' });
        await http.DELETE('/api/v1/schedules/{id}', { params: { path: { id } } });
        await session.terminal.print(`Removed ${what}.`);
      }),
    );
  addListOptions(about('events', 'what it started, and what it did not and why')).action(
    (word: string, given: ListGiven) => start((remote) => listEvents(remote, word, given)),
  );
  addRuleOptions(
    schedule
      .command('preview')
      .option('--count <n>', 'so many', '5')
      .description('when it would start, without saving'),
  ).action((given: RuleGiven & { count: string }) => start((remote) => preview(remote, given)));
}

const RUN_KINDS = ['transfer', 'dry-run', 'validate'] as const;
const RULE_OPTIONS = ['once', 'hourly', 'minute', 'daily', 'weekly', 'monthly', 'at', 'cron'] as const;
type HourStep = Extract<Wire['ScheduleRule'], { kind: 'hourly' }>['everyHours'];
const HOUR_STEPS = ['1', '2', '3', '4', '6', '8', '12'] as const satisfies readonly `${HourStep}`[];

/** USAGE unless exactly one rule was given. */
export function ruleFrom(given: RuleGiven): Wire['ScheduleRule'] {
  const kinds = (['once', 'hourly', 'daily', 'weekly', 'monthly', 'cron'] as const).filter(
    (kind) => given[kind] !== undefined,
  );
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    const options = '--once, --hourly, --daily, --weekly, --monthly or --cron';
    const message = kinds.length > 1 ? 'A schedule has one rule, and two were given.' : 'Say when it should start.';
    throw new DroverError('USAGE', message, { field: `--${kind ?? 'daily'}`, remedy: `Give one of ${options}.` });
  }
  const text = given[kind] ?? '';
  switch (kind) {
    case 'once':
      return { kind, at: momentOf(text, '--once') };
    case 'hourly':
      return {
        kind,
        everyHours: Number(parseChoice(text.trim(), '--hourly', HOUR_STEPS)) as HourStep,
        minute: parseCount(given.minute ?? '0', '--minute', 0, 59),
      };
    case 'daily':
      return { kind, time: clockOf(text, '--daily') };
    case 'weekly': {
      const days = daysOf(text);
      if (days !== null) return { kind, days, time: clockOf(given.at, '--at') };
      throw new DroverError('USAGE', `"${text}" names no days.`, { field: '--weekly', remedy: 'Write mon,thu.' });
    }
    case 'monthly':
      return { kind, day: parseCount(text, '--monthly', 1, 31), time: clockOf(given.at, '--at') };
    case 'cron':
      return { kind, text };
  }
}

function clockOf(text: string | undefined, option: string): string {
  if (text !== undefined && /^([01]?\d|2[0-3]):[0-5]\d$/.test(text)) return text.padStart(5, '0');
  throw new DroverError('USAGE', text === undefined ? 'Say at what time.' : `"${text}" is no time of day.`, {
    field: option,
    remedy: `Write it as 02:00 in ${option}.`,
  });
}

/** `2026-11-28T02:00Z`, with its offset: whoever types a date without one rarely means UTC. */
export function momentOf(text: string, option: string): string {
  const isMoment =
    /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i.test(text) && !Number.isNaN(Date.parse(text));
  if (isMoment) return new Date(Date.parse(text)).toISOString();
  throw new DroverError('USAGE', `"${text}" is no moment.`, {
    field: option,
    remedy: 'Write date, time and offset: 2026-11-28T02:00:00+01:00, or Z for UTC.',
  });
}

function inputOf({ session }: Remote, given: RuleGiven): Wire['ScheduleInput'] {
  return {
    rule: ruleFrom(given),
    timeZone: given.timeZone ?? session.world.timeZone,
    ...(given.starts === undefined ? {} : { startsAt: momentOf(given.starts, '--starts') }),
    ...(given.ends === undefined ? {} : { endsAt: momentOf(given.ends, '--ends') }),
    runKind: parseChoice(given.kind ?? 'transfer', '--kind', RUN_KINDS),
  };
}

async function enable(remote: Remote, { id, jobName, projectName }: Wire['Schedule']): Promise<Wire['Schedule']> {
  const params = { path: { id } };
  const { signal } = remote.session;
  const call = answer(remote.http.POST('/api/v1/schedules/{id}/enable', { params, signal }));
  return call.catch(tellWhatIsMissing(remote, `${projectName}/${jobName}`));
}

async function createSchedule(remote: Remote, word: string, given: RuleGiven & { enable?: boolean }): Promise<void> {
  const { http, session } = remote;
  const body = inputOf(remote, given);
  const { id } = await findJob(remote, word);
  let made = await answer(http.POST('/api/v1/jobs/{id}/schedules', { params: { path: { id } }, body }));
  if (given.enable === true) {
    made = await enable(remote, made);
  }
  await showSchedule(remote, made);
  if (!made.enabled) await session.terminal.say(`It starts nothing yet. Let it: drover schedule enable ${made.id}`);
}

/** The rule is one thing: any of its options gives a new one. */
async function updateSchedule(remote: Remote, word: string, given: RuleGiven): Promise<void> {
  const hasRule = RULE_OPTIONS.some((option) => given[option] !== undefined);
  const moment = (text: string, option: string): string | null => (text === 'none' ? null : momentOf(text, option));
  const body: Wire['ChangeSchedule'] = {
    ...(hasRule ? { rule: ruleFrom(given) } : {}),
    ...(given.timeZone === undefined ? {} : { timeZone: given.timeZone }),
    ...(given.starts === undefined ? {} : { startsAt: moment(given.starts, '--starts') }),
    ...(given.ends === undefined ? {} : { endsAt: moment(given.ends, '--ends') }),
    ...(given.kind === undefined ? {} : { runKind: parseChoice(given.kind, '--kind', RUN_KINDS) }),
  };
  if (Object.keys(body).length === 0) {
    throw new DroverError('USAGE', 'Nothing was given to change.', {
      field: '--daily',
      remedy: '"drover schedule update --help" shows what can change.',
    });
  }
  const params = asSeen(await findSchedule(remote, word));
  await showSchedule(remote, await answer(remote.http.PATCH('/api/v1/schedules/{id}', { params, body })));
}

async function listSchedules(remote: Remote, { job, ...given }: ListGiven & { job?: string }): Promise<void> {
  const { format } = remote.session;
  const fixed = { jobId: job === undefined ? [] : [(await findJob(remote, job)).id] };
  await showList<Wire['Schedule']>(remote, given, fixed, {
    kind: 'schedule',
    none: 'No schedules. Make one with "drover schedule create JOB --daily 02:00".',
    columns: [
      { title: 'Job', text: ({ projectName, jobName }) => `${projectName}/${jobName}` },
      { title: 'When', text: ({ rule }) => ruleOf(rule, format) },
      { title: 'Time zone', text: ({ timeZone }) => timeZone },
      { title: 'Starts', text: ({ runKind }) => KIND_WORDS[runKind] },
      { title: 'Enabled', text: ({ enabled }) => (enabled ? 'yes' : 'no') },
      { title: 'Next', text: ({ nextAt, timeZone }) => timeOf(nextAt, format, timeZone) },
      { title: 'Id', text: ({ id }) => id },
    ],
    page: (query) => remote.http.GET('/api/v1/schedules', { params: { query } }),
  });
}

async function showSchedule({ session }: Remote, schedule: Wire['Schedule']): Promise<void> {
  const { format } = session;
  const { lastOutcome } = schedule;
  await record(session, 'schedule', schedule);
  await session.terminal.print(
    facts([
      ['Job', jobPath({ projectName: schedule.projectName, name: schedule.jobName })],
      ['When', `${ruleOf(schedule.rule, format)} (${schedule.timeZone})`],
      ['Starts a', KIND_WORDS[schedule.runKind].toLowerCase()],
      ['Not before', schedule.startsAt === null ? null : timeOf(schedule.startsAt, format, schedule.timeZone)],
      ['Not after', schedule.endsAt === null ? null : timeOf(schedule.endsAt, format, schedule.timeZone)],
      ['Enabled', schedule.enabled ? 'yes' : 'no'],
      ['Next', schedule.nextAt === null ? null : timeOf(schedule.nextAt, format, schedule.timeZone)],
      [
        'Last',
        lastOutcome === null
          ? null
          : [`${timeOf(lastOutcome.at, format)}: ${lastOutcome.outcome}`, lastOutcome.detail]
              .filter(Boolean)
              .join(', '),
      ],
      ['Id', schedule.id],
    ]),
  );
}

async function listEvents(remote: Remote, word: string, given: ListGiven): Promise<void> {
  const { format } = remote.session;
  const { id } = await findSchedule(remote, word);
  await showList<Wire['ScheduleEvent']>(
    remote,
    given,
    {},
    {
      kind: 'schedule-event',
      none: 'Nothing yet.',
      columns: [
        { title: 'Time', text: ({ at }) => timeOf(at, format) },
        { title: 'Outcome', text: ({ outcome }) => outcome },
        { title: 'Run', text: ({ runId }) => runId ?? '' },
        { title: 'Why', text: ({ detail }) => detail ?? '' },
      ],
      page: (query) => remote.http.GET('/api/v1/schedules/{id}/events', { params: { path: { id }, query } }),
    },
  );
}

async function preview(remote: Remote, given: RuleGiven & { count: string }): Promise<void> {
  const { session, http } = remote;
  const body = { schedule: inputOf(remote, given), count: parseCount(given.count, '--count', 1, 100) };
  const moments = await answer(http.POST('/api/v1/schedules/preview', { body }));
  for (const at of moments) await record(session, 'moment', { at });
  // As clocks in that zone show it: 2026-11-23 02:00:00 +01:00.
  const zone = body.schedule.timeZone;
  const lines = moments.map((at) => `${at.slice(0, 10)} ${at.slice(11, 19)} ${at.slice(23)}  ${zone}`);
  await session.terminal.print(lines.length === 0 ? 'It would never start.' : lines.join('\n'));
}

const RULES = 'bytes in a second such as 10MB, or "08:00,5MB 18:00,off"';

export function addTimetables(program: Command, start: RemoteStart): void {
  const timetable = program.command('timetable').description('saved bandwidth timetables of a server');
  const zone = ['--time-zone <zone>', 'such as Europe/Berlin; that of this machine unless given'] as const;
  timetable
    .command('create')
    .argument('<name>', 'of the timetable')
    .requiredOption('--rules <rules>', RULES)
    .option(...zone)
    .description('save a timetable')
    .action((name: string, given: { rules: string; timeZone?: string }) =>
      start(async (remote) => {
        const body = { name, timetable: bandwidthFrom(remote, given) };
        await showTimetable(remote, await answer(remote.http.POST('/api/v1/timetables', { body })));
      }),
    );
  addListOptions(timetable.command('list').description('all timetables')).action((given: ListGiven) =>
    start((remote) => listTimetables(remote, given)),
  );
  const about = (name: string, description: string): Command =>
    timetable.command(name).argument('<timetable>', 'name or id').description(description);
  about('show', 'one timetable').action((word: string) =>
    start(async (remote) => showTimetable(remote, await findTimetable(remote, word))),
  );
  about('update', 'change a timetable; running jobs follow it')
    .option('--name <name>', 'a new one')
    .option('--rules <rules>', RULES)
    .option(...zone)
    .action((word: string, given: { name?: string; rules?: string; timeZone?: string }) =>
      start(async (remote) => {
        const found = await findTimetable(remote, word);
        const { name, rules, timeZone = found.timetable.timeZone } = given;
        const body = {
          ...(name === undefined ? {} : { name }),
          ...(rules === undefined ? {} : { timetable: bandwidthFrom(remote, { rules, timeZone }) }),
        };
        const params = asSeen(found);
        await showTimetable(remote, await answer(remote.http.PATCH('/api/v1/timetables/{id}', { params, body })));
      }),
    );
  about('remove', 'forget a timetable that no job uses')
    .option('-y, --yes', 'do not ask')
    .action((word: string, { yes }: { yes?: boolean }) =>
      start(async (remote) => {
        const { session, http } = remote;
        const { id, name } = await findTimetable(remote, word);
        const question = `Remove the timetable "${name}"`;
        await ask(session, { isSaid: yes === true, question, otherwise: 'Nothing was removed' });
        await http.DELETE('/api/v1/timetables/{id}', { params: { path: { id } } });
        await session.terminal.print(`Removed the timetable "${name}".`);
      }),
    );
}

function bandwidthFrom({ session }: Remote, given: { rules: string; timeZone?: string }): Wire['BandwidthTimetable'] {
  const zone = given.timeZone ?? session.world.timeZone;
  const { timeZone, rules } = named(given.rules, '--rules', (text) => parseBandwidth(text, zone));
  return { timeZone, rules: [...rules] };
}

async function listTimetables(remote: Remote, given: ListGiven): Promise<void> {
  const { format } = remote.session;
  await showList<Wire['Timetable']>(
    remote,
    given,
    {},
    {
      kind: 'timetable',
      none: 'No timetables.',
      columns: [
        { title: 'Name', text: ({ name }) => name },
        { title: 'Jobs', text: ({ usedBy }) => format.count(usedBy.jobs), isNumber: true },
        { title: 'Rules', text: (one) => bandwidthOf(one.timetable, format) },
      ],
      page: (query) => remote.http.GET('/api/v1/timetables', { params: { query } }),
    },
  );
}

async function showTimetable({ session }: Remote, one: Wire['Timetable']): Promise<void> {
  const { format } = session;
  await record(session, 'timetable', one);
  await session.terminal.print(
    facts([
      ['Timetable', one.name],
      ['Rules', bandwidthOf(one.timetable, format)],
      ['Used by', format.plural(one.usedBy.jobs, { one: '# job', other: '# jobs' })],
      ['Id', one.id],
    ]),
  );
}
