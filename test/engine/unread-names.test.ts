/** A mirror deletes nothing below a name of the source that is not read: what lies there is not known. */
import { describe, expect, test } from 'vitest';
import { negotiate } from '../../src/engine/negotiate.ts';
import type { RunResult } from '../../src/engine/world.ts';
import type { ItemRecord } from '../../src/model/outcome.ts';
import { ALL_NAMES, type NameRules } from '../../src/model/names.ts';
import type { MemoryStore } from '../../src/providers/memory/provider.ts';
import { DEFAULT_POLICY } from '../../src/model/policy.ts';
import { openBench, sumsAgree, type Bench } from './bench.ts';
import { openFleet, RUN_ID } from './fleet.ts';

const UNREAD = { unread: ['links'] };
const LINK = { kind: 'opaque', nativeType: 'symlink' } as const;

function link(store: MemoryStore, key: string): void {
  store.put('in', key, '', LINK);
}

function put(store: MemoryStore, keys: readonly string[]): void {
  for (const key of keys) store.put(store.name === 'source' ? 'in' : 'out', key, key.endsWith('/') ? '' : 'x');
}

function kept(records: readonly ItemRecord[]): string[] {
  return records.filter(({ code }) => code === 'source-unread').map(({ key }) => key);
}

async function mustHaveKept(bench: Bench, result: RunResult, keys: readonly string[]): Promise<void> {
  const records = await bench.log(result);
  sumsAgree(result, records);
  expect(kept(records).toSorted()).toEqual([...keys].toSorted());
  expect(records.filter(({ code }) => code === 'source-unread').every(({ result }) => result === 'extra')).toBe(true);
  expect(result.run.counters.differences.kept).toBe(keys.length);
  expect(bench.target.keys('out')).toEqual(expect.arrayContaining([...keys]));
}

describe('below a link', () => {
  const beside = ['arch-x/1', 'arch.txt', 'arch0', 'archive/1', 'other/1'];
  const below = ['arch/', 'arch/1', 'arch/a/b/2', 'arch/z'];

  test('everything stays and is told, and what only sorts beside it goes', async () => {
    await using bench = await openBench(UNREAD);
    put(bench.source, ['arch-x/2', 'here']);
    link(bench.source, 'arch');
    put(bench.target, [...below, ...beside]);
    const result = await bench.run({ mode: 'mirror', deleteShareMax: null });
    await mustHaveKept(bench, result, below);
    expect(bench.target.keys('out')).toEqual(['arch-x/2', ...below, 'here']);
    expect(result.run.counters).toMatchObject({
      items: { scanned: 3, copied: 2, unsupported: 1, deleted: beside.length },
      differences: { extra: below.length + beside.length, kept: below.length },
    });
    const [one] = (await bench.log(result)).filter(({ key }) => key === 'arch/1');
    expect(one?.details).toBe('It stays: "arch" is a symlink at the source, so what is below it there was not read.');
  });

  test('the target keeps what it has under the very name', async () => {
    await using bench = await openBench(UNREAD);
    link(bench.source, 'arch');
    put(bench.source, ['here']);
    put(bench.target, ['arch']);
    await bench.run({ mode: 'mirror', deleteShareMax: null });
    expect(bench.target.keys('out')).toEqual(['arch', 'here']);
  });

  test('the cap looks at what is to be deleted', async () => {
    await using bench = await openBench(UNREAD);
    link(bench.source, 'arch');
    put(bench.source, ['here']);
    put(bench.target, [...below, 'here', 'gone']);
    const result = await bench.run({ mode: 'mirror', deleteMax: 1 });
    expect(result.run).toMatchObject({ state: 'completed-with-issues', counters: { items: { deleted: 1 } } });
  });

  test('a dry run and a comparison tell them apart, too', async () => {
    await using bench = await openBench(UNREAD);
    link(bench.source, 'arch');
    put(bench.source, ['here']);
    put(bench.target, [...below, 'gone']);
    for (const policy of [{ mode: 'mirror', dryRun: true }, { mode: 'check' }] as const) {
      const result = await bench.run(policy);
      await mustHaveKept(bench, result, below);
      expect(result.run.counters.differences).toMatchObject({ extra: below.length + 1, kept: below.length });
    }
    const merged = await bench.run({ mode: 'merge' });
    expect(merged.run.counters.differences).toMatchObject({ extra: 0, kept: 0 });
  });

  test('a filter that leaves the link out does not say what lies below it', async () => {
    await using bench = await openBench(UNREAD);
    link(bench.source, 'arch');
    put(bench.source, ['here']);
    put(bench.target, below);
    const filter = { ...DEFAULT_POLICY.filter, exclude: ['arch'] };
    const result = await bench.run({ mode: 'mirror', filter, deleteShareMax: null });
    expect(result.run.counters.items).toMatchObject({ excluded: 1, deleted: 0 });
    // The filter itself leaves the folder of that name alone.
    expect(result.run.counters.differences.kept).toBe(below.length - 1);
  });

  test.each([
    ['in no order', { order: 'none' as const, ...UNREAD }],
    ['in pages of one', { pageSize: 1, ...UNREAD }],
  ])('listed %s', async (_, behaviour) => {
    await using bench = await openBench(behaviour);
    link(bench.source, 'arch');
    put(bench.source, ['here', 'arch-y', 'arch.d/3']);
    put(bench.target, [...below, ...beside]);
    const result = await bench.run({ mode: 'mirror', deleteShareMax: null });
    await mustHaveKept(bench, result, below);
    expect(result.run.counters.items.deleted).toBe(beside.length);
  });
});

