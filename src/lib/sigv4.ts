/**
 * AWS Signature Version 4 for services that sign the path as it is sent: encoded once, never normalised.
 * S3, its compatibles and the query protocol of STS all work with it.
 */
import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';

export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Temporary credentials only. */
  readonly sessionToken: string | null;
}

/** Region and signing name (`s3`, `sts`). */
export interface SigningScope {
  readonly region: string;
  readonly service: string;
}

export interface SignableRequest {
  readonly method: string;
  /** Host with port, as the `host` header will have it. */
  readonly host: string;
  /** Encoded path without query, starting with `/`. */
  readonly path: string;
  /** Encoded and sorted: what `canonicalQuery` returns; it must also be what is sent. */
  readonly query: string;
  /** Lower-case names. `host`, `content-md5`, `content-type` and all `x-amz-*` get signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** Hex SHA-256 of the body, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
}

export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const ALGORITHM = 'AWS4-HMAC-SHA256';

const SAFE_PATH = /^[A-Za-z0-9\-._~/]*$/;
const SAFE_VALUE = /^[A-Za-z0-9\-._~]*$/;
const ESCAPES: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
);

/** RFC 3986 encoding of a path: `/` stays, everything but unreserved characters is escaped. Bytes are taken as they are. */
export function encodePath(path: string | Uint8Array): string {
  if (typeof path === 'string' && SAFE_PATH.test(path)) return path;
  return escapeBytes(typeof path === 'string' ? Buffer.from(path, 'utf8') : path, true);
}

/** RFC 3986 encoding of a query name or value: `/` is escaped too. */
export function encodeValue(value: string | Uint8Array): string {
  if (typeof value === 'string' && SAFE_VALUE.test(value)) return value;
  return escapeBytes(typeof value === 'string' ? Buffer.from(value, 'utf8') : value, false);
}

export type QueryValue = string | Uint8Array;

/** Encoded and sorted query string; the same text is signed and sent. */
export function canonicalQuery(parameters: readonly (readonly [string, QueryValue])[]): string {
  if (parameters.length === 0) return '';
  const encoded = parameters.map(([name, value]) => [encodeValue(name), encodeValue(value)] as const);
  encoded.sort((a, b) => compareAscii(a[0], b[0]) || compareAscii(a[1], b[1]));
  return encoded.map(([name, value]) => `${name}=${value}`).join('&');
}

/** Keeps the derived key of one day, so that a request costs two hashes. Holds secrets: never log one. */
export class Signer {
  readonly #keys: SigningKeys;
  readonly #scope: SigningScope;
  #day = '';
  #key: KeyObject | null = null;

  constructor(keys: SigningKeys, scope: SigningScope) {
    this.#keys = keys;
    this.#scope = scope;
  }

  /** The request's headers with `authorization`, `x-amz-date`, `x-amz-content-sha256` and the session token added. */
  sign(request: SignableRequest, atMs: number): Record<string, string> {
    const stamp = amzDate(atMs);
    const headers: Record<string, string> = {
      ...request.headers,
      'x-amz-content-sha256': request.payloadHash,
      'x-amz-date': stamp,
    };
    if (this.#keys.sessionToken !== null) headers['x-amz-security-token'] = this.#keys.sessionToken;
    const { text, names } = canonicalHeaders(headers, request.host);
    const canonical = `${request.method}\n${request.path}\n${request.query}\n${text}\n${names}\n${request.payloadHash}`;
    const signature = this.#signature(canonical, stamp);
    const credential = `${this.#keys.accessKeyId}/${this.#scopeText(stamp)}`;
    headers['authorization'] = `${ALGORITHM} Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`;
    return headers;
  }

  /** The query of a URL that carries its own signature; only `host` is signed, so any client may send it. */
  presign(
    request: { method: string; host: string; path: string; query: readonly (readonly [string, QueryValue])[] },
    atMs: number,
    lifetimeSeconds: number,
  ): string {
    const stamp = amzDate(atMs);
    const parameters: (readonly [string, QueryValue])[] = [
      ...request.query,
      ['X-Amz-Algorithm', ALGORITHM],
      ['X-Amz-Credential', `${this.#keys.accessKeyId}/${this.#scopeText(stamp)}`],
      ['X-Amz-Date', stamp],
      ['X-Amz-Expires', String(lifetimeSeconds)],
      ['X-Amz-SignedHeaders', 'host'],
    ];
    if (this.#keys.sessionToken !== null) parameters.push(['X-Amz-Security-Token', this.#keys.sessionToken]);
    const query = canonicalQuery(parameters);
    const canonical = `${request.method}\n${request.path}\n${query}\nhost:${request.host}\n\nhost\n${UNSIGNED_PAYLOAD}`;
    return `${query}&X-Amz-Signature=${this.#signature(canonical, stamp)}`;
  }

  #scopeText(stamp: string): string {
    return `${stamp.slice(0, 8)}/${this.#scope.region}/${this.#scope.service}/aws4_request`;
  }

  #signature(canonical: string, stamp: string): string {
    const text = `${ALGORITHM}\n${stamp}\n${this.#scopeText(stamp)}\n${sha256Hex(canonical)}`;
    return createHmac('sha256', this.#keyOf(stamp.slice(0, 8)))
      .update(text)
      .digest('hex');
  }

  /** Kept as a key object: making one of a buffer costs five times the signature itself. */
  #keyOf(day: string): KeyObject {
    if (this.#key === null || day !== this.#day) {
      const date = hmac(`AWS4${this.#keys.secretAccessKey}`, day);
      const key = hmac(hmac(hmac(date, this.#scope.region), this.#scope.service), 'aws4_request');
      this.#key = createSecretKey(key);
      this.#day = day;
    }
    return this.#key;
  }
}

export function sha256Hex(content: string | Uint8Array): string {
  return hash('sha256', content, 'hex');
}

/** `20130524T000000Z`. */
export function amzDate(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

function canonicalHeaders(headers: Readonly<Record<string, string>>, host: string): { text: string; names: string } {
  const names = Object.keys(headers).filter(isSigned);
  names.push('host');
  names.sort(compareAscii);
  let text = '';
  for (const name of names) {
    const value = name === 'host' ? host : (headers[name] as string);
    const trimmed = value.trim();
    text += `${name}:${trimmed.includes('  ') ? trimmed.replaceAll(/ +/g, ' ') : trimmed}\n`;
  }
  return { text, names: names.join(';') };
}

function isSigned(name: string): boolean {
  return name.startsWith('x-amz-') || name === 'content-md5' || name === 'content-type';
}

function escapeBytes(bytes: Uint8Array, keepSlash: boolean): string {
  const safe = keepSlash ? SAFE_PATH : SAFE_VALUE;
  let encoded = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    encoded += byte < 0x80 && safe.test(character) ? character : (ESCAPES[byte] as string);
  }
  return encoded;
}

function compareAscii(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
