/** Pages of a container: the XML of List Blobs as entries. */
import { child, children, childText, parseXml, type XmlElement } from '../../lib/xml.ts';
import { entryOf, type Entry } from '../../model/entry.ts';
import { DroverError } from '../../model/errors.ts';
import type { BlobClient } from './client.ts';
import { decodeMetadata } from './metadata.ts';
import { decodeListedName } from './names.ts';
import { availabilityOf, instant, md5Digests, unquoted } from './properties.ts';

export const LIST_PAGE_MAX = 5000;
/** 5,000 entries with 8 KiB of metadata each, in XML. */
const LIST_BYTES_MAX = 128 * 1024 * 1024;

export interface ListQuery {
  readonly container: string;
  readonly prefix: string;
  readonly marker: string | null;
  readonly startFrom: string | null;
  readonly delimiter?: string;
  readonly withVersions: boolean;
  /** Fewer than a full page, for probes. */
  readonly entriesMax?: number;
}

export interface ListedBlob {
  /** Full name inside the container. */
  readonly name: string;
  /** Its key is the name relative to the place. */
  readonly entry: Entry;
  readonly isCurrentVersion: boolean;
  /** A hierarchical namespace says of each thing whether it is a file or a directory. */
  readonly hasResourceType: boolean;
}

export interface BlobPage {
  readonly blobs: readonly ListedBlob[];
  /** Full names that end with the delimiter. */
  readonly prefixes: readonly string[];
  /** `null`: this was the last page. A short or even empty page with a marker is not an end. */
  readonly nextMarker: string | null;
}

export async function listPage(client: BlobClient, query: ListQuery, signal: AbortSignal): Promise<BlobPage> {
  const parameters: Record<string, string> = {
    restype: 'container',
    comp: 'list',
    include: query.withVersions ? 'metadata,versions' : 'metadata',
    maxresults: String(query.entriesMax ?? LIST_PAGE_MAX),
  };
  if (query.prefix !== '') parameters['prefix'] = query.prefix;
  if (query.delimiter !== undefined) parameters['delimiter'] = query.delimiter;
  if (query.marker !== null) parameters['marker'] = query.marker;
  if (query.startFrom !== null) parameters['startFrom'] = query.startFrom;
  const text = await client.sendForText(
    { method: 'GET', operation: 'LIST', container: query.container, query: parameters, signal, accepts: [200] },
    LIST_BYTES_MAX,
  );
  return parsePage(text, query.withVersions);
}

export function parsePage(text: string, withVersions: boolean): BlobPage {
  const blobs: ListedBlob[] = [];
  const visit = (blob: XmlElement): void => {
    const isShown = childText(blob, 'Deleted') !== 'true' && (childText(blob, 'Snapshot') ?? '') === '';
    if (isShown) blobs.push(listedBlob(blob, withVersions));
  };
  const root = parseXml(text, { name: 'Blob', visit });
  const list = child(root, 'Blobs');
  if (root.name !== 'EnumerationResults' || list === null) {
    throw new DroverError('UNAVAILABLE', 'The service answered a listing with a document that is not one.');
  }
  const marker = childText(root, 'NextMarker');
  if (marker === null) {
    throw new DroverError('LISTING_INCOMPLETE', 'The service answered a listing without saying whether it ends there.');
  }
  return {
    blobs,
    prefixes: children(list, 'BlobPrefix').map(nameOf),
    nextMarker: marker === '' ? null : marker,
  };
}

function listedBlob(blob: XmlElement, withVersions: boolean): ListedBlob {
  const name = nameOf(blob);
  const properties = child(blob, 'Properties');
  const property = (named: string) => (properties === null ? null : childText(properties, named));
  const metadata = child(blob, 'Metadata');
  const raw = Object.fromEntries((metadata?.children ?? []).map((entry) => [entry.name, entry.text]));
  const read = decodeMetadata(raw);
  const resourceType = property('ResourceType') ?? childText(blob, 'ResourceType');
  const isFolder = read.isFolder || resourceType === 'directory';
  const tier = property('AccessTier');
  const entry = entryOf({
    kind: isFolder ? 'folder' : 'object',
    key: isFolder && !name.endsWith('/') ? `${name}/` : name,
    sizeBytes: isFolder ? 0 : sizeOf(property('Content-Length'), name),
    modifiedAtMs: instant(property('Last-Modified')),
    identity: {
      etag: unquoted(property('Etag')),
      versionId: withVersions ? childText(blob, 'VersionId') : null,
    },
    digests: isFolder ? {} : md5Digests(property('Content-MD5')),
    storageClass: isFolder ? null : tier,
    availability: availabilityOf(tier ?? undefined, property('ArchiveStatus') ?? undefined),
    recorded: read.recorded,
  });
  return {
    name,
    entry,
    isCurrentVersion: childText(blob, 'IsCurrentVersion') === 'true' || childText(blob, 'VersionId') === null,
    hasResourceType: resourceType !== null,
  };
}

function nameOf(element: XmlElement): string {
  const name = child(element, 'Name');
  if (name === null || name.text === '') {
    throw new DroverError('UNAVAILABLE', 'The service answered a listing with an entry that has no name.');
  }
  return decodeListedName(name.text, name.attributes['Encoded'] === 'true');
}

function sizeOf(text: string | null, name: string): number {
  if (text === null || !/^\d+$/.test(text)) {
    throw new DroverError('UNAVAILABLE', `The service listed the blob "${name}" without its size.`);
  }
  return Number(text);
}

export interface ContainerPage {
  readonly names: readonly string[];
  readonly nextMarker: string | null;
}

export async function listContainersPage(
  client: BlobClient,
  marker: string | null,
  signal: AbortSignal,
  entriesMax: number = LIST_PAGE_MAX,
): Promise<ContainerPage> {
  const query: Record<string, string> = { comp: 'list', maxresults: String(entriesMax) };
  if (marker !== null) query['marker'] = marker;
  const text = await client.sendForText(
    { method: 'GET', operation: 'LIST', query, signal, accepts: [200] },
    LIST_BYTES_MAX,
  );
  const root = parseXml(text);
  const list = child(root, 'Containers');
  const next = childText(root, 'NextMarker');
  if (list === null || next === null) {
    throw new DroverError(
      'UNAVAILABLE',
      'The service answered a listing of containers with a document that is not one.',
    );
  }
  return { names: children(list, 'Container').map(nameOf), nextMarker: next === '' ? null : next };
}
