/** From an answer that is not a success to a sentence, a code, and the field at fault. */
import { DroverError } from '../../model/errors.ts';
import type { SignIn } from './credentials.ts';
import { errorRow, type ErrorRow } from './errors.ts';

export interface Refused {
  readonly status: number;
  readonly serviceCode: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** The body as text, as far as it came. */
  readonly text: string;
}

export interface RefusedRequest {
  readonly container?: string;
  readonly blob?: string;
  readonly key?: string;
}

export function refusal(refused: Refused, request: RefusedRequest, signIn: SignIn, nowMs: number): DroverError {
  const row = rowFor(refused, request, signIn);
  const word = refused.serviceCode ?? `status ${refused.status}`;
  const details: Record<string, string | number> = { status: refused.status, code: refused.serviceCode ?? '' };
  const requestId = refused.headers['x-ms-request-id'];
  if (requestId !== undefined) details['requestId'] = requestId;
  const expiry = expiredSas(refused, signIn, nowMs);
  if (expiry !== null) {
    return new DroverError('CREDENTIALS_EXPIRED', `The shared access signature expired on ${expiry}.`, {
      field: signIn.credential.field,
      details,
    });
  }
  const more = reason(refused);
  return new DroverError(row.code, `${subject(request)}: ${row.sentence} (${word}).${more}`, {
    key: request.key ?? request.blob ?? null,
    field: fieldOf(row, signIn),
    retryAfterMs: retryAfterMs(refused.headers, nowMs) ?? row.retryAfterMs ?? null,
    remedy: row.remedy ?? null,
    details,
  });
}

const KEY_OR_FIREWALL =
  'Compare the account key with one of the two under Access keys of the storage account: one that was rotated is refused like this. If it is right, allow this machine under Networking of the account, or use its private endpoint.';

/** What the code alone does not tell: nothing found where no blob was asked for, an account key that is refused. */
function rowFor(refused: Refused, request: RefusedRequest, signIn: SignIn): ErrorRow {
  const row = errorRow(refused.status, refused.serviceCode);
  if (row.code === 'NOT_FOUND' && request.blob === undefined) {
    return { ...row, code: 'PLACE_NOT_FOUND', field: request.container === undefined ? 'accountName' : 'container' };
  }
  if (refused.serviceCode === 'AuthorizationFailure' && signIn.credential.kind === 'key') {
    // An account key may do everything, so every request would fail alike.
    return {
      ...row,
      code: 'UNAUTHENTICATED',
      sentence: 'the account refuses the request (the key, or its firewall)',
      field: 'credential',
      remedy: KEY_OR_FIREWALL,
    };
  }
  return row;
}

/** Milliseconds the service asks to wait; `null` when it does not say. */
export function retryAfterMs(headers: Readonly<Record<string, string>>, nowMs: number): number | null {
  const exact = headers['x-ms-retry-after-ms'] ?? headers['retry-after-ms'];
  if (exact !== undefined && /^\d+$/.test(exact)) return Number(exact);
  const after = headers['retry-after'];
  if (after === undefined) return null;
  if (/^\d+$/.test(after)) return Number(after) * 1000;
  const at = Date.parse(after);
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}

function subject(request: RefusedRequest): string {
  if (request.blob !== undefined) return `Blob "${request.key ?? request.blob}" in container "${request.container}"`;
  return request.container === undefined ? 'Storage account' : `Container "${request.container}"`;
}

function fieldOf(row: ErrorRow, signIn: SignIn): string | null {
  return row.field === 'credential' ? signIn.credential.field : (row.field ?? null);
}

function expiredSas(refused: Refused, signIn: SignIn, nowMs: number): string | null {
  if (refused.status !== 403 && refused.status !== 401) return null;
  if (signIn.credential.kind !== 'sas') return null;
  const { expiresAtMs } = signIn.credential.token;
  return expiresAtMs !== null && expiresAtMs <= nowMs ? new Date(expiresAtMs).toISOString() : null;
}

/** The service's own explanation where it says more than its code; never the string it signed. */
function reason(refused: Refused): string {
  const header = /<HeaderName>([^<]+)<\/HeaderName>/.exec(refused.text)?.[1];
  if (header !== undefined) return ` The header is "${header}".`;
  const parameter = /<QueryParameterName>([^<]+)<\/QueryParameterName>/.exec(refused.text)?.[1];
  if (parameter !== undefined) return ` The parameter is "${parameter}".`;
  const told = refused.headers['x-ms-copy-source-status-code'];
  const source = told ?? /<CopySourceStatusCode>([^<]+)<\/CopySourceStatusCode>/.exec(refused.text)?.[1];
  return source === undefined ? '' : ` The source answered with status ${source}.`;
}
