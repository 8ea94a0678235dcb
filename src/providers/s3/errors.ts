/** What S3 and STS say on the wire, as our errors. The only table of its kind in this provider. */
import { DroverError } from '../../model/errors.ts';
import type { ErrorCode } from '../../model/errors.ts';

export interface WireFailure {
  readonly status: number;
  /** The `<Code>` of the body, or one made from the status where there is no body. */
  readonly code: string;
  readonly message: string;
  readonly requestId: string | null;
  readonly hostId: string | null;
  /** Header `x-amz-bucket-region`, or `<Region>` of the body. */
  readonly region: string | null;
  /** `<Endpoint>` of the body or the host of `location`. */
  readonly location: string | null;
  readonly retryAfterMs: number | null;
  /** Header `date`. */
  readonly dateMs: number | null;
  /** `<StorageClass>` and `<AccessTier>` of InvalidObjectState. */
  readonly storageClass: string | null;
}

/** What the client may do once before it gives up. */
export type Cure = 'refresh' | 'clock' | 'region';

export interface WireRow {
  readonly code: ErrorCode;
  readonly sentence: string;
  readonly field?: string;
  readonly cure?: Cure;
}

const throttled: WireRow = { code: 'THROTTLED', sentence: 'the store asked to slow down' };
const faulty: WireRow = { code: 'UNAVAILABLE', sentence: 'the store had a fault' };
const refused = (sentence: string, field?: string): WireRow => ({
  code: 'UNAUTHENTICATED',
  sentence,
  ...(field === undefined ? {} : { field }),
});
const expired: WireRow = {
  code: 'CREDENTIALS_EXPIRED',
  sentence: 'the session token is not valid any more',
  field: 'sessionToken',
  cure: 'refresh',
};
const elsewhere: WireRow = {
  code: 'WRONG_REGION',
  sentence: 'the bucket is in another region',
  field: 'region',
  cure: 'region',
};
const changed: WireRow = { code: 'CHANGED', sentence: 'the object is not in the state that was expected' };
const gone: WireRow = { code: 'NOT_FOUND', sentence: 'there is no such object' };
const wrong = (sentence: string): WireRow => ({ code: 'INTERNAL', sentence });

