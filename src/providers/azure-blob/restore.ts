/** Archived blobs: rehydration changes their tier in place, so the days of a restore policy do not apply. */
import type { SourceFacets } from '../../contract/provider.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import type { RestorePolicy } from '../../model/policy.ts';
import type { BlobPlace } from './place.ts';
import { availabilityOf } from './properties.ts';

type State = 'archived' | 'restoring' | 'online';

export function openRestore(place: BlobPlace): NonNullable<SourceFacets['restore']> {
  return {
    request: (entry, how, signal) => request(place, entry, how, signal),
    status: (entry, signal) => status(place, entry, signal),
  };
}

/** Asks at most once: a blob that is on its way or online is left alone. */
async function request(
  place: BlobPlace,
  entry: Entry,
  how: RestorePolicy,
  signal: AbortSignal,
): Promise<'requested' | 'restoring' | 'online'> {
  const now = await status(place, entry, signal);
  if (now !== 'archived') return now;
  const pinned = place.pinned(entry);
  try {
    const response = await place.client.sendAndDiscard({
      method: 'PUT',
      operation: 'TIER',
      container: place.container,
      blob: pinned.blob as string,
      key: entry.key,
      query: { ...pinned.query, comp: 'tier' },
      headers: { 'x-ms-access-tier': 'Hot', 'x-ms-rehydrate-priority': how.tier === 'Expedited' ? 'High' : 'Standard' },
      signal,
      accepts: [200, 202],
    });
    return response.status === 200 ? 'online' : 'requested';
  } catch (thrown) {
    // Somebody else asked between the two requests.
    if (thrown instanceof DroverError && thrown.details?.['code'] === 'BlobBeingRehydrated') return 'restoring';
    throw thrown;
  }
}

/** A change of tier does not change the ETag, so the state stays pinned. */
async function status(place: BlobPlace, entry: Entry, signal: AbortSignal): Promise<State> {
  const { headers } = await place.head(entry, signal);
  return availabilityOf(headers['x-ms-access-tier'], headers['x-ms-archive-status']);
}
