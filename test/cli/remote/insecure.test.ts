/** A token goes over plain HTTP to this machine only, unless somebody says so. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTestWorld, type TestWorld } from '../world.ts';

let world: TestWorld;
beforeEach(() => {
  world = openTestWorld();
  world.environment['DROVER_TOKEN'] = 'drv_planted';
});
afterEach(() => world.remove());

const NOBODY = 'http://127.0.0.1:1';

test.each([
  'http://drover.example.invalid:1',
  'http://10.255.255.1:1',
  'http://127.0.0.1.example.invalid',
  'http://[::2]:1',
])('%s is refused before anything is sent', async (url) => {
  const called = await world.json('job', 'list', '--server', url);
  expect(called).toMatchObject({ exit: 2, summary: { error: { code: 'USAGE', field: '--server' } } });
  expect(called.summary.error?.message).toContain('plain HTTP');
  expect(called.stdout + called.stderr).not.toContain('drv_planted');
});

test.each([
  ['HTTPS', ['--server', 'https://drover.example.invalid:1'], {}],
  ['this machine', ['--server', NOBODY], {}],
  ['this machine by name', ['--server', 'http://localhost:1'], {}],
  ['this machine by its other address', ['--server', 'http://[::1]:1'], {}],
  ['what was allowed by an option', ['--insecure-http', '--server', 'http://drover.example.invalid:1'], {}],
  [
    'what was allowed in the environment',
    ['--server', 'http://drover.example.invalid:1'],
    { DROVER_INSECURE_HTTP: '1' },
  ],
])('%s is not', async (_what, words, environment) => {
  Object.assign(world.environment, environment);
  const { summary } = await world.json('job', 'list', ...words);
  expect(summary.error?.code).toBe('UNREACHABLE');
});

test('an environment that says no is a no', async () => {
  world.environment['DROVER_INSECURE_HTTP'] = '0';
  const { summary } = await world.json('job', 'list', '--server', 'http://drover.example.invalid:1');
  expect(summary.error?.code).toBe('USAGE');
});
