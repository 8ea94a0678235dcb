import { writeFileSync, mkdirSync } from 'node:fs';
import { createCipheriv } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectorName, importAws, importRclone } from '../../src/cli/import-sources.ts';
import { reveal } from '../../src/cli/obscure.ts';
import { isConnectorName } from '../../src/cli/place.ts';
import { azureBlob } from '../../src/providers/azure-blob/provider.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { parseConfig } from '../../src/contract/config.ts';
import { openTestWorld, type TestWorld } from './world.ts';

const RCLONE = `
[ceph]
type = s3
provider = Ceph
access_key_id = AKIAEXAMPLE
secret_access_key = a=secret#with;signs
endpoint = rgw.example.com:8080
chunk_size = 16M

[aws one]
type = s3
provider = AWS
env_auth = true
region = eu-central-1
server_side_encryption = aws:kms
sse_kms_key_id = arn:aws:kms:eu-central-1:111122223333:key/abc

[old]
type = s3
v2_auth = true

[open]
type = s3
provider = AWS

[blob]
type = azureblob
account = contosodata
key = c2VjcmV0
access_tier = cool

[signed]
type = azureblob
sas_url = https://contosodata.blob.core.windows.net/archive?sv=2024&sig=abc%3D

[app]
type = azureblob
account = contosodata
tenant = 00000000-0000-0000-0000-000000000001
client_id = 00000000-0000-0000-0000-000000000002
client_secret = app-secret

[certified]
type = azureblob
account = contosodata
client_certificate_path = /etc/app.pem
client_certificate_password = YWFhYWFhYWFhYWFhYWFhYXMaGgIlEQ

[drive]
type = drive
token = {"access_token":"x"}
`;

const AWS_CREDENTIALS = `
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = default/secret+key

[temporary]
aws_access_key_id=ASIATEMP
aws_secret_access_key=temp
aws_session_token=token==
`;

const AWS_CONFIG = `
[default]
region = eu-west-1
s3 =
  max_concurrent_requests = 20

[profile migrator]
role_arn = arn:aws:iam::111122223333:role/migrator
source_profile = default
external_id = agreed-42
region = us-east-2

[profile people]
sso_session = corp

[profile bare]
region = us-east-1
`;

test.each([
  ['YWFhYWFhYWFhYWFhYWFhYQ', ''],
  ['YWFhYWFhYWFhYWFhYWFhYXMaGgIlEQ', 'potato'],
  ['YmJiYmJiYmJiYmJiYmJiYp3gcEWbAw', 'potato'],
])('%s reveals "%s"', (obscured, password) => {
  expect(reveal(obscured)).toBe(password);
});

test('any password comes back, and what is not obscured is refused', () => {
  const key = Buffer.from('9c935b48730a554d6bfd7c63c886a92bd390198eb8128afbf4de162b8b95f638', 'hex');
  fc.assert(
    fc.property(fc.string(), fc.uint8Array({ minLength: 16, maxLength: 16 }), (password, counter) => {
      const cipher = createCipheriv('aes-256-ctr', key, counter);
      const bytes = Buffer.concat([counter, cipher.update(Buffer.from(password)), cipher.final()]);
      expect(reveal(bytes.toString('base64url'))).toBe(Buffer.from(password).toString('utf8'));
    }),
  );
  expect(() => reveal('plain text')).toThrowError(expect.objectContaining({ code: 'INVALID_INPUT' }));
  expect(() => reveal('c2hvcnQ')).toThrowError(expect.objectContaining({ code: 'INVALID_INPUT' }));
});

test('every name that is made can stand before a colon', () => {
  fc.assert(fc.property(fc.string(), (text) => isConnectorName(connectorName(text))));
  expect(connectorName('aws one')).toBe('aws-one');
  expect(connectorName('x')).toBe('x-imported');
});

