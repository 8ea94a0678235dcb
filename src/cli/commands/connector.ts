/** `connector add|list|show|test|remove|policy`. */
import { redact } from '../../contract/config.ts';
import type { Account, CheckLine, Place, PolicyRequest, Use } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { findConnector, listConnectors, openAccount, providerById, type ReadyConnector } from '../connectors.ts';
import { collectConfig, sayExternalId, type GivenFields } from '../connector-form.ts';
import { EXIT } from '../exit.ts';
import { environmentHead, isConnectorName, prefixPlace } from '../place.ts';
import { countsOf, openSide } from '../requests.ts';
import type { CommandEnd, Session } from '../session.ts';
import { EMPTY_SUMMARY } from '../summary.ts';
import { visible } from '../terminal.ts';
import { confirm } from './changing.ts';

export const POLICY_KINDS = ['iam', 'iam-full', 'trust', 'cloudformation', 'names'] as const;

export interface AddOptions {
  readonly given: GivenFields;
  readonly check: boolean;
  readonly replace: boolean;
}

/** Asks for what is missing when a person is there; signs in once before it saves. */
export async function addConnector(
  session: Session,
  providerId: string,
  name: string,
  options: AddOptions,
): Promise<CommandEnd> {
  const provider = providerById(session, providerId, 'PROVIDER');
  refuseName(name);
  const { connectors } = await session.state();
  if (!options.replace && (await connectors.get(name)) !== null) {
    throw new DroverError('ALREADY_EXISTS', `There is a connector "${name}" already.`, {
      field: 'name',
      remedy: 'Choose another name, or add --replace.',
    });
  }
  const config = await collectConfig(session, provider, name, options.given);
  await sayExternalId(session, name, provider, config, options.given);
  const ready: ReadyConnector = { name, provider, origin: 'saved', config };
  if (options.check) {
    const outcome = await checkConnector(session, ready, null, 'both', true);
    if (outcome.signInRefused !== null) {
      const { message, field, remedy } = outcome.signInRefused;
      throw new DroverError('UNAUTHENTICATED', message, {
        field,
        remedy: remedy ?? 'Nothing was saved. Correct it and try again.',
      });
    }
    if (!outcome.isConfirmed) {
      await session.terminal.say(`Nothing confirmed the sign-in yet. Name a place: drover connector test ${name}:…`);
    }
  }
  await connectors.save({ name, provider: provider.manifest.id, config });
  await session.terminal.print(`Saved as "${name}". Try: drover ls ${name}:`);
  return fine(session);
}

export async function showConnectors(session: Session): Promise<CommandEnd> {
  const known = await listConnectors(session);
  for (const { name, provider, origin } of known) {
    await session.terminal.record({ type: 'connector', name, provider: provider.manifest.id, origin });
    const from = origin === 'environment' ? '  (from the environment)' : '';
    await session.terminal.print(`${name.padEnd(20)}  ${provider.manifest.title}${from}`);
  }
  if (known.length === 0) {
    await session.terminal.print('No connectors yet. Add one with "drover connector add s3 NAME".');
  }
  return fine(session);
}

/** Without secrets. */
export async function showConnector(session: Session, name: string): Promise<CommandEnd> {
  const connector = await findConnector(session, name);
  const shown = redact(connector.provider.account, connector.config);
  await session.terminal.record({
    type: 'connector',
    name: connector.name,
    provider: connector.provider.manifest.id,
    origin: connector.origin,
    config: shown,
  });
  const lines = Object.entries(shown).map(([field, value]) => {
    const label = connector.provider.account[field]?.label ?? field;
    return `${label.padEnd(24)}  ${visible(String(value))}`;
  });
  await session.terminal.print([`${connector.name}  ${connector.provider.manifest.title}`, ...lines].join('\n'));
  return fine(session);
}

export async function testConnector(session: Session, words: string, use: Use): Promise<CommandEnd> {
  const [name = '', ...rest] = words.split(':');
  const connector = await findConnector(session, name);
  const path = rest.join(':');
  const slash = path.indexOf('/');
  const place =
    path === ''
      ? null
      : prefixPlace(slash === -1 ? path : path.slice(0, slash), slash === -1 ? '' : path.slice(slash + 1));
  const outcome = await checkConnector(session, connector, place, use, false);
  const line = outcome.signInRefused ?? outcome.placeRefused;
  const code = outcome.signInRefused === null ? 'PERMISSION_DENIED' : 'UNAUTHENTICATED';
  return {
    exit: line === null ? EXIT.FINE : EXIT.WRONG_INPUT,
    summary: {
      ...EMPTY_SUMMARY,
      state: line === null ? 'succeeded' : 'failed',
      requests: outcome.requests,
      durationMs: session.elapsedMs,
      error: line === null ? null : { code, message: line.message, field: line.field, remedy: line.remedy ?? '' },
    },
  };
}

