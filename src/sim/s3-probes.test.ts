/** What is left of trials that were killed is taken away by the next one, and nothing that is not such a thing. */
import { expect, test } from 'vitest';
import type { Context } from '../contract/provider.ts';
import { s3 } from '../providers/s3/provider.ts';
import { createS3Service, type S3Service } from './s3-service.ts';
import { simTransport, type Seen } from './transport.ts';
import { seededRandom, simClock } from './world.ts';

const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';
const { signal } = new AbortController();
const AGE_MS = 15 * 60_000;

function world() {
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const service = createS3Service({
    clock,
    random: seededRandom(1),
    accounts: [{ accountId: '111111111111', users: [{ name: 'a', accessKeyId: 'AKA', secretAccessKey: SECRET }] }],
  });
  service.createBucket('box');
  let onAsked: (seen: Seen) => boolean = () => true;
  const context: Context = {
    // Whoever is killed hears of nothing any more, and asks for nothing.
    openTransport: simTransport(() => service, {
      clock,
      plan: (seen) => (onAsked(seen) ? null : { kind: 'reset' }),
    }),
    clock,
    random: seededRandom(2),
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
  const observe = async (runId: string, prefix = 'in/', below: string | null = null): Promise<unknown> => {
    const account = await s3.open({ accessKeyId: 'AKA', secretAccessKey: SECRET }, context);
    const target = await account.target({ container: 'box', prefix }, { facts: null, runId }, signal);
    return target.observe!(signal, below === null ? undefined : { below, seen: async () => undefined });
  };
  return { clock, service, observe, asked: (decide: typeof onAsked) => void (onAsked = decide) };
}

const left = (service: S3Service): string[] => [
  ...service.keys('box'),
  ...[...service.bucket('box').uploads.values()].map(({ key }) => `upload of ${key}`),
];

test('a trial that was killed leaves nothing behind the next one that comes a while later', async () => {
  const { clock, service, observe, asked } = world();
  let isDead = false;
  asked(({ request }) => {
    // After its upload was begun.
    isDead ||= request.operation === 'PART';
    return !isDead;
  });
  await expect(observe('abcdefgh')).rejects.toThrow();
  expect(left(service)).toEqual(['in/.drover-probe-abcdefgh-a', 'in/.drover-probe-abcdefgh-b', expect.anything()]);
  asked(() => true);
  // Whoever made it may be at it still.
  await observe('bcdefghi');
  expect(left(service)).toHaveLength(3);
  clock.advance(AGE_MS + 1);
  await observe('cdefghij');
  expect(left(service)).toEqual([]);
});

test('the same below a folder, where one is told to look for it', async () => {
  const { clock, service, observe, asked } = world();
  let isDead = false;
  asked(({ request }) => {
    isDead ||= request.operation === 'PART';
    return !isDead;
  });
  await expect(observe('abcdefgh', 'in/', 'deep/er/')).rejects.toThrow();
  expect(left(service)).toHaveLength(3);
  asked(() => true);
  clock.advance(AGE_MS + 1);
  await observe('bcdefghi');
  expect(left(service)).toEqual([
    'in/deep/er/.drover-probe-abcdefgh-a',
    'in/deep/er/.drover-probe-abcdefgh-b',
    'upload of in/deep/er/.drover-probe-abcdefgh-a',
  ]);
  await observe('cdefghij', 'in/', 'deep/er/');
  expect(left(service)).toEqual([]);
});

test('one whose upload has become an object, and one that is encrypted so that its ETag says nothing', async () => {
  const { clock, service, observe, asked } = world();
  let isDead = false;
  asked(({ request }) => {
    isDead ||= request.operation === 'HEAD';
    return !isDead;
  });
  await expect(observe('abcdefgh')).rejects.toThrow();
  const encrypted = service.put('box', 'in/.drover-probe-0123456789abcdef', 'drover probe');
  Object.defineProperty(encrypted, 'etag', { value: 'f'.repeat(32) });
  asked(() => true);
  clock.advance(AGE_MS + 1);
  await observe('bcdefghi');
  expect(left(service)).toEqual([]);
});

test('what only looks like that stays', async () => {
  const { clock, service, observe } = world();
  service.put('box', 'in/.drover-probe-abcdefgh-a', 'drover proof');
  const keys = [
    'in/.drover-probe-of-mine.txt',
    'in/.drover-probe-abcdefgh-c',
    'in/deeper/.drover-probe-abcdefgh-a',
    'other/.drover-probe-abcdefgh-a',
  ];
  for (const key of keys) service.put('box', key, 'small');
  service.put('box', 'in/.drover-probe-abcdefgh-b', 'x'.repeat(1_000));
  const before = left(service);
  clock.advance(2 * AGE_MS);
  await observe('bcdefghi');
  expect(left(service)).toEqual(before);
});