describe('rclone remotes', () => {
  const found = new Map(importRclone(RCLONE).map((item) => [item.name, item]));

  test.each([
    [
      'ceph',
      's3',
      {
        authorization: 'access-key',
        accessKeyId: 'AKIAEXAMPLE',
        secretAccessKey: 'a=secret#with;signs',
        endpoint: 'https://rgw.example.com:8080',
        pathStyle: 'true',
      },
    ],
    [
      'aws-one',
      's3',
      {
        authorization: 'chain',
        region: 'eu-central-1',
        encryption: 'SSE-KMS',
        kmsKeyId: 'arn:aws:kms:eu-central-1:111122223333:key/abc',
      },
    ],
    [
      'blob',
      'azure-blob',
      { authorization: 'account-key', accountName: 'contosodata', accountKey: 'c2VjcmV0', accessTier: 'Cool' },
    ],
    [
      'signed',
      'azure-blob',
      {
        authorization: 'sas',
        accountName: 'contosodata',
        endpoint: 'https://contosodata.blob.core.windows.net',
        sasToken: 'sv=2024&sig=abc%3D',
        container: 'archive',
      },
    ],
    [
      'app',
      'azure-blob',
      {
        authorization: 'client-secret',
        accountName: 'contosodata',
        tenantId: '00000000-0000-0000-0000-000000000001',
        clientId: '00000000-0000-0000-0000-000000000002',
        clientSecret: 'app-secret',
      },
    ],
  ])('%s', (name, provider, fields) => {
    const item = found.get(name);
    expect(item).toMatchObject({ provider });
    expect(item?.provider === null ? null : item?.fields).toEqual(fields);
  });

  test.each([
    ['old', /version 2/],
    ['open', /without credentials/],
    ['certified', /\/etc\/app\.pem.*without its password/],
    ['drive', /"drive"/],
  ])('%s cannot be imported, and it is said why', (name, reason) => {
    expect(found.get(name)).toMatchObject({ provider: null, reason: expect.stringMatching(reason) });
  });

  test('settings without a counterpart are named', () => {
    expect(found.get('ceph')).toMatchObject({ notes: [expect.stringContaining('chunk_size')] });
  });

  test('an encrypted file is told apart', () => {
    expect(importRclone('# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nabc')).toMatchObject([
      { provider: null, reason: expect.stringContaining('encrypted') },
    ]);
  });
});

test('AWS profiles', () => {
  const found = importAws(AWS_CREDENTIALS, AWS_CONFIG);
  expect(
    Object.fromEntries(found.map((item) => [item.name, item.provider === null ? item.reason : item.fields])),
  ).toEqual({
    default: {
      authorization: 'access-key',
      accessKeyId: 'AKIADEFAULT',
      secretAccessKey: 'default/secret+key',
      region: 'eu-west-1',
    },
    temporary: {
      authorization: 'access-key',
      accessKeyId: 'ASIATEMP',
      secretAccessKey: 'temp',
      sessionToken: 'token==',
    },
    migrator: {
      authorization: 'iam-role',
      profile: 'default',
      roleArn: 'arn:aws:iam::111122223333:role/migrator',
      externalId: 'agreed-42',
      region: 'us-east-2',
    },
    people: { authorization: 'chain', profile: 'people' },
    bare: 'the profile holds no credentials',
  });
});

test('whatever is imported fits the fields of its provider', () => {
  for (const item of [...importRclone(RCLONE), ...importAws(AWS_CREDENTIALS, AWS_CONFIG)]) {
    if (item.provider === null) continue;
    const { account } = item.provider === 's3' ? s3 : azureBlob;
    expect(parseConfig(account, item.fields).problems, item.name).toBe(undefined);
  }
});

describe('connector import', () => {
  let world: TestWorld;
  beforeEach(() => {
    world = openTestWorld([s3, azureBlob]);
    mkdirSync(join(world.folder, '.config/rclone'), { recursive: true });
    writeFileSync(join(world.folder, '.config/rclone/rclone.conf'), RCLONE);
  });
  afterEach(() => world.remove());

  test('saves what it can and says the rest, per remote, without a secret', async () => {
    const imported = await world.call('connector', 'import', 'rclone');
    expect(imported.exit, imported.stderr).toBe(0);
    expect(imported.stdout).toContain('ok  ceph: saved (Amazon S3)');
    expect(imported.stdout).toContain('no  drive: Drover has no provider for the type "drive".');
    expect(imported.stdout).toContain('5 connectors imported.');
    expect(imported.stdout).not.toContain('app-secret');
    const list = await world.json('connector', 'list');
    expect(list.lines.slice(0, -1).map((line) => line['name'])).toEqual(['app', 'aws-one', 'blob', 'ceph', 'signed']);
    const again = await world.call('connector', 'import', 'rclone', '--only', 'blob');
    expect(again.stdout).toContain('there is a connector of this name already');
  });

  test('a dry run saves nothing, and a missing file is named', async () => {
    const dry = await world.call('connector', 'import', 'rclone', '--dry-run');
    expect(dry.stdout).toMatch(/^ok {2}\S+: would import \(/m);
    expect(dry.stdout).not.toMatch(/^no .*would import/m);
    expect(dry.stdout).toMatch(/\d+ connectors? would be imported\. Nothing was saved\.\n$/);
    expect((await world.json('connector', 'list')).lines).toHaveLength(1);
    const missing = await world.json('connector', 'import', 'aws');
    expect(missing).toMatchObject({ exit: 2, summary: { error: { code: 'INVALID_INPUT', field: '--file' } } });
  });
});
