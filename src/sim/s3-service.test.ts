import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { SimResponse } from './http.ts';
import { collect } from './http.ts';
import { ODD_KEYS, plantSample } from './sample.ts';
import { alice, ask, b64, clock, code, fresh, get, open, put, s3, text } from './s3-testing.ts';
import type { AwsSignature } from './test-signing.ts';
import { awsPresigned, awsSigned } from './test-signing.ts';

beforeEach(() => fresh());

describe('signatures', () => {
  test.each([
    ['a wrong secret', { secret: 'no' }, 403, 'SignatureDoesNotMatch'],
    ['an unknown key', { id: 'NOBODY' }, 403, 'InvalidAccessKeyId'],
    ['a clock behind', { nowMs: -16 * 60_000 }, 403, 'RequestTimeTooSkewed'],
    ['another region', { region: 'eu-central-1' }, 400, 'AuthorizationHeaderMalformed'],
    ['a token of nobody', { token: 'x' }, 400, 'InvalidToken'],
  ])('%s is refused', async (_, by: Partial<AwsSignature>, status, expected) => {
    const skewed = by.nowMs !== undefined ? { nowMs: clock.now() + by.nowMs } : by;
    const response = await ask({ method: 'GET', path: '/one' }, skewed);
    expect([response.status, code(response)]).toEqual([status, expected]);
  });

  test('a header that is not signed, or a body that is another, is refused', async () => {
    const request = awsSigned(alice, { method: 'PUT', path: '/one/k', body: 'abc' });
    expect(code(await s3.handle({ ...request, headers: { ...request.headers, 'x-amz-acl': 'private' } }))).toBe(
      'AccessDenied',
    );
    expect(code(await s3.handle({ ...request, body: Buffer.from('abd') }))).toBe('XAmzContentSHA256Mismatch');
    expect(s3.get('one', 'k')).toBeNull();
  });

  test.each(ODD_KEYS)('the key %j survives both styles and a presigned address', async (key) => {
    expect((await put(key, key)).status).toBe(200);
    expect(text(await get(key))).toBe(key);
    const hosted = await ask({ method: 'GET', host: 'one.s3.test', path: `/${key}` });
    expect(text(hosted)).toBe(key);
    const path = awsPresigned(alice, 'sim.test', `/one/${key}`, 60);
    expect(
      text(
        await s3.handle({
          method: 'GET',
          scheme: 'https',
          host: 'sim.test',
          path,
          headers: {},
          body: new Uint8Array(0),
        }),
      ),
    ).toBe(key);
    expect(s3.keys('one')).toEqual([key]);
  });

  test('a presigned address ends with its time, and cannot be changed', async () => {
    s3.put('one', 'k', 'v');
    const path = awsPresigned(alice, 'sim.test', '/one/k', 60);
    const open = (p: string): Promise<SimResponse> =>
      s3.handle({ method: 'GET', scheme: 'https', host: 'sim.test', path: p, headers: {}, body: new Uint8Array(0) });
    expect((await open(path)).status).toBe(200);
    expect(code(await open(path.replace('/one/k', '/one/l')))).toBe('SignatureDoesNotMatch');
    clock.advance(61_000);
    expect(text(await open(path))).toContain('Request has expired');
  });

  test("Amazon's hosts redirect to the region of the bucket", async () => {
    s3.createBucket('far', { region: 'eu-central-1' });
    const response = await ask({ method: 'GET', host: 'far.s3.us-east-1.amazonaws.com', path: '/' });
    expect([response.status, code(response), response.headers['x-amz-bucket-region']]).toEqual([
      301,
      'PermanentRedirect',
      'eu-central-1',
    ]);
    const head = await ask({ method: 'HEAD', path: '/far' });
    expect([head.status, head.headers['x-amz-bucket-region'], head.body.sizeBytes]).toEqual([400, 'eu-central-1', 0]);
  });
});

