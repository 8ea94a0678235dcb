/** Reading and setting the tags of one blob. */
import type { Entry } from '../../model/entry.ts';
import { textBody } from './client.ts';
import type { BlobPlace } from './place.ts';
import { holdableTags, parseTags, tagsDocument } from './tags.ts';

const TAGS_BYTES_MAX = 256 * 1024;

type Tags = Readonly<Record<string, string>>;

/** Tags do not change the ETag and cannot be read under one, so the state is not pinned. */
export async function readTags(place: BlobPlace, entry: Entry, signal: AbortSignal): Promise<Tags> {
  const { versionId } = entry.identity;
  const text = await place.client.sendForText(
    {
      method: 'GET',
      operation: 'TAGS',
      container: place.container,
      blob: place.blobName(entry),
      key: entry.key,
      query: { comp: 'tags', ...(versionId === null ? {} : { versionid: versionId }) },
      signal,
      accepts: [200],
    },
    TAGS_BYTES_MAX,
  );
  return parseTags(text);
}

/** Returns a sentence for each tag the service cannot hold. */
export async function writeTags(
  place: BlobPlace,
  entry: Entry,
  tags: Tags,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const held = holdableTags(tags);
  await place.client.sendAndDiscard({
    method: 'PUT',
    operation: 'TAGS',
    container: place.container,
    blob: place.blobName(entry),
    key: entry.key,
    query: { comp: 'tags' },
    headers: { 'content-type': 'application/xml; charset=UTF-8' },
    body: textBody(tagsDocument(held.tags)),
    signal,
    accepts: [204],
  });
  return held.losses;
}
