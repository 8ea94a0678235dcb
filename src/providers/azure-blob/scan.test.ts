/** Listings: ranges, orders, versions, ragged pages and cursors, against the strict stand-in. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Transport } from '../../lib/transport.ts';
import type { Page, ScanRange, Source } from '../../contract/provider.ts';
import type { Entry } from '../../model/entry.ts';
import { compareKeys, isWithin } from '../../model/key.ts';
import { systemClock } from '../../lib/system.ts';
import type { AzureOptions, AzureService } from '../../sim/azure-service.ts';
import { simContext, simForm, simService } from '../../../test/azure-sim-bench.ts';
import { blockId, idLength, parseBlockId, READABLE_LENGTH } from './block-ids.ts';
import { BlobClient } from './client.ts';
import { resolveSignIn } from './credentials.ts';
import { parsePage } from './listing.ts';
import { scanBlobs, type ScanPlace } from './scan.ts';
import { azureBlob } from './provider.ts';

const { signal } = new AbortController();
const EVERYTHING: ScanRange = { from: null, to: null, resume: null };

/** Chance that is the same in every run. */
function seededRandom(seed: number): AzureOptions['random'] {
  let state = seed;
  const next = (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
  return { fraction: next, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)) };
}

async function opened(service: AzureService, versions: 'current' | 'all' = 'current', prefix = ''): Promise<Source> {
  const account = await azureBlob.open(simForm(), simContext(service));
  return account.source({ container: 'box', prefix }, { versions }, signal);
}

async function pagesOf(source: Source, range: ScanRange): Promise<Page[]> {
  const pages: Page[] = [];
  for await (const page of source.scan(range, signal)) pages.push(page);
  expect(pages.at(-1)?.complete).toBe(true);
  expect(pages.filter((page) => page.complete)).toHaveLength(1);
  return pages;
}

const keysOf = (pages: readonly Page[]): string[] => pages.flatMap((page) => page.entries.map((entry) => entry.key));
const marks = (pages: readonly Page[]): (readonly [string, Entry['identity']['versionId']])[] =>
  pages.flatMap((page) => page.entries.map((entry) => [entry.key, entry.identity.versionId] as const));

const character = fc.constantFrom('a', 'b', '/', '-', '0', '~', 'é', '\ue000', '\uff5e', '\u{1f600}', '\u{10000}');
const key = fc.array(character, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''));

describe('ranges', () => {
  test.each(['units', 'bytes'] as const)(
    'give every key once and in byte order from a service that sorts by %s',
    async (order) => {
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(key, { minLength: 1, maxLength: 40 }),
          fc.option(key),
          fc.option(key),
          fc.integer({ min: 1, max: 1e9 }),
          async (keys, from, to, seed) => {
            const service = simService({ order, raggedPages: true, random: seededRandom(seed) });
            service.createContainer('box');
            for (const each of keys) service.put('box', `p/${each}`, each);
            service.put('box', 'o', 'before');
            service.put('box', 'q', 'behind');
            const source = await opened(service, 'current', 'p/');
            const expected = keys.filter((each) => isWithin(each, from, to)).toSorted(compareKeys);
            const pages = await pagesOf(source, { from, to, resume: null });
            expect(keysOf(pages)).toEqual(expected);
            const at = pages.findIndex((page) => page.cursor !== null);
            if (at < 0) return;
            const resume = JSON.parse(JSON.stringify(pages[at]?.cursor)) as Page['cursor'];
            expect(keysOf(await pagesOf(source, { from, to, resume }))).toEqual(keysOf(pages.slice(at + 1)));
          },
        ),
        { numRuns: 150 },
      );
    },
  );

  test('below one folder ask the service for that folder only', async () => {
    const service = simService({});
    service.createContainer('box');
    for (const each of ['a/1', 'b/1', 'b/2', 'c/1']) service.put('box', each, 'x');
    const paths: string[] = [];
    const { openTransport } = simContext(service);
    const account = await azureBlob.open(simForm(), {
      ...simContext(service),
      openTransport: (settings) => {
        const inner = openTransport(settings);
        return { send: (request) => (paths.push(request.path), inner.send(request)), close: () => inner.close() };
      },
    });
    const source = await account.source({ container: 'box', prefix: '' }, { versions: 'current' }, signal);
    expect(keysOf(await pagesOf(source, { from: 'b/', to: 'b0', resume: null }))).toEqual(['b/1', 'b/2']);
    expect(paths.at(-1)).toContain('prefix=b%2F');
    expect(keysOf(await pagesOf(source, { from: 'b/2', to: null, resume: null }))).toEqual(['b/2', 'c/1']);
    expect(paths.at(-1)).toContain('startFrom=b%2F2');
  });
});

