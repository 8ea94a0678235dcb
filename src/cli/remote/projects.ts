/** `project create|list|show|update|remove` and `endpoint create|list|show|update|remove`. */
import type { Command } from 'commander';
import { writtenPath } from '../../contract/places.ts';
import { DroverError } from '../../model/errors.ts';
import { parseChoice } from '../units.ts';
import { addListOptions, showList, type ListGiven } from './lists.ts';
import { asSeen, findConnectorAt, findEndpoint, findProject } from './names.ts';
import { answer, ask, record, type Remote, type RemoteStart, type Wire } from './remote.ts';
import { FORGET_UPLOADS, forgetting, goesAlong, type RemovalGiven } from './removal.ts';
import { facts } from './table.ts';
import { timeOf } from './words.ts';

export function addProjects(program: Command, start: RemoteStart): void {
  const project = program.command('project').description('projects on a server: jobs that belong together');
  project
    .command('create')
    .argument('<name>', 'of the project; it stays')
    .option('--description <text>', 'for people')
    .description('make a project')
    .action((name: string, { description }: { description?: string }) =>
      start(async ({ session, http }) => {
        const body = { name, ...(description === undefined ? {} : { description }) };
        const made = await answer(http.POST('/api/v1/projects', { body }));
        await record(session, 'project', made);
        await session.terminal.print(`Made the project "${made.name}".`);
      }),
    );
  addListOptions(project.command('list').description('all projects')).action((given: ListGiven) =>
    start((remote) => listProjects(remote, given)),
  );
  project
    .command('show')
    .argument('<project>', 'name or id')
    .description('one project')
    .action((word: string) => start(async (remote) => showProject(remote, await findProject(remote, word))));
  project
    .command('update')
    .argument('<project>', 'name or id')
    .requiredOption('--description <text>', 'the new one')
    .description('change the description; the name stays')
    .action((word: string, { description }: { description: string }) =>
      start(async (remote) => {
        const params = asSeen(await findProject(remote, word));
        await showProject(
          remote,
          await answer(remote.http.PATCH('/api/v1/projects/{id}', { params, body: { description } })),
        );
      }),
    );
  project
    .command('remove')
    .argument('<project>', 'name or id')
    .option('-y, --yes', 'do not ask')
    .option(...FORGET_UPLOADS)
    .description('delete a project with its jobs, their history and results; endpoints stay')
    .action((word: string, given: RemovalGiven) => start((remote) => removeProject(remote, word, given)));
}

async function listProjects(remote: Remote, given: ListGiven): Promise<void> {
  const { format } = remote.session;
  await showList<Wire['Project']>(
    remote,
    given,
    {},
    {
      kind: 'project',
      none: 'No projects yet. Make one with "drover project create NAME".',
      columns: [
        { title: 'Name', text: ({ name }) => name },
        { title: 'Jobs', text: ({ counts }) => format.count(counts.jobs), isNumber: true },
        { title: 'Runs', text: ({ counts }) => format.count(counts.runs), isNumber: true },
        { title: 'Running', text: ({ counts }) => format.count(counts.active), isNumber: true },
        { title: 'Description', text: ({ description }) => description },
      ],
      page: (query) => remote.http.GET('/api/v1/projects', { params: { query } }),
    },
  );
}

async function showProject({ session }: Remote, project: Wire['Project']): Promise<void> {
  const { format } = session;
  await record(session, 'project', project);
  await session.terminal.print(
    facts([
      ['Project', project.name],
      ['Description', project.description],
      ['Jobs', format.count(project.counts.jobs)],
      ['Runs', `${format.count(project.counts.runs)}, ${format.count(project.counts.active)} not ended`],
      ['Made', `${timeOf(project.createdAt, format)} by ${project.createdBy}`],
      ['Id', project.id],
    ]),
  );
}

async function removeProject(remote: Remote, word: string, given: RemovalGiven): Promise<void> {
  const { session, http } = remote;
  const { id, name } = await findProject(remote, word);
  const removal = await answer(http.GET('/api/v1/projects/{id}/removal', { params: { path: { id } } }));
  const { jobs } = removal;
  const along = goesAlong(removal, session.format);
  const isSaid = given.yes === true;
  await ask(session, { isSaid, question: `Delete the project "${name}", ${along}`, otherwise: 'Nothing was deleted' });
  await http.DELETE('/api/v1/projects/{id}', {
    params: { path: { id }, query: { expectedJobs: jobs, ...forgetting(given) } },
  });
  await session.terminal.print(
    `Deleted the project "${name}", ${along}. Endpoints and stored objects are as they were.`,
  );
}

interface EndpointGiven {
  readonly kind: string;
  readonly name?: string;
  readonly description?: string;
}

