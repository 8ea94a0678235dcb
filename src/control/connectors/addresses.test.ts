import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { NetworkSettings, OpenTransport } from '../../lib/transport.ts';
import { azureBlob } from '../../providers/azure-blob/provider.ts';
import { s3 } from '../../providers/s3/provider.ts';
import { guardAddresses, refuseFolder, refuseOwnFiles, refuseStrangers, refuseUnsafeFields } from './addresses.ts';

const STRICT = { allowLinkLocalEndpoints: false };
const NETWORK: NetworkSettings = { caCertificate: null, connectionsMax: 1 };

/** What the transport would be told. */
function opened(network: NetworkSettings, settings = STRICT, config = {}) {
  let given: NetworkSettings | null = null;
  const open: OpenTransport = (each) => {
    given = each;
    return { send: () => Promise.reject(new Error('nothing is sent')), close: async () => undefined };
  };
  const guard = guardAddresses(open, settings, s3.account, config);
  guard.openTransport(network);
  return { guard, check: (given as NetworkSettings | null)?.checkAddress };
}

describe('the address of a connector', () => {
  test('a harmless name that leads to a metadata service is refused at its field, once it is resolved', () => {
    const config = { endpoint: 'https://objects.example.com' };
    const { guard, check } = opened(NETWORK, STRICT, config);
    expect(() => check?.('objects.example.com', '10.0.0.7')).not.toThrow();
    expect(guard.refused()).toBeNull();
    expect(() => check?.('objects.example.com', '169.254.169.254')).toThrow(/objects\.example\.com \(169\.254/);
    expect(guard.refused()).toMatchObject({ code: 'UNSAFE_ADDRESS', field: 'endpoint' });
  });

  test('a redirect to one is refused too', () => {
    const { guard, check } = opened(NETWORK);
    expect(() => check?.('169.254.169.254', '169.254.169.254')).toThrow();
    expect(guard.refused()).toMatchObject({ code: 'UNSAFE_ADDRESS', field: null });
  });

  test('a sign-in asks the machine itself, but no name may lead it there', () => {
    const { check } = opened({ ...NETWORK, proxy: 'never' });
    expect(() => check?.('169.254.169.254', '169.254.169.254')).not.toThrow();
    expect(() => check?.('login.example.com', '169.254.169.254')).toThrow();
  });

  test('the setting allows all of it', () => {
    const settings = { allowLinkLocalEndpoints: true };
    expect(opened(NETWORK, settings).check).toBeUndefined();
    const config = { endpoint: 'http://169.254.169.254' };
    expect(() => refuseUnsafeFields(settings, s3.account, config)).not.toThrow();
    expect(() => refuseUnsafeFields(STRICT, s3.account, config)).toThrow(/169\.254/);
  });

  test('every field that holds an address is looked at', () => {
    for (const [provider, field] of [
      [s3, 'stsEndpoint'],
      [azureBlob, 'endpoint'],
      [azureBlob, 'authority'],
    ] as const) {
      const config = { [field]: 'https://[fe80::1]/' };
      expect(() => refuseUnsafeFields(STRICT, provider.account, config)).toThrow(
        expect.objectContaining({ code: 'UNSAFE_ADDRESS', field }) as Error,
      );
    }
  });
});

describe('credentials that open more than one connector', () => {
  const trust = (...trustedEndpoints: string[]) => ({ trustedEndpoints });
  const EVIL = 'https://attacker.example';
  const TYPED = { accessKeyId: 'AKIA', secretAccessKey: 'secret' };
  const ROLE = { roleArn: 'arn:aws:iam::123456789012:role/drover' };

  test.each([
    [azureBlob, { authorization: 'managed-identity', endpoint: EVIL }, 'endpoint'],
    [azureBlob, { authorization: 'environment', endpoint: EVIL }, 'endpoint'],
    [azureBlob, { accountName: 'contoso', endpoint: EVIL }, 'endpoint'],
    [azureBlob, { authorization: 'environment', authority: EVIL }, 'authority'],
    [azureBlob, { authorization: 'client-secret', endpoint: EVIL }, 'endpoint'],
    [
      azureBlob,
      { authorization: 'managed-identity', endpoint: 'https://blob.core.windows.net.attacker.example' },
      'endpoint',
    ],
    [azureBlob, { authorization: 'managed-identity', endpoint: 'https://contosoblob.core.windows.net' }, 'endpoint'],
    [azureBlob, { authorization: 'managed-identity', endpoint: 'http://c.blob.core.windows.net' }, 'endpoint'],
    [s3, { endpoint: EVIL }, 'endpoint'],
    [s3, { authorization: 'chain', endpoint: EVIL, ...TYPED }, 'endpoint'],
    [s3, { profile: 'backup', endpoint: EVIL }, 'endpoint'],
    [s3, { ...ROLE, endpoint: EVIL }, 'endpoint'],
    [s3, { ...ROLE, stsEndpoint: EVIL }, 'stsEndpoint'],
    [s3, { ...ROLE, webIdentityTokenFile: '/token', stsEndpoint: EVIL }, 'stsEndpoint'],
    [s3, { endpoint: 'http://s3.eu-central-1.amazonaws.com' }, 'endpoint'],
    [s3, { endpoint: 'https://x.execute-api.eu-central-1.amazonaws.com' }, 'endpoint'],
    [s3, { endpoint: 'https://ec2-3-1-1-1.eu-central-1.compute.amazonaws.com' }, 'endpoint'],
    [s3, { endpoint: 'https://s3.amazonaws.com.attacker.example' }, 'endpoint'],
    [s3, { endpoint: 'https://s3.attacker.example.amazonaws.com' }, 'endpoint'],
  ] as const)('%#: are not sent to strangers, unless they are named', (provider, config, field) => {
    const refuse = (settings = trust()) => refuseStrangers(settings, provider, config);
    expect(refuse).toThrow(
      expect.objectContaining({
        code: 'UNSAFE_ADDRESS',
        field,
        remedy: expect.stringContaining('DROVER_TRUSTED_ENDPOINTS') as string,
      }) as Error,
    );
    const { hostname, host } = new URL((config as Record<string, string>)[field] as string);
    expect(() => refuse(trust('others.example', `${hostname}:8443`, 'example'))).toThrow();
    for (const trusted of [hostname, host.toUpperCase(), `*.${hostname.split('.').slice(1).join('.')}`])
      refuse(trust(trusted));
  });

  test.each([
    [azureBlob, { authorization: 'managed-identity', accountName: 'contoso' }],
    [azureBlob, { authorization: 'managed-identity', endpoint: 'https://c.blob.core.windows.net' }],
    [azureBlob, { authorization: 'managed-identity', endpoint: 'https://c.privatelink.blob.core.windows.net' }],
    [azureBlob, { authorization: 'environment', endpoint: 'https://c.z12.blob.storage.azure.net' }],
    [
      azureBlob,
      {
        authorization: 'environment',
        endpoint: 'https://c.blob.core.usgovcloudapi.net',
        authority: 'https://login.microsoftonline.us',
      },
    ],
    [
      azureBlob,
      {
        authorization: 'environment',
        endpoint: 'https://c.blob.core.chinacloudapi.cn',
        authority: 'login.chinacloudapi.cn',
      },
    ],
    // What was typed in for a store goes to that store.
    [azureBlob, { authorization: 'account-key', accountKey: 'a2V5', endpoint: EVIL }],
    [azureBlob, { sasToken: 'sig=x', endpoint: EVIL }],
    [azureBlob, { authorization: 'client-secret', authority: 'https://login.internal.example' }],
    [s3, {}],
    [s3, { ...TYPED, endpoint: EVIL }],
    [s3, { ...TYPED, ...ROLE, endpoint: EVIL }],
    [s3, { endpoint: 'https://s3.amazonaws.com' }],
    [s3, { endpoint: 'https://s3.us-gov-west-1.amazonaws.com' }],
    [s3, { endpoint: 'https://s3-fips.dualstack.us-gov-west-1.amazonaws.com' }],
    [
      s3,
      { endpoint: 'https://s3.cn-north-1.amazonaws.com.cn', stsEndpoint: 'https://sts.cn-north-1.amazonaws.com.cn' },
    ],
    [s3, { endpoint: 'https://bucket.vpce-1a2b-abc.s3.us-east-1.vpce.amazonaws.com' }],
    [s3, { ...ROLE, stsEndpoint: 'https://vpce-1a2b-abc.sts.us-east-1.vpce.amazonaws.com' }],
    [s3, { ...ROLE, stsEndpoint: 'https://sts.amazonaws.com' }],
  ] as const)('%#: go to the cloud itself, and what was typed in goes where it was meant for', (provider, config) => {
    refuseStrangers(trust(), provider, config);
  });
});

test('files of Drover itself are not read as tokens, whatever links lead there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drover-own-'));
  await mkdir(join(folder, 'own'));
  for (const file of ['own/master.key', 'other.key', 'token']) await writeFile(join(folder, file), 'x');
  await symlink(join(folder, 'own', 'master.key'), join(folder, 'link'));
  const settings = { dataDir: join(folder, 'own'), masterKeyFile: join(folder, 'other.key'), artifacts: null };
  const refuse = (file: string): Promise<void> =>
    refuseOwnFiles(settings, s3.account, { webIdentityTokenFile: join(folder, file) });
  for (const file of ['own/master.key', 'link', 'other.key']) {
    await expect(refuse(file)).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'webIdentityTokenFile' });
  }
  await refuse('token');
  // The environment of a process of Drover holds the master key.
  await expect(refuseOwnFiles(settings, s3.account, { webIdentityTokenFile: '/proc/self/environ' })).rejects.toThrow();
  await rm(folder, { recursive: true });
});

