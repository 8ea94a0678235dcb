/** `person …` and `token …`. */
import type { Command } from 'commander';
import { DroverError } from '../../model/errors.ts';
import { parseChoice } from '../units.ts';
import { addListOptions, showList, type ListGiven } from './lists.ts';
import { asSeen, findPerson, findToken } from './names.ts';
import { answer, ask, record, type Remote, type RemoteStart, type Wire } from './remote.ts';
import { momentOf } from './schedules.ts';
import { facts } from './table.ts';
import { timeOf } from './words.ts';

const ROLES = ['admin', 'operator', 'viewer'] as const;

interface PersonGiven {
  readonly name?: string;
  readonly role?: string;
  readonly enable?: boolean;
  readonly disable?: boolean;
  readonly passwordStdin?: boolean;
  readonly oidc?: boolean;
  readonly endTokens?: boolean;
  readonly keepTokens?: boolean;
}

export function addPeople(program: Command, start: RemoteStart): void {
  const person = program.command('person').description('who may use a server');
  person
    .command('create')
    .argument('<email>', 'to sign in with')
    .option('--name <name>', 'shown to others; by default the part before the @')
    .option('--role <role>', ROLES.join(', '), 'viewer')
    .option('--password-stdin', 'read the password from standard input')
    .option('--oidc', 'signs in at the identity provider, without a password')
    .description('let somebody in')
    .action((email: string, given: PersonGiven) => start((remote) => createPerson(remote, email, given)));
  addListOptions(person.command('list').description('everybody')).action((given: ListGiven) =>
    start((remote) => listPeople(remote, given)),
  );
  const about = (name: string, description: string): Command =>
    person.command(name).argument('<person>', 'e-mail address, name or id').description(description);
  about('show', 'one person').action((word: string) =>
    start(async (remote) => showPerson(remote, await findPerson(remote, word))),
  );
  about('update', 'change name, role, state or password')
    .option('--name <name>', 'a new one')
    .option('--role <role>', ROLES.join(', '))
    .option('--disable', 'can sign in no more, and tokens work no more')
    .option('--enable', 'can again')
    .option('--password-stdin', 'read a new password from standard input')
    .option('--end-tokens', 'end their tokens too; so it is with --disable and --password-stdin')
    .option('--keep-tokens', 'leave their tokens as they are')
    .action((word: string, given: PersonGiven) => start((remote) => updatePerson(remote, word, given)));
  about('remove', 'let somebody out for good; what they did stays in the audit log')
    .option('-y, --yes', 'do not ask')
    .action((word: string, { yes }: { yes?: boolean }) =>
      start(async (remote) => {
        const { session, http } = remote;
        const { id, email } = await findPerson(remote, word);
        const question = `Remove ${email} with their tokens`;
        await ask(session, { isSaid: yes === true, question, otherwise: 'Nobody was removed' });
        await http.DELETE('/api/v1/people/{id}', { params: { path: { id } } });
        await session.terminal.print(`Removed ${email}.`);
      }),
    );
}

async function createPerson(remote: Remote, email: string, given: PersonGiven): Promise<void> {
  const role = parseChoice(given.role ?? 'viewer', '--role', ROLES);
  const password = given.oidc === true ? null : await passwordFrom(remote, given);
  const name = given.name ?? email.split('@')[0] ?? email;
  const body = { email, name, role, password };
  await showPerson(remote, await answer(remote.http.POST('/api/v1/people', { body })));
}

async function passwordFrom({ session }: Remote, { passwordStdin }: PersonGiven): Promise<string> {
  const { world } = session;
  if (passwordStdin === true) return (await world.readInput()).replace(/\r?\n$/, '');
  if (world.prompt !== null && !session.terminal.options.json) return world.prompt.ask('Password  ', true);
  throw new DroverError('USAGE', 'Nobody can be asked for the password here.', {
    field: '--password-stdin',
    remedy: 'Pipe it in and add --password-stdin; or add --oidc for somebody who needs none.',
  });
}

async function updatePerson(remote: Remote, word: string, given: PersonGiven): Promise<void> {
  const { name, role } = given;
  const state = given.disable === true ? ('disabled' as const) : given.enable === true ? ('active' as const) : null;
  const body = {
    ...(name === undefined ? {} : { name }),
    ...(role === undefined ? {} : { role: parseChoice(role, '--role', ROLES) }),
    ...(state === null ? {} : { state }),
    ...(given.passwordStdin === true ? { password: await passwordFrom(remote, given) } : {}),
    ...tokensOf(given),
  };
  const params = asSeen(await findPerson(remote, word));
  await showPerson(remote, await answer(remote.http.PATCH('/api/v1/people/{id}', { params, body })));
}

function tokensOf({ endTokens, keepTokens }: PersonGiven): { endTokens?: boolean } {
  if (endTokens === true && keepTokens === true) {
    throw new DroverError('USAGE', '--end-tokens and --keep-tokens exclude each other.', { field: '--keep-tokens' });
  }
  return endTokens === true ? { endTokens: true } : keepTokens === true ? { endTokens: false } : {};
}

