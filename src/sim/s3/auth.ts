/** Signature Version 4 as the documentation describes it for the receiving side: headers, query, and chunks. */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { SimRequest, Target } from '../http.ts';
import { decodePercent, encodeStrict } from '../http.ts';
import { S3Error, accessDenied } from './error.ts';
import type { Identity, S3World } from './state.ts';

export interface Signer {
  readonly identity: Identity;
  /** Region of the credential scope. */
  readonly region: string;
  readonly service: string;
  /** Key and first signature of signed chunks; `null` for query signatures. */
  readonly chunks: {
    readonly signingKey: Buffer;
    readonly seed: string;
    readonly date: string;
    readonly scope: string;
  } | null;
  readonly payloadHash: string;
}

const SKEW_MS = 15 * 60 * 1000;

/** Who sends this: `null` when nobody signed. Throws what the service answers to a bad signature. */
export function authenticate(world: S3World, request: SimRequest, target: Target): Signer | null {
  const header = request.headers['authorization'];
  const inQuery = target.query.has('X-Amz-Algorithm') || target.query.has('X-Amz-Signature');
  if (header !== undefined && inQuery) {
    throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed');
  }
  if (header !== undefined) return byHeader(world, request, target, header);
  return inQuery ? byQuery(world, request, target) : null;
}

