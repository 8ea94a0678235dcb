/** In a bucket that keeps versions trials leave none where they may be removed, and no growing heap where they may not. */
import { describe, expect, test } from 'vitest';
import type { CheckLine, Context, TargetFacts } from '../contract/provider.ts';
import { NO_PROPERTIES } from '../model/entry.ts';
import { s3 } from '../providers/s3/provider.ts';
import { createS3Service, type S3Service } from './s3-service.ts';
import { simTransport } from './transport.ts';
import { seededRandom, simClock } from './world.ts';

const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';
const { signal } = new AbortController();
const PLACE = { container: 'box', prefix: 'in/' };
const PROBE = '.drover-probe-';

type Right = 'all' | 'no versions' | 'only trials';

function world(settings: Parameters<S3Service['createBucket']>[1], right: Right, dialect: 'aws' | 'rgw' = 'aws') {
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const objects = ['s3:GetObject*', 's3:PutObject*', 's3:DeleteObject', 's3:AbortMultipartUpload', 's3:List*'];
  const trials = { actions: ['s3:DeleteObjectVersion'], prefix: `in/${PROBE}` };
  const grants = { all: 'all', 'no versions': [{ actions: objects }], 'only trials': [{ actions: objects }, trials] };
  const user = { name: 'a', accessKeyId: 'AKA', secretAccessKey: SECRET, grants: grants[right] as 'all' };
  const service = createS3Service({
    clock,
    random: seededRandom(1),
    dialect,
    accounts: [{ accountId: '111111111111', users: [user] }],
    virtualHostBases: ['s3.test'],
  });
  service.createBucket('box', settings);
  const context: Context = {
    openTransport: simTransport(() => service, { clock }),
    clock,
    random: seededRandom(2),
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
  const config = { accessKeyId: 'AKA', secretAccessKey: SECRET };
  const open = () => s3.open(dialect === 'aws' ? config : { ...config, endpoint: 'http://s3.test' }, context);
  let runs = 0;
  return {
    service,
    clock,
    async check(): Promise<readonly CheckLine[]> {
      const lines: CheckLine[] = [];
      for await (const line of (await open()).check(PLACE, 'write', signal)) lines.push(line);
      return lines;
    },
    target: async () => (await open()).target(PLACE, { facts: null, runId: 'abcdefgh' }, signal),
    async observe(): Promise<TargetFacts> {
      const target = await (await open()).target(PLACE, { facts: null, runId: `abcdefgh${++runs}` }, signal);
      return target.observe!(signal);
    },
  };
}

/** Of all keys. */
function left(service: S3Service): { readonly versions: number; readonly markers: number; readonly keys: number } {
  const { objects } = service.bucket('box');
  const all = objects.keys().map((key) => objects.get(key) ?? []);
  const flat = all.flat();
  const markers = flat.filter(({ deleteMarker }) => deleteMarker).length;
  return { versions: flat.length - markers, markers, keys: all.filter((versions) => versions.length > 0).length };
}

const NONE = { versions: 0, markers: 0, keys: 0 };
const results = (lines: readonly CheckLine[], what: CheckLine['what']) =>
  lines.filter((line) => line.what === what).map(({ result }) => result);

describe.each(['aws', 'rgw'] as const)('%s', (dialect) => {
  test.each<[Parameters<S3Service['createBucket']>[1], Right]>([
    [{ versioning: 'off' }, 'all'],
    [{ versioning: 'Enabled' }, 'all'],
    [{ versioning: 'Suspended' }, 'all'],
    [{ versioning: 'Enabled' }, 'only trials'],
  ])('%j with the right to %s: nothing stays', async (settings, right) => {
    const { service, check, observe } = world(settings, right, dialect);
    const facts = await observe();
    expect(left(service)).toEqual(NONE);
    const lines = await check();
    expect(left(service)).toEqual(NONE);
    expect([results(lines, 'write'), results(lines, 'delete'), results(lines, 'tags')]).toEqual([
      ['ok'],
      ['ok'],
      ['ok'],
    ]);
    expect(results(lines, 'fact')).toEqual([]);
    const keepsVersions = settings?.versioning === 'Enabled';
    expect(facts).toEqual({ ...(await world({ versioning: 'off' }, 'all', dialect).observe()), keepsVersions });
  });
});

describe.each<[string, Parameters<S3Service['createBucket']>[1], Right]>([
  ['versions that may not be removed', { versioning: 'Enabled' }, 'no versions'],
  ['a default retention', { versioning: 'Enabled', retainsAll: true }, 'all'],
])('%s', (_, settings, right) => {
  test('checks leave one hidden object at most, however often, and say so', async () => {
    const { service, check } = world(settings, right);
    for (let times = 0; times < 5; times += 1) {
      const lines = await check();
      expect([results(lines, 'write'), results(lines, 'delete'), results(lines, 'tags')]).toEqual([
        ['ok'],
        ['ok'],
        ['ok'],
      ]);
      expect(lines.filter(({ what }) => what === 'fact')).toEqual([
        expect.objectContaining({
          result: 'warning',
          message: expect.stringContaining('in/.drover-probe-check'),
          remedy: expect.stringContaining('s3:DeleteObjectVersion on arn:aws:s3:::box/in/*.drover-probe-*'),
        }),
      ]);
      expect(left(service)).toEqual({ versions: 1, markers: 1, keys: 1 });
      expect(service.keys('box')).toEqual([]);
    }
  });

  test('what stayed goes as soon as it may', async () => {
    const { service, check, clock } = world(settings, right);
    await check();
    expect(left(service).versions).toBe(1);
    const later = world({ versioning: 'Enabled' }, 'all');
    later.clock.advance(clock.now() - later.clock.now());
    for (const [key, versions] of [...service.bucket('box').objects.keys()].map(
      (name) => [name, service.bucket('box').objects.get(name) ?? []] as const,
    )) {
      later.service.bucket('box').objects.set(key, versions);
    }
    const lines = await later.check();
    expect(left(later.service)).toEqual(NONE);
    expect(results(lines, 'fact')).toEqual([]);
  });

  test('trying the store out leaves one small version each time, and finds out the same', async () => {
    const { service, observe } = world(settings, right);
    const facts = await observe();
    expect(left(service)).toEqual({ versions: 1, markers: 1, keys: 1 });
    expect(service.keys('box')).toEqual([]);
    expect(service.bucket('box').uploads.size).toBe(0);
    const free = await world({ versioning: 'off' }, 'all').observe();
    expect({ ...facts, observedAtMs: 0 }).toEqual({ ...free, observedAtMs: 0, keepsVersions: true });
  });

  test('at a store of which less is known it leaves few, and nothing that can be seen', async () => {
    const { service, observe, check } = world(settings, right, 'rgw');
    const facts = await observe();
    expect(left(service).versions).toBeLessThanOrEqual(4);
    expect(left(service).keys).toBeLessThanOrEqual(2);
    expect(service.keys('box')).toEqual([]);
    expect(facts.matchOnWrite).toBe('honoured');
    expect(facts.etagQuotes).toBe('unquoted');
    const { versions } = left(service);
    await check();
    await check();
    await check();
    expect(left(service).versions).toBeLessThanOrEqual(versions + 1);
    expect(service.keys('box')).toEqual([]);
  });
});

test.each(['aws', 'rgw'] as const)('what a run tries out by itself leaves no version either (%s)', async (dialect) => {
  const { service, target } = world({ versioning: 'Enabled' }, 'all', dialect);
  const to = await target();
  const write = async (key: string) => {
    const content = Buffer.from('drover probe', 'utf8');
    const options = {
      properties: NO_PROPERTIES,
      digests: {},
      expect: { kind: 'any' },
      kind: 'object',
      signal,
    } as const;
    const more = { modifiedAtMs: null, recorded: null, storageClass: null };
    return (await to.write(key, { sizeBytes: content.length, content }, { ...options, ...more })).entry;
  };
  for (const name of ['.drover-probe-0123456789abcdef', 'deep/.drover-probe-0123456789abcdef']) {
    const entry = await write(name);
    expect(await to.facets.removal!.remove(entry, signal)).toBe('removed');
    expect(left(service)).toEqual(NONE);
  }
  // Whatever else is deleted keeps its versions.
  await to.facets.removal!.remove(await write('.drover-probe-mine'), signal);
  expect(left(service)).toEqual({ versions: 1, markers: 1, keys: 1 });
});

test('an object of somebody else who chose that very name stays as it is', async () => {
  const { service, check } = world({ versioning: 'Enabled' }, 'all');
  service.put('box', 'in/.drover-probe-check', 'mine, and longer than that');
  const lines = await check();
  expect(results(lines, 'delete')).toEqual(['ok']);
  expect(left(service)).toEqual({ versions: 1, markers: 0, keys: 1 });
  expect(service.keys('box')).toEqual(['in/.drover-probe-check']);
});
