/** Hard names come back exactly as they were given, or are refused before anything is written, as `NameRules` say. */
import assert from 'node:assert/strict';
import type { Target } from '../contract/provider.ts';
import { HARD_NAME_TITLES, hardNames, NEIGHBOUR_SETS } from './hard-names.ts';
import { bytesOf, contentRead, EVERYTHING, failsWith, inOrder, listed, sameBytes, written } from './helpers.ts';
import type { Check, Trial } from './harness.ts';
import { canHold, holdable, rulesOf } from './name-rules.ts';

const SUITE = 'hard names';

const unless: Check['unless'] = (manifest) => (manifest.target === null ? 'it is not a target' : null);

function shown(key: string): string {
  return key.length > 60 ? `${JSON.stringify(key.slice(0, 60))}…` : JSON.stringify(key);
}

/** Written, found in the listing and by stat, read by this provider and by other means. */
async function comesBack(trial: Trial, target: Target, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const { entry } = await written(target, key, bytesOf(`content of ${key}`), trial.signal);
    assert.equal(entry.key, key, 'the entry that write returned');
  }
  const source = trial.manifest.source === null ? target : await trial.source();
  for (const side of [source, target]) {
    const { entries } = await listed(side, EVERYTHING, trial.signal);
    const objects = entries.filter((entry) => entry.kind === 'object').map((entry) => entry.key);
    assert.deepEqual(inOrder(objects), inOrder(keys), 'the listing');
  }
  assert.deepEqual(inOrder(await trial.bench.keys()), inOrder(keys), 'seen by other means');
  for (const key of keys) {
    const content = bytesOf(`content of ${key}`);
    sameBytes(await trial.bench.peek(key), content, `${shown(key)} by other means`);
    const entry = await source.stat(key, trial.signal);
    assert.equal(entry?.key, key, `stat of ${shown(key)}`);
    assert.equal(entry.kind, 'object');
    if ('read' in source) {
      const reading = await source.read(entry, { offset: 0, lengthBytes: content.length }, trial.signal);
      sameBytes(await contentRead(reading), content, shown(key));
    }
  }
}

async function goesAway(trial: Trial, target: Target, keys: readonly string[]): Promise<void> {
  const { removal } = target.facets;
  if (removal === undefined) return;
  for (const [at, key] of keys.entries()) {
    const entry = await target.stat(key, trial.signal);
    assert.ok(entry !== null, `stat of ${shown(key)}`);
    assert.equal(await removal.remove(entry, trial.signal), 'removed', `removing ${shown(key)}`);
    assert.deepEqual(inOrder(await trial.bench.keys()), inOrder(keys.slice(at + 1)), `after ${shown(key)} was removed`);
  }
}

const NAMES: readonly Check[] = HARD_NAME_TITLES.map((title, at) => ({
  suite: SUITE,
  name: title,
  unless,
  async run(trial) {
    const { key } = hardNames(trial.place.prefix)[at] as { key: string };
    const target = await trial.target();
    if (canHold(rulesOf(trial.manifest), trial.place.prefix + key)) {
      await comesBack(trial, target, [key]);
      await goesAway(trial, target, [key]);
      return;
    }
    const work = written(target, key, bytesOf('refused'), trial.signal);
    const error = await failsWith('UNREPRESENTABLE', work, `writing ${shown(key)}`);
    assert.equal(error.key, key, 'the error names the key');
    assert.deepEqual(await trial.bench.keys(), [], 'it was refused, but something was written');
    assert.deepEqual((await trial.bench.leftovers?.()) ?? [], [], 'it was refused, but something was left behind');
    const { parts } = target.facets;
    if (parts === undefined) return;
    const { signal } = trial;
    const options = { ...NEUTRAL, signal };
    await failsWith('UNREPRESENTABLE', parts.begin(key, 10, 10, options), `beginning an upload of ${shown(key)}`);
  },
}));

const NEUTRAL = {
  properties: { headers: {}, metadata: {}, tags: null, tagCount: 0, missingMetadata: 0 },
  digests: {},
  expect: { kind: 'any' },
  modifiedAtMs: null,
  recorded: null,
  storageClass: null,
  kind: 'object',
} as const;

const SETS: readonly Check[] = NEIGHBOUR_SETS.map(({ title, keys }) => ({
  suite: SUITE,
  name: `names that stay apart: ${title}`,
  unless,
  async run(trial) {
    const target = await trial.target();
    const kept = holdable(trial.manifest, trial.place.prefix, keys);
    await comesBack(trial, target, kept);
    await goesAway(trial, target, kept);
  },
}));

const PREFIXES: readonly Check[] = ['sp ace/', 'ü+%2F&?#/', 'a//b/', '../up/', '/', 'tab\there/', '😀/\uff5e/'].map(
  (odd) => ({
    suite: SUITE,
    name: `a place under the prefix ${JSON.stringify(odd)}`,
    unless: (manifest, harness) =>
      unless(manifest, harness) ??
      (canHold(rulesOf(manifest), `${odd}name`) ? null : 'its names cannot hold such a prefix'),
    async run(trial) {
      const place = { ...trial.place, prefix: trial.place.prefix + odd };
      await trial.bench.seed('beside', bytesOf('beside'));
      await using target = await trial.account.target(place, { facts: null, runId: 'kitprefix000' }, trial.signal);
      const content = bytesOf('inside');
      await written(target, 'in/side', content, trial.signal);
      sameBytes(await trial.bench.peek(`${odd}in/side`), content, 'seen from outside');
      const { entries } = await listed(target, EVERYTHING, trial.signal);
      assert.deepEqual(
        entries.filter((entry) => entry.kind === 'object').map((entry) => entry.key),
        ['in/side'],
      );
      if (trial.manifest.source === null) return;
      const source = await trial.source(place);
      const entry = await source.stat('in/side', trial.signal);
      assert.ok(entry !== null, 'stat does not find it');
      const reading = await source.read(entry, { offset: 0, lengthBytes: content.length }, trial.signal);
      sameBytes(await contentRead(reading), content, 'read');
    },
  }),
);

export const NAMING: readonly Check[] = [...NAMES, ...SETS, ...PREFIXES];
