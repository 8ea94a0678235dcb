/** What stands between a document's connectors and their sign-in: said before anything is made. */
import { defaultOf } from '../../contract/config-conditions.ts';
import { MASK, parseConfig } from '../../contract/config.ts';
import type { Config, Fields } from '../../contract/fields.ts';
import { DroverError } from '../../model/errors.ts';
import { fingerprintsOf, KEEP_NOTHING, openAccount, providerOf } from '../connectors/open.ts';
import type { Connector } from '../entities.ts';
import type { ControlWorld } from '../world.ts';
import type { Document, DocumentConnector, DocumentProblem } from './document.ts';
import type { Providers } from './plan.ts';
import type { SavedState } from './state.ts';

export interface SignInChecks {
  fingerprint(secret: string): string;
  /** INVALID_INPUT for what the description of the fields cannot tell. Touches no network. */
  tryToOpen(provider: string, config: Config): Promise<void>;
}

export function signInChecks(world: ControlWorld): SignInChecks {
  return {
    fingerprint: (secret) => fingerprintsOf(world, { secret })['secret'] as string,
    async tryToOpen(id, config) {
      const options = { openTransport: world.openTransport, saveAccount: KEEP_NOTHING };
      const { account } = await openAccount(world, providerOf(world, id), config, options);
      await account[Symbol.asyncDispose]();
    },
  };
}

/** For each connector of the document. No problem repeats what was entered. */
export async function signInProblems(
  document: Document,
  state: Pick<SavedState, 'connectors'>,
  providers: Providers,
  checks: SignInChecks,
): Promise<readonly (readonly DocumentProblem[])[]> {
  const all: (readonly DocumentProblem[])[] = [];
  for (const [at, given] of document.connectors.entries()) {
    const path = `connectors[${at}]`;
    const fields = providers.get(given.provider)?.account;
    const saved = state.connectors.get(given.name.toLowerCase());
    if (fields === undefined) {
      const known = [...providers.keys()].join(', ');
      const message = `There is no provider "${given.provider}"; there are: ${known}.`;
      all.push([{ path: `${path}.provider`, message }]);
      continue;
    }
    const found =
      saved === undefined ? await newProblems(fields, given, checks) : savedProblems(fields, given, saved, checks);
    all.push([
      ...unknownSecrets(fields, given).map((problem) => ({ ...problem, path: `${path}.${problem.path}` })),
      ...found.map(({ path: below, message }) => ({ path: `${path}.${below}`, message })),
    ]);
  }
  return all;
}

function unknownSecrets(fields: Fields, { secrets = [] }: DocumentConnector): DocumentProblem[] {
  const known = Object.keys(fields).filter((name) => fields[name]?.type === 'secret');
  return secrets.flatMap((name, at) =>
    known.includes(name)
      ? []
      : [{ path: `secrets[${at}]`, message: `There is no secret of this name; use one of: ${known.join(', ')}.` }],
  );
}

/** As an export tells which secrets a connector had, all of them are asked for together. */
async function newProblems(fields: Fields, given: DocumentConnector, checks: SignInChecks): Promise<DocumentProblem[]> {
  const { config, name, provider, secrets = [] } = given;
  const problems = new Map<string, string>();
  for (const field of secrets) {
    if (fields[field]?.type === 'secret' && !isGiven(config[field])) problems.set(field, needed(fields, given, field));
  }
  const parsed = parseConfig(fields, withoutDots(fields, config));
  for (const { field, message } of parsed.problems ?? []) {
    if (problems.has(field)) continue;
    const isLeftOut = fields[field]?.type === 'secret' && !isGiven(config[field]);
    problems.set(field, isLeftOut ? needed(fields, given, field) : message);
  }
  if (problems.size === 0 && parsed.problems === undefined) {
    const error = await refusalOf(checks.tryToOpen(provider, parsed.config));
    const field = error?.field ?? '';
    if (error !== null) {
      const isLeftOut = fields[field]?.type === 'secret' && !isGiven(config[field]);
      problems.set(field, isLeftOut ? needed(fields, given, field) : `${error.message} (The connector "${name}".)`);
    }
  }
  return [...problems].map(([field, message]) => ({ path: field === '' ? 'config' : `config.${field}`, message }));
}

async function refusalOf(opening: Promise<void>): Promise<DroverError | null> {
  try {
    await opening;
    return null;
  } catch (error) {
    if (error instanceof DroverError) return error;
    throw error;
  }
}

function needed(fields: Fields, { name, provider }: DocumentConnector, field: string): string {
  return (
    `"${name}" is not on this server yet and needs its ${fields[field]?.label ?? field}, which no export holds. ` +
    `Either authorize it first, with the values that stand here: drover connector add ${provider} ${typed(name)}. ` +
    `Or add ${field} to its config in a copy of the document that only you can read.`
  );
}

/** What nobody can read is compared by its fingerprint. Another one is never passed over in silence. */
function savedProblems(
  fields: Fields,
  given: DocumentConnector,
  saved: Connector,
  checks: SignInChecks,
): DocumentProblem[] {
  const problems: DocumentProblem[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const value = given.config[name];
    if (field.type !== 'secret' || !isGiven(value)) continue;
    if (saved.secrets[name] === checks.fingerprint(String(value).trim())) continue;
    const message =
      `The connector "${saved.name}" has another ${field.label} or none here, and a document changes no secret of a ` +
      `connector that is there. Leave it out, and give it with: drover connector add ${saved.provider} ${typed(saved.name)} --replace`;
    problems.push({ path: `config.${name}`, message });
  }
  if (signsInOtherwise(fields, saved, given)) {
    const message = `The connector "${saved.name}" signs in in another way here; reauthorize it, or take its fields from an export.`;
    problems.push({ path: 'config', message });
  }
  return problems;
}

/** What is left out is what the field says it is then. */
function signsInOtherwise(fields: Fields, saved: Connector, given: DocumentConnector): boolean {
  return Object.entries(fields).some(([name, field]) => {
    if (field.type === 'secret') return false;
    const wanted = given.config[name] ?? defaultOf(field);
    const before = saved.config[name] ?? defaultOf(field);
    return wanted !== before;
  });
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== MASK && String(value).trim() !== '';
}

function withoutDots(fields: Fields, config: DocumentConnector['config']): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).filter(([name, value]) => fields[name]?.type !== 'secret' || value !== MASK),
  );
}

/** As it is typed in a shell. */
function typed(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `"${name.replace(/["\\$`]/g, '\\$&')}"`;
}
