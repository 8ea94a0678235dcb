/** Addresses from which another store, or the same one, can read a blob by itself. */
import type { CopyReference, SourceFacets } from '../../contract/provider.ts';
import type { Entry } from '../../model/entry.ts';
import { queryText } from './client.ts';
import type { BlobPlace } from './place.ts';
import { makeBlobReadSas } from './sas.ts';

export function openReferences(place: BlobPlace, accountFingerprint: string): NonNullable<SourceFacets['references']> {
  return {
    of: async (entry, lifetimeMs) => ({
      account: accountFingerprint,
      container: place.container,
      fullKey: place.blobName(entry),
      identity: entry.identity,
      url: readableUrl(place, entry, lifetimeMs),
    }),
  };
}

/** `null` with an Entra ID sign-in: then only the same account can be told to copy, in our name. */
function readableUrl(place: BlobPlace, entry: Entry, lifetimeMs: number): CopyReference['url'] {
  const { client, container } = place;
  const { signIn } = client;
  const blob = place.blobName(entry);
  const { versionId } = entry.identity;
  const version: Record<string, string> = versionId === null ? {} : { versionid: versionId };
  if (signIn.credential.kind === 'sas') {
    return `${client.urlOf(container, blob)}${queryText({ ...version, ...signIn.credential.token.parameters })}`;
  }
  if (signIn.credential.kind !== 'key') return null;
  const sas = makeBlobReadSas({
    accountName: signIn.accountName,
    accountKey: signIn.credential.accountKey,
    container,
    blob,
    versionId,
    nowMs: client.now(),
    lifetimeMs,
    isHttpsOnly: signIn.origin.startsWith('https:'),
  });
  const query = queryText(version);
  return `${client.urlOf(container, blob)}${query === '' ? '?' : `${query}&`}${sas}`;
}
