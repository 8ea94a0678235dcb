/** What comes from a connector's form: checked against the description, and secrets apart from everything else. */
import { MASK, parseConfig, splitSecrets } from '../../contract/config.ts';
import type { Config, FieldProblem, Fields } from '../../contract/fields.ts';
import type { Provider } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { addressFields } from './addresses.ts';

/** What is saved already: of its secrets those stay that the form leaves out. */
export interface SavedConfig {
  readonly plain: Config;
  readonly secrets: Readonly<Record<string, string>>;
}

export interface ParsedConfig {
  readonly config: Config;
  readonly plain: Config;
  readonly secrets: Readonly<Record<string, string>>;
}

/**
 * A secret that is left out, empty, or shown as dots stays as it is saved; `null` removes it. INVALID_INPUT names the
 * first wrong field, and all of them in its message. Nothing that was entered is repeated.
 */
export function parseForm(
  provider: Provider,
  given: Readonly<Record<string, unknown>>,
  saved: SavedConfig | null,
): ParsedConfig {
  const { account } = provider;
  const kept = saved === null ? [] : keptSecrets(account, given, saved);
  // A kept secret that has no place beside the new values (another way to sign in) is dropped without a word.
  const parsed = parseConfig(account, { ...withoutDots(account, given), ...Object.fromEntries(kept) });
  const dropped = new Set(kept.map(([name]) => name));
  const isOurs = (problem: FieldProblem): boolean => dropped.has(problem.field);
  if (parsed.problems !== undefined && parsed.problems.some(isOurs)) {
    const wrong = new Set(parsed.problems.filter(isOurs).map((problem) => problem.field));
    const rest = kept.filter(([name]) => !wrong.has(name));
    return split(account, parseConfig(account, { ...withoutDots(account, given), ...Object.fromEntries(rest) }));
  }
  return split(account, parsed);
}

function split(fields: Fields, parsed: ReturnType<typeof parseConfig>): ParsedConfig {
  if (parsed.problems !== undefined) throw refusedFields(parsed.problems, fields);
  const { plain, secrets } = splitSecrets(fields, parsed.config);
  const texts = Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, String(value)]));
  return { config: parsed.config, plain, secrets: texts };
}

function keptSecrets(
  fields: Fields,
  given: Readonly<Record<string, unknown>>,
  saved: SavedConfig,
): [name: string, value: string][] {
  const kept = Object.entries(saved.secrets).filter(([name]) => isLeftOut(given[name]));
  if (kept.length === 0) return [];
  const moved = movedAddress(fields, given, saved.plain);
  if (moved === null) return kept.map(([name, value]) => [name, value]);
  // Otherwise whoever may change an address could have the secrets sent to a place of their own.
  const names = kept.map(([name]) => fields[name]?.label ?? name).join(', ');
  throw new DroverError(
    'INVALID_INPUT',
    `${fields[moved]?.label ?? moved} leads somewhere else now: enter ${names} again, because saved secrets go only where they were meant for.`,
    { field: kept[0]?.[0] ?? null },
  );
}

function movedAddress(fields: Fields, given: Readonly<Record<string, unknown>>, before: Config): string | null {
  const now = parseConfig(fields, withoutSecrets(fields, given));
  const after = now.problems === undefined ? now.config : (given as Config);
  const addresses = (config: Config): ReadonlyMap<string, string> =>
    new Map(addressFields(fields, config).map(([name, url]) => [name, url.origin]));
  const [old, next] = [addresses(before), addresses(after)];
  return [...next].find(([name, origin]) => old.get(name) !== origin)?.[0] ?? null;
}

function isLeftOut(value: unknown): boolean {
  return value === undefined || value === '' || value === MASK;
}

/** `null` and dots mean "left empty" to the description. */
function withoutDots(fields: Fields, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(given).filter(([name, value]) => fields[name]?.type !== 'secret' || value !== MASK),
  );
}

function withoutSecrets(fields: Fields, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([name]) => fields[name]?.type !== 'secret'));
}

/** INVALID_INPUT that names the first field, and all of them in its message. */
export function refusedFields(problems: readonly FieldProblem[], fields: Fields): DroverError {
  const message = problems
    .map(({ field, message: words }) => (fields[field] === undefined && field !== '' ? `"${field}": ${words}` : words))
    .join(' ');
  return new DroverError('INVALID_INPUT', message, { field: problems[0]?.field ?? null });
}
