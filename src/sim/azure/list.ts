/** List Blobs. */

import type { SimResponse } from '../http.ts';
import { textBody } from '../http.ts';
import { compareBytes, compareUnits } from '../order.ts';
import { branch, document, leaf } from '../xml.ts';
import { AzureError } from './error.ts';
import type { AzureCall, Blob, Container } from './state.ts';
import { permit, settled } from './state.ts';

const PAGE_MAX = 5000;
const INCLUDES = new Set([
  'snapshots',
  'metadata',
  'uncommittedblobs',
  'copy',
  'deleted',
  'tags',
  'versions',
  'deletedwithversions',
  'immutabilitypolicy',
  'legalhold',
  'permissions',
]);

type Row =
  | { readonly kind: 'blob'; readonly name: string; readonly blob: Blob; readonly current: boolean }
  | { readonly kind: 'uncommitted' | 'directory' | 'prefix'; readonly name: string };

export function listBlobs(call: AzureCall, container: Container): SimResponse {
  permit(call, 'l', 'c', container.name, null);
  const prefix = call.query.get('prefix') ?? '';
  const delimiter = call.query.get('delimiter') ?? '';
  const include = new Set((call.query.get('include') ?? '').split(',').filter((name) => name !== ''));
  const unknown = [...include].find((name) => !INCLUDES.has(name));
  const hns = call.world.options.hns === true;
  if (
    unknown !== undefined ||
    (include.has('snapshots') && delimiter !== '') ||
    (hns && delimiter !== '' && delimiter !== '/')
  ) {
    throw invalidQuery(unknown === undefined ? 'delimiter' : 'include');
  }
  if (include.has('tags')) permit(call, 't', 'c', container.name, null);
  const pageSize = ragged(call, pageSizeOf(call));
  const start = startOf(call);
  const rows: Row[] = [];
  const folders = new Set<string>();
  let next: string | null = null;
  for (const row of candidates(call, container, prefix, include, start)) {
    const end = delimiter === '' ? -1 : row.name.indexOf(delimiter, prefix.length);
    const folder = end < 0 ? null : row.name.slice(0, end + delimiter.length);
    if (folder !== null && (folders.has(folder) || folder === start.skipFolder)) continue;
    if (rows.length >= pageSize) {
      next = makeMarker(row.name, lastFolder(rows));
      break;
    }
    if (folder === null) rows.push(row);
    else {
      folders.add(folder);
      rows.push({ kind: 'prefix', name: folder });
    }
  }
  const xml = document(
    `EnumerationResults ServiceEndpoint="${call.request.scheme}://${call.request.host}/" ContainerName="${container.name}"`,
    leaf('Prefix', call.query.get('prefix')),
    leaf('Marker', call.query.get('marker')),
    leaf('MaxResults', call.query.get('maxresults')),
    leaf('Delimiter', call.query.get('delimiter')),
    branch(
      'Blobs',
      rows.map((row) => rowXml(call, row, include)),
    ),
    next === null ? '<NextMarker />' : leaf('NextMarker', next),
  );
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: textBody(xml) };
}

function invalidQuery(name: string): AzureError {
  return new AzureError(
    'InvalidQueryParameterValue',
    `Value for one of the query parameters specified in the request URI is invalid: ${name}.`,
  );
}

function pageSizeOf(call: AzureCall): number {
  const text = call.query.get('maxresults');
  if (text === null) return PAGE_MAX;
  if (!/^-?\d+$/.test(text)) throw invalidQuery('maxresults');
  if (Number(text) <= 0)
    throw new AzureError(
      'OutOfRangeQueryParameterValue',
      'One of the query parameters specified in the request URI is outside the permissible range: maxresults.',
    );
  return Math.min(Number(text), PAGE_MAX);
}

/** Chance makes pages short, and one in four empty; the marker then stands still and the next page may move it. */
function ragged(call: AzureCall, pageSize: number): number {
  if (call.world.options.raggedPages !== true) return pageSize;
  const chance = call.world.options.random.fraction();
  return chance < 0.25 ? 0 : Math.max(1, Math.floor(pageSize * chance));
}

interface Start {
  /** The first name that may be listed. */
  readonly from: string;
  /** A folder that an earlier page gave. */
  readonly skipFolder: string | null;
}

/** Opaque to clients: a length, a version and base64. */
function makeMarker(name: string, folder: string | null): string {
  const text = Buffer.from(JSON.stringify([name, folder])).toString('base64');
  return `2!${text.length}!${text}`;
}

function startOf(call: AzureCall): Start {
  const marker = call.query.get('marker');
  const startFrom = call.query.get('startFrom');
  if (startFrom !== null && (call.headers['x-ms-version'] ?? '') < '2026-02-06') throw invalidQuery('startFrom');
  if (marker === null || marker === '') return { from: startFrom ?? '', skipFolder: null };
  const match = /^2!(\d+)!([A-Za-z0-9+/=]+)$/.exec(marker);
  if (match === null || Number(match[1]) !== match[2]!.length) throw invalidQuery('marker');
  const [from, skipFolder] = JSON.parse(Buffer.from(match[2]!, 'base64').toString('utf8')) as [string, string | null];
  return { from, skipFolder };
}

function lastFolder(rows: readonly Row[]): string | null {
  return rows.findLast((row) => row.kind === 'prefix')?.name ?? null;
}

