/** Where requests go: partitions, hosts and paths. Pure. */
import { encodePath } from '../../lib/sigv4.ts';
import { keyToBytes } from '../../model/key.ts';
import type { S3Settings } from './fields.ts';

export interface Address {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly host: string;
  /** Encoded, starting with `/`. */
  readonly path: string;
}

export type Partition = 'aws' | 'aws-cn' | 'aws-us-gov';

export function partitionOf(region: string): Partition {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

export function domainOf(partition: Partition): string {
  return partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
}

const DNS_SAFE = /^[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]$/;
const IP_OR_LOCAL = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[.*\]|localhost|.*\.localhost)$/;
const ACCESS_POINT = /^arn:([a-z0-9-]+):s3:([a-z0-9-]+):(\d{12}):accesspoint[:/]([a-z0-9-]+)$/;

/** The region that the name itself gives away (access points); `null` for plain buckets. */
export function regionOfName(bucket: string): string | null {
  return ACCESS_POINT.exec(bucket)?.[2] ?? null;
}

/** The address of a bucket (`key` null), of an object, or of the service (`bucket` null). */
export function addressOf(
  settings: Pick<S3Settings, 'endpoint' | 'pathStyle'>,
  region: string,
  bucket: string | null,
  key: string | null,
): Address {
  const keyPath = key === null ? '/' : `/${encodeKey(key)}`;
  const point = bucket === null ? null : ACCESS_POINT.exec(bucket);
  if (point && settings.endpoint === null) {
    const domain = domainOf(partitionOf(point[2] as string));
    return at('https:', `${point[4]}-${point[3]}.s3-accesspoint.${point[2]}.${domain}`, keyPath);
  }
  const base = new URL(settings.endpoint ?? `https://s3.${region}.${domainOf(partitionOf(region))}`);
  const basePath = base.pathname === '/' ? '' : base.pathname;
  if (bucket === null) return at(base.protocol, base.host, `${basePath}/`);
  if (usesPathStyle(settings, base.hostname, bucket)) {
    const rest = key === null ? '' : keyPath;
    return at(base.protocol, base.host, `${basePath}/${encodePath(bucket)}${rest}`);
  }
  return at(base.protocol, `${bucket}.${base.host}`, `${basePath}${keyPath}`);
}

/** A name with dots would not fit the certificate of a virtual host; others do not fit into host names at all. */
function usesPathStyle(settings: Pick<S3Settings, 'pathStyle'>, hostname: string, bucket: string): boolean {
  return settings.pathStyle || IP_OR_LOCAL.test(hostname) || !DNS_SAFE.test(bucket);
}

function at(protocol: string, host: string, path: string): Address {
  return { origin: `${protocol}//${host}`, host, path };
}

export function encodeKey(key: string): string {
  return encodePath(key.isWellFormed() ? key : keyToBytes(key));
}

/** The same bytes for a query parameter. */
export function keyParameter(key: string): string | Uint8Array {
  return key.isWellFormed() ? key : keyToBytes(key);
}

const AWS_HOST = /(?:^|\.)s3[.-](?:dualstack\.|fips\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?$/;

/** The region in an Amazon S3 host name; `null` when there is none. */
export function regionOfHost(host: string): string | null {
  if (/^(?:.*\.)?s3\.amazonaws\.com$/.test(host)) return 'us-east-1';
  return AWS_HOST.exec(host)?.[1] ?? null;
}

/**
 * Whether credentials may be signed for the host of a redirect: at Amazon only hosts of S3 in the same partition,
 * elsewhere only the endpoint's own host and names below it.
 */
export function mayFollow(settings: Pick<S3Settings, 'endpoint'>, region: string, url: URL): boolean {
  if (settings.endpoint === null) {
    const target = regionOfHost(url.host);
    return url.protocol === 'https:' && target !== null && partitionOf(target) === partitionOf(region);
  }
  const own = new URL(settings.endpoint);
  return url.protocol === own.protocol && (url.host === own.host || url.host.endsWith(`.${own.host}`));
}

/**
 * The account whose access key this is: Amazon encodes it in the key ID, except in the oldest ones (`AKIAI…`, `AKIAJ…`).
 * `null` for other shapes.
 */
export function accountOfKey(accessKeyId: string): string | null {
  if (!/^(?:AKIA|ASIA)(?![IJ])[A-Z2-7]{16}$/.test(accessKeyId)) return null;
  let bits = 0n;
  for (const letter of accessKeyId.slice(4, 14)) {
    bits = (bits << 5n) | BigInt('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter));
  }
  // Fifty bits: the first is no part of the number, then come forty of account, then others.
  const account = ((bits >> 2n) & 0x7fffffffff80n) >> 7n;
  return account < 1_000_000_000_000n ? account.toString().padStart(12, '0') : null;
}
