import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NetworkSettings, OpenTransport } from '../../lib/transport.ts';
import type { Role } from '../entities.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { openNotifications } from './service.ts';

let world: TestWorld;
beforeAll(async () => void (world = await openTestWorld()));
afterAll(() => world.close());

const forbidden = { code: 'FORBIDDEN', field: 'destination' };
let names = 0;

function subscribe(role: Role, destination: string) {
  const input = { name: `Subscriber ${++names}`, kind: 'webhook', destination, events: ['run.failed'] } as const;
  return openNotifications(world).create(world.as(role), input);
}

test('only an admin has messages sent to programs on the machine of the server', async () => {
  for (const destination of [
    'http://127.0.0.1:9200/x',
    'HTTP://localhost/',
    'http://[::1]:2375/',
    ' http://127.1/',
    'https://127.0.0.1:8443/',
  ]) {
    await expect(subscribe('operator', destination)).rejects.toMatchObject({ field: 'destination' });
  }
  for (const host of [
    'localhost:8443',
    'app.localhost',
    '127.8.9.1',
    '[::ffff:127.0.0.1]',
    'LOCALHOST.',
    '0.0.0.0:8443',
    '0',
    '[::]:8443',
    '[::ffff:0.0.0.0]',
    '[::127.0.0.1]',
    hostname(),
  ]) {
    await expect(subscribe('operator', `https://${host}/`)).rejects.toMatchObject(forbidden);
  }
  await subscribe('operator', 'https://localhost.example.com/');
  await expect(subscribe('operator', 'http://127.0.0.1:9200/x')).rejects.toMatchObject(forbidden);
  const { subscription } = await subscribe('admin', 'http://127.0.0.1:9200/x');
  const { update } = openNotifications(world);
  // Whatever else changes, the place may stay.
  const renamed = await update(world.as('operator'), subscription.id, null, { name: 'Renamed' });
  expect(renamed.destination).toBe('http://127.0.0.1:9200/x');
  const moved = update(world.as('operator'), subscription.id, null, { destination: 'http://127.0.0.1:9201/x' });
  await expect(moved).rejects.toMatchObject(forbidden);
  const { subscription: other } = await subscribe('operator', 'https://hooks.example.com/');
  const inward = update(world.as('operator'), other.id, null, { destination: 'http://localhost:9200/' });
  await expect(inward).rejects.toMatchObject(forbidden);
});

describe('a name that leads to the machine of the server', () => {
  const NEVER = new AbortController().signal;
  const NAMED = 'https://hooks.example.com/x';

  /** As though every name led there: whatever opens connections asks about each address just before. */
  const leadingTo =
    (address: string): OpenTransport =>
    ({ checkAddress }: NetworkSettings) => ({
      async send({ origin }) {
        checkAddress?.(new URL(origin).hostname.replace(/^\[|\]$/g, ''), address);
        const body = (async function* none(): AsyncGenerator<Uint8Array> {})();
        return { status: 204, headers: {}, body, bytes: async () => Buffer.from(''), discard: async () => undefined };
      },
      close: async () => undefined,
    });

  const sentBy = (id: string, address: string, role: Role, allowLinkLocalEndpoints = false) =>
    openNotifications({
      ...world,
      settings: { ...world.settings, allowLinkLocalEndpoints },
      openTransport: leadingTo(address),
    }).test(world.as(role), id, NEVER);

  test.each(['127.0.0.1', '127.0.1.1', '0.0.0.0', '::', '::1', '::ffff:127.0.0.1'])(
    '%s is not sent to for an operator, whoever tries it out',
    async (address) => {
      const { subscription } = await subscribe('operator', NAMED);
      for (const role of ['operator', 'admin'] as const) {
        const { state, error } = await sentBy(subscription.id, address, role);
        expect(state).toBe('failed');
        expect(error).toContain(`hooks.example.com (${address}) is the machine of the server itself`);
      }
      expect((await sentBy(subscription.id, address, 'operator', true)).state).toBe('failed');
      expect((await sentBy(subscription.id, '10.0.0.8', 'operator')).state).toBe('delivered');
    },
  );

  test('is sent to where an admin gave the address, until an operator gives another one', async () => {
    const { update } = openNotifications(world);
    const { subscription } = await subscribe('admin', NAMED);
    const { id } = subscription;
    expect((await sentBy(id, '127.0.0.1', 'operator')).state).toBe('delivered');
    // Whatever else an operator changes, and also the whole as he was shown it.
    await update(world.as('operator'), id, null, { name: 'Renamed again', destination: subscription.destination });
    expect((await sentBy(id, '127.0.0.1', 'operator')).state).toBe('delivered');
    await update(world.as('operator'), id, null, { destination: `${NAMED}/other` });
    expect((await sentBy(id, '127.0.0.1', 'admin')).state).toBe('failed');
    // An admin who saves a form as it is has not looked at where this leads.
    await update(world.as('admin'), id, null, { name: 'Saved', destination: `${NAMED}/other` });
    expect((await sentBy(id, '127.0.0.1', 'admin')).state).toBe('failed');
    await update(world.as('admin'), id, null, { destination: NAMED });
    expect((await sentBy(id, '127.0.0.1', 'operator')).state).toBe('delivered');
  });

  test('what was saved before anybody asked who gave it goes where it is written, and no name leads inwards', async () => {
    const saved = async (destination: string): Promise<string> => {
      const { subscription } = await subscribe('admin', destination);
      const { secret_id: secretId } = await world.db
        .selectFrom('subscriptions')
        .select('secret_id')
        .where('id', '=', subscription.id)
        .executeTakeFirstOrThrow();
      await world.db
        .transaction()
        .execute((tx) => world.vault.seal(tx, secretId, { signingSecret: 'before', destination }));
      return subscription.id;
    };
    expect((await sentBy(await saved('http://127.0.0.1:9200/x'), '127.0.0.1', 'operator')).state).toBe('delivered');
    expect((await sentBy(await saved(NAMED), '127.0.0.1', 'operator')).state).toBe('failed');
    expect((await sentBy(await saved('https://0.0.0.0/x'), '0.0.0.0', 'operator')).state).toBe('failed');
  });
});
