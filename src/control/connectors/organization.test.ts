/** An AWS organization: what is in all its accounts, what one that refuses hides, and connectors for its members. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { s3 } from '../../providers/s3/provider.ts';
import { createS3Service, type S3Options, type S3Role } from '../../sim/s3-service.ts';
import { simTransport } from '../../sim/transport.ts';
import { seededRandom, simClock } from '../../sim/world.ts';
import type { ConnectorInput } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openConnectors } from './service.ts';

const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';
const [HEAD, PHOTOS, LOGS, CLOSED] = ['111111111111', '333333333333', '444444444444', '555555555555'] as const;
const CONFIG = {
  authorization: 'iam-role',
  roleArn: `arn:aws:iam::${HEAD}:role/teams/drover-transfer`,
  externalId: 'drover-42',
};
const CLOUD: NonNullable<ConnectorInput['cloud']> = {
  accountType: 'organization',
  accountId: HEAD,
  solutions: ['inventory', 'storage-data-management'],
  services: ['s3'],
  permission: 'read',
  regions: null,
  syncEveryMinutes: 60,
};
const { signal } = new AbortController();

let base: TestWorld;
beforeAll(async () => {
  base = await openTestWorld();
});
afterAll(() => base.close());

const role = (externalId = 'drover-42'): S3Role => ({
  name: 'teams/drover-transfer',
  trustedPrincipals: ['arn:aws:iam::222222222222:user/drover'],
  externalId,
});

async function open(given: { logsRole?: S3Role; organization?: S3Options['organization'] | null } = {}) {
  await base.db.deleteFrom('connectors').execute();
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const accounts = [
    { accountId: HEAD, name: 'Head' },
    { accountId: CLOSED, name: 'Closed', state: 'SUSPENDED' },
    { accountId: PHOTOS, name: 'Photos: all/of them' },
    { accountId: LOGS, name: 'Logs' },
  ];
  const organization = { managementAccountId: HEAD, accounts, pageMax: 1 };
  const service = createS3Service({
    clock,
    random: seededRandom(1),
    accounts: [
      { accountId: HEAD, users: [], roles: [role()] },
      { accountId: '222222222222', users: [{ name: 'drover', accessKeyId: 'AKDROVER', secretAccessKey: SECRET }] },
      { accountId: PHOTOS, users: [], roles: [role()] },
      { accountId: LOGS, users: [], roles: [given.logsRole ?? role()] },
    ],
    ...(given.organization === null ? {} : { organization: given.organization ?? organization }),
  });
  service.createBucket('billing', { ownerId: HEAD });
  service.createBucket('photos', { ownerId: PHOTOS, region: 'eu-central-1' });
  service.createBucket('logs', { ownerId: LOGS });
  const asked: string[] = [];
  const openTransport = simTransport(
    (origin) => (asked.push(origin), origin.endsWith('amazonaws.com') ? service : null),
    { clock },
  );
  const environment = { AWS_ACCESS_KEY_ID: 'AKDROVER', AWS_SECRET_ACCESS_KEY: SECRET };
  const settings = { databaseUrl: base.databaseUrl, clock, openTransport, environment };
  const world = await openTestWorld({ providers: [s3], ...settings });
  onTestFinished(() => world.close());
  const connectors = openConnectors(world);
  const admin = world.as('admin');
  const authorize = (cloud = CLOUD, config: object = CONFIG) =>
    connectors.authorize(admin, { name: 'Org', provider: 's3', config: { ...config }, cloud });
  const items = async (id: string, query = {}): Promise<string[]> =>
    (await connectors.inventory(admin, id, query)).items.map(
      ({ accountId, container, goneAt }) => `${accountId} ${container}${goneAt === null ? '' : ' gone'}`,
    );
  const accountsOf = async (id: string, query = {}) => (await connectors.inventoryAccounts(admin, id, query)).items;
  return { world, connectors, admin, service, clock, asked, authorize, items, accountsOf };
}

describe('the inventory of an organization', () => {
  test('lists every account that is in use, by its role of the same name, and filters and pages by account', async () => {
    const { connectors, admin, authorize, items, accountsOf, asked } = await open();
    const { id } = await authorize();
    expect(await connectors.syncDue(signal)).toBe(1);
    expect(asked).toContain('https://organizations.us-east-1.amazonaws.com');
    expect(await items(id)).toEqual([`${HEAD} billing`, `${LOGS} logs`, `${PHOTOS} photos`]);
    expect(await items(id, { filter: { account: [PHOTOS] } })).toEqual([`${PHOTOS} photos`]);
    const { nextCursor } = await connectors.inventory(admin, id, { limit: 1 });
    expect(await items(id, { limit: 1, cursor: nextCursor })).toEqual([`${LOGS} logs`]);
    expect(await accountsOf(id)).toMatchObject([
      { accountId: HEAD, name: 'Head', lastSyncError: null },
      { accountId: LOGS, name: 'Logs' },
      { accountId: PHOTOS, name: 'Photos: all/of them' },
    ]);
    expect((await connectors.get(admin, id)).cloud?.lastSyncError).toBeNull();
  });

  test('one account that refuses hides no other, and what was seen in it does not go', async () => {
    const { connectors, admin, authorize, items, accountsOf, service, clock } = await open();
    const { id } = await authorize();
    await connectors.syncDue(signal);
    service.removeBucket('logs');
    service.removeBucket('photos');
    service.createBucket('pictures', { ownerId: PHOTOS });
    service.role(LOGS, role('another'));
    clock.advance(3_600_000);
    expect(await connectors.syncDue(signal)).toBe(1);
    expect(await items(id)).toEqual([`${HEAD} billing`, `${LOGS} logs`, `${PHOTOS} photos gone`, `${PHOTOS} pictures`]);
    const [failed] = await accountsOf(id, { filter: { state: ['failed'] } });
    expect(failed).toMatchObject({ accountId: LOGS, lastSyncError: { code: 'UNAUTHENTICATED' } });
    expect(Date.parse(failed?.lastSyncAt ?? '')).toBeLessThan(clock.now() - 3_000_000);
    const { cloud, health } = await connectors.get(admin, id);
    expect(health).toBe('healthy');
    expect(cloud?.lastSyncError).toMatchObject({ message: expect.stringContaining(`1 of 3 accounts`) });
    expect(cloud?.lastSyncError?.message).toContain(`Logs (${LOGS})`);
    expect(Date.parse(cloud?.lastSyncAt ?? '')).toBe(clock.now());
    expect(Date.parse(cloud?.nextSyncAt ?? '')).toBe(clock.now() + 3_600_000);

    service.role(LOGS, role());
    clock.advance(1);
    await connectors.refreshInventory(admin, id, signal);
    expect(await items(id)).toContain(`${LOGS} logs gone`);
    expect((await connectors.get(admin, id)).cloud?.lastSyncError).toBeNull();
  });

  test.each([
    ['no organization', null, 'UNSUPPORTED'],
    ['another head', { managementAccountId: '999999999999', accounts: [] }, 'PERMISSION_DENIED'],
  ] as const)('a role that is head of %s is told so, and nothing is gone', async (_, organization, code) => {
    const { connectors, admin, authorize, items } = await open({ organization });
    const { id } = await authorize({ ...CLOUD, accountType: 'single' });
    await connectors.syncDue(signal);
    await connectors.update(admin, id, null, { cloud: CLOUD });
    await expect(connectors.refreshInventory(admin, id, signal)).rejects.toMatchObject({ code });
    expect((await connectors.get(admin, id)).cloud?.lastSyncError).toMatchObject({ code });
    expect(await items(id)).toEqual([`${HEAD} billing`]);
  });

  test.each([
    ['a bucket', { ...CONFIG, bucket: 'billing' }],
    ['keys in place of a role', { accessKeyId: 'AKDROVER', secretAccessKey: SECRET }],
  ])('%s is refused: nothing leads from there to other accounts', async (_, config) => {
    const { authorize } = await open();
    const accountId = 'roleArn' in config ? HEAD : '222222222222';
    const made = authorize({ ...CLOUD, accountId }, config);
    await expect(made).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'cloud.accountType' });
  });
});

describe('a connector for a member', () => {
  test('signs in to that account alone, is named after it, and keeps what was chosen', async () => {
    const { connectors, admin, authorize, items, world } = await open();
    const { id } = await authorize();
    const made = await connectors.addAccount(admin, id, PHOTOS, signal);
    expect(made).toMatchObject({
      name: 'Photos all of them',
      config: { roleArn: `arn:aws:iam::${PHOTOS}:role/teams/drover-transfer` },
      signedInAs: expect.stringContaining(PHOTOS),
      cloud: { accountType: 'single', accountId: PHOTOS, permission: 'read', lastSyncAt: null },
    });
    await connectors.refreshInventory(admin, made.id, signal);
    expect(await items(made.id)).toEqual([`${PHOTOS} photos`]);
    expect((await connectors.addAccount(admin, id, PHOTOS, signal)).name).toBe('Photos all of them 2');
    await expect(connectors.addAccount(world.as('operator'), id, PHOTOS, signal)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
  });

  test('an account that is closed, unknown or shut gives none; nor does a connector of one account', async () => {
    const { connectors, admin, authorize } = await open({ logsRole: role('another') });
    const { id } = await authorize();
    for (const accountId of [CLOSED, '999999999999', 'x']) {
      await expect(connectors.addAccount(admin, id, accountId, signal)).rejects.toMatchObject({
        code: 'ENTITY_NOT_FOUND',
      });
    }
    await expect(connectors.addAccount(admin, id, LOGS, signal)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    const { id: single } = await connectors.addAccount(admin, id, PHOTOS, signal);
    await expect(connectors.addAccount(admin, single, LOGS, signal)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    expect((await connectors.list(admin, {})).items).toHaveLength(2);
  });
});
