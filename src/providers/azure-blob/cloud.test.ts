/** Around a storage account: what an identity sees, and giving it the role it lacks. On stand-ins. */
import { describe, expect, test } from 'vitest';
import type { Config } from '../../contract/fields.ts';
import type { Context, DiscoveredItem } from '../../contract/provider.ts';
import {
  accountId,
  createAzureCloud,
  LOGIN_ORIGIN,
  MANAGEMENT_ORIGIN,
  type AzureCloudOptions,
} from '../../sim/azure-cloud.ts';
import { createAzureService } from '../../sim/azure-service.ts';
import { simTransport } from '../../sim/transport.ts';
import { seededRandom, simClock } from '../../sim/world.ts';
import { managementOrigin } from './arm.ts';
import { azureBlob } from './provider.ts';

const { signal } = new AbortController();
const TENANT = '11111111-2222-3333-4444-555555555555';
const SIGN_IN = { authorization: 'client-secret', tenantId: TENANT, clientId: 'app-1', clientSecret: 'hush-hush' };
const ACCOUNT = { ...SIGN_IN, accountName: 'contosodata' };
const SUBSCRIPTIONS: AzureCloudOptions['subscriptions'] = [
  { id: 'sub-1', name: 'Production', accounts: [{ name: 'elsewhere', region: 'westeurope' }] },
  { id: 'sub-2', name: 'Gone', state: 'Disabled', accounts: [] },
  {
    id: 'sub-3',
    name: 'Archive',
    accounts: [
      { name: 'contosodata', region: 'northeurope' },
      { name: 'zoned', region: 'northeurope', blobEndpoint: 'https://zoned.z1.blob.storage.azure.net/' },
      { name: 'third', region: 'northeurope' },
    ],
  },
];

