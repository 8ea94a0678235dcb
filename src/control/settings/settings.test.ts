import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemRandom } from '../../lib/system.ts';
import { describeSettings, loadSettings, readSettings, valueWords } from './load.ts';
import type { LoadInput } from './load.ts';
import { loadMasterKey, MASTER_KEY_FILE } from './master-key.ts';
import { defaultSettings, flagOf, SETTING_NAMES, settingOf, variableOf } from './settings.ts';

const KEY = Buffer.alloc(32, 9).toString('base64');
const nothing: LoadInput = { file: null, environment: {}, flags: {}, defaultDataDir: '/data' };

function load(input: Partial<LoadInput> & { readonly yaml?: string }) {
  const file = input.yaml === undefined ? null : { path: 'drover.yaml', text: input.yaml };
  return loadSettings({ ...nothing, file, ...input });
}

function problemsOf(input: Parameters<typeof load>[0]) {
  const loaded = load(input);
  return 'problems' in loaded ? loaded.problems : [];
}

function settingsOf(input: Parameters<typeof load>[0]) {
  const loaded = load(input);
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
}

describe('settings', () => {
  test('have defaults for everything', () => {
    expect(settingsOf({})).toEqual(defaultSettings('/data'));
    expect(settingsOf({}).listen).toEqual({ host: '127.0.0.1', port: 7070 });
    expect(settingsOf({}).runsMax).toBe(10);
    expect(settingsOf({}).artifactRetentionDays).toBe(90);
  });

  test('keep the names that people were promised', () => {
    const promised = ['listen', 'dataDir', 'databaseUrl', 'masterKey', 'masterKeyFile', 'artifacts'] as const;
    expect(promised.map(variableOf)).toEqual([
      'DROVER_LISTEN',
      'DROVER_DATA_DIR',
      'DATABASE_URL',
      'DROVER_MASTER_KEY',
      'DROVER_MASTER_KEY_FILE',
      'DROVER_ARTIFACTS',
    ]);
    expect(flagOf('artifactRetentionDays')).toBe('--artifact-retention-days');
    expect(new Set(SETTING_NAMES.map(variableOf)).size).toBe(SETTING_NAMES.length);
  });

  test('a flag beats the environment, which beats the file', () => {
    const yaml = 'runsMax: 3\nlogLevel: warn\nlocalWorkers: 5\n';
    const environment = { DROVER_RUNS_MAX: '4', DROVER_LOG_LEVEL: 'error' };
    const loaded = load({ yaml, environment, flags: { runsMax: '5' } });
    expect(loaded).toMatchObject({
      settings: { runsMax: 5, logLevel: 'error', localWorkers: 5 },
      sources: {
        runsMax: '--runs-max',
        logLevel: 'DROVER_LOG_LEVEL in the environment',
        localWorkers: 'drover.yaml, line 3',
      },
    });
  });

  test.each([
    ['listen', '0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['listen', '[::1]:0', { host: '::1', port: 0 }],
    ['listen', ':8080', { host: '0.0.0.0', port: 8080 }],
    ['publicUrl', 'https://drover.example.com/', 'https://drover.example.com'],
    ['bodyBytesMax', '2 MiB', 2 * 1024 * 1024],
    ['bodyBytesMax', '128k', 128 * 1024],
    ['trustedProxies', '10.0.0.0/8, ::1', ['10.0.0.0/8', '::1']],
    ['insecureCookies', 'yes', true],
    ['oidcDefaultRole', 'Operator', 'operator'],
    ['databaseUrl', 'postgres://a:b@/drover?host=/run/postgresql', 'postgres://a:b@/drover?host=/run/postgresql'],
    ['databaseUrl', 'postgresql://db/drover', 'postgresql://db/drover'],
    ['masterKey', KEY, KEY],
  ] as const)('%s takes "%s"', (name, word, value) => {
    expect(settingsOf({ environment: { [variableOf(name)]: word } })[name]).toEqual(value);
  });

  test.each([
    ['listen', '7070'],
    ['listen', 'localhost:99999'],
    ['publicUrl', 'drover.example.com'],
    ['publicUrl', 'https://'],
    ['bodyBytesMax', '1'],
    ['bodyBytesMax', '1x'],
    ['trustedProxies', '10.0.0.0/33'],
    ['trustedProxies', 'proxy.local'],
    ['insecureCookies', 'maybe'],
    ['oidcDefaultRole', 'king'],
    ['oidcAllowedDomains', '@example.com'],
    ['databaseUrl', 'mysql://a:hunter2@b/c'],
    ['masterKey', 'hunter2'],
    ['runsMax', '0'],
    ['runsMax', '2.5'],
    ['artifactRetentionDays', 'ninety'],
    ['artifacts', 'gs://bucket/prefix'],
    ['artifacts', 's3://'],
    ['smtpUrl', 'http://user:hunter2@mail'],
  ] as const)('%s refuses "%s", naming where it stands and no secret', (name, word) => {
    const problems = problemsOf({ environment: { [variableOf(name)]: word } });
    expect(problems).toMatchObject([{ name, source: `${variableOf(name)} in the environment` }]);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });

  test('all mistakes are told at once, each with its line', () => {
    const yaml = 'listen: 127.0.0.1\n# a comment\nrunsMax: many\nlogLevl: info\n';
    expect(problemsOf({ yaml, environment: { DROVER_LISTN: 'x', DROVER_LOG_FORMAT: 'xml' } })).toEqual([
      { name: 'logLevl', source: 'drover.yaml, line 4', message: expect.stringContaining('did you mean logLevel?') },
      { name: 'DROVER_LISTN', source: 'environment', message: expect.stringContaining('did you mean DROVER_LISTEN?') },
      { name: 'listen', source: 'drover.yaml, line 1', message: expect.stringContaining('127.0.0.1:7070') },
      { name: 'runsMax', source: 'drover.yaml, line 3', message: 'Give a whole number from 1 to 1000.' },
      { name: 'logFormat', source: 'DROVER_LOG_FORMAT in the environment', message: 'Give one of text, json.' },
    ]);
  });

  test('variables of other parts are not ours to judge', () => {
    const environment = {
      DROVER_CONNECTOR_A_PROVIDER: 's3',
      DROVER_ARTIFACTS_ENDPOINT: 'https://minio.example',
      DROVER_TOKEN: 'x',
      DROVER_TOKEN_FILE: 'z',
      DROVER_INSECURE_HTTP: '1',
      DROVER_SERVER: 'y',
      HOME: '/',
      DROVER_LISTEN: '',
    };
    expect(settingsOf({ environment })).toEqual(defaultSettings('/data'));
  });

  test('a comma that belongs to a word stands behind a backslash, or the list is one of YAML', () => {
    const wanted = ['/srv/Müller, Meier', '/mnt/a', '/srv/c\\d'];
    const environment = { DROVER_LOCAL_FOLDERS: '/srv/Müller\\, Meier, /mnt/a,/srv/c\\d' };
    expect(settingsOf({ environment }).localFolders).toEqual(wanted);
    const yaml = 'localFolders:\n  - /srv/Müller, Meier\n  - "/mnt/a"\n  - /srv/c\\d\n';
    expect(settingsOf({ yaml }).localFolders).toEqual(wanted);
    expect(settingsOf({ yaml: JSON.stringify({ localFolders: wanted }) }).localFolders).toEqual(wanted);
    // What "config check" shows can be given back as it is.
    const shown = valueWords('localFolders', wanted);
    expect(settingsOf({ environment: { DROVER_LOCAL_FOLDERS: shown } }).localFolders).toEqual(wanted);
  });

  test('a file may be JSON, empty, or leave a value open', () => {
    expect(settingsOf({ yaml: '{"runsMax": 7, "oidcAllowedDomains": ["a.com", "b.com"]}' })).toMatchObject({
      runsMax: 7,
      oidcAllowedDomains: ['a.com', 'b.com'],
    });
    expect(settingsOf({ yaml: '' })).toEqual(defaultSettings('/data'));
    expect(settingsOf({ yaml: 'runsMax:\n' })).toEqual(defaultSettings('/data'));
  });

  test.each(['- a\n- b\n', 'just words', 'a: [1\nmasterKey: hunter2', 'runsMax: 1\nrunsMax: 2'])(
    'a file that is no map of settings is refused without showing it: %j',
    (yaml) => {
      const problems = problemsOf({ yaml });
      expect(problems.length).toBeGreaterThan(0);
      expect(problems[0]?.source).toContain('drover.yaml');
      expect(JSON.stringify(problems)).not.toContain('hunter2');
    },
  );

  test.each([
    [{ DROVER_MASTER_KEY: KEY, DROVER_MASTER_KEY_FILE: '/k' }, 'masterKeyFile'],
    [{ DROVER_OIDC_ISSUER: 'https://login.example.com' }, 'oidcIssuer'],
    [{ DROVER_OIDC_CLIENT_ID: 'drover' }, 'oidcClientId'],
    [{ DROVER_SMTP_URL: 'smtp://mail' }, 'smtpUrl'],
    // What comes back over it is the master key.
    [
      {
        DROVER_MASTER_KEY_KMS: 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab',
        DROVER_MASTER_KEY_KMS_ENDPOINT: 'http://kms.internal.example',
      },
      'masterKeyKmsEndpoint',
    ],
    [
      {
        DROVER_MASTER_KEY_KMS: 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab',
        DROVER_MASTER_KEY_KMS_ENDPOINT: 'http://127.0.0.1.evil.example',
      },
      'masterKeyKmsEndpoint',
    ],
  ])('what contradicts itself is refused: %j', (environment, name) => {
    expect(problemsOf({ environment })).toMatchObject([{ name }]);
  });

  test('no text whatsoever in any setting throws', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SETTING_NAMES), fc.string(), (name, word) => {
        expect(Object.keys(load({ environment: { [variableOf(name)]: word } })).length).toBeGreaterThan(0);
      }),
    );
  });

  test('no secret is repeated, whatever is wrong with it', () => {
    const secrets = SETTING_NAMES.filter((name) => settingOf(name).isSecret);
    fc.assert(
      fc.property(fc.constantFrom(...secrets), fc.stringMatching(/^[g-z]{16}$/), (name, word) => {
        for (const written of [word, `ftp://${word}`, `smtp://${word}@`, `postgres://me:${word}@`]) {
          const loaded = load({ environment: { [variableOf(name)]: written } });
          if ('problems' in loaded) expect(JSON.stringify(loaded.problems)).not.toContain(word);
        }
      }),
    );
  });

  test('are shown with their source, and secrets only as being set', () => {
    const environment = { DATABASE_URL: 'postgres://a:hunter2@db/x', DROVER_LISTEN: '[::1]:7070' };
    const loaded = load({ environment });
    if ('problems' in loaded) throw new Error('problems');
    const shown = describeSettings(loaded);
    expect(shown.find(({ name }) => name === 'listen')).toEqual({
      name: 'listen',
      value: '[::1]:7070',
      source: 'DROVER_LISTEN in the environment',
    });
    expect(shown.find(({ name }) => name === 'databaseUrl')?.value).toBe('(set; not shown)');
    expect(shown.find(({ name }) => name === 'masterKey')?.value).toBe('');
    expect(JSON.stringify(shown)).not.toContain('hunter2');
  });
});

