/** Lists and what acts on many, narrowed on the command line. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
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
