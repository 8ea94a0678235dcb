/** What `connector add` and `connector test` make of what a store answers: saved, saved with a warning, or refused. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { azureBlob } from '../../src/providers/azure-blob/provider.ts';
import { local } from '../../src/providers/local/provider.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { createS3Service, type Grant } from '../../src/sim/s3-service.ts';
import { serveOnLoopback, type ServedService } from '../../src/sim/serve.ts';
import { openTestWorld, type TestWorld } from './world.ts';

const ACTIONS = {
  reader: ['s3:ListBucket', 's3:GetObject', 's3:GetObjectTagging', 's3:GetBucketLocation'],
  writer: ['s3:PutObject', 's3:PutObjectTagging', 's3:DeleteObject'],
  nobody: ['s3:GetBucketLocation'],
} as const;

let store: ServedService;
/** Answers a wrong secret as it answers a missing right, and tells nobody who signs; as Ceph does. */
let mute: Server;
let world: TestWorld;

beforeAll(async () => {
  const users = Object.entries(ACTIONS).map(([name, actions]) => ({
    name,
    accessKeyId: `AK${name.toUpperCase()}`,
    secretAccessKey: `secret-of-${name}`,
    grants: [{ actions, buckets: ['photos'] }] satisfies Grant[],
  }));
  const owner = { name: 'owner', accessKeyId: 'AKOWNER', secretAccessKey: 'secret-of-owner' };
  const service = createS3Service({
    clock: systemClock,
    random: systemRandom,
    accounts: [{ accountId: '111122223333', users: [owner, ...users] }],
  });
  service.createBucket('photos');
  service.put('photos', 'a.jpg', 'content');
  store = await serveOnLoopback(service);
  mute = createServer((_request, response) => {
    response.writeHead(403, { 'content-type': 'application/xml' });
    response.end('<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message></Message></Error>');
  });
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  await store.close();
  mute.closeAllConnections();
  await new Promise((resolve) => mute.close(resolve));
});

beforeEach(() => {
  world = openTestWorld([s3, azureBlob, local]);
});
afterEach(() => world.remove());

const muteOrigin = (): string => `http://127.0.0.1:${(mute.address() as AddressInfo).port}`;

function s3Words(endpoint: string, user: string, secret: string): string[] {
  return ['--endpoint', endpoint, '--region', 'us-east-1', '--access-key-id', user, '--secret-access-key', secret];
}

async function isSaved(name: string): Promise<boolean> {
  return (await world.call('connector', 'show', name)).exit === 0;
}

describe('add', () => {
  test.each([
    ['a wrong secret', 'AKOWNER', 'wrong', 'secretAccessKey'],
    ['an unknown key', 'AKSTRANGER', 'wrong', 'accessKeyId'],
  ])('refuses %s and names the field, unless it is not to check', async (_what, user, secret, field) => {
    const words = ['connector', 'add', 's3', 'fresh', ...s3Words(store.origin, user, secret)];
    const called = await world.json(...words);
    expect(called).toMatchObject({ exit: 2, summary: { state: 'failed', error: { code: 'UNAUTHENTICATED', field } } });
    expect(called.stderr).toContain('Nothing was saved; --no-check saves it as it is.');
    expect(await isSaved('fresh')).toBe(false);
    expect((await world.json(...words, '--no-check')).exit).toBe(0);
    expect(await isSaved('fresh')).toBe(true);
  });

  test('refuses an account key that the service does not accept', async () => {
    const { endpoint, accountName } = inject('servers').azurite;
    const key = Buffer.alloc(64).toString('base64');
    const words = ['--endpoint', endpoint, '--account-name', accountName, '--account-key', key];
    const called = await world.json('connector', 'add', 'azure-blob', 'az', ...words);
    expect(called).toMatchObject({ exit: 2, summary: { error: { code: 'UNAUTHENTICATED', field: 'accountKey' } } });
    expect(await isSaved('az')).toBe(false);
  });

  test('refuses an address at which nobody answers', async () => {
    const called = await world.json('connector', 'add', 's3', 'gone', ...s3Words('http://127.0.0.1:9', 'AKX', 'x'));
    expect(called).toMatchObject({ exit: 2, summary: { error: { field: 'endpoint' } } });
    expect(await isSaved('gone')).toBe(false);
  });

  test.each([
    ['without a bucket', [], 'the store did not say who signs', 'drover connector test quiet:bucket'],
    ['with a bucket', ['--bucket', 'photos'], 'no request on the bucket "photos" was allowed', 'quiet:photos'],
  ])('where nothing confirms the sign-in, %s, saves it with a warning', async (_how, more, why, remedy) => {
    const words = [...s3Words(muteOrigin(), 'AKX', 'perhaps'), ...more];
    const called = await world.call('connector', 'add', 's3', 'quiet', ...words, '--quiet');
    expect(called.exit, called.stderr).toBe(0);
    expect(called.stdout).toContain(`!   Nothing confirmed the sign-in: ${why}.`);
    expect(called.stdout).toContain(remedy);
    expect(await isSaved('quiet')).toBe(true);
    const json = await world.json('connector', 'add', 's3', 'quiet', ...words, '--replace');
    expect(json.lines).toContainEqual(
      expect.objectContaining({
        type: 'check',
        what: 'identity',
        result: 'warning',
        remedy: expect.stringContaining(remedy),
      }),
    );
  });

  test.each(['AKOWNER', 'AKREADER', 'AKWRITER'])('of %s on the one bucket is confirmed', async (user) => {
    const words = s3Words(store.origin, user, `secret-of-${user.slice(2).toLowerCase()}`);
    const called = await world.call('connector', 'add', 's3', 'good', ...words, '--bucket', 'photos');
    expect(called.exit, called.stderr).toBe(0);
    expect(called.stdout).not.toContain('Nothing confirmed');
  });
});

