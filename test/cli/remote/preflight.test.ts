/** What the command line says before a run begins: through a whole server, on folders. */
import { mkdirSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Called } from '../world.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
let source: string;
let target: string;

async function fine(...words: string[]): Promise<Called> {
  const called = await server.cli.call(...words);
  expect(called.exit, `${words.join(' ')}\n${called.stderr}`).toBe(0);
  return called;
}

async function job(name: string, ...more: string[]): Promise<void> {
  await fine('job', 'create', name, '--project', 'acme', '--source', 'old', '--target', 'new', ...more);
}

beforeAll(async () => {
  server = await startServer();
  [source, target] = [join(server.folder, 'from'), join(server.folder, 'to')];
  for (const folder of [source, target]) mkdirSync(folder);
  writeFileSync(join(source, 'a'), 'alpha');
  await fine('connector', 'add', 'local', 'Files', '--root', server.folder);
  await fine('endpoint', 'create', `Files:${source}`, '--kind', 'source', '--name', 'Old');
  await fine('endpoint', 'create', `Files:${target}`, '--kind', 'target', '--name', 'New');
  await fine('project', 'create', 'Acme');
  await server.startWorker();
});
afterAll(() => server.stop());

test('a start that is refused prints what a pre-flight prints, and the error in short', async () => {
  await job('Mistyped', '--source-path', 'nowhere');
  const called = await server.cli.call('job', 'start', 'Mistyped');
  expect(called.exit).toBe(2);
  const asked = await server.cli.call('job', 'preflight', 'Mistyped');
  const report = asked.stdout.slice(0, asked.stdout.indexOf('It could not start now.'));
  expect(report).toContain('Target\n');
  expect(called.stdout).toContain(report);
  expect(called.stderr).toContain('nowhere');
  expect(called.stderr).toContain('Check the path of the folder');
  expect(called.stderr + called.stdout).not.toMatch(/Grant|grant/);
  const json = await server.cli.json('job', 'start', 'Mistyped');
  expect(json.lines).toContainEqual(expect.objectContaining({ type: 'preflight', entity: expect.any(Object) }));

  const rule = ['--daily', '02:00', '--time-zone', 'UTC'];
  const enabled = await server.cli.call('schedule', 'create', 'Mistyped', ...rule, '--enable');
  expect(enabled.exit, enabled.stderr).toBe(2);
  expect(enabled.stdout).toContain(report);
});

test('a dry run into a folder that is not there yet makes nothing, and is no fault', async () => {
  await job('New folder', '--target-path', 'later');
  const called = await fine('job', 'start', 'New folder', '--kind', 'dry-run', '--watch');
  expect(called.stdout).toContain('Would transfer 1 object');
  expect(existsSync(join(target, 'later'))).toBe(false);
});

test('what looks wrong is said when a run is started, and stands in its log', async () => {
  await job('Empty', '--target-path', 'new');
  expect((await fine('job', 'start', 'Empty', '--watch')).stderr).not.toContain('it is overwritten');
  mkdirSync(join(target, 'first'));
  writeFileSync(join(target, 'first', 'old'), 'was there');
  await job('First', '--target-path', 'first');
  const started = await server.cli.call('job', 'start', 'First', '--watch');
  expect(started.exit, started.stderr).toBe(0);
  expect(started.stderr).toContain('!   The target holds objects');
  expect((await fine('job', 'logs', 'First')).stdout).toContain('it is overwritten, also when it is newer');
  const again = await server.cli.call('job', 'start', 'First', '--watch');
  expect(again.stderr).not.toContain('it is overwritten');
});
