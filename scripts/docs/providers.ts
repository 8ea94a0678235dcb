import type { Level } from '../../src/conformance/harness.ts';
import type { Manifest, TargetTraits, Traits } from '../../src/contract/provider.ts';
import { memory } from '../../src/providers/memory/provider.ts';
import { bytes, code, page, table } from './markdown.ts';
import { readObservations, type Observation, type ObservedCheck } from './observed.ts';
import { PROVIDERS } from './world.ts';

const LEVEL_WORDS: Readonly<Record<Level, string>> = {
  live: 'the service itself',
  'real-server': 'real server',
  emulator: 'emulator of the vendor',
  faked: 'stand-in of our own',
};

const RESULT_WORDS: Readonly<Record<ObservedCheck['plain'], string>> = {
  pass: 'yes',
  'not applicable': '–',
  exempt: 'exempt',
  fail: 'fails',
};

export function providersPage(root: string): string {
  const manifests = [...PROVIDERS, memory].map(({ manifest }) => manifest);
  const observations = readObservations(root).toSorted(
    (a, b) => orderOf(manifests, a) - orderOf(manifests, b) || a.name.localeCompare(b.name, 'en'),
  );
  return page(
    'Providers',
    'What each provider can do: first what it says of itself, then what the conformance kit observed. Every provider passes the same kit: plain, and where the tables say so once more through the wrappers of production (retries, limits, counting).',
    '## What they are',
    table(
      ['Provider', 'Title', 'Summary'],
      manifests.map(({ id, title, summary }) => [code(id), title, summary]),
    ),
    '## What they say of themselves',
    traitTable(manifests),
    'This is the most that each kind of store can do; a place that is opened may say less, and plans follow that: a bucket that encrypts with KMS or customer keys has no digests in listings and none over parts; a hierarchical namespace keeps no tags, versions or empty names, and lists from the beginning only, as do Azure clouds older than version 2026-02-06. What a local folder proves are digests of the bytes that were handed to the system and synced: they are not read back.',
    '## How it was observed',
    'A real server counts for more than an emulator, and that for more than a stand-in: stand-ins are there for what no server on one machine can show.',
    evidenceTable(observations),
    '## What was observed',
    `${code('yes')}: it holds. ${code('–')}: it does not apply to this provider; the reasons are below. Empty: it was not part of that run.`,
    checkTable(observations),
    '## Why some checks do not apply',
    reasonTable(observations),
  );
}

function orderOf(manifests: readonly Manifest[], { provider }: Observation): number {
  return manifests.findIndex(({ id }) => id === provider);
}

type TraitRow = readonly [string, (manifest: Manifest) => string];

const TRAIT_ROWS: readonly TraitRow[] = [
  ['Source', ({ source }) => yesNo(source !== null)],
  ['Target', ({ target }) => yesNo(target !== null)],
  ['Order of listings', both((traits) => (traits.order === 'bytes' ? 'by bytes' : 'none: Drover sorts'))],
  ['A listing can begin at', both((traits) => (traits.seek === 'key' ? 'any key' : 'its beginning or a cursor'))],
  ['Digests in listings', both((traits) => list(traits.listedDigests))],
  [
    'Times in steps of',
    both((traits) => (traits.timePrecisionMs === null ? 'no times' : `${traits.timePrecisionMs} ms`)),
  ],
  ["Keeps the source's time", ({ target }) => (target === null ? '–' : yesNo(target.keepsSourceTime))],
  ['Headers', both((traits) => yesNo(traits.carries.headers))],
  ['Website redirects', both((traits) => yesNo(traits.carries.websiteRedirects === true))],
  ['Metadata', both((traits) => yesNo(traits.carries.metadata))],
  ['Tags', both((traits) => yesNo(traits.carries.tags))],
  ['Empty folders', both((traits) => yesNo(traits.carries.emptyFolders))],
  ['Storage classes', both((traits) => list(traits.carries.storageClasses))],
  ['Facets as a source', ({ source }) => list(source?.facets ?? [])],
  ['Facets as a target', ({ target }) => list(target?.facets ?? [])],
  ['Digests it can prove', ofTarget((target) => list(target.provableDigests))],
  ['Largest single write', ofTarget((target) => largest(target.writeBytesMax))],
  ['Metadata at most', ofTarget((target) => bytes(target.metadataBytesMax))],
  ['Tags at most', ofTarget((target) => String(target.tagsMax))],
  ['Longest key', ofTarget(({ names }) => keyLimit(names.keyBytesMax, names.keyCharactersMax))],
  ['Longest name in a key', ofTarget(({ names }) => keyLimit(names.segmentBytesMax, null))],
  ['Empty names (`a//b`)', ofTarget(({ names }) => yesNo(names.emptySegments))],
  ['Names `.` and `..`', ofTarget(({ names }) => yesNo(names.dotSegments))],
  ['An object beside what is below it', ofTarget(({ names }) => yesNo(names.objectAndPrefix))],
  ['Upper and lower case differ', ofTarget(({ names }) => yesNo(names.caseSensitive))],
];