describe('permissions', () => {
  const narrow = { id: 'AKNARROW', secret: 'ns' };

  test('a key may reach one prefix and nothing else', async () => {
    s3.put('one', 'team/a', '1');
    const list = (prefix: string): Promise<SimResponse> =>
      ask({ method: 'GET', path: '/one', query: { 'list-type': '2', prefix } }, narrow);
    expect((await list('team/')).status).toBe(200);
    expect(code(await list(''))).toBe('AccessDenied');
    expect(code(await ask({ method: 'GET', path: '/' }, narrow))).toBe('AccessDenied');
    expect((await ask({ method: 'GET', path: '/one/team/a' }, narrow)).status).toBe(200);
    expect(code(await ask({ method: 'GET', path: '/one/team/none' }, narrow))).toBe('NoSuchKey');
    expect(code(await ask({ method: 'GET', path: '/one/other' }, narrow))).toBe('AccessDenied');
    expect(code(await ask({ method: 'PUT', path: '/one/team/b', body: '' }, narrow))).toBe('AccessDenied');
  });

  test('requester pays, and the expected owner', async () => {
    s3.createBucket('paid', { requesterPays: true, sharedWith: ['222222222222'] });
    s3.put('paid', 'k', 'v');
    const bob = { id: 'AKBOB', secret: 'bs' };
    expect((await ask({ method: 'GET', path: '/paid/k' }, bob)).status).toBe(403);
    const paid = await ask({ method: 'GET', path: '/paid/k', headers: { 'x-amz-request-payer': 'requester' } }, bob);
    expect([paid.status, paid.headers['x-amz-request-charged']]).toEqual([200, 'requester']);
    const other = { 'x-amz-expected-bucket-owner': '222222222222' };
    expect((await ask({ method: 'GET', path: '/paid/k', headers: other })).status).toBe(403);
  });
});