describe('the folder of a connector', () => {
  const settings = { dataDir: '/nowhere/data', masterKeyFile: null, artifacts: null, localFolders: [] };
  const refusal = { code: 'INVALID_INPUT', field: 'root' };

  test.each(['/', '/proc', '/proc/self', '/proc/self/root', '/sys/kernel', '/dev', '/etc', '/etc/../etc/ssl', '/usr'])(
    '%s belongs to the system',
    async (root) => {
      await expect(refuseFolder(settings, root)).rejects.toMatchObject(refusal);
    },
  );

  test('those of the system can be named in the settings', async () => {
    await refuseFolder({ ...settings, localFolders: ['/etc/ssl'] }, '/etc/ssl');
    await expect(refuseFolder({ ...settings, localFolders: ['/etc/ssl'] }, '/etc')).rejects.toMatchObject(refusal);
    await refuseFolder(settings, '/etcetera');
  });

  test('is never one in which the system shows processes, whatever the settings say', async () => {
    for (const root of ['/proc', '/proc/self', '/sys/kernel', '/dev/fd'])
      await expect(refuseFolder({ ...settings, localFolders: ['/', root] }, root)).rejects.toMatchObject(refusal);
  });

  test('does not hold the settings of Drover, in which its secrets may stand', async () => {
    const apart = { ...settings, settingsFile: '/conf/drover/drover.yaml' };
    for (const root of ['/conf', '/conf/drover'])
      await expect(refuseFolder({ ...apart, localFolders: ['/conf'] }, root)).rejects.toMatchObject(refusal);
    await refuseFolder(apart, '/conf/others');
    const config = { webIdentityTokenFile: '/conf/drover/drover.yaml' };
    await expect(refuseOwnFiles(apart, s3.account, config)).rejects.toMatchObject({ field: 'webIdentityTokenFile' });
  });

  test('holds neither the key file of Drover nor its artifacts, wherever they are', async () => {
    const apart = { ...settings, masterKeyFile: '/keys/drover/master.key', artifacts: '/mnt/logs/drover' };
    for (const root of ['/keys/drover', '/keys', '/mnt/logs/drover/runs', '/mnt/logs']) {
      await expect(refuseFolder(apart, root)).rejects.toMatchObject(refusal);
      // Allowing a folder does not give away what Drover keeps in it.
      await expect(refuseFolder({ ...apart, localFolders: [root] }, root)).rejects.toMatchObject(refusal);
    }
    await refuseFolder(apart, '/keys/others');
    await refuseFolder({ ...apart, artifacts: 's3://keys/others' }, '/keys/others');
  });

  test('holds neither program, data nor artifacts, in neither direction, whatever links lead there and whatever is allowed', async () => {
    const base = await mkdtemp(join(tmpdir(), 'drover-places-'));
    for (const folder of ['data/postgres', 'program/dist', 'logs/runs', 'files']) {
      await mkdir(join(base, folder), { recursive: true });
    }
    for (const [link, to] of [
      ['files/into-data', 'data'],
      ['files/into-program', 'program/dist'],
      ['files/into-logs', 'logs'],
      ['files/above', '.'],
    ] as const) {
      await symlink(join(base, to), join(base, link));
    }
    // Drover itself was told its places through links, too.
    await symlink(join(base, 'logs'), join(base, 'logs-link'));
    const own = {
      dataDir: join(base, 'data'),
      masterKeyFile: null,
      artifacts: join(base, 'logs-link'),
      programFolder: join(base, 'program'),
    };
    for (const root of [
      'data',
      'data/postgres',
      'program',
      'program/dist',
      'logs',
      'logs/runs',
      'logs-link',
      '.',
      'files/into-data',
      'files/into-program',
      'files/into-logs',
      'files/above',
      'files/../data',
      'files/into-data/not-there-yet',
    ]) {
      for (const localFolders of [[], [base], [join(base, root)]]) {
        await expect([
          root,
          await refuseFolder({ ...own, localFolders }, join(base, root)).catch((e: unknown) => e),
        ]).toEqual([root, expect.objectContaining(refusal)]);
      }
    }
    await refuseFolder({ ...own, localFolders: [] }, join(base, 'files'));
    await refuseFolder({ ...own, localFolders: [base] }, join(base, 'files'));
    await rm(base, { recursive: true });
  });
});
