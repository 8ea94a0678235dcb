/** Errors on the wire: RFC 9457 problems, each code with one status. */
import type { Preflight } from '../control/entities.ts';
import { NotReady } from '../control/jobs/not-ready.ts';
import { DroverError, toDroverError, type ErrorCode } from '../model/errors.ts';

/** Code → HTTP status. Codes of the storage services are never 401 or 403: those speak of whoever calls the API. */
export const STATUS: Readonly<Record<ErrorCode, number>> = {
  USAGE: 400,
  INVALID_INPUT: 400,
  CONNECTOR_NOT_FOUND: 404,
  PLACE_NOT_FOUND: 422,
  SOURCE_NOT_FOUND: 422,
  PLACES_OVERLAP: 422,
  ALREADY_EXISTS: 409,
  NOT_FOUND: 404,
  CHANGED: 409,
  UNREPRESENTABLE: 422,
  TOO_LARGE: 413,
  UNSUPPORTED: 422,
  ARCHIVED: 409,
  UNAUTHENTICATED: 422,
  CREDENTIALS_EXPIRED: 422,
  PERMISSION_DENIED: 422,
  QUOTA_EXCEEDED: 422,
  DISK_FULL: 507,
  THROTTLED: 503,
  UNAVAILABLE: 502,
  UNREACHABLE: 502,
  TIMED_OUT: 504,
  EARLY_END: 502,
  EXTRA_BYTES: 502,
  CORRUPTED: 502,
  WRONG_REGION: 422,
  CLOCK_SKEW: 422,
  LISTING_INCOMPLETE: 502,
  LISTING_DISORDERED: 502,
  UPLOAD_LOST: 502,
  GUARD_EMPTY_SOURCE: 409,
  GUARD_DELETE_CAP: 409,
  GUARD_BUSY: 409,
  GUARD_CONFIRM: 409,
  LEASE_LOST: 409,
  CANCELLED: 503,
  ENTITY_NOT_FOUND: 404,
  IN_USE: 409,
  FIXED_FIELD: 422,
  EDIT_CONFLICT: 412,
  COUNT_CHANGED: 409,
  WRONG_STATE: 409,
  PREFLIGHT_FAILED: 422,
  NOT_SIGNED_IN: 401,
  FORBIDDEN: 403,
  RATE_LIMITED: 429,
  UNSAFE_ADDRESS: 422,
  DATABASE_UNAVAILABLE: 503,
  DATABASE_MISMATCH: 503,
  DATABASE_UNUSABLE: 503,
  VERSION_MISMATCH: 503,
  ARTIFACTS_NOT_SHARED: 503,
  MASTER_KEY_WRONG: 503,
  SERVER_BUSY: 503,
  INTERNAL: 500,
};

export interface FieldError {
  /** Dotted path within the body (`config.region`), or the name of a parameter. */
  readonly path: string;
  readonly message: string;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly field: string | null;
  readonly remedy: string;
  readonly errors: readonly FieldError[];
  readonly details: Readonly<Record<string, string | number>> | null;
  /** What was found before a start that was refused, and what to grant; only with PREFLIGHT_FAILED. */
  readonly preflight?: Preflight | undefined;
  readonly requestId: string;
}

export const PROBLEM_TYPE = 'application/problem+json';

/** Nobody reads more of them, and each costs more to write than to cause. */
const ERRORS_MAX = 100;

/** A body or a parameter that is not as described, with everything that is wrong about it at once, up to a bound. */
export class InvalidRequest extends DroverError {
  readonly errors: readonly FieldError[];

  constructor(errors: readonly FieldError[]) {
    const [first] = errors;
    const words = errors.length === 1 ? (first?.message ?? '') : `${errors.length} fields are not as they must be.`;
    super('INVALID_INPUT', words, { field: first?.path ?? null });
    this.errors = errors.slice(0, ERRORS_MAX);
  }
}

export function problemOf(thrown: unknown, requestId: string): Problem {
  const error = toDroverError(thrown);
  const isOurs = error.code === 'INTERNAL';
  return {
    type: `urn:drover:error:${error.code}`,
    title: titleOf(error.code),
    status: STATUS[error.code],
    code: error.code,
    // What failed inside is for the log: it may quote a statement or a path.
    detail: isOurs ? `An unexpected fault. The server's log tells more under ${requestId}.` : error.message,
    field: error.field,
    remedy: remedyOf(error),
    errors: errorsOf(error),
    details: isOurs ? null : error.details,
    ...(error instanceof NotReady ? { preflight: error.preflight } : {}),
    requestId,
  };
}

/** The table speaks of a field; where none is at fault, that would send people looking for it. */
function remedyOf({ code, field, remedy, remedyOverride }: DroverError): string {
  if (code !== 'INVALID_INPUT' || field !== null || remedyOverride !== null) return remedy;
  return 'Change the request as the message says, and send it again.';
}

function errorsOf(error: DroverError): readonly FieldError[] {
  if (error instanceof InvalidRequest) return error.errors;
  return error.field === null ? [] : [{ path: error.field, message: error.message }];
}

/** `EDIT_CONFLICT` → `Edit conflict`. */
function titleOf(code: ErrorCode): string {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
