import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { compareKeys } from '../../model/key.ts';
import { ERRORS } from '../../model/errors.ts';
import { parseXml } from '../../lib/xml.ts';
import { accountOfKey, addressOf, mayFollow } from './address.ts';
import { WIRE_ERRORS, errorOf, rowOf } from './errors.ts';
import { failureOf, retryAfterOf } from './failure.ts';
import { s3Fields, settingsOf } from './fields.ts';
import { availabilityOf, decodeMetadata, digestsOfHeaders, encodeMetadata, headersOfProperties } from './headers.ts';
import { restoreOfHeader } from './headers.ts';
import { decodeListedKey, ListedItems, parseListing, parseVersions } from './listing.ts';
import { OldestFirst, keyBelow } from './scan.ts';
import { entryOf } from '../../model/entry.ts';
import { storeOf } from './provider.ts';
import { renewalTime } from './credentials.ts';
import { retriesOfTable } from '../../../test/s3-error-table.ts';

const trust = { isMd5: true };

describe('the store that a bucket is in', () => {
  const storeAt = (endpoint: string | null, region = 'eu-central-1', key = 'AKALICE'): string =>
    storeOf(
      settingsOf({
        ...(endpoint === null ? {} : { endpoint }),
        accessKeyId: key,
        secretAccessKey: 'x',
        authorization: 'access-key',
      }),
      region,
    );
  test.each<[string, string, string, boolean]>([
    ['two keys', storeAt(null), storeAt(null, 'eu-central-1', 'AKBOB'), true],
    ['two regions', storeAt(null), storeAt(null, 'us-east-1'), true],
    ['an address of Amazon', storeAt(null), storeAt('https://s3.us-east-1.amazonaws.com'), true],
    [
      'a private address of Amazon',
      storeAt(null),
      storeAt('https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com'),
      true,
    ],
    ['China', storeAt(null), storeAt(null, 'cn-north-1'), false],
    ['with and without TLS', storeAt('http://s3.example.com'), storeAt('https://S3.example.com./'), true],
    ['the port that everybody means', storeAt('https://s3.example.com:443'), storeAt('https://s3.example.com'), true],
    ['another port', storeAt('http://127.0.0.1:9000'), storeAt('http://127.0.0.1:9001'), false],
    ['another path', storeAt('https://example.com/a'), storeAt('https://example.com/b'), false],
  ])('%s', (_how, one, other, expected) => {
    expect(one === other).toBe(expected);
  });
});

describe('addresses', () => {
  const plain = { endpoint: null, pathStyle: false };
  test.each([
    [plain, 'eu-central-1', 'photos', 'a/b', 'https://photos.s3.eu-central-1.amazonaws.com', '/a/b'],
    [plain, 'cn-north-1', 'photos', null, 'https://photos.s3.cn-north-1.amazonaws.com.cn', '/'],
    [plain, 'us-east-1', 'my.photos', 'k', 'https://s3.us-east-1.amazonaws.com', '/my.photos/k'],
    [plain, 'us-east-1', 'Old_Bucket', null, 'https://s3.us-east-1.amazonaws.com', '/Old_Bucket'],
    [{ ...plain, pathStyle: true }, 'us-east-1', 'photos', 'k', 'https://s3.us-east-1.amazonaws.com', '/photos/k'],
    [
      { endpoint: 'http://127.0.0.1:9000', pathStyle: false },
      'x',
      'photos',
      '../k',
      'http://127.0.0.1:9000',
      '/photos/../k',
    ],
    [
      { endpoint: 'https://s3.example.com/base', pathStyle: false },
      'x',
      'photos',
      'k',
      'https://photos.s3.example.com',
      '/base/k',
    ],
    [
      plain,
      'us-east-1',
      'arn:aws:s3:eu-west-1:123456789012:accesspoint:own',
      'k',
      'https://own-123456789012.s3-accesspoint.eu-west-1.amazonaws.com',
      '/k',
    ],
  ])('%j %s %s %s', (settings, region, bucket, key, origin, path) => {
    expect(addressOf(settings, region, bucket, key)).toMatchObject({ origin, path });
  });

  test('a byte that is not UTF-8 travels as it is', () => {
    expect(addressOf(plain, 'us-east-1', 'photos', 'a\udcff').path).toBe('/a%FF');
  });

  test.each([
    ['https://photos.s3.eu-west-1.amazonaws.com/', null, true],
    ['https://photos.s3-eu-west-1.amazonaws.com/', null, true],
    ['http://photos.s3.eu-west-1.amazonaws.com/', null, false],
    ['https://evil.example/?x=s3.eu-west-1.amazonaws.com', null, false],
    ['https://s3.eu-west-1.amazonaws.com.evil.example/', null, false],
    ['https://s3.cn-north-1.amazonaws.com.cn/', null, false],
    ['http://store.example:8000/b', 'http://store.example:8000', true],
    ['http://store.example:9000/b', 'http://store.example:8000', false],
    ['http://notstore.example:8000/b', 'http://store.example:8000', false],
  ])('redirect to %s from %s: %s', (url, endpoint, may) => {
    expect(mayFollow({ endpoint }, 'us-east-1', new URL(url))).toBe(may);
  });

  test('the account stands in newer access key IDs only', () => {
    expect(accountOfKey('ASIAQNZGKIQY56JQ7WML')).toBe('029608264753');
    expect(accountOfKey('AKIAIOSFODNN7EXAMPLE')).toBeNull();
    expect(accountOfKey('BENCHALICE0000000001')).toBeNull();
  });
});

