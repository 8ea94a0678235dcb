/** What `drover config check` finds beyond the words of the settings, without asking anybody. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { wrappedText } from '../control/settings/wrapped-key.ts';
import { serverCommands } from './server-commands.ts';

const ARN = 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const PLAIN = Buffer.alloc(32, 9).toString('base64');
const WRAPPED = wrappedText({ keyId: ARN, wrapped: Buffer.alloc(48, 3) });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function check(variables: Readonly<Record<string, string>>, key: string | null): Promise<unknown> {
  const file = join(folder, 'the.key');
  if (key !== null) writeFileSync(file, `${key}\n`, { mode: 0o600 });
  const whole = Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, value.replace('FILE', file)]),
  );
  const environment = { variables: { DROVER_DATA_DIR: folder, ...whole }, programVersion: '0.0.0-test' };
  const call = { flags: {}, configPath: null, signal: new AbortController().signal };
  return serverCommands(environment).checkConfig(
    call as unknown as Parameters<ReturnType<typeof serverCommands>['checkConfig']>[0],
  );
}

const FILE = { DROVER_MASTER_KEY_FILE: 'FILE' };
const KMS = { DROVER_MASTER_KEY_KMS: ARN };

test.each([
  ['nothing at all', {}, null],
  ['a key of its own', FILE, PLAIN],
  ['a wrapped one', { ...FILE, ...KMS }, WRAPPED],
  ['a wrapped one in the environment', { DROVER_MASTER_KEY: WRAPPED, ...KMS }, null],
  ['a key of KMS, and nothing wrapped yet', KMS, null],
  ['a bucket for artifacts', { DROVER_ARTIFACTS: 's3://box/drover', DROVER_ARTIFACTS_REGION: 'eu-central-1' }, null],
])('right: %s', async (_, variables, key) => {
  await expect(check(variables, key)).resolves.toBeDefined();
});

test.each([
  ['no key of a service', { DROVER_MASTER_KEY_KMS: 'arn:aws:kms:nonsense' }, null, 'masterKeyKms'],
  ['no key of a vault', { DROVER_MASTER_KEY_KMS: 'https://vault.example.com/keys/k' }, null, 'masterKeyKms'],
  ['a file that is not there', FILE, null, 'masterKeyFile'],
  ['a file with something else', FILE, 'something else', 'masterKeyFile'],
  ['a key in the open where a wrapped one belongs', { ...FILE, ...KMS }, PLAIN, 'masterKeyFile'],
  ['a wrapped key that is cut short', { ...FILE, ...KMS }, WRAPPED.slice(0, WRAPPED.lastIndexOf('.')), 'masterKeyFile'],
  ['a wrapped key without the service', FILE, WRAPPED, 'masterKeyKms'],
  [
    'artifacts with a field that there is not',
    { DROVER_ARTIFACTS: 's3://box', DROVER_ARTIFACTS_REGOIN: 'x' },
    null,
    'DROVER_ARTIFACTS_REGOIN',
  ],
  ['artifacts nowhere', { DROVER_ARTIFACTS: 'gs://box' }, null, 'artifacts'],
])('wrong: %s', async (_, variables, key, field) => {
  await expect(check(variables, key)).rejects.toMatchObject({ field });
});

test('wrong: a file that cannot be read', async () => {
  mkdirSync(join(folder, 'the.key'));
  await expect(check(FILE, null)).rejects.toMatchObject({ field: 'masterKeyFile' });
});
