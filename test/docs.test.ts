/** The documentation agrees with the code, with itself, and with what the command line really writes. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { JSON_LINES, lineProblems } from '../scripts/docs/json-lines.ts';
import { commentedLimits } from '../scripts/docs/limits.ts';
import { buildPages, REFERENCE_FOLDER } from '../scripts/docs/pages.ts';
import { readObservations } from '../scripts/docs/observed.ts';
import { PROVIDERS, silentWorld } from '../scripts/docs/world.ts';
import { openProgressView } from '../src/cli/progress.ts';
import { Session } from '../src/cli/session.ts';
import { ERRORS } from '../src/model/errors.ts';
import { ZERO_COUNTERS } from '../src/model/outcome.ts';
import { local } from '../src/providers/local/provider.ts';
import { memory, memoryStore } from '../src/providers/memory/provider.ts';
import { s3 } from '../src/providers/s3/provider.ts';
import { openTestWorld, type TestWorld } from './cli/world.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Every text of the project; not what others build or leave beside it. */
const files = [
  ...readdirSync(root),
  ...['.ci', 'bin', 'docs', 'scripts', 'src', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((path) => join(folder, String(path))),
  ),
].filter(
  // What somebody writes there for a moment may be gone again.
  (path) => path !== 'package-lock.json' && statSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true,
);
const markdown = files.filter((path) => path.endsWith('.md'));

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

describe('the reference', () => {
  const pages = buildPages(root);

  test.each([...pages.keys()])('%s is what "npm run docs" makes', (name) => {
    const path = join(REFERENCE_FOLDER, name);
    expect(existsSync(join(root, path)), `${path} is not there; run "npm run docs"`).toBe(true);
    expect(read(path), 'run "npm run docs"').toBe(pages.get(name));
  });

  test('holds no page that is no longer made', () => {
    const there = readdirSync(join(root, REFERENCE_FOLDER)).filter((name) => /\.(md|json)$/.test(name));
    expect(there.toSorted()).toEqual([...pages.keys()].toSorted());
  });

  test('says something about every command, field, code and limit', () => {
    for (const { account } of PROVIDERS) {
      for (const name of Object.keys(account)) expect(pages.get('connectors.md')).toContain(`\`${name}\``);
    }
    for (const code of Object.keys(ERRORS)) expect(pages.get('errors.md')).toContain(`\`${code}\``);
    for (const words of ['copy', 'sync', 'connector add s3', 'runs log']) {
      expect(pages.get('commands.md')).toContain(`## drover ${words}\n`);
    }
    const unexplained = commentedLimits(root).filter(({ name, why }) => why === '' && name !== 'PROGRESS_EVERY_MS');
    expect(unexplained).toEqual([]);
  });

  test('every provider was observed by the kit, and nothing failed', () => {
    const observations = readObservations(root);
    const observed = new Set(observations.map(({ provider }) => provider));
    expect([...observed].toSorted()).toEqual(['azure-blob', 'local', 'memory', 's3']);
    const failed = observations.flatMap(({ name, checks }) =>
      checks.filter(({ plain, production }) => plain === 'fail' || production === 'fail').map((check) => [name, check]),
    );
    expect(failed).toEqual([]);
  });
});

test.each(Object.entries(ERRORS))('the remedy of %s is a sentence', (_code, { remedy }) => {
  expect(remedy).toMatch(/^[A-Z].{10,}\.$/);
});

describe('every page', () => {
  test.each(markdown)('%s: its links and paths lead somewhere', (path) => {
    expect(deadEnds(path, read(path))).toEqual([]);
  });

  test('a dead end is noticed', () => {
    const text = 'See [this](no-such.md), [that](../README.md#x), `src/no/such.ts` and `src/main.ts`.';
    expect(deadEnds('docs/page.md', text, () => false)).toEqual([
      'no-such.md',
      '../README.md',
      'src/no/such.ts',
      'src/main.ts',
    ]);
  });

  test.each(markdown)('%s: every heading that is linked to is there', (path) => {
    expect(missingAnchors(path, read(path))).toEqual([]);
  });
});

