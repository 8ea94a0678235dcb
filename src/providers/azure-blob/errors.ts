/** The one table from the service's answers to Drover's error codes. */
import type { ErrorCode } from '../../model/errors.ts';

export interface ErrorRow {
  readonly code: ErrorCode;
  /** What it means, for people; the name of the blob is put in front of it. */
  readonly sentence: string;
  readonly field?: 'accountName' | 'credential' | 'container' | 'endpoint' | 'accessTier';
  readonly remedy?: string;
  readonly retryAfterMs?: number;
}

const DELETING_WAIT_MS = 30_000;
const ROLES =
  'Give this identity the role Storage Blob Data Reader (to read) or Storage Blob Data Contributor (to write) on the container; the command stands among the policies of the connector ("drover connector policy" prints them). New roles take up to 30 minutes.';
const FIREWALL = 'Allow this machine under Networking of the storage account, or use its private endpoint.';

const changed = (sentence: string): ErrorRow => ({ code: 'CHANGED', sentence });
const corrupted = (sentence: string): ErrorRow => ({ code: 'CORRUPTED', sentence });
const invalid = (sentence: string): ErrorRow => ({ code: 'UNREPRESENTABLE', sentence });
const ours = (sentence: string): ErrorRow => ({ code: 'INTERNAL', sentence });
const refused = (sentence: string, remedy?: string): ErrorRow =>
  remedy === undefined ? { code: 'PERMISSION_DENIED', sentence } : { code: 'PERMISSION_DENIED', sentence, remedy };
const leased = refused('the blob is leased by somebody else', 'Release or break the lease of the blob and run again.');