function byHeader(world: S3World, request: SimRequest, target: Target, header: string): Signer {
  const match = /^AWS4-HMAC-SHA256 +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]+)$/.exec(
    header,
  );
  if (match === null) {
    throw new S3Error('AuthorizationHeaderMalformed', 'The authorization header is malformed.');
  }
  const scope = parseScope(match[1]!, 'AuthorizationHeaderMalformed');
  const date = request.headers['x-amz-date'] ?? '';
  const signedAtMs = parseAmzDate(date);
  if (signedAtMs === null || !date.startsWith(scope.day)) {
    throw accessDenied('AWS authentication requires a valid Date or x-amz-date header');
  }
  const payloadHash = request.headers['x-amz-content-sha256'];
  if (payloadHash === undefined && scope.service === 's3') {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  const secret = lookUp(world, scope.accessKeyId, request.headers['x-amz-security-token'], scope.service);
  if (Math.abs(world.nowMs() - signedAtMs) > SKEW_MS) {
    throw new S3Error(
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      {
        fields: {
          RequestTime: date,
          ServerTime: new Date(world.nowMs()).toISOString().replace(/\.\d+/, ''),
          MaxAllowedSkewMilliseconds: String(SKEW_MS),
        },
      },
    );
  }
  const signedHeaders = match[2]!;
  requireSigned(request, signedHeaders);
  const bodyHash = payloadHash ?? sha256(request.body);
  const signingKey = deriveKey(secret.secretAccessKey, scope);
  compare(request, target, { signedHeaders, payloadHash: bodyHash, date, scope, signingKey, signature: match[3]! });
  if (/^[0-9a-f]{64}$/.test(bodyHash) && bodyHash !== sha256(request.body)) {
    throw new S3Error(
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  }
  return {
    identity: secret.identity,
    region: scope.region,
    service: scope.service,
    chunks: { signingKey, seed: match[3]!, date, scope: scope.text },
    payloadHash: bodyHash,
  };
}

function byQuery(world: S3World, request: SimRequest, target: Target): Signer {
  const get = (name: string): string => {
    const value = target.query.get(name);
    if (value === null) {
      throw new S3Error(
        'AuthorizationQueryParametersError',
        'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
      );
    }
    return value;
  };
  const faulty = (message: string): S3Error => new S3Error('AuthorizationQueryParametersError', message);
  if (get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') throw faulty('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"');
  const scope = parseScope(get('X-Amz-Credential'), 'AuthorizationQueryParametersError');
  const date = get('X-Amz-Date');
  const signedAtMs = parseAmzDate(date);
  if (signedAtMs === null || !date.startsWith(scope.day)) {
    throw faulty("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  }
  const expires = Number(get('X-Amz-Expires'));
  if (!Number.isInteger(expires) || expires < 1) throw faulty('X-Amz-Expires should be a positive number');
  if (expires > 604_800)
    throw faulty(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    );
  const token = target.query.get('X-Amz-Security-Token') ?? undefined;
  const secret = lookUp(world, scope.accessKeyId, token, scope.service);
  if (signedAtMs - world.nowMs() > SKEW_MS) throw accessDenied('Request is not yet valid');
  if (world.nowMs() > signedAtMs + expires * 1000) throw accessDenied('Request has expired');
  const signedHeaders = get('X-Amz-SignedHeaders');
  requireSigned(request, signedHeaders);
  const payloadHash =
    request.headers['x-amz-content-sha256'] ?? target.query.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD';
  const signingKey = deriveKey(secret.secretAccessKey, scope);
  compare(request, target, { signedHeaders, payloadHash, date, scope, signingKey, signature: get('X-Amz-Signature') });
  return { identity: secret.identity, region: scope.region, service: scope.service, chunks: null, payloadHash };
}

interface Scope {
  readonly accessKeyId: string;
  readonly day: string;
  readonly region: string;
  readonly service: string;
  readonly text: string;
}

function parseScope(text: string, code: 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError'): Scope {
  const parts = text.split('/');
  const [accessKeyId, day, region, service, end] = parts;
  if (
    parts.length !== 5 ||
    end !== 'aws4_request' ||
    !/^\d{8}$/.test(day!) ||
    !/^(s3|sts|organizations)$/.test(service!)
  ) {
    throw new S3Error(
      code,
      'The credential is malformed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    );
  }
  return { accessKeyId: accessKeyId!, day: day!, region: region!, service: service!, text: parts.slice(1).join('/') };
}

function lookUp(
  world: S3World,
  accessKeyId: string,
  token: string | undefined,
  service: string,
): { secretAccessKey: string; identity: Identity } {
  const user = world.users.get(accessKeyId);
  if (user !== undefined) {
    if (token !== undefined) throw new S3Error('InvalidToken', 'The provided token is malformed or otherwise invalid.');
    return user;
  }
  const session = world.sessions.get(accessKeyId);
  if (session === undefined || token === undefined) {
    if (service === 'sts')
      throw new S3Error('InvalidClientTokenId', 'The security token included in the request is invalid.');
    throw new S3Error('InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.', {
      fields: { AWSAccessKeyId: accessKeyId },
    });
  }
  if (session.sessionToken !== token) {
    throw new S3Error('InvalidToken', 'The provided token is malformed or otherwise invalid.', {
      fields: { 'Token-0': token },
    });
  }
  if (world.nowMs() >= session.expiresAtMs) {
    throw new S3Error('ExpiredToken', 'The provided token has expired.', { fields: { 'Token-0': token } });
  }
  return session;
}

/** `host` and every `x-amz-*` header must be covered, or they could be changed on the way. */
function requireSigned(request: SimRequest, signedHeaders: string): void {
  const names = signedHeaders.split(';');
  const sorted = [...names].sort();
  const ordered = names.every((name, i) => name === sorted[i] && name === name.toLowerCase());
  const missing = ['host', ...Object.keys(request.headers).filter((name) => name.startsWith('x-amz-'))].filter(
    (name) => !names.includes(name),
  );
  if (!ordered) throw new S3Error('SignatureDoesNotMatch', 'The signed headers are not sorted lower-case names.');
  if (missing.length > 0) {
    throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed', {
      fields: { HeadersNotSigned: missing.join(', ') },
    });
  }
}

interface Claim {
  readonly signedHeaders: string;
  readonly payloadHash: string;
  readonly date: string;
  readonly scope: Scope;
  readonly signingKey: Buffer;
  readonly signature: string;
}

function compare(request: SimRequest, target: Target, claim: Claim): void {
  // Both readings of "trim" are accepted: with runs of spaces inside a value folded, and without.
  for (const fold of [true, false]) {
    const canonical = canonicalRequest(request, target, claim, fold);
    const toSign = ['AWS4-HMAC-SHA256', claim.date, claim.scope.text, sha256(Buffer.from(canonical, 'latin1'))].join(
      '\n',
    );
    if (sameText(hmac(claim.signingKey, toSign).toString('hex'), claim.signature)) return;
  }
  throw new S3Error(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    {
      fields: {
        AWSAccessKeyId: claim.scope.accessKeyId,
        SignatureProvided: claim.signature,
        CanonicalRequest: canonicalRequest(request, target, claim, true),
      },
    },
  );
}

function canonicalRequest(request: SimRequest, target: Target, claim: Claim, fold: boolean): string {
  const path = decodePercent(target.rawPath);
  if (path === null) throw new S3Error('InvalidURI', "Couldn't parse the specified URI.");
  const query = target.query.entries
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encodeStrict(name)}=${encodeStrict(value)}`)
    .sort(byEncodedPair);
  const headers = claim.signedHeaders.split(';').map((name) => {
    const value = (name === 'host' ? request.host : (request.headers[name] ?? '')).trim();
    return `${name}:${fold ? value.replace(/ +/g, ' ') : value}\n`;
  });
  return [
    request.method,
    path.split('/').map(encodeStrict).join('/'),
    query.join('&'),
    headers.join(''),
    claim.signedHeaders,
    claim.payloadHash,
  ].join('\n');
}

/** By name first: `a=1` sorts before `a-b=1` although `-` is less than `=`. */
function byEncodedPair(a: string, b: string): number {
  const [nameA, valueA] = [a.slice(0, a.indexOf('=')), a.slice(a.indexOf('='))];
  const [nameB, valueB] = [b.slice(0, b.indexOf('=')), b.slice(b.indexOf('='))];
  if (nameA !== nameB) return nameA < nameB ? -1 : 1;
  return valueA < valueB ? -1 : valueA > valueB ? 1 : 0;
}

function deriveKey(secret: string, scope: Scope): Buffer {
  return [scope.day, scope.region, scope.service, 'aws4_request'].reduce<Buffer>(
    (key, step) => hmac(key, step),
    Buffer.from(`AWS4${secret}`, 'utf8'),
  );
}

export function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest();
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

export function parseAmzDate(text: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!);
}