describe('listings', () => {
  test.each([
    ['a+b%2Bc%20d', 'a b+c d'],
    ['%F0%9F%98%80%00%0D', '😀\u0000\r'],
    ['%FFx', '\udcffx'],
    ['100%', '100%'],
  ])('key %s', (text, key) => expect(decodeListedKey(text, true)).toBe(key));

  test('keyBelow is below, and nothing that a store can hold lies between', () => {
    const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(key, key, (from, other) => {
        const below = keyBelow(from);
        if (below !== null) expect(compareKeys(below, from)).toBeLessThan(0);
        // Starting after it, nothing at or above `from` is missed.
        if (below !== null && compareKeys(other, from) >= 0) expect(compareKeys(other, below)).toBeGreaterThan(0);
      }),
    );
  });

  test('keyBelow leaves next to nothing in between', () => {
    expect(keyBelow('b')).toBe('a\u{10ffff}\u{10ffff}');
    expect(keyBelow('b\u0000')).toBe('b');
    expect(keyBelow('\u0000')).toBeNull();
    expect(keyBelow('a\ue000')).toBe('a\ud7ff\u{10ffff}\u{10ffff}');
  });

  const read = (inner: string, prefix: string, isMd5: boolean, nowMs: number) => {
    const items = new ListedItems({ isMd5 }, nowMs);
    const text = `<ListBucketResult>${inner}<EncodingType>url</EncodingType></ListBucketResult>`;
    return parseListing(parseXml(text, items), prefix, items);
  };

  test('without its own end it is an error, never an end', () => {
    expect(() => read('', '', true, 0)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
    expect(() => read('<Contents/><IsTruncated>false</IsTruncated>', '', true, 0)).toThrow();
    expect(() => read('<IsTruncated>true</IsTruncated>', '', true, 0)).toThrow();
  });

  test('entries', () => {
    const content = (key: string, more: string) =>
      `<Contents><Key>${key}</Key><LastModified>2024-05-06T07:08:09.500Z</LastModified>${more}</Contents>`;
    const page = read(
      '<IsTruncated>false</IsTruncated>' +
        content('p/a%2Fb+c', '<ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><Size>5</Size>') +
        content('p/dir/', '<ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag><Size>0</Size>') +
        content(
          'p/g',
          '<ETag>"0847caa7de0c25bb912adf12463d2100-3"</ETag><Size>9</Size><StorageClass>GLACIER</StorageClass>',
        ) +
        content(
          'p/h',
          '<Size>9</Size><StorageClass>DEEP_ARCHIVE</StorageClass><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>2024-06-01T00:00:00Z</RestoreExpiryDate></RestoreStatus>',
        ),
      'p/',
      true,
      Date.UTC(2024, 4, 7),
    );
    expect(page.entries).toMatchObject([
      {
        key: 'a/b c',
        kind: 'object',
        sizeBytes: 5,
        modifiedAtMs: Date.UTC(2024, 4, 6, 7, 8, 9),
        digests: { md5: '5d41402abc4b2a76b9719d911017c592' },
      },
      { key: 'dir/', kind: 'folder' },
      { key: 'g', availability: 'archived', digests: {}, composite: { kind: 'md5', partCount: 3 } },
      { key: 'h', availability: 'online' },
    ]);
  });

  test('after objects with other ETags were seen, ETags are no digests', () => {
    const inner =
      '<IsTruncated>false</IsTruncated><Contents><Key>a</Key><ETag>"5d41402abc4b2a76b9719d911017c592"</ETag><Size>5</Size></Contents>';
    expect(read(inner, '', false, 0).entries[0]?.digests).toEqual({});
  });

  test('versions come oldest first, a key whole, delete markers as opaque things', () => {
    const root = parseXml(
      '<ListVersionsResult><IsTruncated>false</IsTruncated>' +
        '<Version><Key>a</Key><VersionId>3</VersionId><Size>1</Size></Version>' +
        '<DeleteMarker><Key>a</Key><VersionId>2</VersionId></DeleteMarker>' +
        '<Version><Key>a</Key><VersionId>null</VersionId><Size>1</Size></Version>' +
        '<Version><Key>b</Key><VersionId>9</VersionId><Size>1</Size></Version></ListVersionsResult>',
    );
    const { entries } = parseVersions(root, '', trust, 0);
    const turned = new OldestFirst();
    expect(turned.take(entries, false).map((entry) => [entry.identity.versionId, entry.kind])).toEqual([
      ['null', 'object'],
      ['2', 'opaque'],
      ['3', 'object'],
    ]);
    expect(turned.take([entryOf({ key: 'b' })], true).map((entry) => entry.identity.versionId)).toEqual([null, '9']);
  });

  test('of a key with too many versions the newest are given, and one entry stands for all older ones', () => {
    const version = (key: string, versionId: string) => entryOf({ key, identity: { etag: null, versionId } });
    const turned = new OldestFirst(2);
    const pages = [
      ['a', '5'],
      ['a', '4'],
      ['a', '3'],
      ['a', '2'],
      ['b', '2'],
      ['b', '1'],
      ['c', '1'],
    ] as const;
    const ready = pages.flatMap(([key, id], at) => turned.take([version(key, id)], at === pages.length - 1));
    expect(ready.map((entry) => [entry.key, entry.identity.versionId, entry.nativeType])).toEqual([
      ['a', null, 'older-versions'],
      ['a', '4', null],
      ['a', '5', null],
      ['b', '1', null],
      ['b', '2', null],
      ['c', '1', null],
    ]);
  });
});

