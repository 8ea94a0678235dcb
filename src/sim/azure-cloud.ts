/**
 * The parts of Azure around a storage account, as far as Drover asks them: Entra ID, which gives tokens for a client
 * secret, and the management service, with subscriptions, storage accounts and role assignments.
 */
import type { Clock } from '../lib/world.ts';
import type { BearerToken } from './azure/state.ts';
import type { SimRequest, SimResponse, SimService } from './http.ts';
import { textBody } from './http.ts';

export const LOGIN_ORIGIN = 'https://login.microsoftonline.com';
export const MANAGEMENT_ORIGIN = 'https://management.azure.com';

export interface AzureCloudOptions {
  readonly clock: Clock;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** What the application is called in the directory. */
  readonly objectId: string;
  readonly subscriptions: readonly {
    readonly id: string;
    readonly name: string;
    readonly state?: 'Enabled' | 'Disabled';
    readonly accounts: readonly { readonly name: string; readonly region: string; readonly blobEndpoint?: string }[];
  }[];
  /** Whether the application may assign roles. */
  readonly mayAssign: boolean;
  /** How long after its assignment a role holds. */
  readonly effectiveAfterMs: number;
  readonly pageSize?: number;
}

export interface Assignment {
  readonly scope: string;
  readonly roleId: string;
  readonly principalId: string;
  readonly atMs: number;
}

export interface AzureCloud extends SimService {
  readonly assignments: readonly Assignment[];
  /** The application's token for blobs: its role is that of the newest assignment that holds already. */
  readonly blobToken: BearerToken;
}

const ROLES: Readonly<Record<string, BearerToken['role']>> = {
  '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1': 'reader',
  'ba92f5b4-2d11-453d-a403-e96b0029c9fe': 'contributor',
};
const TOKEN_LIFE_SECONDS = 3_600;

interface World extends AzureCloudOptions {
  readonly given: Map<string, Assignment>;
}

export function createAzureCloud(options: AzureCloudOptions): AzureCloud {
  const world: World = { ...options, given: new Map() };
  const blobToken = tokenText(world, 'https://storage.azure.com');
  return {
    get assignments() {
      return [...world.given.values()];
    },
    blobToken: {
      token: blobToken,
      get role() {
        const holds = [...world.given.values()].filter(
          ({ atMs }) => world.clock.now() >= atMs + options.effectiveAfterMs,
        );
        return ROLES[holds.at(-1)?.roleId ?? ''] ?? 'none';
      },
      expiresAtMs: Number.MAX_SAFE_INTEGER,
    },
    handle: async (request) =>
      request.host === new URL(LOGIN_ORIGIN).host ? entra(world, request) : management(world, request),
  };
}

function entra(world: World, { method, path, body }: SimRequest): SimResponse {
  const base = `${LOGIN_ORIGIN}/${world.tenantId}`;
  if (path.includes('/discovery/instance')) {
    return json(200, {
      tenant_discovery_endpoint: `${base}/v2.0/.well-known/openid-configuration`,
      'api-version': '1.1',
      metadata: [],
    });
  }
  if (path.includes('/.well-known/openid-configuration')) {
    return json(200, {
      issuer: `${base}/v2.0`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      token_endpoint: `${base}/oauth2/v2.0/token`,
      jwks_uri: `${base}/discovery/v2.0/keys`,
    });
  }
  if (method !== 'POST' || !path.startsWith(`/${world.tenantId}/oauth2/v2.0/token`)) {
    return json(404, { error: 'not_found' });
  }
  const form = new URLSearchParams(Buffer.from(body).toString());
  if (form.get('client_id') !== world.clientId) return refused(400, 700016, 'Application was not found.');
  if (form.get('client_secret') !== world.clientSecret) return refused(401, 7000215, 'Invalid client secret provided.');
  const resource = (form.get('scope') ?? '').split(' ')[0]?.replace('/.default', '') ?? '';
  const accessToken = tokenText(world, resource);
  return json(200, { token_type: 'Bearer', expires_in: TOKEN_LIFE_SECONDS - 1, access_token: accessToken });
}

