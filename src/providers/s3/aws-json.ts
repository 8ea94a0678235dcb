/** Calls of AWS services in their JSON protocol 1.1, other than S3. */
import type { JsonAnswer } from '../../lib/json-call.ts';
import { sha256Hex, Signer, type SigningKeys } from '../../lib/sigv4.ts';
import type { HttpResponse } from '../../lib/transport.ts';
import type { ErrorCode } from '../../model/errors.ts';

export interface AwsJsonCall {
  readonly url: URL;
  readonly region: string;
  readonly service: string;
  /** `TrentService.Decrypt`. */
  readonly target: string;
  readonly body: Uint8Array;
}

/** Signed headers for this body at this moment (milliseconds since 1970). */
export function awsJsonHeaders({ url, region, service, target, body }: AwsJsonCall, keys: SigningKeys, nowMs: number) {
  return new Signer(keys, { region, service }).sign(
    {
      method: 'POST',
      host: url.host,
      path: '/',
      query: '',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
      payloadHash: sha256Hex(body),
    },
    nowMs,
  );
}

export type AwsCodes = readonly (readonly [types: readonly string[], code: ErrorCode])[];

/** What a refusal means, by the name of its exception where `codes` knows it, and in the words of the service. */
export function awsRefusal(
  { status, headers }: HttpResponse,
  answer: JsonAnswer,
  codes: AwsCodes,
): { readonly code: ErrorCode; readonly words: string } {
  const named = headers['x-amzn-errortype'] ?? String(answer['__type'] ?? '');
  const type = named.replace(/^.*#/, '').replace(/:.*$/, '');
  const told = String(answer['message'] ?? answer['Message'] ?? '').slice(0, 300);
  const words = [type === '' ? `status ${status}` : type, told].filter((part) => part !== '').join(', ');
  return { code: codes.find(([types]) => types.includes(type))?.[1] ?? codeOfStatus(status), words };
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 429) return 'THROTTLED';
  if (status >= 500) return 'UNAVAILABLE';
  return status === 403 ? 'PERMISSION_DENIED' : 'INTERNAL';
}
