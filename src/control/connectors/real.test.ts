/** The same on real servers: their own sign-ins, over real sockets, on loopback. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { openUndiciTransport } from '../../lib/undici-transport.ts';
import { azureBlob } from '../../providers/azure-blob/provider.ts';
import { s3 } from '../../providers/s3/provider.ts';
import type { CheckLine } from '../../contract/provider.ts';
import { RawStore } from '../../../test/raw-s3.ts';
import { openEndpoints } from '../endpoints/service.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { connectorOpener } from './open.ts';
import { openConnectors, type ConnectorService } from './service.ts';

const { azurite, rgw } = inject('servers');
const { signal } = new AbortController();

let world: TestWorld;
let connectors: ConnectorService;
beforeAll(async () => {
  world = await openTestWorld({ providers: [s3, azureBlob], openTransport: openUndiciTransport({}) });
  connectors = openConnectors(world);
});
afterAll(() => world.close());

const collect = async (lines: AsyncIterable<CheckLine>): Promise<string[]> => {
  const all: string[] = [];
  for await (const { what, result } of lines) all.push(`${what} ${result}`);
  return all;
};

test('Azurite: authorized with a key, a container made, an endpoint with what it honours', async () => {
  const admin = world.as('admin');
  const { endpoint, accountName, accountKey } = azurite;
  const config = { accountName, accountKey, endpoint };
  const wrong = { ...config, accountKey: Buffer.alloc(64, 1).toString('base64') };
  await expect(connectors.authorize(admin, { provider: 'azure-blob', config: wrong })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: 'accountKey',
  });
  const { id } = await connectors.authorize(admin, { provider: 'azure-blob', config });
  const container = `control-${randomBytes(6).toString('hex')}`;
  expect(await connectors.makeContainer(admin, id, container, signal)).toBe('made');
  const place = { container, prefix: 'in/' };
  expect(await collect(connectors.test(admin, id, place, 'both', signal))).toContain('write ok');
  const endpoints = openEndpoints(world, connectorOpener(world));
  const target = await endpoints.create(admin, { kind: 'target', connectorId: id, place }, signal);
  expect(target.fullPath).toBe(`${endpoint}/${container}/in/`);
  expect(target.facts).toMatchObject({ createOnly: 'honoured' });
});

describe.skipIf(rgw === null)('Ceph RGW', () => {
  const { endpoint, accessKeyId, secretAccessKey, otherAccessKeyId, otherSecretAccessKey, openRoleArn } = rgw ?? {
    endpoint: '',
    accessKeyId: '',
    secretAccessKey: '',
    otherAccessKeyId: '',
    otherSecretAccessKey: '',
    openRoleArn: '',
  };
  const store = { endpoint, region: 'us-east-1', pathStyle: true };

  test('a key, then another account by mistake: refused, because the bucket of an endpoint is not there', async () => {
    const admin = world.as('admin');
    const config = { ...store, accessKeyId, secretAccessKey };
    const { id, signedInAs } = await connectors.authorize(admin, { provider: 's3', config });
    expect(signedInAs).not.toBeNull();
    const wrong = { ...config, secretAccessKey: 'not-the-secret' };
    await expect(connectors.reauthorize(admin, id, null, wrong)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'secretAccessKey',
    });
    const bucket = `control-${randomBytes(6).toString('hex')}`;
    expect(await connectors.makeContainer(admin, id, bucket, signal)).toBe('made');
    const endpoints = openEndpoints(world, connectorOpener(world));
    const place = { container: bucket, prefix: '' };
    const target = await endpoints.create(admin, { kind: 'target', connectorId: id, place }, signal);
    expect(target).toMatchObject({ fullPath: `s3://${bucket}/`, facts: { createOnly: 'honoured' } });
    await new RawStore({ endpoint, accessKeyId, secretAccessKey }).send('DELETE', bucket, null);
    const other = { ...store, accessKeyId: otherAccessKeyId, secretAccessKey: otherSecretAccessKey };
    await expect(connectors.reauthorize(admin, id, null, other)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(bucket) as string,
    });
  });

  test('a role', async () => {
    const config = {
      ...store,
      authorization: 'iam-role',
      accessKeyId: otherAccessKeyId,
      secretAccessKey: otherSecretAccessKey,
      roleArn: openRoleArn,
    };
    const made = await connectors.authorize(world.as('admin'), { provider: 's3', config });
    expect(made).toMatchObject({ health: 'healthy' });
    expect(made.check.some(({ what, field }) => what === 'identity' && field === 'externalId')).toBe(true);
    const absent = { ...config, roleArn: `${openRoleArn}-absent` };
    await expect(connectors.authorize(world.as('admin'), { provider: 's3', config: absent })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'roleArn',
    });
  });
});
