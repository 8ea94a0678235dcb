/** One table of error codes. What is done about an error follows from its code and from nothing else. */

export interface ErrorPolicy {
  /** `soon`: back off and try again. `later`: the service asked to slow down; costs no attempt. */
  readonly retry: 'never' | 'soon' | 'later';
  /**
   * `item`: record it and go on. `account`: the connector's runs pause, because every item would fail alike.
   * `run`: this run ends.
   */
  readonly scope: 'item' | 'account' | 'run';
  /** Who can make it go away. Decides wording, never control flow. */
  readonly owner: 'operator' | 'provider' | 'us';
  /** One sentence: what to do. */
  readonly remedy: string;
}

export const ERRORS = {
  USAGE: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Correct the command; "drover help" lists the options.',
  },
  INVALID_INPUT: { retry: 'never', scope: 'run', owner: 'operator', remedy: 'Correct the field that is named.' },
  CONNECTOR_NOT_FOUND: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Choose one of the connectors that are there ("drover connector list" lists them), or add it.',
  },
  PLACE_NOT_FOUND: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy:
      'Check the name of the bucket, container or folder, or make it: with "drover mkbucket NAME:bucket", or at the store.',
  },
  SOURCE_NOT_FOUND: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Check the path of the source; keys compare letter by letter.',
  },
  PLACES_OVERLAP: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Choose a target outside the source, and a source outside the target.',
  },
  ALREADY_EXISTS: {
    retry: 'never',
    scope: 'item',
    owner: 'operator',
    remedy: 'Choose another name, or remove what is there.',
  },
  NOT_FOUND: {
    retry: 'never',
    scope: 'item',
    owner: 'operator',
    remedy: 'It was removed after it was listed; the next run will not list it.',
  },
  CHANGED: {
    retry: 'soon',
    scope: 'item',
    owner: 'operator',
    remedy: 'It was written to while it was copied; run again when it is quiet.',
  },
  UNREPRESENTABLE: {
    retry: 'never',
    scope: 'item',
    owner: 'operator',
    remedy: 'The target cannot hold this name or kind; rename it at the source or choose another target.',
  },
  TOO_LARGE: {
    retry: 'never',
    scope: 'item',
    owner: 'operator',
    remedy: 'The target cannot hold an object of this size.',
  },
  UNSUPPORTED: {
    retry: 'never',
    scope: 'item',
    owner: 'us',
    remedy: 'Drover cannot move this kind of thing; it stays at the source.',
  },
  ARCHIVED: {
    retry: 'never',
    scope: 'item',
    owner: 'operator',
    remedy: 'Restore it first, or let Drover request the restore (the provider charges for it).',
  },
  UNAUTHENTICATED: {
    retry: 'never',
    scope: 'account',
    owner: 'operator',
    remedy: 'Check the credentials of the connector and reauthorize it; runs then continue.',
  },
  CREDENTIALS_EXPIRED: {
    retry: 'soon',
    scope: 'account',
    owner: 'operator',
    remedy: 'Reauthorize the connector; runs then continue.',
  },
  PERMISSION_DENIED: {
    retry: 'never',
    scope: 'item',
    owner: 'operator',
    remedy:
      'Grant the missing right and run again; the policies of the connector say what is needed ("drover connector policy" prints them).',
  },
  QUOTA_EXCEEDED: {
    retry: 'never',
    scope: 'account',
    owner: 'operator',
    remedy: 'Make room at the target or raise its quota; the run can then go on where it was.',
  },
  DISK_FULL: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Free some disk space; the run can then go on where it was.',
  },
  THROTTLED: { retry: 'later', scope: 'item', owner: 'provider', remedy: 'Nothing: Drover slows down by itself.' },
  UNAVAILABLE: { retry: 'soon', scope: 'item', owner: 'provider', remedy: 'The service had a fault; run again later.' },
  UNREACHABLE: {
    retry: 'soon',
    scope: 'account',
    owner: 'operator',
    remedy: 'Check the endpoint, the network, the proxy and the certificate settings.',
  },
  TIMED_OUT: {
    retry: 'soon',
    scope: 'item',
    owner: 'provider',
    remedy: 'The service stopped answering; run again later.',
  },
  EARLY_END: {
    retry: 'soon',
    scope: 'item',
    owner: 'provider',
    remedy: 'The content ended before its declared size; run again.',
  },
  EXTRA_BYTES: {
    retry: 'soon',
    scope: 'item',
    owner: 'provider',
    remedy: 'More content came than was declared; run again.',
  },
  CORRUPTED: {
    retry: 'soon',
    scope: 'item',
    owner: 'provider',
    remedy: 'The bytes that arrived are not the bytes that left; run again.',
  },
  WRONG_REGION: {
    retry: 'never',
    scope: 'account',
    owner: 'operator',
    remedy: 'Set the region of the connector, or leave it empty so that Drover finds it.',
  },
  CLOCK_SKEW: { retry: 'soon', scope: 'account', owner: 'operator', remedy: 'Set the clock of this machine.' },
  LISTING_INCOMPLETE: {
    retry: 'soon',
    scope: 'run',
    owner: 'provider',
    remedy: 'The listing broke off; nothing is deleted on its word. Run again.',
  },
  LISTING_DISORDERED: {
    retry: 'never',
    scope: 'run',
    owner: 'us',
    remedy: 'Drover sorts the listing itself and goes on.',
  },
  UPLOAD_LOST: {
    retry: 'soon',
    scope: 'item',
    owner: 'provider',
    remedy: 'The unfinished upload is gone; Drover starts it again.',
  },
  GUARD_EMPTY_SOURCE: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Check the source; if it really is empty, add --allow-empty-source.',
  },
  GUARD_DELETE_CAP: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Look at a dry run; if all of it should go, raise --max-delete (of a job: deleteMax and deleteShareMax).',
  },
  GUARD_BUSY: { retry: 'never', scope: 'run', owner: 'operator', remedy: 'Wait for the other run to end, or stop it.' },
  GUARD_CONFIRM: { retry: 'never', scope: 'run', owner: 'operator', remedy: 'Say so explicitly with --yes.' },
  LEASE_LOST: { retry: 'never', scope: 'run', owner: 'us', remedy: 'Another worker took over; nothing is lost.' },
  CANCELLED: { retry: 'never', scope: 'run', owner: 'operator', remedy: 'The same command continues.' },
  ENTITY_NOT_FOUND: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'It may have been deleted; list what there is.',
  },
  IN_USE: { retry: 'never', scope: 'run', owner: 'operator', remedy: 'Delete what uses it first, or keep it.' },
  FIXED_FIELD: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'This is fixed after creation; make a new one instead.',
  },
  EDIT_CONFLICT: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Somebody changed it meanwhile; look at the new state and try again.',
  },
  COUNT_CHANGED: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Look at the new number and confirm again.',
  },
  WRONG_STATE: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Look at its state; this is not possible now.',
  },
  PREFLIGHT_FAILED: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Grant what is listed and start again.',
  },
  NOT_SIGNED_IN: { retry: 'never', scope: 'run', owner: 'operator', remedy: 'Sign in, or send a token.' },
  FORBIDDEN: { retry: 'never', scope: 'run', owner: 'operator', remedy: 'Ask an admin for the role that is named.' },
  RATE_LIMITED: { retry: 'later', scope: 'run', owner: 'operator', remedy: 'Wait as long as the answer says.' },
  UNSAFE_ADDRESS: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Use another address, or have the administrator of the server allow this one in its settings.',
  },
  DATABASE_UNAVAILABLE: {
    retry: 'soon',
    scope: 'run',
    owner: 'operator',
    remedy: 'Check that PostgreSQL runs and can be reached; Drover goes on by itself as soon as it can.',
  },
  DATABASE_UNUSABLE: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Correct what is named, or give the address of a PostgreSQL server of your own as DATABASE_URL.',
  },
  DATABASE_MISMATCH: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Use the program version that the message names, or restore a backup.',
  },
  VERSION_MISMATCH: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Run the same version of Drover for the server and for all workers.',
  },
  ARTIFACTS_NOT_SHARED: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy:
      'Give every server and worker the same artifact store (DROVER_ARTIFACTS). Is it lost for good, start the server once with --new-artifacts.',
  },
  MASTER_KEY_WRONG: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Start with the master key that the secrets were saved with.',
  },
  SERVER_BUSY: {
    retry: 'never',
    scope: 'run',
    owner: 'operator',
    remedy: 'Stop the other server on this folder, or give this one another folder with DROVER_DATA_DIR.',
  },
  INTERNAL: {
    retry: 'never',
    scope: 'item',
    owner: 'us',
    remedy: 'Drover does not know why. The details are saved with the run; please report them.',
  },
} as const satisfies Record<string, ErrorPolicy>;

