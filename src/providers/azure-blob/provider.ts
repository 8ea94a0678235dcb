/** Azure Blob Storage, spoken over the narrow transport alone. */
import { defineProvider } from '../../contract/provider.ts';
import { AzureAccount } from './account.ts';
import { BlobClient } from './client.ts';
import { resolveSignIn } from './credentials.ts';
import { discover, openArm } from './discovery.ts';
import { ACCOUNT_FIELDS } from './fields.ts';
import { manifest } from './manifest.ts';
import { credentialsReach } from './own-hosts.ts';

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
    const client = new BlobClient({ signIn, transport, clock: context.clock, log: context.log });
    return new AzureAccount(client, config, openArm(config, context, signIn.origin));
  },
  discover,
  credentialsReach,
});
