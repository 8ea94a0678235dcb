/** Subscriptions and storage accounts that a sign-in by Entra ID sees, for choosing one. */
import type { Config } from '../../contract/fields.ts';
import type { Context, DiscoveredItem, Discovery } from '../../contract/provider.ts';
import { DroverError } from '../../model/errors.ts';
import { Arm, managementOrigin } from './arm.ts';
import { chooseAuthorization, requireEntraFields } from './credentials.ts';
import { openTokens, type EntraKind } from './tokens.ts';

const ENTRA: ReadonlySet<string> = new Set(['client-secret', 'client-certificate', 'managed-identity', 'environment']);

export async function discover(config: Config, context: Context): Promise<Discovery> {
  const arm = openArm(config, context, null);
  if (arm === null) {
    throw new DroverError('UNSUPPORTED', 'Only a sign-in by Entra ID sees more than one storage account.', {
      field: 'authorization',
      remedy: 'Choose one of the ways that begin with "Entra ID", or name the storage account.',
    });
  }
  return {
    list: (parent, signal) => (parent === null ? subscriptions(arm, signal) : accounts(arm, parent, signal)),
    [Symbol.asyncDispose]: () => arm.close(),
  };
}

/** `null` for a sign-in that is one account's. `blobOrigin` tells the cloud, where it is known. */
export function openArm(config: Config, context: Context, blobOrigin: string | null): Arm | null {
  const kind = chooseAuthorization(config);
  if (!ENTRA.has(kind)) return null;
  requireEntraFields(kind, config);
  const { caCertificate, authority, endpoint } = config;
  const signsInAt = String(authority ?? context.environment['AZURE_AUTHORITY_HOST'] ?? '');
  const known = blobOrigin ?? (typeof endpoint === 'string' ? (URL.parse(endpoint)?.origin ?? null) : null);
  const origin = managementOrigin(known, signsInAt === '' ? null : signsInAt);
  const transport = context.openTransport({
    caCertificate: typeof caCertificate === 'string' ? caCertificate : null,
    connectionsMax: 4,
  });
  return new Arm(transport, origin, openTokens(kind as EntraKind, config, context, `${origin}/.default`));
}

async function* subscriptions(arm: Arm, signal: AbortSignal): AsyncGenerator<readonly DiscoveredItem[]> {
  for await (const page of arm.subscriptions(signal)) {
    yield page.map(({ id, name }) => ({ kind: 'subscription', id, name, region: null, fills: {} }));
  }
}

async function* accounts(arm: Arm, parent: string, signal: AbortSignal): AsyncGenerator<readonly DiscoveredItem[]> {
  for await (const page of arm.storageAccounts(parent, signal)) {
    yield page
      .filter(({ blobEndpoint }) => blobEndpoint !== null)
      .map(({ id, name, region, blobEndpoint }) => ({
        kind: 'account',
        id,
        name,
        region,
        fills: { accountName: name, ...(isUsual(name, blobEndpoint) ? {} : { endpoint: String(blobEndpoint) }) },
      }));
  }
}

function isUsual(name: string, blobEndpoint: string | null): boolean {
  return blobEndpoint === `https://${name}.blob.core.windows.net`;
}
