/** A command's way to a server: its address, its token, and what every such command does with answers. */
import type { Client, Wire } from '../../api/client/client.ts';
import { DroverError } from '../../model/errors.ts';
import { EXIT } from '../exit.ts';
import type { Start } from '../program.ts';
import type { CommandEnd, Session } from '../session.ts';
import { EMPTY_SUMMARY } from '../summary.ts';
import { visible } from '../terminal.ts';

export type { Wire } from '../../api/client/client.ts';

export interface Remote {
  readonly session: Session;
  readonly url: string;
  readonly client: Client;
  readonly http: Client['http'];
}

/** `start` for commands that go to a server. */
export type RemoteStart = (work: (remote: Remote) => Promise<CommandEnd | void>) => Promise<void>;

export function remoteStart(start: Start): RemoteStart {
  return (work) =>
    start(async (session) => {
      const remote = await openRemote(session);
      return (await work(remote)) ?? fine(session);
    });
}

/** USAGE when no server or no token was named. Touches no network. */
export async function openRemote(session: Session): Promise<Remote> {
  const { server } = session;
  if (server === null) {
    throw new DroverError('USAGE', 'This command works with a server, and none was named.', {
      field: '--server',
      remedy:
        'Name it with --server or DROVER_SERVER, and its token in DROVER_TOKEN or with --token-file. ' +
        '"drover serve" starts one on this machine.',
    });
  }
  const url = addressOf(server);
  refuseInTheOpen(session, new URL(url));
  const client = await session.world.openClient({ url, token: await tokenOf(session) });
  return { session, url, client, http: client.http };
}

/** Local commands under `--server`: never both. */
export function localOnly(start: Start, instead: string): Start {
  return (work) =>
    start(async (session) => {
      if (session.server === null) return work(session);
      throw new DroverError('USAGE', `This command works on this machine and not through a server. ${instead}`, {
        field: '--server',
        remedy: 'To work here, leave out --server and DROVER_SERVER.',
      });
    });
}

/** What a call answered. */
export async function answer<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}

export function fine(session: Session): CommandEnd {
  return { exit: EXIT.FINE, summary: { ...EMPTY_SUMMARY, durationMs: session.elapsedMs } };
}

/** An entity as a JSON line: its kind, and itself as the API gives it. */
export async function record(session: Session, kind: string, entity: unknown): Promise<void> {
  await session.terminal.record({ type: kind, entity });
}

export interface Asking {
  /** `--yes`. */
  readonly isSaid: boolean;
  /** A question without its end: `Delete the project "a" with 3 jobs`. */
  readonly question: string;
  /** What did not happen without a yes: `Nothing was removed`. */
  readonly otherwise: string;
}

/** GUARD_CONFIRM unless it was said on the command line, or a person says it now. */
export async function ask(session: Session, { isSaid, question: given, otherwise }: Asking): Promise<void> {
  if (isSaid) return;
  // Names in it are other people's: none may look like another question.
  const question = visible(given);
  const { prompt } = session.world;
  const { json } = session.terminal.options;
  const remedy = 'To do it without being asked, add --yes.';
  if (prompt === null || json) {
    const why = json ? 'with --json nobody is asked' : 'nobody can be asked here';
    throw new DroverError('GUARD_CONFIRM', `${otherwise}: that needs a yes, and ${why}. ${question}?`, { remedy });
  }
  const said = await prompt.ask(`${question}? Type yes: `, false);
  if (said.trim().toLowerCase() === 'yes') return;
  throw new DroverError('GUARD_CONFIRM', `${otherwise}, because the answer was not yes.`, { remedy });
}

export type Kept = Pick<Wire['Project'], 'id' | 'version'>;

function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && ['http:', 'https:'].includes(url.protocol) && url.host !== '') return text;
  throw new DroverError('USAGE', `"${text}" is no address of a server.`, {
    field: '--server',
    remedy: 'Write it with its scheme, such as http://127.0.0.1:7070.',
  });
}

/** Who listens on the way would have the token, and all that it may do. */
function refuseInTheOpen({ insecureHttp }: Session, { protocol, hostname }: URL): void {
  const isThisMachine = /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
  if (protocol === 'https:' || isThisMachine || insecureHttp) return;
  throw new DroverError(
    'USAGE',
    `The token would go to ${hostname} over plain HTTP, where others on the way can read it.`,
    {
      field: '--server',
      remedy: 'Name the server with https://. On a network that you trust: --insecure-http, or DROVER_INSECURE_HTTP=1.',
    },
  );
}

async function tokenOf({ world, tokenFile }: Session): Promise<string> {
  const path = tokenFile ?? (world.environment['DROVER_TOKEN'] ? null : world.environment['DROVER_TOKEN_FILE'] || null);
  const text = path === null ? (world.environment['DROVER_TOKEN'] ?? '') : await world.readTextFile(path);
  const token = text?.trim() ?? '';
  // A header can hold nothing else; a token never does.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const field = path === null ? 'DROVER_TOKEN' : '--token-file';
  if (text === null) throw new DroverError('USAGE', `There is no file "${path}".`, { field, remedy: MAKE_TOKEN });
  const message = token === '' ? 'The server asks for a token, and none was given.' : 'What was given is no token.';
  throw new DroverError('USAGE', message, { field, remedy: MAKE_TOKEN });
}

const MAKE_TOKEN =
  'Give it in DROVER_TOKEN or with --token-file. "drover setup" prints the first one, "drover token create" makes more.';
