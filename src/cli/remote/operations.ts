/** `subscription …`, `audit`, `worker list|drain`, `overview`. */
import type { Command } from 'commander';
import { DroverError } from '../../model/errors.ts';
import { visible } from '../terminal.ts';
import { parseChoice } from '../units.ts';
import { formatDuration } from '../format.ts';
import { changesText } from './changes.ts';
import { LOG_FILE, logFormatOf, saveLog } from './downloads.ts';
import { addListOptions, collect, queryOf, showList, type ListGiven } from './lists.ts';
import { asSeen, findProject, findSubscription, findWorker } from './names.ts';
import { answer, ask, record, type Remote, type RemoteStart, type Wire } from './remote.ts';
import { facts, table } from './table.ts';
import { amountOf, jobPath, ruleOf, stateOf, timeOf } from './words.ts';

const EVENTS = ['run.completed', 'run.failed', 'run.attention', 'schedule.refused', 'connector.attention'] as const;

interface SubscriptionGiven {
  readonly webhook?: string;
  readonly email?: string;
  readonly event?: readonly string[];
  readonly digest?: string;
  readonly project?: string;
}

export function addSubscriptions(program: Command, start: RemoteStart): void {
  const subscription = program.command('subscription').description('who is told what a server does');
  subscription
    .command('create')
    .argument('<name>', 'of the subscription')
    .option('--webhook <url>', 'send messages to this address')
    .option('--email <address>', 'send e-mail')
    .option('--event <event>', `${EVENTS.join(', ')}; can be repeated; left out, all of them`, collect)
    .option('--digest <how>', 'none, or daily: one message a day', 'none')
    .option('--project <project>', 'only about this project')
    .description('have somebody told; a webhook prints the key its messages are signed with, this once')
    .action((name: string, given: SubscriptionGiven) => start((remote) => createSubscription(remote, name, given)));
  addListOptions(subscription.command('list').description('all subscriptions')).action((given: ListGiven) =>
    start((remote) => listSubscriptions(remote, given)),
  );
  const about = (name: string, description: string): Command =>
    subscription.command(name).argument('<subscription>', 'name or id').description(description);
  about('show', 'one subscription').action((word: string) =>
    start(async (remote) => showSubscription(remote, await findSubscription(remote, word))),
  );
  for (const [name, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    about(name, enabled ? 'send messages again' : 'send no messages for now').action((word: string) =>
      start(async (remote) => {
        const params = asSeen(await findSubscription(remote, word));
        const body = { enabled };
        await showSubscription(remote, await answer(remote.http.PATCH('/api/v1/subscriptions/{id}', { params, body })));
      }),
    );
  }
  about('update', 'change where messages go, and which; what is left out stays')
    .option('--name <name>', 'a new one')
    .option('--webhook <url>', 'send messages to this address')
    .option('--email <address>', 'send e-mail to this address')
    .option('--event <event>', `${EVENTS.join(', ')}; can be repeated`, collect)
    .option('--digest <how>', 'none, or daily: one message a day')
    .option('--project <project>', 'only about this project; or "all"')
    .action((word: string, given: SubscriptionGiven & { name?: string }) =>
      start((remote) => updateSubscription(remote, word, given)),
    );
  about('test', 'send one message now').action((word: string) => start((remote) => testSubscription(remote, word)));
  addListOptions(about('deliveries', 'what was sent')).action((word: string, given: ListGiven) =>
    start((remote) => listDeliveries(remote, word, given)),
  );
  about('retry', 'send again what was given up').action((word: string) =>
    start(async (remote) => {
      const { id, name } = await findSubscription(remote, word);
      const done = await answer(remote.http.POST('/api/v1/subscriptions/{id}/retry', { params: { path: { id } } }));
      await remote.session.terminal.record({ type: 'retried', messages: done.changed });
      const messages = remote.session.format.plural(done.changed, { one: '# message is', other: '# messages are' });
      await remote.session.terminal.print(
        done.changed === 0 ? `Nothing for "${name}" was given up.` : `${messages} sent to "${name}" again.`,
      );
    }),
  );
  about('remove', 'tell them no more')
    .option('-y, --yes', 'do not ask')
    .action((word: string, { yes }: { yes?: boolean }) =>
      start(async (remote) => {
        const { session, http } = remote;
        const { id, name } = await findSubscription(remote, word);
        const question = `Remove the subscription "${name}"`;
        await ask(session, { isSaid: yes === true, question, otherwise: 'Nothing was removed' });
        await http.DELETE('/api/v1/subscriptions/{id}', { params: { path: { id } } });
        await session.terminal.print(`Removed the subscription "${name}".`);
      }),
    );
}

async function createSubscription(remote: Remote, name: string, given: SubscriptionGiven): Promise<void> {
  const { session, http } = remote;
  const { webhook, email } = given;
  if ((webhook === undefined) === (email === undefined)) {
    throw new DroverError('USAGE', 'Say where messages go.', {
      field: '--webhook',
      remedy: 'Give --webhook or --email.',
    });
  }
  const body = {
    name,
    kind: webhook === undefined ? ('email' as const) : ('webhook' as const),
    destination: webhook ?? email ?? '',
    events: (given.event ?? EVENTS).map((event) => parseChoice(event, '--event', EVENTS)),
    digest: parseChoice(given.digest ?? 'none', '--digest', ['none', 'daily']),
    projectId: given.project === undefined ? null : (await findProject(remote, given.project)).id,
  };
  const { subscription, signingSecret } = await answer(http.POST('/api/v1/subscriptions', { body }));
  await session.terminal.record({ type: 'subscription', entity: subscription, signingSecret });
  await session.terminal.print(`Made the subscription "${subscription.name}".`);
  if (signingSecret === null || session.terminal.options.json) return;
  await session.terminal.say('Its messages are signed with this key. Keep it now: it is not shown again.');
  await session.terminal.print(signingSecret);
}

async function updateSubscription(
  remote: Remote,
  word: string,
  { name, webhook, email, event, digest, project }: SubscriptionGiven & { readonly name?: string },
): Promise<void> {
  const found = await findSubscription(remote, word);
  const destination = webhook ?? email;
  const kind = webhook === undefined ? 'email' : 'webhook';
  if (destination !== undefined && kind !== found.kind) {
    throw new DroverError('USAGE', `"${found.name}" sends by ${found.kind}, and that stays.`, {
      field: `--${kind}`,
      remedy: 'Make another subscription for it.',
    });
  }
  const body = {
    ...(name === undefined ? {} : { name }),
    ...(destination === undefined ? {} : { destination }),
    ...(event === undefined ? {} : { events: event.map((one) => parseChoice(one, '--event', EVENTS)) }),
    ...(digest === undefined ? {} : { digest: parseChoice(digest, '--digest', ['none', 'daily']) }),
    ...(project === undefined ? {} : { projectId: project === 'all' ? null : (await findProject(remote, project)).id }),
  };
  const params = asSeen(found);
  await showSubscription(remote, await answer(remote.http.PATCH('/api/v1/subscriptions/{id}', { params, body })));
}

async function listSubscriptions(remote: Remote, given: ListGiven): Promise<void> {
  await showList<Wire['Subscription']>(
    remote,
    given,
    {},
    {
      kind: 'subscription',
      none: 'Nobody is told anything.',
      columns: [
        { title: 'Name', text: ({ name }) => name },
        { title: 'To', text: ({ destination }) => destination },
        { title: 'Events', text: ({ events }) => events.join(', ') },
        { title: 'Digest', text: ({ digest }) => digest },
        { title: 'Enabled', text: ({ enabled }) => (enabled ? 'yes' : 'no') },
        { title: 'Last message', text: ({ lastDelivery }) => lastDelivery?.state ?? '–' },
      ],
      page: (query) => remote.http.GET('/api/v1/subscriptions', { params: { query } }),
    },
  );
}

async function showSubscription({ session }: Remote, one: Wire['Subscription']): Promise<void> {
  const { lastDelivery: last } = one;
  await record(session, 'subscription', one);
  await session.terminal.print(
    facts([
      ['Subscription', one.name],
      ['To', one.destination],
      ['Events', one.events.join(', ')],
      ['Digest', one.digest],
      ['Enabled', one.enabled ? 'yes' : 'no'],
      ['Last message', last === null ? null : deliveryText(last, timeOf(last.at, session.format))],
      ['Id', one.id],
    ]),
  );
}

function deliveryText({ event, state, error }: Wire['Delivery'], at: string): string {
  return [`${at}: ${event} ${state}`, error].filter(Boolean).join(', ');
}

async function testSubscription(remote: Remote, word: string): Promise<void> {
  const { session, http } = remote;
  const { id } = await findSubscription(remote, word);
  const { signal } = session;
  const sent = await answer(http.POST('/api/v1/subscriptions/{id}/test', { params: { path: { id } }, signal }));
  await record(session, 'delivery', sent);
  if (sent.state !== 'failed') return session.terminal.print('One message was sent.');
  throw new DroverError('UNREACHABLE', `The message did not arrive: ${sent.error ?? 'nobody knows why.'}`, {
    remedy: 'Check the address, and whether the server may reach it.',
  });
}

async function listDeliveries(remote: Remote, word: string, given: ListGiven): Promise<void> {
  const { format } = remote.session;
  const { id } = await findSubscription(remote, word);
  await showList<Wire['NumberedDelivery']>(
    remote,
    given,
    {},
    {
      kind: 'delivery',
      none: 'Nothing was sent yet.',
      columns: [
        { title: 'Time', text: ({ at }) => timeOf(at, format) },
        { title: 'Event', text: ({ event }) => event },
        { title: 'State', text: ({ state }) => state },
        { title: 'Tries', text: ({ attempts }) => format.count(attempts), isNumber: true },
        { title: 'Error', text: ({ error }) => error ?? '' },
      ],
      page: (query) => remote.http.GET('/api/v1/subscriptions/{id}/deliveries', { params: { path: { id }, query } }),
    },
  );
}

export function addOperations(program: Command, start: RemoteStart): void {
  addListOptions(
    program
      .command('audit')
      .option('--action <action>', 'only this, such as run.cancel; can be repeated', collect)
      .option('--entity <kind>', 'only what was done to these, such as connector; can be repeated', collect)
      .option('--out <file>', LOG_FILE)
      .description('who did what on a server, the newest first'),
  ).action((given: AuditGiven) => start((remote) => listAudit(remote, given)));
  // "drover worker" alone is a worker; here are words about all of them.
  const worker = program.commands.find((command) => command.name() === 'worker') ?? program.command('worker');
  worker
    .command('list')
    .description('all workers of a server')
    .action(() => start(listWorkers));
  worker
    .command('drain')
    .argument('<worker>', 'name or id')
    .description('let it end what it has begun; its work goes to the others')
    .action((word: string) =>
      start(async (remote) => {
        const { id, name } = await findWorker(remote, word);
        await remote.http.POST('/api/v1/workers/{id}/drain', { params: { path: { id } } });
        await remote.session.terminal.print(`The worker "${name}" takes nothing new any more.`);
      }),
    );
  program
    .command('overview')
    .description('what needs attention on a server, what goes on, what comes next')
    .action(() => start(showOverview));
}

interface AuditGiven extends ListGiven {
  readonly action?: readonly string[];
  readonly entity?: readonly string[];
  readonly out?: string;
}

async function listAudit(remote: Remote, { action, entity, out, ...given }: AuditGiven): Promise<void> {
  const { format, signal } = remote.session;
  const fixed = { action: action ?? [], entityKind: entity ?? [] };
  if (out !== undefined) {
    const query = { ...queryOf(given, fixed), format: logFormatOf(out) };
    return saveLog(remote, await remote.client.downloadAudit(query, signal), out);
  }
  await showList<Wire['AuditLine']>(remote, given, fixed, {
    kind: 'audit',
    none: 'Nothing was done yet.',
    columns: [
      { title: 'Time', text: ({ at }) => timeOf(at, format) },
      { title: 'Who', text: ({ actorName }) => actorName },
      { title: 'Action', text: ({ action }) => action },
      {
        title: 'What',
        text: ({ entityKind, ...line }) => [entityKind, line.entityName ?? line.entityId ?? ''].join(' '),
      },
      { title: 'Changes', text: ({ changes }) => changesText(changes) },
    ],
    page: (query) => remote.http.GET('/api/v1/audit', { params: { query } }),
  });
}

async function listWorkers({ session, http }: Remote): Promise<void> {
  const { format } = session;
  const all = await answer(http.GET('/api/v1/workers'));
  for (const worker of all) await record(session, 'worker', worker);
  if (all.length === 0) return session.terminal.print('No worker: runs wait. Start one with "drover worker".');
  await session.terminal.print(
    table<Wire['Worker']>(
      [
        { title: 'Worker', text: ({ name }) => name },
        { title: 'Host', text: ({ host }) => host },
        { title: 'State', text: ({ state }) => state },
        { title: 'Runs', text: ({ runs }) => format.count(runs), isNumber: true },
        { title: 'Segments', text: ({ segments }) => format.count(segments), isNumber: true },
        { title: 'Claims', text: ({ claims }) => format.count(claims), isNumber: true },
        { title: 'Idle', text: ({ idleMs }) => formatDuration(idleMs), isNumber: true },
        { title: 'Version', text: ({ programVersion }) => programVersion },
        { title: 'Seen', text: ({ seenAt }) => timeOf(seenAt, format) },
      ],
      all,
    ),
  );
}

async function showOverview({ session, http }: Remote): Promise<void> {
  const { format, terminal } = session;
  const overview = await answer(http.GET('/api/v1/overview'));
  await record(session, 'overview', overview);
  const { attention, moreAttention, running, runningTotal, queued, today, codes, nextSchedules } = overview;
  for (const { name, text, remedy, runs } of attention) {
    const waiting = runs === 0 ? '' : ` ${format.plural(runs, { one: '# run waits', other: '# runs wait' })} for it.`;
    await terminal.print(`!  ${visible(name)}: ${visible(text)}${waiting}\n   ${visible(remedy)}`);
  }
  if (moreAttention) await terminal.print('!  There is more than this.');
  if (attention.length > 0) await terminal.say('Looked at one? "drover attention dismiss NAME" takes it off.');
  for (const run of running) {
    const job = jobPath({ projectName: run.projectName, name: run.jobName });
    await terminal.print(`${run.id}  ${visible(job)}  ${stateOf(run)}  ${amountOf(run, format)}`);
  }
  const failedRuns = today.failedRuns === 0 ? '' : ` (${format.count(today.failedRuns)} failed)`;
  const runs = `${format.plural(today.runs, { one: '# run', other: '# runs' })}${failedRuns}`;
  await terminal.print(
    `${format.count(runningTotal)} running, ${format.count(queued)} queued. ` +
      `Today: ${runs}, ${format.count(today.items)} transferred, ${format.bytes(today.bytes)}, ${format.plural(today.failed, { one: '# object', other: '# objects' })} failed.`,
  );
  for (const { code, items } of codes) await terminal.print(`   ${code}  ${format.count(items)}`);
  for (const { projectName, jobName, nextAt, rule } of nextSchedules) {
    await terminal.print(
      `Next  ${timeOf(nextAt, format)}  ${visible(`${projectName}/${jobName}`)}  ${ruleOf(rule, format)}`,
    );
  }
}