function traitTable(manifests: readonly Manifest[]): string {
  return table(
    ['', ...manifests.map(({ title }) => title)],
    TRAIT_ROWS.map(([title, cell]) => [title, ...manifests.map(cell)]),
  );
}

function evidenceTable(observations: readonly Observation[]): string {
  const count = ({ checks }: Observation, result: ObservedCheck['plain']): string =>
    String(checks.filter(({ plain }) => plain === result).length);
  return table(
    ['Run', 'Provider', 'Evidence', 'Hold', 'Do not apply', 'Exempt', 'Through the wrappers of production'],
    observations.map((observation) => {
      const again = observation.checks.filter(({ production }) => production === 'pass').length;
      return [
        observation.name,
        code(observation.provider),
        LEVEL_WORDS[observation.level],
        count(observation, 'pass'),
        count(observation, 'not applicable'),
        count(observation, 'exempt'),
        again === 0 ? 'not run' : `${again} hold`,
      ];
    }),
  );
}

function checkTable(observations: readonly Observation[]): string {
  const rows = checkNames(observations).map((check) => [
    check,
    ...observations.map((observation) => {
      const found = observation.checks.find((each) => each.check === check);
      return found === undefined ? '' : RESULT_WORDS[found.plain];
    }),
  ]);
  return table(['Check', ...observations.map(({ name }) => name)], rows);
}

/** Each error row belongs to one provider's own table: they are counted above, not listed here. */
function checkNames(observations: readonly Observation[]): string[] {
  const names = new Set(observations.flatMap(({ checks }) => checks.map(({ check }) => check)));
  const shared = [...names].filter(
    (name) =>
      !name.startsWith('errors: ') || observations.every(({ checks }) => checks.some(({ check }) => check === name)),
  );
  const longest = observations.toSorted((a, b) => b.checks.length - a.checks.length)[0]?.checks ?? [];
  const place = new Map(longest.map(({ check }, at) => [check, at]));
  return shared.toSorted((a, b) => (place.get(a) ?? Infinity) - (place.get(b) ?? Infinity) || (a < b ? -1 : 1));
}

function reasonTable(observations: readonly Observation[]): string {
  const rows = observations.flatMap(({ name, checks }) =>
    checks.flatMap(({ check, reason }) => (reason === undefined ? [] : [[name, check, reason]])),
  );
  return table(['Run', 'Check', 'Reason'], rows);
}

function both(words: (traits: Traits) => string): (manifest: Manifest) => string {
  return ({ source, target }) => {
    const ends = [source, target].flatMap((traits) => (traits === null ? [] : [words(traits)]));
    return [...new Set(ends)].join(' as a source, ') + (new Set(ends).size > 1 ? ' as a target' : '');
  };
}

function ofTarget(words: (target: TargetTraits) => string): (manifest: Manifest) => string {
  return ({ target }) => (target === null ? '–' : words(target));
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

function list(values: readonly string[]): string {
  return values.length === 0 ? 'none' : values.map(code).join(', ');
}

function largest(count: number): string {
  return Number.isFinite(count) && count < 1024 ** 5 ? bytes(count) : 'no limit of its own';
}

function keyLimit(bytesMax: number | null, charactersMax: number | null): string {
  if (bytesMax !== null) return `${bytesMax.toLocaleString('en-US')} bytes`;
  return charactersMax === null ? 'no limit of its own' : `${charactersMax.toLocaleString('en-US')} characters`;
}
