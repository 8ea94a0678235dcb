/** Buckets, then folders: for pickers and listings by hand. */
import type { BrowsePage, Place } from '../../contract/provider.ts';
import { child, childText, children } from '../../lib/xml.ts';
import type { Query, S3Client } from './client.ts';
import { keyParameter } from './address.ts';
import { listOnce } from './scan.ts';

export async function* browse(client: S3Client, path: Place | null, signal: AbortSignal): AsyncGenerator<BrowsePage> {
  const { bucket, prefix } = client.settings;
  if (path === null || path.container === '') {
    // The right to list all buckets may be missing exactly because there is only this one.
    if (bucket === null) yield* buckets(client, signal);
    else yield { items: [{ name: bucket, kind: 'container', entry: null }] };
    return;
  }
  if (prefix !== '' && prefix !== path.prefix && prefix.startsWith(path.prefix)) {
    const name = prefix.slice(path.prefix.length, prefix.indexOf('/', path.prefix.length) + 1);
    yield { items: [{ name, kind: 'folder', entry: null }] };
    return;
  }
  yield* folder(client, path, signal);
}

async function* buckets(client: S3Client, signal: AbortSignal): AsyncGenerator<BrowsePage> {
  let token: string | null = null;
  for (;;) {
    // Regions are told, and pages made, only when a parameter asks for them.
    const query: Query[number][] = [['max-buckets', '1000']];
    if (token !== null) query.push(['continuation-token', token]);
    const { root } = await client.document({
      method: 'GET',
      bucket: null,
      key: null,
      query,
      operation: 'LIST',
      signal,
    });
    const list = child(root, 'Buckets');
    yield {
      items: (list === null ? [] : children(list, 'Bucket')).map((element) => {
        const region = childText(element, 'BucketRegion');
        const name = childText(element, 'Name') ?? '';
        return { name, kind: 'container', entry: null, ...(region ? { region } : {}) };
      }),
    };
    const next: string | null = childText(root, 'ContinuationToken') || null;
    if (next === null || next === token) return;
    token = next;
  }
}

async function* folder(client: S3Client, path: Place, signal: AbortSignal): AsyncGenerator<BrowsePage> {
  const place = { bucket: path.container, prefix: path.prefix };
  let token: string | null = null;
  for (;;) {
    const query: Query[number][] = [
      ['delimiter', '/'],
      ['encoding-type', 'url'],
      ['list-type', '2'],
    ];
    if (path.prefix !== '') query.push(['prefix', keyParameter(path.prefix)]);
    if (token !== null) query.push(['continuation-token', token]);
    const page = await listOnce(client, place, query, { isMd5: true }, signal);
    const folders = page.prefixes.map((name) => ({ name, kind: 'folder' as const, entry: null }));
    const objects = page.entries
      // The marker of this very folder is no member of it.
      .filter((entry) => entry.key !== '')
      .map((entry) => ({ name: entry.key, kind: 'object' as const, entry }));
    yield { items: [...folders, ...objects] };
    if (!page.isTruncated || page.token === token) return;
    token = page.token;
  }
}
