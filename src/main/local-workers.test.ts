import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { loadSettings } from '../control/settings/load.ts';
import { startLocalWorkers, variablesFor } from './local-workers.ts';

const load = (environment: Record<string, string>, given: Record<string, unknown>) => {
  const loaded = loadSettings({ file: null, environment, flags: given, defaultDataDir: '/nowhere' });
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
};

test('what connectors may not reach from the server they may not reach from its workers', () => {
  const flags = { localFolders: ['/srv/files', '/mnt/archive'], allowLinkLocalEndpoints: true, dataDir: '/srv/own' };
  const settings = load({}, flags);
  expect(load(variablesFor({ settings, databaseUrl: 'postgres://db/drover' }), {})).toMatchObject(flags);
  // Forbidden by a flag, whatever the environment that both share says.
  const strict = load({}, { ...flags, allowLinkLocalEndpoints: false });
  const environment = {
    DROVER_ALLOW_LINK_LOCAL_ENDPOINTS: '1',
    ...variablesFor({ settings: strict, databaseUrl: 'postgres://db/drover' }),
  };
  expect(load(environment, {})).toMatchObject({ allowLinkLocalEndpoints: false });
});

test('whatever bounds and opens connections holds for workers of the server as it holds for the server', () => {
  const given = {
    dataDir: '/srv/own',
    runsMax: 3,
    runsPerWorkerMax: 2,
    databasePoolMax: 5,
    trustedEndpoints: ['objects.example.com', '*.internal.example.com'],
    artifacts: 's3://bucket/prefix',
    artifactRetentionDays: 7,
    logLevel: 'debug',
    logFormat: 'json',
    masterKey: Buffer.alloc(32, 9).toString('base64'),
  };
  const settings = load({}, given);
  // Of the environment that both share, nothing holds that a flag or a file has changed for the server.
  const shared = { DROVER_RUNS_MAX: '50', DROVER_RUNS_PER_WORKER_MAX: '40', DROVER_DATABASE_POOL_MAX: '30' };
  const seen = load({ ...shared, ...variablesFor({ settings, databaseUrl: 'postgres://db/drover' }) }, {});
  expect(seen).toMatchObject({ ...given, databaseUrl: 'postgres://db/drover' });
});

test('secrets that workers do not need are not handed to them', () => {
  const settings = load({}, { smtpUrl: 'smtps://user:word@mail.example.com', mailFrom: 'Drover <d@example.com>' });
  expect(JSON.stringify(variablesFor({ settings, databaseUrl: 'postgres://db/drover' }))).not.toContain('smtps');
});

test('a worker that cannot be started fails whoever waits for it, at whatever time, and nobody else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-workers-'));
  const program = join(folder, 'refuses.mjs');
  writeFileSync(program, 'process.exit(2);');
  const [, own] = process.argv;
  process.argv[1] = program;
  const seen = vi.fn<(reason: unknown) => void>();
  process.on('unhandledRejection', seen);
  onTestFinished(() => {
    process.off('unhandledRejection', seen);
    process.argv[1] = own!;
    rmSync(folder, { recursive: true });
  });
  const settings = load({}, { localWorkers: 1, dataDir: folder });
  const environment = { variables: {}, programVersion: '1.0.0' };
  await using workers = startLocalWorkers({
    settings,
    configPath: null,
    databaseUrl: 'postgres://db/drover',
    log: () => undefined,
    environment: environment as unknown as Parameters<typeof startLocalWorkers>[0]['environment'],
  });
  await workers.failed.catch(() => undefined);
  // Rejections that nobody took are told once all of a turn is over.
  const turn = new EventTarget();
  setImmediate(() => turn.dispatchEvent(new Event('over')));
  await once(turn, 'over');
  expect(seen).not.toHaveBeenCalled();
  await expect(workers.ready).rejects.toMatchObject({ code: 'INTERNAL' });
});
