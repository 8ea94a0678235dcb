/** Azure Blob Storage, spoken over the narrow transport alone. */
import { defineProvider } from '../../contract/provider.ts';
import { AzureAccount } from './account.ts';
import { BlobClient } from './client.ts';
import { resolveSignIn } from './credentials.ts';
import { ACCOUNT_FIELDS } from './fields.ts';
import { manifest } from './manifest.ts';

const CONNECTIONS_MAX = 128;

export const azureBlob = defineProvider({
  manifest,
  account: ACCOUNT_FIELDS,
  async open(config, context) {
    const signIn = resolveSignIn(config, context);
    const certificate = config['caCertificate'];
    const transport = context.openTransport({
      caCertificate: typeof certificate === 'string' ? certificate : null,
      connectionsMax: CONNECTIONS_MAX,
    });
    return new AzureAccount(new BlobClient({ signIn, transport, clock: context.clock, log: context.log }), config);
  },
});
