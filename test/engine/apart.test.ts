/** A run between two addresses of one store does no harm, however it was started. */
import { describe, expect, test } from 'vitest';
import type { Source } from '../../src/contract/provider.ts';
import { defineTransfer } from '../../src/engine/transfer.ts';
import { runTransfer } from '../../src/engine/run.ts';
import type { RunResult } from '../../src/engine/world.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { DroverError } from '../../src/model/errors.ts';
import type { Policy } from '../../src/model/policy.ts';
import { createMemoryProvider, MemoryStore } from '../../src/providers/memory/provider.ts';
import { openBench, POLICY, TUNING } from './bench.ts';

interface Sides {
  readonly from: MemoryStore;
  readonly to: MemoryStore;
  readonly sourcePrefix: string;
  readonly targetPrefix: string;
  readonly policy?: Partial<Policy>;
  readonly change?: (source: Source) => Source;
}

const { signal } = new AbortController();

async function run({ from, to, sourcePrefix, targetPrefix, policy = {}, change }: Sides): Promise<RunResult> {
  await using bench = await openBench();
  const context = {
    openTransport: () => {
      throw new DroverError('INTERNAL', 'memory needs no network');
    },
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
  const [container, other] = [
    { container: 'b', prefix: sourcePrefix },
    { container: 'b', prefix: targetPrefix },
  ];
  const runId = 'testrun00001';
  const read = await createMemoryProvider(from).open({ store: 'one' }, context);
  const written = await createMemoryProvider(to).open({ store: 'two' }, context);
  const source = await read.source(container, { versions: 'current' }, signal);
  const end = (name: string, place: typeof other) =>
    ({
      connector: name,
      provider: 'memory',
      fingerprint: `memory|${name}`,
      place,
      label: `${name}:b/${place.prefix}`,
      only: null,
    }) as const;
  const definition = defineTransfer({
    command: 'sync',
    source: end('one', container),
    target: end('two', other),
    policy: { ...POLICY, mode: 'mirror', deleteShareMax: null, ...policy },
    concessions: [],
  });
  return await runTransfer(
    definition,
    { source: change?.(source) ?? source, target: await written.target(other, { facts: null, runId }, signal) },
    bench.world,
    { runId, tuning: TUNING, signal, onProgress: null, continueRun: null },
  );
}

function storeOf(name: string, ...keys: readonly string[]): MemoryStore {
  const store = new MemoryStore({}, name);
  store.ensure('b');
  for (const key of keys) store.put('b', key, `content of ${key}`);
  return store;
}

const content = (store: MemoryStore): Record<string, string> =>
  Object.fromEntries(store.keys('b').map((key) => [key, store.text('b', key) ?? '']));

describe('one store under two names', () => {
  test.each([
    ['the source inside the target', 'p/', '', ['p/1', 'p/2', 'other']],
    ['the target inside the source', '', 'p/', ['1', 'p/2', 'p/9']],
  ])('%s: nothing is overwritten or deleted', async (_where, sourcePrefix, targetPrefix, keys) => {
    const store = storeOf('one', ...keys);
    const before = content(store);
    const { run: record, error } = await run({ from: store, to: store, sourcePrefix, targetPrefix });
    expect([record.state, error?.code]).toEqual(['failed', 'PLACES_OVERLAP']);
    expect(record.counters.items.deleted).toBe(0);
    expect(content(store)).toMatchObject(before);
    // What told is gone again.
    expect(store.keys('b').filter((key) => key.includes('probe'))).toEqual([]);
  });

  test('a merge ends at its first copy', async () => {
    const keys = ['1', '2', '3', 'p/1'];
    const store = storeOf('one', ...keys);
    const { error } = await run({
      from: store,
      to: store,
      sourcePrefix: '',
      targetPrefix: 'p/',
      policy: { mode: 'merge', targetNewer: 'overwrite' },
    });
    expect(error?.code).toBe('PLACES_OVERLAP');
    expect(store.text('b', 'p/1')).toBe('content of p/1');
  });
});

describe('two stores', () => {
  test.each([
    ['the same path', '', ''],
    ['the source inside', 'p/', ''],
    ['the target inside', '', 'p/'],
  ])(
    '%s: a mirror deletes, though both have objects of one name and size',
    async (_where, sourcePrefix, targetPrefix) => {
      const keys = ['p/1', 'p/2', 'p/p/1'];
      const [from, to] = [storeOf('one', ...keys), storeOf('two', ...keys, 'p/extra', 'extra')];
      const { run: record } = await run({ from, to, sourcePrefix, targetPrefix });
      expect(record).toMatchObject({ state: 'succeeded', error: null });
      expect(record.counters.items.deleted).toBeGreaterThan(0);
      expect(to.keys('b').filter((key) => key.endsWith('extra') && key.startsWith(targetPrefix))).toEqual([]);
      expect([...from.keys('b'), ...to.keys('b')].filter((key) => key.includes('probe'))).toEqual([]);
    },
  );

  const denying = (source: Source, listing: Source['scan']): Source => ({
    traits: source.traits,
    facets: source.facets,
    stat: async () => Promise.reject(new DroverError('PERMISSION_DENIED', 'You may not look.')),
    scan: listing,
    describe: (entry, own) => source.describe(entry, own),
    read: (entry, range, own) => source.read(entry, range, own),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  });

  test.each([
    ['inside', 'p/', ''],
    ['around', '', 'p/'],
  ])(
    'what may not be looked at is not asked for again with each copy: %s',
    async (_where, sourcePrefix, targetPrefix) => {
      const keys = Array.from({ length: 200 }, (_, at) => `p/${at}`);
      const [from, to] = [storeOf('one', ...keys), storeOf('two')];
      let looks = 0;
      const change = (source: Source): Source => ({
        ...denying(source, (range, own) => source.scan(range, own)),
        traits: { ...source.traits, seek: 'none' },
        stat: async () => {
          looks += 1;
          throw new DroverError('PERMISSION_DENIED', 'You may not look.');
        },
      });
      const { run: record } = await run({ from, to, sourcePrefix, targetPrefix, policy: { mode: 'merge' }, change });
      expect(record).toMatchObject({ state: 'succeeded', counters: { items: { copied: keys.length } } });
      expect(looks).toBeLessThan(5);
    },
  );

  test('where single objects of the source may not be looked at, a listing tells', async () => {
    const [from, to] = [storeOf('one', '1'), storeOf('two', '1', 'extra')];
    const change = (source: Source): Source => denying(source, (range, own) => source.scan(range, own));
    const { run: record } = await run({ from, to, sourcePrefix: '', targetPrefix: '', change });
    expect(record).toMatchObject({ state: 'succeeded', counters: { items: { deleted: 1 } } });
  });

  test('where nothing tells, a mirror deletes nothing', async () => {
    const [from, to] = [storeOf('one', '1'), storeOf('two', '1', 'extra')];
    const change = (source: Source): Source =>
      denying(source, (range, own) => {
        if (range.from !== null) throw new DroverError('PERMISSION_DENIED', 'You may not look here either.');
        return source.scan(range, own);
      });
    const { run: record, error } = await run({ from, to, sourcePrefix: '', targetPrefix: '', change });
    expect([record.state, error?.code]).toEqual(['failed', 'PLACES_OVERLAP']);
    expect(error?.message).toContain('Nothing was deleted');
    expect(to.keys('b')).toEqual(['1', 'extra']);
  });
});