/** By the service's own code, which stands in the `x-ms-error-code` header and in the body. */
export const BY_CODE: Readonly<Record<string, ErrorRow>> = {
  // What is there, or is not.
  BlobNotFound: { code: 'NOT_FOUND', sentence: 'there is no such blob' },
  ResourceNotFound: { code: 'NOT_FOUND', sentence: 'there is nothing of that name' },
  PathNotFound: { code: 'NOT_FOUND', sentence: 'there is nothing of that name' },
  ContainerNotFound: { code: 'PLACE_NOT_FOUND', sentence: 'the container does not exist', field: 'container' },
  ContainerAlreadyExists: { code: 'ALREADY_EXISTS', sentence: 'the container exists already' },
  BlobAlreadyExists: changed('something was written there meanwhile'),
  PathAlreadyExists: changed('something was written there meanwhile'),
  ResourceAlreadyExists: changed('something was written there meanwhile'),
  ConditionNotMet: changed('it is not in the expected state any more'),
  SourceConditionNotMet: changed('the source is not in the expected state any more'),
  TargetConditionNotMet: changed('it is not in the expected state any more'),
  InvalidRange: changed('it is shorter than expected'),
  ContainerBeingDeleted: {
    code: 'UNAVAILABLE',
    sentence: 'the container is being deleted',
    retryAfterMs: DELETING_WAIT_MS,
  },
  ContainerDisabled: refused('the container was disabled by its owner'),
  // Content.
  Md5Mismatch: corrupted('the bytes that arrived do not have the MD5 that was sent'),
  Crc64Mismatch: corrupted('the bytes that arrived do not have the CRC-64 that was sent'),
  InvalidMd5: corrupted('the MD5 that was sent is not one'),
  IncompleteBody: { code: 'EARLY_END', sentence: 'the content ended before its declared size' },
  RequestBodyTooLarge: { code: 'TOO_LARGE', sentence: 'it is larger than the service takes in one request' },
  BlockCountExceedsLimit: { code: 'TOO_LARGE', sentence: 'it has more unfinished blocks than the service allows' },
  BlockListTooLong: { code: 'TOO_LARGE', sentence: 'it has more than 50,000 blocks' },
  InvalidBlockList: { code: 'UPLOAD_LOST', sentence: 'blocks of the unfinished upload are gone' },
  InvalidBlobOrBlock: {
    code: 'ALREADY_EXISTS',
    sentence: 'another program left unfinished blocks there, with names of another length',
    remedy: 'Let the other program finish, or wait: the service drops unfinished blocks after seven days.',
  },
  // Archive.
  BlobArchived: { code: 'ARCHIVED', sentence: 'it is in the Archive tier' },
  BlobBeingRehydrated: { code: 'ARCHIVED', sentence: 'it is being rehydrated and cannot be read yet' },
  // What the service cannot hold.
  InvalidMetadata: invalid('the service refuses its metadata'),
  EmptyMetadataKey: invalid('the service refuses an empty metadata name'),
  MetadataTooLarge: { code: 'TOO_LARGE', sentence: 'its metadata is larger than 8 KiB' },
  TagsTooLarge: { code: 'TOO_LARGE', sentence: 'it has more tags than the service keeps' },
  InvalidTag: invalid('the service refuses a tag'),
  InvalidResourceName: invalid('the service refuses the name'),
  InvalidUri: invalid('the service refuses the name'),
  OutOfRangeInput: invalid('the service refuses the name or a value as too short or too long'),
  RequestUrlFailedToParse: invalid('the service refuses the name'),
  PathConflict: invalid('a folder and a blob would have the same name'),
  ResourceTypeMismatch: invalid('a folder and a blob would have the same name'),
  DirectoryIsNotEmpty: { code: 'ALREADY_EXISTS', sentence: 'the folder is not empty' },
  // Kinds and states.
  InvalidBlobType: { code: 'UNSUPPORTED', sentence: 'it is a page or append blob' },
  BlobOperationNotSupported: { code: 'UNSUPPORTED', sentence: 'the service does not do this for that blob' },
  FeatureVersionMismatch: {
    code: 'UNSUPPORTED',
    sentence: 'it was made with a feature this kind of request cannot handle',
  },
  SnapshotsPresent: {
    code: 'UNSUPPORTED',
    sentence: 'it has snapshots, and Drover never deletes snapshots',
    remedy: 'Delete the snapshots of the blob yourself, then run again.',
  },
  CannotVerifyCopySource: { code: 'UNSUPPORTED', sentence: 'the service cannot read the source by itself' },
  APINotImplemented: { code: 'UNSUPPORTED', sentence: 'this endpoint does not offer the operation' },
  FeatureNotSupported: { code: 'UNSUPPORTED', sentence: 'this endpoint does not offer the operation' },
  FeatureNotEnabled: { code: 'UNSUPPORTED', sentence: 'this account does not offer the operation' },
  BlobTagsNotSupportedForAccountType: { code: 'UNSUPPORTED', sentence: 'this kind of account keeps no tags' },
  BlobAccessTierNotSupportedForAccountType: {
    code: 'INVALID_INPUT',
    sentence: 'this kind of account does not offer that access tier',
    field: 'accessTier',
    remedy: 'Leave the access tier of the connector and of the transfer at the default.',
  },
  PendingCopyOperation: { code: 'UNAVAILABLE', sentence: 'another copy into it is under way' },
  BlobImmutableDueToPolicy: refused('an immutability policy protects it'),
  BlobImmutableDueToLegalHold: refused('a legal hold protects it'),
  LeaseIdMissing: leased,
  LeaseIdMismatchWithBlobOperation: leased,
  LeaseLost: leased,
  LeaseNotPresentWithBlobOperation: leased,
  LeaseAlreadyPresent: leased,
  // Who we are and what we may do.
  AuthenticationFailed: {
    code: 'UNAUTHENTICATED',
    sentence: 'the service does not accept the credentials',
    field: 'credential',
  },
  InvalidAuthenticationInfo: {
    code: 'UNAUTHENTICATED',
    sentence: 'the service does not accept the sign-in',
    field: 'credential',
  },
  NoAuthenticationInformation: {
    code: 'UNAUTHENTICATED',
    sentence: 'the service asks for a sign-in',
    field: 'credential',
  },
  KeyBasedAuthenticationNotPermitted: {
    code: 'UNAUTHENTICATED',
    sentence: 'the storage account does not allow sign-in by account key',
    field: 'credential',
    remedy: 'Use an Entra ID sign-in for this connector, or allow key access under Configuration of the account.',
  },
  AccountIsDisabled: { code: 'UNAUTHENTICATED', sentence: 'the storage account is disabled', field: 'accountName' },
  InvalidResourceAccount: {
    code: 'UNAUTHENTICATED',
    sentence: 'there is no such storage account',
    field: 'accountName',
  },
  AuthorizationFailure: refused(
    'the account refuses the request (its firewall, or the permissions of the signature)',
    FIREWALL,
  ),
  AuthorizationSourceIPMismatch: refused('the signature does not allow the address of this machine', FIREWALL),
  AuthorizationProtocolMismatch: refused('the signature asks for https', 'Use an https endpoint.'),
  AuthorizationPermissionMismatch: refused('this identity lacks the permission', ROLES),
  AuthorizationServiceMismatch: refused(
    'the signature is not for the blob service',
    'Make a signature that allows the service "Blob".',
  ),
  AuthorizationResourceTypeMismatch: refused(
    'the signature does not allow this kind of resource',
    'Make a signature for the resource types Service, Container and Object.',
  ),
  InsufficientAccountPermissions: refused('this identity lacks the permission', ROLES),
  UnauthorizedBlobOverwrite: refused(
    'this identity may create blobs but not replace them',
    'Add the permission "w" (write) to the signature.',
  ),
  PublicAccessNotPermitted: refused('the account does not allow anonymous access'),
  CpkNotSupported: refused('the service refuses the encryption settings'),
  // Capacity.
  ServerBusy: { code: 'THROTTLED', sentence: 'the service asks to slow down' },
  TooManyRequests: { code: 'THROTTLED', sentence: 'the service asks to slow down' },
  OperationTimedOut: { code: 'TIMED_OUT', sentence: 'the service did not finish in its own time limit' },
  InternalError: { code: 'UNAVAILABLE', sentence: 'the service had a fault' },
  AccountLimitExceeded: { code: 'QUOTA_EXCEEDED', sentence: 'the storage account is full' },
  // Requests that are our mistake.
  BothCrc64AndMd5HeaderPresent: ours('the service refuses the request: it names two checksums'),
  InvalidHeaderValue: ours('the service refuses the value of a header'),
  InvalidQueryParameterValue: ours('the service refuses the value of a parameter'),
  OutOfRangeQueryParameterValue: ours('the service refuses the value of a parameter'),
  InvalidInput: ours('the service refuses the request'),
  InvalidXmlDocument: ours('the service refuses the document that was sent'),
  InvalidBlockId: ours('the service refuses the name of a block'),
  MissingRequiredHeader: ours('the service misses a header'),
  UnsupportedHeader: ours('the service refuses a header'),
  UnsupportedHttpVerb: ours('the service refuses the method'),
  MissingContentLengthHeader: ours('the service misses the length of the content'),
};

