/** Signers of the tests of the simulated services: written apart from the product's own and from the services'. */

import { createHash, createHmac } from 'node:crypto';
import type { SimRequest } from './http.ts';

const sha = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const mac = (key: string | Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest();
const enc = (text: string): string =>
  [...Buffer.from(text)]
    .map((b) =>
      /[A-Za-z0-9._~-]/.test(String.fromCharCode(b))
        ? String.fromCharCode(b)
        : `%${b.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');

export interface AwsSignature {
  readonly id: string;
  readonly secret: string;
  readonly token?: string;
  readonly region?: string;
  readonly service?: string;
  readonly nowMs: number;
}

export interface AwsRequest {
  readonly method: string;
  readonly host?: string;
  /** Decoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

function stamp(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '');
}

function signature(by: AwsSignature, canonical: string): string {
  const date = stamp(by.nowMs);
  const scope = `${date.slice(0, 8)}/${by.region ?? 'us-east-1'}/${by.service ?? 's3'}/aws4_request`;
  const key = scope.split('/').reduce<Uint8Array>((k, step) => mac(k, step), Buffer.from(`AWS4${by.secret}`));
  return mac(key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha(Buffer.from(canonical, 'latin1'))}`).toString('hex');
}

function queryText(query: Readonly<Record<string, string>>): string {
  return Object.keys(query)
    .toSorted()
    .map((name) => `${enc(name)}=${enc(query[name]!)}`)
    .join('&');
}

export function awsSigned(by: AwsSignature, want: AwsRequest): SimRequest {
  const body = typeof want.body === 'string' ? Buffer.from(want.body) : (want.body ?? new Uint8Array(0));
  const host = want.host ?? 'sim.test';
  const headers: Record<string, string> = {
    'x-amz-content-sha256': sha(body),
    ...want.headers,
    'x-amz-date': stamp(by.nowMs),
    ...(by.token === undefined ? {} : { 'x-amz-security-token': by.token }),
  };
  const all: Record<string, string> = { ...headers, host };
  const names = Object.keys(all).toSorted();
  const path = want.path.split('/').map(enc).join('/');
  const query = queryText(want.query ?? {});
  const canonical = [
    want.method,
    path,
    query,
    ...names.map((n) => `${n}:${all[n]!.trim()}`),
    '',
    names.join(';'),
    headers['x-amz-content-sha256'],
  ].join('\n');
  const scope = `${stamp(by.nowMs).slice(0, 8)}/${by.region ?? 'us-east-1'}/${by.service ?? 's3'}/aws4_request`;
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${by.id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature(by, canonical)}`;
  return { method: want.method, scheme: 'https', host, path: query === '' ? path : `${path}?${query}`, headers, body };
}

/** Path and query of an address that anybody can GET for a while. */
export function awsPresigned(
  by: AwsSignature,
  host: string,
  path: string,
  seconds: number,
  extra: Readonly<Record<string, string>> = {},
): string {
  const scope = `${stamp(by.nowMs).slice(0, 8)}/${by.region ?? 'us-east-1'}/s3/aws4_request`;
  const query = queryText({
    ...extra,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${by.id}/${scope}`,
    'X-Amz-Date': stamp(by.nowMs),
    'X-Amz-Expires': String(seconds),
    'X-Amz-SignedHeaders': 'host',
    ...(by.token === undefined ? {} : { 'X-Amz-Security-Token': by.token }),
  });
  const encoded = path.split('/').map(enc).join('/');
  const canonical = ['GET', encoded, query, `host:${host}`, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n');
  return `${encoded}?${query}&X-Amz-Signature=${signature(by, canonical)}`;
}

export interface AzureSignature {
  readonly account: string;
  /** Base64. */
  readonly key: string;
  readonly nowMs: number;
}

export function azureSigned(by: AzureSignature, want: AwsRequest): SimRequest {
  const body = typeof want.body === 'string' ? Buffer.from(want.body) : (want.body ?? new Uint8Array(0));
  const headers: Record<string, string> = {
    'x-ms-date': new Date(by.nowMs).toUTCString(),
    'x-ms-version': '2023-11-03',
    ...(want.method === 'PUT' ? { 'content-length': String(body.length) } : {}),
    ...want.headers,
  };
  const g = (name: string): string => headers[name] ?? '';
  const query = want.query ?? {};
  const path = want.path.split('/').map(enc).join('/');
  const lines = [
    want.method,
    g('content-encoding'),
    g('content-language'),
    g('content-length') === '0' ? '' : g('content-length'),
    g('content-md5'),
    g('content-type'),
    '',
    g('if-modified-since'),
    g('if-match'),
    g('if-none-match'),
    g('if-unmodified-since'),
    g('range'),
    ...Object.keys(headers)
      .filter((n) => n.startsWith('x-ms-'))
      .toSorted()
      .map((n) => `${n}:${headers[n]}`),
    `/${by.account}${path}`,
    ...Object.keys(query)
      .toSorted()
      .map((n) => `${n}:${query[n]}`),
  ];
  headers['authorization'] =
    `SharedKey ${by.account}:${createHmac('sha256', Buffer.from(by.key, 'base64')).update(lines.join('\n')).digest('base64')}`;
  const text = queryText(query);
  return {
    method: want.method,
    scheme: 'https',
    host: `${by.account}.blob.core.windows.net`,
    path: text === '' ? path : `${path}?${text}`,
    headers,
    body,
  };
}