describe('headers', () => {
  test('metadata values come back as they were', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        expect(decodeMetadata(encodeMetadata(value))).toBe(value);
      }),
    );
  });

  test.each([
    ['=?UTF-8?Q?caf=C3=A9_x?=', 'café x'],
    ['=?utf-8?b?w6k=?= =?utf-8?b?w6k=?=', 'éé'],
    ['=?UTF-8?B?8J+Y?= =?UTF-8?B?gA==?=', '😀'],
    ['=?ISO-8859-1?Q?=E9?= plain', 'é plain'],
    ['cafÃ©', 'café'],
    ['plain =? text', 'plain =? text'],
  ])('%s', (wire, value) => expect(decodeMetadata(wire)).toBe(value));

  test('every kind of checksum is read; those over parts are not', () => {
    expect(
      digestsOfHeaders(
        { 'x-amz-checksum-crc64nvme': 'rosUhgp5mIg=', 'x-amz-checksum-xxhash128': 'AAAAAAAAAAAAAAAAAAAAAQ==' },
        true,
      ),
    ).toEqual({
      crc64nvme: 'ae8b14860a799888',
      xxhash128: '00000000000000000000000000000001',
    });
    expect(digestsOfHeaders({ 'x-amz-checksum-sha256': 'AAAA-2' }, true)).toEqual({});
    expect(digestsOfHeaders({ 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-type': 'COMPOSITE' }, true)).toEqual(
      {},
    );
    expect(digestsOfHeaders({ 'x-amz-checksum-crc32': 'AAAAAA==' }, false)).toEqual({});
  });

  test.each([
    ['GLACIER', null, null, 'archived'],
    ['GLACIER', 'ongoing-request="true"', null, 'restoring'],
    ['GLACIER', 'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"', null, 'archived'],
    ['GLACIER', 'ongoing-request="false", expiry-date="Fri, 21 Dec 2035 00:00:00 GMT"', null, 'online'],
    ['INTELLIGENT_TIERING', null, 'DEEP_ARCHIVE_ACCESS', 'archived'],
    ['INTELLIGENT_TIERING', null, null, 'online'],
    ['SOMETHING_NEW', null, null, 'online'],
  ])('%s %s %s is %s', (storageClass, restore, status, availability) => {
    const parsed = restoreOfHeader(restore ?? undefined);
    expect(availabilityOf(storageClass, parsed, status, Date.UTC(2026, 0, 1))).toBe(availability);
  });

  test('what does not fit is named', () => {
    const { headers, losses } = headersOfProperties(
      {
        headers: { contentType: 'text/plain', cacheControl: 'ü' },
        metadata: { 'a b': '1', big: 'x'.repeat(2050), ok: 'é', 'x-y': '1', x_y: '2' },
        tags: Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`t${String(i).padStart(2, '0')}`, 'v'])),
        tagCount: 11,
        missingMetadata: 2,
      },
      'folded',
    );
    expect(headers).toMatchObject({ 'content-type': 'text/plain', 'x-amz-meta-ok': '=?UTF-8?B?w6k=?=' });
    expect(headers['x-amz-tagging']?.split('&')).toHaveLength(10);
    expect(losses.join('\n')).toMatch(/cache-control[^]*2 metadata entries[^]*"a b"[^]*"big"[^]*"t10"/);
    expect(losses.filter((loss) => loss.includes('x_y') || loss.includes('x-y'))).not.toHaveLength(0);
  });
});

