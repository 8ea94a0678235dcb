/** Documents hold no secrets: the plan names each one that is needed, before anything is done, and loses none that is given. */
import { afterEach, expect, test } from 'vitest';
import { azureBlob } from '../../providers/azure-blob/provider.ts';
import { s3 } from '../../providers/s3/provider.ts';
import { createS3Service } from '../../sim/s3-service.ts';
import { simTransport } from '../../sim/transport.ts';
import { seededRandom, simClock } from '../../sim/world.ts';
import { openConnectors } from '../connectors/service.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openDefinitions } from './service.ts';
import { signInChecks } from './sign-ins.ts';
import type { DefinitionServices } from './state.ts';

const KEYS = { accessKeyId: 'AKALICE', secretAccessKey: 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh' };
const OTHER = { accessKeyId: 'AKBOB', secretAccessKey: 'hG3fdYPlaceHolderOtherw8Nb4Rz9Tv2' };

const worlds: TestWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

async function openServer() {
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const users = [KEYS, OTHER].map((keys) => ({ name: keys.accessKeyId, ...keys }));
  const service = createS3Service({ clock, random: seededRandom(1), accounts: [{ accountId: '111111111111', users }] });
  const openTransport = simTransport((origin) => (origin.endsWith('amazonaws.com') ? service : null), { clock });
  const world = await openTestWorld({ providers: [s3, azureBlob], clock, openTransport });
  worlds.push(world);
  const connectors = openConnectors(world);
  const nothing = { list: async () => ({ items: [], nextCursor: null, total: 0 }) };
  const rest = { endpoints: nothing, projects: nothing, jobs: nothing, schedules: nothing, timetables: nothing };
  const services = { connectors, ...rest } as unknown as DefinitionServices;
  const { signal } = new AbortController();
  const admin = world.as('admin');
  const definitions = openDefinitions(services, world.providers, signal, signInChecks(world));
  return {
    connectors,
    admin,
    export: async () => (await definitions.export(admin, null)) as { connectors: { name: string; config: object }[] },
    plan: (document: object) => definitions.plan(admin, document),
    apply: async (document: object) =>
      definitions.apply(admin, document, (await definitions.plan(admin, document)).hash),
    connector: (name: string, config: object) =>
      connectors.authorize(admin, { name, provider: 's3', config: config as Record<string, string> }),
    count: async () => (await connectors.list(admin, {})).items.length,
  };
}

test('an export names the secrets of its connectors, and the plan of a fresh server asks for all of them at once', async () => {
  const here = await openServer();
  await here.connector('Acme', KEYS);
  await here.connector('New York', OTHER);
  const exported = await here.export();
  expect(exported.connectors).toMatchObject([{ secrets: ['secretAccessKey'] }, { secrets: ['secretAccessKey'] }]);
  for (const { secretAccessKey } of [KEYS, OTHER]) expect(JSON.stringify(exported)).not.toContain(secretAccessKey);
  expect((await here.plan(exported)).steps.map(({ action }) => action)).toEqual(['keep', 'keep']);

  const fresh = await openServer();
  const { problems } = await fresh.plan(exported);
  expect(problems).toEqual([
    {
      path: 'connectors[0].config.secretAccessKey',
      message:
        '"Acme" is not on this server yet and needs its Secret Access Key, which no export holds. Either authorize it first, with the values that stand here: drover connector add s3 Acme. Or add secretAccessKey to its config in a copy of the document that only you can read.',
    },
    {
      path: 'connectors[1].config.secretAccessKey',
      message: expect.stringContaining('drover connector add s3 "New York".'),
    },
  ]);
  await fresh.apply(exported);
  expect(await fresh.count()).toBe(0);

  const [acme, york] = exported.connectors;
  const filled = { ...exported, connectors: [{ ...acme, config: KEYS }, york] };
  expect((await fresh.plan(filled)).problems).toHaveLength(1);
  await fresh.connector('New York', OTHER);
  expect((await fresh.apply(filled)).problems).toEqual([]);
  expect(await fresh.export()).toEqual(exported);
});

test('a document written by hand is told of every connector that could not sign in, before the first is made', async () => {
  const fresh = await openServer();
  const { accessKeyId } = KEYS;
  const document = {
    drover: 1,
    connectors: [
      { name: 'Chain', provider: 's3', config: KEYS },
      { name: 'Acme', provider: 's3', config: { accessKeyId } },
      { name: 'Restricted', provider: 's3', config: { ...KEYS, prefix: 'a/' } },
      { name: 'Blobs', provider: 'azure-blob', config: { authorization: 'key', accountName: 'acme' } },
      { name: 'Odd', provider: 's3', config: KEYS, secrets: ['password'] },
    ],
  };
  const { problems } = await fresh.plan(document);
  expect(problems.map(({ path }) => path)).toEqual([
    'connectors[1].config.secretAccessKey',
    'connectors[2].config.bucket',
    expect.stringMatching(/^connectors\[3\]\.config\./),
    'connectors[4].secrets[0]',
  ]);
  await fresh.apply(document);
  expect(await fresh.count()).toBe(0);
});

test('a secret for a connector that is there already is refused unless it is the one that it has', async () => {
  const server = await openServer();
  await server.connector('Acme', KEYS);
  const document = (config: object) => ({ drover: 1, connectors: [{ name: 'acme', provider: 's3', config }] });
  const same = await server.plan(document(KEYS));
  expect(same).toMatchObject({ problems: [], steps: [{ action: 'keep' }] });
  for (const secrets of [{ secretAccessKey: OTHER.secretAccessKey }, { sessionToken: 'FwoGZXIvYXdzEXAMPLE' }]) {
    const [field] = Object.keys(secrets);
    const { problems } = await server.plan(document({ ...KEYS, ...secrets }));
    expect(problems).toMatchObject([
      {
        path: `connectors[0].config.${field}`,
        message: expect.stringContaining('drover connector add s3 Acme --replace'),
      },
    ]);
    expect(JSON.stringify(problems)).not.toContain(Object.values(secrets)[0]);
  }
  for (const left of [{ secretAccessKey: '' }, {}]) {
    expect(await server.plan(document({ accessKeyId: KEYS.accessKeyId, ...left }))).toMatchObject({ problems: [] });
  }
});
