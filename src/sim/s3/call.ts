/** One authenticated request on its way through the simulated S3. */

import type { Query, SimBody, SimRequest, SimResponse } from '../http.ts';
import { EMPTY_BODY, textBody } from '../http.ts';
import type { XmlNode } from '../xml.ts';
import { parse } from '../xml.ts';
import type { Signer } from './auth.ts';
import { S3Error, accessDenied } from './error.ts';
import { demand, mayDo } from './permission.ts';
import type { Bucket, Identity, S3World } from './state.ts';

export interface Call {
  readonly world: S3World;
  readonly request: SimRequest;
  readonly query: Query;
  /** Lower-case names, with the `x-amz-*` parameters of a presigned address folded in. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signer: Signer | null;
  readonly identity: Identity | null;
  /** Region of the endpoint that was addressed. */
  readonly region: string;
  /** The content without any framing. */
  readonly body: Uint8Array;
  readonly trailers: Readonly<Record<string, string>>;
}

export interface BucketCall extends Call {
  readonly bucket: Bucket;
}

export interface ObjectCall extends BucketCall {
  readonly key: string;
}

export const S3_XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

export function xmlResponse(xml: string, headers: Record<string, string> = {}): SimResponse {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, body: textBody(xml) };
}

export function emptyResponse(status: number, headers: Record<string, string> = {}): SimResponse {
  return { status, headers, body: EMPTY_BODY };
}

export function bodyResponse(status: number, headers: Record<string, string>, body: SimBody): SimResponse {
  return { status, headers, body };
}

export function bodyXml(call: Call, root: string): XmlNode {
  const node = parse(Buffer.from(call.body).toString('utf8'));
  if (node === null || node.name !== root) {
    throw new S3Error(
      'MalformedXML',
      'The XML you provided was not well-formed or did not validate against our published schema',
    );
  }
  return node;
}

/** The call must be allowed on this bucket, by policy, expected owner and payer. */
export function permit(call: BucketCall, action: string, name = ''): void {
  permitOn(call, call.bucket, action, name);
}

export function permitOn(call: Call, bucket: Bucket, action: string, name: string): void {
  const expected = call.headers['x-amz-expected-bucket-owner'];
  if (expected !== undefined && expected !== bucket.ownerId) throw accessDenied();
  demand(call.identity, bucket, action, name);
  const foreign = call.identity?.accountId !== bucket.ownerId;
  if (bucket.requesterPays && foreign && call.headers['x-amz-request-payer'] !== 'requester') {
    throw accessDenied('Requester Pays buckets require the x-amz-request-payer header.');
  }
}

/** A missing key is NoSuchKey only for those who may list; others are told nothing. */
export function missingKey(call: ObjectCall, headers: Record<string, string> = {}): S3Error {
  if (!mayDo(call.identity, call.bucket, 's3:ListBucket', call.key)) return accessDenied();
  return new S3Error('NoSuchKey', 'The specified key does not exist.', { fields: { Key: call.key }, headers });
}

export function requestCharged(call: BucketCall): Record<string, string> {
  const charged = call.bucket.requesterPays && call.headers['x-amz-request-payer'] === 'requester';
  return charged ? { 'x-amz-request-charged': 'requester' } : {};
}

export function versionHeader(bucket: Bucket, versionId: string): Record<string, string> {
  return bucket.versioning === 'off' ? {} : { 'x-amz-version-id': versionId };
}

/** How ETags compare in conditions: AWS has them quoted, RGW 16 only knows them bare. */
export function etagMatches(call: Call, header: string, etag: string): boolean {
  return header.split(',').some((candidate) => {
    const text = candidate.trim();
    if (text === '*') return true;
    return text === (call.world.dialect === 'rgw' ? etag : `"${etag}"`);
  });
}

/** A whole number from a query parameter. */
export function numberParameter(call: Call, name: string, fallback: number, max: number): number {
  const text = call.query.get(name);
  if (text === null || text === '') return fallback;
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2_147_483_647) {
    throw new S3Error('InvalidArgument', `Provided ${name} not an integer or within integer range`, {
      fields: { ArgumentName: name, ArgumentValue: text },
    });
  }
  return Math.min(Number(text), max);
}

export function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}.000Z`;
}

/** Names in listings under `encoding-type=url`: like a Java form encoder, with the slash left alone. */
export function listEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/')
    .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
