/** What the S3 provider does on AWS as documented and no server that runs here can show. */
import { describe, expect, test } from 'vitest';
import type { CheckLine, Context, Place, Source, WriteOptions } from '../contract/provider.ts';
import type { Config } from '../contract/fields.ts';
import type { Entry } from '../model/entry.ts';
import { NO_PROPERTIES } from '../model/entry.ts';
import { s3 } from '../providers/s3/provider.ts';
import { createS3Service } from './s3-service.ts';
import type { S3Options } from './s3-service.ts';
import { simTransport } from './transport.ts';
import type { Fault, Seen } from './transport.ts';
import { seededRandom, simClock } from './world.ts';

const SECRET = 'kx7Qm2vT9zR4bN8wPlaceHolderYd3fGh';
const ALICE = { accessKeyId: 'AKALICE', secretAccessKey: SECRET };
const DROVER = { accessKeyId: 'AKDROVER', secretAccessKey: SECRET };
const ROLE = 'arn:aws:iam::111111111111:role/migrate';
const { signal } = new AbortController();
const HOUR_MS = 3_600_000;

function world(options: Partial<S3Options> = {}) {
  const clock = simClock(Date.UTC(2026, 0, 15, 12), true);
  const trustedPrincipals = ['arn:aws:iam::222222222222:user/drover'];
  const service = createS3Service({
    clock,
    random: seededRandom(1),
    accounts: [
      {
        accountId: '111111111111',
        users: [
          { name: 'alice', ...ALICE },
          {
            name: 'narrow',
            accessKeyId: 'AKNARROW',
            secretAccessKey: SECRET,
            grants: [{ actions: ['s3:ListBucket', 's3:GetObject'], buckets: ['photos'], prefix: 'in/' }],
          },
          {
            name: 'writer',
            accessKeyId: 'AKWRITER',
            secretAccessKey: SECRET,
            grants: [{ actions: ['s3:PutObject', 's3:DeleteObject', 's3:PutObjectTagging'], buckets: ['photos'] }],
          },
        ],
        roles: [
          { name: 'migrate', trustedPrincipals, externalId: 'drover-42' },
          { name: 'open', trustedPrincipals },
        ],
      },
      { accountId: '222222222222', users: [{ name: 'drover', ...DROVER }] },
    ],
    ...options,
  });
  let plan: ((seen: Seen) => Fault | null) | null = null;
  const seen: { operation: string; status: number; origin: string; headers: Readonly<Record<string, string>> }[] = [];
  const hostClock = { ...clock, skewMs: 0, now: () => clock.now() + hostClock.skewMs };
  const context: Context = {
    openTransport: simTransport((origin) => (origin.endsWith('amazonaws.com') ? service : null), {
      clock,
      plan: (each) => plan?.(each) ?? null,
      onAnswer: ({ operation, origin, headers }, status) => void seen.push({ operation, status, origin, headers }),
    }),
    clock: hostClock,
    random: seededRandom(2),
    log: () => undefined,
    environment: {},
    saveAccount: async () => undefined,
  };
  return {
    service,
    clock,
    hostClock,
    seen,
    faults: (made: typeof plan) => void (plan = made),
    open: (config: Config) => s3.open(config, context),
  };
}

const photos: Place = { container: 'photos', prefix: '' };

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

async function all(source: Source): Promise<Entry[]> {
  const entries: Entry[] = [];
  let isComplete = false;
  for await (const page of source.scan({ from: null, to: null, resume: null }, signal)) {
    entries.push(...page.entries);
    isComplete = page.complete;
  }
  expect(isComplete).toBe(true);
  return entries;
}

