/** A strict, in-memory Amazon S3 with STS, written from the documentation: one request in, one response out. */

import type { Content } from './content.ts';
import { contentOf, generated, joined, slice } from './content.ts';
import type { SimRequest, SimResponse, SimService, Target } from './http.ts';
import { httpDate, parseTarget } from './http.ts';
import { SortedMap } from './order.ts';
import { createHash } from 'node:crypto';
import { readAddress } from './s3/address.ts';
import type { Address } from './s3/address.ts';
import type { Signer } from './s3/auth.ts';
import { authenticate } from './s3/auth.ts';
import { makeBucket } from './s3/buckets.ts';
import type { BucketCall, Call } from './s3/call.ts';
import { unframe } from './s3/chunked.ts';
import { S3Error, accessDenied, s3ErrorResponse, stsErrorResponse } from './s3/error.ts';
import { answerOrganizations, isOrganizations } from './s3/organizations.ts';
import { noSuchBucket, routeBucket, routeObject, routeService } from './s3/route.ts';
import type { Bucket, ObjectAttributes, S3Options, S3Role, S3World, StoredPart, StoredVersion } from './s3/state.ts';
import { SSE_S3, addVersion, currentVersion } from './s3/state.ts';
import { handleSts, stsForm } from './s3/sts.ts';

export type { Grant, S3Account, S3Options, S3Role, S3User, WebToken } from './s3/state.ts';

export interface BucketSettings {
  readonly region?: string;
  /** Default: the first account. */
  readonly ownerId?: string;
  readonly versioning?: 'off' | 'Enabled' | 'Suspended';
  readonly requesterPays?: boolean;
  readonly sharedWith?: readonly string[];
  readonly publicRead?: boolean;
  readonly redirectsTemporarily?: boolean;
  readonly defaultEncryption?: Bucket['defaultEncryption'];
  readonly retainsAll?: boolean;
}

export interface PutSettings extends Partial<ObjectAttributes> {
  /** As if it had been uploaded in parts of this size. */
  readonly partBytes?: number;
  readonly archiveStatus?: StoredVersion['archiveStatus'];
  /** Replaces the computed one, for kinds that this stand-in cannot compute; `null` for objects from before 2025. */
  readonly checksum?: StoredVersion['checksum'];
  readonly etag?: string;
  readonly modifiedAtMs?: number;
}

export interface S3Service extends SimService {
  /** Hands of the test: past every check and permission. */
  createBucket(name: string, settings?: BucketSettings): Bucket;
  bucket(name: string): Bucket;
  /** With all that is in it. */
  removeBucket(name: string): void;
  put(bucket: string, key: string, content: Uint8Array | string | Content, settings?: PutSettings): StoredVersion;
  /** An object of pseudo-random bytes that takes no memory; digests are computed when first needed. */
  putGenerated(bucket: string, key: string, seed: number, sizeBytes: number, settings?: PutSettings): StoredVersion;
  /** The current version; `null` where there is none. */
  get(bucket: string, key: string): StoredVersion | null;
  /** Bytes of the current version. */
  bytes(bucket: string, key: string): Buffer | null;
  remove(bucket: string, key: string): void;
  /** Makes the role of an account, or changes what it has. */
  role(accountId: string, role: S3Role): void;
  /** Keys with a current version, in byte order. */
  keys(bucket: string): readonly string[];
}

export function createS3Service(options: S3Options): S3Service {
  const world = openWorld(options);
  const bucket = (name: string): Bucket => {
    const found = world.buckets.get(name);
    if (found === undefined) throw new Error(`The simulated S3 has no bucket ${name}.`);
    return found;
  };
  const get = (name: string, key: string): StoredVersion | null => currentVersion(bucket(name), key);
  return {
    handle: async (request) => handle(world, request),
    removeBucket: (name) => void world.buckets.delete(name),
    createBucket: (name, settings = {}) => {
      const { region, ownerId, ...rest } = settings;
      return Object.assign(
        makeBucket(world, name, region ?? world.regions[0]!, ownerId ?? options.accounts[0]!.accountId),
        rest,
      );
    },
    bucket,
    put: (name, key, content, settings = {}) => plant(world, bucket(name), key, asContent(content), settings),
    putGenerated: (name, key, seed, sizeBytes, settings = {}) =>
      plant(world, bucket(name), key, generated(seed, sizeBytes), settings),
    get,
    bytes: (name, key) => {
      const version = get(name, key);
      return version === null ? null : Buffer.concat([...version.content.range(0, version.content.sizeBytes)]);
    },
    remove: (name, key) => void bucket(name).objects.delete(key),
    role: (accountId, role) => void world.roles.set(`arn:aws:iam::${accountId}:role/${role.name}`, { role, accountId }),
    keys: (name) =>
      bucket(name)
        .objects.keys()
        .filter((key) => get(name, key) !== null),
  };
}

