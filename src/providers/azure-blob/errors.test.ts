/** The table of errors, row by row, as the documentation of the service lists them. */
import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '../../model/errors.ts';
import { BY_CODE, BY_STATUS, errorRow } from './errors.ts';
import { refusal, retryAfterMs } from './refusal.ts';
import type { SignIn } from './credentials.ts';
import { parseSasToken } from './sas.ts';

const DOCUMENTED: readonly [number, string, ErrorCode][] = [
  [304, 'ConditionNotMet', 'CHANGED'],
  [400, 'InvalidHeaderValue', 'INTERNAL'],
  [400, 'InvalidQueryParameterValue', 'INTERNAL'],
  [400, 'InvalidUri', 'UNREPRESENTABLE'],
  [400, 'InvalidInput', 'INTERNAL'],
  [400, 'InvalidMd5', 'CORRUPTED'],
  [400, 'Md5Mismatch', 'CORRUPTED'],
  [400, 'Crc64Mismatch', 'CORRUPTED'],
  [400, 'InvalidMetadata', 'UNREPRESENTABLE'],
  [400, 'MetadataTooLarge', 'TOO_LARGE'],
  [400, 'EmptyMetadataKey', 'UNREPRESENTABLE'],
  [400, 'InvalidBlobOrBlock', 'ALREADY_EXISTS'],
  [400, 'InvalidBlockId', 'INTERNAL'],
  [400, 'InvalidBlockList', 'UPLOAD_LOST'],
  [400, 'BlockListTooLong', 'TOO_LARGE'],
  [400, 'OutOfRangeInput', 'UNREPRESENTABLE'],
  [400, 'OutOfRangeQueryParameterValue', 'INTERNAL'],
  [400, 'InvalidResourceName', 'UNREPRESENTABLE'],
  [400, 'MissingRequiredHeader', 'INTERNAL'],
  [400, 'UnsupportedHeader', 'INTERNAL'],
  [400, 'BothCrc64AndMd5HeaderPresent', 'INTERNAL'],
  [400, 'TagsTooLarge', 'TOO_LARGE'],
  [400, 'RequestUrlFailedToParse', 'UNREPRESENTABLE'],
  [400, 'InvalidXmlDocument', 'INTERNAL'],
  [401, 'NoAuthenticationInformation', 'UNAUTHENTICATED'],
  [401, 'InvalidAuthenticationInfo', 'UNAUTHENTICATED'],
  [403, 'AuthenticationFailed', 'UNAUTHENTICATED'],
  [403, 'AuthorizationFailure', 'PERMISSION_DENIED'],
  [403, 'AuthorizationPermissionMismatch', 'PERMISSION_DENIED'],
  [403, 'AuthorizationServiceMismatch', 'PERMISSION_DENIED'],
  [403, 'AuthorizationResourceTypeMismatch', 'PERMISSION_DENIED'],
  [403, 'AuthorizationProtocolMismatch', 'PERMISSION_DENIED'],
  [403, 'AuthorizationSourceIPMismatch', 'PERMISSION_DENIED'],
  [403, 'InsufficientAccountPermissions', 'PERMISSION_DENIED'],
  [403, 'AccountIsDisabled', 'UNAUTHENTICATED'],
  [403, 'UnauthorizedBlobOverwrite', 'PERMISSION_DENIED'],
  [403, 'KeyBasedAuthenticationNotPermitted', 'UNAUTHENTICATED'],
  [404, 'ResourceNotFound', 'NOT_FOUND'],
  [404, 'ContainerNotFound', 'PLACE_NOT_FOUND'],
  [404, 'BlobNotFound', 'NOT_FOUND'],
  [404, 'CannotVerifyCopySource', 'UNSUPPORTED'],
  [405, 'UnsupportedHttpVerb', 'INTERNAL'],
  [409, 'PublicAccessNotPermitted', 'PERMISSION_DENIED'],
  [411, 'MissingContentLengthHeader', 'INTERNAL'],
  [413, 'RequestBodyTooLarge', 'TOO_LARGE'],
  [416, 'InvalidRange', 'CHANGED'],
  [409, 'BlobAlreadyExists', 'CHANGED'],
  [409, 'ContainerAlreadyExists', 'ALREADY_EXISTS'],
  [409, 'ContainerBeingDeleted', 'UNAVAILABLE'],
  [409, 'ContainerDisabled', 'PERMISSION_DENIED'],
  [409, 'BlobArchived', 'ARCHIVED'],
  [409, 'BlobBeingRehydrated', 'ARCHIVED'],
  [409, 'BlobImmutableDueToPolicy', 'PERMISSION_DENIED'],
  [409, 'BlobImmutableDueToLegalHold', 'PERMISSION_DENIED'],
  [409, 'InvalidBlobType', 'UNSUPPORTED'],
  [409, 'BlockCountExceedsLimit', 'TOO_LARGE'],
  [409, 'LeaseAlreadyPresent', 'PERMISSION_DENIED'],
  [409, 'PendingCopyOperation', 'UNAVAILABLE'],
  [409, 'SnapshotsPresent', 'UNSUPPORTED'],
  [409, 'FeatureVersionMismatch', 'UNSUPPORTED'],
  [409, 'BlobOperationNotSupported', 'UNSUPPORTED'],
  [409, 'PathConflict', 'UNREPRESENTABLE'],
  [409, 'ResourceTypeMismatch', 'UNREPRESENTABLE'],
  [412, 'ConditionNotMet', 'CHANGED'],
  [412, 'SourceConditionNotMet', 'CHANGED'],
  [412, 'TargetConditionNotMet', 'CHANGED'],
  [412, 'LeaseIdMissing', 'PERMISSION_DENIED'],
  [412, 'LeaseIdMismatchWithBlobOperation', 'PERMISSION_DENIED'],
  [412, 'LeaseLost', 'PERMISSION_DENIED'],
  [412, 'LeaseNotPresentWithBlobOperation', 'PERMISSION_DENIED'],
  [429, 'TooManyRequests', 'THROTTLED'],
  [500, 'InternalError', 'UNAVAILABLE'],
  [500, 'OperationTimedOut', 'TIMED_OUT'],
  [501, 'APINotImplemented', 'UNSUPPORTED'],
  [503, 'ServerBusy', 'THROTTLED'],
];

