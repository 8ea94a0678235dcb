/** Shared Key, shared access signatures and bearer tokens, verified as the documentation describes them. */

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SimRequest, Target } from '../http.ts';
import { parseHttpDate } from '../http.ts';
import { delegationKey, personOf, type KeyNamed } from './delegation.ts';
import { AzureError } from './error.ts';
import type { AzureOptions, Rights } from './state.ts';

const SKEW_MS = 15 * 60 * 1000;
const EVERYTHING = 'racwdxltmeiyfup';

export interface Located {
  readonly container: string | null;
  readonly blob: string | null;
}

export function authenticate(options: AzureOptions, request: SimRequest, target: Target, located: Located): Rights {
  const authorization = request.headers['authorization'];
  if (authorization?.startsWith('SharedKey ')) return bySharedKey(options, request, target, authorization);
  if (authorization?.startsWith('Bearer ')) return byToken(options, request, authorization);
  if (target.query.has('sig')) return bySas(options, request, target, located);
  if (authorization !== undefined) {
    throw new AzureError(
      'InvalidAuthenticationInfo',
      'Authentication information is not given in the correct format.',
      { status: 400 },
    );
  }
  throw new AzureError(
    'NoAuthenticationInformation',
    'Server failed to authenticate the request. Please refer to the information in the www-authenticate header.',
    {
      headers: challenge(),
    },
  );
}

function challenge(): Record<string, string> {
  return {
    'www-authenticate':
      'Bearer authorization_uri=https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/oauth2/authorize resource_id=https://storage.azure.com',
  };
}

function failed(detail: string): AzureError {
  return new AzureError(
    'AuthenticationFailed',
    'Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.',
    { detail },
  );
}

function bySharedKey(options: AzureOptions, request: SimRequest, target: Target, authorization: string): Rights {
  const { headers } = request;
  const date = parseHttpDate(headers['x-ms-date'] ?? headers['date'] ?? '');
  if (date === null) throw failed('The Date header in the request is incorrect.');
  if (Math.abs(date - options.clock.now()) > SKEW_MS) throw failed('Request date header too old');
  if (headers['x-ms-version'] === undefined)
    throw new AzureError(
      'MissingRequiredHeader',
      "An HTTP header that's mandatory for this request is not specified: x-ms-version.",
    );
  const colon = authorization.indexOf(':');
  if (authorization.slice('SharedKey '.length, colon) !== options.accountName)
    throw failed('The account is not this one.');
  const toSign = sharedKeyText(options, request, target);
  if (!sameText(sign(options, toSign), authorization.slice(colon + 1))) {
    throw failed(
      `The MAC signature found in the HTTP request is not the same as any computed signature. Server used following string to sign: '${toSign}'.`,
    );
  }
  return { letters: EVERYTHING, container: null, blob: null, types: 'sco' };
}

function sharedKeyText(options: AzureOptions, request: SimRequest, target: Target): string {
  const header = (name: string): string => request.headers[name] ?? '';
  const length = header('content-length') === '0' ? '' : header('content-length');
  const canonicalHeaders = Object.keys(request.headers)
    .filter((name) => name.startsWith('x-ms-'))
    .toSorted()
    .map((name) => `${name}:${request.headers[name]!.trim().replace(/\s+/g, ' ')}\n`)
    .join('');
  const parameters = new Map<string, string[]>();
  for (const [name, value] of target.query.entries) {
    const lower = name.toLowerCase();
    parameters.set(lower, [...(parameters.get(lower) ?? []), value]);
  }
  const resource = [...parameters.keys()]
    .toSorted()
    .map((name) => `\n${name}:${parameters.get(name)!.toSorted().join(',')}`)
    .join('');
  return [
    request.method,
    header('content-encoding'),
    header('content-language'),
    length,
    header('content-md5'),
    header('content-type'),
    request.headers['x-ms-date'] === undefined ? header('date') : '',
    header('if-modified-since'),
    header('if-match'),
    header('if-none-match'),
    header('if-unmodified-since'),
    header('range'),
    `${canonicalHeaders}/${options.accountName}${target.rawPath}${resource}`,
  ].join('\n');
}

const ROLE_LETTERS = { reader: 'rlf', contributor: 'racwdxlmei', owner: EVERYTHING, none: '' } as const;

