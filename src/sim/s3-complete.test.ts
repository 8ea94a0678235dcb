/** Completing an upload in parts: what the store can compare, it compares before anything is visible. */
import { describe, expect, test } from 'vitest';
import type { Target, WriteOptions } from '../contract/provider.ts';
import { digestOf } from '../lib/hash.ts';
import type { Digests } from '../model/digest.ts';
import { NO_PROPERTIES } from '../model/entry.ts';
import { s3 } from '../providers/s3/provider.ts';
import { createS3Service } from './s3-service.ts';
import { simTransport } from './transport.ts';
import type { Fault, Seen } from './transport.ts';
import { seededRandom, simClock } from './world.ts';

const { signal } = new AbortController();
const ALICE = { accessKeyId: 'AKALICE', secretAccessKey: 'a-secret-that-opens-nothing' };
const PARTS = [Buffer.alloc(5, 'a'), Buffer.alloc(5, 'b'), Buffer.from('c')];
const WHOLE = Buffer.concat(PARTS);

async function opened(given: { dialect?: 'aws' | 'rgw'; plan?: (seen: Seen) => Fault | null } = {}) {
  const clock = simClock();
  const dialect = given.dialect ?? 'aws';
  const service = createS3Service({
    clock,
    random: seededRandom(1),
    dialect,
    partBytesMin: 5,
    accounts: [{ accountId: '111111111111', users: [{ name: 'alice', ...ALICE }] }],
  });
  service.createBucket('box');
  service.put('box', 'k', 'the old state');
  const completions: Readonly<Record<string, string>>[] = [];
  const account = await s3.open(
    dialect === 'aws' ? ALICE : { ...ALICE, endpoint: 'https://store.test', pathStyle: true },
    {
      openTransport: simTransport(() => service, {
        clock,
        plan: (seen) => {
          if (seen.request.operation === 'COMPLETE') completions.push(seen.request.headers);
          return given.plan?.(seen) ?? null;
        },
      }),
      clock,
      random: seededRandom(2),
      log: () => undefined,
      environment: {},
      saveAccount: async () => undefined,
    },
  );
  const target = await account.target({ container: 'box', prefix: '' }, { facts: null, runId: 'completing' }, signal);
  return { service, target, completions };
}

function options(digests: Digests): WriteOptions {
  return {
    properties: NO_PROPERTIES,
    digests,
    expect: { kind: 'any' },
    modifiedAtMs: null,
    recorded: null,
    storageClass: null,
    kind: 'object',
    signal,
  };
}

async function upload(target: Target, digests: Digests) {
  const parts = target.facets.parts!;
  const begun = await parts.begin('k', WHOLE.length, 5, options(digests));
  const receipts = [];
  for (const [index, content] of PARTS.entries()) {
    receipts.push(await parts.put(begun, index, { sizeBytes: content.length, content }, {}, signal));
  }
  return parts.complete(begun, receipts, options(digests));
}

describe.each(['crc64nvme', 'crc32c', 'crc32'] as const)('a %s that is known beforehand', (kind) => {
  test('is compared at completion: with a wrong one the old object is never replaced', async () => {
    const { service, target } = await opened();
    const wrong = digestOf(kind, Buffer.from('something else'));
    const versions: (string | undefined)[] = [];
    const watched = service.bucket('box').objects;
    const set = watched.set.bind(watched);
    watched.set = (key, value) => {
      versions.push(value[0]?.etag);
      set(key, value);
    };
    await expect(upload(target, { [kind]: wrong })).rejects.toMatchObject({ code: 'CORRUPTED' });
    expect(versions).toEqual([]);
    expect(service.bytes('box', 'k')?.toString()).toBe('the old state');
  });

  test('proves the content where it is right', async () => {
    const { service, target } = await opened();
    const written = await upload(target, { [kind]: digestOf(kind, WHOLE) });
    expect(written.proved[kind]).toBe(digestOf(kind, WHOLE));
    expect(service.bytes('box', 'k')).toEqual(WHOLE);
  });
});

test('the size of the whole is told, where the store is known to compare it', async () => {
  const { target, completions } = await opened();
  await upload(target, {});
  expect(completions.at(-1)).toMatchObject({ 'x-amz-mp-object-size': String(WHOLE.length) });
  const facts = await target.observe!(signal);
  expect(facts.sizeOnComplete).toBe('honoured');
});

test('a store that refuses the checksum of the whole gets the completion without it', async () => {
  const names = (seen: Seen) => Object.keys(seen.request.headers);
  const { service, target, completions } = await opened({
    plan: (seen) =>
      seen.request.operation === 'COMPLETE' && names(seen).includes('x-amz-checksum-crc64nvme')
        ? { kind: 'status', status: 400, code: 'InvalidRequest' }
        : null,
  });
  const digests = { crc64nvme: digestOf('crc64nvme', WHOLE) };
  await upload(target, digests);
  expect(service.bytes('box', 'k')).toEqual(WHOLE);
  await upload(target, digests);
  expect(completions.map((headers) => 'x-amz-checksum-crc64nvme' in headers)).toEqual([true, false, false]);
});

test('a store that ignores checksums is sent neither checksum nor size', async () => {
  const { service, target, completions } = await opened({ dialect: 'rgw' });
  const facts = await target.observe!(signal);
  expect(facts.sizeOnComplete).not.toBe('honoured');
  completions.length = 0;
  await upload(target, { crc64nvme: digestOf('crc64nvme', WHOLE) });
  expect(Object.keys(completions[0]!).filter((name) => /checksum|mp-object/.test(name))).toEqual([]);
  expect(service.bytes('box', 'k')).toEqual(WHOLE);
});
