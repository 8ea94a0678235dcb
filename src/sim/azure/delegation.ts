/** User delegation keys: what a signed-in person signs addresses with. */

import { createHmac } from 'node:crypto';
import type { SimResponse } from '../http.ts';
import { textBody } from '../http.ts';
import { childText, document, leaf, parse } from '../xml.ts';
import { AzureError } from './error.ts';
import type { AzureCall, AzureOptions, BearerToken } from './state.ts';

const WEEK_MS = 7 * 86_400_000;
const TENANT = '99999999-0000-0000-0000-000000000000';

/** What is signed with the key is bound to all of this. */
export interface KeyNamed {
  readonly objectId: string;
  readonly tenantId: string;
  readonly start: string;
  readonly expiry: string;
  readonly service: string;
  readonly version: string;
}

/** Derived, so that nothing has to be remembered. */
export function delegationKey(options: AzureOptions, named: KeyNamed): Buffer {
  const text = [named.objectId, named.tenantId, named.start, named.expiry, named.service, named.version].join('\n');
  return createHmac('sha256', Buffer.from(options.accountKey, 'base64')).update(text).digest();
}

/** Whoever the token belongs to, as the object id that a key names. */
function objectIdOf(options: AzureOptions, token: BearerToken): string {
  return `00000000-0000-0000-0000-${String(options.bearerTokens!.indexOf(token)).padStart(12, '0')}`;
}

export function personOf(options: AzureOptions, objectId: string): BearerToken | undefined {
  return options.bearerTokens?.find((token) => objectIdOf(options, token) === objectId);
}

export function userDelegationKey(call: AzureCall): SimResponse {
  const { options } = call.world;
  const token = /^Bearer (.*)$/.exec(call.headers['authorization'] ?? '')?.[1];
  const person = options.bearerTokens?.find((known) => known.token === token);
  if (person === undefined) {
    throw new AzureError('AuthenticationFailed', 'Only authentication by Microsoft Entra ID gives this key.');
  }
  if (person.role === 'none' || options.noDelegation === true) {
    throw new AzureError(
      'AuthorizationPermissionMismatch',
      'This request is not authorized to perform this operation using this permission.',
    );
  }
  const root = parse(Buffer.from(call.request.body).toString('utf8'));
  const start = (root && childText(root, 'Start')) ?? new Date(call.world.nowMs()).toISOString();
  const expiry = (root && childText(root, 'Expiry')) ?? '';
  const expiresAtMs = Date.parse(expiry);
  const nowMs = call.world.nowMs();
  if (root?.name !== 'KeyInfo' || Number.isNaN(expiresAtMs) || expiresAtMs <= nowMs || expiresAtMs > nowMs + WEEK_MS) {
    throw new AzureError('InvalidInput', 'One of the request inputs is not valid.');
  }
  const version = call.headers['x-ms-version'] ?? '';
  const named = { objectId: objectIdOf(options, person), tenantId: TENANT, start, expiry, service: 'b', version };
  const xml = document(
    'UserDelegationKey',
    leaf('SignedOid', named.objectId),
    leaf('SignedTid', named.tenantId),
    leaf('SignedStart', start),
    leaf('SignedExpiry', expiry),
    leaf('SignedService', named.service),
    leaf('SignedVersion', version),
    leaf('Value', delegationKey(options, named).toString('base64')),
  );
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: textBody(xml) };
}
