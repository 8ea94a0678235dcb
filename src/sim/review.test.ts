/** Where Amazon S3 differs from what every server that can run here does: each case went wrong once. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Context, Place, Source, WriteOptions } from '../contract/provider.ts';
import type { Config } from '../contract/fields.ts';
import type { Entry } from '../model/entry.ts';
import { NO_PROPERTIES } from '../model/entry.ts';
import { s3 } from '../providers/s3/provider.ts';
import { textBody } from './http.ts';
import type { SimRequest, SimResponse } from './http.ts';
import { createS3Service } from './s3-service.ts';
import { simTransport } from './transport.ts';
import { seededRandom, simClock } from './world.ts';

const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';
const ALICE = { accessKeyId: 'AKALICE', secretAccessKey: SECRET };
const READER = { accessKeyId: 'AKREADER', secretAccessKey: SECRET };
const CUSTOMER_KEY = Buffer.alloc(32, 7).toString('base64');
const photos: Place = { container: 'photos', prefix: '' };
const { signal } = new AbortController();

type Rewrite = (request: SimRequest, answer: SimResponse) => SimResponse;

function world() {
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const service = createS3Service({
    clock,
    random: seededRandom(1),
    partBytesMin: 1,
    accounts: [
      {
        accountId: '111111111111',
        users: [
          { name: 'alice', ...ALICE },
          {
            name: 'reader',
            ...READER,
            grants: [{ actions: ['s3:ListBucket', 's3:GetObject'], buckets: ['photos', 'kept'] }],
          },
        ],
      },
    ],
  });
  service.createBucket('photos');
  const requests: SimRequest[] = [];
  let rewrite: Rewrite = (_, answer) => answer;
  let isStsAway = false;
  const seen = {
    async handle(request: SimRequest): Promise<SimResponse> {
      requests.push(request);
      return rewrite(request, await service.handle(request));
    },
  };
  const context: Context = {
    openTransport: simTransport(
      (origin) => (origin.endsWith('amazonaws.com') && !(isStsAway && origin.includes('//sts.')) ? seen : null),
      { clock },
    ),
    clock,
    random: seededRandom(2),
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
  return {
    service,
    requests,
    answers: (how: Rewrite) => void (rewrite = how),
    withoutSts: () => void (isStsAway = true),
    open: (config: Config) => s3.open(config, context),
    source: async (config: Config, versions: 'current' | 'all' = 'current') =>
      (await s3.open(config, context)).source(photos, { versions }, signal),
    target: async (config: Config) =>
      (await s3.open(config, context)).target(photos, { facts: null, runId: 'abcdefgh' }, signal),
  };
}

function options(more: Partial<WriteOptions> = {}): WriteOptions {
  return {
    properties: NO_PROPERTIES,
    digests: {},
    expect: { kind: 'any' },
    modifiedAtMs: null,
    recorded: null,
    storageClass: null,
    kind: 'object',
    signal,
    ...more,
  };
}

const bytes = (text: string) => ({ sizeBytes: Buffer.byteLength(text), content: Buffer.from(text, 'utf8') });

async function all(source: Pick<Source, 'scan'>): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const page of source.scan({ from: null, to: null, resume: null }, signal)) entries.push(...page.entries);
  return entries;
}

async function uploaded(made: ReturnType<typeof world>, config: Config) {
  const target = await made.target(config);
  const parts = target.facets.parts!;
  const upload = await parts.begin('k', 10, 5, options());
  const receipts = [
    await parts.put(upload, 0, bytes('hello'), {}, signal),
    await parts.put(upload, 1, bytes('world'), {}, signal),
  ];
  return { target, written: await parts.complete(upload, receipts, options()) };
}

describe('encryption', () => {
  test('the ETag of an upload in parts under a KMS key is no digest over its parts', async () => {
    const made = world();
    const { target, written } = await uploaded(made, { ...ALICE, encryption: 'SSE-KMS' });
    expect(written.composite).toBeNull();
    expect(target.traits).toMatchObject({ compositeDigests: [], listedDigests: [] });
    expect((await target.stat('k', signal))?.composite).toBeNull();
  });

  test('a bucket that encrypts with a KMS key by itself is noticed when it is observed', async () => {
    const made = world();
    // The bucket's default, which no header of ours asks for.
    made.answers((request, answer) => {
      const isObject = request.host.startsWith('photos.') && answer.headers['etag'] !== undefined;
      if (!isObject || request.method === 'GET') return answer;
      const etag = `"${createHash('md5').update(`kms ${answer.headers['etag']}`).digest('hex')}"`;
      return { ...answer, headers: { ...answer.headers, etag, 'x-amz-server-side-encryption': 'aws:kms' } };
    });
    const account = await made.open(ALICE);
    const first = await account.target(photos, { facts: null, runId: 'abcdefgh' }, signal);
    const facts = await first.observe!(signal);
    expect(facts.etagIsMd5).toBe(false);
    const again = await account.target(photos, { facts, runId: 'abcdefgh' }, signal);
    expect(again.traits.compositeDigests).toEqual([]);
    const plain = await world().target(ALICE);
    expect((await plain.observe!(signal)).etagIsMd5).toBe(true);
    expect(plain.traits.compositeDigests).toEqual(['md5']);
  });

  test('where observing is not possible, the first upload shows how the bucket encrypts', async () => {
    const made = world();
    made.answers((request, answer) =>
      request.method === 'POST'
        ? { ...answer, headers: { ...answer.headers, 'x-amz-server-side-encryption': 'aws:kms' } }
        : answer,
    );
    const target = await made.target(ALICE);
    expect(target.traits.compositeDigests).toEqual(['md5']);
    await target.facets.parts!.begin('k', 5, 5, options());
    expect(target.traits.compositeDigests).toEqual([]);
  });

  test('listed ETags are believed only after one object was looked at', async () => {
    const made = world();
    const encryption = { kind: 'aws:kms', keyId: null, customerKeyMd5: null } as const;
    made.service.put('photos', 'a', 'hello', { encryption, etag: 'd41d8cd98f00b204e9800998ecf8427e' });
    made.service.put('photos', 'b', 'world', { encryption, etag: 'd41d8cd98f00b204e9800998ecf8427e-2' });
    const listed = await all(await made.source(ALICE));
    expect(listed.map(({ digests, composite }) => ({ digests, composite }))).toEqual([
      { digests: {}, composite: null },
      { digests: {}, composite: null },
    ]);
    const other = world();
    other.service.put('photos', 'a', 'hello');
    expect((await all(await other.source(ALICE)))[0]?.digests.md5).toBe('5d41402abc4b2a76b9719d911017c592');
  });

  test('an upload under a customer key is completed with that key', async () => {
    const made = world();
    const { written } = await uploaded(made, { ...ALICE, encryption: 'SSE-C', customerKey: CUSTOMER_KEY });
    expect(written.entry.sizeBytes).toBe(10);
  });
});

describe('rights', () => {
  test('current objects of a bucket with versions are read without the right to ask for versions', async () => {
    const made = world();
    made.service.createBucket('kept', { versioning: 'Enabled' });
    made.service.put('kept', 'a', 'helloworld');
    const account = await made.open(READER);
    const source = await account.source({ container: 'kept', prefix: '' }, { versions: 'current' }, signal);
    const listed = (await all(source))[0]!;
    const described = (await source.describe(listed, signal)).entry;
    const found = (await source.stat('a', signal))!;
    for (const entry of [listed, described, found]) {
      const reading = await source.read(entry, { offset: 0, lengthBytes: 5 }, signal);
      for await (const chunk of reading.body) expect(Buffer.from(chunk).toString()).toBe('hello');
      expect(reading.entry.identity).toEqual(listed.identity);
    }
    const reference = await source.facets.references!.of(described, 60_000, signal);
    expect(reference.url).not.toContain('versionId');
    made.service.put('kept', 'a', 'otherthing');
    const late = source.read(described, { offset: 0, lengthBytes: 5 }, signal);
    await expect(late).rejects.toMatchObject({ code: 'CHANGED' });
  });

  test('all versions are pinned by their names', async () => {
    const made = world();
    made.service.createBucket('kept', { versioning: 'Enabled' });
    for (const content of ['one', 'two']) made.service.put('kept', 'a', content);
    const account = await made.open(ALICE);
    const source = await account.source({ container: 'kept', prefix: '' }, { versions: 'all' }, signal);
    const [first] = await all(source);
    const reading = await source.read(first!, { offset: 0, lengthBytes: 3 }, signal);
    for await (const chunk of reading.body) expect(Buffer.from(chunk).toString()).toBe('one');
    expect(reading.entry.identity.versionId).toBe(first!.identity.versionId);
    expect((await source.stat('a', signal))?.identity.versionId).not.toBeNull();
  });

  test('what was put before versions were kept is one of them, as long as nothing replaces it', async () => {
    const made = world();
    const kept = made.service.createBucket('kept', { versioning: 'off' });
    const source = await (
      await made.open(ALICE)
    ).source({ container: 'kept', prefix: '' }, { versions: 'all' }, signal);
    const contents = async (): Promise<[string | null, string | null][]> => {
      const found: [string | null, string | null][] = [];
      for (const entry of await all(source)) {
        const { versionId } = entry.identity;
        const name = versionId === 'null' ? versionId : 'named';
        if (entry.kind === 'opaque') {
          found.push([name, entry.nativeType]);
          continue;
        }
        expect((await source.describe(entry, signal)).entry.identity).toEqual(entry.identity);
        const reading = await source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
        for await (const chunk of reading.body) found.push([name, Buffer.from(chunk).toString()]);
      }
      return found;
    };
    made.service.put('kept', 'a', 'old');
    expect(await contents()).toEqual([['null', 'old']]);
    kept.versioning = 'Enabled';
    made.service.put('kept', 'a', 'new');
    const old = (await all(source))[0]!;
    const target = await (
      await made.open(ALICE)
    ).target({ container: 'kept', prefix: '' }, { facts: null, runId: 'abcdefgh' }, signal);
    await target.facets.removal!.remove((await target.stat('a', signal))!, signal);
    const three = [
      ['null', 'old'],
      ['named', 'new'],
      ['named', 'delete-marker'],
    ];
    expect(await contents()).toEqual(three);
    kept.versioning = 'Suspended';
    made.service.put('kept', 'a', 'else');
    expect(await contents()).toEqual([...three.slice(1), ['null', 'else']]);
    const late = source.read(old, { offset: 0, lengthBytes: 3 }, signal);
    await expect(late).rejects.toMatchObject({ code: 'CHANGED' });
  });

  test('tags that we may not even count are reported, after one refusal and not silently', async () => {
    const made = world();
    for (const key of ['a', 'b']) made.service.put('photos', key, 'hello', { tags: new Map([['team', 'red']]) });
    const source = await made.source(READER);
    const entries = await all(source);
    for (const entry of entries) {
      expect((await source.describe(entry, signal)).properties.tagCount).toBeNull();
      await expect(source.facets.tags!.read(entry, signal)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    }
    expect(made.requests.filter(({ path }) => path.includes('tagging'))).toHaveLength(1);
  });

  test('with the right to read tags, objects without any cost one question in all', async () => {
    const made = world();
    for (const key of ['a', 'b']) made.service.put('photos', key, 'hello');
    const source = await made.source(ALICE);
    const [a, b] = await all(source);
    expect((await source.describe(a!, signal)).properties.tagCount).toBeNull();
    expect(await source.facets.tags!.read(a!, signal)).toEqual({});
    expect((await source.describe(b!, signal)).properties.tagCount).toBe(0);
  });

  test.each([
    [400, 'ExpiredToken', 'CREDENTIALS_EXPIRED'],
    [403, 'InvalidAccessKeyId', 'UNAUTHENTICATED'],
    [403, 'AccessDenied', 'PERMISSION_DENIED'],
  ])('HEAD is refused with %i and no words: %s is %s all the same', async (status, code, expected) => {
    const made = world();
    made.service.put('photos', 'a', 'hello');
    const source = await made.source(ALICE);
    const [entry] = await all(source);
    made.answers(({ method }) => ({
      status,
      headers: {},
      body: textBody(method === 'HEAD' ? '' : `<Error><Code>${code}</Code><Message>No.</Message></Error>`),
    }));
    await expect(source.describe(entry!, signal)).rejects.toMatchObject({ code: expected });
  });

  test('where STS cannot be reached, own uploads are known by how the store names whoever begins one', async () => {
    const made = world();
    const parts = (await made.target(ALICE)).facets.parts!;
    const begun = await parts.begin('k', 5, 5, options());
    made.withoutSts();
    const find = () => parts.find('k', 0, signal);
    await expect(find()).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await expect(find()).rejects.toMatchObject({ code: 'UNREACHABLE' });
    const found = await find();
    expect(found).toEqual([{ key: 'k', startedAtMs: expect.any(Number) as number, token: begun.token }]);
  });
});

test('a bucket that locks objects gets a digest with every stream and every part', async () => {
  const made = world();
  const words =
    'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters';
  made.answers((request, answer) => {
    const isBare = request.method === 'PUT' && request.headers['content-md5'] === undefined;
    if (!isBare) return answer;
    const body = textBody(`<Error><Code>InvalidRequest</Code><Message>${words}</Message></Error>`);
    return { status: 400, headers: {}, body };
  });
  const target = await made.target(ALICE);
  const stream = () => ({
    sizeBytes: 5,
    content: (async function* () {
      yield Buffer.from('hello');
    })(),
  });
  await expect(target.write('a', stream(), options())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await target.write('a', stream(), options());
  expect(made.service.bytes('photos', 'a')?.toString()).toBe('hello');
  const other = await made.target(ALICE);
  const parts = other.facets.parts!;
  const upload = await parts.begin('b', 10, 5, options());
  // Of the part, for the whole: nothing that would go along.
  const first = await parts.put(upload, 0, bytes('hello'), { crc64nvme: '0'.repeat(16) }, signal);
  const second = await parts.put(upload, 1, stream(), {}, signal);
  await parts.complete(upload, [first, second], options());
  expect(made.service.bytes('photos', 'b')?.toString()).toBe('hellohello');
});

test('observing leaves no version behind where we may remove them', async () => {
  const made = world();
  made.service.createBucket('kept', { versioning: 'Enabled' });
  const account = await made.open(ALICE);
  const place = { container: 'kept', prefix: '' };
  const target = await account.target(place, { facts: null, runId: 'abcdefgh' }, signal);
  await target.observe!(signal);
  expect(await all(await account.source(place, { versions: 'all' }, signal))).toEqual([]);
});

describe('answers', () => {
  test('the checksum of a range that is one part is not taken for the whole object’s', async () => {
    const made = world();
    made.service.put('photos', 'a', 'helloworld');
    const source = await made.source(ALICE);
    const [entry] = await all(source);
    made.answers((_, answer) => ({
      ...answer,
      headers: { ...answer.headers, 'x-amz-checksum-crc32': 'NhCmhg==', 'x-amz-checksum-type': 'FULL_OBJECT' },
    }));
    const reading = await source.read(entry!, { offset: 0, lengthBytes: 5 }, signal);
    for await (const chunk of reading.body) expect(Buffer.from(chunk).toString()).toBe('hello');
    expect(reading.entry.digests.crc32).toBeUndefined();
  });

  test('a restored version is listed as online', async () => {
    const made = world();
    made.service.put('photos', 'a', 'hello', { storageClass: 'GLACIER' });
    const source = await made.source(ALICE, 'all');
    const [entry] = await all(source);
    await source.facets.restore!.request(entry!, { tier: 'Expedited', days: 3 } as never, signal);
    expect((await all(source))[0]?.availability).toBe('restoring');
  });

  test('a part that the store copied brings its checksum to the completion', async () => {
    const made = world();
    made.service.put('photos', 'a', 'helloworld');
    const account = await made.open(ALICE);
    const source = await account.source(photos, { versions: 'current' }, signal);
    const target = await account.target(photos, { facts: null, runId: 'abcdefgh' }, signal);
    const reference = await source.facets.references!.of((await all(source))[0]!, 60_000, signal);
    const given = options({ digests: { crc32c: 'a4a55e1b' } });
    const upload = await target.facets.parts!.begin('b', 10, 10, given);
    const part = await target.facets.serverSideCopy!.copyPart(
      upload,
      0,
      reference,
      { offset: 0, lengthBytes: 10 },
      signal,
    );
    expect(part.proved.crc32c).toMatch(/^[0-9a-f]{8}$/);
    await target.facets.parts!.complete(upload, [part], options());
    const completion = Buffer.from(made.requests.findLast(({ method }) => method === 'POST')!.body).toString();
    expect(completion).toContain('<ChecksumCRC32C>');
  });
});

describe('secrets', () => {
  test('a cut answer of STS is not shown: it holds the keys it issued', async () => {
    const made = world();
    made.answers((_, answer) => ({
      ...answer,
      body: textBody(`<AssumeRoleResponse><AssumeRoleResult><Credentials><SecretAccessKey>${SECRET}</SecretAccessKey>`),
      status: 200,
    }));
    const config = { ...ALICE, roleArn: 'arn:aws:iam::111111111111:role/x', externalId: 'drover-42' };
    const error = await made.source(config).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(JSON.stringify(error) + JSON.stringify((error as { details?: unknown }).details)).not.toContain(SECRET);
  });

  test('a password in an address is not repeated', async () => {
    const error = await world()
      .open({ ...ALICE, endpoint: `https://me:${SECRET}@store.example` })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'INVALID_INPUT', field: 'endpoint' });
    expect(String(error)).not.toContain(SECRET);
  });
});

test('metadata names that differ only by case lose one entry, and say so', async () => {
  const target = await world().target(ALICE);
  const metadata = { Team: 'red', team: 'blue' };
  const written = await target.write('a', bytes('x'), options({ properties: { ...NO_PROPERTIES, metadata } }));
  expect(written.losses).toEqual([expect.stringContaining('"team"')]);
});
