/** One key of AWS KMS that wraps a small secret: Encrypt and Decrypt, signed with what this machine may sign with. */
import { Signer, sha256Hex } from '../../lib/sigv4.ts';
import { retrying } from '../../lib/retry.ts';
import type { HttpResponse, Transport } from '../../lib/transport.ts';
import type { Context } from '../../contract/provider.ts';
import { DroverError, toDroverError, type ErrorCode } from '../../model/errors.ts';
import { domainOf, partitionOf } from './address.ts';
import { baseCredentials } from './credentials.ts';
import { settingsOf } from './fields.ts';

export interface KmsOptions {
  /** ARN of a key or an alias; it tells the region. */
  readonly keyArn: string;
  /** Of a private endpoint; `null`: that of the region. */
  readonly endpoint: string | null;
  /** Goes along in the open, stands in CloudTrail, and must be the same for Decrypt. */
  readonly encryptionContext: Readonly<Record<string, string>>;
}

export const KMS_ARN = /^arn:(aws|aws-cn|aws-us-gov):kms:([a-z0-9-]+):\d{12}:(?:key|alias)\/[\w/-]+$/;

const ANSWER_BYTES_MAX = 64 * 1024;
const ATTEMPTS_MAX = 4;
const THROTTLED_MS_MAX = 10_000;
const IDLE_MS_MAX = 10_000;

export class Kms {
  readonly name: string;
  readonly #options: KmsOptions;
  readonly #context: Omit<Context, 'saveAccount'>;

  /** Touches no network. */
  constructor(options: KmsOptions, context: Omit<Context, 'saveAccount'>) {
    this.name = `the key ${options.keyArn} of AWS KMS`;
    this.#options = options;
    this.#context = context;
  }

  async wrap(key: Uint8Array, signal: AbortSignal): Promise<{ keyId: string; wrapped: Uint8Array }> {
    const answer = await this.#call('Encrypt', { Plaintext: Buffer.from(key).toString('base64') }, signal);
    return { keyId: textIn(answer, 'KeyId'), wrapped: Buffer.from(textIn(answer, 'CiphertextBlob'), 'base64') };
  }

  /** The service itself refuses what another key wrapped, whatever `keyId` says. */
  async unwrap({ wrapped }: { readonly wrapped: Uint8Array }, signal: AbortSignal): Promise<Uint8Array> {
    const answer = await this.#call('Decrypt', { CiphertextBlob: Buffer.from(wrapped).toString('base64') }, signal);
    return Buffer.from(textIn(answer, 'Plaintext'), 'base64');
  }

