import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Standalone } from './standalone.ts';
import { killProcess, makeFolder, openAt, startProcess } from './testing.ts';

let folder: string;
let removeFolder: () => void;
let standalone: Standalone;

beforeEach(async () => {
  ({ folder, removeFolder } = makeFolder());
  standalone = await openAt(folder);
});
afterEach(async () => {
  await standalone.close();
  removeFolder();
});

const request = (container: string, prefix: string, runId = 'run-2', store = 'store') => ({
  store,
  container,
  prefix,
  runId,
  label: `acme:${container}/${prefix}`,
});

describe('which subtrees overlap', () => {
  test.each([
    ['b', '', 'b', '', true],
    ['b', '', 'b', 'x/', true],
    ['b', 'x/', 'b', '', true],
    ['b', 'x/', 'b', 'x/y/', true],
    ['b', 'x/', 'b', 'xy/', false],
    ['b', 'x/', 'b', 'y/', false],
    ['b', '', 'bc', '', false],
    ['/a', 'b/', '/a/b', '', true],
    ['/', '', '/a/b', 'c/', true],
    ['/a/b', '', '/a/bc', '', false],
  ] as const)('%s %s and %s %s: %s', async (heldContainer, heldPrefix, container, prefix, overlaps) => {
    await using held = await standalone.lockTarget(request(heldContainer, heldPrefix, 'run-1'));
    void held;
    await using elsewhere = await standalone.lockTarget(request(container, prefix, 'run-3', 'other store'));
    void elsewhere;
    if (overlaps) {
      await expect(standalone.lockTarget(request(container, prefix))).rejects.toMatchObject({
        code: 'GUARD_BUSY',
        message: expect.stringMatching(/run-1.*acme:/) as unknown,
      });
    } else {
      await using second = await standalone.lockTarget(request(container, prefix));
      void second;
    }
  });
});

test('a released lock is free and leaves no file; releasing twice is fine', async () => {
  const lock = await standalone.lockTarget(request('b', 'x/', 'run-1'));
  const [sidecar] = readdirSync(join(folder, 'locks')).filter((name) => name.endsWith('.json'));
  expect(statSync(join(folder, 'locks', sidecar!)).mode & 0o777).toBe(0o600);
  await lock.release();
  await lock.release();
  expect(readdirSync(join(folder, 'locks'))).toEqual(['turn.sqlite']);
  await using again = await standalone.lockTarget(request('b', ''));
  void again;
});

const takeLock = (runId: string) =>
  `await standalone.lockTarget({ store: 'store', container: 'b', prefix: 'x/', runId: '${runId}', label: 'acme:b/x/' });`;

test('another process is refused while the holder lives, and free the moment it is killed', async () => {
  const child = await startProcess(folder, takeLock('run-1'));
  await expect(standalone.lockTarget(request('b', ''))).rejects.toMatchObject({
    code: 'GUARD_BUSY',
    message: 'Run run-1 is working on acme:b/x/, which overlaps acme:b/.',
  });
  await using apart = await standalone.lockTarget(request('b', 'y/', 'run-2'));
  expect(await standalone.livingRuns()).toEqual(new Set(['run-1', 'run-2']));
  await apart.release();
  expect(await standalone.livingRuns()).toEqual(new Set(['run-1']));
  await killProcess(child);
  expect(readdirSync(join(folder, 'locks')).length).toBeGreaterThan(1);
  const lock = await standalone.lockTarget(request('b', ''));
  await lock.release();
  expect(readdirSync(join(folder, 'locks'))).toEqual(['turn.sqlite']);
});

test('a run whose process was killed lives no more, and looking leaves the lock free', async () => {
  expect(await standalone.livingRuns()).toEqual(new Set());
  const child = await startProcess(folder, takeLock('run-1'));
  await killProcess(child);
  expect(await standalone.livingRuns()).toEqual(new Set());
  await using lock = await standalone.lockTarget(request('b', 'x/', 'run-1'));
  void lock;
});

test('a process that is killed does not free what another holds', async () => {
  const [first, second] = [await startProcess(folder, ''), await startProcess(folder, takeLock('run-2'))];
  await killProcess(first);
  await expect(standalone.lockTarget(request('b', 'x/', 'run-3'))).rejects.toMatchObject({ code: 'GUARD_BUSY' });
  await killProcess(second);
  await using lock = await standalone.lockTarget(request('b', 'x/', 'run-3'));
  void lock;
});

test('of many processes that ask at once exactly one gets it', async () => {
  const ask = `
    let got = 'no';
    try { ${takeLock('run-n')} got = 'yes'; } catch (error) { if (error.code !== 'GUARD_BUSY') throw error; }
    (await import('node:fs')).writeFileSync(${JSON.stringify(folder)} + '/answer-' + process.pid + '-' + got, '');`;
  const children = await Promise.all(Array.from({ length: 4 }, () => startProcess(folder, ask)));
  const answers = readdirSync(folder).filter((name) => name.startsWith('answer-'));
  expect(answers).toHaveLength(4);
  expect(answers.filter((name) => name.endsWith('-yes'))).toHaveLength(1);
  for (const child of children) await killProcess(child);
  expect(existsSync(join(folder, 'locks'))).toBe(true);
});
