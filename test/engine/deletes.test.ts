/** A mirror's deletions, several at once: a folder goes only after what is in it has gone. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DroverError } from '../../src/model/errors.ts';
import { openBench } from './bench.ts';

test('folders go after all that is in them, however long that takes, and nothing is left for the next run', async () => {
  await using bench = await openBench();
  bench.source.put('in', 'kept', '1');
  const folders = ['gone/', 'gone/a/', 'gone/a/b/', 'gone/a/b/c/', 'gone/z/'];
  const objects = ['gone/a/b/c/file', 'gone/a/b/last', 'gone/z/file'];
  for (const key of [...folders, ...objects]) bench.target.put('out', key, key.endsWith('/') ? '' : 'x');
  bench.target.hooks.before = async (operation, key) => {
    if (operation !== 'DELETE') return;
    // The further in, the longer it takes.
    for (let turns = key.length; turns > 0; turns--) await setImmediate();
  };
  const result = await bench.run({ mode: 'mirror' });
  expect(result.run.counters.items).toMatchObject({ deleted: folders.length + objects.length, failed: 0 });
  expect(bench.content(bench.target)).toEqual({ kept: '1' });
});

test('a folder whose content cannot be removed stays, and only it', async () => {
  await using bench = await openBench();
  bench.source.put('in', 'kept', '1');
  for (const key of ['full/', 'full/stuck', 'next/']) bench.target.put('out', key, key.endsWith('/') ? '' : 'x');
  bench.target.hooks.before = async (operation, key) => {
    if (operation !== 'DELETE' || key !== 'full/stuck') return;
    await setImmediate();
    throw new DroverError('UNSUPPORTED', 'It cannot be removed.');
  };
  const result = await bench.run({ mode: 'mirror' });
  expect(result.run.counters).toMatchObject({ items: { deleted: 1, failed: 0 }, deletesFailed: 1 });
  expect(result.run.state).toBe('completed-with-issues');
  expect(Object.keys(bench.content(bench.target))).toEqual(['full/', 'full/stuck', 'kept']);
});
