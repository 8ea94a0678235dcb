/** A role that is taken away in mid-run at a simulated Azure Blob Storage: the run stops with the command that mends it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rightsOf } from '../../src/engine/denials.ts';
import { runTransfer } from '../../src/engine/run.ts';
import { defineTransfer } from '../../src/engine/transfer.ts';
import { systemClock } from '../../src/lib/system.ts';
import { AzureAccount } from '../../src/providers/azure-blob/account.ts';
import { BlobClient } from '../../src/providers/azure-blob/client.ts';
import { SIM_ACCOUNT, SIM_ENDPOINT, simContext, simService } from '../azure-sim-bench.ts';
import { openBench, POLICY, TUNING, type Bench } from './bench.ts';

const { signal } = new AbortController();
const place = { container: 'box', prefix: '' };
const OBJECTS = 200;

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
  for (let at = 0; at < OBJECTS; at++) bench.source.put('in', `k${String(at).padStart(4, '0')}`, `content ${at}`);
});
afterEach(() => bench[Symbol.asyncDispose]());

test.each([
  ['reader', 'write', 'Storage Blob Data Contributor'],
  ['none', 'write', 'Storage Blob Data Contributor'],
] as const)('left with the role "%s"', async (left, need, granted) => {
  const service = simService({
    bearerTokens: ([left, 'contributor'] as const).map((role) => ({
      token: `token-of-${role}`,
      role,
      expiresAtMs: systemClock.now() + 3_600_000,
    })),
  });
  service.createContainer('box');
  let role: string = 'contributor';
  const { openTransport, clock, log } = simContext(service);
  const account = new AzureAccount(
    new BlobClient({
      signIn: {
        accountName: SIM_ACCOUNT,
        origin: SIM_ENDPOINT,
        basePath: '',
        credential: { kind: 'entra', field: 'clientSecret', token: async () => `token-of-${role}` },
        authorization: 'client-secret',
      },
      transport: openTransport({ caCertificate: null, connectionsMax: 8 }),
      clock,
      log,
    }),
    {},
  );
  const runId = 'testrun00001';
  const end = { connector: 'x', provider: 'memory', fingerprint: 'x', only: null };
  const definition = defineTransfer({
    command: 'copy',
    source: { ...end, label: 'x:in', place: { container: 'in', prefix: '' } },
    target: { ...end, label: 'azure:box', fingerprint: 'y', place },
    policy: { ...POLICY, tags: 'ignore' },
    concessions: [],
  });
  const { source } = await bench.ends(runId);
  const target = await account.target(place, { facts: null, runId }, signal);
  const side = { account, place, label: 'azure:box' };
  const ends = { source, target, rights: rightsOf({ source: side, target: side }, definition.policy, 'Then go on.') };
  const run = async (isFirst: boolean) => {
    const continueRun = isFirst ? null : await bench.state.store.getRun(runId);
    return runTransfer(definition, ends, bench.world, { runId, tuning: TUNING, signal, onProgress: null, continueRun });
  };
  bench.source.hooks.before = (operation) => {
    if (operation === 'GET' && service.keys('box').length > 40) role = left;
  };
  const stopped = await run(true);
  expect(stopped).toMatchObject({ canContinue: true, error: { code: 'PERMISSION_DENIED' } });
  expect(stopped.error?.message).toContain(`The target azure:box does not let Drover ${need} any more`);
  expect(stopped.error?.remedy).toMatch(new RegExp(`--role "${granted}".*Then go on\\.$`));
  expect(stopped.run.counters.items.failed).toBe(0);
  bench.source.hooks.before = null;
  role = 'contributor';
  const ended = await run(false);
  expect(ended.run).toMatchObject({ state: 'succeeded', counters: { items: { failed: 0, scanned: OBJECTS } } });
  expect(service.keys('box')).toEqual(bench.source.keys('in'));
});
