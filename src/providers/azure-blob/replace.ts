/** Metadata, headers and tags of a blob that stays as it is. */
import type { Entry, Properties } from '../../model/entry.ts';
import { encodeMetadata, keptEntries } from './metadata.ts';
import type { BlobPlace } from './place.ts';
import { contentHeaders, entryFromHeaders, quoted, rawMetadata, readMetadata, unquoted } from './properties.ts';
import { writeTags } from './tag-requests.ts';

/**
 * Every step is conditional on the state the one before left behind, so a write in between is CHANGED. What Drover
 * recorded, and the MD5 the service keeps, survive.
 */
export async function replaceProperties(
  place: BlobPlace,
  entry: Entry,
  properties: Properties,
  signal: AbortSignal,
): Promise<Entry> {
  const found = await place.head(entry, signal);
  const raw = rawMetadata(found.headers);
  const made = encodeMetadata({
    metadata: properties.metadata,
    expires: properties.headers.expires ?? null,
    recorded: readMetadata(found.headers).recorded,
    upload: null,
    isFolder: false,
  });
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...keptEntries(raw), ...made.entries }))
    metadata[`x-ms-meta-${name}`] = value;
  let etag = unquoted(found.headers['etag'] ?? null);
  const step = async (comp: string, headers: Record<string, string>): Promise<void> => {
    const response = await place.client.sendAndDiscard({
      method: 'PUT',
      operation: 'PROPERTIES',
      container: place.container,
      blob: place.blobName(entry),
      key: entry.key,
      query: { comp },
      headers: etag === null ? headers : { ...headers, 'if-match': quoted(etag) },
      signal,
      accepts: [200],
    });
    etag = unquoted(response.headers['etag'] ?? null) ?? etag;
  };
  await step('metadata', metadata);
  if (entry.kind === 'object') {
    const md5 = found.headers['content-md5'];
    // The service clears what is left out, its MD5 included.
    await step('properties', {
      ...contentHeaders(properties.headers),
      ...(md5 === undefined ? {} : { 'x-ms-blob-content-md5': md5 }),
    });
    if (properties.tags !== null && !place.nature.isHierarchical)
      await writeTags(place, entry, properties.tags, signal);
  }
  const pinned = { ...entry, identity: { etag, versionId: null } };
  const now = await place.head(pinned, signal);
  return entryFromHeaders(entry.key, now.headers, place.withVersions);
}
