/** What is said of runs, and how they are forgotten: inside the test, on a store in memory and folders. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { DroverError } from '../../src/model/errors.ts';
import { memoryStore } from '../../src/providers/memory/provider.ts';
import { openStandalone, type Standalone } from '../../src/standalone/standalone.ts';
import { openTestWorld, type Called, type TestWorld } from './world.ts';

const DAY_MS = 24 * 3600 * 1000;

let world: TestWorld;
let name: string;
let serial = 0;

beforeEach(() => {
  world = openTestWorld();
  serial += 1;
  name = `runs-${serial}`;
  world.environment = { DROVER_CONNECTOR_MEM_PROVIDER: 'memory', DROVER_CONNECTOR_MEM_STORE: name, TERM: 'dumb' };
  seed('b', { 'a.txt': 'alpha', 'p/b.txt': 'beta', 'p/q/c.jpg': 'gamma' });
  seed('c', {});
});

afterEach(() => world.remove());

function seed(bucket: string, objects: Readonly<Record<string, string>>): void {
  const store = memoryStore(name);
  store.ensure(bucket);
  for (const [key, content] of Object.entries(objects)) store.put(bucket, key, content);
}

async function withState<T>(work: (state: Standalone) => Promise<T>): Promise<T> {
  const folder = join(world.folder, 'state');
  await using state = await openStandalone({ folder, clock: systemClock, random: systemRandom, log: () => undefined });
  return await work(state);
}

/** As if it had been then. */
async function age(runId: string, days: number): Promise<void> {
  const atMs = Date.now() - days * DAY_MS;
  await withState(async ({ store }) => {
    const run = await store.getRun(runId);
    await store.updateRun(runId, {
      startedAtMs: atMs,
      updatedAtMs: atMs,
      endedAtMs: run?.endedAtMs === null ? null : atMs,
    });
  });
}

async function copied(...words: string[]): Promise<string> {
  const called = await world.json('copy', 'mem:b', 'mem:c', ...words);
  expect(called.exit, called.stderr).toBe(0);
  return String(called.summary.runId);
}

/** A run that was stopped after some objects. */
async function stopped(target: string): Promise<string> {
  const store = memoryStore(name);
  store.hooks.before = (operation) => {
    if (operation === 'COPY' || operation === 'GET') world.stop();
  };
  const called = await world.json('copy', 'mem:b', target);
  store.hooks.before = null;
  expect(called.exit, called.stderr).toBe(130);
  return String(called.summary.runId);
}

async function runIds(): Promise<unknown[]> {
  return (await world.json('runs')).lines.filter(({ type }) => type === 'run').map(({ runId }) => runId);
}

function artifactsOf(runId: string): boolean {
  return existsSync(join(world.folder, 'state/artifacts/runs', runId));
}

describe('what will not survive', () => {
  const full = /What will not survive this way:\n((?: {4}\S.*\n)+)/;

  test('is said in full by the first run of a transfer, one line each, and in one line by later ones', async () => {
    const first = await world.call('copy', 'mem:b', './out');
    const told = full.exec(first.stderr)?.[1]?.trimEnd().split('\n') ?? [];
    const record = (await world.json('runs')).lines[0] as { concessions: { aspect: string; detail: string }[] };
    expect(told.length).toBeGreaterThan(1);
    expect(told).toEqual(record.concessions.map(({ aspect, detail }) => `    ${aspect}: ${detail}`));
    const again = await world.json('copy', 'mem:b', './out');
    expect(again.stderr).not.toMatch(full);
    expect(again.stderr).toContain(
      `  ${told.length} things will not survive this way, as before: drover runs show ${again.summary.runId}\n`,
    );
    expect(again.lines[0]).toMatchObject({ type: 'run', concessions: record.concessions });
    const shown = await world.call('runs', 'show', String(again.summary.runId));
    for (const { detail } of record.concessions) expect(shown.stdout).toContain(detail);
    expect((await world.call('sync', 'mem:b', './out')).stderr).toMatch(full);
  });

  test('is said in full again when it is not what was said before', async () => {
    const first = await world.json('copy', 'mem:b', './out');
    await withState(async ({ store }) => {
      const run = await store.getRun(String(first.summary.runId));
      const definition = { ...run!.definition, concessions: run!.definition.concessions.slice(1) };
      await store.updateRun(run!.runId, { definition });
    });
    expect((await world.call('copy', 'mem:b', './out')).stderr).toMatch(full);
  });

  test('fits the terminal', async () => {
    world.columns = 60;
    const { stderr } = await world.call('copy', 'mem:b', './out');
    const from = stderr.indexOf('What will not survive');
    const lines = stderr
      .slice(from)
      .split('\n')
      .filter((line) => line.startsWith('    '));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(60);
    expect(lines.some((line) => line.startsWith('      '))).toBe(true);
  });
});

