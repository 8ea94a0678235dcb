/** Shared Key authorization: the account key signs every request. */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

export interface SignableRequest {
  readonly method: string;
  /** Path as it goes on the wire, without the query. */
  readonly path: string;
  /** Decoded query values by name. */
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body; 0 when there is none. */
  readonly bodyBytes: number;
}

/** The value of the `authorization` header. */
export function sharedKeyAuthorization(accountName: string, accountKey: Uint8Array, request: SignableRequest): string {
  return `SharedKey ${accountName}:${hmacBase64(accountKey, stringToSign(accountName, request))}`;
}

export function stringToSign(accountName: string, request: SignableRequest): string {
  const header = (name: string) => request.headers[name] ?? '';
  const lines = [
    request.method.toUpperCase(),
    header('content-encoding'),
    header('content-language'),
    request.bodyBytes === 0 ? '' : String(request.bodyBytes),
    header('content-md5'),
    header('content-type'),
    // The time is always in x-ms-date.
    '',
    header('if-modified-since'),
    header('if-match'),
    header('if-none-match'),
    header('if-unmodified-since'),
    header('range'),
  ];
  return `${lines.join('\n')}\n${canonicalHeaders(request.headers)}${canonicalResource(accountName, request)}`;
}

/** Key objects of accounts: making one of bytes costs five times the signature itself. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();

export function hmacBase64(key: Uint8Array, text: string): string {
  let object = keyObjects.get(key);
  if (object === undefined) {
    object = createSecretKey(key);
    keyObjects.set(key, object);
  }
  return createHmac('sha256', object).update(text, 'utf8').digest('base64');
}

function canonicalHeaders(headers: Readonly<Record<string, string>>): string {
  const names = Object.keys(headers).filter((name) => name.startsWith('x-ms-'));
  return names
    .toSorted(compareHeaderNames)
    .map((name) => `${name}:${(headers[name] as string).trim().replace(/\s+/g, ' ')}\n`)
    .join('');
}

function canonicalResource(accountName: string, request: SignableRequest): string {
  const byName = new Map<string, string>();
  for (const [name, value] of Object.entries(request.query)) byName.set(name.toLowerCase(), value);
  const lines = [...byName.keys()].toSorted().map((name) => `\n${name}:${byName.get(name)}`);
  return `/${accountName}${request.path}${lines.join('')}`;
}

/** The service sorts by a table in which `_` stands before the digits, and those before the letters. */
export function compareHeaderNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = weight(a.charCodeAt(i)) - weight(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function weight(unit: number): number {
  if (unit === 0x2d) return 0;
  return unit === 0x5f ? 1 : unit;
}