function world(options: Partial<AzureCloudOptions> = {}) {
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const cloud = createAzureCloud({
    clock,
    tenantId: TENANT,
    clientId: SIGN_IN.clientId,
    clientSecret: SIGN_IN.clientSecret,
    objectId: 'object-1',
    subscriptions: SUBSCRIPTIONS,
    mayAssign: true,
    effectiveAfterMs: 90_000,
    pageSize: 2,
    ...options,
  });
  const service = createAzureService({
    clock,
    random: seededRandom(1),
    accountName: 'contosodata',
    accountKey: Buffer.alloc(64, 7).toString('base64'),
    bearerTokens: [cloud.blobToken],
  });
  service.createContainer('archive');
  const context: Context = {
    openTransport: simTransport((origin) => {
      if (origin === LOGIN_ORIGIN || origin === MANAGEMENT_ORIGIN) return cloud;
      return origin === 'https://contosodata.blob.core.windows.net' ? service : null;
    }),
    clock,
    random: seededRandom(2),
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
  return { clock, cloud, service, context, open: (config: Config) => azureBlob.open(config, context) };
}

async function listed(context: Context, parent: string | null, config: Config = SIGN_IN): Promise<DiscoveredItem[]> {
  await using discovery = await azureBlob.discover(config, context);
  const items: DiscoveredItem[] = [];
  for await (const page of discovery.list(parent, signal)) items.push(...page);
  return items;
}

describe('looking around', () => {
  test('subscriptions that can be used, over several pages, then their storage accounts', async () => {
    const { context } = world();
    const subscriptions = await listed(context, null);
    expect(subscriptions.map(({ name }) => name)).toEqual(['Production', 'Archive']);
    const accounts = await listed(context, 'sub-3');
    expect(accounts.map(({ name, region, fills }) => [name, region, fills])).toEqual([
      ['contosodata', 'northeurope', { accountName: 'contosodata' }],
      ['zoned', 'northeurope', { accountName: 'zoned', endpoint: 'https://zoned.z1.blob.storage.azure.net' }],
      ['third', 'northeurope', { accountName: 'third' }],
    ]);
  });

  test('a wrong secret is an error at its field, a missing one before anything is sent', async () => {
    const { context } = world();
    await expect(listed(context, null, { ...SIGN_IN, clientSecret: 'no' })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      field: 'clientSecret',
    });
    const { clientSecret: _secret, ...incomplete } = SIGN_IN;
    await expect(listed(context, null, incomplete)).rejects.toMatchObject({ field: 'clientSecret' });
  });

  test('a key sees one account only', async () => {
    const config = { accountName: 'contosodata', accountKey: 'AAAA' };
    await expect(listed(world().context, null, config)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  test('each cloud is managed at its own place', () => {
    expect(managementOrigin('https://a.blob.core.usgovcloudapi.net', null)).toBe(
      'https://management.usgovcloudapi.net',
    );
    expect(managementOrigin(null, 'https://login.chinacloudapi.cn')).toBe('https://management.chinacloudapi.cn');
    expect(managementOrigin('https://a.blob.core.windows.net', null)).toBe(MANAGEMENT_ORIGIN);
  });
});

describe('granting', () => {
  test('assigns the least role on the container and waits until it holds', async () => {
    const { open, cloud, clock, service } = world();
    await using account = await open(ACCOUNT);
    const startMs = clock.now();
    await account.roles?.assign?.('archive', 'both', signal);
    expect(cloud.assignments).toMatchObject([
      {
        scope: `${accountId('sub-3', 'contosodata')}/blobServices/default/containers/archive`,
        roleId: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe',
        principalId: 'object-1',
      },
    ]);
    expect(clock.now() - startMs).toBeGreaterThanOrEqual(90_000);
    // Held by now: nothing is assigned again, and nothing of the trying is left.
    await account.roles?.assign?.('archive', 'both', signal);
    expect(cloud.assignments).toHaveLength(1);
    expect(service.keys('archive')).toEqual([]);
  });

  test('reading needs a reader', async () => {
    const { open, cloud } = world({ effectiveAfterMs: 0 });
    await using account = await open(ACCOUNT);
    await account.roles?.assign?.('archive', 'read', signal);
    expect(account.roles?.nameFor('read')).toBe('Storage Blob Data Reader');
    expect(account.roles?.command('archive', 'both')).toBe(
      'az role assignment create --role "Storage Blob Data Contributor" --assignee "app-1" --scope "$(az storage account show --name contosodata --query id --output tsv)/blobServices/default/containers/archive"',
    );
    // A name that somebody made up to be run by whoever pastes the command stays a name.
    expect(account.roles?.command('a"; $(reboot) `id` \\', 'both')).toContain(
      '/containers/a\\"; \\$(reboot) \\`id\\` \\\\"',
    );
    expect(cloud.assignments[0]?.roleId).toBe('2a2b9908-6ea1-4ae2-8e65-a410df84e7d1');
  });

  test('without the right to assign: the exact command for somebody who has it', async () => {
    const { open } = world({ mayAssign: false });
    await using account = await open(ACCOUNT);
    const scope = `${accountId('sub-3', 'contosodata')}/blobServices/default/containers/archive`;
    const command = `az role assignment create --role "Storage Blob Data Contributor" --assignee-object-id "object-1" --assignee-principal-type ServicePrincipal --scope "${scope}"`;
    await expect(account.roles?.assign?.('archive', 'write', signal)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      details: { command },
      remedy: expect.stringContaining(command) as string,
    });
  });

  test('an account that the identity does not see: the command finds it by its name', async () => {
    const { open } = world({ subscriptions: SUBSCRIPTIONS.slice(0, 1) });
    await using account = await open(ACCOUNT);
    await expect(account.roles?.assign?.('archive', 'write', signal)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      remedy: expect.stringContaining(
        '$(az storage account show --name contosodata --query id --output tsv)',
      ) as string,
    });
  });

  test('a role that takes too long: assigned once, and said so', async () => {
    const { open, cloud } = world({ effectiveAfterMs: 3_600_000 });
    await using account = await open(ACCOUNT);
    for (let i = 0; i < 2; i++) {
      await expect(account.roles?.assign?.('archive', 'write', signal)).rejects.toMatchObject({ code: 'TIMED_OUT' });
    }
    expect(cloud.assignments).toHaveLength(1);
  });

  test('a key has no roles to be given', async () => {
    const { open } = world();
    await using account = await open({
      accountName: 'contosodata',
      accountKey: Buffer.alloc(64, 7).toString('base64'),
    });
    expect(account.roles).toBeUndefined();
  });
});
