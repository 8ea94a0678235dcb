/** What a provider may be able to do beside the ground it shares with all others. */
import assert from 'node:assert/strict';
import type { CopyReference, Source, Target } from '../contract/provider.ts';
import { NO_PROPERTIES, type Entry, type Properties } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import { absent, bytesOf, contentOf, failsWith, sameBytes, writeOptions, written } from './helpers.ts';
import { NotApplicable, type Check, type Trial } from './harness.ts';
import { begun, planOf, partsOf, putAll } from './part-plans.ts';
import { assertProvedTrue } from './writing.ts';

const SUITE = 'facets';

const copies: NonNullable<Check['unless']> = (manifest) => {
  if (manifest.target?.facets.includes('serverSideCopy') !== true) return 'it copies nothing by itself';
  return manifest.source?.facets.includes('references') === true ? null : 'it gives no references';
};

interface Pair {
  readonly source: Source;
  readonly target: Target;
  readonly copy: NonNullable<Target['facets']['serverSideCopy']>;
}

async function pairOf(trial: Trial): Promise<Pair> {
  const source = await trial.source();
  const target = await trial.target();
  assert.ok(target.facets.serverSideCopy !== undefined, 'the manifest names the facet, but it is not there');
  return { source, target, copy: target.facets.serverSideCopy };
}

/** A reference that this target takes; without one there is nothing to check. */
async function referenceTo(trial: Trial, pair: Pair, key: string): Promise<CopyReference> {
  const entry = (await pair.source.stat(key, trial.signal)) as Entry;
  const reference = await pair.source.facets.references?.of(entry, 60_000, trial.signal);
  assert.ok(reference !== undefined, 'the manifest names the facet, but it is not there');
  assert.deepEqual([reference.container, reference.fullKey], [trial.place.container, trial.place.prefix + key]);
  assert.deepEqual(reference.identity, entry.identity);
  if (pair.copy.accepts(reference) === 'no') throw new NotApplicable('it takes no references to itself');
  return reference;
}

/** Falling back to relay is an answer, too: then nothing may have happened. */
async function orFallBack<T>(work: Promise<T>): Promise<T> {
  return await work.catch((thrown: unknown) => {
    if (thrown instanceof DroverError && thrown.code === 'UNSUPPORTED') {
      throw new NotApplicable(`it refuses, so that Drover relays: ${thrown.message}`);
    }
    throw thrown;
  });
}

async function addressed(target: Target, key: string, trial: Trial): Promise<Entry> {
  const entry = await target.stat(key, trial.signal);
  assert.ok(entry !== null, `${key} is not there`);
  return entry;
}