function* candidates(
  call: AzureCall,
  container: Container,
  prefix: string,
  include: ReadonlySet<string>,
  start: Start,
): Iterable<Row> {
  const compare = call.world.options.order === 'bytes' ? compareBytes : compareUnits;
  const from = compare(prefix, start.from) > 0 ? prefix : start.from;
  const extra = [
    ...(include.has('uncommittedblobs')
      ? container.uncommitted.keys().filter((name) => container.blobs.get(name) === undefined)
      : []),
    ...container.directories.keys(),
    ...(include.has('versions')
      ? [...container.history.keys()].filter((name) => container.blobs.get(name) === undefined)
      : []),
  ]
    .filter((name) => name.startsWith(prefix) && compare(name, from) >= 0)
    .toSorted(compare);
  let index = container.blobs.indexFrom(from);
  for (let at = 0; ;) {
    const key = container.blobs.keyAt(index);
    const name = key !== undefined && key.startsWith(prefix) ? key : undefined;
    const other = extra[at];
    if (other !== undefined && (name === undefined || compare(other, name) < 0)) {
      at++;
      yield* otherRows(container, other, include);
    } else if (name === undefined) return;
    else {
      index++;
      if (include.has('versions')) yield* versionRows(container, name, false);
      yield { kind: 'blob', name, blob: container.blobs.get(name)!, current: true };
    }
  }
}

function* otherRows(container: Container, name: string, include: ReadonlySet<string>): Iterable<Row> {
  if (container.directories.get(name) !== undefined) yield { kind: 'directory', name };
  else if (include.has('uncommittedblobs') && container.uncommitted.get(name) !== undefined) {
    yield { kind: 'uncommitted', name };
  } else yield* versionRows(container, name, false);
}

/** Oldest first. */
function* versionRows(container: Container, name: string, current: boolean): Iterable<Row> {
  for (const blob of (container.history.get(name) ?? []).toReversed()) yield { kind: 'blob', name, blob, current };
}

/** Names that XML cannot carry come percent-encoded, and say so. */
function nameXml(name: string): string {
  // oxlint-disable-next-line no-control-regex
  if (/^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]*$/.test(name)) return leaf('Name', name);
  return `<Name Encoded="true">${encodeURIComponent(name)}</Name>`;
}

function rowXml(call: AzureCall, row: Row, include: ReadonlySet<string>): string {
  switch (row.kind) {
    case 'prefix':
      return branch('BlobPrefix', nameXml(row.name));
    case 'directory':
      return branch(
        'Blob',
        nameXml(row.name),
        branch(
          'Properties',
          leaf('ResourceType', 'directory'),
          leaf('Content-Length', 0),
          leaf('BlobType', 'BlockBlob'),
        ),
        include.has('metadata') ? branch('Metadata', leaf('hdi_isfolder', 'true')) : '',
      );
    case 'uncommitted':
      return branch(
        'Blob',
        nameXml(row.name),
        branch('Properties', leaf('Content-Length', 0), leaf('BlobType', 'BlockBlob')),
      );
    default:
      return blobXml(call, row.name, settled(call.world, row.blob), row.current, include);
  }
}

function blobXml(call: AzureCall, name: string, blob: Blob, current: boolean, include: ReadonlySet<string>): string {
  const { properties } = blob;
  return branch(
    'Blob',
    nameXml(name),
    include.has('versions') && blob.versionId !== null
      ? [leaf('VersionId', blob.versionId), current ? leaf('IsCurrentVersion', true) : '']
      : '',
    branch(
      'Properties',
      leaf('Creation-Time', new Date(blob.createdAtMs).toUTCString()),
      leaf('Last-Modified', new Date(blob.modifiedAtMs).toUTCString()),
      leaf('Etag', blob.etag.replaceAll('"', '')),
      call.world.options.hns === true ? leaf('ResourceType', 'file') : '',
      leaf('Content-Length', blob.content.sizeBytes),
      leaf('Content-Type', properties['content-type']),
      leaf('Content-Encoding', properties['content-encoding'] ?? ''),
      leaf('Content-Language', properties['content-language'] ?? ''),
      leaf('Content-MD5', blob.contentMd5 ?? ''),
      leaf('Cache-Control', properties['cache-control'] ?? ''),
      leaf('Content-Disposition', properties['content-disposition'] ?? ''),
      leaf('BlobType', 'BlockBlob'),
      leaf('AccessTier', blob.tier),
      blob.tierInferred ? leaf('AccessTierInferred', true) : '',
      blob.rehydration === null
        ? ''
        : leaf('ArchiveStatus', `rehydrate-pending-to-${blob.rehydration.tier.toLowerCase()}`),
      leaf('LeaseStatus', blob.lease === null ? 'unlocked' : 'locked'),
      leaf('LeaseState', blob.lease === null ? 'available' : 'leased'),
      leaf('ServerEncrypted', true),
      blob.tags.size > 0 ? leaf('TagCount', blob.tags.size) : '',
    ),
    include.has('metadata')
      ? branch(
          'Metadata',
          Object.entries(blob.metadata).map(([key, value]) => leaf(key, value)),
        )
      : '',
    include.has('tags') && blob.tags.size > 0
      ? branch(
          'Tags',
          branch(
            'TagSet',
            [...blob.tags].map(([key, value]) => branch('Tag', leaf('Key', key), leaf('Value', value))),
          ),
        )
      : '',
  );
}