describe('the files of the data folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'drover-settings-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const read = (configPath: string | null, environment: Record<string, string> = {}) =>
    readSettings({ configPath, environment, flags: {}, defaultDataDir: folder });

  test('drover.yaml is read where the data folder is', () => {
    expect(read(null)).toMatchObject({ settings: { runsMax: 10 } });
    writeFileSync(join(folder, 'drover.yaml'), 'runsMax: 2');
    expect(read(null)).toMatchObject({ settings: { runsMax: 2, dataDir: folder } });
    expect(read(null, { DROVER_DATA_DIR: '/elsewhere' })).toMatchObject({ settings: { runsMax: 10 } });
  });

  test('an alias without an end is a mistake at its line', () => {
    writeFileSync(join(folder, 'drover.yaml'), 'runsMax: 2\nlocalFolders: &a [*a]\n');
    expect(read(null)).toMatchObject({
      problems: [{ source: `${join(folder, 'drover.yaml')}, line 2`, message: expect.stringContaining('*a') }],
    });
  });

  test('a file that was named and is not there is a mistake', () => {
    expect(read(join(folder, 'absent.yaml'))).toMatchObject({ problems: [{ name: 'config', source: '--config' }] });
    expect(read(folder)).toMatchObject({
      problems: [{ source: '--config', message: expect.stringContaining('EISDIR') }],
    });
  });

  const logged: string[] = [];
  const key = (given: { masterKey?: string; masterKeyFile?: string; mayMake?: boolean }): Promise<Uint8Array> =>
    loadMasterKey({
      settings: { masterKey: given.masterKey ?? null, masterKeyFile: given.masterKeyFile ?? null, dataDir: folder },
      random: systemRandom,
      log: (_level, message) => void logged.push(message),
      mayMake: given.mayMake ?? true,
      wrapping: null,
      signal: AbortSignal.timeout(60_000),
    });

  test('the master key is made once, for its owner only, with a warning', async () => {
    logged.length = 0;
    const made = await key({});
    expect(made).toHaveLength(32);
    const path = join(folder, MASTER_KEY_FILE);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(logged).toEqual([expect.stringContaining('backups of the database do not hold it')]);
    expect(logged.join()).not.toContain(readFileSync(path, 'utf8').trim());
    expect(await key({})).toEqual(made);
    expect(logged).toHaveLength(1);
  });

  test('a worker makes none', async () => {
    await expect(key({ mayMake: false })).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' });
    expect(existsSync(join(folder, MASTER_KEY_FILE))).toBe(false);
  });

  test('a key that is given beats the folder, and a file that is not there is never made', async () => {
    expect(await key({ masterKey: KEY })).toEqual(new Uint8Array(32).fill(9));
    expect(existsSync(join(folder, MASTER_KEY_FILE))).toBe(false);
    await expect(key({ masterKeyFile: join(folder, 'absent') })).rejects.toMatchObject({
      code: 'MASTER_KEY_WRONG',
      field: 'masterKeyFile',
    });
  });

  test('a file without a key is refused and left alone', async () => {
    const path = join(folder, MASTER_KEY_FILE);
    writeFileSync(path, 'hunter2');
    await expect(key({})).rejects.toMatchObject({ code: 'MASTER_KEY_WRONG' });
    expect(readFileSync(path, 'utf8')).toBe('hunter2');
  });

  test('a file that others can read is used with a warning', async () => {
    logged.length = 0;
    writeFileSync(join(folder, 'key'), `${KEY}\n`, { mode: 0o644 });
    expect(await key({ masterKeyFile: join(folder, 'key') })).toEqual(new Uint8Array(32).fill(9));
    expect(logged).toEqual([expect.stringContaining('can be read by others')]);
  });
});
