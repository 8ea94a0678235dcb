/** Versions of keys that are deleted at the source: never current at the target, and no issue of any run. */
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../src/lib/fake-world.ts';
import { DroverError } from '../../src/model/errors.ts';
import { ALL_NAMES } from '../../src/model/names.ts';
import type { MemoryStore } from '../../src/providers/memory/provider.ts';
import { openBench, POLICY, sumsAgree } from './bench.ts';

const VERSIONED = { isVersioned: true };
const ALL = { versions: 'all' } as const;
const MARKER = { kind: 'opaque', nativeType: 'delete-marker' } as const;

function put(store: MemoryStore, key: string, ...contents: readonly (string | null)[]): void {
  const container = store.name === 'source' ? 'in' : 'out';
  for (const content of contents) store.put(container, key, content ?? '', content === null ? MARKER : {});
}

function history(store: MemoryStore, key: string): (string | null)[] {
  const objects = store.containers.get('out')?.history(key) ?? [];
  return objects.map(({ content, nativeType }) => (nativeType === null ? Buffer.from(content).toString() : null));
}

describe.each(['merge', 'mirror'] as const)('%s to a target that keeps versions', (mode) => {
  const policy = { ...ALL, mode, deleteShareMax: null };

  test('what is deleted at the source is deleted there, too, with all its versions below', async () => {
    await using bench = await openBench(VERSIONED, VERSIONED);
    put(bench.source, 'gone', 'one', 'two', 'three', null);
    put(bench.source, 'back', 'one', null, 'two');
    put(bench.source, 'only-a-marker', null);
    put(bench.source, 'here', 'x');
    const first = await bench.run(policy);
    expect(first.run).toMatchObject({ state: 'succeeded', error: null });
    expect(first.run.counters).toMatchObject({
      items: { scanned: 6, copied: 6, unsupported: 0, deleted: 0 },
      differences: { extra: 0 },
    });
    expect(bench.content(bench.target)).toEqual({ back: 'two', here: 'x' });
    expect(history(bench.target, 'gone')).toEqual(['one', 'two', 'three', null]);
    const log = await bench.log(first);
    sumsAgree(first, log);
    expect(log.filter(({ code }) => code === 'hidden-version').map(({ key }) => key)).toEqual(['gone', 'gone', 'gone']);
    for (let times = 0; times < 2; times++) {
      const again = await bench.run(policy);
      expect(again.run).toMatchObject({ state: 'succeeded', counters: { items: { scanned: 6, same: 6, copied: 0 } } });
    }
    expect(history(bench.target, 'gone')).toHaveLength(4);
    expect(await bench.verify(first)).toMatchObject({ checked: 6, missing: 0, different: 0 });
    const check = await bench.run({ ...ALL, mode: 'check' }, { command: 'check' });
    expect(check.run).toMatchObject({ state: 'succeeded', counters: { items: { scanned: 6, same: 6 } } });
  });

  test('what comes later is added, and nothing twice', async () => {
    await using bench = await openBench(VERSIONED, VERSIONED);
    put(bench.source, 'a', 'one', null);
    await bench.run(policy);
    put(bench.source, 'a', 'two', null);
    expect((await bench.run(policy)).run.counters.items).toMatchObject({ same: 1, copied: 1 });
    expect(history(bench.target, 'a')).toEqual(['one', null, 'two', null]);
    put(bench.source, 'a', 'three');
    expect((await bench.run(policy)).run.counters.items).toMatchObject({ same: 2, copied: 1 });
    expect(history(bench.target, 'a')).toEqual(['one', null, 'two', null, 'three']);
    expect((await bench.run(policy)).run.counters.items).toMatchObject({ same: 3, copied: 0 });
  });

  test('what was copied before it was deleted is a mirror to delete, and a merge to leave', async () => {
    await using bench = await openBench(VERSIONED, VERSIONED);
    put(bench.source, 'a', 'one', 'two');
    put(bench.source, 'here', 'x');
    await bench.run(policy);
    put(bench.source, 'a', 'three', null);
    const isMirror = mode === 'mirror';
    const { run } = await bench.run(policy);
    expect(run).toMatchObject({
      state: 'succeeded',
      counters: { items: { copied: 1, same: 3, deleted: isMirror ? 1 : 0 } },
    });
    expect(history(bench.target, 'a')).toEqual(['one', 'two', 'three', ...(isMirror ? [null] : [])]);
    const again = await bench.run(policy);
    expect(again.run).toMatchObject({ state: 'succeeded', counters: { items: { same: 4, copied: 0, deleted: 0 } } });
  });

  test('a dry run writes and deletes nothing', async () => {
    await using bench = await openBench(VERSIONED, VERSIONED);
    put(bench.source, 'a', 'one', null);
    const { run } = await bench.run({ ...policy, dryRun: true });
    expect(run.counters).toMatchObject({
      items: { scanned: 1, unsupported: 0 },
      differences: { missing: 1, extra: 0 },
    });
    expect(bench.target.requests.DELETE ?? 0).toBe(0);
  });

  test('a deletion that fails is told, and made up for', async () => {
    await using bench = await openBench(VERSIONED, VERSIONED);
    put(bench.source, 'a', 'one', 'two', null);
    bench.target.hooks.before = (operation) => {
      if (operation === 'DELETE') throw new DroverError('UNSUPPORTED', 'It cannot be removed.');
    };
    const failed = await bench.run(policy);
    expect(failed.run).toMatchObject({ state: 'completed-with-issues', counters: { deletesFailed: 1 } });
    sumsAgree(failed, await bench.log(failed));
    expect((await bench.run(policy)).run.counters).toMatchObject({ items: { same: 2, copied: 0 }, deletesFailed: 1 });
    bench.target.hooks.before = null;
    const healed = await bench.run(policy);
    expect(healed.run).toMatchObject({ state: 'succeeded', counters: { items: { same: 2, copied: 0 } } });
    expect(history(bench.target, 'a')).toEqual(['one', 'two', null]);
    expect((await bench.run(policy)).run.state).toBe('succeeded');
  });

  test('what a worker that died had written and not deleted is deleted, and nothing else is', async () => {
    await using bench = await openBench(VERSIONED, VERSIONED);
    for (const key of ['ours', 'theirs', 'left-out']) put(bench.source, key, 'one', 'two', null);
    const chosen = { ...policy, filter: { ...POLICY.filter, exclude: ['left-out'] } };
    const stopper = new AbortController();
    bench.target.hooks.before = () => stopper.abort();
    const stopped = await bench.run(chosen, { signal: stopper.signal });
    expect(stopped.interrupted).toBe(true);
    bench.target.hooks.before = null;
    for (const key of ['ours', 'left-out']) put(bench.target, key, 'one', 'two');
    put(bench.target, 'theirs', 'of somebody else');
    const { run } = await bench.run(chosen, { continueRun: { ...stopped.run, state: 'running' } });
    expect(run.state).toBe('succeeded');
    expect(bench.target.keys('out')).toEqual(mode === 'mirror' ? ['left-out'] : ['left-out', 'theirs']);
    expect(history(bench.target, 'ours').at(-1)).toBeNull();
  });

  test('what the target had before any run is a mirror to delete, and a merge to leave, whatever is in it', async () => {
    await using bench = await openBench(VERSIONED, VERSIONED);
    for (const key of ['a', 'left-out']) put(bench.source, key, 'one', 'two', null);
    for (const key of ['a', 'left-out']) put(bench.target, key, 'two');
    const chosen = { ...policy, filter: { ...POLICY.filter, exclude: ['left-out'] } };
    const result = await bench.run(chosen);
    const { run } = result;
    expect(run).toMatchObject({ state: 'succeeded', counters: { items: { deleted: mode === 'mirror' ? 1 : 0 } } });
    sumsAgree(result, await bench.log(result));
    expect(bench.content(bench.target)).toEqual(
      mode === 'mirror' ? { 'left-out': 'two' } : { a: 'two', 'left-out': 'two' },
    );
    const again = await bench.run(chosen);
    expect(again.run).toMatchObject({ state: 'succeeded', counters: { items: { copied: 0, same: 2, deleted: 0 } } });
  });

  test('nothing that the source has deleted is written over what is none of it', async () => {
    await using bench = await openBench(VERSIONED, VERSIONED);
    put(bench.source, 'a', 'one', 'two', null);
    put(bench.target, 'a', 'of somebody else');
    const result = await bench.run(policy);
    sumsAgree(result, await bench.log(result));
    expect(result.run).toMatchObject({ state: 'succeeded', counters: { items: { scanned: 2, excluded: 2 } } });
    expect(bench.content(bench.target)).toEqual(mode === 'mirror' ? {} : { a: 'of somebody else' });
    // The mirror has made room.
    expect((await bench.run(policy)).run.state).toBe('succeeded');
    const room = ['of somebody else', null, 'one', 'two', null];
    expect(history(bench.target, 'a')).toEqual(mode === 'mirror' ? room : ['of somebody else']);
  });

  test('what somebody else writes meanwhile is not deleted', async () => {
    const clock = new FakeClock();
    await using bench = await openBench(VERSIONED, VERSIONED, clock);
    put(bench.source, 'a', 'one', null);
    let isDone = false;
    bench.target.hooks.before = (operation) => {
      if (operation === 'DELETE' && !isDone) put(bench.target, 'a', 'of somebody else');
      isDone ||= operation === 'DELETE';
    };
    const { run } = await clock.run(bench.run(policy));
    expect(run.counters.deletesFailed).toBe(1);
    expect(bench.content(bench.target)).toEqual({ a: 'of somebody else' });
  });

  test('versions that wait for their restore come first', async () => {
    const clock = new FakeClock();
    await using bench = await openBench({ ...VERSIONED, restoreMs: 60_000 }, VERSIONED, clock);
    put(bench.source, 'a', 'one');
    bench.source.put('in', 'a', 'two', { storageClass: 'ARCHIVE', availability: 'archived' });
    put(bench.source, 'a', 'three', null);
    const { run } = await clock.run(bench.run({ ...policy, archived: { tier: 'Bulk', days: 1 } }));
    expect(run).toMatchObject({ state: 'succeeded', counters: { items: { copied: 3 } } });
    expect(history(bench.target, 'a')).toEqual(['one', 'two', 'three', null]);
    const again = await clock.run(bench.run(policy));
    expect(again.run.counters.items).toMatchObject({ same: 3, copied: 0 });
  });

  test('also under names that the target takes for others', async () => {
    const names = { ...ALL_NAMES, caseSensitive: false, dotSegments: false };
    await using bench = await openBench(VERSIONED, { ...VERSIONED, names });
    put(bench.source, 'x/../a', 'one', null);
    put(bench.source, 'B', 'one', null);
    put(bench.source, 'b', 'two');
    const { run } = await bench.run(policy);
    expect(run).toMatchObject({ state: 'succeeded', counters: { items: { scanned: 3, copied: 3 } } });
    expect(Object.values(bench.content(bench.target))).toEqual(['two']);
    const again = await bench.run(policy);
    expect(again.run).toMatchObject({ state: 'succeeded', counters: { items: { same: 3 } } });
  });
});