describe('errors', () => {
  const failure = (status: number, code: string) =>
    failureOf(status, {}, parseXml(`<Error><Code>${code}</Code></Error>`));

  test.each(retriesOfTable)('%s (%i) is retried %s: %s', (code, status, retry, ours) => {
    const error = errorOf(failure(status, code), 'x', 'k');
    expect(error.code).toBe(ours);
    expect(ERRORS[error.code].retry).toBe(retry);
    expect(error.details).toMatchObject({ status, code });
  });

  test('each row says something of its own and none is unreachable', () => {
    for (const [code, row] of Object.entries(WIRE_ERRORS)) {
      expect(rowOf({ status: 400, code })).toBe(row);
      expect(row.sentence).toMatch(/^[a-z].*[a-zD3]$/);
      if (row.field !== undefined) expect(Object.keys(s3Fields)).toContain(row.field);
    }
  });

  test('unknown refusals keep their details', () => {
    const error = errorOf(failure(418, 'Teapot'), '"k" in bucket "b"', 'k');
    expect(error).toMatchObject({ code: 'INTERNAL', key: 'k', details: { status: 418, code: 'Teapot' } });
    expect(error.message).toContain('Teapot');
  });

  test('how long to wait', () => {
    expect(retryAfterOf('3', null)).toBe(3000);
    expect(retryAfterOf('Fri, 21 Dec 2012 00:00:10 GMT', Date.UTC(2012, 11, 21))).toBe(10_000);
    expect(retryAfterOf(undefined, 0)).toBeNull();
  });
});

describe('fields', () => {
  const keys = { accessKeyId: 'AK', secretAccessKey: 'SK' };
  test.each([
    [{}, 'chain'],
    [{ profile: 'p' }, 'chain'],
    [keys, 'access-key'],
    [{ ...keys, roleArn: 'arn:aws:iam::123456789012:role/r' }, 'iam-role'],
    [{ roleArn: 'arn:aws:iam::123456789012:role/r', webIdentityTokenFile: '/t' }, 'web-identity'],
    [{ ...keys, authorization: 'access-key', roleArn: 'arn:aws:iam::123456789012:role/r' }, 'access-key'],
  ])('%j signs in by %s', (config, authorization) => expect(settingsOf(config).authorization).toBe(authorization));

  test.each([
    [{ accessKeyId: 'AK' }, 'secretAccessKey'],
    [{ secretAccessKey: 'SK' }, 'accessKeyId'],
    [{ authorization: 'access-key' }, 'accessKeyId'],
    [{ authorization: 'iam-role' }, 'roleArn'],
    [{ ...keys, endpoint: 'example.com' }, 'endpoint'],
    [{ ...keys, endpoint: 'https://example.com/?a=1' }, 'endpoint'],
    [{ ...keys, prefix: 'a' }, 'bucket'],
    [{ ...keys, encryption: 'SSE-C', customerKey: 'c2hvcnQ=' }, 'customerKey'],
  ])('%j lacks %s', (config, field) => {
    expect(() => settingsOf(config)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', field }));
  });

  test('labels that users of such connectors know, and a sentence of help for each', () => {
    expect(Object.values(s3Fields).map((field) => field.label)).toEqual(
      expect.arrayContaining([
        'Access Key ID',
        'Secret Access Key',
        'IAM role ARN',
        'External ID',
        'Restrict to bucket',
        'Region',
        'Download threads',
      ]),
    );
    for (const field of Object.values(s3Fields)) expect(field.help).toMatch(/^[A-Z].{15,}\.$/);
  });
});

test('credentials are renewed at 80 % of their life, five minutes early at least', () => {
  expect(renewalTime(0, 3_600_000)).toBe(2_880_000);
  expect(renewalTime(0, 900_000)).toBe(600_000);
  expect(renewalTime(0, 60_000)).toBe(30_000);
});