/** A listing that a service cut into pages of any size, without one: what `scan` makes of it alone. */
function scripted(rows: readonly ScriptedRow[], pageSizes: readonly number[]): ScanPlace {
  const pages: ScriptedRow[][] = [];
  for (let at = 0, i = 0; at < rows.length || pages.length === 0; i++) {
    const size = pageSizes[i % pageSizes.length] ?? 1;
    pages.push(rows.slice(at, at + size));
    at += size;
  }
  const signIn = resolveSignIn(simForm(), simContext(simService()));
  const transport: Transport = {
    async send(request) {
      const at = Number(new URLSearchParams(request.path.split('?')[1]).get('marker') ?? 0);
      const next = at + 1 < pages.length ? `<NextMarker>${at + 1}</NextMarker>` : '<NextMarker />';
      const blobs = (pages[at] ?? []).map(rowXml).join('');
      const bytes = Buffer.from(`<EnumerationResults><Blobs>${blobs}</Blobs>${next}</EnumerationResults>`);
      return {
        status: 200,
        headers: {},
        body: (async function* () {})(),
        bytes: async () => bytes,
        discard: async () => {},
      };
    },
    close: async () => {},
  };
  const client = new BlobClient({ signIn, transport, clock: systemClock, log: () => {} });
  const withVersions = rows.some((row) => row.version !== null);
  return { client, container: 'box', prefix: '', canSeek: true, withVersions, isSorted: true };
}

interface ScriptedRow {
  readonly name: string;
  readonly version: string | null;
  readonly isCurrent: boolean;
}

function rowXml({ name, version, isCurrent }: ScriptedRow): string {
  const versioned =
    version === null
      ? ''
      : `<VersionId>${version}</VersionId>${isCurrent ? '<IsCurrentVersion>true</IsCurrentVersion>' : ''}`;
  return `<Blob><Name>${name}</Name>${versioned}<Properties><Content-Length>1</Content-Length></Properties></Blob>`;
}

async function scanned(place: ScanPlace, resume: Page['cursor'] = null): Promise<Page[]> {
  const pages: Page[] = [];
  for await (const page of scanBlobs(place, { from: null, to: null, resume }, signal)) pages.push(page);
  return pages;
}

