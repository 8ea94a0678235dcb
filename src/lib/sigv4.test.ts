import { describe, expect, test } from 'vitest';
import { EMPTY_SHA256, Signer, UNSIGNED_PAYLOAD, canonicalQuery, encodePath, encodeValue, sha256Hex } from './sigv4.ts';

// The worked examples of the public S3 signing documentation.
const keys = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: null,
};
const scope = { region: 'us-east-1', service: 's3' };
const atMs = Date.UTC(2013, 4, 24);
const host = 'examplebucket.s3.amazonaws.com';

describe('signing', () => {
  test.each([
    [
      'list with parameters',
      [
        ['max-keys', '2'],
        ['prefix', 'J'],
      ],
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
    [
      'a parameter without a value',
      [['lifecycle', '']],
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
  ] as const)('%s', (_, query, signature) => {
    const headers = new Signer(keys, scope).sign(
      { method: 'GET', host, path: '/', query: canonicalQuery(query), headers: {}, payloadHash: EMPTY_SHA256 },
      atMs,
    );
    expect(headers['authorization']).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
        `SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${signature}`,
    );
    expect(headers['x-amz-date']).toBe('20130524T000000Z');
  });

  test('the same key serves one day and is derived anew on the next', () => {
    const signer = new Signer(keys, scope);
    const request = { method: 'GET', host, path: '/', query: '', headers: {}, payloadHash: EMPTY_SHA256 };
    const first = signer.sign(request, atMs)['authorization'];
    expect(signer.sign(request, atMs + 86_400_000)['authorization']).toBe(
      new Signer(keys, scope).sign(request, atMs + 86_400_000)['authorization'],
    );
    expect(signer.sign(request, atMs)['authorization']).toBe(first);
  });

  test('signs content-md5, content-type and every x-amz header in order, and nothing else', () => {
    const headers = new Signer({ ...keys, sessionToken: 'TOKEN' }, scope).sign(
      {
        method: 'PUT',
        host,
        path: '/a',
        query: '',
        headers: {
          'x-amz-meta-b': '  two   words ',
          'content-md5': 'x',
          'content-type': 't',
          'if-match': '"e"',
          range: 'bytes=0-1',
        },
        payloadHash: UNSIGNED_PAYLOAD,
      },
      atMs,
    );
    expect(headers['authorization']).toContain(
      'SignedHeaders=content-md5;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-b;x-amz-security-token,',
    );
    expect(headers['x-amz-security-token']).toBe('TOKEN');
    expect(headers['x-amz-content-sha256']).toBe(UNSIGNED_PAYLOAD);
  });
});

test('presigned URL of the documentation', () => {
  const query = new Signer(keys, scope).presign({ method: 'GET', host, path: '/test.txt', query: [] }, atMs, 86_400);
  expect(query).toBe(
    'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
      '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
      '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  );
});

test('presigned URLs carry the session token and their own parameters inside the signature', () => {
  const signer = new Signer({ ...keys, sessionToken: 'T/=' }, scope);
  const query = signer.presign({ method: 'GET', host, path: '/k', query: [['versionId', 'v1']] }, atMs, 60);
  expect(query).toContain('X-Amz-Security-Token=T%2F%3D');
  expect(query).toContain('versionId=v1');
  const other = signer.presign({ method: 'GET', host, path: '/k', query: [['versionId', 'v2']] }, atMs, 60);
  expect(other.split('X-Amz-Signature=')[1]).not.toBe(query.split('X-Amz-Signature=')[1]);
});

describe('encoding', () => {
  test.each([
    ['a/../b//c +%?#é', 'a/../b//c%20%2B%25%3F%23%C3%A9'],
    ['/leading/', '/leading/'],
    ['~-._', '~-._'],
    ["!'()*", '%21%27%28%29%2A'],
    ['\u0000\u007f', '%00%7F'],
    ['😀', '%F0%9F%98%80'],
  ])('path %j', (path, encoded) => expect(encodePath(path)).toBe(encoded));

  test('values escape the slash and raw bytes pass', () => {
    expect(encodeValue('a/b=c')).toBe('a%2Fb%3Dc');
    expect(encodePath(Uint8Array.of(0x61, 0xff, 0x2f))).toBe('a%FF/');
  });

  test('queries are sorted by encoded name, then value', () => {
    expect(
      canonicalQuery([
        ['b', '2'],
        ['a-b', ''],
        ['a', 'é'],
        ['b', '1'],
      ]),
    ).toBe('a=%C3%A9&a-b=&b=1&b=2');
  });

  test('hash of nothing', () => expect(sha256Hex('')).toBe(EMPTY_SHA256));
});
