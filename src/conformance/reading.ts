/** Reading gives exactly the asked bytes of exactly the state that was listed, or fails. */
import assert from 'node:assert/strict';
import type { ReadRange, Source } from '../contract/provider.ts';
import { NO_PROPERTIES, type Entry } from '../model/entry.ts';
import { DroverError } from '../model/errors.ts';
import {
  bytesOf,
  contentOf,
  contentRead,
  failsWith,
  failureOf,
  mayBeRetried,
  sameBytes,
  trueDigest,
} from './helpers.ts';
import { NotApplicable, type Check, type Trial } from './harness.ts';

const SUITE = 'reading';
/** Larger than the chunks of every transport, so that reading takes several of them. */
const SIZE_BYTES = 300_000;

const unless: Check['unless'] = (manifest) => (manifest.source === null ? 'it is not a source' : null);

async function oneObject(trial: Trial, key: string, content: Uint8Array): Promise<{ source: Source; entry: Entry }> {
  await trial.bench.seed(key, content);
  const source = await trial.source();
  const entry = await source.stat(key, trial.signal);
  assert.ok(entry !== null, `${key} was seeded, but stat does not find it`);
  assert.equal(entry.sizeBytes, content.length);
  return { source, entry };
}

/** Writes something else of the same size to the same key, by other means. */
async function change(trial: Trial, key: string, sizeBytes: number): Promise<void> {
  await trial.bench.seed(key, contentOf(`${key} changed`, sizeBytes));
}

async function readDisturbed(
  trial: Trial,
  source: Source,
  entry: Entry,
  range: ReadRange,
  expected: Uint8Array,
  what: string,
): Promise<void> {
  let content: Uint8Array;
  try {
    content = await contentRead(await source.read(entry, range, trial.signal));
  } catch (thrown) {
    assert.ok(thrown instanceof DroverError, `${what}: threw ${String(thrown)}`);
    mayBeRetried(thrown, what);
    return;
  }
  sameBytes(content, expected, `${what}: accepted`);
}

