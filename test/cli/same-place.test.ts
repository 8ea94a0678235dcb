/** `copy` and `sync` never hit their own source, by whatever key or address the bucket is reached. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { createS3Service, type S3Service } from '../../src/sim/s3-service.ts';
import { serveOnLoopback, type ServedService } from '../../src/sim/serve.ts';
import { openTestWorld, type TestWorld } from './world.ts';

const CONTENT = ['other', 'x/one', 'x/two'];

let service: S3Service;
let store: ServedService;
let world: TestWorld;
let bucket: string;
let made = 0;

function openService(): S3Service {
  const user = (key: string) => ({ name: key, accessKeyId: key, secretAccessKey: 'secret' });
  return createS3Service({
    clock: systemClock,
    random: systemRandom,
    accounts: [
      { accountId: '111122223333', users: [user('AKALICE')] },
      { accountId: '444455556666', users: [user('AKBOB')] },
    ],
  });
}

beforeAll(async () => {
  service = openService();
  store = await serveOnLoopback(service);
});
afterAll(() => store.close());
beforeEach(async () => {
  bucket = `b${++made}`;
  service.createBucket(bucket, { sharedWith: ['444455556666'] });
  for (const key of CONTENT) service.put(bucket, key, key);
  world = openTestWorld([s3]);
  const alias = store.origin.replace('127.0.0.1', 'localhost');
  await add('alice', store.origin, 'AKALICE');
  await add('bob', store.origin, 'AKBOB');
  await add('alias', alias, 'AKALICE');
});
afterEach(() => world.remove());

async function add(name: string, endpoint: string, key: string): Promise<void> {
  const words = [
    '--endpoint',
    endpoint,
    '--region',
    'us-east-1',
    '--access-key-id',
    key,
    '--secret-access-key',
    'secret',
  ];
  expect((await world.call('connector', 'add', 's3', name, ...words, '--path-style')).exit).toBe(0);
}

describe.each(['copy', 'sync'])('%s', (command) => {
  test.each([
    ['the same place by the key of another account', 'alice:', 'bob:'],
    ['below the target', 'alice:/x', 'bob:'],
    ['around the target', 'bob:', 'alice:/x'],
    ['the same place by another address', 'alice:', 'alias:'],
    ['below the target by another address', 'alice:/x', 'alias:'],
    ['around the target by another address', 'alias:', 'alice:/x'],
  ])('%s', async (_where, source, target) => {
    const at = (words: string): string => words.replace(':', `:${bucket}`);
    const called = await world.json(command, at(source), at(target));
    expect(called).toMatchObject({ exit: 2, summary: { error: { code: 'PLACES_OVERLAP' } } });
    expect(service.keys(bucket)).toEqual(CONTENT);
  });
});

test('an object is copied beside itself by another address, and places beside each other are none of it', async () => {
  for (const [source, target] of [
    [`alice:${bucket}/x`, `alias:${bucket}/y`],
    [`alice:${bucket}/other`, `alias:${bucket}/sub`],
  ] as const) {
    expect((await world.json('copy', source, target)).summary).toMatchObject({ state: 'succeeded', error: null });
  }
  expect(service.keys(bucket)).toEqual([...CONTENT, 'sub/other', 'y/one', 'y/two'].toSorted());
});

test('an address that leads to the source since the last run: a mirror deletes nothing', async () => {
  const other = openService();
  let current = other;
  const turning = await serveOnLoopback({ handle: (request) => current.handle(request) });
  await using closing = new AsyncDisposableStack();
  closing.defer(() => turning.close());
  other.createBucket(bucket);
  await add('turning', turning.origin, 'AKALICE');
  const sync = () => world.json('sync', `alice:${bucket}/x`, `turning:${bucket}`, '--max-delete', '100%');
  expect((await sync()).summary).toMatchObject({ state: 'succeeded', error: null });
  expect(other.keys(bucket)).toEqual(['one', 'two']);
  current = service;
  expect((await sync()).summary).toMatchObject({ error: { code: 'PLACES_OVERLAP' } });
  expect(service.keys(bucket)).toEqual(CONTENT);
  // Beside it, it is a target like any other.
  current = other;
  expect((await sync()).summary).toMatchObject({ state: 'succeeded', error: null });
});
