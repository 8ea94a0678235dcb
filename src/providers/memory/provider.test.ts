/** What the memory store does beyond the contract: the ways in which tests bend it. */
import { describe, expect, test } from 'vitest';
import type { Context, Page, Source, Target, WriteOptions } from '../../contract/provider.ts';
import { NO_PROPERTIES, type Entry } from '../../model/entry.ts';
import { ALL_NAMES } from '../../model/names.ts';
import { DroverError } from '../../model/errors.ts';
import { createMemoryProvider, memory, MemoryStore, memoryStore, type MemoryBehaviour } from './provider.ts';

const signal = new AbortController().signal;
const PLACE = { container: 'box', prefix: '' };

function context(now = () => 1_000_000): Context {
  return {
    openTransport: () => ({
      send: () => Promise.reject(new DroverError('UNREACHABLE', 'There is no network here.')),
      close: async () => {},
    }),
    clock: { now, monotonic: now, sleep: async () => {} },
    random: { fraction: () => 0.5, bytes: (length) => new Uint8Array(length) },
    log: () => {},
    environment: {},
    saveAccount: async () => {},
  };
}

async function opened(behaviour: Partial<MemoryBehaviour>, now?: () => number) {
  return openedOn(new MemoryStore(behaviour), now);
}

async function openedOn(store: MemoryStore, now?: () => number) {
  store.ensure('box');
  const account = await createMemoryProvider(store).open({ store: 'demo' }, context(now));
  const source = await account.source(PLACE, { versions: store.behaviour.isVersioned ? 'all' : 'current' }, signal);
  const target = await account.target(PLACE, { facts: null, runId: 'run00001' }, signal);
  return { store, account, source, target };
}

async function pagesOf(source: Source, resume: Page['cursor'] = null): Promise<Page[]> {
  const pages: Page[] = [];
  for await (const page of source.scan({ from: null, to: null, resume }, signal)) pages.push(page);
  return pages;
}

const entriesOf = async (source: Source): Promise<Entry[]> => (await pagesOf(source)).flatMap((page) => page.entries);

const options = (more: Partial<WriteOptions> = {}): WriteOptions => ({
  properties: NO_PROPERTIES,
  digests: {},
  expect: { kind: 'any' },
  modifiedAtMs: null,
  recorded: null,
  storageClass: null,
  kind: 'object',
  signal,
  ...more,
});

function writeText(target: Target, key: string, text: string, more: Partial<WriteOptions> = {}) {
  const content = new TextEncoder().encode(text);
  return target.write(key, { sizeBytes: content.length, content }, options(more));
}

