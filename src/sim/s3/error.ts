/** Refusals of the simulated S3 and STS, with the status that the documentation gives each code. */

import { branch, document, leaf } from '../xml.ts';
import type { SimResponse } from '../http.ts';
import { EMPTY_BODY, textBody } from '../http.ts';

const STATUS = {
  AWSOrganizationsNotInUseException: 400,
  AccessDenied: 403,
  AccessDeniedException: 400,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  BucketAlreadyExists: 409,
  BucketAlreadyOwnedByYou: 409,
  BucketNotEmpty: 409,
  ConditionalRequestConflict: 409,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  ExpiredToken: 400,
  ExpiredTokenException: 400,
  GlacierExpeditedRetrievalNotAvailable: 503,
  IllegalLocationConstraintException: 400,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidAction: 400,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidClientTokenId: 403,
  InvalidDigest: 400,
  InvalidIdentityToken: 400,
  InvalidObjectState: 403,
  InvalidPart: 400,
  InvalidPartNumber: 416,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidStorageClass: 400,
  InvalidSignatureException: 400,
  InvalidTag: 400,
  InvalidToken: 400,
  InvalidURI: 400,
  KeyTooLongError: 400,
  MalformedPolicyDocument: 400,
  MalformedXML: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingAuthenticationTokenException: 400,
  MissingContentLength: 411,
  MissingSecurityHeader: 400,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NotImplemented: 501,
  NotModified: 304,
  ObjectNotInActiveTierError: 403,
  PermanentRedirect: 301,
  PreconditionFailed: 412,
  RequestTimeTooSkewed: 403,
  RestoreAlreadyInProgress: 409,
  SignatureDoesNotMatch: 403,
  TemporaryRedirect: 307,
  UnknownOperationException: 400,
  ValidationError: 400,
  XAmzContentChecksumMismatch: 400,
  XAmzContentSHA256Mismatch: 400,
} as const;

export type S3Code = keyof typeof STATUS;

export class S3Error extends Error {
  readonly code: S3Code;
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: S3Code,
    message: string,
    extra: { fields?: Record<string, string>; headers?: Record<string, string>; status?: number } = {},
  ) {
    super(message);
    this.code = code;
    this.status = extra.status ?? STATUS[code];
    this.fields = extra.fields ?? {};
    this.headers = extra.headers ?? {};
  }
}

export function accessDenied(message = 'Access Denied'): S3Error {
  return new S3Error('AccessDenied', message);
}

export interface AnswerIds {
  readonly requestId: string;
  readonly hostId: string;
}

export function s3ErrorXml(error: S3Error, resource: string, ids: AnswerIds): string {
  return document(
    'Error',
    leaf('Code', error.code),
    leaf('Message', error.message),
    Object.entries(error.fields).map(([name, value]) => leaf(name, value)),
    leaf('Resource', resource),
    leaf('RequestId', ids.requestId),
    leaf('HostId', ids.hostId),
  );
}

/** HEAD and 304 answers carry no body, so that a client sees the status alone. */
export function s3ErrorResponse(error: S3Error, method: string, resource: string, ids: AnswerIds): SimResponse {
  const bare = method === 'HEAD' || error.status === 304;
  return {
    status: error.status,
    headers: { ...(bare ? {} : { 'content-type': 'application/xml' }), ...error.headers },
    body: bare ? EMPTY_BODY : textBody(s3ErrorXml(error, resource, ids)),
  };
}

export function stsErrorResponse(error: S3Error, ids: AnswerIds): SimResponse {
  const status = error.code === 'ExpiredToken' ? 403 : error.status;
  const xml = branch(
    'ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"',
    branch('Error', leaf('Type', 'Sender'), leaf('Code', error.code), leaf('Message', error.message)),
    leaf('RequestId', ids.requestId),
  );
  return { status, headers: { 'content-type': 'text/xml', ...error.headers }, body: textBody(xml) };
}