export const FACETS: readonly Check[] = [
  {
    suite: SUITE,
    name: 'a server-side copy is the same content, with the properties that were asked for',
    unless: copies,
    async run(trial) {
      const content = contentOf('copied', 150_000);
      await trial.bench.seed('from here/ü+%.bin', content);
      const pair = await pairOf(trial);
      const reference = await referenceTo(trial, pair, 'from here/ü+%.bin');
      const properties: Properties = { ...NO_PROPERTIES, headers: { contentType: 'text/x-copy' } };
      const options = writeOptions(trial.signal, { properties });
      const result = await orFallBack(pair.copy.copy(reference, 'to/there.bin', content.length, options));
      sameBytes(await trial.bench.peek('to/there.bin'), content, 'the copy');
      const entry = await addressed(pair.target, 'to/there.bin', trial);
      assert.deepEqual(entry.identity, result.entry.identity);
      assertProvedTrue(result.proved, content, 'the copy');
      if (!pair.target.traits.carries.headers) return;
      const { properties: found } = await pair.target.describe(entry, trial.signal);
      assert.equal(found.headers.contentType, 'text/x-copy');
    },
  },

  {
    suite: SUITE,
    name: 'a server-side copy of something that changed is CHANGED and leaves nothing',
    unless: copies,
    async run(trial) {
      await trial.bench.seed('changing', bytesOf('before'));
      const pair = await pairOf(trial);
      const reference = await referenceTo(trial, pair, 'changing');
      await trial.bench.seed('changing', bytesOf('after!'));
      const work = pair.copy.copy(reference, 'copy', 6, writeOptions(trial.signal));
      await failsWith(['CHANGED', 'UNSUPPORTED'], work, 'copying a state that is gone');
      absent(await trial.bench.peek('copy'), 'the copy');
      assert.deepEqual(await trial.bench.keys(), ['changing']);
    },
  },

  {
    suite: SUITE,
    name: 'parts of an upload can be copied by the server',
    unless: (manifest, harness) =>
      copies(manifest, harness) ??
      (manifest.target?.facets.includes('parts') === true ? null : 'it takes no uploads in parts'),
    async run(trial) {
      const pair = await pairOf(trial);
      const parts = await partsOf(trial, pair.target);
      const plan = planOf(parts, 'in parts.bin');
      await trial.bench.seed('whole.bin', plan.content);
      const reference = await referenceTo(trial, pair, 'whole.bin');
      const upload = await begun(trial, parts, plan);
      const receipts = [];
      for (const [index, piece] of plan.pieces.entries()) {
        const range = { offset: index * plan.partBytes, lengthBytes: piece.length };
        const receipt = await orFallBack(pair.copy.copyPart(upload, index, reference, range, trial.signal));
        assert.deepEqual([receipt.index, receipt.sizeBytes], [index, piece.length]);
        assertProvedTrue(receipt.proved, piece, `part ${index}`);
        receipts.push(receipt);
      }
      await parts.complete(upload, receipts, writeOptions(trial.signal));
      sameBytes(await trial.bench.peek(plan.key), plan.content, plan.key);
    },
  },

  {
    suite: SUITE,
    name: 'replacing properties leaves the content alone',
    unless: (manifest) =>
      manifest.target?.facets.includes('properties') === true ? null : 'it replaces no properties by themselves',
    async run(trial) {
      const target = await trial.target();
      const content = contentOf('kept', 40_000);
      const before: Properties = { ...NO_PROPERTIES, metadata: { old: 'yes', both: 'one' } };
      const first = await written(target, 'kept.bin', content, trial.signal, { properties: before });
      const after: Properties = { ...NO_PROPERTIES, headers: { contentType: 'text/x-new' }, metadata: { both: 'two' } };
      const entry = await target.facets.properties?.replace(first.entry, after, trial.signal);
      sameBytes(await trial.bench.peek('kept.bin'), content, 'the content');
      const now = await addressed(target, 'kept.bin', trial);
      assert.deepEqual(entry?.identity, now.identity);
      const { properties } = await target.describe(now, trial.signal);
      assert.deepEqual(properties.metadata, { both: 'two' });
      assert.equal(properties.headers.contentType, 'text/x-new');
      await trial.bench.seed('kept.bin', bytesOf('something else'));
      const late = target.facets.properties?.replace(now, before, trial.signal) ?? Promise.resolve();
      await failsWith('CHANGED', late, 'replacing the properties of another state');
    },
  },

  {
    suite: SUITE,
    name: 'the size of the first part is that of the upload, or not told',
    unless: (manifest) => {
      if (manifest.source?.facets.includes('partSizes') !== true) return 'it tells no sizes of parts';
      return manifest.target?.facets.includes('parts') === true ? null : 'it takes no uploads in parts';
    },
    async run(trial) {
      const parts = await partsOf(trial);
      const plan = planOf(parts, 'parted.bin');
      const upload = await begun(trial, parts, plan);
      await parts.complete(upload, await putAll(trial, parts, upload, plan), writeOptions(trial.signal));
      const source = await trial.source();
      const entry = (await source.stat(plan.key, trial.signal)) as Entry;
      const first = await source.facets.partSizes?.first(entry, trial.signal);
      assert.ok(first === null || first === plan.partBytes, `${first} instead of ${plan.partBytes}`);
    },
  },

  {
    suite: SUITE,
    name: 'what is online needs no restore',
    unless: (manifest) => (manifest.source?.facets.includes('restore') === true ? null : 'it archives nothing'),
    async run(trial) {
      await trial.bench.seed('online', bytesOf('x'));
      const source = await trial.source();
      const entry = (await source.stat('online', trial.signal)) as Entry;
      assert.equal(entry.availability, 'online');
      assert.equal(await source.facets.restore?.status(entry, trial.signal), 'online');
    },
  },
];
