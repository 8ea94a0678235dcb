/** Addresses from which another store, or the same one, can read a blob by itself. */
import type { CopyReference, SourceFacets } from '../../contract/provider.ts';
import type { Entry } from '../../model/entry.ts';
import { queryText } from './client.ts';
import { DelegationKeys } from './delegation.ts';
import type { BlobPlace } from './place.ts';
import { makeBlobReadSas } from './sas.ts';

/** An address must not outlive the key that signed it. */
const SLACK_MS = 60_000;

export function openReferences(place: BlobPlace, accountFingerprint: string): NonNullable<SourceFacets['references']> {
  const keys = new DelegationKeys(place.client);
  return {
    of: async (entry, lifetimeMs, signal) => ({
      account: accountFingerprint,
      container: place.container,
      fullKey: place.blobName(entry),
      identity: entry.identity,
      url: await readableUrl(place, keys, entry, lifetimeMs, signal),
    }),
  };
}

/** `null` where an Entra ID sign-in may not sign: then only the same account can be told to copy, in our name. */
async function readableUrl(
  place: BlobPlace,
  keys: DelegationKeys,
  entry: Entry,
  lifetimeMs: number,
  signal: AbortSignal,
): Promise<CopyReference['url']> {
  const { client, container } = place;
  const { signIn } = client;
  const blob = place.blobName(entry);
  const { versionId } = entry.identity;
  const version: Record<string, string> = versionId === null ? {} : { versionid: versionId };
  if (signIn.credential.kind === 'sas') {
    return `${client.urlOf(container, blob)}${queryText({ ...version, ...signIn.credential.token.parameters })}`;
  }
  const { credential } = signIn;
  const key = credential.kind === 'key' ? credential.accountKey : await keys.current(lifetimeMs + SLACK_MS, signal);
  if (key === null) return null;
  const sas = makeBlobReadSas({
    accountName: signIn.accountName,
    key,
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
