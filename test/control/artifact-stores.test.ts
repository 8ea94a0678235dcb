/** What the engine expects of an artifact store, held against every home of artifacts. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { parseArtifactAddress } from '../../src/control/artifacts/address.ts';
import { openArtifactPlace } from '../../src/control/artifacts/provider-store.ts';
import type { Context, Provider } from '../../src/contract/provider.ts';
import type { ArtifactStore } from '../../src/engine/ports.ts';
import { systemClock, systemRandom } from '../../src/lib/system.ts';
import { openUndiciTransport } from '../../src/lib/undici-transport.ts';
import { DroverError } from '../../src/model/errors.ts';
import { azureBlob } from '../../src/providers/azure-blob/provider.ts';
import { createMemoryProvider, MemoryStore } from '../../src/providers/memory/provider.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { RawStore } from '../raw-s3.ts';
import { FolderArtifactStore } from '../../src/standalone/artifacts.ts';

const { azurite, rgw } = inject('servers');

function contextOf(environment: Record<string, string>): Context {
  return {
    openTransport: openUndiciTransport({}),
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
    environment,
    saveAccount: async () => undefined,
  };
}

interface Home {
  readonly store: ArtifactStore;
  close(): Promise<void>;
}

/** In a container of its own, which is gone afterwards. */
async function openAt(provider: Provider, address: string, environment: Record<string, string>): Promise<Home> {
  const parsed = parseArtifactAddress(address);
  if (parsed === null) throw new Error(`no address: ${address}`);
  const context = contextOf(environment);
  const store = openArtifactPlace(parsed, provider, context);
  const { container } = parsed.place;
  await makeContainer(provider, environment, parsed.config, container, context);
  return {
    store,
    close: async () => {
      await store.removeAll('');
      await store[Symbol.asyncDispose]();
    },
  };
}

async function makeContainer(
  provider: Provider,
  environment: Record<string, string>,
  config: object,
  name: string,
  context: Context,
): Promise<void> {
  const { parseConfig, fromEnvironment } = await import('../../src/contract/config.ts');
  const told = { ...fromEnvironment('DROVER_ARTIFACTS', provider.account, environment), ...config };
  const parsed = parseConfig(provider.account, told);
  if (parsed.problems !== undefined) throw new Error(JSON.stringify(parsed.problems));
  await using account = await provider.open(parsed.config, context);
  await account.makeContainer(name, new AbortController().signal);
}

const bucket = `artifacts-${randomBytes(6).toString('hex')}`;
const memoryStore = new MemoryStore({ pageSize: 3 });
memoryStore.ensure(bucket);
const memory = createMemoryProvider(memoryStore);

const homes: [string, (() => Promise<Home>) | null][] = [
  [
    'a folder',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'drover-artifacts-'));
      const close = async () => rmSync(folder, { recursive: true });
      return { store: new FolderArtifactStore(folder, systemRandom), close };
    },
  ],
  [
    'a place in memory',
    async () => {
      const address = { provider: 'memory', place: { container: bucket, prefix: 'in/here/' }, config: {} };
      const store = openArtifactPlace(address, memory, contextOf({}));
      return { store, close: async () => store[Symbol.asyncDispose]() };
    },
  ],
  [
    'a bucket of an S3 server',
    rgw === null
      ? null
      : async () => {
          const home = await openAt(s3, `s3://${bucket}/production/one`, {
            DROVER_ARTIFACTS_ENDPOINT: rgw.endpoint,
            DROVER_ARTIFACTS_REGION: 'us-east-1',
            AWS_ACCESS_KEY_ID: rgw.accessKeyId,
            AWS_SECRET_ACCESS_KEY: rgw.secretAccessKey,
          });
          return {
            store: home.store,
            close: async () => {
              await home.close();
              await new RawStore(rgw).send('DELETE', bucket, null);
            },
          };
        },
  ],
  [
    'a container of Azurite',
    () =>
      openAt(azureBlob, `azure-blob://${azurite.accountName}/${bucket}`, {
        DROVER_ARTIFACTS_ENDPOINT: azurite.endpoint,
        DROVER_ARTIFACTS_ACCOUNT_KEY: azurite.accountKey,
      }),
  ],
];

const bytes = (text: string) => new TextEncoder().encode(text);

