import { createHash, createHmac } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { AzureOptions, AzureService } from './azure-service.ts';
import { createAzureService } from './azure-service.ts';
import type { SimResponse } from './http.ts';
import { collect } from './http.ts';
import { createS3Service } from './s3-service.ts';
import type { AwsRequest } from './test-signing.ts';
import { awsPresigned, azureSigned } from './test-signing.ts';
import type { SimClock } from './world.ts';
import { seededRandom, simClock } from './world.ts';

const KEY = Buffer.from('a key of the account').toString('base64');
const HOST = 'acct.blob.core.windows.net';
let clock: SimClock;
let azure: AzureService;

function open(extra: Partial<AzureOptions> = {}): void {
  azure = createAzureService({ clock, random: seededRandom(1), accountName: 'acct', accountKey: KEY, ...extra });
  azure.createContainer('box');
}

beforeEach(() => {
  clock = simClock();
  open();
});

const ask = (want: AwsRequest, nowMs = clock.now()): Promise<SimResponse> =>
  azure.handle(azureSigned({ account: 'acct', key: KEY, nowMs }, want));
const bare = (method: string, path: string, headers: Record<string, string> = {}): Promise<SimResponse> =>
  azure.handle({
    method,
    scheme: 'https',
    host: HOST,
    path,
    headers: { 'x-ms-version': '2023-11-03', ...headers },
    body: new Uint8Array(0),
  });
const text = (response: SimResponse): string => collect(response.body).toString('utf8');
const code = (response: SimResponse): string | undefined => response.headers['x-ms-error-code'];
const md5 = (data: string): string => createHash('md5').update(data).digest('base64');
const put = (name: string, body: string, headers: Record<string, string> = {}): Promise<SimResponse> =>
  ask({ method: 'PUT', path: `/box/${name}`, body, headers: { 'x-ms-blob-type': 'BlockBlob', ...headers } });
const get = (name: string, headers: Record<string, string> = {}): Promise<SimResponse> =>
  ask({ method: 'GET', path: `/box/${name}`, headers });
const block = (name: string, id: string, body: string, headers: Record<string, string> = {}): Promise<SimResponse> =>
  ask({
    method: 'PUT',
    path: `/box/${name}`,
    query: { blockid: Buffer.from(id).toString('base64'), comp: 'block' },
    body,
    headers,
  });
const commit = (name: string, ids: readonly string[], headers: Record<string, string> = {}): Promise<SimResponse> =>
  ask({
    method: 'PUT',
    path: `/box/${name}`,
    query: { comp: 'blocklist' },
    headers,
    body: `<BlockList>${ids.map((id) => `<Latest>${Buffer.from(id).toString('base64')}</Latest>`).join('')}</BlockList>`,
  });

