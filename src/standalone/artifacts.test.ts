import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ArtifactStore } from '../engine/ports.ts';
import type { Standalone } from './standalone.ts';
import { makeFolder, openAt } from './testing.ts';

let folder: string;
let removeFolder: () => void;
let standalone: Standalone;
let artifacts: ArtifactStore;

beforeEach(async () => {
  ({ folder, removeFolder } = makeFolder());
  standalone = await openAt(folder);
  artifacts = standalone.artifacts;
});
afterEach(async () => {
  await standalone.close();
  removeFolder();
});

const bytes = (text: string) => new TextEncoder().encode(text);

test('puts, gets and replaces', async () => {
  await artifacts.put('run-1/s1/1/0.ndjson.gz', bytes('one'));
  await artifacts.put('run-1/s1/1/0.ndjson.gz', bytes('two'));
  expect(Buffer.from((await artifacts.get('run-1/s1/1/0.ndjson.gz'))!).toString()).toBe('two');
  expect(await artifacts.get('run-1/s1/1/1.ndjson.gz')).toBeNull();
  expect(await artifacts.get('run-1/s1/1/0.ndjson.gz/deeper')).toBeNull();
  const path = join(folder, 'artifacts/run-1/s1/1/0.ndjson.gz');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'artifacts/run-1')).mode & 0o777).toBe(0o700);
});

test('lists by prefix in order, also in the middle of a name', async () => {
  for (const name of ['r1/b', 'r1/a/2', 'r1/a/10', 'r1/ab', 'r10/x', 'r2', 'R']) await artifacts.put(name, bytes('x'));
  expect(await artifacts.list('')).toEqual(['R', 'r1/a/10', 'r1/a/2', 'r1/ab', 'r1/b', 'r10/x', 'r2']);
  expect(await artifacts.list('r1/')).toEqual(['r1/a/10', 'r1/a/2', 'r1/ab', 'r1/b']);
  expect(await artifacts.list('r1/a')).toEqual(['r1/a/10', 'r1/a/2', 'r1/ab']);
  expect(await artifacts.list('r1')).toEqual(['r1/a/10', 'r1/a/2', 'r1/ab', 'r1/b', 'r10/x']);
  expect(await artifacts.list('none/')).toEqual([]);
});

test('an interrupted write is never listed and goes with its folder', async () => {
  await artifacts.put('r1/a', bytes('x'));
  writeFileSync(join(folder, 'artifacts/r1/.writing-0011'), 'half');
  expect(await artifacts.list('')).toEqual(['r1/a']);
  await artifacts.removeAll('r1/');
  expect(readdirSync(join(folder, 'artifacts'))).toEqual([]);
});

test('removes what has the prefix and nothing else', async () => {
  for (const name of ['r1/a', 'r1/b/c', 'r10/a', 'r2/a']) await artifacts.put(name, bytes('x'));
  await artifacts.removeAll('r1/');
  expect(await artifacts.list('')).toEqual(['r10/a', 'r2/a']);
  await artifacts.removeAll('r1/');
  await artifacts.removeAll('r1');
  expect(await artifacts.list('')).toEqual(['r2/a']);
});

test.each([
  '',
  '/',
  '/a',
  'a/',
  'a//b',
  '..',
  'a/../b',
  '.hidden',
  'a/.b',
  'a b',
  'a\u0000',
  'ä',
  'a\\b',
  'a'.repeat(129),
])('refuses the name %j', async (name) => {
  await expect(artifacts.put(name, bytes('x'))).rejects.toMatchObject({ code: 'INTERNAL' });
  await expect(artifacts.get(name)).rejects.toMatchObject({ code: 'INTERNAL' });
});

test('a prefix cannot leave the folder either', async () => {
  await expect(artifacts.removeAll('../')).rejects.toMatchObject({ code: 'INTERNAL' });
  await expect(artifacts.list('../')).rejects.toMatchObject({ code: 'INTERNAL' });
  expect(readdirSync(folder)).toContain('state.sqlite');
});
