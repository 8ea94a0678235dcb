/** Filling in a connector's fields: from options, the environment, and questions to whoever is there. */
import { environmentNames, fromEnvironment, parseConfig, questions } from '../contract/config.ts';
import type { Config, Field, FieldProblem, Fields } from '../contract/fields.ts';
import type { Provider } from '../contract/provider.ts';
import { DroverError } from '../model/errors.ts';
import { openAccount } from './connectors.ts';
import { environmentHead } from './place.ts';
import type { Session } from './session.ts';

/** By field name; only what was given. */
export type GivenFields = Readonly<Record<string, string | boolean>>;

/** The option of a field: `secretAccessKey` → `--secret-access-key`. */
export function fieldOption(field: string): string {
  return `--${field.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()}`;
}

/** Options beat the environment, which beats questions. INVALID_INPUT names the field and both ways to give it. */
export async function collectConfig(
  session: Session,
  provider: Provider,
  name: string,
  given: GivenFields,
): Promise<Config> {
  const head = environmentHead(name);
  const input: Record<string, unknown> = {
    ...fromEnvironment(head, provider.account, session.world.environment),
    ...given,
  };
  refuseGiven(provider, name, input);
  const canAsk = session.world.prompt !== null && !session.terminal.options.json;
  if (canAsk && !(await isEnough(session, provider, name, input))) await askForMissing(session, provider, name, input);
  // Left out, one is made; explicitly empty, there is none.
  if (takesExternalId(provider, input)) input['externalId'] ??= newExternalId(session);
  const result = parseConfig(provider.account, input);
  if (result.problems === undefined) return result.config;
  throw refusal(provider, name, result.problems);
}

/** Nobody should type a secret only to learn that an option was wrong from the start. */
function refuseGiven(provider: Provider, name: string, input: Readonly<Record<string, unknown>>): void {
  const problems = parseConfig(provider.account, input).problems ?? [];
  const wrong = problems.filter(({ field }) => input[field] !== undefined && input[field] !== '');
  if (wrong.length > 0) throw refusal(provider, name, wrong);
}

function refusal(provider: Provider, name: string, problems: readonly FieldProblem[]): DroverError {
  const field = problems[0]?.field ?? '';
  const variable = environmentNames(environmentHead(name), provider.account).get(field);
  const ways = variable === undefined ? '' : ` Give it with ${fieldOption(field)}, or in ${variable}.`;
  return new DroverError('INVALID_INPUT', problems.map(({ message }) => message).join(' '), {
    field,
    remedy: `Correct the field that is named.${ways}`,
  });
}

/** What the owner of the role has to know. */
export async function sayExternalId(
  session: Session,
  name: string,
  provider: Provider,
  config: Config,
  given: GivenFields,
  /** A server saves nothing before the role lets it in, so the policy is printed for what is to be saved. */
  isOnServer: boolean,
): Promise<void> {
  if (!takesExternalId(provider, config)) return;
  const externalId = config['externalId'];
  if (externalId === undefined) {
    await session.terminal.say(
      'Warning: without an external ID, whoever learns the name of the role can have it used through another ' +
        'service. Add one with --external-id, here and in the trust policy.',
    );
  } else if (given['externalId'] === undefined) {
    const draft = isOnServer
      ? ` --draft ${provider.manifest.id} --field roleArn=${String(config['roleArn'])} --field externalId=${String(externalId)}`
      : '';
    await session.terminal.say(`External ID              ${String(externalId)}`);
    await session.terminal.say(
      `The trust policy of the role must ask for it. To print one: drover connector policy ${name} --kind trust${draft}`,
    );
    if (isOnServer)
      await session.terminal.say(`Until it is saved, give it each time: --external-id ${String(externalId)}`);
  }
}