const byKey: SignIn = {
  accountName: 'acme',
  origin: 'https://acme.blob.core.windows.net',
  basePath: '',
  credential: { kind: 'key', field: 'accountKey', accountKey: new Uint8Array(1) },
  authorization: 'account-key',
};
const sasToken = parseSasToken('sv=2023-11-03&sp=rl&sr=c&se=2026-01-01T00:00:00Z&sig=x');
if (sasToken === null) throw new Error('the signature must be one');
const bySas: SignIn = {
  ...byKey,
  credential: { kind: 'sas', field: 'sasToken', token: sasToken },
  authorization: 'sas',
};

const told = (status: number, serviceCode: string | null, headers: Record<string, string> = {}, text = '') => ({
  status,
  serviceCode,
  headers,
  text,
});
const BLOB = { container: 'c', blob: 'p/a', key: 'a' };

describe('the table', () => {
  test.each(DOCUMENTED)('%i %s is %s', (status, serviceCode, code) => {
    expect(errorRow(status, serviceCode).code).toBe(code);
    expect(BY_CODE[serviceCode]).toBeDefined();
  });

  test('every row makes a sentence', () => {
    for (const [name, row] of [...Object.entries(BY_CODE), ...Object.entries(BY_STATUS)]) {
      const error = refusal(told(400, name in BY_CODE ? name : null), BLOB, byKey, 0);
      expect(error.message, name).toMatch(/^Blob "a" in container "c": [a-z].+\)\./);
      expect(ERRORS[row.code]).toBeDefined();
    }
  });

  test.each([
    [404, 'NOT_FOUND'],
    [403, 'PERMISSION_DENIED'],
    [412, 'CHANGED'],
    [416, 'CHANGED'],
    [429, 'THROTTLED'],
    [503, 'THROTTLED'],
    [500, 'UNAVAILABLE'],
    [502, 'UNAVAILABLE'],
    [504, 'TIMED_OUT'],
    [599, 'UNAVAILABLE'],
    [418, 'INTERNAL'],
  ] as const)('a bare %i is %s', (status, code) => {
    expect(errorRow(status, null).code).toBe(code);
    expect(errorRow(status, 'SomethingNew').code).toBe(code);
  });
});

describe('a refusal', () => {
  test('names the blob, the code, the request, and never what was signed', () => {
    const text =
      '<Error><Code>AuthenticationFailed</Code><AuthenticationErrorDetail>string to sign: SECRET</AuthenticationErrorDetail></Error>';
    const error = refusal(told(403, 'AuthenticationFailed', { 'x-ms-request-id': 'r1' }, text), BLOB, byKey, 0);
    expect([error.code, error.field, error.key]).toEqual(['UNAUTHENTICATED', 'accountKey', 'a']);
    expect(error.details).toEqual({ status: 403, code: 'AuthenticationFailed', requestId: 'r1' });
    expect(error.message).not.toContain('SECRET');
  });

  test('of a signature whose time is over says when that was', () => {
    const error = refusal(told(403, 'AuthenticationFailed'), BLOB, bySas, Date.UTC(2026, 0, 2));
    expect([error.code, error.field]).toEqual(['CREDENTIALS_EXPIRED', 'sasToken']);
    expect(error.message).toContain('2026-01-01');
    expect(refusal(told(403, 'AuthenticationFailed'), BLOB, bySas, 0).code).toBe('UNAUTHENTICATED');
  });

  test('of a key is about the whole account, of a signature about one right', () => {
    expect(refusal(told(403, 'AuthorizationFailure'), BLOB, byKey, 0).code).toBe('UNAUTHENTICATED');
    expect(refusal(told(403, 'AuthorizationFailure'), BLOB, bySas, 0).code).toBe('PERMISSION_DENIED');
    // A mistyped key is more usual than a firewall, so it is named first.
    const { remedy } = refusal(told(403, 'AuthorizationFailure'), BLOB, byKey, 0);
    expect(remedy).toMatch(/account key.*Networking/);
    expect(refusal(told(403, 'AuthenticationFailed'), BLOB, byKey, 0).remedy).not.toContain('Networking');
  });

  test('without a blob is about the container', () => {
    expect(refusal(told(404, 'ResourceNotFound'), { container: 'c' }, byKey, 0)).toMatchObject({
      code: 'PLACE_NOT_FOUND',
      field: 'container',
    });
  });

  test.each([
    [{ 'retry-after': '7' }, 7000],
    [{ 'x-ms-retry-after-ms': '250', 'retry-after': '7' }, 250],
    [{ 'retry-after': new Date(90_000).toUTCString() }, 60_000],
    [{}, null],
    [{ 'retry-after': 'soon' }, null],
  ] as [Record<string, string>, number | null][])('waits as %j asks', (headers, delayMs) => {
    expect(retryAfterMs(headers, 30_000)).toBe(delayMs);
    expect(refusal(told(503, 'ServerBusy', headers), BLOB, byKey, 30_000).retryAfterMs).toBe(delayMs);
  });

  test('of a container that is being deleted waits half a minute', () => {
    expect(refusal(told(409, 'ContainerBeingDeleted'), BLOB, byKey, 0).retryAfterMs).toBe(30_000);
  });
});
