/** The management plane of Azure: which subscriptions and storage accounts an identity sees, and who may do what. */
import type { HttpResponse, Transport } from '../../lib/transport.ts';
import { DroverError, type ErrorCode } from '../../model/errors.ts';

const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const PAGES_MAX = 1_000;
const STORAGE_VERSION = '2023-05-01';
const SUBSCRIPTION_VERSION = '2022-12-01';
const ROLE_VERSION = '2022-04-01';

export interface Subscription {
  readonly id: string;
  readonly name: string;
}

export interface StorageAccount {
  /** `/subscriptions/…/storageAccounts/NAME`. */
  readonly id: string;
  readonly name: string;
  readonly region: string | null;
  /** Address of its blob service; `null` where it has none. */
  readonly blobEndpoint: string | null;
}

export interface RoleAssignment {
  /** Resource that the role is for. */
  readonly scope: string;
  /** UUID; the same for the same assignment, so that repeating one is harmless. */
  readonly name: string;
  /** UUID of the role. */
  readonly roleId: string;
  readonly principal: Principal;
}

/** Who gets a role: the id in the directory, and of what kind it is. */
export interface Principal {
  readonly id: string;
  readonly type: 'ServicePrincipal' | 'User';
}

/** Where each cloud is managed, by the end of its blob addresses. */
const CLOUDS: readonly (readonly [suffix: string, origin: string])[] = [
  ['.core.usgovcloudapi.net', 'https://management.usgovcloudapi.net'],
  ['.core.chinacloudapi.cn', 'https://management.chinacloudapi.cn'],
];

/** `authority`: where people sign in, which tells the cloud before an account is chosen. */
export function managementOrigin(blobOrigin: string | null, authority: string | null): string {
  const host = blobOrigin === null ? '' : new URL(blobOrigin).hostname;
  const found = CLOUDS.find(([suffix]) => host.endsWith(suffix))?.[1];
  if (found !== undefined) return found;
  if (authority?.includes('login.microsoftonline.us') === true) return CLOUDS[0]?.[1] as string;
  if (authority?.includes('login.chinacloudapi.cn') === true) return CLOUDS[1]?.[1] as string;
  return 'https://management.azure.com';
}

export class Arm {
  readonly #transport: Transport;
  readonly #origin: string;
  readonly #token: (signal: AbortSignal) => Promise<string>;

  constructor(transport: Transport, origin: string, token: (signal: AbortSignal) => Promise<string>) {
    this.#transport = transport;
    this.#origin = origin;
    this.#token = token;
  }

  async *subscriptions(signal: AbortSignal): AsyncGenerator<readonly Subscription[]> {
    for await (const page of this.#pages(`/subscriptions?api-version=${SUBSCRIPTION_VERSION}`, signal)) {
      yield page
        .filter((item) => item['state'] === undefined || item['state'] === 'Enabled')
        .map((item) => ({ id: text(item, 'subscriptionId'), name: text(item, 'displayName') }));
    }
  }

  async *storageAccounts(subscriptionId: string, signal: AbortSignal): AsyncGenerator<readonly StorageAccount[]> {
    const subscription = encodeURIComponent(subscriptionId);
    const path = `/subscriptions/${subscription}/providers/Microsoft.Storage/storageAccounts`;
    for await (const page of this.#pages(`${path}?api-version=${STORAGE_VERSION}`, signal)) {
      yield page.map((item) => ({
        id: text(item, 'id'),
        name: text(item, 'name'),
        region: text(item, 'location') === '' ? null : text(item, 'location'),
        blobEndpoint: text(record(record(item, 'properties'), 'primaryEndpoints'), 'blob').replace(/\/$/, '') || null,
      }));
    }
  }

  /** Whoever is signed in, as the token itself says it; `null` when it does not. */
  async principal(signal: AbortSignal): Promise<Principal | null> {
    const [, payload] = (await this.#token(signal)).split('.');
    try {
      const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()) as Record<string, unknown>;
      if (typeof claims['oid'] !== 'string') return null;
      // Only tokens that stand for a person say what the person let the program do.
      return { id: claims['oid'], type: claims['scp'] === undefined ? 'ServicePrincipal' : 'User' };
    } catch {
      return null;
    }
  }

