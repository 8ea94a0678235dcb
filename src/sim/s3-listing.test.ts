/** Listings of stores that do not order as Amazon does, and of keys with more versions than one page shows. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Config } from '../contract/fields.ts';
import type { Page, ScanRange, Source } from '../contract/provider.ts';
import type { Entry } from '../model/entry.ts';
import { compareKeys, isWithin } from '../model/key.ts';
import { s3 } from '../providers/s3/provider.ts';
import type { S3Options } from './s3-service.ts';
import { createS3Service } from './s3-service.ts';
import { simTransport } from './transport.ts';
import { seededRandom, simClock } from './world.ts';

const { signal } = new AbortController();
const ORIGIN = 'https://store.test';
const ALICE = { accessKeyId: 'AKALICE', secretAccessKey: 'a-secret-that-opens-nothing' };

/** A store of somebody else's: path style, and an order of its own. */
function store(options: Partial<S3Options>) {
  const clock = simClock();
  const service = createS3Service({
    clock,
    random: seededRandom(1),
    accounts: [{ accountId: '111111111111', users: [{ name: 'alice', ...ALICE }] }],
    ...options,
  });
  service.createBucket('box');
  let lists = 0;
  const open = async (versions: 'current' | 'all', prefix = ''): Promise<Source> => {
    const config: Config = { ...ALICE, endpoint: ORIGIN, pathStyle: true, region: 'us-east-1' };
    const account = await s3.open(config, {
      openTransport: simTransport((origin) => (origin === ORIGIN ? service : null), {
        clock,
        onAnswer: ({ operation }) => void (lists += operation === 'LIST' ? 1 : 0),
      }),
      clock,
      random: seededRandom(2),
      log: () => undefined,
      environment: {},
      saveAccount: async () => undefined,
    });
    return account.source({ container: 'box', prefix }, { versions }, signal);
  };
  return { service, open, lists: () => lists };
}

async function pagesOf(source: Source, range: ScanRange): Promise<Page[]> {
  const pages: Page[] = [];
  for await (const page of source.scan(range, signal)) pages.push(page);
  expect(pages.at(-1)?.complete).toBe(true);
  return pages;
}

const entriesOf = (pages: readonly Page[]): Entry[] => pages.flatMap((page) => page.entries);
const keysOf = (pages: readonly Page[]): string[] => entriesOf(pages).map((entry) => entry.key);
const inOrder = (keys: readonly string[]): string[] => keys.toSorted(compareKeys);

const VERSIONS = 10_001;
const EVERYTHING: ScanRange = { from: null, to: null, resume: null };
/** In the order of UTF-16 units U+1F600 comes before U+E000 and U+FF5E, in that of bytes after them. */
const oddKey = fc.string({
  unit: fc.constantFrom('a', 'b', '/', '\uff5e', '\u{1f600}', '\u{10ffff}', '\ue000', '\ud7ff'),
  minLength: 1,
  maxLength: 4,
});

describe.each(['bytes', 'units'] as const)('a store that orders by %s', (order) => {
  test('after every page the listing goes on with exactly the rest', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(oddKey, { minLength: 1, maxLength: 12 }), async (keys) => {
        const { service, open } = store({ order, pageKeysMax: 2 });
        for (const key of keys) service.put('box', key, 'x');
        const source = await open('current');
        const pages = await pagesOf(source, EVERYTHING);
        expect(inOrder(keysOf(pages))).toEqual(inOrder(keys));
        for (const [at, page] of pages.entries()) {
          if (page.complete) continue;
          const rest = await pagesOf(source, { ...EVERYTHING, resume: page.cursor });
          expect(inOrder(keysOf(rest))).toEqual(inOrder(keysOf(pages.slice(at + 1))));
        }
      }),
      { numRuns: 60 },
    );
  });

  test('a range holds every key of it, wherever the store puts it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(oddKey, { minLength: 1, maxLength: 12 }),
        fc.option(oddKey),
        fc.option(oddKey),
        async (keys, from, to) => {
          const { service, open } = store({ order, pageKeysMax: 3 });
          for (const key of keys) service.put('box', `p/${key}`, 'x');
          const source = await open('current', 'p/');
          const pages = await pagesOf(source, { from, to, resume: null });
          expect(inOrder(keysOf(pages))).toEqual(inOrder(keys.filter((key) => isWithin(key, from, to))));
        },
      ),
      { numRuns: 100 },
    );
  });
});

test('a range of names that all stores order alike costs no page more than it has', async () => {
  const { service, open, lists } = store({ pageKeysMax: 10 });
  for (let i = 0; i < 100; i++) service.put('box', `k${String(i).padStart(3, '0')}`, 'x');
  const source = await open('current');
  const before = lists();
  const pages = await pagesOf(source, { from: 'k050', to: 'k060', resume: null });
  expect(keysOf(pages)).toHaveLength(10);
  expect(lists() - before).toBeLessThanOrEqual(2);
});

test('a key with more versions than are held gives the newest, and says that there are older ones', async () => {
  const { service, open } = store({});
  service.bucket('box').versioning = 'Enabled';
  for (let i = 0; i < VERSIONS; i++) service.put('box', 'busy', String(i));
  service.put('box', 'calm', 'x');
  const entries = entriesOf(await pagesOf(await open('all'), EVERYTHING));
  expect(entries[0]).toMatchObject({ key: 'busy', kind: 'opaque', nativeType: 'older-versions' });
  const versions = service.bucket('box').objects.get('busy')!.slice(0, 10_000);
  expect(entries.slice(1, -1).map((entry) => entry.identity.versionId)).toEqual(
    versions.map((version) => version.versionId).toReversed(),
  );
  expect(entries.at(-1)).toMatchObject({ key: 'calm', kind: 'object' });
});
