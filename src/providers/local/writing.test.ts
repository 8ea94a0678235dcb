import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Target } from '../../contract/provider.ts';
import { COMPUTABLE_DIGESTS, digestOf } from '../../lib/hash.ts';
import {
  bodyOf,
  bytesOf,
  everythingIn,
  keysOf,
  makeFolder,
  never,
  optionsOf,
  plant,
  sourceOf,
  targetOf,
} from './testing.ts';
import { isLinux } from '../../../test/abilities.ts';

let outer: string;
let folder: string;
let removeFolder: () => void;
let target: Target;

beforeEach(async () => {
  ({ folder: outer, removeFolder } = makeFolder());
  folder = join(outer, 'place');
  mkdirSync(folder);
  target = await targetOf(folder);
});
afterEach(() => removeFolder());

const text = (key: string) => readFileSync(join(folder, key), 'utf8');

async function* streamOf(...chunks: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield bytesOf(chunk);
}

describe('a file', () => {
  test('has its content, its time, and the identity that a later look finds', async () => {
    const written = await target.write('deep/er/a', bodyOf('hello'), optionsOf({ modifiedAtMs: 1_600_000_000_123 }));
    expect(text('deep/er/a')).toBe('hello');
    expect(written.entry).toEqual(await target.stat('deep/er/a', never));
    expect(written.entry).toMatchObject({ sizeBytes: 5, modifiedAtMs: 1_600_000_000_123 });
    expect(written.proved).toEqual({ crc64nvme: digestOf('crc64nvme', bytesOf('hello')) });
  });

  test('has the rights that the umask leaves', async () => {
    const before = process.umask(0o027);
    try {
      await target.write('a', bodyOf('x'), optionsOf());
    } finally {
      process.umask(before);
    }
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o640);
  });

  test('that replaces another can be read by nobody more than that one', async () => {
    plant(folder, 'a', 'b');
    for (const key of ['a', 'b']) chmodSync(join(folder, key), 0o640);
    await target.write('a', bodyOf('x'), optionsOf());
    const parts = target.facets.parts!;
    const upload = await parts.begin('b', 1, 1, optionsOf());
    const receipt = await parts.put(upload, 0, bodyOf('x'), {}, never);
    await parts.complete(upload, [receipt], optionsOf());
    for (const key of ['a', 'b']) expect(statSync(join(folder, key)).mode & 0o777).toBe(0o640);
  });

  test.each(COMPUTABLE_DIGESTS)('proves %s, and refuses a wrong one without a trace', async (kind) => {
    await target.write('a', bodyOf('old'), optionsOf());
    const right = digestOf(kind, bytesOf('new'));
    const wrong = digestOf(kind, bytesOf('other'));
    await expect(target.write('a', bodyOf('new'), optionsOf({ digests: { [kind]: wrong } }))).rejects.toMatchObject({
      code: 'CORRUPTED',
      key: 'a',
    });
    expect(text('a')).toBe('old');
    expect(everythingIn(folder)).toEqual(['a']);
    const written = await target.write('a', bodyOf('new'), optionsOf({ digests: { [kind]: right } }));
    expect(written.proved).toEqual({ crc64nvme: digestOf('crc64nvme', bytesOf('new')), [kind]: right });
  });

  test.each([
    ['EARLY_END', ['abc', 'd']],
    ['EXTRA_BYTES', ['abc', 'def']],
  ] as const)('of another size is %s and leaves the old one', async (code, chunks) => {
    await target.write('a', bodyOf('old'), optionsOf());
    const body = { sizeBytes: 5, content: streamOf(...chunks) };
    await expect(target.write('a', body, optionsOf())).rejects.toMatchObject({ code });
    expect([text('a'), everythingIn(folder)]).toEqual(['old', ['a']]);
  });

  test('whose content fails or is stopped leaves the old one, and the content is closed', async () => {
    await target.write('a', bodyOf('old'), optionsOf());
    const controller = new AbortController();
    let isClosed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          yield bytesOf('x');
          controller.abort();
        }
      } finally {
        isClosed = true;
      }
    }
    const writing = target.write('a', { sizeBytes: 100, content: endless() }, optionsOf({ signal: controller.signal }));
    await expect(writing).rejects.toMatchObject({ code: 'CANCELLED' });
    expect([isClosed, text('a'), everythingIn(folder)]).toEqual([true, 'old', ['a']]);
  });

  test('readers never see a part of it', async () => {
    await target.write('a', bodyOf('old'), optionsOf());
    const seen = new Set<string>();
    async function* watched(): AsyncGenerator<Uint8Array> {
      for (const chunk of ['new ', 'content']) {
        seen.add(text('a'));
        expect(await keysOf(target)).toEqual(['a']);
        yield bytesOf(chunk);
      }
    }
    await target.write('a', { sizeBytes: 11, content: watched() }, optionsOf());
    expect([...seen]).toEqual(['old']);
    expect(text('a')).toBe('new content');
  });
});

