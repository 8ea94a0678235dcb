import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { SimResponse } from './http.ts';
import { ROLE, ask, b64, clock, code, fresh, get, put, s3, text } from './s3-testing.ts';
import type { AwsSignature } from './test-signing.ts';
import { awsSigned } from './test-signing.ts';

beforeEach(() => fresh());

describe('uploads in parts', () => {
  async function begin(headers: Record<string, string> = {}): Promise<string> {
    const response = await ask({ method: 'POST', path: '/one/k', query: { uploads: '' }, headers });
    return /<UploadId>(.*?)</.exec(text(response))![1]!;
  }
  const part = (
    uploadId: string,
    partNumber: string,
    body: string,
    headers: Record<string, string> = {},
  ): Promise<SimResponse> => ask({ method: 'PUT', path: '/one/k', query: { uploadId, partNumber }, body, headers });
  const finish = (
    uploadId: string,
    parts: readonly [string, string][],
    headers: Record<string, string> = {},
  ): Promise<SimResponse> =>
    ask({
      method: 'POST',
      path: '/one/k',
      query: { uploadId },
      headers,
      body: `<CompleteMultipartUpload>${parts.map(([n, e]) => `<Part><PartNumber>${n}</PartNumber><ETag>${e}</ETag></Part>`).join('')}</CompleteMultipartUpload>`,
    });

  test('make one object with the composite ETag, readable by part', async () => {
    const id = await begin();
    const one = (await part(id, '1', 'hello ')).headers['etag']!;
    const two = (await part(id, '5', 'you')).headers['etag']!;
    expect(text(await ask({ method: 'GET', path: '/one', query: { uploads: '' } }))).toContain('user/alice');
    expect(text(await ask({ method: 'GET', path: '/one/k', query: { uploadId: id, 'max-parts': '1' } }))).toContain(
      '<NextPartNumberMarker>1<',
    );
    const done = await finish(id, [
      ['1', one],
      ['5', two],
    ]);
    const outer = createHash('md5');
    for (const etag of [one, two]) outer.update(Buffer.from(etag.replaceAll('"', ''), 'hex'));
    expect(text(done)).toContain(`&quot;${outer.digest('hex')}-2&quot;`);
    expect(s3.bytes('one', 'k')!.toString()).toBe('hello you');
    const second = await get('k', {}, { partNumber: '2' });
    expect([second.status, text(second), second.headers['x-amz-mp-parts-count']]).toEqual([206, 'you', '2']);
    expect(code(await finish(id, [['1', one]]))).toBe('NoSuchUpload');
  });

  test('refuse what does not fit', async () => {
    const id = await begin();
    const small = (await part(id, '1', 'tiny')).headers['etag']!;
    const two = (await part(id, '2', 'enough')).headers['etag']!;
    expect(
      code(
        await finish(id, [
          ['1', small],
          ['2', two],
        ]),
      ),
    ).toBe('EntityTooSmall');
    expect(
      code(
        await finish(id, [
          ['2', two],
          ['1', small],
        ]),
      ),
    ).toBe('InvalidPartOrder');
    expect(code(await finish(id, [['2', small]]))).toBe('InvalidPart');
    expect(code(await finish(id, []))).toBe('MalformedXML');
    s3.put('one', 'k', 'there');
    expect((await finish(id, [['2', two]], { 'if-none-match': '*' })).status).toBe(412);
    expect(s3.bytes('one', 'k')!.toString()).toBe('there');
    expect((await ask({ method: 'DELETE', path: '/one/k', query: { uploadId: id } })).status).toBe(204);
    expect(code(await part(id, '1', 'x'))).toBe('NoSuchUpload');
  });

  test('know one kind of checksum', async () => {
    const id = await begin({ 'x-amz-checksum-algorithm': 'SHA256' });
    expect(code(await part(id, '1', 'hello'))).toBe('InvalidRequest');
    expect(code(await part(id, '1', 'hello', { 'x-amz-checksum-sha256': b64('sha256', 'other') }))).toBe('BadDigest');
    const etag = (await part(id, '1', 'hello', { 'x-amz-checksum-sha256': b64('sha256', 'hello') })).headers['etag']!;
    expect(code(await finish(id, [['1', etag]]))).toBe('InvalidRequest');
  });

  test('copies: a part of a range, a whole object, never onto itself unchanged', async () => {
    s3.put('one', 'source +', '0123456789', { metadata: { a: 'b' } });
    const copySource = { 'x-amz-copy-source': '/one/source%20%2B' };
    const id = await begin();
    const copied = await part(id, '1', '', { ...copySource, 'x-amz-copy-source-range': 'bytes=3-5' });
    const etag = /<ETag>(.*?)<\/ETag>/.exec(text(copied))![1]!.replaceAll('&quot;', '');
    expect(text(await finish(id, [['1', etag]]))).toContain('-1&quot;');
    expect(s3.bytes('one', 'k')!.toString()).toBe('345');
    expect((await put('k', '', copySource)).status).toBe(200);
    expect([s3.bytes('one', 'k')!.toString(), s3.get('one', 'k')!.attributes.metadata]).toEqual([
      '0123456789',
      { a: 'b' },
    ]);
    expect(code(await put('source +', '', copySource))).toBe('InvalidRequest');
    expect(code(await put('k', '', { ...copySource, 'x-amz-copy-source-if-match': '"x"' }))).toBe('PreconditionFailed');
  });
});