describe('objects', () => {
  test('digests are checked and given back', async () => {
    expect(code(await put('k', 'abc', { 'content-md5': b64('md5', 'abd') }))).toBe('BadDigest');
    expect(code(await put('k', 'abc', { 'content-md5': 'short' }))).toBe('InvalidDigest');
    expect(code(await put('k', 'abc', { 'x-amz-checksum-sha256': b64('sha256', 'abd') }))).toBe('BadDigest');
    expect(code(await put('k', 'abc', { 'x-amz-checksum-crc32': 'AAAAAA==' }))).toBe('BadDigest');
    expect(s3.get('one', 'k')).toBeNull();
    const plain = await put('k', '123456789');
    expect(plain.headers['x-amz-checksum-crc64nvme']).toBe('rosUhgp5mIg=');
    const known = await put('k', '123456789', { 'x-amz-checksum-crc32c': '4waSgw==' });
    expect(known.headers['x-amz-checksum-crc32c']).toBe('4waSgw==');
    const read = await get('k', { 'x-amz-checksum-mode': 'ENABLED' });
    expect([read.headers['x-amz-checksum-crc32c'], read.headers['x-amz-checksum-type']]).toEqual([
      '4waSgw==',
      'FULL_OBJECT',
    ]);
  });

  test('conditions', async () => {
    const etag = (await put('k', 'v')).headers['etag']!;
    expect((await put('k', 'w', { 'if-none-match': '*' })).status).toBe(412);
    expect((await put('k', 'w', { 'if-match': '"other"' })).status).toBe(412);
    expect(code(await put('none', 'w', { 'if-match': etag }))).toBe('NoSuchKey');
    expect((await get('k', { 'if-match': etag })).status).toBe(200);
    expect((await get('k', { 'if-match': etag.replaceAll('"', '') })).status).toBe(412);
    expect((await get('k', { 'if-none-match': etag })).status).toBe(304);
    const remove = (match: string): Promise<SimResponse> =>
      ask({ method: 'DELETE', path: '/one/k', headers: { 'if-match': match } });
    expect((await remove('"other"')).status).toBe(412);
    expect((await remove(etag)).status).toBe(204);
    expect(s3.keys('one')).toEqual([]);
  });

  test('ranges, limits and metadata', async () => {
    await put('k', '0123456789', {
      'x-amz-meta-city': Buffer.from('Zürich').toString('latin1'),
      'x-amz-tagging': 'a=b%20c',
    });
    const range = await get('k', { range: 'bytes=2-4' });
    expect([range.status, range.headers['content-range'], text(range)]).toEqual([206, 'bytes 2-4/10', '234']);
    expect(text(await get('k', { range: 'bytes=-3' }))).toBe('789');
    expect((await get('k', { range: 'bytes=10-' })).status).toBe(416);
    expect(range.headers['x-amz-meta-city']).toBe(`=?UTF-8?B?${Buffer.from('ZÃ¼rich').toString('base64')}?=`);
    expect(range.headers['x-amz-tagging-count']).toBe('1');
    expect(text(await get('k', {}, { tagging: '' }))).toContain('<Key>a</Key><Value>b c</Value>');
    expect(code(await put('m', '', { 'x-amz-meta-a': 'x'.repeat(2048) }))).toBe('MetadataTooLarge');
    expect((await put('m', '', { 'x-amz-meta-a': 'x'.repeat(2047) })).status).toBe(200);
    expect(code(await put('k'.repeat(1025), ''))).toBe('KeyTooLongError');
  });

  test('an archived object is refused until its restore is ready, and again afterwards', async () => {
    s3.put('one', 'k', 'v', { storageClass: 'GLACIER' });
    expect(code(await get('k'))).toBe('InvalidObjectState');
    const restore = (): Promise<SimResponse> =>
      ask({
        method: 'POST',
        path: '/one/k',
        query: { restore: '' },
        body: '<RestoreRequest><Days>1</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>',
      });
    expect((await restore()).status).toBe(202);
    expect(code(await restore())).toBe('RestoreAlreadyInProgress');
    const listed = await ask({
      method: 'GET',
      path: '/one',
      query: { 'list-type': '2' },
      headers: { 'x-amz-optional-object-attributes': 'RestoreStatus' },
    });
    expect(text(listed)).toContain('<IsRestoreInProgress>true</IsRestoreInProgress>');
    clock.advance(12 * 3_600_000);
    const read = await get('k');
    expect([read.status, read.headers['x-amz-restore']?.startsWith('ongoing-request="false"')]).toEqual([200, true]);
    expect((await restore()).status).toBe(200);
    clock.advance(3 * 86_400_000);
    expect(code(await get('k'))).toBe('InvalidObjectState');
  });

  test('versions, delete markers and their listing', async () => {
    s3.bucket('one').versioning = 'Enabled';
    const first = (await put('k', '1')).headers['x-amz-version-id']!;
    await put('k', '2');
    const marker = (await ask({ method: 'DELETE', path: '/one/k' })).headers['x-amz-version-id']!;
    const gone = await get('k');
    expect([gone.status, gone.headers['x-amz-delete-marker']]).toEqual([404, 'true']);
    expect((await get('k', {}, { versionId: marker })).status).toBe(405);
    expect(text(await get('k', {}, { versionId: first }))).toBe('1');
    const seen: string[] = [];
    let query: Record<string, string> = { versions: '', 'max-keys': '1' };
    for (let i = 0; i < 4; i++) {
      const page = text(await ask({ method: 'GET', path: '/one', query }));
      seen.push(...[...page.matchAll(/<(Version|DeleteMarker)>/g)].map((m) => m[1]!));
      const next = /<NextKeyMarker>(.*?)<\/NextKeyMarker><NextVersionIdMarker>(.*?)</.exec(page);
      if (next === null) break;
      query = { versions: '', 'max-keys': '1', 'key-marker': next[1]!, 'version-id-marker': next[2]! };
    }
    expect(seen).toEqual(['DeleteMarker', 'Version', 'Version']);
  });

  test('a KMS object has an ETag that is no MD5', async () => {
    const response = await put('k', 'v', { 'x-amz-server-side-encryption': 'aws:kms' });
    expect(response.headers['etag']).not.toContain(createHash('md5').update('v').digest('hex'));
    expect(response.headers['x-amz-server-side-encryption']).toBe('aws:kms');
  });
});

test.each([
  ['PUT', 'k', {}, 'content'],
  ['PUT', 'k', {}, ''],
  ['PUT', 'k', { partNumber: '1', uploadId: 'x' }, 'content'],
  ['POST', 'k', { uploads: '' }, ''],
  ['GET', 'k', {}, ''],
  ['DELETE', 'k', {}, ''],
] as const)(
  '%s of an object in a bucket that is gone says so, and makes none: %j %j %j',
  async (method, key, query, body) => {
    s3.removeBucket('one');
    const response = await ask({ method, path: `/one/${key}`, query, body });
    expect([response.status, code(response)]).toEqual([404, 'NoSuchBucket']);
    expect((await ask({ method: 'HEAD', path: '/one' })).status).toBe(404);
  },
);

