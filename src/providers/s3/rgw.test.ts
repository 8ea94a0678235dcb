/** What the kit does not ask for, on a real store: roles, facts, copies by the store itself, versions, URLs. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Account, CheckLine, Place, WriteOptions } from '../../contract/provider.ts';
import { systemClock, systemRandom } from '../../lib/system.ts';
import { openUndiciTransport } from '../../lib/undici-transport.ts';
import { NO_PROPERTIES } from '../../model/entry.ts';
import type { Entry } from '../../model/entry.ts';
import type { RgwServer } from '../../../test/servers.ts';
import { s3 } from './provider.ts';
import { RawStore } from '../../../test/raw-s3.ts';

const found = inject('servers').rgw;
const { signal } = new AbortController();

describe.skipIf(found === null)('s3 on Ceph RGW, beyond the kit', () => {
  const rgw = found as RgwServer;
  const bucket = `own-${randomBytes(6).toString('hex')}`;
  const place: Place = { container: bucket, prefix: '' };
  let raw: RawStore;

  beforeAll(async () => {
    raw = new RawStore(rgw);
    await raw.must('PUT', bucket, null);
  });
  afterAll(async () => {
    const versions = (await raw.send('GET', bucket, null, [['versions', '']])).body.toString('utf8');
    for (const match of versions.matchAll(/<Key>([^<]*)<\/Key><VersionId>([^<]*)<\/VersionId>/g)) {
      await raw.send('DELETE', bucket, match[1] as string, [['versionId', match[2] as string]]);
    }
    await raw.removeAll(bucket, '');
    await raw.send('DELETE', bucket, null);
  });

  function open(more: Record<string, string> = {}): Promise<Account> {
    const keys = { accessKeyId: rgw.accessKeyId, secretAccessKey: rgw.secretAccessKey };
    return s3.open(
      { endpoint: rgw.endpoint, ...keys, ...more },
      {
        openTransport: openUndiciTransport({}),
        clock: systemClock,
        random: systemRandom,
        log: () => undefined,
        environment: {},
        saveAccount: async () => undefined,
      },
    );
  }

  const asRole = {
    accessKeyId: rgw?.otherAccessKeyId ?? '',
    secretAccessKey: rgw?.otherSecretAccessKey ?? '',
    roleArn: rgw?.openRoleArn ?? '',
  };

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

  async function entriesOf(account: Account, versions: 'current' | 'all'): Promise<Entry[]> {
    const source = await account.source(place, { versions }, signal);
    const entries: Entry[] = [];
    for await (const page of source.scan({ from: null, to: null, resume: null }, signal)) entries.push(...page.entries);
    return entries;
  }

  test('a role is assumed and its session signs', async () => {
    await using account = await open(asRole);
    const report: CheckLine[] = [];
    for await (const line of account.check(null, 'read', signal)) report.push(line);
    expect(report.filter(({ result }) => result === 'refused')).toEqual([]);
    expect(report).toContainEqual(expect.objectContaining({ result: 'warning', field: 'externalId' }));
  });

  test('a role that does not exist names its field', async () => {
    await using account = await open({ ...asRole, roleArn: 'arn:aws:iam:::role/absent' });
    await expect(account.source(place, { versions: 'current' }, signal)).rejects.toMatchObject({ field: 'roleArn' });
  });

  test('the facts are those that were measured by hand', async () => {
    await using account = await open();
    const target = await account.target(place, { facts: null, runId: 'abcdefgh' }, signal);
    expect(await target.observe?.(signal)).toMatchObject({
      createOnly: 'honoured',
      matchOnWrite: 'honoured',
      matchOnComplete: 'ignored',
      matchOnDelete: 'ignored',
      etagQuotes: 'unquoted',
      contentMd5: 'honoured',
      checksums: { sha256: 'ignored', crc32: 'ignored', crc64nvme: 'ignored' },
      returned: [],
      partNumberReads: 'ignored',
      tagsOnBegin: 'ignored',
    });
    expect(await raw.keys(bucket, '')).toEqual([]);
    expect(await raw.uploads(bucket, '')).toEqual([]);
  });

  test('check reports each right, and removes its probe', async () => {
    await using account = await open();
    await raw.must('PUT', bucket, 'seen', [], {}, 'x');
    const report: CheckLine[] = [];
    for await (const line of account.check(place, 'both', signal)) report.push(line);
    for (const what of ['identity', 'list', 'container', 'read', 'write', 'tags', 'delete']) {
      expect(report).toContainEqual(expect.objectContaining({ what, result: 'ok' }));
    }
    expect(await raw.keys(bucket, '')).toEqual(['seen']);
  });

  test('in a bucket that keeps versions neither leaves any', async () => {
    const versioned = `${bucket}-v`;
    await raw.must('PUT', versioned, null);
    const on = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    await raw.must('PUT', versioned, null, [['versioning', '']], {}, on);
    try {
      await using account = await open();
      for (let times = 0; times < 2; times += 1) {
        const report: CheckLine[] = [];
        for await (const line of account.check({ container: versioned, prefix: 'in/' }, 'write', signal)) {
          report.push(line);
        }
        for (const what of ['write', 'tags', 'delete']) {
          expect(report).toContainEqual(expect.objectContaining({ what, result: 'ok' }));
        }
        expect(report.filter(({ what }) => what === 'fact')).toEqual([]);
        const options = { facts: null, runId: 'abcdefgh' };
        const target = await account.target({ container: versioned, prefix: 'in/' }, options, signal);
        expect(await target.observe!(signal)).toMatchObject({ contentMd5: 'honoured' });
        const listed = (await raw.send('GET', versioned, null, [['versions', '']])).body.toString('utf8');
        expect(listed).toContain('<ListVersionsResult');
        expect(listed).not.toMatch(/<Version>|<DeleteMarker>/);
      }
    } finally {
      const listed = (await raw.send('GET', versioned, null, [['versions', '']])).body.toString('utf8');
      for (const match of listed.matchAll(/<Key>([^<]*)<\/Key><VersionId>([^<]*)<\/VersionId>/g)) {
        await raw.send('DELETE', versioned, match[1] as string, [['versionId', match[2] as string]]);
      }
      await raw.send('DELETE', versioned, null);
    }
  });

  test('a copy by the store itself has the properties of the source and only its pinned state', async () => {
    await using account = await open();
    await raw.must('PUT', bucket, 'from ü+%', [], {}, 'hello');
    const source = await account.source(place, { versions: 'current' }, signal);
    const target = await account.target(place, { facts: null, runId: 'abcdefgh' }, signal);
    const entry = (await source.stat('from ü+%', signal)) as Entry;
    const reference = await source.facets.references!.of(entry, 60_000, signal);
    const properties = {
      ...NO_PROPERTIES,
      headers: { contentType: 'text/x' },
      metadata: { a: 'é' },
      tags: { t: 'v w' },
    };
    const copy = target.facets.serverSideCopy!;
    expect(copy.accepts(reference)).toBe('yes');
    await copy.copy(reference, 'to', 5, options({ properties }));
    const described = await target.describe((await target.stat('to', signal)) as Entry, signal);
    expect(described.properties).toMatchObject({ headers: { contentType: 'text/x' }, metadata: { a: 'é' } });
    expect(await target.facets.tags!.read(described.entry, signal)).toEqual({ t: 'v w' });
    await raw.must('PUT', bucket, 'from ü+%', [], {}, 'other');
    await expect(copy.copy(reference, 'stale', 5, options())).rejects.toMatchObject({ code: 'CHANGED' });
    expect((await raw.send('HEAD', bucket, 'stale')).status).toBe(404);
  });

  test('properties are replaced without the content', async () => {
    await using account = await open();
    await raw.must('PUT', bucket, 'props', [], { 'x-amz-meta-old': '1' }, 'hello');
    const target = await account.target(place, { facts: null, runId: 'abcdefgh' }, signal);
    const before = (await target.stat('props', signal)) as Entry;
    const properties = { ...NO_PROPERTIES, headers: { contentType: 'text/y' }, metadata: { new: '2' }, tags: {} };
    const after = await target.facets.properties!.replace(before, properties, signal);
    const answer = await raw.must('GET', bucket, 'props');
    expect(answer.body.toString()).toBe('hello');
    expect(answer.headers).toMatchObject({ 'content-type': 'text/y', 'x-amz-meta-new': '2' });
    expect(answer.headers['x-amz-meta-old']).toBeUndefined();
    expect(after.identity.etag).toBe(before.identity.etag);
  });

  test('a URL reads without further credentials', async () => {
    await using account = await open();
    await raw.must('PUT', bucket, 'a//../b ü', [], {}, 'hello');
    const source = await account.source(place, { versions: 'current' }, signal);
    const entry = (await source.stat('a//../b ü', signal)) as Entry;
    const { url } = await source.facets.references!.of(entry, 60_000, signal);
    const transport = openUndiciTransport({})({ caCertificate: null, connectionsMax: 1 });
    const { origin } = new URL(url as string);
    const path = (url as string).slice(origin.length);
    const request = { method: 'GET', origin, path, headers: {}, body: null, operation: 'GET', signal };
    const answer = await transport.send(request);
    expect(Buffer.from(await answer.bytes(100)).toString()).toBe('hello');
    await transport.close();
  });

  test('all versions of odd keys, oldest first', async () => {
    const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    await raw.must('PUT', bucket, 'v +%/ü', [], {}, 'zero');
    await raw.must('PUT', bucket, null, [['versioning', '']], {}, enabled);
    await raw.must('PUT', bucket, 'v +%/ü', [], {}, 'one');
    await raw.must('DELETE', bucket, 'v +%/ü');
    await using account = await open();
    const mine = (await entriesOf(account, 'all')).filter(({ key }) => key === 'v +%/ü');
    expect(mine.map(({ kind, sizeBytes }) => [kind, sizeBytes])).toEqual([
      ['object', 4],
      ['object', 3],
      ['opaque', 0],
    ]);
    expect(mine[0]?.identity.versionId).toBe('null');
    const source = await account.source(place, { versions: 'all' }, signal);
    const reading = await source.read(mine[0] as Entry, { offset: 0, lengthBytes: 4 }, signal);
    const chunks: Uint8Array[] = [];
    for await (const chunk of reading.body) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('zero');
  });

  test('a website redirect comes back, whichever way it was written', async () => {
    await using account = await open();
    const target = await account.target(place, { facts: null, runId: 'abcdefgh' }, signal);
    const properties = { ...NO_PROPERTIES, headers: { contentType: 'text/x', websiteRedirect: '/new.html' } };
    const content = Buffer.from('x');
    const { entry } = await target.write('redirecting', { sizeBytes: 1, content }, options({ properties }));
    expect((await target.describe(entry, signal)).properties.headers).toEqual(properties.headers);
    const upload = await target.facets.parts!.begin('redirecting', 1, 1, options({ properties }));
    const receipt = await target.facets.parts!.put(upload, 0, { sizeBytes: 1, content }, {}, signal);
    const completed = await target.facets.parts!.complete(upload, [receipt], options({ properties }));
    expect((await target.describe(completed.entry, signal)).properties.headers).toEqual(properties.headers);
  });

  test('folders and buckets are browsed', async () => {
    await using account = await open();
    await raw.must('PUT', bucket, 'dir/inside', [], {}, 'x');
    const names: string[] = [];
    for await (const page of account.browse(null, signal)) names.push(...page.items.map(({ name }) => name));
    expect(names).toContain(bucket);
    const inside: string[] = [];
    for await (const page of account.browse({ container: bucket, prefix: 'dir/' }, signal)) {
      inside.push(...page.items.map(({ name }) => name));
    }
    expect(inside).toEqual(['inside']);
    expect(await account.makeContainer(bucket, signal)).toBe('existed');
  });
});