export type ErrorCode = keyof typeof ERRORS;

/** An error as it is stored, logged and shown: no stack, no secret. */
export interface Failure {
  readonly code: ErrorCode;
  /** What happened and why, in one or two sentences. */
  readonly message: string;
  /** The described field at fault (`secretAccessKey`), where one is. */
  readonly field: string | null;
  readonly remedy: string;
}

/** The one error class that crosses a folder boundary. Programs read `code`; people read `message` and `remedy`. */
export class DroverError extends Error {
  override readonly name = 'DroverError';
  readonly code: ErrorCode;
  readonly field: string | null;
  readonly key: string | null;
  /** Milliseconds, set when the service said how long to wait. */
  readonly retryAfterMs: number | null;
  /** Overrides the table's sentence where a better one is known. */
  readonly remedyOverride: string | null;
  /** The provider's own words (status, code, request id): for details views and logs only. */
  readonly details: Readonly<Record<string, string | number>> | null;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      cause?: unknown;
      field?: string | null;
      key?: string | null;
      retryAfterMs?: number | null;
      remedy?: string | null;
      details?: Readonly<Record<string, string | number>> | null;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.field = options.field ?? null;
    this.key = options.key ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.remedyOverride = options.remedy ?? null;
    this.details = options.details ?? null;
  }

  get policy(): ErrorPolicy {
    return ERRORS[this.code];
  }

  get remedy(): string {
    return this.remedyOverride ?? ERRORS[this.code].remedy;
  }
}

/** Anything thrown, as a DroverError: unknown things become INTERNAL with the cause kept. */
export function toDroverError(thrown: unknown): DroverError {
  if (thrown instanceof DroverError) return thrown;
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return new DroverError('CANCELLED', 'The work was stopped.', { cause: thrown });
  }
  const words = thrown instanceof Error ? thrown.message : String(thrown);
  return new DroverError('INTERNAL', `An unexpected fault: ${words}`, { cause: thrown });
}

export function toFailure(thrown: unknown): Failure {
  const error = toDroverError(thrown);
  return { code: error.code, message: error.message, field: error.field, remedy: error.remedy };
}