describe('a target that keeps no versions', () => {
  test.each([
    ['merge', ['gone', 'here']],
    ['mirror', ['here']],
  ] as const)('%s: nothing of it is written, and what is there is what the mode says', async (mode, names) => {
    await using bench = await openBench(VERSIONED);
    put(bench.source, 'gone', 'one', 'two', null);
    put(bench.source, 'never', 'one', null);
    put(bench.source, 'here', 'x');
    bench.target.put('out', 'gone', 'own');
    const result = await bench.run({ ...ALL, mode, deleteShareMax: null });
    sumsAgree(result, await bench.log(result));
    expect(result.run).toMatchObject({
      state: 'succeeded',
      counters: { items: { scanned: 4, copied: 1, excluded: 3, unsupported: 0, deleted: mode === 'mirror' ? 1 : 0 } },
    });
    expect(Object.keys(bench.content(bench.target))).toEqual(names);
    const codes = (await bench.log(result)).filter(({ result: one }) => one === 'excluded').map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(['deleted-at-source']));
  });

  test('a mirror of a source where everything is deleted is stopped like one of an empty source', async () => {
    await using bench = await openBench(VERSIONED, VERSIONED);
    for (const key of ['a', 'b', 'c']) put(bench.source, key, 'one');
    await bench.run({ ...ALL, mode: 'mirror' });
    for (const key of ['a', 'b', 'c']) put(bench.source, key, null);
    const { run } = await bench.run({ ...ALL, mode: 'mirror', deleteShareMax: 'default' });
    expect(run.error?.code).toBe('GUARD_DELETE_CAP');
    expect(Object.keys(bench.content(bench.target))).toEqual(['a', 'b', 'c']);
  });
});
