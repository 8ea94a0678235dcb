import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { canMount } from '../../../test/abilities.ts';
import type { Entry } from '../../model/entry.ts';
import { compareKeys, isWithin } from '../../model/key.ts';
import {
  entriesOf,
  EVERYTHING,
  keysOf,
  makeFolder,
  never,
  pagesOf,
  pathOf,
  plant,
  sourceOf,
  targetOf,
} from './testing.ts';

let folder: string;
let removeFolder: () => void;

beforeEach(() => {
  ({ folder, removeFolder } = makeFolder());
});
afterEach(() => removeFolder());

/** With every folder above them, sorted: what a listing must say. */
function withFolders(keys: readonly string[]): string[] {
  const all = new Set(keys);
  for (const key of keys) {
    for (let at = key.indexOf('/'); at >= 0; at = key.indexOf('/', at + 1)) all.add(key.slice(0, at + 1));
  }
  return [...all].toSorted(compareKeys);
}

describe('order', () => {
  test('folders sort as if their names ended with a slash', async () => {
    const keys = ['a/x', 'a-b', 'a.txt', 'a0', 'ab/c', 'A', 'a!', 'é', 'z/', '\u{1f600}', '\uffee'];
    plant(folder, ...keys);
    expect(await keysOf(await sourceOf(folder))).toEqual(withFolders(keys));
  });

  test('names that are no text come back byte for byte', async () => {
    const keys = ['\udcff\udcfe', 'a\udc80b/c', 'caf\udce9', 'ok'];
    plant(folder, ...keys);
    expect(await keysOf(await sourceOf(folder))).toEqual(withFolders(keys));
  });

  test('hard names', async () => {
    const keys = [
      ' ',
      ' x ',
      'x.',
      '...',
      '.hidden',
      '-rf',
      '*',
      '?',
      '"',
      "'",
      '\\',
      'a\nb',
      'a\tb',
      '\u0001',
      '\u007f',
    ];
    plant(folder, ...keys, 'a'.repeat(255), 'NFC-\u00e9', 'NFD-e\u0301', ':', '%2F', '~', '$(x)', '\u202e', '\ufeff');
    const found = await keysOf(await sourceOf(folder));
    expect(found).toHaveLength(keys.length + 9);
    expect(found).toEqual(found.toSorted(compareKeys));
  });

  const segment = fc.stringMatching(/^[a-c!~\u00e9-]{1,3}$/);
  const key = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

  test('any tree, any range, resumed after any page', async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(key, { maxLength: 25 }), fc.option(key), fc.option(key), async (wanted, from, to) => {
        const place = join(folder, String(number++));
        mkdirSync(place);
        const planted: string[] = [];
        for (const each of wanted) {
          const clashes = planted.some(
            (other) => other === each || other.startsWith(`${each}/`) || each.startsWith(`${other}/`),
          );
          if (!clashes) {
            plant(place, each);
            planted.push(each);
          }
        }
        const source = await sourceOf(place);
        const expected = withFolders(planted).filter((each) => isWithin(each, from, to));
        expect(await keysOf(source, { from, to })).toEqual(expected);
        for (const [at, after] of expected.entries()) {
          expect(await keysOf(source, { from, to, resume: { after } })).toEqual(expected.slice(at + 1));
        }
      }),
      { numRuns: 60 },
    );
  });
});

test('pages of a large folder resume one after the other', async () => {
  const keys = Array.from({ length: 2_500 }, (_, i) => `f/${String(i).padStart(5, '0')}`);
  plant(folder, ...keys);
  const source = await sourceOf(folder);
  const pages = await pagesOf(source);
  expect(pages.length).toBeGreaterThanOrEqual(3);
  expect(pages.map((page) => page.complete)).toEqual([...pages.slice(1).map(() => false), true]);
  expect(pages.flatMap((page) => page.entries.map((entry) => entry.key))).toEqual(withFolders(keys));
  const rest = await keysOf(source, { resume: pages[0]!.cursor });
  expect(rest).toEqual(withFolders(keys).slice(pages[0]!.entries.length));
});

test('folders are implied while something is inside', async () => {
  plant(folder, 'full/a', 'empty/', 'nested/empty/');
  const entries = await entriesOf(await sourceOf(folder));
  expect(entries.filter((entry) => entry.kind === 'folder').map(({ key, isImplied }) => [key, isImplied])).toEqual([
    ['empty/', false],
    ['full/', true],
    ['nested/', true],
    ['nested/empty/', false],
  ]);
});

