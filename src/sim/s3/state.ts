/** What the simulated S3 remembers, and the options it is made with. */

import type { Clock, Random } from '../../lib/world.ts';
import type { Checksum } from '../checksum.ts';
import type { Content } from '../content.ts';
import { SortedMap } from '../order.ts';

export interface S3Options {
  readonly clock: Clock;
  readonly random: Random;
  /** The first is the region of hosts that name none. Default `['us-east-1', 'eu-central-1', 'ap-southeast-2']`. */
  readonly regions?: readonly string[];
  readonly accounts: readonly S3Account[];
  /** `rgw` imitates what is known of Ceph RGW 16 where it differs from AWS. */
  readonly dialect?: 'aws' | 'rgw';
  /** Hosts below these names are virtual-host style (`bucket.s3.localhost`). Amazon's own are always understood. */
  readonly virtualHostBases?: readonly string[];
  /** Smallest part but the last; AWS has 5 MiB, tests may want less. */
  readonly partBytesMin?: number;
  /** Largest single PUT and CopyObject; 5 GiB. */
  readonly putBytesMax?: number;
  /** A continuation token older than this is refused; AWS does not say, and never expires here by default. */
  readonly continuationTokenLifetimeMs?: number;
  /** Upper limit of keys per page, 1000. */
  readonly pageKeysMax?: number;
  /** Tokens AssumeRoleWithWebIdentity believes, in place of a signing issuer. */
  readonly webTokens?: Readonly<Record<string, WebToken>>;
  /** Order of listings: `bytes` as Amazon's, or `units` (UTF-16) as stores have it that compare strings of their language. */
  readonly order?: 'bytes' | 'units';
  /** What the management account sees with AWS Organizations; omitted: it is in none. */
  readonly organization?: {
    readonly managementAccountId: string;
    readonly accounts: readonly { readonly accountId: string; readonly name: string; readonly state?: string }[];
    readonly pageMax?: number;
  };
  /** Expedited restores answer 503. */
  readonly expeditedUnavailable?: boolean;
}

export interface S3Account {
  /** Twelve digits. */
  readonly accountId: string;
  readonly users: readonly S3User[];
  readonly roles?: readonly S3Role[];
}

export interface S3User {
  readonly name: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** What the user may do; `all` by default. */
  readonly grants?: Grants;
}

export type Grants = 'all' | readonly Grant[];

/** An allowance: every action that matches a pattern, on these buckets, for keys (or list prefixes) below `prefix`. */
export interface Grant {
  /** `s3:GetObject`, `s3:Get*`, `kms:Decrypt`, `sts:AssumeRole`, `*`. */
  readonly actions: readonly string[];
  /** Omitted: all buckets of accounts that let them in. */
  readonly buckets?: readonly string[];
  readonly prefix?: string;
}

export interface S3Role {
  readonly name: string;
  /** User or role ARNs, or `arn:aws:iam::{account}:root` for a whole account. */
  readonly trustedPrincipals: readonly string[];
  /** The external ID the trust policy demands; omitted: none is demanded. */
  readonly externalId?: string;
  /** Who may come with a web identity token. */
  readonly webIdentity?: { readonly issuer: string; readonly audience: string; readonly subject: string };
  readonly maxSessionSeconds?: number;
  readonly grants?: Grants;
}

export interface WebToken {
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  readonly expiresAtMs: number;
}

/** Who signed a request. */
export interface Identity {
  readonly accountId: string;
  readonly arn: string;
  readonly userId: string;
  readonly grants: Grants;
  /** A session policy narrows what the role may do. */
  readonly sessionGrants: Grants;
  /** Signed with credentials of an assumed role. */
  readonly assumed: boolean;
}

export interface TemporaryCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiresAtMs: number;
  readonly identity: Identity;
}

export interface Encryption {
  readonly kind: 'AES256' | 'aws:kms' | 'aws:kms:dsse' | 'customer';
  readonly keyId: string | null;
  readonly customerKeyMd5: string | null;
}

export interface StoredChecksum {
  /** A name of the API, also of kinds this stand-in cannot compute. */
  readonly kind: string;
  readonly type: 'FULL_OBJECT' | 'COMPOSITE';
  /** Base64, with `-N` when composite. */
  readonly value: string;
}

export interface StoredPart {
  readonly number: number;
  readonly content: Content;
  readonly etag: string;
  readonly checksum: { readonly kind: Checksum; readonly value: string } | null;
  readonly modifiedAtMs: number;
}

