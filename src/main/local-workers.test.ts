import { expect, test } from 'vitest';
import { loadSettings } from '../control/settings/load.ts';
import { variablesFor } from './local-workers.ts';

test('what connectors may not reach from the server they may not reach from its workers', () => {
  const flags = { localFolders: ['/srv/files', '/mnt/archive'], allowLinkLocalEndpoints: true, dataDir: '/srv/own' };
  const load = (environment: Record<string, string>, given: Record<string, unknown>) => {
    const loaded = loadSettings({ file: null, environment, flags: given, defaultDataDir: '/nowhere' });
    if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
    return loaded.settings;
  };
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
