/** Access tokens of Microsoft Entra ID: fetched when first needed, once for all who ask, and renewed before they end. */
import type { TokenCredential } from '@azure/identity';
import type { Config } from '../../contract/fields.ts';
import type { Context } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { IdentityHttp } from './identity-http.ts';

/** For blobs. */
const SCOPE = 'https://storage.azure.com/.default';
const RENEW_BEFORE_MS = 5 * 60_000;

export type EntraKind = 'client-secret' | 'client-certificate' | 'managed-identity' | 'environment';

/** A function that gives a token that is valid for some minutes at least. */
export function openTokens(
  kind: EntraKind,
  config: Config,
  context: Context,
  scope = SCOPE,
): (signal: AbortSignal) => Promise<string> {
  const authorityHost = authorityOf(config, context.environment);
  const caCertificate = typeof config['caCertificate'] === 'string' ? config['caCertificate'] : null;
  const http = new IdentityHttp(context.openTransport, caCertificate);
  const options: SignInOptions = {
    httpClient: http,
    // Whoever names the authority trusts it: nobody else is asked whether it is one.
    ...(authorityHost === null ? {} : { authorityHost, disableInstanceDiscovery: true }),
  };
  let credential: Promise<TokenCredential> | null = null;
  return cachedTokens(
    () =>
      http.during(async () => {
        credential ??= makeCredential(kind, config, context.environment, options);
        try {
          const token = await (await credential).getToken(scope);
          if (token === null) throw new Error('no token was given');
          return { token: token.token, expiresAtMs: token.expiresOnTimestamp };
        } catch (thrown) {
          throw signInFailed(kind, thrown, http.failure);
        }
      }),
    () => context.clock.now(),
  );
}

interface SignInOptions {
  readonly httpClient: IdentityHttp;
  readonly authorityHost?: string;
  readonly disableInstanceDiscovery?: boolean;
}

/** INVALID_INPUT where a secret would travel in the open. */
function authorityOf(config: Config, environment: Context['environment']): string | null {
  const told = config['authority'] ?? environment['AZURE_AUTHORITY_HOST'] ?? '';
  const text = String(told).trim().replace(/\/+$/, '');
  if (text === '') return null;
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  if (url !== null && url.protocol === 'https:') return url.href.replace(/\/+$/, '');
  throw new DroverError('INVALID_INPUT', `The authority "${text}" is not an address that begins with https://.`, {
    field: 'authority',
  });
}

export interface Token {
  readonly token: string;
  readonly expiresAtMs: number;
}

/** Single flight: whoever asks while a token is being fetched waits for that one. A failure is not kept. */
export function cachedTokens(
  fetchToken: () => Promise<Token>,
  now: () => number,
): (signal: AbortSignal) => Promise<string> {
  let held: Token | null = null;
  let flight: Promise<Token> | null = null;
  return async (signal) => {
    if (held !== null && now() < held.expiresAtMs - RENEW_BEFORE_MS) return held.token;
    flight ??= fetchToken()
      .then((token) => (held = token))
      .finally(() => (flight = null));
    try {
      return (await unlessAborted(flight, signal)).token;
    } catch (thrown) {
      const aborted = thrown instanceof DroverError && thrown.code === 'CANCELLED';
      // A token that still lives is good enough when only its renewal failed.
      if (!aborted && held !== null && now() < held.expiresAtMs) return held.token;
      throw thrown;
    }
  };
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const cancelled = () => new DroverError('CANCELLED', 'The work was stopped.');
  if (signal.aborted) return Promise.reject(cancelled());
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(cancelled());
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

async function makeCredential(
  kind: EntraKind,
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
  options: SignInOptions,
): Promise<TokenCredential> {
  const identity = await import('@azure/identity');
  const value = (name: string) => String(config[name] ?? '');
  if (kind === 'client-secret') {
    return new identity.ClientSecretCredential(value('tenantId'), value('clientId'), value('clientSecret'), options);
  }
  if (kind === 'client-certificate') {
    const certificate = value('clientCertificate');
    return new identity.ClientCertificateCredential(value('tenantId'), value('clientId'), { certificate }, options);
  }
  if (kind === 'managed-identity') {
    const clientId = value('clientId');
    return new identity.ManagedIdentityCredential(clientId === '' ? { ...options } : { ...options, clientId });
  }
  const tenantId = environment['AZURE_TENANT_ID'];
  const clientId = environment['AZURE_CLIENT_ID'];
  const clientSecret = environment['AZURE_CLIENT_SECRET'];
  const certificatePath = environment['AZURE_CLIENT_CERTIFICATE_PATH'];
  const tokenFilePath = environment['AZURE_FEDERATED_TOKEN_FILE'];
  if (tenantId !== undefined && clientId !== undefined) {
    if (clientSecret !== undefined) {
      return new identity.ClientSecretCredential(tenantId, clientId, clientSecret, options);
    }
    if (certificatePath !== undefined) {
      return new identity.ClientCertificateCredential(tenantId, clientId, { certificatePath }, options);
    }
    if (tokenFilePath !== undefined) {
      return new identity.WorkloadIdentityCredential({ ...options, tenantId, clientId, tokenFilePath });
    }
  }
  return new identity.DefaultAzureCredential(options);
}

/** `failure`: why the last request of the library did not come through. */
function signInFailed(kind: EntraKind, thrown: unknown, failure: DroverError | null): DroverError {
  const isRemote = kind === 'client-secret' || kind === 'client-certificate';
  if (failure !== null && isRemote) {
    const { code, field, remedyOverride: remedy } = failure;
    return new DroverError(code, `Entra ID cannot be reached: ${failure.message}`, { cause: thrown, field, remedy });
  }
  const words = thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : String(thrown);
  const named = FAULTS.find((fault) => words.includes(fault.marker));
  const field =
    named?.field ??
    (kind === 'client-secret' ? 'clientSecret' : kind === 'client-certificate' ? 'clientCertificate' : 'authorization');
  if (/ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|network/i.test(words)) {
    return new DroverError('UNREACHABLE', `Entra ID cannot be reached: ${words}`, { cause: thrown });
  }
  return new DroverError('UNAUTHENTICATED', `Entra ID gave no token: ${named?.sentence ?? words}`, {
    cause: thrown,
    field,
  });
}

/** Entra ID's own error numbers that people meet, and the field that is at fault. */
const FAULTS: readonly { readonly marker: string; readonly field: string; readonly sentence: string }[] = [
  {
    marker: 'AADSTS7000215',
    field: 'clientSecret',
    sentence: 'the client secret is wrong (its value is needed, not its ID).',
  },
  { marker: 'AADSTS7000222', field: 'clientSecret', sentence: 'the client secret has expired.' },
  { marker: 'AADSTS700016', field: 'clientId', sentence: 'there is no application of this client ID in the tenant.' },
  { marker: 'AADSTS90002', field: 'tenantId', sentence: 'there is no such tenant.' },
  { marker: 'AADSTS900023', field: 'tenantId', sentence: 'the tenant ID is not one.' },
  {
    marker: 'AADSTS700027',
    field: 'clientCertificate',
    sentence: 'the certificate does not belong to the application.',
  },
];
