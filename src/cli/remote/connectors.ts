/** `connector …` under `--server`: the same words, kept by the server. */
import type { Command } from 'commander';
import type { CheckLine, PolicyRequest, Use } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { checkText, judge, type AddOptions } from '../commands/connector.ts';
import { providerById } from '../connectors.ts';
import { collectConfig, sayExternalId } from '../connector-form.ts';
import { EXIT } from '../exit.ts';
import type { CommandEnd, Session } from '../session.ts';
import { EMPTY_SUMMARY } from '../summary.ts';
import { visible } from '../terminal.ts';
import { formatDuration, type Format } from '../format.ts';
import { addConnectorChanges } from './connector-changes.ts';
import { addListOptions, showList, type ListGiven } from './lists.ts';
import { findConnectorAt } from './names.ts';
import { placeAt } from './projects.ts';
import { answer, ask, fine, openRemote, record, type Remote, type RemoteStart, type Wire } from './remote.ts';
import { facts } from './table.ts';
import { HEALTH_WORDS, timeOf } from './words.ts';

/** The server signs in before it saves. `--replace` gives an existing one new values; jobs are not touched. */
export async function addConnectorAt(
  session: Session,
  providerId: string,
  given: string | undefined,
  options: AddOptions,
): Promise<CommandEnd> {
  if (!options.check) {
    throw new DroverError('USAGE', 'A server saves no connector without signing in.', {
      field: '--no-check',
      remedy: 'Leave out --no-check.',
    });
  }
  const remote = await openRemote(session);
  const { http } = remote;
  const provider = providerById(session, providerId, 'PROVIDER');
  const name = given ?? (await suggestedName(remote, providerId));
  const config = await collectConfig(session, provider, name, options.given);
  await sayExternalId(session, name, provider, config, options.given, true);
  const { signal } = session;
  const existing = options.replace ? await findConnectorAt(remote, name).catch(absent) : null;
  const saved =
    existing === null
      ? await answer(http.POST('/api/v1/connectors', { body: { provider: providerId, name, config }, signal }))
      : await answer(
          http.POST('/api/v1/connectors/{id}/reauthorize', {
            params: { path: { id: existing.id } },
            body: { config, ...(options.acceptMove === true ? { acceptMove: true } : {}) },
            signal,
          }),
        );
  await record(session, 'connector', saved);
  const who = saved.signedInAs === null ? '' : `, signed in as ${visible(saved.signedInAs)}`;
  await session.terminal.print(
    `${existing === null ? 'Saved' : 'Authorized again'} on the server as "${saved.name}"${who}.\n` +
      `Make an endpoint: drover endpoint create "${saved.name}:…" --kind source`,
  );
  return fine(session);
}

/** As the server would name it. */
async function suggestedName({ http }: Remote, provider: string): Promise<string> {
  const params = { query: { provider } };
  return (await answer(http.GET('/api/v1/connectors/suggestion', { params }))).name;
}

function absent(error: unknown): null {
  if (error instanceof DroverError && error.code === 'ENTITY_NOT_FOUND') return null;
  throw error;
}

export async function listConnectorsAt(session: Session, given: ListGiven): Promise<CommandEnd> {
  const remote = await openRemote(session);
  const { format } = session;
  await showList<Wire['Connector']>(
    remote,
    given,
    {},
    {
      kind: 'connector',
      none: 'No connectors yet. Add one with "drover connector add s3 NAME".',
      columns: [
        { title: 'Name', text: ({ name }) => name },
        { title: 'Provider', text: ({ providerTitle }) => providerTitle },
        { title: 'Health', text: ({ health }) => HEALTH_WORDS[health] },
        { title: 'Endpoints', text: ({ usedBy }) => format.count(usedBy.endpoints), isNumber: true },
        { title: 'Jobs', text: ({ usedBy }) => format.count(usedBy.jobs), isNumber: true },
        { title: 'Signed in as', text: ({ signedInAs }) => signedInAs ?? '–' },
      ],
      page: (query) => remote.http.GET('/api/v1/connectors', { params: { query } }),
    },
  );
  return fine(session);
}

