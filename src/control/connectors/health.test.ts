/** People are told once that a connector needs them, whoever notices it, and again only after it was well. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { s3 } from '../../providers/s3/provider.ts';
import { createS3Service } from '../../sim/s3-service.ts';
import { simTransport } from '../../sim/transport.ts';
import { seededRandom, simClock } from '../../sim/world.ts';
import { wordsOf } from '../notifications/words.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openConnectors } from './service.ts';

const KEYS = { accessKeyId: 'AKALICE', secretAccessKey: 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh' };
const { signal } = new AbortController();

let base: TestWorld;
beforeAll(async () => {
  base = await openTestWorld();
});
afterAll(() => base.close());

async function open() {
  await base.db.deleteFrom('outbox').execute();
  await base.db.deleteFrom('connectors').execute();
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const users = [{ name: 'alice', ...KEYS }];
  const service = createS3Service({ clock, random: seededRandom(1), accounts: [{ accountId: '111111111111', users }] });
  const openTransport = simTransport((origin) => (origin.endsWith('amazonaws.com') ? service : null), { clock });
  const world = await openTestWorld({ providers: [s3], databaseUrl: base.databaseUrl, clock, openTransport });
  onTestFinished(() => world.close());
  const connectors = openConnectors(world);
  const admin = world.as('admin');
  const { id } = await connectors.authorize(admin, { name: 'Acme', provider: 's3', config: KEYS });
  const { secret_id } = await world.db.selectFrom('connectors').select('secret_id').executeTakeFirstOrThrow();
  const seal = (secretAccessKey: string) =>
    world.db.transaction().execute((tx) => world.vault.seal(tx, secret_id, { secretAccessKey }));
  const drain = async <T>(lines: AsyncIterable<T>): Promise<void> => {
    for await (const _ of lines);
  };
  const notices = {
    test: () => drain(connectors.test(admin, id, null, 'read', signal)),
    inventory: () => connectors.refreshInventory(admin, id, signal).catch(() => undefined),
    browse: () => drain(connectors.browse(admin, id, null, signal)).catch(() => undefined),
    run: () => connectors.reportHealth(id, { code: 'UNAUTHENTICATED', message: 'It is not known any more.' }),
  };
  const told = () => world.db.selectFrom('outbox').selectAll().orderBy('number').execute();
  return { id, seal, notices, told, connectors };
}

test.each(['test', 'inventory', 'browse', 'run'] as const)('noticed by: %s', async (first) => {
  const { id, seal, notices, told, connectors } = await open();
  await notices.test();
  expect(await told()).toEqual([]);
  await seal('taken back');
  await notices[first]();
  for (const notice of Object.values(notices)) await notice();
  const [only, ...more] = await told();
  expect(more).toEqual([]);
  expect(only).toMatchObject({ event: 'connector.attention', project_id: null });
  expect(only?.payload).toMatchObject({
    connectorId: id,
    connector: 'Acme',
    code: expect.stringMatching(/INVALID_INPUT|UNAUTHENTICATED/),
  });

  await seal(KEYS.secretAccessKey);
  await (first === 'run' ? connectors.reportHealth(id, null) : notices.test());
  expect(await told()).toHaveLength(1);
  await seal('taken back');
  await notices[first]();
  expect(await told()).toHaveLength(2);
});

test('two that notice it at the same time tell it once', async () => {
  const { seal, notices, told } = await open();
  await seal('taken back');
  await Promise.all([notices.test(), notices.inventory(), notices.browse(), notices.run(), notices.test()]);
  expect(await told()).toHaveLength(1);
});

test('a mail about it names the connector, why, what to do and where', () => {
  const payload = {
    connectorId: 'c-1',
    connector: 'Acme',
    provider: 's3',
    reason: 'Not known.',
    remedy: 'Reauthorize it.',
  };
  const message = { id: 'e', event: 'connector.attention', at: '2026-01-15T12:00:00Z', payload } as const;
  const { subject, text } = wordsOf([message], 'https://drover.example.com');
  expect(subject).toBe('Drover: the connector "Acme" needs attention');
  expect(text.split('\n')).toEqual([
    'The connector "Acme" needs attention.',
    'Not known.',
    'Reauthorize it.',
    'At 2026-01-15T12:00:00Z.',
    'https://drover.example.com/connectors/c-1',
    '',
  ]);
});
