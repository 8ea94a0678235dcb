/** One key of Azure Key Vault that wraps a small secret, as the identity of this machine may use it. */
import type { Context } from '../../contract/provider.ts';
import { JsonService, KEY_SERVICE, type JsonAnswer } from '../../lib/json-call.ts';
import type { HttpResponse } from '../../lib/transport.ts';
import { DroverError, toDroverError, type ErrorCode } from '../../model/errors.ts';
import { openTokens } from './tokens.ts';

/** Domains of vaults. Whoever has a name in them has a vault there: what is sent to it goes to Azure. */
const DOMAINS = [
  'vault.azure.net',
  'vault.usgovcloudapi.net',
  'vault.azure.cn',
  'managedhsm.azure.net',
  'managedhsm.usgovcloudapi.net',
] as const;

const HOST = `[a-z0-9-]+\\.(?:${DOMAINS.map((domain) => domain.replaceAll('.', '\\.')).join('|')})(?::443)?`;
/** Key and, where it was named, its version. Plain HTTP is for stand-ins on this machine. */
export const VAULT_KEY = new RegExp(
  `^(?:https://${HOST}|http://(?:127\\.0\\.0\\.1|localhost)(?::\\d+)?)/keys/[\\w-]+(?:/[\\w-]+)?$`,
  'i',
);

const API_VERSION = '7.4';
const ALGORITHM = 'RSA-OAEP-256';

export class VaultKey {
  readonly name: string;
  readonly #keyUrl: string;
  readonly #context: Omit<Context, 'saveAccount'>;
  readonly #token: (signal: AbortSignal) => Promise<string>;

  /** `keyUrl`: `https://VAULT.vault.azure.net/keys/KEY`, with or without a version. Touches no network. */
  constructor(keyUrl: string, context: Omit<Context, 'saveAccount'>) {
    this.name = `the key ${keyUrl} of Azure Key Vault`;
    this.#keyUrl = keyUrl;
    this.#context = context;
    const whole = { ...context, saveAccount: async () => undefined };
    this.#token = openTokens('environment', {}, whole, `${audienceOf(new URL(keyUrl))}/.default`);
  }

  async wrap(key: Uint8Array, signal: AbortSignal): Promise<{ keyId: string; wrapped: Uint8Array }> {
    const { kid, value } = await this.#call(this.#keyUrl, 'wrapkey', key, signal);
    return { keyId: kid, wrapped: value };
  }

  /** With the version of the key that wrapped it: a newer one could not. */
  async unwrap(
    { keyId, wrapped }: { readonly keyId: string; readonly wrapped: Uint8Array },
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    if (withoutVersion(keyId) !== withoutVersion(this.#keyUrl)) {
      throw this.#named(new DroverError('MASTER_KEY_WRONG', `it was wrapped with another one, ${keyId}.`));
    }
    return (await this.#call(keyId, 'unwrapkey', wrapped, signal)).value;
  }

  async #call(keyUrl: string, action: string, content: Uint8Array, signal: AbortSignal) {
    const body = Buffer.from(JSON.stringify({ alg: ALGORITHM, value: Buffer.from(content).toString('base64url') }));
    const url = new URL(`${keyUrl}/${action}?api-version=${API_VERSION}`);
    const headers = async () => ({
      authorization: `Bearer ${await this.#token(signal)}`,
      accept: 'application/json',
      'content-type': 'application/json',
    });
    await using service = new JsonService(this.#context, KEY_SERVICE);
    try {
      const { kid, value } = await service.post({ url, headers, body, refusal }, signal);
      if (typeof kid === 'string' && typeof value === 'string') return { kid, value: Buffer.from(value, 'base64url') };
      throw new DroverError('UNAVAILABLE', 'something else answered in its place.');
    } catch (thrown) {
      throw this.#named(thrown);
    }
  }

  /** Whoever reads it at a start that failed must know which key it is about. */
  #named(thrown: unknown): DroverError {
    const { code, message, remedyOverride, retryAfterMs } = toDroverError(thrown);
    return new DroverError(code, `The master key cannot be had from ${this.name}: ${message}`, {
      cause: thrown,
      field: 'masterKeyKms',
      remedy: remedyOverride ?? REMEDIES[code] ?? null,
      retryAfterMs,
    });
  }
}

const REMEDIES: Readonly<Partial<Record<ErrorCode, string>>> = {
  UNREACHABLE:
    'Check the address in DROVER_MASTER_KEY_KMS, the network and the proxy of this machine, and start again.',
  TIMED_OUT: 'Check the network and the proxy of this machine, and start again.',
  UNAVAILABLE: 'Start again when the service is there again.',
  THROTTLED: 'Start again in a minute.',
  UNAUTHENTICATED:
    'Give this machine an identity of Entra ID: a managed one, or AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret.',
  PERMISSION_DENIED:
    'Give the identity of this machine the role "Key Vault Crypto User" on this key, and enable the key.',
  MASTER_KEY_WRONG: 'Name the key that wrapped the master key in DROVER_MASTER_KEY_KMS, and enable it.',
};

/** Each cloud, and each kind of vault, has tokens of its own. */
function audienceOf({ hostname }: URL): string {
  return `https://${DOMAINS.find((suffix) => hostname.endsWith(`.${suffix}`)) ?? 'vault.azure.net'}`;
}

function withoutVersion(keyUrl: string): string {
  const url = URL.parse(keyUrl);
  if (url === null) return keyUrl;
  return `${url.origin}${url.pathname.split('/').slice(0, 3).join('/')}`.toLowerCase();
}

function refusal({ status, headers }: HttpResponse, answer: JsonAnswer): DroverError {
  const error = (answer['error'] ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  const told = [error.code ?? `status ${status}`, String(error.message ?? '').slice(0, 300)];
  const seconds = Number(headers['retry-after']);
  return new DroverError(codeOf(status), `it refused (${told.filter((part) => part !== '').join(', ')}).`, {
    retryAfterMs: Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : null,
  });
}

function codeOf(status: number): ErrorCode {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'PERMISSION_DENIED';
  if (status === 400 || status === 404 || status === 409) return 'MASTER_KEY_WRONG';
  if (status === 429) return 'THROTTLED';
  return status >= 500 ? 'UNAVAILABLE' : 'INTERNAL';
}