export async function showConnectorAt(session: Session, word: string): Promise<CommandEnd> {
  const remote = await openRemote(session);
  await printConnector(remote, await findConnectorAt(remote, word));
  return fine(session);
}

async function printConnector({ session }: Remote, connector: Wire['Connector']): Promise<void> {
  const { format } = session;
  const fields = session.world.providers.find(({ manifest }) => manifest.id === connector.provider)?.account ?? {};
  const label = (field: string): string => fields[field]?.label ?? field;
  await record(session, 'connector', connector);
  await session.terminal.print(
    facts([
      ['Connector', connector.name],
      ['Provider', connector.providerTitle],
      ...Object.entries(connector.config).map(([field, value]) => [label(field), String(value)] as const),
      ...Object.entries(connector.secrets).map(
        ([field, print]) => [label(field), `kept, fingerprint ${print}`] as const,
      ),
      ['Signed in as', connector.signedInAs],
      ['Health', HEALTH_WORDS[connector.health]],
      [
        '',
        connector.healthReason === null ? null : `${connector.healthReason.message} ${connector.healthReason.remedy}`,
      ],
      [
        'Checked',
        connector.checkedAt === null ? null : `${timeOf(connector.checkedAt, format)}${checkedAt(connector)}`,
      ],
      [
        'Tags',
        Object.entries(connector.tags)
          .map(([name, value]) => `${name}=${value}`)
          .join(', '),
      ],
      ['Limits', limitsText(connector.limits, format)],
      ...cloudLines(connector.cloud, format),
      [
        'Used by',
        `${format.plural(connector.usedBy.endpoints, { one: '# endpoint', other: '# endpoints' })}, ${format.plural(connector.usedBy.jobs, { one: '# job', other: '# jobs' })}`,
      ],
      ['Id', connector.id],
    ]),
  );
}

function limitsText({ requestsPerSecond, transfersMax }: Wire['ConnectorLimits'], format: Format): string | null {
  const limits = [
    requestsPerSecond === null ? [] : [`${format.count(requestsPerSecond)} requests per second`],
    transfersMax === null ? [] : [`${format.count(transfersMax)} objects in flight`],
  ].flat();
  return limits.length === 0 ? null : limits.join(', ');
}

function cloudLines(cloud: Wire['CloudAccount'] | null, format: Format): [string, string | null][] {
  if (cloud === null) return [];
  const every = cloud.syncEveryMinutes === null ? 'once' : `every ${formatDuration(cloud.syncEveryMinutes * 60_000)}`;
  const next = cloud.nextSyncAt === null ? '' : `, next ${timeOf(cloud.nextSyncAt, format)}`;
  const error = cloud.lastSyncError;
  return [
    ['AWS account', `${cloud.accountId} (${cloud.accountType})`],
    ['Solutions', cloud.solutions.join(', ')],
    ['Permission', cloud.permission],
    ['Regions', cloud.regions === null ? 'all' : cloud.regions.join(', ')],
    ['Inventory', `${every}, last ${cloud.lastSyncAt === null ? 'never' : timeOf(cloud.lastSyncAt, format)}${next}`],
    ['', error === null ? null : `${error.message} ${error.remedy}`],
  ];
}

