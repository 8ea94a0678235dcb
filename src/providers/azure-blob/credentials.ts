/** How a connector signs in, and the one object that puts the sign-in onto a request. */
import type { Config } from '../../contract/fields.ts';
import type { Context } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { parseConnectionString } from './connection-string.ts';
import type { Authorization } from './fields.ts';
import { parseSasToken, type SasToken } from './sas.ts';
import { sharedKeyAuthorization, type SignableRequest } from './shared-key.ts';
import { openTokens } from './tokens.ts';

export type Credential =
  | { readonly kind: 'key'; readonly field: string; readonly accountKey: Uint8Array }
  | { readonly kind: 'sas'; readonly field: string; readonly token: SasToken }
  | { readonly kind: 'entra'; readonly field: string; readonly token: (signal: AbortSignal) => Promise<string> };

export interface SignIn {
  readonly accountName: string;
  /** Scheme, host and port. */
  readonly origin: string;
  /** `''`, or `/account` where the account stands in the path (emulators, some private endpoints). */
  readonly basePath: string;
  readonly credential: Credential;
  readonly authorization: Exclude<Authorization, 'auto'>;
}

/** INVALID_INPUT with the field at fault. Touches no network. */
export function resolveSignIn(config: Config, context: Context): SignIn {
  const authorization = chooseAuthorization(config);
  const fromString =
    authorization === 'connection-string' ? parseConnectionString(required(config, 'connectionString')) : null;
  const endpointText = text(config, 'endpoint') ?? fromString?.endpoint ?? null;
  const namedAccount = text(config, 'accountName') ?? fromString?.accountName ?? null;
  if (endpointText === null && namedAccount === null) {
    throw wrong('accountName', 'The name of the storage account is missing.');
  }
  const address = parseEndpoint(endpointText ?? `https://${namedAccount}.blob.core.windows.net`);
  const accountName = namedAccount ?? address.accountName;
  if (accountName === null) throw wrong('accountName', 'The endpoint does not tell the storage account; name it.');
  const credential = makeCredential(authorization, config, context, fromString);
  if (credential.kind === 'entra' && !address.origin.startsWith('https:')) {
    throw wrong(
      'endpoint',
      'A sign-in by Entra ID sends a token that must not travel in the open: the endpoint must begin with https.',
    );
  }
  return { accountName, origin: address.origin, basePath: address.basePath, credential, authorization };
}

/** Adds the headers that prove who asks; the query string to add is `sasQuery`. */
export async function authorizationHeader(
  signIn: SignIn,
  request: SignableRequest,
  signal: AbortSignal,
): Promise<string | null> {
  const { credential } = signIn;
  if (credential.kind === 'key') return sharedKeyAuthorization(signIn.accountName, credential.accountKey, request);
  if (credential.kind === 'entra') return `Bearer ${await credential.token(signal)}`;
  return null;
}

export function chooseAuthorization(config: Config): Exclude<Authorization, 'auto'> {
  const chosen = (config['authorization'] ?? 'auto') as Authorization;
  if (chosen !== 'auto') return chosen;
  if (config['connectionString'] !== undefined) return 'connection-string';
  if (config['sasToken'] !== undefined) return 'sas';
  if (config['accountKey'] !== undefined) return 'account-key';
  if (config['clientSecret'] !== undefined) return 'client-secret';
  if (config['clientCertificate'] !== undefined) return 'client-certificate';
  return 'environment';
}

function makeCredential(
  authorization: Exclude<Authorization, 'auto'>,
  config: Config,
  context: Context,
  fromString: ReturnType<typeof parseConnectionString> | null,
): Credential {
  switch (authorization) {
    case 'connection-string':
      return fromString?.accountKey !== null && fromString?.accountKey !== undefined
        ? { kind: 'key', field: 'connectionString', accountKey: decodeKey(fromString.accountKey, 'connectionString') }
        : { kind: 'sas', field: 'connectionString', token: decodeSas(fromString?.sasToken ?? '', 'connectionString') };
    case 'sas':
      return { kind: 'sas', field: 'sasToken', token: decodeSas(required(config, 'sasToken'), 'sasToken') };
    case 'account-key':
      return { kind: 'key', field: 'accountKey', accountKey: decodeKey(required(config, 'accountKey'), 'accountKey') };
    case 'client-secret':
      requireEntraFields(authorization, config);
      return { kind: 'entra', field: 'clientSecret', token: openTokens(authorization, config, context) };
    case 'client-certificate':
      requireEntraFields(authorization, config);
      return { kind: 'entra', field: 'clientCertificate', token: openTokens(authorization, config, context) };
    case 'managed-identity':
    case 'environment':
      return { kind: 'entra', field: 'authorization', token: openTokens(authorization, config, context) };
  }
}

/** INVALID_INPUT at the first that is missing. */
export function requireEntraFields(authorization: Exclude<Authorization, 'auto'>, config: Config): void {
  if (authorization !== 'client-secret' && authorization !== 'client-certificate') return;
  const own = authorization === 'client-secret' ? 'clientSecret' : 'clientCertificate';
  for (const name of ['tenantId', 'clientId', own]) required(config, name);
}

interface EndpointAddress {
  readonly origin: string;
  readonly basePath: string;
  readonly accountName: string | null;
}

/** Host style names the account in the host; path style (an IP address, `localhost`, or a path) as the first segment. */
export function parseEndpoint(endpoint: string): EndpointAddress {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch {
    throw wrong('endpoint', 'The endpoint is not a web address such as https://contosodata.blob.core.windows.net.');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw wrong('endpoint', 'The endpoint must begin with https:// or http://.');
  }
  if (url.search !== '' || url.hash !== '' || url.username !== '') {
    throw wrong('endpoint', 'The endpoint must be an address alone; a signature belongs into the field SAS Token.');
  }
  const basePath = url.pathname.replace(/\/+$/, '');
  const first = basePath.split('/')[1];
  if (first !== undefined) return { origin: url.origin, basePath, accountName: first };
  const label = url.hostname.split('.')[0] as string;
  const isNamed = url.hostname.includes('.') && !/^[\d.]+$/.test(url.hostname) && !url.hostname.startsWith('[');
  return { origin: url.origin, basePath: '', accountName: isNamed ? label : null };
}

function decodeKey(key: string, field: string): Uint8Array {
  const bytes = Buffer.from(key, 'base64');
  if (bytes.length === 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(key)) {
    throw wrong(field, 'The account key is not one: it must be base64 text of 88 characters.');
  }
  return bytes;
}

function decodeSas(token: string, field: string): SasToken {
  const parsed = parseSasToken(token);
  if (parsed === null) throw wrong(field, 'The SAS token is not one: it must hold "sig=…" and an expiry "se=…".');
  return parsed;
}

function text(config: Config, name: string): string | null {
  const value = config[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

function required(config: Config, name: string): string {
  const value = text(config, name);
  if (value === null) throw wrong(name, 'This way to sign in needs the field, and it is empty.');
  return value;
}

function wrong(field: string, message: string): DroverError {
  return new DroverError('INVALID_INPUT', message, { field });
}