describe('expectations', () => {
  test('absent: kept also against somebody who comes in between', async () => {
    await expect(
      target.write('a', { sizeBytes: 1, content: interfering('a') }, optionsOf({ expect: { kind: 'absent' } })),
    ).rejects.toMatchObject({ code: 'CHANGED' });
    expect([text('a'), everythingIn(folder)]).toEqual(['foreign', ['a']]);
    await target.write('b', bodyOf('x'), optionsOf({ expect: { kind: 'absent' } }));
    expect(statSync(join(folder, 'b')).nlink).toBe(1);
    await expect(target.write('b', bodyOf('y'), optionsOf({ expect: { kind: 'absent' } }))).rejects.toMatchObject({
      code: 'CHANGED',
    });
  });

  test('match: replaces exactly that state', async () => {
    const { entry } = await target.write('a', bodyOf('one'), optionsOf());
    const expect1 = { kind: 'match', identity: entry.identity } as const;
    await target.write('a', bodyOf('two'), optionsOf({ expect: expect1 }));
    for (const key of ['a', 'gone']) {
      const writing = target.write(key, bodyOf('three'), optionsOf({ expect: expect1 }));
      await expect(writing, key).rejects.toMatchObject({ code: 'CHANGED' });
    }
    expect([text('a'), everythingIn(folder)]).toEqual(['two', ['a']]);
  });

  test('match: somebody who comes in between is noticed', async () => {
    const { entry } = await target.write('a', bodyOf('one'), optionsOf());
    const options = optionsOf({ expect: { kind: 'match', identity: entry.identity } });
    await expect(target.write('a', { sizeBytes: 1, content: interfering('a') }, options)).rejects.toMatchObject({
      code: 'CHANGED',
    });
    expect(text('a')).toBe('foreign');
  });

  async function* interfering(key: string): AsyncGenerator<Uint8Array> {
    writeFileSync(join(folder, key), 'foreign');
    yield bytesOf('x');
  }
});

describe('folders', () => {
  test('an empty one is made, kept, and implied once something is inside', async () => {
    const empty = { sizeBytes: 0, content: new Uint8Array() };
    const made = await target.write('a/b/', empty, optionsOf({ kind: 'folder' }));
    expect(made.entry).toMatchObject({ kind: 'folder', key: 'a/b/', isImplied: false });
    await target.write('a/b/c', bodyOf('x'), optionsOf());
    await target.write('a/b/', empty, optionsOf({ kind: 'folder' }));
    expect(text('a/b/c')).toBe('x');
    expect(await target.stat('a/b/', never)).toMatchObject({ isImplied: true, identity: made.entry.identity });
    await expect(
      target.write('a/b/', empty, optionsOf({ kind: 'folder', expect: { kind: 'absent' } })),
    ).rejects.toMatchObject({ code: 'CHANGED' });
  });

  test.each([
    ['a file where a folder has to be', 'file/x', 'object'],
    ['a file with the name of a new folder', 'file/', 'folder'],
    ['a folder with the name of a new file', 'folder', 'object'],
    ['a link where a folder has to be', 'link/x', 'object'],
    ['a link deeper on the way', 'link/sub/x', 'object'],
    ['a link with the name of a new folder', 'link/', 'folder'],
    ['a dangling link on the way', 'dangling/x', 'object'],
  ] as const)('%s is UNREPRESENTABLE and changes nothing', async (_case, key, kind) => {
    plant(outer, 'elsewhere/sub/kept');
    plant(folder, 'file', 'folder/inside');
    symlinkSync('../elsewhere', join(folder, 'link'));
    symlinkSync('../nowhere', join(folder, 'dangling'));
    const before = everythingIn(outer);
    const body = kind === 'folder' ? { sizeBytes: 0, content: new Uint8Array() } : bodyOf('x');
    await expect(target.write(key, body, optionsOf({ kind }))).rejects.toMatchObject({ code: 'UNREPRESENTABLE', key });
    expect(everythingIn(outer)).toEqual(before);
  });
});

