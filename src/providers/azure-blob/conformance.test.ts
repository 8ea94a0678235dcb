/** Azure Blob Storage keeps the contract: against the emulator, and against a strict stand-in for what that lacks. */
import { inject } from 'vitest';
import { conformance, type ErrorRow, type Harness } from '../../conformance/kit.ts';
import { defineProvider } from '../../contract/provider.ts';
import { countRequests } from '../../lib/counting.ts';
import { DEFAULT_LIMITS, limitRequests } from '../../lib/limiting.ts';
import { retrying } from '../../lib/retry.ts';
import { systemClock, systemRandom } from '../../lib/system.ts';
import { azureContext, azureForm, openAzureBench } from '../../../test/azure-bench.ts';
import { openSimBench, simForm } from '../../../test/azure-sim-bench.ts';
import { manifest, sourceTraits, targetTraits } from './manifest.ts';
import { azureBlob } from './provider.ts';

const { azurite } = inject('servers');

const production: Harness['production'] = {
  wrap: (open) => countRequests(limitRequests(open, { clock: systemClock, ...DEFAULT_LIMITS }), {}),
  retry: (work, signal) => retrying(work, { clock: systemClock, random: systemRandom, signal, attemptsMax: 5 }),
};

const errors: readonly ErrorRow[] = [
  {
    name: 'a wrong account key',
    code: 'UNAUTHENTICATED',
    field: 'accountKey',
    async provoke(bench, signal) {
      const config = { ...azureForm(azurite), accountKey: Buffer.alloc(64, 1).toString('base64') };
      const account = await azureBlob.open(config, azureContext([]));
      return account.source(bench.place, { versions: 'current' }, signal);
    },
  },
  {
    name: 'an expired signature',
    code: 'CREDENTIALS_EXPIRED',
    field: 'sasToken',
    async provoke(bench, signal) {
      const { accountName, endpoint } = azureForm(azurite);
      const sasToken = 'sv=2023-11-03&sr=c&sp=rl&se=2020-01-01T00%3A00%3A00Z&sig=AAAA';
      const account = await azureBlob.open(
        { accountName: accountName as string, endpoint: endpoint as string, sasToken },
        azureContext([]),
      );
      return account.source(bench.place, { versions: 'current' }, signal);
    },
  },
  {
    name: 'a port where nobody listens',
    code: 'UNREACHABLE',
    async provoke(bench, signal) {
      const account = await azureBlob.open(
        { ...azureForm(azurite), endpoint: 'http://127.0.0.1:9/devstoreaccount1' },
        azureContext([]),
      );
      return account.source(bench.place, { versions: 'current' }, signal);
    },
  },
  {
    name: 'a blob in the Archive tier',
    code: 'ARCHIVED',
    async provoke(bench, signal) {
      const target = await bench.account.target(bench.place, { facts: null, runId: 'kitarchive' }, signal);
      const content = Buffer.from('cold');
      const properties = { headers: {}, metadata: {}, tags: null, tagCount: 0, missingMetadata: 0 };
      const neutral = {
        digests: {},
        modifiedAtMs: null,
        recorded: null,
        kind: 'object',
        expect: { kind: 'any' },
      } as const;
      const options = { ...neutral, properties, storageClass: 'Archive', signal };
      const { entry } = await target.write('cold', { sizeBytes: content.length, content }, options);
      const source = await bench.account.source(bench.place, { versions: 'current' }, signal);
      return source.read(entry, { offset: 0, lengthBytes: content.length }, signal);
    },
  },
];

conformance({
  name: 'azure-blob on Azurite',
  provider: azureBlob,
  level: 'emulator',
  manyKeys: 0,
  config: async () => azureForm(azurite),
  open: (wrap) => openAzureBench(azurite, azureBlob, wrap),
  production,
  errors,
});

conformance({
  name: 'azure-blob on a strict stand-in',
  provider: azureBlob,
  level: 'faked',
  manyKeys: 10_500,
  config: async () => simForm(),
  open: (wrap) => openSimBench(azureBlob, { order: 'bytes' }, wrap),
});

const hierarchical = { isHierarchical: true, canSeek: false };
const gen2 = defineProvider({
  ...azureBlob,
  manifest: { ...manifest, source: sourceTraits(hierarchical), target: targetTraits(hierarchical, '') },
});

conformance({
  name: 'azure-blob with a hierarchical namespace, on a strict stand-in',
  provider: gen2,
  level: 'faked',
  manyKeys: 0,
  config: async () => simForm(),
  open: (wrap) => openSimBench(gen2, { hns: true }, wrap),
  exempt: {
    'writing: an empty folder is kept as one':
      'a hierarchical namespace cannot tell a folder that was made for its own sake once something is inside',
  },
});
