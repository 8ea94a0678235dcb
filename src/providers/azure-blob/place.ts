/** One place of an account, as source and target both see it: addressing, single entries, and what was found at open. */
import type { Description, Page, Place, ScanRange } from '../../contract/provider.ts';
import type { HttpResponse } from '../../lib/transport.ts';
import type { Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import { asciiHead } from '../../model/key.ts';
import { type BlobClient, type BlobRequest, START_FROM_VERSION } from './client.ts';
import { type BlobPage, listPage } from './listing.ts';
import { entryFromHeaders, quoted, readProperties } from './properties.ts';
import { scanBlobs } from './scan.ts';

/** What this account and container turned out to be. */
export interface Nature {
  readonly isHierarchical: boolean;
  /** A listing can begin at a name, and its order is the order of bytes. */
  readonly canSeek: boolean;
}

export class BlobPlace {
  readonly client: BlobClient;
  readonly container: string;
  readonly prefix: string;
  readonly nature: Nature;
  readonly withVersions: boolean;

  constructor(client: BlobClient, place: Place, nature: Nature, withVersions: boolean) {
    this.client = client;
    this.container = place.container;
    this.prefix = place.prefix;
    this.nature = nature;
    this.withVersions = withVersions;
  }

  /** Full name of a key. */
  fullKey(key: string): string {
    return this.prefix + key;
  }

  /** Name of the blob behind an entry; in a hierarchical namespace a folder's name has no slash at its end. */
  blobName(entry: Pick<Entry, 'key' | 'kind'>): string {
    const name = this.fullKey(entry.key);
    return entry.kind === 'folder' && this.nature.isHierarchical ? withoutSlash(name) : name;
  }

  scan(range: ScanRange, signal: AbortSignal): AsyncIterable<Page> {
    const { client, container, prefix, withVersions } = this;
    const { canSeek, isHierarchical } = this.nature;
    return scanBlobs({ client, container, prefix, withVersions, canSeek, isSorted: !isHierarchical }, range, signal);
  }

  async stat(key: string, signal: AbortSignal): Promise<Entry | null> {
    const found = await this.#headOrNull(this.fullKey(key), signal);
    if (found !== null) {
      const entry = entryFromHeaders(key, found.headers, this.withVersions);
      // A folder's key ends with a slash.
      return entry.key === key ? this.#withImplied(entry, signal) : null;
    }
    if (!key.endsWith('/')) return null;
    const folder = await this.#headOrNull(withoutSlash(this.fullKey(key)), signal);
    if (folder === null) return null;
    const entry = entryFromHeaders(withoutSlash(key), folder.headers, this.withVersions);
    return entry.kind === 'folder' ? this.#withImplied(entry, signal) : null;
  }

  async describe(entry: Entry, signal: AbortSignal): Promise<Description> {
    const response = await this.head(entry, signal);
    return {
      entry: entryFromHeaders(entry.key, response.headers, this.withVersions),
      properties: readProperties(response.headers),
    };
  }

  /** HEAD of exactly the state that the entry names: CHANGED or NOT_FOUND otherwise. */
  async head(entry: Entry, signal: AbortSignal): Promise<HttpResponse> {
    return this.sendPinned(entry, { method: 'HEAD', operation: 'HEAD', signal, accepts: [200] });
  }

  /** A request to exactly the state that the entry names; its body is discarded. */
  async sendPinned(
    entry: Entry,
    request: Omit<BlobRequest, 'container' | 'blob' | 'query' | 'headers'>,
  ): Promise<HttpResponse> {
    const pinned = this.pinned(entry);
    try {
      return await this.client.sendAndDiscard({ ...request, ...pinned });
    } catch (refused) {
      const thrown = await this.explained(refused, entry, request.signal);
      const { blob } = pinned;
      if (!(thrown instanceof DroverError) || thrown.code !== 'NOT_FOUND' || blob?.endsWith('/') !== true) throw thrown;
      if (entry.kind !== 'folder') throw thrown;
      // Other programs keep a folder under its name without the slash.
      return this.client.sendAndDiscard({ ...request, ...pinned, blob: withoutSlash(blob) });
    }
  }

  /** Some servers call an unmet condition what is in fact a blob that is gone; one more question tells them apart. */
  async explained(thrown: unknown, entry: Entry, signal: AbortSignal): Promise<unknown> {
    if (!(thrown instanceof DroverError) || thrown.code !== 'CHANGED') return thrown;
    const found = await this.#headOrNull(this.blobName(entry), signal);
    if (found !== null) return thrown;
    return new DroverError('NOT_FOUND', `Blob "${entry.key}" in container "${this.container}": it is gone.`, {
      key: entry.key,
      cause: thrown,
    });
  }

  /** Address and condition that pin a request to the entry's state. */
  pinned(entry: Entry): Pick<BlobRequest, 'container' | 'blob' | 'key' | 'query' | 'headers'> & {
    query: Record<string, string>;
    headers: Record<string, string>;
  } {
    const { etag, versionId } = entry.identity;
    return {
      container: this.container,
      blob: this.blobName(entry),
      key: entry.key,
      query: versionId === null ? {} : { versionid: versionId },
      headers: etag === null ? {} : { 'if-match': quoted(etag) },
    };
  }

  /** True when something beside the folder itself stands under its name. */
  async hasInside(folder: Entry, signal: AbortSignal): Promise<boolean> {
    const prefix = this.fullKey(folder.key);
    let marker: string | null = null;
    do {
      const query = { container: this.container, prefix, marker, startFrom: null, withVersions: false, entriesMax: 2 };
      const page: BlobPage = await listPage(this.client, query, signal);
      if (page.blobs.some((blob) => blob.entry.key !== prefix)) return true;
      marker = page.nextMarker;
    } while (marker !== null);
    return false;
  }

  /** In a hierarchical namespace every folder is a thing of its own; those with something inside count as implied. */
  async #withImplied(entry: Entry, signal: AbortSignal): Promise<Entry> {
    if (entry.kind !== 'folder' || !this.nature.isHierarchical) return entry;
    return { ...entry, isImplied: await this.hasInside(entry, signal) };
  }

  async #headOrNull(blob: string, signal: AbortSignal): Promise<HttpResponse | null> {
    if (blob === '' || !blob.isWellFormed()) return null;
    try {
      return await this.client.sendAndDiscard({
        method: 'HEAD',
        operation: 'HEAD',
        container: this.container,
        blob,
        signal,
        accepts: [200],
      });
    } catch (thrown) {
      if (thrown instanceof DroverError && (thrown.code === 'NOT_FOUND' || thrown.code === 'UNREPRESENTABLE'))
        return null;
      throw thrown;
    }
  }
}

