/**
 * What a process that was killed while it tried a store out has left there: small blobs. Whoever tries the place out next
 * takes them away, long after whoever made them can be at it. Blocks that were never committed nobody sees; they go by
 * themselves.
 */
import { digestOf } from '../../lib/hash.ts';
import type { Entry } from '../../model/entry.ts';
import { listPage } from './listing.ts';
import type { BlobPlace } from './place.ts';
import { quoted } from './properties.ts';

/** What trials of a store write, and checks of permissions. */
export const TRIAL_CONTENT = Buffer.from('Drover writes this to learn what the store checks, and removes it.');
export const CHECK_CONTENT = Buffer.from('Drover writes this to learn whether it may, and removes it.');
/** Of runs that look whether both their ends are one place. */
const RUN_CONTENT = Buffer.from('drover probe');

const PREFIX = '.drover-probe-';
const ONCE = /(?:^|\/)\.drover-probe-[0-9a-f]{16}$/;
/** Names of both kinds, for certain: nothing else is touched. */
const PROBE = /^\.drover-probe-(?:[a-z0-9]{8,26}|check|check-[0-9a-z]{7,10})$/;
/** Longer than any trial takes. */
const AGE_MS = 15 * 60_000;

/** Within the place, in the folder `below` of it; `''`: at its top. */
export function trialKey(below: string, runId: string): string {
  return `${below}${PREFIX}${runId}`;
}

/** Within the place. The same each time, so that where it may not be removed it does not become many. */
export const CHECK_KEY = `${PREFIX}check`;

/** The same, where somebody else's blob has that name, and to look for what is not there. */
export function otherCheckKey(nowMs: number): string {
  return `${PREFIX}check-${nowMs.toString(36)}`;
}

/**
 * One page of them in the place, and in the folder `below` of it, as far as that is allowed; never fails. Of what other
 * folders hold nobody knows before he tries those.
 */
export async function removeOldProbes(place: BlobPlace, below: string, signal: AbortSignal): Promise<void> {
  for (const folder of new Set(['', below])) {
    try {
      await removeIn(place, folder, signal);
    } catch {
      // They cost next to nothing where they are, and the next one tries again.
    }
  }
}

async function removeIn(place: BlobPlace, folder: string, signal: AbortSignal): Promise<void> {
  const { client, container } = place;
  const start = place.fullKey(folder);
  const query = { container, prefix: start + PREFIX, marker: null, startFrom: null, withVersions: false };
  const { blobs } = await listPage(client, query, signal);
  for (const { name, entry } of blobs) {
    const { etag } = entry.identity;
    if (!PROBE.test(name.slice(start.length)) || entry.kind !== 'object' || etag === null) continue;
    if (!(client.now() - (entry.modifiedAtMs ?? Infinity) > AGE_MS)) continue;
    if (!(await isOurs(place, name, entry, signal))) continue;
    await client.sendAndDiscard({
      method: 'DELETE',
      operation: 'DELETE',
      container,
      blob: name,
      // Exactly what was looked at.
      headers: { 'if-match': quoted(etag) },
      signal,
      accepts: [202, 404, 412],
    });
  }
}

/** By its digest; blobs that were put together of blocks have none. */
async function isOurs({ client, container }: BlobPlace, blob: string, entry: Entry, signal: AbortSignal) {
  const content = [TRIAL_CONTENT, CHECK_CONTENT, RUN_CONTENT].find(({ length }) => length === entry.sizeBytes);
  if (content === undefined) return false;
  const { md5 } = entry.digests;
  if (md5 !== undefined) return md5 === digestOf('md5', content);
  const answer = await client.send({ method: 'GET', operation: 'GET', container, blob, signal, accepts: [200] });
  return content.equals(await answer.bytes(content.length));
}

/** Of what a run wrote to try something out: the version that the account would keep when it is deleted. */
export async function versionToRemove(place: BlobPlace, entry: Entry, signal: AbortSignal): Promise<string | null> {
  if (!ONCE.test(entry.key) || entry.sizeBytes !== RUN_CONTENT.length) return null;
  const { client, container } = place;
  const blob = place.blobName(entry);
  try {
    if (!(await isOurs(place, blob, entry, signal))) return null;
    const head = await client.sendAndDiscard({
      method: 'HEAD',
      operation: 'HEAD',
      container,
      blob,
      signal,
      accepts: [200],
    });
    return head.headers['x-ms-version-id'] ?? null;
  } catch {
    return null;
  }
}
