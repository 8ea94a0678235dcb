/** What the kit does not ask: sign-in with signatures, checks, copies by the service itself, foreign blocks, tiers. */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Account, CheckLine, CopyReference, Target, Use, WriteOptions } from '../../contract/provider.ts';
import { digestOf } from '../../lib/hash.ts';
import { systemClock } from '../../lib/system.ts';
import { NO_PROPERTIES } from '../../model/entry.ts';
import { azureContext, azureForm, RawAzure } from '../../../test/azure-bench.ts';
import { SIM_ACCOUNT, SIM_ENDPOINT, SIM_KEY, simContext, simForm, simService } from '../../../test/azure-sim-bench.ts';
import type { AzureService } from '../../sim/azure-service.ts';
import { azureBlob } from './provider.ts';

const { azurite } = inject('servers');
const raw = new RawAzure(azurite);
const container = `live-${randomBytes(6).toString('hex')}`;
const place = { container, prefix: '' };
const { signal } = new AbortController();
const form = azureForm(azurite);
const text = (content: string) => ({ sizeBytes: Buffer.byteLength(content), content: Buffer.from(content) });

const options = (more: Partial<WriteOptions> = {}): WriteOptions => ({
  properties: NO_PROPERTIES,
  digests: {},
  expect: { kind: 'any' },
  modifiedAtMs: null,
  recorded: null,
  storageClass: null,
  kind: 'object',
  signal,
  ...more,
});