/**
 * Finds out, with two or three requests, that the container is there, whether its namespace is hierarchical, and whether a
 * listing can begin at a name. PLACE_NOT_FOUND; sign-in errors. A missing right to list is no error here: a target
 * that is only written to does not need it.
 */
export async function explore(client: BlobClient, place: Place, signal: AbortSignal): Promise<Nature> {
  const told = await accountIsHierarchical(client, place.container, signal);
  const probe = await probeListing(client, place, told === null, signal);
  const isHierarchical = told === true || probe.hasResourceType;
  return { isHierarchical, canSeek: probe.canSeek && !isHierarchical };
}

interface ListingProbe {
  readonly canSeek: boolean;
  readonly hasResourceType: boolean;
}

/**
 * Asks for a name behind all usual ones: an entry before it shows that the parameter was not understood.
 * `wantsSample`: the kind of the namespace is not known yet, and an entry would tell it.
 */
async function probeListing(
  client: BlobClient,
  place: Place,
  wantsSample: boolean,
  signal: AbortSignal,
): Promise<ListingProbe> {
  const startFrom = asciiHead(place.prefix) === place.prefix ? `${place.prefix}~~~~` : null;
  const list = (from: string | null): Promise<BlobPage> => {
    const query = { container: place.container, prefix: place.prefix, marker: null, startFrom: from };
    return listPage(client, { ...query, withVersions: false, entriesMax: 1 }, signal);
  };
  try {
    const canAsk = startFrom !== null && client.version >= START_FROM_VERSION;
    const page = await list(canAsk ? startFrom : null).catch((thrown: unknown) => {
      // Refused as a parameter that is not known: once more without it.
      if (canAsk && thrown instanceof DroverError && thrown.details?.['status'] === 400) return list(null);
      throw thrown;
    });
    const [first] = page.blobs;
    const isUnderstood = canAsk && (first === undefined || first.name >= startFrom);
    const sample = first === undefined && canAsk && wantsSample ? (await list(null)).blobs[0] : first;
    return {
      canSeek: isUnderstood && client.version >= START_FROM_VERSION,
      hasResourceType: sample?.hasResourceType === true,
    };
  } catch (thrown) {
    if (!(thrown instanceof DroverError) || thrown.code !== 'PERMISSION_DENIED') throw thrown;
    return { canSeek: false, hasResourceType: false };
  }
}

async function accountIsHierarchical(
  client: BlobClient,
  container: string,
  signal: AbortSignal,
): Promise<boolean | null> {
  try {
    const response = await client.sendAndDiscard({
      // Not HEAD: only a body tells which header was refused.
      method: 'GET',
      operation: 'GET',
      container,
      query: { restype: 'account', comp: 'properties' },
      signal,
      accepts: [200],
    });
    const told = response.headers['x-ms-is-hns-enabled'];
    return told === undefined ? null : told.toLowerCase() === 'true';
  } catch (thrown) {
    // Who may not ask this may still do everything else; the listing tells then.
    const codes = ['PERMISSION_DENIED', 'NOT_FOUND', 'PLACE_NOT_FOUND', 'UNSUPPORTED', 'INTERNAL', 'UNREPRESENTABLE'];
    if (thrown instanceof DroverError && codes.includes(thrown.code)) return null;
    throw thrown;
  }
}

function withoutSlash(name: string): string {
  return name.endsWith('/') ? name.slice(0, -1) : name;
}