async function listPeople(remote: Remote, given: ListGiven): Promise<void> {
  const { format } = remote.session;
  await showList<Wire['Person']>(
    remote,
    given,
    {},
    {
      kind: 'person',
      none: 'Nobody.',
      columns: [
        { title: 'E-mail', text: ({ email }) => email },
        { title: 'Name', text: ({ name }) => name },
        { title: 'Role', text: ({ role }) => role },
        { title: 'State', text: ({ state }) => state },
        { title: 'Signs in by', text: ({ signIn }) => signIn },
        { title: 'Last', text: ({ lastSignInAt }) => timeOf(lastSignInAt, format) },
      ],
      page: (query) => remote.http.GET('/api/v1/people', { params: { query } }),
    },
  );
}

async function showPerson({ session }: Remote, person: Wire['Person']): Promise<void> {
  const { format } = session;
  await record(session, 'person', person);
  await session.terminal.print(
    facts([
      ['E-mail', person.email],
      ['Name', person.name],
      ['Role', person.role],
      ['State', person.state],
      ['Signs in by', person.signIn],
      ['Last sign-in', timeOf(person.lastSignInAt, format)],
      ['Id', person.id],
    ]),
  );
}

const TOKEN_MS = 90 * 24 * 3_600_000;

/** A token that was forgotten should not work for ever. */
function endOf(given: string | undefined, nowMs: number): string | null {
  if (given === 'never') return null;
  return given === undefined ? new Date(nowMs + TOKEN_MS).toISOString() : momentOf(given, '--expires');
}

/** What a token can be narrowed to; the server refuses others with all that there are. */
const RIGHTS: readonly Right[] = [
  'read',
  'metrics',
  'own-account',
  'define',
  'run',
  'dismiss',
  'report',
  'connector-test',
  'connector-use',
  'connector-change',
  'people',
  'audit',
  'fleet',
  'definitions-apply',
];
type Right = NonNullable<Wire['CreateToken']['scopes']>[number];

export function addTokens(program: Command, start: RemoteStart): void {
  const token = program.command('token').description('keys with which programs use a server');
  token
    .command('create')
    .argument('<name>', 'what it is for')
    .option('--role <role>', ROLES.join(', '), 'viewer')
    .option('--scopes <scopes>', 'all that it may, with commas between: metrics; left out, whatever its role may')
    .option('--expires <time>', 'date, time and offset, or never; left out, in 90 days')
    .description('make a token and print it, this once')
    .action((name: string, given: { role: string; scopes?: string; expires?: string }) =>
      start(async ({ session, http }) => {
        const role = parseChoice(given.role, '--role', ROLES);
        const expiresAt = endOf(given.expires, session.world.clock.now());
        const scopes = given.scopes?.split(',').map((scope) => parseChoice(scope.trim(), '--scopes', RIGHTS));
        const body = { name, role, expiresAt, ...(scopes === undefined ? {} : { scopes }) };
        const made = await answer(http.POST('/api/v1/tokens', { body }));
        await session.terminal.record({ type: 'token', entity: made.token, secret: made.secret });
        await session.terminal.say('Keep it now: it is not shown again.');
        if (!session.terminal.options.json) await session.terminal.print(made.secret);
      }),
    );
  addListOptions(token.command('list').description('own tokens; for an admin, all of them')).action(
    (given: ListGiven) => start((remote) => listTokens(remote, given)),
  );
  token
    .command('remove')
    .argument('<token>', 'name or id')
    .option('-y, --yes', 'do not ask')
    .description('let it work no more')
    .action((word: string, { yes }: { yes?: boolean }) =>
      start(async (remote) => {
        const { session, http } = remote;
        const { id, name } = await findToken(remote, word);
        const question = `Remove the token "${name}"`;
        await ask(session, { isSaid: yes === true, question, otherwise: 'Nothing was removed' });
        await http.DELETE('/api/v1/tokens/{id}', { params: { path: { id } } });
        await session.terminal.print(`Removed the token "${name}". It works no more.`);
      }),
    );
}

async function listTokens(remote: Remote, given: ListGiven): Promise<void> {
  const { format } = remote.session;
  await showList<Wire['Token']>(
    remote,
    given,
    {},
    {
      kind: 'token',
      none: 'No tokens.',
      columns: [
        { title: 'Name', text: ({ name }) => name },
        { title: 'Of', text: ({ personName }) => personName },
        { title: 'Role', text: ({ role }) => role },
        { title: 'Scopes', text: ({ scopes }) => (scopes === null ? 'all' : scopes.join(', ')) },
        { title: 'Begins with', text: ({ prefix }) => prefix },
        { title: 'Expires', text: ({ expiresAt }) => (expiresAt === null ? 'never' : timeOf(expiresAt, format)) },
        { title: 'Last used', text: ({ lastUsedAt }) => timeOf(lastUsedAt, format) },
      ],
      page: (query) => remote.http.GET('/api/v1/tokens', { params: { query } }),
    },
  );
}
