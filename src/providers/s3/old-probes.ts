/**
 * What a process that was killed while it tried a store out has left there: small objects, and an upload that nobody
 * sees. Whoever tries the place out next takes it away, long after whoever made it can be at it.
 */
import { digestOf } from '../../lib/hash.ts';
import { childText, children } from '../../lib/xml.ts';
import type { Entry } from '../../model/entry.ts';
import { keyParameter } from './address.ts';
import type { S3Request } from './client.ts';
import { encryptionOfRead } from './encryption.ts';
import { plainEtag } from './headers.ts';
import { decodeListedKey } from './listing.ts';
import type { Objects } from './objects.ts';

/** Names of objects of both kinds of trials, for certain: nothing else is touched. */
const PROBE = /^\.drover-probe-(?:check|[0-9a-f]{16}|[a-z0-9]{8,26}-[ab])$/;
const PREFIX = '.drover-probe-';
/** Of checks of permissions: the same each time, so that where it may not be removed it does not become many. */
export const CHECK_PROBE = `${PREFIX}check`;
/** Of a run that looks whether both its ends are one place: written once, and by that name alone. */
const ONCE = /(?:^|\/)\.drover-probe-[0-9a-f]{16}$/;
/** Longer than any trial takes. */
const AGE_MS = 15 * 60_000;
/** What each of them holds. */
export const PROBE_CONTENT = Buffer.from('drover probe', 'utf8');

/**
 * One page of each in the place, and in the folder `below` of it, as far as that is allowed; never fails. Of what other
 * folders hold nobody knows before he tries those.
 */
export async function removeOldProbes(objects: Objects, below: string, signal: AbortSignal): Promise<void> {
  for (const folder of new Set(['', below])) {
    for (const requests of [oldUploads, oldObjects]) {
      try {
        for (const request of await requests(objects, folder, signal)) await objects.client.run(request);
      } catch {
        // It costs next to nothing where it is, and the next one tries again.
      }
    }
  }
}

async function oldUploads(objects: Objects, folder: string, signal: AbortSignal): Promise<S3Request[]> {
  const found = await listed(objects, folder, [['uploads', '']], 'Upload', signal);
  return found.flatMap(({ name, told }): S3Request[] => {
    const uploadId = told('UploadId');
    if (uploadId === null || !isOld(objects, told('Initiated'))) return [];
    return [{ ...objects.on(name), method: 'DELETE', query: [['uploadId', uploadId]], operation: 'ABORT', signal }];
  });
}

async function oldObjects(objects: Objects, folder: string, signal: AbortSignal): Promise<S3Request[]> {
  const found = await listed(objects, folder, [['list-type', '2']], 'Contents', signal);
  const requests: S3Request[] = [];
  for (const { name, told } of found) {
    if (Number(told('Size')) !== PROBE_CONTENT.length || !isOld(objects, told('LastModified'))) continue;
    const etag = plainEtag(told('ETag'));
    const isOurs = (etag !== null && ETAGS.includes(etag)) || (await holdsOurs(objects, name, signal));
    if (isOurs) requests.push({ ...objects.on(name), method: 'DELETE', operation: 'DELETE', signal });
  }
  return requests;
}

const MD5 = digestOf('md5', PROBE_CONTENT);
/** Written in one piece, and as an upload of one part. */
const ETAGS: readonly string[] = [MD5, `${digestOf('md5', Buffer.from(MD5, 'hex'))}-1`];

/** Also where its ETag says nothing of the content. */
export async function holdsOurs(objects: Objects, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    const headers = encryptionOfRead(objects.client.settings);
    const answer = await objects.client.send({ ...objects.on(name), method: 'GET', headers, operation: 'GET', signal });
    return PROBE_CONTENT.equals(await answer.bytes(PROBE_CONTENT.length));
  } catch {
    return false;
  }
}

interface Listed {
  /** Within the place. */
  readonly name: string;
  told(member: string): string | null;
}

async function listed(
  objects: Objects,
  folder: string,
  kind: readonly (readonly [string, string])[],
  element: string,
  signal: AbortSignal,
): Promise<Listed[]> {
  const { bucket, prefix } = objects.place;
  const start = objects.fullKey(folder + PREFIX);
  const { root } = await objects.client.document({
    method: 'GET',
    bucket,
    key: null,
    query: [['encoding-type', 'url'], ['prefix', keyParameter(start)], ...kind],
    operation: 'LIST',
    signal,
  });
  return children(root, element).flatMap((one): Listed[] => {
    const text = childText(one, 'Key') ?? '';
    // Some stores do not say in which of both ways they write keys; of such names only the prefix can differ.
    const key = [text, decodeListedKey(text, true)].find((reading) => reading.startsWith(start));
    const name = key?.slice(prefix.length) ?? '';
    return PROBE.test(name.slice(folder.length)) ? [{ name, told: (member) => childText(one, member) }] : [];
  });
}

function isOld({ client }: Objects, atText: string | null): boolean {
  return client.time.now() - Date.parse(atText ?? '') > AGE_MS;
}

/**
 * Removes for good what a run wrote to try something out, where the bucket would keep a version of it. False: it is to be
 * deleted as anything else is.
 */
export async function removeForGood(objects: Objects, entry: Entry, signal: AbortSignal): Promise<boolean> {
  if (!ONCE.test(entry.key) || entry.sizeBytes !== PROBE_CONTENT.length) return false;
  try {
    const head = await objects.head(entry.key, [], signal);
    const versionId = head?.headers['x-amz-version-id'];
    const isSame = plainEtag(head?.headers['etag']) === entry.identity.etag;
    if (versionId === undefined || !isSame || !(await holdsOurs(objects, entry.key, signal))) return false;
    const query = [['versionId', versionId]] as const;
    await objects.client.run({ ...objects.on(entry.key), method: 'DELETE', operation: 'DELETE', query, signal });
    return (await objects.head(entry.key, [], signal)) === null;
  } catch {
    // Without the right to do that it is hidden, as everything else.
    return false;
  }
}
