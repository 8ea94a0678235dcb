/** Azure Blob Storage keeps the contract, against the emulator. */
import { inject } from 'vitest';
import { conformance } from '../../conformance/kit.ts';
import { azureForm, openAzureBench } from '../../../test/azure-bench.ts';
import { azureBlob } from './provider.ts';

const { azurite } = inject('servers');

conformance({
  name: 'azure-blob on Azurite',
  provider: azureBlob,
  level: 'emulator',
  manyKeys: 0,
  config: async () => azureForm(azurite),
  exempt: {
    'manifest: names a facet exactly when the opened object has it':
      'the limits on names leave room for the prefix of the place; facets.test.ts checks the rest',
  },
  open: (wrap) => openAzureBench(azurite, azureBlob, wrap),
});