export const WIRE_ERRORS: Readonly<Record<string, WireRow>> = {
  SlowDown: throttled,
  ServiceUnavailable: throttled,
  RequestLimitExceeded: throttled,
  BandwidthLimitExceeded: throttled,
  Throttling: throttled,
  ThrottlingException: throttled,
  ThrottledException: throttled,
  RequestThrottled: throttled,
  RequestThrottledException: throttled,
  TooManyRequests: throttled,
  TooManyRequestsException: throttled,
  InternalError: faulty,
  InternalFailure: faulty,
  BadGateway: faulty,
  GatewayTimeout: faulty,
  RequestTimeout: { code: 'TIMED_OUT', sentence: 'the store waited too long for the content' },
  IncompleteBody: { code: 'EARLY_END', sentence: 'the content ended before its declared size' },
  OperationAborted: { code: 'UNAVAILABLE', sentence: 'another operation on the same object was under way' },
  BadDigest: { code: 'CORRUPTED', sentence: 'the store received other bytes than were sent' },
  InvalidDigest: { code: 'CORRUPTED', sentence: 'the store refused the digest of the content' },
  XAmzContentSHA256Mismatch: { code: 'CORRUPTED', sentence: 'the store received other bytes than were signed' },
  XAmzContentChecksumMismatch: { code: 'CORRUPTED', sentence: 'the store received other bytes than were sent' },
  RequestTimeTooSkewed: { code: 'CLOCK_SKEW', sentence: 'the clock of this machine is too far off', cure: 'clock' },
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  TokenRefreshRequired: expired,
  InvalidToken: { ...expired, sentence: 'the session token is not valid' },
  InvalidAccessKeyId: refused('the Access Key ID is not known', 'accessKeyId'),
  InvalidClientTokenId: refused('the Access Key ID is not known', 'accessKeyId'),
  SignatureDoesNotMatch: refused('the Secret Access Key does not belong to the Access Key ID', 'secretAccessKey'),
  AccountProblem: refused('the account has a problem that its owner must solve'),
  AllAccessDisabled: refused('all access to this bucket is switched off'),
  NotSignedUp: refused('the account is not signed up for S3', 'accessKeyId'),
  InvalidPayer: refused('all access of the paying account is switched off', 'requesterPays'),
  IDPRejectedClaim: refused('the identity provider rejected the token', 'webIdentityTokenFile'),
  InvalidIdentityToken: refused('the web identity token is not valid', 'webIdentityTokenFile'),
  IDPCommunicationError: { code: 'UNAVAILABLE', sentence: 'the identity provider did not answer' },
  RegionDisabledException: {
    code: 'WRONG_REGION',
    sentence: 'the region is not switched on for this account',
    field: 'region',
  },
  MalformedPolicyDocument: wrong('the session policy was refused'),
  PackedPolicyTooLarge: wrong('the session policy was too large'),
  AccessDenied: { code: 'PERMISSION_DENIED', sentence: 'access was denied' },
  AccessDeniedException: { code: 'PERMISSION_DENIED', sentence: 'access was denied' },
  'KMS.AccessDeniedException': {
    code: 'PERMISSION_DENIED',
    sentence: 'the encryption key may not be used',
    field: 'kmsKeyId',
  },
  'KMS.DisabledException': {
    code: 'PERMISSION_DENIED',
    sentence: 'the encryption key is switched off',
    field: 'kmsKeyId',
  },
  'KMS.NotFoundException': {
    code: 'PERMISSION_DENIED',
    sentence: 'the encryption key does not exist',
    field: 'kmsKeyId',
  },
  'KMS.KMSInvalidStateException': {
    code: 'PERMISSION_DENIED',
    sentence: 'the encryption key cannot be used',
    field: 'kmsKeyId',
  },
  InvalidObjectState: { code: 'ARCHIVED', sentence: 'the object is archived' },
  ObjectNotInActiveTierError: { code: 'ARCHIVED', sentence: 'the object is archived' },
  GlacierExpeditedRetrievalNotAvailable: {
    code: 'THROTTLED',
    sentence: 'expedited retrieval is not available just now',
  },
  NoSuchKey: gone,
  NoSuchVersion: { code: 'NOT_FOUND', sentence: 'there is no such version' },
  NotFound: gone,
  NoSuchBucket: { code: 'PLACE_NOT_FOUND', sentence: 'there is no such bucket', field: 'bucket' },
  NoSuchUpload: { code: 'UPLOAD_LOST', sentence: 'the unfinished upload is gone' },
  InvalidPart: { code: 'UPLOAD_LOST', sentence: 'a part of the upload is not what was sent' },
  InvalidPartOrder: wrong('the parts were named in the wrong order'),
  PreconditionFailed: changed,
  NotModified: changed,
  ConditionalRequestConflict: { ...changed, sentence: 'another write to the same key was under way' },
  PermanentRedirect: elsewhere,
  TemporaryRedirect: { ...elsewhere, sentence: 'the bucket is served elsewhere for now' },
  Redirect: elsewhere,
  AuthorizationHeaderMalformed: elsewhere,
  IllegalLocationConstraintException: elsewhere,
  BucketAlreadyExists: {
    code: 'ALREADY_EXISTS',
    sentence: 'the name of the bucket belongs to somebody else',
    field: 'bucket',
  },
  BucketAlreadyOwnedByYou: { code: 'ALREADY_EXISTS', sentence: 'the bucket is there already', field: 'bucket' },
  BucketNotEmpty: { code: 'ALREADY_EXISTS', sentence: 'the bucket is not empty' },
  InvalidBucketName: {
    code: 'INVALID_INPUT',
    sentence: 'the store does not accept the name of the bucket',
    field: 'bucket',
  },
  TooManyBuckets: { code: 'QUOTA_EXCEEDED', sentence: 'the account may have no more buckets' },
  QuotaExceeded: { code: 'QUOTA_EXCEEDED', sentence: 'the quota is used up' },
  KeyTooLongError: { code: 'UNREPRESENTABLE', sentence: 'the key is longer than the store can hold' },
  InvalidURI: { code: 'UNREPRESENTABLE', sentence: 'the store cannot hold this key' },
  InvalidObjectName: { code: 'UNREPRESENTABLE', sentence: 'the store cannot hold this key' },
  EntityTooLarge: { code: 'TOO_LARGE', sentence: 'the content is larger than the store can hold' },
  MetadataTooLarge: { code: 'UNREPRESENTABLE', sentence: 'the metadata is larger than the store can hold' },
  InvalidStorageClass: {
    code: 'INVALID_INPUT',
    sentence: 'the store has no such storage class',
    field: 'storageClass',
  },
  NotImplemented: { code: 'UNSUPPORTED', sentence: 'the store cannot do this' },
  MethodNotAllowed: { code: 'UNSUPPORTED', sentence: 'this cannot be done with such an object' },
  InvalidRange: { code: 'CHANGED', sentence: 'the object is shorter than it was' },
  InvalidArgument: wrong('the store refused an argument'),
  InvalidRequest: wrong('the store refused the request'),
  InvalidTag: wrong('the store refused a tag'),
  MalformedXML: wrong('the store could not read the request'),
  MissingContentLength: wrong('the store missed the length of the content'),
  EntityTooSmall: wrong('a part was smaller than the store allows'),
};