function byToken(options: AzureOptions, request: SimRequest, authorization: string): Rights {
  if ((request.headers['x-ms-version'] ?? '') < '2017-11-09') {
    throw new AzureError('InvalidAuthenticationInfo', 'Bearer tokens need version 2017-11-09 or later.', {
      status: 400,
    });
  }
  const known = options.bearerTokens?.find((token) => sameText(token.token, authorization.slice('Bearer '.length)));
  if (known === undefined || options.clock.now() >= known.expiresAtMs) {
    throw new AzureError(
      'InvalidAuthenticationInfo',
      known === undefined ? 'Signature validation failed.' : 'Lifetime validation failed. The token is expired.',
      {
        headers: challenge(),
      },
    );
  }
  return { letters: ROLE_LETTERS[known.role], container: null, blob: null, types: 'sco' };
}

function bySas(options: AzureOptions, request: SimRequest, target: Target, located: Located): Rights {
  const get = (name: string): string => target.query.get(name) ?? '';
  const toSign = get('ss') === '' ? serviceSasText(options, get, located) : accountSasText(options, get);
  const signed = get('skoid') === '' ? sign(options, toSign) : signWith(delegationKey(options, namedKey(get)), toSign);
  if (!sameText(signed, get('sig'))) throw failed(`Signature did not match. String to sign used was ${toSign}`);
  const nowMs = options.clock.now();
  if (get('skoid') !== '' && (nowMs < Date.parse(get('skt')) || nowMs >= Date.parse(get('ske')))) {
    throw failed('The user delegation key is not valid in the specified time frame.');
  }
  const start = get('st') === '' ? Number.NEGATIVE_INFINITY : Date.parse(get('st'));
  const end = Date.parse(get('se'));
  if (Number.isNaN(end) || nowMs < start || nowMs >= end) {
    throw failed(
      `Signature not valid in the specified time frame: Start [${get('st')}] - Expiry [${get('se')}] - Current [${new Date(nowMs).toUTCString()}]`,
    );
  }
  if (get('spr') === 'https' && request.scheme !== 'https') {
    throw new AzureError(
      'AuthorizationProtocolMismatch',
      'This request is not authorized to perform this operation using this protocol.',
    );
  }
  if (get('ss') !== '') {
    if (!get('ss').includes('b'))
      throw new AzureError(
        'AuthorizationServiceMismatch',
        'This request is not authorized to perform this operation using this service.',
      );
    return { letters: get('sp'), container: null, blob: null, types: get('srt') };
  }
  // A delegated signature gives no more than whoever signed has.
  const person = get('skoid') === '' ? null : personOf(options, get('skoid'));
  const held = person === null ? EVERYTHING : ROLE_LETTERS[person?.role ?? 'none'];
  return {
    letters: [...get('sp')].filter((letter) => held.includes(letter)).join(''),
    container: located.container,
    blob: get('sr') === 'c' ? null : located.blob,
    types: get('sr') === 'c' ? 'co' : 'o',
  };
}

function namedKey(get: (name: string) => string): KeyNamed {
  return {
    objectId: get('skoid'),
    tenantId: get('sktid'),
    start: get('skt'),
    expiry: get('ske'),
    service: get('sks'),
    version: get('skv'),
  };
}

function serviceSasText(options: AzureOptions, get: (name: string) => string, located: Located): string {
  if (get('sv') < '2020-12-06') throw failed('sv is too old for this stand-in: 2020-12-06 or later.');
  const kind = get('sr');
  if (kind !== 'c' && kind !== 'b' && kind !== 'bv') throw failed('sr must be c, b or bv.');
  const blob = kind === 'c' ? '' : `/${located.blob ?? ''}`;
  const delegated = ['skoid', 'sktid', 'skt', 'ske', 'sks', 'skv', 'saoid', 'suoid', 'scid'].map(get);
  return [
    get('sp'),
    get('st'),
    get('se'),
    `/blob/${options.accountName}/${located.container ?? ''}${blob}`,
    ...(get('skoid') === '' ? [get('si')] : delegated),
    get('sip'),
    get('spr'),
    get('sv'),
    kind,
    kind === 'bv' ? get('versionid') : get('snapshot'),
    get('ses'),
    get('rscc'),
    get('rscd'),
    get('rsce'),
    get('rscl'),
    get('rsct'),
  ].join('\n');
}

function accountSasText(options: AzureOptions, get: (name: string) => string): string {
  const fields = ['sp', 'ss', 'srt', 'st', 'se', 'sip', 'spr', 'sv', 'ses'].map(get);
  return [options.accountName, ...fields, ''].join('\n');
}

function sign(options: AzureOptions, text: string): string {
  return signWith(Buffer.from(options.accountKey, 'base64'), text);
}

function signWith(key: Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text, 'utf8').digest('base64');
}

function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