describe('filters that did nothing are named, with the rule', () => {
  const rule = 'Keys are counted from the place that is read. Case counts. * and ? stop at "/", ** does not.';

  test.each([
    [
      ['--include', 'p'],
      '--include "p" matched nothing: without "/" it is compared with the last name of each key. A folder with all that is in it is "p/".',
    ],
    [
      ['--include', '*.JPG'],
      '--include "*.JPG" matched nothing: without "/" it is compared with the last name of each key.\n',
    ],
    [['--include', 'b/*.txt'], '--include "b/*.txt" matched nothing: with "/" it is compared with the whole key.\n'],
    [
      ['--include', '/q/'],
      '--include "/q/" matched nothing: it means everything below this folder, counted from the beginning of the key.\n',
    ],
    [['--include', 'r/'], '--include "r/" matched nothing: it means everything below every folder of this name.\n'],
    [
      ['--include', '*.txt', '--min-size', '1GB'],
      'Nothing passed the filters of this command.\n  --include "*.txt": without',
    ],
    [['--min-size', '1GB'], 'Nothing passed the filters of this command.\n'],
  ])('%j', async (words, text) => {
    for (const command of ['copy', 'check']) {
      const called = await world.call(command, 'mem:b', 'mem:c', ...words);
      expect(called.stderr).toContain(text);
      expect(called.stderr).toContain(`  ${rule}\n`);
      expect(called.stderr).toMatch(/drover runs log \w+ --result excluded\n/);
    }
  });

  test('a pattern to leave out that found nothing', async () => {
    const called = await world.call('copy', 'mem:b', 'mem:c', '--exclude', 'q');
    expect(called).toMatchObject({ exit: 0 });
    expect(called.stderr).toContain('--exclude "q" matched nothing: without "/"');
    expect(called.stderr).toContain(rule);
    expect(called.stdout).not.toContain('matched nothing');
  });

  test.each([
    [[]],
    [['--include', '*.txt']],
    [['--exclude', 'p/']],
    [['--exclude', 'a.txt', '--exclude', 'nothing']],
    [['--min-size', '5']],
    [['--include', 'nothing', '--quiet']],
  ])('silent after %j', async (words) => {
    expect((await world.call('copy', 'mem:b', 'mem:c', ...words)).stderr).not.toContain('matched nothing');
  });

  test('silent where there was nothing to filter', async () => {
    seed('empty', {});
    const called = await world.call('copy', 'mem:empty', 'mem:c', '--include', 'x', '--exclude', 'y');
    expect(called.stderr).not.toContain('matched nothing');
  });
});

describe('rm without anybody to ask', () => {
  test.each([
    [['mem:b/p', '--recursive'], '2 objects (9 bytes) at mem:b/p', 'drover rm mem:b/p --recursive --yes'],
    [['mem:b/a.txt'], '1 object (5 bytes) at mem:b/a.txt', 'drover rm mem:b/a.txt --yes'],
    [["mem:b/it's one"], "1 object (1 byte) at mem:b/it's one", `drover rm 'mem:b/it'\\''s one' --yes`],
  ])('%j says what would go and which option removes it', async (words, what, command) => {
    seed('b', { "it's one": '1' });
    const called = await world.call('rm', ...words);
    expect(called).toMatchObject({
      exit: 6,
      stdout: '',
      stderr:
        `Nothing was removed: ${what} would go. That needs a yes, and nobody can be asked here.\n` +
        `To remove without being asked, add --yes: ${command}\n`,
    });
    const json = await world.json('rm', ...words);
    expect(json).toMatchObject({ exit: 6, summary: { state: 'failed', error: { code: 'GUARD_CONFIRM' } } });
    expect(json.stderr).toContain('with --json nobody is asked');
    expect(memoryStore(name).keys('b')).toHaveLength(4);
  });

  test('a fault that stops it in the middle is a failed removal, not wrong input; what went is counted', async () => {
    seed('many', Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, 'x'])));
    const store = memoryStore(name);
    let removals = 0;
    store.hooks.before = (operation) => {
      if (operation !== 'DELETE' || (removals += 1) < 20) return;
      throw new DroverError('CREDENTIALS_EXPIRED', 'The key was valid until now.');
    };
    const called = await world.json('rm', 'mem:many', '--recursive', '--yes');
    store.hooks.before = null;
    expect(called.exit).toBe(5);
    expect(called.summary).toMatchObject({
      error: { code: 'CREDENTIALS_EXPIRED' },
      items: { scanned: 40, deleted: 19 },
    });
    expect(store.keys('many')).toHaveLength(21);
  });

  test.each([
    ['UNSUPPORTED', 3, 'completed-with-issues'],
    [null, 130, 'cancelled'],
  ] as const)('%s at the twentieth object ends with %i, and what went is counted', async (code, exit, state) => {
    seed('many', Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, 'x'])));
    const store = memoryStore(name);
    let removals = 0;
    store.hooks.before = (operation) => {
      if (operation !== 'DELETE' || (removals += 1) !== 20) return;
      if (code !== null) throw new DroverError(code, 'Not this one.');
      world.stop();
    };
    const called = await world.json('rm', 'mem:many', '--recursive', '--yes');
    store.hooks.before = null;
    expect(called).toMatchObject({ exit, summary: { state, items: { scanned: 40 } } });
    expect(called.summary.items['deleted']).toBe(40 - store.keys('many').length);
    expect(store.keys('many').length).toBeGreaterThan(0);
    expect(store.keys('many').length).toBeLessThan(40);
  });
});

