/** The plain shape of HTTP that every simulated service speaks: a request in, a response out, nothing in between. */

export interface SimRequest {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  /** Value of the `Host` header, with the port where there is one. */
  readonly host: string;
  /** Path and query exactly as on the wire. */
  readonly path: string;
  /** Lower-case names; values as single bytes per character (latin-1), as HTTP carries them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface SimResponse {
  readonly status: number;
  /** Lower-case names. `content-length` is there except for bodiless answers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: SimBody;
}

export interface SimBody {
  readonly sizeBytes: number;
  /** A fresh run through the bytes; every chunk belongs to whoever takes it. */
  chunks(): Iterable<Uint8Array>;
}

export interface SimService {
  handle(request: SimRequest): Promise<SimResponse>;
}

export const EMPTY_BODY: SimBody = { sizeBytes: 0, chunks: () => [] };

export function bytesBody(bytes: Uint8Array): SimBody {
  return { sizeBytes: bytes.length, chunks: () => (bytes.length === 0 ? [] : [Uint8Array.from(bytes)]) };
}

export function textBody(text: string): SimBody {
  return bytesBody(Buffer.from(text, 'utf8'));
}

/** All bytes of a response body in one piece. */
export function collect(body: SimBody): Buffer {
  return Buffer.concat([...body.chunks()]);
}

export interface Target {
  readonly rawPath: string;
  /** Raw query without the question mark. */
  readonly rawQuery: string;
  readonly query: Query;
}

/** Decoded query parameters, in order of appearance. */
export class Query {
  readonly entries: readonly (readonly [string, string])[];

  constructor(entries: readonly (readonly [string, string])[]) {
    this.entries = entries;
  }

  get(name: string): string | null {
    return this.entries.find(([n]) => n === name)?.[1] ?? null;
  }

  has(name: string): boolean {
    return this.entries.some(([n]) => n === name);
  }
}

/** Splits a request target; `null` when a percent escape or the UTF-8 in it is broken. */
export function parseTarget(path: string): Target | null {
  const mark = path.indexOf('?');
  const rawPath = mark < 0 ? path : path.slice(0, mark);
  const rawQuery = mark < 0 ? '' : path.slice(mark + 1);
  const entries: [string, string][] = [];
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeForm(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : decodeForm(pair.slice(equals + 1));
    if (name === null || value === null) return null;
    entries.push([name, value]);
  }
  return { rawPath, rawQuery, query: new Query(entries) };
}

/** Percent decoding alone; `null` for what is not valid. */
export function decodePercent(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** Percent decoding with `+` for space, as query strings and forms are read. */
export function decodeForm(text: string): string | null {
  return decodePercent(text.replaceAll('+', ' '));
}

/** Everything but letters, digits and `-._~` escaped, upper-case hex. */
export function encodeStrict(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** An RFC 1123 date, or `null`. */
export function parseHttpDate(text: string): number | null {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

/** The one range of a `bytes=` header: `null` when there is none to honour, `unsatisfiable` when past the end. */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): { offset: number; lengthBytes: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return null;
  if (match[1] === '') {
    const lengthBytes = Math.min(Number(match[2]), sizeBytes);
    return lengthBytes === 0 ? 'unsatisfiable' : { offset: sizeBytes - lengthBytes, lengthBytes };
  }
  const offset = Number(match[1]);
  const last = match[2] === '' ? sizeBytes - 1 : Math.min(Number(match[2]), sizeBytes - 1);
  if (match[2] !== '' && Number(match[2]) < offset) return null;
  if (offset >= sizeBytes) return 'unsatisfiable';
  return { offset, lengthBytes: last - offset + 1 };
}
