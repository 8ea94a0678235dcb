/** Access tokens of Microsoft Entra ID: fetched when first needed, once for all who ask, and renewed before they end. */
import type { TokenCredential } from '@azure/identity';
import type { Config } from '../../contract/fields.ts';
import type { Context } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';

const SCOPE = 'https://storage.azure.com/.default';
const RENEW_BEFORE_MS = 5 * 60_000;

export type EntraKind = 'client-secret' | 'client-certificate' | 'managed-identity' | 'environment';

/** A function that gives a token that is valid for some minutes at least. */
export function openTokens(
  kind: EntraKind,
  config: Config,
  context: Context,
): (signal: AbortSignal) => Promise<string> {
  let credential: Promise<TokenCredential> | null = null;
  return cachedTokens(
    async () => {
      credential ??= makeCredential(kind, config, context.environment);
      try {
        const token = await (await credential).getToken(SCOPE);
        if (token === null) throw new Error('no token was given');
        return { token: token.token, expiresAtMs: token.expiresOnTimestamp };
      } catch (thrown) {
        throw signInFailed(kind, thrown);
      }
    },
    () => context.clock.now(),
  );
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
): Promise<TokenCredential> {
  const identity = await import('@azure/identity');
  const value = (name: string) => String(config[name] ?? '');
  if (kind === 'client-secret') {
    return new identity.ClientSecretCredential(value('tenantId'), value('clientId'), value('clientSecret'));
  }
  if (kind === 'client-certificate') {
    return new identity.ClientCertificateCredential(value('tenantId'), value('clientId'), {
      certificate: value('clientCertificate'),
    });
  }
  if (kind === 'managed-identity') {
    const clientId = value('clientId');
    return clientId === ''
      ? new identity.ManagedIdentityCredential()
      : new identity.ManagedIdentityCredential({ clientId });
  }
  const tenantId = environment['AZURE_TENANT_ID'];
  const clientId = environment['AZURE_CLIENT_ID'];
  const clientSecret = environment['AZURE_CLIENT_SECRET'];
  const certificatePath = environment['AZURE_CLIENT_CERTIFICATE_PATH'];
  const tokenFilePath = environment['AZURE_FEDERATED_TOKEN_FILE'];
  if (tenantId !== undefined && clientId !== undefined) {
    if (clientSecret !== undefined) return new identity.ClientSecretCredential(tenantId, clientId, clientSecret);
    if (certificatePath !== undefined) {
      return new identity.ClientCertificateCredential(tenantId, clientId, { certificatePath });
    }
    if (tokenFilePath !== undefined) {
      return new identity.WorkloadIdentityCredential({ tenantId, clientId, tokenFilePath });
    }
  }
  return new identity.DefaultAzureCredential();
}

function signInFailed(kind: EntraKind, thrown: unknown): DroverError {
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