function openWorld(options: S3Options): S3World {
  const world: S3World = {
    options,
    dialect: options.dialect ?? 'aws',
    regions: options.regions ?? ['us-east-1', 'eu-central-1', 'ap-southeast-2'],
    partBytesMin: options.partBytesMin ?? 5 * 1024 * 1024,
    putBytesMax: options.putBytesMax ?? 5 * 1024 ** 3,
    buckets: new SortedMap(),
    users: new Map(),
    roles: new Map(),
    sessions: new Map(),
    nowMs: () => options.clock.now(),
    id: (length) => {
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789__';
      return Array.from(options.random.bytes(length), (byte) => alphabet[byte & 63]).join('');
    },
  };
  for (const account of options.accounts) {
    for (const user of account.users) {
      const identity = {
        accountId: account.accountId,
        arn: `arn:aws:iam::${account.accountId}:user/${user.name}`,
        userId: `AIDA${user.name.toUpperCase()}`,
        grants: user.grants ?? 'all',
        sessionGrants: 'all' as const,
        assumed: false,
      };
      world.users.set(user.accessKeyId, { secretAccessKey: user.secretAccessKey, identity });
    }
    for (const role of account.roles ?? []) {
      world.roles.set(`arn:aws:iam::${account.accountId}:role/${role.name}`, { role, accountId: account.accountId });
    }
  }
  return world;
}

function asContent(content: Uint8Array | string | Content): Content {
  if (typeof content === 'string') return contentOf(Buffer.from(content, 'utf8'));
  return content instanceof Uint8Array ? contentOf(Uint8Array.from(content)) : content;
}

function plant(world: S3World, bucket: Bucket, key: string, content: Content, settings: PutSettings): StoredVersion {
  const { partBytes, archiveStatus, checksum, etag, modifiedAtMs, ...attributes } = settings;
  const parts = partBytes === undefined ? null : cut(world, content, partBytes);
  return addVersion(world, bucket, key, (versionId) => {
    // Getters: a large generated object is hashed only when somebody asks.
    const version: StoredVersion = {
      versionId,
      deleteMarker: false,
      content: parts === null ? content : joined(parts.map((part) => part.content)),
      get etag() {
        return etag ?? plantedEtag(content, parts);
      },
      modifiedAtMs: modifiedAtMs ?? world.nowMs(),
      attributes: {
        headers: { 'content-type': 'binary/octet-stream' },
        metadata: {},
        missingMeta: 0,
        tags: new Map(),
        storageClass: 'STANDARD',
        encryption: SSE_S3,
        websiteRedirect: null,
        ...attributes,
      },
      get checksum() {
        if (checksum !== undefined || world.dialect === 'rgw') return checksum ?? null;
        return {
          kind: 'CRC64NVME',
          type: 'FULL_OBJECT' as const,
          value: content.digest('CRC64NVME').toString('base64'),
        };
      },
      parts,
      archiveStatus: archiveStatus ?? null,
      restore: null,
    };
    return version;
  });
}

function cut(world: S3World, content: Content, partBytes: number): StoredPart[] {
  const parts: StoredPart[] = [];
  for (let offset = 0; offset < Math.max(content.sizeBytes, 1); offset += partBytes) {
    const piece = slice(content, offset, Math.min(partBytes, content.sizeBytes - offset));
    parts.push({
      number: parts.length + 1,
      content: piece,
      get etag() {
        return piece.digest('MD5').toString('hex');
      },
      checksum: null,
      modifiedAtMs: world.nowMs(),
    });
  }
  return parts;
}

function plantedEtag(content: Content, parts: readonly StoredPart[] | null): string {
  if (parts === null) return content.digest('MD5').toString('hex');
  const outer = createHash('md5');
  for (const part of parts) outer.update(Buffer.from(part.etag, 'hex'));
  return `${outer.digest('hex')}-${parts.length}`;
}

function handle(world: S3World, request: SimRequest): SimResponse {
  const ids = { requestId: world.id(16).toUpperCase(), hostId: Buffer.from(world.id(48)).toString('base64') };
  const resource = request.path.split('?')[0]!;
  let isSts = false;
  let response: SimResponse;
  try {
    const target = parseTarget(request.path);
    if (target === null) throw new S3Error('InvalidURI', "Couldn't parse the specified URI.");
    if (isOrganizations(request.host)) return answerOrganizations(world, request, target);
    const address = readAddress(request.host, target.rawPath, world.options.virtualHostBases ?? []);
    isSts =
      address.service === 'sts' || (request.method === 'POST' && target.rawPath === '/' && address.bucket === null);
    response = isSts ? answerSts(world, request, target, ids.requestId) : answerS3(world, request, target, address);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    response = isSts ? stsErrorResponse(error, ids) : s3ErrorResponse(error, request.method, resource, ids);
  }
  const bodiless = response.status === 204 || response.status === 304;
  return {
    ...response,
    headers: {
      'x-amz-request-id': ids.requestId,
      'x-amz-id-2': ids.hostId,
      date: httpDate(world.nowMs()),
      server: 'AmazonS3',
      ...(bodiless ? {} : { 'content-length': String(response.body.sizeBytes) }),
      ...response.headers,
    },
  };
}