/** What a PUT or CreateMultipartUpload says about the object besides its bytes. */
export interface ObjectAttributes {
  /** `content-type`, `content-encoding`, `content-language`, `content-disposition`, `cache-control`, `expires`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Lower-case names, decoded values. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Entries that exist and cannot be sent as headers. */
  readonly missingMeta: number;
  readonly tags: ReadonlyMap<string, string>;
  readonly storageClass: string;
  readonly encryption: Encryption;
  readonly websiteRedirect: string | null;
  /** Object Lock; only put there by the hands of a test. */
  readonly lock?: {
    readonly mode?: 'GOVERNANCE' | 'COMPLIANCE';
    readonly untilMs?: number;
    readonly legalHold?: boolean;
  };
}

export interface StoredVersion {
  readonly versionId: string;
  readonly deleteMarker: boolean;
  readonly content: Content;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedAtMs: number;
  attributes: ObjectAttributes;
  readonly checksum: StoredChecksum | null;
  readonly parts: readonly StoredPart[] | null;
  /** INTELLIGENT_TIERING only. */
  archiveStatus: 'ARCHIVE_ACCESS' | 'DEEP_ARCHIVE_ACCESS' | null;
  restore: { readonly readyAtMs: number; expiresAtMs: number | null } | null;
}

export interface Upload {
  readonly uploadId: string;
  readonly key: string;
  readonly initiatedAtMs: number;
  readonly initiator: Identity;
  readonly attributes: ObjectAttributes;
  /** `null`: none was asked for; the service then computes CRC64NVME by itself. */
  readonly checksumKind: Checksum | null;
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE';
  readonly parts: Map<number, StoredPart>;
}

export interface Bucket {
  readonly name: string;
  readonly region: string;
  readonly ownerId: string;
  readonly createdAtMs: number;
  versioning: 'off' | 'Enabled' | 'Suspended';
  requesterPays: boolean;
  /** Other accounts that the bucket policy lets in. */
  sharedWith: readonly string[];
  publicRead: boolean;
  /** A young bucket answers 307 instead of 301 at foreign endpoints. */
  redirectsTemporarily: boolean;
  defaultEncryption: Encryption;
  /** Object Lock with a default retention that never ends here. */
  retainsAll: boolean;
  /** Newest first. */
  readonly objects: SortedMap<StoredVersion[]>;
  readonly uploads: Map<string, Upload>;
}

export const SSE_S3: Encryption = { kind: 'AES256', keyId: null, customerKeyMd5: null };

export interface S3World {
  readonly options: S3Options;
  readonly dialect: 'aws' | 'rgw';
  readonly regions: readonly string[];
  readonly partBytesMin: number;
  readonly putBytesMax: number;
  readonly buckets: SortedMap<Bucket>;
  /** Permanent keys. */
  readonly users: Map<string, { secretAccessKey: string; identity: Identity }>;
  readonly roles: Map<string, { role: S3Role; accountId: string }>;
  readonly sessions: Map<string, TemporaryCredentials>;
  nowMs(): number;
  /** Fresh letters and digits. */
  id(length: number): string;
}

/** The version a plain GET sees; `null` when there is none or it is a delete marker. */
export function currentVersion(bucket: Bucket, key: string): StoredVersion | null {
  const newest = bucket.objects.get(key)?.[0];
  return newest === undefined || newest.deleteMarker ? null : newest;
}

/** Puts a version on top, as versioning of the bucket demands, and returns it. */
export function addVersion(
  world: S3World,
  bucket: Bucket,
  key: string,
  make: (versionId: string) => StoredVersion,
): StoredVersion {
  const version = make(bucket.versioning === 'Enabled' ? world.id(32) : 'null');
  const kept = (bucket.objects.get(key) ?? []).filter((v) => v.versionId !== version.versionId);
  bucket.objects.set(key, [version, ...kept]);
  return version;
}

export function isArchived(version: StoredVersion): boolean {
  const { storageClass } = version.attributes;
  return storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE' || version.archiveStatus !== null;
}

/** Settles what time has done to a restore: the temporary copy becomes readable, and later goes away. */
export function settleRestore(version: StoredVersion, nowMs: number): 'archived' | 'restoring' | 'online' {
  if (!isArchived(version)) return 'online';
  const { restore } = version;
  if (restore === null) return 'archived';
  if (nowMs < restore.readyAtMs) return 'restoring';
  if (version.attributes.storageClass === 'INTELLIGENT_TIERING') {
    version.archiveStatus = null;
    version.restore = null;
    return 'online';
  }
  if (restore.expiresAtMs !== null && nowMs >= restore.expiresAtMs) {
    version.restore = null;
    return 'archived';
  }
  return 'online';
}