describe('runs remove', () => {
  test('forgets a run with its log, and refuses the latest snapshot of its places, also with --force', async () => {
    const first = await copied();
    const second = await copied();
    expect(artifactsOf(first)).toBe(true);
    const removed = await world.json('runs', 'remove', first);
    expect(removed).toMatchObject({ exit: 0, stderr: expect.stringContaining(`Removed run ${first}`) });
    expect(removed.lines[0]).toEqual({ type: 'removed', runId: first });
    expect(await runIds()).toEqual([second]);
    expect(artifactsOf(first)).toBe(false);
    expect(readdirSync(join(world.folder, 'state/artifacts/runs'))).toEqual([second]);
    for (const more of [[], ['--force']]) {
      const refused = await world.json('runs', 'remove', second, ...more);
      expect(refused).toMatchObject({ exit: 2, summary: { error: { code: 'INVALID_INPUT', field: 'RUN' } } });
    }
    expect(await world.json('verify', second)).toMatchObject({ exit: 0 });
    expect(memoryStore(name).keys('c')).toHaveLength(3);
    expect(await world.json('runs', 'remove', first)).toMatchObject({ exit: 2 });
  });

  test('dry runs and checks can always go', async () => {
    const dry = await copied('--dry-run');
    await copied();
    await world.json('check', 'mem:b', 'mem:c');
    const [check, copy] = await runIds();
    for (const runId of [dry, String(check)])
      expect(await world.json('runs', 'remove', runId)).toMatchObject({ exit: 0 });
    expect(await runIds()).toEqual([copy]);
  });

  test('a run that can be continued needs --force, and then a new one begins', async () => {
    const open = await stopped('mem:c');
    const refused = await world.call('runs', 'remove', open);
    expect(refused).toMatchObject({ exit: 6 });
    expect(refused.stderr).toContain(
      `is unfinished and can be continued.\nTo give it up, and take away what it left: drover runs remove ${open} --force`,
    );
    expect(await world.json('runs', 'remove', open, '--force')).toMatchObject({ exit: 0 });
    expect(await runIds()).toEqual([]);
    expect(artifactsOf(open)).toBe(false);
    expect(await copied()).not.toBe(open);
  });

  test('a run that somebody works on stays, also with --force', async () => {
    const open = await stopped('mem:c');
    const state = await openState();
    const run = await state.store.getRun(open);
    const { identity, label } = run!.definition.target;
    await state.store.updateRun(open, { state: 'running' });
    const lock = await state.lockTarget({ ...identity!, label, runId: open });
    const refused = await world.json('runs', 'remove', open, '--force');
    expect(refused).toMatchObject({ exit: 6, summary: { error: { code: 'GUARD_BUSY' } } });
    await lock.release();
    await state.close();
    expect((await world.json('runs')).lines[0]).toMatchObject({ runId: open, state: 'interrupted' });
    expect(await world.json('runs', 'remove', open, '--force')).toMatchObject({ exit: 0 });
  });

  test.each([
    ['paused', false],
    ['failed', true],
  ] as const)(
    'uploads noted by a %s run are taken away first, at the account they were made with',
    async (state, isEnded) => {
      const open = await stopped('mem:c');
      await withState(async ({ store }) => {
        await store.saveIntent({ runId: open, intentId: 'i', targetKey: 'k', startedAtMs: Date.now(), upload: null });
        await store.updateRun(open, { state, endedAtMs: isEnded ? Date.now() : null });
      });
      await age(open, 100);
      expect((await world.call('runs', 'prune', '--older-than', '90d')).stdout).toContain(
        'Removed 0 runs. Kept 1 run not finished.',
      );
      expect(await world.json('runs', 'remove', open)).toMatchObject({ exit: 6 });
      world.environment['DROVER_CONNECTOR_MEM_STORE'] = `${name}-other`;
      const other = await world.json('runs', 'remove', open, '--force');
      expect(other).toMatchObject({ exit: 2, summary: { error: { code: 'CONNECTOR_NOT_FOUND' } } });
      expect(await runIds()).toEqual([open]);
      world.environment['DROVER_CONNECTOR_MEM_STORE'] = name;
      expect(await world.json('runs', 'remove', open, '--force')).toMatchObject({ exit: 0 });
    },
  );

  test('a target that nothing leads to any more holds back no run that left nothing there', async () => {
    const open = await stopped('mem:c');
    world.environment = {};
    const removed = await world.json('runs', 'remove', open, '--force');
    expect(removed).toMatchObject({ exit: 0, stderr: expect.stringContaining('mem:c cannot be opened any more') });
    expect(await runIds()).toEqual([]);
  });
});

