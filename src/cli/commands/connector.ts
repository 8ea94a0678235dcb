/** `connector add|list|show|test|remove|policy`. */
import { redact } from '../../contract/config.ts';
import type { Account, CheckLine, Place, PolicyRequest, Use } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { findConnector, listConnectors, openAccount, providerById, type ReadyConnector } from '../connectors.ts';
import { collectConfig, sayExternalId, type GivenFields } from '../connector-form.ts';
import { tellEnvironmentMistakes } from '../environment-mistakes.ts';
import { EXIT } from '../exit.ts';
import { environmentHead, isConnectorName, prefixPlace } from '../place.ts';
import { countsOf, openSide } from '../requests.ts';
import type { CommandEnd, Session } from '../session.ts';
import { EMPTY_SUMMARY } from '../summary.ts';
import { visible } from '../terminal.ts';
import { confirm } from './changing.ts';

/** Those that name who signs. */
const TRUSTING_KINDS: readonly string[] = ['trust', 'cloudformation', 'stackset'];

export const POLICY_KINDS = ['iam', 'iam-full', 'trust', 'cloudformation', 'stackset', 'names'] as const;

export interface AddOptions {
  readonly given: GivenFields;
  readonly check: boolean;
  readonly replace: boolean;
  /** With a server: what endpoints and jobs name may be another place then. */
  readonly acceptMove?: boolean;
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
  await sayExternalId(session, name, provider, config, options.given, false);
  const ready: ReadyConnector = { name, provider, origin: 'saved', config };
  const outcome = options.check ? await checkConnector(session, ready, null, 'both', true) : null;
  if (outcome !== null && outcome.signInRefused !== null) {
    const { what, message, field, remedy } = outcome.signInRefused;
    const isElsewhere = what === 'network' && provider.account['endpoint'] !== undefined;
    const where = isElsewhere ? ' A compatible store or an emulator needs its address: --endpoint URL.' : '';
    throw new DroverError('UNAUTHENTICATED', message, {
      field,
      remedy: `${remedy ?? 'Correct it and try again.'}${where} Nothing was saved; --no-check saves it as it is.`,
    });
  }
  await connectors.save({ name, provider: provider.manifest.id, config });
  await session.terminal.print(`Saved as "${name}". Try: drover ls ${name}:`);
  if (outcome !== null && !outcome.isConfirmed) await sayUnconfirmed(session, ready);
  return fine(session);
}

export async function showConnectors(session: Session): Promise<CommandEnd> {
  const known = await listConnectors(session);
  await tellEnvironmentMistakes(session);
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
  await tellEnvironmentMistakes(session);
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
  await tellEnvironmentMistakes(session);
  const connector = await findConnector(session, name);
  const path = rest.join(':');
  const slash = path.indexOf('/');
  const place =
    path === ''
      ? null
      : prefixPlace(slash === -1 ? path : path.slice(0, slash), slash === -1 ? '' : path.slice(slash + 1));
  const outcome = await checkConnector(session, connector, place, use, false);
  const line = outcome.signInRefused ?? outcome.placeRefused;
  if (line === null && !outcome.isConfirmed) await sayUnconfirmed(session, connector);
  const code = outcome.signInRefused !== null ? 'UNAUTHENTICATED' : placeCode(line);
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

function placeCode(line: CheckLine | null): 'PLACE_NOT_FOUND' | 'PERMISSION_DENIED' {
  return line?.what === 'container' ? 'PLACE_NOT_FOUND' : 'PERMISSION_DENIED';
}

/** Some stores answer a wrong secret as they answer a missing right, so that nobody can tell until something works. */
async function sayUnconfirmed(session: Session, { name, provider, config }: ReadyConnector): Promise<void> {
  const word = provider.manifest.containerWord;
  const only = config[word];
  const message =
    only === undefined
      ? 'Nothing confirmed the sign-in: the store did not say who signs.'
      : `Nothing confirmed the sign-in: no request on the ${word} "${String(only)}" was allowed.`;
  const line: CheckLine = {
    what: 'identity',
    result: 'warning',
    message: `${message} The credentials may be wrong, or lack every right that was tried.`,
    field: null,
    remedy: `Try it on a ${word} that it may use: drover connector test ${name}:${only === undefined ? word : String(only)}`,
  };
  await session.terminal.record({ type: 'check', ...line });
  await session.terminal.print(checkText(line));
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
  await confirm(session, {
    isSaid: yes || session.world.prompt === null,
    what: `the connector "${saved.name}" and its secrets`,
    command: `drover connector remove ${saved.name} --yes`,
  });
  await connectors.remove(name);
  await session.terminal.print(`Removed "${saved.name}". Nothing in the store itself was touched.`);
  return fine(session);
}

export async function printPolicy(session: Session, name: string, request: PolicyRequest): Promise<CommandEnd> {
  await tellEnvironmentMistakes(session);
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
  const principal = TRUSTING_KINDS.includes(request.kind) ? await actingIdentity(session, account) : null;
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
  /** What was asked of a place and refused, when it is of no use for what it was asked for. */
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
  const lines: CheckLine[] = [];
  for await (const line of account.check(place, use, session.signal)) {
    lines.push(line);
    await session.terminal.record({ type: 'check', ...line });
    // A refused sign-in is said by whoever refuses to save it.
    if (!brief || (line.result !== 'unknown' && !refusesSignIn(line))) await session.terminal.print(checkText(line));
  }
  return { ...judge(lines, use), requests: countsOf(side, null) };
}

/** Fields that say where to look, and not how to sign in. */
const PLACE_FIELDS: readonly string[] = ['bucket', 'container', 'prefix'];

/** Providers that cannot ask who signs learn from the first listing that the credentials are wrong, and name the field. */
function refusesSignIn({ what, result, field }: CheckLine): boolean {
  if (result !== 'refused') return false;
  return (
    what === 'identity' || what === 'network' || (what === 'list' && field !== null && !PLACE_FIELDS.includes(field))
  );
}

export function judge(lines: readonly CheckLine[], use: Use): Omit<CheckOutcome, 'requests'> {
  const has = (result: CheckLine['result'], ...whats: CheckLine['what'][]): boolean =>
    lines.some((line) => line.result === result && whats.includes(line.what));
  const signInRefused = lines.find(refusesSignIn) ?? null;
  const canRead = has('ok', 'read') || (has('ok', 'list') && !has('refused', 'read'));
  const canWrite = has('ok', 'write');
  const isUseful = (use !== 'write' && canRead) || (use !== 'read' && canWrite);
  const container = lines.find(({ what, result }) => what === 'container' && result === 'refused');
  const refused = lines.find(({ what, result }) => result === 'refused' && USE_LINES.includes(what));
  return {
    signInRefused,
    placeRefused: container ?? (isUseful ? null : (refused ?? null)),
    // Who signs is told by some providers without asking, and a place is named before it was seen.
    isConfirmed:
      has('ok', 'list', 'read', 'write', 'delete', 'tags') || (has('ok', 'identity') && !has('refused', 'list')),
  };
}

const USE_LINES: readonly CheckLine['what'][] = ['list', 'read', 'write'];

const RESULT_WORDS: Readonly<Record<CheckLine['result'], string>> = {
  ok: 'ok',
  refused: 'no',
  unknown: '–',
  warning: '!',
};

export function checkText(line: CheckLine): string {
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