  async #call(action: string, members: object, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    const { clock, random, log, openTransport } = this.#context;
    const transport = openTransport({ caCertificate: null, connectionsMax: 1 });
    try {
      const limits = { attemptsMax: ATTEMPTS_MAX, throttledMsMax: THROTTLED_MS_MAX };
      return await retrying(() => this.#once(transport, action, members, signal), {
        clock,
        random,
        log,
        signal,
        ...limits,
      });
    } catch (thrown) {
      throw this.#named(thrown);
    } finally {
      await transport.close();
    }
  }

  async #once(transport: Transport, action: string, members: object, signal: AbortSignal) {
    const { keyArn, encryptionContext } = this.#options;
    const region = keyArn.split(':')[3] as string;
    const url = new URL(this.#options.endpoint ?? `https://kms.${region}.${domainOf(partitionOf(region))}`);
    const body = Buffer.from(JSON.stringify({ KeyId: keyArn, EncryptionContext: encryptionContext, ...members }));
    const signer = new Signer(await this.#keys(region, signal), { region, service: 'kms' });
    const headers = signer.sign(
      {
        method: 'POST',
        host: url.host,
        path: '/',
        query: '',
        headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${action}` },
        payloadHash: sha256Hex(body),
      },
      this.#context.clock.now(),
    );
    const response = await transport.send({
      method: 'POST',
      origin: url.origin,
      path: '/',
      headers,
      body: { sizeBytes: body.length, content: body },
      operation: 'KMS',
      signal,
      idleMsMax: IDLE_MS_MAX,
    });
    const answer = await jsonIn(response);
    if (response.status === 200) return answer;
    throw refusal(response.status, response.headers, answer);
  }

  async #keys(region: string, signal: AbortSignal) {
    const { environment, clock, log, openTransport } = this.#context;
    const settings = settingsOf({ authorization: 'chain', region });
    const source = baseCredentials(settings, environment, () => clock.now(), log, openTransport);
    return (await source.current(signal)).keys;
  }

  /** Whoever reads it at a start that failed must know which key it is about. */
  #named(thrown: unknown): DroverError {
    const { code, message, remedyOverride, field, retryAfterMs } = toDroverError(thrown);
    return new DroverError(code, `The master key cannot be had from ${this.name}: ${message}`, {
      cause: thrown,
      field: field === null || code === 'MASTER_KEY_WRONG' ? 'masterKeyKms' : field,
      remedy: remedyOverride ?? REMEDIES[code] ?? null,
      retryAfterMs,
    });
  }
}

const REMEDIES: Readonly<Partial<Record<ErrorCode, string>>> = {
  UNREACHABLE:
    'Check the network and the proxy of this machine, and start again; a private endpoint is named in DROVER_MASTER_KEY_KMS_ENDPOINT.',
  TIMED_OUT: 'Check the network and the proxy of this machine, and start again.',
  UNAVAILABLE: 'Start again when the service is there again.',
  THROTTLED: 'Start again in a minute.',
  UNAUTHENTICATED: 'Give this machine credentials of AWS: a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
  PERMISSION_DENIED:
    'Allow kms:Decrypt on this key, and kms:Encrypt for "drover vault wrap", to the identity of this machine.',
  MASTER_KEY_WRONG: 'Name the key that wrapped the master key in DROVER_MASTER_KEY_KMS, and enable it.',
};

function refusal(
  status: number,
  headers: HttpResponse['headers'],
  answer: Readonly<Record<string, unknown>>,
): DroverError {
  const named = headers['x-amzn-errortype'] ?? String(answer['__type'] ?? '');
  const type = named.replace(/^.*#/, '').replace(/:.*$/, '');
  const told = String(answer['message'] ?? answer['Message'] ?? '').slice(0, 300);
  const words = [type === '' ? `status ${status}` : type, told].filter((part) => part !== '').join(', ');
  return new DroverError(codeOf(status, type), `it refused (${words}).`);
}

function codeOf(status: number, type: string): ErrorCode {
  const known = CODES.find(([types]) => types.includes(type))?.[1];
  if (known !== undefined) return known;
  if (status === 429) return 'THROTTLED';
  if (status >= 500) return 'UNAVAILABLE';
  return status === 403 ? 'PERMISSION_DENIED' : 'INTERNAL';
}

const CODES: readonly (readonly [types: readonly string[], code: ErrorCode])[] = [
  [['AccessDeniedException'], 'PERMISSION_DENIED'],
  [['NotFoundException', 'InvalidArnException', 'DisabledException', 'KMSInvalidStateException'], 'MASTER_KEY_WRONG'],
  [['IncorrectKeyException', 'InvalidCiphertextException', 'InvalidKeyUsageException'], 'MASTER_KEY_WRONG'],
  [['UnrecognizedClientException', 'InvalidSignatureException', 'InvalidClientTokenId'], 'UNAUTHENTICATED'],
  [['ExpiredTokenException', 'MissingAuthenticationTokenException'], 'UNAUTHENTICATED'],
  [['ThrottlingException', 'LimitExceededException'], 'THROTTLED'],
  [['KMSInternalException', 'DependencyTimeoutException', 'KeyUnavailableException'], 'UNAVAILABLE'],
];

async function jsonIn(response: HttpResponse): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await response.bytes(ANSWER_BYTES_MAX);
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch (thrown) {
    if (response.status !== 200) return {};
    // A portal that wants a sign-in, a proxy with a page of its own.
    throw new DroverError('UNAVAILABLE', 'something else answered in its place.', { cause: thrown });
  }
}

function textIn(answer: Readonly<Record<string, unknown>>, name: string): string {
  const value = answer[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new DroverError('UNAVAILABLE', `AWS KMS answered without ${name}.`);
}
