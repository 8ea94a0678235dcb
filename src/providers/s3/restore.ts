/** Brings archived objects back for some days, and asks how far that is. */
import type { SourceFacets } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import type { Entry } from '../../model/entry.ts';
import type { RestorePolicy } from '../../model/policy.ts';
import { notFound } from './objects.ts';
import type { Objects } from './objects.ts';

export function restoreFacet(objects: Objects): NonNullable<SourceFacets['restore']> {
  const status = async (entry: Entry, signal: AbortSignal) => {
    const head = await objects.head(entry.key, objects.versionQuery(entry), signal);
    if (head === null) throw notFound(entry.key);
    return objects.entryOf(entry.key, head.headers).availability;
  };
  return {
    status,
    async request(entry, how, signal) {
      const body = Buffer.from(restoreRequest(entry.storageClass, how), 'utf8');
      try {
        const answer = await objects.client.run({
          method: 'POST',
          ...objects.on(entry.key),
          query: [['restore', ''], ...objects.versionQuery(entry)],
          headers: { 'content-type': 'application/xml' },
          body: { sizeBytes: body.length, content: body },
          operation: 'RESTORE',
          signal,
        });
        return answer.status === 202 ? 'requested' : 'online';
      } catch (thrown) {
        const code = thrown instanceof DroverError ? thrown.details?.['code'] : null;
        if (code === 'RestoreAlreadyInProgress') return 'restoring';
        // "This operation is not allowed for this storage class": it is not archived at all.
        if (thrown instanceof DroverError && thrown.code === 'ARCHIVED' && (await status(entry, signal)) === 'online') {
          return 'online';
        }
        throw thrown;
      }
    },
  };
}

/** Intelligent-Tiering moves the object back for good and takes no number of days. */
export function restoreRequest(storageClass: string | null, how: RestorePolicy): string {
  const days = storageClass === 'INTELLIGENT_TIERING' ? '' : `<Days>${how.days}</Days>`;
  const tier = `<GlacierJobParameters><Tier>${how.tier}</Tier></GlacierJobParameters>`;
  return `<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${days}${tier}</RestoreRequest>`;
}
