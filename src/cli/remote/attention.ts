/** `attention list|dismiss|dismissed|restore`: what needs somebody on a server, and what somebody has looked at. */
import type { Command } from 'commander';
import { DroverError } from '../../model/errors.ts';
import { visible } from '../terminal.ts';
import { addListOptions, showList, type ListGiven } from './lists.ts';
import { answer, record, type Remote, type RemoteStart, type Wire } from './remote.ts';
import { table } from './table.ts';
import { timeOf } from './words.ts';

type Entry = Wire['Overview']['attention'][number];

export function addAttention(program: Command, start: RemoteStart): void {
  const attention = program.command('attention').description('what needs somebody on a server');
  attention
    .command('list')
    .description('what the overview lists, the newest first')
    .action(() => start(listEntries));
  attention
    .command('dismiss')
    .argument('<entry>', 'its name, the id of what it is about, or its mark')
    .option('--note <text>', 'why it may be left as it is; at most 1,024 characters')
    .description('take an entry off the overview; it comes back when something new happens')
    .action((word: string, given: { note?: string }) =>
      start(async (remote) => {
        const { mark } = await findEntry(remote, word);
        const body = { mark, ...given };
        const done = await answer(remote.http.POST('/api/v1/overview/dismissals', { body }));
        await record(remote.session, 'dismissal', done);
        await remote.session.terminal.print(`"${visible(done.name)}" is off the overview until something new happens.`);
      }),
    );
  addListOptions(attention.command('dismissed').description('what was taken off the overview, and by whom')).action(
    (given: ListGiven) => start((remote) => listDismissed(remote, given)),
  );
  attention
    .command('restore')
    .argument('<dismissal>', 'its id, as "attention dismissed" shows it')
    .description('have it listed again, if it still needs somebody')
    .action((id: string) =>
      start(async (remote) => {
        const params = { path: { id } };
        const { name } = await answer(remote.http.GET('/api/v1/overview/dismissals/{id}', { params }));
        await remote.http.DELETE('/api/v1/overview/dismissals/{id}', { params });
        await remote.session.terminal.print(`"${visible(name)}" is listed again, if it still needs somebody.`);
      }),
    );
}

async function entriesOf({ http }: Remote): Promise<Wire['Overview']> {
  return answer(http.GET('/api/v1/overview'));
}

async function listEntries(remote: Remote): Promise<void> {
  const { session } = remote;
  const { attention, moreAttention } = await entriesOf(remote);
  for (const entry of attention) await record(session, 'attention', entry);
  if (attention.length === 0) return session.terminal.print('Nothing needs anybody.');
  const columns = [
    { title: 'What', text: ({ kind }: Entry) => kind },
    { title: 'Name', text: ({ name }: Entry) => name },
    { title: 'Since', text: ({ at }: Entry) => timeOf(at, session.format) },
    { title: 'Why', text: ({ text }: Entry) => text },
  ];
  await session.terminal.print(table<Entry>(columns, attention));
  if (moreAttention) await session.terminal.say('There is more than this.');
}

/** ENTITY_NOT_FOUND, or INVALID_INPUT with the marks of those that the word could mean. */
async function findEntry(remote: Remote, word: string): Promise<Entry> {
  const wanted = word.trim().toLowerCase();
  const { attention } = await entriesOf(remote);
  const exact = attention.filter(({ mark }) => mark === word.trim());
  const found = exact.length > 0 ? exact : attention.filter((entry) => namesOf(entry).includes(wanted));
  const [entry] = found;
  if (entry === undefined) {
    throw new DroverError('ENTITY_NOT_FOUND', `The overview lists no "${visible(word)}".`, {
      remedy: '"drover attention list" shows what it lists.',
    });
  }
  if (found.length === 1) return entry;
  throw new DroverError('INVALID_INPUT', `"${visible(word)}" is listed ${found.length} times.`, {
    remedy: `Say which one: ${found.map(({ mark, text }) => `${mark} (${text})`).join(', ')}.`,
  });
}

function namesOf({ name, id }: Entry): readonly string[] {
  return id === null ? [name.toLowerCase()] : [name.toLowerCase(), id];
}

async function listDismissed(remote: Remote, given: ListGiven): Promise<void> {
  const { format } = remote.session;
  await showList<Wire['Dismissal']>(
    remote,
    given,
    {},
    {
      kind: 'dismissal',
      none: 'Nothing was taken off the overview.',
      columns: [
        { title: 'What', text: ({ kind }) => kind },
        { title: 'Name', text: ({ name }) => name },
        { title: 'Dismissed', text: ({ createdAt }) => timeOf(createdAt, format) },
        { title: 'By', text: ({ createdBy }) => createdBy },
        { title: 'Note', text: ({ note }) => note },
        { title: 'Id', text: ({ id }) => id },
      ],
      page: (query) => remote.http.GET('/api/v1/overview/dismissals', { params: { query } }),
    },
  );
}
