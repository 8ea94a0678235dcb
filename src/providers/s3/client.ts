/** Sends signed requests: addressing, regions and redirects, renewed credentials, the store's clock, errors. */
import { EMPTY_SHA256, Signer, UNSIGNED_PAYLOAD, canonicalQuery, sha256Hex } from '../../lib/sigv4.ts';
import type { QueryValue } from '../../lib/sigv4.ts';
import type { HttpResponse, RequestBody, Transport } from '../../lib/transport.ts';
import { childText, parseXml, type ItemVisitor } from '../../lib/xml.ts';
import type { XmlElement } from '../../lib/xml.ts';
import type { Log } from '../../lib/world.ts';
import { DroverError } from '../../model/errors.ts';
import { addressOf, mayFollow, partitionOf, regionOfHost, regionOfName } from './address.ts';
import type { Address } from './address.ts';
import type { CredentialSource, Credentials } from './credentials.ts';
import { errorOf, rowOf } from './errors.ts';
import type { WireFailure } from './errors.ts';
import { failureOf, readFailure } from './failure.ts';
import type { S3Settings } from './fields.ts';
import { STORAGE_CLASSES, type Headers } from './headers.ts';
import type { ServerTime } from './server-time.ts';

export type Query = readonly (readonly [string, QueryValue])[];

export interface S3Request {
  readonly method: string;
  /** `null`: the service itself. */
  readonly bucket: string | null;
  readonly key: string | null;
  /** The key as errors name it, where that is not the full one. */
  readonly name?: string;
  readonly query?: Query;
  readonly headers?: Headers;
  readonly body?: RequestBody | null;
  readonly operation: string;
  readonly signal: AbortSignal;
  /** Silence to bear while the store assembles or copies. */
  readonly idleMsMax?: number;
  /** Statuses beside 2xx that are answers. */
  readonly accept?: readonly number[];
}

const REDIRECTS_MAX = 4;
/** 1,000 keys of 1,024 escaped bytes with all their surroundings stay far below. */
const DOCUMENT_BYTES_MAX = 32 * 1024 * 1024;

interface Attempts {
  credentials: boolean;
  clock: boolean;
  redirects: number;
  /** The host that a redirect named, for this request only. */
  host: URL | null;
}

export interface ClientParts {
  readonly transport: Transport;
  readonly settings: S3Settings;
  readonly credentials: CredentialSource;
  readonly time: ServerTime;
  /** Where to begin with buckets whose region is not known yet. */
  readonly region: string;
  readonly log: Log;
}

export class S3Client {
  readonly settings: S3Settings;
  readonly time: ServerTime;
  readonly region: string;
  readonly #transport: Transport;
  readonly #credentials: CredentialSource;
  readonly #log: Log;
  readonly #regions = new Map<string, string>();
  #signers = new Map<string, Signer>();
  #signersOf: Credentials | null = null;
  /** Whether the store keeps `_` in metadata names; some make `-` of it. Learnt from what comes back. */
  metadataNames: 'kept' | 'folded' | 'unknown';

  constructor(parts: ClientParts) {
    this.settings = parts.settings;
    this.time = parts.time;
    this.region = parts.region;
    this.#transport = parts.transport;
    this.#credentials = parts.credentials;
    this.#log = parts.log;
    this.metadataNames = this.isAmazon ? 'kept' : 'unknown';
  }

