/** A listing gives every entry once, in the promised order, and ends with `complete` or with an error. */
import assert from 'node:assert/strict';
import type { Lister, Page, Place } from '../contract/provider.ts';
import { DroverError } from '../model/errors.ts';
import { isWithin, keyAfter } from '../model/key.ts';
import {
  bytesOf,
  EVERYTHING,
  failsWith,
  inOrder,
  keysOf,
  listed,
  mayBeRetried,
  sameBytes,
  sameKeys,
} from './helpers.ts';
import { NotApplicable, type Check, type Trial } from './harness.ts';
import { holdable } from './name-rules.ts';

const SUITE = 'listing';

/** Neighbours that naive orders get wrong: UTF-16, locale, folders without their slash, upper and lower case. */
const NEIGHBOURS = [
  'B',
  'a',
  'a-b',
  'a/b',
  'a/b/c',
  'a0',
  'aa',
  'b/a',
  'b/ä',
  'c d',
  'z',
  'Ä',
  'é',
  'ÿ',
  '\u{ff5e}',
  '\u{1f600}',
  '\u{1f600}a',
];

const sourceless = (manifest: Trial['manifest']): string | null =>
  manifest.source === null ? 'it is not a source' : null;

type Listing = Lister & { readonly traits: { readonly order: 'bytes' | 'none' } };

/** The check once for the source side and once for the target side: both list. */
function bothSides(name: string, run: (trial: Trial, lister: Listing) => Promise<void>): Check[] {
  return [
    {
      suite: SUITE,
      name: `${name} (source)`,
      unless: sourceless,
      run: async (trial) => run(trial, await trial.source()),
    },
    {
      suite: SUITE,
      name: `${name} (target)`,
      unless: (manifest) => (manifest.target === null ? 'it is not a target' : null),
      run: async (trial) => run(trial, await trial.target()),
    },
  ];
}

async function seeded(trial: Trial, keys: readonly string[]): Promise<string[]> {
  const kept = holdable(trial.manifest, trial.place.prefix, keys);
  for (const key of kept) await trial.bench.seed(key, bytesOf(key));
  return inOrder(kept);
}

async function seedMany(trial: Trial): Promise<{ readonly keys: string[]; readonly place: Place }> {
  const { manyKeys } = trial.harness;
  const keys = Array.from({ length: manyKeys }, (_, i) => `many/${String(i).padStart(6, '0')}`);
  const { place, seedShared } = trial.bench;
  if (seedShared !== undefined) return { keys, place: await seedShared(keys, bytesOf('x')) };
  if (trial.bench.seedMany !== undefined) await trial.bench.seedMany(keys, bytesOf('x'));
  else {
    for (let at = 0; at < keys.length; at += 16) {
      await Promise.all(keys.slice(at, at + 16).map((key) => trial.bench.seed(key, bytesOf('x'))));
    }
  }
  return { keys, place };
}

function unlessMany(manifest: Trial['manifest'], harness: Trial['harness']): string | null {
  return sourceless(manifest) ?? (harness.manyKeys === 0 ? 'seeding so many keys takes too long here' : null);
}

/** Keys of what is really there: folders that come into being along the way are left aside. */
function objectsIn(pages: readonly Page[]): string[] {
  return pages.flatMap((page) => page.entries.filter((entry) => entry.kind === 'object').map((entry) => entry.key));
}

async function resumesEverywhere(trial: Trial, lister: Listing, pages: readonly Page[]): Promise<void> {
  for (const [at, page] of pages.entries()) {
    if (page.cursor === null) continue;
    const cursor = JSON.parse(JSON.stringify(page.cursor)) as Page['cursor'];
    const rest = await listed(lister, { ...EVERYTHING, resume: cursor }, trial.signal);
    sameKeys(objectsIn(rest.pages), objectsIn(pages.slice(at + 1)), `resumed after page ${at}`);
  }
}

/** Lists under a disturbance: an error that may be retried, or the whole truth; never a part that looks whole. */
async function disturbed(trial: Trial, lister: Listing, expected: readonly string[], what: string): Promise<void> {
  const pages: Page[] = [];
  try {
    for await (const page of lister.scan(EVERYTHING, trial.signal)) pages.push(page);
  } catch (thrown) {
    assert.ok(thrown instanceof DroverError, `${what}: threw ${String(thrown)}`);
    mayBeRetried(thrown, what);
    assert.notEqual(pages.at(-1)?.complete, true, `${what}: failed after it had said complete`);
    return;
  }
  assert.equal(pages.at(-1)?.complete, true, `${what}: stopped without an end and without an error`);
  sameKeys(inOrder(objectsIn(pages)), expected, `${what}: said complete`);
}