describe('sign-in', () => {
  test('a wrong key, a clock behind, nobody', async () => {
    const request = { method: 'GET', path: '/box/k' };
    const other = Buffer.from('another key').toString('base64');
    expect(code(await azure.handle(azureSigned({ account: 'acct', key: other, nowMs: clock.now() }, request)))).toBe(
      'AuthenticationFailed',
    );
    expect(code(await ask(request, clock.now() - 16 * 60_000))).toBe('AuthenticationFailed');
    expect((await bare('GET', '/box/k')).status).toBe(401);
  });

  test('a bearer token may do what its role may, while it lives', async () => {
    const token = (name: string, role: 'reader' | 'none') =>
      ({ token: name, role, expiresAtMs: clock.now() + 1000 }) as const;
    open({ bearerTokens: [token('read', 'reader'), token('nothing', 'none')] });
    await put('k', 'v');
    const as = (name: string, method = 'GET'): Promise<SimResponse> =>
      bare(method, '/box/k', { authorization: `Bearer ${name}` });
    expect((await as('read')).status).toBe(200);
    expect(code(await as('read', 'DELETE'))).toBe('AuthorizationPermissionMismatch');
    expect(code(await as('nothing'))).toBe('AuthorizationPermissionMismatch');
    expect((await as('unknown')).headers['www-authenticate']).toContain('authorization_uri');
    clock.advance(1000);
    expect(code(await as('read'))).toBe('InvalidAuthenticationInfo');
  });

  const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+/, '');
  const signed = (lines: readonly string[]): string =>
    encodeURIComponent(createHmac('sha256', Buffer.from(KEY, 'base64')).update(lines.join('\n')).digest('base64'));

  test('a service signature of a container', async () => {
    await put('k', 'v');
    const se = iso(clock.now() + 60_000);
    const sig = signed(['r', '', se, '/blob/acct/box', '', '', '', '2021-08-06', 'c', '', '', '', '', '', '', '']);
    const sas = `sp=r&se=${encodeURIComponent(se)}&sv=2021-08-06&sr=c&sig=${sig}`;
    azure.createContainer('other');
    expect((await bare('GET', `/box/k?${sas}`)).status).toBe(200);
    expect(code(await bare('DELETE', `/box/k?${sas}`))).toBe('AuthorizationPermissionMismatch');
    expect(code(await bare('GET', `/other/k?${sas}`))).toBe('AuthenticationFailed');
    expect(code(await bare('GET', `/box/k?${sas.replace('sp=r', 'sp=rd')}`))).toBe('AuthenticationFailed');
    clock.advance(60_000);
    expect(code(await bare('GET', `/box/k?${sas}`))).toBe('AuthenticationFailed');
  });

  test('an account signature', async () => {
    const se = iso(clock.now() + 60_000);
    const sas = (srt: string): string =>
      `sp=rl&ss=b&srt=${srt}&se=${encodeURIComponent(se)}&sv=2021-08-06&sig=${signed(['acct', 'rl', 'b', srt, '', se, '', '', '2021-08-06', '', ''])}`;
    expect((await bare('GET', `/?comp=list&${sas('sco')}`)).status).toBe(200);
    expect(code(await bare('GET', `/?comp=list&${sas('o')}`))).toBe('AuthorizationResourceTypeMismatch');
  });
});

