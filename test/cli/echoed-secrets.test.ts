/** A store that refuses by repeating what it was sent: nothing secret of that reaches the screen, the state or a store of artifacts. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openArtifactPlace } from '../../src/control/artifacts/provider-store.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { openUndiciTransport } from '../../src/lib/undici-transport.ts';
import { local } from '../../src/providers/local/provider.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { echoingS3, type Echo } from '../server/echoes.ts';
import { openTestWorld, type TestWorld } from './world.ts';

const TOKEN = 'FwoGZXIvYXdzEPlaceHolderSessionTokenThatIsLong0123456789';
const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';

let world: TestWorld;
let store: Echo;

beforeEach(async () => {
  store = await echoingS3();
  world = openTestWorld([s3, local]);
  const fields = { PROVIDER: 's3', ENDPOINT: store.url, PATH_STYLE: 'true', AUTHORIZATION: 'access-key' };
  const keys = { ACCESS_KEY_ID: 'AKECHO', SECRET_ACCESS_KEY: SECRET, SESSION_TOKEN: TOKEN };
  world.environment = Object.fromEntries(
    Object.entries({ ...fields, ...keys }).map(([name, value]) => [`DROVER_CONNECTOR_ECHO_${name}`, value]),
  );
});
afterEach(() => world.remove());

function filesIn(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'latin1'))
    .join('\n');
}

function expectQuiet(words: string): void {
  // There was something to repeat, and what is no secret of it is said.
  expect(store.heard.join('\n')).toContain(TOKEN);
  expect(words).toContain('echoed');
  expect(words).not.toContain(TOKEN);
  expect(words).not.toContain(SECRET);
  for (const [, signature] of store.heard.join('\n').matchAll(/Signature=([0-9a-f]{64})/g)) {
    expect(words).not.toContain(signature);
  }
}

test('the check of a connector', async () => {
  const plain = await world.call('connector', 'test', 'echo:from');
  const lines = await world.json('connector', 'test', 'echo:from');
  expectQuiet(plain.stdout + plain.stderr);
  expectQuiet(lines.stdout + lines.stderr);
});

test('a copy, and the log of it', async () => {
  const { summary, stdout, stderr } = await world.json('copy', 'echo:from', join(world.folder, 'target'));
  const log = await world.json('runs', 'log', summary.runId ?? '', '--result', 'failed');
  expect(log.stdout).toContain('echoed');
  expectQuiet(stdout + stderr + log.stdout + filesIn(world.folder));
});

test('the home of artifacts', async () => {
  const environment = {
    DROVER_ARTIFACTS_ENDPOINT: store.url,
    DROVER_ARTIFACTS_PATH_STYLE: 'true',
    DROVER_ARTIFACTS_ACCESS_KEY_ID: 'AKECHO',
    DROVER_ARTIFACTS_SECRET_ACCESS_KEY: SECRET,
    DROVER_ARTIFACTS_SESSION_TOKEN: TOKEN,
  };
  const address = { provider: 's3', place: { container: 'private', prefix: '' }, config: {} };
  const context = {
    openTransport: openUndiciTransport({}),
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
  };
  await using home = openArtifactPlace(address, s3, { ...context, environment, saveAccount: async () => undefined });
  const thrown: unknown = await home.put('runs/a', new Uint8Array(3)).then(
    () => null,
    (error: unknown) => error,
  );
  expectQuiet(String(thrown) + JSON.stringify(thrown));
});
