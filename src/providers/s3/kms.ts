/** One key of AWS KMS that wraps a small secret: Encrypt and Decrypt, signed with what this machine may sign with. */
import { JsonService, KEY_SERVICE, type JsonAnswer } from '../../lib/json-call.ts';
import type { HttpResponse } from '../../lib/transport.ts';
import type { Context } from '../../contract/provider.ts';
import { DroverError, toDroverError, type ErrorCode } from '../../model/errors.ts';
import { domainOf, partitionOf } from './address.ts';
import { awsJsonHeaders, awsRefusal, type AwsCodes } from './aws-json.ts';
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

  async #call(action: string, members: object, signal: AbortSignal): Promise<JsonAnswer> {
    const { keyArn, encryptionContext, endpoint } = this.#options;
    const region = keyArn.split(':')[3] as string;
    const url = new URL(endpoint ?? `https://kms.${region}.${domainOf(partitionOf(region))}`);
    const body = Buffer.from(JSON.stringify({ KeyId: keyArn, EncryptionContext: encryptionContext, ...members }));
    const call = { url, region, service: 'kms', target: `TrentService.${action}`, body };
    const headers = async () => awsJsonHeaders(call, await this.#keys(region, signal), this.#context.clock.now());
    await using service = new JsonService(this.#context, KEY_SERVICE);
    try {
      return await service.post({ url, headers, body, refusal }, signal);
    } catch (thrown) {
      throw this.#named(thrown);
    }
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

function refusal(response: HttpResponse, answer: JsonAnswer): DroverError {
  const { code, words } = awsRefusal(response, answer, CODES);
  return new DroverError(code, `it refused (${words}).`);
}

const CODES: AwsCodes = [
  [['AccessDeniedException'], 'PERMISSION_DENIED'],
  [['NotFoundException', 'InvalidArnException', 'DisabledException', 'KMSInvalidStateException'], 'MASTER_KEY_WRONG'],
  [['IncorrectKeyException', 'InvalidCiphertextException', 'InvalidKeyUsageException'], 'MASTER_KEY_WRONG'],
  [['UnrecognizedClientException', 'InvalidSignatureException', 'InvalidClientTokenId'], 'UNAUTHENTICATED'],
  [['ExpiredTokenException', 'MissingAuthenticationTokenException'], 'UNAUTHENTICATED'],
  [['ThrottlingException', 'LimitExceededException'], 'THROTTLED'],
  [['KMSInternalException', 'DependencyTimeoutException', 'KeyUnavailableException'], 'UNAVAILABLE'],
];

function textIn(answer: JsonAnswer, name: string): string {
  const value = answer[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new DroverError('UNAVAILABLE', `AWS KMS answered without ${name}.`);
}
