/** Connectors to the simulated services, whose answers no store that runs here can give. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { DiscoveredItem, Provider } from '../../contract/provider.ts';
import { azureBlob } from '../../providers/azure-blob/provider.ts';
import { s3 } from '../../providers/s3/provider.ts';
import { createAzureCloud } from '../../sim/azure-cloud.ts';
import { createAzureService } from '../../sim/azure-service.ts';
import { createS3Service } from '../../sim/s3-service.ts';
import { simTransport } from '../../sim/transport.ts';
import { seededRandom, simClock } from '../../sim/world.ts';
import type { ConnectorInput } from '../services.ts';
import { openTestWorld, type TestOverrides, type TestWorld } from '../testing.ts';
import { connectorOpener } from './open.ts';
import { openConnectors } from './service.ts';

const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';
const KEYS = { accessKeyId: 'AKALICE', secretAccessKey: SECRET };
const ROLE = {
  authorization: 'iam-role',
  accessKeyId: 'AKDROVER',
  secretAccessKey: SECRET,
  roleArn: 'arn:aws:iam::111111111111:role/migrate',
  externalId: 'drover-42',
};
const CLOUD: NonNullable<ConnectorInput['cloud']> = {
  accountType: 'single',
  accountId: '111111111111',
  solutions: ['inventory', 'storage-data-management'],
  services: ['s3'],
  permission: 'read-restore',
  regions: null,
  syncEveryMinutes: 60,
};
const { signal } = new AbortController();

let base: TestWorld;
beforeAll(async () => {
  base = await openTestWorld();
});
afterAll(() => base.close());

async function open(provider: Provider, overrides: TestOverrides) {
  await base.db.deleteFrom('connectors').execute();
  const world = await openTestWorld({ providers: [provider], databaseUrl: base.databaseUrl, ...overrides });
  onTestFinished(() => world.close());
  const connectors = openConnectors(world);
  return { world, connectors, admin: world.as('admin'), viewer: world.as('viewer') };
}

async function openS3() {
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const trustedPrincipals = ['arn:aws:iam::222222222222:user/drover'];
  const service = createS3Service({
    clock,
    random: seededRandom(1),
    accounts: [
      {
        accountId: '111111111111',
        users: [
          { name: 'alice', accessKeyId: 'AKALICE', secretAccessKey: SECRET },
          {
            name: 'narrow',
            accessKeyId: 'AKNARROW',
            secretAccessKey: SECRET,
            grants: [{ actions: ['s3:ListBucket', 's3:GetObject'], buckets: ['photos'] }],
          },
        ],
        roles: [{ name: 'migrate', trustedPrincipals, externalId: 'drover-42' }],
      },
      { accountId: '222222222222', users: [{ name: 'drover', accessKeyId: 'AKDROVER', secretAccessKey: SECRET }] },
    ],
  });
  const openTransport = simTransport((origin) => (origin.endsWith('amazonaws.com') ? service : null), { clock });
  const environment = { AWS_ACCESS_KEY_ID: 'AKDROVER', AWS_SECRET_ACCESS_KEY: SECRET };
  return { service, clock, ...(await open(s3, { clock, openTransport, environment })) };
}

describe('Amazon S3', () => {
  test('an access key: who acts is known; a wrong key and a wrong secret are told apart', async () => {
    const { connectors, admin } = await openS3();
    const made = await connectors.authorize(admin, { provider: 's3', config: KEYS });
    expect(made).toMatchObject({
      name: 'Amazon S3',
      signedInAs: 'arn:aws:iam::111111111111:user/alice',
      config: { accessKeyId: 'AKALICE' },
    });
    const refused = (config: object): Promise<unknown> =>
      connectors.authorize(admin, { provider: 's3', config: { ...KEYS, ...config } });
    await expect(refused({ accessKeyId: 'AKNOBODY' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'accessKeyId',
    });
    await expect(refused({ secretAccessKey: 'not-it' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'secretAccessKey',
    });
    await expect(refused({ endpoint: 'https://nowhere.test' })).rejects.toMatchObject({ field: 'endpoint' });
    expect((await connectors.authorize(admin, { provider: 's3', config: KEYS })).name).toBe('Amazon S3 2');
  });

  test("the machine's own identity is sent to no store but Amazon's, and to others once they are named", async () => {
    const { world, connectors, admin, clock } = await openS3();
    const asked: string[] = [];
    const heard = { openTransport: simTransport((origin) => (asked.push(origin), null), { clock }), clock };
    const config = { authorization: 'chain', endpoint: 'https://objects.attacker.example' };
    const closed = await openTestWorld({ ...heard, providers: [s3], databaseUrl: world.databaseUrl });
    onTestFinished(() => closed.close());
    const strict = openConnectors(closed);
    const refusal = { code: 'UNSAFE_ADDRESS', field: 'endpoint' };
    await expect(strict.authorize(admin, { provider: 's3', config })).rejects.toMatchObject(refusal);
    const made = await connectors.authorize(admin, { provider: 's3', config: { authorization: 'chain' } });
    await expect(strict.reauthorize(admin, made.id, null, config)).rejects.toMatchObject(refusal);
    expect(asked).toEqual([]);
    const settings = { trustedEndpoints: ['*.attacker.example'] };
    const trusting = await openTestWorld({
      ...heard,
      settings,
      providers: [s3],
      databaseUrl: world.databaseUrl,
      environment: world.environment,
    });
    onTestFinished(() => trusting.close());
    await openConnectors(trusting)
      .authorize(admin, { provider: 's3', config })
      .catch(() => undefined);
    expect(asked.length).toBeGreaterThan(0);
  });

  test('missing rights never keep a connector from being saved', async () => {
    const { connectors, admin } = await openS3();
    const narrow = await connectors.authorize(admin, {
      provider: 's3',
      config: { ...KEYS, accessKeyId: 'AKNARROW' },
    });
    expect(narrow.health).toBe('healthy');
    expect(narrow.check).toContainEqual(expect.objectContaining({ what: 'list', result: 'warning', field: 'bucket' }));
  });

  test('a role with its external ID; a wrong ID is an error at that field', async () => {
    const { connectors, admin } = await openS3();
    const made = await connectors.authorize(admin, { provider: 's3', config: ROLE, tags: { owner: 'archive' } });
    expect(made.signedInAs).toBe('arn:aws:sts::111111111111:assumed-role/migrate/drover');
    const wrong = connectors.authorize(admin, { provider: 's3', config: { ...ROLE, externalId: 'drover-43' } });
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'externalId' });
    const [trust] = await connectors.policies(admin, made.id, { kind: 'trust' });
    expect(trust?.text).toContain('arn:aws:iam::222222222222:user/drover');
    expect(trust?.text).toContain('drover-42');
    const [template] = await connectors.policies(admin, made.id, { kind: 'cloudformation', use: 'read' });
    expect(template?.text).toContain("Key: 'owner'");
    expect(template?.text).not.toContain('s3:PutObject');
  });

  test.each([
    [{ externalId: 'x y' }, 'externalId'],
    [{ externalId: 'x"y' }, 'externalId'],
    [{ externalID: 'abc-123' }, 'externalID'],
    [{ roleArn: 'no role' }, 'roleArn'],
    [{ bucket: 'Bad Bucket!' }, 'bucket'],
  ])('a draft with %j makes no policy that says less', async (config, field) => {
    const { connectors, admin } = await openS3();
    const draft = { provider: 's3', config: { authorization: 'iam-role', ...config } };
    const asked = connectors.draftPolicies(admin, draft, { kind: 'trust', trustedPrincipal: '123456789012' });
    await expect(asked).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
  });

  test.each([
    [{ trustedPrincipal: 'notanarn' }, 'trustedPrincipal'],
    [{ externalId: 'a' }, 'externalId'],
    [{ containers: ['a b'] }, 'bucket'],
    [{ sourceAddresses: ['everywhere'] }, 'sourceAddresses'],
    [{ vpcEndpoints: ['x'] }, 'vpcEndpoints'],
  ])('what is asked with %j is refused', async (request, field) => {
    const { connectors, admin } = await openS3();
    const draft = { provider: 's3', config: { authorization: 'iam-role' } };
    const asked = connectors.draftPolicies(admin, draft, { kind: 'trust', ...request });
    await expect(asked).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
  });

  test('a trust policy without an external ID says so', async () => {
    const { connectors, admin } = await openS3();
    const draft = { provider: 's3', config: { authorization: 'iam-role' } };
    const request = { kind: 'trust', trustedPrincipal: '123456789012' } as const;
    const [bare] = await connectors.draftPolicies(admin, draft, request);
    expect(bare?.title).toContain('without an external ID');
    const [full] = await connectors.draftPolicies(admin, draft, { ...request, externalId: 'abc-123' });
    expect(full).toMatchObject({ title: 'Trust policy of the role', text: expect.stringContaining('abc-123') });
  });

  test('before there is a role: the trust policy names who signs here, with the external ID of the form', async () => {
    const { connectors, admin } = await openS3();
    const { config } = await connectors.suggest(admin, 's3');
    expect(config['externalId']).toMatch(/^drover-[0-9a-f]{40}$/);
    const draft = { provider: 's3', config: { authorization: 'iam-role', ...config }, tags: { team: 'a' } };
    const [trust] = await connectors.draftPolicies(admin, draft, { kind: 'trust' });
    expect(trust?.text).toContain('arn:aws:iam::222222222222:user/drover');
    expect(trust?.text).toContain(String(config['externalId']));
    const iam = await connectors.draftPolicies(admin, { ...draft, cloud: CLOUD }, {});
    expect(iam[0]?.text).toContain('s3:RestoreObject');
    expect(iam[0]?.text).not.toContain('s3:PutObject');
    const cloud = { ...CLOUD, accountType: 'organization' as const, permission: 'read-write' as const };
    const [whole] = await connectors.draftPolicies(admin, { ...draft, cloud }, { kind: 'cloudformation' });
    expect(whole?.text).toContain('AWS::CloudFormation::StackSet');
    expect(whole?.text).toContain('s3:PutObject');
    expect(whole?.text).toContain("Key: 'team'");
  });

  test('revoked in the middle: needs attention, then reauthorized with another key', async () => {
    const { connectors, admin, viewer, service } = await openS3();
    const { id } = await connectors.authorize(admin, { provider: 's3', config: KEYS });
    service.createBucket('photos');
    const wrong = { ...KEYS, secretAccessKey: 'revoked' };
    await expect(connectors.reauthorize(admin, id, null, wrong)).rejects.toMatchObject({ field: 'secretAccessKey' });
    await connectors.reportHealth(id, { code: 'UNAUTHENTICATED', message: 'The key is not known any more.' });
    expect((await connectors.get(viewer, id)).health).toBe('needs-attention');
    const again = await connectors.reauthorize(admin, id, null, { ...KEYS, accessKeyId: 'AKNARROW' });
    expect(again).toMatchObject({ health: 'healthy', signedInAs: 'arn:aws:iam::111111111111:user/narrow' });
  });

  test('another address does not get the secret that is saved', async () => {
    const { connectors, admin } = await openS3();
    const { id } = await connectors.authorize(admin, { provider: 's3', config: KEYS });
    const moved = { accessKeyId: 'AKALICE', endpoint: 'https://evil.amazonaws.com' };
    await expect(connectors.reauthorize(admin, id, null, moved)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'secretAccessKey',
    });
  });

  test.each([
    ['http://169.254.169.254', 'endpoint'],
    ['http://[fd00:ec2::254]/latest', 'endpoint'],
    ['http://metadata.google.internal', 'endpoint'],
    ['http://2852039166/', 'endpoint'],
  ])('%s is refused as an endpoint before anything is sent', async (endpoint, field) => {
    const { connectors, admin } = await openS3();
    const draft = { provider: 's3', config: { ...KEYS, endpoint } };
    await expect(connectors.authorize(admin, draft)).rejects.toMatchObject({ code: 'UNSAFE_ADDRESS', field });
  });
});

describe('an AWS account with its inventory', () => {
  test.each([
    [{ accountId: '222222222222' }, 'cloud.accountId'],
    [{ accountId: '1111' }, 'cloud.accountId'],
    [{ solutions: ['storage-data-management', 'inventory'] }, 'cloud.solutions'],
    [{ solutions: ['storage-data-management'] }, 'cloud.solutions'],
    [{ solutions: [] }, 'cloud.solutions'],
    [{ services: ['s3', 'ec2'] }, 'cloud.services'],
    [{ regions: [] }, 'cloud.regions'],
    [{ regions: ['Frankfurt'] }, 'cloud.regions'],
    [{ syncEveryMinutes: 1 }, 'cloud.syncEveryMinutes'],
    [{ permission: 'everything' }, 'cloud.permission'],
  ])('%j is refused at %s', async (change, field) => {
    const { connectors, admin, world } = await openS3();
    const cloud = { ...CLOUD, ...change } as typeof CLOUD;
    const made = connectors.authorize(admin, { provider: 's3', config: KEYS, cloud });
    await expect(made).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
    expect(await world.db.selectFrom('connectors').selectAll().execute()).toEqual([]);
  });

  test('is looked at at once, then periodically; what is new, gone and back is kept', async () => {
    const { world, connectors, admin, viewer, service, clock } = await openS3();
    service.createBucket('photos', { region: 'eu-central-1' });
    service.createBucket('logs', { region: 'us-east-1' });
    const { id } = await connectors.authorize(admin, { provider: 's3', config: KEYS, cloud: CLOUD });
    const items = async (query = {}): Promise<string[]> =>
      (await connectors.inventory(viewer, id, query)).items.map(
        ({ container, region, goneAt }) => `${container} ${region}${goneAt === null ? '' : ' gone'}`,
      );
    expect(await items()).toEqual([]);
    expect(await connectors.syncDue(signal)).toBe(1);
    expect(await connectors.syncDue(signal)).toBe(0);
    expect(await items()).toEqual(['logs us-east-1', 'photos eu-central-1']);
    const first = (await connectors.get(viewer, id)).cloud;
    expect(Date.parse(first?.nextSyncAt ?? '') - Date.parse(first?.lastSyncAt ?? '')).toBe(3_600_000);

    service.createBucket('later', { region: 'eu-central-1' });
    service.removeBucket('logs');
    clock.advance(3_600_000);
    expect(await connectors.syncDue(signal)).toBe(1);
    expect(await items()).toEqual(['later eu-central-1', 'logs us-east-1 gone', 'photos eu-central-1']);
    expect(await items({ filter: { state: ['gone'] } })).toEqual(['logs us-east-1 gone']);
    expect(await items({ filter: { region: ['eu-central-1'] }, search: 'lat' })).toEqual(['later eu-central-1']);

    service.createBucket('logs', { region: 'us-east-1' });
    clock.advance(1);
    await connectors.refreshInventory(admin, id, signal);
    const asked = await world.db
      .selectFrom('audit')
      .select(['entity_id', 'actor_name'])
      .where('action', '=', 'connector.refresh-inventory')
      .execute();
    expect(asked).toContainEqual({ entity_id: id, actor_name: admin.name });
    const [, logs] = (await connectors.inventory(viewer, id, {})).items;
    expect(logs).toMatchObject({ container: 'logs', goneAt: null, firstSeenAt: first?.lastSyncAt });
  });

  test('a region filter, and once instead of periodically', async () => {
    const { connectors, admin, viewer, service, clock } = await openS3();
    service.createBucket('photos', { region: 'eu-central-1' });
    service.createBucket('logs', { region: 'us-east-1' });
    const cloud = { ...CLOUD, regions: ['eu-central-1'], syncEveryMinutes: null };
    const { id } = await connectors.authorize(admin, { provider: 's3', config: KEYS, cloud });
    await connectors.syncDue(signal);
    expect((await connectors.inventory(viewer, id, {})).items.map(({ container }) => container)).toEqual(['photos']);
    clock.advance(30 * 24 * 3_600_000);
    expect(await connectors.syncDue(signal)).toBe(0);
    const after = await connectors.update(admin, id, null, {
      cloud: { ...cloud, regions: null, syncEveryMinutes: 15 },
    });
    expect(after.cloud?.lastSyncAt).not.toBeNull();
    expect(await connectors.syncDue(signal)).toBe(1);
    expect((await connectors.inventory(viewer, id, {})).items).toHaveLength(2);
    await expect(
      connectors.update(admin, id, null, { cloud: { ...cloud, accountId: '222222222222' } }),
    ).rejects.toMatchObject({ field: 'cloud.accountId' });
  });

  test('several servers take each due inventory once', async () => {
    const { connectors, admin, world } = await openS3();
    for (let i = 0; i < 4; i++) await connectors.authorize(admin, { provider: 's3', config: KEYS, cloud: CLOUD });
    const others = [openConnectors(world), openConnectors(world), connectors];
    const taken = await Promise.all(others.map((other) => other.syncDue(signal)));
    expect(taken.reduce((sum, count) => sum + count, 0)).toBe(4);
  });

  test('a key that was taken back in between turns the connector to "needs attention", once', async () => {
    const { connectors, admin, viewer, service, world, clock } = await openS3();
    service.createBucket('photos');
    const { id } = await connectors.authorize(admin, { provider: 's3', config: KEYS, cloud: CLOUD });
    const { secret_id } = await world.db.selectFrom('connectors').select('secret_id').executeTakeFirstOrThrow();
    await world.db.transaction().execute((tx) => world.vault.seal(tx, secret_id, { secretAccessKey: 'taken back' }));
    expect(await connectors.syncDue(signal)).toBe(1);
    const after = await connectors.get(viewer, id);
    expect(after).toMatchObject({ health: 'needs-attention', healthReason: { code: 'UNAUTHENTICATED' } });
    expect(after.cloud?.lastSyncError).toMatchObject({ code: 'UNAUTHENTICATED', field: 'secretAccessKey' });
    clock.advance(1);
    await expect(connectors.refreshInventory(admin, id, signal)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('a failure is kept with the connector, and what was seen stays', async () => {
    const { connectors, admin, viewer, service, world, clock } = await openS3();
    service.createBucket('photos');
    const { id } = await connectors.authorize(admin, { provider: 's3', config: KEYS, cloud: CLOUD });
    await connectors.syncDue(signal);
    await using away = await openTestWorld({ databaseUrl: world.databaseUrl, providers: [s3], clock });
    clock.advance(3_600_000);
    expect(await openConnectors(away).syncDue(signal)).toBe(1);
    expect((await connectors.get(viewer, id)).cloud?.lastSyncError).toMatchObject({ code: 'UNREACHABLE' });
    expect((await connectors.inventory(viewer, id, {})).items).toMatchObject([{ container: 'photos', goneAt: null }]);
  });
});

const ACCOUNT_KEY = Buffer.alloc(64, 7).toString('base64');

async function openAzure() {
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const service = createAzureService({
    clock,
    random: seededRandom(3),
    accountName: 'contosodata',
    accountKey: ACCOUNT_KEY,
  });
  const openTransport = simTransport((origin) => (origin.includes('contosodata') ? service : null), { clock });
  return { service, clock, ...(await open(azureBlob, { clock, openTransport })) };
}

describe('Azure Blob Storage', () => {
  const config = { accountName: 'contosodata', accountKey: ACCOUNT_KEY };

  test('an account key; a wrong key and an unknown account are errors at their fields', async () => {
    const { connectors, admin, service } = await openAzure();
    service.createContainer('archive');
    const made = await connectors.authorize(admin, { provider: 'azure-blob', config });
    expect(made).toMatchObject({ name: 'Azure Blob Storage', config: { accountName: 'contosodata' } });
    expect(made.signedInAs).toContain('contosodata');
    const wrong = { ...config, accountKey: Buffer.alloc(64, 8).toString('base64') };
    await expect(connectors.authorize(admin, { provider: 'azure-blob', config: wrong })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'accountKey',
    });
    const unknown = { ...config, accountName: 'nobodyhere' };
    await expect(connectors.authorize(admin, { provider: 'azure-blob', config: unknown })).rejects.toMatchObject({
      field: 'accountName',
    });
  });

  test('containers are listed and made, and a mistyped restriction is refused', async () => {
    const { connectors, admin } = await openAzure();
    const { id } = await connectors.authorize(admin, { provider: 'azure-blob', config });
    expect(await connectors.makeContainer(admin, id, 'fresh', signal)).toBe('made');
    const names: string[] = [];
    for await (const page of connectors.browse(admin, id, null, signal)) names.push(...page.items.map((i) => i.name));
    expect(names).toEqual(['fresh']);
    const restricted = { ...config, container: 'missing' };
    await expect(connectors.authorize(admin, { provider: 'azure-blob', config: restricted })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'container',
    });
  });

  test('by Entra ID: subscriptions, storage accounts, then the connector with what was chosen', async () => {
    const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
    const signIn = { authorization: 'client-secret', tenantId: 'tenant-1', clientId: 'app-1', clientSecret: SECRET };
    const accounts = [{ name: 'contosodata', region: 'northeurope' }];
    const cloud = createAzureCloud({
      ...signIn,
      clock,
      objectId: 'object-1',
      subscriptions: [{ id: 'sub-1', name: 'Archive', accounts }],
      mayAssign: true,
      effectiveAfterMs: 60_000,
    });
    const bearerTokens = [cloud.blobToken];
    const service = createAzureService({
      clock,
      random: seededRandom(3),
      accountName: 'contosodata',
      accountKey: ACCOUNT_KEY,
      bearerTokens,
    });
    service.createContainer('archive');
    const openTransport = simTransport((origin) => (origin.includes('contosodata') ? service : cloud), { clock });
    const { connectors, admin, viewer, world } = await open(azureBlob, { clock, openTransport });
    const list = async (parent: string | null, by = admin): Promise<DiscoveredItem[]> => {
      const items: DiscoveredItem[] = [];
      const input = { provider: 'azure-blob', config: signIn };
      for await (const page of connectors.discover(by, null, input, parent, signal)) items.push(...page.items);
      return items;
    };
    const [subscription] = await list(null);
    const [account] = await list(subscription?.id ?? '');
    await expect(list(null, viewer)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    // No role yet: that is no fault of the sign-in.
    const made = await connectors.authorize(admin, {
      provider: 'azure-blob',
      config: { ...signIn, ...account?.fills },
    });
    expect(made).toMatchObject({ health: 'healthy', config: { accountName: 'contosodata' } });
    const opened = await connectorOpener(world)(made.id, openTransport);
    await using granted = opened.account;
    await granted.roles?.assign?.('archive', 'both', signal);
    expect(await connectors.makeContainer(admin, made.id, 'fresh', signal)).toBe('made');
  });

  test('another way to sign in drops the secret of the one before', async () => {
    const { connectors, admin } = await openAzure();
    const { id } = await connectors.authorize(admin, { provider: 'azure-blob', config });
    const connectionString = `DefaultEndpointsProtocol=https;AccountName=contosodata;AccountKey=${ACCOUNT_KEY};EndpointSuffix=core.windows.net`;
    const again = await connectors.reauthorize(admin, id, null, {
      authorization: 'connection-string',
      connectionString,
    });
    expect(Object.keys(again.secrets)).toEqual(['connectionString']);
  });
});
