/** `connector update` and `connector discover`: what only a server keeps of connectors, and what a sign-in sees. */
import type { Command } from 'commander';
import { DroverError } from '../../model/errors.ts';
import { visible } from '../terminal.ts';
import { parseChoice, parseCount, parseMinutes } from '../units.ts';
import { collect } from './lists.ts';
import { asSeen, findConnectorAt } from './names.ts';
import { answer, record, type Remote, type RemoteStart, type Wire } from './remote.ts';
import { table, type Column } from './table.ts';

interface ChangeGiven {
  readonly name?: string;
  readonly tag?: readonly string[];
  readonly untag?: readonly string[];
  readonly requestsPerSecond?: string;
  readonly transfers?: string;
  readonly cloudAccount?: string;
  readonly accountType?: string;
  readonly solutions?: string;
  readonly permission?: string;
  readonly regions?: string;
  readonly syncEvery?: string;
}

type Connector = Wire['Connector'];
type Cloud = Wire['CloudAccountInput'];

export function addConnectorChanges(
  connector: Command,
  start: RemoteStart,
  show: (remote: Remote, connector: Connector) => Promise<void>,
): void {
  connector
    .command('update')
    .argument('<connector>', 'name or id')
    .description('change what a server keeps of it; to sign in otherwise: connector add … --replace')
    .option('--name <name>', 'a new one')
    .option('--tag <name=value>', 'add or change a tag; can be repeated', collect)
    .option('--untag <name>', 'take a tag away; can be repeated', collect)
    .option('--requests-per-second <n>', 'of all workers together, or "none"')
    .option('--transfers <n>', 'objects in flight of all workers together, or "none"')
    .option('--cloud-account <id>', 'it stands for this whole AWS account (12 digits), with an inventory; or "none"')
    .option('--account-type <type>', 'single, or organization')
    .option('--solutions <solutions>', 'inventory, or inventory,storage-data-management')
    .option('--permission <permission>', 'read, read-restore or read-write: what its template grants')
    .option('--regions <regions>', 'only these, with commas between; or "all"')
    .option('--sync-every <time>', 'how often the inventory is taken: 60m, 1d; or "once"')
    .action((word: string, given: ChangeGiven) =>
      start(async (remote) => {
        const before = await findConnectorAt(remote, word);
        const body = changeOf(before, given);
        const params = asSeen(before);
        await show(remote, await answer(remote.http.PATCH('/api/v1/connectors/{id}', { params, body })));
      }),
    );
  connector
    .command('discover')
    .argument('<connector>', 'name or id; its own sign-in is used')
    .argument('[parent]', 'what of, as listed before: the accounts of a subscription')
    .description('what its sign-in sees beside its own account: subscriptions, storage accounts')
    .action((word: string, parent: string | undefined) => start((remote) => discover(remote, word, parent ?? null)));
}

function changeOf(before: Connector, given: ChangeGiven): Wire['ChangeConnector'] {
  const change = {
    ...(given.name === undefined ? {} : { name: given.name }),
    ...(given.tag === undefined && given.untag === undefined ? {} : { tags: tagsOf(before.tags, given) }),
    ...limitsOf(before.limits, given),
    ...cloudOf(before.cloud, given),
  };
  if (Object.keys(change).length > 0) return change;
  throw new DroverError('USAGE', 'Nothing was given to change.', {
    field: '--name',
    remedy: '"drover connector update --help" shows what can change.',
  });
}

function tagsOf(before: Connector['tags'], { tag = [], untag = [] }: ChangeGiven): Record<string, string> {
  const tags = { ...before };
  for (const name of untag) {
    if (!Object.hasOwn(tags, name)) {
      throw new DroverError('USAGE', `There is no tag "${visible(name)}".`, { field: '--untag' });
    }
    delete tags[name];
  }
  for (const text of tag) {
    const at = text.indexOf('=');
    if (at < 1) {
      throw new DroverError('USAGE', `"${visible(text)}" is no tag.`, { field: '--tag', remedy: 'Write NAME=VALUE.' });
    }
    tags[text.slice(0, at)] = text.slice(at + 1);
  }
  return tags;
}

function limitsOf(
  before: Connector['limits'],
  { requestsPerSecond, transfers }: ChangeGiven,
): { limits?: Connector['limits'] } {
  if (requestsPerSecond === undefined && transfers === undefined) return {};
  const one = (text: string | undefined, option: string, max: number, kept: number | null): number | null =>
    text === undefined ? kept : text === 'none' ? null : parseCount(text, option, 1, max);
  return {
    limits: {
      requestsPerSecond: one(requestsPerSecond, '--requests-per-second', 1_000_000, before.requestsPerSecond),
      transfersMax: one(transfers, '--transfers', 100_000, before.transfersMax),
    },
  };
}

const OF_CLOUD = ['accountType', 'solutions', 'permission', 'regions', 'syncEvery'] as const;

/** Options that are not given stay as they are, or as most people want them where there was no account before. */
function cloudOf(before: Connector['cloud'], given: ChangeGiven): { cloud?: Cloud | null } {
  const isTouched = given.cloudAccount !== undefined || OF_CLOUD.some((option) => given[option] !== undefined);
  if (!isTouched) return {};
  if (given.cloudAccount === 'none') return { cloud: null };
  const accountId = given.cloudAccount ?? before?.accountId;
  if (accountId === undefined) {
    throw new DroverError('USAGE', 'It stands for no whole account yet.', {
      field: '--cloud-account',
      remedy: 'Give its ID with --cloud-account.',
    });
  }
  const { accountType, solutions, permission, regions, syncEvery } = given;
  return {
    cloud: {
      accountId,
      services: ['s3'],
      accountType:
        accountType === undefined
          ? (before?.accountType ?? 'single')
          : parseChoice(accountType, '--account-type', ['single', 'organization']),
      solutions:
        solutions === undefined
          ? (before?.solutions ?? ['inventory', 'storage-data-management'])
          : wordsOf(solutions).map((one) =>
              parseChoice(one, '--solutions', ['inventory', 'storage-data-management'] as const),
            ),
      permission:
        permission === undefined
          ? (before?.permission ?? 'read')
          : parseChoice(permission, '--permission', ['read', 'read-restore', 'read-write']),
      regions: regions === undefined ? (before?.regions ?? null) : regions === 'all' ? null : wordsOf(regions),
      syncEveryMinutes:
        syncEvery === undefined
          ? (before?.syncEveryMinutes ?? null)
          : syncEvery === 'once'
            ? null
            : parseMinutes(syncEvery, '--sync-every'),
    },
  };
}

function wordsOf(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

async function discover(remote: Remote, word: string, parent: string | null): Promise<void> {
  const { session, client } = remote;
  const { id, provider, config } = await findConnectorAt(remote, word);
  const found: Wire['DiscoveredPage']['items'] = [];
  const draft = { connectorId: id, connector: { provider, config }, parent };
  for await (const { items } of client.discover(draft, session.signal)) {
    for (const item of items) {
      await record(session, 'discovered', item);
      found.push(item);
    }
  }
  if (session.terminal.options.json) return;
  const columns: Column<(typeof found)[number]>[] = [
    { title: 'Kind', text: ({ kind }) => kind },
    { title: 'Name', text: ({ name }) => name },
    { title: 'Region', text: ({ region }) => region ?? '' },
    { title: 'Id', text: ({ id: parentId }) => parentId },
  ];
  await session.terminal.print(found.length === 0 ? 'It sees nothing beside its own account.' : table(columns, found));
}