describe('runs prune', () => {
  test('keeps the latest snapshot of each transfer, what can be continued, and what is younger', async () => {
    const old = await copied();
    const filtered = await copied('--include', '*.txt');
    const latest = await copied();
    const dry = await copied('--dry-run');
    seed('d', {});
    const open = await stopped('mem:d');
    const young = await copied();
    for (const runId of [old, filtered, latest, dry, open]) await age(runId, 100);
    const would = await world.call('runs', 'prune', '--older-than', '90d', '--dry-run');
    const kept = 'Kept 1 run with the latest snapshot and 1 run not finished.';
    expect(would.stdout).toBe(`Would remove 3 runs. ${kept}\n`);
    expect(await runIds()).toHaveLength(6);
    const pruned = await world.json('runs', 'prune', '--older-than', '90d');
    expect(pruned).toMatchObject({ exit: 0, stderr: `Removed 3 runs. ${kept}\n` });
    const removed = pruned.lines.filter(({ type }) => type === 'removed').map(({ runId }) => runId);
    expect(new Set(removed)).toEqual(new Set([old, latest, dry]));
    expect(new Set(await runIds())).toEqual(new Set([filtered, open, young]));
    for (const runId of [old, latest, dry]) expect(artifactsOf(runId)).toBe(false);
    for (const runId of [filtered, young]) expect(artifactsOf(runId)).toBe(true);
    for (const runId of [filtered, young]) expect(await world.json('verify', runId)).toMatchObject({ exit: 0 });
  });

  test.each([
    [[], '"drover runs prune" needs --older-than'],
    [['--older-than', 'long'], '--older-than: "long" is not an age.'],
    [['--older-than'], '--older-than needs a value.'],
  ])('%j is wrong input', async (words, text) => {
    const called: Called = await world.call('runs', 'prune', ...words);
    expect(called).toMatchObject({ exit: 2, stdout: '' });
    expect(called.stderr).toContain(text);
  });

  test('takes a date, too', async () => {
    await age(await copied('--dry-run'), 100);
    const early = await world.call('runs', 'prune', '--older-than', '2001-01-01');
    expect(early.stdout).toBe('Removed 0 runs.\n');
    const late = await world.call('runs', 'prune', '--older-than', new Date().toISOString().slice(0, 10));
    expect(late.stdout).toBe('Removed 1 run.\n');
  });
});

function openState(): Promise<Standalone> {
  const folder = join(world.folder, 'state');
  return openStandalone({ folder, clock: systemClock, random: systemRandom, log: () => undefined });
}

test('what gets another name at the target is there: the run succeeds, and says so', async () => {
  seed('odd', { 'a//b': 'x', plain: 'y' });
  const first = await world.json('copy', 'mem:odd', join(world.folder, 'out'));
  expect(first).toMatchObject({ exit: 0, summary: { state: 'succeeded', items: { copied: 2 } } });
  const words = await world.call('copy', 'mem:odd', join(world.folder, 'again'));
  expect(words.stdout).toContain('1 object has another name at the target, which cannot hold the original one.');
});
