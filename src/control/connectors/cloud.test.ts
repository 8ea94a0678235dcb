/** What the solutions of a whole account allow, and that a document brings all of it to another server. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { s3 } from '../../providers/s3/provider.ts';
import { createS3Service } from '../../sim/s3-service.ts';
import { simTransport } from '../../sim/transport.ts';
import { seededRandom, simClock } from '../../sim/world.ts';
import { openDefinitions } from '../definitions/service.ts';
import { signInChecks } from '../definitions/sign-ins.ts';
import type { DefinitionServices } from '../definitions/state.ts';
import { openEndpoints } from '../endpoints/service.ts';
import type { ConnectorInput } from '../services.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { connectorOpener } from './open.ts';
import { openConnectors } from './service.ts';

const config = { accessKeyId: 'AKALICE', secretAccessKey: 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh' };
const CLOUD: NonNullable<ConnectorInput['cloud']> = {
  accountType: 'single',
  accountId: '111111111111',
  solutions: ['inventory'],
  services: ['s3'],
  permission: 'read',
  regions: ['eu-central-1'],
  syncEveryMinutes: 60,
};
const BOTH = { ...CLOUD, solutions: ['inventory', 'storage-data-management'] as const };
const { signal } = new AbortController();

let base: TestWorld;
beforeAll(async () => {
  base = await openTestWorld();
});
afterAll(() => base.close());

async function open() {
  await base.db.deleteFrom('endpoints').execute();
  await base.db.deleteFrom('connectors').execute();
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const users = [{ name: 'alice', accessKeyId: config.accessKeyId, secretAccessKey: config.secretAccessKey }];
  const service = createS3Service({ clock, random: seededRandom(1), accounts: [{ accountId: '111111111111', users }] });
  service.createBucket('photos', { region: 'eu-central-1' });
  const openTransport = simTransport((origin) => (origin.endsWith('amazonaws.com') ? service : null), { clock });
  const world = await openTestWorld({ providers: [s3], databaseUrl: base.databaseUrl, clock, openTransport });
  onTestFinished(() => world.close());
  const connectors = openConnectors(world);
  const endpoints = openEndpoints(world, connectorOpener(world));
  const authorize = (cloud: ConnectorInput['cloud']) =>
    connectors.authorize(world.as('admin'), { name: 'Account', provider: 's3', config, cloud });
  const template = async (id: string): Promise<string> =>
    (await connectors.policies(world.as('admin'), id, { kind: 'cloudformation' }))[0]?.text ?? '';
  return { world, connectors, endpoints, admin: world.as('admin'), authorize, template };
}

test('with Inventory alone nothing but a look is asked for, and nothing can be copied', async () => {
  const { connectors, endpoints, admin, authorize, template } = await open();
  const { id } = await authorize(CLOUD);
  const before = await template(id);
  expect(before).toContain("- 's3:ListAllMyBuckets'");
  for (const right of ['GetObject', "ListBucket'", 'PutObject', 'RestoreObject']) expect(before).not.toContain(right);
  const input = { kind: 'source', connectorId: id, place: { container: 'photos', prefix: '' } } as const;
  await expect(endpoints.create(admin, input, signal)).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: 'connectorId',
  });

  await connectors.update(admin, id, null, { cloud: BOTH });
  const after = await template(id);
  expect(after).toContain("- 's3:GetObject'");
  expect(after).toContain("- 'arn:aws:s3:::*/*'");
  expect(after).not.toContain('YOUR-BUCKET');
  const made = await endpoints.create(admin, input, signal);
  await expect(connectors.update(admin, id, null, { cloud: CLOUD })).rejects.toMatchObject({
    code: 'IN_USE',
    field: 'cloud.solutions',
    message: expect.stringContaining(made.name),
  });
});

test('a document holds what was chosen, changes it, and leaves it where it says nothing of it', async () => {
  const { world, connectors, endpoints, admin, authorize } = await open();
  const nothing = { list: async () => ({ items: [], nextCursor: null, total: 0 }) };
  const rest = { projects: nothing, jobs: nothing, schedules: nothing, timetables: nothing };
  const services = { connectors, endpoints, ...rest } as unknown as DefinitionServices;
  const definitions = openDefinitions(services, world.providers, signal, signInChecks(world));
  await authorize(BOTH);
  const exported = await definitions.export(admin, null);
  expect(exported).toMatchObject({ connectors: [{ name: 'Account', cloud: BOTH }] });
  expect(JSON.stringify(exported)).not.toContain('lastSync');

  const [connector] = (exported as { connectors: object[] }).connectors;
  const document = (change: object) => ({ drover: 1, connectors: [{ ...connector, ...change }] });
  const actionOf = async (change: object) => (await definitions.plan(admin, document(change))).steps[0];
  expect(await actionOf({})).toMatchObject({ action: 'keep' });
  expect(await actionOf({ cloud: undefined })).toMatchObject({ action: 'keep' });
  const hourly = document({ cloud: { ...BOTH, syncEveryMinutes: 120 } });
  const plan = await definitions.plan(admin, hourly);
  expect(plan.steps).toMatchObject([{ action: 'update', changes: [{ field: 'cloud' }] }]);
  await definitions.apply(admin, hourly, plan.hash);
  const { items } = await connectors.list(admin, {});
  expect(items[0]?.cloud).toMatchObject({ syncEveryMinutes: 120 });
  const wrong = await definitions.plan(admin, document({ cloud: { ...BOTH, accountId: '12' } }));
  expect(wrong.problems).toMatchObject([{ path: 'connectors[0].cloud.accountId' }]);
});