describe('blobs', () => {
  test('digests are checked; CRC64 is little-endian', async () => {
    expect(code(await put('k', 'abc', { 'content-md5': md5('abd') }))).toBe('Md5Mismatch');
    expect(code(await put('k', '123456789', { 'x-ms-content-crc64': 'rosUhgp5mIg=' }))).toBe('Crc64Mismatch');
    expect(code(await put('k', 'abc', { 'content-md5': md5('abc'), 'x-ms-content-crc64': 'iJh5CoYUi64=' }))).toBe(
      'BothCrc64AndMd5HeaderPresent',
    );
    expect(azure.keys('box')).toEqual([]);
    expect((await put('k', '123456789', { 'x-ms-content-crc64': 'iJh5CoYUi64=' })).status).toBe(201);
    expect((await get('k')).headers['content-md5']).toBe(md5('123456789'));
    const range = await get('k', { 'x-ms-range': 'bytes=0-2', 'x-ms-range-get-content-md5': 'true' });
    expect([range.status, range.headers['content-md5'], text(range)]).toEqual([206, md5('123'), '123']);
    expect(code(await get('k', { range: 'bytes=9-' }))).toBe('InvalidRange');
  });

  test('blocks: one length of ids, only what was staged, MD5 as given', async () => {
    await block('k', 'aaa', 'one ');
    expect(code(await block('k', 'bbbb', 'x'))).toBe('InvalidBlobOrBlock');
    expect(code(await block('l', 'x'.repeat(65), 'x'))).toBe('OutOfRangeInput');
    await block('k', 'bbb', 'two');
    expect(code(await get('k'))).toBe('BlobNotFound');
    expect(code(await commit('k', ['aaa', 'zzz']))).toBe('InvalidBlockList');
    const list = await ask({
      method: 'GET',
      path: '/box/k',
      query: { blocklisttype: 'uncommitted', comp: 'blocklist' },
    });
    expect(text(list).match(/<Name>/g)).toHaveLength(2);
    expect(
      (await commit('k', ['aaa', 'bbb'], { 'x-ms-blob-content-md5': md5('nonsense'), 'x-ms-meta-a': 'b' })).status,
    ).toBe(201);
    expect(azure.bytes('box', 'k')!.toString()).toBe('one two');
    expect((await get('k')).headers).toMatchObject({ 'content-md5': md5('nonsense'), 'x-ms-meta-a': 'b' });
    await block('k', 'ccc', ' three');
    expect((await commit('k', ['aaa', 'bbb', 'ccc'])).status).toBe(201);
    expect(azure.bytes('box', 'k')!.toString()).toBe('one two three');
    expect((await get('k')).headers['x-ms-meta-a']).toBeUndefined();
  });

  test('conditions bite at the commit', async () => {
    const etag = (await put('k', 'v')).headers['etag']!;
    expect(code(await put('k', 'w', { 'if-none-match': '*' }))).toBe('BlobAlreadyExists');
    await block('k', 'aaa', 'w');
    expect(code(await commit('k', ['aaa'], { 'if-none-match': '*' }))).toBe('BlobAlreadyExists');
    expect(code(await commit('k', ['aaa'], { 'if-match': '"0x0"' }))).toBe('ConditionNotMet');
    expect((await get('k', { 'if-none-match': etag })).status).toBe(304);
    expect((await commit('k', ['aaa'], { 'if-match': etag })).status).toBe(201);
    expect((await get('k', { 'if-match': etag })).status).toBe(412);
  });

  test.each([
    [{ 'x-ms-meta-a-b': '1' }, 'InvalidMetadata'],
    [{ 'x-ms-meta-1a': '1' }, 'InvalidMetadata'],
    [{ 'x-ms-meta-a': 'é' }, 'InvalidMetadata'],
    [{ 'x-ms-meta-a': 'x'.repeat(8192) }, 'MetadataTooLarge'],
    [{ 'x-ms-tags': 'a=caf%C3%A9' }, 'InvalidInput'],
    [{ 'x-ms-tags': Array.from({ length: 11 }, (_, i) => `t${i}=v`).join('&') }, 'TagsTooLarge'],
    [{ 'x-ms-access-tier': 'Frozen' }, 'InvalidHeaderValue'],
  ])('%j is refused', async (headers, expected) => {
    expect(code(await put('k', '', headers as Record<string, string>))).toBe(expected);
    expect(azure.keys('box')).toEqual([]);
  });

  test('archive and rehydration by the clock', async () => {
    const etag = (await put('k', 'v', { 'x-ms-access-tier': 'Archive' })).headers['etag'];
    expect(code(await get('k'))).toBe('BlobArchived');
    expect(code(await block('k', 'a', 'x'))).toBe('BlobArchived');
    const tier = await ask({
      method: 'PUT',
      path: '/box/k',
      query: { comp: 'tier' },
      headers: { 'x-ms-access-tier': 'Hot' },
    });
    expect(tier.status).toBe(202);
    expect(code(await get('k'))).toBe('BlobBeingRehydrated');
    clock.advance(15 * 3_600_000);
    const read = await get('k');
    expect([read.status, read.headers['x-ms-access-tier'], read.headers['etag']]).toEqual([200, 'Hot', etag]);
  });

  test('a lease keeps others out until it ends', async () => {
    await put('k', 'v');
    const lease = await ask({
      method: 'PUT',
      path: '/box/k',
      query: { comp: 'lease' },
      headers: { 'x-ms-lease-action': 'acquire', 'x-ms-lease-duration': '15' },
    });
    expect(code(await put('k', 'w'))).toBe('LeaseIdMissing');
    expect((await put('k', 'w', { 'x-ms-lease-id': lease.headers['x-ms-lease-id']! })).status).toBe(201);
    clock.advance(15_000);
    expect((await put('k', 'x')).status).toBe(201);
  });

  test('a deleted container is in the way for a while; a busy account says so', async () => {
    const container = (method: string): Promise<SimResponse> =>
      ask({ method, path: '/box', query: { restype: 'container' } });
    expect((await container('DELETE')).status).toBe(202);
    expect(code(await put('k', ''))).toBe('ContainerNotFound');
    expect(code(await container('PUT'))).toBe('ContainerBeingDeleted');
    clock.advance(30_000);
    expect((await container('PUT')).status).toBe(201);
    open({ requestsPerSecond: 1 });
    await put('k', '');
    const busy = await put('k', '');
    expect([busy.status, code(busy), busy.headers['retry-after']]).toEqual([503, 'ServerBusy', '1']);
  });
});

