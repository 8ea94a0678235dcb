/** The manifest is plain, true to what opened objects can do, and described for people. */
import assert from 'node:assert/strict';
import { DIGEST_KINDS } from '../model/digest.ts';
import { hardNames } from './hard-names.ts';
import type { Check } from './harness.ts';
import { canHold, rulesOf } from './name-rules.ts';

const SUITE = 'manifest';

export const MANIFEST: readonly Check[] = [
  {
    suite: SUITE,
    name: 'is plain data that survives JSON',
    async run({ manifest }) {
      assert.deepEqual(JSON.parse(JSON.stringify(manifest)), manifest);
      assert.match(manifest.id, /^[a-z0-9]+(-[a-z0-9]+)*$/);
      for (const text of [manifest.title, manifest.summary, manifest.containerWord]) assert.ok(text.trim().length > 2);
      assert.ok(manifest.source !== null || manifest.target !== null, 'neither source nor target');
    },
  },

  {
    suite: SUITE,
    name: 'names a facet exactly when the opened object has it',
    async run(trial) {
      const { source, target } = trial.manifest;
      if (source !== null) {
        const opened = await trial.source();
        assert.deepEqual(presentIn(opened.facets), source.facets.toSorted(), 'facets of the source');
        assert.deepEqual(opened.traits, source, 'traits of the source');
      }
      if (target !== null) {
        const opened = await trial.target();
        assert.deepEqual(presentIn(opened.facets), target.facets.toSorted(), 'facets of the target');
        // Its names are those of the place: the next check.
        assert.deepEqual({ ...opened.traits, names: target.names }, target, 'traits of the target');
      }
    },
  },

  {
    suite: SUITE,
    name: 'the rules of an opened target judge keys within the place as the manifest judges whole ones',
    unless: (manifest) => (manifest.target === null ? 'it is not a target' : null),
    async run(trial) {
      const { prefix } = trial.place;
      const { names } = (await trial.target()).traits;
      for (const { title, key } of hardNames(prefix)) {
        const whole = canHold(rulesOf(trial.manifest), prefix + key);
        assert.equal(
          canHold(names, key),
          whole,
          `${title}: ${whole ? 'can' : 'cannot'} be held, but its rules say otherwise`,
        );
      }
    },
  },

  {
    suite: SUITE,
    name: 'states limits that make sense',
    unless: (manifest) => (manifest.target === null ? 'it is not a target' : null),
    async run(trial) {
      const target = await trial.target();
      const { provableDigests, listedDigests, writeBytesMax, metadataBytesMax, tagsMax, timePrecisionMs, names } =
        target.traits;
      for (const kind of [...provableDigests, ...listedDigests, ...target.facts.returned]) {
        assert.ok(DIGEST_KINDS.includes(kind), `unknown digest ${kind}`);
      }
      assert.ok(writeBytesMax > 0 && metadataBytesMax >= 0 && tagsMax >= 0);
      assert.ok(timePrecisionMs === null || timePrecisionMs > 0);
      for (const { from, to } of names.forbidden) assert.ok(from <= to && from >= 0 && to <= 0x10ffff);
      const limits = target.facets.parts?.limits;
      if (limits === undefined) return;
      assert.ok(limits.partBytesMin > 0 && limits.partBytesMin <= limits.partBytesMax && limits.partsMax > 0);
      assert.ok(limits.objectBytesMax <= limits.partBytesMax * limits.partsMax, 'more bytes than parts can hold');
    },
  },

  {
    suite: SUITE,
    name: 'the same store has the same fingerprint, without secrets, on one line',
    async run(trial) {
      await using again = await trial.bench.reopen();
      assert.equal(again.fingerprint, trial.account.fingerprint);
      assert.match(trial.account.fingerprint, /^\S[^\r\n]*$/);
    },
  },

  {
    suite: SUITE,
    name: 'a container can be made once, and is there the second time',
    async run(trial) {
      const { account, place, signal } = trial;
      assert.equal(await account.makeContainer(place.container, signal), 'existed');
    },
  },

  {
    suite: SUITE,
    name: 'browsing shows folders and objects of a place',
    unless: (manifest) => (manifest.source === null ? 'it is not a source' : null),
    async run(trial) {
      for (const key of ['one', 'folder/two', 'folder/deep/three', 'other/four']) {
        await trial.bench.seed(key, new TextEncoder().encode(key));
      }
      const shown = new Map<string, string>();
      for await (const page of trial.account.browse(trial.place, trial.signal)) {
        for (const item of page.items) {
          assert.ok(!shown.has(item.name), `${item.name} is shown twice`);
          shown.set(item.name, item.kind);
        }
      }
      const names = [...shown].map(([name, kind]) => [name.replace(/\/$/, ''), kind]);
      assert.deepEqual(
        names.toSorted((a, b) => ((a[0] as string) < (b[0] as string) ? -1 : 1)),
        [
          ['folder', 'folder'],
          ['one', 'object'],
          ['other', 'folder'],
        ],
      );
    },
  },
];

function presentIn(facets: object): string[] {
  return Object.entries(facets)
    .filter(([, facet]) => facet !== undefined)
    .map(([name]) => name)
    .toSorted();
}
