/** In a file of its own: the vendor's library finds out once per process which kind of machine it runs on. */
import { expect, test, vi } from 'vitest';
import { systemClock } from '../../lib/system.ts';
import { answering, plainServer, type Told } from '../../../test/token-servers.ts';
import { tokensOf } from './testing.ts';

const { signal } = new AbortController();

test('a managed identity gets its token from an App Service', async () => {
  const told: Told[] = [];
  const expiresOn = String(Math.floor(systemClock.now() / 1000) + 3600);
  const address = await plainServer(
    answering(told, () => ({ body: { access_token: 'of-the-service', expires_on: expiresOn, token_type: 'Bearer' } })),
  );
  vi.stubEnv('IDENTITY_ENDPOINT', `http://${address}/msi/token`);
  vi.stubEnv('IDENTITY_HEADER', 'proof');
  const config = { accountName: 'contosodata', authorization: 'managed-identity', clientId: 'mine' };
  expect(await tokensOf(config)(signal)).toBe('of-the-service');
  expect(told.at(-1)?.headers['x-identity-header']).toBe('proof');
  expect(told.at(-1)?.line).toContain('client_id=mine');
});