  /** Amazon's own service, whose behaviour is documented; others are observed. */
  get isAmazon(): boolean {
    const { endpoint } = this.settings;
    return endpoint === null || /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname);
  }

  regionOf(bucket: string): string {
    return regionOfName(bucket) ?? this.#regions.get(bucket) ?? this.region;
  }

  credentials(signal: AbortSignal): Promise<Credentials> {
    return this.#credentials.current(signal);
  }

  /** An answer with a 2xx status or one of `accept`; everything else is thrown. */
  async send(request: S3Request): Promise<HttpResponse> {
    const attempts: Attempts = { credentials: false, clock: false, redirects: 0, host: null };
    for (;;) {
      const credentials = await this.#credentials.current(request.signal);
      const response = await this.#sendOnce(request, credentials, attempts.host);
      this.time.notice(response.headers['date']);
      const { status } = response;
      if ((status >= 200 && status < 300) || request.accept?.includes(status) === true) return response;
      const failure = await this.#explained(request, credentials, attempts, await readFailure(response));
      const isCured = await this.#cure(failure, request, credentials, attempts);
      if (!isCured) throw this.#errorFor(request, failure);
      if (!isReplayable(request.body)) {
        throw new DroverError(
          'UNAVAILABLE',
          `${subjectOf(request)}: the content must be sent again (${failure.code}).`,
          {
            key: request.name ?? request.key,
          },
        );
      }
    }
  }

  /**
   * An answer to HEAD has no words: an expired session, a wrong clock and a missing right look alike. Asking for one
   * byte of the same object is refused for the same reason, and says it.
   */
  async #explained(request: S3Request, used: Credentials, attempts: Attempts, failure: WireFailure) {
    const isWordless = request.method === 'HEAD' && request.key !== null && [400, 403].includes(failure.status);
    if (!isWordless || (failure.region !== null && failure.region !== this.regionOf(request.bucket ?? ''))) {
      return failure;
    }
    const asked: S3Request = { ...request, method: 'GET', headers: { ...request.headers, range: 'bytes=0-0' } };
    const response = await this.#sendOnce(asked, used, attempts.host);
    if (response.status === failure.status) return readFailure(response);
    await response.discard();
    return failure;
  }

  /** The document that answers; an `<Error>` in it is thrown, whatever the status says. */
  async document(
    request: S3Request,
    visitor: ItemVisitor | null = null,
  ): Promise<{ root: XmlElement; headers: Headers }> {
    const response = await this.send(request);
    const bytes = await response.bytes(DOCUMENT_BYTES_MAX);
    const root = parseXml(new TextDecoder().decode(bytes).trimStart(), visitor);
    if (root.name === 'Error') throw this.#errorFor(request, failureOf(500, response.headers, root));
    return { root, headers: response.headers };
  }

  /** For requests whose answer has no content. */
  async run(request: S3Request): Promise<{ status: number; headers: Headers }> {
    const response = await this.send(request);
    await response.discard();
    return { status: response.status, headers: response.headers };
  }

  /** A URL that reads without further credentials, for as long as the signing ones live at most. */
  async presignedGet(
    bucket: string,
    key: string,
    query: Query,
    lifetimeMs: number,
    signal: AbortSignal,
  ): Promise<{ url: string; lifetimeMs: number }> {
    const credentials = await this.#credentials.current(signal);
    const now = this.time.now();
    const leftMs = credentials.expiresAtMs === null ? Infinity : credentials.expiresAtMs - now;
    const boundedMs = Math.max(1000, Math.min(lifetimeMs, leftMs, 604_800_000));
    const region = this.regionOf(bucket);
    const address = addressOf(this.settings, region, bucket, key);
    const pays: Query = this.settings.requesterPays ? [['x-amz-request-payer', 'requester']] : [];
    const signed = this.#signer(credentials, region).presign(
      { method: 'GET', host: address.host, path: address.path, query: [...query, ...pays] },
      now,
      Math.floor(boundedMs / 1000),
    );
    return { url: `${address.origin}${address.path}?${signed}`, lifetimeMs: boundedMs };
  }

  /** Looks for the region where no answer tells it by itself. */
  async findRegion(bucket: string, signal: AbortSignal): Promise<string | null> {
    const request = { bucket, key: null, signal, query: [['location', '']] as Query };
    const head = await this.#sendOnce(
      { method: 'HEAD', bucket, key: null, operation: 'HEAD', signal },
      await this.#credentials.current(signal),
      null,
    );
    await head.discard();
    const told = head.headers['x-amz-bucket-region'];
    if (told !== undefined) return this.#learn(bucket, told);
    if (!this.isAmazon) return null;
    const response = await this.#sendOnce(
      { ...request, method: 'GET', operation: 'HEAD' },
      await this.#credentials.current(signal),
      null,
    );
    if (response.status !== 200) {
      await response.discard();
      return null;
    }
    const root = parseXml(new TextDecoder().decode(await response.bytes(64 * 1024)));
    const location = root.text.trim() || childText(root, 'LocationConstraint') || 'us-east-1';
    return this.#learn(bucket, location === 'EU' ? 'eu-west-1' : location);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #learn(bucket: string, region: string): string {
    if (this.#regions.get(bucket) !== region) this.#log('debug', `Bucket "${bucket}" is in region ${region}.`);
    this.#regions.set(bucket, region);
    return region;
  }

  async #sendOnce(request: S3Request, credentials: Credentials, host: URL | null): Promise<HttpResponse> {
    const { bucket } = request;
    const redirectRegion = host === null ? null : regionOfHost(host.host);
    const region = redirectRegion ?? (bucket === null ? this.region : this.regionOf(bucket));
    let address = addressOf(this.settings, region, bucket, request.key);
    if (host !== null) address = onHost(address, host, bucket);
    const query = canonicalQuery(request.query ?? []);
    const body = request.body ?? null;
    const headers = this.#signer(credentials, region).sign(
      {
        method: request.method,
        host: address.host,
        path: address.path,
        query,
        headers: { ...this.#commonHeaders(request), ...request.headers },
        payloadHash: payloadHash(body, address.origin),
      },
      this.time.now(),
    );
    return this.#transport.send({
      method: request.method,
      origin: address.origin,
      path: query === '' ? address.path : `${address.path}?${query}`,
      headers,
      body: body === null && (request.method === 'PUT' || request.method === 'POST') ? EMPTY_BODY : body,
      operation: request.operation,
      signal: request.signal,
      ...(request.idleMsMax === undefined ? {} : { idleMsMax: request.idleMsMax }),
    });
  }

  #commonHeaders(request: S3Request): Record<string, string> {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (request.bucket === null) return headers;
    if (this.settings.requesterPays) headers['x-amz-request-payer'] = 'requester';
    const isCreation = request.method === 'PUT' && request.key === null;
    if (this.settings.expectedBucketOwner !== null && !isCreation) {
      headers['x-amz-expected-bucket-owner'] = this.settings.expectedBucketOwner;
    }
    return headers;
  }

  #signer(credentials: Credentials, region: string): Signer {
    if (this.#signersOf !== credentials) {
      this.#signersOf = credentials;
      this.#signers = new Map();
    }
    let signer = this.#signers.get(region);
    if (signer === undefined) {
      signer = new Signer(credentials.keys, { region, service: 's3' });
      this.#signers.set(region, signer);
    }
    return signer;
  }

  /** Removes the cause of a refusal where it can be; each cause once. */
  async #cure(failure: WireFailure, request: S3Request, used: Credentials, attempts: Attempts): Promise<boolean> {
    const row = rowOf(failure);
    if (this.#cureRegion(failure, request, row.cure === 'region', attempts)) return true;
    if (row.cure === 'region' && request.bucket !== null && attempts.redirects < REDIRECTS_MAX) {
      attempts.redirects = REDIRECTS_MAX;
      const before = this.regionOf(request.bucket);
      const found = await this.findRegion(request.bucket, request.signal);
      return found !== null && found !== before;
    }
    if (row.cure === 'clock' && !attempts.clock) {
      attempts.clock = true;
      return this.time.corrects(failure);
    }
    const isAboutKeys = row.cure === 'refresh' || row.code === 'UNAUTHENTICATED';
    if (isAboutKeys && this.#credentials.isRenewable && !attempts.credentials) {
      attempts.credentials = true;
      return (await this.#credentials.renew(used, request.signal)) !== used;
    }
    return false;
  }

  #cureRegion(failure: WireFailure, request: S3Request, isElsewhere: boolean, attempts: Attempts): boolean {
    const { bucket } = request;
    if (bucket === null || attempts.redirects >= REDIRECTS_MAX) return false;
    if (failure.region !== null && this.#isOtherRegion(bucket, failure.region)) {
      attempts.redirects++;
      attempts.host = null;
      this.#learn(bucket, failure.region);
      return true;
    }
    const url = failure.location === null ? null : urlOf(failure.location);
    if (!isElsewhere || url === null || !mayFollow(this.settings, this.regionOf(bucket), url)) return false;
    if (attempts.host?.host === url.host) return false;
    attempts.redirects++;
    attempts.host = url;
    return true;
  }

  /** A region out of an answer becomes part of a host name: only well-formed ones of the same partition do. */
  #isOtherRegion(bucket: string, region: string): boolean {
    const known = this.regionOf(bucket);
    const isPlausible = /^[a-z0-9-]{2,40}$/.test(region) && partitionOf(region) === partitionOf(known);
    return region !== known && isPlausible && regionOfName(bucket) === null;
  }

  #errorFor(request: S3Request, failure: WireFailure): DroverError {
    // HEAD of a bucket and a listing mean the bucket itself.
    const isPlaceMissing = failure.status === 404 && request.key === null && failure.code === 'NotFound';
    // Some stores say no more than that an argument is wrong, of each object that is written with such a class.
    const storageClass = request.headers?.['x-amz-storage-class'];
    const isClassUnknown =
      failure.code === 'InvalidArgument' && storageClass !== undefined && !STORAGE_CLASSES.includes(storageClass);
    const code = isPlaceMissing ? 'NoSuchBucket' : isClassUnknown ? 'InvalidStorageClass' : failure.code;
    return errorOf({ ...failure, code }, subjectOf(request), request.name ?? request.key);
  }
}

