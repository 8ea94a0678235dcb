import { expect, test } from 'vitest';
import { identitiesOverlap } from '../../contract/places.ts';
import type { Config } from '../../contract/fields.ts';
import type { PlaceIdentity } from '../../contract/provider.ts';
import { systemClock, systemRandom } from '../../lib/system.ts';
import { azureBlob } from './provider.ts';

const KEY = { accountKey: Buffer.alloc(64, 7).toString('base64') };
const SIGNATURE = { sasToken: 'sv=2024-11-04&se=2099-01-01T00%3A00%3A00Z&sig=x' };

async function at(config: Config, prefix = 'a/'): Promise<PlaceIdentity> {
  await using account = await azureBlob.open(config, {
    openTransport: () => ({ send: () => Promise.reject(new Error('no network')), close: async () => undefined }),
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  });
  return account.identify({ container: 'photos', prefix });
}

const blob = (name: string, scheme = 'https'): string => `${scheme}://${name}.blob.core.windows.net`;

test.each<[string, Config, Config, boolean]>([
  ['a key and a signature', { accountName: 'acme', ...KEY }, { accountName: 'acme', ...SIGNATURE }, true],
  ['its name and its address', { accountName: 'acme', ...KEY }, { endpoint: blob('acme'), ...SIGNATURE }, true],
  ['the address without TLS', { endpoint: blob('acme'), ...KEY }, { endpoint: blob('acme', 'http'), ...KEY }, true],
  ['the second region', { endpoint: blob('acme'), ...KEY }, { endpoint: blob('acme-secondary'), ...SIGNATURE }, true],
  ['another account', { accountName: 'acme', ...KEY }, { accountName: 'acme2', ...KEY }, false],
])('a container is the same by %s: %#', async (_how, one, other, expected) => {
  expect(identitiesOverlap(await at(one), null, await at(other, 'a/b/'))).toBe(expected);
});