describe('listing', () => {
  async function listAll(query: Record<string, string>): Promise<string[]> {
    const keys: string[] = [];
    let token: string | undefined;
    do {
      const page = text(
        await ask({
          method: 'GET',
          path: '/one',
          query: {
            'list-type': '2',
            'encoding-type': 'url',
            ...query,
            ...(token === undefined ? {} : { 'continuation-token': token }),
          },
        }),
      );
      keys.push(
        ...[...page.matchAll(/<(?:Contents><Key|CommonPrefixes><Prefix)>(.*?)</g)].map((m) =>
          decodeURIComponent(m[1]!.replaceAll('+', ' ')),
        ),
      );
      token = /<NextContinuationToken>(.*?)</.exec(page)?.[1];
    } while (token !== undefined);
    return keys;
  }

  test('every odd key comes back, in byte order, with pages of any size', async () => {
    for (const key of ODD_KEYS) s3.put('one', key, '');
    const sorted = [...ODD_KEYS].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const size of ['1', '7', '1000']) expect(await listAll({ 'max-keys': size })).toEqual(sorted);
    expect(await listAll({ 'start-after': sorted[9]! })).toEqual(sorted.slice(10));
  });

  test('folders are rolled up once, across pages', async () => {
    for (const key of ['a', 'a/1', 'a/2', 'b/1', 'b/2', 'c', 'd//x']) s3.put('one', key, '');
    for (const size of ['1', '2', '1000']) {
      const found = await listAll({ delimiter: '/', 'max-keys': size });
      expect(found.toSorted()).toEqual(['a', 'a/', 'b/', 'c', 'd/']);
    }
    expect(await listAll({ delimiter: '/', prefix: 'd/' })).toEqual(['d//']);
    expect(await listAll({ delimiter: '/', 'start-after': 'a/1' })).toContain('a/');
  });

  test('a token ends with its time and fits no other listing', async () => {
    for (const key of ['a', 'b', 'c']) s3.put('one', key, '');
    const page = text(await ask({ method: 'GET', path: '/one', query: { 'list-type': '2', 'max-keys': '1' } }));
    const token = /<NextContinuationToken>(.*?)</.exec(page)![1]!;
    const next = (query: Record<string, string>): Promise<SimResponse> =>
      ask({ method: 'GET', path: '/one', query: { 'list-type': '2', 'continuation-token': token, ...query } });
    expect((await next({})).status).toBe(200);
    expect(code(await next({ prefix: 'b' }))).toBe('InvalidArgument');
    clock.advance(61_000);
    expect(code(await next({}))).toBe('InvalidArgument');
  });
});

describe('the dialect of Ceph RGW', () => {
  test('ignores what it does not know', async () => {
    fresh('rgw');
    const etag = (await put('k', 'abc', { 'x-amz-checksum-crc32': 'AAAAAA==' })).headers['etag']!;
    expect((await get('k', { 'if-match': etag })).status).toBe(412);
    expect((await get('k', { 'if-match': etag.replaceAll('"', '') })).status).toBe(200);
    expect((await get('k', {}, { partNumber: '1' })).status).toBe(200);
    expect((await ask({ method: 'DELETE', path: '/one/k', headers: { 'if-match': '"x"' } })).status).toBe(204);
    expect(code(await put('k', '', { 'x-amz-meta-a-b': '1', 'x-amz-meta-a_b': '2' }))).toBe('SignatureDoesNotMatch');
  });
});

test('the sample is the same every time and takes no memory for its size', async () => {
  const planted = plantSample(s3, 'one', { archived: true });
  expect(s3.keys('one').length).toBe(planted.length);
  s3.putGenerated('one', 'huge', 1, 2 ** 40, { etag: 'x', checksum: null });
  const piece = await get('huge', { range: `bytes=${2 ** 39}-${2 ** 39 + 9}` });
  expect([piece.status, piece.body.sizeBytes, collect(piece.body).length]).toEqual([206, 10, 10]);
  const again = open();
  again.createBucket('one');
  plantSample(again, 'one');
  expect(again.get('one', 'photos/2023/file-000006.jpg')!.etag).toBe(
    s3.get('one', 'photos/2023/file-000006.jpg')!.etag,
  );
});