describe('nothing leaves the folder', () => {
  test.each([
    '..',
    '../x',
    'a/../../x',
    'a/..',
    './x',
    'a/./x',
    '/etc/x',
    '/',
    '//x',
    'a//b',
    'a\u0000b',
    '',
    'a/',
    'b'.repeat(256),
    'é'.repeat(128),
    `${'a/'.repeat(2000)}x`,
    '\ud800',
    '\udcc3\udca9',
    '.drover-run00000001-0123456789abcdef.part',
    'x/.drover-other0001-0123456789abcdef.journal',
  ])('the key %j is refused before anything is touched', async (key) => {
    await expect(target.write(key, bodyOf('x'), optionsOf())).rejects.toMatchObject({ code: 'UNREPRESENTABLE', key });
    await expect(target.facets.parts!.begin(key, 1, 1, optionsOf())).rejects.toMatchObject({ code: 'UNREPRESENTABLE' });
    expect(await target.stat(key, never)).toBeNull();
    expect(everythingIn(outer)).toEqual(['place/']);
  });

  test('a link with the name of the file is replaced, not followed', async () => {
    plant(outer, 'victim');
    symlinkSync('../victim', join(folder, 'a'));
    await target.write('a', bodyOf('new'), optionsOf());
    expect([text('a'), readFileSync(join(outer, 'victim'), 'utf8')]).toEqual(['new', 'victim']);
  });

  test('a second name of the file keeps the old content', async () => {
    plant(outer, 'victim');
    linkSync(join(outer, 'victim'), join(folder, 'a'));
    await target.write('a', bodyOf('new'), optionsOf());
    expect(readFileSync(join(outer, 'victim'), 'utf8')).toBe('victim');
  });

  // Only Linux lets a folder be used through its handle.
  test.skipIf(!isLinux)('a folder that is swapped for a link in the middle of a write does not lead out', async () => {
    plant(outer, 'elsewhere/');
    plant(folder, 'sub/');
    async function* swapping(): AsyncGenerator<Uint8Array> {
      const name = everythingIn(join(folder, 'sub'))[0]!;
      rmSync(join(folder, 'sub'), { recursive: true });
      symlinkSync('../elsewhere', join(folder, 'sub'));
      // The same temporary name waits behind the link.
      writeFileSync(join(outer, 'elsewhere', name), 'bait');
      yield bytesOf('x');
    }
    await expect(target.write('sub/a', { sizeBytes: 1, content: swapping() }, optionsOf())).rejects.toMatchObject({
      code: 'CHANGED',
    });
    expect(everythingIn(join(outer, 'elsewhere')).filter((name) => !name.startsWith('.drover-'))).toEqual([]);
    expect(readlinkSync(join(folder, 'sub'))).toBe('../elsewhere');
  });

  test('the place is replaced by a link after it was opened', async () => {
    plant(outer, 'elsewhere/');
    rmSync(folder, { recursive: true });
    symlinkSync('elsewhere', folder);
    await expect(target.write('a', bodyOf('x'), optionsOf())).rejects.toMatchObject({ code: 'UNREPRESENTABLE' });
    expect(everythingIn(join(outer, 'elsewhere'))).toEqual([]);
  });
});

test.each(['short', 'UPPERCASE', 'a'.repeat(27), 'a/../../b'])('the run id %j is refused', async (runId) => {
  await expect(targetOf(folder, '', runId)).rejects.toMatchObject({ code: 'INTERNAL' });
});

test('a folder that was there and is gone is not made again, as if it still held what was written', async () => {
  await target.write('a', bodyOf('x'), optionsOf());
  rmSync(folder, { recursive: true });
  const isGone = { code: 'PLACE_NOT_FOUND', message: expect.stringContaining(folder) as unknown };
  await expect(target.write('b', bodyOf('x'), optionsOf())).rejects.toMatchObject(isGone);
  await expect(target.write('sub/b', bodyOf('x'), optionsOf())).rejects.toMatchObject(isGone);
  expect(everythingIn(outer)).toEqual([]);
  const listing = target.scan({ from: null, to: null, resume: null }, new AbortController().signal);
  await expect(listing[Symbol.asyncIterator]().next()).rejects.toMatchObject(isGone);
});

test('the folder of the place is made by the first write and not before', async () => {
  const late = await targetOf(join(outer, 'late'), 'sub/deep/');
  expect(everythingIn(outer)).toEqual(['place/']);
  await late.write('x/a', bodyOf('x'), optionsOf());
  expect(await keysOf(await sourceOf(join(outer, 'late')))).toEqual([
    'sub/',
    'sub/deep/',
    'sub/deep/x/',
    'sub/deep/x/a',
  ]);
  const later = await targetOf(join(outer, 'again'));
  rmSync(outer, { recursive: true });
  await expect(later.write('a', bodyOf('x'), optionsOf())).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
});

describe('removal', () => {
  test('takes what is still in that state', async () => {
    const { entry } = await target.write('a', bodyOf('one'), optionsOf());
    writeFileSync(join(folder, 'a'), 'other');
    const remove = target.facets.removal!.remove;
    await expect(remove(entry, never)).rejects.toMatchObject({ code: 'CHANGED' });
    expect(text('a')).toBe('other');
    expect(await remove((await target.stat('a', never))!, never)).toBe('removed');
    expect(await remove(entry, never)).toBe('absent');
  });

  test('a folder goes only when it is empty, and is the same folder whatever happened in it', async () => {
    plant(folder, 'x/a');
    const entry = (await target.stat('x/', never))!;
    const remove = target.facets.removal!.remove;
    expect(await remove(entry, never)).toBe('kept');
    rmSync(join(folder, 'x/a'));
    expect(await remove(entry, never)).toBe('removed');
    expect(await remove(entry, never)).toBe('absent');
    plant(folder, 'x');
    await expect(remove(entry, never)).rejects.toMatchObject({ code: 'CHANGED' });
  });

  test('of a link removes the link', async () => {
    plant(outer, 'victim');
    symlinkSync('../victim', join(folder, 'a'));
    const entry = (await target.stat('a', never))!;
    expect(await target.facets.removal!.remove(entry, never)).toBe('removed');
    expect(everythingIn(outer)).toEqual(['place/', 'victim']);
  });
});
