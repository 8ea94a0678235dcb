/** Conditional headers and leases. */

import { parseHttpDate } from '../http.ts';
import { AzureError } from './error.ts';
import type { Blob, BlobCall } from './state.ts';
import { settled } from './state.ts';

/** Conditions on the blob that is there, or is not. Reads answer 304 where writes answer 412. */
export function checkConditions(call: BlobCall, blob: Blob | undefined, use: 'read' | 'write'): void {
  const { headers } = call;
  const match = headers['if-match'];
  const none = headers['if-none-match'];
  const since = parseHttpDate(headers['if-modified-since'] ?? '');
  const until = parseHttpDate(headers['if-unmodified-since'] ?? '');
  const modifiedAtMs = Math.floor((blob?.modifiedAtMs ?? 0) / 1000) * 1000;
  const failed = new AzureError(
    'ConditionNotMet',
    'The condition specified using HTTP conditional header(s) is not met.',
  );
  if (match !== undefined && (blob === undefined || !etagIn(match, blob.etag))) throw failed;
  if (until !== null && blob !== undefined && modifiedAtMs > until) throw failed;
  if (blob === undefined) return;
  const noneFails = none !== undefined && etagIn(none, blob.etag);
  if (use === 'write' && none === '*') throw new AzureError('BlobAlreadyExists', 'The specified blob already exists.');
  const sinceFails = none === undefined && since !== null && modifiedAtMs <= since;
  if (!noneFails && !sinceFails) return;
  if (use === 'write') throw failed;
  throw new AzureError('ConditionNotMet', 'The condition specified using HTTP conditional header(s) is not met.', {
    status: 304,
    headers: { etag: blob.etag },
  });
}

function etagIn(header: string, etag: string): boolean {
  return header.split(',').some((part) => part.trim() === '*' || part.trim() === etag || `"${part.trim()}"` === etag);
}

/** A leased blob is written only by whoever holds the lease. */
export function checkLease(call: BlobCall, blob: Blob | undefined): void {
  const given = call.headers['x-ms-lease-id'];
  const lease = blob === undefined ? null : settled(call.world, blob).lease;
  if (lease === null) {
    if (given !== undefined)
      throw new AzureError('LeaseNotPresentWithBlobOperation', 'There is currently no lease on the blob.');
    return;
  }
  if (given === undefined)
    throw new AzureError(
      'LeaseIdMissing',
      'There is currently a lease on the blob and no lease ID was specified in the request.',
    );
  if (given !== lease.id)
    throw new AzureError(
      'LeaseIdMismatchWithBlobOperation',
      'The lease ID specified did not match the lease ID for the blob.',
    );
}
