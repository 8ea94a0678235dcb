import { afterAll, beforeAll, expect, test } from 'vitest';
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
  for (const host of ['localhost:8443', 'app.localhost', '127.8.9.1', '[::ffff:127.0.0.1]', 'LOCALHOST.']) {
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
