/** A strict, in-memory Azure Blob service, written from the documentation: one request in, one response out. */

import { authenticate } from './azure/auth.ts';
import {
  accountProperties,
  containerProperties,
  createContainer,
  deleteContainer,
  findContainer,
  listContainers,
  newContainer,
} from './azure/containers.ts';
import { checkBlobName, makeDirectories } from './azure/directories.ts';
import { userDelegationKey } from './azure/delegation.ts';
import { AzureError, azureErrorResponse } from './azure/error.ts';
import { copyBlob, putBlobFromUrl, putBlockFromUrl } from './azure/from-url.ts';
import { listBlobs } from './azure/list.ts';
import { deleteBlob, getBlob, getTags, lease, setMetadata, setProperties, setTags, setTier } from './azure/read.ts';
import type { AzureCall, AzureOptions, AzureWorld, Blob, BlobCall, Container } from './azure/state.ts';
import { getBlockList, permitWrite, putBlob, putBlock, putBlockList, store } from './azure/write.ts';
import { contentOf } from './content.ts';
import type { SimRequest, SimResponse, SimService, Target } from './http.ts';
import { EMPTY_BODY, Query, decodePercent, httpDate, parseTarget } from './http.ts';
import { SortedMap } from './order.ts';

export type { AzureOptions, BearerToken, FetchUrl } from './azure/state.ts';

export interface AzureService extends SimService {
  /** Hands of the test: past every check and permission. */
  createContainer(name: string): Container;
  container(name: string): Container;
  put(container: string, name: string, content: Uint8Array | string, settings?: Partial<Blob>): Blob;
  get(container: string, name: string): Blob | null;
  bytes(container: string, name: string): Buffer | null;
  keys(container: string): readonly string[];
}

export function createAzureService(options: AzureOptions): AzureService {
  const world = openWorld(options);
  const gate = throttle(options);
  const container = (name: string): Container => findContainer(world, name);
  const get = (name: string, blob: string): Blob | null => container(name).blobs.get(blob) ?? null;
  return {
    handle: (request) => handle(world, gate, request),
    createContainer: (name) => newContainer(world, name),
    container,
    put: (name, blob, content, settings = {}) => plant(world, container(name), blob, content, settings),
    get,
    bytes: (name, blob) => {
      const found = get(name, blob);
      return found === null ? null : Buffer.concat([...found.content.range(0, found.content.sizeBytes)]);
    },
    keys: (name) => [...container(name).blobs.keys()],
  };
}

