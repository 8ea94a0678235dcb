/** What travels beside the content arrives, or is reported as lost. */
import assert from 'node:assert/strict';
import type { Target } from '../contract/provider.ts';
import { NO_PROPERTIES, type Entry, type Properties } from '../model/entry.ts';
import { bytesOf, EVERYTHING, listed, written } from './helpers.ts';
import { NotApplicable, type Check, type Trial } from './harness.ts';
import { notTarget } from './writing.ts';

const SUITE = 'writing';

interface Dressed {
  readonly target: Target;
  readonly entry: Entry;
  readonly found: Properties;
  readonly losses: readonly string[];
}

/** Writes one object with these properties and looks at it again. */
async function dressed(trial: Trial, more: Partial<Properties>): Promise<Dressed> {
  const target = await trial.target();
  const properties = { ...NO_PROPERTIES, ...more, tagCount: Object.keys(more.tags ?? {}).length };
  const result = await written(target, 'dressed', bytesOf('x'), trial.signal, { properties });
  const entry = await target.stat('dressed', trial.signal);
  assert.ok(entry !== null);
  assert.deepEqual(entry.identity, result.entry.identity, 'the identity after properties were set');
  const { properties: found } = await target.describe(entry, trial.signal);
  return { target, entry, found, losses: result.losses };
}

function mentions(losses: readonly string[], name: string): boolean {
  return losses.some((loss) => loss.includes(name));
}

async function metadataArrives(trial: Trial, metadata: Readonly<Record<string, string>>): Promise<void> {
  const { found, losses } = await dressed(trial, { metadata });
  for (const [name, value] of Object.entries(metadata)) {
    const there = found.metadata[name];
    const what = `metadata ${name}: ${JSON.stringify(there)} instead of ${JSON.stringify(value)}`;
    assert.ok(there === value || mentions(losses, name), what);
  }
  const strangers = Object.keys(found.metadata).filter((name) => !Object.hasOwn(metadata, name));
  assert.deepEqual(strangers, [], 'metadata that nobody wrote');
}

export const CARRYING: readonly Check[] = [
  {
    suite: SUITE,
    name: 'headers arrive, or are reported as lost',
    unless: (manifest) => (manifest.target?.carries.headers === true ? null : 'it carries no headers'),
    async run(trial) {
      const headers = {
        contentType: 'text/x-kit; charset=utf-8',
        cacheControl: 'max-age=60',
        contentDisposition: 'attachment; filename="a.txt"',
        contentLanguage: 'de',
        contentEncoding: 'identity',
      };
      const { found, losses } = await dressed(trial, { headers });
      for (const [name, value] of Object.entries(headers)) {
        const there = found.headers[name as keyof typeof headers];
        assert.ok(there === value || mentions(losses, name), `${name}: ${there} instead of ${value}`);
      }
    },
  },

  {
    suite: SUITE,
    name: 'values of metadata arrive exactly, or are reported as lost',
    unless: (manifest) => (manifest.target?.carries.metadata === true ? null : 'it carries no metadata'),
    run: (trial) =>
      metadataArrives(trial, {
        plain: 'value',
        unicode: 'Zürich – 日本語 😀',
        innerspaces: 'a  b',
        signs: '=?utf-8?Q?x?= % + & " \' < > %41',
        long: 'x'.repeat(500),
      }),
  },

  {
    suite: SUITE,
    name: 'names of metadata arrive exactly, or are reported as lost',
    unless: (manifest) => (manifest.target?.carries.metadata === true ? null : 'it carries no metadata'),
    run: (trial) =>
      metadataArrives(trial, { 'with-dash': '1', with_underscore: '2', '1digit': '3', 'dot.ted': '4', class: '5' }),
  },

  {
    suite: SUITE,
    name: 'tags arrive, or are reported as lost',
    unless: (manifest) => {
      if (manifest.target?.carries.tags !== true) return 'it carries no tags';
      return manifest.target.facets.includes('tags') ? null : 'it reads no tags';
    },
    async run(trial) {
      const tags = { project: 'kit', 'with space': 'a b+c-d=e', 'a:b/c': '', 'sign.s_@': '+-=._:/@' };
      const { target, entry, losses } = await dressed(trial, { tags });
      const there = (await target.facets.tags?.read(entry, trial.signal)) ?? {};
      for (const [name, value] of Object.entries(tags)) {
        assert.ok(there[name] === value || mentions(losses, name), `tag ${name}: ${there[name]} instead of ${value}`);
      }
      for (const name of Object.keys(there)) assert.ok(Object.hasOwn(tags, name), `tag ${name}, which nobody wrote`);
    },
  },

  {
    suite: SUITE,
    name: 'keeps the time of the source where the manifest promises it',
    unless: (manifest) => (manifest.target?.keepsSourceTime === true ? null : 'it keeps no times of sources'),
    async run(trial) {
      const target = await trial.target();
      const precisionMs = target.traits.timePrecisionMs ?? 1;
      for (const modifiedAtMs of [1_234_567_890_123, 86_400_000, 4_102_444_800_456]) {
        const key = `time-${modifiedAtMs}`;
        const result = await written(target, key, bytesOf('x'), trial.signal, { modifiedAtMs });
        const expected = Math.floor(modifiedAtMs / precisionMs) * precisionMs;
        assert.equal(result.entry.modifiedAtMs, expected);
        assert.equal((await target.stat(key, trial.signal))?.modifiedAtMs, expected);
      }
    },
  },

  {
    suite: SUITE,
    name: 'the recorded source comes back where it comes back at all',
    unless: notTarget,
    async run(trial) {
      const target = await trial.target();
      const identity = { etag: 'abc"def', versionId: 'v 1', sizeBytes: 7, modifiedAtMs: 1_700_000_000_000 };
      const recorded = { ...identity, isProved: true };
      const properties = { headers: {}, metadata: { own: 'yes' }, tags: null, tagCount: 0, missingMetadata: 0 };
      await written(target, 'recorded', bytesOf('content'), trial.signal, { recorded, properties });
      const { entries } = await listed(target, EVERYTHING, trial.signal);
      const entry = entries.find((each) => each.key === 'recorded');
      assert.ok(entry !== undefined);
      if (entry.recorded !== null) assert.deepEqual(entry.recorded, recorded);
      const described = await target.describe(entry, trial.signal);
      if (target.traits.carries.metadata) assert.deepEqual(described.properties.metadata, { own: 'yes' });
      if (entry.recorded === null) throw new NotApplicable('its listings carry no metadata');
    },
  },

  {
    suite: SUITE,
    name: 'an empty folder is kept as one',
    unless: (manifest) =>
      manifest.target?.carries.emptyFolders === true ? null : 'it keeps no folders without content',
    async run(trial) {
      const target = await trial.target();
      await written(target, 'folder/', new Uint8Array(), trial.signal, { kind: 'folder' });
      const entry = await target.stat('folder/', trial.signal);
      assert.deepEqual([entry?.kind, entry?.key, entry?.sizeBytes], ['folder', 'folder/', 0]);
      await written(target, 'folder/', new Uint8Array(), trial.signal, { kind: 'folder' });
      await written(target, 'folder/inside', bytesOf('x'), trial.signal);
      const { entries } = await listed(target, EVERYTHING, trial.signal);
      assert.deepEqual(
        entries.map((each) => [each.key, each.kind, each.isImplied]),
        [
          ['folder/', 'folder', false],
          ['folder/inside', 'object', false],
        ],
      );
    },
  },
];