const EMPTY_BODY: RequestBody = { sizeBytes: 0, content: new Uint8Array(0) };

function payloadHash(body: RequestBody | null, origin: string): string {
  if (body === null || body.sizeBytes === 0) return EMPTY_SHA256;
  const isSecure = origin.startsWith('https:');
  return !isSecure && body.content instanceof Uint8Array ? sha256Hex(body.content) : UNSIGNED_PAYLOAD;
}

function isReplayable(body: RequestBody | null | undefined): boolean {
  return body === null || body === undefined || body.content instanceof Uint8Array;
}

function subjectOf(request: S3Request): string {
  if (request.bucket === null) return 'The store';
  if (request.key === null) return `Bucket "${request.bucket}"`;
  return `"${request.key}" in bucket "${request.bucket}"`;
}

function urlOf(text: string): URL | null {
  const url = text.includes('://') ? text : `https://${text}`;
  return URL.canParse(url) ? new URL(url) : null;
}

/** The same object at the host that a redirect named; a virtual host has no bucket in its path. */
function onHost(address: Address, url: URL, bucket: string | null): Address {
  let { path } = address;
  const isVirtual = bucket !== null && url.host.startsWith(`${bucket}.`);
  const inPath = bucket === null ? '' : `/${bucket}`;
  if (isVirtual && (path === inPath || path.startsWith(`${inPath}/`)) && !address.host.startsWith(`${bucket}.`)) {
    path = path.slice(inPath.length) || '/';
  } else if (!isVirtual && bucket !== null && address.host.startsWith(`${bucket}.`)) {
    path = `${inPath}${path}`;
  }
  return { origin: url.origin, host: url.host, path };
}