/** A role that an identity of ours assumes; with a web identity the token is the proof, and STS knows no such ID. */
function takesExternalId(provider: Provider, input: Readonly<Record<string, unknown>>): boolean {
  const way = input['authorization'] ?? defaultOf(provider.account, 'authorization');
  return (
    provider.account['externalId'] !== undefined &&
    hasText(input['roleArn']) &&
    !hasText(input['webIdentityTokenFile']) &&
    (way === 'auto' || way === 'iam-role')
  );
}

/** Asks in the described order, and only until there is enough to sign in with. */
async function askForMissing(
  session: Session,
  provider: Provider,
  name: string,
  input: Record<string, unknown>,
): Promise<void> {
  const { prompt } = session.world;
  if (prompt === null) return;
  const fields = provider.account;
  for (;;) {
    const known = { ...defaultsOf(fields), ...input };
    const open = questions(fields, known).filter(({ field, required }) => required || isAsked(field));
    const next = open.find(({ field }) => saysWhere(field)) ?? open[0];
    const isExtra = next !== undefined && !next.required && !saysWhere(next.field);
    if (next === undefined || (isExtra && (await isEnough(session, provider, name, input)))) return;
    const suggestion = next.name === 'externalId' && takesExternalId(provider, input) ? newExternalId(session) : null;
    const hint =
      suggestion !== null ? ` [${suggestion}, - for none]` : next.required ? '' : emptyHint(provider, next.field);
    const typed = (
      await prompt.ask(`${`${next.field.label}${hint}`.padEnd(24)} `, next.field.type === 'secret')
    ).trim();
    const value = typed === '' ? (suggestion ?? '') : typed === '-' && suggestion !== null ? '' : typed;
    const problem = problemOf(fields, next.name, { ...input, [next.name]: value });
    if (value === '' && next.required) await session.terminal.say(`${next.field.label} is needed. ${next.field.help}`);
    else if (value !== '' && problem !== null) await session.terminal.say(problem);
    else input[next.name] = value;
  }
}

/** A way to sign in that somebody chose, and all that belongs to it. Touches no network. */
async function isEnough(
  session: Session,
  provider: Provider,
  connector: string,
  input: Readonly<Record<string, unknown>>,
): Promise<boolean> {
  const result = parseConfig(provider.account, input);
  if (result.problems !== undefined) return false;
  const isChosen = Object.entries(provider.account).some(
    ([name, field]) =>
      hasText(input[name]) &&
      (field.type === 'choice' ? input[name] !== field.default : field.type === 'secret' || field.when !== undefined),
  );
  if (!isChosen) return false;
  try {
    const ready = { name: connector, provider, origin: 'saved', config: result.config } as const;
    await using _account = await openAccount(session, ready, session.world.openTransport);
    return true;
  } catch (error) {
    if (error instanceof DroverError && error.code === 'INVALID_INPUT') return false;
    throw error;
  }
}

/** Those that belong to a special case are options only. */
function isAsked(field: Field): boolean {
  return field.advanced !== true && field.type !== 'choice' && field.type !== 'flag';
}

/** The address of the store comes first: what signs in somewhere else than meant is refused for the wrong reason. */
function saysWhere(field: Field): boolean {
  return field.type === 'text' && field.format === 'url' && isAsked(field);
}

function emptyHint({ manifest }: Provider, field: Field): string {
  return saysWhere(field) ? ` (empty for ${manifest.title})` : ' (or empty)';
}

function problemOf(fields: Fields, name: string, input: Record<string, unknown>): string | null {
  return parseConfig(fields, input).problems?.find(({ field }) => field === name)?.message ?? null;
}

function defaultsOf(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(fields).flatMap((name) => {
      const value = defaultOf(fields, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function defaultOf(fields: Fields, name: string): unknown {
  const field = fields[name];
  return field === undefined || field.type === 'secret' ? undefined : field.default;
}

function hasText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function newExternalId(session: Session): string {
  return `drover-${Buffer.from(session.world.random.bytes(16)).toString('hex')}`;
}