describe('roles', () => {
  const sts = (form: Record<string, string>, by: Partial<AwsSignature> = {}): Promise<SimResponse> =>
    ask(
      {
        method: 'POST',
        host: 'sts.us-east-1.amazonaws.com',
        path: '/',
        body: new URLSearchParams({ Version: '2011-06-15', ...form }).toString(),
      },
      { service: 'sts', ...by },
    );
  const assume = (extra: Record<string, string>, by: Partial<AwsSignature> = {}): Promise<SimResponse> =>
    sts({ Action: 'AssumeRole', RoleArn: ROLE, RoleSessionName: 'run', ...extra }, by);
  function credentials(response: SimResponse): Pick<AwsSignature, 'id' | 'secret' | 'token'> {
    const field = (name: string): string => new RegExp(`<${name}>(.*?)<`).exec(text(response))![1]!;
    return { id: field('AccessKeyId'), secret: field('SecretAccessKey'), token: field('SessionToken') };
  }

  test.each([
    ['no external ID', {}, 'AccessDenied'],
    ['a wrong external ID', { ExternalId: 'wrong' }, 'AccessDenied'],
    ['too short a session', { ExternalId: 'right', DurationSeconds: '899' }, 'ValidationError'],
    ['longer than the role allows', { ExternalId: 'right', DurationSeconds: '7201' }, 'ValidationError'],
    ['a session name of one letter', { ExternalId: 'right', RoleSessionName: 'x' }, 'ValidationError'],
  ])('%s is refused', async (_, extra, expected) => {
    expect(code(await assume(extra))).toBe(expected);
  });

  test('credentials work until they expire, and not without their token', async () => {
    const session = credentials(await assume({ ExternalId: 'right', DurationSeconds: '900' }));
    expect((await ask({ method: 'GET', path: '/one' }, session)).status).toBe(200);
    expect(
      code(
        await s3.handle(
          awsSigned({ id: session.id, secret: session.secret, nowMs: clock.now() }, { method: 'GET', path: '/one' }),
        ),
      ),
    ).toBe('InvalidAccessKeyId');
    expect(text(await sts({ Action: 'GetCallerIdentity' }, session))).toContain('assumed-role/mover/run');
    expect(code(await assume({ ExternalId: 'right', DurationSeconds: '3601' }, session))).toBe('ValidationError');
    clock.advance(900_000);
    const late = await ask({ method: 'GET', path: '/one' }, session);
    expect([late.status, code(late)]).toEqual([400, 'ExpiredToken']);
  });

  test('a web identity token, unsigned, until it expires', async () => {
    const body = new URLSearchParams({
      Version: '2011-06-15',
      Action: 'AssumeRoleWithWebIdentity',
      RoleArn: ROLE,
      RoleSessionName: 'run',
      WebIdentityToken: 'jwt',
    }).toString();
    const send = (): Promise<SimResponse> =>
      s3.handle({
        method: 'POST',
        scheme: 'https',
        host: 'sts.amazonaws.com',
        path: '/',
        headers: {},
        body: Buffer.from(body),
      });
    expect((await ask({ method: 'GET', path: '/one' }, credentials(await send()))).status).toBe(200);
    clock.advance(1000);
    expect(code(await send())).toBe('ExpiredTokenException');
  });
});