describe('every file', () => {
  /** Put together here, so that this file is not found itself. */
  const banned = new RegExp(
    ['/work' + '/', '/tmp' + '/bench', 'shared' + '/(research|reference)', '\\bissue' + ' [0-9]', '/root' + '/'].join(
      '|',
    ),
  );

  test('speaks of the project, never of the place where it was written', () => {
    const texts = files.filter((path) => /\.(md|ts|mjs|sh|json)$|^\.ci\/|^bin\//.test(path));
    expect(texts.length).toBeGreaterThan(100);
    const found = texts.flatMap((path) => {
      const match = banned.exec(read(path));
      return match === null ? [] : [`${path}: ${match[0]}`];
    });
    expect(found).toEqual([]);
  });

  test('the rule can fail', () => {
    expect(banned.test(['see ', 'work', 'main'].join('/'))).toBe(true);
  });
});

/** Relative links and paths between backticks of which nothing is there. */
function deadEnds(path: string, text: string, isThere = (at: string): boolean => existsSync(join(root, at))): string[] {
  const prose = withoutFences(text);
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => (match[1] as string).replace(/#.*$/, ''))
    .filter((link) => link !== '' && !/^[a-z]+:/.test(link));
  const named = [...prose.matchAll(/`((?:src|test|docs|scripts)\/[^`\s*{<]*)`/g)].map((match) => match[1] as string);
  return [
    ...links.filter((link) => !isThere(join(dirname(path), decodeURIComponent(link)))),
    ...named.filter((name) => !isThere(name.replace(/[:#].*$/, ''))),
  ];
}

function missingAnchors(path: string, text: string): string[] {
  return [...withoutFences(text).matchAll(/\]\(([^)\s#]*)#([^)\s]+)\)/g)]
    .filter((match) => !/^[a-z]+:/.test(match[1] as string))
    .filter((match) => {
      const page = match[1] === '' ? path : join(dirname(path), match[1] as string);
      return existsSync(join(root, page)) && page.endsWith('.md') && !anchorsOf(read(page)).has(match[2] as string);
    })
    .map((match) => `${match[1]}#${match[2]}`);
}

function anchorsOf(text: string): Set<string> {
  const titles = [...withoutFences(text).matchAll(/^#+ (.*)$/gm)].map((match) => match[1] as string);
  return new Set(
    titles.map((title) =>
      title
        .trim()
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function withoutFences(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, '');
}

describe('JSON output', () => {
  let world: TestWorld;

  beforeEach(() => {
    world = openTestWorld([memory, local, s3]);
    world.environment = { DROVER_CONNECTOR_MEM_PROVIDER: 'memory', DROVER_CONNECTOR_MEM_STORE: 'documented' };
    const store = memoryStore('documented');
    store.ensure('b');
    store.ensure('c');
    for (const [key, content] of Object.entries({ a: 'alpha', 'd/b': 'beta', 'x//y': 'odd' }))
      store.put('b', key, content);
    store.put('b', 'cold', 'ice', { storageClass: 'ARCHIVE', availability: 'archived' });
    store.put('c', 'extra', 'only here');
  });

  afterEach(() => world.remove());

  test('real lines are as described, and every described type is really written', async () => {
    const profiles = join(world.folder, 'profiles');
    writeFileSync(profiles, '[work]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = abc\n');
    const check = await world.json('check', 'mem:b', 'mem:c');
    const copied = await world.json('copy', 'mem:b', 'mem:c');
    memoryStore('documented').put('c', 'a', 'changed behind our back');
    const runId = String(copied.summary.runId);
    const calls = [check, copied];
    for (const words of [
      ['verify', runId],
      ['runs'],
      ['runs', 'show', runId],
      ['runs', 'log', runId],
      ['ls', 'mem:b'],
      ['ls', 'mem:'],
      ['ls', '--one-level', 'mem:b'],
      ['du', 'mem:'],
      ['cat', 'mem:b/a'],
      ['connector', 'list'],
      ['connector', 'show', 'mem'],
      ['connector', 'test', 'mem'],
      ['connector', 'import', 'aws', '--file', profiles],
      ['copy', 'mem:nothing', 'mem:c'],
      ['runs', 'remove', String(check.summary.runId)],
      ['wrong'],
    ]) {
      calls.push(await world.json(...words));
    }
    const lines = [...calls.flatMap((call) => call.lines), await progressLine()];
    const problems = lines.flatMap((line) =>
      lineProblems(line).map((problem) => `${JSON.stringify(line)}: ${problem}`),
    );
    expect(problems).toEqual([]);
    const written = new Set(lines.map((line) => String(line['type'])));
    // A text to paste needs a provider that has one; its line is held to the type by the compiler.
    const described = new Set(JSON_LINES.map(({ type }) => type).filter((type) => type !== 'policy'));
    expect([...written].toSorted()).toEqual([...described].toSorted());
    for (const call of calls) expect(Object.keys(call.summary)).toEqual(['type', ...Object.keys(summaryMembers())]);
  });

  test('a line that is not as described is noticed', () => {
    expect(lineProblems({ type: 'content' })).toEqual(['base64 is missing']);
    expect(lineProblems({ type: 'content', base64: 1 })).toEqual(['base64 is number, not string']);
    expect(lineProblems({ type: 'content', base64: '', more: 1 })).toEqual(['more is not described']);
    expect(lineProblems({ type: 'unknown' })).toHaveLength(1);
  });
});

function summaryMembers(): object {
  return JSON_LINES.find(({ type }) => type === 'summary')?.members ?? {};
}

/** A run of a few objects is over before there is progress to tell. */
async function progressLine(): Promise<Record<string, unknown>> {
  let written = '';
  const stdout = {
    isTerminal: false,
    columns: () => 80,
    write: async (text: unknown) => void (written += String(text)),
  };
  const stderr = { ...stdout, write: async () => undefined };
  const world = { ...silentWorld(''), stdout, stderr };
  const session = new Session(world, { json: true, quiet: true, verbose: false, stateFolder: null });
  const view = openProgressView(session);
  view.show({
    runId: 'r',
    phase: 'copying',
    counters: ZERO_COUNTERS,
    pendingItems: 1,
    pendingBytes: 1,
    listingComplete: true,
    elapsedMs: 1,
    bytesPerSecond: 1,
    itemsPerSecond: 1,
    bytesPerSecondMean: 1,
    remainingMs: { low: 1, high: 2, confidence: 'low' },
    limitedBy: 'none',
    current: [],
  });
  await view.end();
  return JSON.parse(written) as Record<string, unknown>;
}