describe('the memory store', () => {
  test('is found by its name', async () => {
    memoryStore('named').put('box', 'a', '1');
    const account = await memory.open({ store: 'named' }, context());
    const source = await account.source(PLACE, { versions: 'current' }, signal);
    expect((await entriesOf(source)).map((entry) => entry.key)).toEqual(['a']);
    expect(memory.manifest.id).toBe('memory');
  });

  test('lists in a scrambled order that resumes, when told so', async () => {
    const { store, source } = await opened({ order: 'none', pageSize: 7 });
    for (let i = 0; i < 40; i++) store.put('box', `k${i}`, String(i));
    const pages = await pagesOf(source);
    const keys = pages.flatMap((page) => page.entries).map((entry) => entry.key);
    expect(keys.toSorted()).toEqual(store.keys('box').toSorted());
    expect(keys).not.toEqual(store.keys('box'));
    const rest = await pagesOf(source, pages[2]?.cursor ?? null);
    expect(rest.flatMap((page) => page.entries).map((entry) => entry.key)).toEqual(keys.slice(21));
  });

  test('counts requests, runs hooks and loses answers', async () => {
    const { store, target } = await opened({});
    store.hooks.after = (operation) => {
      if (operation === 'PUT') throw new DroverError('UNAVAILABLE', 'The answer was lost.');
    };
    await expect(writeText(target, 'a', 'one')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(store.text('box', 'a')).toBe('one');
    store.hooks.after = null;
    await writeText(target, 'a', 'one', { expect: { kind: 'absent' } });
    expect(store.requests.PUT).toBe(2);
    await expect(writeText(target, 'a', 'two', { expect: { kind: 'absent' } })).rejects.toMatchObject({
      code: 'CHANGED',
    });
  });

  test('lets a hook change the store in the middle of an operation', async () => {
    const { store, source } = await opened({});
    store.put('box', 'a', 'before');
    const [entry] = await entriesOf(source);
    store.hooks.before = (operation) => {
      if (operation === 'GET') store.put('box', 'a', 'after!');
    };
    await expect(source.read(entry as Entry, { offset: 0, lengthBytes: 6 }, signal)).rejects.toMatchObject({
      code: 'CHANGED',
    });
  });

  test('keeps versions and delete markers', async () => {
    const { store, source, target } = await opened({ isVersioned: true });
    store.put('box', 'a', '1');
    store.put('box', 'a', '22');
    const entry = await target.stat('a', signal);
    expect(await target.facets.removal?.remove(entry as Entry, signal)).toBe('removed');
    const all = await entriesOf(source);
    expect(all.map((version) => [version.key, version.sizeBytes, version.nativeType])).toEqual([
      ['a', 1, null],
      ['a', 2, null],
      ['a', 0, 'delete-marker'],
    ]);
    expect(await target.stat('a', signal)).toBeNull();
    const first = await source.read(all[0] as Entry, { offset: 0, lengthBytes: 1 }, signal);
    expect(first.entry.identity.versionId).toBe(all[0]?.identity.versionId);
  });

  test('knows what was put before versions were kept by a name of its own', async () => {
    const store = new MemoryStore({ isVersioned: false });
    store.put('box', 'a', 'old');
    store.put('box', 'b', 'only');
    Object.assign(store.behaviour, { isVersioned: true });
    store.put('box', 'a', 'new');
    const { source, target } = await openedOn(store);
    const all = await entriesOf(source);
    expect(all.map(({ key, identity }) => [key, identity.versionId])).toEqual([
      ['a', 'null'],
      ['a', 'v1'],
      ['b', 'null'],
    ]);
    const read = async (entry: Entry): Promise<string> => {
      const chunks: Uint8Array[] = [];
      const reading = await source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
      for await (const chunk of reading.body) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };
    expect(await Promise.all(all.map(read))).toEqual(['old', 'new', 'only']);
    // No more are kept: what has no name is replaced, and a deletion has none either.
    Object.assign(store.behaviour, { isVersioned: false });
    store.put('box', 'a', 'replaced');
    const contents = (): string[] =>
      store.containers
        .get('box')!
        .history('a')
        .map(({ content }) => Buffer.from(content).toString());
    expect(contents()).toEqual(['new', 'replaced']);
    const remove = async (key: string) => target.facets.removal?.remove((await target.stat(key, signal))!, signal);
    expect(await remove('a')).toBe('removed');
    expect(await remove('b')).toBe('removed');
    expect(await target.stat('a', signal)).toBeNull();
    expect(contents()).toEqual(['new', '']);
    expect(store.containers.get('box')!.history('b')).toEqual([]);
  });

  test('restores what is archived, in its own time', async () => {
    let nowMs = 0;
    const { store, source } = await opened({ restoreMs: 1000 }, () => nowMs);
    store.put('box', 'a', 'x', { availability: 'archived', storageClass: 'ARCHIVE' });
    const [entry] = (await entriesOf(source)) as [Entry];
    await expect(source.read(entry, { offset: 0, lengthBytes: 1 }, signal)).rejects.toMatchObject({ code: 'ARCHIVED' });
    const how = { tier: 'Standard', days: 1 } as const;
    expect(await source.facets.restore?.request(entry, how, signal)).toBe('requested');
    expect(await source.facets.restore?.request(entry, how, signal)).toBe('restoring');
    nowMs = 1000;
    expect(await source.facets.restore?.status(entry, signal)).toBe('online');
    await source.read(entry, { offset: 0, lengthBytes: 1 }, signal);
  });

  test('tells no upper from lower case, when told so', async () => {
    const { store, target } = await opened({ names: { ...ALL_NAMES, caseSensitive: false } });
    await writeText(target, 'Read.me', 'one');
    await writeText(target, 'README'.toLowerCase().replace('me', '.me'), 'two');
    expect(store.keys('box')).toEqual(['Read.me']);
    expect(store.text('box', 'READ.ME')).toBe('two');
  });

  test.each([
    [['a'], 'a/b'],
    [['a/b'], 'a'],
    [['a/b/c'], 'a'],
  ])('refuses an object beside a folder of its name: %j and %s', async (there, key) => {
    const { store, target } = await opened({ names: { ...ALL_NAMES, objectAndPrefix: false } });
    for (const other of there) store.put('box', other, 'x');
    await expect(writeText(target, key, 'y')).rejects.toMatchObject({ code: 'UNREPRESENTABLE' });
    await writeText(target, `z${key}`, 'y');
  });

  test.each(['createOnly', 'matchOnWrite'] as const)('ignores a condition when told so: %s', async (fact) => {
    const facts = { ...new MemoryStore().behaviour.facts, [fact]: 'ignored' };
    const { store, target } = await opened({ facts });
    store.put('box', 'a', 'there');
    const identity = { etag: 'other', versionId: null };
    await writeText(target, 'a', 'new', {
      expect: fact === 'createOnly' ? { kind: 'absent' } : { kind: 'match', identity },
    });
    expect(store.text('box', 'a')).toBe('new');
  });

  test('accepts a wrong digest it ignores, and proves nothing by it', async () => {
    const facts = { ...new MemoryStore().behaviour.facts, checksums: {}, contentMd5: 'ignored', returned: [] } as const;
    const { target } = await opened({ facts });
    const written = await writeText(target, 'a', 'x', { digests: { sha256: 'f'.repeat(64), md5: '0'.repeat(32) } });
    expect(written.proved).toEqual({});
  });

  test('leaves behind what does not fit, and says so', async () => {
    const { store, target } = await opened({ metadataBytesMax: 10, tagsMax: 1 });
    const properties = { ...NO_PROPERTIES, metadata: { a: '12345', b: '123456789' }, tags: { x: '1', y: '2' } };
    const written = await writeText(target, 'a', 'x', { properties });
    expect(written.losses).toHaveLength(2);
    expect(store.get('box', 'a')).toMatchObject({ metadata: { a: '12345' }, tags: { x: '1' } });
  });

  test('refuses a wrong passphrase', async () => {
    const store = new MemoryStore({ passphrase: 'open sesame' });
    const account = await createMemoryProvider(store).open({ store: 'demo', passphrase: 'wrong' }, context());
    await expect(account.source(PLACE, { versions: 'current' }, signal)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      field: 'passphrase',
    });
    const results: string[] = [];
    for await (const line of account.check(PLACE, 'both', signal)) results.push(line.result);
    expect(results).toEqual(Array.from({ length: 6 }, () => 'refused'));
  });

  test('copies inside itself, also in parts', async () => {
    const { store, source, target } = await opened({});
    store.put('box', 'a', '0123456789', { metadata: { kept: 'no' } });
    const [entry] = (await entriesOf(source)) as [Entry];
    const reference = await source.facets.references!.of(entry, 1000, signal);
    const copy = target.facets.serverSideCopy!;
    expect(copy.accepts(reference)).toBe('yes');
    await copy.copy(reference, 'b', 10, options());
    expect(store.get('box', 'b')).toMatchObject({ etag: entry.identity.etag, metadata: {} });
    const parts = target.facets.parts!;
    const upload = await parts.begin('c', 10, 6, options());
    const receipts = [
      await copy.copyPart(upload, 0, reference, { offset: 0, lengthBytes: 6 }, signal),
      await copy.copyPart(upload, 1, reference, { offset: 6, lengthBytes: 4 }, signal),
    ];
    await parts.complete(upload, receipts, options());
    expect(store.text('box', 'c')).toBe('0123456789');
    expect(store.get('box', 'c')?.composite?.partCount).toBe(2);
    store.put('box', 'a', 'changed!!!');
    await expect(copy.copy(reference, 'd', 10, options())).rejects.toMatchObject({ code: 'CHANGED' });
  });
});
