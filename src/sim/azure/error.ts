/** Refusals of the simulated Azure Blob service. */

import type { SimResponse } from '../http.ts';
import { EMPTY_BODY, textBody } from '../http.ts';
import { document, leaf } from '../xml.ts';

const STATUS = {
  AuthenticationFailed: 403,
  AuthorizationFailure: 403,
  AuthorizationPermissionMismatch: 403,
  AuthorizationProtocolMismatch: 403,
  AuthorizationResourceTypeMismatch: 403,
  AuthorizationServiceMismatch: 403,
  BlobAlreadyExists: 409,
  BlobArchived: 409,
  BlobBeingRehydrated: 409,
  BlobNotFound: 404,
  BlobOperationNotSupported: 409,
  BlockCountExceedsLimit: 409,
  BlockListTooLong: 400,
  BothCrc64AndMd5HeaderPresent: 400,
  CannotVerifyCopySource: 404,
  ConditionNotMet: 412,
  ContainerAlreadyExists: 409,
  ContainerBeingDeleted: 409,
  ContainerNotFound: 404,
  Crc64Mismatch: 400,
  DirectoryIsNotEmpty: 409,
  EmptyMetadataKey: 400,
  InvalidAuthenticationInfo: 401,
  InvalidBlobOrBlock: 400,
  InvalidBlobTier: 400,
  InvalidBlockList: 400,
  InvalidHeaderValue: 400,
  InvalidInput: 400,
  InvalidMd5: 400,
  InvalidMetadata: 400,
  InvalidQueryParameterValue: 400,
  InvalidRange: 416,
  InvalidResourceName: 400,
  InvalidUri: 400,
  InvalidXmlDocument: 400,
  LeaseAlreadyPresent: 409,
  LeaseIdMismatchWithBlobOperation: 412,
  LeaseIdMismatchWithLeaseOperation: 409,
  LeaseIdMissing: 412,
  LeaseNotPresentWithBlobOperation: 412,
  LeaseNotPresentWithLeaseOperation: 409,
  Md5Mismatch: 400,
  MetadataTooLarge: 400,
  MissingRequiredHeader: 400,
  MissingRequiredQueryParameter: 400,
  NoAuthenticationInformation: 401,
  OutOfRangeInput: 400,
  OutOfRangeQueryParameterValue: 400,
  PathConflict: 409,
  RequestBodyTooLarge: 413,
  ResourceTypeMismatch: 409,
  ServerBusy: 503,
  SourceConditionNotMet: 412,
  TagsTooLarge: 400,
  UnsupportedHeader: 400,
  UnsupportedHttpVerb: 405,
} as const;

export type AzureCode = keyof typeof STATUS;

export class AzureError extends Error {
  readonly code: AzureCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly detail: string | null;

  constructor(
    code: AzureCode,
    message: string,
    extra: { status?: number; headers?: Record<string, string>; detail?: string } = {},
  ) {
    super(message);
    this.code = code;
    this.status = extra.status ?? STATUS[code];
    this.headers = extra.headers ?? {};
    this.detail = extra.detail ?? null;
  }
}

export function azureErrorResponse(error: AzureError, method: string, requestId: string): SimResponse {
  const headers = { 'x-ms-error-code': error.code, ...error.headers };
  if (method === 'HEAD' || error.status === 304) return { status: error.status, headers, body: EMPTY_BODY };
  const xml = document(
    'Error',
    leaf('Code', error.code),
    leaf('Message', `${error.message}\nRequestId:${requestId}`),
    error.detail === null ? '' : leaf('AuthenticationErrorDetail', error.detail),
  );
  return { status: error.status, headers: { 'content-type': 'application/xml', ...headers }, body: textBody(xml) };
}