export async function testConnectorAt(session: Session, words: string, use: Use): Promise<CommandEnd> {
  const remote = await openRemote(session);
  const { connector, place } = await placeAt(remote, words.includes(':') ? words : `${words}:`);
  const lines: CheckLine[] = [];
  for await (const line of remote.client.checkConnector(connector.id, { place, use }, session.signal)) {
    lines.push(line);
    await session.terminal.record({ type: 'check', ...line });
    await session.terminal.print(checkText(line));
  }
  const { signInRefused, placeRefused } = judge(lines, use);
  const line = signInRefused ?? placeRefused;
  if (line === null) return fine(session);
  const code =
    signInRefused !== null ? 'UNAUTHENTICATED' : line.what === 'container' ? 'PLACE_NOT_FOUND' : 'PERMISSION_DENIED';
  const error = { code, message: line.message, field: line.field, remedy: line.remedy ?? '' } as const;
  return {
    exit: EXIT.WRONG_INPUT,
    summary: { ...EMPTY_SUMMARY, state: 'failed', durationMs: session.elapsedMs, error },
  };
}

export async function removeConnectorAt(session: Session, word: string, isSaid: boolean): Promise<CommandEnd> {
  const remote = await openRemote(session);
  const { id, name } = await findConnectorAt(remote, word);
  const question = `Remove the connector "${name}" and its secrets`;
  await ask(session, { isSaid, question, otherwise: 'Nothing was removed' });
  await remote.http.DELETE('/api/v1/connectors/{id}', { params: { path: { id } } });
  await session.terminal.print(`Removed "${name}". Nothing in the store itself was touched.`);
  return fine(session);
}

/** `draft`: values that are not saved, of the connector that is made once its role is there. */
export async function printPolicyAt(
  session: Session,
  word: string,
  request: Partial<PolicyRequest>,
  draft: { readonly provider: string; readonly values: Readonly<Record<string, string>> } | null,
): Promise<CommandEnd> {
  const { http, ...remote } = await openRemote(session);
  const { containers, sourceAddresses, vpcEndpoints, trustedPrincipal, externalId, ...rest } = request;
  const body = {
    ...rest,
    // The lists of a request may be changed, and these may not.
    ...(containers === undefined ? {} : { containers: [...containers] }),
    ...(sourceAddresses === undefined ? {} : { sourceAddresses: [...sourceAddresses] }),
    ...(vpcEndpoints === undefined ? {} : { vpcEndpoints: [...vpcEndpoints] }),
    ...(typeof trustedPrincipal !== 'string' ? {} : { trustedPrincipal }),
    ...(typeof externalId !== 'string' ? {} : { externalId }),
  };
  const connector = draft === null ? null : { provider: draft.provider, name: word, config: draft.values };
  const texts =
    connector === null
      ? await answer(
          http.POST('/api/v1/connectors/{id}/policies', {
            params: { path: { id: (await findConnectorAt({ http, ...remote }, word)).id } },
            body,
          }),
        )
      : await answer(http.POST('/api/v1/connectors/policies', { body: { connector, request: body } }));
  for (const text of texts) {
    await session.terminal.record({ type: 'policy', ...text });
    await session.terminal.say(`# ${text.title}`);
    await session.terminal.print(text.text);
  }
  return fine(session);
}

/** What only a server keeps of connectors. */
export function addConnectorExtras(connector: Command, start: RemoteStart): void {
  addConnectorChanges(connector, start, printConnector);
  connector
    .command('users')
    .argument('<connector>', 'name or id')
    .description('which endpoints and jobs of a server use it')
    .action((word: string) => start((remote) => showUsers(remote, word)));
  addListOptions(
    connector
      .command('inventory')
      .argument('<connector>', 'name or id')
      .option('--refresh', 'look now, before listing')
      .option('--account <id>', 'only of this account of an organization')
      .description('buckets or containers that a server has seen in the account'),
  ).action((word: string, given: InventoryGiven) => start((remote) => listInventory(remote, word, given)));
  addListOptions(
    connector
      .command('accounts')
      .argument('<connector>', 'name or id')
      .description('accounts of an organization, and what went wrong in each'),
  ).action((word: string, given: ListGiven) => start((remote) => listAccounts(remote, word, given)));
  connector
    .command('add-account')
    .argument('<connector>', 'name or id of the connector of an organization')
    .argument('<account>', 'ID of the account (12 digits)')
    .description('make a connector for one account of an organization, from the same sign-in')
    .action((word: string, accountId: string) => start((remote) => addAccount(remote, word, accountId)));
}

