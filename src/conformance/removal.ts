/** Removing takes away exactly the named state, and nothing beside it. */
import assert from 'node:assert/strict';
import type { Target } from '../contract/provider.ts';
import { entryOf, type Entry } from '../model/entry.ts';
import { bytesOf, failsWith, sameBytes, written } from './helpers.ts';
import { NotApplicable, type Check, type Trial } from './harness.ts';
import { observed } from './writing.ts';

const SUITE = 'removal';

const unless: Check['unless'] = (manifest) =>
  manifest.target?.facets.includes('removal') === true ? null : 'it removes nothing';

function removalOf(target: Target): NonNullable<Target['facets']['removal']> {
  assert.ok(target.facets.removal !== undefined, 'the manifest names the facet, but it is not there');
  return target.facets.removal;
}

async function found(trial: Trial, target: Target, key: string): Promise<Entry> {
  const entry = await target.stat(key, trial.signal);
  assert.ok(entry !== null, `${key} is not there`);
  return entry;
}

export const REMOVAL: readonly Check[] = [
  {
    suite: SUITE,
    name: 'takes away one object and leaves its neighbours',
    unless,
    async run(trial) {
      for (const key of ['a', 'a b', 'ab', 'b/a']) await trial.bench.seed(key, bytesOf(key));
      const target = await trial.target();
      assert.equal(await removalOf(target).remove(await found(trial, target, 'a'), trial.signal), 'removed');
      assert.deepEqual((await trial.bench.keys()).toSorted(), ['a b', 'ab', 'b/a']);
      assert.equal(await target.stat('a', trial.signal), null);
    },
  },

  {
    suite: SUITE,
    name: 'what is gone already is fine',
    unless,
    async run(trial) {
      await trial.bench.seed('twice', bytesOf('x'));
      const target = await trial.target();
      const entry = await found(trial, target, 'twice');
      assert.equal(await removalOf(target).remove(entry, trial.signal), 'removed');
      // Some stores cannot tell whether there was anything.
      assert.notEqual(await removalOf(target).remove(entry, trial.signal), 'kept');
      assert.deepEqual(await trial.bench.keys(), []);
    },
  },

  {
    suite: SUITE,
    name: 'CHANGED when something else stands there by now, or said to be ignored',
    unless,
    async run(trial) {
      await trial.bench.seed('changed', bytesOf('what was listed'));
      const target = await observed(trial);
      const entry = await found(trial, target, 'changed');
      await trial.bench.seed('changed', bytesOf('what came after'));
      if (target.facts.matchOnDelete === 'ignored') throw new NotApplicable('the store ignores it, as observed');
      await failsWith('CHANGED', removalOf(target).remove(entry, trial.signal), 'removing another state');
      sameBytes(await trial.bench.peek('changed'), bytesOf('what came after'), 'changed');
    },
  },

  {
    suite: SUITE,
    name: 'a folder goes only when it is empty',
    unless: (manifest, harness) =>
      unless(manifest, harness) ?? (manifest.target?.carries.emptyFolders === true ? null : 'it keeps no folders'),
    async run(trial) {
      const target = await trial.target();
      await written(target, 'folder/', new Uint8Array(), trial.signal, { kind: 'folder' });
      await written(target, 'folder/inside', bytesOf('x'), trial.signal);
      const folder = (await target.stat('folder/', trial.signal)) ?? entryOf({ key: 'folder/', kind: 'folder' });
      const first = await removalOf(target).remove(folder, trial.signal);
      sameBytes(await trial.bench.peek('folder/inside'), bytesOf('x'), 'what was inside');
      assert.equal(first, 'kept');
      await removalOf(target).remove(await found(trial, target, 'folder/inside'), trial.signal);
      assert.notEqual(await removalOf(target).remove(folder, trial.signal), 'kept');
      assert.equal(await target.stat('folder/', trial.signal), null);
    },
  },

  {
    suite: SUITE,
    name: 'a lost answer is forgiven when it is repeated',
    unless,
    async run(trial) {
      if (trial.faults === null) throw new NotApplicable('its store cannot lose an answer');
      await trial.bench.seed('lost', bytesOf('x'));
      const target = await trial.target();
      const entry = await found(trial, target, 'lost');
      trial.faults.arm(1, 'lost-answer');
      await removalOf(target)
        .remove(entry, trial.signal)
        .catch(() => {});
      trial.faults.disarm();
      assert.notEqual(await removalOf(target).remove(entry, trial.signal), 'kept');
      assert.deepEqual(await trial.bench.keys(), []);
    },
  },
];