async function content(source: Source, entry: Entry): Promise<string> {
  const reading = await source.read(entry, { offset: 0, lengthBytes: entry.sizeBytes }, signal);
  const chunks: Uint8Array[] = [];
  for await (const chunk of reading.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function lines(report: AsyncIterable<CheckLine>): Promise<CheckLine[]> {
  const found: CheckLine[] = [];
  for await (const line of report) found.push(line);
  return found;
}

describe('regions', () => {
  test.each([false, true])(
    'a bucket elsewhere is found and then addressed there (temporarily: %s)',
    async (redirectsTemporarily) => {
      const { service, open, seen } = world();
      service.createBucket('photos', { region: 'ap-southeast-2', redirectsTemporarily });
      service.put('photos', 'a', 'hello');
      const account = await open({ ...ALICE, region: 'us-east-1' });
      const source = await account.source(photos, { versions: 'current' }, signal);
      const [entry] = await all(source);
      seen.length = 0;
      expect(await content(source, entry as Entry)).toBe('hello');
      expect(seen).toMatchObject([
        { operation: 'GET', status: 200, origin: 'https://photos.s3.ap-southeast-2.amazonaws.com' },
      ]);
    },
  );

  test('a missing bucket is said to be missing', async () => {
    const account = await world().open(ALICE);
    await expect(account.source(photos, { versions: 'current' }, signal)).rejects.toMatchObject({
      code: 'PLACE_NOT_FOUND',
      field: 'bucket',
    });
  });
});

describe('signing in', () => {
  const role = { ...DROVER, roleArn: ROLE, externalId: 'drover-42', region: 'us-east-1' };

  test('a role is assumed with its external ID and renewed in the middle of a long run', async () => {
    const { service, open, seen, clock } = world();
    service.createBucket('photos');
    service.put('photos', 'a', 'hello');
    const account = await open(role);
    const source = await account.source(photos, { versions: 'current' }, signal);
    const [entry] = await all(source);
    const assumed = () => seen.filter(({ operation }) => operation === 'STS').length;
    expect(assumed()).toBe(1);
    for (let hour = 0; hour < 5; hour++) {
      clock.advance(HOUR_MS * 0.9);
      expect(await content(source, entry as Entry)).toBe('hello');
    }
    expect(assumed()).toBeGreaterThanOrEqual(5);
    expect(assumed()).toBeLessThanOrEqual(6);
  });

  test('a session that the service ends early is renewed by one refusal', async () => {
    const { service, open, faults } = world();
    service.createBucket('photos');
    service.put('photos', 'a', 'hello');
    const source = await (await open(role)).source(photos, { versions: 'current' }, signal);
    const [entry] = await all(source);
    faults(({ request, ofOperation }) =>
      request.operation === 'GET' && ofOperation === 0 ? { kind: 'status', status: 400, code: 'ExpiredToken' } : null,
    );
    expect(await content(source, entry as Entry)).toBe('hello');
  });

  test('a wrong external ID names its field and is not repeated', async () => {
    const account = await world().open({ ...role, externalId: 'other-id' });
    const error = await account.source(photos, { versions: 'current' }, signal).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED', field: 'externalId' });
    expect(String(error)).not.toContain('other-id');
  });

  test('check shows who signs and who acts, and warns about a role that does not demand the external ID', async () => {
    const { service, open } = world();
    service.createBucket('photos');
    const report = await lines((await open(role)).check(photos, 'read', signal));
    const said = report.map(({ message }) => message).join('\n');
    expect(said).toContain('signs as arn:aws:iam::222222222222:user/drover (account 222222222222)');
    expect(said).toContain('acts as arn:aws:sts::111111111111:assumed-role/migrate/drover');
    expect(report.some(({ result }) => result === 'warning')).toBe(false);
    const open_ = 'arn:aws:iam::111111111111:role/open';
    const careless = await lines((await open({ ...role, roleArn: open_ })).check(photos, 'read', signal));
    expect(careless).toContainEqual(expect.objectContaining({ result: 'warning', field: 'externalId' }));
    const { externalId: _, ...without } = role;
    const bare = await lines((await open({ ...without, roleArn: open_ })).check(photos, 'read', signal));
    expect(bare).toContainEqual(expect.objectContaining({ result: 'warning', field: 'externalId' }));
  });

  test.each([
    [{ accessKeyId: 'AKNOBODY', secretAccessKey: SECRET }, 'accessKeyId'],
    [{ accessKeyId: 'AKALICE', secretAccessKey: 'wrong' }, 'secretAccessKey'],
  ])('%j: the field at fault is %s', async (config, field) => {
    const { service, open } = world();
    service.createBucket('photos');
    const report = await lines((await open(config)).check(photos, 'read', signal));
    expect(report.filter(({ result }) => result === 'refused').map((line) => line.field)).toContain(field);
  });

  test('a clock that is an hour off is corrected by one refusal', async () => {
    const { service, open, hostClock } = world();
    service.createBucket('photos');
    service.put('photos', 'a', 'hello');
    hostClock.skewMs = HOUR_MS;
    const source = await (await open(ALICE)).source(photos, { versions: 'current' }, signal);
    expect(await content(source, (await all(source))[0] as Entry)).toBe('hello');
  });
});

describe('rights', () => {
  test('listing below a prefix only is enough to read there', async () => {
    const { service, open } = world();
    service.createBucket('photos');
    service.put('photos', 'in/a', 'hello');
    const narrow = { accessKeyId: 'AKNARROW', secretAccessKey: SECRET, bucket: 'photos', prefix: 'in' };
    const account = await open(narrow);
    const place = { container: 'photos', prefix: 'in/' };
    const source = await account.source(place, { versions: 'current' }, signal);
    expect(await content(source, (await all(source))[0] as Entry)).toBe('hello');
    await expect(account.source(photos, { versions: 'current' }, signal)).rejects.toMatchObject({ field: 'prefix' });
    const report = await lines(account.check(place, 'both', signal));
    expect(report.at(-1)).toMatchObject({ result: 'ok', message: expect.stringContaining('only read') as string });
  });

  test('a connector that may only write is healthy', async () => {
    const { service, open } = world();
    service.createBucket('photos');
    const account = await open({ accessKeyId: 'AKWRITER', secretAccessKey: SECRET });
    const report = await lines(account.check(photos, 'both', signal));
    expect(report).toContainEqual(expect.objectContaining({ what: 'write', result: 'ok' }));
    expect(report).toContainEqual(expect.objectContaining({ what: 'delete', result: 'ok' }));
    expect(report.at(-1)?.message).toContain('only write');
    expect(service.keys('photos')).toEqual([]);
  });

  test('requester pays goes with every request', async () => {
    const { service, open, seen } = world();
    service.createBucket('photos', { ownerId: '222222222222', sharedWith: ['111111111111'], requesterPays: true });
    service.put('photos', 'a', 'hello');
    const refused = await (await open(ALICE)).source(photos, { versions: 'current' }, signal);
    await expect(all(refused)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    seen.length = 0;
    const source = await (
      await open({ ...ALICE, requesterPays: true })
    ).source(photos, { versions: 'current' }, signal);
    expect(await content(source, (await all(source))[0] as Entry)).toBe('hello');
    for (const { headers } of seen) expect(headers['x-amz-request-payer']).toBe('requester');
  });
});

describe('objects', () => {
  test.each([
    ['OWN_CLASS', { code: 'INVALID_INPUT', field: 'storageClass' }],
    ['STANDARD_IA', { code: 'INTERNAL', field: null }],
  ])('a store that says no more than InvalidArgument of %s', async (storageClass, expected) => {
    const { service, open, faults } = world();
    service.createBucket('photos');
    const target = await (await open(ALICE)).target(photos, { facts: null, runId: 'abcdefgh' }, signal);
    faults(({ request }) =>
      request.operation === 'PUT' ? { kind: 'status', status: 400, code: 'InvalidArgument' } : null,
    );
    const body = { sizeBytes: 1, content: Buffer.from('a') };
    await expect(target.write('k', body, options({ storageClass }))).rejects.toMatchObject(expected);
  });

  test('archived ones are told apart, can be asked back, and are read then', async () => {
    const { service, open, clock } = world();
    service.createBucket('photos');
    service.put('photos', 'cold', 'hello', { storageClass: 'GLACIER' });
    const source = await (await open(ALICE)).source(photos, { versions: 'current' }, signal);
    const [entry] = (await all(source)) as [Entry];
    expect(entry).toMatchObject({ availability: 'archived', storageClass: 'GLACIER' });
    await expect(content(source, entry)).rejects.toMatchObject({
      code: 'ARCHIVED',
      message: expect.stringContaining('GLACIER') as string,
    });
    const restore = source.facets.restore as NonNullable<Source['facets']['restore']>;
    const how = { tier: 'Bulk', days: 3 } as const;
    expect(await restore.request(entry, how, signal)).toBe('requested');
    expect(await restore.request(entry, how, signal)).toBe('restoring');
    expect(await restore.status(entry, signal)).toBe('restoring');
    clock.advance(24 * HOUR_MS);
    expect(await restore.status(entry, signal)).toBe('online');
    expect(await restore.request(entry, how, signal)).toBe('online');
    expect(await content(source, entry)).toBe('hello');
    expect((await all(source))[0]?.availability).toBe('online');
  });

  test('removing what is gone already is fine, also under a condition', async () => {
    const { service, open } = world();
    service.createBucket('photos');
    const account = await open(ALICE);
    const probing = await account.target(photos, { facts: null, runId: 'abcdefgh' }, signal);
    const facts = (await probing.observe?.(signal)) ?? null;
    expect(facts?.matchOnDelete).toBe('honoured');
    const target = await account.target(photos, { facts, runId: 'abcdefgh' }, signal);
    await target.write('k', { sizeBytes: 1, content: Buffer.from('x') }, options());
    const entry = (await target.stat('k', signal)) as Entry;
    expect(await target.facets.removal?.remove(entry, signal)).toBe('removed');
    expect(await target.facets.removal?.remove(entry, signal)).toBe('absent');
    await target.write('k', { sizeBytes: 1, content: Buffer.from('y') }, options());
    await expect(target.facets.removal?.remove(entry, signal)).rejects.toMatchObject({ code: 'CHANGED' });
  });

  test('all versions come oldest first and each is read as it was', async () => {
    const { service, open } = world();
    service.createBucket('photos', { versioning: 'Enabled' });
    const account = await open(ALICE);
    const target = await account.target(photos, { facts: null, runId: 'abcdefgh' }, signal);
    for (const text of ['one', 'two!']) {
      const bytes = Buffer.from(text);
      await target.write('k', { sizeBytes: bytes.length, content: bytes }, options());
    }
    await target.facets.removal?.remove((await target.stat('k', signal)) as Entry, signal);
    const source = await account.source(photos, { versions: 'all' }, signal);
    const entries = await all(source);
    expect(entries.map(({ kind }) => kind)).toEqual(['object', 'object', 'opaque']);
    expect(await content(source, entries[0] as Entry)).toBe('one');
    expect(await content(source, entries[1] as Entry)).toBe('two!');
  });

  test('an ETag of an object under a KMS key proves nothing, the checksums do', async () => {
    const { service, open } = world();
    service.createBucket('photos');
    const account = await open({ ...ALICE, encryption: 'SSE-KMS' });
    const target = await account.target(photos, { facts: null, runId: 'abcdefgh' }, signal);
    const bytes = Buffer.from('hello');
    const written = await target.write('k', { sizeBytes: 5, content: bytes }, options());
    expect(written.proved.md5).toBe('5d41402abc4b2a76b9719d911017c592');
    expect(written.entry.identity.etag).not.toBe(written.proved.md5);
    const source = await account.source(photos, { versions: 'current' }, signal);
    const described = await source.describe((await all(source))[0] as Entry, signal);
    expect(described.entry.digests.md5).toBeUndefined();
    expect(described.entry.digests.crc64nvme).toMatch(/^[0-9a-f]{16}$/);
  });

  test('an error inside a 200 to complete and to copy is an error', async () => {
    const { service, open, faults } = world({ partBytesMin: 1 });
    service.createBucket('photos');
    const account = await open(ALICE);
    const target = await account.target(photos, { facts: null, runId: 'abcdefgh' }, signal);
    const parts = target.facets.parts as NonNullable<typeof target.facets.parts>;
    const upload = await parts.begin('k', 5, 5, options());
    const receipt = await parts.put(upload, 0, { sizeBytes: 5, content: Buffer.from('hello') }, {}, signal);
    faults(({ request }) =>
      /COMPLETE|COPY/.test(request.operation) ? { kind: 'error-inside', code: 'InternalError' } : null,
    );
    await expect(parts.complete(upload, [receipt], options())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    faults(null);
    const written = await parts.complete(upload, [receipt], options());
    expect(written.composite).toMatchObject({ kind: 'md5', partCount: 1 });
    expect(service.bytes('photos', 'k')?.toString()).toBe('hello');
    const source = await account.source(photos, { versions: 'current' }, signal);
    const reference = await source.facets.references?.of((await all(source))[0] as Entry, HOUR_MS, signal);
    const copy = target.facets.serverSideCopy as NonNullable<typeof target.facets.serverSideCopy>;
    expect(copy.accepts(reference!)).toBe('yes');
    faults(({ request }) => (request.operation === 'COPY' ? { kind: 'error-inside', code: 'InternalError' } : null));
    await expect(copy.copy(reference!, 'c', 5, options())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    faults(null);
    await copy.copy(reference!, 'c', 5, options());
    expect(service.bytes('photos', 'c')?.toString()).toBe('hello');
    service.put('photos', 'k', 'other');
    await expect(copy.copy(reference!, 'd', 5, options())).rejects.toMatchObject({ code: 'CHANGED' });
    expect(service.bytes('photos', 'd')).toBeNull();
  });

  test('uploads of others on the same key are never taken for ours', async () => {
    const { service, open } = world({ partBytesMin: 1 });
    service.createBucket('photos', { sharedWith: ['222222222222'] });
    const other = await (await open(DROVER)).target(photos, { facts: null, runId: 'otherrun' }, signal);
    await other.facets.parts?.begin('k', 5, 5, options());
    const ours = await (await open(ALICE)).target(photos, { facts: null, runId: 'abcdefgh' }, signal);
    expect(await ours.facets.parts?.find('k', 0, signal)).toEqual([]);
    const upload = await ours.facets.parts?.begin('k', 5, 5, options());
    expect((await ours.facets.parts?.find('k', 0, signal))?.map(({ token }) => token)).toEqual([upload?.token]);
  });

  test('observing finds what is documented, and leaves nothing', async () => {
    const { service, open } = world({ partBytesMin: 1 });
    service.createBucket('photos');
    const target = await (await open(ALICE)).target(photos, { facts: null, runId: 'abcdefgh' }, signal);
    expect(await target.observe?.(signal)).toMatchObject({
      createOnly: 'honoured',
      matchOnWrite: 'honoured',
      matchOnComplete: 'honoured',
      etagQuotes: 'quoted',
      contentMd5: 'honoured',
      checksums: { crc64nvme: 'honoured', sha256: 'honoured' },
      partNumberReads: 'honoured',
      tagsOnBegin: 'honoured',
    });
    expect(service.keys('photos')).toEqual([]);
  });
});