function answerSts(world: S3World, request: SimRequest, target: Target, requestId: string): SimResponse {
  const form = stsForm(request);
  const unsigned = form.get('Action') === 'AssumeRoleWithWebIdentity';
  const signer = unsigned ? null : authenticate(world, request, target);
  if (signer !== null && signer.service !== 'sts') {
    throw new S3Error('SignatureDoesNotMatch', `Credential should be scoped to correct service: 'sts'.`);
  }
  return handleSts(world, form, signer?.identity ?? null, requestId);
}

function answerS3(world: S3World, request: SimRequest, target: Target, address: Address): SimResponse {
  const signer = authenticate(world, request, target);
  if (signer !== null && signer.service !== 's3') {
    throw new S3Error(
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; incorrect service "${signer.service}". This endpoint belongs to "s3".`,
    );
  }
  const region =
    address.region ?? (signer !== null && world.regions.includes(signer.region) ? signer.region : world.regions[0]!);
  const { bytes, trailers } = unframe(request.body, signer, request.headers['x-amz-decoded-content-length']);
  const call: Call = {
    world,
    request,
    query: target.query,
    headers: foldedHeaders(request, target, signer),
    signer,
    identity: signer?.identity ?? null,
    region,
    body: bytes,
    trailers,
  };
  if (address.bucket === null) {
    checkRegion(call, region);
    return routeService(call);
  }
  const bucket = world.buckets.get(address.bucket);
  if (bucket === undefined) {
    checkRegion(call, region);
    return address.key === null ? routeBucket(call, address.bucket, null) : noSuchBucket(address.bucket);
  }
  checkBucketRegion(call, bucket, address.region);
  const inner: BucketCall = { ...call, bucket };
  try {
    return address.key === null ? routeBucket(call, bucket.name, inner) : routeObject({ ...inner, key: address.key });
  } catch (error) {
    // A refused HEAD of a bucket still tells where the bucket is.
    if (!(error instanceof S3Error) || address.key !== null || error.status !== 403 || request.method !== 'HEAD')
      throw error;
    throw new S3Error(error.code, error.message, { headers: { 'x-amz-bucket-region': bucket.region } });
  }
}

/** A presigned address may carry `x-amz-*` headers as parameters. */
function foldedHeaders(request: SimRequest, target: Target, signer: Signer | null): Readonly<Record<string, string>> {
  if (signer === null || signer.chunks !== null) return request.headers;
  const folded: Record<string, string> = {};
  for (const [name, value] of target.query.entries) if (/^x-amz-/i.test(name)) folded[name.toLowerCase()] = value;
  return { ...folded, ...request.headers };
}

function checkRegion(call: Call, expected: string): void {
  if (call.signer === null || call.signer.region === expected || call.world.dialect === 'rgw') return;
  throw wrongRegion(call.signer.region, expected);
}

function wrongRegion(given: string, expected: string): S3Error {
  return new S3Error(
    'AuthorizationHeaderMalformed',
    `The authorization header is malformed; the region '${given}' is wrong; expecting '${expected}'`,
    {
      fields: { Region: expected },
      headers: { 'x-amz-bucket-region': expected },
    },
  );
}

/** Amazon's own hosts redirect to the bucket's region; a host of no region only insists on the right signature. */
function checkBucketRegion(call: Call, bucket: Bucket, hostRegion: string | null): void {
  if (call.world.dialect === 'rgw') return;
  if (hostRegion !== null && hostRegion !== bucket.region) {
    const endpoint = `${bucket.name}.s3.${bucket.region}.amazonaws.com`;
    const young = bucket.redirectsTemporarily;
    throw new S3Error(
      young ? 'TemporaryRedirect' : 'PermanentRedirect',
      'The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.',
      {
        fields: { Endpoint: endpoint, Bucket: bucket.name },
        headers: {
          'x-amz-bucket-region': bucket.region,
          ...(young ? { location: `https://${endpoint}${call.request.path}` } : {}),
        },
      },
    );
  }
  if (call.signer !== null && call.signer.region !== bucket.region)
    throw wrongRegion(call.signer.region, bucket.region);
  if (call.signer === null && !bucket.publicRead) throw accessDenied();
}