const FILES: Partial<NameRules> = { dotSegments: false, emptySegments: false, trailingSlashContent: false };

test.each<[string, Partial<NameRules>, string, readonly string[], readonly string[]]>([
  ['a mapped name below', FILES, 'arch', ['arch/%2E%2E/1', 'arch/2'], ['arc/%2E%2E/1', 'arch-%2E/%2E/2']],
  ['a mapped link', FILES, 'x/..', ['x/%2E%2E/1', 'x/%2E%2E/z/2', 'x/%2E%2E'], ['x/%2E%2E-/1', 'x/%2E%2E.b', 'x/2']],
  [
    'a target without objects beside folders',
    { ...FILES, objectAndPrefix: false },
    'arch',
    ['arch/1'],
    ['arch-1', 'b/1'],
  ],
  [
    'without case',
    { caseSensitive: false },
    'Arch',
    ['ARCH/1', 'arch/2/3', 'arch/'],
    ['arch-1', 'archive', 'ARCH.txt'],
  ],
  [
    'without case, mapped',
    { ...FILES, caseSensitive: false },
    'X/..',
    ['x/%2E%2E/1', 'X/%2e%2E/2', 'x/%2E%2E'],
    ['x/%2E%2E-/1', 'x/2'],
  ],
])('names that the target holds otherwise: %s', async (_, rules, unread, staying, going) => {
  await using bench = await openBench(UNREAD, { names: { ...ALL_NAMES, ...rules } });
  link(bench.source, unread);
  put(bench.source, ['here']);
  put(bench.target, [...staying, ...going]);
  const result = await bench.run({ mode: 'mirror', deleteShareMax: null });
  const names = bench.target.keys('out');
  for (const name of staying) expect(names, name).toContain(name);
  for (const name of going) expect(names, name).not.toContain(name);
  sumsAgree(result, await bench.log(result));
  expect(result.run.counters.items).toMatchObject({ scanned: 2, unsupported: 1, deleted: going.length });
});

test('also where a segment begins between a link and what lies below it', async () => {
  const pages = { pageSize: 20 };
  await using fleet = await openFleet({ source: { ...pages, ...UNREAD }, target: pages, latencyMs: 100 });
  const { source, target } = fleet;
  link(source, 'arch');
  link(source, 'arch-0007/link');
  const numbers = Array.from({ length: 400 }, (_, i) => String(i).padStart(4, '0'));
  for (const number of numbers) put(source, [`arch-${number}`, `arch.${number}`]);
  const staying = [...numbers.map((number) => `arch/${number}`), 'arch-0007/link/1'];
  put(target, [...staying, 'arch-0007/z', 'arch0', 'gone']);
  await fleet.queue({ mode: 'mirror', deleteShareMax: null });
  const workers = ['w1', 'w2', 'w3'].map((name) => fleet.join(name));
  await fleet.ended(...workers);
  const segments = (await fleet.store.segments(RUN_ID)).filter(({ kind }) => kind === 'keys');
  const begin = segments.map(({ from }) => from ?? '');
  // Else nothing of this was tried.
  expect(begin.some((from) => from.startsWith('arch-') || from.startsWith('arch.'))).toBe(true);
  const run = await fleet.store.getRun(RUN_ID);
  expect(run?.counters).toMatchObject({
    items: { unsupported: 2, deleted: 3 },
    differences: { kept: staying.length, extra: staying.length + 3 },
  });
  expect(kept(await fleet.items()).toSorted()).toEqual(staying.toSorted());
  expect(target.keys('out')).toEqual(expect.arrayContaining(staying));
});

test('whoever goes on with a segment knows of the links before it', async () => {
  const pages = { pageSize: 10 };
  await using fleet = await openFleet({ source: { ...pages, ...UNREAD }, target: pages, latencyMs: 1_000 });
  const { source, target } = fleet;
  link(source, 'arch');
  const numbers = Array.from({ length: 60 }, (_, i) => String(i).padStart(4, '0'));
  put(
    source,
    numbers.map((number) => `arch-${number}`),
  );
  put(target, [...numbers.map((number) => `arch/${number}`), 'gone']);
  await fleet.queue({ mode: 'mirror', deleteShareMax: null });
  const first = fleet.join('w1');
  await fleet.until(() => (first.tether.called['commit'] ?? 0) > 1);
  first.tether.kill();
  await fleet.ended(fleet.join('w2'));
  const run = await fleet.store.getRun(RUN_ID);
  expect(run?.counters).toMatchObject({ items: { unsupported: 1, deleted: 1 }, differences: { kept: numbers.length } });
});

test('links are a line of what will not survive', async () => {
  await using bench = await openBench({ unread: ['links', 'devices'] });
  const { source, target } = await bench.ends();
  const input = { source: source.traits, target: target.traits, facts: null, sourceTitle: 'Folder', targetTitle: 'T' };
  const lines = (mode: 'merge' | 'mirror') =>
    negotiate({ ...input, policy: { ...DEFAULT_POLICY, mode } }).filter(({ aspect }) => aspect === 'links');
  expect(lines('merge')).toEqual([
    {
      aspect: 'links',
      detail: 'Links and devices of Folder are not followed or copied: they are reported as unsupported.',
    },
  ]);
  expect(lines('mirror')[0]?.detail).toContain('What T has under and below such a name stays.');
});
