/** Commands inside the test: a store in memory, folders, and a state folder of their own. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { memoryStore } from '../../src/providers/memory/provider.ts';
import { openTestWorld, type TestWorld } from './world.ts';

let world: TestWorld;
let name: string;
let serial = 0;

beforeEach(() => {
  world = openTestWorld();
  serial += 1;
  name = `commands-${serial}`;
  world.environment = { DROVER_CONNECTOR_MEM_PROVIDER: 'memory', DROVER_CONNECTOR_MEM_STORE: name };
});

afterEach(() => world.remove());

function seed(bucket: string, objects: Readonly<Record<string, string>>): void {
  const store = memoryStore(name);
  store.ensure(bucket);
  for (const [key, content] of Object.entries(objects)) store.put(bucket, key, content);
}

const TREE = { 'a.txt': 'alpha', 'p/b.txt': 'beta', 'p//c': 'gamma', p: 'the object p', 'q/only': 'one' };

describe('every command ends with one summary of one shape', () => {
  const shape = {
    type: 'summary',
    runId: null,
    state: expect.any(String),
    items: { scanned: 0, copied: 0, same: 0, excluded: 0, skipped: 0, unsupported: 0, failed: 0, deleted: 0 },
    bytes: { scanned: 0, copied: 0 },
    verification: { V3: 0, V2: 0, V1: 0, V0: 0, VM: 0 },
    requests: { source: {}, target: {} },
    differences: { missing: 0, extra: 0, different: 0, kept: 0 },
    durationMs: expect.any(Number),
  };

  test.each([
    [['help'], 0, null],
    [['copy', '--help'], 0, null],
    [['version'], 0, null],
    [['--version'], 0, null],
    [['runs'], 0, null],
    [['connector', 'list'], 0, null],
    [['completion', 'bash'], 0, null],
    [[], 2, 'USAGE'],
    [['copi', 'a', 'b'], 2, 'USAGE'],
    [['copy', '--transfer', '4', 'mem:a', 'mem:b'], 2, 'USAGE'],
    [['copy', 'mem:a'], 2, 'USAGE'],
    [['copy', 'mem:a', 'mem:b', 'mem:c'], 2, 'USAGE'],
    [['copy', 'mem:', 'mem:b'], 2, 'USAGE'],
    [['copy', 'mem:/a', 'mem:b'], 2, 'USAGE'],
    [['copy', 'mem:a', 'mem:b', '--transfers'], 2, 'USAGE'],
    [['copy', 'mem:a', 'mem:b', '--transfers', 'x'], 2, 'USAGE'],
    [['copy', 'mem:a', 'mem:b', '--bwlimit', 'fast'], 2, 'USAGE'],
    [['copy', 'mem:a', 'mem:b', '--min-size', 'big'], 2, 'USAGE'],
    [['copy', 'mem:a', 'mem:b', '--max-age', 'old'], 2, 'USAGE'],
    [['copy', 'mem:a', 'mem:b', '--server-side', 'maybe'], 2, 'USAGE'],
    [['copy', 'mem:a', 'mem:b', '--target-newer', 'maybe'], 2, 'USAGE'],
    [['sync', 'mem:a', 'mem:b', '--max-delete', '-5'], 2, 'USAGE'],
    [['copy', 'mem:a', 'mem:b', '--metadata', 'maybe'], 2, 'USAGE'],
    [['runs', 'log', 'x', '--result', 'nice'], 2, 'USAGE'],
    [['copy', 'nobody:a', 'mem:b'], 2, 'CONNECTOR_NOT_FOUND'],
    [['runs', 'show', 'nothing'], 2, 'INVALID_INPUT'],
    [['verify', 'nothing'], 2, 'INVALID_INPUT'],
    [['connector', 'show', 'nobody'], 2, 'CONNECTOR_NOT_FOUND'],
    [['connector', 'add', 'floppy', 'x'], 2, 'USAGE'],
  ])('%j', async (words, exit, code) => {
    const called = await world.json(...words);
    expect(called.exit).toBe(exit);
    expect(called.summary).toMatchObject(shape);
    expect(Object.keys(called.summary)).toEqual([...Object.keys(shape), 'error', 'sameWeak']);
    expect(called.lines.filter((line) => line['type'] === 'summary')).toHaveLength(1);
    expect(called.summary.error?.code ?? null).toBe(code);
    if (code !== null) {
      expect(called.summary.state).toBe('failed');
      expect(called.stderr).toContain(called.summary.error?.message);
      expect(called.stderr).not.toMatch(/\n\s+at /);
    }
  });
});

describe('wrong input is one clear sentence', () => {
  test.each([
    [['copy', '--transfer', '4', 'mem:a', 'mem:b'], 'There is no option --transfer. Did you mean --transfers?\n'],
    [['copy', 'mem:a', 'mem:b', '--drq-run'], 'There is no option --drq-run. Did you mean --dry-run?\n'],
    [['copy', 'mem:a', 'mem:b', '--jsn'], 'There is no option --jsn. Did you mean --json?\n'],
    [['cpy', 'mem:a', 'mem:b'], 'There is no command cpy. Did you mean copy?\n'],
    [['help', 'cpoy'], 'There is no command cpoy. Did you mean copy?\n'],
    [['help', 'nope'], 'There is no command nope.\n"drover help" says how it is used.\n'],
    [['help', 'runs', 'shwo'], 'There is no command runs shwo. Did you mean show?\n'],
    [['runs', 'shwo'], 'There is no command runs shwo. Did you mean show?\n'],
    [['runs', 'shwo', 'some-run'], 'There is no command runs shwo. Did you mean show?\n'],
    [['connector', 'delete', 'x'], 'There is no command connector delete. Did you mean remove?\n'],
    [['connector', 'rm', 'x'], 'There is no command connector rm. Did you mean remove?\n'],
    [['copy', 'mem:a', 'mem:b', 'my', 'c'], '"drover copy" takes SOURCE and TARGET; there is more on the line.\n'],
    [
      ['copy', '--exclude-class', '--transfers', '4', 'mem:a', 'mem:b'],
      '--exclude-class needs a value, and --transfers stands where it should be.\n',
    ],
    [['copy', 'mem:a'], '"drover copy" needs a TARGET.\n"drover help copy" says how it is used.\n'],
    [['ls', 'mme:'], 'There is no connector "mme". Did you mean "mem"?\n'],
    [['copy', 'mem:a', 'mem:b', '--transfers', '0'], '--transfers needs a whole number from 1 to 1024; "0" is not.\n'],
    [['copy', 'photos', 'mem:b'], '"photos" is not a place. Name the connector first: mem:photos\n'],
    [['copy', 'mem-photos', 'mem:b'], '"mem-photos" is not a place. Name the connector first: mem:mem-photos\n'],
    [['copy', './photos', 'mem:b'], 'There is no file or folder "./photos".\n'],
    [['copy', 'mem:', 'mem:b'], '"mem:" names no container. Write it after the colon: mem:container/path.\n'],
  ])('%j', async (words, text) => {
    seed('b', {});
    const called = await world.call(...words);
    expect(called.exit).toBe(2);
    expect(called.stderr.startsWith(text), called.stderr).toBe(true);
    expect(called.stdout).toBe('');
  });
});

test('state that can be kept nowhere is wrong input', async () => {
  writeFileSync(join(world.folder, 'file'), '');
  const called = await world.json('--state', join(world.folder, 'file', 'below'), 'runs');
  expect(called).toMatchObject({ exit: 2, summary: { error: { code: 'INVALID_INPUT', field: 'state' } } });
});

describe('looking', () => {
  test('ls gives one entry line for each key below the place', async () => {
    seed('b', TREE);
    const all = await world.json('ls', 'mem:b');
    const keys = all.lines.filter((line) => line['type'] === 'entry').map((line) => line['key']);
    expect(keys).toEqual(['a.txt', 'p', 'p//c', 'p/b.txt', 'q/only']);
    expect(all.summary).toMatchObject({ items: { scanned: 5 }, bytes: { scanned: 29 }, state: 'succeeded' });
    const below = await world.json('ls', 'MEM:b/p/');
    expect(below.lines.slice(0, -1)).toMatchObject([
      { kind: 'object', key: '/c', sizeBytes: 5 },
      { kind: 'object', key: 'b.txt', sizeBytes: 4 },
    ]);
  });

  test('a path that is no folder is the object of that name; nothing there is SOURCE_NOT_FOUND', async () => {
    seed('b', TREE);
    const one = await world.json('ls', 'mem:b/q/only');
    expect(one.lines[0]).toMatchObject({ type: 'entry', key: 'only', sizeBytes: 3 });
    expect(one.summary.items['scanned']).toBe(1);
    const none = await world.json('ls', 'mem:b/nothing');
    expect(none).toMatchObject({ exit: 2, summary: { error: { code: 'SOURCE_NOT_FOUND' } } });
    const noBucket = await world.json('ls', 'mem:nothing');
    expect(noBucket).toMatchObject({ exit: 2, summary: { error: { code: 'PLACE_NOT_FOUND' } } });
  });

  test('NAME: alone lists and measures the buckets', async () => {
    seed('b', TREE);
    seed('c', { x: '123' });
    const buckets = await world.json('ls', 'mem:');
    expect(buckets.lines.slice(0, -1)).toMatchObject([
      { type: 'entry', kind: 'container', key: 'b' },
      { type: 'entry', kind: 'container', key: 'c' },
    ]);
    const sum = await world.json('du', 'mem:');
    expect(sum.summary).toMatchObject({ items: { scanned: 6 }, bytes: { scanned: 32 } });
    const part = await world.call('du', 'mem:b/p');
    expect(part.stdout).toBe('2 objects  9 bytes  mem:b/p\n');
  });

  test('cat writes exactly the content, also next to a folder of the same name', async () => {
    seed('b', { ...TREE, empty: '' });
    expect((await world.call('cat', 'mem:b/p')).stdout).toBe('the object p');
    expect((await world.call('cat', 'mem:b/empty')).stdout).toBe('');
    expect(await world.call('cat', 'mem:b/q')).toMatchObject({ exit: 2, stdout: '' });
    const json = await world.json('cat', 'mem:b/a.txt');
    const content = json.lines.filter((line) => line['type'] === 'content');
    expect(Buffer.from(String(content[0]?.['base64']), 'base64').toString()).toBe('alpha');
  });

  test('a name cannot move the cursor', async () => {
    seed('b', { 'x\n\u001b[2Jy': '' });
    expect((await world.call('ls', 'mem:b')).stdout).toBe('x\\n\\u{1b}[2Jy\n');
  });
});

describe('changing by hand', () => {
  test('mkbucket makes a bucket once, and only a bucket', async () => {
    expect((await world.call('mkbucket', 'mem:new')).stdout).toBe('Made mem:new.\n');
    expect((await world.call('mkbucket', 'mem:new')).stdout).toBe('mem:new was there already.\n');
    expect(await world.call('mkbucket', 'mem:new/path')).toMatchObject({ exit: 2 });
    expect((await world.call('mkbucket', './made/deep')).exit).toBe(0);
    expect(existsSync(join(world.folder, 'made/deep'))).toBe(true);
  });

  test('rm needs a yes, and removes one object', async () => {
    seed('b', TREE);
    const refused = await world.json('rm', 'mem:b/p');
    expect(refused).toMatchObject({ exit: 6, summary: { error: { code: 'GUARD_CONFIRM' } } });
    const done = await world.json('rm', 'mem:b/p', '--yes');
    expect(done).toMatchObject({ exit: 0, summary: { items: { deleted: 1 } } });
    const left = await world.json('ls', 'mem:b');
    expect(left.lines.slice(0, -1).map((line) => line['key'])).toEqual(['a.txt', 'p//c', 'p/b.txt', 'q/only']);
  });

  test('rm of a folder needs --recursive and never takes more than the place', async () => {
    seed('b', { ...TREE, 'pq/x': 'y' });
    expect(await world.json('rm', 'mem:b', '--yes')).toMatchObject({ exit: 2 });
    expect(await world.json('rm', 'mem:b/pq', '--yes')).toMatchObject({ exit: 2 });
    const dry = await world.json('rm', 'mem:b/p', '--recursive', '--dry-run');
    expect(dry.summary.items).toMatchObject({ scanned: 2, deleted: 0 });
    expect((await world.json('rm', 'mem:b/p', '--recursive', '--yes')).summary.items['deleted']).toBe(2);
    const left = await world.json('ls', 'mem:b');
    expect(left.lines.slice(0, -1).map((line) => line['key'])).toEqual(['a.txt', 'p', 'pq/x', 'q/only']);
  });

  test('a person is asked, and anything but yes is no', async () => {
    seed('b', TREE);
    world.answers = ['y', 'yes'];
    expect((await world.call('rm', 'mem:b/p')).exit).toBe(6);
    expect((await world.call('rm', 'mem:b/p')).exit).toBe(0);
  });

  test('rm of a local folder empties it', async () => {
    mkdirSync(join(world.folder, 'tree/deep/er'), { recursive: true });
    writeFileSync(join(world.folder, 'tree/deep/er/f'), '1');
    writeFileSync(join(world.folder, 'tree/g'), '2');
    expect((await world.call('rm', './tree', '--recursive', '--yes')).stderr).toBe('');
    expect(existsSync(join(world.folder, 'tree'))).toBe(true);
    expect(existsSync(join(world.folder, 'tree/deep'))).toBe(false);
    writeFileSync(join(world.folder, 'tree/g'), '2');
    expect((await world.call('rm', './tree/g', '--yes')).exit).toBe(0);
    expect(existsSync(join(world.folder, 'tree/g'))).toBe(false);
  });
});

describe('connectors', () => {
  test('are saved, shown without secrets, used without case, and removed', async () => {
    const added = await world.call(
      'connector',
      'add',
      'memory',
      'Shelf',
      '--store',
      `${name}-2`,
      '--passphrase',
      'hush-hush',
      '--no-check',
    );
    expect(added).toMatchObject({ exit: 0, stdout: 'Saved as "Shelf". Try: drover ls Shelf:\n' });
    const shown = await world.call('connector', 'show', 'SHELF');
    expect(shown.stdout).toContain(`${name}-2`);
    expect(shown.stdout).not.toContain('hush-hush');
    expect((await world.call('connector', 'list')).stdout).toMatch(/mem .*environment.*\nShelf /);
    expect(await world.call('connector', 'add', 'memory', 'shelf')).toMatchObject({ exit: 2 });
    memoryStore(`${name}-2`).ensure('b');
    expect((await world.call('mkbucket', 'shelf:c')).exit).toBe(0);
    expect((await world.call('connector', 'remove', 'shelf')).exit).toBe(0);
    expect((await world.call('ls', 'shelf:')).exit).toBe(2);
  });

  test('of the environment beat saved ones', async () => {
    await world.call('connector', 'add', 'memory', 'mem', '--store', `${name}-other`, '--no-check');
    seed('here', {});
    const buckets = await world.json('ls', 'mem:');
    expect(buckets.lines[0]).toMatchObject({ kind: 'container', key: 'here' });
  });

  test('a wrong field is named, with both ways to give it', async () => {
    const called = await world.json('connector', 'add', 'memory', 'x1', '--store', 'NOT GOOD');
    expect(called).toMatchObject({ exit: 2, summary: { error: { code: 'INVALID_INPUT', field: 'store' } } });
    expect(called.stderr).toContain('--store');
    expect(called.stderr).toContain('DROVER_CONNECTOR_X1_STORE');
    world.environment['DROVER_CONNECTOR_MEM_STORE'] = 'NOT GOOD';
    const ls = await world.json('ls', 'mem:');
    expect(ls.summary.error).toMatchObject({ code: 'INVALID_INPUT', field: 'store' });
    expect(ls.stderr).toContain('DROVER_CONNECTOR_MEM_STORE');
  });

  test('a person is asked for what is missing, and test streams its lines', async () => {
    world.answers = ['demo-asked', ''];
    const added = await world.call('connector', 'add', 'memory', 'asked');
    expect(added.exit, added.stderr).toBe(0);
    world.answers = null;
    const tested = await world.json('connector', 'test', 'asked');
    expect(tested.exit).toBe(0);
    expect(tested.lines.some((line) => line['type'] === 'check' && line['what'] === 'identity')).toBe(true);
  });
});

describe('copying', () => {
  test('copies, does nothing the second time, and says so in order', async () => {
    seed('b', TREE);
    const first = await world.json('copy', 'mem:b', './out');
    expect(first.exit, first.stderr).toBe(0);
    expect(first.summary.items).toMatchObject({ scanned: 5, failed: 0 });
    expect(first.summary.runId).toMatch(/^[0-9a-z]{16}$/);
    expect(readFileSync(join(world.folder, 'out/a.txt'), 'utf8')).toBe('alpha');
    const second = await world.json('copy', 'mem:b', './out');
    expect(second.summary.items['copied']).toBe(0);
    expect(second.summary.runId).not.toBe(first.summary.runId);
  });

  test('a storage class that the target does not have is refused before anything is done', async () => {
    seed('b', TREE);
    const called = await world.json('copy', 'mem:b', 'mem:c', '--storage-class', 'COLT');
    expect(called).toMatchObject({ exit: 2, summary: { error: { code: 'INVALID_INPUT', field: '--storage-class' } } });
    expect((await world.json('copy', 'mem:b', './out', '--storage-class', 'none')).exit).toBe(0);
  });

  test('one object, and then nothing but it', async () => {
    seed('b', TREE);
    const called = await world.json('copy', 'mem:b/q/only', 'mem:c', '--quiet');
    expect(called.exit).toBe(2);
    seed('c', {});
    const again = await world.json('copy', 'mem:b/q/only', 'mem:c');
    expect(again.summary.items).toMatchObject({ scanned: 1, copied: 1 });
    expect((await world.call('cat', 'mem:c/only')).stdout).toBe('one');
  });

  test.each([
    ['mem:b', 'mem:b'],
    ['mem:b/p', 'mem:b/p/'],
    ['mem:b/p', 'mem:b'],
    ['mem:b', 'MEM:b/backup'],
    ['./tree', './tree/inside'],
    ['./tree/inside', './tree'],
    ['./tree', './link'],
    ['./tree', './link/new'],
    ['./link/inside', './tree'],
  ])('%s into %s is refused', async (source, target) => {
    seed('b', TREE);
    mkdirSync(join(world.folder, 'tree/inside'), { recursive: true });
    symlinkSync('tree', join(world.folder, 'link'));
    const called = await world.json('copy', source, target);
    expect(called).toMatchObject({ exit: 2, summary: { error: { code: 'PLACES_OVERLAP' } } });
  });

  test('what only sizes speak for is not called identical, copied or verified, until it is read or accepted', async () => {
    const store = memoryStore(name);
    Object.assign(store.behaviour, { listedDigests: [] });
    try {
      for (const [bucket, content, modifiedAtMs] of [
        ['b', 'alpha', 1_000],
        ['c', 'ALPHA', 2_000],
      ] as const) {
        store.ensure(bucket);
        store.put(bucket, 'a.txt', content, { modifiedAtMs });
      }
      const weak = { exit: 3, summary: { sameWeak: 1, state: 'completed-with-issues' } };
      expect(await world.json('check', 'mem:b', 'mem:c')).toMatchObject(weak);
      const said = await world.call('check', 'mem:b', 'mem:c');
      expect(said.stdout).toContain('No difference found: 1 object on both sides.');
      expect(said.stdout).toContain('1 object was compared by size alone: not proved');
      const accepted = await world.json('check', '--accept-size-only', 'mem:b', 'mem:c');
      expect(accepted).toMatchObject({ exit: 0, summary: { sameWeak: 1, state: 'succeeded' } });
      const copied = await world.json('copy', 'mem:b', 'mem:c');
      expect(copied).toMatchObject(weak);
      expect(await world.json('check', 'mem:b', 'mem:c')).toMatchObject(weak);
      const runId = String(copied.summary.runId);
      expect(await world.json('verify', runId)).toMatchObject({ exit: 3, summary: { sameWeak: 1 } });
      expect((await world.call('verify', runId)).stdout).toContain('1 object was compared by size alone: not proved');
      const read = await world.json('check', '--verify', 'read-back', 'mem:b', 'mem:c');
      expect(read).toMatchObject({ exit: 4, summary: { sameWeak: 0, differences: { different: 1 } } });
      const again = await world.json('copy', '--verify', 'read-back', 'mem:b', 'mem:c');
      expect(again).toMatchObject({ exit: 0, summary: { sameWeak: 0, items: { copied: 1 } } });
      expect((await world.call('cat', 'mem:c/a.txt')).stdout).toBe('alpha');
      expect(await world.json('check', 'mem:b', 'mem:c')).toMatchObject({ exit: 0, summary: { sameWeak: 0 } });
      expect(await world.json('verify', String(again.summary.runId))).toMatchObject({ exit: 0 });
    } finally {
      Object.assign(store.behaviour, { listedDigests: ['md5'] });
    }
  });

  test('check finds what differs, sync repairs it, verify agrees', async () => {
    seed('b', TREE);
    seed('c', { 'a.txt': 'other content', extra: 'x' });
    const differing = await world.json('check', 'mem:b', 'mem:c');
    expect(differing).toMatchObject({ exit: 4, summary: { differences: { missing: 4, extra: 1, different: 1 } } });
    expect(differing.lines.filter((line) => line['type'] === 'difference')).toHaveLength(6);
    const oneWay = await world.json('check', '--one-way', 'mem:b', 'mem:c');
    expect(oneWay.summary.differences).toEqual({ missing: 4, extra: 0, different: 1, kept: 0 });
    const said = await world.call('sync', 'mem:b', 'mem:c', '--dry-run');
    expect(said.stdout).toContain(
      'Would transfer 5 objects (29 bytes) and delete 1 object (1 byte) in the target. Nothing was changed.',
    );
    expect((await world.call('runs', 'list', '--limit', '1')).stdout).toContain('would transfer 5 objects');
    const capped = await world.json('sync', 'mem:b', 'mem:c', '--max-delete', '0');
    expect(capped).toMatchObject({ exit: 6, summary: { error: { code: 'GUARD_DELETE_CAP' } } });
    const dry = await world.json('sync', 'mem:b', 'mem:c', '--dry-run');
    expect(dry.exit).toBe(0);
    expect((await world.call('cat', 'mem:c/extra')).stdout).toBe('x');
    const synced = await world.json('sync', 'mem:b', 'mem:c');
    expect(synced).toMatchObject({ exit: 0, summary: { items: { deleted: 1 } } });
    expect(await world.json('check', 'mem:b', 'mem:c')).toMatchObject({ exit: 0 });
    const runId = String(synced.summary.runId);
    expect(await world.json('verify', runId)).toMatchObject({ exit: 0, summary: { runId } });
    seed('c', { 'a.txt': 'changed behind our back' });
    expect(await world.json('verify', runId)).toMatchObject({ exit: 4, summary: { differences: { different: 1 } } });
    const log = await world.json('runs', 'log', runId, '--result', 'deleted');
    expect(log.lines.slice(0, -1)).toMatchObject([{ type: 'item', key: 'extra', result: 'deleted' }]);
    expect((await world.call('runs')).stdout).toContain(runId);
  });

  test('an empty source is refused by sync unless it is said, and fine for copy', async () => {
    seed('empty', {});
    seed('c', { x: 'y' });
    expect(await world.json('copy', 'mem:empty', 'mem:c')).toMatchObject({ exit: 0 });
    const refused = await world.json('sync', 'mem:empty', 'mem:c');
    expect(refused).toMatchObject({ exit: 6, summary: { error: { code: 'GUARD_EMPTY_SOURCE' } } });
    expect(await world.json('sync', 'mem:empty', 'mem:c', '--allow-empty-source')).toMatchObject({
      exit: 0,
      summary: { items: { deleted: 1 } },
    });
  });

  test.each([
    ['as it is', []],
    ['with a date', ['--max-age', '2020-01-01']],
  ])('stopped once, it ends with 130 and the same command %s continues the same run', async (_how, more) => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${String(i).padStart(3, '0')}`, 'x']));
    seed('b', many);
    seed('c', {});
    const store = memoryStore(name);
    let puts = 0;
    store.hooks.before = (operation) => {
      if (operation === 'COPY' && (puts += 1) === 100) world.stop();
    };
    const stopped = await world.json('copy', 'mem:b', 'mem:c', ...more);
    store.hooks.before = null;
    expect(stopped.exit, stopped.stderr).toBe(130);
    expect(stopped.stderr).toContain('Stopping cleanly; the same command continues. Again to stop at once.');
    const continued = await world.json('copy', 'mem:b', 'mem:c', ...more);
    expect(continued).toMatchObject({
      exit: 0,
      summary: { runId: stopped.summary.runId, items: { scanned: 300, failed: 0 } },
    });
    expect((continued.summary.items['copied'] ?? 0) + (continued.summary.items['same'] ?? 0)).toBe(300);
    expect(store.keys('c')).toHaveLength(300);
  });

  test('stopped twice, it ends at once, and scripts still get their summary', async () => {
    seed('b', TREE);
    seed('c', {});
    const store = memoryStore(name);
    let ended: number | null = null;
    world.exitNow = (code) => {
      ended = code;
    };
    let releaseAll: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      releaseAll = resolve;
    });
    store.hooks.before = async (operation) => {
      if (operation !== 'COPY' || ended !== null) return;
      world.stop();
      world.stop();
      await released;
    };
    world.onSummary = () => releaseAll();
    const stopped = await world.json('copy', 'mem:b', 'mem:c');
    store.hooks.before = null;
    expect(ended).toBe(130);
    expect(stopped.lines.filter((line) => line['type'] === 'summary')).toMatchObject([
      { runId: expect.stringMatching(/^[0-9a-z]{16}$/), state: 'paused', error: { code: 'CANCELLED' } },
    ]);
  });
});
