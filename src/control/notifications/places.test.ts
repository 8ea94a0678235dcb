/** Where messages may go: never to where machines of clouds keep their credentials, whatever leads there. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { NetworkSettings, OpenTransport } from '../../lib/transport.ts';
import { openUndiciTransport } from '../../lib/undici-transport.ts';
import type { Role } from '../entities.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import type { ControlWorld } from '../world.ts';
import { openNotifications } from './service.ts';

let world: TestWorld;
beforeAll(async () => void (world = await openTestWorld()));
afterAll(() => world.close());
afterEach(async () => void (await world.db.deleteFrom('subscriptions').execute()));

const NEVER = new AbortController().signal;
const HARMLESS = 'https://hooks.example.com/x';
const UNSAFE = [
  'https://169.254.169.254/latest/meta-data',
  'https://169.254.170.2:8443/v2/credentials',
  'https://2852039166/',
  'https://0xa9fea9fe/',
  'https://[::ffff:169.254.169.254]/',
  'https://[::ffff:a9fe:a9fe]/',
  'https://[64:ff9b::a9fe:a9fe]/',
  'https://[fe80::1]/',
  'https://[fd00:ec2::254]/',
  'https://100.100.100.200/',
  'https://Metadata.Google.Internal./',
];
const refused = { code: 'UNSAFE_ADDRESS', field: 'destination' };
let names = 0;

function subscribe(destination: string, role: Role = 'operator', at: ControlWorld = world) {
  const input = { name: `Subscriber ${++names}`, kind: 'webhook', destination, events: ['run.failed'] } as const;
  return openNotifications(at).create(world.as(role), input);
}

describe('an address that is written down', () => {
  test.each(UNSAFE)('%s is refused at its field, for admins too', async (destination) => {
    await expect(subscribe(destination, 'admin')).rejects.toMatchObject(refused);
    const { subscription } = await subscribe(HARMLESS);
    const moved = openNotifications(world).update(world.as('admin'), subscription.id, null, { destination });
    await expect(moved).rejects.toMatchObject(refused);
  });

  test('is taken where the administrator of the server allows it, and on private networks', async () => {
    const settings = { ...world.settings, allowLinkLocalEndpoints: true };
    await subscribe('https://169.254.10.1/hook', 'operator', { ...world, settings });
    for (const host of ['10.1.2.3', '192.168.0.9:8443', '[fd00::7]', 'chat.internal'])
      await subscribe(`https://${host}/x`);
  });
});

describe('a name', () => {
  /** As though every name led there: whatever opens connections asks about each address just before. */
  const leadingTo =
    (address: string): OpenTransport =>
    ({ checkAddress }: NetworkSettings) => ({
      async send({ origin }) {
        checkAddress?.(new URL(origin).hostname, address);
        const body = (async function* none(): AsyncGenerator<Uint8Array> {})();
        return { status: 204, headers: {}, body, bytes: async () => Buffer.from(''), discard: async () => undefined };
      },
      close: async () => undefined,
    });

  test.each([
    ['169.254.169.254', false],
    ['::ffff:169.254.169.254', false],
    ['::ffff:a9fe:a9fe', false],
    ['fe80::1%eth0', false],
    ['fd00:ec2::254', false],
    ['10.0.0.8', true],
    ['93.184.216.34', true],
  ])('that leads to %s is sent to: %s', async (address, isSent) => {
    const { subscription } = await subscribe(HARMLESS);
    const sending = openNotifications({ ...world, openTransport: leadingTo(address) });
    const delivery = await sending.test(world.as('operator'), subscription.id, NEVER);
    expect(delivery.state).toBe(isSent ? 'delivered' : 'failed');
    if (!isSent) expect(delivery.error).toContain(`hooks.example.com (${address}) is an address at which`);
  });
});

test('what was saved before is refused when it is sent', async () => {
  const settings = { ...world.settings, allowLinkLocalEndpoints: true };
  const { subscription } = await subscribe(UNSAFE[0] as string, 'admin', { ...world, settings });
  const sending = openNotifications({ ...world, openTransport: openUndiciTransport({}) });
  const delivery = await sending.test(world.as('admin'), subscription.id, NEVER);
  expect(delivery.error).toContain('169.254.169.254 is an address');
});

test('a receiver that sends messages elsewhere is not followed', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response
      .writeHead(Number(request.url?.slice(1, 4)), { location: `http://${request.headers.host}/elsewhere` })
      .end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const sending = openNotifications({ ...world, openTransport: openUndiciTransport({}) });
    for (const status of [301, 302, 303, 307, 308]) {
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${status}`;
      const { subscription } = await subscribe(address, 'admin');
      const delivery = await sending.test(world.as('admin'), subscription.id, NEVER);
      expect(delivery).toMatchObject({ state: 'failed', error: `The receiver answered with status ${status}.` });
    }
    expect(asked).toEqual(['/301', '/302', '/303', '/307', '/308']);
  } finally {
    server.close();
  }
});