export function addEndpoints(program: Command, start: RemoteStart): void {
  const endpoint = program.command('endpoint').description('endpoints on a server: places that jobs read or write');
  endpoint
    .command('create')
    .argument('<place>', 'CONNECTOR:bucket/prefix, or CONNECTOR:/folder')
    .requiredOption('--kind <kind>', 'source or target')
    .option('--name <name>', 'made from the place unless given')
    .option('--description <text>', 'at most 1,024 characters')
    .description('make an endpoint; only its description can change later')
    .action((place: string, given: EndpointGiven) => start((remote) => createEndpoint(remote, place, given)));
  addListOptions(
    endpoint
      .command('list')
      .option('--kind <kind>', 'source or target')
      .option('--connector <connector>', 'only those of this connector')
      .description('all endpoints'),
  ).action((given: ListGiven & { kind?: string; connector?: string }) =>
    start((remote) => listEndpoints(remote, given)),
  );
  endpoint
    .command('show')
    .argument('<endpoint>', 'name or id')
    .description('one endpoint')
    .action((word: string) => start(async (remote) => showEndpoint(remote, await findEndpoint(remote, word))));
  endpoint
    .command('update')
    .argument('<endpoint>', 'name or id')
    .requiredOption('--description <text>', 'the new one')
    .description('change the description; nothing else can change')
    .action((word: string, { description }: { description: string }) =>
      start(async (remote) => {
        const params = asSeen(await findEndpoint(remote, word));
        const changed = await answer(remote.http.PATCH('/api/v1/endpoints/{id}', { params, body: { description } }));
        await showEndpoint(remote, changed);
      }),
    );
  endpoint
    .command('remove')
    .argument('<endpoint>', 'name or id')
    .option('-y, --yes', 'do not ask')
    .description('forget an endpoint that no job uses; its place is not touched')
    .action((word: string, { yes }: { yes?: boolean }) =>
      start(async (remote) => {
        const { session, http } = remote;
        const { id, name } = await findEndpoint(remote, word);
        const question = `Remove the endpoint "${name}"`;
        await ask(session, { isSaid: yes === true, question, otherwise: 'Nothing was removed' });
        await http.DELETE('/api/v1/endpoints/{id}', { params: { path: { id } } });
        await session.terminal.print(`Removed the endpoint "${name}". Its place was not touched.`);
      }),
    );
}

async function createEndpoint(remote: Remote, words: string, given: EndpointGiven): Promise<void> {
  const { session, http } = remote;
  const kind = parseChoice(given.kind, '--kind', ['source', 'target']);
  const { connector, place } = await placeAt(remote, words);
  if (place === null) {
    throw new DroverError('USAGE', `"${words}" names a whole account; an endpoint is a place in it.`, {
      remedy: 'Write CONNECTOR:bucket, or CONNECTOR:/folder.',
    });
  }
  const { name, description } = given;
  const body = {
    kind,
    connectorId: connector.id,
    // Two slashes were written here; of one the server takes none for a name.
    place: { ...place, prefix: writtenPath(place.prefix) },
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
  };
  const made = await answer(http.POST('/api/v1/endpoints', { body, signal: session.signal }));
  await record(session, 'endpoint', made);
  await session.terminal.print(`Made the ${made.kind} endpoint "${made.name}": ${placeText(made)}`);
  for (const warning of made.warnings ?? []) await session.terminal.say(warning);
}

/** `CONNECTOR:bucket/prefix`; of folders, all that follows is the path. `null`: the whole account. */
export async function placeAt(
  remote: Remote,
  words: string,
): Promise<{ connector: Wire['Connector']; place: Wire['Place'] | null }> {
  const colon = words.indexOf(':');
  if (colon < 1) {
    throw new DroverError('USAGE', `"${words}" names no connector.`, { remedy: 'Write CONNECTOR:bucket/prefix.' });
  }
  const connector = await findConnectorAt(remote, words.slice(0, colon));
  const rest = words.slice(colon + 1);
  if (rest === '') return { connector, place: null };
  if (connector.provider === 'local') return { connector, place: { container: rest, prefix: '' } };
  const slash = rest.indexOf('/');
  if (slash === 0) {
    throw new DroverError('USAGE', `"${words}" names no bucket.`, { remedy: 'Write it before the first "/".' });
  }
  const path = slash === -1 ? '' : rest.slice(slash + 1);
  const prefix = path === '' || path.endsWith('/') ? path : `${path}/`;
  return { connector, place: { container: slash === -1 ? rest : rest.slice(0, slash), prefix } };
}

async function listEndpoints(
  remote: Remote,
  { kind, connector, ...given }: ListGiven & { kind?: string; connector?: string },
): Promise<void> {
  const fixed = {
    kind: kind === undefined ? [] : [parseChoice(kind, '--kind', ['source', 'target'])],
    connectorId: connector === undefined ? [] : [(await findConnectorAt(remote, connector)).id],
  };
  const { format } = remote.session;
  await showList<Wire['Endpoint']>(remote, given, fixed, {
    kind: 'endpoint',
    none: 'No endpoints. Make one with "drover endpoint create CONNECTOR:bucket --kind source".',
    columns: [
      { title: 'Name', text: ({ name }) => name },
      { title: 'Kind', text: (one) => one.kind },
      { title: 'Connector', text: ({ connectorName }) => connectorName },
      { title: 'Jobs', text: ({ usedBy }) => format.count(usedBy.jobs), isNumber: true },
      { title: 'Place', text: placeText },
    ],
    page: (query) => remote.http.GET('/api/v1/endpoints', { params: { query } }),
  });
}

/** With the store's address where the path does not show it. */
function placeText({ fullPath, store }: Pick<Wire['Endpoint'], 'fullPath' | 'store'>): string {
  const isShown = store === null || fullPath.includes(store) || store.startsWith('aws');
  return isShown ? fullPath : `${fullPath} at ${store}`;
}

async function showEndpoint({ session }: Remote, endpoint: Wire['Endpoint']): Promise<void> {
  const { format } = session;
  await record(session, 'endpoint', endpoint);
  await session.terminal.print(
    facts([
      ['Endpoint', endpoint.name],
      ['Kind', endpoint.kind],
      ['Connector', endpoint.connectorName],
      ['Place', placeText(endpoint)],
      ['Description', endpoint.description],
      ['Used by', format.plural(endpoint.usedBy.jobs, { one: '# job', other: '# jobs' })],
      ['Made', `${timeOf(endpoint.createdAt, format)} by ${endpoint.createdBy}`],
      ['Id', endpoint.id],
    ]),
  );
}