async function showUsers({ session, ...remote }: Remote, word: string): Promise<void> {
  const { id } = await findConnectorAt({ session, ...remote }, word);
  const { endpoints, jobs } = await answer(
    remote.http.GET('/api/v1/connectors/{id}/users', { params: { path: { id } } }),
  );
  for (const endpoint of endpoints) await record(session, 'endpoint', endpoint);
  for (const job of jobs) await record(session, 'job', job);
  const lines = [
    ...endpoints.map(({ name, fullPath }) => `endpoint  ${visible(name)}  ${visible(fullPath)}`),
    ...jobs.map(({ name, projectName }) => `job       ${visible(`${projectName}/${name}`)}`),
  ];
  await session.terminal.print(lines.length === 0 ? 'Nothing uses it.' : lines.join('\n'));
}

type InventoryGiven = ListGiven & { readonly refresh?: boolean; readonly account?: string };

async function listAccounts(remote: Remote, word: string, given: ListGiven): Promise<void> {
  const { http, session } = remote;
  const { id } = await findConnectorAt(remote, word);
  await showList<Wire['InventoryAccount']>(
    remote,
    given,
    {},
    {
      kind: 'account',
      none: 'No account was seen yet; only connectors of an organization list accounts.',
      columns: [
        { title: 'Account', text: ({ accountId }) => accountId },
        { title: 'Name', text: ({ name }) => name },
        {
          title: 'Looked at',
          text: ({ lastSyncAt }) => (lastSyncAt === null ? '–' : timeOf(lastSyncAt, session.format)),
        },
        { title: 'State', text: accountState },
      ],
      page: (query) => http.GET('/api/v1/connectors/{id}/accounts', { params: { path: { id }, query } }),
    },
  );
}

function accountState({ goneAt, lastSyncError }: Wire['InventoryAccount']): string {
  if (goneAt !== null) return 'gone';
  return lastSyncError === null ? '' : `${lastSyncError.message} ${lastSyncError.remedy}`;
}

async function addAccount(remote: Remote, word: string, accountId: string): Promise<void> {
  const { http, session } = remote;
  const { id } = await findConnectorAt(remote, word);
  const made = await answer(
    http.POST('/api/v1/connectors/{id}/accounts/{accountId}', {
      params: { path: { id, accountId } },
      signal: session.signal,
    }),
  );
  await printConnector(remote, made);
}

async function listInventory(
  remote: Remote,
  word: string,
  { refresh, account, ...given }: InventoryGiven,
): Promise<void> {
  const { http, session } = remote;
  const { id } = await findConnectorAt(remote, word);
  const params = { path: { id } };
  if (refresh === true)
    await http.POST('/api/v1/connectors/{id}/inventory/refresh', { params, signal: session.signal });
  await showList<Wire['InventoryItem']>(remote, given, account === undefined ? {} : { account: [account] }, {
    kind: 'inventory',
    none: 'Nothing was seen yet.',
    columns: [
      { title: 'Name', text: ({ container }) => container },
      { title: 'Account', text: ({ accountId }) => accountId ?? '' },
      { title: 'Region', text: ({ region }) => region ?? '–' },
      { title: 'First seen', text: ({ firstSeenAt }) => timeOf(firstSeenAt, session.format) },
      { title: 'Gone since', text: ({ goneAt }) => (goneAt === null ? '' : timeOf(goneAt, session.format)) },
    ],
    page: (query) => http.GET('/api/v1/connectors/{id}/inventory', { params: { path: { id }, query } }),
  });
}

/** A check of one place says nothing of the others. */
function checkedAt({ checkedPlace }: Wire['Connector']): string {
  return checkedPlace === null ? '' : `, at ${visible(`${checkedPlace.container}/${checkedPlace.prefix}`)}`;
}