function refused(status: number, number: number, words: string): SimResponse {
  const text = `AADSTS${number}: ${words}`;
  return json(status, { error: 'invalid_client', error_description: text, error_codes: [number] });
}

/** In the shape of a JSON Web Token; nobody here checks signatures. */
function tokenText({ objectId, clientId, tenantId }: AzureCloudOptions, resource: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ aud: resource, oid: objectId, appid: clientId, tid: tenantId })}.sim`;
}

function management(world: World, request: SimRequest): SimResponse {
  const [path = '', query = ''] = request.path.split('?');
  const expected = `Bearer ${tokenText(world, MANAGEMENT_ORIGIN)}`;
  if (request.headers['authorization'] !== expected) return failure(401, 'InvalidAuthenticationToken');
  const parameters = new URLSearchParams(query);
  if (!parameters.has('api-version')) return failure(400, 'MissingApiVersionParameter');
  if (request.method === 'PUT') return assign(world, path, request.body);
  if (path === '/subscriptions') {
    const items = world.subscriptions.map(({ id, name, state = 'Enabled' }) => ({
      id: `/subscriptions/${id}`,
      subscriptionId: id,
      displayName: name,
      state,
    }));
    return page(world, path, parameters, items);
  }
  const match = /^\/subscriptions\/([^/]+)\/providers\/Microsoft\.Storage\/storageAccounts$/.exec(path);
  const subscription = world.subscriptions.find(({ id }) => id === match?.[1]);
  if (subscription === undefined) return failure(404, 'SubscriptionNotFound');
  const items = subscription.accounts.map(({ name, region, blobEndpoint }) => ({
    id: accountId(subscription.id, name),
    name,
    location: region,
    kind: 'StorageV2',
    properties: { primaryEndpoints: { blob: blobEndpoint ?? `https://${name}.blob.core.windows.net/` } },
  }));
  return page(world, path, parameters, items);
}

export function accountId(subscriptionId: string, name: string): string {
  return `/subscriptions/${subscriptionId}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/${name}`;
}

function page(world: World, path: string, parameters: URLSearchParams, items: readonly object[]): SimResponse {
  const from = Number(parameters.get('$skiptoken') ?? 0);
  const to = from + (world.pageSize ?? items.length);
  const next = new URLSearchParams(parameters);
  next.set('$skiptoken', String(to));
  const nextLink = to < items.length ? { nextLink: `${MANAGEMENT_ORIGIN}${path}?${next.toString()}` } : {};
  return json(200, { value: items.slice(from, to), ...nextLink });
}

const ASSIGNMENT = /^(\/subscriptions\/.+)\/providers\/Microsoft\.Authorization\/roleAssignments\/([0-9a-f-]{36})$/;

function assign(world: World, path: string, body: Uint8Array): SimResponse {
  const [, scope = '', name = ''] = ASSIGNMENT.exec(path) ?? [];
  if (name === '') return failure(404, 'InvalidResourceType');
  if (!world.mayAssign) {
    return failure(403, 'AuthorizationFailed', `The client '${world.clientId}' does not have authorization.`);
  }
  const account = world.subscriptions.some(({ id, accounts }) =>
    accounts.some((each) => scope.startsWith(`${accountId(id, each.name)}/blobServices/default/containers/`)),
  );
  if (!account) return failure(404, 'ResourceNotFound');
  const { properties } = JSON.parse(Buffer.from(body).toString()) as { properties: Record<string, string> };
  const { roleDefinitionId = '', principalId = '' } = properties;
  const roleId = roleDefinitionId.split('/').at(-1) ?? '';
  if (ROLES[roleId] === undefined) return failure(400, 'RoleDefinitionDoesNotExist');
  if (principalId !== world.objectId) return failure(400, 'PrincipalNotFound');
  if (world.given.has(name)) return failure(409, 'RoleAssignmentExists');
  world.given.set(name, { scope, roleId, principalId, atMs: world.clock.now() });
  return json(201, { id: path, properties });
}

function failure(status: number, code: string, message = code): SimResponse {
  return json(status, { error: { code, message } });
}

function json(status: number, value: object): SimResponse {
  const body = textBody(JSON.stringify(value));
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'content-length': String(body.sizeBytes) },
    body,
  };
}
