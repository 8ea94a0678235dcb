/** Lists and what acts on many, narrowed on the command line. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => server?.stop());
beforeEach(() => {
  server.cli.environment = { DROVER_SERVER: server.url, DROVER_TOKEN: server.token };
});

test.each([
  ['run', 'list', '--in', 'canceled'],
  ['run', 'list', '--filter', 'state=canceled'],
  ['run', 'cancel-all', '--in', 'canceled', '--yes'],
])('%s %s %s %s is a mistake, never an empty list', async (...words) => {
  const called = await server.cli.call(...words);
  expect(called.exit).toBe(2);
  expect(called.stdout).toBe('');
  expect(called.stderr).toContain('Did you mean "cancelled"?');
});

test('runs are chosen by words, as their list is', async () => {
  const { cli, folder } = server;
  for (const end of ['source', 'target']) mkdirSync(join(folder, end));
  const ends = ['--source', 'From', '--target', 'To', '--target-path'];
  for (const words of [
    ['connector', 'add', 'local', 'Disk', '--root', folder],
    ['endpoint', 'create', `Disk:${folder}/source`, '--kind', 'source', '--name', 'From'],
    ['endpoint', 'create', `Disk:${folder}/target`, '--kind', 'target', '--name', 'To'],
    ['project', 'create', 'Move'],
    ['job', 'create', 'Photos', '--project', 'Move', ...ends, 'photos/'],
    ['job', 'create', 'Videos', '--project', 'Move', ...ends, 'videos/'],
  ]) {
    const called = await cli.call(...words);
    expect(called.exit, called.stderr).toBe(0);
  }
  for (const job of ['Move/Photos', 'Move/Videos']) expect((await cli.call('job', 'start', job)).exit).toBe(0);
  const asked = await cli.call('run', 'pause-all', '--search', 'photos');
  expect(asked.stderr, folder).toContain('Pause what has not ended of 1 run?');
  const paused = await cli.call('run', 'pause-all', '--search', 'photos', '--yes');
  expect(paused.stdout, paused.stderr).toBe('1 run is paused.\n');
  expect((await cli.call('run', 'list', '--in', 'queued,running')).stdout).toContain('Videos');
  expect((await cli.call('run', 'list', '--in', 'paused')).stdout).not.toContain('Videos');
  expect((await cli.call('run', 'cancel-all', '--yes')).stdout).toBe('2 runs are canceled.\n');
});

test.each(['run pause-all', 'run resume-all', 'run cancel-all', 'job start-all', 'schedule enable-all'])(
  '%s has no order and no limit',
  async (words) => {
    for (const option of [
      ['--limit', '5'],
      ['--sort', 'name'],
    ]) {
      const called = await server.cli.call(...words.split(' '), ...option, '--yes');
      expect(called.exit).toBe(2);
      expect(called.stderr).toContain(`There is no option ${option[0]}.`);
    }
  },
);

test('a token ends in 90 days unless another end is said, and is narrowed to scopes', async () => {
  const lifeOf = async (...words: string[]): Promise<number | null> => {
    const { lines } = await server.cli.json('token', 'create', ...words);
    const [line = {}] = lines;
    const { expiresAt, createdAt } = line['entity'] as { expiresAt: string | null; createdAt: string };
    return expiresAt === null ? null : Math.round((Date.parse(expiresAt) - Date.parse(createdAt)) / 86_400_000);
  };
  expect(await lifeOf('usual')).toBe(90);
  expect(await lifeOf('kept', '--expires', 'never')).toBeNull();
  const made = await server.cli.json('token', 'create', 'prometheus', '--scopes', 'metrics');
  expect(made.lines[0]).toMatchObject({ entity: { scopes: ['metrics'], role: 'viewer' } });
  expect((await server.cli.call('token', 'create', 'x', '--scopes', 'metric')).stderr).toContain('metrics');
  server.cli.environment = { DROVER_SERVER: server.url, DROVER_TOKEN: String(made.lines[0]?.['secret']) };
  expect((await server.cli.call('run', 'list')).stderr).toContain('narrowed to metrics');
});
