/** Real sign-ins by the vendor's library, at stand-ins for Entra ID and for a machine's metadata service. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { answering, connectProxy, plainServer, secureServer, type Told } from '../../../test/token-servers.ts';
import { tokensOf } from './testing.ts';

const { signal } = new AbortController();
const TENANT = '11111111-2222-3333-4444-555555555555';
const APP = { accountName: 'contosodata', tenantId: TENANT, clientId: 'app-1', clientSecret: 'hush-hush' };

afterEach(() => vi.unstubAllEnvs());

/** What Entra ID says of itself, and a token for whoever shows the right secret. */
function entra(origin: () => string, told: Told[]) {
  return answering(told, ({ line, body }) => {
    if (line.includes('/.well-known/openid-configuration')) {
      const base = `${origin()}/${TENANT}`;
      return {
        body: {
          issuer: `${base}/v2.0`,
          authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
          token_endpoint: `${base}/oauth2/v2.0/token`,
          jwks_uri: `${base}/discovery/v2.0/keys`,
        },
      };
    }
    if (!line.startsWith('POST ')) return { status: 404, body: { error: 'not_found' } };
    const form = new URLSearchParams(body);
    if (form.get('client_secret') !== APP.clientSecret) {
      const text = 'AADSTS7000215: Invalid client secret provided.';
      return { status: 401, body: { error: 'invalid_client', error_description: text, error_codes: [7000215] } };
    }
    return { body: { token_type: 'Bearer', expires_in: 3599, access_token: `token-for-${form.get('scope')}` } };
  });
}

describe('a client secret', () => {
  test('gets a token from an authority of another cloud, whose certificate a field makes known', async () => {
    const told: Told[] = [];
    let origin = '';
    const { address, caCertificate } = await secureServer(entra(() => origin, told));
    origin = `https://${address}`;
    const token = await tokensOf({ ...APP, authority: origin, caCertificate })(signal);
    expect(token).toMatch(/^token-for-https:\/\/storage\.azure\.com\/\.default/);
    expect(told.at(-1)?.line).toContain(`POST /${TENANT}/oauth2/v2.0/token`);
  });

  test('finds the authority in the environment too', async () => {
    const told: Told[] = [];
    let origin = '';
    const { address, caCertificate } = await secureServer(entra(() => origin, told));
    origin = `https://${address}`;
    const token = tokensOf({ ...APP, caCertificate }, { AZURE_AUTHORITY_HOST: origin });
    expect(await token(signal)).toContain('token-for-');
  });

  test('goes through the proxy of the environment', async () => {
    const told: Told[] = [];
    const name = 'login.entra.test';
    const { address, caCertificate } = await secureServer(
      entra(() => `https://${name}`, told),
      [name],
    );
    const proxy = await connectProxy(address);
    const token = tokensOf(
      { ...APP, authority: `https://${name}`, caCertificate },
      { HTTPS_PROXY: `http://${proxy.address}` },
    );
    expect(await token(signal)).toContain('token-for-');
    expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT ${name}:443`]));
  });

  test('an unknown authority, a wrong secret and nobody there are three different errors', async () => {
    const told: Told[] = [];
    let origin = '';
    const { address, caCertificate } = await secureServer(entra(() => origin, told));
    origin = `https://${address}`;
    await expect(tokensOf({ ...APP, authority: origin })(signal)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      field: 'caCertificate',
      message: expect.stringContaining('is not trusted'),
    });
    const wrong = { ...APP, clientSecret: 'nonsense', authority: origin, caCertificate };
    await expect(tokensOf(wrong)(signal)).rejects.toMatchObject({ code: 'UNAUTHENTICATED', field: 'clientSecret' });
    await expect(tokensOf({ ...APP, authority: 'https://127.0.0.1:1' })(signal)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('Nothing listens at 127.0.0.1:1'),
    });
  });

  test('an authority in the open is refused before anything is sent', () => {
    expect(() => tokensOf({ ...APP, authority: 'http://login.example' })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field: 'authority' }),
    );
  });
});

describe('a managed identity', () => {
  const config = { accountName: 'contosodata', authorization: 'managed-identity' };

  test('gets its token from the metadata service of the instance, past every proxy', async () => {
    const told: Told[] = [];
    const address = await plainServer(
      answering(told, () => ({ body: { access_token: 'of-the-machine', expires_in: '3600', token_type: 'Bearer' } })),
    );
    const proxy = await connectProxy('127.0.0.1:1');
    vi.stubEnv('AZURE_POD_IDENTITY_AUTHORITY_HOST', `http://${address}`);
    const environment = { HTTP_PROXY: `http://${proxy.address}`, HTTPS_PROXY: `http://${proxy.address}` };
    expect(await tokensOf(config, environment)(signal)).toBe('of-the-machine');
    expect(told.at(-1)?.headers['metadata']).toBe('true');
    expect(told.at(-1)?.line).toContain('resource=https');
    expect(proxy.asked).toEqual([]);
  });
});