describe('listing', () => {
  async function names(query: Record<string, string>): Promise<{ names: string[]; pages: number }> {
    const found: string[] = [];
    let marker: string | undefined;
    let pages = 0;
    do {
      const page = text(
        await ask({
          method: 'GET',
          path: '/box',
          query: { comp: 'list', restype: 'container', ...query, ...(marker === undefined ? {} : { marker }) },
        }),
      );
      found.push(...[...page.matchAll(/<Name>(.*?)</g)].map((m) => m[1]!));
      marker = /<NextMarker>(.+?)</.exec(page)?.[1];
      pages++;
    } while (marker !== undefined && pages < 500);
    return { names: found, pages };
  }

  test.each([false, true])('pages of every size give everything once (ragged: %s)', async (raggedPages) => {
    open({ raggedPages });
    const keys = Array.from({ length: 40 }, (_, i) => `${i % 3 === 0 ? 'f/' : ''}k${String(i).padStart(2, '0')}`);
    for (const key of keys) azure.put('box', key, '');
    for (const maxresults of ['1', '7', '5000']) {
      expect((await names({ maxresults })).names).toEqual(keys.toSorted());
      const folders = (await names({ maxresults, delimiter: '/' })).names;
      expect(folders).toEqual(['f/', ...keys.filter((key) => !key.startsWith('f/'))]);
    }
  });

  test('what include adds', async () => {
    await put('k', 'v', { 'x-ms-meta-a': 'b', 'x-ms-tags': 'c=d' });
    await block('staged', 'a', 'x');
    const list = async (include: string): Promise<string> =>
      text(await ask({ method: 'GET', path: '/box', query: { comp: 'list', include, restype: 'container' } }));
    expect(await list('metadata')).toContain('<Metadata><a>b</a></Metadata>');
    expect(await list('tags')).toContain('<Key>c</Key><Value>d</Value>');
    expect(await list('metadata')).not.toContain('staged');
    expect(await list('uncommittedblobs')).toContain('<Name>staged</Name>');
    expect(await list('nonsense')).toContain('InvalidQueryParameterValue');
  });
});

test('a hierarchical namespace: a name is a file or a directory, never both', async () => {
  open({ hns: true });
  expect((await put('d/e/f', 'v')).status).toBe(201);
  expect((await put('d/e', 'v')).status).toBe(409);
  expect((await put('d/e/f/g', 'v')).status).toBe(409);
  expect((await put('a//b', 'v')).status).toBe(400);
  expect((await put('k', 'v', { 'x-ms-tags': 'a=b' })).status).toBe(409);
  expect((await put('m/', '')).status).toBe(201);
  const page = text(
    await ask({ method: 'GET', path: '/box', query: { comp: 'list', include: 'metadata', restype: 'container' } }),
  );
  expect([...page.matchAll(/<Name>(.*?)</g)].map((m) => m[1])).toEqual(['d', 'd/e', 'd/e/f', 'm']);
  expect(page.match(/<hdi_isfolder>true/g)).toHaveLength(3);
  expect(code(await ask({ method: 'DELETE', path: '/box/d' }))).toBe('DirectoryIsNotEmpty');
  const account = await ask({ method: 'HEAD', path: '/', query: { comp: 'properties', restype: 'account' } });
  expect(account.headers['x-ms-is-hns-enabled']).toBe('true');
});

