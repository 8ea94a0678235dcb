import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Source } from '../../contract/provider.ts';
import type { Entry } from '../../model/entry.ts';
import { entriesOf, makeFolder, never, plant, readAll, sourceOf } from './testing.ts';

let folder: string;
let removeFolder: () => void;
let source: Source;
const path = () => join(folder, 'a');

/** More than one chunk, so that something can happen in the middle. */
const LARGE = Buffer.alloc(3 * 1024 * 1024 + 17, 'drover ');

beforeEach(async () => {
  ({ folder, removeFolder } = makeFolder());
  source = await sourceOf(folder);
});
afterEach(() => removeFolder());

async function entryOf(key = 'a'): Promise<Entry> {
  const entry = await source.stat(key, never);
  if (entry === null) throw new Error(`${key} is not there`);
  return entry;
}

async function read(entry: Entry, offset: number, lengthBytes: number): Promise<Buffer> {
  const { body } = await source.read(entry, { offset, lengthBytes }, never);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('ranges, from nothing to everything', async () => {
  writeFileSync(path(), LARGE);
  const entry = await entryOf();
  for (const [offset, length] of [
    [0, 0],
    [5, 1],
    [0, LARGE.length],
    [1_048_575, 2],
    [LARGE.length, 0],
    [17, 2_500_000],
  ] as const) {
    expect((await read(entry, offset, length)).equals(LARGE.subarray(offset, offset + length)), `${offset}`).toBe(true);
  }
  for (const [offset, length] of [
    [0, LARGE.length + 1],
    [LARGE.length, 1],
    [LARGE.length + 5, 0],
  ] as const) {
    await expect(read(entry, offset, length)).rejects.toMatchObject({ code: 'EARLY_END', key: 'a' });
  }
});

test('chunks belong to whoever received them', async () => {
  writeFileSync(path(), LARGE);
  const { body } = await source.read(await entryOf(), { offset: 0, lengthBytes: LARGE.length }, never);
  const memory = new Set<ArrayBufferLike>();
  for await (const chunk of body) {
    expect(memory.has(chunk.buffer)).toBe(false);
    memory.add(chunk.buffer);
    expect(chunk.length).toBeLessThanOrEqual(1024 * 1024);
  }
  expect(memory.size).toBe(4);
});

describe('a file that is not in the listed state any more', () => {
  test.each([
    ['other content', () => writeFileSync(path(), 'other'), 'CHANGED'],
    ['more content', () => appendFileSync(path(), 'x'), 'CHANGED'],
    ['another time', () => utimesSync(path(), 1, 1), 'CHANGED'],
    ['replaced by a file of the same size', () => replaced(() => writeFileSync(path(), LARGE)), 'CHANGED'],
    ['a link', () => replaced(() => symlinkSync('b', path())), 'CHANGED'],
    ['a pipe', () => replaced(() => execFileSync('mkfifo', [path()])), 'CHANGED'],
    ['a folder', () => replaced(() => plant(folder, 'a/x')), 'CHANGED'],
    ['gone', () => rmSync(path()), 'NOT_FOUND'],
  ] as const)('%s', async (_what, change, code) => {
    writeFileSync(path(), LARGE);
    plant(folder, 'b');
    const entry = await entryOf();
    const reading = await source.read(entry, { offset: 0, lengthBytes: LARGE.length }, never);
    change();
    await expect(source.read(entry, { offset: 0, lengthBytes: 1 }, never)).rejects.toMatchObject({ code, key: 'a' });
    await expect(reading.body[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code });
    const described = source.describe(entry, never);
    // By its key alone a folder is something else than the file that was there.
    await expect(described).rejects.toMatchObject({ code: _what === 'a folder' ? 'NOT_FOUND' : code });
  });

  function replaced(make: () => void): void {
    renameSync(path(), join(folder, 'kept-so-that-its-number-is-not-used-again'));
    make();
  }

  test.each([
    ['written in place', () => writeFileSync(path(), LARGE)],
    ['cut off', () => truncateSync(path(), 1_500_000)],
    ['cut off and its time put back', () => restoredTime(() => truncateSync(path(), 1_500_000))],
    ['written and its time put back', () => restoredTime(() => writeFileSync(path(), Buffer.alloc(LARGE.length)))],
    ['its rights changed', () => chmodSync(path(), 0o600)],
    ['removed', () => rmSync(path())],
  ])('%s in the middle of reading is CHANGED, at the end at the latest', async (_what, change) => {
    writeFileSync(path(), LARGE);
    utimesSync(path(), 1_000, 1_000);
    const { body } = await source.read(await entryOf(), { offset: 0, lengthBytes: LARGE.length }, never);
    let seen = 0;
    const reading = (async () => {
      for await (const chunk of body) {
        if (seen === 0) visibly(change);
        seen += chunk.length;
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'CHANGED', key: 'a' });
    expect(seen).toBeLessThan(LARGE.length);
  });

  /** Until the clock of the file system shows it: that of older kernels moves in steps of milliseconds. */
  function visibly(change: () => void): void {
    const timeOf = () => statSync(path(), { bigint: true, throwIfNoEntry: false })?.ctimeNs;
    const before = timeOf();
    do change();
    while (timeOf() === before);
  }

  function restoredTime(change: () => void): void {
    change();
    utimesSync(path(), 1_000, 1_000);
  }
});

test('stops in the middle when it is told to', async () => {
  writeFileSync(path(), LARGE);
  const controller = new AbortController();
  const { body } = await source.read(await entryOf(), { offset: 0, lengthBytes: LARGE.length }, controller.signal);
  const chunks = body[Symbol.asyncIterator]();
  await chunks.next();
  controller.abort();
  await expect(chunks.next()).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('names that are no text are read', async () => {
  plant(folder, 'caf\udce9/\udcff');
  const [, entry] = await entriesOf(source);
  expect((await readAll(source, entry!)).length).toBe(entry!.sizeBytes);
});

test('a folder has no content, and is checked all the same', async () => {
  plant(folder, 'x/');
  const entry = await entryOf('x/');
  const reading = await source.read(entry, { offset: 0, lengthBytes: 0 }, never);
  expect(reading.properties).toBeNull();
  for await (const chunk of reading.body) expect(chunk).toBeUndefined();
  rmSync(join(folder, 'x'), { recursive: true });
  await expect(source.read(entry, { offset: 0, lengthBytes: 0 }, never)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
