/** The standard chain as the vendor's library walks it, at stand-ins for the services that it asks. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../lib/system.ts';
import { openUndiciTransport } from '../../lib/undici-transport.ts';
import { answering, connectProxy, secureServer, type Told } from '../../../test/token-servers.ts';
import { baseCredentials } from './credentials.ts';
import { settingsOf } from './fields.ts';

const { signal } = new AbortController();
// One for all tests: the library remembers where home is.
const home = mkdtempSync(join(tmpdir(), 'drover-chain-'));

beforeEach(() => void vi.stubEnv('HOME', home));
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(home, { recursive: true, force: true }));

function profiles(text: string): Record<string, string> {
  const files = { AWS_CONFIG_FILE: join(home, 'config'), AWS_SHARED_CREDENTIALS_FILE: join(home, 'credentials') };
  writeFileSync(files.AWS_CONFIG_FILE, text);
  writeFileSync(files.AWS_SHARED_CREDENTIALS_FILE, '');
  // In some places the library reads the process's environment, whatever it was given.
  for (const [name, value] of Object.entries(files)) vi.stubEnv(name, value);
  return files;
}

function credentials(config: Record<string, string>, environment: Record<string, string>) {
  const source = baseCredentials(
    settingsOf(config),
    environment,
    () => systemClock.now(),
    () => undefined,
    openUndiciTransport(environment),
  );
  return source.current(signal);
}

const EXPIRES = new Date(systemClock.now() + 3_600_000).toISOString();
const ASSUMED =
  '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>' +
  `<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>` +
  `<Expiration>${EXPIRES}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;

const ROLE_PROFILE = [
  '[profile keys]',
  'aws_access_key_id = AKKEYS',
  'aws_secret_access_key = S',
  '[profile role]',
  'source_profile = keys',
  'role_arn = arn:aws:iam::111111111111:role/mover',
].join('\n');

test('a role of a profile is assumed at an STS whose certificate a field makes known', async () => {
  const told: Told[] = [];
  const { address, caCertificate } = await secureServer(answering(told, () => ({ body: ASSUMED })));
  vi.stubEnv('AWS_ENDPOINT_URL_STS', `https://${address}`);
  const found = await credentials({ profile: 'role', region: 'eu-central-1', caCertificate }, profiles(ROLE_PROFILE));
  expect(found.keys).toMatchObject({ accessKeyId: 'ASIAROLE', sessionToken: 'T' });
  expect(told[0]?.body).toContain('Action=AssumeRole');
  expect(told[0]?.headers['authorization']).toContain('/eu-central-1/sts/aws4_request');
});

test('keys that were exchanged in the file are seen when they are read again', async () => {
  const profile = (key: string) => `[profile keys]\naws_access_key_id = ${key}\naws_secret_access_key = S`;
  expect((await credentials({ profile: 'keys' }, profiles(profile('AKOLD')))).keys.accessKeyId).toBe('AKOLD');
  expect((await credentials({ profile: 'keys' }, profiles(profile('AKNEW')))).keys.accessKeyId).toBe('AKNEW');
});

test('without that certificate it is said what is missing, at its field', async () => {
  const { address } = await secureServer(answering([], () => ({ body: ASSUMED })));
  vi.stubEnv('AWS_ENDPOINT_URL_STS', `https://${address}`);
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  await expect(credentials({ profile: 'role' }, profiles(ROLE_PROFILE))).rejects.toMatchObject({
    code: 'UNREACHABLE',
    field: 'caCertificate',
    message: expect.stringContaining('The profile "role" gave no credentials'),
  });
});

test('single sign-on goes through the proxy of the environment, to the region that the profile names', async () => {
  const told: Told[] = [];
  const name = 'portal.sso.us-east-1.amazonaws.com';
  const roleCredentials = {
    accessKeyId: 'ASIASSO',
    secretAccessKey: 'S',
    sessionToken: 'T',
    expiration: Date.parse(EXPIRES),
  };
  const { address, caCertificate } = await secureServer(
    answering(told, () => ({ body: { roleCredentials } })),
    [name],
  );
  const proxy = await connectProxy(address);
  const files = profiles(
    [
      '[profile sso]',
      'sso_start_url = https://contoso.awsapps.com/start',
      'sso_region = us-east-1',
      'sso_account_id = 111111111111',
      'sso_role_name = Mover',
      'region = eu-central-1',
    ].join('\n'),
  );
  const cache = join(home, '.aws', 'sso', 'cache');
  mkdirSync(cache, { recursive: true });
  const id = createHash('sha1').update('https://contoso.awsapps.com/start').digest('hex');
  writeFileSync(join(cache, `${id}.json`), JSON.stringify({ accessToken: 'signed-in', expiresAt: EXPIRES }));
  const environment = { ...files, HTTPS_PROXY: `http://${proxy.address}` };
  const found = await credentials({ profile: 'sso', region: 'eu-central-1', caCertificate }, environment);
  expect(found.keys.accessKeyId).toBe('ASIASSO');
  expect(told[0]?.headers['x-amz-sso_bearer_token']).toBe('signed-in');
  expect(proxy.asked).toEqual([`CONNECT ${name}:443`]);
});