describe('copies from the simulated S3 by presigned address', () => {
  const signer = { id: 'AK', secret: 's' };
  let url: string;

  beforeEach(() => {
    const s3 = createS3Service({
      clock,
      random: seededRandom(2),
      accounts: [{ accountId: '111111111111', users: [{ name: 'a', accessKeyId: 'AK', secretAccessKey: 's' }] }],
    });
    s3.createBucket('src');
    s3.put('src', 'k', '0123456789', { headers: { 'content-type': 'text/x' } });
    url = `https://s3.test${awsPresigned({ ...signer, nowMs: clock.now() }, 's3.test', '/src/k', 60)}`;
    open({
      fetchUrl: async (address, headers) => {
        const target = new URL(address);
        const answer = await s3.handle({
          method: 'GET',
          scheme: 'https',
          host: target.host,
          path: target.pathname + target.search,
          headers,
          body: new Uint8Array(0),
        });
        return { status: answer.status, headers: answer.headers, body: collect(answer.body) };
      },
    });
  });

  test('blocks of ranges, proved by CRC64', async () => {
    const one = await block('k', 'a', '', { 'x-ms-copy-source': url, 'x-ms-source-range': 'bytes=1-9' });
    expect([one.status, one.headers['x-ms-content-crc64']]).toEqual([201, 'iJh5CoYUi64=']);
    expect(code(await block('k', 'b', '', { 'x-ms-copy-source': url, 'x-ms-source-content-md5': md5('other') }))).toBe(
      'Md5Mismatch',
    );
    expect((await commit('k', ['a'])).status).toBe(201);
    expect(azure.bytes('box', 'k')!.toString()).toBe('123456789');
  });

  test('whole blobs, with the properties of the source', async () => {
    expect((await put('whole', '', { 'x-ms-copy-source': url })).status).toBe(201);
    expect((await get('whole')).headers['content-type']).toBe('text/x');
    const copy = await ask({
      method: 'PUT',
      path: '/box/copy',
      headers: { 'x-ms-copy-source': url, 'x-ms-requires-sync': 'true' },
    });
    expect([copy.status, copy.headers['x-ms-copy-status']]).toEqual([202, 'success']);
  });

  test('a source that refuses, is gone, or has too long an address', async () => {
    const from = (source: string): Promise<SimResponse> => block('k', 'a', '', { 'x-ms-copy-source': source });
    expect((await from(`${url}&x=${'y'.repeat(2048)}`)).status).toBe(400);
    const refused = await from(url.replace('/src/k', '/src/l'));
    expect([refused.status, code(refused)]).toEqual([403, 'CannotVerifyCopySource']);
    clock.advance(61_000);
    expect(code(await from(url))).toBe('CannotVerifyCopySource');
    open();
    expect(code(await from(url))).toBe('CannotVerifyCopySource');
  });
});

test('versions are kept and can be read', async () => {
  open({ versioning: true });
  const first = (await put('k', '1')).headers['x-ms-version-id']!;
  const second = (await put('k', '2')).headers['x-ms-version-id']!;
  expect(second > first).toBe(true);
  expect(text(await ask({ method: 'GET', path: '/box/k', query: { versionid: first } }))).toBe('1');
  const page = text(
    await ask({ method: 'GET', path: '/box', query: { comp: 'list', include: 'versions', restype: 'container' } }),
  );
  expect([...page.matchAll(/<VersionId>(.*?)</g)].map((m) => m[1])).toEqual([first, second]);
});