/** For answers without a body: HEAD, and whatever stands between us and the store. */
const BY_STATUS: Readonly<Record<number, WireRow>> = {
  301: elsewhere,
  307: elsewhere,
  308: elsewhere,
  304: changed,
  401: refused('the credentials were not accepted'),
  403: { code: 'PERMISSION_DENIED', sentence: 'access was denied' },
  404: gone,
  405: { code: 'UNSUPPORTED', sentence: 'this cannot be done with such an object' },
  408: { code: 'TIMED_OUT', sentence: 'the store waited too long for the request' },
  409: { code: 'CHANGED', sentence: 'another operation on the same object was under way' },
  411: wrong('the store missed the length of the content'),
  412: changed,
  413: { code: 'TOO_LARGE', sentence: 'the content is larger than the store can hold' },
  416: { code: 'CHANGED', sentence: 'the object is shorter than it was' },
  429: throttled,
  501: { code: 'UNSUPPORTED', sentence: 'the store cannot do this' },
  503: throttled,
  507: { code: 'QUOTA_EXCEEDED', sentence: 'the store is full' },
};

export function rowOf(failure: Pick<WireFailure, 'status' | 'code'>): WireRow {
  const row = Object.hasOwn(WIRE_ERRORS, failure.code) ? WIRE_ERRORS[failure.code] : undefined;
  if (row !== undefined) return row;
  if (/throttl|slowdown|too.?many/i.test(failure.code)) return throttled;
  const byStatus = BY_STATUS[failure.status];
  if (byStatus !== undefined) return byStatus;
  if (failure.status >= 500) return faulty;
  return wrong('the store refused the request for a reason that Drover does not know');
}

/** `subject`: what was worked on, as it begins the sentence: `"a/b" in bucket "photos"`. */
export function errorOf(failure: WireFailure, subject: string, key: string | null): DroverError {
  const row = rowOf(failure);
  const isArchived = row.code === 'ARCHIVED' && failure.storageClass !== null;
  const why = isArchived ? `${row.sentence} (${failure.storageClass})` : row.sentence;
  const said =
    failure.message === '' || failure.message === failure.code ? failure.code : `${failure.code}: ${failure.message}`;
  return new DroverError(row.code, `${subject}: ${why} (${said.slice(0, 300)}).`, {
    field: row.field ?? null,
    key,
    retryAfterMs: row.code === 'THROTTLED' || failure.retryAfterMs !== null ? failure.retryAfterMs : null,
    details: {
      status: failure.status,
      code: failure.code,
      ...(failure.requestId === null ? {} : { requestId: failure.requestId }),
      ...(failure.hostId === null ? {} : { hostId: failure.hostId }),
      ...(failure.region === null ? {} : { region: failure.region }),
    },
  });
}
