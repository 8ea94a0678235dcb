/** Checksums that are none, services that do not check, and answers that lie. */
import { describe, expect, test } from 'vitest';
import { BARE, MIB, openClouds } from './world.ts';

const KMS = { encryption: { kind: 'aws:kms', keyId: 'key' } } as const;

function random(sizeBytes: number): Buffer {
  let state = 1;
  return Buffer.from(
    Uint8Array.from({ length: sizeBytes }, () => (state = (Math.imul(state, 48271) + 1) >>> 0) >>> 24),
  );
}

describe('ETags that are no digests (case 8)', () => {
  test('of objects in parts and under a key of somebody are never taken for the content', async () => {
    await using clouds = await openClouds({ from: 's3', to: 's3' });
    const content = random(9 * MIB);
    clouds.s3.put('inside', 'parts', content, { partBytes: 5 * MIB });
    // 32 hexadecimal digits that are not its MD5, and nothing else to hold on to.
    clouds.s3.put('inside', 'sealed', 'secret', {
      ...(KMS as object),
      etag: 'd41d8cd98f00b204e9800998ecf8427e',
      checksum: null,
    });
    clouds.s3.put('inside', 'other', 'plain', { etag: 'not-a-digest', checksum: null });
    const result = await clouds.run();
    expect(result.run.counters.items).toMatchObject({ copied: 3, failed: 0 });
    expect(clouds.s3.bytes('outside', 'parts')?.equals(content)).toBe(true);
    expect(clouds.s3.bytes('outside', 'sealed')?.toString()).toBe('secret');
    const again = await clouds.run();
    expect(again.run.counters.items).toMatchObject({ same: 3, copied: 0 });
    const checked = await clouds.run({ mode: 'check' });
    expect(checked.run.counters.differences).toEqual({ missing: 0, extra: 0, different: 0, kept: 0 });
  });

  test('of archived objects under a key of somebody cause no second restore', async () => {
    await using clouds = await openClouds({ from: 's3', to: 's3' });
    const seed = { ...(KMS as object), etag: 'd41d8cd98f00b204e9800998ecf8427e', checksum: null };
    const keys = ['a/deep', 'b', 'c/z', 'd'];
    for (const key of keys) clouds.s3.put('inside', key, `secret ${key}`, { ...seed, storageClass: 'GLACIER' });
    clouds.s3.put('inside', 'a', 'plain');
    clouds.s3.put('inside', 'e', 'plain');
    const archived = { tier: 'Bulk', days: 3 } as const;
    const first = await clouds.run({ archived });
    expect(first.run.counters.items).toMatchObject({ copied: 6, failed: 0 });
    const again = await clouds.run({ archived });
    expect(again.run.counters.items).toMatchObject({ scanned: 6, same: 6, copied: 0 });
    // What the second run knows comes from the first one's record, and it hands that on.
    expect((await clouds.run({ archived })).run.counters.items).toMatchObject({ same: 6, copied: 0 });
  });

  test('the composite digest of another cut of the parts is no contradiction', async () => {
    await using clouds = await openClouds({ from: 's3', to: 's3' });
    const content = random(11 * MIB);
    // Parts of 1 MiB are too small to be kept by a target that wants 5.
    clouds.s3.put('inside', 'odd', content, { partBytes: 3 * MIB + 1, checksum: null });
    const result = await clouds.run();
    expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
    expect(result.run.counters.verification.V0).toBe(0);
    expect(clouds.s3.bytes('outside', 'odd')?.equals(content)).toBe(true);
  });
});

describe('a service that stores what it is told about the content (case 9)', () => {
  for (const [what, sizeBytes, operation] of [
    ['a whole blob', 5000, 'PUT'],
    ['a block', 20 * MIB, 'PART'],
  ] as const) {
    test(`${what} that was bent on the way is refused and sent again`, async () => {
      let sent = 0;
      await using clouds = await openClouds({
        from: 's3',
        to: 'azure',
        target: {
          plan: ({ request }) =>
            request.operation === operation && sent++ === 0 ? { kind: 'request-bit-flip', atByte: 17 } : null,
        },
      });
      const content = random(sizeBytes);
      clouds.s3.put('inside', 'fragile', content, sizeBytes > MIB ? BARE : {});
      const result = await clouds.run();
      expect(sent).toBeGreaterThan(1);
      expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
      expect(clouds.azure.bytes('outside', 'fragile')?.equals(content)).toBe(true);
      expect(result.run.counters.verification.V0).toBe(0);
    });
  }

  test('content that was bent before it reached us is found by the digest of the source', async () => {
    let gets = 0;
    await using clouds = await openClouds({
      from: 's3',
      to: 'azure',
      source: {
        plan: ({ request }) => (request.operation === 'GET' && gets++ === 0 ? { kind: 'bit-flip', atByte: 3 } : null),
      },
    });
    const content = random(5000);
    clouds.s3.put('inside', 'fragile', content);
    const result = await clouds.run();
    expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
    expect((await clouds.log(result))[0]?.attempts).toBe(2);
    expect(clouds.azure.bytes('outside', 'fragile')?.equals(content)).toBe(true);
  });
});

describe('a success that is an error inside (case 12)', () => {
  for (const code of ['InternalError', 'SlowDown']) {
    test(`${code} in the answer to completing an upload is tried again`, async () => {
      let completes = 0;
      await using clouds = await openClouds({
        from: 's3',
        to: 's3',
        target: {
          plan: ({ request }) =>
            request.operation === 'COMPLETE' && completes++ < 2 ? { kind: 'error-inside', code } : null,
        },
      });
      const content = random(20 * MIB);
      clouds.s3.put('inside', 'large', content, BARE);
      const result = await clouds.run();
      expect(completes).toBeGreaterThan(2);
      expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
      expect(clouds.s3.bytes('outside', 'large')?.equals(content)).toBe(true);
      expect(clouds.s3.bucket('outside').uploads.size).toBe(0);
      expect((await clouds.log(result))[0]?.attempts, 'nothing was sent again').toBe(1);
    });
  }

  test('in the answer to a copy inside S3, it is not taken for one', async () => {
    let copies = 0;
    await using clouds = await openClouds({
      from: 's3',
      to: 's3',
      target: {
        plan: ({ request }) =>
          request.operation === 'COPY' && copies++ < 2 ? { kind: 'error-inside', code: 'InternalError' } : null,
      },
    });
    clouds.s3.put('inside', 'a', 'alpha');
    const result = await clouds.run({ serverSide: 'auto' });
    expect(copies).toBeGreaterThan(2);
    expect(result.run.counters.items).toMatchObject({ copied: 1, failed: 0 });
    expect(clouds.s3.bytes('outside', 'a')?.toString()).toBe('alpha');
  });

  test('a page of words instead of the content is not stored as the content', async () => {
    await using clouds = await openClouds({
      from: 's3',
      to: 'azure',
      source: {
        plan: ({ request }) => (request.operation === 'GET' ? { kind: 'error-inside', code: 'AccessDenied' } : null),
      },
    });
    clouds.s3.put('inside', 'a', 'x'.repeat(150));
    const result = await clouds.run();
    expect(result.run.counters.items).toMatchObject({ copied: 0, failed: 1 });
    expect(clouds.azure.bytes('outside', 'a')).toBeNull();
  });
});
