/** Who may do what: allow-lists per key, accounts that a bucket lets in, requester pays. */

import { accessDenied } from './error.ts';
import type { Bucket, Grants, Identity } from './state.ts';

export interface Wish {
  readonly action: string;
  readonly bucket: string | null;
  /** Key of an object, or the `prefix` parameter of a listing. */
  readonly name: string;
}

export function allows(grants: Grants, wish: Wish): boolean {
  if (grants === 'all') return true;
  return grants.some(
    (grant) =>
      grant.actions.some((pattern) => matches(pattern, wish.action)) &&
      (wish.bucket === null || grant.buckets === undefined || grant.buckets.includes(wish.bucket)) &&
      (grant.prefix === undefined || wish.name.startsWith(grant.prefix)),
  );
}

export function matches(pattern: string, text: string): boolean {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'su').test(text);
}

const PUBLIC_ACTIONS = new Set(['s3:GetObject', 's3:GetObjectVersion', 's3:ListBucket']);

export function mayDo(identity: Identity | null, bucket: Bucket | null, action: string, name: string): boolean {
  if (bucket !== null && bucket.publicRead && PUBLIC_ACTIONS.has(action)) return true;
  if (identity === null) return false;
  if (bucket !== null && action.startsWith('s3:')) {
    const letIn = bucket.ownerId === identity.accountId || bucket.sharedWith.includes(identity.accountId);
    if (!letIn) return false;
  }
  const wish = { action, bucket: bucket?.name ?? null, name };
  return allows(identity.grants, wish) && allows(identity.sessionGrants, wish);
}

/** Throws AccessDenied with the words that AWS uses for a missing identity policy. */
export function demand(identity: Identity | null, bucket: Bucket | null, action: string, name = ''): void {
  if (mayDo(identity, bucket, action, name)) return;
  if (identity === null) throw accessDenied();
  const resource = bucket === null ? '*' : `arn:aws:s3:::${bucket.name}${action.includes('Object') ? `/${name}` : ''}`;
  throw accessDenied(
    `User: ${identity.arn} is not authorized to perform: ${action} on resource: "${resource}" because no identity-based policy allows the ${action} action`,
  );
}
