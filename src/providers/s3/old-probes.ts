/**
 * What a process that was killed while it tried a store out has left there: small objects, and an upload that nobody
 * sees. Whoever tries the place out next takes it away, long after whoever made it can be at it.
 */
import { childText, children } from '../../lib/xml.ts';
import { keyParameter } from './address.ts';
import type { S3Request } from './client.ts';
import { decodeListedKey } from './listing.ts';
import type { Objects } from './objects.ts';

/** Names of objects of both kinds of trials, for certain: nothing else is touched. */
const PROBE = /^\.drover-probe-(?:[0-9a-f]{16}|[a-z0-9]{8,26}-[ab])$/;
const PREFIX = '.drover-probe-';
/** Longer than any trial takes. */
const AGE_MS = 15 * 60_000;
const SIZE_BYTES_MAX = 64;

/** One page of each, as far as that is allowed; never fails. */
export async function removeOldProbes(objects: Objects, signal: AbortSignal): Promise<void> {
  for (const requests of [oldUploads, oldObjects]) {
    try {
      for (const request of await requests(objects, signal)) await objects.client.run(request);
    } catch {
      // It costs next to nothing where it is, and the next one tries again.
    }
  }
}

async function oldUploads(objects: Objects, signal: AbortSignal): Promise<S3Request[]> {
  const found = await listed(objects, [['uploads', '']], 'Upload', signal);
  return found.flatMap(({ name, told }): S3Request[] => {
    const uploadId = told('UploadId');
    if (uploadId === null || !isOld(objects, told('Initiated'))) return [];
    return [{ ...objects.on(name), method: 'DELETE', query: [['uploadId', uploadId]], operation: 'ABORT', signal }];
  });
}

async function oldObjects(objects: Objects, signal: AbortSignal): Promise<S3Request[]> {
  const found = await listed(objects, [['list-type', '2']], 'Contents', signal);
  return found.flatMap(({ name, told }): S3Request[] => {
    if (!(Number(told('Size')) <= SIZE_BYTES_MAX) || !isOld(objects, told('LastModified'))) return [];
    return [{ ...objects.on(name), method: 'DELETE', operation: 'DELETE', signal }];
  });
}

interface Listed {
  /** Within the place. */
  readonly name: string;
  told(member: string): string | null;
}

async function listed(
  objects: Objects,
  kind: readonly (readonly [string, string])[],
  element: string,
  signal: AbortSignal,
): Promise<Listed[]> {
  const { bucket, prefix } = objects.place;
  const { root } = await objects.client.document({
    method: 'GET',
    bucket,
    key: null,
    query: [['encoding-type', 'url'], ['prefix', keyParameter(objects.fullKey(PREFIX))], ...kind],
    operation: 'LIST',
    signal,
  });
  return children(root, element).flatMap((one): Listed[] => {
    const text = childText(one, 'Key') ?? '';
    // Some stores do not say in which of both ways they write keys; of such names only the prefix can differ.
    const key = [text, decodeListedKey(text, true)].find((reading) => reading.startsWith(objects.fullKey(PREFIX)));
    const name = key?.slice(prefix.length) ?? '';
    return PROBE.test(name) ? [{ name, told: (member) => childText(one, member) }] : [];
  });
}

function isOld({ client }: Objects, atText: string | null): boolean {
  return client.time.now() - Date.parse(atText ?? '') > AGE_MS;
}