test('what is neither file nor folder is there as opaque, and links are not followed', async () => {
  plant(folder, 'real/inside', 'file');
  symlinkSync('real', join(folder, 'to-folder'));
  symlinkSync('file', join(folder, 'to-file'));
  symlinkSync('nowhere', join(folder, 'dangling'));
  symlinkSync('.', join(folder, 'real/loop'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
  const source = await sourceOf(folder);
  const entries = await entriesOf(source);
  expect(entries.filter(({ kind }) => kind === 'opaque').map(({ key, nativeType }) => [key, nativeType])).toEqual([
    ['dangling', 'symlink'],
    ['pipe', 'fifo'],
    ['real/loop', 'symlink'],
    ['socket', 'socket'],
    ['to-file', 'symlink'],
    ['to-folder', 'symlink'],
  ]);
  for (const entry of entries.filter(({ kind }) => kind === 'opaque')) {
    await expect(source.read(entry, { offset: 0, lengthBytes: 0 }, never)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
  }
  expect(await source.stat('to-folder/inside', never)).toBeNull();
  expect(await source.stat('to-folder/', never)).toBeNull();
  expect(await source.stat('to-folder', never)).toMatchObject({ kind: 'opaque', nativeType: 'symlink' });
  await new Promise((resolve) => server.close(resolve));
});

test('the place itself may be behind links, and they are followed once', async () => {
  plant(folder, 'real/sub/a');
  symlinkSync('real', join(folder, 'link'));
  symlinkSync('sub', join(folder, 'real/other'));
  const source = await sourceOf(join(folder, 'link'), 'other/');
  expect(await keysOf(source)).toEqual(['a']);
  rmSync(join(folder, 'link'));
  expect(await keysOf(source)).toEqual(['a']);
});

test('files of its own are not listed, and a folder with nothing else is empty', async () => {
  plant(
    folder,
    'x/.drover-run00000001-0123456789abcdef.part',
    'x/.drover-run00000001-0123456789abcdef.journal',
    '.drover-probe-1',
  );
  const entries = await entriesOf(await sourceOf(folder));
  expect(entries.map(({ key, isImplied }) => [key, isImplied])).toEqual([
    ['.drover-probe-1', false],
    ['x/', false],
  ]);
});

test('sizes, times and change tokens', async () => {
  plant(folder, 'a');
  const path = join(folder, 'a');
  const source = await sourceOf(folder);
  for (const ms of [0, 1_700_000_000_123, 1_234_567_890_999, -86_400_001]) {
    utimesSync(path, new Date(ms), new Date(ms));
    expect(await source.stat('a', never)).toMatchObject({ kind: 'object', sizeBytes: 1, modifiedAtMs: ms });
  }
  const before = await source.stat('a', never);
  writeFileSync(path, 'b');
  const after = await source.stat('a', never);
  expect(after?.identity.etag).not.toBe(before?.identity.etag);
  const { ino, size, mtimeNs } = statSync(path, { bigint: true });
  expect(after?.identity).toEqual({ etag: `${ino}-${size}-${mtimeNs}`, versionId: null });
});

describe('a folder in whose place a link comes to stand while it is listed', () => {
  const many = Array.from({ length: 1_000 }, (_, i) => `a/${String(i).padStart(4, '0')}`);

  /** What comes after the first page, when the folder was moved away and a link left in its place. */
  async function afterSwap(moved: string): Promise<readonly string[]> {
    const pages = (await sourceOf(folder)).scan(EVERYTHING, never)[Symbol.asyncIterator]();
    await pages.next();
    renameSync(join(folder, moved), join(folder, '..', `${basename(folder)}-moved`));
    symlinkSync(join('..', `${basename(folder)}-moved`), join(folder, moved));
    const found: string[] = [];
    for (let next = await pages.next(); next.done !== true; next = await pages.next())
      for (const { key, kind, nativeType } of next.value.entries) found.push(`${key} ${nativeType ?? kind}`);
    return found;
  }

  afterEach(() => rmSync(`${folder}-moved`, { recursive: true, force: true }));

  test.each([
    ['z', ['z/1', 'z/2'], ['a/0999 object', 'z/ symlink']],
    ['z', ['z/y/1'], ['a/0999 object', 'z/ symlink']],
    ['a', ['b'], ['a/0999 symlink', 'b object']],
  ])('%s: %j', async (moved, more, expected) => {
    plant(folder, ...many, ...more);
    expect(await afterSwap(moved)).toEqual(expected);
  });

  test('what was a file and is a folder now is one that nobody has looked into', async () => {
    plant(folder, ...many, 'b');
    const pages = (await sourceOf(folder)).scan(EVERYTHING, never)[Symbol.asyncIterator]();
    await pages.next();
    rmSync(join(folder, 'b'));
    plant(folder, 'b/inside');
    const next = await pages.next();
    const found = next.value?.entries.map(({ key, nativeType }: Entry) => `${key} ${nativeType}`);
    expect(found).toEqual(['a/0999 null', 'b folder']);
  });

  test('what was removed, or became a file, is gone', async () => {
    plant(folder, ...many, 'y/1', 'z/1');
    const pages = (await sourceOf(folder)).scan(EVERYTHING, never)[Symbol.asyncIterator]();
    await pages.next();
    for (const name of ['y', 'z']) rmSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, 'z'), '');
    const next = await pages.next();
    expect(next.value?.entries.map(({ key }: { key: string }) => key)).toEqual(['a/0999']);
  });
});

describe('a place that is not there', () => {
  test('is an error for a source, also when it vanishes later', async () => {
    await expect(sourceOf(join(folder, 'none'))).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
    mkdirSync(join(folder, 'soon'));
    const source = await sourceOf(join(folder, 'soon'));
    rmSync(join(folder, 'soon'), { recursive: true });
    await expect(entriesOf(source)).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
  });

  test.each(['source', 'target'] as const)('is no end of a listing of a %s that began', async (side) => {
    plant(folder, ...Array.from({ length: 1_001 }, (_, i) => `a/${i}`), 'z/1');
    const open = side === 'source' ? sourceOf : targetOf;
    const pages = (await open(folder)).scan(EVERYTHING, never)[Symbol.asyncIterator]();
    await pages.next();
    rmSync(folder, { recursive: true });
    await expect(pages.next()).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
  });

  test.runIf(canMount)(
    'is no end of a listing either when its disk is taken out and an empty folder is left',
    async () => {
      const mounted = (...words: string[]) => execFileSync('mount', ['-t', 'tmpfs', ...words, 'tmpfs', folder]);
      mounted('-o', 'size=8m');
      try {
        plant(folder, ...Array.from({ length: 1_001 }, (_, i) => `a/${i}`), 'z/1');
        const pages = (await sourceOf(folder)).scan(EVERYTHING, never)[Symbol.asyncIterator]();
        await pages.next();
        execFileSync('umount', ['-l', folder]);
        const isGone = { code: 'PLACE_NOT_FOUND', message: expect.stringContaining('another disk') as unknown };
        await expect(pages.next()).rejects.toMatchObject(isGone);
      } finally {
        spawnSync('umount', ['-l', folder]);
      }
    },
  );

  test('is empty for a target whose parent is there', async () => {
    const target = await targetOf(join(folder, 'none'));
    expect(await pagesOf(target)).toEqual([{ entries: [], cursor: null, complete: true }]);
    await expect(targetOf(join(folder, 'none/deeper'))).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
  });

  test('is an error when a file stands there', async () => {
    plant(folder, 'file');
    await expect(sourceOf(join(folder, 'file'))).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
    await expect(targetOf(join(folder, 'file'))).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
  });
});

test('stops when it is told to', async () => {
  plant(folder, ...Array.from({ length: 1_200 }, (_, i) => `f${i}`));
  const controller = new AbortController();
  const pages = (await sourceOf(folder)).scan(EVERYTHING, controller.signal)[Symbol.asyncIterator]();
  await pages.next();
  controller.abort();
  await expect(pages.next()).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('what vanishes while it is listed is not there, and what turns into a link is one that is not followed', async () => {
  plant(folder, ...Array.from({ length: 1_200 }, (_, i) => `a/${i}`), 'b/inside', 'c/inside', 'd');
  const source = await sourceOf(folder);
  const pages = source.scan(EVERYTHING, never)[Symbol.asyncIterator]();
  const first = await pages.next();
  rmSync(join(folder, 'b'), { recursive: true });
  rmSync(join(folder, 'c'), { recursive: true });
  symlinkSync('/etc', join(folder, 'c'));
  const keys = first.value?.entries.map(({ key }: { key: string }) => key) as string[];
  for (let next = await pages.next(); next.done !== true; next = await pages.next()) {
    keys.push(...next.value.entries.map(({ key }: { key: string }) => key));
  }
  expect(keys).toContain('d');
  expect(keys.filter((key) => !key.startsWith('a/'))).toEqual(['c/', 'd']);
  expect(pathOf(folder, 'd').toString()).toContain('/d');
});