describe('test', () => {
  const addUser = async (user: string): Promise<void> => {
    const words = s3Words(store.origin, `AK${user.toUpperCase()}`, `secret-of-${user}`);
    await world.call('connector', 'add', 's3', user, ...words, '--no-check');
  };

  test.each([
    ['owner', 'both', 0],
    ['owner', 'read', 0],
    ['owner', 'write', 0],
    ['reader', 'both', 0],
    ['reader', 'read', 0],
    ['reader', 'write', 2],
    ['writer', 'both', 0],
    ['writer', 'write', 0],
    ['writer', 'read', 2],
    ['nobody', 'both', 2],
    ['nobody', 'read', 2],
    ['nobody', 'write', 2],
  ])('of the %s for %s ends with %i', async (user, use, exit) => {
    await addUser(user);
    const called = await world.json('connector', 'test', `${user}:photos`, '--use', use);
    expect(called.exit, called.stdout).toBe(exit);
    expect(called.summary.state).toBe(exit === 0 ? 'succeeded' : 'failed');
    expect(called.summary.error?.code ?? null).toBe(exit === 0 ? null : 'PERMISSION_DENIED');
  });

  test('of a place that is not there ends with 2', async () => {
    await addUser('owner');
    expect((await world.json('connector', 'test', 'owner:nothing')).exit).toBe(2);
    await world.call('connector', 'add', 'local', 'disk', '--no-check');
    const folder = await world.json('connector', 'test', `disk:${world.folder}/nothing`, '--use', 'read');
    expect(folder).toMatchObject({ exit: 2, summary: { error: { code: 'PLACE_NOT_FOUND' } } });
  });

  test('of wrong credentials ends with 2 and names the field', async () => {
    await world.call('connector', 'add', 's3', 'bad', ...s3Words(store.origin, 'AKOWNER', 'wrong'), '--no-check');
    const called = await world.json('connector', 'test', 'bad');
    expect(called).toMatchObject({
      exit: 2,
      summary: { error: { code: 'UNAUTHENTICATED', field: 'secretAccessKey' } },
    });
    const { endpoint, accountName } = inject('servers').azurite;
    const key = Buffer.alloc(64).toString('base64');
    const words = ['--endpoint', endpoint, '--account-name', accountName, '--account-key', key, '--no-check'];
    await world.call('connector', 'add', 'azure-blob', 'az', ...words);
    const azure = await world.json('connector', 'test', 'az');
    expect(azure).toMatchObject({ exit: 2, summary: { error: { code: 'UNAUTHENTICATED', field: 'accountKey' } } });
  });

  test('where nothing confirms the sign-in says so; refused at a place, it ends with 2', async () => {
    await world.call('connector', 'add', 's3', 'quiet', ...s3Words(muteOrigin(), 'AKX', 'perhaps'), '--no-check');
    const alone = await world.call('connector', 'test', 'quiet');
    expect(alone).toMatchObject({ exit: 0, stdout: expect.stringContaining('Nothing confirmed the sign-in') });
    expect((await world.json('connector', 'test', 'quiet:photos')).exit).toBe(2);
  });
});