function openWorld(options: AzureOptions): AzureWorld {
  const hex = (bytes: number): string => Buffer.from(options.random.bytes(bytes)).toString('hex');
  let last = { ms: 0, tick: 0 };
  return {
    options,
    containers: new SortedMap(),
    nowMs: () => options.clock.now(),
    etag: () => `"0x8${hex(7).toUpperCase()}"`,
    uuid: () => hex(16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    versionId: () => {
      const nowMs = Math.max(options.clock.now(), last.ms);
      last = nowMs === last.ms ? { ms: nowMs, tick: last.tick + 1 } : { ms: nowMs, tick: 0 };
      return new Date(nowMs).toISOString().replace('Z', `${String(last.tick).padStart(4, '0')}Z`);
    },
  };
}

function plant(
  world: AzureWorld,
  container: Container,
  name: string,
  content: Uint8Array | string,
  settings: Partial<Blob>,
): Blob {
  const bytes = typeof content === 'string' ? Buffer.from(content) : Uint8Array.from(content);
  const request = { method: 'PUT', scheme: 'https', host: '', path: '', headers: {}, body: bytes } as const;
  const call: BlobCall = {
    world,
    request,
    query: new Query([]),
    headers: {},
    rights: { letters: '', container: null, blob: null, types: '' },
    container,
    name,
  };
  const stored = contentOf(bytes);
  const blob = store(call, stored, [], {
    properties: { 'content-type': 'application/octet-stream' },
    metadata: {},
    tags: new Map(),
    tier: null,
    contentMd5: stored.digest('MD5').toString('base64'),
  });
  return Object.assign(blob, settings);
}

/** `true` while the second still has room. */
function throttle(options: AzureOptions): () => boolean {
  let startMs = Number.NEGATIVE_INFINITY;
  let count = 0;
  return () => {
    const nowMs = options.clock.now();
    if (nowMs - startMs >= 1000) {
      startMs = nowMs;
      count = 0;
    }
    count++;
    return count <= (options.requestsPerSecond ?? Number.POSITIVE_INFINITY);
  };
}

async function handle(world: AzureWorld, gate: () => boolean, request: SimRequest): Promise<SimResponse> {
  const requestId = world.uuid();
  const clientId = request.headers['x-ms-client-request-id'];
  let response: SimResponse;
  try {
    if (!gate()) {
      throw new AzureError(
        'ServerBusy',
        'The server is currently unable to receive requests. Please retry your request.',
        { headers: { 'retry-after': '1' } },
      );
    }
    const target = parseTarget(request.path);
    if (target === null)
      throw new AzureError('InvalidUri', 'The requested URI does not represent any resource on the server.');
    response = await answer(world, request, target);
  } catch (error) {
    if (!(error instanceof AzureError)) throw error;
    response = azureErrorResponse(error, request.method, requestId);
  }
  const bodiless = response.status === 204 || response.status === 304;
  return {
    ...response,
    headers: {
      'x-ms-request-id': requestId,
      'x-ms-version': request.headers['x-ms-version'] ?? '2009-09-19',
      ...(clientId === undefined ? {} : { 'x-ms-client-request-id': clientId }),
      date: httpDate(world.nowMs()),
      server: 'Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0',
      ...(bodiless ? {} : { 'content-length': String(response.body.sizeBytes) }),
      ...response.headers,
    },
  };
}

/** The account is the first label of the host, or the first segment of the path on hosts such as an IP address. */
function locate(
  options: AzureOptions,
  host: string,
  rawPath: string,
): { container: string | null; blob: string | null } {
  const path = decodePercent(rawPath);
  if (path === null || !path.startsWith('/'))
    throw new AzureError('InvalidUri', 'The requested URI does not represent any resource on the server.');
  let rest = path.slice(1);
  if (host.split('.')[0] !== options.accountName) {
    const slash = rest.indexOf('/');
    if ((slash < 0 ? rest : rest.slice(0, slash)) !== options.accountName) {
      throw new AzureError(
        'AuthenticationFailed',
        'Server failed to authenticate the request. The account is not known.',
      );
    }
    rest = slash < 0 ? '' : rest.slice(slash + 1);
  }
  const slash = rest.indexOf('/');
  const container = slash < 0 ? rest : rest.slice(0, slash);
  const blob = slash < 0 ? '' : rest.slice(slash + 1);
  return { container: container === '' ? null : container, blob: blob === '' ? null : blob };
}

async function answer(world: AzureWorld, request: SimRequest, target: Target): Promise<SimResponse> {
  const located = locate(world.options, request.host, target.rawPath);
  const rights = authenticate(world.options, request, target, located);
  const call: AzureCall = { world, request, query: target.query, headers: request.headers, rights };
  const key = `${request.method} ${target.query.get('restype') ?? ''} ${target.query.get('comp') ?? ''}`;
  if (target.query.get('restype') === 'account') return accountProperties(call);
  if (located.container === null) {
    if (key === 'GET  list') return listContainers(call);
    if (key === 'POST service userdelegationkey') return userDelegationKey(call);
    throw unsupported();
  }
  if (located.blob === null || target.query.get('restype') === 'container')
    return containerRequest(call, located.container, key);
  checkBlobName(located.blob, world.options.hns === true);
  const blobCall: BlobCall = { ...call, container: findContainer(world, located.container), name: located.blob };
  return blobRequest(blobCall, `${request.method} ${target.query.get('comp') ?? ''}`);
}

function unsupported(): AzureError {
  return new AzureError('UnsupportedHttpVerb', "The resource doesn't support the specified HTTP verb.");
}

function containerRequest(call: AzureCall, name: string, key: string): SimResponse {
  if (key === 'PUT container ') return createContainer(call, name);
  const container = findContainer(call.world, name);
  switch (key) {
    case 'DELETE container ':
      return deleteContainer(call, container);
    case 'GET container ':
    case 'HEAD container ':
    case 'GET container metadata':
    case 'HEAD container metadata':
      return containerProperties(call, container);
    case 'GET container list':
      return listBlobs(call, container);
    default:
      throw unsupported();
  }
}

function blobRequest(call: BlobCall, key: string): SimResponse | Promise<SimResponse> {
  const fromUrl = call.headers['x-ms-copy-source'] !== undefined;
  switch (key) {
    case 'PUT ':
      if (fromUrl) return call.headers['x-ms-blob-type'] === undefined ? copyBlob(call) : putBlobFromUrl(call);
      return call.world.options.hns === true && call.name.endsWith('/') ? putDirectory(call) : putBlob(call);
    case 'PUT block':
      return fromUrl ? putBlockFromUrl(call) : putBlock(call);
    case 'PUT blocklist':
      return putBlockList(call);
    case 'GET blocklist':
      return getBlockList(call);
    case 'GET ':
    case 'HEAD ':
    case 'GET metadata':
    case 'HEAD metadata':
      return getBlob(call);
    case 'PUT properties':
      return setProperties(call);
    case 'PUT metadata':
      return setMetadata(call);
    case 'GET tags':
      return getTags(call);
    case 'PUT tags':
      return setTags(call);
    case 'PUT tier':
      return setTier(call);
    case 'PUT lease':
      return lease(call);
    case 'DELETE ':
      return deleteBlob(call);
    default:
      throw unsupported();
  }
}

/** With a hierarchical namespace an empty blob whose name ends with a slash is a directory. */
function putDirectory(call: BlobCall): SimResponse {
  permitWrite(call);
  if (call.request.body.length > 0) throw new AzureError('InvalidUri', 'A directory has no content.');
  const segments = call.name.replace(/\/$/, '').split('/');
  makeDirectories(call, segments);
  const directory = call.container.directories.get(segments.join('/'))!;
  return {
    status: 201,
    headers: { etag: directory.etag, 'last-modified': new Date(directory.modifiedAtMs).toUTCString() },
    body: EMPTY_BODY,
  };
}