describe.each(homes)('artifacts in %s', (_name, open) => {
  let home: Home;
  let store: ArtifactStore;
  if (open === null) {
    test.skip('it is not installed here');
    return;
  }
  beforeAll(async () => {
    home = await open();
    store = home.store;
  });
  afterAll(async () => home?.close());

  test('are put, got and replaced', async () => {
    await store.put('run-1/s1/1/0.ndjson.gz', bytes('one'));
    await store.put('run-1/s1/1/0.ndjson.gz', bytes('two'));
    expect(Buffer.from((await store.get('run-1/s1/1/0.ndjson.gz'))!).toString()).toBe('two');
    expect(await store.get('run-1/s1/1/1.ndjson.gz')).toBeNull();
    expect(await store.get('nothing')).toBeNull();
    const large = randomBytes(3_000_000);
    await store.put('run-1/large', large);
    expect(Buffer.compare(Buffer.from((await store.get('run-1/large'))!), large)).toBe(0);
    await store.put('run-1/empty', bytes(''));
    expect(await store.get('run-1/empty')).toHaveLength(0);
    await store.removeAll('run-1/');
  });

  test('are listed by prefix in order, also in the middle of a name', async () => {
    for (const name of ['r1/b', 'r1/a/2', 'r1/a/10', 'r1/ab', 'r10/x', 'r2', 'R']) await store.put(name, bytes('x'));
    expect(await store.list('')).toEqual(['R', 'r1/a/10', 'r1/a/2', 'r1/ab', 'r1/b', 'r10/x', 'r2']);
    expect(await store.list('r1/')).toEqual(['r1/a/10', 'r1/a/2', 'r1/ab', 'r1/b']);
    expect(await store.list('r1/a')).toEqual(['r1/a/10', 'r1/a/2', 'r1/ab']);
    expect(await store.list('none/')).toEqual([]);
  });

  test('go by prefix, and nothing else does', async () => {
    for (const name of ['q1/a', 'q1/b/c', 'q10/a', 'q2/a']) await store.put(name, bytes('x'));
    await store.removeAll('q1/');
    expect(await store.list('q')).toEqual(['q10/a', 'q2/a']);
    await store.removeAll('q1/');
    await store.removeAll('');
    expect(await store.list('')).toEqual([]);
  });

  test.each(['', '/', '/a', 'a/', 'a//b', '..', 'a/../b', '.hidden', 'a b', 'ä', 'a'.repeat(129)])(
    'refuse the name %j',
    async (name) => {
      await expect(store.put(name, bytes('x'))).rejects.toMatchObject({ code: 'INTERNAL' });
      await expect(store.get(name)).rejects.toMatchObject({ code: 'INTERNAL' });
    },
  );
});

describe('a place for artifacts', () => {
  test.each([
    ['s3://box', { provider: 's3', place: { container: 'box', prefix: '' }, config: {} }],
    ['s3://box/a/b/', { provider: 's3', place: { container: 'box', prefix: 'a/b/' }, config: {} }],
    [
      'azure-blob://acme/box/a',
      { provider: 'azure-blob', place: { container: 'box', prefix: 'a/' }, config: { accountName: 'acme' } },
    ],
    ['s3://', null],
    ['azure-blob://acme', null],
    ['s3://box/a//b', null],
    ['s3://box/../b', null],
    ['https://box/a', null],
    ['/srv/artifacts', null],
  ])('%s', (address, expected) => {
    expect(parseArtifactAddress(address)).toEqual(expected);
  });

  test('whose variable is misspelled is refused, naming it and the right ones', () => {
    const context = contextOf({ DROVER_ARTIFACTS_ENDPIONT: 'https://minio.example', DROVER_ARTIFACTS: 's3://box' });
    const at = { provider: 's3', place: { container: 'box', prefix: '' }, config: {} };
    const refused = expect.objectContaining({
      code: 'INVALID_INPUT',
      field: 'DROVER_ARTIFACTS_ENDPIONT',
      remedy: expect.stringContaining('DROVER_ARTIFACTS_ENDPOINT'),
    });
    expect(() => openArtifactPlace(at, s3, context)).toThrow(refused);
  });

  test('that has a bad moment is tried again; one that is not there says so', async () => {
    const store = new MemoryStore();
    store.ensure('box');
    let faults = 2;
    store.hooks.before = async () => {
      if (faults-- > 0) throw new DroverError('UNAVAILABLE', 'A bad moment.');
    };
    const at = (container: string) => ({ provider: 'memory', place: { container, prefix: '' }, config: {} });
    await using good = openArtifactPlace(at('box'), createMemoryProvider(store), contextOf({}));
    await good.put('a', bytes('x'));
    expect(faults).toBeLessThanOrEqual(0);
    await using bad = openArtifactPlace(at('nowhere'), createMemoryProvider(store), contextOf({}));
    await expect(bad.get('a')).rejects.toMatchObject({ code: 'PLACE_NOT_FOUND' });
    store.ensure('nowhere');
    expect(await bad.get('a')).toBeNull();
  });
});
