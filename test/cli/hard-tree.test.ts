/**
 * The main job on the hardest tree: every hard name, headers, tags, metadata, parts and markers, from Ceph's S3 gateway
 * to another bucket, a container and a folder. Every object is copied or named with a reason; then nothing differs, and
 * a second run asks for nothing but listings.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { hardNames } from '../../src/conformance/hard-names.ts';
import { parseConfig } from '../../src/contract/config.ts';
import type { Account, Target, WriteOptions } from '../../src/contract/provider.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { openUndiciTransport } from '../../src/lib/undici-transport.ts';
import type { Properties } from '../../src/model/entry.ts';
import { DroverError } from '../../src/model/errors.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { connectorsOf, runDrover, type Outcome } from './command.ts';

const servers = inject('servers');
const MIB = 1024 * 1024;
const bucket = `hard-${Date.now().toString(36)}`;
const never = new AbortController().signal;

const PROPERTIES: Properties = {
  headers: {
    contentType: 'text/plain; charset=utf-8',
    contentEncoding: 'gzip',
    contentLanguage: 'de',
    contentDisposition: 'attachment; filename="a b.txt"',
    cacheControl: 'max-age=60',
  },
  metadata: { owner: 'ann', 'with-dash': 'yes', city: 'Zürich' },
  tags: { team: 'blue', 'cost center': '42' },
  tagCount: 2,
  missingMetadata: 0,
};

function optionsOf(properties: Properties): WriteOptions {
  return {
    properties,
    digests: {},
    expect: { kind: 'any' },
    modifiedAtMs: null,
    recorded: null,
    storageClass: null,
    kind: 'object',
    signal: never,
  };
}

const PLAIN: Properties = { headers: {}, metadata: {}, tags: null, tagCount: 0, missingMetadata: 0 };

async function openRgw(): Promise<Account> {
  const { rgw } = servers;
  if (rgw === null) throw new DroverError('INTERNAL', 'There is no gateway.');
  const parsed = parseConfig(s3.account, {
    accessKeyId: rgw.accessKeyId,
    secretAccessKey: rgw.secretAccessKey,
    endpoint: rgw.endpoint,
    region: 'us-east-1',
    pathStyle: 'true',
  });
  if ('problems' in parsed && parsed.problems !== undefined)
    throw new DroverError('INVALID_INPUT', JSON.stringify(parsed.problems));
  return s3.open(parsed.config, {
    openTransport: openUndiciTransport({}),
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  });
}

/** Names the gateway itself refused: a NUL, bytes that are no UTF-8, more than 1,024 bytes. */
const refused: string[] = [];

/** Puts the tree there, and tells how many objects it has. */
async function seed(target: Target): Promise<number> {
  let count = 0;
  const put = async (key: string, text: string, properties = PLAIN): Promise<void> => {
    try {
      await target.write(
        key,
        { sizeBytes: Buffer.byteLength(text), content: Buffer.from(text) },
        optionsOf(properties),
      );
      count += 1;
    } catch (error) {
      // A few names no S3 server takes; those are no part of a tree that lies in one.
      if (!(error instanceof DroverError) || !['UNREPRESENTABLE', 'INVALID_INPUT', 'INTERNAL'].includes(error.code))
        throw error;
      refused.push(key);
    }
  };
  for (const { key } of hardNames('')) await put(key, `content of ${key.slice(0, 40)}`);
  await put('all-properties', 'with everything', PROPERTIES);
  await put('empty', '');
  await put('marker/', '');
  await put('marker/inside', 'x');
  await put('both', 'an object');
  await put('both/child', 'and a prefix');
  await inParts(target);
  return count + 1;
}

async function inParts(target: Target): Promise<void> {
  const { parts } = target.facets;
  if (parts === undefined) throw new DroverError('INTERNAL', 'no parts');
  const content = Buffer.alloc(17 * MIB, 'large');
  const upload = await parts.begin('large.bin', content.length, 8 * MIB, optionsOf(PROPERTIES));
  const receipts = [];
  for (let index = 0; index < 3; index++) {
    const piece = content.subarray(index * 8 * MIB, Math.min(content.length, (index + 1) * 8 * MIB));
    receipts.push(await parts.put(upload, index, { sizeBytes: piece.length, content: piece }, {}, never));
  }
  await parts.complete(upload, receipts, optionsOf(PROPERTIES));
}

describe.skipIf(servers.rgw === null)('the hard tree from Ceph RGW', () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-hard-'));
  const environment = connectorsOf(servers, join(folder, 'state'));
  let objectCount = 0;

  beforeAll(async () => {
    await using account = await openRgw();
    await account.makeContainer(bucket, never);
    await account.makeContainer(`${bucket}-copy`, never);
    const target = await account.target(
      { container: bucket, prefix: '' },
      { facts: null, runId: 'seedrun00001' },
      never,
    );
    objectCount = await seed(target);
    expect(refused.length, refused.join(' ')).toBeLessThan(8);
    const made = await runDrover(['mkbucket', `az:${bucket}`], { environment });
    expect(made.code).toBe(0);
  });

  afterAll(async () => {
    for (const place of [`rgw:${bucket}`, `rgw:${bucket}-copy`, `az:${bucket}`]) {
      await runDrover(['rm', place, '--recursive', '--yes', '--quiet'], { environment });
    }
    rmSync(folder, { recursive: true, force: true });
  });

  const targets = { bucket: `rgw:${bucket}-copy`, container: `az:${bucket}`, folder: join(folder, 'target') };
  for (const [kind, target] of Object.entries(targets)) {
    test(`to a ${kind}`, async () => {
      const run = (...args: string[]): Promise<Outcome> => runDrover([...args, '--json'], { environment });
      const copied = await run('copy', `rgw:${bucket}`, target);
      expect(copied.summary.error).toBeNull();
      const { items } = copied.summary;
      expect(items['scanned']).toBe(objectCount);
      expect(items['failed'], copied.stderr).toBe(0);
      expect((items['copied'] ?? 0) + (items['unsupported'] ?? 0)).toBe(objectCount);
      expect(copied.code).toBe(0);
      const reported = await run('runs', 'log', copied.summary.runId as string, '--result', 'unsupported');
      const named = reported.stdout.split('\n').filter((line) => line.includes('"unsupported"'));
      expect(named.length).toBeGreaterThanOrEqual(items['unsupported'] ?? 0);

      const checked = await run('check', `rgw:${bucket}`, target);
      expect(checked.summary.differences, checked.stdout).toEqual({ missing: 0, extra: 0, different: 0, kept: 0 });
      expect(checked.code).toBe(0);

      const again = await run('sync', `rgw:${bucket}`, target);
      expect(again.summary.items).toMatchObject({ copied: 0, deleted: 0, failed: 0 });
      const perObject = Object.entries({ ...again.summary.requests.source, ...again.summary.requests.target });
      expect(perObject.filter(([name, count]) => name !== 'LIST' && count > 4)).toEqual([]);

      const verified = await run('verify', copied.summary.runId as string);
      expect(verified.code, verified.stdout).toBe(0);
    });
  }
});
