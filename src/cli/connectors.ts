/** Which connectors there are, and opening one. Those of the environment beat saved ones. */
import { environmentNames, fromEnvironment, parseConfig, secretValues } from '../contract/config.ts';
import type { Config, FieldProblem } from '../contract/fields.ts';
import type { Account, Provider } from '../contract/provider.ts';
import { hushed } from '../lib/hushed-transport.ts';
import type { OpenTransport } from '../lib/transport.ts';
import { DroverError } from '../model/errors.ts';
import { PROVIDER_VARIABLE } from './environment-mistakes.ts';
import { environmentHead, isConnectorName } from './place.ts';
import type { Session } from './session.ts';
import { nearest } from './suggest.ts';

export interface KnownConnector {
  readonly name: string;
  readonly provider: Provider;
  readonly origin: 'environment' | 'saved' | 'built-in';
}

export interface ReadyConnector extends KnownConnector {
  /** Has passed `parseConfig`. */
  readonly config: Config;
}

/** All of them, by name; a saved one that the environment replaces is left out. */
export async function listConnectors(session: Session): Promise<readonly KnownConnector[]> {
  const { environment } = session.world;
  const found = new Map<string, KnownConnector>();
  const saved = await (await session.state()).connectors.list();
  for (const connector of saved) {
    const provider = session.world.providers.find(({ manifest }) => manifest.id === connector.provider);
    if (provider !== undefined) {
      found.set(environmentHead(connector.name), { name: connector.name, provider, origin: 'saved' });
    }
  }
  for (const variable of Object.keys(environment)) {
    const name = PROVIDER_VARIABLE.exec(variable)?.[1];
    if (name === undefined || !isConnectorName(name)) continue;
    const id = environment[`${environmentHead(name)}PROVIDER`];
    if (id === undefined || id === '') continue;
    const provider = session.world.providers.find(({ manifest }) => manifest.id === id.toLowerCase());
    if (provider === undefined) continue;
    found.set(environmentHead(name), { name: name.toLowerCase(), provider, origin: 'environment' });
  }
  return [...found.values()].toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
}

/** CONNECTOR_NOT_FOUND, or INVALID_INPUT that names the field at fault. */
export async function findConnector(session: Session, name: string): Promise<ReadyConnector> {
  const { environment } = session.world;
  const head = environmentHead(name);
  const id = environment[`${head}PROVIDER`];
  if (id !== undefined && id !== '') {
    const provider = providerById(session, id, `${head}PROVIDER`);
    const input = fromEnvironment(head, provider.account, environment);
    return { name, provider, origin: 'environment', config: checkedConfig(provider, input, head) };
  }
  const saved = await (await session.state()).connectors.get(name);
  if (saved !== null) {
    const provider = providerById(session, saved.provider, 'provider');
    return { name: saved.name, provider, origin: 'saved', config: checkedConfig(provider, saved.config, null) };
  }
  throw await notFound(session, name, head);
}

/** The one connector that needs no name: this machine's folders. */
export function localConnector(session: Session): ReadyConnector {
  const provider = providerById(session, 'local', 'provider');
  return { name: 'local', provider, origin: 'built-in', config: checkedConfig(provider, {}, null) };
}

export function providerById(session: Session, id: string, field: string): Provider {
  const provider = session.world.providers.find(({ manifest }) => manifest.id === id.toLowerCase());
  if (provider !== undefined) return provider;
  const known = session.world.providers.map(({ manifest }) => manifest.id);
  throw new DroverError('INVALID_INPUT', `There is no provider "${id}". Drover knows ${known.join(', ')}.`, {
    field,
    remedy: 'Name one of these providers.',
  });
}

/** INVALID_INPUT with the first problem's field; `head` set: the environment name is said with it. */
export function checkedConfig(provider: Provider, input: Record<string, unknown>, head: string | null): Config {
  const result = parseConfig(provider.account, input);
  if (result.problems === undefined) return result.config;
  const names = head === null ? null : environmentNames(head, provider.account);
  const sentences = result.problems.map((problem) => sentenceOf(problem, names));
  throw new DroverError('INVALID_INPUT', sentences.join(' '), { field: result.problems[0]?.field ?? null });
}

/** Opened without touching the network. A changed secret (a refreshed token) goes back into the vault. */
export async function openAccount(
  session: Session,
  connector: ReadyConnector,
  openTransport: OpenTransport,
): Promise<Account> {
  const { clock, random, environment } = session.world;
  const { provider, config: known } = connector;
  return provider.open(known, {
    // A store may explain a refusal with what it was sent.
    openTransport: hushed(openTransport, secretValues(provider.account, known)),
    clock,
    random,
    log: session.log,
    environment,
    saveAccount: async (change) => {
      if (connector.origin !== 'saved') return;
      const config = { ...connector.config, ...change };
      const { connectors } = await session.state();
      await connectors.save({ name: connector.name, provider: connector.provider.manifest.id, config });
    },
  });
}

function sentenceOf(problem: FieldProblem, names: ReadonlyMap<string, string> | null): string {
  const variable = names?.get(problem.field);
  return variable === undefined ? problem.message : `${problem.message} (${variable})`;
}

async function notFound(session: Session, name: string, head: string): Promise<DroverError> {
  const known = (await listConnectors(session)).map((connector) => connector.name);
  const meant = nearest(name, known);
  const hint = meant === null ? '' : ` Did you mean "${meant}"?`;
  // Fields without a provider: somebody forgot one line.
  const isHalfSet = Object.keys(session.world.environment).some((variable) => variable.startsWith(head));
  if (isHalfSet) {
    return new DroverError(
      'CONNECTOR_NOT_FOUND',
      `The environment describes a connector "${name}" without a provider.`,
      {
        field: 'provider',
        remedy: `Set ${head}PROVIDER to one of ${session.world.providers.map(({ manifest }) => manifest.id).join(', ')}.`,
      },
    );
  }
  return new DroverError('CONNECTOR_NOT_FOUND', `There is no connector "${name}".${hint}`, {
    remedy:
      meant === null ? `Add it with "drover connector add", or write ./${name}:… if you mean a local path.` : null,
  });
}