describe('pages of any size', () => {
  const sizes = fc
    .array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 })
    .filter((all) => all.some((size) => size > 0));
  const orders = fc.constantFrom(compareKeys, (a: string, b: string) => (a < b ? -1 : Number(a > b)));

  test('never break the order of keys or of versions, and every cursor goes on exactly there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(key, { minLength: 1, maxLength: 12 }),
        orders,
        sizes,
        fc.nat(3),
        async (keys, order, pageSizes, versions) => {
          const rows = keys.toSorted(order).flatMap((name): ScriptedRow[] => {
            if (versions === 0) return [{ name, version: null, isCurrent: true }];
            // The current one first, as a service may well list it.
            const ids = Array.from({ length: versions }, (_, i) => `2026-01-0${i + 1}T00:00:00.0000000Z`);
            return ids.toReversed().map((version, i) => ({ name, version, isCurrent: i === 0 }));
          });
          const place = scripted(rows, pageSizes);
          const pages = await scanned(place);
          const expected = rows.toSorted(
            (a, b) => compareKeys(a.name, b.name) || compareKeys(a.version ?? '', b.version ?? ''),
          );
          expect(marks(pages)).toEqual(expected.map((row) => [row.name, row.version]));
          for (const [at, page] of pages.entries()) {
            if (page.cursor !== null)
              expect(marks(await scanned(place, page.cursor)), `page ${at}`).toEqual(marks(pages.slice(at + 1)));
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('versions', () => {
  test('are read one by one', async () => {
    const service = simService({ versioning: true });
    service.createContainer('box');
    for (const content of ['old', 'newer']) service.put('box', 'a', content);
    const source = await opened(service, 'all');
    const read: string[] = [];
    for (const entry of (await pagesOf(source, EVERYTHING)).flatMap((page) => page.entries)) {
      const reading = await source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
      for await (const chunk of reading.body) read.push(Buffer.from(chunk).toString());
    }
    expect(read).toEqual(['old', 'newer']);
  });

  test('are refused where there are none', async () => {
    const service = simService({ hns: true });
    service.createContainer('box');
    await expect(opened(service, 'all')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('folders', () => {
  test('that other programs keep without a slash stand in their place in the order', async () => {
    const service = simService({});
    service.createContainer('box');
    service.put('box', 'dir', '', { metadata: { hdi_isfolder: 'true' } });
    for (const each of ['dir!', 'dir-2', 'dir/x', 'dir0']) service.put('box', each, 'x');
    const source = await opened(service);
    const entries = (await pagesOf(source, EVERYTHING)).flatMap((page) => page.entries);
    expect(entries.map((entry) => [entry.key, entry.kind])).toEqual([
      ['dir!', 'object'],
      ['dir-2', 'object'],
      ['dir/', 'folder'],
      ['dir/x', 'object'],
      ['dir0', 'object'],
    ]);
    expect(await source.stat('dir', signal)).toBeNull();
    expect((await source.stat('dir/', signal))?.kind).toBe('folder');
    expect((await source.describe(entries[2] as Entry, signal)).entry.key).toBe('dir/');
  });
});

describe('a place', () => {
  test('of a hierarchical namespace says so in its traits', async () => {
    const service = simService({ hns: true });
    service.createContainer('box');
    const account = await azureBlob.open(simForm(), simContext(service));
    const source = await account.source({ container: 'box', prefix: '' }, { versions: 'current' }, signal);
    expect(source.traits).toMatchObject({ order: 'none', seek: 'none', facets: ['references', 'restore'] });
    expect(Object.keys(source.facets).toSorted()).toEqual(['references', 'restore']);
    const target = await account.target({ container: 'box', prefix: '' }, { facts: null, runId: 'run00001' }, signal);
    expect(target.facets.tags).toBeUndefined();
    expect(target.traits.names).toMatchObject({ objectAndPrefix: false, emptySegments: false });
    expect(target.traits.tagsMax).toBe(0);
  });

  test('is known as hierarchical from its entries where the account may not be asked', async () => {
    const service = simService({ hns: true });
    service.createContainer('box');
    service.put('box', 'a', 'x');
    const { openTransport } = simContext(service);
    const account = await azureBlob.open(simForm(), {
      ...simContext(service),
      openTransport: (settings) => {
        const inner = openTransport(settings);
        const refused = { status: 403, headers: { 'x-ms-error-code': 'AuthorizationPermissionMismatch' } };
        const empty = {
          body: (async function* () {})(),
          bytes: async () => new Uint8Array(0),
          discard: async () => {},
        };
        return {
          send: async (request) =>
            request.path.includes('restype=account') ? { ...refused, ...empty } : inner.send(request),
          close: () => inner.close(),
        };
      },
    });
    const source = await account.source({ container: 'box', prefix: '' }, { versions: 'current' }, signal);
    expect(source.traits).toMatchObject({ order: 'none', seek: 'none' });
  });

  test('of a flat one offers what the manifest says, with room for its prefix', async () => {
    const service = simService({});
    service.createContainer('box');
    const account = await azureBlob.open(simForm(), simContext(service));
    const source = await account.source({ container: 'box', prefix: '' }, { versions: 'current' }, signal);
    expect(source.traits).toEqual(azureBlob.manifest.source);
    const target = await account.target(
      { container: 'box', prefix: 'a/b/' },
      { facts: null, runId: 'run00001' },
      signal,
    );
    const { names, ...rest } = target.traits;
    const { names: all, ...others } = azureBlob.manifest.target;
    expect(rest).toEqual(others);
    expect(names).toEqual({ ...all, keyCharactersMax: 1020, segmentsMax: 252 });
    for (const facet of target.traits.facets) expect(target.facets[facet]).toBeDefined();
  });

  test('outside of what the connector is restricted to is refused', async () => {
    const service = simService({});
    service.createContainer('box');
    const account = await azureBlob.open({ ...simForm(), container: 'box', prefix: 'in' }, simContext(service));
    const open = (container: string, prefix: string) =>
      account.source({ container, prefix }, { versions: 'current' }, signal);
    await expect(open('box', 'in/')).resolves.toBeDefined();
    await expect(open('box', 'in/deeper/')).resolves.toBeDefined();
    await expect(open('box', 'inside/')).rejects.toMatchObject({ code: 'PERMISSION_DENIED', field: 'prefix' });
    await expect(open('other', 'in/')).rejects.toMatchObject({ code: 'PERMISSION_DENIED', field: 'container' });
    const names: string[] = [];
    for await (const page of account.browse(null, signal)) names.push(...page.items.map((item) => item.name));
    expect(names).toEqual(['box']);
  });
});

describe('documents', () => {
  const page = (blobs: string, rest = '<NextMarker/>') =>
    `<EnumerationResults><Blobs>${blobs}</Blobs>${rest}</EnumerationResults>`;
  const blob = (name: string, more = '') =>
    `<Blob>${name}<Properties><Content-Length>3</Content-Length><Etag>0x1</Etag>${more}</Properties></Blob>`;

  test('that do not say where they end are no listing', () => {
    expect(() => parsePage(page(''), false)).not.toThrow();
    expect(() => parsePage(page('', ''), false)).toThrow(expect.objectContaining({ code: 'LISTING_INCOMPLETE' }));
    expect(() => parsePage('<Error/>', false)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
    expect(() => parsePage(page(blob('<Name>a</Name>')).slice(0, -30), false)).toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE' }),
    );
  });

  test('keep names as they are, and decode only those that say they are encoded', () => {
    const found = parsePage(page(blob('<Name> a%41&#xA; </Name>') + blob('<Name Encoded="true">b%01</Name>')), false);
    expect(found.blobs.map((each) => each.name)).toEqual([' a%41\n ', 'b\u0001']);
  });

  test('tell archived and returning blobs', () => {
    const found = parsePage(
      page(
        blob('<Name>a</Name>', '<AccessTier>Archive</AccessTier>') +
          blob(
            '<Name>b</Name>',
            '<AccessTier>Archive</AccessTier><ArchiveStatus>rehydrate-pending-to-hot</ArchiveStatus>',
          ),
      ),
      false,
    );
    expect(found.blobs.map((each) => [each.entry.availability, each.entry.storageClass])).toEqual([
      ['archived', 'Archive'],
      ['restoring', 'Archive'],
    ]);
  });
});

describe('names of blocks', () => {
  const run = fc.stringMatching(/^[a-z0-9]{8,26}$/);
  const crc = fc.option(fc.stringMatching(/^[0-9a-f]{16}$/));

  test('tell their own run what they are, at every length, and nothing to others', () => {
    fc.assert(
      fc.property(
        run,
        run,
        fc.nat(2 ** 42),
        fc.nat(49_999),
        crc,
        fc.integer({ min: 12, max: 64 }),
        (runId, other, startedAtMs, index, crc64, length) => {
          const id = blockId({ runId, startedAtMs }, index, crc64, length);
          expect(idLength(id)).toBe(length);
          const kept = length === READABLE_LENGTH ? crc64 : null;
          expect(parseBlockId(id, runId)).toEqual({ startedAtMs, index, crc64: kept });
          if (other !== runId) expect(parseBlockId(id, other)).toBeNull();
        },
      ),
    );
  });

  test('of other programs are nobody of ours', () => {
    for (const id of [
      '',
      'AAAA',
      Buffer.from('block-00000001').toString('base64'),
      Buffer.alloc(63).toString('base64'),
    ]) {
      expect(parseBlockId(id, 'run00001')).toBeNull();
    }
    expect(blockId({ runId: 'run00001', startedAtMs: systemClock.now() }, 0, null, READABLE_LENGTH)).not.toContain('=');
  });
});