export const READING: readonly Check[] = [
  {
    suite: SUITE,
    name: 'the whole content, with the entry and the digests of that state',
    unless,
    async run(trial) {
      const content = contentOf('whole', SIZE_BYTES);
      const { source, entry } = await oneObject(trial, 'dir/whole.bin', content);
      const reading = await source.read(entry, { offset: 0, lengthBytes: content.length }, trial.signal);
      sameBytes(await contentRead(reading), content, 'whole');
      assert.equal(reading.entry.key, entry.key);
      assert.deepEqual(reading.entry.identity, entry.identity);
      assert.equal(reading.entry.sizeBytes, content.length);
      const described = await source.describe(entry, trial.signal);
      for (const [kind, value] of Object.entries({ ...reading.entry.digests, ...described.entry.digests })) {
        const truth = trueDigest(kind as keyof typeof described.entry.digests, content);
        if (truth !== null) assert.equal(value, truth, `its ${kind} is not the true one`);
      }
    },
  },

  {
    suite: SUITE,
    name: 'any range: first, last, middle, single bytes, across chunks',
    unless,
    async run(trial) {
      const content = contentOf('ranges', SIZE_BYTES);
      const { source, entry } = await oneObject(trial, 'ranges.bin', content);
      for (const [offset, lengthBytes] of [
        [0, 1],
        [0, SIZE_BYTES - 1],
        [SIZE_BYTES - 1, 1],
        [1, SIZE_BYTES - 1],
        [65_535, 2],
        [65_536, 131_072],
        [100_000, 99_999],
      ] as const) {
        const reading = await source.read(entry, { offset, lengthBytes }, trial.signal);
        const what = `bytes from ${offset}, ${lengthBytes} of them`;
        sameBytes(await contentRead(reading), content.subarray(offset, offset + lengthBytes), what);
        assert.deepEqual(reading.entry.identity, entry.identity, what);
        assert.equal(reading.entry.sizeBytes, SIZE_BYTES, `${what}: the entry tells the size of the range`);
      }
    },
  },

  {
    suite: SUITE,
    name: 'zero bytes: an empty object, and an empty range of another',
    unless,
    async run(trial) {
      const empty = await oneObject(trial, 'empty', new Uint8Array());
      const none = await empty.source.read(empty.entry, { offset: 0, lengthBytes: 0 }, trial.signal);
      assert.equal((await contentRead(none)).length, 0);
      const full = await oneObject(trial, 'full', bytesOf('0123456789'));
      for (const offset of [0, 5, 10]) {
        const reading = await full.source.read(full.entry, { offset, lengthBytes: 0 }, trial.signal);
        assert.equal((await contentRead(reading)).length, 0);
      }
    },
  },

  {
    suite: SUITE,
    name: 'a chunk belongs to whoever received it',
    unless,
    async run(trial) {
      const content = contentOf('owned', SIZE_BYTES);
      const { source, entry } = await oneObject(trial, 'owned.bin', content);
      const range = { offset: 0, lengthBytes: SIZE_BYTES };
      const kept: Uint8Array[] = [];
      for await (const chunk of (await source.read(entry, range, trial.signal)).body) kept.push(chunk);
      sameBytes(Buffer.concat(kept), content, 'chunks that were kept until the end');
      for (const chunk of kept) chunk.fill(0);
      sameBytes(
        await contentRead(await source.read(entry, range, trial.signal)),
        content,
        'after they were overwritten',
      );
    },
  },

  {
    suite: SUITE,
    name: 'CHANGED when the object was written to after it was listed',
    unless,
    async run(trial) {
      const { source, entry } = await oneObject(trial, 'changing', contentOf('before', 5000));
      await change(trial, 'changing', 5000);
      for (const range of [
        { offset: 0, lengthBytes: 5000 },
        { offset: 10, lengthBytes: 20 },
      ]) {
        await failsWith(
          'CHANGED',
          async () => contentRead(await source.read(entry, range, trial.signal)),
          `reading ${range.lengthBytes} bytes of a changed object`,
        );
      }
      await failsWith('CHANGED', source.describe(entry, trial.signal), 'describing a changed object');
    },
  },

  {
    suite: SUITE,
    name: 'a change while it is read gives the old bytes or CHANGED, never a mixture',
    unless,
    async run(trial) {
      const before = contentOf('before', SIZE_BYTES);
      const { source, entry } = await oneObject(trial, 'changing', before);
      const reading = await source.read(entry, { offset: 0, lengthBytes: SIZE_BYTES }, trial.signal);
      const chunks: Uint8Array[] = [];
      try {
        for await (const chunk of reading.body) {
          if (chunks.length === 0) await change(trial, 'changing', SIZE_BYTES);
          chunks.push(chunk);
        }
      } catch (thrown) {
        assert.ok(thrown instanceof DroverError && thrown.code === 'CHANGED', `threw ${String(thrown)}`);
        return;
      }
      sameBytes(Buffer.concat(chunks), before, 'read while it changed');
    },
  },

  {
    suite: SUITE,
    name: 'NOT_FOUND when it is gone',
    unless,
    async run(trial) {
      const { source, entry } = await oneObject(trial, 'gone', bytesOf('soon gone'));
      await trial.bench.wipe('gone');
      const whole = { offset: 0, lengthBytes: entry.sizeBytes };
      await failsWith('NOT_FOUND', async () => contentRead(await source.read(entry, whole, trial.signal)), 'read');
      await failsWith('NOT_FOUND', source.describe(entry, trial.signal), 'describe');
      assert.equal(await source.stat('gone', trial.signal), null);
    },
  },

  {
    suite: SUITE,
    name: 'a disturbed answer is an error that may be retried, or the whole truth',
    unless,
    async run(trial) {
      const { faults } = trial;
      if (faults === null) throw new NotApplicable('nothing stands between it and its store that could be disturbed');
      const content = contentOf('disturbed', SIZE_BYTES);
      const { source, entry } = await oneObject(trial, 'disturbed.bin', content);
      for (const kind of faults.kinds) {
        if (kind === 'stall') continue;
        for (const range of [
          { offset: 0, lengthBytes: SIZE_BYTES },
          { offset: 1000, lengthBytes: 150_000 },
        ]) {
          const expected = content.subarray(range.offset, range.offset + range.lengthBytes);
          faults.arm(1, kind);
          await readDisturbed(trial, source, entry, range, expected, `${kind}, ${range.lengthBytes} bytes`);
        }
      }
      faults.disarm();
      const reading = await source.read(entry, { offset: 0, lengthBytes: SIZE_BYTES }, trial.signal);
      sameBytes(await contentRead(reading), content, 'afterwards');
    },
  },

  ...(
    [
      ['early-end', ['EARLY_END']],
      ['extra-bytes', ['EXTRA_BYTES']],
      ['whole-instead-of-range', ['UNAVAILABLE', 'CORRUPTED', 'CHANGED', 'EXTRA_BYTES']],
      ['other-range', ['UNAVAILABLE', 'CORRUPTED', 'CHANGED', 'EXTRA_BYTES']],
    ] as const
  ).map(([kind, codes]): Check => ({
    suite: SUITE,
    name: `a range that comes back wrong is refused: ${kind}`,
    unless,
    async run(trial) {
      const { faults } = trial;
      if (faults === null || !faults.kinds.includes(kind)) {
        throw new NotApplicable('its store cannot be disturbed in this way');
      }
      const content = contentOf(kind, SIZE_BYTES);
      const { source, entry } = await oneObject(trial, 'range.bin', content);
      faults.arm(1, kind);
      const range = { offset: 4096, lengthBytes: 100_000 };
      const error = await failureOf(async () => contentRead(await source.read(entry, range, trial.signal)), kind);
      assert.ok(faults.hasFired, `${kind} never came to pass`);
      mayBeRetried(error, kind);
      assert.ok((codes as readonly string[]).includes(error.code), `${kind}: ${error.code} (${error.message})`);
    },
  })),

  {
    suite: SUITE,
    name: 'leaving early releases what it held',
    unless,
    async run(trial) {
      const content = contentOf('left', SIZE_BYTES * 4);
      const { source, entry } = await oneObject(trial, 'left.bin', content);
      const range = { offset: 0, lengthBytes: content.length };
      // More rounds than any pool has connections: one that stays taken would make this stand still.
      for (let round = 0; round < 80; round++) {
        const reading = await source.read(entry, range, trial.signal);
        for await (const chunk of reading.body) {
          assert.ok(chunk.length > 0);
          break;
        }
      }
      assert.equal(trial.openReadings(), 0, 'contents that nobody reads any more are still open');
      sameBytes(await contentRead(await source.read(entry, range, trial.signal)), content, 'afterwards');
    },
  },

  {
    suite: SUITE,
    name: 'headers and metadata as they were stored',
    unless: (manifest) =>
      manifest.source === null || !manifest.source.carries.metadata ? 'it carries no metadata' : null,
    async run(trial) {
      const headers = { contentType: 'text/x-kit; charset=utf-8', cacheControl: 'max-age=60', contentLanguage: 'de' };
      const metadata = { plain: 'value', number: '42' };
      await trial.bench.seed('with-properties', bytesOf('content'), { headers, metadata });
      const source = await trial.source();
      const entry = (await source.stat('with-properties', trial.signal)) as Entry;
      const { properties } = await source.describe(entry, trial.signal);
      assert.deepEqual(properties.metadata, metadata);
      for (const [name, value] of Object.entries(headers)) {
        assert.equal(properties.headers[name as keyof typeof headers], value, name);
      }
      assert.equal(properties.missingMetadata, NO_PROPERTIES.missingMetadata);
      const reading = await source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, trial.signal);
      await contentRead(reading);
      if (reading.properties !== null) assert.deepEqual(reading.properties.metadata, metadata);
    },
  },

  {
    suite: SUITE,
    name: 'tags as they were stored',
    unless: (manifest) => (manifest.source?.facets.includes('tags') === true ? null : 'it reads no tags'),
    async run(trial) {
      const tags = { project: 'kit', 'with space': 'a b+c' };
      await trial.bench.seed('tagged', bytesOf('x'), { tags });
      await trial.bench.seed('bare', bytesOf('x'));
      const source = await trial.source();
      const tagged = (await source.stat('tagged', trial.signal)) as Entry;
      const bare = (await source.stat('bare', trial.signal)) as Entry;
      assert.deepEqual({ ...(await source.facets.tags?.read(tagged, trial.signal)) }, tags);
      assert.deepEqual({ ...(await source.facets.tags?.read(bare, trial.signal)) }, {});
    },
  },
];