export const LISTING: readonly Check[] = [
  ...bothSides('an empty place has no entries and a complete end', async (trial, lister) => {
    const { entries } = await listed(lister, EVERYTHING, trial.signal);
    assert.deepEqual(keysOf(entries), []);
  }),

  ...bothSides('every key once, in the promised order', async (trial, lister) => {
    const keys = await seeded(trial, NEIGHBOURS);
    assert.ok(keys.length >= 8, 'too few of the names can be held for this check to mean anything');
    const { pages } = await listed(lister, EVERYTHING, trial.signal);
    const found = objectsIn(pages);
    sameKeys(lister.traits.order === 'bytes' ? found : inOrder(found), keys, 'the listing');
  }),

  ...bothSides(
    'a range takes its lower bound in and leaves its upper bound out, at every key',
    async (trial, lister) => {
      const keys = await seeded(trial, NEIGHBOURS);
      for (const key of keys) {
        for (const bound of [key, keyAfter(key)]) {
          for (const [from, to] of [
            [bound, null],
            [null, bound],
            [keys[2] as string, bound],
          ] as const) {
            const { pages } = await listed(lister, { from, to, resume: null }, trial.signal);
            const expected = keys.filter((each) => isWithin(each, from, to));
            assert.deepEqual(
              inOrder(objectsIn(pages)),
              expected,
              `from ${JSON.stringify(from)} to ${JSON.stringify(to)}`,
            );
          }
        }
      }
    },
  ),

  ...bothSides('goes on after every cursor', async (trial, lister) => {
    await seeded(trial, NEIGHBOURS);
    const { pages } = await listed(lister, EVERYTHING, trial.signal);
    await resumesEverywhere(trial, lister, pages);
  }),

  {
    suite: SUITE,
    name: 'many keys: whole, in order, resumable after every page, bounded anywhere',
    unless: unlessMany,
    async run(trial) {
      const { keys, place } = await seedMany(trial);
      const source = await trial.source(place);
      const { pages } = await listed(source, EVERYTHING, trial.signal);
      assert.ok(pages.length >= 3, `only ${pages.length} pages: more keys are needed`);
      const found = objectsIn(pages);
      sameKeys(source.traits.order === 'bytes' ? found : inOrder(found), keys, 'the listing');
      await resumesEverywhere(trial, source, pages);
      const from = keys[Math.floor(keys.length / 3)] as string;
      const to = keys[Math.floor((keys.length * 5) / 6)] as string;
      const part = await listed(source, { from, to, resume: null }, trial.signal);
      const within = keys.filter((key) => isWithin(key, from, to));
      sameKeys(inOrder(objectsIn(part.pages)), within, 'a part of it');
      const first = part.pages.find((page) => !page.complete);
      if (first === undefined) return;
      const rest = await listed(source, { from, to, resume: first.cursor }, trial.signal);
      sameKeys(objectsIn(rest.pages), objectsIn(part.pages.slice(part.pages.indexOf(first) + 1)), 'its rest');
    },
  },

  {
    suite: SUITE,
    name: 'many keys: an interrupted listing never looks complete',
    unless: unlessMany,
    async run(trial) {
      const { faults } = trial;
      if (faults === null) throw new NotApplicable('nothing stands between it and its store that could be disturbed');
      const { keys, place } = await seedMany(trial);
      const source = await trial.source(place);
      for (const kind of faults.kinds) {
        if (kind === 'stall') continue;
        for (const nth of [1, 2, 3]) {
          faults.arm(nth, kind);
          await disturbed(trial, source, keys, `${kind} at request ${nth}`);
        }
      }
      faults.disarm();
    },
  },

  ...bothSides('a disturbed listing never looks complete', async (trial, lister) => {
    const { faults } = trial;
    if (faults === null) throw new NotApplicable('nothing stands between it and its store that could be disturbed');
    const keys = await seeded(trial, NEIGHBOURS);
    for (const kind of faults.kinds) {
      if (kind === 'stall') continue;
      faults.arm(1, kind);
      await disturbed(trial, lister, keys, kind);
      assert.ok(faults.hasFired, `${kind} never came to pass`);
    }
    faults.disarm();
  }),

  {
    suite: SUITE,
    name: 'an absent container is PLACE_NOT_FOUND, for both sides',
    async run(trial) {
      const place = { container: trial.bench.absentContainer, prefix: '' };
      const { account, manifest, signal } = trial;
      if (manifest.source !== null) {
        await failsWith('PLACE_NOT_FOUND', account.source(place, { versions: 'current' }, signal), 'source');
      }
      if (manifest.target !== null) {
        await failsWith(
          'PLACE_NOT_FOUND',
          account.target(place, { facts: null, runId: 'kitabsent' }, signal),
          'target',
        );
      }
    },
  },

  {
    suite: SUITE,
    name: 'a place sees only what is under its prefix, with keys relative to it',
    unless: sourceless,
    async run(trial) {
      const keys = holdable(trial.manifest, trial.place.prefix, ['in/a', 'in/b/c', 'inside', 'i', 'io/x', 'in-/x']);
      for (const key of keys) await trial.bench.seed(key, bytesOf(key));
      const source = await trial.source({ ...trial.place, prefix: `${trial.place.prefix}in/` });
      const { pages } = await listed(source, EVERYTHING, trial.signal);
      assert.deepEqual(inOrder(objectsIn(pages)), ['a', 'b/c']);
      const entry = await source.stat('b/c', trial.signal);
      assert.equal(entry?.key, 'b/c');
      const reading = await source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, trial.signal);
      const chunks: Uint8Array[] = [];
      for await (const chunk of reading.body) chunks.push(chunk);
      sameBytes(Buffer.concat(chunks), bytesOf('in/b/c'), 'in/b/c');
    },
  },

  ...bothSides('stat gives what the listing gives, and null for what is not there', async (trial, lister) => {
    const keys = await seeded(trial, ['a', 'b/c', 'ä ö', 'z']);
    const { entries } = await listed(lister, EVERYTHING, trial.signal);
    for (const key of keys) {
      const entry = await lister.stat(key, trial.signal);
      const same = entries.find((each) => each.key === key);
      assert.ok(entry !== null && same !== undefined, `${JSON.stringify(key)} is missing`);
      const { identity, sizeBytes, kind, storageClass, availability } = same;
      assert.deepEqual(
        [entry.key, entry.identity, entry.sizeBytes, entry.kind, entry.storageClass, entry.availability],
        [key, identity, sizeBytes, kind, storageClass, availability],
      );
      // Answers may tell time in whole seconds where listings tell more.
      const apartMs = Math.abs((entry.modifiedAtMs ?? 0) - (same.modifiedAtMs ?? 0));
      assert.ok(apartMs < 1000, `${JSON.stringify(key)}: stat and listing are ${apartMs} ms apart`);
    }
    for (const key of ['absent', 'a-', 'b/', 'b/c/d', 'b']) {
      const entry = await lister.stat(key, trial.signal);
      // Folders of a hierarchical store are there by themselves; then the listing has them too.
      const isFolder = entry?.kind === 'folder' && entries.some((each) => each.key === key && each.kind === 'folder');
      assert.ok(entry === null || entry.isImplied || isFolder, `${JSON.stringify(key)}: stat finds what is not there`);
    }
  }),

  {
    suite: SUITE,
    name: 'entries tell no more and no less than the manifest says',
    unless: sourceless,
    async run(trial) {
      await seeded(trial, ['a', 'b']);
      const source = await trial.source();
      const { listedDigests, timePrecisionMs, carries } = source.traits;
      for (const entry of (await listed(source, EVERYTHING, trial.signal)).entries) {
        for (const kind of Object.keys(entry.digests)) {
          assert.ok(
            (listedDigests as readonly string[]).includes(kind),
            `lists ${kind}, which the manifest does not name`,
          );
        }
        if (timePrecisionMs === null) assert.equal(entry.modifiedAtMs, null);
        else {
          assert.ok(entry.modifiedAtMs !== null, 'no time, though the manifest promises one');
          assert.equal(entry.modifiedAtMs % timePrecisionMs, 0, 'the time is not on the promised grid');
        }
        if (carries.storageClasses.length === 0) assert.equal(entry.storageClass, null);
      }
    },
  },

  {
    suite: SUITE,
    name: 'a listing that is left early can be made again',
    unless: sourceless,
    async run(trial) {
      const keys = await seeded(trial, NEIGHBOURS);
      const source = await trial.source();
      for (let round = 0; round < 20; round++) {
        for await (const _page of source.scan(EVERYTHING, trial.signal)) break;
      }
      const { pages } = await listed(source, EVERYTHING, trial.signal);
      sameKeys(inOrder(objectsIn(pages)), keys, 'afterwards');
    },
  },
];
