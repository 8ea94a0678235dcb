/** Signed addresses of people who are signed in by Entra ID: other accounts read by them what those may read. */
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import type { CopyReference } from '../contract/provider.ts';
import { systemClock, systemRandom } from '../lib/system.ts';
import { NO_PROPERTIES, type Entry } from '../model/entry.ts';
import { createAzureService, type AzureOptions } from './azure-service.ts';
import { collect, type SimService } from './http.ts';
import { simTransport } from './transport.ts';
import { AzureAccount } from '../providers/azure-blob/account.ts';
import { BlobClient } from '../providers/azure-blob/client.ts';
import type { Credential } from '../providers/azure-blob/credentials.ts';
import { makeBlobReadSas } from '../providers/azure-blob/sas.ts';

const { signal } = new AbortController();
const KEY = Buffer.alloc(64, 7).toString('base64');
const HOUR_MS = 3_600_000;
const PERSON: Credential = { kind: 'entra', field: 'clientSecret', token: async () => 'token-of-reader' };

function world(options: Partial<AzureOptions> = {}) {
  const asked: string[] = [];
  const person = { token: 'token-of-reader', role: 'reader', expiresAtMs: systemClock.now() + HOUR_MS } as const;
  const common = { clock: systemClock, random: systemRandom, accountKey: KEY };
  const from = createAzureService({ ...common, accountName: 'from', bearerTokens: [person], ...options });
  const to = createAzureService({
    ...common,
    accountName: 'to',
    fetchUrl: async (url, headers) => {
      const { host, pathname, search } = new URL(url);
      const path = pathname + search;
      const answer = await from.handle({
        method: 'GET',
        scheme: 'https',
        host,
        path,
        headers,
        body: new Uint8Array(0),
      });
      return { status: answer.status, headers: answer.headers, body: collect(answer.body) };
    },
  });
  const services: Record<string, SimService> = { from, to };
  const open = (name: string, credential: Credential): AzureAccount => {
    const origin = `https://${name}.blob.core.windows.net`;
    const transport = simTransport((at) => (at === origin ? (services[name] ?? null) : null), {
      clock: systemClock,
      onAnswer: ({ path, method }) => void asked.push(`${method} ${path}`),
    })({ caCertificate: null, connectionsMax: 1 });
    const signIn = { accountName: name, origin, basePath: '', credential, authorization: 'client-secret' } as const;
    return new AzureAccount(new BlobClient({ signIn, transport, clock: systemClock, log: () => undefined }), {});
  };
  from.createContainer('box');
  to.createContainer('box');
  return { from, to, open, asked };
}

const place = { container: 'box', prefix: '' };

async function references(account: AzureAccount, keys: readonly string[], versions: 'current' | 'all' = 'current') {
  const source = await account.source(place, { versions }, signal);
  const found: { entry: Entry; reference: CopyReference }[] = [];
  for (const key of keys) {
    const entry = (await source.stat(key, signal)) as Entry;
    found.push({ entry, reference: await source.facets.references!.of(entry, HOUR_MS, signal) });
  }
  return found;
}

test('another account copies by an address that a reader signed, with one key for all', async () => {
  const { from, to, open, asked } = world();
  const keys = ['a b', 'ü/+%', 'c'];
  for (const key of keys) from.put('box', key, `content of ${key}`);
  const found = await references(open('from', PERSON), keys);
  expect(asked.filter((line) => line.includes('userdelegationkey'))).toHaveLength(1);
  const account = open('to', { kind: 'key', field: 'accountKey', accountKey: Buffer.from(KEY, 'base64') });
  const target = await account.target(place, { facts: null, runId: 'delegated1' }, signal);
  const copy = target.facets.serverSideCopy!;
  for (const { entry, reference } of found) {
    expect(copy.accepts(reference)).toBe('probe');
    await copy.copy(reference, entry.key, entry.sizeBytes, {
      properties: NO_PROPERTIES,
      digests: {},
      expect: { kind: 'absent' },
      modifiedAtMs: null,
      recorded: null,
      storageClass: null,
      kind: 'object',
      signal,
    });
    expect(to.bytes('box', entry.key)?.toString()).toBe(`content of ${entry.key}`);
  }
});

test('an address of one version reads that version', async () => {
  const { from, open } = world({ versioning: true });
  const old = from.put('box', 'k', 'old');
  from.put('box', 'k', 'new');
  const source = await open('from', PERSON).source(place, { versions: 'all' }, signal);
  const entry = { ...((await source.stat('k', signal)) as Entry), identity: { etag: null, versionId: old.versionId } };
  const { url } = await source.facets.references!.of(entry, HOUR_MS, signal);
  const { host, pathname, search } = new URL(url as string);
  const request = {
    method: 'GET',
    scheme: 'https',
    host,
    path: pathname + search,
    headers: {},
    body: new Uint8Array(0),
  } as const;
  const answer = await from.handle(request);
  expect([answer.status, collect(answer.body).toString()]).toEqual([200, 'old']);
  const current = { ...request, path: request.path.replace(/versionid=[^&]*&/, '') };
  expect((await from.handle(current)).status).toBe(403);
});

test('without the right to such a key there is no address, and it is asked for once', async () => {
  const { from, open, asked } = world({ noDelegation: true });
  from.put('box', 'a', 'x');
  from.put('box', 'b', 'x');
  const found = await references(open('from', PERSON), ['a', 'b']);
  expect(found.map(({ reference }) => reference.url)).toEqual([null, null]);
  expect(asked.filter((line) => line.includes('userdelegationkey'))).toHaveLength(1);
});

test("what is signed is what the vendor's emulator would sign", () => {
  const emulator = createRequire(import.meta.url)(
    'azurite/dist/src/blob/authentication/IBlobSASSignatureValues.js',
  ) as { generateBlobSASSignatureWithUDK: (...given: unknown[]) => [string, string] };
  const value = Buffer.alloc(32, 9);
  const made = makeBlobReadSas({
    accountName: 'acme',
    key: {
      objectId: 'oid',
      tenantId: 'tid',
      start: '2026-01-01T00:00:00Z',
      expiry: '2026-01-02T00:00:00Z',
      service: 'b',
      version: '2026-04-06',
      value,
    },
    container: 'c',
    blob: 'a/ü b',
    versionId: null,
    nowMs: Date.UTC(2026, 0, 1),
    lifetimeMs: HOUR_MS,
    isHttpsOnly: true,
  });
  const query = new URLSearchParams(made);
  const get = (name: string) => query.get(name) ?? undefined;
  const [signature] = emulator.generateBlobSASSignatureWithUDK(
    {
      version: get('sv'),
      protocol: get('spr'),
      startTime: get('st'),
      expiryTime: get('se'),
      permissions: get('sp'),
      containerName: 'c',
      blobName: 'a/ü b',
      signedObjectId: get('skoid'),
      signedTenantId: get('sktid'),
      signedStartsOn: get('skt'),
      signedExpiresOn: get('ske'),
      signedService: get('sks'),
      signedVersion: get('skv'),
      signedResource: get('sr'),
    },
    'b',
    'acme',
    value,
  );
  expect(get('sig')).toBe(signature);
});
