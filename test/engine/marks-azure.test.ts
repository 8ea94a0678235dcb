/** What Drover leaves at a simulated Azure Blob Storage beside a copy: it says no more than was proved. */
import { expect, test } from 'vitest';
import { runTransfer } from '../../src/engine/run.ts';
import { defineTransfer } from '../../src/engine/transfer.ts';
import type { RunResult } from '../../src/engine/world.ts';
import { parseConfig } from '../../src/contract/config.ts';
import type { Config } from '../../src/contract/fields.ts';
import { digestOf } from '../../src/lib/hash.ts';
import { MIB } from '../../src/engine/limits.ts';
import type { DigestKind } from '../../src/model/digest.ts';
import type { Policy } from '../../src/model/policy.ts';
import { azureBlob } from '../../src/providers/azure-blob/provider.ts';
import type { AzureService } from '../../src/sim/azure-service.ts';
import { collect } from '../../src/sim/http.ts';
import { simContext, simForm, simService } from '../azure-sim-bench.ts';
import { openBench, POLICY, TUNING, type Bench } from './bench.ts';

const { signal } = new AbortController();
const FROM = { container: 'from', prefix: '' };
const TO = { container: 'to', prefix: '' };

interface Azure extends AsyncDisposable {
  readonly bench: Bench;
  readonly service: AzureService;
  /** From the container, or from memory, into the other container. */
  run(from: 'azure' | 'memory', policy?: Partial<Policy>): Promise<RunResult>;
  forget(): Promise<void>;
  mark(key: string): Promise<boolean | undefined>;
}

async function openAzure(listedDigests: readonly DigestKind[] = []): Promise<Azure> {
  const bench = await openBench({ listedDigests });
  const service: AzureService = simService({
    // The account copies from itself.
    fetchUrl: async (url, headers) => {
      const { host, pathname, search } = new URL(url);
      const path = pathname + search;
      const call = { method: 'GET', scheme: 'https', host, path, headers, body: new Uint8Array(0) } as const;
      const answer = await service.handle(call);
      return { status: answer.status, headers: answer.headers, body: collect(answer.body) };
    },
  });
  service.createContainer(FROM.container);
  service.createContainer(TO.container);
  const { config } = parseConfig(azureBlob.account, simForm()) as { config: Config };
  const account = await azureBlob.open(config, simContext(service));
  const observer = await account.target(TO, { facts: null, runId: 'observer0001' }, signal);
  const facts = (await observer.observe?.(signal)) ?? null;
  let number = 0;
  return {
    bench,
    service,
    async run(from, policy = {}) {
      const runId = `azurerun${String(number++).padStart(4, '0')}`;
      const end = { connector: 'x', provider: 'azure-blob', only: null };
      const definition = defineTransfer({
        command: policy.mode === 'check' ? 'check' : 'copy',
        source: { ...end, fingerprint: from, label: 'from', place: FROM },
        target: { ...end, fingerprint: 'azure', label: 'to', place: TO },
        policy: { ...POLICY, tags: 'ignore', ...policy },
        concessions: [],
      });
      const source =
        from === 'memory'
          ? (await bench.ends(runId)).source
          : await account.source(FROM, { versions: 'current' }, signal);
      const ends = {
        source,
        target: await account.target(TO, { facts, runId }, signal),
        readBack: await account.source(TO, { versions: 'current' }, signal),
      };
      const options = { runId, tuning: TUNING, signal, onProgress: null, continueRun: null };
      return runTransfer(definition, ends, bench.world, options);
    },
    forget: () => bench.state.artifacts.removeAll('runs/'),
    async mark(key) {
      const target = await account.target(TO, { facts, runId: 'reader000001' }, signal);
      return (await target.stat(key, signal))?.recorded?.isProved;
    },
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
}

test('an MD5 that the service was only told with a copy from an address is no proof, now and in later runs', async () => {
  await using azure = await openAzure();
  azure.service.put(FROM.container, 'a', Buffer.from('content'));
  const first = await azure.run('azure', { serverSide: 'always' });
  expect(first.error).toBeNull();
  expect(first.run).toMatchObject({ state: 'completed-with-issues', counters: { verification: { V0: 1 } } });
  expect(await azure.mark('a')).toBe(false);
  for (const isForgotten of [false, true]) {
    if (isForgotten) await azure.forget();
    for (const mode of ['check', 'merge'] as const) {
      const again = await azure.run('azure', { mode, serverSide: 'always' });
      expect(again.run).toMatchObject({
        state: 'completed-with-issues',
        counters: { sameWeak: 1, items: { same: 1, copied: 0 } },
      });
    }
  }
  await azure.forget();
  const read = await azure.run('azure', { mode: 'check', verify: 'read-back' });
  expect(read.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 1 } } });
});

test('what passes through Drover is proved by its mark, however it is sent', async () => {
  await using azure = await openAzure();
  const sizes = { empty: 0, small: 1_000, streamed: 2 * MIB, parts: 20 * MIB };
  for (const [key, sizeBytes] of Object.entries(sizes)) {
    azure.bench.source.put('in', key, Buffer.alloc(sizeBytes, key), { modifiedAtMs: 1_000, digests: {} });
  }
  const first = await azure.run('memory');
  expect(first.error).toBeNull();
  expect(first.run).toMatchObject({ state: 'succeeded', counters: { items: { copied: 4 }, verification: { V0: 0 } } });
  for (const key of Object.keys(sizes)) expect([key, await azure.mark(key)]).toEqual([key, true]);
  await azure.forget();
  const again = await azure.run('memory');
  expect(again.run).toMatchObject({ state: 'succeeded', counters: { sameWeak: 0, items: { same: 4 } } });
});

test('a stream whose MD5 was told is proved by it, also where it is staged for its tags', async () => {
  await using azure = await openAzure(['md5']);
  const content = Buffer.alloc(2 * MIB, 'x');
  const digests = { md5: digestOf('md5', content) };
  azure.bench.source.put('in', 'a', content, { modifiedAtMs: 1_000, digests, tags: { a: 'b' } });
  const { run } = await azure.run('memory', { tags: 'preserve' });
  expect(run).toMatchObject({ state: 'succeeded', counters: { verification: { V1: 1, V0: 0 } } });
});