export async function removeConnector(session: Session, name: string, yes: boolean): Promise<CommandEnd> {
  const { connectors } = await session.state();
  const saved = await connectors.get(name);
  if (saved === null) {
    const known = await findConnector(session, name);
    throw new DroverError(
      'INVALID_INPUT',
      `"${known.name}" comes from the environment, so it cannot be removed here.`,
      {
        field: 'name',
        remedy: `Unset ${environmentHead(name)}PROVIDER.`,
      },
    );
  }
  await confirm(session, yes || session.world.prompt === null, `Remove the connector "${saved.name}" and its secrets?`);
  await connectors.remove(name);
  await session.terminal.print(`Removed "${saved.name}". Nothing in the store itself was touched.`);
  return fine(session);
}

export async function printPolicy(session: Session, name: string, request: PolicyRequest): Promise<CommandEnd> {
  const connector = await findConnector(session, name);
  const account = await openAccount(session, connector, openSide(session).openTransport);
  await using _account = account;
  const policies = account.policies?.bind(account);
  if (policies === undefined) {
    throw new DroverError('UNSUPPORTED', `For ${connector.provider.manifest.title} there is no policy to paste.`, {
      remedy: 'Rights are given in its own console; "drover connector test" says which are missing.',
    });
  }
  refuseKind(connector, request, policies);
  const principal =
    request.kind === 'trust' || request.kind === 'cloudformation' ? await actingIdentity(session, account) : null;
  const externalId = connector.config['externalId'];
  const texts = policies({
    ...request,
    trustedPrincipal: request.trustedPrincipal ?? principal,
    externalId: request.externalId ?? (typeof externalId === 'string' ? externalId : null),
  });
  for (const text of texts) {
    await session.terminal.record({ type: 'policy', ...text });
    // Titles are talk, so that the text alone can be piped into a file.
    await session.terminal.say(`# ${text.title}`);
    await session.terminal.print(text.text);
  }
  return fine(session);
}

/** Not every provider has every kind of text; asked before anything goes over the network. */
function refuseKind(
  connector: ReadyConnector,
  request: PolicyRequest,
  policies: NonNullable<Account['policies']>,
): void {
  const known = POLICY_KINDS.filter((kind) => policies({ ...request, kind }).length > 0);
  if (known.includes(request.kind)) return;
  const { title } = connector.provider.manifest;
  throw new DroverError('UNSUPPORTED', `${title} has no text of the kind "${request.kind}".`, {
    field: '--kind',
    remedy: `Its kinds are ${known.join(', ')}.`,
  });
}

export function refuseName(name: string): void {
  if (isConnectorName(name)) return;
  throw new DroverError(
    'INVALID_INPUT',
    `"${name}" cannot be the name of a connector: it begins with a letter and has at least two letters, digits, "_" or "-".`,
    { field: 'name', remedy: 'Choose another name.' },
  );
}

interface CheckOutcome {
  /** The line that refused the sign-in; missing rights are no fault of a connector. */
  readonly signInRefused: CheckLine | null;
  /** What was asked of a place and refused, when nothing there was allowed: then the place is of no use. */
  readonly placeRefused: CheckLine | null;
  /** At least one answer proved that the sign-in works. */
  readonly isConfirmed: boolean;
  readonly requests: ReturnType<typeof countsOf>;
}

async function checkConnector(
  session: Session,
  connector: ReadyConnector,
  place: Place | null,
  use: Use,
  brief: boolean,
): Promise<CheckOutcome> {
  const side = openSide(session);
  const account = await openAccount(session, connector, side.openTransport);
  await using _account = account;
  let signInRefused: CheckLine | null = null;
  let placeRefused: CheckLine | null = null;
  let isConfirmed = false;
  let isUseful = false;
  for await (const line of account.check(place, use, session.signal)) {
    await session.terminal.record({ type: 'check', ...line });
    const isSignIn = line.what === 'identity' || line.what === 'network';
    if (line.result === 'ok') isConfirmed = true;
    if (line.result === 'ok' && !isSignIn) isUseful = true;
    if (line.result === 'refused' && !isSignIn) placeRefused ??= line;
    if (line.result === 'refused' && isSignIn) signInRefused ??= line;
    else if (!brief || line.result !== 'unknown') await session.terminal.print(checkText(line));
  }
  if (signInRefused !== null && !brief) await session.terminal.print(checkText(signInRefused));
  if (place === null || isUseful) placeRefused = null;
  return { signInRefused, placeRefused, isConfirmed, requests: countsOf(side, null) };
}

const RESULT_WORDS: Readonly<Record<CheckLine['result'], string>> = {
  ok: 'ok',
  refused: 'no',
  unknown: '–',
  warning: '!',
};

function checkText(line: CheckLine): string {
  const remedy = line.remedy === null || line.result === 'ok' ? '' : `\n    ${visible(line.remedy)}`;
  return `${RESULT_WORDS[line.result].padEnd(3)} ${visible(line.message)}${remedy}`;
}

async function actingIdentity(session: Session, account: Account): Promise<string | null> {
  for await (const line of account.check(null, 'read', session.signal)) {
    const arn = /arn:[a-z-]+:(?:iam|sts)::\d+:\S+/.exec(line.message)?.[0];
    if (line.what === 'identity' && arn !== undefined) return arn.replace(/[.,;)]+$/, '');
  }
  return null;
}

function fine(session: Session): CommandEnd {
  return { exit: EXIT.FINE, summary: { ...EMPTY_SUMMARY, durationMs: session.elapsedMs } };
}