/** Where the code says nothing, the status decides. */
export const BY_STATUS: Readonly<Record<number, ErrorRow>> = {
  304: changed('it is not in the expected state any more'),
  400: ours('the service refuses the request'),
  401: { code: 'UNAUTHENTICATED', sentence: 'the service does not accept the credentials', field: 'credential' },
  403: refused('the service refuses the request'),
  404: { code: 'NOT_FOUND', sentence: 'there is nothing of that name' },
  408: { code: 'TIMED_OUT', sentence: 'the service waited too long for the request' },
  409: { code: 'UNAVAILABLE', sentence: 'the service could not do it in the present state' },
  411: ours('the service misses the length of the content'),
  412: changed('it is not in the expected state any more'),
  413: { code: 'TOO_LARGE', sentence: 'it is larger than the service takes in one request' },
  416: changed('it is shorter than expected'),
  429: { code: 'THROTTLED', sentence: 'the service asks to slow down' },
  500: { code: 'UNAVAILABLE', sentence: 'the service had a fault' },
  501: { code: 'UNSUPPORTED', sentence: 'this endpoint does not offer the operation' },
  502: { code: 'UNAVAILABLE', sentence: 'the service had a fault' },
  503: { code: 'THROTTLED', sentence: 'the service asks to slow down' },
  504: { code: 'TIMED_OUT', sentence: 'the service did not answer in time' },
  507: { code: 'QUOTA_EXCEEDED', sentence: 'the storage account is full' },
};

export function errorRow(status: number, serviceCode: string | null): ErrorRow {
  const row = serviceCode === null ? undefined : BY_CODE[serviceCode];
  return (
    row ??
    BY_STATUS[status] ?? {
      code: status >= 500 ? 'UNAVAILABLE' : 'INTERNAL',
      sentence: 'the service gave an answer Drover does not know',
    }
  );
}
