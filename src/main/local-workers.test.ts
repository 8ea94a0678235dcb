import { expect, test } from 'vitest';
import { loadSettings } from '../control/settings/load.ts';
import { variablesFor } from './local-workers.ts';

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