/** An account signature, made here and not by the provider. */
function signature(
  permissions: string,
  expiresInMs = 3_600_000,
  accountName = azurite.accountName,
  accountKey = azurite.accountKey,
): string {
  const expires = new Date(systemClock.now() + expiresInMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const fields = [accountName, permissions, 'b', 'sco', '', expires, '', 'https,http', '2023-11-03', '', ''];
  const key = Buffer.from(accountKey, 'base64');
  const sig = createHmac('sha256', key).update(fields.join('\n'), 'utf8').digest('base64');
  const query = { sv: '2023-11-03', ss: 'b', srt: 'sco', sp: permissions, se: expires, spr: 'https,http', sig };
  return new URLSearchParams(query).toString();
}

const opened = (config: Record<string, string>): Promise<Account> => azureBlob.open(config, azureContext([]));
const bySignature = (permissions: string) =>
  opened({ accountName: azurite.accountName, endpoint: azurite.endpoint, sasToken: signature(permissions) });

async function linesOf(account: Account, use: Use = 'both', where = place): Promise<CheckLine[]> {
  const lines: CheckLine[] = [];
  for await (const line of account.check(where, use, signal)) lines.push(line);
  return lines;
}

const results = (lines: readonly CheckLine[]): string[] => lines.map((line) => `${line.what} ${line.result}`);

let account: Account;
let target: Target;
beforeAll(async () => {
  await raw.ok('PUT', raw.path(container), { restype: 'container' });
  account = await opened(form);
  target = await account.target(place, { facts: null, runId: 'liverun01' }, signal);
});
afterAll(async () => {
  await raw.send('DELETE', raw.path(container), { restype: 'container' });
});

describe('check', () => {
  test('of an account key: everything, one by one, and nothing stays behind', async () => {
    await target.write('readable', text('x'), options());
    const lines = await linesOf(account);
    expect(results(lines)).toEqual([
      'identity ok',
      'list ok',
      'read ok',
      'tags ok',
      'write ok',
      'tags ok',
      'delete ok',
      'fact ok',
    ]);
    expect(
      (await raw.ok('GET', raw.path(container), { restype: 'container', comp: 'list' })).body.toString(),
    ).not.toContain('probe');
  });

  test('of a read-only signature: healthy as a source, and says what it cannot be', async () => {
    const lines = await linesOf(await bySignature('rl'));
    expect(results(lines).filter((line) => !line.startsWith('tags'))).toEqual([
      'identity ok',
      'identity warning',
      'list ok',
      'read ok',
      'write refused',
      'delete refused',
      'fact ok',
    ]);
    expect(lines.at(-1)?.message).toContain('not a target');
    expect(lines.find((line) => line.what === 'write')?.remedy).toContain('permission c and w');
  });

  test('of a write-only signature: can be written to, and says that it cannot see', async () => {
    const lines = await linesOf(await bySignature('wc'), 'write');
    expect(results(lines)).toContain('list refused');
    expect(results(lines)).toContain('write ok');
    expect(results(lines)).toContain('delete refused');
    expect(lines.at(-1)?.result).toBe('warning');
  });

  test('for a job that neither deletes nor carries tags: a signature without either is enough, and nothing stays', async () => {
    const lines: CheckLine[] = [];
    const wish = { tags: false, deletes: false };
    for await (const line of (await bySignature('rwlc')).check(place, 'write', signal, wish)) lines.push(line);
    expect(results(lines).filter((line) => !line.startsWith('identity'))).toEqual([
      'list ok',
      'read ok',
      'write ok',
      'delete warning',
      'fact ok',
    ]);
    expect(
      (await raw.ok('GET', raw.path(container), { restype: 'container', comp: 'list' })).body.toString(),
    ).not.toContain('probe');
  });

  test.each([
    ['a wrong key', { ...form, accountKey: Buffer.alloc(64).toString('base64') }, 'accountKey'],
    [
      'an expired signature',
      { accountName: azurite.accountName, endpoint: azurite.endpoint, sasToken: signature('rl', -60_000) },
      'sasToken',
    ],
    ['a wrong port', { ...form, endpoint: 'http://127.0.0.1:9/devstoreaccount1' }, 'endpoint'],
  ] as [string, Record<string, string>, string][])('of %s names the field', async (_, config, field) => {
    const lines = await linesOf(await opened(config));
    const refused = lines.filter((line) => line.result === 'refused');
    expect(refused.map((line) => line.field)).toContain(field);
    expect(refused.every((line) => (line.remedy ?? '').length > 5)).toBe(true);
    expect(results(lines)).not.toContain('write ok');
  });

  test('of a container that is not there', async () => {
    const lines = await linesOf(account, 'both', { container: 'not-there', prefix: '' });
    expect(lines.at(-1)).toMatchObject({ what: 'container', result: 'refused', field: 'container' });
  });
});

test('observing finds out what the emulator honours, and removes its traces', async () => {
  const facts = await target.observe?.(signal);
  expect(facts).toMatchObject({
    createOnly: 'honoured',
    matchOnWrite: 'honoured',
    matchOnComplete: 'honoured',
    matchOnDelete: 'honoured',
    etagQuotes: 'quoted',
    contentMd5: 'honoured',
    checksums: { md5: 'honoured', crc64nvme: 'honoured' },
    returned: ['md5'],
    tagsOnBegin: 'honoured',
  });
  const listing = (await raw.ok('GET', raw.path(container), { restype: 'container', comp: 'list' })).body.toString();
  expect([...listing.matchAll(/<Name>([^<]*probe[^<]*)</g)].map((match) => match[1])).toEqual([]);
});

describe('writing', () => {
  test('keeps tags', async () => {
    const properties = { ...NO_PROPERTIES, tags: { a: 'b' } };
    const kept = await target.write('tagged', text('x'), options({ properties }));
    expect(kept.losses).toEqual([]);
    expect(await target.facets.tags?.read(kept.entry, signal)).toEqual({ a: 'b' });
  });

  test.each(['memory', 'stream', 'parts'])(
    'without the right to tag (on a stand-in) keeps the content and says what was lost: %s',
    async (way) => {
      const service = simService({});
      service.createContainer('box');
      const config = { accountName: SIM_ACCOUNT, sasToken: signature('rwlc', 3_600_000, SIM_ACCOUNT, SIM_KEY) };
      const limited = await azureBlob.open(config, simContext(service));
      const other = await limited.target({ container: 'box', prefix: '' }, { facts: null, runId: 'liverun02' }, signal);
      const tags = options({ properties: { ...NO_PROPERTIES, tags: { a: 'b' } } });
      const stream = async function* () {
        yield Buffer.from('x');
      };
      for (const key of ['tagged-1', 'tagged-2']) {
        const { parts } = other.facets;
        if (way === 'parts' && parts !== undefined) {
          const upload = await parts.begin(key, 1, 1, tags);
          const receipt = await parts.put(upload, 0, text('x'), {}, signal);
          expect((await parts.complete(upload, [receipt], tags)).losses).toHaveLength(1);
        } else {
          const body = way === 'memory' ? text('x') : { sizeBytes: 1, content: stream() };
          const written = await other.write(key, body, tags);
          expect(written.losses).toHaveLength(1);
          expect(written.losses[0]).toContain('tags');
        }
        expect(service.bytes('box', key)?.toString()).toBe('x');
      }
    },
  );

  test('keeps headers, metadata with any names, the time of the source, and its identity in the listing', async () => {
    const recorded = { etag: 'abc-3', versionId: null, sizeBytes: 4, modifiedAtMs: 1_700_000_000_456 };
    const properties = {
      ...NO_PROPERTIES,
      headers: { contentType: 'text/plain', contentLanguage: 'de', expires: 'Thu, 01 Dec 2033 16:00:00 GMT' },
      metadata: { 'x-custom': 'ü', plain: 'p' },
    };
    const { entry } = await target.write('props', text('data'), options({ properties, recorded }));
    const listed = [];
    for await (const page of target.scan({ from: 'props', to: 'props\u0000', resume: null }, signal))
      listed.push(...page.entries);
    expect(listed).toHaveLength(1);
    expect(listed[0]?.recorded).toEqual(recorded);
    expect((await target.describe(entry, signal)).properties).toMatchObject({
      headers: properties.headers,
      metadata: properties.metadata,
    });
    const other = {
      ...NO_PROPERTIES,
      headers: { contentType: 'text/css' },
      metadata: { 'y-y': '1' },
      tags: { t: 'v' },
    };
    const replaced = await target.facets.properties?.replace(entry, other, signal);
    if (replaced === undefined) throw new Error('it must be there');
    const after = await target.describe(replaced, signal);
    expect(after.properties.metadata).toEqual({ 'y-y': '1' });
    expect(after.properties.headers).toEqual({ contentType: 'text/css' });
    expect([after.entry.recorded, after.entry.digests]).toEqual([recorded, entry.digests]);
    expect(await target.facets.tags?.read(replaced, signal)).toEqual({ t: 'v' });
    await expect(target.facets.properties?.replace(entry, other, signal)).rejects.toMatchObject({ code: 'CHANGED' });
  });

  test.each([
    ['from memory, with an MD5', 'memory', 'md5'],
    ['from memory, with a CRC-64', 'memory', 'crc64nvme'],
    ['from a stream, with an MD5', 'stream', 'md5'],
    ['from a stream, with a CRC-64', 'stream', 'crc64nvme'],
  ] as const)('a wrong digest leaves nothing: %s', async (_, way, kind) => {
    const content = Buffer.from('some content');
    const wrong = digestOf(kind, Buffer.from('other content'));
    const stream = async function* () {
      yield content;
    };
    const body = { sizeBytes: content.length, content: way === 'memory' ? content : stream() };
    await expect(target.write('wrong', body, options({ digests: { [kind]: wrong } }))).rejects.toMatchObject({
      code: 'CORRUPTED',
    });
    expect(await target.stat('wrong', signal)).toBeNull();
  });

  test('goes to the tier that was asked for; archived blobs are brought back', async () => {
    const { entry } = await target.write('cold', text('data'), options({ storageClass: 'Archive' }));
    const source = await account.source(place, { versions: 'current' }, signal);
    const [restore] = [source.facets.restore];
    expect(await restore?.status(entry, signal)).toBe('archived');
    expect(await restore?.request(entry, { tier: 'Standard', days: 1 }, signal)).toMatch(/requested|online/);
    expect(await restore?.status(entry, signal)).toBe('online');
    await expect(target.write('x', text('x'), options({ storageClass: 'STANDARD_IA' }))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });
});

describe('parts', () => {
  const upload = async (key: string, run = 'liverun03') => {
    const other = await account.target(place, { facts: null, runId: run }, signal);
    const { parts } = other.facets;
    if (parts === undefined) throw new Error('it must have parts');
    return { parts, upload: await parts.begin(key, 10, 5, options()) };
  };

  test.each([14, 16, 20, 48])('go on beside blocks that another program named with %i bytes', async (length) => {
    const key = `foreign-${length}`;
    const id = Buffer.alloc(length, 'f').toString('base64');
    await raw.ok('PUT', raw.path(container, key), { comp: 'block', blockid: id }, {}, Buffer.from('foreign'));
    const one = await upload(key);
    const receipts = [
      await one.parts.put(one.upload, 0, text('01234'), {}, signal),
      await one.parts.put(one.upload, 1, text('56789'), {}, signal),
    ];
    expect((await one.parts.list(one.upload, signal)).map((part) => part.index)).toEqual([0, 1]);
    expect(await one.parts.find(key, 0, signal)).toHaveLength(1);
    const written = await one.parts.complete(one.upload, receipts, options({ expect: { kind: 'absent' } }));
    expect(written.proved.crc64nvme).toBe(digestOf('crc64nvme', Buffer.from('0123456789')));
    expect((await raw.ok('GET', raw.path(container, key))).body.toString()).toBe('0123456789');
  });

  test('say clearly when names of another program leave no room', async () => {
    await raw.ok(
      'PUT',
      raw.path(container, 'short'),
      { comp: 'block', blockid: Buffer.from('0001').toString('base64') },
      {},
      Buffer.from('x'),
    );
    await expect(upload('short')).rejects.toMatchObject({ code: 'ALREADY_EXISTS', key: 'short' });
  });

  test('that were found again bring their proof with them', async () => {
    const first = await upload('proof');
    await first.parts.put(first.upload, 0, text('01234'), {}, signal);
    const again = await account.target(place, { facts: null, runId: 'liverun03' }, signal);
    const [found] = (await again.facets.parts?.find('proof', 0, signal)) ?? [];
    if (found === undefined || again.facets.parts === undefined) throw new Error('it must be found');
    const [kept] = await again.facets.parts.list(found, signal);
    if (kept === undefined) throw new Error('it must be listed');
    expect(kept.proved.crc64nvme).toBe(digestOf('crc64nvme', Buffer.from('01234')));
    const last = await again.facets.parts.put(found, 1, text('56789'), {}, signal);
    await expect(
      again.facets.parts.complete(found, [kept, last], options({ digests: { crc64nvme: '0'.repeat(16) } })),
    ).rejects.toMatchObject({
      code: 'CORRUPTED',
    });
    expect(await target.stat('proof', signal)).toBeNull();
    const md5 = createHash('md5').update('0123456789').digest('hex');
    await again.facets.parts.complete(found, [kept, last], options({ digests: { md5 } }));
    expect((await target.stat('proof', signal))?.digests).toEqual({ md5 });
  });
});

describe('copies by the service itself', () => {
  test('within the account: pinned to the state, and proved without reading', async () => {
    const content = 'copied by the service';
    const { entry } = await target.write('origin ü', text(content), options());
    const source = await account.source(place, { versions: 'current' }, signal);
    const reference = await source.facets.references?.of(entry, 600_000, signal);
    const copy = target.facets.serverSideCopy;
    if (reference === undefined || copy === undefined) throw new Error('both must be there');
    expect(copy.accepts(reference)).toBe('yes');
    const properties = { ...NO_PROPERTIES, metadata: { a: 'b' } };
    const written = await copy.copy(reference, 'duplicate', content.length, options({ properties }));
    expect(written.proved.crc64nvme).toBe(digestOf('crc64nvme', Buffer.from(content)));
    expect((await raw.ok('GET', raw.path(container, 'duplicate'))).body.toString()).toBe(content);
    expect((await target.describe(written.entry, signal)).properties.metadata).toEqual({ a: 'b' });
    await expect(
      copy.copy(reference, 'duplicate', content.length, options({ expect: { kind: 'absent' } })),
    ).rejects.toMatchObject({ code: 'CHANGED' });
    await target.write('origin ü', text('something else now!!!'), options());
    await expect(copy.copy(reference, 'other', content.length, options())).rejects.toMatchObject({ code: 'CHANGED' });
    expect(await target.stat('other', signal)).toBeNull();
  });

  test('from an address the service cannot read fall back', async () => {
    const foreign: CopyReference = {
      account: 's3 elsewhere',
      container: 'b',
      fullKey: 'k',
      identity: { etag: 'e', versionId: null },
      url: 'https://b.s3.amazonaws.com/k?X-Amz-Signature=x',
    };
    const copy = target.facets.serverSideCopy;
    expect(copy?.accepts(foreign)).toBe('probe');
    expect(copy?.accepts({ ...foreign, url: `${foreign.url}${'t'.repeat(2048)}` })).toBe('no');
    expect(copy?.accepts({ ...foreign, url: null })).toBe('no');
    await expect(copy?.copy(foreign, 'never', 3, options())).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(await target.stat('never', signal)).toBeNull();
  });
});

/** The emulator copies only from itself; this is a strict stand-in, written from the documentation. */
describe('copies from S3 by a signed address, on a stand-in', () => {
  const content = randomBytes(1000);
  const url = 'https://bucket.s3.eu-central-1.amazonaws.com/key?X-Amz-Signature=abc';
  const reference: CopyReference = {
    account: 's3',
    container: 'bucket',
    fullKey: 'key',
    identity: { etag: 'e', versionId: null },
    url,
  };

  async function openedSim(
    stored: Uint8Array,
  ): Promise<{ service: AzureService; other: Target; asked: Record<string, string>[] }> {
    const asked: Record<string, string>[] = [];
    const service = simService({
      fetchUrl: async (address, headers) => {
        asked.push({ ...headers, address });
        const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '') ?? [];
        return {
          status: address === url ? 206 : 403,
          headers: {},
          body: stored.subarray(Number(from), Number(to) + 1),
        };
      },
    });
    service.createContainer('box');
    const simulated = await azureBlob.open(simForm(), simContext(service));
    const other = await simulated.target({ container: 'box', prefix: '' }, { facts: null, runId: 'liverun04' }, signal);
    return { service, other, asked };
  }

  test('in parts, proved by their combined CRC-64', async () => {
    const { service, other, asked } = await openedSim(content);
    const { parts, serverSideCopy } = other.facets;
    if (parts === undefined || serverSideCopy === undefined) throw new Error('both must be there');
    const upload = await parts.begin('k', 1000, 400, options());
    const receipts = [];
    for (const [index, lengthBytes] of [400, 400, 200].entries()) {
      receipts.push(
        await serverSideCopy.copyPart(upload, index, reference, { offset: index * 400, lengthBytes }, signal),
      );
    }
    const written = await parts.complete(upload, receipts, options());
    expect(written.proved.crc64nvme).toBe(digestOf('crc64nvme', content));
    expect(service.bytes('box', 'k')).toEqual(content);
    expect(asked.map((each) => each['range'])).toEqual(['bytes=0-399', 'bytes=400-799', 'bytes=800-999']);
    expect(asked.every((each) => each['if-match'] === undefined)).toBe(true);
  });

  test('of a source that became shorter is CHANGED, and nothing is left', async () => {
    const { service, other } = await openedSim(content.subarray(0, 700));
    await expect(other.facets.serverSideCopy?.copy(reference, 'k', 1000, options())).rejects.toMatchObject({
      code: 'CHANGED',
    });
    expect(service.get('box', 'k')).toBeNull();
  });

  test('of a source that refuses is UNSUPPORTED', async () => {
    const { other } = await openedSim(content);
    const refused = { ...reference, url: `${SIM_ENDPOINT}/other` };
    await expect(
      other.facets.serverSideCopy?.copy({ ...refused, account: 'x' }, 'k', 10, options()),
    ).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('the account', () => {
  test('makes containers and shows them', async () => {
    const name = `${container}-made`;
    expect(await account.makeContainer(name, signal)).toBe('made');
    expect(await account.makeContainer(name, signal)).toBe('existed');
    const names: string[] = [];
    for await (const page of account.browse(null, signal)) names.push(...page.items.map((item) => item.name));
    expect(names).toContain(name);
    await raw.ok('DELETE', raw.path(name), { restype: 'container' });
    await expect(account.makeContainer('Not_Possible', signal)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'container',
    });
  });

  test('says what to paste for exactly these containers', () => {
    const request = {
      kind: 'iam',
      use: 'write',
      containers: ['one', 'two'],
      withTags: false,
      withRestore: false,
      withVersions: false,
      sourceAddresses: ['203.0.113.0/24'],
      vpcEndpoints: [],
      trustedPrincipal: null,
      externalId: null,
      tags: {},
    } as const;
    const [role, sas] = account.policies?.(request) ?? [];
    expect(role?.text).toContain('--role "Storage Blob Data Contributor"');
    expect(role?.text).toContain('/blobServices/default/containers/two');
    expect(role?.text).toContain('network-rule add');
    expect(sas?.text).toContain('--permissions racwdl');
    expect(account.policies?.({ ...request, use: 'read' })[0]?.text).toContain('Data Reader');
    expect(account.policies?.({ ...request, withTags: true })[0]?.text).toContain('Data Owner');
    expect(account.policies?.({ ...request, kind: 'trust' })).toEqual([]);
  });
});
