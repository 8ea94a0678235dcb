/** Signed in by Entra ID: roles decide, and the service copies within the account in our name. On a stand-in. */
import { describe, expect, test } from 'vitest';
import type { CheckLine } from '../../contract/provider.ts';
import { systemClock } from '../../lib/system.ts';
import { NO_PROPERTIES } from '../../model/entry.ts';
import { SIM_ACCOUNT, SIM_ENDPOINT, simContext, simService } from '../../../test/azure-sim-bench.ts';
import { AzureAccount } from './account.ts';
import { BlobClient } from './client.ts';
import type { SignIn } from './credentials.ts';

const { signal } = new AbortController();
const place = { container: 'box', prefix: '' };
const service = simService({
  bearerTokens: (['reader', 'contributor', 'owner', 'none'] as const).map((role) => ({
    token: `token-of-${role}`,
    role,
    expiresAtMs: systemClock.now() + 3_600_000,
  })),
  fetchUrl: async (url, headers) => {
    if (headers['authorization'] !== 'Bearer token-of-contributor')
      return { status: 401, headers: {}, body: new Uint8Array(0) };
    const name = decodeURIComponent(new URL(url).pathname).replace('/box/', '');
    return { status: 206, headers: {}, body: service.bytes('box', name) ?? new Uint8Array(0) };
  },
});
service.createContainer('box');
service.put('box', 'a b', 'content');

function signedIn(token: string): AzureAccount {
  const signIn: SignIn = {
    accountName: SIM_ACCOUNT,
    origin: SIM_ENDPOINT,
    basePath: '',
    credential: { kind: 'entra', field: 'clientSecret', token: async () => token },
    authorization: 'client-secret',
  };
  const { openTransport, clock, log } = simContext(service);
  return new AzureAccount(
    new BlobClient({ signIn, transport: openTransport({ caCertificate: null, connectionsMax: 1 }), clock, log }),
    {},
  );
}

async function linesOf(token: string): Promise<CheckLine[]> {
  const lines: CheckLine[] = [];
  for await (const line of signedIn(token).check(place, 'both', signal)) lines.push(line);
  return lines;
}

const resultOf = (lines: readonly CheckLine[], what: CheckLine['what']) =>
  lines.find((line) => line.what === what)?.result;

describe('roles', () => {
  test('a reader reads, and is told which role writing needs and how to grant it', async () => {
    const lines = await linesOf('token-of-reader');
    expect([resultOf(lines, 'list'), resultOf(lines, 'read'), resultOf(lines, 'write')]).toEqual([
      'ok',
      'ok',
      'refused',
    ]);
    const remedy = lines.find((line) => line.what === 'write')?.remedy ?? '';
    expect(remedy).toContain('az role assignment create --role "Storage Blob Data Contributor"');
    expect(remedy).toContain(SIM_ACCOUNT);
    expect(service.keys('box')).toEqual(['a b']);
  });

  test('a contributor does everything but tags, an owner everything', async () => {
    const contributor = await linesOf('token-of-contributor');
    expect(resultOf(contributor, 'write')).toBe('ok');
    expect(contributor.filter((line) => line.what === 'tags').map((line) => line.result)).toEqual([
      'warning',
      'warning',
    ]);
    expect((await linesOf('token-of-owner')).every((line) => line.result === 'ok')).toBe(true);
    expect(service.keys('box')).toEqual(['a b']);
  });

  test('nobody is told so at the field of the sign-in', async () => {
    const lines = await linesOf('token-of-nobody');
    expect(lines.at(-1)).toMatchObject({ what: 'list', result: 'refused', field: 'clientSecret' });
  });
});

test('a copy within the account carries our right to read, and needs no signed address', async () => {
  const account = signedIn('token-of-contributor');
  const source = await account.source(place, { versions: 'current' }, signal);
  const target = await account.target(place, { facts: null, runId: 'entrarun1' }, signal);
  const entry = await source.stat('a b', signal);
  if (entry === null) throw new Error('it must be there');
  const reference = await source.facets.references?.of(entry, 60_000, signal);
  const copy = target.facets.serverSideCopy;
  if (reference === undefined || copy === undefined) throw new Error('both must be there');
  expect(copy.accepts(reference)).toBe('yes');
  expect(copy.accepts({ ...reference, url: null, account: 'another' })).toBe('no');
  const neutral = { digests: {}, modifiedAtMs: null, recorded: null, storageClass: null, kind: 'object' } as const;
  await copy.copy(reference, 'copied', entry.sizeBytes, {
    ...neutral,
    properties: NO_PROPERTIES,
    expect: { kind: 'absent' },
    signal,
  });
  expect(service.bytes('box', 'copied')?.toString()).toBe('content');
});
