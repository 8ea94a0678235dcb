/** What a check of a connector amounts to. */
import type { Config } from '../../contract/fields.ts';
import type { CheckLine, Provider } from '../../contract/provider.ts';
import { DroverError, type Failure } from '../../model/errors.ts';
import type { AddressGuard } from './addresses.ts';

export interface Verdict {
  /** Who acts. */
  readonly actingAs: string | null;
  /** Whose credentials sign, where a role is assumed. */
  readonly signingAs: string | null;
  /** Of the cloud account that acts; `null` where the store has none. */
  readonly accountId: string | null;
  /** At least one answer proved that somebody knows these credentials. */
  readonly isConfirmed: boolean;
  /** Missing rights are no fault of a connector; only a refused sign-in is. */
  readonly refusal: DroverError | null;
}

/** Fields that say where to look, and not how to sign in. */
const PLACE_FIELDS: ReadonlySet<string | null> = new Set(['bucket', 'container', 'prefix']);

export function judge(lines: readonly CheckLine[], guard: AddressGuard | null): Verdict {
  const identities = lines.flatMap(({ identity }) => (identity === undefined ? [] : [identity]));
  const acts = identities.find(({ role }) => role === 'acts') ?? null;
  return {
    actingAs: acts?.name ?? null,
    signingAs: identities.find(({ role }) => role === 'signs')?.name ?? null,
    accountId: acts?.accountId ?? null,
    isConfirmed: lines.some(({ result }) => result === 'ok'),
    refusal: guard?.refused() ?? refusalIn(lines),
  };
}

/** Providers that cannot ask who signs learn from the first listing that the credentials are wrong, and name the field. */
function refusalIn(lines: readonly CheckLine[]): DroverError | null {
  const line = lines.find(refusesSignIn);
  if (line === undefined) return null;
  const code = line.what === 'network' && line.field === null ? 'UNREACHABLE' : 'INVALID_INPUT';
  return new DroverError(code, line.message, { field: line.field, remedy: line.remedy });
}

function refusesSignIn({ what, result, field }: CheckLine): boolean {
  if (result !== 'refused') return false;
  if (what === 'identity' || what === 'network') return true;
  // A bucket or container that the connector is restricted to and that is not there was mistyped.
  if (what === 'container') return field !== null;
  return what === 'list' && field !== null && !PLACE_FIELDS.has(field);
}

/** Some stores say the same to a wrong secret as to a right one without rights. Then nothing is known, and that is said. */
export function unconfirmed(provider: Provider, config: Config): DroverError {
  const field = Object.keys(config).find((name) => provider.account[name]?.type === 'secret') ?? null;
  const restriction = Object.values(provider.account).find(({ label }) => label.startsWith('Restrict to'));
  const remedy = `Check the credentials.${restriction === undefined ? '' : ` If they may not list everything, name what they are for under "${restriction.label}".`}`;
  const message = `Access was denied, and ${provider.manifest.title} does not say whether the credentials are wrong or only lack rights.`;
  return new DroverError('INVALID_INPUT', message, { field, remedy });
}

export function failureOf(error: DroverError): Failure {
  return { code: error.code, message: error.message, field: error.field, remedy: error.remedy };
}