  async assignRole({ scope, name, roleId, principal }: RoleAssignment, signal: AbortSignal): Promise<void> {
    const subscription = scope.split('/').slice(0, 3).join('/');
    const roleDefinitionId = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${roleId}`;
    // Without its type a principal that was made just now may not be found yet.
    const properties = { roleDefinitionId, principalId: principal.id, principalType: principal.type };
    const path = `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}?api-version=${ROLE_VERSION}`;
    const content = Buffer.from(JSON.stringify({ properties }));
    const response = await this.#send('PUT', path, content, signal);
    if (response.status === 200 || response.status === 201) return response.discard();
    const failure = await readFailure(response);
    if (failure.code !== 'RoleAssignmentExists') throw errorOf(response.status, failure);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  async *#pages(first: string, signal: AbortSignal): AsyncGenerator<readonly Record<string, unknown>[]> {
    let path = first;
    for (let page = 1; page <= PAGES_MAX; page++) {
      const response = await this.#send('GET', path, null, signal);
      if (response.status !== 200) throw errorOf(response.status, await readFailure(response));
      const answer = parsed(await response.bytes(ANSWER_BYTES_MAX));
      const items = answer['value'];
      yield Array.isArray(items) ? (items as Record<string, unknown>[]) : [];
      const next = answer['nextLink'];
      if (typeof next !== 'string' || next === '') return;
      const url = URL.parse(next);
      // The token must not follow a link to somewhere else.
      if (url === null || url.origin !== this.#origin) break;
      path = url.pathname + url.search;
    }
    throw new DroverError('LISTING_INCOMPLETE', 'Azure cut the list short: it named no page to go on with.');
  }

  async #send(method: string, path: string, content: Buffer | null, signal: AbortSignal): Promise<HttpResponse> {
    return this.#transport.send({
      method,
      origin: this.#origin,
      path,
      headers: {
        authorization: `Bearer ${await this.#token(signal)}`,
        accept: 'application/json',
        ...(content === null ? {} : { 'content-type': 'application/json' }),
      },
      body: content === null ? null : { sizeBytes: content.length, content },
      operation: method === 'GET' ? 'LIST' : 'PUT',
      signal,
    });
  }
}

interface ArmFailure {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs: number | null;
}

async function readFailure(response: HttpResponse): Promise<ArmFailure> {
  const seconds = Number(response.headers['retry-after']);
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : null;
  const body = await response.bytes(ANSWER_BYTES_MAX);
  const error = body.length === 0 ? {} : record(parsed(body, {}), 'error');
  return { code: text(error, 'code'), message: text(error, 'message').slice(0, 500), retryAfterMs };
}

function errorOf(status: number, { code, message, retryAfterMs }: ArmFailure): DroverError {
  const words = message === '' ? `status ${status}` : message;
  return new DroverError(codeOf(status), `The management service of Azure refused: ${words}`, {
    retryAfterMs,
    details: { status, code },
  });
}

function codeOf(status: number): ErrorCode {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'PERMISSION_DENIED';
  if (status === 404) return 'PLACE_NOT_FOUND';
  if (status === 429) return 'THROTTLED';
  return status >= 500 ? 'UNAVAILABLE' : 'INTERNAL';
}

function parsed(bytes: Uint8Array, fallback?: Record<string, unknown>): Record<string, unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch (thrown) {
    if (fallback !== undefined) return fallback;
    throw new DroverError('UNAVAILABLE', 'The management service of Azure answered with something else than JSON.', {
      cause: thrown,
    });
  }
}

function record(from: Record<string, unknown>, name: string): Record<string, unknown> {
  const value = from[name];
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(from: Record<string, unknown>, name: string): string {
  const value = from[name];
  return typeof value === 'string' ? value : '';
}
